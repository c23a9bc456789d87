/*
 * IMAP4rev1 (RFC 3501) and extensions, in front of the storage API.
 *
 *	imap.c			the process, the table of commands
 *	imap_input.c		lines and literals become commands
 *	imap_login.c		before the login; CAPABILITY, ID, ENABLE
 *	imap_mount.c		the storages that a session's mailboxes are on
 *	imap_account.c		an account's mailboxes, shared by its sessions
 *	imap_list.c		LIST, LSUB, STATUS, CREATE and so on
 *	imap_mirror.c		a selected mailbox, shared by its sessions
 *	imap_view.c		a session's view of it; untagged responses
 *	imap_select.c		SELECT, CLOSE, CHECK, EXPUNGE, IDLE
 *	imap_fetch.c		FETCH; imap_part.c renders the items
 *	imap_feed.c		what it read, on its way into an index
 *	imap_carry.c		messages copied where the storage does not
 *	imap_search.c		SEARCH, SORT, THREAD, with the files in
 *				imap_search.h and imap_index.h
 *	imap_meta.c		GETMETADATA, SETMETADATA
 *	imap_quota.c		GETQUOTA, GETQUOTAROOT
 *	imap_subs.c		subscriptions that a storage's dict keeps
 *	imap_store.c, imap_copy.c, imap_append.c
 *	imap_batch.c		several messages, or pieces, in one APPEND; and
 *				REPLACE; with imap_catenate.c
 *
 * A command is an iop: its entry's exec runs at once and either completes
 * it (iop_ok, iop_no, iop_bad) or leaves requests or waits behind that will.
 * One command of a session runs at a time; its input waits meanwhile.
 */
#ifndef IMAP_H
#define IMAP_H

#include <sys/types.h>
#include <sys/queue.h>
#include <stdint.h>

#include "flagmap.h"
#include "ibuf.h"
#include "imapparse.h"
#include "imapput.h"
#include "listener.h"
#include "strow.h"
#include "sublist.h"
#include "tmo.h"
#include "uidset.h"

struct feed;
struct iacct;
struct imap;
struct imount;
struct iop;
struct iview;
struct mirror;

enum imap_state {
	IMAP_NOAUTH	= 0x1,
	IMAP_AUTH	= 0x2,
	IMAP_SELECTED	= 0x4
};

enum imap_input {
	INPUT_LINE,		/* a command, or more of one */
	INPUT_LITERAL,		/* bytes of a literal in it */
	INPUT_APPEND,		/* the message of an APPEND */
	INPUT_SKIP,		/* bytes of a literal nobody wants */
	INPUT_SKIP_LINE,	/* the rest of a line nobody wants */
	INPUT_AUTH,		/* the answer to AUTHENTICATE's "+" */
	INPUT_IDLE		/* only DONE ends it */
};

struct imap {
	struct lsession	 ls;		/* must be first */
	enum imap_state	 state;
	enum imap_input	 input;
	unsigned	 condstore:1;	/* the client knows of it */
	unsigned	 idling:1;
	unsigned	 waiting:1;	/* for the end of the turn (NOOP) */
	unsigned	 listed:1;	/* on the turn's list */
	unsigned	 lit_sync:1;	/* APPEND: the client waits for "+" */
	unsigned	 midline:1;	/* a response is not whole yet */
	struct ibuf	 cmd;		/* of a command in pieces */
	size_t		 piece;		/* where its last line begins */
	uint64_t	 left;		/* bytes of a literal to come */
	size_t		 literals;	/* bytes of literals so far */
	char		 tail[32];	/* the end of a line nobody keeps */
	size_t		 ntail;
	struct iop	*op;		/* the command that runs */
	struct imount	*mounts;	/* once logged in; [0] is all the rest */
	uint16_t	 nmounts;
	struct iview	*view;		/* once selected */
	LIST_HEAD(, sweep) sweeps;	/* of indexes, going on */
	LIST_HEAD(, feed) feeds;	/* of indexes */
	struct iop	*feed_waiter;
	void		 (*feed_resume)(struct iop *);
	struct tmo	 feed_wait;
	int		 feed_room;	/* it waits for room alone */
	TAILQ_ENTRY(imap) turn;
};

