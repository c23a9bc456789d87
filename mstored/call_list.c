/* GET .../mailboxes/{m}/messages: the listing. */
#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "json.h"
#include "keep.h"

#define LIST_ROWS	2048		/* messages looked at in one piece */
#define LIST_SLICE	(32 * 1024)	/* bytes of one piece */
#define LIST_TAIL	(16 * 1024)	/* of a row: no long set beside it */
#define LIST_FIELDS	256		/* bytes of fields= */

enum list_field {
	F_UID		= 0x01,
	F_ID		= 0x02,
	F_FLAGS		= 0x04,
	F_SIZE		= 0x08,
	F_DATE		= 0x10,
	F_MODSEQ	= 0x20,
	F_CACHE		= 0x40,
	F_SAVEDATE	= 0x80
};

#define F_ALL	(F_UID | F_ID | F_FLAGS | F_SIZE | F_DATE | F_MODSEQ)
#define F_ROW	(F_ID | F_SIZE | F_DATE | F_CACHE | F_SAVEDATE)	/* of one */

static const struct {
	const char	*name;
	unsigned int	 bit;
	uint64_t	 cap;
} list_fields[] = {
	{ "uid",	F_UID,		0 },
	{ "id",		F_ID,		0 },
	{ "flags",	F_FLAGS,	0 },
	{ "size",	F_SIZE,		0 },
	{ "date",	F_DATE,		0 },
	{ "modseq",	F_MODSEQ,	CAP(CAP_MODSEQ) },
	{ "cache",	F_CACHE,	CAP(CAP_CACHE) },
	{ "savedate",	F_SAVEDATE,	CAP(CAP_SAVEDATE) },
};
#define LIST_NFIELDS	(sizeof(list_fields) / sizeof(list_fields[0]))

enum list_phase { LIST_VANISHED, LIST_MESSAGES };

struct list {
	enum list_phase	 phase;
	int64_t		 account;
	struct mbox_id	 mailbox;
	struct ibuf	 head;		/* until it is sent */
	unsigned int	 fields;
	int		 asked;		/* fields= was there */
	int		 brief;		/* first lines of summaries only */
	uint64_t	 since;		/* 0: everything */
	int64_t		 pos;		/* in the log, of the last vanished */
	int		 solid;		/* all uids exist */
	struct uidset	 want;		/* what is still to be looked at */
	uint32_t	 range;		/* in want */
	uint32_t	 next;		/* uid in that range, 0: its first */
	int		 rows;		/* looked at in this piece */
	struct ibuf	*out;
	int		 full;
	/* rows that differ from each other only in a few things */
	struct clusters	 cs;
	/* else neighbours with equal members, and their text */
	struct uidset	 run;
	struct ibuf	 tail, next_tail;
	int		 failed;	/* a code */
	/* to be found by the next who asks for the same */
	int		 keeping;
	struct keep_key	 key;
	struct ibuf	 kept;
};

static void
list_free(struct req *r)
{
	struct list *l = r->data;

	ibuf_fini(&l->head);
	ibuf_fini(&l->tail);
	ibuf_fini(&l->next_tail);
	ibuf_fini(&l->kept);
	uidset_fini(&l->want);
	uidset_fini(&l->run);
	clusters_fini(&l->cs);
	free(l);
}

/* rows */

static int
list_cluster(struct list *l, const struct cluster *c)
{
	const struct store_flags	*f;
	struct ibuf			*b = l->out;

	if (ibuf_add_n8(b, '{') == -1 || answer_uids(b, &c->uids) == -1)
		return -1;
	if (c->flags != 0) {
		if ((f = store_flags(server.store, c->flags)) == NULL ||
		    ibuf_add(b, ",\"flags\":", 9) == -1 ||
		    ibuf_add(b, f->text, f->len) == -1)
			return -1;
	}
	if (c->modseq != 0 && (ibuf_add(b, ",\"modseq\":", 10) == -1 ||
	    ibuf_addu(b, c->modseq) == -1))
		return -1;
	return ibuf_add(b, "}\n", 2);
}

