/*
 * Mirrors of selected mailboxes: which messages there are, with which
 * flags, as of a modseq.  All sessions of an account that have the mailbox
 * open in this process share one.
 *
 * A mirror is proven while the storage's event stream lives under whose
 * epoch it was read, and has told of nothing newer.  Then nothing is asked.
 * What is heard makes it ask for the changes since its modseq; what we
 * change ourselves it takes from the answer, and waits for that when the
 * event is faster.  Without events it asks for the mailbox's row, at most
 * once a command and a poll interval, and compares.  As a belt it does so
 * now and then with events, too.
 */
#include <sys/types.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "imap.h"
#include "log.h"

#define CHANGES_MAX	64	/* told apart; older ones are joined */
#define ROWS_MAX	4096	/* cached of one mailbox */
#define MESSAGES_MAX	(1U << 26)	/* of a mailbox that can be served */
#define LIST_CREDIT	(512 * 1024)
#define HOLD_SECS	3	/* that others' changes may wait for ours */

static TAILQ_HEAD(, mirror) mirrors = TAILQ_HEAD_INITIALIZER(mirrors);
static struct tmo_class	check_class, poll_class, hold_class;

static void	mirror_ask(struct mirror *, struct lsession *);
static void	mirror_settled(struct mirror *, enum st_code, const char *);
static void	recent_left(struct mirror *, const struct iview *);

/* snaps */

void
snap_unref(struct snap *sn)
{
	if (sn == NULL || --sn->refs > 0)
		return;
	uidset_fini(&sn->uids);
	free(sn);
}

struct snap *
snap_new(const struct uidset *uids)
{
	struct snap *sn;

	if ((sn = calloc(1, sizeof(*sn))) == NULL ||
	    uidset_copy(&sn->uids, uids) == -1)
		fatal(NULL);
	sn->refs = 1;
	return sn;
}

/* All uids as of the last change, one copy for all views; a reference. */
struct snap *
mirror_snap(struct mirror *m)
{
	m->snap->refs++;
	return m->snap;
}

/*
 * What is being read of a change is not seen by any view before it is
 * whole: that is now.
 */
static void
mirror_publish(struct mirror *m)
{
	if (m->snap != NULL && uidset_equal(&m->snap->uids, &m->map.uids))
		return;
	snap_unref(m->snap);
	m->snap = snap_new(&m->map.uids);
}

/* making and freeing */

static int
mirror_is(const struct mirror *m, uint32_t egen, uint32_t acct)
{
	return m->egen == egen && m->acct == acct &&
	    m->state != MIRROR_GONE;
}

struct mirror *
mirror_find(struct imap *s, const struct imount *mt, const char *id)
{
	struct mirror *m;

	TAILQ_FOREACH(m, &mirrors, entry)
		if (mirror_is(m, s->ls.egen, mt->acct) &&
		    strcmp(m->id, id) == 0)
			return m;
	return NULL;
}

struct mirror *
mirror_get(struct imap *s, const struct imount *mt, const char *id)
{
	struct mirror *m;

	if ((m = mirror_find(s, mt, id)) != NULL)
		return m;
	if ((m = calloc(1, sizeof(*m))) == NULL ||
	    (m->id = strdup(id)) == NULL)
		fatal(NULL);
	m->egen = s->ls.egen;
	m->acct = mt->acct;
	m->storage = mt->storage;
	flagmap_init(&m->map);
	flagmap_init(&m->fresh);
	uidset_init(&m->before);
	uidset_init(&m->touched);
	uidset_init(&m->added);
	uidset_init(&m->recent);
	TAILQ_INIT(&m->changes);
	TAILQ_INIT(&m->stamped);
	TAILQ_INIT(&m->ahead);
	TAILQ_INIT(&m->views);
	TAILQ_INIT(&m->waiters);
	m->snap = snap_new(&m->map.uids);
	TAILQ_INSERT_HEAD(&mirrors, m, entry);
	return m;
}

static void
change_free(struct mirror *m, struct mchange *c)
{
	TAILQ_REMOVE(&m->changes, c, entry);
	m->nchanges--;
	uidset_fini(&c->uids);
	free(c);
}

static void
rows_free(struct mirror *m)
{
	size_t i;

	for (i = 0; i < m->nrows; i++)
		free(m->rows[i].id);
	free(m->rows);
	m->rows = NULL;
	m->nrows = m->rowcap = 0;
}

static void
stamps_clear(struct mirror *m)
{
	struct mchange *c;

	while ((c = TAILQ_FIRST(&m->stamped)) != NULL) {
		TAILQ_REMOVE(&m->stamped, c, entry);
		uidset_fini(&c->uids);
		free(c);
	}
	m->nstamped = 0;
}

/* Of a modseq up to which all is in the mirror, or all of them. */
static void
ahead_clear(struct mirror *m, uint64_t upto)
{
	struct mchange *c, *next;

	TAILQ_FOREACH_SAFE(c, &m->ahead, entry, next) {
		if (c->modseq > upto)
			continue;
		TAILQ_REMOVE(&m->ahead, c, entry);
		m->nahead--;
		uidset_fini(&c->uids);
		free(c);
	}
}

static void
mirror_free(struct mirror *m)
{
	struct mchange *c;

	st_cancel(&m->rq);
	tmo_stop(&m->check);
	tmo_stop(&m->hold);
	while ((c = TAILQ_FIRST(&m->changes)) != NULL)
		change_free(m, c);
	stamps_clear(m);
	ahead_clear(m, UINT64_MAX);
	rows_free(m);
	snap_unref(m->snap);
	flagmap_fini(&m->map);
	flagmap_fini(&m->fresh);
	uidset_fini(&m->before);
	uidset_fini(&m->touched);
	uidset_fini(&m->added);
	uidset_fini(&m->recent);
	TAILQ_REMOVE(&mirrors, m, entry);
	free(m->mstate);
	free(m->id);
	free(m);
}

