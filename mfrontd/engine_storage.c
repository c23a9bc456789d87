#include <sys/types.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "log.h"

#define SET_DEFAULT	32768	/* characters of a set in a body */
#define LOOK_SECS	60	/* until the document is looked at again */

struct estorages	estorages = TAILQ_HEAD_INITIALIZER(estorages);
static struct estorages	staged = TAILQ_HEAD_INITIALIZER(staged);
static struct tmo_class	look_class;

struct estorage *
estorage_find(uint16_t id)
{
	struct estorage *st;

	TAILQ_FOREACH(st, &estorages, entry)
		if (st->id == id && !st->stale)
			return st;
	return NULL;
}

struct estorage *
estorage_any(uint16_t id)
{
	struct estorage *st;

	TAILQ_FOREACH(st, &estorages, entry)
		if (st->id == id)
			return st;
	return NULL;
}

int
estorage_has(const struct estorage *st, enum st_cap cap)
{
	return (st->caps & ~st->without & CAP(cap)) != 0;
}

int
estorage_threadids(const struct estorage *st)
{
	return st->threadids && estorage_has(st, CAP_OBJECTID);
}

/* What the listeners may make use of. */
static uint64_t
usable_caps(const struct estorage *st)
{
	int index = st->index == INDEX_LOCAL ? st->local != NULL :
	    st->index == INDEX_DICT && estorage_has(st, CAP_DICT);

	return (st->caps & ~st->without) | (index ? CAP(CAP_INDEX) : 0) |
	    (estorage_threadids(st) ? CAP(CAP_THREADID) : 0);
}

/* telling */

static struct m_st_info
info_of(struct estorage *st)
{
	struct m_st_info m;

	memset(&m, 0, sizeof(m));
	m.storage = st->id;
	m.up = st->state == STORAGE_UP;
	m.caps = usable_caps(st);
	m.message = st->limit_message;
	m.recipients = st->limit_recipients;
	m.epoch = st->epoch;
	m.set = st->limit_set;
	m.search = st->search.keys;
	m.nodes = st->search.nodes;
	m.depth = st->search.depth;
	m.texts = st->search.texts;
	m.sort = st->sort;
	m.thread = st->thread;
	m.annotation = st->limit_annotation;
	m.batch = st->limit_batch;
	m.parts = st->limit_parts;
	return m;
}

static void
tell_one(struct estorage *st, struct proc_peer *p)
{
	struct m_st_info m = info_of(st);

	proc_send(p, M_st_info, 0, 0, -1, &m);
}

void
estorage_tell(struct estorage *st, struct proc_peer *to)
{
	struct proc_peer *p;

	if (to != NULL) {
		tell_one(st, to);
		return;
	}
	TAILQ_FOREACH(p, &proc_self.peers, entry)
		if ((1U << p->role) & (R_LISTENER | R_AUTH))
			tell_one(st, p);
}

/* the service document */

static uint64_t
doc_caps(struct json *j, int caps)
{
	uint64_t	 mask = 0;
	int		 c, i, on;

	for (c = 0; c < CAP_MAX; c++) {
		if ((i = json_member(j, caps, st_cap_names[c])) == -1)
			continue;
		/* true or details; false and null are no */
		if (json_type(j, i) == JSMN_PRIMITIVE &&
		    (json_bool(j, i, &on) != 1 || !on))
			continue;
		mask |= CAP(c);
	}
	return mask;
}

static void
doc_limits(struct estorage *st, struct json *j)
{
	int l = json_member(j, 0, "limits");

	st->limit_message = 0;
	st->limit_set = SET_DEFAULT;
	st->limit_recipients = 0;
	st->limit_upload_line = UPLOAD_LINE;
	(void)json_u64(j, json_member(j, l, "message"), UINT64_MAX,
	    &st->limit_message);
	(void)json_u32(j, json_member(j, l, "set"), &st->limit_set);
	(void)json_u32(j, json_member(j, l, "recipients"),
	    &st->limit_recipients);
	(void)json_u32(j, json_member(j, l, "upload_line"),
	    &st->limit_upload_line);
	if (st->limit_set < 64)
		st->limit_set = 64;
	/* the API promises a mebibyte; more we do not make */
	if (st->limit_upload_line > UPLOAD_LINE)
		st->limit_upload_line = UPLOAD_LINE;
}

