#include <sys/types.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <tls.h>
#include <unistd.h>

#include "check_net.h"

#define NET_CHUNK	(64 * 1024)
#define NET_MAX		(256 * 1024 * 1024)	/* unread bytes */

int64_t
net_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* 1: ready, 0 and ETIMEDOUT: the moment has come. */
static int
net_poll(struct net *n, short events, int64_t until, short *got)
{
	struct pollfd	pfd = { .fd = n->fd, .events = events };
	int64_t		left;
	int		r;

	do {
		if ((left = until - net_now()) < 0)
			left = 0;
		r = poll(&pfd, 1, (int)left);
	} while (r == -1 && errno == EINTR);
	if (r == 0)
		errno = ETIMEDOUT;
	if (got != NULL)
		*got = pfd.revents;
	return r == 1;
}

static int
net_connect(const struct sockaddr *sa, socklen_t len, int family)
{
	int fd, one = 1;

	if ((fd = socket(family, SOCK_STREAM, 0)) == -1)
		return -1;
	if (connect(fd, sa, len) == -1) {
		close(fd);
		return -1;
	}
	if (family != AF_UNIX)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one,
		    sizeof(one));
	return fd;
}

static int
net_connect_unix(const char *path)
{
	struct sockaddr_un sun;

	memset(&sun, 0, sizeof(sun));
	sun.sun_family = AF_UNIX;
	if (strlcpy(sun.sun_path, path, sizeof(sun.sun_path)) >=
	    sizeof(sun.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return net_connect((struct sockaddr *)&sun, sizeof(sun), AF_UNIX);
}

static int
net_connect_inet(const struct baseurl *u, const char **why)
{
	struct addrinfo	 hints, *res, *ai;
	char		 port[8];
	int		 r, fd = -1;

	memset(&hints, 0, sizeof(hints));
	hints.ai_socktype = SOCK_STREAM;
	snprintf(port, sizeof(port), "%u", u->port);
	if ((r = getaddrinfo(u->host, port, &hints, &res)) != 0) {
		*why = gai_strerror(r);
		return -1;
	}
	for (ai = res; ai != NULL && fd == -1; ai = ai->ai_next)
		fd = net_connect(ai->ai_addr, ai->ai_addrlen,
		    ai->ai_family);
	r = errno;
	freeaddrinfo(res);
	errno = r;
	return fd;
}

static int
net_tls(struct net *n, const char **why)
{
	static _Thread_local char	text[256];
	const char			*error;
	int				 r;

	if ((n->tls = tls_client()) == NULL ||
	    tls_configure(n->tls, n->peer->tls) == -1 ||
	    tls_connect_socket(n->tls, n->fd, n->peer->url.host) == -1 ||
	    (r = tls_handshake(n->tls)) == -1) {
		/* the error goes with the connection */
		error = n->tls != NULL ? tls_error(n->tls) : NULL;
		strlcpy(text, error != NULL ? error : "TLS failed",
		    sizeof(text));
		*why = text;
		return -1;
	}
	return 0;
}

static int
net_room(struct net *n)
{
	char	*p;
	size_t	 cap;

	if (n->cap - n->len >= NET_CHUNK)
		return 0;
	cap = n->cap * 2 > n->len + NET_CHUNK ? n->cap * 2 :
	    n->len + NET_CHUNK;
	if (cap > NET_MAX) {
		errno = EMSGSIZE;
		return -1;
	}
	if ((p = realloc(n->buf, cap)) == NULL)
		return -1;
	n->buf = p;
	n->cap = cap;
	return 0;
}

struct net *
net_open(struct net_peer *peer, const char **why)
{
	struct net *n;

	*why = NULL;
	if ((n = calloc(1, sizeof(*n))) == NULL)
		return NULL;
	n->peer = peer;
	n->fd = -1;
	if (net_room(n) == -1) {
		net_close(n);
		return NULL;
	}
	n->fd = peer->url.kind == URL_UNIX ?
	    net_connect_unix(peer->url.sock) :
	    net_connect_inet(&peer->url, why);
	if (n->fd == -1 || (peer->url.kind == URL_HTTPS &&
	    net_tls(n, why) == -1) ||
	    fcntl(n->fd, F_SETFL, O_NONBLOCK) == -1) {
		int e = errno;

		net_close(n);
		errno = e;
		return NULL;
	}
	return n;
}

void
net_close(struct net *n)
{
	if (n == NULL)
		return;
	if (n->tls != NULL) {
		(void)tls_close(n->tls);
		tls_free(n->tls);
	}
	if (n->fd != -1)
		close(n->fd);
	free(n->buf);
	free(n);
}

const char *
net_error(struct net *n)
{
	const char *why = NULL;

	if (errno == EIO && n->tls != NULL)
		why = tls_error(n->tls);
	return why != NULL ? why : strerror(errno);
}

void
net_cut(struct net *n)
{
	shutdown(n->fd, SHUT_RDWR);
}

/* As read(2) and write(2), with what to wait for in *want. */
static ssize_t
net_some_in(struct net *n, void *p, size_t len, short *want)
{
	ssize_t r;

	*want = POLLIN;
	if (n->tls == NULL) {
		r = read(n->fd, p, len);
	} else {
		r = tls_read(n->tls, p, len);
		if (r == TLS_WANT_POLLIN || r == TLS_WANT_POLLOUT) {
			*want = r == TLS_WANT_POLLIN ? POLLIN : POLLOUT;
			errno = EAGAIN;
			r = -1;
		} else if (r == -1)
			errno = EIO;
	}
	return r;
}

static ssize_t
net_some_out(struct net *n, const void *p, size_t len, short *want)
{
	ssize_t r;

	*want = POLLOUT;
	if (n->tls == NULL) {
		r = send(n->fd, p, len, MSG_NOSIGNAL);
	} else {
		r = tls_write(n->tls, p, len);
		if (r == TLS_WANT_POLLIN || r == TLS_WANT_POLLOUT) {
			*want = r == TLS_WANT_POLLIN ? POLLIN : POLLOUT;
			errno = EAGAIN;
			r = -1;
		} else if (r == -1)
			errno = EIO;
	}
	return r;
}

int
net_write(struct net *n, const void *data, size_t len)
{
	const char	*p = data;
	int64_t		 until = net_now() + n->peer->wait;
	ssize_t		 r;
	short		 want, got;

	while (len > 0) {
		if ((r = net_some_out(n, p, len, &want)) > 0) {
			p += r;
			len -= (size_t)r;
			continue;
		}
		if (r == -1 && errno == EINTR)
			continue;
		if (r == -1 && errno != EAGAIN)
			return -1;
		if (!net_poll(n, n->tls == NULL ? (short)(want | POLLIN) :
		    want, until, &got))
			return -1;
		if (n->tls == NULL && (got & POLLIN) && !(got & POLLOUT))
			return 1;
	}
	return 0;
}

ssize_t
net_read(struct net *n, int64_t until)
{
	ssize_t	r;
	short	want;

	if (net_room(n) == -1)
		return -1;
	for (;;) {
		r = net_some_in(n, n->buf + n->len, n->cap - n->len, &want);
		if (r >= 0) {
			n->len += (size_t)r;
			return r;
		}
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return -1;
		if (!net_poll(n, want, until, NULL))
			return -1;
	}
}

void
net_taken(struct net *n, size_t len)
{
	n->len -= len;
	memmove(n->buf, n->buf + len, n->len);
}

int
net_ended(struct net *n)
{
	if (n->len > 0)
		return 0;
	return net_read(n, net_now()) != -1 || errno != ETIMEDOUT;
}
