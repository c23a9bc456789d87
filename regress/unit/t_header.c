#include <atf-c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "charset.h"
#include "header.h"

static int
is(const struct hstr *s, const char *want)
{
	if (want == NULL)
		return s->p == NULL;
	return s->p != NULL && s->len == strlen(want) &&
	    memcmp(s->p, want, s->len) == 0;
}

/* What a function appends for a text, as a string. */
static const char *
made(int (*fn)(struct ibuf *, const char *, size_t), const char *text,
    size_t len)
{
	static char	out[8192];
	struct ibuf	b;

	ibuf_init(&b, sizeof(out) - 1);
	ATF_REQUIRE(fn(&b, text, len) != -1);
	if (ibuf_size(&b) > 0)
		memcpy(out, ibuf_data(&b), ibuf_size(&b));
	out[ibuf_size(&b)] = '\0';
	ibuf_fini(&b);
	return out;
}

ATF_TC_WITHOUT_HEAD(names);
ATF_TC_BODY(names, tc)
{
	static const struct {
		const char	*name;
		enum header_id	 id;
	} t[] = {
		{ "From", HEADER_FROM }, { "TO", HEADER_TO },
		{ "message-id", HEADER_MESSAGE_ID },
		{ "Content-MD5", HEADER_CONTENT_MD5 },
		{ "auto-submitted", HEADER_OTHER },
		{ "X-Universally-Unique-Identifier", HEADER_OTHER },
		{ "", HEADER_NONE }, { "Fro", HEADER_NONE },
		{ "Fromm", HEADER_NONE }, { "Received", HEADER_NONE },
		{ "zzz", HEADER_NONE }, { "\xff", HEADER_NONE },
	};
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		ATF_CHECK_EQ_MSG(t[i].id, header_id(t[i].name,
		    strlen(t[i].name)), "%s", t[i].name);
	ATF_CHECK_EQ(HEADER_NONE, header_id("To\0", 3));
	ATF_CHECK_EQ(HEADER_TO, header_id("Total", 2));
}

ATF_TC_WITHOUT_HEAD(fields);
ATF_TC_BODY(fields, tc)
{
	static const char block[] = " first\r\nA:b\r\nC \t: d\r\n\te \r\n"
	    "no colon\r\nX Y: z\n: empty\nEnd:\r\n\r\nBody: x\r\n";
	static const struct {
		const char *name, *value;
	} t[] = {
		{ "", "first" }, { "A", "b" }, { "C", "d\r\n\te" },
		{ "", "no colon" }, { "", "X Y: z" }, { "", ": empty" },
		{ "End", "" },
	};
	struct header_iter it;
	struct header_field f;
	const char *raw = block;
	size_t i;

	header_start(&it, block, sizeof(block) - 1);
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		ATF_REQUIRE_EQ(1, header_next(&it, &f));
		ATF_CHECK_MSG(is(&f.name, t[i].name), "%zu", i);
		ATF_CHECK_MSG(is(&f.value, t[i].value), "%zu", i);
		ATF_CHECK_EQ(raw, f.raw.p);
		raw += f.raw.len;
	}
	ATF_CHECK_EQ(0, header_next(&it, &f));
	ATF_CHECK_EQ(0, header_next(&it, &f));
	ATF_CHECK(strncmp(raw, "\r\nBody", 6) == 0);
	header_start(&it, "A", 1);
	ATF_CHECK_EQ(1, header_next(&it, &f));
	ATF_CHECK_EQ(0, header_next(&it, &f));
	header_start(&it, "", 0);
	ATF_CHECK_EQ(0, header_next(&it, &f));
}

ATF_TC_WITHOUT_HEAD(unfold);
ATF_TC_BODY(unfold, tc)
{
	ATF_CHECK_STREQ("a b\tc d", made(header_unfold,
	    "a\r\n b\n\tc\rd", 10));
	ATF_CHECK_STREQ("ab", made(header_unfold, "a\0b\r\n", 5));
	ATF_CHECK_STREQ("", made(header_unfold, "", 0));
}

