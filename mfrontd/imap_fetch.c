/*
 * FETCH.  Messages are answered in order, one after the other:
 *
 *	what the mirror knows is written at once;
 *	what a row of the listing has (date, size, modseq, the summary) is
 *	asked for in one listing, and written as its rows come;
 *	what takes contents is fetched, small messages several ahead, large
 *	ones streaming to the client as it reads.
 *
 * imap_part.c renders a message; this file sees to it that it has what it
 * needs.
 */
#include <sys/types.h>
#include <stdlib.h>
#include <string.h>

#include "imap.h"
#include "imap_feed.h"
#include "imap_fetch.h"
#include "log.h"

#define ROWS_AHEAD	64		/* messages queued before we wait */
#define AHEAD		6		/* contents fetched ahead */
#define KEEPS		6		/* summaries being stored */
#define LIST_CREDIT	(64 * 1024)
#define SET_RANGES	1000		/* of a set in one listing */
#define SET_RANGES_PATCH 4000		/* ... in one change */
#define SET_WHOLE	UINT32_MAX	/* any number of them */
#define ROW_BLOCK	32		/* rows read for one that is asked */

static void	fetch_pump(struct iop *);
static void	fetch_finish(struct iop *);

/* messages */

static void
fmsg_free(struct fetch *f, struct fmsg *m)
{
	TAILQ_REMOVE(&f->queue, m, entry);
	f->nqueue--;
	st_cancel(&m->rq);
	summary_free(m->maker);
	stext_free(m->stext);
	ibuf_fini(&m->data);
	ibuf_fini(&m->text);
	ibuf_fini(&m->kept);
	ibuf_fini(&m->hdr);
	ibuf_fini(&m->out);
	free(m->id);
	free(m->threadid);
	free(m);
}

static void
fkeep_free(struct fetch *f, struct fkeep *k)
{
	TAILQ_REMOVE(&f->keeps, k, entry);
	f->nkeeps--;
	st_cancel(&k->rq);
	free(k);
}

static void
fetch_cleanup(struct iop *op)
{
	struct fetch	*f = op->data;
	struct fkeep	*k;
	struct fmsg	*m;

	mirror_own_drop(&f->own);
	while ((m = TAILQ_FIRST(&f->queue)) != NULL)
		fmsg_free(f, m);
	while ((k = TAILQ_FIRST(&f->keeps)) != NULL)
		fkeep_free(f, k);
	uidset_fini(&f->todo);
	uidset_fini(&f->listing);
	uidset_fini(&f->block);
	uidset_fini(&f->asked);
	uidset_fini(&f->cover);
	uidset_fini(&f->seen);
	uidset_fini(&f->held);
	uidset_fini(&f->own.touched);
	op->s->midline = 0;
	if (f->feeds) {
		feed_unwait(op);
		feed_rest(op->s, 0);
	}
	free(f);
}

static struct fmsg *
fmsg_new(struct iop *op, uint32_t uid)
{
	struct fetch	*f = op->data;
	struct fmsg	*m;

	if ((m = calloc(1, sizeof(*m))) == NULL)
		fatal(NULL);
	m->op = op;
	m->uid = uid;
	ibuf_init(&m->data, HELD_MAX);
	ibuf_init(&m->text, SUMMARY_FULL + 1024);
	ibuf_init(&m->kept, SUMMARY_MAX + 1024);
	ibuf_init(&m->hdr, SUMMARY_FULL);
	ibuf_init(&m->out, OUT_MAX);
	TAILQ_INSERT_TAIL(&f->queue, m, entry);
	f->nqueue++;
	return m;
}

/* what the mirror has alone */

static void
fetch_plain_one(struct iop *op, uint32_t uid, uint32_t seq)
{
	const struct imap_fetch	*c = &op->cmd.fetch;
	struct ibuf		*b = imap_out(op->s);
	uint32_t		 i;

	(void)ibuf_adds(b, "* ");
	(void)ibuf_addu(b, seq);
	(void)ibuf_adds(b, " FETCH (");
	for (i = 0; i < c->natts; i++) {
		if (i > 0)
			(void)ibuf_add_n8(b, ' ');
		if (c->att[i].att == ATT_UID) {
			(void)ibuf_adds(b, "UID ");
			(void)ibuf_addu(b, uid);
		} else {
			(void)ibuf_adds(b, "FLAGS ");
			view_flags_of(op->s->view, b, uid);
		}
	}
	(void)ibuf_adds(b, ")\r\n");
}

