#include <atf-c.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "charset.h"
#include "imapout.h"
#include "json.h"
#include "summary.h"

static void
make(struct ibuf *b, const char *mail, size_t len, size_t max)
{
	struct summary_maker *sm;
	struct ibuf	 first;

	ibuf_init(b, 4 * SUMMARY_FULL);
	ibuf_init(&first, 4 * SUMMARY_FULL);
	ATF_REQUIRE((sm = summary_open()) != NULL);
	ATF_REQUIRE_EQ(0, summary_feed(sm, mail, len));
	/* asking for another size before changes nothing */
	ATF_REQUIRE_EQ(0, summary_finish(sm, &first, SUMMARY_FULL));
	ibuf_fini(&first);
	ATF_REQUIRE_EQ(0, summary_finish(sm, b, max));
	summary_free(sm);
	ATF_REQUIRE(ibuf_size(b) <= max);
}

static void
parse(struct summary *s, const struct ibuf *b)
{
	ATF_REQUIRE_EQ(1, summary_parse(s, (char *)ibuf_data(b),
	    ibuf_size(b)));
}

static int
same(const struct ibuf *b, const char *want, size_t len)
{
	return ibuf_size(b) == len &&
	    (len == 0 || memcmp(ibuf_data(b), want, len) == 0);
}

static size_t
split(struct hstr *names, const char *list)
{
	size_t n = 0;
	const char *p;

	for (; *list != '\0'; list = *p == '\0' ? p : p + 1) {
		p = strchr(list, ' ');
		if (p == NULL)
			p = list + strlen(list);
		names[n].p = list;
		names[n++].len = (size_t)(p - list);
	}
	return n;
}

/* HEADER.FIELDS of a summary; want is NULL if it cannot know. */
static void
fields_are(const struct summary *s, const char *list, const char *want)
{
	struct hstr names[20];
	struct ibuf b;
	size_t n = split(names, list);

	ibuf_init(&b, 100000);
	ATF_CHECK_EQ_MSG(want != NULL, summary_knows_fields(s, names, n),
	    "%s", list);
	ATF_CHECK_EQ_MSG(want != NULL, summary_put_fields(s, names, n, &b),
	    "%s", list);
	if (want != NULL)
		ATF_CHECK_MSG(same(&b, want, strlen(want)), "%s: %.*s", list,
		    (int)ibuf_size(&b), (char *)ibuf_data(&b));
	else
		ATF_CHECK_EQ(0, ibuf_size(&b));
	ibuf_fini(&b);
}

static const char sample[] = "Received: x\r\nFROM : Ann\r\n\t<a@b>\r\n"
    "X-Odd: 1\r\nTo: c@d\r\nTo: e@f\r\nSubject:\r\n"
    "Delivered-To: one\r\nDelivered-To: two\r\nX-Label: \"q\\\" \xe4\r\n"
    "Date: today\n\r\nbody";

ATF_TC_WITHOUT_HEAD(fields);
ATF_TC_BODY(fields, tc)
{
	struct summary s;
	struct ibuf b;

	make(&b, sample, sizeof(sample) - 1, SUMMARY_MAX);
	parse(&s, &b);
	ATF_CHECK_EQ(0, s.lacks);
	ATF_CHECK_EQ(sizeof(sample) - 1, s.size);
	fields_are(&s, "From", "FROM : Ann\r\n\t<a@b>\r\n\r\n");
	fields_are(&s, "delivered-to to", "To: c@d\r\nTo: e@f\r\n"
	    "Delivered-To: one\r\nDelivered-To: two\r\n\r\n");
	fields_are(&s, "Subject", "Subject:\r\n\r\n");
	fields_are(&s, "x-label", "X-Label: \"q\\\" \xe4\r\n\r\n");
	/* as it stood, whatever the line end */
	fields_are(&s, "Date", "Date: today\n\r\n");
	/* known to be absent, with a number and without */
	fields_are(&s, "Cc", "\r\n");
	fields_are(&s, "X-TUID X-Never-Heard-Of", "\r\n");
	fields_are(&s, "", "\r\n");
	/* there, but not here */
	fields_are(&s, "Received", NULL);
	fields_are(&s, "From X-ODD", NULL);
	ibuf_fini(&b);
}

