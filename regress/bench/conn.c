#include <sys/types.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <arpa/inet.h>
#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

#define CONN_ROOM	4096	/* at least so much is read at once */
#define CONN_IN_MAX	(4 * 1024 * 1024)
#define CONN_SEEN	2000	/* bytes shown of a wrong answer */

static const char *const services[] = { "IMAP", "POP3", "LMTP" };

void
conn_open(struct conn *c, enum service service)
{
	struct sockaddr_in	 sin;
	int			 on = 1;

	memset(&sin, 0, sizeof(sin));
	sin.sin_family = AF_INET;
	sin.sin_port = htons((uint16_t)opts.port[service]);
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if ((c->fd = socket(AF_INET, SOCK_STREAM, 0)) == -1)
		err(1, "socket");
	if (connect(c->fd, (struct sockaddr *)&sin, sizeof(sin)) == -1)
		err(1, "%s, port %d", services[service], opts.port[service]);
	if (fcntl(c->fd, F_SETFL, O_NONBLOCK) == -1 ||
	    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on,
	    sizeof(on)) == -1)
		err(1, "socket");
	c->service = service;
	c->eof = 0;
	c->have = c->scan = c->line = c->outlen = c->outpos = 0;
}

void
conn_close(struct conn *c)
{
	if (c->fd != -1)
		close(c->fd);
	c->fd = -1;
}

void
conn_free(struct conn *c)
{
	conn_close(c);
	free(c->in);
	free(c->out);
	c->in = c->out = NULL;
	c->insize = c->outsize = 0;
}

void
conn_wrong(const struct conn *c, const char *why)
{
	size_t i, n = c->have < CONN_SEEN ? c->have : CONN_SEEN;

	fprintf(stderr, "%s: %s, user u%u, %s: %s\n", opts.label,
	    services[c->service], c->user,
	    c->act != NULL ? c->act->name : "quiet", why);
	fprintf(stderr, "sent: %.*s\n", c->outlen < 200 ? (int)c->outlen :
	    200, c->out != NULL ? c->out : "");
	fprintf(stderr, "seen: ");
	for (i = 0; i < n; i++)
		if (isprint((unsigned char)c->in[i]) || c->in[i] == '\n')
			putc(c->in[i], stderr);
		else if (c->in[i] != '\r')
			fprintf(stderr, "\\x%02x", (unsigned char)c->in[i]);
	fprintf(stderr, "%s\n", n < c->have ? " ..." : "");
	exit(1);
}

static void
conn_room(char **buf, size_t *size, size_t need)
{
	size_t	 n = *size == 0 ? CONN_ROOM : *size;
	char	*p;

	while (n < need)
		n *= 2;
	if (n == *size)
		return;
	if ((p = realloc(*buf, n)) == NULL)
		err(1, NULL);
	*buf = p;
	*size = n;
}

void
conn_write(struct conn *c, const void *p, size_t len)
{
	conn_room(&c->out, &c->outsize, c->outlen + len);
	memcpy(c->out + c->outlen, p, len);
	c->outlen += len;
}

void
conn_printf(struct conn *c, const char *fmt, ...)
{
	char	line[512];
	va_list	ap;
	int	n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(line))
		errx(1, "a request too long");
	conn_write(c, line, (size_t)n);
}

int
conn_flush(struct conn *c)
{
	ssize_t n;

	while (c->outpos < c->outlen) {
		n = write(c->fd, c->out + c->outpos, c->outlen - c->outpos);
		if (n == -1 && errno == EAGAIN)
			return 0;
		if (n == -1)
			conn_wrong(c, strerror(errno));
		c->outpos += (size_t)n;
	}
	return 1;
}

void
conn_read(struct conn *c)
{
	ssize_t n;

	if (c->have > CONN_IN_MAX)
		conn_wrong(c, "an answer without end");
	conn_room(&c->in, &c->insize, c->have + CONN_ROOM + 1);
	n = read(c->fd, c->in + c->have, c->insize - c->have - 1);
	if (n == -1 && errno == EAGAIN)
		return;
	if (n == -1)
		conn_wrong(c, strerror(errno));
	if (n == 0)
		c->eof = 1;
	c->have += (size_t)n;
	c->in[c->have] = '\0';
}

void
conn_take(struct conn *c, size_t n)
{
	memmove(c->in, c->in + n, c->have - n);
	c->have -= n;
	c->in[c->have] = '\0';
	c->scan = c->line = 0;
}

ssize_t
conn_closed(struct conn *c)
{
	return c->eof && c->have == 0 ? 0 : -1;
}

const char *
conn_any(struct conn *c, const char *p, size_t len)
{
	return NULL;
}

void
conn_start(struct conn *c, const struct act *a)
{
	c->act = a;
	c->outlen = c->outpos = 0;
	if (a->send == NULL)
		return;
	if (c->have > 0)
		conn_wrong(c, "more than was asked for");
	a->send(c);
	(void)conn_flush(c);
}

int
conn_advance(struct conn *c)
{
	const char	*why;
	ssize_t		 n;

	while ((n = c->act->whole(c)) != -1) {
		if ((why = c->act->check(c, c->in, (size_t)n)) != NULL)
			conn_wrong(c, why);
		if (n > 0)
			conn_take(c, (size_t)n);
		if (c->act[1].whole == NULL)
			return 1;
		conn_start(c, c->act + 1);
	}
	if (c->eof)
		conn_wrong(c, "the server closed");
	return 0;
}

void
conn_run(struct conn *c, unsigned int n, const struct act *script)
{
	struct pollfd	 pfd[CONN_WINDOW];
	unsigned int	 i, left = n;

	for (i = 0; i < n; i++) {
		pfd[i].fd = c[i].fd;
		pfd[i].events = POLLIN;
		conn_start(&c[i], script);
	}
	while (left > 0) {
		if (poll(pfd, n, CONN_PATIENCE * 1000) <= 0)
			errx(1, "%s: no answer", opts.label);
		for (i = 0; i < n; i++) {
			if (pfd[i].revents == 0)
				continue;
			conn_read(&c[i]);
			if (conn_advance(&c[i])) {
				pfd[i].fd = -1;
				left--;
			}
		}
	}
}
