#include <sys/types.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "change.h"
#include "log.h"

#define CHANGE_GROUP	128	/* changes in one transaction */
#define CHANGE_CLEAN	5	/* s between looks for things to clean */
#define CHANGE_BACKOFF	60	/* the same after an error */
#define CHANGE_SETTLE	600	/* s between store_settle() calls */

static struct {
	pthread_t	 thread;
	pthread_mutex_t	 lock;
	pthread_cond_t	 cond;
	struct jobs	 queue;
	int		 waiting;	/* the thread is */
	int		 stop;
	struct jobs	 fresh;		/* the loop's, until change_kick() */
	/* the thread's own */
	struct store	*store;
	time_t		 clean_at, settle_at;
	struct job	 failed;
} writer = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* A change begins with its job. */
static struct change *
change_of(struct job *j)
{
	return (struct change *)(void *)j;
}

void
change_init(struct change *c, const struct change_kind *kind,
    void (*done)(struct job *))
{
	memset(c, 0, sizeof(*c));
	c->kind = kind;
	c->job.done = done;
	c->durable = kind->durable;
	c->status = 200;
	ibuf_init(&c->answer, CHANGE_ANSWER_MAX);
}

void
change_fini(struct change *c)
{
	ibuf_fini(&c->answer);
	free(c->ev);
}

int
change_events(struct change *c, struct store *s, const char *account)
{
	struct store_event	 ev[STORE_EVENTS_MAX], *p;
	size_t			 i, n;

	n = store_take_events(s, ev, STORE_EVENTS_MAX);
	if (c->nev + n > c->evcap) {
		p = reallocarray(c->ev, c->evcap + STORE_EVENTS_MAX,
		    sizeof(*p));
		if (p == NULL)
			return -1;
		c->ev = p;
		c->evcap += STORE_EVENTS_MAX;
	}
	for (i = 0; i < n; i++) {
		ev[i].account = account;
		c->ev[c->nev++] = ev[i];
	}
	return 0;
}

/* What an earlier, undone attempt has left. */
static void
change_reset(struct change *c)
{
	c->code = ST_OK;
	c->status = 200;
	c->nev = 0;
	ibuf_drain(&c->answer, ibuf_size(&c->answer));
}

static int
change_once(struct change *c, struct store *s)
{
	struct store_key	k;
	int			r;

	if ((r = store_account_make(s, c->account, &c->account_no)) != ST_OK)
		return r;
	if (c->key[0] == '\0')
		return c->kind->run(c, s);
	k.scope = c->account_no;
	k.key = c->key;
	k.index = -1;
	k.print = c->print;
	r = store_key_get(s, &k, &c->status, &c->answer);
	if (r != ST_NO_SUCH_MESSAGE)
		return r;
	if ((r = c->kind->run(c, s)) != ST_OK)
		return r;
	return store_key_put(s, &k, c->status, &c->answer);
}

static int
change_whole(struct change *c, struct store *s)
{
	int r;

	if ((r = store_savepoint(s)) != ST_OK)
		return r;
	if ((r = change_once(c, s)) == ST_OK)
		r = store_release(s);
	if (r == ST_OK && change_events(c, s, c->account) == -1)
		r = ST_TRY_LATER;
	if (r != ST_OK)
		store_undo(s);
	return r;
}

static int
change_run(struct change *c, struct store *s)
{
	change_reset(c);
	if (c->kind->run_parts != NULL)
		return c->kind->run_parts(c, s);
	return change_whole(c, s);
}

/* Those of a group that need an fsync make it a durable one. */
static int
group_durable(struct jobs *group, struct store *s)
{
	struct job *j;

	STAILQ_FOREACH(j, group, entry)
		if (change_of(j)->durable)
			return 1;
	return !store_may_spare(s);
}

/*
 * One transaction for the whole group.  Returns ST_OK, or why nothing of it
 * was done.  Changes that turn out to need an fsync go over to again.
 */
static int
group_try(struct jobs *group, struct jobs *again, struct store *s)
{
	struct jobs	 done = STAILQ_HEAD_INITIALIZER(done);
	struct change	*c;
	struct job	*j;
	int		 r;

	if ((r = store_begin(s, group_durable(group, s))) != ST_OK)
		return r;
	if ((j = STAILQ_FIRST(group)) != NULL && store_foreign(s))
		change_of(j)->foreign = 1;
	while ((j = STAILQ_FIRST(group)) != NULL) {
		c = change_of(j);
		c->code = change_run(c, s);
		if (store_broken(s)) {
			r = c->code != ST_OK ? c->code : ST_INTERNAL;
			break;
		}
		STAILQ_REMOVE_HEAD(group, entry);
		if (c->code == (int)STORE_AGAIN) {
			c->durable = 1;
			STAILQ_INSERT_TAIL(again, j, entry);
		} else
			STAILQ_INSERT_TAIL(&done, j, entry);
	}
	if (r == ST_OK)
		r = store_commit(s);
	else
		store_rollback(s);
	STAILQ_CONCAT(&done, group);
	STAILQ_CONCAT(group, &done);
	return r;
}

/* As group_try(), so that a change that fails spoils no other. */
static int
group_try_all(struct jobs *group, struct jobs *again, struct store *s)
{
	int r;

	r = group_try(group, again, s);
	if (r == ST_OK || !store_spoiled(s))
		return r;
	STAILQ_CONCAT(group, again);
	store_careful(s, 1);
	r = group_try(group, again, s);
	store_careful(s, 0);
	return r;
}

static void
group_fail(struct jobs *group, int code)
{
	struct change	*c;
	struct job	*j;

	STAILQ_FOREACH(j, group, entry) {
		c = change_of(j);
		change_reset(c);
		c->code = code;
	}
}

