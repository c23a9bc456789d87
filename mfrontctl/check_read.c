/*
 * Checks of what is read.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "check_ask.h"
#include "check_form.h"
#include "check_funcs.h"

#define SAMPLE	12		/* contents read of a mailbox */

/* the service document */

static void
read_limit(struct ck *c, const char *name, uint64_t least)
{
	struct val	*limits = val_get(c->run->doc, "limits");
	uint64_t	 n;

	if (val_get(limits, name) == NULL)
		return;
	if (!val_number(limits, name, MODSEQ_MAX, &n))
		check_fail(c, "limits.%s is no number", name);
	if (n < least)
		check_fail(c, "limits.%s is less than %llu", name,
		    (unsigned long long)least);
}

void
read_service(struct ck *c)
{
	struct val	*doc = ask_json(c, ask_get(c, "/")), *v;
	uint64_t	 n;

	if (val_text(doc, "name") == NULL || val_text(doc, "version") == NULL)
		check_fail(c, "there is no name or no version");
	if (!val_number(doc, "api", 1, &n) || n != 1)
		check_fail(c, "api is not 1");
	v = val_typed(doc, "capabilities", VAL_OBJECT);
	if (v == NULL)
		check_fail(c, "there are no capabilities");
	for (v = v->first; v != NULL; v = v->next)
		if (v->type != VAL_OBJECT && v->type != VAL_BOOL)
			check_fail(c, "the capability %s is neither true "
			    "nor an object", v->name);
	if (check_has(c, CAP_EVENTS) &&
	    !val_number(val_get(val_get(doc, "capabilities"), "events"),
	    "bound_ms", MODSEQ_MAX, &n))
		check_fail(c, "events have no bound_ms");
	v = val_get(doc, "limits");
	if (v != NULL && v->type != VAL_OBJECT)
		check_fail(c, "limits are no object");
	read_limit(c, "message", 1);
	read_limit(c, "recipients", 1);
	read_limit(c, "set", 64);
	read_limit(c, "upload_line", 1048576);
	read_limit(c, "cache", 32768);
}

/* A name is one that the page has, or its owner's, with a dot. */
void
read_reserved(struct ck *c)
{
	struct val	*doc = ask_json(c, ask_get(c, "/")), *v;
	int		 cap;

	v = val_typed(doc, "capabilities", VAL_OBJECT);
	for (v = v != NULL ? v->first : NULL; v != NULL; v = v->next) {
		for (cap = 0; cap < CAP_MAX; cap++)
			if (strcmp(st_cap_names[cap], v->name) == 0)
				break;
		if (cap == CAP_MAX && strchr(v->name, '.') == NULL)
			check_fail(c, "\"%s\" is announced", v->name);
	}
}

void
read_token(struct ck *c)
{
	struct request r = { .method = "GET", .path = "/", .notoken = 1 };

	if (c->run->conf->token == NULL)
		check_skip(c, "no token was given");
	ask_refused(c, ask(c, &r), "bad-token");
	r.fields = "Authorization: Bearer wrong\r\n";
	ask_refused(c, ask(c, &r), "bad-token");
	r.path = check_text(c, "/accounts/%s/mailboxes", c->run->acct);
	ask_refused(c, ask(c, &r), "bad-token");
}

void
read_base(struct ck *c)
{
	struct val *doc;

	if (*c->run->conf->peer.url.path == '\0')
		check_skip(c, "the base has no path");
	doc = ask_json(c, ask_get(c, "%s", ""));
	if (!val_equal(doc, c->run->doc))
		check_fail(c, "it is another service document");
}

void
read_unknown_call(struct ck *c)
{
	struct answer *a;

	a = ask_get(c, "/accounts/%s/nothing", c->run->acct);
	ask_status(c, a, 404);
	ask_refused(c, a, "bad-request");
	a = ask_get(c, "/nothing");
	ask_status(c, a, 404);
	ask_refused(c, a, "bad-request");
}

