#include <sys/types.h>
#include <sys/time.h>
#include <stdlib.h>
#include <string.h>

#include <event.h>

#include "tmo.h"

static TAILQ_HEAD(, tmo_class) classes = TAILQ_HEAD_INITIALIZER(classes);
static struct event	 timer;
static time_t		 timer_at;	/* 0: not set */
static time_t		 now;

time_t
tmo_now(void)
{
	struct timespec ts;

	if (now == 0) {
		clock_gettime(CLOCK_MONOTONIC, &ts);
		/* never 0, which stands for unset */
		now = ts.tv_sec + 1;
	}
	return now;
}

void
tmo_turn(void)
{
	now = 0;
}

static void	tmo_fire(int, short, void *);

static void
tmo_arm(time_t when)
{
	struct timeval tv;

	if (timer_at != 0) {
		if (timer_at <= when)
			return;
		evtimer_del(&timer);
	}
	evtimer_set(&timer, tmo_fire, NULL);
	memset(&tv, 0, sizeof(tv));
	tv.tv_sec = when > tmo_now() ? when - now : 1;
	evtimer_add(&timer, &tv);
	timer_at = when;
}

static void
tmo_fire(int fd, short ev, void *arg)
{
	struct tmo_class	*c;
	struct tmo		*t;

	timer_at = 0;
	TAILQ_FOREACH(c, &classes, entry) {
		while ((t = TAILQ_FIRST(&c->queue)) != NULL &&
		    t->when <= tmo_now()) {
			tmo_stop(t);
			t->fired = c;
			c->fired(t);
		}
	}
	TAILQ_FOREACH(c, &classes, entry)
		if ((t = TAILQ_FIRST(&c->queue)) != NULL)
			tmo_arm(t->when);
}

void
tmo_class_init(struct tmo_class *c, int secs, void (*fired)(struct tmo *))
{
	memset(c, 0, sizeof(*c));
	c->secs = secs;
	c->fired = fired;
	TAILQ_INIT(&c->queue);
	TAILQ_INSERT_TAIL(&classes, c, entry);
}

void
tmo_class_set(struct tmo_class *c, int secs)
{
	c->secs = secs;
}

void
tmo_stop(struct tmo *t)
{
	if (t->class == NULL)
		return;
	TAILQ_REMOVE(&t->class->queue, t, entry);
	t->class = NULL;
}

void
tmo_start(struct tmo *t, struct tmo_class *c)
{
	struct tmo *last;

	tmo_stop(t);
	if (c->secs == 0)
		return;
	t->class = c;
	t->when = tmo_now() + c->secs;
	/* the end of the queue, but for a class whose length was cut */
	last = TAILQ_LAST(&c->queue, tmo_list);
	while (last != NULL && last->when > t->when)
		last = TAILQ_PREV(last, tmo_list, entry);
	if (last == NULL)
		TAILQ_INSERT_HEAD(&c->queue, t, entry);
	else
		TAILQ_INSERT_AFTER(&c->queue, last, t, entry);
	tmo_arm(TAILQ_FIRST(&c->queue)->when);
}
