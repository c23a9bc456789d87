/* Between the store_*.c files; nobody else includes it. */
#ifndef STORE_INT_H
#define STORE_INT_H

#include <sqlite3.h>

#include "store.h"

#define STORE_FILE	"store.db"
#define STORE_APP_ID	0x6d667374	/* "mfst", in the file's head */
#define STORE_VERSION	2

#define STORE_BLOCK	10000		/* modseqs reserved at once */
#define STORE_SEQ_BLOCK	100000		/* events reserved at once */
#define STORE_FCACHE	512		/* flag sets at hand */
#define STORE_BATCH	1024		/* rows changed in one go */

/* What a change is in the log. */
enum store_what {
	LOG_LIST,		/* of the account: mailboxes, subscriptions */
	LOG_CHANGED,		/* uids that came or changed, perhaps more */
	LOG_VANISHED		/* uids that are gone, perhaps never were */
};

/* The statements: store_sql.c has their text. */
enum store_query {
	Q_BEGIN, Q_BEGIN_READ, Q_COMMIT, Q_ROLLBACK,
	Q_SAVEPOINT, Q_RELEASE, Q_UNDO,
	Q_META, Q_META_PUT,
	Q_ACCOUNT, Q_ACCOUNT_LAST, Q_ACCOUNT_PUT, Q_ACCOUNT_UIDV,
	Q_ACCOUNT_GONE, Q_ACCOUNT_PURGE, Q_ACCOUNT_PURGED,
	Q_MAILBOX_OF, Q_MAILBOX, Q_MAILBOX_CHANGE, Q_MAILBOX_SET,
	Q_MAILBOX_BLOCK,
	Q_MAILBOX_NAMED,
	Q_MAILBOXES, Q_MAILBOX_COUNT, Q_MAILBOX_PUT, Q_MAILBOX_GONE,
	Q_MAILBOX_FLOOR, Q_MAILBOX_DEAD, Q_MAILBOX_DROP, Q_MAILBOX_ALL_GONE,
	Q_MAILBOX_BLOCKED, Q_MAILBOX_UNBLOCK, Q_MAILBOX_JUMP,
	Q_SUBTREE, Q_SUBTREE_TARGET, Q_MAILBOX_RENAME,
	Q_PAST, Q_PAST_PUT, Q_PAST_DROP,
	Q_SUBSCRIBE, Q_UNSUBSCRIBE, Q_SUBSCRIPTION_COUNT, Q_ORPHANS,
	Q_SUBSCRIPTION_DROP,
	Q_MESSAGES_FLAGS, Q_MESSAGES, Q_MESSAGES_CACHE, Q_MESSAGE_PUT,
	Q_MESSAGE_FLAGS, Q_MESSAGE_FLAGS_ONE, Q_MESSAGE_DEL, Q_MESSAGE_JUMP,
	Q_FLAGSET, Q_FLAGSET_ID, Q_FLAGSET_PUT, Q_FLAGSET_COUNT,
	Q_FLAGSET_SWEEP,
	Q_CONTENT, Q_CONTENT_PUT, Q_CONTENT_DEL, Q_CONTENT_FILES,
	Q_CONTENT_RND, Q_CONTENT_NEXT, Q_CONTENT_BY_NO,
	Q_HOLDING, Q_HOLD, Q_HOLDING_DROP, Q_HOLDING_DEAD, Q_HOLDING_DEL,
	Q_HOLD_BLOB, Q_HOLDING_SIZE, Q_HOLDING_OTHER, Q_HOLDERS, Q_HOLDING_COUNT,
	Q_SUMMARY_PUT, Q_SUMMARY_DEL,
	Q_TRASH, Q_TRASH_PUT, Q_TRASH_DEL,
	Q_LOG_PUT, Q_LOG_MAX, Q_LOG_VANISHED, Q_LOG_CHANGED, Q_LOG_EVENTS,
	Q_LOG_OLD, Q_LOG_DEL,
	Q_KEY, Q_KEY_PUT, Q_KEY_OLD, Q_KEY_DEL,
	Q_DICT, Q_DICT_ETAG, Q_DICT_PUT, Q_DICT_DEL, Q_DICT_COUNT,
	Q_DICT_BYTES, Q_DICT_LIST, Q_DICT_DROP,
	Q_METADATA, Q_METADATA_PUT, Q_METADATA_DEL, Q_METADATA_COUNT,
	Q_METADATA_DROP, Q_METADATA_ALL_DROP,
	Q_QUOTA, Q_QUOTA_USED, Q_QUOTA_SET,
	Q_SCRAM, Q_SCRAM_PUT, Q_SCRAM_DEL, Q_SCRAM_MISSING, Q_USER_COUNT,
	Q_USER, Q_USER_PUT, Q_USER_SET, Q_USER_DEL, Q_USERS,
	Q_RECIPIENT, Q_ALIAS_PUT, Q_ALIAS_DEL, Q_ALIASES,
	Q_MAX
};

