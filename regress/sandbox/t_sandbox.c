/*
 * What each role may not do, tried inside its own sandbox.
 *
 * A try is a function in a forked child that has entered the sandbox; it is
 * either ended by the sandbox (SIGSYS) or its call fails; only what a role
 * needs works.
 */
#include <sys/types.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <atf-c.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "sandbox.h"

enum outcome {
	WORKED,			/* the try's function returned 0 */
	REFUSED,		/* ... returned an errno */
	KILLED			/* the sandbox ended the process */
};

static const enum role roles[] = { ROLE_CONTROL, ROLE_CONNECTOR, ROLE_AUTH,
    ROLE_HASH, ROLE_ENGINE, ROLE_IMAP, ROLE_POP3, ROLE_LMTP, ROLE_STORE };

#define NROLES	(sizeof(roles) / sizeof(roles[0]))

static int	listening;	/* TCP port on loopback */

/* tries */

static int
try_open(void)
{
	return open("/etc/passwd", O_RDONLY) == -1 ? errno : 0;
}

static int
try_open_here(void)
{
	int fd = open("inside", O_RDWR | O_CREAT, 0600);

	return fd == -1 || write(fd, "x", 1) != 1 || fsync(fd) == -1 ||
	    rename("inside", "renamed") == -1 || unlink("renamed") == -1 ?
	    errno : 0;
}

static int
try_open_up(void)
{
	return open("../outside", O_RDWR | O_CREAT, 0600) == -1 ? errno : 0;
}

static int	early_file;	/* as an engine gets its index */

static int
try_file(void)
{
	char c = 0;

	return pwrite(early_file, "x", 1, 1 << 20) != 1 ||
	    pread(early_file, &c, 1, 1 << 20) != 1 || c != 'x' ? errno : 0;
}

static int
try_create(void)
{
	return mkdir("/tmp/mfrontd-sandbox-test", 0700) == -1 ? errno : 0;
}

static int
try_socket(void)
{
	return socket(AF_INET, SOCK_STREAM, 0) == -1 ? errno : 0;
}

static int
try_unix_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM, 0) == -1 ? errno : 0;
}

static int
try_netlink(void)
{
	return socket(16, SOCK_RAW, 0) == -1 ? errno : 0;
}

static int	early_socket;	/* opened before the sandbox */

static int
try_connect(void)
{
	struct sockaddr_in sin;

	memset(&sin, 0, sizeof(sin));
	sin.sin_family = AF_INET;
	sin.sin_port = htons((uint16_t)listening);
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return connect(early_socket, (struct sockaddr *)&sin,
	    sizeof(sin)) == -1 ? errno : 0;
}

static int
try_bind(void)
{
	struct sockaddr_in sin;

	memset(&sin, 0, sizeof(sin));
	sin.sin_family = AF_INET;
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return bind(early_socket, (struct sockaddr *)&sin,
	    sizeof(sin)) == -1 || listen(early_socket, 1) == -1 ? errno : 0;
}

static int
try_exec(void)
{
	char *argv[] = { NULL, NULL };

	argv[0] = strdup("true");
	execv("/bin/true", argv);
	return errno;
}

static int
try_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return pid == -1 ? errno : 0;
}

static int
try_kill(void)
{
	return kill(getppid(), 0) == -1 ? errno : 0;
}

#ifdef SYS_tgkill
static int
try_thread_kill(void)
{
	pid_t p = getppid();

	return syscall(SYS_tgkill, p, p, 0) == -1 ? errno : 0;
}
#endif

static int
try_ptrace(void)
{
	return ptrace(PTRACE_ATTACH, getppid(), NULL, NULL) == -1 ? errno : 0;
}

static int
try_root(void)
{
	return setuid(0) == -1 ? errno : 0;
}

static int
try_chroot(void)
{
	return chroot("/") == -1 ? errno : 0;
}

static int
try_code(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
	    MAP_PRIVATE | MAP_ANON, -1, 0);

	return p == MAP_FAILED ? errno : 0;
}

