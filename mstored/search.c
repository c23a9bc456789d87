#include <sys/types.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "answer.h"
#include "body.h"
#include "charset.h"
#include "index.h"
#include "json.h"
#include "log.h"
#include "msgkeys.h"
#include "msgsearch.h"
#include "search.h"

#define PIECE		(256 * 1024)	/* of a file; a header fits */
#define STEP_CONTENTS	256
#define STEP_BYTES	(4 * 1024 * 1024)
#define STEP_MS		100
#define STEP_HOLDERS	10000		/* accounts of one content, as many */
					/* as an upload may have recipients */
#define STALE		10000		/* texts of contents that are gone */
#define FLAGS_MEMO	256
#define ORDER_LINE	4000
#define SCAN_ROWS	256		/* looked at without a pause */

static atomic_int index_asked;		/* an index would have been of use */

/* A message that is found, or may be. */
struct hit {
	uint32_t	 uid;
	int		 open;
	struct content_id content;
	uint64_t	 size;
	uint64_t	 modseq;
	int64_t		 date;
	int64_t		 saved;
	int64_t		 flags;
};

/* A value that is sorted by. */
struct value {
	int64_t		 num;
	size_t		 off, len;	/* in the texts */
};

struct order {
	const struct hit *hit;
	const struct value *values;	/* one a criterion */
};

struct searcher {
	struct store	*store;
	struct index	*index;		/* NULL: does without */
	enum search_index when;
	int		 reader;	/* another one fills it */
	void		(*pause)(void);
	unsigned int	 rows;		/* looked at since then */
	int64_t		 checked;	/* s, when last looked for stale */
	atomic_int	 quit;
	uint8_t		*piece;
	int64_t		*holders;
	struct msgkeys	 keys;
	struct ibuf	 head, body;	/* text for the index */
	/* of the search that runs */
	struct search	*in;
	int64_t		 account;
	struct msgsearch_set *set;
	struct {
		int64_t	*hits;
		size_t	 n;
		int	 known;		/* the index can tell */
	}		 text[QUERY_TEXTS];
	int64_t		 done;		/* the index knows these contents */
	struct {
		int64_t	 flags;
		uint64_t bits;
	}		 memo[FLAGS_MEMO];
	struct flagset	 has, flag;
	/* found: all that is known of most is the uid */
	struct uidset	 sure;
	uint64_t	 nsure, highest;
	struct hit	*hits;
	size_t		 nhits, hitcap;
	uint64_t	 budget;
	/* of the message that is looked at */
	const struct store_msg *msg;
	struct store_msg one;		/* made from a hit */
	int		 sent;		/* keys are its, */
	int		 read;		/* found is true of it */
	uint64_t	 found;
	/* of the order */
	struct ibuf	 texts;
};

const char *const search_by_names[SEARCH_BYS] = {
	"arrival", "cc", "date", "displayfrom", "displayto", "from", "size",
	"subject", "to"
};

const char *const search_thread_names[SEARCH_THREADS] = {
	[MSGTHREAD_ORDEREDSUBJECT] = "orderedsubject",
	[MSGTHREAD_REFERENCES] = "references"
};

/* contents, piece by piece */

typedef int (*piece_fn)(void *, const void *, size_t);

/* fn returns 1 when it has seen enough, -1 on an error. */
static int
content_file(struct searcher *x, const uint8_t *rnd, piece_fn fn, void *arg,
    uint64_t *bytes)
{
	ssize_t	n;
	int	fd, r = 0;

	if ((fd = body_open(rnd)) == -1)
		return errno == ENOENT ? 0 : -1;
	while (r == 0 && (n = read(fd, x->piece, PIECE)) > 0) {
		*bytes += (uint64_t)n;
		r = fn(arg, x->piece, (size_t)n);
	}
	close(fd);
	return r;
}

static int
content_pieces(struct searcher *x, const struct store_content *c,
    const uint8_t *rnd, piece_fn fn, void *arg, uint64_t *bytes)
{
	if (c->data == NULL)
		return content_file(x, rnd, fn, arg, bytes);
	*bytes += c->size;
	return c->size > 0 ? fn(arg, c->data, (size_t)c->size) : 0;
}

static int
keys_piece(void *arg, const void *p, size_t len)
{
	struct searcher *x = arg;

	/* a header longer than a piece is none */
	return msgkeys_header(&x->keys, p, len) == -1 ? -1 : 1;
}

/* leaves */

static int64_t
day_of(const struct rfcdate *d)
{
	return rfcdate_day(d);
}

static enum tri
tri(int v)
{
	return v ? TRI_YES : TRI_NO;
}

