/*
 * A mailbox is opened and closed; what a session does with it as a whole.
 */
#include <sys/types.h>
#include <stdlib.h>
#include <string.h>

#include "imap.h"
#include "listmatch.h"
#include "log.h"

#define SET_RANGES	4000	/* of a set in one request */
#define TAKE_MAX	50000	/* messages in one request */

/* SELECT and EXAMINE */

struct sel {
	struct mirror	*m;
	int		 read_only;
	uint32_t	 recent;	/* uids from here on */
};

static void
select_cleanup(struct iop *op)
{
	free(op->data);
}

static void
put_num(struct ibuf *b, const char *name, uint64_t n, const char *text)
{
	(void)ibuf_addf(b, "* OK [%s %llu] %s\r\n", name,
	    (unsigned long long)n, text);
}

static void
select_tell(struct iop *op)
{
	struct imap	*s = op->s;
	struct iview	*v = s->view;
	struct mirror	*m = v->m;
	struct ibuf	*b = imap_out(s);
	struct flagtest	 unseen = FLAGTEST_ALL;
	struct mbox	*mb;
	uint32_t	 uid;

	view_put_flags(v);
	(void)ibuf_addf(b, "* %u EXISTS\r\n* %u RECENT\r\n", view_exists(v),
	    uidset_count(&v->recent));
	unseen.off = FLAG_SEEN;
	if ((uid = flagmap_first(&m->map, &unseen)) != 0)
		put_num(b, "UNSEEN", uidset_rank(&v->snap->uids, uid),
		    "First unseen");
	put_num(b, "UIDVALIDITY", m->uidvalidity, "UIDs valid");
	put_num(b, "UIDNEXT", m->uidnext, "Predicted next UID");
	if (m->modseq != 0)
		put_num(b, "HIGHESTMODSEQ", m->modseq, "Highest");
	else
		(void)ibuf_adds(b, "* OK [NOMODSEQ] No modification "
		    "sequences here\r\n");
	if (imap_has(s, CAP_OBJECTID) && iop_has(op, CAP_OBJECTID) &&
	    op->mount->account != NULL &&
	    (mb = iacct_by_id(op->mount->account, m->id)) != NULL &&
	    *mb->objectid != '\0')
		(void)ibuf_addf(b, "* OK [MAILBOXID (%s)] Its id\r\n",
		    mb->objectid);
	iop_ok_code(op, v->read_only ? "READ-ONLY" : "READ-WRITE",
	    "%s completed", op->cmd.name);
}

/*
 * What was there when it was asked for, from first on; what came since has
 * been asked for by the mirror.
 */
static void
select_recents(struct iview *v, uint32_t first)
{
	struct uidset set;

	uidset_init(&set);
	if (uidset_copy(&set, &v->snap->uids) == -1 ||
	    (first > 1 && uidset_remove(&set, 1, first - 1) == -1) ||
	    uidset_union(&v->recent, &set) == -1)
		fatal(NULL);
	uidset_fini(&set);
}

/* The numbers are of one moment; HIGHESTMODSEQ covers nothing else. */
static void
select_ready(struct iop *op, enum st_code code, const char *text)
{
	if (code != ST_OK) {
		view_close(op->s);
		iop_fail(op, code, text);
		return;
	}
	view_renew(op->s->view);
	select_tell(op);
}

static void
select_recent(struct streq *rq, enum msg_type type, const void *arg)
{
	struct iop		*op = rq->arg;
	struct sel		*sel = op->data;
	struct iview		*v = op->s->view;
	const struct m_st_end	*end = arg;

	if (type == M_st_recent_ok) {
		sel->recent = ((const struct m_st_recent_ok *)arg)->first;
		return;
	}
	if (type != M_st_end)
		return;
	if (end->code != ST_OK) {
		view_close(op->s);
		iop_failed(op, end);
		return;
	}
	select_recents(v, sel->recent);
	mirror_need(op, v->m, select_ready);
}

static void
select_mirrored(struct iop *op, enum st_code code, const char *text)
{
	struct sel		*sel = op->data;
	struct imap		*s = op->s;
	struct m_st_recent	 q;

	if (code != ST_OK) {
		iop_fail(op, code, text);
		return;
	}
	view_open(s, op->mount, sel->m, sel->read_only);
	memset(&q, 0, sizeof(q));
	q.mount = op->mount->number;
	q.mailbox = sel->m->id;
	q.uidnext = sel->m->uidnext;
	q.take = sel->read_only ? RECENT_LOOK : RECENT_TAKE;
	iop_ask(op, M_st_recent, &q, select_recent);
}