static int
try_turn_to_code(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANON, -1, 0);

	if (p == MAP_FAILED)
		_exit(99);
	return mprotect(p, 4096, PROT_READ | PROT_EXEC) == -1 ? errno : 0;
}

static int
try_more_files(void)
{
	struct rlimit rl = { 1000000, 1000000 };

	return setrlimit(RLIMIT_NOFILE, &rl) == -1 ? errno : 0;
}

/* What every process lives on. */
static int
try_living(void)
{
	struct timespec ts;
	char buf[64], *p;
	int sv[2];

	if (clock_gettime(CLOCK_MONOTONIC, &ts) == -1)
		return errno;
	arc4random_buf(buf, sizeof(buf));
	if ((p = malloc(10 * 1024 * 1024)) == NULL)
		return ENOMEM;
	memset(p, 1, 10 * 1024 * 1024);
	free(p);
	if (pipe(sv) == -1 || write(sv[1], "x", 1) != 1 ||
	    read(sv[0], buf, 1) != 1 ||
	    fcntl(sv[0], F_SETFL, O_NONBLOCK) == -1 ||
	    raise(SIGWINCH) != 0)
		return errno;
	return 0;
}

/* the child */

static void
enter(enum role role, int root, const char *dir)
{
	struct sandbox	sb;
	FILE		*f;
	char		desc[256];

	memset(&sb, 0, sizeof(sb));
	sb.role = role;
	sb.mode = SANDBOX_REQUIRED;
	sb.root = root;
	sb.uid = sb.gid = 65534;
	sb.chroot = dir;
	early_socket = socket(AF_INET, SOCK_STREAM, 0);
	if ((f = tmpfile()) == NULL)
		_exit(96);
	early_file = fileno(f);
	if (sandbox_enter(&sb, desc, sizeof(desc)) == -1)
		_exit(98);
	if (strstr(desc, "seccomp") == NULL && strstr(desc, "pledge") == NULL)
		_exit(97);
}

static enum outcome
try(enum role role, int root, int (*f)(void))
{
	char	dir[] = "/tmp/mfsb.XXXXXX", in[64];
	int	status, r;
	pid_t	pid;

	ATF_REQUIRE(mkdtemp(dir) != NULL);
	snprintf(in, sizeof(in), "%s/in", dir);
	ATF_REQUIRE_EQ(0, mkdir(in, 0777));
	ATF_REQUIRE_EQ(0, chmod(in, 0777));
	fflush(NULL);
	ATF_REQUIRE((pid = fork()) != -1);
	if (pid == 0) {
		enter(role, root, in);
		r = f();
		_exit(r > 90 ? 90 : r);
	}
	ATF_REQUIRE_EQ(pid, waitpid(pid, &status, 0));
	/* nothing was left behind by what should not have worked */
	ATF_CHECK_EQ(0, rmdir(in));
	ATF_CHECK_EQ_MSG(0, rmdir(dir), "something was written outside");
	if (WIFSIGNALED(status)) {
		ATF_CHECK_EQ(SIGSYS, WTERMSIG(status));
		return KILLED;
	}
	ATF_REQUIRE_MSG(WEXITSTATUS(status) < 95,
	    "the sandbox cannot be entered: %d", WEXITSTATUS(status));
	return WEXITSTATUS(status) == 0 ? WORKED : REFUSED;
}

/* Roles for which it works, as bits; KILLED or REFUSED for all others. */
static void
everywhere(const char *what, int (*f)(void), uint32_t works)
{
	enum outcome	o;
	size_t		i;
	int		root;

	for (root = 0; root <= (geteuid() == 0); root++) {
		for (i = 0; i < NROLES; i++) {
			o = try(roles[i], root, f);
			if (works & (1U << roles[i]))
				ATF_CHECK_EQ_MSG(WORKED, o, "%s: %s, root %d",
				    what, role_names[roles[i]], root);
			else
				ATF_CHECK_MSG(o != WORKED, "%s: %s, root %d",
				    what, role_names[roles[i]], root);
		}
	}
}