/* The blank line is answered as it is, or not at all. */
ATF_TC_WITHOUT_HEAD(blank);
ATF_TC_BODY(blank, tc)
{
	struct summary s;
	struct ibuf b;

	make(&b, "To: a\n\nx", 8, SUMMARY_MAX);
	parse(&s, &b);
	fields_are(&s, "to", "To: a\n\n");
	ibuf_fini(&b);
	make(&b, "To: a", 5, SUMMARY_MAX);
	parse(&s, &b);
	fields_are(&s, "to", "To: a\r\n");
	fields_are(&s, "cc", "");
	ibuf_fini(&b);
	make(&b, "", 0, SUMMARY_MAX);
	parse(&s, &b);
	fields_are(&s, "to", "");
	ibuf_fini(&b);
}

static void
field_is(const struct summary *s, const char *name, size_t *pos, int r,
    const char *want)
{
	struct ibuf b;

	ibuf_init(&b, 100000);
	errno = 0;
	ATF_CHECK_EQ_MSG(r, summary_field(s, name, pos, &b), "%s", name);
	ATF_CHECK_EQ(r == -1 ? ENOENT : 0, errno);
	ATF_CHECK_MSG(same(&b, want, strlen(want)), "%s: %.*s", name,
	    (int)ibuf_size(&b), (char *)ibuf_data(&b));
	ibuf_fini(&b);
}

/* What a storage gives that was asked to be brief. */
static void
first_line(struct summary *s, struct ibuf *b)
{
	const uint8_t *nl = memchr(ibuf_data(b), '\n', ibuf_size(b));

	ATF_REQUIRE(nl != NULL);
	ibuf_truncate(b, (size_t)(nl - ibuf_data(b)));
	parse(s, b);
	ATF_CHECK_EQ(SUMMARY_NO_HEADER, s->lacks);
	ATF_CHECK(!s->old);
}

/* The header as a summary has it; want is NULL if it cannot know. */
static void
header_is(const struct summary *s, const char *want, size_t len)
{
	struct ibuf b;

	ibuf_init(&b, 100000);
	ATF_CHECK_EQ(want != NULL, summary_put_header(s, &b));
	ATF_CHECK_MSG(same(&b, want, len), "%.*s", (int)ibuf_size(&b),
	    (char *)ibuf_data(&b));
	ibuf_fini(&b);
}

/* The whole header, whatever its lines are like. */
ATF_TC_WITHOUT_HEAD(header);
ATF_TC_BODY(header, tc)
{
	static const struct {
		const char	*mail;
		size_t		 len;	/* of the header */
	} mails[] = {
		{ sample, sizeof(sample) - 5 }, { "\r\nx", 2 },
		{ "\nx", 1 }, { "To: a\n\nx", 7 }, { "X: 1\r\n", 6 },
		{ " folded\r\nno colon\r\nX-A: 1\n 2\r\n\t3\r\nTo: b\n"
		    "X-\"q\\: \x01\xff\r\r\n\r\nbody", 54 },
		/* a last line without an end would get one */
		{ "To: a", 0 }, { "X-Y", 0 }
	};
	struct summary s;
	struct ibuf b;
	size_t i;

	for (i = 0; i < sizeof(mails) / sizeof(mails[0]); i++) {
		make(&b, mails[i].mail, strlen(mails[i].mail), SUMMARY_MAX);
		parse(&s, &b);
		ATF_CHECK_EQ(mails[i].len == 0, s.lacks != 0);
		header_is(&s, mails[i].len == 0 ? NULL : mails[i].mail,
		    mails[i].len);
		if (mails[i].len != 0) {
			first_line(&s, &b);
			header_is(&s, NULL, 0);
		}
		ibuf_fini(&b);
	}
	/* of the version before there is none; one that lies is not told */
	ibuf_init(&b, 1000);
	ibuf_adds(&b, "mfs1 0 2 9 8 7:b4:To:a0:0:0:");
	parse(&s, &b);
	ATF_CHECK(s.old && s.lacks == SUMMARY_NO_HEADER);
	fields_are(&s, "to", "To:a\r\n\r\n");
	header_is(&s, NULL, 0);
	for (i = 0; i < 5; i++) {
		static const char *const lies[] = { "1:.", "2:..", "2:.0",
		    "4:.9:x", "4:.1:y" };

		ibuf_truncate(&b, 0);
		ibuf_addf(&b, "mfs2 0 2 9 8 7:b4:To:a0:0:0:\n%s", lies[i]);
		parse(&s, &b);
		if (i == 0)
			header_is(&s, "To:a\r\n\r\n", 8);
		else
			header_is(&s, NULL, 0);
	}
	ibuf_fini(&b);
}

