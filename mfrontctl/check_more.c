/*
 * Checks of small values, quota, annotations, ids, saved dates and keys of
 * passwords.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base64.h"
#include "check_ask.h"
#include "check_form.h"
#include "check_funcs.h"
#include "rfcdate.h"

#define DICT_TRIED	((size_t)1 << 20)	/* bytes of a value */

/* dict */

static struct answer *
more_value(struct ck *c, const char *method, const char *acct,
    const char *key, const char *fields, const char *data, size_t len)
{
	struct request r = { .method = method, .fields = fields,
	    .body = data, .len = len, .type = "application/octet-stream" };

	r.path = check_text(c, "/accounts/%s/dict/%s", acct, key);
	return ask(c, &r);
}

static char *
more_key(struct ck *c, const char *word)
{
	return ask_box_name(c, word);
}

static struct answer *
more_put(struct ck *c, const char *key, const char *fields, const char *data)
{
	return more_value(c, "PUT", c->run->acct, key, fields, data,
	    strlen(data));
}

static struct answer *
more_get(struct ck *c, const char *key)
{
	return more_value(c, "GET", c->run->acct, key, NULL, NULL, 0);
}

static void
more_drop(struct ck *c, const char *key)
{
	ask_status(c, more_value(c, "DELETE", c->run->acct, key, NULL, NULL,
	    0), 204);
}

static const char *
more_etag(struct ck *c, struct answer *a)
{
	const char *etag = val_text(ask_json(c, a), "etag");

	if (etag == NULL)
		check_fail(c, "the answer has no etag");
	return etag;
}

void
more_dict(struct ck *c)
{
	static const char bytes[] = "\0\377 \r\n{\"x\":1}";
	char		*key = more_key(c, "dict");
	struct answer	*a;
	const char	*one;

	ask_refused(c, more_get(c, key), "no-such-entry");
	one = more_etag(c, more_value(c, "PUT", c->run->acct, key, NULL,
	    bytes, sizeof(bytes)));
	a = more_get(c, key);
	ask_status(c, a, 200);
	if (a->len != sizeof(bytes) ||
	    memcmp(a->body, bytes, sizeof(bytes)) != 0)
		check_fail(c, "other bytes are there than were put");
	if (strstr(a->head, check_text(c, "\"%s\"", one)) == NULL)
		check_fail(c, "ETag is not that of the put");
	if (strcmp(more_etag(c, more_put(c, key, NULL, "")), one) == 0)
		check_fail(c, "another value has the same etag");
	a = more_get(c, key);
	more_drop(c, key);
	if (a->len != 0)
		check_fail_at(c, a, "the value was not replaced");
	ask_refused(c, more_get(c, key), "no-such-entry");
	ask_refused(c, more_value(c, "DELETE", c->run->acct, key, NULL, NULL,
	    0), "no-such-entry");
}

void
more_dict_compare(struct ck *c)
{
	char		*key = more_key(c, "compare");
	const char	*etag, *next;
	struct answer	*a;

	a = more_put(c, key, "If-Match: \"0123456789abcdef\"\r\n", "x");
	ask_refused(c, a, "changed");
	etag = more_etag(c, more_put(c, key, "If-None-Match: *\r\n", "one"));
	a = more_put(c, key, "If-None-Match: *\r\n", "two");
	ask_refused(c, a, "changed");
	next = more_etag(c, more_put(c, key, check_text(c,
	    "If-Match: \"%s\"\r\n", etag), "three"));
	a = more_put(c, key, check_text(c, "If-Match: \"%s\"\r\n", etag),
	    "four");
	ask_refused(c, a, "changed");
	a = more_value(c, "DELETE", c->run->acct, key, check_text(c,
	    "If-Match: \"%s\"\r\n", etag), NULL, 0);
	ask_refused(c, a, "changed");
	a = more_get(c, key);
	if (a->len != 5 || memcmp(a->body, "three", 5) != 0)
		check_fail(c, "a refused put was done");
	ask_status(c, more_value(c, "DELETE", c->run->acct, key,
	    check_text(c, "If-Match: \"%s\"\r\n", next), NULL, 0), 204);
}

