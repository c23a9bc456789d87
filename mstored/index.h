/*
 * The index for searching, in a database of its own, index.db in the
 * store's folder.  It knows of each content the words' trigrams, for each
 * account that has it, and what SORT and THREAD compare.
 *
 * It is made from the contents in order of their numbers, a little at a
 * time; index_done() is how far it has come.  Nothing in it is needed: it
 * may be removed whenever no server runs, and is made anew when it is
 * damaged or belongs to another store.  What it proposes has to be looked
 * at; what it does not propose, of what it has seen, does not match.
 *
 * One thread at a time.  Functions return 0 or -1; the reason has been logged.
 */
#ifndef INDEX_H
#define INDEX_H

#include <sys/types.h>
#include <stdint.h>

#include "ibuf.h"
#include "msgkeys.h"

#define INDEX_HEAD	(64 * 1024)	/* bytes of a content's text, folded */
#define INDEX_BODY	(256 * 1024)
#define INDEX_HITS	1000000		/* of one text: more is everything */

struct index;

/*
 * NULL: there is none (logged).  The store's epoch, KiB of cache.  One is
 * opened to be filled, and first; others may be, only to read.
 */
struct index *index_open(uint32_t, int, int);
void	 index_close(struct index *);
int64_t	 index_done(const struct index *);
/* Another one may have filled it meanwhile: how far it is now. */
void	 index_refresh(struct index *);

int	 index_begin(struct index *);
/* One account's; cut: the text is not all of it. */
int	 index_add_text(struct index *, int64_t, int64_t, const struct ibuf *,
	    const struct ibuf *, int);
int	 index_add_keys(struct index *, int64_t, const struct msgkeys *);
/* Everything up to this content has been added; 0 leaves it as it was. */
int	 index_commit(struct index *, int64_t);
void	 index_rollback(struct index *);
/* Everything is forgotten: most of it is of contents that are gone. */
int	 index_reset(struct index *);
/* How many texts are in it. */
int64_t	 index_count(const struct index *);

/*
 * Contents of an account in which a text may be, in ascending order, into
 * an array that the caller frees.  1; 0 when the index cannot tell: the text
 * is too short, or in too many; -1.
 */
int	 index_find(struct index *, int64_t, const struct ibuf *, int,
	    int64_t **, size_t *);

/* A content's keys: 1, 0 if it is not there. */
int	 index_get_keys(struct index *, int64_t, struct msgkeys *);

#endif /* INDEX_H */