void
read_unknown_method(struct ck *c)
{
	struct answer *a;

	a = ask_do(c, "DELETE", check_text(c, "/accounts/%s/mailboxes",
	    c->run->acct), NULL);
	if (a->status == 501)
		return;
	ask_status(c, a, 405);
	ask_refused(c, a, "bad-request");
}

void
read_large_head(struct ck *c)
{
	struct request	 r = { .method = "GET", .path = "/" };
	char		*pad = check_alloc(c, 15001);

	memset(pad, 'x', 15000);
	r.fields = check_text(c, "Example: %.7500s\r\nExample2: %s\r\n", pad,
	    pad + 7500);
	ask_status(c, ask(c, &r), 200);
}

void
read_unknown_fields(struct ck *c)
{
	struct request r = { .method = "GET" };

	r.fields = "X-Unknown: y\r\nTraceparent: 00-4bf92f3577b34da6a3ce929d"
	    "0e0e4736-00f067aa0ba902b7-01\r\nAccept: */*\r\n";
	r.path = check_text(c, "/accounts/%s/mailboxes?colour=red&x",
	    c->run->acct);
	ask_lines(c, ask(c, &r));
}

/* Every byte of the account may be encoded, needed or not. */
void
read_path(struct ck *c)
{
	const char	*p = c->run->conf->account;
	char		*s = check_text(c, "%s", "");
	struct lines	*a, *b;

	for (; *p != '\0'; p++)
		s = check_text(c, "%s%%%02X", s, (unsigned char)*p);
	a = ask_mailboxes(c);
	b = ask_lines(c, ask_get(c, "/accounts/%s/mailboxes", s));
	if (ask_mailbox_named(c, a, "INBOX") == NULL ||
	    ask_mailbox_named(c, b, "INBOX") == NULL ||
	    strcmp(val_text(ask_mailbox_named(c, a, "INBOX"), "id"),
	    val_text(ask_mailbox_named(c, b, "INBOX"), "id")) != 0)
		check_fail(c, "it is another account if its name is encoded");
}

/* mailboxes */

static void
read_roles(struct ck *c, struct val *row, const char *name)
{
	struct val *v = val_get(row, "roles");

	if (v == NULL)
		return;
	if (v->type != VAL_ARRAY)
		check_fail(c, "the roles of \"%s\" are no array", name);
	for (v = v->first; v != NULL; v = v->next)
		if (v->type != VAL_TEXT || !form_role(v->s, v->len))
			check_fail(c, "\"%s\" has a role that is none", name);
}

static void
read_optional(struct ck *c, struct val *row, const char *name)
{
	static const struct {
		const char	*name;
		enum val_type	 type;
	} members[] = { { "unseen", VAL_NUMBER }, { "deleted", VAL_NUMBER },
	    { "size", VAL_NUMBER }, { "state", VAL_TEXT },
	    { "read_only", VAL_BOOL }, { "subscribed", VAL_BOOL } };
	struct val	*v;
	size_t		 i;

	for (i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		v = val_get(row, members[i].name);
		if (v != NULL && v->type != VAL_NULL &&
		    v->type != members[i].type)
			check_fail(c, "%s of \"%s\" is of another type",
			    members[i].name, name);
		if (v != NULL && v->type == VAL_NUMBER && !v->whole)
			check_fail(c, "%s of \"%s\" is no whole number",
			    members[i].name, name);
	}
	v = val_get(row, "state");
	if (v != NULL && v->type == VAL_TEXT && v->len > 255)
		check_fail(c, "state of \"%s\" is too long", name);
	read_roles(c, row, name);
}

