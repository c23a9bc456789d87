/*
 * Asking the index: the manifest, then each segment that has messages in
 * question.  Of a segment the head, then value after value, until what is
 * left of its messages is cheaper to read than another value.
 *
 * A message is left out only because of a value that is what the head says
 * it is, by a head that is what the manifest says.  Whatever else is there,
 * or is not, means that these messages are not indexed.
 */
#include <sys/types.h>
#include <sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "imap_index.h"
#include "log.h"

#define HASH_LEN	16	/* bytes of a mailbox's hash */
#define VALUE_MAX	65000
#define ENOUGH		2	/* messages to read weigh so many times less */

static void	index_run(struct sindex *);
static void	job_next(struct sindex_job *);

/* dict */

static void
dictop_answer(struct streq *rq, enum msg_type type, const void *arg)
{
	struct dictop			*d = rq->arg;
	const struct m_st_dict_ok	*m = arg;
	const struct m_st_end		*end = arg;

	if (d->x->op != NULL)
		lsession_timeout(&d->x->s->ls, LT_COMMAND);
	if (type == M_st_dict_ok) {
		strlcpy(d->etag, m->etag, sizeof(d->etag));
		ibuf_truncate(&d->value, 0);
		if (ibuf_add(&d->value, m->value.p, m->value.len) == -1)
			fatal(NULL);
	} else if (type == M_st_end)
		d->done(d, end->code);
}

void
dictop_ask(struct dictop *d, struct sindex *x, enum dict_op what,
    const char *key, const char *match, const struct ibuf *value,
    void (*done)(struct dictop *, enum st_code))
{
	struct m_st_dict m;

	d->x = x;
	d->done = done;
	d->etag[0] = '\0';
	if (d->value.max == 0)
		ibuf_init(&d->value, VALUE_MAX);
	memset(&m, 0, sizeof(m));
	m.mount = x->mount->number;
	m.op = (uint8_t)what;
	m.key = key;
	m.match = match;
	if (value != NULL)
		m.value = msg_blob_of(ibuf_data(value), ibuf_size(value));
	d->rq.answer = dictop_answer;
	d->rq.arg = d;
	/* what goes on behind an idle session is no life of it */
	if (x->op != NULL)
		lsession_timeout(&x->s->ls, LT_COMMAND);
	st_send(&x->s->ls, &d->rq, M_st_dict, &m);
}

void
dictop_fini(struct dictop *d)
{
	st_cancel(&d->rq);
	ibuf_fini(&d->value);
}

/* keys */

void
sindex_key(const char *mailbox, char key[INDEX_NAME])
{
	uint8_t		digest[SHA256_DIGEST_LENGTH];
	SHA2_CTX	ctx;
	size_t		i, n;

	SHA256Init(&ctx);
	SHA256Update(&ctx, (const uint8_t *)mailbox, strlen(mailbox));
	SHA256Final(digest, &ctx);
	n = strlcpy(key, INDEX_PREFIX, INDEX_NAME);
	for (i = 0; i < HASH_LEN; i++)
		snprintf(key + n + i * 2, INDEX_NAME - n - i * 2, "%02x",
		    digest[i]);
}

/* A segment's head, or with a number from 0 on one of its values. */
void
sindex_key_of(const struct sindex *x, uint64_t id, int v,
    char key[INDEX_KEY])
{
	int n;

	n = snprintf(key, INDEX_KEY, "%s.%016llx", x->key,
	    (unsigned long long)id);
	if (v >= 0)
		snprintf(key + n, (size_t)(INDEX_KEY - n), ".%d", v);
}

void
sindex_gone(struct sindex *x, uint64_t id)
{
	char key[INDEX_KEY];

	sindex_key_of(x, id, -1, key);
	/* what is left behind costs room, no more */
	(void)ibuf_add(&x->gone, key, strlen(key) + 1);
}

/* segments */

const struct uidset *
sindex_uids(const struct sindex *x)
{
	return x->op != NULL ? &x->s->view->m->map.uids : &x->snap->uids;
}

static void
job_free(struct sindex_job *j)
{
	size_t i;

	sighead_fini(&j->head);
	free(j->open);
	j->open = NULL;
	for (i = 0; i < MSGSEARCH_KEYS; i++) {
		free(j->alive[i]);
		j->alive[i] = NULL;
	}
	j->busy = 0;
	j->norder = j->at = 0;
}

