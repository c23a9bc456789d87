/*
 * Calls that change something.  Each carries an Idempotency-Key, so that
 * what was cut off can be asked again where the storage remembers keys.
 */
#include <sys/types.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "log.h"

/* The set's next part, as long as the storage takes. */
static int
put_set_part(struct ereq *e, struct ibuf *b)
{
	if (json_key(b, "uids") == -1 || ibuf_add_n8(b, '"') == -1 ||
	    uidset_format(&e->set, &e->pos, e->st->limit_set, b) == -1)
		return -1;
	return ibuf_add_n8(b, '"');
}

/* Text that is not UTF-8 reaches no storage: the request ends here. */
static void
submit_or_refuse(struct ereq *e, struct hreq *h, int bad)
{
	if (bad) {
		hreq_discard(h);
		ereq_end(e, ST_BAD_REQUEST, "text that is not UTF-8");
		return;
	}
	ereq_submit(e, h);
}

static int
write_set(struct ereq *e, const char *mailbox, const struct msg_set *set)
{
	if ((e->mailbox = strdup(mailbox)) == NULL ||
	    msg_set_get(set, &e->set) == -1)
		fatal(NULL);
	/* the answer is bounded by the set: no credit is needed */
	e->credit = INT64_MAX / 2;
	if (e->set.n > 0)
		return 0;
	ereq_end(e, ST_OK, "");
	return -1;
}

static int
send_change(struct ereq *e, struct json *j, int i, uint32_t uidvalidity)
{
	struct m_st_change m;

	if (nd_change(j, i, &m) == -1)
		return -1;
	m.uidvalidity = uidvalidity;
	e->begun = 1;
	eevents_own(e, e->account, &m);
	ereq_send(e, M_st_change, &m);
	return 0;
}

/* PATCH */

static void	patch_next(struct ereq *);

static int
patch_line(struct hreq *h, struct json *j, int header)
{
	struct ereq	*e = h->arg;
	struct uidset	 set;
	int		 i, r;

	if (header)
		return send_change(e, j, json_member(j, 0, "change"), 0);
	if ((i = json_member(j, 0, "modified")) == -1)
		return nd_row(j, e, ROW_FLAGS);
	uidset_init(&set);
	if ((r = nd_set(j, i, &set)) == 0)
		nd_send_set(e, M_st_modified, &set);
	uidset_fini(&set);
	return r;
}

static void
patch_done(struct hreq *h, enum st_code code, const char *text,
    struct json *j)
{
	struct ereq *e = h->arg;

	if (code != ST_OK || e->pos >= e->set.n) {
		ereq_done(h, code, text, NULL);
		return;
	}
	e->hreq = NULL;
	ereq_flush_rows(e);
	patch_next(e);
}

static void
patch_next(struct ereq *e)
{
	static const char *const	 ops[] = { "add", "remove", "set" };
	struct hreq			*h;
	struct ibuf			*b;
	int				 bad;

	e->begun = 0;
	h = ereq_http(e, "PATCH", ANSWER_NDJSON);
	(void)ereq_mailbox(h, e);
	(void)ibuf_adds(&h->target, "/messages");
	b = &h->body;
	bad = json_open(b, '{') | put_set_part(e, b) |
	    json_key(b, ops[e->op]) | json_put_flags(b, e->flags) |
	    (e->conditional ? json_ku64(b, "unchanged_since",
	    e->unchangedsince) : 0) |
	    json_close(b, '}');
	h->line = patch_line;
	h->done = patch_done;
	submit_or_refuse(e, h, bad);
}

void
ewrite_patch(struct ereq *e, const void *arg)
{
	const struct m_st_patch *m = arg;

	if (m->op > PATCH_SET || (m->conditional &&
	    !estorage_has(e->st, CAP_MODSEQ))) {
		ereq_end(e, ST_BAD_REQUEST, "no such operation");
		return;
	}
	e->op = m->op;
	e->conditional = m->conditional;
	e->unchangedsince = m->unchangedsince;
	if ((e->flags = strdup(m->flags)) == NULL)
		fatal(NULL);
	if (write_set(e, m->mailbox, &m->uids) == 0)
		patch_next(e);
}

