/*
 * A session's view of its mailbox: the messages it has been told of, in
 * sequence, and how far it has been told of changes.  Expunges are held
 * back while sequence numbers are in use (RFC 9051, 7.5.1).
 */
#include <sys/types.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "imap.h"
#include "log.h"

struct iview *
view_open(struct imap *s, struct imount *mt, struct mirror *m, int read_only)
{
	struct iview *v;

	if ((v = calloc(1, sizeof(*v))) == NULL)
		fatal(NULL);
	v->s = s;
	v->mount = mt;
	v->read_only = read_only;
	v->snap = mirror_snap(m);
	v->serial = m->serial;
	v->top = uidset_max(&v->snap->uids);
	uidset_init(&v->recent);
	uidset_init(&v->saved);
	mirror_attach(m, v);
	s->view = v;
	s->state = IMAP_SELECTED;
	return v;
}

void
view_close(struct imap *s)
{
	struct iview *v = s->view;

	feed_close(s);
	s->view = NULL;
	s->state = IMAP_AUTH;
	snap_unref(v->snap);
	mirror_detach(v);
	uidset_fini(&v->recent);
	uidset_fini(&v->saved);
	free(v);
}

void
view_lost(struct imap *s)
{
	/* who deletes it himself is told by the answer to that */
	if (s->ls.flags & LS_ENDING || s->view->deleting)
		return;
	if (!s->midline)
		(void)ibuf_adds(imap_out(s),
		    "* BYE The selected mailbox was deleted\r\n");
	lsession_end(&s->ls, "mailbox deleted");
}

uint32_t
view_exists(const struct iview *v)
{
	return uidset_count(&v->snap->uids);
}

/* FLAGS and PERMANENTFLAGS, with the keywords known so far. */
void
view_put_flags(struct iview *v)
{
	struct flags	*f = &v->m->map.flags;
	struct ibuf	*b = imap_out(v->s);
	int		 i, pass;

	v->nkeywords = flags_nkeywords(f);
	for (pass = 0; pass < 2; pass++) {
		(void)ibuf_adds(b, pass == 0 ? "* FLAGS (" :
		    "* OK [PERMANENTFLAGS (");
		if (pass == 1 && v->read_only) {
			(void)ibuf_adds(b, ")] Read-only\r\n");
			return;
		}
		(void)ibuf_adds(b, "\\Answered \\Flagged \\Deleted \\Seen "
		    "\\Draft");
		for (i = 0; i < v->nkeywords; i++)
			(void)ibuf_addf(b, " %s", flags_keyword_name(f, i));
		if (pass == 1 && v->nkeywords < FLAGS_KEYWORDS_STORED)
			(void)ibuf_adds(b, " \\*");
		(void)ibuf_adds(b, pass == 0 ? ")\r\n" :
		    ")] Flags permitted\r\n");
	}
}

void
view_condstore(struct imap *s)
{
	if (s->condstore)
		return;
	s->condstore = 1;
	/* RFC 7162, 3.1.2.1: with a mailbox open it learns where it is */
	if (s->view != NULL && s->view->m->modseq != 0)
		(void)ibuf_addf(imap_out(s),
		    "* OK [HIGHESTMODSEQ %llu] CONDSTORE is on\r\n",
		    (unsigned long long)s->view->m->modseq);
}

/* What a set of a command names; ends the command if it cannot be. */
int
view_resolve(struct iop *op, const struct seqset *set, struct uidset *out)
{
	if (seqset_resolve(set, op->cmd.uid ? SEQSET_UID : 0,
	    &op->s->view->snap->uids, &op->s->view->saved, out) == 0)
		return 0;
	if (errno == ERANGE)
		iop_bad_number(op, "No such message");
	else
		iop_fail(op, ST_INTERNAL, "Out of memory");
	return -1;
}

void
view_flags_of(struct iview *v, struct ibuf *b, uint32_t uid)
{
	uint32_t id = flagmap_get(&v->m->map, uid);

	(void)imap_put_flags(b, &v->m->map.flags,
	    id == FLAGS_ERR ? FLAGS_EMPTY : id,
	    uidset_contains(&v->recent, uid));
}

