/*
 * MULTIAPPEND, CATENATE and REPLACE (RFC 3502, RFC 4469, RFC 8508).
 *
 * The command comes in pieces: what stands before a literal is parsed, its
 * items are done in order, and the literal streams to the storage; some
 * uploads may still be under way while the next ones are sent.  When the
 * last item is there one request makes messages of all contents, and takes
 * the replaced one away; if anything fails before, nothing has happened.
 */
#include <sys/types.h>
#include <stdlib.h>
#include <string.h>

#include "imap.h"
#include "imap_batch.h"
#include "json.h"
#include "log.h"
#include "rfcdate.h"
#include "summary.h"

#define AHEAD		4		/* uploads under way */
#define JSON_SIZE	ST_CREDIT_FIRST	/* the batch, all at once */
#define CACHES_MAX	(JSON_SIZE / 4 * 3)
#define MESSAGES	100		/* if the storage does not say */

struct batch {
	char		*mailbox;	/* id of the target */
	TAILQ_HEAD(bmsgs, bmsg) msgs;
	uint32_t	 n;
	struct bpart	*part;		/* a literal that is being sent */
	unsigned	 busy;		/* uploads under way */
	size_t		 bytes;		/* of what is kept for the JSON */
	size_t		 caches;
	struct summary_maker *maker;	/* at work on the last message */
	struct cat	*cat;
	/* the piece that is being done */
	struct ibuf	 line;
	size_t		 piece;		/* where its last line begins */
	struct imap_cmd	 more;
	const struct imap_append_item *item;
	const struct imap_append_item *stuck;	/* waits for an upload */
	int		 open;
	int		 collecting;	/* a URL that is a literal */
	int		 ending;	/* only uploads are waited for */
	int		 running;	/* inside batch_next() */
	int		 again;
	/* REPLACE */
	uint32_t	 uid;		/* the old one */
	int		 here;		/* it is in the target */
	struct mown	 own;		/* its end, where that is elsewhere */
	struct uidset	 vanished;
	/* the answer */
	int		 begun;
	struct m_st_change change;
};

static void
bmsg_free(struct bmsg *m)
{
	struct bpart *p;

	while ((p = TAILQ_FIRST(&m->parts)) != NULL) {
		TAILQ_REMOVE(&m->parts, p, entry);
		st_cancel(&p->rq);
		free(p->id);
		free(p);
	}
	free(m->flags);
	free(m->date);
	free(m->cache);
	free(m);
}

static void
batch_cleanup(struct iop *op)
{
	struct batch	*b = op->data;
	struct bmsg	*m;

	while ((m = TAILQ_FIRST(&b->msgs)) != NULL) {
		TAILQ_REMOVE(&b->msgs, m, entry);
		bmsg_free(m);
	}
	cat_free(b->cat);
	summary_free(b->maker);
	imap_cmd_free(&b->more);
	ibuf_fini(&b->line);
	uidset_fini(&b->vanished);
	uidset_fini(&b->own.touched);
	free(b->mailbox);
	free(b);
}

static struct batch *
batch_new(struct iop *op)
{
	struct batch *b;

	if ((b = calloc(1, sizeof(*b))) == NULL)
		fatal(NULL);
	TAILQ_INIT(&b->msgs);
	ibuf_init(&b->line, (size_t)llimits.line + llimits.literal + 4096);
	op->data = b;
	op->cleanup = batch_cleanup;
	return b;
}

/* the end */

static void
batch_uids(const struct batch *b, struct ibuf *out)
{
	const struct bmsg	*m, *last;

	(void)ibuf_addf(out, "APPENDUID %u ", b->change.uidvalidity);
	for (m = TAILQ_FIRST(&b->msgs); m != NULL;
	    m = TAILQ_NEXT(last, entry)) {
		for (last = m; TAILQ_NEXT(last, entry) != NULL &&
		    TAILQ_NEXT(last, entry)->uid == last->uid + 1;)
			last = TAILQ_NEXT(last, entry);
		if (m != TAILQ_FIRST(&b->msgs))
			(void)ibuf_add_n8(out, ',');
		(void)ibuf_addu(out, m->uid);
		if (last != m)
			(void)ibuf_addf(out, ":%u", last->uid);
	}
	(void)ibuf_add_n8(out, '\0');
}

