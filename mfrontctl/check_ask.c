/*
 * Requests and answers of checks: HTTP, JSON and NDJSON.
 */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check_ask.h"
#include "check_form.h"
#include "json.h"

#define BODY_MAX	(256 * 1024 * 1024)
#define BODY_KEPT	4096		/* of a request, to be shown */
#define LINE_MAX_BYTES	65536
#define JSON_MAX	(256 * 1024)
#define PROBLEM_MAX	65536
#define CHUNK		4000

void *
ask_val_alloc(void *arg, size_t len)
{
	return check_alloc(arg, len);
}

/* connections */

struct net *
ask_open(struct ck *c)
{
	struct net	*n;
	const char	*why;

	if ((n = net_open(&c->run->conf->peer, &why)) == NULL)
		check_fail_at(c, NULL, "connect: %s", why != NULL ? why :
		    strerror(errno));
	n->next = c->nets;
	c->nets = n;
	return n;
}

/* The usual connection, a new one if the peer has ended it. */
static struct net *
ask_usual(struct ck *c)
{
	const char *why;

	if (c->net != NULL && net_ended(c->net)) {
		net_close(c->net);
		c->net = NULL;
	}
	if (c->net == NULL &&
	    (c->net = net_open(&c->run->conf->peer, &why)) == NULL)
		check_fail_at(c, NULL, "connect: %s", why != NULL ? why :
		    strerror(errno));
	return c->net;
}

static void
ask_unusual(struct ck *c)
{
	net_close(c->net);
	c->net = NULL;
}

void
ask_write(struct ck *c, struct net *n, const void *data, size_t len)
{
	/* who answers early may have closed: the answer tells */
	if (net_write(n, data, len) == -1 && errno != EPIPE &&
	    errno != ECONNRESET)
		check_fail(c, "the request could not be sent: %s",
		    net_error(n));
}

/* requests */

char *
ask_key(struct ck *c)
{
	return check_text(c, "%08x%08x%08x%08x", arc4random(),
	    arc4random(), arc4random(), arc4random());
}

static int
ask_ends(const char *path, const char *word)
{
	size_t n = strlen(path), len = strlen(word);

	return n >= len && strcmp(path + n - len, word) == 0;
}

/* Does it change something, and so have a key? */
static int
ask_changes(const struct request *r)
{
	return strcmp(r->method, "GET") != 0 && !r->nokey &&
	    strcmp(r->path, "/auth") != 0 &&
	    strcmp(r->path, "/recipients") != 0 &&
	    strcmp(r->path, "/scram") != 0 && !ask_ends(r->path, "/search");
}

/* A request's head for a body of so many bytes. */
char *
ask_head(struct ck *c, const struct request *r, size_t len)
{
	struct check_conf	*conf = c->run->conf;
	char			*s;

	s = check_text(c, "%s %s%s HTTP/1.1\r\nHost: %s\r\n%s%s%s"
	    "Mfront-Session: check\r\n%s", r->method,
	    conf->peer.url.path, r->path,
	    conf->peer.url.kind == URL_UNIX ? "localhost" :
	    conf->peer.url.host,
	    conf->token != NULL && !r->notoken ? "Authorization: Bearer " :
	    "", conf->token != NULL && !r->notoken ? conf->token : "",
	    conf->token != NULL && !r->notoken ? "\r\n" : "",
	    r->fields != NULL ? r->fields : "");
	if (ask_changes(r))
		s = check_text(c, "%sIdempotency-Key: %s\r\n", s,
		    r->key != NULL ? r->key : ask_key(c));
	if (r->expect)
		s = check_text(c, "%sExpect: 100-continue\r\n", s);
	if (r->body == NULL)
		return check_text(c, "%s\r\n", s);
	s = check_text(c, "%sContent-Type: %s\r\n", s, r->type != NULL ?
	    r->type : "application/json");
	if (r->chunked)
		return check_text(c, "%sTransfer-Encoding: chunked\r\n\r\n",
		    s);
	return check_text(c, "%sContent-Length: %zu\r\n\r\n", s, len);
}

