/*
 * Addresses and message ids (RFC 5322, 3.4, 3.6.4, 4.4).  Quotes and
 * comments that are never closed are ordinary characters: once one was
 * found open, no later one of its kind can be closed, so that the search
 * for an end happens once.
 */
#include <string.h>

#include "header.h"
#include "header_lex.h"

void
header_addr_start(struct header_addrs *it, const char *p, size_t len)
{
	it->p = p;
	it->end = p + len;
	it->group = 0;
	it->openquote = NULL;
	it->opencomment = NULL;
	it->used = 0;
}

/* The end of what has quotes or brackets around it at p; NULL if open. */
static const char *
quote_end(struct header_addrs *it, const char *p)
{
	const char *q = p + 1;

	if (it->openquote != NULL && p >= it->openquote)
		return NULL;
	for (; q < it->end && *q != '"'; q++)
		if (*q == '\\' && q + 1 < it->end)
			q++;
	if (q < it->end)
		return q + 1;
	it->openquote = p;
	return NULL;
}

static const char *
comment_end(struct header_addrs *it, const char *p)
{
	const char *e;

	if (it->opencomment != NULL && p >= it->opencomment)
		return NULL;
	if ((e = lex_comment(p, it->end)) == NULL)
		it->opencomment = p;
	return e;
}

/* Behind the quoted string or comment at p, or behind the one character. */
static const char *
skip_one(struct header_addrs *it, const char *p)
{
	const char *e = NULL;

	if (*p == '"')
		e = quote_end(it, p);
	else if (*p == '(')
		e = comment_end(it, p);
	return e == NULL ? p + 1 : e;
}

static const char *
skip_cfws(struct header_addrs *it, const char *p)
{
	const char *e;

	while (p < it->end) {
		if (lex_space(*p))
			p++;
		else if (*p == '(' && (e = comment_end(it, p)) != NULL)
			p = e;
		else
			break;
	}
	return p;
}

/*
 * What ends the element at p: '<' of an address, ':' of a group's name, or
 * a separator, or the end.  at is the first '@' before it.
 */
static const char *
addr_scan(struct header_addrs *it, const char *p, const char **at)
{
	*at = NULL;
	while (p < it->end) {
		if (*p == '<' || *p == ',' || *p == ';')
			break;
		if (*p == ':' && *at == NULL && !it->group)
			break;
		if (*p == '@' && *at == NULL)
			*at = p;
		p = skip_one(it, p);
	}
	return p;
}

static void
put(struct header_addrs *it, const char *p, size_t len)
{
	if (len > sizeof(it->buf) - it->used)
		len = sizeof(it->buf) - it->used;
	memcpy(it->buf + it->used, p, len);
	it->used += len;
}

/* The inside of a quoted string or comment, without folds and escapes. */
static void
put_inside(struct header_addrs *it, const char *p, const char *end)
{
	const char *run;

	while (p < end) {
		for (run = p; p < end && *p != '\\' && *p != '\r' &&
		    *p != '\n'; p++)
			;
		put(it, run, (size_t)(p - run));
		if (p < end && *p == '\\' && p + 1 < end)
			put(it, ++p, 1);
		p++;
	}
}

static void
since(const struct header_addrs *it, size_t mark, struct hstr *s)
{
	s->p = it->buf + mark;
	s->len = it->used - mark;
}

/* A run of plain characters, to the next that means something. */
static const char *
plain_run(const char *p, const char *end)
{
	for (p++; p < end && !lex_space(*p) && *p != '"' && *p != '(' &&
	    *p != '.'; p++)
		;
	return p;
}

/*
 * The words from p to end, quotes taken off, comments skipped, one space
 * for white space.  With dots set none is left around a dot, and *last is
 * where the text behind the last space begins.
 */
static void
put_words(struct header_addrs *it, const char *p, const char *end, int dots,
    size_t *last)
{
	size_t		 mark = it->used;
	const char	*e;
	int		 space = 0, dot = 0;

	*last = mark;
	while (p < end) {
		if (lex_space(*p)) {
			space = 1;
			p++;
			continue;
		}
		if (*p == '(' && (e = comment_end(it, p)) != NULL) {
			space = 1;
			p = e;
			continue;
		}
		if (space && it->used > mark &&
		    !(dots && (dot || *p == '.'))) {
			put(it, " ", 1);
			*last = it->used;
		}
		space = 0;
		dot = *p == '.';
		if (*p == '"' && (e = quote_end(it, p)) != NULL) {
			put_inside(it, p + 1, e - 1);
			p = e;
			continue;
		}
		e = dot ? p + 1 : plain_run(p, end);
		put(it, p, (size_t)(e - p));
		p = e;
	}
}

/* The first comment between two points, for want of a display name. */
static void
put_comment(struct header_addrs *it, const char *p, const char *end,
    struct hstr *name)
{
	const char	*e;
	size_t		 mark;

	while (p < end) {
		if (*p != '(' || (e = comment_end(it, p)) == NULL) {
			p = skip_one(it, p);
			continue;
		}
		mark = it->used;
		put_inside(it, p + 1, e - 1);
		since(it, mark, name);
		return;
	}
}

static void
addr_phrase(struct header_addrs *it, const char *p, const char *end,
    struct hstr *name)
{
	size_t mark = it->used, last;

	put_words(it, p, end, 0, &last);
	if (it->used > mark)
		since(it, mark, name);
}

