#include <atf-c.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "charset.h"
#include "msgsearch.h"

/* "H:field:text", "T::text" or "B::text" as a key. */
static void
key_set(struct msgsearch_key *k, const char *spec)
{
	const char *colon = strchr(spec + 2, ':');

	k->scope = *spec == 'H' ? MSGSEARCH_HEADER : *spec == 'T' ?
	    MSGSEARCH_TEXT : MSGSEARCH_BODY;
	k->field.p = spec + 2;
	k->field.len = (size_t)(colon - k->field.p);
	k->text.p = colon + 1;
	k->text.len = strlen(colon + 1);
}

static uint64_t
run(struct msgsearch *ms, const char *mail, size_t len, size_t piece)
{
	size_t n;
	int r = 0;

	ATF_REQUIRE_EQ(0, msgsearch_reset(ms));
	for (; len > 0 && r == 0; mail += n, len -= n) {
		n = len < piece ? len : piece;
		r = msgsearch_feed(ms, mail, n);
	}
	if (r == 0)
		r = msgsearch_finish(ms);
	ATF_REQUIRE_EQ(1, r);
	return msgsearch_found(ms);
}

/* One key against a message, in pieces of every size, must give want. */
static void
key_is(const char *mail, size_t len, const char *spec, int want)
{
	struct msgsearch_key k;
	struct msgsearch_set *s;
	struct msgsearch *ms;
	size_t piece;

	key_set(&k, spec);
	ATF_REQUIRE((s = msgsearch_compile(&k, 1)) != NULL);
	ATF_REQUIRE((ms = msgsearch_open(s)) != NULL);
	for (piece = 1; piece <= len + 1; piece += piece < 20 ? 1 : 97)
		ATF_CHECK_EQ_MSG((uint64_t)want, run(ms, mail, len, piece),
		    "%s in pieces of %zu", spec, piece);
	msgsearch_free(ms);
	msgsearch_set_free(s);
}

static const char sample[] =
    "From: =?utf-8?q?J=C3=B6rg?= <j@example.org>\r\n"
    "Subject: =?utf-8?b?w5xi?=\r\n =?utf-8?b?ZXJyYXNjaHVuZw==?= two\r\n"
    "\tlines\r\n"
    "X-Empty:\r\n"
    "X-Raw: Gr\xc3\xbc\xc3\x9f" "e\r\n"
    "MIME-Version: 1.0\r\n"
    "Content-Type: multipart/mixed; boundary=bnd\r\n\r\n"
    "preamble text\r\n"
    "--bnd\r\nContent-Description: PartHead\r\n\r\n"
    "Plain line one\r\nends here\r\n"
    "--bnd\r\nContent-Type: text/plain; charset=iso-8859-1\r\n"
    "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
    "Stra=DFe soft=\r\nbreak caf=E9\r\n"
    "--bnd\r\nContent-Type: text/html; charset=utf-8\r\n"
    "Content-Transfer-Encoding: base64\r\n\r\n"
    "PGI+SGlkZGVu\r\nSW5CYXNl\r\nNjQ8L2I+\r\n"
    "--bnd\r\nContent-Type: application/x-bin; name=AttachName\r\n\r\n"
    "BinaryWord\r\n"
    "--bnd\r\nContent-Type: message/rfc822\r\n\r\n"
    "Subject: InnerSubject\r\nContent-Type: text/plain\r\n"
    "X-Inner: deep\r\n\r\nInnerBody\r\n"
    "--bnd\r\nContent-Type: message/delivery-status\r\n\r\n"
    "Final-Recipient: rfc822; gone\r\n"
    "--bnd--\r\nepilogue text\r\n";

