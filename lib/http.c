#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "http.h"
#include "ibuf.h"

#define CHUNK_LINE_MAX	1024	/* size line with extensions, or trailer */
#define LENGTH_MAX	((uint64_t)1 << 62)

/* tchar of RFC 9110, 5.6.2 */
static int
is_tchar(unsigned char c)
{
	if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
	    (c >= 'A' && c <= 'Z'))
		return 1;
	return c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

int
http_str_is(const struct http_str *s, const char *text)
{
	return strlen(text) == s->len && strncasecmp(s->p, text, s->len) == 0;
}

const struct http_str *
http_field(const struct http_head *h, const char *name)
{
	int i;

	for (i = 0; i < h->nfields; i++)
		if (http_str_is(&h->field[i].name, name))
			return &h->field[i].value;
	return NULL;
}

static int
list_has(const struct http_str *v, const char *token)
{
	struct http_str	 t;
	const char	*p = v->p, *end = v->p + v->len;

	while (p < end) {
		while (p < end && (*p == ',' || *p == ' ' || *p == '\t'))
			p++;
		t.p = p;
		while (p < end && *p != ',' && *p != ' ' && *p != '\t')
			p++;
		t.len = (size_t)(p - t.p);
		if (http_str_is(&t, token))
			return 1;
	}
	return 0;
}

int
http_has_token(const struct http_head *h, const char *name,
    const char *token)
{
	int i;

	for (i = 0; i < h->nfields; i++)
		if (http_str_is(&h->field[i].name, name) &&
		    list_has(&h->field[i].value, token))
			return 1;
	return 0;
}

/*
 * The next line, without its end.  Returns the bytes used, 0 when it is
 * not complete, -1 for a control character inside.
 */
static ssize_t
head_line(const char *p, size_t len, int barelf, struct http_str *line)
{
	const char	*nl;
	size_t		 n, i;

	if ((nl = memchr(p, '\n', len)) == NULL)
		return 0;
	n = (size_t)(nl - p);
	line->p = p;
	line->len = n;
	if (n > 0 && p[n - 1] == '\r')
		line->len--;
	else if (!barelf)
		return -1;
	for (i = 0; i < line->len; i++)
		if (p[i] == '\r' || p[i] == '\0')
			return -1;
	return (ssize_t)n + 1;
}

