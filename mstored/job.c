#include <sys/types.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event.h>

#include "job.h"

#define JOB_LINES	64	/* log lines that wait for the loop */

struct job_line {
	int	 prio;
	char	 text[LOG_LINE_MAX + 64];
};

static struct {
	pthread_t	 loop;
	pthread_mutex_t	 lock;
	struct jobs	 done;
	struct job_line	*line[JOB_LINES];
	int		 nlines;
	int		 woken;		/* a byte is in the pipe */
	int		 fd[2];
	struct event	 ev;
	void		(*before)(void);
	log_sink	 sink;
} back = { .lock = PTHREAD_MUTEX_INITIALIZER, .fd = { -1, -1 } };

/* Under the lock.  The pipe can only be full when it is readable. */
static void
job_wake(void)
{
	if (back.woken)
		return;
	back.woken = 1;
	(void)!write(back.fd[1], "", 1);
}

static void
job_log_now(int prio, const char *text)
{
	if (back.sink != NULL)
		back.sink(prio, text);
	else
		log_line(prio, text);
}

/* What does not fit is lost: a flood of one message says nothing more. */
static void
job_log(int prio, const char *text)
{
	struct job_line *l;

	if (pthread_equal(pthread_self(), back.loop)) {
		job_log_now(prio, text);
		return;
	}
	if ((l = malloc(sizeof(*l))) == NULL)
		return;
	l->prio = prio;
	strlcpy(l->text, text, sizeof(l->text));
	pthread_mutex_lock(&back.lock);
	if (back.nlines < JOB_LINES) {
		back.line[back.nlines++] = l;
		l = NULL;
		job_wake();
	}
	pthread_mutex_unlock(&back.lock);
	free(l);
}

void
job_drain(void)
{
	struct jobs	 list = STAILQ_HEAD_INITIALIZER(list);
	struct job_line	*line[JOB_LINES];
	struct job	*j;
	int		 i, n;

	pthread_mutex_lock(&back.lock);
	STAILQ_CONCAT(&list, &back.done);
	n = back.nlines;
	memcpy(line, back.line, (size_t)n * sizeof(line[0]));
	back.nlines = 0;
	back.woken = 0;
	pthread_mutex_unlock(&back.lock);
	for (i = 0; i < n; i++) {
		job_log_now(line[i]->prio, line[i]->text);
		free(line[i]);
	}
	back.before();
	while ((j = STAILQ_FIRST(&list)) != NULL) {
		STAILQ_REMOVE_HEAD(&list, entry);
		j->done(j);
	}
}

static void
job_event(int fd, short ev, void *arg)
{
	char buf[16];

	while (read(fd, buf, sizeof(buf)) == (ssize_t)sizeof(buf))
		;
	job_drain();
}

int
job_init(void (*before)(void), log_sink sink)
{
	int i;

	if (pipe(back.fd) == -1)
		return -1;
	for (i = 0; i < 2; i++) {
		fcntl(back.fd[i], F_SETFD, FD_CLOEXEC);
		fcntl(back.fd[i], F_SETFL, O_NONBLOCK);
	}
	STAILQ_INIT(&back.done);
	back.loop = pthread_self();
	back.before = before;
	back.sink = sink;
	log_set_sink(job_log);
	event_set(&back.ev, back.fd[0], EV_READ | EV_PERSIST, job_event,
	    NULL);
	return event_add(&back.ev, NULL);
}

void
job_fini(void)
{
	event_del(&back.ev);
	close(back.fd[0]);
	close(back.fd[1]);
	back.fd[0] = back.fd[1] = -1;
	log_set_sink(back.sink);
}

void
job_finish(struct jobs *list)
{
	pthread_mutex_lock(&back.lock);
	STAILQ_CONCAT(&back.done, list);
	job_wake();
	pthread_mutex_unlock(&back.lock);
}

/* workers */

struct worker {
	pthread_t	 thread;
	pthread_mutex_t	 lock;
	pthread_cond_t	 cond;
	struct jobs	 jobs;
	unsigned int	 n, max;
	int		 stop;
};

static struct job *
worker_next(struct worker *w)
{
	struct job *j;

	pthread_mutex_lock(&w->lock);
	while ((j = STAILQ_FIRST(&w->jobs)) == NULL && !w->stop)
		pthread_cond_wait(&w->cond, &w->lock);
	if (j != NULL) {
		STAILQ_REMOVE_HEAD(&w->jobs, entry);
		w->n--;
	}
	pthread_mutex_unlock(&w->lock);
	return j;
}

static void *
worker_main(void *arg)
{
	struct worker	*w = arg;
	struct jobs	 list = STAILQ_HEAD_INITIALIZER(list);
	struct job	*j;

	while ((j = worker_next(w)) != NULL) {
		j->run(j);
		STAILQ_INSERT_TAIL(&list, j, entry);
		job_finish(&list);
	}
	return NULL;
}

struct worker *
worker_start(unsigned int max)
{
	struct worker	*w;
	sigset_t	 all, old;
	int		 r;

	if ((w = calloc(1, sizeof(*w))) == NULL)
		return NULL;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->cond, NULL);
	STAILQ_INIT(&w->jobs);
	w->max = max;
	/* signals are the loop's */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&w->thread, NULL, worker_main, w);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (r != 0) {
		errno = r;
		free(w);
		return NULL;
	}
	return w;
}

int
worker_submit(struct worker *w, struct job *j)
{
	int r = -1;

	pthread_mutex_lock(&w->lock);
	if (w->n < w->max && !w->stop) {
		STAILQ_INSERT_TAIL(&w->jobs, j, entry);
		w->n++;
		r = 0;
		pthread_cond_signal(&w->cond);
	}
	pthread_mutex_unlock(&w->lock);
	return r;
}

void
worker_stop(struct worker *w)
{
	if (w == NULL)
		return;
	pthread_mutex_lock(&w->lock);
	w->stop = 1;
	pthread_cond_signal(&w->cond);
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->thread, NULL);
	free(w);
}
