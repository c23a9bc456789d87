/*
 * The URLs of a storage: connections by them, and a circuit breaker for
 * each, so that one that does not work costs nobody time.
 *
 * closed: it works, for all that is known.  Connections are made by the
 * first URL that is closed.
 * open: it failed so often that nothing is sent to it; the others are, or
 * requests fail at once.
 * half-open: its service document is asked for, after a while that becomes
 * longer each time.  If it answers, the breaker is closed.
 *
 * Where there are several URLs, those that are not in use are asked for the
 * document now and then, so that a fail-over leads to one that works.
 */
#include <sys/types.h>
#include <sys/time.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <event.h>

#include "engine.h"
#include "log.h"
#include "slots.h"

#define BACKOFF_MIN	1000	/* milliseconds an open one is left alone */
#define BACKOFF_MAX	30000
#define FAILURES_MAX	5	/* in a row, then it is open */
#define FRESH_SECS	5	/* so long an answer shows that it serves */
#define PROBE_SECS	10	/* for a probe, its connection too */
#define WAIT_MAX	60	/* seconds of a Retry-After that count */

/* A connection that the connector was asked for. */
struct wanted {
	uint32_t	 req;
	uint32_t	 gen;		/* of the connector */
	uint16_t	 storage;
	uint16_t	 url;
	int		 probe;		/* not for the pool */
	int		 obsolete;	/* the url is another one by now */
};

static struct slots	wanted;
static struct tmo_class	probe_class;

static void	eurl_closed(struct eurl *);
static void	eurl_probe_stop(struct eurl *);
static void	eurl_probe_failed(struct eurl *, const char *, uint32_t);

static struct eurl *
eurl_find(const struct estorage *st, int id)
{
	struct eurl *u;

	TAILQ_FOREACH(u, &st->urls, entry)
		if (u->id == id)
			return u;
	return NULL;
}

void
eurl_text(const struct eurl *u, char *buf, size_t len)
{
	static const char *const scheme[] = { "http://", "https://",
	    "unix:" };

	if (u->kind == URL_UNIX)
		snprintf(buf, len, "unix:%s%s%s", u->sock,
		    *u->path != '\0' ? ":" : "", u->path);
	else
		snprintf(buf, len, strchr(u->host, ':') != NULL ?
		    "%s[%s]:%u%s" : "%s%s:%u%s", scheme[u->kind], u->host,
		    u->port, u->path);
}

const char *
eurl_state_text(const struct eurl *u)
{
	static const char *const names[] = { "closed", "open", "half-open" };

	return names[u->state];
}

static void
eurl_log(const struct eurl *u, const char *what, const char *why)
{
	char text[512];

	eurl_text(u, text, sizeof(text));
	if (u->state == URL_OPEN)
		log_warnx("storage %s: %s is %s: %s", u->st->name, text, what,
		    why);
	else
		log_info("storage %s: %s is %s", u->st->name, text, what);
}

/* which one is used */

static int
eurl_usable(const struct eurl *u)
{
	return u->state == URL_CLOSED && u->known &&
	    u->wait_until <= tmo_now();
}

static int
eurl_connectable(const struct eurl *u)
{
	return eurl_usable(u) && u->refused_until <= tmo_now();
}

/* Is one being looked at for the first time? */
static int
eurl_coming(const struct estorage *st)
{
	const struct eurl *u;

	TAILQ_FOREACH(u, &st->urls, entry)
		if (u->state == URL_CLOSED && u->probe != NULL && !u->known)
			return 1;
	return 0;
}

struct eurl *
eurl_current(const struct estorage *st)
{
	struct eurl *u;

	TAILQ_FOREACH(u, &st->urls, entry)
		if (eurl_connectable(u))
			return u;
	return NULL;
}

int
eurl_serves(const struct eurl *u)
{
	const struct eurl *first = eurl_current(u->st);

	/* what is connected serves also while no more can be */
	return eurl_usable(u) && (first == NULL || u->rank <= first->rank);
}

/* The second that runs does not count, so that it is not less. */
time_t
eurl_until(uint32_t secs)
{
	return tmo_now() + 1 + (secs < WAIT_MAX ? secs : WAIT_MAX);
}

void
eurl_wait(struct eurl *u, uint32_t secs)
{
	u->wait_until = eurl_until(secs);
}

