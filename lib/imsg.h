/*
 * Framed messages over a socketpair, shaped after imsg(3): a header, a body,
 * at most one descriptor.
 *
 * Writing queues; imsgbuf_write() sends what is queued with as few system
 * calls as descriptors allow, so that all messages of one turn of the event
 * loop leave together.  Reading takes what one recvmsg(2) gives and hands
 * out whole messages in place, without a copy; an idle imsgbuf holds no
 * buffer.
 *
 * Wire: type (16 bits), flags (16), length with the header (32), id (32),
 * req (32), then the body.  What the two numbers mean is the message
 * table's matter (msg_table.h): id is a session, req a request.
 *
 * Ownership: an imsg's body points into the imsgbuf and is good until the
 * next imsgbuf call; its fd is the caller's once imsg_get_fd() took it,
 * else it is closed by the next imsgbuf_get().
 */
#ifndef IMSG_H
#define IMSG_H

#include <sys/types.h>
#include <stdint.h>

#include "ibuf.h"

#define IMSG_HEADER	16
#define IMSG_MAX	65536		/* one message, header included */
#define IMSG_QUEUE_MAX	(64 * 1024 * 1024)	/* a peer that far behind is lost */
#define IMSG_FDS	16		/* descriptors waiting on one side */

struct imsg {
	uint16_t	 type;
	uint32_t	 id;
	uint32_t	 req;
	int		 fd;		/* -1: none */
	struct ibuf	 body;
};

struct imsg_fd {
	size_t		 pos;		/* of the message in the byte stream */
	int		 fd;
};

struct imsgbuf {
	int		 fd;		/* closed by imsgbuf_fini() */
	struct ibuf	 out;
	struct imsg_fd	 outfd[IMSG_FDS];
	int		 noutfd;
	struct ibuf	 in;
	int		 infd[IMSG_FDS];
	int		 ninfd;
	int		 lastfd;	/* of the message handed out last */
	uint64_t	 nout, nin;	/* bytes, for the statistics */
	int		 secret;	/* wipe the queue once it is sent */
};

void	 imsgbuf_init(struct imsgbuf *, int);
void	 imsgbuf_fini(struct imsgbuf *);
/* What was composed last holds a password: wipe it as soon as it is sent. */
void	 imsgbuf_secret(struct imsgbuf *);
/* Bytes that wait to be written. */
size_t	 imsgbuf_queuelen(const struct imsgbuf *);
/* No more descriptors can be queued before some are written. */
int	 imsgbuf_fdsfull(const struct imsgbuf *);

/* 1: something was sent or nothing to send, 0: peer gone, -1: errno. */
int	 imsgbuf_write(struct imsgbuf *);
/* 1: data or EAGAIN, 0: end of file, -1: errno. */
int	 imsgbuf_read(struct imsgbuf *);
/*
 * The next whole message: 1, or 0 when there is none (read again), -1 with
 * EBADMSG when the stream is broken: a length out of bounds, a descriptor
 * that no message announces or an announced one that is missing.
 */
int	 imsgbuf_get(struct imsgbuf *, struct imsg *);
int	 imsg_get_fd(struct imsgbuf *, struct imsg *);

/*
 * Compose: imsg_open() starts a message and returns where its body goes;
 * the caller adds to that ibuf, then imsg_close() counts it.  On failure
 * imsg_cancel() takes back what was begun.  A descriptor is the queue's
 * from imsg_close() on (also when that fails).  -1: errno, ENOBUFS when the
 * peer is too far behind, ERANGE when the message is too long.
 */
struct ibuf *imsg_open(struct imsgbuf *, size_t *);
int	 imsg_close(struct imsgbuf *, size_t, uint16_t, uint32_t, uint32_t,
	    int);
void	 imsg_cancel(struct imsgbuf *, size_t);

#endif /* IMSG_H */