/* What is shown of a request never has the token. */
static void
ask_keep_request(struct ck *c, struct answer *a, const struct request *r)
{
	struct request	 shown = *r;
	const char	*head;
	char		*s;
	size_t		 n, kept;

	shown.notoken = 1;
	head = ask_head(c, &shown, r->len);
	n = strlen(head);
	kept = r->len < BODY_KEPT ? r->len : BODY_KEPT;
	s = check_alloc(c, n + kept + 64);
	memcpy(s, head, n);
	if (kept > 0)
		memcpy(s + n, r->body, kept);
	a->request = s;
	a->requestlen = n + kept;
	if (kept < r->len)
		a->requestlen += (size_t)snprintf(s + n + kept, 64,
		    "\n[... %zu bytes more]", r->len - kept);
}

static void
ask_send_chunked(struct ck *c, struct net *n, const struct request *r)
{
	size_t	at, len;
	char	size[32];

	/* sizes of all kinds, and the first in the middle of the line */
	for (at = 0; at < r->len; at += len) {
		len = at == 0 ? 7 : CHUNK;
		if (len > r->len - at)
			len = r->len - at;
		snprintf(size, sizeof(size), "%zx\r\n", len);
		ask_write(c, n, size, strlen(size));
		ask_write(c, n, r->body + at, len);
		ask_write(c, n, "\r\n", 2);
	}
	ask_write(c, n, "0\r\n\r\n", 5);
}

/* Head and body in one write, if that is how they go. */
static void
ask_send(struct ck *c, struct net *n, const struct request *r)
{
	char	*head = ask_head(c, r, r->len), *all;
	size_t	 len = strlen(head);

	if (r->chunked && r->body != NULL) {
		ask_write(c, n, head, len);
		ask_send_chunked(c, n, r);
		return;
	}
	all = check_alloc(c, len + r->len);
	memcpy(all, head, len);
	if (r->len > 0)
		memcpy(all + len, r->body, r->len);
	ask_write(c, n, all, len + r->len);
}

/* answers */

static const char *
ask_media_type(struct ck *c, const struct http_head *h)
{
	const struct http_str	*v = http_field(h, "content-type");
	char			*s;
	size_t			 i;

	if (v == NULL)
		return "";
	s = check_alloc(c, v->len + 1);
	for (i = 0; i < v->len && v->p[i] != ';' && v->p[i] != ' '; i++)
		s[i] = (char)tolower((unsigned char)v->p[i]);
	return s;
}

/* One more piece of the answer must come. */
static ssize_t
ask_more(struct ck *c, struct net *n, struct answer *a, const char *what)
{
	ssize_t r;

	r = net_read(n, net_now() + n->peer->wait);
	if (r == -1 && errno == ETIMEDOUT)
		check_fail_at(c, a, "no %s within %d seconds", what,
		    n->peer->wait / 1000);
	if (r == -1)
		check_fail_at(c, a, "no %s: %s", what, net_error(n));
	return r;
}

/* The head, behind any 1xx.  It is kept in the check's memory. */
static void
ask_take_head(struct ck *c, struct net *n, struct answer *a,
    struct http_head *h, const char *method)
{
	ssize_t len;

	for (;;) {
		len = http_response(h, n->buf, n->len, method);
		if (len == -1)
			check_fail_at(c, a, "the answer is no HTTP/1 answer: "
			    "%.*s", (int)(n->len < 200 ? n->len : 200),
			    n->buf);
		if (len > 0 && h->status >= 200)
			break;
		if (len > 0) {
			a->continued = h->status == 100;
			net_taken(n, (size_t)len);
		} else if (ask_more(c, n, a, "answer") == 0)
			check_fail_at(c, a, "the connection was closed "
			    "instead of an answer");
	}
	a->head = memcpy(check_alloc(c, (size_t)len + 1), n->buf,
	    (size_t)len);
	a->headlen = (size_t)len;
	net_taken(n, (size_t)len);
	/* its strings point into what was just moved */
	(void)http_response(h, a->head, a->headlen, method);
	a->status = h->status;
	a->type = ask_media_type(c, h);
	a->keepalive = h->keepalive;
}

