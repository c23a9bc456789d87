#include <atf-c.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mime.h"

/* What the hooks were given: all header bytes, all body bytes, the calls. */
struct seen {
	struct ibuf	 header;
	struct ibuf	 body;
	struct ibuf	 calls;
	int		 fail;		/* at this call, counted down */
};

static int
note(struct seen *s, char what, const struct mime_part *part)
{
	if (s->fail > 0 && --s->fail == 0) {
		errno = EINTR;
		return -1;
	}
	return ibuf_addf(&s->calls, "%c%u ", what, part->depth);
}

static int
on_begin(void *arg, const struct mime_part *part)
{
	return note(arg, 'b', part);
}

static int
on_header(void *arg, const struct mime_part *part, const char *p, size_t len)
{
	struct seen *s = arg;

	ATF_CHECK(len > 0);
	return ibuf_add(&s->header, p, len);
}

static int
on_header_end(void *arg, const struct mime_part *part)
{
	struct seen *s = arg;

	ibuf_add_n8(&s->header, '|');
	return note(s, 'h', part);
}

static int
on_body(void *arg, const struct mime_part *part, const char *p, size_t len)
{
	struct seen *s = arg;

	ATF_CHECK(len > 0);
	ATF_CHECK_EQ(MIME_LEAF, part->kind);
	return ibuf_add(&s->body, p, len);
}

static int
on_end(void *arg, const struct mime_part *part)
{
	struct seen *s = arg;

	if (part->kind == MIME_LEAF)
		ibuf_add_n8(&s->body, '|');
	return note(s, 'e', part);
}

static const struct mime_hooks hooks = {
	on_begin, on_header, on_header_end, on_body, on_end
};

static void
seen_init(struct seen *s)
{
	memset(s, 0, sizeof(*s));
	ibuf_init(&s->header, 1 << 24);
	ibuf_init(&s->body, 1 << 24);
	ibuf_init(&s->calls, 1 << 24);
}

static void
seen_fini(struct seen *s)
{
	ibuf_fini(&s->header);
	ibuf_fini(&s->body);
	ibuf_fini(&s->calls);
}

static int
feed(struct mime *m, const char *p, size_t len, size_t piece)
{
	size_t n;

	for (; len > 0; p += n, len -= n) {
		n = len < piece ? len : piece;
		if (mime_feed(m, p, n) == -1)
			return -1;
	}
	return mime_finish(m);
}

static void
is(const struct ibuf *b, const char *want)
{
	ATF_CHECK_MSG(ibuf_size(b) == strlen(want) &&
	    memcmp(ibuf_data(b), want, strlen(want)) == 0, "%.*s",
	    (int)ibuf_size(b), (char *)ibuf_data(b));
}

static const char sample[] =
    "Subject: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    "pre\r\n--b\r\nA: 1\r\n\r\none\r\n\r\n--b x\r\n"
    "Content-Type: message/rfc822\r\n\r\nB: 2\r\n\r\ntwo\r\r\n--b\r\n"
    "\r\n--c\nthree\n\r\n--b--\r\nepi\r\n--b\r\n";

ATF_TC_WITHOUT_HEAD(events);
ATF_TC_BODY(events, tc)
{
	struct seen s;
	struct mime *m;
	size_t piece;

	for (piece = 1; piece <= sizeof(sample); piece++) {
		seen_init(&s);
		ATF_REQUIRE((m = mime_open(NULL, &hooks, &s)) != NULL);
		ATF_REQUIRE_EQ(0, feed(m, sample, sizeof(sample) - 1, piece));
		is(&s.calls, "b1 h1 b2 h2 e2 b2 h2 b3 h3 e3 e2 b2 h2 e2 e1 ");
		is(&s.header, "Subject: x\r\nContent-Type: multipart/mixed; "
		    "boundary=b\r\n\r\n|A: 1\r\n\r\n|Content-Type: "
		    "message/rfc822\r\n\r\n|B: 2\r\n\r\n|\r\n|");
		is(&s.body, "one\r\n|two\r|--c\nthree\n|");
		ATF_CHECK_EQ(sizeof(sample) - 1, mime_size(m));
		mime_free(m);
		seen_fini(&s);
	}
}

