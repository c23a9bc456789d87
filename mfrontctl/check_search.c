/*
 * Checks of search, sort and thread.
 */
#include <string.h>

#include "check_ask.h"
#include "check_funcs.h"

#define N	6		/* messages of the mailbox */

/* What is known of the messages that are searched for. */
static const struct {
	const char	*flags;		/* as JSON */
	const char	*date;		/* of arrival */
	const char	*fields;
	const char	*text;
} mails[N] = {
	{ "\"\\\\Seen\"", "2001-02-03T23:30:00-05:00",
	    "Message-ID: <one@check>\r\nDate: Sun, 4 Feb 2001 01:00:00 +0000"
	    "\r\nFrom: Zoe <zoe@example.org>\r\nSubject: Lamps\r\n",
	    "How much are they?" },
	{ "\"\\\\Flagged\",\"$Check\"", "2001-02-05T00:30:00+02:00",
	    "Message-ID: <two@check>\r\nIn-Reply-To: <one@check>\r\n"
	    "References: <one@check>\r\nDate: Mon, 5 Feb 2001 10:00:00 +0200"
	    "\r\nFrom: Ann <ann@example.org>\r\nSubject: Re: Lamps\r\n",
	    "Seven." },
	{ "", "2001-02-04T12:00:00Z",
	    "Message-ID: <three@check>\r\nDate: Sat, 3 Feb 2001 09:00:00 "
	    "+0000\r\nFrom: Bob <bob@example.org>\r\nSubject: "
	    "=?UTF-8?Q?Gr=C3=BC=C3=9Fe_aus_K=C3=B6ln?=\r\nX-Check: one\r\n",
	    "apples and oranges" },
	{ "\"\\\\Seen\",\"\\\\Deleted\"", "2003-01-01T00:00:00Z",
	    "Message-ID: <four@check>\r\nReferences: <one@check> "
	    "<two@check>\r\nDate: Tue, 6 Feb 2001 10:00:00 +0000\r\n"
	    "From: Zoe <zoe@example.org>\r\nSubject: Re: Lamps\r\n",
	    "Too much! APPLES are cheaper." },
	{ "\"$Check\"", "2002-06-01T12:00:00Z",
	    "Message-ID: <five@check>\r\nDate: Fri, 1 Jun 2001 12:00:00 "
	    "+0000\r\nFrom: Carl <carl@example.org>\r\nSubject: Boats\r\n",
	    "a body with many words, so that it is larger than the others: "
	    "boats, ships, ferries, rafts, canoes, kayaks, yachts, tugs" },
	{ "", "2000-01-01T12:00:00Z",
	    "From: Dora <dora@example.org>\r\nSubject: anchor\r\n", "x" },
};

static struct box *
search_box(struct ck *c, struct uids *u)
{
	struct box	*b = ask_box(c, "search");
	char		*m;
	int		 i;

	u->u = check_alloc(c, sizeof(*u->u) * N);
	u->n = N;
	for (i = 0; i < N; i++) {
		m = check_text(c, "%s\r\n%s\r\n", mails[i].fields,
		    mails[i].text);
		u->u[i] = ask_store(c, b, check_text(c, "\"flags\":[%s],"
		    "\"date\":\"%s\"", mails[i].flags, mails[i].date), m,
		    strlen(m))->uid;
	}
	return b;
}

static struct answer *
search_ask(struct ck *c, const struct box *b, const char *json)
{
	return ask_do(c, "POST", ask_box_path(c, b, "/search"), json);
}

struct found {
	struct lines	*l;
	struct uids	 sure;
	struct uids	 maybe;
	struct uids	 order;
};

static void
search_join(struct ck *c, struct uids *to, const struct uids *more)
{
	uint32_t *u = check_alloc(c, sizeof(*u) * (to->n + more->n + 1));

	if (to->n > 0)
		memcpy(u, to->u, sizeof(*u) * to->n);
	memcpy(u + to->n, more->u, sizeof(*u) * more->n);
	to->u = u;
	to->n += more->n;
}