static void
read_mailbox_row(struct ck *c, struct val *row)
{
	struct val	*name = val_typed(row, "name", VAL_TEXT);
	struct val	*id = val_typed(row, "id", VAL_TEXT);
	uint64_t	 n;

	if (name == NULL || !form_name(name->s, name->len))
		check_fail(c, "a mailbox has no good name");
	if (id == NULL || !form_id(id->s, id->len))
		check_fail(c, "\"%s\" has no good id", name->s);
	if (!val_number(row, "uidvalidity", UINT32_MAX, &n) || n == 0)
		check_fail(c, "\"%s\" has no good uidvalidity", name->s);
	if (!val_number(row, "uidnext", UINT32_MAX, &n) || n == 0)
		check_fail(c, "\"%s\" has no good uidnext", name->s);
	if (!val_number(row, "messages", UINT32_MAX, &n))
		check_fail(c, "\"%s\" has no number of messages", name->s);
	if (check_has(c, CAP_MODSEQ) &&
	    (!val_number(row, "modseq", MODSEQ_MAX, &n) || n == 0))
		check_fail(c, "\"%s\" has no good modseq", name->s);
	if (!check_has(c, CAP_MODSEQ) && val_get(row, "modseq") != NULL)
		check_fail(c, "\"%s\" has a modseq, which is not announced",
		    name->s);
	read_optional(c, row, name->s);
}

static int
read_exists(struct val *row)
{
	struct val *v = val_typed(row, "exists", VAL_BOOL);

	return v == NULL || v->n;
}

static void
read_unique(struct ck *c, struct lines *l, const char *member)
{
	const char	*x, *y;
	int		 i, k;

	for (i = 0; i < l->n; i++)
		for (k = 0; k < i; k++) {
			x = val_text(l->row[i], member);
			y = val_text(l->row[k], member);
			if (x != NULL && y != NULL && strcmp(x, y) == 0)
				check_fail(c, "two mailboxes have the %s "
				    "\"%s\"", member, x);
		}
}

void
read_mailboxes(struct ck *c)
{
	struct lines	*l = ask_mailboxes(c);
	struct val	*cursor;
	int		 i;

	for (i = 0; i < l->n; i++)
		if (read_exists(l->row[i]))
			read_mailbox_row(c, l->row[i]);
	read_unique(c, l, "name");
	read_unique(c, l, "id");
	if (!check_has(c, CAP_EVENTS))
		return;
	cursor = val_typed(l->header, "cursor", VAL_TEXT);
	if (cursor == NULL || !form_cursor(cursor->s, cursor->len))
		check_fail(c, "the header has no good cursor");
}

void
read_inbox(struct ck *c)
{
	if (ask_mailbox_named(c, ask_mailboxes(c), "INBOX") == NULL)
		check_fail(c, "there is no mailbox INBOX");
}

/* Somebody else may change it between the two: then again. */
void
read_mailbox(struct ck *c)
{
	struct lines	*l;
	struct val	*row, *one;
	int		 i;

	for (i = 0; i < 5; i++) {
		l = ask_mailboxes(c);
		if ((row = ask_mailbox_named(c, l, "INBOX")) == NULL)
			check_fail(c, "there is no mailbox INBOX");
		one = ask_json(c, ask_get(c, "%s", ask_box_path(c,
		    ask_box_of(c, row, l->a), "")));
		if (val_equal(row, one))
			return;
	}
	check_fail(c, "the row of INBOX is not the one in the list");
}

/* One byte too many, and a character that is in none. */
void
read_no_account(struct ck *c)
{
	char *s = check_alloc(c, ACCOUNT_MAX + 2);

	memset(s, 'a', ACCOUNT_MAX + 1);
	ask_refused(c, ask_get(c, "/accounts/%s/mailboxes", s),
	    "no-such-account");
	ask_refused(c, ask_get(c, "/accounts/mfrontctl%%01check/mailboxes"),
	    "no-such-account");
}

void
read_no_mailbox(struct ck *c)
{
	struct answer *a;

	a = ask_get(c, "/accounts/%s/mailboxes/no-such-1", c->run->acct);
	ask_refused(c, a, "no-such-mailbox");
	ask_status(c, a, 404);
	a = ask_get(c, "/accounts/%s/mailboxes/no-such-1/messages",
	    c->run->acct);
	ask_refused(c, a, "no-such-mailbox");
}