/* Flags of a command's entry. */
#define CMD_SEQ		0x01	/* takes sequence numbers: no EXPUNGE now */
#define CMD_WRITE	0x02	/* not in a read-only mailbox */
#define CMD_SECRET	0x04	/* its text must be wiped */
#define CMD_NOSYNC	0x08	/* tells nothing of the mailbox at its end */

struct imap_entry {
	enum imap_verb	 verb;
	int		 states;	/* enum imap_state, as bits */
	int		 flags;
	void		 (*exec)(struct iop *);
};

/*
 * A command that runs.  cmd points into buf.  What a command needs for
 * itself hangs on data, freed by its own cleanup.
 */
struct iop {
	struct imap	*s;
	struct imount	*mount;		/* that it is about */
	const char	*name;		/* of a mailbox there */
	uint16_t	 nlisted;	/* mounts that were asked for lists */
	void		 (*listed)(struct iop *);
	void		 (*subscribed)(struct iop *);
	const struct imap_entry *entry;
	struct ibuf	 buf;
	struct imap_cmd	 cmd;
	struct streq	 rq;
	void		*data;
	void		 (*cleanup)(struct iop *);
	/* called when output has drained, input for it came, or a wait is over */
	void		 (*resume)(struct iop *);
	/* bytes of an APPEND's message, of AUTHENTICATE or IDLE */
	size_t		 (*input)(struct iop *, const uint8_t *, size_t);
	struct ibuf	 tail;		/* its response, until all is told */
	struct tmo	 progress;	/* told so often how far it is */
	uint32_t	 ndone;		/* of so many messages */
	uint32_t	 ngoal;		/* 0: not known */
	int		 expunged;	/* some message was gone already */
	TAILQ_ENTRY(iop) wait;		/* for a mirror or a mailbox list */
	void		 *waits;	/* what it waits for, NULL: nothing */
	void		 (*waited)(struct iop *, enum st_code, const char *);
};

TAILQ_HEAD(iops, iop);

/* imap.c */
extern struct imap_parse_opts imap_opts;
extern struct imap_counts {
	uint64_t commands, bad, fills, refreshes, polls, checks, mended,
	    idles, rows_cached, rows_asked, searches_asked, searches_refused,
	    index_asked, index_spared, index_written, index_merged, index_bad,
	    index_lost, index_failed, index_fed, index_unwritten;
} imap_counts;

void	 iop_ok(struct iop *, const char *, ...)
	    __attribute__((__format__ (printf, 2, 3)));
void	 iop_ok_code(struct iop *, const char *, const char *, ...)
	    __attribute__((__format__ (printf, 3, 4)));
void	 iop_no(struct iop *, const char *, const char *, ...)
	    __attribute__((__format__ (printf, 3, 4)));
void	 iop_bad(struct iop *, const char *);
/* The same of what was right when it was sent: it is not counted. */
void	 iop_bad_number(struct iop *, const char *);
/* NO with what a storage's error becomes in IMAP. */
void	 iop_fail(struct iop *, enum st_code, const char *);
/* An error, if it is one, ends the command; returns 1 then. */
int	 iop_failed(struct iop *, const struct m_st_end *);
/* Sends a request of this command; answers come to f with op as its arg. */
void	 iop_ask(struct iop *, enum msg_type, const void *,
	    void (*)(struct streq *, enum msg_type, const void *));
/* The command takes the client's bytes from now on, NULL: no more. */
void	 iop_reads(struct iop *, size_t (*)(struct iop *, const uint8_t *,
	    size_t));
void	 iop_wait(struct iop *, struct iops *, void (*)(struct iop *,
	    enum st_code, const char *));
