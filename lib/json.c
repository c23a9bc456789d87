#include <errno.h>
#include <string.h>

#define JSMN_STATIC
#define JSMN_STRICT
#define JSMN_PARENT_LINKS
#include <jsmn.h>

#include "json.h"

/* utf8 */

size_t
utf8_decode(const char *s, size_t len, uint32_t *cp)
{
	static const uint32_t	 least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char	*p = (const unsigned char *)s;
	size_t			 n, i;

	if (len == 0)
		return 0;
	if (p[0] < 0x80) {
		*cp = p[0];
		return 1;
	}
	if (p[0] >= 0xc2 && p[0] <= 0xdf)
		n = 2;
	else if ((p[0] & 0xf0) == 0xe0)
		n = 3;
	else if (p[0] >= 0xf0 && p[0] <= 0xf4)
		n = 4;
	else
		return 0;
	if (len < n)
		return 0;
	*cp = p[0] & (0x7f >> n);
	for (i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		*cp = *cp << 6 | (p[i] & 0x3f);
	}
	if (*cp < least[n] || *cp > 0x10ffff ||
	    (*cp >= 0xd800 && *cp <= 0xdfff))
		return 0;
	return n;
}

size_t
utf8_encode(char *out, uint32_t cp)
{
	if (cp < 0x80) {
		out[0] = (char)cp;
		return 1;
	}
	if (cp < 0x800) {
		out[0] = (char)(0xc0 | cp >> 6);
		out[1] = (char)(0x80 | (cp & 0x3f));
		return 2;
	}
	if (cp >= 0xd800 && cp <= 0xdfff)
		return 0;
	if (cp < 0x10000) {
		out[0] = (char)(0xe0 | cp >> 12);
		out[1] = (char)(0x80 | (cp >> 6 & 0x3f));
		out[2] = (char)(0x80 | (cp & 0x3f));
		return 3;
	}
	if (cp > 0x10ffff)
		return 0;
	out[0] = (char)(0xf0 | cp >> 18);
	out[1] = (char)(0x80 | (cp >> 12 & 0x3f));
	out[2] = (char)(0x80 | (cp >> 6 & 0x3f));
	out[3] = (char)(0x80 | (cp & 0x3f));
	return 4;
}

/*
 * Most text is plain, and looked at eight bytes at a time.  HAS_BELOW and
 * HAS_BYTE tell exactly whether some byte of a word is one, not which.
 */
#define EACH(c)		((c) * 0x0101010101010101ULL)
#define HAS_BELOW(w, c)	(((w) - EACH(c)) & ~(w) & EACH(0x80))
#define HAS_BYTE(w, c)	HAS_BELOW((w) ^ EACH(c), 1)

/* Bytes that are ASCII for sure: there may be up to seven more. */
static size_t
ascii_run(const char *s, size_t len)
{
	uint64_t	w;
	size_t		n;

	for (n = 0; len - n >= sizeof(w); n += sizeof(w)) {
		memcpy(&w, s + n, sizeof(w));
		if (w & EACH(0x80))
			break;
	}
	return n;
}

/* Bytes that stand for themselves in a string, likewise. */
static size_t
plain_run(const char *s, size_t len)
{
	uint64_t	w;
	size_t		n;

	for (n = 0; len - n >= sizeof(w); n += sizeof(w)) {
		memcpy(&w, s + n, sizeof(w));
		if (HAS_BELOW(w, 0x20) | HAS_BYTE(w, '"') |
		    HAS_BYTE(w, '\\'))
			break;
	}
	return n;
}

int
utf8_valid(const char *s, size_t len)
{
	uint32_t	cp;
	size_t		n;

	while (len > 0) {
		if ((n = ascii_run(s, len)) == 0)
			n = (unsigned char)*s < 0x80;
		if (n == 0 && (n = utf8_decode(s, len, &cp)) == 0)
			return 0;
		s += n;
		len -= n;
	}
	return 1;
}

/* reading */

