#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <utf8proc.h>

#include "json.h"
#include "username.h"

/* Control characters of ASCII, and U+0080 to U+009F. */
static int
username_has_control(const char *s)
{
	const unsigned char *p = (const unsigned char *)s;

	for (; *p != '\0'; p++)
		if (*p < ' ' || *p == 0x7f || (*p == 0xc2 && p[1] < 0xa0))
			return 1;
	return 0;
}

static int
username_lower(char *out, size_t size, const char *s)
{
	size_t i;

	for (i = 0; s[i] != '\0'; i++) {
		if (i + 1 >= size || i >= USERNAME_MAX) {
			errno = ERANGE;
			return -1;
		}
		out[i] = s[i] >= 'A' && s[i] <= 'Z' ?
		    (char)(s[i] - 'A' + 'a') : s[i];
	}
	out[i] = '\0';
	return 0;
}

int
username_normal(char *out, size_t size, const char *in)
{
	utf8proc_uint8_t	*c;
	int			 r;

	if (*in == '\0' || !utf8_valid(in, strlen(in)) ||
	    username_has_control(in)) {
		errno = EINVAL;
		return -1;
	}
	if ((c = utf8proc_NFC((const utf8proc_uint8_t *)in)) == NULL) {
		errno = ENOMEM;
		return -1;
	}
	r = username_lower(out, size, (const char *)c);
	free(c);
	return r;
}

static int
lower(int c)
{
	return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c;
}

/* After a mismatch the last "*" takes one byte more. */
int
username_match(const char *pattern, const char *name)
{
	const char *star = NULL, *from = NULL;

	while (*name != '\0') {
		if (*pattern == '*') {
			star = pattern++;
			from = name;
		} else if (lower(*pattern) == lower(*name)) {
			pattern++;
			name++;
		} else if (star != NULL) {
			pattern = star + 1;
			name = ++from;
		} else
			return 0;
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == '\0';
}

char *
username_quote(char *out, size_t size, const char *in)
{
	unsigned char	c;
	size_t		n = 0;

	for (; (c = (unsigned char)*in) != '\0'; in++) {
		/* room for one more, the dots and the NUL */
		if (n + 8 > size) {
			memcpy(out + n, "...", 3);
			n += 3;
			break;
		}
		if (c >= ' ' && c < 0x7f && c != '"' && c != '\\')
			out[n++] = (char)c;
		else {
			out[n++] = '\\';
			out[n++] = (char)('0' + (c >> 6));
			out[n++] = (char)('0' + (c >> 3 & 7));
			out[n++] = (char)('0' + (c & 7));
		}
	}
	out[n] = '\0';
	return out;
}
