#include <atf-c.h>
#include <stdlib.h>
#include <string.h>

#include "pop3parse.h"

static int
parse(struct pop3_cmd *c, const char *line, int opts)
{
	return pop3_parse(c, line, strlen(line), opts);
}

static int
arg_is(const struct pop3_cmd *c, const char *text)
{
	return strlen(text) == c->arglen && (c->arglen == 0 ||
	    memcmp(c->arg, text, c->arglen) == 0);
}

ATF_TC_WITHOUT_HEAD(good);
ATF_TC_BODY(good, tc)
{
	static const struct {
		const char	*line;
		enum pop3_verb	 verb;
		uint32_t	 msg, lines;
		const char	*arg;
	} t[] = {
		{ "STAT", POP3_STAT, 0, 0, "" },
		{ "stat", POP3_STAT, 0, 0, "" },
		{ "STAT ", POP3_STAT, 0, 0, "" },
		{ "LIST", POP3_LIST, 0, 0, "" },
		{ "LIST 2", POP3_LIST, 2, 0, "" },
		{ "LIST 4294967295", POP3_LIST, 4294967295U, 0, "" },
		{ "RETR 1 ", POP3_RETR, 1, 0, "" },
		{ "DELE 007", POP3_DELE, 7, 0, "" },
		{ "NOOP", POP3_NOOP, 0, 0, "" },
		{ "RSET", POP3_RSET, 0, 0, "" },
		{ "QUIT", POP3_QUIT, 0, 0, "" },
		{ "TOP 1 10", POP3_TOP, 1, 10, "" },
		{ "TOP 3 0", POP3_TOP, 3, 0, "" },
		{ "UIDL", POP3_UIDL, 0, 0, "" },
		{ "UIDL 2", POP3_UIDL, 2, 0, "" },
		{ "CAPA", POP3_CAPA, 0, 0, "" },
		{ "STLS", POP3_STLS, 0, 0, "" },
		{ "USER mrose", POP3_USER, 0, 0, "mrose" },
		{ "USER two words", POP3_USER, 0, 0, "two words" },
		{ "PASS secret", POP3_PASS, 0, 0, "secret" },
		{ "pass  two  words ", POP3_PASS, 0, 0, " two  words " },
		{ "PASS \xc3\xa9", POP3_PASS, 0, 0, "\xc3\xa9" },
		{ "AUTH", POP3_AUTH, 0, 0, "" },
		{ "AUTH PLAIN", POP3_AUTH, 0, 0, "PLAIN" },
	};
	struct pop3_cmd c;
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		ATF_REQUIRE_EQ_MSG(0, parse(&c, t[i].line, 0), "%s: %s",
		    t[i].line, c.reply);
		ATF_CHECK_EQ_MSG(t[i].verb, c.verb, "%s", t[i].line);
		ATF_CHECK_EQ_MSG(t[i].msg, c.msg, "%s", t[i].line);
		ATF_CHECK_EQ_MSG(t[i].lines, c.lines, "%s", t[i].line);
		ATF_CHECK_MSG(arg_is(&c, t[i].arg), "%s", t[i].line);
		ATF_CHECK(c.initial == NULL);
	}
}

