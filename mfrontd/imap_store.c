/*
 * STORE (RFC 3501, 6.4.6; RFC 7162, 3.1.3).
 */
#include <sys/types.h>
#include <stdlib.h>
#include <string.h>

#include "imap.h"
#include "log.h"

#define SET_RANGES	4000	/* of a set in one request */
#define LIST_CREDIT	(64 * 1024)
#define CODE_MAX	(16 * 1024 * 1024)

struct store_part {		/* what one change of several did */
	uint32_t		 last;		/* uid, they ascend */
	uint64_t		 modseq;
};

struct store {
	struct uidset		 named;		/* that are there */
	struct uidset		 left;		/* still to be asked for */
	struct uidset		 changed;
	struct uidset		 modified;	/* failed UNCHANGEDSINCE */
	struct mown		 own;
	struct store_part	*part;
	size_t			 nparts;
	size_t			 telling;	/* of this part */
	int			 unsure;	/* no modseq may be told */
	int			 incomplete;	/* some answer was */
	struct ibuf		 flags;		/* as text */
	struct uidset		 tell;
	struct uidset		 same;		/* were so before */
	uint32_t		 owed;		/* credit of rows */
	struct uidset_iter	 it;		/* told so far */
	uint32_t		 uid;
};

static void
store_cleanup(struct iop *op)
{
	struct store *st = op->data;

	mirror_own_drop(&st->own);
	uidset_fini(&st->named);
	uidset_fini(&st->left);
	uidset_fini(&st->own.touched);
	free(st->part);
	uidset_fini(&st->changed);
	uidset_fini(&st->modified);
	uidset_fini(&st->tell);
	uidset_fini(&st->same);
	ibuf_fini(&st->flags);
	free(st);
}

/* The list of a command as the text that the storage gets. */
int
flag_list_text(const struct flag_list *l, struct ibuf *b)
{
	if (imap_put_flag_list(b, l) == -1)
		return -1;
	/* without its parentheses, with a NUL */
	ibuf_skip(b, 1);
	ibuf_truncate(b, ibuf_size(b) - 1);
	return ibuf_add_n8(b, '\0');
}

static void
store_end(struct iop *op)
{
	struct store	*st = op->data;
	struct uidset	 seqs;
	struct ibuf	 b;

	if (st->modified.n == 0) {
		iop_ok(op, "%s completed", op->cmd.name);
		return;
	}
	ibuf_init(&b, CODE_MAX);
	uidset_init(&seqs);
	(void)ibuf_adds(&b, "MODIFIED ");
	if (op->cmd.uid)
		(void)uidset_put(&st->modified, &b);
	else {
		(void)seqset_numbers(&op->s->view->snap->uids,
		    &st->modified, &seqs);
		(void)uidset_put(&seqs, &b);
	}
	(void)ibuf_add_n8(&b, '\0');
	iop_ok_code(op, (const char *)ibuf_data(&b),
	    "Conditional STORE failed for some");
	ibuf_fini(&b);
	uidset_fini(&seqs);
}

/* What .SILENT leaves: with CONDSTORE the new modseq is told all the same. */
static void
store_put_modseq(struct iop *op, uint32_t seq, uint32_t uid, uint64_t modseq)
{
	struct ibuf *b = imap_out(op->s);

	(void)ibuf_addf(b, "* %u FETCH (", seq);
	if (op->cmd.uid)
		(void)ibuf_addf(b, "UID %u ", uid);
	(void)ibuf_addf(b, "MODSEQ (%llu))\r\n", (unsigned long long)modseq);
}

static void
store_put(struct iop *op, uint32_t seq, uint32_t uid, uint64_t modseq)
{
	if (op->cmd.store.silent)
		store_put_modseq(op, seq, uid, modseq);
	else
		view_put_fetch(op->s->view, seq, uid, modseq, op->cmd.uid);
}

static void	store_same_next(struct iop *);

/* The modseq that a change gave to a message; uids come in order. */
static uint64_t
store_modseq(struct store *st, uint32_t uid)
{
	if (st->unsure || !uidset_contains(&st->changed, uid))
		return 0;
	while (st->telling < st->nparts && st->part[st->telling].last < uid)
		st->telling++;
	return st->telling < st->nparts ? st->part[st->telling].modseq : 0;
}

static void
store_tell(struct iop *op)
{
	struct store	*st = op->data;
	struct iview	*v = op->s->view;
	uint64_t	 modseq;
	uint32_t	 seq;

	op->resume = NULL;
	for (; st->uid != 0; st->uid = uidset_next(&st->it)) {
		if (imap_full(op->s)) {
			op->resume = store_tell;
			return;
		}
		seq = uidset_rank(&v->snap->uids, st->uid);
		if (seq == 0 || !uidset_contains(&v->m->map.uids, st->uid))
			continue;
		modseq = store_modseq(st, st->uid);
		store_put(op, seq, st->uid, modseq);
	}
	store_same_next(op);
}