/* probes */

static void
eurl_schedule(struct eurl *u, uint32_t ms)
{
	struct timeval tv;

	/* not all engines at the same time, nor all URLs */
	ms = ms - ms / 4 + arc4random_uniform(ms / 2 + 1);
	tv.tv_sec = ms / 1000;
	tv.tv_usec = (ms % 1000) * 1000;
	u->probe_at = tmo_now() + (time_t)((ms + 999) / 1000);
	if (u->timed)
		evtimer_del(&u->timer);
	u->timed = 1;
	evtimer_add(&u->timer, &tv);
}

/* The next look at one that is closed; a single one is always in use. */
static void
eurl_schedule_health(struct eurl *u)
{
	if (u->st->health > 0 && TAILQ_NEXT(TAILQ_FIRST(&u->st->urls),
	    entry) != NULL)
		eurl_schedule(u, u->st->health * 1000);
}

static void
eurl_ask(struct eurl *u, int probe)
{
	struct proc_peer	*p = proc_find(ROLE_CONNECTOR, 0);
	struct m_connect_req	 m;
	struct wanted		*w;

	if (p == NULL)
		return;
	if ((w = calloc(1, sizeof(*w))) == NULL)
		fatal(NULL);
	w->storage = m.storage = u->st->id;
	w->url = m.url = u->id;
	w->gen = p->gen;
	w->probe = probe;
	if ((w->req = slots_add(&wanted, w)) == 0)
		fatalx("too many connections asked for");
	if (probe)
		u->asked = 1;
	else
		u->st->connecting++;
	proc_send(p, M_connect_req, 0, w->req, -1, &m);
}

static void
probe_done(struct hreq *r, enum st_code code, const char *text,
    struct json *j)
{
	struct eurl	*u = r->arg;
	const char	*why = text;

	u->probe = NULL;
	if (code == ST_OK && (why = estorage_doc_bad(u, j)) == NULL) {
		eurl_closed(u);
		estorage_doc(u, j);
		/* it goes on being the one that waits */
		if (!eurl_serves(u))
			epool_drop(u);
		epool_dispatch(u->st);
	} else
		eurl_probe_failed(u, why, r->retry_after);
}

static void
probe_fired(struct tmo *t)
{
	struct hreq	*r = hreq_of(t);
	struct eurl	*u = r->arg;

	eurl_probe_stop(u);
	eurl_probe_failed(u, "no answer in time", 0);
}

void
eurl_probe(struct eurl *u)
{
	struct hreq *r;

	if (u->probe != NULL)
		return;
	u->probe = r = hreq_new(u->st, "GET", ANSWER_JSON);
	r->probe = 1;
	r->done = probe_done;
	r->arg = u;
	(void)ibuf_adds(&r->target, "/");
	u->probed = tmo_now();
	tmo_start(&r->tmo, &probe_class);
	eurl_ask(u, 1);
}

static void
eurl_probe_stop(struct eurl *u)
{
	if (u->probe == NULL)
		return;
	if (u->probe->conn != NULL)
		hreq_cancel(u->probe);
	else
		hreq_discard(u->probe);
	u->probe = NULL;
	u->asked = 0;
}

static void
eurl_fired(int fd, short ev, void *arg)
{
	struct eurl *u = arg;

	u->timed = 0;
	u->probe_at = 0;
	if (u->state == URL_OPEN) {
		u->state = URL_HALF_OPEN;
		log_debug("storage %s: url %u is half-open", u->st->name,
		    u->id);
		eurl_probe(u);
	} else if (u->state == URL_CLOSED) {
		if (eurl_current(u->st) != u)
			eurl_probe(u);
		else
			eurl_schedule_health(u);
	}
}

/* the breaker */

static void
eurl_back_off(struct eurl *u, uint32_t secs)
{
	uint32_t ms;

	u->backoff = u->backoff == 0 ? BACKOFF_MIN : u->backoff * 2;
	if (u->backoff > BACKOFF_MAX)
		u->backoff = BACKOFF_MAX;
	ms = (secs < WAIT_MAX ? secs : WAIT_MAX) * 1000;
	/* a word of its own counts in full: the jitter takes a quarter */
	ms += ms / 3;
	eurl_schedule(u, ms > u->backoff ? ms : u->backoff);
}

