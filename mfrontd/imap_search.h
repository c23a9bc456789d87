/*
 * SEARCH, SORT and THREAD: what their files share.
 *
 *	imap_search.c		which messages match
 *	imap_query.c		asking the storage for that
 *	imap_index.c		what an index of ours says (imap_index.h)
 *	imap_result.c		the answer: SEARCH, ESEARCH, "$"
 *	imap_sort.c		in order, or in threads
 */
#ifndef IMAP_SEARCH_H
#define IMAP_SEARCH_H

#include "imap.h"
#include "imap_feed.h"
#include "msgsearch.h"
#include "summary.h"

#define LIST_CREDIT	(64 * 1024)
#define SET_RANGES	1000
#define QUEUE_MAX	256	/* messages whose contents wait */
#define AHEAD		6	/* contents at once */
#define CONTENT_CREDIT	(128 * 1024)
#define MODSEQ_KEYS	8
#define QUERIES		4
#define THREADS_MAX	(64 * 1024 * 1024) /* of their text */

enum tri { NO, YES, OPEN };

struct modseq_key {
	uint64_t	 from;
	struct uidset	 uids;
};

/*
 * A part of the search that the storage is asked for: which messages surely
 * match it, and which may.
 */
struct squery {
	const struct imap_key *key;
	struct ibuf	 json;
	int		 exact;		/* it says just what the key says */
	int		 asked;
	int		 known;
	struct m_st_found_head head;
	struct uidset	 lo;
	struct uidset	 hi;
};

struct sindex;
struct smsg;
struct sorter;
struct stext;

struct search {
	struct uidset	 match;
	struct uidset	 todo;		/* open, not listed yet */
	struct uidset	 listing;
	uint32_t	 needs;
	struct msgsearch_key keys[MSGSEARCH_KEYS];
	const struct imap_key *key_of[MSGSEARCH_KEYS];
	size_t		 nkeys;
	int		 headers;	/* some are of fields */
	int		 whole;		/* ... and not with the envelope */
	int		 emailids;	/* there are such keys */
	int		 threadids;	/* likewise, and the storage has them */
	int		 saved;		/* of dates that the storage knows */
	struct msgsearch_set *set;
	struct msgsearch *fields;	/* for those in a summary */
	struct modseq_key modseqs[MODSEQ_KEYS];
	size_t		 nmodseqs;
	size_t		 modseq;	/* that is being asked for */
	int		 modseq_all;	/* all rows are, of what is forgotten */
	struct squery	 queries[QUERIES];
	size_t		 nqueries;
	struct squery	*query;		/* that is being asked */
	struct imap_key	 groups[QUERIES]; /* of keys that are asked as one */
	size_t		 ngroups;
	struct sindex	*index;		/* NULL: none that can help */
	int		 indexed;	/* it was asked */
	int		 fed;		/* ... what FETCH has read is in it */
	TAILQ_HEAD(, smsg) queue;
	uint32_t	 nqueue;
	uint32_t	 nstarted;	/* of those */
	uint32_t	 owed;
	int		 failed;
	/* of the message being looked at */
	const struct st_row *row;
	const struct summary *sum;
	uint64_t	 found;		/* bits of content keys */
	int		 found_all;	/* ... and those not set are no */
	uint32_t	 uid;
	/* the result */
	int		 saving;	/* "$" is to be this one */
	struct sorter	*sorter;
	uint32_t	*order;		/* SORT: uids in order */
	uint32_t	 norder;
	struct ibuf	 threads;	/* THREAD: as told, but uids */
	struct uidset	 left;		/* of those told: modseq not asked for */
	uint64_t	 highest;	/* modseq of the messages told */
};

/* imap_search.c */
/* The values of the keys as far as they are known; decides what is next. */
void	 search_evaluate(struct iop *);
/* Goes on reading. */
void	 search_pump(struct iop *);

/* imap_query.c */
/* What of the command's keys is for the storage, if it takes it. */
void	 squery_plan(struct iop *);
/* The query for this key: NULL if there is none that was answered. */
const struct squery *squery_of(const struct search *, const struct imap_key *);
/*
 * Asks what was not asked yet, about these messages; returns 0 if there is
 * nothing to ask.  Ends in search_evaluate().
 */
int	 squery_next(struct iop *, const struct uidset *);
/* Of so many ranges a storage is asked for all from the first to the last. */
void	 squery_uids(const struct iop *, const struct uidset *,
	    struct uidset *);
void	 squery_free(struct search *);

/* imap_index.c */
/*
 * Asks the index about these messages, once; returns 0 if there is nothing
 * to ask.  Ends in search_evaluate().
 */
int	 sindex_next(struct iop *, const struct uidset *);
/* Those that may match the n'th of s->keys; NULL: any may. */
const struct uidset *sindex_of(const struct search *, size_t);
void	 sindex_free(struct iop *);

/* imap_index_build.c */
/*
 * A message whose content is read anyway: NULL if it is not to be indexed,
 * else it is fed, and added when all of it has come.
 */
struct stext *stext_open(struct iop *, uint32_t);
void	 stext_add(struct iop *, struct stext *, uint32_t, uint64_t);
/*
 * Is there something to be written before more is read?  Then it ends in
 * search_pump().  At the end of a search, with the last argument, whatever
 * is left.
 */
int	 sindex_pump(struct iop *, int);

/* imap_sort.c */
/* Puts s->match in order, then calls result_begin(). */
void	 sort_begin(struct iop *);
void	 sort_free(struct search *);

/* imap_result.c */
/* Tells what was found, and ends the command. */
void	 result_begin(struct iop *);

#endif /* IMAP_SEARCH_H */
