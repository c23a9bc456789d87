/*
 * What a storage does for the frontend: searching, sorting and threading,
 * small values kept for it, quota, annotations, several appends in one step.
 *
 * JSON that a listener has built goes to the backend as it is, but only
 * after it was seen to be one value of the right kind, so that it cannot
 * say more than it should.
 */
#include <sys/types.h>
#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base64.h"
#include "engine.h"
#include "log.h"

#define TOKENS_MAX	65536	/* of JSON from a listener */
#define BATCH_MAX	(256 * 1024)	/* bytes of it that come as data */
#define ORDER_MAX	16000	/* uids in one message */
#define THREAD_DEPTH	100
#define ETAG_MAX	127

static jsmntok_t	tokens[TOKENS_MAX];	/* of the JSON being looked at */

/* Is this one value of that type, and nothing else? */
static int
is_json(const struct msg_blob *b, int type)
{
	struct json	 j;
	char		*copy;
	int		 r;

	if ((copy = malloc(b->len + 1)) == NULL)
		fatal(NULL);
	memcpy(copy, b->p, b->len);
	copy[b->len] = '\0';
	r = json_parse(&j, copy, b->len, tokens, TOKENS_MAX) != -1 &&
	    json_type(&j, 0) == type;
	free(copy);
	return r;
}

static int
put_json(struct ibuf *b, const char *key, const struct msg_blob *text)
{
	if (json_key(b, key) == -1)
		return -1;
	return ibuf_add(b, text->p, text->len);
}

static void
refuse(struct ereq *e, struct hreq *h, const char *why)
{
	if (h != NULL)
		hreq_discard(h);
	ereq_end(e, ST_BAD_REQUEST, why);
}

/* search */

static int
search_header(struct ereq *e, struct json *j)
{
	struct m_st_found_head	m;
	int			on = 0;

	memset(&m, 0, sizeof(m));
	if (json_u64(j, json_member(j, 0, "modseq"), UINT64_MAX,
	    &m.modseq) == -1 ||
	    json_u32(j, json_member(j, 0, "uidnext"), &m.uidnext) == -1 ||
	    json_u32(j, json_member(j, 0, "uidvalidity"),
	    &m.uidvalidity) == -1 ||
	    json_u32(j, json_member(j, 0, "total"), &m.total) == -1 ||
	    json_u64(j, json_member(j, 0, "highest"), UINT64_MAX,
	    &m.highest) == -1 ||
	    json_bool(j, json_member(j, 0, "superset"), &on) == -1)
		return -1;
	m.superset = on != 0;
	ereq_send(e, M_st_found_head, &m);
	return 0;
}

static int
search_set(struct ereq *e, struct json *j, int i, int maybe)
{
	struct m_st_found	m;
	struct uidset		set, part;
	uint32_t		k;
	int			r;

	uidset_init(&set);
	if ((r = nd_set(j, i, &set)) == 0)
		for (k = 0; k < set.n; k += part.n) {
			memset(&part, 0, sizeof(part));
			part.r = set.r + k;
			part.n = set.n - k < 8000 ? set.n - k : 8000;
			m.uids = msg_set_of(&part);
			m.maybe = (uint8_t)maybe;
			ereq_send(e, M_st_found, &m);
			ereq_spend(e, part.n * 8);
		}
	uidset_fini(&set);
	return r;
}

static int
search_order(struct ereq *e, struct json *j, int list)
{
	struct m_st_order	m;
	uint32_t		*v, uid, n = 0;
	int			 i, r = 0;

	if ((v = calloc(ORDER_MAX, sizeof(*v))) == NULL)
		fatal(NULL);
	for (i = json_first(j, list); i != -1 && r == 0;
	    i = json_next(j, i)) {
		if (json_u32(j, i, &uid) != 1 || uid == 0 || n == ORDER_MAX)
			r = -1;
		else
			v[n++] = htonl(uid);
	}
	if (r == 0 && n > 0) {
		m.uids = msg_blob_of(v, n * sizeof(*v));
		ereq_send(e, M_st_order, &m);
		ereq_spend(e, n * sizeof(*v));
	}
	free(v);
	return r;
}

/*
 * [3,6,[4,23],[44,7]] becomes (3 6 (4 23)(44 7)).  Of the JSON only digits,
 * commas, brackets and blanks are let through.
 */
