#include <ctype.h>
#include <errno.h>
#include <stdio.h>

#include "units.h"

struct suffix {
	char		 c;
	uint64_t	 n;
};

/* Largest first; the last one needs no letter. */
static const struct suffix sizes[] = {
	{ 'G', 1024 * 1024 * 1024 }, { 'M', 1024 * 1024 }, { 'K', 1024 },
	{ '\0', 1 }
};
static const struct suffix times[] = {
	{ 'd', 86400 }, { 'h', 3600 }, { 'm', 60 }, { 's', 1 }, { '\0', 1 }
};
static const struct suffix counts[] = {
	{ '\0', 1 }
};

static const struct suffix *const suffixes[] = {
	[UNIT_COUNT] = counts,
	[UNIT_SIZE] = sizes,
	[UNIT_TIME] = times
};

static const struct suffix *
units_find(enum unit unit, char c)
{
	const struct suffix *s;

	if (unit == UNIT_SIZE)
		c = (char)toupper((unsigned char)c);
	for (s = suffixes[unit]; s->c != '\0'; s++)
		if (s->c == c)
			return s;
	return c == '\0' ? s : NULL;
}

int
units_parse(enum unit unit, const char *text, uint64_t *out)
{
	const struct suffix	*s;
	uint64_t		 n = 0;
	const char		*p;
	int			 over = 0;

	for (p = text; *p >= '0' && *p <= '9'; p++) {
		over |= __builtin_mul_overflow(n, 10, &n);
		over |= __builtin_add_overflow(n, (uint64_t)(*p - '0'), &n);
	}
	if (p == text || (s = units_find(unit, *p)) == NULL ||
	    (*p != '\0' && p[1] != '\0')) {
		errno = EINVAL;
		return -1;
	}
	if (__builtin_mul_overflow(n, s->n, &n) || over) {
		errno = ERANGE;
		return -1;
	}
	*out = n;
	return 0;
}

void
units_format(enum unit unit, uint64_t n, char *buf, size_t len)
{
	const struct suffix *s;

	for (s = suffixes[unit]; s->c != '\0'; s++)
		if (n != 0 && n % s->n == 0)
			break;
	if (s->c == '\0')
		snprintf(buf, len, "%llu", (unsigned long long)n);
	else
		snprintf(buf, len, "%llu%c", (unsigned long long)(n / s->n),
		    s->c);
}
