/*
 * An index of texts, kept as small values somewhere else: it tells which
 * messages cannot contain a string, so that only the others are read.
 *
 * What is indexed is the set of a text's grams: all runs of three, four and
 * five bytes, folded as msgsearch_fold() does, none with a line feed.  A
 * gram is a number: its group (of the first three bytes), its slice in the
 * group and a rest.  A message has k columns, one for about SIGINDEX_GRAMS
 * grams; the rest modulo k says which of them a gram sets a bit in.  A
 * segment is a matrix of bits, 4096 slices by up to SIGINDEX_COLUMNS
 * columns, stored slice by slice and cut into values of whole groups, so
 * that a string's few groups are all that has to be read: a message that
 * lacks one of the string's bits does not contain it.  With about two bits
 * of five set, so many of the others pass each gram of a string; a group
 * has up to three of them.
 *
 * A segment's head tells what it is about: which uids have which columns,
 * and the checksum of each value.  A manifest names the segments and the
 * checksums of their heads.  What was stored comes back through decoders
 * that believe nothing: a head or value that does not verify is none.
 *
 * Pure: no I/O.  Functions return 0, or -1 with errno (ENOMEM; EBADMSG for
 * what does not decode; ERANGE for what is too much).
 */
#ifndef SIGINDEX_H
#define SIGINDEX_H

#include <sys/types.h>
#include <stdint.h>

#include "ibuf.h"
#include "uidset.h"

#define SIGINDEX_GROUPS		128
#define SIGINDEX_GROUP		32	/* slices of one */
#define SIGINDEX_COLUMNS	4096	/* of a segment, at most */
#define SIGINDEX_COLUMN		512	/* bytes of one, by itself */
#define SIGINDEX_GRAMS		2048	/* in a column, about */
#define SIGINDEX_WIDE		32	/* columns of a message, at most */
#define SIGINDEX_VALUE		32768	/* bytes of a value, at most */
#define SIGINDEX_SUM		8	/* bytes of a checksum */
#define SIGINDEX_CODES		96	/* grams of a query that are used */
#define SIGINDEX_SEGMENTS	500	/* of a mailbox */
#define SIGINDEX_MERGE		8	/* of a level are merged */
#define SIGINDEX_TEXT		49152	/* bytes of a head or manifest */

void	 sigindex_sum(const void *, size_t, uint8_t[SIGINDEX_SUM]);

/*
 * The grams of one message, as its text comes by in pieces of any size.
 * There are two streams, for a text that comes in two buffers.  One with
 * too many grams ends up with none: siggrams_columns() is 0, and it is a
 * candidate for every string.
 */
struct siggrams;
struct siggrams *siggrams_open(void);
int	 siggrams_feed(struct siggrams *, int, const void *, size_t);
int	 siggrams_finish(struct siggrams *);
/* Not all of the text was seen: it may have any gram. */
void	 siggrams_spoil(struct siggrams *);
unsigned siggrams_columns(const struct siggrams *);
/* Sets the bits in that many columns, one behind the other. */
void	 siggrams_set(const struct siggrams *, uint8_t *);
void	 siggrams_free(struct siggrams *);

/*
 * A string that is looked for: n is 0 if it is too short for the index to
 * know anything.  Strings that all must be there may be added to one query.
 */
struct sigquery {
	uint32_t	code[SIGINDEX_CODES];
	size_t		n;
};

void	 sigquery_add(struct sigquery *, const void *, size_t);

struct sigentry {
	uint32_t	uid;
	uint16_t	base;		/* its first column */
	uint8_t		k;		/* 0: it has none, always a candidate */
};

struct sighead {
	unsigned	 columns;	/* a multiple of 64, or 0 */
	unsigned	 nvalues;
	uint64_t	 bytes;		/* of the messages */
	struct sigentry	*e;		/* by uid */
	uint32_t	 n;
	uint8_t		 sum[SIGINDEX_GROUPS][SIGINDEX_SUM];
};