static int
thread_text(const char *p, size_t len, struct ibuf *b)
{
	int depth = 0, r = 0;
	char was = '[', c;

	for (; len > 0 && r == 0; p++, len--) {
		if (isspace((unsigned char)(c = *p)))
			continue;
		/* between two threads there is no blank */
		if (was == ',' && (c != '[' || ibuf_size(b) == 0 ||
		    ibuf_data(b)[ibuf_size(b) - 1] != ')'))
			r = ibuf_add_n8(b, ' ');
		was = c;
		if (r == -1 || (c != '[' && c != ']' && c != ',' &&
		    !isdigit((unsigned char)c)))
			return -1;
		depth += c == '[' ? 1 : c == ']' ? -1 : 0;
		if (depth > THREAD_DEPTH)
			return -1;
		if (c != ',')
			r = ibuf_add_n8(b, (uint8_t)(c == '[' ? '(' :
			    c == ']' ? ')' : c));
	}
	return r;
}

static int
search_thread(struct ereq *e, struct json *j, int list)
{
	struct m_st_thread	m;
	struct ibuf		b;
	int			r;

	if (json_type(j, list) != JSMN_ARRAY)
		return -1;
	ibuf_init(&b, 65000);
	r = thread_text(j->buf + j->tok[list].start,
	    (size_t)(j->tok[list].end - j->tok[list].start), &b);
	if (r == 0) {
		m.text = msg_blob_of(ibuf_data(&b), ibuf_size(&b));
		ereq_send(e, M_st_thread, &m);
		ereq_spend(e, m.text.len);
	}
	ibuf_fini(&b);
	return r;
}

static int
search_line(struct hreq *h, struct json *j, int header)
{
	struct ereq	*e = h->arg;
	int		 i;

	if (header)
		return search_header(e, j);
	if ((i = json_member(j, 0, "uids")) != -1)
		return search_set(e, j, i, 0);
	if ((i = json_member(j, 0, "maybe")) != -1)
		return search_set(e, j, i, 1);
	if ((i = json_member(j, 0, "order")) != -1)
		return search_order(e, j, i);
	if ((i = json_member(j, 0, "thread")) != -1)
		return search_thread(e, j, i);
	return 0;
}

/* "subject -date" as [{"by":"subject"},{"by":"date","reverse":true}]. */
static int
put_sort(struct ibuf *b, const char *sort)
{
	char	name[32];
	size_t	len;
	int	bad, reverse;

	bad = json_key(b, "sort") | json_open(b, '[');
	while (*sort != '\0') {
		reverse = *sort == '-';
		sort += reverse;
		len = strcspn(sort, " ");
		if (len == 0 || len >= sizeof(name))
			return -1;
		memcpy(name, sort, len);
		name[len] = '\0';
		bad |= json_open(b, '{') | json_kstr(b, "by", name) |
		    (reverse ? json_kbool(b, "reverse", 1) : 0) |
		    json_close(b, '}');
		sort += len;
		sort += strspn(sort, " ");
	}
	return bad | json_close(b, ']');
}

static int
put_uids(struct ereq *e, struct ibuf *b)
{
	int r;

	if (e->set.n == 0)
		return 0;
	if (json_key(b, "uids") == -1 || ibuf_add_n8(b, '"') == -1)
		return -1;
	r = uidset_format(&e->set, &e->pos, e->st->limit_set, b);
	return r == -1 ? -1 : ibuf_add_n8(b, '"');
}

static int
put_search(struct ereq *e, struct ibuf *b, const struct m_st_search *m)
{
	return json_open(b, '{') |
	    (m->query.len > 0 ? put_json(b, "query", &m->query) : 0) |
	    put_uids(e, b) |
	    (*m->sort != '\0' ? put_sort(b, m->sort) : 0) |
	    (*m->thread != '\0' ? json_kstr(b, "thread", m->thread) : 0) |
	    (m->limit > 0 ? json_ku64(b, "limit", m->limit) : 0) |
	    json_close(b, '}');
}

static int
search_may(const struct ereq *e, const struct m_st_search *m)
{
	if (e->st->state != STORAGE_UP)
		return 1;
	return (m->query.len == 0 || estorage_has(e->st, CAP_SEARCH)) &&
	    (*m->sort == '\0' || estorage_has(e->st, CAP_SORT)) &&
	    (*m->thread == '\0' || estorage_has(e->st, CAP_THREAD));
}

