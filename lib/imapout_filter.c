/*
 * HEADER.FIELDS and HEADER.FIELDS.NOT over a header that passes by.
 */
#include <string.h>

#include "header_lex.h"
#include "imapout.h"

enum {
	AT_LINE,		/* the beginning of a line */
	AT_CR,			/* behind a CR there: a blank line? */
	IN_NAME,		/* held until the colon */
	IN_LINE,		/* decided */
	BEHIND			/* the blank line */
};

void
imapout_filter_start(struct imapout_filter *f, const struct hstr *names,
    size_t n, int except)
{
	f->names = names;
	f->nnames = n;
	f->except = except;
	f->keep = except;
	f->state = AT_LINE;
	f->nhold = 0;
}

/* What is held belongs to a line that is decided now. */
static int
filter_decide(struct imapout_filter *f, int match, struct ibuf *b)
{
	size_t n = f->nhold;

	f->nhold = 0;
	f->keep = f->except ? !match : match;
	f->state = IN_LINE;
	return f->keep ? ibuf_add(b, f->hold, n) : 0;
}

/* A name with its colon is held: is it in the list? */
static int
filter_match(const struct imapout_filter *f)
{
	struct hstr	name = { f->hold, f->nhold - 1 };
	size_t		i;

	while (name.len > 0 && lex_blank(name.p[name.len - 1]))
		name.len--;
	for (i = 0; i < name.len; i++)
		if ((unsigned char)name.p[i] <= ' ' ||
		    (unsigned char)name.p[i] >= 0x7f)
			return 0;
	for (i = 0; i < f->nnames && name.len > 0; i++)
		if (hstr_same(&name, &f->names[i]))
			return 1;
	return 0;
}

static int
filter_name(struct imapout_filter *f, char c, struct ibuf *b)
{
	f->hold[f->nhold++] = c;
	if (c == ':')
		return filter_decide(f, filter_match(f), b);
	if (c == '\n') {
		if (filter_decide(f, 0, b) == -1)
			return -1;
		f->state = AT_LINE;
	} else if (f->nhold == sizeof(f->hold))
		return filter_decide(f, 0, b);
	return 0;
}

static int
filter_blank(struct imapout_filter *f, const char *p, size_t len,
    struct ibuf *b)
{
	f->state = BEHIND;
	f->nhold = 0;
	return ibuf_add(b, p, len);
}

/* One byte, where a line has not been decided yet. */
static int
filter_byte(struct imapout_filter *f, char c, struct ibuf *b)
{
	if (f->state == AT_LINE) {
		if (c == '\n')
			return filter_blank(f, "\n", 1, b);
		f->state = c == '\r' ? AT_CR : lex_blank(c) ? IN_LINE :
		    IN_NAME;
		if (f->state == IN_LINE)
			return f->keep ? ibuf_add(b, &c, 1) : 0;
		if (f->state == AT_CR) {
			f->hold[f->nhold++] = c;
			return 0;
		}
	} else if (f->state == AT_CR) {
		if (c == '\n')
			return filter_blank(f, "\r\n", 2, b);
		f->state = IN_NAME;
	}
	return filter_name(f, c, b);
}

int
imapout_filter_feed(struct imapout_filter *f, const void *data, size_t len,
    struct ibuf *b)
{
	const char	*p = data, *end = p + len, *e;

	while (p < end && f->state != BEHIND) {
		if (f->state != IN_LINE) {
			if (filter_byte(f, *p++, b) == -1)
				return -1;
			continue;
		}
		e = lex_line(p, end);
		if (f->keep && ibuf_add(b, p, (size_t)(e - p)) == -1)
			return -1;
		if (e[-1] == '\n')
			f->state = AT_LINE;
		p = e;
	}
	return f->state == BEHIND;
}

int
imapout_filter_finish(struct imapout_filter *f, struct ibuf *b)
{
	if (f->nhold > 0 && filter_decide(f, 0, b) == -1)
		return -1;
	f->state = BEHIND;
	return 0;
}
