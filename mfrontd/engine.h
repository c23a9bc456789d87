/*
 * The engine: storage requests of the listeners become HTTP, within what
 * auth has granted.
 *
 *	engine.c		the process, its messages
 *	engine_grant.c		accounts, grants, recipients
 *	engine_storage.c	storages: service document, configuration
 *	engine_url.c		their URLs: circuit breaker, probes
 *	engine_pool.c		connections, and requests that wait for one
 *	engine_http.c		one HTTP exchange on one connection
 *	engine_answer.c		what stands in an answer
 *	engine_trace.c		traces, and requests in the log
 *	engine_req.c		a listener's request: what is common
 *	engine_scram.c		keys of users
 *	engine_read.c, engine_write.c, engine_upload.c, engine_offload.c	the calls
 *	engine_events.c		the event stream
 *	engine_cache.c		contents kept in memory
 *	engine_local.c		an index kept in a file
 *	engine_recent.c		\Recent
 */
#ifndef ENGINE_H
#define ENGINE_H

#include <sys/types.h>
#include <sys/queue.h>
#include <sys/tree.h>
#include <stdint.h>

#include <event.h>
#include <tls.h>

#include "conf.h"
#include "http.h"
#include "ibuf.h"
#include "io.h"
#include "json.h"
#include "msg.h"
#include "proc.h"
#include "sterr.h"
#include "stquery.h"
#include "strow.h"
#include "tmo.h"

#define HELD_MAX	(128 * 1024)	/* bytes of a body we hold whole */
#define HELD_PEER	(256 * 1024 * 1024)	/* of all that one process asks */
#define LINE_MAX_ND	65536		/* of a line of NDJSON */
#define UPLOAD_LINE	(1024 * 1024)	/* the JSON before a content */
#define STORE_MAX	255		/* bytes of the name of a store */
#define JSON_MAX	(256 * 1024)	/* of an answer that is one value */

struct account;
struct elocal;
struct epeer;
struct ereq;
struct estorage;
struct hconn;
struct hreq;

extern struct m_conf_limits elimits;

/*
 * Storages.
 */
enum eurl_state {		/* of its circuit breaker */
	URL_CLOSED,		/* it is used */
	URL_OPEN,		/* it failed too often, it is not */
	URL_HALF_OPEN		/* it is asked whether it works again */
};

struct eurl {
	struct estorage		*st;
	uint16_t		 id;
	uint32_t		 rank;		/* 0: preferred to all others */
	enum url_kind		 kind;
	char			*host;
	uint16_t		 port;
	char			*path;
	char			*sock;
	enum eurl_state		 state;
	int			 known;		/* its document was right once */
	uint32_t		 failures;	/* in a row */
	uint32_t		 opened;	/* times */
	char			 mishap[64];	/* the session of the last */
	uint32_t		 backoff;	/* milliseconds */
	time_t			 refused_until;	/* no more connections before */
	time_t			 wait_until;	/* is not to be asked before */
	time_t			 answered;
	uint64_t		 made;		/* connections, in order */
	uint64_t		 cut;		/* those before broke together */
	struct hreq		*probe;		/* that runs */
	int			 asked;		/* its connection was */
	time_t			 probed;	/* the last one, 0: never */
	time_t			 probe_at;	/* the next one, 0: none */
	struct event		 timer;
	int			 timed;
	char			 error[128];	/* why it is not closed */
	TAILQ_ENTRY(eurl)	 entry;
};

enum storage_state {
	STORAGE_UNKNOWN,	/* its service document was never seen */
	STORAGE_ASKING,
	STORAGE_UP,
	STORAGE_DOWN		/* the last attempt to reach it failed */
};

TAILQ_HEAD(eurls, eurl);
TAILQ_HEAD(hreqs, hreq);
TAILQ_HEAD(hconns, hconn);

/*
 * What waits of one session.  Sessions take turns, so that ten thousand
 * requests of one do not keep another waiting.
 */