static void
search_row(struct ck *c, struct found *f, struct val *row)
{
	struct uids	 u;
	struct val	*v;
	const char	*set;

	if ((set = val_text(row, "uids")) != NULL) {
		ask_set(c, f->l->a, set, &u);
		search_join(c, &f->sure, &u);
	} else if ((set = val_text(row, "maybe")) != NULL) {
		ask_set(c, f->l->a, set, &u);
		search_join(c, &f->maybe, &u);
	} else if ((v = val_typed(row, "order", VAL_ARRAY)) != NULL) {
		u.u = check_alloc(c, sizeof(*u.u) *
		    ((size_t)v->count + 1));
		u.n = 0;
		for (v = v->first; v != NULL; v = v->next)
			u.u[u.n++] = (uint32_t)v->n;
		search_join(c, &f->order, &u);
	} else if (val_get(row, "thread") == NULL)
		check_fail_at(c, f->l->a, "a row has neither uids, maybe, "
		    "order nor thread");
}

static struct found *
search(struct ck *c, const struct box *b, const char *json)
{
	struct found	*f = check_alloc(c, sizeof(*f));
	struct val	*superset;
	int		 i;

	f->l = ask_lines(c, search_ask(c, b, json));
	for (i = 0; i < f->l->n; i++)
		search_row(c, f, f->l->row[i]);
	superset = val_typed(f->l->header, "superset", VAL_BOOL);
	if (superset == NULL || superset->n != (f->maybe.n > 0))
		check_fail(c, "superset is not whether there is a maybe");
	return f;
}

/* Is a key announced?  "header" with a field may be "header:subject". */
static int
search_has(struct ck *c, const char *cap, const char *key)
{
	struct val *v;

	v = val_typed(val_get(val_get(c->run->doc, "capabilities"), cap),
	    "keys", VAL_ARRAY);
	for (v = v != NULL ? v->first : NULL; v != NULL; v = v->next)
		if (v->type == VAL_TEXT && strcmp(v->s, key) == 0)
			return 1;
	return 0;
}

/*
 * A query whose messages are those of a word: '1' for each that matches.
 * What is only possible must have all of them; what is sure, no other.
 */
static void
search_must(struct ck *c, const struct box *b, const struct uids *u,
    const char *query, const char *which)
{
	struct found	*f = search(c, b, check_text(c, "{\"query\":%s}",
	    query));
	uint32_t	 i;
	int		 sure, maybe;

	for (i = 0; i < u->n; i++) {
		sure = ask_in(&f->sure, u->u[i]);
		maybe = ask_in(&f->maybe, u->u[i]);
		if (sure && maybe)
			check_fail(c, "uid %u is in uids and in maybe",
			    u->u[i]);
		if (which[i] == '1' && !sure && !maybe)
			check_fail(c, "uid %u is not found", u->u[i]);
		if (which[i] != '1' && sure)
			check_fail(c, "uid %u is found", u->u[i]);
	}
	for (i = 0; i < f->sure.n; i++)
		if (!ask_in(u, f->sure.u[i]))
			check_fail(c, "uid %u is found, which is not there",
			    f->sure.u[i]);
}

/* What is asked of the first and the fourth alone. */
static const char *
search_among(struct ck *c, const struct uids *u, const char *more)
{
	return check_text(c, "{\"uids\":\"%u,%u\"%s}", u->u[0], u->u[3],
	    more);
}

void
search_uids(struct ck *c)
{
	struct uids	 u;
	struct box	*b = search_box(c, &u);
	struct found	*f = search(c, b, search_among(c, &u, ""));
	uint64_t	 n;
	uint32_t	 i;
	int		 here;

	for (i = 0; i < u.n; i++) {
		here = ask_in(&f->sure, u.u[i]) || ask_in(&f->maybe, u.u[i]);
		if (here != (i == 0 || i == 3))
			check_fail(c, "uid %u is %sfound", u.u[i], here ? "" :
			    "not ");
	}
	if (!val_number(f->l->header, "total", UINT32_MAX, &n) || n != 2)
		check_fail(c, "total is not 2");
}

