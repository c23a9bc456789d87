/*
 * Checks with many at once: what is seen while others write.
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "check_ask.h"
#include "check_funcs.h"
#include "log.h"

#define RACERS_MAX	16
#define APPENDERS	8
#define APPENDS		25	/* each */
#define COPIED		40
#define COPIES		12
#define MOVED		10
#define MOVES		20
#define LOG_MAX		4096

struct race;

struct racer {
	struct ck	 c;
	struct race	*race;
	void		 (*func)(struct racer *);
	pthread_t	 thread;
	int		 number;
};

/* What the threads of one check share. */
struct race {
	struct ck	*c;
	struct box	*box;
	struct box	*target;
	struct racer	 racer[RACERS_MAX];
	int		 n;
	struct uids	 uids;		/* there from the beginning */
	int		 writers;	/* the first so many */
	atomic_int	 writing;	/* those that have not ended */
	atomic_int	 unready;	/* readers for whom they wait */
	atomic_int	 failed;
	pthread_mutex_t	 lock;		/* of the rest */
	struct {
		uint64_t	 before;
		uint64_t	 modseq;
	} log[LOG_MAX];
	int		 nlog;
};

/* Whose check_try() it is, in his own thread. */
static _Thread_local struct racer *running;

static void
race_call(struct ck *c)
{
	running->func(running);
}

static int	race_goes(struct racer *);

/* What a reader has to have seen before it changes. */
static void
race_wait(struct racer *x)
{
	static const struct timespec a_moment = { 0, 1000000 };

	while (race_goes(x) && atomic_load(&x->race->unready) > 0)
		nanosleep(&a_moment, NULL);
}

static void *
race_thread(void *arg)
{
	running = arg;
	if (running->number < running->race->writers)
		race_wait(running);
	if (check_try(&running->c, race_call) == CHECK_FAILED)
		atomic_store(&running->race->failed, 1);
	/* however a reader ended, nobody waits for it */
	if (running->number >= running->race->writers)
		atomic_store(&running->race->unready, 0);
	return NULL;
}

static void
race_init(struct race *r, struct ck *c, const char *word)
{
	memset(r, 0, sizeof(*r));
	r->c = c;
	r->box = ask_box(c, word);
	pthread_mutex_init(&r->lock, NULL);
}

static void
race_add(struct race *r, void (*func)(struct racer *), int n)
{
	struct racer *x;

	for (; n > 0; n--) {
		x = &r->racer[r->n];
		check_init(&x->c, r->c->run, r->c->check);
		x->race = r;
		x->func = func;
		x->number = r->n++;
	}
}

/* Runs all to their end; the check fails if one of them did. */
static void
race_run(struct race *r, int writers)
{
	int	i;
	char	why[1024] = "";

	r->writers = writers;
	atomic_store(&r->writing, writers);
	for (i = 0; i < r->n; i++)
		if (pthread_create(&r->racer[i].thread, NULL, race_thread,
		    &r->racer[i]) != 0)
			fatalx("cannot make a thread");
	for (i = 0; i < r->n; i++) {
		pthread_join(r->racer[i].thread, NULL);
		if (r->racer[i].c.verdict == CHECK_FAILED)
			strlcpy(why, r->racer[i].c.why, sizeof(why));
		check_fini(&r->racer[i].c);
	}
	r->n = 0;
	if (atomic_load(&r->failed))
		check_fail_at(r->c, NULL, "%s", why);
}

/* A writer goes on until somebody has failed; a reader until all ended. */
static int
race_goes(struct racer *x)
{
	return !atomic_load(&x->race->failed);
}

static int
race_reads(struct racer *x)
{
	return race_goes(x) && atomic_load(&x->race->writing) > 0;
}

static void
race_ended(struct racer *x)
{
	atomic_fetch_sub(&x->race->writing, 1);
}

static void
race_log(struct racer *x, const struct change *ch)
{
	struct race *r = x->race;

	pthread_mutex_lock(&r->lock);
	if (r->nlog < LOG_MAX && ch->modseq != ch->before) {
		r->log[r->nlog].before = ch->before;
		r->log[r->nlog++].modseq = ch->modseq;
	}
	pthread_mutex_unlock(&r->lock);
}

/* writers */

static char *
race_span(struct ck *c, uint32_t from, uint32_t to)
{
	return from == to ? check_text(c, "%u", from) :
	    check_text(c, "%u:%u", from, to);
}

