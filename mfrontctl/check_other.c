/*
 * Checks of the capabilities that stand alone, and of two accounts.
 */
#include <stdlib.h>
#include <string.h>

#include "check_ask.h"
#include "check_form.h"
#include "check_funcs.h"

#define SUMMARY_MAX	32768

/* recipients */

static struct answer *
other_recipient(struct ck *c, const char *address, const char *more)
{
	return ask_do(c, "POST", "/recipients", check_text(c,
	    "{\"address\":%s%s}", ask_quoted(c, address), more));
}

void
other_recipients(struct ck *c)
{
	struct answer	*a;
	struct val	*v;
	const char	*account, *mailbox;

	a = other_recipient(c, c->run->conf->account,
	    ",\"from\":\"\",\"size\":100");
	if (a->status >= 400) {
		ask_refused(c, a, "unknown-recipient not-permitted "
		    "account-disabled over-quota storage-full too-large");
		check_skip(c, "the account's name is not an address");
	}
	v = ask_json(c, a);
	account = val_text(v, "account");
	mailbox = val_text(v, "mailbox");
	if (account == NULL || !form_account(account, strlen(account)))
		check_fail(c, "there is no account");
	if (mailbox == NULL || !form_id(mailbox, strlen(mailbox)))
		check_fail(c, "there is no id of a mailbox");
	a = ask_get(c, "/accounts/%s/mailboxes/%s", ask_encoded(c, account),
	    mailbox);
	ask_status(c, a, 200);
}

void
other_unknown(struct ck *c)
{
	struct answer *a;

	a = other_recipient(c, check_text(c, "%s@nowhere.invalid",
	    c->run->stem), "");
	if (a->status == 200)
		check_skip(c, "it takes mail for everybody");
	ask_refused(c, a, "unknown-recipient");
	a = other_recipient(c, "x@nowhere.invalid", ",\"colour\":1");
	ask_refused(c, a, "unknown-parameter");
	a = ask_do(c, "POST", "/recipients", "{}");
	ask_refused(c, a, "bad-request");
}

/* subscriptions */

static void
other_subscription(struct ck *c, const char *what, const char *name)
{
	ask_status(c, ask_do(c, "POST", check_text(c,
	    "/accounts/%s/subscriptions", c->run->acct), check_text(c,
	    "{\"%s\":[\"%s\"]}", what, name)), 204);
}

static int
other_is_subscribed(struct ck *c, const char *name, int *exists)
{
	struct lines	*l = ask_mailboxes(c);
	struct val	*v;
	const char	*s;
	int		 i;

	for (i = 0; i < l->n; i++) {
		s = val_text(l->row[i], "name");
		if (s == NULL || strcmp(s, name) != 0)
			continue;
		v = val_typed(l->row[i], "exists", VAL_BOOL);
		*exists = v == NULL || v->n;
		if (!*exists && val_get(l->row[i], "id") != NULL)
			check_fail(c, "what does not exist has an id");
		v = val_typed(l->row[i], "subscribed", VAL_BOOL);
		return v != NULL && v->n;
	}
	*exists = 0;
	return 0;
}

void
other_subscribe(struct ck *c)
{
	struct box	*b = ask_box(c, "subscribe");
	int		 exists;

	if (other_is_subscribed(c, b->name, &exists))
		check_fail(c, "a new mailbox is subscribed");
	other_subscription(c, "add", b->name);
	if (!other_is_subscribed(c, b->name, &exists) || !exists)
		check_fail(c, "it is not subscribed");
	other_subscription(c, "add", b->name);
	other_subscription(c, "remove", b->name);
	if (other_is_subscribed(c, b->name, &exists))
		check_fail(c, "it is still subscribed");
	other_subscription(c, "remove", b->name);
	ask_refused(c, ask_do(c, "POST", check_text(c,
	    "/accounts/%s/subscriptions", c->run->acct),
	    "{\"add\":[],\"colour\":1}"), "unknown-parameter");
}

