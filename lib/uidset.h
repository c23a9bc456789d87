/*
 * Sets of uids as sorted, disjoint, not adjacent ranges: the sets of the
 * storage API, the mailbox views of IMAP, sequence sets once resolved
 * (RFC 9051, 9: sequence-set).  A dense mailbox of any size is one range.
 *
 * The caller owns the struct; uidset_fini() frees what it holds.  What can
 * run out of memory returns 0, or -1 with errno ENOMEM and the set as it
 * was.  Members are 1 to UINT32_MAX; 0 is never in a set.
 */
#ifndef UIDSET_H
#define UIDSET_H

#include <sys/types.h>
#include <stdint.h>

#include "ibuf.h"

struct urange {
	uint32_t	lo;
	uint32_t	hi;
};

struct uidset {
	struct urange	*r;
	uint32_t	 n;		/* ranges in use */
	uint32_t	 cap;		/* ranges allocated */
	uint32_t	*cum;		/* members before range i; NULL: stale */
};

/* Text of one range is at most this long, its separator included. */
#define UIDSET_TEXT_MAX		22

void	 uidset_init(struct uidset *);
void	 uidset_fini(struct uidset *);
void	 uidset_clear(struct uidset *);
int	 uidset_copy(struct uidset *, const struct uidset *);
void	 uidset_move(struct uidset *, struct uidset *);
int	 uidset_add(struct uidset *, uint32_t, uint32_t);
int	 uidset_remove(struct uidset *, uint32_t, uint32_t);
int	 uidset_union(struct uidset *, const struct uidset *);
int	 uidset_subtract(struct uidset *, const struct uidset *);
int	 uidset_intersect(struct uidset *, const struct uidset *);
int	 uidset_contains(const struct uidset *, uint32_t);
int	 uidset_equal(const struct uidset *, const struct uidset *);
int	 uidset_overlaps(const struct uidset *, const struct uidset *);
uint32_t uidset_count(const struct uidset *);
uint32_t uidset_min(const struct uidset *);
uint32_t uidset_max(const struct uidset *);

/*
 * Rank and select: uidset_rank() is the 1-based place of a member (its
 * sequence number in a view), 0 if it is none; uidset_below() counts the
 * members smaller than a uid; uidset_nth() is the member at a 1-based
 * place, 0 if there is none.  They keep an index inside the set, made on
 * first use (without memory for it they count from the front).
 */
uint32_t uidset_rank(struct uidset *, uint32_t);
uint32_t uidset_below(struct uidset *, uint32_t);
uint32_t uidset_nth(struct uidset *, uint32_t);

/*
 * The API's text form "1:500,502,600:610".  uidset_parse() takes exactly
 * len bytes and refuses anything but that canonical form (ascending,
 * disjoint, not adjacent, no '*') with EINVAL, and more than maxranges
 * with ERANGE.  uidset_format() writes from range number *pos on as many
 * ranges as fit in maxlen bytes and moves *pos; it returns 1 while some
 * are left, 0 at the end, -1 on error.
 */
int	 uidset_parse(struct uidset *, const char *, size_t, uint32_t);
int	 uidset_format(const struct uidset *, uint32_t *, size_t,
	    struct ibuf *);
int	 uidset_put(const struct uidset *, struct ibuf *);

/* All members in order: for (u = uidset_first(..); u; u = uidset_next(..)) */
struct uidset_iter {
	const struct uidset	*set;
	uint32_t		 i;
	uint32_t		 uid;
};

uint32_t uidset_first(struct uidset_iter *, const struct uidset *);
uint32_t uidset_next(struct uidset_iter *);

#endif /* UIDSET_H */