ATF_TC_WITHOUT_HEAD(values);
ATF_TC_BODY(values, tc)
{
	struct summary s;
	struct ibuf b;
	size_t pos = 0;

	make(&b, sample, sizeof(sample) - 1, SUMMARY_MAX);
	parse(&s, &b);
	field_is(&s, "delivered-TO", &pos, 1, "one");
	field_is(&s, "delivered-TO", &pos, 1, "two");
	field_is(&s, "delivered-TO", &pos, 0, "");
	field_is(&s, "delivered-TO", &pos, 0, "");
	pos = 0;
	field_is(&s, "from", &pos, 1, "Ann\r\n\t<a@b>");
	pos = 0;
	field_is(&s, "subject", &pos, 1, "");
	field_is(&s, "subject", &pos, 0, "");
	/* those that are only in the whole header, or unknown without it */
	pos = 0;
	field_is(&s, "x-odd", &pos, 1, "1");
	field_is(&s, "x-odd", &pos, 0, "");
	pos = 0;
	field_is(&s, "RECEIVED", &pos, 1, "x");
	pos = 0;
	field_is(&s, "x-even", &pos, 0, "");
	first_line(&s, &b);
	pos = 0;
	field_is(&s, "from", &pos, 1, "Ann\r\n\t<a@b>");
	pos = 0;
	field_is(&s, "x-odd", &pos, -1, "");
	pos = 0;
	field_is(&s, "x-even", &pos, 0, "");
	ibuf_fini(&b);
}

/* Every byte of a header comes back. */
ATF_TC_WITHOUT_HEAD(bytes);
ATF_TC_BODY(bytes, tc)
{
	struct summary s;
	struct ibuf b, out;
	struct hstr name = HSTR("Subject");
	char mail[300];
	size_t n, i;
	int c, lines = 0;

	n = (size_t)snprintf(mail, sizeof(mail), "Subject: ");
	for (c = 0; c < 256; c++)
		if (c != '\n')
			mail[n++] = (char)c;
	mail[n++] = '\r';
	mail[n++] = '\n';
	make(&b, mail, n, SUMMARY_MAX);
	for (i = 0; i < ibuf_size(&b); i++)
		ATF_CHECK((ibuf_data(&b)[i] >= ' ' ||
		    (ibuf_data(&b)[i] == '\n' && lines++ == 0)) &&
		    ibuf_data(&b)[i] != 0x7f && ibuf_data(&b)[i] != '"' &&
		    ibuf_data(&b)[i] != '\\');
	ATF_CHECK(utf8_valid((char *)ibuf_data(&b), ibuf_size(&b)));
	parse(&s, &b);
	ibuf_init(&out, 1000);
	ATF_CHECK_EQ(1, summary_put_fields(&s, &name, 1, &out));
	ATF_CHECK(same(&out, mail, n));
	ibuf_fini(&out);
	ibuf_fini(&b);
}

static int
answers(const struct summary *s, int (*fn)(struct ibuf *,
    const struct summary *, int))
{
	struct ibuf b;
	int r;

	ibuf_init(&b, 4 * SUMMARY_FULL);
	errno = 0;
	r = fn(&b, s, 0);
	ATF_CHECK_EQ(r == -1 ? ENOENT : 0, errno);
	ATF_CHECK((r == 0) == (ibuf_size(&b) > 0));
	ibuf_fini(&b);
	return r == 0;
}