int	 sighead_put(const struct sighead *, struct ibuf *);
/* Memory of the struct is the caller's to free, by sighead_fini(). */
int	 sighead_get(struct sighead *, const void *, size_t);
void	 sighead_fini(struct sighead *);
/* How many values so many columns are cut into; bytes of each. */
unsigned sighead_nvalues(unsigned);
size_t	 sighead_value(const struct sighead *);
/* Notes a value's checksum; is this the value? */
void	 sighead_seal(struct sighead *, unsigned, const void *);
int	 sighead_verify(const struct sighead *, unsigned, const void *, size_t);
/* Which values the query is in, most telling first; returns how many. */
unsigned sighead_values(const struct sighead *, const struct sigquery *,
	    uint16_t[SIGINDEX_GROUPS]);
/* Clears alive[i] where entry i cannot have what the query asks for. */
void	 sighead_filter(const struct sighead *, unsigned, const void *,
	    const struct sigquery *, uint8_t *);

/*
 * Making a segment of messages: each takes its columns, as many as
 * sigbuild_columns() says are taken grow by that.  When it is done,
 * sigbuild_head() gives the head, and sigbuild_value() each value, which
 * is to be sealed; then the head is complete.
 */
struct sigbuild;
struct sigbuild *sigbuild_open(void);
int	 sigbuild_add(struct sigbuild *, uint32_t, uint64_t,
	    const struct siggrams *);
unsigned sigbuild_columns(const struct sigbuild *);
uint32_t sigbuild_count(const struct sigbuild *);
/* Without these messages; the columns they took stay taken until a reset. */
void	 sigbuild_drop(struct sigbuild *, const struct uidset *);
int	 sigbuild_head(struct sigbuild *, struct sighead *);
void	 sigbuild_value(const struct sigbuild *, const struct sighead *,
	    unsigned, uint8_t *);
void	 sigbuild_reset(struct sigbuild *);
void	 sigbuild_free(struct sigbuild *);

/*
 * Making one segment of several, without the messages that are no more.
 * For value v of the new one, value sigmerge_from(m, i, v) of each source i
 * is needed.
 */
struct sigmerge {
	unsigned		 n;
	const struct sighead	*src[SIGINDEX_MERGE];
	struct sighead		 head;		/* the new one */
	struct {
		uint16_t	 col;
		uint8_t		 src;
	}			*from;		/* of each column */
};

/* The heads stay the caller's, and must stay. */
int	 sigmerge_open(struct sigmerge *, const struct sighead *const *,
	    unsigned, const struct uidset *);
unsigned sigmerge_from(const struct sigmerge *, unsigned, unsigned);
void	 sigmerge_value(const struct sigmerge *, unsigned,
	    const uint8_t *const *, uint8_t *);
void	 sigmerge_fini(struct sigmerge *);

/* What there is of a mailbox. */
struct sigseg {
	uint64_t	id;
	uint32_t	lo;		/* uids */
	uint32_t	hi;
	uint32_t	n;		/* messages */
	uint16_t	columns;
	uint8_t		sum[SIGINDEX_SUM];	/* of its head */
};

struct sigmanifest {
	uint32_t	 uidvalidity;
	unsigned	 n;
	struct sigseg	 seg[SIGINDEX_SEGMENTS];
};

/* With the mailbox's id: one of another is EBADMSG. */
int	 sigmanifest_put(const struct sigmanifest *, const char *,
	    struct ibuf *);
int	 sigmanifest_get(struct sigmanifest *, const char *, const void *,
	    size_t);
/* ERANGE: there are too many. */
int	 sigmanifest_add(struct sigmanifest *, const struct sigseg *);
void	 sigmanifest_drop(struct sigmanifest *, uint64_t);
/*
 * Segments of one level that are better one: their numbers, ascending;
 * returns how many, 0 if there is nothing to merge.
 */
unsigned sigmanifest_merge(const struct sigmanifest *,
	    unsigned[SIGINDEX_MERGE]);

#endif /* SIGINDEX_H */
