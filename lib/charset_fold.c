/*
 * UTF-8 made comparable, with utf8proc's tables.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <utf8proc.h>

#include "charset.h"
#include "charset_int.h"
#include "header_lex.h"
#include "json.h"

#define FOLD_OPTIONS	(UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT | \
			    UTF8PROC_CASEFOLD | UTF8PROC_IGNORE)
#define DECOMPOSED_MAX	32	/* Unicode's longest is 18 */

void
charset_fold_start(struct charset_fold *f)
{
	f->n = 0;
}

/* Marks by their class; those of one class keep their order. */
int
charset_fold_finish(struct charset_fold *f, struct ibuf *b)
{
	uint32_t	m;
	uint8_t		c;
	int		i, j, n = f->n;

	f->n = 0;
	for (i = 1; i < n; i++) {
		m = f->mark[i];
		c = f->ccc[i];
		for (j = i; j > 0 && f->ccc[j - 1] > c; j--) {
			f->mark[j] = f->mark[j - 1];
			f->ccc[j] = f->ccc[j - 1];
		}
		f->mark[j] = m;
		f->ccc[j] = c;
	}
	for (i = 0; i < n; i++)
		if (charset_put(b, f->mark[i]) == -1)
			return -1;
	return 0;
}

static int
fold_one(struct charset_fold *f, uint32_t cp, struct ibuf *b)
{
	utf8proc_propval_t ccc = utf8proc_get_property(
	    (utf8proc_int32_t)cp)->combining_class;

	if (ccc != 0 && f->n < CHARSET_MARKS) {
		f->mark[f->n] = cp;
		f->ccc[f->n++] = (uint8_t)ccc;
		return 0;
	}
	if (f->n > 0 && charset_fold_finish(f, b) == -1)
		return -1;
	return charset_put(b, cp);
}

static int
fold_char(struct charset_fold *f, uint32_t cp, struct ibuf *b)
{
	utf8proc_int32_t	d[DECOMPOSED_MAX];
	utf8proc_ssize_t	n, i;
	int			boundary = UTF8PROC_BOUNDCLASS_START;

	n = utf8proc_decompose_char((utf8proc_int32_t)cp, d, DECOMPOSED_MAX,
	    FOLD_OPTIONS, &boundary);
	if (n < 0 || n > DECOMPOSED_MAX)
		return fold_one(f, cp, b);
	for (i = 0; i < n; i++)
		if (fold_one(f, (uint32_t)d[i], b) == -1)
			return -1;
	return 0;
}

static int
fold_ascii(struct charset_fold *f, const char *p, size_t len, struct ibuf *b)
{
	char	*o;
	size_t	 i;

	if (f->n > 0 && charset_fold_finish(f, b) == -1)
		return -1;
	if ((o = ibuf_reserve(b, len)) == NULL)
		return -1;
	for (i = 0; i < len; i++)
		o[i] = (char)lex_lower(p[i]);
	return 0;
}

int
charset_fold_feed(struct charset_fold *f, const char *p, size_t len,
    struct ibuf *b)
{
	const char	*end = p + len, *run;
	uint32_t	 cp;
	size_t		 n;
	int		 r;

	while (p < end) {
		for (run = p; p < end && (unsigned char)*p < 0x80; p++)
			;
		if (p > run) {
			if (fold_ascii(f, run, (size_t)(p - run), b) == -1)
				return -1;
			continue;
		}
		n = utf8_decode(p, (size_t)(end - p), &cp);
		r = fold_char(f, n == 0 ? REPLACEMENT : cp, b);
		if (r == -1)
			return -1;
		p += n == 0 ? 1 : n;
	}
	return 0;
}

int
charset_fold(struct ibuf *b, const char *p, size_t len)
{
	struct charset_fold f;

	charset_fold_start(&f);
	if (charset_fold_feed(&f, p, len, b) == -1)
		return -1;
	return charset_fold_finish(&f, b);
}

/* The NFC of a text, to be freed; NULL with errno. */
static utf8proc_uint8_t *
nfc(const char *p, size_t len, utf8proc_ssize_t *outlen)
{
	utf8proc_uint8_t *out = NULL;

	if (!utf8_valid(p, len)) {
		errno = EILSEQ;
		return NULL;
	}
	*outlen = utf8proc_map((const utf8proc_uint8_t *)p,
	    (utf8proc_ssize_t)len, &out, UTF8PROC_STABLE | UTF8PROC_COMPOSE);
	if (*outlen < 0) {
		errno = *outlen == UTF8PROC_ERROR_NOMEM ? ENOMEM : EILSEQ;
		return NULL;
	}
	return out;
}

/* Nothing below U+0300 has another form in NFC. */
static int
plain_nfc(const char *p, size_t len)
{
	for (; len > 0; p++, len--)
		if ((unsigned char)*p >= 0xcc)
			return 0;
	return 1;
}

int
charset_is_nfc(const char *p, size_t len)
{
	utf8proc_uint8_t	*out;
	utf8proc_ssize_t	 n;
	int			 same;

	if (plain_nfc(p, len))
		return utf8_valid(p, len);
	if ((out = nfc(p, len, &n)) == NULL)
		return 0;
	same = (size_t)n == len && memcmp(out, p, len) == 0;
	free(out);
	return same;
}

int
charset_nfc(struct ibuf *b, const char *p, size_t len)
{
	utf8proc_uint8_t	*out;
	utf8proc_ssize_t	 n;
	int			 r;

	if ((out = nfc(p, len, &n)) == NULL)
		return -1;
	r = ibuf_add(b, out, (size_t)n);
	free(out);
	return r;
}
