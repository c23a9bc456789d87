/*
 * Checks of the stream of events.
 */
#include <string.h>

#include "check_ask.h"
#include "check_form.h"
#include "check_funcs.h"

#define SLACK_MS	2000	/* beside bound_ms: the way to us */
#define USUAL_MS	250	/* the same, of most */
#define TIMED		7	/* odd */
#define BEAT_MS		15000
#define MANY		200
#define BOXES		5

static void
events_form(struct ck *c, struct stream *s, struct val *line)
{
	struct val *cursor = val_typed(line, "cursor", VAL_TEXT);

	if (cursor == NULL || !form_cursor(cursor->s, cursor->len))
		check_fail_at(c, s->a, "a line has no good cursor");
	if (val_get(line, "mailbox") == NULL)
		return;
	if (val_text(line, "account") == NULL)
		check_fail_at(c, s->a, "a line has a mailbox and no "
		    "account");
	if (check_has(c, CAP_MODSEQ) && val_typed(line, "modseq",
	    VAL_NUMBER) == NULL)
		check_fail_at(c, s->a, "a line has a mailbox and no modseq");
}

static int
events_is_ours(struct ck *c, struct val *line)
{
	const char *account = val_text(line, "account");

	return account != NULL &&
	    strcmp(account, c->run->conf->account) == 0;
}

static int
events_is(struct ck *c, struct val *line, const char *mailbox,
    uint64_t modseq)
{
	const char	*id = val_text(line, "mailbox");
	uint64_t	 n = 0;

	if (!events_is_ours(c, line) || id == NULL ||
	    strcmp(id, mailbox) != 0)
		return 0;
	(void)val_number(line, "modseq", MODSEQ_MAX, &n);
	return !check_has(c, CAP_MODSEQ) || n >= modseq;
}

static int64_t
events_until(struct ck *c)
{
	return net_now() + (int64_t)c->run->bound + SLACK_MS;
}

/* Reads up to the line that tells of this, which must come in time. */
static struct val *
events_wait(struct ck *c, struct stream *s, const char *mailbox,
    uint64_t modseq, const char *what)
{
	int64_t		 until = events_until(c);
	struct val	*line;

	while ((line = ask_event(c, s, until)) != NULL) {
		events_form(c, s, line);
		if (mailbox == NULL ? events_is_ours(c, line) &&
		    val_get(line, "mailbox") == NULL :
		    events_is(c, line, mailbox, modseq))
			return line;
	}
	check_fail_at(c, s->a, "%s was not told within %llu ms", what,
	    (unsigned long long)c->run->bound + SLACK_MS);
}

void
events_header(struct ck *c)
{
	struct stream	*s = ask_events(c, NULL), *t;
	const char	*cursor = val_text(s->header, "cursor");

	if (strcmp(s->a->type, "application/x-ndjson") != 0)
		check_fail_at(c, s->a, "the type is \"%s\"", s->a->type);
	events_form(c, s, s->header);
	t = ask_events(c, cursor);
	if (strcmp(val_text(t->header, "cursor"), cursor) != 0)
		check_fail_at(c, t->a, "the header's cursor is not that of "
		    "since");
}

static void
events_told_all(struct ck *c, struct stream *s, struct box *b)
{
	struct uids	 u;
	struct change	*ch;
	struct stored	*st;
	char		*m = ask_new_message(c, 0);
	int		 i;

	for (i = 0; i < 3; i++) {
		st = ask_store(c, b, "", m, strlen(m));
		events_wait(c, s, b->id, st->change.modseq, "an upload");
	}
	u.u = &st->uid;
	ch = ask_patch(c, b, "{\"uids\":\"%u\",\"add\":[\"$a\"]}", u.u[0]);
	events_wait(c, s, b->id, ch->modseq, "a change of flags");
	ch = ask_expunge(c, b, check_text(c, "%u", u.u[0]), NULL);
	events_wait(c, s, b->id, ch->modseq, "an expunge");
}

static void
events_told_batch(struct ck *c, struct stream *s, struct box *b)
{
	char		*m = ask_new_message(c, 0);
	const char	*id = ask_blob(c, m, strlen(m));
	struct change	*ch;

	ch = ask_changed(c, ask_do(c, "POST", ask_box_path(c, b,
	    "/messages"), check_text(c, "{\"append\":[{\"id\":\"%s\"}]}",
	    id)));
	events_wait(c, s, b->id, ch->modseq, "a batch");
}

