/*
 * Character sets of mail to UTF-8, and UTF-8 folded for comparing.
 *
 * Single-byte sets and the Unicode forms are tables and code of our own.
 * The large East Asian sets are the system's iconv, whose converters are
 * files: charset_init() opens them all, once, before the process gives up
 * the file system; nothing is opened afterwards.  Without it (or where the
 * system has no such converter) those sets are read as unknown ones.  One
 * thread at a time may convert.
 */
#ifndef CHARSET_H
#define CHARSET_H

#include <sys/types.h>
#include <stdint.h>

#include "ibuf.h"

/* Opens the converters; returns how many the system lacks. */
int	 charset_init(void);

/*
 * A set by any of its names, in any case.  Never NULL: for an unknown name
 * bytes from 0x80 on become U+FFFD; no name, US-ASCII and the names of
 * "don't know" are read as UTF-8, which is what such mail is if it is
 * anything.  charset_known() says whether the name itself is known.
 */
struct charset;
const struct charset *charset_find(const char *, size_t);
int	 charset_known(const char *, size_t);

/*
 * A conversion, fed in pieces of any size; a character may be split over
 * them.  Input never fails: what is no character becomes U+FFFD.  Output
 * is appended; the ibuf must have room for 4 bytes for an input byte and 64
 * more.  0, or -1 with its errno, after which the rest of the piece is lost.
 * charset_finish() writes what a cut-off character left and starts over.
 */
struct charset_conv {
	const struct charset	*cs;
	uint32_t		 state;		/* shift state, per set */
	uint32_t		 bits;
	uint32_t		 high;		/* surrogate kept */
	uint8_t			 nhold;
	uint8_t			 hold[8];	/* start of a character */
};

void	 charset_start(struct charset_conv *, const struct charset *);
int	 charset_feed(struct charset_conv *, const void *, size_t,
	    struct ibuf *);
int	 charset_finish(struct charset_conv *, struct ibuf *);

/*
 * Folding for search and sort: case folded, decomposed with compatibility
 * forms made one, marks in canonical order (what i;unicode-casemap,
 * RFC 5051, compares).  Two strings that people call the same fold to the
 * same bytes.  The input is UTF-8 (what is not becomes U+FFFD), in pieces
 * split anywhere between characters; charset_fold_finish() ends a string.
 * More than CHARSET_MARKS marks on one letter keep their order.  Characters
 * that are not to be seen (soft hyphens, joiners) are dropped.  The output
 * may be 11 times the input, and usually is as long.
 */
#define CHARSET_MARKS	32

struct charset_fold {
	uint32_t	 mark[CHARSET_MARKS];
	uint8_t		 ccc[CHARSET_MARKS];
	int		 n;
};

void	 charset_fold_start(struct charset_fold *);
int	 charset_fold_feed(struct charset_fold *, const char *, size_t,
	    struct ibuf *);
int	 charset_fold_finish(struct charset_fold *, struct ibuf *);
/* The three in one. */
int	 charset_fold(struct ibuf *, const char *, size_t);

/*
 * Names of mailboxes: is this UTF-8 in NFC; its NFC, appended.  Both refuse
 * what is not UTF-8: 0, and -1 with EILSEQ.
 */
int	 charset_is_nfc(const char *, size_t);
int	 charset_nfc(struct ibuf *, const char *, size_t);

#endif /* CHARSET_H */