/*
 * With CONDSTORE each answer has a modseq; that of messages whose flags
 * were so before nobody has told us.
 */
static void
store_same_row(struct iop *op, const struct st_row *row)
{
	struct store		*st = op->data;
	struct iview		*v = op->s->view;
	struct uidset		 set;
	struct uidset_iter	 it;
	uint32_t		 uid, seq;

	/* changed again: that will be told (imap_fetch.h) */
	if ((row->has & ROW_MODSEQ) == 0 || row->modseq > v->m->modseq)
		return;
	uidset_init(&set);
	if (msg_set_get(&row->uids, &set) == -1 ||
	    uidset_intersect(&set, &v->m->map.uids) == -1)
		fatal(NULL);
	for (uid = uidset_first(&it, &set); uid != 0;
	    uid = uidset_next(&it))
		if (uidset_contains(&st->tell, uid) &&
		    (seq = uidset_rank(&v->snap->uids, uid)) != 0)
			store_put(op, seq, uid, row->modseq);
	uidset_fini(&set);
}

/* More rows, once the client has read what they became. */
static void
store_same_more(struct iop *op)
{
	struct store *st = op->data;

	op->resume = NULL;
	if (imap_full(op->s))
		op->resume = store_same_more;
	else if (st_active(&op->rq)) {
		st_credit(&op->rq, st->owed);
		st->owed = 0;
	}
}

static void
store_same_answer(struct streq *rq, enum msg_type type, const void *arg)
{
	struct iop		*op = rq->arg;
	struct store		*st = op->data;
	const struct m_st_rows	*m = arg;
	struct ibuf		 b;
	struct st_row		 row;

	if (type == M_st_rows) {
		ibuf_from_buffer(&b, m->rows.p, m->rows.len);
		while (strow_get(&b, &row) == 1)
			store_same_row(op, &row);
		st->owed += (uint32_t)m->rows.len;
		store_same_more(op);
	} else if (type == M_st_end) {
		op->resume = NULL;
		/* it is stored, whatever this answer is */
		store_same_next(op);
	}
}

static void
store_same_next(struct iop *op)
{
	struct store		*st = op->data;
	struct m_st_list	 q;

	if (st->same.n == 0) {
		store_end(op);
		return;
	}
	set_take(&st->same, &st->tell, SET_RANGES);
	memset(&q, 0, sizeof(q));
	q.mount = op->mount->number;
	q.mailbox = op->s->view->m->id;
	q.uids = msg_set_of(&st->tell);
	q.fields = ROW_MODSEQ;
	q.credit = LIST_CREDIT;
	st->owed = 0;
	iop_ask(op, M_st_list, &q, store_same_answer);
}

/* Who gets an answer: all that were named and not left out. */
static void
store_answered(struct iop *op, enum st_code code, const char *text)
{
	struct store	*st = op->data;
	struct iview	*v = op->s->view;
	int		 condstore = op->s->condstore &&
			    st->own.change.modseq != 0;

	(void)text;
	/* done it is, but its modseq would cover what is not known */
	st->unsure = code != ST_OK;
	if (flags_nkeywords(&v->m->map.flags) != v->nkeywords)
		view_put_flags(v);
	if (op->cmd.store.silent && (!condstore || code != ST_OK)) {
		store_end(op);
		return;
	}
	if (uidset_copy(&st->tell, &st->named) == -1 ||
	    uidset_subtract(&st->tell, &st->modified) == -1)
		fatal(NULL);
	if (condstore && (uidset_copy(&st->same, &st->tell) == -1 ||
	    uidset_intersect(&st->same, &v->m->map.uids) == -1 ||
	    uidset_subtract(&st->same, &st->changed) == -1 ||
	    uidset_subtract(&st->tell, &st->same) == -1))
		fatal(NULL);
	/* RFC 7162, 3.1.3: a condition is answered with modseqs, always */
	if (op->cmd.store.silent && !op->cmd.store.has_unchangedsince)
		uidset_clear(&st->same);
	st->uid = uidset_first(&st->it, &st->tell);
	store_tell(op);
}

/* What others did before it comes first (imap_fetch.h). */
static void
store_stored(struct iop *op)
{
	struct store	*st = op->data;
	struct mirror	*m = op->s->view->m;

	if ((op->s->condstore || st->incomplete) && mirror_behind(m))
		mirror_need(op, m, store_answered);
	else
		store_answered(op, ST_OK, "");
}

