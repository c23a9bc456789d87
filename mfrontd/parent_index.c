/*
 * Files for the indexes that engines keep: one for each engine process and
 * storage, in a folder that is nobody else's.  An engine gets it open and
 * has no way to another one.
 */
#include <sys/types.h>
#include <sys/stat.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "dictfile.h"
#include "log.h"
#include "parent.h"

/* The folder, made if it is missing. */
static int
index_folder(const char *path)
{
	struct stat	st;
	int		fd;

	if (mkdir(path, 0700) == -1 && errno != EEXIST) {
		log_warn("index: %s", path);
		return -1;
	}
	if ((fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1 ||
	    fstat(fd, &st) == -1) {
		log_warn("index: %s", path);
	} else if (st.st_uid != geteuid() ||
	    st.st_mode & (S_IWGRP | S_IWOTH)) {
		log_warnx("index: %s: others may write there", path);
	} else
		return fd;
	if (fd != -1)
		close(fd);
	return -1;
}

/* What is there already must be a file that we have made. */
static int
index_file_ok(int fd, const struct conf_storage *conf)
{
	struct dictfile	df;
	struct stat	st;

	if (fstat(fd, &st) == -1)
		return 0;
	if (!S_ISREG(st.st_mode) || st.st_nlink != 1 ||
	    st.st_uid != geteuid()) {
		errno = EPERM;
		return 0;
	}
	if (fchmod(fd, 0600) == -1 ||
	    dictfile_layout(&df, conf->index_size) == -1)
		return 0;
	/* it was for a greater size once */
	return (uint64_t)st.st_size <= dictfile_size(&df) ||
	    ftruncate(fd, (off_t)dictfile_size(&df)) == 0;
}

int
index_open(const struct conf_storage *conf, uint16_t slot)
{
	char	name[CONF_NAME_MAX + 16];
	int	dir, fd;

	if ((dir = index_folder(conf->index_dir)) == -1)
		return -1;
	snprintf(name, sizeof(name), "%s-%u.index", conf->name, slot);
	fd = openat(dir, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK |
	    O_CLOEXEC, 0600);
	if (fd == -1 || !index_file_ok(fd, conf)) {
		log_warn("index: %s/%s", conf->index_dir, name);
		if (fd != -1)
			close(fd);
		fd = -1;
	}
	close(dir);
	return fd;
}
