/*
 * What a FETCH reads feeds the index (see imap_index.h), where the storage
 * does not search by itself: whole messages, as a client makes its copies.
 *
 * The answer waits for nothing.  A session collects signatures of what
 * passes by, of so many columns at most; they are written in the background
 * when there are enough: at the end of a FETCH, when the mailbox is closed,
 * when the session is idle or searches.  Then it is asked first what is
 * there already.  What passes while it cannot be taken is left to a search.
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
	int		 closing;	/* its mailbox is */
	LIST_ENTRY(feed) entry;
	TAILQ_ENTRY(feed) all;
};

static TAILQ_HEAD(, feed) feeds = TAILQ_HEAD_INITIALIZER(feeds);
static unsigned		nfeeds;
static struct tmo_class	wait_class;

static void	feed_ask(struct feed *);

/* commands that wait */

static void
feed_wake(struct imap *s)
{
	struct iop *op = s->feed_waiter;

	tmo_stop(&s->feed_wait);
	s->feed_waiter = NULL;
	if (op != NULL)
		s->feed_resume(op);
}

static void
wait_fired(struct tmo *t)
{
	feed_wake((struct imap *)(void *)((char *)t -
	    offsetof(struct imap, feed_wait)));
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
	if (f->due && feed_count(f) >= INDEX_MIN)
		feed_ask(f);
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
	struct feed *f = x->arg;

	f->asked = 1;
	uidset_move(&f->indexed, &x->indexed);
	if (f->build != NULL)
		sigbuild_drop(f->build, &f->indexed);
	if (uidset_subtract(&f->fed, &f->indexed) == -1)
		fatal(NULL);
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
	feed_pump(x);
}

static void
feed_ask(struct feed *f)
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
	if (uidset_copy(&x->about, &f->fed) == -1)
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
		feed_ask(f);
}

/* what passes by */

int
feed_may(const struct iop *op)
{
	return !iop_has(op, CAP_SEARCH) && sindex_may(op);
}

struct stext *
feed_open(struct iop *op, uint32_t uid)
{
	struct iview	*v = op->s->view;
	struct feed	*f = v->feed;

	if (f != NULL && f->uidvalidity != v->m->uidvalidity) {
		feed_free(f);
		f = NULL;
	}
	if (f == NULL && (f = feed_new(op->s, v)) == NULL)
		return NULL;
	if (feed_over(f, FEED_FULL) || uidset_contains(&f->indexed, uid) ||
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
		feed_ask(f);
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

void
feed_forget(struct imap *s, const char *mailbox)
{
	struct feed *f, *next;

	for (f = LIST_FIRST(&s->feeds); f != NULL; f = next) {
		next = LIST_NEXT(f, entry);
		if (mailbox == NULL || strcmp(f->mailbox, mailbox) == 0)
			feed_free(f);
	}
}

void
feed_init(void)
{
	tmo_class_init(&wait_class, FEED_WAIT, wait_fired);
}
