/*
 * Linux: no_new_privs, Landlock for files, TCP and signals as far as the
 * running kernel knows them, seccomp-bpf for system calls.  What a role must
 * never call kills its process.
 */
#include <sys/types.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <seccomp.h>

#include "log.h"
#include "sandbox.h"
#include "sandbox_int.h"

/*
 * Landlock.  The headers of a distribution may be older than its kernel, so
 * the numbers are here; see landlock(7).
 */
#define LL_FS_ALL(abi)							\
	((UINT64_C(1) << ((abi) >= 5 ? 16 : (abi) >= 3 ? 15 :		\
	    (abi) >= 2 ? 14 : 13)) - 1)
#define LL_FS_EXECUTE		UINT64_C(0x0001)
#define LL_FS_IOCTL_DEV		UINT64_C(0x8000)
#define LL_FS_MAKE_CHAR		UINT64_C(0x0040)
#define LL_FS_MAKE_BLOCK	UINT64_C(0x0800)
#define LL_NET_BIND_TCP		UINT64_C(0x1)
#define LL_NET_CONNECT_TCP	UINT64_C(0x2)
#define LL_SCOPE_ALL		UINT64_C(0x3)
#define LL_RULE_PATH_BENEATH	1
#define LL_CREATE_VERSION	1U

struct ll_ruleset {
	uint64_t	fs;
	uint64_t	net;		/* since ABI 4 */
	uint64_t	scoped;		/* since ABI 6 */
};

struct ll_path {
	uint64_t	allowed;
	int32_t		parent;
} __attribute__((__packed__));

#ifndef __NR_landlock_create_ruleset
#define __NR_landlock_create_ruleset	444
#define __NR_landlock_add_rule		445
#define __NR_landlock_restrict_self	446
#endif

static int
ll_allow_here(int rs, int abi)
{
	struct ll_path	path;
	int		fd, r;

	if ((fd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC)) == -1)
		return -1;
	path.parent = fd;
	path.allowed = LL_FS_ALL(abi) & ~(LL_FS_EXECUTE | LL_FS_IOCTL_DEV |
	    LL_FS_MAKE_CHAR | LL_FS_MAKE_BLOCK);
	r = (int)syscall(__NR_landlock_add_rule, rs, LL_RULE_PATH_BENEATH,
	    &path, 0U);
	close(fd);
	return r;
}

/* Returns the ABI in force, 0 when the kernel has none, -1 on an error. */
static int
landlock_enter(const struct sandbox *sb)
{
	struct ll_ruleset	a;
	size_t			size;
	int			abi, rs;

	abi = (int)syscall(__NR_landlock_create_ruleset, NULL, (size_t)0,
	    LL_CREATE_VERSION);
	if (abi <= 0)
		return 0;
	memset(&a, 0, sizeof(a));
	a.fs = LL_FS_ALL(abi);
	if (abi >= 4)
		a.net = LL_NET_BIND_TCP | (sb->role == ROLE_CONNECTOR ? 0 :
		    LL_NET_CONNECT_TCP);
	if (abi >= 6)
		a.scoped = LL_SCOPE_ALL;
	size = abi >= 6 ? 24 : abi >= 4 ? 16 : 8;
	if ((rs = (int)syscall(__NR_landlock_create_ruleset, &a, size,
	    0U)) == -1)
		return -1;
	if ((sb->role == ROLE_STORE && ll_allow_here(rs, abi) == -1) ||
	    syscall(__NR_landlock_restrict_self, rs, 0U) == -1) {
		close(rs);
		return -1;
	}
	close(rs);
	return abi;
}

/*
 * seccomp.  Every role has the base: memory, time, the event loop, and
 * reading and writing what is open already.
 */
static const char *const sc_base[] = {
	"brk", "clock_getres", "clock_gettime", "clock_nanosleep", "close",
	"epoll_ctl", "epoll_pwait", "epoll_pwait2", "epoll_wait", "exit",
	"exit_group", "fstat", "futex", "getegid", "geteuid", "getgid",
	"getpid", "getppid", "getrandom", "getrusage", "gettid",
	"gettimeofday", "getuid", "lseek", "madvise", "membarrier", "munmap",
	"mremap", "nanosleep", "pipe2", "poll", "ppoll", "read", "readv",
	"recvfrom", "recvmsg", "restart_syscall", "rseq", "rt_sigaction",
	"rt_sigprocmask", "rt_sigreturn", "sched_yield", "sendmsg", "sendto",
	"set_robust_list", "shutdown", "sigaltstack", "sigreturn",
	"sysinfo",	/* qsort(3): may it take that much memory? */
	"time", "uname", "write", "writev",
#ifdef __SANITIZE_ADDRESS__
	/* what the sanitizers' runtime calls on its own account */
	"getpgid", "personality", "readlink", "sched_getaffinity",
	"get_mempolicy",
#endif
	NULL
};

static const char *const sc_accept[] = {
	"accept", "accept4", "getpeername", "getsockname", "getsockopt",
	"setsockopt", NULL
};

/* a file that the parent opened, read and written by offset */
static const char *const sc_engine[] = {
	"getpeername", "getsockname", "getsockopt", "pread64", "pwrite64",
	"setsockopt", NULL
};

static const char *const sc_connect[] = {
	"bind", "connect", "fchdir", "getpeername", "getsockname",
	"getsockopt", "setsockopt", "sendmmsg", NULL
};

