#include <sys/types.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "body.h"
#include "log.h"

/*
 * Room that new messages may not take: to delete some, and to write the
 * database's log back, needs room too.
 */
#define BODY_RESERVE	(48 * 1024 * 1024)	/* but of a small disk */
#define BODY_RESERVE_OF	8			/* one part in so many */

/* In the server's start: what an upload that was cut off has left. */
static void
body_sweep_one(struct store *s, const char *name)
{
	uint8_t rnd[NAME_RND];

	if (name_get_file(rnd, name) == -1)
		return;
	switch (store_has_file(s, rnd)) {
	case 1:
		body_place(rnd);
		break;
	case 0:
		log_debug("removing %s, which no message has", name);
		body_remove(rnd);
		break;
	}
}

static int
body_mkdir(const char *name)
{
	if (mkdir(name, 0700) == -1 && errno != EEXIST) {
		log_warn("mkdir %s", name);
		return -1;
	}
	return 0;
}

int
body_start(struct store *s)
{
	DIR		*d;
	struct dirent	*e;
	int		 fd;

	if (body_mkdir("body") == -1 || body_mkdir("body/new") == -1)
		return -1;
	/* their names must last as long as what will be in them */
	if ((fd = open("body", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) != -1) {
		(void)fsync(fd);
		close(fd);
	}
	if ((d = opendir("body/new")) == NULL) {
		log_warn("opendir body/new");
		return -1;
	}
	while ((e = readdir(d)) != NULL)
		body_sweep_one(s, e->d_name);
	closedir(d);
	return 0;
}

int
body_create(const uint8_t *rnd)
{
	char name[NAME_FILE_SIZE];

	name_put_file(name, rnd, 1);
	return open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
}

static int
body_error(const char *what)
{
	if (errno == ENOSPC || errno == EDQUOT)
		return ST_STORAGE_FULL;
	log_warn("%s", what);
	return ST_INTERNAL;
}

int
body_room(void)
{
	struct statvfs	v;
	uint64_t	reserve;

	if (statvfs(".", &v) == -1)
		return body_error("statvfs");
	reserve = (uint64_t)v.f_blocks * v.f_frsize / BODY_RESERVE_OF;
	if (reserve > BODY_RESERVE)
		reserve = BODY_RESERVE;
	return (uint64_t)v.f_bavail * v.f_frsize < reserve ?
	    ST_STORAGE_FULL : ST_OK;
}

int
body_sync(int fd)
{
	int dir, r;

	if (fsync(fd) == -1)
		return body_error("fsync of a message's file");
	if ((dir = open("body/new", O_RDONLY | O_DIRECTORY |
	    O_CLOEXEC)) == -1)
		return body_error("open body/new");
	r = fsync(dir);
	close(dir);
	return r == -1 ? body_error("fsync body/new") : ST_OK;
}

void
body_remove(const uint8_t *rnd)
{
	char name[NAME_FILE_SIZE];

	name_put_file(name, rnd, 1);
	if (unlink(name) == -1 && errno != ENOENT)
		log_warn("unlink %s", name);
}

/* If the move is lost in a crash, the next start makes it again. */
void
body_place(const uint8_t *rnd)
{
	char from[NAME_FILE_SIZE], to[NAME_FILE_SIZE], dir[16];

	name_put_file(from, rnd, 1);
	name_put_file(to, rnd, 0);
	if (rename(from, to) == 0)
		return;
	snprintf(dir, sizeof(dir), "body/%02x", rnd[0]);
	if (body_mkdir(dir) == -1 || rename(from, to) == -1)
		log_warn("rename %s", from);
}

int
body_open(const uint8_t *rnd)
{
	char	name[NAME_FILE_SIZE];
	int	fd;

	name_put_file(name, rnd, 0);
	if ((fd = open(name, O_RDONLY | O_CLOEXEC)) != -1 ||
	    errno != ENOENT)
		return fd;
	name_put_file(name, rnd, 1);
	if ((fd = open(name, O_RDONLY | O_CLOEXEC)) != -1 ||
	    errno != ENOENT)
		return fd;
	/* it may have moved just now */
	name_put_file(name, rnd, 0);
	return open(name, O_RDONLY | O_CLOEXEC);
}
