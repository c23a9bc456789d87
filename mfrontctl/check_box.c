/*
 * Checks of mailboxes: made, renamed, deleted, never again.
 */
#include <string.h>

#include "check_ask.h"
#include "check_form.h"
#include "check_funcs.h"

static struct answer *
box_post(struct ck *c, const char *name, const char *members)
{
	return ask_do(c, "POST", check_text(c, "/accounts/%s/mailboxes",
	    c->run->acct), check_text(c, "{\"name\":%s%s}",
	    ask_quoted(c, name), members));
}

/* One of a given name, to be deleted behind the check. */
static struct box *
box_made(struct ck *c, struct answer *a)
{
	struct box *b;

	ask_status(c, a, 201);
	b = ask_box_of(c, ask_json(c, a), a);
	b->next = c->boxes;
	c->boxes = b;
	return b;
}

static struct box *
box_new(struct ck *c, const char *name, const char *members)
{
	return box_made(c, box_post(c, name, members));
}

static struct answer *
box_rename_to(struct ck *c, const char *from, const char *to)
{
	return ask_do(c, "POST", check_text(c,
	    "/accounts/%s/mailboxes/rename", c->run->acct),
	    check_text(c, "{\"from\":%s,\"to\":%s}", ask_quoted(c, from),
	    ask_quoted(c, to)));
}

static void
box_drop(struct ck *c, struct box *b)
{
	ask_status(c, ask_do(c, "DELETE", ask_box_path(c, b, ""), NULL),
	    204);
	b->gone = 1;
}

static struct val *
box_find(struct ck *c, const char *name)
{
	return ask_mailbox_named(c, ask_mailboxes(c), name);
}

void
box_create(struct ck *c)
{
	char		*name = ask_box_name(c, "create");
	struct box	*b = box_new(c, name, "");
	struct val	*row = box_find(c, name), *one;
	uint64_t	 n;

	if (row == NULL)
		check_fail(c, "the list has no \"%s\"", name);
	if (strcmp(b->name, name) != 0)
		check_fail(c, "its name is \"%s\"", b->name);
	if (strcmp(val_text(row, "id"), b->id) != 0)
		check_fail(c, "the list has another id than the answer");
	if (!val_number(row, "messages", UINT32_MAX, &n) || n != 0)
		check_fail(c, "a new mailbox has messages");
	if (check_has(c, CAP_MODSEQ) && b->modseq != 1)
		check_fail(c, "its modseq is %llu, not 1",
		    (unsigned long long)b->modseq);
	one = ask_box_row(c, b);
	if (!val_equal(row, one))
		check_fail(c, "its row is not the one in the list");
}

void
box_roles(struct ck *c)
{
	char		*name = ask_box_name(c, "roles");
	struct val	*v;

	box_new(c, name, ",\"roles\":[\"junk\"]");
	v = val_typed(box_find(c, name), "roles", VAL_ARRAY);
	if (v == NULL || v->count != 1 || v->first->type != VAL_TEXT ||
	    strcmp(v->first->s, "junk") != 0)
		check_fail(c, "its roles are not [\"junk\"]");
}

void
box_exists(struct ck *c)
{
	struct box	*b = ask_box(c, "exists");
	struct answer	*a = box_post(c, b->name, "");

	ask_refused(c, a, "exists");
	ask_status(c, a, 409);
	ask_refused(c, box_post(c, "INBOX", ""), "exists");
}

static void
box_name_refused(struct ck *c, const char *name)
{
	struct answer *a = box_post(c, name, "");

	if (a->status == 201) {
		box_drop(c, ask_box_of(c, ask_json(c, a), a));
		check_fail_at(c, a, "a mailbox of this name was made");
	}
	ask_refused(c, a, "bad-request not-permitted");
}

/* kept as it is, or there is no place for it */
static void
box_long_name(struct ck *c, const char *name)
{
	struct answer *a = box_post(c, name, "");

	if (a->status != 201) {
		ask_refused(c, a, "not-permitted");
		return;
	}
	if (strcmp(box_made(c, a)->name, name) != 0)
		check_fail(c, "a name of 1,000 bytes changed");
}

