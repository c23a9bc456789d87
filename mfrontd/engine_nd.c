/*
 * Pieces of the storage API's NDJSON, as several calls read and write them.
 */
#include <sys/types.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "log.h"
#include "rfcdate.h"

#define RANGES_MAX	16384	/* of a set in one line */
#define SEND_RANGES	4000	/* of a set in one message */
#define ROW_RANGES	2000	/* of a set in one row: others may follow */

int
nd_set(struct json *j, int i, struct uidset *set)
{
	const char	*s;
	size_t		 len;

	if (json_str(j, i, &s, &len) != 1)
		return -1;
	return uidset_parse(set, s, len, RANGES_MAX);
}

/* "uid":7 or "uids":set, one of them. */
int
nd_uids(struct json *j, struct uidset *set)
{
	uint32_t	uid;
	int		i;

	if ((i = json_member(j, 0, "uid")) != -1) {
		if (json_u32(j, i, &uid) != 1 || uid == 0)
			return -1;
		uidset_clear(set);
		return uidset_add(set, uid, uid);
	}
	return nd_set(j, json_member(j, 0, "uids"), set);
}

int
nd_text(struct json *j, int i, char *buf, size_t size)
{
	const char	*s;
	size_t		 len;

	if (json_str(j, i, &s, &len) != 1 || len >= size ||
	    memchr(s, '\0', len) != NULL)
		return -1;
	memcpy(buf, s, len);
	buf[len] = '\0';
	return 0;
}

int
nd_id(struct json *j, int i, char *buf, size_t size)
{
	if (nd_text(j, i, buf, size) == -1 || !strow_id_ok(buf))
		return -1;
	return 0;
}

/* RFC 9051, 9: flag.  What is none is not shown to a mail client. */
static int
flag_ok(const char *s, size_t len)
{
	size_t i;

	if (len > 0 && *s == '\\')
		s++, len--;
	if (len == 0 || len > 250)
		return 0;
	for (i = 0; i < len; i++)
		if ((unsigned char)s[i] <= ' ' || (unsigned char)s[i] >= 0x7f ||
		    strchr("(){%*\"\\]", s[i]) != NULL)
			return 0;
	return 1;
}

int
nd_flags(struct json *j, int list, struct ibuf *b)
{
	const char	*s;
	size_t		 len;
	int		 i;

	if (json_type(j, list) != JSMN_ARRAY)
		return -1;
	for (i = json_first(j, list); i != -1; i = json_next(j, i)) {
		if (json_str(j, i, &s, &len) != 1)
			return -1;
		if (!flag_ok(s, len) || (len == 7 &&
		    strncasecmp(s, "\\Recent", 7) == 0))
			continue;
		if ((ibuf_size(b) > 0 && ibuf_add_n8(b, ' ') == -1) ||
		    ibuf_add(b, s, len) == -1)
			return -1;
	}
	return ibuf_add_n8(b, '\0');
}

/* {"mailbox":id,"modseq_before":n,"modseq":m}; numbers by capability. */
int
nd_change(struct json *j, int i, struct m_st_change *m)
{
	static char mailbox[256];

	memset(m, 0, sizeof(*m));
	if (json_type(j, i) != JSMN_OBJECT ||
	    nd_id(j, json_member(j, i, "mailbox"), mailbox,
	    sizeof(mailbox)) == -1 ||
	    json_u64(j, json_member(j, i, "modseq_before"), UINT64_MAX,
	    &m->before) == -1 ||
	    json_u64(j, json_member(j, i, "modseq"), UINT64_MAX,
	    &m->modseq) == -1)
		return -1;
	m->mailbox = mailbox;
	return 0;
}

static int
row_date(struct json *j, struct st_row *row)
{
	struct rfcdate	 d;
	const char	*s;
	size_t		 len;
	int		 i;

	if ((i = json_member(j, 0, "date")) == -1)
		return 0;
	if (json_str(j, i, &s, &len) != 1 ||
	    rfcdate_parse_3339(&d, s, len) == -1)
		return -1;
	row->date = d.t;
	row->zone = (int16_t)d.zone;
	row->has |= ROW_DATE;
	return 0;
}

static int
row_numbers(struct json *j, struct st_row *row)
{
	int r;

	if ((r = json_u64(j, json_member(j, 0, "size"), UINT64_MAX,
	    &row->size)) == -1)
		return -1;
	row->has |= r == 1 ? ROW_SIZE : 0;
	if ((r = json_u64(j, json_member(j, 0, "modseq"), UINT64_MAX,
	    &row->modseq)) == -1)
		return -1;
	row->has |= r == 1 ? ROW_MODSEQ : 0;
	return 0;
}