struct hqueue {
	const char		*session;	/* of its first request */
	struct hreqs		 reqs;
	TAILQ_ENTRY(hqueue)	 turn;
	RB_ENTRY(hqueue)	 entry;
};

struct estorage {
	uint16_t		 id;
	char			*name;
	int			 embedded;
	char			*token;
	uint64_t		 without;
	enum index_kind		 index;
	struct elocal		*local;		/* NULL: no file for it */
	struct eurls		 urls;
	uint32_t		 health;	/* seconds between probes */
	struct ibuf		 ca;
	struct ibuf		 cert;
	struct ibuf		 key;
	struct tls_config	*tls;		/* NULL: no https url */
	int			 stale;		/* a reload dropped it */

	/* what its service document says, and which URL's that is */
	uint32_t		 doc_rank;
	char			*store;		/* which one, NULL: not known */
	uint64_t		 doc_caps;
	struct hreq		*look;		/* at it again */
	struct tmo		 looks;
	enum storage_state	 state;
	char			*server;	/* "name version" */
	uint64_t		 caps;
	uint64_t		 limit_message;
	uint32_t		 limit_set;	/* characters */
	uint32_t		 limit_annotation; /* bytes, 0: not said */
	uint32_t		 limit_batch;	/* messages, 0: not said */
	uint32_t		 limit_parts;	/* of one, 0: not said */
	uint32_t		 limit_recipients;
	uint32_t		 limit_upload_line;
	uint32_t		 bound_ms;
	struct stquery_can	 search;
	uint32_t		 sort;		/* enum imap_sort, as bits */
	uint32_t		 thread;	/* enum imap_thread, as bits */
	int			 threadids;	/* of messages, with objectid */

	/* the pool */
	struct hconns		 idle;
	struct hconns		 busy;
	RB_HEAD(hqueues, hqueue) queues;	/* by session */
	TAILQ_HEAD(, hqueue)	 turns;		/* whose turn is next */
	uint32_t		 nconns;	/* that the pool counts */
	uint32_t		 naside;	/* that wait for slow clients */
	uint32_t		 connecting;
	uint32_t		 nwaiting;
	uint64_t		 serial;	/* of the last request */

	/* the event stream */
	struct hreq		*events;
	uint32_t		 epoch;		/* 0: no stream now */
	uint32_t		 last_epoch;
	char			*cursor;
	struct tmo		 heartbeat;

	uint64_t		 requests;
	uint64_t		 errors;
	uint64_t		 retries;
	uint64_t		 nin;		/* bytes from it */
	uint64_t		 nout;
	uint64_t		 nevents;
	uint64_t		 nresets;
	time_t			 logged_at;	/* lines of one second */
	uint32_t		 nlogged;
	char			 error[128];	/* the last one, for people */
	int			 complained;	/* that it is down, in the log */
	TAILQ_ENTRY(estorage)	 entry;
};

TAILQ_HEAD(estorages, estorage);
extern struct estorages	estorages;

struct estorage	*estorage_find(uint16_t);
void		 estorage_conf_begin(void);
int		 estorage_conf_end(char *, size_t);
void		 estorage_conf_commit(void);
void		 estorage_conf_abort(void);
void		 estorage_conf_storage(struct proc_peer *, struct imsg *,
		    const void *);
void		 estorage_conf_url(struct proc_peer *, struct imsg *,
		    const void *);
void		 estorage_conf_index(struct proc_peer *, struct imsg *,
		    const void *);
void		 estorage_conf_ca(struct proc_peer *, struct imsg *,
		    const void *);
void		 estorage_conf_client(struct proc_peer *, struct imsg *,
		    const void *);
int		 estorage_settled(void);
void		 estorage_init(void);
/* Tell one peer (or all: NULL) what is known of a storage. */
void		 estorage_tell(struct estorage *, struct proc_peer *);
int		 estorage_has(const struct estorage *, enum st_cap);
/* Can its rows of messages have a threadid? */
int		 estorage_threadids(const struct estorage *);
void		 estorage_show(struct proc_peer *, uint32_t);
void		 estorage_stats(struct proc_peer *, uint32_t);
void		 estorage_stat(struct proc_peer *, uint32_t,
		    const struct estorage *, const char *, uint64_t);
