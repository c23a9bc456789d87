/*
 * The JSON of a request: one object with the members its call knows, and
 * no others at any depth.
 *
 * The bytes belong to the caller and are written to: texts are unescaped in
 * place and end with a NUL.  Getters return 1 when the member is there, 0
 * when it is absent or null, -1 when it is not what it should be.
 */
#ifndef ARGS_H
#define ARGS_H

#include "flagset.h"
#include "ibuf.h"
#include "json.h"
#include "uidset.h"

struct args {
	struct json	 j;
	jsmntok_t	*big;		/* ours, when there are many tokens */
};

/* ST_OK, ST_BAD_REQUEST, ST_UNKNOWN_PARAMETER, ST_TRY_LATER. */
int	 args_parse(struct args *, struct ibuf *, const char *const *);
void	 args_fini(struct args *);

/* A member of an object, or -1: null is the same as none. */
int	 args_find(const struct args *, int, const char *);
int	 args_text(struct args *, int, const char **, size_t *);
int	 args_set(struct args *, int, size_t, struct uidset *);
/*
 * An array of flags; -1 with errno EINVAL, or ENOSPC when they are too many
 * or one is too long.  args_flags_code() says what the client did then.
 */
int	 args_flags(struct args *, int, struct flagset *);
int	 args_flags_code(int);
/* Each element of an array: for (i = args_first(..); i != -1; ...). */
int	 args_first(const struct args *, int);
int	 args_next(const struct args *, int);

#endif /* ARGS_H */
