/*
 * Mailboxes by name: LIST, LSUB, STATUS, CREATE, DELETE, RENAME and
 * subscriptions.
 */
#include <sys/types.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "charset.h"
#include "imap.h"
#include "imap_carry.h"
#include "listmatch.h"
#include "log.h"

/*
 * LIST and LSUB.  Who keeps a copy of the mailboxes takes one that he is not
 * told of for one that was deleted: where a name may be missing because its
 * storage could not be asked, the command fails, and what is known is told
 * all the same.  Storages that the patterns do not lead to are not asked.
 */

static int
list_matches(const struct imap_list *l, const char *name, size_t len)
{
	uint32_t i;

	for (i = 0; i < l->npatterns; i++)
		if (list_match(l->patterns[i], name, len))
			return 1;
	return 0;
}

/* "Archive" is told by "%" if something below it is subscribed. */
static int
list_above(const struct imap_list *l, const char *prefix)
{
	size_t i;

	for (i = 1; prefix[i - 1] != '\0'; i++)
		if ((prefix[i] == LIST_DELIMITER || prefix[i] == '\0') &&
		    list_matches(l, prefix, i))
			return 1;
	return 0;
}

static int
list_percent(const struct imap_list *l)
{
	size_t		len;
	uint32_t	i;

	for (i = 0; i < l->npatterns; i++) {
		len = strlen(l->patterns[i]);
		if (len > 0 && l->patterns[i][len - 1] == '%')
			return 1;
	}
	return 0;
}

/* Which mounts are asked: that of a name also says if it has children. */
static void
list_plan(struct iop *op, int subscribed)
{
	const struct imap_list	*l = &op->cmd.list;
	struct imount		*mt;
	uint32_t		 i;

	for (mt = op->s->mounts; mt < op->s->mounts + op->s->nmounts; mt++) {
		mt->code = ST_UNAVAILABLE;
		mt->needed = subscribed && mt->prefix != NULL &&
		    list_percent(l) && list_above(l, mt->prefix);
		for (i = 0; i < l->npatterns; i++)
			mt->needed |= imount_matches(op->s, mt,
			    l->patterns[i]);
		mt->wanted = mt->needed || (mt->prefix != NULL &&
		    list_matches(l, mt->prefix, strlen(mt->prefix)));
	}
}

static void
list_done(struct iop *op)
{
	const struct st_error	*e;
	struct imount		*mt;

	for (mt = op->s->mounts; mt < op->s->mounts + op->s->nmounts; mt++)
		if (mt->needed && !imount_listed(mt)) {
			e = st_error(mt->code);
			iop_no(op, e->imap, "%s; not all mailboxes are listed",
			    e->text);
			return;
		}
	iop_ok(op, "%s completed", op->cmd.name);
}

static void
put_attribute(struct ibuf *b, const char *attr, int *n)
{
	if ((*n)++ > 0 && b != NULL)
		(void)ibuf_add_n8(b, ' ');
	if (b != NULL)
		(void)ibuf_adds(b, attr);
}

/* Those of a storage that could not be asked are not known. */
static const char *
list_children(const struct imap *s, const struct list_entry *e)
{
	struct imount *mt;

	if (e->children)
		return "\\HasChildren";
	(void)imount_of(s, e->name, &mt);
	return imount_listed(mt) ? "\\HasNoChildren" : NULL;
}

/* Special uses (RFC 6154); b may be NULL, to count them. */
static void
put_uses(struct ibuf *b, const struct mbox *mb, int *n)
{
	const char	*p = mb->roles, *attr;
	char		 role[32];
	size_t		 len;

	while (*p != '\0') {
		len = strcspn(p, " ");
		if (len < sizeof(role)) {
			memcpy(role, p, len);
			role[len] = '\0';
			if ((attr = imap_use_attr(role)) != NULL)
				put_attribute(b, attr, n);
		}
		p += len;
		p += strspn(p, " ");
	}
}

