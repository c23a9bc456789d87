/*
 * Checks of modseq and since.
 */
#include <string.h>

#include "check_ask.h"
#include "check_funcs.h"

static uint64_t
modseq_row(struct ck *c, struct box *b)
{
	uint64_t n;

	if (!val_number(ask_box_row(c, b), "modseq", MODSEQ_MAX, &n))
		check_fail(c, "the mailbox's row has no modseq");
	return n;
}

static uint64_t
modseq_of(struct ck *c, struct list *l, uint32_t uid)
{
	uint64_t n;

	if (!val_number(ask_message(c, l, uid), "modseq", MODSEQ_MAX, &n))
		check_fail_at(c, l->a, "uid %u has no modseq", uid);
	return n;
}

void
modseq_everywhere(struct ck *c)
{
	struct box	*b = ask_subject(c);
	struct list	*l = ask_list(c, b, "%s", "");
	uint32_t	 i;

	if (b->modseq == 0)
		check_fail(c, "the mailbox's row has no modseq");
	if (l->modseq == 0)
		check_fail(c, "the listing's header has no modseq");
	for (i = 0; i < l->n; i++)
		if (modseq_of(c, l, l->m[i].uid) > l->modseq &&
		    check_has(c, CAP_WRITE))
			check_fail_at(c, l->a, "uid %u has a larger modseq "
			    "than the mailbox", l->m[i].uid);
}

/* What happens in one mailbox is nothing to another. */
void
modseq_mailbox(struct ck *c)
{
	struct box	*a = ask_box(c, "a"), *b = ask_box(c, "b");
	char		*s = ask_new_message(c, 0);
	struct stored	*st;
	struct change	*ch;
	uint64_t	 n;

	if (a->modseq != 1)
		check_fail(c, "a new mailbox has the modseq %llu, not 1",
		    (unsigned long long)a->modseq);
	st = ask_store(c, a, "", s, strlen(s));
	if (st->change.before != 1 || st->change.modseq <= 1)
		check_fail_at(c, st->a, "the first change is not from 1 to "
		    "more");
	ask_store(c, b, "", s, strlen(s));
	if ((n = modseq_row(c, a)) != st->change.modseq)
		check_fail(c, "the row has %llu, the last change here has "
		    "%llu", (unsigned long long)n,
		    (unsigned long long)st->change.modseq);
	ch = ask_patch(c, a, "{\"uids\":\"%u\",\"add\":[\"$a\"]}", st->uid);
	if (ch->before != st->change.modseq || ch->modseq <= ch->before)
		check_fail(c, "modseq_before is not that of the change "
		    "before");
	if (ask_list(c, a, "?fields=uid")->modseq != ch->modseq)
		check_fail(c, "the listing's is not that of the last change");
	ch = ask_expunge(c, a, check_text(c, "%u", st->uid), NULL);
	if (ch->modseq <= ch->before)
		check_fail(c, "an expunge has no new modseq");
	if ((n = modseq_row(c, a)) != ch->modseq)
		check_fail(c, "the row has %llu after the expunge",
		    (unsigned long long)n);
}

void
modseq_one(struct ck *c)
{
	struct box	*b = ask_box(c, "one");
	struct change	*ch;
	struct list	*l, *before;
	struct uids	 u;
	int		 i;

	ask_fill(c, b, 5, &u);
	before = ask_list(c, b, "?fields=uid,modseq");
	ch = ask_patch(c, b, "{\"uids\":\"%u:%u\",\"add\":[\"$a\"]}", u.u[1],
	    u.u[3]);
	l = ask_list(c, b, "?fields=uid,modseq");
	for (i = 0; i < 5; i++) {
		if (i >= 1 && i <= 3 &&
		    modseq_of(c, l, u.u[i]) != ch->modseq)
			check_fail(c, "uid %u has not the modseq of the "
			    "change, %llu", u.u[i],
			    (unsigned long long)ch->modseq);
		if ((i < 1 || i > 3) && modseq_of(c, l, u.u[i]) !=
		    modseq_of(c, before, u.u[i]))
			check_fail(c, "uid %u was not changed and has "
			    "another modseq", u.u[i]);
	}
}

