#include <atf-c.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "imapout.h"

typedef int (*item)(struct ibuf *, const struct summary *, int);

static void
make(struct ibuf *b, struct summary *s, const char *mail, size_t len)
{
	struct summary_maker *sm;

	ibuf_init(b, SUMMARY_FULL);
	ATF_REQUIRE((sm = summary_open()) != NULL);
	ATF_REQUIRE_EQ(0, summary_feed(sm, mail, len));
	ATF_REQUIRE_EQ(0, summary_finish(sm, b, SUMMARY_FULL));
	summary_free(sm);
	ATF_REQUIRE_EQ(1, summary_parse(s, (char *)ibuf_data(b),
	    ibuf_size(b)));
}

static void
is(const struct ibuf *b, const char *want, size_t len)
{
	ATF_CHECK_MSG(ibuf_size(b) == len && (len == 0 ||
	    memcmp(ibuf_data(b), want, len) == 0), "expected:\n%.*s\nis:\n"
	    "%.*s", (int)len, want, (int)ibuf_size(b),
	    (char *)ibuf_data(b));
}

static void
item_is(item fn, const char *mail, int flags, const char *want)
{
	struct summary s;
	struct ibuf b, out;

	make(&b, &s, mail, strlen(mail));
	ibuf_init(&out, 100000);
	ibuf_adds(&out, "* ");
	ATF_CHECK_EQ(0, fn(&out, &s, flags));
	ibuf_skip(&out, 2);
	is(&out, want, strlen(want));
	ibuf_fini(&out);
	ibuf_fini(&b);
}

static void
string_is(const char *p, size_t len, int flags, const char *want)
{
	struct ibuf b;

	ibuf_init(&b, 1000);
	ATF_CHECK_EQ(0, imapout_string(&b, p, len, flags));
	is(&b, want, strlen(want));
	ibuf_fini(&b);
}

#define STRING(s, flags, want)	string_is(s, sizeof(s) - 1, flags, want)

ATF_TC_WITHOUT_HEAD(strings);
ATF_TC_BODY(strings, tc)
{
	struct hstr absent = { NULL, 0 }, x = HSTR("x");
	struct ibuf b;

	STRING("", 0, "\"\"");
	STRING("a b", 0, "\"a b\"");
	STRING("a\"b\\c", 0, "\"a\\\"b\\\\c\"");
	STRING("a\r\nb", 0, "{4}\r\na\r\nb");
	STRING("a\nb", 0, "{3}\r\na\nb");
	STRING("\xc3\xa4", 0, "{2}\r\n\xc3\xa4");
	STRING("\xc3\xa4", IMAPOUT_UTF8, "\"\xc3\xa4\"");
	STRING("\xe4", IMAPOUT_UTF8, "{1}\r\n\xe4");
	STRING("a\0b", 0, "\"ab\"");
	STRING("a\0\n\0", 0, "{2}\r\na\n");
	STRING("\0", 0, "\"\"");
	STRING("\t\x01\x7f", 0, "\"\t\x01\x7f\"");
	ibuf_init(&b, 100);
	ATF_CHECK_EQ(0, imapout_nstring(&b, &absent, 0));
	ATF_CHECK_EQ(0, imapout_nstring(&b, &x, 0));
	is(&b, "NIL\"x\"", 6);
	ibuf_fini(&b);
	/* what does not fit leaves nothing */
	ibuf_init(&b, 4);
	ATF_CHECK_EQ(-1, imapout_string(&b, "abc", 3, 0));
	ATF_CHECK_EQ(-1, imapout_string(&b, "\n\n\n", 3, 0));
	ATF_CHECK_EQ(0, ibuf_size(&b));
	ibuf_fini(&b);
}

