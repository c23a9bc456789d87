#include <string.h>
#include <strings.h>

#include "target.h"

/* The absolute form: what stands before the path says nothing new to us. */
static int
target_skip_authority(const char **p, const char *end)
{
	const char *s = *p;

	if (end - s >= 7 && strncasecmp(s, "http://", 7) == 0)
		s += 7;
	else if (end - s >= 8 && strncasecmp(s, "https://", 8) == 0)
		s += 8;
	else
		return -1;
	while (s < end && *s != '/' && *s != '?')
		s++;
	*p = s;
	return 0;
}

int
target_parse(struct target *t, const struct http_str *raw)
{
	const char	*p = raw->p, *end = raw->p + raw->len, *s;

	memset(t, 0, sizeof(*t));
	if (p == end)
		return -1;
	if (*p != '/' && target_skip_authority(&p, end) == -1)
		return -1;
	while (p < end && *p == '/') {
		if (t->nseg == TARGET_SEGS)
			return -1;
		for (s = ++p; p < end && *p != '/' && *p != '?'; p++)
			;
		t->seg[t->nseg].p = s;
		t->seg[t->nseg++].len = (size_t)(p - s);
	}
	if (p < end) {
		t->query.p = p + 1;
		t->query.len = (size_t)(end - p - 1);
	}
	return 0;
}

int
target_is(const struct target *t, int i, const char *text)
{
	return strlen(text) == t->seg[i].len &&
	    memcmp(t->seg[i].p, text, t->seg[i].len) == 0;
}

static ssize_t
target_decode(const char *p, size_t len, char *out, size_t size)
{
	ssize_t n;

	if ((n = http_pct_decode(out, size - 1, p, len)) >= 0)
		out[n] = '\0';
	return n;
}

ssize_t
target_seg(const struct target *t, int i, char *out, size_t size)
{
	return target_decode(t->seg[i].p, t->seg[i].len, out, size);
}

ssize_t
target_param(const struct target *t, const char *name, char *out, size_t size)
{
	const char	*p = t->query.p, *end, *amp, *eq;
	size_t		 len = strlen(name);

	if (p == NULL)
		return -2;
	for (end = p + t->query.len; p < end; p = amp + 1) {
		if ((amp = memchr(p, '&', (size_t)(end - p))) == NULL)
			amp = end;
		if ((eq = memchr(p, '=', (size_t)(amp - p))) == NULL)
			eq = amp;
		if ((size_t)(eq - p) != len || memcmp(p, name, len) != 0)
			continue;
		if (eq < amp)
			eq++;
		return target_decode(eq, (size_t)(amp - eq), out, size);
	}
	return -2;
}