static void
put_list_line(struct iop *op, const char *what, const struct list_entry *e,
    const struct mbox *mb)
{
	struct ibuf	*b = imap_out(op->s);
	const char	*children;
	char		 buf[LIST_NAME_MAX + 1];
	int		 n = 0;

	(void)ibuf_addf(b, "* %s (", what);
	if (mb == NULL)
		put_attribute(b, "\\Noselect", &n);
	if (strcmp(what, "LIST") == 0) {
		if ((children = list_children(op->s, e)) != NULL)
			put_attribute(b, children, &n);
		if (mb != NULL)
			put_uses(b, mb, &n);
	}
	(void)ibuf_adds(b, ") \"/\" ");
	memcpy(buf, e->name, e->len);
	buf[e->len] = '\0';
	(void)imap_put_mailbox(b, buf, 0);
	(void)ibuf_adds(b, "\r\n");
}

/*
 * The names of all mounts as the client knows them, in order: those that
 * exist, or the subscribed.
 */
struct listed {
	const char	**names;
	size_t		  n;
	struct lname {
		char		*name;
		const struct mbox *mb;	/* NULL: a mount itself */
	}		 *v;
};

static int
lname_compare(const void *a, const void *b)
{
	return list_compare(((const struct lname *)a)->name,
	    ((const struct lname *)b)->name);
}

static void
listed_add(struct listed *l, const char *name, const struct mbox *mb)
{
	if ((l->v[l->n].name = strdup(name)) == NULL)
		fatal(NULL);
	l->v[l->n++].mb = mb;
}

/* A mailbox whose name leads into another mount is not to be seen. */
static void
listed_mount(struct listed *l, const struct imap *s, struct imount *mt,
    int subscribed)
{
	const struct mbox	*mb;
	struct imount		*to;
	const char		*name;
	char			 buf[LIST_NAME_MAX + 1];
	size_t			 i;

	if (mt->prefix != NULL && !subscribed)
		listed_add(l, mt->prefix, NULL);
	for (i = 0; mt->account != NULL && i < mt->account->n; i++) {
		mb = &mt->account->mboxes[i];
		if (subscribed ? (mb->has & MBOX_SUBSCRIBED) == 0 :
		    mb->id == NULL)
			continue;
		if ((name = imount_name(mt, mb->name, buf)) != NULL &&
		    imount_of(s, name, &to) != NULL && to == mt)
			listed_add(l, name, mb);
	}
}

static void
listed_init(struct listed *l, const struct imap *s, int subscribed)
{
	struct imount	*mt;
	size_t		 i, n = s->nmounts;

	for (i = 0; i < s->nmounts; i++)
		if (s->mounts[i].account != NULL)
			n += s->mounts[i].account->n;
	l->n = 0;
	if ((l->v = calloc(n, sizeof(*l->v))) == NULL ||
	    (l->names = calloc(n, sizeof(*l->names))) == NULL)
		fatal(NULL);
	for (i = 0; i < s->nmounts; i++) {
		mt = &s->mounts[i];
		listed_mount(l, s, mt, subscribed && isubs_known(s, mt));
	}
	if (s->nmounts > 1)
		qsort(l->v, l->n, sizeof(*l->v), lname_compare);
	for (i = 0; i < l->n; i++)
		l->names[i] = l->v[i].name;
}

static void
listed_free(struct listed *l)
{
	while (l->n > 0)
		free(l->v[--l->n].name);
	free(l->v);
	free(l->names);
}

/* RFC 6154, 3 */
static int
list_selected(const struct imap_list *l, const struct mbox *mb)
{
	int n = 0;

	if ((l->select & IMAP_LIST_SPECIAL_USE) == 0)
		return 1;
	if (mb != NULL)
		put_uses(NULL, mb, &n);
	return n > 0;
}

static void
list_listed(struct iop *op)
{
	const struct imap_list	*l = &op->cmd.list;
	struct list_walk	 w;
	struct list_entry	 e;
	struct listed		 all;
	const struct mbox	*mb;

	listed_init(&all, op->s, 0);
	list_walk_init(&w, all.names, all.n);
	while (list_walk_next(&w, &e)) {
		mb = e.exists ? all.v[e.index].mb : NULL;
		if (list_matches(l, e.name, e.len) && list_selected(l, mb))
			put_list_line(op, "LIST", &e, mb);
	}
	listed_free(&all);
	list_done(op);
}