ATF_TC_WITHOUT_HEAD(envelope);
ATF_TC_BODY(envelope, tc)
{
	/* RFC 3501, 7.4.2, example of the FETCH response, as a message */
	item_is(imapout_envelope,
	    "Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\r\n"
	    "From: Terry Gray <gray@cac.washington.edu>\r\n"
	    "Subject: IMAP4rev1 WG mtg summary and minutes\r\n"
	    "To: imap@cac.washington.edu\r\n"
	    "cc: minutes@CNRI.Reston.VA.US,\r\n"
	    "   John Klensin <KLENSIN@MIT.EDU>\r\n"
	    "Message-Id: <B27397-0100000@cac.washington.edu>\r\n\r\n", 0,
	    "(\"Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\" \"IMAP4rev1 WG mtg "
	    "summary and minutes\" ((\"Terry Gray\" NIL \"gray\" "
	    "\"cac.washington.edu\")) ((\"Terry Gray\" NIL \"gray\" "
	    "\"cac.washington.edu\")) ((\"Terry Gray\" NIL \"gray\" "
	    "\"cac.washington.edu\")) ((NIL NIL \"imap\" \"cac.washington."
	    "edu\")) ((NIL NIL \"minutes\" \"CNRI.Reston.VA.US\")(\"John "
	    "Klensin\" NIL \"KLENSIN\" \"MIT.EDU\")) NIL NIL "
	    "\"<B27397-0100000@cac.washington.edu>\")");
	/* absent is NIL, empty is empty; empty lists are NIL */
	item_is(imapout_envelope, "", 0,
	    "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)");
	item_is(imapout_envelope, "Date:\r\nSubject: \r\nFrom:\r\nSender: "
	    "\r\nTo:,\r\nIn-Reply-To:\r\n", 0,
	    "(\"\" \"\" NIL NIL NIL NIL NIL NIL \"\" NIL)");
	/* Sender and Reply-To of their own */
	item_is(imapout_envelope, "From: a@b\r\nSender: c@d\r\n"
	    "Reply-To: e@f, g: h@i;\r\n", 0,
	    "(NIL NIL ((NIL NIL \"a\" \"b\")) ((NIL NIL \"c\" \"d\")) "
	    "((NIL NIL \"e\" \"f\")(NIL NIL \"g\" NIL)(NIL NIL \"h\" \"i\")"
	    "(NIL NIL NIL NIL)) NIL NIL NIL NIL NIL)");
	/* several destination fields are one, others count once */
	item_is(imapout_envelope, "Subject: 1\r\nTo: a@b\r\nSubject: 2\r\n"
	    "To:\r\nTo: \"c\" <d@e>\r\nCc: f@g\r\n", 0,
	    "(NIL \"1\" NIL NIL NIL ((NIL NIL \"a\" \"b\")(\"c\" NIL \"d\" "
	    "\"e\")) ((NIL NIL \"f\" \"g\")) NIL NIL NIL)");
	/* 8-bit text */
	item_is(imapout_envelope, "Subject: \xc3\xa4\r\n", 0,
	    "(NIL {2}\r\n\xc3\xa4 NIL NIL NIL NIL NIL NIL NIL NIL)");
	item_is(imapout_envelope, "Subject: \xc3\xa4\r\n", IMAPOUT_UTF8,
	    "(NIL \"\xc3\xa4\" NIL NIL NIL NIL NIL NIL NIL NIL)");
	/* encoded words are left alone, folds are not */
	item_is(imapout_envelope, "Subject: =?utf-8?q?=C3=A4?=\r\n x\r\n", 0,
	    "(NIL \"=?utf-8?q?=C3=A4?= x\" NIL NIL NIL NIL NIL NIL NIL "
	    "NIL)");
}

static const char global[] = "Content-Type: message/global\r\n\r\n"
    "Subject: x\r\nTo: a@b\r\nTo: c@d\r\n\r\nbody\r\n";

ATF_TC_WITHOUT_HEAD(structure);
ATF_TC_BODY(structure, tc)
{
	item_is(imapout_body, "", 0,
	    "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\""
	    " 0 0)");
	item_is(imapout_body, "Content-Type: multipart/mixed; boundary=x\n"
	    "\n", 0, "((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL "
	    "NIL \"7bit\" 0 0) \"mixed\")");
	item_is(imapout_bodystructure, "Content-Type: multipart/mixed; "
	    "boundary=x\n\n", 0, "((\"text\" \"plain\" (\"charset\" "
	    "\"us-ascii\") NIL NIL \"7bit\" 0 0 NIL NIL NIL NIL) \"mixed\" "
	    "(\"boundary\" \"x\") NIL NIL NIL)");
	item_is(imapout_body, "Content-Type: text/plain; charset=utf-8; "
	    "x=\"\"\n\n", 0, "(\"text\" \"plain\" (\"charset\" \"utf-8\" "
	    "\"x\" \"\") NIL NIL \"7bit\" 0 0)");
	item_is(imapout_body, "Content-Type: image/x-y\n\n", 0,
	    "(\"image\" \"x-y\" NIL NIL NIL \"7bit\" 0)");
	item_is(imapout_body, global, 0,
	    "(\"message\" \"global\" NIL NIL NIL \"7bit\" 38)");
	item_is(imapout_bodystructure, global, 0,
	    "(\"message\" \"global\" NIL NIL NIL \"7bit\" 38 NIL NIL NIL "
	    "NIL)");
	item_is(imapout_body, global, IMAPOUT_GLOBAL,
	    "(\"message\" \"global\" NIL NIL NIL \"7bit\" 38 (NIL \"x\" NIL "
	    "NIL NIL ((NIL NIL \"a\" \"b\")(NIL NIL \"c\" \"d\")) NIL NIL "
	    "NIL NIL) (\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL "
	    "\"7bit\" 6 1) 5)");
}

