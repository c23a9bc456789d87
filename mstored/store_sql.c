/* Statements: their text, how they are bound and run, what errors mean. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "log.h"
#include "store_int.h"

#define MAILBOX_COLS							\
	"m.no, m.uidvalidity, m.account, m.uidnext, m.messages, "	\
	"m.unseen, m.deleted, m.size, m.modseq, m.block, m.floor, m.known, "	\
	"m.birth"
#define MAILBOX_MORE							\
	", m.name, m.roles, EXISTS (SELECT 1 FROM subscription s "	\
	"WHERE s.account = m.account AND s.name = m.name) "

static const char *const s_sql[Q_MAX] = {
	[Q_BEGIN] = "BEGIN IMMEDIATE",
	[Q_BEGIN_READ] = "BEGIN",
	[Q_COMMIT] = "COMMIT",
	[Q_ROLLBACK] = "ROLLBACK",
	[Q_SAVEPOINT] = "SAVEPOINT change",
	[Q_RELEASE] = "RELEASE change",
	[Q_UNDO] = "ROLLBACK TO change",

	[Q_META] = "SELECT value FROM meta WHERE name = ?",
	[Q_META_PUT] = "INSERT INTO meta VALUES (?, ?) "
	    "ON CONFLICT (name) DO UPDATE SET value = excluded.value",

	[Q_ACCOUNT] = "SELECT no FROM account "
	    "WHERE name = ? AND gone IS NULL",
	[Q_ACCOUNT_LAST] = "SELECT max(uidvalidity) FROM account "
	    "WHERE name = ?",
	[Q_ACCOUNT_PUT] = "INSERT INTO account (name, uidvalidity) "
	    "VALUES (?, ?)",
	[Q_ACCOUNT_UIDV] = "UPDATE account "
	    "SET uidvalidity = uidvalidity + 1 WHERE no = ? "
	    "RETURNING uidvalidity",
	[Q_ACCOUNT_GONE] = "UPDATE account SET gone = 1 "
	    "WHERE name = ? AND gone IS NULL RETURNING no",
	[Q_ACCOUNT_PURGE] = "SELECT no FROM account WHERE gone = 1 LIMIT 1",
	[Q_ACCOUNT_PURGED] = "UPDATE account SET gone = 2 WHERE no = ?",

	/* one statement where a request asks for one mailbox of an account */
	[Q_MAILBOX_OF] = "SELECT " MAILBOX_COLS MAILBOX_MORE
	    "FROM mailbox m JOIN account a ON a.no = m.account "
	    "WHERE m.no = ? AND a.name = ? AND m.uidvalidity = ? "
	    "AND m.gone IS NULL AND a.gone IS NULL",
	[Q_MAILBOX] = "SELECT " MAILBOX_COLS MAILBOX_MORE
	    "FROM mailbox m WHERE no = ? AND account = ? "
	    "AND uidvalidity = ? AND gone IS NULL",
	[Q_MAILBOX_CHANGE] = "SELECT " MAILBOX_COLS ", NULL, NULL, 0 "
	    "FROM mailbox m WHERE no = ? AND account = ? "
	    "AND uidvalidity = ? AND gone IS NULL",
	[Q_MAILBOX_SET] = "UPDATE mailbox SET uidnext = ?, messages = ?, "
	    "unseen = ?, deleted = ?, size = ?, modseq = ?, known = ? "
	    "WHERE no = ?",
	/* on its own, as there is an index of it */
	[Q_MAILBOX_BLOCK] = "UPDATE mailbox SET block = ? WHERE no = ?",
	[Q_MAILBOX_NAMED] = "SELECT no, uidvalidity FROM mailbox "
	    "WHERE account = ? AND name = ? AND gone IS NULL",
	[Q_MAILBOXES] = "SELECT " MAILBOX_COLS MAILBOX_MORE
	    "FROM mailbox m INDEXED BY mailbox_account "
	    "WHERE account = ? AND no > ? AND gone IS NULL ORDER BY no",
	[Q_MAILBOX_COUNT] = "SELECT count(*) FROM mailbox "
	    "WHERE account = ? AND gone IS NULL",
	[Q_MAILBOX_PUT] = "INSERT INTO mailbox (account, name, uidvalidity, "
	    "roles, birth) VALUES (?1, ?2, ?3, ?4, ?3)",
	[Q_MAILBOX_GONE] = "UPDATE mailbox SET gone = ?, block = 0 "
	    "WHERE no = ?",
	[Q_MAILBOX_FLOOR] = "UPDATE mailbox SET floor = ?1 "
	    "WHERE no = ?2 AND floor < ?1",
	[Q_MAILBOX_DEAD] = "SELECT no, account FROM mailbox "
	    "WHERE gone IS NOT NULL LIMIT 1",
	[Q_MAILBOX_DROP] = "DELETE FROM mailbox WHERE no = ?",
	[Q_MAILBOX_ALL_GONE] = "UPDATE mailbox SET gone = ?, block = 0 "
	    "WHERE account = ? AND gone IS NULL",
	[Q_MAILBOX_BLOCKED] = "SELECT " MAILBOX_COLS ", NULL, NULL, 0 "
	    "FROM mailbox m WHERE block > 0 LIMIT 1",
	[Q_MAILBOX_UNBLOCK] = "UPDATE mailbox SET block = 0 "
	    "WHERE block > 0",
	[Q_MAILBOX_JUMP] = "UPDATE mailbox SET modseq = ?, block = 0 "
	    "WHERE no = ?",

	/* the children of a: from "a/" up to what follows '/' */
	[Q_SUBTREE] = "SELECT no, uidvalidity, name FROM mailbox "
	    "WHERE account = ?1 AND gone IS NULL AND (name = ?2 "
	    "OR (name > ?2 || '/' AND name < ?2 || '0'))",
	[Q_SUBTREE_TARGET] = "SELECT count(*) FROM mailbox a JOIN mailbox b "
	    "ON b.account = a.account AND b.gone IS NULL "
	    "AND b.name = ?3 || substr(a.name, length(?2) + 1) "
	    "WHERE a.account = ?1 AND a.gone IS NULL AND (a.name = ?2 "
	    "OR (a.name > ?2 || '/' AND a.name < ?2 || '0'))",
	[Q_MAILBOX_RENAME] = "UPDATE mailbox SET name = ?, uidvalidity = ? "
	    "WHERE no = ?",
	[Q_PAST] = "SELECT uidvalidity FROM pastname "
	    "WHERE account = ? AND name = ?",
	[Q_PAST_PUT] = "INSERT INTO pastname VALUES (?, ?, ?) "
	    "ON CONFLICT (account, name) DO UPDATE SET "
	    "uidvalidity = max(uidvalidity, excluded.uidvalidity)",
	[Q_PAST_DROP] = "DELETE FROM pastname WHERE account = ?",

	[Q_SUBSCRIBE] = "INSERT OR IGNORE INTO subscription VALUES (?, ?)",
	[Q_UNSUBSCRIBE] = "DELETE FROM subscription "
	    "WHERE account = ? AND name = ?",
	[Q_SUBSCRIPTION_COUNT] = "SELECT count(*) FROM subscription "
	    "WHERE account = ?",
	[Q_ORPHANS] = "SELECT name FROM subscription s WHERE account = ? "
	    "AND name > ? AND NOT EXISTS (SELECT 1 FROM mailbox m "
	    "WHERE m.account = s.account AND m.name = s.name "
	    "AND m.gone IS NULL) ORDER BY name",
	[Q_SUBSCRIPTION_DROP] = "DELETE FROM subscription "
	    "WHERE account = ?",

	[Q_MESSAGES_FLAGS] = "SELECT uid, flags, modseq FROM message "
	    "WHERE mailbox = ? AND uid BETWEEN ? AND ? ORDER BY uid",
	[Q_MESSAGES] = "SELECT uid, flags, modseq, content, rnd, size, date, "
	    "saved FROM message WHERE mailbox = ? AND uid BETWEEN ? AND ? "
	    "ORDER BY uid",
	[Q_MESSAGES_CACHE] = "SELECT uid, flags, modseq, m.content, rnd, "
	    "size, date, saved, text FROM message m LEFT JOIN summary s "
	    "ON s.content = m.content AND s.account = ?4 "
	    "WHERE mailbox = ?1 AND uid BETWEEN ?2 AND ?3 ORDER BY uid",
	[Q_MESSAGE_PUT] = "INSERT INTO message (mailbox, uid, flags, "
	    "modseq, content, rnd, size, date, saved) "
	    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
	[Q_MESSAGE_FLAGS] = "UPDATE message SET flags = ?, modseq = ? "
	    "WHERE mailbox = ? AND uid BETWEEN ? AND ?",
	/* of one, SQLite need not be able to undo it by itself */
	[Q_MESSAGE_FLAGS_ONE] = "UPDATE message SET flags = ?, modseq = ? "
	    "WHERE mailbox = ? AND uid = ?",
	[Q_MESSAGE_DEL] = "DELETE FROM message "
	    "WHERE mailbox = ? AND uid BETWEEN ? AND ?",
	[Q_MESSAGE_JUMP] = "UPDATE message SET modseq = ? "
	    "WHERE mailbox = ?",

	[Q_FLAGSET] = "SELECT flags FROM flagset WHERE no = ?",
	[Q_FLAGSET_ID] = "SELECT no FROM flagset WHERE flags = ?",
	[Q_FLAGSET_PUT] = "INSERT INTO flagset (flags) VALUES (?)",
	[Q_FLAGSET_COUNT] = "SELECT count(*) FROM flagset",
	[Q_FLAGSET_SWEEP] = "DELETE FROM flagset WHERE no > 1 AND no NOT IN "
	    "(SELECT flags FROM message UNION SELECT known FROM mailbox)",

	[Q_CONTENT] = "SELECT c.size, c.data, c.rnd FROM account a "
	    "JOIN holding h ON h.account = a.no AND h.content = ?2 "
	    "JOIN content c ON c.no = h.content "
	    "WHERE a.name = ?1 AND a.gone IS NULL",
	[Q_CONTENT_PUT] = "INSERT INTO content (rnd, size, data) "
	    "VALUES (?, ?, ?)",
	[Q_CONTENT_DEL] = "DELETE FROM content WHERE no = ? "
	    "RETURNING rnd, data IS NULL",
	[Q_CONTENT_FILES] = "SELECT rnd, size FROM content "
	    "WHERE data IS NULL",
	/* or one that is about to be removed */
	[Q_CONTENT_RND] = "SELECT 1 FROM content "
	    "WHERE data IS NULL AND rnd = ?1 "
	    "UNION ALL SELECT 1 FROM trash WHERE rnd = ?1",

	[Q_CONTENT_NEXT] = "SELECT min(no) FROM content WHERE no > ?",
	[Q_CONTENT_BY_NO] = "SELECT rnd, size, data FROM content "
	    "WHERE no = ?",

	[Q_HOLDING] = "SELECT count(*) FROM holding h "
	    "JOIN content c ON c.no = h.content "
	    "WHERE h.content = ? AND h.account = ? AND c.rnd = ?",
	[Q_HOLD] = "INSERT INTO holding (content, account, refs) "
	    "VALUES (?, ?, 1) ON CONFLICT (content, account) DO UPDATE "
	    "SET refs = refs + 1, gone = NULL",
	[Q_HOLD_BLOB] = "INSERT INTO holding (content, account, refs, gone) "
	    "VALUES (?, ?, 0, ?)",
	[Q_HOLDING_SIZE] = "SELECT c.size + 1 FROM holding h "
	    "JOIN content c ON c.no = h.content "
	    "WHERE h.content = ? AND h.account = ? AND c.rnd = ?",
	[Q_HOLDING_DROP] = "UPDATE holding SET refs = refs - 1, "
	    "gone = CASE WHEN refs = 1 THEN ?1 END "
	    "WHERE content = ?2 AND account = ?3",
	[Q_HOLDING_DEAD] = "SELECT content, account FROM holding "
	    "WHERE gone IS NOT NULL AND gone <= ? LIMIT 100",
	[Q_HOLDING_DEL] = "DELETE FROM holding "
	    "WHERE content = ? AND account = ?",
	[Q_HOLDING_OTHER] = "SELECT count(*) FROM holding WHERE content = ?",
	[Q_HOLDERS] = "SELECT account FROM holding WHERE content = ? "
	    "LIMIT ?",
	[Q_HOLDING_COUNT] = "SELECT count(*) FROM holding",
	[Q_SUMMARY_PUT] = "INSERT INTO summary VALUES (?, ?, ?) "
	    "ON CONFLICT (content, account) DO UPDATE "
	    "SET text = excluded.text",
	[Q_SUMMARY_DEL] = "DELETE FROM summary "
	    "WHERE content = ? AND account = ?",

	[Q_TRASH] = "SELECT rnd FROM trash LIMIT 50",
	[Q_TRASH_PUT] = "INSERT OR IGNORE INTO trash VALUES (?)",
	[Q_TRASH_DEL] = "DELETE FROM trash WHERE rnd = ?",

	[Q_LOG_PUT] = "INSERT INTO log (seq, time, account, mailbox, "
	    "modseq, what, uids) VALUES (?, ?, ?, ?, ?, ?, ?)",
	[Q_LOG_MAX] = "SELECT max(seq) FROM log",
	[Q_LOG_VANISHED] = "SELECT seq, uids FROM log "
	    "INDEXED BY log_mailbox WHERE mailbox = ? AND modseq > ? "
	    "AND seq > ? AND what = 2 ORDER BY modseq, seq",
	[Q_LOG_CHANGED] = "SELECT uids FROM log INDEXED BY log_mailbox "
	    "WHERE mailbox = ? AND modseq > ? AND what = 1 LIMIT ?",
	[Q_LOG_EVENTS] = "SELECT l.seq, a.name, l.mailbox, m.uidvalidity, "
	    "l.modseq FROM log l JOIN account a ON a.no = l.account "
	    "LEFT JOIN mailbox m ON m.no = l.mailbox AND m.gone IS NULL "
	    "WHERE l.seq > ? ORDER BY l.seq",
	[Q_LOG_OLD] = "SELECT seq, time, mailbox, modseq FROM log "
	    "ORDER BY seq LIMIT 500",
	[Q_LOG_DEL] = "DELETE FROM log WHERE seq <= ?",

	[Q_KEY] = "SELECT print, status, answer FROM idem WHERE hash = ? "
	    "AND scope = ? AND idx = ? AND key = ?",
	[Q_KEY_PUT] = "INSERT INTO idem (hash, scope, idx, key, print, "
	    "status, time, answer) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
	[Q_KEY_OLD] = "SELECT max(no) FROM (SELECT no, time FROM idem "
	    "ORDER BY no LIMIT 500) WHERE time < ?",
	[Q_KEY_DEL] = "DELETE FROM idem WHERE no <= ?",

	[Q_DICT] = "SELECT etag, value FROM dict "
	    "WHERE account = ? AND key = ?",
	[Q_DICT_ETAG] = "SELECT no, etag FROM dict "
	    "WHERE account = ? AND key = ?",
	[Q_DICT_PUT] = "INSERT INTO dict (account, key, etag, size, value) "
	    "VALUES (?, ?, ?, ?, ?)",
	[Q_DICT_DEL] = "DELETE FROM dict WHERE no = ?",
	[Q_DICT_COUNT] = "SELECT count(*) FROM dict WHERE account = ?",
	[Q_DICT_BYTES] = "SELECT sum(size) FROM dict INDEXED BY dict_size "
	    "WHERE account = ?",
	/* '~' stands behind all that may be in a key */
	[Q_DICT_LIST] = "SELECT key, etag, size FROM dict WHERE account = ?1 "
	    "AND key > ?2 AND key >= ?3 AND key < ?3 || '~' ORDER BY key",
	[Q_DICT_DROP] = "DELETE FROM dict WHERE account = ?",

	[Q_METADATA] = "SELECT d.mailbox, m.uidvalidity, d.entry, d.value "
	    "FROM metadata d LEFT JOIN mailbox m ON m.no = d.mailbox "
	    "AND m.gone IS NULL WHERE d.account = ?1 "
	    "AND (d.mailbox, d.entry) > (?2, ?3) "
	    "AND (?4 = -1 OR d.mailbox = ?4) "
	    "AND (d.mailbox = 0 OR m.no IS NOT NULL) "
	    "ORDER BY d.mailbox, d.entry",
	[Q_METADATA_PUT] = "REPLACE INTO metadata VALUES (?, ?, ?, ?)",
	[Q_METADATA_DEL] = "DELETE FROM metadata "
	    "WHERE account = ? AND mailbox = ? AND entry = ?",
	[Q_METADATA_COUNT] = "SELECT count(*) FROM metadata "
	    "WHERE account = ? AND mailbox = ?",
	[Q_METADATA_DROP] = "DELETE FROM metadata "
	    "WHERE account = ? AND mailbox = ?",
	[Q_METADATA_ALL_DROP] = "DELETE FROM metadata WHERE account = ?",

	[Q_QUOTA] = "SELECT quota_size, quota_count FROM account "
	    "WHERE no = ?",
	[Q_QUOTA_USED] = "SELECT sum(size), sum(messages) FROM mailbox "
	    "INDEXED BY mailbox_account WHERE account = ? AND gone IS NULL",
	[Q_QUOTA_SET] = "UPDATE account SET quota_size = nullif(?1, ?4), "
	    "quota_count = nullif(?2, ?4) WHERE no = ?3",

	[Q_SCRAM] = "SELECT a.name, k.iterations, k.salt, k.stored, "
	    "k.server FROM user u JOIN account a ON a.no = u.account "
	    "JOIN scram k ON k.user = u.name WHERE u.name = ?",
	[Q_SCRAM_PUT] = "REPLACE INTO scram SELECT name, ?2, ?3, ?4, ?5 "
	    "FROM user WHERE name = ?1",
	[Q_SCRAM_DEL] = "DELETE FROM scram WHERE user = ?",
	/* is there one?  The first that is found will do */
	[Q_SCRAM_MISSING] = "SELECT count(*) FROM (SELECT 1 FROM user u "
	    "WHERE NOT EXISTS (SELECT 1 FROM scram k "
	    "WHERE k.user = u.name) LIMIT 1)",
	[Q_USER_COUNT] = "SELECT count(*) FROM (SELECT 1 FROM user LIMIT 1)",

	[Q_USER] = "SELECT a.name, u.hash FROM user u "
	    "JOIN account a ON a.no = u.account WHERE u.name = ?",
	[Q_USER_PUT] = "INSERT INTO user (name, account, hash) "
	    "VALUES (?, ?, ?)",
	[Q_USER_SET] = "UPDATE user SET hash = ? WHERE name = ?",
	[Q_USER_DEL] = "DELETE FROM user WHERE name = ?",
	[Q_USERS] = "SELECT name FROM user ORDER BY name",
	/* an alias first, then the account of that name */
	[Q_RECIPIENT] = "SELECT a.name, m.no, m.uidvalidity FROM account a "
	    "JOIN mailbox m ON m.account = a.no AND m.name = 'INBOX' "
	    "AND m.gone IS NULL WHERE a.gone IS NULL AND a.no = coalesce("
	    "(SELECT account FROM alias WHERE address = ?1), "
	    "(SELECT no FROM account WHERE name = ?1 AND gone IS NULL))",
	[Q_ALIAS_PUT] = "INSERT INTO alias VALUES (?, ?) "
	    "ON CONFLICT (address) DO UPDATE SET account = excluded.account",
	[Q_ALIAS_DEL] = "DELETE FROM alias WHERE address = ?",
	[Q_ALIASES] = "SELECT address, a.name FROM alias "
	    "JOIN account a ON a.no = account ORDER BY address",
};