static int
hexval(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* The number behind \u, -1 if there are no four hex digits. */
static int
hex4(const char *p, const char *end)
{
	int i, h, v = 0;

	if (end - p < 4)
		return -1;
	for (i = 0; i < 4; i++) {
		if ((h = hexval(p[i])) == -1)
			return -1;
		v = v << 4 | h;
	}
	return v;
}

/* A \u escape at p (behind the u), with its second half if it needs one. */
static size_t
unescape_u(const char *p, const char *end, uint32_t *cp)
{
	int hi, lo;

	if ((hi = hex4(p, end)) == -1)
		return 0;
	*cp = (uint32_t)hi;
	if (hi < 0xd800 || hi > 0xdfff)
		return 4;
	if (hi > 0xdbff || end - p < 10 || p[4] != '\\' || p[5] != 'u')
		return 0;
	if ((lo = hex4(p + 6, end)) < 0xdc00 || lo > 0xdfff)
		return 0;
	*cp = 0x10000 + ((uint32_t)(hi - 0xd800) << 10) + (lo - 0xdc00);
	return 10;
}

/* Are the escapes of a string sound?  With out, they are also resolved. */
static int
unescape(const char *p, const char *end, char *out, size_t *outlen)
{
	static const char	 from[] = "\"\\/bfnrt";
	static const char	 to[] = "\"\\/\b\f\n\r\t";
	const char		*e;
	char			*o = out, c, u[4];
	uint32_t		 cp;
	size_t			 n;

	while (p < end) {
		if ((unsigned char)*p < 0x20)
			return -1;
		if (*p != '\\') {
			if ((n = plain_run(p, (size_t)(end - p))) == 0)
				n = 1;
			if (out != NULL) {
				memmove(o, p, n);
				o += n;
			}
			p += n;
			continue;
		}
		if (++p == end)
			return -1;
		c = *p++;
		if (c == 'u') {
			if ((n = unescape_u(p, end, &cp)) == 0)
				return -1;
			p += n;
			n = utf8_encode(u, cp);
			if (out != NULL) {
				memcpy(o, u, n);
				o += n;
			}
			continue;
		}
		if (c == '\0' || (e = strchr(from, c)) == NULL)
			return -1;
		if (out != NULL)
			*o++ = to[e - from];
	}
	if (out != NULL)
		*outlen = (size_t)(o - out);
	return 0;
}

static size_t
digits(const char *p, size_t len)
{
	size_t i;

	for (i = 0; i < len && p[i] >= '0' && p[i] <= '9'; i++)
		;
	return i;
}

static int
number_valid(const char *p, size_t len)
{
	size_t n;

	if (len > 0 && *p == '-')
		p++, len--;
	if ((n = digits(p, len)) == 0 || (n > 1 && *p == '0'))
		return 0;
	p += n;
	len -= n;
	if (len > 0 && *p == '.') {
		if ((n = digits(p + 1, len - 1)) == 0)
			return 0;
		p += n + 1;
		len -= n + 1;
	}
	if (len > 0 && (*p == 'e' || *p == 'E')) {
		p++, len--;
		if (len > 0 && (*p == '+' || *p == '-'))
			p++, len--;
		if ((n = digits(p, len)) == 0)
			return 0;
		len -= n;
	}
	return len == 0;
}

static int
primitive_valid(const char *p, size_t len)
{
	if ((len == 4 && memcmp(p, "true", 4) == 0) ||
	    (len == 4 && memcmp(p, "null", 4) == 0) ||
	    (len == 5 && memcmp(p, "false", 5) == 0))
		return 1;
	return number_valid(p, len);
}

static const char *
skip_ws(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' ||
	    *p == '\r'))
		p++;
	return p;
}

/*
 * jsmn finds tokens but accepts more than JSON between them.  Walks the
 * text with the tokens and requires the right punctuation everywhere;
 * depth is bounded by jsmn's token array.  Returns where the value ends.
 */
#define JSON_DEPTH	128

static const char *verify(const struct json *, int *, const char *,
    const char *, int);

static const char *
verify_members(const struct json *j, int *i, const char *p, const char *end,
    int depth, int n, int object)
{
	char	close = object ? '}' : ']';
	int	k;

	for (k = 0; k < n; k++) {
		if (k > 0) {
			p = skip_ws(p, end);
			if (p == end || *p++ != ',')
				return NULL;
		}
		if (object && (*i >= j->ntok ||
		    j->tok[*i].type != JSMN_STRING || j->tok[*i].size != 1))
			return NULL;
		if ((p = verify(j, i, p, end, depth)) == NULL)
			return NULL;
		if (!object)
			continue;
		p = skip_ws(p, end);
		if (p == end || *p++ != ':')
			return NULL;
		if ((p = verify(j, i, p, end, depth)) == NULL)
			return NULL;
	}
	p = skip_ws(p, end);
	return p < end && *p == close ? p + 1 : NULL;
}

static const char *
verify(const struct json *j, int *i, const char *p, const char *end,
    int depth)
{
	const jsmntok_t	*t;
	const char	*b, *e;

	if (*i >= j->ntok || depth > JSON_DEPTH)
		return NULL;
	t = &j->tok[(*i)++];
	b = j->buf + t->start;
	e = j->buf + t->end;
	p = skip_ws(p, end);
	switch (t->type) {
	case JSMN_OBJECT:
	case JSMN_ARRAY:
		if (p != b)
			return NULL;
		return verify_members(j, i, p + 1, end, depth + 1, t->size,
		    t->type == JSMN_OBJECT);
	case JSMN_STRING:
		if (p + 1 != b || unescape(b, e, NULL, NULL) == -1)
			return NULL;
		return e + 1;
	case JSMN_PRIMITIVE:
		if (p != b || !primitive_valid(b, (size_t)(e - b)))
			return NULL;
		return e;
	default:
		return NULL;
	}
}

