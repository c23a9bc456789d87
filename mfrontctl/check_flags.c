/*
 * Checks of flags and of expunge, and of strict requests.
 */
#include <stdio.h>
#include <string.h>

#include "check_ask.h"
#include "check_funcs.h"

static struct answer *
flags_do(struct ck *c, const struct box *b, const char *json)
{
	return ask_do(c, "PATCH", ask_box_path(c, b, "/messages"), json);
}

static void
flags_must(struct ck *c, struct box *b, uint32_t uid, const char *list)
{
	struct list *l = ask_list(c, b, "?fields=uid,flags");

	if (!ask_flags_are(ask_message(c, l, uid), list))
		check_fail_at(c, l->a, "the flags of uid %u are not \"%s\"",
		    uid, list);
}

static struct val *
flags_row(struct ck *c, struct change *ch, uint32_t uid)
{
	uint32_t i;

	for (i = 0; i < ch->n; i++)
		if (ch->m[i].uid == uid)
			return ch->m[i].row;
	check_fail_at(c, ch->a, "there is no row of uid %u", uid);
}

void
flags_add(struct ck *c)
{
	struct box	*b = ask_box(c, "add");
	struct change	*ch;
	struct uids	 u;

	ask_fill(c, b, 3, &u);
	ch = ask_patch(c, b, "{\"uids\":\"%u:%u\",\"add\":[\"\\\\Seen\","
	    "\"$a\"]}", u.u[0], u.u[1]);
	if (strcmp(ch->mailbox, b->id) != 0)
		check_fail(c, "the change is of another mailbox");
	if (!ask_flags_are(flags_row(c, ch, u.u[0]), "\\Seen $a"))
		check_fail(c, "the row has not the new flags");
	flags_must(c, b, u.u[1], "\\Seen $a");
	flags_must(c, b, u.u[2], "");
	ask_patch(c, b, "{\"uids\":\"%u:%u\",\"remove\":[\"$a\",\"$b\"]}",
	    u.u[1], u.u[2]);
	flags_must(c, b, u.u[1], "\\Seen");
	flags_must(c, b, u.u[0], "\\Seen $a");
	ask_patch(c, b, "{\"uids\":\"%u\",\"add\":[\"\\\\Flagged\"],"
	    "\"remove\":[\"\\\\Seen\"]}", u.u[0]);
	flags_must(c, b, u.u[0], "\\Flagged $a");
}

void
flags_set(struct ck *c)
{
	struct box	*b = ask_box(c, "set");
	struct uids	 u;

	ask_fill(c, b, 2, &u);
	ask_patch(c, b, "{\"uids\":\"%u\",\"add\":[\"$a\",\"\\\\Draft\"]}",
	    u.u[0]);
	ask_patch(c, b, "{\"uids\":\"%u\",\"set\":[\"\\\\Answered\"]}",
	    u.u[0]);
	flags_must(c, b, u.u[0], "\\Answered");
	flags_must(c, b, u.u[1], "");
	ask_patch(c, b, "{\"uids\":\"%u\",\"set\":[]}", u.u[0]);
	flags_must(c, b, u.u[0], "");
}

void
flags_rows(struct ck *c)
{
	struct box	*b = ask_box(c, "rows");
	struct change	*ch;
	struct uids	 u;
	uint32_t	 i;

	ask_fill(c, b, 4, &u);
	ask_patch(c, b, "{\"uids\":\"%u\",\"add\":[\"\\\\Seen\"]}", u.u[1]);
	ch = ask_patch(c, b, "{\"uids\":\"%u:%u\",\"add\":[\"\\\\Seen\"]}",
	    u.u[0], u.u[3]);
	if (ch->n != 3)
		check_fail(c, "%u messages have rows, not the 3 that "
		    "changed", ch->n);
	for (i = 0; i < ch->n; i++)
		if (ch->m[i].uid == u.u[1])
			check_fail(c, "uid %u has a row and did not change",
			    u.u[1]);
	ch = ask_patch(c, b, "{\"uids\":\"%u\",\"remove\":[\"$none\"]}",
	    u.u[0]);
	if (ch->n != 0)
		check_fail(c, "nothing changed, and there is a row");
}

