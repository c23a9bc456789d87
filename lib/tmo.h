/*
 * Timeouts in whole seconds, for thousands of connections: all that wait
 * equally long stand in one queue, so that starting and stopping one is a
 * list operation and the event loop has a single timer.
 *
 * A class lives for ever; an entry is part of what it times.
 */
#ifndef TMO_H
#define TMO_H

#include <sys/queue.h>
#include <time.h>

struct tmo;

struct tmo_class {
	int			 secs;
	void			(*fired)(struct tmo *);
	TAILQ_HEAD(tmo_list, tmo) queue;
	TAILQ_ENTRY(tmo_class)	 entry;
};

struct tmo {
	struct tmo_class	*class;		/* NULL: does not run */
	struct tmo_class	*fired;		/* the class that fired last */
	time_t			 when;
	TAILQ_ENTRY(tmo)	 entry;
};

/* secs 0: entries of this class never fire. */
void	 tmo_class_init(struct tmo_class *, int, void (*)(struct tmo *));
/* For those that start from now on; what runs keeps its end. */
void	 tmo_class_set(struct tmo_class *, int);
/* Starts, or starts anew, perhaps in another class. */
void	 tmo_start(struct tmo *, struct tmo_class *);
void	 tmo_stop(struct tmo *);

/*
 * Seconds of a clock that only goes forward.  It is read once a turn of the
 * event loop; tmo_turn() says that a new one begins.
 */
time_t	 tmo_now(void);
void	 tmo_turn(void);

#endif /* TMO_H */
