#include <sys/types.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <netinet/in.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "parent.h"

#define BACKLOG	1024

/*
 * Binds by the last part of the path from inside its folder: the address
 * has little room, and trees can be deep.
 */
static int
bind_here(int fd, const char *name, mode_t mode)
{
	struct sockaddr_un	sun;
	struct stat		st;
	mode_t			old;
	int			r;

	memset(&sun, 0, sizeof(sun));
	sun.sun_family = AF_UNIX;
	if (strlcpy(sun.sun_path, name, sizeof(sun.sun_path)) >=
	    sizeof(sun.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	if (lstat(name, &st) == 0) {
		if (!S_ISSOCK(st.st_mode)) {
			errno = EEXIST;
			return -1;
		}
		/* somebody may be listening: do not take it away */
		if (connect(fd, (struct sockaddr *)&sun,
		    sizeof(sun)) == 0) {
			errno = EADDRINUSE;
			return -1;
		}
		if (unlink(name) == -1)
			return -1;
	}
	old = umask(~mode & 0777);
	r = bind(fd, (struct sockaddr *)&sun, sizeof(sun));
	umask(old);
	return r;
}

int
listen_unix(const char *path, uid_t uid, gid_t gid, mode_t mode)
{
	char	*copy1, *copy2;
	int	 fd = -1, cwd = -1, saved, r = -1;

	if ((copy1 = strdup(path)) == NULL || (copy2 = strdup(path)) == NULL)
		fatal(NULL);
	if ((fd = socket(AF_UNIX, SOCK_STREAM, 0)) == -1 ||
	    (cwd = open(".", O_RDONLY | O_DIRECTORY)) == -1 ||
	    chdir(dirname(copy1)) == -1)
		goto done;
	r = bind_here(fd, basename(copy2), mode);
	if (r == 0 && (uid != (uid_t)-1 || gid != (gid_t)-1))
		r = chown(basename(copy2), uid, gid);
	if (r == 0)
		r = listen(fd, BACKLOG);
	saved = errno;
	if (fchdir(cwd) == -1)
		fatal("fchdir");
	errno = saved;
 done:
	saved = errno;
	free(copy1);
	free(copy2);
	if (cwd != -1)
		close(cwd);
	if (r == -1 && fd != -1) {
		close(fd);
		fd = -1;
	}
	if (fd != -1)
		(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	errno = saved;
	return fd;
}

static int
listen_inet(const struct conf_listen *l)
{
	int fd, on = 1, saved;

	if ((fd = socket(l->ss.ss_family, SOCK_STREAM, 0)) == -1)
		return -1;
	(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (l->ss.ss_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on,
		    sizeof(on));
	if (bind(fd, (const struct sockaddr *)&l->ss, l->sslen) == -1 ||
	    listen(fd, BACKLOG) == -1) {
		saved = errno;
		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

static int
same_address(const struct conf_listen *a, const struct conf_listen *b)
{
	if (a->path != NULL || b->path != NULL)
		return a->path != NULL && b->path != NULL &&
		    strcmp(a->path, b->path) == 0;
	return a->sslen == b->sslen && memcmp(&a->ss, &b->ss, a->sslen) == 0;
}

static struct conf_listen *
listen_find(const struct conf *c, const struct conf_listen *l)
{
	struct conf_listen *o;

	if (c != NULL)
		TAILQ_FOREACH(o, &c->listens, entry)
			if (same_address(o, l))
				return o;
	return NULL;
}

static int
nonblocking(int fd)
{
	int fl;

	if ((fl = fcntl(fd, F_GETFL)) == -1)
		return -1;
	return fcntl(fd, F_SETFL, fl | O_NONBLOCK);
}

/*
 * Of the two addresses that "localhost" or "*" stands for one may be of a
 * family that this machine lacks.
 */
static int
other_is_open(const struct conf *c, const struct conf_listen *l)
{
	const struct conf_listen *o;

	TAILQ_FOREACH(o, &c->listens, entry)
		if (o != l && o->optional && o->fd != -1 &&
		    strcmp(o->where, l->where) == 0)
			return 1;
	return 0;
}

static int
may_be_missing(const struct conf *c, const struct conf_listen *l, int error)
{
	const struct conf_listen *next = TAILQ_NEXT(l, entry);

	if (!l->optional ||
	    (error != EAFNOSUPPORT && error != EADDRNOTAVAIL))
		return 0;
	/* the first of a pair waits for what becomes of the second */
	return (next != NULL && next->optional &&
	    strcmp(next->where, l->where) == 0) || other_is_open(c, l);
}

/*
 * Opens what the new configuration has and the old has not; the others
 * share the old one's socket.  On failure everything opened is closed.
 */
int
listen_open(struct conf *c, const struct conf *old, char **err)
{
	struct conf_listen *l, *o;

	TAILQ_FOREACH(l, &c->listens, entry) {
		if ((o = listen_find(old, l)) != NULL && o->fd != -1) {
			l->fd = o->fd;
			continue;
		}
		l->fd = l->path != NULL ?
		    listen_unix(l->path, l->uid, l->gid, l->mode) :
		    listen_inet(l);
		if (l->fd == -1 && may_be_missing(c, l, errno)) {
			log_info("not listening on %s: %s", l->name,
			    strerror(errno));
			continue;
		}
		if (l->fd == -1 || nonblocking(l->fd) == -1) {
			if (asprintf(err, "listen on %s: %s", l->name,
			    strerror(errno)) == -1)
				fatal(NULL);
			listen_close(c, old);
			return -1;
		}
	}
	return 0;
}

/* Closes what c has opened and keep does not share. */
void
listen_close(struct conf *c, const struct conf *keep)
{
	struct conf_listen	*l, *o;

	TAILQ_FOREACH(l, &c->listens, entry) {
		if (l->fd == -1)
			continue;
		o = listen_find(keep, l);
		if (o == NULL || o->fd != l->fd) {
			close(l->fd);
			if (l->path != NULL)
				(void)unlink(l->path);
		}
		l->fd = -1;
	}
}

const char *
store_sockpath(const struct conf_storage *st)
{
	static char buf[1024];

	if ((size_t)snprintf(buf, sizeof(buf), "%s/store-%s.sock",
	    parent.conf->rundir, st->name) >= sizeof(buf))
		return NULL;
	return buf;
}

/*
 * The embedded store listens where only the connector can reach it.  The
 * parent keeps the socket, so that requests wait while a store that died is
 * started again.
 */
int
store_socket(const struct conf_storage *st)
{
	const char	*path;
	struct passwd	*pw;
	uid_t		 uid = (uid_t)-1;
	int		 fd;

	if (parent.root) {
		pw = getpwnam(parent.conf->users[ROLE_CONNECTOR]);
		if (pw == NULL) {
			log_warnx("no user %s",
			    parent.conf->users[ROLE_CONNECTOR]);
			return -1;
		}
		uid = pw->pw_uid;
	}
	if ((path = store_sockpath(st)) == NULL) {
		log_warnx("storage %s: path too long", st->name);
		return -1;
	}
	if ((fd = listen_unix(path, uid, (gid_t)-1, 0600)) == -1 ||
	    nonblocking(fd) == -1) {
		log_warn("%s", path);
		return -1;
	}
	return fd;
}
