/*
 * Messages are carried from one mailbox to another where no storage does it
 * for us: each is read and uploaded, with its flags and date; for MOVE the
 * originals are expunged when all copies are there.
 *
 * Not all in one step, that cannot be had.  Where it fails before anything
 * was expunged, or the storage refuses to expunge, the copies made are taken
 * back (RFC 3501, 6.4.7).  Where it is not known what became of the expunge
 * they stay: a message may be in both mailboxes then, but never in none.
 */
#include <sys/types.h>
#include <stdlib.h>
#include <string.h>

#include "imap.h"
#include "imap_carry.h"
#include "log.h"
#include "rfcdate.h"

#define BLOCK		16		/* rows at once, with summaries */
#define LIST_CREDIT	(2 * 1024 * 1024)
#define DATA_CREDIT	(128 * 1024)
#define SET_RANGES	4000

/* A message to be carried. */
struct cmsg {
	uint32_t	 uid;
	uint64_t	 size;
	int64_t		 date;
	int16_t		 zone;
	char		*id;
	char		*flags;
	struct ibuf	 cache;
	TAILQ_ENTRY(cmsg) entry;
};

struct carry {
	struct iop	*op;
	struct carry_job job;
	struct uidset	 left;		/* not listed yet */
	struct uidset	 block;		/* being listed */
	TAILQ_HEAD(, cmsg) queue;	/* listed; the first is on its way */
	struct streq	 get;
	struct streq	 put;
	struct ibuf	 data;		/* read, and not uploaded yet */
	uint64_t	 sent;
	int		 got;		/* the message's last byte is read */
	uint32_t	 uid;		/* of the copy */
	uint32_t	 last;		/* copy before it */
	enum st_code	 code;		/* that it failed with */
	enum st_code	 stored;
	int		 lacking;	/* a row is without what is needed */
	int		 expunging;	/* some originals may be gone */
	struct mown	 own;		/* the expunge of a MOVE */
	struct uidset	 vanished;
};

static void	carry_next(struct carry *);

static void
cmsg_free(struct carry *c, struct cmsg *m)
{
	TAILQ_REMOVE(&c->queue, m, entry);
	ibuf_fini(&m->cache);
	free(m->flags);
	free(m->id);
	free(m);
}

void
carry_free(struct carry *c)
{
	struct cmsg *m;

	if (c == NULL)
		return;
	st_cancel(&c->get);
	st_cancel(&c->put);
	while ((m = TAILQ_FIRST(&c->queue)) != NULL)
		cmsg_free(c, m);
	uidset_fini(&c->left);
	uidset_fini(&c->block);
	uidset_fini(&c->vanished);
	uidset_fini(&c->own.touched);
	uidset_fini(&c->job.from_uids);
	uidset_fini(&c->job.to_uids);
	ibuf_fini(&c->data);
	free(c);
}

static void
carry_ask(struct carry *c, struct streq *rq, enum msg_type type,
    const void *m, void (*f)(struct streq *, enum msg_type, const void *))
{
	rq->answer = f;
	rq->arg = c;
	lsession_timeout(&c->op->s->ls, LT_COMMAND);
	st_send(&c->op->s->ls, rq, type, m);
}

static void
carry_end(struct carry *c)
{
	c->job.done(c->op, &c->job, c->code);
}

/* taking back what was copied */

static void	carry_undo(struct carry *);

static void
target_changed(struct carry *c, uint64_t modseq)
{
	struct mirror *m;

	if (c->job.to_mount->account != NULL)
		iacct_moved(c->job.to_mount->account, c->job.to, modseq);
	if ((m = mirror_find(c->op->s, c->job.to_mount, c->job.to)) != NULL)
		mirror_heard(m, modseq);
}

static void
undo_answer(struct streq *rq, enum msg_type type, const void *arg)
{
	struct carry		*c = rq->arg;
	const struct m_st_end	*end = arg;

	if (type == M_st_change)
		target_changed(c,
		    ((const struct m_st_change *)arg)->modseq);
	if (type != M_st_end)
		return;
	if (end->code != ST_OK)
		log_warnx("part of a copy stays: %s",
		    st_error(end->code)->text);
	carry_undo(c);
}