/* What goes first when it does not fit, and that it is said. */
ATF_TC_WITHOUT_HEAD(reduced);
ATF_TC_BODY(reduced, tc)
{
	struct summary s;
	struct ibuf mail, b, t;
	size_t max, full;
	unsigned seen = 0;
	int i, n;

	ibuf_init(&mail, 1 << 20);
	ibuf_adds(&mail, "From: a@b\r\nTo: c@d");
	for (i = 0; i < 200; i++)
		ibuf_addf(&mail, ", recipient%d@example.org", i);
	ibuf_adds(&mail, "\r\nReferences:");
	for (i = 0; i < 100; i++)
		ibuf_addf(&mail, "\r\n <%d@example.org>", i);
	ibuf_adds(&mail, "\r\nContent-Type: multipart/mixed; boundary=b"
	    "\r\n\r\n");
	for (i = 0; i < 300; i++)
		ibuf_addf(&mail, "--b\r\nContent-ID: <%d@x>\r\n\r\ntext\r\n",
		    i);
	make(&b, (char *)ibuf_data(&mail), ibuf_size(&mail), SUMMARY_FULL);
	full = ibuf_size(&b);
	parse(&s, &b);
	ATF_CHECK_EQ(0, s.lacks);
	fields_are(&s, "cc", "\r\n");
	ibuf_fini(&b);
	for (max = full - 1; max > 80; max -= max > 1000 ? 500 : 10) {
		make(&b, (char *)ibuf_data(&mail), ibuf_size(&mail), max);
		parse(&s, &b);
		ATF_CHECK(s.lacks != 0);
		seen |= s.lacks;
		ATF_CHECK_EQ(!(s.lacks & SUMMARY_NO_STRUCTURE),
		    answers(&s, imapout_bodystructure));
		ATF_CHECK_EQ(!(s.lacks & SUMMARY_NO_STRUCTURE),
		    answers(&s, imapout_body));
		n = answers(&s, imapout_envelope);
		ATF_CHECK_EQ(n, s.env_lost == 0);
		/* the envelope outlives the structure */
		ATF_CHECK(n || s.lacks & SUMMARY_NO_STRUCTURE);
		if (s.lacks != SUMMARY_NO_HEADER)
			fields_are(&s, "references", NULL);
		header_is(&s, NULL, 0);
		if (s.lacks & SUMMARY_NO_NAMES)
			fields_are(&s, "cc", NULL);
		else
			fields_are(&s, "cc from", "From: a@b\r\n\r\n");
		ibuf_init(&t, 10000);
		ATF_CHECK_EQ(!(s.lacks & SUMMARY_NO_PREVIEW),
		    summary_preview(&s, &t));
		ibuf_fini(&t);
		ibuf_fini(&b);
	}
	ATF_CHECK_EQ(SUMMARY_NO_FIELDS | SUMMARY_NO_PREVIEW |
	    SUMMARY_NO_STRUCTURE | SUMMARY_NO_NAMES | SUMMARY_NO_HEADER,
	    seen);
	ibuf_fini(&mail);
}

/* Nothing fits in nothing; a buffer that cannot grow is told. */
ATF_TC_WITHOUT_HEAD(noroom);
ATF_TC_BODY(noroom, tc)
{
	struct summary_maker *sm;
	struct ibuf b;

	ATF_REQUIRE((sm = summary_open()) != NULL);
	ibuf_init(&b, 1000);
	ATF_CHECK_EQ(-1, summary_finish(sm, &b, 10));
	ATF_CHECK_EQ(ERANGE, errno);
	ATF_CHECK_EQ(0, ibuf_size(&b));
	ibuf_fini(&b);
	ATF_REQUIRE_EQ(0, summary_reset(sm));
	ibuf_init(&b, 20);
	ATF_CHECK_EQ(-1, summary_finish(sm, &b, SUMMARY_MAX));
	ATF_CHECK_EQ(ERANGE, errno);
	ibuf_fini(&b);
	summary_free(sm);
}

static void
is_text(const struct ibuf *b, const char *want)
{
	ATF_CHECK_MSG(same(b, want, strlen(want)), "%.*s",
	    (int)ibuf_size(b), (char *)ibuf_data(b));
}

