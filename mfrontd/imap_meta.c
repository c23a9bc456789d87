/*
 * Annotations (RFC 5464), of mailboxes and of the account itself, which is
 * the server as far as a client can see.  The storage gives all that a
 * mailbox has; what was asked for is picked here.
 */
#include <sys/types.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base64.h"
#include "imap.h"
#include "json.h"
#include "log.h"

#define ANSWER_MAX	(16 * 1024 * 1024)	/* of one GETMETADATA */
#define SET_MAX		64000			/* of one SETMETADATA */

struct meta {
	struct ibuf	 out;		/* what is told: entries and values */
	uint8_t		 found[IMAP_META_MAX];	/* of those asked for */
	size_t		 longest;	/* of the values left out */
	int		 lost;		/* there was more than fits */
};

static void
meta_cleanup(struct iop *op)
{
	struct meta *m = op->data;

	ibuf_fini(&m->out);
	free(m);
}

static void
meta_new(struct iop *op)
{
	struct meta *m;

	if ((m = calloc(1, sizeof(*m))) == NULL)
		fatal(NULL);
	ibuf_init(&m->out, ANSWER_MAX);
	op->data = m;
	op->cleanup = meta_cleanup;
}

/* Where it is about, and whether there is such a mailbox and annotations. */

static const char *
meta_place(struct iop *op, enum st_code code, const char *text)
{
	struct mbox *mb = NULL;

	if (code != ST_OK) {
		iop_fail(op, code, text);
		return NULL;
	}
	if (*op->name != '\0' &&
	    (mb = iacct_find(op->mount->account, op->name)) == NULL) {
		iop_no(op, "NONEXISTENT", "No such mailbox");
		return NULL;
	}
	if (!iop_has(op, CAP_METADATA)) {
		iop_no(op, "CANNOT", "This storage keeps no annotations");
		return NULL;
	}
	return mb != NULL ? mb->id : "";
}

static void
meta_begin(struct iop *op, void (*f)(struct iop *, enum st_code,
    const char *))
{
	const char *mailbox = op->cmd.metadata.mailbox;

	if (*mailbox == '\0') {
		op->mount = &op->s->mounts[0];
		op->name = "";
	} else if (iop_place(op, mailbox) == -1) {
		iop_no(op, "NONEXISTENT", "No such mailbox");
		return;
	}
	iacct_need(op, f);
}

/* GETMETADATA */

/* Is it the entry, or as far below it as was asked for? */
static int
entry_covers(const char *asked, const char *entry, enum imap_meta_depth depth)
{
	size_t len = strlen(asked);

	if (strncmp(asked, entry, len) != 0)
		return 0;
	if (entry[len] == '\0')
		return 1;
	if (depth == META_DEPTH_0 || entry[len] != '/')
		return 0;
	return depth == META_DEPTH_INFINITY ||
	    strchr(entry + len + 1, '/') == NULL;
}

static int
entry_wanted(struct iop *op, const char *entry)
{
	const struct imap_metadata	*c = &op->cmd.metadata;
	struct meta			*m = op->data;
	uint32_t			 i;
	int				 wanted = 0;

	for (i = 0; i < c->n; i++)
		if (entry_covers(c->entry[i].name, entry, c->depth)) {
			m->found[i] = 1;
			wanted = 1;
		}
	return wanted;
}

static int
put_entry(struct ibuf *b, const char *entry)
{
	if (ibuf_size(b) > 0 && ibuf_add_n8(b, ' ') == -1)
		return -1;
	if (imap_put_astring(b, entry, strlen(entry)) == -1)
		return -1;
	return ibuf_add_n8(b, ' ');
}

static int
put_value(struct ibuf *b, const char *p, size_t len)
{
	if (memchr(p, '\0', len) == NULL)
		return imap_put_string(b, p, len);
	return imap_put_literal(b, len, 1) == -1 ? -1 : ibuf_add(b, p, len);
}

static void
meta_row(struct iop *op, const struct m_st_meta *r)
{
	const struct imap_metadata	*c = &op->cmd.metadata;
	struct meta			*m = op->data;

	if (!entry_wanted(op, r->entry))
		return;
	if (c->has_maxsize && r->value.len > c->maxsize) {
		if (r->value.len > m->longest)
			m->longest = r->value.len;
		return;
	}
	if (m->lost || put_entry(&m->out, r->entry) == -1 ||
	    put_value(&m->out, r->value.p != NULL ?
	    (const char *)r->value.p : "", r->value.len) == -1)
		m->lost = 1;
}

/* One that is not there is NIL, if it was asked for by its name alone. */
static void
meta_absent(struct iop *op)
{
	const struct imap_metadata	*c = &op->cmd.metadata;
	struct meta			*m = op->data;
	uint32_t			 i;

	for (i = 0; i < c->n && c->depth == META_DEPTH_0; i++)
		if (!m->found[i] && (put_entry(&m->out,
		    c->entry[i].name) == -1 ||
		    ibuf_add(&m->out, "NIL", 3) == -1))
			m->lost = 1;
}