int
json_parse(struct json *j, char *buf, size_t len, jsmntok_t *tok, int maxtok)
{
	jsmn_parser	 p;
	const char	*e;
	int		 i = 0;

	jsmn_init(&p);
	j->buf = buf;
	j->tok = tok;
	j->ntok = jsmn_parse(&p, buf, len, tok, (unsigned int)maxtok);
	if (j->ntok == JSMN_ERROR_NOMEM) {
		j->ntok = 0;
		errno = E2BIG;
		return -1;
	}
	if (j->ntok <= 0 || !utf8_valid(buf, len) ||
	    (e = verify(j, &i, buf, buf + len, 0)) == NULL ||
	    skip_ws(e, buf + len) != buf + len || i != j->ntok) {
		j->ntok = 0;
		errno = EINVAL;
		return -1;
	}
	return 0;
}

int
json_type(const struct json *j, int i)
{
	return i < 0 || i >= j->ntok ? JSMN_UNDEFINED : (int)j->tok[i].type;
}

/* The value behind value i in its container (or key), -1 at the end. */
int
json_next(const struct json *j, int i)
{
	int parent, end, top;

	if (i < 0)
		return -1;
	parent = top = j->tok[i].parent;
	/* a member's value hangs below its key */
	if (parent >= 0 && j->tok[parent].type == JSMN_STRING)
		top = j->tok[parent].parent;
	if (top < 0)
		return -1;
	end = j->tok[i].end;
	for (i++; i < j->ntok && j->tok[i].start < end; i++)
		;
	if (i >= j->ntok || j->tok[i].start >= j->tok[top].end)
		return -1;
	return i;
}

/* The first element of an array or the first key of an object. */
int
json_first(const struct json *j, int i)
{
	if (i < 0 || i >= j->ntok || j->tok[i].size == 0 ||
	    (j->tok[i].type != JSMN_OBJECT && j->tok[i].type != JSMN_ARRAY))
		return -1;
	return i + 1;
}

int
json_count(const struct json *j, int i)
{
	return i < 0 || i >= j->ntok ? 0 : j->tok[i].size;
}

static int
key_is(const struct json *j, int k, const char *name)
{
	size_t len = (size_t)(j->tok[k].end - j->tok[k].start);

	return strlen(name) == len &&
	    memcmp(j->buf + j->tok[k].start, name, len) == 0;
}

/* The value of a member; names are ASCII, an escaped key matches none. */
int
json_member(const struct json *j, int obj, const char *name)
{
	int k;

	if (json_type(j, obj) != JSMN_OBJECT)
		return -1;
	for (k = json_first(j, obj); k != -1; k = json_next(j, k + 1))
		if (key_is(j, k, name))
			return k + 1;
	return -1;
}

int
json_unknown(const struct json *j, int obj, const char *const *names)
{
	const char *const	*n;
	int			 k;

	for (k = json_first(j, obj); k != -1; k = json_next(j, k + 1)) {
		for (n = names; *n != NULL; n++)
			if (key_is(j, k, *n))
				break;
		if (*n == NULL)
			return k;
	}
	return -1;
}

int
json_is_null(const struct json *j, int i)
{
	return json_type(j, i) == JSMN_PRIMITIVE &&
	    j->buf[j->tok[i].start] == 'n';
}

/*
 * Unescapes in place.  The token is then marked (size -1), so that a second
 * call does not unescape what is text already.
 */
int
json_str(struct json *j, int i, const char **s, size_t *len)
{
	jsmntok_t	*t;
	char		*b;

	if (i < 0 || json_is_null(j, i))
		return 0;
	if (json_type(j, i) != JSMN_STRING)
		return -1;
	t = &j->tok[i];
	b = j->buf + t->start;
	*len = (size_t)(t->end - t->start);
	if (t->size != -1 && memchr(b, '\\', *len) != NULL) {
		if (unescape(b, b + *len, b, len) == -1)
			return -1;
		/* t->end stays for json_next(); the text is NUL-padded */
		memset(b + *len, 0, (size_t)(t->end - t->start) - *len);
	} else if (t->size == -1) {
		while (*len > 0 && b[*len - 1] == '\0')
			(*len)--;
	}
	t->size = -1;
	*s = b;
	return 1;
}