/* Fields lost to the parser's limits are not taken for absent. */
ATF_TC_WITHOUT_HEAD(lost);
ATF_TC_BODY(lost, tc)
{
	struct summary s;
	struct ibuf mail, b, t;
	int i;

	ibuf_init(&mail, 1 << 20);
	for (i = 0; i < 2000; i++)
		ibuf_addf(&mail, "Delivered-To: somebody.number.%d@example."
		    "org\r\n", i);
	ibuf_adds(&mail, "Subject: lost\r\n\r\n");
	make(&b, (char *)ibuf_data(&mail), ibuf_size(&mail), SUMMARY_FULL);
	parse(&s, &b);
	ATF_CHECK(s.lacks & SUMMARY_NO_NAMES);
	ATF_CHECK(!answers(&s, imapout_envelope));
	fields_are(&s, "subject", NULL);
	fields_are(&s, "delivered-to", NULL);
	ibuf_fini(&b);
	/* one field alone too long: the others are known */
	ibuf_truncate(&mail, 0);
	ibuf_adds(&mail, "To: ");
	for (i = 0; i < 2000; i++)
		ibuf_addf(&mail, "%d@example.org,\r\n ", i);
	ibuf_adds(&mail, "x\r\nSubject: here\r\n\r\n");
	make(&b, (char *)ibuf_data(&mail), ibuf_size(&mail), SUMMARY_FULL);
	parse(&s, &b);
	ATF_CHECK_EQ(SUMMARY_NO_FIELDS | SUMMARY_NO_HEADER, s.lacks);
	ATF_CHECK(!answers(&s, imapout_envelope));
	ATF_CHECK(answers(&s, imapout_bodystructure));
	fields_are(&s, "subject", "Subject: here\r\n\r\n");
	fields_are(&s, "to", NULL);
	/* but its beginning is of use, where there is nothing better */
	ibuf_init(&t, 1000000);
	ATF_CHECK_EQ(0, imapout_envelope(&t, &s, IMAPOUT_CUT));
	ibuf_add_n8(&t, '\0');
	ATF_CHECK(strstr((char *)ibuf_data(&t), "(NIL NIL \"500\" "
	    "\"example.org\")") != NULL);
	ibuf_fini(&t);
	ibuf_fini(&b);
	/* which is not kept in what is stored */
	make(&b, (char *)ibuf_data(&mail), ibuf_size(&mail), SUMMARY_MAX);
	ATF_CHECK(ibuf_size(&b) < 500);
	parse(&s, &b);
	fields_are(&s, "subject", "Subject: here\r\n\r\n");
	fields_are(&s, "to", NULL);
	ibuf_init(&t, 1000000);
	ATF_CHECK_EQ(0, imapout_envelope(&t, &s, IMAPOUT_CUT));
	is_text(&t, "(NIL \"here\" NIL NIL NIL NIL NIL NIL NIL NIL)");
	ibuf_fini(&t);
	ibuf_fini(&b);
	ibuf_fini(&mail);
}

static void
preview_is(const char *mail, size_t len, const char *want)
{
	struct summary s;
	struct ibuf b, t;

	make(&b, mail, len, SUMMARY_MAX);
	parse(&s, &b);
	ibuf_init(&t, 10000);
	ATF_CHECK_EQ(1, summary_preview(&s, &t));
	ATF_CHECK_MSG(same(&t, want, strlen(want)), "%.*s",
	    (int)ibuf_size(&t), (char *)ibuf_data(&t));
	ibuf_fini(&t);
	ibuf_fini(&b);
}

#define PREVIEW(mail, want)	preview_is(mail, sizeof(mail) - 1, want)
#define HTML	"Content-Type: text/html; charset=utf-8\n\n"

