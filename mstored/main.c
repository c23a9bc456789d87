#include <sys/types.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "charset.h"
#include "log.h"
#include "mstored.h"
#include "units.h"

#define MAIN_LISTEN	16
#define MAIN_UIDS	16
#define MAIN_BACKLOG	512
#define MAIN_TOKEN	4096	/* bytes of a token file */

struct options {
	const char	*dir;
	const char	*listen[MAIN_LISTEN];
	int		 nlisten;
	const char	*token_file;
	const char	*user;
	int		 verbose;
	int		 syslog;
	int		 required;
	uid_t		 uids[MAIN_UIDS];
	struct sandbox	 sandbox;
	struct mstored_conf conf;
};

static void usage(void) __attribute__((__noreturn__));

static void
usage(void)
{
	fprintf(stderr,
	    "usage: mstored [-ARsv] [-D capability] [-o name=value] "
	    "[-p user] [-t file]\n"
	    "               [-u user] -d dir -l address ...\n"
	    "       mstored user add|passwd -d dir name <hash\n"
	    "       mstored user del [-r] -d dir name\n"
	    "       mstored user scram -d dir name <password\n"
	    "       mstored user quota -d dir name size [messages]\n"
	    "       mstored user list -d dir\n"
	    "       mstored alias add -d dir address account\n"
	    "       mstored alias del -d dir address\n"
	    "       mstored alias list -d dir\n"
	    "       mstored backup dir target\n"
	    "       mstored restore backup dir\n"
	    "       mstored check dir\n");
	exit(2);
}

/* What -o can set. */
static const struct tunable {
	const char	*name;
	enum unit	 unit;
	uint64_t	 min, max;
	size_t		 off;		/* in struct mstored_conf */
	size_t		 size;
} tunables[] = {
#define T(name, unit, min, max, field)					\
	{ name, unit, min, max, offsetof(struct mstored_conf, field),	\
	    sizeof(((struct mstored_conf *)0)->field) }
	T("cache", UNIT_COUNT, 64, 1048576, store.cache_kb),
	T("connections", UNIT_COUNT, 1, 100000, connections),
	T("dict", UNIT_SIZE, 0, (uint64_t)1 << 40, store.dict_bytes),
	T("grace", UNIT_TIME, 0, 365 * 86400, store.grace),
	T("idle", UNIT_TIME, 1, 86400, idle),
	T("index", UNIT_COUNT, 0, 2, index),
	T("log-age", UNIT_TIME, 1, 3650 * 86400, store.log_age),
	T("log-rows", UNIT_COUNT, 1, 1000000000, store.log_rows),
	T("mailboxes", UNIT_COUNT, 1, 10000000, store.max_mailboxes),
	T("message", UNIT_SIZE, 1024, (uint64_t)1 << 40, message),
	T("quota", UNIT_SIZE, 0, (uint64_t)1 << 50, store.quota_size),
	T("quota-messages", UNIT_COUNT, 0, UINT32_MAX, store.quota_count),
	T("recipients", UNIT_COUNT, 1, 10000, recipients),
	T("search-read", UNIT_SIZE, 0, (uint64_t)1 << 40, search_read),
	T("timeout", UNIT_TIME, 1, 3600, timeout),
#undef T
};

static void
set_tunable(struct options *o, char *arg)
{
	const struct tunable	*t;
	char			*value = arg, *name, *p;
	uint64_t		 v;
	size_t			 i;

	name = strsep(&value, "=");
	for (i = 0; i < sizeof(tunables) / sizeof(tunables[0]); i++) {
		t = &tunables[i];
		if (strcmp(name, t->name) != 0)
			continue;
		if (value == NULL || units_parse(t->unit, value, &v) == -1 ||
		    v < t->min || v > t->max)
			fatalx("%s: not a value for it", name);
		p = (char *)&o->conf + t->off;
		if (t->size == sizeof(v))
			memcpy(p, &v, sizeof(v));
		else
			*(unsigned int *)(void *)p = (unsigned int)v;
		return;
	}
	fatalx("%s: there is no such setting", name);
}

static void
drop_capability(struct options *o, const char *name)
{
	int i;

	for (i = 0; i < CAP_MAX; i++)
		if (strcmp(name, st_cap_names[i]) == 0) {
			o->conf.caps &= ~CAP(i);
			return;
		}
	fatalx("%s: not a capability", name);
}

