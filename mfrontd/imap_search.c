/*
 * SEARCH, by what it costs: the mirror answers for all messages at once,
 * as sets; what it leaves open the storage is asked for, if it searches;
 * what is open then is looked up in the listing's rows, then in summaries,
 * and last in the contents, which stream by.
 *
 * A key's value for a message is yes, no, or not known yet at this price.
 */
#include <sys/types.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "imap_index.h"
#include "log.h"
#include "rfcdate.h"

/* A message whose content decides. */
struct smsg {
	struct iop	*op;
	uint32_t	 uid;
	char		*id;
	uint64_t	 size;
	int64_t		 date;
	int16_t		 zone;
	uint32_t	 has;		/* enum row_field */
	int64_t		 savedate;
	char		*threadid;
	struct ibuf	 text;		/* its summary, as it came */
	struct msgsearch *ms;		/* NULL: no text is looked for */
	struct summary_maker *maker;	/* no summary was there */
	struct stext	*stext;		/* it is to be indexed */
	struct streq	 rq;
	int		 started;
	TAILQ_ENTRY(smsg) entry;
};

static void
smsg_free(struct search *s, struct smsg *m)
{
	TAILQ_REMOVE(&s->queue, m, entry);
	s->nqueue--;
	s->nstarted -= m->started != 0;
	st_cancel(&m->rq);
	stext_free(m->stext);
	msgsearch_free(m->ms);
	summary_free(m->maker);
	ibuf_fini(&m->text);
	free(m->id);
	free(m->threadid);
	free(m);
}

static void
search_cleanup(struct iop *op)
{
	struct search	*s = op->data;
	struct smsg	*m;
	size_t		 i;

	while ((m = TAILQ_FIRST(&s->queue)) != NULL)
		smsg_free(s, m);
	uidset_fini(&s->match);
	uidset_fini(&s->todo);
	uidset_fini(&s->listing);
	uidset_fini(&s->left);
	squery_free(s);
	feed_unwait(op);
	sindex_free(op);
	sort_free(s);
	if (s->saving && op->s->view != NULL)
		uidset_clear(&op->s->view->saved);
	for (i = 0; i < s->nmodseqs; i++)
		uidset_fini(&s->modseqs[i].uids);
	msgsearch_free(s->fields);
	msgsearch_set_free(s->set);
	free(s);
}

/* leaves that the mirror knows, as sets */

static void
flag_set(struct iop *op, const struct imap_key *k, struct uidset *out)
{
	struct flagmap	*map = &op->s->view->m->map;
	struct flagtest	 t = FLAGTEST_ALL;
	int		 kw;

	if (k->type == KEY_FLAG)
		t.on = (uint32_t)k->num;
	else {
		kw = flags_keyword(&map->flags, k->str.p, k->str.len);
		if (kw == KEYWORD_NONE)
			return;
		t.kw_on = kw;
	}
	if (flagmap_select(map, &t, out) == -1)
		fatal(NULL);
}

static struct modseq_key *
modseq_of(struct search *s, uint64_t from)
{
	size_t i;

	for (i = 0; i < s->nmodseqs; i++)
		if (s->modseqs[i].from == from)
			return &s->modseqs[i];
	return NULL;
}

/* Returns 1 with the set, or 0 when the mirror does not know. */
static int
mirror_set(struct iop *op, const struct imap_key *k, struct uidset *out)
{
	struct search		*s = op->data;
	struct iview		*v = op->s->view;
	struct modseq_key	*mk;

	switch (k->type) {
	case KEY_ALL:
		if (uidset_copy(out, &v->snap->uids) == -1)
			fatal(NULL);
		return 1;
	case KEY_SEQ:
		(void)seqset_resolve(&k->set, SEQSET_LENIENT,
		    &v->snap->uids, &v->saved, out);
		return 1;
	case KEY_UID:
		(void)seqset_resolve(&k->set, SEQSET_UID,
		    &v->snap->uids, &v->saved, out);
		return 1;
	case KEY_FLAG:
	case KEY_KEYWORD:
		flag_set(op, k, out);
		break;
	case KEY_RECENT:
		if (uidset_copy(out, &v->recent) == -1)
			fatal(NULL);
		break;
	case KEY_MODSEQ:
		if ((mk = modseq_of(s, k->num)) == NULL)
			return 0;
		if (uidset_copy(out, &mk->uids) == -1)
			fatal(NULL);
		break;
	case KEY_SAVEDATESUPPORTED:
		if (iop_has(op, CAP_SAVEDATE) &&
		    uidset_copy(out, &v->snap->uids) == -1)
			fatal(NULL);
		break;
	case KEY_THREADID:
		/* where there are none, no message has this one */
		if (iop_has(op, CAP_THREADID))
			return 0;
		break;
	case KEY_EMAILID:
		if (iop_has(op, CAP_OBJECTID))
			return 0;
		break;
	default:
		return 0;
	}
	(void)uidset_intersect(out, &v->snap->uids);
	return 1;
}