static int
batch_knows_uids(const struct batch *b)
{
	const struct bmsg *m;

	TAILQ_FOREACH(m, &b->msgs, entry)
		if (m->uid == 0)
			return 0;
	return 1;
}

/* Of REPLACE before the EXPUNGE, which ends it (RFC 8508, 4.3). */
static void
batch_synced(struct iop *op, enum st_code code, const char *text)
{
	struct batch	*b = op->data;
	struct ibuf	 out;
	const char	*appended = "";

	ibuf_init(&out, 65536);
	if (batch_knows_uids(b)) {
		batch_uids(b, &out);
		appended = (const char *)ibuf_data(&out);
	}
	if (op->cmd.verb == IMAP_REPLACE && *appended != '\0') {
		(void)ibuf_addf(imap_out(op->s),
		    "* OK [%s] Replacement message ready\r\n", appended);
		appended = "";
	}
	iop_ok_code(op, appended, "%s completed", op->cmd.name);
	ibuf_fini(&out);
}

/* It is done; a mailbox that is open shows it. */
static void
batch_told(struct iop *op)
{
	struct batch	*b = op->data;
	struct iview	*v = op->s->view;

	if (v != NULL && (b->uid != 0 || (v->mount == op->mount &&
	    strcmp(v->m->id, b->mailbox) == 0)))
		mirror_need(op, v->m, batch_synced);
	else
		batch_synced(op, ST_OK, "");
}

/* REPLACE in another mailbox: the old one goes when the new one is there */

static void
undo_answer(struct streq *rq, enum msg_type type, const void *arg)
{
	struct iop		*op = rq->arg;
	struct batch		*b = op->data;
	const struct m_st_end	*end = arg;

	if (type == M_st_change)
		iacct_own(op, b->mailbox,
		    ((const struct m_st_change *)arg)->modseq);
	if (type != M_st_end)
		return;
	if (end->code != ST_OK)
		log_warnx("a replacement stays: %s",
		    st_error(end->code)->text);
	iop_no(op, NULL, "The message could not be removed");
}

static void
batch_expunge(struct iop *op, const struct imount *mt, const char *mailbox,
    uint32_t uid, void (*f)(struct streq *, enum msg_type, const void *))
{
	struct m_st_expunge	 q;
	struct uidset		 set;

	uidset_init(&set);
	if (uidset_add(&set, uid, uid) == -1)
		fatal(NULL);
	memset(&q, 0, sizeof(q));
	q.mount = mt->number;
	q.mailbox = mailbox;
	q.uids = msg_set_of(&set);
	q.onlyif = "";
	iop_ask(op, M_st_expunge, &q, f);
	uidset_fini(&set);
}

/*
 * Has the storage said no, so that the old message is there for sure?  With
 * its mailbox it would be gone.
 */
static int
refused(enum st_code code)
{
	return code == ST_READ_ONLY || code == ST_NOT_PERMITTED ||
	    code == ST_BAD_REQUEST || code == ST_OVER_QUOTA ||
	    code == ST_STORAGE_FULL;
}

/* Both may be there now, but never none of them. */
static void
expunge_end(struct iop *op, const struct m_st_end *end)
{
	struct batch	*b = op->data;
	struct iview	*v = op->s->view;
	struct bmsg	*m = TAILQ_FIRST(&b->msgs);

	if (b->vanished.n > 0)
		mirror_own_removed(v->m, &b->vanished);
	mirror_own_settle(v->m, &b->own, end);
	if (end->code == ST_OK || end->begun)
		batch_told(op);
	else if (refused(end->code) && m->uid != 0)
		batch_expunge(op, op->mount, b->mailbox, m->uid, undo_answer);
	else
		iop_fail(op, end->code,
		    "The new message is there, perhaps the old one, too");
}

static void
expunge_answer(struct streq *rq, enum msg_type type, const void *arg)
{
	struct iop			*op = rq->arg;
	struct batch			*b = op->data;
	struct iview			*v = op->s->view;
	const struct m_st_change	*c = arg;

	if (type == M_st_change) {
		mirror_own_change(v->m, &b->own, c);
		if (v->mount->account != NULL)
			iacct_moved(v->mount->account, v->m->id, c->modseq);
	} else if (type == M_st_vanished) {
		if (msg_set_get(&((const struct m_st_vanished *)arg)->uids,
		    &b->vanished) == -1)
			fatal(NULL);
	} else if (type == M_st_end)
		expunge_end(op, arg);
}

