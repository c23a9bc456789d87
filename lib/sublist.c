#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "listmatch.h"
#include "sublist.h"

#define TITLE		"mfrontd subscriptions 1\n"
#define TITLE_LEN	(sizeof(TITLE) - 1)

void
sublist_free(struct sublist *l)
{
	while (l->n > 0)
		free(l->names[--l->n]);
	free(l->names);
	memset(l, 0, sizeof(*l));
}

/* Where a name is, or belongs; 1 if it is there. */
static int
find(const struct sublist *l, const char *name, size_t *at)
{
	size_t	lo = 0, hi = l->n, mid;
	int	r;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if ((r = strcmp(name, l->names[mid])) == 0) {
			*at = mid;
			return 1;
		}
		if (r < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	*at = lo;
	return 0;
}

int
sublist_has(const struct sublist *l, const char *name)
{
	size_t at;

	return find(l, name, &at);
}

static int
insert(struct sublist *l, size_t at, const char *name, size_t len)
{
	char	**names, *copy;
	size_t	  cap = l->cap > 0 ? 2 * l->cap : 16;

	if (l->n == l->cap) {
		if ((names = reallocarray(l->names, cap,
		    sizeof(*names))) == NULL)
			return -1;
		l->names = names;
		l->cap = cap;
	}
	if ((copy = strndup(name, len)) == NULL)
		return -1;
	memmove(l->names + at + 1, l->names + at,
	    (l->n - at) * sizeof(*l->names));
	l->names[at] = copy;
	l->n++;
	return 1;
}

int
sublist_add(struct sublist *l, const char *name)
{
	size_t at;

	if (!list_name_ok(name, strlen(name))) {
		errno = EINVAL;
		return -1;
	}
	return find(l, name, &at) ? 0 : insert(l, at, name, strlen(name));
}

int
sublist_remove(struct sublist *l, const char *name)
{
	size_t at;

	if (!find(l, name, &at))
		return 0;
	free(l->names[at]);
	l->n--;
	memmove(l->names + at, l->names + at + 1,
	    (l->n - at) * sizeof(*l->names));
	return 1;
}

/* A line's name, which must come behind the one before; bytes, or 0. */
static size_t
read_name(struct sublist *l, const char *p, size_t len)
{
	const char	*end = memchr(p, '\n', len);
	size_t		 n;

	errno = EINVAL;
	if (end == NULL)
		return 0;
	n = (size_t)(end - p);
	if (!list_name_ok(p, n) || insert(l, l->n, p, n) == -1)
		return 0;
	if (l->n > 1 && strcmp(l->names[l->n - 2], l->names[l->n - 1]) >= 0)
		return 0;
	return n + 1;
}

int
sublist_read(struct sublist *l, const void *value, size_t len)
{
	const char	*p = value;
	size_t		 n;

	sublist_free(l);
	if (len < TITLE_LEN || memcmp(p, TITLE, TITLE_LEN) != 0) {
		errno = EINVAL;
		return -1;
	}
	p += TITLE_LEN;
	for (len -= TITLE_LEN; len > 0; len -= n) {
		if ((n = read_name(l, p, len)) == 0) {
			sublist_free(l);
			return -1;
		}
		p += n;
	}
	return 0;
}

int
sublist_write(const struct sublist *l, struct ibuf *b)
{
	size_t	mark = ibuf_size(b), i;
	int	r;

	r = ibuf_adds(b, TITLE);
	for (i = 0; i < l->n && r == 0; i++)
		if ((r = ibuf_adds(b, l->names[i])) == 0)
			r = ibuf_add_n8(b, '\n');
	if (r == -1)
		ibuf_truncate(b, mark);
	return r;
}