/* listings */

static void
read_counts(struct ck *c, struct box *b)
{
	struct list	*l = ask_list(c, b, "%s", "");
	struct val	*row = ask_box_row(c, b);
	uint64_t	 n;

	if (l->uidvalidity != b->uidvalidity)
		check_fail_at(c, l->a, "uidvalidity is not that of the row, "
		    "%u", b->uidvalidity);
	if (l->n > 0 && l->m[l->n - 1].uid >= l->uidnext)
		check_fail_at(c, l->a, "uid %u is not below uidnext, %u",
		    l->m[l->n - 1].uid, l->uidnext);
	if (check_has(c, CAP_WRITE)) {
		if (!val_number(row, "messages", UINT32_MAX, &n) ||
		    n != l->n)
			check_fail(c, "the row says %llu messages, the "
			    "listing has %u", (unsigned long long)n, l->n);
		if (val_number(row, "uidnext", UINT32_MAX, &n) &&
		    n != l->uidnext)
			check_fail(c, "uidnext is not that of the listing, "
			    "%u", l->uidnext);
	}
}

void
read_list(struct ck *c)
{
	read_counts(c, ask_subject(c));
}

static void
read_message_row(struct ck *c, struct list *l, uint32_t uid, struct val *row)
{
	struct val	*v;
	uint64_t	 n;

	v = val_typed(row, "id", VAL_TEXT);
	if (v == NULL || !form_id(v->s, v->len))
		check_fail_at(c, l->a, "uid %u has no good id", uid);
	if (!val_number(row, "size", MODSEQ_MAX, &n))
		check_fail_at(c, l->a, "uid %u has no size", uid);
	v = val_typed(row, "date", VAL_TEXT);
	if (v == NULL || !form_date(v->s, v->len))
		check_fail_at(c, l->a, "uid %u has no good date", uid);
	if (check_has(c, CAP_MODSEQ) &&
	    (!val_number(row, "modseq", MODSEQ_MAX, &n) || n == 0))
		check_fail_at(c, l->a, "uid %u has no modseq", uid);
	v = val_typed(row, "flags", VAL_ARRAY);
	if (v == NULL)
		check_fail_at(c, l->a, "uid %u has no flags", uid);
	for (v = v->first; v != NULL; v = v->next)
		if (v->type != VAL_TEXT || !form_flag(v->s, v->len))
			check_fail_at(c, l->a, "uid %u has a flag that is "
			    "none", uid);
}

void
read_members(struct ck *c)
{
	struct list	*l = ask_list(c, ask_subject(c), "%s", "");
	struct val	*v = val_typed(l->header, "flags", VAL_ARRAY);
	uint32_t	 i;

	if (l->n == 0)
		check_skip(c, "the mailbox is empty");
	if (v == NULL)
		check_fail(c, "the header has no flags");
	for (v = v->first; v != NULL; v = v->next)
		if (v->type != VAL_TEXT || !form_flag(v->s, v->len))
			check_fail(c, "the header has a flag that is none");
	for (i = 0; i < l->n; i++)
		read_message_row(c, l, l->m[i].uid, l->m[i].row);
	if (val_get(l->m[0].row, "cache") != NULL)
		check_fail(c, "without fields there must be no cache");
}

/* A row has exactly the members that were asked for. */
static void
read_exactly(struct ck *c, struct list *l, const char *fields)
{
	static const char *const names[] = { "flags", "id", "size", "date",
	    "modseq" };
	struct val	*row;
	uint32_t	 i;
	size_t		 k;
	int		 asked;

	for (i = 0; i < l->n; i++) {
		row = l->m[i].row;
		for (k = 0; k < sizeof(names) / sizeof(names[0]); k++) {
			asked = ask_applied_field(l, names[k]);
			if (asked == (val_get(row, names[k]) != NULL))
				continue;
			check_fail_at(c, l->a, "fields=%s gave uid %u %s "
			    "%s", fields, l->m[i].uid, asked ? "no" : "a",
			    names[k]);
		}
	}
}

