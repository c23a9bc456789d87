/* Accounts, mailboxes and subscriptions. */
#include <string.h>
#include <time.h>

#include "store_int.h"

void
s_mailbox_row(sqlite3_stmt *st, struct store_mailbox *m)
{
	size_t len;

	m->id.no = sqlite3_column_int64(st, 0);
	m->id.uidvalidity = (uint32_t)sqlite3_column_int64(st, 1);
	m->account = sqlite3_column_int64(st, 2);
	m->uidnext = (uint32_t)sqlite3_column_int64(st, 3);
	m->messages = (uint64_t)sqlite3_column_int64(st, 4);
	m->unseen = (uint64_t)sqlite3_column_int64(st, 5);
	m->deleted = (uint64_t)sqlite3_column_int64(st, 6);
	m->size = (uint64_t)sqlite3_column_int64(st, 7);
	m->modseq = (uint64_t)sqlite3_column_int64(st, 8);
	m->block = (uint64_t)sqlite3_column_int64(st, 9);
	m->floor = (uint64_t)sqlite3_column_int64(st, 10);
	m->known = sqlite3_column_int64(st, 11);
	m->birth = (uint32_t)sqlite3_column_int64(st, 12);
	m->name = s_text(st, 13, &m->namelen);
	m->roles = s_text(st, 14, &len);
	m->subscribed = sqlite3_column_int(st, 15);
}

static int
store_mailbox_found(struct store *s, sqlite3_stmt *st,
    struct store_mailbox *m)
{
	if (st == NULL)
		return s_error(s);
	switch (s_step(s, st)) {
	case 1:
		s_mailbox_row(st, m);
		s_hold(s, st);
		return ST_OK;
	case 0:
		return ST_NO_SUCH_MAILBOX;
	default:
		return s_error(s);
	}
}

int
s_mailbox(struct store *s, enum store_query q, int64_t account,
    const struct mbox_id *id, struct store_mailbox *m)
{
	return store_mailbox_found(s, s_query(s, q, "iii", id->no, account,
	    (int64_t)id->uidvalidity), m);
}

/* The account is looked for only where that tells which of the two fails. */
int
store_mailbox(struct store *s, const char *account, const struct mbox_id *id,
    struct store_mailbox *m)
{
	int64_t	no;
	int	r;

	if ((r = s_read(s)) != ST_OK)
		return r;
	r = store_mailbox_found(s, s_query(s, Q_MAILBOX_OF, "iti", id->no,
	    account, (int64_t)id->uidvalidity), m);
	if (r == ST_NO_SUCH_MAILBOX &&
	    store_account(s, account, &no) == ST_NO_SUCH_ACCOUNT)
		r = ST_NO_SUCH_ACCOUNT;
	return r;
}

int
store_account(struct store *s, const char *name, int64_t *no)
{
	int r;

	if ((r = s_read(s)) != ST_OK ||
	    (r = s_number(s, no, Q_ACCOUNT, "t", name)) != ST_OK)
		return r;
	return *no != 0 ? ST_OK : ST_NO_SUCH_ACCOUNT;
}

int
store_mailboxes(struct store *s, int64_t account, int64_t after,
    store_mailbox_cb cb, void *arg)
{
	struct store_mailbox	 m;
	sqlite3_stmt		*st;
	int			 r;

	if ((r = s_read(s)) != ST_OK)
		return r;
	if ((st = s_query(s, Q_MAILBOXES, "ii", account, after)) == NULL)
		return s_error(s);
	while ((r = s_step(s, st)) == 1) {
		s_mailbox_row(st, &m);
		if (cb(arg, &m)) {
			sqlite3_reset(st);
			return ST_OK;
		}
	}
	return r == 0 ? ST_OK : s_error(s);
}

int
store_orphans(struct store *s, int64_t account, const char *after,
    store_name_cb cb, void *arg)
{
	sqlite3_stmt	*st;
	const char	*name;
	size_t		 len;
	int		 r;

	if ((r = s_read(s)) != ST_OK)
		return r;
	if ((st = s_query(s, Q_ORPHANS, "it", account, after)) == NULL)
		return s_error(s);
	while ((r = s_step(s, st)) == 1) {
		name = s_text(st, 0, &len);
		if (cb(arg, name, len)) {
			sqlite3_reset(st);
			return ST_OK;
		}
	}
	return r == 0 ? ST_OK : s_error(s);
}