static size_t
key_index(const struct search *s, const struct imap_key *k)
{
	size_t i;

	for (i = 0; i < s->nkeys; i++)
		if (s->key_of[i] == k)
			return i;
	return 0;
}

/* Of a key that contents decide: those that may match it, or NULL. */
static const struct uidset *
index_hi(const struct search *s, const struct imap_key *k)
{
	if (k->type != KEY_HEADER && k->type != KEY_BODY &&
	    k->type != KEY_TEXT)
		return NULL;
	return sindex_of(s, key_index(s, k));
}

/*
 * Bounds of a key over all messages: lo surely match, those not in hi
 * surely do not.
 */
static void	bounds(struct iop *, const struct imap_key *, struct uidset *,
		    struct uidset *);

static void
bounds_join(struct iop *op, const struct imap_key *k, struct uidset *lo,
    struct uidset *hi)
{
	const struct imap_key	*c;
	struct uidset		 clo, chi;
	int			 and = k->type == KEY_AND, first = 1, r = 0;

	uidset_init(&clo);
	uidset_init(&chi);
	for (c = k->child; c != NULL; c = c->next) {
		uidset_clear(&clo);
		uidset_clear(&chi);
		bounds(op, c, &clo, &chi);
		if (first) {
			uidset_move(lo, &clo);
			uidset_move(hi, &chi);
			first = 0;
			continue;
		}
		r |= and ? uidset_intersect(lo, &clo) :
		    uidset_union(lo, &clo);
		r |= and ? uidset_intersect(hi, &chi) :
		    uidset_union(hi, &chi);
	}
	if (r != 0)
		fatal(NULL);
	uidset_fini(&clo);
	uidset_fini(&chi);
}

static void
bounds(struct iop *op, const struct imap_key *k, struct uidset *lo,
    struct uidset *hi)
{
	const struct uidset	*all = &op->s->view->snap->uids, *may;
	const struct squery	*q = squery_of(op->data, k);
	struct uidset		 t;

	if (q != NULL) {
		if (uidset_copy(lo, &q->lo) == -1 ||
		    uidset_copy(hi, &q->hi) == -1)
			fatal(NULL);
		return;
	}
	if (k->type == KEY_AND || k->type == KEY_OR)
		bounds_join(op, k, lo, hi);
	else if (mirror_set(op, k, lo)) {
		if (uidset_copy(hi, lo) == -1)
			fatal(NULL);
	} else {
		may = index_hi(op->data, k);
		uidset_clear(lo);
		if (uidset_copy(hi, may != NULL ? may : all) == -1)
			fatal(NULL);
	}
	if (!k->neg)
		return;
	/* not (lo .. hi) is (all - hi .. all - lo) */
	uidset_init(&t);
	if (uidset_copy(&t, all) == -1 || uidset_subtract(&t, hi) == -1 ||
	    uidset_copy(hi, all) == -1 || uidset_subtract(hi, lo) == -1)
		fatal(NULL);
	uidset_move(lo, &t);
}

/* one message */

static enum tri
tri(int yes)
{
	return yes ? YES : NO;
}

static enum tri
tri_day(int32_t day, const struct imap_key *k)
{
	if (k->type == KEY_BEFORE || k->type == KEY_SAVEDBEFORE)
		return tri(day < k->day);
	if (k->type == KEY_ON || k->type == KEY_SAVEDON)
		return tri(day == k->day);
	return tri(day >= k->day);
}

static int
is_saved_key(const struct imap_key *k)
{
	return k->type == KEY_SAVEDBEFORE || k->type == KEY_SAVEDON ||
	    k->type == KEY_SAVEDSINCE;
}