static enum tri
leaf_days(const struct query_node *n, int64_t day, enum query_op since)
{
	switch (n->op - since) {
	case 0:
		return tri(day >= n->day);
	case 1:
		return tri(day < n->day);
	default:
		return tri(day == n->day);
	}
}

static enum tri
leaf_date(struct searcher *x, const struct query_node *n)
{
	struct rfcdate d;

	store_undate(&d, x->msg->date);
	return leaf_days(n, day_of(&d), QUERY_SINCE);
}

static enum tri
leaf_sent(struct searcher *x, const struct query_node *n)
{
	if (!x->sent)
		return TRI_OPEN;
	if (!x->keys.dated)
		return TRI_NO;
	return leaf_days(n, day_of(&x->keys.date), QUERY_SENTSINCE);
}

static enum tri
leaf_saved(struct searcher *x, const struct query_node *n)
{
	struct rfcdate d;

	if (x->msg->saved == 0)
		return TRI_NO;
	d.t = x->msg->saved;
	d.zone = 0;
	return leaf_days(n, day_of(&d), QUERY_SAVEDSINCE);
}

/* Which of the query's flags are in a set: found out once for each set. */
static void
flags_bits(struct searcher *x, int64_t id, uint64_t *bits)
{
	const struct store_flags	*f;
	const struct query_node		*n;
	uint16_t			 i;

	*bits = 0;
	if ((f = store_flags(x->store, id)) == NULL ||
	    flagset_get(&x->has, f->text, f->len) == -1)
		return;
	for (i = 0; i < x->in->q.n; i++) {
		n = &x->in->q.node[i];
		if (n->op != QUERY_FLAG)
			continue;
		flagset_init(&x->flag);
		if (n->sys != 0)
			x->flag.sys = n->sys;
		else if (flagset_add(&x->flag, n->text.p, n->text.len) == -1)
			continue;
		if (flagset_overlaps(&x->has, &x->flag))
			*bits |= UINT64_C(1) << n->leaf;
	}
}

static enum tri
leaf_flag(struct searcher *x, const struct query_node *n)
{
	int64_t	id = x->msg->flags;
	size_t	i = (size_t)id % FLAGS_MEMO;

	if (x->memo[i].flags != id) {
		flags_bits(x, id, &x->memo[i].bits);
		x->memo[i].flags = id;
	}
	return tri((x->memo[i].bits >> n->leaf & 1) != 0);
}