void	 iop_wake(struct iops *, enum st_code, const char *);
/* It may take long, of so many messages or 0: INPROGRESS (RFC 9585). */
void	 iop_progress(struct iop *, uint32_t);
void	 iop_progress_stop(struct iop *);
void	 imap_run(struct imap *, struct ibuf *, struct imap_cmd *);
/* Can the session's own storage do it? */
int	 imap_has(const struct imap *, enum st_cap);
/* Can the one that the command is about? */
int	 iop_has(const struct iop *, enum st_cap);
struct ibuf *imap_out(struct imap *);
/* Is so much queued that it should wait?  Then resume is called later. */
int	 imap_full(struct imap *);
/* At the end of this turn, look what is to be told. */
void	 imap_at_turn(struct imap *);
/* Text of a client for the log, bounded, in a static buffer. */
const char *imap_printable(const struct hstr *);
/* A session that sends nothing but nonsense is ended. */
void	 imap_count_bad(struct imap *);

/* imap_input.c */
size_t	 imap_data(struct lsession *, const uint8_t *, size_t);
void	 imap_input_done(struct imap *);
/*
 * A command that takes lines itself: if it ends in the middle of one, these
 * bytes of it are read already.  NULL: it begins.
 */
void	 imap_input_tail(struct imap *, const void *, size_t);
/* The command has refused a whole line: a literal behind it is skipped. */
void	 imap_input_refused(struct imap *, const void *, size_t);
void	 imap_input_free(struct imap *);

/* imap_login.c */
void	 imap_greet(struct lsession *);
void	 imap_secured(struct lsession *);
void	 imap_login_done(struct lsession *, enum st_code, const char *);
void	 imap_challenge(struct lsession *, const void *, size_t);
void	 imap_capabilities(struct imap *, struct ibuf *);
/* What the session's commands may have; good until the next call. */
const struct imap_parse_opts *imap_syntax(const struct imap *);
void	 cmd_capability(struct iop *);
void	 cmd_login(struct iop *);
void	 cmd_authenticate(struct iop *);
void	 cmd_starttls(struct iop *);
void	 cmd_logout(struct iop *);
void	 cmd_noop(struct iop *);
void	 cmd_id(struct iop *);
void	 cmd_enable(struct iop *);
void	 cmd_namespace(struct iop *);

/*
 * Accounts: the list of mailboxes, kept as long as a session is logged in,
 * true as long as events are, else asked again by each command.
 */
struct mbox {
	char		*id;		/* NULL: only a subscription */
	char		*name;
	char		*roles;
	char		*objectid;	/* "": none */
	uint32_t	 uidvalidity;
	uint32_t	 uidnext;
	uint32_t	 messages;
	uint32_t	 unseen;
	uint32_t	 deleted;
	uint64_t	 size;
	uint64_t	 modseq;
	uint32_t	 has;		/* enum mbox_has */
	int		 stale;		/* the numbers: it changed since */
};

struct iacct {
	uint32_t	 acct;
	uint32_t	 egen;
	uint16_t	 storage;
	int		 refs;
	struct mbox	*mboxes;	/* sorted by list_compare() */
	size_t		 n;
	size_t		 hint;		/* index last looked for */
	uint32_t	 epoch;		/* it was read under, 0: not true */
	uint32_t	 asked;		/* epoch of the answer coming in */
	int		 changed;	/* told so while it was being read */
	struct lsession	*asker;		/* session that reads it now */
	time_t		 index_off;	/* no index is kept until then */
	struct streq	 rq;
	struct mbox	*fresh;		/* being read */
	size_t		 nfresh;
	size_t		 freshcap;
	struct iops	 waiters;
	/* where subscriptions are in the storage's dict, as last seen there */
	int		 subs_known;	/* 0: everything is subscribed */
	struct sublist	 subs;
	char		*subs_etag;
	TAILQ_ENTRY(iacct) entry;
};

/* A reference, by the engine's process and its handle. */
struct iacct *iacct_get(uint32_t, uint32_t, uint16_t);
void	 iacct_unref(struct iacct *, struct imap *);
/* Is the list proven to be true now? */
int	 iacct_proven(const struct iacct *);
/* Calls back at once, or when the list of the command's mount is there. */
void	 iacct_need(struct iop *, void (*)(struct iop *, enum st_code,
	    const char *));
