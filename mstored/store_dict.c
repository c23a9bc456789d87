/* Values that the frontend keeps here, metadata of mailboxes, quotas. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store_int.h"

/* dict */

/* Never the same again, so that no old value is taken for a new one. */
static void
dict_new_etag(char *etag)
{
	uint64_t v;

	arc4random_buf(&v, sizeof(v));
	snprintf(etag, STORE_ETAG, "%016llx", (unsigned long long)v);
}

int
store_dict_get(struct store *s, const char *account, const char *key,
    struct store_entry *e)
{
	sqlite3_stmt	*st;
	int64_t		 no;
	size_t		 len;
	int		 r;

	if ((r = store_account(s, account, &no)) != ST_OK)
		return r;
	if ((st = s_query(s, Q_DICT, "it", no, key)) == NULL)
		return s_error(s);
	if ((r = s_step(s, st)) != 1)
		return r == 0 ? ST_NO_SUCH_ENTRY : s_error(s);
	e->key = key;
	strlcpy(e->etag, s_text(st, 0, &len), sizeof(e->etag));
	e->value = sqlite3_column_blob(st, 1);
	e->size = (size_t)sqlite3_column_bytes(st, 1);
	s_hold(s, st);
	return ST_OK;
}

/* Is the value the one that the client has seen? */
static int
dict_condition(struct store *s, int64_t account, const char *key,
    const struct store_if *c, int64_t *no)
{
	sqlite3_stmt	*st;
	size_t		 len;
	int		 r, same = 0;

	*no = 0;
	if ((st = s_query(s, Q_DICT_ETAG, "it", account, key)) == NULL)
		return s_error(s);
	if ((r = s_step(s, st)) == -1)
		return s_error(s);
	if (r == 1) {
		*no = sqlite3_column_int64(st, 0);
		same = strcmp(s_text(st, 1, &len), c->etag) == 0;
		sqlite3_reset(st);
	}
	if ((c->what == STORE_IF_NONE && *no != 0) ||
	    (c->what == STORE_IF_MATCH && !same))
		return ST_CHANGED;
	return ST_OK;
}

static int
dict_room(struct store *s, int64_t account, size_t len)
{
	int64_t	n, bytes;
	int	r;

	if ((r = s_number(s, &n, Q_DICT_COUNT, "i", account)) != ST_OK ||
	    (r = s_number(s, &bytes, Q_DICT_BYTES, "i", account)) != ST_OK)
		return r;
	return n >= STORE_DICT_KEYS ||
	    bytes + (int64_t)len > s->conf.dict_bytes ? ST_OVER_QUOTA : ST_OK;
}

int
store_dict_put(struct store *s, int64_t account, const char *key,
    const struct store_if *c, const void *value, size_t len, char *etag)
{
	int64_t	no;
	int	r;

	if ((r = dict_condition(s, account, key, c, &no)) != ST_OK)
		return r;
	if (no != 0 && (r = s_run(s, Q_DICT_DEL, "i", no)) != ST_OK)
		return r;
	if ((r = dict_room(s, account, len)) != ST_OK)
		return r;
	dict_new_etag(etag);
	return s_run(s, Q_DICT_PUT, "ittib", account, key, etag,
	    (int64_t)len, len > 0 ? value : (const void *)"", len);
}

int
store_dict_del(struct store *s, int64_t account, const char *key,
    const struct store_if *c)
{
	int64_t	no;
	int	r;

	if ((r = dict_condition(s, account, key, c, &no)) != ST_OK)
		return r;
	return no != 0 ? s_run(s, Q_DICT_DEL, "i", no) : ST_NO_SUCH_ENTRY;
}

int
store_dict_list(struct store *s, int64_t account, const char *prefix,
    const char *after, store_entry_cb cb, void *arg)
{
	struct store_entry	 e;
	sqlite3_stmt		*st;
	size_t			 len;
	int			 r;

	if ((r = s_read(s)) != ST_OK)
		return r;
	if ((st = s_query(s, Q_DICT_LIST, "itt", account, after,
	    prefix)) == NULL)
		return s_error(s);
	memset(&e, 0, sizeof(e));
	while ((r = s_step(s, st)) == 1) {
		e.key = s_text(st, 0, &len);
		strlcpy(e.etag, s_text(st, 1, &len), sizeof(e.etag));
		e.size = (size_t)sqlite3_column_int64(st, 2);
		if (cb(arg, &e)) {
			sqlite3_reset(st);
			return ST_OK;
		}
	}
	return r == 0 ? ST_OK : s_error(s);
}

/* metadata */

