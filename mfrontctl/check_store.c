/*
 * Checks of uploads.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "check_ask.h"
#include "check_form.h"
#include "check_funcs.h"
#include "rfcdate.h"

#define PAUSE_MS	150	/* in which what must not appear could */

static struct answer *
store_get(struct ck *c, const char *id)
{
	struct answer *a;

	a = ask_get(c, "/accounts/%s/messages/%s", c->run->acct, id);
	ask_status(c, a, 200);
	return a;
}

static void
store_same(struct ck *c, const char *id, const char *data, size_t len)
{
	struct answer *a = store_get(c, id);

	if (a->len != len)
		check_fail(c, "%zu bytes were stored, %zu are there", len,
		    a->len);
	if (memcmp(a->body, data, len) != 0)
		check_fail(c, "other bytes are there than were stored");
}

/* The upload's first line, for one mailbox. */
static char *
store_line(struct ck *c, const struct box *b, const char *members)
{
	return check_text(c, "{\"to\":[{\"account\":%s,\"mailbox\":\"%s\"%s}]"
	    ",\"delivery\":false}", c->run->acct_json, b->id, members);
}

static uint64_t
store_count(struct ck *c, struct box *b)
{
	uint64_t n;

	if (!val_number(ask_box_row(c, b), "messages", UINT32_MAX, &n))
		check_fail(c, "the row has no number of messages");
	return n;
}

static void
store_none(struct ck *c, struct box *b, const char *what)
{
	uint64_t n = store_count(c, b);

	if (n != 0)
		check_fail(c, "%s stored a message", what);
	if (ask_list(c, b, "?fields=uid")->n != 0)
		check_fail(c, "%s left a message in the listing", what);
}

void
store_one(struct ck *c)
{
	struct box	*b = ask_box(c, "upload");
	char		*s = ask_new_message(c, 500);
	struct stored	*st = ask_store(c, b, "", s, strlen(s));
	struct val	*row;
	uint64_t	 n;

	if (st->uid < b->uidnext)
		check_fail_at(c, st->a, "the uid %u is below the uidnext "
		    "before, %u", st->uid, b->uidnext);
	if (st->uidvalidity != b->uidvalidity)
		check_fail_at(c, st->a, "uidvalidity is not the mailbox's");
	if (strcmp(st->change.mailbox, b->id) != 0)
		check_fail_at(c, st->a, "the change is of another mailbox");
	store_same(c, st->id, s, strlen(s));
	row = ask_message(c, ask_list(c, b, "%s", ""), st->uid);
	if (val_text(row, "id") == NULL ||
	    strcmp(val_text(row, "id"), st->id) != 0)
		check_fail(c, "the listing has another id");
	if (!val_number(row, "size", MODSEQ_MAX, &n) || n != strlen(s))
		check_fail(c, "the listing has not the size %zu", strlen(s));
	if (!val_number(ask_box_row(c, b), "uidnext", UINT32_MAX, &n) ||
	    n <= st->uid)
		check_fail(c, "uidnext did not get larger than the uid");
}

void
store_flags(struct ck *c)
{
	static const char date[] = "2001-02-03T04:05:06+05:30";
	struct box	*b = ask_box(c, "upload-flags");
	char		*s = ask_new_message(c, 0);
	struct stored	*st;
	struct val	*row;

	st = ask_store(c, b, check_text(c, "\"flags\":[\"\\\\Seen\","
	    "\"$Check\"],\"date\":\"%s\"", date), s, strlen(s));
	row = ask_message(c, ask_list(c, b, "%s", ""), st->uid);
	if (!ask_flags_are(row, "\\Seen $Check"))
		check_fail(c, "its flags are others");
	if (val_text(row, "date") == NULL ||
	    !form_same_date(val_text(row, "date"), date))
		check_fail(c, "its date is not %s", date);
}