/* The service document must be read (again); does nothing while it is. */
void		 estorage_ask(struct estorage *);
/* Also one that a reload dropped. */
struct estorage	*estorage_any(uint16_t);
/* Why the service document of a URL is not the storage's; NULL: it is. */
const char	*estorage_doc_bad(const struct eurl *, struct json *);
/* It is, and that URL works. */
void		 estorage_doc(struct eurl *, struct json *);
/* A URL does not work any more: others are tried, or all that waits fails. */
void		 estorage_lost(struct estorage *, const char *);

/*
 * The URLs of a storage.
 */
void		 eurl_init(void);
void		 eurl_limits(void);
struct eurl	*eurl_new(struct estorage *, const struct m_conf_url *);
/* Those of the second are the first's from now on. */
void		 eurl_take(struct estorage *, struct estorage *);
void		 eurl_stop_all(struct estorage *);
void		 eurl_free_all(struct estorage *);
void		 eurl_text(const struct eurl *, char *, size_t);
const char	*eurl_state_text(const struct eurl *);
/* That a new connection would be made by; NULL: none. */
struct eurl	*eurl_current(const struct estorage *);
/* May requests go to it now: it works, and none that is preferred does. */
int		 eurl_serves(const struct eurl *);
/* It asks for so many seconds without a request of ours. */
void		 eurl_wait(struct eurl *, uint32_t);
/* When they are over. */
time_t		 eurl_until(uint32_t);
/* What came of a request: an answer, no good one, or the connection broke. */
void		 eurl_answered(struct eurl *);
void		 eurl_failure(struct eurl *, const char *);
void		 eurl_cut(struct eurl *, uint64_t, const char *);
/* A connection to it could not be made. */
void		 eurl_unreached(struct eurl *, const char *);
/* Its service document is asked for, unless that is under way. */
void		 eurl_probe(struct eurl *);
/* Those that are not in use are looked at from now on. */
void		 eurl_watch(struct estorage *);
/* Another connection for the pool, if it may have one. */
void		 eurl_connect(struct estorage *);
/* A connection that the connector made, or could not. */
void		 eurl_connected(struct proc_peer *, struct imsg *,
		    const void *);
void		 eurl_connect_failed(struct proc_peer *, struct imsg *,
		    const void *);
void		 eurl_connector_down(struct proc_peer *);
void		 eurl_connector_up(void);

/*
 * HTTP exchanges.  An hreq is filled in by its owner and submitted; the
 * callbacks follow, done being the last; then it is freed.  hreq_cancel()
 * calls nothing any more.
 *
 * What was sent is sent again on another connection only when that cannot
 * do it twice: GET, or a request with an Idempotency-Key to a storage that
 * has that capability, or when not a byte had left.
 */
enum hreq_answer {
	ANSWER_JSON,		/* one value, collected: done gets it */
	ANSWER_NDJSON,		/* lines, each to line() */
	ANSWER_BYTES		/* content, as it comes, to data() */
};

struct hreq {
	struct estorage		*st;
	const char		*method;
	struct ibuf		 target;	/* behind the base path */
	struct ibuf		 body;		/* held; sent with the head */
	const char		*ctype;		/* of the body, NULL: none */
	char			 key[33];	/* Idempotency-Key, "": none */
	char			 session[64];
	char			 match[160];	/* a field with its CRLF */
	uint64_t		 range_from;	/* with range set */
	uint64_t		 range_len;
	int			 range;
	/* a body that streams behind the held one */
	int			 streams;
	int			 length_known;
	uint64_t		 stream_len;
	enum hreq_answer	 answer;
	int			 endless;	/* the event stream */
	int			 rerun;		/* may be repeated half-answered */
	int			 secret;	/* a password, or keys */
	int			 probe;		/* of a URL, not of the storage */