/* A list of names in a capability's details; those we know, as bits. */
static uint32_t
doc_names(struct json *j, int i, const char *list,
    uint32_t (*lookup)(const char *, size_t))
{
	const char	*name;
	size_t		 len;
	uint32_t	 bits = 0;

	i = json_member(j, i, list);
	if (json_type(j, i) != JSMN_ARRAY)
		return 0;
	for (i = json_first(j, i); i != -1; i = json_next(j, i))
		if (json_str(j, i, &name, &len) == 1)
			bits |= lookup(name, len);
	return bits;
}

static uint32_t
doc_scram(const char *name, size_t len)
{
	return len == 13 && memcmp(name, "SCRAM-SHA-256", 13) == 0;
}

/* What it does not say that it can search or sort by is not asked for. */
static void
doc_details(struct estorage *st, struct json *j, int caps)
{
	int i = json_member(j, caps, "search");

	st->search.nodes = STQUERY_NODES;
	st->search.depth = STQUERY_DEPTH;
	st->search.texts = STQUERY_TEXTS;
	(void)json_u32(j, json_member(j, i, "nodes"), &st->search.nodes);
	(void)json_u32(j, json_member(j, i, "depth"), &st->search.depth);
	(void)json_u32(j, json_member(j, i, "texts"), &st->search.texts);
	st->search.keys = doc_names(j, i, "keys", stquery_key);
	st->sort = doc_names(j, json_member(j, caps, "sort"), "keys",
	    stquery_sort);
	st->thread = doc_names(j, json_member(j, caps, "thread"),
	    "algorithms", stquery_thread);
	st->threadids = 0;
	(void)json_bool(j, json_member(j, json_member(j, caps, "objectid"),
	    "thread"), &st->threadids);
	if (!doc_names(j, json_member(j, caps, "scram"), "mechanisms",
	    doc_scram))
		st->caps &= ~CAP(CAP_SCRAM);
	st->limit_annotation = 0;
	(void)json_u32(j, json_member(j, json_member(j, caps, "metadata"),
	    "value"), &st->limit_annotation);
	i = json_member(j, caps, "batch");
	st->limit_batch = st->limit_parts = 0;
	(void)json_u32(j, json_member(j, i, "messages"), &st->limit_batch);
	(void)json_u32(j, json_member(j, i, "parts"), &st->limit_parts);
}

static void
doc_read(struct estorage *st, struct json *j)
{
	const char	*name = "", *version = "";
	size_t		 nlen = 0, vlen = 0;
	int		 caps;

	caps = json_member(j, 0, "capabilities");
	(void)json_str(j, json_member(j, 0, "name"), &name, &nlen);
	(void)json_str(j, json_member(j, 0, "version"), &version, &vlen);
	free(st->server);
	if (asprintf(&st->server, "%.*s %.*s", (int)(nlen < 60 ? nlen : 60),
	    name, (int)(vlen < 60 ? vlen : 60), version) == -1)
		fatal(NULL);
	st->caps = st->doc_caps = doc_caps(j, caps);
	st->bound_ms = 0;
	(void)json_u32(j, json_member(j, json_member(j, caps, "events"),
	    "bound_ms"), &st->bound_ms);
	doc_limits(st, j);
	doc_details(st, j, caps);
}

/*
 * Which store it is: what its backend calls it, or what the backend calls
 * itself.  All URLs must lead to the same.
 */
static void
doc_store(struct json *j, char *buf, size_t len)
{
	const char	*s, *kind = "id";
	size_t		 n;

	if (json_str(j, json_member(j, 0, "id"), &s, &n) != 1) {
		kind = "name";
		if (json_str(j, json_member(j, 0, "name"), &s, &n) != 1)
			n = 0;
	}
	if (n > STORE_MAX)
		n = STORE_MAX;
	snprintf(buf, len, "%s %.*s", kind, (int)n, n > 0 ? s : "");
}

const char *
estorage_doc_bad(const struct eurl *u, struct json *j)
{
	const struct estorage	*st = u->st;
	char			 store[STORE_MAX + 8];
	uint64_t		 api;
	int			 caps;

	if (j == NULL)
		return "its service document is empty";
	caps = json_member(j, 0, "capabilities");
	if (json_u64(j, json_member(j, 0, "api"), UINT32_MAX, &api) != 1 ||
	    api != 1 || json_type(j, caps) != JSMN_OBJECT)
		return "its service document is not of this API";
	if (st->store == NULL || st->doc_rank == u->rank)
		return NULL;
	doc_store(j, store, sizeof(store));
	if (strcmp(store, st->store) != 0)
		return "it is another store than that of the other URLs";
	/* what was announced to mail clients must go on: not what is theirs
	 * before a login only, and comes and goes with the users */
	if (st->state == STORAGE_UP && (st->doc_caps & ~doc_caps(j, caps) &
	    ~CAP(CAP_SCRAM)) != 0)
		return "it announces less than the other URLs";
	return NULL;
}

