/* Mailboxes: their list, one's row, and what changes the list. */
#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "json.h"

#define LIST_SLICE	(32 * 1024)	/* bytes of rows in one piece */

/* GET .../mailboxes */

enum mailboxes_phase { MB_HEADER, MB_ROWS, MB_ORPHANS };

struct mailboxes {
	enum mailboxes_phase phase;
	int64_t		 account;
	int64_t		 after;		/* number of the last row */
	char		 name[NAME_MAILBOX_MAX + 1];	/* of the last orphan */
	int64_t		 seq;
	struct ibuf	*out;
	int		 full;
};

static int
mailboxes_header(struct mailboxes *l)
{
	struct ibuf	*b = l->out;
	char		 cursor[NAME_ID_SIZE];

	if (json_open(b, '{') == -1 || json_kbool(b, "header", 1) == -1)
		return -1;
	if (HAS(CAP_EVENTS)) {
		name_put_cursor(cursor, store_epoch(server.store), l->seq);
		if (json_kstr(b, "cursor", cursor) == -1)
			return -1;
	}
	return ibuf_add(b, "}\n", 2);
}

static int
mailboxes_row(void *arg, const struct store_mailbox *m)
{
	struct mailboxes *l = arg;

	if (answer_mailbox(l->out, m, server.conf->caps) == -1 ||
	    ibuf_add_n8(l->out, '\n') == -1)
		return 1;
	l->after = m->id.no;
	return l->full = ibuf_size(l->out) >= LIST_SLICE;
}

static int
mailboxes_orphan(void *arg, const char *name, size_t len)
{
	struct mailboxes	*l = arg;
	struct ibuf		*b = l->out;

	if (json_open(b, '{') == -1 || json_key(b, "name") == -1 ||
	    json_put_strn(b, name, len) == -1 ||
	    json_kbool(b, "subscribed", 1) == -1 ||
	    json_kbool(b, "exists", 0) == -1 || ibuf_add(b, "}\n", 2) == -1)
		return 1;
	strlcpy(l->name, name, sizeof(l->name));
	return l->full = ibuf_size(b) >= LIST_SLICE;
}

static int
mailboxes_fill(struct req *r, struct ibuf *out)
{
	struct mailboxes	*l = r->data;
	int			 code = ST_OK;

	l->out = out;
	l->full = 0;
	if (l->phase == MB_HEADER) {
		if (mailboxes_header(l) == -1)
			code = ST_TRY_LATER;
		l->phase = MB_ROWS;
	}
	if (l->phase == MB_ROWS && code == ST_OK) {
		code = store_mailboxes(server.store, l->account, l->after,
		    mailboxes_row, l);
		if (code == ST_OK && !l->full)
			l->phase = MB_ORPHANS;
	}
	if (l->phase == MB_ORPHANS && code == ST_OK &&
	    HAS(CAP_SUBSCRIPTIONS))
		code = store_orphans(server.store, l->account, l->name,
		    mailboxes_orphan, l);
	if (code == ST_OK && l->full)
		return RESP_MORE;
	answer_end(out, code);
	return RESP_END;
}

static void
mailboxes_free(struct req *r)
{
	free(r->data);
}

static void	mailboxes_open(struct req *);

/*
 * The cursor is that of the last event that was told: what the rows show
 * beyond it will be told.
 */
static void
mailboxes_start(struct req *r, int64_t account)
{
	struct mailboxes *l;

	if ((l = calloc(1, sizeof(*l))) == NULL) {
		resp_error(r, ST_TRY_LATER, NULL);
		return;
	}
	l->account = account;
	l->seq = server.seq;
	r->data = l;
	r->free = mailboxes_free;
	resp_fill(r, TYPE_NDJSON, mailboxes_fill);
}

void
call_mailboxes(struct req *r, const struct head *hd)
{
	int64_t	account;
	int	code;

	code = store_account(server.store, r->account, &account);
	if (code == ST_OK)
		mailboxes_start(r, account);
	else if (code == ST_NO_SUCH_ACCOUNT &&
	    server.conf->store.open_accounts)
		mailboxes_open(r);
	else
		resp_error(r, code, NULL);
}

/* The first request for an account makes it: the writer does, then again. */
static int
account_run(struct change *c, struct store *s)
{
	return ST_OK;
}

static const struct change_kind account_kind = {
	.name = "account",
	.durable = 1,
	.run = account_run,
};

struct account_open {
	struct change	 ch;
	struct req	*req;
};

