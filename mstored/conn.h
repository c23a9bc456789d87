/*
 * Connections and requests: HTTP/1.1 in, one request at a time per
 * connection, what follows waits in the buffer.
 *
 * A request (struct req) lives from its head to the end of its answer.  It
 * belongs to its connection; a connection that ends takes its request
 * along, unless a job works for it: then req->orphan is set and the job's
 * done() calls req_free().
 */
#ifndef CONN_H
#define CONN_H

#include <sys/types.h>
#include <sys/queue.h>
#include <stdint.h>

#include "fprint.h"
#include "http.h"
#include "ibuf.h"
#include "io.h"
#include "mstored.h"
#include "names.h"
#include "store.h"
#include "target.h"
#include "tmo.h"

struct route;
struct req;

enum conn_state {
	CONN_HEAD,		/* between requests, or inside a head */
	CONN_BODY,		/* a request's body comes in */
	CONN_BUSY,		/* its answer is being made */
	CONN_LINGER		/* answered early: the rest is thrown away */
};

struct conn {
	struct io	 io;
	enum conn_state	 state;
	struct req	*req;
	uint64_t	 nreq;		/* requests so far */
	int		 last;		/* close behind this answer */
	struct tmo	 tmo;
	/* as the timer saw it last */
	uint64_t	 seen_req;
	uint64_t	 seen_in, seen_out;
	enum conn_state	 seen_state;
	int		 seen_pending;
	unsigned int	 idle;		/* s */
	TAILQ_ENTRY(conn) entry;
};

/* How a request's body reaches its handler. */
enum body_kind {
	BODY_NONE,
	BODY_WHOLE,		/* collected in req->body, up to a bound */
	BODY_STREAM		/* piece by piece: route->data() */
};

struct req {
	struct conn	*c;		/* NULL: the connection is gone */
	const struct route *route;
	char		 account[NAME_ACCOUNT_MAX + 1];
	struct mbox_id	 mailbox;
	struct content_id content;
	char		 key[NAME_KEY_MAX + 1];
	char		 dict_key[NAME_KEY_MAX + 1];
	struct store_if	 cond;		/* for a change of it */
	struct fprint	 print;
	int		 minor;		/* of HTTP/1.x */
	int		 keepalive;
	int		 expect;	/* a 100 (Continue) is owed */
	int		 ranged;	/* a Range was asked: */
	uint64_t	 from, to;	/* first and last byte, see range.h */
	struct http_body hb;
	uint64_t	 length;	/* of the body; UINT64_MAX: unknown */
	struct ibuf	 body;
	int		 orphan;	/* kept alive only by a job */
	int		 jobs;		/* how many work for it */
	/* the answer, when it is made piece by piece */
	int		 (*fill)(struct req *, struct ibuf *);
	const char	*type;
	int		 started;	/* its head is out */
	int		 raw;		/* with a length, not in chunks */
	/* the handler's own */
	void		*data;
	void		(*free)(struct req *);
	SLIST_ENTRY(req) entry;
};

/* The head of the request that is being started, good only until then. */
struct head {
	struct http_head h;
	struct target	 t;
};

struct route {
	const char	*method;
	const char	*path;		/* :a account, :m mailbox, :c content, */
					/* :k key of dict */
	uint64_t	 cap;		/* bits, all needed; 0: always there */
	enum body_kind	 body;
	size_t		 max;		/* of a whole body */
	/* the head is in; body WHOLE: also the body */
	void		(*run)(struct req *, const struct head *);
	/* STREAM: a piece, and the end; return -1 after an early answer */
	int		(*data)(struct req *, const void *, size_t);
	void		(*end)(struct req *);
	int		 secret;	/* leave nothing of it in memory */
	uint64_t	 any;		/* bits, one needed; 0: none */
};

/* route.c */
/* NULL: *code and *allow say why. */
const struct route *route_find(const struct head *, uint64_t, int *,
	    const char **);
/* Fill in what the path names; a code. */
int	 route_args(struct req *, const struct head *);

/* conn.c: the server */
struct server {
	const struct mstored_conf *conf;
	struct store	*store;		/* the loop's */
	struct worker	*auth;		/* passwords */
	struct worker	*files;		/* bodies on their way to the disk */
	int64_t		 seq;		/* the last event that was told */
	struct ibuf	 text;		/* answers are made here */
	unsigned int	 nconns;
	uint64_t	 requests;	/* so far */
	int		 stopping;
};

extern struct server server;

int	 conn_listen(const int *, int);
void	 conn_accepting(int);
/* Ends all that are idle; those that are not end behind their answer. */
void	 conn_stop(void);
void	 conn_abort_all(void);

/* The request's answer is complete. */
void	 req_done(struct req *);
void	 req_free(struct req *);
/*
 * A job works for the request; req_return() gives it back: 0 when nobody
 * waits for the answer any more, the request then being gone.
 */
void	 req_lend(struct req *);
int	 req_return(struct req *);
/* Take the request's collected body; the caller frees it. */
void	 req_take_body(struct req *, struct ibuf *);
/* Read no further until req_resume(): the handler is busy with a piece. */
void	 req_pause(struct req *);
void	 req_resume(struct req *);
/* More can be written, or made: called when the queue is low again. */
void	 req_again(struct req *);

/* resp.c: answers */
void	 resp_send(struct req *, int, const char *, const void *, size_t);
void	 resp_empty(struct req *, int);
/* detail is for people and may be NULL. */
void	 resp_error(struct req *, int, const char *);
/* As resp_error(), for what has no code of its own; extra is a field. */
void	 resp_refuse(struct req *, int, const char *, const char *);
/* The head of an answer whose bytes follow by io_write(), then req_done(). */
void	 resp_head(struct req *, int, const char *, uint64_t, const char *);
/*
 * fill() adds at most some ten KiB and says whether that was all; it is
 * called again when the peer has taken what there was.
 */
enum resp_fill {
	RESP_END,		/* the answer is complete */
	RESP_MORE,
	RESP_WAIT		/* nothing now: req_again() or resp_add() */
};
void	 resp_fill(struct req *, const char *,
	    int (*)(struct req *, struct ibuf *));
/* The same for bytes of a known length, the head being out. */
void	 resp_fill_raw(struct req *, int (*)(struct req *, struct ibuf *));
void	 resp_more(struct req *);
/* A piece out of turn, while the answer waits. */
void	 resp_add(struct req *, const struct ibuf *);
/* 100 (Continue), if the client waits for it. */
void	 resp_continue(struct req *);

#define TYPE_JSON	"application/json"
#define TYPE_NDJSON	"application/x-ndjson"
#define TYPE_PROBLEM	"application/problem+json"
#define TYPE_MESSAGE	"message/rfc822"

#endif /* CONN_H */
