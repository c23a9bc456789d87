/*
 * What a FETCH reads feeds the index (see imap_index.h), where the storage
 * does not search by itself: whole messages, as a client makes its copies.
 *
 * A session collects signatures of what passes by, of so many columns at
 * most; they are written in the background when there are enough: while the
 * FETCH runs and at its end, when the mailbox is closed, when the session is
 * idle or searches.  Before that, and before many messages are fetched, it is
 * asked what is there already.
 *
 * The answer waits only if it is faster than what is written, and not for
 * long: what passes while nothing more can be taken is left to a search.
 */
#include <sys/types.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "imap_index.h"
#include "log.h"

#define FEEDS		32	/* of a process */
/* 256 KiB of them, a segment that need not be merged soon */
#define FEED_FULL	(512 - SIGINDEX_WIDE)
#define FEED_WORTH	64	/* columns that fill values */
#define FEED_WAIT	2	/* seconds that a command waits for it */

struct feed {
	struct imap	*s;
	struct imount	*mount;
	char		*mailbox;
	uint32_t	 uidvalidity;
	struct snap	*snap;		/* what is in the mailbox */
	struct sigbuild	*build;		/* NULL: nothing yet */
	struct uidset	 fed;		/* messages in it */
	struct uidset	 writing;	/* those that x writes */
	struct uidset	 indexed;	/* known to be */
	struct sindex	*x;		/* at work, or NULL */
	int		 asked;
	int		 due;		/* to be written */
	int		 late;		/* it has taken too long already */
	int		 closing;	/* its mailbox is */
	int		 doomed;	/* its mailbox is no more */
	LIST_ENTRY(feed) entry;
	TAILQ_ENTRY(feed) all;
};

static TAILQ_HEAD(, feed) feeds = TAILQ_HEAD_INITIALIZER(feeds);
static unsigned		nfeeds;
static struct tmo_class	wait_class;

static void	feed_ask(struct feed *, const struct uidset *);

/* commands that wait */

static void
feed_wake(struct imap *s)
{
	struct iop *op = s->feed_waiter;

	tmo_stop(&s->feed_wait);
	s->feed_waiter = NULL;
	s->feed_room = 0;
	if (op != NULL)
		s->feed_resume(op);
}

static void
wait_fired(struct tmo *t)
{
	struct imap	*s = (struct imap *)(void *)((char *)t -
			    offsetof(struct imap, feed_wait));
	struct feed	*f;

	LIST_FOREACH(f, &s->feeds, entry)
		f->late = 1;
	feed_wake(s);
}

static int
feed_busy(const struct imap *s)
{
	const struct feed *f;

	LIST_FOREACH(f, &s->feeds, entry)
		if (f->x != NULL)
			return 1;
	return 0;
}

int
feed_wait(struct iop *op, void (*resume)(struct iop *))
{
	struct imap *s = op->s;

	if (!feed_busy(s))
		return 0;
	s->feed_waiter = op;
	s->feed_resume = resume;
	tmo_start(&s->feed_wait, &wait_class);
	return 1;
}

void
feed_unwait(struct iop *op)
{
	if (op->s->feed_waiter != op)
		return;
	op->s->feed_waiter = NULL;
	op->s->feed_room = 0;
	tmo_stop(&op->s->feed_wait);
}

/* one of them */

static uint32_t
feed_count(const struct feed *f)
{
	return f->build == NULL ? 0 : sigbuild_count(f->build);
}

static int
feed_over(const struct feed *f, unsigned n)
{
	return f->build != NULL && (sigbuild_columns(f->build) >= n ||
	    sigbuild_count(f->build) >= n);
}

/* What was collected comes to nothing. */
static void
feed_drop(struct feed *f)
{
	imap_counts.index_unwritten += uidset_count(&f->fed);
	uidset_clear(&f->fed);
	sigbuild_free(f->build);
	f->build = NULL;
}

static void
feed_free(struct feed *f)
{
	if (f->s->view != NULL && f->s->view->feed == f)
		f->s->view->feed = NULL;
	LIST_REMOVE(f, entry);
	TAILQ_REMOVE(&feeds, f, all);
	nfeeds--;
	feed_drop(f);
	imap_counts.index_unwritten += uidset_count(&f->writing);
	sindex_del(f->x);
	snap_unref(f->snap);
	uidset_fini(&f->fed);
	uidset_fini(&f->writing);
	uidset_fini(&f->indexed);
	free(f->mailbox);
	free(f);
}