static void
eurl_open(struct eurl *u, const char *why, uint32_t secs)
{
	enum eurl_state was = u->state;

	strlcpy(u->error, why, sizeof(u->error));
	strlcpy(u->st->error, why, sizeof(u->st->error));
	u->state = URL_OPEN;
	eurl_back_off(u, secs);
	epool_drop(u);
	if (was != URL_CLOSED) {
		log_debug("storage %s: url %u stays open: %s", u->st->name,
		    u->id, why);
		return;
	}
	u->opened++;
	eurl_log(u, "open", why);
	estorage_lost(u->st, why);
}

static void
eurl_closed(struct eurl *u)
{
	enum eurl_state was = u->state;

	u->state = URL_CLOSED;
	u->known = 1;
	u->failures = 0;
	u->backoff = 0;
	u->wait_until = u->refused_until = 0;
	u->error[0] = '\0';
	eurl_schedule_health(u);
	if (was != URL_CLOSED)
		eurl_log(u, "closed", "");
}

static void
eurl_probe_failed(struct eurl *u, const char *why, uint32_t secs)
{
	u->failures++;
	u->st->errors++;
	eurl_open(u, why, secs);
}

void
eurl_answered(struct eurl *u)
{
	u->failures = 0;
	u->mishap[0] = '\0';
	u->answered = tmo_now();
}

void
eurl_failure(struct eurl *u, const char *why)
{
	u->failures++;
	if (u->state == URL_CLOSED && u->failures >= FAILURES_MAX)
		eurl_open(u, why, 0);
}

/* Connections that break together are one failure, not one each. */
void
eurl_cut(struct eurl *u, uint64_t made, const char *why)
{
	if (made < u->cut)
		return;
	u->cut = ++u->made;
	eurl_failure(u, why);
}

void
eurl_unreached(struct eurl *u, const char *why)
{
	struct estorage *st = u->st;

	st->errors++;
	strlcpy(st->error, why, sizeof(st->error));
	u->failures++;
	if (u->state != URL_CLOSED)
		return;
	/* it may just have as many connections as it wants */
	if (u->answered + FRESH_SECS >= tmo_now() && epool_alive(u)) {
		u->refused_until = tmo_now() + 1;
		log_debug("storage %s: url %u: %s", st->name, u->id, why);
		epool_dispatch(st);
		return;
	}
	eurl_open(u, why, 0);
}

/* connections */

void
eurl_connect(struct estorage *st)
{
	struct eurl *u;

	if (st->stale || st->connecting >= st->nwaiting)
		return;
	if (st->nconns + st->connecting >= elimits.pool) {
		epool_evict(st);
		return;
	}
	if ((u = eurl_current(st)) != NULL) {
		eurl_ask(u, 0);
		return;
	}
	/* what is connected already may still serve what waits */
	if (!epool_any(st) && !eurl_coming(st))
		epool_fail(st, ST_UNAVAILABLE,
		    st_error(ST_UNAVAILABLE)->text);
}

/* Takes the question that an answer belongs to off the books. */
static struct estorage *
wanted_done(uint32_t req, struct eurl **u, int *probe)
{
	struct wanted	*w = slots_get(&wanted, req);
	struct estorage	*st;

	*u = NULL;
	*probe = 0;
	if (w == NULL)
		return NULL;
	*probe = w->probe;
	if ((st = estorage_any(w->storage)) != NULL) {
		if (!w->probe)
			st->connecting--;
		if (!w->obsolete && !st->stale)
			*u = eurl_find(st, w->url);
	}
	slots_del(&wanted, req);
	free(w);
	/* one that was given up meanwhile: nobody wants the connection */
	if (*probe && *u != NULL) {
		if (!(*u)->asked || (*u)->probe == NULL)
			*u = NULL;
		else
			(*u)->asked = 0;
	}
	return st;
}

void
eurl_connected(struct proc_peer *p, struct imsg *msg, const void *arg)
{
	struct estorage	*st;
	struct eurl	*u;
	int		 fd = imsg_get_fd(&p->ib, msg), probe;

	if (fd == -1) {
		proc_violation(p, msg->type, "no descriptor");
		return;
	}
	st = wanted_done(msg->req, &u, &probe);
	if (st == NULL || u == NULL) {
		close(fd);
		if (st != NULL)
			epool_dispatch(st);
		return;
	}
	u->refused_until = 0;
	hconn_new(u, fd, probe ? u->probe : NULL);
}