/* An error of a hook ends the parse, wherever it comes. */
ATF_TC_WITHOUT_HEAD(hookfail);
ATF_TC_BODY(hookfail, tc)
{
	struct seen s;
	struct mime *m;
	int i;

	for (i = 1; i <= 16; i++) {
		seen_init(&s);
		s.fail = i;
		errno = 0;
		m = mime_open(NULL, &hooks, &s);
		if (i == 1)
			ATF_CHECK(m == NULL);
		else
			ATF_CHECK_EQ(i == 16 ? 0 : -1, feed(m, sample,
			    sizeof(sample) - 1, 5));
		ATF_CHECK_EQ(i == 16 ? 0 : EINTR, errno);
		mime_free(m);
		seen_fini(&s);
	}
}

static struct mime *
parse(const struct mime_limits *l, const char *p, size_t len)
{
	struct mime *m;

	ATF_REQUIRE((m = mime_open(l, NULL, NULL)) != NULL);
	ATF_REQUIRE_EQ(0, feed(m, p, len, 1000));
	return m;
}

/* Children lie in their parent, in order, without overlapping. */
static void
consistent(const struct mime_part *p, uint64_t size)
{
	const struct mime_part *c;
	uint64_t at = p->body_off, end = p->body_off + p->body_len;
	unsigned n = 0;

	ATF_CHECK(p->hdr_off + p->hdr_len == p->body_off);
	ATF_CHECK(end <= size);
	for (c = p->child; c != NULL; c = c->next) {
		ATF_CHECK_EQ(++n, c->num);
		ATF_CHECK_EQ(p, c->parent);
		ATF_CHECK_EQ(p->depth + 1, c->depth);
		ATF_CHECK(c->hdr_off >= at);
		at = c->body_off + c->body_len;
		ATF_CHECK(at <= end);
		consistent(c, size);
	}
	ATF_CHECK(p->kind != MIME_LEAF || n == 0);
	ATF_CHECK(p->kind != MIME_MESSAGE || n == 1);
}

ATF_TC_WITHOUT_HEAD(tree);
ATF_TC_BODY(tree, tc)
{
	const struct mime_part *p;
	struct mime *m;

	m = parse(NULL, sample, sizeof(sample) - 1);
	p = mime_root(m);
	consistent(p, mime_size(m));
	ATF_CHECK_EQ(MIME_MULTIPART, p->kind);
	ATF_CHECK_EQ(2, p->blank);
	p = mime_next(p);
	ATF_CHECK(hstr_is(&p->type, "text") && hstr_is(&p->subtype, "plain"));
	ATF_CHECK_EQ(1, p->lines);
	ATF_CHECK_EQ(5, p->body_len);
	p = mime_next(p);
	ATF_CHECK_EQ(MIME_MESSAGE, p->kind);
	ATF_CHECK_EQ(2, p->lines);
	p = mime_next(p);
	ATF_CHECK_EQ(3, p->depth);
	ATF_CHECK_EQ(0, p->lines);
	p = mime_next(p);
	ATF_CHECK_EQ(2, p->depth);
	ATF_CHECK_EQ(3, p->num);
	ATF_CHECK_EQ(2, p->lines);
	ATF_CHECK(mime_next(p) == NULL);
	mime_free(m);
}

/* What the message's own header keeps, and what it only remembers. */
ATF_TC_WITHOUT_HEAD(fields);
ATF_TC_BODY(fields, tc)
{
	static const char mail[] = "From: a\r\nX-One: 1\r\nTO : b,\r\n c\r\n"
	    "x-one: 2\r\nX-Two: 3\r\njunk\r\nFrom: d\r\nContent-Type: "
	    "message/rfc822\r\n\r\nFrom: e\r\nX-Three: 4\r\nX-Mailer: f\r\n"
	    "Content-ID: g\r\n\r\n";
	const struct mime_part *p;
	const struct mime_field *f;
	const uint32_t *h;
	struct mime *m;

	m = parse(NULL, mail, sizeof(mail) - 1);
	p = mime_root(m);
	f = p->fields;
	ATF_CHECK_EQ(HEADER_FROM, f->id);
	f = f->next;
	ATF_CHECK_EQ(HEADER_NONE, f->id);
	ATF_CHECK(hstr_is(&f->f.raw, "X-One: 1\r\n"));
	f = f->next;
	ATF_CHECK_EQ(HEADER_TO, f->id);
	ATF_CHECK(hstr_is(&f->f.name, "TO"));
	ATF_CHECK(hstr_is(&f->f.value, "b,\r\n c"));
	ATF_CHECK(hstr_is(&f->f.raw, "TO : b,\r\n c\r\n"));
	f = f->next;
	ATF_CHECK(hstr_is(&f->f.raw, "x-one: 2\r\n"));
	f = f->next;
	ATF_CHECK(hstr_is(&f->f.raw, "X-Two: 3\r\n"));
	f = f->next;
	ATF_CHECK_EQ(HEADER_NONE, f->id);
	ATF_CHECK(hstr_is(&f->f.raw, "junk\r\n"));
	f = f->next;
	ATF_CHECK_EQ(HEADER_FROM, f->id);
	f = f->next;
	ATF_CHECK_EQ(HEADER_CONTENT_TYPE, f->id);
	ATF_CHECK(f->next == NULL);
	ATF_CHECK(!p->gaps);
	ATF_CHECK_EQ(p->fields, mime_field(p, HEADER_FROM));
	ATF_CHECK(mime_field(p, HEADER_CC) == NULL);
	ATF_CHECK_EQ(2, mime_names(m, &h));
	ATF_CHECK_EQ(mime_name_hash("x-ONE", 5), h[0]);
	ATF_CHECK_EQ(mime_name_hash("x-two", 5), h[1]);
	ATF_CHECK(h[0] < 1U << MIME_NAME_BITS && h[0] != h[1]);
	p = mime_next(p);
	ATF_CHECK_EQ(HEADER_FROM, p->fields->id);
	ATF_CHECK_EQ(HEADER_CONTENT_ID, p->fields->next->id);
	ATF_CHECK(p->fields->next->next == NULL);
	mime_free(m);
}