/* The next uidvalidity of an account: no two mailboxes ever share one. */
static int
store_uidvalidity(struct store *s, int64_t account, uint32_t *v)
{
	int64_t	n;
	int	r;

	if ((r = s_number(s, &n, Q_ACCOUNT_UIDV, "i", account)) != ST_OK)
		return r;
	if (n <= 0 || n > UINT32_MAX)
		return ST_OVER_QUOTA;
	*v = (uint32_t)n;
	return ST_OK;
}

static int
store_put_mailbox(struct store *s, int64_t account, const char *name,
    const char *roles, struct mbox_id *id)
{
	int r;

	if ((r = store_uidvalidity(s, account, &id->uidvalidity)) != ST_OK)
		return r;
	r = s_run(s, Q_MAILBOX_PUT, roles != NULL ? "itit" : "itin", account,
	    name, (int64_t)id->uidvalidity, roles);
	if (r == ST_OK)
		id->no = sqlite3_last_insert_rowid(s->db);
	return r;
}

/*
 * A name that an account had before, since removed, goes on with that one's
 * uidvalidity: who remembers the old account must not take one of the new
 * mailboxes for an old one.
 */
static int
store_put_account(struct store *s, const char *name, int64_t *no)
{
	struct mbox_id	id;
	int64_t		last;
	int		r;

	if ((r = s_number(s, &last, Q_ACCOUNT_LAST, "t", name)) != ST_OK)
		return r;
	if (last < time(NULL))
		last = time(NULL);
	if ((r = s_run(s, Q_ACCOUNT_PUT, "ti", name, last)) != ST_OK)
		return r;
	*no = sqlite3_last_insert_rowid(s->db);
	if ((r = store_put_mailbox(s, *no, "INBOX", NULL, &id)) != ST_OK)
		return r;
	return store_list_event(s, *no);
}

int
store_account_make(struct store *s, const char *name, int64_t *no)
{
	int r;

	r = store_account(s, name, no);
	if (r == ST_NO_SUCH_ACCOUNT && s->conf.open_accounts)
		r = store_put_account(s, name, no);
	return r;
}

static int
store_named(struct store *s, int64_t account, const char *name,
    struct mbox_id *id)
{
	sqlite3_stmt	*st;
	int		 r;

	if ((st = s_query(s, Q_MAILBOX_NAMED, "it", account, name)) == NULL)
		return s_error(s);
	if ((r = s_step(s, st)) == -1)
		return s_error(s);
	if (r == 0)
		return ST_NO_SUCH_MAILBOX;
	id->no = sqlite3_column_int64(st, 0);
	id->uidvalidity = (uint32_t)sqlite3_column_int64(st, 1);
	sqlite3_reset(st);
	return ST_OK;
}

int
store_create(struct store *s, int64_t account, const char *name,
    const char *roles, struct store_mailbox *m)
{
	struct mbox_id	id;
	int64_t		n;
	int		r;

	if ((r = store_named(s, account, name, &id)) != ST_NO_SUCH_MAILBOX)
		return r == ST_OK ? ST_EXISTS : r;
	if ((r = s_number(s, &n, Q_MAILBOX_COUNT, "i", account)) != ST_OK)
		return r;
	if (n >= s->conf.max_mailboxes)
		return ST_OVER_QUOTA;
	if ((r = store_put_mailbox(s, account, name, roles, &id)) != ST_OK ||
	    (r = store_list_event(s, account)) != ST_OK)
		return r;
	return s_mailbox(s, Q_MAILBOX, account, &id, m);
}

/* Is b the name a or below it? */
static int
store_is_below(const char *a, const char *b)
{
	size_t len = strlen(a);

	return strncmp(a, b, len) == 0 && (b[len] == '\0' || b[len] == '/');
}

/*
 * A mailbox may take its uidvalidity along only where the new name never
 * had a larger one; else it gets the next.
 */
static int
store_rename_one(struct store *s, int64_t account, struct mbox_id *id,
    const char *old, const char *new)
{
	int64_t	past;
	int	r;

	if ((r = s_run(s, Q_PAST_PUT, "iti", account, old,
	    (int64_t)id->uidvalidity)) != ST_OK ||
	    (r = s_number(s, &past, Q_PAST, "it", account, new)) != ST_OK)
		return r;
	if (past >= (int64_t)id->uidvalidity && (r = store_uidvalidity(s,
	    account, &id->uidvalidity)) != ST_OK)
		return r;
	return s_run(s, Q_MAILBOX_RENAME, "tii", new,
	    (int64_t)id->uidvalidity, id->no);
}

