/*
 * string.h, and what OpenBSD's has and other systems' may lack.
 */
#include_next <string.h>

#ifndef COMPAT_STRING_H
#define COMPAT_STRING_H

#ifndef HAVE_TIMINGSAFE_BCMP
int	 timingsafe_bcmp(const void *, const void *, size_t);
#endif

#endif /* COMPAT_STRING_H */
