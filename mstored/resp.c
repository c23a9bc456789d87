#include <stdio.h>
#include <string.h>
#include <time.h>

#include "conn.h"
#include "json.h"
#include "log.h"

#define RESP_SLICES	4	/* of one answer before others have a turn */
#define CHUNK_HEAD	8	/* "00abcd\r\n" */

struct resp_status {
	int		 status;
	const char	*text;
};

static const struct resp_status resp_statuses[] = {
	{ 200, "OK" },
	{ 201, "Created" },
	{ 204, "No Content" },
	{ 206, "Partial Content" },
	{ 400, "Bad Request" },
	{ 401, "Unauthorized" },
	{ 403, "Forbidden" },
	{ 404, "Not Found" },
	{ 405, "Method Not Allowed" },
	{ 409, "Conflict" },
	{ 410, "Gone" },
	{ 412, "Precondition Failed" },
	{ 413, "Content Too Large" },
	{ 416, "Range Not Satisfiable" },
	{ 422, "Unprocessable Content" },
	{ 431, "Request Header Fields Too Large" },
	{ 500, "Internal Server Error" },
	{ 503, "Service Unavailable" },
	{ 507, "Insufficient Storage" },
};

static const char *
resp_text(int status)
{
	size_t i;

	for (i = 0; i < sizeof(resp_statuses) / sizeof(resp_statuses[0]);
	    i++)
		if (resp_statuses[i].status == status)
			return resp_statuses[i].text;
	return "Error";
}

