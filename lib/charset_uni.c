/*
 * The other forms of Unicode: UTF-16, UTF-32 (RFC 2781), UTF-7 (RFC 2152).
 */
#include "charset.h"
#include "charset_int.h"

enum { ORDER_NONE, ORDER_BE, ORDER_LE };

#define ZWNBSP	0xfeff

/*
 * Takes a unit of so many bytes out of what was held and what comes; 0 when
 * there is not enough.
 */
static int
unit_take(struct charset_conv *cv, unsigned size, const uint8_t **p,
    const uint8_t *end, uint8_t *unit)
{
	unsigned i;

	while (cv->nhold < size) {
		if (*p == end)
			return 0;
		cv->hold[cv->nhold++] = *(*p)++;
	}
	for (i = 0; i < size; i++)
		unit[i] = cv->hold[i];
	cv->nhold = 0;
	return 1;
}

static uint32_t
unit_value(const uint8_t *u, unsigned size, uint32_t order)
{
	uint32_t	v = 0;
	unsigned	i;

	for (i = 0; i < size; i++)
		v = v << 8 | u[order == ORDER_LE ? size - 1 - i : i];
	return v;
}

/*
 * The first unit may be a byte order mark; 1 if it was.  The mark is not
 * text.  state is the order in force.
 */
static int
unit_mark(struct charset_conv *cv, const uint8_t *u, unsigned size)
{
	if (cv->state != ORDER_NONE)
		return 0;
	cv->state = ORDER_BE;
	if (cv->cs->arg != ORDER_NONE) {
		cv->state = (uint32_t)cv->cs->arg;
		return unit_value(u, size, cv->state) == ZWNBSP;
	}
	if (unit_value(u, size, ORDER_BE) == ZWNBSP)
		return 1;
	if (unit_value(u, size, ORDER_LE) != ZWNBSP)
		return 0;
	cv->state = ORDER_LE;
	return 1;
}

/* One UTF-16 unit: keeps the first half of a pair until the second comes. */
static int
utf16_unit(struct charset_conv *cv, uint32_t v, struct ibuf *b)
{
	uint32_t high = cv->high;

	cv->high = 0;
	if (high != 0 && v >= 0xdc00 && v <= 0xdfff)
		return charset_put(b, 0x10000 + ((high - 0xd800) << 10) +
		    (v - 0xdc00));
	if (high != 0 && charset_put(b, REPLACEMENT) == -1)
		return -1;
	if (v >= 0xd800 && v <= 0xdbff) {
		cv->high = v;
		return 0;
	}
	return charset_put(b, v);
}

int
charset_utf16(struct charset_conv *cv, const uint8_t *p, size_t len,
    struct ibuf *b)
{
	const uint8_t	*end = p + len;
	uint8_t		 u[2];

	while (unit_take(cv, 2, &p, end, u))
		if (!unit_mark(cv, u, 2) &&
		    utf16_unit(cv, unit_value(u, 2, cv->state), b) == -1)
			return -1;
	return 0;
}

int
charset_utf32(struct charset_conv *cv, const uint8_t *p, size_t len,
    struct ibuf *b)
{
	const uint8_t	*end = p + len;
	uint8_t		 u[4];

	while (unit_take(cv, 4, &p, end, u))
		if (!unit_mark(cv, u, 4) &&
		    charset_put(b, unit_value(u, 4, cv->state)) == -1)
			return -1;
	return 0;
}

static int
b64_value(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* The number of bits waiting is in state's upper part. */
#define UTF7_SHIFTED	0x01
#define UTF7_FRESH	0x02	/* right behind the '+' */
#define UTF7_BITS(s)	((s) >> 8)

static int
utf7_shifted(struct charset_conv *cv, uint8_t c, struct ibuf *b)
{
	uint32_t	n = UTF7_BITS(cv->state);
	int		v;

	if ((v = b64_value(c)) == -1) {
		n = cv->state;
		cv->state = 0;
		cv->bits = 0;
		if (c == '-')
			return n & UTF7_FRESH ? charset_put(b, '+') : 0;
		return charset_put(b, c < 0x80 ? c : REPLACEMENT);
	}
	cv->bits = (cv->bits << 6 | (uint32_t)v) & 0x3fffff;
	n += 6;
	cv->state = UTF7_SHIFTED | n << 8;
	if (n < 16)
		return 0;
	n -= 16;
	cv->state = UTF7_SHIFTED | n << 8;
	return utf16_unit(cv, cv->bits >> n & 0xffff, b);
}

int
charset_utf7(struct charset_conv *cv, const uint8_t *p, size_t len,
    struct ibuf *b)
{
	const uint8_t	*end = p + len;
	int		 r;

	for (; p < end; p++) {
		if (cv->state & UTF7_SHIFTED)
			r = utf7_shifted(cv, *p, b);
		else if (*p == '+') {
			cv->state = UTF7_SHIFTED | UTF7_FRESH;
			r = 0;
		} else
			r = charset_put(b, *p < 0x80 ? *p : REPLACEMENT);
		if (r == -1)
			return -1;
	}
	return 0;
}
