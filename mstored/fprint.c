#include <string.h>

#include "fprint.h"

#define FPRINT_M1	UINT64_C(0x9fb21c651e98df25)
#define FPRINT_M2	UINT64_C(0xd6e8feb86659fd93)
#define FPRINT_BLOCK	16

static uint64_t
fprint_le64(const uint8_t *p)
{
	return (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 |
	    (uint64_t)p[3] << 24 | (uint64_t)p[4] << 32 |
	    (uint64_t)p[5] << 40 | (uint64_t)p[6] << 48 |
	    (uint64_t)p[7] << 56;
}

static uint64_t
fprint_mix(uint64_t h, uint64_t w, uint64_t m)
{
	h = (h ^ w) * m;
	return h ^ h >> 29;
}

/* Two lanes, so that one's multiplication overlaps the other's. */
static void
fprint_blocks(struct fprint *f, const uint8_t *p, size_t n)
{
	uint64_t a = f->h[0], b = f->h[1];

	for (; n >= FPRINT_BLOCK; n -= FPRINT_BLOCK, p += FPRINT_BLOCK) {
		a = fprint_mix(a, fprint_le64(p), FPRINT_M1);
		b = fprint_mix(b, fprint_le64(p + 8), FPRINT_M2);
	}
	f->h[0] = a;
	f->h[1] = b;
}

void
fprint_init(struct fprint *f)
{
	memset(f, 0, sizeof(*f));
	f->h[0] = FPRINT_M2;
	f->h[1] = FPRINT_M1;
}

void
fprint_add(struct fprint *f, const void *data, size_t len)
{
	const uint8_t	*p = data;
	size_t		 have = f->len % FPRINT_BLOCK, n;

	f->len += len;
	if (have > 0) {
		n = FPRINT_BLOCK - have < len ? FPRINT_BLOCK - have : len;
		memcpy(f->tail + have, p, n);
		if (have + n < FPRINT_BLOCK)
			return;
		fprint_blocks(f, f->tail, FPRINT_BLOCK);
		p += n;
		len -= n;
	}
	fprint_blocks(f, p, len);
	if (len % FPRINT_BLOCK > 0)
		memcpy(f->tail, p + len - len % FPRINT_BLOCK,
		    len % FPRINT_BLOCK);
}

uint64_t
fprint_end(const struct fprint *f)
{
	struct fprint	 g = *f;
	uint64_t	 h;
	size_t		 have = g.len % FPRINT_BLOCK;

	memset(g.tail + have, 0, FPRINT_BLOCK - have);
	fprint_blocks(&g, g.tail, FPRINT_BLOCK);
	h = fprint_mix(g.h[0], g.h[1] << 32 | g.h[1] >> 32, FPRINT_M1);
	h = fprint_mix(h, g.len, FPRINT_M2);
	return h ^ h >> 32;
}

uint64_t
fprint_of(const void *data, size_t len)
{
	struct fprint f;

	fprint_init(&f);
	fprint_add(&f, data, len);
	return fprint_end(&f);
}
