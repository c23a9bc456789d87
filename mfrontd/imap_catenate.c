/*
 * CATENATE's URLs (RFC 4469): a message is found by its mailbox and uid, a
 * section of it by its summary, or by reading it.  What are bytes of a
 * content of the target's own storage is put together there; what comes
 * from another storage, or is picked out of a header, passes through here.
 */
#include <sys/types.h>
#include <stdlib.h>
#include <string.h>

#include "imap.h"
#include "imap_batch.h"
#include "imap_fetch.h"
#include "listmatch.h"
#include "log.h"

#define CREDIT		(128 * 1024)
#define FIELDS_MAX	(1024 * 1024)	/* picked out of one header */
#define BAD_MAX		1000		/* bytes of a URL told again */

struct cat {
	struct iop	*op;
	const struct imap_append_item *it;
	struct imount	*mount;
	char		*name;		/* of the mailbox there */
	char		*mailbox;	/* its id */
	/* the message */
	uint32_t	 uid;		/* 0: none was found yet */
	char		*id;
	uint64_t	 size;
	struct ibuf	 text;		/* its summary */
	struct summary	 sum;
	int		 have_sum;
	int		 made;		/* here: there is no better one */
	/* reading */
	struct streq	 rq;
	struct summary_maker *maker;
	struct imapout_filter filter;
	struct ibuf	 data;		/* read, and not uploaded yet */
	struct bpart	*part;		/* being uploaded */
	int		 got;		/* all is read */
};

static void
cat_forget(struct cat *c)
{
	free(c->id);
	free(c->mailbox);
	c->id = c->mailbox = NULL;
	c->uid = 0;
	c->have_sum = c->made = 0;
	ibuf_drain(&c->text, ibuf_size(&c->text));
}

struct cat *
cat_new(struct iop *op)
{
	struct cat *c;

	if ((c = calloc(1, sizeof(*c))) == NULL)
		fatal(NULL);
	c->op = op;
	ibuf_init(&c->text, SUMMARY_FULL + 1024);
	ibuf_init(&c->data, FIELDS_MAX);
	return c;
}

void
cat_free(struct cat *c)
{
	if (c == NULL)
		return;
	st_cancel(&c->rq);
	cat_forget(c);
	summary_free(c->maker);
	ibuf_fini(&c->text);
	ibuf_fini(&c->data);
	free(c->name);
	free(c);
}

static void
cat_ask(struct cat *c, enum msg_type type, const void *m,
    void (*f)(struct streq *, enum msg_type, const void *))
{
	c->rq.answer = f;
	c->rq.arg = c;
	lsession_timeout(&c->op->s->ls, LT_COMMAND);
	st_send(&c->op->s->ls, &c->rq, type, m);
}

/* NO [BADURL url]: of what cannot stand there its code (RFC 4469, 5). */
static void
cat_bad(struct cat *c)
{
	const struct hstr	*t = &c->it->text;
	struct ibuf		 b;
	size_t			 i;

	ibuf_init(&b, BAD_MAX * 3 + 16);
	(void)ibuf_adds(&b, "BADURL ");
	for (i = 0; i < t->len && i < BAD_MAX; i++)
		if (t->p[i] > ' ' && t->p[i] < 0x7f && t->p[i] != ']' &&
		    t->p[i] != '\\')
			(void)ibuf_add_n8(&b, (uint8_t)t->p[i]);
		else
			(void)ibuf_addf(&b, "%%%02X",
			    (unsigned)(unsigned char)t->p[i]);
	if (t->len == 0)
		(void)ibuf_adds(&b, "\"\"");
	(void)ibuf_add_n8(&b, '\0');
	iop_no(c->op, (const char *)ibuf_data(&b), "Nothing is there");
	ibuf_fini(&b);
}

static void
cat_fail(struct cat *c, enum st_code code)
{
	if (code == ST_NO_SUCH_MESSAGE || code == ST_NO_SUCH_MAILBOX)
		cat_bad(c);
	else
		iop_fail(c->op, code, NULL);
}

