/* Which handler a request goes to: one table of all calls. */
#include <string.h>

#include "calls.h"
#include "conn.h"

#define SMALL	65536		/* a body with sets and flags */
#define LARGE	(1024 * 1024)	/* one with many names */

static const struct route routes[] = {
	{ "GET", "", 0, BODY_NONE, 0, call_service },
	{ "GET", "accounts/:a/mailboxes", 0, BODY_NONE, 0, call_mailboxes },
	{ "POST", "accounts/:a/mailboxes", CAP(CAP_WRITE), BODY_WHOLE,
	    SMALL, call_create },
	/* before the mailboxes: no id of ours is "rename" */
	{ "POST", "accounts/:a/mailboxes/rename", CAP(CAP_WRITE),
	    BODY_WHOLE, SMALL, call_rename },
	{ "GET", "accounts/:a/mailboxes/:m", 0, BODY_NONE, 0, call_mailbox },
	{ "DELETE", "accounts/:a/mailboxes/:m", CAP(CAP_WRITE), BODY_NONE,
	    0, call_delete },
	{ "GET", "accounts/:a/mailboxes/:m/messages", 0, BODY_NONE, 0,
	    call_list },
	{ "PATCH", "accounts/:a/mailboxes/:m/messages", CAP(CAP_WRITE),
	    BODY_WHOLE, SMALL, call_patch },
	{ "POST", "accounts/:a/mailboxes/:m/expunge", CAP(CAP_WRITE),
	    BODY_WHOLE, SMALL, call_expunge },
	{ "POST", "accounts/:a/mailboxes/:m/copy", CAP(CAP_COPY),
	    BODY_WHOLE, SMALL, call_copy },
	{ "POST", "accounts/:a/mailboxes/:m/messages", CAP(CAP_BATCH),
	    BODY_WHOLE, LARGE, call_batch },
	{ "POST", "accounts/:a/blobs", CAP(CAP_BATCH), BODY_STREAM, 0,
	    call_blob, call_upload_data, call_upload_end },
	{ "POST", "accounts/:a/mailboxes/:m/search", 0, BODY_WHOLE, LARGE,
	    call_search,
	    .any = CAP(CAP_SEARCH) | CAP(CAP_SORT) | CAP(CAP_THREAD) },
	{ "GET", "accounts/:a/dict", CAP(CAP_DICT), BODY_NONE, 0,
	    call_dict_list },
	{ "GET", "accounts/:a/dict/:k", CAP(CAP_DICT), BODY_NONE, 0,
	    call_dict_get },
	{ "PUT", "accounts/:a/dict/:k", CAP(CAP_DICT), BODY_WHOLE,
	    DICT_VALUE, call_dict_put },
	{ "DELETE", "accounts/:a/dict/:k", CAP(CAP_DICT), BODY_NONE, 0,
	    call_dict_del },
	{ "GET", "accounts/:a/quota", CAP(CAP_QUOTA), BODY_NONE, 0,
	    call_quota },
	{ "GET", "accounts/:a/metadata", CAP(CAP_METADATA), BODY_NONE, 0,
	    call_metadata },
	{ "POST", "accounts/:a/metadata", CAP(CAP_METADATA), BODY_WHOLE,
	    METADATA_BODY, call_metadata_set },
	{ "GET", "accounts/:a/messages/:c", 0, BODY_NONE, 0, call_content },
	{ "PUT", "accounts/:a/messages/:c/cache", CAP(CAP_CACHE),
	    BODY_WHOLE, CACHE_MAX, call_cache },
	{ "POST", "accounts/:a/subscriptions", CAP(CAP_SUBSCRIPTIONS),
	    BODY_WHOLE, LARGE, call_subscriptions },
	{ "POST", "messages", CAP(CAP_WRITE), BODY_STREAM, 0, call_upload,
	    call_upload_data, call_upload_end },
	{ "POST", "recipients", CAP(CAP_RECIPIENTS), BODY_WHOLE, SMALL,
	    call_recipients },
	{ "GET", "events", CAP(CAP_EVENTS), BODY_NONE, 0, call_events },
	{ "POST", "scram", CAP(CAP_SCRAM), BODY_WHOLE, SMALL, call_scram,
	    .secret = 1 },
	{ "POST", "auth", CAP(CAP_AUTH), BODY_WHOLE, SMALL, call_auth,
	    .secret = 1 },
};

/* Does segment i of the target fit the pattern's next one? */
static int
route_seg(const struct target *t, int i, const char *pat, size_t len)
{
	if (len > 0 && pat[0] == ':')
		return t->seg[i].len > 0;
	return t->seg[i].len == len && memcmp(t->seg[i].p, pat, len) == 0;
}

