#include <sys/types.h>
#include <sys/socket.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io.h"

#define IO_OUT_MAX	(64 * 1024 * 1024)
#define IO_HIGH_MARK	(128 * 1024)
#define IO_LOW_MARK	(32 * 1024)
#define IO_KEEP		1024		/* an empty queue keeps no more */
#define IO_SEND_MAX	(256 * 1024)	/* of one connection in one turn */
#define IO_ROUNDS	8		/* of one turn */

static TAILQ_HEAD(io_list, io) turn = TAILQ_HEAD_INITIALIZER(turn);
static uint8_t		 scratch[IO_READ_MAX];

static void	io_event(int, short, void *);

int
io_init(struct io *io, int fd, const struct io_ops *ops, void *arg)
{
	int fl;

	if ((fl = fcntl(fd, F_GETFL)) == -1 ||
	    fcntl(fd, F_SETFL, fl | O_NONBLOCK) == -1)
		return -1;
	memset(io, 0, sizeof(*io));
	io->fd = fd;
	io->ops = ops;
	io->arg = arg;
	io->flags = IO_PAUSED;
	io->inmax = IO_READ_MAX;
	io->high = IO_HIGH_MARK;
	io->low = IO_LOW_MARK;
	ibuf_init(&io->in, SIZE_MAX / 2);
	ibuf_init(&io->out, IO_OUT_MAX);
	event_set(&io->ev, fd, EV_READ | EV_PERSIST, io_event, io);
	return 0;
}

void
io_kick(struct io *io)
{
	if (io->flags & IO_QUEUED)
		return;
	io->flags |= IO_QUEUED;
	TAILQ_INSERT_TAIL(&turn, io, entry);
}

/*
 * The read event is added when the owner wants data, or TLS has business
 * that only bytes from the peer can finish.
 */
static void
io_set_read(struct io *io)
{
	int want;

	want = (io->flags & IO_PAUSED) == 0 ||
	    (io->flags & (IO_HANDSHAKE | IO_WR_WANTS_IN)) != 0;
	if (io->flags & (IO_DEAD | IO_EOF))
		want = 0;
	if ((io->flags & IO_TLS_WAIT) != 0)
		want = 0;
	if (want == ((io->flags & IO_READING) != 0))
		return;
	if (want) {
		if (event_add(&io->ev, NULL) == -1) {
			io_abort(io, "no memory");
			return;
		}
		io->flags |= IO_READING;
	} else {
		event_del(&io->ev);
		io->flags &= ~(unsigned int)IO_READING;
	}
}

static void
io_set_write(struct io *io, int want)
{
	if (want && io->evw == NULL) {
		if ((io->evw = malloc(sizeof(*io->evw))) == NULL) {
			io_abort(io, "no memory");
			return;
		}
		event_set(io->evw, io->fd, EV_WRITE | EV_PERSIST, io_event,
		    io);
		if (event_add(io->evw, NULL) == -1)
			io_abort(io, "no memory");
	} else if (!want && io->evw != NULL) {
		event_del(io->evw);
		free(io->evw);
		io->evw = NULL;
	}
}

void
io_resume(struct io *io)
{
	io->flags &= ~(unsigned int)IO_PAUSED;
	if (ibuf_size(&io->in) > 0 || io->tls != NULL ||
	    (io->flags & IO_EOF) != 0) {
		io->flags |= IO_AGAIN;
		io_kick(io);
	}
	io_set_read(io);
}

void
io_pause(struct io *io)
{
	io->flags |= IO_PAUSED;
	io_set_read(io);
}

void
io_abort(struct io *io, const char *why)
{
	if (io->flags & IO_DEAD)
		return;
	io->flags |= IO_DEAD;
	if (io->why == NULL)
		io->why = why;
	io_kick(io);
}

void
io_close(struct io *io, const char *why)
{
	io->flags |= IO_CLOSING;
	if (io->why == NULL)
		io->why = why;
	io_kick(io);
}

void
io_hold(struct io *io, int on)
{
	if (on) {
		io->flags |= IO_HELD;
		return;
	}
	io->flags &= ~(unsigned int)IO_HELD;
	if ((io->flags & IO_EOF) && ibuf_size(&io->in) == 0)
		io_close(io, "peer closed");
}