void
flags_gone(struct ck *c)
{
	struct box	*b = ask_box(c, "gone");
	struct change	*ch;
	struct uids	 u;

	ask_fill(c, b, 2, &u);
	ask_expunge(c, b, check_text(c, "%u", u.u[0]), NULL);
	ch = ask_patch(c, b, "{\"uids\":\"1:4294967295\",\"add\":[\"$a\"]}");
	if (ch->n != 1 || ch->m[0].uid != u.u[1])
		check_fail(c, "not exactly uid %u has a row", u.u[1]);
	ch = ask_patch(c, b, "{\"uids\":\"%u\",\"add\":[\"$b\"]}", u.u[0]);
	if (ch->n != 0)
		check_fail(c, "a message that is gone has a row");
	if (ask_expunge(c, b, check_text(c, "%u", u.u[0]),
	    NULL)->vanished.n != 0)
		check_fail(c, "a message that is gone vanishes again");
}

void
flags_together(struct ck *c)
{
	static const char *const bad[] = {
	    "\"set\":[\"$x\"],\"add\":[\"$y\"]",
	    "\"set\":[\"$x\"],\"remove\":[\"$y\"]",
	    "\"add\":[\"$x\"],\"remove\":[\"$X\"]", "" };
	struct box	*b = ask_box(c, "together");
	struct uids	 u;
	size_t		 i;

	ask_fill(c, b, 1, &u);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ask_refused(c, flags_do(c, b, check_text(c,
		    "{\"uids\":\"%u\"%s%s}", u.u[0], *bad[i] ? "," : "",
		    bad[i])), "bad-request");
		flags_must(c, b, u.u[0], "");
	}
	ask_refused(c, flags_do(c, b, "{\"add\":[\"$x\"]}"), "bad-request");
}

void
flags_refused(struct ck *c)
{
	static const char *const bad[] = { "\\\\Recent", "\\\\Nothing",
	    "a b", "", "(", "\\u00e4" };
	struct box	*b = ask_box(c, "refused");
	struct uids	 u;
	size_t		 i;

	ask_fill(c, b, 1, &u);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ask_refused(c, flags_do(c, b, check_text(c,
		    "{\"uids\":\"%u\",\"add\":[\"$ok\",\"%s\"]}", u.u[0],
		    bad[i])), "bad-request");
		flags_must(c, b, u.u[0], "");
	}
}

/* A list of keywords, from $0 on. */
static char *
flags_many(struct ck *c, int n)
{
	char	*list = check_text(c, "\"$0\"");
	int	 i;

	for (i = 1; i < n; i++)
		list = check_text(c, "%s,\"$%d\"", list, i);
	return list;
}

void
flags_limit(struct ck *c)
{
	struct box	*b = ask_box(c, "limit");
	struct val	*v;
	struct uids	 u;

	ask_fill(c, b, 1, &u);
	ask_patch(c, b, "{\"uids\":\"%u\",\"add\":[%s]}", u.u[0],
	    flags_many(c, 256));
	ask_refused(c, flags_do(c, b, check_text(c, "{\"uids\":\"%u\","
	    "\"add\":[\"$more\"],\"remove\":[]}", u.u[0])),
	    "not-permitted");
	ask_refused(c, flags_do(c, b, check_text(c, "{\"uids\":\"%u\","
	    "\"set\":[%s]}", u.u[0], flags_many(c, 257))), "not-permitted");
	v = val_typed(ask_message(c, ask_list(c, b, "?fields=uid,flags"),
	    u.u[0]), "flags", VAL_ARRAY);
	if (v == NULL || v->count != 256)
		check_fail(c, "the message has not its 256 keywords");
}

