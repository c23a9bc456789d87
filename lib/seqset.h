/*
 * IMAP's sequence-set (RFC 9051, 9) as sent by a client: "2,4:7,9,12:*",
 * in any order, overlapping, "*" for the last message, "$" for the saved
 * search result (RFC 5182); and what it means in a mailbox.
 */
#ifndef SEQSET_H
#define SEQSET_H

#include <sys/types.h>
#include <stdint.h>

#include "uidset.h"

#define SEQ_STAR	0		/* stands for "*" in a range */

struct seqrange {
	uint32_t	lo;		/* lo <= hi if both are numbers */
	uint32_t	hi;
};

/* The ranges belong to whoever gave them to seqset_parse(). */
struct seqset {
	const struct seqrange	*r;
	uint32_t		 n;
	int			 saved;	/* it was "$"; n is 0 */
	int			 star;	/* some range has a "*" */
};

/*
 * seqset_ranges() says how many ranges a text may hold (commas and one);
 * seqset_parse() parses exactly len bytes into an array of at least so
 * many.  Returns 0, or -1 with errno EINVAL.  "$" is a set only if the
 * last argument says so.
 */
uint32_t seqset_ranges(const char *, size_t);
int	 seqset_parse(struct seqset *, struct seqrange *, const char *,
	    size_t, int);

/*
 * The uids, existing in the view (all uids of the mailbox in order), that
 * the set names; out is initialised, its old content is replaced.
 * SEQSET_UID: the numbers are uids, those that do not exist are ignored;
 * otherwise they are sequence numbers, and one over the number of messages
 * (in an empty mailbox "*" too) is an error, ERANGE: answer BAD;
 * SEQSET_LENIENT: it is ignored (SEARCH keys).  saved: what "$" is, NULL if
 * nothing was saved.  The cost is sorting the set's ranges and then linear
 * in the ranges of set and view.  Returns 0, or -1 with errno ERANGE,
 * ENOMEM.
 */
#define SEQSET_UID	0x1
#define SEQSET_LENIENT	0x2

int	 seqset_resolve(const struct seqset *, int, struct uidset *,
	    const struct uidset *, struct uidset *);

/*
 * The other way: sequence numbers (as a set, in out) of those of the uids
 * that are in the view.  Linear in ranges.  Returns 0, or -1 with ENOMEM.
 */
int	 seqset_numbers(struct uidset *, const struct uidset *,
	    struct uidset *);

#endif /* SEQSET_H */
