/*
 * Searches as queries: what is said, what is left out, and that a storage
 * that knows less is asked for more messages, never for fewer.
 */
#include <atf-c.h>
#include <stdio.h>
#include <string.h>

#include "stquery.h"

#define ALL	0x3fffff

static struct imap_parse_opts	opts;
static struct stquery_can	can = { ALL, 1000, 32, 64 };

struct row {
	const char	*search;
	uint32_t	 less;		/* keys that are not known */
	enum stquery_said said;
	const char	*query;
};

static void
check_row(const struct row *r)
{
	struct imap_cmd		cmd;
	struct ibuf		b;
	char			line[1024];
	enum stquery_said	said;

	ibuf_init(&b, 60000);
	snprintf(line, sizeof(line), "a SEARCH %s", r->search);
	ATF_REQUIRE_EQ_MSG(IMAP_OK, imap_parse(&cmd, &opts, line,
	    strlen(line)), "%s: %s", r->search, cmd.error);
	can.keys = ALL & ~r->less;
	said = stquery_put(&b, cmd.search.key, &can);
	can.keys = ALL;
	ATF_CHECK_EQ_MSG(r->said, said, "%s: %d", r->search, said);
	ATF_REQUIRE_EQ(0, ibuf_add_n8(&b, '\0'));
	ATF_CHECK_STREQ_MSG(r->query, (const char *)ibuf_data(&b), "%s",
	    r->search);
	imap_cmd_free(&cmd);
	ibuf_fini(&b);
}

static void
check(const struct row *r)
{
	for (; r->search != NULL; r++)
		check_row(r);
}

ATF_TC_WITHOUT_HEAD(keys);
ATF_TC_BODY(keys, tc)
{
	static const struct row rows[] = {
		{ "LARGER 5", 0, STQUERY_EXACT, "{\"larger\":5}" },
		{ "SMALLER 9999999999", 0, STQUERY_EXACT,
		    "{\"smaller\":9999999999}" },
		{ "SINCE 1-Feb-1994", 0, STQUERY_EXACT,
		    "{\"since\":\"1994-02-01\"}" },
		{ "BEFORE 31-Dec-2030", 0, STQUERY_EXACT,
		    "{\"before\":\"2030-12-31\"}" },
		{ "ON 1-Jan-1970", 0, STQUERY_EXACT,
		    "{\"on\":\"1970-01-01\"}" },
		{ "SENTSINCE 29-Feb-2024", 0, STQUERY_EXACT,
		    "{\"sentsince\":\"2024-02-29\"}" },
		{ "SENTBEFORE 1-Feb-1901", 0, STQUERY_EXACT,
		    "{\"sentbefore\":\"1901-02-01\"}" },
		{ "SENTON 1-Feb-1994", 0, STQUERY_EXACT,
		    "{\"senton\":\"1994-02-01\"}" },
		{ "OR SAVEDON 2-Feb-1994 OR SAVEDSINCE 1-Jan-1994 "
		    "SAVEDBEFORE 1-Dec-1994", 0, STQUERY_EXACT,
		    "{\"or\":[{\"savedon\":\"1994-02-02\"},"
		    "{\"savedsince\":\"1994-01-01\"},"
		    "{\"savedbefore\":\"1994-12-01\"}]}" },
		{ "FROM \"a \\\"b\"", 0, STQUERY_EXACT,
		    "{\"header\":[\"From\",\"a \\\"b\"]}" },
		{ "HEADER x-y \"\"", 0, STQUERY_EXACT,
		    "{\"header\":[\"x-y\",\"\"]}" },
		{ "TEXT {2+}\r\n\xc3\xa9", 0, STQUERY_EXACT,
		    "{\"text\":\"\xc3\xa9\"}" },
		{ "NOT BODY x", 0, STQUERY_EXACT,
		    "{\"not\":{\"body\":\"x\"}}" },
		{ "BODY a LARGER 1", 0, STQUERY_EXACT,
		    "{\"and\":[{\"larger\":1},{\"body\":\"a\"}]}" },
		{ "OR BODY a OR LARGER 1 TEXT b", 0, STQUERY_EXACT,
		    "{\"or\":[{\"larger\":1},{\"body\":\"a\"},"
		    "{\"text\":\"b\"}]}" },
		/* NOT goes down to the leaves */
		{ "NOT (BODY a NOT TEXT b)", 0, STQUERY_EXACT,
		    "{\"or\":[{\"not\":{\"body\":\"a\"}},{\"text\":\"b\"}]}" },
		{ "NOT OR BODY a (BODY b BODY c)", 0, STQUERY_EXACT,
		    "{\"and\":[{\"not\":{\"body\":\"a\"}},{\"or\":["
		    "{\"not\":{\"body\":\"b\"}},{\"not\":{\"body\":\"c\"}}"
		    "]}]}" },
		{ NULL, 0, 0, NULL }
	};

	check(rows);
}

