/*
 * Calls that read: mailboxes, listings, contents.
 */
#include <sys/types.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "log.h"

#define URL_SET		4000	/* characters of a set in a URL */
#define DATA_MAX	60000	/* bytes in one st_data */

/* mailboxes */

struct mbox_texts {
	char	id[256];
	char	name[1001];
	char	state[256];
	char	roles[256];
	char	objectid[256];
};

static void
mbox_roles(struct json *j, char *buf, size_t size)
{
	const char	*s;
	size_t		 len;
	int		 i, list = json_member(j, 0, "roles");

	buf[0] = '\0';
	for (i = json_first(j, list); i != -1; i = json_next(j, i)) {
		if (json_str(j, i, &s, &len) != 1 || len > 32 ||
		    strlen(buf) + len + 2 > size)
			continue;
		if (buf[0] != '\0')
			strlcat(buf, " ", size);
		strlcat(buf, s, strlen(buf) + len + 1);
	}
}

/* Members a row may have; -1 when one is there and is not of its type. */
static int
mbox_optional(struct json *j, struct m_st_mbox *m, struct mbox_texts *t)
{
	int r, on;

#define GET(call, bit) do {						\
	if ((r = (call)) == -1)						\
		return -1;						\
	if (r == 1)							\
		m->has |= (bit);					\
} while (0)
	GET(json_u64(j, json_member(j, 0, "modseq"), UINT64_MAX, &m->modseq),
	    MBOX_MODSEQ);
	GET(json_u32(j, json_member(j, 0, "unseen"), &m->unseen),
	    MBOX_UNSEEN);
	GET(json_u32(j, json_member(j, 0, "deleted"), &m->deleted),
	    MBOX_DELETED);
	GET(json_u64(j, json_member(j, 0, "size"), UINT64_MAX, &m->size),
	    MBOX_SIZE);
#undef GET
	if (nd_text(j, json_member(j, 0, "state"), t->state,
	    sizeof(t->state)) == 0)
		m->has |= MBOX_STATE;
	if (json_bool(j, json_member(j, 0, "subscribed"), &on) == 1 && on)
		m->has |= MBOX_SUBSCRIBED;
	if (json_bool(j, json_member(j, 0, "read_only"), &on) == 1 && on)
		m->has |= MBOX_READONLY;
	if (json_bool(j, json_member(j, 0, "exists"), &on) == 1 && !on)
		m->has |= MBOX_NONEXISTENT;
	return 0;
}

static int
mbox_read(struct json *j, struct m_st_mbox *m, struct mbox_texts *t)
{
	memset(m, 0, sizeof(*m));
	memset(t, 0, sizeof(*t));
	m->id = t->id;
	m->name = t->name;
	m->state = t->state;
	m->roles = t->roles;
	m->objectid = t->objectid;
	if (nd_text(j, json_member(j, 0, "name"), t->name,
	    sizeof(t->name)) == -1 || mbox_optional(j, m, t) == -1)
		return -1;
	if (m->has & MBOX_NONEXISTENT)
		return 0;
	mbox_roles(j, t->roles, sizeof(t->roles));
	if (json_member(j, 0, "objectid") != -1 && nd_id(j,
	    json_member(j, 0, "objectid"), t->objectid,
	    sizeof(t->objectid)) == -1)
		return -1;
	if (nd_id(j, json_member(j, 0, "id"), t->id, sizeof(t->id)) == -1 ||
	    json_u32(j, json_member(j, 0, "uidvalidity"),
	    &m->uidvalidity) != 1 || m->uidvalidity == 0 ||
	    json_u32(j, json_member(j, 0, "uidnext"), &m->uidnext) != 1 ||
	    json_u32(j, json_member(j, 0, "messages"), &m->messages) != 1)
		return -1;
	return 0;
}

int
eread_mbox(struct ereq *e, struct json *j)
{
	struct m_st_mbox	m;
	struct mbox_texts	t;

	if (mbox_read(j, &m, &t) == -1)
		return -1;
	m.epoch = e->epoch;
	ereq_send(e, M_st_mbox, &m);
	return 0;
}

