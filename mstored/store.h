/*
 * What the storage server asks of its database.  Behind this interface
 * stands SQLite (store_*.c); nothing in front of it knows SQL.
 *
 * The store is the current folder: the database and the files of large
 * contents are opened by relative names, so that the process can be
 * chrooted into it.
 *
 * A struct store is one connection and belongs to one thread.  The server
 * has two: the event loop's reads, the writer thread's changes.
 *
 * Functions return ST_OK or another code of sterr.h, which is what the
 * client is answered; the reason for ST_INTERNAL has been logged.  Texts in
 * results point into the connection and stay until its next call.  Dates are
 * packed by store_date(), times are seconds since 1970.
 */
#ifndef STORE_H
#define STORE_H

#include <sys/types.h>
#include <stdint.h>

#include "cluster.h"
#include "flagset.h"
#include "ibuf.h"
#include "names.h"
#include "rfcdate.h"
#include "sterr.h"
#include "uidset.h"

struct store;

struct store_conf {
	int		 open_accounts;	/* unknown ones come into being */
	int64_t		 max_mailboxes;	/* an account, subscriptions too */
	int64_t		 grace;		/* s an expunged content stays */
	int64_t		 log_rows;	/* changes remembered, at most */
	int64_t		 log_age;	/* s a change is remembered */
	int64_t		 key_age;	/* s a key is remembered */
	int		 cache_kb;	/* of each connection */
	int64_t		 dict_bytes;	/* of an account's dict */
	int64_t		 quota_size;	/* bytes of an account, 0: any */
	int64_t		 quota_count;	/* messages of one, 0: any */
};

enum store_mode {
	STORE_READER,
	STORE_WRITER,		/* the server's: creates, upgrades, recovers */
	STORE_ADMIN		/* another process: creates, upgrades */
};

/* NULL: why is in the buffer, for people. */
struct store *store_open(const struct store_conf *, enum store_mode,
	    char *, size_t);
void	 store_close(struct store *);

/*
 * The server's start and end.  boot is the system's boot id, "" if unknown:
 * when the last run ended uncleanly and the system has gone down since,
 * flag changes may be lost; the messages of those mailboxes get new modseqs
 * here (*lost counts the mailboxes).
 */
int	 store_recover(struct store *, const char *, int64_t *);
int	 store_finish(struct store *);

int64_t	 store_date(const struct rfcdate *);
void	 store_undate(struct rfcdate *, int64_t);

/* reading */

/*
 * Calls between two store_read_end() see one state of the store.  It must
 * be called before waiting for anything, since it lets the log be reused.
 */
void	 store_read_end(struct store *);

/* Part of every cursor: another store, or a restored one, has another. */
uint32_t store_epoch(struct store *);
/* The newest event, and the newest that is no longer remembered. */
int	 store_seq(struct store *, int64_t *, int64_t *);

int	 store_account(struct store *, const char *, int64_t *);

struct store_mailbox {
	struct mbox_id	 id;
	int64_t		 account;
	uint32_t	 uidnext;
	uint64_t	 messages;
	uint64_t	 unseen;
	uint64_t	 deleted;
	uint64_t	 size;
	uint64_t	 modseq;
	uint64_t	 block;		/* modseqs up to it may be in use */
	uint64_t	 floor;		/* changes up to it are forgotten */
	int64_t		 known;		/* flag set: what it has seen */
	uint32_t	 birth;		/* its first uidvalidity */
	const char	*name;
	size_t		 namelen;
	const char	*roles;		/* JSON array, NULL: none */
	int		 subscribed;
};

int	 store_mailbox(struct store *, const char *, const struct mbox_id *,
	    struct store_mailbox *);
/*
 * The account's mailboxes with a number over the third argument, by number;
 * then subscriptions without a mailbox, by name.  A callback that returns
 * non-zero ends the call.
 */
typedef int (*store_mailbox_cb)(void *, const struct store_mailbox *);
typedef int (*store_name_cb)(void *, const char *, size_t);
int	 store_mailboxes(struct store *, int64_t, int64_t, store_mailbox_cb,
	    void *);
int	 store_orphans(struct store *, int64_t, const char *, store_name_cb,
	    void *);

/* A flag set's text, as flagset_put() writes it, and FLAG_* bits. */
struct store_flags {
	int64_t		 id;
	uint32_t	 sys;
	size_t		 len;
	char		*text;
};
const struct store_flags *store_flags(struct store *, int64_t);

