/* mstored backup, restore and check. */
#include <sys/types.h>
#include <sys/stat.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "mstored.h"

#define BACKUP_MARK	"complete"	/* a file: the backup is whole */
#define BACKUP_HOLD	3600		/* s that contents stay, renewed */
#define BACKUP_COPY	65536

/* Files on their way from one folder into the current one. */
struct transfer {
	int		 from;		/* folder */
	int		 link;		/* rather than copy, where it goes */
	int		 own;		/* whom what is made belongs to, */
	uid_t		 uid;		/* if not to us */
	gid_t		 gid;
	struct store	*held;		/* a store that must not sweep */
	time_t		 renew;
	uint64_t	 files;
	uint64_t	 bytes;
};

static int
fsync_name(const char *name)
{
	int fd, r;

	if ((fd = open(name, O_RDONLY | O_CLOEXEC)) == -1) {
		log_warn("%s", name);
		return -1;
	}
	if ((r = fsync(fd)) == -1)
		log_warn("fsync %s", name);
	close(fd);
	return r;
}

static int
copy_bytes(int from, int to)
{
	static char	buf[BACKUP_COPY];
	ssize_t		n, w, off;

	while ((n = read(from, buf, sizeof(buf))) > 0)
		for (off = 0; off < n; off += w)
			if ((w = write(to, buf + off,
			    (size_t)(n - off))) == -1)
				return -1;
	return n == -1 ? -1 : fsync(to);
}

static int
copy_file(const struct transfer *t, const char *from, const char *to)
{
	int in, out, r;

	if ((in = openat(t->from, from, O_RDONLY | O_CLOEXEC)) == -1)
		return -1;
	if ((out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
	    0600)) == -1) {
		close(in);
		return -1;
	}
	r = t->own ? fchown(out, t->uid, t->gid) : 0;
	if (r == 0)
		r = copy_bytes(in, out);
	close(in);
	if (close(out) == -1)
		r = -1;
	return r;
}

static int
transfer_name(struct transfer *t, const char *from, const char *to)
{
	if (t->link && linkat(t->from, from, AT_FDCWD, to, 0) == 0)
		return 0;
	return copy_file(t, from, to);
}

static int
transfer_mkdir(const struct transfer *t, const char *name)
{
	if (mkdir(name, 0700) == -1) {
		if (errno == EEXIST)
			return 0;
		log_warn("mkdir %s", name);
		return -1;
	}
	if (t->own && chown(name, t->uid, t->gid) == -1) {
		log_warn("chown %s", name);
		return -1;
	}
	return 0;
}

/* The server must not take away what is still to be copied. */
static int
transfer_hold(struct transfer *t)
{
	time_t now = time(NULL);

	if (t->held == NULL || now < t->renew)
		return 0;
	t->renew = now + BACKUP_HOLD / 10;
	return store_hold(t->held, now + BACKUP_HOLD) == ST_OK ? 0 : -1;
}

static int
transfer_file(void *arg, const uint8_t *rnd, uint64_t size)
{
	struct transfer	*t = arg;
	struct stat	 st;
	char		 place[NAME_FILE_SIZE], new[NAME_FILE_SIZE], dir[16];

	name_put_file(place, rnd, 0);
	name_put_file(new, rnd, 1);
	snprintf(dir, sizeof(dir), "body/%02x", rnd[0]);
	if (transfer_mkdir(t, dir) == -1)
		return 1;
	/* where it is, where it may be, where it may have gone meanwhile */
	if (transfer_name(t, place, place) == -1 && (errno != ENOENT ||
	    (transfer_name(t, new, place) == -1 && (errno != ENOENT ||
	    transfer_name(t, place, place) == -1)))) {
		log_warn("%s", place);
		return 1;
	}
	if (stat(place, &st) == -1 || (uint64_t)st.st_size != size) {
		log_warnx("%s has not the size it should", place);
		return 1;
	}
	t->files++;
	t->bytes += size;
	return transfer_hold(t) == -1;
}

static int
fsync_bodies(void)
{
	struct stat	st;
	char		dir[16];
	int		i;

	for (i = 0; i < 256; i++) {
		snprintf(dir, sizeof(dir), "body/%02x", (unsigned int)i);
		if (stat(dir, &st) == 0 && fsync_name(dir) == -1)
			return -1;
	}
	return fsync_name("body");
}

/* The target: a folder that is new, or empty. */
static int
enter_target(struct transfer *t, const char *path)
{
	struct stat	 st;
	struct dirent	*e;
	DIR		*d;
	int		 n = 0;

	if (mkdir(path, 0700) == -1 && errno != EEXIST) {
		log_warn("%s", path);
		return -1;
	}
	if ((d = opendir(path)) == NULL) {
		log_warn("%s", path);
		return -1;
	}
	while ((e = readdir(d)) != NULL)
		n += strcmp(e->d_name, ".") != 0 &&
		    strcmp(e->d_name, "..") != 0;
	closedir(d);
	if (n > 0) {
		log_warnx("%s is not empty", path);
		return -1;
	}
	if (chdir(path) == -1 || stat(".", &st) == -1) {
		log_warn("%s", path);
		return -1;
	}
	/* the folder's owner is who will run the server */
	t->uid = st.st_uid;
	t->gid = st.st_gid;
	t->own = geteuid() == 0 && t->uid != 0;
	if (transfer_mkdir(t, "body") == -1 ||
	    transfer_mkdir(t, "body/new") == -1)
		return -1;
	return 0;
}