static const struct query {
	const char	*key;
	const char	*query;
	const char	*which;
} by_flags[] = {
	{ "all", "{\"all\":true}", "111111" },
	{ "flag", "{\"flag\":\"\\\\Seen\"}", "100100" },
	{ "flag", "{\"flag\":\"\\\\sEEN\"}", "100100" },
	{ "flag", "{\"flag\":\"$check\"}", "010010" },
	{ "flag", "{\"flag\":\"$never\"}", "000000" },
	{ "not", "{\"not\":{\"flag\":\"\\\\Seen\"}}", "011011" },
	{ "and", "{\"and\":[{\"flag\":\"\\\\Seen\"},"
	    "{\"flag\":\"\\\\Deleted\"}]}", "000100" },
	{ "or", "{\"or\":[{\"flag\":\"\\\\Flagged\"},"
	    "{\"flag\":\"\\\\Deleted\"}]}", "010100" },
	{ NULL, NULL, NULL }
}, by_dates[] = {
	{ "since", "{\"since\":\"2001-02-04\"}", "011110" },
	{ "before", "{\"before\":\"2001-02-04\"}", "100001" },
	{ "on", "{\"on\":\"2001-02-05\"}", "010000" },
	{ "on", "{\"on\":\"2001-02-03\"}", "100000" },
	{ "sentsince", "{\"sentsince\":\"2001-02-05\"}", "010110" },
	{ "sentbefore", "{\"sentbefore\":\"2001-02-04\"}", "001000" },
	{ "senton", "{\"senton\":\"2001-02-04\"}", "100000" },
	{ NULL, NULL, NULL }
}, by_text[] = {
	{ "header", "{\"header\":[\"Subject\",\"lamps\"]}", "110100" },
	{ "header", "{\"header\":[\"X-Check\",\"\"]}", "001000" },
	{ "header", "{\"header\":[\"From\",\"zoe@\"]}", "100100" },
	{ "header", "{\"header\":[\"Subject\",\"gr\\u00fc\"]}", "001000" },
	{ "body", "{\"body\":\"apples\"}", "001100" },
	{ "body", "{\"body\":\"lamps\"}", "000000" },
	{ "text", "{\"text\":\"LAMPS\"}", "110100" },
	{ "text", "{\"text\":\"oranges\"}", "001000" },
	{ "text", "{\"text\":\"nowhere at all\"}", "000000" },
	{ NULL, NULL, NULL }
};

static void
search_all(struct ck *c, const struct query *q)
{
	struct box	*b = NULL;
	struct uids	 u;
	int		 n = 0;

	for (; q->key != NULL; q++) {
		if (!search_has(c, "search", q->key))
			continue;
		if (b == NULL)
			b = search_box(c, &u);
		search_must(c, b, &u, q->query, q->which);
		n++;
	}
	if (n == 0)
		check_skip(c, "none of these keys is announced");
}

void
search_flags(struct ck *c)
{
	struct box	*b;
	struct uids	 u;

	search_all(c, by_flags);
	if (!search_has(c, "search", "uids"))
		return;
	b = search_box(c, &u);
	search_must(c, b, &u, check_text(c, "{\"uids\":\"%u:4294967295\"}",
	    u.u[3]), "000111");
}

void
search_dates(struct ck *c)
{
	search_all(c, by_dates);
}

void
search_text(struct ck *c)
{
	search_all(c, by_text);
}

void
search_sizes(struct ck *c)
{
	struct box	*b;
	struct list	*l;
	struct uids	 u;
	uint64_t	 size;

	if (!search_has(c, "search", "larger") ||
	    !search_has(c, "search", "smaller"))
		check_skip(c, "larger and smaller are not announced");
	b = search_box(c, &u);
	l = ask_list(c, b, "?fields=uid,size");
	if (!val_number(ask_message(c, l, u.u[5]), "size", MODSEQ_MAX,
	    &size))
		check_fail(c, "uid %u has no size", u.u[5]);
	search_must(c, b, &u, check_text(c, "{\"smaller\":%llu}",
	    (unsigned long long)size), "000000");
	search_must(c, b, &u, check_text(c, "{\"smaller\":%llu}",
	    (unsigned long long)size + 1), "000001");
	search_must(c, b, &u, check_text(c, "{\"larger\":%llu}",
	    (unsigned long long)size), "111110");
}