static void
carry_undo(struct carry *c)
{
	struct m_st_expunge	 q;
	struct uidset		 part;

	if (c->job.to_uids.n == 0) {
		carry_end(c);
		return;
	}
	uidset_init(&part);
	set_take(&c->job.to_uids, &part, SET_RANGES);
	memset(&q, 0, sizeof(q));
	q.mount = c->job.to_mount->number;
	q.mailbox = c->job.to;
	q.uids = msg_set_of(&part);
	q.onlyif = "";
	carry_ask(c, &c->put, M_st_expunge, &q, undo_answer);
	uidset_fini(&part);
}

static void
carry_failed(struct carry *c, enum st_code code)
{
	c->code = code;
	st_cancel(&c->get);
	st_cancel(&c->put);
	uidset_clear(&c->job.from_uids);
	carry_undo(c);
}

/* MOVE: the originals go */

static void
expunged_apply(struct carry *c, const struct m_st_end *end)
{
	struct imap	*s = c->op->s;
	struct mirror	*m;

	m = mirror_find(s, c->job.from_mount, c->job.from);
	if (m != NULL && c->vanished.n > 0)
		mirror_own_removed(m, &c->vanished);
	if (m != NULL)
		mirror_own_settle(m, &c->own, end);
	uidset_clear(&c->vanished);
}

static void	carry_expunge(struct carry *);

/*
 * A refusal, and of the first request.  Not when the mailbox is no more:
 * the copies are all there is then.
 */
static int
expunge_refused(const struct carry *c, enum st_code code)
{
	return !c->expunging && (code == ST_NOT_PERMITTED ||
	    code == ST_READ_ONLY || code == ST_IN_USE);
}

static void
expunge_end(struct carry *c, enum st_code code)
{
	if (code == ST_OK) {
		c->expunging = 1;
		carry_expunge(c);
	} else if (expunge_refused(c, code)) {
		carry_failed(c, code);
	} else {
		c->code = code;
		carry_end(c);
	}
}

static void
expunge_answer(struct streq *rq, enum msg_type type, const void *arg)
{
	struct carry		*c = rq->arg;
	const struct m_st_end	*end = arg;
	struct mirror		*m;
	struct uidset		 set;

	if (type == M_st_change) {
		c->expunging = 1;
		expunged_apply(c, NULL);
		m = mirror_find(c->op->s, c->job.from_mount, c->job.from);
		if (m != NULL)
			mirror_own_change(m, &c->own, arg);
	} else if (type == M_st_vanished) {
		uidset_init(&set);
		if (msg_set_get(&((const struct m_st_vanished *)arg)->uids,
		    &set) == -1 || uidset_union(&c->vanished, &set) == -1)
			fatal(NULL);
		uidset_fini(&set);
	} else if (type == M_st_end) {
		expunged_apply(c, end);
		expunge_end(c, end->code);
	}
}

static void
carry_expunge(struct carry *c)
{
	struct m_st_expunge	 q;
	struct uidset		 part;

	if (c->left.n == 0) {
		carry_end(c);
		return;
	}
	uidset_init(&part);
	set_take(&c->left, &part, SET_RANGES);
	memset(&q, 0, sizeof(q));
	q.mount = c->job.from_mount->number;
	q.mailbox = c->job.from;
	q.uids = msg_set_of(&part);
	q.onlyif = "";
	carry_ask(c, &c->put, M_st_expunge, &q, expunge_answer);
	uidset_fini(&part);
}

/* one message: from the one request to the other */

static void
message_stored(struct carry *c)
{
	struct cmsg	*m = TAILQ_FIRST(&c->queue);
	struct carry_job *j = &c->job;

	/* COPYUID tells them in order; it can only if they are */
	j->ordered &= c->uid > c->last;
	c->last = c->uid;
	if (uidset_add(&j->from_uids, m->uid, m->uid) == -1 ||
	    uidset_add(&j->to_uids, c->uid, c->uid) == -1)
		fatal(NULL);
	c->op->ndone++;
	cmsg_free(c, m);
	carry_next(c);
}

/* As much as the upload takes; as much again may be read. */
static void
message_forward(struct carry *c)
{
	size_t n = ibuf_size(&c->data);

	if (n > c->put.credit)
		n = (size_t)c->put.credit;
	if (n > 0) {
		(void)st_data(&c->put, ibuf_data(&c->data), n);
		ibuf_drain(&c->data, n);
		c->sent += n;
		if (!c->got)
			st_credit(&c->get, (uint32_t)n);
	}
	if (c->got == 1 && ibuf_size(&c->data) == 0) {
		c->got = 2;
		st_data_end(&c->put);
	}
}

