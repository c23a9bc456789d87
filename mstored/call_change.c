/* Changes of messages that are there: flags, expunge, copy and move. */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "body.h"
#include "call.h"
#include "json.h"

static int
change_header(struct ibuf *b)
{
	if (json_open(b, '{') == -1)
		return -1;
	return json_kbool(b, "header", 1);
}

/* PATCH .../messages */

struct patch_call {
	struct call	 call;
	struct mbox_id	 mailbox;
	struct uidset	 uids;
	struct uidset	 modified;
	int		 has_add, has_remove, set;
	int		 conditional;
	uint64_t	 unchanged_since;
	struct store	*store;
	struct ibuf	 rows;
	int		 cut;		/* there are more than fit */
	int		 wrong;		/* code of a bad request */
	struct flagset	 add;
	struct flagset	 remove;
};

static int
patch_row(struct patch_call *c, const struct cluster *cl)
{
	const struct store_flags	*f;
	struct ibuf			*b = &c->rows;

	if ((f = store_flags(c->store, cl->flags)) == NULL ||
	    ibuf_add_n8(b, '{') == -1 || answer_uids(b, &cl->uids) == -1 ||
	    ibuf_add(b, ",\"flags\":", 9) == -1 ||
	    ibuf_add(b, f->text, f->len) == -1)
		return -1;
	return ibuf_add(b, "}\n", 2);
}

/*
 * An answer that grows too long ends early and says so: the change itself
 * stands, and a listing tells the rest.
 */
static int
patch_rows(void *arg, const struct clusters *cs)
{
	struct patch_call	*c = arg;
	size_t			 mark;
	int			 i;

	for (i = 0; i < cs->n && !c->cut; i++) {
		mark = ibuf_size(&c->rows);
		if (patch_row(c, &cs->c[i]) == -1) {
			ibuf_truncate(&c->rows, mark);
			c->cut = 1;
		}
	}
	return 0;
}

static int
patch_answer(struct patch_call *c, const struct store_patch *p)
{
	struct ibuf *b = &c->call.ch.answer;

	if (change_header(b) == -1 || answer_change(b, "change", &p->change,
	    server.conf->caps) == -1 || ibuf_add(b, "}\n", 2) == -1 ||
	    ibuf_add_ibuf(b, &c->rows) == -1)
		return -1;
	if (c->cut)
		return answer_end(b, ST_TRY_LATER);
	if (answer_sets(b, "modified", &p->modified) == -1)
		return -1;
	return answer_end(b, ST_OK);
}

static int
patch_run(struct change *ch, struct store *s)
{
	struct patch_call	*c = (struct patch_call *)(void *)ch;
	struct store_patch	 p;
	int			 code;

	memset(&p, 0, sizeof(p));
	p.account = ch->account_no;
	p.mailbox = c->mailbox;
	p.uids = &c->uids;
	p.set = c->set;
	p.add = c->has_add ? &c->add : NULL;
	p.remove = c->has_remove ? &c->remove : NULL;
	p.conditional = c->conditional;
	p.unchanged_since = c->unchanged_since;
	p.rows = patch_rows;
	p.arg = c;
	p.modified = c->modified;
	uidset_clear(&p.modified);
	ibuf_drain(&c->rows, ibuf_size(&c->rows));
	c->cut = 0;
	c->store = s;
	code = store_patch(s, &p);
	c->modified = p.modified;
	if (code == ST_OK && patch_answer(c, &p) == -1)
		code = ST_TRY_LATER;
	return code;
}

static void
patch_fini(struct call *call)
{
	struct patch_call *c = (struct patch_call *)(void *)call;

	uidset_fini(&c->uids);
	uidset_fini(&c->modified);
	ibuf_fini(&c->rows);
}

static const struct call_kind patch_kind = {
	.ch = { .name = "patch", .durable = 0, .run = patch_run },
	.size = sizeof(struct patch_call),
	.zero = offsetof(struct patch_call, add),
	.type = TYPE_NDJSON,
	.fini = patch_fini,
};

static int
patch_member(struct patch_call *c, struct args *a, int i, struct flagset *f)
{
	int r;

	if ((r = args_flags(a, i, f)) == -1)
		c->wrong = args_flags_code(errno);
	return r;
}

static int
patch_flags(struct patch_call *c, struct args *a)
{
	int set, add, remove;

	set = args_find(a, 0, "set");
	add = args_find(a, 0, "add");
	remove = args_find(a, 0, "remove");
	if (set != -1) {
		c->set = c->has_add = 1;
		return add == -1 && remove == -1 &&
		    patch_member(c, a, set, &c->add) == 1 ? 0 : -1;
	}
	if ((c->has_add = patch_member(c, a, add, &c->add)) == -1 ||
	    (c->has_remove = patch_member(c, a, remove, &c->remove)) == -1)
		return -1;
	if (!c->has_add && !c->has_remove)
		return -1;
	return c->has_add && c->has_remove &&
	    flagset_overlaps(&c->add, &c->remove) ? -1 : 0;
}

