#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "flagmap.h"

#define TIDY_FIRST	256

void
flagmap_init(struct flagmap *m)
{
	memset(m, 0, sizeof(*m));
	uidset_init(&m->uids);
	flags_init(&m->flags);
	m->tidy_at = TIDY_FIRST;
}

void
flagmap_fini(struct flagmap *m)
{
	uidset_fini(&m->uids);
	flags_fini(&m->flags);
	free(m->run);
	flagmap_init(m);
}

/* The first range of a set that does not end before uid; set->n if none. */
static uint32_t
range_find(const struct uidset *s, uint64_t uid)
{
	uint32_t	lo = 0, hi = s->n, mid;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (s->r[mid].hi < uid)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* The same, from where it may be already. */
static uint32_t
range_find_near(const struct uidset *s, uint64_t uid, uint32_t i)
{
	if (i < s->n && s->r[i].hi < uid)
		i++;
	if (i < s->n && s->r[i].hi >= uid &&
	    (i == 0 || s->r[i - 1].hi < uid))
		return i;
	return range_find(s, uid);
}

/* The run that holds a uid; one less than 0 if it is before all. */
static int64_t
run_find(const struct flagmap *m, uint64_t uid)
{
	uint32_t	lo = 0, hi = m->n, mid;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (m->run[mid].lo <= uid)
			lo = mid + 1;
		else
			hi = mid;
	}
	return (int64_t)lo - 1;
}

/* The last uid, existing or not, of a run. */
static uint32_t
run_end(const struct flagmap *m, uint32_t i)
{
	return i + 1 < m->n ? m->run[i + 1].lo - 1 : UINT32_MAX;
}

static int
run_room(struct flagmap *m, uint32_t n)
{
	struct flagrun	*run;
	uint32_t	 cap;

	if (n <= m->cap)
		return 0;
	cap = m->cap + m->cap / 2;
	if (cap < n)
		cap = n < 4 ? 4 : n;
	if ((run = reallocarray(m->run, cap, sizeof(*run))) == NULL)
		return -1;
	m->run = run;
	m->cap = cap;
	return 0;
}

/*
 * A change is made in a window: for the uids from its first to its last,
 * the runs are written anew beside the old ones, then put in their place.
 * So a change of one message costs little, and one of all is linear.
 */
struct window {
	struct flagmap	*m;
	struct flagrun	*run;		/* the new ones */
	uint32_t	 n;
	uint32_t	 cap;
	uint32_t	 before;	/* set of the message before, or */
	int		 has_before;
};

static int
window_put(struct window *w, uint32_t lo, uint32_t id)
{
	struct flagrun	*run;
	uint32_t	 cap;

	if (w->n > 0 ? w->run[w->n - 1].id == id :
	    w->has_before && w->before == id)
		return 0;
	if (w->n == w->cap) {
		cap = w->cap == 0 ? 8 : w->cap * 2;
		run = reallocarray(w->run, cap, sizeof(*run));
		if (run == NULL)
			return -1;
		w->run = run;
		w->cap = cap;
	}
	w->run[w->n].lo = lo;
	w->run[w->n++].id = id;
	return 0;
}

/* Puts the new runs where the runs from, from + 1 .. to - 1 were. */
static int
window_commit(struct window *w, uint32_t from, uint32_t to)
{
	struct flagmap	*m = w->m;
	uint32_t	 n = m->n - (to - from) + w->n;

	if (run_room(m, n) == -1)
		return -1;
	memmove(m->run + from + w->n, m->run + to,
	    (m->n - to) * sizeof(*m->run));
	if (w->n > 0)
		memcpy(m->run + from, w->run, w->n * sizeof(*m->run));
	m->n = n;
	return 0;
}

/*
 * The end of a window: the message behind it keeps its set, by a run of its
 * own if need be.  to is the first run that begins behind the window.
 */
static int
window_close(struct window *w, uint32_t from, uint32_t to, uint32_t last)
{
	struct flagmap	*m = w->m;
	uint32_t	 i, next;

	i = last == UINT32_MAX ? m->uids.n :
	    range_find(&m->uids, (uint64_t)last + 1);
	if (i < m->uids.n) {
		next = m->uids.r[i].lo > last ? m->uids.r[i].lo : last + 1;
		if (to < m->n && m->run[to].lo == next)
			to++;
		/* to - 1 is the run that has held next so far */
		if (window_put(w, next, m->run[to - 1].id) == -1)
			return -1;
	}
	return window_commit(w, from, to);
}