static void
put_stored(struct carry *c, const struct m_st_stored *st)
{
	struct mirror	*m;

	c->stored = st->code;
	if ((c->uid = st->uid) == 0)
		return;
	c->job.uidvalidity = st->uidvalidity;
	if (c->job.to_mount->account != NULL)
		iacct_moved(c->job.to_mount->account, c->job.to, st->modseq);
	m = mirror_find(c->op->s, c->job.to_mount, c->job.to);
	if (m != NULL)
		mirror_own_added(m, st->uid, TAILQ_FIRST(&c->queue)->flags,
		    st->before, st->modseq);
}

static void
put_answer(struct streq *rq, enum msg_type type, const void *arg)
{
	struct carry		*c = rq->arg;
	const struct m_st_end	*end = arg;

	lsession_timeout(&c->op->s->ls, LT_COMMAND);
	if (type == M_st_credit)
		message_forward(c);
	else if (type == M_st_stored)
		put_stored(c, arg);
	else if (type == M_st_end) {
		st_cancel(&c->get);
		/* what was promised holds, whatever the answer's end */
		if (c->uid != 0)
			message_stored(c);
		else
			carry_failed(c, c->stored != ST_OK ? c->stored :
			    end->code != ST_OK ? end->code : ST_CUT);
	}
}

static void
get_answer(struct streq *rq, enum msg_type type, const void *arg)
{
	struct carry		*c = rq->arg;
	const struct m_st_data	*d = arg;
	const struct m_st_end	*end = arg;

	lsession_timeout(&c->op->s->ls, LT_COMMAND);
	if (type == M_st_data) {
		/* only what goes beyond its credit does not fit */
		if (ibuf_add(&c->data, d->data.p, d->data.len) == -1)
			carry_failed(c, ST_NONSENSE);
		else
			message_forward(c);
	} else if (type != M_st_end) {
		return;
	} else if (end->code == ST_OK) {
		c->got = 1;
		message_forward(c);
	} else if (end->code == ST_NO_SUCH_MESSAGE) {
		/* expunged meanwhile, and its content is gone, too */
		c->op->expunged = 1;
		st_cancel(&c->put);
		cmsg_free(c, TAILQ_FIRST(&c->queue));
		carry_next(c);
	} else
		carry_failed(c, end->code);
}

static void
message_get(struct carry *c, const struct cmsg *m)
{
	struct m_st_get q;

	memset(&q, 0, sizeof(q));
	q.mount = c->job.from_mount->number;
	q.id = m->id;
	q.size = m->size;
	q.length = m->size;
	q.credit = DATA_CREDIT;
	carry_ask(c, &c->get, M_st_get, &q, get_answer);
}

static void
message_begin(struct carry *c, const struct cmsg *m)
{
	struct m_st_put	 q;
	struct rfcdate	 d;
	struct ibuf	 date;

	/* an upload cannot wait for an engine */
	if (!st_ready(&c->op->s->ls)) {
		carry_failed(c, ST_UNAVAILABLE);
		return;
	}
	d.t = m->date;
	d.zone = m->zone;
	ibuf_init(&date, 64);
	(void)rfcdate_put_3339(&date, &d);
	(void)ibuf_add_n8(&date, '\0');
	memset(&q, 0, sizeof(q));
	q.mount = c->job.to_mount->number;
	q.mailbox = c->job.to;
	q.flags = m->flags;
	q.date = (const char *)ibuf_data(&date);
	q.size = m->size;
	q.cache = msg_blob_of(ibuf_data(&m->cache), ibuf_size(&m->cache));
	c->uid = 0;
	c->stored = ST_OK;
	c->sent = 0;
	c->got = 0;
	ibuf_drain(&c->data, ibuf_size(&c->data));
	carry_ask(c, &c->put, M_st_put, &q, put_answer);
	ibuf_fini(&date);
	message_get(c, m);
}

/* which messages */

