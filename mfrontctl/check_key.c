/*
 * Checks of Idempotency-Key.
 */
#include <string.h>

#include "check_ask.h"
#include "check_funcs.h"
#include "log.h"

#define AT_ONCE		8

static struct answer *
key_ask(struct ck *c, const char *method, const char *path, const char *body,
    const char *key)
{
	struct request r = { .method = method, .path = path, .body = body,
	    .key = key };

	r.len = body != NULL ? strlen(body) : 0;
	return ask(c, &r);
}

/* As key_ask(), of what is no JSON. */
static struct answer *
key_bytes(struct ck *c, const char *method, const char *path,
    const char *fields, const char *body, const char *key)
{
	struct request r = { .method = method, .path = path, .body = body,
	    .fields = fields, .key = key,
	    .type = "application/octet-stream" };

	r.len = body != NULL ? strlen(body) : 0;
	return ask(c, &r);
}

static char *
key_line(struct ck *c, const struct box *b)
{
	return check_text(c, "{\"to\":[{\"account\":%s,\"mailbox\":\"%s\"}],"
	    "\"delivery\":false}", c->run->acct_json, b->id);
}

static void
key_same(struct ck *c, struct answer *a, struct answer *b)
{
	if (a->status != b->status || a->len != b->len ||
	    memcmp(a->body, b->body, a->len) != 0)
		check_fail_at(c, b, "the repeat has another answer");
}

static void
key_messages(struct ck *c, struct box *b, uint32_t n)
{
	struct list *l = ask_list(c, b, "?fields=uid");

	if (l->n != n)
		check_fail(c, "there are %u messages, not %u", l->n, n);
}

void
key_once(struct ck *c)
{
	struct box	*b = ask_box(c, "once");
	char		*key = ask_key(c), *s = ask_new_message(c, 100);
	struct answer	*first, *again;
	int		 i;

	first = ask_upload(c, key_line(c, b), s, strlen(s), key);
	ask_lines(c, first);
	for (i = 0; i < 2; i++) {
		again = ask_upload(c, key_line(c, b), s, strlen(s), key);
		key_same(c, first, again);
		net_close(c->net);
		c->net = NULL;
	}
	key_messages(c, b, 1);
}

/* Asks twice; the second answer is the first. */
static struct answer *
key_twice(struct ck *c, const char *method, const char *path,
    const char *body)
{
	char		*key = ask_key(c);
	struct answer	*a = key_ask(c, method, path, body, key);

	ask_ok(c, a);
	key_same(c, a, key_ask(c, method, path, body, key));
	return a;
}

void
key_changes(struct ck *c)
{
	struct box	*b = ask_box(c, "changes"), *made;
	char		*boxes, *name = ask_box_name(c, "made");
	struct answer	*a;
	struct uids	 u;

	ask_fill(c, b, 4, &u);
	key_twice(c, "PATCH", ask_box_path(c, b, "/messages"), check_text(c,
	    "{\"uids\":\"%u\",\"add\":[\"$a\"]}", u.u[0]));
	key_twice(c, "POST", ask_box_path(c, b, "/expunge"), check_text(c,
	    "{\"uids\":\"%u\",\"only_if_flag\":null}", u.u[1]));
	boxes = check_text(c, "/accounts/%s/mailboxes", c->run->acct);
	a = key_twice(c, "POST", boxes, check_text(c, "{\"name\":\"%s\"}",
	    name));
	made = ask_box_of(c, ask_json(c, a), a);
	made->next = c->boxes;
	c->boxes = made;
	if (check_has(c, CAP_COPY)) {
		key_twice(c, "POST", ask_box_path(c, b, "/copy"),
		    check_text(c, "{\"uids\":\"%u\",\"to\":\"%s\","
		    "\"move\":false}", u.u[2], made->id));
		key_messages(c, made, 1);
	}
	key_twice(c, "POST", check_text(c, "%s/rename", boxes),
	    check_text(c, "{\"from\":\"%s\",\"to\":\"%s-2\"}", name, name));
	a = NULL;
	made = ask_box_of(c, ask_mailbox_named(c, ask_mailboxes(c),
	    check_text(c, "%s-2", name)), c->last);
	c->boxes->gone = 1;
	key_twice(c, "DELETE", ask_box_path(c, made, ""), NULL);
	key_messages(c, b, 3);
}

