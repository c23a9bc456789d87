/*
 * Checks of what is uploaded first, and becomes messages then.
 */
#include <string.h>

#include "check_ask.h"
#include "check_form.h"
#include "check_funcs.h"

static struct answer *
batch_ask(struct ck *c, const struct box *b, const char *json)
{
	return ask_do(c, "POST", ask_box_path(c, b, "/messages"), json);
}

static void
batch_reads(struct ck *c, const char *id, const char *data, size_t len)
{
	struct answer *a;

	a = ask_get(c, "/accounts/%s/messages/%s", c->run->acct, id);
	ask_status(c, a, 200);
	if (a->len != len || memcmp(a->body, data, len) != 0)
		check_fail(c, "the content is another");
}

/* The bytes of a message are those. */
static void
batch_has(struct ck *c, const struct box *b, uint32_t uid, const char *data,
    size_t len)
{
	const char *id;

	id = val_text(ask_message(c, ask_list(c, b, "?fields=uid,id"), uid),
	    "id");
	if (id == NULL)
		check_fail(c, "uid %u has no id", uid);
	batch_reads(c, id, data, len);
}

void
batch_blob(struct ck *c)
{
	static const char bytes[] = "Subject: x\r\n\r\na\nb\r\n\377 c";
	const char *id = ask_blob(c, bytes, sizeof(bytes) - 1);

	if (!form_id(id, strlen(id)))
		check_fail(c, "the id is none");
	batch_reads(c, id, bytes, sizeof(bytes) - 1);
}

static void
batch_row(struct ck *c, struct change *ch, int i, const char *id, size_t len)
{
	struct val	*row = ch->m[i].row;
	const char	*s = val_text(row, "id");
	uint64_t	 n;

	if (!val_number(row, "index", 1000, &n) || n != (uint64_t)i)
		check_fail_at(c, ch->a, "row %d has not its index", i);
	if (!val_number(row, "size", MODSEQ_MAX, &n) || n != len)
		check_fail_at(c, ch->a, "row %d has not the size %zu", i,
		    len);
	if (s == NULL || strcmp(s, id) != 0)
		check_fail_at(c, ch->a, "row %d has not the id of its "
		    "content", i);
}

/* As other sessions see it: two came, and one went. */
static void
batch_since(struct ck *c, const struct box *b, const struct change *ch,
    uint32_t gone)
{
	struct list *l;

	l = ask_list(c, b, "?since=%llu", (unsigned long long)ch->before);
	if (l->n != 2 || l->m[0].uid != ch->m[0].uid ||
	    l->m[1].uid != ch->m[1].uid)
		check_fail(c, "since has not the two that came");
	if (!ask_in(&l->vanished, gone))
		check_fail(c, "since has not what went");
	if (!val_equal(val_get(l->m[0].row, "modseq"),
	    val_get(l->m[1].row, "modseq")))
		check_fail(c, "the two have not the same modseq");
}

static void
batch_listed(struct ck *c, const struct box *b, const struct change *ch)
{
	struct list	*l = ask_list(c, b, "%s", "");
	const char	*date;

	if (l->n != 2)
		check_fail(c, "%u messages are there, not 2", l->n);
	if (l->m[0].uid != ch->m[0].uid || l->m[1].uid != ch->m[1].uid)
		check_fail(c, "the uids are others than in the answer");
	if (!ask_flags_are(l->m[0].row, "$one") ||
	    !ask_flags_are(l->m[1].row, ""))
		check_fail(c, "the flags are others");
	date = val_text(l->m[0].row, "date");
	if (date == NULL || !form_same_date(date,
	    "2001-02-03T04:05:06+07:00"))
		check_fail(c, "the date is another");
}

void
batch_plain(struct ck *c)
{
	struct box	*b = ask_box(c, "batch");
	char		*x = ask_new_message(c, 0);
	char		*y = ask_new_message(c, 300);
	const char	*one = ask_blob(c, x, strlen(x));
	const char	*two = ask_blob(c, y, strlen(y));
	struct change	*ch;
	struct uids	 u;

	ask_fill(c, b, 1, &u);
	ch = ask_changed(c, batch_ask(c, b, check_text(c, "{\"append\":[{"
	    "\"id\":\"%s\",\"flags\":[\"$one\"],\"date\":"
	    "\"2001-02-03T04:05:06+07:00\"},{\"id\":\"%s\"}],"
	    "\"expunge\":\"%u\"}", one, two, u.u[0])));
	if (ch->n != 2 || ch->vanished.n != 1 ||
	    ch->vanished.u[0] != u.u[0])
		check_fail(c, "not two messages came and one went");
	batch_row(c, ch, 0, one, strlen(x));
	batch_row(c, ch, 1, two, strlen(y));
	batch_listed(c, b, ch);
	batch_has(c, b, ch->m[0].uid, x, strlen(x));
	batch_has(c, b, ch->m[1].uid, y, strlen(y));
	if (check_has(c, CAP_MODSEQ))
		batch_since(c, b, ch, u.u[0]);
}

void
batch_parts(struct ck *c)
{
	struct box	*b = ask_box(c, "parts");
	char		*x = ask_new_message(c, 300);
	const char	*one = ask_blob(c, x, strlen(x));
	struct change	*ch;
	struct answer	*a;

	ch = ask_changed(c, batch_ask(c, b, check_text(c, "{\"append\":[{"
	    "\"parts\":[{\"id\":\"%s\",\"offset\":10,\"length\":20},"
	    "{\"id\":\"%s\"}]}]}", one, one)));
	if (ch->n != 1)
		check_fail(c, "%u messages came, not one", ch->n);
	batch_has(c, b, ch->m[0].uid, check_text(c, "%.20s%s", x + 10, x),
	    strlen(x) + 20);
	a = batch_ask(c, b, check_text(c, "{\"append\":[{\"parts\":[{"
	    "\"id\":\"%s\",\"offset\":%zu,\"length\":2}]}]}", one,
	    strlen(x)));
	ask_refused(c, a, "bad-request");
}

void
batch_all(struct ck *c)
{
	struct box	*b = ask_box(c, "all");
	char		*x = ask_new_message(c, 0);
	const char	*one = ask_blob(c, x, strlen(x));
	struct uids	 u;

	ask_fill(c, b, 1, &u);
	ask_refused(c, batch_ask(c, b, check_text(c, "{\"append\":[{"
	    "\"id\":\"%s\"},{\"id\":\"no-such-blob\"}],\"expunge\":\"%u\"}",
	    one, u.u[0])), "no-such-blob");
	ask_refused(c, batch_ask(c, b, check_text(c, "{\"append\":[{"
	    "\"id\":\"%s\",\"colour\":1}]}", one)), "unknown-parameter");
	if (ask_list(c, b, "?fields=uid")->n != 1)
		check_fail(c, "a refused batch did something");
}