void
eoffload_search(struct ereq *e, const void *arg)
{
	const struct m_st_search	*m = arg;
	struct hreq			*h;

	if (!search_may(e, m)) {
		ereq_end(e, ST_UNSUPPORTED_SEARCH,
		    st_error(ST_UNSUPPORTED_SEARCH)->text);
		return;
	}
	if (m->query.len > 0 && !is_json(&m->query, JSMN_OBJECT)) {
		refuse(e, NULL, "a query that is none");
		return;
	}
	if ((e->mailbox = strdup(m->mailbox)) == NULL ||
	    msg_set_get(&m->uids, &e->set) == -1)
		fatal(NULL);
	h = ereq_http(e, "POST", ANSWER_NDJSON);
	/* it changes nothing */
	h->key[0] = '\0';
	(void)ereq_mailbox(h, e);
	(void)ibuf_adds(&h->target, "/search");
	h->line = search_line;
	if (put_search(e, &h->body, m) != 0 || e->pos < e->set.n) {
		refuse(e, h, "too many ranges for one search");
		return;
	}
	e->credit = m->credit;
	e->paused = e->credit <= 0;
	hreq_pause(h, e->paused);
	ereq_submit(e, h);
}

/* dict */

void
eoffload_dict_tell(struct ereq *e, const char *key, const char *etag,
    uint64_t size, struct ibuf *value)
{
	struct m_st_dict_ok m;

	m.key = key;
	m.etag = etag;
	m.size = size;
	m.value = value != NULL ? msg_blob_of(ibuf_data(value),
	    ibuf_size(value)) : msg_blob_of(NULL, 0);
	ereq_send(e, M_st_dict_ok, &m);
}

/* e->flags is the etag: with its quotes in a field, without in messages. */
static void
dict_head(struct hreq *h, const struct http_head *head)
{
	struct ereq		*e = h->arg;
	const struct http_str	*v = http_field(head, "ETag");

	if (v == NULL || v->len < 2 || v->len > ETAG_MAX ||
	    v->p[0] != '"' || v->p[v->len - 1] != '"')
		return;
	free(e->flags);
	if ((e->flags = strndup(v->p + 1, v->len - 2)) == NULL)
		fatal(NULL);
}

static void
dict_data(struct hreq *h, const uint8_t *p, size_t len)
{
	struct ereq *e = h->arg;

	/* what is too long is not ours */
	(void)ibuf_add(&e->whole, p, len);
	e->got += len;
}

static void
dict_got(struct hreq *h, enum st_code code, const char *text,
    struct json *j)
{
	struct ereq *e = h->arg;

	if (code == ST_OK && e->got != ibuf_size(&e->whole)) {
		code = ST_TOO_LARGE;
		text = st_error(code)->text;
	}
	if (code == ST_OK)
		eoffload_dict_tell(e, e->id, e->flags != NULL ? e->flags : "",
		    e->got, &e->whole);
	ereq_done(h, code, text, NULL);
}

static void
dict_put(struct hreq *h, enum st_code code, const char *text,
    struct json *j)
{
	struct ereq	*e = h->arg;
	char		 etag[ETAG_MAX + 1];

	etag[0] = '\0';
	if (code == ST_OK && j != NULL)
		(void)nd_text(j, json_member(j, 0, "etag"), etag,
		    sizeof(etag));
	if (code == ST_OK)
		eoffload_dict_tell(e, e->id, etag, 0, NULL);
	ereq_done(h, code, text, NULL);
}

static int
dict_line(struct hreq *h, struct json *j, int header)
{
	char		 key[256], etag[ETAG_MAX + 1];
	uint64_t	 size;

	if (header)
		return 0;
	if (nd_text(j, json_member(j, 0, "key"), key, sizeof(key)) == -1 ||
	    nd_text(j, json_member(j, 0, "etag"), etag, sizeof(etag)) == -1 ||
	    json_u64(j, json_member(j, 0, "size"), UINT64_MAX, &size) != 1)
		return -1;
	eoffload_dict_tell(h->arg, key, etag, size, NULL);
	return 0;
}

static int
dict_match(struct hreq *h, const char *match)
{
	const char *p;

	for (p = match; *p != '\0'; p++)
		if (!isgraph((unsigned char)*p) || *p == '"')
			return -1;
	if (strcmp(match, "*") == 0)
		strlcpy(h->match, "If-None-Match: *\r\n", sizeof(h->match));
	else if (*match != '\0')
		snprintf(h->match, sizeof(h->match), "If-Match: \"%s\"\r\n",
		    match);
	return 0;
}

