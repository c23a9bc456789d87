/* What an account has beside mailboxes: metadata, and a quota. */
#include <stdlib.h>
#include <string.h>

#include "base64.h"
#include "call.h"
#include "json.h"

#define METADATA_SLICE	(32 * 1024)	/* bytes of rows in one piece */

/* GET .../quota */

static int
quota_put(struct ibuf *b, const char *name, uint64_t used, uint64_t limit)
{
	if (json_key(b, name) == -1 || json_open(b, '{') == -1 ||
	    json_ku64(b, "used", used) == -1 || json_key(b, "limit") == -1)
		return -1;
	if ((limit == STORE_NO_LIMIT ? json_put_raw(b, "null") :
	    json_put_u64(b, limit)) == -1)
		return -1;
	return json_close(b, '}');
}

void
call_quota(struct req *r, const struct head *hd)
{
	struct store_quota	 q;
	struct ibuf		*b = &server.text;
	int			 code;

	if ((code = store_quota(server.store, r->account, &q)) != ST_OK) {
		resp_error(r, code, NULL);
		return;
	}
	ibuf_drain(b, ibuf_size(b));
	if (ibuf_adds(b, "{\"roots\":[{\"name\":\"\"") == -1 ||
	    quota_put(b, "storage", q.size, q.size_limit) == -1 ||
	    quota_put(b, "messages", q.count, q.count_limit) == -1 ||
	    ibuf_adds(b, "}]}") == -1)
		resp_error(r, ST_TRY_LATER, NULL);
	else
		resp_send(r, 200, TYPE_JSON, ibuf_data(b), ibuf_size(b));
}

/* GET .../metadata */

struct metadata_list {
	int64_t		 account;
	int64_t		 mailbox;	/* -1: of all */
	int		 asked;		/* for one: */
	char		 id[NAME_ID_SIZE];
	struct mbox_id	 after;
	char		 entry[METADATA_ENTRY + 1];
	int		 begun;
	struct ibuf	*out;
	int		 full;
};

static void
metadata_list_free(struct req *r)
{
	free(r->data);
}

/* A text as text, anything else in base64. */
static int
metadata_value(struct ibuf *b, const char *p, size_t len)
{
	char	text[BASE64_LEN(METADATA_VALUE)];
	ssize_t	n;

	if (len == 0 || (utf8_valid(p, len) && memchr(p, '\0', len) == NULL))
		return json_put_strn(b, len > 0 ? p : "", len);
	if ((n = base64_encode(text, sizeof(text), p, len)) == -1 ||
	    json_open(b, '{') == -1 || json_key(b, "base64") == -1 ||
	    json_put_strn(b, text, (size_t)n) == -1)
		return -1;
	return json_close(b, '}');
}

static int
metadata_row(void *arg, const struct store_metadata *m)
{
	struct metadata_list	*l = arg;
	struct ibuf		*b = l->out;
	char			 id[NAME_ID_SIZE];

	if (json_open(b, '{') == -1)
		return 1;
	if (m->mailbox.no != 0) {
		name_put_mailbox(id, &m->mailbox);
		if (json_kstr(b, "mailbox", id) == -1)
			return 1;
	}
	if (json_key(b, "entry") == -1 ||
	    json_put_strn(b, m->entry, m->entrylen) == -1 ||
	    json_key(b, "value") == -1 ||
	    metadata_value(b, m->value, m->size) == -1 ||
	    ibuf_add(b, "}\n", 2) == -1)
		return 1;
	l->after = m->mailbox;
	strlcpy(l->entry, m->entry, sizeof(l->entry));
	return l->full = ibuf_size(b) >= METADATA_SLICE;
}

static int
metadata_header(struct metadata_list *l)
{
	struct ibuf *b = l->out;

	if (ibuf_adds(b, "{\"header\":true,\"applied\":{") == -1)
		return -1;
	if (l->asked && json_kstr(b, "mailbox", l->id) == -1)
		return -1;
	return ibuf_adds(b, "}}\n");
}

static int
metadata_fill(struct req *r, struct ibuf *out)
{
	struct metadata_list	*l = r->data;
	struct store_metadata	 after;
	int			 code = ST_OK;

	l->out = out;
	l->full = 0;
	if (!l->begun && metadata_header(l) == -1)
		code = ST_TRY_LATER;
	l->begun = 1;
	after.mailbox = l->after;
	after.entry = l->entry;
	if (code == ST_OK)
		code = store_metadata_list(server.store, l->account,
		    l->mailbox, &after, metadata_row, l);
	if (code == ST_OK && l->full)
		return RESP_MORE;
	answer_end(out, code);
	return RESP_END;
}

/* mailbox= names one, or with nothing the account itself. */
static int
metadata_mailbox(struct metadata_list *l, const char *account,
    const struct head *hd)
{
	struct store_mailbox	m;
	struct mbox_id		id = { .no = 0 };
	ssize_t			n;
	int			code;

	n = target_param(&hd->t, "mailbox", l->id, sizeof(l->id));
	l->asked = n != -2;
	l->mailbox = l->after.no = -1;
	if (n == -2)
		return store_account(server.store, account, &l->account);
	if (n == -1 || (n > 0 && name_get_mailbox(&id, l->id,
	    (size_t)n) == -1))
		return ST_NO_SUCH_MAILBOX;
	l->mailbox = l->after.no = id.no;
	if (n == 0)
		return store_account(server.store, account, &l->account);
	code = store_mailbox(server.store, account, &id, &m);
	l->account = m.account;
	return code;
}

