#include <atf-c.h>
#include <errno.h>
#include <string.h>

#include "base64.h"
#include "saslplain.h"

/* RFC 4648, 10 */
static const struct {
	const char	*plain;
	const char	*coded;
} vectors[] = {
	{ "", "" },
	{ "f", "Zg==" },
	{ "fo", "Zm8=" },
	{ "foo", "Zm9v" },
	{ "foob", "Zm9vYg==" },
	{ "fooba", "Zm9vYmE=" },
	{ "foobar", "Zm9vYmFy" },
	{ "\xff\xfe\xfd", "//79" },
	{ ">>>???", "Pj4+Pz8/" },
};

ATF_TC_WITHOUT_HEAD(vectors);
ATF_TC_BODY(vectors, tc)
{
	char	out[64];
	size_t	i, plen, clen;

	for (i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		plen = strlen(vectors[i].plain);
		clen = strlen(vectors[i].coded);
		ATF_CHECK_EQ((ssize_t)clen, base64_encode(out, clen,
		    vectors[i].plain, plen));
		ATF_CHECK(memcmp(out, vectors[i].coded, clen) == 0);
		ATF_CHECK_EQ((ssize_t)plen, base64_decode(out, plen,
		    vectors[i].coded, clen));
		ATF_CHECK(memcmp(out, vectors[i].plain, plen) == 0);
		if (clen == 0)
			continue;
		errno = 0;
		ATF_CHECK_EQ(-1, base64_encode(out, clen - 1,
		    vectors[i].plain, plen));
		ATF_CHECK_EQ(ERANGE, errno);
		errno = 0;
		ATF_CHECK_EQ(-1, base64_decode(out, plen - 1,
		    vectors[i].coded, clen));
		ATF_CHECK_EQ(ERANGE, errno);
	}
}

ATF_TC_WITHOUT_HEAD(bad);
ATF_TC_BODY(bad, tc)
{
	static const char *bad[] = { "Z", "Zg", "Zg=", "Zg===", "=", "====",
	    "Z===", "Zh==", "Zm9=", "Zg==Zg==", "Zm9v\n", " Zm9", "Zm 9v",
	    "Zm-v", "Zm_v", "Zm9v=", "=Zm9", "Zg=v", "Z\xc3\xa9v", "*", NULL };
	char	out[64];
	int	i;

	for (i = 0; bad[i] != NULL; i++) {
		errno = 0;
		ATF_CHECK_EQ_MSG(-1, base64_decode(out, sizeof(out), bad[i],
		    strlen(bad[i])), "%s", bad[i]);
		ATF_CHECK_EQ_MSG(EINVAL, errno, "%s", bad[i]);
	}
	ATF_CHECK_EQ(-1, base64_decode(out, sizeof(out), "Zg\0=", 4));
}

ATF_TC_WITHOUT_HEAD(plain);
ATF_TC_BODY(plain, tc)
{
	struct saslplain m;

	/* RFC 4616, 4 */
	ATF_REQUIRE_EQ(0, saslplain_parse(&m, "\0tim\0tanstaaftanstaaf", 21));
	ATF_CHECK_EQ(0, m.authzidlen);
	ATF_CHECK_STREQ("", m.authzid);
	ATF_CHECK_STREQ("tim", m.authcid);
	ATF_CHECK_EQ(3, m.authcidlen);
	ATF_CHECK_EQ(16, m.passlen);
	ATF_CHECK(memcmp(m.passwd, "tanstaaftanstaaf", 16) == 0);
	ATF_REQUIRE_EQ(0, saslplain_parse(&m, "Ursel\0Kurt\0xipj3plmq", 20));
	ATF_CHECK_STREQ("Ursel", m.authzid);
	ATF_CHECK_EQ(5, m.authzidlen);
	ATF_CHECK_STREQ("Kurt", m.authcid);
	ATF_CHECK_EQ(9, m.passlen);
	ATF_CHECK_EQ(0, saslplain_parse(&m, "\0\xc3\xa9\0a b\r\n", 9));
}

ATF_TC_WITHOUT_HEAD(plainbad);
ATF_TC_BODY(plainbad, tc)
{
	static const struct {
		const char	*p;
		size_t		 len;
	} bad[] = {
		{ "", 0 }, { "\0", 1 }, { "\0a", 2 }, { "a\0b", 3 },
		{ "\0a\0", 3 }, { "\0\0b", 3 }, { "\0a\0b\0", 5 },
		{ "\0a\0b\0c", 6 }, { "\0\xff\0b", 4 }, { "\0a\0\xc3", 4 },
		{ "\xc0\x80\0a\0b", 6 }, { "\0a\r\0b", 5 },
		{ "z\n\0a\0b", 6 },
	};
	struct saslplain m;
	char	big[3 * SASLPLAIN_MAX];
	size_t	i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		errno = 0;
		ATF_CHECK_EQ_MSG(-1, saslplain_parse(&m, bad[i].p,
		    bad[i].len), "%zu", i);
		ATF_CHECK_EQ(EINVAL, errno);
		ATF_CHECK(m.passwd == NULL);
	}
	memset(big, 'x', sizeof(big));
	big[0] = big[1 + SASLPLAIN_MAX] = '\0';
	ATF_CHECK_EQ(0, saslplain_parse(&m, big, 2 + 2 * SASLPLAIN_MAX));
	ATF_CHECK_EQ(-1, saslplain_parse(&m, big, 3 + 2 * SASLPLAIN_MAX));
	big[1 + SASLPLAIN_MAX] = 'x';
	big[2 + SASLPLAIN_MAX] = '\0';
	ATF_CHECK_EQ(-1, saslplain_parse(&m, big, 4 + SASLPLAIN_MAX));
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, vectors);
	ATF_TP_ADD_TC(tp, bad);
	ATF_TP_ADD_TC(tp, plain);
	ATF_TP_ADD_TC(tp, plainbad);
	return atf_no_error();
}
