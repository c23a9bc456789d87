/*
 * Who may act for whom.  auth alone says so; a listener's process is known
 * by its number, which comes with its channel from the parent and is never
 * used twice, so that a process in a place that was another's starts with
 * nothing.
 */
#include <sys/types.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "log.h"

#define UNCONNECTED_SECS	30	/* a process auth knows, and we not */
#define ACCOUNTS_KEPT		20000	/* without a grant, for \Recent */
#define RCPT_JSON		64	/* a recipient in a line, but its texts */
#define QUERY_JSON		256	/* a login, but for its texts */
#define LINE_JSON		4096	/* a line, but its recipients */

static int	account_cmp(const struct account *, const struct account *);
static int	grant_cmp(const struct grant *, const struct grant *);
static int	rcpt_cmp(const struct rcpt *, const struct rcpt *);
static int	txn_cmp(const struct txn *, const struct txn *);
static int	epeer_cmp(const struct epeer *, const struct epeer *);

RB_HEAD(accounts, account);
RB_HEAD(epeers, epeer);
RB_PROTOTYPE_STATIC(accounts, account, entry, account_cmp)
RB_PROTOTYPE_STATIC(grants, grant, entry, grant_cmp)
RB_PROTOTYPE_STATIC(rcpts, rcpt, entry, rcpt_cmp)
RB_PROTOTYPE_STATIC(txns, txn, entry, txn_cmp)
RB_PROTOTYPE_STATIC(epeers, epeer, entry, epeer_cmp)

static struct accounts	accounts = RB_INITIALIZER(&accounts);
static struct epeers	epeers = RB_INITIALIZER(&epeers);
static TAILQ_HEAD(lru_q, account) lru = TAILQ_HEAD_INITIALIZER(lru);
static uint32_t		nlru;
static uint64_t		ngrants;
static struct tmo_class	unconnected_class;

static int
account_cmp(const struct account *a, const struct account *b)
{
	if (a->storage != b->storage)
		return a->storage < b->storage ? -1 : 1;
	return strcmp(a->name, b->name);
}

static int
grant_cmp(const struct grant *a, const struct grant *b)
{
	if (a->session != b->session)
		return a->session < b->session ? -1 : 1;
	return a->mount < b->mount ? -1 : a->mount > b->mount;
}

static int
rcpt_cmp(const struct rcpt *a, const struct rcpt *b)
{
	return a->handle < b->handle ? -1 : a->handle > b->handle;
}

static int
txn_cmp(const struct txn *a, const struct txn *b)
{
	if (a->session != b->session)
		return a->session < b->session ? -1 : 1;
	return a->txn < b->txn ? -1 : a->txn > b->txn;
}

static int
epeer_cmp(const struct epeer *a, const struct epeer *b)
{
	return a->gen < b->gen ? -1 : a->gen > b->gen;
}

RB_GENERATE_STATIC(accounts, account, entry, account_cmp)
RB_GENERATE_STATIC(grants, grant, entry, grant_cmp)
RB_GENERATE_STATIC(rcpts, rcpt, entry, rcpt_cmp)
RB_GENERATE_STATIC(txns, txn, entry, txn_cmp)
RB_GENERATE_STATIC(epeers, epeer, entry, epeer_cmp)

/* Bytes of a text in JSON, at most. */
static size_t
json_len(const char *s)
{
	size_t n = 2;

	for (; *s != '\0'; s++)
		n += (unsigned char)*s < ' ' || *s == 0x7f ? 6 :
		    *s == '"' || *s == '\\' ? 2 : 1;
	return n;
}

/* accounts */

struct account *
account_find(uint16_t storage, const char *name)
{
	struct account	*a = RB_ROOT(&accounts);
	int		 r;

	while (a != NULL) {
		r = storage != a->storage ? (storage < a->storage ? -1 : 1) :
		    strcmp(name, a->name);
		if (r == 0)
			break;
		a = r < 0 ? RB_LEFT(a, entry) : RB_RIGHT(a, entry);
	}
	return a;
}