/* Have the embedded stores answered, one way or the other? */
int
estorage_settled(void)
{
	const struct estorage *st;

	TAILQ_FOREACH(st, &estorages, entry)
		if (st->embedded && !st->stale && st->state != STORAGE_UP &&
		    st->state != STORAGE_DOWN)
			return 0;
	return 1;
}

static void
storage_settle(void)
{
	if (estorage_settled())
		proc_conf_release();
}

static void
storage_down(struct estorage *st, const char *why)
{
	if (!st->complained)
		log_warnx("storage %s is down: %s", st->name, why);
	st->complained = 1;
	st->state = STORAGE_DOWN;
	strlcpy(st->error, why, sizeof(st->error));
	estorage_tell(st, NULL);
	epool_fail(st, ST_UNAVAILABLE, st_error(ST_UNAVAILABLE)->text);
	storage_settle();
}

static void
storage_up(struct estorage *st)
{
	st->state = STORAGE_UP;
	st->error[0] = '\0';
	st->complained = 0;
	log_info("storage %s: %s is up", st->name, st->server);
	eurl_watch(st);
	tmo_start(&st->looks, &look_class);
}

void
estorage_doc(struct eurl *u, struct json *j)
{
	struct estorage		*st = u->st;
	struct m_st_info	 was = info_of(st), is;
	char			 store[STORE_MAX + 8];

	/* the word of the URL that is used counts, for all of them */
	if (st->state == STORAGE_UP && u->rank > st->doc_rank)
		return;
	doc_store(j, store, sizeof(store));
	free(st->store);
	if ((st->store = strdup(store)) == NULL)
		fatal(NULL);
	st->doc_rank = u->rank;
	doc_read(st, j);
	if (st->state != STORAGE_UP)
		storage_up(st);
	eevents_start(st);
	is = info_of(st);
	if (memcmp(&was, &is, sizeof(is)) != 0)
		estorage_tell(st, NULL);
	storage_settle();
}

/*
 * What it can may be something else by now; whether it is up others find
 * out.  All URLs lead to the same, so it does not matter which one answers.
 */
static void
look_done(struct hreq *r, enum st_code code, const char *text, struct json *j)
{
	struct estorage	*st = r->st;
	struct eurl	*u;

	st->look = NULL;
	if (st->state != STORAGE_UP)
		return;
	tmo_start(&st->looks, &look_class);
	TAILQ_FOREACH(u, &st->urls, entry)
		if (u->rank == st->doc_rank)
			break;
	if (code == ST_OK && u != NULL && estorage_doc_bad(u, j) == NULL)
		estorage_doc(u, j);
}

static void
look_fired(struct tmo *t)
{
	struct estorage *st;

	TAILQ_FOREACH(st, &estorages, entry)
		if (&st->looks == t)
			break;
	if (st == NULL || st->stale || st->state != STORAGE_UP ||
	    st->look != NULL)
		return;
	st->look = hreq_new(st, "GET", ANSWER_JSON);
	st->look->done = look_done;
	(void)ibuf_adds(&st->look->target, "/");
	hreq_submit(st->look);
}

static void
look_stop(struct estorage *st)
{
	tmo_stop(&st->looks);
	if (st->look != NULL)
		hreq_cancel(st->look);
	st->look = NULL;
}

/* The first that may be it is asked. */
static void
storage_ask(struct estorage *st, const char *why)
{
	struct eurl *u;

	TAILQ_FOREACH(u, &st->urls, entry)
		if (u->state == URL_CLOSED)
			break;
	if (u == NULL) {
		storage_down(st, why);
		return;
	}
	st->state = STORAGE_ASKING;
	eurl_probe(u);
}

void
estorage_ask(struct estorage *st)
{
	if (st->stale || st->state == STORAGE_DOWN)
		epool_fail(st, ST_UNAVAILABLE,
		    st_error(ST_UNAVAILABLE)->text);
	else if (st->state == STORAGE_UNKNOWN)
		storage_ask(st, "no URL");
}

void
estorage_lost(struct estorage *st, const char *why)
{
	const struct eurl *u;

	if (st->stale || st->state == STORAGE_DOWN)
		return;
	if (st->state == STORAGE_UP)
		TAILQ_FOREACH(u, &st->urls, entry)
			if (u->state == URL_CLOSED && u->known) {
				epool_dispatch(st);
				return;
			}
	storage_ask(st, why);
}

