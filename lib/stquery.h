/*
 * What a storage can search, sort and thread by (the details of its
 * capabilities "search", "sort" and "thread"), and a SEARCH (RFC 9051,
 * 6.4.4) as the query that it is asked.
 *
 * Only keys that need a message's row or its text are for the storage:
 * sets, flags, \Recent and modseq are the frontend's own to know.
 */
#ifndef STQUERY_H
#define STQUERY_H

#include <sys/types.h>
#include <stdint.h>

#include "ibuf.h"
#include "imapparse.h"

/* Keys by the names that a storage lists, as bits; the rest is not asked. */
enum stquery_key {
	STQUERY_AND		= 0x0001,
	STQUERY_OR		= 0x0002,
	STQUERY_NOT		= 0x0004,
	STQUERY_LARGER		= 0x0008,
	STQUERY_SMALLER		= 0x0010,
	STQUERY_SINCE		= 0x0020,
	STQUERY_BEFORE		= 0x0040,
	STQUERY_ON		= 0x0080,
	STQUERY_SENTSINCE	= 0x0100,
	STQUERY_SENTBEFORE	= 0x0200,
	STQUERY_SENTON		= 0x0400,
	STQUERY_TEXT		= 0x0800,
	STQUERY_BODY		= 0x1000,
	STQUERY_HEADER		= 0x2000,	/* any field; or only these: */
	STQUERY_BCC		= 0x4000,
	STQUERY_CC		= 0x8000,
	STQUERY_FROM		= 0x10000,
	STQUERY_SUBJECT		= 0x20000,
	STQUERY_TO		= 0x40000,
	STQUERY_SAVEDBEFORE	= 0x80000,
	STQUERY_SAVEDON		= 0x100000,
	STQUERY_SAVEDSINCE	= 0x200000
};

/* By name ("since", "header:subject"); 0: none of ours. */
uint32_t stquery_key(const char *, size_t);

/* 1 << enum imap_sort, 1 << enum imap_thread; 0: none of ours. */
uint32_t stquery_sort(const char *, size_t);
uint32_t stquery_thread(const char *, size_t);
/* "subject -date": the criteria as m_st_search has them. */
int	 stquery_put_sort(struct ibuf *, const struct imap_search *);

/* Those that belong to the capability "savedate". */
#define STQUERY_SAVED	(STQUERY_SAVEDBEFORE | STQUERY_SAVEDON | \
			    STQUERY_SAVEDSINCE)

#define STQUERY_NODES		1000	/* where a storage says nothing else */
#define STQUERY_DEPTH		32
#define STQUERY_TEXTS		64
#define STQUERY_DEPTH_MAX	100
#define STQUERY_STRING		1000	/* bytes of a text */

struct stquery_can {
	uint32_t keys;		/* enum stquery_key */
	uint32_t nodes;		/* objects in a query */
	uint32_t depth;		/* of them in each other */
	uint32_t texts;		/* header, text and body */
};

/*
 * Appends the query, one JSON object, whose answer has every message that
 * the key matches.  What the storage does not know is left out where that
 * only finds more.  NONE: nothing can be said, or not within the bounds,
 * or the ibuf is full; it is as it was then.
 */
enum stquery_said {
	STQUERY_NONE,
	STQUERY_MORE,		/* may find others, too */
	STQUERY_EXACT
};

enum stquery_said stquery_put(struct ibuf *, const struct imap_key *,
	    const struct stquery_can *);

#endif /* STQUERY_H */