void
other_stay(struct ck *c)
{
	struct box	*b = ask_box(c, "stay");
	int		 exists, subscribed;

	other_subscription(c, "add", b->name);
	ask_ok(c, ask_do(c, "DELETE", ask_box_path(c, b, ""), NULL));
	b->gone = 1;
	subscribed = other_is_subscribed(c, b->name, &exists);
	other_subscription(c, "remove", b->name);
	if (!subscribed)
		check_fail(c, "it went with its mailbox");
	if (exists)
		check_fail(c, "its row has no \"exists\":false");
	if (other_is_subscribed(c, b->name, &exists))
		check_fail(c, "it cannot be removed");
}

/* What is subscribed is a name: a rename does not take it along. */
void
other_stay_renamed(struct ck *c)
{
	struct box	*b = ask_box(c, "renamed");
	char		*name = b->name;
	int		 exists, old, new;

	other_subscription(c, "add", name);
	ask_rename(c, b);
	old = other_is_subscribed(c, name, &exists);
	new = other_is_subscribed(c, b->name, &exists);
	other_subscription(c, "remove", name);
	other_subscription(c, "remove", b->name);
	if (!old)
		check_fail(c, "the old name is subscribed no more");
	if (new)
		check_fail(c, "the new name is subscribed, which nobody did");
}

/* auth */

static struct answer *
other_password(struct ck *c, const char *user, const char *password)
{
	struct answer *a;

	a = ask_do(c, "POST", "/auth", check_text(c, "{\"mechanism\":"
	    "\"PLAIN\",\"username\":%s,\"password\":%s,\"service\":"
	    "\"imap\",\"remote\":\"192.0.2.7\",\"tls\":true}",
	    ask_quoted(c, user), ask_quoted(c, password)));
	/* what is shown of it must not have the password */
	a->request = "POST auth\n";
	a->requestlen = strlen(a->request);
	return a;
}

void
other_auth_refused(struct ck *c)
{
	struct answer *a;

	a = other_password(c, c->run->stem, "wrong");
	ask_refused(c, a, "bad-credentials");
	ask_status(c, a, 403);
	if (c->run->conf->user != NULL) {
		a = other_password(c, c->run->conf->user, "wrong password");
		ask_refused(c, a, "bad-credentials");
	}
	a = ask_do(c, "POST", "/auth", "{\"mechanism\":\"PLAIN\","
	    "\"username\":\"x\",\"password\":\"x\",\"service\":\"imap\","
	    "\"remote\":\"local\",\"tls\":false,\"colour\":1}");
	ask_refused(c, a, "unknown-parameter");
}

void
other_auth(struct ck *c)
{
	struct answer	*a;
	struct val	*v;
	const char	*account;

	if (c->run->conf->user == NULL)
		check_skip(c, "no user and password were given");
	a = other_password(c, c->run->conf->user, c->run->conf->password);
	v = ask_json(c, a);
	account = val_text(v, "account");
	if (account == NULL || val_text(v, "name") == NULL)
		check_fail(c, "there is no account or no name");
	ask_lines(c, ask_get(c, "/accounts/%s/mailboxes",
	    ask_encoded(c, account)));
}

/* cache */

static struct answer *
other_put(struct ck *c, const char *acct, const char *id, const char *text)
{
	struct request r = { .method = "PUT", .type =
	    "text/plain; charset=utf-8", .body = text };

	r.path = check_text(c, "/accounts/%s/messages/%s/cache", acct, id);
	r.len = strlen(text);
	return ask(c, &r);
}

static const char *
other_summary(struct ck *c, struct box *b, uint32_t uid)
{
	return val_text(ask_message(c, ask_list(c, b, "?fields=uid,cache"
	    "&uids=%u", uid), uid), "cache");
}

/* Asked to be brief, it may give one of two lines, or both. */
static void
other_brief(struct ck *c, struct box *b, const struct stored *st)
{
	const char *s;

	ask_status(c, other_put(c, c->run->acct, st->id, "three\nfour"),
	    204);
	s = other_summary(c, b, st->uid);
	if (s == NULL || strcmp(s, "three\nfour") != 0)
		check_fail(c, "a summary of two lines is another");
	s = val_text(ask_message(c, ask_list(c, b, "?fields=uid,cache"
	    "&brief=1&uids=%u", st->uid), st->uid), "cache");
	if (s == NULL || (strcmp(s, "three") != 0 &&
	    strcmp(s, "three\nfour") != 0))
		check_fail(c, "with brief=1 it is not the first line, nor "
		    "the whole");
}