void
cmd_list(struct iop *op)
{
	if (op->cmd.list.root) {
		(void)ibuf_adds(imap_out(op->s),
		    "* LIST (\\Noselect) \"/\" \"\"\r\n");
		iop_ok(op, "LIST completed");
		return;
	}
	list_plan(op, 0);
	iacct_need_all(op, list_listed);
}

static void
lsub_listed(struct iop *op)
{
	static const struct mbox	 some;
	const struct imap_list		*l = &op->cmd.list;
	struct list_walk		 w;
	struct list_entry		 e;
	struct listed			 all;
	int				 percent = list_percent(l);

	listed_init(&all, op->s, 1);
	list_walk_init(&w, all.names, all.n);
	while (list_walk_next(&w, &e)) {
		if (!list_matches(l, e.name, e.len))
			continue;
		if (e.exists && all.v[e.index].mb != NULL)
			put_list_line(op, "LSUB", &e, &some);
		else if (percent)
			/* it stands for what "%" does not reach */
			put_list_line(op, "LSUB", &e, NULL);
	}
	listed_free(&all);
	list_done(op);
}

void
cmd_lsub(struct iop *op)
{
	if (op->cmd.list.root) {
		(void)ibuf_adds(imap_out(op->s),
		    "* LSUB (\\Noselect) \"/\" \"\"\r\n");
		iop_ok(op, "LSUB completed");
		return;
	}
	list_plan(op, 1);
	isubs_need_all(op, lsub_listed);
}

/* STATUS */

struct status {
	char		*id;
	uint32_t	 recent;	/* first uid that is */
	uint32_t	 nrecent;
	uint32_t	 unseen;
	uint32_t	 deleted;
	uint64_t	 deleted_size;
	uint64_t	 size;
	uint32_t	 missing;	/* items that take a listing */
};

static void
status_cleanup(struct iop *op)
{
	struct status *st = op->data;

	free(st->id);
	free(st);
}

static uint64_t
status_value(const struct iop *op, const struct mbox *mb, uint32_t item)
{
	const struct status *st = op->data;

	switch (item) {
	case IMAP_STATUS_MESSAGES:
		return mb->messages;
	case IMAP_STATUS_RECENT:
		return st->nrecent;
	case IMAP_STATUS_UIDNEXT:
		return mb->uidnext;
	case IMAP_STATUS_UIDVALIDITY:
		return mb->uidvalidity;
	case IMAP_STATUS_UNSEEN:
		return st->missing & item ? st->unseen : mb->unseen;
	case IMAP_STATUS_DELETED:
		return st->missing & item ? st->deleted : mb->deleted;
	case IMAP_STATUS_SIZE:
		return st->missing & item ? st->size : mb->size;
	case IMAP_STATUS_DELETED_STORAGE:
		return st->deleted_size;
	case IMAP_STATUS_HIGHESTMODSEQ:
		/* RFC 7162, 3.1.7: 0 of a mailbox without modseqs */
		return iop_has(op, CAP_MODSEQ) ? mb->modseq : 0;
	}
	return 0;
}

static void
status_tell(struct iop *op, const struct mbox *mb)
{
	struct imap	*s = op->s;
	struct ibuf	*b = imap_out(s);
	uint32_t	 item;
	int		 n = 0;

	if (op->cmd.status.items & IMAP_STATUS_HIGHESTMODSEQ &&
	    iop_has(op, CAP_MODSEQ))
		view_condstore(s);
	(void)ibuf_adds(b, "* STATUS ");
	(void)imap_put_mailbox(b, op->cmd.status.mailbox, 0);
	(void)ibuf_adds(b, " (");
	for (item = 1; item <= IMAP_STATUS_MAILBOXID; item <<= 1) {
		if ((op->cmd.status.items & item) == 0)
			continue;
		(void)ibuf_addf(b, "%s%s ", n++ > 0 ? " " : "",
		    imap_status_name(item));
		if (item == IMAP_STATUS_MAILBOXID)
			(void)ibuf_addf(b, "(%s)", mb->objectid);
		else
			(void)ibuf_addu(b, status_value(op, mb, item));
	}
	(void)ibuf_adds(b, ")\r\n");
	iop_ok(op, "STATUS completed");
}

static void
status_gone(struct iop *op)
{
	iop_no(op, "NONEXISTENT", "No such mailbox");
}