	/* the status and head are there; 2xx or not */
	void			 (*head)(struct hreq *,
				    const struct http_head *);
	/* a line of NDJSON, the header first; -1: nonsense */
	int			 (*line)(struct hreq *, struct json *, int);
	/* content; may call hreq_pause() */
	void			 (*data)(struct hreq *, const uint8_t *,
				    size_t);
	/* more of a streaming body may be given: hreq_write() */
	void			 (*want)(struct hreq *);
	/*
	 * The end: ST_OK, or an error with a text; the answer's value for
	 * ANSWER_JSON (NULL if it has none).
	 */
	void			 (*done)(struct hreq *, enum st_code,
				    const char *, struct json *);
	void			*arg;

	/* its own */
	struct hconn		*conn;		/* NULL: waits for one */
	struct hqueue		*queue;		/* NULL: does not wait */
	uint64_t		 serial;
	int			 status;
	int			 problem;	/* the answer is problem+json */
	uint32_t		 retry_after;
	int			 tries;
	size_t			 scanned;	/* bytes of reply without a \n */
	int			 paused;
	int			 answered;	/* a byte has come */
	int			 ended;		/* NDJSON: the last line */
	uint64_t		 lines;		/* of NDJSON that came */
	enum st_code		 endcode;
	char			 endtext[256];
	const char		*why;		/* it failed, for the log */
	char			 trace[33];	/* "": was never sent */
	uint64_t		 began;		/* microseconds, to be sent */
	uint64_t		 sent;
	uint64_t		 headed;	/* 0: no answer yet */
	uint64_t		 bytes;		/* of the answer's body */
	struct ibuf		 reply;		/* collected, or partial line */
	struct tmo		 tmo;
	TAILQ_ENTRY(hreq)	 entry;
};

struct hreq	*hreq_new(struct estorage *, const char *, enum hreq_answer);
void		 hreq_submit(struct hreq *);
void		 hreq_cancel(struct hreq *);
/* Frees one that was never submitted. */
void		 hreq_discard(struct hreq *);
/* Stop and go on reading the answer. */
void		 hreq_pause(struct hreq *, int);
/* The next piece of a streaming body; its end. */
void		 hreq_write(struct hreq *, const void *, size_t);
void		 hreq_write_end(struct hreq *);
/* May more of the body be written without piling up? */
int		 hreq_writable(const struct hreq *);
/* Appends "/accounts/NAME" (percent-encoded) and what follows. */
int		 hreq_account(struct hreq *, const char *);
void		 hreq_key(struct hreq *);
void		 hreq_init(void);
void		 hreq_limits(void);
/* A connection to a URL, for the pool or for a probe. */
void		 hconn_new(struct eurl *, int, struct hreq *);
/* That a timeout is part of. */
struct hreq	*hreq_of(struct tmo *);
void		 hreq_finish(struct hreq *, enum st_code, const char *,
		    struct json *);

/*
 * Traces and the log: the field, when what happened, and the line at the end.
 */
void		 etrace_put(struct hreq *, struct ibuf *);
void		 etrace_sent(struct hreq *);
void		 etrace_head(struct hreq *);
void		 etrace_end(struct hreq *, enum st_code, const char *);

/*
 * The pool of connections of a storage, and what waits for one.
 */
void		 epool_init(void);
void		 epool_limits(void);
void		 epool_storage_init(struct estorage *);
/* Give waiting requests to connections, or have new ones made. */
void		 epool_dispatch(struct estorage *);
/* All that waits fails. */
void		 epool_fail(struct estorage *, enum st_code, const char *);
void		 epool_close(struct estorage *);
uint32_t	 epool_busy(const struct estorage *);
/* Is there a connection that serves requests, now or in a moment? */
int		 epool_any(const struct estorage *);
/* Is there any to this URL? */
int		 epool_alive(const struct eurl *);
/* Its idle ones are closed. */
void		 epool_drop(struct eurl *);
/* One that does not serve any more makes room. */
void		 epool_evict(struct estorage *);

/*
 * Accounts and grants.
 */