void
events_told(struct ck *c)
{
	struct box	*a = ask_box(c, "told"), *b = ask_box(c, "target");
	struct stream	*s = ask_events(c, NULL);
	struct copied	*cp;

	events_told_all(c, s, a);
	if (check_has(c, CAP_BATCH))
		events_told_batch(c, s, a);
	if (!check_has(c, CAP_COPY))
		return;
	cp = ask_copy(c, a, "1:4294967295", b, 0);
	events_wait(c, s, b->id, cp->to.modseq, "a copy");
	cp = ask_copy(c, a, "1:4294967295", b, 1);
	events_wait(c, s, b->id, cp->to.modseq, "a move's target");
	s = ask_events(c, val_text(s->header, "cursor"));
	events_wait(c, s, a->id, cp->from.modseq, "a move's source");
}

/*
 * A busy machine is late now and then, a storage that does not keep what it
 * says is so mostly: the median decides, as soon as it is known.
 */
void
events_bound(struct ck *c)
{
	struct box	*b = ask_box(c, "bound");
	struct stream	*s = ask_events(c, NULL);
	struct stored	*st;
	int64_t		 late = 0, most = (int64_t)c->run->bound + USUAL_MS;
	char		*m = ask_new_message(c, 0);
	int		 n[2] = { 0, 0 };

	while (n[0] <= TIMED / 2 && n[1] <= TIMED / 2) {
		st = ask_store(c, b, "", m, strlen(m));
		late = -net_now();
		events_wait(c, s, b->id, st->change.modseq, "an upload");
		late += net_now();
		n[late > most]++;
	}
	if (n[1] > n[0])
		check_fail_at(c, s->a, "%d of %d changes were told later than "
		    "%lld ms after their answer, the last %lld ms", n[1],
		    n[0] + n[1], (long long)most, (long long)late);
}

static void
events_told_subscription(struct ck *c, struct stream *s, const char *name)
{
	char *path = check_text(c, "/accounts/%s/subscriptions",
	    c->run->acct);

	ask_ok(c, ask_do(c, "POST", path, check_text(c, "{\"add\":[\"%s\"]}",
	    name)));
	events_wait(c, s, NULL, 0, "a subscription");
	ask_ok(c, ask_do(c, "POST", path, check_text(c,
	    "{\"remove\":[\"%s\"]}", name)));
	events_wait(c, s, NULL, 0, "the end of a subscription");
}

/* Of a mailbox: no line tells which. */
static void
events_told_annotation(struct ck *c, struct stream *s, struct box *b)
{
	ask_ok(c, ask_do(c, "POST", check_text(c, "/accounts/%s/metadata",
	    c->run->acct), check_text(c, "{\"mailbox\":\"%s\",\"set\":{"
	    "\"/private/comment\":\"x\"}}", b->id)));
	events_wait(c, s, NULL, 0, "an annotation");
}

void
events_account(struct ck *c)
{
	struct stream	*s = ask_events(c, NULL);
	struct box	*b;

	b = ask_box(c, "account");
	events_wait(c, s, NULL, 0, "a new mailbox");
	if (check_has(c, CAP_METADATA))
		events_told_annotation(c, s, b);
	ask_rename(c, b);
	events_wait(c, s, NULL, 0, "a rename");
	b->gone = 1;
	ask_ok(c, ask_do(c, "DELETE", ask_box_path(c, b, ""), NULL));
	events_wait(c, s, NULL, 0, "a deleted mailbox");
	if (check_has(c, CAP_SUBSCRIPTIONS))
		events_told_subscription(c, s, b->name);
}

static void
events_look(struct ck *c, struct stream *s, struct box *b, uint64_t before)
{
	struct val	*line;
	uint64_t	 told = 0, row = 0;

	line = events_wait(c, s, b->id, before + 1, "an upload");
	(void)val_number(line, "modseq", MODSEQ_MAX, &told);
	(void)val_number(ask_box_row(c, b), "modseq", MODSEQ_MAX, &row);
	if (row < told)
		check_fail(c, "modseq %llu was told, and the row has %llu",
		    (unsigned long long)told, (unsigned long long)row);
}

/* The line may come before the answer: who waits for that sees too much. */
void
events_visible(struct ck *c)
{
	struct box	*b = ask_box(c, "visible");
	struct stream	*s = ask_events(c, NULL);
	struct request	 r = { .method = "POST", .path = "/messages",
	    .type = "application/octet-stream" };
	struct net	*n = ask_open(c);
	struct lines	*l;
	struct stored	 st;
	char		*m = ask_new_message(c, 0);
	uint64_t	 before = b->modseq;
	int		 i;

	for (i = 0; i < 10; i++) {
		r.body = ask_upload_body(c, check_text(c, "{\"to\":[{"
		    "\"account\":%s,\"mailbox\":\"%s\"}],"
		    "\"delivery\":false}", c->run->acct_json, b->id), m,
		    strlen(m), &r.len);
		ask_post(c, n, &r);
		if (check_has(c, CAP_MODSEQ))
			events_look(c, s, b, before);
		l = ask_lines(c, ask_answer(c, n, "POST"));
		if (l->n != 1)
			check_fail(c, "the answer has %d rows, not one",
			    l->n);
		ask_stored_row(c, l->a, l->row[0], &st);
		before = st.change.modseq;
		if (net_ended(n))
			n = ask_open(c);
	}
}