ATF_TC_WITHOUT_HEAD(preview);
ATF_TC_BODY(preview, tc)
{
	char mail[2000], want[1000];
	int i;

	charset_init();
	PREVIEW("", "");
	PREVIEW("\n\n a \t\r\n b\n\n", "a b");
	PREVIEW("\n\"quoted\" ^ back\\slash \x01\x02", "\"quoted\" ^ "
	    "back\\slash");
	PREVIEW("Content-Type: image/png\n\nx", "");
	PREVIEW("Content-Type: text/calendar\n\nx", "");
	PREVIEW("Content-Disposition: attachment\n\nx", "");
	PREVIEW("Content-Disposition: inline\n\nx", "x");
	PREVIEW("Content-Type: text/plain; charset=x-none\n\na\xe4",
	    "a\xef\xbf\xbd");
	PREVIEW(HTML "<p>a</p>b<i>c</i>d<br/>e", "a bcd e");
	PREVIEW(HTML "a<style>x</style>b<script>if (a < b) c();</script>d",
	    "a b d");
	PREVIEW(HTML "<title>x</title >y<HEAD><b>z</head>w", "y w");
	PREVIEW(HTML "<head>never closed<body>x", "x");
	PREVIEW(HTML "a<!-- > -- -->b<!DOCTYPE x>c", "abc");
	PREVIEW(HTML "a<a title=\"x > y\" b='>'>b</a>", "ab");
	PREVIEW(HTML "&lt;&amp;&gt;&eacute;&#233;&#xE9;&nbsp;&euro;x",
	    "<&>\xc3\xa9\xc3\xa9\xc3\xa9 \xe2\x82\xacx");
	PREVIEW(HTML "&#0;&#xD800;&#x110000;&#99999999999;&", "&#0;&#xD800;"
	    "&#x110000;&#99999999999;&");
	PREVIEW(HTML "&copy 1 &unknown; & &amp", "\xc2\xa9 1 &unknown; & &");
	PREVIEW(HTML "a < b <3 <", "a < b <3 <");
	PREVIEW(HTML "\xe2\x80\x8c\xc2\xa0\xe2\x80\x8c\xc2\xa0x", "x");
	/* the length is in characters, and words are not joined by it */
	strlcpy(mail, "Content-Type: text/plain; charset=utf-8\n\n",
	    sizeof(mail));
	for (want[0] = '\0', i = 0; i < 300; i++) {
		strlcat(mail, "\xc3\xa4", sizeof(mail));
		if (i < SUMMARY_PREVIEW)
			strlcat(want, "\xc3\xa4", sizeof(want));
	}
	preview_is(mail, strlen(mail), want);
	memset(mail, 'x', SUMMARY_PREVIEW);
	mail[0] = '\n';
	memcpy(mail + SUMMARY_PREVIEW, " y", 3);
	memset(want, 'x', SUMMARY_PREVIEW - 1);
	want[SUMMARY_PREVIEW - 1] = '\0';
	preview_is(mail, strlen(mail), want);
}

/* Texts that are none, and texts that lie. */
ATF_TC_WITHOUT_HEAD(damaged);
ATF_TC_BODY(damaged, tc)
{
	static const char *const absent[] = { "", "mfs", "mfs0 0 0 0 0 0:",
	    "mfs3 0 0 0 0 0:0:0:0:", "{}", NULL };
	static const char *const bad[] = { "mfs1 ", "mfs1 0 0 0 0 0:0:0:",
	    "mfs1 0 0 0 0 0:0:0:0:x", "mfs1 0 0 0 0 1:0:0:0:",
	    "mfs1 0 0 0 1 0:0:0:0:", "mfs1 0 3 0 0 0:0:0:0:",
	    "mfs1 x 0 0 0 0:0:0:0:", "mfs1 0 0 0 0 2:a:0:0:0:",
	    "mfs1 0 0 0 0 99999999999999999999:",
	    "mfs1 0 0 0 0 4:q1:x0:0:0:", "mfs1 0 0 0 0 4:x1:x0:0:0:",
	    "mfs1 -1 0 0 0 0:0:0:0:", "mfs1 0 0 0 0 0:0:0:0:\n0:",
	    "mfs2 0 0 0 0 0:0:0:0:\n", "mfs2 0 0 0 0 0:0:0:0:0:",
	    "mfs2 0 0 0 0 0:0:0:0:\n1:", "mfs2 0 0 0 0 0:0:0:0:\n0:x",
	    NULL };
	static const char *const parts[] = { "", "L", "L0 0 0 0 0 0 ",
	    "L0 0 0 0 0 0 0:0:", "L1 0 0 0 0 0 0:0:.",
	    "R0 0 0 0 0 0 0:0:.", "M2 0 0 0 0 0 0:0:.L0 0 0 0 0 0 0:0:.",
	    "L0 0 0 0 0 0 0:0:.L0 0 0 0 0 0 0:0:.",
	    "L0 0 6 0 0 0 0:0:.", "L0 1 5 0 0 0 0:0:.",
	    "L0 0 0 3 3 0 0:0:.", "L0 0 0 0 0 0 0:0:z0:.",
	    "L0 0 0 0 0 0 0:0:p9:.", "M1001 0 0 0 0 0 0:0:.",
	    "X0 0 0 0 0 0 0:0:.", NULL };
	struct summary s;
	struct ibuf b, out;
	uint32_t path[] = { 1, 1, 1 };
	struct imapout_section sec;
	int i;

	for (i = 0; absent[i] != NULL; i++)
		ATF_CHECK_EQ_MSG(0, summary_parse(&s, absent[i],
		    strlen(absent[i])), "%s", absent[i]);
	for (i = 0; bad[i] != NULL; i++) {
		errno = 0;
		ATF_CHECK_EQ_MSG(-1, summary_parse(&s, bad[i],
		    strlen(bad[i])), "%s", bad[i]);
		ATF_CHECK_EQ(EBADMSG, errno);
	}
	for (i = 0; parts[i] != NULL; i++) {
		ibuf_init(&b, 1000);
		ibuf_addf(&b, "mfs1 0 0 5 0 0:0:%zu:%s0:", strlen(parts[i]),
		    parts[i]);
		parse(&s, &b);
		ibuf_init(&out, 1000);
		errno = 0;
		ATF_CHECK_EQ_MSG(-1, imapout_bodystructure(&out, &s, 0),
		    "%s", parts[i]);
		ATF_CHECK_EQ(EBADMSG, errno);
		ATF_CHECK_EQ(0, ibuf_size(&out));
		imapout_section(&s, path, 3, IMAPOUT_HEADER, &sec);
		ibuf_fini(&out);
		ibuf_fini(&b);
	}
}

