#include <sys/types.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf.h"
#include "log.h"
#include "parent.h"
#include "proc.h"
#include "roles.h"

extern char **environ;

#define MACROS_MAX	64
#define SPARE_FILES	64	/* that are no connections */

static void
usage(void)
{
	fprintf(stderr, "usage: mfrontd [-dnv] [-D macro=value] [-f file] "
	    "[-p pidfile]\n");
	exit(2);
}

/* What "-x role", in a child's argv, stands for. */
static void
role_main(const char *name)
{
	static const struct {
		enum role		 role;
		const struct proc_ops	*ops;
		void			(*main)(void);
	} roles[] = {
		{ ROLE_CONTROL,		&control_ops,	NULL },
		{ ROLE_CONNECTOR,	&connector_ops,	NULL },
		{ ROLE_AUTH,		&auth_ops,	NULL },
		{ ROLE_HASH,		&hash_ops,	NULL },
		{ ROLE_ENGINE,		&engine_ops,	NULL },
		{ ROLE_IMAP,		NULL,		imap_main },
		{ ROLE_POP3,		NULL,		pop3_main },
		{ ROLE_LMTP,		NULL,		lmtp_main },
	};
	size_t i;

	for (i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
		if (strcmp(name, role_names[roles[i].role]) != 0)
			continue;
		if (roles[i].main != NULL)
			roles[i].main();
		proc_main(roles[i].ops);
	}
	usage();
}

/* This program's own path, to start its children from. */
static char *
own_path(const char *argv0)
{
	char	*path, *copy, *dir, *next, try[PATH_MAX];

	if (strchr(argv0, '/') != NULL) {
		if ((path = realpath(argv0, NULL)) == NULL)
			fatal("%s", argv0);
		return path;
	}
	if ((path = getenv("PATH")) == NULL || (copy = strdup(path)) == NULL)
		fatalx("started without a path");
	for (next = copy; (dir = strsep(&next, ":")) != NULL;) {
		snprintf(try, sizeof(try), "%s/%s", dir, argv0);
		if (access(try, X_OK) == 0 &&
		    (path = realpath(try, NULL)) != NULL) {
			free(copy);
			return path;
		}
	}
	fatalx("cannot find %s in PATH", argv0);
}

/*
 * Goes into the background; the one who started us waits until all is up,
 * so that his exit status tells whether it is.
 */
static void
background(void)
{
	char	c;
	int	fds[2], null;

	if (pipe(fds) == -1)
		fatal("pipe");
	switch (fork()) {
	case -1:
		fatal("fork");
	case 0:
		break;
	default:
		close(fds[1]);
		_exit(read(fds[0], &c, 1) == 1 ? 0 : 1);
	}
	close(fds[0]);
	if (setsid() == -1 || chdir("/") == -1)
		fatal("background");
	if ((null = open("/dev/null", O_RDWR)) == -1)
		fatal("/dev/null");
	(void)dup2(null, STDIN_FILENO);
	(void)dup2(null, STDOUT_FILENO);
	if (parent.conf->logdest == LOG_TO_SYSLOG) {
		/* who started us is told what goes wrong; no child is */
		log_copy(fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, PROC_FD + 1));
		(void)dup2(null, STDERR_FILENO);
	}
	if (null > STDERR_FILENO)
		close(null);
	(void)fcntl(fds[1], F_SETFD, FD_CLOEXEC);
	parent.upfd = fds[1];
}

/* It must mean the same from another folder. */
static const char *
full_path(const char *path)
{
	char *cwd, *full;

	if (path == NULL || path[0] == '/')
		return path;
	if ((cwd = getcwd(NULL, 0)) == NULL ||
	    asprintf(&full, "%s/%s", cwd, path) == -1)
		fatal("%s", path);
	free(cwd);
	return full;
}