/* the batch */

static void
batch_stored(struct iop *op)
{
	struct batch	*b = op->data;
	struct bmsg	*m = TAILQ_FIRST(&b->msgs);
	struct mirror	*mi = mirror_find(op->s, op->mount, b->mailbox);

	iacct_own(op, b->mailbox, b->change.modseq);
	if (mi != NULL && b->n == 1 && !b->here && m->uid != 0)
		mirror_own_added(mi, m->uid, m->flags, b->change.before,
		    b->change.modseq);
	else if (mi != NULL)
		mirror_heard(mi, b->change.modseq);
	if (b->uid != 0 && !b->here)
		batch_expunge(op, op->s->view->mount, op->s->view->m->id,
		    b->uid, expunge_answer);
	else
		batch_told(op);
}

static void
batch_uid(struct batch *b, const struct m_st_stored *st)
{
	struct bmsg	*m;
	uint32_t	 i = 0;

	TAILQ_FOREACH(m, &b->msgs, entry)
		if (i++ == st->rcpt)
			m->uid = st->uid;
}

static void
batch_answer(struct streq *rq, enum msg_type type, const void *arg)
{
	struct iop		*op = rq->arg;
	struct batch		*b = op->data;
	const struct m_st_end	*end = arg;

	if (type == M_st_change) {
		b->begun = 1;
		b->change = *(const struct m_st_change *)arg;
		b->change.mailbox = NULL;
	} else if (type == M_st_stored)
		batch_uid(b, arg);
	if (type != M_st_end)
		return;
	/* what was promised holds, whatever the answer's end */
	if (b->begun)
		batch_stored(op);
	else if (end->code == ST_NO_SUCH_MAILBOX)
		iop_no(op, "TRYCREATE", "No such mailbox");
	else
		iop_fail(op, end->code != ST_OK ? end->code : ST_CUT, NULL);
}

static int
put_parts(struct ibuf *j, const struct bmsg *m)
{
	const struct bpart	*p = TAILQ_FIRST(&m->parts);
	int			 bad;

	if (m->nparts == 1 && p->all)
		return json_kstr(j, "id", p->id);
	bad = json_key(j, "parts") | json_open(j, '[');
	TAILQ_FOREACH(p, &m->parts, entry)
		bad |= json_open(j, '{') | json_kstr(j, "id", p->id) |
		    (p->all ? 0 : json_ku64(j, "offset", p->off) |
		    json_ku64(j, "length", p->len)) | json_close(j, '}');
	return bad | json_close(j, ']');
}

static int
put_flags(struct ibuf *j, const char *flags)
{
	size_t	n;
	int	bad = json_key(j, "flags") | json_open(j, '[');

	while (*flags != '\0') {
		n = strcspn(flags, " ");
		bad |= json_put_strn(j, flags, n);
		flags += n;
		flags += strspn(flags, " ");
	}
	return bad | json_close(j, ']');
}

static int
batch_json(const struct batch *b, struct ibuf *j, int caches)
{
	const struct bmsg	*m;
	int			 bad;

	ibuf_init(j, JSON_SIZE);
	bad = json_open(j, '[');
	TAILQ_FOREACH(m, &b->msgs, entry)
		bad |= json_open(j, '{') | put_parts(j, m) |
		    (*m->flags != '\0' ? put_flags(j, m->flags) : 0) |
		    (*m->date != '\0' ? json_kstr(j, "date", m->date) : 0) |
		    (caches && m->cache != NULL ? json_kstr(j, "cache",
		    m->cache) : 0) | json_close(j, '}');
	return bad | json_close(j, ']');
}

static void
batch_send(struct iop *op)
{
	struct batch		*b = op->data;
	struct m_st_batch	 q;
	struct uidset		 set;
	struct ibuf		 j;
	int			 bad;

	/* summaries are the first to go when there is too much */
	if ((bad = batch_json(b, &j, 1)) != 0) {
		ibuf_fini(&j);
		bad = batch_json(b, &j, 0);
	}
	if (bad)
		iop_no(op, "LIMIT", "Too much for one command");
	else if (!st_ready(&op->s->ls))
		iop_fail(op, ST_UNAVAILABLE, NULL);
	else {
		uidset_init(&set);
		if (b->here && uidset_add(&set, b->uid, b->uid) == -1)
			fatal(NULL);
		memset(&q, 0, sizeof(q));
		q.mount = op->mount->number;
		q.mailbox = b->mailbox;
		q.size = (uint32_t)ibuf_size(&j);
		q.expunge = msg_set_of(&set);
		iop_ask(op, M_st_batch, &q, batch_answer);
		(void)st_data(&op->rq, ibuf_data(&j), ibuf_size(&j));
		st_data_end(&op->rq);
		uidset_fini(&set);
	}
	ibuf_fini(&j);
}

