/*
 * usage: load [options] -p pid step ...
 *	  load [options] prepare | memory | idle | settle
 *	  load ports number | hash
 *
 * Runs steps against a server and prints for each a line of fields with
 * tabs between: "step", label, its name, the same for people, operations,
 * seconds, the server's CPU seconds, our own CPU seconds, operations with
 * those before and after, the run.
 *
 *	-I -P -L port	where IMAP, POP3 and LMTP are, on 127.0.0.1
 *	-p pid		the server's first process
 *	-l label	what it is called
 *	-c number	connections
 *	-t -w seconds	how long is measured, and how long warmed up before
 *	-r number	the run
 *	-n number	sessions of "memory" and "idle"
 *	-d number	deliveries of "idle"
 *	-v		CPU time of each of the server's processes, on stderr
 *
 * "prepare" fills the mailboxes, "memory" and "idle" are in idle.c,
 * "settle" waits until the server has nothing to do any more, and prints
 * "later", label, the run, and the CPU seconds that it took for that;
 * "ports" finds ports that are free, "hash" prints the users' password as
 * crypt(3) makes it when it is to cost nothing.
 */
#include <sys/types.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <crypt.h>
#include <err.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

#define CONNS_MAX	256
#define PORTS_MAX	16

enum phase { WARM, MEASURE, DRAIN };

struct opts	 opts = {
	.label = "server",
	.conns = 16,
	.seconds = 3,
	.warm = 0.5
};

static struct conn		 conns[CONNS_MAX];
static struct pollfd		 pfd[CONNS_MAX];
static enum phase		 phase;
static unsigned int		 nopen;
static const struct step	*step;
static uint64_t			 limit;		/* operations of each */

double
now(void)
{
	struct timespec ts;

	if (clock_gettime(CLOCK_MONOTONIC, &ts) == -1)
		err(1, "clock_gettime");
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static double
load_cpu(void)
{
	struct timespec ts;

	if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts) == -1)
		err(1, "clock_gettime");
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static uint64_t
load_done(void)
{
	uint64_t	n = 0;
	unsigned int	i;

	for (i = 0; i < opts.conns; i++)
		n += conns[i].done;
	return n;
}

static void
load_connect(struct conn *c)
{
	conn_open(c, step->service);
	pfd[c->id].fd = c->fd;
	c->begun = step->begin == NULL;
	conn_start(c, c->begun ? step->op : step->begin);
}

/* A script is at its end: what does this connection do next? */
static void
load_next(struct conn *c)
{
	if (c->begun)
		c->done++;
	if (c->begun && step->begin == NULL)
		conn_close(c);
	if (phase == DRAIN || (limit > 0 && c->done == limit)) {
		conn_close(c);
		pfd[c->id].fd = -1;
		nopen--;
		return;
	}
	if (c->fd == -1) {
		load_connect(c);
		return;
	}
	c->begun = 1;
	conn_start(c, step->op);
}

/* One round; 0: no connection is left. */
static int
load_round(void)
{
	unsigned int	i;
	int		r;

	if (nopen == 0)
		return 0;
	if ((r = poll(pfd, opts.conns, CONN_PATIENCE * 1000)) == -1)
		err(1, "poll");
	for (i = 0; i < opts.conns; i++) {
		if (pfd[i].fd == -1)
			continue;
		if (r == 0)
			conn_wrong(&conns[i], "no answer");
		if (pfd[i].revents & POLLOUT && conn_flush(&conns[i]))
			pfd[i].events = POLLIN;
		if (pfd[i].revents & ~POLLOUT) {
			conn_read(&conns[i]);
			if (conn_advance(&conns[i]))
				load_next(&conns[i]);
		}
		if (conns[i].outpos < conns[i].outlen)
			pfd[i].events = POLLIN | POLLOUT;
	}
	return 1;
}