void
store_plain(struct ck *c)
{
	struct box	*b = ask_box(c, "upload-plain");
	char		*s = ask_new_message(c, 0);
	struct stored	*st = ask_store(c, b, "", s, strlen(s));
	struct val	*row;
	struct rfcdate	 d;
	const char	*date;

	row = ask_message(c, ask_list(c, b, "%s", ""), st->uid);
	if (!ask_flags_are(row, ""))
		check_fail(c, "it has flags");
	date = val_text(row, "date");
	if (date == NULL || rfcdate_parse_3339(&d, date, strlen(date)) == -1)
		check_fail(c, "it has no date");
	if (llabs((long long)d.t - (long long)time(NULL)) > 86400)
		check_fail(c, "its date is not today");
}

void
store_chunked(struct ck *c)
{
	struct box	*b = ask_box(c, "chunked");
	struct request	 r = { .method = "POST", .path = "/messages",
	    .type = "application/octet-stream", .chunked = 1 };
	struct stored	 st;
	struct lines	*l;
	char		*s = ask_new_message(c, 30000);

	r.body = ask_upload_body(c, store_line(c, b, ""), s, strlen(s),
	    &r.len);
	l = ask_lines(c, ask(c, &r));
	if (l->n != 1)
		check_fail(c, "the answer has %d rows, not one", l->n);
	ask_stored_row(c, l->a, l->row[0], &st);
	store_same(c, st.id, s, strlen(s));
}

/* The frontend waits a second for 100, and then sends. */
void
store_large(struct ck *c)
{
	struct box	*b = ask_box(c, "large");
	struct request	 r = { .method = "POST", .path = "/messages",
	    .type = "application/octet-stream", .expect = 1 };
	struct net	*n = ask_open(c);
	struct stored	 st;
	struct lines	*l;
	char		*s = ask_new_message(c, 400000), *head;

	r.body = ask_upload_body(c, store_line(c, b, ""), s, strlen(s),
	    &r.len);
	head = ask_head(c, &r, r.len);
	ask_write(c, n, head, strlen(head));
	if (net_read(n, net_now() + 1000) == -1 && errno != ETIMEDOUT)
		check_fail(c, "the connection ended instead of 100");
	ask_write(c, n, r.body, r.len);
	l = ask_lines(c, ask_answer(c, n, "POST"));
	if (l->n != 1)
		check_fail(c, "the answer has %d rows, not one", l->n);
	ask_stored_row(c, l->a, l->row[0], &st);
	store_same(c, st.id, s, strlen(s));
}

void
store_bytes(struct ck *c)
{
	static const char head[] = "Subject: bytes\r\n\r\n";
	struct box	*b = ask_box(c, "bytes");
	char		*s = check_alloc(c, 2000);
	struct stored	*st;
	size_t		 len = sizeof(head) - 1;
	int		 i;

	memcpy(s, head, len);
	for (i = 1; i < 256; i++)
		if (i != '\r' && i != '\n')
			s[len++] = (char)i;
	memcpy(s + len, "\r\n.\r\n..\r\nno end of line", 24);
	len += 24;
	st = ask_store(c, b, "", s, len);
	store_same(c, st->id, s, len);
	st = ask_store(c, b, "", "x", 1);
	store_same(c, st->id, "x", 1);
}

static char *
store_to(struct ck *c, const char *mailbox, const char *flag)
{
	return check_text(c, "{\"account\":%s,\"mailbox\":\"%s\","
	    "\"flags\":[\"%s\"]}", c->run->acct_json, mailbox, flag);
}

static void
store_index(struct ck *c, struct lines *l, int n)
{
	uint64_t	index;
	int		i;

	if (l->n != n)
		check_fail(c, "the answer has %d rows, not %d", l->n, n);
	for (i = 0; i < n; i++)
		if (!val_number(l->row[i], "index", 100, &index) ||
		    index != (uint64_t)i)
			check_fail(c, "row %d has not the index %d", i, i);
}