static enum tri
eval_emailid(const struct search *s, const struct imap_key *k)
{
	char		 buf[IMAP_OBJECTID_MAX + 1];
	const char	*id;

	if (s->row == NULL || (s->row->has & ROW_ID) == 0)
		return OPEN;
	id = emailid(s->row->id, buf);
	return tri(strlen(id) == k->str.len &&
	    memcmp(id, k->str.p, k->str.len) == 0);
}

static enum tri
eval_threadid(const struct search *s, const struct imap_key *k)
{
	char		 buf[IMAP_OBJECTID_MAX + 1];
	const char	*id;

	if (s->row == NULL)
		return OPEN;
	/* null of a message that is in no conversation */
	if ((s->row->has & ROW_THREADID) == 0)
		return NO;
	id = threadid(s->row->threadid, buf);
	return tri(strlen(id) == k->str.len &&
	    memcmp(id, k->str.p, k->str.len) == 0);
}

static enum tri
eval_row(struct iop *op, const struct imap_key *k)
{
	struct search	*s = op->data;
	struct rfcdate	 d;

	if (s->row == NULL)
		return OPEN;
	if (k->type == KEY_LARGER)
		return s->row->has & ROW_SIZE ?
		    tri(s->row->size > k->num) : OPEN;
	if (k->type == KEY_SMALLER)
		return s->row->has & ROW_SIZE ?
		    tri(s->row->size < k->num) : OPEN;
	/* a storage that keeps no save dates is asked for the other one */
	if (is_saved_key(k) && iop_has(op, CAP_SAVEDATE)) {
		if ((s->row->has & ROW_SAVEDATE) == 0)
			return NO;
		d.t = s->row->savedate;
		d.zone = 0;
	} else {
		if ((s->row->has & ROW_DATE) == 0)
			return OPEN;
		d.t = s->row->date;
		d.zone = s->row->zone;
	}
	return tri_day(rfcdate_day(&d), k);
}

static enum tri
eval_sent(const struct search *s, const struct imap_key *k)
{
	struct rfcdate	 d;
	struct ibuf	 b;
	size_t		 pos = 0;
	int32_t		 day;
	int		 r;

	if (s->sum == NULL)
		return OPEN;
	ibuf_init(&b, 65536);
	r = summary_field(s->sum, "Date", &pos, &b);
	if (r != 1 || rfcdate_parse_mail(&d, (const char *)ibuf_data(&b),
	    ibuf_size(&b)) == -1) {
		ibuf_fini(&b);
		/* a message without a date was never sent */
		return r == -1 ? OPEN : NO;
	}
	ibuf_fini(&b);
	day = rfcdate_day(&d);
	if (k->type == KEY_SENTBEFORE)
		return tri(day < k->day);
	return tri(k->type == KEY_SENTON ? day == k->day : day >= k->day);
}

/* HEADER, from the fields that a summary has. */
static enum tri
eval_header(const struct search *s, const struct imap_key *k)
{
	struct ibuf	 b;
	struct hstr	 v;
	char		 name[256];
	uint64_t	 bit = UINT64_C(1) << key_index(s, k);
	size_t		 pos = 0;
	int		 r;

	if (s->found & bit)
		return YES;
	if (s->found_all)
		return NO;
	if (s->sum == NULL || k->field.len >= sizeof(name))
		return OPEN;
	memcpy(name, k->field.p, k->field.len);
	name[k->field.len] = '\0';
	ibuf_init(&b, 1024 * 1024);
	(void)msgsearch_reset(s->fields);
	while ((r = summary_field(s->sum, name, &pos, &b)) == 1) {
		v.p = (const char *)ibuf_data(&b);
		v.len = ibuf_size(&b);
		(void)msgsearch_field(s->fields, &k->field, &v);
		ibuf_drain(&b, ibuf_size(&b));
	}
	ibuf_fini(&b);
	if (msgsearch_found(s->fields) & bit)
		return YES;
	return r == -1 ? OPEN : NO;
}

