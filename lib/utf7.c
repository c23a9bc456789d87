#include <errno.h>
#include <stdint.h>

#include "json.h"
#include "utf7.h"

static const char digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

struct utf7_out {
	char	*p;
	size_t	 len;
	size_t	 size;
};

static int
utf7_put(struct utf7_out *o, const char *s, size_t len)
{
	if (len > o->size - o->len) {
		errno = ERANGE;
		return -1;
	}
	for (; len > 0; len--)
		o->p[o->len++] = *s++;
	return 0;
}

static int
utf7_is_direct(unsigned char c)
{
	return c >= 0x20 && c <= 0x7e;
}

static int
utf7_digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+')
		return 62;
	return c == ',' ? 63 : -1;
}

/*
 * One UTF-16 unit of a shift.  *high holds the first half of a surrogate
 * pair until its second comes.
 */
static int
utf7_unit(struct utf7_out *o, uint32_t u, uint32_t *high)
{
	char	c[4];
	size_t	n;

	if (*high != 0) {
		if (u < 0xdc00 || u > 0xdfff)
			goto bad;
		u = 0x10000 + ((*high - 0xd800) << 10) + (u - 0xdc00);
		*high = 0;
	} else if (u >= 0xd800 && u <= 0xdbff) {
		*high = u;
		return 0;
	}
	if (u == 0 || utf7_is_direct(u > 0xff ? 0 : (unsigned char)u) ||
	    (n = utf8_encode(c, u)) == 0)
		goto bad;
	return utf7_put(o, c, n);
 bad:
	errno = EILSEQ;
	return -1;
}

/*
 * The inside of a shift, after "&" and up to "-".  Returns the bytes used,
 * "-" included, or -1.
 */
static ssize_t
utf7_shift(struct utf7_out *o, const char *p, size_t len)
{
	uint32_t	v = 0, high = 0;
	size_t		i;
	int		bits = 0, d;

	for (i = 0; i < len && p[i] != '-'; i++) {
		if ((d = utf7_digit(p[i])) == -1)
			goto bad;
		v = (v << 6 | (uint32_t)d) & 0x3fffff;
		bits += 6;
		if (bits < 16)
			continue;
		bits -= 16;
		if (utf7_unit(o, v >> bits & 0xffff, &high) == -1)
			return -1;
	}
	/* i > 0: "&-" was seen before; bits left over: less than a digit, 0 */
	if (i == len || high != 0 || bits >= 6 ||
	    (v & ((1U << bits) - 1)) != 0)
		goto bad;
	return (ssize_t)i + 1;
 bad:
	errno = EILSEQ;
	return -1;
}

ssize_t
utf7_decode(char *out, size_t size, const char *p, size_t len)
{
	struct utf7_out	o = { out, 0, size };
	size_t		i = 0;
	ssize_t		n;
	int		shifted = 0;	/* a shift ended right here */

	while (i < len) {
		if (!utf7_is_direct((unsigned char)p[i]))
			goto bad;
		if (p[i] != '&') {
			if (utf7_put(&o, p + i, 1) == -1)
				return -1;
			shifted = 0;
			i++;
		} else if (i + 1 < len && p[i + 1] == '-') {
			if (utf7_put(&o, "&", 1) == -1)
				return -1;
			shifted = 0;
			i += 2;
		} else {
			if (shifted)
				goto bad;
			if ((n = utf7_shift(&o, p + i + 1, len - i - 1)) == -1)
				return -1;
			shifted = 1;
			i += 1 + (size_t)n;
		}
	}
	out[o.len] = '\0';
	return (ssize_t)o.len;
 bad:
	errno = EILSEQ;
	return -1;
}

/* Bits of a shift on their way out. */
struct utf7_bits {
	uint32_t	v;
	int		n;
};

static int
utf7_put_unit(struct utf7_out *o, struct utf7_bits *b, uint32_t u)
{
	b->v = b->v << 16 | u;
	for (b->n += 16; b->n >= 6; b->n -= 6)
		if (utf7_put(o, &digits[b->v >> (b->n - 6) & 63], 1) == -1)
			return -1;
	b->v &= (1U << b->n) - 1;
	return 0;
}

static int
utf7_put_char(struct utf7_out *o, struct utf7_bits *b, uint32_t cp)
{
	if (cp < 0x10000)
		return utf7_put_unit(o, b, cp);
	cp -= 0x10000;
	if (utf7_put_unit(o, b, 0xd800 + (cp >> 10)) == -1)
		return -1;
	return utf7_put_unit(o, b, 0xdc00 + (cp & 0x3ff));
}

/* The end of a shift: what bits there are, padded with zeros. */
static int
utf7_put_end(struct utf7_out *o, struct utf7_bits *b)
{
	if (b->n > 0 &&
	    utf7_put(o, &digits[b->v << (6 - b->n) & 63], 1) == -1)
		return -1;
	b->v = 0;
	b->n = 0;
	return utf7_put(o, "-", 1);
}

/* A run of characters that must be shifted; returns the bytes used. */
static ssize_t
utf7_put_shift(struct utf7_out *o, const char *p, size_t len)
{
	struct utf7_bits b = { 0, 0 };
	uint32_t	 cp;
	size_t		 i = 0, n;

	if (utf7_put(o, "&", 1) == -1)
		return -1;
	while (i < len && !utf7_is_direct((unsigned char)p[i])) {
		if ((n = utf8_decode(p + i, len - i, &cp)) == 0 || cp == 0) {
			errno = EILSEQ;
			return -1;
		}
		if (utf7_put_char(o, &b, cp) == -1)
			return -1;
		i += n;
	}
	return utf7_put_end(o, &b) == -1 ? -1 : (ssize_t)i;
}

ssize_t
utf7_encode(char *out, size_t size, const char *p, size_t len)
{
	struct utf7_out	o = { out, 0, size };
	ssize_t		n;

	while (len > 0) {
		if (utf7_is_direct((unsigned char)*p)) {
			if (utf7_put(&o, *p == '&' ? "&-" : p,
			    *p == '&' ? 2 : 1) == -1)
				return -1;
			n = 1;
		} else if ((n = utf7_put_shift(&o, p, len)) == -1)
			return -1;
		p += n;
		len -= (size_t)n;
	}
	out[o.len] = '\0';
	return (ssize_t)o.len;
}
