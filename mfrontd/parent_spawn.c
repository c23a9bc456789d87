#include <sys/types.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "parent.h"

extern char **environ;

/* Most descriptors a role needs; 0: one for each connection, so many. */
static const uint32_t role_nfiles[ROLE_MAX] = {
	[ROLE_CONTROL] = 256,
	[ROLE_CONNECTOR] = 512,
	[ROLE_AUTH] = 256,
	[ROLE_HASH] = 32,
};

/*
 * The programs are opened once: children of one start are all of one
 * version, even when a package upgrade replaces the files meanwhile.
 */
static int
open_program(const char *path)
{
	int fd;

	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) == -1)
		log_warn("%s", path);
	return fd;
}

static char *
find_store(const char *self)
{
	char	*copy, *path = NULL, *dir;
	int	 i;

	if ((copy = strdup(self)) == NULL)
		fatal(NULL);
	dir = dirname(copy);
	for (i = 0; i < 2; i++) {
		if (asprintf(&path, i == 0 ? "%s/mstored" :
		    "%s/../mstored/mstored", dir) == -1)
			fatal(NULL);
		/* in the source tree the first is a folder */
		if (i == 1 || access(path, X_OK) == 0) {
			struct stat st;

			if (stat(path, &st) == 0 && S_ISREG(st.st_mode))
				break;
		}
		free(path);
		path = NULL;
	}
	free(copy);
	return path;
}

int
spawn_open(void)
{
	parent.storefd = -1;
	if ((parent.binfd = open_program(parent.path)) == -1)
		return -1;
	parent.storepath = find_store(parent.path);
	if (parent.storepath != NULL &&
	    (parent.storefd = open_program(parent.storepath)) == -1)
		return -1;
	return 0;
}

static void
child_exec(const struct child *c, int fd)
{
	const char	*path;
	char		*argv[4];
	int		 binfd;

	path = c->role == ROLE_STORE ? parent.storepath : parent.path;
	binfd = c->role == ROLE_STORE ? parent.storefd : parent.binfd;
	if (asprintf(&argv[0], "%s", path) == -1 ||
	    (argv[1] = strdup("-x")) == NULL ||
	    (argv[2] = strdup(role_names[c->role])) == NULL)
		_exit(1);
	argv[3] = NULL;
	if (fd != PROC_FD && dup2(fd, PROC_FD) == -1)
		_exit(1);
	if (fd == PROC_FD && fcntl(fd, F_SETFD, 0) == -1)
		_exit(1);
	/* all that is above is close-on-exec, but be sure */
	for (fd = PROC_FD + 1; fd < 64; fd++)
		(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
#ifdef HAVE_FEXECVE
	fexecve(binfd, argv, environ);
#else
	execv(path, argv);
	(void)binfd;
#endif
	_exit(1);
}

static int
child_user(const struct child *c, struct m_hello *m)
{
	const char	*name = parent.conf->users[c->role];
	struct passwd	*pw;

	if (!parent.root)
		return 0;
	if ((pw = getpwnam(name)) == NULL) {
		log_warnx("no user %s, for %s", name, role_names[c->role]);
		return -1;
	}
	m->root = 1;
	m->uid = pw->pw_uid;
	m->gid = pw->pw_gid;
	return 0;
}

static const struct conf_storage *
storage_of(uint16_t id)
{
	const struct conf_storage *st;

	TAILQ_FOREACH(st, &parent.conf->storages, entry)
		if (st->id == id)
			return st;
	fatalx("no storage %u", id);
}

/* The store's folder is its chroot; it must be there and be its own. */
static int
child_folder(const struct child *c, struct m_hello *m)
{
	struct stat st;

	if (c->role != ROLE_STORE) {
		m->chroot = parent.conf->chroot;
		if (!parent.root)
			return 0;
		if (stat(m->chroot, &st) == -1 || !S_ISDIR(st.st_mode) ||
		    st.st_uid != 0 || (st.st_mode & (S_IWGRP | S_IWOTH))) {
			log_warnx("chroot %s: must be a folder of root that "
			    "nobody else may write", m->chroot);
			return -1;
		}
		return 0;
	}
	m->chroot = storage_of(c->storage)->dir;
	if (mkdir(m->chroot, 0700) == -1 && errno != EEXIST) {
		log_warn("%s", m->chroot);
		return -1;
	}
	if (parent.root && (stat(m->chroot, &st) == -1 ||
	    (st.st_uid != m->uid && chown(m->chroot, m->uid,
	    m->gid) == -1))) {
		log_warn("%s", m->chroot);
		return -1;
	}
	return 0;
}

static int
child_hello(struct child *c)
{
	struct m_hello m;

	memset(&m, 0, sizeof(m));
	if (child_user(c, &m) == -1 || child_folder(c, &m) == -1)
		return -1;
	m.table = msg_table_hash();
	m.role = (uint8_t)c->role;
	m.slot = c->slot;
	m.gen = c->gen;
	m.boot = parent.boot;
	m.verbose = (uint8_t)log_getverbose();
	m.logdest = (uint8_t)parent.conf->logdest;
	m.sandbox = (uint8_t)parent.conf->sandbox;
	m.nfiles = role_nfiles[c->role];
	proc_send(c->peer, M_hello, 0, 0, -1, &m);
	return 0;
}

/* Starts a process for a child's place; -1 when that cannot be. */
int
spawn_child(struct child *c)
{
	static uint32_t	gen;
	int		sv[2];

	if (c->role == ROLE_STORE && parent.storefd == -1) {
		log_warnx("mstored is not installed beside %s", parent.path);
		return -1;
	}
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, sv) == -1) {
		log_warn("socketpair");
		return -1;
	}
	(void)fcntl(sv[0], F_SETFD, FD_CLOEXEC);
	(void)fcntl(sv[1], F_SETFD, FD_CLOEXEC);
	c->gen = ++gen;
	c->peer = proc_peer_new(sv[0], c->role, c->slot, c->gen);
	if (c->peer == NULL)
		fatal("peer");
	if (child_hello(c) == -1) {
		close(sv[1]);
		proc_peer_abandon(c->peer);
		c->peer = NULL;
		return -1;
	}
	switch (c->pid = fork()) {
	case -1:
		log_warn("fork");
		close(sv[1]);
		proc_peer_abandon(c->peer);
		c->peer = NULL;
		return -1;
	case 0:
		child_exec(c, sv[1]);
		_exit(1);
	}
	close(sv[1]);
	c->peer->data = c;
	TAILQ_INSERT_TAIL(&proc_self.peers, c->peer, entry);
	return 0;
}