static int
list_flush(struct list *l)
{
	int i;

	for (i = 0; i < l->cs.n; i++)
		if (list_cluster(l, &l->cs.c[i]) == -1)
			return -1;
	clusters_clear(&l->cs);
	if (l->run.n > 0) {
		if (ibuf_add_n8(l->out, '{') == -1 ||
		    answer_uids(l->out, &l->run) == -1 ||
		    ibuf_add_ibuf(l->out, &l->tail) == -1)
			return -1;
		uidset_clear(&l->run);
	}
	return 0;
}

static int
list_date(struct ibuf *b, const char *name, const struct rfcdate *date)
{
	if (ibuf_add(b, ",\"", 2) == -1 || ibuf_adds(b, name) == -1 ||
	    ibuf_add(b, "\":\"", 3) == -1 ||
	    rfcdate_put_3339(b, date) == -1)
		return -1;
	return ibuf_add_n8(b, '"');
}

static int
list_cache(const struct list *l, struct ibuf *b, const struct store_msg *m)
{
	const char	*end;
	size_t		 len = m->cachelen;

	if (l->brief && len > 0 &&
	    (end = memchr(m->cache, '\n', len)) != NULL)
		len = (size_t)(end - m->cache);
	return ibuf_add(b, ",\"cache\":", 9) == -1 ? -1 :
	    json_put_strn(b, m->cache, len);
}

/* What a row says beside its uid. */
static int
list_tail(struct list *l, struct ibuf *b, const struct store_msg *m)
{
	const struct store_flags	*f;
	struct rfcdate			 date;
	char				 id[NAME_ID_SIZE];
	size_t				 n;

	if (l->fields & F_ID) {
		n = name_put_content(id, &m->content);
		if (ibuf_add(b, ",\"id\":\"", 7) == -1 ||
		    ibuf_add(b, id, n) == -1 || ibuf_add_n8(b, '"') == -1)
			return -1;
	}
	if (l->fields & F_FLAGS &&
	    ((f = store_flags(server.store, m->flags)) == NULL ||
	    ibuf_add(b, ",\"flags\":", 9) == -1 ||
	    ibuf_add(b, f->text, f->len) == -1))
		return -1;
	if (l->fields & F_SIZE && (ibuf_add(b, ",\"size\":", 8) == -1 ||
	    ibuf_addu(b, m->size) == -1))
		return -1;
	if (l->fields & F_DATE) {
		store_undate(&date, m->date);
		if (list_date(b, "date", &date) == -1)
			return -1;
	}
	if (l->fields & F_SAVEDATE && m->saved != 0) {
		date.t = m->saved;
		date.zone = 0;
		if (list_date(b, "savedate", &date) == -1)
			return -1;
	}
	if (l->fields & F_MODSEQ && (ibuf_add(b, ",\"modseq\":", 10) == -1 ||
	    ibuf_addu(b, m->modseq) == -1))
		return -1;
	if (l->fields & F_CACHE && m->cache != NULL &&
	    list_cache(l, b, m) == -1)
		return -1;
	return ibuf_add(b, "}\n", 2);
}

static int
list_run(struct list *l, const struct store_msg *m)
{
	struct ibuf	*b = &l->next_tail, swap;
	uint32_t	 most = ANSWER_RANGES;

	ibuf_drain(b, ibuf_size(b));
	if (list_tail(l, b, m) == -1)
		return -1;
	if (ibuf_size(b) > LIST_TAIL)
		most = 1;
	if (l->run.n > 0 && (l->run.n >= most ||
	    ibuf_size(b) != ibuf_size(&l->tail) ||
	    memcmp(ibuf_data(b), ibuf_data(&l->tail), ibuf_size(b)) != 0) &&
	    list_flush(l) == -1)
		return -1;
	swap = l->tail;
	l->tail = l->next_tail;
	l->next_tail = swap;
	return uidset_add(&l->run, m->uid, m->uid);
}

static int
list_message(struct list *l, const struct store_msg *m)
{
	int r;

	if (l->fields & F_ROW)
		return list_run(l, m);
	while ((r = clusters_add(&l->cs, m->uid,
	    l->fields & F_FLAGS ? m->flags : 0,
	    l->fields & F_MODSEQ ? m->modseq : 0)) == 0)
		if (list_flush(l) == -1)
			return -1;
	return r == 1 ? 0 : -1;
}