static void
status_rows(struct status *st, const struct m_st_rows *m)
{
	struct ibuf	b;
	struct st_row	row;
	struct uidset	set;
	uint32_t	n;

	ibuf_from_buffer(&b, m->rows.p, m->rows.len);
	uidset_init(&set);
	while (strow_get(&b, &row) == 1) {
		if (msg_set_get(&row.uids, &set) == -1)
			fatal(NULL);
		n = uidset_count(&set);
		st->size += row.size * n;
		if (row.flags == NULL ||
		    strcasestr(row.flags, "\\Seen") == NULL)
			st->unseen += n;
		if (row.flags != NULL &&
		    strcasestr(row.flags, "\\Deleted") != NULL) {
			st->deleted += n;
			st->deleted_size += row.size * n;
		}
		/* of the mailbox that is open it is known */
		if ((st->missing & IMAP_STATUS_RECENT) == 0)
			continue;
		if (st->recent > 1)
			(void)uidset_remove(&set, 1, st->recent - 1);
		st->nrecent += uidset_count(&set);
	}
	uidset_fini(&set);
}

static void
status_list_answer(struct streq *rq, enum msg_type type, const void *arg)
{
	struct iop	*op = rq->arg;
	struct status	*st = op->data;
	struct mbox	*mb;

	if (type == M_st_rows) {
		status_rows(st, arg);
		st_credit(rq, (uint32_t)((const struct m_st_rows *)
		    arg)->rows.len);
	}
	if (type != M_st_end || iop_failed(op, arg))
		return;
	if ((mb = iacct_by_id(op->mount->account, st->id)) == NULL)
		status_gone(op);
	else
		status_tell(op, mb);
}

/* What no row has is counted. */
static void
status_list(struct iop *op)
{
	struct status	*st = op->data;
	struct m_st_list q;
	struct uidset	 set;
	uint32_t	 other = st->missing &
			    ~(uint32_t)IMAP_STATUS_RECENT;

	uidset_init(&set);
	memset(&q, 0, sizeof(q));
	q.mount = op->mount->number;
	q.mailbox = st->id;
	q.fields = (other & (IMAP_STATUS_UNSEEN | IMAP_STATUS_DELETED |
	    IMAP_STATUS_DELETED_STORAGE) ? ROW_FLAGS : 0) |
	    (other & (IMAP_STATUS_SIZE | IMAP_STATUS_DELETED_STORAGE) ?
	    ROW_SIZE : 0);
	q.credit = 512 * 1024;
	if (other == 0) {
		if (uidset_add(&set, st->recent, UINT32_MAX) == -1)
			fatal(NULL);
		q.uids = msg_set_of(&set);
	}
	iop_ask(op, M_st_list, &q, status_list_answer);
	uidset_fini(&set);
}

static void
status_recent_answer(struct streq *rq, enum msg_type type, const void *arg)
{
	struct iop	*op = rq->arg;
	struct status	*st = op->data;
	struct mbox	*mb;

	if (type == M_st_recent_ok)
		st->recent = ((const struct m_st_recent_ok *)arg)->first;
	if (type != M_st_end || iop_failed(op, arg))
		return;
	if ((mb = iacct_by_id(op->mount->account, st->id)) == NULL)
		status_gone(op);
	else if (st->recent >= mb->uidnext &&
	    st->missing == IMAP_STATUS_RECENT)
		status_tell(op, mb);
	else
		status_list(op);
}

static void
status_row_known(struct iop *op, struct mbox *mb)
{
	struct status		*st = op->data;
	struct iview		*v = op->s->view;
	uint32_t		 items = op->cmd.status.items;
	struct m_st_recent	 q;

	/* of the mailbox that is open it is what was told of it */
	if (v != NULL && v->mount == op->mount && strcmp(v->m->id, mb->id) == 0)
		st->nrecent = uidset_count(&v->recent);
	else
		st->missing = items & IMAP_STATUS_RECENT;
	if ((mb->has & MBOX_UNSEEN) == 0)
		st->missing |= items & IMAP_STATUS_UNSEEN;
	if ((mb->has & MBOX_DELETED) == 0)
		st->missing |= items & IMAP_STATUS_DELETED;
	if ((mb->has & MBOX_SIZE) == 0)
		st->missing |= items & IMAP_STATUS_SIZE;
	st->missing |= items & IMAP_STATUS_DELETED_STORAGE;
	if (st->missing == 0 || mb->messages == 0) {
		status_tell(op, mb);
		return;
	}
	if ((st->missing & IMAP_STATUS_RECENT) == 0) {
		status_list(op);
		return;
	}
	memset(&q, 0, sizeof(q));
	q.mount = op->mount->number;
	q.mailbox = mb->id;
	iop_ask(op, M_st_recent, &q, status_recent_answer);
}