/* So many different keywords of so many bytes, the first with a number. */
static char *
flags_wide(struct ck *c, int first, int n, int width)
{
	size_t	 len = 1, room = (size_t)n * ((size_t)width + 3) + 1;
	char	*list = check_alloc(c, room);
	int	 i;

	for (i = 0; i < n; i++)
		len += (size_t)snprintf(list + len - 1, room - len + 1,
		    "%s\"$%0*d\"", i > 0 ? "," : "", width - 1, first + i);
	return list;
}

/* Neither by a change nor in an upload, which is refused in its row. */
static void
flags_too_much(struct ck *c, struct box *b, uint32_t uid, const char *list)
{
	struct lines	*l;
	const char	*code;
	char		*s = ask_new_message(c, 0);

	ask_refused(c, flags_do(c, b, check_text(c, "{\"uids\":\"%u\","
	    "\"add\":[%s]}", uid, list)), "not-permitted");
	l = ask_lines(c, ask_upload(c, check_text(c, "{\"to\":[{\"account\":"
	    "%s,\"mailbox\":\"%s\",\"flags\":[%s]}],\"delivery\":false}",
	    c->run->acct_json, b->id, list), s, strlen(s), NULL));
	code = l->n == 1 ? val_text(l->row[0], "code") : NULL;
	if (code == NULL || strcmp(code, "not-permitted") != 0)
		check_fail(c, "the row's code is %s, not not-permitted",
		    code != NULL ? code : "not there");
	flags_must(c, b, uid, "");
}

/* 250 bytes each: 31 have 7,844 bytes as JSON, 32 have 8,097. */
void
flags_bytes(struct ck *c)
{
	struct box	*b = ask_box(c, "bytes");
	struct uids	 u;

	ask_fill(c, b, 2, &u);
	ask_patch(c, b, "{\"uids\":\"%u\",\"add\":[%s]}", u.u[0],
	    flags_wide(c, 0, 31, 250));
	ask_refused(c, flags_do(c, b, check_text(c, "{\"uids\":\"%u\","
	    "\"add\":[%s]}", u.u[0], flags_wide(c, 31, 1, 250))),
	    "not-permitted");
	flags_too_much(c, b, u.u[1], flags_wide(c, 0, 32, 250));
}

/* Four messages with so many keywords each, and a fifth that wants more. */
static void
flags_mailbox(struct ck *c, int each, int more, int width)
{
	struct box	*b = ask_box(c, "keywords");
	struct uids	 u;
	int		 i;

	ask_fill(c, b, 5, &u);
	for (i = 0; i < 4; i++)
		ask_patch(c, b, "{\"uids\":\"%u\",\"add\":[%s]}", u.u[i],
		    flags_wide(c, i * each, each, width));
	flags_too_much(c, b, u.u[4], flags_wide(c, 4 * each, more, width));
	/* those that are there can be given to others */
	ask_patch(c, b, "{\"uids\":\"%u\",\"add\":[%s]}", u.u[4],
	    flags_wide(c, 0, each, width));
}

/* Fewer than 1,000, for there may be some that every mailbox has. */
void
flags_keywords(struct ck *c)
{
	flags_mailbox(c, 248, 9, 6);
}

/* 124 of 250 bytes have 31,373 bytes as JSON, 128 have 32,385. */
void
flags_keyword_bytes(struct ck *c)
{
	flags_mailbox(c, 31, 4, 250);
}

void
flags_case(struct ck *c)
{
	struct box	*b = ask_box(c, "case");
	struct list	*l;
	struct val	*v;
	struct uids	 u;
	int		 n = 0;

	ask_fill(c, b, 2, &u);
	ask_patch(c, b, "{\"uids\":\"%u\",\"add\":[\"$Kept\"]}", u.u[0]);
	ask_patch(c, b, "{\"uids\":\"%u:%u\",\"add\":[\"$kEPT\","
	    "\"\\\\sEEN\"]}", u.u[0], u.u[1]);
	l = ask_list(c, b, "?fields=uid,flags");
	v = val_typed(ask_message(c, l, u.u[1]), "flags", VAL_ARRAY);
	if (!ask_flags_are(ask_message(c, l, u.u[0]), "$Kept \\Seen"))
		check_fail(c, "the flags of uid %u are others", u.u[0]);
	for (v = v != NULL ? v->first : NULL; v != NULL; v = v->next)
		if (v->type == VAL_TEXT)
			n += strcmp(v->s, "$Kept") == 0;
	if (n != 1)
		check_fail(c, "the keyword is not as it was first written");
	ask_patch(c, b, "{\"uids\":\"%u\",\"remove\":[\"$KEPT\"]}", u.u[1]);
	flags_must(c, b, u.u[1], "\\Seen");
}