/* An error as a code of the API; what people must know is logged. */
int
s_error(struct store *s)
{
	int x = sqlite3_extended_errcode(s->db);
	int e = sqlite3_system_errno(s->db);

	if (x == SQLITE_IOERR_FSYNC || x == SQLITE_IOERR_DIR_FSYNC) {
		s->failed = 1;
		log_warnx("store: fsync failed: %s", strerror(e));
		return ST_INTERNAL;
	}
	if ((x & 0xff) == SQLITE_FULL || ((x & 0xff) == SQLITE_IOERR &&
	    (e == ENOSPC || e == EDQUOT)))
		return ST_STORAGE_FULL;
	if ((x & 0xff) == SQLITE_BUSY || (x & 0xff) == SQLITE_NOMEM)
		return ST_TRY_LATER;
	log_warnx("store: %s (%d, errno %d)", sqlite3_errmsg(s->db), x, e);
	return ST_INTERNAL;
}

static sqlite3_stmt *
s_prepare(struct store *s, enum store_query q)
{
	if (s->st[q] == NULL && sqlite3_prepare_v3(s->db, s_sql[q], -1,
	    SQLITE_PREPARE_PERSISTENT, &s->st[q], NULL) != SQLITE_OK)
		return NULL;
	return s->st[q];
}