void
mirror_attach(struct mirror *m, struct iview *v)
{
	v->m = m;
	TAILQ_INSERT_TAIL(&m->views, v, entry);
}

/* Nobody needs it: no view, and no command that waits for it. */
void
mirror_unused(struct mirror *m)
{
	if (TAILQ_EMPTY(&m->views) && TAILQ_EMPTY(&m->waiters) &&
	    !m->held && m->owns == 0)
		mirror_free(m);
}

void
mirror_detach(struct iview *v)
{
	struct mirror *m = v->m;

	TAILQ_REMOVE(&m->views, v, entry);
	v->m = NULL;
	recent_left(m, v);
	mirror_unused(m);
}

/* is it true? */

static uint32_t
mirror_epoch_now(const struct mirror *m)
{
	return lstorage_of(proc_find_gen(ROLE_ENGINE, m->egen),
	    m->storage)->epoch;
}

int
mirror_behind(const struct mirror *m)
{
	return m->told || m->heard > m->modseq;
}

int
mirror_proven(const struct mirror *m)
{
	return m->state == MIRROR_READY && m->epoch != 0 && !m->announcing &&
	    m->epoch == mirror_epoch_now(m) && !mirror_behind(m);
}

/* What the session that asks calls the mailbox's storage. */
static uint16_t
mirror_mount(const struct mirror *m, struct lsession *ls)
{
	struct imount *mt = imount_by_acct((struct imap *)ls, m->acct);

	return mt != NULL ? mt->number : 0;
}

/* changes */

/* Views that are further than a change need it no more. */
static void
changes_trim(struct mirror *m)
{
	struct mchange	*c;
	struct iview	*v;
	uint64_t	 least = UINT64_MAX;

	TAILQ_FOREACH(v, &m->views, entry)
		if (v->serial < least)
			least = v->serial;
	while ((c = TAILQ_FIRST(&m->changes)) != NULL && c->serial <= least)
		change_free(m, c);
	/* one that never asks gets old changes joined: some twice */
	while (m->nchanges > CHANGES_MAX) {
		struct mchange *d;

		c = TAILQ_FIRST(&m->changes);
		d = TAILQ_NEXT(c, entry);
		if (uidset_union(&d->uids, &c->uids) == -1)
			fatal(NULL);
		d->origin = 0;
		if (c->modseq > d->modseq)
			d->modseq = c->modseq;
		change_free(m, c);
	}
}

static void
mirror_changed(struct mirror *m, const struct uidset *uids, uint64_t modseq,
    uint32_t origin)
{
	struct mchange *c;

	if (uids->n == 0)
		return;
	if ((c = calloc(1, sizeof(*c))) == NULL ||
	    uidset_copy(&c->uids, uids) == -1)
		fatal(NULL);
	c->serial = ++m->serial;
	c->modseq = modseq;
	c->origin = origin;
	TAILQ_INSERT_TAIL(&m->changes, c, entry);
	m->nchanges++;
	changes_trim(m);
}

/* Sessions in IDLE are told at once, the others by their next command. */
static void
mirror_notify(struct mirror *m)
{
	struct iview *v;

	TAILQ_FOREACH(v, &m->views, entry)
		if (v->s->idling)
			imap_at_turn(v->s);
}

/*
 * Ours that are newer than the mirror's modseq.  A list may bring them once
 * more, or what was before them; both have been told, or are no news.
 * Of too many some are not kept: then it is told twice.
 */
static void
ahead_put(struct mirror *m, const struct uidset *uids, uint64_t modseq)
{
	struct mchange *c;

	if (modseq == 0 || uids->n == 0)
		return;
	TAILQ_FOREACH(c, &m->ahead, entry)
		if (c->modseq == modseq)
			break;
	if (c == NULL) {
		if (m->nahead == CHANGES_MAX)
			return;
		if ((c = calloc(1, sizeof(*c))) == NULL)
			fatal(NULL);
		c->modseq = modseq;
		TAILQ_INSERT_TAIL(&m->ahead, c, entry);
		m->nahead++;
	}
	if (uidset_union(&c->uids, uids) == -1)
		fatal(NULL);
}

/* Takes away what a row, or a change of ours, says nothing new of. */
static void
ahead_skip(struct mirror *m, uint64_t modseq, struct uidset *set)
{
	struct mchange *c;

	TAILQ_FOREACH(c, &m->ahead, entry)
		if (c->modseq >= modseq &&
		    uidset_subtract(set, &c->uids) == -1)
			fatal(NULL);
}

/* reading: the whole list, or what changed */

/* More different sets than anybody has are the one thing not kept. */
static uint32_t
flags_of_storage(struct flags *f, const char *text)
{
	uint32_t id = flags_from_text_lax(f, text, strlen(text));

	return id == FLAGS_ERR ? FLAGS_EMPTY : id;
}

/*
 * A row names as many messages as it likes, and some of what is asked of a
 * mailbox is done for each of them.
 */
static void
map_row(struct mirror *m, struct flagmap *map, const struct st_row *row,
    struct uidset *set)
{
	const char	*text = row->has & ROW_FLAGS ? row->flags : "";
	uint32_t	 id;