void
eurl_connect_failed(struct proc_peer *p, struct imsg *msg, const void *arg)
{
	const struct m_connect_fail	*m = arg;
	struct estorage			*st;
	struct eurl			*u;
	int				 probe;

	st = wanted_done(msg->req, &u, &probe);
	if (st != NULL && u != NULL && probe) {
		eurl_probe_stop(u);
		eurl_probe_failed(u, m->text, 0);
	} else if (st != NULL && u != NULL)
		eurl_unreached(u, m->text);
	else if (st != NULL)
		epool_dispatch(st);
}

void
eurl_connector_up(void)
{
	struct estorage	*st;
	struct eurl	*u;

	TAILQ_FOREACH(st, &estorages, entry) {
		TAILQ_FOREACH(u, &st->urls, entry)
			if (u->probe != NULL && u->probe->conn == NULL &&
			    !u->asked)
				eurl_ask(u, 1);
		epool_dispatch(st);
	}
}

/*
 * What the connector was asked for is lost with it: ask its successor, which
 * may have come before we saw that it is gone.
 */
void
eurl_connector_down(struct proc_peer *p)
{
	struct wanted	*w;
	struct eurl	*u;
	uint32_t	 i = 0;
	int		 probe;

	while ((w = slots_each(&wanted, &i)) != NULL)
		if (w->gen == p->gen)
			(void)wanted_done(w->req, &u, &probe);
	eurl_connector_up();
}

/* configuration */

struct eurl *
eurl_new(struct estorage *st, const struct m_conf_url *m)
{
	struct eurl *u, *last = TAILQ_LAST(&st->urls, eurls);

	if ((u = calloc(1, sizeof(*u))) == NULL ||
	    (u->host = strdup(m->host)) == NULL ||
	    (u->path = strdup(m->path)) == NULL ||
	    (u->sock = strdup(m->sock)) == NULL)
		fatal(NULL);
	u->st = st;
	u->id = m->id;
	u->kind = m->kind;
	u->port = m->port;
	u->rank = last != NULL ? last->rank + 1 : 0;
	evtimer_set(&u->timer, eurl_fired, u);
	TAILQ_INSERT_TAIL(&st->urls, u, entry);
	return u;
}

/* From now on they are these; what ran for the others ends. */
void
eurl_take(struct estorage *st, struct estorage *from)
{
	struct wanted	*w;
	struct eurl	*u;
	uint32_t	 i = 0;

	while ((w = slots_each(&wanted, &i)) != NULL)
		if (w->storage == st->id)
			w->obsolete = 1;
	eurl_free_all(st);
	while ((u = TAILQ_FIRST(&from->urls)) != NULL) {
		TAILQ_REMOVE(&from->urls, u, entry);
		TAILQ_INSERT_TAIL(&st->urls, u, entry);
		u->st = st;
	}
}

/* Nobody is to look at these any more. */
void
eurl_stop_all(struct estorage *st)
{
	struct eurl *u;

	TAILQ_FOREACH(u, &st->urls, entry) {
		eurl_probe_stop(u);
		if (u->timed)
			evtimer_del(&u->timer);
		u->timed = 0;
	}
}

/* None is used that was not looked at once. */
void
eurl_watch(struct estorage *st)
{
	struct eurl *u;

	TAILQ_FOREACH(u, &st->urls, entry)
		if (u->state == URL_CLOSED && !u->known)
			eurl_probe(u);
}

void
eurl_free_all(struct estorage *st)
{
	struct eurl *u;

	eurl_stop_all(st);
	while ((u = TAILQ_FIRST(&st->urls)) != NULL) {
		TAILQ_REMOVE(&st->urls, u, entry);
		free(u->host);
		free(u->path);
		free(u->sock);
		free(u);
	}
}

void
eurl_init(void)
{
	slots_init(&wanted);
	tmo_class_init(&probe_class, PROBE_SECS, probe_fired);
}

void
eurl_limits(void)
{
	tmo_class_set(&probe_class, elimits.t_backend < PROBE_SECS ?
	    (int)elimits.t_backend : PROBE_SECS);
}