static void
add_peer(struct options *o, const char *name)
{
	struct passwd	*pw;
	const char	*err;
	uid_t		 uid;

	if (o->conf.nuids == MAIN_UIDS)
		fatalx("too many -p");
	if ((pw = getpwnam(name)) != NULL)
		uid = pw->pw_uid;
	else {
		uid = (uid_t)strtonum(name, 0, UINT32_MAX - 1, &err);
		if (err != NULL)
			fatalx("%s: no such user", name);
	}
	o->uids[o->conf.nuids++] = uid;
}

/* A bearer token: the file's first line. */
static const char *
read_token(const char *path)
{
	static char	 token[MAIN_TOKEN];
	ssize_t		 n;
	int		 fd;

	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) == -1 ||
	    (n = read(fd, token, sizeof(token) - 1)) == -1)
		fatal("%s", path);
	close(fd);
	token[n] = '\0';
	token[strcspn(token, "\r\n")] = '\0';
	if (token[0] == '\0')
		fatalx("%s: no token in it", path);
	return token;
}

/* listening */

static int
listen_unix(const char *path)
{
	struct sockaddr_un	sun;
	struct stat		st;
	mode_t			old;
	int			fd;

	memset(&sun, 0, sizeof(sun));
	sun.sun_family = AF_UNIX;
	if (strlcpy(sun.sun_path, path, sizeof(sun.sun_path)) >=
	    sizeof(sun.sun_path))
		fatalx("%s: too long for a socket", path);
	if ((fd = socket(AF_UNIX, SOCK_STREAM, 0)) == -1)
		fatal("socket");
	/* one that a dead server left; a living one holds the lock */
	if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
		(void)unlink(path);
	/* who may connect is decided by uid, after accept */
	old = umask(0);
	if (bind(fd, (struct sockaddr *)&sun, sizeof(sun)) == -1)
		fatal("%s", path);
	umask(old);
	return fd;
}

/* "127.0.0.1:8025", "[::1]:8025"; numbers only. */
static int
parse_inet(const char *arg, struct sockaddr_storage *ss, socklen_t *len,
    int *loopback)
{
	struct sockaddr_in	*in = (struct sockaddr_in *)ss;
	struct sockaddr_in6	*in6 = (struct sockaddr_in6 *)ss;
	char			 host[64], *port, *h = host;
	const char		*err;
	in_port_t		 p;

	memset(ss, 0, sizeof(*ss));
	if (strlcpy(host, arg, sizeof(host)) >= sizeof(host) ||
	    (port = strrchr(host, ':')) == NULL)
		return -1;
	*port++ = '\0';
	p = htons((in_port_t)strtonum(port, 0, 65535, &err));
	if (err != NULL)
		return -1;
	if (*h == '[' && port - 2 > h && port[-2] == ']') {
		port[-2] = '\0';
		in6->sin6_family = AF_INET6;
		in6->sin6_port = p;
		*len = sizeof(*in6);
		if (inet_pton(AF_INET6, h + 1, &in6->sin6_addr) != 1)
			return -1;
		*loopback = IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
		return 0;
	}
	in->sin_family = AF_INET;
	in->sin_port = p;
	*len = sizeof(*in);
	if (inet_pton(AF_INET, h, &in->sin_addr) != 1)
		return -1;
	*loopback = ntohl(in->sin_addr.s_addr) >> 24 == 127;
	return 0;
}

static int
listen_inet(const char *arg, int token)
{
	struct sockaddr_storage	ss;
	socklen_t		len;
	int			fd, loopback, on = 1;

	if (parse_inet(arg, &ss, &len, &loopback) == -1)
		fatalx("%s: neither unix:/path nor address:port", arg);
	if (!loopback && !token)
		fatalx("%s: only with a token (-t), not being loopback",
		    arg);
	if ((fd = socket(ss.ss_family, SOCK_STREAM, 0)) == -1)
		fatal("socket");
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&ss, len) == -1)
		fatal("%s", arg);
	return fd;
}