ATF_TC_WITHOUT_HEAD(words);
ATF_TC_BODY(words, tc)
{
	static const struct {
		const char *from, *to;
	} t[] = {
		{ "plain", "plain" },
		/* RFC 2047, 8 */
		{ "(=?ISO-8859-1?Q?a?=)", "(a)" },
		{ "(=?ISO-8859-1?Q?a?= b)", "(a b)" },
		{ "(=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=)", "(ab)" },
		{ "(=?ISO-8859-1?Q?a?=  \r\n  =?ISO-8859-1?Q?b?=)", "(ab)" },
		{ "(=?ISO-8859-1?Q?a_b?=)", "(a b)" },
		{ "(=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=)", "(a b)" },
		{ "=?US-ASCII?Q?Keith_Moore?= <m@x>", "Keith Moore <m@x>" },
		{ "=?ISO-8859-1?Q?Keld_J=F8rn_Simonsen?=",
		    "Keld J\xc3\xb8rn Simonsen" },
		{ "=?ISO-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?=\r\n"
		    " =?ISO-8859-2?B?dSB1bmRlcnN0YW5kIHRoZSBleGFtcGxlLg==?=",
		    "If you can read this you understand the example." },
		/* RFC 2231, 5 */
		{ "=?US-ASCII*EN?Q?Keith_Moore?=", "Keith Moore" },
		/* a character over two words */
		{ "=?utf-8?B?w6Q=?= =?utf-8?B?w7w=?=", "\xc3\xa4\xc3\xbc" },
		{ "=?utf-8?q?=C3?= =?utf-8?q?=A4?=", "\xc3\xa4" },
		{ "=?utf-8?q?=C3?= x", "\xef\xbf\xbd x" },
		/* without space, in quotes, in text */
		{ "a=?utf-8?q?b?=c", "abc" },
		{ "\"=?utf-8?q?b?=\"", "\"b\"" },
		{ "=?utf-8?q?a?==?utf-8?q?b?=", "ab" },
		/* broken ones stay */
		{ "=?utf-8?q?a b?=", "=?utf-8?q?a b?=" },
		{ "=?utf-8?x?a?=", "=?utf-8?x?a?=" },
		{ "=?utf-8?q?a", "=?utf-8?q?a" },
		{ "=?utf-8?q?a?", "=?utf-8?q?a?" },
		{ "=??q?a?=", "=??q?a?=" },
		{ "=?=?utf-8?q?a?=", "=?a" },
		{ "=? = ?", "=? = ?" },
		{ "=?utf-8?q?a?=\r\n =?broken", "a =?broken" },
		/* empty ones, unknown ones */
		{ "x =?utf-8?q?" "?= y", "x  y" },
		{ "=?x-none?q?a=E4?=", "a\xef\xbf\xbd" },
		/* bytes */
		{ "\xc3\xa4 \xe4", "\xc3\xa4 \xef\xbf\xbd" },
		{ "a\tb\r\n c\rd\x01", "a b c d " },
		{ "=?utf-8?q?a=0Ab=00?=", "a b " },
		{ "=?utf-8?q?=zz=4?=", "=zz=4" },
	};
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		ATF_CHECK_STREQ_MSG(t[i].to, made(header_decode, t[i].from,
		    strlen(t[i].from)), "%s", t[i].from);
}