static void
race_append(struct racer *x)
{
	struct stored	*st;
	void		*mark = check_mark(&x->c);
	char		*s;
	int		 i;

	for (i = 0; i < APPENDS && race_goes(x); i++) {
		s = ask_new_message(&x->c, 0);
		st = ask_store(&x->c, x->race->box, "", s, strlen(s));
		race_log(x, &st->change);
		check_release(&x->c, mark);
	}
	race_ended(x);
}

/* Each has keywords of his own, on all the messages of the beginning. */
static void
race_flag(struct racer *x)
{
	struct uids	*u = &x->race->uids;
	struct change	*ch;
	void		*mark = check_mark(&x->c);
	uint32_t	 from, to;
	int		 i;

	for (i = 0; i < APPENDS && race_goes(x); i++) {
		from = arc4random_uniform(u->n);
		to = from + arc4random_uniform(u->n - from);
		ch = ask_patch(&x->c, x->race->box, "{\"uids\":\"%s\","
		    "\"%s\":[\"$f%d\"]}", race_span(&x->c, u->u[from],
		    u->u[to]), i % 3 == 2 ? "remove" : "add", x->number);
		race_log(x, ch);
		check_release(&x->c, mark);
	}
	race_ended(x);
}

static void
race_expunge(struct racer *x)
{
	struct uids	*u = &x->race->uids;
	struct change	*ch;
	void		*mark = check_mark(&x->c);
	uint32_t	 i;

	for (i = 0; i + 1 < u->n / 2 && race_goes(x); i += 2) {
		ch = ask_expunge(&x->c, x->race->box, check_text(&x->c,
		    "%u", u->u[i]), NULL);
		race_log(x, ch);
		check_release(&x->c, mark);
	}
	race_ended(x);
}

/* uids-ascend */

struct race_seen {
	struct uidset	 uids;
	uint32_t	 next;		/* the largest uidnext */
};

/* What was seen of uidnext before a listing began, it must be true to. */
static void
race_look_uids(struct racer *x, struct race_seen *seen)
{
	struct list	*l;
	uint64_t	 n;
	uint32_t	 i, next;

	if (!val_number(ask_box_row(&x->c, x->race->box), "uidnext",
	    UINT32_MAX, &n) || n < seen->next)
		check_fail(&x->c, "uidnext is %llu, and was %u before",
		    (unsigned long long)n, seen->next);
	next = (uint32_t)n;
	l = ask_list(&x->c, x->race->box, "?fields=uid");
	for (i = 0; i < l->n; i++) {
		if (uidset_contains(&seen->uids, l->m[i].uid))
			continue;
		if (l->m[i].uid < seen->next)
			check_fail(&x->c, "uid %u appears, and uidnext was "
			    "%u before", l->m[i].uid, seen->next);
		if (uidset_add(&seen->uids, l->m[i].uid,
		    l->m[i].uid) == -1)
			fatal("memory");
	}
	if (l->uidnext < next)
		check_fail(&x->c, "uidnext is %u, and was %u before",
		    l->uidnext, next);
	seen->next = l->uidnext;
}

static void
race_read_uids(struct racer *x)
{
	struct race_seen	 seen;
	void			*mark = check_mark(&x->c);

	memset(&seen, 0, sizeof(seen));
	while (race_reads(x)) {
		race_look_uids(x, &seen);
		check_release(&x->c, mark);
	}
	if (race_goes(x))
		race_look_uids(x, &seen);
	uidset_fini(&seen.uids);
}

void
race_uids(struct ck *c)
{
	struct race	*r = check_alloc(c, sizeof(*r));
	struct list	*l;

	race_init(r, c, "race-uids");
	race_add(r, race_append, APPENDERS);
	race_add(r, race_read_uids, 2);
	race_run(r, APPENDERS);
	l = ask_list(c, r->box, "?fields=uid");
	if (l->n != APPENDERS * APPENDS)
		check_fail(c, "%d messages were stored, %u are there",
		    APPENDERS * APPENDS, l->n);
}

/* modseq */

#define WRITERS		9

static void
race_modseq_init(struct race *r, struct ck *c, const char *word)
{
	race_init(r, c, word);
	ask_fill(c, r->box, 40, &r->uids);
	race_add(r, race_append, 4);
	race_add(r, race_flag, 4);
	race_add(r, race_expunge, 1);
}

/* Every message's modseq, remembered: a change is above what was seen. */
struct race_modseqs {
	struct message	*m;		/* malloc'd; row is not used */
	uint64_t	*modseq;
	uint32_t	 n;
	uint64_t	 highest;	/* of all headers and rows */
};

