/*
 * The parent: starts every process, tells each its configuration, connects
 * those that talk to each other, starts again what died.  It hears nothing
 * from the network.
 */
#ifndef PARENT_H
#define PARENT_H

#include <sys/types.h>
#include <sys/queue.h>
#include <time.h>

#include "conf.h"
#include "proc.h"
#include "tmo.h"

/*
 * A child's way: it is started (hello), enters its sandbox (ready), gets
 * its configuration (conf_begin .. conf_end), accepts it (conf_status),
 * switches to it (conf_commit .. conf_done).  A listener is connected to its
 * siblings before it is told to switch, since it then accepts connections;
 * all others after, since they must know their part before somebody asks.
 */
enum child_state {
	CHILD_NONE,		/* not running; waits for its restart */
	CHILD_STARTED,
	CHILD_READY,		/* configuration sent */
	CHILD_PREPARED,		/* and accepted */
	CHILD_COMMITTED,
	CHILD_RUNNING,
	CHILD_STOPPING
};

struct child {
	enum role		 role;
	uint16_t		 slot;
	uint16_t		 storage;	/* of a store */
	int			 fd;		/* it listens on, -1: none */
	uint32_t		 gen;
	pid_t			 pid;
	enum child_state	 state;
	struct proc_peer	*peer;
	uint32_t		 serial;	/* configuration it was sent */
	int			 wired;
	int			 asked;		/* by a reload; no answer yet */
	int			 renew;		/* told to end and come back */
	int			 surplus;	/* a reload wants it no more */
	int			 backoff;	/* seconds before a restart */
	time_t			 started;
	char			 sandbox[256];	/* what holds it */
	struct tmo		 tmo;
	TAILQ_ENTRY(child)	 entry;
};

TAILQ_HEAD(children, child);

struct parent {
	struct conf		*conf;
	const char		*conffile;
	const char *const	*macros;
	char			*path;		/* of this program */
	char			*storepath;	/* of mstored */
	int			 binfd;		/* this program, kept open */
	int			 storefd;
	int			 root;
	int			 foreground;
	int			 upfd;		/* told when all is up, -1: nobody */
	const char		*pidfile;	/* written when all is up */
	char			 boot[17];
	struct children		 children;
	uint32_t		 serial;
	int			 up;		/* all of it was running once */
	int			 stopping;
};

extern struct parent parent;

#define ROLE_IS_LISTENER(r)	(((1U << (r)) & R_LISTENER) != 0)

/* parent.c */
void	 parent_main(void) __attribute__((__noreturn__));
void	 parent_children(void);
void	 parent_child_start(struct child *);
struct child *parent_child_of(const struct proc_peer *);
void	 parent_advance(void);
void	 parent_stop(const char *);

/* parent_spawn.c: fork and exec */
int	 spawn_child(struct child *);
int	 spawn_open(void);

/* parent_listen.c: sockets */
int	 listen_open(struct conf *, const struct conf *, char **);
void	 listen_close(struct conf *, const struct conf *);
int	 listen_unix(const char *, uid_t, gid_t, mode_t);
int	 store_socket(const struct conf_storage *);
/* Where that is; NULL when the path is too long. */
const char *store_sockpath(const struct conf_storage *);

/* parent_index.c: the file for an engine's index; -1: none, which is logged */
int	 index_open(const struct conf_storage *, uint16_t);

/* parent_conf.c: the configuration by message */
void	 send_conf(struct child *, const struct conf *, int);

/* parent_reload.c */
/* Asked for by control, or by a signal (NULL). */
void	 reload_begin(struct proc_peer *, uint32_t);
/* One that waits begins, if it can now. */
void	 reload_next(void);
int	 reload_running(void);
void	 reload_stop(void);
void	 reload_switched(struct child *);
void	 reload_status(struct child *, int, const char *);
void	 reload_child_gone(struct child *);

#endif /* PARENT_H */