static void
status_row_answer(struct streq *rq, enum msg_type type, const void *arg)
{
	struct iop	*op = rq->arg;
	struct status	*st = op->data;
	struct mbox	*mb = iacct_by_id(op->mount->account, st->id);

	if (type == M_st_mbox && mb != NULL)
		mbox_update(mb, arg);
	if (type != M_st_end || iop_failed(op, arg))
		return;
	if (mb == NULL)
		status_gone(op);
	else
		status_row_known(op, mb);
}

static void
status_listed(struct iop *op, enum st_code code, const char *text)
{
	struct status		*st;
	struct mbox		*mb;
	struct m_st_mailbox	 q;

	if (code != ST_OK) {
		iop_fail(op, code, text);
		return;
	}
	mb = iacct_find(op->mount->account, op->name);
	if (mb == NULL) {
		status_gone(op);
		return;
	}
	if (op->cmd.status.items & IMAP_STATUS_MAILBOXID &&
	    (*mb->objectid == '\0' || !iop_has(op, CAP_OBJECTID))) {
		iop_no(op, "CANNOT", "Mailboxes have no ids there");
		return;
	}
	if ((st = calloc(1, sizeof(*st))) == NULL ||
	    (st->id = strdup(mb->id)) == NULL)
		fatal(NULL);
	op->data = st;
	op->cleanup = status_cleanup;
	if (!mb->stale) {
		status_row_known(op, mb);
		return;
	}
	memset(&q, 0, sizeof(q));
	q.mount = op->mount->number;
	q.mailbox = st->id;
	iop_ask(op, M_st_mailbox, &q, status_row_answer);
}

void
cmd_status(struct iop *op)
{
	if (iop_place(op, op->cmd.status.mailbox) == -1)
		status_gone(op);
	else
		iacct_need(op, status_listed);
}

/* changes */

static int
name_refused(struct iop *op, const char *name)
{
	if (charset_is_nfc(name, strlen(name)))
		return 0;
	iop_no(op, "CANNOT", "The name is not in Unicode normal form C");
	return 1;
}

/*
 * Where a change of a name goes.  Nothing can be done with the name of a
 * mount itself; -1: it was answered.
 */
static int
change_place(struct iop *op, const char *name)
{
	if (iop_place(op, name) == -1) {
		iop_no(op, "CANNOT", "Another storage is mounted there");
		return -1;
	}
	if (op->mount->account == NULL) {
		iop_fail(op, ST_UNAVAILABLE, NULL);
		return -1;
	}
	return 0;
}

static void
change_answer(struct streq *rq, enum msg_type type, const void *arg)
{
	struct iop *op = rq->arg;

	if (type != M_st_end)
		return;
	iacct_changed(op->mount->account);
	if (!iop_failed(op, arg))
		iop_ok(op, "%s completed", op->cmd.name);
}

static void
create_uses(uint32_t use, char *buf, size_t size)
{
	uint32_t bit;

	buf[0] = '\0';
	for (bit = 1; bit <= IMAP_USE_TRASH; bit <<= 1)
		if (use & bit && imap_use_role(bit) != NULL) {
			if (buf[0] != '\0')
				strlcat(buf, " ", size);
			strlcat(buf, imap_use_role(bit), size);
		}
}

/* CREATE's answer has the row of what was made. */
static void
create_answer(struct streq *rq, enum msg_type type, const void *arg)
{
	struct iop		*op = rq->arg;
	const struct m_st_mbox	*m = arg;
	char			 code[512];

	if (type == M_st_mbox && op->data == NULL &&
	    strow_id_ok(m->objectid) &&
	    (op->data = strdup(m->objectid)) == NULL)
		fatal(NULL);
	if (type != M_st_end || op->data == NULL ||
	    !imap_has(op->s, CAP_OBJECTID) || !iop_has(op, CAP_OBJECTID)) {
		change_answer(rq, type, arg);
		return;
	}
	iacct_changed(op->mount->account);
	if (iop_failed(op, arg))
		return;
	snprintf(code, sizeof(code), "MAILBOXID (%s)", (char *)op->data);
	iop_ok_code(op, code, "CREATE completed");
}

