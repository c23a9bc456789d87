#include <sys/types.h>
#include <sys/time.h>
#ifndef __linux__
#include <sys/sysctl.h>
#endif
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bootid.h"

#ifdef __linux__
int
boot_id(char *buf, size_t len)
{
	ssize_t	n;
	int	fd;

	if ((fd = open("/proc/sys/kernel/random/boot_id",
	    O_RDONLY | O_CLOEXEC)) == -1)
		return -1;
	n = read(fd, buf, len - 1);
	close(fd);
	if (n <= 0)
		return -1;
	buf[n] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
	return 0;
}
#else
int
boot_id(char *buf, size_t len)
{
	int		mib[2] = { CTL_KERN, KERN_BOOTTIME };
	struct timeval	tv;
	size_t		size = sizeof(tv);

	if (sysctl(mib, 2, &tv, &size, NULL, 0) == -1 || tv.tv_sec == 0)
		return -1;
	/* moves when the clock is set: seen as a boot, the safe mistake */
	snprintf(buf, len, "%lld.%06ld", (long long)tv.tv_sec,
	    (long)tv.tv_usec);
	return 0;
}
#endif