void
call_metadata(struct req *r, const struct head *hd)
{
	struct metadata_list	*l;
	int			 code;

	if ((l = calloc(1, sizeof(*l))) == NULL) {
		resp_error(r, ST_TRY_LATER, NULL);
		return;
	}
	r->data = l;
	r->free = metadata_list_free;
	if ((code = metadata_mailbox(l, r->account, hd)) != ST_OK)
		resp_error(r, code, NULL);
	else
		resp_fill(r, TYPE_NDJSON, metadata_fill);
}

/* POST .../metadata */

struct metadata_entry {
	const char	*name;
	int		 set;
	size_t		 off, len;	/* value */
};

struct metadata_call {
	struct call	 call;
	struct mbox_id	 mailbox;	/* no 0: the account */
	struct metadata_entry *e;
	size_t		 n;
	struct ibuf	 values;
	int		 code;
};

static int
metadata_run(struct change *ch, struct store *s)
{
	struct metadata_call	*c = (struct metadata_call *)(void *)ch;
	const uint8_t		*values;
	size_t			 i;
	int			 code;

	/* never NULL: that would be no value */
	values = ibuf_size(&c->values) > 0 ? ibuf_data(&c->values) :
	    (const uint8_t *)"";
	ch->status = 204;
	for (i = 0; i < c->n; i++)
		if ((code = store_metadata_set(s, ch->account_no,
		    &c->mailbox, c->e[i].name, c->e[i].set ?
		    values + c->e[i].off : NULL, c->e[i].len)) != ST_OK)
			return code;
	return c->n > 0 ? store_list_event(s, ch->account_no) : ST_OK;
}

static void
metadata_fini(struct call *call)
{
	struct metadata_call *c = (struct metadata_call *)(void *)call;

	ibuf_fini(&c->values);
	free(c->e);
}

static const struct call_kind metadata_kind = {
	.ch = { .name = "metadata", .durable = 1, .run = metadata_run },
	.size = sizeof(struct metadata_call),
	.zero = sizeof(struct metadata_call),
	.fini = metadata_fini,
};

static int
metadata_text(struct metadata_call *c, struct metadata_entry *e,
    struct args *a, int i)
{
	const char	*s;

	if (json_str(&a->j, i, &s, &e->len) != 1)
		return ST_BAD_REQUEST;
	if (e->len > METADATA_VALUE)
		return ST_TOO_LARGE;
	return ibuf_add(&c->values, s, e->len) == -1 ? ST_TRY_LATER : ST_OK;
}

static int
metadata_base64(struct metadata_call *c, struct metadata_entry *e,
    struct args *a, int i)
{
	static const char *const known[] = { "base64", NULL };
	uint8_t		 value[METADATA_VALUE + 3];
	const char	*s;
	size_t		 len;
	ssize_t		 n;

	if (json_unknown(&a->j, i, known) != -1)
		return ST_UNKNOWN_PARAMETER;
	if (args_text(a, json_member(&a->j, i, "base64"), &s, &len) != 1)
		return ST_BAD_REQUEST;
	if (len > BASE64_LEN(METADATA_VALUE))
		return ST_TOO_LARGE;
	if ((n = base64_decode(value, sizeof(value), s, len)) == -1)
		return ST_BAD_REQUEST;
	if (n > METADATA_VALUE)
		return ST_TOO_LARGE;
	e->len = (size_t)n;
	return ibuf_add(&c->values, value, e->len) == -1 ? ST_TRY_LATER :
	    ST_OK;
}

/* A name in lower case, in place; the member's value behind it. */
static int
metadata_member(struct metadata_call *c, struct args *a, int i)
{
	struct metadata_entry	*e = &c->e[c->n];
	const char		*s;
	size_t			 len;

	if (args_text(a, i, &s, &len) != 1 ||
	    !name_lower_entry(a->j.buf + (s - a->j.buf), len))
		return ST_BAD_REQUEST;
	e->name = s;
	e->off = ibuf_size(&c->values);
	e->set = !json_is_null(&a->j, i + 1);
	c->n++;
	if (!e->set)
		return ST_OK;
	return json_type(&a->j, i + 1) == JSMN_OBJECT ?
	    metadata_base64(c, e, a, i + 1) : metadata_text(c, e, a, i + 1);
}

static int
metadata_parse(struct metadata_call *c, struct args *a)
{
	const char	*s;
	size_t		 len;
	int		 i, r;

	if ((r = args_text(a, json_member(&a->j, 0, "mailbox"), &s,
	    &len)) == -1)
		return ST_BAD_REQUEST;
	if (r == 1 && name_get_mailbox(&c->mailbox, s, len) == -1)
		return ST_NO_SUCH_MAILBOX;
	i = json_member(&a->j, 0, "set");
	if (json_type(&a->j, i) != JSMN_OBJECT)
		return ST_BAD_REQUEST;
	c->e = calloc((size_t)json_count(&a->j, i) + 1, sizeof(*c->e));
	if (c->e == NULL)
		return ST_TRY_LATER;
	for (i = json_first(&a->j, i); i != -1;
	    i = json_next(&a->j, i + 1))
		if ((r = metadata_member(c, a, i)) != ST_OK)
			return r;
	return ST_OK;
}

void
call_metadata_set(struct req *r, const struct head *hd)
{
	static const char *const known[] = { "mailbox", "set", NULL };
	struct metadata_call	*c;
	struct args		 a;
	int			 code;

	if ((c = (struct metadata_call *)call_new(r, &metadata_kind)) == NULL)
		return;
	ibuf_init(&c->values, METADATA_BODY);
	if (call_args(&c->call, &a, known) == -1)
		return;
	if ((code = metadata_parse(c, &a)) != ST_OK)
		call_fail(&c->call, code, NULL);
	else
		call_submit(&c->call);
	args_fini(&a);
}
