/*
 * One upload for all recipients of a message that are on one storage, and a
 * reply for each recipient.
 *
 * A recipient whose delivery the storage confirmed is delivered whatever
 * happens afterwards; all others are told to come back, unless the storage
 * said that it is for good.
 */
#include <sys/types.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "lmtp.h"
#include "summary.h"
#include "uidset.h"

/* replies */

struct outcome {
	const char	*event;
	enum lmtp_count	 count;
};

static const struct outcome *
outcome_of(const char *reply)
{
	static const struct outcome outcomes[] = {
		{ "delivered", LMTP_DELIVERED },
		{ "deferred", LMTP_DEFERRED },
		{ "refused", LMTP_REFUSED },
	};

	return &outcomes[*reply == '2' ? 0 : *reply == '5' ? 2 : 1];
}

static void
reply_one(struct lmtp *p, uint32_t i)
{
	struct lmtp_txn		*t = p->txn;
	struct lmtp_rcpt	*r = lmtp_rcpt_real(t, i);
	const struct outcome	*o;
	const char		*reply, *text;
	char			 name[64];

	if (t->msg->refused != NULL) {
		reply = t->msg->refused;
		text = "";
	} else {
		reply = st_lmtp(r->code);
		text = r->code == ST_OK ? "Delivered" : r->text != NULL ?
		    r->text : st_error(r->code)->text;
	}
	lmtp_reply(p, "%s%s%s%s%s", reply, *text != '\0' ? " <" : "",
	    *text != '\0' ? t->rcpts[i].address : "",
	    *text != '\0' ? "> " : "", text);
	o = outcome_of(reply);
	lmtp_counts[o->count]++;
	proc_session(name, sizeof(name), p->ls.id);
	log_info("session=%s event=%s from=<%.300s> rcpt=<%.300s> size=%llu "
	    "uid=%u result=\"%.40s\"", name, o->event, t->from,
	    t->rcpts[i].address, (unsigned long long)t->msg->size, r->uid,
	    reply);
}

/* Of one without an answer of its own. */
static enum st_code
code_of_rest(const struct lmtp_msg *m, const struct lmtp_rcpt *r)
{
	uint32_t i;

	for (i = 0; i < m->nups; i++)
		if (m->ups[i].storage == r->storage &&
		    m->ups[i].end != ST_OK)
			return m->ups[i].end;
	return ST_CUT;
}

void
lmtp_deliver_reply(struct lmtp *p)
{
	struct lmtp_txn	*t = p->txn;
	uint32_t	 i;

	for (i = 0; i < t->nrcpts; i++) {
		if (t->rcpts[i].state == RCPT_GOOD && !t->rcpts[i].stored)
			t->rcpts[i].code = code_of_rest(t->msg,
			    &t->rcpts[i]);
		if (lmtp_rcpt_real(t, i)->state == RCPT_GOOD)
			reply_one(p, i);
	}
	lmtp_txn_end(p);
	lmtp_done(p);
}

/* the upload */

static void
deliver_stored(struct lmtp *p, const struct m_st_stored *s)
{
	struct lmtp_txn		*t = p->txn;
	struct lmtp_rcpt	*r;
	uint32_t		 i;

	for (i = 0; i < t->nrcpts; i++) {
		r = &t->rcpts[i];
		if (r->state != RCPT_GOOD || r->handle != s->rcpt)
			continue;
		/* nobody can have stored what was not all sent */
		if (s->code == ST_OK && !t->msg->sent)
			return;
		r->stored = 1;
		r->code = s->code;
		r->uid = s->uid;
		free(r->text);
		r->text = s->code != ST_OK && *s->text != '\0' ?
		    strdup(s->text) : NULL;
		return;
	}
}

/* All of them: then all is known, or nobody wants what still comes. */
static void
deliver_over(struct lmtp *p)
{
	if (p->txn->msg->whole) {
		lmtp_deliver_reply(p);
		return;
	}
	lmtp_msg_discard(p, NULL);
	if (p->waiting)
		lmtp_done(p);
}

static int
deliver_any(const struct lmtp_msg *m)
{
	uint32_t i;

	for (i = 0; i < m->nups; i++)
		if (!m->ups[i].ended)
			return 1;
	return 0;
}

static void
deliver_end(struct lmtp_up *up, enum st_code code)
{
	struct lmtp *p = up->p;

	up->ended = 1;
	up->end = code;
	if (!deliver_any(p->txn->msg))
		deliver_over(p);
	else
		/* perhaps the others waited for this one */
		lmtp_msg_push(p);
}

