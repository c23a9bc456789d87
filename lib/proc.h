/*
 * What every process of the house has in common: the channel to the parent
 * on descriptor 3, channels to siblings that the parent hands out, the
 * message table's checks on each, two-phase configuration, the event loop.
 *
 * The parent itself uses the channels and the loop, not proc_main().
 */
#ifndef PROC_H
#define PROC_H

#include <sys/types.h>
#include <sys/queue.h>
#include <stdint.h>

#include <event.h>

#include "imsg.h"
#include "msg.h"

#define PROC_FD		3	/* the parent, in a fresh child */

/*
 * One end of a channel.  gen is the number of the process at the other
 * end: no two processes of a start of mfrontd share one, so that a slot
 * that is filled again is somebody else.
 */
struct proc_peer {
	enum role	 role;
	uint16_t	 slot;
	uint32_t	 gen;
	struct imsgbuf	 ib;
	struct event	 ev;
	struct event	 evw;
	int		 dead;		/* until the turn's end */
	int		 dirty;
	int		 first;		/* see proc_first() */
	int		 blocked;	/* evw is added */
	void		*data;		/* the process's own */
	TAILQ_ENTRY(proc_peer) entry;
};

TAILQ_HEAD(proc_peers, proc_peer);

/* The struct is decoded; its texts live as long as the call. */
typedef void	(*proc_handler)(struct proc_peer *, struct imsg *,
		    const void *);

struct proc_ops {
	enum role	 role;
	const char	*title;
	/* before the sandbox: open what libraries will want; -1 = exit */
	int		 (*init)(void);
	/* after it, before the first message but the hello */
	void		 (*start)(void);
	const proc_handler *handlers;	/* M_MAX of them */
	void		 (*peer_up)(struct proc_peer *);
	void		 (*peer_down)(struct proc_peer *);
	/*
	 * Configuration: conf_* messages between begin and end go to the
	 * handlers, which prepare; end checks and says why not (-1, text);
	 * then commit switches, or abort forgets.  All may be NULL.
	 */
	void		 (*conf_begin)(int);
	int		 (*conf_end)(char *, size_t);
	void		 (*conf_commit)(void);
	void		 (*conf_abort)(void);
	/* end what runs within so many seconds, then proc_exit() */
	void		 (*stop)(uint32_t);
	/* the end of each turn, before anything is sent; 1: once more */
	int		 (*turn)(void);
};

struct proc_self {
	enum role	 role;
	uint16_t	 slot;
	uint32_t	 gen;
	char		 boot[17];
	int		 stopping;
	struct proc_peer *parent;
	struct proc_peers peers;	/* siblings, and never the parent */
};

extern struct proc_self proc_self;

/* A child's life, from its hello on.  Does not return. */
void	 proc_main(const struct proc_ops *)
	    __attribute__((__noreturn__));
void	 proc_exit(int) __attribute__((__noreturn__));

/*
 * Queue a message; it leaves at the end of the turn.  The descriptor (or -1)
 * is the queue's.  To a peer that is gone nothing is sent, silently: its
 * peer_down says so.  A message that breaks the table is fatal: that is our
 * own mistake.
 */
void	 proc_send(struct proc_peer *, enum msg_type, uint32_t, uint32_t,
	    int, const void *);
/* What is queued for it goes out before what others get in this turn. */
void	 proc_first(struct proc_peer *);
/* A body that was encoded before. */
void	 proc_send_raw(struct proc_peer *, enum msg_type, uint32_t, uint32_t,
	    const struct ibuf *);
struct proc_peer *proc_find(enum role, int);
struct proc_peer *proc_find_gen(enum role, uint32_t);
/* Close a channel: peer_down is called at the end of the turn. */
void	 proc_drop(struct proc_peer *);
/*
 * A process that needs more than the switch itself to be up says hold in
 * its conf_commit, and release when it is; the parent waits.
 */
void	 proc_conf_hold(void);
void	 proc_conf_release(void);
/*
 * A sibling has sent what it must not: the message is logged by name, the
 * parent told, the channel closed.
 */
void	 proc_violation(struct proc_peer *, unsigned int, const char *);
/* "imap/1" into a static buffer. */
const char *proc_name(const struct proc_peer *);
/* A session's name in logs, requests and mfrontctl: boot-gen-session. */
void	 proc_session(char *, size_t, uint32_t);

/* A counter in answer to ctl_stats number req. */
void	 proc_stat(struct proc_peer *, uint32_t, const char *, uint64_t);

/* The parts, for the parent. */
struct proc_peer *proc_peer_new(int, enum role, uint16_t, uint32_t);
/* Frees one that was not put on the list of peers. */
void	 proc_peer_abandon(struct proc_peer *);
void	 proc_dispatch_ops(const struct proc_ops *);
void	 proc_loop(void) __attribute__((__noreturn__));
int	 proc_turn(void);
/* ops->turn() has something to do: the loop must not wait before it. */
void	 proc_again(void);

#endif /* PROC_H */