static int
hits_cmp(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static enum tri
leaf_text(struct searcher *x, const struct query_node *n)
{
	int64_t no = x->msg->content.no;

	if (x->read)
		return tri((x->found >> n->leaf & 1) != 0);
	if (n->text.len == 0 && n->op != QUERY_HEADER)
		return TRI_YES;
	if (!x->text[n->leaf].known || no > x->done)
		return TRI_OPEN;
	return x->text[n->leaf].n > 0 && bsearch(&no, x->text[n->leaf].hits,
	    x->text[n->leaf].n, sizeof(no), hits_cmp) != NULL ?
	    TRI_OPEN : TRI_NO;
}

static enum tri
leaf_value(void *arg, const struct query_node *n)
{
	struct searcher *x = arg;

	switch (n->op) {
	case QUERY_FLAG:
		return leaf_flag(x, n);
	case QUERY_UIDS:
		return tri(uidset_contains(&n->uids, x->msg->uid));
	case QUERY_LARGER:
		return tri(x->msg->size > n->num);
	case QUERY_SMALLER:
		return tri(x->msg->size < n->num);
	case QUERY_SINCE:
	case QUERY_BEFORE:
	case QUERY_ON:
		return leaf_date(x, n);
	case QUERY_SENTSINCE:
	case QUERY_SENTBEFORE:
	case QUERY_SENTON:
		return leaf_sent(x, n);
	case QUERY_SAVEDSINCE:
	case QUERY_SAVEDBEFORE:
	case QUERY_SAVEDON:
		return leaf_saved(x, n);
	case QUERY_MODSEQ:
		return tri(x->msg->modseq >= n->num);
	default:
		return leaf_text(x, n);
	}
}

/* what the index proposes */

static int
text_compile(struct searcher *x, const struct query *q)
{
	struct msgsearch_key		 k[QUERY_TEXTS];
	const struct query_node		*n;
	uint16_t			 i;

	memset(k, 0, sizeof(k));
	for (i = 0; i < q->n; i++) {
		n = &q->node[i];
		if (n->op != QUERY_HEADER && n->op != QUERY_TEXT &&
		    n->op != QUERY_BODY)
			continue;
		k[n->leaf].scope = n->op == QUERY_HEADER ? MSGSEARCH_HEADER :
		    n->op == QUERY_TEXT ? MSGSEARCH_TEXT : MSGSEARCH_BODY;
		k[n->leaf].field = n->field;
		k[n->leaf].text = n->text;
	}
	if ((x->set = msgsearch_compile(k, q->texts)) != NULL)
		return ST_OK;
	return errno == E2BIG ? ST_UNSUPPORTED_SEARCH : ST_TRY_LATER;
}

static int
text_find(struct searcher *x, const struct query_node *n)
{
	struct ibuf	b;
	int		r;

	if (n->text.len == 0 || x->index == NULL)
		return 0;
	atomic_store(&index_asked, 1);
	ibuf_init(&b, QUERY_BYTES * 12 + 64);
	r = msgsearch_fold(&b, n->text.p, n->text.len);
	if (r == 0)
		r = index_find(x->index, x->account, &b,
		    n->op == QUERY_HEADER, &x->text[n->leaf].hits,
		    &x->text[n->leaf].n);
	ibuf_fini(&b);
	return r == 1;
}

static void
texts_find(struct searcher *x, const struct query *q)
{
	uint16_t i;

	/* no other one goes on between this and the last text */
	if (x->index != NULL)
		index_refresh(x->index);
	x->done = x->index != NULL ? index_done(x->index) : 0;
	for (i = 0; i < q->n; i++)
		if (q->node[i].op == QUERY_HEADER ||
		    q->node[i].op == QUERY_TEXT ||
		    q->node[i].op == QUERY_BODY)
			x->text[q->node[i].leaf].known =
			    text_find(x, &q->node[i]);
}

/* the messages, one after the other */

static int
hit_add(struct searcher *x, const struct store_msg *m, int open)
{
	struct hit	*p;
	size_t		 cap;

	if (x->nhits == x->hitcap) {
		cap = x->hitcap > 0 ? x->hitcap * 2 : 256;
		if ((p = reallocarray(x->hits, cap, sizeof(*p))) == NULL)
			return -1;
		x->hits = p;
		x->hitcap = cap;
	}
	p = &x->hits[x->nhits++];
	p->uid = m->uid;
	p->open = open;
	p->content = m->content;
	p->size = m->size;
	p->modseq = m->modseq;
	p->date = m->date;
	p->saved = m->saved;
	p->flags = m->flags;
	return 0;
}

/* Of what is neither open nor to be put in order, only the uid is kept. */
static int
scan_found(struct searcher *x, const struct store_msg *m, int open)
{
	if (open || x->in->nsort > 0 || x->in->threaded)
		return hit_add(x, m, open);
	x->nsure++;
	if (m->modseq > x->highest)
		x->highest = m->modseq;
	return uidset_add(&x->sure, m->uid, m->uid);
}

static int
scan_row(void *arg, const struct store_msg *m)
{
	struct searcher	*x = arg;
	enum tri	 t;

	if (++x->rows % SCAN_ROWS == 0)
		x->pause();
	x->msg = m;
	if ((t = query_eval(&x->in->q, leaf_value, x)) == TRI_NO)
		return 0;
	if (scan_found(x, m, t == TRI_OPEN) == -1) {
		x->in->code = ST_TRY_LATER;
		return 1;
	}
	return 0;
}

/* Keys for which a message's flags and modseq are enough. */
#define LIGHT	(1U << QUERY_ALL | 1U << QUERY_AND | 1U << QUERY_OR |	\
    1U << QUERY_NOT | 1U << QUERY_FLAG | 1U << QUERY_UIDS |		\
    1U << QUERY_MODSEQ)

static int
scan_ranges(struct searcher *x, const struct store_mailbox *m)
{
	const struct search	*in = x->in;
	struct store_scan	 scan;
	uint32_t		 i, last = m->uidnext - 1;
	int			 code;

	memset(&scan, 0, sizeof(scan));
	scan.mailbox = in->mailbox.no;
	scan.what = (in->q.ops & ~LIGHT) == 0 && in->nsort == 0 &&
	    !in->threaded ? STORE_FLAGS : STORE_ROWS;
	scan.lo = 1;
	scan.hi = last;
	if (!in->limited)
		return store_messages(x->store, &scan, scan_row, x);
	for (i = 0; i < in->uids.n && in->uids.r[i].lo <= last; i++) {
		scan.lo = in->uids.r[i].lo;
		scan.hi = in->uids.r[i].hi;
		if ((code = store_messages(x->store, &scan, scan_row,
		    x)) != ST_OK || in->code != ST_OK)
			return code;
	}
	return ST_OK;
}

