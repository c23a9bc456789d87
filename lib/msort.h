/*
 * Sorting in steps, for who has other things to do meanwhile: a merge sort
 * of numbers (indexes of whatever is sorted), stable, bottom up.
 */
#ifndef MSORT_H
#define MSORT_H

#include <sys/types.h>
#include <stdint.h>

/* Both arrays are the caller's, n long, n below 2^31; a has what to sort. */
struct msort {
	uint32_t	*a;		/* afterwards: sorted */
	uint32_t	*b;
	uint32_t	 n;
	/* at work: runs of this width are merged in pairs */
	uint32_t	 width;
	uint32_t	 lo;		/* where the pair begins */
	uint32_t	 i, j, k;	/* next of either run, and of b */
};

void	 msort_init(struct msort *, uint32_t *, uint32_t *, uint32_t);

/*
 * Goes on for so many elements: 1 when a is sorted (it may be the array
 * that was b), 0 if there is more to do.  The comparison gets the last
 * argument and two of the numbers.
 */
int	 msort_step(struct msort *, uint32_t,
	    int (*)(const void *, uint32_t, uint32_t), const void *);

#endif /* MSORT_H */
