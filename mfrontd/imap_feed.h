/*
 * What a FETCH reads, on its way into an index: see imap_feed.c.
 */
#ifndef IMAP_FEED_H
#define IMAP_FEED_H

#include "imap.h"

struct stext;

/* Does what the command reads of its mailbox feed an index? */
int	 feed_may(const struct iop *);
/* It is going to read these: some may be indexed already. */
void	 feed_begin(struct iop *, const struct uidset *);
/* As stext_open() and stext_add() of a search. */
struct stext *feed_open(struct iop *, uint32_t);
void	 feed_add(struct iop *, struct stext *, uint32_t, uint64_t);
/*
 * Is something being written for the session?  Then it goes on by the call,
 * when that is done or has taken too long.
 */
int	 feed_wait(struct iop *, void (*)(struct iop *));
/* Likewise, if there is no room for more before something is written. */
int	 feed_pause(struct iop *, void (*)(struct iop *));
void	 feed_unwait(struct iop *);

/* imap_index_build.c: a text comes by in pieces. */
void	 stext_feed(struct stext *, const void *, size_t);
void	 stext_free(struct stext *);	/* NULL: none */

#endif /* IMAP_FEED_H */
