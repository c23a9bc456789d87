#include <atf-c.h>
#include <stdlib.h>
#include <string.h>

#include "smtpparse.h"

static int
parse(struct smtp_cmd *c, const char *line, int opts)
{
	return smtp_parse(c, line, strlen(line), opts);
}

ATF_TC_WITHOUT_HEAD(address);
ATF_TC_BODY(address, tc)
{
	static const struct {
		const char	*in;
		const char	*out;	/* NULL: none */
	} t[] = {
		{ "user@example.com", "user@example.com" },
		{ "User@EXAMPLE.Com", "User@example.com" },
		{ "a.b+c=d@x-y.z", "a.b+c=d@x-y.z" },
		{ "demo@localhost", "demo@localhost" },
		{ "!#$%&'*+-/=?^_`{|}~@x", "!#$%&'*+-/=?^_`{|}~@x" },
		{ "\"user\"@x", "user@x" },
		{ "\"a\\b\"@x", "ab@x" },
		{ "\"a b\"@x", "\"a b\"@x" },
		{ "\"a\\\"b\\\\\"@x", "\"a\\\"b\\\\\"@x" },
		{ "\"a@b\"@x", "\"a@b\"@x" },
		{ "\".a\"@x", "\".a\"@x" },
		{ "a..b@x", "\"a..b\"@x" },
		{ "a.@x", "\"a.\"@x" },
		{ "u@under_score.x", "u@under_score.x" },
		{ "u@[192.0.2.1]", "u@[192.0.2.1]" },
		{ "u@[IPv6:2001:DB8::1]", "u@[ipv6:2001:db8::1]" },
		{ "\xc3\xa9@x", "\xc3\xa9@x" },
		{ "u@\xc3\xa9.x", "u@\xc3\xa9.x" },
		{ "", NULL }, { "a", NULL }, { "@", NULL }, { "a@", NULL },
		{ "@x", NULL }, { "a@b@c", NULL }, { "a b@x", NULL },
		{ "a@x y", NULL }, { "a@.x", NULL }, { "a@x.", NULL },
		{ "a@x..y", NULL }, { "a@x/y", NULL }, { "a@[x]", NULL },
		{ "a@[1.2.3]", NULL }, { "a@[1.2.3.4", NULL },
		{ "a@[1.2.3.400]", NULL }, { "a@[IPv6:]", NULL },
		{ "a@[IPv6:1.2.3.4]", NULL }, { "a@[]", NULL },
		{ "\"\"@x", NULL }, { "\"a@x", NULL }, { "\"a\"b@x", NULL },
		{ "\"a\\", NULL }, { "\"", NULL }, { "a\"b@x", NULL },
		{ "a<b@x", NULL }, { "a@x>", NULL }, { "a\t@x", NULL },
		{ "\"a\tb\"@x", NULL }, { "a\x7f@x", NULL },
		{ "\xff@x", NULL }, { "a@\xff", NULL }, { "a,b@x", NULL },
		{ "(c)a@x", NULL }, { "a:b@x", NULL },
	};
	char	out[SMTP_PATH_MAX + 1];
	size_t	i;
	int	r;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		r = smtp_address(out, t[i].in, strlen(t[i].in), 1);
		ATF_CHECK_EQ_MSG(t[i].out == NULL ? -1 : 0, r, "%s", t[i].in);
		if (r == 0)
			ATF_CHECK_STREQ(t[i].out, out);
	}
	ATF_CHECK_EQ(-1, smtp_address(out, "\xc3\xa9@x", 4, 0));
	ATF_CHECK_EQ(-1, smtp_address(out, "a\0@x", 4, 0));
}