/* what passes through here */

static void
cat_forward(struct cat *c)
{
	struct bpart	*p = c->part;
	size_t		 n = ibuf_size(&c->data);

	if (n > p->rq.credit)
		n = (size_t)p->rq.credit;
	if (n > 0) {
		(void)st_data(&p->rq, ibuf_data(&c->data), n);
		ibuf_drain(&c->data, n);
		if (!c->got)
			st_credit(&c->rq, (uint32_t)n);
	}
	if (!c->got || ibuf_size(&c->data) > 0)
		return;
	c->part = NULL;
	st_data_end(&p->rq);
	batch_next(c->op);
}

void
cat_credit(struct cat *c, const struct bpart *p)
{
	if (p == c->part)
		cat_forward(c);
}

static void
copy_answer(struct streq *rq, enum msg_type type, const void *arg)
{
	struct cat		*c = rq->arg;
	const struct m_st_data	*d = arg;
	const struct m_st_end	*end = arg;

	lsession_timeout(&c->op->s->ls, LT_COMMAND);
	if (type == M_st_data) {
		if (ibuf_add(&c->data, d->data.p, d->data.len) == -1)
			fatal(NULL);
		cat_forward(c);
	} else if (type != M_st_end)
		return;
	else if (end->code != ST_OK)
		cat_fail(c, end->code);
	else {
		c->got = 1;
		cat_forward(c);
	}
}

static void
cat_get(struct cat *c, uint64_t off, uint64_t len,
    void (*f)(struct streq *, enum msg_type, const void *))
{
	struct m_st_get q;

	memset(&q, 0, sizeof(q));
	q.mount = c->mount->number;
	q.id = c->id;
	q.size = c->size;
	q.offset = off;
	q.length = len;
	q.credit = CREDIT;
	c->got = 0;
	ibuf_drain(&c->data, ibuf_size(&c->data));
	cat_ask(c, M_st_get, &q, f);
}

/* The part of a range that the URL wants. */
static void
cat_partial(const struct imap_url *u, uint64_t *off, uint64_t *len)
{
	if (!u->partial)
		return;
	if (u->offset >= *len) {
		*len = 0;
		return;
	}
	*off += u->offset;
	*len -= u->offset;
	if (*len > u->count)
		*len = u->count;
}

/* 0, or the command has ended, and we with it. */
static int
cat_upload(struct cat *c, uint64_t len)
{
	struct bpart *p;

	if ((p = batch_upload(c->op, len)) == NULL)
		return -1;
	c->part = p;
	return 0;
}

/* These bytes of the message. */
static void
cat_range(struct cat *c, uint64_t off, uint64_t len)
{
	int all;

	cat_partial(&c->it->url, &off, &len);
	all = off == 0 && len == c->size;
	if (len == 0)
		batch_next(c->op);
	else if (c->mount->storage == c->op->mount->storage &&
	    c->mount->acct == c->op->mount->acct) {
		if (batch_part(c->op, c->id, off, len, all) != NULL)
			batch_next(c->op);
	} else if (cat_upload(c, len) == 0)
		cat_get(c, off, len, copy_answer);
}

/* fields of a header */

static void
cat_picked(struct cat *c)
{
	uint64_t off = 0, len = ibuf_size(&c->data);

	cat_partial(&c->it->url, &off, &len);
	ibuf_drain(&c->data, (size_t)off);
	ibuf_truncate(&c->data, (size_t)len);
	c->got = 1;
	if (len == 0)
		batch_next(c->op);
	else if (cat_upload(c, len) == 0)
		cat_forward(c);
}

static void
fields_answer(struct streq *rq, enum msg_type type, const void *arg)
{
	struct cat		*c = rq->arg;
	const struct m_st_data	*d = arg;
	const struct m_st_end	*end = arg;

	lsession_timeout(&c->op->s->ls, LT_COMMAND);
	if (type == M_st_data) {
		if (imapout_filter_feed(&c->filter, d->data.p, d->data.len,
		    &c->data) == -1)
			iop_no(c->op, "LIMIT", "Header too big");
		else
			st_credit(rq, (uint32_t)d->data.len);
	} else if (type != M_st_end)
		return;
	else if (end->code != ST_OK)
		cat_fail(c, end->code);
	else if (imapout_filter_finish(&c->filter, &c->data) == -1)
		iop_no(c->op, "LIMIT", "Header too big");
	else
		cat_picked(c);
}

