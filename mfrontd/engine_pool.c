/*
 * A storage's connections and what waits for them: which request is the
 * next, and on which connection.  Sessions take turns; a connection whose
 * client is slow does not count.
 */
#include <sys/types.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "engine_http.h"
#include "log.h"

#define IDLE_SECS	60	/* a connection nobody uses is closed */
#define ASIDE_POOLS	3	/* pools' worth of connections set aside */

static struct tmo_class	wait_class, idle_class;

static struct hconn *epool_free_one(struct estorage *);

/* what waits */

static int
hqueue_cmp(const struct hqueue *a, const struct hqueue *b)
{
	return strcmp(a->session, b->session);
}

RB_PROTOTYPE_STATIC(hqueues, hqueue, entry, hqueue_cmp)
RB_GENERATE_STATIC(hqueues, hqueue, entry, hqueue_cmp)

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

	hqueue_remove(st, r->queue, r);
	r->queue = NULL;
	st->nwaiting--;
	tmo_stop(&r->tmo);
}

void
hreq_queue(struct hreq *r, int first)
{
	r->queue = hqueue_get(r->st, r->session);
	if (first)
		TAILQ_INSERT_HEAD(&r->queue->reqs, r, entry);
	else
		TAILQ_INSERT_TAIL(&r->queue->reqs, r, entry);
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
	if (st->nwaiting == 0 && st->state == STORAGE_UP &&
	    (c = epool_free_one(st)) != NULL) {
		hconn_give(c, r);
		return;
	}
	hreq_queue(r, 0);
	epool_dispatch(st);
}

void
hreq_cancel(struct hreq *r)
{
	struct hconn *c = r->conn;

	if (c == NULL)
		hreq_unqueue(r);
	else {
		etrace_end(r, ST_OK, "cancelled");
		/* what is still to come of the answer is nobody's */
		c->req = c->reserved = NULL;
		io_abort(&c->io, "cancelled");
	}
	hreq_discard(r);
}

/* One that waits since before a certain one was submitted. */
static struct hreq *
hreq_since(struct estorage *st, uint64_t serial)
{
	struct hqueue	*q;
	struct hreq	*r;

	TAILQ_FOREACH(q, &st->turns, turn)
		if ((r = TAILQ_FIRST(&q->reqs))->serial <= serial)
			return r;
	return NULL;
}

/* What callbacks submit meanwhile is left alone. */
void
epool_fail(struct estorage *st, enum st_code code, const char *text)
{
	uint64_t	 serial = st->serial;
	struct hreq	*r;

	while ((r = hreq_since(st, serial)) != NULL) {
		hreq_unqueue(r);
		st->errors++;
		hreq_finish(r, code, text, NULL);
	}
}

struct hreq *
hreq_of(struct tmo *t)
{
	return (struct hreq *)(void *)((char *)t -
	    offsetof(struct hreq, tmo));
}

static void
wait_fired(struct tmo *t)
{
	struct hreq *r = hreq_of(t);

	r->st->errors++;
	hreq_unqueue(r);
	hreq_finish(r, ST_UNAVAILABLE, st_error(ST_UNAVAILABLE)->text, NULL);
}

/* connections */

/* It lies idle, so long as nobody uses it. */
void
epool_wait(struct hconn *c)
{
	tmo_start(&c->tmo, &idle_class);
}

/* A new one; that of a probe counts when it is over. */
void
epool_add(struct hconn *c)
{
	if (c->reserved == NULL) {
		c->counted = 1;
		c->st->nconns++;
	}
	TAILQ_INSERT_HEAD(&c->st->idle, c, entry);
	epool_wait(c);
}

/* It is no more. */
void
epool_remove(struct hconn *c)
{
	struct estorage *st = c->st;

	if (c->state == HC_IDLE)
		TAILQ_REMOVE(&st->idle, c, entry);
	else
		TAILQ_REMOVE(&st->busy, c, entry);
	epool_aside(c, 0);
	if (c->counted)
		st->nconns--;
}

/* An idle one gets a request; one for ever does not count. */
void
epool_use(struct hconn *c, int forever)
{
	TAILQ_REMOVE(&c->st->idle, c, entry);
	TAILQ_INSERT_TAIL(&c->st->busy, c, entry);
	if (forever && c->counted) {
		c->counted = 0;
		c->st->nconns--;
	}
}

