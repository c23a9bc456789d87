/*
 * The mailboxes of an account.  All sessions of one account in this process
 * share the list; while the storage's events say what changes it is asked
 * for once.
 */
#include <sys/types.h>
#include <stdlib.h>
#include <string.h>

#include "imap.h"
#include "listmatch.h"
#include "log.h"

static TAILQ_HEAD(, iacct) accounts = TAILQ_HEAD_INITIALIZER(accounts);

static void	iacct_ask(struct iacct *, struct imap *);

static void
mbox_clear(struct mbox *m)
{
	free(m->id);
	free(m->name);
	free(m->roles);
	free(m->objectid);
}

static void
mboxes_free(struct mbox *m, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		mbox_clear(&m[i]);
	free(m);
}

static struct iacct *
iacct_find_key(uint32_t egen, uint32_t acct)
{
	struct iacct *a;

	TAILQ_FOREACH(a, &accounts, entry)
		if (a->egen == egen && a->acct == acct)
			return a;
	return NULL;
}

struct iacct *
iacct_get(uint32_t egen, uint32_t acct, uint16_t storage)
{
	struct iacct *a;

	if ((a = iacct_find_key(egen, acct)) == NULL) {
		if ((a = calloc(1, sizeof(*a))) == NULL)
			fatal(NULL);
		a->egen = egen;
		a->acct = acct;
		a->storage = storage;
		TAILQ_INIT(&a->waiters);
		TAILQ_INSERT_HEAD(&accounts, a, entry);
	}
	a->refs++;
	return a;
}

static void
iacct_release(struct iacct *a)
{
	if (--a->refs > 0)
		return;
	st_cancel(&a->rq);
	TAILQ_REMOVE(&accounts, a, entry);
	mboxes_free(a->mboxes, a->n);
	mboxes_free(a->fresh, a->nfresh);
	sublist_free(&a->subs);
	free(a->subs_etag);
	free(a);
}

void
iacct_unref(struct iacct *a, struct imap *s)
{
	struct iop *op;

	if (a->asker == &s->ls) {
		/* its request ended with it: another session asks */
		a->asker = NULL;
		if ((op = TAILQ_FIRST(&a->waiters)) != NULL)
			iacct_ask(a, op->s);
	}
	iacct_release(a);
}

/* reading the list */

void
mbox_update(struct mbox *mb, const struct m_st_mbox *m)
{
	mb->uidvalidity = m->uidvalidity;
	mb->uidnext = m->uidnext;
	mb->messages = m->messages;
	mb->unseen = m->unseen;
	mb->deleted = m->deleted;
	mb->size = m->size;
	mb->modseq = m->modseq;
	mb->has = m->has;
	mb->stale = 0;
}

/* Room for one more, all zero. */
static struct mbox *
iacct_add(struct iacct *a)
{
	struct mbox	*mb;
	size_t		 cap;

	if (a->nfresh == a->freshcap) {
		cap = a->freshcap == 0 ? 16 : a->freshcap * 2;
		mb = recallocarray(a->fresh, a->freshcap, cap, sizeof(*mb));
		if (mb == NULL)
			fatal(NULL);
		a->fresh = mb;
		a->freshcap = cap;
	}
	return &a->fresh[a->nfresh++];
}

static void
iacct_row(struct iacct *a, const struct m_st_mbox *m)
{
	struct mbox	*mb;
	const char	*objectid = m->objectid;

	/* a name that could not be told to a client is not shown */
	if (!list_name_ok(m->name, strlen(m->name)))
		return;
	if (!strow_id_ok(objectid))
		objectid = "";
	mb = iacct_add(a);
	if ((mb->name = strdup(m->name)) == NULL ||
	    (mb->roles = strdup(m->roles)) == NULL ||
	    (mb->objectid = strdup(objectid)) == NULL ||
	    (*m->id != '\0' && (mb->id = strdup(m->id)) == NULL))
		fatal(NULL);
	mbox_update(mb, m);
	a->asked = m->epoch;
}

static int
mbox_compare(const void *a, const void *b)
{
	return list_compare(((const struct mbox *)a)->name,
	    ((const struct mbox *)b)->name);
}