static const struct {
	const char		*method;
	enum hreq_answer	 answer;
	void			(*done)(struct hreq *, enum st_code,
				    const char *, struct json *);
} dict_ops[] = {
	[DICT_GET] =	{ "GET", ANSWER_BYTES, dict_got },
	[DICT_PUT] =	{ "PUT", ANSWER_JSON, dict_put },
	[DICT_DELETE] =	{ "DELETE", ANSWER_JSON, ereq_done },
	[DICT_LIST] =	{ "GET", ANSWER_NDJSON, ereq_done },
};

/* Where this entry is kept: the storage's dict, or a file here. */
static enum index_kind
dict_place(const struct ereq *e, const char *key)
{
	int index = strncmp(key, INDEX_PREFIX, strlen(INDEX_PREFIX)) == 0;

	if (index && e->st->index == INDEX_LOCAL && e->st->local != NULL)
		return INDEX_LOCAL;
	if ((index && e->st->index != INDEX_DICT) ||
	    (e->st->state == STORAGE_UP && !estorage_has(e->st, CAP_DICT)))
		return INDEX_NO;
	return INDEX_DICT;
}

static void
dict_ask(struct ereq *e, const struct m_st_dict *m)
{
	struct hreq *h;

	ibuf_init(&e->whole, 65000);
	h = ereq_http(e, dict_ops[m->op].method, dict_ops[m->op].answer);
	(void)ibuf_adds(&h->target, m->op == DICT_LIST ? "/dict?prefix=" :
	    "/dict/");
	(void)http_pct_encode(&h->target, m->key);
	h->ctype = m->op == DICT_PUT ? "application/octet-stream" : NULL;
	h->head = dict_head;
	h->data = dict_data;
	h->line = dict_line;
	h->done = dict_ops[m->op].done;
	if (m->op == DICT_PUT)
		(void)ibuf_add(&h->body, m->value.p, m->value.len);
	if (dict_match(h, m->match) == -1) {
		refuse(e, h, "no etag");
		return;
	}
	ereq_submit(e, h);
}

void
eoffload_dict(struct ereq *e, const void *arg)
{
	const struct m_st_dict *m = arg;

	if (m->op >= sizeof(dict_ops) / sizeof(dict_ops[0])) {
		refuse(e, NULL, "no such operation");
		return;
	}
	/* a step in the tree is no key */
	if (m->op != DICT_LIST && (*m->key == '\0' ||
	    strcmp(m->key, ".") == 0 || strcmp(m->key, "..") == 0)) {
		refuse(e, NULL, "no such key");
		return;
	}
	if ((e->id = strdup(m->key)) == NULL)
		fatal(NULL);
	switch (dict_place(e, m->key)) {
	case INDEX_LOCAL:
		elocal_dict(e, m);
		break;
	case INDEX_DICT:
		dict_ask(e, m);
		break;
	case INDEX_NO:
		ereq_end(e, ST_NOT_PERMITTED,
		    st_error(ST_NOT_PERMITTED)->text);
		break;
	}
}

/* quota */

static int
quota_pair(struct json *j, int i, const char *key, uint64_t *used,
    uint64_t *limit)
{
	int k = json_member(j, i, key), r, has = 0;

	if (k == -1 || json_is_null(j, k))
		return 0;
	if ((r = json_u64(j, json_member(j, k, "used"), UINT64_MAX,
	    used)) == -1)
		return -1;
	has |= r == 1 ? QUOTA_STORAGE : 0;
	if ((r = json_u64(j, json_member(j, k, "limit"), UINT64_MAX,
	    limit)) == -1)
		return -1;
	return has | (r == 1 ? QUOTA_STORAGE_LIMIT : 0);
}