static const char *const sc_store[] = {
	"accept", "accept4", "access", "chmod", "clone3", "dup", "faccessat",
	"faccessat2", "fadvise64", "fallocate", "fchmod", "fchown",
	"fdatasync", "flock", "fsync", "ftruncate", "getcwd", "getdents",
	"getdents64", "getpeername", "getsockname", "getsockopt", "link",
	"linkat", "lstat", "mkdir", "mkdirat", "newfstatat", "open",
	"openat", "pread64", "pwrite64", "pwritev", "preadv", "readlink",
	"readlinkat", "rename", "renameat", "renameat2", "rmdir",
	"sched_getaffinity", "sched_setscheduler", "setsockopt", "stat",
	"statfs", "fstatfs", "statx", "sync_file_range", "umask", "unlink",
	"unlinkat", "utimensat", NULL
};

static const char *const *const sc_roles[ROLE_MAX] = {
	[ROLE_CONTROL] = sc_accept,
	[ROLE_CONNECTOR] = sc_connect,
	[ROLE_ENGINE] = sc_engine,
	[ROLE_IMAP] = sc_accept,
	[ROLE_POP3] = sc_accept,
	[ROLE_LMTP] = sc_accept,
	[ROLE_STORE] = sc_store,
};

static int
sc_allow(scmp_filter_ctx ctx, const char *const *names)
{
	int nr, r;

	for (; names != NULL && *names != NULL; names++) {
		nr = seccomp_syscall_resolve_name(*names);
		if (nr == __NR_SCMP_ERROR)
			continue;
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, nr, 0);
		/* EDOM: a call that this architecture does not have */
		if (r != 0 && r != -EDOM)
			return -1;
	}
	return 0;
}

/* Calls that are fine with some arguments only. */
static int
sc_allow_some(scmp_filter_ctx ctx, const struct sandbox *sb)
{
	static const int fcntls[] = { F_GETFD, F_SETFD, F_GETFL, F_SETFL,
	    F_DUPFD_CLOEXEC };
	static const int locks[] = { F_GETLK, F_SETLK, F_SETLKW, F_OFD_GETLK,
	    F_OFD_SETLK };
	static const int families[] = { AF_INET, AF_INET6, AF_UNIX };
	size_t i;
	int r = 0;

	/* memory is never executable */
	r |= seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
	    SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	r |= seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
	    SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	/* abort(3) and threads signal their own process, nobody else */
	r |= seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
	    SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid()));
	/* limits may be read */
	r |= seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 1,
	    SCMP_A2(SCMP_CMP_EQ, 0));
	r |= seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1,
	    SCMP_A0(SCMP_CMP_EQ, PR_SET_NAME));
	for (i = 0; i < sizeof(fcntls) / sizeof(fcntls[0]); i++)
		r |= seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(fcntl),
		    1, SCMP_A1(SCMP_CMP_EQ, (scmp_datum_t)fcntls[i]));
	for (i = 0; sb->role == ROLE_STORE &&
	    i < sizeof(locks) / sizeof(locks[0]); i++)
		r |= seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(fcntl),
		    1, SCMP_A1(SCMP_CMP_EQ, (scmp_datum_t)locks[i]));
	for (i = 0; sb->role == ROLE_CONNECTOR &&
	    i < sizeof(families) / sizeof(families[0]); i++)
		r |= seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(socket),
		    1, SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)families[i]));
	return r == 0 ? 0 : -1;
}

/*
 * Calls that C libraries try where they can do without: they get an error.
 * Everything else that is not allowed kills the process.
 */
static int
sc_refuse(scmp_filter_ctx ctx, const struct sandbox *sb)
{
	int r = 0;

	r |= seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOTTY), SCMP_SYS(ioctl),
	    0);
#ifdef __SANITIZE_ADDRESS__
	/* a report wants to read its own program and maps */
	if (sb->role != ROLE_STORE) {
		r |= seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EACCES),
		    SCMP_SYS(open), 0);
		r |= seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EACCES),
		    SCMP_SYS(openat), 0);
	}
#endif
	return r == 0 ? 0 : -1;
}

static int
seccomp_enter(const struct sandbox *sb)
{
	scmp_filter_ctx	ctx;
	int		r = -1;

	if ((ctx = seccomp_init(SCMP_ACT_KILL_PROCESS)) == NULL)
		return -1;
	if (sc_allow(ctx, sc_base) == -1 ||
	    sc_allow(ctx, sc_roles[sb->role]) == -1 ||
	    sc_allow_some(ctx, sb) == -1 || sc_refuse(ctx, sb) == -1)
		goto done;
	/* the filter runs at every call: compile it as a tree */
	(void)seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (seccomp_load(ctx) == 0)
		r = 0;
 done:
	seccomp_release(ctx);
	return r;
}

int
sandbox_os(const struct sandbox *sb, char *desc, size_t len)
{
	char	word[32];
	int	abi;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1) {
		log_warn("no_new_privs");
		return -1;
	}
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	abi = landlock_enter(sb);
	if (abi == -1) {
		log_warn("landlock");
		return -1;
	}
	if (abi > 0) {
		snprintf(word, sizeof(word), "landlock-%d ", abi);
		strlcat(desc, word, len);
	} else if (sb->mode == SANDBOX_REQUIRED) {
		log_warnx("sandbox required, but this kernel has no Landlock");
		return -1;
	}
	if (seccomp_enter(sb) == 0)
		strlcat(desc, "seccomp ", len);
	else if (sb->mode == SANDBOX_REQUIRED) {
		log_warnx("sandbox required, but seccomp does not work here");
		return -1;
	}
	return 0;
}