static void
create_cleanup(struct iop *op)
{
	free(op->data);
}

void
cmd_create(struct iop *op)
{
	const struct imap_create *c = &op->cmd.create;
	struct m_st_create q;
	char roles[128];

	if (name_refused(op, c->mailbox))
		return;
	if (strcmp(c->mailbox, "INBOX") == 0) {
		iop_no(op, "ALREADYEXISTS", "INBOX is there");
		return;
	}
	if (change_place(op, c->mailbox) == -1)
		return;
	memset(&q, 0, sizeof(q));
	q.mount = op->mount->number;
	create_uses(c->use, roles, sizeof(roles));
	q.name = op->name;
	q.roles = roles;
	op->cleanup = create_cleanup;
	iop_ask(op, M_st_create, &q, create_answer);
}

/*
 * The mailbox that the session has open is left only when it is gone: what
 * the storage refuses changes nothing.  Somebody else may have been first.
 */
static void
delete_view(struct imap *s, enum st_code code)
{
	if (s->view == NULL || !s->view->deleting)
		return;
	s->view->deleting = 0;
	if (code == ST_OK || code == ST_NO_SUCH_MAILBOX)
		view_close(s);
	else if (s->view->m->state == MIRROR_GONE)
		view_lost(s);
}

/* op->data is the mailbox's id, for what is kept of it besides. */
static void
delete_answer(struct streq *rq, enum msg_type type, const void *arg)
{
	struct iop		*op = rq->arg;
	const struct m_st_end	*end = arg;

	if (type == M_st_end) {
		delete_view(op->s, end->code);
		if (end->code == ST_OK && iop_has(op, CAP_INDEX))
			sweep_mailbox(op->s, op->mount, op->data);
	}
	change_answer(rq, type, arg);
}

static void
delete_cleanup(struct iop *op)
{
	free(op->data);
}

static void
delete_listed(struct iop *op, enum st_code code, const char *text)
{
	struct iacct		*a = op->mount->account;
	const char		*name = op->name;
	struct mbox		*mb;
	struct m_st_delete	 q;

	if (code != ST_OK) {
		iop_fail(op, code, text);
		return;
	}
	if ((mb = iacct_find(a, name)) == NULL) {
		iop_no(op, "NONEXISTENT", "No such mailbox");
		return;
	}
	if (op->s->view != NULL && op->s->view->mount == op->mount &&
	    strcmp(op->s->view->m->id, mb->id) == 0)
		op->s->view->deleting = 1;
	memset(&q, 0, sizeof(q));
	q.mount = op->mount->number;
	q.mailbox = mb->id;
	if ((op->data = strdup(mb->id)) == NULL)
		fatal(NULL);
	op->cleanup = delete_cleanup;
	iop_ask(op, M_st_delete, &q, delete_answer);
}

void
cmd_delete(struct iop *op)
{
	if (strcmp(op->cmd.mailbox.mailbox, "INBOX") == 0)
		iop_no(op, "CANNOT", "INBOX cannot be deleted");
	else if (change_place(op, op->cmd.mailbox.mailbox) == 0)
		iacct_need(op, delete_listed);
}

/*
 * RENAME of INBOX moves its messages into a new mailbox and leaves it
 * empty (RFC 3501, 6.3.5).  Where they cannot be moved the new mailbox is
 * taken back, if it is certain that nothing is in it, nor will be.
 */
struct rename {
	char		*inbox;		/* mailbox ids */
	char		*to;
	struct uidset	 uids;
	struct carry	*carry;
	int		 moved;		/* the storage has begun to say so */
	int		 empty;		/* so is the new one */
	enum st_code	 code;		/* why they could not be moved */
};

static void
rename_cleanup(struct iop *op)
{
	struct rename *r = op->data;

	carry_free(r->carry);
	uidset_fini(&r->uids);
	free(r->inbox);
	free(r->to);
	free(r);
}

