/*
 * Header text for people: encoded words (RFC 2047) and base subjects
 * (RFC 5256, 2.1).
 */
#include <stdlib.h>
#include <string.h>

#include "charset.h"
#include "header.h"
#include "header_lex.h"
#include "mime.h"

#define WORD_CHARSET_MAX	64

struct word {
	struct hstr	 charset;
	char		 enc;		/* 'b' or 'q' */
	struct hstr	 text;
};

/* The state between two pieces of a value. */
struct decode {
	struct ibuf		*out;
	struct charset_conv	 cv;
	const struct charset	*cs;	/* of the word before, else NULL */
	struct charset_conv	 raw;
};

/* What stands before the next '?': 0 if there is none, or it is empty. */
static int
word_piece(const char **p, const char *end, struct hstr *s)
{
	s->p = *p;
	while (*p < end && (unsigned char)**p > ' ' && **p != '?' &&
	    **p != 0x7f)
		(*p)++;
	s->len = (size_t)(*p - s->p);
	if (*p == end || **p != '?')
		return 0;
	(*p)++;
	return 1;
}

/* The encoded word at p: returns its end, NULL if it is none. */
static const char *
word_parse(const char *p, const char *end, struct word *w)
{
	const char	*star;
	struct hstr	 enc;

	if (end - p < 2 || p[0] != '=' || p[1] != '?')
		return NULL;
	p += 2;
	if (!word_piece(&p, end, &w->charset) || w->charset.len == 0 ||
	    w->charset.len > WORD_CHARSET_MAX ||
	    !word_piece(&p, end, &enc) || enc.len != 1 ||
	    !word_piece(&p, end, &w->text))
		return NULL;
	if (p == end || *p != '=')
		return NULL;
	w->enc = (char)lex_lower(*enc.p);
	if (w->enc != 'b' && w->enc != 'q')
		return NULL;
	/* RFC 2231, 5: a language behind the charset */
	star = memchr(w->charset.p, '*', w->charset.len);
	if (star != NULL)
		w->charset.len = (size_t)(star - w->charset.p);
	return p + 1;
}

static size_t
word_q(const struct hstr *s, char *out)
{
	const char	*p = s->p, *end = p + s->len;
	char		*o = out;
	int		 c;

	for (; p < end; p++) {
		if (*p == '_')
			*o++ = ' ';
		else if (*p == '=' && end - p > 2 &&
		    (c = lex_hex2(p[1], p[2])) != -1) {
			*o++ = (char)c;
			p += 2;
		} else
			*o++ = *p;
	}
	return (size_t)(o - out);
}

static size_t
word_b(const struct hstr *s, char *out)
{
	struct mime_decoder	d;
	size_t			n;

	mime_decode_start(&d, MIME_BASE64);
	n = mime_decode(&d, s->p, s->len, out);
	return n + mime_decode_finish(&d, out + n);
}

static int
word_put(struct decode *d, const struct word *w)
{
	const struct charset	*cs;
	char			 small[512], *buf = small;
	size_t			 n;
	int			 r = 0;

	n = w->text.len + MIME_DECODE_SLACK;
	if (n > sizeof(small) && (buf = malloc(n)) == NULL)
		return -1;
	n = w->enc == 'b' ? word_b(&w->text, buf) : word_q(&w->text, buf);
	cs = charset_find(w->charset.p, w->charset.len);
	if (cs != d->cs) {
		if (d->cs != NULL)
			r = charset_finish(&d->cv, d->out);
		charset_start(&d->cv, cs);
		d->cs = cs;
	}
	if (r == 0)
		r = charset_feed(&d->cv, buf, n, d->out);
	if (buf != small)
		free(buf);
	return r;
}

static int
word_end(struct decode *d)
{
	if (d->cs == NULL)
		return 0;
	d->cs = NULL;
	return charset_finish(&d->cv, d->out);
}

/* Bytes that are no encoded word; line ends vanish, a CR alone does not. */
static int
text_put(struct decode *d, const char *p, const char *end)
{
	const char *run;

	if (word_end(d) == -1)
		return -1;
	while (p < end) {
		for (run = p; p < end && *p != '\n' && (*p != '\r' ||
		    p + 1 == end || p[1] != '\n'); p++)
			;
		if (charset_feed(&d->raw, run, (size_t)(p - run),
		    d->out) == -1)
			return -1;
		while (p < end && (*p == '\r' || *p == '\n'))
			p++;
	}
	return charset_finish(&d->raw, d->out);
}

/* The next place from p on where an encoded word might begin. */
static const char *
text_end(const char *p, const char *end)
{
	const char *q;

	for (; p < end; p = q + 1) {
		q = memchr(p, '=', (size_t)(end - p));
		if (q == NULL || end - q < 2)
			return end;
		if (q[1] == '?')
			return q;
	}
	return end;
}

static const char *
space_end(const char *p, const char *end)
{
	while (p < end && lex_space(*p))
		p++;
	return p;
}