static int
field_parse(struct http_head *h, const struct http_str *line)
{
	struct http_field	*f;
	const char		*colon, *p, *end = line->p + line->len;

	if (h->nfields == HTTP_FIELDS_MAX ||
	    (colon = memchr(line->p, ':', line->len)) == NULL ||
	    colon == line->p)
		return -1;
	for (p = line->p; p < colon; p++)
		if (!is_tchar((unsigned char)*p))
			return -1;
	f = &h->field[h->nfields++];
	f->name.p = line->p;
	f->name.len = (size_t)(colon - line->p);
	for (p = colon + 1; p < end && (*p == ' ' || *p == '\t'); p++)
		;
	while (end > p && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	f->value.p = p;
	f->value.len = (size_t)(end - p);
	return 0;
}

static int
length_parse(const struct http_str *s, uint64_t *v)
{
	size_t i;

	*v = 0;
	if (s->len == 0 || s->len > 19)
		return -1;
	for (i = 0; i < s->len; i++) {
		if (s->p[i] < '0' || s->p[i] > '9')
			return -1;
		*v = *v * 10 + (uint64_t)(s->p[i] - '0');
	}
	return *v > LENGTH_MAX ? -1 : 0;
}

/* RFC 9112, 6.3: how long is the body?  Never two answers. */
static int
head_framing(struct http_head *h)
{
	const struct http_field	*f;
	uint64_t		 v;
	int			 i, te = 0, cl = 0;

	for (i = 0; i < h->nfields; i++) {
		f = &h->field[i];
		if (http_str_is(&f->name, "Transfer-Encoding")) {
			if (te++ || !http_str_is(&f->value, "chunked"))
				return -1;
		} else if (http_str_is(&f->name, "Content-Length")) {
			if (length_parse(&f->value, &v) == -1 ||
			    (cl++ && v != h->length))
				return -1;
			h->length = v;
		}
	}
	if (te && cl)
		return -1;
	if (te)
		h->framing = HTTP_CHUNKED;
	else if (cl)
		h->framing = HTTP_LENGTH;
	if (h->minor == 0)
		h->keepalive = http_has_token(h, "Connection", "keep-alive");
	else
		h->keepalive = !http_has_token(h, "Connection", "close");
	return 0;
}

/* "HTTP/1.x" */
static int
version_parse(struct http_head *h, const char *p, size_t len)
{
	if (len != 8 || memcmp(p, "HTTP/1.", 7) != 0 ||
	    p[7] < '0' || p[7] > '9')
		return -1;
	h->minor = p[7] - '0';
	return 0;
}

static int
request_line(struct http_head *h, const struct http_str *l)
{
	const char	*sp, *p = l->p, *end = l->p + l->len;
	size_t		 i;

	if ((sp = memchr(p, ' ', l->len)) == NULL || sp == p)
		return -1;
	h->method.p = p;
	h->method.len = (size_t)(sp - p);
	for (i = 0; i < h->method.len; i++)
		if (!is_tchar((unsigned char)p[i]))
			return -1;
	p = sp + 1;
	if ((sp = memchr(p, ' ', (size_t)(end - p))) == NULL || sp == p)
		return -1;
	h->target.p = p;
	h->target.len = (size_t)(sp - p);
	for (; p < sp; p++)
		if ((unsigned char)*p <= ' ' || (unsigned char)*p >= 0x7f)
			return -1;
	return version_parse(h, sp + 1, (size_t)(end - sp - 1));
}

static int
status_line(struct http_head *h, const struct http_str *l)
{
	const char *p = l->p;

	if (l->len < 12 || version_parse(h, p, 8) == -1 || p[8] != ' ' ||
	    p[9] < '1' || p[9] > '5' || p[10] < '0' || p[10] > '9' ||
	    p[11] < '0' || p[11] > '9' || (l->len > 12 && p[12] != ' '))
		return -1;
	h->status = (p[9] - '0') * 100 + (p[10] - '0') * 10 + (p[11] - '0');
	return 0;
}

static ssize_t
head_parse(struct http_head *h, const char *p, size_t len, int request)
{
	struct http_str	 line;
	ssize_t		 n, used;

	memset(h, 0, offsetof(struct http_head, field));
	if ((used = head_line(p, len, !request, &line)) <= 0)
		return used;
	if ((request ? request_line(h, &line) : status_line(h, &line)) == -1)
		return -1;
	for (;;) {
		n = head_line(p + used, len - (size_t)used, !request, &line);
		if (n <= 0)
			return n;
		used += n;
		if (line.len == 0)
			break;
		if (field_parse(h, &line) == -1)
			return -1;
	}
	return head_framing(h) == -1 ? -1 : used;
}

ssize_t
http_request(struct http_head *h, const char *p, size_t len)
{
	ssize_t n;

	if ((n = head_parse(h, p, len, 1)) <= 0)
		return n;
	h->expect = h->minor > 0 && http_has_token(h, "Expect",
	    "100-continue");
	/* chunked is unknown to HTTP/1.0: do not guess where it ends */
	if (h->minor == 0 && h->framing == HTTP_CHUNKED)
		return -1;
	return n;
}

ssize_t
http_response(struct http_head *h, const char *p, size_t len,
    const char *method)
{
	ssize_t n;

	if ((n = head_parse(h, p, len, 0)) <= 0)
		return n;
	if (h->status < 200 || h->status == 204 || h->status == 304 ||
	    strcmp(method, "HEAD") == 0) {
		h->framing = HTTP_NOBODY;
	} else if (h->framing == HTTP_NOBODY) {
		h->framing = HTTP_UNTIL_CLOSE;
		h->keepalive = 0;
	}
	return n;
}

/* bodies */

enum chunk_state {
	CHUNK_SIZE,		/* in the hex digits */
	CHUNK_EXT,		/* behind them, to the end of the line */
	CHUNK_DATA,
	CHUNK_DATA_CR,		/* the line end behind the data */
	CHUNK_DATA_LF,
	CHUNK_TRAILER,		/* at the start of a trailer line */
	CHUNK_TRAILER_LINE,	/* inside one */
	CHUNK_LAST_LF,		/* behind the CR of the empty line */
	CHUNK_DONE
};

void
http_body_init(struct http_body *b, const struct http_head *h)
{
	memset(b, 0, sizeof(*b));
	b->framing = h->framing;
	if (h->framing == HTTP_LENGTH)
		b->left = h->length;
	else if (h->framing == HTTP_CHUNKED)
		b->state = CHUNK_SIZE;
}

static int
chunk_size_digit(struct http_body *b, unsigned char c)
{
	int v;

	if (c >= '0' && c <= '9')
		v = c - '0';
	else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
		v = (c | 0x20) - 'a' + 10;
	else
		return 0;
	if (b->left > LENGTH_MAX >> 4)
		return -1;
	b->left = b->left << 4 | (uint64_t)v;
	return 1;
}

/* One byte of framing; -1 if it must not stand here. */
static int
chunk_byte(struct http_body *b, unsigned char c)
{
	int r;

	switch (b->state) {
	case CHUNK_SIZE:
		if ((r = chunk_size_digit(b, c)) != 0) {
			b->line++;
			return r == 1 && b->line <= 16 ? 0 : -1;
		}
		if (b->line == 0)
			return -1;
		b->state = CHUNK_EXT;
		/* FALLTHROUGH */
	case CHUNK_EXT:
		if (++b->line > CHUNK_LINE_MAX)
			return -1;
		if (c == '\n') {
			b->line = 0;
			b->state = b->left > 0 ? CHUNK_DATA : CHUNK_TRAILER;
		}
		return 0;
	case CHUNK_DATA_CR:
		b->state = c == '\r' ? CHUNK_DATA_LF : CHUNK_SIZE;
		return c == '\r' || c == '\n' ? 0 : -1;
	case CHUNK_DATA_LF:
		b->state = CHUNK_SIZE;
		return c == '\n' ? 0 : -1;
	case CHUNK_TRAILER:
		b->state = c == '\r' ? CHUNK_LAST_LF :
		    c == '\n' ? CHUNK_DONE : CHUNK_TRAILER_LINE;
		return 0;
	case CHUNK_TRAILER_LINE:
		if (c == '\n')
			b->state = CHUNK_TRAILER;
		return ++b->line > HTTP_HEAD_MAX ? -1 : 0;
	case CHUNK_LAST_LF:
		b->state = CHUNK_DONE;
		return c == '\n' ? 0 : -1;
	}
	return -1;
}

/* Counted bytes out of what has come in; moves both. */
static void
body_take(struct http_body *b, const unsigned char *p, size_t len,
    size_t *used, const void **data, size_t *dlen)
{
	size_t n = len - *used;

	if (b->framing != HTTP_UNTIL_CLOSE && n > b->left)
		n = (size_t)b->left;
	*data = p + *used;
	*dlen = n;
	*used += n;
	if (b->framing != HTTP_UNTIL_CLOSE)
		b->left -= n;
}

int
http_body_next(struct http_body *b, const void *in, size_t len, size_t *used,
    const void **data, size_t *dlen)
{
	const unsigned char *p = in;

	*used = *dlen = 0;
	*data = NULL;
	switch (b->framing) {
	case HTTP_NOBODY:
		return 1;
	case HTTP_UNTIL_CLOSE:
		body_take(b, p, len, used, data, dlen);
		return 0;
	case HTTP_LENGTH:
		body_take(b, p, len, used, data, dlen);
		return b->left == 0;
	case HTTP_CHUNKED:
		break;
	}
	while (*used < len && b->state != CHUNK_DATA &&
	    b->state != CHUNK_DONE)
		if (chunk_byte(b, p[(*used)++]) == -1)
			return -1;
	if (b->state == CHUNK_DATA && *used < len) {
		body_take(b, p, len, used, data, dlen);
		if (b->left == 0)
			b->state = CHUNK_DATA_CR;
	}
	return b->state == CHUNK_DONE;
}

int
http_body_eof(const struct http_body *b)
{
	switch (b->framing) {
	case HTTP_NOBODY:
	case HTTP_UNTIL_CLOSE:
		return 1;
	case HTTP_LENGTH:
		return b->left == 0 ? 1 : -1;
	case HTTP_CHUNKED:
		return b->state == CHUNK_DONE ? 1 : -1;
	}
	return -1;
}

/* percent-coding */

static int
hexdigit(unsigned char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

ssize_t
http_pct_decode(char *out, size_t outlen, const char *p, size_t len)
{
	size_t	i, n = 0;
	int	c, h, l;

	for (i = 0; i < len; i++) {
		c = (unsigned char)p[i];
		if (c == '%') {
			if (len - i < 3 ||
			    (h = hexdigit((unsigned char)p[i + 1])) == -1 ||
			    (l = hexdigit((unsigned char)p[i + 2])) == -1)
				return -1;
			c = h << 4 | l;
			i += 2;
		}
		if (c == '\0' || n == outlen)
			return -1;
		out[n++] = (char)c;
	}
	return (ssize_t)n;
}

int
http_pct_encode(struct ibuf *b, const char *s)
{
	static const char	hex[] = "0123456789ABCDEF";
	unsigned char		c;

	for (; (c = (unsigned char)*s) != '\0'; s++) {
		if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
		    (c >= 'A' && c <= 'Z') || strchr("-._~", c) != NULL) {
			if (ibuf_add_n8(b, c) == -1)
				return -1;
		} else if (ibuf_add_n8(b, '%') == -1 ||
		    ibuf_add_n8(b, (uint8_t)hex[c >> 4]) == -1 ||
		    ibuf_add_n8(b, (uint8_t)hex[c & 15]) == -1)
			return -1;
	}
	return 0;
}
