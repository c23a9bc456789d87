/*
 * What checks that failed, or a broken storage by another way or another
 * name, left of ours: mailboxes, subscriptions, small values, annotations of
 * the account, in both accounts.
 */
#include <string.h>

#include "check_ask.h"
#include "check_left.h"

#define TRIES	3	/* a mailbox, then its subscription, then it is seen */

static const char *
left_ours(struct ck *c, struct val *row, const char *member)
{
	const char	*s = val_text(row, member), *stem = c->run->stem;
	size_t		 n = *member == 'e' ? strlen(ENTRY_STEM) : 0;

	return s != NULL && strncmp(s, ENTRY_STEM, n) == 0 &&
	    strncmp(s + n, stem, strlen(stem)) == 0 ? s : NULL;
}

/* The rows of a list; NULL: there is no such account. */
static struct lines *
left_list(struct ck *c, const char *acct, const char *rest)
{
	struct answer *a = ask_get(c, "/accounts/%s/%s", acct, rest);

	return a->status == 404 ? NULL : ask_lines(c, a);
}

static void
left_mailbox(struct ck *c, const char *acct, struct val *row)
{
	const char *name = val_text(row, "name"), *id = val_text(row, "id");

	if (check_has(c, CAP_SUBSCRIPTIONS))
		ask_do(c, "POST", check_text(c, "/accounts/%s/subscriptions",
		    acct), check_text(c, "{\"remove\":[%s]}",
		    ask_quoted(c, name)));
	if (id != NULL)
		ask_do(c, "DELETE", check_text(c,
		    "/accounts/%s/mailboxes/%s", acct, ask_encoded(c, id)),
		    NULL);
}

static void
left_key(struct ck *c, const char *acct, struct val *row)
{
	ask_do(c, "DELETE", check_text(c, "/accounts/%s/dict/%s", acct,
	    ask_encoded(c, val_text(row, "key"))), NULL);
}

static void
left_entry(struct ck *c, const char *acct, struct val *row)
{
	ask_do(c, "POST", check_text(c, "/accounts/%s/metadata", acct),
	    check_text(c, "{\"set\":{%s:null}}", ask_quoted(c,
	    val_text(row, "entry"))));
}

static void
left_all(struct ck *c, const char *acct, const char *rest,
    const char *member, void (*drop)(struct ck *, const char *,
    struct val *))
{
	struct lines	*l;
	const char	*name;
	int		 i, k, n = 1;

	for (k = 0; n > 0 && (l = left_list(c, acct, rest)) != NULL; k++) {
		for (n = i = 0; i < l->n; i++) {
			name = left_ours(c, l->row[i], member);
			if (name != NULL && k == TRIES)
				check_fail_at(c, l->a, "the %s \"%s\" was "
				    "left behind", *member == 'n' ?
				    "mailbox" : *member == 'e' ?
				    "annotation" : "value", name);
			if (name == NULL)
				continue;
			drop(c, acct, l->row[i]);
			n++;
		}
	}
}

static void
left_mailboxes(struct ck *c)
{
	left_all(c, c->run->acct, "mailboxes", "name", left_mailbox);
}

static void
left_mailboxes2(struct ck *c)
{
	if (c->run->acct2 != NULL)
		left_all(c, c->run->acct2, "mailboxes", "name",
		    left_mailbox);
}

/* A call that no check has tried need not be there. */
static int
left_tried(struct ck *c, enum st_cap cap)
{
	size_t i;

	for (i = 0; i < nchecks; i++)
		if (checks[i].group == (int)cap &&
		    c->run->results[i].verdict != CHECK_NONE)
			return 1;
	return 0;
}

static void
left_values(struct ck *c)
{
	if (left_tried(c, CAP_DICT))
		left_all(c, c->run->acct, check_text(c, "dict?prefix=%s",
		    c->run->stem), "key", left_key);
}

static void
left_values2(struct ck *c)
{
	if (c->run->acct2 != NULL && left_tried(c, CAP_DICT))
		left_all(c, c->run->acct2, check_text(c, "dict?prefix=%s",
		    c->run->stem), "key", left_key);
}

static void
left_entries(struct ck *c)
{
	if (left_tried(c, CAP_METADATA))
		left_all(c, c->run->acct, "metadata?mailbox=", "entry",
		    left_entry);
}

static void
left_entries2(struct ck *c)
{
	if (c->run->acct2 != NULL && left_tried(c, CAP_METADATA))
		left_all(c, c->run->acct2, "metadata?mailbox=", "entry",
		    left_entry);
}

/* Where one cannot be done the others are. */
void
check_left(struct check_run *run)
{
	static void (*const steps[])(struct ck *) = { left_mailboxes,
	    left_mailboxes2, left_values, left_values2, left_entries,
	    left_entries2 };
	struct ck	c;
	size_t		i;

	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		check_init(&c, run, NULL);
		check_try(&c, steps[i]);
		check_fini(&c);
	}
}
