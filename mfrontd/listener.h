/*
 * What imap, pop3 and lmtp have in common: listening sockets, connections
 * and their limits, TLS, timeouts, logins through auth, and requests to the
 * storage through an engine.
 *
 * A protocol fills in one struct lproto and embeds struct lsession at the
 * start of its session; the base allocates and frees it.
 */
#ifndef LISTENER_H
#define LISTENER_H

#include <sys/types.h>
#include <sys/queue.h>
#include <stdint.h>

#include "io.h"
#include "msg.h"
#include "proc.h"
#include "sterr.h"
#include "stquery.h"
#include "tmo.h"

struct lsession;
struct lstorage;
struct ltls;
struct streq;

enum ltimeout {
	LT_LOGIN,		/* not logged in for too long */
	LT_IDLE,		/* nothing from the client */
	LT_COMMAND,		/* in the middle of a command */
	LT_BACKEND,		/* the storage has not answered */
	LT_WRITE,		/* the client does not read */
	LT_MAX
};

struct lproto {
	enum role	 role;
	const char	*service;
	size_t		 size;		/* of its session struct */
	/* The connection is there (and TLS, where it comes first): greet. */
	void		 (*open)(struct lsession *);
	/* Bytes from the client; returns how many were used, as in io.h. */
	size_t		 (*data)(struct lsession *, const uint8_t *, size_t);
	/* The output queue has room again, after io_full() said no. */
	void		 (*drained)(struct lsession *);
	/* TLS after STARTTLS is up. */
	void		 (*secured)(struct lsession *);
	/* Auth has decided: ST_OK, or why not with a text for people. */
	void		 (*login)(struct lsession *, enum st_code,
			    const char *);
	/* Auth's next message to the client of a mechanism of several steps. */
	void		 (*challenge)(struct lsession *, const void *, size_t);
	/* Auth died: what else the protocol asked of it has no answer. */
	void		 (*auth_lost)(struct lsession *);
	/* Time is up; the protocol says so and calls lsession_end(). */
	void		 (*timeout)(struct lsession *, enum ltimeout);
	/* Say goodbye (BYE, -ERR, 421) with a constant; lsession_end(). */
	void		 (*goodbye)(struct lsession *, const char *);
	/* The connection is gone: free what the protocol owns. */
	void		 (*closed)(struct lsession *);
	/* For mfrontctl: fill in state and mailbox. */
	void		 (*show)(struct lsession *, struct m_ctl_session *);
	/* What is known of a storage changed. */
	void		 (*storage)(struct proc_peer *, const struct lstorage *);
	/* An engine came (1) or went (0); requests it had have ended. */
	void		 (*engine)(struct proc_peer *, int);
	/* The session's grant was given again, by an engine started anew. */
	void		 (*regranted)(struct lsession *);
	/* A configuration was switched to: llimits are others. */
	void		 (*conf)(void);
	/* Counters for show stats: call proc_stat() for each. */
	void		 (*stats)(struct proc_peer *, uint32_t);
	/* Stop: end at once what waits for nothing; see lsession_busy. */
	int		 (*busy)(struct lsession *);
	/* the end of a turn; 1: something was done */
	int		 (*turn)(void);
	int		 (*init)(void);
};

enum lsession_flag {
	LS_TLS_FIRST	= 0x0001,	/* TLS from the first byte */
	LS_STARTTLS	= 0x0002,	/* may be asked for */
	LS_LOCAL	= 0x0004,	/* over a unix socket */
	LS_LOOPBACK	= 0x0008,
	LS_OPEN		= 0x0010,	/* greeted */
	LS_AUTH		= 0x0020,	/* auth has the question */
	LS_LOGGED_IN	= 0x0040,
	LS_GRANTED	= 0x0080,	/* and the engine knows it */
	LS_ENDING	= 0x0100,
	LS_COUNTED	= 0x0200,	/* among those not logged in */
	LS_SASL		= 0x0400	/* the client has a challenge of auth's */
};

struct lsession {
	uint32_t	 id;
	uint32_t	 flags;
	struct io	 io;
	struct tmo	 tmo;
	struct ltls	*tls;		/* the context it may use */
	uint8_t		 addr[16];
	uint8_t		 addrlen;	/* 0: unix socket */
	time_t		 since;		/* tmo_now() */
	time_t		 last;		/* ... of the last byte from it */
	char		*user;		/* NULL until logged in */
	uint32_t	 acct;		/* the engine's handle */
	uint16_t	 storage;
	uint16_t	 engine;	/* slot */
	uint32_t	 egen;		/* and its process */
	uint32_t	 badcmds;
	uint32_t	 challenge;	/* its number, with LS_SASL */
	TAILQ_HEAD(, streq) reqs;
};