static void
account_free(struct account *a)
{
	TAILQ_REMOVE(&lru, a, lru);
	nlru--;
	RB_REMOVE(accounts, &accounts, a);
	erecent_free(a);
	free(a->inbox);
	free(a->name);
	free(a);
}

/* References keep an account off the list of those that may be forgotten. */
void
account_ref(struct account *a)
{
	if (a->refs++ == 0 && a->listed) {
		TAILQ_REMOVE(&lru, a, lru);
		nlru--;
		a->listed = 0;
	}
}

void
account_unref(struct account *a)
{
	if (--a->refs > 0)
		return;
	TAILQ_INSERT_HEAD(&lru, a, lru);
	nlru++;
	a->listed = 1;
	if (nlru > ACCOUNTS_KEPT)
		account_free(TAILQ_LAST(&lru, lru_q));
}

struct account *
account_get(uint16_t storage, const char *name)
{
	static uint32_t	 handle;
	struct account	*a;

	if ((a = account_find(storage, name)) == NULL) {
		if ((a = calloc(1, sizeof(*a))) == NULL ||
		    (a->name = strdup(name)) == NULL)
			fatal(NULL);
		a->storage = storage;
		a->acct = ++handle;
		RB_INIT(&a->recents);
		TAILQ_INIT(&a->grants);
		RB_INSERT(accounts, &accounts, a);
	}
	account_ref(a);
	return a;
}

/* listeners' processes */

static struct epeer *
epeer_find(uint32_t gen)
{
	struct epeer key;

	key.gen = gen;
	return RB_FIND(epeers, &epeers, &key);
}

struct epeer *
epeer_get(uint32_t gen)
{
	struct epeer *ep;

	if ((ep = epeer_find(gen)) != NULL)
		return ep;
	if ((ep = calloc(1, sizeof(*ep))) == NULL)
		fatal(NULL);
	ep->gen = gen;
	RB_INIT(&ep->grants);
	RB_INIT(&ep->rcpts);
	RB_INIT(&ep->txns);
	RB_INIT(&ep->reqs);
	RB_INSERT(epeers, &epeers, ep);
	tmo_start(&ep->tmo, &unconnected_class);
	return ep;
}

static void
grant_free(struct grant *g)
{
	RB_REMOVE(grants, &g->peer->grants, g);
	TAILQ_REMOVE(&g->account->grants, g, byaccount);
	account_unref(g->account);
	ngrants--;
	free(g->user);
	free(g);
}

/* The transaction goes with its last recipient. */
static void
rcpt_free(struct rcpt *r)
{
	struct txn *t = r->txn;

	if (r->lookup != NULL)
		hreq_cancel(r->lookup);
	RB_REMOVE(rcpts, &r->peer->rcpts, r);
	TAILQ_REMOVE(&t->rcpts, r, bytxn);
	if (TAILQ_EMPTY(&t->rcpts)) {
		RB_REMOVE(txns, &r->peer->txns, t);
		free(t);
	}
	account_unref(r->account);
	free(r->mailbox);
	free(r->address);
	free(r);
}

static void
epeer_free(struct epeer *ep)
{
	struct grant	*g;
	struct rcpt	*r;
	struct ereq	*e;

	tmo_stop(&ep->tmo);
	while ((e = RB_ROOT(&ep->reqs)) != NULL)
		ereq_free(e);
	while ((g = RB_ROOT(&ep->grants)) != NULL)
		grant_free(g);
	while ((r = RB_ROOT(&ep->rcpts)) != NULL)
		rcpt_free(r);
	RB_REMOVE(epeers, &epeers, ep);
	free(ep);
}

static void
unconnected_fired(struct tmo *t)
{
	struct epeer *ep = (struct epeer *)(void *)((char *)t -
	    offsetof(struct epeer, tmo));

	if (ep->peer == NULL)
		epeer_free(ep);
}

void
epeer_up(struct proc_peer *p)
{
	struct epeer	*ep = epeer_get(p->gen);
	struct ereq	*e;

	/* wired anew after a complaint: what it asked before is lost */
	while ((e = RB_ROOT(&ep->reqs)) != NULL)
		ereq_free(e);
	if (ep->peer != NULL)
		ep->peer->data = NULL;
	tmo_stop(&ep->tmo);
	ep->peer = p;
	p->data = ep;
}