void
box_names(struct ck *c)
{
	char		*stem = ask_box_name(c, "n"), *name;
	char		*pad = check_alloc(c, 1100);

	memset(pad, 'x', 1099);
	box_name_refused(c, "");
	box_name_refused(c, check_text(c, "%s//x", stem));
	box_name_refused(c, check_text(c, "/%s", stem));
	box_name_refused(c, check_text(c, "%s/", stem));
	box_name_refused(c, check_text(c, "%s\tx", stem));
	box_name_refused(c, check_text(c, "%s\302\205", stem));
	box_name_refused(c, check_text(c, "inbox/%s", stem));
	box_name_refused(c, check_text(c, "%s%s", stem, pad));
	name = check_text(c, "%s \303\244\342\202\254 & \"'\\", stem);
	if (strcmp(box_new(c, name, "")->name, name) != 0 ||
	    box_find(c, name) == NULL)
		check_fail(c, "a name with letters beyond ASCII changed");
	name = check_text(c, "%s%.*s", stem, (int)(1000 - strlen(stem)),
	    pad);
	box_long_name(c, name);
	/* another case is another name */
	box_new(c, check_text(c, "%s-a", stem), "");
	box_new(c, check_text(c, "%s-A", stem), "");
}

/* Letters with marks that have one code point, marks in another order. */
void
box_normal(struct ck *c)
{
	static const char *const other[] = { "a\314\210", "\342\204\253",
	    "\341\204\200\341\205\241", "q\314\207\314\243" };
	struct box	*b = ask_box(c, "normal");
	struct answer	*a;
	char		*name;
	size_t		 i;

	for (i = 0; i < sizeof(other) / sizeof(other[0]); i++) {
		name = check_text(c, "%s-%s", b->name, other[i]);
		a = box_post(c, name, "");
		if (a->status == 201)
			box_made(c, a);
		ask_refused(c, a, "bad-request");
		ask_refused(c, box_rename_to(c, b->name, name),
		    "bad-request");
	}
	if (box_find(c, b->name) == NULL)
		check_fail(c, "a refused rename was done");
}

void
box_children(struct ck *c)
{
	char *stem = ask_box_name(c, "p");
	char *name = check_text(c, "%s/b/c", stem);

	box_new(c, name, "");
	if (box_find(c, name) == NULL)
		check_fail(c, "the list has no \"%s\"", name);
	/* and can be made later */
	box_new(c, stem, "");
}

static void
box_must_be(struct ck *c, const char *name, struct box *b)
{
	struct val	*row = box_find(c, name);
	uint64_t	 n;

	if (row == NULL)
		check_fail(c, "there is no \"%s\"", name);
	if (!val_number(row, "uidvalidity", UINT32_MAX, &n))
		check_fail(c, "it has no uidvalidity");
	if ((n == b->uidvalidity) != (strcmp(val_text(row, "id"),
	    b->id) == 0))
		check_fail(c, "its id and its uidvalidity did not stay, or "
		    "change, together");
	b->id = check_text(c, "%s", val_text(row, "id"));
	b->uidvalidity = (uint32_t)n;
}

void
box_rename(struct ck *c)
{
	char		*from = ask_box_name(c, "from");
	char		*to = ask_box_name(c, "to");
	struct box	*a = box_new(c, from, "");
	struct box	*b = box_new(c, check_text(c, "%s/x/y", from), "");
	struct box	*other = box_new(c, check_text(c, "%sx", from), "");
	struct uids	 u;

	ask_fill(c, a, 2, &u);
	ask_status(c, box_rename_to(c, from, to), 204);
	box_must_be(c, to, a);
	box_must_be(c, check_text(c, "%s/x/y", to), b);
	box_must_be(c, other->name, other);
	if (box_find(c, from) != NULL)
		check_fail(c, "the old name is there, too");
	if (ask_list(c, a, "?fields=uid")->n != 2)
		check_fail(c, "its messages are not there any more");
	/* what is only a parent can be renamed, too */
	ask_status(c, box_rename_to(c, check_text(c, "%s/x", to),
	    check_text(c, "%s/z", to)), 204);
	box_must_be(c, check_text(c, "%s/z/y", to), b);
}

void
box_rename_refused(struct ck *c)
{
	struct box	*a = ask_box(c, "a"), *b = ask_box(c, "b");
	struct answer	*r;

	ask_refused(c, box_rename_to(c, a->name, b->name), "exists");
	ask_refused(c, box_rename_to(c, a->name, check_text(c, "%s/sub",
	    a->name)), "not-permitted");
	r = box_rename_to(c, check_text(c, "%s-none", a->name),
	    check_text(c, "%s-other", a->name));
	ask_refused(c, r, "no-such-mailbox");
	ask_refused(c, box_rename_to(c, a->name, "INBOX"), "exists");
	ask_refused(c, box_rename_to(c, a->name, a->name), "exists");
	ask_refused(c, box_rename_to(c, a->name, check_text(c, "%s//x",
	    a->name)), "bad-request");
	ask_refused(c, box_rename_to(c, check_text(c, "%s//x", a->name),
	    check_text(c, "%s-other", a->name)), "bad-request");
	/* a target below that is taken: nothing is renamed */
	box_new(c, check_text(c, "%s/x", a->name), "");
	box_new(c, check_text(c, "%s-t/x", a->name), "");
	ask_refused(c, box_rename_to(c, a->name, check_text(c, "%s-t",
	    a->name)), "exists");
	if (box_find(c, a->name) == NULL)
		check_fail(c, "a refused rename was done in part");
}