/* Stronger: the process must not live on. */
static void
killed(const char *what, int (*f)(void), uint32_t spared)
{
	size_t	i;
	int	root;

#ifdef __SANITIZE_ADDRESS__
	if (f == try_open) {
		everywhere(what, f, 0);
		return;
	}
#endif
	for (root = 0; root <= (geteuid() == 0); root++)
		for (i = 0; i < NROLES; i++) {
			if (spared & (1U << roles[i]))
				continue;
			ATF_CHECK_EQ_MSG(KILLED, try(roles[i], root, f),
			    "%s: %s, root %d", what, role_names[roles[i]],
			    root);
		}
}

ATF_TC_WITHOUT_HEAD(living);
ATF_TC_BODY(living, tc)
{
	everywhere("living", try_living, ~0U);
}

ATF_TC_WITHOUT_HEAD(files);
ATF_TC_BODY(files, tc)
{
	size_t i;

	killed("open", try_open, R_STORE);
	everywhere("open", try_open, 0);
	everywhere("mkdir", try_create, 0);
	/* with a chroot there is nothing above */
	for (i = 0; i < NROLES; i++)
		ATF_CHECK_MSG(try(roles[i], 0, try_open_up) != WORKED,
		    "open up: %s", role_names[roles[i]]);
	everywhere("open here", try_open_here, R_STORE);
#ifdef __linux__
	everywhere("an open file", try_file, R_ENGINE | R_STORE);
#else
	ATF_CHECK_EQ(WORKED, try(ROLE_ENGINE, 0, try_file));
#endif
}

static void
listener(void)
{
	struct sockaddr_in sin;
	socklen_t len = sizeof(sin);
	int fd;

	memset(&sin, 0, sizeof(sin));
	sin.sin_family = AF_INET;
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ATF_REQUIRE((fd = socket(AF_INET, SOCK_STREAM, 0)) != -1);
	ATF_REQUIRE_EQ(0, bind(fd, (struct sockaddr *)&sin, sizeof(sin)));
	ATF_REQUIRE_EQ(0, listen(fd, 100));
	ATF_REQUIRE_EQ(0, getsockname(fd, (struct sockaddr *)&sin, &len));
	listening = ntohs(sin.sin_port);
}

ATF_TC_WITHOUT_HEAD(network);
ATF_TC_BODY(network, tc)
{
	listener();
	killed("socket", try_socket, R_CONNECTOR);
	killed("unix socket", try_unix_socket, R_CONNECTOR);
	killed("netlink", try_netlink, 0);
	killed("connect", try_connect, R_CONNECTOR);
	everywhere("socket", try_socket, R_CONNECTOR);
	everywhere("connect", try_connect, R_CONNECTOR);
	everywhere("bind", try_bind, 0);
}

ATF_TC_WITHOUT_HEAD(processes);
ATF_TC_BODY(processes, tc)
{
	killed("exec", try_exec, 0);
	killed("fork", try_fork, 0);
	killed("kill", try_kill, 0);
#ifdef SYS_tgkill
	killed("tgkill", try_thread_kill, 0);
#endif
	killed("ptrace", try_ptrace, 0);
}

ATF_TC_WITHOUT_HEAD(rights);
ATF_TC_BODY(rights, tc)
{
	killed("setuid", try_root, 0);
	killed("chroot", try_chroot, 0);
	killed("more files", try_more_files, 0);
}

ATF_TC_WITHOUT_HEAD(code);
ATF_TC_BODY(code, tc)
{
	killed("executable memory", try_code, 0);
	killed("memory made executable", try_turn_to_code, 0);
}

ATF_TP_ADD_TCS(tp)
{
	log_init(LOG_TO_STDERR, 0, "sandbox");
	ATF_TP_ADD_TC(tp, living);
	ATF_TP_ADD_TC(tp, files);
	ATF_TP_ADD_TC(tp, network);
	ATF_TP_ADD_TC(tp, processes);
	ATF_TP_ADD_TC(tp, rights);
	ATF_TP_ADD_TC(tp, code);
	return atf_no_error();
}
