#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "sterr.h"

#define ARGS_TOKENS	512
#define ARGS_TOKENS_MAX	65536

static jsmntok_t args_tokens[ARGS_TOKENS];

int
args_parse(struct args *a, struct ibuf *body, const char *const *known)
{
	char	*p = (char *)ibuf_data(body);
	size_t	 len = ibuf_size(body);

	a->big = NULL;
	if (json_parse(&a->j, p, len, args_tokens, ARGS_TOKENS) == -1) {
		if (errno != E2BIG)
			return ST_BAD_REQUEST;
		if ((a->big = reallocarray(NULL, ARGS_TOKENS_MAX,
		    sizeof(*a->big))) == NULL)
			return ST_TRY_LATER;
		if (json_parse(&a->j, p, len, a->big, ARGS_TOKENS_MAX) == -1)
			return ST_BAD_REQUEST;
	}
	if (json_type(&a->j, 0) != JSMN_OBJECT)
		return ST_BAD_REQUEST;
	if (json_unknown(&a->j, 0, known) != -1)
		return ST_UNKNOWN_PARAMETER;
	return ST_OK;
}

void
args_fini(struct args *a)
{
	free(a->big);
	a->big = NULL;
}

int
args_text(struct args *a, int i, const char **s, size_t *len)
{
	int r;

	if ((r = json_str(&a->j, i, s, len)) != 1)
		return r;
	/* no text of ours has a NUL, whichever way it was written */
	if (memchr(*s, '\0', *len) != NULL)
		return -1;
	/* the closing quote, or what unescaping has left free */
	a->j.buf[(*s - a->j.buf) + (ptrdiff_t)*len] = '\0';
	return 1;
}

int
args_set(struct args *a, int i, size_t max, struct uidset *set)
{
	const char	*s;
	size_t		 len;
	int		 r;

	if ((r = args_text(a, i, &s, &len)) != 1)
		return r;
	if (len > max || uidset_parse(set, s, len, UINT32_MAX) == -1)
		return -1;
	return 1;
}

int
args_find(const struct args *a, int object, const char *name)
{
	int i = json_member(&a->j, object, name);

	return i != -1 && json_is_null(&a->j, i) ? -1 : i;
}

int
args_first(const struct args *a, int i)
{
	return json_first(&a->j, i);
}

int
args_next(const struct args *a, int i)
{
	return json_next(&a->j, i);
}

int
args_flags(struct args *a, int i, struct flagset *f)
{
	const char	*s;
	size_t		 len;

	flagset_init(f);
	if (i == -1 || json_is_null(&a->j, i))
		return 0;
	errno = EINVAL;
	if (json_type(&a->j, i) != JSMN_ARRAY)
		return -1;
	for (i = args_first(a, i); i != -1; i = args_next(a, i)) {
		if (args_text(a, i, &s, &len) != 1) {
			errno = EINVAL;
			return -1;
		}
		if (flagset_add(f, s, len) == -1)
			return -1;
	}
	return 1;
}

/* Flags that no message may have are well-formed, but not allowed. */
int
args_flags_code(int error)
{
	return error == ENOSPC ? ST_NOT_PERMITTED : ST_BAD_REQUEST;
}