	id = flags_of_storage(&map->flags, text);
	if (msg_set_get(&row->uids, set) == -1)
		fatal("mirror");
	if (uidset_count(set) > MESSAGES_MAX - m->listed) {
		m->toomany = 1;
		uidset_clear(set);
		return;
	}
	m->listed += uidset_count(set);
	if (!m->filling && row->has & ROW_MODSEQ)
		ahead_skip(m, row->modseq, set);
	else
		ahead_clear(m, UINT64_MAX);
	if (flagmap_put(map, set, id) == -1)
		fatal("mirror");
}

/*
 * The change with a modseq, of those being read.  Of too many, some are
 * joined with later ones.
 */
static struct mchange *
stamp_get(struct mirror *m, uint64_t modseq)
{
	struct mchange *c, *new;

	TAILQ_FOREACH(c, &m->stamped, entry)
		if (c->modseq >= modseq)
			break;
	if (c != NULL && (c->modseq == modseq || m->nstamped == CHANGES_MAX))
		return c;
	if (m->nstamped == CHANGES_MAX) {
		c = TAILQ_LAST(&m->stamped, mchanges);
		c->modseq = modseq;
		return c;
	}
	if ((new = calloc(1, sizeof(*new))) == NULL)
		fatal(NULL);
	new->modseq = modseq;
	if (c != NULL)
		TAILQ_INSERT_BEFORE(c, new, entry);
	else
		TAILQ_INSERT_TAIL(&m->stamped, new, entry);
	m->nstamped++;
	return new;
}

/* What was read becomes what is told. */
static void
stamps_changed(struct mirror *m)
{
	struct mchange *c;

	while ((c = TAILQ_FIRST(&m->stamped)) != NULL) {
		TAILQ_REMOVE(&m->stamped, c, entry);
		c->serial = ++m->serial;
		TAILQ_INSERT_TAIL(&m->changes, c, entry);
		m->nchanges++;
	}
	m->nstamped = 0;
	changes_trim(m);
}

static void
change_row(struct mirror *m, const struct st_row *row)
{
	struct uidset set, new;

	uidset_init(&set);
	uidset_init(&new);
	map_row(m, &m->map, row, &set);
	if (uidset_copy(&new, &set) == -1 ||
	    uidset_subtract(&new, &m->before) == -1 ||
	    uidset_union(&m->added, &new) == -1 ||
	    uidset_subtract(&set, &new) == -1 ||
	    (set.n > 0 && uidset_union((row->has & ROW_MODSEQ) != 0 ?
	    &stamp_get(m, row->modseq)->uids : &m->touched, &set) == -1))
		fatal(NULL);
	uidset_fini(&set);
	uidset_fini(&new);
}

static void
mirror_rows(struct mirror *m, const struct m_st_rows *rows)
{
	struct ibuf	b;
	struct st_row	row;
	struct uidset	set;
	int		r;

	ibuf_from_buffer(&b, rows->rows.p, rows->rows.len);
	uidset_init(&set);
	while ((r = strow_get(&b, &row)) == 1) {
		if (m->filling)
			map_row(m, &m->fresh, &row, &set);
		else
			change_row(m, &row);
	}
	uidset_fini(&set);
	if (r == -1)
		log_warnx("malformed rows from the engine");
	st_credit(&m->rq, (uint32_t)rows->rows.len);
}

static void
mirror_vanished(struct mirror *m, const struct m_st_vanished *v)
{
	struct uidset set;

	if (m->filling)
		return;
	uidset_init(&set);
	if (msg_set_get(&v->uids, &set) == -1 ||
	    flagmap_remove(&m->map, &set) == -1)
		fatal(NULL);
	uidset_fini(&set);
}

static void
mirror_head(struct mirror *m, const struct m_st_head *h)
{
	m->head = *h;
	m->head.flags = NULL;
	if (!m->filling && !h->since)
		m->filling = 1;
	if (m->filling) {
		flagmap_fini(&m->fresh);
		flagmap_init(&m->fresh);
	}
	/* learn the keywords in the storage's order */
	(void)flags_of_storage(m->filling ? &m->fresh.flags : &m->map.flags,
	    h->flags);
}

/* By text, since the two maps have tables of their own. */
static int
map_same(struct mirror *m, uint32_t fresh, uint32_t old)
{
	const char	*a, *b;
	size_t		 alen, blen;

	a = flags_text(&m->fresh.flags, fresh, &alen);
	b = flags_text(&m->map.flags, old, &blen);
	return a != NULL && b != NULL && alen == blen &&
	    memcmp(a, b, alen) == 0;
}

/* A new list replaces the old: whose flags differ? */
static void
map_diff(struct mirror *m, struct uidset *out)
{
	struct flagmap_iter	 it, was;
	struct uidset		 run;
	uint32_t		 lo, hi, id, wlo, whi, old;

	uidset_init(&run);
	flagmap_iter(&it, &m->fresh, &m->map.uids);
	while (flagmap_next(&it, &lo, &hi, &id)) {
		uidset_clear(&run);
		if (uidset_add(&run, lo, hi) == -1)
			fatal(NULL);
		flagmap_iter(&was, &m->map, &run);
		while (flagmap_next(&was, &wlo, &whi, &old))
			if (!map_same(m, id, old) &&
			    uidset_add(out, wlo, whi) == -1)
				fatal(NULL);
	}
	uidset_fini(&run);
}

static void
mirror_replace(struct mirror *m)
{
	struct flagmap	t;
	struct uidset	new;

	if (m->state == MIRROR_READY)
		map_diff(m, &m->touched);
	uidset_init(&new);
	if (uidset_copy(&new, &m->fresh.uids) == -1 ||
	    uidset_subtract(&new, &m->map.uids) == -1 ||
	    uidset_union(&m->added, &new) == -1)
		fatal(NULL);
	uidset_fini(&new);
	ahead_clear(m, UINT64_MAX);
	t = m->map;
	m->map = m->fresh;
	m->fresh = t;
	flagmap_fini(&m->fresh);
	flagmap_init(&m->fresh);
}