void
other_cache(struct ck *c)
{
	struct box	*b = ask_box(c, "cache");
	char		*m = ask_new_message(c, 0);
	struct stored	*st, *with;
	const char	*s;

	st = ask_store(c, b, "", m, strlen(m));
	if (other_summary(c, b, st->uid) != NULL)
		check_fail(c, "there is a summary that nobody gave");
	ask_status(c, other_put(c, c->run->acct, st->id, "one \303\244\n"),
	    204);
	s = other_summary(c, b, st->uid);
	if (s == NULL || strcmp(s, "one \303\244\n") != 0)
		check_fail(c, "the summary is another");
	ask_status(c, other_put(c, c->run->acct, st->id, "two"), 204);
	s = other_summary(c, b, st->uid);
	if (s == NULL || strcmp(s, "two") != 0)
		check_fail(c, "the summary was not replaced");
	other_brief(c, b, st);
	m = ask_new_message(c, 0);
	with = ask_store(c, b, "\"cache\":\"given\"", m, strlen(m));
	s = other_summary(c, b, with->uid);
	if (s == NULL || strcmp(s, "given") != 0)
		check_fail(c, "the summary of the upload was not kept");
	ask_refused(c, other_put(c, c->run->acct, "no-such-message", "x"),
	    "no-such-message");
}

void
other_cache_silent(struct ck *c)
{
	struct box	*b = ask_box(c, "silent");
	struct list	*l;
	struct uids	 u;
	const char	*id;

	ask_fill(c, b, 2, &u);
	l = ask_list(c, b, "%s", "");
	id = val_text(ask_message(c, l, u.u[0]), "id");
	ask_ok(c, other_put(c, c->run->acct, id, "quiet"));
	if (ask_list(c, b, "?fields=uid")->modseq != l->modseq)
		check_fail(c, "the mailbox has a new modseq");
	l = ask_list(c, b, "?fields=uid&since=%llu",
	    (unsigned long long)l->modseq);
	if (l->n != 0)
		check_fail(c, "the message is listed as changed");
}

void
other_cache_size(struct ck *c)
{
	struct box	*b = ask_box(c, "size");
	struct list	*l;
	struct uids	 u;
	char		*text = check_alloc(c, SUMMARY_MAX + 1);
	const char	*s;

	memset(text, 'x', SUMMARY_MAX);
	ask_fill(c, b, 1, &u);
	l = ask_list(c, b, "%s", "");
	ask_ok(c, other_put(c, c->run->acct, val_text(ask_message(c, l,
	    u.u[0]), "id"), text));
	s = other_summary(c, b, u.u[0]);
	if (s == NULL || strcmp(s, text) != 0)
		check_fail(c, "it was not kept");
}

/* two accounts */

static struct box *
other_inbox(struct ck *c, const char *acct)
{
	struct lines	*l = ask_lines(c, ask_get(c,
	    "/accounts/%s/mailboxes", acct));
	struct val	*row = ask_mailbox_named(c, l, "INBOX");

	if (row == NULL)
		check_fail(c, "there is no INBOX");
	return ask_box_of(c, row, l->a);
}

static void
other_needed(struct ck *c)
{
	if (c->run->acct2 == NULL)
		check_skip(c, "no second account was given (-A)");
}

/* A mailbox of the second account; deleted by the caller. */
static struct box *
other_box(struct ck *c)
{
	struct answer *a;

	a = ask_do(c, "POST", check_text(c, "/accounts/%s/mailboxes",
	    c->run->acct2), check_text(c, "{\"name\":\"%s\"}",
	    ask_box_name(c, "second")));
	return ask_box_of(c, ask_json(c, a), a);
}

static struct answer *
other_delete(struct ck *c, struct box *b)
{
	return ask_do(c, "DELETE", check_text(c, "/accounts/%s/mailboxes/%s",
	    c->run->acct2, b->id), NULL);
}

/*
 * The same content, by one upload, in both; the summary of the one is not
 * the other's.
 */
