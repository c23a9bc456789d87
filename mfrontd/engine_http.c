#include <sys/types.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "log.h"

#define TRIES_MAX	3
#define CONTINUE_SECS	1	/* wait so long for 100 (Continue) */
#define IDLE_SECS	60	/* a connection nobody uses is closed */
#define TOKENS_MAX	16384
#define STREAM_HIGH	(128 * 1024)	/* of a body, waiting to be sent */
#define RANDOM_STOCK	1536	/* bytes */
#define ASIDE_POOLS	3	/* pools' worth of connections set aside */

enum hconn_state {
	HC_IDLE,
	HC_CONTINUE,		/* the body waits for 100 (Continue) */
	HC_HEAD,		/* the head of the answer is awaited */
	HC_BODY
};

struct hconn {
	struct io		 io;
	struct estorage		*st;
	struct eurl		*url;	/* NULL: of an old configuration */
	struct hreq		*req;
	enum hconn_state	 state;
	struct http_body	 body;
	int			 keep;	/* may be used again */
	int			 used;	/* exchanges done on it */
	int			 counted;	/* in the pool */
	int			 aside;		/* not, its client is slow */
	uint64_t		 before;	/* bytes sent before this */
	int			 unsent;	/* the request's body is not out */
	int			 head;	/* HEAD-like: no body follows */
	struct tmo		 tmo;
	TAILQ_ENTRY(hconn)	 entry;
};

static struct tmo_class	 wait_class, answer_class, continue_class;
static struct tmo_class	 idle_class;
static jsmntok_t	 tokens[TOKENS_MAX];

static void	hconn_give(struct hconn *, struct hreq *);
static struct hconn *hconn_free_one(struct estorage *);

/* requests */

static int
hqueue_cmp(const struct hqueue *a, const struct hqueue *b)
{
	return strcmp(a->session, b->session);
}

RB_PROTOTYPE_STATIC(hqueues, hqueue, entry, hqueue_cmp)
RB_GENERATE_STATIC(hqueues, hqueue, entry, hqueue_cmp)

void
hreq_storage_init(struct estorage *st)
{
	TAILQ_INIT(&st->idle);
	TAILQ_INIT(&st->busy);
	TAILQ_INIT(&st->critical);
	TAILQ_INIT(&st->turns);
	RB_INIT(&st->queues);
}

struct hreq *
hreq_new(struct estorage *st, const char *method, enum hreq_answer answer)
{
	struct hreq *r;

	if ((r = calloc(1, sizeof(*r))) == NULL)
		fatal(NULL);
	r->st = st;
	r->method = method;
	r->answer = answer;
	r->url = -1;
	ibuf_init(&r->target, HTTP_HEAD_MAX / 2);
	ibuf_init(&r->body, HELD_MAX + 2 * 1024 * 1024);
	ibuf_init(&r->reply, JSON_MAX + IO_READ_MAX);
	return r;
}

static void
hreq_free(struct hreq *r)
{
	tmo_stop(&r->tmo);
	ibuf_fini(&r->target);
	ibuf_wipe(&r->body);
	ibuf_fini(&r->reply);
	free(r);
}

void
hreq_discard(struct hreq *r)
{
	hreq_free(r);
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
	r->done(r, code, text, value);
	hreq_free(r);
}

static struct hqueue *
hqueue_get(struct estorage *st, const char *session)
{
	struct hqueue	*q, key;

	key.session = session;
	if ((q = RB_FIND(hqueues, &st->queues, &key)) != NULL)
		return q;
	if ((q = calloc(1, sizeof(*q))) == NULL)
		fatal(NULL);
	q->session = session;
	TAILQ_INIT(&q->reqs);
	RB_INSERT(hqueues, &st->queues, q);
	TAILQ_INSERT_TAIL(&st->turns, q, turn);
	return q;
}

/* Out of its queue, which goes with its last request. */
static void
hqueue_remove(struct estorage *st, struct hqueue *q, struct hreq *r)
{
	struct hreq *first;

	TAILQ_REMOVE(&q->reqs, r, entry);
	if ((first = TAILQ_FIRST(&q->reqs)) != NULL) {
		/* the name is lent by one that stays: all have the same */
		q->session = first->session;
		return;
	}
	RB_REMOVE(hqueues, &st->queues, q);
	TAILQ_REMOVE(&st->turns, q, turn);
	free(q);
}