static int
route_matches(const struct target *t, const char *path)
{
	size_t	len;
	int	i;

	/* "{base}" is the same as "{base}/" */
	if (*path == '\0' && t->nseg == 1)
		return 1;
	for (i = 1; i < t->nseg; i++) {
		len = strcspn(path, "/");
		if (!route_seg(t, i, path, len))
			return 0;
		path += len;
		if (*path == '\0')
			return i == t->nseg - 1;
		path++;
	}
	return 0;
}

static int
route_method(const struct route *r, const struct http_str *m)
{
	return strlen(r->method) == m->len &&
	    memcmp(r->method, m->p, m->len) == 0;
}

/* A call that is switched off does not exist. */
const struct route *
route_find(const struct head *hd, uint64_t caps, int *status,
    const char **allow)
{
	static char		 methods[64];	/* all of them fit */
	const struct route	*r;
	size_t			 i;

	*status = 404;
	*allow = NULL;
	if (hd->t.nseg == 0 || !target_is(&hd->t, 0, MSTORED_BASE))
		return NULL;
	for (i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		r = &routes[i];
		if ((r->cap & ~caps) != 0 ||
		    (r->any != 0 && (r->any & caps) == 0) ||
		    !route_matches(&hd->t, r->path))
			continue;
		if (route_method(r, &hd->h.method))
			return r;
		if (*status == 404)
			strlcpy(methods, "Allow: ", sizeof(methods));
		else
			strlcat(methods, ", ", sizeof(methods));
		strlcat(methods, r->method, sizeof(methods));
		*status = 405;
	}
	if (*status == 405) {
		strlcat(methods, "\r\n", sizeof(methods));
		*allow = methods;
	}
	return NULL;
}

static int
route_account(struct req *r, const struct head *hd, int i)
{
	ssize_t n;

	n = target_seg(&hd->t, i, r->account, sizeof(r->account));
	if (n < 0 || !name_is_account(r->account, (size_t)n))
		return ST_NO_SUCH_ACCOUNT;
	return ST_OK;
}

static int
route_mailbox(struct req *r, const struct head *hd, int i)
{
	char	id[NAME_ID_SIZE];
	ssize_t	n;

	n = target_seg(&hd->t, i, id, sizeof(id));
	if (n < 0 || name_get_mailbox(&r->mailbox, id, (size_t)n) == -1)
		return ST_NO_SUCH_MAILBOX;
	return ST_OK;
}

static int
route_content(struct req *r, const struct head *hd, int i)
{
	char	id[NAME_ID_SIZE];
	ssize_t	n;

	n = target_seg(&hd->t, i, id, sizeof(id));
	if (n < 0 || name_get_content(&r->content, id, (size_t)n) == -1)
		return ST_NO_SUCH_MESSAGE;
	return ST_OK;
}

/* One etag in quotes, or for If-None-Match a star. */
static int
route_condition(struct req *r, const struct head *hd)
{
	const struct http_str	*m = http_field(&hd->h, "If-Match");
	const struct http_str	*n = http_field(&hd->h, "If-None-Match");

	r->cond.what = STORE_IF_ANY;
	if (m != NULL && n != NULL)
		return ST_BAD_REQUEST;
	if (n != NULL) {
		r->cond.what = STORE_IF_NONE;
		return n->len == 1 && *n->p == '*' ? ST_OK : ST_BAD_REQUEST;
	}
	if (m == NULL)
		return ST_OK;
	if (m->len < 2 || m->p[0] != '"' || m->p[m->len - 1] != '"')
		return ST_BAD_REQUEST;
	r->cond.what = STORE_IF_MATCH;
	/* what is longer is none of ours: it matches nothing */
	if (m->len - 2 < sizeof(r->cond.etag))
		memcpy(r->cond.etag, m->p + 1, m->len - 2);
	return ST_OK;
}

static int
route_entry(struct req *r, const struct head *hd, int i)
{
	ssize_t n;

	n = target_seg(&hd->t, i, r->dict_key, sizeof(r->dict_key));
	if (n < 0 || !name_is_dict(r->dict_key, (size_t)n))
		return ST_NO_SUCH_ENTRY;
	return route_condition(r, hd);
}

/* An id that cannot be one of ours names nothing: 404, whatever it is. */
int
route_args(struct req *r, const struct head *hd)
{
	const char	*p = r->route->path;
	int		 i, code = ST_OK;

	for (i = 1; *p != '\0' && code == ST_OK; i++) {
		if (strncmp(p, ":a", 2) == 0)
			code = route_account(r, hd, i);
		else if (strncmp(p, ":m", 2) == 0)
			code = route_mailbox(r, hd, i);
		else if (strncmp(p, ":c", 2) == 0)
			code = route_content(r, hd, i);
		else if (strncmp(p, ":k", 2) == 0)
			code = route_entry(r, hd, i);
		p += strcspn(p, "/");
		p += *p == '/';
	}
	return code;
}