/* How a change makes one set of flags from another; the last few kept. */
struct change {
	struct flags	*f;
	uint32_t	 (*op)(struct flags *, uint32_t, uint32_t);
	uint32_t	 with;
	struct {
		uint32_t	from;
		uint32_t	to;
		int		set;
	} cache[16];
};

static uint32_t
change_id(struct change *c, uint32_t id)
{
	uint32_t	to, slot = id % 16;

	if (c->op == NULL)
		return c->with;
	if (c->cache[slot].set && c->cache[slot].from == id)
		return c->cache[slot].to;
	if ((to = c->op(c->f, id, c->with)) == FLAGS_ERR)
		return FLAGS_ERR;
	c->cache[slot].from = id;
	c->cache[slot].to = to;
	c->cache[slot].set = 1;
	return to;
}

/*
 * All existing uids from the first to the last of those to change, piece by
 * piece: a piece lies in one range of uids, in one run, and is wholly to be
 * changed or wholly not.
 */
static int
window_change(struct window *w, const struct uidset *which, uint32_t r,
    struct change *c, struct uidset *changed)
{
	const struct flagmap	*m = w->m;
	uint32_t		 iu, iw = 0, end, id, to;
	uint64_t		 pos = which->r[0].lo;
	int			 hit;

	for (iu = range_find(&m->uids, pos); iw < which->n; pos =
	    (uint64_t)end + 1) {
		if (pos > m->uids.r[iu].hi)
			pos = m->uids.r[++iu].lo;
		while (run_end(m, r) < pos)
			r++;
		hit = pos >= which->r[iw].lo;
		end = hit ? which->r[iw].hi : which->r[iw].lo - 1;
		if (end > m->uids.r[iu].hi)
			end = m->uids.r[iu].hi;
		if (end > run_end(m, r))
			end = run_end(m, r);
		id = to = m->run[r].id;
		if (hit && (to = change_id(c, id)) == FLAGS_ERR)
			return -1;
		if (window_put(w, (uint32_t)pos, to) == -1 ||
		    (to != id && changed != NULL &&
		    uidset_add(changed, (uint32_t)pos, end) == -1))
			return -1;
		if (hit && end == which->r[iw].hi)
			iw++;
	}
	return 0;
}

/* Changes uids of which all exist. */
static int
flagmap_change(struct flagmap *m, const struct uidset *which,
    struct change *c, struct uidset *changed)
{
	struct window	w;
	uint32_t	first = uidset_min(which), last = uidset_max(which);
	uint32_t	r, from, to;
	int		ret = -1;

	memset(&w, 0, sizeof(w));
	w.m = m;
	r = from = (uint32_t)run_find(m, first);
	if (m->run[r].lo < first) {
		w.has_before = 1;
		w.before = m->run[r].id;
		from = r + 1;
	} else if (r > 0) {
		w.has_before = 1;
		w.before = m->run[r - 1].id;
	}
	to = (uint32_t)(run_find(m, last) + 1);
	if (window_change(&w, which, r, c, changed) == 0 &&
	    window_close(&w, from, to, last) == 0)
		ret = 0;
	free(w.run);
	if (ret == -1 && changed != NULL)
		uidset_clear(changed);
	return ret;
}

static int
flagmap_apply(struct flagmap *m, const struct uidset *uids,
    struct change *c, struct uidset *changed)
{
	struct uidset	which;
	int		ret = -1;

	if (changed != NULL)
		uidset_clear(changed);
	uidset_init(&which);
	if (uidset_copy(&which, uids) == 0 &&
	    uidset_intersect(&which, &m->uids) == 0)
		ret = which.n == 0 ? 0 :
		    flagmap_change(m, &which, c, changed);
	uidset_fini(&which);
	return ret;
}

int
flagmap_set(struct flagmap *m, const struct uidset *uids, uint32_t id)
{
	struct change	c = { .f = &m->flags, .op = NULL, .with = id };

	return flagmap_apply(m, uids, &c, NULL);
}

int
flagmap_plus(struct flagmap *m, const struct uidset *uids, uint32_t id,
    struct uidset *changed)
{
	struct change	c = { .f = &m->flags, .op = flags_plus, .with = id };

	return flagmap_apply(m, uids, &c, changed);
}