/* Everything the rows and the index tell, of one state of the mailbox. */
static int
scan(struct searcher *x, struct store_mailbox *m)
{
	struct search	*in = x->in;
	int		 code;

	if ((code = store_mailbox(x->store, in->account, &in->mailbox,
	    m)) != ST_OK)
		return code;
	x->account = m->account;
	m->name = m->roles = NULL;
	if (in->q.texts > 0) {
		if ((code = text_compile(x, &in->q)) != ST_OK)
			return code;
		texts_find(x, &in->q);
	}
	if (m->uidnext > 1)
		code = scan_ranges(x, m);
	store_read_end(x->store);
	return code != ST_OK ? code : in->code;
}

/* looking closer */

/* What SORT and THREAD compare, from the index or the content. */
static int
keys_load(struct searcher *x, const struct content_id *id)
{
	struct store_content	c;
	uint64_t		bytes = 0;
	int			r = 0;

	if (atomic_load(&x->quit))
		return ST_TRY_LATER;
	x->pause();
	atomic_store(&index_asked, 1);
	if (x->index != NULL &&
	    (r = index_get_keys(x->index, id->no, &x->keys)) == 1)
		return ST_OK;
	msgkeys_clear(&x->keys);
	r = store_content(x->store, x->in->account, id, &c);
	/* gone meanwhile: as a message without a header */
	if (r == ST_NO_SUCH_MESSAGE)
		return ST_OK;
	if (r == ST_OK && content_pieces(x, &c, id->rnd, keys_piece, x,
	    &bytes) == -1)
		r = ST_TRY_LATER;
	store_read_end(x->store);
	return r;
}

static int
read_piece(void *arg, const void *p, size_t len)
{
	return msgsearch_feed(arg, p, len);
}

/* The content itself decides; ST_NO_SUCH_MESSAGE if it is gone. */
static int
read_content(struct searcher *x, struct msgsearch *ms, struct hit *h)
{
	struct store_content	c;
	uint64_t		bytes = 0;
	int			r;

	if (msgsearch_reset(ms) == -1)
		return ST_TRY_LATER;
	if ((r = store_content(x->store, x->in->account, &h->content,
	    &c)) != ST_OK)
		return r;
	r = content_pieces(x, &c, h->content.rnd, read_piece, ms, &bytes);
	store_read_end(x->store);
	x->budget -= bytes < x->budget ? bytes : x->budget;
	if (r == 0)
		r = msgsearch_finish(ms);
	if (r == -1)
		return ST_TRY_LATER;
	x->found = msgsearch_found(ms);
	x->read = 1;
	return ST_OK;
}

static int
verify_one(struct searcher *x, struct msgsearch *ms, struct hit *h,
    enum tri *t)
{
	struct store_msg	*m = &x->one;
	int			 r;

	memset(m, 0, sizeof(*m));
	m->uid = h->uid;
	m->flags = h->flags;
	m->modseq = h->modseq;
	m->content = h->content;
	m->size = h->size;
	m->date = h->date;
	m->saved = h->saved;
	x->msg = m;
	x->sent = x->read = 0;
	*t = TRI_OPEN;
	if (x->in->q.ops & (1U << QUERY_SENTSINCE | 1U << QUERY_SENTBEFORE |
	    1U << QUERY_SENTON)) {
		if ((r = keys_load(x, &h->content)) != ST_OK)
			return r;
		x->sent = 1;
		*t = query_eval(&x->in->q, leaf_value, x);
	}
	if (*t != TRI_OPEN || ms == NULL || h->size > x->budget)
		return ST_OK;
	r = read_content(x, ms, h);
	if (r == ST_NO_SUCH_MESSAGE)
		*t = TRI_NO;
	else if (r == ST_OK)
		*t = query_eval(&x->in->q, leaf_value, x);
	else
		return r;
	return ST_OK;
}

static int
verify(struct searcher *x)
{
	struct msgsearch	*ms = NULL;
	enum tri		 t;
	size_t			 i, n = 0;
	int			 r = ST_OK;

	if (x->set != NULL && (ms = msgsearch_open(x->set)) == NULL)
		return ST_TRY_LATER;
	for (i = 0; i < x->nhits && r == ST_OK; i++) {
		if (atomic_load(&x->quit)) {
			r = ST_TRY_LATER;
			break;
		}
		t = TRI_YES;
		x->pause();
		if (x->hits[i].open)
			r = verify_one(x, ms, &x->hits[i], &t);
		if (t == TRI_NO)
			continue;
		x->hits[i].open = t == TRI_OPEN;
		x->hits[n++] = x->hits[i];
	}
	x->nhits = n;
	msgsearch_free(ms);
	return r;
}