void
io_last_word(struct io *io)
{
	io->flags |= IO_LAST_WORD;
}

int
io_deaf(const struct io *io)
{
	return (io->flags & IO_DEAF) != 0;
}

void
io_secret(struct io *io, int on)
{
	if (on)
		io->flags |= IO_SECRET;
	else
		io->flags &= ~(unsigned int)IO_SECRET;
}

/* output */

int
io_write(struct io *io, const void *p, size_t len)
{
	if (ibuf_add(&io->out, p, len) == -1) {
		io_abort(io, "no memory");
		return -1;
	}
	io_kick(io);
	return 0;
}

int
io_puts(struct io *io, const char *s)
{
	return io_write(io, s, strlen(s));
}

int
io_printf(struct io *io, const char *fmt, ...)
{
	va_list	 ap;
	int	 r;

	va_start(ap, fmt);
	r = ibuf_vaddf(&io->out, fmt, ap);
	va_end(ap);
	if (r == -1)
		io_abort(io, "no memory");
	else
		io_kick(io);
	return r;
}

struct ibuf *
io_out(struct io *io)
{
	return &io->out;
}

size_t
io_outlen(const struct io *io)
{
	return ibuf_size(&io->out);
}

int
io_full(struct io *io)
{
	if (ibuf_size(&io->out) < io->high)
		return 0;
	io->flags |= IO_HIGH;
	return 1;
}

/*
 * One write.  Returns bytes, 0 when it must wait (with the flag that says
 * for what), -1 when the connection is broken.
 */
static ssize_t
io_send(struct io *io, const void *p, size_t len)
{
	ssize_t n;

	io->flags &= ~(unsigned int)IO_WR_WANTS_IN;
	/* what was queued before STARTTLS is not TLS's yet */
	if (io->tls == NULL || (io->flags & IO_TLS_WAIT)) {
		n = send(io->fd, p, len, MSG_NOSIGNAL);
		if (n == -1 && (errno == EAGAIN || errno == EINTR))
			return 0;
		if (n == -1)
			io->why = "write error";
		return n;
	}
	n = tls_write(io->tls, p, len);
	if (n == TLS_WANT_POLLIN)
		io->flags |= IO_WR_WANTS_IN;
	if (n == TLS_WANT_POLLIN || n == TLS_WANT_POLLOUT)
		return 0;
	if (n == -1)
		io->why = "TLS write error";
	return n;
}

static void
io_send_failed(struct io *io)
{
	if ((io->flags & (IO_LAST_WORD | IO_EOF | IO_CLOSING)) !=
	    IO_LAST_WORD) {
		io->flags |= IO_DEAD;
		return;
	}
	io->why = NULL;
	io->flags |= IO_DEAF;
	ibuf_wipe(&io->out);
}

static void
io_flush(struct io *io)
{
	size_t	total = 0;
	ssize_t	n = 1;

	if (io->flags & (IO_DEAD | IO_HANDSHAKE))
		return;
	if (io->flags & IO_DEAF)
		ibuf_wipe(&io->out);
	while (ibuf_size(&io->out) > 0 && total < IO_SEND_MAX) {
		n = io_send(io, ibuf_data(&io->out), ibuf_size(&io->out));
		if (n == -1) {
			io_send_failed(io);
			break;
		}
		if (n == 0)
			break;
		ibuf_drain(&io->out, (size_t)n);
		io->nout += (uint64_t)n;
		total += (size_t)n;
	}
	if (io->flags & IO_DEAD)
		return;
	if (ibuf_size(&io->out) == 0) {
		if (io->flags & IO_SECRET)
			ibuf_wipe(&io->out);
		else if (io->out.size > IO_KEEP)
			ibuf_fini(&io->out);
	} else if (io->out.rpos > io->out.size / 2)
		ibuf_compact(&io->out);
	io_set_write(io, ibuf_size(&io->out) > 0 &&
	    (io->flags & IO_WR_WANTS_IN) == 0);
	io_set_read(io);
}

/* input */

