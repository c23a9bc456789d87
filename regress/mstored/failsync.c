/*
 * Preloaded into a server: fsync(2) and fdatasync(2) fail while there is a
 * file "fail" in the current folder.
 */
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <errno.h>
#include <unistd.h>

int	fdatasync(int);
int	fsync(int);

static int
failing(void)
{
	int saved = errno, r = access("fail", F_OK) == 0;

	errno = saved;
	if (r)
		errno = EIO;
	return r;
}

int
fdatasync(int fd)
{
	return failing() ? -1 : (int)syscall(SYS_fdatasync, fd);
}

int
fsync(int fd)
{
	return failing() ? -1 : (int)syscall(SYS_fsync, fd);
}