static int
list_row(void *arg, const struct store_msg *m)
{
	struct list *l = arg;

	l->next = m->uid + 1;
	l->rows++;
	if (m->modseq > l->since && list_message(l, m) == -1)
		l->failed = ST_TRY_LATER;
	l->full = l->rows >= LIST_ROWS || ibuf_size(l->out) >= LIST_SLICE;
	return l->full || l->failed != ST_OK;
}

/* All uids exist and nothing else is asked: no need to look at any. */
static void
list_solid(struct list *l)
{
	struct ibuf	*b = l->out;
	int		 r;

	if (uidset_count(&l->want) != 1)
		r = answer_sets(b, "uids", &l->want);
	else
		r = ibuf_add_n8(b, '{') == -1 ||
		    answer_uids(b, &l->want) == -1 ||
		    ibuf_add(b, "}\n", 2) == -1 ? -1 : 0;
	if (r == -1)
		l->failed = ST_TRY_LATER;
	l->range = l->want.n;
}

static int
list_messages(struct list *l)
{
	struct store_scan	scan;
	int			code;

	if (l->solid)
		list_solid(l);
	memset(&scan, 0, sizeof(scan));
	scan.account = l->account;
	scan.mailbox = l->mailbox.no;
	scan.what = l->fields & F_CACHE ? STORE_CACHE :
	    l->fields & F_ROW ? STORE_ROWS : STORE_FLAGS;
	for (; l->range < l->want.n; l->range++, l->next = 0) {
		scan.lo = l->want.r[l->range].lo;
		scan.hi = l->want.r[l->range].hi;
		if (l->next > scan.lo)
			scan.lo = l->next;
		if (scan.lo > scan.hi)
			continue;
		/* a query costs as much as some rows */
		l->rows += 16;
		if ((code = store_messages(server.store, &scan, list_row,
		    l)) != ST_OK)
			return code;
		if (l->failed != ST_OK)
			return l->failed;
		if (l->full)
			break;
		if (l->rows >= LIST_ROWS) {
			l->full = 1;
			l->next = 0;
			l->range++;
			break;
		}
	}
	if (l->full)
		return ST_OK;
	return list_flush(l) == -1 ? ST_TRY_LATER : l->failed;
}

/* vanished */

static int
list_vanished_row(void *arg, const char *set, size_t len)
{
	struct list	*l = arg;
	struct ibuf	*b = l->out;

	if (ibuf_adds(b, "{\"vanished\":\"") == -1 ||
	    ibuf_add(b, set, len) == -1 || ibuf_add(b, "\"}\n", 3) == -1)
		l->failed = ST_TRY_LATER;
	l->full = ibuf_size(b) >= LIST_SLICE;
	return l->full || l->failed != ST_OK;
}

static int
list_vanished(struct list *l)
{
	int code;

	code = store_vanished(server.store, l->mailbox.no, l->since,
	    &l->pos, list_vanished_row, l);
	if (code == ST_OK && !l->full)
		l->phase = LIST_MESSAGES;
	return code != ST_OK ? code : l->failed;
}

/*
 * The state of the store may be another one than in the piece before, with
 * newer changes in it.  That the mailbox is gone, or the log no longer
 * reaches back, must show: what follows would lack something.
 */
static int
list_still(struct list *l, const char *account)
{
	struct store_mailbox	m;
	int			code;

	if ((code = store_mailbox(server.store, account, &l->mailbox,
	    &m)) != ST_OK)
		return code;
	if (l->phase == LIST_VANISHED && m.floor > l->since)
		return ST_SINCE_TOO_OLD;
	/* not all of one state: nothing for others */
	if (m.modseq != l->key.modseq)
		l->keeping = 0;
	return ST_OK;
}

static void
list_keep(struct list *l, const struct ibuf *piece, int code)
{
	if (code != ST_OK || ibuf_size(&l->kept) + ibuf_size(piece) >
	    KEEP_ONE || ibuf_add_ibuf(&l->kept, piece) == -1) {
		l->keeping = 0;
		ibuf_fini(&l->kept);
	} else if (!l->full)
		keep_put(&l->key, &l->kept);
}