ATF_TC_WITHOUT_HEAD(less);
ATF_TC_BODY(less, tc)
{
	static const struct row rows[] = {
		{ "BODY a", STQUERY_BODY, STQUERY_NONE, "" },
		{ "BODY a LARGER 1", STQUERY_BODY, STQUERY_MORE,
		    "{\"and\":[{\"larger\":1}]}" },
		{ "BODY a LARGER 1", STQUERY_BODY | STQUERY_LARGER,
		    STQUERY_NONE, "" },
		{ "OR BODY a LARGER 1", STQUERY_BODY, STQUERY_NONE, "" },
		{ "BODY a LARGER 1 SMALLER 9", STQUERY_AND, STQUERY_MORE,
		    "{\"larger\":1}" },
		{ "BODY a LARGER 1 SMALLER 9", STQUERY_AND | STQUERY_LARGER,
		    STQUERY_MORE, "{\"smaller\":9}" },
		{ "OR BODY a LARGER 1", STQUERY_OR, STQUERY_NONE, "" },
		{ "NOT BODY a", STQUERY_NOT, STQUERY_NONE, "" },
		{ "NOT BODY a LARGER 1", STQUERY_NOT, STQUERY_MORE,
		    "{\"and\":[{\"larger\":1}]}" },
		/* not both: nothing is known without one of them */
		{ "NOT (BODY a LARGER 1)", STQUERY_BODY, STQUERY_NONE, "" },
		{ "NOT (OR BODY a LARGER 1)", STQUERY_BODY, STQUERY_MORE,
		    "{\"and\":[{\"not\":{\"larger\":1}}]}" },
		{ "LARGER 1 OR (BODY a SMALLER 3) TEXT b", STQUERY_BODY,
		    STQUERY_MORE, "{\"and\":[{\"larger\":1},{\"or\":["
		    "{\"and\":[{\"smaller\":3}]},{\"text\":\"b\"}]}]}" },
		{ "LARGER 1 OR (BODY a SMALLER 3) TEXT b", STQUERY_TEXT,
		    STQUERY_MORE, "{\"and\":[{\"larger\":1}]}" },
		/* fields of their own */
		{ "SUBJECT x", STQUERY_HEADER, STQUERY_EXACT,
		    "{\"header\":[\"Subject\",\"x\"]}" },
		{ "HEADER subject x", STQUERY_HEADER, STQUERY_EXACT,
		    "{\"header\":[\"subject\",\"x\"]}" },
		{ "HEADER x-subject x", STQUERY_HEADER, STQUERY_NONE, "" },
		{ "SUBJECT x", STQUERY_HEADER | STQUERY_SUBJECT,
		    STQUERY_NONE, "" },
		{ "SUBJECT x", STQUERY_SUBJECT, STQUERY_EXACT,
		    "{\"header\":[\"Subject\",\"x\"]}" },
		/* what is the frontend's */
		{ "SEEN", 0, STQUERY_NONE, "" },
		{ "1:3 BODY a", 0, STQUERY_MORE,
		    "{\"and\":[{\"body\":\"a\"}]}" },
		{ "OR RECENT BODY a", 0, STQUERY_NONE, "" },
		{ "UID 3 ALL MODSEQ 7", 0, STQUERY_NONE, "" },
		{ "EMAILID x THREADID y", 0, STQUERY_NONE, "" },
		{ NULL, 0, 0, NULL }
	};

	check(rows);
}

ATF_TC_WITHOUT_HEAD(bounds);
ATF_TC_BODY(bounds, tc)
{
	static const struct row nodes[] = {
		{ "BODY a", 0, STQUERY_EXACT, "{\"body\":\"a\"}" },
		{ "NOT BODY a", 0, STQUERY_EXACT,
		    "{\"not\":{\"body\":\"a\"}}" },
		{ "NOT BODY a LARGER 1", 0, STQUERY_MORE,
		    "{\"and\":[{\"larger\":1}]}" },
		{ "OR BODY a LARGER 1", 0, STQUERY_EXACT,
		    "{\"or\":[{\"larger\":1},{\"body\":\"a\"}]}" },
		{ "OR BODY a OR LARGER 1 BODY b", 0, STQUERY_NONE, "" },
		{ NULL, 0, 0, NULL }
	};
	static const struct row depth[] = {
		{ "NOT BODY a", 0, STQUERY_EXACT,
		    "{\"not\":{\"body\":\"a\"}}" },
		{ "LARGER 1 NOT BODY a", 0, STQUERY_MORE,
		    "{\"and\":[{\"larger\":1}]}" },
		{ "LARGER 1 OR LARGER 2 LARGER 3", 0, STQUERY_MORE,
		    "{\"and\":[{\"larger\":1}]}" },
		{ NULL, 0, 0, NULL }
	};
	static const struct row texts[] = {
		{ "BODY a TEXT b SUBJECT c LARGER 1", 0, STQUERY_MORE,
		    "{\"and\":[{\"larger\":1},{\"header\":[\"Subject\",\"c\"]"
		    "},{\"body\":\"a\"}]}" },
		{ "OR BODY a OR TEXT b SUBJECT c", 0, STQUERY_NONE, "" },
		{ NULL, 0, 0, NULL }
	};

	can.nodes = 3;
	check(nodes);
	can.nodes = 1000;
	can.depth = 2;
	check(depth);
	can.depth = 32;
	can.texts = 2;
	check(texts);
}