/* What an engine has told of a storage. */
struct lstorage {
	uint16_t	 id;
	int		 up;
	uint64_t	 caps;		/* CAP() bits */
	uint64_t	 message;	/* largest, 0: not said */
	uint32_t	 recipients;
	uint32_t	 epoch;		/* event stream, 0: none now */
	uint32_t	 set;		/* characters of a set in a body */
	struct stquery_can search;
	uint32_t	 sort;		/* enum imap_sort, as bits */
	uint32_t	 thread;	/* enum imap_thread, as bits */
	uint32_t	 annotation;	/* bytes of one, 0: not said */
	uint32_t	 batch;		/* messages in one, 0: not said */
	uint32_t	 parts;		/* of one of them, 0: not said */
	TAILQ_ENTRY(lstorage) entry;
};

extern struct m_conf_limits	 llimits;
extern const struct lproto	*lproto;

/* A role's main: does not return. */
void	 listener_main(const struct lproto *, const proc_handler *)
	    __attribute__((__noreturn__));

/* Restarts a session's clock in a class; each session has one. */
void	 lsession_timeout(struct lsession *, enum ltimeout);
/* A command has begun and is not whole: its time runs, and is not begun anew. */
void	 lsession_unfinished(struct lsession *);
/* Ends it once the output is sent; reason is a constant, for the log. */
void	 lsession_end(struct lsession *, const char *);
const char *lsession_remote(const struct lsession *);
struct lsession *lsession_find(uint32_t);
/* All sessions of the process: start with *i = 0. */
struct lsession *lsession_each(uint32_t *);
/* May a password be sent on this connection as it is now? */
int	 lsession_private(const struct lsession *);
int	 lsession_starttls(struct lsession *);
/* Counts a bad command; 1 when it was one too many. */
int	 lsession_bad(struct lsession *);
/* One that was done: of who has logged in, and of LMTP, they begin anew. */
void	 lsession_good(struct lsession *);
/*
 * Ask auth.  The answer comes to lproto->login(); at once with
 * ST_UNAVAILABLE when there is no auth now.  The secret is the caller's to
 * wipe.
 */
void	 lsession_login(struct lsession *, int, const char *, const char *,
	    const char *);
/* May it be offered here and now?  An enum auth_mech. */
int	 lsession_mech(const struct lsession *, int);
/*
 * A mechanism of several steps: the client's first message, to which
 * lproto->challenge() or lproto->login() will be called; then, as long as
 * LS_SASL is set, his answer, or that he gave up.
 */
void	 lsession_sasl(struct lsession *, int, const void *, size_t);
void	 lsession_sasl_answer(struct lsession *, const void *, size_t);
void	 lsession_sasl_abort(struct lsession *);
/* What the session's engine has told of its storage; never NULL. */
const struct lstorage *lsession_storage(const struct lsession *);
const struct lstorage *lstorage_of(struct proc_peer *, uint16_t);
/* The largest message that some storage takes, and our own limit allows. */
uint64_t lstorage_message_max(void);
struct proc_peer *lsession_engine(const struct lsession *);

/*
 * Requests to the storage.  The owner embeds the struct, sets what to call,
 * and sends; answers come one by one, the last being M_st_end, after which
 * the request is forgotten (the owner may free it inside the call).  When
 * the engine dies or the time is up the end comes with ST_UNAVAILABLE.
 * When the session goes, its requests are cancelled, and nothing is called:
 * lproto->closed() frees their owners.
 *
 * A session whose engine was started again holds requests back until the
 * grant is given once more.
 */
struct streq {
	uint32_t	 req;		/* 0: not in flight */
	struct lsession	*s;
	uint32_t	 egen;		/* engine that has it; 0: held */
	uint16_t	 engine;
	enum msg_type	 type;
	struct ibuf	*held;
	uint64_t	 credit;	/* upload: bytes we may send */
	void		 (*answer)(struct streq *, enum msg_type,
			    const void *);
	void		*arg;
	TAILQ_ENTRY(streq) entry;
};

void	 st_send(struct lsession *, struct streq *, enum msg_type,
	    const void *);
/* LMTP: to an engine by name, since a transaction has no login. */
void	 st_send_to(struct lsession *, struct streq *, struct proc_peer *,
	    enum msg_type, const void *);
/* Nobody waits for an answer; the session may be going. */
void	 st_tell(struct lsession *, enum msg_type, const void *);
int	 st_active(const struct streq *);
/*
 * Would a request go out now, rather than be held?  Uploads cannot be held:
 * look first.
 */
int	 st_ready(const struct lsession *);
/* Forget it: no more calls; the engine is told to stop. */
void	 st_cancel(struct streq *);
/* More bytes of rows or data may come. */
void	 st_credit(struct streq *, uint32_t);
/* Upload: at most credit bytes at once, in messages of any size. */
int	 st_data(struct streq *, const void *, size_t);
void	 st_data_end(struct streq *);

#define ST_CREDIT_FIRST	(256 * 1024)	/* an upload may begin with that */
#define ST_DATA_MAX	32768		/* bytes in one message */

#endif /* LISTENER_H */
