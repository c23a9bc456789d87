#include <atf-c.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "imapput.h"

static struct ibuf b;

/* What was written since the last call. */
static void
is(const char *text)
{
	ATF_REQUIRE_EQ(0, ibuf_add_n8(&b, '\0'));
	ATF_CHECK_STREQ(text, (char *)ibuf_data(&b));
	ibuf_fini(&b);
}

ATF_TC_WITHOUT_HEAD(strings);
ATF_TC_BODY(strings, tc)
{
	static const struct {
		const char	*in;
		const char	*astring;
		const char	*string;
		const char	*utf8;
	} t[] = {
		{ "", "\"\"", "\"\"", "\"\"" },
		{ "a", "a", "\"a\"", "\"a\"" },
		{ "a]b+c~}", "a]b+c~}", "\"a]b+c~}\"", "\"a]b+c~}\"" },
		{ "NIL", "\"NIL\"", "\"NIL\"", "\"NIL\"" },
		{ "nil", "\"nil\"", "\"nil\"", "\"nil\"" },
		{ "nill", "nill", "\"nill\"", "\"nill\"" },
		{ "a b", "\"a b\"", "\"a b\"", "\"a b\"" },
		{ "(", "\"(\"", "\"(\"", "\"(\"" },
		{ "a%", "\"a%\"", "\"a%\"", "\"a%\"" },
		{ "*", "\"*\"", "\"*\"", "\"*\"" },
		{ "{3}", "\"{3}\"", "\"{3}\"", "\"{3}\"" },
		{ "a\"b\\c", "\"a\\\"b\\\\c\"", "\"a\\\"b\\\\c\"",
		    "\"a\\\"b\\\\c\"" },
		{ "\"", "\"\\\"\"", "\"\\\"\"", "\"\\\"\"" },
		{ "a\tb\x7f", "\"a\tb\x7f\"", "\"a\tb\x7f\"",
		    "\"a\tb\x7f\"" },
		{ "a\r\nb", "{4}\r\na\r\nb", "{4}\r\na\r\nb",
		    "{4}\r\na\r\nb" },
		{ "a\n", "{2}\r\na\n", "{2}\r\na\n", "{2}\r\na\n" },
		{ "\r", "{1}\r\n\r", "{1}\r\n\r", "{1}\r\n\r" },
		{ "\xc3\xa9", "{2}\r\n\xc3\xa9", "{2}\r\n\xc3\xa9",
		    "\"\xc3\xa9\"" },
		{ "\xff", "{1}\r\n\xff", "{1}\r\n\xff", "{1}\r\n\xff" },
	};
	size_t	i, len;

	ibuf_init(&b, 65536);
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		len = strlen(t[i].in);
		ATF_CHECK_EQ(0, imap_put_astring(&b, t[i].in, len));
		is(t[i].astring);
		ATF_CHECK_EQ(0, imap_put_string(&b, t[i].in, len));
		is(t[i].string);
		ATF_CHECK_EQ(0, imap_put_nstring(&b, t[i].in, len));
		is(t[i].string);
		ATF_CHECK_EQ(0, imap_put_utf8(&b, t[i].in, len));
		is(t[i].utf8);
	}
	ATF_CHECK_EQ(0, imap_put_nstring(&b, NULL, 0));
	is("NIL");
	errno = 0;
	ATF_CHECK_EQ(-1, imap_put_string(&b, "a\0b", 3));
	ATF_CHECK_EQ(EILSEQ, errno);
	ATF_CHECK_EQ(-1, imap_put_astring(&b, "a\0b", 3));
	ibuf_fini(&b);
}

ATF_TC_WITHOUT_HEAD(longone);
ATF_TC_BODY(longone, tc)
{
	char	big[2000];

	ibuf_init(&b, 65536);
	memset(big, 'x', sizeof(big));
	ATF_CHECK_EQ(0, imap_put_string(&b, big, sizeof(big)));
	ATF_CHECK_EQ(2008, ibuf_size(&b));
	ATF_CHECK(memcmp("{2000}\r\nxx", ibuf_data(&b), 10) == 0);
	ibuf_fini(&b);
	ibuf_init(&b, 5);
	ATF_CHECK_EQ(-1, imap_put_string(&b, "abcd", 4));
	ATF_CHECK_EQ(ERANGE, errno);
	ibuf_fini(&b);
}