struct store {
	sqlite3		*db;
	struct store_conf conf;
	enum store_mode	 mode;
	sqlite3_stmt	*st[Q_MAX];
	sqlite3_stmt	*held;		/* at its row, until the next call */
	int		 reading;	/* a read transaction is open */
	int		 sync;		/* PRAGMA synchronous, as set */
	int		 durable;	/* the group that runs is */
	int		 failed;	/* an fsync went wrong */
	uint32_t	 epoch;

	int64_t		 seq;		/* last event made */
	int		 foreign;	/* by somebody else */
	int64_t		 seq_block;	/* reserved on disk */
	int64_t		 seq_want;	/* reserved by this group */

	struct store_flags fcache[STORE_FCACHE];
	int64_t		 fids[STORE_FCACHE];	/* by fingerprint of text */
	int		 interned;	/* this group made flag sets */
	int		 careful;	/* savepoints for this group */
	int		 spoiled;	/* it should have had them */
	int		 rows;		/* changed, before this change */
	struct ibuf	 text;		/* a flag set's, a log row's */

	struct store_event ev[STORE_EVENTS_MAX];
	size_t		 nev;

	int		 walpages;	/* of the log file */
	int		 walmark;	/* when last checkpointed */

	/*
	 * What a change works with, too big for the stack.  The texts that
	 * the first two point into are copies: the cache may drop its own.
	 */
	struct flagset	 known;		/* a mailbox's */
	struct ibuf	 known_text;
	struct flagset	 work;		/* a message's */
	struct ibuf	 work_text;
	struct flagset	 spelled;	/* a request's, as the mailbox does */
	struct store_batch *batch;
};

/* Rows are read in batches, since what is being read must not change. */
struct store_batch {
	struct store_msg row[STORE_BATCH];
	int		 n;
	uint32_t	 last;		/* uids of messages that were there */
	struct store_scan scan;
};

/* store_sql.c */
/*
 * A statement with its values bound: i int64_t, t text, x text with size_t
 * length, b blob with size_t length, n null; text and blob must stay until
 * the statement is reset.  NULL after an error, which s_error() tells.
 */
sqlite3_stmt *s_query(struct store *, enum store_query, const char *, ...);
/* 1: a row.  0: the end, reset.  -1: an error, reset. */
int	 s_step(struct store *, sqlite3_stmt *);
/* Bind, run to the end: ST_OK or a code. */
int	 s_run(struct store *, enum store_query, const char *, ...);
/* One number: ST_OK (0 when there is no row) or a code. */
int	 s_number(struct store *, int64_t *, enum store_query, const char *,
	    ...);
/* The code of the error that was just seen. */
int	 s_error(struct store *);
int	 s_exec(struct store *, const char *);
/* The statement stays at its row, for the texts, until the next call. */
void	 s_hold(struct store *, sqlite3_stmt *);
void	 s_unhold(struct store *);
void	 s_finalize(struct store *);
const char *s_text(sqlite3_stmt *, int, size_t *);

/* store.c */
int	 s_read(struct store *);
int	 s_meta(struct store *, const char *, int64_t *);
int	 s_meta_put(struct store *, const char *, int64_t);

/* store_log.c */
int	 s_log(struct store *, int64_t, const struct mbox_id *, uint64_t,
	    enum store_what, const char *, size_t);
int	 s_log_uids(struct store *, int64_t, const struct mbox_id *,
	    uint64_t, enum store_what, const struct uidset *);

/* store_flags.c */
/* A set by its number, its texts copied into the buffer. */
int	 s_flags_parse(struct store *, int64_t, struct flagset *,
	    struct ibuf *);
int	 s_intern(struct store *, const struct flagset *, size_t, int64_t *);
int	 s_intern_message(struct store *, const struct flagset *, int64_t *);
int	 s_flags_sweep(struct store *);
void	 s_flags_forget(struct store *);

/* store_mailbox.c */
int	 s_mailbox(struct store *, enum store_query, int64_t,
	    const struct mbox_id *, struct store_mailbox *);
void	 s_mailbox_row(sqlite3_stmt *, struct store_mailbox *);

/* store_dict.c */
/* Is there room for so many bytes and messages more? */
int	 s_quota_room(struct store *, int64_t, uint64_t, uint64_t);

/* store_write.c */
int	 s_holding_drop(struct store *, int64_t, int64_t);

#endif /* STORE_INT_H */
