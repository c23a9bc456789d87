/*
 * Numbers for things that others name: sessions, requests.  A number is
 * never 0 and comes again only after its place was used 4,095 times more,
 * the place freed longest ago being taken first, so that what arrives late
 * for a thing that is gone finds nothing.
 */
#ifndef SLOTS_H
#define SLOTS_H

#include <stdint.h>

#define SLOTS_MAX	(1U << 20)

struct slot {
	void		*p;		/* NULL: free */
	uint32_t	 id;		/* last given out, 0: none yet */
	uint32_t	 next;		/* in the free list */
};

struct slots {
	struct slot	*v;
	uint32_t	 n;		/* allocated */
	uint32_t	 used;
	uint32_t	 head, tail;	/* free list, SLOTS_MAX: empty */
};

void	 slots_init(struct slots *);
/* 0 when there is no memory or no number left. */
uint32_t slots_add(struct slots *, void *);
void	*slots_get(const struct slots *, uint32_t);
void	 slots_del(struct slots *, uint32_t);
/* All of them: start with *i = 0; NULL at the end. */
void	*slots_each(const struct slots *, uint32_t *);

#endif /* SLOTS_H */
