#include <atf-c.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flags.h"

static uint32_t
mk(struct flags *f, const char *text)
{
	return flags_from_text(f, text, strlen(text));
}

static void
is(struct flags *f, uint32_t id, const char *text)
{
	const char	*t;
	size_t		 len;

	t = flags_text(f, id, &len);
	ATF_REQUIRE(t != NULL);
	ATF_CHECK_STREQ(text, t);
	ATF_CHECK_EQ(strlen(text), len);
}

ATF_TC_WITHOUT_HEAD(parse);
ATF_TC_BODY(parse, tc)
{
	static const char *bad[] = { "", "\\", "\\Recent", "\\recent", "\\*",
	    "\\Foo", "\\Seenx", "a b", "a\\b", "a(", "a)", "a{", "a%", "a*",
	    "a\"", "a]", "\xc3\xa9", "a\x7f", "a\n", "\t", NULL };
	char	big[FLAGS_NAME_MAX + 1];
	int	i;

	ATF_CHECK_EQ(FLAG_SEEN, flag_parse("\\Seen", 5));
	ATF_CHECK_EQ(FLAG_SEEN, flag_parse("\\sEEN", 5));
	ATF_CHECK_EQ(FLAG_ANSWERED, flag_parse("\\ANSWERED", 9));
	ATF_CHECK_EQ(FLAG_FLAGGED, flag_parse("\\Flagged", 8));
	ATF_CHECK_EQ(FLAG_DELETED, flag_parse("\\Deleted", 8));
	ATF_CHECK_EQ(FLAG_DRAFT, flag_parse("\\Draft", 6));
	ATF_CHECK_EQ(0, flag_parse("Seen", 4));
	ATF_CHECK_EQ(0, flag_parse("$Forwarded", 10));
	ATF_CHECK_EQ(0, flag_parse("a+b.[c}~", 8));
	for (i = 0; bad[i] != NULL; i++)
		ATF_CHECK_EQ_MSG(-1, flag_parse(bad[i], strlen(bad[i])),
		    "%s", bad[i]);
	ATF_CHECK_EQ(-1, flag_parse("a\0b", 3));
	memset(big, 'a', sizeof(big));
	ATF_CHECK_EQ(0, flag_parse(big, FLAGS_NAME_MAX));
	ATF_CHECK_EQ(-1, flag_parse(big, FLAGS_NAME_MAX + 1));
	ATF_CHECK_STREQ("\\Draft", flag_sysname(FLAG_DRAFT));
	ATF_CHECK(flag_sysname(0x40) == NULL);
}

ATF_TC_WITHOUT_HEAD(intern);
ATF_TC_BODY(intern, tc)
{
	struct flags	f;
	uint32_t	a, b;

	flags_init(&f);
	ATF_CHECK_EQ(FLAGS_EMPTY, mk(&f, ""));
	is(&f, FLAGS_EMPTY, "");
	a = mk(&f, "\\Seen $Junk work");
	is(&f, a, "\\Seen $Junk work");
	/* order, case and doubles do not matter; the first spelling stays */
	ATF_CHECK_EQ(a, mk(&f, "WORK \\seen $JUNK work \\SEEN"));
	b = mk(&f, "$junk");
	ATF_CHECK(b != a);
	is(&f, b, "$Junk");
	ATF_CHECK_EQ(2, flags_nkeywords(&f));
	ATF_CHECK_EQ(1, flags_keyword(&f, "Work", 4));
	ATF_CHECK_EQ(KEYWORD_NONE, flags_keyword(&f, "Wor", 3));
	ATF_CHECK_STREQ("work", flags_keyword_name(&f, 1));
	ATF_CHECK(flags_keyword_name(&f, 2) == NULL);
	ATF_CHECK(flags_keyword_name(&f, -1) == NULL);
	ATF_CHECK_EQ(FLAG_SEEN, flags_sys(&f, a));
	ATF_CHECK_EQ(1, flags_has_keyword(&f, a, 1));
	ATF_CHECK_EQ(0, flags_has_keyword(&f, b, 1));
	ATF_CHECK_EQ(0, flags_has_keyword(&f, FLAGS_EMPTY, 0));
	errno = 0;
	ATF_CHECK_EQ(FLAGS_ERR, mk(&f, "\\Seen \\Recent"));
	ATF_CHECK_EQ(EINVAL, errno);
	ATF_CHECK_EQ(FLAGS_ERR, mk(&f, "\\Seen  x"));
	ATF_CHECK_EQ(FLAGS_ERR, mk(&f, " \\Seen"));
	ATF_CHECK_EQ(FLAGS_ERR, mk(&f, "\\Seen "));
	flags_fini(&f);
	ATF_CHECK_EQ(0, flags_nkeywords(&f));
	flags_fini(&f);
}

