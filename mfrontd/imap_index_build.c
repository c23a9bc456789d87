/*
 * Making an index: of what a search or a FETCH reads anyway, a segment at a
 * time in bounded memory, and of several small segments a large one.
 *
 * What cannot be written is not: the command goes on without.
 */
#include <sys/types.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "imap_index.h"
#include "log.h"

#define BUILDERS	8	/* of a process; 2 MB each, at most */
#define TEXT_MAX	(1024 * 1024)	/* of a message at a time */
#define TEXT_PIECE	4096
#define OFF_FULL	600	/* seconds, if there is no more room */
#define OFF_FAILED	60
/* those that are on their way must fit as well */
#define BUILD_FULL	(SIGINDEX_COLUMNS - AHEAD * SIGINDEX_WIDE)

/* A segment that is being written. */
struct sindex_flush {
	struct sigseg	 seg;
	struct sighead	 head;
	unsigned	 next;		/* value to be written */
	enum st_code	 failed;
	struct dictop	 d[INDEX_JOBS];
};

/* Several that are being made one. */
struct sindex_merge {
	unsigned	 n;
	struct sigseg	 old[SIGINDEX_MERGE];
	struct sighead	 head[SIGINDEX_MERGE];
	struct ibuf	 value[SIGINDEX_MERGE];
	int		 at[SIGINDEX_MERGE];	/* which value that is */
	unsigned	 i;		/* of them, the one that is read */
	unsigned	 v;		/* value of the new one */
	struct sigmerge	 m;
	struct sigseg	 seg;		/* the new one */
	struct dictop	 d;
};

static unsigned	nbuilders;
static uint8_t	value_buf[SIGINDEX_VALUE];

static void	merge_next(struct sindex *);

/* texts */

struct stext *
stext_new(void)
{
	struct stext *t;

	if ((t = calloc(1, sizeof(*t))) == NULL)
		fatal(NULL);
	ibuf_init(&t->head, TEXT_MAX);
	ibuf_init(&t->body, TEXT_MAX);
	if ((t->ms = msgsearch_open_text(&t->head, &t->body)) == NULL ||
	    (t->grams = siggrams_open()) == NULL)
		fatal(NULL);
	return t;
}

void
stext_free(struct stext *t)
{
	if (t == NULL)
		return;
	msgsearch_free(t->ms);
	ibuf_fini(&t->head);
	ibuf_fini(&t->body);
	siggrams_free(t->grams);
	free(t);
}

static void
stext_drain(struct stext *t)
{
	if (msgsearch_cut(t->ms))
		siggrams_spoil(t->grams);
	if (siggrams_feed(t->grams, 0, ibuf_data(&t->head),
	    ibuf_size(&t->head)) == -1 ||
	    siggrams_feed(t->grams, 1, ibuf_data(&t->body),
	    ibuf_size(&t->body)) == -1)
		fatal(NULL);
	ibuf_drain(&t->head, ibuf_size(&t->head));
	ibuf_drain(&t->body, ibuf_size(&t->body));
}

void
stext_feed(struct stext *t, const void *data, size_t len)
{
	const uint8_t	*p = data;
	size_t		 n;

	for (; len > 0; p += n, len -= n) {
		n = len < TEXT_PIECE ? len : TEXT_PIECE;
		if (msgsearch_feed(t->ms, p, n) == -1)
			fatal("text");
		stext_drain(t);
	}
}

void
stext_end(struct stext *t, struct sigbuild *build, uint32_t uid,
    uint64_t size)
{
	if (msgsearch_finish(t->ms) == -1)
		fatal("text");
	stext_drain(t);
	if (siggrams_finish(t->grams) == -1 ||
	    sigbuild_add(build, uid, size, t->grams) == -1)
		fatal("index");
}

/* of a search */

struct stext *
stext_open(struct iop *op, uint32_t uid)
{
	struct sindex *x = ((struct search *)op->data)->index;

	if (x == NULL || x->build == NULL ||
	    uidset_contains(&x->indexed, uid))
		return NULL;
	return stext_new();
}

void
stext_add(struct iop *op, struct stext *t, uint32_t uid, uint64_t size)
{
	struct sindex *x = ((struct search *)op->data)->index;

	if (x->build != NULL)
		stext_end(t, x->build, uid, size);
}

/* beginning and end */

void
sbuild_open(struct sindex *x)
{
	if (x->off || nbuilders == BUILDERS ||
	    uidset_count(&x->about) - uidset_count(&x->indexed) < INDEX_MIN)
		return;
	if ((x->build = sigbuild_open()) == NULL)
		fatal(NULL);
	nbuilders++;
}

static void
flush_free(struct sindex *x)
{
	struct sindex_flush	*f = x->flush;
	size_t			 i;

	if (f == NULL)
		return;
	for (i = 0; i < INDEX_JOBS; i++)
		dictop_fini(&f->d[i]);
	sighead_fini(&f->head);
	free(f);
	x->flush = NULL;
}