ATF_TC_WITHOUT_HEAD(params);
ATF_TC_BODY(params, tc)
{
	static const char value[] = "(c) text / plain (x) ; a=b; C=\"d\\\"e\";"
	    " (no) f = g (h) ; i=j k l=m; ; =n; o; p=; q=\"r;s\" t; u=\"v";
	static const struct {
		const char *name, *value;
		int quoted;
	} t[] = {
		{ "a", "b", 0 }, { "C", "d\\\"e", 1 }, { "f", "g", 0 },
		{ "i", "j", 0 }, { "l", "m", 0 }, { "p", "", 0 },
		{ "q", "r;s", 1 }, { "u", "v", 1 },
	};
	struct header_iter it;
	struct header_param pa;
	struct hstr type, sub;
	char out[16];
	size_t i;

	ATF_CHECK_EQ(1, header_media(&it, value, sizeof(value) - 1, &type,
	    &sub));
	ATF_CHECK(is(&type, "text"));
	ATF_CHECK(is(&sub, "plain"));
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		ATF_REQUIRE_EQ_MSG(1, header_param_next(&it, &pa), "%zu", i);
		ATF_CHECK_MSG(is(&pa.name, t[i].name), "%zu %.*s", i,
		    (int)pa.name.len, pa.name.p);
		ATF_CHECK_MSG(is(&pa.value, t[i].value), "%zu %.*s", i,
		    (int)pa.value.len, pa.value.p);
		ATF_CHECK_EQ(t[i].quoted, pa.quoted);
	}
	ATF_CHECK_EQ(0, header_param_next(&it, &pa));
	ATF_CHECK_EQ(5, header_unquote(out, "a\\\"\r\n b\\", 8));
	ATF_CHECK_EQ(0, memcmp(out, "a\" b\\", 5));
	ATF_CHECK_EQ(0, header_media(&it, "text", 4, &type, &sub));
	ATF_CHECK_EQ(0, header_media(&it, "text/", 5, &type, &sub));
	ATF_CHECK_EQ(0, header_media(&it, "/x", 2, &type, &sub));
	ATF_CHECK_EQ(0, header_media(&it, "", 0, &type, &sub));
	ATF_CHECK_EQ(1, header_token(&it, "inline; x=y", 11, &type));
	ATF_CHECK_EQ(1, header_param_next(&it, &pa));
}

static void
param_is(const char *value, const char *name, const char *want)
{
	struct ibuf b;
	int r;

	ibuf_init(&b, 1000);
	r = header_param_get(&b, value, strlen(value), name);
	ATF_CHECK_EQ_MSG(want != NULL, r, "%s", value);
	if (want != NULL)
		ATF_CHECK_MSG(ibuf_size(&b) == strlen(want) &&
		    memcmp(ibuf_data(&b), want, strlen(want)) == 0,
		    "%s: %.*s", value, (int)ibuf_size(&b), ibuf_data(&b));
	ibuf_fini(&b);
}

ATF_TC_WITHOUT_HEAD(rfc2231);
ATF_TC_BODY(rfc2231, tc)
{
	param_is("message/external-body; access-type=URL;\r\n"
	    " URL*0=\"ftp://\";\r\n URL*1=\"cs.utk.edu/x\"", "url",
	    "ftp://cs.utk.edu/x");
	param_is("a/b; title*=us-ascii'en-us'This%20is%20%2A%2A%2Afun%2A%2A"
	    "%2A", "title", "This is ***fun***");
	param_is("a/b; title*0*=us-ascii'en'This%20is%20even%20more%20;"
	    " title*1*=%2A%2A%2Afun%2A%2A%2A%20; title*2=\"isn't it!\"",
	    "title", "This is even more ***fun*** isn't it!");
	param_is("attachment; filename*1=b; filename*0=a", "filename", "ab");
	param_is("attachment; filename*0*=utf-8''%C3; filename*1*=%A4",
	    "filename", "\xc3\xa4");
	param_is("attachment; filename*=UTF-8''%e2%82%ac; filename=EUR",
	    "filename", "\xe2\x82\xac");
	param_is("attachment; filename=\"=?iso-8859-1?q?=E4?=.txt\"",
	    "filename", "\xc3\xa4.txt");
	param_is("attachment; filename=\"a\\\"b\"", "filename", "a\"b");
	param_is("attachment; filename*=nonsense", "filename", "nonsense");
	param_is("attachment; filename*=x'%zz", "filename", "x'%zz");
	param_is("attachment; filename*0=a; filename*2=c", "filename", "a");
	param_is("attachment; filename*1=b; filename=plain", "filename",
	    "plain");
	param_is("attachment; filename*x=b; filename*00=c; filename*64=d",
	    "filename", NULL);
	param_is("attachment; filename=first; filename=second", "filename",
	    "first");
	param_is("attachment", "filename", NULL);
	param_is("", "filename", NULL);
}

