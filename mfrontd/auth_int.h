/*
 * Inside the auth process: connections, logins, grants, recipients.
 *
 * auth.c	the process: messages, siblings, counters
 * auth_users.c	the configuration: password file, domains, limits
 * auth_addr.c	remote addresses: how many connections, how many failures
 * auth_cache.c	passwords that were right a moment ago
 * auth_conn.c	connections as the listeners tell of them
 * auth_login.c	from auth_req to the decision
 * auth_scram.c	logins that do not show the password
 * auth_hash.c	the queue to the hash workers
 * auth_grant.c	telling engines who may act for whom
 * auth_rcpt.c	LMTP's recipients
 */
#ifndef AUTH_INT_H
#define AUTH_INT_H

#include <sys/types.h>
#include <sys/queue.h>
#include <sys/tree.h>
#include <stdint.h>

#include "auth.h"
#include "conf.h"
#include "msg.h"
#include "passwd.h"
#include "proc.h"
#include "sterr.h"
#include "tmo.h"
#include "username.h"

struct auth_conn;
struct auth_scram;

/* auth_users.c */

struct auth_user {
	RB_ENTRY(auth_user)	 entry;
	char			*hash;		/* NULL: may not log in */
	const char		*name;		/* normal; behind the struct */
};

struct auth_domain {
	SLIST_ENTRY(auth_domain) entry;
	char			*name;		/* in lower case */
};

/* A route (no prefix) or a mount. */
struct auth_place {
	STAILQ_ENTRY(auth_place) entry;
	char			*prefix;
	char			*pattern;
	char			*account;	/* "": the same name there */
	uint16_t		 storage;
};

RB_HEAD(auth_users, auth_user);

struct auth_conf {
	struct m_conf_limits	 limits;	/* its text is not kept */
	enum auth_kind		 kind;
	uint16_t		 storage;
	uint16_t		 engines;
	char			*file;
	struct auth_users	 users;
	uint32_t		 nusers;
	SLIST_HEAD(, auth_domain) domains;
	STAILQ_HEAD(, auth_place) places;
	const char		*dummy;		/* hash for those unknown */
	struct passwd_reader	 reader;
	char			 error[800];	/* the first one */
};

extern struct auth_conf	*auth_conf;		/* in force */

void	 auth_conf_begin(int);
int	 auth_conf_end(char *, size_t);
void	 auth_conf_commit(void);
void	 auth_conf_abort(void);
void	 auth_conf_limits(struct proc_peer *, struct imsg *, const void *);
void	 auth_conf_auth(struct proc_peer *, struct imsg *, const void *);
void	 auth_conf_domain(struct proc_peer *, struct imsg *, const void *);
void	 auth_conf_place(struct proc_peer *, struct imsg *, const void *);
void	 auth_conf_passwd(struct proc_peer *, struct imsg *, const void *);
void	 auth_conf_storage(struct proc_peer *, struct imsg *, const void *);
/* By a normal name. */
const struct auth_user *auth_user_find(const char *);
int	 auth_domain_is_ours(const char *);
/* The storage of who has that normal name, or address. */
uint16_t auth_storage_of(const char *);
/* Does every storage that somebody's may be pass the test? */
int	 auth_storages_all(int (*)(uint16_t));
/*
 * The mounts of who has that name: start with NULL.  Of two in the same
 * place the first counts.
 */
const struct auth_place *auth_mount_next(const struct auth_place *,
	    const char *);

/* auth_addr.c: pure but for memory; now is tmo_now() */

struct auth_addr {
	RB_ENTRY(auth_addr)	 entry;
	TAILQ_ENTRY(auth_addr)	 idle;
	uint8_t			 addr[16];
	uint8_t			 len;
	uint32_t		 conns;
	uint32_t		 failures;
	time_t			 since;		/* failures were counted */
};

#define ADDR_IDLE_MAX	65536	/* remembered for their failures alone */
#define ADDR_FORGET	60	/* seconds until one failure is forgotten */

/* Counts a connection; NULL without memory. */
struct auth_addr *auth_addr_open(const uint8_t *, size_t);
void	 auth_addr_close(struct auth_addr *, time_t);
uint32_t auth_addr_failures(struct auth_addr *, time_t);
void	 auth_addr_failed(struct auth_addr *, time_t);
uint32_t auth_addr_count(void);

/* auth_cache.c */

#define CACHE_SECONDS	300

void	 auth_cache_init(void);
void	 auth_cache_flush(void);
int	 auth_cache_has(const char *, const char *, const char *, time_t);
void	 auth_cache_put(const char *, const char *, const char *, time_t);

/* auth_grant.c: a question to an engine, embedded in what asks */

struct auth_ask {
	uint32_t		 req;		/* 0: none under way */
	uint32_t		 gen;		/* of the engine */
	enum msg_type		 type;		/* what was asked */
	void			(*lost)(struct auth_ask *);
	void			*arg;
};