void
search_changes(struct ck *c)
{
	struct box	*b;
	struct uids	 u;

	if (!search_has(c, "search", "flag"))
		check_skip(c, "flag is not announced");
	b = search_box(c, &u);
	ask_patch(c, b, "{\"uids\":\"%u\",\"add\":[\"$New\"]}", u.u[4]);
	search_must(c, b, &u, "{\"flag\":\"$New\"}", "000010");
	ask_expunge(c, b, check_text(c, "%u", u.u[4]), NULL);
	search_must(c, b, &u, "{\"flag\":\"$New\"}", "000000");
	if (search_has(c, "search", "text"))
		search_must(c, b, &u, "{\"text\":\"boats\"}", "000000");
}

void
search_header(struct ck *c)
{
	struct found	*f;
	struct box	*b;
	struct uids	 u;
	struct change	*ch;
	uint64_t	 n;

	if (!search_has(c, "search", "flag"))
		check_skip(c, "flag is not announced");
	b = search_box(c, &u);
	ch = ask_patch(c, b, "{\"uids\":\"%u\",\"add\":[\"$New\"]}", u.u[0]);
	ask_patch(c, b, "{\"uids\":\"%u\",\"add\":[\"$Other\"]}", u.u[1]);
	f = search(c, b, "{\"query\":{\"flag\":\"$New\"}}");
	if (!val_number(f->l->header, "uidvalidity", UINT32_MAX, &n) ||
	    n != b->uidvalidity)
		check_fail(c, "uidvalidity is not the mailbox's");
	if (!val_number(f->l->header, "total", UINT32_MAX, &n) || n != 1)
		check_fail(c, "total is not 1");
	if (!check_has(c, CAP_MODSEQ))
		return;
	if (!val_number(f->l->header, "modseq", MODSEQ_MAX, &n) ||
	    n <= ch->modseq)
		check_fail(c, "modseq is not the mailbox's");
	if (!val_number(f->l->header, "highest", MODSEQ_MAX, &n) ||
	    n != ch->modseq)
		check_fail(c, "highest is not %llu, that of the message",
		    (unsigned long long)ch->modseq);
}

/*
 * These places of the messages and no more, in this order; but a limit does
 * not count where something only may match.
 */
static void
search_first(struct ck *c, const struct box *b, const struct uids *u,
    const char *json, uint32_t total, const char *places)
{
	struct found		*f = search(c, b, json);
	const struct uids	*got = f->order.n > 0 ? &f->order : &f->sure;
	uint32_t		 i, want = (uint32_t)strlen(places);
	uint64_t		 n;

	if (!val_number(f->l->header, "total", UINT32_MAX, &n) || n != total)
		check_fail(c, "total is not %u, which it is limit or not",
		    total);
	if (f->maybe.n > 0) {
		if (got->n + (f->order.n > 0 ? 0 : f->maybe.n) != total)
			check_fail(c, "a limit was applied with superset");
		return;
	}
	if (got->n != want)
		check_fail(c, "%u messages are found, not %u", got->n, want);
	for (i = 0; i < want; i++)
		if (got->u[i] != u->u[places[i] - '1'])
			check_fail(c, "uid %u is at place %u, not uid %u",
			    got->u[i], i + 1, u->u[places[i] - '1']);
	if (check_has(c, CAP_MODSEQ) && total == N &&
	    !val_equal(val_get(f->l->header, "highest"),
	    val_get(f->l->header, "modseq")))
		check_fail(c, "highest is not that of all, limit or not");
}

