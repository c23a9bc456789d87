#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ibuf.h"

#define IBUF_FIRST	64

void
ibuf_init(struct ibuf *b, size_t max)
{
	memset(b, 0, sizeof(*b));
	b->max = max;
}

/* Frees the bytes; the buffer is empty, usable again, with the same max. */
void
ibuf_fini(struct ibuf *b)
{
	if (b->size != 0)
		free(b->buf);
	ibuf_init(b, b->max);
}

/* As ibuf_fini(), for what held a secret. */
void
ibuf_wipe(struct ibuf *b)
{
	if (b->size != 0)
		freezero(b->buf, b->size);
	ibuf_init(b, b->max);
}

struct ibuf *
ibuf_open(size_t max)
{
	struct ibuf *b;

	if ((b = malloc(sizeof(*b))) != NULL)
		ibuf_init(b, max);
	return b;
}

void
ibuf_free(struct ibuf *b)
{
	if (b == NULL)
		return;
	ibuf_fini(b);
	free(b);
}

/* A read-only view of somebody else's bytes. */
void
ibuf_from_buffer(struct ibuf *b, const void *p, size_t len)
{
	union {
		const void	*c;
		uint8_t		*u;
	} u;

	u.c = p;
	memset(b, 0, sizeof(*b));
	b->buf = u.u;
	b->wpos = b->max = len;
}

static int
ibuf_grow(struct ibuf *b, size_t need)
{
	uint8_t	*p;
	size_t	 n;

	if (need > b->max || (b->size == 0 && b->buf != NULL)) {
		errno = ERANGE;
		return -1;
	}
	n = b->size != 0 ? b->size : IBUF_FIRST;
	while (n < need)
		n = n > b->max / 2 ? b->max : n * 2;
	if (n > b->max)
		n = b->max;
	if ((p = realloc(b->buf, n)) == NULL)
		return -1;
	b->buf = p;
	b->size = n;
	return 0;
}

/* Room for len bytes at the write position, not yet counted as written. */
void *
ibuf_room(struct ibuf *b, size_t len)
{
	if (len > b->max - b->wpos) {
		errno = ERANGE;
		return NULL;
	}
	if (b->wpos + len > b->size && ibuf_grow(b, b->wpos + len) == -1)
		return NULL;
	return b->buf + b->wpos;
}

void
ibuf_wrote(struct ibuf *b, size_t len)
{
	b->wpos += len;
}

void *
ibuf_reserve(struct ibuf *b, size_t len)
{
	void *p;

	if ((p = ibuf_room(b, len)) != NULL)
		b->wpos += len;
	return p;
}

int
ibuf_add(struct ibuf *b, const void *data, size_t len)
{
	void *p;

	if (len == 0)
		return 0;
	if ((p = ibuf_reserve(b, len)) == NULL)
		return -1;
	memcpy(p, data, len);
	return 0;
}

int
ibuf_add_ibuf(struct ibuf *b, const struct ibuf *from)
{
	return ibuf_add(b, ibuf_data(from), ibuf_size(from));
}

static int
ibuf_add_num(struct ibuf *b, uint64_t v, int len)
{
	uint8_t *p;

	if ((p = ibuf_reserve(b, len)) == NULL)
		return -1;
	while (len-- > 0) {
		p[len] = v & 0xff;
		v >>= 8;
	}
	return 0;
}

int
ibuf_add_n8(struct ibuf *b, uint8_t v)
{
	return ibuf_add_num(b, v, 1);
}

int
ibuf_add_n16(struct ibuf *b, uint16_t v)
{
	return ibuf_add_num(b, v, 2);
}

int
ibuf_add_n32(struct ibuf *b, uint32_t v)
{
	return ibuf_add_num(b, v, 4);
}

int
ibuf_add_n64(struct ibuf *b, uint64_t v)
{
	return ibuf_add_num(b, v, 8);
}

int
ibuf_adds(struct ibuf *b, const char *s)
{
	return ibuf_add(b, s, strlen(s));
}

/* Decimal text of a number: the hot part of every listing. */
int
ibuf_addu(struct ibuf *b, uint64_t v)
{
	char	 d[20];
	int	 i = sizeof(d);

	do {
		d[--i] = '0' + v % 10;
		v /= 10;
	} while (v != 0);
	return ibuf_add(b, d + i, sizeof(d) - i);
}