static int
quota_root(struct ereq *e, struct json *j, int i)
{
	struct m_st_quota_root	 m;
	const char		*s;
	size_t			 len;
	char			 name[256];
	int			 a, b;

	memset(&m, 0, sizeof(m));
	/* the root of all has an empty name, which nd_text() takes for none */
	if (json_str(j, json_member(j, i, "name"), &s, &len) != 1 ||
	    len >= sizeof(name) || memchr(s, '\0', len) != NULL)
		return -1;
	memcpy(name, s, len);
	name[len] = '\0';
	if ((a = quota_pair(j, i, "storage", &m.used, &m.limit)) == -1 ||
	    (b = quota_pair(j, i, "messages", &m.messages,
	    &m.messages_limit)) == -1)
		return -1;
	m.name = name;
	/* the bits of messages are those of storage, further up */
	m.has = (uint8_t)(a | b << 2);
	ereq_send(e, M_st_quota_root, &m);
	return 0;
}

static void
quota_done(struct hreq *h, enum st_code code, const char *text,
    struct json *j)
{
	struct ereq	*e = h->arg;
	int		 i, list;

	if (code == ST_OK) {
		list = j == NULL ? -1 : json_member(j, 0, "roots");
		if (json_type(j, list) != JSMN_ARRAY)
			code = ST_NONSENSE;
		for (i = json_first(j, list); i != -1 && code == ST_OK;
		    i = json_next(j, i))
			if (quota_root(e, j, i) == -1)
				code = ST_NONSENSE;
		text = st_error(code)->text;
	}
	ereq_done(h, code, text, NULL);
}

void
eoffload_quota(struct ereq *e, const void *arg)
{
	struct hreq *h = ereq_http(e, "GET", ANSWER_JSON);

	(void)ibuf_adds(&h->target, "/quota");
	h->done = quota_done;
	ereq_submit(e, h);
}

/* metadata */

/* Text, or {"base64":"..."} for what is none. */
static int
meta_value(struct json *j, int i, struct ibuf *b)
{
	const char	*s;
	size_t		 len;
	ssize_t		 n;
	char		*p;

	if (json_type(j, i) != JSMN_OBJECT)
		return json_str(j, i, &s, &len) == 1 ? ibuf_add(b, s, len) :
		    -1;
	if (json_str(j, json_member(j, i, "base64"), &s, &len) != 1 ||
	    (p = ibuf_reserve(b, BASE64_DECODED_MAX(len))) == NULL)
		return -1;
	if ((n = base64_decode(p, BASE64_DECODED_MAX(len), s, len)) == -1)
		return -1;
	ibuf_truncate(b, (size_t)n);
	return 0;
}

static int
meta_line(struct hreq *h, struct json *j, int header)
{
	struct m_st_meta	m;
	struct ibuf		b;
	char			entry[256];
	int			r = -1;

	if (header)
		return 0;
	ibuf_init(&b, 64000);
	if (nd_text(j, json_member(j, 0, "entry"), entry,
	    sizeof(entry)) == 0 &&
	    meta_value(j, json_member(j, 0, "value"), &b) == 0) {
		m.entry = entry;
		m.value = msg_blob_of(ibuf_data(&b), ibuf_size(&b));
		ereq_send(h->arg, M_st_meta, &m);
		r = 0;
	}
	ibuf_fini(&b);
	return r;
}

void
eoffload_meta_get(struct ereq *e, const void *arg)
{
	const struct m_st_meta_get	*m = arg;
	struct hreq			*h = ereq_http(e, "GET",
					    ANSWER_NDJSON);

	(void)ibuf_adds(&h->target, "/metadata?mailbox=");
	(void)http_pct_encode(&h->target, m->mailbox);
	h->line = meta_line;
	ereq_submit(e, h);
}

void
eoffload_meta_set(struct ereq *e, const void *arg)
{
	const struct m_st_meta_set	*m = arg;
	struct hreq			*h;
	int				 bad;

	if (!is_json(&m->set, JSMN_OBJECT)) {
		refuse(e, NULL, "entries that are none");
		return;
	}
	h = ereq_http(e, "POST", ANSWER_JSON);
	(void)ibuf_adds(&h->target, "/metadata");
	bad = json_open(&h->body, '{') |
	    (*m->mailbox != '\0' ? json_kstr(&h->body, "mailbox",
	    m->mailbox) : 0) |
	    put_json(&h->body, "set", &m->set) | json_close(&h->body, '}');
	if (bad)
		refuse(e, h, "text that is not UTF-8");
	else
		ereq_submit(e, h);
}

/* batch */

/*
 * An answer that was cut off in the middle is asked for once more, under
 * its key; what was told is not told again.
 */
