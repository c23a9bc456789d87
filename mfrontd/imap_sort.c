/*
 * SORT and THREAD (RFC 5256, RFC 5957): what matched, in order.
 *
 * A storage that sorts does it.  Else the keys are collected, from rows,
 * summaries, and the headers of messages that have none, and are sorted in
 * steps, so that other sessions have their turns meanwhile.
 */
#include <sys/types.h>
#include <sys/time.h>
#include <arpa/inet.h>
#include <errno.h>
#include <event.h>
#include <stdlib.h>
#include <string.h>

#include "imap_search.h"
#include "log.h"
#include "msgkeys.h"
#include "msgthread.h"
#include "msort.h"

#define SORT_MEMORY	(64 * 1024 * 1024)	/* of keys, for a command */
#define THREAD_MOST	250000	/* messages: they are joined in one go */
#define THREAD_DEPTH	(4 * MSGTHREAD_DEPTH)
#define STEP		20000	/* messages moved in a step */
#define HEAD_FIRST	(32 * 1024)	/* most headers are shorter */
#define HEAD_MAX	(1024 * 1024)
#define ORDER_CREDIT	(256 * 1024)

/* What is known of a message; its texts are at text, each with its length. */
struct sent {
	uint32_t	 uid;
	uint32_t	 text;
	int64_t		 arrival;
	int64_t		 date;
	uint64_t	 size;
	int		 reply;
};

/* A message whose header must be read. */
struct hmsg {
	struct iop	*op;
	struct sent	 sent;
	char		*id;
	uint64_t	 size;
	uint64_t	 want;		/* bytes, to where it may end */
	struct ibuf	 head;
	struct streq	 rq;
	TAILQ_ENTRY(hmsg) entry;
};

struct sorter {
	int		 threads;
	enum msgkey	 texts[IMAP_SORT_MAX];
	int		 ntexts;
	int		 header;	/* some key is of it */
	/* of a storage that sorts */
	struct m_st_found_head head;
	int		 nonsense;
	uint32_t	 nthreaded;
	/* what is collected */
	struct uidset	 todo;
	struct uidset	 listing;
	struct sent	*v;
	uint32_t	 n, cap;
	struct ibuf	 text;
	struct msgkeys	 keys;
	TAILQ_HEAD(, hmsg) queue;
	uint32_t	 nqueue;
	uint32_t	 owed;
	int		 failed;	/* enum st_code */
	int		 full;
	/* what is sorted */
	struct msort	 ms;
	uint32_t	*one, *two;
	struct event	 ev;
	int		 timed;
};

static void	sort_pump(struct iop *);

static struct sorter *
sorter_of(const struct iop *op)
{
	return ((struct search *)op->data)->sorter;
}

static void
hmsg_free(struct sorter *so, struct hmsg *m)
{
	TAILQ_REMOVE(&so->queue, m, entry);
	so->nqueue--;
	st_cancel(&m->rq);
	ibuf_fini(&m->head);
	free(m->id);
	free(m);
}

void
sort_free(struct search *s)
{
	struct sorter	*so = s->sorter;
	struct hmsg	*m;

	free(s->order);
	ibuf_fini(&s->threads);
	if (so == NULL)
		return;
	while ((m = TAILQ_FIRST(&so->queue)) != NULL)
		hmsg_free(so, m);
	if (so->timed)
		evtimer_del(&so->ev);
	uidset_fini(&so->todo);
	uidset_fini(&so->listing);
	msgkeys_fini(&so->keys);
	ibuf_fini(&so->text);
	free(so->v);
	free(so->one);
	free(so->two);
	free(so);
}

/* sorting */

static void
text_get(const struct sorter *so, uint32_t *pos, struct hstr *out)
{
	uint32_t n;

	memcpy(&n, ibuf_data(&so->text) + *pos, sizeof(n));
	out->p = (const char *)ibuf_data(&so->text) + *pos + sizeof(n);
	out->len = n;
	*pos += (uint32_t)sizeof(n) + n;
}