/* A message as deep as can be is shown, and what is deeper is opaque. */
ATF_TC_WITHOUT_HEAD(opaque);
ATF_TC_BODY(opaque, tc)
{
	struct summary s;
	struct ibuf mail, b, out;
	char *p;
	int i, n = 0;

	ibuf_init(&mail, 100000);
	for (i = 0; i < 100; i++)
		ibuf_adds(&mail, "Content-Type: message/rfc822\r\n\r\n");
	make(&b, &s, (char *)ibuf_data(&mail), ibuf_size(&mail));
	ibuf_init(&out, 100000);
	ATF_CHECK_EQ(0, imapout_body(&out, &s, 0));
	ibuf_add_n8(&out, '\0');
	for (p = (char *)ibuf_data(&out); (p = strstr(p, "rfc822")) != NULL;
	    p++)
		n++;
	ATF_CHECK_EQ(MIME_DEPTH_MAX - 1, n);
	ATF_CHECK(strstr((char *)ibuf_data(&out), "(\"application\" "
	    "\"octet-stream\" NIL NIL NIL \"7bit\" 2176)") != NULL);
	ibuf_fini(&out);
	ibuf_fini(&b);
	ibuf_fini(&mail);
}

/* RFC 3501, 6.4.5: the part numbers of its example. */
static const char numbered[] =
    "Content-Type: multipart/mixed; boundary=a\r\n\r\n"
    "--a\r\nX: 1\r\n\r\nP1\r\n"
    "--a\r\nContent-Type: application/octet-stream\r\n\r\nP2\r\n"
    "--a\r\nContent-Type: message/rfc822\r\n\r\n"
    "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
    "--b\r\n\r\nP31\r\n"
    "--b\r\nContent-Type: image/gif\r\n\r\nP32\r\n--b--\r\n\r\n"
    "--a\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n"
    "--c\r\nContent-Type: image/gif\r\n\r\nP41\r\n"
    "--c\r\nContent-Type: message/rfc822\r\n\r\n"
    "Content-Type: multipart/alternative; boundary=d\r\n\r\n"
    "--d\r\n\r\nP4221\r\n--d\r\n\r\nP4222\r\n--d--\r\n\r\n--c--\r\n\r\n"
    "--a--\r\n";

static void
section_is(const struct summary *s, const char *mail, const uint32_t *path,
    enum imapout_what what, const char *want)
{
	struct imapout_section sec;
	size_t n;

	for (n = 0; path[n] != 0; n++)
		;
	ATF_CHECK_EQ_MSG(want != NULL, imapout_section(s, path, n, what,
	    &sec), "%s", want == NULL ? "none" : want);
	if (want != NULL)
		ATF_CHECK_MSG(sec.len == strlen(want) &&
		    memcmp(mail + sec.off, want, sec.len) == 0, "%s: %.*s",
		    want, (int)sec.len, mail + sec.off);
}

