/*
 * One upload for all recipients of a message, and a reply for each.
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

/* Of those without an answer of their own. */
static enum st_code
code_of_all(const struct lmtp_msg *m)
{
	return m->end != ST_OK ? m->end : ST_CUT;
}

void
lmtp_deliver_reply(struct lmtp *p)
{
	struct lmtp_txn	*t = p->txn;
	uint32_t	 i;

	for (i = 0; i < t->nrcpts; i++) {
		if (t->rcpts[i].state == RCPT_GOOD && !t->rcpts[i].stored)
			t->rcpts[i].code = code_of_all(t->msg);
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

static void
deliver_end(struct lmtp *p, enum st_code code)
{
	struct lmtp_msg *m = p->txn->msg;

	m->ended = 1;
	m->end = code;
	if (m->whole) {
		lmtp_deliver_reply(p);
		return;
	}
	/* it wants no more of it, but the client sends on */
	lmtp_msg_discard(p, NULL);
	if (p->waiting)
		lmtp_done(p);
}

static void
deliver_answer(struct streq *rq, enum msg_type type, const void *m)
{
	struct lmtp *p = rq->arg;

	if (p->ls.flags & LS_ENDING)
		return;
	if (type == M_st_credit)
		lmtp_msg_push(p);
	else if (type == M_st_stored)
		deliver_stored(p, m);
	else if (type == M_st_end)
		deliver_end(p, ((const struct m_st_end *)m)->code);
}

/* The summary that goes along with a message that is held whole. */
static struct msg_blob
deliver_summary(struct lmtp *p, struct proc_peer *e, struct ibuf *text)
{
	static struct summary_maker	*maker;
	struct lmtp_msg			*m = p->txn->msg;

	ibuf_init(text, SUMMARY_MAX);
	if (!(lstorage_of(e, p->txn->storage)->caps & CAP(CAP_CACHE)))
		return msg_blob_of(NULL, 0);
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
	return msg_blob_of(ibuf_data(text), ibuf_size(text));
}

static int
deliver_handles(struct lmtp_txn *t, struct uidset *set)
{
	uint32_t i;

	for (i = 0; i < t->nrcpts; i++)
		if (t->rcpts[i].state == RCPT_GOOD && uidset_add(set,
		    t->rcpts[i].handle, t->rcpts[i].handle) == -1)
			return -1;
	return 0;
}

static void
deliver_send(struct lmtp *p, struct proc_peer *e, const struct uidset *set,
    int known)
{
	struct lmtp_msg		*msg = p->txn->msg;
	struct m_st_deliver	 m;
	struct ibuf		 text;

	memset(&m, 0, sizeof(m));
	ibuf_init(&text, 0);
	m.txn = p->txn->number;
	m.from = p->txn->from;
	m.known = (uint8_t)known;
	if (known) {
		m.size = msg->size;
		m.cache = deliver_summary(p, e, &text);
	}
	m.rcpts = msg_set_of(set);
	msg->rq.answer = deliver_answer;
	msg->rq.arg = p;
	st_send_to(&p->ls, &msg->rq, e, M_st_deliver, &m);
	ibuf_fini(&text);
}

/* known: the message is held whole.  Else it has only begun. */
void
lmtp_deliver_begin(struct lmtp *p, int known)
{
	struct proc_peer	*e = proc_find_gen(ROLE_ENGINE, p->txn->egen);
	struct uidset		 set;

	uidset_init(&set);
	if (e == NULL || deliver_handles(p->txn, &set) == -1) {
		uidset_fini(&set);
		deliver_end(p, ST_UNAVAILABLE);
		return;
	}
	deliver_send(p, e, &set, known);
	uidset_fini(&set);
	if (known)
		lmtp_msg_push(p);
}

/* It takes no more, or has not said what became of it. */
void
lmtp_deliver_timeout(struct lmtp *p)
{
	if (p->txn->msg == NULL)
		return;
	st_cancel(&p->txn->msg->rq);
	deliver_end(p, ST_UNAVAILABLE);
}
