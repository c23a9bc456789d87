/* Changes of messages. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fprint.h"
#include "log.h"
#include "store_int.h"

#define UID_LAST	(UINT32_MAX - 1)	/* uidnext has 32 bits too */

/*
 * One mailbox while a change works on it.  Its new modseq is taken when the
 * first message really changes.
 */
struct store_work {
	struct store	*s;
	struct store_mailbox m;
	uint64_t	 before;
	uint64_t	 modseq;	/* what touched messages get */
	int64_t		 now;		/* what comes was saved then */
};

static int
work_begin(struct store_work *w, struct store *s, int64_t account,
    const struct mbox_id *id)
{
	int r;

	w->s = s;
	w->now = time(NULL);
	r = s_mailbox(s, Q_MAILBOX_CHANGE, account, id, &w->m);
	if (r == ST_OK)
		w->before = w->modseq = w->m.modseq;
	return r;
}

/*
 * A group that is not durable may only use modseqs that are reserved on
 * disk; a durable one reserves some where they are used up.
 */
static int
work_modseq(struct store_work *w)
{
	if (w->modseq != w->before)
		return ST_OK;
	if (!w->s->durable && w->before + 1 > w->m.block)
		return STORE_AGAIN;
	w->m.modseq = ++w->modseq;
	return ST_OK;
}

/* As work_modseq(), for changes that can do without an fsync later. */
static int
work_modseq_reserving(struct store_work *w)
{
	int r;

	if (w->s->durable && w->before + 1 > w->m.block) {
		w->m.block = w->before + STORE_BLOCK;
		if ((r = s_run(w->s, Q_MAILBOX_BLOCK, "ii",
		    (int64_t)w->m.block, w->m.id.no)) != ST_OK)
			return r;
	}
	return work_modseq(w);
}

static int
work_end(struct store_work *w, struct store_change *c)
{
	c->mailbox = w->m.id;
	c->before = w->before;
	c->modseq = w->modseq;
	if (w->modseq == w->before)
		return ST_OK;
	return s_run(w->s, Q_MAILBOX_SET, "iiiiiiii",
	    (int64_t)w->m.uidnext, (int64_t)w->m.messages,
	    (int64_t)w->m.unseen, (int64_t)w->m.deleted,
	    (int64_t)w->m.size, (int64_t)w->m.modseq, w->m.known,
	    w->m.id.no);
}

static int
work_log(struct store_work *w, enum store_what what,
    const struct uidset *uids)
{
	return s_log_uids(w->s, w->m.account, &w->m.id, w->modseq, what,
	    uids);
}

/* Messages that come (sign 1) or go (-1) in the mailbox's counts. */
static void
work_count(struct store_work *w, uint32_t sys, uint64_t size, int sign)
{
	w->m.messages += (uint64_t)(int64_t)sign;
	w->m.size += sign > 0 ? size : -size;
	if ((sys & FLAG_SEEN) == 0)
		w->m.unseen += (uint64_t)(int64_t)sign;
	if (sys & FLAG_DELETED)
		w->m.deleted += (uint64_t)(int64_t)sign;
}

/*
 * A request's flags, with keywords spelled as the mailbox saw them first,
 * into s->spelled; those it has not seen are learned.
 */
static int
work_flags(struct store_work *w, const struct flagset *f)
{
	struct store	*s = w->s;
	int		 r;

	if ((r = s_flags_parse(s, w->m.known, &s->known,
	    &s->known_text)) != ST_OK)
		return r;
	flagset_copy(&s->spelled, f);
	flagset_spell(&s->spelled, &s->known);
	if (flagset_within(&s->spelled, &s->known))
		return ST_OK;
	if (flagset_merge(&s->known, &s->spelled) == -1)
		return ST_NOT_PERMITTED;
	return s_intern(s, &s->known, FLAGSET_KNOWN_MAX, &w->m.known);
}

static int
batch_add(void *arg, const struct store_msg *m)
{
	struct store_batch *b = arg;

	b->row[b->n++] = *m;
	return b->n == STORE_BATCH;
}

/*
 * Calls one() with batches of the messages of a set, in order; those of one
 * batch lie in one range of the set, with no other message between them.
 */