/* expunge */

static void	expunge_next(struct ereq *);

static int
expunge_line(struct hreq *h, struct json *j, int header)
{
	struct ereq	*e = h->arg;
	struct uidset	 set;
	int		 r;

	if (header)
		return send_change(e, j, json_member(j, 0, "change"), 0);
	uidset_init(&set);
	if ((r = nd_set(j, json_member(j, 0, "vanished"), &set)) == 0)
		nd_send_set(e, M_st_vanished, &set);
	uidset_fini(&set);
	return r;
}

static void
expunge_done(struct hreq *h, enum st_code code, const char *text,
    struct json *j)
{
	struct ereq *e = h->arg;

	if (code != ST_OK || e->pos >= e->set.n) {
		ereq_done(h, code, text, NULL);
		return;
	}
	e->hreq = NULL;
	expunge_next(e);
}

static void
expunge_next(struct ereq *e)
{
	struct hreq	*h;
	struct ibuf	*b;
	int		 bad;

	e->begun = 0;
	h = ereq_http(e, "POST", ANSWER_NDJSON);
	(void)ereq_mailbox(h, e);
	(void)ibuf_adds(&h->target, "/expunge");
	b = &h->body;
	bad = json_open(b, '{') | put_set_part(e, b) |
	    json_key(b, "only_if_flag") |
	    (*e->flags != '\0' ? json_put_str(b, e->flags) :
	    json_put_raw(b, "null")) |
	    json_close(b, '}');
	h->line = expunge_line;
	h->done = expunge_done;
	submit_or_refuse(e, h, bad);
}

void
ewrite_expunge(struct ereq *e, const void *arg)
{
	const struct m_st_expunge *m = arg;

	if ((e->flags = strdup(m->onlyif)) == NULL)
		fatal(NULL);
	if (write_set(e, m->mailbox, &m->uids) == 0)
		expunge_next(e);
}

/* copy and move */

static int
copy_header(struct ereq *e, struct json *j)
{
	uint32_t uidvalidity;

	if (json_u32(j, json_member(j, 0, "uidvalidity"),
	    &uidvalidity) != 1 ||
	    send_change(e, j, json_member(j, 0, "from_change"), 0) == -1 ||
	    send_change(e, j, json_member(j, 0, "to_change"),
	    uidvalidity) == -1)
		return -1;
	return 0;
}

static int
copy_line(struct hreq *h, struct json *j, int header)
{
	struct ereq		*e = h->arg;
	struct uidset		 from, to;
	struct m_st_copied	 m;
	int			 i, r = -1;

	if (header)
		return copy_header(e, j);
	uidset_init(&from);
	uidset_init(&to);
	if ((i = json_member(j, 0, "vanished")) != -1) {
		if ((r = nd_set(j, i, &from)) == 0)
			nd_send_set(e, M_st_vanished, &from);
	} else if (nd_set(j, json_member(j, 0, "from"), &from) == 0 &&
	    nd_set(j, json_member(j, 0, "to"), &to) == 0 &&
	    uidset_count(&from) == uidset_count(&to) && from.n <= 4000 &&
	    to.n <= 4000) {
		m.from = msg_set_of(&from);
		m.to = msg_set_of(&to);
		ereq_send(e, M_st_copied, &m);
		r = 0;
	}
	uidset_fini(&from);
	uidset_fini(&to);
	return r;
}

void
ewrite_copy(struct ereq *e, const void *arg)
{
	const struct m_st_copy	*m = arg;
	struct hreq		*h;
	struct ibuf		*b;
	int			 bad;

	if (write_set(e, m->mailbox, &m->uids) == -1)
		return;
	h = ereq_http(e, "POST", ANSWER_NDJSON);
	(void)ereq_mailbox(h, e);
	(void)ibuf_adds(&h->target, "/copy");
	b = &h->body;
	bad = json_open(b, '{') | put_set_part(e, b) |
	    json_kstr(b, "to", m->to) | json_kbool(b, "move", m->move) |
	    json_close(b, '}');
	/* all or nothing cannot be had in parts */
	if (e->pos < e->set.n) {
		hreq_discard(h);
		ereq_end(e, ST_TOO_LARGE, "too many ranges for one copy");
		return;
	}
	h->line = copy_line;
	submit_or_refuse(e, h, bad);
}