static int
open_source(const char *path)
{
	int fd;

	if ((fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1)
		log_warn("%s", path);
	else if (faccessat(fd, "store.db", R_OK, 0) == -1) {
		log_warn("%s/store.db", path);
		close(fd);
		fd = -1;
	}
	return fd;
}

/* All files that the database in the current folder names. */
static int
transfer_all(struct transfer *t)
{
	struct store	*s = admin_open(STORE_ADMIN);
	int		 r;

	r = store_files(s, transfer_file, t) == ST_OK ? 0 : -1;
	store_close(s);
	return r == 0 ? fsync_bodies() : -1;
}

static int
backup_mark(void)
{
	int fd;

	if (fsync_name("store.db") == -1)
		return -1;
	if ((fd = open(BACKUP_MARK, O_WRONLY | O_CREAT | O_EXCL |
	    O_CLOEXEC, 0600)) == -1 || fsync(fd) == -1) {
		log_warn(BACKUP_MARK);
		return -1;
	}
	close(fd);
	return fsync_name(".");
}

static int
backup_make(struct store *s, struct transfer *t, const char *target)
{
	char	home[PATH_MAX], db[PATH_MAX];

	/* one state of the database, then the files that it names */
	if (getcwd(home, sizeof(home)) == NULL || transfer_hold(t) == -1 ||
	    enter_target(t, target) == -1)
		return -1;
	if (getcwd(db, sizeof(db)) == NULL ||
	    strlcat(db, "/store.db", sizeof(db)) >= sizeof(db))
		return -1;
	if (store_copy_to(s, db) != ST_OK || transfer_all(t) == -1 ||
	    backup_mark() == -1)
		return -1;
	return store_hold(s, 0) == ST_OK ? 0 : -1;
}

int
backup_main(int argc, char **argv)
{
	struct transfer	 t;
	struct store	*s;
	int		 here, r;

	if (argc != 3)
		return -1;
	memset(&t, 0, sizeof(t));
	t.link = 1;
	if ((here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1 ||
	    (t.from = open_source(argv[1])) == -1 || fchdir(t.from) == -1)
		return 1;
	umask(077);
	/* SQLite keeps the full name: the folder may be left again */
	s = t.held = admin_open(STORE_ADMIN);
	r = fchdir(here) == -1 ? -1 : backup_make(s, &t, argv[2]);
	store_close(s);
	if (r == -1) {
		log_warnx("the backup is not complete");
		return 1;
	}
	log_info("%llu files, %llu bytes beside the database",
	    (unsigned long long)t.files, (unsigned long long)t.bytes);
	return 0;
}

/* restore */

int
restore_main(int argc, char **argv)
{
	struct transfer	 t;
	struct store	*s;
	int		 code;

	if (argc != 3)
		return -1;
	memset(&t, 0, sizeof(t));
	if ((t.from = open_source(argv[1])) == -1)
		return 1;
	if (faccessat(t.from, BACKUP_MARK, F_OK, 0) == -1) {
		log_warnx("%s is not a complete backup", argv[1]);
		return 1;
	}
	umask(077);
	if (enter_target(&t, argv[2]) == -1)
		return 1;
	if (copy_file(&t, "store.db", "store.db") == -1) {
		log_warn("store.db");
		return 1;
	}
	if (transfer_all(&t) == -1)
		return 1;
	s = admin_open(STORE_ADMIN);
	code = store_renew(s);
	store_close(s);
	if (code != ST_OK || fsync_name(".") == -1)
		return 1;
	log_info("restored: every mailbox has a new uidvalidity");
	return 0;
}

/* check */

struct check {
	struct store	*s;
	int64_t		 faults;
};

static int
check_file(void *arg, const uint8_t *rnd, uint64_t size)
{
	struct check	*c = arg;
	struct stat	 st;
	char		 place[NAME_FILE_SIZE], new[NAME_FILE_SIZE];

	name_put_file(place, rnd, 0);
	name_put_file(new, rnd, 1);
	if (stat(place, &st) == -1 && stat(new, &st) == -1 &&
	    stat(place, &st) == -1) {
		log_warnx("%s is missing", place);
		c->faults++;
	} else if ((uint64_t)st.st_size != size) {
		log_warnx("%s has not the size it should", place);
		c->faults++;
	}
	return 0;
}

static void
check_orphans_in(struct check *c, const char *dir)
{
	struct dirent	*e;
	uint8_t		 rnd[NAME_RND];
	DIR		*d;

	if ((d = opendir(dir)) == NULL)
		return;
	while ((e = readdir(d)) != NULL) {
		if (name_get_file(rnd, e->d_name) == -1 ||
		    store_has_file(c->s, rnd) != 0)
			continue;
		log_warnx("%s/%s: no message has it", dir, e->d_name);
		c->faults++;
	}
	closedir(d);
}

static void
check_orphans(struct check *c)
{
	char	dir[16];
	int	i;

	for (i = 0; i < 256; i++) {
		snprintf(dir, sizeof(dir), "body/%02x", (unsigned int)i);
		check_orphans_in(c, dir);
	}
}

int
check_main(int argc, char **argv)
{
	struct check	c;
	int		fd;

	if (argc != 2)
		return -1;
	if ((fd = open_source(argv[1])) == -1 || fchdir(fd) == -1)
		return 1;
	close(fd);
	c.s = admin_open(STORE_ADMIN);
	c.faults = store_check(c.s);
	if (c.faults >= 0 && store_files(c.s, check_file, &c) != ST_OK)
		c.faults = -1;
	if (c.faults >= 0)
		check_orphans(&c);
	store_close(c.s);
	if (c.faults == 0)
		return 0;
	if (c.faults > 0)
		log_warnx("%lld faults", (long long)c.faults);
	return 1;
}