static void
account_opened(struct job *j)
{
	struct account_open	*a = (struct account_open *)(void *)j;
	struct req		*r = a->req;
	int64_t			 no;
	int			 code = a->ch.code;

	events_publish(&a->ch);
	change_fini(&a->ch);
	free(a);
	if (!req_return(r))
		return;
	if (code == ST_OK)
		code = store_account(server.store, r->account, &no);
	if (code == ST_OK)
		mailboxes_start(r, no);
	else
		resp_error(r, code, NULL);
}

static void
mailboxes_open(struct req *r)
{
	struct account_open *a;

	if ((a = malloc(sizeof(*a))) == NULL) {
		resp_error(r, ST_TRY_LATER, NULL);
		return;
	}
	change_init(&a->ch, &account_kind, account_opened);
	strlcpy(a->ch.account, r->account, sizeof(a->ch.account));
	a->req = r;
	req_lend(r);
	change_submit(&a->ch);
}

/* GET .../mailboxes/{m} */

void
call_mailbox(struct req *r, const struct head *hd)
{
	struct store_mailbox	 m;
	struct ibuf		*b = &server.text;
	int			 code;

	if ((code = store_mailbox(server.store, r->account, &r->mailbox,
	    &m)) != ST_OK) {
		resp_error(r, code, NULL);
		return;
	}
	ibuf_drain(b, ibuf_size(b));
	if (answer_mailbox(b, &m, server.conf->caps) == -1)
		resp_error(r, ST_TRY_LATER, NULL);
	else
		resp_send(r, 200, TYPE_JSON, ibuf_data(b), ibuf_size(b));
}

/* POST .../mailboxes */

#define ROLES_MAX	8

struct create {
	struct call	 call;
	const char	*name;
	struct ibuf	 roles;		/* JSON, NUL-ended; empty: none */
};

static int
create_run(struct change *ch, struct store *s)
{
	struct create		*c = (struct create *)(void *)ch;
	struct store_mailbox	 m;
	int			 code;

	code = store_create(s, ch->account_no, c->name,
	    ibuf_size(&c->roles) > 0 ? (char *)ibuf_data(&c->roles) : NULL,
	    &m);
	if (code != ST_OK)
		return code;
	ch->status = 201;
	return answer_mailbox(&ch->answer, &m, server.conf->caps) == -1 ?
	    ST_TRY_LATER : ST_OK;
}

static void
create_fini(struct call *c)
{
	ibuf_fini(&((struct create *)(void *)c)->roles);
}

static const struct call_kind create_kind = {
	.ch = { .name = "create", .durable = 1, .run = create_run },
	.size = sizeof(struct create),
	.zero = sizeof(struct create),
	.type = TYPE_JSON,
	.fini = create_fini,
};

static int
create_roles(struct create *c, struct args *a, int i)
{
	const char	*s;
	size_t		 len;
	int		 n = 0;

	if (i == -1 || json_is_null(&a->j, i))
		return 0;
	if (json_type(&a->j, i) != JSMN_ARRAY)
		return -1;
	if (json_count(&a->j, i) == 0)
		return 0;
	if (json_open(&c->roles, '[') == -1)
		return -1;
	for (i = args_first(a, i); i != -1; i = args_next(a, i))
		if (++n > ROLES_MAX || args_text(a, i, &s, &len) != 1 ||
		    !name_is_role(s, len) ||
		    json_put_strn(&c->roles, s, len) == -1)
			return -1;
	if (json_close(&c->roles, ']') == -1)
		return -1;
	return ibuf_add_n8(&c->roles, '\0');
}

void
call_create(struct req *r, const struct head *hd)
{
	static const char *const known[] = { "name", "roles", NULL };
	struct create	*c;
	struct args	 a;
	size_t		 len;

	if ((c = (struct create *)call_new(r, &create_kind)) == NULL)
		return;
	ibuf_init(&c->roles, 1024);
	if (call_args(&c->call, &a, known) == -1)
		return;
	if (args_text(&a, json_member(&a.j, 0, "name"), &c->name,
	    &len) != 1 || !name_is_mailbox(c->name, len))
		call_fail(&c->call, ST_BAD_REQUEST, "name");
	else if (create_roles(c, &a, json_member(&a.j, 0, "roles")) == -1)
		call_fail(&c->call, ST_BAD_REQUEST, "roles");
	else
		call_submit(&c->call);
	args_fini(&a);
}

/* POST .../mailboxes/rename */

struct rename {
	struct call	 call;
	const char	*from;
	const char	*to;
};

static int
rename_run(struct change *ch, struct store *s)
{
	struct rename *c = (struct rename *)(void *)ch;

	ch->status = 204;
	return store_rename(s, ch->account_no, c->from, c->to);
}