void
search_limit(struct ck *c)
{
	struct box	*b;
	struct uids	 u;

	b = search_box(c, &u);
	search_first(c, b, &u, "{\"limit\":2}", N, "12");
	search_first(c, b, &u, "{\"limit\":1000}", N, "123456");
	search_first(c, b, &u, check_text(c, "{\"uids\":\"%u:4294967295\","
	    "\"limit\":1}", u.u[3]), 3, "4");
	if (search_has(c, "search", "flag"))
		search_first(c, b, &u, "{\"query\":{\"flag\":\"$Check\"},"
		    "\"limit\":1}", 2, "2");
	if (check_has(c, CAP_SORT) && search_has(c, "sort", "arrival"))
		search_first(c, b, &u, "{\"sort\":[{\"by\":\"arrival\","
		    "\"reverse\":true}],\"limit\":2}", N, "45");
	if (check_has(c, CAP_THREAD))
		ask_refused(c, search_ask(c, b, "{\"thread\":\"references\","
		    "\"limit\":1}"), "bad-request unsupported-search");
}

void
search_refused(struct ck *c)
{
	static const char *const bad[] = { "{\"query\":{}}",
	    "{\"query\":{\"uids\":\"2,1\"}}", "{\"query\":{\"and\":[]}}",
	    "{\"query\":[]}", "{\"query\":{\"since\":\"yesterday\"}}",
	    "{\"uids\":\"1,2\"}", "{\"limit\":0}" };
	struct box	*b = ask_box(c, "refused");
	struct answer	*a;
	size_t		 i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ask_refused(c, search_ask(c, b, bad[i]),
		    "bad-request unknown-parameter");
	ask_refused(c, search_ask(c, b, "{\"query\":{\"colour\":\"red\"}}"),
	    "unknown-parameter");
	ask_refused(c, search_ask(c, b, "{\"colour\":\"red\"}"),
	    "unknown-parameter");
	a = ask_do(c, "POST", check_text(c,
	    "/accounts/%s/mailboxes/no-such-1/search", c->run->acct), "{}");
	ask_refused(c, a, "no-such-mailbox");
}

/* sort */

static void
search_order(struct ck *c, const struct box *b, const struct uids *u,
    const char *by, const char *reverse, const char *places)
{
	struct found	*f;
	uint32_t	 i;

	f = search(c, b, check_text(c, "{\"sort\":[{\"by\":\"%s\"%s}]}", by,
	    reverse));
	if (f->order.n != u->n)
		check_fail(c, "the order has %u messages, not %u",
		    f->order.n, u->n);
	for (i = 0; i < u->n; i++)
		if (f->order.u[i] != u->u[places[i] - '1'])
			check_fail(c, "uid %u is at place %u, not uid %u",
			    f->order.u[i], i + 1, u->u[places[i] - '1']);
}

static void
search_order_among(struct ck *c, const struct box *b, const struct uids *u,
    const char *by)
{
	struct found *f;

	f = search(c, b, search_among(c, u, check_text(c,
	    ",\"sort\":[{\"by\":\"%s\"}]", by)));
	if (f->order.n != 2 || !ask_in(&f->order, u->u[0]) ||
	    !ask_in(&f->order, u->u[3]))
		check_fail(c, "not those of uids alone are in the order");
}

void
search_sort(struct ck *c)
{
	static const struct {
		const char	*by, *up, *down;
	} orders[] = {
		/* the sixth has no Date field: its arrival counts */
		{ "arrival", "613254", "452316" },
		{ "date", "631245", "542136" },
		{ "from", "235614", "146532" },
		{ "displayfrom", "235614", "146532" },
		{ "subject", "653124", "124356" },
	};
	struct box	*b = search_box(c, &(struct uids){ NULL, 0 });
	struct list	*l = ask_list(c, b, "?fields=uid");
	struct uids	 u = { check_alloc(c, sizeof(uint32_t) * N), N };
	size_t		 i;
	int		 n = 0;

	for (i = 0; i < N; i++)
		u.u[i] = l->m[i].uid;
	for (i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
		if (!search_has(c, "sort", orders[i].by))
			continue;
		search_order(c, b, &u, orders[i].by, "", orders[i].up);
		search_order(c, b, &u, orders[i].by, ",\"reverse\":true",
		    orders[i].down);
		search_order_among(c, b, &u, orders[i].by);
		n++;
	}
	if (n == 0)
		check_skip(c, "no key is announced");
}

