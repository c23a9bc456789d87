/*
 * Rows of a message listing as they travel from the engine to the
 * listeners, several in one st_rows message: a row says which members it
 * has, then has them in a fixed order.
 */
#ifndef STROW_H
#define STROW_H

#include <sys/types.h>
#include <stdint.h>

#include "ibuf.h"
#include "msg.h"

enum row_field {
	ROW_FLAGS	= 0x01,
	ROW_ID		= 0x02,
	ROW_SIZE	= 0x04,
	ROW_DATE	= 0x08,
	ROW_MODSEQ	= 0x10,
	ROW_CACHE	= 0x20,
	ROW_SAVEDATE	= 0x40,
	ROW_THREADID	= 0x80,
	/* in what is asked for: of summaries more than the first line */
	ROW_WHOLE	= 0x100
};

#define ROW_RANGES_MAX	8000

struct st_row {
	struct msg_set	 uids;		/* at least one */
	uint32_t	 has;		/* enum row_field, as bits */
	const char	*flags;		/* IMAP syntax, spaces between */
	const char	*id;		/* of the content */
	uint64_t	 size;		/* bytes */
	int64_t		 date;		/* seconds since 1970 */
	int16_t		 zone;		/* minutes east of UTC */
	uint64_t	 modseq;
	const char	*cache;		/* summary, not NUL-terminated */
	uint32_t	 cachelen;
	int64_t		 savedate;	/* seconds since 1970 */
	const char	*threadid;
};

/*
 * Is it an id?  Letters, digits, "-" and "_", and so neither "/" nor "..",
 * which would make a path that leads to somebody else; nor what would end
 * the line in which a mail client is told of it.
 */
int	strow_id_ok(const char *);
/* Appends; -1 (errno) on failure, the buffer as it was. */
int	strow_put(struct ibuf *, const struct st_row *);
/* 1 and the next row, 0 at the end, -1 with EBADMSG. */
int	strow_get(struct ibuf *, struct st_row *);
/* The names of the fields in a mask, with commas: a listing's fields=. */
int	strow_fields(struct ibuf *, uint32_t);

/* What optional members a mailbox row had (m_st_mbox.has). */
enum mbox_has {
	MBOX_MODSEQ	= 0x01,
	MBOX_UNSEEN	= 0x02,
	MBOX_DELETED	= 0x04,
	MBOX_SIZE	= 0x08,
	MBOX_STATE	= 0x10,
	MBOX_SUBSCRIBED	= 0x20,		/* and it is */
	MBOX_READONLY	= 0x40,		/* and it is */
	MBOX_NONEXISTENT = 0x80		/* only a subscription is left */
};

enum patch_op {
	PATCH_ADD,
	PATCH_REMOVE,
	PATCH_SET
};

enum st_recent_take {
	RECENT_LOOK,
	RECENT_TAKE,		/* a read-write session is told of them */
	RECENT_GIVE
};

enum dict_op {
	DICT_GET,
	DICT_PUT,
	DICT_DELETE,
	DICT_LIST
};

/* What a quota root has (m_st_quota_root.has): limits may be missing. */
enum quota_has {
	QUOTA_STORAGE		= 0x01,
	QUOTA_STORAGE_LIMIT	= 0x02,
	QUOTA_MESSAGES		= 0x04,
	QUOTA_MESSAGES_LIMIT	= 0x08
};

#endif /* STROW_H */
