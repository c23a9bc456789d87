#include <atf-c.h>
#include <stdlib.h>
#include <string.h>

#include "check_val.h"

static void	*blocks[4096];
static int	 nblocks;

static void *
get(void *arg, size_t len)
{
	void *p = calloc(1, len);

	ATF_REQUIRE(p != NULL && nblocks < 4096);
	blocks[nblocks++] = p;
	return p;
}

static void
done(void)
{
	while (nblocks > 0)
		free(blocks[--nblocks]);
}

static struct val *
parse(const char *s)
{
	return val_parse(s, strlen(s), get, NULL);
}

ATF_TC_WITHOUT_HEAD(values);
ATF_TC_BODY(values, tc)
{
	struct val	*v, *m;
	uint64_t	 n;

	v = parse("{\"a\":1,\"b\":\"x\\u0041\\n\",\"c\":[1,[],{\"d\":null}],"
	    "\"e\":true,\"f\":-1,\"g\":1.5,\"a\":2}");
	ATF_REQUIRE(v != NULL && v->type == VAL_OBJECT);
	ATF_CHECK_EQ(7, v->count);
	ATF_CHECK_EQ(1, val_number(v, "a", 9, &n));
	ATF_CHECK_EQ(1, n);
	ATF_CHECK_EQ(0, val_number(v, "a", 0, &n));
	ATF_CHECK_EQ(0, val_number(v, "f", 9, &n));
	ATF_CHECK_EQ(0, val_number(v, "g", 9, &n));
	ATF_CHECK_EQ(0, val_number(v, "b", 9, &n));
	ATF_CHECK_STREQ("xA\n", val_text(v, "b"));
	ATF_CHECK(val_text(v, "a") == NULL);
	ATF_CHECK(val_get(v, "z") == NULL);
	ATF_CHECK(val_get(NULL, "z") == NULL);
	m = val_typed(v, "c", VAL_ARRAY);
	ATF_REQUIRE(m != NULL);
	ATF_CHECK_EQ(3, m->count);
	ATF_CHECK_EQ(1, m->first->n);
	ATF_CHECK_EQ(VAL_ARRAY, m->first->next->type);
	ATF_CHECK_EQ(0, m->first->next->count);
	m = m->first->next->next;
	ATF_CHECK_EQ(VAL_NULL, val_get(m, "d")->type);
	ATF_CHECK(m->next == NULL);
	ATF_CHECK_EQ(1, val_typed(v, "e", VAL_BOOL)->n);
	ATF_CHECK(val_typed(v, "e", VAL_NUMBER) == NULL);
	done();
}

ATF_TC_WITHOUT_HEAD(bad);
ATF_TC_BODY(bad, tc)
{
	static const char *const texts[] = { "", "{", "{a:1}", "[1,]",
	    "{\"a\":1} x", "nul", "\"\377\"", "{\"a\"}" };
	char	deep[1001];
	size_t	i;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		ATF_CHECK_MSG(parse(texts[i]) == NULL, "%s", texts[i]);
	memset(deep, '[', 500);
	memset(deep + 500, ']', 500);
	deep[1000] = '\0';
	ATF_CHECK(parse(deep) == NULL);
	/* a text with a NUL is a text, but not one for people */
	ATF_CHECK(val_text(parse("{\"a\":\"x\\u0000y\"}"), "a") == NULL);
	done();
}

/* More tokens than the first array has. */
ATF_TC_WITHOUT_HEAD(large);
ATF_TC_BODY(large, tc)
{
	char		 text[2100];
	struct val	*v;
	int		 i;

	text[0] = '[';
	for (i = 0; i < 1000; i++)
		memcpy(text + 1 + 2 * i, "7,", 2);
	text[2000] = ']';
	v = val_parse(text, 2001, get, NULL);
	ATF_REQUIRE(v != NULL);
	ATF_CHECK_EQ(1000, v->count);
	done();
}

ATF_TC_WITHOUT_HEAD(equal);
ATF_TC_BODY(equal, tc)
{
	static const struct {
		const char	*a, *b;
		int		 same;
	} tests[] = {
		{ "{\"a\":1,\"b\":[1,2]}", "{ \"b\":[1,2], \"a\":1 }", 1 },
		{ "{\"a\":1}", "{\"a\":1,\"b\":1}", 0 },
		{ "[1,2]", "[2,1]", 0 },
		{ "\"x\"", "\"\\u0078\"", 1 },
		{ "[null]", "[null]", 1 },
		{ "[true]", "[false]", 0 },
		{ "[1]", "[\"1\"]", 0 },
		{ "{\"a\":{\"b\":[{}]}}", "{\"a\":{\"b\":[{}]}}", 1 },
		{ "{\"a\":{\"b\":[{}]}}", "{\"a\":{\"b\":[[]]}}", 0 },
	};
	size_t i;

	for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		ATF_CHECK_EQ_MSG(tests[i].same, val_equal(parse(tests[i].a),
		    parse(tests[i].b)), "%s %s", tests[i].a, tests[i].b);
	ATF_CHECK(!val_equal(parse("{}"), NULL));
	done();
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, values);
	ATF_TP_ADD_TC(tp, bad);
	ATF_TP_ADD_TC(tp, large);
	ATF_TP_ADD_TC(tp, equal);
	return atf_no_error();
}