static int
list_fill(struct req *r, struct ibuf *out)
{
	struct list	*l = r->data;
	int		 code = ST_OK;

	l->out = out;
	l->full = 0;
	l->rows = 0;
	if (ibuf_size(&l->head) > 0) {
		if (ibuf_add_ibuf(out, &l->head) == -1)
			code = ST_TRY_LATER;
		ibuf_fini(&l->head);
	} else
		code = list_still(l, r->account);
	if (code == ST_OK && l->phase == LIST_VANISHED)
		code = list_vanished(l);
	if (code == ST_OK && l->phase == LIST_MESSAGES && !l->full)
		code = list_messages(l);
	if (code != ST_OK || !l->full)
		answer_end(out, code);
	if (l->keeping)
		list_keep(l, out, code);
	return code == ST_OK && l->full ? RESP_MORE : RESP_END;
}

/* the request */

static int
list_parse_fields(struct list *l, const struct head *hd)
{
	char	 text[LIST_FIELDS], *p = text, *name;
	size_t	 i;
	ssize_t	 n;

	n = target_param(&hd->t, "fields", text, sizeof(text));
	if (n == -1)
		return -1;
	if (n == -2) {
		l->fields = F_ALL;
		if (!HAS(CAP_MODSEQ))
			l->fields &= ~(unsigned int)F_MODSEQ;
		return 0;
	}
	l->asked = 1;
	while ((name = strsep(&p, ",")) != NULL)
		for (i = 0; i < LIST_NFIELDS; i++)
			if (strcmp(name, list_fields[i].name) == 0 &&
			    (list_fields[i].cap & ~server.conf->caps) == 0)
				l->fields |= list_fields[i].bit;
	return 0;
}

static int
list_parse_brief(struct list *l, const struct head *hd)
{
	char	text[8];
	ssize_t	n;

	if (!HAS(CAP_CACHE))
		return 0;
	n = target_param(&hd->t, "brief", text, sizeof(text));
	l->brief = n == 1 && text[0] == '1';
	return n == -2 || l->brief ? 0 : -1;
}

static int
list_parse_since(struct list *l, const struct head *hd)
{
	char		 text[32];
	const char	*err;
	ssize_t		 n;

	if (!HAS(CAP_MODSEQ))
		return 0;
	n = target_param(&hd->t, "since", text, sizeof(text));
	if (n == -2)
		return 0;
	if (n <= 0 || text[0] < '1' || text[0] > '9')
		return -1;
	l->since = (uint64_t)strtonum(text, 1, ((int64_t)1 << 53) - 1, &err);
	return err == NULL ? 0 : -1;
}

/* uids= as a set, and its text for the echo; *there says if it was there. */
static int
list_parse_uids(struct list *l, const struct head *hd, char *text,
    size_t size, int *there)
{
	ssize_t n;

	n = target_param(&hd->t, "uids", text, size);
	*there = n != -2;
	if (n == -2)
		return 0;
	if (n == -1)
		return -1;
	return uidset_parse(&l->want, text, (size_t)n, UINT32_MAX);
}

static int
list_applied(struct list *l, struct ibuf *b, const char *uids)
{
	size_t i;

	if (json_key(b, "applied") == -1 || json_open(b, '{') == -1)
		return -1;
	if (uids != NULL && json_kstr(b, "uids", uids) == -1)
		return -1;
	if (l->asked) {
		if (json_key(b, "fields") == -1 || json_open(b, '[') == -1)
			return -1;
		for (i = 0; i < LIST_NFIELDS; i++)
			if (l->fields & list_fields[i].bit &&
			    json_put_str(b, list_fields[i].name) == -1)
				return -1;
		if (json_close(b, ']') == -1)
			return -1;
	}
	if (l->since != 0 && json_ku64(b, "since", l->since) == -1)
		return -1;
	return json_close(b, '}');
}