static void
read_fields_of(struct ck *c, struct box *b, const char *fields,
    struct list *all)
{
	struct list	*l = ask_list(c, b, "?fields=%s", fields);
	struct val	*v, *x, *y;
	uint32_t	 i;

	if (!ask_applied(l, "fields"))
		return;
	for (v = val_get(l->applied, "fields")->first; v != NULL; v = v->next)
		if (v->type != VAL_TEXT || strstr(fields, v->s) == NULL)
			check_fail(c, "fields has what was not asked for");
	read_exactly(c, l, fields);
	if (l->n != all->n)
		check_fail(c, "there are %u messages, not %u", l->n, all->n);
	for (i = 0; i < l->n; i++)
		for (v = l->m[i].row->first; v != NULL; v = v->next) {
			x = v;
			y = val_get(ask_message(c, all, l->m[i].uid),
			    v->name);
			if (strncmp(v->name, "uid", 3) != 0 &&
			    !val_equal(x, y))
				check_fail_at(c, l->a, "%s of uid %u is not "
				    "the same as without fields", v->name,
				    l->m[i].uid);
		}
}

void
read_fields(struct ck *c)
{
	static const char *const fields[] = { "uid", "uid,flags", "uid,id",
	    "uid,size", "uid,date", "uid,flags,id,size,date",
	    "date,uid,id" };
	struct box	*b = ask_subject(c);
	struct list	*all = ask_list(c, b, "%s", "");
	size_t		 i;

	if (!ask_applied(ask_list(c, b, "?fields=uid"), "fields"))
		check_skip(c, "it is not applied");
	for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		read_fields_of(c, b, fields[i], all);
	if (check_has(c, CAP_MODSEQ))
		read_fields_of(c, b, "uid,modseq", all);
}

void
read_unknown_field(struct ck *c)
{
	struct list *l;

	l = ask_list(c, ask_subject(c), "?fields=uid,colour,flags");
	if (!ask_applied(l, "fields"))
		check_skip(c, "fields is not applied");
	if (ask_applied_field(l, "colour"))
		check_fail(c, "the field colour is said to be applied");
	if (!ask_applied_field(l, "flags"))
		check_fail(c, "an unknown field keeps flags away");
	read_exactly(c, l, "uid,colour,flags");
}

static void
read_uids_of(struct ck *c, struct box *b, struct list *all, uint32_t from,
    uint32_t to)
{
	struct list	*l;
	const char	*set;
	char		*text;
	uint32_t	 i, n = 0;

	text = from == to ? check_text(c, "%u", from) :
	    check_text(c, "%u:%u", from, to);
	l = ask_list(c, b, "?fields=uid,flags&uids=%s", text);
	if (!ask_applied(l, "uids"))
		check_skip(c, "it is not applied");
	set = val_text(l->applied, "uids");
	if (set == NULL || strcmp(set, text) != 0)
		check_fail(c, "applied.uids is not the set as it was sent");
	for (i = 0; i < l->n; i++)
		if (l->m[i].uid < from || l->m[i].uid > to)
			check_fail(c, "uid %u is listed, uids=%s was asked",
			    l->m[i].uid, text);
	for (i = 0; i < all->n; i++)
		n += all->m[i].uid >= from && all->m[i].uid <= to;
	if (l->n != n)
		check_fail(c, "%u messages are listed, not %u", l->n, n);
}

void
read_uids(struct ck *c)
{
	struct box	*b = ask_subject(c);
	struct list	*all = ask_list(c, b, "?fields=uid");

	if (all->n < 1)
		check_skip(c, "the mailbox is empty");
	read_uids_of(c, b, all, all->m[0].uid, all->m[0].uid);
	read_uids_of(c, b, all, all->m[all->n / 2].uid,
	    all->m[all->n - 1].uid);
	read_uids_of(c, b, all, all->m[0].uid, all->m[all->n / 2].uid);
}

