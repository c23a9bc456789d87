#include <sys/types.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sigindex.h"

#define ROOM_FIRST	64	/* columns */

/*
 * While it grows, columns are kept one by one: a message's bits are all
 * over the slices.
 */
struct sigbuild {
	uint8_t		*column;
	unsigned	 room;		/* columns there is memory for */
	unsigned	 ncolumns;
	struct sigentry	*e;
	uint32_t	 n;
	uint64_t	 bytes;
};

struct sigbuild *
sigbuild_open(void)
{
	return calloc(1, sizeof(struct sigbuild));
}

void
sigbuild_reset(struct sigbuild *b)
{
	free(b->column);
	free(b->e);
	memset(b, 0, sizeof(*b));
}

void
sigbuild_free(struct sigbuild *b)
{
	if (b == NULL)
		return;
	sigbuild_reset(b);
	free(b);
}

unsigned
sigbuild_columns(const struct sigbuild *b)
{
	return b->ncolumns;
}

uint32_t
sigbuild_count(const struct sigbuild *b)
{
	return b->n;
}

static int
build_room(struct sigbuild *b, unsigned k)
{
	unsigned	 room = b->room > 0 ? b->room : ROOM_FIRST;
	uint8_t		*p;
	struct sigentry	*e;

	if (b->n == SIGINDEX_COLUMNS || b->ncolumns + k > SIGINDEX_COLUMNS) {
		errno = ERANGE;
		return -1;
	}
	while (room < b->ncolumns + k || room <= b->n)
		room *= 2;
	if (room == b->room)
		return 0;
	if ((p = recallocarray(b->column, b->room, room,
	    SIGINDEX_COLUMN)) == NULL)
		return -1;
	b->column = p;
	if ((e = recallocarray(b->e, b->room, room, sizeof(*e))) == NULL)
		return -1;
	b->e = e;
	b->room = room;
	return 0;
}

int
sigbuild_add(struct sigbuild *b, uint32_t uid, uint64_t size,
    const struct siggrams *g)
{
	unsigned	 k = siggrams_columns(g);
	struct sigentry	*e;

	if (build_room(b, k) == -1)
		return -1;
	e = &b->e[b->n++];
	e->uid = uid;
	e->base = (uint16_t)b->ncolumns;
	e->k = (uint8_t)k;
	siggrams_set(g, b->column + (size_t)b->ncolumns * SIGINDEX_COLUMN);
	b->ncolumns += k;
	b->bytes += size;
	return 0;
}

void
sigbuild_drop(struct sigbuild *b, const struct uidset *set)
{
	uint32_t i, n;

	for (i = n = 0; i < b->n; i++)
		if (!uidset_contains(set, b->e[i].uid))
			b->e[n++] = b->e[i];
	/* how large each was is not known */
	if (b->n > 0)
		b->bytes = b->bytes / b->n * n;
	b->n = n;
}

static unsigned
build_used(const struct sigbuild *b)
{
	uint32_t i;
	unsigned n = 0;

	for (i = 0; i < b->n; i++)
		n += b->e[i].k;
	return n;
}

static int
entry_cmp(const void *x, const void *y)
{
	const struct sigentry *a = x, *b = y;

	return a->uid < b->uid ? -1 : a->uid > b->uid;
}

static int
head_make(struct sighead *h, uint32_t n, unsigned columns)
{
	memset(h, 0, sizeof(*h));
	h->columns = (columns + 63) / 64 * 64;
	h->nvalues = sighead_nvalues(h->columns);
	h->e = calloc((size_t)n + 1, sizeof(*h->e));
	return h->e == NULL ? -1 : 0;
}

/* Columns go where their messages' uids are in order. */
int
sigbuild_head(struct sigbuild *b, struct sighead *h)
{
	uint32_t i;
	unsigned base = 0;

	if (b->n > 1)
		qsort(b->e, b->n, sizeof(*b->e), entry_cmp);
	for (i = 1; i < b->n; i++)
		if (b->e[i].uid == b->e[i - 1].uid) {
			errno = EINVAL;
			return -1;
		}
	if (head_make(h, b->n, build_used(b)) == -1)
		return -1;
	h->bytes = b->bytes;
	for (; h->n < b->n; h->n++) {
		h->e[h->n] = b->e[h->n];
		h->e[h->n].base = (uint16_t)base;
		base += h->e[h->n].k;
	}
	return 0;
}

/* The part of a column that is in a value, as a column of the value. */
static void
column_turn(const uint8_t *part, size_t len, uint8_t *out, size_t stride,
    unsigned col)
{
	size_t	 i;
	unsigned bit, w;

	out += col / 8;
	for (i = 0; i < len; i++)
		for (w = part[i], bit = 0; w != 0; w >>= 1, bit++)
			if (w & 1)
				out[(i * 8 + bit) * stride] |=
				    (uint8_t)(1 << (col & 7));
}