/* Is what is to be replaced there, still? */
static int
replace_gone(struct iop *op, uint32_t uid)
{
	if (op->s->view != NULL &&
	    uidset_contains(&op->s->view->m->map.uids, uid))
		return 0;
	iop_no(op, "EXPUNGEISSUED", "That message is gone");
	return 1;
}

static void
replace_proven(struct iop *op, enum st_code code, const char *text)
{
	struct batch *b = op->data;

	if (code != ST_OK)
		iop_fail(op, code, text);
	else if (!replace_gone(op, b->uid))
		batch_send(op);
}

/* All items are done; uploads may be under way. */
static void
batch_end(struct iop *op)
{
	struct batch *b = op->data;

	b->ending = 1;
	if (b->busy > 0)
		return;
	if (b->uid != 0 && op->s->view != NULL)
		mirror_need(op, op->s->view->m, replace_proven);
	else
		batch_send(op);
}

/* contents */

static void
part_answer(struct streq *rq, enum msg_type type, const void *arg)
{
	struct bpart		*p = rq->arg;
	struct iop		*op = p->op;
	struct batch		*b = op->data;
	const struct m_st_end	*end = arg;

	lsession_timeout(&op->s->ls, LT_COMMAND);
	if (type == M_st_credit && p == b->part)
		io_resume(&op->s->ls.io);
	else if (type == M_st_credit && b->cat != NULL)
		cat_credit(b->cat, p);
	else if (type == M_st_stored && p->id == NULL) {
		if ((p->id = strdup(((const struct m_st_stored *)arg)->id)) ==
		    NULL)
			fatal(NULL);
	}
	if (type != M_st_end)
		return;
	b->busy--;
	if (end->code != ST_OK || p->id == NULL)
		iop_fail(op, end->code != ST_OK ? end->code : ST_CUT, NULL);
	else if (b->stuck != NULL) {
		b->item = b->stuck;
		b->stuck = NULL;
		batch_next(op);
	} else if (b->ending)
		batch_end(op);
}

struct bpart *
batch_part(struct iop *op, const char *id, uint64_t off, uint64_t len,
    int all)
{
	struct batch	*b = op->data;
	struct bmsg	*m = TAILQ_LAST(&b->msgs, bmsgs);
	uint32_t	 max = imount_storage(op->s, op->mount)->parts;
	struct bpart	*p;

	if (len > append_limit(op) || m->size > append_limit(op) - len) {
		iop_no(op, "TOOBIG", "Message too big");
		return NULL;
	}
	if (m->nparts == (max != 0 ? max : MESSAGES) ||
	    (b->bytes += 100) > JSON_SIZE) {
		iop_no(op, "LIMIT", "Too much for one command");
		return NULL;
	}
	if ((p = calloc(1, sizeof(*p))) == NULL ||
	    (id != NULL && (p->id = strdup(id)) == NULL))
		fatal(NULL);
	p->op = op;
	p->off = off;
	p->len = len;
	p->all = all;
	m->size += len;
	m->nparts++;
	m->blind |= id != NULL;
	TAILQ_INSERT_TAIL(&m->parts, p, entry);
	return p;
}

struct bpart *
batch_upload(struct iop *op, uint64_t size)
{
	struct batch		*b = op->data;
	struct m_st_blob	 q;
	struct bpart		*p;

	if ((p = batch_part(op, NULL, 0, size, 1)) == NULL)
		return NULL;
	/* an upload cannot wait for an engine */
	if (!st_ready(&op->s->ls)) {
		iop_fail(op, ST_UNAVAILABLE, NULL);
		return NULL;
	}
	memset(&q, 0, sizeof(q));
	q.mount = op->mount->number;
	q.size = size;
	p->rq.answer = part_answer;
	p->rq.arg = p;
	b->busy++;
	st_send(&op->s->ls, &p->rq, M_st_blob, &q);
	return p;
}