int
flagmap_minus(struct flagmap *m, const struct uidset *uids, uint32_t id,
    struct uidset *changed)
{
	struct change	c = { .f = &m->flags, .op = flags_minus, .with = id };

	return flagmap_apply(m, uids, &c, changed);
}

/* New messages at the end: what nearly every flagmap_add() is. */
static int
flagmap_append(struct flagmap *m, uint32_t lo, uint32_t hi, uint32_t id)
{
	int	same = m->n > 0 && m->run[m->n - 1].id == id;

	if (run_room(m, m->n + 1) == -1 || uidset_add(&m->uids, lo, hi) == -1)
		return -1;
	if (!same) {
		m->run[m->n].lo = lo;
		m->run[m->n++].id = id;
	}
	return 0;
}

/*
 * Messages in between are put in first, as if they had the flags of the run
 * they fall into, then set.  If that fails they are taken out again.
 */
static int
flagmap_insert(struct flagmap *m, const struct uidset *set, uint32_t id)
{
	struct change	c = { .f = &m->flags, .op = NULL, .with = id };
	struct uidset	new;
	uint32_t	first = m->run[0].lo;
	int		ret = -1;

	uidset_init(&new);
	if (uidset_copy(&new, set) == -1 ||
	    uidset_subtract(&new, &m->uids) == -1 ||
	    uidset_union(&m->uids, &new) == -1)
		goto done;
	if (uidset_min(set) < first)
		m->run[0].lo = uidset_min(set);
	if ((ret = flagmap_change(m, set, &c, NULL)) == -1) {
		(void)uidset_subtract(&m->uids, &new);
		m->run[0].lo = first;
	}
 done:
	uidset_fini(&new);
	return ret;
}

int
flagmap_put(struct flagmap *m, const struct uidset *set, uint32_t id)
{
	uint32_t i;

	if (set->n == 0)
		return 0;
	if (uidset_min(set) <= uidset_max(&m->uids))
		return flagmap_insert(m, set, id);
	for (i = 0; i < set->n; i++)
		if (flagmap_append(m, set->r[i].lo, set->r[i].hi, id) == -1)
			return -1;
	return 0;
}

int
flagmap_add(struct flagmap *m, uint32_t lo, uint32_t hi, uint32_t id)
{
	struct urange	r = { lo, hi };
	struct uidset	one = { .r = &r, .n = 1, .cap = 1 };

	return flagmap_put(m, &one, id);
}

/*
 * After messages went: a run begins at one that is left or is no more, and
 * neighbours that have become equal are joined.  In place, since there are
 * never more runs than before.
 */
static void
flagmap_close_gaps(struct flagmap *m, uint32_t first, uint32_t last)
{
	int64_t		r = run_find(m, first);
	uint32_t	i, to, end, iu;

	i = to = r < 0 ? 0 : (uint32_t)r;
	iu = range_find(&m->uids, i < m->n ? m->run[i].lo : 0);
	for (; i < m->n && m->run[i].lo <= last; i++) {
		end = run_end(m, i);
		while (iu < m->uids.n && m->uids.r[iu].hi < m->run[i].lo)
			iu++;
		if (iu == m->uids.n || m->uids.r[iu].lo > end)
			continue;
		if (m->uids.r[iu].lo > m->run[i].lo)
			m->run[i].lo = m->uids.r[iu].lo;
		if (to == 0 || m->run[to - 1].id != m->run[i].id)
			m->run[to++] = m->run[i];
	}
	if (i < m->n && to > 0 && m->run[to - 1].id == m->run[i].id)
		i++;
	memmove(m->run + to, m->run + i, (m->n - i) * sizeof(*m->run));
	m->n -= i - to;
}

int
flagmap_remove(struct flagmap *m, const struct uidset *uids)
{
	uint32_t	first = uidset_min(uids), last = uidset_max(uids);

	if (uids->n == 0 || m->n == 0)
		return 0;
	if (uidset_subtract(&m->uids, uids) == -1)
		return -1;
	flagmap_close_gaps(m, first, last);
	return 0;
}

void
flagmap_tidy(struct flagmap *m)
{
	uint8_t		*keep;
	uint32_t	 i;

	if (m->flags.nlive < m->tidy_at ||
	    (keep = calloc(m->flags.nset / 8 + 1, 1)) == NULL)
		return;
	for (i = 0; i < m->n; i++)
		keep[m->run[i].id / 8] |= (uint8_t)(1 << m->run[i].id % 8);
	flags_sweep(&m->flags, keep);
	free(keep);
	m->tidy_at = m->flags.nlive * 2;
	if (m->tidy_at < TIDY_FIRST)
		m->tidy_at = TIDY_FIRST;
}