typedef int (*batch_fn)(struct store_work *, struct store_batch *, void *);

static int
batch_range(struct store_work *w, const struct urange *range, batch_fn one,
    void *arg)
{
	struct store_batch	*b = w->s->batch;
	int			 r;

	b->scan.lo = range->lo;
	b->scan.hi = range->hi < b->last ? range->hi : b->last;
	while (b->scan.lo <= b->scan.hi) {
		b->n = 0;
		if ((r = store_messages(w->s, &b->scan, batch_add,
		    b)) != ST_OK)
			return r;
		if (b->n > 0 && (r = one(w, b, arg)) != ST_OK)
			return r;
		if (b->n < STORE_BATCH)
			break;
		b->scan.lo = b->row[b->n - 1].uid + 1;
	}
	return ST_OK;
}

static int
batch_each(struct store_work *w, const struct uidset *uids,
    enum store_want what, batch_fn one, void *arg)
{
	struct store_batch	*b = w->s->batch;
	uint32_t		 i;
	int			 r = ST_OK;

	b->scan.account = w->m.account;
	b->scan.mailbox = w->m.id.no;
	b->scan.what = what;
	/* a change may add messages itself: those are not meant */
	b->last = w->m.uidnext - 1;
	for (i = 0; i < uids->n && uids->r[i].lo <= b->last &&
	    r == ST_OK; i++)
		r = batch_range(w, &uids->r[i], one, arg);
	return r;
}

/* contents */

void
store_body_new(struct store_body *b)
{
	memset(&b->id, 0, sizeof(b->id));
	arc4random_buf(b->id.rnd, sizeof(b->id.rnd));
}

static int
store_body_put(struct store *s, struct store_body *b)
{
	int r;

	if (b->id.no != 0)
		return ST_OK;
	if (b->data != NULL)
		r = s_run(s, Q_CONTENT_PUT, "bib", (const void *)b->id.rnd,
		    sizeof(b->id.rnd), (int64_t)b->size, b->data,
		    (size_t)b->size);
	else
		r = s_run(s, Q_CONTENT_PUT, "bin", (const void *)b->id.rnd,
		    sizeof(b->id.rnd), (int64_t)b->size);
	if (r == ST_OK)
		b->id.no = sqlite3_last_insert_rowid(s->db);
	return r;
}

int
s_holding_drop(struct store *s, int64_t account, int64_t content)
{
	return s_run(s, Q_HOLDING_DROP, "iii", (int64_t)time(NULL), content,
	    account);
}

int
store_cache_put(struct store *s, int64_t account,
    const struct content_id *id, const char *text, size_t len)
{
	int64_t	n;
	int	r;

	if ((r = s_number(s, &n, Q_HOLDING, "iib", id->no, account,
	    (const void *)id->rnd, sizeof(id->rnd))) != ST_OK)
		return r;
	if (n == 0)
		return ST_NO_SUCH_MESSAGE;
	return s_run(s, Q_SUMMARY_PUT, "iix", id->no, account, text, len);
}

/* append */

static int
append_row(struct store_work *w, struct store_append *a, int64_t flags)
{
	struct store	*s = w->s;
	int64_t		 no;
	int		 r;

	if ((r = store_body_put(s, a->body)) != ST_OK)
		return r;
	no = a->body->id.no;
	if ((r = s_run(s, Q_HOLD, "ii", no, a->account)) != ST_OK)
		return r;
	if (a->cache != NULL && (r = s_run(s, Q_SUMMARY_PUT, "iix", no,
	    a->account, a->cache, a->cachelen)) != ST_OK)
		return r;
	return s_run(s, Q_MESSAGE_PUT, "iiiiibiii", w->m.id.no,
	    (int64_t)a->uid, flags, (int64_t)w->modseq, no,
	    (const void *)a->body->id.rnd, sizeof(a->body->id.rnd),
	    (int64_t)a->body->size, a->date, w->now);
}

static int
work_log_one(struct store_work *w, uint32_t uid)
{
	char	d[UIDSET_TEXT_MAX];
	size_t	i = sizeof(d);

	for (; uid > 0; uid /= 10)
		d[--i] = (char)('0' + uid % 10);
	return s_log(w->s, w->m.account, &w->m.id, w->modseq, LOG_CHANGED,
	    d + i, sizeof(d) - i);
}