int
json_u64(const struct json *j, int i, uint64_t max, uint64_t *v)
{
	const char	*p;
	size_t		 len, k;
	uint64_t	 n = 0;

	if (i < 0 || json_is_null(j, i))
		return 0;
	if (json_type(j, i) != JSMN_PRIMITIVE)
		return -1;
	p = j->buf + j->tok[i].start;
	len = (size_t)(j->tok[i].end - j->tok[i].start);
	if (len == 0 || len > 20)
		return -1;
	for (k = 0; k < len; k++) {
		if (p[k] < '0' || p[k] > '9' ||
		    n > (UINT64_MAX - (uint64_t)(p[k] - '0')) / 10)
			return -1;
		n = n * 10 + (uint64_t)(p[k] - '0');
	}
	if (n > max)
		return -1;
	*v = n;
	return 1;
}

int
json_u32(const struct json *j, int i, uint32_t *v)
{
	uint64_t	n;
	int		r;

	if ((r = json_u64(j, i, UINT32_MAX, &n)) == 1)
		*v = (uint32_t)n;
	return r;
}

int
json_bool(const struct json *j, int i, int *v)
{
	char c;

	if (i < 0 || json_is_null(j, i))
		return 0;
	if (json_type(j, i) != JSMN_PRIMITIVE)
		return -1;
	c = j->buf[j->tok[i].start];
	if (c != 't' && c != 'f')
		return -1;
	*v = c == 't';
	return 1;
}

/* writing */

static int
json_sep(struct ibuf *b)
{
	char c;

	if (ibuf_size(b) == 0)
		return 0;
	c = (char)ibuf_data(b)[ibuf_size(b) - 1];
	if (c == '{' || c == '[' || c == ':' || c == '\n')
		return 0;
	return ibuf_add_n8(b, ',');
}

static int
put_escaped(struct ibuf *b, unsigned char c)
{
	switch (c) {
	case '"':
		return ibuf_add(b, "\\\"", 2);
	case '\\':
		return ibuf_add(b, "\\\\", 2);
	case '\n':
		return ibuf_add(b, "\\n", 2);
	case '\r':
		return ibuf_add(b, "\\r", 2);
	case '\t':
		return ibuf_add(b, "\\t", 2);
	default:
		return ibuf_addf(b, "\\u%04x", c);
	}
}

int
json_put_strn(struct ibuf *b, const char *s, size_t len)
{
	const char	*run, *end = s + len;
	unsigned char	 c;
	size_t		 n;

	if (!utf8_valid(s, len)) {
		errno = EILSEQ;
		return -1;
	}
	if (json_sep(b) == -1 || ibuf_add_n8(b, '"') == -1)
		return -1;
	for (run = s; s < end; s++) {
		if ((n = plain_run(s, (size_t)(end - s))) > 0) {
			s += n - 1;
			continue;
		}
		c = (unsigned char)*s;
		if (c >= 0x20 && c != '"' && c != '\\')
			continue;
		if (ibuf_add(b, run, (size_t)(s - run)) == -1 ||
		    put_escaped(b, c) == -1)
			return -1;
		run = s + 1;
	}
	if (ibuf_add(b, run, (size_t)(s - run)) == -1)
		return -1;
	return ibuf_add_n8(b, '"');
}

int
json_put_str(struct ibuf *b, const char *s)
{
	return json_put_strn(b, s, strlen(s));
}

/* Text that is JSON already: numbers, literals, parts made before. */
int
json_put_raw(struct ibuf *b, const char *s)
{
	if (json_sep(b) == -1)
		return -1;
	return ibuf_adds(b, s);
}

int
json_put_u64(struct ibuf *b, uint64_t v)
{
	if (json_sep(b) == -1)
		return -1;
	return ibuf_addu(b, v);
}

int
json_put_bool(struct ibuf *b, int v)
{
	return json_put_raw(b, v ? "true" : "false");
}

int
json_key(struct ibuf *b, const char *name)
{
	if (json_put_str(b, name) == -1)
		return -1;
	return ibuf_add_n8(b, ':');
}

int
json_open(struct ibuf *b, char c)
{
	if (json_sep(b) == -1)
		return -1;
	return ibuf_add_n8(b, (uint8_t)c);
}

int
json_close(struct ibuf *b, char c)
{
	return ibuf_add_n8(b, (uint8_t)c);
}

int
json_kstr(struct ibuf *b, const char *name, const char *s)
{
	if (json_key(b, name) == -1)
		return -1;
	return json_put_str(b, s);
}

int
json_ku64(struct ibuf *b, const char *name, uint64_t v)
{
	if (json_key(b, name) == -1)
		return -1;
	return json_put_u64(b, v);
}

int
json_kbool(struct ibuf *b, const char *name, int v)
{
	if (json_key(b, name) == -1)
		return -1;
	return json_put_bool(b, v);
}