void
store_several(struct ck *c)
{
	struct box	*b[2] = { ask_box(c, "one"), ask_box(c, "two") };
	struct stored	 st;
	struct lines	*l;
	struct answer	*a;
	char		*s = ask_new_message(c, 200);
	int		 i;

	a = ask_upload(c, check_text(c, "{\"to\":[%s,%s,%s],"
	    "\"delivery\":false}", store_to(c, b[0]->id, "$a0"),
	    store_to(c, b[1]->id, "$a1"), store_to(c, b[0]->id, "$a2")), s,
	    strlen(s), NULL);
	l = ask_lines(c, a);
	store_index(c, l, 3);
	for (i = 0; i < 3; i++) {
		ask_stored_row(c, a, l->row[i], &st);
		if (strcmp(st.change.mailbox, b[i % 2]->id) != 0)
			check_fail(c, "row %d is of another mailbox", i);
		if (!ask_has_flag(ask_message(c, ask_list(c, b[i % 2],
		    "%s", ""), st.uid), check_text(c, "$a%d", i)))
			check_fail(c, "the message of row %d has flags of "
			    "another", i);
		c->last = a;
		store_same(c, st.id, s, strlen(s));
		c->last = a;
	}
}

void
store_alone(struct ck *c)
{
	struct box	*b = ask_box(c, "alone");
	struct lines	*l;
	struct stored	 st;
	const char	*code;
	char		*s = ask_new_message(c, 0);

	l = ask_lines(c, ask_upload(c, check_text(c, "{\"to\":[%s,%s,%s],"
	    "\"delivery\":false}", store_to(c, "no-such-1", "a"),
	    store_to(c, b->id, "a"), store_to(c, "no-such-2", "a")), s,
	    strlen(s), NULL));
	store_index(c, l, 3);
	code = val_text(l->row[0], "code");
	if (code == NULL || strcmp(code, "no-such-target") != 0)
		check_fail(c, "a mailbox that is not there is %s, not "
		    "no-such-target", code != NULL ? code : "no code");
	ask_stored_row(c, l->a, l->row[1], &st);
	if (val_text(l->row[2], "code") == NULL)
		check_fail(c, "row 2 has no code");
	if (store_count(c, b) != 1)
		check_fail(c, "the one that could be stored is not there");
	/* nothing but codes is an answer, too */
	l = ask_lines(c, ask_upload(c, check_text(c, "{\"to\":[%s],"
	    "\"delivery\":false}", store_to(c, "no-such-1", "a")), s,
	    strlen(s), NULL));
	store_index(c, l, 1);
	if (val_text(l->row[0], "code") == NULL)
		check_fail(c, "the row has no code");
}

void
store_refused(struct ck *c)
{
	struct box	*b = ask_box(c, "refused");
	const char	*acct = c->run->acct_json;
	const char	*lines[5];
	struct answer	*a;
	size_t		 i;

	lines[0] = "this is no JSON";
	lines[1] = "{\"to\":[],\"delivery\":false}";
	lines[2] = check_text(c, "{\"to\":[{\"account\":%s}],"
	    "\"delivery\":false}", acct);
	lines[3] = store_line(c, b, ",\"flags\":[\"\\\\Recent\"]");
	lines[4] = store_line(c, b, ",\"date\":\"yesterday\"");
	for (i = 0; i < 5; i++) {
		a = ask_upload(c, lines[i], "x\r\n", 3, NULL);
		ask_refused(c, a, "bad-request");
		store_none(c, b, "a refused upload");
	}
	a = ask_upload(c, store_line(c, b, ",\"colour\":\"red\""), "x\r\n",
	    3, NULL);
	ask_refused(c, a, "unknown-parameter");
	a = ask_upload(c, check_text(c, "{\"to\":[{\"account\":%s,"
	    "\"mailbox\":\"%s\"}],\"delivery\":false,\"colour\":1}", acct,
	    b->id), "x\r\n", 3, NULL);
	ask_refused(c, a, "unknown-parameter");
	store_none(c, b, "a refused upload");
}

