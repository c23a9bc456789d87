/*
 * The maildrop: INBOX as it was at login.  It is listed once, uids and
 * sizes alone; what comes later is seen at the next login, what goes is
 * still counted here.  Messages are deleted at QUIT, all or none as far as
 * one request reaches.
 */
#include <sys/types.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "pop3.h"
#include "strow.h"

static void	drop_list(struct pop3 *);

/* marks */

int
pop3_drop_deleted(const struct pop3_drop *d, uint32_t msg)
{
	return d->deleted[(msg - 1) / 8] >> (msg - 1) % 8 & 1;
}

void
pop3_drop_delete(struct pop3_drop *d, uint32_t msg)
{
	d->deleted[(msg - 1) / 8] |= (uint8_t)(1U << (msg - 1) % 8);
	d->ndeleted++;
	d->total -= d->sizes[msg - 1];
}

void
pop3_drop_reset(struct pop3_drop *d)
{
	uint32_t i;

	memset(d->deleted, 0, d->n / 8 + 1);
	d->ndeleted = 0;
	d->total = 0;
	for (i = 0; i < d->n; i++)
		d->total += d->sizes[i];
}

/* freeing */

static void
ids_free(struct pop3_ids *ids)
{
	uint32_t i;

	for (i = 0; i < ids->n; i++)
		free(ids->id[i]);
	memset(ids, 0, sizeof(*ids));
}

static void
load_free(struct pop3 *p)
{
	struct pop3_load *l = p->load;

	if (l == NULL)
		return;
	while (l->nids > 0)
		free(l->ids[--l->nids].id);
	free(l->rows);
	free(l);
	p->load = NULL;
}

void
pop3_drop_free(struct pop3 *p)
{
	struct pop3_drop *d = p->drop;

	load_free(p);
	p->drop = NULL;
	if (d == NULL)
		return;
	ids_free(&d->ids);
	uidset_fini(&d->uids);
	free(d->mailbox);
	free(d->sizes);
	free(d->deleted);
	free(d);
}

/* loading */

static void
load_fail(struct pop3 *p, enum st_code code)
{
	if (p->load->code == ST_OK)
		p->load->code = code;
}

/* A login that does not get its maildrop is over. */
static void
load_failed(struct pop3 *p)
{
	pop3_err_st(p, p->load->code);
	lsession_end(&p->ls, "no maildrop");
}

static void
load_mbox(struct pop3 *p, const struct m_st_mbox *m)
{
	struct pop3_drop *d = p->drop;

	if (strcmp(m->name, "INBOX") != 0 || m->has & MBOX_NONEXISTENT ||
	    d->mailbox != NULL)
		return;
	if ((d->mailbox = strdup(m->id)) == NULL)
		load_fail(p, ST_INTERNAL);
	d->readonly = (m->has & MBOX_READONLY) != 0;
	p->load->small = m->messages <= POP3_IDS;
}

static void
load_mailboxes(struct streq *rq, enum msg_type type, const void *m)
{
	struct pop3		*p = rq->arg;
	const struct m_st_end	*end = m;

	if (p->ls.flags & LS_ENDING)
		return;
	if (type == M_st_mbox)
		load_mbox(p, m);
	if (type != M_st_end)
		return;
	load_fail(p, end->code != ST_OK ? end->code :
	    p->drop->mailbox == NULL ? ST_NO_SUCH_MAILBOX : ST_OK);
	if (p->load->code != ST_OK)
		load_failed(p);
	else
		drop_list(p);
}

void
pop3_drop_load(struct pop3 *p)
{
	struct m_st_mailboxes m = { 0 };

	if ((p->drop = calloc(1, sizeof(*p->drop))) == NULL ||
	    (p->load = calloc(1, sizeof(*p->load))) == NULL) {
		io_abort(&p->ls.io, "no memory");
		return;
	}
	uidset_init(&p->drop->uids);
	p->rq.answer = load_mailboxes;
	p->rq.arg = p;
	pop3_wait(p, LT_BACKEND);
	st_send(&p->ls, &p->rq, M_st_mailboxes, &m);
}