void
flags_known(struct ck *c)
{
	struct box	*b = ask_box(c, "known");
	struct list	*l;
	struct uids	 u;

	ask_fill(c, b, 2, &u);
	ask_patch(c, b, "{\"uids\":\"%u\",\"add\":[\"$one\",\"two\"]}",
	    u.u[0]);
	l = ask_list(c, b, "?fields=uid");
	if (!ask_has_flag(l->header, "$one") ||
	    !ask_has_flag(l->header, "two"))
		check_fail(c, "the header's flags lack those in use");
}

void
flags_sets(struct ck *c)
{
	static const char *const bad[] = { "\"1:*\"", "\"2,1\"", "\"1,2\"",
	    "\"\"", "1", "\"0\"", "\"1:1\"", "[1]" };
	struct box	*b = ask_box(c, "sets");
	struct uids	 u;
	size_t		 i;

	ask_fill(c, b, 2, &u);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ask_refused(c, flags_do(c, b, check_text(c,
		    "{\"uids\":%s,\"add\":[\"$a\"]}", bad[i])),
		    "bad-request");
		ask_refused(c, ask_do(c, "POST", ask_box_path(c, b,
		    "/expunge"), check_text(c, "{\"uids\":%s,"
		    "\"only_if_flag\":null}", bad[i])), "bad-request");
	}
	if (ask_list(c, b, "?fields=uid")->n != 2)
		check_fail(c, "a refused expunge removed something");
}

/* expunge */

static void
flags_exactly(struct ck *c, struct change *ch, const uint32_t *u, uint32_t n)
{
	uint32_t i;

	for (i = 0; i < n; i++)
		if (!ask_in(&ch->vanished, u[i]))
			check_fail_at(c, ch->a, "vanished lacks %u", u[i]);
	if (ch->vanished.n != n)
		check_fail_at(c, ch->a, "%u messages vanished, not %u",
		    ch->vanished.n, n);
}

void
flags_expunge(struct ck *c)
{
	struct box	*b = ask_box(c, "expunge");
	struct change	*ch;
	struct list	*l;
	struct uids	 u;
	uint64_t	 n;

	ask_fill(c, b, 5, &u);
	ch = ask_expunge(c, b, check_text(c, "%u:%u", u.u[1], u.u[2]), NULL);
	if (strcmp(ch->mailbox, b->id) != 0)
		check_fail(c, "the change is of another mailbox");
	flags_exactly(c, ch, u.u + 1, 2);
	l = ask_list(c, b, "?fields=uid");
	if (l->n != 3 || ask_find(l, u.u[1]) != NULL)
		check_fail(c, "not exactly three messages are left");
	if (l->uidnext <= u.u[4])
		check_fail(c, "uidnext went back");
	if (!val_number(ask_box_row(c, b), "messages", 100, &n) || n != 3)
		check_fail(c, "the row does not say 3 messages");
	flags_exactly(c, ask_expunge(c, b, "1:4294967295", NULL),
	    (uint32_t[]){ u.u[0], u.u[3], u.u[4] }, 3);
}

/* What goes takes its uid with it: neither a uidnext nor a message may tell. */
static void
flags_not_again(struct ck *c, struct box *b, uint32_t last, const char *how)
{
	struct list	*l = ask_list(c, b, "?fields=uid");
	char		*m = ask_new_message(c, 0);
	uint64_t	 n;

	if (l->uidnext <= last)
		check_fail(c, "after %s of uid %u uidnext is %u", how, last,
		    l->uidnext);
	if (!val_number(ask_box_row(c, b), "uidnext", UINT32_MAX, &n) ||
	    n < l->uidnext)
		check_fail(c, "after %s of uid %u the row has not the uidnext "
		    "%u", how, last, l->uidnext);
	if (ask_store(c, b, "", m, strlen(m))->uid < l->uidnext)
		check_fail(c, "after %s a uid below uidnext, %u, was given",
		    how, l->uidnext);
}