void
store_dates(struct ck *c)
{
	static const char *const bad[] = { "2001-02-03T04:05:06+25:99",
	    "2001-02-03T04:05:06-05:60", "2001-13-03T04:05:06Z",
	    "2001-01-45T04:05:06Z", "2001-02-30T04:05:06Z",
	    "2001-02-29T04:05:06+00:00", "2001-00-03T04:05:06Z",
	    "2001-01-00T04:05:06Z", "2001-02-03T25:05:06Z",
	    "2001-02-03T04:60:06Z", "2001-02-03T04:05:06" };
	struct box	*b = ask_box(c, "dates");
	size_t		 i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ask_refused(c, ask_upload(c, store_line(c, b, check_text(c,
		    ",\"date\":\"%s\"", bad[i])), "x\r\n", 3, NULL),
		    "bad-request");
	store_none(c, b, "a date that cannot be");
	ask_store(c, b, "\"date\":\"2000-02-29T23:59:59-23:59\"", "x\r\n",
	    3);
}

/* It may be filed elsewhere; so nothing is said of where it is. */
void
store_delivery(struct ck *c)
{
	struct box	*b = ask_box(c, "delivery");
	struct lines	*l;
	struct stored	 st;
	struct answer	*a;
	char		*s = ask_new_message(c, 0);
	static const char *const from[] = { "", "bob@example.net" };
	size_t		 i;

	for (i = 0; i < 2; i++) {
		/* "delivery" is false: then it goes there and nowhere else */
		a = ask_upload(c, check_text(c, "{\"from\":\"%s\",\"to\":[{"
		    "\"account\":%s,\"mailbox\":\"%s\",\"address\":"
		    "\"check@example.org\"}],\"delivery\":false}", from[i],
		    c->run->acct_json, b->id), s, strlen(s), NULL);
		l = ask_lines(c, a);
		store_index(c, l, 1);
		ask_stored_row(c, a, l->row[0], &st);
		if (strcmp(st.change.mailbox, b->id) != 0)
			check_fail(c, "it was filed elsewhere");
	}
	if (store_count(c, b) != 2)
		check_fail(c, "there are not two messages");
	/* missing is false */
	a = ask_upload(c, check_text(c, "{\"to\":[{\"account\":%s,"
	    "\"mailbox\":\"%s\"}]}", c->run->acct_json, b->id), s, strlen(s),
	    NULL);
	ask_ok(c, a);
}

/* what is cut off */

static void
store_send_cut(struct ck *c, const char *bytes, size_t len)
{
	struct net	*n = ask_open(c);
	struct answer	*a = check_alloc(c, sizeof(*a));

	a->request = bytes;
	a->requestlen = len < 3000 ? len : 3000;
	c->last = a;
	ask_write(c, n, bytes, len);
	/* let it arrive: what is dropped with the connection proves less */
	(void)net_read(n, net_now() + 20);
	net_cut(n);
}

static char *
store_join(struct ck *c, const char *a, const char *b, size_t len)
{
	char *s = check_alloc(c, strlen(a) + len + 1);

	memcpy(s, a, strlen(a));
	memcpy(s + strlen(a), b, len);
	return s;
}

/* So many bytes of an upload's body are missing when it ends. */
static struct answer *
store_cut_at(struct ck *c, struct box *b, size_t size, size_t missing)
{
	struct request	 r = { .method = "POST", .path = "/messages",
	    .type = "application/octet-stream" };
	char		*s = ask_new_message(c, size), *head;

	r.body = ask_upload_body(c, store_line(c, b, ""), s, strlen(s),
	    &r.len);
	if (missing > r.len)
		missing = r.len - 5;
	head = ask_head(c, &r, r.len);
	store_send_cut(c, store_join(c, head, r.body, r.len - missing),
	    strlen(head) + r.len - missing);
	return c->last;
}

/* All its chunks but the last, empty one. */
static struct answer *
store_cut_chunks(struct ck *c, struct box *b)
{
	struct request	 r = { .method = "POST", .path = "/messages",
	    .type = "application/octet-stream", .chunked = 1, .body = "" };
	char		*line = store_line(c, b, ""), *all;

	all = check_text(c, "%s%zx\r\n%s\n\r\n9\r\nFrom: a\r\n\r\n",
	    ask_head(c, &r, 0), strlen(line) + 1, line);
	store_send_cut(c, all, strlen(all));
	return c->last;
}

