/* What the index reads: contents in order of their numbers. */
#include <string.h>

#include "store_int.h"

static int
unindexed_holders(struct store *s, struct store_unindexed *u)
{
	sqlite3_stmt	*st;
	int		 r;

	u->n = 0;
	if ((st = s_query(s, Q_HOLDERS, "ii", u->no, (int64_t)u->max)) == NULL)
		return s_error(s);
	while ((r = s_step(s, st)) == 1)
		u->account[u->n++] = sqlite3_column_int64(st, 0);
	return r == 0 ? ST_OK : s_error(s);
}

static int
unindexed_data(struct store *s, struct store_unindexed *u)
{
	sqlite3_stmt	*st;
	const void	*rnd;
	int		 r;

	if ((st = s_query(s, Q_CONTENT_BY_NO, "i", u->no)) == NULL)
		return s_error(s);
	if ((r = s_step(s, st)) != 1)
		return r == 0 ? ST_NO_SUCH_MESSAGE : s_error(s);
	if ((rnd = sqlite3_column_blob(st, 0)) == NULL ||
	    sqlite3_column_bytes(st, 0) != NAME_RND) {
		sqlite3_reset(st);
		return ST_INTERNAL;
	}
	memcpy(u->rnd, rnd, NAME_RND);
	u->content.size = (uint64_t)sqlite3_column_int64(st, 1);
	u->content.data = sqlite3_column_blob(st, 2);
	if (u->content.data == NULL &&
	    sqlite3_column_type(st, 2) != SQLITE_NULL)
		u->content.data = "";
	s_hold(s, st);
	return ST_OK;
}

int
store_unindexed(struct store *s, int64_t after, struct store_unindexed *u)
{
	int64_t	no;
	int	r;

	if ((r = s_read(s)) != ST_OK || (r = s_number(s, &no,
	    Q_CONTENT_NEXT, "i", after)) != ST_OK)
		return r;
	if (no == 0)
		return ST_NO_SUCH_MESSAGE;
	if (u == NULL)
		return ST_OK;
	u->no = no;
	if ((r = unindexed_holders(s, u)) != ST_OK)
		return r;
	return unindexed_data(s, u);
}

int
store_holdings(struct store *s, int64_t *n)
{
	int r;

	if ((r = s_read(s)) != ST_OK)
		return r;
	return s_number(s, n, Q_HOLDING_COUNT, "");
}