/* Behind each cursor there is what came behind it. */
void
events_resume(struct ck *c)
{
	struct box	*a = ask_box(c, "a"), *b = ask_box(c, "b");
	struct stream	*s = ask_events(c, NULL);
	struct stored	*x, *y;
	struct val	*line;
	const char	*cursor;
	char		*m = ask_new_message(c, 0);

	x = ask_store(c, a, "", m, strlen(m));
	line = events_wait(c, s, a->id, x->change.modseq, "an upload");
	cursor = val_text(line, "cursor");
	y = ask_store(c, b, "", m, strlen(m));
	s = ask_events(c, cursor);
	if (strcmp(val_text(s->header, "cursor"), cursor) != 0)
		check_fail_at(c, s->a, "the header's cursor is not that of "
		    "since");
	events_wait(c, s, b->id, y->change.modseq, "what came behind the "
	    "cursor");
	/* and goes on with what is new */
	x = ask_store(c, a, "", m, strlen(m));
	events_wait(c, s, a->id, x->change.modseq, "a change after that");
}

void
events_list(struct ck *c)
{
	struct box	*b = ask_box(c, "cursor");
	struct lines	*l = ask_mailboxes(c);
	const char	*cursor = val_text(l->header, "cursor");
	struct stored	*st;
	struct stream	*s;
	char		*m = ask_new_message(c, 0);

	if (cursor == NULL)
		check_fail(c, "the list's header has no cursor");
	st = ask_store(c, b, "", m, strlen(m));
	s = ask_events(c, cursor);
	events_wait(c, s, b->id, st->change.modseq, "what came after the "
	    "list");
}

/* None may be lost, while several may be told as one. */
void
events_many(struct ck *c)
{
	struct box	*b[BOXES];
	struct stream	*s;
	struct change	*ch;
	uint64_t	 last[BOXES];
	struct uids	 u[BOXES];
	int		 i, k;

	for (k = 0; k < BOXES; k++) {
		b[k] = ask_box(c, "many");
		ask_fill(c, b[k], 1, &u[k]);
	}
	s = ask_events(c, NULL);
	for (i = 0; i < MANY; i++) {
		k = i % BOXES;
		ch = ask_patch(c, b[k], "{\"uids\":\"%u\",\"%s\":[\"$a\"]}",
		    u[k].u[0], i / BOXES % 2 == 0 ? "add" : "remove");
		last[k] = ch->modseq;
	}
	/* behind the last one nothing need come: each begins anew */
	for (k = 0; k < BOXES; k++) {
		s->at = 0;
		events_wait(c, s, b[k]->id, last[k], "the last of 200 "
		    "changes");
	}
}

void
events_two(struct ck *c)
{
	struct box	*b = ask_box(c, "two");
	struct stream	*s = ask_events(c, NULL), *t = ask_events(c, NULL);
	struct stored	*st;
	char		*m = ask_new_message(c, 0);

	st = ask_store(c, b, "", m, strlen(m));
	events_wait(c, s, b->id, st->change.modseq, "an upload");
	events_wait(c, t, b->id, st->change.modseq, "on the second stream, "
	    "an upload");
}

void
events_old(struct ck *c)
{
	struct request	 r = { .method = "GET",
	    .path = "/events?since=no-such-cursor" };
	struct http_body b;
	struct answer	*a;
	struct net	*n = ask_open(c);

	/* who takes it begins a stream without an end */
	a = ask_begin(c, n, &r, &b);
	if (a->status < 400)
		check_fail(c, "it was taken");
	ask_refused(c, ask_get(c, "/events?since=no-such-cursor"),
	    "cursor-too-old");
}

void
events_beat(struct ck *c)
{
	struct stream	*s = ask_events(c, NULL);
	struct val	*line;

	do {
		line = ask_event(c, s, net_now() + BEAT_MS + SLACK_MS);
		if (line == NULL)
			check_fail_at(c, s->a, "the stream was silent for "
			    "%d seconds", (BEAT_MS + SLACK_MS) / 1000);
		events_form(c, s, line);
	} while (val_get(line, "account") != NULL);
}
