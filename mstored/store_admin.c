/* Users, aliases, backup, restore, check. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "log.h"
#include "scramkeys.h"
#include "store_int.h"

/* One change as a group of its own. */
static int
admin_end(struct store *s, int r)
{
	if (r != ST_OK) {
		store_rollback(s);
		return r;
	}
	return store_commit(s);
}

static int
admin_user_put(struct store *s, const char *name, const char *hash, int new)
{
	int64_t	account;
	int	r;

	/* keys of another password would still let it in */
	if ((r = s_run(s, Q_SCRAM_DEL, "t", name)) != ST_OK)
		return r;
	if (!new) {
		r = s_run(s, Q_USER_SET, "tt", hash, name);
		return r == ST_OK && sqlite3_changes(s->db) == 0 ?
		    ST_BAD_CREDENTIALS : r;
	}
	if ((r = store_account_make(s, name, &account)) != ST_OK)
		return r;
	r = s_run(s, Q_USER_PUT, "tit", name, account, hash);
	if (sqlite3_errcode(s->db) == SQLITE_CONSTRAINT_PRIMARYKEY)
		return ST_EXISTS;
	return r;
}

int
store_user_put(struct store *s, const char *name, const char *hash, int new)
{
	int r;

	if ((r = store_begin(s, 1)) != ST_OK)
		return r;
	return admin_end(s, admin_user_put(s, name, hash, new));
}

int
store_user_scram(struct store *s, const char *name,
    const struct scramkeys *k)
{
	int r;

	if ((r = store_begin(s, 1)) != ST_OK)
		return r;
	r = s_run(s, Q_SCRAM_PUT, "tibbb", name, (int64_t)k->iterations,
	    (const void *)k->salt, k->saltlen, (const void *)k->stored,
	    sizeof(k->stored), (const void *)k->server, sizeof(k->server));
	return admin_end(s, r);
}

static int
admin_user_quota(struct store *s, const char *name, int64_t size,
    int64_t count)
{
	int64_t	account;
	int	r;

	if ((r = store_account(s, name, &account)) != ST_OK)
		return r;
	if ((r = s_run(s, Q_QUOTA_SET, "iiii", size, count, account,
	    STORE_DEFAULT)) != ST_OK)
		return r;
	return store_list_event(s, account);
}

int
store_user_quota(struct store *s, const char *name, int64_t size,
    int64_t count)
{
	int r;

	if ((r = store_begin(s, 1)) != ST_OK)
		return r;
	return admin_end(s, admin_user_quota(s, name, size, count));
}

/* With purge the mail goes too: the server sweeps it when it has time. */
static int
admin_user_del(struct store *s, const char *name, int purge)
{
	int64_t	account;
	int	r;

	if ((r = s_run(s, Q_SCRAM_DEL, "t", name)) != ST_OK)
		return r;
	r = s_run(s, Q_USER_DEL, "t", name);
	if (r == ST_OK && sqlite3_changes(s->db) == 0)
		return ST_BAD_CREDENTIALS;
	if (r != ST_OK || !purge)
		return r;
	if ((r = s_number(s, &account, Q_ACCOUNT_GONE, "t", name)) != ST_OK)
		return r;
	return account != 0 ? store_list_event(s, account) :
	    ST_NO_SUCH_ACCOUNT;
}

int
store_user_del(struct store *s, const char *name, int purge)
{
	int r;

	if ((r = store_begin(s, 1)) != ST_OK)
		return r;
	return admin_end(s, admin_user_del(s, name, purge));
}

int
store_users(struct store *s, store_name_cb cb, void *arg)
{
	sqlite3_stmt	*st;
	const char	*name;
	size_t		 len;
	int		 r;

	if ((st = s_query(s, Q_USERS, "")) == NULL)
		return s_error(s);
	while ((r = s_step(s, st)) == 1) {
		name = s_text(st, 0, &len);
		cb(arg, name, len);
	}
	return r == 0 ? ST_OK : s_error(s);
}

static int
admin_alias_put(struct store *s, const char *address, const char *name)
{
	int64_t	account;
	int	r;

	if ((r = store_account(s, name, &account)) != ST_OK)
		return r;
	return s_run(s, Q_ALIAS_PUT, "ti", address, account);
}

int
store_alias_put(struct store *s, const char *address, const char *name)
{
	int r;

	if ((r = store_begin(s, 1)) != ST_OK)
		return r;
	return admin_end(s, admin_alias_put(s, address, name));
}

int
store_alias_del(struct store *s, const char *address)
{
	int r;

	if ((r = store_begin(s, 1)) != ST_OK)
		return r;
	r = s_run(s, Q_ALIAS_DEL, "t", address);
	if (r == ST_OK && sqlite3_changes(s->db) == 0)
		r = ST_UNKNOWN_RECIPIENT;
	return admin_end(s, r);
}

