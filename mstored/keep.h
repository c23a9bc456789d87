/*
 * Listings of whole mailboxes that were made of late, so that a mailbox in
 * which nothing has changed is not read again: mail programs come back
 * every few minutes.  A mailbox has a modseq for each of its states, so a
 * listing is right as long as that is the same.
 *
 * The loop's thread only.  Who may see a mailbox has been found out before.
 */
#ifndef KEEP_H
#define KEEP_H

#include <sys/types.h>
#include <stdint.h>

#include "ibuf.h"

#define KEEP_ONE	(96 * 1024)		/* bytes of a listing */
#define KEEP_ALL	(3 * 1024 * 1024)	/* of all */

struct keep_key {
	int64_t		 mailbox;
	uint32_t	 uidvalidity;
	uint32_t	 form;		/* which fields, and how asked for */
	uint64_t	 modseq;
};

/* NULL: not there.  Good until the next call. */
const struct ibuf *keep_find(const struct keep_key *);
/* Takes what is in the buffer; it is empty afterwards. */
void	 keep_put(const struct keep_key *, struct ibuf *);
/* Bytes of memory that all take. */
size_t	 keep_size(void);
void	 keep_flush(void);

#endif /* KEEP_H */
