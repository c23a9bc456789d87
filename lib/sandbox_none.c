/* For systems without a sandbox of their own: chroot, user and rlimits. */
#include "log.h"
#include "sandbox.h"
#include "sandbox_int.h"

int
sandbox_os(const struct sandbox *sb, char *desc, size_t len)
{
	if (sb->mode == SANDBOX_REQUIRED) {
		log_warnx("no system call sandbox on this system");
		return -1;
	}
	return 0;
}
