/* Messages and contents, as they are read. */
#include <string.h>

#include "log.h"
#include "scramkeys.h"
#include "store_int.h"

static const enum store_query store_scans[] = {
	[STORE_FLAGS] = Q_MESSAGES_FLAGS,
	[STORE_ROWS] = Q_MESSAGES,
	[STORE_CACHE] = Q_MESSAGES_CACHE,
};

static int
store_rnd(sqlite3_stmt *st, int col, uint8_t *rnd)
{
	const void *p = sqlite3_column_blob(st, col);

	if (p == NULL || sqlite3_column_bytes(st, col) != NAME_RND)
		return -1;
	memcpy(rnd, p, NAME_RND);
	return 0;
}

static int
store_msg_row(sqlite3_stmt *st, enum store_want what, struct store_msg *m)
{
	m->uid = (uint32_t)sqlite3_column_int64(st, 0);
	m->flags = sqlite3_column_int64(st, 1);
	m->modseq = (uint64_t)sqlite3_column_int64(st, 2);
	if (what == STORE_FLAGS)
		return 0;
	m->content.no = sqlite3_column_int64(st, 3);
	if (store_rnd(st, 4, m->content.rnd) == -1) {
		log_warnx("store: message %u without its id", m->uid);
		return -1;
	}
	m->size = (uint64_t)sqlite3_column_int64(st, 5);
	m->date = sqlite3_column_int64(st, 6);
	m->saved = sqlite3_column_int64(st, 7);
	if (what == STORE_CACHE)
		m->cache = s_text(st, 8, &m->cachelen);
	return 0;
}

int
store_messages(struct store *s, const struct store_scan *scan,
    store_msg_cb cb, void *arg)
{
	struct store_msg	 m;
	sqlite3_stmt		*st;
	int			 r;

	if ((r = s_read(s)) != ST_OK)
		return r;
	if ((st = s_query(s, store_scans[scan->what],
	    scan->what == STORE_CACHE ? "iiii" : "iii", scan->mailbox,
	    (int64_t)scan->lo, (int64_t)scan->hi, scan->account)) == NULL)
		return s_error(s);
	memset(&m, 0, sizeof(m));
	while ((r = s_step(s, st)) == 1) {
		if (store_msg_row(st, scan->what, &m) == -1) {
			sqlite3_reset(st);
			return ST_INTERNAL;
		}
		if (cb(arg, &m)) {
			sqlite3_reset(st);
			return ST_OK;
		}
	}
	return r == 0 ? ST_OK : s_error(s);
}

/*
 * Only what the account has, or had until a short while ago.  The data is
 * good until the next call or the end of the read transaction.
 */
int
store_content(struct store *s, const char *account,
    const struct content_id *id, struct store_content *c)
{
	sqlite3_stmt	*st;
	uint8_t		 rnd[NAME_RND];
	int64_t		 no;
	int		 r;

	if ((r = s_read(s)) != ST_OK)
		return r;
	if ((st = s_query(s, Q_CONTENT, "ti", account, id->no)) == NULL)
		return s_error(s);
	if ((r = s_step(s, st)) == -1)
		return s_error(s);
	if (r == 0)
		return store_account(s, account, &no) == ST_NO_SUCH_ACCOUNT ?
		    ST_NO_SUCH_ACCOUNT : ST_NO_SUCH_MESSAGE;
	if (store_rnd(st, 2, rnd) == -1 ||
	    memcmp(rnd, id->rnd, NAME_RND) != 0) {
		sqlite3_reset(st);
		return ST_NO_SUCH_MESSAGE;
	}
	c->size = (uint64_t)sqlite3_column_int64(st, 0);
	c->data = sqlite3_column_blob(st, 1);
	/* an empty content is no NULL of SQL, but its blob is one of C */
	if (c->data == NULL && sqlite3_column_type(st, 1) != SQLITE_NULL)
		c->data = "";
	s_hold(s, st);
	return ST_OK;
}