struct store_msg {
	uint32_t	 uid;
	int64_t		 flags;
	uint64_t	 modseq;
	struct content_id content;
	uint64_t	 size;
	int64_t		 date;
	int64_t		 saved;		/* s since 1970, 0: not known */
	const char	*cache;		/* NULL: none kept, or not asked */
	size_t		 cachelen;
};
enum store_want { STORE_FLAGS, STORE_ROWS, STORE_CACHE };

/*
 * Messages of a mailbox with uids lo to hi, in order: what says how much of
 * the row is filled in (uid, flags and modseq always).
 */
struct store_scan {
	int64_t		 account;
	int64_t		 mailbox;
	uint32_t	 lo;
	uint32_t	 hi;
	enum store_want	 what;
};
typedef int (*store_msg_cb)(void *, const struct store_msg *);
int	 store_messages(struct store *, const struct store_scan *,
	    store_msg_cb, void *);

/*
 * What changed in a mailbox after a modseq.  store_vanished() gives the
 * uids that went, as texts, from log position *pos on, which it moves.
 * store_changed() collects the uids that may have come or changed; *all is
 * set instead when that is too much to collect.
 */
int	 store_vanished(struct store *, int64_t, uint64_t, int64_t *,
	    store_name_cb, void *);
int	 store_changed(struct store *, int64_t, uint64_t, struct uidset *,
	    int *);

struct store_event {
	int64_t		 seq;
	const char	*account;
	struct mbox_id	 mailbox;	/* no 0: the account's list changed */
	uint64_t	 modseq;
};
typedef int (*store_event_cb)(void *, const struct store_event *);
int	 store_events(struct store *, int64_t, store_event_cb, void *);

struct store_content {
	uint64_t	 size;
	const void	*data;		/* NULL: in its file */
};
int	 store_content(struct store *, const char *,
	    const struct content_id *, struct store_content *);

/*
 * For the index: the first content after a number, and who has it (the
 * caller's array of max).  ST_NO_SUCH_MESSAGE: there is none.  The data is
 * good until the next call.
 */
struct store_unindexed {
	int64_t		 no;
	uint8_t		 rnd[NAME_RND];
	struct store_content content;
	int64_t		*account;
	size_t		 n, max;
};
int	 store_unindexed(struct store *, int64_t, struct store_unindexed *);
/* How many contents accounts have. */
int	 store_holdings(struct store *, int64_t *);

/* dict: values that a frontend keeps here. */
#define STORE_ETAG	17		/* with the NUL */
#define STORE_DICT_KEYS	10000		/* of an account */

struct store_entry {
	const char	*key;
	char		 etag[STORE_ETAG];
	const void	*value;		/* not in a list */
	size_t		 size;
};
typedef int (*store_entry_cb)(void *, const struct store_entry *);
/* ST_NO_SUCH_ENTRY */
int	 store_dict_get(struct store *, const char *, const char *,
	    struct store_entry *);
/* Those with a prefix, behind a key, by key. */
int	 store_dict_list(struct store *, int64_t, const char *, const char *,
	    store_entry_cb, void *);

/*
 * Metadata of a mailbox, no 0: of the account itself.  A list is of one
 * mailbox, or of all with -1, and begins behind another's entry.
 */
#define STORE_METADATA	1000		/* entries of a mailbox */

struct store_metadata {
	struct mbox_id	 mailbox;
	const char	*entry;
	size_t		 entrylen;
	const void	*value;
	size_t		 size;
};
typedef int (*store_metadata_cb)(void *, const struct store_metadata *);
int	 store_metadata_list(struct store *, int64_t, int64_t,
	    const struct store_metadata *, store_metadata_cb, void *);

#define STORE_NO_LIMIT	UINT64_MAX

struct store_quota {
	uint64_t	 size, size_limit;	/* bytes */
	uint64_t	 count, count_limit;	/* messages */
};
int	 store_quota(struct store *, const char *, struct store_quota *);
/* Is there room for one message of this size?  ST_OK, ST_OVER_QUOTA. */
int	 store_quota_room(struct store *, const char *, uint64_t);

/* Is there a content in a file of that name?  1, 0, -1 on an error. */
int	 store_has_file(struct store *, const uint8_t *);

int	 store_user(struct store *, const char *, const char **,
	    const char **);