static void
long_text(size_t len, uint32_t max, enum stquery_said want)
{
	struct imap_key	k;
	struct ibuf	b;
	char		text[2000];

	memset(&k, 0, sizeof(k));
	memset(text, 'x', sizeof(text));
	k.type = KEY_TEXT;
	k.str.p = text;
	k.str.len = len;
	ibuf_init(&b, max);
	ATF_REQUIRE_EQ(0, ibuf_add(&b, "[", 1));
	ATF_CHECK_EQ(want, stquery_put(&b, &k, &can));
	ATF_CHECK_EQ(want == STQUERY_NONE ? 1 : len + 12, ibuf_size(&b));
	ibuf_fini(&b);
}

/* Neither what is too long for a storage, nor what the buffer does not hold. */
ATF_TC_WITHOUT_HEAD(room);
ATF_TC_BODY(room, tc)
{
	long_text(STQUERY_STRING, 2000, STQUERY_EXACT);
	long_text(STQUERY_STRING + 1, 2000, STQUERY_NONE);
	long_text(100, 111, STQUERY_NONE);
}

ATF_TC_WITHOUT_HEAD(names);
ATF_TC_BODY(names, tc)
{
	static struct imap_search	se;
	struct ibuf			b;

	ATF_CHECK_EQ(STQUERY_SENTON, stquery_key("senton", 6));
	ATF_CHECK_EQ(STQUERY_ON, stquery_key("on", 2));
	ATF_CHECK_EQ(STQUERY_SUBJECT, stquery_key("header:subject", 14));
	ATF_CHECK_EQ(0, stquery_key("header:x", 8));
	ATF_CHECK_EQ(STQUERY_SAVEDON, stquery_key("savedon", 7));
	ATF_CHECK_EQ(0, stquery_key("uids", 4));
	ATF_CHECK_EQ(0, stquery_key("o", 1));
	ATF_CHECK_EQ(1U << SORT_CC, stquery_sort("cc", 2));
	ATF_CHECK_EQ(1U << SORT_DISPLAYTO, stquery_sort("displayto", 9));
	ATF_CHECK_EQ(0, stquery_sort("CC", 2));
	ATF_CHECK_EQ(0, stquery_sort("c", 1));
	ATF_CHECK_EQ(0, stquery_sort("ccc", 3));
	ATF_CHECK_EQ(1U << THREAD_REFERENCES,
	    stquery_thread("references", 10));
	ATF_CHECK_EQ(0, stquery_thread("refs", 4));
	se.sort[0].by = SORT_SUBJECT;
	se.sort[1].by = SORT_DATE;
	se.sort[1].reverse = 1;
	se.nsort = 2;
	ibuf_init(&b, 14);
	ATF_CHECK_EQ(0, stquery_put_sort(&b, &se));
	ATF_CHECK_EQ(13, ibuf_size(&b));
	ATF_CHECK_EQ(0, memcmp(ibuf_data(&b), "subject -date", 13));
	ATF_CHECK_EQ(-1, stquery_put_sort(&b, &se));
	ibuf_fini(&b);
}

ATF_TP_ADD_TCS(tp)
{
	imap_ext_add(&opts.exts, IMAP_EXT_CONDSTORE);
	imap_ext_add(&opts.exts, IMAP_EXT_OBJECTID);
	imap_ext_add(&opts.exts, IMAP_EXT_SAVEDATE);
	ATF_TP_ADD_TC(tp, keys);
	ATF_TP_ADD_TC(tp, less);
	ATF_TP_ADD_TC(tp, bounds);
	ATF_TP_ADD_TC(tp, room);
	ATF_TP_ADD_TC(tp, names);
	return atf_no_error();
}
