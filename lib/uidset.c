#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "uidset.h"

void
uidset_init(struct uidset *s)
{
	memset(s, 0, sizeof(*s));
}

void
uidset_fini(struct uidset *s)
{
	free(s->r);
	free(s->cum);
	uidset_init(s);
}

static void
uidset_stale(struct uidset *s)
{
	free(s->cum);
	s->cum = NULL;
}

void
uidset_clear(struct uidset *s)
{
	uidset_stale(s);
	s->n = 0;
}

static int
uidset_room(struct uidset *s, uint32_t n)
{
	struct urange	*r;
	uint32_t	 cap;

	if (n <= s->cap)
		return 0;
	cap = s->cap < 4 ? n : s->cap * 2;
	if (cap < n)
		cap = n;
	if ((r = reallocarray(s->r, cap, sizeof(*r))) == NULL)
		return -1;
	s->r = r;
	s->cap = cap;
	return 0;
}

int
uidset_copy(struct uidset *to, const struct uidset *from)
{
	if (uidset_room(to, from->n) == -1)
		return -1;
	uidset_stale(to);
	if (from->n != 0)
		memcpy(to->r, from->r, from->n * sizeof(*to->r));
	to->n = from->n;
	return 0;
}

/* Gives the ranges of one set to another; from is empty afterwards. */
void
uidset_move(struct uidset *to, struct uidset *from)
{
	uidset_fini(to);
	*to = *from;
	uidset_init(from);
}

