/*
 * usage: bench [-c connections] [-n requests] [-s step] mstored
 *
 * What the calls that matter most cost: starts a server in a temporary
 * folder, keeps so many connections busy with one request each, and prints
 * for each step the requests a second and the server's CPU time per
 * request, all its threads together.
 */
#include <sys/types.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <err.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "http.h"

#define CONNS_MAX	256
#define ANSWER_MAX	(1024 * 1024)
#define MESSAGE		8192		/* bytes */
#define MAILBOX		1000		/* messages */

struct peer {
	int	 fd;
	char	*buf;			/* the answer so far */
	size_t	 have;
};

static struct peer	 peers[CONNS_MAX];
static char		 dir[] = "/tmp/mbench.XXXXXX";
static char		 sock[64];
static pid_t		 server;
static char		 mailbox[64], content[64];
static unsigned long	 serial;
static int		 only = -1;

static double
now(clockid_t clock)
{
	struct timespec ts;

	if (clock_gettime(clock, &ts) == -1)
		err(1, "clock_gettime");
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static double
server_cpu(void)
{
	clockid_t clock;

	if (clock_getcpuclockid(server, &clock) != 0)
		errx(1, "the server is gone");
	return now(clock);
}

static int
connect_server(void)
{
	struct sockaddr_un	sun;
	int			fd, i;

	memset(&sun, 0, sizeof(sun));
	sun.sun_family = AF_UNIX;
	strlcpy(sun.sun_path, sock, sizeof(sun.sun_path));
	for (i = 0; i < 500; i++) {
		if ((fd = socket(AF_UNIX, SOCK_STREAM, 0)) == -1)
			err(1, "socket");
		if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == 0)
			return fd;
		close(fd);
		usleep(10000);
	}
	errx(1, "the server does not start");
}

static void
start(const char *program)
{
	char listen[80], folder[64];

	if (mkdtemp(dir) == NULL)
		err(1, "mkdtemp");
	snprintf(sock, sizeof(sock), "%s/sock", dir);
	snprintf(listen, sizeof(listen), "unix:%s", sock);
	snprintf(folder, sizeof(folder), "%s/store", dir);
	if ((server = fork()) == -1)
		err(1, "fork");
	if (server == 0) {
		execl(program, "mstored", "-A", "-d", folder, "-l", listen,
		    (char *)NULL);
		err(1, "%s", program);
	}
}

static void
stop(void)
{
	char cmd[64];

	kill(server, SIGTERM);
	waitpid(server, NULL, 0);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	if (system(cmd) != 0)
		warnx("%s stays", dir);
}

/* Is the answer whole?  Only those with a length are expected. */
static int
answer_whole(struct peer *p, struct http_head *h)
{
	ssize_t n;

	n = http_response(h, p->buf, p->have, "GET");
	if (n == -1)
		errx(1, "nonsense: %.*s", (int)p->have, p->buf);
	if (n == 0)
		return 0;
	if (h->framing != HTTP_LENGTH || h->status / 100 != 2)
		errx(1, "unexpected: %.*s", (int)p->have, p->buf);
	return p->have == (size_t)n + h->length;
}

static int
peer_read(struct peer *p)
{
	struct http_head	h;
	ssize_t			n;

	n = read(p->fd, p->buf + p->have, ANSWER_MAX - p->have);
	if (n <= 0)
		errx(1, "the server closed");
	p->have += (size_t)n;
	return answer_whole(p, &h);
}

static void
peer_send(struct peer *p, const char *data, size_t len)
{
	p->have = 0;
	if (write(p->fd, data, len) != (ssize_t)len)
		err(1, "write");
}

/* The steps: each writes one request. */

static size_t
req(char *out, const char *method, const char *tail, const char *body)
{
	return (size_t)sprintf(out, "%s /v1/accounts/joe/%s HTTP/1.1\r\n"
	    "Host: x\r\nMfront-Session: 0123abcd-1-2\r\ntraceparent: "
	    "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n"
	    "Idempotency-Key: bench-%lu-%d\r\nContent-Length: %zu\r\n\r\n%s",
	    method, tail, ++serial, (int)server, strlen(body), body);
}

static size_t
req_get(char *out, const char *tail)
{
	return (size_t)sprintf(out, "GET /v1/accounts/joe/%s HTTP/1.1\r\n"
	    "Host: x\r\nMfront-Session: 0123abcd-1-2\r\ntraceparent: "
	    "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n\r\n",
	    tail);
}

static size_t
step_row(char *out)
{
	char tail[128];

	snprintf(tail, sizeof(tail), "mailboxes/%s", mailbox);
	return req_get(out, tail);
}

static size_t
step_list(char *out)
{
	char tail[128];

	snprintf(tail, sizeof(tail), "mailboxes/%s/messages?fields=uid,flags",
	    mailbox);
	return req_get(out, tail);
}

static size_t
step_one(char *out)
{
	char tail[160];

	snprintf(tail, sizeof(tail), "mailboxes/%s/messages?uids=%lu&"
	    "fields=id,size,date", mailbox, 1 + serial++ % MAILBOX);
	return req_get(out, tail);
}

static size_t
step_get(char *out)
{
	char tail[128];

	snprintf(tail, sizeof(tail), "messages/%s", content);
	return req_get(out, tail);
}