ATF_TC_WITHOUT_HEAD(bounds);
ATF_TC_BODY(bounds, tc)
{
	char	in[1200], out[SMTP_PATH_MAX + 1];
	size_t	i;

	memset(in, 'a', sizeof(in));
	in[SMTP_LOCAL_MAX] = '@';
	ATF_CHECK_EQ(0, smtp_address(out, in, SMTP_LOCAL_MAX + 2, 0));
	in[SMTP_LOCAL_MAX] = 'a';
	in[SMTP_LOCAL_MAX + 1] = '@';
	ATF_CHECK_EQ(-1, smtp_address(out, in, SMTP_LOCAL_MAX + 3, 0));
	/* quotes and escapes count in what comes out */
	in[0] = '"';
	for (i = 1; i < 400; i += 2)
		memcpy(in + i, "\\\"", 2);
	memcpy(in + 401, "\"@x", 3);
	ATF_CHECK_EQ(-1, smtp_address(out, in, 404, 0));
	memcpy(in + 201, "\"@x", 3);
	ATF_CHECK_EQ(0, smtp_address(out, in, 204, 0));
	ATF_CHECK_EQ(204, strlen(out));

	memset(in, 'a', sizeof(in));
	in[1] = '@';
	for (i = 2 + 63; i < 2 + SMTP_DOMAIN_MAX; i += 64)
		in[i] = '.';
	ATF_CHECK_EQ(0, smtp_address(out, in, 2 + SMTP_DOMAIN_MAX, 0));
	ATF_CHECK_EQ(-1, smtp_address(out, in, 3 + SMTP_DOMAIN_MAX, 0));
	in[2 + 63] = 'a';
	ATF_CHECK_EQ(-1, smtp_address(out, in, 2 + SMTP_DOMAIN_MAX, 0));
}

ATF_TC_WITHOUT_HEAD(mail);
ATF_TC_BODY(mail, tc)
{
	struct smtp_cmd c;

	ATF_REQUIRE_EQ(0, parse(&c, "MAIL FROM:<>", 0));
	ATF_CHECK_EQ(SMTP_MAIL, c.verb);
	ATF_CHECK_STREQ("", c.path);
	ATF_CHECK(!c.has_size && c.body == SMTP_BODY_NONE && !c.smtputf8);
	ATF_REQUIRE_EQ(0, parse(&c, "mail from:<a@B> size=123 "
	    "BODY=8bitmime SMTPUTF8", 0));
	ATF_CHECK_STREQ("a@b", c.path);
	ATF_CHECK(c.has_size && c.size == 123 && c.smtputf8);
	ATF_CHECK_EQ(SMTP_BODY_8BITMIME, c.body);
	ATF_REQUIRE_EQ(0, parse(&c, "MAIL FROM: <a@b>  BODY=7BIT ", 0));
	ATF_CHECK_EQ(SMTP_BODY_7BIT, c.body);
	ATF_REQUIRE_EQ(0, parse(&c, "MAIL FROM:<@r1,@r2.x:a@b>", 0));
	ATF_CHECK_STREQ("a@b", c.path);
	ATF_REQUIRE_EQ(0, parse(&c, "MAIL FROM:<\"a>b\"@c>", 0));
	ATF_CHECK_STREQ("\"a>b\"@c", c.path);
	ATF_REQUIRE_EQ(0, parse(&c, "MAIL FROM:<\"a\\\">b\"@c>", 0));
	ATF_CHECK_STREQ("\"a\\\">b\"@c", c.path);
	ATF_REQUIRE_EQ(0, parse(&c, "MAIL FROM:<a@b> "
	    "SIZE=99999999999999999999", 0));
	ATF_CHECK_EQ(UINT64_MAX, c.size);
	ATF_REQUIRE_EQ(0, parse(&c, "MAIL FROM:<\xc3\xa9@b> SMTPUTF8", 0));
	ATF_CHECK_STREQ("\xc3\xa9@b", c.path);
}

