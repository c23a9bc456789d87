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
/*
 * libxcrypt's crypt_rn() says NULL for a failure; others' crypt_r() may say
 * "*0" or "*1", which never match.
 */
static const char *
crypt_hash(const char *password, const char *hash, struct crypt_data *d)
{
#ifdef XCRYPT_VERSION_MAJOR
	return crypt_rn(password, hash, d, sizeof(*d));
#else
	return crypt_r(password, hash, d);
#endif
}

int
crypt_check(const char *password, const char *hash)
{
	struct crypt_data	*d;
	const char		*made;
	size_t			 len = strlen(hash);
	int			 match = 0;

	if (len == 0 || (d = calloc(1, sizeof(*d))) == NULL)
		return 0;
	made = crypt_hash(password, hash, d);
	if (made != NULL && made[0] != '*' && strlen(made) == len)
		match = timingsafe_bcmp(made, hash, len) == 0;
	freezero(d, sizeof(*d));
	return match;
}
#endif
