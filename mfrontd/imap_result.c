/*
 * What is told of the messages found: SEARCH, SORT and THREAD as they were
 * (RFC 3501, RFC 5256), ESEARCH (RFC 4731, RFC 5267), and the result that
 * "$" stands for (RFC 5182).
 */
#include <sys/types.h>
#include <stdlib.h>
#include <string.h>

#include "imap_search.h"
#include "log.h"

#define SOME	(IMAP_RETURN_MIN | IMAP_RETURN_MAX)
#define EVERY	(IMAP_RETURN_ALL | IMAP_RETURN_COUNT)

/* A message as the client names it. */
static uint32_t
number_of(struct iop *op, uint32_t uid)
{
	return op->cmd.uid ? uid :
	    uidset_rank(&op->s->view->snap->uids, uid);
}

static uint32_t
found_count(const struct iop *op)
{
	const struct search *s = op->data;

	return op->cmd.verb == IMAP_SORT ? s->norder :
	    uidset_count(&s->match);
}

/* The first and the last one, in order if they were sorted. */
static uint32_t
found_first(const struct iop *op)
{
	const struct search *s = op->data;

	return op->cmd.verb == IMAP_SORT ? s->order[0] :
	    uidset_min(&s->match);
}

static uint32_t
found_last(const struct iop *op)
{
	const struct search *s = op->data;

	return op->cmd.verb == IMAP_SORT ? s->order[s->norder - 1] :
	    uidset_max(&s->match);
}

/* RETURN (MIN): only that one counts, for "$" and for MODSEQ. */
static void
found_told(const struct iop *op, struct uidset *out)
{
	const struct search	*s = op->data;
	uint32_t		 ret = op->cmd.search.ret, u;

	if (!op->cmd.search.esearch || ret & EVERY || (ret & SOME) == 0) {
		if (uidset_copy(out, &s->match) == -1)
			fatal(NULL);
		return;
	}
	if (found_count(op) == 0)
		return;
	if (ret & IMAP_RETURN_MIN) {
		u = found_first(op);
		if (uidset_add(out, u, u) == -1)
			fatal(NULL);
	}
	if (ret & IMAP_RETURN_MAX) {
		u = found_last(op);
		if (uidset_add(out, u, u) == -1)
			fatal(NULL);
	}
}

/* the responses */

/* " 2 84 882", sorted or not. */
static void
put_found(struct iop *op, struct ibuf *b)
{
	struct search	*s = op->data;
	struct uidset	 seqs;
	uint32_t	 i;

	if (op->cmd.verb == IMAP_SORT) {
		for (i = 0; i < s->norder; i++) {
			(void)ibuf_add_n8(b, ' ');
			(void)ibuf_addu(b, number_of(op, s->order[i]));
		}
		return;
	}
	uidset_init(&seqs);
	if (op->cmd.uid)
		(void)imap_put_numbers(b, &s->match);
	else if (seqset_numbers(&op->s->view->snap->uids, &s->match,
	    &seqs) == 0)
		(void)imap_put_numbers(b, &seqs);
	uidset_fini(&seqs);
}

/*
 * Sorted ones as a set: the order counts, so only what goes up is a range
 * (RFC 5267, 3.1).
 */
static void
put_order(struct iop *op, struct ibuf *b)
{
	struct search	*s = op->data;
	uint32_t	 i, first, last, n;

	for (i = 0; i < s->norder;) {
		first = last = number_of(op, s->order[i]);
		(void)ibuf_add_n8(b, i > 0 ? ',' : ' ');
		while (++i < s->norder &&
		    (n = number_of(op, s->order[i])) == last + 1)
			last = n;
		(void)ibuf_addu(b, first);
		if (last == first)
			continue;
		(void)ibuf_add_n8(b, ':');
		(void)ibuf_addu(b, last);
	}
}

static void
put_all(struct iop *op, struct ibuf *b)
{
	struct search	*s = op->data;
	struct uidset	 seqs;

	(void)ibuf_adds(b, " ALL");
	if (op->cmd.verb == IMAP_SORT) {
		put_order(op, b);
		return;
	}
	(void)ibuf_add_n8(b, ' ');
	uidset_init(&seqs);
	if (op->cmd.uid)
		(void)uidset_put(&s->match, b);
	else if (seqset_numbers(&op->s->view->snap->uids, &s->match,
	    &seqs) == 0)
		(void)uidset_put(&seqs, b);
	uidset_fini(&seqs);
}

static void
put_item(struct ibuf *b, const char *name, uint64_t value)
{
	(void)ibuf_adds(b, name);
	(void)ibuf_addu(b, value);
}