static void
hreq_unqueue(struct hreq *r)
{
	struct estorage *st = r->st;

	if (r->queue != NULL)
		hqueue_remove(st, r->queue, r);
	else
		TAILQ_REMOVE(&st->critical, r, entry);
	r->queue = NULL;
	st->nwaiting--;
	tmo_stop(&r->tmo);
}

/* Last of its session, or first: one that is asked again. */
static void
hreq_queue(struct hreq *r, int first)
{
	struct hreqs *l = &r->st->critical;

	if (!r->critical) {
		r->queue = hqueue_get(r->st, r->session);
		l = &r->queue->reqs;
	}
	if (first)
		TAILQ_INSERT_HEAD(l, r, entry);
	else
		TAILQ_INSERT_TAIL(l, r, entry);
	r->st->nwaiting++;
	tmo_start(&r->tmo, &wait_class);
}

void
hreq_submit(struct hreq *r)
{
	struct estorage	*st = r->st;
	struct hconn	*c;

	st->requests++;
	r->serial = ++st->serial;
	/* mostly there is nothing to wait for */
	if (st->nwaiting == 0 && (r->critical || st->state == STORAGE_UP) &&
	    (c = hconn_free_one(st)) != NULL) {
		hconn_give(c, r);
		return;
	}
	hreq_queue(r, 0);
	hreq_dispatch(st);
}

void
hreq_cancel(struct hreq *r)
{
	struct hconn *c = r->conn;

	if (c == NULL)
		hreq_unqueue(r);
	else {
		/* what is still to come of the answer is nobody's */
		c->req = NULL;
		io_abort(&c->io, "cancelled");
	}
	hreq_free(r);
}

/* One that waits since before a certain one was submitted. */
static struct hreq *
hreq_since(struct estorage *st, uint64_t serial, int critical)
{
	struct hqueue	*q;
	struct hreq	*r;

	r = TAILQ_FIRST(&st->critical);
	if (critical && r != NULL && r->serial <= serial)
		return r;
	TAILQ_FOREACH(q, &st->turns, turn)
		if ((r = TAILQ_FIRST(&q->reqs))->serial <= serial)
			return r;
	return NULL;
}

/* What callbacks submit meanwhile is left alone. */
void
hreq_fail_waiting(struct estorage *st, enum st_code code, const char *text,
    int critical)
{
	uint64_t	 serial = st->serial;
	struct hreq	*r;

	while ((r = hreq_since(st, serial, critical)) != NULL) {
		hreq_unqueue(r);
		st->errors++;
		hreq_finish(r, code, text, NULL);
	}
}

static void
wait_fired(struct tmo *t)
{
	struct hreq *r = (struct hreq *)(void *)((char *)t -
	    offsetof(struct hreq, tmo));

	r->st->errors++;
	hreq_unqueue(r);
	hreq_finish(r, ST_UNAVAILABLE, st_error(ST_UNAVAILABLE)->text, NULL);
}

/* May it be sent once more without being done twice? */
static int
hreq_repeatable(const struct hreq *r, int sent)
{
	if (r->streams || r->tries >= TRIES_MAX || r->endless ||
	    (r->answered && !r->rerun))
		return 0;
	if (!sent || strcmp(r->method, "GET") == 0)
		return 1;
	return r->key[0] != '\0' && estorage_has(r->st, CAP_IDEMPOTENCY);
}

/* connections */

/*
 * A connection whose client is slow is set aside: it stays, but the pool
 * does not count it, or some slow clients could have it all.
 */
static void
hconn_aside(struct hconn *c, int on)
{
	struct estorage *st = c->st;

	if (on && c->counted && st->naside < elimits.pool * ASIDE_POOLS) {
		c->counted = 0;
		c->aside = 1;
		st->nconns--;
		st->naside++;
	} else if (!on && c->aside) {
		c->counted = 1;
		c->aside = 0;
		st->nconns++;
		st->naside--;
	}
}