static void
meta_tell(struct iop *op)
{
	struct meta	*m = op->data;
	struct ibuf	*b = imap_out(op->s);
	char		 code[64];

	meta_absent(op);
	if (m->lost) {
		iop_no(op, "LIMIT", "Too much, ask for less at once");
		return;
	}
	if (ibuf_size(&m->out) > 0) {
		(void)ibuf_adds(b, "* METADATA ");
		(void)imap_put_mailbox(b, op->cmd.metadata.mailbox, 0);
		(void)ibuf_adds(b, " (");
		(void)ibuf_add_ibuf(b, &m->out);
		(void)ibuf_adds(b, ")\r\n");
	}
	if (m->longest == 0) {
		iop_ok(op, "GETMETADATA completed");
		return;
	}
	snprintf(code, sizeof(code), "METADATA LONGENTRIES %zu", m->longest);
	iop_ok_code(op, code, "GETMETADATA completed");
}

static void
meta_get_answer(struct streq *rq, enum msg_type type, const void *arg)
{
	struct iop *op = rq->arg;

	if (type == M_st_meta)
		meta_row(op, arg);
	else if (type == M_st_end && !iop_failed(op, arg))
		meta_tell(op);
}

static void
meta_get_listed(struct iop *op, enum st_code code, const char *text)
{
	struct m_st_meta_get q;

	memset(&q, 0, sizeof(q));
	if ((q.mailbox = meta_place(op, code, text)) == NULL)
		return;
	q.mount = op->mount->number;
	iop_ask(op, M_st_meta_get, &q, meta_get_answer);
}

void
cmd_getmetadata(struct iop *op)
{
	meta_new(op);
	meta_begin(op, meta_get_listed);
}

/* SETMETADATA */

static int
put_base64(struct ibuf *b, const struct hstr *v)
{
	size_t	 size = BASE64_LEN(v->len) + 1;
	char	*text;
	ssize_t	 n;
	int	 r;

	if ((text = malloc(size)) == NULL)
		fatal(NULL);
	n = base64_encode(text, size, v->p, v->len);
	r = n == -1 || json_open(b, '{') == -1 ||
	    json_key(b, "base64") == -1 ||
	    json_put_strn(b, text, (size_t)n) == -1 ||
	    json_close(b, '}') == -1;
	free(text);
	return r ? -1 : 0;
}

/* {entry: text, or null, or {"base64": what is no text}} */
static int
put_set(struct ibuf *b, const struct imap_metadata *c)
{
	const struct hstr	*v;
	uint32_t		 i;
	int			 r;

	if (json_open(b, '{') == -1)
		return -1;
	for (i = 0; i < c->n; i++) {
		v = &c->entry[i].value;
		if (json_key(b, c->entry[i].name) == -1)
			return -1;
		if (v->p == NULL)
			r = json_put_raw(b, "null");
		else if (memchr(v->p, '\0', v->len) == NULL &&
		    utf8_valid(v->p, v->len))
			r = json_put_strn(b, v->p, v->len);
		else
			r = put_base64(b, v);
		if (r == -1)
			return -1;
	}
	return json_close(b, '}');
}

/* RFC 5464, 4.3; the storage may not have said how much it takes. */
static void
meta_too_large(struct iop *op)
{
	uint32_t	max = imount_storage(op->s, op->mount)->annotation;
	char		code[64];

	snprintf(code, sizeof(code), "METADATA MAXSIZE %u", max);
	iop_no(op, max != 0 ? code : "LIMIT", "The value is too long");
}

static void
meta_set_answer(struct streq *rq, enum msg_type type, const void *arg)
{
	struct iop		*op = rq->arg;
	const struct m_st_end	*end = arg;

	if (type != M_st_end)
		return;
	if (end->code == ST_TOO_LARGE)
		meta_too_large(op);
	else if (end->code == ST_OVER_QUOTA)
		iop_no(op, "METADATA TOOMANY", "Too many annotations");
	else if (!iop_failed(op, end))
		iop_ok(op, "SETMETADATA completed");
}

static int
set_too_large(struct iop *op)
{
	const struct imap_metadata	*c = &op->cmd.metadata;
	uint32_t			 max, i;

	max = imount_storage(op->s, op->mount)->annotation;
	for (i = 0; i < c->n; i++)
		if (max != 0 && c->entry[i].value.len > max)
			return 1;
	return 0;
}

static void
meta_set_listed(struct iop *op, enum st_code code, const char *text)
{
	struct meta		*m = op->data;
	struct m_st_meta_set	 q;

	memset(&q, 0, sizeof(q));
	if ((q.mailbox = meta_place(op, code, text)) == NULL)
		return;
	if (set_too_large(op)) {
		meta_too_large(op);
		return;
	}
	if (put_set(&m->out, &op->cmd.metadata) == -1 ||
	    ibuf_size(&m->out) > SET_MAX) {
		iop_no(op, "LIMIT", "Too much, set less at once");
		return;
	}
	q.mount = op->mount->number;
	q.set = msg_blob_of(ibuf_data(&m->out), ibuf_size(&m->out));
	iop_ask(op, M_st_meta_set, &q, meta_set_answer);
}

void
cmd_setmetadata(struct iop *op)
{
	meta_new(op);
	meta_begin(op, meta_set_listed);
}
