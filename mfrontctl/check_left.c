/*
 * What checks that failed, or a broken storage by another way or another
 * name, left of ours: mailboxes, subscriptions, small values, in both
 * accounts.
 */
#include <string.h>

#include "check_ask.h"
#include "check_left.h"

#define TRIES	3	/* a mailbox, then its subscription, then it is seen */

static const char *
left_ours(struct ck *c, struct val *row, const char *member)
{
	const char *s = val_text(row, member);

	return s != NULL && strncmp(s, c->run->stem,
	    strlen(c->run->stem)) == 0 ? s : NULL;
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
				    "mailbox" : "value", name);
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

static int
left_had_keys(struct ck *c)
{
	size_t i;

	for (i = 0; i < nchecks; i++)
		if (checks[i].group == CAP_DICT &&
		    c->run->results[i].verdict != CHECK_NONE)
			return 1;
	return 0;
}

static void
left_values(struct ck *c)
{
	if (left_had_keys(c))
		left_all(c, c->run->acct, check_text(c, "dict?prefix=%s",
		    c->run->stem), "key", left_key);
}

static void
left_values2(struct ck *c)
{
	if (c->run->acct2 != NULL && left_had_keys(c))
		left_all(c, c->run->acct2, check_text(c, "dict?prefix=%s",
		    c->run->stem), "key", left_key);
}

/* Where one cannot be done the others are. */
void
check_left(struct check_run *run)
{
	static void (*const steps[])(struct ck *) = { left_mailboxes,
	    left_mailboxes2, left_values, left_values2 };
	struct ck	c;
	size_t		i;

	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		check_init(&c, run, NULL);
		check_try(&c, steps[i]);
		check_fini(&c);
	}
}