/*
 * \Recent.  What was taken from the engine waits in m->recent for the first
 * read-write view that is told of it, whichever that is; those that only
 * look have it as well until then.  If no view is left that might take it,
 * it goes back.
 */

static int
recent_wanted(const struct mirror *m)
{
	const struct iview *v;

	TAILQ_FOREACH(v, &m->views, entry)
		if (!v->read_only && !v->leaving)
			return 1;
	return 0;
}

/* Of what somebody was told of nothing is left for others. */
static void
recent_prune(struct mirror *m)
{
	if (m->recent_top > 0 &&
	    uidset_remove(&m->recent, 1, m->recent_top) == -1)
		fatal(NULL);
}

static void
recent_add(struct mirror *m, const struct uidset *uids)
{
	if (uidset_union(&m->recent, uids) == -1)
		fatal(NULL);
	recent_prune(m);
}

/* To those that only look: they take none away. */
static void
recent_show(struct mirror *m, const struct uidset *uids)
{
	struct iview *v;

	TAILQ_FOREACH(v, &m->views, entry)
		if (v->read_only && uidset_union(&v->recent, uids) == -1)
			fatal(NULL);
}

void
mirror_told(struct iview *v, const struct uidset *uids)
{
	struct mirror	*m = v->m;
	struct uidset	 set;

	uidset_init(&set);
	if (uidset_copy(&set, &m->recent) == -1 ||
	    uidset_intersect(&set, uids) == -1 ||
	    uidset_union(&v->recent, &set) == -1)
		fatal(NULL);
	if (!v->read_only && uidset_max(uids) > m->recent_top)
		m->recent_top = uidset_max(uids);
	recent_prune(m);
	uidset_fini(&set);
}

/*
 * For a session that goes another one says so, if there is one: it might be
 * unknown to the engine before that reads this.
 */
static void
recent_send_back(struct mirror *m, struct lsession *ls, uint16_t mount,
    uint32_t first)
{
	struct m_st_recent	 q;
	struct iview		*v;

	memset(&q, 0, sizeof(q));
	q.mount = mount;
	TAILQ_FOREACH(v, &m->views, entry)
		if ((v->s->ls.flags & LS_ENDING) == 0) {
			ls = &v->s->ls;
			q.mount = v->mount->number;
			break;
		}
	q.mailbox = m->id;
	q.uidnext = first > m->recent_top ? first : m->recent_top + 1;
	q.take = RECENT_GIVE;
	st_tell(ls, M_st_recent, &q);
}

static void
recent_back(struct mirror *m, struct lsession *ls, uint16_t mount)
{
	if (m->recent.n == 0 || recent_wanted(m))
		return;
	recent_send_back(m, ls, mount, uidset_min(&m->recent));
	recent_show(m, &m->recent);
	uidset_clear(&m->recent);
}

/* Its session goes before the engine's answer: it will be asked again. */
static void
recent_unanswered(struct mirror *m, struct lsession *ls)
{
	if (m->announcing && m->recent_take == RECENT_TAKE)
		recent_send_back(m, ls, mirror_mount(m, ls),
		    uidset_min(&m->added));
}

int
mirror_untold(const struct mirror *m)
{
	return m->recent.n > 0;
}

void
mirror_forgo(struct iview *v)
{
	v->leaving = 1;
	recent_back(v->m, &v->s->ls, v->mount->number);
}

/* A view has gone; what it had before it was told so is free again. */
static void
recent_left(struct mirror *m, const struct iview *v)
{
	if (!v->told && !v->read_only)
		recent_add(m, &v->recent);
	recent_back(m, &v->s->ls, v->mount->number);
}

static void
recent_give(struct mirror *m, struct lsession *ls)
{
	if (m->recent_take != RECENT_TAKE) {
		recent_show(m, &m->added);
		return;
	}
	recent_add(m, &m->added);
	/* who was to be told may have gone meanwhile */
	recent_back(m, ls, mirror_mount(m, ls));
}

static void
recent_answer(struct streq *rq, enum msg_type type, const void *arg)
{
	struct mirror	*m = rq->arg;
	struct lsession	*ls = m->asker;

	if (type == M_st_recent_ok) {
		m->recent_first = ((const struct m_st_recent_ok *)arg)->first;
		return;
	}
	if (type != M_st_end)
		return;
	m->asker = NULL;
	m->announcing = 0;
	if (m->recent_first > 0) {
		if (m->recent_first > 1)
			(void)uidset_remove(&m->added, 1,
			    m->recent_first - 1);
		recent_give(m, ls);
	}
	mirror_publish(m);
	mirror_settled(m, ST_OK, "");
}

/*
 * The list is in; who else may be told of the new messages first?  They are
 * announced when it is known whose \Recent they are.
 */
static void
mirror_recent(struct mirror *m)
{
	struct m_st_recent	 q;
	struct lsession		*ls = m->asker;

	if (m->added.n == 0 || TAILQ_EMPTY(&m->views) || m->fresh_fill) {
		m->asker = NULL;
		m->announcing = 0;
		mirror_publish(m);
		mirror_settled(m, ST_OK, "");
		return;
	}
	memset(&q, 0, sizeof(q));
	q.mount = mirror_mount(m, ls);
	q.mailbox = m->id;
	q.uidnext = m->uidnext;
	q.take = recent_wanted(m) ? RECENT_TAKE : RECENT_LOOK;
	m->recent_take = q.take;
	m->recent_first = 0;
	m->announcing = 1;
	m->rq.answer = recent_answer;
	st_send(ls, &m->rq, M_st_recent, &q);
}

