/*
 * Work that the event loop hands to other threads and gets back.
 *
 * A job belongs to whoever works on it: to the thread while run() runs, to
 * the event loop again when done() is called there.  Log lines of other
 * threads go the same way, since the log's sink is the loop's.
 */
#ifndef JOB_H
#define JOB_H

#include <sys/types.h>
#include <sys/queue.h>

#include "log.h"

struct job {
	STAILQ_ENTRY(job) entry;
	void		(*run)(struct job *);	/* in a worker */
	void		(*done)(struct job *);	/* in the event loop */
};

STAILQ_HEAD(jobs, job);

/*
 * Called by the loop's thread before there are others; before() is called
 * in the loop each time jobs have come back, before their done().  The sink
 * is where log lines go, NULL for where they go without one.
 */
int	 job_init(void (*)(void), log_sink);
void	 job_fini(void);
/* From any thread: these are done.  The list is empty afterwards. */
void	 job_finish(struct jobs *);
/* Call done() of what has come back, now; the loop does it by itself. */
void	 job_drain(void);

/*
 * A thread that runs jobs one after the other.  worker_submit() returns -1
 * when as many wait as may; the job is then still the caller's.
 * worker_stop() runs what waits, then ends the thread.
 */
struct worker;

struct worker *worker_start(unsigned int);
int	 worker_submit(struct worker *, struct job *);
void	 worker_stop(struct worker *);

#endif /* JOB_H */