static int
load_room(struct pop3_load *l, uint64_t count)
{
	struct pop3_row	*rows;
	uint64_t	 want = l->n + count;
	uint32_t	 alloc = l->alloc < 64 ? 64 : l->alloc;

	if (want > POP3_MSGS_MAX)
		return -1;
	while (alloc < want)
		alloc *= 2;
	if (alloc == l->alloc)
		return 0;
	rows = reallocarray(l->rows, alloc, sizeof(*rows));
	if (rows == NULL)
		return -1;
	l->rows = rows;
	l->alloc = alloc;
	return 0;
}

static void
load_id(struct pop3_load *l, uint32_t uid, const struct st_row *r)
{
	struct pop3_id *i;

	if (!l->small || !(r->has & ROW_ID) || l->nids == POP3_IDS)
		return;
	i = &l->ids[l->nids];
	if ((i->id = strdup(r->id)) == NULL)
		return;
	i->uid = uid;
	i->size = r->size;
	l->nids++;
}

static void
load_row(struct pop3 *p, const struct st_row *r, struct uidset *set)
{
	struct pop3_load	*l = p->load;
	struct uidset_iter	 it;
	uint32_t		 uid;

	if (!(r->has & ROW_SIZE) || msg_set_get(&r->uids, set) == -1) {
		load_fail(p, ST_NONSENSE);
		return;
	}
	if (load_room(l, uidset_count(set)) == -1) {
		log_warnx("INBOX of %s has too many messages for POP3",
		    p->ls.user);
		load_fail(p, ST_INTERNAL);
		return;
	}
	for (uid = uidset_first(&it, set); uid != 0; uid = uidset_next(&it)) {
		if (l->n > 0 && l->rows[l->n - 1].uid >= uid)
			l->unsorted = 1;
		load_id(l, uid, r);
		l->rows[l->n].uid = uid;
		l->rows[l->n++].size = r->size > UINT32_MAX ? UINT32_MAX :
		    (uint32_t)r->size;
	}
}

static void
load_rows(struct pop3 *p, const struct m_st_rows *m)
{
	struct uidset	 set;
	struct st_row	 r;
	struct ibuf	 b;
	int		 more;

	uidset_init(&set);
	ibuf_from_buffer(&b, m->rows.p, m->rows.len);
	while (p->load->code == ST_OK && (more = strow_get(&b, &r)) != 0) {
		if (more == -1) {
			load_fail(p, ST_NONSENSE);
			break;
		}
		load_row(p, &r, &set);
	}
	uidset_fini(&set);
	st_credit(&p->rq, (uint32_t)m->rows.len);
	lsession_timeout(&p->ls, LT_BACKEND);
}

static int
row_cmp(const void *a, const void *b)
{
	const struct pop3_row *x = a, *y = b;

	return x->uid < y->uid ? -1 : x->uid > y->uid;
}

/* From rows, as they came, to the maildrop. */
static int
load_build(struct pop3_load *l, struct pop3_drop *d)
{
	uint32_t i, from;

	if (l->unsorted)
		qsort(l->rows, l->n, sizeof(*l->rows), row_cmp);
	d->sizes = reallocarray(NULL, (size_t)l->n + 1, sizeof(*d->sizes));
	d->deleted = calloc(1, l->n / 8 + 1);
	if (d->sizes == NULL || d->deleted == NULL)
		return -1;
	for (from = i = 0; i < l->n; i++) {
		d->sizes[i] = l->rows[i].size;
		if (i > 0 && l->rows[i].uid == l->rows[i - 1].uid)
			return -1;
		if (i + 1 < l->n && l->rows[i + 1].uid == l->rows[i].uid + 1)
			continue;
		if (uidset_add(&d->uids, l->rows[from].uid,
		    l->rows[i].uid) == -1)
			return -1;
		from = i + 1;
	}
	d->n = l->n;
	pop3_drop_reset(d);
	return 0;
}