/* First the highest alone, then all that is left. */
void
flags_never_again(struct ck *c)
{
	struct box	*b = ask_box(c, "again");
	struct box	*to = check_has(c, CAP_COPY) ? ask_box(c, "to") : NULL;
	struct uids	 u;
	const char	*set;
	int		 i;

	for (i = 0; i < 2; i++) {
		ask_fill(c, b, 2, &u);
		set = i == 0 ? check_text(c, "%u", u.u[1]) : "1:4294967295";
		ask_expunge(c, b, set, NULL);
		flags_not_again(c, b, u.u[1], "an expunge");
		if (to == NULL)
			continue;
		ask_fill(c, b, 2, &u);
		set = i == 0 ? check_text(c, "%u", u.u[1]) : "1:4294967295";
		ask_copy(c, b, set, to, 1);
		flags_not_again(c, b, u.u[1], "a move");
	}
}

void
flags_only_if(struct ck *c)
{
	struct box	*b = ask_box(c, "only-if");
	struct change	*ch;
	struct uids	 u;

	ask_fill(c, b, 4, &u);
	ask_patch(c, b, "{\"uids\":\"%u:%u\",\"add\":[\"\\\\Deleted\"]}",
	    u.u[1], u.u[2]);
	ask_patch(c, b, "{\"uids\":\"%u\",\"remove\":[\"\\\\Deleted\"]}",
	    u.u[2]);
	ch = ask_expunge(c, b, "1:4294967295", "\\\\Deleted");
	flags_exactly(c, ch, u.u + 1, 1);
	if (ask_list(c, b, "?fields=uid")->n != 3)
		check_fail(c, "not exactly the one with the flag went");
	/* any flag, in any case */
	ask_patch(c, b, "{\"uids\":\"%u\",\"add\":[\"$Gone\"]}", u.u[3]);
	ch = ask_expunge(c, b, "1:4294967295", "$gone");
	flags_exactly(c, ch, u.u + 3, 1);
	ch = ask_expunge(c, b, "1:4294967295", "$never");
	flags_exactly(c, ch, u.u, 0);
}

void
flags_only_if_needed(struct ck *c)
{
	struct box	*b = ask_box(c, "needed");
	struct uids	 u;

	ask_fill(c, b, 1, &u);
	ask_refused(c, ask_do(c, "POST", ask_box_path(c, b, "/expunge"),
	    "{\"uids\":\"1:4294967295\"}"), "bad-request");
	if (ask_list(c, b, "?fields=uid")->n != 1)
		check_fail(c, "the message is gone");
}

void
flags_chunked(struct ck *c)
{
	struct box	*b = ask_box(c, "chunked");
	struct request	 r = { .method = "PATCH", .chunked = 1 };
	struct uids	 u;

	ask_fill(c, b, 1, &u);
	r.path = ask_box_path(c, b, "/messages");
	r.body = check_text(c, "{\"uids\":\"%u\",\"add\":[\"\\\\Seen\"]}",
	    u.u[0]);
	r.len = strlen(r.body);
	ask_changed(c, ask(c, &r));
	flags_must(c, b, u.u[0], "\\Seen");
}

/* strictness */

static void
flags_strange(struct ck *c, const char *method, const char *path,
    const char *body)
{
	ask_refused(c, ask_do(c, method, path, body), "unknown-parameter");
}

