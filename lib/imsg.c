#include <sys/types.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "imsg.h"

#define IMSG_READ	(2 * IMSG_MAX)	/* room for one read */
#define IMSG_HASFD	0x0001		/* the only flag */
#define IMSG_KEEP	4096		/* an empty queue keeps no more */

/*
 * A read needs room for two whole messages, an idle channel needs none: one
 * buffer wanders between the channels of a process.
 */
static uint8_t *spare;

void
imsgbuf_init(struct imsgbuf *ib, int fd)
{
	memset(ib, 0, sizeof(*ib));
	ib->fd = fd;
	ib->lastfd = -1;
	ibuf_init(&ib->out, IMSG_QUEUE_MAX);
	ibuf_init(&ib->in, IMSG_READ);
}

static void
rx_release(struct imsgbuf *ib)
{
	if (ib->in.buf == NULL)
		return;
	if (spare == NULL && ib->in.size == IMSG_READ)
		spare = ib->in.buf;
	else
		free(ib->in.buf);
	ibuf_init(&ib->in, IMSG_READ);
}

static int
rx_acquire(struct imsgbuf *ib)
{
	size_t	 left = ibuf_size(&ib->in);
	uint8_t	*p;

	if (ib->in.size == IMSG_READ) {
		ibuf_compact(&ib->in);
		return 0;
	}
	if ((p = spare) != NULL)
		spare = NULL;
	else if ((p = malloc(IMSG_READ)) == NULL)
		return -1;
	if (left > 0)
		memcpy(p, ibuf_data(&ib->in), left);
	ibuf_fini(&ib->in);
	ib->in.buf = p;
	ib->in.size = IMSG_READ;
	ib->in.wpos = left;
	return 0;
}

/* Keeps the beginning of a message in a buffer of just its size. */
static void
rx_settle(struct imsgbuf *ib)
{
	struct ibuf	small;
	size_t		left = ibuf_size(&ib->in);

	if (left == 0) {
		rx_release(ib);
		return;
	}
	if (left > IMSG_READ / 4)
		return;
	ibuf_init(&small, IMSG_READ);
	if (ibuf_add(&small, ibuf_data(&ib->in), left) == -1)
		return;
	rx_release(ib);
	ib->in = small;
}

void
imsgbuf_fini(struct imsgbuf *ib)
{
	int i;

	for (i = 0; i < ib->noutfd; i++)
		close(ib->outfd[i].fd);
	for (i = 0; i < ib->ninfd; i++)
		close(ib->infd[i]);
	if (ib->lastfd != -1)
		close(ib->lastfd);
	if (ib->fd != -1)
		close(ib->fd);
	ibuf_wipe(&ib->out);
	rx_release(ib);
	imsgbuf_init(ib, -1);
}

void
imsgbuf_secret(struct imsgbuf *ib)
{
	ib->secret = 1;
}

int
imsgbuf_fdsfull(const struct imsgbuf *ib)
{
	return ib->noutfd == IMSG_FDS;
}

size_t
imsgbuf_queuelen(const struct imsgbuf *ib)
{
	return ibuf_size(&ib->out);
}

/* writing */

struct ibuf *
imsg_open(struct imsgbuf *ib, size_t *mark)
{
	if (ib->out.max - ib->out.wpos < IMSG_MAX)
		ibuf_compact(&ib->out);
	/* what is too long then is the message, not the queue */
	if (ib->out.max - ib->out.wpos < IMSG_MAX) {
		errno = ENOBUFS;
		return NULL;
	}
	*mark = ib->out.wpos;
	if (ibuf_reserve(&ib->out, IMSG_HEADER) == NULL)
		return NULL;
	return &ib->out;
}

void
imsg_cancel(struct imsgbuf *ib, size_t mark)
{
	ib->out.wpos = mark;
}

int
imsg_close(struct imsgbuf *ib, size_t mark, uint16_t type, uint32_t id,
    uint32_t req, int fd)
{
	size_t len = ib->out.wpos - mark, pos = mark - ib->out.rpos;

	if (len > IMSG_MAX || (fd != -1 && ib->noutfd == IMSG_FDS)) {
		errno = len > IMSG_MAX ? ERANGE : ENOBUFS;
		imsg_cancel(ib, mark);
		if (fd != -1)
			close(fd);
		return -1;
	}
	ibuf_set_n32(&ib->out, pos, (uint32_t)type << 16 |
	    (fd != -1 ? IMSG_HASFD : 0));
	ibuf_set_n32(&ib->out, pos + 4, (uint32_t)len);
	ibuf_set_n32(&ib->out, pos + 8, id);
	ibuf_set_n32(&ib->out, pos + 12, req);
	if (fd != -1) {
		ib->outfd[ib->noutfd].pos = pos;
		ib->outfd[ib->noutfd++].fd = fd;
	}
	return 0;
}

static void
outfd_sent(struct imsgbuf *ib)
{
	close(ib->outfd[0].fd);
	ib->noutfd--;
	memmove(ib->outfd, ib->outfd + 1,
	    (size_t)ib->noutfd * sizeof(ib->outfd[0]));
}