static enum tri
eval_leaf(struct iop *op, const struct imap_key *k)
{
	struct search		*s = op->data;
	const struct uidset	*may = index_hi(s, k);
	struct uidset		 set;
	enum tri		 t;

	if (may != NULL && !uidset_contains(may, s->uid))
		return NO;
	switch (k->type) {
	case KEY_BEFORE:
	case KEY_ON:
	case KEY_SINCE:
	case KEY_LARGER:
	case KEY_SMALLER:
	case KEY_SAVEDBEFORE:
	case KEY_SAVEDON:
	case KEY_SAVEDSINCE:
		return eval_row(op, k);
	case KEY_EMAILID:
		return iop_has(op, CAP_OBJECTID) ? eval_emailid(s, k) : NO;
	case KEY_THREADID:
		return iop_has(op, CAP_THREADID) ? eval_threadid(s, k) : NO;
	case KEY_SENTBEFORE:
	case KEY_SENTON:
	case KEY_SENTSINCE:
		return eval_sent(s, k);
	case KEY_HEADER:
		return eval_header(s, k);
	case KEY_BODY:
	case KEY_TEXT:
		if (s->found & UINT64_C(1) << key_index(s, k))
			return YES;
		return s->found_all ? NO : OPEN;
	default:
		uidset_init(&set);
		t = mirror_set(op, k, &set) ?
		    tri(uidset_contains(&set, s->uid)) : OPEN;
		uidset_fini(&set);
		return t;
	}
}

static enum tri
eval(struct iop *op, const struct imap_key *k)
{
	const struct imap_key	*c;
	const struct squery	*q = squery_of(op->data, k);
	struct search		*s = op->data;
	enum tri		 t, r;

	if (q != NULL && uidset_contains(&q->lo, s->uid))
		return YES;
	if (q != NULL && !uidset_contains(&q->hi, s->uid))
		return NO;
	if (k->type == KEY_AND || k->type == KEY_OR) {
		r = k->type == KEY_AND ? YES : NO;
		for (c = k->child; c != NULL; c = c->next) {
			t = eval(op, c);
			if (t == (k->type == KEY_AND ? NO : YES)) {
				r = t;
				break;
			}
			if (t == OPEN)
				r = OPEN;
		}
	} else
		r = eval_leaf(op, k);
	if (r == OPEN || !k->neg)
		return r;
	return r == YES ? NO : YES;
}

static void
search_found(struct search *s, uint32_t uid)
{
	if (uidset_add(&s->match, uid, uid) == -1)
		fatal(NULL);
}

/* contents */

/* All that can be known of a message is known. */
static void
smsg_decide(struct iop *op, struct smsg *m)
{
	struct search	*s = op->data;
	struct summary	 sum;
	struct ibuf	 text;
	struct st_row	 row;

	memset(&row, 0, sizeof(row));
	row.has = ROW_SIZE | ROW_DATE | m->has;
	row.id = m->id;
	row.size = m->size;
	row.date = m->date;
	row.zone = m->zone;
	row.savedate = m->savedate;
	row.threadid = m->threadid;
	ibuf_init(&text, SUMMARY_FULL + 1024);
	if (m->maker != NULL &&
	    summary_finish(m->maker, &text, SUMMARY_FULL) == 0)
		(void)ibuf_add_ibuf(&m->text, &text);
	ibuf_fini(&text);
	s->row = &row;
	s->sum = NULL;
	if (summary_parse(&sum, (const char *)ibuf_data(&m->text),
	    ibuf_size(&m->text)) == 1)
		s->sum = &sum;
	s->found = m->ms != NULL ? msgsearch_found(m->ms) : 0;
	s->found_all = 1;
	s->uid = m->uid;
	if (eval(op, op->cmd.search.key) == YES)
		search_found(s, m->uid);
	s->row = NULL;
	s->sum = NULL;
}

static void
smsg_answer(struct streq *rq, enum msg_type type, const void *arg)
{
	struct smsg		*m = rq->arg;
	struct iop		*op = m->op;
	struct search		*s = op->data;
	const struct m_st_data	*d = arg;
	const struct m_st_end	*end = arg;

	lsession_timeout(&op->s->ls, LT_COMMAND);
	if (type == M_st_data) {
		if (m->maker != NULL &&
		    summary_feed(m->maker, d->data.p, d->data.len) == -1)
			fatal("summary");
		if (m->ms != NULL &&
		    msgsearch_feed(m->ms, d->data.p, d->data.len) == -1)
			fatal("search");
		if (m->stext != NULL)
			stext_feed(m->stext, d->data.p, d->data.len);
		st_credit(rq, (uint32_t)d->data.len);
		return;
	}
	if (type != M_st_end)
		return;
	if (end->code == ST_OK) {
		if (m->ms != NULL)
			(void)msgsearch_finish(m->ms);
		smsg_decide(op, m);
		if (m->stext != NULL)
			stext_add(op, m->stext, m->uid, m->size);
	} else if (end->code != ST_NO_SUCH_MESSAGE)
		s->failed = end->code;
	op->ndone++;
	smsg_free(s, m);
	search_pump(op);
}

