#include <sys/types.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "engine_http.h"
#include "log.h"

#define TRIES_MAX	3
#define CONTINUE_SECS	1	/* wait so long for 100 (Continue) */
#define STREAM_HIGH	(128 * 1024)	/* of a body, waiting to be sent */

static struct tmo_class	 answer_class, continue_class;

/* requests */

struct hreq *
hreq_new(struct estorage *st, const char *method, enum hreq_answer answer)
{
	struct hreq *r;

	if ((r = calloc(1, sizeof(*r))) == NULL)
		fatal(NULL);
	r->st = st;
	r->method = method;
	r->answer = answer;
	ibuf_init(&r->target, HTTP_HEAD_MAX / 2);
	ibuf_init(&r->body, HELD_MAX + 2 * 1024 * 1024);
	ibuf_init(&r->reply, JSON_MAX + IO_READ_MAX);
	return r;
}

void
hreq_discard(struct hreq *r)
{
	tmo_stop(&r->tmo);
	ibuf_fini(&r->target);
	ibuf_wipe(&r->body);
	if (r->secret)
		ibuf_wipe(&r->reply);
	else
		ibuf_fini(&r->reply);
	free(r);
}

/*
 * A key that no request ever had: a number of this process that nobody else
 * has, then one of the request.  In sequence, which a backend's index likes
 * better than keys all over the place.
 */
void
hreq_key(struct hreq *r)
{
	static uint64_t	process, request;

	while (process == 0)
		arc4random_buf(&process, sizeof(process));
	snprintf(r->key, sizeof(r->key), "%016llx%016llx",
	    (unsigned long long)process, (unsigned long long)++request);
}

int
hreq_account(struct hreq *r, const char *account)
{
	if (ibuf_adds(&r->target, "/accounts/") == -1)
		return -1;
	return http_pct_encode(&r->target, account);
}

/* The owner is told; the request is no more. */
void
hreq_finish(struct hreq *r, enum st_code code, const char *text,
    struct json *value)
{
	etrace_end(r, code, r->why != NULL ? r->why : text);
	r->done(r, code, text, value);
	hreq_discard(r);
}

/* May it be sent once more without being done twice? */
static int
hreq_repeatable(const struct hreq *r, int sent)
{
	if (r->streams || r->tries >= TRIES_MAX || r->endless || r->probe ||
	    (r->answered && !r->rerun))
		return 0;
	if (!sent || strcmp(r->method, "GET") == 0)
		return 1;
	return r->key[0] != '\0' && estorage_has(r->st, CAP_IDEMPOTENCY);
}

/* connections */

/* The exchange on this connection is over; r is finished by the caller. */
static struct hreq *
hconn_release(struct hconn *c, int reuse)
{
	struct hreq *r = c->req;

	if (r != NULL)
		r->conn = NULL;
	c->req = NULL;
	epool_aside(c, 0);
	if (reuse && c->keep && !c->unsent && c->url != NULL &&
	    !r->endless && c->st->nconns + !c->counted <= elimits.pool &&
	    (r->probe || eurl_serves(c->url))) {
		c->used++;
		epool_idle(c);
	} else {
		tmo_stop(&c->tmo);
		io_abort(&c->io, "done");
	}
	return r;
}

/* The breaker of its URL counts that; a probe says it by itself. */
void
hconn_failure(struct hconn *c, const char *why)
{
	if (c->url != NULL && !c->req->probe)
		eurl_failure(c->url, why);
}

void
hconn_fail(struct hconn *c, enum st_code code, const char *text)
{
	struct estorage	*st = c->st;
	struct hreq	*r = hconn_release(c, 0);

	if (r == NULL)
		return;
	st->errors++;
	strlcpy(st->error, text, sizeof(st->error));
	hreq_finish(r, code, text, NULL);
	epool_dispatch(st);
}

void
hconn_done(struct hconn *c, enum st_code code, const char *text,
    struct json *value)
{
	struct estorage	*st = c->st;
	struct hreq	*r;
	int		 reuse = c->state == HC_BODY || c->state == HC_HEAD;

