/*
 * Uploads: APPEND and deliveries.  What is small is held until it is whole,
 * then sent with its length, and can be repeated; what is large streams
 * through, as fast as the storage takes it.
 */
#include <sys/types.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "log.h"

#define PIECE		32768		/* of a streaming body */
#define CACHE_LINE	(256 * 1024)	/* of summaries in one upload's line */

void
eupload_free(struct ereq *e)
{
	uint32_t i;

	ibuf_fini(&e->up);
	ibuf_fini(&e->line);
	for (i = 0; e->tos != NULL && i < e->nto; i++)
		if (e->tos[i] != NULL)
			account_unref(e->tos[i]);
	free(e->tos);
	free(e->handles);
	free(e->stored);
}

/* answers */

static int
stored_read(struct json *j, struct m_st_stored *m, char *id, size_t idsize)
{
	struct m_st_change	 c;
	const char		*s;
	size_t			 len;

	if (json_str(j, json_member(j, 0, "code"), &s, &len) == 1) {
		m->code = (uint16_t)st_code_by_name(s, len);
		m->text = st_error(m->code)->text;
		return 0;
	}
	if (json_u32(j, json_member(j, 0, "uid"), &m->uid) != 1 ||
	    json_u32(j, json_member(j, 0, "uidvalidity"),
	    &m->uidvalidity) != 1 ||
	    nd_id(j, json_member(j, 0, "id"), id, idsize) == -1)
		return -1;
	m->code = ST_OK;
	m->id = id;
	/* a store without modseq may leave it out altogether */
	if (nd_change(j, json_member(j, 0, "change"), &c) == 0) {
		m->mailbox = c.mailbox;
		m->before = c.before;
		m->modseq = c.modseq;
	}
	return 0;
}

/* Of a store that does not say where it is, nothing can be said. */
static void
stored_tell(struct ereq *e, uint32_t index, const struct m_st_stored *m)
{
	struct m_st_change c;

	if (m->code != ST_OK || m->mailbox == NULL)
		return;
	memset(&c, 0, sizeof(c));
	c.mailbox = m->mailbox;
	c.before = m->before;
	c.modseq = m->modseq;
	eevents_own(e, e->account != NULL ? e->account : e->tos[index], &c);
}

static int
upload_line(struct hreq *h, struct json *j, int header)
{
	struct ereq		*e = h->arg;
	struct m_st_stored	 m;
	uint32_t		 index;
	char			 id[256];

	if (header)
		return 0;
	memset(&m, 0, sizeof(m));
	if (json_u32(j, json_member(j, 0, "index"), &index) != 1 ||
	    index >= e->nto || stored_read(j, &m, id, sizeof(id)) == -1)
		return -1;
	if (e->stored[index])
		return 0;
	e->stored[index] = 1;
	stored_tell(e, index, &m);
	m.rcpt = e->handles[index];
	if (m.code == ST_NO_SUCH_TARGET && e->type == M_st_deliver) {
		/* the INBOX we knew is another now: look next time */
		account_forget_inbox(e->tos[index]);
		m.code = ST_TRY_LATER;
		m.text = "The mailbox has been replaced, try again";
	}
	ereq_send(e, M_st_stored, &m);
	return 0;
}

/* sending */

/* As much of what has come as the connection takes. */
static void
upload_pump(struct hreq *h)
{
	struct ereq		*e = h->arg;
	struct m_st_credit	 m;
	size_t			 n;

	m.bytes = 0;
	while (ibuf_size(&e->up) > 0 && hreq_writable(h)) {
		n = ibuf_size(&e->up) < PIECE ? ibuf_size(&e->up) : PIECE;
		hreq_write(h, ibuf_data(&e->up), n);
		ibuf_drain(&e->up, n);
		ereq_let_go(e, n);
		m.bytes += (uint32_t)n;
	}
	ibuf_compact(&e->up);
	if (m.bytes > 0)
		ereq_send(e, M_st_credit, &m);
	if (e->up_end && ibuf_size(&e->up) == 0 && hreq_writable(h))
		hreq_write_end(h);
}

static int
upload_is(const struct ereq *e)
{
	return e->type == M_st_put || e->type == M_st_deliver ||
	    e->type == M_st_blob || e->type == M_st_batch;
}

static void
blob_done(struct hreq *h, enum st_code code, const char *text,
    struct json *j)
{
	struct ereq		*e = h->arg;
	struct m_st_stored	 m;
	uint64_t		 size;
	char			 id[256];

