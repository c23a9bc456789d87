/* Opening, schema, groups of changes, recovery. */
#include <sys/types.h>
#include <sys/stat.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "log.h"
#include "store_int.h"
#include "store_schema.h"

#define STORE_BUSY_MS		10000	/* writers wait for each other, */
#define STORE_READ_MS		1000	/* readers only for a recovery */
#define STORE_SYNC_NORMAL	1
#define STORE_SYNC_FULL		2
#define STORE_SEQ_SPARE		1000	/* events a group may make */

int
s_meta(struct store *s, const char *name, int64_t *v)
{
	return s_number(s, v, Q_META, "t", name);
}

int
s_meta_put(struct store *s, const char *name, int64_t v)
{
	return s_run(s, Q_META_PUT, "ti", name, v);
}

static int
store_pragma(struct store *s, const char *name, int v)
{
	char sql[80];

	snprintf(sql, sizeof(sql), "PRAGMA %s = %d", name, v);
	return s_exec(s, sql);
}

static int
store_get_pragma(struct store *s, const char *sql, int64_t *v)
{
	sqlite3_stmt	*st;
	int		 r = -1;

	if (sqlite3_prepare_v2(s->db, sql, -1, &st, NULL) != SQLITE_OK)
		return -1;
	if (sqlite3_step(st) == SQLITE_ROW) {
		*v = sqlite3_column_int64(st, 0);
		r = 0;
	}
	sqlite3_finalize(st);
	return r;
}

/* schema */

static int
store_make_id(struct store *s)
{
	uint32_t epoch;

	do {
		arc4random_buf(&epoch, sizeof(epoch));
	} while (epoch == 0);
	s->epoch = epoch;
	return s_meta_put(s, "epoch", epoch);
}

static int
store_upgrade_steps(struct store *s, int from)
{
	int r = ST_OK, v;

	for (v = from; v < STORE_VERSION && r == ST_OK; v++)
		r = s_exec(s, schema_steps[v]);
	if (r == ST_OK)
		r = store_pragma(s, "user_version", STORE_VERSION);
	if (r == ST_OK)
		r = store_pragma(s, "application_id", STORE_APP_ID);
	if (r == ST_OK && from == 0)
		r = store_make_id(s);
	return r;
}

/* Why the file cannot be used, as the database and the system say. */
static void
store_why(const struct store *s, char *why, size_t len)
{
	int e;

	if (s->db == NULL)
		snprintf(why, len, "%s: no memory", STORE_FILE);
	else if ((e = sqlite3_system_errno(s->db)) != 0)
		snprintf(why, len, "%s: %s: %s", STORE_FILE,
		    sqlite3_errmsg(s->db), strerror(e));
	else
		snprintf(why, len, "%s: %s", STORE_FILE,
		    sqlite3_errmsg(s->db));
}

/* Is this ours, and of what version?  -1: no, and why. */
static int
store_version(struct store *s, char *why, size_t len)
{
	int64_t v, app, tables;

	if (store_get_pragma(s, "PRAGMA user_version", &v) == -1 ||
	    store_get_pragma(s, "PRAGMA application_id", &app) == -1 ||
	    store_get_pragma(s, "SELECT count(*) FROM sqlite_schema",
	    &tables) == -1) {
		store_why(s, why, len);
		return -1;
	}
	if (tables == 0)
		return 0;
	if (app != STORE_APP_ID) {
		snprintf(why, len, "%s is not a mail store", STORE_FILE);
		return -1;
	}
	if (v > STORE_VERSION) {
		snprintf(why, len, "%s has schema version %lld, this program "
		    "knows up to %d: use a newer mstored", STORE_FILE,
		    (long long)v, STORE_VERSION);
		return -1;
	}
	return (int)v;
}

static int
store_upgrade(struct store *s, char *why, size_t len)
{
	int from;

	if ((from = store_version(s, why, len)) == -1)
		return -1;
	if (from == STORE_VERSION)
		return 0;
	/* somebody else may do the same: look again under the lock */
	if (s_exec(s, "BEGIN EXCLUSIVE") != ST_OK)
		goto bad;
	if ((from = store_version(s, why, len)) == -1) {
		s_exec(s, "ROLLBACK");
		return -1;
	}
	if (store_upgrade_steps(s, from) != ST_OK ||
	    s_exec(s, "COMMIT") != ST_OK)
		goto bad;
	return 0;
 bad:
	snprintf(why, len, "%s: cannot make the schema: %s", STORE_FILE,
	    sqlite3_errmsg(s->db));
	if (!sqlite3_get_autocommit(s->db))
		s_exec(s, "ROLLBACK");
	return -1;
}