/* The Date field, made once a second. */
static const char *
resp_date(void)
{
	static char	 text[64];
	static time_t	 made = -1;
	time_t		 now = time(NULL);
	struct tm	 tm;

	if (now != made) {
		made = now;
		gmtime_r(&now, &tm);
		strftime(text, sizeof(text),
		    "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &tm);
	}
	return text;
}

/* Status line and the fields that every answer has. */
static void
resp_start(struct req *r, int status, const char *type)
{
	struct ibuf *b = io_out(&r->c->io);

	if (r->c->state == CONN_BODY)
		r->keepalive = 0;
	if (server.stopping)
		r->keepalive = 0;
	ibuf_adds(b, "HTTP/1.1 ");
	ibuf_addu(b, (uint64_t)status);
	ibuf_add_n8(b, ' ');
	ibuf_adds(b, resp_text(status));
	ibuf_adds(b, "\r\n");
	ibuf_adds(b, resp_date());
	if (type != NULL) {
		ibuf_adds(b, "Content-Type: ");
		ibuf_adds(b, type);
		ibuf_adds(b, "\r\n");
	}
	if (!r->keepalive)
		ibuf_adds(b, "Connection: close\r\n");
	else if (r->minor == 0)
		ibuf_adds(b, "Connection: keep-alive\r\n");
	r->started = 1;
}

void
resp_head(struct req *r, int status, const char *type, uint64_t len,
    const char *fields)
{
	struct ibuf *b = io_out(&r->c->io);

	resp_start(r, status, type);
	if (fields != NULL)
		ibuf_adds(b, fields);
	/* RFC 9110, 8.6: none with 204 */
	if (status != 204) {
		ibuf_adds(b, "Content-Length: ");
		ibuf_addu(b, len);
		ibuf_adds(b, "\r\n");
	}
	/* the last addition tells for all: none fits once one did not */
	if (ibuf_adds(b, "\r\n") == -1)
		io_abort(&r->c->io, "no memory");
	io_kick(&r->c->io);
}

static void
resp_send_with(struct req *r, int status, const char *type, const void *p,
    size_t len, const char *fields)
{
	/* one allocation for head and body */
	(void)ibuf_room(io_out(&r->c->io), len + 512);
	resp_head(r, status, type, len, fields);
	if (len > 0)
		io_write(&r->c->io, p, len);
	req_done(r);
}

void
resp_send(struct req *r, int status, const char *type, const void *p,
    size_t len)
{
	resp_send_with(r, status, type, p, len, NULL);
}

void
resp_empty(struct req *r, int status)
{
	resp_send_with(r, status, NULL, NULL, 0, NULL);
}

static void
resp_problem(struct req *r, int status, const char *code, const char *title,
    const char *detail, const char *fields)
{
	struct ibuf	*b = &server.text;

	ibuf_drain(b, ibuf_size(b));
	json_open(b, '{');
	json_kstr(b, "type", "about:blank");
	json_kstr(b, "title", title);
	json_ku64(b, "status", (uint64_t)status);
	json_kstr(b, "code", code);
	if (detail != NULL)
		json_kstr(b, "detail", detail);
	json_close(b, '}');
	ibuf_adds(b, "\n");
	resp_send_with(r, status, TYPE_PROBLEM, ibuf_data(b), ibuf_size(b),
	    fields);
}

void
resp_error(struct req *r, int code, const char *detail)
{
	const struct st_error	*e = st_error((enum st_code)code);
	const char		*fields = NULL;

	if (code == ST_BAD_TOKEN)
		fields = "WWW-Authenticate: Bearer\r\n";
	else if (code == ST_TRY_LATER)
		fields = "Retry-After: 1\r\n";
	resp_problem(r, e->http, e->name, e->text, detail, fields);
}

void
resp_refuse(struct req *r, int status, const char *detail,
    const char *fields)
{
	resp_problem(r, status, st_error(ST_BAD_REQUEST)->name,
	    resp_text(status), detail, fields);
}

void
resp_continue(struct req *r)
{
	if (!r->expect)
		return;
	r->expect = 0;
	io_puts(&r->c->io, "HTTP/1.1 100 Continue\r\n\r\n");
}

/* answers made piece by piece */

static void
resp_stream_head(struct req *r)
{
	struct ibuf *b = io_out(&r->c->io);

	/* HTTP/1.0 has no chunks: the answer ends with the connection */
	if (r->minor == 0)
		r->keepalive = 0;
	resp_start(r, 200, r->type);
	if (ibuf_adds(b, r->minor == 0 ? "\r\n" :
	    "Transfer-Encoding: chunked\r\n\r\n") == -1)
		io_abort(&r->c->io, "no memory");
}

static void
resp_chunk(struct req *r, const struct ibuf *b)
{
	char	size[CHUNK_HEAD + 1];
	size_t	len = ibuf_size(b);

	if (len == 0)
		return;
	if (r->raw || r->minor == 0) {
		io_write(&r->c->io, ibuf_data(b), len);
		return;
	}
	snprintf(size, sizeof(size), "%06x\r\n", (unsigned int)len);
	(void)ibuf_room(io_out(&r->c->io), len + 32);
	io_write(&r->c->io, size, CHUNK_HEAD);
	io_write(&r->c->io, ibuf_data(b), len);
	io_puts(&r->c->io, "\r\n");
}

static void
resp_end(struct req *r)
{
	if (!r->raw && r->minor > 0)
		io_puts(&r->c->io, "0\r\n\r\n");
	req_done(r);
}

/*
 * Makes slices until the queue is full or others should have their turn.
 * An answer that is complete with its first slice gets a length.
 */
void
resp_more(struct req *r)
{
	struct ibuf	*b = &server.text;
	int		 i, more = RESP_MORE;

	for (i = 0; i < RESP_SLICES && more == RESP_MORE; i++) {
		if (io_full(&r->c->io))
			return;
		ibuf_drain(b, ibuf_size(b));
		more = r->fill(r, b);
		if (more == RESP_END && !r->started) {
			resp_send(r, 200, r->type, ibuf_data(b),
			    ibuf_size(b));
			return;
		}
		if (!r->started)
			resp_stream_head(r);
		resp_chunk(r, b);
	}
	if (more == RESP_END)
		resp_end(r);
	else if (more == RESP_MORE)
		req_again(r);
}

void
resp_add(struct req *r, const struct ibuf *b)
{
	resp_chunk(r, b);
}

void
resp_fill(struct req *r, const char *type,
    int (*fill)(struct req *, struct ibuf *))
{
	r->fill = fill;
	r->type = type;
	resp_more(r);
}

void
resp_fill_raw(struct req *r, int (*fill)(struct req *, struct ibuf *))
{
	r->fill = fill;
	r->raw = 1;
	resp_more(r);
}