/* the order */

static const enum msgkey by_keys[SEARCH_BYS] = {
	[SEARCH_CC] = MSGKEY_CC,
	[SEARCH_DISPLAYFROM] = MSGKEY_DISPLAYFROM,
	[SEARCH_DISPLAYTO] = MSGKEY_DISPLAYTO,
	[SEARCH_FROM] = MSGKEY_FROM,
	[SEARCH_SUBJECT] = MSGKEY_SUBJECT,
	[SEARCH_TO] = MSGKEY_TO,
};

static int
by_needs_keys(enum search_by by)
{
	return by != SEARCH_ARRIVAL && by != SEARCH_SIZE;
}

static int64_t
arrival(const struct hit *h)
{
	struct rfcdate d;

	store_undate(&d, h->date);
	return d.t;
}

static int
value_text(struct searcher *x, struct value *v, const struct ibuf *b)
{
	v->off = ibuf_size(&x->texts);
	v->len = ibuf_size(b);
	return ibuf_add_ibuf(&x->texts, b);
}

static int
value_of(struct searcher *x, struct value *v, const struct hit *h,
    enum search_by by)
{
	memset(v, 0, sizeof(*v));
	switch (by) {
	case SEARCH_ARRIVAL:
		v->num = arrival(h);
		return 0;
	case SEARCH_SIZE:
		v->num = (int64_t)h->size;
		return 0;
	case SEARCH_DATE:
		v->num = x->keys.dated ? x->keys.date.t : arrival(h);
		return 0;
	default:
		return value_text(x, v, &x->keys.text[by_keys[by]]);
	}
}

static struct searcher *cmp_of;		/* no other one goes on meanwhile */

static int
order_cmp(const void *pa, const void *pb)
{
	const struct order	*a = pa, *b = pb;
	const uint8_t		*texts = ibuf_data(&cmp_of->texts);
	const struct value	*v, *w;
	size_t			 len;
	int			 i, r;

	for (i = 0; i < cmp_of->in->nsort; i++) {
		v = &a->values[i];
		w = &b->values[i];
		len = v->len < w->len ? v->len : w->len;
		r = v->num != w->num ? (v->num < w->num ? -1 : 1) :
		    len > 0 ? memcmp(texts + v->off, texts + w->off, len) : 0;
		if (r == 0 && v->len != w->len)
			r = v->len < w->len ? -1 : 1;
		if (r != 0)
			return cmp_of->in->sort[i].reverse ? -r : r;
	}
	return a->hit->uid < b->hit->uid ? -1 : a->hit->uid > b->hit->uid;
}

static int
order_fill(struct searcher *x, struct order *o, struct value *v)
{
	const struct search	*in = x->in;
	size_t			 i;
	int			 k, r, keys = 0;

	for (k = 0; k < in->nsort; k++)
		keys |= by_needs_keys(in->sort[k].by);
	for (i = 0; i < x->nhits; i++) {
		if (keys && (r = keys_load(x, &x->hits[i].content)) != ST_OK)
			return r;
		o[i].hit = &x->hits[i];
		o[i].values = v;
		for (k = 0; k < in->nsort; k++)
			if (value_of(x, v++, &x->hits[i],
			    in->sort[k].by) == -1)
				return ST_UNSUPPORTED_SEARCH;
	}
	cmp_of = x;
	qsort(o, x->nhits, sizeof(*o), order_cmp);
	return ST_OK;
}

static int
put_order(struct searcher *x, const struct order *o, size_t n)
{
	struct ibuf	*b = &x->in->answer;
	size_t		 i;

	for (i = 0; i < n; i++) {
		if (ibuf_adds(b, i % ORDER_LINE == 0 ? "{\"order\":[" : ",") ==
		    -1 || ibuf_addu(b, o[i].hit->uid) == -1)
			return -1;
		if ((i + 1 == n || (i + 1) % ORDER_LINE == 0) &&
		    ibuf_adds(b, "]}\n") == -1)
			return -1;
	}
	return 0;
}

