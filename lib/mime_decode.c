#include <string.h>

#include "header_lex.h"
#include "mime.h"

enum { QP_TEXT, QP_EQUALS, QP_HEX, QP_BREAK };

/* Values of the base64 alphabet, 0xff for what is not in it. */
static const uint8_t b64[256] = {
#define XX	0xff
#define XX8	XX, XX, XX, XX, XX, XX, XX, XX
#define XX32	XX8, XX8, XX8, XX8
	XX32,
	XX8, XX, XX, XX, 62, XX, XX, XX, 63,
	52, 53, 54, 55, 56, 57, 58, 59, 60, 61, XX, XX, XX, XX, XX, XX,
	XX, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14,
	15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, XX, XX, XX, XX, XX,
	XX, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40,
	41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, XX, XX, XX, XX, XX,
	XX32, XX32, XX32, XX32
#undef XX32
#undef XX8
#undef XX
};

enum mime_encoding
mime_encoding(const struct hstr *s)
{
	struct header_iter	it;
	struct hstr		token;

	if (s->p == NULL || !header_token(&it, s->p, s->len, &token))
		return MIME_IDENTITY;
	if (hstr_is(&token, "base64"))
		return MIME_BASE64;
	if (hstr_is(&token, "quoted-printable"))
		return MIME_QP;
	return MIME_IDENTITY;
}

void
mime_decode_start(struct mime_decoder *d, enum mime_encoding enc)
{
	d->enc = enc;
	d->bits = 0;
	d->nbits = 0;
	d->state = QP_TEXT;
	d->nhold = 0;
}

/* Whole groups of four, the usual case; returns how far it came. */
static const uint8_t *
base64_groups(const uint8_t *p, const uint8_t *end, char **out)
{
	uint32_t	a, b, c, d;
	char		*o = *out;

	while (end - p >= 4) {
		a = b64[p[0]];
		b = b64[p[1]];
		c = b64[p[2]];
		d = b64[p[3]];
		if ((a | b | c | d) & 0xc0)
			break;
		o[0] = (char)(a << 2 | b >> 4);
		o[1] = (char)(b << 4 | c >> 2);
		o[2] = (char)(c << 6 | d);
		o += 3;
		p += 4;
	}
	*out = o;
	return p;
}

/*
 * Padding ends a group; another may follow, as where two encoded texts were
 * put together.
 */
static size_t
base64_decode(struct mime_decoder *d, const uint8_t *p, size_t len, char *out)
{
	const uint8_t	*end = p + len;
	char		*o = out;
	uint8_t		 v;

	for (; p < end; p++) {
		if (d->nbits == 0 &&
		    (p = base64_groups(p, end, &o)) == end)
			break;
		if (*p == '=') {
			d->nbits = 0;
			continue;
		}
		if ((v = b64[*p]) == 0xff)
			continue;
		d->bits = d->bits << 6 | v;
		d->nbits += 6;
		if (d->nbits >= 8) {
			d->nbits -= 8;
			*o++ = (char)(d->bits >> d->nbits);
		}
	}
	return (size_t)(o - out);
}

static char *
qp_flush(struct mime_decoder *d, char *o)
{
	memcpy(o, d->hold, d->nhold);
	o += d->nhold;
	d->nhold = 0;
	return o;
}

/* White space waits: at the end of a line it is not text. */
static char *
qp_text(struct mime_decoder *d, char c, char *o)
{
	int cr;

	switch (c) {
	case '=':
		d->state = QP_EQUALS;
		return qp_flush(d, o);
	case ' ':
	case '\t':
	case '\r':
		if (d->nhold == sizeof(d->hold))
			o = qp_flush(d, o);
		d->hold[d->nhold++] = c;
		return o;
	case '\n':
		cr = d->nhold > 0 && d->hold[d->nhold - 1] == '\r';
		d->nhold = 0;
		if (cr)
			*o++ = '\r';
		*o++ = '\n';
		return o;
	}
	o = qp_flush(d, o);
	*o++ = c;
	return o;
}

/* Behind an '=': a soft line break, two digits, or something broken. */
static char *
qp_escape(struct mime_decoder *d, char c, char *o)
{
	int was = d->state, byte;

	d->state = QP_TEXT;
	if (was == QP_HEX) {
		if ((byte = lex_hex2(d->hold[0], c)) != -1) {
			*o++ = (char)byte;
			d->nhold = 0;
			return o;
		}
		*o++ = '=';
		return qp_text(d, c, qp_flush(d, o));
	}
	if (c == '\n')
		return o;
	if (lex_space(c)) {
		d->state = QP_BREAK;
		return o;
	}
	if (was == QP_EQUALS && lex_hex(c) != -1) {
		d->state = QP_HEX;
		d->hold[0] = c;
		d->nhold = 1;
		return o;
	}
	*o++ = '=';
	if (was == QP_BREAK)
		*o++ = ' ';
	return qp_text(d, c, o);
}

static int
qp_plain(uint8_t c)
{
	return c > ' ' && c != '=';
}

/* Behind plain characters, and the single spaces between them. */
static const uint8_t *
qp_run(const uint8_t *p, const uint8_t *end)
{
	for (; p < end; p++)
		if (!qp_plain(*p) && (*p != ' ' || end - p < 2 ||
		    !qp_plain(p[1])))
			break;
	return p;
}

static size_t
qp_decode(struct mime_decoder *d, const uint8_t *p, size_t len, char *out)
{
	const uint8_t	*end = p + len, *run;
	char		*o = out;

	while (p < end) {
		if (d->state != QP_TEXT) {
			o = qp_escape(d, (char)*p++, o);
			continue;
		}
		o = qp_text(d, (char)*p++, o);
		if (d->nhold > 0 || d->state != QP_TEXT)
			continue;
		run = p;
		p = qp_run(p, end);
		memcpy(o, run, (size_t)(p - run));
		o += p - run;
	}
	return (size_t)(o - out);
}

size_t
mime_decode(struct mime_decoder *d, const void *p, size_t len, char *out)
{
	switch (d->enc) {
	case MIME_BASE64:
		return base64_decode(d, p, len, out);
	case MIME_QP:
		return qp_decode(d, p, len, out);
	case MIME_IDENTITY:
		break;
	}
	if (len > 0)
		memcpy(out, p, len);
	return len;
}

size_t
mime_decode_finish(struct mime_decoder *d, char *out)
{
	size_t n = 0;

	if (d->enc == MIME_QP && d->state == QP_HEX) {
		out[n++] = '=';
		out[n++] = d->hold[0];
	}
	mime_decode_start(d, d->enc);
	return n;
}
