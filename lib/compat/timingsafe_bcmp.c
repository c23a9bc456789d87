#include <string.h>

#ifndef HAVE_TIMINGSAFE_BCMP
/* Takes as long whatever the bytes are; 0 if they are the same. */
int
timingsafe_bcmp(const void *a, const void *b, size_t len)
{
	const unsigned char	*p = a, *q = b;
	unsigned char		 diff = 0;

	for (; len > 0; len--)
		diff |= *p++ ^ *q++;
	return diff != 0;
}
#else
typedef int timingsafe_bcmp_is_in_libc;
#endif
