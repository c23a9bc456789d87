#include <atf-c.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "sterr.h"

static struct ibuf	 body;
static const char *const known[] = { "a", "b", NULL };

static int
parse(struct args *a, const char *text)
{
	ibuf_fini(&body);
	ibuf_init(&body, 10 * 1024 * 1024);
	ATF_REQUIRE_EQ(0, ibuf_adds(&body, text));
	return args_parse(a, &body, known);
}

ATF_TC_WITHOUT_HEAD(objects);
ATF_TC_BODY(objects, tc)
{
	struct args a;

	ATF_CHECK_EQ(ST_OK, parse(&a, "{\"a\":1}"));
	ATF_CHECK_EQ(ST_OK, parse(&a, " {} "));
	ATF_CHECK_EQ(ST_UNKNOWN_PARAMETER, parse(&a, "{\"a\":1,\"c\":2}"));
	ATF_CHECK_EQ(ST_UNKNOWN_PARAMETER, parse(&a, "{\"A\":1}"));
	ATF_CHECK_EQ(ST_BAD_REQUEST, parse(&a, ""));
	ATF_CHECK_EQ(ST_BAD_REQUEST, parse(&a, "[]"));
	ATF_CHECK_EQ(ST_BAD_REQUEST, parse(&a, "\"a\""));
	ATF_CHECK_EQ(ST_BAD_REQUEST, parse(&a, "{\"a\":1"));
	ATF_CHECK_EQ(ST_BAD_REQUEST, parse(&a, "{\"a\" 1}"));
	args_fini(&a);
}

ATF_TC_WITHOUT_HEAD(texts);
ATF_TC_BODY(texts, tc)
{
	struct args	 a;
	const char	*s, *t;
	size_t		 len;

	ATF_REQUIRE_EQ(ST_OK, parse(&a,
	    "{\"a\":\"x\\n\\u00e9\",\"b\":\"yy\"}"));
	ATF_CHECK_EQ(1, args_text(&a, json_member(&a.j, 0, "a"), &s, &len));
	ATF_CHECK_STREQ("x\n\xc3\xa9", s);
	ATF_CHECK_EQ(4, len);
	ATF_CHECK_EQ(1, args_text(&a, json_member(&a.j, 0, "b"), &t, &len));
	ATF_CHECK_STREQ("yy", t);
	/* the first is as it was */
	ATF_CHECK_STREQ("x\n\xc3\xa9", s);
	ATF_CHECK_EQ(0, args_text(&a, json_member(&a.j, 0, "c"), &t, &len));
	ATF_REQUIRE_EQ(ST_OK, parse(&a, "{\"a\":\"x\\u0000y\",\"b\":null}"));
	ATF_CHECK_EQ(-1, args_text(&a, json_member(&a.j, 0, "a"), &s, &len));
	ATF_CHECK_EQ(0, args_text(&a, json_member(&a.j, 0, "b"), &s, &len));
	ATF_REQUIRE_EQ(ST_OK, parse(&a, "{\"a\":7}"));
	ATF_CHECK_EQ(-1, args_text(&a, json_member(&a.j, 0, "a"), &s, &len));
	args_fini(&a);
}

ATF_TC_WITHOUT_HEAD(sets);
ATF_TC_BODY(sets, tc)
{
	struct args	a;
	struct uidset	set;

	uidset_init(&set);
	ATF_REQUIRE_EQ(ST_OK, parse(&a, "{\"a\":\"1:3,7\",\"b\":\"1,2\"}"));
	ATF_CHECK_EQ(1, args_set(&a, json_member(&a.j, 0, "a"), 5, &set));
	ATF_CHECK_EQ(4, uidset_count(&set));
	ATF_CHECK_EQ(-1, args_set(&a, json_member(&a.j, 0, "a"), 4, &set));
	ATF_CHECK_EQ(-1, args_set(&a, json_member(&a.j, 0, "b"), 9, &set));
	ATF_CHECK_EQ(0, args_set(&a, json_member(&a.j, 0, "c"), 9, &set));
	uidset_fini(&set);
	args_fini(&a);
}

ATF_TC_WITHOUT_HEAD(flags);
ATF_TC_BODY(flags, tc)
{
	static struct flagset	f;
	struct args		a;

	ATF_REQUIRE_EQ(ST_OK, parse(&a, "{\"a\":[\"\\\\Seen\",\"x\"],"
	    "\"b\":[]}"));
	ATF_CHECK_EQ(1, args_flags(&a, json_member(&a.j, 0, "a"), &f));
	ATF_CHECK(f.sys == FLAG_SEEN && f.n == 1);
	ATF_CHECK_EQ(1, args_flags(&a, json_member(&a.j, 0, "b"), &f));
	ATF_CHECK(f.sys == 0 && f.n == 0);
	ATF_CHECK_EQ(0, args_flags(&a, json_member(&a.j, 0, "c"), &f));
	ATF_REQUIRE_EQ(ST_OK, parse(&a, "{\"a\":[1],\"b\":\"x\"}"));
	ATF_CHECK_EQ(-1, args_flags(&a, json_member(&a.j, 0, "a"), &f));
	ATF_CHECK_EQ(-1, args_flags(&a, json_member(&a.j, 0, "b"), &f));
	ATF_REQUIRE_EQ(ST_OK, parse(&a, "{\"a\":[null],\"b\":{\"x\":1}}"));
	ATF_CHECK_EQ(-1, args_flags(&a, json_member(&a.j, 0, "a"), &f));
	ATF_CHECK_EQ(-1, args_flags(&a, json_member(&a.j, 0, "b"), &f));
	args_fini(&a);
}

/* More tokens than are at hand, and more than there may be. */
ATF_TC_WITHOUT_HEAD(many);
ATF_TC_BODY(many, tc)
{
	struct args	 a;
	char		*text;
	int		 i, n, count;

	for (n = 100; n <= 100000; n *= 10) {
		text = malloc((size_t)n * 2 + 20);
		strlcpy(text, "{\"a\":[", 20);
		for (i = 0; i < n; i++)
			memcpy(text + 6 + i * 2, "1,", 3);
		memcpy(text + 5 + n * 2, "]}", 3);
		if (n == 100000) {
			ATF_CHECK_EQ(ST_BAD_REQUEST, parse(&a, text));
		} else {
			ATF_REQUIRE_EQ(ST_OK, parse(&a, text));
			i = json_member(&a.j, 0, "a");
			count = 0;
			for (i = args_first(&a, i); i != -1;
			    i = args_next(&a, i))
				count++;
			ATF_CHECK_EQ(n, count);
		}
		args_fini(&a);
		free(text);
	}
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, objects);
	ATF_TP_ADD_TC(tp, texts);
	ATF_TP_ADD_TC(tp, sets);
	ATF_TP_ADD_TC(tp, flags);
	ATF_TP_ADD_TC(tp, many);
	return atf_no_error();
}