void
modseq_unchanged(struct ck *c)
{
	struct box	*b = ask_box(c, "unchanged");
	struct change	*ch;
	struct uids	 u;
	uint64_t	 n;

	ask_fill(c, b, 2, &u);
	n = modseq_row(c, b);
	ch = ask_patch(c, b, "{\"uids\":\"%u\",\"remove\":[\"$a\"]}",
	    u.u[0]);
	if (ch->before != n || ch->modseq != n)
		check_fail(c, "flags that did not change: from %llu to %llu",
		    (unsigned long long)ch->before,
		    (unsigned long long)ch->modseq);
	ch = ask_expunge(c, b, "1:4294967295", "$none");
	if (ch->before != n || ch->modseq != n)
		check_fail(c, "an expunge of nothing: from %llu to %llu",
		    (unsigned long long)ch->before,
		    (unsigned long long)ch->modseq);
	if (modseq_row(c, b) != n)
		check_fail(c, "the mailbox has another modseq");
}

static struct list *
modseq_list(struct ck *c, struct box *b, const char *more, uint64_t since)
{
	struct list *l;

	l = ask_list(c, b, "?fields=uid,flags%s&since=%llu", more,
	    (unsigned long long)since);
	if (l->since != since)
		check_fail(c, "applied.since is not %llu",
		    (unsigned long long)since);
	return l;
}

void
modseq_since(struct ck *c)
{
	struct box	*b = ask_box(c, "since");
	struct list	*l;
	struct uids	 u, more;
	uint64_t	 n;
	uint32_t	 i;

	ask_fill(c, b, 6, &u);
	n = modseq_row(c, b);
	l = modseq_list(c, b, "", n);
	if (l->n != 0)
		check_fail(c, "nothing changed since, and %u messages are "
		    "listed", l->n);
	ask_patch(c, b, "{\"uids\":\"%u\",\"add\":[\"$a\"]}", u.u[2]);
	ask_expunge(c, b, check_text(c, "%u", u.u[4]), NULL);
	ask_fill(c, b, 1, &more);
	l = modseq_list(c, b, "", n);
	if (!ask_flags_are(ask_message(c, l, u.u[2]), "$a"))
		check_fail(c, "the changed message has not its flags");
	ask_message(c, l, more.u[0]);
	if (!ask_in(&l->vanished, u.u[4]))
		check_fail(c, "vanished lacks uid %u", u.u[4]);
	if (l->n != 2)
		check_fail(c, "%u messages are listed, 2 were added or "
		    "changed", l->n);
	/* it may name others that are gone, not any that is there */
	for (i = 0; i < l->vanished.n; i++)
		if (l->vanished.u[i] != u.u[4] &&
		    l->vanished.u[i] < l->uidnext)
			check_fail(c, "vanished has %u, which is there",
			    l->vanished.u[i]);
	l = modseq_list(c, b, "", l->modseq);
	if (l->n != 0)
		check_fail(c, "nothing changed since, and %u messages are "
		    "listed", l->n);
	/* all of it, from the very first */
	l = modseq_list(c, b, "", 1);
	if (l->n != 6)
		check_fail(c, "since=1 has %u of 6 messages", l->n);
}

void
modseq_since_uids(struct ck *c)
{
	struct box	*b = ask_box(c, "since-uids");
	struct list	*l;
	struct uids	 u;
	uint64_t	 n;

	ask_fill(c, b, 4, &u);
	n = modseq_row(c, b);
	ask_patch(c, b, "{\"uids\":\"%u:%u\",\"add\":[\"$a\"]}", u.u[0],
	    u.u[2]);
	ask_expunge(c, b, check_text(c, "%u", u.u[3]), NULL);
	l = modseq_list(c, b, check_text(c, "&uids=%u", u.u[1]), n);
	if (!ask_applied(l, "uids"))
		check_skip(c, "uids is not applied");
	if (l->n != 1 || l->m[0].uid != u.u[1])
		check_fail(c, "not exactly uid %u is listed", u.u[1]);
	if (!ask_in(&l->vanished, u.u[3]))
		check_fail(c, "vanished lacks uid %u", u.u[3]);
}