static const char *
patch_parse(struct patch_call *c, struct args *a)
{
	int r;

	if (args_set(a, json_member(&a->j, 0, "uids"), SET_MAX,
	    &c->uids) != 1)
		return "uids";
	if (patch_flags(c, a) == -1)
		return "set alone, or add and remove, disjoint flags";
	r = json_u64(&a->j, json_member(&a->j, 0, "unchanged_since"),
	    ((uint64_t)1 << 53) - 1, &c->unchanged_since);
	c->conditional = r == 1;
	/* "tested by presence": null is no number */
	if (r == -1 || (r == 0 && json_member(&a->j, 0,
	    "unchanged_since") != -1))
		return "unchanged_since";
	return NULL;
}

void
call_patch(struct req *r, const struct head *hd)
{
	static const char *const known[] = { "uids", "add", "remove", "set",
	    "unchanged_since", NULL };
	static const char *const known_base[] = { "uids", "add", "remove",
	    "set", NULL };
	struct patch_call	*c;
	struct args		 a;
	const char		*wrong;

	if ((c = (struct patch_call *)call_new(r, &patch_kind)) == NULL)
		return;
	c->mailbox = r->mailbox;
	c->wrong = ST_BAD_REQUEST;
	ibuf_init(&c->rows, CHANGE_ANSWER_MAX - 65536);
	if (call_args(&c->call, &a, HAS(CAP_MODSEQ) ? known :
	    known_base) == -1)
		return;
	if ((wrong = patch_parse(c, &a)) != NULL)
		call_fail(&c->call, c->wrong, wrong);
	else
		call_submit(&c->call);
	args_fini(&a);
}

/* POST .../expunge */

struct expunge_call {
	struct call	 call;
	struct mbox_id	 mailbox;
	struct uidset	 uids;
	struct uidset	 vanished;
	int		 has_only;
	struct flagset	 only;
};

/*
 * Of a set too long for an answer, the header alone is told: the change
 * stands.
 */
static int
change_told(struct ibuf *b, int r, int (*again)(struct ibuf *, const void *),
    const void *arg)
{
	if (r == 0)
		return ST_OK;
	ibuf_truncate(b, 0);
	if (again(b, arg) == -1 || answer_end(b, ST_TRY_LATER) == -1)
		return ST_TRY_LATER;
	return ST_OK;
}

static int
expunge_header(struct ibuf *b, const void *arg)
{
	const struct store_expunge *x = arg;

	if (change_header(b) == -1 || answer_change(b, "change", &x->change,
	    server.conf->caps) == -1)
		return -1;
	return ibuf_add(b, "}\n", 2);
}

static int
expunge_answer(struct ibuf *b, const struct store_expunge *x)
{
	if (expunge_header(b, x) == -1 ||
	    answer_sets(b, "vanished", &x->vanished) == -1)
		return -1;
	return answer_end(b, ST_OK);
}

static int
expunge_run(struct change *ch, struct store *s)
{
	struct expunge_call	*c = (struct expunge_call *)(void *)ch;
	struct store_expunge	 x;
	int			 code;

	memset(&x, 0, sizeof(x));
	x.account = ch->account_no;
	x.mailbox = c->mailbox;
	x.uids = &c->uids;
	x.only = c->has_only ? &c->only : NULL;
	x.vanished = c->vanished;
	uidset_clear(&x.vanished);
	code = store_expunge(s, &x);
	if (code == ST_OK)
		code = change_told(&ch->answer, expunge_answer(&ch->answer,
		    &x), expunge_header, &x);
	c->vanished = x.vanished;
	return code;
}

static void
expunge_fini(struct call *call)
{
	struct expunge_call *c = (struct expunge_call *)(void *)call;

	uidset_fini(&c->uids);
	uidset_fini(&c->vanished);
}

static const struct call_kind expunge_kind = {
	.ch = { .name = "expunge", .durable = 1, .run = expunge_run },
	.size = sizeof(struct expunge_call),
	.zero = offsetof(struct expunge_call, only),
	.type = TYPE_NDJSON,
	.fini = expunge_fini,
};

static const char *
expunge_parse(struct expunge_call *c, struct args *a)
{
	const char	*s;
	size_t		 len;
	int		 i, r;

	if (args_set(a, json_member(&a->j, 0, "uids"), SET_MAX,
	    &c->uids) != 1)
		return "uids";
	if ((i = json_member(&a->j, 0, "only_if_flag")) == -1)
		return "only_if_flag must be there, if only as null";
	flagset_init(&c->only);
	if ((r = args_text(a, i, &s, &len)) == -1 ||
	    (r == 1 && flagset_add(&c->only, s, len) == -1))
		return "only_if_flag";
	c->has_only = r;
	return NULL;
}

void
call_expunge(struct req *r, const struct head *hd)
{
	static const char *const known[] = { "uids", "only_if_flag", NULL };
	struct expunge_call	*c;
	struct args		 a;
	const char		*wrong;

	if ((c = (struct expunge_call *)call_new(r, &expunge_kind)) == NULL ||
	    call_args(&c->call, &a, known) == -1)
		return;
	c->mailbox = r->mailbox;
	if ((wrong = expunge_parse(c, &a)) != NULL)
		call_fail(&c->call, ST_BAD_REQUEST, wrong);
	else
		call_submit(&c->call);
	args_fini(&a);
}