static void
hconn_idle(struct hconn *c)
{
	c->state = HC_IDLE;
	c->req = NULL;
	/* the last bytes may have come while it was paused */
	io_resume(&c->io);
	TAILQ_REMOVE(&c->st->busy, c, entry);
	TAILQ_INSERT_HEAD(&c->st->idle, c, entry);
	tmo_start(&c->tmo, &idle_class);
}

/* The exchange on this connection is over; r is finished by the caller. */
static struct hreq *
hconn_release(struct hconn *c, int reuse)
{
	struct hreq *r = c->req;

	if (r != NULL)
		r->conn = NULL;
	c->req = NULL;
	hconn_aside(c, 0);
	if (reuse && c->keep && !c->unsent && c->url != NULL &&
	    !r->endless && c->st->nconns <= elimits.pool) {
		c->used++;
		hconn_idle(c);
	} else {
		tmo_stop(&c->tmo);
		io_abort(&c->io, "done");
	}
	return r;
}

static void
hconn_fail(struct hconn *c, enum st_code code, const char *text)
{
	struct estorage	*st = c->st;
	struct hreq	*r = hconn_release(c, 0);

	if (r == NULL)
		return;
	st->errors++;
	strlcpy(st->error, text, sizeof(st->error));
	hreq_finish(r, code, text, NULL);
	hreq_dispatch(st);
}

static void
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
	hreq_dispatch(st);
}

/*
 * The answer is incomplete.  What may be asked again then is; hconn_closed()
 * does the same for a connection that ends.
 */
static void
hconn_cut(struct hconn *c)
{
	struct estorage	*st = c->st;

	if (!hreq_repeatable(c->req, 1)) {
		hconn_fail(c, ST_CUT, st_error(ST_CUT)->text);
		return;
	}
	st->retries++;
	hreq_queue(hconn_release(c, 0), 1);
	hreq_dispatch(st);
}

/* answers */

/*
 * An error answer: its code alone decides what it means, and only in
 * problem+json, so that no proxy's word is taken for the storage's.
 */
static void
hconn_problem(struct hconn *c)
{
	struct hreq	*r = c->req;
	struct json	 j;
	const char	*s;
	char		 text[256], code[64];
	size_t		 len;
	enum st_code	 e = ST_NONSENSE;

	snprintf(text, sizeof(text), "HTTP status %d", r->status);
	if (r->problem && json_parse(&j, (char *)ibuf_data(&r->reply),
	    ibuf_size(&r->reply), tokens, TOKENS_MAX) == 0) {
		if (json_str(&j, json_member(&j, 0, "code"), &s, &len) == 1) {
			e = st_code_by_name(s, len);
			snprintf(code, sizeof(code), "%.*s", (int)len, s);
			snprintf(text, sizeof(text), "%s", code);
		}
		if (json_str(&j, json_member(&j, 0, "detail"), &s,
		    &len) == 1 || json_str(&j, json_member(&j, 0, "title"),
		    &s, &len) == 1)
			snprintf(text, sizeof(text), "%.*s",
			    (int)(len < 200 ? len : 200), s);
	}
	hconn_done(c, e, text, NULL);
}

/* The last line, or one that says the answer failed in the middle. */
static int
nd_end(struct hreq *r, struct json *j, int i)
{
	const char	*s;
	size_t		 len;
	int		 ok;

	if (json_bool(j, i, &ok) != 1)
		return -1;
	r->ended = 1;
	r->endcode = ST_OK;
	if (ok)
		return 0;
	r->endcode = ST_INTERNAL;
	if (json_str(j, json_member(j, 0, "code"), &s, &len) == 1)
		r->endcode = st_code_by_name(s, len);
	strlcpy(r->endtext, st_error(r->endcode)->text, sizeof(r->endtext));
	return 0;
}

static int
nd_line(struct hreq *r, char *p, size_t len)
{
	struct json	j;
	int		i;

	if (len > 0 && p[len - 1] == '\r')
		len--;
	if (len == 0)
		return 0;
	if (json_parse(&j, p, len, tokens, TOKENS_MAX) == -1 ||
	    json_type(&j, 0) != JSMN_OBJECT || r->ended)
		return -1;
	if (r->lines > 0 && (i = json_member(&j, 0, "end")) != -1)
		return nd_end(r, &j, i);
	if (r->lines == 0 && json_member(&j, 0, "header") == -1)
		return -1;
	/* the request may be gone when this returns */
	return r->line(r, &j, r->lines++ == 0);
}