static int
list_header(struct list *l, const struct store_mailbox *m, const char *uids)
{
	const struct store_flags	*f;
	struct ibuf			*b = &l->head;

	if (json_open(b, '{') == -1 || json_kbool(b, "header", 1) == -1)
		return -1;
	if (HAS(CAP_MODSEQ) && json_ku64(b, "modseq", m->modseq) == -1)
		return -1;
	if (json_ku64(b, "uidnext", m->uidnext) == -1 ||
	    json_ku64(b, "uidvalidity", m->id.uidvalidity) == -1 ||
	    (f = store_flags(server.store, m->known)) == NULL ||
	    json_key(b, "flags") == -1 ||
	    json_put_raw(b, f->text) == -1 ||
	    list_applied(l, b, uids) == -1)
		return -1;
	return ibuf_add(b, "}\n", 2);
}

/*
 * Which uids are to be looked at: no newer ones than the header knows, so
 * that the listing ends however fast messages come.
 */
static int
list_want(struct list *l, const struct store_mailbox *m, int limited)
{
	struct uidset	changed, there;
	int		code = ST_OK, all = 1;

	uidset_init(&changed);
	uidset_init(&there);
	if (l->since != 0)
		code = store_changed(server.store, m->id.no, l->since,
		    &changed, &all);
	if (code == ST_OK && ((m->uidnext > 1 && uidset_add(&there, 1,
	    m->uidnext - 1) == -1) ||
	    (!all && uidset_intersect(&there, &changed) == -1) ||
	    (limited && uidset_intersect(&there, &l->want) == -1)))
		code = ST_TRY_LATER;
	if (code == ST_OK)
		uidset_move(&l->want, &there);
	uidset_fini(&changed);
	uidset_fini(&there);
	return code;
}

static int
list_open(struct list *l, const char *account, const struct head *hd)
{
	struct store_mailbox	m;
	char			uids[SET_URL_MAX + 1];
	int			code, limited;

	if (list_parse_fields(l, hd) == -1 ||
	    list_parse_brief(l, hd) == -1 ||
	    list_parse_since(l, hd) == -1 ||
	    list_parse_uids(l, hd, uids, sizeof(uids), &limited) == -1)
		return ST_BAD_REQUEST;
	if ((code = store_mailbox(server.store, account, &l->mailbox,
	    &m)) != ST_OK)
		return code;
	l->account = m.account;
	if (l->since != 0 && (l->since < m.floor || l->since > m.modseq))
		return ST_SINCE_TOO_OLD;
	if (list_header(l, &m, limited ? uids : NULL) == -1)
		return ST_TRY_LATER;
	/* rows of changes always tell their modseq */
	if (l->since != 0)
		l->fields |= F_MODSEQ;
	else
		l->phase = LIST_MESSAGES;
	l->solid = l->since == 0 && (l->fields & ~(unsigned int)F_UID) == 0 &&
	    m.messages == m.uidnext - 1;
	/* summaries come without a change of the mailbox */
	l->keeping = l->since == 0 && !limited && !l->solid &&
	    (l->fields & F_CACHE) == 0;
	l->key.mailbox = m.id.no;
	l->key.uidvalidity = m.id.uidvalidity;
	l->key.form = l->fields << 1 | (l->asked != 0);
	l->key.modseq = m.modseq;
	return list_want(l, &m, limited);
}

void
call_list(struct req *r, const struct head *hd)
{
	const struct ibuf	*kept;
	struct list		*l;
	int			 code;

	if ((l = calloc(1, sizeof(*l))) == NULL) {
		resp_error(r, ST_TRY_LATER, NULL);
		return;
	}
	ibuf_init(&l->head, 128 * 1024);
	ibuf_init(&l->tail, 128 * 1024);
	ibuf_init(&l->next_tail, 128 * 1024);
	clusters_init(&l->cs);
	l->mailbox = r->mailbox;
	r->data = l;
	r->free = list_free;
	ibuf_init(&l->kept, KEEP_ONE);
	if ((code = list_open(l, r->account, hd)) != ST_OK)
		resp_error(r, code, NULL);
	else if (l->keeping && (kept = keep_find(&l->key)) != NULL)
		resp_send(r, 200, TYPE_NDJSON, ibuf_data(kept),
		    ibuf_size(kept));
	else
		resp_fill(r, TYPE_NDJSON, list_fill);
}