/* messages */

/* Its summary, if all of it was seen and there is room. */
static void
message_cache(struct iop *op, struct bmsg *m)
{
	struct batch	*b = op->data;
	struct ibuf	 text;

	ibuf_init(&text, SUMMARY_MAX + 1024);
	if (!m->blind && iop_has(op, CAP_CACHE) &&
	    summary_finish(b->maker, &text, SUMMARY_MAX) == 0 &&
	    b->caches + ibuf_size(&text) <= CACHES_MAX) {
		b->caches += ibuf_size(&text);
		m->cache = strndup((const char *)ibuf_data(&text),
		    ibuf_size(&text));
		if (m->cache == NULL)
			fatal(NULL);
	}
	ibuf_fini(&text);
}

/* The last one has all of its parts: 0, or the command has ended. */
static int
message_end(struct iop *op)
{
	struct batch	*b = op->data;
	struct bmsg	*m = TAILQ_LAST(&b->msgs, bmsgs);

	if (m == NULL)
		return 0;
	if (m->size == 0) {
		iop_no(op, "CANNOT", "An empty message cannot be stored");
		return -1;
	}
	message_cache(op, m);
	return 0;
}

static struct bmsg *
message_new(struct iop *op, const char *flags,
    const struct imap_append_item *it)
{
	struct batch	*b = op->data;
	struct bmsg	*m;
	struct ibuf	 date;

	ibuf_init(&date, 64);
	if (it->has_date)
		(void)rfcdate_put_3339(&date, &it->date);
	(void)ibuf_add_n8(&date, '\0');
	if ((m = calloc(1, sizeof(*m))) == NULL ||
	    (m->flags = strdup(flags)) == NULL ||
	    (m->date = strdup((const char *)ibuf_data(&date))) == NULL)
		fatal(NULL);
	TAILQ_INIT(&m->parts);
	TAILQ_INSERT_TAIL(&b->msgs, m, entry);
	b->n++;
	b->bytes += strlen(flags) + 100;
	ibuf_fini(&date);
	return m;
}

static void
batch_maker(struct batch *b)
{
	if (b->maker != NULL && summary_reset(b->maker) == 0)
		return;
	summary_free(b->maker);
	if ((b->maker = summary_open()) == NULL)
		fatal(NULL);
}

/*
 * Items: done are those that return 1; one that does not has ended the
 * command, or goes on by itself.
 */
static int
item_message(struct iop *op, const struct imap_append_item *it)
{
	struct batch	*b = op->data;
	uint32_t	 max = imount_storage(op->s, op->mount)->batch;
	struct ibuf	 flags;
	int		 r = 0;

	if (message_end(op) == -1)
		return 0;
	ibuf_init(&flags, 8190);
	if (b->n == (max != 0 ? max : MESSAGES) || b->bytes > JSON_SIZE)
		iop_no(op, "LIMIT", "Too much for one command");
	else if (flag_list_text(&it->flags, &flags) == -1)
		iop_no(op, "LIMIT", "Too many flags");
	else {
		(void)message_new(op, (const char *)ibuf_data(&flags), it);
		batch_maker(b);
		r = 1;
	}
	ibuf_fini(&flags);
	return r;
}

static int
item_url(struct iop *op, const struct imap_append_item *it)
{
	struct batch *b = op->data;

	if (b->cat == NULL)
		b->cat = cat_new(op);
	cat_url(b->cat, it);
	return 0;
}

static size_t	batch_input(struct iop *, const uint8_t *, size_t);

/* The client may send it, and what follows it. */
static int
item_text(struct iop *op, const struct imap_append_item *it)
{
	struct batch	*b = op->data;
	struct imap	*s = op->s;
	struct bpart	*p = NULL;

	if (s->left > 0 && (p = batch_upload(op, s->left)) == NULL)
		return 0;
	b->part = p;
	/* an empty one in the place of a message cancels all (RFC 3502) */
	if (s->left == 0 && !b->open) {
		iop_no(op, "CANNOT", "An empty message cannot be stored");
		return 0;
	}
	/* it was the piece's last item */
	imap_cmd_free(&b->more);
	ibuf_drain(&b->line, ibuf_size(&b->line));
	b->piece = 0;
	if (s->lit_sync)
		(void)ibuf_adds(imap_out(s), "+ OK\r\n");
	s->lit_sync = 0;
	iop_reads(op, batch_input);
	io_resume(&s->ls.io);
	return 0;
}

