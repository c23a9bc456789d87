#include <atf-c.h>
#include <stdlib.h>
#include <string.h>

#include "output.h"

static struct ibuf	 b;
static struct output	 o;
static char		 got[65536];

/* Empties the buffer as mfrontctl does between rows. */
static void
drain(void)
{
	size_t len = strlen(got);

	ATF_REQUIRE(len + ibuf_size(&b) < sizeof(got));
	if (ibuf_size(&b) > 0)
		memcpy(got + len, ibuf_data(&b), ibuf_size(&b));
	ibuf_drain(&b, ibuf_size(&b));
}

static void
begin(int json, enum msg_type type)
{
	memset(got, 0, sizeof(got));
	ibuf_init(&b, sizeof(got));
	output_begin(&o, &b, json, type);
}

static void
row(const void *m)
{
	output_row(&o, m);
	drain();
}

static void
end(const char *expected)
{
	output_end(&o);
	drain();
	ATF_CHECK_STREQ(expected, got);
	ibuf_fini(&b);
}

static const struct m_ctl_session ann = { "b-1-2", "imap", "ann", "::1",
    "idle", "INBOX", 1, 59, 60, 0, 1 };
/* an escape sequence, DEL, a C1 control (U+009B), a stray byte */
static const struct m_ctl_session evil = { "b-1-3", "pop3",
    "\033]0;x\007\x7f\xc2\x9b\xffz\\\"", "", "", "", 0, 90061, 3600,
    UINT64_MAX, 0 };

ATF_TC_WITHOUT_HEAD(sessions);
ATF_TC_BODY(sessions, tc)
{
	begin(0, M_ctl_session);
	row(&ann);
	row(&evil);
	end("SESSION              SERVICE USER                 "
	    "REMOTE          TLS STATE         MAILBOX             AGE   IDLE"
	    "        IN       OUT\n"
	    "b-1-2                imap    ann                  "
	    "::1             yes idle          INBOX               59s  1m00s"
	    "         0         1\n"
	    "b-1-3                pop3    "
	    "\\033]0;x\\007\\177\\302\\233\\377z\\\" "
	    "-               no  -             -                 1d01h  1h00m"
	    " 18446744073709551615         0\n");
	begin(0, M_ctl_session);
	end("");
	begin(1, M_ctl_session);
	end("[]\n");
	begin(1, M_ctl_session);
	row(&ann);
	row(&evil);
	end("[\n{\"session\":\"b-1-2\",\"service\":\"imap\",\"user\":\"ann\","
	    "\"remote\":\"::1\",\"tls\":true,\"state\":\"idle\","
	    "\"mailbox\":\"INBOX\",\"age\":59,\"idle\":60,\"in\":0,"
	    "\"out\":1},\n"
	    "{\"session\":\"b-1-3\",\"service\":\"pop3\","
	    "\"user\":\"\\\\033]0;x\\\\007\\\\177\\\\302\\\\233\\\\377z\\\\"
	    "\\\"\",\"remote\":\"\",\"tls\":false,\"state\":\"\","
	    "\"mailbox\":\"\",\"age\":90061,\"idle\":3600,"
	    "\"in\":18446744073709551615,\"out\":0}\n]\n");
}

/* Columns are counted in characters, not bytes. */
ATF_TC_WITHOUT_HEAD(aligned);
ATF_TC_BODY(aligned, tc)
{
	struct m_ctl_session	m = ann;
	char			*first, *second;

	m.user = "\xc3\xa4\xe2\x82\xac";
	begin(0, M_ctl_session);
	row(&ann);
	first = strstr(got, "::1");
	row(&m);
	second = strstr(first + 3, "::1");
	/* as far from its line's beginning, and 5 - 2 bytes more */
	ATF_CHECK_EQ(first - (strchr(got, '\n') + 1) + 3,
	    second - (strchr(first, '\n') + 1));
	ibuf_fini(&b);
}

ATF_TC_WITHOUT_HEAD(stats);
ATF_TC_BODY(stats, tc)
{
	static const struct m_ctl_stat rows[] = {
		{ "control/0", "clients", 1 },
		{ "imap/0", "sessions", UINT64_MAX },
		{ "imap/0", "logins", 0 },
		{ "imap/\xff", "x", 3 },
	};
	size_t i;

	begin(1, M_ctl_stat);
	for (i = 0; i < 4; i++)
		row(&rows[i]);
	end("{\n\"control/0\":{\n\"clients\":1},\n\"imap/0\":{\n"
	    "\"sessions\":18446744073709551615,\n\"logins\":0},\n"
	    "\"imap/\\\\377\":{\n\"x\":3}\n}\n");
	begin(1, M_ctl_stat);
	end("{}\n");
	begin(0, M_ctl_stat);
	row(&rows[0]);
	row(&rows[1]);
	end("PROCESS      NAME                                            "
	    "VALUE\n"
	    "control/0    clients                                         "
	    "    1\n"
	    "imap/0       sessions                         "
	    "18446744073709551615\n");
}