/*
 * A group that cannot be committed is tried again one by one: on a full
 * disk a small change may still find its place.
 */
static void
group_alone(struct jobs *group, struct jobs *again, struct store *s)
{
	struct jobs	 one = STAILQ_HEAD_INITIALIZER(one);
	struct jobs	 done = STAILQ_HEAD_INITIALIZER(done);
	struct job	*j;
	int		 r;

	while ((j = STAILQ_FIRST(group)) != NULL && !store_failed(s)) {
		STAILQ_REMOVE_HEAD(group, entry);
		STAILQ_INSERT_TAIL(&one, j, entry);
		if ((r = group_try_all(&one, again, s)) != ST_OK)
			group_fail(&one, r);
		STAILQ_CONCAT(&done, &one);
	}
	STAILQ_CONCAT(&done, group);
	STAILQ_CONCAT(group, &done);
}

static void
group_run(struct jobs *group, struct store *s)
{
	struct jobs	 again = STAILQ_HEAD_INITIALIZER(again);
	int		 r;

	r = group_try_all(group, &again, s);
	if (r == ST_STORAGE_FULL)
		store_checkpoint(s, CHECKPOINT_NOW);
	if (r != ST_OK && !store_failed(s)) {
		STAILQ_CONCAT(group, &again);
		if (STAILQ_NEXT(STAILQ_FIRST(group), entry) != NULL)
			group_alone(group, &again, s);
		else
			group_fail(group, r);
	}
	if (store_failed(s))
		return;
	if (!STAILQ_EMPTY(group))
		job_finish(group);
	if (!STAILQ_EMPTY(&again))
		group_run(&again, s);
}

/* the thread */

/* While there is work, cleaning takes its turn once a second at most. */
static void
writer_clean(time_t now, int idle)
{
	int r;

	if (now >= writer.settle_at) {
		(void)store_settle(writer.store);
		writer.settle_at = now + CHANGE_SETTLE;
	}
	if (now < writer.clean_at)
		return;
	r = store_clean(writer.store);
	if (r == 1)
		writer.clean_at = now + (idle ? 0 : 1);
	else
		writer.clean_at = now + (r == 0 ? CHANGE_CLEAN :
		    CHANGE_BACKOFF);
}

static time_t
writer_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec;
}

/* Under the lock: what waits, at most a group; nothing after a while. */
static void
writer_take(struct jobs *group)
{
	struct timespec	 ts;
	struct job	*j;
	int		 n;

	while (STAILQ_EMPTY(&writer.queue) && !writer.stop &&
	    writer_now() < writer.clean_at) {
		ts.tv_sec = writer.clean_at;
		ts.tv_nsec = 0;
		writer.waiting = 1;
		pthread_cond_timedwait(&writer.cond, &writer.lock, &ts);
		writer.waiting = 0;
	}
	for (n = 0; n < CHANGE_GROUP; n++) {
		if ((j = STAILQ_FIRST(&writer.queue)) == NULL)
			break;
		STAILQ_REMOVE_HEAD(&writer.queue, entry);
		STAILQ_INSERT_TAIL(group, j, entry);
	}
}

/* Nothing is known any more about what is on disk: the loop must end. */
static void
writer_give_up(void)
{
	struct jobs list = STAILQ_HEAD_INITIALIZER(list);

	STAILQ_INSERT_TAIL(&list, &writer.failed, entry);
	job_finish(&list);
}

static void *
writer_main(void *arg)
{
	struct jobs	 group = STAILQ_HEAD_INITIALIZER(group);
	int		 stop, idle;

	for (;;) {
		pthread_mutex_lock(&writer.lock);
		writer_take(&group);
		stop = writer.stop && STAILQ_EMPTY(&writer.queue);
		pthread_mutex_unlock(&writer.lock);
		idle = STAILQ_EMPTY(&group);
		if (!idle)
			group_run(&group, writer.store);
		else if (stop)
			return NULL;
		if (!stop)
			writer_clean(writer_now(), idle);
		store_checkpoint(writer.store, CHECKPOINT_GROWN);
		if (store_failed(writer.store)) {
			writer_give_up();
			return NULL;
		}
	}
}

int
change_start(struct store *s, void (*failed)(struct job *))
{
	pthread_condattr_t	attr;
	sigset_t		all, old;
	int			r;

	STAILQ_INIT(&writer.queue);
	STAILQ_INIT(&writer.fresh);
	writer.store = s;
	writer.failed.done = failed;
	writer.stop = 0;
	writer.clean_at = writer_now() + 1;
	writer.settle_at = writer_now() + CHANGE_SETTLE;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&writer.cond, &attr);
	pthread_condattr_destroy(&attr);
	/* signals are the loop's */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&writer.thread, NULL, writer_main, NULL);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	errno = r;
	return r == 0 ? 0 : -1;
}

void
change_submit(struct change *c)
{
	STAILQ_INSERT_TAIL(&writer.fresh, &c->job, entry);
}

void
change_kick(void)
{
	int wake;

	if (STAILQ_EMPTY(&writer.fresh))
		return;
	pthread_mutex_lock(&writer.lock);
	STAILQ_CONCAT(&writer.queue, &writer.fresh);
	wake = writer.waiting;
	pthread_mutex_unlock(&writer.lock);
	if (wake)
		pthread_cond_signal(&writer.cond);
}

void
change_stop(void)
{
	change_kick();
	pthread_mutex_lock(&writer.lock);
	writer.stop = 1;
	pthread_mutex_unlock(&writer.lock);
	pthread_cond_signal(&writer.cond);
	pthread_join(writer.thread, NULL);
	pthread_cond_destroy(&writer.cond);
}
