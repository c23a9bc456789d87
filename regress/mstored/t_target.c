#include <atf-c.h>
#include <string.h>

#include "target.h"

static int
parse(struct target *t, const char *text)
{
	static struct http_str s;

	s.p = text;
	s.len = strlen(text);
	return target_parse(t, &s);
}

ATF_TC_WITHOUT_HEAD(paths);
ATF_TC_BODY(paths, tc)
{
	struct target	t;
	char		buf[64];

	ATF_REQUIRE_EQ(0, parse(&t, "/v1/accounts/a%2Fb/x?q=1"));
	ATF_CHECK_EQ(4, t.nseg);
	ATF_CHECK(target_is(&t, 0, "v1"));
	ATF_CHECK(!target_is(&t, 0, "v"));
	ATF_CHECK(!target_is(&t, 0, "v1x"));
	/* split before decoding */
	ATF_CHECK_EQ(3, target_seg(&t, 2, buf, sizeof(buf)));
	ATF_CHECK_STREQ("a/b", buf);
	ATF_CHECK_EQ(-1, target_seg(&t, 2, buf, 3));
	ATF_REQUIRE_EQ(0, parse(&t, "/"));
	ATF_CHECK_EQ(1, t.nseg);
	ATF_CHECK_EQ(0, t.seg[0].len);
	ATF_REQUIRE_EQ(0, parse(&t, "/a//b/"));
	ATF_CHECK_EQ(4, t.nseg);
	ATF_REQUIRE_EQ(0, parse(&t, "HTTP://host:80/v1/?x"));
	ATF_CHECK_EQ(2, t.nseg);
	ATF_CHECK(target_is(&t, 0, "v1"));
	ATF_REQUIRE_EQ(0, parse(&t, "https://host"));
	ATF_CHECK_EQ(0, t.nseg);
	ATF_CHECK_EQ(-1, parse(&t, ""));
	ATF_CHECK_EQ(-1, parse(&t, "*"));
	ATF_CHECK_EQ(-1, parse(&t, "v1/x"));
	ATF_CHECK_EQ(-1, parse(&t, "ftp://host/"));
	ATF_CHECK_EQ(0, parse(&t, "/1/2/3/4/5/6/7/8"));
	ATF_CHECK_EQ(-1, parse(&t, "/1/2/3/4/5/6/7/8/9"));
	ATF_REQUIRE_EQ(0, parse(&t, "/%zz/%00/%4"));
	ATF_CHECK_EQ(-1, target_seg(&t, 0, buf, sizeof(buf)));
	ATF_CHECK_EQ(-1, target_seg(&t, 1, buf, sizeof(buf)));
	ATF_CHECK_EQ(-1, target_seg(&t, 2, buf, sizeof(buf)));
}

ATF_TC_WITHOUT_HEAD(params);
ATF_TC_BODY(params, tc)
{
	struct target	t;
	char		buf[16];

	ATF_REQUIRE_EQ(0, parse(&t,
	    "/x?a=1&bb=2%2C3&c&d=&a=9&e=%zz&=x&&f=a=b"));
	ATF_CHECK_EQ(1, target_param(&t, "a", buf, sizeof(buf)));
	ATF_CHECK_STREQ("1", buf);
	ATF_CHECK_EQ(3, target_param(&t, "bb", buf, sizeof(buf)));
	ATF_CHECK_STREQ("2,3", buf);
	ATF_CHECK_EQ(-2, target_param(&t, "b", buf, sizeof(buf)));
	ATF_CHECK_EQ(0, target_param(&t, "c", buf, sizeof(buf)));
	ATF_CHECK_EQ(0, target_param(&t, "d", buf, sizeof(buf)));
	ATF_CHECK_EQ(-1, target_param(&t, "e", buf, sizeof(buf)));
	ATF_CHECK_EQ(3, target_param(&t, "f", buf, sizeof(buf)));
	ATF_CHECK_STREQ("a=b", buf);
	ATF_CHECK_EQ(-2, target_param(&t, "g", buf, sizeof(buf)));
	ATF_CHECK_EQ(-1, target_param(&t, "bb", buf, 3));
	ATF_REQUIRE_EQ(0, parse(&t, "/x?"));
	ATF_CHECK_EQ(-2, target_param(&t, "a", buf, sizeof(buf)));
	ATF_REQUIRE_EQ(0, parse(&t, "/x"));
	ATF_CHECK_EQ(-2, target_param(&t, "a", buf, sizeof(buf)));
	ATF_REQUIRE_EQ(0, parse(&t, "/x?a=/?&b=1"));
	ATF_CHECK_EQ(1, t.nseg);
	ATF_CHECK_EQ(2, target_param(&t, "a", buf, sizeof(buf)));
	ATF_CHECK_STREQ("/?", buf);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, paths);
	ATF_TP_ADD_TC(tp, params);
	return atf_no_error();
}