void
modseq_since_rows(struct ck *c)
{
	struct box	*b = ask_box(c, "since-rows");
	struct list	*l;
	struct uids	 u;
	uint64_t	 n;

	ask_fill(c, b, 3, &u);
	n = modseq_row(c, b);
	ask_patch(c, b, "{\"uids\":\"%u:%u\",\"add\":[\"$a\"]}", u.u[0],
	    u.u[1]);
	l = ask_list(c, b, "?fields=uid&since=%llu", (unsigned long long)n);
	if (modseq_of(c, l, u.u[0]) <= n || modseq_of(c, l, u.u[1]) <= n)
		check_fail(c, "a row has a modseq that is not larger than "
		    "since");
}

void
modseq_since_new(struct ck *c)
{
	struct box	*b = ask_subject(c);
	struct answer	*a;
	uint64_t	 n = modseq_row(c, b);

	a = ask_get(c, "%s", ask_box_path(c, b, check_text(c,
	    "/messages?fields=uid&since=%llu",
	    (unsigned long long)n + 1000)));
	ask_refused(c, a, "since-too-old");
	ask_status(c, a, 410);
}

void
modseq_since_zero(struct ck *c)
{
	struct box *b = ask_subject(c);

	ask_refused(c, ask_get(c, "%s", ask_box_path(c, b,
	    "/messages?fields=uid&since=0")), "bad-request");
	ask_refused(c, ask_get(c, "%s", ask_box_path(c, b,
	    "/messages?fields=uid&since=x")), "bad-request");
}

void
modseq_unchanged_since(struct ck *c)
{
	struct box	*b = ask_box(c, "condition");
	struct change	*ch;
	struct list	*l;
	struct uids	 u;
	uint64_t	 n;

	ask_fill(c, b, 3, &u);
	n = modseq_row(c, b);
	ask_patch(c, b, "{\"uids\":\"%u\",\"add\":[\"$first\"]}", u.u[1]);
	ch = ask_patch(c, b, "{\"uids\":\"%u:%u\",\"add\":[\"$late\"],"
	    "\"unchanged_since\":%llu}", u.u[0], u.u[2],
	    (unsigned long long)n);
	if (ch->modified.n != 1 || ch->modified.u[0] != u.u[1])
		check_fail(c, "modified is not exactly uid %u", u.u[1]);
	if (ch->n != 2)
		check_fail(c, "%u messages have rows, not 2", ch->n);
	l = ask_list(c, b, "?fields=uid,flags");
	if (!ask_flags_are(ask_message(c, l, u.u[1]), "$first"))
		check_fail(c, "uid %u had changed, and was not left alone",
		    u.u[1]);
	if (!ask_flags_are(ask_message(c, l, u.u[0]), "$late"))
		check_fail(c, "uid %u had not changed, and was left alone",
		    u.u[0]);
}

/* A condition that somebody lost on the way would change what it should not. */
void
modseq_unchanged_null(struct ck *c)
{
	struct box	*b = ask_box(c, "null");
	struct uids	 u;

	ask_fill(c, b, 1, &u);
	ask_refused(c, ask_do(c, "PATCH", ask_box_path(c, b, "/messages"),
	    check_text(c, "{\"uids\":\"%u\",\"add\":[\"$a\"],"
	    "\"unchanged_since\":null}", u.u[0])), "bad-request");
	if (!ask_flags_are(ask_message(c, ask_list(c, b,
	    "?fields=uid,flags"), u.u[0]), ""))
		check_fail(c, "a refused request was done");
}

void
modseq_unchanged_zero(struct ck *c)
{
	struct box	*b = ask_box(c, "zero");
	struct change	*ch;
	struct uids	 u;

	ask_fill(c, b, 2, &u);
	ch = ask_patch(c, b, "{\"uids\":\"%u:%u\",\"add\":[\"$a\"],"
	    "\"unchanged_since\":0}", u.u[0], u.u[1]);
	if (ch->n != 0 || ch->modified.n != 2)
		check_fail(c, "not both messages were left alone");
	if (ch->modseq != ch->before)
		check_fail(c, "nothing was changed, and modseq is larger");
}
