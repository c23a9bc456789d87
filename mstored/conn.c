#include <sys/types.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event.h>

#include "conn.h"
#include "job.h"
#include "log.h"

#define CONN_CHECK	4096	/* bytes that count as progress */
#define CONN_HIGH	(64 * 1024)
#define CONN_LOW	(16 * 1024)
#define CONN_SPARE	32	/* requests kept for use again */
#define CONN_RETRY	1	/* s without accepting, out of descriptors */

struct server server;

static TAILQ_HEAD(conn_list, conn) conns = TAILQ_HEAD_INITIALIZER(conns);
static SLIST_HEAD(req_list, req) spare = SLIST_HEAD_INITIALIZER(spare);
static int nspare;

struct listener {
	int		 fd;
	int		 local;		/* a unix socket: who is there? */
	int		 on;
	struct event	 ev;
};

static struct listener	*listeners;
static int		 nlisteners;
static struct tmo_class	 check_class, retry_class;
static struct tmo	 retry_tmo;

/* requests */

static struct req *
req_new(struct conn *c)
{
	struct req *r;

	if ((r = SLIST_FIRST(&spare)) != NULL) {
		SLIST_REMOVE_HEAD(&spare, entry);
		nspare--;
	} else if ((r = malloc(sizeof(*r))) == NULL)
		return NULL;
	memset(r, 0, sizeof(*r));
	r->c = c;
	c->req = r;
	return r;
}

void
req_free(struct req *r)
{
	if (r->free != NULL)
		r->free(r);
	ibuf_wipe(&r->body);
	if (nspare >= CONN_SPARE) {
		free(r);
		return;
	}
	SLIST_INSERT_HEAD(&spare, r, entry);
	nspare++;
}

void
req_lend(struct req *r)
{
	r->jobs++;
}

int
req_return(struct req *r)
{
	r->jobs--;
	if (!r->orphan)
		return 1;
	if (r->jobs == 0)
		req_free(r);
	return 0;
}

void
req_take_body(struct req *r, struct ibuf *body)
{
	*body = r->body;
	ibuf_init(&r->body, 0);
}

static void
conn_ready(struct conn *c)
{
	c->state = CONN_HEAD;
	io_hold(&c->io, 0);
	if (c->last || server.stopping)
		io_close(&c->io, "done");
	else
		io_resume(&c->io);
}

/* The request is there; what the peer sends or does next must wait. */
static void
conn_busy(struct conn *c)
{
	c->state = CONN_BUSY;
	io_hold(&c->io, 1);
}

void
req_done(struct req *r)
{
	struct conn *c = r->c;

	c->req = NULL;
	if (!r->keepalive)
		c->last = 1;
	/* a body that is not read to its end: the peer may still write */
	if (c->state == CONN_BODY) {
		c->state = CONN_LINGER;
		io_resume(&c->io);
	} else
		conn_ready(c);
	if (r->jobs > 0) {
		r->orphan = 1;
		r->c = NULL;
	} else
		req_free(r);
}

void
req_pause(struct req *r)
{
	io_pause(&r->c->io);
}

void
req_resume(struct req *r)
{
	io_resume(&r->c->io);
}

void
req_again(struct req *r)
{
	/* as if the queue had been full: io_turn() calls conn_drained() */
	r->c->io.flags |= IO_HIGH;
	io_kick(&r->c->io);
}

/* reading */

static int
conn_token_ok(const struct http_head *h)
{
	const struct http_str	*f;
	const char		*token = server.conf->token;
	size_t			 len;

	if (token == NULL)
		return 1;
	if ((f = http_field(h, "Authorization")) == NULL || f->len < 7 ||
	    strncasecmp(f->p, "Bearer ", 7) != 0)
		return 0;
	len = strlen(token);
	return f->len - 7 == len && timingsafe_bcmp(f->p + 7, token,
	    len) == 0;
}

static int
conn_key(struct req *r, const struct http_head *h)
{
	const struct http_str *f;

	if ((server.conf->caps & CAP(CAP_IDEMPOTENCY)) == 0 ||
	    (f = http_field(h, "Idempotency-Key")) == NULL)
		return 0;
	if (!name_is_key(f->p, f->len))
		return -1;
	memcpy(r->key, f->p, f->len);
	r->key[f->len] = '\0';
	return 0;
}

