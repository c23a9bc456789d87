/* What the calls that change something have in common. */
#ifndef CALL_H
#define CALL_H

#include "answer.h"
#include "args.h"
#include "calls.h"
#include "change.h"
#include "conn.h"

/*
 * A change asked for by a request: the struct of each call has this in
 * front.  body keeps the texts that the rest points into.
 */
struct call {
	struct change	 ch;
	struct req	*req;
	struct ibuf	 body;
	const struct call_kind *kind;
};

struct call_kind {
	struct change_kind ch;
	size_t		 size;		/* of the whole struct */
	size_t		 zero;		/* of what is to be cleared of it */
	const char	*type;		/* of the answer; NULL: it is empty */
	void		(*fini)(struct call *);
};

/*
 * Starts one for a request, taking its body.  NULL: the request has been
 * answered (503).
 */
struct call *call_new(struct req *, const struct call_kind *);
/*
 * Its members; on an error the request is answered, the call is gone and
 * -1 returned.
 */
int	 call_args(struct call *, struct args *, const char *const *);
/* Ends one that is not to be done, with an error. */
void	 call_fail(struct call *, int, const char *);
/* The same when nobody waits for it any more. */
void	 call_drop(struct call *);
/* Hands it to the writer, and answers when it is done. */
void	 call_submit(struct call *);

/* call_events.c: what a change has to tell the streams. */
void	 events_publish(const struct change *);
int	 events_start(void);
void	 events_stop(void);

#endif /* CALL_H */