static void
listen_all(struct options *o, int *fds)
{
	const char	*arg;
	int		 i;

	for (i = 0; i < o->nlisten; i++) {
		arg = o->listen[i];
		if (strncmp(arg, "unix:", 5) == 0)
			fds[i] = listen_unix(arg + 5);
		else
			fds[i] = listen_inet(arg, o->conf.token != NULL);
		fcntl(fds[i], F_SETFL, O_NONBLOCK);
		fcntl(fds[i], F_SETFD, FD_CLOEXEC);
		if (listen(fds[i], MAIN_BACKLOG) == -1)
			fatal("listen on %s", arg);
	}
	o->conf.fds = fds;
	o->conf.nfds = o->nlisten;
}

static void
set_sandbox(struct options *o)
{
	struct sandbox	*sb = &o->sandbox;
	struct passwd	*pw;

	sb->role = ROLE_STORE;
	sb->mode = o->required ? SANDBOX_REQUIRED : SANDBOX_BEST_EFFORT;
	/* we are in the folder when it comes to that */
	sb->chroot = ".";
	if (o->user != NULL) {
		if (geteuid() != 0)
			fatalx("only root can become %s", o->user);
		if ((pw = getpwnam(o->user)) == NULL)
			fatalx("%s: no such user", o->user);
		sb->root = 1;
		sb->uid = pw->pw_uid;
		sb->gid = pw->pw_gid;
	}
	o->conf.sandbox = sb;
}

/* The folder; where it is made, it is ours alone. */
static int
open_folder(const struct options *o)
{
	const struct sandbox	*sb = &o->sandbox;
	int			 fd;

	if (mkdir(o->dir, 0700) == 0) {
		if (sb->root && chown(o->dir, sb->uid, sb->gid) == -1)
			fatal("%s", o->dir);
	} else if (errno != EEXIST)
		fatal("%s", o->dir);
	if ((fd = open(o->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1)
		fatal("%s", o->dir);
	return fd;
}

static void
options_parse(struct options *o, int argc, char **argv)
{
	int ch;

	while ((ch = getopt(argc, argv, "AD:Rd:l:o:p:st:u:v")) != -1) {
		switch (ch) {
		case 'A':
			o->conf.store.open_accounts = 1;
			break;
		case 'D':
			drop_capability(o, optarg);
			break;
		case 'R':
			o->required = 1;
			break;
		case 'd':
			o->dir = optarg;
			break;
		case 'l':
			if (o->nlisten == MAIN_LISTEN)
				fatalx("too many -l");
			o->listen[o->nlisten++] = optarg;
			break;
		case 'o':
			set_tunable(o, optarg);
			break;
		case 'p':
			add_peer(o, optarg);
			break;
		case 's':
			o->syslog = 1;
			break;
		case 't':
			o->token_file = optarg;
			break;
		case 'u':
			o->user = optarg;
			break;
		case 'v':
			o->verbose++;
			break;
		default:
			usage();
		}
	}
	if (argc != optind || o->dir == NULL || o->nlisten == 0)
		usage();
}

static int
serve(int argc, char **argv)
{
	static struct options	o;
	static int		fds[MAIN_LISTEN];

	mstored_defaults(&o.conf);
	options_parse(&o, argc, argv);
	log_init(o.syslog ? LOG_TO_SYSLOG : LOG_TO_STDERR, o.verbose,
	    "mstored");
	if (o.token_file != NULL)
		o.conf.token = read_token(o.token_file);
	o.conf.uids = o.uids;
	set_sandbox(&o);
	o.conf.dirfd = open_folder(&o);
	/* first the lock: a living server keeps its socket */
	if (mstored_lock(o.conf.dirfd) == -1)
		return 1;
	listen_all(&o, fds);
	mstored_boot(&o.conf);
	tzset();
	(void)charset_init();
	return mstored_run(&o.conf);
}

static const struct {
	const char	*name;
	int		(*run)(int, char **);
} commands[] = {
	{ "alias",	admin_alias },
	{ "backup",	backup_main },
	{ "check",	check_main },
	{ "restore",	restore_main },
	{ "user",	admin_user },
};

int
main(int argc, char **argv)
{
	size_t	i;
	int	r;

#ifdef LIBBSD_OVERLAY
	setproctitle_init(argc, argv, environ);
#endif
	if (argc == 3 && strcmp(argv[1], "-x") == 0)
		embedded_main();
	log_init(LOG_TO_STDERR, 0, "mstored");
	if (argc < 2)
		usage();
	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(argv[1], commands[i].name) != 0)
			continue;
		if ((r = commands[i].run(argc - 1, argv + 1)) == -1)
			usage();
		return r;
	}
	return serve(argc, argv);
}
