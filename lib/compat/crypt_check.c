#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifndef __OpenBSD__
#include <crypt.h>
#endif

#include "crypt_check.h"

#ifdef __OpenBSD__
int
crypt_check(const char *password, const char *hash)
{
	return crypt_checkpass(password, hash) == 0;
}
#else
int
crypt_check(const char *password, const char *hash)
{
	struct crypt_data	*d;
	const char		*made;
	size_t			 len = strlen(hash);
	int			 match = 0;

	if (len == 0 || (d = calloc(1, sizeof(*d))) == NULL)
		return 0;
	made = crypt_r(password, hash, d);
	/* "*0" and "*1" stand for a failure, and never match */
	if (made != NULL && made[0] != '*' && strlen(made) == len)
		match = timingsafe_bcmp(made, hash, len) == 0;
	freezero(d, sizeof(*d));
	return match;
}
#endif
