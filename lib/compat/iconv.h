/*
 * iconv.h, or, on a system without it (OpenBSD's base), an iconv that
 * knows no set.
 */
#ifndef LACK_ICONV
#include_next <iconv.h>
#elif !defined(COMPAT_ICONV_H)
#define COMPAT_ICONV_H

#include <errno.h>
#include <stddef.h>

typedef void *iconv_t;

static inline iconv_t
iconv_open(const char *to, const char *from)
{
	errno = EINVAL;
	return (iconv_t)-1;
}

static inline size_t
iconv(iconv_t h, char **in, size_t *inleft, char **out, size_t *outleft)
{
	errno = EBADF;
	return (size_t)-1;
}

static inline int
iconv_close(iconv_t h)
{
	errno = EBADF;
	return -1;
}

#endif /* COMPAT_ICONV_H */
