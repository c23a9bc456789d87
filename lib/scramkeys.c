#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <utf8proc.h>

#include "json.h"
#include "scramkeys.h"

static void
keys_hmac(uint8_t *out, const void *key, size_t keylen, const void *p,
    size_t len, const void *q, size_t qlen)
{
	struct hmac h;

	hmac_init(&h, key, keylen);
	hmac_update(&h, p, len);
	hmac_update(&h, q, qlen);
	hmac_final(&h, out);
}

/* Hi() of RFC 5802, 2.2: one block of PBKDF2. */
static void
keys_hi(uint8_t *out, const uint8_t *key, size_t keylen,
    const struct scramkeys *k)
{
	static const uint8_t	one[4] = { 0, 0, 0, 1 };
	uint8_t			u[HMAC_LEN];
	uint32_t		i;
	size_t			n;

	keys_hmac(u, key, keylen, k->salt, k->saltlen, one, sizeof(one));
	memcpy(out, u, sizeof(u));
	for (i = 1; i < k->iterations; i++) {
		keys_hmac(u, key, keylen, u, sizeof(u), "", 0);
		for (n = 0; n < sizeof(u); n++)
			out[n] ^= u[n];
	}
	explicit_bzero(u, sizeof(u));
}

static void
keys_derive(struct scramkeys *k, const uint8_t *key, size_t keylen)
{
	uint8_t		salted[HMAC_LEN], client[HMAC_LEN];
	uint8_t		digest[SHA256_DIGEST_LENGTH];
	SHA2_CTX	ctx;

	/* a longer key is its digest (RFC 2104, 2) */
	if (keylen > HMAC_BLOCK) {
		SHA256Init(&ctx);
		SHA256Update(&ctx, key, keylen);
		SHA256Final(digest, &ctx);
		key = digest;
		keylen = sizeof(digest);
	}
	keys_hi(salted, key, keylen, k);
	keys_hmac(client, salted, sizeof(salted), "Client Key", 10, "", 0);
	SHA256Init(&ctx);
	SHA256Update(&ctx, client, sizeof(client));
	SHA256Final(k->stored, &ctx);
	keys_hmac(k->server, salted, sizeof(salted), "Server Key", 10, "", 0);
	explicit_bzero(salted, sizeof(salted));
	explicit_bzero(client, sizeof(client));
	explicit_bzero(digest, sizeof(digest));
	explicit_bzero(&ctx, sizeof(ctx));
}

int
scramkeys_make(struct scramkeys *k, const char *password, size_t len)
{
	utf8proc_uint8_t	*text;
	utf8proc_ssize_t	 n;
	size_t			 i;

	for (i = 0; i < len && (unsigned char)password[i] < 0x80; i++)
		;
	if (i == len || !utf8_valid(password, len)) {
		keys_derive(k, (const uint8_t *)password, len);
		return 0;
	}
	n = utf8proc_map((const utf8proc_uint8_t *)password,
	    (utf8proc_ssize_t)len, &text, UTF8PROC_STABLE |
	    UTF8PROC_COMPOSE | UTF8PROC_COMPAT | UTF8PROC_IGNORE);
	if (n < 0) {
		errno = ENOMEM;
		return -1;
	}
	keys_derive(k, text, (size_t)n);
	explicit_bzero(text, (size_t)n);
	free(text);
	return 0;
}