	if (code != ST_OK)
		st->errors += code >= ST_INTERNAL;
	r = hconn_release(c, reuse);
	hreq_finish(r, code, text, value);
	epool_dispatch(st);
}

/*
 * The answer is incomplete.  What may be asked again then is; hconn_closed()
 * does the same for a connection that ends.
 */
void
hconn_cut(struct hconn *c)
{
	struct estorage	*st = c->st;

	if (!hreq_repeatable(c->req, 1)) {
		hconn_fail(c, ST_CUT, st_error(ST_CUT)->text);
		return;
	}
	st->retries++;
	hreq_queue(hconn_release(c, 0), 1);
	epool_dispatch(st);
}

/*
 * Whoever answers so is no storage; but where a line of it was understood
 * only that mailbox, or message, is broken.
 */
static void
hconn_nonsense(struct hconn *c)
{
	static const char why[] = "malformed answer";

	if (c->req != NULL && c->req->lines == 0)
		hconn_failure(c, why);
	hconn_fail(c, ST_NONSENSE, why);
}

/* answers */

static size_t
hconn_body(struct hconn *c, const uint8_t *p, size_t len)
{
	struct hreq	*r = c->req;
	const void	*d;
	size_t		 used, dlen, total = 0;
	int		 done = 0;

	while (c->req == r && !done && (total < len || len == 0)) {
		done = http_body_next(&c->body, p + total, len - total, &used,
		    &d, &dlen);
		total += used;
		if (done == -1 || eanswer_content(c, d, dlen) == -1) {
			hconn_nonsense(c);
			return len;
		}
		if (used == 0 && dlen == 0)
			break;
	}
	if (c->req != r)
		return len;
	if (done == 1) {
		if (total < len) {
			/* nobody asked for more */
			c->keep = 0;
			total = len;
		}
		eanswer_complete(c);
	}
	return total;
}

static uint32_t
retry_after(const struct http_head *h)
{
	const struct http_str	*v = http_field(h, "Retry-After");
	uint32_t		 n = 0;
	size_t			 i;

	if (v == NULL || v->len > 5)
		return 0;
	for (i = 0; i < v->len; i++) {
		if (v->p[i] < '0' || v->p[i] > '9')
			return 0;
		n = n * 10 + (uint32_t)(v->p[i] - '0');
	}
	return n;
}

static int
is_problem(const struct http_head *h)
{
	static const char	 type[] = "application/problem+json";
	const struct http_str	*v = http_field(h, "Content-Type");

	return v != NULL && v->len >= sizeof(type) - 1 &&
	    strncasecmp(v->p, type, sizeof(type) - 1) == 0;
}

/* The head is there.  Returns the bytes used, -1 when it is broken. */
static ssize_t
hconn_head(struct hconn *c, const uint8_t *p, size_t len)
{
	static struct http_head	 h;
	struct hreq		*r = c->req;
	ssize_t			 n;

	n = http_response(&h, (const char *)p, len, r->method);
	if (n == 0 && len > HTTP_HEAD_MAX)
		return -1;
	if (n <= 0)
		return n;
	if (h.status < 200) {
		/* 100 (Continue): now the body; others say nothing */
		if (h.status == 100 && c->state == HC_CONTINUE) {
			c->state = HC_HEAD;
			tmo_start(&c->tmo, &answer_class);
			if (r->want != NULL)
				r->want(r);
		}
		return n;
	}
	/* nobody can have done what he has not read */
	if (h.status < 300 && (c->unsent || io_deaf(&c->io)))
		return -1;
	r->answered = 1;
	etrace_head(r);
	r->status = h.status;
	r->retry_after = retry_after(&h);
	c->keep = h.keepalive;
	c->state = HC_BODY;
	http_body_init(&c->body, &h);
	tmo_start(&c->tmo, &answer_class);
	r->problem = is_problem(&h);
	/* 503 is about all requests; 429, about an account, is ereq_done's */
	if (h.status == 503 && r->retry_after > 0 && c->url != NULL &&
	    !r->probe)
		eurl_wait(c->url, r->retry_after);
	if (h.status > 299 && !r->problem) {
		/* a proxy's page: the body is not for us */
		if (h.framing != HTTP_NOBODY && (h.framing != HTTP_LENGTH ||
		    h.length > LINE_MAX_ND))
			c->keep = 0;
	}
	if (r->head != NULL)
		r->head(r, &h);
	return n;
}