static int
order(struct searcher *x, size_t n)
{
	struct order	*o;
	struct value	*v;
	int		 r = ST_TRY_LATER;

	if (x->nhits > SEARCH_SORTED)
		return ST_UNSUPPORTED_SEARCH;
	o = reallocarray(NULL, x->nhits + 1, sizeof(*o));
	v = reallocarray(NULL, (x->nhits + 1) * (size_t)x->in->nsort,
	    sizeof(*v));
	if (o != NULL && v != NULL && (r = order_fill(x, o, v)) == ST_OK &&
	    put_order(x, o, n) == -1)
		r = ST_UNSUPPORTED_SEARCH;
	free(o);
	free(v);
	return r;
}

/* threads */

static void
text_of(struct searcher *x, struct hstr *s, const struct value *v)
{
	s->p = v->len > 0 ? (const char *)ibuf_data(&x->texts) + v->off : "";
	s->len = v->len;
}

static int
thread_fill(struct searcher *x, struct msgthread_msg *m, struct value *v)
{
	size_t	i;
	int	r;

	for (i = 0; i < x->nhits; i++) {
		if ((r = keys_load(x, &x->hits[i].content)) != ST_OK)
			return r;
		m[i].uid = x->hits[i].uid;
		m[i].date = x->keys.dated ? x->keys.date.t :
		    arrival(&x->hits[i]);
		m[i].reply = x->keys.reply;
		if (value_text(x, &v[3 * i],
		    &x->keys.text[MSGKEY_SUBJECT]) == -1 ||
		    value_text(x, &v[3 * i + 1], &x->keys.id) == -1 ||
		    value_text(x, &v[3 * i + 2],
		    msgkeys_refs(&x->keys)) == -1)
			return ST_UNSUPPORTED_SEARCH;
	}
	/* now that the texts do not move any more */
	for (i = 0; i < x->nhits; i++) {
		text_of(x, &m[i].subject, &v[3 * i]);
		text_of(x, &m[i].id, &v[3 * i + 1]);
		text_of(x, &m[i].refs, &v[3 * i + 2]);
	}
	return ST_OK;
}

static int
put_thread(struct ibuf *b, const struct msgthread *t, uint32_t root)
{
	struct ibuf	line;
	int		r;

	ibuf_init(&line, SEARCH_THREAD);
	r = ibuf_adds(&line, "{\"thread\":");
	if (r == 0)
		r = msgthread_put(t, root, "[,]", SEARCH_NESTED, &line);
	if (r == 0)
		r = ibuf_adds(&line, "}\n");
	if (r == 0)
		r = ibuf_add_ibuf(b, &line);
	ibuf_fini(&line);
	return r;
}

static int
thread_put(struct searcher *x, const struct msgthread_msg *m)
{
	struct msgthread	t;
	uint32_t		i;
	int			r;

	r = msgthread_make(&t, x->in->thread, m, (uint32_t)x->nhits) == 0 ?
	    ST_OK : ST_TRY_LATER;
	if (r == ST_OK)
		for (i = t.root; i != MSGTHREAD_NONE && r == ST_OK;
		    i = t.node[i].next)
			if (put_thread(&x->in->answer, &t, i) == -1)
				r = errno == ENOMEM ? ST_TRY_LATER :
				    ST_UNSUPPORTED_SEARCH;
	msgthread_fini(&t);
	return r;
}

static int
thread(struct searcher *x)
{
	struct msgthread_msg	*m;
	struct value		*v;
	int			 r = ST_TRY_LATER;

	if (x->nhits > SEARCH_SORTED)
		return ST_UNSUPPORTED_SEARCH;
	m = calloc(x->nhits + 1, sizeof(*m));
	v = calloc(3 * x->nhits + 1, sizeof(*v));
	if (m != NULL && v != NULL && (r = thread_fill(x, m, v)) == ST_OK)
		r = thread_put(x, m);
	free(m);
	free(v);
	return r;
}

/* the answer */

static int
put_header(struct searcher *x, const struct store_mailbox *m, size_t opens)
{
	const struct search	*in = x->in;
	struct ibuf		*b = &x->in->answer;
	uint64_t		 highest = x->highest;
	size_t			 i;

	for (i = 0; i < x->nhits; i++)
		if (x->hits[i].modseq > highest)
			highest = x->hits[i].modseq;
	if (json_open(b, '{') == -1 || json_kbool(b, "header", 1) == -1 ||
	    ((in->caps & CAP(CAP_MODSEQ)) != 0 &&
	    json_ku64(b, "modseq", m->modseq) == -1) ||
	    json_ku64(b, "uidvalidity", m->id.uidvalidity) == -1 ||
	    json_ku64(b, "uidnext", m->uidnext) == -1 ||
	    json_ku64(b, "total", x->nsure + x->nhits) == -1)
		return -1;
	if ((in->caps & CAP(CAP_MODSEQ)) != 0 && highest > 0 && opens == 0 &&
	    json_ku64(b, "highest", highest) == -1)
		return -1;
	if (json_kbool(b, "superset", opens > 0) == -1)
		return -1;
	return ibuf_adds(b, "}\n");
}