/* It is no segment: nobody is to ask it again. */
static void
index_drop(struct sindex *x, uint64_t id)
{
	unsigned i;

	/* dropped at the end: others are being asked */
	for (i = 0; i < x->m.n; i++)
		if (x->m.seg[i].id == id)
			x->m.seg[i].n = 0;
}

static void
job_bad(struct sindex_job *j, enum st_code code)
{
	struct sindex *x = j->d.x;

	if (code == ST_NO_SUCH_ENTRY && !x->again)
		x->vanished = 1;
	else if (code == ST_OK || code == ST_NO_SUCH_ENTRY) {
		imap_counts.index_bad++;
		index_drop(x, j->seg.id);
	} else {
		/* it may be good: do not make it twice */
		x->off = 1;
	}
	job_free(j);
	index_run(x);
}

static void
job_done(struct sindex_job *j)
{
	struct sindex	*x = j->d.x;
	uint32_t	 i, uid;
	size_t		 k;

	for (i = 0; i < j->head.n; i++) {
		uid = j->head.e[i].uid;
		if (!j->open[i])
			continue;
		if (uidset_add(&x->indexed, uid, uid) == -1)
			fatal(NULL);
		for (k = 0; k < x->nkeys; k++)
			if (j->alive[k] != NULL && !j->alive[k][i] &&
			    uidset_add(&x->out[k], uid, uid) == -1)
				fatal(NULL);
	}
	job_free(j);
	index_run(x);
}

/* Are those that are left cheaper to read than another value? */
static int
job_enough(const struct sindex_job *j, size_t nkeys)
{
	const struct sighead	*h = &j->head;
	uint64_t		 left = 0;
	uint32_t		 i;
	size_t			 k;

	for (i = 0; i < h->n; i++)
		for (k = 0; k < nkeys; k++)
			if (j->open[i] && j->alive[k] != NULL &&
			    j->alive[k][i]) {
				left++;
				break;
			}
	return left == 0 || h->bytes / h->n < sighead_value(h) * ENOUGH /
	    left;
}

static void
job_value(struct dictop *d, enum st_code code)
{
	struct sindex_job	*j = (struct sindex_job *)d;
	struct sindex		*x = d->x;
	unsigned		 v = j->order[j->at];
	size_t			 k;

	if (code != ST_OK || !sighead_verify(&j->head, v,
	    ibuf_data(&d->value), ibuf_size(&d->value))) {
		job_bad(j, code);
		return;
	}
	for (k = 0; k < x->nkeys; k++)
		if (j->alive[k] != NULL)
			sighead_filter(&j->head, v, ibuf_data(&d->value),
			    &x->query[k], j->alive[k]);
	j->at++;
	job_next(j);
}

static void
job_next(struct sindex_job *j)
{
	struct sindex	*x = j->d.x;
	char		 key[INDEX_KEY];

	if (j->at == j->norder || job_enough(j, x->nkeys)) {
		job_done(j);
		return;
	}
	sindex_key_of(x, j->seg.id, j->order[j->at], key);
	dictop_ask(&j->d, x, DICT_GET, key, "", NULL, job_value);
}

/* The values of one more string, those that are not on the list yet. */
static void
job_order(struct sindex_job *j, const struct sigquery *q)
{
	uint16_t	order[SIGINDEX_GROUPS];
	unsigned	n, i, k;

	if (j->head.columns == 0)
		return;
	n = sighead_values(&j->head, q, order);
	for (i = 0; i < n; i++) {
		for (k = 0; k < j->norder; k++)
			if (j->order[k] == order[i])
				break;
		if (k == j->norder)
			j->order[j->norder++] = order[i];
	}
}

/* Which of its messages are asked about; one without any left may go. */
static void
job_open(struct sindex_job *j, struct sindex *x)
{
	const struct uidset	*there = sindex_uids(x);
	uint32_t		 i, n = 0;
	size_t			 k;

	if ((j->open = calloc((size_t)j->head.n + 1, 1)) == NULL)
		fatal(NULL);
	for (i = 0; i < j->head.n; i++) {
		/* a feed is to know all that it can of */
		j->open[i] = x->op == NULL || uidset_contains(&x->about,
		    j->head.e[i].uid);
		n += uidset_contains(there, j->head.e[i].uid) != 0;
	}
	if (n == 0)
		index_drop(x, j->seg.id);
	for (k = 0; k < x->nkeys; k++) {
		if (x->query[k].n == 0)
			continue;
		if ((j->alive[k] = malloc((size_t)j->head.n + 1)) == NULL)
			fatal(NULL);
		memset(j->alive[k], 1, j->head.n);
		job_order(j, &x->query[k]);
	}
}

