#include <atf-c.h>
#include <stdlib.h>
#include <string.h>

#include "nd.h"

static jsmntok_t	 tokens[ND_TOKENS];
static struct json	 j;
static char		 text[200000];
static struct ereq	 e;
static struct st_row	 last;
static char		 last_flags[9000], last_id[256];
static uint32_t		 nrows, nranges, nmessages;

void
nd_told_row(const struct st_row *row)
{
	last = *row;
	if (row->has & ROW_FLAGS)
		strlcpy(last_flags, row->flags, sizeof(last_flags));
	if (row->has & ROW_ID)
		strlcpy(last_id, row->id, sizeof(last_id));
	nrows++;
	nranges += row->uids.set->n;
	ATF_CHECK(row->uids.set->n > 0 &&
	    row->uids.set->n <= ROW_RANGES_MAX);
}

void
nd_told_message(enum msg_type type, const void *m)
{
	const struct m_st_vanished *v = m;

	ATF_CHECK_EQ(M_st_vanished, type);
	ATF_CHECK(v->uids.set->n > 0 && v->uids.set->n <= 8100);
	nranges += v->uids.set->n;
	nmessages++;
}

static void
parse(const char *s)
{
	nrows = nranges = nmessages = 0;
	ATF_REQUIRE(strlcpy(text, s, sizeof(text)) < sizeof(text));
	ATF_REQUIRE_EQ_MSG(0, json_parse(&j, text, strlen(text), tokens,
	    ND_TOKENS), "%s", s);
}

static int
row(const char *s)
{
	parse(s);
	return nd_row(&j, &e, UINT32_MAX);
}

ATF_TC_WITHOUT_HEAD(ids);
ATF_TC_BODY(ids, tc)
{
	char long_id[300];

	memset(long_id, 'x', sizeof(long_id));
	long_id[255] = '\0';
	ATF_CHECK(strow_id_ok(long_id));
	long_id[255] = 'x';
	long_id[256] = '\0';
	ATF_CHECK(!strow_id_ok(long_id));
	ATF_CHECK(strow_id_ok("a"));
	ATF_CHECK(strow_id_ok("AZaz09-_"));
	ATF_CHECK(!strow_id_ok(""));
	ATF_CHECK(!strow_id_ok("."));
	ATF_CHECK(!strow_id_ok(".."));
	ATF_CHECK(!strow_id_ok("a/b"));
	ATF_CHECK(!strow_id_ok("a b"));
	ATF_CHECK(!strow_id_ok("a%2e"));
	ATF_CHECK(!strow_id_ok("a\n"));
	ATF_CHECK(!strow_id_ok("\xc3\xa4"));
}

ATF_TC_WITHOUT_HEAD(rows);
ATF_TC_BODY(rows, tc)
{
	ATF_CHECK_EQ(0, row("{\"uid\":7}"));
	ATF_CHECK_EQ(1, nrows);
	ATF_CHECK_EQ(0, last.has);
	ATF_CHECK_EQ(0, row("{\"uids\":\"1:3,5\",\"flags\":[\"\\\\Seen\","
	    "\"a b\",\"\\\\recent\",\"x\"],\"id\":\"c-1\",\"size\":0,"
	    "\"date\":\"1970-01-01T00:00:01Z\",\"modseq\":1,"
	    "\"cache\":\"y\"}"));
	ATF_CHECK_EQ(1, nrows);
	ATF_CHECK_EQ(2, nranges);
	ATF_CHECK_EQ(0x3f, last.has);
	ATF_CHECK_STREQ("\\Seen x", last_flags);
	ATF_CHECK_STREQ("c-1", last_id);
	ATF_CHECK_EQ(1, last.date);
	ATF_CHECK_EQ(1, last.modseq);
	ATF_CHECK_EQ(0, row("{\"uid\":4294967295}"));
}

ATF_TC_WITHOUT_HEAD(bad_rows);
ATF_TC_BODY(bad_rows, tc)
{
	static const char *const bad[] = {
		"{}", "{\"uid\":0}", "{\"uid\":-1}", "{\"uid\":4294967296}",
		"{\"uid\":\"7\"}", "{\"uid\":null}", "{\"uid\":1.0}",
		"{\"uids\":7}", "{\"uids\":\"0\"}",
		"{\"uids\":\"3:1\"}", "{\"uids\":\"2,1\"}",
		"{\"uids\":\"1:*\"}", "{\"uids\":\"1,\"}",
		"{\"uid\":1,\"flags\":\"x\"}", "{\"uid\":1,\"flags\":[1]}",
		"{\"uid\":1,\"id\":\"\"}", "{\"uid\":1,\"id\":\"a/b\"}",
		"{\"uid\":1,\"id\":7}", "{\"uid\":1,\"size\":-1}",
		"{\"uid\":1,\"size\":\"1\"}", "{\"uid\":1,\"date\":\"now\"}",
		"{\"uid\":1,\"date\":0}", "{\"uid\":1,\"modseq\":true}",
		"{\"uid\":1,\"cache\":[]}",
	};
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ATF_CHECK_EQ_MSG(-1, row(bad[i]), "%s", bad[i]);
		ATF_CHECK_EQ_MSG(0, nrows, "%s", bad[i]);
	}
}