int
ibuf_vaddf(struct ibuf *b, const char *fmt, va_list ap)
{
	va_list	 ap2;
	int	 n;
	char	*p;

	va_copy(ap2, ap);
	n = vsnprintf(NULL, 0, fmt, ap2);
	va_end(ap2);
	/* one byte more for the NUL, which is not kept */
	if (n < 0 || (p = ibuf_room(b, (size_t)n + 1)) == NULL)
		return -1;
	vsnprintf(p, (size_t)n + 1, fmt, ap);
	b->wpos += n;
	return 0;
}

int
ibuf_addf(struct ibuf *b, const char *fmt, ...)
{
	va_list	 ap;
	int	 r;

	va_start(ap, fmt);
	r = ibuf_vaddf(b, fmt, ap);
	va_end(ap);
	return r;
}

/* Overwrites four bytes at a position counted from the read position. */
int
ibuf_set_n32(struct ibuf *b, size_t pos, uint32_t v)
{
	uint8_t	*p;

	if (ibuf_size(b) < 4 || pos > ibuf_size(b) - 4) {
		errno = ERANGE;
		return -1;
	}
	p = b->buf + b->rpos + pos;
	p[0] = v >> 24;
	p[1] = v >> 16;
	p[2] = v >> 8;
	p[3] = v;
	return 0;
}

/* Keeps the first len unread bytes. */
void
ibuf_truncate(struct ibuf *b, size_t len)
{
	if (len < ibuf_size(b))
		b->wpos = b->rpos + len;
}

size_t
ibuf_size(const struct ibuf *b)
{
	return b->wpos - b->rpos;
}

uint8_t *
ibuf_data(const struct ibuf *b)
{
	/* an empty one has no memory, and NULL + 0 is not defined */
	return b->buf == NULL ? NULL : b->buf + b->rpos;
}

/* The next len bytes in place, valid until the buffer changes. */
const void *
ibuf_get_ptr(struct ibuf *b, size_t len)
{
	const void *p;

	if (len > ibuf_size(b)) {
		errno = EBADMSG;
		return NULL;
	}
	p = b->buf + b->rpos;
	b->rpos += len;
	return p;
}

int
ibuf_get(struct ibuf *b, void *data, size_t len)
{
	const void *p;

	if (len == 0)
		return 0;
	if ((p = ibuf_get_ptr(b, len)) == NULL)
		return -1;
	memcpy(data, p, len);
	return 0;
}

static int
ibuf_get_num(struct ibuf *b, uint64_t *v, int len)
{
	const uint8_t *p;

	if ((p = ibuf_get_ptr(b, len)) == NULL)
		return -1;
	for (*v = 0; len > 0; len--)
		*v = *v << 8 | *p++;
	return 0;
}

int
ibuf_get_n8(struct ibuf *b, uint8_t *v)
{
	return ibuf_get(b, v, 1);
}

int
ibuf_get_n16(struct ibuf *b, uint16_t *v)
{
	uint64_t n;

	if (ibuf_get_num(b, &n, 2) == -1)
		return -1;
	*v = n;
	return 0;
}

int
ibuf_get_n32(struct ibuf *b, uint32_t *v)
{
	uint64_t n;

	if (ibuf_get_num(b, &n, 4) == -1)
		return -1;
	*v = n;
	return 0;
}

int
ibuf_get_n64(struct ibuf *b, uint64_t *v)
{
	return ibuf_get_num(b, v, 8);
}

int
ibuf_skip(struct ibuf *b, size_t len)
{
	if (len > ibuf_size(b)) {
		errno = EBADMSG;
		return -1;
	}
	b->rpos += len;
	return 0;
}

/* Gives up the first len bytes; an empty buffer starts over. */
void
ibuf_drain(struct ibuf *b, size_t len)
{
	b->rpos += len < ibuf_size(b) ? len : ibuf_size(b);
	if (b->rpos == b->wpos)
		b->rpos = b->wpos = 0;
}

void
ibuf_rewind(struct ibuf *b)
{
	b->rpos = 0;
}

/* Moves what is unread to the front, so that all room is behind it. */
void
ibuf_compact(struct ibuf *b)
{
	if (b->rpos == 0)
		return;
	memmove(b->buf, b->buf + b->rpos, ibuf_size(b));
	b->wpos -= b->rpos;
	b->rpos = 0;
}
