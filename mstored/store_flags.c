/* Flag sets: each is a number in message rows and a text kept once. */
#include <stdlib.h>
#include <string.h>

#include "fprint.h"
#include "log.h"
#include "store_int.h"

/* The system flags of a canonical text: they stand in front. */
static uint32_t
store_flags_sys(const char *text, size_t len)
{
	const char	*name, *p;
	uint32_t	 bit, sys = 0;
	size_t		 n;

	p = text + 1;
	for (bit = 1; bit <= FLAG_SYSTEM; bit <<= 1) {
		name = flag_sysname(bit);
		n = strlen(name);
		/* "\\Name" and what ends it, from where we are */
		if (len - (size_t)(p - text) < n + 3 || p[0] != '"' ||
		    memcmp(p + 2, name, n) != 0 || p[2 + n] != '"')
			continue;
		sys |= bit;
		p += n + 4;
	}
	return sys;
}

static struct store_flags *
store_flags_slot(struct store *s, int64_t id)
{
	return &s->fcache[(uint64_t)id % STORE_FCACHE];
}

static int
store_flags_keep(struct store_flags *f, int64_t id, const char *text,
    size_t len)
{
	char *copy;

	if ((copy = malloc(len + 1)) == NULL)
		return -1;
	memcpy(copy, text, len);
	copy[len] = '\0';
	free(f->text);
	f->id = id;
	f->text = copy;
	f->len = len;
	f->sys = store_flags_sys(text, len);
	return 0;
}

/* NULL only when the database fails or memory is short. */
const struct store_flags *
store_flags(struct store *s, int64_t id)
{
	struct store_flags	*f = store_flags_slot(s, id);
	sqlite3_stmt		*st;
	const char		*text;
	size_t			 len;
	int			 r = -1;

	if (f->text != NULL && f->id == id)
		return f;
	if (s->mode == STORE_READER && s_read(s) != ST_OK)
		return NULL;
	if ((st = s_query(s, Q_FLAGSET, "i", id)) == NULL)
		return NULL;
	if (s_step(s, st) == 1) {
		text = s_text(st, 0, &len);
		r = store_flags_keep(f, id, text, len);
		sqlite3_reset(st);
	}
	if (r == -1) {
		log_warnx("store: no flag set %lld", (long long)id);
		return NULL;
	}
	return f;
}

int
s_flags_parse(struct store *s, int64_t id, struct flagset *set,
    struct ibuf *text)
{
	const struct store_flags *f;

	if ((f = store_flags(s, id)) == NULL)
		return ST_INTERNAL;
	ibuf_drain(text, ibuf_size(text));
	if (ibuf_add(text, f->text, f->len) == -1)
		return ST_TRY_LATER;
	if (flagset_get(set, (const char *)ibuf_data(text), f->len) == -1)
		return ST_INTERNAL;
	return ST_OK;
}

static int
store_flags_insert(struct store *s, const char *text, size_t len,
    int64_t *id)
{
	int r;

	if ((r = s_number(s, id, Q_FLAGSET_ID, "x", text, len)) != ST_OK ||
	    *id != 0)
		return r;
	if ((r = s_run(s, Q_FLAGSET_PUT, "x", text, len)) != ST_OK)
		return r;
	*id = sqlite3_last_insert_rowid(s->db);
	s->interned = 1;
	return ST_OK;
}

/* The number of a set, made if it is new; its text has a bound. */
int
s_intern(struct store *s, const struct flagset *set, size_t max, int64_t *id)
{
	const struct store_flags	*f;
	const char			*text;
	size_t				 len;
	int64_t				*slot;
	int				 r;

	ibuf_drain(&s->text, ibuf_size(&s->text));
	if (flagset_put(set, &s->text) == -1)
		return ST_TRY_LATER;
	text = (const char *)ibuf_data(&s->text);
	if ((len = ibuf_size(&s->text)) > max)
		return ST_NOT_PERMITTED;
	slot = &s->fids[fprint_of(text, len) % STORE_FCACHE];
	if (*slot != 0 && (f = store_flags(s, *slot)) != NULL &&
	    f->len == len && memcmp(f->text, text, len) == 0) {
		*id = *slot;
		return ST_OK;
	}
	if ((r = store_flags_insert(s, text, len, id)) == ST_OK)
		*slot = *id;
	return r;
}

/* The same of a message's set, with the bounds of those. */
int
s_intern_message(struct store *s, const struct flagset *set, int64_t *id)
{
	if (set->n > FLAGSET_SET_MAX)
		return ST_NOT_PERMITTED;
	return s_intern(s, set, FLAGSET_TEXT_MAX, id);
}

/*
 * Sets that no message has any more: looked for at the start, and only when
 * there are so many that it is worth reading all messages for it.
 */
#define FLAGS_MANY	10000

int
s_flags_sweep(struct store *s)
{
	int64_t	n;
	int	r;

	if ((r = s_number(s, &n, Q_FLAGSET_COUNT, "")) != ST_OK ||
	    n < FLAGS_MANY)
		return r;
	return s_run(s, Q_FLAGSET_SWEEP, "");
}

/* After a rollback: numbers that were given out may not be any more. */
void
s_flags_forget(struct store *s)
{
	int i;

	for (i = 0; i < STORE_FCACHE; i++) {
		free(s->fcache[i].text);
		s->fcache[i].text = NULL;
		s->fids[i] = 0;
	}
	s->interned = 0;
}