static int
row_texts(struct json *j, struct st_row *row, struct ibuf *flags, char *id,
    size_t idsize)
{
	const char	*s;
	size_t		 len;
	int		 i, r;

	if ((i = json_member(j, 0, "flags")) != -1) {
		if (nd_flags(j, i, flags) == -1)
			return -1;
		row->flags = (const char *)ibuf_data(flags);
		row->has |= ROW_FLAGS;
	}
	if ((i = json_member(j, 0, "id")) != -1) {
		if (nd_id(j, i, id, idsize) == -1)
			return -1;
		row->id = id;
		row->has |= ROW_ID;
	}
	if ((r = json_str(j, json_member(j, 0, "cache"), &s, &len)) == -1)
		return -1;
	if (r == 1 && len <= 32768) {
		row->cache = s;
		row->cachelen = (uint32_t)len;
		row->has |= ROW_CACHE;
	}
	return 0;
}

/* Of objectid and savedate; a null threadid is none. */
static int
row_more(struct json *j, struct st_row *row, char *thread, size_t size)
{
	struct rfcdate	 d;
	const char	*s;
	size_t		 len;
	int		 i, r;

	if ((i = json_member(j, 0, "savedate")) != -1) {
		if ((r = json_str(j, i, &s, &len)) == -1 ||
		    (r == 1 && rfcdate_parse_3339(&d, s, len) == -1))
			return -1;
		if (r == 1) {
			row->savedate = d.t;
			row->has |= ROW_SAVEDATE;
		}
	}
	i = json_member(j, 0, "threadid");
	if (i == -1 || json_is_null(j, i))
		return 0;
	if (nd_id(j, i, thread, size) == -1)
		return -1;
	row->threadid = thread;
	row->has |= ROW_THREADID;
	return 0;
}

/* A row with many ranges becomes several, each with the same members. */
static void
row_send(struct ereq *e, struct st_row *row, const struct uidset *set)
{
	struct uidset	part;
	uint32_t	i;

	for (i = 0; i < set->n; i += part.n) {
		/* a view of some of the ranges */
		memset(&part, 0, sizeof(part));
		part.r = set->r + i;
		part.n = set->n - i < ROW_RANGES ? set->n - i : ROW_RANGES;
		row->uids = msg_set_of(&part);
		ereq_add_row(e, row);
	}
}

/* One row of a listing, handed on with the fields that were asked for. */
int
nd_row(struct json *j, struct ereq *e, uint32_t fields)
{
	struct uidset	set;
	struct st_row	row;
	struct ibuf	flags;
	char		id[256], thread[256];
	int		r = -1;

	memset(&row, 0, sizeof(row));
	uidset_init(&set);
	ibuf_init(&flags, 8192);
	if (nd_uids(j, &set) == -1 || row_date(j, &row) == -1 ||
	    row_numbers(j, &row) == -1 ||
	    row_texts(j, &row, &flags, id, sizeof(id)) == -1 ||
	    row_more(j, &row, thread, sizeof(thread)) == -1)
		goto done;
	if (e->filter && uidset_intersect(&set, &e->set) == -1)
		goto done;
	r = 0;
	row.has &= fields;
	row_send(e, &row, &set);
 done:
	uidset_fini(&set);
	ibuf_fini(&flags);
	return r;
}

void
nd_send_set(struct ereq *e, enum msg_type type, const struct uidset *set)
{
	struct uidset	part;
	struct m_st_vanished m;		/* of the same shape as the others */
	uint32_t	i = 0, n;

	while (i < set->n) {
		n = set->n - i < SEND_RANGES ? set->n - i : SEND_RANGES;
		memset(&part, 0, sizeof(part));
		part.r = set->r + i;
		part.n = n;
		m.uids = msg_set_of(&part);
		ereq_send(e, type, &m);
		i += n;
	}
}

int
json_put_flags(struct ibuf *b, const char *flags)
{
	size_t n;

	if (json_open(b, '[') == -1)
		return -1;
	while (*flags != '\0') {
		n = strcspn(flags, " ");
		if (n > 0 && json_put_strn(b, flags, n) == -1)
			return -1;
		flags += n;
		flags += strspn(flags, " ");
	}
	return json_close(b, ']');
}