static uint64_t
race_known(const struct race_modseqs *k, uint32_t uid)
{
	uint32_t i;

	for (i = 0; i < k->n; i++)
		if (k->m[i].uid == uid)
			return k->modseq[i];
	return 0;
}

static void
race_keep_modseqs(struct race_modseqs *k, const struct list *l)
{
	uint64_t	n;
	uint32_t	i;

	free(k->m);
	free(k->modseq);
	k->m = calloc(l->n + 1, sizeof(*k->m));
	k->modseq = calloc(l->n + 1, sizeof(*k->modseq));
	if (k->m == NULL || k->modseq == NULL)
		fatal("memory");
	for (i = 0; i < l->n; i++) {
		k->m[i].uid = l->m[i].uid;
		if (val_number(l->m[i].row, "modseq", MODSEQ_MAX, &n))
			k->modseq[i] = n;
	}
	k->n = l->n;
}

static void
race_look_modseqs(struct racer *x, struct race_modseqs *k)
{
	struct list	*l;
	uint64_t	 n;
	uint32_t	 i;

	l = ask_list(&x->c, x->race->box, "?fields=uid,modseq");
	if (l->modseq < k->highest)
		check_fail(&x->c, "the mailbox's modseq is %llu, and was "
		    "%llu before", (unsigned long long)l->modseq,
		    (unsigned long long)k->highest);
	for (i = 0; i < l->n; i++) {
		if (!val_number(l->m[i].row, "modseq", MODSEQ_MAX, &n))
			check_fail(&x->c, "uid %u has no modseq",
			    l->m[i].uid);
		if (n != race_known(k, l->m[i].uid) && n <= k->highest)
			check_fail(&x->c, "uid %u has now the modseq %llu, "
			    "and the mailbox had %llu before", l->m[i].uid,
			    (unsigned long long)n,
			    (unsigned long long)k->highest);
	}
	race_keep_modseqs(k, l);
	k->highest = l->modseq;
}

static void
race_read_modseqs(struct racer *x)
{
	struct race_modseqs	 k;
	void			*mark = check_mark(&x->c);

	memset(&k, 0, sizeof(k));
	while (race_reads(x)) {
		race_look_modseqs(x, &k);
		check_release(&x->c, mark);
	}
	free(k.m);
	free(k.modseq);
}

void
race_modseqs(struct ck *c)
{
	struct race *r = check_alloc(c, sizeof(*r));

	race_modseq_init(r, c, "race-modseqs");
	race_add(r, race_read_modseqs, 2);
	race_run(r, WRITERS);
}

static int
race_compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return x[1] < y[1] ? -1 : x[1] > y[1];
}

void
race_one(struct ck *c)
{
	struct race	*r = check_alloc(c, sizeof(*r));
	int		 i;

	race_modseq_init(r, c, "race-one");
	race_run(r, WRITERS);
	qsort(r->log, (size_t)r->nlog, sizeof(r->log[0]), race_compare);
	for (i = 1; i < r->nlog; i++)
		if (r->log[i].before < r->log[i - 1].modseq)
			check_fail_at(c, NULL, "one change said %llu to "
			    "%llu, another %llu to %llu",
			    (unsigned long long)r->log[i - 1].before,
			    (unsigned long long)r->log[i - 1].modseq,
			    (unsigned long long)r->log[i].before,
			    (unsigned long long)r->log[i].modseq);
}

/* A mirror, kept by since alone: the rows' flags, as JSON text would be. */
struct race_mirror {
	struct ck	*keep;		/* whose memory the rows are in */
	struct message	*m;
	uint32_t	 n;
	uint32_t	 cap;
	uint64_t	 modseq;
};

static void
race_mirror_drop(struct race_mirror *k, uint32_t uid)
{
	uint32_t i;

	for (i = 0; i < k->n; i++)
		if (k->m[i].uid == uid) {
			memmove(&k->m[i], &k->m[i + 1],
			    sizeof(*k->m) * (k->n - i - 1));
			k->n--;
			return;
		}
}

static void
race_mirror_set(struct race_mirror *k, uint32_t uid, struct val *row)
{
	struct message *m;

	race_mirror_drop(k, uid);
	if (k->n == k->cap) {
		k->cap = k->cap * 2 + 64;
		m = check_alloc(k->keep, sizeof(*m) * k->cap);
		if (k->n > 0)
			memcpy(m, k->m, sizeof(*m) * k->n);
		k->m = m;
	}
	k->m[k->n].uid = uid;
	k->m[k->n++].row = row;
}