	memset(&m, 0, sizeof(m));
	if (code == ST_OK && (j == NULL ||
	    nd_id(j, json_member(j, 0, "id"), id, sizeof(id)) == -1 ||
	    json_u64(j, json_member(j, 0, "size"), UINT64_MAX, &size) != 1 ||
	    size != e->up_got)) {
		code = ST_NONSENSE;
		text = st_error(code)->text;
	}
	if (code == ST_OK) {
		m.id = id;
		ereq_send(e, M_st_stored, &m);
	}
	ereq_done(h, code, text, NULL);
}

/*
 * One call for all accounts, whose path names none; or a content for this
 * account alone, which has no line before it.
 */
static struct hreq *
upload_http(struct ereq *e)
{
	struct hreq *h;

	if (e->type == M_st_blob) {
		h = ereq_http(e, "POST", ANSWER_JSON);
		(void)ibuf_adds(&h->target, "/blobs");
		h->done = blob_done;
	} else {
		h = ereq_http(e, "POST", ANSWER_NDJSON);
		ibuf_truncate(&h->target, 0);
		(void)ibuf_adds(&h->target, "/messages");
		h->line = upload_line;
	}
	h->ctype = "application/octet-stream";
	return h;
}

static void
upload_start(struct ereq *e, int streams)
{
	struct hreq *h = upload_http(e);

	(void)ibuf_add_ibuf(&h->body, &e->line);
	ibuf_fini(&e->line);
	if (streams) {
		h->streams = 1;
		h->length_known = e->up_known;
		h->stream_len = e->up_size;
		h->want = upload_pump;
	} else {
		(void)ibuf_add_ibuf(&h->body, &e->up);
		ibuf_fini(&e->up);
		h->rerun = 1;
	}
	ereq_submit(e, h);
}

static void
upload_refuse(struct ereq *e)
{
	ereq_end(e, ST_BAD_REQUEST, "upload of another size than announced");
}

void
eupload_data(struct ereq *e, const void *p, size_t len)
{
	if (!upload_is(e))
		return;
	e->up_got += len;
	if (e->up_end || (e->up_known && e->up_got > e->up_size)) {
		upload_refuse(e);
		return;
	}
	if (ereq_hold(e, len) == -1) {
		ereq_end(e, ST_TRY_LATER, st_error(ST_TRY_LATER)->text);
		return;
	}
	/* the listener keeps to its credit, or it is no listener of ours */
	if (ibuf_add(&e->up, p, len) == -1) {
		upload_refuse(e);
		return;
	}
	if (e->hreq == NULL) {
		if (ibuf_size(&e->up) > HELD_MAX && e->type != M_st_batch)
			upload_start(e, 1);
	} else if (hreq_writable(e->hreq))
		upload_pump(e->hreq);
}

void
eupload_end(struct ereq *e)
{
	if (!upload_is(e) || e->up_end)
		return;
	if (e->up_known && e->up_got != e->up_size) {
		upload_refuse(e);
		return;
	}
	e->up_end = 1;
	if (e->type == M_st_batch)
		eoffload_batch_end(e);
	else if (e->hreq == NULL)
		upload_start(e, 0);
	else if (hreq_writable(e->hreq))
		upload_pump(e->hreq);
}

/* the JSON line */

/* Summaries for so many: whole, or their first lines, or none. */
static int
put_cache(struct ereq *e, const struct msg_blob *cache, uint32_t n)
{
	const void	*end;
	size_t		 len;

	if (cache == NULL || cache->len == 0 ||
	    !estorage_has(e->st, CAP_CACHE))
		return 0;
	len = cache->len;
	if (len * n > CACHE_LINE &&
	    (end = memchr(cache->p, '\n', len)) != NULL)
		len = (size_t)((const char *)end - (const char *)cache->p);
	if (len * n > CACHE_LINE)
		return 0;
	if (json_key(&e->line, "cache") == -1)
		return -1;
	return json_put_strn(&e->line, cache->p, len);
}

static void
upload_targets(struct ereq *e, uint32_t n)
{
	e->nto = n;
	if ((e->tos = calloc(n, sizeof(*e->tos))) == NULL ||
	    (e->handles = calloc(n, sizeof(*e->handles))) == NULL ||
	    (e->stored = calloc(n, sizeof(*e->stored))) == NULL)
		fatal(NULL);
}

static int
line_end(struct ereq *e, int delivery)
{
	return json_close(&e->line, ']') |
	    json_kbool(&e->line, "delivery", delivery) |
	    json_close(&e->line, '}') | ibuf_add_n8(&e->line, '\n');
}