struct recent {
	char			*mailbox;
	uint32_t		 told;		/* uids below were announced */
	uint32_t		 by;		/* process that took the last */
	uint32_t		 since;		/* ... from this uid on */
	RB_ENTRY(recent)	 entry;
};

struct account {
	uint32_t		 acct;		/* handle, for the listeners */
	uint16_t		 storage;
	char			*name;
	char			*inbox;		/* its id, NULL: not known */
	time_t			 wait_until;	/* nothing is asked before */
	int			 refs;
	int			 listed;	/* among those not in use */
	uint32_t		 nrecent;
	RB_HEAD(recents, recent) recents;
	TAILQ_HEAD(, grant)	 grants;
	TAILQ_ENTRY(account)	 lru;
	RB_ENTRY(account)	 entry;
};

struct grant {
	struct epeer		*peer;
	uint32_t		 session;
	uint16_t		 mount;
	struct account		*account;
	char			*user;
	TAILQ_ENTRY(grant)	 byaccount;
	RB_ENTRY(grant)		 entry;
};

/* The recipients of one transaction stand in one line of JSON. */
struct txn {
	uint32_t		 session;
	uint32_t		 txn;
	size_t			 bytes;		/* of that line */
	TAILQ_HEAD(txn_rcpts, rcpt) rcpts;
	RB_ENTRY(txn)		 entry;
};

/* A recipient of one delivery; its handle is auth's. */
struct rcpt {
	uint32_t		 handle;
	struct txn		*txn;
	uint32_t		 req;		/* of auth, until it is known */
	struct epeer		*peer;
	struct account		*account;
	char			*mailbox;	/* id */
	char			*address;
	int			 ready;
	struct hreq		*lookup;	/* for the INBOX's id */
	TAILQ_ENTRY(rcpt)	 bytxn;
	RB_ENTRY(rcpt)		 entry;
};

/*
 * A listener's process, by its number.  auth may speak of one before its
 * channel is there.
 */
struct epeer {
	uint32_t		 gen;
	struct proc_peer	*peer;		/* NULL: not connected */
	RB_HEAD(grants, grant)	 grants;
	RB_HEAD(rcpts, rcpt)	 rcpts;
	RB_HEAD(txns, txn)	 txns;
	RB_HEAD(ereqs, ereq)	 reqs;
	uint32_t		 nreqs;
	uint64_t		 held;		/* bytes of them that are here */
	uint32_t		 told;		/* event that it was told last */
	struct tmo		 tmo;		/* unconnected for how long? */
	RB_ENTRY(epeer)		 entry;
};

void		 egrant_init(void);
struct epeer	*epeer_get(uint32_t);
void		 epeer_up(struct proc_peer *);
void		 epeer_down(struct proc_peer *);
struct grant	*grant_find(struct epeer *, uint32_t, uint16_t);
/* A reference to give back. */
struct account	*account_get(uint16_t, const char *);
void		 account_ref(struct account *);
void		 account_unref(struct account *);
struct account	*account_find(uint16_t, const char *);
void		 account_forget_inbox(struct account *);
struct rcpt	*rcpt_find(struct epeer *, uint32_t);
/* It was used for its one delivery. */
void		 rcpt_spend(struct epeer *, uint32_t);
void		 egrant_auth_up(struct proc_peer *);
void		 egrant_grant(struct proc_peer *, struct imsg *,
		    const void *);
void		 egrant_rcpt(struct proc_peer *, struct imsg *,
		    const void *);
void		 egrant_revoke(struct proc_peer *, struct imsg *,
		    const void *);
void		 egrant_revoke_txn(struct proc_peer *, struct imsg *,
		    const void *);
void		 egrant_auth_query(struct proc_peer *, struct imsg *,
		    const void *);
void		 egrant_rcpt_query(struct proc_peer *, struct imsg *,
		    const void *);
uint64_t	 egrant_count(void);

/* What auth asked of a storage; its request's arg, the answer frees it. */
struct equery {
	uint32_t		 gen;		/* auth's process */
	uint32_t		 req;
};

