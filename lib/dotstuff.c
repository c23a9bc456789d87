#include <string.h>

#include "dotstuff.h"

/* Where in a line the stream is. */
enum {
	LINE_START,			/* after CRLF, or nothing yet */
	LINE_DOT,			/* a dot came first */
	LINE_DOT_CR,			/* a dot and a CR and nothing else */
	LINE_IN,
	LINE_CR				/* a CR, not yet told of */
};

/* How many bytes from here on are neither CR nor LF. */
static size_t
line_run(const char *p, size_t len)
{
	const char	*end;

	if ((end = memchr(p, '\n', len)) != NULL)
		len = (size_t)(end - p);
	if ((end = memchr(p, '\r', len)) != NULL)
		len = (size_t)(end - p);
	return len;
}

/* in */

void
dotin_init(struct dotin *d, int how)
{
	memset(d, 0, sizeof(*d));
	d->raw = how == DOTIN_BDAT;
	d->state = LINE_START;
}

static int
dotin_put(struct dotin *d, const char *p, size_t len, struct ibuf *out)
{
	d->out += len;
	return ibuf_add(out, p, len);
}

/* A CR or LF that stands alone.  It starts no line that a dot could end. */
static int
dotin_bare(struct dotin *d, uint64_t *count, struct ibuf *out)
{
	(*count)++;
	d->state = LINE_IN;
	d->unended = 0;
	return dotin_put(d, "\r\n", 2, out);
}

/*
 * One CR or LF.  Returns 1 if it was the last byte of the end mark.
 */
static int
dotin_eol(struct dotin *d, char c, struct ibuf *out)
{
	if (c == '\n') {
		if (d->state == LINE_DOT_CR)
			return 1;
		if (d->state != LINE_CR)
			return dotin_bare(d, &d->bare_lf, out);
		d->state = LINE_START;
		d->unended = 0;
		return dotin_put(d, "\r\n", 2, out);
	}
	if (d->state == LINE_CR || d->state == LINE_DOT_CR) {
		if (dotin_bare(d, &d->bare_cr, out) == -1)
			return -1;
		d->state = LINE_CR;
		return 0;
	}
	d->state = d->state == LINE_DOT ? LINE_DOT_CR : LINE_CR;
	return 0;
}

/* Bytes without CR and LF, at least one.  Returns how many it took, -1. */
static ssize_t
dotin_text(struct dotin *d, const char *p, size_t len, struct ibuf *out)
{
	if (d->state == LINE_START && *p == '.' && !d->raw) {
		d->state = LINE_DOT;
		return 1;
	}
	if ((d->state == LINE_CR || d->state == LINE_DOT_CR) &&
	    dotin_bare(d, &d->bare_cr, out) == -1)
		return -1;
	d->state = LINE_IN;
	d->unended = 1;
	return dotin_put(d, p, len, out) == -1 ? -1 : (ssize_t)len;
}

static uint64_t
count_nul(const char *p, size_t len)
{
	const char	*nul;
	uint64_t	 n = 0;

	while ((nul = memchr(p, '\0', len)) != NULL) {
		n++;
		len -= (size_t)(nul + 1 - p);
		p = nul + 1;
	}
	return n;
}

int
dotin_feed(struct dotin *d, const void *data, size_t len, size_t *used,
    struct ibuf *out)
{
	const char	*p = data;
	size_t		 i = 0, run;
	ssize_t		 n;
	int		 end = 0;

	while (i < len && end == 0) {
		if ((run = line_run(p + i, len - i)) == 0)
			end = dotin_eol(d, p[i++], out);
		else if ((n = dotin_text(d, p + i, run, out)) == -1)
			end = -1;
		else
			i += (size_t)n;
	}
	d->nul += count_nul(p, i);
	*used = i;
	return end;
}

int
dotin_finish(struct dotin *d, struct ibuf *out)
{
	if (d->state == LINE_CR)
		return dotin_bare(d, &d->bare_cr, out);
	if (!d->unended)
		return 0;
	d->unended = 0;
	return dotin_put(d, "\r\n", 2, out);
}

/* out */

void
dotout_init(struct dotout *d, int64_t lines)
{
	memset(d, 0, sizeof(*d));
	d->state = LINE_START;
	d->lines = lines;
}

/* A line ends; is it the one that ends the header, or the last wanted? */
static int
dotout_eol(struct dotout *d, struct ibuf *out)
{
	if (d->body) {
		if (d->lines > 0 && --d->lines == 0)
			d->full = 1;
	} else if (d->linelen == 0) {
		d->body = 1;
		d->full = d->lines == 0;
	}
	d->linelen = 0;
	d->state = LINE_START;
	return ibuf_add(out, "\r\n", 2);
}

static int
dotout_byte(struct dotout *d, char c, struct ibuf *out)
{
	if (d->state == LINE_CR) {
		/* it ends the line, alone or with this LF */
		if (dotout_eol(d, out) == -1)
			return -1;
		if (c == '\n' || d->full)
			return 0;
	}
	if (c == '\n')
		return dotout_eol(d, out);
	d->state = LINE_CR;
	return 0;
}

static int
dotout_text(struct dotout *d, const char *p, size_t len, struct ibuf *out)
{
	if (d->state == LINE_CR) {
		if (dotout_eol(d, out) == -1)
			return -1;
		if (d->full)
			return 0;
	}
	if (d->state == LINE_START && *p == '.' &&
	    ibuf_add_n8(out, '.') == -1)
		return -1;
	d->state = LINE_IN;
	d->linelen = 1;
	return ibuf_add(out, p, len);
}

int
dotout_feed(struct dotout *d, const void *data, size_t len, struct ibuf *out)
{
	const char	*p = data;
	size_t		 run;

	while (len > 0 && !d->full) {
		if ((run = line_run(p, len)) == 0) {
			run = 1;
			if (dotout_byte(d, *p, out) == -1)
				return -1;
		} else if (dotout_text(d, p, run, out) == -1)
			return -1;
		p += run;
		len -= run;
	}
	return d->full;
}

int
dotout_finish(struct dotout *d, struct ibuf *out)
{
	if (d->state != LINE_START && dotout_eol(d, out) == -1)
		return -1;
	return ibuf_add(out, ".\r\n", 3);
}
