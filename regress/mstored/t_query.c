#include <atf-c.h>
#include <stdio.h>
#include <string.h>

#include "query.h"
#include "sterr.h"

#define ALL_CAPS	(CAP(CAP_MODSEQ) | CAP(CAP_SAVEDATE))

static struct query q;
static struct args a;
static struct ibuf body;

/* Parses {"query":text}; the tree stays until the next. */
static int
parse(const char *text, uint64_t caps)
{
	static const char *const known[] = { "query", NULL };
	int r;

	query_fini(&q);
	ibuf_fini(&body);
	ibuf_init(&body, 1024 * 1024);
	ATF_REQUIRE_EQ(0, ibuf_addf(&body, "{\"query\":%s}", text));
	r = args_parse(&a, &body, known);
	if (r == ST_OK)
		r = query_parse(&q, &a, json_member(&a.j, 0, "query"), caps);
	args_fini(&a);
	return r;
}

/* As many leaves are open as "?", yes "1", no "0", by their place. */
static enum tri
leaf(void *arg, const struct query_node *n)
{
	const char *values = arg;
	char c = values[n->num];

	return c == '1' ? TRI_YES : c == '0' ? TRI_NO : TRI_OPEN;
}

static void
is(const char *text, const char *values, enum tri want)
{
	char copy[16];

	strlcpy(copy, values, sizeof(copy));
	ATF_REQUIRE_EQ_MSG(ST_OK, parse(text, ALL_CAPS), "%s", text);
	ATF_CHECK_EQ_MSG(want, query_eval(&q, leaf, copy), "%s %s", text,
	    values);
}

ATF_TC_WITHOUT_HEAD(eval);
ATF_TC_BODY(eval, tc)
{
	static const char and[] = "{\"and\":[{\"larger\":0},{\"larger\":1}]}";
	static const char or[] = "{\"or\":[{\"larger\":0},{\"larger\":1}]}";
	static const char not[] = "{\"not\":{\"or\":[{\"larger\":0},"
	    "{\"and\":[{\"larger\":1},{\"not\":{\"larger\":2}}]}]}}";

	is("{\"all\":true}", "", TRI_YES);
	is("{\"not\":{\"all\":true}}", "", TRI_NO);
	is(and, "11", TRI_YES);
	is(and, "10", TRI_NO);
	is(and, "1?", TRI_OPEN);
	is(and, "0?", TRI_NO);
	is(and, "?0", TRI_NO);
	is(or, "00", TRI_NO);
	is(or, "01", TRI_YES);
	is(or, "?1", TRI_YES);
	is(or, "0?", TRI_OPEN);
	is(not, "000", TRI_YES);
	is(not, "010", TRI_NO);
	is(not, "011", TRI_YES);
	is(not, "0?1", TRI_YES);
	is(not, "0?0", TRI_OPEN);
	is(not, "1??", TRI_NO);
	query_init(&q);
	ATF_CHECK_EQ(TRI_YES, query_eval(&q, leaf, NULL));
}

ATF_TC_WITHOUT_HEAD(values);
ATF_TC_BODY(values, tc)
{
	ATF_REQUIRE_EQ(ST_OK, parse("{\"flag\":\"\\\\seen\"}", 0));
	ATF_CHECK_EQ(FLAG_SEEN, q.node[0].sys);
	ATF_REQUIRE_EQ(ST_OK, parse("{\"flag\":\"Work\"}", 0));
	ATF_CHECK_EQ(0, q.node[0].sys);
	ATF_REQUIRE_EQ(ST_OK, parse("{\"since\":\"1970-01-02\"}", 0));
	ATF_CHECK_EQ(1, q.node[0].day);
	ATF_REQUIRE_EQ(ST_OK, parse("{\"header\":[\"To\",\"\"]}", 0));
	ATF_CHECK(hstr_is(&q.node[0].field, "to"));
	ATF_CHECK_EQ(0, q.node[0].text.len);
	ATF_CHECK_EQ(1, q.texts);
	ATF_REQUIRE_EQ(ST_OK, parse("{\"or\":[{\"text\":\"a\"},"
	    "{\"body\":\"b\"},{\"uids\":\"1:3\"}]}", 0));
	ATF_CHECK_EQ(2, q.texts);
	ATF_CHECK_EQ(1, q.node[2].leaf);
	ATF_CHECK(uidset_contains(&q.node[3].uids, 2));
	ATF_CHECK_EQ(1U << QUERY_OR | 1U << QUERY_TEXT | 1U << QUERY_BODY |
	    1U << QUERY_UIDS, q.ops);
	query_fini(&q);
}

ATF_TC_WITHOUT_HEAD(refused);
ATF_TC_BODY(refused, tc)
{
	static const char *bad[] = { "1", "[]", "{}", "null", "{\"all\":1}",
	    "{\"and\":{}}", "{\"or\":[]}", "{\"not\":[]}", "{\"flag\":\"\"}",
	    "{\"uids\":\"0\"}", "{\"on\":\"2026-02-30\"}",
	    "{\"on\":\"2026-02-3\"}", "{\"on\":\"2026/02/03\"}",
	    "{\"header\":[]}", "{\"header\":[\"a\",\"b\",\"c\"]}",
	    "{\"larger\":1.5}", "{\"text\":\"a\",\"body\":\"b\"}", NULL };
	int i;

	for (i = 0; bad[i] != NULL; i++)
		ATF_CHECK_EQ_MSG(ST_BAD_REQUEST, parse(bad[i], ALL_CAPS),
		    "%s", bad[i]);
	ATF_CHECK_EQ(ST_UNKNOWN_PARAMETER, parse("{\"x\":1}", ALL_CAPS));
	ATF_CHECK_EQ(ST_UNKNOWN_PARAMETER, parse("{\"modseq\":1}", 0));
	ATF_CHECK_EQ(ST_OK, parse("{\"modseq\":1}", ALL_CAPS));
	ATF_CHECK_EQ(ST_UNKNOWN_PARAMETER,
	    parse("{\"savedon\":\"2026-01-01\"}", CAP(CAP_MODSEQ)));
	query_fini(&q);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, eval);
	ATF_TP_ADD_TC(tp, values);
	ATF_TP_ADD_TC(tp, refused);
	return atf_no_error();
}
