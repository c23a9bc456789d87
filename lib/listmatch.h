/*
 * LIST: patterns and the tree of mailbox names (RFC 3501, 6.3.8; RFC 9051,
 * 6.3.9).  Names and patterns are UTF-8 with "/" between levels; INBOX is
 * spelled so in names, in any case in patterns.  No allocation.
 */
#ifndef LISTMATCH_H
#define LISTMATCH_H

#include <sys/types.h>

#define LIST_DELIMITER		'/'
#define LIST_NAME_MAX		1000	/* bytes of a name (storage API) */
#define LIST_PATTERN_MAX	2048	/* reference and pattern together */

/*
 * Does a name (of len bytes, at most LIST_NAME_MAX) match?  "*" stands for
 * anything, "%" for anything but the delimiter.  The cost is at most
 * pattern times name, whatever the pattern.
 */
int	 list_match(const char *, const char *, size_t);

/*
 * Could a name below this one match ("": any name)?  One that is, or is
 * below, one of the n others does not count; those that are not below the
 * name themselves make no difference.  That a name may be as long as it
 * likes, and have any bytes in it, is taken for granted.
 */
int	 list_match_below(const char *, const char *, const char *const *,
	    size_t);

/*
 * Reference and pattern joined as the server interprets them: one after the
 * other, a doubled delimiter at the seam made one.  Returns 0, or -1 when
 * it does not fit in size bytes, its NUL included.
 */
int	 list_join(char *, size_t, const char *, const char *);

/*
 * Is this name one that the storage API takes: UTF-8, 1 to LIST_NAME_MAX
 * bytes, no control characters (C0, DEL, C1, U+2028, U+2029), no empty
 * level?  (That it is NFC is for lib/charset to say.)
 */
int	 list_name_ok(const char *, size_t);

/* "inbox", "inbox/x" in any case: spells the first level INBOX, in place. */
void	 list_canon_inbox(char *, size_t);

/*
 * Tree order: as strcmp(3), but the delimiter is below every other byte, so
 * that all of a subtree stands together behind its root; INBOX and what is
 * below it comes first.
 */
int	 list_compare(const char *, const char *);

/*
 * Walks names sorted by list_compare(), without doubles, and puts in the
 * levels that do not exist themselves but have mailboxes below.  Each call
 * fills the entry and returns 1, or returns 0 at the end.  An entry's name
 * is the first len bytes of one of the caller's strings.
 */
struct list_walk {
	const char *const	*names;
	size_t			 n;
	size_t			 i;	/* index of the name in work */
	size_t			 level;	/* bytes of it already told */
};

struct list_entry {
	const char	*name;
	size_t		 len;
	size_t		 index;		/* in names; of a child if !exists */
	int		 exists;
	int		 children;	/* there are names below it */
};

void	 list_walk_init(struct list_walk *, const char *const *, size_t);
int	 list_walk_next(struct list_walk *, struct list_entry *);

/* Are there names below this one?  For a single name; names sorted. */
int	 list_has_children(const char *const *, size_t, const char *);

#endif /* LISTMATCH_H */