static void
ask_take_body(struct ck *c, struct net *n, struct answer *a,
    const struct http_head *h, struct ibuf *body)
{
	struct http_body	 b;
	const void		*data;
	size_t			 used, dlen;
	int			 r;

	http_body_init(&b, h);
	for (;;) {
		while ((r = http_body_next(&b, n->buf, n->len, &used, &data,
		    &dlen)) == 0 && used > 0) {
			if (dlen > 0 && ibuf_add(body, data, dlen) == -1)
				check_fail_at(c, a, "the answer is too big");
			net_taken(n, used);
		}
		if (dlen > 0 && r == 1)
			(void)ibuf_add(body, data, dlen);
		if (r != 0)
			break;
		if (ask_more(c, n, a, "rest of the answer") == 0) {
			r = http_body_eof(&b);
			break;
		}
	}
	if (r == -1)
		check_fail_at(c, a, "the answer was cut off, or its framing "
		    "is broken");
	net_taken(n, used);
}

/* watching */

static int
ask_status_fits(enum st_code code, int status)
{
	if (status == st_error(code)->http)
		return 1;
	if (code == ST_TRY_LATER)
		return status == 429;
	return code == ST_BAD_REQUEST && (status == 404 || status == 405 ||
	    status == 416 || status == 431);
}

static void
ask_watch_problem(struct ck *c, struct answer *a)
{
	struct val	*v;
	const char	*code;
	enum st_code	 n;

	a->code = "";
	/* 501 says a library, of a method that its program does not know */
	if (a->status < 400 || a->status == 501)
		return;
	check_seen(c, "problem-documents");
	v = val_parse(a->body, a->len, ask_val_alloc, c);
	if ((code = val_text(v, "code")) != NULL)
		a->code = code;
	if (strcmp(a->type, "application/problem+json") != 0)
		check_watch(c, "problem-documents", a, "the answer has the "
		    "status %d and the type \"%s\"", a->status, a->type);
	else if (v == NULL || v->type != VAL_OBJECT || a->len > PROBLEM_MAX)
		check_watch(c, "problem-documents", a, "it is no JSON "
		    "object of at most %d bytes", PROBLEM_MAX);
	else if (code == NULL)
		check_watch(c, "problem-documents", a, "it has no code");
	else if ((n = st_code_by_name(code, strlen(code))) == ST_NONSENSE)
		check_watch(c, "problem-documents", a, "\"%s\" is not in the "
		    "table of codes", code);
	else if (!ask_status_fits(n, a->status))
		check_watch(c, "problem-documents", a, "the status of %s is "
		    "not %d", code, a->status);
}

static void
ask_watch(struct ck *c, struct answer *a)
{
	ask_watch_problem(c, a);
	if (a->status >= 300 && a->status < 400)
		check_watch(c, "problem-documents", a, "the status %d is no "
		    "answer", a->status);
	if (a->status == 200 && (strcmp(a->type, "application/json") == 0))
		check_seen(c, "json-answers");
}

struct answer *
ask_answer(struct ck *c, struct net *n, const char *method)
{
	struct answer		*a = check_alloc(c, sizeof(*a));
	struct http_head	 h;
	struct ibuf		 body;

	if (c->last != NULL) {
		a->request = c->last->request;
		a->requestlen = c->last->requestlen;
	}
	c->last = a;
	ask_take_head(c, n, a, &h, method);
	ibuf_init(&body, BODY_MAX);
	ask_take_body(c, n, a, &h, &body);
	a->len = ibuf_size(&body);
	a->body = check_alloc(c, a->len + 1);
	if (a->len > 0)
		memcpy(a->body, ibuf_data(&body), a->len);
	ibuf_fini(&body);
	n->used++;
	ask_watch(c, a);
	return a;
}

struct answer *
ask(struct ck *c, const struct request *r)
{
	struct answer	*a = check_alloc(c, sizeof(*a));
	struct net	*n = ask_usual(c);

	ask_keep_request(c, a, r);
	c->last = a;
	ask_send(c, n, r);
	/* it may have ended just when we began */
	if (n->used > 0 && n->len == 0 && strcmp(r->method, "GET") == 0 &&
	    net_read(n, net_now() + n->peer->wait) <= 0) {
		ask_unusual(c);
		n = ask_usual(c);
		ask_send(c, n, r);
	}
	a = ask_answer(c, n, r->method);
	if (!a->keepalive)
		ask_unusual(c);
	return a;
}

struct answer *
ask_get(struct ck *c, const char *fmt, ...)
{
	struct request	 r = { .method = "GET" };
	va_list		 ap;
	char		*path;

	va_start(ap, fmt);
	if (vasprintf(&path, fmt, ap) == -1)
		check_fail(c, "memory");
	va_end(ap);
	r.path = check_text(c, "%s", path);
	free(path);
	return ask(c, &r);
}