int
store_aliases(struct store *s, store_pair_cb cb, void *arg)
{
	sqlite3_stmt	*st;
	const char	*address, *name;
	size_t		 len;
	int		 r;

	if ((st = s_query(s, Q_ALIASES, "")) == NULL)
		return s_error(s);
	while ((r = s_step(s, st)) == 1) {
		address = s_text(st, 0, &len);
		name = s_text(st, 1, &len);
		cb(arg, address, name);
	}
	return r == 0 ? ST_OK : s_error(s);
}

int
store_hold(struct store *s, int64_t until)
{
	int r;

	if ((r = store_begin(s, 1)) != ST_OK)
		return r;
	return admin_end(s, s_meta_put(s, "hold", until));
}

/*
 * What was told after the backup was made must never be told again with
 * another meaning: mailboxes get ids that nobody has seen, cursors and
 * keys of the time before are void.
 */
static int
admin_renew(struct store *s)
{
	static const char *const sql[] = {
		/*
		 * Mailboxes may have been made faster than one a second, and
		 * this backup may be restored again: so much ahead, as long
		 * as there are 32 bits for it.
		 */
		"UPDATE account SET uidvalidity = max(uidvalidity, "
		    "CAST(strftime('%s', 'now') AS INTEGER))",
		"UPDATE account SET uidvalidity = uidvalidity + 86400 + "
		    "(random() & 4194303) WHERE uidvalidity < 4200000000",
		"UPDATE mailbox SET uidvalidity = n.v FROM "
		    "(SELECT m.no AS no, a.uidvalidity + row_number() OVER "
		    "(PARTITION BY m.account ORDER BY m.no) AS v "
		    "FROM mailbox m JOIN account a ON a.no = m.account) n "
		    "WHERE mailbox.no = n.no",
		"UPDATE account SET uidvalidity = max(uidvalidity, "
		    "coalesce((SELECT max(m.uidvalidity) FROM mailbox m "
		    "WHERE m.account = account.no), 0))",
		"UPDATE mailbox SET block = 0",
		"DELETE FROM idem",
		"DELETE FROM meta WHERE name IN ('hold', 'boot')",
	};
	size_t	i;
	int	r;

	for (i = 0; i < sizeof(sql) / sizeof(sql[0]); i++)
		if ((r = s_exec(s, sql[i])) != ST_OK)
			return r;
	do {
		arc4random_buf(&s->epoch, sizeof(s->epoch));
	} while (s->epoch == 0);
	if ((r = s_meta_put(s, "epoch", s->epoch)) != ST_OK)
		return r;
	return s_meta_put(s, "clean", 1);
}

int
store_renew(struct store *s)
{
	int r;

	if ((r = store_begin(s, 1)) != ST_OK)
		return r;
	return admin_end(s, admin_renew(s));
}

/*
 * One read transaction around all steps: they copy one state, however much
 * the server writes meanwhile.
 */
int
store_copy_to(struct store *s, const char *path)
{
	sqlite3		*to = NULL;
	sqlite3_backup	*b;
	int64_t		 n;
	int		 r = ST_INTERNAL, rc;

	if (sqlite3_open(path, &to) != SQLITE_OK) {
		log_warnx("%s: %s", path, sqlite3_errmsg(to));
		goto done;
	}
	if (s_run(s, Q_BEGIN_READ, "") != ST_OK ||
	    s_number(s, &n, Q_LOG_MAX, "") != ST_OK)
		goto done;
	if ((b = sqlite3_backup_init(to, "main", s->db, "main")) != NULL) {
		while ((rc = sqlite3_backup_step(b, 1000)) == SQLITE_OK)
			;
		if (sqlite3_backup_finish(b) == SQLITE_OK &&
		    rc == SQLITE_DONE)
			r = ST_OK;
	}
	if (r != ST_OK)
		log_warnx("%s: %s", path, sqlite3_errmsg(to));
	(void)s_run(s, Q_COMMIT, "");
 done:
	sqlite3_close(to);
	return r;
}

int
store_files(struct store *s, store_file_cb cb, void *arg)
{
	sqlite3_stmt	*st;
	const void	*rnd;
	int		 r;

	if ((st = s_query(s, Q_CONTENT_FILES, "")) == NULL)
		return s_error(s);
	while ((r = s_step(s, st)) == 1) {
		rnd = sqlite3_column_blob(st, 0);
		if (rnd == NULL || sqlite3_column_bytes(st, 0) != NAME_RND)
			continue;
		if (cb(arg, rnd, (uint64_t)sqlite3_column_int64(st, 1))) {
			sqlite3_reset(st);
			return ST_INTERNAL;
		}
	}
	return r == 0 ? ST_OK : s_error(s);
}

