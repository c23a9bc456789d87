/*
 * Changes, as checks make them: uploads, flags, expunges, copies; and the
 * stream that tells of them.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check_ask.h"
#include "http.h"

/* changes */

void
ask_change_of(struct ck *c, struct answer *a, struct val *v,
    const char *name, struct change *ch)
{
	struct val *m = val_typed(v, name, VAL_OBJECT);

	check_seen(c, "change-shape");
	ch->a = a;
	if (m == NULL || (ch->mailbox = val_text(m, "mailbox")) == NULL) {
		check_watch(c, "change-shape", a, "there is no %s with a "
		    "mailbox", name);
		ch->mailbox = "";
		return;
	}
	if (!check_has(c, CAP_MODSEQ)) {
		if (val_get(m, "modseq") != NULL)
			check_watch(c, "change-shape", a,
			    "it has a modseq that is not announced");
		return;
	}
	if (!val_number(m, "modseq_before", MODSEQ_MAX, &ch->before) ||
	    !val_number(m, "modseq", MODSEQ_MAX, &ch->modseq) ||
	    ch->before == 0 || ch->modseq < ch->before)
		check_watch(c, "change-shape", a, "modseq_before and modseq "
		    "are not two numbers that do not fall");
}

static void
ask_join(struct ck *c, struct answer *a, struct uids *to, const char *set)
{
	struct uids	 more;
	uint32_t	*u;

	ask_set(c, a, set, &more);
	u = check_alloc(c, sizeof(*u) * (to->n + more.n + 1));
	if (to->n > 0)
		memcpy(u, to->u, sizeof(*u) * to->n);
	memcpy(u + to->n, more.u, sizeof(*u) * more.n);
	to->u = u;
	to->n += more.n;
}

static void
ask_changed_row(struct ck *c, struct change *ch, struct val *row)
{
	struct uids	 u;
	const char	*set;
	struct message	*m;
	uint32_t	 i;

	if ((set = val_text(row, "vanished")) != NULL) {
		ask_join(c, ch->a, &ch->vanished, set);
		return;
	}
	if ((set = val_text(row, "modified")) != NULL) {
		ask_set(c, ch->a, set, &ch->modified);
		return;
	}
	ask_row_uids(c, ch->a, row, &u);
	m = check_alloc(c, sizeof(*m) * (ch->n + u.n));
	if (ch->n > 0)
		memcpy(m, ch->m, sizeof(*m) * ch->n);
	for (i = 0; i < u.n; i++) {
		m[ch->n + i].uid = u.u[i];
		m[ch->n + i].row = row;
	}
	ch->m = m;
	ch->n += u.n;
}

struct change *
ask_changed(struct ck *c, struct answer *a)
{
	struct change	*ch = check_alloc(c, sizeof(*ch));
	int		 i;

	ch->l = ask_lines(c, a);
	ask_change_of(c, a, ch->l->header, "change", ch);
	for (i = 0; i < ch->l->n; i++)
		ask_changed_row(c, ch, ch->l->row[i]);
	return ch;
}

struct change *
ask_patch(struct ck *c, const struct box *b, const char *fmt, ...)
{
	va_list	 ap;
	char	*s, *body;

	va_start(ap, fmt);
	if (vasprintf(&s, fmt, ap) == -1)
		check_fail(c, "memory");
	va_end(ap);
	body = check_text(c, "%s", s);
	free(s);
	return ask_changed(c, ask_do(c, "PATCH", ask_box_path(c, b,
	    "/messages"), body));
}

struct change *
ask_expunge(struct ck *c, const struct box *b, const char *set,
    const char *flag)
{
	char *body;

	body = flag == NULL ?
	    check_text(c, "{\"uids\":\"%s\",\"only_if_flag\":null}", set) :
	    check_text(c, "{\"uids\":\"%s\",\"only_if_flag\":\"%s\"}", set,
	    flag);
	return ask_changed(c, ask_do(c, "POST", ask_box_path(c, b,
	    "/expunge"), body));
}

/* copies */

static void
ask_copied_row(struct ck *c, struct copied *cp, struct val *row)
{
	const char *from = val_text(row, "from"), *to = val_text(row, "to");
	const char *vanished = val_text(row, "vanished");

	if (vanished != NULL) {
		ask_join(c, cp->a, &cp->vanished, vanished);
		return;
	}
	if (from == NULL || to == NULL)
		check_fail_at(c, cp->a, "a row has no from and to");
	ask_join(c, cp->a, &cp->froms, from);
	ask_join(c, cp->a, &cp->tos, to);
	if (cp->froms.n != cp->tos.n)
		check_fail_at(c, cp->a, "\"%.100s\" and \"%.100s\" have not "
		    "as many members", from, to);
}