static int
mailboxes_line(struct hreq *h, struct json *j, int header)
{
	struct ereq *e = h->arg;

	if (header)
		return 0;
	return eread_mbox(e, j);
}

void
eread_mailboxes(struct ereq *e, const void *arg)
{
	struct hreq *h = ereq_http(e, "GET", ANSWER_NDJSON);

	(void)ibuf_adds(&h->target, "/mailboxes");
	h->line = mailboxes_line;
	e->epoch = e->st->epoch;
	ereq_submit(e, h);
}

static void
mailbox_done(struct hreq *h, enum st_code code, const char *text,
    struct json *j)
{
	struct ereq *e = h->arg;

	if (code == ST_OK && (j == NULL || eread_mbox(e, j) == -1)) {
		code = ST_NONSENSE;
		text = st_error(code)->text;
	}
	ereq_done(h, code, text, NULL);
}

void
eread_mailbox(struct ereq *e, const void *arg)
{
	const struct m_st_mailbox	*m = arg;
	struct hreq			*h;

	if ((e->mailbox = strdup(m->mailbox)) == NULL)
		fatal(NULL);
	h = ereq_http(e, "GET", ANSWER_JSON);
	(void)ereq_mailbox(h, e);
	h->done = mailbox_done;
	e->epoch = e->st->epoch;
	ereq_submit(e, h);
}

/* listings */

static uint32_t
applied_fields(struct json *j, int applied)
{
	static const struct {
		const char	*name;
		uint32_t	 bit;
	} fields[] = {
		{ "flags", ROW_FLAGS }, { "id", ROW_ID },
		{ "size", ROW_SIZE }, { "date", ROW_DATE },
		{ "modseq", ROW_MODSEQ }, { "cache", ROW_CACHE },
		{ "savedate", ROW_SAVEDATE }, { "threadid", ROW_THREADID },
	};
	const char	*s;
	size_t		 len, k;
	uint32_t	 mask = 0;
	int		 i, list = json_member(j, applied, "fields");

	/* without the member every field is there that the backend has */
	if (list == -1)
		return UINT32_MAX;
	for (i = json_first(j, list); i != -1; i = json_next(j, i)) {
		if (json_str(j, i, &s, &len) != 1)
			continue;
		for (k = 0; k < sizeof(fields) / sizeof(fields[0]); k++)
			if (strlen(fields[k].name) == len &&
			    memcmp(s, fields[k].name, len) == 0)
				mask |= fields[k].bit;
	}
	return mask;
}

static int
list_header(struct ereq *e, struct json *j)
{
	struct m_st_head	m;
	struct ibuf		flags;
	int			i, applied = json_member(j, 0, "applied");

	memset(&m, 0, sizeof(m));
	ibuf_init(&flags, 32768);
	if (json_u64(j, json_member(j, 0, "modseq"), UINT64_MAX,
	    &m.modseq) == -1 ||
	    json_u32(j, json_member(j, 0, "uidnext"), &m.uidnext) == -1 ||
	    json_u32(j, json_member(j, 0, "uidvalidity"),
	    &m.uidvalidity) == -1)
		return -1;
	if ((i = json_member(j, 0, "flags")) != -1 &&
	    nd_flags(j, i, &flags) == -1) {
		ibuf_fini(&flags);
		return -1;
	}
	m.flags = i != -1 ? (const char *)ibuf_data(&flags) : "";
	m.fields = e->fields & applied_fields(j, applied);
	m.uids = 1;
	m.since = e->since != 0 && json_member(j, applied, "since") != -1;
	m.epoch = e->epoch;
	e->filter = e->set.n > 0 && json_member(j, applied, "uids") == -1;
	if (!e->headed)
		ereq_send(e, M_st_head, &m);
	e->headed = 1;
	ibuf_fini(&flags);
	return 0;
}