void
epeer_down(struct proc_peer *p)
{
	if (p->data != NULL)
		epeer_free(p->data);
	p->data = NULL;
}

/* grants */

struct grant *
grant_find(struct epeer *ep, uint32_t session, uint16_t mount)
{
	struct grant key;

	key.session = session;
	key.mount = mount;
	return RB_FIND(grants, &ep->grants, &key);
}

static void
answer_text(struct proc_peer *auth, uint32_t req, enum st_code code,
    uint32_t acct, const char *text)
{
	struct m_grant_ok m;

	m.code = (uint16_t)code;
	m.acct = acct;
	m.text = text;
	proc_send(auth, M_grant_ok, 0, req, -1, &m);
}

static void
answer_grant(struct proc_peer *auth, uint32_t req, enum st_code code,
    uint32_t acct)
{
	answer_text(auth, req, code, acct,
	    code == ST_OK ? "" : st_error(code)->text);
}

/*
 * A name will stand between two slashes: what a server or a proxy on the
 * way takes for a step in the tree would lead to another account.
 */
static int
account_ok(const char *name)
{
	return *name != '\0' && strcmp(name, ".") != 0 &&
	    strcmp(name, "..") != 0;
}

void
egrant_grant(struct proc_peer *p, struct imsg *msg, const void *arg)
{
	const struct m_grant	*m = arg;
	struct epeer		*ep = epeer_get(m->gen);
	struct grant		*g;

	if (estorage_find(m->storage) == NULL || !account_ok(m->account)) {
		answer_grant(p, msg->req, account_ok(m->account) ?
		    ST_UNAVAILABLE : ST_NO_SUCH_ACCOUNT, 0);
		return;
	}
	/* a session has one account: a second word for it is the last */
	if ((g = grant_find(ep, m->session, m->mount)) != NULL) {
		ereq_cancel_session(ep, m->session);
		grant_free(g);
	}
	if ((g = calloc(1, sizeof(*g))) == NULL ||
	    (g->user = strdup(m->user)) == NULL)
		fatal(NULL);
	g->peer = ep;
	g->session = m->session;
	g->mount = m->mount;
	g->account = account_get(m->storage, m->account);
	RB_INSERT(grants, &ep->grants, g);
	TAILQ_INSERT_TAIL(&g->account->grants, g, byaccount);
	ngrants++;
	answer_grant(p, msg->req, ST_OK, g->account->acct);
}

/* By its recipients, with the last of which it goes. */
static void
txn_free(struct txn *t)
{
	struct rcpt *r, *last = TAILQ_LAST(&t->rcpts, txn_rcpts);
	int	     more = 1;

	while (more) {
		r = TAILQ_FIRST(&t->rcpts);
		more = r != last;
		rcpt_free(r);
	}
}

void
egrant_revoke(struct proc_peer *p, struct imsg *msg, const void *arg)
{
	const struct m_revoke	*m = arg;
	struct epeer		*ep = epeer_find(m->gen);
	struct grant		*g, *next, key;
	struct txn		*t, *tnext, tkey;

	if (ep == NULL)
		return;
	ereq_cancel_session(ep, m->session);
	key.session = m->session;
	key.mount = 0;
	for (g = RB_NFIND(grants, &ep->grants, &key); g != NULL; g = next) {
		next = RB_NEXT(grants, &ep->grants, g);
		if (g->session != m->session)
			break;
		grant_free(g);
	}
	tkey.session = m->session;
	tkey.txn = 0;
	for (t = RB_NFIND(txns, &ep->txns, &tkey); t != NULL &&
	    t->session == m->session; t = tnext) {
		tnext = RB_NEXT(txns, &ep->txns, t);
		txn_free(t);
	}
}