static int
s_bind(sqlite3_stmt *st, const char *fmt, va_list ap)
{
	const char	*t;
	const void	*p;
	int		 i, r = SQLITE_OK;

	for (i = 1; *fmt != '\0' && r == SQLITE_OK; fmt++, i++) {
		switch (*fmt) {
		case 'i':
			r = sqlite3_bind_int64(st, i, va_arg(ap, int64_t));
			break;
		case 't':
			t = va_arg(ap, const char *);
			r = sqlite3_bind_text(st, i, t, -1, SQLITE_STATIC);
			break;
		case 'x':
			t = va_arg(ap, const char *);
			r = sqlite3_bind_text(st, i, t,
			    (int)va_arg(ap, size_t), SQLITE_STATIC);
			break;
		case 'b':
			p = va_arg(ap, const void *);
			r = sqlite3_bind_blob(st, i, p,
			    (int)va_arg(ap, size_t), SQLITE_STATIC);
			break;
		default:
			r = sqlite3_bind_null(st, i);
			break;
		}
	}
	return r == SQLITE_OK ? 0 : -1;
}

static sqlite3_stmt *
s_vquery(struct store *s, enum store_query q, const char *fmt, va_list ap)
{
	sqlite3_stmt *st;

	s_unhold(s);
	if ((st = s_prepare(s, q)) == NULL || s_bind(st, fmt, ap) == -1)
		return NULL;
	return st;
}