static void
select_listed(struct iop *op, enum st_code code, const char *text)
{
	struct imap	*s = op->s;
	struct sel	*sel = op->data;
	struct mbox	*mb;

	if (code != ST_OK) {
		iop_fail(op, code, text);
		return;
	}
	mb = iacct_find(op->mount->account, op->name);
	if (mb == NULL) {
		iop_no(op, "NONEXISTENT", "No such mailbox");
		return;
	}
	if (mb->has & MBOX_READONLY || !iop_has(op, CAP_WRITE))
		sel->read_only = 1;
	sel->m = mirror_get(s, op->mount, mb->id);
	mirror_need(op, sel->m, select_mirrored);
}

static void
select_begin(struct iop *op, int read_only)
{
	struct sel *sel;

	if (op->s->view != NULL)
		view_close(op->s);
	if ((sel = calloc(1, sizeof(*sel))) == NULL)
		fatal(NULL);
	sel->read_only = read_only;
	op->data = sel;
	op->cleanup = select_cleanup;
	if (iop_place(op, op->cmd.select.mailbox) == -1) {
		iop_no(op, "NONEXISTENT", "No such mailbox");
		return;
	}
	if (op->cmd.select.condstore && iop_has(op, CAP_MODSEQ))
		op->s->condstore = 1;
	iacct_need(op, select_listed);
}

void
cmd_select(struct iop *op)
{
	select_begin(op, 0);
}

void
cmd_examine(struct iop *op)
{
	select_begin(op, 1);
}

/* EXPUNGE, UID EXPUNGE, CLOSE */

struct expunge {
	struct uidset		 left;		/* still to be asked for */
	struct uidset		 vanished;
	struct mown		 own;
	int			 close;
};

static void
expunge_cleanup(struct iop *op)
{
	struct expunge *x = op->data;

	mirror_own_drop(&x->own);
	uidset_fini(&x->left);
	uidset_fini(&x->vanished);
	uidset_fini(&x->own.touched);
	free(x);
}

void
set_take(struct uidset *left, struct uidset *part, uint32_t ranges)
{
	uint32_t uid;

	if (uidset_copy(part, left) == -1)
		fatal(NULL);
	if (part->n > ranges)
		(void)uidset_remove(part, part->r[ranges].lo, UINT32_MAX);
	if ((uid = uidset_nth(part, TAKE_MAX + 1)) != 0)
		(void)uidset_remove(part, uid, UINT32_MAX);
	if (uidset_subtract(left, part) == -1)
		fatal(NULL);
}

static void	expunge_next(struct iop *);

static void
expunge_done(struct iop *op)
{
	struct expunge	*x = op->data;
	struct imap	*s = op->s;
	char		 code[64];

	if (x->close) {
		view_close(s);
		iop_ok(op, "CLOSE completed");
		return;
	}
	if (s->condstore && x->own.change.modseq != 0 &&
	    !mirror_behind(s->view->m)) {
		snprintf(code, sizeof(code), "HIGHESTMODSEQ %llu",
		    (unsigned long long)s->view->m->modseq);
		iop_ok_code(op, code, "%s completed", op->cmd.name);
		return;
	}
	iop_ok(op, "%s completed", op->cmd.name);
}

/* One change is through: what it did goes into the mirror. */
static void
expunge_apply(struct iop *op, const struct m_st_end *end)
{
	struct expunge	*x = op->data;
	struct mirror	*m = op->s->view->m;

	if (x->vanished.n > 0)
		mirror_own_removed(m, &x->vanished);
	mirror_own_settle(m, &x->own, end);
	uidset_clear(&x->vanished);
}

static void
expunge_asked(struct iop *op, enum st_code code, const char *text)
{
	if (code != ST_OK)
		iop_fail(op, code, text);
	else
		expunge_next(op);
}

static void
expunge_end(struct iop *op, const struct m_st_end *end)
{
	struct expunge *x = op->data;

	expunge_apply(op, end);
	if (x->own.incomplete)
		mirror_need(op, op->s->view->m, expunge_asked);
	else if (!iop_failed(op, end))
		expunge_next(op);
}

static void
expunge_answer(struct streq *rq, enum msg_type type, const void *arg)
{
	struct iop	*op = rq->arg;
	struct expunge	*x = op->data;
	struct uidset	 set;

	switch (type) {
	case M_st_change:
		expunge_apply(op, NULL);
		mirror_own_change(op->s->view->m, &x->own, arg);
		iacct_own(op, op->s->view->m->id, x->own.change.modseq);
		break;
	case M_st_vanished:
		uidset_init(&set);
		if (msg_set_get(&((const struct m_st_vanished *)arg)->uids,
		    &set) == -1 || uidset_union(&x->vanished, &set) == -1)
			fatal(NULL);
		uidset_fini(&set);
		break;
	case M_st_end:
		expunge_end(op, arg);
		break;
	default:
		break;
	}
}