static int
text_cmp(const struct hstr *a, const struct hstr *b)
{
	size_t	len = a->len < b->len ? a->len : b->len;
	int	r = memcmp(a->p, b->p, len);

	if (r != 0)
		return r;
	return a->len < b->len ? -1 : a->len > b->len;
}

static int
number_cmp(int64_t a, int64_t b)
{
	return a < b ? -1 : a > b;
}

/* At the end the uid decides, which no REVERSE turns (RFC 5256, 3). */
static int
sent_cmp(const void *arg, uint32_t x, uint32_t y)
{
	const struct iop	*op = arg;
	const struct sorter	*so = sorter_of(op);
	const struct sent	*a = &so->v[x], *b = &so->v[y];
	const struct imap_sort_by *by = op->cmd.search.sort;
	struct hstr		 ta, tb;
	uint32_t		 i, pa = a->text, pb = b->text;
	int			 r = 0;

	for (i = 0; i < op->cmd.search.nsort; i++, by++) {
		if (by->by == SORT_ARRIVAL)
			r = number_cmp(a->arrival, b->arrival);
		else if (by->by == SORT_DATE)
			r = number_cmp(a->date, b->date);
		else if (by->by == SORT_SIZE)
			r = number_cmp((int64_t)a->size, (int64_t)b->size);
		else {
			text_get(so, &pa, &ta);
			text_get(so, &pb, &tb);
			r = text_cmp(&ta, &tb);
		}
		if (r != 0)
			return by->reverse ? -r : r;
	}
	return a->uid < b->uid ? -1 : a->uid > b->uid;
}

static void
order_take(struct iop *op)
{
	struct search	*s = op->data;
	struct sorter	*so = s->sorter;
	uint32_t	 i;

	if ((s->order = calloc(so->n + 1, sizeof(*s->order))) == NULL)
		fatal(NULL);
	for (i = 0; i < so->n; i++)
		s->order[i] = so->v[so->ms.a[i]].uid;
	s->norder = so->n;
}

static void
thread_messages(struct sorter *so, struct msgthread_msg *m)
{
	const struct sent	*e;
	uint32_t		 i, pos;

	for (i = 0; i < so->n; i++, m++) {
		e = &so->v[so->ms.a[i]];
		m->uid = e->uid;
		m->date = e->date;
		m->reply = e->reply;
		pos = e->text;
		text_get(so, &pos, &m->subject);
		text_get(so, &pos, &m->id);
		text_get(so, &pos, &m->refs);
	}
}

static int
thread_take(struct iop *op)
{
	struct search		*s = op->data;
	struct sorter		*so = s->sorter;
	struct msgthread_msg	*m;
	struct msgthread	 t;
	uint32_t		 i;
	int			 r;

	if ((m = calloc(so->n + 1, sizeof(*m))) == NULL)
		fatal(NULL);
	thread_messages(so, m);
	r = msgthread_make(&t, op->cmd.search.thread == THREAD_REFERENCES ?
	    MSGTHREAD_REFERENCES : MSGTHREAD_ORDEREDSUBJECT, m, so->n);
	for (i = t.root; r == 0 && i != MSGTHREAD_NONE; i = t.node[i].next)
		r = msgthread_put(&t, i, "( )", THREAD_DEPTH, &s->threads);
	msgthread_fini(&t);
	free(m);
	return r;
}

static void
sort_step(int fd, short ev, void *arg)
{
	static const struct timeval	 now;
	struct iop			*op = arg;
	struct sorter			*so = sorter_of(op);

	lsession_timeout(&op->s->ls, LT_COMMAND);
	if (!msort_step(&so->ms, STEP, sent_cmp, op)) {
		evtimer_add(&so->ev, &now);
		return;
	}
	if (!so->threads)
		order_take(op);
	else if (thread_take(op) == -1) {
		iop_no(op, "LIMIT", "Threads too deep or too many");
		return;
	}
	result_begin(op);
}