static int
put_maybe(struct searcher *x)
{
	struct uidset	set;
	size_t		i;
	int		r = 0;

	uidset_init(&set);
	for (i = 0; i < x->nhits && r == 0; i++)
		if (x->hits[i].open)
			r = uidset_add(&set, x->hits[i].uid, x->hits[i].uid);
	if (r == 0)
		r = answer_sets(&x->in->answer, "maybe", &set);
	uidset_fini(&set);
	return r;
}

/* Those that are not open, the first n. */
static int
put_sure(struct searcher *x, uint64_t n)
{
	size_t i;

	for (i = 0; i < x->nhits; i++)
		if (!x->hits[i].open && uidset_add(&x->sure,
		    x->hits[i].uid, x->hits[i].uid) == -1)
			return -1;
	if (n < uidset_count(&x->sure) && uidset_remove(&x->sure,
	    uidset_nth(&x->sure, (uint32_t)n) + 1, UINT32_MAX) == -1)
		return -1;
	return answer_sets(&x->in->answer, "uids", &x->sure);
}

static int
answer(struct searcher *x, const struct store_mailbox *m)
{
	const struct search	*in = x->in;
	uint64_t		 n = x->nsure + x->nhits;
	size_t			 i, opens = 0;
	int			 r = ST_OK;

	for (i = 0; i < x->nhits; i++)
		opens += x->hits[i].open != 0;
	if (in->threaded && opens > 0)
		return ST_UNSUPPORTED_SEARCH;
	if (in->limit != 0 && opens == 0 && in->limit < n)
		n = in->limit;
	if (put_header(x, m, opens) == -1)
		return ST_TRY_LATER;
	if (in->threaded)
		r = thread(x);
	else if (in->nsort > 0)
		r = order(x, (size_t)n);
	else if (put_sure(x, n) == -1)
		r = ST_UNSUPPORTED_SEARCH;
	if (r != ST_OK)
		return r;
	return put_maybe(x) == -1 ||
	    answer_end(&x->in->answer, ST_OK) == -1 ?
	    ST_UNSUPPORTED_SEARCH : ST_OK;
}

static void
searcher_clear(struct searcher *x)
{
	int i;

	store_read_end(x->store);
	for (i = 0; i < QUERY_TEXTS; i++)
		free(x->text[i].hits);
	memset(x->text, 0, sizeof(x->text));
	memset(x->memo, 0, sizeof(x->memo));
	msgsearch_set_free(x->set);
	x->set = NULL;
	uidset_fini(&x->sure);
	uidset_init(&x->sure);
	x->nsure = x->highest = 0;
	free(x->hits);
	x->hits = NULL;
	x->nhits = x->hitcap = 0;
	ibuf_fini(&x->texts);
	ibuf_init(&x->texts, 64 * 1024 * 1024);
	x->in = NULL;
}

void
searcher_quit(struct searcher *x)
{
	atomic_store(&x->quit, 1);
}

void
searcher_run(struct searcher *x, struct search *in)
{
	struct store_mailbox m;

	x->in = in;
	x->budget = in->most;
	x->sent = x->read = 0;
	in->code = atomic_load(&x->quit) ? ST_TRY_LATER : ST_OK;
	if (in->code == ST_OK)
		in->code = scan(x, &m);
	if (in->code == ST_OK)
		in->code = verify(x);
	if (in->code == ST_OK)
		in->code = answer(x, &m);
	searcher_clear(x);
}

/* the index */

static int
text_piece(void *arg, const void *p, size_t len)
{
	return msgsearch_feed(arg, p, len);
}

struct first_piece {
	struct searcher	*x;
	struct msgsearch *ms;
	int		 begun;
};

static int
index_piece(void *arg, const void *p, size_t len)
{
	struct first_piece *f = arg;

	if (!f->begun && keys_piece(f->x, p, len) == -1)
		return -1;
	f->begun = 1;
	return text_piece(f->ms, p, len);
}

static int
index_text(struct searcher *x, const struct store_unindexed *u,
    uint64_t *bytes)
{
	struct first_piece	f = { .x = x };
	int			r;

	ibuf_truncate(&x->head, 0);
	ibuf_truncate(&x->body, 0);
	msgkeys_clear(&x->keys);
	if ((f.ms = msgsearch_open_text(&x->head, &x->body)) == NULL)
		return -1;
	r = content_pieces(x, &u->content, u->rnd, index_piece, &f, bytes);
	if (r == 0)
		r = msgsearch_finish(f.ms);
	if (r == 1)
		r = msgsearch_cut(f.ms);
	msgsearch_free(f.ms);
	return r;
}