int
sindex_head(const struct sigseg *g, const struct ibuf *b, struct sighead *h)
{
	uint8_t sum[SIGINDEX_SUM];

	sigindex_sum(ibuf_data(b), ibuf_size(b), sum);
	if (memcmp(sum, g->sum, sizeof(sum)) != 0 ||
	    sighead_get(h, ibuf_data(b), ibuf_size(b)) == -1)
		return -1;
	if (h->columns == g->columns && h->n == g->n && h->n > 0)
		return 0;
	sighead_fini(h);
	return -1;
}

static void
job_head(struct dictop *d, enum st_code code)
{
	struct sindex_job *j = (struct sindex_job *)d;

	if (code != ST_OK || sindex_head(&j->seg, &d->value, &j->head) == -1) {
		job_bad(j, code);
		return;
	}
	job_open(j, d->x);
	job_next(j);
}

/* all of them */

static void
index_reset(struct sindex *x)
{
	size_t i;

	uidset_clear(&x->indexed);
	for (i = 0; i < MSGSEARCH_KEYS; i++)
		uidset_clear(&x->out[i]);
	memset(&x->m, 0, sizeof(x->m));
	x->next = 0;
	x->vanished = 0;
	x->again = 1;
}

/* What is known now, of every string. */
static void
index_known(struct sindex *x)
{
	size_t	 i;
	unsigned n;

	for (n = 0; n < x->m.n;)
		if (x->m.seg[n].n == 0) {
			sindex_gone(x, x->m.seg[n].id);
			sigmanifest_drop(&x->m, x->m.seg[n].id);
			x->dirty = 1;
		} else
			n++;
	for (i = 0; i < x->nkeys; i++) {
		if (uidset_copy(&x->hi[i], &x->s->view->snap->uids) == -1 ||
		    uidset_subtract(&x->hi[i], &x->out[i]) == -1)
			fatal(NULL);
		imap_counts.index_spared += uidset_count(&x->out[i]);
	}
	x->known = 1;
}

static int
segment_concerns(const struct sindex *x, const struct sigseg *g)
{
	return g->lo <= uidset_max(&x->about) &&
	    g->hi >= uidset_min(&x->about);
}

static void
index_run(struct sindex *x)
{
	struct sindex_job	*j;
	char			 key[INDEX_KEY];
	int			 busy = 0;

	for (j = x->job; j < x->job + INDEX_JOBS; j++) {
		while (!j->busy && x->next < x->m.n) {
			j->seg = x->m.seg[x->next++];
			if (!segment_concerns(x, &j->seg))
				continue;
			j->busy = 1;
			sindex_key_of(x, j->seg.id, -1, key);
			dictop_ask(&j->d, x, DICT_GET, key, "", NULL,
			    job_head);
		}
		busy |= j->busy;
	}
	if (busy)
		return;
	if (x->vanished && !x->again) {
		/* another process may have merged it just now */
		index_reset(x);
		sindex_ask(x);
		return;
	}
	index_known(x);
	x->ready(x);
}

/* Of this mailbox as it is, or there is none. */
static void
index_manifest(struct sindex *x, const struct ibuf *b)
{
	char key[INDEX_NAME + 1];

	if (sigmanifest_get(&x->m, x->mailbox, ibuf_data(b),
	    ibuf_size(b)) == 0 && x->m.uidvalidity == x->uidvalidity)
		return;
	imap_counts.index_bad++;
	memset(&x->m, 0, sizeof(x->m));
	snprintf(key, sizeof(key), "%s.", x->key);
	sweep_start(x->s, x->mount, key, strlen(key) + 1);
}

static void
index_got(struct dictop *d, enum st_code code)
{
	struct sindex *x = d->x;

	strlcpy(x->etag, d->etag, sizeof(x->etag));
	if (code == ST_OK)
		index_manifest(x, &d->value);
	/* without its etag it cannot be written again */
	if (code == ST_OK ? *x->etag == '\0' : code != ST_NO_SUCH_ENTRY) {
		imap_counts.index_failed++;
		x->off = 1;
	}
	x->m.uidvalidity = x->uidvalidity;
	index_run(x);
}

