/*
 * Passwords that were found right in the last minutes, so that a program
 * that logs in again and again does not cost a bcrypt each time.
 *
 * What is kept is a keyed hash over the user, the stored hash and the
 * password; the key is random and lives as long as this process, so that a
 * copy of this memory's table is worth nothing without it.  The stored hash
 * being part of it, a changed password is never found.  Wrong passwords are
 * not kept.  An entry lives CACHE_SECONDS from the real check on, however
 * often it is used.
 */
#include <stdlib.h>
#include <string.h>

#include "auth_int.h"
#include "hmac.h"

#define CACHE_SETS	1024
#define CACHE_WAYS	4

struct cache_entry {
	uint8_t	mac[HMAC_LEN];
	time_t	until;			/* 0: free */
};

static struct cache_entry	cache[CACHE_SETS][CACHE_WAYS];
static uint8_t			key[HMAC_LEN];

void
auth_cache_init(void)
{
	arc4random_buf(key, sizeof(key));
	auth_cache_flush();
}

void
auth_cache_flush(void)
{
	explicit_bzero(cache, sizeof(cache));
}

/* The NULs go along: "a" + "bc" must not be "ab" + "c". */
static struct cache_entry *
cache_set(const char *user, const char *hash, const char *secret,
    uint8_t mac[HMAC_LEN])
{
	struct hmac h;

	hmac_init(&h, key, sizeof(key));
	hmac_update(&h, user, strlen(user) + 1);
	hmac_update(&h, hash, strlen(hash) + 1);
	hmac_update(&h, secret, strlen(secret) + 1);
	hmac_final(&h, mac);
	return cache[(mac[0] | mac[1] << 8) % CACHE_SETS];
}

int
auth_cache_has(const char *user, const char *hash, const char *secret,
    time_t now)
{
	struct cache_entry	*set;
	uint8_t			 mac[HMAC_LEN];
	int			 i, found = 0;

	set = cache_set(user, hash, secret, mac);
	for (i = 0; i < CACHE_WAYS; i++)
		if (timingsafe_bcmp(set[i].mac, mac, sizeof(mac)) == 0 &&
		    set[i].until > now)
			found = 1;
	explicit_bzero(mac, sizeof(mac));
	return found;
}

void
auth_cache_put(const char *user, const char *hash, const char *secret,
    time_t now)
{
	struct cache_entry	*set;
	uint8_t			 mac[HMAC_LEN];
	int			 i, oldest = 0;

	set = cache_set(user, hash, secret, mac);
	for (i = 0; i < CACHE_WAYS; i++) {
		if (memcmp(set[i].mac, mac, sizeof(mac)) == 0) {
			oldest = i;
			break;
		}
		if (set[i].until < set[oldest].until)
			oldest = i;
	}
	memcpy(set[oldest].mac, mac, sizeof(mac));
	set[oldest].until = now + CACHE_SECONDS;
	explicit_bzero(mac, sizeof(mac));
}