static void
merge_free(struct sindex *x)
{
	struct sindex_merge	*g = x->merge;
	unsigned		 i;

	if (g == NULL)
		return;
	dictop_fini(&g->d);
	sigmerge_fini(&g->m);
	for (i = 0; i < g->n; i++) {
		sighead_fini(&g->head[i]);
		ibuf_fini(&g->value[i]);
	}
	free(g);
	x->merge = NULL;
}

static void
build_end(struct sindex *x)
{
	if (x->build == NULL)
		return;
	sigbuild_free(x->build);
	x->build = NULL;
	nbuilders -= x->op != NULL;
}

void
sbuild_close(struct sindex *x)
{
	flush_free(x);
	merge_free(x);
	build_end(x);
}

/* Nothing is written any more by this one, nor by others for a while. */
static void
build_failed(struct sindex *x, enum st_code code)
{
	struct iacct	*a = x->mount->account;
	char		 name[64];
	int		 full = code == ST_OVER_QUOTA ||
			    code == ST_STORAGE_FULL;

	x->off = 1;
	imap_counts.index_failed++;
	if (a == NULL || a->index_off > tmo_now())
		return;
	a->index_off = tmo_now() + (full ? OFF_FULL : OFF_FAILED);
	proc_session(name, sizeof(name), x->s->ls.id);
	log_warnx("session=%s event=index failed: %s", name,
	    st_error(code)->text);
	if (full)
		sweep_account(x->s, x->mount);
}

static uint64_t
segment_id(void)
{
	return (uint64_t)arc4random() << 32 | arc4random();
}

static void
segment_ask(struct dictop *d, struct sindex *x, enum dict_op what,
    const struct sigseg *g, int v, const struct ibuf *value,
    void (*done)(struct dictop *, enum st_code))
{
	char key[INDEX_KEY];

	sindex_key_of(x, g->id, v, key);
	dictop_ask(d, x, what, key, "", value, done);
}

/* The last thing of a segment is its head, which says what it is. */
static void
segment_head(struct dictop *d, struct sindex *x, struct sigseg *g,
    const struct sighead *h, void (*done)(struct dictop *, enum st_code))
{
	struct ibuf b;

	ibuf_init(&b, SIGINDEX_TEXT);
	if (sighead_put(h, &b) == -1)
		fatal("index head");
	sigindex_sum(ibuf_data(&b), ibuf_size(&b), g->sum);
	g->lo = h->e[0].uid;
	g->hi = h->e[h->n - 1].uid;
	g->n = h->n;
	g->columns = (uint16_t)h->columns;
	segment_ask(d, x, DICT_PUT, g, -1, &b, done);
	ibuf_fini(&b);
}

/* the manifest: only over the one that was read */

static void
manifest_put(struct sindex *x, void (*done)(struct dictop *, enum st_code))
{
	struct ibuf b;

	ibuf_init(&b, SIGINDEX_TEXT);
	if (sigmanifest_put(&x->m, x->mailbox, &b) == -1)
		fatal("index manifest");
	dictop_ask(&x->d, x, DICT_PUT, x->key,
	    *x->etag != '\0' ? x->etag : "*", &b, done);
	ibuf_fini(&b);
}

/* Returns 0 if it was not written: what it names is not there then. */
static int
manifest_was_put(struct sindex *x, enum st_code code)
{
	strlcpy(x->etag, x->d.etag, sizeof(x->etag));
	if (code == ST_OK) {
		x->off |= *x->etag == '\0';
		x->dirty = 0;
		return 1;
	}
	if (code == ST_CHANGED) {
		imap_counts.index_lost++;
		x->off = 1;
	} else
		build_failed(x, code);
	return 0;
}

/* a segment of what was read */

static void
flush_end(struct sindex *x)
{
	if (x->off)
		build_end(x);
	else
		sigbuild_reset(x->build);
	flush_free(x);
	x->pump(x);
}

static void
flush_lost(struct sindex *x)
{
	sigmanifest_drop(&x->m, x->flush->seg.id);
	sindex_gone(x, x->flush->seg.id);
	flush_end(x);
}

static void
flush_committed(struct dictop *d, enum st_code code)
{
	if (!manifest_was_put(d->x, code)) {
		flush_lost(d->x);
		return;
	}
	imap_counts.index_written++;
	flush_end(d->x);
}

static void
flush_headed(struct dictop *d, enum st_code code)
{
	struct sindex *x = d->x;

	if (code == ST_OK && sigmanifest_add(&x->m, &x->flush->seg) == -1)
		code = ST_OVER_QUOTA;
	if (code != ST_OK) {
		build_failed(d->x, code);
		flush_lost(d->x);
		return;
	}
	manifest_put(d->x, flush_committed);
}

