#include <atf-c.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base64.h"
#include "scram.h"

#define CNONCE	"rOprNGfwEbeRWgbNEkqO"
#define SNONCE	"%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
#define PROOF	"p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="

static struct scramkeys keys;
static struct scram s;
static char out[SCRAM_CHALLENGE_MAX];

static void
keys_make(void)
{
	memset(&keys, 0, sizeof(keys));
	keys.iterations = 4096;
	keys.saltlen = (size_t)base64_decode(keys.salt, sizeof(keys.salt),
	    "W22ZaJ0SNY7soEsUEjb6gQ==", 24);
	ATF_REQUIRE_EQ(16, keys.saltlen);
	ATF_REQUIRE_EQ(0, scramkeys_make(&keys, "pencil", 6));
}

static enum scram_error
first(const char *text)
{
	char			*copy = strdup(text);
	enum scram_error	 r;

	/* right at the end of what may be read */
	ATF_REQUIRE(copy != NULL);
	copy = realloc(copy, strlen(text) + (*text == '\0'));
	ATF_REQUIRE(copy != NULL);
	r = scram_first(&s, copy, strlen(text));
	free(copy);
	return r;
}

static enum scram_error
final(const char *text)
{
	return scram_final(&s, text, strlen(text), out, sizeof(out));
}

/* As far as the challenge. */
static void
begin(const char *text)
{
	keys_make();
	ATF_REQUIRE_EQ(SCRAM_OK, first(text));
	ATF_REQUIRE(scram_challenge(&s, &keys, SNONCE, out, sizeof(out)) > 0);
}

/* What the client says to it, by the rules. */
static void
proof(char *buf, size_t size, const char *bare, const char *without)
{
	uint8_t		 salted[HMAC_LEN], key[HMAC_LEN], sig[HMAC_LEN];
	uint8_t		 stored[HMAC_LEN], u[HMAC_LEN], be[4] = { 0, 0, 0, 1 };
	char		 text[2 * SCRAM_MESSAGE_MAX], b64[45] = "";
	struct hmac	 h;
	SHA2_CTX	 ctx;
	int		 i, n;

	hmac_init(&h, "pencil", 6);
	hmac_update(&h, keys.salt, keys.saltlen);
	hmac_update(&h, be, 4);
	hmac_final(&h, u);
	memcpy(salted, u, sizeof(u));
	for (i = 1; i < 4096; i++) {
		hmac_init(&h, "pencil", 6);
		hmac_update(&h, u, sizeof(u));
		hmac_final(&h, u);
		for (n = 0; n < HMAC_LEN; n++)
			salted[n] ^= u[n];
	}
	hmac_init(&h, salted, sizeof(salted));
	hmac_update(&h, "Client Key", 10);
	hmac_final(&h, key);
	SHA256Init(&ctx);
	SHA256Update(&ctx, key, sizeof(key));
	SHA256Final(stored, &ctx);
	snprintf(text, sizeof(text), "%s,%s,%s", bare, out, without);
	hmac_init(&h, stored, sizeof(stored));
	hmac_update(&h, text, strlen(text));
	hmac_final(&h, sig);
	for (i = 0; i < HMAC_LEN; i++)
		key[i] ^= sig[i];
	ATF_REQUIRE_EQ(44, base64_encode(b64, 44, key, sizeof(key)));
	snprintf(buf, size, "%s,p=%s", without, b64);
}

/* RFC 7677, 3 */
ATF_TC_WITHOUT_HEAD(rfc7677);
ATF_TC_BODY(rfc7677, tc)
{
	begin("n,,n=user,r=" CNONCE);
	ATF_CHECK_STREQ("user", s.user);
	ATF_CHECK_STREQ("", s.authzid);
	ATF_CHECK_STREQ("r=" CNONCE SNONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,"
	    "i=4096", out);
	ATF_CHECK_EQ(SCRAM_OK, final("c=biws,r=" CNONCE SNONCE "," PROOF));
	ATF_CHECK_STREQ("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
	    out);
	/* the same once more is nothing */
	ATF_CHECK_EQ(SCRAM_MALFORMED, final("c=biws,r=" CNONCE SNONCE ","
	    PROOF));
}

