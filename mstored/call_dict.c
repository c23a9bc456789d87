/* dict: small values by name, with compare and swap. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "json.h"

#define DICT_SLICE	(32 * 1024)	/* bytes of rows in one piece */

/* GET .../dict/{k} */

void
call_dict_get(struct req *r, const struct head *hd)
{
	struct store_entry	e;
	char			field[64];
	int			code;

	if ((code = store_dict_get(server.store, r->account, r->dict_key,
	    &e)) != ST_OK) {
		resp_error(r, code, NULL);
		return;
	}
	snprintf(field, sizeof(field), "ETag: \"%s\"\r\n", e.etag);
	(void)ibuf_room(io_out(&r->c->io), e.size + 512);
	resp_head(r, 200, "application/octet-stream", e.size, field);
	if (e.size > 0)
		io_write(&r->c->io, e.value, e.size);
	req_done(r);
}

/* PUT and DELETE .../dict/{k} */

struct dict_call {
	struct call	 call;
	char		 key[NAME_KEY_MAX + 1];
	struct store_if	 cond;
};

static int
dict_put_run(struct change *ch, struct store *s)
{
	struct dict_call	*c = (struct dict_call *)(void *)ch;
	struct ibuf		*b = &ch->answer;
	char			 etag[STORE_ETAG];
	int			 code;

	code = store_dict_put(s, ch->account_no, c->key, &c->cond,
	    ibuf_data(&c->call.body), ibuf_size(&c->call.body), etag);
	if (code != ST_OK)
		return code;
	return json_open(b, '{') == -1 || json_kstr(b, "etag", etag) == -1 ||
	    json_close(b, '}') == -1 ? ST_TRY_LATER : ST_OK;
}

static int
dict_del_run(struct change *ch, struct store *s)
{
	struct dict_call *c = (struct dict_call *)(void *)ch;

	ch->status = 204;
	return store_dict_del(s, ch->account_no, c->key, &c->cond);
}

static const struct call_kind dict_put_kind = {
	.ch = { .name = "dict", .durable = 1, .run = dict_put_run },
	.size = sizeof(struct dict_call),
	.zero = sizeof(struct dict_call),
	.type = TYPE_JSON,
};

static const struct call_kind dict_del_kind = {
	.ch = { .name = "dict", .durable = 1, .run = dict_del_run },
	.size = sizeof(struct dict_call),
	.zero = sizeof(struct dict_call),
};

static void
dict_change(struct req *r, const struct call_kind *kind)
{
	struct dict_call *c;

	if ((c = (struct dict_call *)call_new(r, kind)) == NULL)
		return;
	strlcpy(c->key, r->dict_key, sizeof(c->key));
	c->cond = r->cond;
	call_submit(&c->call);
}

void
call_dict_put(struct req *r, const struct head *hd)
{
	dict_change(r, &dict_put_kind);
}

void
call_dict_del(struct req *r, const struct head *hd)
{
	dict_change(r, &dict_del_kind);
}

/* GET .../dict */

struct dict_list {
	int64_t		 account;
	char		 prefix[NAME_KEY_MAX + 1];
	char		 after[NAME_KEY_MAX + 1];
	int		 begun;
	struct ibuf	*out;
	int		 full;
};

static void
dict_list_free(struct req *r)
{
	free(r->data);
}

static int
dict_row(void *arg, const struct store_entry *e)
{
	struct dict_list	*l = arg;
	struct ibuf		*b = l->out;

	if (json_open(b, '{') == -1 || json_kstr(b, "key", e->key) == -1 ||
	    json_kstr(b, "etag", e->etag) == -1 ||
	    json_ku64(b, "size", e->size) == -1 || ibuf_add(b, "}\n", 2) == -1)
		return 1;
	strlcpy(l->after, e->key, sizeof(l->after));
	return l->full = ibuf_size(b) >= DICT_SLICE;
}

static int
dict_fill(struct req *r, struct ibuf *out)
{
	struct dict_list	*l = r->data;
	int			 code = ST_OK;

	l->out = out;
	l->full = 0;
	if (!l->begun && ibuf_adds(out, "{\"header\":true}\n") == -1)
		code = ST_TRY_LATER;
	l->begun = 1;
	if (code == ST_OK)
		code = store_dict_list(server.store, l->account, l->prefix,
		    l->after, dict_row, l);
	if (code == ST_OK && l->full)
		return RESP_MORE;
	answer_end(out, code);
	return RESP_END;
}

void
call_dict_list(struct req *r, const struct head *hd)
{
	struct dict_list	*l;
	int64_t			 account;
	int			 code;

	if ((code = store_account(server.store, r->account,
	    &account)) != ST_OK) {
		resp_error(r, code, NULL);
		return;
	}
	if ((l = calloc(1, sizeof(*l))) == NULL) {
		resp_error(r, ST_TRY_LATER, NULL);
		return;
	}
	l->account = account;
	r->data = l;
	r->free = dict_list_free;
	if (target_param(&hd->t, "prefix", l->prefix,
	    sizeof(l->prefix)) == -1)
		resp_error(r, ST_BAD_REQUEST, "prefix");
	else
		resp_fill(r, TYPE_NDJSON, dict_fill);
}
