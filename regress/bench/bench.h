/*
 * The load generator: connections, what goes over them, and what it costs
 * the server.  One thread, closed loop: each connection has one request
 * under way.  Every answer is checked; a wrong one ends the program with
 * what was seen.
 */
#ifndef BENCH_H
#define BENCH_H

#include <sys/types.h>
#include <stdint.h>

#define MESSAGE		8192	/* bytes of each message */
#define MAILBOX		1000	/* messages in each user's INBOX */

/* Users are u0, u1, ...; each step takes them from its own range. */
#define USER_MAIL	0	/* INBOX filled by "prepare" */
#define USER_LMTP	1000	/* deliveries go to these in turn */
#define NUSER_LMTP	200
#define USER_IDLE	2000	/* logged in and quiet */
#define PASSWORD	"demo"
#define DOMAIN		"localhost"

enum service { IMAP, POP3, LMTP, NSERVICE };

#define CONN_PATIENCE	60	/* seconds for an answer */
#define CONN_WINDOW	32	/* most that conn_run() takes */

struct conn;

/* One request and its answer.  A script is an array, ended by a zero one. */
struct act {
	const char	*name;
	/* Queues the request; NULL: the server speaks first. */
	void		 (*send)(struct conn *);
	/* The length of the answer in conn->in, or -1: not yet whole. */
	ssize_t		 (*whole)(struct conn *);
	/* What is wrong with the answer, or NULL. */
	const char	*(*check)(struct conn *, const char *, size_t);
};

struct step {
	const char	*name;
	const char	*what;		/* for people */
	enum service	 service;
	const struct act *begin;	/* once a connection; or NULL: */
	const struct act *op;		/* ... operation is a connection */
};

struct conn {
	int		 fd;		/* -1: none */
	unsigned int	 id;		/* 0, 1, ... */
	unsigned int	 user;
	enum service	 service;
	const struct act *act;		/* being answered */
	int		 begun;		/* past step->begin */
	int		 eof;
	char		*in;		/* with a NUL behind it */
	size_t		 have, insize;
	size_t		 scan, line;	/* whole() has looked so far */
	char		*out;
	size_t		 outlen, outpos, outsize;
	unsigned int	 tag;		/* IMAP */
	unsigned int	 uid;		/* asked for */
	unsigned int	 lastuid;	/* APPENDUID */
	int		 flagged;	/* STORE: the flag is set now */
	unsigned int	 exists;	/* IDLE */
	uint64_t	 done;		/* operations */
};

extern struct opts {
	const char	*label;		/* printed with each result */
	int		 port[NSERVICE];
	pid_t		 server;	/* it and its children are measured */
	unsigned int	 conns;
	unsigned int	 run;
	double		 seconds, warm;
	int		 verbose;
} opts;

/* conn.c: on errors the program ends */
void	 conn_open(struct conn *, enum service);
void	 conn_close(struct conn *);
void	 conn_free(struct conn *);
void	 conn_printf(struct conn *, const char *, ...)
	    __attribute__((__format__ (printf, 2, 3)));
void	 conn_write(struct conn *, const void *, size_t);
/* Sends what it can; 1: all. */
int	 conn_flush(struct conn *);
void	 conn_read(struct conn *);
/* Forgets so many bytes of the input. */
void	 conn_take(struct conn *, size_t);
/* Begins an act, and works off what has come; 1: the script is at its end. */
void	 conn_start(struct conn *, const struct act *);
int	 conn_advance(struct conn *);
/* Does a script on several connections at once, and waits for it. */
void	 conn_run(struct conn *, unsigned int, const struct act *);
/* Ends the program with what is wrong, and what was seen. */
void	 conn_wrong(const struct conn *, const char *)
	    __attribute__((__noreturn__));
/* An act of every protocol: the server closes. */
ssize_t	 conn_closed(struct conn *);
const char *conn_any(struct conn *, const char *, size_t);

/* cost.c: CPU time and memory of a process and all below it */
struct cost;
struct cost *cost_read(pid_t);
/* Seconds spent between the two, by all, those that are gone included. */
double	 cost_between(const struct cost *, const struct cost *);
/* One line for each process on stderr: microseconds for an operation. */
void	 cost_print(const struct cost *, const struct cost *, uint64_t);
void	 cost_free(struct cost *);
/*
 * KiB.  pss: all, shared pages counted by their share, which depends on who
 * else runs on the machine.  anon: without what are files' pages.
 */
struct cost_memory {
	double	 pss, anon;
};
struct cost_memory cost_memory(pid_t);

/* message.c: messages are told apart by a number */
const char *message_make(unsigned int);
int	 message_same(const char *, unsigned int);
unsigned int message_random(unsigned int);

/* imap.c, pop3.c, lmtp.c */
extern const struct act	 imap_begin[], imap_idle[], imap_prepare[];
extern const struct act	 lmtp_begin[], lmtp_deliver[];
extern const struct step imap_steps[], pop3_steps[], lmtp_steps[];

/* idle.c: many quiet sessions */
void	 idle_memory(unsigned int);
void	 idle_latency(unsigned int, unsigned int);

double	 now(void);

#endif /* BENCH_H */