static int
append_message(struct store_work *w, struct store_append *a)
{
	struct store	*s = w->s;
	int64_t		 flags;
	int		 r;

	if (w->m.uidnext > UID_LAST)
		return ST_OVER_QUOTA;
	if ((r = work_flags(w, a->flags)) != ST_OK ||
	    (r = s_intern_message(s, &s->spelled, &flags)) != ST_OK ||
	    (r = work_modseq(w)) != ST_OK)
		return r;
	a->uid = w->m.uidnext++;
	if ((r = append_row(w, a, flags)) != ST_OK)
		return r;
	work_count(w, a->flags->sys, a->body->size, 1);
	return ST_OK;
}

int
store_append(struct store *s, struct store_append *a)
{
	struct store_work	w;
	int			r;

	if ((r = work_begin(&w, s, a->account, &a->mailbox)) != ST_OK)
		return r == ST_NO_SUCH_MAILBOX ? ST_NO_SUCH_TARGET : r;
	if ((r = s_quota_room(s, a->account, a->body->size, 1)) != ST_OK ||
	    (r = append_message(&w, a)) != ST_OK ||
	    (r = work_log_one(&w, a->uid)) != ST_OK)
		return r;
	return work_end(&w, &a->change);
}

/* A content that no message has yet, kept for a while. */
int
store_blob(struct store *s, int64_t account, struct store_body *b,
    int64_t secs)
{
	int64_t	more = secs > s->conf.grace ? secs - s->conf.grace : 0;
	int	r;

	if ((r = store_body_put(s, b)) != ST_OK)
		return r;
	return s_run(s, Q_HOLD_BLOB, "iii", b->id.no, account,
	    (int64_t)time(NULL) + more);
}

/* flags */

#define PATCH_MEMO	16

struct patch {
	struct store_patch *in;
	struct clusters	 rows;
	struct uidset	 changed;
	struct {
		int64_t	 from, to;
	}		 memo[PATCH_MEMO];
};

/*
 * What a set of flags becomes; most messages of a mailbox have few sets.
 * s->spelled is what the request adds.
 */
static int
patch_flags(struct store_work *w, struct patch *p, int64_t from, int64_t *to)
{
	struct store	*s = w->s;
	int		 i = (int)(from % PATCH_MEMO), r;

	if (p->memo[i].from == from) {
		*to = p->memo[i].to;
		return ST_OK;
	}
	if ((r = s_flags_parse(s, from, &s->work, &s->work_text)) != ST_OK)
		return r;
	if (p->in->set)
		flagset_init(&s->work);
	if (p->in->remove != NULL)
		flagset_subtract(&s->work, p->in->remove);
	if (p->in->add != NULL && flagset_merge(&s->work, &s->spelled) == -1)
		return ST_NOT_PERMITTED;
	if ((r = s_intern_message(s, &s->work, to)) != ST_OK)
		return r;
	p->memo[i].from = from;
	p->memo[i].to = *to;
	return ST_OK;
}

static int
patch_flush(struct patch *p)
{
	int r;

	r = p->rows.n > 0 ? p->in->rows(p->in->arg, &p->rows) : 0;
	clusters_clear(&p->rows);
	return r == 0 ? ST_OK : ST_TRY_LATER;
}

static int
patch_row(struct patch *p, uint32_t uid, int64_t flags)
{
	int r;

	while ((r = clusters_add(&p->rows, uid, flags, 0)) == 0)
		if ((r = patch_flush(p)) != ST_OK)
			return r;
	if (r == -1 || uidset_add(&p->changed, uid, uid) == -1)
		return ST_TRY_LATER;
	return ST_OK;
}

