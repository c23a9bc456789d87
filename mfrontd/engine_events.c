/*
 * The event stream of a storage: one endless answer that says which
 * mailboxes changed.  While it lives, listeners need not ask.
 *
 * Its epoch is a number that a mirror in a listener was filled under; no
 * stream is epoch 0, and then nothing is proven.  A stream that goes on
 * where the last one broke off (since=cursor) has the same epoch, since
 * nothing was missed; any other is a new one.
 */
#include <sys/types.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "log.h"

#define HEARTBEAT_SECS	30	/* two missed */
#define AGAIN_SECS	1	/* before the stream is asked for again */

static struct tmo_class	heartbeat_class, again_class;

static struct estorage *
storage_of(struct tmo *t)
{
	return (struct estorage *)(void *)((char *)t -
	    offsetof(struct estorage, heartbeat));
}

static void
take_cursor(struct estorage *st, struct json *j)
{
	const char	*s;
	size_t		 len;
	char		*c;

	if (json_str(j, json_member(j, 0, "cursor"), &s, &len) != 1 ||
	    len > 1024)
		return;
	if ((c = strndup(s, len)) == NULL)
		fatal(NULL);
	free(st->cursor);
	st->cursor = c;
}

/* To each process that serves the account, once; but for one of them. */
static void
tell_account(struct account *a, const char *mailbox, uint64_t modseq,
    const struct epeer *but)
{
	static uint32_t	 serial;
	struct m_st_event m;
	struct grant	*g;

	serial++;
	m.acct = a->acct;
	m.mailbox = mailbox;
	m.modseq = modseq;
	TAILQ_FOREACH(g, &a->grants, byaccount) {
		if (g->peer == but || g->peer->told == serial ||
		    g->peer->peer == NULL ||
		    g->peer->peer->role != ROLE_IMAP)
			continue;
		g->peer->told = serial;
		proc_send(g->peer->peer, M_st_event, 0, 0, -1, &m);
		if (but != NULL)
			proc_first(g->peer->peer);
	}
}

static int
events_change(struct estorage *st, struct json *j, int acc)
{
	const char	*s;
	char		 name[512], mailbox[256] = "";
	size_t		 len;
	uint64_t	 modseq = 0;
	struct account	*a;
	int		 r;

	if (json_str(j, acc, &s, &len) != 1)
		return -1;
	/* nobody can have logged in to one with such a name */
	if (len >= sizeof(name))
		return 0;
	memcpy(name, s, len);
	name[len] = '\0';
	r = json_str(j, json_member(j, 0, "mailbox"), &s, &len);
	if (r == -1 || (r == 1 && len >= sizeof(mailbox)))
		return -1;
	if (r == 1) {
		memcpy(mailbox, s, len);
		mailbox[len] = '\0';
	}
	if (json_u64(j, json_member(j, 0, "modseq"), UINT64_MAX,
	    &modseq) == -1)
		return -1;
	st->nevents++;
	if ((a = account_find(st->id, name)) != NULL)
		tell_account(a, mailbox, modseq, NULL);
	return 0;
}

/*
 * The storage's own word may come behind its answer: what a client was told
 * is done, a client of another process must not miss.
 */
void
eevents_own(struct ereq *e, struct account *a, const struct m_st_change *c)
{
	if (c->modseq == 0 || c->modseq != c->before)
		tell_account(a, c->mailbox, c->modseq, e->peer);
}

void
eevents_own_list(struct ereq *e)
{
	tell_account(e->account, "", 0, e->peer);
}

static int
events_line(struct hreq *r, struct json *j, int header)
{
	struct estorage	*st = r->st;
	const char	*s;
	size_t		 len;
	int		 i, resumed;

	tmo_start(&st->heartbeat, &heartbeat_class);
	if (header) {
		/* a stream that goes on where we were repeats our cursor */
		resumed = st->cursor != NULL && st->last_epoch != 0 &&
		    json_str(j, json_member(j, 0, "cursor"), &s, &len) == 1 &&
		    strlen(st->cursor) == len &&
		    memcmp(st->cursor, s, len) == 0;
		take_cursor(st, j);
		if (!resumed)
			st->last_epoch++;
		st->epoch = st->last_epoch;
		estorage_tell(st, NULL);
		return 0;
	}
	if ((i = json_member(j, 0, "account")) != -1 &&
	    events_change(st, j, i) == -1)
		return -1;
	take_cursor(st, j);
	return 0;
}

static void
events_lost(struct estorage *st)
{
	st->events = NULL;
	tmo_stop(&st->heartbeat);
	if (st->epoch != 0) {
		st->epoch = 0;
		st->nresets++;
		estorage_tell(st, NULL);
	}
}

static void
events_done(struct hreq *r, enum st_code code, const char *text,
    struct json *j)
{
	struct estorage *st = r->st;

	log_debug("storage %s: events: %s", st->name, text);
	events_lost(st);
	/* what it does not understand can be another program's by now */
	if (code == ST_CURSOR_TOO_OLD || code == ST_BAD_REQUEST) {
		free(st->cursor);
		st->cursor = NULL;
	}
	if (!st->stale && estorage_has(st, CAP_EVENTS))
		tmo_start(&st->heartbeat, &again_class);
}

/* Silence: what was promised every 15 seconds did not come twice. */
static void
heartbeat_fired(struct tmo *t)
{
	struct estorage *st = storage_of(t);

	log_debug("storage %s: events are silent", st->name);
	if (st->events != NULL)
		hreq_cancel(st->events);
	events_lost(st);
	eevents_start(st);
}

static void
again_fired(struct tmo *t)
{
	eevents_start(storage_of(t));
}

void
eevents_start(struct estorage *st)
{
	struct hreq *r;

	if (st->events != NULL || st->stale || !estorage_has(st, CAP_EVENTS))
		return;
	r = hreq_new(st, "GET", ANSWER_NDJSON);
	(void)ibuf_adds(&r->target, "/events");
	if (st->cursor != NULL) {
		(void)ibuf_adds(&r->target, "?since=");
		(void)http_pct_encode(&r->target, st->cursor);
	}
	r->endless = 1;
	r->line = events_line;
	r->done = events_done;
	st->events = r;
	hreq_submit(r);
}

/* Of a storage that is no more, or that is another from now on. */
void
eevents_stop(struct estorage *st)
{
	if (st->events != NULL)
		hreq_cancel(st->events);
	events_lost(st);
	free(st->cursor);
	st->cursor = NULL;
}

void
eevents_init(void)
{
	tmo_class_init(&heartbeat_class, HEARTBEAT_SECS, heartbeat_fired);
	tmo_class_init(&again_class, AGAIN_SECS, again_fired);
}
