/* The change log: what events, since= and vanished are read from. */
#include <string.h>
#include <time.h>

#include "store_int.h"

#define LOG_UIDS_MAX	16384	/* text of one row */
#define LOG_HULL	1024	/* text of a set that is widened */
#define LOG_COLLECT	256	/* rows that store_changed() unites */

/* One line for the stream; rows of one change are one line. */
static void
store_log_event(struct store *s, const struct mbox_id *mailbox,
    uint64_t modseq)
{
	struct store_event *e;

	e = s->nev > 0 ? &s->ev[s->nev - 1] : NULL;
	if (e == NULL || mailbox == NULL || e->mailbox.no != mailbox->no ||
	    e->modseq != modseq) {
		if (s->nev == STORE_EVENTS_MAX)
			return;
		e = &s->ev[s->nev++];
		memset(e, 0, sizeof(*e));
	}
	e->seq = s->seq;
	e->modseq = modseq;
	if (mailbox != NULL)
		e->mailbox = *mailbox;
}

int
s_log(struct store *s, int64_t account, const struct mbox_id *mailbox,
    uint64_t modseq, enum store_what what, const char *uids, size_t len)
{
	int64_t	seq = s->seq + 1, now = time(NULL);
	int	r;

	if (!s->durable && seq > s->seq_block)
		return STORE_AGAIN;
	if (mailbox == NULL)
		r = s_run(s, Q_LOG_PUT, "iiinnin", seq, now, account,
		    (int64_t)what);
	else
		r = s_run(s, Q_LOG_PUT, "iiiiiix", seq, now, account,
		    mailbox->no, (int64_t)modseq, (int64_t)what, uids, len);
	if (r != ST_OK)
		return r;
	s->seq = seq;
	store_log_event(s, mailbox, modseq);
	return ST_OK;
}

/* A change that touched all between two uids, for all the log will say. */
static int
store_log_hull(struct store *s, int64_t account, const struct mbox_id *m,
    uint64_t modseq, const struct uidset *uids)
{
	struct uidset	hull;
	int		r;

	uidset_init(&hull);
	if (uidset_add(&hull, uidset_min(uids), uidset_max(uids)) == -1)
		return ST_TRY_LATER;
	r = s_log_uids(s, account, m, modseq, LOG_CHANGED, &hull);
	uidset_fini(&hull);
	return r;
}

/* As many rows as the set's text needs. */
int
s_log_uids(struct store *s, int64_t account, const struct mbox_id *m,
    uint64_t modseq, enum store_what what, const struct uidset *uids)
{
	uint32_t	pos = 0;
	int		more, r;

	do {
		ibuf_drain(&s->text, ibuf_size(&s->text));
		more = uidset_format(uids, &pos, LOG_UIDS_MAX, &s->text);
		if (more == -1)
			return ST_TRY_LATER;
		if (what == LOG_CHANGED && uids->n > 1 &&
		    ibuf_size(&s->text) > LOG_HULL)
			return store_log_hull(s, account, m, modseq, uids);
		r = s_log(s, account, m, modseq, what,
		    (const char *)ibuf_data(&s->text), ibuf_size(&s->text));
		if (r != ST_OK)
			return r;
	} while (more);
	return ST_OK;
}

int
store_list_event(struct store *s, int64_t account)
{
	return s_log(s, account, NULL, 0, LOG_LIST, NULL, 0);
}

size_t
store_take_events(struct store *s, struct store_event *out, size_t max)
{
	size_t n = s->nev < max ? s->nev : max;

	memcpy(out, s->ev, n * sizeof(*out));
	s->nev = 0;
	return n;
}

int
store_seq(struct store *s, int64_t *last, int64_t *floor)
{
	int r;

	if ((r = s_read(s)) != ST_OK ||
	    (r = s_number(s, last, Q_LOG_MAX, "")) != ST_OK)
		return r;
	return s_meta(s, "log_floor", floor);
}

int
store_vanished(struct store *s, int64_t mailbox, uint64_t since,
    int64_t *pos, store_name_cb cb, void *arg)
{
	sqlite3_stmt	*st;
	const char	*text;
	size_t		 len;
	int		 r;

	if ((r = s_read(s)) != ST_OK)
		return r;
	if ((st = s_query(s, Q_LOG_VANISHED, "iii", mailbox,
	    (int64_t)since, *pos)) == NULL)
		return s_error(s);
	while ((r = s_step(s, st)) == 1) {
		text = s_text(st, 1, &len);
		*pos = sqlite3_column_int64(st, 0);
		if (cb(arg, text, len)) {
			sqlite3_reset(st);
			return ST_OK;
		}
	}
	return r == 0 ? ST_OK : s_error(s);
}

static int
store_changed_row(struct uidset *out, const char *text, size_t len)
{
	struct uidset	row;
	int		r;

	uidset_init(&row);
	r = uidset_parse(&row, text, len, UINT32_MAX);
	if (r == 0)
		r = uidset_union(out, &row);
	uidset_fini(&row);
	return r;
}

int
store_changed(struct store *s, int64_t mailbox, uint64_t since,
    struct uidset *out, int *all)
{
	sqlite3_stmt	*st;
	const char	*text;
	size_t		 len;
	int		 r, n = 0;

	*all = 0;
	if ((r = s_read(s)) != ST_OK)
		return r;
	if ((st = s_query(s, Q_LOG_CHANGED, "iii", mailbox, (int64_t)since,
	    (int64_t)LOG_COLLECT)) == NULL)
		return s_error(s);
	while ((r = s_step(s, st)) == 1) {
		text = s_text(st, 0, &len);
		if (++n == LOG_COLLECT ||
		    store_changed_row(out, text, len) == -1) {
			*all = 1;
			sqlite3_reset(st);
			return ST_OK;
		}
	}
	return r == 0 ? ST_OK : s_error(s);
}

int
store_events(struct store *s, int64_t after, store_event_cb cb, void *arg)
{
	struct store_event	 e;
	sqlite3_stmt		*st;
	size_t			 len;
	int			 r;

	if ((r = s_read(s)) != ST_OK)
		return r;
	if ((st = s_query(s, Q_LOG_EVENTS, "i", after)) == NULL)
		return s_error(s);
	while ((r = s_step(s, st)) == 1) {
		e.seq = sqlite3_column_int64(st, 0);
		e.account = s_text(st, 1, &len);
		e.mailbox.no = sqlite3_column_int64(st, 2);
		e.mailbox.uidvalidity = (uint32_t)sqlite3_column_int64(st,
		    3);
		e.modseq = (uint64_t)sqlite3_column_int64(st, 4);
		if (cb(arg, &e)) {
			sqlite3_reset(st);
			return ST_OK;
		}
	}
	return r == 0 ? ST_OK : s_error(s);
}