/* configuration */

/* Of one that never was in use. */
static void
estorage_free(struct estorage *st)
{
	eurl_free_all(st);
	if (st->token != NULL)
		freezero(st->token, strlen(st->token));
	ibuf_fini(&st->ca);
	ibuf_fini(&st->cert);
	ibuf_wipe(&st->key);
	tls_config_free(st->tls);
	elocal_free(st->local);
	free(st->server);
	free(st->store);
	free(st->name);
	free(st);
}

void
estorage_conf_begin(void)
{
	estorage_conf_abort();
}

void
estorage_conf_abort(void)
{
	struct estorage *st;

	while ((st = TAILQ_FIRST(&staged)) != NULL) {
		TAILQ_REMOVE(&staged, st, entry);
		estorage_free(st);
	}
}

void
estorage_conf_storage(struct proc_peer *p, struct imsg *msg, const void *arg)
{
	const struct m_conf_storage	*m = arg;
	struct estorage			*st;

	if ((st = calloc(1, sizeof(*st))) == NULL ||
	    (st->name = strdup(m->name)) == NULL ||
	    (st->token = strdup(m->token)) == NULL)
		fatal(NULL);
	st->id = m->id;
	st->embedded = m->embedded;
	st->without = m->without;
	st->index = m->index;
	st->health = m->health;
	st->limit_set = SET_DEFAULT;
	st->limit_upload_line = UPLOAD_LINE;
	TAILQ_INIT(&st->urls);
	epool_storage_init(st);
	ibuf_init(&st->ca, 8 * 1024 * 1024);
	ibuf_init(&st->cert, 65536);
	ibuf_init(&st->key, 65536);
	TAILQ_INSERT_TAIL(&staged, st, entry);
}

static struct estorage *
staged_find(uint16_t id)
{
	struct estorage *st;

	TAILQ_FOREACH(st, &staged, entry)
		if (st->id == id)
			return st;
	fatalx("configuration of an unknown storage");
}

void
estorage_conf_url(struct proc_peer *p, struct imsg *msg, const void *arg)
{
	const struct m_conf_url *m = arg;

	eurl_new(staged_find(m->storage), m);
}

void
estorage_conf_index(struct proc_peer *p, struct imsg *msg, const void *arg)
{
	const struct m_conf_index	*m = arg;
	struct estorage			*st = staged_find(m->storage);
	int				 fd = imsg_get_fd(&p->ib, msg);

	if (fd == -1) {
		proc_violation(p, msg->type, "no descriptor");
		return;
	}
	elocal_free(st->local);
	st->local = elocal_new(st->name, fd, m->size, m->store);
}

void
estorage_conf_ca(struct proc_peer *p, struct imsg *msg, const void *arg)
{
	const struct m_conf_ca *m = arg;

	if (ibuf_add(&staged_find(m->storage)->ca, m->pem.p,
	    m->pem.len) == -1)
		fatal(NULL);
}

void
estorage_conf_client(struct proc_peer *p, struct imsg *msg, const void *arg)
{
	const struct m_conf_client	*m = arg;
	struct estorage			*st = staged_find(m->storage);

	if (ibuf_add(&st->cert, m->cert.p, m->cert.len) == -1 ||
	    ibuf_add(&st->key, m->key.p, m->key.len) == -1)
		fatal(NULL);
}

static int
estorage_tls(struct estorage *st, char *err, size_t len)
{
	static const char	 pem[] = "-----BEGIN ";
	const struct eurl	*u;
	struct tls		*ctx;
	int			 https = 0, r;

	TAILQ_FOREACH(u, &st->urls, entry)
		https |= u->kind == URL_HTTPS;
	if (!https)
		return 0;
	if ((st->tls = tls_config_new()) == NULL)
		fatal(NULL);
	/* the library takes text without any for an empty list */
	if (ibuf_size(&st->ca) > 0 && memmem(ibuf_data(&st->ca),
	    ibuf_size(&st->ca), pem, sizeof(pem) - 1) == NULL) {
		snprintf(err, len, "storage %s: no certificate in its CA file",
		    st->name);
		return -1;
	}
	if ((ibuf_size(&st->ca) > 0 && tls_config_set_ca_mem(st->tls,
	    ibuf_data(&st->ca), ibuf_size(&st->ca)) == -1) ||
	    (ibuf_size(&st->cert) > 0 && tls_config_set_keypair_mem(st->tls,
	    ibuf_data(&st->cert), ibuf_size(&st->cert), ibuf_data(&st->key),
	    ibuf_size(&st->key)) == -1)) {
		snprintf(err, len, "storage %s: %s", st->name,
		    tls_config_error(st->tls));
		return -1;
	}
	if (ibuf_size(&st->cert) == 0)
		return 0;
	/* a client looks at its key when it connects, a server at once */
	if ((ctx = tls_server()) == NULL)
		fatal(NULL);
	if ((r = tls_configure(ctx, st->tls)) == -1)
		snprintf(err, len, "storage %s: %s", st->name,
		    tls_error(ctx));
	tls_free(ctx);
	return r;
}