void	 auth_ask_init(void);
void	 auth_ask_send(struct auth_ask *, struct proc_peer *, enum msg_type,
	    const void *);
void	 auth_ask_cancel(struct auth_ask *);
/*
 * The question that an answer belongs to, now no longer under way; NULL if
 * nobody waits for it any more, or a sibling made it up (it is then dealt
 * with).
 */
struct auth_ask *auth_ask_answered(struct proc_peer *, struct imsg *,
	    enum msg_type, enum msg_type);

/* auth_conn.c */

enum conn_state {
	CONN_ORPHAN,		/* an engine told of it, no listener yet */
	CONN_OPEN,
	CONN_CHECK,		/* the password is being checked */
	CONN_SASL,		/* the client has a challenge */
	CONN_DELAY,		/* it was wrong; the answer waits */
	CONN_GRANT,		/* it was right; the engine must know */
	CONN_GRANTED,
	CONN_REGRANT,		/* the engine was lost */
	CONN_KICKED
};

/* How many sessions an account has. */
struct auth_acct {
	RB_ENTRY(auth_acct)	 entry;
	uint32_t		 sessions;
	uint16_t		 storage;
	const char		*name;		/* behind the struct */
};

/* A part of the session's account that is elsewhere. */
struct auth_mount {
	uint16_t		 storage;
	uint32_t		 handle;	/* the engine's, 0: none */
	char			*account;
	char			*prefix;	/* "": the listener knows */
};

#define AUTH_MOUNTS_MAX	64	/* of one session */

struct auth_conn {
	RB_ENTRY(auth_conn)	 entry;
	uint32_t		 gen;		/* of the listener */
	uint32_t		 session;
	struct proc_peer	*peer;		/* NULL: CONN_ORPHAN */
	enum conn_state		 state;
	uint8_t			 tls;
	uint8_t			 addrlen;	/* 0: a unix socket */
	uint8_t			 addr[16];
	int			 in;		/* it was logged in before us */
	uint32_t		 failures;	/* on this connection */
	struct auth_addr	*from;
	struct auth_login	*login;		/* CONN_CHECK, CONN_SASL */
	enum st_code		 code;		/* CONN_DELAY: the answer */
	struct auth_acct	*acct;		/* CONN_GRANT and on */
	char			*user;
	uint16_t		 engine;	/* slot */
	uint32_t		 egen;		/* who has the grant, 0: none */
	uint32_t		 handle;	/* the engine's */
	struct auth_mount	*mounts;	/* number n is [n - 1] */
	uint16_t		 nmounts;
	uint16_t		 granting;	/* number, 0: the account */
	struct auth_ask		 ask;
	struct auth_txn		*txn;		/* lmtp */
	struct tmo		 tmo;
};

struct auth_conn *auth_conn_find(uint32_t, uint32_t);
/* All of them, in no order: start with NULL. */
struct auth_conn *auth_conn_next(struct auth_conn *);
/* Of a process: the first, then each next. */
struct auth_conn *auth_conn_of(uint32_t, struct auth_conn *);
/* The one a listener's message is about; NULL: a violation, dealt with. */
struct auth_conn *auth_conn_known(struct proc_peer *, struct imsg *);
struct auth_conn *auth_conn_orphan(uint32_t, uint32_t);
void	 auth_conn_free(struct auth_conn *);
void	 auth_conn_kick(struct auth_conn *, enum kick_why, const char *);
/* Counts the session; 0, -1 when the account has too many, or no memory. */
int	 auth_conn_account(struct auth_conn *, uint16_t, const char *,
	    const char *, uint32_t);
void	 auth_conn_no_account(struct auth_conn *);
const char *auth_conn_remote(const struct auth_conn *);
/* Appends a mount; -1: too many, or no memory. */
int	 auth_conn_mount(struct auth_conn *, uint16_t, const char *,
	    const char *);
/* boot-gen-session into a buffer. */
void	 auth_conn_name(char *, size_t, const struct auth_conn *);
void	 auth_conn_opened(struct proc_peer *, struct imsg *, const void *);
void	 auth_conn_closed(struct proc_peer *, struct imsg *, const void *);
void	 auth_conn_listener_down(struct proc_peer *);
void	 auth_conn_kick_user(struct proc_peer *, struct imsg *,
	    const void *);

/* auth_login.c */

struct auth_login {
	struct auth_conn	*c;
	TAILQ_ENTRY(auth_login)	 entry;		/* waits for a worker */
	int			 queued;
	struct hash_worker	*worker;	/* has it */
	int			 tries;
	int			 known;		/* the hash is this user's */
	const char		*reason;	/* it fails of in the end */
	uint16_t		 storage;	/* that was asked */
	char			*typed;		/* name, for the log */
	char			*user;		/* normal */
	char			*secret;
	char			*hash;
	struct auth_scram	*scram;		/* AUTH_SCRAM */
};

