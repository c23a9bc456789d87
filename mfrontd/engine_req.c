/*
 * A listener's request, from its message to its end: the grant decides the
 * account, a table the call.
 */
#include <sys/types.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "log.h"

#define REQS_MAX	20000	/* of one process at once */
#define ROWS_FLUSH	24576	/* bytes of rows that make a message */

static int
ereq_cmp(const struct ereq *a, const struct ereq *b)
{
	return a->req < b->req ? -1 : a->req > b->req;
}

RB_PROTOTYPE_STATIC(ereqs, ereq, entry, ereq_cmp)
RB_GENERATE_STATIC(ereqs, ereq, entry, ereq_cmp)

#define NONE	((size_t)-1)
#define CALL(name, need, f)						\
    { M_##name, offsetof(struct m_##name, mount), NONE, need, f }
#define CALL_ID(name, id, need, f)					\
    { M_##name, offsetof(struct m_##name, mount),			\
	offsetof(struct m_##name, id), need, f }

static const struct call {
	enum msg_type	type;
	size_t		mount;		/* where the struct has it */
	size_t		id;		/* and what goes into the path */
	int		need;		/* capability, -1: none */
	void		(*call)(struct ereq *, const void *);
} calls[] = {
	CALL(st_mailboxes,	-1,			eread_mailboxes),
	CALL_ID(st_mailbox, mailbox,	-1,		eread_mailbox),
	CALL_ID(st_list, mailbox,	-1,		eread_list),
	CALL_ID(st_get, id,		-1,		eread_get),
	CALL(st_put,		CAP_WRITE,		eupload_put),
	CALL_ID(st_patch, mailbox,	CAP_WRITE,	ewrite_patch),
	CALL_ID(st_expunge, mailbox,	CAP_WRITE,	ewrite_expunge),
	CALL_ID(st_copy, mailbox,	CAP_COPY,	ewrite_copy),
	CALL(st_create,		CAP_WRITE,		ewrite_create),
	CALL(st_rename,		CAP_WRITE,		ewrite_rename),
	CALL_ID(st_delete, mailbox,	CAP_WRITE,	ewrite_delete),
	CALL(st_subscribe,	CAP_SUBSCRIPTIONS,	ewrite_subscribe),
	CALL_ID(st_cache, id,		CAP_CACHE,	ewrite_cache),
	CALL_ID(st_search, mailbox,	-1,		eoffload_search),
	CALL(st_dict,		-1,			eoffload_dict),
	CALL(st_quota,		CAP_QUOTA,		eoffload_quota),
	CALL(st_meta_get,	CAP_METADATA,		eoffload_meta_get),
	CALL(st_meta_set,	CAP_METADATA,		eoffload_meta_set),
	CALL(st_blob,		CAP_BATCH,		eupload_blob),
	CALL_ID(st_batch, mailbox,	CAP_BATCH,	eoffload_batch),
	CALL(st_recent,		-1,			erecent),
	{ M_st_deliver,	NONE, NONE, -1,			eupload_deliver },
};

static const struct call *
call_of(enum msg_type type)
{
	size_t i;

	for (i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (calls[i].type == type)
			return &calls[i];
	return NULL;
}

void
ereq_send(struct ereq *e, enum msg_type type, const void *m)
{
	proc_send(e->peer->peer, type, e->session, e->req, -1, m);
}

void
ereq_free(struct ereq *e)
{
	if (e->hreq != NULL)
		hreq_cancel(e->hreq);
	if (e->content != NULL)
		content_unref(e->content);
	RB_REMOVE(ereqs, &e->peer->reqs, e);
	e->peer->nreqs--;
	e->peer->held -= e->held;
	eupload_free(e);
	ibuf_fini(&e->rows);
	ibuf_fini(&e->whole);
	uidset_fini(&e->set);
	free(e->mailbox);
	free(e->flags);
	free(e->id);
	free(e);
}

static void
send_end(struct epeer *ep, uint32_t session, uint32_t req, enum st_code code,
    int begun, const char *text)
{
	struct m_st_end	m;
	char		buf[256];

	strlcpy(buf, text, sizeof(buf));
	m.code = (uint16_t)code;
	m.begun = code != ST_OK && begun;
	m.text = buf;
	proc_send(ep->peer, M_st_end, session, req, -1, &m);
}

void
ereq_end(struct ereq *e, enum st_code code, const char *text)
{
	ereq_flush_rows(e);
	if (code != ST_OK)
		log_debug("request %s of session %x: %s",
		    msg_defs[e->type].name, e->session, text);
	send_end(e->peer, e->session, e->req, code, e->begun, text);
	ereq_free(e);
}

void
ereq_done(struct hreq *h, enum st_code code, const char *text, struct json *j)
{
	struct ereq *e = h->arg;

	e->hreq = NULL;
	/* 429 is about who asked; 503, about all, is the URL's */
	if (h->status == 429 && h->retry_after > 0 && e->account != NULL)
		e->account->wait_until = eurl_until(h->retry_after);
	ereq_end(e, code, text);
}

/* rows */

void
ereq_flush_rows(struct ereq *e)
{
	struct m_st_rows m;

	if (ibuf_size(&e->rows) == 0)
		return;
	m.rows = msg_blob_of(ibuf_data(&e->rows), ibuf_size(&e->rows));
	ereq_send(e, M_st_rows, &m);
	ereq_spend(e, m.rows.len);
	ibuf_drain(&e->rows, m.rows.len);
}

void
ereq_add_row(struct ereq *e, const struct st_row *row)
{
	if (ibuf_size(&e->rows) > ROWS_FLUSH)
		ereq_flush_rows(e);
	if (strow_put(&e->rows, row) == 0)
		return;
	/* it did not fit behind the others */
	ereq_flush_rows(e);
	if (strow_put(&e->rows, row) == -1)
		log_warnx("storage %s: a row too long to use", e->st->name);
}

void
ereq_spend(struct ereq *e, size_t n)
{
	e->credit -= (int64_t)n;
	if (e->credit <= 0 && !e->paused && e->hreq != NULL) {
		e->paused = 1;
		hreq_pause(e->hreq, 1);
	}
}

/* http */

struct hreq *
ereq_http(struct ereq *e, const char *method, enum hreq_answer answer)
{
	struct hreq	*h = hreq_new(e->st, method, answer);

	snprintf(h->session, sizeof(h->session), "%s-%x-%x", proc_self.boot,
	    e->peer->gen, e->session);
	if (strcmp(method, "GET") != 0) {
		hreq_key(h);
		h->ctype = "application/json";
	}
	if (e->account != NULL)
		(void)hreq_account(h, e->account->name);
	h->done = ereq_done;
	h->arg = e;
	return h;
}

/* Ids come from the backend, and go back to it as they are. */
int
ereq_mailbox(struct hreq *h, const struct ereq *e)
{
	if (ibuf_adds(&h->target, "/mailboxes/") == -1)
		return -1;
	return http_pct_encode(&h->target, e->mailbox);
}

void
ereq_submit(struct ereq *e, struct hreq *h)
{
	e->hreq = h;
	hreq_submit(h);
}

/* messages */

static struct ereq *
ereq_find(struct epeer *ep, uint32_t req)
{
	struct ereq key;

	key.req = req;
	return RB_FIND(ereqs, &ep->reqs, &key);
}

static struct ereq *
ereq_new(struct epeer *ep, struct imsg *msg, struct account *a,
    struct estorage *st)
{
	struct ereq *e;

	if ((e = calloc(1, sizeof(*e))) == NULL)
		fatal(NULL);
	e->req = msg->req;
	e->session = msg->id;
	e->type = msg->type;
	e->peer = ep;
	e->account = a;
	e->st = st;
	ibuf_init(&e->rows, 65000);
	ibuf_init(&e->whole, 0);
	ibuf_init(&e->up, 1024 * 1024);
	ibuf_init(&e->line, UPLOAD_LINE + 65536);
	uidset_init(&e->set);
	RB_INSERT(ereqs, &ep->reqs, e);
	ep->nreqs++;
	/* what becomes of it is about as large */
	ibuf_rewind(&msg->body);
	(void)ereq_hold(e, ibuf_size(&msg->body));
	return e;
}

int
ereq_hold(struct ereq *e, size_t n)
{
	e->held += n;
	e->peer->held += n;
	return e->peer->held > HELD_PEER ? -1 : 0;
}

void
ereq_let_go(struct ereq *e, size_t n)
{
	e->held -= n;
	e->peer->held -= n;
}

/* Why a session may not ask this, or ST_OK with what it asks it of. */
static enum st_code
ereq_may(struct epeer *ep, struct imsg *msg, const struct call *c,
    const void *arg, struct account **a, struct estorage **st)
{
	struct grant	*g;
	const char	*id;
	uint16_t	 mount;

	*a = NULL;
	*st = NULL;
	if (ep->nreqs >= REQS_MAX || ep->held >= HELD_PEER)
		return ST_TRY_LATER;
	if (c->mount == NONE)
		return ST_OK;
	memcpy(&mount, (const char *)arg + c->mount, sizeof(mount));
	if ((g = grant_find(ep, msg->id, mount)) == NULL)
		return ST_NO_GRANT;
	*a = g->account;
	/* this one is not for the storage */
	if (g->account->wait_until > tmo_now() && msg->type != M_st_recent)
		return ST_TRY_LATER;
	if ((*st = estorage_find(g->account->storage)) == NULL)
		return ST_UNAVAILABLE;
	if (c->need != -1 && (*st)->state == STORAGE_UP &&
	    !estorage_has(*st, (enum st_cap)c->need))
		return c->need == CAP_WRITE ? ST_READ_ONLY : ST_NOT_PERMITTED;
	if (c->id == NONE)
		return ST_OK;
	memcpy(&id, (const char *)arg + c->id, sizeof(id));
	return strow_id_ok(id) ? ST_OK : ST_BAD_REQUEST;
}

void
ereq_handle(struct proc_peer *p, struct imsg *msg, const void *arg)
{
	struct epeer		*ep = p->data;
	const struct call	*c = call_of(msg->type);
	struct account		*a;
	struct estorage		*st;
	enum st_code		 code;

	if (ep == NULL)
		return;
	if (ereq_find(ep, msg->req) != NULL || msg->req == 0) {
		proc_violation(p, msg->type, "request number in use");
		return;
	}
	code = ereq_may(ep, msg, c, arg, &a, &st);
	if (code != ST_OK) {
		send_end(ep, msg->id, msg->req, code, 0, st_error(code)->text);
		return;
	}
	c->call(ereq_new(ep, msg, a, st), arg);
}

static void
ereq_credit(struct ereq *e, uint32_t bytes)
{
	if (e->credit < INT64_MAX / 2)
		e->credit += bytes;
	if (e->credit <= 0)
		return;
	if (e->content != NULL)
		eread_get_more(e);
	else if (e->paused && e->hreq != NULL) {
		e->paused = 0;
		hreq_pause(e->hreq, 0);
	}
}

/* Of a request that has ended there may still be word under way. */
void
ereq_more(struct proc_peer *p, struct imsg *msg, const void *arg)
{
	struct epeer	*ep = p->data;
	struct ereq	*e;

	if (ep == NULL || (e = ereq_find(ep, msg->req)) == NULL ||
	    e->session != msg->id)
		return;
	switch (msg->type) {
	case M_st_credit:
		ereq_credit(e, ((const struct m_st_credit *)arg)->bytes);
		break;
	case M_st_data:
		eupload_data(e, ((const struct m_st_data *)arg)->data.p,
		    ((const struct m_st_data *)arg)->data.len);
		break;
	case M_st_data_end:
		eupload_end(e);
		break;
	case M_st_cancel:
		ereq_free(e);
		break;
	default:
		break;
	}
}

void
ereq_cancel_session(struct epeer *ep, uint32_t session)
{
	struct ereq *e, *next;

	RB_FOREACH_SAFE(e, ereqs, &ep->reqs, next)
		if (e->session == session)
			ereq_end(e, ST_NO_GRANT, st_error(ST_NO_GRANT)->text);
}