/* What a repeat must have in common with the first: so far the head. */
static void
conn_print(struct req *r, const struct head *hd)
{
	fprint_init(&r->print);
	if (r->key[0] == '\0')
		return;
	fprint_add(&r->print, hd->h.method.p, hd->h.method.len);
	fprint_add(&r->print, " ", 1);
	fprint_add(&r->print, hd->h.target.p, hd->h.target.len);
	fprint_add(&r->print, "\n", 1);
}

static void
conn_log(const struct http_head *h)
{
	static const struct http_str	 none = { "-", 1 };
	const struct http_str		*s, *t;

	if (!log_getverbose())
		return;
	if ((s = http_field(h, "Mfront-Session")) == NULL)
		s = &none;
	if ((t = http_field(h, "traceparent")) == NULL)
		t = &none;
	log_debug("%.*s %.*s session=%.*s trace=%.*s", (int)h->method.len,
	    h->method.p, (int)h->target.len, h->target.p, (int)s->len, s->p,
	    (int)t->len, t->p);
}

/* Everything that can be wrong with a head; 1 when the request goes on. */
static int
conn_check(struct req *r, const struct head *hd)
{
	const char	*allow;
	int		 code, status;

	if (!conn_token_ok(&hd->h)) {
		resp_error(r, ST_BAD_TOKEN, NULL);
		return 0;
	}
	if ((r->route = route_find(hd, server.conf->caps, &status,
	    &allow)) == NULL) {
		resp_refuse(r, status, "no such call", allow);
		return 0;
	}
	if ((code = route_args(r, hd)) != ST_OK) {
		resp_error(r, code, NULL);
		return 0;
	}
	if (conn_key(r, &hd->h) == -1) {
		resp_error(r, ST_BAD_REQUEST, "Idempotency-Key");
		return 0;
	}
	if (r->route->body == BODY_NONE && r->length != 0) {
		resp_error(r, ST_BAD_REQUEST, "a body is not expected");
		return 0;
	}
	if (r->route->body == BODY_WHOLE && r->length != UINT64_MAX &&
	    r->length > r->route->max) {
		resp_error(r, ST_TOO_LARGE, NULL);
		return 0;
	}
	return 1;
}

static void
conn_body_complete(struct req *r)
{
	conn_busy(r->c);
	if (r->route->body == BODY_STREAM)
		r->route->end(r);
	else
		r->route->run(r, NULL);
}

static void
conn_request(struct conn *c, const struct head *hd)
{
	struct req *r;

	if ((r = req_new(c)) == NULL) {
		io_abort(&c->io, "no memory");
		return;
	}
	c->nreq++;
	server.requests++;
	r->minor = hd->h.minor;
	r->keepalive = hd->h.keepalive;
	r->expect = hd->h.expect;
	r->length = hd->h.framing == HTTP_CHUNKED ? UINT64_MAX :
	    hd->h.framing == HTTP_LENGTH ? hd->h.length : 0;
	http_body_init(&r->hb, &hd->h);
	/* an error now is an early answer, unless nothing more comes */
	if (r->length != 0)
		c->state = CONN_BODY;
	else
		conn_busy(c);
	conn_log(&hd->h);
	if (!conn_check(r, hd))
		return;
	conn_print(r, hd);
	/* until the next request, so that what was read is wiped behind us */
	io_secret(&c->io, r->route->secret);
	ibuf_init(&r->body, r->route->max);
	if (r->route->body != BODY_WHOLE || r->length == 0)
		r->route->run(r, hd);
	if (c->req == r && c->state == CONN_BODY)
		resp_continue(r);
}

/* One piece; returns -1 when the request is over, or was answered early. */
static int
conn_body_piece(struct req *r, const void *p, size_t len)
{
	if (len == 0)
		return 0;
	if (r->key[0] != '\0')
		fprint_add(&r->print, p, len);
	if (r->route->body == BODY_STREAM)
		return r->route->data(r, p, len);
	if (len > r->route->max - ibuf_size(&r->body)) {
		resp_error(r, ST_TOO_LARGE, NULL);
		return -1;
	}
	if (ibuf_add(&r->body, p, len) == -1) {
		io_abort(&r->c->io, "no memory");
		return -1;
	}
	return 0;
}

