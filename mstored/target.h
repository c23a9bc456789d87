/*
 * The target of a request (RFC 9112, 3.2): path segments and query
 * parameters, found without decoding.  A path is split at "/" before its
 * segments are decoded, so that an account's name may hold one.
 *
 * Everything points into the request's head.
 */
#ifndef TARGET_H
#define TARGET_H

#include <sys/types.h>

#include "http.h"

#define TARGET_SEGS	8

struct target {
	struct http_str	 seg[TARGET_SEGS];
	int		 nseg;
	struct http_str	 query;		/* p NULL: there is none */
};

/*
 * Takes the origin form and the absolute form.  Empty segments count; a
 * path that ends with "/" has an empty last one.  0, or -1 for anything
 * else and for more segments than TARGET_SEGS.
 */
int	 target_parse(struct target *, const struct http_str *);
/* Is this segment, as it was sent, that text? */
int	 target_is(const struct target *, int, const char *);
/*
 * A segment or a query parameter decoded into a NUL-ended buffer.  Returns
 * its length; -1 for a broken escape, a NUL, or too long.  A parameter
 * that is not there gives -2; of several with one name the first counts.
 */
ssize_t	 target_seg(const struct target *, int, char *, size_t);
ssize_t	 target_param(const struct target *, const char *, char *, size_t);

#endif /* TARGET_H */
