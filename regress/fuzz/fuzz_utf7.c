/*
 * Modified UTF-7, base64, SASL PLAIN, LIST: decoding is the inverse of
 * encoding, and a text has one encoded form only.
 */
#include <stdlib.h>
#include <string.h>

#include "base64.h"
#include "fuzz.h"
#include "listmatch.h"
#include "saslplain.h"
#include "utf7.h"

const struct fuzz_seed fuzz_seeds[] = {
	FUZZ_SEED("~peter/mail/&U,BTFw-/&ZeVnLIqe-"),
	FUZZ_SEED("&2D3eAA-&-x&AOk-"),
	FUZZ_SEED("Entw\xc3\xbcrfe & \xf0\x9f\x98\x80"),
	FUZZ_SEED("AHRpbQB0YW5zdGFhZnRhbnN0YWFm"),
	FUZZ_SEED("Zm9vYg=="),
	FUZZ_SEED("x\0tim\0tanstaaf"),
	FUZZ_SEED("*%a%/b*\0inbox/ab/cb"),
};
const size_t fuzz_nseeds = sizeof(fuzz_seeds) / sizeof(fuzz_seeds[0]);

static char *
room(size_t n)
{
	char	*p;

	if ((p = malloc(n + 1)) == NULL)
		abort();
	return p;
}

static void
utf7(const char *p, size_t len)
{
	char	*a = room(UTF7_ENCODED_MAX(len)), *b;
	ssize_t	 n, m;

	if ((n = utf7_encode(a, UTF7_ENCODED_MAX(len), p, len)) != -1) {
		b = room(len);
		m = utf7_decode(b, len, a, (size_t)n);
		if (m != (ssize_t)len || memcmp(b, p, len) != 0)
			abort();
		free(b);
	}
	free(a);
	a = room(UTF7_DECODED_MAX(len));
	if ((n = utf7_decode(a, UTF7_DECODED_MAX(len), p, len)) != -1) {
		b = room(len);
		m = utf7_encode(b, len, a, (size_t)n);
		if (m != (ssize_t)len || memcmp(b, p, len) != 0)
			abort();
		free(b);
	}
	free(a);
}

static void
base64(const char *p, size_t len)
{
	char	*a = room(BASE64_LEN(len)), *b;
	ssize_t	 n, m;

	n = base64_encode(a, BASE64_LEN(len), p, len);
	b = room(len);
	m = base64_decode(b, len, a, (size_t)n);
	if (m != (ssize_t)len || memcmp(b, p, len) != 0)
		abort();
	free(a);
	free(b);
	a = room(BASE64_DECODED_MAX(len));
	if ((n = base64_decode(a, BASE64_DECODED_MAX(len), p, len)) != -1) {
		b = room(len);
		m = base64_encode(b, len, a, (size_t)n);
		if (m != (ssize_t)len || memcmp(b, p, len) != 0)
			abort();
		free(b);
	}
	free(a);
}

static void
plain(const char *p, size_t len)
{
	struct saslplain	m;

	if (saslplain_parse(&m, p, len) == 0 &&
	    (m.authzidlen + m.authcidlen + m.passlen + 2 != len ||
	    strlen(m.authcid) != m.authcidlen))
		abort();
}

/* What matches a name matches something below the level above it. */
static void
below(const char *p, const char *name, size_t n)
{
	size_t	at = n;
	char	*dir;

	while (at > 0 && name[at - 1] != '/')
		at--;
	if (at < 2 || at == n || memchr(name, '\0', n) != NULL)
		return;
	dir = room(at);
	memcpy(dir, name, at - 1);
	dir[at - 1] = '\0';
	if (!list_match_below(p, dir, NULL, 0))
		abort();
	free(dir);
}

/* A pattern and a name; a "*" more in front only ever matches more. */
static void
list(const char *p, size_t len)
{
	const char	*name = memchr(p, '\0', len);
	char		*pat;
	size_t		 n;
	int		 is;

	if (name == NULL || name - p > LIST_PATTERN_MAX)
		return;
	name++;
	n = len - (size_t)(name - p);
	is = list_match(p, name, n);
	pat = room((size_t)(name - p) + 1);
	pat[0] = '*';
	memcpy(pat + 1, p, (size_t)(name - p));
	if (is && !list_match(pat, name, n))
		abort();
	free(pat);
	if (is)
		below(p, name, n);
	list_name_ok(name, n);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const char	*p = (const char *)data;

	utf7(p, len);
	base64(p, len);
	plain(p, len);
	list(p, len);
	return 0;
}