/* An address list as text: name|route|local|domain. */
static const char *
addresses(const char *text, size_t len)
{
	static char		 out[16384];
	struct header_addrs	 it;
	struct header_addr	 a;
	const struct hstr	*s[4] = { &a.name, &a.route, &a.local,
				    &a.domain };
	char			*o = out;
	int			 i, n;

	header_addr_start(&it, text, len);
	for (*o = '\0', n = 0; header_addr_next(&it, &a) && n < 100; n++) {
		if (n > 0)
			*o++ = ' ';
		if (a.kind == HEADER_ADDR_GROUP_END) {
			o += sprintf(o, ";");
			continue;
		}
		if (a.kind == HEADER_ADDR_GROUP) {
			o += sprintf(o, "%.*s:", (int)a.name.len, a.name.p);
			continue;
		}
		*o++ = '[';
		for (i = 0; i < 4; i++)
			o += sprintf(o, "%s%.*s", i > 0 ? "|" : "",
			    s[i]->p == NULL ? 1 : (int)s[i]->len,
			    s[i]->p == NULL ? "-" : s[i]->p);
		*o++ = ']';
		*o = '\0';
	}
	ATF_CHECK_EQ(0, header_addr_next(&it, &a));
	return out;
}

ATF_TC_WITHOUT_HEAD(addrs);
ATF_TC_BODY(addrs, tc)
{
	static const struct {
		const char *from, *to;
	} t[] = {
		{ "", "" }, { " , ,\r\n ,", "" }, { "(only a comment)", "" },
		{ "a@b", "[-|-|a|b]" },
		{ "<a@b>", "[-|-|a|b]" },
		{ "Joe <a@b>", "[Joe|-|a|b]" },
		{ "Joe\r\n <a@b>", "[Joe|-|a|b]" },
		{ "Joe<a@b>", "[Joe|-|a|b]" },
		{ "\"\" <a@b>", "[-|-|a|b]" },
		{ "\"Joe Q.  Public\" <a@b>", "[Joe Q.  Public|-|a|b]" },
		{ "Joe \"Q.\" \t Public <a@b>", "[Joe Q. Public|-|a|b]" },
		{ "\"a\\\"b\\\\\" <a@b>", "[a\"b\\|-|a|b]" },
		{ "a@b (Joe)", "[Joe|-|a|b]" },
		{ "a@b (Joe (Q) \\) )", "[Joe (Q) ) |-|a|b]" },
		{ "<a@b> (Joe)", "[Joe|-|a|b]" },
		{ "Joe (x) <a@b> (y)", "[Joe|-|a|b]" },
		{ "a . b (c) @ d . e", "[-|-|a.b|d.e]" },
		{ "\"a b\"@c", "[-|-|a b|c]" },
		{ "\"a@b\"@c", "[-|-|a@b|c]" },
		{ "a.\"b c\".d@e", "[-|-|a.b c.d|e]" },
		{ "a@[192.0.2.1]", "[-|-|a|[192.0.2.1]]" },
		{ "a@[IPv6:2001:db8::1], b@c",
		    "[-|-|a|[IPv6:2001:db8::1]] [-|-|b|c]" },
		{ "<@a,@b:c@d>", "[-|@a,@b|c|d]" },
		{ "x <@a : c@d>", "[x|@a|c|d]" },
		{ "a@b,c@d", "[-|-|a|b] [-|-|c|d]" },
		{ "a@b;c@d", "[-|-|a|b] [-|-|c|d]" },
		{ "a@b c@d", "[-|-|a|b]" },
		{ "<a@b> <c@d>", "[-|-|a|b] [-|-|c|d]" },
		{ "A <a@b> C <c@d>", "[A|-|a|b] [C|-|c|d]" },
		{ "g:;", "g: ;" }, { "g:", "g: ;" }, { "g: ,;,", "g: ;" },
		{ "g: a@b, C <c@d>;, e@f", "g: [-|-|a|b] [C|-|c|d] ; "
		    "[-|-|e|f]" },
		{ "\"g h\": a@b", "g h: [-|-|a|b] ;" },
		{ "g: a@b; h: c@d;", "g: [-|-|a|b] ; h: [-|-|c|d] ;" },
		{ ":;", ": ;" },
		{ "root", "[-|-|root|]" },
		{ "two words", "[two|-|words|]" },
		{ "@b", "[-|-||b]" }, { "a@", "[-|-|a|]" },
		{ "<>", "[-|-||]" }, { "<", "[-|-||]" }, { ">", "[-|-|>|]" },
		{ "Joe Public a@b", "[Joe Public|-|a|b]" },
		{ "a@b <a@b>", "[a@b|-|a|b]" },
		{ "a@b@c", "[-|-|a|b@c]" },
		{ "<a@b", "[-|-|a|b]" }, { "<a@b, c@d", "[-|-|a|b] "
		    "[-|-|c|d]" },
		{ "\"open <a@b>, c@d", "[\"open|-|a|b] [-|-|c|d]" },
		{ "\"Foo\" x\" <a@b>", "[Foo x\"|-|a|b]" },
		{ "(open <a@b>", "[(open|-|a|b]" },
		{ "=?utf-8?q?a=2Cb?= <a@b>", "[=?utf-8?q?a=2Cb?=|-|a|b]" },
		{ "\xe4\xc3\xa4 <\xe4@b>", "[\xe4\xc3\xa4|-|\xe4|b]" },
		{ "[list] name <a@b>", "[[list] name|-|a|b]" },
		{ "mailto:a@b", "mailto: [-|-|a|b] ;" },
	};
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		ATF_CHECK_STREQ_MSG(t[i].to, addresses(t[i].from,
		    strlen(t[i].from)), "%s", t[i].from);
}

