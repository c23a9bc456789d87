#include <string.h>
#include <strings.h>

#include "range.h"

/* Digits; those beyond any size there can be say "as far as it goes". */
static size_t
range_number(const char *p, size_t len, uint64_t *v)
{
	size_t i;

	*v = 0;
	for (i = 0; i < len && p[i] >= '0' && p[i] <= '9'; i++) {
		if (*v > (UINT64_MAX - 9) / 10)
			*v = (UINT64_MAX - 9) / 10;
		*v = *v * 10 + (uint64_t)(p[i] - '0');
	}
	return i;
}

int
range_parse(const char *p, size_t len, uint64_t size, uint64_t *from,
    uint64_t *to)
{
	uint64_t	a, b;
	size_t		na, nb;

	if (len < 6 || strncasecmp(p, "bytes=", 6) != 0)
		return 0;
	p += 6;
	len -= 6;
	na = range_number(p, len, &a);
	if (na == len || p[na] != '-')
		return 0;
	nb = range_number(p + na + 1, len - na - 1, &b);
	if (na + 1 + nb != len || (na == 0 && nb == 0))
		return 0;
	if (na == 0) {
		/* the last b bytes */
		if (b == 0 || size == 0)
			return -1;
		*from = b < size ? size - b : 0;
		*to = size - 1;
		return 1;
	}
	if (nb > 0 && b < a)
		return 0;
	if (a >= size)
		return -1;
	*from = a;
	*to = nb > 0 && b < size ? b : size - 1;
	return 1;
}