/* opening */

static int
store_wal_hook(void *arg, sqlite3 *db, const char *name, int pages)
{
	struct store *s = arg;

	s->walpages = pages;
	return SQLITE_OK;
}

static int
store_configure(struct store *s)
{
	sqlite3_busy_timeout(s->db, s->mode == STORE_READER ?
	    STORE_READ_MS : STORE_BUSY_MS);
	s->sync = STORE_SYNC_FULL;
	if (s_exec(s, "PRAGMA journal_mode = WAL") != ST_OK ||
	    s_exec(s, "PRAGMA synchronous = FULL") != ST_OK ||
	    s_exec(s, "PRAGMA temp_store = MEMORY") != ST_OK ||
	    s_exec(s, "PRAGMA mmap_size = 0") != ST_OK ||
	    s_exec(s, "PRAGMA secure_delete = FAST") != ST_OK ||
	    s_exec(s, "PRAGMA trusted_schema = OFF") != ST_OK ||
	    s_exec(s, "PRAGMA journal_size_limit = 16777216") != ST_OK ||
	    store_pragma(s, "cache_size", -s->conf.cache_kb) != ST_OK)
		return -1;
	if (s->mode == STORE_WRITER)
		sqlite3_wal_hook(s->db, store_wal_hook, s);
	if (s->mode == STORE_READER &&
	    s_exec(s, "PRAGMA query_only = ON") != ST_OK)
		return -1;
	return 0;
}

static int
store_load(struct store *s)
{
	int64_t v;

	if (s_meta(s, "epoch", &v) != ST_OK)
		return -1;
	s->epoch = (uint32_t)v;
	if (s_meta(s, "seq_block", &s->seq_block) != ST_OK)
		return -1;
	s->seq_want = s->seq_block;
	return s_number(s, &s->seq, Q_LOG_MAX, "") == ST_OK ? 0 : -1;
}

/*
 * The database holds mail: nobody else may read it.  SQLite's statistics of
 * its memory cost a lock at each allocation; the first to open says that
 * nobody wants them (later it would be refused, which is fine).
 */
