/*
 * COPY and MOVE (RFC 3501, 6.4.7; RFC 6851; RFC 4315): the storage does
 * them in one step, all or nothing; if it cannot, we do (imap_carry.h).
 * Only a set of more ranges than a request takes needs several; if one of
 * them fails, what a COPY has put into the target is taken out again, and a
 * MOVE tells what it has moved.
 */
#include <sys/types.h>
#include <stdlib.h>
#include <string.h>

#include "imap.h"
#include "imap_carry.h"
#include "log.h"

#define SET_RANGES	4000
/*
 * A COPYUID of more bytes, some 10,000 ranges, is left out (RFC 4315, 1:
 * clients can do without): a line is not read in pieces.
 */
#define CODE_MAX	(128 * 1024)

struct copy {
	const char		*name;		/* of the target */
	struct imount		*to_mount;
	struct carry		*carry;
	struct uidset		 uids;		/* still to be asked for */
	struct uidset		 part;		/* asked for */
	uint32_t		 ranges;	/* in one request, at most */
	struct uidset		 from;
	struct uidset		 to;
	struct uidset		 vanished;
	char			*target;	/* mailbox id */
	struct m_st_change	 from_change;
	struct m_st_change	 to_change;
	struct mown		 own;		/* MOVE: its request */
	int			 nchanges;
	int			 move;
	int			 failed;	/* enum st_code */
	int			 blind;		/* some new uids are not known */
};

static void
copy_cleanup(struct iop *op)
{
	struct copy *c = op->data;

	carry_free(c->carry);
	mirror_own_drop(&c->own);
	uidset_fini(&c->uids);
	uidset_fini(&c->part);
	uidset_fini(&c->from);
	uidset_fini(&c->to);
	uidset_fini(&c->vanished);
	free(c->target);
	free(c);
}

/* With a NUL; empty if there is nothing to be told, or too much. */
static void
copy_uid_code(const struct copy *c, struct ibuf *b)
{
	ibuf_init(b, CODE_MAX);
	if (c->from.n > 0 && !c->blind &&
	    (ibuf_addf(b, "COPYUID %u ", c->to_change.uidvalidity) == -1 ||
	    uidset_put(&c->from, b) == -1 || ibuf_add_n8(b, ' ') == -1 ||
	    uidset_put(&c->to, b) == -1 ||
	    ibuf_size(b) == CODE_MAX))
		ibuf_drain(b, ibuf_size(b));
	(void)ibuf_add_n8(b, '\0');
}

/* What is done is told; what failed then, if something did. */
static void
copy_synced(struct iop *op, enum st_code code, const char *text)
{
	struct copy	*c = op->data;
	struct ibuf	 b;

	copy_uid_code(c, &b);
	/* before the EXPUNGEs, which end the command (RFC 6851) */
	if (c->move && ibuf_size(&b) > 1) {
		(void)ibuf_addf(imap_out(op->s), "* OK [%s] Moved\r\n",
		    (const char *)ibuf_data(&b));
		ibuf_drain(&b, ibuf_size(&b) - 1);
	}
	if (c->failed)
		iop_fail(op, (enum st_code)c->failed, NULL);
	else
		iop_ok_code(op, (const char *)ibuf_data(&b), "%s completed",
		    op->cmd.name);
	ibuf_fini(&b);
}

/* All requests are through, or one failed after others. */
static void
copy_told(struct iop *op)
{
	struct copy *c = op->data;

	if (strcmp(c->target, op->s->view->m->id) == 0)
		mirror_need(op, op->s->view->m, copy_synced);
	else
		copy_synced(op, ST_OK, "");
}

/* The target as it was before. */

static void	copy_undo(struct iop *);

static void
undo_answer(struct streq *rq, enum msg_type type, const void *arg)
{
	struct iop		*op = rq->arg;
	struct copy		*c = op->data;
	const struct m_st_end	*end = arg;

	if (type == M_st_change)
		iacct_own(op, c->target,
		    ((const struct m_st_change *)arg)->modseq);
	if (type != M_st_end)
		return;
	if (end->code != ST_OK)
		log_warnx("half of a copy stays: %s",
		    st_error(end->code)->text);
	copy_undo(op);
}

static void
copy_undo(struct iop *op)
{
	struct copy		*c = op->data;
	struct m_st_expunge	 q;

	uidset_clear(&c->from);
	if (c->to.n == 0) {
		copy_told(op);
		return;
	}
	set_take(&c->to, &c->part, c->ranges);
	memset(&q, 0, sizeof(q));
	q.mount = op->mount->number;
	q.mailbox = c->target;
	q.uids = msg_set_of(&c->part);
	q.onlyif = "";
	iop_ask(op, M_st_expunge, &q, undo_answer);
}

static void
copy_apply(struct iop *op, enum st_code code)
{
	struct copy	*c = op->data;
	struct mirror	*m = op->s->view->m;

	iacct_own(op, m->id, c->from_change.modseq);
	iacct_own(op, c->target, c->to_change.modseq);
	if (c->vanished.n > 0)
		mirror_own_removed(m, &c->vanished);
	uidset_clear(&c->vanished);
	/* copies into the same mailbox have to be listed to be seen in it */
	if (code != ST_OK)
		mirror_heard(m, c->from_change.modseq);
	else if (strcmp(c->target, m->id) == 0)
		mirror_heard(m, c->to_change.modseq);
	else if (mirror_current(m, &c->from_change))
		mirror_own_done(m, &c->from_change, NULL, 0);
}

static void
copy_copied(struct copy *c, const struct m_st_copied *m)
{
	struct uidset set;

	uidset_init(&set);
	if (msg_set_get(&m->from, &set) == -1 ||
	    uidset_union(&c->from, &set) == -1 ||
	    msg_set_get(&m->to, &set) == -1 ||
	    uidset_union(&c->to, &set) == -1)
		fatal(NULL);
	uidset_fini(&set);
}