static void
smsg_start(struct search *s, struct smsg *m)
{
	struct m_st_get q;

	m->started = 1;
	s->nstarted++;
	m->stext = stext_open(m->op, m->uid);
	if ((s->set != NULL && (m->ms = msgsearch_open(s->set)) == NULL) ||
	    (ibuf_size(&m->text) == 0 &&
	    (m->maker = summary_open()) == NULL))
		fatal(NULL);
	memset(&q, 0, sizeof(q));
	q.mount = m->op->mount->number;
	q.id = m->id;
	q.size = m->size;
	q.length = m->size;
	q.credit = CONTENT_CREDIT;
	m->rq.answer = smsg_answer;
	m->rq.arg = m;
	st_send(&m->op->s->ls, &m->rq, M_st_get, &q);
}

static void
smsg_queue(struct iop *op, const struct st_row *row, uint32_t uid)
{
	struct search	*s = op->data;
	struct smsg	*m;

	if ((row->has & (ROW_ID | ROW_SIZE)) != (ROW_ID | ROW_SIZE))
		return;
	if ((m = calloc(1, sizeof(*m))) == NULL ||
	    (m->id = strdup(row->id)) == NULL)
		fatal(NULL);
	m->op = op;
	m->uid = uid;
	m->size = row->size;
	m->date = row->date;
	m->zone = row->zone;
	m->has = row->has & (ROW_ID | ROW_SAVEDATE | ROW_THREADID);
	m->savedate = row->savedate;
	if (row->has & ROW_THREADID &&
	    (m->threadid = strdup(row->threadid)) == NULL)
		fatal(NULL);
	ibuf_init(&m->text, SUMMARY_FULL + 1024);
	if (s->sum != NULL)
		(void)ibuf_add(&m->text, row->cache, row->cachelen);
	TAILQ_INSERT_TAIL(&s->queue, m, entry);
	s->nqueue++;
}

/* rows */

static void
search_row(struct iop *op, const struct st_row *row, uint32_t uid)
{
	struct search	*s = op->data;
	struct summary	 sum;
	enum tri	 t;

	s->row = row;
	s->uid = uid;
	s->found = 0;
	s->found_all = 0;
	s->sum = NULL;
	if (row->has & ROW_CACHE && row->cachelen > 0 &&
	    summary_parse(&sum, row->cache, row->cachelen) == 1 &&
	    sum.size == row->size)
		s->sum = &sum;
	t = eval(op, op->cmd.search.key);
	if (t == YES)
		search_found(s, uid);
	if (t == OPEN)
		smsg_queue(op, row, uid);
	else
		op->ndone++;
	s->row = NULL;
	s->sum = NULL;
}

static void
search_rows(struct iop *op, const struct m_st_rows *rows)
{
	struct search		*s = op->data;
	struct ibuf		 b;
	struct st_row		 row;
	struct uidset		 set;
	struct uidset_iter	 it;
	uint32_t		 uid;

	ibuf_from_buffer(&b, rows->rows.p, rows->rows.len);
	uidset_init(&set);
	while (strow_get(&b, &row) == 1) {
		if (msg_set_get(&row.uids, &set) == -1 ||
		    uidset_intersect(&set, &s->listing) == -1)
			fatal(NULL);
		for (uid = uidset_first(&it, &set); uid != 0;
		    uid = uidset_next(&it))
			search_row(op, &row, uid);
	}
	uidset_fini(&set);
	s->owed += (uint32_t)rows->rows.len;
}

static void
rows_answer(struct streq *rq, enum msg_type type, const void *arg)
{
	struct iop		*op = rq->arg;
	struct search		*s = op->data;
	const struct m_st_end	*end = arg;

	lsession_timeout(&op->s->ls, LT_COMMAND);
	if (type == M_st_rows)
		search_rows(op, arg);
	else if (type == M_st_end && end->code != ST_OK)
		s->failed = end->code;
	if (type == M_st_rows || type == M_st_end)
		search_pump(op);
}