static void
expunge_next(struct iop *op)
{
	struct expunge		*x = op->data;
	struct m_st_expunge	 q;
	struct uidset		 part;

	if (x->left.n == 0) {
		expunge_done(op);
		return;
	}
	uidset_init(&part);
	set_take(&x->left, &part, SET_RANGES);
	memset(&q, 0, sizeof(q));
	q.mount = op->mount->number;
	q.mailbox = op->s->view->m->id;
	q.uids = msg_set_of(&part);
	q.onlyif = "\\Deleted";
	mirror_own_begin(op->s->view->m, &x->own);
	iop_ask(op, M_st_expunge, &q, expunge_answer);
	uidset_fini(&part);
}

/*
 * What is marked, as far as the session has been told of it: a message
 * that it never saw must not be expunged by it.
 */
static void
expunge_marked(struct iop *op, enum st_code code, const char *text)
{
	struct expunge	*x = op->data;
	struct iview	*v = op->s->view;
	struct flagtest	 deleted = FLAGTEST_ALL;
	struct uidset	 named;

	if (code != ST_OK) {
		iop_fail(op, code, text);
		return;
	}
	deleted.on = FLAG_DELETED;
	if (flagmap_select(&v->m->map, &deleted, &x->left) == -1 ||
	    uidset_intersect(&x->left, &v->snap->uids) == -1)
		fatal(NULL);
	if (!x->close && op->cmd.uid) {
		uidset_init(&named);
		if (view_resolve(op, &op->cmd.expunge.set, &named) == -1) {
			uidset_fini(&named);
			return;
		}
		if (uidset_intersect(&x->left, &named) == -1)
			fatal(NULL);
		uidset_fini(&named);
	}
	expunge_next(op);
}

static void
expunge_begin(struct iop *op, int close)
{
	struct expunge *x;

	if ((x = calloc(1, sizeof(*x))) == NULL)
		fatal(NULL);
	uidset_init(&x->left);
	uidset_init(&x->vanished);
	x->close = close;
	op->data = x;
	op->cleanup = expunge_cleanup;
	mirror_need(op, op->s->view->m, expunge_marked);
}

void
cmd_expunge(struct iop *op)
{
	expunge_begin(op, 0);
}

void
cmd_close(struct iop *op)
{
	if (op->s->view->read_only) {
		view_close(op->s);
		iop_ok(op, "CLOSE completed");
	} else
		expunge_begin(op, 1);
}

void
cmd_unselect(struct iop *op)
{
	view_close(op->s);
	iop_ok(op, "UNSELECT completed");
}

static void
check_synced(struct iop *op, enum st_code code, const char *text)
{
	if (code != ST_OK)
		iop_fail(op, code, text);
	else
		iop_ok(op, "CHECK completed");
}

void
cmd_check(struct iop *op)
{
	mirror_need(op, op->s->view->m, check_synced);
}

/* IDLE (RFC 2177) */

static size_t
idle_input(struct iop *op, const uint8_t *p, size_t len)
{
	struct imap	*s = op->s;
	const uint8_t	*nl = memchr(p, '\n', len);
	size_t		 n;

	if (nl == NULL && len < 1024)
		return 0;
	iop_reads(op, NULL);
	s->idling = 0;
	if (nl == NULL) {
		s->input = INPUT_SKIP_LINE;
		imap_input_tail(s, NULL, 0);
		iop_bad(op, "DONE expected");
		return 0;
	}
	n = (size_t)(nl - p);
	if (imap_is_done((const char *)p, n > 0 && p[n - 1] == '\r' ?
	    n - 1 : n))
		iop_ok(op, "IDLE completed");
	else {
		iop_bad(op, "DONE expected");
		imap_input_refused(s, p, n);
	}
	return n + 1;
}

void
cmd_idle(struct iop *op)
{
	struct imap *s = op->s;

	imap_counts.idles++;
	iop_reads(op, idle_input);
	s->input = INPUT_IDLE;
	s->idling = 1;
	feed_rest(s, 1);
	(void)ibuf_adds(imap_out(s), "+ idling\r\n");
	lsession_timeout(&s->ls, LT_IDLE);
	if (s->view != NULL) {
		mirror_refresh(s->view->m);
		imap_at_turn(s);
	}
}
