/* The control process and mfrontctl with each other, and with strangers. */
#include <sys/types.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <atf-c.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fake.h"
#include "json.h"

/* There only with AddressSanitizer, of either compiler. */
extern void __asan_init(void) __attribute__((__weak__));

static struct fake	 f;
static char		 out[32 * 1024 * 1024], err[65536];

/* mfrontctl, run while the fake serves; its exit status. */

struct running {
	pid_t	pid;
	int	status;
};

static int
has_ended(void *arg)
{
	struct running *r = arg;

	return waitpid(r->pid, &r->status, WNOHANG) == r->pid;
}

static void
slurp(const char *path, char *buf, size_t size)
{
	ssize_t	n;
	size_t	len = 0;
	int	fd;

	ATF_REQUIRE((fd = open(path, O_RDONLY)) != -1);
	while ((n = read(fd, buf + len, size - 1 - len)) > 0)
		len += (size_t)n;
	buf[len] = '\0';
	close(fd);
}

static void
ctl_exec(const atf_tc_t *tc, const char *words)
{
	static char	 path[1024], copy[1024];
	char		*argv[16], *p = copy;
	int		 n = 0, fd;

	snprintf(path, sizeof(path), "%s/../../mfrontctl/mfrontctl",
	    atf_tc_get_config_var(tc, "srcdir"));
	strlcpy(copy, words, sizeof(copy));
	argv[n++] = path;
	argv[n++] = strdup("-s");
	argv[n++] = strdup(FAKE_PATH);
	while (n < 15 && (argv[n] = strsep(&p, " ")) != NULL)
		n++;
	argv[n] = NULL;
	if ((fd = open("out", O_WRONLY | O_CREAT | O_TRUNC, 0600)) == -1 ||
	    dup2(fd, STDOUT_FILENO) == -1 ||
	    (fd = open("err", O_WRONLY | O_CREAT | O_TRUNC, 0600)) == -1 ||
	    dup2(fd, STDERR_FILENO) == -1)
		_exit(97);
	execv(path, argv);
	_exit(98);
}

static int
ctl(const atf_tc_t *tc, const char *words)
{
	struct running r = { -1, -1 };

	ATF_REQUIRE((r.pid = fork()) != -1);
	if (r.pid == 0)
		ctl_exec(tc, words);
	fake_serve(&f, 30000, has_ended, &r);
	ATF_REQUIRE_MSG(r.status != -1 && WIFEXITED(r.status),
	    "mfrontctl %s: status %x", words, r.status);
	slurp("out", out, sizeof(out));
	slurp("err", err, sizeof(err));
	return WEXITSTATUS(r.status);
}

#define CHECK_CTL(code, words)						\
	ATF_CHECK_EQ_MSG(code, ctl(tc, words), "%s: %s%s", words, out, err)
#define CHECK_IN(text, in)						\
	ATF_CHECK_MSG(strstr(in, text) != NULL, "no \"%s\" in: %s", text, in)

static void
start_all(void)
{
	fake_start(&f);
	fake_add(&f, ROLE_IMAP, 1, 12)->sessions = 3;
	fake_add(&f, ROLE_AUTH, 0, 5);
	fake_add(&f, ROLE_ENGINE, 0, 6);
	fake_add(&f, ROLE_IMAP, 0, 10)->sessions = 2;
	fake_add(&f, ROLE_POP3, 0, 11);
}

static int
lines(const char *s)
{
	int n = 0;

	for (; *s != '\0'; s++)
		n += *s == '\n';
	return n;
}

/* JSON as a whole; the token of the value, and its text, are left behind. */
static jsmntok_t	tok[4096];
static struct json	j;

static void
check_json(void)
{
	char *end = out + strlen(out);

	ATF_REQUIRE_MSG(end > out && end[-1] == '\n', "%s", out);
	ATF_REQUIRE_EQ_MSG(0, json_parse(&j, out, strlen(out), tok, 4096),
	    "%s", out);
}