static void
search_list(struct iop *op)
{
	struct search		*s = op->data;
	struct m_st_list	 q;

	uidset_clear(&s->listing);
	set_take(&s->todo, &s->listing, SET_RANGES);
	memset(&q, 0, sizeof(q));
	q.mount = op->mount->number;
	q.mailbox = op->s->view->m->id;
	q.uids = msg_set_of(&s->listing);
	q.fields = ROW_SIZE | ROW_DATE;
	if (s->emailids || s->needs & (IMAP_NEED_SUMMARY | IMAP_NEED_CONTENT))
		q.fields |= ROW_ID;
	if (s->saved)
		q.fields |= ROW_SAVEDATE;
	if (s->threadids)
		q.fields |= ROW_THREADID;
	/* of many a header's fields it knows more than the parser can tell */
	if (s->needs & IMAP_NEED_SUMMARY || s->headers)
		q.fields |= ROW_CACHE | (s->whole ? ROW_WHOLE : 0);
	q.credit = LIST_CREDIT;
	s->owed = 0;
	iop_ask(op, M_st_list, &q, rows_answer);
}

/* The contents that are read now, or should be. */
static void
search_contents(struct iop *op)
{
	struct search	*s = op->data;
	struct smsg	*m;
	int		 n = 0;

	if (sindex_pump(op, 0))
		return;
	TAILQ_FOREACH(m, &s->queue, entry) {
		if (n++ == AHEAD)
			break;
		if (!m->started)
			smsg_start(s, m);
	}
}

void
search_pump(struct iop *op)
{
	struct search *s = op->data;

	search_contents(op);
	if (s->owed > 0 && s->nqueue < QUEUE_MAX && st_active(&op->rq)) {
		st_credit(&op->rq, s->owed);
		s->owed = 0;
	}
	if (st_active(&op->rq))
		return;
	if (s->todo.n > 0 && !s->failed) {
		if (s->nqueue < QUEUE_MAX)
			search_list(op);
		return;
	}
	if (s->nqueue > 0 || (!s->failed && sindex_pump(op, 1)))
		return;
	if (s->failed)
		iop_fail(op, s->failed, NULL);
	else if (op->cmd.verb == IMAP_SEARCH)
		result_begin(op);
	else
		sort_begin(op);
}

/* MODSEQ keys: what changed since, asked for before all else */

void
search_evaluate(struct iop *op)
{
	struct search	*s = op->data;
	struct uidset	 hi;

	uidset_init(&hi);
	bounds(op, op->cmd.search.key, &s->match, &hi);
	if (uidset_subtract(&hi, &s->match) == -1)
		fatal(NULL);
	uidset_move(&s->todo, &hi);
	/* of those that are gone nothing can be read */
	(void)uidset_intersect(&s->todo, &op->s->view->m->map.uids);
	if (s->todo.n > 0 && (squery_next(op, &s->todo) ||
	    sindex_next(op, &s->todo)))
		return;
	iop_progress(op, uidset_count(&s->todo));
	search_pump(op);
}

static void	modseq_next(struct iop *);

/* all: not only those that the storage knows to have changed since. */
static void
modseq_rows(struct modseq_key *k, int all, const struct msg_blob *rows)
{
	struct uidset	set;
	struct ibuf	b;
	struct st_row	row;

	ibuf_from_buffer(&b, rows->p, rows->len);
	uidset_init(&set);
	while (strow_get(&b, &row) == 1) {
		if (all && (!(row.has & ROW_MODSEQ) || row.modseq < k->from))
			continue;
		if (msg_set_get(&row.uids, &set) == -1 ||
		    uidset_union(&k->uids, &set) == -1)
			fatal(NULL);
	}
	uidset_fini(&set);
}

static void
modseq_answer(struct streq *rq, enum msg_type type, const void *arg)
{
	struct iop		*op = rq->arg;
	struct search		*s = op->data;
	const struct m_st_end	*end = arg;

	if (type == M_st_rows) {
		modseq_rows(&s->modseqs[s->modseq], s->modseq_all,
		    &((const struct m_st_rows *)arg)->rows);
		st_credit(rq, (uint32_t)((const struct m_st_rows *)
		    arg)->rows.len);
	} else if (type == M_st_end) {
		if (end->code == ST_SINCE_TOO_OLD && !s->modseq_all &&
		    s->modseqs[s->modseq].from <= op->s->view->m->modseq) {
			/* what is there knows its modseq all the same */
			s->modseq_all = 1;
			modseq_next(op);
			return;
		}
		if (end->code != ST_SINCE_TOO_OLD && iop_failed(op, end))
			return;
		s->modseq_all = 0;
		s->modseq++;
		modseq_next(op);
	}
}

