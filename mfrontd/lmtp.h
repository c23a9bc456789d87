/*
 * Inside the lmtp process (RFC 2033; RFC 5321, 1870, 2034, 2920, 3030, 3207,
 * 6152, 6531).
 *
 * lmtp.c		the process
 * lmtp_session.c	a connection: lines in, replies out, its clocks
 * lmtp_cmd.c		the commands
 * lmtp_rcpt.c		recipients: several asked for at once
 * lmtp_msg.c		a message on its way in
 * lmtp_deliver.c	an upload to each storage, and what became of the recipients
 *
 * What was decided where the RFCs leave it open:
 *
 * - A recipient named twice in a transaction is one delivery with two
 *   replies.  Two addresses of one account are two deliveries: they may be
 *   filed apart.
 * - MAIL inside a transaction is 503; RSET, LHLO and STARTTLS end one.
 * - A message with a NUL is refused (554 5.6.0): RFC 5322 has none, IMAP
 *   could not send it to anybody.  CR and LF that stand alone become line
 *   ends (see dotstuff.h).
 * - Return-Path fields that the message has are taken out, wherever in its
 *   header they are (RFC 5321, 4.4): there is one, ours.
 * - When a BDAT has failed, those that follow fail the same way; the last
 *   one gets a reply for each recipient as always.
 */
#ifndef LMTP_H
#define LMTP_H

#include <sys/types.h>
#include <stdint.h>

#include "dotstuff.h"
#include "hdrdrop.h"
#include "ibuf.h"
#include "listener.h"
#include "smtpparse.h"

#define LMTP_HELD	(128 * 1024)	/* a message up to that is held */
#define LMTP_STORAGES	8		/* that one message can go to */
#define LMTP_PIECE	32768		/* bytes worked on at once */
#define LMTP_TRACE_MAX	2048		/* what we put before a message */

enum lmtp_input {
	INPUT_COMMANDS,
	INPUT_DATA,		/* to the dot */
	INPUT_BDAT,		/* so many bytes of the message */
	INPUT_SKIP		/* so many bytes for nobody */
};

enum rcpt_state {
	RCPT_ASKED,
	RCPT_SAME,		/* as an earlier one */
	RCPT_GOOD,
	RCPT_REFUSED
};

struct lmtp_rcpt {
	enum rcpt_state	 state;
	char		*address;
	uint32_t	 req;		/* at auth */
	uint32_t	 same;		/* as number so much */
	enum st_code	 code;		/* RCPT_REFUSED; of the delivery */
	const char	*reply;		/* rather than what code says */
	char		*text;		/* of auth, or NULL */
	uint32_t	 handle;
	uint16_t	 storage;
	int		 stored;	/* the delivery was decided */
	uint32_t	 uid;
};

enum msg_mode {
	MSG_HELD,		/* small so far: all of it is in buf */
	MSG_STREAM,		/* buf is what the engine could not take yet */
	MSG_DISCARD		/* read to the end, for nobody */
};

/* To one of the storages that the recipients are on. */
struct lmtp_up {
	struct lmtp	*p;
	uint16_t	 storage;
	struct streq	 rq;
	int		 ended;		/* the engine said its last word */
	enum st_code	 end;
};

struct lmtp_msg {
	enum msg_mode	 mode;
	const char	*refused;	/* the reply to all, NULL: none */
	struct dotin	 in;
	struct hdrdrop	 drop;
	struct ibuf	 buf;
	uint64_t	 size;		/* with what we put before it */
	uint64_t	 max;
	int		 whole;		/* its end was seen */
	int		 sent;		/* and told to the engine */
	struct lmtp_up	 ups[LMTP_STORAGES];
	uint32_t	 nups;
};

struct lmtp_txn {
	uint32_t	 number;
	int		 asked;		/* auth knows of it */
	char		*from;
	uint64_t	 declared;	/* SIZE=, 0: not said */
	int		 smtputf8;
	struct lmtp_rcpt *rcpts;
	uint32_t	 nrcpts;
	uint32_t	 alloc;
	uint32_t	 replied;	/* of them, in order */
	uint32_t	 pending;
	uint32_t	 good;
	uint32_t	 egen;		/* engine of the good ones */
	int		 bdat;		/* has begun */
	struct lmtp_msg	*msg;
};

struct lmtp {
	struct lsession	 ls;			/* first */
	enum lmtp_input	 input;
	int		 waiting;		/* input is held */
	char		*helo;			/* NULL: no LHLO yet */
	uint32_t	 ntxns;
	struct lmtp_txn	*txn;
	uint64_t	 chunk;			/* of BDAT, to come */
	uint64_t	 chunk_size;
	int		 chunk_last;
};

/* lmtp.c */
enum lmtp_count {
	LMTP_MESSAGES,
	LMTP_DELIVERED,
	LMTP_DEFERRED,
	LMTP_REFUSED,
	LMTP_RCPT_REFUSED,
	LMTP_TOO_LARGE,
	LMTP_STREAMED,
	LMTP_COUNT_MAX
};

extern uint64_t	lmtp_counts[LMTP_COUNT_MAX];

/* lmtp_session.c */
void	 lmtp_open(struct lsession *);
size_t	 lmtp_data(struct lsession *, const uint8_t *, size_t);
void	 lmtp_drained(struct lsession *);
void	 lmtp_secured(struct lsession *);
void	 lmtp_timeout(struct lsession *, enum ltimeout);
void	 lmtp_goodbye(struct lsession *, const char *);
void	 lmtp_closed(struct lsession *);
int	 lmtp_busy(struct lsession *);
void	 lmtp_wait(struct lmtp *, enum ltimeout);
void	 lmtp_done(struct lmtp *);
/* A reply line; our own text, or of others made clean. */
void	 lmtp_reply(struct lmtp *, const char *, ...)
	    __attribute__((__format__ (printf, 2, 3)));
void	 lmtp_bad(struct lmtp *, const char *);
/* Bytes a message may have, as SIZE says. */
uint64_t lmtp_message_max(void);
void	 lmtp_txn_end(struct lmtp *);

/* lmtp_cmd.c */
/* Returns 0 if the line has to wait for answers before it. */
int	 lmtp_command(struct lmtp *, const char *, size_t);

/* lmtp_rcpt.c */
int	 lmtp_rcpt_room(const struct lmtp *);
void	 lmtp_rcpt(struct lmtp *, const char *);
void	 lmtp_rcpt_res(struct proc_peer *, struct imsg *, const void *);
/* No answer comes any more: those that wait for one get a 451. */
void	 lmtp_rcpt_lost(struct lsession *);
void	 lmtp_rcpts_free(struct lmtp_txn *);
/* Of a delivery: the one whose result counts. */
struct lmtp_rcpt *lmtp_rcpt_real(struct lmtp_txn *, uint32_t);

/* lmtp_msg.c */
int	 lmtp_msg_begin(struct lmtp *, int);
size_t	 lmtp_msg_feed(struct lmtp *, const char *, size_t);
void	 lmtp_msg_whole(struct lmtp *);
void	 lmtp_msg_discard(struct lmtp *, const char *);
void	 lmtp_msg_free(struct lmtp_msg *);
/* No upload goes on. */
void	 lmtp_msg_cancel(struct lmtp_msg *);
/* What may go to the engine goes; what may not holds the input. */
void	 lmtp_msg_push(struct lmtp *);

/* lmtp_deliver.c */
void	 lmtp_deliver_begin(struct lmtp *, int);
void	 lmtp_deliver_timeout(struct lmtp *);
/* All is known: a reply for each recipient. */
void	 lmtp_deliver_reply(struct lmtp *);

#endif /* LMTP_H */
