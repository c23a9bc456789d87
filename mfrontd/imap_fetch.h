/*
 * FETCH's own: a message on its way to the client.
 *
 * A rule of the storage API: a modseq that a client is told must not cover
 * a change that it has not been told.  A listing may have rows that are
 * newer than the mirror; they are kept back until the mirror has caught up,
 * whose changes are told when the command ends.
 */
#ifndef IMAP_FETCH_H
#define IMAP_FETCH_H

#include "imap.h"
#include "imapout.h"
#include "summary.h"

#define HELD_MAX	(128 * 1024)	/* a message held whole */
#define OUT_MAX		(8 * 1024 * 1024) /* of one item made in memory */
#define CONTENT_CREDIT	(128 * 1024)

enum part_state {
	PART_DONE,
	PART_WAIT,		/* for contents, or for the client to read */
	PART_FAILED		/* m->failed says why; nothing was written */
};

struct stext;

struct fmsg {
	struct iop	*op;
	uint32_t	 uid;
	char		*id;
	uint64_t	 size;
	int64_t		 date;
	int16_t		 zone;
	uint64_t	 modseq;
	int		 saved;		/* savedate is known */
	int64_t		 savedate;
	char		*threadid;	/* NULL: none */
	/* the summary */
	struct ibuf	 text;
	struct summary	 sum;
	int		 have_sum;
	int		 made;		/* here, from the content */
	int		 stored;	/* the storage has one, as good */
	struct ibuf	 hdr;		/* the header, as the summary has it */
	int		 have_hdr;
	struct ibuf	 kept;		/* what it is to have: reduced */
	struct summary_maker *maker;	/* at work on a content that passes */
	/* the content of a small one */
	struct ibuf	 data;
	int		 have_data;
	int		 whole;		/* that is what is being fetched */
	int		 scanning;	/* only for the summary */
	/* the answer */
	uint32_t	 item;		/* that comes next */
	int		 begun;		/* "* n FETCH (" is written */
	int		 waited;	/* for that item's literal to be out */
	int		 streaming;	/* bytes of a literal, as they come */
	uint64_t	 left;		/* of it */
	enum {
		HEADER_NO, HEADER_COMING, HEADER_READY
	}		 header;	/* one to pick fields from */
	struct imapout_filter filter;
	struct ibuf	 out;		/* what was collected or picked */
	int		 failed;	/* enum st_code */
	int		 incomplete;	/* an item could not be made */
	uint32_t	 used;		/* bytes that credit is due for */
	struct stext	*stext;		/* what streams is to be indexed */
	struct streq	 rq;
	TAILQ_ENTRY(fmsg) entry;
};

/* A summary being given to the storage. */
struct fkeep {
	struct iop	*op;
	struct streq	 rq;
	TAILQ_ENTRY(fkeep) entry;
};

struct fetch {
	struct uidset	 todo;		/* not asked for yet */
	struct uidset	 listing;	/* asked for, of these the rows count */
	struct uidset	 asked;		/* those, and neighbours to keep */
	struct uidset	 cover;		/* the same in few ranges */
	struct uidset	 block;
	struct uidset	 seen;		/* to get \Seen */
	struct uidset	 held;		/* rows kept back */
	struct uidset_iter it;
	uint32_t	 uid;
	uint32_t	 needs;
	uint32_t	 natts_modseq;
	int		 savedate;	/* asked for, and known there */
	int		 threadid;	/* likewise */
	uint64_t	 since;
	int		 cacheable;	/* rows may come from the mirror */
	int		 feeds;		/* whole messages are to be indexed */
	int		 listed;
	uint32_t	 owed;		/* credit of rows not given yet */
	TAILQ_HEAD(, fmsg) queue;
	uint32_t	 nqueue;
	TAILQ_HEAD(, fkeep) keeps;	/* summaries on their way */
	int		 nkeeps;
	struct mown	 own;		/* the \Seen of it */
	int		 pumping;
	int		 failed;
	int		 bad;
	int		 rounds;
};

/* imap_fetch.c */
void	 fetch_content(struct fmsg *, uint64_t, uint64_t);
void	 fetch_again(struct iop *, enum st_code, const char *);

/* imap_part.c */
void	 part_use_summary(struct fmsg *);
/* Starts to get what the message needs; for the first, also what streams. */
void	 part_prepare(struct fmsg *, int);
enum part_state part_put(struct fmsg *);
/* What came of it, and its end; -1: not what was asked for. */
int	 part_content(struct fmsg *, const void *, size_t);
int	 part_content_end(struct fmsg *);
/* Gives credit for what was used. */
void	 part_credit(struct fmsg *);
/* What of a part a section is of; fields are of its header. */
enum imapout_what part_section_what(const struct imap_section *);

/* Of a message that is held: it feeds the index. */
void	 part_index(struct fmsg *);
/* Is the whole of a message asked for, by any name? */
int	 part_is_all(const struct imap_fetch_att *);

#endif /* IMAP_FETCH_H */