/* Messages come by their uids where the keys say nothing else. */
static void
sort_order(struct iop *op)
{
	struct sorter	*so = sorter_of(op);
	uint32_t	 i;

	so->one = calloc(so->n + 1, sizeof(*so->one));
	so->two = calloc(so->n + 1, sizeof(*so->two));
	if (so->one == NULL || so->two == NULL)
		fatal(NULL);
	for (i = 0; i < so->n; i++)
		so->one[i] = i;
	msort_init(&so->ms, so->one, so->two, so->n);
	evtimer_set(&so->ev, sort_step, op);
	so->timed = 1;
	sort_step(-1, 0, op);
}

/* collecting */

static int
text_add(struct sorter *so, const struct ibuf *b)
{
	uint32_t n = (uint32_t)ibuf_size(b);

	if (ibuf_add(&so->text, &n, sizeof(n)) == -1)
		return -1;
	return ibuf_add_ibuf(&so->text, b);
}

static int
texts_add(struct sorter *so)
{
	int i, r = 0;

	for (i = 0; i < so->ntexts && r == 0; i++)
		r = text_add(so, &so->keys.text[so->texts[i]]);
	if (r == 0 && so->threads) {
		r = text_add(so, &so->keys.id);
		if (r == 0)
			r = text_add(so, msgkeys_refs(&so->keys));
	}
	return r;
}

/* All is known of a message: its keys are those in so->keys. */
static void
sent_add(struct sorter *so, const struct sent *e)
{
	struct sent	*v;
	uint32_t	 cap;

	if ((size_t)so->n * sizeof(*v) + ibuf_size(&so->text) > SORT_MEMORY ||
	    (so->threads && so->n == THREAD_MOST)) {
		so->full = 1;
		return;
	}
	if (so->n == so->cap) {
		cap = so->cap == 0 ? 256 : so->cap * 2;
		v = reallocarray(so->v, cap, sizeof(*v));
		if (v == NULL)
			fatal(NULL);
		so->v = v;
		so->cap = cap;
	}
	v = &so->v[so->n];
	*v = *e;
	v->date = so->keys.dated ? so->keys.date.t : e->arrival;
	v->reply = so->keys.reply;
	v->text = (uint32_t)ibuf_size(&so->text);
	if (texts_add(so) == -1)
		so->full = 1;
	else
		so->n++;
}

/* Which fields' values count. */
static const char *const sort_fields[] = {
	"Date", "Subject", "From", "To", "Cc", NULL
};
static const char *const thread_fields[] = {
	"Date", "Subject", "Message-ID", "References", "In-Reply-To", NULL
};

/* Returns 0 if the summary does not know them all. */
static int
keys_of_summary(struct sorter *so, const struct summary *sum)
{
	const char *const	*f = so->threads ? thread_fields : sort_fields;
	struct ibuf		 b;
	struct hstr		 name, value;
	size_t			 pos;
	int			 r = 0;

	msgkeys_clear(&so->keys);
	ibuf_init(&b, SUMMARY_MAX);
	for (; *f != NULL; f++) {
		pos = 0;
		if ((r = summary_field(sum, *f, &pos, &b)) == -1)
			break;
		if (r == 0)
			continue;
		name.p = *f;
		name.len = strlen(*f);
		value.p = (const char *)ibuf_data(&b);
		value.len = ibuf_size(&b);
		if (msgkeys_field(&so->keys, &name, &value) == -1)
			fatal(NULL);
		ibuf_drain(&b, ibuf_size(&b));
	}
	ibuf_fini(&b);
	return r != -1;
}

/* headers */

static int
head_ended(const struct hmsg *m)
{
	const char	*p = (const char *)ibuf_data(&m->head);
	size_t		 len = ibuf_size(&m->head);

	return len == m->size || len >= HEAD_MAX ||
	    memmem(p, len, "\n\n", 2) != NULL ||
	    memmem(p, len, "\n\r\n", 3) != NULL ||
	    (len > 0 && p[0] == '\n') ||
	    (len > 1 && p[0] == '\r' && p[1] == '\n');
}