/* What was sent is counted when an answer comes. */
static void
hconn_count(struct hconn *c)
{
	c->st->nin += c->io.nin - c->nin;
	c->st->nout += c->io.nout - c->nout;
	c->nin = c->io.nin;
	c->nout = c->io.nout;
}

static size_t
hconn_data(struct io *io, const uint8_t *p, size_t len)
{
	struct hconn	*c = io->arg;
	ssize_t		 n;
	size_t		 used = 0;

	hconn_count(c);
	if (c->tmo.class == &answer_class)
		tmo_start(&c->tmo, &answer_class);
	while (used < len && c->req != NULL) {
		if (c->state == HC_BODY)
			return used + hconn_body(c, p + used, len - used);
		n = hconn_head(c, p + used, len - used);
		if (n == -1) {
			hconn_nonsense(c);
			return len;
		}
		if (n == 0)
			return used;
		used += (size_t)n;
		/* an answer without a body ends with its head */
		if (c->req != NULL && c->state == HC_BODY && used == len)
			(void)hconn_body(c, p + used, 0);
	}
	if (c->req == NULL && used < len) {
		/* an answer that nobody asked for */
		io_abort(io, "unexpected data");
		return len;
	}
	return used;
}

static void
hconn_drained(struct io *io)
{
	struct hconn *c = io->arg;

	if (c->req == NULL || c->state == HC_CONTINUE || c->req->paused)
		return;
	tmo_start(&c->tmo, &answer_class);
	if (c->unsent && c->req->want != NULL)
		c->req->want(c->req);
}

/* What that says about the URL, or about the probe that waited for it. */
static void
hconn_broken(struct hconn *c, struct hreq *r, const char *why)
{
	struct hreq *probe = c->reserved;

	c->reserved = NULL;
	if (probe != NULL) {
		probe->conn = NULL;
		hreq_finish(probe, ST_UNAVAILABLE, why, NULL);
	} else if (c->url == NULL)
		return;
	else if (r == NULL && c->url->kind == URL_HTTPS && !c->secured)
		eurl_unreached(c->url, why);
	else if (r != NULL && !r->answered && !r->probe)
		eurl_cut(c->url, c->made, why);
}

static void
hconn_closed(struct io *io, const char *why)
{
	struct hconn	*c = io->arg;
	struct estorage	*st = c->st;
	struct hreq	*r;

	/* without a length the close is the end */
	if (c->req != NULL && c->state == HC_BODY &&
	    strcmp(why, "peer closed") == 0 && http_body_eof(&c->body) == 1) {
		c->keep = 0;
		eanswer_complete(c);
	}
	r = c->req;
	tmo_stop(&c->tmo);
	epool_remove(c);
	c->req = NULL;
	if (r != NULL)
		r->conn = NULL;
	hconn_broken(c, r, why);
	if (r != NULL && hreq_repeatable(r, io->nout != c->before)) {
		st->retries++;
		hreq_queue(r, 1);
	} else if (r != NULL) {
		st->errors++;
		strlcpy(st->error, why, sizeof(st->error));
		r->why = why;
		hreq_finish(r, r->answered ? ST_CUT : ST_UNAVAILABLE,
		    r->probe ? why : r->answered ? st_error(ST_CUT)->text :
		    st_error(ST_UNAVAILABLE)->text, NULL);
	}
	free(c);
	epool_dispatch(st);
}

/* It is there: a probe that waits for it is sent. */
static void
hconn_begin(struct hconn *c)
{
	struct hreq *r = c->reserved;

	c->reserved = NULL;
	c->st->requests++;
	hconn_give(c, r);
}