static int (*const items[])(struct iop *, const struct imap_append_item *) = {
	[APPEND_MESSAGE] = item_message,
	[APPEND_URL] = item_url,
	[APPEND_TEXT] = item_text,
};

struct cat *
batch_cat(const struct iop *op)
{
	return ((const struct batch *)op->data)->cat;
}

static int
batch_item(struct iop *op)
{
	struct batch			*b = op->data;
	const struct imap_append_item	*it = b->item;

	if (it == NULL) {
		if (message_end(op) == 0)
			batch_end(op);
		return 0;
	}
	b->item = it->next;
	if (it->what != APPEND_MESSAGE && b->busy >= AHEAD) {
		b->stuck = it;
		return 0;
	}
	return items[it->what](op, it);
}

/* What is done at once calls back from inside: it must not go deeper. */
void
batch_next(struct iop *op)
{
	struct batch	*b = op->data;
	struct imap	*s = op->s;

	b->again = 1;
	if (b->running)
		return;
	b->running = 1;
	while (b->again) {
		b->again = 0;
		if (batch_item(op))
			b->again = 1;
		/* the command may have ended, and all of this is gone */
		if (s->op != op || op->cleanup != batch_cleanup)
			return;
	}
	b->running = 0;
}

/* input: literals, and lines between them */

static size_t
batch_take(struct iop *op, const uint8_t *p, size_t len)
{
	struct batch	*b = op->data;
	struct imap	*s = op->s;
	size_t		 n = len < s->left ? len : (size_t)s->left;

	if (n > b->part->rq.credit)
		n = (size_t)b->part->rq.credit;
	if (n == 0) {
		io_pause(&s->ls.io);
		return 0;
	}
	if (memchr(p, '\0', n) != NULL) {
		iop_no(op, "CANNOT", "A message must not contain NUL");
		return 0;
	}
	(void)st_data(&b->part->rq, p, n);
	if (summary_feed(b->maker, p, n) == -1)
		fatal("summary");
	s->left -= n;
	if (s->left == 0)
		st_data_end(&b->part->rq);
	return n;
}

static size_t
batch_collect(struct iop *op, const uint8_t *p, size_t len)
{
	struct batch	*b = op->data;
	struct imap	*s = op->s;
	size_t		 n = len < s->left ? len : (size_t)s->left;

	if (ibuf_add(&b->line, p, n) == -1)
		fatal(NULL);
	s->left -= n;
	if (s->left == 0) {
		b->collecting = 0;
		b->piece = ibuf_size(&b->line);
	}
	return n;
}

/* A URL that comes as a literal: it belongs into the piece. */
static void
line_collect(struct iop *op, const struct imap_literal *lit)
{
	struct batch	*b = op->data;
	struct imap	*s = op->s;

	if (lit->size > llimits.literal ||
	    ibuf_size(&b->line) + lit->size + 2 > llimits.literal) {
		iop_no(op, "TOOBIG", "Literal too big");
		return;
	}
	(void)ibuf_add(&b->line, "\r\n", 2);
	b->piece = ibuf_size(&b->line);
	b->collecting = lit->size > 0;
	if (lit->sync)
		(void)ibuf_adds(imap_out(s), "+ OK\r\n");
	s->lit_sync = 0;
}

/* A piece is whole: its items are next. */
static void
line_parsed(struct iop *op)
{
	struct batch *b = op->data;

	b->open = b->more.append.open;
	b->item = b->more.append.item;
	iop_reads(op, NULL);
	batch_next(op);
}

static void
line_whole(struct iop *op)
{
	struct batch		*b = op->data;
	struct imap		*s = op->s;
	struct imap_literal	 lit;
	const char		*p = (const char *)ibuf_data(&b->line);
	size_t			 len = ibuf_size(&b->line);
	enum imap_result	 r;
	int			 announced;

	announced = imap_literal_tail(p + b->piece, len - b->piece, &lit);
	if (announced == -1) {
		(void)ibuf_adds(imap_out(s),
		    "* BYE Literal of a size that nobody has\r\n");
		lsession_end(&s->ls, "literal too big");
		return;
	}
	/* whatever becomes of the command, its bytes are none */
	imap_input_tail(s, NULL, 0);
	s->input = announced ? INPUT_APPEND : INPUT_LINE;
	s->left = announced ? lit.size : 0;
	s->lit_sync = announced && lit.sync;
	imap_cmd_free(&b->more);
	r = imap_parse_more(&b->more, imap_syntax(s), p, len, op->cmd.verb,
	    b->open);
	if (r == IMAP_WANT_LITERAL)
		line_collect(op, &lit);
	else if (r == IMAP_BAD)
		iop_bad(op, b->more.error);
	else
		line_parsed(op);
}