static void
load_open(const struct step *s)
{
	unsigned int i;

	step = s;
	phase = WARM;
	nopen = opts.conns;
	for (i = 0; i < opts.conns; i++) {
		conns[i].id = i;
		conns[i].user = USER_MAIL + i;
		conns[i].done = 0;
		pfd[i].events = POLLIN;
		load_connect(&conns[i]);
	}
}

/* Everybody has done it twice: what is made once is made. */
static int
load_warm(void)
{
	unsigned int i;

	for (i = 0; i < opts.conns; i++)
		if (conns[i].done < 2)
			return 0;
	return 1;
}

static void
load_drain(void)
{
	unsigned int i;

	phase = DRAIN;
	while (load_round())
		;
	for (i = 0; i < opts.conns; i++)
		conn_free(&conns[i]);
}

static void
load_step(const struct step *s)
{
	struct cost	*a, *b;
	double		 start, end, mine;
	uint64_t	 ops, before;

	load_open(s);
	for (start = now(); now() < start + opts.warm || !load_warm();)
		load_round();
	phase = MEASURE;
	a = cost_read(opts.server);
	mine = load_cpu();
	before = load_done();
	for (start = now(); now() < start + opts.seconds;)
		load_round();
	end = now();
	ops = load_done() - before;
	mine = load_cpu() - mine;
	b = cost_read(opts.server);
	load_drain();
	if (ops == 0)
		errx(1, "%s: %s: nothing was done", opts.label, s->name);
	printf("step\t%s\t%s\t%s\t%llu\t%.6f\t%.6f\t%.6f\t%llu\t%u\n",
	    opts.label, s->name, s->what, (unsigned long long)ops,
	    end - start, cost_between(a, b), mine,
	    (unsigned long long)load_done(), opts.run);
	fflush(stdout);
	if (opts.verbose) {
		fprintf(stderr, "%s, %s: %.0f/s, %.2f us\n", opts.label,
		    s->what, (double)ops / (end - start),
		    cost_between(a, b) / (double)ops * 1e6);
		cost_print(a, b, ops);
	}
	cost_free(a);
	cost_free(b);
}

/* Every user's INBOX gets its messages; each of LMTP's one. */
static void
load_prepare(void)
{
	static const struct step fill = { "prepare", "prepare", IMAP,
	    imap_begin, imap_prepare };
	struct conn	*c = &conns[0];
	unsigned int	 i;

	limit = MAILBOX;
	load_open(&fill);
	while (load_round())
		;
	limit = 0;
	if (opts.port[LMTP] == 0)
		return;
	conn_open(c, LMTP);
	conn_run(c, 1, lmtp_begin);
	for (i = 0; i < NUSER_LMTP; i++) {
		c->user = USER_LMTP + i;
		conn_run(c, 1, lmtp_deliver);
	}
	conn_free(c);
}

/*
 * What was delivered may make work later: it begins after a second or two,
 * and is done when nothing has been done for two.
 */
#define SETTLE_LEAST	4	/* seconds */
#define SETTLE_MOST	60
#define SETTLE_QUIET	0.01	/* CPU seconds in a second */

static void
load_settle(void)
{
	struct cost	*first = cost_read(opts.server), *a, *b;
	int		 i, quiet = 0;

	a = cost_read(opts.server);
	for (i = 0; i < SETTLE_LEAST || (quiet < 2 && i < SETTLE_MOST); i++) {
		sleep(1);
		b = cost_read(opts.server);
		quiet = cost_between(a, b) < SETTLE_QUIET ? quiet + 1 : 0;
		cost_free(a);
		a = b;
	}
	printf("later\t%s\t%u\t%.6f\n", opts.label, opts.run,
	    cost_between(first, a));
	cost_free(first);
	cost_free(a);
}