struct copied *
ask_copy(struct ck *c, const struct box *b, const char *set,
    const struct box *to, int move)
{
	struct copied	*cp = check_alloc(c, sizeof(*cp));
	struct lines	*l;
	uint64_t	 n;
	int		 i;

	cp->a = ask_do(c, "POST", ask_box_path(c, b, "/copy"),
	    check_text(c, "{\"uids\":\"%s\",\"to\":\"%s\",\"move\":%s}", set,
	    to->id, move ? "true" : "false"));
	l = ask_lines(c, cp->a);
	ask_change_of(c, cp->a, l->header, "from_change", &cp->from);
	ask_change_of(c, cp->a, l->header, "to_change", &cp->to);
	if (val_number(l->header, "uidvalidity", UINT32_MAX, &n))
		cp->uidvalidity = (uint32_t)n;
	for (i = 0; i < l->n; i++)
		ask_copied_row(c, cp, l->row[i]);
	return cp;
}

/* uploads */

char *
ask_new_message(struct ck *c, size_t size)
{
	static const char	 line[] = "0123456789 abcdefghijklmnopqrstuvw"
	    "xyz ABCDEFGHIJKLMNOPQRSTUVWXYZ\r\n";
	char			*s, *head;
	size_t			 n, len = sizeof(line) - 1;

	head = check_text(c, "From: Check <check@example.org>\r\n"
	    "Subject: %s\r\n\r\n", ask_key(c));
	n = strlen(head);
	if (size <= n)
		return check_text(c, "%sbody\r\n", head);
	s = check_alloc(c, size + len + 1);
	memcpy(s, head, n);
	for (; n < size; n += len)
		memcpy(s + n, line, len);
	return s;
}

char *
ask_upload_body(struct ck *c, const char *json, const char *data,
    size_t len, size_t *total)
{
	size_t	 n = strlen(json);
	char	*s = check_alloc(c, n + 1 + len + 1);

	memcpy(s, json, n);
	s[n] = '\n';
	memcpy(s + n + 1, data, len);
	*total = n + 1 + len;
	return s;
}

struct answer *
ask_upload(struct ck *c, const char *json, const char *data, size_t len,
    const char *key)
{
	struct request r = { .method = "POST", .path = "/messages",
	    .type = "application/octet-stream", .key = key };

	r.body = ask_upload_body(c, json, data, len, &r.len);
	return ask(c, &r);
}

void
ask_stored_row(struct ck *c, struct answer *a, struct val *row,
    struct stored *st)
{
	uint64_t n;

	st->a = a;
	if (val_text(row, "code") != NULL)
		check_fail_at(c, a, "it was not stored: %s",
		    val_text(row, "code"));
	if (!val_number(row, "uid", UID_MAX, &n) || n == 0)
		check_fail_at(c, a, "the row has no uid");
	st->uid = (uint32_t)n;
	if (!val_number(row, "uidvalidity", UINT32_MAX, &n) || n == 0)
		check_fail_at(c, a, "the row has no uidvalidity");
	st->uidvalidity = (uint32_t)n;
	if ((st->id = val_text(row, "id")) == NULL)
		check_fail_at(c, a, "the row has no id");
	ask_change_of(c, a, row, "change", &st->change);
}

struct stored *
ask_store(struct ck *c, const struct box *b, const char *members,
    const char *data, size_t len)
{
	struct stored	*st = check_alloc(c, sizeof(*st));
	struct answer	*a;
	struct lines	*l;

	a = ask_upload(c, check_text(c, "{\"to\":[{\"account\":%s,"
	    "\"mailbox\":\"%s\"%s%s}],\"delivery\":false}",
	    c->run->acct_json, b->id, *members != '\0' ? "," : "",
	    members), data, len, NULL);
	l = ask_lines(c, a);
	if (l->n != 1)
		check_fail_at(c, a, "the answer has %d rows, not one", l->n);
	ask_stored_row(c, a, l->row[0], st);
	return st;
}