ATF_TC_WITHOUT_HEAD(auth);
ATF_TC_BODY(auth, tc)
{
	struct pop3_cmd c;
	char	big[POP3_AUTH_MAX];

	/* RFC 5034, 6 */
	ATF_REQUIRE_EQ(0, parse(&c, "AUTH PLAIN dGVzdAB0ZXN0AHRlc3Q=", 0));
	ATF_CHECK(arg_is(&c, "PLAIN"));
	ATF_CHECK_EQ(20, c.initiallen);
	ATF_CHECK(memcmp(c.initial, "dGVzdAB0ZXN0AHRlc3Q=", 20) == 0);
	ATF_REQUIRE_EQ(0, parse(&c, "AUTH EXTERNAL =", 0));
	ATF_CHECK(c.initial != NULL && c.initiallen == 0);
	memset(big, 'A', sizeof(big));
	memcpy(big, "AUTH PLAIN ", 11);
	ATF_CHECK_EQ(0, pop3_parse(&c, big, POP3_AUTH_MAX - 2, 0));
	ATF_CHECK_EQ(-1, pop3_parse(&c, big, POP3_AUTH_MAX - 1, 0));
	memcpy(big, "PASS ", 5);
	ATF_CHECK_EQ(0, pop3_parse(&c, big, POP3_LINE_MAX - 2, 0));
	ATF_CHECK_EQ(-1, pop3_parse(&c, big, POP3_LINE_MAX - 1, 0));
	ATF_CHECK_EQ(POP3_PASS, c.verb);
	ATF_CHECK_STREQ("-ERR Line too long", c.reply);
}

ATF_TC_WITHOUT_HEAD(utf8);
ATF_TC_BODY(utf8, tc)
{
	struct pop3_cmd c;

	ATF_CHECK_EQ(-1, parse(&c, "UTF8", 0));
	ATF_CHECK_EQ(-1, parse(&c, "LANG", 0));
	ATF_CHECK_EQ(-1, parse(&c, "USER \xc3\xa9", 0));
	ATF_CHECK_EQ(0, parse(&c, "UTF8", POP3_OPT_UTF8));
	ATF_CHECK_EQ(POP3_UTF8, c.verb);
	ATF_CHECK_EQ(0, parse(&c, "LANG", POP3_OPT_UTF8));
	ATF_CHECK_EQ(0, c.arglen);
	ATF_CHECK_EQ(0, parse(&c, "LANG *", POP3_OPT_UTF8));
	ATF_CHECK(arg_is(&c, "*"));
	ATF_CHECK_EQ(0, parse(&c, "USER \xc3\xa9", POP3_OPT_UTF8));
	ATF_CHECK_EQ(-1, parse(&c, "USER \xc3", POP3_OPT_UTF8));
	ATF_CHECK_EQ(-1, parse(&c, "RETR \xc3\xa9", POP3_OPT_UTF8));
}

ATF_TC_WITHOUT_HEAD(bad);
ATF_TC_BODY(bad, tc)
{
	static const char *bad[] = { "", " ", "FOO", "STATX", " STAT",
	    "STAT 1", "NOOP x", "LIST x", "LIST 0", "LIST  1", "LIST 1 2",
	    "LIST -1", "LIST 4294967296", "RETR", "RETR ", "RETR 0",
	    "RETR 1x", "RETR +1", "DELE", "TOP", "TOP 1", "TOP 1 ",
	    "TOP 1 -1", "TOP 1 x", "TOP 1 1 1", "TOP 0 1", "USER", "USER ",
	    "PASS", "PASS ", "PASS \xff", "APOP a 1234", "AUTH ",
	    "AUTH PLAIN ", "AUTH PLAIN a b", "QUIT\r", "STAT\t", "NOOP\n",
	    "USER \x7f", "UIDL a", "\xc3\xa9", NULL };
	struct pop3_cmd c;
	int i;

	for (i = 0; bad[i] != NULL; i++) {
		ATF_CHECK_EQ_MSG(-1, parse(&c, bad[i], 0), "%s", bad[i]);
		ATF_REQUIRE(c.reply != NULL);
		ATF_CHECK(strncmp(c.reply, "-ERR ", 5) == 0);
	}
	ATF_CHECK_EQ(-1, pop3_parse(&c, "USER a\0b", 8, 0));
	ATF_CHECK_EQ(-1, parse(&c, "APOP a b", 0));
	ATF_CHECK_EQ(POP3_APOP, c.verb);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, good);
	ATF_TP_ADD_TC(tp, auth);
	ATF_TP_ADD_TC(tp, utf8);
	ATF_TP_ADD_TC(tp, bad);
	return atf_no_error();
}