static void
store_rows(struct iop *op, const struct m_st_rows *m)
{
	struct store	*st = op->data;
	struct ibuf	 b;
	struct st_row	 row;
	struct uidset	 set;

	ibuf_from_buffer(&b, m->rows.p, m->rows.len);
	uidset_init(&set);
	while (strow_get(&b, &row) == 1) {
		if (row.flags != NULL)
			mirror_own_flags(op->s->view->m, &st->own, &row.uids,
			    row.flags);
		if (msg_set_get(&row.uids, &set) == -1 ||
		    uidset_union(&st->changed, &set) == -1)
			fatal(NULL);
		if (st->nparts > 0 &&
		    uidset_max(&set) > st->part[st->nparts - 1].last)
			st->part[st->nparts - 1].last = uidset_max(&set);
	}
	uidset_fini(&set);
}

static void
store_change(struct iop *op, const struct m_st_change *c)
{
	struct store		*st = op->data;
	struct mirror		*m = op->s->view->m;
	struct store_part	*p;

	mirror_own_change(m, &st->own, c);
	iacct_own(op, m->id, c->modseq);
	p = reallocarray(st->part, st->nparts + 1, sizeof(*p));
	if (p == NULL)
		fatal(NULL);
	st->part = p;
	p[st->nparts].last = 0;
	p[st->nparts++].modseq = c->modseq;
}

static void	store_next(struct iop *);

/*
 * An answer that was cut off does not undo the change; but which messages
 * failed a condition is not known then.
 */
static void
store_part_end(struct iop *op, const struct m_st_end *end)
{
	struct store	*st = op->data;
	struct mirror	*m = op->s->view->m;

	mirror_own_settle(m, &st->own, end);
	if (st->own.incomplete && !op->cmd.store.has_unchangedsince) {
		st->incomplete = 1;
		store_next(op);
		return;
	}
	/* what was done is told as if others had done it */
	if (end->code != ST_OK)
		mirror_disown(m, st->own.origin);
	if (!iop_failed(op, end))
		store_next(op);
}

static void
store_answer(struct streq *rq, enum msg_type type, const void *arg)
{
	struct iop	*op = rq->arg;
	struct store	*st = op->data;
	struct uidset	 set;

	switch (type) {
	case M_st_change:
		store_change(op, arg);
		break;
	case M_st_rows:
		store_rows(op, arg);
		break;
	case M_st_modified:
		uidset_init(&set);
		if (msg_set_get(&((const struct m_st_modified *)arg)->uids,
		    &set) == -1 || uidset_union(&st->modified, &set) == -1)
			fatal(NULL);
		uidset_fini(&set);
		break;
	case M_st_end:
		store_part_end(op, arg);
		break;
	default:
		break;
	}
}

static void
store_next(struct iop *op)
{
	static const uint8_t	 ops[] = {
		[STORE_SET] = PATCH_SET, [STORE_ADD] = PATCH_ADD,
		[STORE_REMOVE] = PATCH_REMOVE
	};
	struct store		*st = op->data;
	const struct imap_store	*c = &op->cmd.store;
	struct m_st_patch	 q;
	struct uidset		 part;

	if (st->left.n == 0) {
		store_stored(op);
		return;
	}
	uidset_init(&part);
	set_take(&st->left, &part, SET_RANGES);
	memset(&q, 0, sizeof(q));
	q.mount = op->mount->number;
	q.mailbox = op->s->view->m->id;
	q.uids = msg_set_of(&part);
	q.op = ops[c->op];
	q.flags = (const char *)ibuf_data(&st->flags);
	q.conditional = (uint8_t)c->has_unchangedsince;
	q.unchangedsince = c->unchangedsince;
	mirror_own_begin(op->s->view->m, &st->own);
	iop_ask(op, M_st_patch, &q, store_answer);
	uidset_fini(&part);
}

void
cmd_store(struct iop *op)
{
	const struct imap_store	*c = &op->cmd.store;
	struct iview		*v = op->s->view;
	struct store		*st;

	if (c->has_unchangedsince && !iop_has(op, CAP_MODSEQ)) {
		iop_bad(op, "UNCHANGEDSINCE is not available here");
		return;
	}
	if ((st = calloc(1, sizeof(*st))) == NULL)
		fatal(NULL);
	ibuf_init(&st->flags, 8190);
	st->own.origin = op->s->ls.id;
	st->own.silent = c->silent;
	op->data = st;
	op->cleanup = store_cleanup;
	if (c->has_unchangedsince)
		view_condstore(op->s);
	if (flag_list_text(&c->flags, &st->flags) == -1) {
		iop_no(op, "LIMIT", "Too many flags");
		return;
	}
	if (view_resolve(op, &c->set, &st->named) == -1)
		return;
	if (uidset_copy(&st->left, &st->named) == -1 ||
	    uidset_intersect(&st->left, &v->m->map.uids) == -1)
		fatal(NULL);
	op->expunged = !uidset_equal(&st->left, &st->named);
	store_next(op);
}