/* The same of another mount; NULL account: it is not available. */
void	 iacct_need_of(struct iop *, struct imount *, void (*)(struct iop *,
	    enum st_code, const char *));
/*
 * The lists of all mounts that have been marked as wanted; each has the code
 * of its own then, and those that cannot be had are as they were last seen.
 */
void	 iacct_need_all(struct iop *, void (*)(struct iop *));
/*
 * What was found in the storage's dict; takes the list (NULL with 0: there
 * is none, and everything is subscribed).
 */
void	 iacct_subscribed(struct iacct *, int, struct sublist *,
	    const char *);
/* We changed it ourselves: read it again before it is used. */
void	 iacct_changed(struct iacct *);
/* What is in a mailbox changed, up to this modseq (0: not known). */
void	 iacct_moved(struct iacct *, const char *, uint64_t);
/* The command did that, to a mailbox of its mount. */
void	 iacct_own(struct iop *, const char *, uint64_t);
struct mbox *iacct_find(struct iacct *, const char *);
struct mbox *iacct_by_id(struct iacct *, const char *);
void	 iacct_event(struct proc_peer *, const struct m_st_event *);
void	 iacct_engine_down(struct proc_peer *);
void	 iacct_regranted(struct iacct *, uint32_t, uint32_t);
void	 mbox_update(struct mbox *, const struct m_st_mbox *);

/*
 * Mounts (see mfrontd.conf(5)): part of the mailboxes is on another storage.
 * The first has no prefix: what is below no other one.  A session's stay
 * where they are in memory once it is logged in.
 */
struct imount {
	uint16_t	 number;	/* in requests */
	uint16_t	 storage;
	uint32_t	 acct;		/* the engine's handle, 0: none */
	char		*prefix;	/* "Archive" */
	struct iacct	*account;	/* NULL: not available */
	/* of the command that lists mailboxes now */
	unsigned	 wanted:1;	/* something depends on its list */
	unsigned	 needed:1;	/* there may be names to be told in it */
	enum st_code	 code;		/* could its list be had? */
};

/* imap_mount.c */
void	 imount_told(struct proc_peer *, struct imsg *, const void *);
/* The login has come through. */
void	 imount_open(struct imap *);
void	 imount_close(struct imap *);
void	 imount_regranted(struct imap *);
/*
 * Where a name belongs, and its name there; NULL: it is the name of a mount
 * itself, which is no mailbox.
 */
const char *imount_of(const struct imap *, const char *, struct imount **);
/* Sets the command's mount and name; -1 for that of a mount itself. */
int	 iop_place(struct iop *, const char *);
/* What its engine has told of its storage; never NULL. */
const struct lstorage *imount_storage(const struct imap *,
	    const struct imount *);
/* By the engine's handle; NULL: the session does not have it. */
struct imount *imount_by_acct(struct imap *, uint32_t);
/* Is it known what mailboxes it has, since it was asked? */
int	 imount_listed(const struct imount *);
/* Could a mailbox of this mount match the pattern? */
int	 imount_matches(const struct imap *, const struct imount *,
	    const char *);
/* A name as the client knows it, in buf of LIST_NAME_MAX + 1; NULL: too long. */
const char *imount_name(const struct imount *, const char *, char *);

/* imap_list.c */
void	 cmd_list(struct iop *);
void	 cmd_lsub(struct iop *);
void	 cmd_status(struct iop *);
void	 cmd_create(struct iop *);
void	 cmd_delete(struct iop *);
void	 cmd_rename(struct iop *);
void	 cmd_subscribe(struct iop *);
void	 cmd_unsubscribe(struct iop *);

/* imap_subs.c */
/* Are the subscriptions of a mount in its storage's dict? */
int	 isubs_in_dict(const struct imap *, const struct imount *);
/* Do the mailboxes of a mount say what is subscribed?  Else everything is. */
int	 isubs_known(const struct imap *, const struct imount *);
/* As iacct_need_all(), and what is subscribed is known as well. */
void	 isubs_need_all(struct iop *, void (*)(struct iop *));
void	 isubs_change(struct iop *, int);