/* A new auth learns what the old one granted. */
void
egrant_auth_up(struct proc_peer *p)
{
	struct m_granted	 m;
	struct epeer		*ep;
	struct grant		*g;
	struct estorage		*st;

	TAILQ_FOREACH(st, &estorages, entry)
		estorage_tell(st, p);
	RB_FOREACH(ep, epeers, &epeers)
		RB_FOREACH(g, grants, &ep->grants) {
			m.gen = ep->gen;
			m.session = g->session;
			m.mount = g->mount;
			m.storage = g->account->storage;
			m.account = g->account->name;
			m.user = g->user;
			m.acct = g->account->acct;
			proc_send(p, M_granted, 0, 0, -1, &m);
		}
}

uint64_t
egrant_count(void)
{
	return ngrants;
}

/* recipients */

struct rcpt *
rcpt_find(struct epeer *ep, uint32_t handle)
{
	struct rcpt key;

	key.handle = handle;
	return RB_FIND(rcpts, &ep->rcpts, &key);
}

static void
rcpt_answer(struct rcpt *r, enum st_code code)
{
	struct proc_peer	*auth = proc_find(ROLE_AUTH, 0);
	uint32_t		 req = r->req;

	if (code == ST_OK)
		r->ready = 1;
	else
		rcpt_free(r);
	answer_grant(auth, req, code, 0);
}

static int
inbox_line(struct hreq *h, struct json *j, int header)
{
	struct rcpt	*r = h->arg;
	const char	*s;
	char		 id[256];
	size_t		 len;

	if (header ||
	    json_str(j, json_member(j, 0, "name"), &s, &len) != 1 ||
	    len != 5 || memcmp(s, "INBOX", 5) != 0 ||
	    nd_id(j, json_member(j, 0, "id"), id, sizeof(id)) == -1)
		return 0;
	free(r->mailbox);
	if ((r->mailbox = strdup(id)) == NULL)
		fatal(NULL);
	return 0;
}

static void
inbox_done(struct hreq *h, enum st_code code, const char *text,
    struct json *j)
{
	struct rcpt	*r = h->arg;
	struct account	*a = r->account;

	r->lookup = NULL;
	if (code == ST_OK && r->mailbox == NULL)
		code = ST_NO_SUCH_MAILBOX;
	if (code == ST_OK && a->inbox == NULL &&
	    (a->inbox = strdup(r->mailbox)) == NULL)
		fatal(NULL);
	rcpt_answer(r, code);
}

/* The id of an account's INBOX, for who has only a name. */
static void
rcpt_inbox(struct rcpt *r, struct estorage *st)
{
	struct hreq *h;

	if (r->account->inbox != NULL) {
		if ((r->mailbox = strdup(r->account->inbox)) == NULL)
			fatal(NULL);
		rcpt_answer(r, ST_OK);
		return;
	}
	h = hreq_new(st, "GET", ANSWER_NDJSON);
	(void)hreq_account(h, r->account->name);
	(void)ibuf_adds(&h->target, "/mailboxes");
	snprintf(h->session, sizeof(h->session), "%s-%x-%x", proc_self.boot,
	    r->peer->gen, r->txn->session);
	h->line = inbox_line;
	h->done = inbox_done;
	h->arg = r;
	r->lookup = h;
	hreq_submit(h);
}

static struct txn *
txn_find(struct epeer *ep, uint32_t session, uint32_t txn)
{
	struct txn key;

	key.session = session;
	key.txn = txn;
	return RB_FIND(txns, &ep->txns, &key);
}

/*
 * All recipients of a transaction go into one line, whose length is
 * limited: NULL when one more would not fit.
 */
static struct txn *
txn_room(struct epeer *ep, const struct m_grant_rcpt *m,
    const struct estorage *st)
{
	struct txn	*t = txn_find(ep, m->session, m->txn);
	size_t		 n;

	n = RCPT_JSON + json_len(m->account) + json_len(m->address) + 256;
	if ((t != NULL ? t->bytes : LINE_JSON) + n > st->limit_upload_line)
		return NULL;
	if (t == NULL) {
		if ((t = calloc(1, sizeof(*t))) == NULL)
			fatal(NULL);
		t->session = m->session;
		t->txn = m->txn;
		t->bytes = LINE_JSON;
		TAILQ_INIT(&t->rcpts);
		RB_INSERT(txns, &ep->txns, t);
	}
	t->bytes += n;
	return t;
}