static void
rename_undone(struct iop *op, int stays)
{
	const struct rename	*r = op->data;
	const struct st_error	*e = st_error(r->code);

	iacct_changed(op->mount->account);
	iop_no(op, e->imap, "%s%s", e->text, stays ?
	    "; the new mailbox is there, and stays" : "");
}

static void
rename_deleted(struct streq *rq, enum msg_type type, const void *arg)
{
	const struct m_st_end *end = arg;

	if (type == M_st_end)
		rename_undone(rq->arg, end->code != ST_OK &&
		    end->code != ST_NO_SUCH_MAILBOX);
}

static void
rename_looked(struct streq *rq, enum msg_type type, const void *arg)
{
	struct iop		*op = rq->arg;
	struct rename		*r = op->data;
	struct m_st_delete	 q;

	if (type == M_st_mbox)
		r->empty = ((const struct m_st_mbox *)arg)->messages == 0;
	if (type != M_st_end)
		return;
	if (((const struct m_st_end *)arg)->code != ST_OK || !r->empty) {
		rename_undone(op, 1);
		return;
	}
	memset(&q, 0, sizeof(q));
	q.mount = op->mount->number;
	q.mailbox = r->to;
	iop_ask(op, M_st_delete, &q, rename_deleted);
}

/* A request of which nothing is known may still be carried out. */
static void
rename_failed(struct iop *op, enum st_code code)
{
	struct rename		*r = op->data;
	struct m_st_mailbox	 q;

	r->code = code;
	if (code == ST_UNAVAILABLE || code == ST_CUT || code == ST_NONSENSE ||
	    code == ST_KEY_IN_PROGRESS) {
		rename_undone(op, 1);
		return;
	}
	memset(&q, 0, sizeof(q));
	q.mount = op->mount->number;
	q.mailbox = r->to;
	iop_ask(op, M_st_mailbox, &q, rename_looked);
}

/* The move's answer begins when it is done; it may be cut off then. */
static void
rename_moved(struct streq *rq, enum msg_type type, const void *arg)
{
	struct iop		*op = rq->arg;
	struct rename		*r = op->data;
	const struct m_st_end	*end = arg;

	if (type == M_st_change)
		r->moved = 1;
	if (type != M_st_end)
		return;
	iacct_changed(op->mount->account);
	if (end->code == ST_OK || r->moved)
		iop_ok(op, "RENAME completed");
	else
		rename_failed(op, end->code);
}

static void
rename_carried(struct iop *op, const struct carry_job *j, enum st_code code)
{
	iacct_changed(op->mount->account);
	if (code != ST_OK)
		rename_failed(op, code);
	else
		iop_ok(op, "RENAME completed");
}

static void
rename_carry(struct iop *op)
{
	struct rename		*r = op->data;
	struct carry_job	 j;

	memset(&j, 0, sizeof(j));
	j.from_mount = j.to_mount = op->mount;
	j.from = r->inbox;
	j.to = r->to;
	j.move = 1;
	j.done = rename_carried;
	r->carry = carry_new(op, &j, &r->uids);
	carry_go(r->carry);
}

/* What is in INBOX, for a storage that cannot move. */
static void
rename_listed(struct streq *rq, enum msg_type type, const void *arg)
{
	struct iop		*op = rq->arg;
	struct rename		*r = op->data;
	const struct m_st_rows	*m = arg;
	const struct m_st_end	*end = arg;
	struct ibuf		 b;
	struct st_row		 row;
	struct uidset		 set;

	if (type == M_st_rows) {
		ibuf_from_buffer(&b, m->rows.p, m->rows.len);
		uidset_init(&set);
		while (strow_get(&b, &row) == 1)
			if (msg_set_get(&row.uids, &set) == -1 ||
			    uidset_union(&r->uids, &set) == -1)
				fatal(NULL);
		uidset_fini(&set);
		st_credit(rq, (uint32_t)m->rows.len);
	} else if (type == M_st_end && end->code == ST_OK)
		rename_carry(op);
	else if (type == M_st_end)
		rename_failed(op, end->code);
}