/* The first mailbox of the subtree, its name in a buffer. */
static int
store_subtree_next(struct store *s, int64_t account, const char *from,
    struct mbox_id *id, char *name, size_t size)
{
	sqlite3_stmt	*st;
	const char	*text;
	size_t		 len;
	int		 r;

	if ((st = s_query(s, Q_SUBTREE, "it", account, from)) == NULL)
		return s_error(s);
	if ((r = s_step(s, st)) == -1)
		return s_error(s);
	if (r == 0)
		return ST_NO_SUCH_MAILBOX;
	id->no = sqlite3_column_int64(st, 0);
	id->uidvalidity = (uint32_t)sqlite3_column_int64(st, 1);
	text = s_text(st, 2, &len);
	r = strlcpy(name, text, size) < size ? ST_OK : ST_INTERNAL;
	sqlite3_reset(st);
	return r;
}

static int
store_rename_all(struct store *s, int64_t account, const char *from,
    const char *to)
{
	struct mbox_id	id;
	char		old[NAME_MAILBOX_MAX + 1];
	char		new[2 * NAME_MAILBOX_MAX + 1];
	int		n, r;

	memset(&id, 0, sizeof(id));
	for (n = 0;; n++) {
		r = store_subtree_next(s, account, from, &id, old,
		    sizeof(old));
		if (r == ST_NO_SUCH_MAILBOX && n > 0)
			return ST_OK;
		if (r != ST_OK)
			return r;
		strlcpy(new, to, sizeof(new));
		strlcat(new, old + strlen(from), sizeof(new));
		if (strlen(new) > NAME_MAILBOX_MAX)
			return ST_BAD_REQUEST;
		if ((r = store_rename_one(s, account, &id, old, new)) !=
		    ST_OK)
			return r;
	}
}

int
store_rename(struct store *s, int64_t account, const char *from,
    const char *to)
{
	struct mbox_id	id;
	int64_t		n;
	int		r;

	if (strcmp(from, "INBOX") == 0)
		return ST_NOT_PERMITTED;
	if (strcmp(from, to) != 0 && store_is_below(from, to))
		return ST_NOT_PERMITTED;
	r = store_named(s, account, to, &id);
	if (r != ST_OK && r != ST_NO_SUCH_MAILBOX)
		return r;
	if (r == ST_OK)
		return ST_EXISTS;
	if ((r = s_number(s, &n, Q_SUBTREE_TARGET, "itt", account, from,
	    to)) != ST_OK)
		return r;
	if (n > 0)
		return ST_EXISTS;
	if ((r = store_rename_all(s, account, from, to)) != ST_OK)
		return r;
	return store_list_event(s, account);
}

/*
 * The messages stay until housekeeping sweeps them; nobody sees them any
 * more.
 */
int
store_delete(struct store *s, int64_t account, const struct mbox_id *id)
{
	struct store_mailbox	 m;
	char			 name[NAME_MAILBOX_MAX + 1];
	int			 r;

	if ((r = s_mailbox(s, Q_MAILBOX, account, id, &m)) != ST_OK)
		return r;
	strlcpy(name, m.name, sizeof(name));
	if (strcmp(name, "INBOX") == 0)
		return ST_NOT_PERMITTED;
	if ((r = s_run(s, Q_PAST_PUT, "iti", account, name,
	    (int64_t)id->uidvalidity)) != ST_OK ||
	    (r = s_run(s, Q_MAILBOX_GONE, "ii", (int64_t)time(NULL),
	    id->no)) != ST_OK)
		return r;
	return store_list_event(s, account);
}

int
store_subscribe(struct store *s, int64_t account, const char *name, int on)
{
	int64_t	n;
	int	r;

	if (!on)
		return s_run(s, Q_UNSUBSCRIBE, "it", account, name);
	if ((r = s_number(s, &n, Q_SUBSCRIPTION_COUNT, "i",
	    account)) != ST_OK)
		return r;
	if (n >= s->conf.max_mailboxes)
		return ST_OVER_QUOTA;
	return s_run(s, Q_SUBSCRIBE, "it", account, name);
}