void
view_put_fetch(struct iview *v, uint32_t seq, uint32_t uid, uint64_t modseq,
    int with_uid)
{
	struct ibuf *b = imap_out(v->s);

	(void)ibuf_adds(b, "* ");
	(void)ibuf_addu(b, seq);
	(void)ibuf_adds(b, " FETCH (");
	if (with_uid) {
		(void)ibuf_adds(b, "UID ");
		(void)ibuf_addu(b, uid);
		(void)ibuf_add_n8(b, ' ');
	}
	(void)ibuf_adds(b, "FLAGS ");
	view_flags_of(v, b, uid);
	if (modseq != 0 && v->s->condstore)
		(void)ibuf_addf(b, " MODSEQ (%llu)",
		    (unsigned long long)modseq);
	(void)ibuf_adds(b, ")\r\n");
}

/* telling */

/* From the end, so that no number changes what comes after it. */
static uint32_t
put_expunged(struct iview *v, const struct uidset *gone)
{
	struct ibuf	*b = imap_out(v->s);
	uint32_t	 i, uid, n = 0;

	for (i = gone->n; i-- > 0;)
		for (uid = gone->r[i].hi; uid >= gone->r[i].lo; uid--) {
			if ((++n & 63) == 0 && imap_full(v->s))
				return uid;
			(void)ibuf_adds(b, "* ");
			(void)ibuf_addu(b, uidset_rank(&v->snap->uids, uid));
			(void)ibuf_adds(b, " EXPUNGE\r\n");
		}
	return 0;
}

/*
 * Of very many the client reads some before the next: those stay in gone,
 * and 1 is returned.
 */
static int
sync_expunged(struct iview *v, struct uidset *gone)
{
	struct uidset	told;
	uint32_t	uid = put_expunged(v, gone);

	uidset_init(&told);
	uidset_move(&told, gone);
	if (uid != 0 && (uidset_copy(gone, &told) == -1 ||
	    uidset_remove(gone, uid + 1, UINT32_MAX) == -1 ||
	    uidset_subtract(&told, gone) == -1))
		fatal(NULL);
	if (uidset_subtract(&v->recent, &told) == -1)
		fatal(NULL);
	uidset_fini(&told);
	return uid != 0;
}

static void
view_set_snap(struct iview *v, struct snap *sn)
{
	snap_unref(v->snap);
	v->snap = sn;
}

/*
 * Nothing has been told yet: what changed since it was opened needs no
 * telling, it is told as it is.
 */
void
view_renew(struct iview *v)
{
	view_set_snap(v, mirror_snap(v->m));
	v->serial = v->m->serial;
	v->next = 0;
	v->top = uidset_max(&v->snap->uids);
	if (uidset_intersect(&v->recent, &v->snap->uids) == -1)
		fatal(NULL);
	mirror_told(v, &v->snap->uids);
	v->told = 1;
}

/*
 * What a storage must not do: messages with uids lower than one that was
 * told.  They have no place in the sequence, and are not seen until the
 * mailbox is opened again.
 */
static int
sync_late(const struct iview *v, struct uidset *fresh, struct uidset *late)
{
	if (fresh->n == 0 || uidset_min(fresh) > v->top)
		return 0;
	if (uidset_copy(late, fresh) == -1 ||
	    uidset_remove(fresh, 1, v->top) == -1 ||
	    uidset_subtract(late, fresh) == -1)
		fatal(NULL);
	return late->n > 0;
}

/*
 * The mirror's messages, without those that came late, and with those
 * whose end may not be told now.
 */
static struct snap *
sync_snap(const struct iview *v, const struct uidset *late,
    const struct uidset *held)
{
	struct snap *sn;

	if (late->n == 0 && held->n == 0)
		return mirror_snap(v->m);
	sn = snap_new(&v->m->snap->uids);
	if (uidset_subtract(&sn->uids, late) == -1 ||
	    uidset_union(&sn->uids, held) == -1)
		fatal(NULL);
	return sn;
}

/*
 * Messages that came and went; fresh gets those that came.  Returns 1 if
 * the client has to read first.
 */