/* No text of this size may take long, whatever it is made of. */
ATF_TC_WITHOUT_HEAD(hostile);
ATF_TC_BODY(hostile, tc)
{
	static const char *const	unit[] = { "(", "\"", "\\\"", "<", "@",
	    "(\"", "<a@", "a:", ":", ";", "=?", "=?a?q?", "=?a?b?b?=",
	    "[a]", "[", "[fwd:", "re:", "a*0=", "\r\n ", " ", "\"\\", "<@a,",
	    "((())", "a.", "<a", "\"a\" ", "(a) " };
	enum { SIZE = 1 << 20 };
	struct header_addrs		 it;
	struct header_addr		 a;
	struct header_msgids		 ids;
	struct hstr			 id;
	struct ibuf			 b;
	char				*p;
	size_t				 i, j, n;

	ATF_REQUIRE((p = malloc(SIZE)) != NULL);
	for (i = 0; i < sizeof(unit) / sizeof(unit[0]); i++) {
		n = strlen(unit[i]);
		for (j = 0; j < SIZE; j++)
			p[j] = unit[i][j % n];
		header_addr_start(&it, p, SIZE);
		for (j = 0; header_addr_next(&it, &a); j++)
			ATF_REQUIRE_MSG(j <= SIZE + 1, "%s", unit[i]);
		header_msgid_start(&ids, p, SIZE);
		while (header_msgid_next(&ids, &id))
			;
		ibuf_init(&b, SIZE * 16);
		ATF_CHECK_EQ(0, header_decode(&b, p, SIZE));
		ATF_CHECK(header_base_subject(&b, p, SIZE) != -1);
		ATF_CHECK(header_param_get(&b, p, SIZE, "a") != -1);
		ibuf_fini(&b);
	}
	free(p);
}

ATF_TC_WITHOUT_HEAD(msgids);
ATF_TC_BODY(msgids, tc)
{
	static const char text[] = "junk <a@b>\r\n <\"c\"@d> (<e@f>) < g @\r\n"
	    " h > <> <i <\"j>k\"@l> <m\\@n@o> <open@p";
	static const char *const want[] = { "a@b", "c@d", "e@f", "g@h",
	    "j>k@l", "m@n@o", NULL };
	struct header_msgids it;
	struct hstr id;
	char big[2000];
	int i;

	header_msgid_start(&it, text, sizeof(text) - 1);
	for (i = 0; want[i] != NULL; i++) {
		ATF_REQUIRE_EQ(1, header_msgid_next(&it, &id));
		ATF_CHECK_MSG(is(&id, want[i]), "%.*s", (int)id.len, id.p);
	}
	ATF_CHECK_EQ(0, header_msgid_next(&it, &id));
	memset(big, 'x', sizeof(big));
	big[0] = '<';
	memcpy(big + sizeof(big) - 6, "><a@b>", 6);
	header_msgid_start(&it, big, sizeof(big));
	ATF_REQUIRE_EQ(1, header_msgid_next(&it, &id));
	ATF_CHECK(is(&id, "a@b"));
}

