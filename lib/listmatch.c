#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "json.h"
#include "listmatch.h"

#define INBOX		"INBOX"
#define INBOX_LEN	(sizeof(INBOX) - 1)

/* Is the first level of the name INBOX? */
static int
list_in_inbox(const char *name, size_t len)
{
	return len >= INBOX_LEN && memcmp(name, INBOX, INBOX_LEN) == 0 &&
	    (len == INBOX_LEN || name[INBOX_LEN] == LIST_DELIMITER);
}

/* One character; the first level of an INBOX is told without case. */
static int
list_same(char p, char c, int anycase)
{
	if (anycase && p >= 'a' && p <= 'z')
		p = (char)(p - 'a' + 'A');
	return p == c;
}

/*
 * What is matched so far: reach[j] is set if the part of the pattern that
 * has been looked at can stand for the first j bytes of the name.
 */
struct list_row {
	const char	*name;
	size_t		 len;
	size_t		 inbox;		/* bytes to compare without case */
	size_t		 first;		/* no lower j is set */
	uint8_t		 reach[LIST_NAME_MAX + 1];
};

static int
list_step_char(struct list_row *r, char p)
{
	size_t	j, first = r->len + 1;

	for (j = r->len; j > r->first; j--) {
		r->reach[j] = r->reach[j - 1] &&
		    list_same(p, r->name[j - 1], j <= r->inbox);
		if (r->reach[j])
			first = j;
	}
	r->reach[r->first] = 0;
	r->first = first;
	return first <= r->len;
}

static void
list_step_wild(struct list_row *r, char p)
{
	size_t	j;

	for (j = r->first + 1; j <= r->len; j++)
		if (r->reach[j - 1] &&
		    (p == '*' || r->name[j - 1] != LIST_DELIMITER))
			r->reach[j] = 1;
}

static int
list_is_wild(char c)
{
	return c == '*' || c == '%';
}

static void
list_row_init(struct list_row *r, const char *name, size_t len, size_t first,
    size_t inbox)
{
	r->name = name;
	r->len = len;
	r->inbox = inbox;
	r->first = first;
	memset(r->reach + first, 0, len + 1 - first);
	r->reach[first] = 1;
}

/*
 * The pattern is taken character by character over all places of the name
 * at once, so there is nothing to go back to and nothing grows.
 */
int
list_match(const char *pattern, const char *name, size_t len)
{
	struct list_row	r;
	size_t		i, inbox;
	char		c;

	if (len > LIST_NAME_MAX)
		return 0;
	inbox = list_in_inbox(name, len) ? INBOX_LEN : 0;
	for (i = 0; *pattern != '\0' && !list_is_wild(*pattern); i++)
		if (i == len || !list_same(*pattern++, name[i], i < inbox))
			return 0;
	if (*pattern == '\0')
		return i == len;
	list_row_init(&r, name, len, i, inbox);
	while ((c = *pattern) != '\0') {
		if (!list_is_wild(c)) {
			if (!list_step_char(&r, c))
				return 0;
			pattern++;
			continue;
		}
		/* neighbours are one: "*" if there is one among them */
		for (; list_is_wild(*pattern); pattern++)
			if (*pattern == '*')
				c = '*';
		if (c == '*' && *pattern == '\0')
			return 1;
		list_step_wild(&r, c);
	}
	return r.reach[len];
}

/* Does a pattern stand for nothing but a name and what is below it? */
static int
list_leads(const char *pattern, const char *name, size_t inbox)
{
	size_t	i;

	for (i = 0; name[i] != '\0'; i++)
		if (pattern[i] == '\0' || list_is_wild(pattern[i]) ||
		    !list_same(pattern[i], name[i], i < inbox))
			return 0;
	return pattern[i] == '\0' || pattern[i] == LIST_DELIMITER;
}

/*
 * What is left of a pattern behind the first len bytes of a name: if there
 * is a wildcard in it before it has led into one of the others, it can stand
 * for something that none of them is.
 */
static int
list_leaves(const char *rest, const struct list_row *dir,
    const char *const *others, size_t n)
{
	const char	*o;
	size_t		 i, inbox;

	for (i = 0; i < n; i++) {
		o = others[i];
		if (strncmp(o, dir->name, dir->len) != 0)
			continue;
		inbox = dir->len == 0 && list_in_inbox(o, strlen(o)) ?
		    INBOX_LEN : 0;
		if (list_leads(rest, o + dir->len, inbox))
			return 0;
	}
	return 1;
}