ATF_TC_WITHOUT_HEAD(storages);
ATF_TC_BODY(storages, tc)
{
	static const struct m_ctl_storage m = { "engine/0", "main",
	    "unix:/s:/v1", "mstored 1", "up", "half-open", 2, 1, 61,
	    UINT32_MAX, "refused", "on", "write modseq", 3, 1, 7, 0 };

	begin(0, M_ctl_storage);
	row(&m);
	row(&m);
	end("storage       main\nprocess       engine/0\n"
	    "url           unix:/s:/v1\nserver        mstored 1\n"
	    "state         up\nbreaker       half-open\n"
	    "failures      2\nopened        1\nprobed        1m01s\n"
	    "probe         -\nerror         refused\nevents        on\n"
	    "capabilities  write modseq\nconnections   3\n"
	    "busy          1\nrequests      7\nerrors        0\n"
	    "\n"
	    "storage       main\nprocess       engine/0\n"
	    "url           unix:/s:/v1\nserver        mstored 1\n"
	    "state         up\nbreaker       half-open\n"
	    "failures      2\nopened        1\nprobed        1m01s\n"
	    "probe         -\nerror         refused\nevents        on\n"
	    "capabilities  write modseq\nconnections   3\n"
	    "busy          1\nrequests      7\nerrors        0\n");
	begin(1, M_ctl_storage);
	row(&m);
	end("[\n{\"storage\":\"main\",\"process\":\"engine/0\","
	    "\"url\":\"unix:/s:/v1\",\"server\":\"mstored 1\","
	    "\"state\":\"up\",\"breaker\":\"half-open\","
	    "\"failures\":2,\"opened\":1,\"probed\":61,"
	    "\"probe\":null,\"error\":\"refused\",\"events\":\"on\","
	    "\"capabilities\":\"write modseq\",\"connections\":3,"
	    "\"busy\":1,\"requests\":7,\"errors\":0}\n]\n");
}

ATF_TC_WITHOUT_HEAD(results);
ATF_TC_BODY(results, tc)
{
	begin(0, M_none);
	output_result(&o, 1, "2 sessions\033");
	end("2 sessions\\033\n");
	begin(0, M_none);
	output_result(&o, 1, "a\nb\033\n");
	end("a\nb\\033\n");
	begin(0, M_none);
	output_lines(&b, "mfrontctl: ", "a\n\nb");
	end("mfrontctl: a\nmfrontctl: \nmfrontctl: b\n");
	begin(0, M_none);
	output_result(&o, 1, "");
	end("");
	begin(0, M_none);
	output_result(&o, 0, "the reason goes to stderr");
	end("");
	begin(1, M_none);
	output_result(&o, 0, "a\nb\xff");
	end("{\"ok\":false,\"text\":\"a\\\\012b\\\\377\"}\n");
	begin(1, M_none);
	output_result(&o, 1, "a\nb");
	end("{\"ok\":true,\"text\":\"a\\nb\"}\n");
	begin(0, M_none);
	output_hash(&o, "$2b$10$x");
	end("$2b$10$x\n");
	begin(1, M_none);
	output_hash(&o, "$2b$10$x");
	end("{\"hash\":\"$2b$10$x\"}\n");
}

/* The longest that the message table lets through. */
ATF_TC_WITHOUT_HEAD(longest);
ATF_TC_BODY(longest, tc)
{
	static char		text[4096];
	struct m_ctl_session	m = ann;

	memset(text, 0xff, 1000);
	m.mailbox = text;
	begin(0, M_ctl_session);
	row(&m);
	ATF_CHECK(strstr(got, "\\377\\377\\377") != NULL);
	ATF_CHECK(strlen(got) > 4000);
	ibuf_fini(&b);
	memset(text, 0xff, 4095);
	begin(1, M_none);
	output_result(&o, 1, text);
	drain();
	ATF_CHECK_EQ('\n', got[strlen(got) - 1]);
	ibuf_fini(&b);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, sessions);
	ATF_TP_ADD_TC(tp, aligned);
	ATF_TP_ADD_TC(tp, stats);
	ATF_TP_ADD_TC(tp, storages);
	ATF_TP_ADD_TC(tp, results);
	ATF_TP_ADD_TC(tp, longest);
	return atf_no_error();
}