static void
fetch_plain(struct iop *op)
{
	struct fetch	*f = op->data;
	struct iview	*v = op->s->view;
	uint32_t	 n = 0;

	op->resume = NULL;
	if (f->uid == 0)
		f->uid = uidset_first(&f->it, &f->todo);
	for (; f->uid != 0; f->uid = uidset_next(&f->it)) {
		if ((++n & 63) == 0 && imap_full(op->s)) {
			op->resume = fetch_plain;
			return;
		}
		if (!uidset_contains(&v->m->map.uids, f->uid)) {
			op->expunged = 1;
			continue;
		}
		fetch_plain_one(op, f->uid,
		    uidset_rank(&v->snap->uids, f->uid));
	}
	fetch_finish(op);
}

/* \Seen, at the end, of what was read without PEEK */

static void	fetch_set_seen(struct iop *);

static void
seen_rows(struct iop *op, const struct m_st_rows *rows)
{
	struct fetch	*f = op->data;
	struct ibuf	 b;
	struct st_row	 row;

	ibuf_from_buffer(&b, rows->rows.p, rows->rows.len);
	while (strow_get(&b, &row) == 1)
		if (row.flags != NULL)
			mirror_own_flags(op->s->view->m, &f->own, &row.uids,
			    row.flags);
}

static void
seen_answer(struct streq *rq, enum msg_type type, const void *arg)
{
	struct iop	*op = rq->arg;
	struct fetch	*f = op->data;
	struct mirror	*m = op->s->view->m;

	switch (type) {
	case M_st_change:
		mirror_own_change(m, &f->own, arg);
		iacct_own(op, m->id, f->own.change.modseq);
		break;
	case M_st_rows:
		seen_rows(op, arg);
		break;
	case M_st_end:
		/* told with the other changes when the command ends */
		mirror_own_settle(m, &f->own, arg);
		if (((const struct m_st_end *)arg)->code != ST_OK)
			uidset_clear(&f->seen);
		fetch_set_seen(op);
		break;
	default:
		break;
	}
}

/*
 * One request after the other.  Where the storage refuses, the client has
 * what it asked for all the same.
 */
static void
fetch_set_seen(struct iop *op)
{
	struct fetch		*f = op->data;
	struct uidset		 part;
	struct m_st_patch	 q;

	if (f->seen.n == 0) {
		iop_ok(op, "%s completed", op->cmd.name);
		return;
	}
	uidset_init(&part);
	set_take(&f->seen, &part, SET_RANGES_PATCH);
	memset(&q, 0, sizeof(q));
	q.mount = op->mount->number;
	q.mailbox = op->s->view->m->id;
	q.uids = msg_set_of(&part);
	q.op = PATCH_ADD;
	q.flags = "\\Seen";
	mirror_own_begin(op->s->view->m, &f->own);
	iop_ask(op, M_st_patch, &q, seen_answer);
	uidset_fini(&part);
}

static void
fetch_finish(struct iop *op)
{
	struct fetch	*f = op->data;
	struct flagtest	 unseen = FLAGTEST_ALL;
	struct uidset	 set;

	op->resume = NULL;
	if (f->bad) {
		iop_no(op, "CANNOT", "Some messages could not be shown");
		return;
	}
	uidset_init(&set);
	unseen.off = FLAG_SEEN;
	if (op->s->view->read_only)
		uidset_clear(&f->seen);
	if (flagmap_select(&op->s->view->m->map, &unseen, &set) == -1 ||
	    uidset_intersect(&f->seen, &set) == -1)
		fatal(NULL);
	uidset_fini(&set);
	fetch_set_seen(op);
}

/* listings */