static int
sync_uids(struct iview *v, int expunge, struct uidset *fresh)
{
	struct uidset	*now = &v->m->snap->uids, gone, late;
	int		 more = 0;

	if (v->snap == v->m->snap)
		return 0;
	uidset_init(&gone);
	uidset_init(&late);
	if (uidset_copy(&gone, &v->snap->uids) == -1 ||
	    uidset_subtract(&gone, now) == -1 ||
	    uidset_copy(fresh, now) == -1 ||
	    uidset_subtract(fresh, &v->snap->uids) == -1)
		fatal(NULL);
	if (expunge && gone.n > 0)
		more = sync_expunged(v, &gone);
	if (sync_late(v, fresh, &late) &&
	    uidset_subtract(&v->recent, &late) == -1)
		fatal(NULL);
	view_set_snap(v, sync_snap(v, &late, &gone));
	if (fresh->n > 0) {
		v->top = uidset_max(fresh);
		mirror_told(v, fresh);
		(void)ibuf_addf(imap_out(v->s), "* %u EXISTS\r\n"
		    "* %u RECENT\r\n", view_exists(v),
		    uidset_count(&v->recent));
	}
	uidset_fini(&gone);
	uidset_fini(&late);
	return more;
}

/*
 * How far changes may be told.  One of ours may be known before others'
 * that came first: its modseq would cover them, so with CONDSTORE it waits
 * until the mirror has them (imap_fetch.h).
 */
static uint64_t
sync_limit(const struct iview *v)
{
	const struct mchange *c;

	if (v->s->condstore)
		TAILQ_FOREACH(c, &v->m->changes, entry)
			if (c->serial > v->serial &&
			    c->modseq > v->m->modseq)
				return c->serial - 1;
	return v->m->serial;
}

/* Messages that others changed, but for those just announced. */
static void
sync_changed(const struct iview *v, const struct uidset *fresh,
    struct uidset *out)
{
	const struct mchange *c;

	TAILQ_FOREACH(c, &v->m->changes, entry)
		if (c->serial > v->serial && c->serial <= v->upto &&
		    c->origin != v->s->ls.id &&
		    uidset_union(out, &c->uids) == -1)
			fatal(NULL);
	if (uidset_subtract(out, fresh) == -1 ||
	    uidset_intersect(out, &v->m->map.uids) == -1 ||
	    (v->next > 1 && uidset_remove(out, 1, v->next - 1) == -1))
		fatal(NULL);
}

/* Of the last change of a message that may be told. */
static uint64_t
sync_modseq(const struct iview *v, uint32_t uid)
{
	const struct mchange *c;

	if (!v->s->condstore)
		return 0;
	TAILQ_FOREACH_REVERSE(c, &v->m->changes, mchanges, entry)
		if (c->serial <= v->upto && uidset_contains(&c->uids, uid))
			return c->modseq;
	return 0;
}

/* Flags, in order.  Of very many the client reads some before the next. */
static int
sync_flags(struct iview *v, const struct uidset *fresh)
{
	struct uidset		set;
	struct uidset_iter	it;
	uint32_t		uid, seq, n = 0;
	int			with_uid = v->s->op != NULL &&
				    v->s->op->cmd.uid;

	if (v->next == 0) {
		v->upto = sync_limit(v);
		v->next = 1;
	}
	uidset_init(&set);
	sync_changed(v, fresh, &set);
	for (uid = uidset_first(&it, &set); uid != 0;
	    uid = uidset_next(&it)) {
		if ((++n & 63) == 0 && imap_full(v->s))
			break;
		seq = uidset_rank(&v->snap->uids, uid);
		if (seq != 0)
			view_put_fetch(v, seq, uid, sync_modseq(v, uid),
			    with_uid);
	}
	v->next = uid;
	if (uid == 0)
		v->serial = v->upto;
	uidset_fini(&set);
	return uid != 0;
}

int
view_behind(const struct iview *v)
{
	return v->snap != v->m->snap || v->serial != v->m->serial;
}

int
view_sync(struct iview *v, int expunge)
{
	struct uidset	fresh;
	int		more;

	if (v->m->state != MIRROR_READY)
		return 0;
	if (flags_nkeywords(&v->m->map.flags) != v->nkeywords)
		view_put_flags(v);
	if (!view_behind(v))
		return 0;
	uidset_init(&fresh);
	more = sync_uids(v, expunge, &fresh);
	while (!more && v->serial != (v->next != 0 ? v->upto : sync_limit(v)))
		more = sync_flags(v, &fresh);
	uidset_fini(&fresh);
	return more;
}