/* What follows a literal, to its LF. */
static size_t
batch_line(struct iop *op, const uint8_t *p, size_t len)
{
	struct batch	*b = op->data;
	const uint8_t	*nl = memchr(p, '\n', len);
	size_t		 n = nl != NULL ? (size_t)(nl - p) : len;

	if (ibuf_size(&b->line) - b->piece + n > llimits.line ||
	    ibuf_add(&b->line, p, n) == -1) {
		op->s->input = INPUT_SKIP_LINE;
		iop_bad(op, "Line too long");
		return 0;
	}
	imap_input_tail(op->s, p, n);
	if (nl == NULL)
		return len;
	len = ibuf_size(&b->line);
	if (len > b->piece && ibuf_data(&b->line)[len - 1] == '\r')
		ibuf_truncate(&b->line, len - 1);
	line_whole(op);
	return n + 1;
}

static size_t
batch_input(struct iop *op, const uint8_t *p, size_t len)
{
	struct batch	*b = op->data;
	struct imap	*s = op->s;

	lsession_timeout(&s->ls, LT_COMMAND);
	if (s->left > 0)
		return b->collecting ? batch_collect(op, p, len) :
		    batch_take(op, p, len);
	return batch_line(op, p, len);
}

/* the beginning */

static void
batch_listed(struct iop *op, enum st_code code, const char *text)
{
	struct batch	*b = op->data;
	struct iview	*v = op->s->view;
	struct mbox	*mb;

	if (code != ST_OK) {
		iop_fail(op, code, text);
		return;
	}
	mb = iacct_find(op->mount->account, op->name);
	if (mb == NULL)
		iop_no(op, "TRYCREATE", "No such mailbox");
	else if (mb->has & MBOX_READONLY || !iop_has(op, CAP_WRITE))
		iop_no(op, "READ-ONLY", "The mailbox is read-only");
	else if (!iop_has(op, CAP_BATCH))
		iop_no(op, "CANNOT", "That mailbox's storage cannot do that");
	else {
		if ((b->mailbox = strdup(mb->id)) == NULL)
			fatal(NULL);
		b->here = b->uid != 0 && v->mount == op->mount &&
		    strcmp(v->m->id, mb->id) == 0;
		b->open = op->cmd.append.open;
		b->item = op->cmd.append.item;
		batch_next(op);
	}
}

void
batch_append(struct iop *op)
{
	(void)batch_new(op);
	iacct_need(op, batch_listed);
}

size_t
batch_adopt(struct iop *op, const struct batch_first *f, const uint8_t *p,
    size_t len)
{
	struct batch	*b = batch_new(op);
	struct bpart	*part;

	b->mailbox = f->mailbox;
	b->maker = f->maker;
	(void)message_new(op, f->flags, op->cmd.append.item);
	if ((part = batch_upload(op, ibuf_size(f->data))) == NULL)
		return 0;
	(void)st_data(&part->rq, ibuf_data(f->data), ibuf_size(f->data));
	st_data_end(&part->rq);
	iop_reads(op, batch_input);
	return batch_input(op, p, len);
}

void
cmd_replace(struct iop *op)
{
	const struct imap_append	*c = &op->cmd.append;
	struct batch			*b = batch_new(op);
	struct uidset			 set;

	uidset_init(&set);
	if (view_resolve(op, &c->set, &set) == -1) {
		uidset_fini(&set);
		return;
	}
	b->uid = uidset_min(&set);
	uidset_fini(&set);
	if (b->uid == 0)
		iop_no(op, NULL, "No such message");
	else if (replace_gone(op, b->uid))
		return;
	else if (iop_place(op, c->mailbox) == -1)
		iop_no(op, "TRYCREATE", "No such mailbox");
	else
		iacct_need(op, batch_listed);
}