/* imap_meta.c */
void	 cmd_getmetadata(struct iop *);
void	 cmd_setmetadata(struct iop *);

/*
 * imap_sweep.c: deletes an index's keys by their prefixes, texts with NULs,
 * in the background; or all those of mailboxes that the account has not.
 */
void	 sweep_start(struct imap *, struct imount *, const void *, size_t);
void	 sweep_account(struct imap *, struct imount *);
/* A mailbox was deleted: what there is of its index goes. */
void	 sweep_mailbox(struct imap *, struct imount *, const char *);
void	 sweep_close(struct imap *);

/*
 * imap_feed.c: signatures that a FETCH has made.  They are to be written, if
 * there are many, or all: the client is idle.
 */
void	 feed_rest(struct imap *, int);
/* The view is being closed. */
void	 feed_close(struct imap *);
/* Its mailbox was deleted.  1: what is being written will be swept then. */
int	 feed_deleted(struct imap *, const char *);
void	 feed_free_all(struct imap *);
void	 feed_init(void);
/* LOGOUT and SEARCH wait for what is being written; see imap_feed.h. */

/* imap_quota.c */
void	 cmd_getquota(struct iop *);
void	 cmd_getquotaroot(struct iop *);
void	 cmd_setquota(struct iop *);

/*
 * Mirrors: which messages a mailbox has and their flags, as of a modseq.
 */
struct snap {
	int		 refs;
	struct uidset	 uids;
};

/* What changed, for views that have not told it yet. */
struct mchange {
	uint64_t	 serial;
	uint64_t	 modseq;	/* 0: not known */
	struct uidset	 uids;		/* whose flags are others */
	uint32_t	 origin;	/* session that did it itself, 0: others */
	TAILQ_ENTRY(mchange) entry;
};

enum mirror_state {
	MIRROR_EMPTY,
	MIRROR_READY,
	MIRROR_GONE		/* the mailbox is no more */
};

struct mrow {			/* what never changes of a message */
	uint32_t	 uid;
	char		*id;
	uint64_t	 size;
	int64_t		 date;
	int16_t		 zone;
};

struct mirror {
	uint32_t	 acct;
	uint32_t	 egen;
	uint16_t	 storage;
	char		*id;		/* of the mailbox */
	enum mirror_state state;
	struct flagmap	 map;
	struct snap	*snap;		/* map.uids as views may see them */
	uint32_t	 uidvalidity;
	uint32_t	 uidnext;
	uint64_t	 modseq;	/* everything up to it is in here */
	uint64_t	 since;		/* the last list was of changes since */
	uint64_t	 heard;		/* newest one we were told of */
	int		 told;		/* of a change without a number */
	char		*mstate;	/* the row's state text (below level 2) */
	uint32_t	 epoch;
	time_t		 polled;	/* tmo_now() when it was last known */
	struct lsession	*asker;		/* session whose request runs */
	struct streq	 rq;
	int		 filling;	/* the whole list, not changes */
	int		 refill;	/* changes are not known that far back */
	int		 announcing;	/* added is in the map, not in snap */
	int		 again;		/* heard something while asking */
	int		 by_check;	/* it was the belt that asked */
	struct m_st_head head;		/* of the answer that comes in */
	uint32_t	 listed;	/* messages in it so far */
	int		 toomany;	/* there were more than can be served */
	struct flagmap	 fresh;		/* a list being read */
	struct uidset	 before;	/* uids when it was asked */
	struct uidset	 touched;	/* flags changed, being read */
	TAILQ_HEAD(mchanges, mchange) stamped; /* ... with their modseqs */
	uint32_t	 nstamped;
	struct mchanges	 ahead;		/* ours, newer than modseq */
	uint32_t	 nahead;
	unsigned	 owns;		/* requests of ours that are out */
	struct tmo	 hold;		/* news that waits for their answers */
	struct uidset	 added;
	uint8_t		 recent_take;	/* how was asked whose they are */
	uint32_t	 recent_first;
	struct uidset	 recent;	/* \Recent, to who is told first */
	uint32_t	 recent_top;	/* who writes was told up to it */
	uint32_t	 row_epoch;
	int		 row_differs;
	int		 fresh_fill;	/* there was nothing before */
	int		 held;		/* not to be freed now */
	struct mrow	*rows;		/* cache, sorted by uid */
	size_t		 nrows;
	size_t		 rowcap;
	uint64_t	 serial;
	uint32_t	 nchanges;
	struct mchanges	 changes;
	TAILQ_HEAD(, iview) views;
	struct iops	 waiters;
	struct tmo	 check;		/* the belt, or the poll */
	TAILQ_ENTRY(mirror) entry;
};

