/*
 * Checks of copy and move.
 */
#include <string.h>

#include "check_ask.h"
#include "check_form.h"
#include "check_funcs.h"

static void
copy_header(struct ck *c, struct copied *cp, struct box *from,
    struct box *to)
{
	if (strcmp(cp->from.mailbox, from->id) != 0)
		check_fail_at(c, cp->a, "from_change is of another mailbox");
	if (strcmp(cp->to.mailbox, to->id) != 0)
		check_fail_at(c, cp->a, "to_change is of another mailbox");
	if (cp->uidvalidity != to->uidvalidity)
		check_fail_at(c, cp->a, "uidvalidity is not the target's");
}

static void
copy_pairs(struct ck *c, struct copied *cp, const uint32_t *from, uint32_t n,
    uint32_t uidnext)
{
	uint32_t i;

	if (cp->froms.n != n)
		check_fail_at(c, cp->a, "%u messages were copied, not %u",
		    cp->froms.n, n);
	for (i = 0; i < n; i++) {
		if (cp->froms.u[i] != from[i])
			check_fail_at(c, cp->a, "from has %u, not %u",
			    cp->froms.u[i], from[i]);
		if (cp->tos.u[i] < uidnext)
			check_fail_at(c, cp->a, "the uid %u is not new",
			    cp->tos.u[i]);
		if (i > 0 && cp->tos.u[i] <= cp->tos.u[i - 1])
			check_fail_at(c, cp->a, "the new uids do not ascend");
	}
}

void
copy_plain(struct ck *c)
{
	struct box	*a = ask_box(c, "from"), *b = ask_box(c, "to");
	struct copied	*cp;
	struct list	*l;
	struct uids	 u;
	uint32_t	 i;

	ask_fill(c, a, 4, &u);
	cp = ask_copy(c, a, check_text(c, "%u,%u:%u", u.u[0], u.u[2],
	    u.u[3]), b, 0);
	copy_header(c, cp, a, b);
	copy_pairs(c, cp, (uint32_t[]){ u.u[0], u.u[2], u.u[3] }, 3,
	    b->uidnext);
	if (cp->vanished.n != 0)
		check_fail(c, "a copy makes nothing vanish");
	if (check_has(c, CAP_MODSEQ) &&
	    (cp->from.before != cp->from.modseq ||
	    cp->to.modseq <= cp->to.before))
		check_fail(c, "not the target alone has a new modseq");
	l = ask_list(c, b, "?fields=uid,id");
	if (l->n != 3)
		check_fail(c, "the target has %u messages, not 3", l->n);
	for (i = 0; i < 3; i++)
		ask_message(c, l, cp->tos.u[i]);
	if (ask_list(c, a, "?fields=uid")->n != 4)
		check_fail(c, "the source has not its 4 messages");
	/* once more: other uids */
	cp = ask_copy(c, a, check_text(c, "%u", u.u[0]), b, 0);
	copy_pairs(c, cp, u.u, 1, l->uidnext);
}

void
copy_keeps(struct ck *c)
{
	static const char date[] = "2002-03-04T05:06:07-08:00";
	struct box	*a = ask_box(c, "from"), *b = ask_box(c, "to");
	char		*s = ask_new_message(c, 300);
	struct stored	*st;
	struct copied	*cp;
	struct val	*row;
	struct answer	*r;

	st = ask_store(c, a, check_text(c, "\"flags\":[\"\\\\Seen\","
	    "\"$Check\"],\"date\":\"%s\"", date), s, strlen(s));
	ask_patch(c, a, "{\"uids\":\"%u\",\"add\":[\"\\\\Flagged\"]}",
	    st->uid);
	cp = ask_copy(c, a, check_text(c, "%u", st->uid), b, 0);
	copy_pairs(c, cp, &st->uid, 1, b->uidnext);
	row = ask_message(c, ask_list(c, b, "%s", ""), cp->tos.u[0]);
	if (!ask_flags_are(row, "\\Seen \\Flagged $Check"))
		check_fail(c, "the flags are others");
	if (val_text(row, "date") == NULL ||
	    !form_same_date(val_text(row, "date"), date))
		check_fail(c, "the date is another");
	if (val_text(row, "id") == NULL ||
	    strcmp(val_text(row, "id"), st->id) != 0)
		check_fail(c, "the content is another");
	/* and stays when the original goes */
	ask_expunge(c, a, check_text(c, "%u", st->uid), NULL);
	r = ask_get(c, "/accounts/%s/messages/%s", c->run->acct, st->id);
	ask_status(c, r, 200);
	if (r->len != strlen(s) || memcmp(r->body, s, r->len) != 0)
		check_fail(c, "the content changed");
}