/* A user's keys; ST_BAD_CREDENTIALS: no such user, or he has none. */
struct scramkeys;
int	 store_scram(struct store *, const char *, const char **,
	    struct scramkeys *);
/* Are there users, and has every one keys?  1, 0, -1 on an error. */
int	 store_scram_all(struct store *);
#define STORE_SECRET	32
int	 store_secret(struct store *, uint8_t *);
int	 store_recipient(struct store *, const char *, const char **,
	    struct mbox_id *);

/* changing */

/*
 * One group: store_begin(), for each change store_savepoint() and then
 * store_release() or store_undo(), store_commit().  A group that is not
 * durable may be lost in a power failure, but nothing in it can be a thing
 * that must not be: changes that need more say STORE_AGAIN, a code of its
 * own, and are to be tried in a durable group.
 *
 * Savepoints cost a copy of each page, and few changes fail: those of a
 * group have none at first.  Where one fails that has written something,
 * store_undo() gives the group up, and store_spoiled() says so: it is to be
 * tried again with store_careful().
 *
 * store_broken() says that the database has given up the whole group.
 * store_failed() says that an fsync failed: what is on disk is unknown
 * and the process must end.
 */
#define STORE_AGAIN	ST_CODE_MAX

int	 store_begin(struct store *, int);
int	 store_commit(struct store *);
void	 store_rollback(struct store *);
int	 store_savepoint(struct store *);
int	 store_release(struct store *);
void	 store_undo(struct store *);
void	 store_careful(struct store *, int);
int	 store_spoiled(const struct store *);
int	 store_broken(struct store *);
int	 store_failed(const struct store *);
/* Can the next group be one that is not durable? */
int	 store_may_spare(struct store *);

/* Has another process made events before this group? */
int	 store_foreign(const struct store *);
/* Events of the changes since the last call, oldest first. */
size_t	 store_take_events(struct store *, struct store_event *, size_t);
#define STORE_EVENTS_MAX	8	/* one change makes no more */

/* As store_account(), but an open store makes one that is unknown. */
int	 store_account_make(struct store *, const char *, int64_t *);

struct store_change {
	struct mbox_id	 mailbox;
	uint64_t	 before;
	uint64_t	 modseq;
};

/*
 * Keys of repeated requests.  store_key_get() gives ST_OK and the remembered
 * answer, ST_NO_SUCH_MESSAGE for a key that is new, ST_KEY_REUSED.
 * Scope is an account, or 0; index is -1, or the row of an upload.
 */
struct store_key {
	int64_t		 scope;
	const char	*key;
	int64_t		 index;
	uint64_t	 print;		/* fingerprint of the request */
};
int	 store_key_get(struct store *, const struct store_key *, int *,
	    struct ibuf *);
int	 store_key_put(struct store *, const struct store_key *, int,
	    const struct ibuf *);

/* A content that several messages may get; kept by the first that does. */
struct store_body {
	const void	*data;		/* NULL: a new file, named by rnd */
	uint64_t	 size;
	struct content_id id;		/* no 0: not stored yet */
};
void	 store_body_new(struct store_body *);

struct store_append {
	int64_t		 account;
	struct mbox_id	 mailbox;
	const struct flagset *flags;
	int64_t		 date;
	const char	*cache;		/* NULL: none */
	size_t		 cachelen;
	struct store_body *body;
	uint32_t	 uid;		/* out */
	struct store_change change;	/* out */
};
int	 store_append(struct store *, struct store_append *);

/*
 * Several messages in one change, and others removed.  prepare() fills in
 * flags, date, cache and body of each in turn; a body with a number is a
 * content that the account has, else ST_NO_SUCH_BLOB.
 */
struct store_many {
	int64_t		 account;
	struct mbox_id	 mailbox;
	struct store_append *append;
	size_t		 n;
	int		 (*prepare)(void *, size_t, struct store_append *);
	void		*arg;
	const struct uidset *expunge;	/* NULL: none */
	struct store_change change;	/* out */
	struct uidset	 vanished;	/* out, the caller's */
};
int	 store_many(struct store *, struct store_many *);
/* A content for a later change, kept for so many seconds at least. */
int	 store_blob(struct store *, int64_t, struct store_body *, int64_t);