struct mown {			/* a change of ours, as its answer comes in */
	struct m_st_change	 change;
	struct uidset		 touched;
	uint32_t		 origin;
	int			 silent;	/* which is told no flags */
	int			 apply;		/* it is news to the mirror */
	int			 incomplete;	/* its answer was */
	struct mirror		*out;		/* whose owns it counts in */
};

struct mirror *mirror_get(struct imap *, const struct imount *, const char *);
/*
 * The mirror as it is on the storage now: calls back when that is proven,
 * which may be at once.
 */
void	 mirror_need(struct iop *, struct mirror *, void (*)(struct iop *,
	    enum st_code, const char *));
int	 mirror_proven(const struct mirror *);
/* Is there a change that it has not got yet? */
int	 mirror_behind(const struct mirror *);
void	 mirror_refresh(struct mirror *);
void	 mirror_attach(struct mirror *, struct iview *);
void	 mirror_detach(struct iview *);
/*
 * A view is told of these now.  Those that are \Recent are so to it, and, if
 * it is not read-only, to nobody else.
 */
void	 mirror_told(struct iview *, const struct uidset *);
/* Are there \Recent ones that nobody has been told of? */
int	 mirror_untold(const struct mirror *);
/* The view will be told nothing more. */
void	 mirror_forgo(struct iview *);
struct snap *mirror_snap(struct mirror *);
struct snap *snap_new(const struct uidset *);
/* Frees it if nobody has it open or waits for it. */
void	 mirror_unused(struct mirror *);
void	 mirror_timer(struct mirror *);
void	 snap_unref(struct snap *);
void	 mirror_event(struct proc_peer *, const struct m_st_event *);
void	 mirror_engine_down(struct proc_peer *);
void	 mirror_stream(struct proc_peer *, const struct lstorage *);
void	 mirror_regranted(struct imap *);
/*
 * What we changed ourselves: a change from before to modseq; if nothing
 * else happened in between the mirror needs not ask.  The parts are given
 * first (flags, removed, added), then the change.
 */
int	 mirror_current(const struct mirror *, const struct m_st_change *);
/*
 * The request goes out: until its answer is over nothing is listed because
 * of an event, which is its own most of the time.
 */
void	 mirror_own_begin(struct mirror *, struct mown *);
void	 mirror_own_over(struct mown *);
/* ... or until nobody wants the answer any more. */
void	 mirror_own_drop(struct mown *);
void	 mirror_own_flags(struct mirror *, struct mown *,
	    const struct msg_set *, const char *);
void	 mirror_own_removed(struct mirror *, const struct uidset *);
/* A request may make several changes: one ends where the next begins. */
void	 mirror_own_change(struct mirror *, struct mown *,
	    const struct m_st_change *);
/*
 * The answer is over (NULL: this change of several is).  If not well, the
 * change stands all the same, and the mirror has to ask what it was.
 */
void	 mirror_own_settle(struct mirror *, struct mown *,
	    const struct m_st_end *);
void	 mirror_heard(struct mirror *, uint64_t);
/* A session is to be told what it did itself. */
void	 mirror_disown(struct mirror *, uint32_t);
void	 mirror_own_done(struct mirror *, const struct m_st_change *,
	    const struct uidset *, uint32_t);