void
more_dict_list(struct ck *c)
{
	char		*stem = more_key(c, "list");
	struct lines	*l;
	const char	*key;
	uint64_t	 n;
	int		 i;

	for (i = 2; i >= 0; i--)
		ask_ok(c, more_put(c, check_text(c, "%s.%d", stem, i), NULL,
		    "four"));
	l = ask_lines(c, ask_get(c, "/accounts/%s/dict?prefix=%s.",
	    c->run->acct, stem));
	for (i = 0; i < 3; i++)
		more_drop(c, check_text(c, "%s.%d", stem, i));
	c->last = l->a;
	if (l->n != 3)
		check_fail(c, "%d keys are listed, not 3", l->n);
	for (i = 0; i < 3; i++) {
		key = val_text(l->row[i], "key");
		if (key == NULL || strcmp(key, check_text(c, "%s.%d", stem,
		    i)) != 0)
			check_fail(c, "row %d is not of the key %s.%d", i,
			    stem, i);
		if (val_text(l->row[i], "etag") == NULL ||
		    !val_number(l->row[i], "size", 10, &n) || n != 4)
			check_fail(c, "row %d has no etag or not the size 4",
			    i);
	}
}

/* What is announced as the size of a value, if we have the patience. */
static size_t
more_dict_room(struct ck *c)
{
	struct val	*details;
	uint64_t	 n;

	details = val_get(val_get(c->run->doc, "capabilities"), "dict");
	if (!val_number(details, "keys", MODSEQ_MAX, &n) || n < 1000)
		check_fail_at(c, NULL, "keys of the details is not 1000 or "
		    "more");
	if (!val_number(details, "value", MODSEQ_MAX, &n) || n < 65536)
		check_fail_at(c, NULL, "value of the details is not 65536 "
		    "or more");
	return n < DICT_TRIED ? (size_t)n : DICT_TRIED;
}

void
more_dict_size(struct ck *c)
{
	char		*key = more_key(c, "size"), *data;
	size_t		 len = more_dict_room(c);
	struct answer	*put, *got;

	data = check_alloc(c, len + 1);
	memset(data, 'x', len);
	data[len - 1] = 'y';
	put = more_put(c, key, NULL, data);
	got = more_get(c, key);
	if (put->status < 300)
		more_drop(c, key);
	ask_ok(c, put);
	if (got->len != len || memcmp(got->body, data, len) != 0)
		check_fail_at(c, got, "%zu bytes were put, and others or "
		    "%zu are there", len, got->len);
}

void
more_dict_apart(struct ck *c)
{
	char		*key = more_key(c, "apart");
	struct answer	*a;

	if (c->run->acct2 == NULL)
		check_skip(c, "no second account was given (-A)");
	ask_ok(c, more_put(c, key, NULL, "of the first"));
	a = more_value(c, "GET", c->run->acct2, key, NULL, NULL, 0);
	more_drop(c, key);
	c->last = a;
	ask_refused(c, a, "no-such-entry");
}

/* quota */

static struct val *
more_roots(struct ck *c)
{
	struct val *v;

	v = val_typed(ask_json(c, ask_get(c, "/accounts/%s/quota",
	    c->run->acct)), "roots", VAL_ARRAY);
	if (v == NULL)
		check_fail(c, "there are no roots");
	return v;
}

static void
more_resource(struct ck *c, struct val *root, const char *name)
{
	struct val	*v = val_get(root, name), *limit;
	uint64_t	 n;

	if (v == NULL)
		return;
	limit = val_get(v, "limit");
	if (!val_number(v, "used", MODSEQ_MAX, &n))
		check_fail(c, "%s has no used", name);
	if (limit == NULL || (limit->type != VAL_NULL &&
	    !val_number(v, "limit", MODSEQ_MAX, &n)))
		check_fail(c, "%s has no limit", name);
}

void
more_quota(struct ck *c)
{
	struct val *root;

	for (root = more_roots(c)->first; root != NULL; root = root->next) {
		if (val_text(root, "name") == NULL)
			check_fail(c, "a root has no name");
		if (val_get(root, "storage") == NULL &&
		    val_get(root, "messages") == NULL)
			check_fail(c, "a root has neither storage nor "
			    "messages");
		more_resource(c, root, "storage");
		more_resource(c, root, "messages");
	}
}

struct used {
	uint64_t	n[2];		/* storage, messages: of all roots */
	int		known[2];
};

static const char *const resources[2] = { "storage", "messages" };

static struct used
more_used(struct ck *c)
{
	struct used	 u = { { 0, 0 }, { 0, 0 } };
	struct val	*root;
	uint64_t	 n;
	int		 i;

	for (root = more_roots(c)->first; root != NULL; root = root->next)
		for (i = 0; i < 2; i++)
			if (val_number(val_get(root, resources[i]), "used",
			    MODSEQ_MAX, &n)) {
				u.n[i] += n;
				u.known[i] = 1;
			}
	return u;
}