/* A text of n times a unit between a head and a tail. */
static char *
repeat(const char *head, const char *unit, size_t n, const char *tail,
    size_t *len)
{
	size_t h = strlen(head), u = strlen(unit), t = strlen(tail), i;
	char *p;

	ATF_REQUIRE((p = malloc(h + u * n + t + 1)) != NULL);
	memcpy(p, head, h);
	for (i = 0; i < n; i++)
		memcpy(p + h + i * u, unit, u);
	memcpy(p + h + n * u, tail, t);
	*len = h + u * n + t;
	return p;
}

static unsigned
count(const struct mime_part *p)
{
	unsigned n = 0;

	for (; p != NULL; p = mime_next(p))
		n++;
	return n;
}

ATF_TC_WITHOUT_HEAD(limits);
ATF_TC_BODY(limits, tc)
{
	const struct mime_limits few = { 5, 4, 100, 400, 600 };
	const struct mime_part *p;
	const uint32_t *h;
	struct mime *m;
	char *mail;
	size_t len;

	/* parts: the last one reaches to the end of its multipart */
	mail = repeat("Content-Type: multipart/mixed; boundary=b\n\n",
	    "--b\n\nx\n", 10, "--b--\nepilogue\n", &len);
	m = parse(&few, mail, len);
	ATF_CHECK_EQ(5, count(mime_root(m)));
	consistent(mime_root(m), len);
	for (p = mime_root(m)->child; p->next != NULL; p = p->next)
		ATF_CHECK_EQ(1, p->body_len);
	ATF_CHECK_EQ(1 + 6 * 7, p->body_len);
	mime_free(m);
	free(mail);

	/* depth: what is too deep is opaque */
	mail = repeat("", "Content-Type: message/rfc822\n\n", 10, "x\n",
	    &len);
	m = parse(&few, mail, len);
	ATF_CHECK_EQ(4, count(mime_root(m)));
	consistent(mime_root(m), len);
	for (p = mime_root(m); p->child != NULL; p = p->child)
		ATF_CHECK_EQ(0, p->opaque);
	ATF_CHECK_EQ(1, p->opaque);
	ATF_CHECK_EQ(MIME_LEAF, p->kind);
	ATF_CHECK_EQ(len - p->body_off, p->body_len);
	mime_free(m);
	free(mail);

	/* fields: a long one is cut, the last ones are dropped */
	mail = repeat("Subject: ", "x", 500, "\nFrom: a\n", &len);
	m = parse(&few, mail, len);
	p = mime_root(m);
	ATF_CHECK_EQ(1, p->fields->cut);
	ATF_CHECK_EQ(100, p->fields->f.raw.len);
	ATF_CHECK_EQ(HEADER_FROM, p->fields->next->id);
	ATF_CHECK_EQ(0, p->fields->next->cut);
	ATF_CHECK_EQ(0, p->lost);
	mime_free(m);
	free(mail);
	mail = repeat("", "To: aaaaaaaaaaaaaaaaaaaaaaaaaaaa\n", 20,
	    "Content-Type: image/gif\n\nx", &len);
	m = parse(&few, mail, len);
	p = mime_root(m);
	ATF_CHECK_EQ(1, p->lost);
	ATF_CHECK_EQ(1, p->gaps);
	ATF_CHECK_EQ(-1, mime_names(m, &h));
	ATF_CHECK(hstr_is(&p->type, "image"));
	ATF_CHECK_EQ(1, p->body_len);
	mime_free(m);
	free(mail);
}