void
other_cache_apart(struct ck *c)
{
	struct box	*a, *b;
	struct stored	 x, y;
	struct lines	*l;
	struct answer	*r;
	const char	*s;
	char		*m = ask_new_message(c, 100);

	other_needed(c);
	a = ask_box(c, "apart");
	ask_refused(c, other_put(c, c->run->acct2, ask_store(c, a, "", m,
	    strlen(m))->id, "of the second"), "no-such-message");
	b = other_box(c);
	m = ask_new_message(c, 100);
	l = ask_lines(c, ask_upload(c, check_text(c, "{\"to\":[{\"account\":"
	    "%s,\"mailbox\":\"%s\"},{\"account\":%s,\"mailbox\":\"%s\"}],"
	    "\"delivery\":false}", c->run->acct_json, a->id,
	    c->run->acct2_json, b->id), m, strlen(m), NULL));
	if (l->n != 2)
		check_fail(c, "the answer has %d rows, not 2", l->n);
	ask_stored_row(c, l->a, l->row[0], &x);
	ask_stored_row(c, l->a, l->row[1], &y);
	ask_ok(c, other_put(c, c->run->acct2, y.id, "of the second"));
	s = other_summary(c, a, x.uid);
	r = c->last;
	ask_ok(c, other_delete(c, b));
	if (s != NULL)
		check_fail_at(c, r, "the first account sees \"%s\"", s);
}

/* Each account has ids of its own: one may by chance be in both. */
static int
other_has(struct ck *c, const char *acct, const struct box *b)
{
	struct lines	*l = ask_lines(c, ask_get(c,
	    "/accounts/%s/mailboxes", acct));
	const char	*id;
	int		 i;

	for (i = 0; i < l->n; i++)
		if ((id = val_text(l->row[i], "id")) != NULL &&
		    strcmp(id, b->id) == 0)
			return 1;
	return 0;
}

void
other_apart(struct ck *c)
{
	struct box	*a, *inbox;
	struct stored	*st;
	struct answer	*r;
	char		*m = ask_new_message(c, 100);

	other_needed(c);
	a = ask_box(c, "apart");
	if (other_has(c, c->run->acct2, a))
		check_skip(c, "both accounts have a mailbox with this id");
	st = ask_store(c, a, "", m, strlen(m));
	inbox = other_inbox(c, c->run->acct2);
	r = ask_get(c, "/accounts/%s/messages/%s", c->run->acct2, st->id);
	ask_refused(c, r, "no-such-message");
	r = ask_get(c, "/accounts/%s/mailboxes/%s", c->run->acct2, a->id);
	ask_refused(c, r, "no-such-mailbox");
	r = ask_get(c, "/accounts/%s/mailboxes/%s/messages", c->run->acct2,
	    a->id);
	ask_refused(c, r, "no-such-mailbox");
	r = ask_do(c, "POST", check_text(c, "/accounts/%s/mailboxes/%s"
	    "/expunge", c->run->acct2, a->id),
	    "{\"uids\":\"1:4294967295\",\"only_if_flag\":null}");
	ask_refused(c, r, "no-such-mailbox");
	if (check_has(c, CAP_COPY) && !other_has(c, c->run->acct, inbox)) {
		r = ask_do(c, "POST", ask_box_path(c, a, "/copy"),
		    check_text(c, "{\"uids\":\"%u\",\"to\":\"%s\","
		    "\"move\":false}", st->uid, inbox->id));
		ask_refused(c, r, "no-such-target");
	}
	if (ask_list(c, a, "?fields=uid")->n != 1)
		check_fail(c, "the second account removed the first one's "
		    "message");
}

/* In a mailbox of the second account: the content, and a part of it. */
static void
other_append(struct ck *c, const struct box *b, const char *id,
    struct answer **r)
{
	const char *path = check_text(c, "/accounts/%s/mailboxes/%s/messages",
	    c->run->acct2, b->id);

	r[0] = ask_do(c, "POST", path, check_text(c,
	    "{\"append\":[{\"id\":\"%s\"}]}", id));
	r[1] = ask_do(c, "POST", path, check_text(c,
	    "{\"append\":[{\"parts\":[{\"id\":\"%s\",\"offset\":0,"
	    "\"length\":1}]}]}", id));
}

