#include <atf-c.h>
#include <string.h>

#include "parser.h"

static struct ctl_command	 cmd;
static struct ibuf		 errors;
static char			 text[4096];

/* Parses words with blanks between them; "_" stands for an empty one. */
static int
parse(const char *words)
{
	static char	 copy[256];
	char		*argv[16], *p = copy, *w;
	int		 argc = 0, r;

	ATF_REQUIRE(strlcpy(copy, words, sizeof(copy)) < sizeof(copy));
	while ((w = strsep(&p, " ")) != NULL && *words != '\0')
		argv[argc++] = strcmp(w, "_") == 0 ? w + 1 : w;
	ibuf_init(&errors, sizeof(text));
	r = ctl_parse(&cmd, argc, argv, &errors);
	memset(text, 0, sizeof(text));
	if (ibuf_size(&errors) > 0)
		memcpy(text, ibuf_data(&errors), ibuf_size(&errors));
	ibuf_fini(&errors);
	/* an error says why, and nothing else says anything */
	ATF_CHECK_EQ_MSG(r == -1, text[0] != '\0', "%s: %s", words, text);
	return r;
}

ATF_TC_WITHOUT_HEAD(good);
ATF_TC_BODY(good, tc)
{
	static const struct {
		const char	*words;
		enum ctl_action	 action;
		const char	*arg;
	} tests[] = {
		{ "show sessions", CTL_SHOW_SESSIONS, NULL },
		{ "sh se", CTL_SHOW_SESSIONS, NULL },
		{ "show stats", CTL_SHOW_STATS, NULL },
		{ "sh stat", CTL_SHOW_STATS, NULL },
		{ "show storage", CTL_SHOW_STORAGE, NULL },
		{ "sh sto", CTL_SHOW_STORAGE, NULL },
		{ "kick session a-1-2", CTL_KICK_SESSION, "a-1-2" },
		{ "kick a-1-2", CTL_KICK_SESSION, "a-1-2" },
		{ "k u demo", CTL_KICK_USER, "demo" },
		{ "kick user session", CTL_KICK_USER, "session" },
		{ "reload", CTL_RELOAD, NULL },
		{ "r", CTL_RELOAD, NULL },
		{ "log brief", CTL_LOG_BRIEF, NULL },
		{ "log v", CTL_LOG_VERBOSE, NULL },
		{ "stop", CTL_STOP, NULL },
		{ "st", CTL_STOP, NULL },
		{ "encrypt", CTL_ENCRYPT, NULL },
		{ "encrypt -c 12", CTL_ENCRYPT, NULL },
		{ "check", CTL_CHECK, NULL },
		{ "check -l 2 http://127.0.0.1/v1", CTL_CHECK, NULL },
	};
	size_t i;

	for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		ATF_CHECK_EQ_MSG(0, parse(tests[i].words), "%s: %s",
		    tests[i].words, text);
		ATF_CHECK_EQ_MSG(tests[i].action, cmd.action, "%s",
		    tests[i].words);
		if (tests[i].arg != NULL)
			ATF_CHECK_STREQ(tests[i].arg, cmd.arg);
		else
			ATF_CHECK(cmd.arg == NULL);
	}
}

ATF_TC_WITHOUT_HEAD(cost);
ATF_TC_BODY(cost, tc)
{
	static const char *const bad[] = { "3", "32", "-1", "x", "_", "12x",
	    "99999999999999999999", "4K" };
	char	words[64];
	size_t	i;

	ATF_CHECK_EQ(0, parse("encrypt"));
	ATF_CHECK_EQ(CTL_COST, cmd.cost);
	ATF_CHECK_EQ(0, parse("encrypt -c 4"));
	ATF_CHECK_EQ(4, cmd.cost);
	ATF_CHECK_EQ(0, parse("en -c 31"));
	ATF_CHECK_EQ(31, cmd.cost);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		strlcpy(words, "encrypt -c ", sizeof(words));
		strlcat(words, bad[i], sizeof(words));
		ATF_CHECK_EQ_MSG(-1, parse(words), "%s", words);
	}
	ATF_CHECK_EQ(-1, parse("encrypt -c"));
	ATF_CHECK_EQ(-1, parse("encrypt secret"));
}

ATF_TC_WITHOUT_HEAD(bad);
ATF_TC_BODY(bad, tc)
{
	static const struct {
		const char	*words, *error;
	} tests[] = {
		{ "", "something is missing\nvalid here:\n  check\n  encrypt\n" },
		{ "show", "something is missing\nvalid here:\n  sessions\n"
		    "  stats\n  storage\n" },
		{ "kick user", "something is missing\nvalid here:\n"
		    "  <user>\n" },
		{ "kick", "valid here:\n  session\n  user\n  <session>\n" },
		{ "s", "ambiguous: \"s\"\n" },
		{ "show st", "ambiguous: \"st\"\n" },
		{ "show sessionss", "unknown: \"sessionss\"\n" },
		{ "_", "unknown: \"\"\n" },
		{ "kick user _", "unknown: \"\"\n" },
		{ "kick _", "unknown: \"\"\n" },
		{ "stop it", "nothing may follow \"stop\"\n" },
		{ "kick user a b", "nothing may follow \"a\"\n" },
	};
	size_t i;

	for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		ATF_CHECK_EQ_MSG(-1, parse(tests[i].words), "%s",
		    tests[i].words);
		ATF_CHECK_MSG(strstr(text, tests[i].error) != NULL, "%s: %s",
		    tests[i].words, text);
	}
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, good);
	ATF_TP_ADD_TC(tp, cost);
	ATF_TP_ADD_TC(tp, bad);
	return atf_no_error();
}