void
read_expand(struct ck *c)
{
	struct box	*b = ask_subject(c);
	struct list	*all = ask_list(c, b, "?fields=uid");

	read_uids_of(c, b, all, 1, UINT32_MAX);
	read_uids_of(c, b, all, all->uidnext + 1000, UINT32_MAX);
	read_uids_of(c, b, all, UINT32_MAX, UINT32_MAX);
}

void
read_bad_sets(struct ck *c)
{
	static const char *const bad[] = { "1:*", "*", "2,1", "1,2", "1:1",
	    "3:1", "0", "01", "1:2,2", "4294967296", "1,", "x", "1:" };
	struct box	*b = ask_subject(c);
	struct answer	*a;
	size_t		 i;

	if (!ask_applied(ask_list(c, b, "?fields=uid&uids=1"), "uids"))
		check_skip(c, "uids is not applied");
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		a = ask_get(c, "%s", ask_box_path(c, b, check_text(c,
		    "/messages?fields=uid&uids=%s", bad[i])));
		if (a->status < 400)
			check_fail(c, "uids=%s was taken for a set", bad[i]);
		ask_refused(c, a, "bad-request");
	}
}

/* contents */

static struct answer *
read_content(struct ck *c, const char *id)
{
	struct answer *a;

	a = ask_get(c, "/accounts/%s/messages/%s", c->run->acct, id);
	ask_status(c, a, 200);
	return a;
}

/* Some messages, from the beginning to the end of the mailbox. */
static void
read_each(struct ck *c, void (*func)(struct ck *, struct val *))
{
	struct list	*l = ask_list(c, ask_subject(c), "%s", "");
	uint32_t	 i, step = l->n / SAMPLE + 1;

	if (l->n == 0)
		check_skip(c, "the mailbox is empty");
	for (i = 0; i < l->n; i += step) {
		if (val_text(l->m[i].row, "id") == NULL)
			check_fail_at(c, l->a, "uid %u has no id",
			    l->m[i].uid);
		func(c, l->m[i].row);
	}
}

static void
read_size(struct ck *c, struct val *row)
{
	struct answer	*a = read_content(c, val_text(row, "id"));
	uint64_t	 n;

	if (!val_number(row, "size", MODSEQ_MAX, &n) || n != a->len)
		check_fail(c, "the listing says %llu bytes, there are %zu",
		    (unsigned long long)n, a->len);
}

void
read_sizes(struct ck *c)
{
	read_each(c, read_size);
}

static void
read_twice(struct ck *c, struct val *row)
{
	struct answer	*a = read_content(c, val_text(row, "id"));
	struct answer	*b = read_content(c, val_text(row, "id"));

	if (a->len != b->len || memcmp(a->body, b->body, a->len) != 0)
		check_fail(c, "the second answer has other bytes");
}

void
read_constant(struct ck *c)
{
	read_each(c, read_twice);
}

static void
read_ends(struct ck *c, struct val *row)
{
	struct answer	*a = read_content(c, val_text(row, "id"));
	size_t		 i;

	for (i = 0; i < a->len; i++)
		if (a->body[i] == '\n' && (i == 0 || a->body[i - 1] != '\r'))
			check_fail(c, "a line ends with LF alone");
}

void
read_crlf(struct ck *c)
{
	read_each(c, read_ends);
}

void
read_no_message(struct ck *c)
{
	struct answer *a;

	a = ask_get(c, "/accounts/%s/messages/no-such-message",
	    c->run->acct);
	ask_refused(c, a, "no-such-message");
	ask_status(c, a, 404);
}