void
search_sort_refused(struct ck *c)
{
	static const char *const bad[] = { "[]", "[{}]", "\"date\"",
	    "[\"date\"]" };
	struct box	*b = ask_box(c, "refused");
	size_t		 i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ask_refused(c, search_ask(c, b, check_text(c,
		    "{\"sort\":%s}", bad[i])),
		    "bad-request unknown-parameter");
	ask_refused(c, search_ask(c, b,
	    "{\"sort\":[{\"by\":\"date\",\"colour\":1}]}"),
	    "unknown-parameter");
}

/* thread */

/* Counts the uids of a thread, and notes which of them come before which. */
static int
search_tree(struct ck *c, struct val *v, struct uids *seen, int depth)
{
	uint32_t uid;

	if (depth > 100)
		check_fail(c, "a thread is deeper than 100");
	for (v = v->first; v != NULL; v = v->next) {
		if (v->type == VAL_ARRAY) {
			search_tree(c, v, seen, depth + 1);
			continue;
		}
		uid = (uint32_t)v->n;
		if (v->type != VAL_NUMBER || !v->whole ||
		    ask_in(seen, uid) || seen->n == N)
			check_fail(c, "a thread has what is no uid, or one "
			    "twice");
		seen->u[seen->n++] = uid;
	}
	return 0;
}

static void
search_threads(struct ck *c, struct box *b, const struct uids *u,
    const char *algorithm)
{
	struct found	*f;
	struct val	*t;
	struct uids	 seen = { check_alloc(c, sizeof(uint32_t) * N), 0 };
	uint32_t	 begin;
	int		 i, lamps = 0;

	f = search(c, b, check_text(c, "{\"thread\":\"%s\"}", algorithm));
	for (i = 0; i < f->l->n; i++) {
		t = val_typed(f->l->row[i], "thread", VAL_ARRAY);
		if (t == NULL)
			check_fail(c, "a row has no thread");
		begin = seen.n;
		search_tree(c, t, &seen, 0);
		/* the first of them begins its thread, with both answers */
		if (seen.u[begin] != u->u[0])
			continue;
		lamps = seen.n - begin == 3 &&
		    ask_in(&seen, u->u[1]) && ask_in(&seen, u->u[3]);
	}
	if (seen.n != N)
		check_fail(c, "%u of %d messages are in threads", seen.n, N);
	if (!lamps)
		check_fail(c, "the answers to uid %u are not in its thread, "
		    "alone", u->u[0]);
}

static void
search_threads_among(struct ck *c, struct box *b, const struct uids *u,
    const char *algorithm)
{
	struct found	*f;
	struct val	*t;
	struct uids	 seen = { check_alloc(c, sizeof(uint32_t) * N), 0 };
	int		 i;

	f = search(c, b, search_among(c, u, check_text(c,
	    ",\"thread\":\"%s\"", algorithm)));
	for (i = 0; i < f->l->n; i++)
		if ((t = val_typed(f->l->row[i], "thread", VAL_ARRAY)) !=
		    NULL)
			search_tree(c, t, &seen, 0);
	if (seen.n != 2 || !ask_in(&seen, u->u[0]) ||
	    !ask_in(&seen, u->u[3]))
		check_fail(c, "not those of uids alone are in threads");
}

void
search_thread(struct ck *c)
{
	struct val	*v;
	struct box	*b;
	struct uids	 u;

	v = val_typed(val_get(val_get(c->run->doc, "capabilities"),
	    "thread"), "algorithms", VAL_ARRAY);
	if (v == NULL || v->count == 0)
		check_fail_at(c, NULL, "no algorithms are announced");
	b = search_box(c, &u);
	for (v = v->first; v != NULL; v = v->next)
		if (v->type == VAL_TEXT && (strcmp(v->s, "references") == 0 ||
		    strcmp(v->s, "orderedsubject") == 0)) {
			search_threads(c, b, &u, v->s);
			search_threads_among(c, b, &u, v->s);
		}
	ask_refused(c, search_ask(c, b, "{\"thread\":\"colour\"}"),
	    "bad-request unsupported-search unknown-parameter");
}