static void
row_add(struct carry *c, const struct st_row *row, uint32_t uid)
{
	struct cmsg *m;

	if ((m = calloc(1, sizeof(*m))) == NULL ||
	    (m->id = strdup(row->id)) == NULL ||
	    (m->flags = strdup(row->has & ROW_FLAGS ? row->flags : "")) ==
	    NULL)
		fatal(NULL);
	m->uid = uid;
	m->size = row->size;
	m->date = row->date;
	m->zone = row->zone;
	ibuf_init(&m->cache, 32768);
	if (row->has & ROW_CACHE &&
	    ibuf_add(&m->cache, row->cache, row->cachelen) == -1)
		ibuf_fini(&m->cache);
	TAILQ_INSERT_TAIL(&c->queue, m, entry);
}

static void
carry_rows(struct carry *c, const struct m_st_rows *rows)
{
	struct ibuf		 b;
	struct st_row		 row;
	struct uidset		 set;
	struct uidset_iter	 it;
	uint32_t		 uid;

	ibuf_from_buffer(&b, rows->rows.p, rows->rows.len);
	uidset_init(&set);
	while (strow_get(&b, &row) == 1) {
		if (msg_set_get(&row.uids, &set) == -1 ||
		    uidset_intersect(&set, &c->block) == -1)
			fatal(NULL);
		if ((row.has & (ROW_ID | ROW_SIZE | ROW_DATE)) !=
		    (ROW_ID | ROW_SIZE | ROW_DATE)) {
			c->lacking |= set.n > 0;
			continue;
		}
		for (uid = uidset_first(&it, &set); uid != 0;
		    uid = uidset_next(&it))
			row_add(c, &row, uid);
	}
	uidset_fini(&set);
}

static void
list_answer(struct streq *rq, enum msg_type type, const void *arg)
{
	struct carry		*c = rq->arg;
	const struct m_st_end	*end = arg;

	if (type == M_st_rows)
		carry_rows(c, arg);
	if (type != M_st_end)
		return;
	if (end->code != ST_OK)
		carry_failed(c, end->code);
	else if (c->lacking)
		/* a message left out would count as copied */
		carry_failed(c, ST_NONSENSE);
	else
		carry_next(c);
}

/* Some more; all of them are here before the first is read. */
static void
carry_list(struct carry *c)
{
	struct m_st_list q;
	struct uidset	*block = &c->block;
	uint32_t	 uid, n;

	uidset_clear(block);
	for (n = 0; n < BLOCK && (uid = uidset_min(&c->left)) != 0; n++)
		if (uidset_add(block, uid, uid) == -1 ||
		    uidset_remove(&c->left, uid, uid) == -1)
			fatal(NULL);
	memset(&q, 0, sizeof(q));
	q.mount = c->job.from_mount->number;
	q.mailbox = c->job.from;
	q.uids = msg_set_of(block);
	q.fields = ROW_ID | ROW_SIZE | ROW_DATE | ROW_FLAGS;
	if (imount_storage(c->op->s, c->job.to_mount)->caps & CAP(CAP_CACHE))
		q.fields |= ROW_CACHE | ROW_WHOLE;
	q.credit = LIST_CREDIT;
	carry_ask(c, &c->get, M_st_list, &q, list_answer);
}

static void
carry_next(struct carry *c)
{
	struct cmsg *m = TAILQ_FIRST(&c->queue);

	if (m != NULL)
		message_begin(c, m);
	else if (c->left.n > 0)
		carry_list(c);
	else if (c->job.move) {
		if (uidset_copy(&c->left, &c->job.from_uids) == -1)
			fatal(NULL);
		carry_expunge(c);
	} else
		carry_end(c);
}

struct carry *
carry_new(struct iop *op, const struct carry_job *job,
    const struct uidset *uids)
{
	struct carry *c;

	if ((c = calloc(1, sizeof(*c))) == NULL)
		fatal(NULL);
	c->op = op;
	c->job = *job;
	c->job.ordered = 1;
	uidset_init(&c->job.from_uids);
	uidset_init(&c->job.to_uids);
	uidset_init(&c->block);
	uidset_init(&c->left);
	uidset_init(&c->vanished);
	TAILQ_INIT(&c->queue);
	ibuf_init(&c->data, 2 * DATA_CREDIT);
	if (uidset_copy(&c->left, uids) == -1)
		fatal(NULL);
	return c;
}

void
carry_go(struct carry *c)
{
	iop_progress(c->op, uidset_count(&c->left));
	carry_next(c);
}
