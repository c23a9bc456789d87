#include <atf-c.h>
#include <string.h>

#include "base64.h"
#include "scramkeys.h"

#define AUTH_MESSAGE							\
	"n=user,r=rOprNGfwEbeRWgbNEkqO,"				\
	"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"		\
	"s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,"			\
	"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"

static struct scramkeys k;

static void
make(const char *password)
{
	memset(&k, 0, sizeof(k));
	k.iterations = 4096;
	k.saltlen = (size_t)base64_decode(k.salt, sizeof(k.salt),
	    "W22ZaJ0SNY7soEsUEjb6gQ==", 24);
	ATF_REQUIRE_EQ(16, k.saltlen);
	ATF_REQUIRE_EQ(0, scramkeys_make(&k, password, strlen(password)));
}

static void
signature(uint8_t *out, const uint8_t *key)
{
	struct hmac h;

	hmac_init(&h, key, HMAC_LEN);
	hmac_update(&h, AUTH_MESSAGE, sizeof(AUTH_MESSAGE) - 1);
	hmac_final(&h, out);
}

/* The exchange of RFC 7677, 3. */
ATF_TC_WITHOUT_HEAD(rfc7677);
ATF_TC_BODY(rfc7677, tc)
{
	uint8_t proof[HMAC_LEN], sig[HMAC_LEN], want[HMAC_LEN];
	uint8_t digest[SHA256_DIGEST_LENGTH];
	SHA2_CTX ctx;
	int i;

	make("pencil");
	signature(sig, k.server);
	ATF_REQUIRE_EQ(HMAC_LEN, base64_decode(want, sizeof(want),
	    "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", 44));
	ATF_CHECK_EQ(0, memcmp(want, sig, HMAC_LEN));
	/* the client's key, out of its proof, gives the stored one */
	ATF_REQUIRE_EQ(HMAC_LEN, base64_decode(proof, sizeof(proof),
	    "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", 44));
	signature(sig, k.stored);
	for (i = 0; i < HMAC_LEN; i++)
		proof[i] ^= sig[i];
	SHA256Init(&ctx);
	SHA256Update(&ctx, proof, sizeof(proof));
	SHA256Final(digest, &ctx);
	ATF_CHECK_EQ(0, memcmp(digest, k.stored, HMAC_LEN));
}

ATF_TC_WITHOUT_HEAD(prepared);
ATF_TC_BODY(prepared, tc)
{
	struct scramkeys was;
	char big[201];

	/* RFC 4013, 3: a soft hyphen goes, compatibility forms are made one */
	make("IX");
	was = k;
	make("I\xc2\xadX");
	ATF_CHECK_EQ(0, memcmp(&was, &k, sizeof(k)));
	make("\xe2\x85\xa8");
	ATF_CHECK_EQ(0, memcmp(&was, &k, sizeof(k)));
	make("ix");
	ATF_CHECK(memcmp(&was, &k, sizeof(k)) != 0);
	make("\xff\xfe");
	was = k;
	make("\xff\xff");
	ATF_CHECK(memcmp(&was, &k, sizeof(k)) != 0);
	memset(big, 'x', 200);
	big[200] = '\0';
	make(big);
	was = k;
	big[199] = 'y';
	make(big);
	ATF_CHECK(memcmp(&was, &k, sizeof(k)) != 0);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, rfc7677);
	ATF_TP_ADD_TC(tp, prepared);
	return atf_no_error();
}