static int
decode_run(struct decode *d, const char *p, const char *end)
{
	const char	*q, *e, *text = p;
	struct word	 w;

	while (p < end) {
		q = text_end(p, end);
		if ((e = word_parse(q, end, &w)) == NULL) {
			p = q < end ? q + 2 : end;
			continue;
		}
		/* white space between two words is not shown */
		if (q > text && (d->cs == NULL || space_end(text, q) != q) &&
		    text_put(d, text, q) == -1)
			return -1;
		if (word_put(d, &w) == -1)
			return -1;
		p = text = e;
	}
	if (text < end && text_put(d, text, end) == -1)
		return -1;
	return word_end(d);
}

int
header_decode(struct ibuf *b, const char *p, size_t len)
{
	struct decode	 d;
	size_t		 start = ibuf_size(b);
	uint8_t		*o, *oend;

	d.out = b;
	d.cs = NULL;
	charset_start(&d.raw, charset_find("", 0));
	if (decode_run(&d, p, p + len) == -1)
		return -1;
	if (ibuf_size(b) == start)
		return 0;
	o = ibuf_data(b) + start;
	oend = ibuf_data(b) + ibuf_size(b);
	for (; o < oend; o++)
		if (*o < ' ' || *o == 0x7f)
			*o = ' ';
	return 0;
}

/* base subject */

struct subject {
	const char	*p;
	const char	*end;
	int		 refwd;
};

static int
starts(const char *p, const char *end, const char *word)
{
	for (; *word != '\0'; word++, p++)
		if (p == end || lex_lower(*p) != *word)
			return 0;
	return 1;
}

static const char *
skip_sp(const char *p, const char *end)
{
	while (p < end && *p == ' ')
		p++;
	return p;
}

/* Behind the subj-blob at p, p itself if there is none. */
static const char *
blob_end(const char *p, const char *end)
{
	const char *q;

	if (p == end || *p != '[')
		return p;
	for (q = p + 1; q < end && *q != '[' && *q != ']'; q++)
		;
	return q < end && *q == ']' ? skip_sp(q + 1, end) : p;
}

/* Behind the subj-refwd at p, p itself if there is none. */
static const char *
refwd_end(const char *p, const char *end)
{
	const char *q;

	if (starts(p, end, "re"))
		q = p + 2;
	else if (starts(p, end, "fwd"))
		q = p + 3;
	else if (starts(p, end, "fw"))
		q = p + 2;
	else
		return p;
	q = blob_end(skip_sp(q, end), end);
	return q < end && *q == ':' ? q + 1 : p;
}

static void
subject_trailer(struct subject *s)
{
	for (;;) {
		if (s->end > s->p && s->end[-1] == ' ')
			s->end--;
		else if (s->end - s->p >= 5 &&
		    starts(s->end - 5, s->end, "(fwd)")) {
			s->end -= 5;
			s->refwd = 1;
		} else
			return;
	}
}

/*
 * Steps 3 to 5.  Blobs in front of no "re:" go one by one in the RFC; here
 * all but what would leave nothing go at once, which is the same and not
 * quadratic.
 */
static void
subject_leader(struct subject *s)
{
	const char *p, *q, *r, *last;

	for (;;) {
		s->p = last = p = skip_sp(s->p, s->end);
		while ((q = blob_end(p, s->end)) != p) {
			last = p;
			p = q;
		}
		if ((r = refwd_end(p, s->end)) != p) {
			s->p = r;
			s->refwd = 1;
			continue;
		}
		s->p = p < s->end ? p : last;
		return;
	}
}

static int
subject_wrapped(struct subject *s)
{
	if (s->end - s->p < 6 || s->end[-1] != ']' ||
	    !starts(s->p, s->end, "[fwd:"))
		return 0;
	s->p += 5;
	s->end--;
	s->refwd = 1;
	return 1;
}

static int
subject_base(struct ibuf *b, char *p, size_t len)
{
	struct subject	 s;
	size_t		 i, o = 0;

	if (len == 0)
		return 0;
	for (i = 0; i < len; i++)
		if (p[i] != ' ' || o == 0 || p[o - 1] != ' ')
			p[o++] = p[i];
	s.p = p;
	s.end = p + o;
	s.refwd = 0;
	do {
		subject_trailer(&s);
		subject_leader(&s);
	} while (subject_wrapped(&s));
	if (ibuf_add(b, s.p, (size_t)(s.end - s.p)) == -1)
		return -1;
	return s.refwd;
}

int
header_base_subject(struct ibuf *b, const char *p, size_t len)
{
	struct ibuf	t;
	int		r;

	ibuf_init(&t, len * 4 + 64);
	if ((r = header_decode(&t, p, len)) == 0)
		r = subject_base(b, (char *)ibuf_data(&t), ibuf_size(&t));
	ibuf_fini(&t);
	return r;
}