ATF_TC_WITHOUT_HEAD(show);
ATF_TC_BODY(show, tc)
{
	const char	*s;
	size_t		 len;
	uint64_t	 n;
	int		 v, row;

	start_all();
	CHECK_CTL(0, "show sessions");
	ATF_CHECK_EQ(1 + 5, lines(out));
	CHECK_IN("SESSION", out);
	CHECK_IN("evil\\033[2J\\377", out);
	CHECK_IN("INBOX/\xc3\xbc\"", out);
	CHECK_IN("18446744073709551615", out);
	CHECK_IN("1h01m", out);
	/* imap/0 comes before imap/1 */
	ATF_CHECK(strstr(out, FAKE_BOOT "-a-2") <
	    strstr(out, FAKE_BOOT "-c-1"));
	ATF_CHECK_STREQ("", err);
	CHECK_CTL(0, "-j sh sess");
	check_json();
	ATF_CHECK_EQ(5, json_count(&j, 0));
	row = json_next(&j, json_first(&j, 0));
	ATF_CHECK_EQ(1, json_str(&j, json_member(&j, row, "user"), &s, &len));
	ATF_CHECK_STREQ("evil\\033[2J\\377", s);
	ATF_CHECK_EQ(1, json_bool(&j, json_member(&j, row, "tls"), &v));
	ATF_CHECK_EQ(0, v);
	ATF_CHECK_EQ(1, json_u64(&j, json_member(&j, row, "in"), UINT64_MAX,
	    &n));
	ATF_CHECK_EQ(UINT64_MAX, n);
	CHECK_CTL(0, "show stats");
	CHECK_IN("control/0", out);
	CHECK_IN("imap/1", out);
	CHECK_CTL(0, "-j show stats");
	check_json();
	ATF_CHECK_EQ(6, json_count(&j, 0));
	ATF_CHECK_EQ(1, json_u64(&j, json_member(&j, json_member(&j, 0,
	    "imap/1"), "sessions"), 100, &n));
	ATF_CHECK_EQ(3, n);
	CHECK_CTL(0, "show storage");
	CHECK_IN("url           unix:/run/store.sock:/v1\n", out);
	CHECK_CTL(0, "-j show storage");
	check_json();
	ATF_CHECK_EQ(1, json_count(&j, 0));
	fake_stop(&f);
}

ATF_TC_WITHOUT_HEAD(actions);
ATF_TC_BODY(actions, tc)
{
	start_all();
	CHECK_CTL(0, "kick " FAKE_BOOT "-c-3");
	ATF_CHECK_EQ(3, f.peers[0].kicked);
	CHECK_CTL(0, "kick session " FAKE_BOOT "-a-1");
	ATF_CHECK_EQ(1, f.peers[3].kicked);
	CHECK_CTL(1, "kick session " FAKE_BOOT "-c-4");
	CHECK_IN("no such session", err);
	CHECK_CTL(1, "kick session " FAKE_BOOT "-d-1");
	CHECK_CTL(1, "kick session " FAKE_BOOT "-5-1");
	CHECK_CTL(1, "kick session " FAKE_BOOT "-a-0");
	CHECK_CTL(1, "kick session " FAKE_BOOT "-a-1x");
	CHECK_CTL(1, "kick session " FAKE_BOOT "-a-fffffffff");
	CHECK_CTL(1, "kick session x" FAKE_BOOT "-a-1");
	CHECK_CTL(1, "kick session " FAKE_BOOT);
	ATF_CHECK_EQ(1, f.peers[3].kicked);
	CHECK_CTL(0, "kick user demo");
	ATF_CHECK_STREQ("2 sessions\n", out);
	CHECK_CTL(1, "kick user nobody");
	CHECK_CTL(1, "reload");
	ATF_CHECK_STREQ("mfrontctl: x.conf:3: no such thing\n"
	    "mfrontctl: x.conf:4: nor this\n", err);
	ATF_CHECK_STREQ("", out);
	CHECK_CTL(1, "-j reload");
	ATF_CHECK_STREQ("{\"ok\":false,\"text\":\"x.conf:3: no such thing\\n"
	    "x.conf:4: nor this\"}\n", out);
	CHECK_CTL(0, "log verbose");
	ATF_CHECK_EQ(1, f.verbose);
	CHECK_CTL(0, "log b");
	ATF_CHECK_EQ(0, f.verbose);
	CHECK_CTL(2, "kick");
	CHECK_CTL(2, "no such command");
	CHECK_CTL(2, "reload now");
	CHECK_CTL(0, "stop");
	ATF_CHECK_STREQ("stopping\n", out);
	fake_serve(&f, 5000, NULL, NULL);
	ATF_CHECK(f.gone);
	CHECK_CTL(1, "stop");
	CHECK_IN(FAKE_PATH, err);
	fake_stop(&f);
}

/* The most memory that control has used, in KiB; 0 where that is not told. */
static long
memory_peak(void)
{
	char	 path[64], line[256];
	FILE	*fp;
	long	 kib = 0;

	snprintf(path, sizeof(path), "/proc/%ld/status", (long)f.pid);
	if ((fp = fopen(path, "r")) == NULL)
		return 0;
	while (fgets(line, sizeof(line), fp) != NULL)
		if (strncmp(line, "VmHWM:", 6) == 0)
			kib = strtol(line + 6, NULL, 10);
	fclose(fp);
	return kib;
}