/* sections */

static void	cat_scan(struct cat *);

static void
cat_section(struct cat *c)
{
	const struct imap_section	*s = &c->it->url.section;
	struct imapout_section		 sec;
	int				 r = -1;

	if (c->have_sum)
		r = imapout_section(&c->sum, s->part, s->nparts,
		    part_section_what(s), &sec);
	if (r == -1 && !c->made)
		cat_scan(c);
	else if (r != 1 || sec.off > c->size || sec.len > c->size - sec.off)
		cat_bad(c);
	else if (s->nfields > 0) {
		imapout_filter_start(&c->filter, s->field, s->nfields,
		    s->what == SECTION_FIELDS_NOT);
		cat_get(c, sec.off, sec.len, fields_answer);
	} else
		cat_range(c, sec.off, sec.len);
}

static void
cat_summary(struct cat *c)
{
	c->have_sum = summary_parse(&c->sum, (const char *)
	    ibuf_data(&c->text), ibuf_size(&c->text)) == 1 &&
	    c->sum.size == c->size;
}

static void
scan_answer(struct streq *rq, enum msg_type type, const void *arg)
{
	struct cat		*c = rq->arg;
	const struct m_st_data	*d = arg;
	const struct m_st_end	*end = arg;

	lsession_timeout(&c->op->s->ls, LT_COMMAND);
	if (type == M_st_data) {
		if (summary_feed(c->maker, d->data.p, d->data.len) == -1)
			fatal("summary");
		st_credit(rq, (uint32_t)d->data.len);
	} else if (type != M_st_end)
		return;
	else if (end->code != ST_OK)
		cat_fail(c, end->code);
	else {
		ibuf_drain(&c->text, ibuf_size(&c->text));
		if (summary_finish(c->maker, &c->text, SUMMARY_FULL) == -1)
			fatal("summary");
		c->made = 1;
		cat_summary(c);
		cat_section(c);
	}
}

/* The storage has no summary that says where it is: the message does. */
static void
cat_scan(struct cat *c)
{
	summary_free(c->maker);
	if ((c->maker = summary_open()) == NULL)
		fatal(NULL);
	cat_get(c, 0, c->size, scan_answer);
}

static void
cat_found(struct cat *c)
{
	const struct imap_section *s = &c->it->url.section;

	if (!c->it->url.has_section || (s->what == SECTION_ALL &&
	    s->nparts == 0))
		cat_range(c, 0, c->size);
	else
		cat_section(c);
}

/* the message */

static void
row_take(struct cat *c, const struct m_st_rows *rows)
{
	struct ibuf	b;
	struct st_row	row;
	struct uidset	set;

	uidset_init(&set);
	ibuf_from_buffer(&b, rows->rows.p, rows->rows.len);
	while (strow_get(&b, &row) == 1) {
		if (msg_set_get(&row.uids, &set) == -1)
			fatal(NULL);
		if (!uidset_contains(&set, c->it->url.uid) ||
		    (row.has & (ROW_ID | ROW_SIZE)) != (ROW_ID | ROW_SIZE) ||
		    c->id != NULL)
			continue;
		if ((c->id = strdup(row.id)) == NULL)
			fatal(NULL);
		c->size = row.size;
		if (row.has & ROW_CACHE && row.cachelen > 0 &&
		    ibuf_add(&c->text, row.cache, row.cachelen) == 0)
			cat_summary(c);
	}
	uidset_fini(&set);
}