static sqlite3 *
store_open_file(enum store_mode mode)
{
	sqlite3	*db = NULL;
	mode_t	 old;
	int	 flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;

	if (mode != STORE_READER)
		flags |= SQLITE_OPEN_CREATE;
	(void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	old = umask(077);
	if (sqlite3_open_v2(STORE_FILE, &db, flags, NULL) == SQLITE_OK)
		sqlite3_extended_result_codes(db, 1);
	umask(old);
	return db;
}

struct store *
store_open(const struct store_conf *conf, enum store_mode mode, char *why,
    size_t len)
{
	struct store *s;

	if ((s = calloc(1, sizeof(*s))) == NULL) {
		snprintf(why, len, "no memory");
		return NULL;
	}
	s->conf = *conf;
	s->mode = mode;
	ibuf_init(&s->text, 1024 * 1024);
	ibuf_init(&s->known_text, 1024 * 1024);
	ibuf_init(&s->work_text, 1024 * 1024);
	if (mode != STORE_READER &&
	    (s->batch = malloc(sizeof(*s->batch))) == NULL)
		goto bad;
	s->db = store_open_file(mode);
	if (s->db == NULL || sqlite3_errcode(s->db) != SQLITE_OK ||
	    store_version(s, why, len) == -1 || store_configure(s) == -1)
		goto bad;
	if (mode != STORE_READER && store_upgrade(s, why, len) == -1)
		goto bad;
	if (store_load(s) == -1)
		goto bad;
	return s;
 bad:
	if (*why == '\0')
		store_why(s, why, len);
	store_close(s);
	return NULL;
}

void
store_close(struct store *s)
{
	if (s == NULL)
		return;
	s_finalize(s);
	s_flags_forget(s);
	sqlite3_close(s->db);
	ibuf_fini(&s->text);
	ibuf_fini(&s->known_text);
	ibuf_fini(&s->work_text);
	free(s->batch);
	free(s);
}

uint32_t
store_epoch(struct store *s)
{
	return s->epoch;
}

int64_t
store_date(const struct rfcdate *d)
{
	return d->t * 4096 + (d->zone + 2048);
}

void
store_undate(struct rfcdate *d, int64_t v)
{
	d->zone = (int)(v & 4095) - 2048;
	d->t = (v - (v & 4095)) / 4096;
}

/* reading */

int
s_read(struct store *s)
{
	int r;

	if (s->reading || s->mode != STORE_READER)
		return ST_OK;
	if ((r = s_run(s, Q_BEGIN_READ, "")) == ST_OK)
		s->reading = 1;
	return r;
}

void
store_read_end(struct store *s)
{
	s_unhold(s);
	if (!s->reading)
		return;
	(void)s_run(s, Q_COMMIT, "");
	s->reading = 0;
}

/* groups of changes */

/*
 * Events are numbered up to a bound that is on disk.  A group that is not
 * durable must stay below it, so that a number lost in a power failure is
 * never given to another event.
 */
static int
store_reserve(struct store *s)
{
	if (s->seq + 2 * STORE_SEQ_SPARE < s->seq_want)
		return ST_OK;
	s->seq_want = s->seq + STORE_SEQ_BLOCK;
	return s_meta_put(s, "seq_block", s->seq_want);
}

int
store_may_spare(struct store *s)
{
	return s->seq + STORE_SEQ_SPARE < s->seq_block;
}

static int
store_set_sync(struct store *s, int sync)
{
	int r;

	if (s->sync == sync)
		return ST_OK;
	if ((r = store_pragma(s, "synchronous", sync)) == ST_OK)
		s->sync = sync;
	return r;
}

int
store_begin(struct store *s, int durable)
{
	int64_t	was;
	int	r;

	s->durable = durable;
	s->spoiled = 0;
	s->interned = 0;
	s->nev = 0;
	r = store_set_sync(s, durable ? STORE_SYNC_FULL : STORE_SYNC_NORMAL);
	if (r != ST_OK || (r = s_run(s, Q_BEGIN, "")) != ST_OK)
		return r;
	/* an administrator's command may have made events meanwhile */
	was = s->seq;
	r = s_number(s, &s->seq, Q_LOG_MAX, "");
	s->foreign = s->seq > was;
	if (r == ST_OK && durable)
		r = store_reserve(s);
	if (r != ST_OK)
		store_rollback(s);
	return r;
}

int
store_commit(struct store *s)
{
	int r;

	if ((r = s_run(s, Q_COMMIT, "")) != ST_OK) {
		store_rollback(s);
		return r;
	}
	s->seq_block = s->seq_want;
	return ST_OK;
}

void
store_rollback(struct store *s)
{
	if (!sqlite3_get_autocommit(s->db))
		(void)s_run(s, Q_ROLLBACK, "");
	if (s->interned)
		s_flags_forget(s);
	s->seq_want = s->seq_block;
	s->nev = 0;
}

void
store_careful(struct store *s, int on)
{
	s->careful = on;
}

int
store_spoiled(const struct store *s)
{
	return s->spoiled;
}

int
store_foreign(const struct store *s)
{
	return s->foreign;
}

int
store_savepoint(struct store *s)
{
	s->nev = 0;
	s->rows = sqlite3_total_changes(s->db);
	return s->careful ? s_run(s, Q_SAVEPOINT, "") : ST_OK;
}

int
store_release(struct store *s)
{
	return s->careful ? s_run(s, Q_RELEASE, "") : ST_OK;
}

void
store_undo(struct store *s)
{
	s->nev = 0;
	if (!s->careful && sqlite3_total_changes(s->db) == s->rows)
		return;
	if (s->interned)
		s_flags_forget(s);
	if (sqlite3_get_autocommit(s->db))
		return;
	if (!s->careful) {
		store_rollback(s);
		s->spoiled = 1;
		return;
	}
	if (s_run(s, Q_UNDO, "") != ST_OK || s_run(s, Q_RELEASE, "") != ST_OK)
		store_rollback(s);
}

int
store_broken(struct store *s)
{
	return sqlite3_get_autocommit(s->db) != 0;
}

int
store_failed(const struct store *s)
{
	return s->failed;
}

/*
 * Readers are waited for only at the end.  Not again before the log has
 * grown by as much once more.
 */
#define STORE_WAL_MARK	4000	/* pages */

void
store_checkpoint(struct store *s, enum store_checkpoint how)
{
	int log, done;

	if (s->walpages < s->walmark)
		s->walmark = 0;
	if (how == CHECKPOINT_GROWN &&
	    s->walpages < s->walmark + STORE_WAL_MARK)
		return;
	if (sqlite3_wal_checkpoint_v2(s->db, NULL, how == CHECKPOINT_ALL ?
	    SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE,
	    &log, &done) != SQLITE_OK)
		(void)s_error(s);
	s->walmark = s->walpages;
}

/* start and end */

/* Every message of a mailbox gets a modseq over all that were given out. */
static int
store_jump(struct store *s, struct store_mailbox *m)
{
	uint64_t	modseq;
	struct uidset	all;
	int		r;

	modseq = (m->block > m->modseq ? m->block : m->modseq) + 1;
	if ((r = s_run(s, Q_MESSAGE_JUMP, "ii", (int64_t)modseq,
	    m->id.no)) != ST_OK ||
	    (r = s_run(s, Q_MAILBOX_JUMP, "ii", (int64_t)modseq,
	    m->id.no)) != ST_OK)
		return r;
	uidset_init(&all);
	if (uidset_add(&all, 1, m->uidnext > 1 ? m->uidnext - 1 : 1) == -1)
		return ST_TRY_LATER;
	r = s_log_uids(s, m->account, &m->id, modseq, LOG_CHANGED, &all);
	uidset_fini(&all);
	return r;
}

static int
store_jump_all(struct store *s, int64_t *lost)
{
	struct store_mailbox	 m;
	sqlite3_stmt		*st;
	int			 r;

	/* past every event that may have been told */
	if (s->seq < s->seq_block)
		s->seq = s->seq_block;
	for (;;) {
		if ((st = s_query(s, Q_MAILBOX_BLOCKED, "")) == NULL)
			return s_error(s);
		if ((r = s_step(s, st)) == 0)
			return ST_OK;
		if (r == -1)
			return s_error(s);
		s_mailbox_row(st, &m);
		sqlite3_reset(st);
		if ((r = store_jump(s, &m)) != ST_OK)
			return r;
		(*lost)++;
	}
}

/* Has the system gone down since the boot id was noted?  1 when in doubt. */
static int
store_boot_changed(struct store *s, const char *boot)
{
	sqlite3_stmt	*st;
	const char	*was;
	size_t		 len;
	int		 same = 0;

	if ((st = s_query(s, Q_META, "t", "boot")) == NULL)
		return 1;
	if (s_step(s, st) == 1) {
		was = s_text(st, 0, &len);
		same = was != NULL && *boot != '\0' && strcmp(was, boot) == 0;
	}
	sqlite3_reset(st);
	return !same;
}

int
store_recover(struct store *s, const char *boot, int64_t *lost)
{
	int64_t	clean;
	int	r;

	*lost = 0;
	if ((r = store_begin(s, 1)) != ST_OK)
		return r;
	if ((r = s_meta(s, "clean", &clean)) == ST_OK && !clean &&
	    store_boot_changed(s, boot))
		r = store_jump_all(s, lost);
	if (r == ST_OK)
		r = s_flags_sweep(s);
	if (r == ST_OK)
		r = s_meta_put(s, "clean", 0);
	if (r == ST_OK)
		r = s_run(s, Q_META_PUT, "tt", "boot", boot);
	s->nev = 0;
	if (r != ST_OK) {
		store_rollback(s);
		return r;
	}
	return store_commit(s);
}

static int
store_settle_as(struct store *s, int clean)
{
	int r;

	if ((r = store_begin(s, 1)) != ST_OK)
		return r;
	r = s_run(s, Q_MAILBOX_UNBLOCK, "");
	if (r == ST_OK && clean)
		r = s_meta_put(s, "clean", 1);
	if (r != ST_OK) {
		store_rollback(s);
		return r;
	}
	return store_commit(s);
}

int
store_settle(struct store *s)
{
	return store_settle_as(s, 0);
}

int
store_finish(struct store *s)
{
	int r = store_settle_as(s, 1);

	store_checkpoint(s, CHECKPOINT_ALL);
	return r;
}