void
key_batch(struct ck *c)
{
	struct box	*b = ask_box(c, "batch");
	char		*key = ask_key(c), *s = ask_new_message(c, 0), *path;
	struct answer	*a;

	path = check_text(c, "/accounts/%s/blobs", c->run->acct);
	a = key_bytes(c, "POST", path, NULL, s, key);
	ask_status(c, a, 201);
	key_same(c, a, key_bytes(c, "POST", path, NULL, s, key));
	ask_refused(c, key_bytes(c, "POST", path, NULL,
	    ask_new_message(c, 0), key), "key-reused");
	key_twice(c, "POST", ask_box_path(c, b, "/messages"), check_text(c,
	    "{\"append\":[{\"id\":\"%s\"}]}", val_text(ask_json(c, a),
	    "id")));
	key_messages(c, b, 1);
}

/* A repeat comes when others have gone on already. */
void
key_dict(struct ck *c)
{
	static const char	 none[] = "If-None-Match: *\r\n";
	char			*key = ask_key(c), *drop = ask_key(c), *path;
	struct answer		*first, *again, *got, *gone;

	path = check_text(c, "/accounts/%s/dict/%s", c->run->acct,
	    ask_box_name(c, "key"));
	first = key_bytes(c, "PUT", path, none, "one", key);
	ask_ok(c, first);
	ask_ok(c, key_bytes(c, "PUT", path, NULL, "two", ask_key(c)));
	again = key_bytes(c, "PUT", path, none, "one", key);
	got = ask_get(c, "%s", path);
	gone = key_bytes(c, "DELETE", path, NULL, NULL, drop);
	ask_status(c, gone, 204);
	key_same(c, gone, key_bytes(c, "DELETE", path, NULL, NULL, drop));
	key_same(c, first, again);
	if (got->len != 3 || memcmp(got->body, "two", 3) != 0)
		check_fail_at(c, got, "the repeat was done");
}

void
key_metadata(struct ck *c)
{
	struct box	*b = ask_box(c, "metadata");
	char		*key = ask_key(c), *path, *one;
	struct answer	*first;
	struct lines	*l;
	const char	*s;

	path = check_text(c, "/accounts/%s/metadata", c->run->acct);
	one = check_text(c, "{\"mailbox\":\"%s\",\"set\":{"
	    "\"/private/comment\":\"one\"}}", b->id);
	first = key_ask(c, "POST", path, one, key);
	ask_ok(c, first);
	ask_ok(c, ask_do(c, "POST", path, check_text(c, "{\"mailbox\":"
	    "\"%s\",\"set\":{\"/private/comment\":\"two\"}}", b->id)));
	key_same(c, first, key_ask(c, "POST", path, one, key));
	l = ask_lines(c, ask_get(c, "%s?mailbox=%s", path, b->id));
	if (l->n != 1 || (s = val_text(l->row[0], "value")) == NULL ||
	    strcmp(s, "two") != 0)
		check_fail(c, "the repeat was done");
}

void
key_subscriptions(struct ck *c)
{
	char		*name = ask_box_name(c, "subscribed"), *key = ask_key(c);
	char		*path, *add, *gone;
	struct answer	*first, *again;
	struct lines	*l;
	const char	*s;
	int		 i;

	path = check_text(c, "/accounts/%s/subscriptions", c->run->acct);
	add = check_text(c, "{\"add\":[\"%s\"]}", name);
	gone = check_text(c, "{\"remove\":[\"%s\"]}", name);
	first = key_ask(c, "POST", path, add, key);
	ask_ok(c, first);
	ask_ok(c, ask_do(c, "POST", path, gone));
	again = key_ask(c, "POST", path, add, key);
	l = ask_mailboxes(c);
	ask_ok(c, ask_do(c, "POST", path, gone));
	key_same(c, first, again);
	for (i = 0; i < l->n; i++)
		if ((s = val_text(l->row[i], "name")) != NULL &&
		    strcmp(s, name) == 0)
			check_fail_at(c, l->a, "the repeat was done");
}