static void
rename_move(struct iop *op)
{
	struct rename		*r = op->data;
	struct m_st_copy	 q;
	struct m_st_list	 ql;
	struct uidset		 all;

	if (!iop_has(op, CAP_COPY)) {
		memset(&ql, 0, sizeof(ql));
		ql.mount = op->mount->number;
		ql.mailbox = r->inbox;
		ql.credit = 512 * 1024;
		iop_ask(op, M_st_list, &ql, rename_listed);
		return;
	}
	uidset_init(&all);
	if (uidset_add(&all, 1, UINT32_MAX) == -1)
		fatal(NULL);
	memset(&q, 0, sizeof(q));
	q.mount = op->mount->number;
	q.mailbox = r->inbox;
	q.uids = msg_set_of(&all);
	q.to = r->to;
	q.move = 1;
	iop_ask(op, M_st_copy, &q, rename_moved);
	uidset_fini(&all);
}

static void
rename_created(struct streq *rq, enum msg_type type, const void *arg)
{
	struct iop		*op = rq->arg;
	struct rename		*r = op->data;
	const struct m_st_end	*end = arg;

	if (type == M_st_mbox && r->to == NULL &&
	    (r->to = strdup(((const struct m_st_mbox *)arg)->id)) == NULL)
		fatal(NULL);
	if (type != M_st_end)
		return;
	iacct_changed(op->mount->account);
	if (end->code != ST_OK || r->to == NULL)
		iop_fail(op, end->code != ST_OK ? end->code : ST_NONSENSE,
		    NULL);
	else
		rename_move(op);
}

static void
rename_inbox(struct iop *op, enum st_code code, const char *text)
{
	struct rename		*r;
	struct mbox		*inbox;
	struct m_st_create	 q;

	if (code != ST_OK) {
		iop_fail(op, code, text);
		return;
	}
	if ((inbox = iacct_find(op->mount->account, "INBOX")) == NULL) {
		iop_no(op, "NONEXISTENT", "No such mailbox");
		return;
	}
	if ((r = calloc(1, sizeof(*r))) == NULL ||
	    (r->inbox = strdup(inbox->id)) == NULL)
		fatal(NULL);
	op->data = r;
	op->cleanup = rename_cleanup;
	memset(&q, 0, sizeof(q));
	q.mount = op->mount->number;
	q.name = op->cmd.rename.to;
	q.roles = "";
	iop_ask(op, M_st_create, &q, rename_created);
}

void
cmd_rename(struct iop *op)
{
	const struct imap_rename	*r = &op->cmd.rename;
	struct m_st_rename		 q;
	struct imount			*to;
	const char			*name;

	if (name_refused(op, r->to))
		return;
	if (change_place(op, r->from) == -1)
		return;
	if ((name = imount_of(op->s, r->to, &to)) == NULL ||
	    to != op->mount) {
		iop_no(op, "CANNOT",
		    "A mailbox cannot be renamed into another storage");
		return;
	}
	if (strcmp(r->from, "INBOX") == 0) {
		iacct_need(op, rename_inbox);
		return;
	}
	memset(&q, 0, sizeof(q));
	q.mount = op->mount->number;
	q.from = op->name;
	q.to = name;
	iop_ask(op, M_st_rename, &q, change_answer);
}

/* subscriptions */

static void
subscribe(struct iop *op, int on)
{
	struct m_st_subscribe q;

	if (change_place(op, op->cmd.mailbox.mailbox) == -1)
		return;
	if (!iop_has(op, CAP_SUBSCRIPTIONS) &&
	    !isubs_in_dict(op->s, op->mount)) {
		/* everything is subscribed there, and stays so */
		if (on)
			iop_ok(op, "%s completed", op->cmd.name);
		else
			iop_no(op, "CANNOT",
			    "This storage keeps no subscriptions");
		return;
	}
	if (name_refused(op, op->cmd.mailbox.mailbox))
		return;
	if (!iop_has(op, CAP_SUBSCRIPTIONS)) {
		isubs_change(op, on);
		return;
	}
	memset(&q, 0, sizeof(q));
	q.mount = op->mount->number;
	q.name = op->name;
	q.on = (uint8_t)on;
	iop_ask(op, M_st_subscribe, &q, change_answer);
}

void
cmd_subscribe(struct iop *op)
{
	subscribe(op, 1);
}

void
cmd_unsubscribe(struct iop *op)
{
	subscribe(op, 0);
}
