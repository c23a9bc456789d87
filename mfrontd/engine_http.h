/*
 * A connection to a storage: shared by engine_http.c, which speaks on it,
 * engine_answer.c, which reads what is said, and engine_pool.c, which keeps
 * it.
 */
#ifndef ENGINE_HTTP_H
#define ENGINE_HTTP_H

#include "engine.h"

enum hconn_state {
	HC_IDLE,
	HC_CONTINUE,		/* the body waits for 100 (Continue) */
	HC_HEAD,		/* the head of the answer is awaited */
	HC_BODY
};

struct hconn {
	struct io		 io;
	struct estorage		*st;
	struct eurl		*url;	/* NULL: of an old configuration */
	struct hreq		*req;
	struct hreq		*reserved;	/* a probe, for later */
	enum hconn_state	 state;
	struct http_body	 body;
	int			 keep;	/* may be used again */
	int			 used;	/* exchanges done on it */
	int			 secured;	/* TLS is there */
	uint64_t		 made;	/* its number, of its URL's */
	int			 counted;	/* in the pool */
	int			 aside;		/* not, its client is slow */
	uint64_t		 before;	/* bytes sent before this */
	uint64_t		 nin;		/* those told to the storage */
	uint64_t		 nout;
	int			 unsent;	/* the request's body is not out */
	struct tmo		 tmo;
	TAILQ_ENTRY(hconn)	 entry;
};

/* Sends a request on an idle connection. */
void	 hconn_give(struct hconn *, struct hreq *);

/* The exchange is over, with what came of it; the request is no more. */
void	 hconn_done(struct hconn *, enum st_code, const char *,
	    struct json *);
/* And so is the connection. */
void	 hconn_fail(struct hconn *, enum st_code, const char *);
/* The URL did not do what it should. */
void	 hconn_failure(struct hconn *, const char *);
/* The answer is incomplete: what may be asked again is. */
void	 hconn_cut(struct hconn *);

/* A piece of an answer's body; -1: nonsense. */
int	 eanswer_content(struct hconn *, const void *, size_t);
/* All of it has come. */
void	 eanswer_complete(struct hconn *);

/* Last of its session, or first: one that is asked again. */
void	 hreq_queue(struct hreq *, int);

void	 epool_add(struct hconn *);
void	 epool_remove(struct hconn *);
void	 epool_use(struct hconn *, int);
void	 epool_idle(struct hconn *);
void	 epool_wait(struct hconn *);
void	 epool_aside(struct hconn *, int);

#endif /* ENGINE_HTTP_H */