static int
list_vanished(struct ereq *e, struct json *j, int i)
{
	struct uidset	set;
	int		r;

	uidset_init(&set);
	if ((r = nd_set(j, i, &set)) == 0)
		nd_send_set(e, M_st_vanished, &set);
	uidset_fini(&set);
	return r;
}

static int
list_line(struct hreq *h, struct json *j, int header)
{
	struct ereq	*e = h->arg;
	uint32_t	 fields = e->fields;
	int		 i;

	if (header)
		return list_header(e, j);
	if ((i = json_member(j, 0, "vanished")) != -1)
		return list_vanished(e, j, i);
	if (e->since != 0)
		fields |= ROW_MODSEQ;
	return nd_row(j, e, fields);
}

static void	list_next(struct ereq *);

static void
list_done(struct hreq *h, enum st_code code, const char *text,
    struct json *j)
{
	struct ereq *e = h->arg;

	if (code != ST_OK || e->pos >= e->set.n || e->filter) {
		ereq_done(h, code, text, NULL);
		return;
	}
	/* the set was too long for one request: its next part */
	e->hreq = NULL;
	list_next(e);
}

static void
list_next(struct ereq *e)
{
	struct hreq	*h = ereq_http(e, "GET", ANSWER_NDJSON);
	struct ibuf	*t = &h->target;

	(void)ereq_mailbox(h, e);
	(void)ibuf_adds(t, "/messages?fields=");
	(void)strow_fields(t, e->fields);
	if ((e->fields & (ROW_CACHE | ROW_WHOLE)) == ROW_CACHE)
		(void)ibuf_adds(t, "&brief=1");
	if (e->set.n > 0) {
		(void)ibuf_adds(t, "&uids=");
		(void)uidset_format(&e->set, &e->pos, URL_SET, t);
	}
	if (e->since != 0) {
		(void)ibuf_adds(t, "&since=");
		(void)ibuf_addu(t, e->since);
	}
	h->line = list_line;
	h->done = list_done;
	e->paused = e->credit <= 0;
	hreq_pause(h, e->paused);
	ereq_submit(e, h);
}

void
eread_list(struct ereq *e, const void *arg)
{
	const struct m_st_list *m = arg;

	if ((e->mailbox = strdup(m->mailbox)) == NULL ||
	    msg_set_get(&m->uids, &e->set) == -1)
		fatal(NULL);
	e->fields = m->fields;
	if (!estorage_has(e->st, CAP_CACHE))
		e->fields &= ~(uint32_t)ROW_CACHE;
	if (!estorage_has(e->st, CAP_SAVEDATE))
		e->fields &= ~(uint32_t)ROW_SAVEDATE;
	if (!estorage_threadids(e->st))
		e->fields &= ~(uint32_t)ROW_THREADID;
	if (!estorage_has(e->st, CAP_MODSEQ))
		e->fields &= ~(uint32_t)ROW_MODSEQ;
	e->since = estorage_has(e->st, CAP_MODSEQ) ? m->since : 0;
	e->credit = m->credit;
	e->epoch = e->st->epoch;
	list_next(e);
}

/* contents */

static void
get_send(struct ereq *e, const uint8_t *p, size_t len)
{
	struct m_st_data	m;
	size_t			n;

	while (len > 0) {
		n = len < DATA_MAX ? len : DATA_MAX;
		m.data = msg_blob_of(p, n);
		ereq_send(e, M_st_data, &m);
		p += n;
		len -= n;
		ereq_spend(e, n);
	}
}

/* From memory: as much as the credit allows. */
void
eread_get_more(struct ereq *e)
{
	size_t n;

	while (e->left > 0 && e->credit > 0) {
		n = e->left < DATA_MAX ? (size_t)e->left : DATA_MAX;
		get_send(e, ibuf_data(&e->content->data) + e->skip, n);
		e->skip += n;
		e->left -= n;
	}
	if (e->left == 0)
		ereq_end(e, ST_OK, "");
}