ATF_TC_WITHOUT_HEAD(arithmetic);
ATF_TC_BODY(arithmetic, tc)
{
	struct hstr		 kw[2] = { HSTR("b"), HSTR("c") };
	struct flag_list	 l = { FLAG_SEEN | FLAG_RECENT, 2, kw };
	struct flags		 f;
	uint32_t		 a, b, e = FLAGS_EMPTY;

	flags_init(&f);
	a = mk(&f, "\\Seen a b");
	b = flags_from_list(&f, &l);
	is(&f, b, "\\Seen b c");
	is(&f, flags_plus(&f, a, b), "\\Seen a b c");
	ATF_CHECK_EQ(flags_plus(&f, a, b), flags_plus(&f, b, a));
	is(&f, flags_minus(&f, a, b), "a");
	is(&f, flags_minus(&f, b, a), "c");
	ATF_CHECK_EQ(e, flags_minus(&f, a, a));
	ATF_CHECK_EQ(a, flags_plus(&f, a, a));
	ATF_CHECK_EQ(a, flags_plus(&f, a, e));
	ATF_CHECK_EQ(a, flags_plus(&f, e, a));
	ATF_CHECK_EQ(a, flags_minus(&f, a, e));
	ATF_CHECK_EQ(e, flags_minus(&f, e, a));
	is(&f, flags_plus(&f, mk(&f, "\\Draft"), mk(&f, "\\Answered")),
	    "\\Answered \\Draft");
	flags_fini(&f);
}

ATF_TC_WITHOUT_HEAD(bounds);
ATF_TC_BODY(bounds, tc)
{
	struct flags	f;
	char		name[FLAGS_NAME_MAX + 1];
	uint32_t	id = FLAGS_EMPTY, one;
	int		i;

	flags_init(&f);
	for (i = 0; i < FLAGS_KEYWORDS_MAX; i++) {
		snprintf(name, sizeof(name), "k%d", i);
		ATF_REQUIRE_EQ(i, flags_learn(&f, name, strlen(name)));
	}
	ATF_CHECK_EQ(7, flags_learn(&f, "K7", 2));
	errno = 0;
	ATF_CHECK_EQ(-1, flags_learn(&f, "more", 4));
	ATF_CHECK_EQ(ENOSPC, errno);
	ATF_CHECK_EQ(FLAGS_ERR, mk(&f, "more"));
	for (i = 0; i < FLAGS_SET_MAX; i++) {
		snprintf(name, sizeof(name), "k%d", i);
		id = flags_plus(&f, id, mk(&f, name));
		ATF_REQUIRE(id != FLAGS_ERR);
	}
	errno = 0;
	ATF_CHECK_EQ(FLAGS_ERR, flags_plus(&f, id, mk(&f, "k300")));
	ATF_CHECK_EQ(ENOSPC, errno);
	flags_fini(&f);

	/* long names: the text is the bound */
	memset(name, 'x', sizeof(name));
	id = FLAGS_EMPTY;
	for (i = 0; (i + 1) * 256 - 1 <= FLAGS_TEXT_MAX; i++) {
		name[0] = (char)('a' + i % 26);
		name[1] = (char)('a' + i / 26);
		one = flags_from_text(&f, name, FLAGS_NAME_MAX);
		ATF_REQUIRE(one != FLAGS_ERR);
		id = flags_plus(&f, id, one);
		ATF_REQUIRE(id != FLAGS_ERR);
	}
	name[0] = '$';
	errno = 0;
	ATF_CHECK_EQ(FLAGS_ERR, flags_plus(&f, id,
	    flags_from_text(&f, name, FLAGS_NAME_MAX)));
	ATF_CHECK_EQ(ENOSPC, errno);
	flags_fini(&f);
}

