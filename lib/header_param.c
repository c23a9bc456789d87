/*
 * "token *(; name=value)": Content-Type and its kin (RFC 2045, 5.1), and
 * parameters in pieces and with charsets (RFC 2231).
 */
#include <stdlib.h>
#include <string.h>

#include "charset.h"
#include "header.h"
#include "header_lex.h"

#define PIECES_MAX	64

/* A token here is whatever cannot be taken for something else. */
static int
is_token(char c)
{
	return (unsigned char)c > ' ' && c != 0x7f &&
	    strchr("()<>@,;:\\\"/[]?=", c) == NULL;
}

/* An open comment takes the rest of the value with it. */
static void
skip_space(struct header_iter *it)
{
	const char *p;

	while (it->p < it->end && (lex_space(*it->p) || *it->p == '(')) {
		p = it->p + 1;
		if (*it->p == '(' &&
		    (p = lex_comment(it->p, it->end)) == NULL)
			p = it->end;
		it->p = p;
	}
}

static void
take_token(struct header_iter *it, struct hstr *s)
{
	s->p = it->p;
	while (it->p < it->end && is_token(*it->p))
		it->p++;
	s->len = (size_t)(it->p - s->p);
}

int
header_token(struct header_iter *it, const char *p, size_t len,
    struct hstr *s)
{
	header_start(it, p, len);
	skip_space(it);
	take_token(it, s);
	return s->len > 0;
}

int
header_media(struct header_iter *it, const char *p, size_t len,
    struct hstr *type, struct hstr *subtype)
{
	header_start(it, p, len);
	skip_space(it);
	take_token(it, type);
	skip_space(it);
	subtype->p = it->p;
	subtype->len = 0;
	if (it->p < it->end && *it->p == '/') {
		it->p++;
		skip_space(it);
		take_token(it, subtype);
	}
	return type->len > 0 && subtype->len > 0;
}

/* What is between quotes; without the second one, to the end. */
static void
take_quoted(struct header_iter *it, struct hstr *s)
{
	s->p = ++it->p;
	while (it->p < it->end && *it->p != '"')
		it->p += *it->p == '\\' && it->p + 1 < it->end ? 2 : 1;
	s->len = (size_t)(it->p - s->p);
	if (it->p < it->end)
		it->p++;
}

/* Unquoted values often hold what only a quoted one may: up to a space. */
static void
take_value(struct header_iter *it, struct hstr *s)
{
	s->p = it->p;
	while (it->p < it->end && *it->p != ';' && !lex_space(*it->p))
		it->p++;
	s->len = (size_t)(it->p - s->p);
}

/* Passes what is no parameter: a word, or, from anything else, the rest. */
static void
skip_junk(struct header_iter *it, const struct header_param *pa)
{
	const char *semi;

	if (pa->name.len > 0)
		return;
	semi = memchr(it->p, ';', (size_t)(it->end - it->p));
	it->p = semi == NULL ? it->end : semi;
}

int
header_param_next(struct header_iter *it, struct header_param *pa)
{
	for (;;) {
		skip_space(it);
		while (it->p < it->end && *it->p == ';') {
			it->p++;
			skip_space(it);
		}
		if (it->p == it->end)
			return 0;
		take_token(it, &pa->name);
		skip_space(it);
		if (pa->name.len > 0 && it->p < it->end && *it->p == '=')
			break;
		skip_junk(it, pa);
	}
	it->p++;
	skip_space(it);
	pa->quoted = it->p < it->end && *it->p == '"';
	if (pa->quoted)
		take_quoted(it, &pa->value);
	else
		take_value(it, &pa->value);
	return 1;
}

size_t
header_unquote(char *out, const char *p, size_t len)
{
	const char	*end = p + len;
	char		*o = out;

	for (; p < end; p++) {
		if (*p == '\r' || *p == '\n')
			continue;
		if (*p == '\\' && p + 1 < end)
			p++;
		*o++ = *p;
	}
	return (size_t)(o - out);
}

/* RFC 2231 */

struct piece {
	struct header_param	 pa;
	int			 ext;		/* percent-coded */
};

struct pieces {
	struct header_param	 plain;
	struct piece		 part[PIECES_MAX];
	int			 have_plain;
	unsigned char		 have[PIECES_MAX];
};