static size_t
step_patch(char *out)
{
	char	tail[128], body[128];

	/* on and off, so that each one really changes something */
	snprintf(tail, sizeof(tail), "mailboxes/%s/messages", mailbox);
	snprintf(body, sizeof(body), "{\"uids\":\"%lu\",\"%s\":"
	    "[\"\\\\Seen\"]}", 1 + serial % MAILBOX,
	    serial / MAILBOX % 2 == 0 ? "add" : "remove");
	return req(out, "PATCH", tail, body);
}

static size_t
step_upload(char *out)
{
	static char	message[MESSAGE];
	char		line[256];
	int		n, len;

	memset(message, 'x', sizeof(message));
	len = snprintf(line, sizeof(line), "{\"to\":[{\"account\":\"joe\","
	    "\"mailbox\":\"%s\",\"flags\":[\"\\\\Seen\"]}],"
	    "\"delivery\":false}\n", mailbox);
	n = sprintf(out, "POST /v1/messages HTTP/1.1\r\nHost: x\r\n"
	    "Mfront-Session: 0123abcd-1-2\r\nIdempotency-Key: up-%lu\r\n"
	    "Content-Length: %d\r\n\r\n%s", ++serial, len + MESSAGE, line);
	memcpy(out + n, message, MESSAGE);
	return (size_t)n + MESSAGE;
}

static const struct step {
	const char	*name;
	size_t		 (*make)(char *);
	int		 share;		/* so much of the requests */
} steps[] = {
	{ "mailbox row", step_row, 1 },
	{ "list 1000 uid,flags", step_list, 10 },
	{ "one row id,size,date", step_one, 1 },
	{ "content of 8 KiB", step_get, 1 },
	{ "flags of one message", step_patch, 1 },
	{ "upload of 8 KiB", step_upload, 2 },
};

static void
load(const struct step *s, int conns, long total)
{
	static char	 out[MESSAGE + 4096];
	struct pollfd	 pfd[CONNS_MAX];
	long		 sent = 0, done = 0;
	int		 i;

	for (i = 0; i < conns; i++, sent++) {
		peer_send(&peers[i], out, s->make(out));
		pfd[i].fd = peers[i].fd;
		pfd[i].events = POLLIN;
	}
	while (done < total) {
		if (poll(pfd, (nfds_t)conns, 10000) <= 0)
			errx(1, "%s: no answer", s->name);
		for (i = 0; i < conns; i++) {
			if (pfd[i].revents == 0 || !peer_read(&peers[i]))
				continue;
			done++;
			if (sent < total) {
				peer_send(&peers[i], out, s->make(out));
				sent++;
			} else
				pfd[i].fd = -1;
		}
	}
}

static void
run(const struct step *s, int conns, long total)
{
	double wall, cpu, mine;

	total /= s->share;
	load(s, conns, total / 10 + conns);	/* warm */
	wall = now(CLOCK_MONOTONIC);
	mine = now(CLOCK_PROCESS_CPUTIME_ID);
	cpu = server_cpu();
	load(s, conns, total);
	cpu = server_cpu() - cpu;
	wall = now(CLOCK_MONOTONIC) - wall;
	mine = now(CLOCK_PROCESS_CPUTIME_ID) - mine;
	printf("%-22s %9.0f/s %8.1f us server CPU %7.1f us client\n",
	    s->name, (double)total / wall, cpu / (double)total * 1e6,
	    mine / (double)total * 1e6);
	fflush(stdout);
}

/* A value of the last answer: its first "name":"...". */
static void
pick(const char *name, char *out, size_t size)
{
	char	*p, *q;

	peers[0].buf[peers[0].have] = '\0';
	if ((p = strstr(peers[0].buf, name)) == NULL ||
	    (q = strchr(p += strlen(name), '"')) == NULL)
		errx(1, "no %s in the answer", name);
	*q = '\0';
	strlcpy(out, p, size);
}

static void
one(const char *data, size_t len)
{
	peer_send(&peers[0], data, len);
	while (!peer_read(&peers[0]))
		;
}

static void
prepare(int conns)
{
	static char	 out[MESSAGE + 4096];
	int		 i;

	for (i = 0; i < conns; i++) {
		peers[i].fd = connect_server();
		if ((peers[i].buf = malloc(ANSWER_MAX + 1)) == NULL)
			err(1, "malloc");
	}
	one(out, req_get(out, "mailboxes"));
	pick("\"id\":\"", mailbox, sizeof(mailbox));
	for (i = 0; i < MAILBOX; i++)
		one(out, step_upload(out));
	pick("\"id\":\"", content, sizeof(content));
}

int
main(int argc, char **argv)
{
	long	n = 100000;
	int	ch, conns = 16;
	size_t	i;

	while ((ch = getopt(argc, argv, "c:n:s:")) != -1) {
		switch (ch) {
		case 'c':
			conns = atoi(optarg);
			break;
		case 'n':
			n = atol(optarg);
			break;
		case 's':
			only = atoi(optarg);
			break;
		default:
			return 2;
		}
	}
	if (optind != argc - 1 || conns < 1 || conns > CONNS_MAX || n < 100)
		errx(2, "usage: bench [-c connections] [-n requests] "
		    "[-s step] mstored");
	start(argv[optind]);
	atexit(stop);
	prepare(conns);
	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		if (only == -1 || only == (int)i)
			run(&steps[i], conns, n);
	return 0;
}