/*
 * A connection whose client is slow is set aside: it stays, but the pool
 * does not count it, or some slow clients could have it all.
 */
void
epool_aside(struct hconn *c, int on)
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

void
epool_idle(struct hconn *c)
{
	if (!c->counted) {
		c->counted = 1;
		c->st->nconns++;
	}
	c->state = HC_IDLE;
	c->req = NULL;
	/* the last bytes may have come while it was paused */
	io_resume(&c->io);
	TAILQ_REMOVE(&c->st->busy, c, entry);
	TAILQ_INSERT_HEAD(&c->st->idle, c, entry);
	epool_wait(c);
}

/* Idle ones end, busy ones after their answer: their url is gone. */
void
epool_close(struct estorage *st)
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
epool_busy(const struct estorage *st)
{
	const struct hconn	*c;
	uint32_t		 n = 0;

	TAILQ_FOREACH(c, &st->busy, entry)
		n++;
	return n;
}

static int
epool_ready(const struct hconn *c)
{
	return c->url != NULL && c->reserved == NULL &&
	    (c->io.flags & (IO_DEAD | IO_CLOSING)) == 0;
}

static struct hconn *
epool_free_one(struct estorage *st)
{
	struct hconn *c;

	TAILQ_FOREACH(c, &st->idle, entry)
		if (epool_ready(c) && (c->io.flags & IO_HANDSHAKE) == 0 &&
		    eurl_serves(c->url))
			return c;
	return NULL;
}

int
epool_any(const struct estorage *st)
{
	const struct hconn *c;

	TAILQ_FOREACH(c, &st->idle, entry)
		if (epool_ready(c) && eurl_serves(c->url))
			return 1;
	TAILQ_FOREACH(c, &st->busy, entry)
		if (c->url != NULL && eurl_serves(c->url) &&
		    c->req != NULL && !c->req->endless && !c->req->paused)
			return 1;
	return 0;
}

int
epool_alive(const struct eurl *u)
{
	const struct hconn *c;

	TAILQ_FOREACH(c, &u->st->idle, entry)
		if (c->url == u && epool_ready(c) &&
		    (c->io.flags & IO_HANDSHAKE) == 0)
			return 1;
	TAILQ_FOREACH(c, &u->st->busy, entry)
		if (c->url == u && epool_ready(c))
			return 1;
	return 0;
}

void
epool_drop(struct eurl *u)
{
	struct hconn *c;

	TAILQ_FOREACH(c, &u->st->idle, entry)
		if (c->url == u && epool_ready(c))
			io_abort(&c->io, "not used any more");
}

void
epool_evict(struct estorage *st)
{
	struct hconn *c;

	TAILQ_FOREACH(c, &st->idle, entry)
		if (epool_ready(c) && !eurl_serves(c->url)) {
			io_abort(&c->io, "another URL is preferred");
			return;
		}
}

static struct hreq *
hreq_next(struct estorage *st)
{
	struct hqueue *q;

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
epool_set_aside(struct estorage *st)
{
	struct hconn *c;

	TAILQ_FOREACH(c, &st->busy, entry)
		if (c->counted && c->req != NULL && c->req->paused) {
			epool_aside(c, 1);
			return;
		}
}

void
epool_dispatch(struct estorage *st)
{
	struct hreq	*r;
	struct hconn	*c;

	while ((r = hreq_next(st)) != NULL) {
		if ((c = epool_free_one(st)) == NULL) {
			if (st->nconns + st->connecting >= elimits.pool)
				epool_set_aside(st);
			eurl_connect(st);
			return;
		}
		hreq_turn_over(r);
		hreq_unqueue(r);
		hconn_give(c, r);
	}
	if (st->nwaiting > 0)
		estorage_ask(st);
}

void
epool_storage_init(struct estorage *st)
{
	TAILQ_INIT(&st->idle);
	TAILQ_INIT(&st->busy);
	TAILQ_INIT(&st->turns);
	RB_INIT(&st->queues);
}

static void
idle_fired(struct tmo *t)
{
	struct hconn *c = (struct hconn *)(void *)((char *)t -
	    offsetof(struct hconn, tmo));

	io_abort(&c->io, "idle");
}

void
epool_init(void)
{
	tmo_class_init(&wait_class, 30, wait_fired);
	tmo_class_init(&idle_class, IDLE_SECS, idle_fired);
}

void
epool_limits(void)
{
	tmo_class_set(&wait_class, (int)elimits.t_backend);
}