void
key_reused(struct ck *c)
{
	struct box	*b = ask_box(c, "reused"), *d = ask_box(c, "other");
	char		*key = ask_key(c), *s = ask_new_message(c, 0);
	struct answer	*a;
	struct uids	 u;

	ask_lines(c, ask_upload(c, key_line(c, b), s, strlen(s), key));
	a = ask_upload(c, key_line(c, b), s, strlen(s) - 3, key);
	ask_refused(c, a, "key-reused");
	ask_status(c, a, 422);
	a = ask_upload(c, key_line(c, d), s, strlen(s), key);
	ask_refused(c, a, "key-reused");
	key_messages(c, b, 1);
	key_messages(c, d, 0);
	ask_fill(c, d, 1, &u);
	key = ask_key(c);
	ask_ok(c, key_ask(c, "PATCH", ask_box_path(c, d, "/messages"),
	    "{\"uids\":\"1\",\"add\":[\"$a\"]}", key));
	a = key_ask(c, "PATCH", ask_box_path(c, d, "/messages"),
	    "{\"uids\":\"1\",\"add\":[\"$b\"]}", key);
	ask_refused(c, a, "key-reused");
	a = key_ask(c, "PATCH", ask_box_path(c, b, "/messages"),
	    "{\"uids\":\"1\",\"add\":[\"$a\"]}", key);
	ask_refused(c, a, "key-reused");
	a = key_ask(c, "DELETE", ask_box_path(c, d, ""), NULL, key);
	ask_refused(c, a, "key-reused");
	if (ask_has_flag(ask_message(c, ask_list(c, d, "?fields=uid,flags"),
	    u.u[0]), "$b"))
		check_fail(c, "a refused request was done");
}

void
key_refused(struct ck *c)
{
	struct box	*b = ask_box(c, "refused");
	char		*bad[2], *s = ask_new_message(c, 0);
	struct uids	 u;
	size_t		 i;

	bad[0] = check_text(c, "%0256d", 1);
	bad[1] = check_text(c, "%s and more", ask_key(c));
	ask_fill(c, b, 1, &u);
	for (i = 0; i < 2; i++) {
		ask_refused(c, ask_upload(c, key_line(c, b), s, strlen(s),
		    bad[i]), "bad-request");
		ask_refused(c, key_ask(c, "PATCH", ask_box_path(c, b,
		    "/messages"), check_text(c, "{\"uids\":\"%u\",\"add\":["
		    "\"$a\"]}", u.u[0]), bad[i]), "bad-request");
		ask_refused(c, key_ask(c, "DELETE", ask_box_path(c, b, ""),
		    NULL, bad[i]), "bad-request");
	}
	key_messages(c, b, 1);
	if (ask_has_flag(ask_message(c, ask_list(c, b, "?fields=uid,flags"),
	    u.u[0]), "$a"))
		check_fail(c, "a refused request was done");
	/* the longest that is one */
	ask_lines(c, ask_upload(c, key_line(c, b), s, strlen(s), check_text(c,
	    "%s%s", bad[0] + 33, ask_key(c))));
}

void
key_failure(struct ck *c)
{
	char		*key = ask_key(c), *name = ask_box_name(c, "later");
	char		*boxes, *body;
	struct box	*b;
	struct answer	*a;

	boxes = check_text(c, "/accounts/%s/mailboxes", c->run->acct);
	body = check_text(c, "{\"name\":\"%s\"}", name);
	b = ask_box_of(c, ask_json(c, ask_do(c, "POST", boxes, body)),
	    c->last);
	b->next = c->boxes;
	c->boxes = b;
	ask_refused(c, key_ask(c, "POST", boxes, body, key), "exists");
	ask_ok(c, ask_do(c, "DELETE", ask_box_path(c, b, ""), NULL));
	b->gone = 1;
	/* the same request, which can be done now */
	a = key_ask(c, "POST", boxes, body, key);
	if (a->status >= 400)
		check_fail(c, "a repeat of what failed was refused with %s",
		    a->code);
	b = ask_box_of(c, ask_json(c, a), a);
	b->next = c->boxes;
	c->boxes = b;
}

