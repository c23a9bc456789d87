/*
 * One connection: non-blocking, buffered, plain or TLS, both directions at
 * once.  Reads are handed to the owner in place; writes are queued and sent
 * together at the end of the event loop's turn by io_turn(), which the loop
 * calls after each event_loop(EVLOOP_ONCE).  An idle connection holds no
 * buffer.
 *
 * The owner embeds or allocates the struct.  ops->closed is called exactly
 * once, only from io_turn(), for whatever reason the connection ends: the
 * owner frees everything there and nowhere else.  No callback is called
 * from inside another one, nor from io_write().
 *
 * When the peer has sent its last byte, what it sent is still worked off:
 * the end is seen only once the owner wants data and there is none; then
 * the queue is sent and the connection closed ("peer closed").
 */
#ifndef IO_H
#define IO_H

#include <sys/types.h>
#include <sys/queue.h>
#include <stdint.h>

#include <event.h>
#include <tls.h>

#include "ibuf.h"

#define IO_READ_MAX	65536	/* bytes one data callback may see as new */

struct io;

struct io_ops {
	/*
	 * Bytes came in; returns how many were used.  The rest is shown
	 * again with more behind it (or after io_resume()).  When it is
	 * over io->inmax, and reading not paused, the connection is closed.
	 */
	size_t	(*data)(struct io *, const uint8_t *, size_t);
	/* The queue, once over the high mark, is under the low mark again. */
	void	(*drained)(struct io *);
	/* TLS is up; may be NULL. */
	void	(*secured)(struct io *);
	/* The connection is over; why is a text for the log. */
	void	(*closed)(struct io *, const char *);
};

enum io_flag {
	IO_PAUSED	= 0x0001,	/* the owner wants no data now */
	IO_QUEUED	= 0x0002,	/* on the turn's list */
	IO_CLOSING	= 0x0004,	/* send what is queued, then close */
	IO_DEAD		= 0x0008,	/* close now */
	IO_AGAIN	= 0x0010,	/* show the data again */
	IO_EOF		= 0x0020,	/* the peer will send no more */
	IO_TLS_WAIT	= 0x0040,	/* handshake once the queue is sent */
	IO_HANDSHAKE	= 0x0080,
	IO_RD_WANTS_OUT	= 0x0100,
	IO_WR_WANTS_IN	= 0x0200,
	IO_HIGH		= 0x0400,	/* the queue went over the mark */
	IO_READING	= 0x0800,	/* the read event is added */
	IO_SECRET	= 0x1000,	/* wipe what was read: not logged in */
	IO_HELD		= 0x2000,	/* the peer's end has to wait */
	IO_LAST_WORD	= 0x4000,	/* see io_last_word() */
	IO_DEAF		= 0x8000,	/* the peer reads no more */
	IO_CLIENT	= 0x10000	/* of TLS: its server is ours to mend */
};

struct io {
	int		 fd;
	unsigned int	 flags;
	struct tls	*tls;
	const struct io_ops *ops;
	void		*arg;
	struct event	 ev;
	struct event	*evw;		/* only while a write waits */
	struct ibuf	 in;
	struct ibuf	 out;
	size_t		 inmax;		/* most that may stay unused */
	size_t		 high;		/* marks of the queue, in bytes */
	size_t		 low;
	uint64_t	 nin, nout;	/* bytes of content, for the log */
	const char	*why;
	TAILQ_ENTRY(io)	 entry;
};

/* Takes the descriptor; -1 (errno) leaves it with the caller. */
int	 io_init(struct io *, int, const struct io_ops *, void *);
/* Starts (or goes on) to read. */
void	 io_resume(struct io *);
void	 io_pause(struct io *);
/*
 * Queue bytes.  There is no partial write; -1 only without memory, and the
 * connection is then closed.
 */
int	 io_write(struct io *, const void *, size_t);
int	 io_puts(struct io *, const char *);
int	 io_printf(struct io *, const char *, ...)
	    __attribute__((__format__ (printf, 2, 3)));
/* The queue itself, to add to; io_kick() afterwards has it sent. */
struct ibuf *io_out(struct io *);
void	 io_kick(struct io *);
size_t	 io_outlen(const struct io *);
/* Is the queue over its high mark?  Then ops->drained will be called. */
int	 io_full(struct io *);
/*
 * TLS as a server: what is queued goes out in the clear first, what the
 * peer sent behind it in the clear is thrown away.  As a client: at once.
 */
int	 io_tls_server(struct io *, struct tls *);
int	 io_tls_client(struct io *, struct tls_config *, const char *);
int	 io_is_tls(const struct io *);
/* Close when everything queued is sent, or now. */
void	 io_close(struct io *, const char *);
void	 io_abort(struct io *, const char *);

/*
 * While set, the peer's end does not close the connection: an answer is
 * being made for one that has sent its last byte.
 */
void	 io_hold(struct io *, int);

/*
 * A peer that reads no more may have said why: with this a failed write
 * does not close the connection, what is queued is dropped, and what the
 * peer has sent is worked off to its end.
 */
void	 io_last_word(struct io *);
int	 io_deaf(const struct io *);

/* While set, nothing that was read or sent is left behind in memory. */
void	 io_secret(struct io *, int);

/*
 * The end of a turn: sends, closes, shows data again.  Returns 1 when there
 * is more to do at once: then the loop must not wait for events.
 */
int	 io_turn(void);

#endif /* IO_H */