static ssize_t
io_recv(struct io *io)
{
	ssize_t n;

	io->flags &= ~(unsigned int)IO_RD_WANTS_OUT;
	if (io->tls == NULL) {
		n = recv(io->fd, scratch, sizeof(scratch), 0);
		if (n == -1 && (errno == EAGAIN || errno == EINTR))
			return -2;
		return n;
	}
	n = tls_read(io->tls, scratch, sizeof(scratch));
	if (n == TLS_WANT_POLLOUT)
		io->flags |= IO_RD_WANTS_OUT;
	if (n == TLS_WANT_POLLIN || n == TLS_WANT_POLLOUT)
		return -2;
	return n;
}

static int
io_wants_data(const struct io *io)
{
	return (io->flags & (IO_PAUSED | IO_DEAD | IO_CLOSING |
	    IO_HANDSHAKE | IO_TLS_WAIT)) == 0;
}

/* Shows what is kept and, behind it, what is new; keeps what is left. */
static void
io_deliver(struct io *io, const uint8_t *p, size_t len)
{
	size_t used = 0;

	if (ibuf_size(&io->in) > 0) {
		if (ibuf_add(&io->in, p, len) == -1) {
			io_abort(io, "no memory");
			return;
		}
		if (io_wants_data(io))
			used = io->ops->data(io, ibuf_data(&io->in),
			    ibuf_size(&io->in));
		ibuf_drain(&io->in, used);
	} else {
		if (io_wants_data(io))
			used = io->ops->data(io, p, len);
		if (used < len &&
		    ibuf_add(&io->in, p + used, len - used) == -1) {
			io_abort(io, "no memory");
			return;
		}
	}
	/* what is left after the peer's end will never be complete */
	if (used == 0 && (io->flags & (IO_EOF | IO_HELD)) == IO_EOF)
		io_close(io, "peer closed");
	if (ibuf_size(&io->in) == 0)
		ibuf_wipe(&io->in);
	else if (ibuf_size(&io->in) > io->inmax &&
	    (io->flags & IO_PAUSED) == 0)
		io_abort(io, "input too long");
}

static void
io_read(struct io *io)
{
	ssize_t n;

	if (!io_wants_data(io) || (io->flags & IO_EOF))
		return;
	n = io_recv(io);
	if (n == -2) {
		if (io->flags & IO_RD_WANTS_OUT)
			io_set_write(io, 1);
		return;
	}
	if (n <= 0) {
		io->flags |= IO_EOF;
		io_set_read(io);
		if (n == 0 && (io->flags & IO_HELD))
			return;
		if (n == 0)
			io_close(io, "peer closed");
		else
			io_abort(io, "read error");
		return;
	}
	io->nin += (uint64_t)n;
	/* what TLS has decrypted already, poll does not show */
	if (io->tls != NULL) {
		io->flags |= IO_AGAIN;
		io_kick(io);
	}
	io_deliver(io, scratch, (size_t)n);
	if (io->flags & IO_SECRET)
		explicit_bzero(scratch, (size_t)n);
}

/* tls */

static void
io_handshake(struct io *io)
{
	int r = tls_handshake(io->tls);

	if (r == TLS_WANT_POLLIN || r == TLS_WANT_POLLOUT) {
		io_set_write(io, r == TLS_WANT_POLLOUT);
		io_set_read(io);
		return;
	}
	if (r == -1) {
		io_abort(io, "TLS handshake failed");
		return;
	}
	io->flags &= ~(unsigned int)IO_HANDSHAKE;
	io_set_write(io, 0);
	if (io->ops->secured != NULL)
		io->ops->secured(io);
	io->flags |= IO_AGAIN;
	io_set_read(io);
	io_kick(io);
}

int
io_tls_server(struct io *io, struct tls *server)
{
	if (tls_accept_socket(server, &io->tls, io->fd) == -1) {
		io_abort(io, "TLS set-up failed");
		return -1;
	}
	io->flags |= IO_TLS_WAIT;
	io_set_read(io);
	io_kick(io);
	return 0;
}