static void
race_mirror_update(struct racer *x, struct race_mirror *k)
{
	struct list	*l;
	uint32_t	 i;

	l = ask_list(&x->c, x->race->box, "?fields=uid,flags,modseq"
	    "&since=%llu", (unsigned long long)k->modseq);
	if (l->since != k->modseq)
		check_fail(&x->c, "since was not applied");
	for (i = 0; i < l->vanished.n; i++)
		race_mirror_drop(k, l->vanished.u[i]);
	for (i = 0; i < l->n; i++)
		race_mirror_set(k, l->m[i].uid, l->m[i].row);
	k->modseq = l->modseq;
}

static void
race_mirror_compare(struct racer *x, struct race_mirror *k)
{
	struct list	*l = ask_list(&x->c, x->race->box,
	    "?fields=uid,flags");
	struct val	*row, *f;
	uint32_t	 i;

	for (i = 0; i < k->n; i++) {
		row = ask_find(l, k->m[i].uid);
		if (row == NULL)
			check_fail(&x->c, "that uid %u vanished was not "
			    "told with since", k->m[i].uid);
		f = val_get(row, "flags");
		for (f = f != NULL ? f->first : NULL; f != NULL; f = f->next)
			if (f->type == VAL_TEXT &&
			    !ask_has_flag(k->m[i].row, f->s))
				check_fail(&x->c, "that uid %u got %s was "
				    "not told with since", k->m[i].uid,
				    f->s);
		if (val_get(row, "flags")->count !=
		    val_get(k->m[i].row, "flags")->count)
			check_fail(&x->c, "that uid %u lost a flag was not "
			    "told with since", k->m[i].uid);
	}
	if (l->n != k->n)
		check_fail(&x->c, "%u messages are there, since told of %u",
		    l->n, k->n);
}

static void
race_read_since(struct racer *x)
{
	struct race_mirror	 k = { .keep = &x->c };
	struct list		*l;
	uint32_t		 i;

	l = ask_list(&x->c, x->race->box, "?fields=uid,flags,modseq");
	for (i = 0; i < l->n; i++)
		race_mirror_set(&k, l->m[i].uid, l->m[i].row);
	k.modseq = l->modseq;
	atomic_fetch_sub(&x->race->unready, 1);
	while (race_reads(x))
		race_mirror_update(x, &k);
	if (!race_goes(x))
		return;
	race_mirror_update(x, &k);
	race_mirror_compare(x, &k);
}

void
race_since(struct ck *c)
{
	struct race *r = check_alloc(c, sizeof(*r));

	race_modseq_init(r, c, "race-since");
	race_add(r, race_read_since, 2);
	atomic_store(&r->unready, 2);
	race_run(r, WRITERS);
}

/* One flag on all or on none, again and again; then tens go. */
static void
race_toggle(struct racer *x)
{
	struct uids	*u = &x->race->uids;
	void		*mark = check_mark(&x->c);
	uint32_t	 i;

	for (i = 0; i < 20 && race_goes(x); i++) {
		ask_patch(&x->c, x->race->box, "{\"uids\":\"%u:%u\","
		    "\"%s\":[\"$all\"]}", u->u[0], u->u[u->n - 1],
		    i % 2 == 0 ? "add" : "remove");
		check_release(&x->c, mark);
	}
	for (i = 0; i + MOVED <= u->n && race_goes(x); i += MOVED) {
		ask_expunge(&x->c, x->race->box, check_text(&x->c, "%u:%u",
		    u->u[i], u->u[i + MOVED - 1]), NULL);
		check_release(&x->c, mark);
	}
	race_ended(x);
}

/*
 * Rows may be newer than the header; a listing in which none is must show
 * each change on all of its messages.
 */
static void
race_look_flags(struct racer *x)
{
	struct list	*l;
	uint64_t	 n;
	uint32_t	 i, with = 0;

	l = ask_list(&x->c, x->race->box, "?fields=uid,flags,modseq");
	for (i = 0; i < l->n; i++) {
		if (!val_number(l->m[i].row, "modseq", MODSEQ_MAX, &n) ||
		    n > l->modseq)
			return;
		with += (uint32_t)ask_has_flag(l->m[i].row, "$all");
	}
	if (with != 0 && with != l->n)
		check_fail(&x->c, "%u of %u messages have the flag that all "
		    "got in one request", with, l->n);
}