static int
batch_header(struct ereq *e, struct json *j)
{
	struct m_st_change m;

	if (nd_change(j, json_member(j, 0, "change"), &m) == -1 ||
	    json_u32(j, json_member(j, 0, "uidvalidity"),
	    &m.uidvalidity) != 1)
		return -1;
	if (e->begun)
		return 0;
	/* it is done, whatever becomes of the rest of the answer */
	e->begun = 1;
	eevents_own(e, e->account, &m);
	ereq_send(e, M_st_change, &m);
	return 0;
}

static int
batch_row(struct ereq *e, struct json *j)
{
	struct m_st_stored	 m;
	char			 id[256];

	memset(&m, 0, sizeof(m));
	if (json_u32(j, json_member(j, 0, "index"), &m.rcpt) != 1 ||
	    m.rcpt >= e->nto ||
	    json_u32(j, json_member(j, 0, "uid"), &m.uid) != 1 ||
	    m.uid == 0 ||
	    nd_id(j, json_member(j, 0, "id"), id, sizeof(id)) == -1)
		return -1;
	if (e->stored[m.rcpt])
		return 0;
	e->stored[m.rcpt] = 1;
	m.id = id;
	ereq_send(e, M_st_stored, &m);
	return 0;
}

static int
batch_line(struct hreq *h, struct json *j, int header)
{
	struct ereq	*e = h->arg;
	struct uidset	 set;
	int		 i, r;

	if (header)
		return batch_header(e, j);
	if ((i = json_member(j, 0, "vanished")) == -1)
		return batch_row(e, j);
	uidset_init(&set);
	if ((r = nd_set(j, i, &set)) == 0)
		nd_send_set(e, M_st_vanished, &set);
	uidset_fini(&set);
	return r;
}

/* How many appends are in the list?  -1: it is none. */
static int
batch_count(const struct ibuf *list)
{
	struct json	 j;
	struct ibuf	 copy;
	int		 n = -1;

	ibuf_init(&copy, BATCH_MAX + 1);
	if (ibuf_add_ibuf(&copy, list) == -1 || ibuf_add_n8(&copy, 0) == -1)
		fatal(NULL);
	if (json_parse(&j, (char *)ibuf_data(&copy), ibuf_size(list), tokens,
	    TOKENS_MAX) != -1 && json_type(&j, 0) == JSMN_ARRAY)
		n = json_count(&j, 0);
	ibuf_fini(&copy);
	return n;
}

static int
put_batch(struct ereq *e, struct ibuf *b)
{
	struct msg_blob	list;
	int		bad = json_open(b, '{');

	if (ibuf_size(&e->up) > 0) {
		list = msg_blob_of(ibuf_data(&e->up), ibuf_size(&e->up));
		bad |= put_json(b, "append", &list);
	}
	if (e->set.n > 0)
		bad |= json_key(b, "expunge") | ibuf_add_n8(b, '"') |
		    (uidset_format(&e->set, &e->pos, e->st->limit_set, b) ==
		    -1) | ibuf_add_n8(b, '"');
	return bad | json_close(b, '}');
}

void
eoffload_batch_end(struct ereq *e)
{
	struct hreq	*h;
	int		 n = 0;

	if (ibuf_size(&e->up) > 0 && (n = batch_count(&e->up)) < 1) {
		refuse(e, NULL, "a list that is none");
		return;
	}
	e->nto = (uint32_t)n;
	if ((e->stored = calloc(e->nto + 1, sizeof(*e->stored))) == NULL)
		fatal(NULL);
	h = ereq_http(e, "POST", ANSWER_NDJSON);
	(void)ereq_mailbox(h, e);
	(void)ibuf_adds(&h->target, "/messages");
	h->line = batch_line;
	h->rerun = 1;
	if (put_batch(e, &h->body) != 0 || e->pos < e->set.n)
		refuse(e, h, "too many ranges for one batch");
	else {
		ibuf_fini(&e->up);
		ereq_submit(e, h);
	}
}

void
eoffload_batch(struct ereq *e, const void *arg)
{
	const struct m_st_batch *m = arg;

	if ((e->mailbox = strdup(m->mailbox)) == NULL ||
	    msg_set_get(&m->expunge, &e->set) == -1)
		fatal(NULL);
	e->up_known = 1;
	e->up_size = m->size;
	if (m->size > BATCH_MAX || (m->size == 0 && e->set.n == 0))
		refuse(e, NULL, "a batch of another size");
	else if (m->size == 0)
		eoffload_batch_end(e);
}