ATF_TC_WITHOUT_HEAD(first_good);
ATF_TC_BODY(first_good, tc)
{
	char big[SCRAM_MESSAGE_MAX + 2], name[SCRAM_NAME_MAX + 2];

	ATF_CHECK_EQ(SCRAM_OK, first("y,,n=user,r=x"));
	ATF_CHECK_EQ(SCRAM_OK, first("n,a=j=2Co=3De,n=a=2C=3D=2C,r=x=,"
	    "x=an extension,Y=="));
	ATF_CHECK_STREQ("j,o=e", s.authzid);
	ATF_CHECK_STREQ("a,=,", s.user);
	ATF_CHECK_EQ(SCRAM_OK, first("n,,n=\xc3\xa9 \xf0\x9f\x98\x80,r=!~"));
	ATF_CHECK_STREQ("\xc3\xa9 \xf0\x9f\x98\x80", s.user);
	/* as long as they may be, and one more */
	memset(name, 'u', SCRAM_NAME_MAX + 1);
	name[SCRAM_NAME_MAX] = '\0';
	snprintf(big, sizeof(big), "n,,n=%s,r=x", name);
	ATF_CHECK_EQ(SCRAM_OK, first(big));
	ATF_CHECK_STREQ(name, s.user);
	snprintf(big, sizeof(big), "n,,n=%su,r=x", name);
	ATF_CHECK_EQ(SCRAM_MALFORMED, first(big));
	name[SCRAM_NONCE_MAX] = '\0';
	snprintf(big, sizeof(big), "n,,n=u,r=%s", name);
	ATF_CHECK_EQ(SCRAM_OK, first(big));
	snprintf(big, sizeof(big), "n,,n=u,r=%su", name);
	ATF_CHECK_EQ(SCRAM_MALFORMED, first(big));
	memset(big, 'x', sizeof(big));
	memcpy(big, "n,,n=u,r=x,x=", 13);
	big[SCRAM_MESSAGE_MAX] = '\0';
	ATF_CHECK_EQ(SCRAM_OK, first(big));
	big[SCRAM_MESSAGE_MAX] = 'x';
	big[SCRAM_MESSAGE_MAX + 1] = '\0';
	ATF_CHECK_EQ(SCRAM_MALFORMED, first(big));
}

ATF_TC_WITHOUT_HEAD(first_bad);
ATF_TC_BODY(first_bad, tc)
{
	static const char *const bad[] = {
		"", "n", "n,", "n,,", ",", ",,", "n,,n=user", "n,,n=user,",
		"n,,n=user,r=", "n,,n=,r=x", "n,,r=x", "n,,r=x,n=user",
		"N,,n=user,r=x", "x,,n=user,r=x", "n=,,n=user,r=x",
		"nn,,n=user,r=x", "n,joe,n=user,r=x", "n,a=,n=user,r=x",
		"n,b=joe,n=user,r=x", "n,a=j=,n=user,r=x",
		"n,,n=us=er,r=x", "n,,n=user=,r=x", "n,,n=user=2,r=x",
		"n,,n=user=2c,r=x", "n,,n=user=2D,r=x", "n,,n=us\ner,r=x",
		"n,,n=us\rer,r=x", "n,a=\n,n=user,r=x",
		"n,,n=user,r=x y", "n,,n=user,r=\x7f", "n,,n=user,r=\xc3\xa9",
		"n,,n=user,r=x,", "n,,n=user,r=x,y", "n,,n=user,r=x,y=",
		"n,,n=user,r=x,1=y", "n,,n=user,r=x,yy=z", "n,,n=\xff,r=x",
		"n,,N=user,r=x", "p,,n=user,r=x", "p=,,n=user,r=x",
		"n,,n=user,,r=x", "n,,,n=user,r=x",
	};
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ATF_CHECK_EQ_MSG(SCRAM_MALFORMED, first(bad[i]), "%s",
		    bad[i]);
	ATF_CHECK_EQ(SCRAM_MALFORMED, scram_first(&s, "n,,n=us\0er,r=x", 14));
	ATF_CHECK_EQ(SCRAM_BINDING, first("p=tls-unique,,n=user,r=x"));
	ATF_CHECK_EQ(SCRAM_BINDING, first("p=x,a=b,n=user,r=x"));
	ATF_CHECK_EQ(SCRAM_EXTENSION, first("n,,m=x,n=user,r=x"));
	ATF_CHECK_EQ(SCRAM_EXTENSION, first("n,,n=user,r=x,m=x"));
}