static void	hmsg_ask(struct hmsg *);

static void
hmsg_end(struct hmsg *m, const struct m_st_end *end)
{
	struct iop	*op = m->op;
	struct sorter	*so = sorter_of(op);

	if (end->code == ST_OK && !head_ended(m)) {
		m->want = HEAD_MAX;
		hmsg_ask(m);
		return;
	}
	if (end->code == ST_OK) {
		msgkeys_clear(&so->keys);
		if (msgkeys_header(&so->keys, ibuf_data(&m->head),
		    ibuf_size(&m->head)) == -1)
			fatal(NULL);
		sent_add(so, &m->sent);
	} else if (end->code != ST_NO_SUCH_MESSAGE)
		so->failed = end->code;
	hmsg_free(so, m);
	sort_pump(op);
}

/* More than was asked for is of another message, or made up. */
static void
hmsg_answer(struct streq *rq, enum msg_type type, const void *arg)
{
	static const struct m_st_end nonsense = { .code = ST_NONSENSE };
	struct hmsg		*m = rq->arg;
	const struct m_st_data	*d = arg;

	lsession_timeout(&m->op->s->ls, LT_COMMAND);
	if (type == M_st_data && ibuf_add(&m->head, d->data.p,
	    d->data.len) == -1) {
		st_cancel(rq);
		hmsg_end(m, &nonsense);
	} else if (type == M_st_data)
		st_credit(rq, (uint32_t)d->data.len);
	else if (type == M_st_end)
		hmsg_end(m, arg);
}

static void
hmsg_ask(struct hmsg *m)
{
	struct m_st_get q;

	memset(&q, 0, sizeof(q));
	q.mount = m->op->mount->number;
	q.id = m->id;
	q.size = m->size;
	q.offset = ibuf_size(&m->head);
	q.length = (m->size < m->want ? m->size : m->want) - q.offset;
	q.credit = CONTENT_CREDIT;
	m->rq.answer = hmsg_answer;
	m->rq.arg = m;
	st_send(&m->op->s->ls, &m->rq, M_st_get, &q);
}

static void
hmsg_queue(struct iop *op, const struct st_row *row, const struct sent *e,
    const struct summary *sum)
{
	struct sorter	*so = sorter_of(op);
	struct hmsg	*m;

	if ((row->has & (ROW_ID | ROW_SIZE)) != (ROW_ID | ROW_SIZE))
		return;
	if ((m = calloc(1, sizeof(*m))) == NULL ||
	    (m->id = strdup(row->id)) == NULL)
		fatal(NULL);
	m->op = op;
	m->sent = *e;
	m->size = row->size;
	m->want = HEAD_FIRST;
	if (sum != NULL && sum->hdr_len > 0)
		m->want = sum->hdr_len < HEAD_MAX ? sum->hdr_len : HEAD_MAX;
	ibuf_init(&m->head, HEAD_MAX + CONTENT_CREDIT);
	TAILQ_INSERT_TAIL(&so->queue, m, entry);
	so->nqueue++;
}

/* rows */

static void
sort_row(struct iop *op, const struct st_row *row, uint32_t uid)
{
	struct sorter	*so = sorter_of(op);
	struct summary	 sum, *have = NULL;
	struct sent	 e;

	memset(&e, 0, sizeof(e));
	e.uid = uid;
	e.arrival = row->has & ROW_DATE ? row->date : 0;
	e.size = row->has & ROW_SIZE ? row->size : 0;
	if (row->has & ROW_CACHE && row->cachelen > 0 &&
	    summary_parse(&sum, row->cache, row->cachelen) == 1 &&
	    sum.size == row->size)
		have = &sum;
	if (!so->header || (have != NULL && keys_of_summary(so, have)))
		sent_add(so, &e);
	else
		hmsg_queue(op, row, &e, have);
}