/* A subscription and a mailbox of one name are one entry. */
static void
mboxes_merge(struct iacct *a)
{
	struct mbox	*m = a->mboxes, *out = m;
	size_t		 i;

	for (i = 1; i < a->n; i++) {
		if (strcmp(out->name, m[i].name) != 0) {
			*++out = m[i];
			continue;
		}
		if (out->id == NULL) {
			struct mbox t = *out;

			*out = m[i];
			m[i] = t;
		}
		out->has |= m[i].has & MBOX_SUBSCRIBED;
		mbox_clear(&m[i]);
	}
	if (a->n > 0)
		a->n = (size_t)(out - m) + 1;
}

static void
mboxes_sort(struct iacct *a)
{
	if (a->n > 0)
		qsort(a->mboxes, a->n, sizeof(*a->mboxes), mbox_compare);
	mboxes_merge(a);
}

/* subscriptions that the storage's list of mailboxes does not say */

static void
subs_forget(struct iacct *a)
{
	size_t i, n = 0;

	for (i = 0; i < a->n; i++) {
		a->mboxes[i].has &= ~(uint32_t)MBOX_SUBSCRIBED;
		if (a->mboxes[i].id == NULL)
			mbox_clear(&a->mboxes[i]);
		else
			a->mboxes[n++] = a->mboxes[i];
	}
	a->n = n;
}

static void
subs_apply(struct iacct *a)
{
	struct mbox	*mb;
	size_t		 i, n = a->n + a->subs.n;

	if ((mb = recallocarray(a->mboxes, a->n, n > 0 ? n : 1,
	    sizeof(*mb))) == NULL)
		fatal(NULL);
	a->mboxes = mb;
	for (i = 0; i < a->subs.n; i++) {
		mb = &a->mboxes[a->n++];
		mb->has = MBOX_SUBSCRIBED;
		if ((mb->name = strdup(a->subs.names[i])) == NULL ||
		    (mb->roles = strdup("")) == NULL ||
		    (mb->objectid = strdup("")) == NULL)
			fatal(NULL);
	}
	mboxes_sort(a);
}

/* The list was read again; a reload may have changed who says it, too. */
static void
subs_renew(struct iacct *a)
{
	if (!a->subs_known)
		return;
	if (lstorage_of(proc_find_gen(ROLE_ENGINE, a->egen),
	    a->storage)->caps & CAP(CAP_SUBSCRIPTIONS)) {
		a->subs_known = 0;
		sublist_free(&a->subs);
	} else
		subs_apply(a);
}

void
iacct_subscribed(struct iacct *a, int known, struct sublist *l,
    const char *etag)
{
	if (!known && !a->subs_known)
		return;
	sublist_free(&a->subs);
	free(a->subs_etag);
	if ((a->subs_etag = strdup(etag)) == NULL)
		fatal(NULL);
	a->subs_known = known;
	subs_forget(a);
	if (known) {
		a->subs = *l;
		subs_apply(a);
	}
}

static void
iacct_forget(struct iacct *a)
{
	mboxes_free(a->fresh, a->nfresh);
	a->fresh = NULL;
	a->nfresh = a->freshcap = 0;
}

/* Somebody who has no account there has no mailboxes. */
static void
iacct_none(struct iacct *a)
{
	mboxes_free(a->mboxes, a->n);
	a->mboxes = NULL;
	a->n = 0;
	a->epoch = 0;
}

static void
iacct_take(struct iacct *a)
{
	mboxes_free(a->mboxes, a->n);
	a->mboxes = a->fresh;
	a->n = a->nfresh;
	a->fresh = NULL;
	a->nfresh = a->freshcap = 0;
	mboxes_sort(a);
	subs_renew(a);
	a->epoch = a->changed ? 0 : a->asked;
}

static void
iacct_end(struct iacct *a, const struct m_st_end *end)
{
	a->asker = NULL;
	if (end->code == ST_OK)
		iacct_take(a);
	else if (end->code == ST_NO_SUCH_ACCOUNT)
		iacct_none(a);
	iacct_forget(a);
	iop_wake(&a->waiters, end->code, end->text);
}

static void
iacct_answer(struct streq *rq, enum msg_type type, const void *m)
{
	struct iacct *a = rq->arg;

	if (type == M_st_mbox)
		iacct_row(a, m);
	else if (type == M_st_end)
		iacct_end(a, m);
}

static void
iacct_ask(struct iacct *a, struct imap *s)
{
	struct m_st_mailboxes	 m = { 0 };
	struct imount		*mt = imount_by_acct(s, a->acct);

	iacct_forget(a);
	a->asked = 0;
	a->changed = 0;
	a->asker = &s->ls;
	m.mount = mt != NULL ? mt->number : 0;
	a->rq.answer = iacct_answer;
	a->rq.arg = a;
	st_send(&s->ls, &a->rq, M_st_mailboxes, &m);
}