static int
flush_busy(const struct sindex_flush *f)
{
	size_t i;

	for (i = 0; i < INDEX_JOBS; i++)
		if (st_active(&f->d[i].rq))
			return 1;
	return 0;
}

static void	flush_value(struct dictop *, enum st_code);

static void
flush_next(struct sindex *x)
{
	struct sindex_flush	*f = x->flush;
	struct ibuf		 b;
	size_t			 i;

	if (f->head.columns == 0)
		f->next = f->head.nvalues;
	for (i = 0; i < INDEX_JOBS && f->next < f->head.nvalues; i++) {
		if (st_active(&f->d[i].rq))
			continue;
		sigbuild_value(x->build, &f->head, f->next, value_buf);
		sighead_seal(&f->head, f->next, value_buf);
		ibuf_from_buffer(&b, value_buf, sighead_value(&f->head));
		segment_ask(&f->d[i], x, DICT_PUT, &f->seg, (int)f->next++,
		    &b, flush_value);
	}
	if (flush_busy(f))
		return;
	segment_head(&f->d[0], x, &f->seg, &f->head, flush_headed);
}

static void
flush_value(struct dictop *d, enum st_code code)
{
	struct sindex_flush *f = d->x->flush;

	if (code != ST_OK) {
		f->failed = code;
		f->next = f->head.nvalues;
	}
	if (f->failed == ST_OK)
		flush_next(d->x);
	else if (!flush_busy(f)) {
		build_failed(d->x, f->failed);
		flush_lost(d->x);
	}
}

static void
flush_start(struct sindex *x)
{
	if ((x->flush = calloc(1, sizeof(*x->flush))) == NULL ||
	    sigbuild_head(x->build, &x->flush->head) == -1)
		fatal("index");
	x->flush->seg.id = segment_id();
	flush_next(x);
}

/* merging */

static void
merge_end(struct sindex *x)
{
	merge_free(x);
	x->pump(x);
}

static void
merge_dropped(struct dictop *d, enum st_code code)
{
	(void)manifest_was_put(d->x, code);
	merge_end(d->x);
}

/* One of them is none: it goes.  Or it cannot be had now, or not written. */
static void
merge_bad(struct sindex *x, enum st_code code, const struct sigseg *g)
{
	sindex_gone(x, x->merge->seg.id);
	if (code != ST_OK && code != ST_NO_SUCH_ENTRY) {
		build_failed(x, code);
		merge_end(x);
		return;
	}
	imap_counts.index_bad++;
	sindex_gone(x, g->id);
	sigmanifest_drop(&x->m, g->id);
	x->dirty = 1;
	manifest_put(x, merge_dropped);
}

static void
merge_committed(struct dictop *d, enum st_code code)
{
	struct sindex		*x = d->x;
	struct sindex_merge	*g = x->merge;
	unsigned		 i;

	if (!manifest_was_put(d->x, code)) {
		sindex_gone(x, g->seg.id);
	} else {
		imap_counts.index_merged++;
		for (i = 0; i < g->n; i++)
			sindex_gone(x, g->old[i].id);
	}
	merge_end(d->x);
}

static void
merge_headed(struct dictop *d, enum st_code code)
{
	struct sindex		*x = d->x;
	struct sindex_merge	*g = x->merge;
	unsigned		 i;

	if (code != ST_OK) {
		merge_bad(d->x, code, &g->seg);
		return;
	}
	for (i = 0; i < g->n; i++)
		sigmanifest_drop(&x->m, g->old[i].id);
	/* there is room: some have gone */
	if (g->m.head.n > 0)
		(void)sigmanifest_add(&x->m, &g->seg);
	manifest_put(d->x, merge_committed);
}

static void
merge_written(struct dictop *d, enum st_code code)
{
	struct sindex_merge *g = d->x->merge;

	if (code != ST_OK) {
		merge_bad(d->x, code, &g->seg);
		return;
	}
	g->v++;
	g->i = 0;
	merge_next(d->x);
}

static void
merge_read(struct dictop *d, enum st_code code)
{
	struct sindex_merge	*g = d->x->merge;
	unsigned		 v = sigmerge_from(&g->m, g->i, g->v);

	if (code != ST_OK || !sighead_verify(&g->head[g->i], v,
	    ibuf_data(&d->value), ibuf_size(&d->value))) {
		merge_bad(d->x, code, &g->old[g->i]);
		return;
	}
	ibuf_truncate(&g->value[g->i], 0);
	if (ibuf_add_ibuf(&g->value[g->i], &d->value) == -1)
		fatal(NULL);
	g->at[g->i] = (int)v;
	merge_next(d->x);
}