void
eupload_put(struct ereq *e, const void *arg)
{
	const struct m_st_put	*m = arg;
	struct ibuf		*b = &e->line;
	int			 bad;

	e->up_known = 1;
	e->up_size = m->size;
	upload_targets(e, 1);
	bad = json_open(b, '{') | json_key(b, "to") | json_open(b, '[') |
	    json_open(b, '{') |
	    json_kstr(b, "account", e->account->name) |
	    json_kstr(b, "mailbox", m->mailbox) |
	    json_key(b, "flags") | json_put_flags(b, m->flags) |
	    (*m->date != '\0' ? json_kstr(b, "date", m->date) : 0) |
	    put_cache(e, &m->cache, 1) |
	    json_close(b, '}') | line_end(e, 0);
	if (bad)
		ereq_end(e, ST_BAD_REQUEST, "text that is not UTF-8");
}

static int
put_rcpt(struct ereq *e, const struct rcpt *r, const struct msg_blob *cache)
{
	struct ibuf *b = &e->line;

	return json_open(b, '{') |
	    json_kstr(b, "account", r->account->name) |
	    json_kstr(b, "mailbox", r->mailbox) |
	    json_kstr(b, "address", r->address) |
	    put_cache(e, cache, e->nto) | json_close(b, '}');
}

/*
 * Every recipient must have been granted, in this transaction, to this
 * session, and all to one storage.
 */
static int
deliver_rcpts(struct ereq *e, const struct m_st_deliver *m)
{
	struct uidset_iter	 it;
	struct rcpt		*r;
	uint32_t		 h, i = 0;

	if (msg_set_get(&m->rcpts, &e->set) == -1)
		fatal(NULL);
	if (e->set.n == 0 || uidset_count(&e->set) > 100000)
		return -1;
	upload_targets(e, uidset_count(&e->set));
	for (h = uidset_first(&it, &e->set); h != 0; h = uidset_next(&it)) {
		if ((r = rcpt_find(e->peer, h)) == NULL || !r->ready ||
		    r->txn->session != e->session || r->txn->txn != m->txn)
			return -1;
		if (e->st == NULL)
			e->st = estorage_find(r->account->storage);
		if (e->st == NULL || r->account->storage != e->st->id)
			return -1;
		account_ref(r->account);
		e->tos[i] = r->account;
		e->handles[i++] = h;
	}
	return 0;
}

/*
 * A handle is good for one delivery, whatever becomes of it.  What is
 * needed of it is in the line by now; the answer only needs its number.
 */
static void
deliver_spend(struct ereq *e)
{
	uint32_t i;

	for (i = 0; i < e->nto; i++)
		rcpt_spend(e->peer, e->handles[i]);
}

static int
deliver_line(struct ereq *e, const char *from, const struct msg_blob *cache)
{
	struct ibuf	*b = &e->line;
	uint32_t	 i;
	int		 bad;

	ibuf_truncate(b, 0);
	bad = json_open(b, '{') | json_kstr(b, "from", from) |
	    json_key(b, "to") | json_open(b, '[');
	for (i = 0; i < e->nto; i++)
		bad |= put_rcpt(e, rcpt_find(e->peer, e->handles[i]), cache);
	return bad | line_end(e, 1);
}

void
eupload_deliver(struct ereq *e, const void *arg)
{
	const struct m_st_deliver	*m = arg;
	int				 bad;

	e->up_known = m->known;
	e->up_size = m->size;
	if (deliver_rcpts(e, m) == -1) {
		ereq_end(e, ST_NO_GRANT, st_error(ST_NO_GRANT)->text);
		return;
	}
	bad = deliver_line(e, m->from, &m->cache);
	/* the summaries are the first to go when the line is too long */
	if (bad || ibuf_size(&e->line) > e->st->limit_upload_line)
		bad = deliver_line(e, m->from, NULL);
	deliver_spend(e);
	if (e->st->state == STORAGE_UP && !estorage_has(e->st, CAP_WRITE))
		ereq_end(e, ST_READ_ONLY, st_error(ST_READ_ONLY)->text);
	else if (bad)
		ereq_end(e, ST_BAD_REQUEST, "text that is not UTF-8");
}

void
eupload_blob(struct ereq *e, const void *arg)
{
	const struct m_st_blob *m = arg;

	e->up_known = 1;
	e->up_size = m->size;
}