int
io_tls_client(struct io *io, struct tls_config *conf, const char *name)
{
	if ((io->tls = tls_client()) == NULL ||
	    tls_configure(io->tls, conf) == -1 ||
	    tls_connect_socket(io->tls, io->fd, name) == -1) {
		io_abort(io, "TLS set-up failed");
		return -1;
	}
	io->flags |= IO_HANDSHAKE | IO_CLIENT;
	io_set_read(io);
	io_kick(io);
	return 0;
}

int
io_is_tls(const struct io *io)
{
	return io->tls != NULL;
}

/* events */

static void
io_event(int fd, short ev, void *arg)
{
	struct io *io = arg;

	if (io->flags & IO_DEAD)
		return;
	if (io->flags & IO_HANDSHAKE) {
		io_handshake(io);
		return;
	}
	if (ev & EV_WRITE || io->flags & IO_WR_WANTS_IN)
		io_kick(io);
	if (ev & EV_READ || io->flags & IO_RD_WANTS_OUT)
		io_read(io);
}

/*
 * Why it ended, in TLS's own words where we are the client: who has to mend
 * a certificate must know what is wrong with it.
 */
static const char *
io_reason(struct io *io)
{
	static char	 text[256];
	const char	*why = io->why != NULL ? io->why : "closed", *error;

	if ((io->flags & (IO_CLIENT | IO_CLOSING)) != IO_CLIENT ||
	    io->tls == NULL || (error = tls_error(io->tls)) == NULL)
		return why;
	snprintf(text, sizeof(text), "%s: %s", why, error);
	return text;
}

static void
io_destroy(struct io *io)
{
	const char *why = io_reason(io);

	/* what ended it may have queued it once more */
	if (io->flags & IO_QUEUED)
		TAILQ_REMOVE(&turn, io, entry);
	if (io->flags & IO_READING)
		event_del(&io->ev);
	io_set_write(io, 0);
	if (io->tls != NULL) {
		/* one try: a peer that is gone gets no close_notify */
		(void)tls_close(io->tls);
		tls_free(io->tls);
		io->tls = NULL;
	}
	close(io->fd);
	io->fd = -1;
	ibuf_wipe(&io->in);
	ibuf_wipe(&io->out);
	/* whatever the owner calls now does nothing */
	io->flags |= IO_DEAD | IO_QUEUED | IO_EOF | IO_PAUSED;
	io->ops->closed(io, why);
}

/* What one connection has to do at the end of a turn. */
static void
io_settle(struct io *io)
{
	int again;

	if ((io->flags & IO_HANDSHAKE) && !(io->flags & IO_DEAD)) {
		io_handshake(io);
		again = 0;
	} else {
		io_flush(io);
		again = io->flags & IO_AGAIN;
	}
	if (io->flags & IO_DEAD ||
	    (io->flags & IO_CLOSING && ibuf_size(&io->out) == 0)) {
		io_destroy(io);
		return;
	}
	if (io->flags & IO_TLS_WAIT && ibuf_size(&io->out) == 0) {
		ibuf_wipe(&io->in);
		io->flags &= ~(unsigned int)IO_TLS_WAIT;
		io->flags |= IO_HANDSHAKE;
		io_set_read(io);
		return;
	}
	if (io->flags & IO_HIGH && ibuf_size(&io->out) <= io->low) {
		io->flags &= ~(unsigned int)IO_HIGH;
		io->ops->drained(io);
	}
	if (again) {
		io->flags &= ~(unsigned int)IO_AGAIN;
		if (io_wants_data(io) && ibuf_size(&io->in) > 0)
			io_deliver(io, NULL, 0);
		if (io->tls != NULL)
			io_read(io);
	}
}

/* What settles may queue itself, or others, again: a few rounds, no more. */
int
io_turn(void)
{
	struct io	*io, *last;
	int		 round;

	for (round = 0; round < IO_ROUNDS; round++) {
		if ((last = TAILQ_LAST(&turn, io_list)) == NULL)
			return 0;
		do {
			io = TAILQ_FIRST(&turn);
			TAILQ_REMOVE(&turn, io, entry);
			io->flags &= ~(unsigned int)IO_QUEUED;
			io_settle(io);
		} while (io != last);
	}
	return TAILQ_FIRST(&turn) != NULL;
}