void
egrant_rcpt(struct proc_peer *p, struct imsg *msg, const void *arg)
{
	const struct m_grant_rcpt	*m = arg;
	struct epeer			*ep = epeer_get(m->gen);
	struct estorage			*st = estorage_find(m->storage);
	struct rcpt			*r;
	struct txn			*t;

	if (!account_ok(m->account)) {
		answer_grant(p, msg->req, ST_NO_SUCH_ACCOUNT, 0);
		return;
	}
	if (st == NULL || rcpt_find(ep, m->rcpt) != NULL) {
		answer_grant(p, msg->req, ST_UNAVAILABLE, 0);
		return;
	}
	if ((t = txn_room(ep, m, st)) == NULL) {
		answer_text(p, msg->req, ST_TRY_LATER, 0,
		    "Too many recipients in one transaction");
		return;
	}
	if ((r = calloc(1, sizeof(*r))) == NULL ||
	    (r->address = strdup(m->address)) == NULL)
		fatal(NULL);
	r->handle = m->rcpt;
	r->txn = t;
	TAILQ_INSERT_TAIL(&t->rcpts, r, bytxn);
	r->req = msg->req;
	r->peer = ep;
	r->account = account_get(m->storage, m->account);
	RB_INSERT(rcpts, &ep->rcpts, r);
	if (*m->mailbox == '\0') {
		rcpt_inbox(r, st);
		return;
	}
	if ((r->mailbox = strdup(m->mailbox)) == NULL)
		fatal(NULL);
	rcpt_answer(r, ST_OK);
}

void
egrant_revoke_txn(struct proc_peer *p, struct imsg *msg, const void *arg)
{
	const struct m_revoke_txn	*m = arg;
	struct epeer			*ep = epeer_find(m->gen);
	struct txn			*t;

	if (ep != NULL && (t = txn_find(ep, m->session, m->txn)) != NULL)
		txn_free(t);
}

void
rcpt_spend(struct epeer *ep, uint32_t handle)
{
	struct rcpt *r = rcpt_find(ep, handle);

	if (r != NULL)
		rcpt_free(r);
}

/* An INBOX that is not there any more: ask again next time. */
void
account_forget_inbox(struct account *a)
{
	free(a->inbox);
	a->inbox = NULL;
}

/* what the storage itself decides */

void
egrant_text(struct json *j, const char *name, char *buf, size_t size)
{
	const char	*s;
	size_t		 len;

	buf[0] = '\0';
	if (j == NULL ||
	    json_str(j, json_member(j, 0, name), &s, &len) != 1 ||
	    len >= size || memchr(s, '\0', len) != NULL)
		return;
	memcpy(buf, s, len);
	buf[len] = '\0';
}

static void
auth_query_done(struct hreq *h, enum st_code code, const char *text,
    struct json *j)
{
	struct equery		*q = h->arg;
	struct m_auth_answer	 m;
	char			 account[512], name[512];

	egrant_text(j, "account", account, sizeof(account));
	egrant_text(j, "name", name, sizeof(name));
	if (code == ST_OK && account[0] == '\0')
		code = ST_NONSENSE;
	m.code = (uint16_t)code;
	m.account = account;
	m.name = name;
	m.text = code == ST_OK ? "" : st_error(code)->text;
	proc_send(proc_find_gen(ROLE_AUTH, q->gen), M_auth_answer, 0, q->req,
	    -1, &m);
	free(q);
}

struct hreq *
egrant_query(struct proc_peer *p, struct imsg *msg, struct estorage *st,
    const char *target, const char *session)
{
	struct equery	*q;
	struct hreq	*h;

	if ((q = calloc(1, sizeof(*q))) == NULL)
		fatal(NULL);
	q->gen = p->gen;
	q->req = msg->req;
	h = hreq_new(st, "POST", ANSWER_JSON);
	(void)ibuf_adds(&h->target, target);
	strlcpy(h->session, session, sizeof(h->session));
	h->ctype = "application/json";
	h->arg = q;
	return h;
}