static void
load_ports(unsigned int n)
{
	struct sockaddr_in	 sin;
	socklen_t		 len = sizeof(sin);
	unsigned int		 i;
	int			 fd;

	/* all are kept until the end, so that they differ */
	for (i = 0; i < n && i < PORTS_MAX; i++) {
		memset(&sin, 0, sizeof(sin));
		sin.sin_family = AF_INET;
		sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		if ((fd = socket(AF_INET, SOCK_STREAM, 0)) == -1 ||
		    bind(fd, (struct sockaddr *)&sin, sizeof(sin)) == -1 ||
		    getsockname(fd, (struct sockaddr *)&sin, &len) == -1)
			err(1, "a free port");
		printf("%d\n", ntohs(sin.sin_port));
	}
}

/* One round of SHA-1: a microsecond or two. */
static void
load_hash(void)
{
	const char *hash = crypt(PASSWORD, "$sha1$1$benchsalt$");

	if (hash == NULL || *hash == '*')
		errx(1, "crypt(3) does not know this hash");
	puts(hash);
}

static const struct step *
load_find(const char *name)
{
	static const struct step *const all[] = { imap_steps, pop3_steps,
	    lmtp_steps };
	const struct step	*s;
	size_t			 i;

	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		for (s = all[i]; s->name != NULL; s++)
			if (strcmp(s->name, name) == 0)
				return s;
	errx(2, "%s: no such step", name);
}

static void
load_do(const char *what, unsigned int n, unsigned int deliveries)
{
	if (strcmp(what, "prepare") == 0)
		load_prepare();
	else if (strcmp(what, "settle") == 0)
		load_settle();
	else if (strcmp(what, "memory") == 0)
		idle_memory(n);
	else if (strcmp(what, "idle") == 0)
		idle_latency(n, deliveries);
	else
		load_step(load_find(what));
}

static long long
load_number(const char *s, long long min, long long max)
{
	const char	*why;
	long long	 n = strtonum(s, min, max, &why);

	if (why != NULL)
		errx(2, "%s: %s", s, why);
	return n;
}

int
main(int argc, char **argv)
{
	unsigned int	n = 1000, deliveries = 100;
	int		ch;

	signal(SIGPIPE, SIG_IGN);
	while ((ch = getopt(argc, argv, "I:L:P:c:d:l:n:p:r:t:vw:")) != -1) {
		switch (ch) {
		case 'I':
			opts.port[IMAP] = (int)load_number(optarg, 1, 65535);
			break;
		case 'L':
			opts.port[LMTP] = (int)load_number(optarg, 1, 65535);
			break;
		case 'P':
			opts.port[POP3] = (int)load_number(optarg, 1, 65535);
			break;
		case 'c':
			opts.conns = (unsigned int)load_number(optarg, 1,
			    CONNS_MAX);
			break;
		case 'd':
			deliveries = (unsigned int)load_number(optarg, 1,
			    100000);
			break;
		case 'l':
			opts.label = optarg;
			break;
		case 'n':
			n = (unsigned int)load_number(optarg, 1, 100000);
			break;
		case 'p':
			opts.server = (pid_t)load_number(optarg, 1, INT32_MAX);
			break;
		case 'r':
			opts.run = (unsigned int)load_number(optarg, 0, 1000);
			break;
		case 't':
			opts.seconds = strtod(optarg, NULL);
			break;
		case 'v':
			opts.verbose = 1;
			break;
		case 'w':
			opts.warm = strtod(optarg, NULL);
			break;
		default:
			return 2;
		}
	}
	argv += optind;
	if (*argv == NULL)
		errx(2, "nothing to do");
	if (strcmp(*argv, "ports") == 0 && argv[1] != NULL) {
		load_ports((unsigned int)load_number(argv[1], 1, PORTS_MAX));
		return 0;
	}
	if (strcmp(*argv, "hash") == 0) {
		load_hash();
		return 0;
	}
	if (opts.server == 0)
		errx(2, "which process is the server?");
	for (; *argv != NULL; argv++)
		load_do(*argv, n, deliveries);
	return 0;
}