void
key_other(struct ck *c)
{
	struct box	*b = ask_box(c, "other");
	char		*s = ask_new_message(c, 0);
	struct stored	*x, *y;

	x = ask_store(c, b, "", s, strlen(s));
	y = ask_store(c, b, "", s, strlen(s));
	if (x->uid == y->uid)
		check_fail(c, "two messages have the uid %u", x->uid);
	key_messages(c, b, 2);
}

/* many at once */

struct key_thread {
	struct ck	 c;
	pthread_t	 thread;
	struct box	*box;
	const char	*key;
	const char	*data;
	uint32_t	 uid;
	int		 busy;		/* was told key-in-progress */
};

static _Thread_local struct key_thread *key_running;

static void
key_upload(struct ck *c)
{
	struct key_thread	*t = key_running;
	struct stored		 st;
	struct answer		*a;
	struct lines		*l;

	a = ask_upload(c, key_line(c, t->box), t->data, strlen(t->data),
	    t->key);
	if (a->status == 409 && strcmp(a->code, "key-in-progress") == 0) {
		t->busy = 1;
		return;
	}
	l = ask_lines(c, a);
	if (l->n != 1)
		check_fail(c, "the answer has %d rows, not one", l->n);
	ask_stored_row(c, a, l->row[0], &st);
	t->uid = st.uid;
}

static void *
key_main(void *arg)
{
	key_running = arg;
	check_try(&key_running->c, key_upload);
	return NULL;
}

void
key_concurrent(struct ck *c)
{
	struct key_thread	*t;
	struct box		*b = ask_box(c, "concurrent");
	uint32_t		 uid = 0;
	int			 i, failed = 0;

	t = check_alloc(c, sizeof(*t) * AT_ONCE);
	for (i = 0; i < AT_ONCE; i++) {
		check_init(&t[i].c, c->run, c->check);
		t[i].box = b;
		t[i].key = i == 0 ? ask_key(c) : t[0].key;
		t[i].data = i == 0 ? ask_new_message(c, 5000) : t[0].data;
		if (pthread_create(&t[i].thread, NULL, key_main, &t[i]) != 0)
			fatalx("cannot make a thread");
	}
	for (i = 0; i < AT_ONCE; i++) {
		pthread_join(t[i].thread, NULL);
		failed |= t[i].c.verdict == CHECK_FAILED;
		check_fini(&t[i].c);
	}
	if (failed)
		check_fail(c, "a repeat failed");
	key_messages(c, b, 1);
	for (i = 0; i < AT_ONCE; i++) {
		if (!t[i].busy && uid != 0 && t[i].uid != uid)
			check_fail(c, "one was told uid %u, another %u", uid,
			    t[i].uid);
		if (!t[i].busy)
			uid = t[i].uid;
	}
}

/* Under a key each row is remembered alone. */
void
key_index(struct ck *c)
{
	struct box	*b = ask_box(c, "index");
	char		*key = ask_key(c), *s = ask_new_message(c, 0);
	char		*line;
	struct lines	*l, *again;

	line = check_text(c, "{\"to\":[{\"account\":%s,\"mailbox\":\"%s\"},"
	    "{\"account\":%s,\"mailbox\":\"no-such-1\"}],"
	    "\"delivery\":false}", c->run->acct_json, b->id,
	    c->run->acct_json);
	l = ask_lines(c, ask_upload(c, line, s, strlen(s), key));
	again = ask_lines(c, ask_upload(c, line, s, strlen(s), key));
	if (l->n != 2 || again->n != 2)
		check_fail(c, "the answer has %d rows, not 2", again->n);
	if (!val_equal(l->row[0], again->row[0]))
		check_fail(c, "the stored row is another one now");
	if (val_text(again->row[1], "code") == NULL)
		check_fail(c, "the other row has no code");
	key_messages(c, b, 1);
}