/* Neighbours that go from one set to another: one statement. */
static int
patch_run(struct store_work *w, struct patch *p, const struct store_msg *m,
    int n, int64_t to)
{
	const struct store_flags	*f, *g;
	uint32_t			 off, on;
	int				 i, r;

	if ((r = work_modseq_reserving(w)) != ST_OK)
		return r;
	if ((f = store_flags(w->s, m->flags)) == NULL)
		return ST_INTERNAL;
	off = f->sys;
	if ((g = store_flags(w->s, to)) == NULL)
		return ST_INTERNAL;
	on = g->sys;
	w->m.unseen += (uint64_t)n * ((on & FLAG_SEEN) == 0) -
	    (uint64_t)n * ((off & FLAG_SEEN) == 0);
	w->m.deleted += (uint64_t)n * ((on & FLAG_DELETED) != 0) -
	    (uint64_t)n * ((off & FLAG_DELETED) != 0);
	for (i = 0; i < n; i++)
		if ((r = patch_row(p, m[i].uid, to)) != ST_OK)
			return r;
	if (n == 1)
		return s_run(w->s, Q_MESSAGE_FLAGS_ONE, "iiii", to,
		    (int64_t)w->modseq, w->m.id.no, (int64_t)m->uid);
	return s_run(w->s, Q_MESSAGE_FLAGS, "iiiii", to, (int64_t)w->modseq,
	    w->m.id.no, (int64_t)m->uid, (int64_t)m[n - 1].uid);
}

static int
patch_fails(struct store_patch *in, const struct store_msg *m)
{
	return in->conditional && m->modseq > in->unchanged_since;
}

static int
patch_batch(struct store_work *w, struct store_batch *b, void *arg)
{
	struct patch		*p = arg;
	struct store_msg	*m = b->row, *end = b->row + b->n;
	int64_t			 to;
	int			 n, r;

	for (; m < end; m += n) {
		n = 1;
		if (patch_fails(p->in, m)) {
			if (uidset_add(&p->in->modified, m->uid,
			    m->uid) == -1)
				return ST_TRY_LATER;
			continue;
		}
		if ((r = patch_flags(w, p, m->flags, &to)) != ST_OK)
			return r;
		if (to == m->flags)
			continue;
		while (m + n < end && m[n].flags == m->flags &&
		    !patch_fails(p->in, &m[n]))
			n++;
		if ((r = patch_run(w, p, m, n, to)) != ST_OK)
			return r;
	}
	return ST_OK;
}

static int
patch_all(struct store_work *w, struct patch *p)
{
	int r;

	if ((r = batch_each(w, p->in->uids, STORE_FLAGS, patch_batch,
	    p)) != ST_OK || (r = patch_flush(p)) != ST_OK)
		return r;
	if (p->changed.n > 0 && (r = work_log(w, LOG_CHANGED,
	    &p->changed)) != ST_OK)
		return r;
	return work_end(w, &p->in->change);
}

/*
 * Learning keywords touches the mailbox's row, which is written only when
 * a message changed: a keyword that no message got is not known.
 */
int
store_patch(struct store *s, struct store_patch *in)
{
	struct store_work	w;
	struct patch		p;
	int			r;

	if ((r = work_begin(&w, s, in->account, &in->mailbox)) != ST_OK)
		return r;
	if (in->add != NULL && (r = work_flags(&w, in->add)) != ST_OK)
		return r;
	memset(&p, 0, sizeof(p));
	p.in = in;
	clusters_init(&p.rows);
	uidset_init(&p.changed);
	r = patch_all(&w, &p);
	clusters_fini(&p.rows);
	uidset_fini(&p.changed);
	return r;
}

/* expunge */

struct expunge {
	struct store_expunge *in;
	struct uidset	 log;		/* what went, or never was */
	int64_t		 memo;		/* a flag set that goes, */
	int64_t		 memo_not;	/* and one that stays */
};

static int
expunge_wants(struct store_work *w, struct expunge *x, int64_t flags,
    int *want)
{
	struct store	*s = w->s;
	int		 r;

	*want = x->in->only == NULL || flags == x->memo;
	if (*want || flags == x->memo_not)
		return ST_OK;
	if ((r = s_flags_parse(s, flags, &s->work, &s->work_text)) != ST_OK)
		return r;
	*want = flagset_overlaps(&s->work, x->in->only);
	if (*want)
		x->memo = flags;
	else
		x->memo_not = flags;
	return ST_OK;
}

static int
work_remove_one(struct store_work *w, const struct store_msg *m)
{
	const struct store_flags *f;

	if ((f = store_flags(w->s, m->flags)) == NULL)
		return ST_INTERNAL;
	work_count(w, f->sys, m->size, -1);
	return s_holding_drop(w->s, w->m.account, m->content.no);
}

