/*
 * The JSON of answers, as the loop and the writer make it.  All return 0,
 * or -1 when the buffer may not grow any more.
 */
#ifndef ANSWER_H
#define ANSWER_H

#include "ibuf.h"
#include "store.h"

#define ANSWER_SET	32768		/* text of a set in one line */
#define ANSWER_RANGES	1500		/* as many always fit */

/* A mailbox's row, without a line end. */
int	 answer_mailbox(struct ibuf *, const struct store_mailbox *,
	    uint64_t);
/* "name":{"mailbox":...} inside an object. */
int	 answer_change(struct ibuf *, const char *,
	    const struct store_change *, uint64_t);
/* Lines {"name":set} for the whole of it. */
int	 answer_sets(struct ibuf *, const char *, const struct uidset *);
/* "uid":n or "uids":set, the object's brace before it. */
int	 answer_uids(struct ibuf *, const struct uidset *);
/* The last line; with a code: what was before is not all. */
int	 answer_end(struct ibuf *, int);

#endif /* ANSWER_H */