int
estorage_conf_end(char *err, size_t len)
{
	struct estorage *st;

	TAILQ_FOREACH(st, &staged, entry)
		if (estorage_tls(st, err, len) == -1)
			return -1;
	return 0;
}

static int
ibuf_same(const struct ibuf *a, const struct ibuf *b)
{
	return ibuf_size(a) == ibuf_size(b) && (ibuf_size(a) == 0 ||
	    memcmp(ibuf_data(a), ibuf_data(b), ibuf_size(a)) == 0);
}

static int
same_urls(const struct estorage *a, const struct estorage *b)
{
	const struct eurl *u = TAILQ_FIRST(&a->urls);
	const struct eurl *v = TAILQ_FIRST(&b->urls);

	for (; u != NULL && v != NULL; u = TAILQ_NEXT(u, entry),
	    v = TAILQ_NEXT(v, entry))
		if (u->id != v->id || u->kind != v->kind ||
		    u->port != v->port || strcmp(u->host, v->host) != 0 ||
		    strcmp(u->path, v->path) != 0 ||
		    strcmp(u->sock, v->sock) != 0)
			return 0;
	return u == NULL && v == NULL;
}

static void
take_text(char **to, char **from)
{
	char *t = *to;

	*to = *from;
	*from = t;
}

static void
take_ibuf(struct ibuf *to, struct ibuf *from)
{
	struct ibuf t = *to;

	*to = *from;
	*from = t;
}

/* The storage goes on with what its new configuration says. */
static void
estorage_change(struct estorage *st, struct estorage *new)
{
	struct tls_config *tls;

	eevents_stop(st);
	look_stop(st);
	epool_close(st);
	eurl_take(st, new);
	free(st->store);
	st->store = NULL;
	take_text(&st->token, &new->token);
	take_ibuf(&st->ca, &new->ca);
	take_ibuf(&st->cert, &new->cert);
	take_ibuf(&st->key, &new->key);
	tls = st->tls;
	st->tls = new->tls;
	new->tls = tls;
	st->without = new->without;
	st->health = new->health;
	st->state = STORAGE_UNKNOWN;
	estorage_ask(st);
}

/* The file is another one if the folder was deleted meanwhile. */
static void
take_index(struct estorage *st, struct estorage *new)
{
	struct elocal	*l = st->local;
	uint64_t	 caps = usable_caps(st);

	st->local = new->local;
	new->local = l;
	st->index = new->index;
	if (usable_caps(st) != caps)
		estorage_tell(st, NULL);
}

static void
estorage_update(struct estorage *st, struct estorage *new)
{
	take_index(st, new);
	if (!same_urls(st, new) || strcmp(st->token, new->token) != 0 ||
	    !ibuf_same(&st->ca, &new->ca) ||
	    !ibuf_same(&st->cert, &new->cert) ||
	    !ibuf_same(&st->key, &new->key) || st->without != new->without ||
	    st->health != new->health || st->stale) {
		st->stale = 0;
		estorage_change(st, new);
	}
}

void
estorage_conf_commit(void)
{
	struct estorage *st, *new;

	tmo_class_set(&look_class, elimits.check > 0 &&
	    elimits.check < LOOK_SECS ? (int)elimits.check : LOOK_SECS);
	TAILQ_FOREACH(st, &estorages, entry) {
		TAILQ_FOREACH(new, &staged, entry)
			if (new->id == st->id)
				break;
		if (new != NULL || st->stale)
			continue;
		st->stale = 1;
		eurl_stop_all(st);
		look_stop(st);
		st->state = STORAGE_UNKNOWN;
		elocal_free(st->local);
		st->local = NULL;
		eevents_stop(st);
		epool_close(st);
		epool_fail(st, ST_UNAVAILABLE,
		    "The storage is not configured any more");
		estorage_tell(st, NULL);
	}
	while ((new = TAILQ_FIRST(&staged)) != NULL) {
		TAILQ_REMOVE(&staged, new, entry);
		if ((st = estorage_any(new->id)) != NULL) {
			estorage_update(st, new);
			estorage_free(new);
			continue;
		}
		TAILQ_INSERT_TAIL(&estorages, new, entry);
		estorage_ask(new);
	}
}