void	 auth_login_init(void);
void	 auth_login_limits(const struct m_conf_limits *);
void	 auth_login_req(struct proc_peer *, struct imsg *, const void *);
void	 auth_login_answer(struct proc_peer *, struct imsg *, const void *);
/* A worker has decided; -1: it could not be asked. */
void	 auth_login_hashed(struct auth_login *, int);
void	 auth_login_free(struct auth_login *);
/* The connection's clock, for an answer that must come in time. */
void	 auth_login_clock(struct auth_conn *);
/* Not the client's fault: answered at once, not counted. */
void	 auth_login_unavailable(struct auth_conn *, enum st_code,
	    const char *);
/* The client's fault: one line in the log, an answer that takes its time. */
void	 auth_login_refuse(struct auth_conn *, enum st_code, const char *,
	    const char *);
/* Neither: no login after all. */
void	 auth_login_fail(struct auth_conn *, enum st_code, const char *);
/*
 * For auth_scram.c: a login of who was typed, NULL without memory; is it
 * his own name that he asks for; may it begin; did too many fail; does what
 * the storage says refuse it; it is he.
 */
struct auth_login *auth_login_new(struct auth_conn *, const char *,
	    const char *);
int	 auth_login_is_himself(const struct auth_login *, const char *);
int	 auth_login_may_begin(const struct auth_conn *);
int	 auth_login_throttled(struct auth_conn *);
int	 auth_login_is_refusal(enum st_code);
void	 auth_login_verified(struct auth_conn *, uint16_t, const char *,
	    const char *);

/* auth_scram.c */

void	 auth_scram_init(void);
void	 auth_scram_limits(const struct m_conf_limits *);
void	 auth_scram_start(struct proc_peer *, struct imsg *, const void *);
void	 auth_scram_answer(struct proc_peer *, struct imsg *, const void *);
void	 auth_scram_response(struct proc_peer *, struct imsg *,
	    const void *);
void	 auth_scram_abort(struct proc_peer *, struct imsg *, const void *);
void	 auth_scram_free(struct auth_scram *);
uint32_t auth_scram_count(void);
/* What engines tell of storages decides whether it is offered. */
void	 auth_scram_info(struct proc_peer *, struct imsg *, const void *);
void	 auth_scram_engine_down(struct proc_peer *);
void	 auth_scram_listener_up(struct proc_peer *);
void	 auth_scram_review(void);

/* auth_hash.c */

#define HASH_QUEUE_MAX	1000

int	 auth_hash_add(struct auth_login *);
void	 auth_hash_remove(struct auth_login *);
void	 auth_hash_up(struct proc_peer *);
void	 auth_hash_down(struct proc_peer *);
void	 auth_hash_res(struct proc_peer *, struct imsg *, const void *);
uint32_t auth_hash_queued(void);

/* auth_grant.c */

uint16_t auth_engine_of(uint16_t, const char *);
/* Slots from that one on, the first that is up; NULL: none. */
struct proc_peer *auth_engine_any(uint32_t);
void	 auth_grant_begin(struct auth_conn *);
void	 auth_grant_revoke(struct auth_conn *);
void	 auth_grant_ok(struct proc_peer *, struct imsg *, const void *);
void	 auth_grant_known(struct proc_peer *, struct imsg *, const void *);
void	 auth_grant_up(struct proc_peer *);
void	 auth_grant_down(struct proc_peer *);
/* May this account still be used, by the configuration in force? */
int	 auth_grant_allowed(const struct auth_conn *);
/* The configuration changed. */
void	 auth_grant_review(void);

/* auth_rcpt.c */

void	 auth_rcpt_req(struct proc_peer *, struct imsg *, const void *);
void	 auth_rcpt_answer(struct proc_peer *, struct imsg *, const void *);
void	 auth_rcpt_txn_end(struct proc_peer *, struct imsg *, const void *);
void	 auth_rcpt_granted(struct auth_ask *, const struct m_grant_ok *);
void	 auth_rcpt_up(struct proc_peer *);
void	 auth_rcpt_down(struct proc_peer *);
/* The connection goes: so do its recipients. */
void	 auth_rcpt_drop(struct auth_conn *);

/* auth.c */

enum auth_count {
	COUNT_OK,
	COUNT_CACHED,
	COUNT_BAD_PASSWORD,
	COUNT_UNKNOWN,
	COUNT_DISABLED,
	COUNT_IDENTITY,
	COUNT_REFUSED,		/* by the storage */
	COUNT_THROTTLED,
	COUNT_OVER_ADDRESS,
	COUNT_OVER_ACCOUNT,
	COUNT_QUEUE_FULL,
	COUNT_UNAVAILABLE,
	COUNT_GRANTS,
	COUNT_REGRANTS,
	COUNT_REVOKED,
	COUNT_KICKED,
	COUNT_RCPTS,
	COUNT_RCPTS_UNKNOWN,
	COUNT_RCPTS_LIMITED,
	COUNT_MAX
};

void	 auth_count(enum auth_count);

#endif /* AUTH_INT_H */