ATF_TC_WITHOUT_HEAD(rcpt);
ATF_TC_BODY(rcpt, tc)
{
	struct smtp_cmd c;

	ATF_REQUIRE_EQ(0, parse(&c, "RCPT TO:<Demo@LOCALHOST>", 0));
	ATF_CHECK_EQ(SMTP_RCPT, c.verb);
	ATF_CHECK_STREQ("Demo@localhost", c.path);
	ATF_REQUIRE_EQ(0, parse(&c, "rcpt to:<PostMaster>", 0));
	ATF_CHECK_STREQ("postmaster", c.path);
	ATF_REQUIRE_EQ(0, parse(&c, "RCPT TO:<\xc3\xa9@b>", SMTP_OPT_UTF8));
	ATF_CHECK_EQ(-1, parse(&c, "RCPT TO:<\xc3\xa9@b>", 0));
	ATF_CHECK_STREQ("553 5.6.7 Address needs SMTPUTF8", c.reply);
}

ATF_TC_WITHOUT_HEAD(others);
ATF_TC_BODY(others, tc)
{
	struct smtp_cmd c;

	ATF_REQUIRE_EQ(0, parse(&c, "LHLO mta.example", 0));
	ATF_CHECK_EQ(SMTP_LHLO, c.verb);
	ATF_CHECK_STREQ("mta.example", c.domain);
	ATF_REQUIRE_EQ(0, parse(&c, "lhlo [127.0.0.1] ", 0));
	ATF_CHECK_STREQ("[127.0.0.1]", c.domain);
	ATF_REQUIRE_EQ(0, parse(&c, "DATA", 0));
	ATF_CHECK_EQ(SMTP_DATA, c.verb);
	ATF_REQUIRE_EQ(0, parse(&c, "DATA ", 0));
	ATF_REQUIRE_EQ(0, parse(&c, "BDAT 0", 0));
	ATF_CHECK(c.verb == SMTP_BDAT && c.chunk == 0 && !c.last);
	ATF_REQUIRE_EQ(0, parse(&c, "bdat 86 last", 0));
	ATF_CHECK(c.chunk == 86 && c.last);
	ATF_REQUIRE_EQ(0, parse(&c, "BDAT 9223372036854775807 LAST", 0));
	ATF_REQUIRE_EQ(0, parse(&c, "rset", 0));
	ATF_CHECK_EQ(SMTP_RSET, c.verb);
	ATF_REQUIRE_EQ(0, parse(&c, "NOOP what ever", 0));
	ATF_CHECK_EQ(SMTP_NOOP, c.verb);
	ATF_REQUIRE_EQ(0, parse(&c, "VRFY a", 0));
	ATF_CHECK_EQ(SMTP_VRFY, c.verb);
	ATF_REQUIRE_EQ(0, parse(&c, "HELP", 0));
	ATF_CHECK_EQ(SMTP_HELP, c.verb);
	ATF_REQUIRE_EQ(0, parse(&c, "QUIT", 0));
	ATF_CHECK_EQ(SMTP_QUIT, c.verb);
	ATF_REQUIRE_EQ(0, parse(&c, "StartTLS", 0));
	ATF_CHECK_EQ(SMTP_STARTTLS, c.verb);
}