struct answer *
ask_do(struct ck *c, const char *method, const char *path, const char *body)
{
	struct request r = { .method = method, .path = path, .body = body };

	r.len = body != NULL ? strlen(body) : 0;
	return ask(c, &r);
}

struct answer *
ask_post(struct ck *c, struct net *n, const struct request *r)
{
	struct answer *a = check_alloc(c, sizeof(*a));

	ask_keep_request(c, a, r);
	c->last = a;
	ask_send(c, n, r);
	return a;
}

struct answer *
ask_begin(struct ck *c, struct net *n, const struct request *r,
    struct http_body *b)
{
	struct answer		*a = ask_post(c, n, r);
	struct http_head	 h;

	ask_take_head(c, n, a, &h, r->method);
	a->code = "";
	http_body_init(b, &h);
	return a;
}

/* texts */

static const char *
ask_from_ibuf(struct ck *c, struct ibuf *b, int r)
{
	char *s;

	if (r == -1)
		check_fail(c, "a text cannot be sent");
	s = check_text(c, "%.*s", (int)ibuf_size(b), (char *)ibuf_data(b));
	ibuf_fini(b);
	return s;
}

const char *
ask_encoded(struct ck *c, const char *s)
{
	struct ibuf b;

	ibuf_init(&b, 16384);
	return ask_from_ibuf(c, &b, http_pct_encode(&b, s));
}

const char *
ask_quoted(struct ck *c, const char *s)
{
	struct ibuf b;

	ibuf_init(&b, 16384);
	return ask_from_ibuf(c, &b, json_put_str(&b, s));
}

/* what an answer must be */

void
ask_status(struct ck *c, struct answer *a, int status)
{
	if (a->status != status)
		check_fail_at(c, a, "the status is %d%s%s, not %d",
		    a->status, *a->code != '\0' ? " " : "", a->code, status);
}

void
ask_ok(struct ck *c, struct answer *a)
{
	if (a->status < 200 || a->status > 299)
		check_fail_at(c, a, "the status is %d%s%s", a->status,
		    *a->code != '\0' ? " " : "", a->code);
}

void
ask_refused(struct ck *c, struct answer *a, const char *codes)
{
	size_t		 len = strlen(a->code);
	const char	*p = codes;

	if (a->status < 400)
		check_fail_at(c, a, "the status is %d, not a refusal with "
		    "%s", a->status, codes);
	while (len > 0 && (p = strstr(p, a->code)) != NULL) {
		if ((p == codes || p[-1] == ' ') &&
		    (p[len] == '\0' || p[len] == ' '))
			return;
		p += len;
	}
	check_fail_at(c, a, "the code is \"%s\", not %s", a->code, codes);
}

struct val *
ask_json(struct ck *c, struct answer *a)
{
	struct val *v;

	ask_ok(c, a);
	check_seen(c, "json-answers");
	if (strcmp(a->type, "application/json") != 0)
		check_watch(c, "json-answers", a, "the type is \"%s\"",
		    a->type);
	if (a->len > JSON_MAX)
		check_watch(c, "json-answers", a, "it has %zu bytes",
		    a->len);
	if ((v = val_parse(a->body, a->len, ask_val_alloc, c)) == NULL ||
	    v->type != VAL_OBJECT)
		check_fail_at(c, a, "the answer is no JSON object");
	return v;
}

/* NDJSON */

static struct val *
ask_line(struct ck *c, struct answer *a, const char *s, size_t len)
{
	struct val *v;

	if (len > LINE_MAX_BYTES)
		check_watch(c, "ndjson-lines", a, "a line has %zu bytes",
		    len);
	v = val_parse(s, len, ask_val_alloc, c);
	if (v == NULL || v->type != VAL_OBJECT) {
		check_watch(c, "ndjson-lines", a, "a line is no JSON object: "
		    "%.*s", (int)(len < 100 ? len : 100), s);
		check_fail_at(c, a, "a line is no JSON object: %.*s",
		    (int)(len < 100 ? len : 100), s);
	}
	return v;
}

