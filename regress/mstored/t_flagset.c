#include <atf-c.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "flagset.h"

static struct flagset a, b;

static void
get(struct flagset *f, const char *text)
{
	ATF_REQUIRE_EQ_MSG(0, flagset_get(f, text, strlen(text)), "%s",
	    text);
}

static void
is(const struct flagset *f, const char *text)
{
	struct ibuf out;

	ibuf_init(&out, 65536);
	ATF_REQUIRE_EQ(0, flagset_put(f, &out));
	ATF_REQUIRE_EQ(0, ibuf_add_n8(&out, 0));
	ATF_CHECK_STREQ(text, (char *)ibuf_data(&out));
	ibuf_fini(&out);
}

ATF_TC_WITHOUT_HEAD(add);
ATF_TC_BODY(add, tc)
{
	static const char *bad[] = { "", "\\", "\\Recent", "\\recent",
	    "\\Foo", "a b", "a(", "a)", "{", "%", "*", "\"", "a\\b", "a]",
	    "\xc3\xa9", "a\n", NULL };
	int i;

	flagset_init(&a);
	is(&a, "[]");
	ATF_CHECK_EQ(0, flagset_add(&a, "zeta", 4));
	ATF_CHECK_EQ(0, flagset_add(&a, "\\sEEN", 5));
	ATF_CHECK_EQ(0, flagset_add(&a, "Alpha", 5));
	ATF_CHECK_EQ(0, flagset_add(&a, "\\Answered", 9));
	ATF_CHECK_EQ(0, flagset_add(&a, "ALPHA", 5));
	ATF_CHECK_EQ(0, flagset_add(&a, "$Junk", 5));
	ATF_CHECK_EQ(0, flagset_add(&a, "al", 2));
	is(&a, "[\"\\\\Answered\",\"\\\\Seen\",\"$Junk\",\"al\",\"Alpha\","
	    "\"zeta\"]");
	for (i = 0; bad[i] != NULL; i++) {
		errno = 0;
		ATF_CHECK_EQ_MSG(-1, flagset_add(&a, bad[i],
		    strlen(bad[i])), "%s", bad[i]);
		ATF_CHECK_EQ(EINVAL, errno);
	}
}

ATF_TC_WITHOUT_HEAD(text);
ATF_TC_BODY(text, tc)
{
	static const char *good[] = { "[]", "[\"x\"]", "[\"\\\\Seen\"]",
	    "[\"\\\\Answered\",\"\\\\Flagged\",\"\\\\Deleted\",\"\\\\Seen\","
	    "\"\\\\Draft\",\"a\",\"b\"]", NULL };
	static const char *bad[] = { "", "[", "]", "[\"x\"", "\"x\"]", "[x]",
	    "[\"x\",]", "[,\"x\"]", "[\"x\"\"y\"]", "[\"\"]", "[\"\\\\\"]",
	    "[\"\\Seen\"]", "[\"x\" ]", "[\"\\\\Recent\"]", NULL };
	int i;

	for (i = 0; good[i] != NULL; i++) {
		get(&a, good[i]);
		is(&a, good[i]);
	}
	for (i = 0; bad[i] != NULL; i++)
		ATF_CHECK_EQ_MSG(-1, flagset_get(&a, bad[i],
		    strlen(bad[i])), "%s", bad[i]);
}

ATF_TC_WITHOUT_HEAD(ops);
ATF_TC_BODY(ops, tc)
{
	get(&a, "[\"\\\\Seen\",\"b\",\"D\"]");
	get(&b, "[\"\\\\Draft\",\"a\",\"d\"]");
	ATF_CHECK(flagset_overlaps(&a, &b));
	ATF_CHECK_EQ(0, flagset_merge(&a, &b));
	is(&a, "[\"\\\\Seen\",\"\\\\Draft\",\"a\",\"b\",\"D\"]");
	flagset_subtract(&a, &b);
	is(&a, "[\"\\\\Seen\",\"b\"]");
	ATF_CHECK(!flagset_overlaps(&a, &b));
	flagset_subtract(&a, &b);
	is(&a, "[\"\\\\Seen\",\"b\"]");
	get(&b, "[\"\\\\Seen\",\"x\"]");
	ATF_CHECK(flagset_overlaps(&a, &b));
	flagset_copy(&b, &a);
	is(&b, "[\"\\\\Seen\",\"b\"]");
}

ATF_TC_WITHOUT_HEAD(spelling);
ATF_TC_BODY(spelling, tc)
{
	get(&a, "[\"\\\\Seen\",\"one\",\"TWO\",\"three\"]");
	get(&b, "[\"\\\\Seen\",\"One\",\"two\"]");
	ATF_CHECK(!flagset_within(&a, &b));
	flagset_spell(&a, &b);
	is(&a, "[\"\\\\Seen\",\"One\",\"three\",\"two\"]");
	ATF_CHECK(!flagset_within(&a, &b));
	get(&a, "[\"\\\\Seen\",\"One\"]");
	ATF_CHECK(flagset_within(&a, &b));
	get(&a, "[\"one\"]");
	ATF_CHECK(!flagset_within(&a, &b));
	get(&a, "[\"\\\\Draft\"]");
	ATF_CHECK(!flagset_within(&a, &b));
}

ATF_TC_WITHOUT_HEAD(many);
ATF_TC_BODY(many, tc)
{
	static char	name[FLAGSET_KW_MAX + 1][8];
	int		i;

	flagset_init(&a);
	for (i = 0; i <= FLAGSET_KW_MAX; i++) {
		snprintf(name[i], sizeof(name[i]), "k%d", i * 7 % 1031);
		if (i < FLAGSET_KW_MAX)
			ATF_REQUIRE_EQ(0, flagset_add(&a, name[i],
			    strlen(name[i])));
	}
	errno = 0;
	ATF_CHECK_EQ(-1, flagset_add(&a, name[i - 1], strlen(name[i - 1])));
	ATF_CHECK_EQ(ENOSPC, errno);
	ATF_CHECK_EQ(0, flagset_add(&a, name[0], strlen(name[0])));
	get(&b, "[\"other\"]");
	ATF_CHECK_EQ(-1, flagset_merge(&a, &b));
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, add);
	ATF_TP_ADD_TC(tp, text);
	ATF_TP_ADD_TC(tp, ops);
	ATF_TP_ADD_TC(tp, spelling);
	ATF_TP_ADD_TC(tp, many);
	return atf_no_error();
}
