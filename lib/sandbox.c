#include <sys/types.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <errno.h>
#include <grp.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "sandbox.h"
#include "sandbox_int.h"

static int
sandbox_chroot(const struct sandbox *sb)
{
	if (chroot(sb->chroot) == -1) {
		log_warn("chroot %s", sb->chroot);
		return -1;
	}
	if (chdir("/") == -1) {
		log_warn("chdir /");
		return -1;
	}
	return 0;
}

static int
sandbox_user(const struct sandbox *sb)
{
	if (setgroups(1, &sb->gid) == -1 ||
	    setresgid(sb->gid, sb->gid, sb->gid) == -1 ||
	    setresuid(sb->uid, sb->uid, sb->uid) == -1) {
		log_warn("cannot become user %u", (unsigned int)sb->uid);
		return -1;
	}
	/* it must not be possible to go back */
	if (sb->uid != 0 && (setuid(0) != -1 || seteuid(0) != -1)) {
		log_warnx("still able to become root");
		return -1;
	}
	return 0;
}

static int
sandbox_limit(int what, rlim_t most, const char *name)
{
	struct rlimit rl;

	if (getrlimit(what, &rl) == -1) {
		log_warn("getrlimit %s", name);
		return -1;
	}
	if (rl.rlim_max == RLIM_INFINITY || rl.rlim_max > most)
		rl.rlim_max = most;
	rl.rlim_cur = rl.rlim_max;
	if (setrlimit(what, &rl) == -1) {
		log_warn("setrlimit %s", name);
		return -1;
	}
	return 0;
}

int
sandbox_enter(const struct sandbox *sb, char *desc, size_t len)
{
	desc[0] = '\0';
	if (sandbox_limit(RLIMIT_CORE, 0, "core") == -1 ||
	    sandbox_limit(RLIMIT_NOFILE, sb->nfiles > 0 ? sb->nfiles :
	    RLIM_INFINITY, "nofile") == -1)
		return -1;
	/* the store's files are all named relative to its folder */
	if (!sb->root && sb->role == ROLE_STORE && chdir(sb->chroot) == -1) {
		log_warn("chdir %s", sb->chroot);
		return -1;
	}
	if (sb->root) {
		if (sandbox_chroot(sb) == -1 || sandbox_user(sb) == -1)
			return -1;
		strlcat(desc, "chroot user ", len);
	}
	if (sandbox_os(sb, desc, len) == -1)
		return -1;
	len = strlen(desc);
	if (len > 0 && desc[len - 1] == ' ')
		desc[len - 1] = '\0';
	return 0;
}