ATF_TC_WITHOUT_HEAD(mailbox);
ATF_TC_BODY(mailbox, tc)
{
	static const struct {
		const char	*name;
		const char	*utf7;
		const char	*utf8;
	} t[] = {
		{ "INBOX", "INBOX", "INBOX" },
		{ "a/b", "a/b", "a/b" },
		{ "a b", "\"a b\"", "\"a b\"" },
		{ "nil", "\"nil\"", "\"nil\"" },
		{ "Entw\xc3\xbcrfe", "Entw&APw-rfe", "\"Entw\xc3\xbcrfe\"" },
		{ "a&b", "a&-b", "a&b" },
	};
	size_t	i;

	ibuf_init(&b, 65536);
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		ATF_CHECK_EQ(0, imap_put_mailbox(&b, t[i].name, 0));
		is(t[i].utf7);
		ATF_CHECK_EQ(0, imap_put_mailbox(&b, t[i].name, 1));
		is(t[i].utf8);
	}
	ATF_CHECK_EQ(-1, imap_put_mailbox(&b, "\xff", 0));
	ibuf_fini(&b);
}

ATF_TC_WITHOUT_HEAD(flags);
ATF_TC_BODY(flags, tc)
{
	struct hstr		 kw[2] = { HSTR("b"), HSTR("$c") };
	struct flag_list	 l = { FLAG_SEEN | FLAG_ANSWERED, 2, kw };
	struct flags		 f;
	uint32_t		 id;

	ibuf_init(&b, 65536);
	flags_init(&f);
	id = flags_from_list(&f, &l);
	ATF_CHECK_EQ(0, imap_put_flags(&b, &f, id, 0));
	is("(\\Answered \\Seen b $c)");
	ATF_CHECK_EQ(0, imap_put_flags(&b, &f, id, 1));
	is("(\\Answered \\Seen b $c \\Recent)");
	ATF_CHECK_EQ(0, imap_put_flags(&b, &f, FLAGS_EMPTY, 0));
	is("()");
	ATF_CHECK_EQ(0, imap_put_flags(&b, &f, FLAGS_EMPTY, 1));
	is("(\\Recent)");
	ATF_CHECK_EQ(0, imap_put_flag_list(&b, &l));
	is("(\\Answered \\Seen b $c)");
	l.sys = l.n = 0;
	ATF_CHECK_EQ(0, imap_put_flag_list(&b, &l));
	is("()");
	flags_fini(&f);
	ibuf_fini(&b);
}

ATF_TC_WITHOUT_HEAD(others);
ATF_TC_BODY(others, tc)
{
	struct uidset	s;

	ibuf_init(&b, 65536);
	uidset_init(&s);
	ATF_CHECK_EQ(0, imap_put_numbers(&b, &s));
	is("");
	uidset_add(&s, 2, 4);
	uidset_add(&s, UINT32_MAX, UINT32_MAX);
	ATF_CHECK_EQ(0, imap_put_numbers(&b, &s));
	is(" 2 3 4 4294967295");
	uidset_fini(&s);
	ATF_CHECK_EQ(0, imap_put_literal(&b, 0, 0));
	is("{0}\r\n");
	ATF_CHECK_EQ(0, imap_put_literal(&b, 5000000000ULL, 1));
	is("~{5000000000}\r\n");
	ATF_CHECK_EQ(0, imap_put_text(&b, "[ALERT] a\r\nb\xc3\xa9 [x]", 99));
	is("?ALERT] a??b?? [x]");
	ATF_CHECK_EQ(0, imap_put_text(&b, "abcdef", 3));
	is("abc");
	ATF_CHECK_EQ(0, imap_put_text(&b, "", 3));
	is("?");
	ibuf_fini(&b);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, strings);
	ATF_TP_ADD_TC(tp, longone);
	ATF_TP_ADD_TC(tp, mailbox);
	ATF_TP_ADD_TC(tp, flags);
	ATF_TP_ADD_TC(tp, others);
	return atf_no_error();
}