/* Is it the part that was asked for? (RFC 9110, 14.4) */
static int
get_range_ok(const struct hreq *h, const struct http_head *head)
{
	const struct http_str	*v = http_field(head, "Content-Range");
	char			 want[64];
	int			 n;

	n = snprintf(want, sizeof(want), "bytes %llu-%llu/",
	    (unsigned long long)h->range_from,
	    (unsigned long long)(h->range_from + h->range_len - 1));
	return h->range && v != NULL && v->len > (size_t)n &&
	    strncasecmp(v->p, want, (size_t)n) == 0;
}

static void
get_head(struct hreq *h, const struct http_head *head)
{
	struct ereq *e = h->arg;

	if (head->status != 206)
		return;
	e->ranged = 1;
	e->skip = 0;
	/* bytes from elsewhere would be told as these: none are */
	if (!get_range_ok(h, head)) {
		e->left = 0;
		e->wrong = 1;
	}
}

static void
get_data(struct hreq *h, const uint8_t *p, size_t len)
{
	struct ereq	*e = h->arg;
	size_t		 n;

	e->got += len;
	if (e->keep && ibuf_add(&e->whole, p, len) == -1)
		e->keep = 0;
	if (e->skip > 0) {
		n = len < e->skip ? len : (size_t)e->skip;
		e->skip -= n;
		p += n;
		len -= n;
	}
	n = len < e->left ? len : (size_t)e->left;
	e->left -= n;
	get_send(e, p, n);
	/* the rest is nobody's business */
	if (e->left == 0 && !e->keep && !e->ranged && e->got < e->size)
		ereq_end(e, ST_OK, "");
}

static void
get_done(struct hreq *h, enum st_code code, const char *text, struct json *j)
{
	struct ereq *e = h->arg;

	/* the size is exact: less was cut off, more is not this message */
	if (code == ST_OK && e->wrong) {
		code = ST_NONSENSE;
		text = st_error(code)->text;
	} else if (code == ST_OK && (e->left > 0 ||
	    (!e->ranged && e->got != e->size))) {
		code = e->got < e->size ? ST_CUT : ST_NONSENSE;
		text = st_error(code)->text;
	}
	if (code == ST_OK && e->keep && !e->ranged)
		content_put(e->account->acct, e->id, &e->whole);
	ereq_done(h, code, text, NULL);
}

static void
get_fetch(struct ereq *e)
{
	struct hreq *h = ereq_http(e, "GET", ANSWER_BYTES);

	(void)ibuf_adds(&h->target, "/messages/");
	(void)http_pct_encode(&h->target, e->id);
	e->keep = e->size <= HELD_MAX;
	/* no larger than it must be: it will be kept as it is */
	ibuf_init(&e->whole, e->keep ? (size_t)e->size : 0);
	if (!e->keep && estorage_has(e->st, CAP_RANGE) &&
	    e->left < e->size && e->left > 0) {
		h->range = 1;
		h->range_from = e->skip;
		h->range_len = e->left;
	}
	h->head = get_head;
	h->data = get_data;
	h->done = get_done;
	ereq_submit(e, h);
}

void
eread_get(struct ereq *e, const void *arg)
{
	const struct m_st_get *m = arg;

	if ((e->id = strdup(m->id)) == NULL)
		fatal(NULL);
	e->size = m->size;
	e->skip = m->offset;
	e->credit = m->credit;
	if (m->offset > m->size) {
		ereq_end(e, ST_BAD_REQUEST, "offset behind the end");
		return;
	}
	e->left = m->size - m->offset;
	if (m->length < e->left)
		e->left = m->length;
	e->content = content_get(e->account->acct, e->id);
	if (e->content != NULL && ibuf_size(&e->content->data) ==
	    e->size) {
		eread_get_more(e);
		return;
	}
	if (e->content != NULL) {
		content_unref(e->content);
		e->content = NULL;
	}
	get_fetch(e);
}