uint32_t
flagmap_get(const struct flagmap *m, uint32_t uid)
{
	if (!uidset_contains(&m->uids, uid))
		return FLAGS_ERR;
	return m->run[run_find(m, uid)].id;
}

void
flagmap_iter(struct flagmap_iter *it, const struct flagmap *m,
    const struct uidset *within)
{
	it->map = m;
	it->within = within;
	it->pos = 1;
	it->iu = it->iw = it->ir = 0;
}

/* Moves the cursor to a uid that exists and is wanted; 0: none is left. */
static int
flagmap_seek(struct flagmap_iter *it)
{
	const struct uidset	*u = &it->map->uids, *w = it->within;

	for (;;) {
		it->iu = range_find_near(u, it->pos, it->iu);
		if (it->iu == u->n)
			return 0;
		if (u->r[it->iu].lo > it->pos)
			it->pos = u->r[it->iu].lo;
		if (w == NULL)
			return 1;
		it->iw = range_find_near(w, it->pos, it->iw);
		if (it->iw == w->n)
			return 0;
		if (w->r[it->iw].lo <= it->pos)
			return 1;
		it->pos = w->r[it->iw].lo;
	}
}

static uint32_t
run_find_near(const struct flagmap *m, uint64_t uid, uint32_t i)
{
	if (i + 1 < m->n && m->run[i + 1].lo <= uid)
		i++;
	if (i < m->n && m->run[i].lo <= uid && run_end(m, i) >= uid)
		return i;
	return (uint32_t)run_find(m, uid);
}

int
flagmap_next(struct flagmap_iter *it, uint32_t *lo, uint32_t *hi,
    uint32_t *id)
{
	const struct flagmap	*m = it->map;
	uint32_t		 end;

	if (!flagmap_seek(it))
		return 0;
	it->ir = run_find_near(m, it->pos, it->ir);
	end = run_end(m, it->ir);
	if (end > m->uids.r[it->iu].hi)
		end = m->uids.r[it->iu].hi;
	if (it->within != NULL && end > it->within->r[it->iw].hi)
		end = it->within->r[it->iw].hi;
	*lo = (uint32_t)it->pos;
	*hi = end;
	*id = m->run[it->ir].id;
	it->pos = (uint64_t)end + 1;
	return 1;
}

static int
flagtest_pass(const struct flags *f, const struct flagtest *t, uint32_t id)
{
	uint32_t	sys = flags_sys(f, id);

	if ((sys & t->on) != t->on || (sys & t->off) != 0)
		return 0;
	if (t->kw_on != KEYWORD_NONE && !flags_has_keyword(f, id, t->kw_on))
		return 0;
	return t->kw_off == KEYWORD_NONE ||
	    !flags_has_keyword(f, id, t->kw_off);
}

/* Whole runs first, gaps and all; what exists of them then. */
int
flagmap_select(const struct flagmap *m, const struct flagtest *t,
    struct uidset *out)
{
	uint32_t	i;

	uidset_clear(out);
	for (i = 0; i < m->n; i++)
		if (flagtest_pass(&m->flags, t, m->run[i].id) &&
		    uidset_add(out, m->run[i].lo, run_end(m, i)) == -1)
			goto fail;
	if (uidset_intersect(out, &m->uids) == 0)
		return 0;
 fail:
	uidset_clear(out);
	return -1;
}

uint32_t
flagmap_count(const struct flagmap *m, const struct flagtest *t)
{
	struct flagmap_iter	it;
	uint32_t		lo, hi, id, n = 0;

	flagmap_iter(&it, m, NULL);
	while (flagmap_next(&it, &lo, &hi, &id))
		if (flagtest_pass(&m->flags, t, id))
			n += hi - lo + 1;
	return n;
}

uint32_t
flagmap_first(const struct flagmap *m, const struct flagtest *t)
{
	uint32_t	i;

	/* a run begins at an existing uid */
	for (i = 0; i < m->n; i++)
		if (flagtest_pass(&m->flags, t, m->run[i].id))
			return m->run[i].lo;
	return 0;
}
