#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base64.h"

static const char digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

ssize_t
base64_encode(char *out, size_t size, const void *data, size_t len)
{
	const uint8_t	*p = data;
	char		*o = out;
	uint32_t	 v;

	if (len > SIZE_MAX / 4 || BASE64_LEN(len) > size) {
		errno = ERANGE;
		return -1;
	}
	for (; len > 0; p += 3) {
		v = (uint32_t)p[0] << 16;
		if (len > 1)
			v |= (uint32_t)p[1] << 8;
		if (len > 2)
			v |= p[2];
		*o++ = digits[v >> 18];
		*o++ = digits[v >> 12 & 63];
		*o++ = len > 1 ? digits[v >> 6 & 63] : '=';
		*o++ = len > 2 ? digits[v & 63] : '=';
		len -= len > 3 ? 3 : len;
	}
	return o - out;
}

static int
base64_digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+')
		return 62;
	return c == '/' ? 63 : -1;
}

/*
 * Four digits, of which the last pad are "=".  Returns the 24 bits, or -1;
 * bits that the padding leaves over must be zero.
 */
static int32_t
base64_quad(const char *p, int pad)
{
	int32_t	v = 0;
	int	i, d;

	for (i = 0; i < 4; i++) {
		d = i < 4 - pad ? base64_digit(p[i]) : 0;
		if (d == -1)
			return -1;
		v = v << 6 | d;
	}
	if ((pad == 1 && (v & 0xff) != 0) || (pad == 2 && (v & 0xffff) != 0))
		return -1;
	return v;
}

ssize_t
base64_decode(void *out, size_t size, const char *p, size_t len)
{
	uint8_t	*o = out;
	size_t	 n, need;
	int32_t	 v;
	int	 pad = 0, k;

	if (len % 4 != 0)
		goto bad;
	if (len > 0 && p[len - 1] == '=')
		pad = p[len - 2] == '=' ? 2 : 1;
	need = len / 4 * 3 - (size_t)pad;
	if (need > size) {
		errno = ERANGE;
		return -1;
	}
	for (n = 0; n < len; n += 4) {
		k = n + 4 == len ? pad : 0;
		if ((v = base64_quad(p + n, k)) == -1)
			goto bad;
		*o++ = (uint8_t)(v >> 16);
		if (k < 2)
			*o++ = (uint8_t)(v >> 8);
		if (k < 1)
			*o++ = (uint8_t)v;
	}
	return (ssize_t)need;
 bad:
	errno = EINVAL;
	return -1;
}