static void
row_answer(struct streq *rq, enum msg_type type, const void *arg)
{
	struct cat		*c = rq->arg;
	const struct m_st_end	*end = arg;

	if (type == M_st_rows)
		row_take(c, arg);
	if (type != M_st_end)
		return;
	if (end->code != ST_OK)
		cat_fail(c, end->code);
	else if (c->id == NULL)
		cat_bad(c);
	else {
		c->uid = c->it->url.uid;
		cat_found(c);
	}
}

static void
cat_row(struct cat *c)
{
	struct m_st_list q;
	struct uidset	 set;

	uidset_init(&set);
	if (uidset_add(&set, c->it->url.uid, c->it->url.uid) == -1)
		fatal(NULL);
	memset(&q, 0, sizeof(q));
	q.mount = c->mount->number;
	q.mailbox = c->mailbox;
	q.uids = msg_set_of(&set);
	q.fields = ROW_ID | ROW_SIZE;
	if (imount_storage(c->op->s, c->mount)->caps & CAP(CAP_CACHE))
		q.fields |= ROW_CACHE;
	q.credit = CREDIT;
	cat_ask(c, M_st_list, &q, row_answer);
	uidset_fini(&set);
}

/* the mailbox */

/* Several sections of one message are asked for one after the other. */
static void
cat_mailbox(struct cat *c, const char *id, uint32_t uidvalidity)
{
	const struct imap_url *u = &c->it->url;

	if (u->uidvalidity != 0 && u->uidvalidity != uidvalidity) {
		cat_bad(c);
		return;
	}
	if (c->uid == u->uid && strcmp(c->mailbox, id) == 0) {
		cat_found(c);
		return;
	}
	cat_forget(c);
	if ((c->mailbox = strdup(id)) == NULL)
		fatal(NULL);
	cat_row(c);
}

static void
cat_listed(struct iop *op, enum st_code code, const char *text)
{
	struct cat	*c = batch_cat(op);
	struct mbox	*mb;

	if (code != ST_OK)
		iop_fail(op, code, text);
	else if ((mb = iacct_find(c->mount->account, c->name)) == NULL)
		cat_bad(c);
	else
		cat_mailbox(c, mb->id, mb->uidvalidity);
}

/*
 * A relative name stands beside the selected mailbox, whose URL is the
 * base; without one it begins at the top (RFC 4469, 3).
 */
static int
cat_name(struct cat *c, char *name)
{
	char		 buf[LIST_NAME_MAX + 1];
	const char	*rel = c->it->url.mailbox, *base = NULL, *end;
	struct iview	*v = c->op->s->view;
	struct mbox	*mb;

	name[0] = '\0';
	if (c->it->url.relative && v != NULL && v->mount->account != NULL &&
	    (mb = iacct_by_id(v->mount->account, v->m->id)) != NULL)
		base = imount_name(v->mount, mb->name, buf);
	if (base != NULL && (end = strrchr(base, '/')) != NULL) {
		memcpy(name, base, (size_t)(end - base) + 1);
		name[end - base + 1] = '\0';
	}
	if (strlcat(name, rel, LIST_NAME_MAX + 1) > LIST_NAME_MAX)
		return -1;
	list_canon_inbox(name, strlen(name));
	return 0;
}

void
cat_url(struct cat *c, const struct imap_append_item *it)
{
	struct iview	*v = c->op->s->view;
	struct imount	*was = c->mount;
	char		 name[LIST_NAME_MAX + 1];
	const char	*there;

	c->it = it;
	if (it->bad || (*it->url.mailbox == '\0' && v == NULL)) {
		cat_bad(c);
		return;
	}
	if (*it->url.mailbox == '\0') {
		if ((c->mount = v->mount) != was)
			cat_forget(c);
		cat_mailbox(c, v->m->id, v->m->uidvalidity);
		return;
	}
	if (cat_name(c, name) == -1 ||
	    (there = imount_of(c->op->s, name, &c->mount)) == NULL) {
		cat_bad(c);
		return;
	}
	if (c->mount != was)
		cat_forget(c);
	free(c->name);
	if ((c->name = strdup(there)) == NULL)
		fatal(NULL);
	iacct_need_of(c->op, c->mount, cat_listed);
}