static const struct call_kind rename_kind = {
	.ch = { .name = "rename", .durable = 1, .run = rename_run },
	.size = sizeof(struct rename),
	.zero = sizeof(struct rename),
};

static int
rename_name(struct args *a, const char *member, const char **s)
{
	size_t len;

	if (args_text(a, json_member(&a->j, 0, member), s, &len) != 1)
		return -1;
	return name_is_mailbox(*s, len) ? 0 : -1;
}

void
call_rename(struct req *r, const struct head *hd)
{
	static const char *const known[] = { "from", "to", NULL };
	struct rename	*c;
	struct args	 a;

	if ((c = (struct rename *)call_new(r, &rename_kind)) == NULL ||
	    call_args(&c->call, &a, known) == -1)
		return;
	if (rename_name(&a, "from", &c->from) == -1 ||
	    rename_name(&a, "to", &c->to) == -1)
		call_fail(&c->call, ST_BAD_REQUEST, "from and to are names");
	else
		call_submit(&c->call);
	args_fini(&a);
}

/* DELETE .../mailboxes/{m} */

struct delete {
	struct call	 call;
	struct mbox_id	 mailbox;
};

static int
delete_run(struct change *ch, struct store *s)
{
	struct delete *c = (struct delete *)(void *)ch;

	ch->status = 204;
	return store_delete(s, ch->account_no, &c->mailbox);
}

static const struct call_kind delete_kind = {
	.ch = { .name = "delete", .durable = 1, .run = delete_run },
	.size = sizeof(struct delete),
	.zero = sizeof(struct delete),
};

void
call_delete(struct req *r, const struct head *hd)
{
	struct delete *c;

	if ((c = (struct delete *)call_new(r, &delete_kind)) == NULL)
		return;
	c->mailbox = r->mailbox;
	call_submit(&c->call);
}

/* POST .../subscriptions */

struct subscribe {
	struct call	 call;
	const char	**name;		/* those to add, then the others */
	size_t		 n, add;
};

static int
subscribe_run(struct change *ch, struct store *s)
{
	struct subscribe	*c = (struct subscribe *)(void *)ch;
	size_t			 i;
	int			 code;

	for (i = 0; i < c->n; i++)
		if ((code = store_subscribe(s, ch->account_no, c->name[i],
		    i < c->add)) != ST_OK)
			return code;
	ch->status = 204;
	return c->n > 0 ? store_list_event(s, ch->account_no) : ST_OK;
}

static void
subscribe_fini(struct call *c)
{
	free(((struct subscribe *)(void *)c)->name);
}

static const struct call_kind subscribe_kind = {
	.ch = { .name = "subscribe", .durable = 1, .run = subscribe_run },
	.size = sizeof(struct subscribe),
	.zero = sizeof(struct subscribe),
	.fini = subscribe_fini,
};

static int
subscribe_names(struct subscribe *c, struct args *a, int i)
{
	size_t len;

	if (i == -1 || json_is_null(&a->j, i))
		return 0;
	if (json_type(&a->j, i) != JSMN_ARRAY)
		return -1;
	for (i = args_first(a, i); i != -1; i = args_next(a, i)) {
		if (args_text(a, i, &c->name[c->n], &len) != 1 ||
		    !name_is_mailbox(c->name[c->n], len))
			return -1;
		c->n++;
	}
	return 0;
}

static void
subscribe_parsed(struct subscribe *c, struct args *a)
{
	int add = json_member(&a->j, 0, "add");
	int remove = json_member(&a->j, 0, "remove");

	c->name = reallocarray(NULL, (size_t)json_count(&a->j, add) +
	    (size_t)json_count(&a->j, remove) + 1, sizeof(*c->name));
	if (c->name == NULL) {
		call_fail(&c->call, ST_TRY_LATER, NULL);
		return;
	}
	if (subscribe_names(c, a, add) == -1) {
		call_fail(&c->call, ST_BAD_REQUEST, "add");
		return;
	}
	c->add = c->n;
	if (subscribe_names(c, a, remove) == -1)
		call_fail(&c->call, ST_BAD_REQUEST, "remove");
	else
		call_submit(&c->call);
}

void
call_subscriptions(struct req *r, const struct head *hd)
{
	static const char *const known[] = { "add", "remove", NULL };
	struct subscribe	*c;
	struct args		 a;

	if ((c = (struct subscribe *)call_new(r, &subscribe_kind)) == NULL ||
	    call_args(&c->call, &a, known) == -1)
		return;
	subscribe_parsed(c, &a);
	args_fini(&a);
}