static void
modseq_next(struct iop *op)
{
	struct search		*s = op->data;
	struct m_st_list	 q;

	while (s->modseq < s->nmodseqs && s->modseqs[s->modseq].from <= 1) {
		if (uidset_copy(&s->modseqs[s->modseq].uids,
		    &op->s->view->snap->uids) == -1)
			fatal(NULL);
		s->modseq++;
	}
	if (s->modseq == s->nmodseqs) {
		search_evaluate(op);
		return;
	}
	memset(&q, 0, sizeof(q));
	q.mount = op->mount->number;
	q.mailbox = op->s->view->m->id;
	q.fields = ROW_MODSEQ;
	if (!s->modseq_all)
		q.since = s->modseqs[s->modseq].from - 1;
	q.credit = LIST_CREDIT;
	iop_ask(op, M_st_list, &q, modseq_answer);
}

/* the command */

static const char *
search_key(struct iop *op, const struct imap_key *k)
{
	struct search		*s = op->data;
	struct msgsearch_key	*mk;

	s->emailids |= k->type == KEY_EMAILID;
	s->threadids |= k->type == KEY_THREADID && iop_has(op, CAP_THREADID);
	s->saved |= is_saved_key(k) && iop_has(op, CAP_SAVEDATE);
	if (k->type == KEY_MODSEQ) {
		if (modseq_of(s, k->num) != NULL)
			return NULL;
		if (s->nmodseqs == MODSEQ_KEYS)
			return "Too many MODSEQ keys";
		s->modseqs[s->nmodseqs++].from = k->num;
		return NULL;
	}
	if (k->type != KEY_HEADER && k->type != KEY_BODY &&
	    k->type != KEY_TEXT)
		return NULL;
	if (s->nkeys == MSGSEARCH_KEYS)
		return "Too many strings to search for";
	s->key_of[s->nkeys] = k;
	mk = &s->keys[s->nkeys++];
	s->headers |= k->type == KEY_HEADER;
	s->whole |= k->type == KEY_HEADER &&
	    header_id(k->field.p, k->field.len) == HEADER_NONE;
	mk->scope = k->type == KEY_HEADER ? MSGSEARCH_HEADER :
	    k->type == KEY_BODY ? MSGSEARCH_BODY : MSGSEARCH_TEXT;
	mk->field = k->field;
	mk->text = k->str;
	return NULL;
}

static const char *
search_keys(struct iop *op, const struct imap_key *k)
{
	const char *why;

	for (; k != NULL; k = k->next) {
		if ((why = search_key(op, k)) != NULL ||
		    (why = search_keys(op, k->child)) != NULL)
			return why;
	}
	return NULL;
}

static void
search_synced(struct iop *op, enum st_code code, const char *text)
{
	if (code != ST_OK) {
		iop_fail(op, code, text);
		return;
	}
	/*
	 * What is new may be found; numbers stay as they are, also for UID
	 * SEARCH, whose keys may have some.
	 */
	(void)view_sync(op->s->view, 0);
	modseq_next(op);
}

void
cmd_search(struct iop *op)
{
	const struct imap_search	*c = &op->cmd.search;
	struct search			*s;
	const char			*why;

	if ((s = calloc(1, sizeof(*s))) == NULL)
		fatal(NULL);
	TAILQ_INIT(&s->queue);
	ibuf_init(&s->threads, THREADS_MAX);
	op->data = s;
	op->cleanup = search_cleanup;
	if (c->modseq && !iop_has(op, CAP_MODSEQ)) {
		iop_bad(op, "MODSEQ is not available here");
		return;
	}
	s->saving = (c->ret & IMAP_RETURN_SAVE) != 0;
	if ((why = search_keys(op, c->key)) != NULL) {
		iop_no(op, "LIMIT", "%s", why);
		return;
	}
	if (s->nkeys > 0 &&
	    ((s->set = msgsearch_compile(s->keys, s->nkeys)) == NULL ||
	    (s->fields = msgsearch_open(s->set)) == NULL)) {
		iop_no(op, "LIMIT", "Too much text to search for");
		return;
	}
	s->needs = c->key->needs;
	iop_progress(op, 0);
	squery_plan(op);
	if (c->modseq)
		view_condstore(op->s);
	mirror_need(op, op->s->view->m, search_synced);
}