/* A domain from p on, without the space around its dots; returns its end. */
static const char *
addr_domain(struct header_addrs *it, const char *p, struct hstr *domain)
{
	size_t		 mark = it->used;
	const char	*run, *q;

	p = skip_cfws(it, p);
	while (p < it->end && strchr(",;<>", *p) == NULL) {
		run = p;
		if (*p == '[')
			while (p < it->end && *p != ']' && !lex_space(*p))
				p++;
		while (p < it->end && !lex_space(*p) &&
		    (*p == '\0' || strchr("(,;<>", *p) == NULL))
			p++;
		if (p == run)	/* a '(' that opens nothing */
			p++;
		put(it, run, (size_t)(p - run));
		q = skip_cfws(it, p);
		if (q == p || q == it->end || (*q != '.' && p[-1] != '.'))
			break;
		p = q;
	}
	since(it, mark, domain);
	return p;
}

/* "local@domain" without brackets, from p; words in front are its name. */
static const char *
addr_bare(struct header_addrs *it, const char *p, const char *at,
    struct header_addr *a)
{
	size_t		 mark = it->used, last;
	const char	*end;

	put_words(it, p, at, 1, &last);
	if (last > mark) {
		a->name.p = it->buf + mark;
		a->name.len = last - 1 - mark;
	}
	since(it, last, &a->local);
	end = at;
	if (at < it->end && *at == '@')
		end = addr_domain(it, at + 1, &a->domain);
	return end;
}

/* The obsolete "@a,@b:" in front of an address; returns what is behind. */
static const char *
addr_route(struct header_addrs *it, const char *p, struct hstr *route)
{
	const char	*q = p;
	size_t		 mark = it->used;

	while (q < it->end && *q != ':' && *q != '>' && *q != '<' &&
	    *q != '"')
		q++;
	if (q == it->end || *q != ':')
		return p;
	for (; p < q; p++)
		if (!lex_space(*p))
			put(it, p, 1);
	since(it, mark, route);
	return q + 1;
}

/* "<local@domain>" from behind the '<'; returns what is behind the '>'. */
static const char *
addr_angle(struct header_addrs *it, const char *p, struct header_addr *a)
{
	const char	*at;
	size_t		 last, mark;

	p = skip_cfws(it, p);
	if (p < it->end && *p == '@')
		p = skip_cfws(it, addr_route(it, p, &a->route));
	for (at = p; at < it->end && *at != '@' && *at != '>' && *at != '<' &&
	    *at != ',';)
		at = skip_one(it, at);
	mark = it->used;
	put_words(it, p, at, 1, &last);
	since(it, mark, &a->local);
	p = at;
	if (p < it->end && *p == '@')
		p = addr_domain(it, p + 1, &a->domain);
	while (p < it->end && strchr("<>,;", *p) == NULL)
		p = skip_one(it, p);
	return p < it->end && *p == '>' ? p + 1 : p;
}

/*
 * Goes behind what follows an address: to the next separator, unless
 * another address comes first (somebody forgot the comma).
 */
static void
addr_rest(struct header_addrs *it, const char *p, struct header_addr *a)
{
	const char *q = p, *at;

	p = addr_scan(it, p, &at);
	if (a->name.p == NULL)
		put_comment(it, q, p, &a->name);
	if (p < it->end && *p == ':')
		p++;
	else if (p < it->end && *p == '<' && p > q)
		p = skip_cfws(it, q);
	it->p = p;
}

/* Skips separators; the end of a group is one that is told. */
static int
addr_between(struct header_addrs *it)
{
	const char *p = it->p;

	for (;;) {
		p = skip_cfws(it, p);
		if (p == it->end || (*p != ',' && *p != ';'))
			break;
		if (*p++ == ';' && it->group) {
			it->p = p;
			return 1;
		}
	}
	it->p = p;
	return p == it->end && it->group;
}

int
header_addr_next(struct header_addrs *it, struct header_addr *a)
{
	const char *p, *q, *at;

	memset(a, 0, sizeof(*a));
	it->used = 0;
	if (addr_between(it)) {
		it->group = 0;
		a->kind = HEADER_ADDR_GROUP_END;
		return 1;
	}
	if ((p = it->p) == it->end)
		return 0;
	q = addr_scan(it, p, &at);
	if (q < it->end && *q == ':') {
		a->kind = HEADER_ADDR_GROUP;
		since(it, 0, &a->name);
		addr_phrase(it, p, q, &a->name);
		it->group = 1;
		it->p = q + 1;
		return 1;
	}
	a->kind = HEADER_ADDR_MAILBOX;
	since(it, 0, &a->local);
	a->domain = a->local;
	if (q < it->end && *q == '<') {
		addr_phrase(it, p, q, &a->name);
		q = addr_angle(it, q + 1, a);
	} else
		q = addr_bare(it, p, at != NULL ? at : q, a);
	addr_rest(it, q, a);
	return 1;
}

/* message ids */

void
header_msgid_start(struct header_msgids *it, const char *p, size_t len)
{
	it->p = p;
	it->end = p + len;
}

/* Takes one id, up to its '>'; 0 if it turns out to be none. */
static int
msgid_take(struct header_msgids *it, struct hstr *id)
{
	size_t	n = 0;
	int	quote = 0;
	char	c;

	while (it->p < it->end) {
		c = *it->p;
		if (c == '<' && !quote)
			return 0;
		it->p++;
		if (c == '>' && !quote) {
			id->p = it->buf;
			id->len = n;
			return n > 0 && n < sizeof(it->buf);
		}
		if (c == '"') {
			quote = !quote;
			continue;
		}
		if (c == '\\' && it->p < it->end)
			c = *it->p++;
		else if (lex_space(c))
			continue;
		if (n < sizeof(it->buf))
			it->buf[n++] = c;
	}
	return 0;
}

int
header_msgid_next(struct header_msgids *it, struct hstr *id)
{
	const char *lt;

	for (;;) {
		lt = memchr(it->p, '<', (size_t)(it->end - it->p));
		if (lt == NULL)
			return 0;
		it->p = lt + 1;
		if (msgid_take(it, id))
			return 1;
	}
}