/* POST .../copy */

struct copy_call {
	struct call	 call;
	struct mbox_id	 mailbox;
	struct mbox_id	 to;
	int		 move;
	struct uidset	 uids;
	struct uidset	 from;
};

static int
copy_header(struct ibuf *b, const void *arg)
{
	const struct store_copy *x = arg;

	if (change_header(b) == -1 ||
	    answer_change(b, "from_change", &x->from_change,
	    server.conf->caps) == -1 ||
	    answer_change(b, "to_change", &x->to_change,
	    server.conf->caps) == -1 ||
	    json_ku64(b, "uidvalidity", x->to.uidvalidity) == -1)
		return -1;
	return ibuf_add(b, "}\n", 2);
}

/* One line: as many ranges of the source as fit, the target is one. */
static int
copy_row(struct ibuf *b, const struct uidset *from, uint32_t *first)
{
	uint32_t	n = uidset_count(from);
	struct uidset	to;
	int		r;

	uidset_init(&to);
	if (uidset_add(&to, *first, *first + n - 1) == -1)
		return -1;
	r = json_open(b, '{') == -1 || json_key(b, "from") == -1 ||
	    ibuf_add_n8(b, '"') == -1 || uidset_put(from, b) == -1 ||
	    ibuf_add_n8(b, '"') == -1 || json_key(b, "to") == -1 ||
	    ibuf_add_n8(b, '"') == -1 || uidset_put(&to, b) == -1 ||
	    ibuf_add(b, "\"}\n", 3) == -1 ? -1 : 0;
	uidset_fini(&to);
	*first += n;
	return r;
}

static int
copy_rows(struct ibuf *b, const struct store_copy *x)
{
	struct uidset	part;
	uint32_t	i, first = x->first;

	for (i = 0; i < x->from.n; i += part.n) {
		/* a view of some of the ranges */
		memset(&part, 0, sizeof(part));
		part.r = x->from.r + i;
		part.n = x->from.n - i < ANSWER_RANGES ? x->from.n - i :
		    ANSWER_RANGES;
		if (copy_row(b, &part, &first) == -1)
			return -1;
	}
	return 0;
}

static int
copy_answer(struct ibuf *b, const struct store_copy *x)
{
	if (copy_header(b, x) == -1 || copy_rows(b, x) == -1)
		return -1;
	if (x->move && answer_sets(b, "vanished", &x->from) == -1)
		return -1;
	return answer_end(b, ST_OK);
}

static int
copy_run(struct change *ch, struct store *s)
{
	struct copy_call	*c = (struct copy_call *)(void *)ch;
	struct store_copy	 x;
	int			 code;

	memset(&x, 0, sizeof(x));
	x.account = ch->account_no;
	x.mailbox = c->mailbox;
	x.to = c->to;
	x.uids = &c->uids;
	x.move = c->move;
	x.from = c->from;
	uidset_clear(&x.from);
	/* whoever moves a message, to the trash say, will make room */
	code = c->move ? ST_OK : body_room();
	if (code == ST_OK)
		code = store_copy(s, &x);
	if (code == ST_OK)
		code = change_told(&ch->answer, copy_answer(&ch->answer,
		    &x), copy_header, &x);
	c->from = x.from;
	return code;
}

static void
copy_fini(struct call *call)
{
	struct copy_call *c = (struct copy_call *)(void *)call;

	uidset_fini(&c->uids);
	uidset_fini(&c->from);
}

static const struct call_kind copy_kind = {
	.ch = { .name = "copy", .durable = 1, .run = copy_run },
	.size = sizeof(struct copy_call),
	.zero = sizeof(struct copy_call),
	.type = TYPE_NDJSON,
	.fini = copy_fini,
};

static const char *
copy_parse(struct copy_call *c, struct args *a)
{
	const char	*s;
	size_t		 len;

	if (args_set(a, json_member(&a->j, 0, "uids"), SET_MAX,
	    &c->uids) != 1)
		return "uids";
	if (json_bool(&a->j, json_member(&a->j, 0, "move"), &c->move) != 1)
		return "move";
	if (args_text(a, json_member(&a->j, 0, "to"), &s, &len) != 1)
		return "to";
	/* an id that is none of ours is that of no mailbox */
	if (name_get_mailbox(&c->to, s, len) == -1)
		memset(&c->to, 0, sizeof(c->to));
	return NULL;
}

void
call_copy(struct req *r, const struct head *hd)
{
	static const char *const known[] = { "uids", "to", "move", NULL };
	struct copy_call	*c;
	struct args		 a;
	const char		*wrong;

	if ((c = (struct copy_call *)call_new(r, &copy_kind)) == NULL ||
	    call_args(&c->call, &a, known) == -1)
		return;
	c->mailbox = r->mailbox;
	if ((wrong = copy_parse(c, &a)) != NULL)
		call_fail(&c->call, ST_BAD_REQUEST, wrong);
	else
		call_submit(&c->call);
	args_fini(&a);
}