/* The one that was used last goes last, but for those at work. */
static int
feed_room(void)
{
	struct feed *f;

	if (nfeeds < FEEDS)
		return 1;
	TAILQ_FOREACH(f, &feeds, all)
		if (f->x == NULL) {
			feed_free(f);
			return 1;
		}
	return 0;
}

static struct feed *
feed_new(struct imap *s, struct iview *v)
{
	struct feed *f;

	if (!feed_room())
		return NULL;
	if ((f = calloc(1, sizeof(*f))) == NULL ||
	    (f->mailbox = strdup(v->m->id)) == NULL)
		fatal(NULL);
	f->s = s;
	f->mount = v->mount;
	f->uidvalidity = v->m->uidvalidity;
	uidset_init(&f->fed);
	uidset_init(&f->writing);
	uidset_init(&f->indexed);
	LIST_INSERT_HEAD(&s->feeds, f, entry);
	TAILQ_INSERT_TAIL(&feeds, f, all);
	nfeeds++;
	v->feed = f;
	return f;
}

/* asking and writing */

/* What it had sent may have come behind a sweep that is over. */
static void
feed_sweep(struct feed *f)
{
	char key[INDEX_NAME];

	sindex_key(f->mailbox, key);
	sweep_start(f->s, f->mount, key, strlen(key) + 1);
	feed_free(f);
}

static void
feed_done(struct feed *f)
{
	struct imap	*s = f->s;
	int		 off = f->x->off;

	if (off) {
		/* it says by itself what else is wrong */
		imap_counts.index_unwritten += uidset_count(&f->writing);
		feed_drop(f);
		uidset_clear(&f->indexed);
		f->asked = f->due = 0;
	} else if (uidset_union(&f->indexed, &f->writing) == -1)
		fatal(NULL);
	uidset_clear(&f->writing);
	sindex_del(f->x);
	f->x = NULL;
	f->late = 0;
	if (f->doomed)
		feed_sweep(f);
	else if (f->due && feed_count(f) >= INDEX_MIN)
		feed_ask(f, &f->fed);
	else if (f->closing || (s->idling && f->build == NULL))
		feed_free(f);
	if (!feed_busy(s))
		feed_wake(s);
}

static void
feed_pump(struct sindex *x)
{
	if (!sbuild_pump(x, 1, 0))
		feed_done(x->arg);
}

/* Of those collected some may be indexed: by others, or long ago. */
static void
feed_ready(struct sindex *x)
{
	struct feed	*f = x->arg;
	struct imap	*s;

	f->asked = 1;
	if (uidset_union(&f->indexed, &x->indexed) == -1 ||
	    uidset_subtract(&f->fed, &x->indexed) == -1)
		fatal(NULL);
	if (f->build != NULL)
		sigbuild_drop(f->build, &x->indexed);
	if (x->off || !f->due || feed_count(f) < INDEX_MIN) {
		if (feed_count(f) == 0 || feed_over(f, FEED_FULL))
			feed_drop(f);
		f->due = 0;
		feed_done(f);
		return;
	}
	f->due = 0;
	x->build = f->build;
	f->build = NULL;
	uidset_move(&f->writing, &f->fed);
	s = f->s;
	feed_pump(x);
	if (s->feed_room)
		feed_wake(s);
}

static void
feed_ask(struct feed *f, const struct uidset *about)
{
	struct iview	*v = f->s->view;
	struct sindex	*x;

	if (v != NULL && v->feed == f) {
		snap_unref(f->snap);
		f->snap = mirror_snap(v->m);
	}
	x = f->x = sindex_new(f->s, f->mount, f->mailbox, f->uidvalidity);
	x->snap = f->snap;
	x->snap->refs++;
	x->ready = feed_ready;
	x->pump = feed_pump;
	x->arg = f;
	if (uidset_copy(&x->about, about) == -1)
		fatal(NULL);
	sindex_ask(x);
}