ATF_TC_WITHOUT_HEAD(scopes);
ATF_TC_BODY(scopes, tc)
{
	static const struct {
		const char *spec;
		int want;
	} t[] = {
		/* fields */
		{ "H:Subject:\xc3\xbc" "berrasch", 1 },
		{ "H:subject:\xc3\x9c" "BERRASCHUNG TWO LINES", 1 },
		{ "H:subject:u\xcc\x88" "ber", 1 },
		{ "H:subject:nothing", 0 }, { "H:From:j\xc3\xb6rg <j@", 1 },
		{ "H:From:subject", 0 }, { "H:Fro:j", 0 },
		{ "H:X-Raw:GR\xc3\x9cSSE", 1 }, { "H:X-Raw:raw", 0 },
		{ "H:X-Empty:", 1 }, { "H:X-None:", 0 },
		{ "H:Subject:innersubject", 0 }, { "H:X-Inner:", 0 },
		{ "H:Content-Description:", 0 },
		/* texts */
		{ "B::plain line", 1 }, { "B::PLAIN LINE ONE ENDS", 1 },
		{ "B::one  ends \t here", 1 }, { "B::oneends", 0 },
		{ "B::strasse", 1 }, { "B::stra\xc3\x9f" "e", 1 },
		{ "B::softbreak caf\xc3\xa9", 1 }, { "B::CAF\xc3\x89", 1 },
		{ "B::caf", 1 },
		{ "B::<b>hiddeninbase64</b>", 1 }, { "B::HIDDENinbase", 1 },
		{ "B::PGI+", 0 }, { "B::BinaryWord", 0 },
		{ "B::AttachName", 0 }, { "B::PartHead", 0 },
		{ "B::InnerSubject", 1 }, { "B::subject: inner", 1 },
		{ "B::InnerBody", 1 }, { "B::Final-Recipient", 1 },
		{ "B::two lines", 0 }, { "B::boundary", 0 },
		{ "B::preamble", 0 }, { "B::epilogue", 0 },
		/* the body of one part does not run into the next */
		{ "B::here stra", 0 }, { "B::caf\xc3\xa9 <b>", 0 },
		/* both */
		{ "T::plain line", 1 }, { "T::two lines", 1 },
		{ "T::subject: \xc3\xbc" "ber", 1 }, { "T::x-empty:", 1 },
		{ "T::AttachName", 1 }, { "T::PartHead", 1 },
		{ "T::X-Inner: deep", 1 }, { "T::BinaryWord", 0 },
		{ "T::nowhere to be found", 0 },
		{ "T::lines x-empty", 0 },
		/* empty strings */
		{ "T::", 1 }, { "B::", 1 }, { "B::\xc2\xad", 1 },
	};
	size_t i;

	charset_init();
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		key_is(sample, sizeof(sample) - 1, t[i].spec, t[i].want);
}

/* Many keys at once find what each finds alone. */
ATF_TC_WITHOUT_HEAD(many);
ATF_TC_BODY(many, tc)
{
	static const char *const specs[] = { "B::one", "B::on", "B::one ends",
	    "T::lines", "H:Subject:lines", "H:Subject:", "B::zzz",
	    "H:X-None:", "T::ends here", "B::n", "B::ine one e",
	    "T::innerbody", "H:From:org", "B::one", NULL };
	struct msgsearch_key k[16];
	struct msgsearch_set *s;
	struct msgsearch *ms;
	uint64_t found;
	int i;

	for (i = 0; specs[i] != NULL; i++)
		key_set(&k[i], specs[i]);
	ATF_REQUIRE((s = msgsearch_compile(k, (size_t)i)) != NULL);
	ATF_REQUIRE((ms = msgsearch_open(s)) != NULL);
	found = run(ms, sample, sizeof(sample) - 1, 7);
	for (i = 0; specs[i] != NULL; i++)
		key_is(sample, sizeof(sample) - 1, specs[i],
		    (found >> i & 1) != 0);
	ATF_CHECK_EQ(0x3f3f, found);
	/* a search may be used again, and a set by several */
	ATF_CHECK_EQ(0, run(ms, "X: y\r\n\r\nz", 9, 1));
	ATF_CHECK_EQ(found, run(ms, sample, sizeof(sample) - 1, 4096));
	msgsearch_free(ms);
	msgsearch_set_free(s);
}