static void
mirror_gone(struct mirror *m)
{
	struct iview *v;

	m->held++;
	m->state = MIRROR_GONE;
	m->asker = NULL;
	mirror_settled(m, ST_NO_SUCH_MAILBOX, "The mailbox was deleted");
	/* they keep what they have until they are closed */
	TAILQ_FOREACH(v, &m->views, entry)
		view_lost(v->s);
	m->held--;
	mirror_unused(m);
}

static void
mirror_list_end(struct mirror *m, const struct m_st_end *end)
{
	static const struct m_st_end nonsense = { .code = ST_NONSENSE };
	struct lsession *ls = m->asker;

	if (end->code == ST_OK && m->toomany) {
		log_warnx("a mailbox with more than %u messages",
		    MESSAGES_MAX);
		end = &nonsense;
	}
	if (end->code == ST_NO_SUCH_MAILBOX ||
	    end->code == ST_NO_SUCH_ACCOUNT) {
		mirror_gone(m);
		return;
	}
	if (end->code == ST_SINCE_TOO_OLD && !m->filling) {
		m->asker = NULL;
		m->refill = 1;
		mirror_ask(m, ls);
		return;
	}
	if (end->code != ST_OK) {
		/* what changes came are in; the rest comes with the next */
		mirror_publish(m);
		mirror_changed(m, &m->touched, 0, 0);
		stamps_changed(m);
		m->asker = NULL;
		mirror_settled(m, end->code, st_error(end->code)->text);
		return;
	}
	m->fresh_fill = m->state == MIRROR_EMPTY;
	if (m->filling)
		mirror_replace(m);
	m->refill = 0;
	m->state = MIRROR_READY;
	m->uidvalidity = m->head.uidvalidity;
	m->uidnext = m->head.uidnext;
	if (uidset_max(&m->map.uids) >= m->uidnext)
		m->uidnext = uidset_max(&m->map.uids) + 1;
	if (m->head.modseq > m->modseq || m->filling)
		m->modseq = m->head.modseq;
	ahead_clear(m, m->modseq);
	m->epoch = m->head.epoch;
	m->polled = tmo_now();
	if (!m->again)
		m->told = 0;
	mirror_changed(m, &m->touched, m->modseq, 0);
	stamps_changed(m);
	flagmap_tidy(&m->map);
	mirror_recent(m);
}

static void
mirror_answer(struct streq *rq, enum msg_type type, const void *arg)
{
	struct mirror *m = rq->arg;

	switch (type) {
	case M_st_head:
		mirror_head(m, arg);
		break;
	case M_st_rows:
		mirror_rows(m, arg);
		break;
	case M_st_vanished:
		mirror_vanished(m, arg);
		break;
	case M_st_end:
		mirror_list_end(m, arg);
		break;
	default:
		break;
	}
}

/* Asks for the changes, or for everything. */
static void
mirror_ask(struct mirror *m, struct lsession *ls)
{
	struct m_st_list q;

	memset(&q, 0, sizeof(q));
	q.mount = mirror_mount(m, ls);
	q.mailbox = m->id;
	q.fields = ROW_FLAGS;
	q.credit = LIST_CREDIT;
	m->filling = m->state == MIRROR_EMPTY || m->modseq == 0 || m->refill;
	if (!m->filling) {
		q.since = m->modseq;
		q.fields |= ROW_MODSEQ;
	}
	m->since = m->filling ? UINT64_MAX : m->modseq;
	m->listed = 0;
	m->toomany = 0;
	uidset_clear(&m->touched);
	stamps_clear(m);
	/* whose asker went before it was answered are new still */
	if (!m->announcing)
		uidset_clear(&m->added);
	if (uidset_copy(&m->before, &m->map.uids) == -1)
		fatal(NULL);
	m->again = 0;
	m->asker = ls;
	m->rq.answer = mirror_answer;
	m->rq.arg = m;
	if (m->filling)
		imap_counts.fills++;
	else
		imap_counts.refreshes++;
	st_send(ls, &m->rq, M_st_list, &q);
}

/* the cheap question: did anything change? */

static int
row_differs(const struct mirror *m, const struct m_st_mbox *r)
{
	if (r->has & MBOX_MODSEQ)
		return r->modseq != m->modseq;
	if (r->has & MBOX_STATE)
		return m->mstate == NULL || strcmp(m->mstate, r->state) != 0;
	/* flags of such a store can only be compared one by one */
	return 1;
}

static void
check_answer(struct streq *rq, enum msg_type type, const void *arg)
{
	struct mirror		*m = rq->arg;
	const struct m_st_end	*end = arg;
	struct lsession		*ls = m->asker;

	if (type == M_st_mbox) {
		const struct m_st_mbox *r = arg;

		m->row_differs = row_differs(m, r);
		if (r->has & MBOX_STATE) {
			free(m->mstate);
			m->mstate = strdup(r->state);
		}
		m->row_epoch = r->epoch;
		return;
	}
	if (type != M_st_end)
		return;
	m->asker = NULL;
	if (end->code == ST_NO_SUCH_MAILBOX) {
		mirror_gone(m);
		return;
	}
	if (end->code != ST_OK) {
		mirror_settled(m, end->code, st_error(end->code)->text);
		return;
	}
	m->polled = tmo_now();
	if (m->row_differs) {
		if (m->by_check && !mirror_behind(m)) {
			/* the events were not true: said, and mended */
			imap_counts.mended++;
			log_warnx("mailbox %s: a change that no event told",
			    m->id);
		}
		mirror_ask(m, ls);
		return;
	}
	if (!mirror_behind(m))
		m->epoch = m->row_epoch;
	mirror_settled(m, ST_OK, "");
}

