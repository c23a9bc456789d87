#include <atf-c.h>
#include <string.h>

#include "crypt_check.h"

static const struct {
	const char *password;
	const char *hash;
} good[] = {
	{ "demo", "$2b$04$mfrontdmfrontdmfrontducuV3ZqIgW.wVSD/ButpjMqJxih6sO/a" },
#ifndef __OpenBSD__
	{ "demo", "$6$saltsalt$..2OS7YQ9H8nOZV3zrRCC2W6gKqvDdWTzallpPfaVcz"
	    "vmUWzyIYqU0TarsE5PYaJ7eNXes2cIPl//BAZe0z3F1" },
#endif
};

ATF_TC_WITHOUT_HEAD(right);
ATF_TC_BODY(right, tc)
{
	size_t i;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		ATF_CHECK_EQ_MSG(1, crypt_check(good[i].password,
		    good[i].hash), "%s", good[i].hash);
}

ATF_TC_WITHOUT_HEAD(wrong);
ATF_TC_BODY(wrong, tc)
{
	static const char *const hashes[] = { "", "*", "*0", "*1", "!",
	    "$", "$2b$", "$2b$04$", "$2b$99$mfrontdmfrontdmfrontdu",
	    "$nothing$salt$hash", "demo", "x" };
	char	cut[128];
	size_t	i;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		ATF_CHECK_EQ(0, crypt_check("Demo", good[i].hash));
		ATF_CHECK_EQ(0, crypt_check("", good[i].hash));
		ATF_CHECK_EQ(0, crypt_check("demodemo", good[i].hash));
		/* a hash that lacks its last character is another one */
		strlcpy(cut, good[i].hash, sizeof(cut));
		cut[strlen(cut) - 1] = '\0';
		ATF_CHECK_EQ(0, crypt_check(good[i].password, cut));
	}
	for (i = 0; i < sizeof(hashes) / sizeof(hashes[0]); i++)
		ATF_CHECK_EQ_MSG(0, crypt_check("demo", hashes[i]), "%s",
		    hashes[i]);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, right);
	ATF_TP_ADD_TC(tp, wrong);
	return atf_no_error();
}
