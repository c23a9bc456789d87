#include <sys/stat.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sqlite3.h>

#include "index.h"
#include "log.h"
#include "store.h"

#define INDEX_FILE	"index.db"
#define INDEX_VERSION	1
#define INDEX_BITS	36	/* of a content's number in a row's */
#define INDEX_GRAMS	16	/* of a text that are asked for */
#define INDEX_EXPR	(INDEX_GRAMS * 32 + 64)
/* in the text of a content that is not all there: always proposed */
#define INDEX_CUT	"\001\001\001"

enum index_query {
	I_BEGIN, I_COMMIT, I_ROLLBACK, I_META, I_META_PUT,
	I_TEXT_PUT, I_TEXT_FIND, I_KEYS_PUT, I_KEYS, I_MAX
};

struct index {
	sqlite3		*db;
	sqlite3_stmt	*st[I_MAX];
	int64_t		 done;
	int64_t		 count;
	int64_t		 added;		/* by the transaction that runs */
	uint32_t	 epoch;
	struct ibuf	 text;		/* work space */
};

static const char *const index_sql[I_MAX] = {
	[I_BEGIN] = "BEGIN IMMEDIATE",
	[I_COMMIT] = "COMMIT",
	[I_ROLLBACK] = "ROLLBACK",
	[I_META] = "SELECT value FROM meta WHERE name = ?",
	[I_META_PUT] = "REPLACE INTO meta VALUES (?, ?)",
	[I_TEXT_PUT] = "INSERT INTO text (rowid, head, body) "
	    "VALUES (?, ?, ?)",
	[I_TEXT_FIND] = "SELECT rowid FROM text WHERE text MATCH ? "
	    "AND rowid BETWEEN ? AND ? ORDER BY rowid LIMIT ?",
	[I_KEYS_PUT] = "REPLACE INTO keys VALUES "
	    "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
	[I_KEYS] = "SELECT date, reply, t0, t1, t2, t3, t4, t5, id, refs "
	    "FROM keys WHERE content = ?",
};

/*
 * A trigram is what a part of a word can be found by.  The text itself is
 * not kept (content=''), nor where in it a trigram stands.
 */
static const char index_schema[] =
	"CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;"
	"CREATE VIRTUAL TABLE text USING fts5 (head, body, content = '', "
	    "columnsize = 0, detail = column, "
	    "tokenize = 'trigram case_sensitive 1');"
	"CREATE TABLE keys (content INTEGER PRIMARY KEY, date INTEGER, "
	    "reply INTEGER NOT NULL, t0 TEXT, t1 TEXT, t2 TEXT, t3 TEXT, "
	    "t4 TEXT, t5 TEXT, id BLOB, refs BLOB);";

static int
index_error(struct index *x)
{
	log_warnx("index: %s", sqlite3_errmsg(x->db));
	return -1;
}

static sqlite3_stmt *
index_stmt(struct index *x, enum index_query q)
{
	if (x->st[q] == NULL)
		(void)sqlite3_prepare_v3(x->db, index_sql[q], -1,
		    SQLITE_PREPARE_PERSISTENT, &x->st[q], NULL);
	return x->st[q];
}

/* One that gives no rows. */
static int
index_step(struct index *x, sqlite3_stmt *st)
{
	int r;

	if (st == NULL)
		return index_error(x);
	r = sqlite3_step(st);
	if (sqlite3_reset(st) != SQLITE_OK)
		return index_error(x);
	return r == SQLITE_DONE || r == SQLITE_ROW ? 0 : -1;
}

static int
index_run(struct index *x, enum index_query q)
{
	return index_step(x, index_stmt(x, q));
}

static int64_t
index_meta(struct index *x, const char *name)
{
	sqlite3_stmt	*st;
	int64_t		 v = -1;

	if ((st = index_stmt(x, I_META)) == NULL)
		return -1;
	sqlite3_bind_text(st, 1, name, -1, SQLITE_STATIC);
	if (sqlite3_step(st) == SQLITE_ROW)
		v = sqlite3_column_int64(st, 0);
	sqlite3_reset(st);
	return v;
}