static void
mirror_check(struct mirror *m, struct lsession *ls)
{
	struct m_st_mailbox q;

	memset(&q, 0, sizeof(q));
	q.mount = mirror_mount(m, ls);
	q.mailbox = m->id;
	m->row_differs = 1;
	m->again = 0;
	m->asker = ls;
	m->rq.answer = check_answer;
	m->rq.arg = m;
	st_send(ls, &m->rq, M_st_mailbox, &q);
}

/* asking, and who waits */

static struct lsession *
mirror_any_session(struct mirror *m)
{
	struct iview	*v;
	struct iop	*op;

	TAILQ_FOREACH(v, &m->views, entry)
		if ((v->s->ls.flags & LS_ENDING) == 0)
			return &v->s->ls;
	TAILQ_FOREACH(op, &m->waiters, wait)
		return &op->s->ls;
	return NULL;
}

/* One way or the other, as little as makes it true. */
static void
mirror_start(struct mirror *m)
{
	struct lsession *ls;

	if (m->asker != NULL) {
		m->again = 1;
		return;
	}
	if ((ls = mirror_any_session(m)) == NULL)
		return;
	m->by_check = 0;
	if (m->state == MIRROR_EMPTY || mirror_behind(m)) {
		mirror_ask(m, ls);
	} else {
		imap_counts.polls++;
		mirror_check(m, ls);
	}
}

void
mirror_refresh(struct mirror *m)
{
	if (!mirror_proven(m))
		mirror_start(m);
}

static int
mirror_idled(const struct mirror *m)
{
	const struct iview *v;

	TAILQ_FOREACH(v, &m->views, entry)
		if (v->s->idling)
			return 1;
	return 0;
}

/* Is it not true, to somebody who is to be told so without asking? */
static int
mirror_missed(const struct mirror *m)
{
	return m->state != MIRROR_GONE && !mirror_proven(m) &&
	    mirror_idled(m);
}

/*
 * It was heard of a change, which those who idle are to be told.  While a
 * request of ours is out it is most likely that one's: its answer says
 * more.  But it may be slow, and the change another.
 */
static void
mirror_news(struct mirror *m)
{
	if (!mirror_missed(m))
		return;
	if (m->owns == 0)
		mirror_start(m);
	else if (m->hold.class == NULL)
		tmo_start(&m->hold, &hold_class);
}

static void
hold_fired(struct tmo *t)
{
	struct mirror *m;

	m = (struct mirror *)(void *)((char *)t -
	    offsetof(struct mirror, hold));
	if (mirror_missed(m))
		mirror_start(m);
}

/* Nothing of ours is out any more: what is left is others'. */
static void
mirror_unhold(struct mirror *m)
{
	if (m->owns > 0 || m->hold.class == NULL)
		return;
	tmo_stop(&m->hold);
	mirror_news(m);
}

/*
 * Has what was heard while it was asked to be asked for?  A new engine, or a
 * new stream, proves nothing of what was asked before it; who idles asks for
 * nothing himself.
 */
static int
mirror_more(const struct mirror *m, enum st_code code)
{
	if (!m->again)
		return 0;
	if (code != ST_OK)
		return mirror_missed(m) && m->rq.egen != m->egen;
	return mirror_behind(m) ||
	    (mirror_missed(m) && mirror_epoch_now(m) != 0);
}

/* An answer is in: wake who waits, ask again if more was heard. */
static void
mirror_settled(struct mirror *m, enum st_code code, const char *text)
{
	int more = mirror_more(m, code);

	m->held++;
	mirror_timer(m);
	if (!more || code != ST_OK)
		iop_wake(&m->waiters, code, text);
	if (more && m->owns > 0 && TAILQ_EMPTY(&m->waiters))
		mirror_news(m);
	else if (more && m->asker == NULL)
		mirror_start(m);
	mirror_notify(m);
	m->held--;
	mirror_unused(m);
}

void
mirror_need(struct iop *op, struct mirror *m, void (*f)(struct iop *,
    enum st_code, const char *))
{
	time_t age = tmo_now() - m->polled;

	if (mirror_proven(m) || (m->state == MIRROR_READY &&
	    m->asker == NULL && !mirror_behind(m) && m->polled != 0 &&
	    mirror_epoch_now(m) == 0 && age < 1)) {
		f(op, ST_OK, "");
		return;
	}
	iop_wait(op, &m->waiters, f);
	mirror_start(m);
}

/* The session whose question it was is gone: another one asks. */
void
mirror_session_gone(struct imap *s)
{
	struct mirror *m, *next;

	TAILQ_FOREACH_SAFE(m, &mirrors, entry, next) {
		if (m->asker == &s->ls) {
			recent_unanswered(m, m->asker);
			m->asker = NULL;
			m->told = 1;
			if (mirror_any_session(m) != NULL)
				mirror_start(m);
		} else
			mirror_unhold(m);
		mirror_unused(m);
	}
}

/* what the storage tells */

void
mirror_event(struct proc_peer *p, const struct m_st_event *e)
{
	struct mirror *m;

	TAILQ_FOREACH(m, &mirrors, entry) {
		if (!mirror_is(m, p->gen, e->acct) ||
		    (*e->mailbox != '\0' && strcmp(m->id, e->mailbox) != 0))
			continue;
		/* the list of mailboxes changed: is this one still there? */
		if (*e->mailbox == '\0') {
			m->epoch = 0;
		} else if (e->modseq == 0)
			m->told = 1;
		else if (e->modseq > m->heard)
			m->heard = e->modseq;
		if (m->asker != NULL)
			m->again = 1;
		mirror_news(m);
	}
}