/* It says when it has seen enough. */
ATF_TC_WITHOUT_HEAD(early);
ATF_TC_BODY(early, tc)
{
	struct msgsearch_key k[2];
	struct msgsearch_set *s;
	struct msgsearch *ms;

	key_set(&k[0], "H:Subject:x");
	key_set(&k[1], "H:X-None:x");
	ATF_REQUIRE((s = msgsearch_compile(k, 2)) != NULL);
	ATF_REQUIRE((ms = msgsearch_open(s)) != NULL);
	ATF_CHECK_EQ(0, msgsearch_feed(ms, "Subject: x\r\n", 12));
	ATF_CHECK_EQ(1, msgsearch_feed(ms, "\r\n", 2));
	ATF_CHECK_EQ(1, msgsearch_feed(ms, "never read", 10));
	ATF_CHECK_EQ(1, msgsearch_finish(ms));
	ATF_CHECK_EQ(1, msgsearch_found(ms));
	msgsearch_free(ms);
	msgsearch_set_free(s);
	key_set(&k[0], "T::needle");
	ATF_REQUIRE((s = msgsearch_compile(k, 1)) != NULL);
	ATF_REQUIRE((ms = msgsearch_open(s)) != NULL);
	ATF_CHECK_EQ(0, msgsearch_feed(ms, "\r\nnee", 5));
	ATF_CHECK_EQ(1, msgsearch_feed(ms, "dle", 3));
	ATF_CHECK_EQ(1, msgsearch_found(ms));
	msgsearch_free(ms);
	msgsearch_set_free(s);
	ATF_REQUIRE((s = msgsearch_compile(k, 0)) != NULL);
	ATF_REQUIRE((ms = msgsearch_open(s)) != NULL);
	ATF_CHECK_EQ(1, msgsearch_feed(ms, "", 0));
	msgsearch_free(ms);
	msgsearch_set_free(s);
}

/* A field from a summary is searched as one from the message. */
ATF_TC_WITHOUT_HEAD(field);
ATF_TC_BODY(field, tc)
{
	struct hstr subject = HSTR("SUBJECT"), to = HSTR("to"),
	    value = HSTR("=?utf-8?q?=C3=84?=\r\n folded"), none = HSTR("");
	struct msgsearch_key k[3];
	struct msgsearch_set *s;
	struct msgsearch *ms;

	key_set(&k[0], "H:Subject:\xc3\xa4 folded");
	key_set(&k[1], "H:To:");
	key_set(&k[2], "T::folded");
	ATF_REQUIRE((s = msgsearch_compile(k, 3)) != NULL);
	ATF_REQUIRE((ms = msgsearch_open(s)) != NULL);
	ATF_CHECK_EQ(0, msgsearch_field(ms, &subject, &none));
	ATF_CHECK_EQ(0, msgsearch_found(ms));
	ATF_CHECK_EQ(0, msgsearch_field(ms, &subject, &value));
	ATF_CHECK_EQ(1, msgsearch_found(ms));
	ATF_CHECK_EQ(0, msgsearch_field(ms, &to, &none));
	ATF_CHECK_EQ(3, msgsearch_found(ms));
	msgsearch_free(ms);
	msgsearch_set_free(s);
}