static void
fetch_take_row(struct iop *op, const struct st_row *row, uint32_t uid)
{
	struct fetch	*f = op->data;
	struct fmsg	*m;

	if (op->cmd.fetch.has_changedsince && row->has & ROW_MODSEQ &&
	    row->modseq <= op->cmd.fetch.changedsince)
		return;
	/* not told of before all changes up to it are (imap_fetch.h) */
	if (row->has & ROW_MODSEQ && row->modseq > op->s->view->m->modseq &&
	    f->natts_modseq) {
		if (uidset_add(&f->held, uid, uid) == -1)
			fatal(NULL);
		return;
	}
	m = fmsg_new(op, uid);
	m->size = row->size;
	m->date = row->date;
	m->zone = row->zone;
	m->modseq = row->modseq;
	m->saved = (row->has & ROW_SAVEDATE) != 0;
	m->savedate = row->savedate;
	if ((row->has & ROW_ID && (m->id = strdup(row->id)) == NULL) ||
	    (row->has & ROW_THREADID &&
	    (m->threadid = strdup(row->threadid)) == NULL))
		fatal(NULL);
	if (row->has & ROW_CACHE && row->cachelen > 0) {
		if (ibuf_add(&m->text, row->cache, row->cachelen) == -1)
			fatal(NULL);
		part_use_summary(m);
		m->stored = m->have_sum && !m->sum.old;
	}
}

static void
fetch_rows(struct iop *op, const struct m_st_rows *rows)
{
	struct fetch		*f = op->data;
	struct ibuf		 b;
	struct st_row		 row;
	struct uidset		 set;
	struct uidset_iter	 it;
	uint32_t		 uid;

	ibuf_from_buffer(&b, rows->rows.p, rows->rows.len);
	uidset_init(&set);
	while (strow_get(&b, &row) == 1) {
		/* a row may name more than there is */
		if (msg_set_get(&row.uids, &set) == -1 ||
		    uidset_intersect(&set, &f->asked) == -1)
			fatal(NULL);
		for (uid = uidset_first(&it, &set); uid != 0;
		    uid = uidset_next(&it)) {
			if (f->cacheable)
				mirror_row_put(op->s->view->m, uid, &row);
			if (!uidset_contains(&f->listing, uid))
				continue;
			if (uidset_remove(&f->listing, uid, uid) == -1)
				fatal(NULL);
			fetch_take_row(op, &row, uid);
		}
	}
	uidset_fini(&set);
	f->owed += (uint32_t)rows->rows.len;
}

static void	fetch_list_more(struct iop *);

/*
 * The storage does not know that far back: all rows are asked for, and
 * those that are older left out.  (Nor does it know the future; then none
 * are left.)
 */
static void
fetch_since_lost(struct iop *op)
{
	struct fetch *f = op->data;

	f->since = 0;
	if (uidset_union(&f->todo, &f->listing) == -1)
		fatal(NULL);
	uidset_clear(&f->listing);
	fetch_pump(op);
}

static void
list_answer(struct streq *rq, enum msg_type type, const void *arg)
{
	struct iop		*op = rq->arg;
	struct fetch		*f = op->data;
	const struct m_st_end	*end = arg;

	lsession_timeout(&op->s->ls, LT_COMMAND);
	if (type == M_st_rows) {
		fetch_rows(op, arg);
		fetch_pump(op);
		return;
	}
	if (type != M_st_end)
		return;
	f->listed = 1;
	if (end->code == ST_SINCE_TOO_OLD && f->since != 0) {
		fetch_since_lost(op);
		return;
	}
	/* of what is gone there is no row */
	if (end->code == ST_OK && f->since == 0 && f->listing.n > 0)
		op->expunged = 1;
	if (end->code != ST_OK && !f->failed) {
		f->failed = end->code;
		uidset_clear(&f->todo);
	}
	fetch_pump(op);
}

static uint32_t
fetch_fields(const struct fetch *f)
{
	return ROW_ID | ROW_SIZE | ROW_DATE |
	    (f->needs & IMAP_NEED_SUMMARY ? ROW_CACHE : 0) |
	    (f->needs & IMAP_NEED_HEADER ? ROW_WHOLE : 0) |
	    (f->natts_modseq ? ROW_MODSEQ : 0) |
	    (f->savedate ? ROW_SAVEDATE : 0) |
	    (f->threadid ? ROW_THREADID : 0);
}

/*
 * Rows that the mirror keeps need not be asked for; one that it does not
 * have is read with those behind it, which are likely to be next.
 */
static int
fetch_cached(struct iop *op)
{
	struct fetch	*f = op->data;
	struct mirror	*mi = op->s->view->m;
	struct mrow	*r;
	struct fmsg	*m;
	uint32_t	 uid;

	while ((uid = uidset_min(&f->todo)) != 0 &&
	    f->nqueue < ROWS_AHEAD) {
		if ((r = mirror_row(mi, uid)) == NULL)
			return 0;
		(void)uidset_remove(&f->todo, uid, uid);
		if (!uidset_contains(&mi->map.uids, uid)) {
			op->expunged = 1;
			continue;
		}
		m = fmsg_new(op, uid);
		m->size = r->size;
		m->date = r->date;
		m->zone = r->zone;
		if ((m->id = strdup(r->id)) == NULL)
			fatal(NULL);
	}
	return 1;
}

