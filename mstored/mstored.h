/*
 * The storage server: serves the storage API (mfront-storage(7)) from a
 * folder that holds an SQLite database and the files of large messages.
 *
 * main.c runs it as a program of its own.  Another process runs it inside
 * itself: event_init(), fill a mstored_conf, mstored_start(), then after
 * each event_loop() mstored_turn(), at the end mstored_stop().
 */
#ifndef MSTORED_H
#define MSTORED_H

#include <sys/types.h>
#include <stdint.h>

#include "log.h"
#include "sandbox.h"
#include "store.h"

#define MSTORED_VERSION	"0.1"
#define MSTORED_BASE	"v1"	/* first segment of every path */
#define MSTORED_CAPS	(CAP(CAP_WRITE) | CAP(CAP_MODSEQ) |		\
    CAP(CAP_EVENTS) | CAP(CAP_IDEMPOTENCY) | CAP(CAP_COPY) |		\
    CAP(CAP_AUTH) | CAP(CAP_SUBSCRIPTIONS) | CAP(CAP_CACHE) |		\
    CAP(CAP_RANGE) | CAP(CAP_RECIPIENTS) | CAP(CAP_OBJECTID) |		\
    CAP(CAP_SAVEDATE) | CAP(CAP_SEARCH) | CAP(CAP_SORT) |		\
    CAP(CAP_THREAD) | CAP(CAP_DICT) | CAP(CAP_QUOTA) |			\
    CAP(CAP_METADATA) | CAP(CAP_BATCH) | CAP(CAP_SCRAM))
#define MSTORED_BOOT	64

struct mstored_conf {
	int		 dirfd;		/* the folder; -1: it is current */
	const int	*fds;		/* listening, ours from now on */
	int		 nfds;
	uint64_t	 caps;		/* of MSTORED_CAPS */
	const char	*token;		/* bearer, NULL: none is asked */
	const uid_t	*uids;		/* may connect to a unix socket, */
	int		 nuids;		/* beside root and our own user */
	/* NULL: the caller is in its sandbox already */
	const struct sandbox *sandbox;
	char		 boot[MSTORED_BOOT];	/* by mstored_boot() */
	log_sink	 sink;		/* NULL: as lib/log.h is set up */
	uint64_t	 message;	/* bytes, at most */
	uint64_t	 search_read;	/* bytes read by one search */
	uint64_t	 index;		/* enum search_index */
	unsigned int	 connections;
	unsigned int	 recipients;	/* of one upload */
	unsigned int	 timeout;	/* s without progress */
	unsigned int	 idle;		/* s between requests */
	struct store_conf store;
};

void	 mstored_defaults(struct mstored_conf *);
/* Tells this run of the system from the next: before any chroot. */
void	 mstored_boot(struct mstored_conf *);
/*
 * The lock that keeps a second server out of a folder: taken by
 * mstored_start() too, and kept.  -1: another has it (logged).
 */
int	 mstored_lock(int);

/* 0, or -1 when the reason has been logged. */
int	 mstored_start(struct mstored_conf *);
/* The end of a turn of the loop; 1: do not wait in the next one. */
int	 mstored_turn(void);
/*
 * Graceful: no new requests, those that run get so many seconds, then
 * everything is written.  mstored_stopped() says when it is over: 0 not yet,
 * 1 well, -1 not.
 */
void	 mstored_stop(unsigned int);
int	 mstored_stopped(void);
/* All of it, with SIGTERM and SIGINT as its end; the exit status. */
int	 mstored_run(struct mstored_conf *);

/* As a child of mfrontd (embedded.c): "mstored -x store". */
void	 embedded_main(void) __attribute__((__noreturn__));

/* Subcommands (admin.c, backup.c): the exit status. */
int	 admin_user(int, char **);
int	 admin_alias(int, char **);
int	 backup_main(int, char **);
int	 restore_main(int, char **);
int	 check_main(int, char **);
/* Into the folder, as its owner when we are root; exits on an error. */
void	 admin_enter(const char *);
struct store *admin_open(enum store_mode);

#endif /* MSTORED_H */