ATF_TC_WITHOUT_HEAD(final_bad);
ATF_TC_BODY(final_bad, tc)
{
	static const struct {
		enum scram_error r;
		const char *text;
	} bad[] = {
		{ SCRAM_MALFORMED, "" },
		{ SCRAM_MALFORMED, "c=biws" },
		{ SCRAM_MALFORMED, PROOF },
		{ SCRAM_MALFORMED, "c=biws,r=" CNONCE SNONCE },
		{ SCRAM_MALFORMED, "c=biws,r=" CNONCE SNONCE "," },
		{ SCRAM_MALFORMED, "c=biws,r=" CNONCE SNONCE ",p=" },
		{ SCRAM_MALFORMED, "c=biws,r=" CNONCE SNONCE ",p=AAAA" },
		{ SCRAM_MALFORMED, "c=biws,r=" CNONCE SNONCE "," PROOF "=" },
		{ SCRAM_MALFORMED, "c=biws,r=" CNONCE SNONCE "," PROOF "," },
		{ SCRAM_MALFORMED, "c=biws,r=" CNONCE SNONCE "," PROOF
		    ",x=y" },
		{ SCRAM_MALFORMED, "r=" CNONCE SNONCE ",c=biws," PROOF },
		{ SCRAM_MALFORMED, "c=biw,r=" CNONCE SNONCE "," PROOF },
		{ SCRAM_MALFORMED, "c=,r=" CNONCE SNONCE "," PROOF },
		{ SCRAM_MALFORMED, "c=biws,r=," PROOF },
		{ SCRAM_MALFORMED, "c=biws,r=" CNONCE SNONCE ",," PROOF },
		{ SCRAM_MALFORMED, "c=biws,r=" CNONCE SNONCE ",x=," PROOF },
		{ SCRAM_EXTENSION, "c=biws,r=" CNONCE SNONCE ",m=x," PROOF },
		{ SCRAM_BINDING, "c=eSws,r=" CNONCE SNONCE "," PROOF },
		{ SCRAM_BINDING, "c=biwsAAAA,r=" CNONCE SNONCE "," PROOF },
		{ SCRAM_NONCE, "c=biws,r=" CNONCE "," PROOF },
		{ SCRAM_NONCE, "c=biws,r=" SNONCE "," PROOF },
		{ SCRAM_NONCE, "c=biws,r=" CNONCE SNONCE "x," PROOF },
		{ SCRAM_NONCE, "c=biws,r=x" CNONCE SNONCE "," PROOF },
		/* a word more is signed as well */
		{ SCRAM_PROOF, "c=biws,r=" CNONCE SNONCE ",x=y," PROOF },
		{ SCRAM_PROOF, "c=biws,r=" CNONCE SNONCE ","
		    "p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=" },
	};
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		begin("n,,n=user,r=" CNONCE);
		ATF_CHECK_EQ_MSG(bad[i].r, final(bad[i].text), "%s",
		    bad[i].text);
		/* there is no second try */
		ATF_CHECK_EQ(SCRAM_MALFORMED, final("c=biws,r=" CNONCE SNONCE
		    "," PROOF));
	}
	/* none that nothing was said to */
	ATF_REQUIRE_EQ(SCRAM_OK, first("n,,n=user,r=" CNONCE));
	ATF_CHECK_EQ(SCRAM_MALFORMED, final("c=biws,r=" CNONCE "," PROOF));
	/* other keys, another salt: the same words do not fit */
	begin("n,,n=user,r=" CNONCE);
	ATF_REQUIRE_EQ(SCRAM_OK, first("n,,n=user,r=" CNONCE));
	keys.stored[3] ^= 1;
	ATF_REQUIRE(scram_challenge(&s, &keys, SNONCE, out, sizeof(out)) > 0);
	ATF_CHECK_EQ(SCRAM_PROOF, final("c=biws,r=" CNONCE SNONCE "," PROOF));
}

/* Headers and extensions are part of what is signed. */
ATF_TC_WITHOUT_HEAD(headers);
ATF_TC_BODY(headers, tc)
{
	static const struct {
		const char *gs2, *bare, *without;
	} t[] = {
		{ "y,,", "n=user,r=" CNONCE, "c=eSws,r=" CNONCE SNONCE },
		{ "n,a=us=2Cer,", "n=us=2Cer,r=" CNONCE ",x=y",
		    "c=bixhPXVzPTJDZXIs,r=" CNONCE SNONCE },
		{ "n,,", "n=user,r=" CNONCE,
		    "c=biws,r=" CNONCE SNONCE ",x=y,z=a=b" },
	};
	char text[SCRAM_MESSAGE_MAX];
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		snprintf(text, sizeof(text), "%s%s", t[i].gs2, t[i].bare);
		begin(text);
		proof(text, sizeof(text), t[i].bare, t[i].without);
		ATF_CHECK_EQ_MSG(SCRAM_OK, final(text), "%s", text);
		ATF_CHECK_EQ(0, strncmp(out, "v=", 2));
	}
}

ATF_TC_WITHOUT_HEAD(no_room);
ATF_TC_BODY(no_room, tc)
{
	char nonce[SCRAM_SNONCE_MAX + 2];

	begin("n,,n=user,r=" CNONCE);
	ATF_REQUIRE_EQ(SCRAM_OK, first("n,,n=user,r=" CNONCE));
	ATF_CHECK_EQ(-1, scram_challenge(&s, &keys, SNONCE, out, 80));
	ATF_CHECK_EQ(ERANGE, errno);
	ATF_CHECK_EQ(SCRAM_MALFORMED, final("c=biws,r=" CNONCE SNONCE ","
	    PROOF));
	memset(nonce, 'x', sizeof(nonce));
	nonce[sizeof(nonce) - 1] = '\0';
	ATF_CHECK_EQ(-1, scram_challenge(&s, &keys, nonce, out, sizeof(out)));
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, rfc7677);
	ATF_TP_ADD_TC(tp, first_good);
	ATF_TP_ADD_TC(tp, first_bad);
	ATF_TP_ADD_TC(tp, final_bad);
	ATF_TP_ADD_TC(tp, headers);
	ATF_TP_ADD_TC(tp, no_room);
	return atf_no_error();
}