int
iacct_proven(const struct iacct *a)
{
	return a->epoch != 0 && a->epoch == lstorage_of(proc_find_gen(
	    ROLE_ENGINE, a->egen), a->storage)->epoch;
}

void
iacct_need_of(struct iop *op, struct imount *mt, void (*f)(struct iop *,
    enum st_code, const char *))
{
	struct iacct *a = mt->account;

	if (a == NULL || mt->acct == 0) {
		f(op, ST_UNAVAILABLE, st_error(ST_UNAVAILABLE)->text);
		return;
	}
	if (a->egen == op->s->ls.egen && iacct_proven(a)) {
		f(op, ST_OK, "");
		return;
	}
	iop_wait(op, &a->waiters, f);
	if (a->asker == NULL)
		iacct_ask(a, op->s);
}

void
iacct_need(struct iop *op, void (*f)(struct iop *, enum st_code,
    const char *))
{
	iacct_need_of(op, op->mount, f);
}

static void	need_all_next(struct iop *);

static void
need_all_got(struct iop *op, enum st_code code, const char *text)
{
	op->s->mounts[op->nlisted++].code = code;
	need_all_next(op);
}

static void
need_all_next(struct iop *op)
{
	struct imap *s = op->s;

	while (op->nlisted < s->nmounts && !s->mounts[op->nlisted].wanted)
		op->nlisted++;
	if (op->nlisted < s->nmounts)
		iacct_need_of(op, &s->mounts[op->nlisted], need_all_got);
	else
		op->listed(op);
}

void
iacct_need_all(struct iop *op, void (*f)(struct iop *))
{
	op->nlisted = 0;
	op->listed = f;
	need_all_next(op);
}

void
iacct_changed(struct iacct *a)
{
	a->epoch = 0;
	a->changed = 1;
}

/* looking */

struct mbox *
iacct_find(struct iacct *a, const char *name)
{
	size_t	lo = 0, hi = a->n, mid;
	int	r;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		r = list_compare(name, a->mboxes[mid].name);
		if (r == 0)
			return a->mboxes[mid].id != NULL ?
			    &a->mboxes[mid] : NULL;
		if (r < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return NULL;
}

struct mbox *
iacct_by_id(struct iacct *a, const char *id)
{
	size_t i, at;

	/* mostly it is the one that it was before */
	for (i = 0; i < a->n; i++) {
		at = (a->hint + i) % a->n;
		if (a->mboxes[at].id != NULL &&
		    strcmp(a->mboxes[at].id, id) == 0) {
			a->hint = at;
			return &a->mboxes[at];
		}
	}
	return NULL;
}

/* what the storage tells */

void
iacct_moved(struct iacct *a, const char *id, uint64_t modseq)
{
	struct mbox *mb;

	if ((mb = iacct_by_id(a, id)) == NULL)
		iacct_changed(a);
	else if (modseq == 0 || modseq > mb->modseq)
		mb->stale = 1;
	/* the numbers being read may be older than this */
	if (a->asker != NULL)
		a->changed = 1;
}

static void
iacct_event_one(struct iacct *a, const struct m_st_event *m)
{
	if (*m->mailbox == '\0')
		iacct_changed(a);
	else
		iacct_moved(a, m->mailbox, m->modseq);
}

/* The event may come later than the answer. */
void
iacct_own(struct iop *op, const char *id, uint64_t modseq)
{
	if (op->mount->account != NULL)
		iacct_moved(op->mount->account, id, modseq);
}

void
iacct_event(struct proc_peer *p, const struct m_st_event *m)
{
	struct iacct *a;

	TAILQ_FOREACH(a, &accounts, entry)
		if (a->egen == p->gen && a->acct == m->acct)
			iacct_event_one(a, m);
}

void
iacct_engine_down(struct proc_peer *p)
{
	struct iacct *a;

	TAILQ_FOREACH(a, &accounts, entry)
		if (a->egen == p->gen)
			a->epoch = 0;
}

/*
 * The account has another number at the new engine.  A session that logged
 * in since may have made a second list for it: both are kept true.
 */
void
iacct_regranted(struct iacct *a, uint32_t egen, uint32_t acct)
{
	if (a->egen == egen && a->acct == acct)
		return;
	a->egen = egen;
	a->acct = acct;
	a->epoch = 0;
}