static void
tell_esearch(struct iop *op, struct ibuf *b)
{
	struct search	*s = op->data;
	uint32_t	 ret = op->cmd.search.ret, n = found_count(op);

	(void)ibuf_adds(b, "* ESEARCH (TAG ");
	(void)imap_put_string(b, op->cmd.tag.p, op->cmd.tag.len);
	(void)ibuf_adds(b, op->cmd.uid ? ") UID" : ")");
	if (n > 0 && ret & IMAP_RETURN_MIN)
		put_item(b, " MIN ", number_of(op, found_first(op)));
	if (n > 0 && ret & IMAP_RETURN_MAX)
		put_item(b, " MAX ", number_of(op, found_last(op)));
	if (ret & IMAP_RETURN_COUNT)
		put_item(b, " COUNT ", n);
	if (n > 0 && ret & IMAP_RETURN_ALL)
		put_all(op, b);
	if (n > 0 && op->cmd.search.modseq)
		put_item(b, " MODSEQ ", s->highest);
	(void)ibuf_adds(b, "\r\n");
}

/* The text has uids; the client may want other numbers. */
static void
tell_threads(struct iop *op, struct ibuf *b)
{
	struct search	*s = op->data;
	const uint8_t	*p = ibuf_data(&s->threads);
	const uint8_t	*end = p + ibuf_size(&s->threads);
	uint32_t	 uid;

	(void)ibuf_adds(b, p < end ? "* THREAD " : "* THREAD");
	while (p < end) {
		if (*p < '0' || *p > '9') {
			(void)ibuf_add_n8(b, *p++);
			continue;
		}
		for (uid = 0; p < end && *p >= '0' && *p <= '9'; p++)
			uid = uid * 10 + (uint32_t)(*p - '0');
		(void)ibuf_addu(b, number_of(op, uid));
	}
	(void)ibuf_adds(b, "\r\n");
}

static void
tell_plain(struct iop *op, struct ibuf *b)
{
	struct search *s = op->data;

	(void)ibuf_adds(b, op->cmd.verb == IMAP_SORT ? "* SORT" :
	    "* SEARCH");
	put_found(op, b);
	if (op->cmd.search.modseq && found_count(op) > 0)
		(void)ibuf_addf(b, " (MODSEQ %llu)",
		    (unsigned long long)s->highest);
	(void)ibuf_adds(b, "\r\n");
}

static void
result_tell(struct iop *op)
{
	const struct imap_search	*c = &op->cmd.search;
	struct search			*s = op->data;
	struct ibuf			*b = imap_out(op->s);
	struct uidset			 saved;

	if (op->cmd.verb == IMAP_THREAD)
		tell_threads(op, b);
	else if (!c->esearch)
		tell_plain(op, b);
	else if (c->ret != IMAP_RETURN_SAVE)
		tell_esearch(op, b);
	if (s->saving) {
		uidset_init(&saved);
		found_told(op, &saved);
		uidset_move(&op->s->view->saved, &saved);
		s->saving = 0;
	}
	iop_ok(op, "%s completed", op->cmd.name);
}

/* The highest modseq of those that are told of (RFC 4731, 3.2). */

static void	highest_next(struct iop *);

static void
highest_answer(struct streq *rq, enum msg_type type, const void *arg)
{
	struct iop		*op = rq->arg;
	struct search		*s = op->data;
	const struct m_st_rows	*rows = arg;
	struct ibuf		 b;
	struct st_row		 row;

	if (type == M_st_rows) {
		ibuf_from_buffer(&b, rows->rows.p, rows->rows.len);
		while (strow_get(&b, &row) == 1)
			if (row.has & ROW_MODSEQ && row.modseq > s->highest)
				s->highest = row.modseq;
		st_credit(rq, (uint32_t)rows->rows.len);
	} else if (type == M_st_end && !iop_failed(op, arg))
		highest_next(op);
}

static void
highest_next(struct iop *op)
{
	struct search		*s = op->data;
	struct m_st_list	 q;
	struct uidset		 part;

	if (s->left.n == 0) {
		/* never more than the mirror has: see imap_fetch.h */
		if (s->highest == 0 ||
		    s->highest > op->s->view->m->modseq)
			s->highest = op->s->view->m->modseq;
		result_tell(op);
		return;
	}
	uidset_init(&part);
	set_take(&s->left, &part, SET_RANGES);
	memset(&q, 0, sizeof(q));
	q.mount = op->mount->number;
	q.mailbox = op->s->view->m->id;
	q.uids = msg_set_of(&part);
	q.fields = ROW_MODSEQ;
	q.credit = LIST_CREDIT;
	iop_ask(op, M_st_list, &q, highest_answer);
	uidset_fini(&part);
}

void
result_begin(struct iop *op)
{
	struct search *s = op->data;

	iop_progress_stop(op);
	if (!op->cmd.search.modseq || op->cmd.verb == IMAP_THREAD ||
	    found_count(op) == 0) {
		result_tell(op);
		return;
	}
	found_told(op, &s->left);
	highest_next(op);
}
