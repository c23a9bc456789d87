#include <atf-c.h>
#include <errno.h>
#include <string.h>

#include "username.h"

ATF_TC_WITHOUT_HEAD(normal);
ATF_TC_BODY(normal, tc)
{
	static const struct {
		const char *in, *out;
	} t[] = {
		{ "joe", "joe" },
		{ "Joe", "joe" },
		{ "JOE@Example.ORG", "joe@example.org" },
		{ "joe smith", "joe smith" },
		{ " joe", " joe" },
		{ "o'neil+x_%", "o'neil+x_%" },
		/* an accent of its own, and not */
		{ "rene\xcc\x81", "ren\xc3\xa9" },
		{ "ren\xc3\xa9", "ren\xc3\xa9" },
		/* other capitals stay */
		{ "\xc3\x89ric", "\xc3\x89ric" },
		{ "E\xcc\x81ric", "\xc3\x89ric" },
		{ "\xc2\xa0", "\xc2\xa0" },
	};
	char	buf[USERNAME_MAX + 1];
	size_t	i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		ATF_CHECK_EQ_MSG(0, username_normal(buf, sizeof(buf),
		    t[i].in), "%s", t[i].in);
		ATF_CHECK_STREQ(t[i].out, buf);
		/* what is normal stays */
		ATF_CHECK_EQ(0, username_normal(buf, sizeof(buf), t[i].out));
		ATF_CHECK_STREQ(t[i].out, buf);
	}
}

ATF_TC_WITHOUT_HEAD(match);
ATF_TC_BODY(match, tc)
{
	static const struct {
		const char *pattern, *name;
		int match;
	} t[] = {
		{ "*", "", 1 }, { "*", "joe", 1 }, { "", "", 1 },
		{ "", "joe", 0 }, { "joe", "joe", 1 }, { "Joe", "joe", 1 },
		{ "joe", "joes", 0 }, { "joes", "joe", 0 },
		{ "*@example.org", "joe@example.org", 1 },
		{ "*@Example.ORG", "joe@example.org", 1 },
		{ "*@example.org", "joe@example.org.net", 0 },
		{ "*@example.org", "@example.org", 1 },
		{ "*@example.org", "a@example.org@example.org", 1 },
		{ "a*b*c", "abc", 1 }, { "a*b*c", "axxbyybzc", 1 },
		{ "a*b*c", "axxcb", 0 }, { "**a", "ba", 1 },
		{ "joe*", "joe", 1 }, { "?oe", "joe", 0 },
	};
	char	name[USERNAME_MAX + 1], pattern[USERNAME_MAX + 1];
	size_t	i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		ATF_CHECK_EQ_MSG(t[i].match, username_match(t[i].pattern,
		    t[i].name), "%s %s", t[i].pattern, t[i].name);
	/* what is cheap to ask is cheap to answer */
	memset(name, 'a', sizeof(name));
	name[USERNAME_MAX] = '\0';
	for (i = 0; i + 2 < sizeof(pattern); i += 2)
		memcpy(pattern + i, "*a", 2);
	pattern[i] = 'b';
	pattern[i + 1] = '\0';
	ATF_CHECK_EQ(0, username_match(pattern, name));
}

ATF_TC_WITHOUT_HEAD(refused);
ATF_TC_BODY(refused, tc)
{
	static const char *const bad[] = { "", "a\tb", "a\nb", "a\rb",
	    "a\x7f", "\x01", "a\xc2\x80", "a\xc2\x9f", "\xff", "a\xc3",
	    "\xed\xa0\x80", "\xc0\x80" };
	char	buf[USERNAME_MAX + 1], big[USERNAME_MAX + 2];
	size_t	i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		errno = 0;
		ATF_CHECK_EQ_MSG(-1, username_normal(buf, sizeof(buf),
		    bad[i]), "%zu", i);
		ATF_CHECK_EQ(EINVAL, errno);
	}
	memset(big, 'a', sizeof(big));
	big[USERNAME_MAX + 1] = '\0';
	ATF_CHECK_EQ(-1, username_normal(buf, sizeof(buf), big));
	ATF_CHECK_EQ(ERANGE, errno);
	big[USERNAME_MAX] = '\0';
	ATF_CHECK_EQ(0, username_normal(buf, sizeof(buf), big));
	ATF_CHECK_EQ(-1, username_normal(buf, 3, "abc"));
	ATF_CHECK_EQ(0, username_normal(buf, 4, "abc"));
}

ATF_TC_WITHOUT_HEAD(quote);
ATF_TC_BODY(quote, tc)
{
	char	buf[132];

	ATF_CHECK_STREQ("joe smith", username_quote(buf, sizeof(buf),
	    "joe smith"));
	ATF_CHECK_STREQ("a\\042 remote=1.2.3.4 \\134\\012\\303\\251",
	    username_quote(buf, sizeof(buf),
	    "a\" remote=1.2.3.4 \\\n\xc3\xa9"));
	ATF_CHECK_STREQ("", username_quote(buf, sizeof(buf), ""));
	ATF_CHECK_STREQ("ab...", username_quote(buf, 9, "abcdefghijkl"));
	ATF_CHECK_STREQ("a...", username_quote(buf, 8, "abcdefghijkl"));
	memset(buf, 'x', sizeof(buf));
	ATF_CHECK(strlen(username_quote(buf, 20,
	    "\x01\x01\x01\x01\x01\x01\x01\x01\x01")) < 20);
	ATF_CHECK_EQ('x', buf[20]);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, normal);
	ATF_TP_ADD_TC(tp, match);
	ATF_TP_ADD_TC(tp, refused);
	ATF_TP_ADD_TC(tp, quote);
	return atf_no_error();
}