static void
race_read_flags(struct racer *x)
{
	void		*mark = check_mark(&x->c);
	uint64_t	 n;

	while (race_reads(x)) {
		race_look_flags(x);
		if (!val_number(ask_box_row(&x->c, x->race->box),
		    "messages", UINT32_MAX, &n) || n % MOVED != 0)
			check_fail(&x->c, "%llu messages are there, while "
			    "%d at a time go", (unsigned long long)n, MOVED);
		check_release(&x->c, mark);
	}
}

void
race_flags(struct ck *c)
{
	struct race *r = check_alloc(c, sizeof(*r));

	race_init(r, c, "race-flags");
	ask_fill(c, r->box, 60, &r->uids);
	race_add(r, race_toggle, 1);
	race_add(r, race_read_flags, 2);
	race_run(r, 1);
}

/* copies */

static void
race_copier(struct racer *x)
{
	void	*mark = check_mark(&x->c);
	int	 i;

	for (i = 0; i < COPIES && race_goes(x); i++) {
		ask_copy(&x->c, x->race->box, "1:4294967295",
		    x->race->target, 0);
		check_release(&x->c, mark);
	}
	race_ended(x);
}

static uint64_t
race_messages(struct racer *x, struct box *b)
{
	uint64_t n;

	if (!val_number(ask_box_row(&x->c, b), "messages", UINT32_MAX, &n))
		check_fail(&x->c, "the row has no number of messages");
	return n;
}

static void
race_read_copies(struct racer *x)
{
	void		*mark = check_mark(&x->c);
	uint64_t	 n;

	while (race_reads(x)) {
		if ((n = race_messages(x, x->race->target)) % COPIED != 0)
			check_fail(&x->c, "%llu messages are there, while "
			    "%d at a time are copied", (unsigned long long)n,
			    COPIED);
		check_release(&x->c, mark);
	}
}

void
race_copy(struct ck *c)
{
	struct race *r = check_alloc(c, sizeof(*r));

	race_init(r, c, "race-copy");
	r->target = ask_box(c, "race-target");
	ask_fill(c, r->box, COPIED, &r->uids);
	race_add(r, race_copier, 1);
	race_add(r, race_read_copies, 2);
	race_run(r, 1);
}

static void
race_mover(struct racer *x)
{
	struct uids	*u = &x->race->uids;
	void		*mark = check_mark(&x->c);
	uint32_t	 i;

	for (i = 0; i + MOVED <= u->n && race_goes(x); i += MOVED) {
		ask_copy(&x->c, x->race->box, check_text(&x->c, "%u:%u",
		    u->u[i], u->u[i + MOVED - 1]), x->race->target, 1);
		check_release(&x->c, mark);
	}
	race_ended(x);
}

/*
 * They go one way.  So who counts the source first counts some twice, but
 * misses none; who counts the target first the reverse.
 */
static void
race_read_moves(struct racer *x)
{
	struct race	*r = x->race;
	void		*mark = check_mark(&x->c);
	uint64_t	 s, t;

	while (race_reads(x)) {
		s = race_messages(x, r->box);
		t = race_messages(x, r->target);
		if (s + t < r->uids.n)
			check_fail(&x->c, "of %u messages %llu are in the "
			    "source and %llu in the target", r->uids.n,
			    (unsigned long long)s, (unsigned long long)t);
		t = race_messages(x, r->target);
		s = race_messages(x, r->box);
		if (s + t > r->uids.n)
			check_fail(&x->c, "of %u messages %llu are in the "
			    "target and %llu still in the source",
			    r->uids.n, (unsigned long long)t,
			    (unsigned long long)s);
		check_release(&x->c, mark);
	}
}

void
race_move(struct ck *c)
{
	struct race	*r = check_alloc(c, sizeof(*r));
	struct list	*s, *t;

	race_init(r, c, "race-move");
	r->target = ask_box(c, "race-target");
	ask_fill(c, r->box, MOVED * MOVES, &r->uids);
	race_add(r, race_mover, 1);
	race_add(r, race_read_moves, 2);
	race_run(r, 1);
	s = ask_list(c, r->box, "?fields=uid");
	t = ask_list(c, r->target, "?fields=uid");
	if (s->n != 0 || t->n != r->uids.n)
		check_fail(c, "of %u messages %u are left, and %u have "
		    "arrived", r->uids.n, s->n, t->n);
}