/* Neighbours that all go. */
static int
expunge_run(struct store_work *w, struct expunge *x,
    const struct store_msg *m, int n)
{
	int i, r;

	if ((r = work_modseq(w)) != ST_OK)
		return r;
	for (i = 0; i < n; i++) {
		if ((r = work_remove_one(w, &m[i])) != ST_OK)
			return r;
		if (uidset_add(&x->in->vanished, m[i].uid, m[i].uid) == -1)
			return ST_TRY_LATER;
	}
	if (uidset_add(&x->log, m->uid, m[n - 1].uid) == -1)
		return ST_TRY_LATER;
	return s_run(w->s, Q_MESSAGE_DEL, "iii", w->m.id.no,
	    (int64_t)m->uid, (int64_t)m[n - 1].uid);
}

static int
expunge_batch(struct store_work *w, struct store_batch *b, void *arg)
{
	struct expunge	*x = arg;
	int		 i, n, r, want;

	for (i = 0; i < b->n; i += n) {
		for (n = 0; i + n < b->n; n++) {
			if ((r = expunge_wants(w, x, b->row[i + n].flags,
			    &want)) != ST_OK)
				return r;
			if (!want)
				break;
		}
		if (n == 0)
			n = 1;
		else if ((r = expunge_run(w, x, b->row + i, n)) != ST_OK)
			return r;
	}
	return ST_OK;
}

int
store_expunge(struct store *s, struct store_expunge *in)
{
	struct store_work	w;
	struct expunge		x;
	int			r;

	if ((r = work_begin(&w, s, in->account, &in->mailbox)) != ST_OK)
		return r;
	memset(&x, 0, sizeof(x));
	x.in = in;
	uidset_init(&x.log);
	r = batch_each(&w, in->uids, STORE_ROWS, expunge_batch, &x);
	if (r == ST_OK && x.log.n > 0)
		r = work_log(&w, LOG_VANISHED, &x.log);
	if (r == ST_OK)
		r = work_end(&w, &in->change);
	uidset_fini(&x.log);
	return r;
}

/* several at once */

/* A content that is there already: is it the account's, and how large? */
static int
many_content(struct store *s, int64_t account, struct store_body *b)
{
	int64_t	n;
	int	r;

	if ((r = s_number(s, &n, Q_HOLDING_SIZE, "iib", b->id.no, account,
	    (const void *)b->id.rnd, sizeof(b->id.rnd))) != ST_OK)
		return r;
	if (n == 0)
		return ST_NO_SUCH_BLOB;
	b->size = (uint64_t)n - 1;
	return ST_OK;
}

static int
many_append(struct store_work *w, struct store_many *in)
{
	struct store_append	*a;
	size_t			 i;
	int			 r;

	for (i = 0; i < in->n; i++) {
		a = &in->append[i];
		a->account = in->account;
		a->mailbox = in->mailbox;
		if ((r = in->prepare(in->arg, i, a)) != ST_OK ||
		    (a->body->id.no != 0 && (r = many_content(w->s,
		    in->account, a->body)) != ST_OK) ||
		    (r = append_message(w, a)) != ST_OK)
			return r;
	}
	return ST_OK;
}

/* What goes makes room for what comes. */
static int
many_quota(struct store_work *w, const struct store_mailbox *was)
{
	uint64_t size = 0, count = 0;

	if (w->m.size > was->size)
		size = w->m.size - was->size;
	if (w->m.messages > was->messages)
		count = w->m.messages - was->messages;
	return size == 0 && count == 0 ? ST_OK :
	    s_quota_room(w->s, w->m.account, size, count);
}

static int
many_log(struct store_work *w, const struct store_mailbox *was,
    const struct expunge *x)
{
	struct uidset	new;
	int		r = ST_OK;

	uidset_init(&new);
	if (w->m.uidnext > was->uidnext) {
		if (uidset_add(&new, was->uidnext, w->m.uidnext - 1) == -1)
			r = ST_TRY_LATER;
		else
			r = work_log(w, LOG_CHANGED, &new);
	}
	uidset_fini(&new);
	if (r == ST_OK && x->log.n > 0)
		r = work_log(w, LOG_VANISHED, &x->log);
	return r;
}