/* Very many come in pages, and control holds no more than one of them. */
ATF_TC_WITHOUT_HEAD(many);
ATF_TC_BODY(many, tc)
{
	struct fake_peer	*p;
	long			 before;

	start_all();
	p = &f.peers[0];
	CHECK_CTL(0, "show sessions");
	p->pages = 0;
	before = memory_peak();
	p->sessions = 100000;
	CHECK_CTL(0, "show sessions");
	ATF_CHECK_EQ(1 + 100002, lines(out));
	ATF_CHECK_EQ(501, p->pages);
	/* a sanitizer keeps what was freed */
	if (__asan_init == NULL)
		ATF_CHECK_MSG(memory_peak() - before < 2048,
		    "%ld KiB, then %ld", before, memory_peak());
	fake_stop(&f);
}

static int
has_pages(void *arg)
{
	return ((struct fake_peer *)arg)->pages > 50;
}

static struct imsgbuf cb;

static void
client_open(int hello)
{
	struct m_ctl_hello m = { msg_table_hash() };

	imsgbuf_init(&cb, fake_connect());
	if (!hello)
		return;
	ATF_REQUIRE_EQ(0, msg_compose(&cb, M_ctl_hello, 0, 1, -1, &m));
	ATF_REQUIRE_EQ(1, imsgbuf_write(&cb));
}

static void
client_ask(enum msg_type type, uint32_t req, const void *m)
{
	ATF_REQUIRE_EQ(0, msg_compose(&cb, type, 0, req, -1, m));
	(void)imsgbuf_write(&cb);
}

/* Is it closed within so many seconds?  What comes is thrown away. */
static int
client_closed(void *arg)
{
	struct imsg	msg;
	struct pollfd	pfd = { cb.fd, POLLIN, 0 };
	int		r;

	if (poll(&pfd, 1, 0) != 1)
		return 0;
	if ((r = imsgbuf_read(&cb)) != 1)
		return 1;
	while (imsgbuf_get(&cb, &msg) == 1)
		continue;
	return 0;
}

static int
is_dropped(int ms)
{
	fake_serve(&f, ms, client_closed, NULL);
	return client_closed(NULL);
}

static int
client_got(void *arg)
{
	struct imsg	msg;
	union msg_any	any;
	struct pollfd	pfd = { cb.fd, POLLIN, 0 };
	int		*ends = arg;

	if (poll(&pfd, 1, 0) == 1)
		ATF_REQUIRE_EQ(1, imsgbuf_read(&cb));
	while (*ends > 0 && imsgbuf_get(&cb, &msg) == 1) {
		ATF_REQUIRE_EQ(0, msg_decode(&msg.body, msg.type, &any));
		if (msg.type == M_ctl_end)
			--*ends;
	}
	return *ends == 0;
}