static void
merge_write(struct sindex *x)
{
	struct sindex_merge	*g = x->merge;
	const uint8_t		*values[SIGINDEX_MERGE];
	struct ibuf		 b;
	unsigned		 i;

	for (i = 0; i < g->n; i++)
		values[i] = ibuf_data(&g->value[i]);
	sigmerge_value(&g->m, g->v, values, value_buf);
	sighead_seal(&g->m.head, g->v, value_buf);
	ibuf_from_buffer(&b, value_buf, sighead_value(&g->m.head));
	segment_ask(&g->d, x, DICT_PUT, &g->seg, (int)g->v, &b,
	    merge_written);
}

/* Value after value: those of the old ones that it is made of, then it. */
static void
merge_next(struct sindex *x)
{
	struct sindex_merge	*g = x->merge;
	const struct sighead	*h = &g->m.head;
	unsigned		 v;

	if (h->n == 0) {
		merge_headed(&g->d, ST_OK);
		return;
	}
	if (h->columns == 0 || g->v == h->nvalues) {
		segment_head(&g->d, x, &g->seg, h, merge_headed);
		return;
	}
	for (; g->i < g->n; g->i++) {
		v = sigmerge_from(&g->m, g->i, g->v);
		if (g->head[g->i].columns == 0 || g->at[g->i] == (int)v)
			continue;
		segment_ask(&g->d, x, DICT_GET, &g->old[g->i], (int)v, NULL,
		    merge_read);
		return;
	}
	merge_write(x);
}

static void
merge_open(struct sindex *x)
{
	struct sindex_merge	*g = x->merge;
	const struct sighead	*heads[SIGINDEX_MERGE];
	unsigned		 i;

	for (i = 0; i < g->n; i++)
		heads[i] = &g->head[i];
	if (sigmerge_open(&g->m, heads, g->n, sindex_uids(x)) == -1) {
		/* more than a head can name: they stay as they are */
		x->off = 1;
		merge_end(x);
		return;
	}
	g->i = 0;
	merge_next(x);
}

static void
merge_head(struct dictop *d, enum st_code code)
{
	struct sindex_merge *g = d->x->merge;

	if (code != ST_OK || sindex_head(&g->old[g->i], &d->value,
	    &g->head[g->i]) == -1) {
		merge_bad(d->x, code, &g->old[g->i]);
		return;
	}
	if (++g->i == g->n)
		merge_open(d->x);
	else
		segment_ask(&g->d, d->x, DICT_GET, &g->old[g->i], -1, NULL,
		    merge_head);
}

static int
merge_start(struct sindex *x)
{
	struct sindex_merge	*g;
	unsigned		 which[SIGINDEX_MERGE], n, i;

	if ((n = sigmanifest_merge(&x->m, which)) == 0)
		return 0;
	if ((g = x->merge = calloc(1, sizeof(*g))) == NULL)
		fatal(NULL);
	for (i = 0; i < n; i++) {
		g->old[i] = x->m.seg[which[i]];
		ibuf_init(&g->value[i], SIGINDEX_VALUE);
		g->at[i] = -1;
	}
	g->n = n;
	g->seg.id = segment_id();
	segment_ask(&g->d, x, DICT_GET, &g->old[0], -1, NULL, merge_head);
	return 1;
}

/* what is next */

/* While the search reads: only what has become too much. */
static int
flush_due(const struct sindex *x)
{
	return sigbuild_columns(x->build) >= BUILD_FULL ||
	    sigbuild_count(x->build) >= SIGINDEX_COLUMNS - AHEAD;
}

static void
manifest_cleaned(struct dictop *d, enum st_code code)
{
	(void)manifest_was_put(d->x, code);
	d->x->pump(d->x);
}

/* All has been read; returns 1 while there is something to do. */
static int
build_last(struct sindex *x)
{
	if (!x->off && merge_start(x))
		return 1;
	if (!x->off && x->dirty) {
		manifest_put(x, manifest_cleaned);
		return 1;
	}
	x->ended = 1;
	/* what the manifest still names stays */
	if (!x->dirty)
		sweep_start(x->s, x->mount, ibuf_data(&x->gone),
		    ibuf_size(&x->gone));
	return 0;
}

int
sbuild_pump(struct sindex *x, int last, int reading)
{
	if (x->ended)
		return 0;
	if (x->flush != NULL || x->merge != NULL || st_active(&x->d.rq))
		return 1;
	if (x->build != NULL && (flush_due(x) || (last &&
	    sigbuild_count(x->build) >= INDEX_MIN))) {
		/* first what is on its way */
		if (!reading)
			flush_start(x);
		return 1;
	}
	return last ? build_last(x) : 0;
}

int
sindex_pump(struct iop *op, int last)
{
	struct search *s = op->data;

	return s->index != NULL &&
	    sbuild_pump(s->index, last, s->nstarted > 0);
}