void	 mirror_own_added(struct mirror *, uint32_t, const char *, uint64_t,
	    uint64_t);
/* Another session's append or copy into a mailbox that is mirrored. */
struct mirror *mirror_find(struct imap *, const struct imount *,
	    const char *);
struct mrow *mirror_row(struct mirror *, uint32_t);
void	 mirror_row_put(struct mirror *, uint32_t, const struct st_row *);
/* The session's requests for mirrors are others' to ask again. */
void	 mirror_session_gone(struct imap *);
void	 mirror_init(void);
void	 mirror_limits(void);

/*
 * Views: the messages a session has been told of.
 */
struct iview {
	struct imap	*s;
	struct imount	*mount;
	struct mirror	*m;
	struct snap	*snap;		/* in sequence */
	uint64_t	 serial;	/* changes up to it were told */
	uint32_t	 top;		/* the highest uid it was told of */
	uint64_t	 upto;		/* changes that are being told */
	uint32_t	 next;		/* from this uid on */
	int		 read_only;
	int		 deleting;	/* the session deletes its mailbox */
	struct feed	*feed;		/* NULL: nothing to be indexed */
	int		 nkeywords;	/* told in FLAGS */
	int		 told;		/* its SELECT has come that far */
	int		 leaving;	/* its session does */
	struct uidset	 recent;
	struct uidset	 saved;		/* what "$" is (RFC 5182) */
	TAILQ_ENTRY(iview) entry;
};

struct iview *view_open(struct imap *, struct imount *, struct mirror *, int);
void	 view_close(struct imap *);
/* The mailbox as it is now, for a session that was told nothing of it. */
void	 view_renew(struct iview *);
/* The mailbox is gone: the session cannot go on. */
void	 view_lost(struct imap *);
/*
 * Tells what changed; expunges only if they may be told now.  Returns 1 if
 * there are flags left to tell, once the client has read what it was told.
 */
int	 view_sync(struct iview *, int);
/* Would it have anything to tell? */
int	 view_behind(const struct iview *);
uint32_t view_exists(const struct iview *);
void	 view_put_flags(struct iview *);
/* The client knows of CONDSTORE from here on. */
void	 view_condstore(struct imap *);
int	 view_resolve(struct iop *, const struct seqset *, struct uidset *);
/* "* 7 FETCH (UID 7 FLAGS (..) MODSEQ (9))" of one message. */
void	 view_put_fetch(struct iview *, uint32_t, uint32_t, uint64_t, int);
void	 view_flags_of(struct iview *, struct ibuf *, uint32_t);

/* The EMAILID of a content (RFC 8474). */
const char *emailid(const char *, char[IMAP_OBJECTID_MAX + 1]);
/* The THREADID of a storage's. */
const char *threadid(const char *, char[IMAP_OBJECTID_MAX + 1]);

/* imap_select.c */
void	 cmd_select(struct iop *);
void	 cmd_examine(struct iop *);
void	 cmd_close(struct iop *);
void	 cmd_unselect(struct iop *);
void	 cmd_check(struct iop *);
void	 cmd_expunge(struct iop *);
void	 cmd_idle(struct iop *);
/*
 * Takes the front of a set into part: at most so many ranges, and not so
 * many messages that their answer would be too long for a storage.
 */
void	 set_take(struct uidset *, struct uidset *, uint32_t);

/* imap_store.c: a command's flags as the storage's text, with a NUL. */
int	 flag_list_text(const struct flag_list *, struct ibuf *);

void	 cmd_fetch(struct iop *);
void	 cmd_store(struct iop *);
void	 cmd_copy(struct iop *);
void	 cmd_move(struct iop *);
void	 cmd_append(struct iop *);
/* imap_append.c: bytes of the largest message for the command's mailbox. */
uint64_t append_limit(const struct iop *);
void	 cmd_search(struct iop *);

#endif /* IMAP_H */