/* A stream that broke off proves nothing; a new one has to be met. */
void
mirror_stream(struct proc_peer *p, const struct lstorage *st)
{
	struct mirror *m;

	TAILQ_FOREACH(m, &mirrors, entry) {
		if (m->egen != p->gen || m->storage != st->id)
			continue;
		mirror_timer(m);
		if (st->epoch != 0 && !mirror_proven(m) && mirror_idled(m))
			mirror_start(m);
	}
}

void
mirror_engine_down(struct proc_peer *p)
{
	struct mirror *m;

	TAILQ_FOREACH(m, &mirrors, entry)
		if (m->egen == p->gen)
			m->epoch = 0;
}

/* The account's number at the new engine: the mirror goes on under it. */
void
mirror_regranted(struct imap *s)
{
	struct mirror	*m;
	uint32_t	 acct;

	if (s->view == NULL)
		return;
	m = s->view->m;
	acct = s->view->mount->acct;
	if (acct == 0 || (m->egen == s->ls.egen && m->acct == acct))
		return;
	m->egen = s->ls.egen;
	m->acct = acct;
	m->epoch = 0;
	/* the stream that would tell them may have begun before */
	if (mirror_idled(m))
		mirror_start(m);
}

/* the belt, and polling */

static void
timer_fired(struct tmo *t)
{
	struct mirror	*m;
	struct lsession	*ls;

	m = (struct mirror *)(void *)((char *)t -
	    offsetof(struct mirror, check));
	/* without events the others ask when they have a command */
	if (m->asker != NULL || m->state != MIRROR_READY ||
	    (!mirror_proven(m) && !mirror_idled(m)) ||
	    (ls = mirror_any_session(m)) == NULL) {
		mirror_timer(m);
		return;
	}
	m->by_check = mirror_proven(m);
	if (m->by_check)
		imap_counts.checks++;
	else
		imap_counts.polls++;
	mirror_check(m, ls);
}

/*
 * With events now and then; without them, or when what one told could not be
 * had, each poll interval.
 */
void
mirror_timer(struct mirror *m)
{
	tmo_start(&m->check, mirror_epoch_now(m) != 0 && !mirror_behind(m) ?
	    &check_class : &poll_class);
}

void
mirror_init(void)
{
	tmo_class_init(&check_class, 600, timer_fired);
	tmo_class_init(&poll_class, 30, timer_fired);
	tmo_class_init(&hold_class, HOLD_SECS, hold_fired);
}

void
mirror_limits(void)
{
	tmo_class_set(&check_class, (int)llimits.check);
	tmo_class_set(&poll_class, (int)llimits.poll);
}

/* what we changed ourselves */

/* There is a change that the mirror does not have. */
void
mirror_heard(struct mirror *m, uint64_t modseq)
{
	if (modseq == 0)
		m->told = 1;
	else if (modseq > m->heard)
		m->heard = modseq;
}

/* Is a list coming in? */
static int
mirror_listing(const struct mirror *m)
{
	return m->asker != NULL && m->rq.answer == mirror_answer;
}

/*
 * Is this the change that comes next?  One that is in the mirror already
 * (an event was faster) must not be applied again, it may be outdated.
 */
int
mirror_current(const struct mirror *m, const struct m_st_change *c)
{
	return m->state == MIRROR_READY &&
	    (c->modseq == 0 || c->modseq > m->modseq);
}

void
mirror_own_begin(struct mirror *m, struct mown *o)
{
	o->out = m;
	m->owns++;
}

/* What came of the answer is in the mirror, and lists do not tell it. */
static void
own_failed(struct mirror *m, struct mown *o)
{
	if (!o->apply)
		return;
	mirror_changed(m, &o->touched, o->change.modseq, 0);
	mirror_heard(m, o->change.modseq);
	mirror_notify(m);
	o->apply = 0;
}

void
mirror_own_drop(struct mown *o)
{
	if (o->out == NULL)
		return;
	own_failed(o->out, o);
	o->out->owns--;
	o->out = NULL;
}

void
mirror_own_over(struct mown *o)
{
	struct mirror *m = o->out;

	if (m == NULL)
		return;
	mirror_own_drop(o);
	mirror_unhold(m);
}

/*
 * A list that is coming in may be newer than our change, or older: of each
 * message the newest stays, and is told once.
 */
static void
own_against_list(struct mirror *m, uint64_t modseq, struct uidset *set)
{
	struct mchange *c;

	TAILQ_FOREACH(c, &m->stamped, entry)
		if (c->modseq > modseq &&
		    uidset_subtract(set, &c->uids) == -1)
			fatal(NULL);
	TAILQ_FOREACH(c, &m->stamped, entry)
		if (c->modseq <= modseq &&
		    uidset_subtract(&c->uids, set) == -1)
			fatal(NULL);
}

static void
own_apply(struct mirror *m, uint64_t modseq, struct uidset *set,
    const char *text)
{
	uint32_t id = flags_of_storage(&m->map.flags, text);

	if (modseq != 0) {
		ahead_skip(m, modseq, set);
		own_against_list(m, modseq, set);
	}
	/* a list that came in since has it, or what was after it */
	if (modseq != 0 && modseq <= m->modseq)
		uidset_clear(set);
	if (uidset_intersect(set, &m->map.uids) == -1 ||
	    flagmap_set(&m->map, set, id) == -1)
		fatal(NULL);
	ahead_put(m, set, modseq);
}

