#include <string.h>
#include <strings.h>

#include "hdrdrop.h"

enum {
	DROP_START,		/* a line begins */
	DROP_NAME,		/* so far it is the name, or blanks behind */
	DROP_PASS,		/* in a line that stays */
	DROP_SKIP,		/* in a line that goes */
	DROP_SKIPPED,		/* behind one: a blank goes on with it */
	DROP_BODY
};

void
hdrdrop_init(struct hdrdrop *d, const char *name)
{
	memset(d, 0, sizeof(*d));
	d->name = name;
	d->state = DROP_START;
}

int
hdrdrop_done(const struct hdrdrop *d)
{
	return d->state == DROP_BODY;
}

static int
hdrdrop_release(struct hdrdrop *d, struct ibuf *out)
{
	size_t n = d->nheld;

	d->nheld = 0;
	return ibuf_add(out, d->held, n);
}

/* The next byte of what may be the name; the new state. */
static int
hdrdrop_name(const struct hdrdrop *d, char c)
{
	size_t len = strlen(d->name);

	if (d->nheld < len)
		return strncasecmp(d->name + d->nheld, &c, 1) == 0 ?
		    DROP_NAME : DROP_PASS;
	if (c == ':')
		return DROP_SKIP;
	return (c == ' ' || c == '\t') && d->nheld < HDRDROP_HELD ?
	    DROP_NAME : DROP_PASS;
}

/* A line's first byte, or one more of its name: 1 if it was taken. */
static int
hdrdrop_begin(struct hdrdrop *d, char c, struct ibuf *out)
{
	if (d->state == DROP_SKIPPED) {
		if (c == ' ' || c == '\t') {
			d->state = DROP_SKIP;
			return 0;
		}
		d->state = DROP_START;
	}
	if (d->state == DROP_START && (c == '\r' || c == '\n')) {
		d->state = DROP_BODY;
		return 0;
	}
	d->state = hdrdrop_name(d, c);
	if (d->state == DROP_NAME) {
		d->held[d->nheld++] = c;
		return 1;
	}
	if (d->state == DROP_PASS)
		return hdrdrop_release(d, out);
	d->nheld = 0;
	d->dropped++;
	return 0;
}

/* The rest of a line, or as much as there is: how many bytes, -1. */
static ssize_t
hdrdrop_line(struct hdrdrop *d, const char *p, size_t len, struct ibuf *out)
{
	const char *nl;

	if (d->state == DROP_BODY)
		return ibuf_add(out, p, len) == -1 ? -1 : (ssize_t)len;
	if ((nl = memchr(p, '\n', len)) != NULL)
		len = (size_t)(nl - p) + 1;
	if (d->state == DROP_PASS && ibuf_add(out, p, len) == -1)
		return -1;
	if (nl != NULL)
		d->state = d->state == DROP_PASS ? DROP_START : DROP_SKIPPED;
	return (ssize_t)len;
}

int
hdrdrop_feed(struct hdrdrop *d, const void *data, size_t len,
    struct ibuf *out)
{
	const char	*p = data;
	ssize_t		 n;

	while (len > 0) {
		if (d->state == DROP_START || d->state == DROP_NAME ||
		    d->state == DROP_SKIPPED)
			n = hdrdrop_begin(d, *p, out);
		else
			n = hdrdrop_line(d, p, len, out);
		if (n == -1)
			return -1;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int
hdrdrop_finish(struct hdrdrop *d, struct ibuf *out)
{
	return hdrdrop_release(d, out);
}