/* What must hold; each query counts the rows for which it does not. */
static const struct {
	const char	*what;
	const char	*sql;
} admin_checks[] = {
	{ "mailboxes whose counts are wrong",
	    "SELECT count(*) FROM mailbox m WHERE gone IS NULL AND "
	    "(messages, size) IS NOT (SELECT count(*), "
	    "coalesce(sum(size), 0) FROM message WHERE mailbox = m.no)" },
	{ "mailboxes whose unseen or deleted count is wrong",
	    "SELECT count(*) FROM mailbox m WHERE gone IS NULL AND "
	    "(unseen, deleted) IS NOT (SELECT "
	    "count(*) FILTER (WHERE instr(f.flags, '\"\\\\Seen\"') = 0), "
	    "count(*) FILTER (WHERE instr(f.flags, '\"\\\\Deleted\"') > 0) "
	    "FROM message g JOIN flagset f ON f.no = g.flags "
	    "WHERE g.mailbox = m.no)" },
	{ "messages with a uid or modseq over their mailbox's",
	    "SELECT count(*) FROM message g JOIN mailbox m "
	    "ON m.no = g.mailbox AND m.gone IS NULL "
	    "WHERE uid >= uidnext OR g.modseq > m.modseq" },
	{ "messages without a mailbox",
	    "SELECT count(*) FROM message g WHERE NOT EXISTS "
	    "(SELECT 1 FROM mailbox m WHERE m.no = g.mailbox)" },
	{ "messages without a set of flags",
	    "SELECT count(*) FROM message g WHERE NOT EXISTS "
	    "(SELECT 1 FROM flagset f WHERE f.no = g.flags)" },
	{ "messages whose content is not there or another",
	    "SELECT count(*) FROM message g WHERE NOT EXISTS "
	    "(SELECT 1 FROM content c WHERE c.no = g.content "
	    "AND c.rnd = g.rnd AND c.size = g.size)" },
	{ "contents of a wrong size",
	    "SELECT count(*) FROM content "
	    "WHERE data IS NOT NULL AND length(data) <> size" },
	{ "references that are counted wrong",
	    "SELECT count(*) FROM (SELECT content, account, sum(n) AS n, "
	    "sum(refs) AS refs FROM ("
	    "SELECT g.content AS content, m.account AS account, 1 AS n, "
	    "0 AS refs FROM message g JOIN mailbox m ON m.no = g.mailbox "
	    "UNION ALL SELECT content, account, 0, refs FROM holding) "
	    "GROUP BY content, account) WHERE n <> refs" },
	{ "contents that nobody has",
	    "SELECT count(*) FROM content c WHERE NOT EXISTS "
	    "(SELECT 1 FROM holding h WHERE h.content = c.no)" },
	{ "contents without a message that will not be swept",
	    "SELECT count(*) FROM holding WHERE refs = 0 "
	    "AND gone IS NULL" },
	{ "values of a dict of a wrong size",
	    "SELECT count(*) FROM dict WHERE length(value) <> size" },
	{ "metadata without a mailbox",
	    "SELECT count(*) FROM metadata d WHERE mailbox <> 0 "
	    "AND NOT EXISTS (SELECT 1 FROM mailbox m "
	    "WHERE m.no = d.mailbox)" },
	{ "SCRAM keys without a user",
	    "SELECT count(*) FROM scram k WHERE NOT EXISTS "
	    "(SELECT 1 FROM user u WHERE u.name = k.user)" },
	{ "accounts whose INBOX is not there once",
	    "SELECT count(*) FROM account a WHERE gone IS NULL "
	    "AND 1 <> (SELECT count(*) FROM mailbox m WHERE m.gone IS NULL "
	    "AND m.account = a.no AND m.name = 'INBOX')" },
	{ "mailboxes with a uidvalidity over their account's counter",
	    "SELECT count(*) FROM mailbox m JOIN account a "
	    "ON a.no = m.account WHERE m.uidvalidity > a.uidvalidity" },
};

static int64_t
admin_check_file(struct store *s)
{
	sqlite3_stmt	*st;
	int64_t		 faults = 0;
	const char	*t;
	size_t		 len;

	if (sqlite3_prepare_v2(s->db, "PRAGMA integrity_check", -1, &st,
	    NULL) != SQLITE_OK)
		return -1;
	while (sqlite3_step(st) == SQLITE_ROW) {
		t = s_text(st, 0, &len);
		if (strcmp(t, "ok") == 0)
			continue;
		log_warnx("%s: %s", STORE_FILE, t);
		faults++;
	}
	return sqlite3_finalize(st) == SQLITE_OK ? faults : -1;
}

static int64_t
admin_check_one(struct store *s, const char *what, const char *sql)
{
	sqlite3_stmt	*st;
	int64_t		 n = -1;

	if (sqlite3_prepare_v2(s->db, sql, -1, &st, NULL) == SQLITE_OK &&
	    sqlite3_step(st) == SQLITE_ROW)
		n = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	if (n == -1)
		(void)s_error(s);
	else if (n > 0)
		log_warnx("%lld %s", (long long)n, what);
	return n;
}

int64_t
store_check(struct store *s)
{
	int64_t	faults, n;
	size_t	i;

	if (s_exec(s, "BEGIN") != ST_OK)
		return -1;
	faults = admin_check_file(s);
	for (i = 0; i < sizeof(admin_checks) / sizeof(admin_checks[0]) &&
	    faults >= 0; i++) {
		n = admin_check_one(s, admin_checks[i].what,
		    admin_checks[i].sql);
		faults = n == -1 ? -1 : faults + n;
	}
	(void)s_exec(s, "COMMIT");
	return faults;
}