void
more_quota_used(struct ck *c)
{
	struct box	*b = ask_box(c, "quota");
	char		*m = ask_new_message(c, 3000);
	struct used	 was = more_used(c), with, without;
	struct answer	*a;
	int		 i;

	if (more_roots(c)->count == 0)
		check_skip(c, "there are no roots");
	ask_store(c, b, "", m, strlen(m));
	with = more_used(c);
	a = c->last;
	ask_expunge(c, b, "1:4294967295", NULL);
	without = more_used(c);
	for (i = 0; i < 2; i++) {
		if (with.known[i] && with.n[i] <= was.n[i])
			check_fail_at(c, a, "%s has not grown by a message",
			    resources[i]);
		if (with.known[i] && without.n[i] >= with.n[i])
			check_fail(c, "%s is not less without the message",
			    resources[i]);
	}
}

/* metadata */

static struct answer *
more_annotate(struct ck *c, const struct box *b, const char *set)
{
	return ask_do(c, "POST", check_text(c, "/accounts/%s/metadata",
	    c->run->acct), check_text(c, "{\"mailbox\":\"%s\","
	    "\"set\":{%s}}", b->id, set));
}

/* The text of an entry, NULL: there is none. */
static const char *
more_entry(struct ck *c, const struct box *b, const char *entry)
{
	struct lines	*l;
	const char	*s;
	int		 i;

	l = ask_lines(c, ask_get(c, "/accounts/%s/metadata?mailbox=%s",
	    c->run->acct, b->id));
	for (i = 0; i < l->n; i++) {
		s = val_text(l->row[i], "entry");
		if (s == NULL)
			check_fail(c, "a row has no entry");
		if (strcmp(s, entry) == 0)
			return val_text(l->row[i], "value");
	}
	return NULL;
}

static void
more_entry_is(struct ck *c, const struct box *b, const char *entry,
    const char *value)
{
	const char *s = more_entry(c, b, entry);

	if (value == NULL ? s != NULL : s == NULL || strcmp(s, value) != 0)
		check_fail(c, "%s is %s%s%s", entry, s != NULL ? "\"" : "",
		    s != NULL ? s : "not there", s != NULL ? "\"" : "");
}

void
more_metadata(struct ck *c)
{
	struct box	*b = ask_box(c, "metadata");

	ask_status(c, more_annotate(c, b, "\"/private/comment\":"
	    "\"one \\u00e4\",\"/shared/vendor/check\":\"x\""), 204);
	more_entry_is(c, b, "/private/comment", "one \303\244");
	more_entry_is(c, b, "/shared/vendor/check", "x");
	ask_status(c, more_annotate(c, b, "\"/private/Comment\":\"two\","
	    "\"/shared/vendor/check\":null"), 204);
	more_entry_is(c, b, "/private/comment", "two");
	more_entry_is(c, b, "/shared/vendor/check", NULL);
	/* it goes along */
	ask_rename(c, b);
	more_entry_is(c, b, "/private/comment", "two");
}

void
more_metadata_once(struct ck *c)
{
	struct box *b = ask_box(c, "at-once");

	ask_refused(c, more_annotate(c, b, "\"/private/comment\":\"x\","
	    "\"no/such\":\"x\""), "bad-request");
	more_entry_is(c, b, "/private/comment", NULL);
	ask_refused(c, ask_do(c, "POST", check_text(c,
	    "/accounts/%s/metadata", c->run->acct), check_text(c,
	    "{\"mailbox\":\"%s\",\"set\":{},\"colour\":1}", b->id)),
	    "unknown-parameter");
	ask_refused(c, ask_do(c, "POST", check_text(c,
	    "/accounts/%s/metadata", c->run->acct),
	    "{\"mailbox\":\"no-such-1\",\"set\":{\"/private/a\":\"x\"}}"),
	    "no-such-mailbox");
}

/* ids and dates */

void
more_objectid(struct ck *c)
{
	struct val	*details, *flag;
	struct box	*b;
	const char	*id, *after;

	details = val_get(val_get(c->run->doc, "capabilities"), "objectid");
	flag = val_typed(details, "mailbox", VAL_BOOL);
	if (flag == NULL || !flag->n)
		check_skip(c, "mailboxes have none");
	b = ask_box(c, "objectid");
	id = val_text(ask_box_row(c, b), "objectid");
	if (id == NULL || !form_id(id, strlen(id)))
		check_fail(c, "the row has no good objectid");
	ask_rename(c, b);
	after = val_text(ask_box_row(c, b), "objectid");
	if (after == NULL || strcmp(after, id) != 0)
		check_fail(c, "it is another after the rename");
}

/* What a message's row has if it is asked for; NULL: null. */
static const char *
more_thread(struct ck *c, const struct box *b, uint32_t uid)
{
	struct val	*row;
	const char	*id;

	row = ask_message(c, ask_list(c, b, "?fields=uid,threadid"), uid);
	if (val_get(row, "threadid") == NULL ||
	    val_typed(row, "threadid", VAL_NULL) != NULL)
		return NULL;
	id = val_text(row, "threadid");
	if (id == NULL || !form_id(id, strlen(id)))
		check_fail(c, "uid %u has no good threadid", uid);
	return id;
}