static void
sort_rows(struct iop *op, const struct m_st_rows *rows)
{
	struct sorter		*so = sorter_of(op);
	struct ibuf		 b;
	struct st_row		 row;
	struct uidset		 set;
	struct uidset_iter	 it;
	uint32_t		 uid;

	ibuf_from_buffer(&b, rows->rows.p, rows->rows.len);
	uidset_init(&set);
	while (strow_get(&b, &row) == 1) {
		if (msg_set_get(&row.uids, &set) == -1 ||
		    uidset_intersect(&set, &so->listing) == -1 ||
		    uidset_subtract(&so->listing, &set) == -1)
			fatal(NULL);
		for (uid = uidset_first(&it, &set); uid != 0;
		    uid = uidset_next(&it))
			sort_row(op, &row, uid);
	}
	uidset_fini(&set);
	so->owed += (uint32_t)rows->rows.len;
}

static void
sort_rows_answer(struct streq *rq, enum msg_type type, const void *arg)
{
	struct iop		*op = rq->arg;
	const struct m_st_end	*end = arg;

	lsession_timeout(&op->s->ls, LT_COMMAND);
	if (type == M_st_rows)
		sort_rows(op, arg);
	else if (type == M_st_end && end->code != ST_OK)
		sorter_of(op)->failed = end->code;
	if (type == M_st_rows || type == M_st_end)
		sort_pump(op);
}

static void
sort_list(struct iop *op)
{
	struct sorter		*so = sorter_of(op);
	struct m_st_list	 q;

	uidset_clear(&so->listing);
	set_take(&so->todo, &so->listing, SET_RANGES);
	memset(&q, 0, sizeof(q));
	q.mount = op->mount->number;
	q.mailbox = op->s->view->m->id;
	q.uids = msg_set_of(&so->listing);
	q.fields = ROW_SIZE | ROW_DATE;
	if (so->header)
		q.fields |= ROW_ID | ROW_CACHE;
	q.credit = LIST_CREDIT;
	so->owed = 0;
	iop_ask(op, M_st_list, &q, sort_rows_answer);
}

static void
sort_pump(struct iop *op)
{
	struct sorter	*so = sorter_of(op);
	struct hmsg	*m;
	int		 n = 0;

	if (so->full) {
		iop_no(op, "LIMIT", "Too many messages to sort");
		return;
	}
	TAILQ_FOREACH(m, &so->queue, entry) {
		if (n++ == AHEAD)
			break;
		if (!st_active(&m->rq))
			hmsg_ask(m);
	}
	if (so->owed > 0 && so->nqueue < QUEUE_MAX && st_active(&op->rq)) {
		st_credit(&op->rq, so->owed);
		so->owed = 0;
	}
	if (st_active(&op->rq))
		return;
	if (so->todo.n > 0 && !so->failed) {
		if (so->nqueue < QUEUE_MAX)
			sort_list(op);
		return;
	}
	if (so->nqueue > 0)
		return;
	if (so->failed)
		iop_fail(op, so->failed, NULL);
	else
		sort_order(op);
}

static void
sort_collect(struct iop *op)
{
	struct search	*s = op->data;
	struct sorter	*so = s->sorter;

	/* of those that are gone nothing can be read */
	if (uidset_copy(&so->todo, &s->match) == -1 ||
	    uidset_intersect(&so->todo, &op->s->view->m->map.uids) == -1)
		fatal(NULL);
	sort_pump(op);
}

/* a storage that sorts */

