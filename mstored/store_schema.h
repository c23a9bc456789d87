/* The schema and how an older one becomes it; only store.c includes it. */
#ifndef STORE_SCHEMA_H
#define STORE_SCHEMA_H

/*
 * mailbox.no and account.no are never used twice (AUTOINCREMENT).  gone: a
 * mailbox that was deleted, whose messages are still to be swept (the time);
 * an account likewise (1, then 2 when done); a content that an account has
 * no message of any more (the time).
 *
 * message.rnd repeats content.rnd, so that a listing need not look into the
 * table with the bodies.
 */
static const char schema_1[] =
	"CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;"
	"CREATE TABLE account (no INTEGER PRIMARY KEY AUTOINCREMENT, "
	    "name TEXT NOT NULL, uidvalidity INTEGER NOT NULL, "
	    "gone INTEGER);"
	"CREATE INDEX account_name ON account (name);"
	"CREATE INDEX account_gone ON account (gone) WHERE gone = 1;"
	"CREATE TABLE mailbox (no INTEGER PRIMARY KEY AUTOINCREMENT, "
	    "account INTEGER NOT NULL, name TEXT NOT NULL, "
	    "uidvalidity INTEGER NOT NULL, "
	    "uidnext INTEGER NOT NULL DEFAULT 1, "
	    "messages INTEGER NOT NULL DEFAULT 0, "
	    "unseen INTEGER NOT NULL DEFAULT 0, "
	    "deleted INTEGER NOT NULL DEFAULT 0, "
	    "size INTEGER NOT NULL DEFAULT 0, "
	    "modseq INTEGER NOT NULL DEFAULT 1, "
	    "block INTEGER NOT NULL DEFAULT 0, "
	    "floor INTEGER NOT NULL DEFAULT 1, "
	    "known INTEGER NOT NULL DEFAULT 1, roles TEXT, gone INTEGER);"
	"CREATE UNIQUE INDEX mailbox_name ON mailbox (account, name) "
	    "WHERE gone IS NULL;"
	"CREATE INDEX mailbox_account ON mailbox (account) "
	    "WHERE gone IS NULL;"
	"CREATE INDEX mailbox_gone ON mailbox (gone) "
	    "WHERE gone IS NOT NULL;"
	"CREATE INDEX mailbox_block ON mailbox (no) WHERE block > 0;"
	"CREATE TABLE message (mailbox INTEGER NOT NULL, "
	    "uid INTEGER NOT NULL, flags INTEGER NOT NULL, "
	    "modseq INTEGER NOT NULL, content INTEGER NOT NULL, "
	    "rnd BLOB NOT NULL, size INTEGER NOT NULL, "
	    "date INTEGER NOT NULL, PRIMARY KEY (mailbox, uid)) "
	    "WITHOUT ROWID;"
	"CREATE TABLE content (no INTEGER PRIMARY KEY AUTOINCREMENT, "
	    "rnd BLOB NOT NULL, size INTEGER NOT NULL, data BLOB);"
	"CREATE INDEX content_file ON content (rnd) WHERE data IS NULL;"
	"CREATE TABLE holding (content INTEGER NOT NULL, "
	    "account INTEGER NOT NULL, refs INTEGER NOT NULL, "
	    "gone INTEGER, PRIMARY KEY (content, account)) WITHOUT ROWID;"
	"CREATE INDEX holding_gone ON holding (gone) "
	    "WHERE gone IS NOT NULL;"
	"CREATE TABLE summary (content INTEGER NOT NULL, "
	    "account INTEGER NOT NULL, text TEXT NOT NULL, "
	    "PRIMARY KEY (content, account)) WITHOUT ROWID;"
	"CREATE TABLE trash (rnd BLOB PRIMARY KEY) WITHOUT ROWID;"
	"CREATE TABLE flagset (no INTEGER PRIMARY KEY, "
	    "flags TEXT NOT NULL UNIQUE);"
	"INSERT INTO flagset VALUES (1, '[]');"
	"CREATE TABLE subscription (account INTEGER NOT NULL, "
	    "name TEXT NOT NULL, PRIMARY KEY (account, name)) "
	    "WITHOUT ROWID;"
	/* the largest uidvalidity that a name no longer in use ever had */
	"CREATE TABLE pastname (account INTEGER NOT NULL, "
	    "name TEXT NOT NULL, uidvalidity INTEGER NOT NULL, "
	    "PRIMARY KEY (account, name)) WITHOUT ROWID;"
	"CREATE TABLE log (seq INTEGER PRIMARY KEY, time INTEGER NOT NULL, "
	    "account INTEGER NOT NULL, mailbox INTEGER, modseq INTEGER, "
	    "what INTEGER NOT NULL, uids TEXT);"
	"CREATE INDEX log_mailbox ON log (mailbox, modseq) "
	    "WHERE mailbox IS NOT NULL;"
	"CREATE TABLE idem (no INTEGER PRIMARY KEY, hash INTEGER NOT NULL, "
	    "scope INTEGER NOT NULL, idx INTEGER NOT NULL, "
	    "key TEXT NOT NULL, print INTEGER NOT NULL, "
	    "status INTEGER NOT NULL, time INTEGER NOT NULL, "
	    "answer BLOB NOT NULL);"
	"CREATE INDEX idem_hash ON idem (hash);"
	"CREATE TABLE user (name TEXT PRIMARY KEY, "
	    "account INTEGER NOT NULL, hash TEXT NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE alias (address TEXT COLLATE NOCASE PRIMARY KEY, "
	    "account INTEGER NOT NULL) WITHOUT ROWID;";

/*
 * saved: when the message came into its mailbox (s), NULL if that was not
 * kept yet.  birth: the mailbox's first uidvalidity, which with its number
 * is a name that no other has, even after a restore.  Limits: NULL is the
 * server's, -1 none.  metadata.mailbox 0 is the account itself.
 * meta's secret makes up what is told of users that do not exist.
 */
static const char schema_2[] =
	"ALTER TABLE message ADD COLUMN saved INTEGER;"
	"ALTER TABLE mailbox ADD COLUMN birth INTEGER NOT NULL DEFAULT 0;"
	"UPDATE mailbox SET birth = uidvalidity;"
	"ALTER TABLE account ADD COLUMN quota_size INTEGER;"
	"ALTER TABLE account ADD COLUMN quota_count INTEGER;"
	"CREATE TABLE dict (no INTEGER PRIMARY KEY, "
	    "account INTEGER NOT NULL, key TEXT NOT NULL, "
	    "etag TEXT NOT NULL, size INTEGER NOT NULL, "
	    "value BLOB NOT NULL);"
	"CREATE UNIQUE INDEX dict_key ON dict (account, key);"
	"CREATE INDEX dict_size ON dict (account, size);"
	"CREATE TABLE metadata (account INTEGER NOT NULL, "
	    "mailbox INTEGER NOT NULL, entry TEXT NOT NULL, "
	    "value BLOB NOT NULL, PRIMARY KEY (account, mailbox, entry)) "
	    "WITHOUT ROWID;"
	"CREATE TABLE scram (user TEXT PRIMARY KEY, "
	    "iterations INTEGER NOT NULL, salt BLOB NOT NULL, "
	    "stored BLOB NOT NULL, server BLOB NOT NULL) WITHOUT ROWID;"
	"INSERT INTO meta VALUES ('secret', randomblob(32));";

/* schema_steps[n] makes version n + 1 out of version n. */
static const char *const schema_steps[STORE_VERSION] = {
	schema_1,
	schema_2,
};

#endif /* STORE_SCHEMA_H */