#define SECTION(what, want, ...) \
	section_is(&s, numbered, (const uint32_t []){ __VA_ARGS__, 0 }, \
	    IMAPOUT_ ## what, want)

ATF_TC_WITHOUT_HEAD(sections);
ATF_TC_BODY(sections, tc)
{
	static const uint32_t top[] = { 0 };
	struct summary s;
	struct ibuf b;
	static const char h3[] =
	    "Content-Type: multipart/mixed; boundary=b\r\n\r\n";

	make(&b, &s, numbered, sizeof(numbered) - 1);
	section_is(&s, numbered, top, IMAPOUT_ALL, numbered);
	section_is(&s, numbered, top, IMAPOUT_HEADER,
	    "Content-Type: multipart/mixed; boundary=a\r\n\r\n");
	section_is(&s, numbered, top, IMAPOUT_TEXT, strstr(numbered, "--a"));
	section_is(&s, numbered, top, IMAPOUT_MIME, NULL);
	SECTION(ALL, "P1", 1);
	SECTION(MIME, "X: 1\r\n\r\n", 1);
	SECTION(HEADER, NULL, 1);
	SECTION(TEXT, NULL, 1);
	SECTION(ALL, NULL, 1, 1);
	SECTION(MIME, NULL, 1, 1);
	SECTION(ALL, "P2", 2);
	SECTION(HEADER, h3, 3);
	SECTION(MIME, "Content-Type: message/rfc822\r\n\r\n", 3);
	SECTION(TEXT, "--b\r\n\r\nP31\r\n--b\r\nContent-Type: image/gif"
	    "\r\n\r\nP32\r\n--b--\r\n", 3);
	SECTION(ALL, "P31", 3, 1);
	SECTION(ALL, "P32", 3, 2);
	SECTION(MIME, "Content-Type: image/gif\r\n\r\n", 3, 2);
	SECTION(ALL, NULL, 3, 3);
	SECTION(ALL, "P41", 4, 1);
	SECTION(MIME, "Content-Type: image/gif\r\n\r\n", 4, 1);
	SECTION(HEADER, "Content-Type: multipart/alternative; boundary=d"
	    "\r\n\r\n", 4, 2);
	SECTION(TEXT, "--d\r\n\r\nP4221\r\n--d\r\n\r\nP4222\r\n--d--\r\n",
	    4, 2);
	SECTION(ALL, "P4221", 4, 2, 1);
	SECTION(ALL, "P4222", 4, 2, 2);
	SECTION(HEADER, NULL, 4);
	SECTION(ALL, NULL, 5);
	SECTION(ALL, NULL, 4294967295U);
	SECTION(ALL, NULL, 4, 2, 1, 1);
	ibuf_fini(&b);
}

/* A multipart without parts has the one that its structure tells of. */
ATF_TC_WITHOUT_HEAD(sections_none);
ATF_TC_BODY(sections_none, tc)
{
	static const char mail[] = "Content-Type: multipart/mixed; "
	    "boundary=x\r\n\r\nnothing\r\n";
	struct imapout_section sec;
	struct summary s;
	struct ibuf b;
	uint32_t path[] = { 1, 1 };

	make(&b, &s, mail, sizeof(mail) - 1);
	ATF_REQUIRE_EQ(1, imapout_section(&s, path, 1, IMAPOUT_ALL, &sec));
	ATF_CHECK(sec.len == 0 && sec.off == sizeof(mail) - 1);
	ATF_REQUIRE_EQ(1, imapout_section(&s, path, 1, IMAPOUT_MIME, &sec));
	ATF_CHECK_EQ(0, sec.len);
	ATF_CHECK_EQ(0, imapout_section(&s, path, 1, IMAPOUT_TEXT, &sec));
	ATF_CHECK_EQ(0, imapout_section(&s, path, 2, IMAPOUT_ALL, &sec));
	path[0] = 2;
	ATF_CHECK_EQ(0, imapout_section(&s, path, 1, IMAPOUT_ALL, &sec));
	ibuf_fini(&b);
}

/* Without the structure, the message's own sections are known still. */
ATF_TC_WITHOUT_HEAD(nostructure);
ATF_TC_BODY(nostructure, tc)
{
	static const char text[] = "mfs1 4 2 30 20 0:0:0:0:";
	uint32_t one = 1;
	struct imapout_section sec;
	struct summary s;
	struct ibuf b;

	ATF_REQUIRE_EQ(1, summary_parse(&s, text, sizeof(text) - 1));
	ATF_CHECK_EQ(1, imapout_section(&s, NULL, 0, IMAPOUT_TEXT, &sec));
	ATF_CHECK(sec.off == 20 && sec.len == 10);
	errno = 0;
	ATF_CHECK_EQ(-1, imapout_section(&s, &one, 1, IMAPOUT_ALL, &sec));
	ATF_CHECK_EQ(ENOENT, errno);
	ibuf_init(&b, 1000);
	ATF_CHECK_EQ(0, imapout_envelope(&b, &s, 0));
	ATF_CHECK_EQ(-1, imapout_body(&b, &s, 0));
	ATF_CHECK_EQ(ENOENT, errno);
	ibuf_fini(&b);
}

static void
filter_is(const char *mail, size_t len, const char *list, int not,
    const char *want, size_t wantlen)
{
	struct imapout_filter f;
	struct hstr names[8];
	struct ibuf b;
	const char *p;
	size_t piece, i, n, nnames = 0;
	int r = 0;

	for (p = list; *p != '\0'; p += names[nnames++].len) {
		p += *p == ' ';
		names[nnames].p = p;
		names[nnames].len = strcspn(p, " ");
	}
	for (piece = 1; piece <= len + 1; piece++) {
		ibuf_init(&b, 10000);
		imapout_filter_start(&f, names, nnames, not);
		for (i = 0; i < len; i += n) {
			n = len - i < piece ? len - i : piece;
			r = imapout_filter_feed(&f, mail + i, n, &b);
			ATF_REQUIRE(r != -1);
		}
		ATF_CHECK_EQ(0, imapout_filter_finish(&f, &b));
		is(&b, want, wantlen);
		ibuf_fini(&b);
	}
}

#define FILTER(mail, list, not, want) \
	filter_is(mail, sizeof(mail) - 1, list, not, want, sizeof(want) - 1)
#define BLOCK	"A: 1\r\nb : 2\r\n\tx\r\njunk\r\nA B: 3\r\nC: 4\nA:5\r\n"

ATF_TC_WITHOUT_HEAD(filter);
ATF_TC_BODY(filter, tc)
{
	char big[700], want[700];

	FILTER(BLOCK "\r\nA: body", "A", 0, "A: 1\r\nA:5\r\n\r\n");
	FILTER(BLOCK "\r\nA: body", "a B", 0,
	    "A: 1\r\nb : 2\r\n\tx\r\nA:5\r\n\r\n");
	FILTER(BLOCK "\r\nA: body", "a B", 1,
	    "junk\r\nA B: 3\r\nC: 4\n\r\n");
	FILTER(BLOCK "\r\nA: body", "", 0, "\r\n");
	FILTER(BLOCK "\r\nA: body", "", 1, BLOCK "\r\n");
	FILTER(BLOCK "\nA: body", "z", 0, "\n");
	FILTER(BLOCK, "C", 0, "C: 4\n");
	FILTER(" lead\r\nA: 1\r\n", "A", 0, "A: 1\r\n");
	FILTER(" lead\r\nA: 1\r\n", "A", 1, " lead\r\n");
	FILTER("A: 1", "A", 0, "A: 1");
	FILTER("A", "A", 0, "");
	FILTER("A", "A", 1, "A");
	FILTER("\rA: 1\r\nB: 2\r\n\r", "B", 0, "B: 2\r\n");
	FILTER("\rA: 1\r\nB: 2\r\n\r", "B", 1, "\rA: 1\r\n\r");
	FILTER("", "A", 1, "");
	FILTER("\r\nA: 1\r\n", "A", 1, "\r\n");
	FILTER("A\0: 1\r\nA: 2\r\n", "A", 0, "A: 2\r\n");
	/* a name longer than any that can be asked for */
	memset(big, 'n', sizeof(big));
	memcpy(big + 300, ": 1\r\nA: 2\r\n\r\n", 14);
	filter_is(big, 314, "A", 0, "A: 2\r\n\r\n", 8);
	memcpy(want, big, 305);
	memcpy(want + 305, "\r\n", 2);
	filter_is(big, 314, "A", 1, want, 307);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, strings);
	ATF_TP_ADD_TC(tp, envelope);
	ATF_TP_ADD_TC(tp, structure);
	ATF_TP_ADD_TC(tp, opaque);
	ATF_TP_ADD_TC(tp, sections);
	ATF_TP_ADD_TC(tp, sections_none);
	ATF_TP_ADD_TC(tp, nostructure);
	ATF_TP_ADD_TC(tp, filter);
	return atf_no_error();
}