static int
ask_count_lines(const struct answer *a)
{
	size_t	i;
	int	n = 1;

	for (i = 0; i < a->len; i++)
		n += a->body[i] == '\n';
	return n;
}

static void
ask_check_end(struct ck *c, struct answer *a, struct val *last)
{
	struct val	*end = val_typed(last, "end", VAL_BOOL);
	const char	*code = val_text(last, "code");

	if (end == NULL) {
		check_watch(c, "ndjson-ends", a, "the last line is not "
		    "{\"end\":true}");
		check_fail_at(c, a, "the answer has no line of its end");
	}
	if (!end->n)
		check_fail_at(c, a, "the answer ended with %s", code != NULL ?
		    code : "no code");
	if (a->body[a->len - 1] != '\n')
		check_watch(c, "ndjson-lines", a, "the last line has no "
		    "line feed");
}

struct lines *
ask_lines(struct ck *c, struct answer *a)
{
	struct lines	*l = check_alloc(c, sizeof(*l));
	struct val	*v;
	char		*p = a->body, *end = a->body + a->len, *nl;

	ask_ok(c, a);
	check_seen(c, "ndjson-lines");
	check_seen(c, "ndjson-ends");
	if (strcmp(a->type, "application/x-ndjson") != 0)
		check_watch(c, "ndjson-lines", a, "the type is \"%s\"",
		    a->type);
	l->a = a;
	l->row = check_alloc(c, sizeof(*l->row) *
	    (size_t)ask_count_lines(a));
	for (; p < end; p = nl + 1) {
		if ((nl = memchr(p, '\n', (size_t)(end - p))) == NULL)
			nl = end;
		l->row[l->n++] = ask_line(c, a, p, (size_t)(nl - p));
	}
	v = l->n > 0 ? val_typed(l->row[0], "header", VAL_BOOL) : NULL;
	if (v == NULL || !v->n) {
		check_watch(c, "ndjson-lines", a, "the first line is no "
		    "header");
		check_fail_at(c, a, "the first line is no header");
	}
	l->header = l->row[0];
	ask_check_end(c, a, l->row[l->n - 1]);
	l->row++;
	l->n -= 2;
	return l;
}

/* sets */

static void
ask_uids_of(struct ck *c, struct answer *a, const struct uidset *set,
    struct uids *out)
{
	struct uidset_iter	it;
	uint32_t		u, n = uidset_count(set);

	if (n > 5000000)
		check_fail_at(c, a, "a set has %u members", n);
	out->u = check_alloc(c, sizeof(*out->u) * (n + 1));
	out->n = 0;
	for (u = uidset_first(&it, set); u != 0; u = uidset_next(&it))
		out->u[out->n++] = u;
}

void
ask_set(struct ck *c, struct answer *a, const char *text, struct uids *out)
{
	struct uidset	set;
	size_t		len = strlen(text);
	int		r;

	check_seen(c, "sets-canonical");
	uidset_init(&set);
	r = uidset_parse(&set, text, len, UINT32_MAX);
	if (r == -1) {
		check_watch(c, "sets-canonical", a, "\"%.200s\" is no set as "
		    "the page has them", text);
		uidset_clear(&set);
		r = form_loose_set(&set, text, len);
	}
	if (r == 0 && uidset_count(&set) <= 5000000)
		ask_uids_of(c, a, &set, out);
	else
		r = -1;
	uidset_fini(&set);
	if (r == -1)
		check_fail_at(c, a, "\"%.200s\" is no set", text);
}

void
ask_row_uids(struct ck *c, struct answer *a, struct val *row,
    struct uids *out)
{
	const char	*set = val_text(row, "uids");
	uint64_t	 uid;

	if (val_number(row, "uid", UID_MAX, &uid) && uid > 0) {
		if (val_get(row, "uids") != NULL)
			check_watch(c, "rows-ordered", a,
			    "a row has both uid and uids");
		out->u = check_alloc(c, sizeof(*out->u));
		out->u[0] = (uint32_t)uid;
		out->n = 1;
	} else if (set != NULL)
		ask_set(c, a, set, out);
	else
		check_fail_at(c, a, "a row has neither a uid nor uids");
}

int
ask_in(const struct uids *s, uint32_t uid)
{
	uint32_t i;

	for (i = 0; i < s->n; i++)
		if (s->u[i] == uid)
			return 1;
	return 0;
}