int
store_metadata_list(struct store *s, int64_t account, int64_t mailbox,
    const struct store_metadata *after, store_metadata_cb cb, void *arg)
{
	struct store_metadata	 m;
	sqlite3_stmt		*st;
	int			 r;

	if ((r = s_read(s)) != ST_OK)
		return r;
	if ((st = s_query(s, Q_METADATA, "iiti", account, after->mailbox.no,
	    after->entry, mailbox)) == NULL)
		return s_error(s);
	while ((r = s_step(s, st)) == 1) {
		m.mailbox.no = sqlite3_column_int64(st, 0);
		m.mailbox.uidvalidity = (uint32_t)sqlite3_column_int64(st, 1);
		m.entry = s_text(st, 2, &m.entrylen);
		m.value = sqlite3_column_blob(st, 3);
		m.size = (size_t)sqlite3_column_bytes(st, 3);
		if (cb(arg, &m)) {
			sqlite3_reset(st);
			return ST_OK;
		}
	}
	return r == 0 ? ST_OK : s_error(s);
}

int
store_metadata_set(struct store *s, int64_t account,
    const struct mbox_id *id, const char *entry, const void *value,
    size_t len)
{
	struct store_mailbox	m;
	int64_t			n;
	int			r;

	if (id->no != 0 && (r = s_mailbox(s, Q_MAILBOX_CHANGE, account, id,
	    &m)) != ST_OK)
		return r;
	if (value == NULL)
		return s_run(s, Q_METADATA_DEL, "iit", account, id->no,
		    entry);
	if ((r = s_run(s, Q_METADATA_PUT, "iitb", account, id->no, entry,
	    value, len)) != ST_OK ||
	    (r = s_number(s, &n, Q_METADATA_COUNT, "ii", account,
	    id->no)) != ST_OK)
		return r;
	return n > STORE_METADATA ? ST_OVER_QUOTA : ST_OK;
}

/* quotas */

static uint64_t
quota_limit(sqlite3_stmt *st, int col, int64_t all)
{
	int64_t v = all > 0 ? all : -1;

	if (sqlite3_column_type(st, col) != SQLITE_NULL)
		v = sqlite3_column_int64(st, col);
	return v < 0 ? STORE_NO_LIMIT : (uint64_t)v;
}

static int
quota_limits(struct store *s, int64_t account, struct store_quota *q)
{
	sqlite3_stmt	*st;
	int		 r;

	if ((st = s_query(s, Q_QUOTA, "i", account)) == NULL)
		return s_error(s);
	if ((r = s_step(s, st)) != 1)
		return r == 0 ? ST_NO_SUCH_ACCOUNT : s_error(s);
	q->size_limit = quota_limit(st, 0, s->conf.quota_size);
	q->count_limit = quota_limit(st, 1, s->conf.quota_count);
	sqlite3_reset(st);
	return ST_OK;
}

static int
quota_used(struct store *s, int64_t account, struct store_quota *q)
{
	sqlite3_stmt	*st;
	int		 r;

	if ((st = s_query(s, Q_QUOTA_USED, "i", account)) == NULL)
		return s_error(s);
	if ((r = s_step(s, st)) != 1)
		return s_error(s);
	q->size = (uint64_t)sqlite3_column_int64(st, 0);
	q->count = (uint64_t)sqlite3_column_int64(st, 1);
	sqlite3_reset(st);
	return ST_OK;
}

int
store_quota(struct store *s, const char *name, struct store_quota *q)
{
	int64_t	account;
	int	r;

	if ((r = store_account(s, name, &account)) != ST_OK ||
	    (r = quota_limits(s, account, q)) != ST_OK)
		return r;
	return quota_used(s, account, q);
}

static int
quota_fits(uint64_t used, uint64_t more, uint64_t limit)
{
	return limit == STORE_NO_LIMIT || (used <= limit &&
	    more <= limit - used);
}

/* What is used is only looked for where there is a limit. */
int
s_quota_room(struct store *s, int64_t account, uint64_t size, uint64_t count)
{
	struct store_quota	q;
	int			r;

	if ((r = quota_limits(s, account, &q)) != ST_OK)
		return r;
	if (q.size_limit == STORE_NO_LIMIT && q.count_limit == STORE_NO_LIMIT)
		return ST_OK;
	if ((r = quota_used(s, account, &q)) != ST_OK)
		return r;
	return quota_fits(q.size, size, q.size_limit) &&
	    quota_fits(q.count, count, q.count_limit) ? ST_OK :
	    ST_OVER_QUOTA;
}

int
store_quota_room(struct store *s, const char *name, uint64_t size)
{
	int64_t	account;
	int	r;

	if ((r = store_account(s, name, &account)) != ST_OK)
		return r;
	return s_quota_room(s, account, size, 1);
}