/* A call for it: the target below the base, the session's name. */
struct hreq	*egrant_query(struct proc_peer *, struct imsg *,
		    struct estorage *, const char *, const char *);
/* A member of an answer, "" if it is none that fits. */
void		 egrant_text(struct json *, const char *, char *, size_t);
void		 escram_query(struct proc_peer *, struct imsg *,
		    const void *);

/*
 * A listener's request.
 */
struct ereq {
	uint32_t		 req;
	uint32_t		 session;
	enum msg_type		 type;
	struct epeer		*peer;
	struct account		*account;	/* NULL: a delivery */
	struct estorage		*st;
	struct hreq		*hreq;		/* NULL: none (yet, any more) */
	int64_t			 credit;	/* bytes that may be sent */
	int			 paused;
	char			*mailbox;
	struct ibuf		 rows;		/* collected for one message */
	/* what names a set, perhaps in several pieces */
	struct uidset		 set;
	uint32_t		 pos;		/* range that comes next */
	int			 headed;	/* st_head was sent */
	uint32_t		 fields;
	uint64_t		 since;
	uint32_t		 epoch;
	int			 filter;	/* the backend did not */
	/* changes */
	int			 op;
	char			*flags;
	int			 conditional;
	int			 begun;		/* a change's answer has */
	uint64_t		 unchangedsince;
	/* contents */
	char			*id;
	uint64_t		 size;
	uint64_t		 skip;		/* bytes before what is asked */
	uint64_t		 left;		/* bytes still to send */
	uint64_t		 got;
	int			 ranged;
	int			 wrong;		/* another range than asked */
	int			 keep;		/* collect for the cache */
	struct ibuf		 whole;
	struct content		*content;
	/* uploads */
	struct ibuf		 up;		/* data that came, not sent */
	int			 up_end;	/* all of it came */
	int			 up_known;
	uint64_t		 up_size;
	uint64_t		 up_got;
	uint64_t		 held;		/* of its peer's bytes */
	struct ibuf		 line;		/* the JSON before the content */
	struct account		**tos;		/* delivery: in order */
	uint32_t		*handles;
	uint32_t		 nto;
	uint8_t			*stored;	/* a result was told */
	RB_ENTRY(ereq)		 entry;
};

/* Messages of listeners: a request, or more about one. */
void		 ereq_handle(struct proc_peer *, struct imsg *,
		    const void *);
void		 ereq_more(struct proc_peer *, struct imsg *, const void *);
void		 ereq_cancel_session(struct epeer *, uint32_t);
void		 ereq_free(struct ereq *);
void		 ereq_end(struct ereq *, enum st_code, const char *);
void		 ereq_send(struct ereq *, enum msg_type, const void *);
/* Counts bytes sent against the credit; the backend waits below zero. */
void		 ereq_spend(struct ereq *, size_t);
/* What it holds of what its peer may hold; -1: too much. */
int		 ereq_hold(struct ereq *, size_t);
void		 ereq_let_go(struct ereq *, size_t);
void		 ereq_flush_rows(struct ereq *);
void		 ereq_add_row(struct ereq *, const struct st_row *);
/*
 * The HTTP request for it: account's path, session's name, a key if it
 * changes something; done ends the request with what the answer says.
 */
struct hreq	*ereq_http(struct ereq *, const char *, enum hreq_answer);
/* Appends "/mailboxes/ID". */
int		 ereq_mailbox(struct hreq *, const struct ereq *);
void		 ereq_done(struct hreq *, enum st_code, const char *,
		    struct json *);
/* Sends it off; both may be gone when it returns. */
void		 ereq_submit(struct ereq *, struct hreq *);