int
store_has_file(struct store *s, const uint8_t *rnd)
{
	int64_t n;

	if (s_read(s) != ST_OK || s_number(s, &n, Q_CONTENT_RND, "b",
	    (const void *)rnd, (size_t)NAME_RND) != ST_OK)
		return -1;
	return n != 0;
}

int
store_user(struct store *s, const char *name, const char **account,
    const char **hash)
{
	sqlite3_stmt	*st;
	size_t		 len;
	int		 r;

	if ((r = s_read(s)) != ST_OK)
		return r;
	if ((st = s_query(s, Q_USER, "t", name)) == NULL)
		return s_error(s);
	if ((r = s_step(s, st)) == -1)
		return s_error(s);
	if (r == 0)
		return ST_BAD_CREDENTIALS;
	*account = s_text(st, 0, &len);
	*hash = s_text(st, 1, &len);
	s_hold(s, st);
	return ST_OK;
}

/* Bytes of exactly that length. */
static int
store_bytes(sqlite3_stmt *st, int col, uint8_t *out, size_t len)
{
	const void *p = sqlite3_column_blob(st, col);

	if (p == NULL || (size_t)sqlite3_column_bytes(st, col) != len)
		return -1;
	memcpy(out, p, len);
	return 0;
}

int
store_scram(struct store *s, const char *name, const char **account,
    struct scramkeys *k)
{
	sqlite3_stmt	*st;
	size_t		 len;
	int		 r;

	if ((r = s_read(s)) != ST_OK)
		return r;
	if ((st = s_query(s, Q_SCRAM, "t", name)) == NULL)
		return s_error(s);
	if ((r = s_step(s, st)) != 1)
		return r == 0 ? ST_BAD_CREDENTIALS : s_error(s);
	*account = s_text(st, 0, &len);
	k->iterations = (uint32_t)sqlite3_column_int64(st, 1);
	k->saltlen = (size_t)sqlite3_column_bytes(st, 2);
	s_hold(s, st);
	return k->saltlen <= sizeof(k->salt) &&
	    store_bytes(st, 2, k->salt, k->saltlen) == 0 &&
	    store_bytes(st, 3, k->stored, sizeof(k->stored)) == 0 &&
	    store_bytes(st, 4, k->server, sizeof(k->server)) == 0 ?
	    ST_OK : ST_INTERNAL;
}

int
store_scram_all(struct store *s)
{
	int64_t users, missing;

	if (s_read(s) != ST_OK ||
	    s_number(s, &users, Q_USER_COUNT, "") != ST_OK ||
	    s_number(s, &missing, Q_SCRAM_MISSING, "") != ST_OK)
		return -1;
	return users > 0 && missing == 0;
}

int
store_secret(struct store *s, uint8_t *secret)
{
	sqlite3_stmt	*st;
	int		 r;

	if ((r = s_read(s)) != ST_OK)
		return r;
	if ((st = s_query(s, Q_META, "t", "secret")) == NULL)
		return s_error(s);
	if ((r = s_step(s, st)) != 1)
		return r == 0 ? ST_INTERNAL : s_error(s);
	r = store_bytes(st, 0, secret, STORE_SECRET);
	sqlite3_reset(st);
	return r == 0 ? ST_OK : ST_INTERNAL;
}

int
store_recipient(struct store *s, const char *address, const char **account,
    struct mbox_id *inbox)
{
	sqlite3_stmt	*st;
	size_t		 len;
	int		 r;

	if ((r = s_read(s)) != ST_OK)
		return r;
	if ((st = s_query(s, Q_RECIPIENT, "t", address)) == NULL)
		return s_error(s);
	if ((r = s_step(s, st)) == -1)
		return s_error(s);
	if (r == 0)
		return ST_UNKNOWN_RECIPIENT;
	*account = s_text(st, 0, &len);
	inbox->no = sqlite3_column_int64(st, 1);
	inbox->uidvalidity = (uint32_t)sqlite3_column_int64(st, 2);
	s_hold(s, st);
	return ST_OK;
}