void
sindex_ask(struct sindex *x)
{
	imap_counts.index_asked++;
	dictop_ask(&x->d, x, DICT_GET, x->key, "", NULL, index_got);
}

/* what is looked for */

/* Does a message's content decide, as far as we can know before? */
static int
key_of_content(const struct iop *op, const struct imap_key *k)
{
	return k->needs & IMAP_NEED_CONTENT ||
	    (k->needs & IMAP_NEED_SUMMARY && !iop_has(op, CAP_CACHE));
}

/* The text has a field's name, too, as it is written before its value. */
static void
query_make(const struct imap_key *k, struct sigquery *q)
{
	struct ibuf b;

	ibuf_init(&b, MSGSEARCH_BYTES * 12);
	if (msgsearch_fold(&b, k->str.p, k->str.len) == 0)
		sigquery_add(q, ibuf_data(&b), ibuf_size(&b));
	ibuf_truncate(&b, 0);
	if (k->type == KEY_HEADER &&
	    msgsearch_fold(&b, k->field.p, k->field.len) == 0 &&
	    ibuf_add(&b, ": ", 2) == 0)
		sigquery_add(q, ibuf_data(&b), ibuf_size(&b));
	ibuf_fini(&b);
}

/* Returns 0 if there is no such string. */
static int
index_queries(struct iop *op)
{
	struct search	*s = op->data;
	size_t		 i;
	int		 any = 0;

	for (i = 0; i < s->nkeys; i++) {
		if (!key_of_content(op, s->key_of[i]))
			continue;
		query_make(s->key_of[i], &s->index->query[i]);
		any = 1;
	}
	return any;
}

int
sindex_may(const struct iop *op)
{
	return iop_has(op, CAP_INDEX) && op->mount->account != NULL &&
	    op->mount->account->index_off <= tmo_now();
}

struct sindex *
sindex_new(struct imap *s, struct imount *mount, const char *mailbox,
    uint32_t uidvalidity)
{
	struct sindex *x;

	if ((x = calloc(1, sizeof(*x))) == NULL)
		fatal(NULL);
	x->s = s;
	x->mount = mount;
	x->mailbox = mailbox;
	x->uidvalidity = uidvalidity;
	ibuf_init(&x->gone, VALUE_MAX);
	sindex_key(mailbox, x->key);
	return x;
}

static void
search_ready(struct sindex *x)
{
	sbuild_open(x);
	search_evaluate(x->op);
}

static void
search_pumped(struct sindex *x)
{
	search_pump(x->op);
}

int
sindex_next(struct iop *op, const struct uidset *todo)
{
	struct search	*s = op->data;
	struct mirror	*m;
	struct sindex	*x;

	if (s->indexed || s->nkeys == 0 || !sindex_may(op) ||
	    uidset_count(todo) < INDEX_MIN)
		return 0;
	if (!s->fed) {
		s->fed = 1;
		feed_rest(op->s, 1);
		if (feed_wait(op, search_evaluate))
			return 1;
	}
	s->indexed = 1;
	m = op->s->view->m;
	x = s->index = sindex_new(op->s, op->mount, m->id, m->uidvalidity);
	x->op = op;
	x->nkeys = s->nkeys;
	x->ready = search_ready;
	x->pump = search_pumped;
	if (!index_queries(op)) {
		sindex_free(op);
		return 0;
	}
	if (uidset_copy(&x->about, todo) == -1)
		fatal(NULL);
	sindex_ask(x);
	return 1;
}

const struct uidset *
sindex_of(const struct search *s, size_t n)
{
	if (s->index == NULL || !s->index->known || s->index->query[n].n == 0)
		return NULL;
	return &s->index->hi[n];
}

void
sindex_del(struct sindex *x)
{
	size_t i;

	if (x == NULL)
		return;
	sbuild_close(x);
	dictop_fini(&x->d);
	for (i = 0; i < INDEX_JOBS; i++) {
		dictop_fini(&x->job[i].d);
		job_free(&x->job[i]);
	}
	for (i = 0; i < MSGSEARCH_KEYS; i++) {
		uidset_fini(&x->out[i]);
		uidset_fini(&x->hi[i]);
	}
	uidset_fini(&x->about);
	uidset_fini(&x->indexed);
	ibuf_fini(&x->gone);
	snap_unref(x->snap);
	free(x);
}

void
sindex_free(struct iop *op)
{
	struct search *s = op->data;

	sindex_del(s->index);
	s->index = NULL;
}