/* The first range whose end is not below uid: where uid is or would be. */
static uint32_t
uidset_find(const struct uidset *s, uint32_t uid)
{
	uint32_t lo = 0, hi = s->n, mid;

	if (hi > 0 && s->r[hi - 1].hi < uid)
		return hi;
	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (s->r[mid].hi < uid)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

int
uidset_add(struct uidset *s, uint32_t lo, uint32_t hi)
{
	uint32_t i, j;

	if (lo == 0 || hi < lo) {
		errno = EINVAL;
		return -1;
	}
	/* i: first range that touches lo:hi, j: first behind that does not */
	i = uidset_find(s, lo > 1 ? lo - 1 : lo);
	for (j = i; j < s->n; j++)
		if (hi != UINT32_MAX && s->r[j].lo > hi + 1)
			break;
	if (i == j) {
		if (uidset_room(s, s->n + 1) == -1)
			return -1;
		memmove(s->r + i + 1, s->r + i, (s->n - i) * sizeof(*s->r));
		s->r[i].lo = lo;
		s->r[i].hi = hi;
		s->n++;
	} else {
		if (s->r[i].lo < lo)
			lo = s->r[i].lo;
		if (s->r[j - 1].hi > hi)
			hi = s->r[j - 1].hi;
		s->r[i].lo = lo;
		s->r[i].hi = hi;
		memmove(s->r + i + 1, s->r + j, (s->n - j) * sizeof(*s->r));
		s->n -= j - i - 1;
	}
	uidset_stale(s);
	return 0;
}

int
uidset_remove(struct uidset *s, uint32_t lo, uint32_t hi)
{
	uint32_t i, j;

	if (lo == 0 || hi < lo) {
		errno = EINVAL;
		return -1;
	}
	i = uidset_find(s, lo);
	if (i == s->n || s->r[i].lo > hi)
		return 0;
	uidset_stale(s);
	if (s->r[i].lo < lo && s->r[i].hi > hi) {
		if (uidset_room(s, s->n + 1) == -1)
			return -1;
		memmove(s->r + i + 1, s->r + i, (s->n - i) * sizeof(*s->r));
		s->r[i].hi = lo - 1;
		s->r[i + 1].lo = hi + 1;
		s->n++;
		return 0;
	}
	if (s->r[i].lo < lo)
		s->r[i++].hi = lo - 1;
	for (j = i; j < s->n && s->r[j].hi <= hi; j++)
		;
	if (j < s->n && s->r[j].lo <= hi)
		s->r[j].lo = hi + 1;
	memmove(s->r + i, s->r + j, (s->n - j) * sizeof(*s->r));
	s->n -= j - i;
	return 0;
}

/*
 * Operations on two sets.  One of them often has a few ranges and the other
 * one very many: it is looked up there then, so that the cost is that of
 * the small one.
 */
#define SMALL(a, b)	((a)->n < (b)->n / 16)

/* uidset_find(), from a range on that is near. */
static uint32_t
uidset_find_from(const struct uidset *s, uint32_t i, uint32_t uid)
{
	uint32_t k;

	for (k = 0; k < 4; k++, i++)
		if (i >= s->n || s->r[i].hi >= uid)
			return i;
	return uidset_find(s, uid);
}

/* Appends what r has in common with s; *j: where that begins in s. */
static int
range_common(struct uidset *out, const struct urange *r,
    const struct uidset *s, uint32_t *j)
{
	uint32_t i;

	*j = uidset_find_from(s, *j, r->lo);
	for (i = *j; i < s->n && s->r[i].lo <= r->hi; i++)
		if (uidset_add(out, s->r[i].lo > r->lo ? s->r[i].lo : r->lo,
		    s->r[i].hi < r->hi ? s->r[i].hi : r->hi) == -1)
			return -1;
	if (i > *j)
		*j = i - 1;	/* it may go on behind r */
	return 0;
}

/* Appends what r has and s has not. */
static int
range_rest(struct uidset *out, const struct urange *r,
    const struct uidset *s, uint32_t *j)
{
	uint64_t pos = r->lo;
	uint32_t i;

	*j = uidset_find_from(s, *j, r->lo);
	for (i = *j; i < s->n && s->r[i].lo <= r->hi; i++) {
		if (s->r[i].lo > pos && uidset_add(out, (uint32_t)pos,
		    s->r[i].lo - 1) == -1)
			return -1;
		pos = (uint64_t)s->r[i].hi + 1;
	}
	if (i > *j)
		*j = i - 1;
	return pos > r->hi ? 0 : uidset_add(out, (uint32_t)pos, r->hi);
}

static int
uidset_each(struct uidset *a, const struct uidset *from,
    const struct uidset *s, int (*f)(struct uidset *, const struct urange *,
    const struct uidset *, uint32_t *))
{
	struct uidset	out;
	uint32_t	i, j = 0;

	uidset_init(&out);
	for (i = 0; i < from->n; i++)
		if (f(&out, &from->r[i], s, &j) == -1) {
			uidset_fini(&out);
			return -1;
		}
	uidset_move(a, &out);
	return 0;
}

/* Both are long: one after the other, in order. */
static int
uidset_merge(struct uidset *a, const struct uidset *b)
{
	struct uidset		 out;
	const struct urange	*r;
	uint32_t		 i = 0, j = 0;

	uidset_init(&out);
	while (i < a->n || j < b->n) {
		r = j == b->n || (i < a->n && a->r[i].lo < b->r[j].lo) ?
		    &a->r[i++] : &b->r[j++];
		if (uidset_add(&out, r->lo, r->hi) == -1) {
			uidset_fini(&out);
			return -1;
		}
	}
	uidset_move(a, &out);
	return 0;
}

int
uidset_union(struct uidset *a, const struct uidset *b)
{
	uint32_t i;

	if (b->n > 1 && !SMALL(b, a))
		return uidset_merge(a, b);
	/* room for all first, so that it cannot fail half-way */
	if (uidset_room(a, a->n + b->n) == -1)
		return -1;
	for (i = 0; i < b->n; i++)
		(void)uidset_add(a, b->r[i].lo, b->r[i].hi);
	return 0;
}

int
uidset_subtract(struct uidset *a, const struct uidset *b)
{
	uint32_t i;

	if (b->n == 0 || a->n == 0)
		return 0;
	if (b->n > 1 && !SMALL(b, a))
		return uidset_each(a, a, b, range_rest);
	if (uidset_room(a, a->n + b->n) == -1)
		return -1;
	for (i = 0; i < b->n; i++)
		(void)uidset_remove(a, b->r[i].lo, b->r[i].hi);
	return 0;
}

int
uidset_intersect(struct uidset *a, const struct uidset *b)
{
	if (a->n <= b->n)
		return uidset_each(a, a, b, range_common);
	return uidset_each(a, b, a, range_common);
}

int
uidset_contains(const struct uidset *s, uint32_t uid)
{
	uint32_t i = uidset_find(s, uid);

	return uid != 0 && i < s->n && s->r[i].lo <= uid;
}

int
uidset_equal(const struct uidset *a, const struct uidset *b)
{
	return a->n == b->n && (a->n == 0 ||
	    memcmp(a->r, b->r, a->n * sizeof(*a->r)) == 0);
}

int
uidset_overlaps(const struct uidset *a, const struct uidset *b)
{
	uint32_t i = 0, j = 0;

	while (i < a->n && j < b->n) {
		if (a->r[i].hi < b->r[j].lo)
			i++;
		else if (b->r[j].hi < a->r[i].lo)
			j++;
		else
			return 1;
	}
	return 0;
}

uint32_t
uidset_count(const struct uidset *s)
{
	uint32_t i, c = 0;

	if (s->cum != NULL && s->n > 0) {
		i = s->n - 1;
		return s->cum[i] + (s->r[i].hi - s->r[i].lo + 1);
	}
	for (i = 0; i < s->n; i++)
		c += s->r[i].hi - s->r[i].lo + 1;
	return c;
}

uint32_t
uidset_min(const struct uidset *s)
{
	return s->n > 0 ? s->r[0].lo : 0;
}

uint32_t
uidset_max(const struct uidset *s)
{
	return s->n > 0 ? s->r[s->n - 1].hi : 0;
}

static uint32_t
uidset_before(struct uidset *s, uint32_t range)
{
	uint32_t i, c = 0;

	if (range < 4) {
		for (i = 0; i < range; i++)
			c += s->r[i].hi - s->r[i].lo + 1;
		return c;
	}
	if (s->cum == NULL &&
	    (s->cum = reallocarray(NULL, s->n, sizeof(*s->cum))) != NULL) {
		for (i = 0; i < s->n; i++) {
			s->cum[i] = c;
			c += s->r[i].hi - s->r[i].lo + 1;
		}
	}
	if (s->cum != NULL)
		return s->cum[range];
	for (c = i = 0; i < range; i++)
		c += s->r[i].hi - s->r[i].lo + 1;
	return c;
}

uint32_t
uidset_below(struct uidset *s, uint32_t uid)
{
	uint32_t i = uidset_find(s, uid), c;

	if (i == s->n)
		return uidset_count(s);
	c = uidset_before(s, i);
	if (uid > s->r[i].lo)
		c += uid - s->r[i].lo;
	return c;
}

uint32_t
uidset_rank(struct uidset *s, uint32_t uid)
{
	if (!uidset_contains(s, uid))
		return 0;
	return uidset_below(s, uid) + 1;
}

uint32_t
uidset_nth(struct uidset *s, uint32_t nth)
{
	uint32_t lo = 0, hi = s->n, mid;

	if (nth == 0 || nth > uidset_count(s))
		return 0;
	nth--;
	while (hi - lo > 1) {
		mid = lo + (hi - lo) / 2;
		if (uidset_before(s, mid) <= nth)
			lo = mid;
		else
			hi = mid;
	}
	return s->r[lo].lo + (nth - uidset_before(s, lo));
}

/* A number without leading zeros; returns the bytes used, 0 if none. */
static size_t
uidset_number(const char *p, size_t len, uint32_t *v)
{
	uint64_t	n = 0;
	size_t		i;

	for (i = 0; i < len && p[i] >= '0' && p[i] <= '9'; i++) {
		if ((i == 0 && p[i] == '0') ||
		    (n = n * 10 + (p[i] - '0')) > UINT32_MAX)
			return 0;
	}
	*v = (uint32_t)n;
	return i;
}

int
uidset_parse(struct uidset *s, const char *p, size_t len, uint32_t maxranges)
{
	uint32_t	lo, hi, last = 0;
	size_t		n;

	uidset_clear(s);
	for (;;) {
		if ((n = uidset_number(p, len, &lo)) == 0)
			goto bad;
		p += n;
		len -= n;
		hi = lo;
		if (len > 0 && *p == ':') {
			n = uidset_number(p + 1, len - 1, &hi);
			if (n == 0 || hi <= lo)
				goto bad;
			p += n + 1;
			len -= n + 1;
		}
		if (s->n > 0 && (last == UINT32_MAX || lo <= last + 1))
			goto bad;
		if (s->n == maxranges) {
			errno = ERANGE;
			goto fail;
		}
		if (uidset_add(s, lo, hi) == -1)
			goto fail;
		last = hi;
		if (len == 0)
			return 0;
		if (*p != ',')
			goto bad;
		p++;
		len--;
	}
 bad:
	errno = EINVAL;
 fail:
	uidset_clear(s);
	return -1;
}

static int
urange_put(const struct urange *r, struct ibuf *b)
{
	if (ibuf_addu(b, r->lo) == -1)
		return -1;
	if (r->hi != r->lo &&
	    (ibuf_add_n8(b, ':') == -1 || ibuf_addu(b, r->hi) == -1))
		return -1;
	return 0;
}

int
uidset_format(const struct uidset *s, uint32_t *pos, size_t maxlen,
    struct ibuf *b)
{
	size_t start = ibuf_size(b), mark;

	for (; *pos < s->n; (*pos)++) {
		mark = ibuf_size(b);
		if (mark != start && ibuf_add_n8(b, ',') == -1)
			return -1;
		if (urange_put(&s->r[*pos], b) == -1)
			return -1;
		if (ibuf_size(b) - start > maxlen && mark != start) {
			ibuf_truncate(b, mark);
			return 1;
		}
	}
	return 0;
}

int
uidset_put(const struct uidset *s, struct ibuf *b)
{
	uint32_t pos = 0;

	return uidset_format(s, &pos, SIZE_MAX, b);
}

uint32_t
uidset_first(struct uidset_iter *it, const struct uidset *s)
{
	it->set = s;
	it->i = 0;
	it->uid = s->n > 0 ? s->r[0].lo : 0;
	return it->uid;
}

uint32_t
uidset_next(struct uidset_iter *it)
{
	if (it->i >= it->set->n)
		return 0;
	if (it->uid < it->set->r[it->i].hi)
		return ++it->uid;
	it->i++;
	it->uid = it->i < it->set->n ? it->set->r[it->i].lo : 0;
	return it->uid;
}