void
mirror_own_flags(struct mirror *m, struct mown *o,
    const struct msg_set *uids, const char *text)
{
	struct uidset set;

	uidset_init(&set);
	if (msg_set_get(uids, &set) == -1)
		fatal(NULL);
	if (o->apply)
		own_apply(m, o->change.modseq, &set, text);
	if (uidset_union(&o->touched, &set) == -1)
		fatal(NULL);
	uidset_fini(&set);
}

void
mirror_own_removed(struct mirror *m, const struct uidset *uids)
{
	if (flagmap_remove(&m->map, uids) == -1)
		fatal(NULL);
	mirror_publish(m);
}

void
mirror_own_done(struct mirror *m, const struct m_st_change *c,
    const struct uidset *touched, uint32_t origin)
{
	if (touched != NULL)
		mirror_changed(m, touched, c->modseq, origin);
	/* a list that comes in may be older, and undo it for a moment */
	if (c->modseq != 0 && c->before == m->modseq && !mirror_listing(m))
		m->modseq = c->modseq;
	else if (c->modseq == 0 || c->modseq != c->before)
		mirror_heard(m, c->modseq);
	ahead_clear(m, m->modseq);
	mirror_notify(m);
	/* others came in between; who idles is to hear of them */
	if (mirror_behind(m) && m->asker != NULL)
		m->again = 1;
}

/*
 * Who is told of a change as if others had made it.  Its session knows what
 * became of the flags if it has been told so, or if they were before what it
 * thinks they were.
 */
static uint32_t
own_origin(const struct mown *o, uint64_t known)
{
	return o->silent && o->change.before != known ? 0 : o->origin;
}

/* A list was faster, and did not know that it was us. */
static void
own_known(struct mirror *m, const struct mown *o)
{
	struct mchange	*c;
	struct uidset	 others;

	uidset_init(&others);
	TAILQ_FOREACH(c, &m->changes, entry) {
		if (c->modseq == 0 || c->modseq != o->change.modseq)
			continue;
		if (uidset_copy(&others, &c->uids) == -1 ||
		    uidset_subtract(&others, &o->touched) == -1)
			fatal(NULL);
		if (others.n == 0)
			c->origin = own_origin(o, m->since);
	}
	uidset_fini(&others);
}

void
mirror_own_settle(struct mirror *m, struct mown *o,
    const struct m_st_end *end)
{
	int ok = end == NULL || end->code == ST_OK;

	if (o->apply && ok)
		mirror_own_done(m, &o->change, &o->touched,
		    own_origin(o, m->modseq));
	else if (ok)
		own_known(m, o);
	else
		own_failed(m, o);
	o->incomplete = end != NULL && end->begun;
	uidset_clear(&o->touched);
	o->apply = 0;
	if (end != NULL)
		mirror_own_over(o);
}

void
mirror_own_change(struct mirror *m, struct mown *o,
    const struct m_st_change *c)
{
	mirror_own_settle(m, o, NULL);
	o->change = *c;
	o->change.mailbox = NULL;
	o->apply = mirror_current(m, c);
}

void
mirror_disown(struct mirror *m, uint32_t origin)
{
	struct mchange *c;

	TAILQ_FOREACH(c, &m->changes, entry)
		if (c->origin == origin)
			c->origin = 0;
}

/* A message that we put there: the mirror has it if nothing else came. */
void
mirror_own_added(struct mirror *m, uint32_t uid, const char *flags,
    uint64_t before, uint64_t modseq)
{
	uint32_t id;

	if (m->state != MIRROR_READY || before != m->modseq || modseq == 0 ||
	    m->asker != NULL || !TAILQ_EMPTY(&m->views)) {
		/* views want \Recent settled: let it be listed */
		if (modseq > m->heard)
			m->heard = modseq;
		if (modseq == 0)
			m->told = 1;
		if (m->asker != NULL)
			m->again = 1;
		return;
	}
	id = flags_of_storage(&m->map.flags, flags);
	if (flagmap_add(&m->map, uid, uid, id) == -1) {
		m->told = 1;
		return;
	}
	m->modseq = modseq;
	if (uid >= m->uidnext)
		m->uidnext = uid + 1;
	mirror_publish(m);
}

/* what never changes of a message */

static size_t
row_place(const struct mirror *m, uint32_t uid)
{
	size_t lo = 0, hi = m->nrows, mid;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (m->rows[mid].uid < uid)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

struct mrow *
mirror_row(struct mirror *m, uint32_t uid)
{
	size_t i = row_place(m, uid);

	return i < m->nrows && m->rows[i].uid == uid ? &m->rows[i] : NULL;
}

void
mirror_row_put(struct mirror *m, uint32_t uid, const struct st_row *r)
{
	struct mrow	*v;
	size_t		 i, cap;

	if ((r->has & (ROW_ID | ROW_SIZE | ROW_DATE)) !=
	    (ROW_ID | ROW_SIZE | ROW_DATE))
		return;
	if (m->nrows >= ROWS_MAX)
		rows_free(m);
	i = row_place(m, uid);
	if (i < m->nrows && m->rows[i].uid == uid)
		return;
	if (m->nrows == m->rowcap) {
		cap = m->rowcap == 0 ? 32 : m->rowcap * 2;
		if ((v = reallocarray(m->rows, cap, sizeof(*v))) == NULL)
			return;
		m->rows = v;
		m->rowcap = cap;
	}
	memmove(m->rows + i + 1, m->rows + i,
	    (m->nrows - i) * sizeof(*m->rows));
	v = &m->rows[i];
	v->uid = uid;
	v->size = r->size;
	v->date = r->date;
	v->zone = r->zone;
	m->nrows++;
	if ((v->id = strdup(r->id)) == NULL)
		fatal(NULL);
}