ATF_TC_WITHOUT_HEAD(refused);
ATF_TC_BODY(refused, tc)
{
	struct msgsearch_key k[MSGSEARCH_KEYS + 1];
	static char big[MSGSEARCH_BYTES + 2];
	struct msgsearch_set *s;
	size_t i;

	for (i = 0; i <= MSGSEARCH_KEYS; i++)
		key_set(&k[i], "B::x");
	ATF_CHECK(msgsearch_compile(k, MSGSEARCH_KEYS + 1) == NULL);
	ATF_CHECK_EQ(E2BIG, errno);
	ATF_CHECK((s = msgsearch_compile(k, MSGSEARCH_KEYS)) != NULL);
	msgsearch_set_free(s);
	key_set(&k[1], "B::\xff");
	ATF_CHECK(msgsearch_compile(k, 2) == NULL);
	ATF_CHECK_EQ(EILSEQ, errno);
	for (i = 0; i < sizeof(big) - 1; i++)
		big[i] = (char)('a' + i % 26);
	k[0].text.p = big;
	k[0].text.len = MSGSEARCH_BYTES + 1;
	ATF_CHECK(msgsearch_compile(k, 1) == NULL);
	ATF_CHECK_EQ(E2BIG, errno);
	k[0].text.len = MSGSEARCH_BYTES;
	ATF_CHECK((s = msgsearch_compile(k, 1)) != NULL);
	msgsearch_set_free(s);
	k[1] = k[0];
	k[1].text.p = big + 1;
	ATF_CHECK(msgsearch_compile(k, 2) == NULL);
	ATF_CHECK_EQ(E2BIG, errno);
}

/* Against a search that is simple: texts of few letters, many near misses. */
static void
plain(char *out, const char *p, size_t len)
{
	size_t i, o = 0;

	for (i = 0; i < len; i++) {
		int c = tolower((unsigned char)p[i]);

		if (isspace(c))
			c = ' ';
		if (c != ' ' || (o > 0 && out[o - 1] != ' '))
			out[o++] = (char)c;
	}
	out[o] = '\0';
}

ATF_TC_WITHOUT_HEAD(model);
ATF_TC_BODY(model, tc)
{
	static const char letters[] = "abABc \r\n\t";
	char mail[600], text[600], want[8][40], needle[8][40];
	struct msgsearch_key k[8];
	struct msgsearch_set *s;
	struct msgsearch *ms;
	uint64_t expect;
	size_t len, n, j;
	int round, i;

	srandom(1);
	for (round = 0; round < 3000; round++) {
		len = (size_t)(random() % 500);
		memcpy(mail, "X: y\r\n\r\n", 8);
		for (j = 0; j < len; j++)
			mail[8 + j] = letters[random() % 9];
		plain(text, mail + 8, len);
		for (i = 0; i < 8; i++) {
			n = (size_t)(1 + random() % 12);
			for (j = 0; j < n; j++)
				needle[i][j] = letters[random() % 6];
			needle[i][n] = '\0';
			if (needle[i][0] == ' ')
				needle[i][0] = 'a';
			plain(want[i], needle[i], n);
			k[i].scope = MSGSEARCH_BODY;
			k[i].text.p = needle[i];
			k[i].text.len = n;
		}
		ATF_REQUIRE((s = msgsearch_compile(k, 8)) != NULL);
		ATF_REQUIRE((ms = msgsearch_open(s)) != NULL);
		for (expect = 0, i = 0; i < 8; i++)
			if (strstr(text, want[i]) != NULL)
				expect |= 1ULL << i;
		for (j = 1; j < 600; j = j * 3 + 1)
			ATF_REQUIRE_EQ(expect, run(ms, mail, len + 8, j));
		msgsearch_free(ms);
		msgsearch_set_free(s);
	}
}

