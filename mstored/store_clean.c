/* Housekeeping: what was removed, what is too old to be remembered. */
#include <sys/types.h>
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "store_int.h"

#define CLEAN_ROWS	500	/* of one step */
#define CLEAN_LOG	500	/* as in Q_LOG_OLD */

/*
 * Each step says in *more whether it found something to do.  Files go
 * only once the commit that took their content out is on disk.
 */
typedef int (*clean_fn)(struct store *, int64_t, int *);

struct clean_trash {
	uint8_t	rnd[50][NAME_RND];	/* as in Q_TRASH */
	int	n;
};

static int
clean_trash_read(struct store *s, struct clean_trash *t)
{
	sqlite3_stmt	*st;
	const void	*p;
	int		 r;

	t->n = 0;
	if ((st = s_query(s, Q_TRASH, "")) == NULL)
		return s_error(s);
	while ((r = s_step(s, st)) == 1) {
		if ((p = sqlite3_column_blob(st, 0)) != NULL &&
		    sqlite3_column_bytes(st, 0) == NAME_RND)
			memcpy(t->rnd[t->n++], p, NAME_RND);
	}
	return r == 0 ? ST_OK : s_error(s);
}

static int
clean_trash(struct store *s, int64_t now, int *more)
{
	struct clean_trash	t;
	char			name[NAME_FILE_SIZE];
	int			i, new, r;

	if ((r = clean_trash_read(s, &t)) != ST_OK)
		return r;
	for (i = 0; i < t.n; i++) {
		for (new = 0; new <= 1; new++) {
			name_put_file(name, t.rnd[i], new);
			if (unlink(name) == -1 && errno != ENOENT) {
				log_warn("cannot remove %s", name);
				return ST_INTERNAL;
			}
		}
		if ((r = s_run(s, Q_TRASH_DEL, "b", (const void *)t.rnd[i],
		    (size_t)NAME_RND)) != ST_OK)
			return r;
	}
	*more = t.n > 0;
	return ST_OK;
}

static int
clean_content(struct store *s, int64_t no)
{
	sqlite3_stmt	*st;
	uint8_t		 rnd[NAME_RND];
	int64_t		 others;
	int		 r, file = 0;

	if ((r = s_number(s, &others, Q_HOLDING_OTHER, "i", no)) != ST_OK)
		return r;
	if (others > 0)
		return ST_OK;
	if ((st = s_query(s, Q_CONTENT_DEL, "i", no)) == NULL)
		return s_error(s);
	while ((r = s_step(s, st)) == 1) {
		if (sqlite3_column_int(st, 1) &&
		    sqlite3_column_bytes(st, 0) == NAME_RND) {
			memcpy(rnd, sqlite3_column_blob(st, 0), NAME_RND);
			file = 1;
		}
	}
	if (r == -1)
		return s_error(s);
	if (!file)
		return ST_OK;
	return s_run(s, Q_TRASH_PUT, "b", (const void *)rnd,
	    (size_t)NAME_RND);
}

static int
clean_holding(struct store *s, int64_t content, int64_t account)
{
	int r;

	if ((r = s_run(s, Q_HOLDING_DEL, "ii", content, account)) != ST_OK ||
	    (r = s_run(s, Q_SUMMARY_DEL, "ii", content, account)) != ST_OK)
		return r;
	return clean_content(s, content);
}

/* Contents whose time of grace is over. */
static int
clean_holdings(struct store *s, int64_t now, int *more)
{
	struct {
		int64_t	content, account;
	}		 h[100];		/* as in Q_HOLDING_DEAD */
	sqlite3_stmt	*st;
	int64_t		 hold;
	int		 i, n = 0, r;

	if ((r = s_meta(s, "hold", &hold)) != ST_OK)
		return r;
	if (hold > now)
		return ST_OK;
	if ((st = s_query(s, Q_HOLDING_DEAD, "i",
	    now - s->conf.grace)) == NULL)
		return s_error(s);
	while ((r = s_step(s, st)) == 1) {
		h[n].content = sqlite3_column_int64(st, 0);
		h[n++].account = sqlite3_column_int64(st, 1);
	}
	if (r == -1)
		return s_error(s);
	for (i = 0; i < n; i++)
		if ((r = clean_holding(s, h[i].content,
		    h[i].account)) != ST_OK)
			return r;
	*more = n > 0;
	return ST_OK;
}

/* A removed account: its mailboxes go, then they are swept one by one. */
static int
clean_accounts(struct store *s, int64_t now, int *more)
{
	int64_t	no;
	int	r;

	if ((r = s_number(s, &no, Q_ACCOUNT_PURGE, "")) != ST_OK || no == 0)
		return r;
	*more = 1;
	if ((r = s_run(s, Q_MAILBOX_ALL_GONE, "ii", now, no)) != ST_OK ||
	    (r = s_run(s, Q_SUBSCRIPTION_DROP, "i", no)) != ST_OK ||
	    (r = s_run(s, Q_PAST_DROP, "i", no)) != ST_OK ||
	    (r = s_run(s, Q_DICT_DROP, "i", no)) != ST_OK ||
	    (r = s_run(s, Q_METADATA_ALL_DROP, "i", no)) != ST_OK)
		return r;
	return s_run(s, Q_ACCOUNT_PURGED, "i", no);
}