static void
fetch_block(struct iop *op, struct uidset *set)
{
	struct fetch	*f = op->data;
	struct uidset	*all = &op->s->view->snap->uids;
	uint32_t	 rank, last;

	if (!f->cacheable || uidset_count(set) >= ROW_BLOCK)
		return;
	rank = uidset_rank(all, uidset_max(set));
	last = uidset_nth(all, rank + ROW_BLOCK);
	if (last == 0)
		last = uidset_max(all);
	if (uidset_copy(&f->block, all) == -1 ||
	    uidset_remove(&f->block, last, UINT32_MAX) == -1 ||
	    uidset_add(&f->block, last, last) == -1 ||
	    (uidset_min(set) > 1 &&
	    uidset_remove(&f->block, 1, uidset_min(set) - 1) == -1) ||
	    uidset_union(set, &f->block) == -1)
		fatal(NULL);
}

/* How many messages are in the view from one uid to another? */
static uint32_t
fetch_between(struct iop *op, uint32_t lo, uint32_t hi)
{
	struct uidset *all = &op->s->view->snap->uids;

	return lo > hi ? 0 : uidset_below(all, hi) +
	    uidset_contains(all, hi) - uidset_below(all, lo);
}

/*
 * Ranges for what is asked, over uids that nobody has, and all in one if it
 * is half of what is there: many short ones are many requests.
 */
static void
fetch_cover(struct iop *op, const struct uidset *set)
{
	struct fetch	*f = op->data;
	struct uidset	*c = &f->cover;
	uint32_t	 i, hi = 0, min = uidset_min(set), max = uidset_max(set);

	uidset_clear(c);
	if (set->n > 1 && fetch_between(op, min, max) / 2 <=
	    uidset_count(set)) {
		if (uidset_add(c, min, max) == -1)
			fatal(NULL);
		return;
	}
	for (i = 0; i < set->n; i++) {
		if (i > 0 && fetch_between(op, hi + 1, set->r[i].lo - 1) == 0
		    && uidset_add(c, hi + 1, set->r[i].lo - 1) == -1)
			fatal(NULL);
		hi = set->r[i].hi;
		if (uidset_add(c, set->r[i].lo, hi) == -1)
			fatal(NULL);
	}
}

/* What the next listing is of, from what is left to do. */
static void
fetch_take(struct iop *op)
{
	struct fetch *f = op->data;

	uidset_clear(&f->listing);
	set_take(&f->todo, &f->listing, SET_WHOLE);
	fetch_cover(op, &f->listing);
	if (f->cover.n > SET_RANGES) {
		if (uidset_union(&f->todo, &f->listing) == -1)
			fatal(NULL);
		set_take(&f->todo, &f->listing, SET_RANGES);
	}
	if (uidset_copy(&f->asked, &f->listing) == -1)
		fatal(NULL);
	fetch_block(op, &f->asked);
	fetch_cover(op, &f->asked);
}

/* The next part of the set, if the queue has room for it. */
static void
fetch_list_more(struct iop *op)
{
	struct fetch	*f = op->data;
	struct m_st_list q;

	if (st_active(&op->rq) || f->todo.n == 0)
		return;
	if (f->cacheable && fetch_cached(op))
		return;
	if (f->nqueue >= ROWS_AHEAD)
		return;
	fetch_take(op);
	memset(&q, 0, sizeof(q));
	q.mount = op->mount->number;
	q.mailbox = op->s->view->m->id;
	q.uids = msg_set_of(&f->cover);
	q.fields = fetch_fields(f);
	q.since = f->since;
	q.credit = LIST_CREDIT;
	f->owed = 0;
	f->listed = 0;
	iop_ask(op, M_st_list, &q, list_answer);
}

/* contents */

static void
content_end(struct fmsg *m, enum st_code code)
{
	struct iop	*op = m->op;

	if (code == ST_OK && part_content_end(m) == -1)
		code = ST_CUT;
	if (code != ST_OK && m->streaming) {
		/* a literal that was begun cannot be taken back */
		log_warnx("a message's content was cut off: %s",
		    st_error(code)->text);
		lsession_end(&op->s->ls, "backend failed in a literal");
		return;
	}
	if (code != ST_OK)
		m->failed = (int)code;
	fetch_pump(op);
}

