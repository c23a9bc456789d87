/*
 * Characters as headers see them, for the files that read them: ASCII only,
 * whatever the locale.
 */
#ifndef HEADER_LEX_H
#define HEADER_LEX_H

#include <string.h>

static inline int
lex_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : (unsigned char)c;
}

static inline int
lex_blank(char c)
{
	return c == ' ' || c == '\t';
}

static inline int
lex_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static inline int
lex_hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Two hex digits as a byte, -1 if they are none. */
static inline int
lex_hex2(char a, char b)
{
	int hi = lex_hex(a), lo = lex_hex(b);

	return hi == -1 || lo == -1 ? -1 : hi * 16 + lo;
}

/* Behind the line that begins at p. */
static inline const char *
lex_line(const char *p, const char *end)
{
	const char *nl = memchr(p, '\n', (size_t)(end - p));

	return nl == NULL ? end : nl + 1;
}

/* Behind the comment at p; NULL if it is never closed. */
const char *lex_comment(const char *, const char *);

#endif /* HEADER_LEX_H */