const char *
ask_blob(struct ck *c, const char *data, size_t len)
{
	struct request r = { .method = "POST", .body = data, .len = len,
	    .type = "application/octet-stream" };
	struct answer	*a;
	struct val	*v;
	uint64_t	 n;

	r.path = check_text(c, "/accounts/%s/blobs", c->run->acct);
	a = ask(c, &r);
	ask_status(c, a, 201);
	v = ask_json(c, a);
	if (val_text(v, "id") == NULL ||
	    !val_number(v, "size", MODSEQ_MAX, &n) || n != len)
		check_fail(c, "there is no id, or not the size %zu", len);
	return val_text(v, "id");
}

void
ask_fill(struct ck *c, const struct box *b, int n, struct uids *u)
{
	char	*s;
	int	 i;

	u->u = check_alloc(c, sizeof(*u->u) * (size_t)(n + 1));
	for (i = 0; i < n; i++) {
		s = ask_new_message(c, 0);
		u->u[i] = ask_store(c, b, "", s, strlen(s))->uid;
		if (i > 0 && u->u[i] <= u->u[i - 1])
			check_fail(c, "the uid %u was given after %u",
			    u->u[i], u->u[i - 1]);
	}
	u->n = (uint32_t)n;
}

/* events */

/* A line of the stream that is here already; NULL: none. */
static struct val *
ask_event_line(struct ck *c, struct stream *s)
{
	char		*p = s->a->body + s->at, *nl;
	struct val	*v;
	size_t		 len;

	if (s->a->len == s->at ||
	    (nl = memchr(p, '\n', s->a->len - s->at)) == NULL)
		return NULL;
	len = (size_t)(nl - p);
	v = val_parse(p, len, ask_val_alloc, c);
	if (v == NULL || v->type != VAL_OBJECT)
		check_fail_at(c, s->a, "a line of the stream is no JSON "
		    "object: %.*s", (int)(len < 100 ? len : 100), p);
	s->at += len + 1;
	return v;
}

static void
ask_event_add(struct ck *c, struct stream *s, const void *data, size_t len)
{
	char *p;

	if (s->a->len + len > s->cap) {
		s->cap = (s->a->len + len) * 2;
		p = check_alloc(c, s->cap);
		if (s->a->len > 0)
			memcpy(p, s->a->body, s->a->len);
		s->a->body = p;
	}
	memcpy(s->a->body + s->a->len, data, len);
	s->a->len += len;
}

/* What has come goes out of its chunks; 0, or 1: the stream has ended. */
static int
ask_event_unpack(struct ck *c, struct stream *s)
{
	const void	*data;
	size_t		 used, dlen;
	int		 r;

	while ((r = http_body_next(&s->b, s->net->buf, s->net->len, &used,
	    &data, &dlen)) == 0 && used > 0) {
		if (dlen > 0)
			ask_event_add(c, s, data, dlen);
		net_taken(s->net, used);
	}
	if (r == -1)
		check_fail_at(c, s->a, "the stream's framing is broken");
	return r;
}

struct val *
ask_event(struct ck *c, struct stream *s, int64_t until)
{
	struct val	*v;
	ssize_t		 n;

	for (;;) {
		if ((v = ask_event_line(c, s)) != NULL)
			return v;
		if (ask_event_unpack(c, s) == 1)
			check_fail_at(c, s->a, "the stream has ended");
		if ((v = ask_event_line(c, s)) != NULL)
			return v;
		n = net_read(s->net, until);
		if (n == -1 && errno == ETIMEDOUT)
			return NULL;
		if (n == -1)
			check_fail_at(c, s->a, "the stream: %s",
			    net_error(s->net));
		if (n == 0)
			check_fail_at(c, s->a, "the stream's connection has "
			    "ended");
	}
}

struct stream *
ask_events(struct ck *c, const char *cursor)
{
	struct request	 r = { .method = "GET", .path = "/events" };
	struct stream	*s = check_alloc(c, sizeof(*s));
	struct val	*h;

	if (cursor != NULL)
		r.path = check_text(c, "/events?since=%s",
		    ask_encoded(c, cursor));
	s->net = ask_open(c);
	s->a = ask_begin(c, s->net, &r, &s->b);
	ask_status(c, s->a, 200);
	s->header = ask_event(c, s, net_now() + s->net->peer->wait);
	h = s->header != NULL ? val_typed(s->header, "header", VAL_BOOL) :
	    NULL;
	if (h == NULL || !h->n)
		check_fail_at(c, s->a, "the stream does not begin with a "
		    "header");
	if (val_text(s->header, "cursor") == NULL)
		check_fail_at(c, s->a, "the stream's header has no cursor");
	return s;
}