static void	copy_next(struct iop *);

static void
copy_end(struct iop *op, enum st_code code)
{
	struct copy	*c = op->data;
	int		 done = code == ST_OK || c->nchanges > 0;

	if (done)
		copy_apply(op, code);
	mirror_own_over(&c->own);
	if (done) {
		/* perhaps what the new uids are was cut off */
		c->blind |= code != ST_OK;
		if (c->uids.n > 0)
			copy_next(op);
		else
			copy_told(op);
	} else if (code == ST_TOO_LARGE && c->part.n > 1) {
		c->ranges = c->part.n / 2;
		if (uidset_union(&c->uids, &c->part) == -1)
			fatal(NULL);
		copy_next(op);
	} else {
		c->failed = code;
		if (c->move)
			copy_told(op);
		else
			copy_undo(op);
	}
}

static void
copy_answer(struct streq *rq, enum msg_type type, const void *arg)
{
	struct iop	*op = rq->arg;
	struct copy	*c = op->data;
	struct uidset	 set;

	switch (type) {
	case M_st_change:
		*(c->nchanges++ == 0 ? &c->from_change : &c->to_change) =
		    *(const struct m_st_change *)arg;
		break;
	case M_st_copied:
		copy_copied(c, arg);
		break;
	case M_st_vanished:
		uidset_init(&set);
		if (msg_set_get(&((const struct m_st_vanished *)arg)->uids,
		    &set) == -1 || uidset_union(&c->vanished, &set) == -1)
			fatal(NULL);
		uidset_fini(&set);
		break;
	case M_st_end:
		copy_end(op, ((const struct m_st_end *)arg)->code);
		break;
	default:
		break;
	}
}

/* By hand: it was done, or it failed. */
static void
copy_carried(struct iop *op, const struct carry_job *j, enum st_code code)
{
	struct copy	*c = op->data;
	struct mirror	*m = op->s->view->m;

	if (code != ST_OK) {
		iop_fail(op, code, NULL);
		return;
	}
	c->to_change.uidvalidity = j->uidvalidity;
	if (j->ordered && (uidset_copy(&c->from, &j->from_uids) == -1 ||
	    uidset_copy(&c->to, &j->to_uids) == -1))
		fatal(NULL);
	if (c->to_mount == op->mount && strcmp(c->target, m->id) == 0)
		mirror_need(op, m, copy_synced);
	else
		copy_synced(op, ST_OK, "");
}

static void
copy_by_hand(struct iop *op)
{
	struct copy		*c = op->data;
	struct carry_job	 j;

	memset(&j, 0, sizeof(j));
	j.from_mount = op->mount;
	j.from = op->s->view->m->id;
	j.to_mount = c->to_mount;
	j.to = c->target;
	j.move = c->move;
	j.done = copy_carried;
	c->carry = carry_new(op, &j, &c->uids);
	carry_go(c->carry);
}

static void
copy_next(struct iop *op)
{
	struct copy		*c = op->data;
	struct m_st_copy	 q;

	set_take(&c->uids, &c->part, c->ranges);
	c->nchanges = 0;
	memset(&q, 0, sizeof(q));
	q.mount = op->mount->number;
	q.mailbox = op->s->view->m->id;
	q.uids = msg_set_of(&c->part);
	q.to = c->target;
	q.move = (uint8_t)c->move;
	if (c->move)
		mirror_own_begin(op->s->view->m, &c->own);
	iop_ask(op, M_st_copy, &q, copy_answer);
}

static void
copy_listed(struct iop *op, enum st_code code, const char *text)
{
	struct copy	*c = op->data;
	struct mbox	*mb;

	if (code != ST_OK) {
		iop_fail(op, code, text);
		return;
	}
	mb = iacct_find(c->to_mount->account, c->name);
	if (mb == NULL) {
		iop_no(op, "TRYCREATE", "No such mailbox");
		return;
	}
	if (mb->has & MBOX_READONLY || (imount_storage(op->s,
	    c->to_mount)->caps & CAP(CAP_WRITE)) == 0) {
		iop_no(op, "READ-ONLY", "The mailbox is read-only");
		return;
	}
	if ((c->target = strdup(mb->id)) == NULL)
		fatal(NULL);
	if (c->to_mount != op->mount || !iop_has(op, CAP_COPY))
		copy_by_hand(op);
	else
		copy_next(op);
}

static void
copy_begin(struct iop *op, int move)
{
	struct iview	*v = op->s->view;
	struct copy	*c;

	if ((c = calloc(1, sizeof(*c))) == NULL)
		fatal(NULL);
	c->move = move;
	c->ranges = SET_RANGES;
	op->data = c;
	op->cleanup = copy_cleanup;
	c->name = imount_of(op->s, op->cmd.copy.mailbox, &c->to_mount);
	if (c->name == NULL) {
		iop_no(op, "TRYCREATE", "No such mailbox");
		return;
	}
	if (view_resolve(op, &op->cmd.copy.set, &c->uids) == -1)
		return;
	if (uidset_copy(&c->from, &c->uids) == -1 ||
	    uidset_intersect(&c->uids, &v->m->map.uids) == -1)
		fatal(NULL);
	op->expunged = !uidset_equal(&c->uids, &c->from);
	uidset_clear(&c->from);
	if (c->uids.n == 0)
		iop_ok(op, "%s completed, nothing to do", op->cmd.name);
	else
		iacct_need_of(op, c->to_mount, copy_listed);
}

void
cmd_copy(struct iop *op)
{
	copy_begin(op, 0);
}

void
cmd_move(struct iop *op)
{
	copy_begin(op, 1);
}