void
copy_itself(struct ck *c)
{
	struct box	*a = ask_box(c, "itself");
	struct copied	*cp;
	struct list	*l;
	struct uids	 u;

	ask_fill(c, a, 3, &u);
	cp = ask_copy(c, a, check_text(c, "%u:%u", u.u[0], u.u[1]), a, 0);
	copy_header(c, cp, a, a);
	copy_pairs(c, cp, u.u, 2, u.u[2] + 1);
	if (cp->from.before != cp->to.before ||
	    cp->from.modseq != cp->to.modseq)
		check_fail(c, "from_change and to_change are not the same");
	if (ask_list(c, a, "?fields=uid")->n != 5)
		check_fail(c, "there are not 5 messages");
	cp = ask_copy(c, a, check_text(c, "%u", u.u[0]), a, 1);
	if (cp->vanished.n != 1 || cp->vanished.u[0] != u.u[0])
		check_fail(c, "vanished is not exactly uid %u", u.u[0]);
	l = ask_list(c, a, "?fields=uid");
	if (l->n != 5 || ask_find(l, u.u[0]) != NULL)
		check_fail(c, "a move into itself did not give a new uid "
		    "for the old");
}

void
copy_gone(struct ck *c)
{
	struct box	*a = ask_box(c, "from"), *b = ask_box(c, "to");
	struct copied	*cp;
	struct uids	 u;

	ask_fill(c, a, 3, &u);
	ask_expunge(c, a, check_text(c, "%u", u.u[1]), NULL);
	cp = ask_copy(c, a, "1:4294967295", b, 0);
	copy_pairs(c, cp, (uint32_t[]){ u.u[0], u.u[2] }, 2, b->uidnext);
	cp = ask_copy(c, a, check_text(c, "%u", u.u[1]), b, 1);
	if (cp->froms.n != 0 || cp->vanished.n != 0)
		check_fail(c, "a message that is gone was moved");
}

void
copy_refused(struct ck *c)
{
	struct box	*a = ask_box(c, "from");
	struct answer	*r;
	struct uids	 u;

	ask_fill(c, a, 1, &u);
	r = ask_do(c, "POST", ask_box_path(c, a, "/copy"), "{\"uids\":\"1:"
	    "4294967295\",\"to\":\"no-such-1\",\"move\":true}");
	ask_refused(c, r, "no-such-target");
	r = ask_do(c, "POST", ask_box_path(c, a, "/copy"), check_text(c,
	    "{\"uids\":\"1:4294967295\",\"to\":\"%s\"}", a->id));
	ask_refused(c, r, "bad-request");
	if (ask_list(c, a, "?fields=uid")->n != 1)
		check_fail(c, "a refused copy did something");
}

void
copy_move(struct ck *c)
{
	struct box	*a = ask_box(c, "from"), *b = ask_box(c, "to");
	struct copied	*cp;
	struct list	*l, *before;
	struct uids	 u;
	uint32_t	 i;

	ask_fill(c, a, 4, &u);
	before = ask_list(c, a, "?fields=uid,id");
	cp = ask_copy(c, a, check_text(c, "%u:%u", u.u[1], u.u[2]), b, 1);
	copy_header(c, cp, a, b);
	copy_pairs(c, cp, u.u + 1, 2, b->uidnext);
	for (i = 1; i < 3; i++)
		if (!ask_in(&cp->vanished, u.u[i]))
			check_fail(c, "vanished lacks uid %u", u.u[i]);
	if (cp->vanished.n != 2)
		check_fail(c, "%u messages vanished, not 2", cp->vanished.n);
	l = ask_list(c, a, "?fields=uid");
	for (i = 1; i < 3; i++)
		if (ask_find(l, u.u[i]) != NULL)
			check_fail(c, "uid %u was moved and is still there",
			    u.u[i]);
	if (l->n != 2)
		check_fail(c, "the source has %u messages, not 2", l->n);
	l = ask_list(c, b, "?fields=uid,id");
	for (i = 0; i < 2; i++)
		if (!val_equal(val_get(ask_message(c, l, cp->tos.u[i]), "id"),
		    val_get(ask_message(c, before, u.u[i + 1]), "id")))
			check_fail(c, "uid %u is another content than %u was",
			    cp->tos.u[i], u.u[i + 1]);
	if (!check_has(c, CAP_MODSEQ))
		return;
	l = ask_list(c, a, "?fields=uid&since=%llu",
	    (unsigned long long)cp->from.before);
	if (!ask_in(&l->vanished, u.u[1]) || !ask_in(&l->vanished, u.u[2]))
		check_fail(c, "since does not tell what was moved away");
}