static void
hconn_secured(struct io *io)
{
	struct hconn *c = io->arg;

	c->secured = 1;
	epool_wait(c);
	if (c->reserved != NULL)
		hconn_begin(c);
	else
		epool_dispatch(c->st);
}

static const struct io_ops hconn_ops = {
	.data = hconn_data,
	.drained = hconn_drained,
	.secured = hconn_secured,
	.closed = hconn_closed
};

/* sending */

static void
put_field(struct ibuf *b, const char *name, const char *value)
{
	(void)ibuf_adds(b, name);
	(void)ibuf_adds(b, value);
	(void)ibuf_adds(b, "\r\n");
}

static void
hreq_put_length(struct hreq *r, struct ibuf *b)
{
	if (r->ctype == NULL)
		return;
	put_field(b, "Content-Type: ", r->ctype);
	if (r->streams && !r->length_known) {
		(void)ibuf_adds(b, "Transfer-Encoding: chunked\r\n");
	} else {
		(void)ibuf_adds(b, "Content-Length: ");
		(void)ibuf_addu(b, ibuf_size(&r->body) +
		    (r->streams ? r->stream_len : 0));
		(void)ibuf_adds(b, "\r\n");
	}
	if (r->streams)
		(void)ibuf_adds(b, "Expect: 100-continue\r\n");
}

static int
hreq_put_head(struct hreq *r, const struct eurl *u, struct ibuf *b)
{
	(void)ibuf_adds(b, r->method);
	(void)ibuf_adds(b, " ");
	(void)ibuf_adds(b, u->path);
	(void)ibuf_add_ibuf(b, &r->target);
	(void)ibuf_adds(b, " HTTP/1.1\r\nHost: ");
	if (u->kind == URL_UNIX)
		(void)ibuf_adds(b, "localhost\r\n");
	else if (strchr(u->host, ':') != NULL)
		(void)ibuf_addf(b, "[%s]:%u\r\n", u->host, u->port);
	else
		(void)ibuf_addf(b, "%s:%u\r\n", u->host, u->port);
	if (r->st->token != NULL && *r->st->token != '\0')
		put_field(b, "Authorization: Bearer ", r->st->token);
	if (r->session[0] != '\0')
		put_field(b, "Mfront-Session: ", r->session);
	etrace_put(r, b);
	if (r->key[0] != '\0')
		put_field(b, "Idempotency-Key: ", r->key);
	if (r->match[0] != '\0')
		(void)ibuf_adds(b, r->match);
	if (r->range)
		(void)ibuf_addf(b, "Range: bytes=%llu-%llu\r\n",
		    (unsigned long long)r->range_from,
		    (unsigned long long)(r->range_from + r->range_len - 1));
	hreq_put_length(r, b);
	return ibuf_adds(b, "\r\n");
}

/* One piece of a streaming body, framed. */
static void
hreq_put_chunk(struct hreq *r, struct io *io, const void *p, size_t len)
{
	if (r->length_known) {
		io_write(io, p, len);
		return;
	}
	io_printf(io, "%zx\r\n", len);
	io_write(io, p, len);
	io_puts(io, "\r\n");
}

void
hconn_give(struct hconn *c, struct hreq *r)
{
	struct ibuf *out = io_out(&c->io);

	epool_use(c, r->endless);
	c->req = r;
	c->state = HC_HEAD;
	r->conn = c;
	if (r == r->st->look && c->url != NULL)
		c->url->probed = tmo_now();
	r->tries++;
	c->before = c->io.nout;
	r->ended = r->answered = 0;
	r->lines = 0;
	r->scanned = 0;
	ibuf_drain(&r->reply, ibuf_size(&r->reply));
	c->keep = 1;
	c->unsent = r->streams;
	io_secret(&c->io, r->secret);
	if (hreq_put_head(r, c->url, out) == -1) {
		hconn_fail(c, ST_INTERNAL, "request too long");
		return;
	}
	if (!r->streams) {
		(void)ibuf_add_ibuf(out, &r->body);
		tmo_start(&c->tmo, &answer_class);
	} else {
		c->state = HC_CONTINUE;
		tmo_start(&c->tmo, &continue_class);
	}
	if (r->paused)
		hreq_pause(r, 1);
	io_kick(&c->io);
}