/* One sendmsg(2): up to the next message with a descriptor, or all. */
static ssize_t
send_some(struct imsgbuf *ib)
{
	union {
		struct cmsghdr	hdr;
		char		buf[CMSG_SPACE(sizeof(int))];
	} c;
	struct msghdr	 msg;
	struct iovec	 iov;
	ssize_t		 n;
	int		 i, first = ib->noutfd > 0 && ib->outfd[0].pos == 0;

	memset(&msg, 0, sizeof(msg));
	iov.iov_base = ibuf_data(&ib->out);
	iov.iov_len = ibuf_size(&ib->out);
	msg.msg_iov = &iov;
	msg.msg_iovlen = 1;
	if (ib->noutfd > first)
		iov.iov_len = ib->outfd[first].pos;
	if (first) {
		memset(&c, 0, sizeof(c));
		msg.msg_control = &c.buf;
		msg.msg_controllen = sizeof(c.buf);
		c.hdr.cmsg_len = CMSG_LEN(sizeof(int));
		c.hdr.cmsg_level = SOL_SOCKET;
		c.hdr.cmsg_type = SCM_RIGHTS;
		memcpy(CMSG_DATA(&c.hdr), &ib->outfd[0].fd, sizeof(int));
	}
	if ((n = sendmsg(ib->fd, &msg, MSG_NOSIGNAL)) <= 0)
		return n;
	if (first)
		outfd_sent(ib);
	for (i = 0; i < ib->noutfd; i++)
		ib->outfd[i].pos -= (size_t)n;
	ibuf_drain(&ib->out, (size_t)n);
	ib->nout += (uint64_t)n;
	return n;
}

int
imsgbuf_write(struct imsgbuf *ib)
{
	ssize_t n;

	while (ibuf_size(&ib->out) > 0) {
		if ((n = send_some(ib)) > 0)
			continue;
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 && errno == EAGAIN) {
			/* seldom: moving a long queue at each step adds up */
			if (ib->out.rpos > ib->out.size / 2)
				ibuf_compact(&ib->out);
			return 1;
		}
		if (n == 0 || errno == EPIPE || errno == ECONNRESET)
			return 0;
		return -1;
	}
	if (ib->secret) {
		ibuf_wipe(&ib->out);
		ib->secret = 0;
	} else if (ib->out.size > IMSG_KEEP)
		ibuf_fini(&ib->out);
	return 1;
}

/* reading */

static void
take_fds(struct imsgbuf *ib, struct msghdr *msg)
{
	struct cmsghdr	*c;
	size_t		 i, n;
	int		 fd;

	for (c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (i = 0; i < n; i++) {
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int),
			    sizeof(int));
			if (ib->ninfd < IMSG_FDS)
				ib->infd[ib->ninfd++] = fd;
			else
				close(fd);
		}
	}
}

int
imsgbuf_read(struct imsgbuf *ib)
{
	union {
		struct cmsghdr	hdr;
		char		buf[CMSG_SPACE(sizeof(int) * IMSG_FDS)];
	} c;
	struct msghdr	 msg;
	struct iovec	 iov;
	ssize_t		 n;

	if (rx_acquire(ib) == -1)
		return -1;
	memset(&msg, 0, sizeof(msg));
	iov.iov_base = ib->in.buf + ib->in.wpos;
	iov.iov_len = IMSG_READ - ib->in.wpos;
	msg.msg_iov = &iov;
	msg.msg_iovlen = 1;
	msg.msg_control = &c.buf;
	msg.msg_controllen = sizeof(c.buf);
	if ((n = recvmsg(ib->fd, &msg, MSG_CMSG_CLOEXEC)) == -1) {
		rx_settle(ib);
		return errno == EAGAIN || errno == EINTR ? 1 :
		    errno == ECONNRESET ? 0 : -1;
	}
	take_fds(ib, &msg);
	if (n == 0)
		return 0;
	ib->in.wpos += (size_t)n;
	ib->nin += (uint64_t)n;
	return 1;
}

int
imsgbuf_get(struct imsgbuf *ib, struct imsg *m)
{
	struct ibuf	view;
	uint32_t	tf, len;

	if (ib->lastfd != -1) {
		close(ib->lastfd);
		ib->lastfd = -1;
	}
	view = ib->in;
	if (ibuf_size(&view) < IMSG_HEADER) {
		/* a descriptor belongs to a message that has begun */
		if (ib->ninfd > (ibuf_size(&view) > 0)) {
			errno = EBADMSG;
			return -1;
		}
		rx_settle(ib);
		return 0;
	}
	ibuf_get_n32(&view, &tf);
	ibuf_get_n32(&view, &len);
	ibuf_get_n32(&view, &m->id);
	ibuf_get_n32(&view, &m->req);
	if (len < IMSG_HEADER || len > IMSG_MAX ||
	    (tf & 0xffff & ~IMSG_HASFD) != 0) {
		errno = EBADMSG;
		return -1;
	}
	if (ibuf_size(&ib->in) < len) {
		rx_settle(ib);
		return 0;
	}
	m->type = (uint16_t)(tf >> 16);
	ibuf_from_buffer(&m->body, ibuf_data(&view), len - IMSG_HEADER);
	ib->in.rpos += len;
	m->fd = -1;
	if (tf & IMSG_HASFD) {
		if (ib->ninfd == 0) {
			errno = EBADMSG;
			return -1;
		}
		m->fd = ib->lastfd = ib->infd[0];
		ib->ninfd--;
		memmove(ib->infd, ib->infd + 1,
		    (size_t)ib->ninfd * sizeof(int));
	}
	return 1;
}

/* The descriptor becomes the caller's. */
int
imsg_get_fd(struct imsgbuf *ib, struct imsg *m)
{
	int fd = m->fd;

	m->fd = ib->lastfd = -1;
	return fd;
}
