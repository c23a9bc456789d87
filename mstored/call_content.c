/* Contents: the bytes of a message, and the summary kept beside them. */
#include <sys/types.h>
#include <sys/stat.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "body.h"
#include "call.h"
#include "log.h"
#include "range.h"

#define CONTENT_SLICE	(64 * 1024)

/* GET .../messages/{id} */

struct content {
	int		 fd;
	uint64_t	 off;
	uint64_t	 end;
};

static void
content_free(struct req *r)
{
	struct content *c = r->data;

	close(c->fd);
	free(c);
}

/*
 * What is missing at the end of a file cannot be told any more: the length
 * is out.  The connection is cut, which the other side takes for what it is.
 */
static int
content_fill(struct req *r, struct ibuf *out)
{
	struct content	*c = r->data;
	size_t		 want = CONTENT_SLICE;
	ssize_t		 n;
	void		*p;

	if (c->end - c->off < want)
		want = (size_t)(c->end - c->off);
	if ((p = ibuf_room(out, want)) == NULL ||
	    (n = pread(c->fd, p, want, (off_t)c->off)) <= 0) {
		log_warn("reading a message's file");
		io_abort(&r->c->io, "cannot read");
		return RESP_WAIT;
	}
	ibuf_wrote(out, (size_t)n);
	c->off += (uint64_t)n;
	return c->off < c->end ? RESP_MORE : RESP_END;
}

/* The head, with what a range is of; the bytes from to to follow. */
static void
content_head(struct req *r, uint64_t size, int part, uint64_t from,
    uint64_t to)
{
	char fields[96];

	if (!part) {
		resp_head(r, 200, TYPE_MESSAGE, size, HAS(CAP_RANGE) ?
		    "Accept-Ranges: bytes\r\n" : NULL);
		return;
	}
	snprintf(fields, sizeof(fields),
	    "Content-Range: bytes %llu-%llu/%llu\r\n",
	    (unsigned long long)from, (unsigned long long)to,
	    (unsigned long long)size);
	resp_head(r, 206, TYPE_MESSAGE, to - from + 1, fields);
}

static void
content_file(struct req *r, uint64_t size, int part, uint64_t from,
    uint64_t to)
{
	struct content	*c;
	struct stat	 st;

	if ((c = malloc(sizeof(*c))) == NULL) {
		resp_error(r, ST_TRY_LATER, NULL);
		return;
	}
	if ((c->fd = body_open(r->content.rnd)) == -1 ||
	    fstat(c->fd, &st) == -1 || (uint64_t)st.st_size != size) {
		/* the end of its time of grace may have come just now */
		if (c->fd != -1 || errno != ENOENT)
			log_warnx("the file of a message is damaged");
		resp_error(r, c->fd == -1 && errno == ENOENT ?
		    ST_NO_SUCH_MESSAGE : ST_INTERNAL, NULL);
		if (c->fd != -1)
			close(c->fd);
		free(c);
		return;
	}
	c->off = from;
	c->end = to + 1;
	r->data = c;
	r->free = content_free;
	content_head(r, size, part, from, to);
	resp_fill_raw(r, content_fill);
}

static void
content_send(struct req *r, const struct store_content *c, int part,
    uint64_t from, uint64_t to)
{
	size_t len = c->size > 0 ? (size_t)(to - from + 1) : 0;

	/* one allocation for head and bytes */
	(void)ibuf_room(io_out(&r->c->io), len + 512);
	content_head(r, c->size, part, from, to);
	if (len > 0)
		io_write(&r->c->io, (const char *)c->data + from, len);
	req_done(r);
}

static void
content_unsatisfiable(struct req *r, uint64_t size)
{
	char field[64];

	snprintf(field, sizeof(field), "Content-Range: bytes */%llu\r\n",
	    (unsigned long long)size);
	resp_refuse(r, 416, "the range is beyond the message", field);
}

void
call_content(struct req *r, const struct head *hd)
{
	const struct http_str	*f;
	struct store_content	 c;
	uint64_t		 from, to;
	int			 code, part = 0;

	if ((code = store_content(server.store, r->account, &r->content,
	    &c)) != ST_OK) {
		resp_error(r, code, NULL);
		return;
	}
	if (HAS(CAP_RANGE) && (f = http_field(&hd->h, "Range")) != NULL)
		part = range_parse(f->p, f->len, c.size, &from, &to);
	if (part != 1) {
		from = 0;
		to = c.size - 1;
	}
	if (part == -1)
		content_unsatisfiable(r, c.size);
	else if (c.data == NULL)
		content_file(r, c.size, part, from, to);
	else
		content_send(r, &c, part, from, to);
}

/* PUT .../messages/{id}/cache */

struct cache_put {
	struct call	 call;
	struct content_id content;
};

static int
cache_run(struct change *ch, struct store *s)
{
	struct cache_put	*c = (struct cache_put *)(void *)ch;
	size_t			 len = ibuf_size(&c->call.body);

	ch->status = 204;
	return store_cache_put(s, ch->account_no, &c->content,
	    len > 0 ? (const char *)ibuf_data(&c->call.body) : "", len);
}

/* To lose one in a power failure costs nothing but its making. */
static const struct call_kind cache_kind = {
	.ch = { .name = "cache", .durable = 0, .run = cache_run },
	.size = sizeof(struct cache_put),
	.zero = sizeof(struct cache_put),
};

int
cache_is_text(const char *p, size_t len)
{
	size_t i, n = 2;

	if (len > CACHE_MAX || !utf8_valid(p, len) ||
	    (len > 0 && memchr(p, '\0', len) != NULL))
		return 0;
	/* it must fit in a row's line, as JSON spells it: what is short does */
	if (len < CACHE_JSON_MAX / 6)
		return 1;
	for (i = 0; i < len; i++) {
		if (p[i] == '"' || p[i] == '\\' || p[i] == '\n' ||
		    p[i] == '\r' || p[i] == '\t')
			n += 2;
		else
			n += (unsigned char)p[i] < 0x20 ? 6 : 1;
	}
	return n <= CACHE_JSON_MAX;
}

void
call_cache(struct req *r, const struct head *hd)
{
	struct cache_put *c;

	if ((c = (struct cache_put *)call_new(r, &cache_kind)) == NULL)
		return;
	c->content = r->content;
	if (!cache_is_text((const char *)ibuf_data(&c->call.body),
	    ibuf_size(&c->call.body)))
		call_fail(&c->call, ST_BAD_REQUEST,
		    "a summary is text that fits in a row");
	else
		call_submit(&c->call);
}