/* What goes goes first, so that it is nothing that came. */
int
store_many(struct store *s, struct store_many *in)
{
	struct store_expunge	out;
	struct store_mailbox	was;
	struct store_work	w;
	struct expunge		x;
	int			r;

	if ((r = work_begin(&w, s, in->account, &in->mailbox)) != ST_OK)
		return r;
	was = w.m;
	memset(&x, 0, sizeof(x));
	memset(&out, 0, sizeof(out));
	x.in = &out;
	out.vanished = in->vanished;
	uidset_init(&x.log);
	if (in->expunge != NULL)
		r = batch_each(&w, in->expunge, STORE_ROWS, expunge_batch,
		    &x);
	if (r == ST_OK && (r = many_append(&w, in)) == ST_OK &&
	    (r = many_quota(&w, &was)) == ST_OK &&
	    (r = many_log(&w, &was, &x)) == ST_OK)
		r = work_end(&w, &in->change);
	in->vanished = out.vanished;
	uidset_fini(&x.log);
	return r;
}

/* copy and move */

struct copy {
	struct store_copy *in;
	struct store_work *to;		/* may be the same mailbox */
	uint64_t	 size, count;	/* copied so far */
	int64_t		 memo;		/* a flag set of the source */
	int64_t		 memo_to;	/* the same in the target's spelling */
};

static int
copy_flags(struct copy *c, int64_t flags, int64_t *out)
{
	struct store	*s = c->to->s;
	int		 r;

	if (flags != c->memo) {
		if ((r = s_flags_parse(s, flags, &s->work,
		    &s->work_text)) != ST_OK ||
		    (r = work_flags(c->to, &s->work)) != ST_OK ||
		    (r = s_intern_message(s, &s->spelled,
		    &c->memo_to)) != ST_OK)
			return r;
		c->memo = flags;
	}
	*out = c->memo_to;
	return ST_OK;
}

static int
copy_row(struct copy *c, const struct store_msg *m)
{
	struct store_work		*to = c->to;
	const struct store_flags	*f;
	int64_t				 flags;
	int				 r;

	if (to->m.uidnext > UID_LAST)
		return ST_OVER_QUOTA;
	if ((r = copy_flags(c, m->flags, &flags)) != ST_OK)
		return r;
	if ((f = store_flags(to->s, flags)) == NULL)
		return ST_INTERNAL;
	work_count(to, f->sys, m->size, 1);
	if ((r = s_run(to->s, Q_HOLD, "ii", m->content.no,
	    to->m.account)) != ST_OK)
		return r;
	return s_run(to->s, Q_MESSAGE_PUT, "iiiiibiii", to->m.id.no,
	    (int64_t)to->m.uidnext++, flags, (int64_t)to->modseq,
	    m->content.no, (const void *)m->content.rnd,
	    sizeof(m->content.rnd), (int64_t)m->size, m->date, to->now);
}

static int
copy_batch(struct store_work *w, struct store_batch *b, void *arg)
{
	struct copy	*c = arg;
	int		 i, r;

	if ((r = work_modseq(c->to)) != ST_OK ||
	    (c->in->move && (r = work_modseq(w)) != ST_OK))
		return r;
	for (i = 0; i < b->n; i++)
		c->size += b->row[i].size;
	c->count += (uint64_t)b->n;
	if (!c->in->move && (r = s_quota_room(w->s, w->m.account, c->size,
	    c->count)) != ST_OK)
		return r;
	for (i = 0; i < b->n; i++) {
		if ((r = copy_row(c, &b->row[i])) != ST_OK)
			return r;
		if (c->in->move && (r = work_remove_one(w,
		    &b->row[i])) != ST_OK)
			return r;
		if (uidset_add(&c->in->from, b->row[i].uid,
		    b->row[i].uid) == -1)
			return ST_TRY_LATER;
	}
	if (!c->in->move)
		return ST_OK;
	return s_run(w->s, Q_MESSAGE_DEL, "iii", w->m.id.no,
	    (int64_t)b->row[0].uid, (int64_t)b->row[b->n - 1].uid);
}