void
sigbuild_value(const struct sigbuild *b, const struct sighead *h,
    unsigned v, uint8_t *out)
{
	size_t	 len = SIGINDEX_COLUMN / h->nvalues;
	uint32_t i;
	unsigned c;

	memset(out, 0, sighead_value(h));
	for (i = 0; i < h->n; i++)
		for (c = 0; c < h->e[i].k; c++)
			column_turn(b->column + (size_t)(b->e[i].base + c) *
			    SIGINDEX_COLUMN + v * len, len, out,
			    h->columns / 8, h->e[i].base + c);
}

/* merging */

/* The one whose next uid is the lowest. */
static int
merge_next(const struct sigmerge *m, const uint32_t at[SIGINDEX_MERGE])
{
	unsigned i;
	int	 best = -1;

	for (i = 0; i < m->n; i++)
		if (at[i] < m->src[i]->n && (best == -1 ||
		    m->src[i]->e[at[i]].uid < m->src[best]->e[at[best]].uid))
			best = (int)i;
	return best;
}

static void
merge_take(struct sigmerge *m, int s, const struct sigentry *e,
    unsigned *base)
{
	struct sighead	*h = &m->head;
	unsigned	 c;

	for (c = 0; c < e->k; c++) {
		m->from[*base + c].src = (uint8_t)s;
		m->from[*base + c].col = (uint16_t)(e->base + c);
	}
	h->e[h->n] = *e;
	h->e[h->n++].base = (uint16_t)*base;
	h->bytes += m->src[s]->bytes / m->src[s]->n;
	*base += e->k;
}

/* Of a message that is in two, one is enough. */
static int
merge_entries(struct sigmerge *m, const struct uidset *keep)
{
	const struct sigentry	*e;
	uint32_t		 at[SIGINDEX_MERGE] = { 0 }, last = 0;
	unsigned		 base = 0;
	int			 s;

	while ((s = merge_next(m, at)) != -1) {
		e = &m->src[s]->e[at[s]++];
		if (e->uid == last || !uidset_contains(keep, e->uid))
			continue;
		if (base + e->k > SIGINDEX_COLUMNS ||
		    m->head.n == SIGINDEX_COLUMNS) {
			errno = ERANGE;
			return -1;
		}
		last = e->uid;
		merge_take(m, s, e, &base);
	}
	m->head.columns = (base + 63) / 64 * 64;
	return 0;
}

int
sigmerge_open(struct sigmerge *m, const struct sighead *const *src,
    unsigned n, const struct uidset *keep)
{
	unsigned i;

	memset(m, 0, sizeof(*m));
	if (head_make(&m->head, SIGINDEX_COLUMNS, 0) == -1)
		return -1;
	if ((m->from = calloc(SIGINDEX_COLUMNS, sizeof(*m->from))) == NULL)
		goto fail;
	for (; m->n < n; m->n++)
		m->src[m->n] = src[m->n];
	if (merge_entries(m, keep) == -1)
		goto fail;
	m->head.nvalues = sighead_nvalues(m->head.columns);
	/* no value of the new one is spread over two of an old one */
	for (i = 0; i < n; i++)
		if (src[i]->nvalues > m->head.nvalues)
			m->head.nvalues = src[i]->nvalues;
	return 0;
 fail:
	sigmerge_fini(m);
	return -1;
}

void
sigmerge_fini(struct sigmerge *m)
{
	free(m->from);
	sighead_fini(&m->head);
	memset(m, 0, sizeof(*m));
}

unsigned
sigmerge_from(const struct sigmerge *m, unsigned i, unsigned v)
{
	return v * m->src[i]->nvalues / m->head.nvalues;
}

/* A slice of the new one from the same slices of the old ones. */
static void
merge_slice(const struct sigmerge *m, const uint8_t *const *rows,
    uint8_t *out)
{
	const struct sighead	*h = &m->head;
	const struct sigentry	*last;
	unsigned		 c, n, col;

	if (h->n == 0)
		return;
	last = &h->e[h->n - 1];
	for (c = 0, n = last->base + last->k; c < n; c++) {
		col = m->from[c].col;
		if (rows[m->from[c].src][col / 8] & 1 << (col & 7))
			out[c / 8] |= (uint8_t)(1 << (c & 7));
	}
}

void
sigmerge_value(const struct sigmerge *m, unsigned v,
    const uint8_t *const *values, uint8_t *out)
{
	const struct sighead	*h = &m->head;
	const uint8_t		*rows[SIGINDEX_MERGE];
	unsigned		 per = SIGINDEX_GROUPS / h->nvalues *
				    SIGINDEX_GROUP, s, i, first;

	memset(out, 0, sighead_value(h));
	for (s = 0; s < per; s++) {
		for (i = 0; i < m->n; i++) {
			/* of the source's value, where this one begins */
			first = v * per - sigmerge_from(m, i, v) *
			    (SIGINDEX_GROUPS / m->src[i]->nvalues) *
			    SIGINDEX_GROUP;
			rows[i] = values[i] + (size_t)(first + s) *
			    (m->src[i]->columns / 8);
		}
		merge_slice(m, rows, out + (size_t)s * (h->columns / 8));
	}
}