/* What may stand behind what in RFC 5256's lists; digits count as "0". */
static int
thread_may_follow(uint8_t was, uint8_t c)
{
	static const struct {
		char		 c;
		const char	*after;
	} rules[] = {
		{ '(', "( )^" }, { ')', "0)" }, { ' ', "0" }, { '0', "( " }
	};
	size_t i;

	for (i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (rules[i].c == c)
			return strchr(rules[i].after, was) != NULL;
	return 0;
}

/* A number, of a message that was asked for. */
static int
thread_uid(struct search *s, const uint8_t **p, const uint8_t *end)
{
	uint64_t uid = 0;

	for (; *p < end && **p >= '0' && **p <= '9'; (*p)++) {
		uid = uid * 10 + (uint64_t)(**p - '0');
		if (uid > UINT32_MAX)
			return 0;
	}
	s->sorter->nthreaded++;
	return uidset_contains(&s->match, (uint32_t)uid);
}

/* A backend's text goes to the client: is it what it should be? */
static int
thread_ok(struct search *s, const struct msg_blob *text)
{
	const uint8_t	*p = text->p, *end = p + text->len;
	uint8_t		 was = '^', c;
	int		 depth = 0;

	for (; p < end; was = c) {
		c = *p >= '0' && *p <= '9' ? '0' : *p;
		if (!thread_may_follow(was, c))
			return 0;
		if (c == '0') {
			if (!thread_uid(s, &p, end))
				return 0;
			continue;
		}
		depth += c == '(' ? 1 : c == ')' ? -1 : 0;
		p++;
		if (depth < 1 && p < end)
			return 0;
	}
	return depth == 0;
}

static void
order_add(struct search *s, const struct msg_blob *uids)
{
	uint32_t	uid, most = uidset_count(&s->match);
	size_t		i;

	if (s->order == NULL &&
	    (s->order = calloc(most, sizeof(*s->order))) == NULL)
		fatal(NULL);
	for (i = 0; i + sizeof(uid) <= uids->len; i += sizeof(uid)) {
		memcpy(&uid, (const uint8_t *)uids->p + i, sizeof(uid));
		uid = ntohl(uid);
		/* it may have been asked for more than what matched */
		if (!uidset_contains(&s->match, uid))
			continue;
		if (s->norder < most)
			s->order[s->norder++] = uid;
		else
			s->sorter->nonsense = 1;
	}
}

/* Is it all, and of the mailbox that we see? */
static int
sorted_ok(struct iop *op)
{
	struct search		*s = op->data;
	struct sorter		*so = s->sorter;
	struct uidset		 there;
	uint32_t		 n;

	if (so->nonsense || (so->head.uidvalidity != 0 &&
	    so->head.uidvalidity != op->s->view->m->uidvalidity))
		return 0;
	uidset_init(&there);
	if (uidset_copy(&there, &s->match) == -1 ||
	    uidset_intersect(&there, &op->s->view->m->map.uids) == -1)
		fatal(NULL);
	n = uidset_count(&there);
	uidset_fini(&there);
	return (so->threads ? so->nthreaded : s->norder) >= n;
}

static void
sorted_end(struct iop *op, const struct m_st_end *end)
{
	struct search *s = op->data;

	if (end->code == ST_OK && sorted_ok(op)) {
		result_begin(op);
		return;
	}
	imap_counts.searches_refused++;
	free(s->order);
	s->order = NULL;
	s->norder = 0;
	ibuf_truncate(&s->threads, 0);
	sort_collect(op);
}

static void
sorted_answer(struct streq *rq, enum msg_type type, const void *arg)
{
	struct iop			*op = rq->arg;
	struct search			*s = op->data;
	const struct m_st_order		*o = arg;
	const struct m_st_thread	*t = arg;

	lsession_timeout(&op->s->ls, LT_COMMAND);
	if (type == M_st_found_head)
		s->sorter->head = *(const struct m_st_found_head *)arg;
	else if (type == M_st_order) {
		order_add(s, &o->uids);
		st_credit(rq, (uint32_t)o->uids.len);
	} else if (type == M_st_thread) {
		if (!thread_ok(s, &t->text) || ibuf_add(&s->threads,
		    t->text.p, t->text.len) == -1)
			s->sorter->nonsense = 1;
		st_credit(rq, (uint32_t)t->text.len);
	} else if (type == M_st_end)
		sorted_end(op, arg);
}

/* Of threads it must know just the messages that they are made of. */
static int
sort_may_ask(const struct iop *op, const struct uidset *uids)
{
	const struct imap_search	*c = &op->cmd.search;
	const struct search		*s = op->data;
	const struct lstorage		*st = imount_storage(op->s, op->mount);
	uint32_t			 i;

	if (s->sorter->threads)
		return iop_has(op, CAP_THREAD) &&
		    st->thread & UINT32_C(1) << c->thread &&
		    uidset_equal(uids, &s->match);
	for (i = 0; i < c->nsort; i++)
		if ((st->sort & UINT32_C(1) << c->sort[i].by) == 0)
			return 0;
	return iop_has(op, CAP_SORT);
}

static void
sort_ask(struct iop *op, const struct uidset *uids)
{
	struct m_st_search	m;
	struct ibuf		b;
	char			thread[32];
	const char		*p;
	size_t			i = 0;

	memset(&m, 0, sizeof(m));
	m.mount = op->mount->number;
	m.mailbox = op->s->view->m->id;
	m.uids = msg_set_of(uids);
	m.credit = ORDER_CREDIT;
	ibuf_init(&b, 256);
	if (stquery_put_sort(&b, &op->cmd.search) == -1 ||
	    ibuf_add_n8(&b, '\0') == -1)
		fatal(NULL);
	m.sort = (const char *)ibuf_data(&b);
	if (sorter_of(op)->threads) {
		for (p = imap_thread_name(op->cmd.search.thread); *p != '\0';)
			thread[i++] = (char)(*p++ | 0x20);
		thread[i] = '\0';
		m.thread = thread;
	}
	imap_counts.searches_asked++;
	iop_ask(op, M_st_search, &m, sorted_answer);
	ibuf_fini(&b);
}

/* the command */

static void
sort_needs(struct sorter *so, enum imap_sort by)
{
	static const enum msgkey keys[IMAP_SORT_MAX] = {
		[SORT_ARRIVAL] = MSGKEY_MAX,
		[SORT_CC] = MSGKEY_CC,
		[SORT_DATE] = MSGKEY_MAX,
		[SORT_DISPLAYFROM] = MSGKEY_DISPLAYFROM,
		[SORT_DISPLAYTO] = MSGKEY_DISPLAYTO,
		[SORT_FROM] = MSGKEY_FROM,
		[SORT_SIZE] = MSGKEY_MAX,
		[SORT_SUBJECT] = MSGKEY_SUBJECT,
		[SORT_TO] = MSGKEY_TO,
	};

	if (keys[by] != MSGKEY_MAX)
		so->texts[so->ntexts++] = keys[by];
	so->header |= by != SORT_ARRIVAL && by != SORT_SIZE;
}

static struct sorter *
sorter_new(const struct iop *op)
{
	const struct imap_search	*c = &op->cmd.search;
	struct sorter			*so;
	uint32_t			 i;

	if ((so = calloc(1, sizeof(*so))) == NULL)
		fatal(NULL);
	TAILQ_INIT(&so->queue);
	msgkeys_init(&so->keys);
	ibuf_init(&so->text, SORT_MEMORY);
	so->threads = op->cmd.verb == IMAP_THREAD;
	for (i = 0; i < c->nsort; i++)
		sort_needs(so, c->sort[i].by);
	if (so->threads) {
		so->header = 1;
		so->texts[so->ntexts++] = MSGKEY_SUBJECT;
	}
	return so;
}

void
sort_begin(struct iop *op)
{
	struct search	*s = op->data;
	struct uidset	 uids;

	if (s->match.n == 0) {
		result_begin(op);
		return;
	}
	s->sorter = sorter_new(op);
	uidset_init(&uids);
	squery_uids(op, &s->match, &uids);
	if (sort_may_ask(op, &uids))
		sort_ask(op, &uids);
	else
		sort_collect(op);
	uidset_fini(&uids);
}