/* Other fields are kept up to a limit of their own, all or in vain. */
ATF_TC_WITHOUT_HEAD(others);
ATF_TC_BODY(others, tc)
{
	static const char unit[] = "X-Other: 0123456789012\r\n";
	const size_t most = MIME_OTHERS_MAX / (sizeof(unit) - 1);
	const struct mime_part *p;
	const struct mime_field *f;
	struct mime *m;
	char *mail;
	size_t len, n, k;

	for (n = most - 1; n <= most + 1; n++) {
		mail = repeat("From: a\r\n", unit, n, "To: b\r\n\r\n",
		    &len);
		m = parse(NULL, mail, len);
		p = mime_root(m);
		for (k = 0, f = p->fields; f != NULL; f = f->next)
			k++;
		ATF_CHECK_EQ(n > most, p->gaps);
		ATF_CHECK_EQ(2 + (n > most ? most : n), k);
		ATF_CHECK_EQ(0, p->lost);
		ATF_CHECK(mime_field(p, HEADER_TO) != NULL);
		mime_free(m);
		free(mail);
	}
}

static void
names_add(struct ibuf *b, int n)
{
	int i;

	for (i = 0; i < n; i++)
		ATF_REQUIRE_EQ(0, ibuf_addf(b, "X-%d: y\r\n", i));
}

ATF_TC_WITHOUT_HEAD(names);
ATF_TC_BODY(names, tc)
{
	const uint32_t *h;
	struct mime *m;
	struct ibuf b;

	ibuf_init(&b, 100000);
	names_add(&b, MIME_NAMES_MAX);
	names_add(&b, MIME_NAMES_MAX);
	m = parse(NULL, (char *)ibuf_data(&b), ibuf_size(&b));
	ATF_CHECK_EQ(MIME_NAMES_MAX, mime_names(m, &h));
	mime_free(m);
	ibuf_truncate(&b, 0);
	names_add(&b, MIME_NAMES_MAX + 1);
	m = parse(NULL, (char *)ibuf_data(&b), ibuf_size(&b));
	ATF_CHECK_EQ(-1, mime_names(m, &h));
	mime_free(m);
	ibuf_fini(&b);
}

/*
 * Messages made to be slow: none takes more than a second here, which even
 * a sanitizer and a busy machine leave room for.
 */
ATF_TC_WITHOUT_HEAD(hostile);
ATF_TC_BODY(hostile, tc)
{
	static const struct {
		const char *head, *unit;
		size_t n;
		const char *tail;
	} t[] = {
		{ "Content-Type: multipart/mixed; boundary=b\n\n", "--b\n",
		    500000, "" },
		{ "Content-Type: multipart/mixed; boundary=b\n\n", "--b--\n",
		    500000, "" },
		{ "", "Content-Type: multipart/mixed; boundary=b\n\n--b\n",
		    40000, "" },
		{ "", "Content-Type: multipart/mixed; boundary=\"----\"\n\n"
		    "------\n", 40000, "" },
		{ "", "Content-Type: message/rfc822\n\n", 60000, "" },
		{ "Subject: ", "x", 2000000, "\n\nbody" },
		{ "Subject: x\n", " continued\n", 200000, "\nbody" },
		{ "", "A: b\n", 400000, "\nbody" },
		{ "", "To: b\n", 400000, "\nbody" },
		{ "Content-Type: multipart/mixed; boundary=\"", "-", 190,
		    "\"\n\n" },
		{ "Content-Type: multipart/mixed; boundary=\"--\"\n\n", "-",
		    2000000, "" },
		{ "Content-Type: multipart/mixed; boundary=x\n\n", "--\n",
		    600000, "" },
		{ "Content-Type: multipart/mixed; boundary=x\n\n", "\n",
		    2000000, "" },
		{ "Content-Type: multipart/mixed; boundary=x\n\n", "\r",
		    2000000, "" },
		{ "Content-Type: ", "(", 2000000, "\n\n" },
		{ "Content-Type: text/plain", ";a=b", 500000, "\n\n" },
	};
	struct mime *m;
	clock_t start;
	char *mail;
	size_t i, len;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		mail = repeat(t[i].head, t[i].unit, t[i].n, t[i].tail, &len);
		start = clock();
		m = parse(NULL, mail, len);
		ATF_CHECK_MSG(clock() - start < 2 * CLOCKS_PER_SEC, "%zu: "
		    "%.1f s", i, (double)(clock() - start) / CLOCKS_PER_SEC);
		ATF_CHECK(count(mime_root(m)) <= MIME_PARTS_MAX);
		consistent(mime_root(m), len);
		mime_free(m);
		free(mail);
	}
}

