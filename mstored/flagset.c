#include <errno.h>
#include <string.h>
#include <strings.h>

#include "flagset.h"

void
flagset_init(struct flagset *f)
{
	f->sys = 0;
	f->n = 0;
}

void
flagset_copy(struct flagset *to, const struct flagset *from)
{
	to->sys = from->sys;
	to->n = from->n;
	memcpy(to->kw, from->kw, from->n * sizeof(*to->kw));
}

static int
flagset_cmp(const struct hstr *a, const char *s, size_t len)
{
	size_t	n = a->len < len ? a->len : len;
	int	r;

	if ((r = strncasecmp(a->p, s, n)) != 0)
		return r;
	return a->len < len ? -1 : a->len > len;
}

/* Where a keyword is (1) or would be (0). */
static int
flagset_find(const struct flagset *f, const char *s, size_t len, uint32_t *at)
{
	uint32_t	lo = 0, hi = f->n, mid;
	int		r;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if ((r = flagset_cmp(&f->kw[mid], s, len)) == 0) {
			*at = mid;
			return 1;
		}
		if (r < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	*at = lo;
	return 0;
}

static int
flagset_add_keyword(struct flagset *f, const char *s, size_t len)
{
	uint32_t at;

	if (flagset_find(f, s, len, &at))
		return 0;
	if (f->n == FLAGSET_KW_MAX) {
		errno = ENOSPC;
		return -1;
	}
	memmove(f->kw + at + 1, f->kw + at, (f->n - at) * sizeof(*f->kw));
	f->kw[at].p = s;
	f->kw[at].len = len;
	f->n++;
	return 0;
}

int
flagset_add(struct flagset *f, const char *s, size_t len)
{
	int bit;

	if (len > FLAGSET_NAME_MAX) {
		errno = ENOSPC;
		return -1;
	}
	if ((bit = flag_parse(s, len)) == -1) {
		errno = EINVAL;
		return -1;
	}
	if (bit == 0)
		return flagset_add_keyword(f, s, len);
	f->sys |= (uint32_t)bit;
	return 0;
}

int
flagset_put(const struct flagset *f, struct ibuf *b)
{
	uint32_t	bit, i;
	const char	*sep = "";

	if (ibuf_add_n8(b, '[') == -1)
		return -1;
	for (bit = 1; bit <= FLAG_SYSTEM; bit <<= 1) {
		if ((f->sys & bit) == 0)
			continue;
		/* the name's backslash, once more for JSON */
		if (ibuf_adds(b, sep) == -1 || ibuf_adds(b, "\"\\") == -1 ||
		    ibuf_adds(b, flag_sysname(bit)) == -1 ||
		    ibuf_add_n8(b, '"') == -1)
			return -1;
		sep = ",";
	}
	for (i = 0; i < f->n; i++) {
		if (ibuf_adds(b, sep) == -1 || ibuf_add_n8(b, '"') == -1 ||
		    ibuf_add(b, f->kw[i].p, f->kw[i].len) == -1 ||
		    ibuf_add_n8(b, '"') == -1)
			return -1;
		sep = ",";
	}
	return ibuf_add_n8(b, ']');
}

/* One member of the array; returns the bytes used, 0 if it is none. */
static size_t
flagset_get_one(struct flagset *f, const char *p, size_t len)
{
	const char	*q;
	size_t		 skip = 1, n;

	if (len < 3 || p[0] != '"' ||
	    (q = memchr(p + 1, '"', len - 1)) == NULL)
		return 0;
	n = (size_t)(q - p);
	/* a name's one backslash is two in JSON */
	if (p[1] == '\\') {
		if (p[2] != '\\')
			return 0;
		skip = 2;
	}
	if (n <= skip || flagset_add(f, p + skip, n - skip) == -1)
		return 0;
	return n + 1;
}

int
flagset_get(struct flagset *f, const char *p, size_t len)
{
	size_t n;

	flagset_init(f);
	if (len == 2 && memcmp(p, "[]", 2) == 0)
		return 0;
	if (len < 2 || p[0] != '[' || p[len - 1] != ']')
		goto bad;
	for (p++, len -= 2;; p++, len--) {
		if ((n = flagset_get_one(f, p, len)) == 0)
			goto bad;
		p += n;
		len -= n;
		if (len == 0)
			return 0;
		if (*p != ',')
			goto bad;
	}
 bad:
	errno = EINVAL;
	return -1;
}

int
flagset_merge(struct flagset *f, const struct flagset *with)
{
	uint32_t i;

	for (i = 0; i < with->n; i++)
		if (flagset_add_keyword(f, with->kw[i].p,
		    with->kw[i].len) == -1)
			return -1;
	f->sys |= with->sys;
	return 0;
}

void
flagset_subtract(struct flagset *f, const struct flagset *less)
{
	uint32_t i, at;

	f->sys &= ~less->sys;
	for (i = 0; i < less->n; i++) {
		if (!flagset_find(f, less->kw[i].p, less->kw[i].len, &at))
			continue;
		f->n--;
		memmove(f->kw + at, f->kw + at + 1,
		    (f->n - at) * sizeof(*f->kw));
	}
}

int
flagset_overlaps(const struct flagset *f, const struct flagset *g)
{
	uint32_t i, at;

	if (f->sys & g->sys)
		return 1;
	for (i = 0; i < g->n; i++)
		if (flagset_find(f, g->kw[i].p, g->kw[i].len, &at))
			return 1;
	return 0;
}

void
flagset_spell(struct flagset *f, const struct flagset *known)
{
	uint32_t i, at;

	for (i = 0; i < f->n; i++)
		if (flagset_find(known, f->kw[i].p, f->kw[i].len, &at))
			f->kw[i] = known->kw[at];
}

int
flagset_within(const struct flagset *f, const struct flagset *all)
{
	uint32_t i, at;

	if (f->sys & ~all->sys)
		return 0;
	for (i = 0; i < f->n; i++)
		if (!flagset_find(all, f->kw[i].p, f->kw[i].len, &at) ||
		    memcmp(f->kw[i].p, all->kw[at].p, f->kw[i].len) != 0)
			return 0;
	return 1;
}