/* A field of any length: found behind any cut. */
ATF_TC_WITHOUT_HEAD(longfield);
ATF_TC_BODY(longfield, tc)
{
	static char mail[200000];
	struct msgsearch_key k[3];
	struct msgsearch_set *s;
	struct msgsearch *ms;
	size_t n, i;

	key_set(&k[0], "H:Subject:in the middle");
	key_set(&k[1], "T::the very end");
	key_set(&k[2], "H:Subject:not there");
	ATF_REQUIRE((s = msgsearch_compile(k, 3)) != NULL);
	ATF_REQUIRE((ms = msgsearch_open(s)) != NULL);
	for (i = 0; i < 40; i++) {
		n = (size_t)snprintf(mail, sizeof(mail), "Subject:");
		for (; n < 16370 + i; n++)
			mail[n] = n % 50 == 0 ? ' ' : 'x';
		n += (size_t)snprintf(mail + n, sizeof(mail) - n,
		    " in the middle");
		for (; n < 100000; n++)
			mail[n] = n % 50 == 0 ? ' ' : 'y';
		n += (size_t)snprintf(mail + n, sizeof(mail) - n,
		    "\r\n the very\r\n end\r\n\r\n");
		ATF_CHECK_EQ(3, run(ms, mail, n, 4096));
		ATF_CHECK_EQ(3, run(ms, mail, n, 777));
	}
	/* one word without any place to cut */
	memset(mail + 9, 'z', 150000);
	memcpy(mail + 150009, " the very end\r\n\r\n", 17);
	ATF_CHECK_EQ(2, run(ms, mail, 150026, 4096));
	msgsearch_free(ms);
	msgsearch_set_free(s);
}

ATF_TC_WITHOUT_HEAD(index);
ATF_TC_BODY(index, tc)
{
	static const char mail[] =
	    "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n  Folded\r\n"
	    "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n"
	    "One  Two\r\nThree\0Four\r\n--b\r\n"
	    "Content-Type: application/x\r\n\r\nSecret\r\n--b--\r\n";
	static const char want[] = "subject: gru\xcc\x88sse folded\n"
	    "content-type: multipart/mixed; boundary=b\n"
	    "content-type: application/x";
	struct msgsearch *ms;
	struct ibuf head, body;
	size_t piece, n, off;

	ibuf_init(&head, 4096);
	ibuf_init(&body, 4096);
	ATF_REQUIRE((ms = msgsearch_open_text(&head, &body)) != NULL);
	for (piece = 1; piece < sizeof(mail); piece++) {
		ibuf_truncate(&head, 0);
		ibuf_truncate(&body, 0);
		ATF_REQUIRE_EQ(0, msgsearch_reset(ms));
		for (off = 0; off < sizeof(mail) - 1; off += n) {
			n = sizeof(mail) - 1 - off;
			n = n < piece ? n : piece;
			ATF_REQUIRE_EQ(0, msgsearch_feed(ms, mail + off, n));
		}
		ATF_REQUIRE_EQ(1, msgsearch_finish(ms));
		ATF_CHECK(!msgsearch_cut(ms));
		ATF_CHECK_EQ(sizeof(want) - 1, ibuf_size(&head));
		ATF_CHECK_EQ(0, memcmp(want, ibuf_data(&head),
		    sizeof(want) - 1));
		ATF_CHECK_EQ(18, ibuf_size(&body));
		ATF_CHECK_EQ(0, memcmp("one two three\nfour", ibuf_data(&body),
		    18));
	}
	msgsearch_free(ms);
	ibuf_fini(&body);
	/* full */
	ibuf_truncate(&head, 0);
	ibuf_init(&body, 5);
	ATF_REQUIRE((ms = msgsearch_open_text(&head, &body)) != NULL);
	ATF_CHECK_EQ(1, msgsearch_feed(ms, mail, sizeof(mail) - 1));
	ATF_CHECK(msgsearch_cut(ms));
	msgsearch_free(ms);
	ibuf_fini(&head);
	ibuf_fini(&body);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, scopes);
	ATF_TP_ADD_TC(tp, many);
	ATF_TP_ADD_TC(tp, early);
	ATF_TP_ADD_TC(tp, field);
	ATF_TP_ADD_TC(tp, refused);
	ATF_TP_ADD_TC(tp, model);
	ATF_TP_ADD_TC(tp, longfield);
	ATF_TP_ADD_TC(tp, index);
	return atf_no_error();
}
