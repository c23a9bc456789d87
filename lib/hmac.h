/*
 * HMAC (RFC 2104) with SHA-256 from the system's library (libc, or libmd):
 * it allocates nothing, opens nothing, and works in a process that may call
 * next to nothing.
 *
 * Keys are of at most HMAC_BLOCK bytes.  hmac_final() wipes the struct.
 */
#ifndef HMAC_H
#define HMAC_H

#include <sys/types.h>
#include <stdint.h>
#include <sha2.h>

#define HMAC_LEN	SHA256_DIGEST_LENGTH
#define HMAC_BLOCK	SHA256_BLOCK_LENGTH

struct hmac {
	SHA2_CTX	 inner;
	SHA2_CTX	 outer;
};

void	 hmac_init(struct hmac *, const void *, size_t);
void	 hmac_update(struct hmac *, const void *, size_t);
void	 hmac_final(struct hmac *, uint8_t[HMAC_LEN]);

#endif /* HMAC_H */