/*
 * The lines that are whole.  A callback may cancel the request: then the
 * connection has none any more, and this returns at once.
 */
static int
nd_lines(struct hconn *c, const void *data, size_t len)
{
	struct hreq	*r = c->req;
	uint8_t		*p, *nl;
	size_t		 n;

	if (ibuf_add(&r->reply, data, len) == -1)
		return -1;
	while ((nl = memchr((p = ibuf_data(&r->reply)) + r->scanned, '\n',
	    ibuf_size(&r->reply) - r->scanned)) != NULL) {
		n = (size_t)(nl - p);
		r->scanned = 0;
		if (n > LINE_MAX_ND || nd_line(r, (char *)p, n) == -1)
			return -1;
		if (c->req != r)
			return 0;
		ibuf_drain(&r->reply, n + 1);
	}
	if (ibuf_size(&r->reply) > LINE_MAX_ND)
		return -1;
	r->scanned = ibuf_size(&r->reply);
	ibuf_compact(&r->reply);
	return 0;
}

static int
hconn_content(struct hconn *c, const void *data, size_t len)
{
	struct hreq *r = c->req;

	if (len == 0)
		return 0;
	if (r->status < 200 || r->status > 299) {
		if (ibuf_size(&r->reply) + len <= LINE_MAX_ND)
			(void)ibuf_add(&r->reply, data, len);
		return 0;
	}
	switch (r->answer) {
	case ANSWER_NDJSON:
		return nd_lines(c, data, len);
	case ANSWER_JSON:
		if (ibuf_size(&r->reply) + len > JSON_MAX)
			return -1;
		return ibuf_add(&r->reply, data, len);
	case ANSWER_BYTES:
		r->data(r, data, len);
		return 0;
	}
	return -1;
}