static void
feed_write(struct feed *f)
{
	if (feed_count(f) < INDEX_MIN)
		return;
	f->due = 1;
	if (f->x == NULL)
		feed_ask(f, &f->fed);
}

/* what passes by */

int
feed_may(const struct iop *op)
{
	return !iop_has(op, CAP_SEARCH) && sindex_may(op);
}

static struct feed *
feed_of(struct imap *s)
{
	struct iview	*v = s->view;
	struct feed	*f = v->feed;

	if (f != NULL && f->uidvalidity != v->m->uidvalidity) {
		feed_free(f);
		f = NULL;
	}
	return f != NULL ? f : feed_new(s, v);
}

void
feed_begin(struct iop *op, const struct uidset *todo)
{
	struct feed	*f;
	struct uidset	 set;

	if (uidset_count(todo) < INDEX_MIN || (f = feed_of(op->s)) == NULL ||
	    f->x != NULL)
		return;
	uidset_init(&set);
	if (uidset_copy(&set, todo) == -1 ||
	    uidset_subtract(&set, &f->indexed) == -1)
		fatal(NULL);
	if (uidset_count(&set) >= INDEX_MIN)
		feed_ask(f, &set);
	uidset_fini(&set);
}

struct stext *
feed_open(struct iop *op, uint32_t uid)
{
	struct feed *f = feed_of(op->s);

	if (f == NULL || feed_over(f, FEED_FULL) ||
	    uidset_contains(&f->indexed, uid) ||
	    uidset_contains(&f->fed, uid) || uidset_contains(&f->writing, uid))
		return NULL;
	return stext_new();
}

void
feed_add(struct iop *op, struct stext *t, uint32_t uid, uint64_t size)
{
	struct feed *f = op->s->view->feed;

	/* others may have needed the room meanwhile */
	if (f == NULL || feed_over(f, FEED_FULL) ||
	    uidset_contains(&f->fed, uid))
		return;
	if (f->build == NULL && (f->build = sigbuild_open()) == NULL)
		fatal(NULL);
	stext_end(t, f->build, uid, size);
	if (uidset_add(&f->fed, uid, uid) == -1)
		fatal(NULL);
	imap_counts.index_fed++;
	TAILQ_REMOVE(&feeds, f, all);
	TAILQ_INSERT_TAIL(&feeds, f, all);
	if (feed_over(f, FEED_FULL))
		feed_write(f);
	else if (!f->asked && f->x == NULL && feed_count(f) >= INDEX_MIN)
		feed_ask(f, &f->fed);
}

int
feed_pause(struct iop *op, void (*resume)(struct iop *))
{
	struct imap	*s = op->s;
	struct feed	*f = s->view->feed;

	if (f == NULL || f->x == NULL || f->late || !feed_over(f, FEED_FULL))
		return 0;
	if (s->feed_waiter == NULL && feed_wait(op, resume))
		s->feed_room = 1;
	return 1;
}

/* when it is written */

void
feed_rest(struct imap *s, int all)
{
	struct feed *f = s->view != NULL ? s->view->feed : NULL;

	if (f == NULL)
		return;
	if (all || feed_over(f, FEED_WORTH))
		feed_write(f);
	if (s->idling && f->x == NULL && f->build == NULL)
		feed_free(f);
}

void
feed_close(struct imap *s)
{
	struct feed *f = s->view->feed;

	if (f == NULL)
		return;
	feed_write(f);
	f->closing = 1;
	s->view->feed = NULL;
	if (f->x == NULL)
		feed_free(f);
}

int
feed_deleted(struct imap *s, const char *mailbox)
{
	struct feed	*f, *next;
	int		 busy = 0;

	for (f = LIST_FIRST(&s->feeds); f != NULL; f = next) {
		next = LIST_NEXT(f, entry);
		if (strcmp(f->mailbox, mailbox) != 0)
			continue;
		if (f->x == NULL) {
			feed_free(f);
			continue;
		}
		f->doomed = busy = 1;
	}
	return busy;
}

void
feed_free_all(struct imap *s)
{
	struct feed *f;

	while ((f = LIST_FIRST(&s->feeds)) != NULL)
		feed_free(f);
}

void
feed_init(void)
{
	tmo_class_init(&wait_class, FEED_WAIT, wait_fired);
}