/* All of them or none: what is not here is asked for when it is needed. */
static void
load_ids(struct pop3_load *l, struct pop3_drop *d)
{
	uint32_t i, msg;

	if (l->nids == 0 || l->nids != d->n)
		return;
	d->ids.first = 1;
	d->ids.n = d->n;
	for (i = 0; i < l->nids; i++) {
		msg = uidset_rank(&d->uids, l->ids[i].uid);
		d->ids.id[msg - 1] = l->ids[i].id;
		d->ids.size[msg - 1] = l->ids[i].size;
	}
	l->nids = 0;
}

static void
load_end(struct pop3 *p, enum st_code code)
{
	struct pop3_drop *d = p->drop;

	load_fail(p, code);
	if (p->load->code == ST_OK && (!p->load->headed ||
	    load_build(p->load, d) == -1))
		load_fail(p, ST_NONSENSE);
	if (p->load->code != ST_OK) {
		load_failed(p);
		return;
	}
	load_ids(p->load, d);
	load_free(p);
	pop3_ok(p, "%u messages (%llu octets)", d->n,
	    (unsigned long long)d->total);
	pop3_done(p);
}

static void
load_list(struct streq *rq, enum msg_type type, const void *m)
{
	struct pop3			*p = rq->arg;
	const struct m_st_head		*head = m;

	if (p->ls.flags & LS_ENDING)
		return;
	if (type == M_st_end) {
		load_end(p, ((const struct m_st_end *)m)->code);
		return;
	}
	if (type == M_st_head) {
		p->load->headed = 1;
		p->drop->uidvalidity = head->uidvalidity;
		if (!(head->fields & ROW_SIZE))
			load_fail(p, ST_NONSENSE);
	} else if (type == M_st_rows)
		load_rows(p, m);
	if (p->load->code != ST_OK)
		load_failed(p);
}

static void
drop_list(struct pop3 *p)
{
	struct uidset		all;
	struct m_st_list	m;

	uidset_init(&all);
	memset(&m, 0, sizeof(m));
	m.mailbox = p->drop->mailbox;
	m.uids = msg_set_of(&all);
	m.fields = ROW_SIZE | (p->load->small ? ROW_ID : 0);
	m.credit = POP3_CREDIT;
	p->rq.answer = load_list;
	lsession_timeout(&p->ls, LT_BACKEND);
	st_send(&p->ls, &p->rq, M_st_list, &m);
}

/* content ids */

int
pop3_ids_have(const struct pop3_drop *d, uint32_t msg)
{
	return msg >= d->ids.first && msg - d->ids.first < d->ids.n;
}

/* A row may name more than was asked for: only that counts. */
static void
ids_row(struct pop3_drop *d, const struct st_row *r, struct uidset *set)
{
	uint32_t i;

	if ((r->has & (ROW_ID | ROW_SIZE)) != (ROW_ID | ROW_SIZE) ||
	    msg_set_get(&r->uids, set) == -1)
		return;
	for (i = 0; i < d->ids.n; i++) {
		if (!uidset_contains(set, uidset_nth(&d->uids,
		    d->ids.first + i)))
			continue;
		free(d->ids.id[i]);
		d->ids.id[i] = strdup(r->id);
		d->ids.size[i] = r->size;
	}
}

static void
ids_rows(struct pop3 *p, const struct m_st_rows *m)
{
	struct uidset	set;
	struct st_row	r;
	struct ibuf	b;

	uidset_init(&set);
	ibuf_from_buffer(&b, m->rows.p, m->rows.len);
	while (strow_get(&b, &r) == 1)
		ids_row(p->drop, &r, &set);
	uidset_fini(&set);
	st_credit(&p->rq, (uint32_t)m->rows.len);
	lsession_timeout(&p->ls, LT_BACKEND);
}