static void
deliver_answer(struct streq *rq, enum msg_type type, const void *m)
{
	struct lmtp_up	*up = rq->arg;
	struct lmtp	*p = up->p;

	if (p->ls.flags & LS_ENDING)
		return;
	if (type == M_st_credit)
		lmtp_msg_push(p);
	else if (type == M_st_stored)
		deliver_stored(p, m);
	else if (type == M_st_end)
		deliver_end(up, ((const struct m_st_end *)m)->code);
}

/* The summary that goes along with a message that is held whole. */
static void
deliver_summary(struct lmtp *p, struct ibuf *text)
{
	static struct summary_maker	*maker;
	struct lmtp_msg			*m = p->txn->msg;

	if (maker == NULL)
		maker = summary_open();
	if (maker == NULL || summary_feed(maker, ibuf_data(&m->buf),
	    ibuf_size(&m->buf)) == -1 ||
	    summary_finish(maker, text, SUMMARY_MAX) == -1 ||
	    summary_reset(maker) == -1) {
		/* it can do without one */
		summary_free(maker);
		maker = NULL;
		ibuf_truncate(text, 0);
	}
}

static int
deliver_handles(struct lmtp_txn *t, uint16_t storage, struct uidset *set)
{
	const struct lmtp_rcpt *r;

	for (r = t->rcpts; r < t->rcpts + t->nrcpts; r++)
		if (r->state == RCPT_GOOD && r->storage == storage &&
		    uidset_add(set, r->handle, r->handle) == -1)
			return -1;
	return 0;
}

/* An upload for each storage that a recipient is on. */
static void
deliver_plan(struct lmtp *p)
{
	struct lmtp_txn		*t = p->txn;
	struct lmtp_msg		*m = t->msg;
	const struct lmtp_rcpt	*r;
	uint32_t		 i;

	for (r = t->rcpts; r < t->rcpts + t->nrcpts; r++) {
		if (r->state != RCPT_GOOD)
			continue;
		for (i = 0; i < m->nups; i++)
			if (m->ups[i].storage == r->storage)
				break;
		if (i < m->nups)
			continue;
		m->ups[i].p = p;
		m->ups[i].storage = r->storage;
		m->nups++;
	}
}

static int
deliver_send(struct lmtp_up *up, struct proc_peer *e, int known,
    struct ibuf *summary)
{
	struct lmtp_txn		*t = up->p->txn;
	struct m_st_deliver	 m;
	struct uidset		 set;

	uidset_init(&set);
	if (deliver_handles(t, up->storage, &set) == -1) {
		uidset_fini(&set);
		return -1;
	}
	memset(&m, 0, sizeof(m));
	m.txn = t->number;
	m.from = t->from;
	m.known = (uint8_t)known;
	m.size = known ? t->msg->size : 0;
	if (known && lstorage_of(e, up->storage)->caps & CAP(CAP_CACHE)) {
		if (ibuf_size(summary) == 0)
			deliver_summary(up->p, summary);
		m.cache = msg_blob_of(ibuf_data(summary), ibuf_size(summary));
	}
	m.rcpts = msg_set_of(&set);
	up->rq.answer = deliver_answer;
	up->rq.arg = up;
	st_send_to(&up->p->ls, &up->rq, e, M_st_deliver, &m);
	uidset_fini(&set);
	return 0;
}

/* known: the message is held whole.  Else it has only begun. */
void
lmtp_deliver_begin(struct lmtp *p, int known)
{
	struct proc_peer	*e = proc_find_gen(ROLE_ENGINE, p->txn->egen);
	struct lmtp_msg		*m = p->txn->msg;
	struct ibuf		 summary;
	uint32_t		 i;

	ibuf_init(&summary, SUMMARY_MAX);
	deliver_plan(p);
	for (i = 0; i < m->nups; i++)
		if (e == NULL ||
		    deliver_send(&m->ups[i], e, known, &summary) == -1) {
			m->ups[i].ended = 1;
			m->ups[i].end = ST_UNAVAILABLE;
		}
	ibuf_fini(&summary);
	if (!deliver_any(m))
		deliver_over(p);
	else if (known)
		lmtp_msg_push(p);
}

/* Those that take no more, or have not said what became of it. */
void
lmtp_deliver_timeout(struct lmtp *p)
{
	struct lmtp_msg	*m = p->txn->msg;
	uint32_t	 i;

	if (m == NULL)
		return;
	lmtp_msg_cancel(m);
	for (i = 0; i < m->nups; i++)
		if (!m->ups[i].ended) {
			m->ups[i].ended = 1;
			m->ups[i].end = ST_UNAVAILABLE;
		}
	deliver_over(p);
}