int
hreq_writable(const struct hreq *r)
{
	return r->conn != NULL && r->conn->unsent &&
	    r->conn->state != HC_CONTINUE && r->conn->state != HC_IDLE &&
	    io_outlen(&r->conn->io) < STREAM_HIGH;
}

void
hreq_write(struct hreq *r, const void *p, size_t len)
{
	struct hconn *c = r->conn;

	/* the JSON line that stands before the content goes first */
	if (ibuf_size(&r->body) > 0) {
		hreq_put_chunk(r, &c->io, ibuf_data(&r->body),
		    ibuf_size(&r->body));
		ibuf_fini(&r->body);
	}
	if (len > 0)
		hreq_put_chunk(r, &c->io, p, len);
	(void)io_full(&c->io);
}

void
hreq_write_end(struct hreq *r)
{
	struct hconn *c = r->conn;

	hreq_write(r, NULL, 0);
	if (!r->length_known)
		io_puts(&c->io, "0\r\n\r\n");
	c->unsent = 0;
	etrace_sent(r);
	tmo_start(&c->tmo, &answer_class);
}

void
hreq_pause(struct hreq *r, int on)
{
	struct hconn *c = r->conn;

	r->paused = on;
	if (c == NULL)
		return;
	if (on) {
		io_pause(&c->io);
		tmo_stop(&c->tmo);
		if (r->st->nwaiting > 0)
			epool_dispatch(r->st);
	} else {
		epool_aside(c, 0);
		io_resume(&c->io);
		tmo_start(&c->tmo, &answer_class);
	}
}

/* connections */

void
hconn_new(struct eurl *u, int fd, struct hreq *probe)
{
	struct hconn *c;

	if ((c = calloc(1, sizeof(*c))) == NULL ||
	    io_init(&c->io, fd, &hconn_ops, c) == -1)
		fatal("connection");
	c->st = u->st;
	c->url = u;
	c->made = ++u->made;
	c->reserved = probe;
	if (probe != NULL)
		probe->conn = c;
	c->keep = 1;
	c->io.inmax = HTTP_HEAD_MAX * 2;
	c->io.high = STREAM_HIGH;
	c->state = HC_IDLE;
	epool_add(c);
	io_last_word(&c->io);
	if (u->kind == URL_HTTPS) {
		tmo_start(&c->tmo, &answer_class);
		(void)io_tls_client(&c->io, c->st->tls, u->host);
	}
	io_resume(&c->io);
	if (u->kind == URL_HTTPS)
		return;
	if (probe != NULL)
		hconn_begin(c);
	else
		epool_dispatch(c->st);
}

/* timeouts */

static struct hconn *
hconn_of(struct tmo *t)
{
	return (struct hconn *)(void *)((char *)t -
	    offsetof(struct hconn, tmo));
}

static void
answer_fired(struct tmo *t)
{
	static const char	 why[] = "no answer in time";
	struct hconn		*c = hconn_of(t);

	if (c->req == NULL) {
		io_abort(&c->io, "no TLS handshake in time");
		return;
	}
	if (c->req->endless && c->req->answered)
		return;
	io_abort(&c->io, why);
	c->req->why = why;
	hconn_failure(c, why);
	hconn_fail(c, ST_UNAVAILABLE, "The storage did not answer in time");
}

/* No word about the body: send it, as RFC 9110, 10.1.1 allows. */
static void
continue_fired(struct tmo *t)
{
	struct hconn *c = hconn_of(t);

	if (c->req == NULL || c->state != HC_CONTINUE)
		return;
	c->state = HC_HEAD;
	tmo_start(&c->tmo, &answer_class);
	if (c->req->want != NULL)
		c->req->want(c->req);
}

void
hreq_init(void)
{
	tmo_class_init(&answer_class, 30, answer_fired);
	tmo_class_init(&continue_class, CONTINUE_SECS, continue_fired);
}

void
hreq_limits(void)
{
	tmo_class_set(&answer_class, (int)elimits.t_backend);
}