/* All of the answer has come. */
static void
hconn_complete(struct hconn *c)
{
	struct hreq	*r = c->req;
	struct json	 j;

	if (r->status < 200 || r->status > 299) {
		hconn_problem(c);
		return;
	}
	switch (r->answer) {
	case ANSWER_NDJSON:
		if (!r->ended)
			hconn_cut(c);
		else
			hconn_done(c, r->endcode, r->endtext, NULL);
		return;
	case ANSWER_JSON:
		if (ibuf_size(&r->reply) == 0) {
			hconn_done(c, ST_OK, "", NULL);
		} else if (json_parse(&j, (char *)ibuf_data(&r->reply),
		    ibuf_size(&r->reply), tokens, TOKENS_MAX) == -1) {
			hconn_fail(c, ST_NONSENSE, "answer is not JSON");
		} else
			hconn_done(c, ST_OK, "", &j);
		return;
	case ANSWER_BYTES:
		hconn_done(c, ST_OK, "", NULL);
		return;
	}
}

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
		if (done == -1 || hconn_content(c, d, dlen) == -1) {
			hconn_fail(c, ST_NONSENSE, "malformed answer");
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
		hconn_complete(c);
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
	r->status = h.status;
	r->retry_after = retry_after(&h);
	c->keep = h.keepalive;
	c->state = HC_BODY;
	http_body_init(&c->body, &h);
	tmo_start(&c->tmo, &answer_class);
	r->problem = is_problem(&h);
	/* 429 is about this request alone, 503 about all of them */
	if (h.status == 503 && r->retry_after > 0 && c->url != NULL)
		estorage_url_wait(c->st, c->url->id, r->retry_after);
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

static size_t
hconn_data(struct io *io, const uint8_t *p, size_t len)
{
	struct hconn	*c = io->arg;
	ssize_t		 n;
	size_t		 used = 0;

	if (c->tmo.class == &answer_class)
		tmo_start(&c->tmo, &answer_class);
	while (used < len && c->req != NULL) {
		if (c->state == HC_BODY)
			return used + hconn_body(c, p + used, len - used);
		n = hconn_head(c, p + used, len - used);
		if (n == -1) {
			hconn_fail(c, ST_NONSENSE, "malformed answer");
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
		hconn_complete(c);
	}
	r = c->req;
	tmo_stop(&c->tmo);
	if (c->used == 0 && r == NULL && c->url != NULL &&
	    io->flags & IO_HANDSHAKE)
		estorage_url_failed(st, c->url, why);
	if (c->state == HC_IDLE)
		TAILQ_REMOVE(&st->idle, c, entry);
	else
		TAILQ_REMOVE(&st->busy, c, entry);
	hconn_aside(c, 0);
	if (c->counted)
		st->nconns--;
	c->req = NULL;
	if (r != NULL)
		r->conn = NULL;
	if (r != NULL && hreq_repeatable(r, io->nout != c->before)) {
		st->retries++;
		hreq_queue(r, 1);
	} else if (r != NULL) {
		st->errors++;
		strlcpy(st->error, why, sizeof(st->error));
		hreq_finish(r, r->answered ? ST_CUT : ST_UNAVAILABLE,
		    r->answered ? st_error(ST_CUT)->text :
		    st_error(ST_UNAVAILABLE)->text, NULL);
	}
	free(c);
	hreq_dispatch(st);
}

static void
hconn_secured(struct io *io)
{
	struct hconn *c = io->arg;

	tmo_start(&c->tmo, &idle_class);
	hreq_dispatch(c->st);
}

static const struct io_ops hconn_ops = {
	.data = hconn_data,
	.drained = hconn_drained,
	.secured = hconn_secured,
	.closed = hconn_closed
};

/* sending */

/* So many random bytes in hex; got in stock, each time is a system call. */
static void
put_random(struct ibuf *b, size_t n)
{
	static const char	 hex[] = "0123456789abcdef";
	static uint8_t		 stock[RANDOM_STOCK];
	static size_t		 left;
	char			*p;

	if (left < n) {
		arc4random_buf(stock, sizeof(stock));
		left = sizeof(stock);
	}
	if ((p = ibuf_reserve(b, n * 2)) == NULL)
		return;
	for (; n > 0; n--) {
		left--;
		*p++ = hex[stock[left] >> 4];
		*p++ = hex[stock[left] & 0xf];
	}
}

/* W3C Trace Context: a trace of its own for each request. */
static void
hreq_trace(struct ibuf *b)
{
	(void)ibuf_adds(b, "Traceparent: 00-");
	put_random(b, 16);
	(void)ibuf_adds(b, "-");
	put_random(b, 8);
	(void)ibuf_adds(b, "-01\r\n");
}

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
	hreq_trace(b);
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

static void
hconn_give(struct hconn *c, struct hreq *r)
{
	struct ibuf *out = io_out(&c->io);

	TAILQ_REMOVE(&c->st->idle, c, entry);
	TAILQ_INSERT_TAIL(&c->st->busy, c, entry);
	c->req = r;
	c->state = HC_HEAD;
	r->conn = c;
	r->tries++;
	c->before = c->io.nout;
	r->ended = r->answered = 0;
	r->lines = 0;
	r->scanned = 0;
	r->url = c->url->id;
	ibuf_drain(&r->reply, ibuf_size(&r->reply));
	c->keep = 1;
	c->unsent = r->streams;
	if (r->endless && c->counted) {
		c->counted = 0;
		c->st->nconns--;
	}
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
			hreq_dispatch(r->st);
	} else {
		hconn_aside(c, 0);
		io_resume(&c->io);
		tmo_start(&c->tmo, &answer_class);
	}
}

/* the pool */

void
hconn_new(struct estorage *st, struct eurl *u, int fd)
{
	struct hconn *c;

	if ((c = calloc(1, sizeof(*c))) == NULL ||
	    io_init(&c->io, fd, &hconn_ops, c) == -1)
		fatal("connection");
	c->st = st;
	c->url = u;
	c->keep = c->counted = 1;
	c->io.inmax = HTTP_HEAD_MAX * 2;
	c->io.high = STREAM_HIGH;
	c->state = HC_IDLE;
	st->nconns++;
	TAILQ_INSERT_HEAD(&st->idle, c, entry);
	tmo_start(&c->tmo, &idle_class);
	io_last_word(&c->io);
	if (u->kind == URL_HTTPS) {
		tmo_start(&c->tmo, &answer_class);
		(void)io_tls_client(&c->io, st->tls, u->host);
	}
	io_resume(&c->io);
	hreq_dispatch(st);
}

/* Idle ones end, busy ones after their answer: their url is gone. */
void
hconn_close_idle(struct estorage *st)
{
	struct hconn *c;

	TAILQ_FOREACH(c, &st->busy, entry)
		c->url = NULL;
	TAILQ_FOREACH(c, &st->idle, entry) {
		c->url = NULL;
		io_abort(&c->io, "configuration changed");
	}
}

uint32_t
hconn_busy(const struct estorage *st)
{
	const struct hconn	*c;
	uint32_t		 n = 0;

	TAILQ_FOREACH(c, &st->busy, entry)
		n++;
	return n;
}

static struct hconn *
hconn_free_one(struct estorage *st)
{
	struct hconn *c;

	TAILQ_FOREACH(c, &st->idle, entry)
		if (c->url != NULL && c->url->wait_until <= tmo_now() &&
		    (c->io.flags & (IO_DEAD | IO_CLOSING |
		    IO_HANDSHAKE)) == 0)
			return c;
	return NULL;
}

int
hconn_any(const struct estorage *st)
{
	const struct hconn *c;

	TAILQ_FOREACH(c, &st->idle, entry)
		if (c->url != NULL && c->url->wait_until <= tmo_now() &&
		    (c->io.flags & IO_DEAD) == 0)
			return 1;
	TAILQ_FOREACH(c, &st->busy, entry)
		if (c->url != NULL && c->url->wait_until <= tmo_now() &&
		    c->req != NULL && !c->req->endless && !c->req->paused)
			return 1;
	return 0;
}

static struct hreq *
hreq_next(struct estorage *st)
{
	struct hreq	*r;
	struct hqueue	*q;

	if ((r = TAILQ_FIRST(&st->critical)) != NULL)
		return r;
	if (st->state != STORAGE_UP || (q = TAILQ_FIRST(&st->turns)) == NULL)
		return NULL;
	return TAILQ_FIRST(&q->reqs);
}

/* The session whose turn this was is the last one now. */
static void
hreq_turn_over(struct hreq *r)
{
	if (r->queue == NULL)
		return;
	TAILQ_REMOVE(&r->st->turns, r->queue, turn);
	TAILQ_INSERT_TAIL(&r->st->turns, r->queue, turn);
}

/* All are busy: does one of them only wait for a slow client? */
static void
hconn_set_aside(struct estorage *st)
{
	struct hconn *c;

	TAILQ_FOREACH(c, &st->busy, entry)
		if (c->counted && c->req != NULL && c->req->paused) {
			hconn_aside(c, 1);
			return;
		}
}

void
hreq_dispatch(struct estorage *st)
{
	struct hreq	*r;
	struct hconn	*c;

	while ((r = hreq_next(st)) != NULL) {
		if ((c = hconn_free_one(st)) == NULL) {
			if (st->nconns + st->connecting >= elimits.pool)
				hconn_set_aside(st);
			estorage_connect(st);
			return;
		}
		hreq_turn_over(r);
		hreq_unqueue(r);
		hconn_give(c, r);
	}
	if (st->nwaiting > 0)
		estorage_ask(st);
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
	struct hconn *c = hconn_of(t);

	if (c->req == NULL) {
		io_abort(&c->io, "no TLS handshake in time");
		return;
	}
	if (c->req->endless && c->req->answered)
		return;
	log_debug("storage %s: no answer to %s %.*s", c->st->name,
	    c->req->method, (int)ibuf_size(&c->req->target),
	    ibuf_data(&c->req->target));
	io_abort(&c->io, "no answer in time");
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

static void
idle_fired(struct tmo *t)
{
	struct hconn *c = hconn_of(t);

	io_abort(&c->io, "idle");
}

void
hreq_init(void)
{
	tmo_class_init(&wait_class, 30, wait_fired);
	tmo_class_init(&answer_class, 30, answer_fired);
	tmo_class_init(&continue_class, CONTINUE_SECS, continue_fired);
	tmo_class_init(&idle_class, IDLE_SECS, idle_fired);
}

void
hreq_limits(void)
{
	tmo_class_set(&wait_class, (int)elimits.t_backend);
	tmo_class_set(&answer_class, (int)elimits.t_backend);
}
