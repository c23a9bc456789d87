/*
 * Flags of messages (RFC 3501, 2.3.2), per mailbox: a table of the keywords
 * seen and of the sets of flags in use.  A set is interned: equal sets have
 * the same id, a small number, so a message's flags are one number and
 * their text is rendered once for all messages that have them.
 *
 * Names are compared without case and kept as first written.  \Recent is
 * not kept here: it belongs to the session (imap_put_flags() adds it).
 *
 * Ownership: the table owns everything; texts are valid until flags_fini()
 * or until their set is swept.  A set id stays valid until a sweep that was
 * not told to keep it.  FLAGS_ERR is returned with errno: EINVAL (not a
 * flag), ENOSPC (over one of the bounds below), ENOMEM.
 */
#ifndef FLAGS_H
#define FLAGS_H

#include <sys/types.h>
#include <stdint.h>

#include "header.h"

#define FLAG_ANSWERED	0x01
#define FLAG_FLAGGED	0x02
#define FLAG_DELETED	0x04
#define FLAG_SEEN	0x08
#define FLAG_DRAFT	0x10
#define FLAG_SYSTEM	0x1f		/* all of them */
#define FLAG_RECENT	0x20		/* only in imap_put_flags() */

#define FLAGS_NAME_MAX		255	/* bytes of a keyword */
#define FLAGS_KEYWORDS_MAX	1024	/* a mailbox */
#define FLAGS_KEYWORDS_STORED	1000	/* the same, mfront-storage(7) */
#define FLAGS_SET_MAX		256	/* keywords a message */
#define FLAGS_TEXT_MAX		8000	/* bytes of a set's text */
#define FLAGS_SETS_MAX		1000000	/* different sets a mailbox */

#define FLAGS_EMPTY	0		/* the id of the set without flags */
#define FLAGS_ERR	UINT32_MAX
#define KEYWORD_NONE	(-1)

/* A list as a command or a listing has it: not yet of any mailbox. */
struct flag_list {
	uint32_t		 sys;	/* FLAG_* */
	uint32_t		 n;
	struct hstr		*kw;
};

struct flag_keyword;
struct flag_set;

struct flags {
	struct flag_keyword	*kw;
	uint32_t		 nkw;
	uint32_t		 kwcap;
	uint32_t		*kwhash;	/* index + 1 by name */
	uint32_t		 kwhashsize;
	struct flag_set		**set;		/* by id; NULL: free */
	uint32_t		 nset;		/* ids are below */
	uint32_t		 setcap;
	uint32_t		 nlive;		/* sets there are */
	uint32_t		 freeid;	/* none is free below */
	uint32_t		*hash;		/* ids by content, 0: free */
	uint32_t		 hashsize;
};

/*
 * What is this flag?  A FLAG_* bit for a system flag (any case), 0 for a
 * keyword (an atom), -1 for what is not a flag or one that cannot be set:
 * \Recent, unknown ones with a backslash (RFC 3501 lets servers know only
 * flags that a standard defines), over FLAGS_NAME_MAX bytes.
 */
int	 flag_parse(const char *, size_t);
/* "\\Seen" and so on of one bit. */
const char *flag_sysname(uint32_t);

void	 flags_init(struct flags *);
void	 flags_fini(struct flags *);

/* The id of a list's set; keywords not known yet are added. */
uint32_t flags_from_list(struct flags *, const struct flag_list *);
/* The same from text, one space between names: "\Seen $Junk". */
uint32_t flags_from_text(struct flags *, const char *, size_t);
/*
 * The same of what a storage says: flags that cannot be kept are left out,
 * those behind the first FLAGS_SET_MAX keywords, say.
 */
uint32_t flags_from_text_lax(struct flags *, const char *, size_t);

/* Another set: with, without, the flags of a second one. */
uint32_t flags_plus(struct flags *, uint32_t, uint32_t);
uint32_t flags_minus(struct flags *, uint32_t, uint32_t);

/* What is in a set. */
uint32_t flags_sys(const struct flags *, uint32_t);
int	 flags_has_keyword(const struct flags *, uint32_t, int);
/* Its text as in flags_from_text(); NULL only when out of memory. */
const char *flags_text(struct flags *, uint32_t, size_t *);

/* A keyword's number by its name, KEYWORD_NONE if never seen; its name. */
int	 flags_keyword(const struct flags *, const char *, size_t);
const char *flags_keyword_name(const struct flags *, int);
int	 flags_nkeywords(const struct flags *);
/* As flags_keyword(), but adds it; -1 with errno EINVAL, ENOSPC, ENOMEM. */
int	 flags_learn(struct flags *, const char *, size_t);

/*
 * Forgets the sets whose id is not set in the bitmap (bit id % 8 of byte
 * id / 8, flags->nset bits); FLAGS_EMPTY stays.  Their ids are given out
 * again.  Keywords are never forgotten: clients were told of them.
 */
void	 flags_sweep(struct flags *, const uint8_t *);

#endif /* FLAGS_H */
