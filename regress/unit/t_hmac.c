#include <atf-c.h>
#include <stdio.h>
#include <string.h>

#include "hmac.h"

/* RFC 4231, 4.2 to 4.5: keys that are no longer than a block. */
static const struct {
	const char	*key;
	size_t		 keylen;
	const char	*data;
	size_t		 len;
	const char	*mac;
} vectors[] = {
	{ "\v\v\v\v\v\v\v\v\v\v\v\v\v\v\v\v\v\v\v\v", 20, "Hi There", 8,
	    "b0344c61d8db38535ca8afceaf0bf12b"
	    "881dc200c9833da726e9376c2e32cff7" },
	{ "Jefe", 4, "what do ya want for nothing?", 28,
	    "5bdcc146bf60754e6a042426089575c7"
	    "5a003f089d2739839dec58b964ec3843" },
	{ "\1\2\3\4\5\6\7\10\11\12\13\14\15\16\17\20\21\22\23\24\25\26\27"
	    "\30\31", 25,
	    "\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd"
	    "\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd"
	    "\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd\xcd"
	    "\xcd\xcd\xcd\xcd\xcd", 50,
	    "82558a389a443c0ea4cc819899f2083a"
	    "85f0faa3e578f8077a2e3ff46729665b" },
};

static void
hex(char *out, const uint8_t *p, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		snprintf(out + 2 * i, 3, "%02x", p[i]);
}

ATF_TC_WITHOUT_HEAD(rfc4231);
ATF_TC_BODY(rfc4231, tc)
{
	struct hmac	h;
	uint8_t		mac[HMAC_LEN];
	char		text[2 * HMAC_LEN + 1];
	size_t		i, cut;

	for (i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
		for (cut = 0; cut <= vectors[i].len; cut++) {
			hmac_init(&h, vectors[i].key, vectors[i].keylen);
			hmac_update(&h, vectors[i].data, cut);
			hmac_update(&h, vectors[i].data + cut,
			    vectors[i].len - cut);
			hmac_final(&h, mac);
			hex(text, mac, sizeof(mac));
			ATF_CHECK_STREQ(vectors[i].mac, text);
		}
}

ATF_TC_WITHOUT_HEAD(wiped);
ATF_TC_BODY(wiped, tc)
{
	static const struct hmac	zero;
	struct hmac			h;
	uint8_t				mac[HMAC_LEN];

	hmac_init(&h, "key", 3);
	ATF_CHECK(memcmp(&h, &zero, sizeof(h)) != 0);
	hmac_final(&h, mac);
	ATF_CHECK(memcmp(&h, &zero, sizeof(h)) == 0);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, rfc4231);
	ATF_TP_ADD_TC(tp, wiped);
	return atf_no_error();
}