static void
content_answer(struct streq *rq, enum msg_type type, const void *arg)
{
	struct fmsg	*m = rq->arg;
	const struct m_st_data *d = arg;
	const struct m_st_end *end = arg;
	struct iop	*op = m->op;

	/* no more than what is queued is sent then */
	if (op->s->ls.flags & LS_ENDING)
		return;
	lsession_timeout(&op->s->ls, LT_COMMAND);
	if (type == M_st_data && part_content(m, d->data.p,
	    d->data.len) == -1) {
		st_cancel(rq);
		content_end(m, ST_NONSENSE);
	} else if (type == M_st_data)
		part_credit(m);
	else if (type == M_st_end)
		content_end(m, (enum st_code)end->code);
}

/* Asks for bytes of a message; credit is given as they are used. */
void
fetch_content(struct fmsg *m, uint64_t off, uint64_t len)
{
	struct m_st_get q;

	memset(&q, 0, sizeof(q));
	q.mount = m->op->mount->number;
	q.id = m->id;
	q.size = m->size;
	q.offset = off;
	q.length = len;
	q.credit = CONTENT_CREDIT;
	m->used = 0;
	m->rq.answer = content_answer;
	m->rq.arg = m;
	st_send(&m->op->s->ls, &m->rq, M_st_get, &q);
}

static void
fetch_ahead(struct fetch *f)
{
	struct fmsg	*m;
	int		 n = 0;

	if ((f->needs & (IMAP_NEED_SUMMARY | IMAP_NEED_CONTENT)) == 0)
		return;
	TAILQ_FOREACH(m, &f->queue, entry) {
		if (n++ == AHEAD)
			return;
		part_prepare(m, m == TAILQ_FIRST(&f->queue));
	}
}

/*
 * A summary that was missing and has been made is kept by the storage.  One
 * that is there may lack something: a better one would not fit.
 */
static void
keep_answer(struct streq *rq, enum msg_type type, const void *arg)
{
	struct fkeep	*k = rq->arg;
	struct iop	*op = k->op;

	/* without it the message is read again, no more */
	if (type != M_st_end)
		return;
	fkeep_free(op->data, k);
	fetch_pump(op);
}

static void
fetch_keep_summary(struct iop *op, struct fmsg *m)
{
	struct fetch		*f = op->data;
	struct fkeep		*k;
	struct m_st_cache	 q;

	if (ibuf_size(&m->kept) == 0 || m->stored ||
	    !iop_has(op, CAP_CACHE))
		return;
	if ((k = calloc(1, sizeof(*k))) == NULL)
		fatal(NULL);
	k->op = op;
	TAILQ_INSERT_TAIL(&f->keeps, k, entry);
	f->nkeeps++;
	memset(&q, 0, sizeof(q));
	q.mount = op->mount->number;
	q.id = m->id;
	q.text = msg_blob_of(ibuf_data(&m->kept), ibuf_size(&m->kept));
	k->rq.answer = keep_answer;
	k->rq.arg = k;
	st_send(&op->s->ls, &k->rq, M_st_cache, &q);
}

/* the pump */

/* The message is answered, or cannot be. */
static void
fetch_done(struct iop *op, struct fmsg *m, enum part_state state)
{
	struct fetch *f = op->data;

	if (state == PART_FAILED) {
		/* a message whose content is gone is as good as expunged */
		if (m->failed == ST_NO_SUCH_MESSAGE)
			op->expunged = 1;
		else if (f->failed == 0)
			f->failed = m->failed;
	} else if (op->cmd.fetch.sets_seen &&
	    uidset_add(&f->seen, m->uid, m->uid) == -1)
		fatal(NULL);
	if (m->incomplete)
		f->bad = 1;
	if (f->feeds && state == PART_DONE)
		part_index(m);
	fetch_keep_summary(op, m);
	fmsg_free(f, m);
}

/* Rows with a modseq that is not told yet are asked for once more. */
static int
fetch_held(struct iop *op)
{
	struct fetch *f = op->data;

	if (f->held.n == 0 || f->rounds++ > 8)
		return 0;
	uidset_move(&f->todo, &f->held);
	mirror_need(op, op->s->view->m, fetch_again);
	return 1;
}