int
list_match_below(const char *pattern, const char *name,
    const char *const *others, size_t n)
{
	struct list_row	r;
	char		dir[LIST_NAME_MAX + 1];
	size_t		len;

	if ((len = strlen(name)) >= LIST_NAME_MAX)
		return 0;
	memcpy(dir, name, len);
	if (len > 0)
		dir[len++] = LIST_DELIMITER;
	dir[len] = '\0';
	list_row_init(&r, dir, len, 0, list_in_inbox(dir, len) ?
	    INBOX_LEN : 0);
	for (; *pattern != '\0'; pattern++) {
		if (list_is_wild(*pattern))
			list_step_wild(&r, *pattern);
		if (r.reach[len] && list_leaves(pattern, &r, others, n))
			return 1;
		if (!list_is_wild(*pattern) && !list_step_char(&r, *pattern))
			return 0;
	}
	return 0;
}

int
list_join(char *out, size_t size, const char *ref, const char *pattern)
{
	size_t	rlen = strlen(ref), plen;

	if (rlen > 0 && ref[rlen - 1] == LIST_DELIMITER &&
	    *pattern == LIST_DELIMITER)
		pattern++;
	plen = strlen(pattern);
	if (rlen >= size || plen >= size - rlen)
		return -1;
	memcpy(out, ref, rlen);
	memcpy(out + rlen, pattern, plen + 1);
	return 0;
}

static int
list_is_control(uint32_t cp)
{
	return cp < 0x20 || (cp >= 0x7f && cp < 0xa0) || cp == 0x2028 ||
	    cp == 0x2029;
}

int
list_name_ok(const char *name, size_t len)
{
	uint32_t	cp, prev = LIST_DELIMITER;
	size_t		n;

	if (len == 0 || len > LIST_NAME_MAX)
		return 0;
	for (; len > 0; name += n, len -= n) {
		if ((n = utf8_decode(name, len, &cp)) == 0 ||
		    list_is_control(cp) ||
		    (cp == LIST_DELIMITER && prev == LIST_DELIMITER))
			return 0;
		prev = cp;
	}
	return prev != LIST_DELIMITER;
}

void
list_canon_inbox(char *name, size_t len)
{
	if (len >= INBOX_LEN && strncasecmp(name, INBOX, INBOX_LEN) == 0 &&
	    (len == INBOX_LEN || name[INBOX_LEN] == LIST_DELIMITER))
		memcpy(name, INBOX, INBOX_LEN);
}

static int
list_rank(unsigned char c)
{
	if (c == '\0')
		return -1;
	return c == LIST_DELIMITER ? 0 : c;
}

int
list_compare(const char *a, const char *b)
{
	int	ia = list_in_inbox(a, strlen(a));
	int	ib = list_in_inbox(b, strlen(b));

	if (ia != ib)
		return ia ? -1 : 1;
	for (; *a == *b; a++, b++)
		if (*a == '\0')
			return 0;
	return list_rank((unsigned char)*a) < list_rank((unsigned char)*b) ?
	    -1 : 1;
}

/* Is this name below the first len bytes of the other? */
static int
list_below(const char *name, const char *parent, size_t len)
{
	return strncmp(name, parent, len) == 0 &&
	    name[len] == LIST_DELIMITER;
}

/* How much of a name's levels was told with the name before it. */
static size_t
list_told(const char *prev, const char *name)
{
	size_t	i, told = 0;

	for (i = 0; name[i] != '\0'; i++) {
		if (name[i] == LIST_DELIMITER &&
		    (prev[i] == LIST_DELIMITER || prev[i] == '\0'))
			told = i;
		if (prev[i] != name[i])
			break;
	}
	return told;
}

void
list_walk_init(struct list_walk *w, const char *const *names, size_t n)
{
	w->names = names;
	w->n = n;
	w->i = 0;
	w->level = 0;
}

int
list_walk_next(struct list_walk *w, struct list_entry *e)
{
	const char	*name, *slash;

	if (w->i == w->n)
		return 0;
	e->name = name = w->names[w->i];
	e->index = w->i;
	slash = *name == '\0' ? NULL :
	    strchr(name + w->level + 1, LIST_DELIMITER);
	if (slash != NULL) {
		e->len = w->level = (size_t)(slash - name);
		e->exists = 0;
		e->children = 1;
		return 1;
	}
	e->len = strlen(name);
	e->exists = 1;
	w->i++;
	w->level = w->i < w->n ? list_told(name, w->names[w->i]) : 0;
	e->children = w->i < w->n &&
	    list_below(w->names[w->i], name, e->len);
	return 1;
}

int
list_has_children(const char *const *names, size_t n, const char *name)
{
	size_t	lo = 0, hi = n, mid;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (list_compare(names[mid], name) <= 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < n && list_below(names[lo], name, strlen(name));
}
