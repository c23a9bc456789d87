#include <string.h>

#include "hmac.h"

void
hmac_init(struct hmac *h, const void *key, size_t len)
{
	uint8_t	pad[HMAC_BLOCK];
	size_t	i;

	memset(pad, 0, sizeof(pad));
	memcpy(pad, key, len < sizeof(pad) ? len : sizeof(pad));
	for (i = 0; i < sizeof(pad); i++)
		pad[i] ^= 0x36;
	SHA256Init(&h->inner);
	SHA256Update(&h->inner, pad, sizeof(pad));
	for (i = 0; i < sizeof(pad); i++)
		pad[i] ^= 0x36 ^ 0x5c;
	SHA256Init(&h->outer);
	SHA256Update(&h->outer, pad, sizeof(pad));
	explicit_bzero(pad, sizeof(pad));
}

void
hmac_update(struct hmac *h, const void *p, size_t len)
{
	SHA256Update(&h->inner, p, len);
}

void
hmac_final(struct hmac *h, uint8_t mac[HMAC_LEN])
{
	uint8_t inner[HMAC_LEN];

	SHA256Final(inner, &h->inner);
	SHA256Update(&h->outer, inner, sizeof(inner));
	SHA256Final(mac, &h->outer);
	explicit_bzero(inner, sizeof(inner));
	explicit_bzero(h, sizeof(*h));
}
