/*
 * Changes of the store: made by the event loop, done by the writer thread,
 * which takes all that wait into one transaction, and answered by the loop
 * when that is on disk.
 *
 * Each kind of change is a struct with a struct change in front.  It
 * belongs to the writer from change_submit() until done() is called in the
 * loop; done() frees it.
 */
#ifndef CHANGE_H
#define CHANGE_H

#include <sys/types.h>
#include <stdint.h>

#include "ibuf.h"
#include "job.h"
#include "names.h"
#include "store.h"

struct change;

struct change_kind {
	const char	*name;
	int		 durable;	/* never spares the fsync */
	int		 global;	/* its key stands without an account */
	/*
	 * In the writer: make the change and its answer, or return why not.
	 * May be called again, when a group had to be given up.
	 */
	int		(*run)(struct change *, struct store *);
	/*
	 * Instead of run(), for one that consists of several promises: does
	 * its own savepoints, accounts and keys.
	 */
	int		(*run_parts)(struct change *, struct store *);
};


struct change {
	struct job	 job;		/* done() is the kind's owner's */
	const struct change_kind *kind;
	char		 account[NAME_ACCOUNT_MAX + 1];
	int64_t		 account_no;
	char		 key[NAME_KEY_MAX + 1];	/* "": none */
	uint64_t	 print;		/* fingerprint of the request */
	int		 durable;	/* this time */
	/* results */
	int		 code;		/* ST_OK, or why it failed */
	int		 status;	/* HTTP, of the answer */
	struct ibuf	 answer;	/* the body */
	struct store_event *ev;
	size_t		 nev, evcap;
	int		 foreign;	/* others made events before it */
};

#define CHANGE_ANSWER_MAX	(4 * 1024 * 1024)

void	 change_init(struct change *, const struct change_kind *,
	    void (*)(struct job *));
void	 change_fini(struct change *);
/* The events of what was just done, for this account. */
int	 change_events(struct change *, struct store *, const char *);

/*
 * The writer.  change_submit() collects, change_kick() hands over: once a
 * turn of the loop.  failed() is called in the loop when the disk cannot be
 * trusted any more: nothing that waits will be answered.
 */
int	 change_start(struct store *, void (*)(struct job *));
void	 change_submit(struct change *);
void	 change_kick(void);
/* Does what waits, then ends the thread. */
void	 change_stop(void);

#endif /* CHANGE_H */