void
box_delete(struct ck *c)
{
	struct box	*a = ask_box(c, "delete");
	struct box	*b = box_new(c, check_text(c, "%s/x", a->name), "");
	struct answer	*r;
	struct uids	 u;

	ask_fill(c, a, 1, &u);
	box_drop(c, a);
	r = ask_get(c, "%s", ask_box_path(c, a, ""));
	ask_refused(c, r, "no-such-mailbox");
	r = ask_do(c, "DELETE", ask_box_path(c, a, ""), NULL);
	ask_refused(c, r, "no-such-mailbox");
	ask_refused(c, ask_get(c, "%s", ask_box_path(c, a, "/messages")),
	    "no-such-mailbox");
	if (box_find(c, a->name) != NULL)
		check_fail(c, "it is still in the list");
	if (box_find(c, b->name) == NULL)
		check_fail(c, "the one below it is gone, too");
}

/* Who gets this wrong deletes it: only one without messages is risked. */
void
box_inbox(struct ck *c)
{
	struct lines	*l = ask_mailboxes(c);
	struct val	*row = ask_mailbox_named(c, l, "INBOX");
	struct answer	*a;
	struct box	*inbox;
	char		*name = ask_box_name(c, "inbox");
	uint64_t	 n;

	if (row == NULL)
		check_fail(c, "there is no INBOX");
	if (!val_number(row, "messages", UINT32_MAX, &n) || n > 0)
		check_skip(c, "INBOX has messages, which are not risked");
	inbox = ask_box_of(c, row, l->a);
	a = box_rename_to(c, "INBOX", name);
	if (a->status < 400)
		box_rename_to(c, name, "INBOX");
	ask_refused(c, a, "not-permitted");
	a = ask_do(c, "DELETE", ask_box_path(c, inbox, ""), NULL);
	ask_refused(c, a, "not-permitted");
	if (box_find(c, "INBOX") == NULL)
		check_fail(c, "INBOX is gone");
}

void
box_uidvalidity(struct ck *c)
{
	char		*name = ask_box_name(c, "grows");
	struct box	*b = box_new(c, name, ""), *other;
	uint32_t	 last = b->uidvalidity;
	int		 i;

	for (i = 0; i < 4; i++) {
		other = ask_box(c, "other");
		if (other->uidvalidity <= last)
			check_fail(c, "the next mailbox got %u after %u",
			    other->uidvalidity, last);
		last = other->uidvalidity;
		box_drop(c, b);
		b = box_new(c, name, "");
		if (b->uidvalidity <= last)
			check_fail(c, "the name has %u again or less, after "
			    "%u", b->uidvalidity, last);
		last = b->uidvalidity;
	}
	/* a name that had a larger one must not get a smaller */
	other = ask_box(c, "old");
	b = box_new(c, check_text(c, "%s-2", name), "");
	box_drop(c, b);
	ask_status(c, box_rename_to(c, other->name, b->name), 204);
	last = b->uidvalidity;
	box_must_be(c, b->name, other);
	if (other->uidvalidity <= last)
		check_fail(c, "a mailbox renamed to a name that had %u has "
		    "%u", last, other->uidvalidity);
}

void
box_ids(struct ck *c)
{
	char		*name = ask_box_name(c, "ids");
	const char	*seen[12];
	struct box	*b;
	struct answer	*a;
	int		 i, k;

	for (i = 0; i < 12; i++) {
		b = box_new(c, name, "");
		if (!form_id(b->id, strlen(b->id)))
			check_fail(c, "\"%s\" is no id", b->id);
		seen[i] = b->id;
		for (k = 0; k < i; k++)
			if (strcmp(seen[k], b->id) == 0)
				check_fail(c, "the id %s was used again",
				    b->id);
		box_drop(c, b);
	}
	/* a late request of the first must not hit the last */
	b = box_new(c, name, "");
	a = ask_get(c, "/accounts/%s/mailboxes/%s/messages", c->run->acct,
	    seen[0]);
	ask_refused(c, a, "no-such-mailbox");
}