/* Returns the bytes used. */
static size_t
conn_body(struct conn *c, const uint8_t *p, size_t len)
{
	struct req	*r = c->req;
	const void	*piece;
	size_t		 used, plen, total = 0;
	int		 end;

	do {
		end = http_body_next(&r->hb, p + total, len - total, &used,
		    &piece, &plen);
		total += used;
		if (end == -1) {
			r->keepalive = 0;
			resp_error(r, ST_BAD_REQUEST, "broken chunk");
			return len;
		}
		if (conn_body_piece(r, piece, plen) == -1)
			return total;
		if (end) {
			conn_body_complete(r);
			return total;
		}
	} while (total < len && used > 0 &&
	    (c->io.flags & IO_PAUSED) == 0);
	return total;
}

static size_t
conn_head(struct conn *c, const uint8_t *p, size_t len)
{
	static struct head	 hd;
	struct req		*r;
	ssize_t			 n;

	n = http_request(&hd.h, (const char *)p, len);
	if (n == 0 && len <= HTTP_HEAD_MAX)
		return 0;
	if (n > 0 && n <= HTTP_HEAD_MAX &&
	    target_parse(&hd.t, &hd.h.target) == 0) {
		conn_request(c, &hd);
		return (size_t)n;
	}
	/* what follows cannot be understood either */
	if ((r = req_new(c)) == NULL) {
		io_abort(&c->io, "no memory");
		return len;
	}
	c->nreq++;
	c->state = CONN_BODY;
	r->minor = 1;
	if (n == 0 || n > HTTP_HEAD_MAX)
		resp_refuse(r, 431, "the head is too large", NULL);
	else
		resp_error(r, ST_BAD_REQUEST, "not an HTTP request");
	return len;
}

static size_t
conn_data(struct io *io, const uint8_t *p, size_t len)
{
	struct conn	*c = io->arg;
	size_t		 used = 0, n;

	while (used < len) {
		switch (c->state) {
		case CONN_HEAD:
			/* first the answers that are waiting */
			if (io_full(io)) {
				io_pause(io);
				return used;
			}
			if ((n = conn_head(c, p + used, len - used)) == 0)
				return used;
			used += n;
			break;
		case CONN_BODY:
			used += conn_body(c, p + used, len - used);
			if (c->state == CONN_BODY)
				return used;
			break;
		case CONN_BUSY:
			io_pause(io);
			return used;
		case CONN_LINGER:
			return len;
		}
		if (io->flags & (IO_CLOSING | IO_DEAD))
			return len;
	}
	return used;
}

static void
conn_drained(struct io *io)
{
	struct conn *c = io->arg;

	if (c->req != NULL && c->req->fill != NULL)
		resp_more(c->req);
	else if (c->state == CONN_HEAD)
		io_resume(io);
}

static void	listener_set(int);

static void
conn_closed(struct io *io, const char *why)
{
	struct conn	*c = io->arg;
	struct req	*r = c->req;

	log_debug("connection closed: %s, requests=%llu in=%llu out=%llu",
	    why, (unsigned long long)c->nreq, (unsigned long long)io->nin,
	    (unsigned long long)io->nout);
	tmo_stop(&c->tmo);
	TAILQ_REMOVE(&conns, c, entry);
	server.nconns--;
	if (r != NULL) {
		r->c = NULL;
		if (r->jobs > 0)
			r->orphan = 1;
		else
			req_free(r);
	}
	free(c);
	if (!server.stopping)
		listener_set(1);
}

static const struct io_ops conn_ops = {
	.data = conn_data,
	.drained = conn_drained,
	.closed = conn_closed,
};

/*
 * Looks at a connection every timeout seconds.  One that waits for its peer
 * must have moved some bytes since, in either direction; one that waits
 * for us may wait.
 */
static void
conn_check_tmo(struct tmo *t)
{
	struct conn	*c = (struct conn *)(void *)((char *)t -
			    offsetof(struct conn, tmo));
	unsigned int	 secs = server.conf->timeout;
	uint64_t	 moved;
	int		 partial, pending;

	moved = c->io.nin - c->seen_in + c->io.nout - c->seen_out;
	pending = io_outlen(&c->io) > 0;
	partial = c->state == CONN_BODY || c->state == CONN_LINGER ||
	    (c->state == CONN_HEAD && ibuf_size(&c->io.in) > 0);
	if (c->req != NULL && c->req->jobs > 0)
		partial = 0;
	if ((partial || (pending && c->seen_pending)) &&
	    c->seen_req == c->nreq && c->seen_state == c->state &&
	    moved < CONN_CHECK) {
		io_abort(&c->io, "timeout");
		return;
	}
	c->seen_pending = pending;
	if (c->state == CONN_HEAD && c->seen_req == c->nreq)
		c->idle += secs;
	else
		c->idle = 0;
	if (c->idle >= server.conf->idle) {
		io_close(&c->io, "idle");
		return;
	}
	c->seen_in = c->io.nin;
	c->seen_out = c->io.nout;
	c->seen_req = c->nreq;
	c->seen_state = c->state;
	tmo_start(&c->tmo, &check_class);
}

