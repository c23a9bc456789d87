#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "msg.h"

const char *const role_names[ROLE_MAX] = {
	"parent", "control", "connector", "auth", "hash", "engine", "imap",
	"pop3", "lmtp", "store", "mfrontctl"
};

#define MSG(name, from, to, fd, flags)					\
    static const struct mfield f_##name[] = {
#define FIELD(name, f, type, max)					\
    { type, #f, offsetof(struct m_##name, f), max },
#define U8(name, f)		FIELD(name, f, MF_U8, 0)
#define U16(name, f)		FIELD(name, f, MF_U16, 0)
#define U32(name, f)		FIELD(name, f, MF_U32, 0)
#define U64(name, f)		FIELD(name, f, MF_U64, 0)
#define STR(name, f, max)	FIELD(name, f, MF_STR, max)
#define BLOB(name, f, max)	FIELD(name, f, MF_BLOB, max)
#define SET(name, f, max)	FIELD(name, f, MF_SET, max)
#define END(name)		};
#include "msg_table.h"
#undef MSG
#undef U8
#undef U16
#undef U32
#undef U64
#undef STR
#undef BLOB
#undef SET
#undef END

const struct mdef msg_defs[M_MAX] = {
	[M_none] = { "none", 0, 0, NOFD, 0, 0, NULL, 0 },
#define MSG(name, from, to, fd, flags)					\
	[M_##name] = { #name, from, to, fd, flags,			\
	    sizeof(struct m_##name), f_##name,				\
	    sizeof(f_##name) / sizeof(struct mfield) },
#define U8(name, f)
#define U16(name, f)
#define U32(name, f)
#define U64(name, f)
#define STR(name, f, max)
#define BLOB(name, f, max)
#define SET(name, f, max)
#define END(name)
#include "msg_table.h"
};

static uint64_t
fnv(uint64_t h, const void *data, size_t len)
{
	const uint8_t *p = data;

	while (len-- > 0)
		h = (h ^ *p++) * 0x100000001b3ULL;
	return h;
}

static uint64_t
fnv_num(uint64_t h, uint64_t n)
{
	uint8_t b[8];
	int	i;

	for (i = 0; i < 8; i++, n >>= 8)
		b[i] = n & 0xff;
	return fnv(h, b, sizeof(b));
}

uint64_t
msg_table_hash(void)
{
	const struct mdef	*d;
	const struct mfield	*f;
	uint64_t		 h = 0xcbf29ce484222325ULL;
	size_t			 i;

	for (d = msg_defs; d < msg_defs + M_MAX; d++) {
		h = fnv(h, d->name, strlen(d->name) + 1);
		h = fnv_num(h, d->from);
		h = fnv_num(h, d->to);
		h = fnv_num(h, (uint64_t)d->fd << 8 | (uint64_t)d->flags);
		/* of a message without any there is no array, either */
		for (i = 0, f = d->fields; i < d->nfields; i++, f++) {
			h = fnv(h, f->name, strlen(f->name) + 1);
			h = fnv_num(h, f->type);
			h = fnv_num(h, f->max);
		}
	}
	return h;
}

/* encode */

static int
put_bytes(struct ibuf *b, const void *p, size_t len)
{
	if (ibuf_add_n32(b, (uint32_t)len) == -1)
		return -1;
	return ibuf_add(b, p, len);
}

/* The NUL goes along, so that the receiver can use the text in place. */
static int
put_str(struct ibuf *b, const struct mfield *f, const void *v)
{
	const char	*s;
	size_t		 len;

	memcpy(&s, v, sizeof(s));
	if (s == NULL)
		s = "";
	if ((len = strlen(s)) >= f->max) {
		errno = ERANGE;
		return -1;
	}
	return put_bytes(b, s, len + 1);
}

static int
put_blob(struct ibuf *b, const struct mfield *f, const struct msg_blob *v)
{
	if (v->len > f->max) {
		errno = ERANGE;
		return -1;
	}
	return put_bytes(b, v->p, v->len);
}

int
msg_set_write(struct ibuf *b, const struct msg_set *v, size_t max)
{
	uint32_t i, n = v->set != NULL ? v->set->n : v->n;

	if (n > max) {
		errno = ERANGE;
		return -1;
	}
	if (ibuf_add_n32(b, n) == -1)
		return -1;
	if (v->set == NULL)
		return ibuf_add(b, v->p, (size_t)n * 8);
	for (i = 0; i < n; i++)
		if (ibuf_add_n32(b, v->set->r[i].lo) == -1 ||
		    ibuf_add_n32(b, v->set->r[i].hi) == -1)
			return -1;
	return 0;
}

static int
put_field(struct ibuf *b, const struct mfield *f, const void *v)
{
	uint64_t n64;
	uint32_t n32;
	uint16_t n16;

	switch (f->type) {
	case MF_U8:
		return ibuf_add(b, v, 1);
	case MF_U16:
		memcpy(&n16, v, sizeof(n16));
		return ibuf_add_n16(b, n16);
	case MF_U32:
		memcpy(&n32, v, sizeof(n32));
		return ibuf_add_n32(b, n32);
	case MF_U64:
		memcpy(&n64, v, sizeof(n64));
		return ibuf_add_n64(b, n64);
	case MF_STR:
		return put_str(b, f, v);
	case MF_BLOB:
		return put_blob(b, f, v);
	case MF_SET:
		return msg_set_write(b, v, f->max);
	}
	errno = EINVAL;
	return -1;
}

int
msg_encode(struct ibuf *b, enum msg_type type, const void *m)
{
	const struct mdef	*d = &msg_defs[type];
	const struct mfield	*f;

	for (f = d->fields; f < d->fields + d->nfields; f++)
		if (put_field(b, f, (const char *)m + f->off) == -1)
			return -1;
	return 0;
}

/* decode */

static int
get_str(struct ibuf *b, const struct mfield *f, void *v)
{
	const char	*s;
	uint32_t	 len;

	if (ibuf_get_n32(b, &len) == -1 || len == 0 || len > f->max ||
	    (s = ibuf_get_ptr(b, len)) == NULL ||
	    memchr(s, '\0', len) != s + len - 1)
		return -1;
	memcpy(v, &s, sizeof(s));
	return 0;
}

static int
get_blob(struct ibuf *b, const struct mfield *f, struct msg_blob *v)
{
	uint32_t len;

	if (ibuf_get_n32(b, &len) == -1 || len > f->max ||
	    (v->p = ibuf_get_ptr(b, len)) == NULL)
		return -1;
	v->len = len;
	return 0;
}

static uint32_t
be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	    (uint32_t)p[2] << 8 | p[3];
}

int
msg_set_read(struct ibuf *b, struct msg_set *v, size_t max)
{
	uint32_t i, lo, hi, last = 0;

	v->set = NULL;
	if (ibuf_get_n32(b, &v->n) == -1 || v->n > max ||
	    (v->p = ibuf_get_ptr(b, (size_t)v->n * 8)) == NULL)
		return -1;
	for (i = 0; i < v->n; i++) {
		lo = be32(v->p + i * 8);
		hi = be32(v->p + i * 8 + 4);
		if (lo == 0 || hi < lo || (i > 0 &&
		    (last == UINT32_MAX || lo <= last + 1)))
			return -1;
		last = hi;
	}
	return 0;
}

static int
get_field(struct ibuf *b, const struct mfield *f, void *v)
{
	uint64_t n64;
	uint32_t n32;
	uint16_t n16;

	switch (f->type) {
	case MF_U8:
		return ibuf_get(b, v, 1);
	case MF_U16:
		if (ibuf_get_n16(b, &n16) == -1)
			return -1;
		memcpy(v, &n16, sizeof(n16));
		return 0;
	case MF_U32:
		if (ibuf_get_n32(b, &n32) == -1)
			return -1;
		memcpy(v, &n32, sizeof(n32));
		return 0;
	case MF_U64:
		if (ibuf_get_n64(b, &n64) == -1)
			return -1;
		memcpy(v, &n64, sizeof(n64));
		return 0;
	case MF_STR:
		return get_str(b, f, v);
	case MF_BLOB:
		return get_blob(b, f, v);
	case MF_SET:
		return msg_set_read(b, v, f->max);
	}
	return -1;
}

int
msg_decode(struct ibuf *b, enum msg_type type, void *m)
{
	const struct mdef	*d = &msg_defs[type];
	const struct mfield	*f;

	for (f = d->fields; f < d->fields + d->nfields; f++) {
		if (get_field(b, f, (char *)m + f->off) == -1) {
			errno = EBADMSG;
			return -1;
		}
	}
	if (ibuf_size(b) != 0) {
		errno = EBADMSG;
		return -1;
	}
	return 0;
}

const char *
msg_refused(unsigned int type, enum role from, enum role to, int hasfd)
{
	const struct mdef *d;

	if (type == M_none || type >= M_MAX)
		return "unknown message";
	d = &msg_defs[type];
	if ((d->from & (1U << from)) == 0)
		return "not its message to send";
	if ((d->to & (1U << to)) == 0)
		return "not ours to receive";
	if (hasfd && d->fd == NOFD)
		return "a descriptor that must not be";
	return NULL;
}

int
msg_compose(struct imsgbuf *ib, enum msg_type type, uint32_t id, uint32_t req,
    int fd, const void *m)
{
	struct ibuf	*b;
	size_t		 mark;

	/* many descriptors in one turn: the first ones go now */
	if (fd != -1 && imsgbuf_fdsfull(ib))
		(void)imsgbuf_write(ib);
	if ((b = imsg_open(ib, &mark)) == NULL)
		goto fail;
	if (msg_encode(b, type, m) == -1) {
		imsg_cancel(ib, mark);
		goto fail;
	}
	if (msg_defs[type].flags & SECRET)
		imsgbuf_secret(ib);
	return imsg_close(ib, mark, (uint16_t)type, id, req, fd);
 fail:
	if (fd != -1)
		close(fd);
	return -1;
}

int
msg_set_get(const struct msg_set *v, struct uidset *s)
{
	uint32_t i;

	uidset_clear(s);
	for (i = 0; i < v->n; i++)
		if (uidset_add(s, be32(v->p + i * 8),
		    be32(v->p + i * 8 + 4)) == -1)
			return -1;
	return 0;
}

struct msg_set
msg_set_of(const struct uidset *s)
{
	struct msg_set v = { NULL, s->n, s };

	return v;
}

struct msg_blob
msg_blob_of(const void *p, size_t len)
{
	struct msg_blob v = { p, len };

	return v;
}
