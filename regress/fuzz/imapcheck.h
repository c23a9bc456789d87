/*
 * Is this one IMAP value: a string, NIL, a number, or a list of values in
 * parentheses, with nothing behind it?  Aborts if not.
 */
#ifndef IMAPCHECK_H
#define IMAPCHECK_H

#include <stdlib.h>
#include <string.h>

#include "ibuf.h"

static const char *
check_quoted(const char *p, const char *end)
{
	for (p++; p < end && *p != '"'; p++) {
		if (*p == '\\')
			p++;
		if (p >= end || *p == '\r' || *p == '\n' || *p == '\0')
			abort();
	}
	if (p >= end)
		abort();
	return p + 1;
}

static const char *
check_literal(const char *p, const char *end)
{
	char	*e;
	size_t	 n;

	n = strtoul(p + 1, &e, 10);
	if (end - e < 3 || memcmp(e, "}\r\n", 3) != 0 ||
	    n > (size_t)(end - e - 3) || memchr(e + 3, '\0', n) != NULL)
		abort();
	return e + 3 + n;
}

static const char *
check_atom(const char *p, const char *end)
{
	const char *start = p;

	while (p < end && ((*p >= '0' && *p <= '9') || *p == 'N' ||
	    *p == 'I' || *p == 'L'))
		p++;
	if (p == start)
		abort();
	return p;
}

static void
check_value(const struct ibuf *b)
{
	const char	*p = (char *)ibuf_data(b), *end = p + ibuf_size(b);
	int		 depth = 0;

	do {
		if (p >= end)
			abort();
		if (*p == '(') {
			depth++;
			p++;
		} else if (*p == ')') {
			depth--;
			p++;
		} else if (*p == ' ')
			p++;
		else if (*p == '"')
			p = check_quoted(p, end);
		else if (*p == '{')
			p = check_literal(p, end);
		else
			p = check_atom(p, end);
	} while (depth > 0);
	if (p != end || depth < 0)
		abort();
}

#endif /* IMAPCHECK_H */