void
fetch_again(struct iop *op, enum st_code code, const char *text)
{
	struct fetch *f = op->data;

	if (code != ST_OK)
		f->failed = code;
	f->since = 0;
	fetch_pump(op);
}

static void
fetch_owed(struct iop *op)
{
	struct fetch *f = op->data;

	if (f->owed > 0 && f->nqueue < ROWS_AHEAD && st_active(&op->rq)) {
		st_credit(&op->rq, f->owed);
		f->owed = 0;
	}
}

/*
 * Does all that can be done now.  Called when rows or contents came and
 * when the client has read what was written.
 */
static void
fetch_pump(struct iop *op)
{
	struct fetch	*f = op->data;
	struct imap	*s = op->s;
	struct fmsg	*m;
	enum part_state	 st;

	if (f->pumping || s->ls.flags & LS_ENDING)
		return;
	f->pumping = 1;
	op->resume = fetch_pump;
	fetch_list_more(op);
	fetch_ahead(f);
	while ((m = TAILQ_FIRST(&f->queue)) != NULL) {
		if (imap_full(s) || f->nkeeps >= KEEPS ||
		    (f->feeds && feed_pause(op, fetch_pump)))
			break;
		part_prepare(m, 1);
		if ((st = part_put(m)) == PART_WAIT)
			break;
		fetch_done(op, m, st);
		fetch_list_more(op);
		fetch_ahead(f);
	}
	fetch_owed(op);
	f->pumping = 0;
	if (!TAILQ_EMPTY(&f->queue) || f->nkeeps > 0 ||
	    st_active(&op->rq) || f->todo.n > 0 ||
	    (!f->failed && fetch_held(op)))
		return;
	if (f->failed)
		iop_fail(op, f->failed, NULL);
	else
		fetch_finish(op);
}

/* the command */

/* What is not in a part of a message may be in the rest of it. */
static int
fetch_feeds(const struct iop *op)
{
	const struct imap_fetch	*c = &op->cmd.fetch;
	uint32_t		 i;

	for (i = 0; i < c->natts; i++)
		if (part_is_all(&c->att[i]) && !c->att[i].partial)
			return feed_may(op);
	return 0;
}

static void
fetch_begin(struct iop *op)
{
	struct fetch		*f = op->data;
	const struct imap_fetch	*c = &op->cmd.fetch;
	uint32_t		 i;

	f->needs = c->needs;
	for (i = 0; i < c->natts; i++) {
		f->natts_modseq += c->att[i].att == ATT_MODSEQ;
		f->savedate |= c->att[i].att == ATT_SAVEDATE &&
		    iop_has(op, CAP_SAVEDATE);
		f->threadid |= c->att[i].att == ATT_THREADID &&
		    iop_has(op, CAP_THREADID);
	}
	if ((f->feeds = fetch_feeds(op)))
		feed_begin(op, &f->todo);
	if (c->has_changedsince)
		f->since = c->changedsince;
	f->cacheable = (f->needs & IMAP_NEED_SUMMARY) == 0 &&
	    !f->natts_modseq && !f->savedate && !f->threadid &&
	    f->since == 0;
	if ((f->needs & ~(uint32_t)IMAP_NEED_MIRROR) == 0 && f->since == 0)
		fetch_plain(op);
	else
		fetch_pump(op);
}

void
cmd_fetch(struct iop *op)
{
	const struct imap_fetch	*c = &op->cmd.fetch;
	struct fetch		*f;
	uint32_t		 i;

	if ((f = calloc(1, sizeof(*f))) == NULL)
		fatal(NULL);
	TAILQ_INIT(&f->queue);
	TAILQ_INIT(&f->keeps);
	op->data = f;
	op->cleanup = fetch_cleanup;
	for (i = 0; i < c->natts; i++) {
		if ((c->att[i].att == ATT_EMAILID ||
		    c->att[i].att == ATT_THREADID) &&
		    !iop_has(op, CAP_OBJECTID)) {
			iop_no(op, "CANNOT", "Messages have no ids there");
			return;
		}
		if (c->att[i].att == ATT_MODSEQ) {
			if (!iop_has(op, CAP_MODSEQ)) {
				iop_bad(op, "MODSEQ is not available here");
				return;
			}
			view_condstore(op->s);
		}
	}
	if (view_resolve(op, &c->set, &f->todo) == -1)
		return;
	fetch_begin(op);
}
