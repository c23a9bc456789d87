#include <atf-c.h>
#include <stdio.h>
#include <string.h>

#include "auth_int.h"

ATF_TC_WITHOUT_HEAD(found);
ATF_TC_BODY(found, tc)
{
	auth_cache_init();
	ATF_CHECK(!auth_cache_has("joe", "hash", "pw", 1000));
	auth_cache_put("joe", "hash", "pw", 1000);
	ATF_CHECK(auth_cache_has("joe", "hash", "pw", 1000));
	ATF_CHECK(auth_cache_has("joe", "hash", "pw",
	    1000 + CACHE_SECONDS - 1));
	ATF_CHECK(!auth_cache_has("joe", "hash", "pw", 1000 + CACHE_SECONDS));
	/* each of the three counts, and where one ends */
	ATF_CHECK(!auth_cache_has("jo", "hash", "pw", 1000));
	ATF_CHECK(!auth_cache_has("joe", "hash2", "pw", 1000));
	ATF_CHECK(!auth_cache_has("joe", "hash", "pW", 1000));
	ATF_CHECK(!auth_cache_has("joeh", "ash", "pw", 1000));
	ATF_CHECK(!auth_cache_has("joe", "hashp", "w", 1000));
	ATF_CHECK(!auth_cache_has("joe", "hash", "", 1000));
}

ATF_TC_WITHOUT_HEAD(use_is_no_check);
ATF_TC_BODY(use_is_no_check, tc)
{
	time_t t;

	auth_cache_init();
	auth_cache_put("joe", "hash", "pw", 1000);
	for (t = 1000; t < 1000 + CACHE_SECONDS; t++)
		ATF_REQUIRE(auth_cache_has("joe", "hash", "pw", t));
	ATF_CHECK(!auth_cache_has("joe", "hash", "pw", t));
	auth_cache_put("joe", "hash", "pw", t);
	ATF_CHECK(auth_cache_has("joe", "hash", "pw", t));
}

ATF_TC_WITHOUT_HEAD(flush);
ATF_TC_BODY(flush, tc)
{
	auth_cache_init();
	auth_cache_put("joe", "hash", "pw", 1000);
	auth_cache_flush();
	ATF_CHECK(!auth_cache_has("joe", "hash", "pw", 1000));
	/* another start, another key */
	auth_cache_put("joe", "hash", "pw", 1000);
	ATF_CHECK(auth_cache_has("joe", "hash", "pw", 1000));
}

ATF_TC_WITHOUT_HEAD(many);
ATF_TC_BODY(many, tc)
{
	char	 name[16];
	int	 i, kept = 0;

	auth_cache_init();
	for (i = 0; i < 20000; i++) {
		snprintf(name, sizeof(name), "u%d", i);
		auth_cache_put(name, "hash", "pw", 1000 + i / 1000);
		ATF_REQUIRE(auth_cache_has(name, "hash", "pw", 1000));
	}
	for (i = 0; i < 20000; i++) {
		snprintf(name, sizeof(name), "u%d", i);
		kept += auth_cache_has(name, "hash", "pw", 1000);
	}
	ATF_CHECK_EQ(4096, kept);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, found);
	ATF_TP_ADD_TC(tp, use_is_no_check);
	ATF_TP_ADD_TC(tp, flush);
	ATF_TP_ADD_TC(tp, many);
	return atf_no_error();
}