void
egrant_auth_query(struct proc_peer *p, struct imsg *msg, const void *arg)
{
	const struct m_auth_query	*m = arg;
	struct m_auth_answer		 fail;
	struct estorage			*st = estorage_find(m->storage);
	struct hreq			*h;
	struct ibuf			*b;
	int				 bad;

	if (st == NULL) {
		memset(&fail, 0, sizeof(fail));
		fail.code = ST_UNAVAILABLE;
		fail.text = st_error(ST_UNAVAILABLE)->text;
		proc_send(p, M_auth_answer, 0, msg->req, -1, &fail);
		return;
	}
	h = egrant_query(p, msg, st, "/auth", m->session);
	h->done = auth_query_done;
	h->secret = 1;
	b = &h->body;
	/* room for all of it: a buffer that grows leaves copies behind */
	(void)ibuf_reserve(b, json_len(m->user) + json_len(m->secret) +
	    json_len(m->authzid) + json_len(m->remote) + QUERY_JSON);
	ibuf_truncate(b, 0);
	bad = json_open(b, '{') |
	    json_kstr(b, "mechanism", "PLAIN") |
	    json_kstr(b, "username", m->user) |
	    json_kstr(b, "password", m->secret) |
	    (*m->authzid != '\0' ? json_kstr(b, "authzid", m->authzid) : 0) |
	    json_kstr(b, "service", m->service) |
	    json_kstr(b, "remote", m->remote) |
	    json_kbool(b, "tls", m->tls) |
	    json_close(b, '}');
	/* text that is no UTF-8 cannot be anybody's password there */
	if (bad) {
		auth_query_done(h, ST_BAD_CREDENTIALS, "", NULL);
		h->arg = NULL;
		hreq_discard(h);
		return;
	}
	hreq_submit(h);
}

static void
rcpt_query_done(struct hreq *h, enum st_code code, const char *text,
    struct json *j)
{
	struct equery		*q = h->arg;
	struct m_rcpt_answer	 m;
	char			 account[512], mailbox[256];

	egrant_text(j, "account", account, sizeof(account));
	egrant_text(j, "mailbox", mailbox, sizeof(mailbox));
	if (code == ST_OK && (account[0] == '\0' || mailbox[0] == '\0'))
		code = ST_NONSENSE;
	m.code = (uint16_t)code;
	m.account = account;
	m.mailbox = mailbox;
	m.text = code == ST_OK ? "" : st_error(code)->text;
	proc_send(proc_find_gen(ROLE_AUTH, q->gen), M_rcpt_answer, 0, q->req,
	    -1, &m);
	free(q);
}

void
egrant_rcpt_query(struct proc_peer *p, struct imsg *msg, const void *arg)
{
	const struct m_rcpt_query	*m = arg;
	struct m_rcpt_answer		 fail;
	struct estorage			*st = estorage_find(m->storage);
	struct hreq			*h;
	struct ibuf			*b;
	int				 bad;

	if (st == NULL) {
		memset(&fail, 0, sizeof(fail));
		fail.code = ST_UNAVAILABLE;
		fail.text = st_error(ST_UNAVAILABLE)->text;
		proc_send(p, M_rcpt_answer, 0, msg->req, -1, &fail);
		return;
	}
	h = egrant_query(p, msg, st, "/recipients", m->session);
	h->done = rcpt_query_done;
	b = &h->body;
	bad = json_open(b, '{') |
	    json_kstr(b, "address", m->address) |
	    json_kstr(b, "from", m->from) |
	    (m->size > 0 ? json_ku64(b, "size", m->size) : 0) |
	    json_close(b, '}');
	if (bad) {
		rcpt_query_done(h, ST_UNKNOWN_RECIPIENT, "", NULL);
		h->arg = NULL;
		hreq_discard(h);
		return;
	}
	hreq_submit(h);
}

void
egrant_init(void)
{
	tmo_class_init(&unconnected_class, UNCONNECTED_SECS,
	    unconnected_fired);
}