/* What the backend did not leave out, we do. */
ATF_TC_WITHOUT_HEAD(filter);
ATF_TC_BODY(filter, tc)
{
	uidset_init(&e.set);
	ATF_REQUIRE_EQ(0, uidset_add(&e.set, 3, 5));
	e.filter = 1;
	ATF_CHECK_EQ(0, row("{\"uids\":\"1:4,9\"}"));
	ATF_CHECK_EQ(1, nrows);
	ATF_CHECK_EQ(0, row("{\"uids\":\"1:2,6\"}"));
	ATF_CHECK_EQ(0, nrows);
	e.filter = 0;
	uidset_fini(&e.set);
}

/* A line may have more ranges than a message takes. */
ATF_TC_WITHOUT_HEAD(pieces);
ATF_TC_BODY(pieces, tc)
{
	struct uidset	 set;
	char		*s;
	size_t		 len = 0;
	int		 i;

	s = malloc(200000);
	len = (size_t)snprintf(s, 200000, "{\"uids\":\"");
	for (i = 0; i < 13000; i++)
		len += (size_t)snprintf(s + len, 200000 - len, "%s%d",
		    i > 0 ? "," : "", 2 * i + 1);
	strlcpy(s + len, "\"}", 200000 - len);
	ATF_CHECK_EQ(0, row(s));
	ATF_CHECK(nrows > 1);
	ATF_CHECK_EQ(13000, nranges);
	uidset_init(&set);
	ATF_REQUIRE_EQ(0, nd_uids(&j, &set));
	nranges = 0;
	nd_send_set(&e, M_st_vanished, &set);
	ATF_CHECK_EQ(13000, nranges);
	ATF_CHECK(nmessages > 1);
	uidset_fini(&set);
	free(s);
}

ATF_TC_WITHOUT_HEAD(changes);
ATF_TC_BODY(changes, tc)
{
	static const char *const bad[] = {
		"{}", "{\"c\":null}", "{\"c\":7}", "{\"c\":{}}",
		"{\"c\":{\"mailbox\":\"a/b\"}}", "{\"c\":{\"mailbox\":1}}",
		"{\"c\":{\"mailbox\":\"m\",\"modseq\":\"1\"}}",
		"{\"c\":{\"mailbox\":\"m\",\"modseq_before\":-1}}",
	};
	struct m_st_change	m;
	size_t			i;

	parse("{\"c\":{\"mailbox\":\"m\",\"modseq_before\":3,\"modseq\":4}}");
	ATF_CHECK_EQ(0, nd_change(&j, json_member(&j, 0, "c"), &m));
	ATF_CHECK_STREQ("m", m.mailbox);
	ATF_CHECK_EQ(3, m.before);
	ATF_CHECK_EQ(4, m.modseq);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		parse(bad[i]);
		ATF_CHECK_EQ_MSG(-1, nd_change(&j, json_member(&j, 0, "c"),
		    &m), "%s", bad[i]);
	}
}

ATF_TC_WITHOUT_HEAD(texts);
ATF_TC_BODY(texts, tc)
{
	char buf[4];

	parse("{\"a\":\"abc\",\"b\":\"abcd\",\"c\":\"a\\u0000\",\"d\":\"\"}");
	ATF_CHECK_EQ(0, nd_text(&j, json_member(&j, 0, "a"), buf, 4));
	ATF_CHECK_STREQ("abc", buf);
	ATF_CHECK_EQ(-1, nd_text(&j, json_member(&j, 0, "b"), buf, 4));
	ATF_CHECK_EQ(-1, nd_text(&j, json_member(&j, 0, "c"), buf, 4));
	ATF_CHECK_EQ(0, nd_text(&j, json_member(&j, 0, "d"), buf, 4));
	ATF_CHECK_STREQ("", buf);
	ATF_CHECK_EQ(-1, nd_text(&j, json_member(&j, 0, "x"), buf, 4));
}

ATF_TC_WITHOUT_HEAD(flags_out);
ATF_TC_BODY(flags_out, tc)
{
	struct ibuf b;

	ibuf_init(&b, 1000);
	ATF_CHECK_EQ(0, json_put_flags(&b, "\\Seen  a "));
	ATF_CHECK_EQ(0, ibuf_add_n8(&b, '\0'));
	ATF_CHECK_STREQ("[\"\\\\Seen\",\"a\"]", (char *)ibuf_data(&b));
	ibuf_fini(&b);
	ATF_CHECK_EQ(-1, json_put_flags(&b, "\xff"));
	ibuf_fini(&b);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, ids);
	ATF_TP_ADD_TC(tp, rows);
	ATF_TP_ADD_TC(tp, bad_rows);
	ATF_TP_ADD_TC(tp, filter);
	ATF_TP_ADD_TC(tp, pieces);
	ATF_TP_ADD_TC(tp, changes);
	ATF_TP_ADD_TC(tp, texts);
	ATF_TP_ADD_TC(tp, flags_out);
	return atf_no_error();
}