/* A statement at a row keeps its transaction open: see to it that it ends. */
void
s_hold(struct store *s, sqlite3_stmt *st)
{
	s->held = st;
}

void
s_unhold(struct store *s)
{
	if (s->held == NULL)
		return;
	sqlite3_reset(s->held);
	s->held = NULL;
}

sqlite3_stmt *
s_query(struct store *s, enum store_query q, const char *fmt, ...)
{
	sqlite3_stmt	*st;
	va_list		 ap;

	va_start(ap, fmt);
	st = s_vquery(s, q, fmt, ap);
	va_end(ap);
	return st;
}

int
s_step(struct store *s, sqlite3_stmt *st)
{
	switch (sqlite3_step(st)) {
	case SQLITE_ROW:
		return 1;
	case SQLITE_DONE:
		sqlite3_reset(st);
		return 0;
	default:
		/* the reset gives the error once more, s_error() finds it */
		sqlite3_reset(st);
		return -1;
	}
}

static int
s_vrun(struct store *s, int64_t *v, enum store_query q, const char *fmt,
    va_list ap)
{
	sqlite3_stmt	*st;
	int		 r, rows = 0;

	if ((st = s_vquery(s, q, fmt, ap)) == NULL)
		return s_error(s);
	while ((r = s_step(s, st)) == 1)
		if (v != NULL && rows++ == 0)
			*v = sqlite3_column_int64(st, 0);
	return r == 0 ? ST_OK : s_error(s);
}

int
s_run(struct store *s, enum store_query q, const char *fmt, ...)
{
	va_list	 ap;
	int	 r;

	va_start(ap, fmt);
	r = s_vrun(s, NULL, q, fmt, ap);
	va_end(ap);
	return r;
}

int
s_number(struct store *s, int64_t *v, enum store_query q, const char *fmt,
    ...)
{
	va_list	 ap;
	int	 r;

	*v = 0;
	va_start(ap, fmt);
	r = s_vrun(s, v, q, fmt, ap);
	va_end(ap);
	return r;
}

int
s_exec(struct store *s, const char *sql)
{
	s_unhold(s);
	if (sqlite3_exec(s->db, sql, NULL, NULL, NULL) != SQLITE_OK)
		return s_error(s);
	return ST_OK;
}

void
s_finalize(struct store *s)
{
	int i;

	s->held = NULL;
	for (i = 0; i < Q_MAX; i++) {
		sqlite3_finalize(s->st[i]);
		s->st[i] = NULL;
	}
}

const char *
s_text(sqlite3_stmt *st, int col, size_t *len)
{
	const unsigned char *t = sqlite3_column_text(st, col);

	*len = (size_t)sqlite3_column_bytes(st, col);
	return (const char *)t;
}