/* One that asks and does not read: what waits for it is little. */
ATF_TC_WITHOUT_HEAD(slow);
ATF_TC_BODY(slow, tc)
{
	struct m_ctl_sessions	 q = { 0, 0, 0 };
	struct fake_peer	*p;
	unsigned int		 pages;
	int			 small = 4096;

	start_all();
	p = &f.peers[0];
	p->sessions = 1000000;
	client_open(1);
	(void)setsockopt(cb.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	client_ask(M_ctl_sessions, 7, &q);
	fake_serve(&f, 2000, has_pages, p);
	/* the socket's own buffers take some */
	pages = p->pages;
	ATF_CHECK_MSG(pages < 30, "%u pages", pages);
	/* others are served meanwhile */
	CHECK_CTL(0, "show stats");
	ATF_CHECK_EQ(pages, p->pages);
	fake_serve(&f, 17000, NULL, NULL);
	ATF_CHECK_MSG(is_dropped(1000), "still there");
	imsgbuf_fini(&cb);
	CHECK_CTL(0, "show stats");
	fake_stop(&f);
}

/* Several questions at once are answered one after the other. */
ATF_TC_WITHOUT_HEAD(pipelined);
ATF_TC_BODY(pipelined, tc)
{
	struct m_ctl_sessions	q = { 0, 0, 0 };
	uint32_t		i;
	int			ends = 300;

	start_all();
	client_open(1);
	for (i = 0; i < 100; i++) {
		client_ask(M_ctl_sessions, i, &q);
		client_ask(M_ctl_stats, i, NULL);
		client_ask(M_ctl_storages, i, NULL);
	}
	fake_serve(&f, 20000, client_got, &ends);
	ATF_CHECK_EQ(0, ends);
	imsgbuf_fini(&cb);
	CHECK_CTL(0, "show stats");
	fake_stop(&f);
}

/* Strangers that break the table are dropped, and nothing else happens. */
ATF_TC_WITHOUT_HEAD(hostile);
ATF_TC_BODY(hostile, tc)
{
	struct m_ctl_hello	 old = { 1 };
	struct m_ctl_kick_user	 ku = { "demo" };
	struct m_ctl_verbose	 v = { 200 };
	struct m_stop		 stop = { 0 };
	char			 junk[100];
	int			 i, ends = 1;

	start_all();
	/* not a word before the hello */
	client_open(0);
	client_ask(M_ctl_stop, 1, NULL);
	ATF_CHECK(is_dropped(2000));
	imsgbuf_fini(&cb);
	/* another version */
	client_open(0);
	client_ask(M_ctl_hello, 1, &old);
	ATF_CHECK(is_dropped(2000));
	imsgbuf_fini(&cb);
	/* messages of others */
	for (i = 0; i < 3; i++) {
		client_open(1);
		if (i == 0)
			client_ask(M_ctl_kick_user, 1, &ku);
		else if (i == 1)
			client_ask(M_stop, 1, &stop);
		else
			client_ask(M_ctl_hello, 1, &old);
		ATF_CHECK_MSG(is_dropped(2000), "%d", i);
		imsgbuf_fini(&cb);
	}
	/* no messages at all */
	client_open(0);
	memset(junk, 0xff, sizeof(junk));
	ATF_REQUIRE_EQ((ssize_t)sizeof(junk), write(cb.fd, junk,
	    sizeof(junk)));
	ATF_CHECK(is_dropped(2000));
	imsgbuf_fini(&cb);
	/* a descriptor where none may be */
	client_open(1);
	ATF_REQUIRE_EQ(0, msg_compose(&cb, M_ctl_stats, 0, 1, dup(0), NULL));
	(void)imsgbuf_write(&cb);
	ATF_CHECK(is_dropped(2000));
	imsgbuf_fini(&cb);
	/* a value out of range is refused, not obeyed */
	client_open(1);
	client_ask(M_ctl_verbose, 1, &v);
	fake_serve(&f, 2000, client_got, &ends);
	ATF_CHECK_EQ(0, ends);
	ATF_CHECK_EQ(-1, f.verbose);
	imsgbuf_fini(&cb);
	ATF_CHECK(!f.gone);
	CHECK_CTL(0, "show stats");
	fake_stop(&f);
}

/* Those who ask nothing take no place for ever, and are not too many. */
ATF_TC_WITHOUT_HEAD(idle);
ATF_TC_BODY(idle, tc)
{
	int fds[20], i;

	start_all();
	for (i = 0; i < 20; i++)
		fds[i] = fake_connect();
	/* all places are taken by the idle ones, until they are dropped */
	fake_serve(&f, 1000, NULL, NULL);
	CHECK_CTL(0, "show stats");
	for (i = 0; i < 20; i++)
		close(fds[i]);
	fake_stop(&f);
}

/* Processes that die, are silent, or say too much. */
ATF_TC_WITHOUT_HEAD(siblings);
ATF_TC_BODY(siblings, tc)
{
	start_all();
	f.peers[0].way = FAKE_DIES;
	CHECK_CTL(0, "show sessions");
	ATF_CHECK_EQ(1 + 2, lines(out));
	CHECK_CTL(1, "kick session " FAKE_BOOT "-c-1");
	f.peers[3].way = FAKE_STANDS;
	CHECK_CTL(0, "show sessions");
	ATF_CHECK_EQ(1 + 2, lines(out));
	f.peers[3].way = FAKE_FLOODS;
	f.peers[3].sessions = 1000;
	ATF_CHECK_EQ(0, f.complaints);
	CHECK_CTL(0, "show sessions");
	ATF_CHECK_EQ(1, f.complaints);
	f.peers[1].way = FAKE_DIES;
	CHECK_CTL(1, "kick user demo");
	CHECK_IN("has ended", err);
	f.peers[2].way = FAKE_SILENT;
	CHECK_CTL(1, "-j show stats");
	CHECK_IN("engine/0: does not answer", err);
	check_json();
	ATF_CHECK_EQ(2, json_count(&j, 0));
	fake_stop(&f);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, show);
	ATF_TP_ADD_TC(tp, actions);
	ATF_TP_ADD_TC(tp, many);
	ATF_TP_ADD_TC(tp, slow);
	ATF_TP_ADD_TC(tp, pipelined);
	ATF_TP_ADD_TC(tp, hostile);
	ATF_TP_ADD_TC(tp, idle);
	ATF_TP_ADD_TC(tp, siblings);
	return atf_no_error();
}