static int	refwd;

static int
base(struct ibuf *b, const char *p, size_t len)
{
	return refwd = header_base_subject(b, p, len);
}

ATF_TC_WITHOUT_HEAD(subjects);
ATF_TC_BODY(subjects, tc)
{
	static const struct {
		const char *from, *to;
		int refwd;
	} t[] = {
		{ "hello", "hello", 0 }, { "", "", 0 }, { "  ", "", 0 },
		{ "Re: hello", "hello", 1 }, { "RE:hello", "hello", 1 },
		{ "Fwd: hello", "hello", 1 }, { "fw : hello", "hello", 1 },
		{ "Re: Re: Fwd: hello", "hello", 1 },
		{ "Re[2]: hello", "hello", 1 },
		{ "Re [list] : hello", "hello", 1 },
		{ "[list] Re: hello", "hello", 1 },
		{ "[a] [b] Re: [c] hello", "hello", 1 },
		{ "[list] hello", "hello", 0 }, { "[list]", "[list]", 0 },
		{ "[a] [b]", "[b]", 0 }, { "[a]", "[a]", 0 },
		{ "hello (fwd)", "hello", 1 },
		{ "hello (FWD) (fwd) ", "hello", 1 },
		{ "[fwd: hello]", "hello", 1 },
		{ "[Fwd: Re: [x] hello (fwd)]", "hello", 1 },
		{ "[fwd: [fwd: hello]]", "hello", 1 },
		{ "[fwd:]", "", 1 },
		{ "Regarding: x", "Regarding: x", 0 },
		{ "re", "re", 0 }, { "re:", "", 1 }, { "(fwd)", "", 1 },
		{ "  a \t b\r\n  c ", "a b c", 0 },
		{ "=?utf-8?q?Re:_=C3=A4?=", "\xc3\xa4", 1 },
		{ "[unclosed hello", "[unclosed hello", 0 },
		{ "AW: hello", "AW: hello", 0 },
	};
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		ATF_CHECK_STREQ_MSG(t[i].to, made(base, t[i].from,
		    strlen(t[i].from)), "%s", t[i].from);
		ATF_CHECK_EQ_MSG(t[i].refwd, refwd, "%s", t[i].from);
	}
}

/* An output that does not fit is an error, not a part of it. */
ATF_TC_WITHOUT_HEAD(full);
ATF_TC_BODY(full, tc)
{
	struct ibuf b;

	ibuf_init(&b, 4);
	ATF_CHECK_EQ(-1, header_decode(&b, "hello", 5));
	ATF_CHECK_EQ(-1, header_unfold(&b, "hello", 5));
	ATF_CHECK_EQ(-1, header_base_subject(&b, "hello", 5));
	ibuf_fini(&b);
}

ATF_TP_ADD_TCS(tp)
{
	charset_init();
	ATF_TP_ADD_TC(tp, names);
	ATF_TP_ADD_TC(tp, fields);
	ATF_TP_ADD_TC(tp, unfold);
	ATF_TP_ADD_TC(tp, words);
	ATF_TP_ADD_TC(tp, params);
	ATF_TP_ADD_TC(tp, rfc2231);
	ATF_TP_ADD_TC(tp, addrs);
	ATF_TP_ADD_TC(tp, hostile);
	ATF_TP_ADD_TC(tp, msgids);
	ATF_TP_ADD_TC(tp, subjects);
	ATF_TP_ADD_TC(tp, full);
	return atf_no_error();
}