/* What a storage has over the bounds is cut, not lost. */
ATF_TC_WITHOUT_HEAD(lax);
ATF_TC_BODY(lax, tc)
{
	struct flags	f;
	char		text[FLAGS_TEXT_MAX * 2] = "", name[32];
	const char	*p;
	size_t		len;
	uint32_t	id;
	int		i;

	flags_init(&f);
	is(&f, flags_from_text_lax(&f, "\\Seen a (b \\Recent c  d", 23),
	    "\\Seen a c d");
	ATF_CHECK_EQ(FLAGS_EMPTY, flags_from_text_lax(&f, "", 0));
	for (i = 0; i < FLAGS_SET_MAX + 100; i++) {
		snprintf(name, sizeof(name), "%sk%d", i > 0 ? " " : "", i);
		strlcat(text, name, sizeof(text));
	}
	strlcat(text, " \\Deleted", sizeof(text));
	ATF_CHECK_EQ(FLAGS_ERR, flags_from_text(&f, text, strlen(text)));
	id = flags_from_text_lax(&f, text, strlen(text));
	ATF_REQUIRE(id != FLAGS_ERR);
	ATF_CHECK_EQ(FLAG_DELETED, flags_sys(&f, id));
	ATF_CHECK(flags_has_keyword(&f, id, flags_keyword(&f, "k255", 4)));
	ATF_CHECK(!flags_has_keyword(&f, id, flags_keyword(&f, "k256", 4)));
	flags_fini(&f);

	text[0] = '\0';
	for (i = 0; i < 60; i++) {
		snprintf(name, sizeof(name), "%02d", i);
		strlcat(text, name, sizeof(text));
		len = strlen(text);
		memset(text + len, 'x', 200);
		strlcpy(text + len + 200, " ", 2);
	}
	strlcat(text, "\\Flagged", sizeof(text));
	id = flags_from_text_lax(&f, text, strlen(text));
	ATF_REQUIRE(id != FLAGS_ERR);
	ATF_CHECK_EQ(FLAG_FLAGGED, flags_sys(&f, id));
	p = flags_text(&f, id, &len);
	ATF_REQUIRE(p != NULL && len <= FLAGS_TEXT_MAX);
	ATF_CHECK(len > FLAGS_TEXT_MAX - 400);
	flags_fini(&f);
}

ATF_TC_WITHOUT_HEAD(sweep);
ATF_TC_BODY(sweep, tc)
{
	struct flags	f;
	uint8_t		keep[64];
	char		name[16];
	uint32_t	id[100], again;
	int		i;

	flags_init(&f);
	memset(keep, 0, sizeof(keep));
	for (i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "k%d", i);
		id[i] = mk(&f, name);
		ATF_REQUIRE(id[i] != FLAGS_ERR);
		if (i % 3 == 0)
			keep[id[i] / 8] |= (uint8_t)(1 << id[i] % 8);
	}
	ATF_CHECK_EQ(100, f.nlive);
	flags_sweep(&f, keep);
	ATF_CHECK_EQ(34, f.nlive);
	for (i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "K%d", i);
		again = mk(&f, name);
		ATF_REQUIRE(again != FLAGS_ERR);
		if (i % 3 == 0)
			ATF_CHECK_EQ(id[i], again);
		name[0] = 'k';
		is(&f, again, name);
	}
	ATF_CHECK_EQ(100, f.nlive);
	ATF_CHECK(f.nset <= 102);
	ATF_CHECK_EQ(100, flags_nkeywords(&f));
	flags_fini(&f);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, parse);
	ATF_TP_ADD_TC(tp, intern);
	ATF_TP_ADD_TC(tp, arithmetic);
	ATF_TP_ADD_TC(tp, bounds);
	ATF_TP_ADD_TC(tp, lax);
	ATF_TP_ADD_TC(tp, sweep);
	return atf_no_error();
}