/* The calls, by the message that asks for each. */
void		 eread_mailboxes(struct ereq *, const void *);
void		 eread_mailbox(struct ereq *, const void *);
void		 eread_list(struct ereq *, const void *);
void		 eread_get(struct ereq *, const void *);
void		 eread_get_more(struct ereq *);
/* Sends a mailbox's row on; -1 if it is none. */
int		 eread_mbox(struct ereq *, struct json *);
void		 ewrite_patch(struct ereq *, const void *);
void		 ewrite_expunge(struct ereq *, const void *);
void		 ewrite_copy(struct ereq *, const void *);
void		 ewrite_create(struct ereq *, const void *);
void		 ewrite_rename(struct ereq *, const void *);
void		 ewrite_delete(struct ereq *, const void *);
void		 ewrite_subscribe(struct ereq *, const void *);
void		 ewrite_cache(struct ereq *, const void *);
void		 eupload_put(struct ereq *, const void *);
void		 eupload_deliver(struct ereq *, const void *);
void		 eupload_data(struct ereq *, const void *, size_t);
void		 eupload_end(struct ereq *);
void		 eupload_free(struct ereq *);
void		 eoffload_search(struct ereq *, const void *);
void		 eoffload_dict(struct ereq *, const void *);
void		 eoffload_quota(struct ereq *, const void *);
void		 eoffload_meta_get(struct ereq *, const void *);
void		 eoffload_meta_set(struct ereq *, const void *);
void		 eoffload_batch(struct ereq *, const void *);
/* Its list has come. */
void		 eoffload_batch_end(struct ereq *);
void		 eupload_blob(struct ereq *, const void *);
void		 erecent(struct ereq *, const void *);
void		 erecent_free(struct account *);

/*
 * Pieces of NDJSON that several calls read.  They return 0, or -1 when what
 * is there is not what the API says.
 */
int		 nd_uids(struct json *, struct uidset *);
int		 nd_set(struct json *, int, struct uidset *);
int		 nd_change(struct json *, int, struct m_st_change *);
/* Reads a list of flags as text with spaces between. */
int		 nd_flags(struct json *, int, struct ibuf *);
int		 nd_text(struct json *, int, char *, size_t);
/* An id of a mailbox or a content: it will stand in a path. */
int		 nd_id(struct json *, int, char *, size_t);
int		 nd_row(struct json *, struct ereq *, uint32_t);
/* Sends a set in as many messages as it needs. */
void		 nd_send_set(struct ereq *, enum msg_type,
		    const struct uidset *);
/* Writes flags that stand in a text with spaces as a JSON list. */
int		 json_put_flags(struct ibuf *, const char *);

/*
 * Contents that were read whole, newest first, within elimits.cache bytes.
 * The key is the account, so that no account can read another's.
 */
struct content {
	uint32_t		 acct;
	uint32_t		 hash;
	char			*id;
	struct ibuf		 data;
	int			 refs;
	TAILQ_ENTRY(content)	 lru;
	LIST_ENTRY(content)	 entry;
};

struct content	*content_get(uint32_t, const char *);
void		 content_put(uint32_t, const char *, struct ibuf *);
void		 content_unref(struct content *);
void		 content_limit(void);
void		 content_stats(struct proc_peer *, uint32_t);

/*
 * An index in a file of this process and a storage: what dict does, for
 * keys of the frontend's own.  Its reads and writes block, as those of a
 * page cache do, for as long as a disk takes at worst; a look at all of an
 * account's keys reads at most a megabyte of headers.  What fails counts as
 * not being there.
 */
struct elocal	*elocal_new(const char *, int, uint64_t, const char *);
void		 elocal_free(struct elocal *);
void		 elocal_dict(struct ereq *, const struct m_st_dict *);
void		 elocal_stats(const struct estorage *, struct proc_peer *,
		    uint32_t);
/* One answer of dict. */
void		 eoffload_dict_tell(struct ereq *, const char *, const char *,
		    uint64_t, struct ibuf *);

/* The event stream. */
void		 eevents_init(void);
void		 eevents_start(struct estorage *);
void		 eevents_stop(struct estorage *);
/*
 * What a request has changed, to the processes that did not ask for it: a
 * mailbox, or the account's list of them.  Before its answer goes out.
 */
void		 eevents_own(struct ereq *, struct account *,
		    const struct m_st_change *);
void		 eevents_own_list(struct ereq *);

#endif /* ENGINE_H */
