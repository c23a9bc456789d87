#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "seqset.h"

uint32_t
seqset_ranges(const char *p, size_t len)
{
	uint32_t	n = 1;

	for (; len > 0; len--)
		if (*p++ == ',')
			n++;
	return n;
}

/* nz-number or "*"; returns the bytes used, 0 if it is neither. */
static size_t
seqset_number(const char *p, size_t len, uint32_t *v)
{
	uint64_t	n = 0;
	size_t		i;

	*v = SEQ_STAR;
	if (len > 0 && *p == '*')
		return 1;
	for (i = 0; i < len && p[i] >= '0' && p[i] <= '9'; i++)
		if ((n = n * 10 + (uint64_t)(p[i] - '0')) > UINT32_MAX)
			return 0;
	*v = (uint32_t)n;
	return i > 0 && *p != '0' ? i : 0;
}

/* One range; returns the bytes used, 0 if there is none. */
static size_t
seqset_range(struct seqrange *r, const char *p, size_t len)
{
	uint32_t	v;
	size_t		n, m;

	if ((n = seqset_number(p, len, &r->lo)) == 0)
		return 0;
	r->hi = r->lo;
	if (n == len || p[n] != ':')
		return n;
	if ((m = seqset_number(p + n + 1, len - n - 1, &r->hi)) == 0)
		return 0;
	if (r->lo != SEQ_STAR && r->hi != SEQ_STAR && r->lo > r->hi) {
		v = r->lo;
		r->lo = r->hi;
		r->hi = v;
	}
	return n + 1 + m;
}

int
seqset_parse(struct seqset *s, struct seqrange *r, const char *p, size_t len,
    int saved)
{
	size_t	n;

	memset(s, 0, sizeof(*s));
	s->r = r;
	if (saved && len == 1 && *p == '$') {
		s->saved = 1;
		return 0;
	}
	for (;;) {
		if ((n = seqset_range(r, p, len)) == 0)
			break;
		if (r->lo == SEQ_STAR || r->hi == SEQ_STAR)
			s->star = 1;
		r++;
		s->n++;
		p += n;
		len -= n;
		if (len == 0)
			return 0;
		if (*p != ',')
			break;
		p++;
		len--;
	}
	errno = EINVAL;
	return -1;
}

static int
seqrange_cmp(const void *a, const void *b)
{
	const struct seqrange	*x = a, *y = b;

	if (x->lo != y->lo)
		return x->lo < y->lo ? -1 : 1;
	return 0;
}

/*
 * The ranges as numbers, "*" replaced by max, lo before hi, sorted: in
 * memory for the caller to free.
 */
static struct seqrange *
seqset_sorted(const struct seqset *s, uint32_t max)
{
	struct seqrange	*r;
	uint32_t	 i, lo, hi;
	int		 sorted = 1;

	if ((r = reallocarray(NULL, s->n, sizeof(*r))) == NULL)
		return NULL;
	for (i = 0; i < s->n; i++) {
		lo = s->r[i].lo == SEQ_STAR ? max : s->r[i].lo;
		hi = s->r[i].hi == SEQ_STAR ? max : s->r[i].hi;
		r[i].lo = lo < hi ? lo : hi;
		r[i].hi = lo < hi ? hi : lo;
		if (i > 0 && r[i].lo < r[i - 1].lo)
			sorted = 0;
	}
	if (!sorted)
		qsort(r, s->n, sizeof(*r), seqrange_cmp);
	return r;
}

/* Walks a view from front to back, by sequence numbers. */
struct seqcursor {
	const struct uidset	*view;
	uint32_t		 i;	/* range */
	uint32_t		 before;	/* messages before it */
};

static uint32_t
seqcursor_size(const struct seqcursor *c)
{
	return c->view->r[c->i].hi - c->view->r[c->i].lo + 1;
}

/* Adds the uids of the sequence numbers lo:hi, all of which exist. */
static int
seqcursor_add(struct seqcursor *c, uint32_t lo, uint32_t hi,
    struct uidset *out)
{
	uint32_t	base, size, last;

	for (;;) {
		size = seqcursor_size(c);
		if (lo > c->before + size) {
			c->before += size;
			c->i++;
			continue;
		}
		base = c->view->r[c->i].lo;
		last = hi - c->before < size ? hi - c->before : size;
		if (uidset_add(out, base + (lo - c->before - 1),
		    base + (last - 1)) == -1)
			return -1;
		if (c->before + last == hi)
			return 0;
		lo = c->before + size + 1;
	}
}

/* Sorted ranges of sequence numbers, with no range going back. */
static int
seqset_by_number(struct seqrange *r, uint32_t n, int how,
    const struct uidset *view, struct uidset *out)
{
	struct seqcursor c = { view, 0, 0 };
	uint32_t	 i, done = 0, exists = uidset_count(view);

	for (i = 0; i < n; i++) {
		if (r[i].hi > exists || r[i].lo == 0) {
			if ((how & SEQSET_LENIENT) == 0) {
				errno = ERANGE;
				return -1;
			}
			r[i].hi = exists;
		}
		if (r[i].lo <= done)
			r[i].lo = done + 1;
		if (r[i].lo > r[i].hi)
			continue;
		if (seqcursor_add(&c, r[i].lo, r[i].hi, out) == -1)
			return -1;
		done = r[i].hi;
	}
	return 0;
}

static int
seqset_by_uid(const struct seqrange *r, uint32_t n,
    const struct uidset *view, struct uidset *out)
{
	uint32_t	i;

	for (i = 0; i < n; i++)
		if (r[i].lo != 0 &&
		    uidset_add(out, r[i].lo, r[i].hi) == -1)
			return -1;
	return uidset_intersect(out, view);
}

int
seqset_resolve(const struct seqset *s, int how, struct uidset *view,
    const struct uidset *saved, struct uidset *out)
{
	struct seqrange	*r;
	int		 ret;

	uidset_clear(out);
	if (s->saved) {
		if (saved == NULL)
			return 0;
		if (uidset_copy(out, saved) == -1)
			return -1;
		return uidset_intersect(out, view);
	}
	if (s->n == 0)
		return 0;
	r = seqset_sorted(s, how & SEQSET_UID ? uidset_max(view) :
	    uidset_count(view));
	if (r == NULL)
		return -1;
	if (how & SEQSET_UID)
		ret = seqset_by_uid(r, s->n, view, out);
	else
		ret = seqset_by_number(r, s->n, how, view, out);
	free(r);
	if (ret == -1)
		uidset_clear(out);
	return ret;
}

int
seqset_numbers(struct uidset *view, const struct uidset *uids,
    struct uidset *out)
{
	struct uidset	 in;
	uint32_t	 i, j = 0, before = 0, base;
	int		 ret = -1;

	uidset_clear(out);
	uidset_init(&in);
	if (uidset_copy(&in, uids) == -1 ||
	    uidset_intersect(&in, view) == -1)
		goto done;
	/* now each range lies inside one range of the view */
	for (i = 0; i < in.n; i++) {
		while (view->r[j].hi < in.r[i].lo) {
			before += view->r[j].hi - view->r[j].lo + 1;
			j++;
		}
		base = before + 1 - view->r[j].lo;	/* may wrap, and back */
		if (uidset_add(out, base + in.r[i].lo,
		    base + in.r[i].hi) == -1)
			goto done;
	}
	ret = 0;
 done:
	uidset_fini(&in);
	return ret;
}