ATF_TC_WITHOUT_HEAD(bad);
ATF_TC_BODY(bad, tc)
{
	static const struct {
		const char	*line;
		const char	*code;
	} t[] = {
		{ "", "500 5.5.1" }, { " ", "500 5.5.1" },
		{ "FOO", "500 5.5.1" }, { "MAILX", "500 5.5.1" },
		{ " QUIT", "500 5.5.1" }, { "EHLO x", "500 5.5.1" },
		{ "HELO x", "500 5.5.1" },
		{ "LHLO", "501 5.5.4" }, { "LHLO a b", "501 5.5.4" },
		{ "LHLO \xc3\xa9", "501 5.5.4" },
		{ "MAIL", "501 5.5.4" }, { "MAIL FROM", "501 5.5.4" },
		{ "MAIL TO:<a@b>", "501 5.5.4" },
		{ "MAIL FROM:", "501 5.1.7" },
		{ "MAIL FROM:a@b", "501 5.1.7" },
		{ "MAIL FROM:<a@b", "501 5.1.7" },
		{ "MAIL FROM:<a>", "501 5.1.7" },
		{ "MAIL FROM:< >", "501 5.1.7" },
		{ "MAIL FROM:<<a@b>>", "501 5.1.7" },
		{ "MAIL FROM:<@r:>", "501 5.1.7" },
		{ "MAIL FROM:<@r,:a@b>", "501 5.1.7" },
		{ "MAIL FROM:<@r,r2:a@b>", "501 5.1.7" },
		{ "MAIL FROM:<@:a@b>", "501 5.1.7" },
		{ "MAIL FROM:<@r a@b>", "501 5.1.7" },
		{ "MAIL FROM:<a@b>SIZE=1", "501 5.5.4" },
		{ "MAIL FROM:<a@b>>", "501 5.5.4" },
		{ "MAIL FROM:<a@b> SIZE", "501 5.5.4" },
		{ "MAIL FROM:<a@b> SIZE=", "501 5.5.4" },
		{ "MAIL FROM:<a@b> SIZE=x", "501 5.5.4" },
		{ "MAIL FROM:<a@b> SIZE=-1", "501 5.5.4" },
		{ "MAIL FROM:<a@b> SIZE=1 SIZE=1", "501 5.5.4" },
		{ "MAIL FROM:<a@b> SIZE=999999999999999999999", "501 5.5.4" },
		{ "MAIL FROM:<a@b> BODY", "501 5.5.4" },
		{ "MAIL FROM:<a@b> BODY=7BIT BODY=7BIT", "501 5.5.4" },
		{ "MAIL FROM:<a@b> BODY=BINARYMIME", "555 5.5.4" },
		{ "MAIL FROM:<a@b> RET=FULL", "555 5.5.4" },
		{ "MAIL FROM:<a@b> =", "555 5.5.4" },
		{ "MAIL FROM:<a@b> SMTPUTF8=1", "501 5.5.4" },
		{ "MAIL FROM:<\xc3\xa9@b>", "550 5.6.7" },
		{ "RCPT TO:<>", "501 5.1.3" },
		{ "RCPT TO:<a>", "501 5.1.3" },
		{ "RCPT TO:<a@b> NOTIFY=NEVER", "555 5.5.4" },
		{ "RCPT TO:<a@b> SIZE=1", "555 5.5.4" },
		{ "RCPT FROM:<a@b>", "501 5.5.4" },
		{ "DATA x", "501 5.5.4" }, { "RSET x", "501 5.5.4" },
		{ "BDAT", "501 5.5.4" }, { "BDAT x", "501 5.5.4" },
		{ "BDAT -1", "501 5.5.4" }, { "BDAT 1 FIRST", "501 5.5.4" },
		{ "BDAT 1 LAST x", "501 5.5.4" },
		{ "BDAT 9223372036854775808", "501 5.5.4" },
		{ "NOOP \x01", "500 5.5.2" }, { "NOOP a\rb", "500 5.5.2" },
		{ "NOOP \xff", "500 5.5.2" },
	};
	struct smtp_cmd c;
	char	big[SMTP_LINE_MAX];
	size_t	i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		ATF_CHECK_EQ_MSG(-1, parse(&c, t[i].line, SMTP_OPT_UTF8),
		    "%s", t[i].line);
		ATF_REQUIRE(c.reply != NULL);
		ATF_CHECK_MSG(strncmp(t[i].code, c.reply, 9) == 0, "%s: %s",
		    t[i].line, c.reply);
	}
	ATF_CHECK_EQ(-1, smtp_parse(&c, "NOOP \0", 6, 0));
	memset(big, 'x', sizeof(big));
	memcpy(big, "NOOP ", 5);
	ATF_CHECK_EQ(0, smtp_parse(&c, big, SMTP_LINE_MAX - 2, 0));
	ATF_CHECK_EQ(-1, smtp_parse(&c, big, SMTP_LINE_MAX - 1, 0));
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, address);
	ATF_TP_ADD_TC(tp, bounds);
	ATF_TP_ADD_TC(tp, mail);
	ATF_TP_ADD_TC(tp, rcpt);
	ATF_TP_ADD_TC(tp, others);
	ATF_TP_ADD_TC(tp, bad);
	return atf_no_error();
}
