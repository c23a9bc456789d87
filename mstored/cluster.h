/*
 * Rows of a listing that say the same of many messages: messages are added
 * in order of their uid, those with equal flags (and modseq, where it is
 * told) gather in one cluster, whose uids then are one set.
 *
 * A struct holds what is not written yet: at most CLUSTER_MAX clusters of
 * CLUSTER_RANGES ranges together, so that a set's text stays far below what
 * a line may hold.  Written in order of the lowest uid.
 */
#ifndef CLUSTER_H
#define CLUSTER_H

#include <sys/types.h>
#include <stdint.h>

#include "uidset.h"

#define CLUSTER_MAX	16
#define CLUSTER_RANGES	1500

struct cluster {
	int64_t		 flags;		/* id of the flag set, 0: not told */
	uint64_t	 modseq;	/* 0: not told */
	struct uidset	 uids;
};

struct clusters {
	struct cluster	 c[CLUSTER_MAX];
	int		 n;
	int		 last;		/* the one that got the last message */
	uint32_t	 ranges;	/* of all together */
};

void	 clusters_init(struct clusters *);
void	 clusters_fini(struct clusters *);
/*
 * 1: taken.  0: no room, write what is there, clear and try again.
 * -1: ENOMEM.  Uids must ascend from call to call, until cleared.
 */
int	 clusters_add(struct clusters *, uint32_t, int64_t, uint64_t);
/* Forgets all, keeps the memory for the next. */
void	 clusters_clear(struct clusters *);

#endif /* CLUSTER_H */