/* control */

static const char *
state_text(const struct estorage *st)
{
	static char buf[64];

	switch (st->state) {
	case STORAGE_UNKNOWN:
	case STORAGE_ASKING:
		return "asking";
	case STORAGE_UP:
		return "up";
	case STORAGE_DOWN:
		snprintf(buf, sizeof(buf), "down: %.50s", st->error);
		return buf;
	}
	return "";
}

static void
caps_text(const struct estorage *st, char *buf, size_t len)
{
	int c;

	buf[0] = '\0';
	for (c = 0; c < CAP_MAX; c++)
		if (estorage_has(st, c)) {
			if (buf[0] != '\0')
				strlcat(buf, " ", len);
			strlcat(buf, st_cap_names[c], len);
		}
}

/* Between two times, the first of which may be 0: never. */
static uint32_t
show_secs(time_t t, time_t secs)
{
	return t == 0 ? UINT32_MAX : secs < 0 ? 0 : (uint32_t)secs;
}

/* A row for each URL; what is said of the storage stands in all of them. */
static void
show_url(struct proc_peer *p, uint32_t req, const struct eurl *u,
    struct m_ctl_storage *m)
{
	char	 url[1400];
	time_t	 next;

	eurl_text(u, url, sizeof(url));
	m->url = url;
	m->breaker = eurl_state_text(u);
	m->failures = u->failures;
	m->opened = u->opened;
	m->probed = show_secs(u->probed, tmo_now() - u->probed);
	next = u->probe_at;
	if (next == 0 && u == eurl_current(u->st) && u->st->looks.class != NULL)
		next = u->st->looks.when;
	m->probe = show_secs(next, next - tmo_now());
	m->error = u->error;
	proc_send(p, M_ctl_storage, 0, req, -1, m);
}

void
estorage_show(struct proc_peer *p, uint32_t req)
{
	struct m_ctl_storage	 m;
	const struct estorage	*st;
	const struct eurl	*u;
	char			 me[32], caps[512], ev[64];

	snprintf(me, sizeof(me), "engine/%u", proc_self.slot);
	TAILQ_FOREACH(st, &estorages, entry) {
		if (st->stale)
			continue;
		memset(&m, 0, sizeof(m));
		m.process = me;
		m.name = st->name;
		m.server = st->server;
		m.state = state_text(st);
		snprintf(ev, sizeof(ev), "%s", !estorage_has(st, CAP_EVENTS) ?
		    "none" : st->epoch != 0 ? "live" : "lost");
		m.events = ev;
		caps_text(st, caps, sizeof(caps));
		m.caps = caps;
		m.conns = st->nconns;
		m.busy = epool_busy(st);
		m.requests = st->requests;
		m.errors = st->errors;
		TAILQ_FOREACH(u, &st->urls, entry)
			show_url(p, req, u, &m);
	}
}

void
estorage_stat(struct proc_peer *p, uint32_t req, const struct estorage *st,
    const char *what, uint64_t value)
{
	char name[64];

	snprintf(name, sizeof(name), "%.30s.%s", st->name, what);
	proc_stat(p, req, name, value);
}

void
estorage_stats(struct proc_peer *p, uint32_t req)
{
	const struct estorage *st;

	TAILQ_FOREACH(st, &estorages, entry) {
		estorage_stat(p, req, st, "requests", st->requests);
		estorage_stat(p, req, st, "errors", st->errors);
		estorage_stat(p, req, st, "retries", st->retries);
		estorage_stat(p, req, st, "bytes-in", st->nin);
		estorage_stat(p, req, st, "bytes-out", st->nout);
		estorage_stat(p, req, st, "connections", st->nconns);
		estorage_stat(p, req, st, "waiting", st->nwaiting);
		estorage_stat(p, req, st, "events", st->nevents);
		estorage_stat(p, req, st, "event-resets", st->nresets);
		if (st->local != NULL)
			elocal_stats(st, p, req);
	}
}

void
estorage_init(void)
{
	eurl_init();
	tmo_class_init(&look_class, LOOK_SECS, look_fired);
}