/* mailboxes */

static int
put_words(struct ibuf *b, const char *key, const char *words)
{
	if (*words == '\0')
		return 0;
	if (json_key(b, key) == -1)
		return -1;
	return json_put_flags(b, words);
}

/* Of a call that changes which mailboxes there are, or their names. */
static void
names_done(struct hreq *h, enum st_code code, const char *text,
    struct json *j)
{
	if (code == ST_OK)
		eevents_own_list(h->arg);
	ereq_done(h, code, text, NULL);
}

static void
create_done(struct hreq *h, enum st_code code, const char *text,
    struct json *j)
{
	struct ereq *e = h->arg;

	if (code == ST_OK && (j == NULL || eread_mbox(e, j) == -1)) {
		code = ST_NONSENSE;
		text = st_error(code)->text;
	}
	names_done(h, code, text, NULL);
}

void
ewrite_create(struct ereq *e, const void *arg)
{
	const struct m_st_create	*m = arg;
	struct hreq			*h = ereq_http(e, "POST",
					    ANSWER_JSON);
	struct ibuf			*b = &h->body;
	int				 bad;

	(void)ibuf_adds(&h->target, "/mailboxes");
	bad = json_open(b, '{') | json_kstr(b, "name", m->name) |
	    put_words(b, "roles", m->roles) | json_close(b, '}');
	h->done = create_done;
	submit_or_refuse(e, h, bad);
}

void
ewrite_rename(struct ereq *e, const void *arg)
{
	const struct m_st_rename	*m = arg;
	struct hreq			*h = ereq_http(e, "POST",
					    ANSWER_JSON);
	struct ibuf			*b = &h->body;
	int				 bad;

	(void)ibuf_adds(&h->target, "/mailboxes/rename");
	bad = json_open(b, '{') | json_kstr(b, "from", m->from) |
	    json_kstr(b, "to", m->to) | json_close(b, '}');
	h->done = names_done;
	submit_or_refuse(e, h, bad);
}

void
ewrite_delete(struct ereq *e, const void *arg)
{
	const struct m_st_delete	*m = arg;
	struct hreq			*h;

	if ((e->mailbox = strdup(m->mailbox)) == NULL)
		fatal(NULL);
	h = ereq_http(e, "DELETE", ANSWER_JSON);
	h->ctype = NULL;
	h->done = names_done;
	(void)ereq_mailbox(h, e);
	ereq_submit(e, h);
}

void
ewrite_subscribe(struct ereq *e, const void *arg)
{
	const struct m_st_subscribe	*m = arg;
	struct hreq			*h = ereq_http(e, "POST",
					    ANSWER_JSON);
	struct ibuf			*b = &h->body;
	int				 bad;

	(void)ibuf_adds(&h->target, "/subscriptions");
	bad = json_open(b, '{') |
	    json_key(b, m->on ? "add" : "remove") | json_open(b, '[') |
	    json_put_str(b, m->name) | json_close(b, ']') |
	    json_close(b, '}');
	h->done = names_done;
	submit_or_refuse(e, h, bad);
}

/* The summary of a content: text, and no change of anything. */
void
ewrite_cache(struct ereq *e, const void *arg)
{
	const struct m_st_cache	*m = arg;
	struct hreq		*h = ereq_http(e, "PUT", ANSWER_JSON);

	h->ctype = "text/plain; charset=utf-8";
	(void)ibuf_adds(&h->target, "/messages/");
	(void)http_pct_encode(&h->target, m->id);
	(void)ibuf_adds(&h->target, "/cache");
	(void)ibuf_add(&h->body, m->text.p, m->text.len);
	ereq_submit(e, h);
}