static void
decodes(enum mime_encoding enc, const char *from, const char *want)
{
	struct mime_decoder d;
	char out[512], *o;
	size_t len = strlen(from), piece, i, n;

	for (piece = 1; piece <= len + 1; piece++) {
		mime_decode_start(&d, enc);
		o = out;
		for (i = 0; i < len; i += n) {
			n = len - i < piece ? len - i : piece;
			o += mime_decode(&d, from + i, n, o);
		}
		o += mime_decode_finish(&d, o);
		ATF_CHECK_MSG((size_t)(o - out) == strlen(want) &&
		    memcmp(out, want, strlen(want)) == 0, "%s: %.*s (%zu)",
		    from, (int)(o - out), out, piece);
	}
}

ATF_TC_WITHOUT_HEAD(decoding);
ATF_TC_BODY(decoding, tc)
{
	struct hstr v[] = { HSTR("base64"), HSTR(" Base64 (x)"),
	    HSTR("quoted-printable;x"), HSTR("7bit"), HSTR(""),
	    HSTR("x-base64"), { NULL, 0 } };

	decodes(MIME_IDENTITY, "a=\r\nb", "a=\r\nb");
	decodes(MIME_BASE64, "", "");
	decodes(MIME_BASE64, "Zg==", "f");
	decodes(MIME_BASE64, "Zm8=", "fo");
	decodes(MIME_BASE64, "Zm9v\r\nYmFy\r\n", "foobar");
	decodes(MIME_BASE64, "Z m\t9*v!Ym Fy", "foobar");
	decodes(MIME_BASE64, "Zg==Zm8=Zm9v", "ffofoo");
	decodes(MIME_BASE64, "Zm9vYg", "foob");
	decodes(MIME_BASE64, "Zm9vY", "foo");
	decodes(MIME_BASE64, "====Zm9v", "foo");
	decodes(MIME_QP, "", "");
	decodes(MIME_QP, "a=3Db=C3=a4", "a=b\xc3\xa4");
	decodes(MIME_QP, "soft=\r\nbreak=\nand = \t\r\nmore",
	    "softbreakand more");
	decodes(MIME_QP, "trailing \t\r\nspace \nend  ",
	    "trailing\r\nspace\nend");
	decodes(MIME_QP, "kept=20\r\na  b", "kept \r\na  b");
	decodes(MIME_QP, "=ZZ =4 =4Z == =\xe4", "=ZZ =4 =4Z == =\xe4");
	decodes(MIME_QP, "end=", "end");
	decodes(MIME_QP, "end=4", "end=4");
	decodes(MIME_QP, "a\rb\r\rc", "a\rb\r\rc");
	decodes(MIME_QP, "=\rx", "= x");
	ATF_CHECK_EQ(MIME_BASE64, mime_encoding(&v[0]));
	ATF_CHECK_EQ(MIME_BASE64, mime_encoding(&v[1]));
	ATF_CHECK_EQ(MIME_QP, mime_encoding(&v[2]));
	ATF_CHECK_EQ(MIME_IDENTITY, mime_encoding(&v[3]));
	ATF_CHECK_EQ(MIME_IDENTITY, mime_encoding(&v[4]));
	ATF_CHECK_EQ(MIME_IDENTITY, mime_encoding(&v[5]));
	ATF_CHECK_EQ(MIME_IDENTITY, mime_encoding(&v[6]));
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, events);
	ATF_TP_ADD_TC(tp, hookfail);
	ATF_TP_ADD_TC(tp, tree);
	ATF_TP_ADD_TC(tp, fields);
	ATF_TP_ADD_TC(tp, others);
	ATF_TP_ADD_TC(tp, limits);
	ATF_TP_ADD_TC(tp, names);
	ATF_TP_ADD_TC(tp, hostile);
	ATF_TP_ADD_TC(tp, decoding);
	return atf_no_error();
}
