/*
 * What a server keeps of a password for SCRAM-SHA-256 (RFC 5802, 3;
 * RFC 7677): enough to check that somebody has it, too little to log in
 * elsewhere.  But who has it can play the server to its owner: keep it as
 * secret as a hash.
 */
#ifndef SCRAMKEYS_H
#define SCRAMKEYS_H

#include <sys/types.h>
#include <stdint.h>

#include "hmac.h"

#define SCRAM_SALT		16	/* bytes of ours */
#define SCRAM_SALT_MAX		64
#define SCRAM_ITERATIONS	10000	/* of ours */

struct scramkeys {
	uint32_t	 iterations;
	size_t		 saltlen;
	uint8_t		 salt[SCRAM_SALT_MAX];
	uint8_t		 stored[HMAC_LEN];
	uint8_t		 server[HMAC_LEN];
};

/*
 * Fills in the keys for the salt and the iterations that are there.  The
 * password is UTF-8 and is prepared as RFC 4013 wants it; what is not UTF-8
 * is taken as it is.  0, or -1 with ENOMEM.
 */
int	 scramkeys_make(struct scramkeys *, const char *, size_t);

#endif /* SCRAMKEYS_H */