/* More nesting than the parser makes is refused, not followed. */
ATF_TC_WITHOUT_HEAD(deep);
ATF_TC_BODY(deep, tc)
{
	struct summary s;
	struct ibuf b, p, out;
	int depth, i;

	for (depth = MIME_DEPTH_MAX - 1; depth <= MIME_DEPTH_MAX; depth++) {
		ibuf_init(&p, 100000);
		for (i = 0; i < depth; i++)
			ibuf_adds(&p, "M1 0 0 0 0 0 0:0:.");
		ibuf_adds(&p, "L0 0 0 0 0 0 0:0:.");
		ibuf_init(&b, 100000);
		ibuf_addf(&b, "mfs1 0 0 0 0 0:0:%zu:", ibuf_size(&p));
		ibuf_add_ibuf(&b, &p);
		ibuf_adds(&b, "0:");
		parse(&s, &b);
		ibuf_init(&out, 100000);
		ATF_CHECK_EQ(depth < MIME_DEPTH_MAX ? 0 : -1,
		    imapout_bodystructure(&out, &s, 0));
		ibuf_fini(&out);
		ibuf_fini(&b);
		ibuf_fini(&p);
	}
}

/*
 * A summary holds the fields of the table in header.c: whoever changes the
 * table must change the tag in summary_int.h too, and then this.
 */
ATF_TC_WITHOUT_HEAD(version);
ATF_TC_BODY(version, tc)
{
	struct ibuf b;
	const char *name;
	uint32_t h = 2166136261U;
	size_t i;

	for (i = 0; (name = header_known(i)) != NULL; i++) {
		ATF_CHECK(header_id(name, strlen(name)) != HEADER_NONE);
		ATF_CHECK(i == 0 || strcmp(header_known(i - 1), name) < 0);
		for (; *name != '\0'; name++)
			h = (h ^ (uint8_t)*name) * 16777619U;
		h = (h ^ '\n') * 16777619U;
	}
	make(&b, "", 0, SUMMARY_MAX);
	ATF_CHECK(memcmp(ibuf_data(&b), "mfs2 ", 5) == 0);
	ATF_CHECK_EQ_MSG(0xfd2b3ebe, h, "%#x", h);
	ibuf_fini(&b);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, fields);
	ATF_TP_ADD_TC(tp, blank);
	ATF_TP_ADD_TC(tp, header);
	ATF_TP_ADD_TC(tp, values);
	ATF_TP_ADD_TC(tp, bytes);
	ATF_TP_ADD_TC(tp, reduced);
	ATF_TP_ADD_TC(tp, noroom);
	ATF_TP_ADD_TC(tp, lost);
	ATF_TP_ADD_TC(tp, preview);
	ATF_TP_ADD_TC(tp, damaged);
	ATF_TP_ADD_TC(tp, deep);
	ATF_TP_ADD_TC(tp, version);
	return atf_no_error();
}
