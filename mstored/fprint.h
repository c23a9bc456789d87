/*
 * A 64-bit fingerprint of bytes that come in pieces: does a repeated
 * request have the same body?  How the bytes were cut plays no part, and
 * the result is the same on every machine, since the store keeps it.  It
 * tells accidents apart, not forgeries.
 */
#ifndef FPRINT_H
#define FPRINT_H

#include <sys/types.h>
#include <stdint.h>

struct fprint {
	uint64_t	h[2];
	uint64_t	len;
	uint8_t		tail[16];	/* bytes that fill no block yet */
};

void	 fprint_init(struct fprint *);
void	 fprint_add(struct fprint *, const void *, size_t);
uint64_t fprint_end(const struct fprint *);
/* The same in one call. */
uint64_t fprint_of(const void *, size_t);

#endif /* FPRINT_H */