void
store_cut(struct ck *c)
{
	struct {
		struct box	*box;
		struct answer	*sent;
	} cut[5];
	int i;

	for (i = 0; i < 5; i++)
		cut[i].box = ask_box(c, "cut");
	cut[0].sent = store_cut_at(c, cut[0].box, 2000, 1);
	cut[1].sent = store_cut_at(c, cut[1].box, 2000, 1500);
	cut[2].sent = store_cut_at(c, cut[2].box, 300000, 150000);
	/* in its first line */
	cut[3].sent = store_cut_at(c, cut[3].box, 0, 1000000);
	cut[4].sent = store_cut_chunks(c, cut[4].box);
	(void)poll(NULL, 0, PAUSE_MS);
	for (i = 0; i < 5; i++) {
		if (store_count(c, cut[i].box) != 0)
			check_fail_at(c, cut[i].sent, "this upload, which "
			    "was cut off here, was stored");
		store_none(c, cut[i].box, "a cut upload");
	}
}

void
store_too_large(struct ck *c)
{
	struct box	*b = ask_box(c, "too-large");
	struct request	 r = { .method = "POST", .path = "/messages",
	    .type = "application/octet-stream", .expect = 1, .body = "" };
	struct net	*n = ask_open(c);
	struct answer	*a;
	uint64_t	 limit;
	char		*head;

	if (!val_number(val_get(c->run->doc, "limits"), "message",
	    MODSEQ_MAX / 2, &limit))
		check_skip(c, "limits.message is not announced");
	head = ask_head(c, &r, (size_t)limit + 2000000);
	a = check_alloc(c, sizeof(*a));
	a->request = head;
	a->requestlen = strlen(head);
	c->last = a;
	ask_write(c, n, head, strlen(head));
	if (net_read(n, net_now() + 3000) == -1 && errno == ETIMEDOUT)
		check_skip(c, "it waits for the body, which is %llu bytes",
		    (unsigned long long)limit);
	if (n->len >= 12 && memcmp(n->buf + 9, "100", 3) == 0)
		check_skip(c, "it wants the body first, of %llu bytes",
		    (unsigned long long)limit);
	a = ask_answer(c, n, "POST");
	ask_refused(c, a, "too-large");
	if (a->keepalive)
		check_fail(c, "the connection is kept, though the body was "
		    "not read");
	store_none(c, b, "what is too large");
}

/* On a connection that was there before, and on one that was not. */
void
store_visible(struct ck *c)
{
	struct box	*b = ask_box(c, "visible");
	struct answer	*a;
	struct stored	*st;
	char		*s, *path;
	int		 i;

	for (i = 0; i < 20; i++) {
		s = ask_new_message(c, 0);
		st = ask_store(c, b, "", s, strlen(s));
		path = ask_box_path(c, b, check_text(c,
		    "/messages?fields=uid&uids=%u", st->uid));
		a = ask_get(c, "%s", path);
		ask_message(c, ask_list_of(c, a), st->uid);
		net_close(c->net);
		c->net = NULL;
		a = ask_get(c, "%s", path);
		ask_message(c, ask_list_of(c, a), st->uid);
		ask_patch(c, b, "{\"uids\":\"%u\",\"add\":[\"\\\\Seen\"]}",
		    st->uid);
		net_close(c->net);
		c->net = NULL;
		if (!ask_has_flag(ask_message(c, ask_list(c, b,
		    "?fields=uid,flags&uids=%u", st->uid), st->uid),
		    "\\Seen"))
			check_fail(c, "the flag of uid %u is not there",
			    st->uid);
	}
	ask_expunge(c, b, "1:4294967295", NULL);
	if (ask_list(c, b, "?fields=uid")->n != 0)
		check_fail(c, "what was expunged is still listed");
}