static void
read_range_of(struct ck *c, const char *id, struct answer *all, size_t from,
    size_t to, const char *range)
{
	struct request	 r = { .method = "GET" };
	struct answer	*a;

	r.path = check_text(c, "/accounts/%s/messages/%s", c->run->acct, id);
	r.fields = check_text(c, "Range: bytes=%s\r\n", range);
	a = ask(c, &r);
	if (a->status == 200) {
		if (a->len != all->len)
			check_fail(c, "it is neither the range nor the whole");
		return;
	}
	ask_status(c, a, 206);
	if (a->len != to - from + 1 ||
	    memcmp(a->body, all->body + from, a->len) != 0)
		check_fail(c, "these are not the bytes %zu to %zu", from, to);
	if (strstr(a->head, check_text(c, "bytes %zu-%zu/%zu", from, to,
	    all->len)) == NULL)
		check_fail(c, "Content-Range is not bytes %zu-%zu/%zu", from,
		    to, all->len);
}

static void
read_ranges(struct ck *c, struct val *row)
{
	const char	*id = val_text(row, "id");
	struct answer	*all = read_content(c, id);
	size_t		 last = all->len - 1;

	if (all->len < 20)
		return;
	read_range_of(c, id, all, 0, 9, "0-9");
	read_range_of(c, id, all, 5, 5, "5-5");
	read_range_of(c, id, all, 7, last, "7-");
	read_range_of(c, id, all, 10, last, check_text(c, "10-%zu",
	    all->len + 500));
	read_range_of(c, id, all, last - 2, last, "-3");
}

void
read_range(struct ck *c)
{
	read_each(c, read_ranges);
}

static void
read_outside(struct ck *c, struct val *row)
{
	struct request	 r = { .method = "GET" };
	struct answer	*a;
	uint64_t	 n = 0;

	(void)val_number(row, "size", MODSEQ_MAX, &n);
	r.path = check_text(c, "/accounts/%s/messages/%s", c->run->acct,
	    val_text(row, "id"));
	r.fields = check_text(c, "Range: bytes=%llu-\r\n",
	    (unsigned long long)n + 10);
	a = ask(c, &r);
	if (a->status == 206)
		check_fail(c, "bytes were given that there are not");
	if (a->status != 200)
		ask_refused(c, a, "bad-request");
}

void
read_range_outside(struct ck *c)
{
	read_each(c, read_outside);
}

/* what is not announced */

static const struct {
	enum st_cap	 cap;
	const char	*method;
	const char	*path;		/* behind the base, or the account */
	int		 account;
	const char	*body;
} calls[] = {
	{ CAP_AUTH, "POST", "/auth", 0, "{\"mechanism\":\"PLAIN\","
	    "\"username\":\"nobody\",\"password\":\"x\",\"service\":"
	    "\"imap\",\"remote\":\"192.0.2.7\",\"tls\":true}" },
	{ CAP_RECIPIENTS, "POST", "/recipients", 0,
	    "{\"address\":\"nobody@example.org\"}" },
	{ CAP_SUBSCRIPTIONS, "POST", "/subscriptions", 1, "{\"add\":[]}" },
	{ CAP_CACHE, "PUT", "/messages/no-such/cache", 1, "x" },
	{ CAP_COPY, "POST", "/mailboxes/no-such/copy", 1,
	    "{\"uids\":\"1\",\"to\":\"no-such\",\"move\":false}" },
	{ CAP_WRITE, "POST", "/mailboxes/no-such/expunge", 1,
	    "{\"uids\":\"1\",\"only_if_flag\":null}" },
	{ CAP_EVENTS, "GET", "/events", 0, NULL },
};

void
read_not_announced(struct ck *c)
{
	struct answer	*a;
	size_t		 i;
	int		 n = 0;

	for (i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		if (check_has(c, calls[i].cap))
			continue;
		a = ask_do(c, calls[i].method, calls[i].account ?
		    check_text(c, "/accounts/%s%s", c->run->acct,
		    calls[i].path) : calls[i].path, calls[i].body);
		n++;
		if (a->status == 501)
			continue;
		if (a->status != 405)
			ask_status(c, a, 404);
		ask_refused(c, a, "bad-request");
	}
	if (n == 0)
		check_skip(c, "everything is announced");
}