static int
index_one(struct searcher *x, const struct store_unindexed *u,
    uint64_t *bytes)
{
	size_t	i;
	int	cut;

	if ((cut = index_text(x, u, bytes)) == -1)
		return -1;
	for (i = 0; i < u->n; i++)
		if (index_add_text(x->index, u->account[i], u->no, &x->head,
		    &x->body, cut) == -1)
			return -1;
	return index_add_keys(x->index, u->no, &x->keys);
}

static int64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int
index_some(struct searcher *x, int64_t *last)
{
	struct store_unindexed	u;
	uint64_t		bytes = 0;
	int64_t			end;
	int			n, r;

	end = now_ms() + STEP_MS;
	u.account = x->holders;
	u.max = STEP_HOLDERS;
	for (n = 0; n < STEP_CONTENTS && bytes < STEP_BYTES &&
	    now_ms() < end; n++) {
		r = store_unindexed(x->store, *last, &u);
		if (r == ST_NO_SUCH_MESSAGE)
			return 0;
		if (r != ST_OK || index_one(x, &u, &bytes) == -1)
			return -1;
		*last = u.no;
	}
	return 1;
}

/* Once in a while: is most of the index about what is no more? */
static void
index_stale(struct searcher *x)
{
	int64_t live;

	if (now_ms() / 1000 < x->checked)
		return;
	x->checked = now_ms() / 1000 + 3600;
	if (store_holdings(x->store, &live) == ST_OK &&
	    index_count(x->index) > 2 * live + STALE &&
	    index_reset(x->index) == 0)
		log_info("index: made anew");
	store_read_end(x->store);
}

/* Most stores are never searched, and an index costs more than a delivery. */
static int
index_wanted(const struct searcher *x)
{
	return x->when == INDEX_ALWAYS || (x->when == INDEX_NEEDED &&
	    (atomic_load(&index_asked) || index_done(x->index) > 0));
}

int
searcher_index(struct searcher *x)
{
	int64_t	last;
	int	r;

	if (x->index == NULL || x->reader || atomic_load(&x->quit) ||
	    body_room() != ST_OK)
		return -1;
	if (!index_wanted(x))
		return 0;
	index_stale(x);
	last = index_done(x->index);
	if (store_unindexed(x->store, last, NULL) == ST_NO_SUCH_MESSAGE) {
		store_read_end(x->store);
		return 0;
	}
	if (index_begin(x->index) == -1) {
		store_read_end(x->store);
		return -1;
	}
	r = index_some(x, &last);
	store_read_end(x->store);
	if (r == -1)
		index_rollback(x->index);
	else if (index_commit(x->index, last) == -1)
		r = -1;
	return r;
}

/* life */

struct searcher *
searcher_open(const struct store_conf *conf, int cache_kb,
    enum search_index when, int reader, void (*pause)(void))
{
	struct searcher	*x;
	char		 why[512] = "";

	if ((x = calloc(1, sizeof(*x))) == NULL ||
	    (x->piece = malloc(PIECE)) == NULL || (x->holders =
	    reallocarray(NULL, STEP_HOLDERS, sizeof(*x->holders))) == NULL) {
		if (x != NULL)
			free(x->piece);
		free(x);
		log_warnx("no memory");
		return NULL;
	}
	ibuf_init(&x->head, INDEX_HEAD);
	ibuf_init(&x->body, INDEX_BODY);
	ibuf_init(&x->texts, 64 * 1024 * 1024);
	msgkeys_init(&x->keys);
	if ((x->store = store_open(conf, STORE_READER, why,
	    sizeof(why))) == NULL) {
		log_warnx("%s", why);
		searcher_close(x);
		return NULL;
	}
	x->index = index_open(store_epoch(x->store), cache_kb, reader);
	x->when = when;
	x->reader = reader;
	x->pause = pause;
	return x;
}

void
searcher_close(struct searcher *x)
{
	if (x == NULL)
		return;
	if (x->store != NULL) {
		store_read_end(x->store);
		store_close(x->store);
	}
	index_close(x->index);
	msgkeys_fini(&x->keys);
	ibuf_fini(&x->head);
	ibuf_fini(&x->body);
	ibuf_fini(&x->texts);
	uidset_fini(&x->sure);
	free(x->piece);
	free(x->holders);
	free(x);
}
