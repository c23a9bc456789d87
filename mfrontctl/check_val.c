#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "check_val.h"
#include "json.h"

#define TOKENS		256		/* for most lines */
#define TOKENS_MAX	(1 << 20)

struct val_reader {
	struct json	 j;
	val_alloc	*alloc;
	void		*arg;
};

static struct val *val_read(struct val_reader *, int);

static const char *
val_copy(struct val_reader *r, const char *s, size_t len)
{
	char *p = r->alloc(r->arg, len + 1);

	memcpy(p, s, len);
	return p;
}

static int
val_read_text(struct val_reader *r, int i, const char **s, size_t *len)
{
	const char *p;

	if (json_str(&r->j, i, &p, len) != 1)
		return -1;
	*s = val_copy(r, p, *len);
	return 0;
}

/* A key's token has its value's as its only child. */
static int
val_read_members(struct val_reader *r, struct val *v, int i)
{
	struct val	**end = &v->first;
	const char	 *name = NULL;
	size_t		  len;
	int		  k, n = json_count(&r->j, i), at = i + 1;

	for (k = 0; k < n; k++) {
		if (v->type == VAL_OBJECT) {
			if (val_read_text(r, at, &name, &len) == -1)
				return -1;
			at++;
		}
		if ((*end = val_read(r, at)) == NULL)
			return -1;
		(*end)->name = name;
		end = &(*end)->next;
		v->count++;
		at = json_next(&r->j, at);
	}
	return 0;
}

static void
val_read_number(struct val_reader *r, struct val *v, int i)
{
	v->type = VAL_NUMBER;
	v->whole = json_u64(&r->j, i, UINT64_MAX, &v->n) == 1;
}

static struct val *
val_read(struct val_reader *r, int i)
{
	const jsmntok_t	*t = &r->j.tok[i];
	struct val	*v = r->alloc(r->arg, sizeof(*v));
	int		 b;

	switch (t->type) {
	case JSMN_OBJECT:
	case JSMN_ARRAY:
		v->type = t->type == JSMN_OBJECT ? VAL_OBJECT : VAL_ARRAY;
		return val_read_members(r, v, i) == 0 ? v : NULL;
	case JSMN_STRING:
		v->type = VAL_TEXT;
		return val_read_text(r, i, &v->s, &v->len) == 0 ? v : NULL;
	default:
		break;
	}
	if (json_is_null(&r->j, i))
		v->type = VAL_NULL;
	else if (json_bool(&r->j, i, &b) == 1) {
		v->type = VAL_BOOL;
		v->n = (uint64_t)b;
	} else
		val_read_number(r, v, i);
	return v;
}

struct val *
val_parse(const char *s, size_t len, val_alloc *alloc, void *arg)
{
	struct val_reader	 r = { .alloc = alloc, .arg = arg };
	struct val		*v = NULL;
	jsmntok_t		*tok;
	char			*copy;
	int			 n;

	copy = alloc(arg, len + 1);
	memcpy(copy, s, len);
	for (n = TOKENS; n <= TOKENS_MAX; n *= 8) {
		if ((tok = calloc((size_t)n, sizeof(*tok))) == NULL)
			return NULL;
		if (json_parse(&r.j, copy, len, tok, n) == 0) {
			v = val_read(&r, 0);
			free(tok);
			return v;
		}
		free(tok);
		if (errno != E2BIG)
			break;
	}
	return NULL;
}

struct val *
val_get(const struct val *v, const char *name)
{
	struct val *m;

	if (v == NULL || v->type != VAL_OBJECT)
		return NULL;
	for (m = v->first; m != NULL; m = m->next)
		if (strcmp(m->name, name) == 0)
			return m;
	return NULL;
}

struct val *
val_typed(const struct val *v, const char *name, enum val_type type)
{
	struct val *m = val_get(v, name);

	return m != NULL && m->type == type ? m : NULL;
}

const char *
val_text(const struct val *v, const char *name)
{
	struct val *m = val_typed(v, name, VAL_TEXT);

	return m != NULL && strlen(m->s) == m->len ? m->s : NULL;
}

int
val_number(const struct val *v, const char *name, uint64_t max, uint64_t *n)
{
	struct val *m = val_typed(v, name, VAL_NUMBER);

	if (m == NULL || !m->whole || m->n > max)
		return 0;
	*n = m->n;
	return 1;
}

static int
val_equal_members(const struct val *a, const struct val *b)
{
	struct val *x, *y;

	if (a->count != b->count)
		return 0;
	for (x = a->first, y = b->first; x != NULL; x = x->next) {
		if (!val_equal(x, a->type == VAL_OBJECT ?
		    val_get(b, x->name) : y))
			return 0;
		y = y->next;
	}
	return 1;
}

int
val_equal(const struct val *a, const struct val *b)
{
	if (a == NULL || b == NULL || a->type != b->type)
		return a == b;
	switch (a->type) {
	case VAL_NULL:
		return 1;
	case VAL_BOOL:
	case VAL_NUMBER:
		return a->n == b->n && a->whole == b->whole;
	case VAL_TEXT:
		return a->len == b->len && memcmp(a->s, b->s, a->len) == 0;
	case VAL_ARRAY:
	case VAL_OBJECT:
		break;
	}
	return val_equal_members(a, b);
}
