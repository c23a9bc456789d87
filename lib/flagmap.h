/*
 * Which message of a mailbox has which flags: the mailbox mirror.  All uids
 * as a uidset and, run-length coded beside it, the id of each one's set of
 * flags (lib/flags.h).
 *
 * A run is 8 bytes: "from this uid up to the next run's".  Runs reach over
 * uids that do not exist and begin at one that does, so gaps between
 * messages cost nothing, neighbours of equal flags are one run however the
 * uids lie, and there are never more runs than messages.  100,000 messages
 * take less than 1 KB when alike, about 1 MB if no two neighbours are.
 *
 * Reading goes through the struct freely (map.uids is the view for
 * seqset_resolve(), map.flags the table for texts and keywords); changes
 * only through these functions.  Changing functions return 0, or -1 with
 * errno ENOMEM, ENOSPC (see flags.h) and the map as it was.
 *
 * A set id is valid until flagmap_tidy(), and longer if a message has it
 * then.
 */
#ifndef FLAGMAP_H
#define FLAGMAP_H

#include <sys/types.h>
#include <stdint.h>

#include "flags.h"
#include "uidset.h"

struct flagrun {
	uint32_t	lo;		/* the run ends where the next begins */
	uint32_t	id;
};

struct flagmap {
	struct uidset	 uids;
	struct flags	 flags;
	struct flagrun	*run;
	uint32_t	 n;
	uint32_t	 cap;
	uint32_t	 tidy_at;	/* when so many sets are there */
};

void	 flagmap_init(struct flagmap *);
void	 flagmap_fini(struct flagmap *);

/* Messages lo:hi, or of a set, are there, new or not, and have this set. */
int	 flagmap_add(struct flagmap *, uint32_t, uint32_t, uint32_t);
int	 flagmap_put(struct flagmap *, const struct uidset *, uint32_t);
/* Of these uids those that exist get the set. */
int	 flagmap_set(struct flagmap *, const struct uidset *, uint32_t);
/*
 * Of these uids those that exist get (plus) or lose (minus) the flags of
 * the set; changed, if not NULL, becomes the uids whose flags are others
 * than before.
 */
int	 flagmap_plus(struct flagmap *, const struct uidset *, uint32_t,
	    struct uidset *);
int	 flagmap_minus(struct flagmap *, const struct uidset *, uint32_t,
	    struct uidset *);
/* These messages are gone. */
int	 flagmap_remove(struct flagmap *, const struct uidset *);

/*
 * Forgets the sets that no message has, when it is worth it (many are new
 * since the last time).  For a moment when nobody holds an id: the end of a
 * command.
 */
void	 flagmap_tidy(struct flagmap *);

/* The id of a message's set, FLAGS_ERR if there is no such message. */
uint32_t flagmap_get(const struct flagmap *, uint32_t);

/*
 * Runs of messages within a set (NULL: all), in order: each call gives
 * existing, adjoining uids lo:hi of equal flags and returns 1, or 0 at the
 * end.  The cursor is a uid, so the map may change between calls: what is
 * behind the cursor is told as it is then.  The set must stay as it is.
 */
struct flagmap_iter {
	const struct flagmap	*map;
	const struct uidset	*within;
	uint64_t		 pos;	/* next uid to look at */
	uint32_t		 iu;	/* where it may be in map->uids, */
	uint32_t		 iw;	/* in within, */
	uint32_t		 ir;	/* among the runs */
};

void	 flagmap_iter(struct flagmap_iter *, const struct flagmap *,
	    const struct uidset *);
int	 flagmap_next(struct flagmap_iter *, uint32_t *, uint32_t *,
	    uint32_t *);

/*
 * What a message is asked for: all of the system flags in on, none of
 * those in off, and a keyword had or not had unless KEYWORD_NONE.
 */
struct flagtest {
	uint32_t	on;
	uint32_t	off;
	int		kw_on;
	int		kw_off;
};

#define FLAGTEST_ALL	{ 0, 0, KEYWORD_NONE, KEYWORD_NONE }

/* The uids that pass, in out (initialised, replaced); 0, -1 ENOMEM. */
int	 flagmap_select(const struct flagmap *, const struct flagtest *,
	    struct uidset *);
/* How many pass, and the lowest uid that does (0: none). */
uint32_t flagmap_count(const struct flagmap *, const struct flagtest *);
uint32_t flagmap_first(const struct flagmap *, const struct flagtest *);

#endif /* FLAGMAP_H */