/* Neither a message's content nor an upload, as a whole or as a part. */
void
other_batch_apart(struct ck *c)
{
	struct box	*a, *b;
	struct answer	*r[4], *got;
	const char	*blob, *id;
	char		*m = ask_new_message(c, 100);
	int		 i;

	other_needed(c);
	a = ask_box(c, "apart");
	id = ask_store(c, a, "", m, strlen(m))->id;
	m = ask_new_message(c, 100);
	blob = ask_blob(c, m, strlen(m));
	b = other_box(c);
	other_append(c, b, id, r);
	other_append(c, b, blob, r + 2);
	got = ask_get(c, "/accounts/%s/messages/%s", c->run->acct2, blob);
	ask_ok(c, other_delete(c, b));
	for (i = 0; i < 4; i++)
		ask_refused(c, r[i], "no-such-blob");
	ask_refused(c, got, "no-such-message");
}

void
other_subscriptions_apart(struct ck *c)
{
	char		*name = ask_box_name(c, "apart");
	struct lines	*l;
	const char	*s;
	int		 i;

	other_needed(c);
	other_subscription(c, "add", name);
	l = ask_lines(c, ask_get(c, "/accounts/%s/mailboxes",
	    c->run->acct2));
	other_subscription(c, "remove", name);
	for (i = 0; i < l->n; i++)
		if ((s = val_text(l->row[i], "name")) != NULL &&
		    strcmp(s, name) == 0)
			check_fail_at(c, l->a, "the second account has "
			    "subscribed to it, too");
}

static struct answer *
other_annotate(struct ck *c, const char *acct, const char *json)
{
	return ask_do(c, "POST", check_text(c, "/accounts/%s/metadata",
	    acct), json);
}

/* Those of an account itself, and of another's mailbox. */
void
other_metadata_apart(struct ck *c)
{
	struct box	*a;
	struct lines	*l;
	struct answer	*r;
	const char	*s;
	char		*entry;
	int		 i;

	other_needed(c);
	entry = check_text(c, ENTRY_STEM "%s", ask_box_name(c, "apart"));
	ask_ok(c, other_annotate(c, c->run->acct, check_text(c,
	    "{\"set\":{\"%s\":\"of the first\"}}", entry)));
	l = ask_lines(c, ask_get(c, "/accounts/%s/metadata?mailbox=",
	    c->run->acct2));
	ask_ok(c, other_annotate(c, c->run->acct, check_text(c,
	    "{\"set\":{\"%s\":null}}", entry)));
	for (i = 0; i < l->n; i++)
		if ((s = val_text(l->row[i], "entry")) != NULL &&
		    strcmp(s, entry) == 0)
			check_fail_at(c, l->a, "the second account has %s, "
			    "too", entry);
	a = ask_box(c, "apart");
	if (other_has(c, c->run->acct2, a))
		return;
	r = other_annotate(c, c->run->acct2, check_text(c,
	    "{\"mailbox\":\"%s\",\"set\":{\"/private/comment\":\"x\"}}",
	    a->id));
	ask_refused(c, r, "no-such-mailbox");
}

void
other_keys_apart(struct ck *c)
{
	struct request	 r = { .method = "POST" };
	struct answer	*a;
	struct box	*b, *d;

	other_needed(c);
	r.key = ask_key(c);
	r.body = check_text(c, "{\"name\":\"%s\"}", ask_box_name(c, "key"));
	r.len = strlen(r.body);
	r.path = check_text(c, "/accounts/%s/mailboxes", c->run->acct);
	a = ask(c, &r);
	b = ask_box_of(c, ask_json(c, a), a);
	b->next = c->boxes;
	c->boxes = b;
	r.path = check_text(c, "/accounts/%s/mailboxes", c->run->acct2);
	a = ask(c, &r);
	ask_status(c, a, 201);
	d = ask_box_of(c, ask_json(c, a), a);
	a = ask_get(c, "/accounts/%s/mailboxes/%s", c->run->acct2, d->id);
	ask_ok(c, other_delete(c, d));
	ask_status(c, a, 200);
}