static int
more_same(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

void
more_threadid(struct ck *c)
{
	struct box	*b = ask_box(c, "threadid");
	struct val	*flag;
	struct stored	*one, *two;
	struct copied	*cp;
	char		*m = ask_new_message(c, 0);
	const char	*id;

	flag = val_typed(val_get(val_get(c->run->doc, "capabilities"),
	    "objectid"), "thread", VAL_BOOL);
	one = ask_store(c, b, "", m, strlen(m));
	two = ask_store(c, b, "", m, strlen(m));
	id = more_thread(c, b, one->uid);
	if ((flag == NULL || !flag->n) && id != NULL)
		check_fail(c, "a message has one, which is not announced");
	if (!more_same(id, more_thread(c, b, two->uid)))
		check_fail(c, "the same content is in another conversation");
	if (val_get(ask_message(c, ask_list(c, b, "%s", ""), one->uid),
	    "threadid") != NULL)
		check_fail(c, "it is there without being asked for");
	if (!check_has(c, CAP_COPY))
		return;
	cp = ask_copy(c, b, check_text(c, "%u", one->uid), b, 0);
	if (cp->tos.n != 1 || !more_same(id, more_thread(c, b,
	    cp->tos.u[0])))
		check_fail(c, "a copy is in another conversation");
}

static int64_t
more_saved(struct ck *c, const struct box *b, uint32_t uid)
{
	struct rfcdate	 d;
	const char	*s;

	s = val_text(ask_message(c, ask_list(c, b,
	    "?fields=uid,savedate"), uid), "savedate");
	if (s == NULL || rfcdate_parse_3339(&d, s, strlen(s)) == -1)
		check_fail(c, "uid %u has no savedate", uid);
	return d.t;
}

void
more_savedate(struct ck *c)
{
	struct box	*b = ask_box(c, "savedate");
	char		*m = ask_new_message(c, 0);
	struct stored	*st;
	struct copied	*cp;
	int64_t		 now = time(NULL);

	st = ask_store(c, b, "\"date\":\"2001-02-03T04:05:06Z\"", m,
	    strlen(m));
	if (llabs((long long)(more_saved(c, b, st->uid) - now)) > 86400)
		check_fail(c, "a message that was just stored is of another "
		    "day");
	if (val_get(ask_message(c, ask_list(c, b, "%s", ""), st->uid),
	    "savedate") != NULL)
		check_fail(c, "it is there without being asked for");
	if (!check_has(c, CAP_COPY))
		return;
	cp = ask_copy(c, b, check_text(c, "%u", st->uid), b, 0);
	if (cp->tos.n != 1 || more_saved(c, b, cp->tos.u[0]) <
	    more_saved(c, b, st->uid))
		check_fail(c, "a copy was saved before its original");
}

/* scram */

static struct val *
more_keys(struct ck *c, const char *user)
{
	return ask_json(c, ask_do(c, "POST", "/scram", check_text(c,
	    "{\"username\":%s,\"mechanism\":\"SCRAM-SHA-256\","
	    "\"service\":\"imap\",\"remote\":\"192.0.2.7\",\"tls\":true}",
	    ask_quoted(c, user))));
}

static void
more_decoded(struct ck *c, struct val *v, const char *name, ssize_t least,
    ssize_t most)
{
	const char	*s = val_text(v, name);
	char		 out[256];
	ssize_t		 n = -1;

	if (s != NULL && strlen(s) < sizeof(out))
		n = base64_decode((uint8_t *)out, sizeof(out), s, strlen(s));
	if (n < least || n > most)
		check_fail(c, "%s is not so many bytes in base64", name);
}

void
more_scram(struct ck *c)
{
	struct val	*v = more_keys(c, c->run->stem), *again;
	uint64_t	 n;

	more_decoded(c, v, "salt", 4, 64);
	more_decoded(c, v, "stored_key", 32, 32);
	more_decoded(c, v, "server_key", 32, 32);
	if (!val_number(v, "iterations", 100000000, &n) || n < 4096)
		check_fail(c, "iterations are fewer than 4096");
	if (val_text(v, "account") == NULL || val_text(v, "name") == NULL)
		check_fail(c, "there is no account or no name");
	again = more_keys(c, c->run->stem);
	if (!val_equal(val_get(v, "salt"), val_get(again, "salt")))
		check_fail(c, "nobody has another salt each time, and so is "
		    "known to be nobody");
	ask_refused(c, ask_do(c, "POST", "/scram", "{\"username\":\"x\","
	    "\"mechanism\":\"SCRAM-SHA-999\"}"), "bad-request");
}