/* The folder of our own sockets; others may look, but not write. */
static void
make_rundir(const char *dir)
{
	struct stat st;

	if (mkdir(dir, 0755) == -1 && errno != EEXIST)
		fatal("%s", dir);
	if (stat(dir, &st) == -1 || !S_ISDIR(st.st_mode))
		fatal("%s", dir);
	if (st.st_uid != geteuid() || (st.st_mode & (S_IWGRP | S_IWOTH)))
		fatalx("%s: must be ours, and nobody else may write it", dir);
}

/* Standard descriptors are taken, so that no socket becomes one. */
static void
sanitise_fds(void)
{
	int fd;

	do {
		if ((fd = open("/dev/null", O_RDWR)) == -1)
			_exit(1);
	} while (fd <= PROC_FD);
	close(fd);
}

/*
 * A listener has a descriptor for each connection.  The children raise
 * their own limit as far as it goes; root can let it go further.
 */
static void
raise_nofile(const struct conf *conf)
{
	struct rlimit	rl;
	rlim_t		want = (rlim_t)conf->limits.conn_total + SPARE_FILES;

	if (getrlimit(RLIMIT_NOFILE, &rl) == -1)
		fatal("getrlimit");
	if (rl.rlim_max == RLIM_INFINITY || rl.rlim_max >= want)
		return;
	rl.rlim_max = want;
	if (setrlimit(RLIMIT_NOFILE, &rl) == 0 ||
	    getrlimit(RLIMIT_NOFILE, &rl) == -1)
		return;
	log_warnx("only %llu files may be open, for %u connections",
	    (unsigned long long)rl.rlim_max, conf->limits.conn_total);
}

/* A reload that comes before anybody can hear of it waits. */
static void
hold_hup(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
}

static void
start(int noaction, const char *pidfile, const char *argv0)
{
	struct conf	*conf = parent.conf;
	char		*err = NULL;

	if (noaction) {
		fprintf(stderr, "configuration OK\n");
		exit(0);
	}
	parent.root = geteuid() == 0;
	parent.path = own_path(argv0);
	if (spawn_open() == -1)
		exit(1);
	make_rundir(conf->rundir);
	if (listen_open(conf, NULL, &err) == -1)
		fatalx("%s", err);
	parent.pidfile = full_path(pidfile);
	if (parent.foreground)
		conf->logdest = LOG_TO_STDERR;
	log_init(conf->logdest, log_getverbose(), "mfrontd");
	if (!parent.foreground)
		background();
	raise_nofile(conf);
	parent_main();
}

int
main(int argc, char **argv)
{
	static const char	*macros[MACROS_MAX + 1];
	const char		*file = CONF_FILE, *pidfile = NULL;
	char			*err = NULL;
	int			 ch, noaction = 0, verbose = 0, n = 0;

#ifdef LIBBSD_OVERLAY
	setproctitle_init(argc, argv, environ);
#endif
	if (argc == 3 && strcmp(argv[1], "-x") == 0)
		role_main(argv[2]);
	sanitise_fds();
	hold_hup();
	log_init(LOG_TO_STDERR, 0, "mfrontd");
	parent.upfd = -1;
	while ((ch = getopt(argc, argv, "dD:f:np:v")) != -1) {
		switch (ch) {
		case 'd':
			parent.foreground = 1;
			break;
		case 'D':
			if (n == MACROS_MAX || strchr(optarg, '=') == NULL)
				usage();
			macros[n++] = optarg;
			break;
		case 'f':
			file = optarg;
			break;
		case 'n':
			noaction = 1;
			break;
		case 'p':
			pidfile = optarg;
			break;
		case 'v':
			verbose = 1;
			break;
		default:
			usage();
		}
	}
	if (argc > optind)
		usage();
	/* a reload reads it again, from another folder perhaps */
	if ((parent.conffile = realpath(file, NULL)) == NULL)
		fatal("%s", file);
	parent.macros = macros;
	if ((parent.conf = conf_load(parent.conffile, macros,
	    &err)) == NULL) {
		fprintf(stderr, "%s", err != NULL ? err : "no memory\n");
		exit(1);
	}
	conf_log(parent.conf->warnings);
	log_setverbose(verbose || parent.conf->verbose);
	start(noaction, pidfile, argv[0]);
	return 1;
}