void
flags_unknown(struct ck *c)
{
	struct box	*b = ask_box(c, "unknown");
	struct uids	 u;
	char		*name = ask_box_name(c, "colour");

	ask_fill(c, b, 1, &u);
	flags_strange(c, "PATCH", ask_box_path(c, b, "/messages"),
	    check_text(c, "{\"uids\":\"%u\",\"add\":[\"$a\"],"
	    "\"colour\":\"red\"}", u.u[0]));
	flags_must(c, b, u.u[0], "");
	flags_strange(c, "POST", ask_box_path(c, b, "/expunge"),
	    "{\"uids\":\"1\",\"only_if_flag\":null,\"colour\":[]}");
	flags_strange(c, "POST", check_text(c, "/accounts/%s/mailboxes",
	    c->run->acct), check_text(c, "{\"name\":\"%s\",\"colour\":1}",
	    name));
	flags_strange(c, "POST", check_text(c, "/accounts/%s/mailboxes"
	    "/rename", c->run->acct), check_text(c, "{\"from\":\"%s\","
	    "\"to\":\"%s\",\"colour\":1}", b->name, name));
	if (ask_mailbox_named(c, ask_mailboxes(c), name) != NULL)
		check_fail(c, "a refused request was done");
	if (check_has(c, CAP_COPY))
		flags_strange(c, "POST", ask_box_path(c, b, "/copy"),
		    check_text(c, "{\"uids\":\"1\",\"to\":\"%s\","
		    "\"move\":false,\"colour\":{}}", b->id));
	if (ask_list(c, b, "?fields=uid")->n != 1)
		check_fail(c, "a refused request was done");
}

void
flags_unknown_null(struct ck *c)
{
	struct box	*b = ask_box(c, "null");
	char		*name = ask_box_name(c, "null-made"), *boxes;
	struct uids	 u;

	ask_fill(c, b, 1, &u);
	boxes = check_text(c, "/accounts/%s/mailboxes", c->run->acct);
	flags_strange(c, "PATCH", ask_box_path(c, b, "/messages"),
	    check_text(c, "{\"uids\":\"%u\",\"add\":[\"$a\"],"
	    "\"colour\":null}", u.u[0]));
	flags_strange(c, "POST", ask_box_path(c, b, "/expunge"),
	    "{\"uids\":\"1:4294967295\",\"only_if_flag\":null,"
	    "\"colour\":null}");
	flags_strange(c, "POST", boxes, check_text(c, "{\"name\":\"%s\","
	    "\"colour\":null}", name));
	flags_strange(c, "POST", check_text(c, "%s/rename", boxes),
	    check_text(c, "{\"from\":\"%s\",\"to\":\"%s\","
	    "\"colour\":null}", b->name, name));
	ask_refused(c, ask_upload(c, check_text(c, "{\"to\":[{\"account\":"
	    "%s,\"mailbox\":\"%s\",\"colour\":null}],\"delivery\":false}",
	    c->run->acct_json, b->id), "x\r\n", 3, NULL),
	    "unknown-parameter");
	flags_must(c, b, u.u[0], "");
	if (ask_list(c, b, "?fields=uid")->n != 1 ||
	    ask_mailbox_named(c, ask_mailboxes(c), name) != NULL)
		check_fail(c, "a refused request was done");
}

void
flags_not_announced(struct ck *c)
{
	struct box	*b = ask_box(c, "members");
	struct uids	 u;
	int		 n = 0;

	ask_fill(c, b, 1, &u);
	if (!check_has(c, CAP_MODSEQ)) {
		flags_strange(c, "PATCH", ask_box_path(c, b, "/messages"),
		    check_text(c, "{\"uids\":\"%u\",\"add\":[\"$a\"],"
		    "\"unchanged_since\":1}", u.u[0]));
		if (ask_applied(ask_list(c, b, "?since=1"), "since"))
			check_fail(c, "since is applied without modseq");
		n++;
	}
	if (!check_has(c, CAP_CACHE)) {
		ask_refused(c, ask_upload(c, check_text(c, "{\"to\":[{"
		    "\"account\":%s,\"mailbox\":\"%s\",\"cache\":\"x\"}],"
		    "\"delivery\":false}", c->run->acct_json, b->id),
		    "x\r\n", 3, NULL), "unknown-parameter");
		n++;
	}
	if (n == 0)
		check_skip(c, "modseq and cache are announced");
}
