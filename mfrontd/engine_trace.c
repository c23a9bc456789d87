/*
 * What joins our log with that of a storage: each request has a trace's id
 * (W3C Trace Context) and the session's name, and lines about it have both.
 * No line has what stands behind "?" in a target, nor any of a body.
 */
#include <sys/types.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine.h"
#include "log.h"

#define RANDOM_STOCK	1536	/* bytes */
#define SLOW_USECS	5000000	/* for the head of an answer */
#define LINES_MAX	5	/* of a storage, in a second */
#define PATH_MAX_LOG	400	/* characters */

/* So many random bytes in hex; got in stock, each time is a system call. */
static void
trace_random(char *p, size_t n)
{
	static const char	 hex[] = "0123456789abcdef";
	static uint8_t		 stock[RANDOM_STOCK];
	static size_t		 left;

	if (left < n) {
		arc4random_buf(stock, sizeof(stock));
		left = sizeof(stock);
	}
	for (; n > 0; n--) {
		left--;
		*p++ = hex[stock[left] >> 4];
		*p++ = hex[stock[left] & 0xf];
	}
	*p = '\0';
}

static uint64_t
trace_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/* A trace of its own for each request, a span for each time it is sent. */
void
etrace_put(struct hreq *r, struct ibuf *b)
{
	char span[17];

	if (r->trace[0] == '\0')
		trace_random(r->trace, 16);
	trace_random(span, 8);
	(void)ibuf_adds(b, "Traceparent: 00-");
	(void)ibuf_adds(b, r->trace);
	(void)ibuf_adds(b, "-");
	(void)ibuf_adds(b, span);
	(void)ibuf_adds(b, "-01\r\n");
	r->began = r->sent = trace_now();
	r->headed = 0;
	r->bytes = 0;
}

void
etrace_sent(struct hreq *r)
{
	r->sent = trace_now();
}

void
etrace_head(struct hreq *r)
{
	r->headed = trace_now();
}

/* Is that the storage's trouble, or only its answer? */
static int
trace_failure(enum st_code code)
{
	switch (code) {
	case ST_BAD_REQUEST:
	case ST_UNKNOWN_PARAMETER:
	case ST_BAD_TOKEN:
	case ST_KEY_REUSED:
	case ST_TRY_LATER:
	case ST_STORAGE_FULL:
	case ST_INTERNAL:
	case ST_UNAVAILABLE:
	case ST_NONSENSE:
	case ST_CUT:
		return 1;
	default:
		return 0;
	}
}

static int
trace_slow(const struct hreq *r)
{
	return !r->endless && r->headed > r->sent &&
	    r->headed - r->sent >= SLOW_USECS;
}

/* What came of it, in a few words. */
static void
trace_result(const struct hreq *r, enum st_code code, const char *text,
    char *buf, size_t len)
{
	const char *name = st_error(code)->name;

	if (!r->answered)
		snprintf(buf, len, "%s", text);
	else if (*name != '\0' || code == ST_OK)
		snprintf(buf, len, "%d%s%s", r->status, *name != '\0' ?
		    " " : "", name);
	else
		snprintf(buf, len, "%d, %s", r->status,
		    r->problem || r->status < 300 ? text : "no problem+json");
}

/* May a line be written, or have there been too many in this second? */
static int
trace_line_ok(struct estorage *st)
{
	if (st->logged_at == tmo_now())
		return ++st->nlogged <= LINES_MAX;
	if (st->nlogged > LINES_MAX)
		log_warnx("storage %s: %u more such lines left out",
		    st->name, st->nlogged - LINES_MAX);
	st->logged_at = tmo_now();
	st->nlogged = 1;
	return 1;
}

void
etrace_end(struct hreq *r, enum st_code code, const char *text)
{
	const char	*path = (const char *)ibuf_data(&r->target);
	const char	*session = r->session[0] != '\0' ? r->session : "-";
	char		 result[160];
	int		 failed, len = (int)ibuf_size(&r->target);
	const void	*query;

	if (r->trace[0] == '\0')
		return;
	failed = !r->probe && (trace_failure(code) || trace_slow(r));
	if (!log_getverbose() && (!failed || !trace_line_ok(r->st)))
		return;
	if ((query = memchr(path, '?', (size_t)len)) != NULL)
		len = (int)((const char *)query - path);
	if (len > PATH_MAX_LOG)
		len = PATH_MAX_LOG;
	trace_result(r, code, text, result, sizeof(result));
	(failed ? log_warnx : log_debug)("storage %s: %s %.*s: %s, "
	    "%llu bytes, %llu us trace=%s session=%s", r->st->name,
	    r->method, len, path, result, (unsigned long long)r->bytes,
	    (unsigned long long)(trace_now() - r->began), r->trace, session);
}