/* The part's number behind "name*": -1 if it is something else. */
static int
piece_number(const char *p, size_t len)
{
	int n = 0;

	if (len == 0 || len > 2 || (len == 2 && *p == '0'))
		return -1;
	for (; len > 0; p++, len--) {
		if (*p < '0' || *p > '9')
			return -1;
		n = n * 10 + (*p - '0');
	}
	return n < PIECES_MAX ? n : -1;
}

static void
piece_add(struct pieces *ps, const struct header_param *pa, size_t base)
{
	const char	*p = pa->name.p + base;
	size_t		 len = pa->name.len - base;
	int		 n = 0, ext;

	if (len == 0) {
		if (!ps->have_plain)
			ps->plain = *pa;
		ps->have_plain = 1;
		return;
	}
	p++;
	len--;
	ext = len == 0 || p[len - 1] == '*';
	if (len > 0 && (n = piece_number(p, len - (size_t)ext)) == -1)
		return;
	if (ps->have[n])
		return;
	ps->have[n] = 1;
	ps->part[n].pa = *pa;
	ps->part[n].ext = ext;
}

static void
pieces_collect(struct pieces *ps, const char *p, size_t len, const char *name)
{
	struct header_iter	 it;
	struct header_param	 pa;
	struct hstr		 base, s1, s2;
	size_t			 n = strlen(name);

	ps->have_plain = 0;
	memset(ps->have, 0, sizeof(ps->have));
	header_media(&it, p, len, &s1, &s2);
	while (header_param_next(&it, &pa)) {
		if (pa.name.len < n || (pa.name.len > n &&
		    pa.name.p[n] != '*'))
			continue;
		base.p = pa.name.p;
		base.len = n;
		if (hstr_is(&base, name))
			piece_add(ps, &pa, n);
	}
}

static size_t
pct_decode(char *p, size_t len)
{
	size_t	i, o = 0;
	int	c;

	for (i = 0; i < len; i++) {
		if (p[i] == '%' && len - i > 2 &&
		    (c = lex_hex2(p[i + 1], p[i + 2])) != -1) {
			p[o++] = (char)c;
			i += 2;
		} else
			p[o++] = p[i];
	}
	return o;
}

/* "charset'language'text": moves to the text, returns the charset. */
static const struct charset *
ext_charset(char **p, size_t *len)
{
	const struct charset	*cs;
	char			*q1, *q2;
	size_t			 n;

	if ((q1 = memchr(*p, '\'', *len)) == NULL ||
	    (q2 = memchr(q1 + 1, '\'', *len - (size_t)(q1 + 1 - *p))) == NULL)
		return charset_find("", 0);
	cs = charset_find(*p, (size_t)(q1 - *p));
	n = (size_t)(q2 + 1 - *p);
	*p += n;
	*len -= n;
	return cs;
}

static int
piece_put(const struct piece *pc, int first, struct charset_conv *cv,
    struct ibuf *b)
{
	char	*buf, *p;
	size_t	 len = pc->pa.value.len;
	int	 r;

	if ((buf = malloc(len + 1)) == NULL)
		return -1;
	p = buf;
	if (pc->pa.quoted)
		len = header_unquote(p, pc->pa.value.p, len);
	else
		memcpy(p, pc->pa.value.p, len);
	if (first)
		charset_start(cv, pc->ext ? ext_charset(&p, &len) :
		    charset_find("", 0));
	if (pc->ext)
		len = pct_decode(p, len);
	r = charset_feed(cv, p, len, b);
	free(buf);
	return r;
}

static int
plain_put(const struct header_param *pa, struct ibuf *b)
{
	char	*buf;
	int	 r;

	if (!pa->quoted)
		return header_decode(b, pa->value.p, pa->value.len);
	if ((buf = malloc(pa->value.len + 1)) == NULL)
		return -1;
	r = header_decode(b, buf, header_unquote(buf, pa->value.p,
	    pa->value.len));
	free(buf);
	return r;
}

int
header_param_get(struct ibuf *b, const char *p, size_t len, const char *name)
{
	struct pieces		 ps;
	struct charset_conv	 cv;
	int			 i;

	pieces_collect(&ps, p, len, name);
	if (!ps.have[0]) {
		if (!ps.have_plain)
			return 0;
		return plain_put(&ps.plain, b) == -1 ? -1 : 1;
	}
	for (i = 0; i < PIECES_MAX && ps.have[i]; i++)
		if (piece_put(&ps.part[i], i == 0, &cv, b) == -1)
			return -1;
	return charset_finish(&cv, b) == -1 ? -1 : 1;
}
