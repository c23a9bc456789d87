/*
 * Inside the pop3 process (RFC 1939, 2449, 2595, 3206, 5034).
 *
 * pop3.c		the process
 * pop3_session.c	a connection: lines in, replies out, its clocks
 * pop3_cmd.c		the commands
 * pop3_drop.c		the maildrop: what INBOX was at login
 * pop3_retr.c		messages on their way to the client
 *
 * One command is worked on at a time.  One that cannot be answered at once
 * holds the input (pop3_wait()) until pop3_done().
 */
#ifndef POP3_H
#define POP3_H

#include <sys/types.h>
#include <stdint.h>

#include "dotstuff.h"
#include "listener.h"
#include "pop3parse.h"
#include "uidset.h"

#define POP3_CREDIT	(128 * 1024)	/* bytes on their way to one client */
#define POP3_CREDIT_TOP	(16 * 1024)
#define POP3_IDS	64		/* content ids asked for at once */
#define POP3_MSGS_MAX	10000000
#define POP3_QUIT_RANGES 1000		/* in one expunge */

enum pop3_state {
	STATE_AUTHORIZATION,
	STATE_TRANSACTION,
	STATE_UPDATE
};

/* Content ids of the messages from one on. */
struct pop3_ids {
	uint32_t	 first;
	uint32_t	 n;
	char		*id[POP3_IDS];		/* NULL: the message is gone */
	uint64_t	 size[POP3_IDS];
};

/*
 * The maildrop.  Message 1 is the first of uids, and so on.  Of a message
 * of 4 GiB and more, sizes has 2^32 - 1; its real size comes with its id.
 */
struct pop3_drop {
	char		*mailbox;
	uint32_t	 uidvalidity;
	int		 readonly;
	struct uidset	 uids;
	uint32_t	 n;
	uint32_t	*sizes;
	uint8_t		*deleted;		/* bits */
	uint32_t	 ndeleted;
	uint64_t	 total;			/* of those not deleted */
	struct pop3_ids	 ids;
};

/*
 * While INBOX is being listed: rows may come in any order of uids.  Ids of
 * a small one come along.
 */
struct pop3_load {
	struct pop3_row { uint32_t uid, size; } *rows;
	uint32_t	 n;
	uint32_t	 alloc;
	int		 unsorted;
	int		 headed;		/* st_head was there */
	enum st_code	 code;			/* why it fails */
	int		 small;			/* ids were asked for */
	uint32_t	 nids;
	struct pop3_id {
		uint32_t uid;
		char	*id;
		uint64_t size;
	} ids[POP3_IDS];
};

/* A message that is being sent. */
struct pop3_body {
	uint32_t	 msg;
	int64_t		 lines;			/* TOP; -1: all */
	struct dotout	 dot;
	uint64_t	 size;
	uint64_t	 got;
	uint32_t	 owed;			/* credit not given back */
};

/* LIST and UIDL of all, as far as it is written. */
struct pop3_scan {
	uint32_t	 next;			/* message, 0: none runs */
	int		 uidl;
	struct uidset_iter it;
	uint32_t	 uid;
};

struct pop3 {
	struct lsession	 ls;			/* first */
	enum pop3_state	 state;
	int		 waiting;		/* a command is not answered */
	int		 inside;		/* half an answer is written */
	int		 sasl;			/* the next line is AUTH's */
	int		 scram;			/* AUTH is SCRAM-SHA-256 */
	char		*user;			/* of USER */
	struct pop3_drop *drop;
	struct pop3_load *load;
	struct pop3_body body;
	struct pop3_scan scan;
	struct uidset	 expunge;		/* QUIT: what is left to do */
	struct streq	 rq;
};

/* pop3.c */
enum pop3_count {
	POP3_COUNT_RETR,
	POP3_COUNT_TOP,
	POP3_COUNT_DELETED,
	POP3_COUNT_CUT,
	POP3_COUNT_MAX
};

extern uint64_t	pop3_counts[POP3_COUNT_MAX];

/* pop3_session.c */
void	 pop3_open(struct lsession *);
size_t	 pop3_data(struct lsession *, const uint8_t *, size_t);
void	 pop3_drained(struct lsession *);
void	 pop3_secured(struct lsession *);
void	 pop3_login(struct lsession *, enum st_code, const char *);
void	 pop3_timeout(struct lsession *, enum ltimeout);
void	 pop3_goodbye(struct lsession *, const char *);
void	 pop3_closed(struct lsession *);
int	 pop3_busy(struct lsession *);

void	 pop3_wait(struct pop3 *, enum ltimeout);
void	 pop3_done(struct pop3 *);
void	 pop3_ok(struct pop3 *, const char *, ...)
	    __attribute__((__format__ (printf, 2, 3)));
/* With a response code (RFC 2449, 8) or without (NULL); the text is clean. */
void	 pop3_err(struct pop3 *, const char *, const char *);
/* What the storage said. */
void	 pop3_err_st(struct pop3 *, enum st_code);
void	 pop3_bad(struct pop3 *, const char *);
/* A message broke off in the middle: the client must notice. */
void	 pop3_cut(struct pop3 *, const char *);

/* pop3_cmd.c */
void	 pop3_command(struct pop3 *, const char *, size_t);
void	 pop3_sasl_line(struct pop3 *, const char *, size_t);
void	 pop3_challenge(struct lsession *, const void *, size_t);
void	 pop3_scan_more(struct pop3 *);

/* pop3_drop.c */
void	 pop3_drop_load(struct pop3 *);
void	 pop3_drop_free(struct pop3 *);
int	 pop3_drop_deleted(const struct pop3_drop *, uint32_t);
void	 pop3_drop_delete(struct pop3_drop *, uint32_t);
void	 pop3_drop_reset(struct pop3_drop *);
void	 pop3_drop_quit(struct pop3 *);
/* Are the ids of these known (or that they are gone)? */
int	 pop3_ids_have(const struct pop3_drop *, uint32_t);
void	 pop3_ids_fetch(struct pop3 *, uint32_t);

/* pop3_retr.c */
void	 pop3_retr_begin(struct pop3 *, uint32_t, int64_t);
/* Its id is known now. */
void	 pop3_retr_get(struct pop3 *);
void	 pop3_retr_drained(struct pop3 *);

#endif /* POP3_H */
