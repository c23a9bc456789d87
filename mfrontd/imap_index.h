/*
 * The index that a search makes use of, and makes: see sigindex.h for what
 * is in it.  It is kept through dict, by the storage or in a file of the
 * engine, which the process does not see.
 *
 *	imap_index.c		asking it
 *	imap_index_build.c	adding to it, merging
 *	imap_feed.c		adding to it what a FETCH has read
 *	imap_sweep.c		deleting what nobody needs any more
 *
 * Keys, H being a hash of the mailbox's id and S a segment's number:
 *
 *	ix1.H			the manifest
 *	ix1.H.S			a segment's head
 *	ix1.H.S.V		one of its values
 *
 * Only the manifest is ever written again, and only if it is what it was
 * when it was read: of two processes that add at a time one loses what it
 * has made, no more.
 */
#ifndef IMAP_INDEX_H
#define IMAP_INDEX_H

#include "imap_search.h"
#include "sigindex.h"

#define INDEX_MIN	16	/* fewer messages are not worth the asking */
#define INDEX_JOBS	4	/* requests at once */
#define INDEX_NAME	40	/* bytes of a manifest's key, with its NUL */
#define INDEX_KEY	80	/* ... of any key, at most */
#define INDEX_ETAG	128

/* A request to dict: one at a time. */
struct dictop {
	struct streq	 rq;
	struct sindex	*x;
	struct ibuf	 value;
	char		 etag[INDEX_ETAG];
	void		(*done)(struct dictop *, enum st_code);
};

/* A segment that is asked. */
struct sindex_job {
	struct dictop	 d;		/* must be first */
	struct sigseg	 seg;
	struct sighead	 head;
	int		 busy;
	uint8_t		*open;		/* by entry: it is asked about */
	uint8_t		*alive[MSGSEARCH_KEYS];
	uint16_t	 order[SIGINDEX_GROUPS];	/* values to be read */
	unsigned	 norder;
	unsigned	 at;
};

struct sindex_flush;
struct sindex_merge;

/*
 * Of a search, whose command it is then, or of a feed.
 */
struct sindex {
	struct iop	*op;		/* NULL: in the background */
	struct imap	*s;
	struct imount	*mount;
	const char	*mailbox;	/* its id; the owner's */
	uint32_t	 uidvalidity;
	struct snap	*snap;		/* of a feed: messages there are */
	size_t		 nkeys;		/* strings that it is asked for */
	/* It is known what there is. */
	void		 (*ready)(struct sindex *);
	/* What was being written is; sbuild_pump() has more. */
	void		 (*pump)(struct sindex *);
	void		*arg;
	char		 key[INDEX_NAME];	/* of the manifest */
	char		 etag[INDEX_ETAG];	/* "": there is none */
	struct sigmanifest m;
	int		 dirty;		/* it is not as it was read */
	int		 off;		/* nothing is written any more */
	int		 again;		/* it was asked anew already */
	int		 vanished;	/* something was not there */
	struct uidset	 about;		/* messages asked about */
	struct sigquery	 query[MSGSEARCH_KEYS];
	struct uidset	 out[MSGSEARCH_KEYS];	/* those that cannot match */
	struct uidset	 hi[MSGSEARCH_KEYS];	/* all but those */
	int		 known;		/* these are there */
	struct uidset	 indexed;	/* of those asked about */
	unsigned	 next;		/* segment to be asked */
	struct dictop	 d;
	struct sindex_job job[INDEX_JOBS];
	struct ibuf	 gone;		/* prefixes to be swept, with NULs */
	/* what is being made */
	struct sigbuild	*build;
	struct sindex_flush *flush;
	struct sindex_merge *merge;
	int		 ended;
};

/* A message's text on its way into the index. */
struct stext {
	struct msgsearch *ms;
	struct ibuf	 head;
	struct ibuf	 body;
	struct siggrams	*grams;
};

/* imap_index.c */
void	 dictop_ask(struct dictop *, struct sindex *, enum dict_op,
	    const char *, const char *, const struct ibuf *,
	    void (*)(struct dictop *, enum st_code));
void	 dictop_fini(struct dictop *);
/* "ix1.H" of a mailbox's id. */
void	 sindex_key(const char *, char[INDEX_NAME]);
void	 sindex_key_of(const struct sindex *, uint64_t, int, char[INDEX_KEY]);
/* Its keys are to be deleted, once the command is over. */
void	 sindex_gone(struct sindex *, uint64_t);
/* A head that came: is it the segment's?  Else -1. */
int	 sindex_head(const struct sigseg *, const struct ibuf *,
	    struct sighead *);
/* For the mount's mailbox of the command's session; not asked yet. */
struct sindex *sindex_new(struct imap *, struct imount *, const char *,
	    uint32_t);
void	 sindex_del(struct sindex *);
/* Ends in ready(). */
void	 sindex_ask(struct sindex *);
/* The messages there are, as far as it knows. */
const struct uidset *sindex_uids(const struct sindex *);
/* Does the account keep one, as far as we know now? */
int	 sindex_may(const struct iop *);

/* imap_index_build.c */
/* If there is enough to make: then it is fed while the search reads. */
void	 sbuild_open(struct sindex *);
void	 sbuild_close(struct sindex *);
/* Any text, to be indexed by a build. */
struct stext *stext_new(void);
void	 stext_end(struct stext *, struct sigbuild *, uint32_t, uint64_t);
/*
 * Is there something to be written before more is read?  Then it ends in
 * pump().  last: whatever there is; reading: not yet, contents are coming in.
 */
int	 sbuild_pump(struct sindex *, int, int);

#endif /* IMAP_INDEX_H */