static void
ids_answer(struct streq *rq, enum msg_type type, const void *m)
{
	struct pop3		*p = rq->arg;
	const struct m_st_end	*end = m;

	if (p->ls.flags & LS_ENDING)
		return;
	if (type == M_st_rows)
		ids_rows(p, m);
	if (type != M_st_end)
		return;
	if (end->code == ST_OK) {
		pop3_retr_get(p);
		return;
	}
	/* what did not come is not known to be gone */
	ids_free(&p->drop->ids);
	pop3_err_st(p, end->code);
	pop3_done(p);
}

/* Those of a message and of the next ones: most clients want them, too. */
void
pop3_ids_fetch(struct pop3 *p, uint32_t msg)
{
	struct pop3_drop	*d = p->drop;
	struct m_st_list	 m;
	struct uidset		 set;
	uint32_t		 i, uid;

	ids_free(&d->ids);
	d->ids.first = msg;
	d->ids.n = d->n - msg + 1 < POP3_IDS ? d->n - msg + 1 : POP3_IDS;
	uidset_init(&set);
	for (i = 0; i < d->ids.n; i++) {
		uid = uidset_nth(&d->uids, msg + i);
		if (uidset_add(&set, uid, uid) == -1)
			break;
	}
	memset(&m, 0, sizeof(m));
	m.mailbox = d->mailbox;
	m.uids = msg_set_of(&set);
	m.fields = ROW_ID | ROW_SIZE;
	m.credit = POP3_CREDIT;
	p->rq.answer = ids_answer;
	p->rq.arg = p;
	pop3_wait(p, LT_BACKEND);
	st_send(&p->ls, &p->rq, M_st_list, &m);
	uidset_fini(&set);
}

/* QUIT */

static void	quit_next(struct pop3 *);

static void
quit_answer(struct streq *rq, enum msg_type type, const void *m)
{
	struct pop3		*p = rq->arg;
	const struct m_st_end	*end = m;

	if (p->ls.flags & LS_ENDING)
		return;
	lsession_timeout(&p->ls, LT_BACKEND);
	if (type != M_st_end)
		return;
	if (end->code == ST_OK) {
		quit_next(p);
		return;
	}
	log_warnx("messages of %s not deleted at QUIT: %s", p->ls.user,
	    st_error(end->code)->text);
	pop3_err(p, st_error(end->code)->pop3,
	    "Some messages may not have been deleted");
	lsession_end(&p->ls, "quit, but not deleted");
}

/* One request for as many as the set of one may name. */
static void
quit_next(struct pop3 *p)
{
	struct m_st_expunge	m;
	struct uidset		set;
	uint32_t		i;

	if (p->expunge.n == 0) {
		pop3_counts[POP3_COUNT_DELETED] += p->drop->ndeleted;
		pop3_ok(p, "Bye, %u deleted", p->drop->ndeleted);
		lsession_end(&p->ls, "quit");
		return;
	}
	uidset_init(&set);
	for (i = 0; i < p->expunge.n && i < POP3_QUIT_RANGES; i++)
		if (uidset_add(&set, p->expunge.r[i].lo,
		    p->expunge.r[i].hi) == -1)
			break;
	/* an empty set would name none, or all, but not these */
	if (set.n == 0 || uidset_subtract(&p->expunge, &set) == -1) {
		uidset_fini(&set);
		io_abort(&p->ls.io, "no memory");
		return;
	}
	memset(&m, 0, sizeof(m));
	m.mailbox = p->drop->mailbox;
	m.uids = msg_set_of(&set);
	p->rq.answer = quit_answer;
	p->rq.arg = p;
	st_send(&p->ls, &p->rq, M_st_expunge, &m);
	uidset_fini(&set);
}

void
pop3_drop_quit(struct pop3 *p)
{
	struct pop3_drop	*d = p->drop;
	struct uidset_iter	 it;
	uint32_t		 uid, msg = 1;

	for (uid = uidset_first(&it, &d->uids); uid != 0;
	    uid = uidset_next(&it), msg++)
		if (pop3_drop_deleted(d, msg) &&
		    uidset_add(&p->expunge, uid, uid) == -1) {
			io_abort(&p->ls.io, "no memory");
			return;
		}
	pop3_wait(p, LT_BACKEND);
	quit_next(p);
}