struct store_patch {
	int64_t		 account;
	struct mbox_id	 mailbox;
	const struct uidset *uids;
	int		 set;		/* add is all the message then has */
	const struct flagset *add;	/* NULL: none */
	const struct flagset *remove;
	int		 conditional;
	uint64_t	 unchanged_since;
	struct store_change change;	/* out */
	struct uidset	 modified;	/* out, the caller's */
	/* rows of what changed; -1 ends it all with ST_TRY_LATER */
	int		 (*rows)(void *, const struct clusters *);
	void		*arg;
};
int	 store_patch(struct store *, struct store_patch *);

struct store_expunge {
	int64_t		 account;
	struct mbox_id	 mailbox;
	const struct uidset *uids;
	const struct flagset *only;	/* NULL: unconditional */
	struct store_change change;	/* out */
	struct uidset	 vanished;	/* out, the caller's */
};
int	 store_expunge(struct store *, struct store_expunge *);

struct store_copy {
	int64_t		 account;
	struct mbox_id	 mailbox;
	struct mbox_id	 to;
	const struct uidset *uids;
	int		 move;
	struct store_change from_change; /* out */
	struct store_change to_change;	/* out */
	struct uidset	 from;		/* out, the caller's */
	uint32_t	 first;		/* out: the copies' first uid */
};
int	 store_copy(struct store *, struct store_copy *);

int	 store_create(struct store *, int64_t, const char *, const char *,
	    struct store_mailbox *);
int	 store_rename(struct store *, int64_t, const char *, const char *);
int	 store_delete(struct store *, int64_t, const struct mbox_id *);
int	 store_subscribe(struct store *, int64_t, const char *, int);
/* The account's list of mailboxes or subscriptions changed: an event. */
int	 store_list_event(struct store *, int64_t);
/* Only if it has that etag; only if there is none: else ST_CHANGED. */
struct store_if {
	enum { STORE_IF_ANY, STORE_IF_MATCH, STORE_IF_NONE } what;
	char		 etag[STORE_ETAG];
};
/* The new etag goes into a buffer of STORE_ETAG. */
int	 store_dict_put(struct store *, int64_t, const char *,
	    const struct store_if *, const void *, size_t, char *);
int	 store_dict_del(struct store *, int64_t, const char *,
	    const struct store_if *);
/* NULL removes. */
int	 store_metadata_set(struct store *, int64_t, const struct mbox_id *,
	    const char *, const void *, size_t);
int	 store_cache_put(struct store *, int64_t, const struct content_id *,
	    const char *, size_t);

/*
 * Housekeeping: one small step in a group of its own, 1 when there is more
 * to do at once, 0 when not, -1 on an error that was logged.
 */
int	 store_clean(struct store *);
/* Everything is on disk: give back the modseqs reserved for mailboxes. */
int	 store_settle(struct store *);
/*
 * Move SQLite's log into the database: when it has grown; now, to make room
 * in it; or all of it, leaving none behind.
 */
enum store_checkpoint { CHECKPOINT_GROWN, CHECKPOINT_NOW, CHECKPOINT_ALL };
void	 store_checkpoint(struct store *, enum store_checkpoint);

/* administration */

int	 store_user_put(struct store *, const char *, const char *, int);
int	 store_user_del(struct store *, const char *, int);
int	 store_users(struct store *, store_name_cb, void *);
/* Keys beside a user's hash; another hash removes them. */
int	 store_user_scram(struct store *, const char *,
	    const struct scramkeys *);
/* Limits: bytes and messages; -1 none, STORE_DEFAULT the server's. */
#define STORE_DEFAULT	INT64_C(-2)
int	 store_user_quota(struct store *, const char *, int64_t, int64_t);
int	 store_alias_put(struct store *, const char *, const char *);
int	 store_alias_del(struct store *, const char *);
typedef int (*store_pair_cb)(void *, const char *, const char *);
int	 store_aliases(struct store *, store_pair_cb, void *);

/* Sweeping contents pauses until then: a backup is copying files. */
int	 store_hold(struct store *, int64_t);
/* A restored copy: new store id, new uidvalidities for all mailboxes. */
int	 store_renew(struct store *);
/* A consistent copy into a new database file. */
int	 store_copy_to(struct store *, const char *);
/* Every content that is in a file. */
typedef int (*store_file_cb)(void *, const uint8_t *, uint64_t);
int	 store_files(struct store *, store_file_cb, void *);
/* Counts and references; the number of faults found, -1 on an error. */
int64_t	 store_check(struct store *);

#endif /* STORE_H */