static int
copy_log(struct copy *c, struct store_work *from)
{
	struct uidset	new;
	int		r;

	uidset_init(&new);
	if (uidset_add(&new, c->in->first, c->to->m.uidnext - 1) == -1)
		return ST_TRY_LATER;
	r = work_log(c->to, LOG_CHANGED, &new);
	uidset_fini(&new);
	if (r == ST_OK && c->in->move)
		r = work_log(from, LOG_VANISHED, &c->in->from);
	return r;
}

static int
copy_all(struct copy *c, struct store_work *from)
{
	struct store_copy	*in = c->in;
	int			 r;

	in->first = c->to->m.uidnext;
	if ((r = batch_each(from, in->uids, STORE_ROWS, copy_batch,
	    c)) != ST_OK)
		return r;
	if (in->from.n > 0 && (r = copy_log(c, from)) != ST_OK)
		return r;
	if ((r = work_end(c->to, &in->to_change)) != ST_OK)
		return r;
	return work_end(from, &in->from_change);
}

/* Into itself, source and target are one piece of work with one modseq. */
int
store_copy(struct store *s, struct store_copy *in)
{
	struct store_work	from, to;
	struct copy		c;
	int			r;

	if ((r = work_begin(&from, s, in->account, &in->mailbox)) != ST_OK)
		return r;
	r = work_begin(&to, s, in->account, &in->to);
	if (r != ST_OK)
		return r == ST_NO_SUCH_MAILBOX ? ST_NO_SUCH_TARGET : r;
	memset(&c, 0, sizeof(c));
	c.in = in;
	c.to = from.m.id.no == to.m.id.no ? &from : &to;
	return copy_all(&c, &from);
}

/* keys of repeated requests */

#define KEY_TAIL	4	/* characters that are kept in order */
#define KEY_LONG	16	/* characters that no other account's has */

/*
 * A frontend's keys are in sequence: they differ at their end.  Kept in that
 * order they lie beside each other in the index, and a group of changes
 * writes one page of it rather than one for each.  Short keys are perhaps
 * the same for many accounts, and told apart by them.
 */
static int64_t
store_key_hash(const struct store_key *k)
{
	size_t		 len = strlen(k->key), head = len;
	const uint8_t	*tail;
	uint64_t	 h;

	if (len >= KEY_LONG)
		head -= KEY_TAIL;
	h = fprint_of(k->key, head) ^ (uint64_t)k->index << 32;
	if (len < KEY_LONG)
		return (int64_t)(h ^ (uint64_t)k->scope *
		    UINT64_C(0x9e3779b97f4a7c15));
	tail = (const uint8_t *)k->key + head;
	return (int64_t)((h & ~UINT64_C(0xffffffff)) |
	    (uint64_t)tail[0] << 24 | (uint64_t)tail[1] << 16 |
	    (uint64_t)tail[2] << 8 | tail[3]);
}

int
store_key_get(struct store *s, const struct store_key *k, int *status,
    struct ibuf *answer)
{
	sqlite3_stmt	*st;
	const void	*p;
	int		 r, n;

	if ((st = s_query(s, Q_KEY, "iiit", store_key_hash(k), k->scope,
	    k->index, k->key)) == NULL)
		return s_error(s);
	if ((r = s_step(s, st)) == -1)
		return s_error(s);
	if (r == 0)
		return ST_NO_SUCH_MESSAGE;
	r = ST_KEY_REUSED;
	if ((uint64_t)sqlite3_column_int64(st, 0) == k->print) {
		*status = sqlite3_column_int(st, 1);
		p = sqlite3_column_blob(st, 2);
		n = sqlite3_column_bytes(st, 2);
		r = ibuf_add(answer, p, (size_t)n) == 0 ? ST_OK :
		    ST_TRY_LATER;
	}
	sqlite3_reset(st);
	return r;
}

int
store_key_put(struct store *s, const struct store_key *k, int status,
    const struct ibuf *answer)
{
	const void *p = ibuf_size(answer) > 0 ?
	    (const void *)ibuf_data(answer) : "";

	return s_run(s, Q_KEY_PUT, "iiitiiib", store_key_hash(k), k->scope,
	    k->index, k->key, (int64_t)k->print, (int64_t)status,
	    (int64_t)time(NULL), p, ibuf_size(answer));
}