static int
index_meta_put(struct index *x, const char *name, int64_t v)
{
	sqlite3_stmt *st;

	if ((st = index_stmt(x, I_META_PUT)) == NULL)
		return index_error(x);
	sqlite3_bind_text(st, 1, name, -1, SQLITE_STATIC);
	sqlite3_bind_int64(st, 2, v);
	return index_step(x, st);
}

/* opening */

static void
index_shut(struct index *x)
{
	int i;

	for (i = 0; i < I_MAX; i++) {
		sqlite3_finalize(x->st[i]);
		x->st[i] = NULL;
	}
	sqlite3_close(x->db);
	x->db = NULL;
}

static int
index_exec(struct index *x, const char *sql)
{
	return sqlite3_exec(x->db, sql, NULL, NULL, NULL) == SQLITE_OK ?
	    0 : -1;
}

static int
index_make(struct index *x)
{
	if (index_exec(x, index_schema) == -1 ||
	    index_meta_put(x, "version", INDEX_VERSION) == -1 ||
	    index_meta_put(x, "epoch", x->epoch) == -1 ||
	    index_meta_put(x, "count", 0) == -1)
		return -1;
	return index_meta_put(x, "done", 0);
}

/* What is there may be another store's, or damaged: then it is not used. */
static int
index_try(struct index *x, int cache_kb)
{
	char	sql[80];
	mode_t	old;
	int	r;

	old = umask(077);
	r = sqlite3_open_v2(INDEX_FILE, &x->db, SQLITE_OPEN_READWRITE |
	    SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
	umask(old);
	snprintf(sql, sizeof(sql), "PRAGMA cache_size = %d", -cache_kb);
	if (r != SQLITE_OK ||
	    index_exec(x, "PRAGMA journal_mode = WAL") == -1 ||
	    index_exec(x, "PRAGMA synchronous = NORMAL") == -1 ||
	    index_exec(x, "PRAGMA temp_store = MEMORY") == -1 ||
	    index_exec(x, "PRAGMA journal_size_limit = 16777216") == -1 ||
	    index_exec(x, "PRAGMA wal_autocheckpoint = 4000") == -1 ||
	    index_exec(x, sql) == -1)
		return -1;
	if (index_meta(x, "version") == -1 && index_make(x) == -1)
		return -1;
	if (index_meta(x, "version") != INDEX_VERSION ||
	    index_meta(x, "epoch") != x->epoch)
		return -1;
	x->done = index_meta(x, "done");
	x->count = index_meta(x, "count");
	return x->done < 0 || x->count < 0 ? -1 : 0;
}

static int
index_remove(void)
{
	static const char *const names[] = { INDEX_FILE, INDEX_FILE "-wal",
	    INDEX_FILE "-shm" };
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		(void)unlink(names[i]);
	return 0;
}

struct index *
index_open(uint32_t epoch, int cache_kb, int reader)
{
	struct index *x;

	if ((x = calloc(1, sizeof(*x))) == NULL)
		return NULL;
	x->epoch = epoch;
	ibuf_init(&x->text, INDEX_HEAD + INDEX_BODY + 64);
	if (index_try(x, cache_kb) == 0)
		return x;
	/* others have it open: it is not theirs to remove */
	if (!reader) {
		index_shut(x);
		(void)index_remove();
		if (index_try(x, cache_kb) == 0)
			return x;
	}
	(void)index_error(x);
	index_close(x);
	return NULL;
}

void
index_close(struct index *x)
{
	if (x == NULL)
		return;
	index_shut(x);
	ibuf_fini(&x->text);
	free(x);
}

int
index_reset(struct index *x)
{
	if (index_exec(x, "BEGIN IMMEDIATE") == -1)
		return index_error(x);
	if (index_exec(x, "INSERT INTO text (text) VALUES ('delete-all')") ==
	    -1 || index_exec(x, "DELETE FROM keys") == -1 ||
	    index_meta_put(x, "done", 0) == -1 ||
	    index_meta_put(x, "count", 0) == -1 ||
	    index_exec(x, "COMMIT") == -1) {
		(void)index_error(x);
		(void)index_exec(x, "ROLLBACK");
		return -1;
	}
	x->done = x->count = 0;
	return 0;
}

int64_t
index_done(const struct index *x)
{
	return x->done;
}

void
index_refresh(struct index *x)
{
	x->done = index_meta(x, "done");
	x->count = index_meta(x, "count");
}

int64_t
index_count(const struct index *x)
{
	return x->count;
}

/* filling */

int
index_begin(struct index *x)
{
	x->added = 0;
	return index_run(x, I_BEGIN);
}

void
index_rollback(struct index *x)
{
	if (!sqlite3_get_autocommit(x->db))
		(void)index_run(x, I_ROLLBACK);
}

int
index_commit(struct index *x, int64_t done)
{
	if ((done > 0 && index_meta_put(x, "done", done) == -1) ||
	    index_meta_put(x, "count", x->count + x->added) == -1 ||
	    index_run(x, I_COMMIT) == -1) {
		index_rollback(x);
		return -1;
	}
	if (done > 0)
		x->done = done;
	x->count += x->added;
	return 0;
}

static int64_t
index_row(int64_t account, int64_t content)
{
	return account * (INT64_C(1) << INDEX_BITS) + content;
}

static void
index_bind(sqlite3_stmt *st, int i, const struct ibuf *b)
{
	sqlite3_bind_text(st, i, ibuf_size(b) > 0 ?
	    (const char *)ibuf_data(b) : "", (int)ibuf_size(b),
	    SQLITE_STATIC);
}

int
index_add_text(struct index *x, int64_t account, int64_t content,
    const struct ibuf *head, const struct ibuf *body, int cut)
{
	sqlite3_stmt *st;

	if ((st = index_stmt(x, I_TEXT_PUT)) == NULL)
		return index_error(x);
	ibuf_truncate(&x->text, 0);
	if (ibuf_add_ibuf(&x->text, body) == -1 ||
	    (cut && ibuf_adds(&x->text, "\n" INDEX_CUT) == -1))
		return -1;
	sqlite3_bind_int64(st, 1, index_row(account, content));
	index_bind(st, 2, head);
	index_bind(st, 3, &x->text);
	x->added++;
	return index_step(x, st);
}

int
index_add_keys(struct index *x, int64_t content, const struct msgkeys *k)
{
	const struct ibuf	*refs = msgkeys_refs(k);
	sqlite3_stmt		*st;
	int			 i;

	if ((st = index_stmt(x, I_KEYS_PUT)) == NULL)
		return index_error(x);
	sqlite3_bind_int64(st, 1, content);
	if (k->dated)
		sqlite3_bind_int64(st, 2, store_date(&k->date));
	else
		sqlite3_bind_null(st, 2);
	sqlite3_bind_int(st, 3, k->reply);
	for (i = 0; i < MSGKEY_MAX; i++)
		index_bind(st, 4 + i, &k->text[i]);
	index_bind(st, 4 + MSGKEY_MAX, &k->id);
	index_bind(st, 5 + MSGKEY_MAX, refs);
	return index_step(x, st);
}

/* finding */

static size_t
gram_count(const struct ibuf *text)
{
	const uint8_t	*p = ibuf_data(text);
	size_t		 i, n = 0;

	for (i = 0; i < ibuf_size(text); i++)
		n += (p[i] & 0xc0) != 0x80;
	return n > 2 ? n - 2 : 0;
}

/* The three characters at p, quoted; returns p behind the first. */
static const char *
gram_put(struct ibuf *b, const char *p, const char *end, int put)
{
	const char	*q = p, *next = NULL;
	int		 n;

	if (put)
		(void)ibuf_add_n8(b, '"');
	for (n = 0; n < 3 && q < end; n++) {
		do {
			if (put && *q == '"')
				(void)ibuf_add_n8(b, '"');
			if (put)
				(void)ibuf_add_n8(b, (uint8_t)*q);
			q++;
		} while (q < end && (*q & 0xc0) == 0x80);
		if (next == NULL)
			next = q;
	}
	if (put)
		(void)ibuf_add_n8(b, '"');
	return next;
}

/*
 * What to look for: so many trigrams of the text, spread over it.  The
 * buffer is large enough for them.
 */
static void
index_expr(struct ibuf *b, const struct ibuf *text, int head)
{
	const char	*p = (const char *)ibuf_data(text);
	const char	*end = p + ibuf_size(text);
	size_t		 i, n = gram_count(text), k = 0, step;

	step = (n + INDEX_GRAMS - 1) / INDEX_GRAMS;
	(void)ibuf_adds(b, head ? "(head : (" : "((");
	for (i = 0; i < n; i++) {
		if (i % step == 0 && k++ > 0)
			(void)ibuf_adds(b, " AND ");
		p = gram_put(b, p, end, i % step == 0);
	}
	(void)ibuf_adds(b, ")) OR \"" INDEX_CUT "\"");
}

static int
hits_add(int64_t **hits, size_t *n, size_t *cap, int64_t v)
{
	int64_t *p;

	if (*n == *cap) {
		*cap = *cap > 0 ? *cap * 2 : 256;
		if ((p = reallocarray(*hits, *cap, sizeof(*p))) == NULL)
			return -1;
		*hits = p;
	}
	(*hits)[(*n)++] = v;
	return 0;
}

static int
index_hits(struct index *x, sqlite3_stmt *st, int64_t base, int64_t **hits,
    size_t *n)
{
	size_t	cap = 0;
	int	r;

	while ((r = sqlite3_step(st)) == SQLITE_ROW)
		if (hits_add(hits, n, &cap,
		    sqlite3_column_int64(st, 0) - base) == -1)
			break;
	if (sqlite3_reset(st) != SQLITE_OK)
		return index_error(x);
	if (r == SQLITE_DONE && *n <= INDEX_HITS)
		return 1;
	/* too many to be of use */
	return r == SQLITE_DONE ? 0 : -1;
}

int
index_find(struct index *x, int64_t account, const struct ibuf *text,
    int head, int64_t **hits, size_t *n)
{
	sqlite3_stmt	*st;
	struct ibuf	 expr;
	int64_t		 base = index_row(account, 0);
	int		 r;

	*hits = NULL;
	*n = 0;
	if (gram_count(text) == 0)
		return 0;
	if ((st = index_stmt(x, I_TEXT_FIND)) == NULL)
		return index_error(x);
	ibuf_init(&expr, INDEX_EXPR);
	index_expr(&expr, text, head);
	index_bind(st, 1, &expr);
	sqlite3_bind_int64(st, 2, base);
	sqlite3_bind_int64(st, 3, base + (INT64_C(1) << INDEX_BITS) - 1);
	sqlite3_bind_int64(st, 4, INDEX_HITS + 1);
	r = index_hits(x, st, base, hits, n);
	ibuf_fini(&expr);
	if (r != 1) {
		free(*hits);
		*hits = NULL;
		*n = 0;
	}
	return r;
}

static int
keys_column(struct ibuf *b, sqlite3_stmt *st, int i)
{
	const void *p = sqlite3_column_blob(st, i);

	return ibuf_add(b, p != NULL ? p : "",
	    (size_t)sqlite3_column_bytes(st, i));
}

static int
keys_row(struct msgkeys *k, sqlite3_stmt *st)
{
	int i;

	k->dated = sqlite3_column_type(st, 0) != SQLITE_NULL;
	if (k->dated)
		store_undate(&k->date, sqlite3_column_int64(st, 0));
	k->reply = sqlite3_column_int(st, 1);
	for (i = 0; i < MSGKEY_MAX; i++)
		if (keys_column(&k->text[i], st, 2 + i) == -1)
			return -1;
	if (keys_column(&k->id, st, 2 + MSGKEY_MAX) == -1)
		return -1;
	return keys_column(&k->refs, st, 3 + MSGKEY_MAX);
}

int
index_get_keys(struct index *x, int64_t content, struct msgkeys *k)
{
	sqlite3_stmt	*st;
	int		 r;

	if ((st = index_stmt(x, I_KEYS)) == NULL)
		return index_error(x);
	sqlite3_bind_int64(st, 1, content);
	msgkeys_clear(k);
	if ((r = sqlite3_step(st)) == SQLITE_ROW && keys_row(k, st) == -1) {
		sqlite3_reset(st);
		return -1;
	}
	if (sqlite3_reset(st) != SQLITE_OK)
		return index_error(x);
	return r == SQLITE_ROW;
}
