/*
 * What stands in an answer: one value, lines, bytes, or a problem.
 */
#include <sys/types.h>
#include <stdio.h>
#include <string.h>

#include "engine.h"
#include "engine_http.h"

#define TOKENS_MAX	16384

static jsmntok_t	tokens[TOKENS_MAX];

/*
 * Is the URL well?  A refusal is an answer like any other; one that failed,
 * or is not of this API, is none.  Who is busy says so: that counts for
 * neither, and so does the mishap that one session meets again and again,
 * or its one broken message would keep all from their mail.
 */
static void
eanswer_health(struct hconn *c, enum st_code code, const char *text)
{
	const struct hreq	*r = c->req;
	int			 again;

	if (c->url == NULL || code == ST_TRY_LATER ||
	    (r->status == 503 && r->retry_after > 0))
		return;
	if (code == ST_NONSENSE && !r->problem)
		hconn_failure(c, text);
	else if ((code == ST_INTERNAL || code == ST_NONSENSE) &&
	    r->status > 499) {
		again = r->session[0] != '\0' &&
		    strcmp(c->url->mishap, r->session) == 0;
		strlcpy(c->url->mishap, r->session, sizeof(c->url->mishap));
		if (!again)
			hconn_failure(c, text);
	} else
		eurl_answered(c->url);
}

/*
 * An error answer: its code alone decides what it means, and only in
 * problem+json, so that no proxy's word is taken for the storage's.
 */
static void
eanswer_problem(struct hconn *c)
{
	struct hreq	*r = c->req;
	struct json	 j;
	const char	*s;
	char		 text[256], code[64];
	size_t		 len;
	enum st_code	 e = ST_NONSENSE;

	snprintf(text, sizeof(text), "HTTP status %d", r->status);
	if (r->problem && json_parse(&j, (char *)ibuf_data(&r->reply),
	    ibuf_size(&r->reply), tokens, TOKENS_MAX) == 0) {
		if (json_str(&j, json_member(&j, 0, "code"), &s, &len) == 1) {
			e = st_code_by_name(s, len);
			snprintf(code, sizeof(code), "%.*s", (int)len, s);
			snprintf(text, sizeof(text), "%s", code);
		}
		if (json_str(&j, json_member(&j, 0, "detail"), &s,
		    &len) == 1 || json_str(&j, json_member(&j, 0, "title"),
		    &s, &len) == 1)
			snprintf(text, sizeof(text), "%.*s",
			    (int)(len < 200 ? len : 200), s);
	}
	eanswer_health(c, e, text);
	if (c->req == r)
		hconn_done(c, e, text, NULL);
}

/* The last line, or one that says the answer failed in the middle. */
static int
eanswer_end(struct hreq *r, struct json *j, int i)
{
	const char	*s;
	size_t		 len;
	int		 ok;

	if (json_bool(j, i, &ok) != 1)
		return -1;
	r->ended = 1;
	r->endcode = ST_OK;
	if (ok)
		return 0;
	r->endcode = ST_INTERNAL;
	if (json_str(j, json_member(j, 0, "code"), &s, &len) == 1)
		r->endcode = st_code_by_name(s, len);
	strlcpy(r->endtext, st_error(r->endcode)->text, sizeof(r->endtext));
	return 0;
}

static int
eanswer_line(struct hreq *r, char *p, size_t len)
{
	struct json	j;
	int		i;

	if (len > 0 && p[len - 1] == '\r')
		len--;
	if (len == 0)
		return 0;
	if (json_parse(&j, p, len, tokens, TOKENS_MAX) == -1 ||
	    json_type(&j, 0) != JSMN_OBJECT || r->ended)
		return -1;
	if (r->lines > 0 && (i = json_member(&j, 0, "end")) != -1)
		return eanswer_end(r, &j, i);
	if (r->lines == 0 && json_member(&j, 0, "header") == -1)
		return -1;
	/* the request may be gone when this returns */
	return r->line(r, &j, r->lines++ == 0);
}

/*
 * The lines that are whole.  A callback may cancel the request: then the
 * connection has none any more, and this returns at once.
 */
static int
eanswer_lines(struct hconn *c, const void *data, size_t len)
{
	struct hreq	*r = c->req;
	uint8_t		*p, *nl;
	size_t		 n;

	if (ibuf_add(&r->reply, data, len) == -1)
		return -1;
	while ((nl = memchr((p = ibuf_data(&r->reply)) + r->scanned, '\n',
	    ibuf_size(&r->reply) - r->scanned)) != NULL) {
		n = (size_t)(nl - p);
		r->scanned = 0;
		if (n > LINE_MAX_ND || eanswer_line(r, (char *)p, n) == -1)
			return -1;
		if (c->req != r)
			return 0;
		ibuf_drain(&r->reply, n + 1);
	}
	if (ibuf_size(&r->reply) > LINE_MAX_ND)
		return -1;
	r->scanned = ibuf_size(&r->reply);
	ibuf_compact(&r->reply);
	return 0;
}

int
eanswer_content(struct hconn *c, const void *data, size_t len)
{
	struct hreq *r = c->req;

	if (len == 0)
		return 0;
	r->bytes += len;
	if (r->status < 200 || r->status > 299) {
		if (ibuf_size(&r->reply) + len <= LINE_MAX_ND)
			(void)ibuf_add(&r->reply, data, len);
		return 0;
	}
	switch (r->answer) {
	case ANSWER_NDJSON:
		return eanswer_lines(c, data, len);
	case ANSWER_JSON:
		if (ibuf_size(&r->reply) + len > JSON_MAX)
			return -1;
		return ibuf_add(&r->reply, data, len);
	case ANSWER_BYTES:
		r->data(r, data, len);
		return 0;
	}
	return -1;
}

/* All of the answer has come. */
void
eanswer_complete(struct hconn *c)
{
	struct hreq	*r = c->req;
	struct json	 j, *value = NULL;

	if (r->status < 200 || r->status > 299) {
		eanswer_problem(c);
		return;
	}
	if (r->answer == ANSWER_NDJSON && !r->ended) {
		hconn_cut(c);
		return;
	}
	if (r->answer == ANSWER_JSON && ibuf_size(&r->reply) > 0) {
		if (json_parse(&j, (char *)ibuf_data(&r->reply),
		    ibuf_size(&r->reply), tokens, TOKENS_MAX) == -1) {
			hconn_failure(c, "answer is not JSON");
			hconn_fail(c, ST_NONSENSE, "answer is not JSON");
			return;
		}
		value = &j;
	}
	if (c->url != NULL && !r->probe)
		eurl_answered(c->url);
	if (r->answer == ANSWER_NDJSON)
		hconn_done(c, r->endcode, r->endtext, NULL);
	else
		hconn_done(c, ST_OK, "", value);
}