/* listening */

static int
conn_peer_ok(int fd)
{
	uid_t	uid;
	gid_t	gid;
	int	i;

	if (getpeereid(fd, &uid, &gid) == -1) {
		log_warn("getpeereid");
		return 0;
	}
	if (uid == 0 || uid == geteuid())
		return 1;
	for (i = 0; i < server.conf->nuids; i++)
		if (uid == server.conf->uids[i])
			return 1;
	log_warnx("refused a connection of user %u", (unsigned int)uid);
	return 0;
}

static void
conn_new(int fd)
{
	struct conn *c;

	if ((c = calloc(1, sizeof(*c))) == NULL ||
	    io_init(&c->io, fd, &conn_ops, c) == -1) {
		log_warn("cannot take a connection");
		free(c);
		close(fd);
		return;
	}
	c->io.high = CONN_HIGH;
	c->io.low = CONN_LOW;
	TAILQ_INSERT_TAIL(&conns, c, entry);
	server.nconns++;
	tmo_start(&c->tmo, &check_class);
	io_resume(&c->io);
}

static void
listener_set(int on)
{
	struct listener	*l;
	int		 i;

	if (on && (server.nconns >= server.conf->connections ||
	    retry_tmo.class != NULL))
		return;
	for (i = 0; i < nlisteners; i++) {
		l = &listeners[i];
		if (on && !l->on)
			event_add(&l->ev, NULL);
		else if (!on && l->on)
			event_del(&l->ev);
		l->on = on;
	}
}

static void
listener_retry(struct tmo *t)
{
	if (!server.stopping)
		listener_set(1);
}

static void
listener_event(int lfd, short ev, void *arg)
{
	struct listener	*l = arg;
	int		 fd, on = 1;

	if ((fd = accept4(lfd, NULL, NULL, SOCK_NONBLOCK |
	    SOCK_CLOEXEC)) == -1) {
		if (errno == EMFILE || errno == ENFILE) {
			log_warn("accept");
			tmo_start(&retry_tmo, &retry_class);
			listener_set(0);
		}
		return;
	}
	if (l->local && !conn_peer_ok(fd)) {
		close(fd);
		return;
	}
	/* an event must not wait for the acknowledgement of the one before */
	if (!l->local)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on,
		    sizeof(on));
	conn_new(fd);
	if (server.nconns >= server.conf->connections)
		listener_set(0);
}

int
conn_listen(const int *fds, int n)
{
	struct sockaddr_storage	 ss;
	socklen_t		 len;
	int			 i;

	tmo_class_init(&check_class, (int)server.conf->timeout,
	    conn_check_tmo);
	tmo_class_init(&retry_class, CONN_RETRY, listener_retry);
	if ((listeners = calloc((size_t)n, sizeof(*listeners))) == NULL)
		return -1;
	nlisteners = n;
	for (i = 0; i < n; i++) {
		memset(&ss, 0, sizeof(ss));
		len = sizeof(ss);
		if (getsockname(fds[i], (struct sockaddr *)&ss, &len) == -1)
			return -1;
		listeners[i].fd = fds[i];
		listeners[i].local = ss.ss_family == AF_UNIX;
		event_set(&listeners[i].ev, fds[i], EV_READ | EV_PERSIST,
		    listener_event, &listeners[i]);
	}
	listener_set(1);
	return 0;
}

void
conn_stop(void)
{
	struct conn	*c;
	int		 i;

	listener_set(0);
	for (i = 0; i < nlisteners; i++)
		close(listeners[i].fd);
	free(listeners);
	listeners = NULL;
	nlisteners = 0;
	TAILQ_FOREACH(c, &conns, entry) {
		c->last = 1;
		if (c->state == CONN_HEAD || c->state == CONN_LINGER)
			io_close(&c->io, "server stops");
	}
}

void
conn_abort_all(void)
{
	struct conn *c;

	TAILQ_FOREACH(c, &conns, entry) {
		io_abort(&c->io, "server stops");
	}
}
