#include <errno.h>
#include <string.h>

#include "strow.h"

#define FLAGS_MAX	8192
#define ID_MAX		255
#define CACHE_MAX	32768

int
strow_id_ok(const char *s)
{
	static const char chars[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789-_";
	size_t n = strspn(s, chars);

	return n > 0 && n <= ID_MAX && s[n] == '\0';
}

static int
put_text(struct ibuf *b, const char *s, size_t max)
{
	size_t len = strlen(s);

	if (len > max) {
		errno = ERANGE;
		return -1;
	}
	if (ibuf_add_n16(b, (uint16_t)(len + 1)) == -1)
		return -1;
	return ibuf_add(b, s, len + 1);
}

static int
put_row(struct ibuf *b, const struct st_row *r)
{
	if (ibuf_add_n16(b, (uint16_t)r->has) == -1 ||
	    msg_set_write(b, &r->uids, ROW_RANGES_MAX) == -1)
		return -1;
	if (r->has & ROW_FLAGS && put_text(b, r->flags, FLAGS_MAX) == -1)
		return -1;
	if (r->has & ROW_ID && put_text(b, r->id, ID_MAX) == -1)
		return -1;
	if (r->has & ROW_SIZE && ibuf_add_n64(b, r->size) == -1)
		return -1;
	if (r->has & ROW_DATE && (ibuf_add_n64(b, (uint64_t)r->date) == -1 ||
	    ibuf_add_n16(b, (uint16_t)r->zone) == -1))
		return -1;
	if (r->has & ROW_MODSEQ && ibuf_add_n64(b, r->modseq) == -1)
		return -1;
	if (r->has & ROW_CACHE && (r->cachelen > CACHE_MAX ||
	    ibuf_add_n32(b, r->cachelen) == -1 ||
	    ibuf_add(b, r->cache, r->cachelen) == -1))
		return -1;
	if (r->has & ROW_SAVEDATE &&
	    ibuf_add_n64(b, (uint64_t)r->savedate) == -1)
		return -1;
	if (r->has & ROW_THREADID && put_text(b, r->threadid, ID_MAX) == -1)
		return -1;
	return 0;
}

int
strow_put(struct ibuf *b, const struct st_row *r)
{
	size_t mark = ibuf_size(b);

	if (put_row(b, r) == -1) {
		ibuf_truncate(b, mark);
		return -1;
	}
	return 0;
}

static int
get_text(struct ibuf *b, const char **s, size_t max)
{
	uint16_t len;

	if (ibuf_get_n16(b, &len) == -1 || len == 0 || len > max + 1 ||
	    (*s = ibuf_get_ptr(b, len)) == NULL ||
	    memchr(*s, '\0', len) != *s + len - 1)
		return -1;
	return 0;
}

static int
get_id(struct ibuf *b, const char **s)
{
	return get_text(b, s, ID_MAX) == -1 || !strow_id_ok(*s) ? -1 : 0;
}

static int
get_row(struct ibuf *b, struct st_row *r)
{
	uint64_t n64;
	uint16_t n16;

	memset(r, 0, sizeof(*r));
	if (ibuf_get_n16(b, &n16) == -1 || n16 > 0xff ||
	    msg_set_read(b, &r->uids, ROW_RANGES_MAX) == -1 ||
	    r->uids.n == 0)
		return -1;
	r->has = n16;
	if (r->has & ROW_FLAGS && get_text(b, &r->flags, FLAGS_MAX) == -1)
		return -1;
	if (r->has & ROW_ID && get_id(b, &r->id) == -1)
		return -1;
	if (r->has & ROW_SIZE && ibuf_get_n64(b, &r->size) == -1)
		return -1;
	if (r->has & ROW_DATE) {
		if (ibuf_get_n64(b, &n64) == -1 ||
		    ibuf_get_n16(b, &n16) == -1)
			return -1;
		r->date = (int64_t)n64;
		r->zone = (int16_t)n16;
	}
	if (r->has & ROW_MODSEQ && ibuf_get_n64(b, &r->modseq) == -1)
		return -1;
	if (r->has & ROW_CACHE && (ibuf_get_n32(b, &r->cachelen) == -1 ||
	    r->cachelen > CACHE_MAX ||
	    (r->cache = ibuf_get_ptr(b, r->cachelen)) == NULL))
		return -1;
	if (r->has & ROW_SAVEDATE) {
		if (ibuf_get_n64(b, &n64) == -1)
			return -1;
		r->savedate = (int64_t)n64;
	}
	if (r->has & ROW_THREADID && get_id(b, &r->threadid) == -1)
		return -1;
	return 0;
}

int
strow_get(struct ibuf *b, struct st_row *r)
{
	if (ibuf_size(b) == 0)
		return 0;
	if (get_row(b, r) == -1) {
		errno = EBADMSG;
		return -1;
	}
	return 1;
}

int
strow_fields(struct ibuf *b, uint32_t mask)
{
	static const char *const names[] = { "flags", "id", "size", "date",
	    "modseq", "cache", "savedate", "threadid" };
	size_t i;

	if (ibuf_adds(b, "uid") == -1)
		return -1;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (mask & (1U << i) && (ibuf_add_n8(b, ',') == -1 ||
		    ibuf_adds(b, names[i]) == -1))
			return -1;
	return 0;
}