static int
clean_add(void *arg, const struct store_msg *m)
{
	struct store_batch *b = arg;

	b->row[b->n++] = *m;
	return b->n == CLEAN_ROWS;
}

static int
clean_messages(struct store *s, int64_t mailbox, int64_t account, int *n)
{
	struct store_batch	*b = s->batch;
	int			 i, r;

	memset(&b->scan, 0, sizeof(b->scan));
	b->n = 0;
	b->scan.mailbox = mailbox;
	b->scan.lo = 1;
	b->scan.hi = UINT32_MAX;
	b->scan.what = STORE_ROWS;
	if ((r = store_messages(s, &b->scan, clean_add, b)) != ST_OK)
		return r;
	for (i = 0; i < b->n; i++)
		if ((r = s_holding_drop(s, account,
		    b->row[i].content.no)) != ST_OK)
			return r;
	if ((*n = b->n) == 0)
		return ST_OK;
	return s_run(s, Q_MESSAGE_DEL, "iii", mailbox, (int64_t)1,
	    (int64_t)b->row[b->n - 1].uid);
}

/* A deleted mailbox's messages, some at a time, then the mailbox. */
static int
clean_mailboxes(struct store *s, int64_t now, int *more)
{
	sqlite3_stmt	*st;
	int64_t		 no, account;
	int		 n, r;

	if ((st = s_query(s, Q_MAILBOX_DEAD, "")) == NULL)
		return s_error(s);
	if ((r = s_step(s, st)) != 1)
		return r == 0 ? ST_OK : s_error(s);
	no = sqlite3_column_int64(st, 0);
	account = sqlite3_column_int64(st, 1);
	sqlite3_reset(st);
	*more = 1;
	if ((r = clean_messages(s, no, account, &n)) != ST_OK || n > 0)
		return r;
	if ((r = s_run(s, Q_METADATA_DROP, "ii", account, no)) != ST_OK)
		return r;
	return s_run(s, Q_MAILBOX_DROP, "i", no);
}

struct clean_log {
	int64_t	mailbox;
	int64_t	modseq;
};

/*
 * The oldest changes, when they are too old or too many; what is forgotten
 * raises the floor under which since= and cursors are too old.  The newest
 * row always stays, since it says how far events are numbered.
 */
static int
clean_log_read(struct store *s, int64_t now, struct clean_log *row, int *n,
    int64_t *last)
{
	sqlite3_stmt	*st;
	int64_t		 seq;
	int		 r;

	*n = 0;
	*last = 0;
	if ((st = s_query(s, Q_LOG_OLD, "")) == NULL)
		return s_error(s);
	while ((r = s_step(s, st)) == 1) {
		seq = sqlite3_column_int64(st, 0);
		if (seq >= s->seq || (seq > s->seq - s->conf.log_rows &&
		    sqlite3_column_int64(st, 1) >= now - s->conf.log_age)) {
			sqlite3_reset(st);
			return ST_OK;
		}
		*last = seq;
		row[*n].mailbox = sqlite3_column_int64(st, 2);
		row[(*n)++].modseq = sqlite3_column_int64(st, 3);
	}
	return r == 0 ? ST_OK : s_error(s);
}

static int
clean_log(struct store *s, int64_t now, int *more)
{
	struct clean_log	row[CLEAN_LOG];
	int64_t			last;
	int			i, n, r;

	if ((r = clean_log_read(s, now, row, &n, &last)) != ST_OK || n == 0)
		return r;
	for (i = 0; i < n; i++)
		if (row[i].mailbox != 0 && (r = s_run(s, Q_MAILBOX_FLOOR,
		    "ii", row[i].modseq, row[i].mailbox)) != ST_OK)
			return r;
	*more = n == CLEAN_LOG;
	if ((r = s_run(s, Q_LOG_DEL, "i", last)) != ST_OK)
		return r;
	return s_meta_put(s, "log_floor", last);
}

static int
clean_keys(struct store *s, int64_t now, int *more)
{
	int64_t	last;
	int	r;

	if ((r = s_number(s, &last, Q_KEY_OLD, "i",
	    now - s->conf.key_age)) != ST_OK || last == 0)
		return r;
	*more = 1;
	return s_run(s, Q_KEY_DEL, "i", last);
}

static const clean_fn clean_steps[] = {
	clean_trash,
	clean_holdings,
	clean_accounts,
	clean_mailboxes,
	clean_log,
	clean_keys,
};

int
store_clean(struct store *s)
{
	int64_t	now = time(NULL);
	size_t	i;
	int	more, any = 0;

	if (store_begin(s, 1) != ST_OK)
		return -1;
	for (i = 0; i < sizeof(clean_steps) / sizeof(clean_steps[0]); i++) {
		more = 0;
		if (clean_steps[i](s, now, &more) != ST_OK) {
			store_rollback(s);
			return -1;
		}
		any |= more;
	}
	s->nev = 0;
	return store_commit(s) == ST_OK ? any : -1;
}
