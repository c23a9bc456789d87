/*
 * Recipients of LMTP: from an address to an account, and a grant for one
 * delivery at the engine that the transaction has.
 *
 * With a password file an address is ours if its domain is one of those
 * configured; its account is "local@domain" if there is one, else "local";
 * if there is neither, the same without "+detail".  An address without a
 * domain ("<postmaster>") is tried in each of the domains.  postmaster and
 * abuse have no meaning of their own: they exist if such an account does.
 * A disabled account is one that cannot log in; its mail is still kept.
 *
 * With "auth storage" the storage knows.
 */
#include <sys/types.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth_int.h"
#include "log.h"

#define RCPTS_MAX	2000	/* of a transaction, whatever LMTP says */
#define RCPT_BURST	4	/* seconds' worth of recipients at once */

struct auth_txn {
	uint32_t		 txn;
	uint32_t		 egen;		/* its engine */
	uint16_t		 engine;
	uint32_t		 nrcpts;	/* granted */
	TAILQ_HEAD(, auth_rcpt)	 rcpts;		/* those under way */
};

struct auth_rcpt {
	TAILQ_ENTRY(auth_rcpt)	 entry;
	struct auth_conn	*c;
	struct auth_ask		 ask;
	uint32_t		 req;		/* lmtp's */
	uint32_t		 handle;
	uint16_t		 storage;	/* of its account */
	char			*address;
};

/* How much an lmtp process may still ask. */
struct rcpt_bucket {
	uint64_t		 left;
	time_t			 when;
};

static uint32_t last_handle;

static void
rcpt_answer(struct auth_conn *c, uint32_t req, enum st_code code,
    uint32_t handle, uint16_t storage, const char *text)
{
	struct m_rcpt_res m;

	memset(&m, 0, sizeof(m));
	m.code = (uint16_t)code;
	m.rcpt = handle;
	m.storage = storage;
	m.text = text != NULL ? text : st_error(code)->text;
	if (c->txn != NULL) {
		m.engine = c->txn->engine;
		m.egen = c->txn->egen;
	}
	proc_send(c->peer, M_rcpt_res, c->session, req, -1, &m);
}

static void
rcpt_free(struct auth_rcpt *r)
{
	TAILQ_REMOVE(&r->c->txn->rcpts, r, entry);
	auth_ask_cancel(&r->ask);
	free(r->address);
	free(r);
}

static void
rcpt_end(struct auth_rcpt *r, enum st_code code, uint32_t handle,
    const char *text)
{
	rcpt_answer(r->c, r->req, code, handle, r->storage, text);
	rcpt_free(r);
}

static void
rcpt_lost(struct auth_ask *ask)
{
	rcpt_end(ask->arg, ST_UNAVAILABLE, 0, NULL);
}

/* transactions */

static void
txn_free(struct auth_conn *c)
{
	struct auth_txn		*t = c->txn;
	struct m_revoke_txn	 m;

	while (!TAILQ_EMPTY(&t->rcpts))
		rcpt_free(TAILQ_FIRST(&t->rcpts));
	m.gen = c->gen;
	m.session = c->session;
	m.txn = t->txn;
	proc_send(proc_find_gen(ROLE_ENGINE, t->egen), M_revoke_txn, 0, 0,
	    -1, &m);
	free(t);
	c->txn = NULL;
}

/* Transactions go around: any engine can store for any account. */
static struct auth_txn *
txn_get(struct auth_conn *c, uint32_t number)
{
	struct proc_peer *e;

	if (c->txn != NULL && c->txn->txn == number)
		return c->txn;
	if (c->txn != NULL)
		txn_free(c);
	if ((e = auth_engine_any(c->session + number)) == NULL ||
	    (c->txn = calloc(1, sizeof(*c->txn))) == NULL)
		return NULL;
	TAILQ_INIT(&c->txn->rcpts);
	c->txn->txn = number;
	c->txn->engine = e->slot;
	c->txn->egen = e->gen;
	return c->txn;
}

/*
 * A transaction that we do not know began before our time: whoever has
 * grants of it is not known either, so all are told.
 */
static void
txn_revoke_unknown(struct auth_conn *c, uint32_t number)
{
	struct m_revoke_txn	 m = { c->gen, c->session, number };
	struct proc_peer	*p;

	TAILQ_FOREACH(p, &proc_self.peers, entry)
		if (p->role == ROLE_ENGINE)
			proc_send(p, M_revoke_txn, 0, 0, -1, &m);
}

void
auth_rcpt_txn_end(struct proc_peer *p, struct imsg *msg, const void *arg)
{
	const struct m_txn_end	*m = arg;
	struct auth_conn	*c;

	if ((c = auth_conn_known(p, msg)) == NULL)
		return;
	if (c->txn != NULL && c->txn->txn == m->txn)
		txn_free(c);
	else if (c->txn == NULL)
		txn_revoke_unknown(c, m->txn);
}

void
auth_rcpt_drop(struct auth_conn *c)
{
	struct m_revoke		 m = { c->gen, c->session };
	struct proc_peer	*p;

	if (c->txn != NULL)
		txn_free(c);
	if (c->peer == NULL || c->peer->role != ROLE_LMTP)
		return;
	/* also what another auth granted before our time */
	TAILQ_FOREACH(p, &proc_self.peers, entry)
		if (p->role == ROLE_ENGINE)
			proc_send(p, M_revoke, 0, 0, -1, &m);
}

/* addresses */

/* One name, whole or without its "+detail". */
static const struct auth_user *
address_try(const char *local, const char *domain, int detail)
{
	char	name[2 * USERNAME_MAX], normal[USERNAME_MAX + 1];
	size_t	len = detail ? strlen(local) : strcspn(local, "+");

	if (len == 0 || len > USERNAME_MAX)
		return NULL;
	snprintf(name, sizeof(name), "%.*s%s%s", (int)len, local,
	    domain != NULL ? "@" : "", domain != NULL ? domain : "");
	if (username_normal(normal, sizeof(normal), name) == -1)
		return NULL;
	return auth_user_find(normal);
}

static const struct auth_user *
address_find(const char *local, const char *domain)
{
	const struct auth_user	*u;
	int			 detail;

	for (detail = 1; detail >= 0; detail--)
		if ((u = address_try(local, domain, detail)) != NULL ||
		    (u = address_try(local, NULL, detail)) != NULL)
			return u;
	return NULL;
}

static const struct auth_user *
address_user(const char *address)
{
	const struct auth_domain	*d;
	const struct auth_user		*u;
	const char			*at;
	char				 local[USERNAME_MAX + 1];

	if (strlcpy(local, address, sizeof(local)) >= sizeof(local))
		return NULL;
	if ((at = strrchr(address, '@')) != NULL) {
		local[at - address] = '\0';
		return auth_domain_is_ours(at + 1) ?
		    address_find(local, at + 1) : NULL;
	}
	SLIST_FOREACH(d, &auth_conf->domains, entry)
		if ((u = address_find(local, d->name)) != NULL)
			return u;
	return NULL;
}

/* Of an address that is nobody's: whose fault is it? */
static const char *
address_why(const char *address)
{
	const char *at = strrchr(address, '@');

	return at != NULL && !auth_domain_is_ours(at + 1) ?
	    "No such domain here" : NULL;
}

/* granting */

static void
rcpt_grant(struct auth_rcpt *r, const char *account, const char *mailbox)
{
	struct auth_txn		*t = r->c->txn;
	struct proc_peer	*e = proc_find_gen(ROLE_ENGINE, t->egen);
	struct m_grant_rcpt	 m;

	if (e == NULL) {
		rcpt_end(r, ST_UNAVAILABLE, 0, NULL);
		return;
	}
	if (++last_handle == 0)
		last_handle = 1;
	t->nrcpts++;
	r->handle = last_handle;
	memset(&m, 0, sizeof(m));
	m.gen = r->c->gen;
	m.session = r->c->session;
	m.txn = t->txn;
	m.rcpt = r->handle;
	m.storage = r->storage;
	m.account = account;
	m.mailbox = mailbox;
	m.address = r->address;
	auth_ask_send(&r->ask, e, M_grant_rcpt, &m);
}

void
auth_rcpt_granted(struct auth_ask *ask, const struct m_grant_ok *m)
{
	struct auth_rcpt *r = ask->arg;

	if (m->code == ST_OK)
		auth_count(COUNT_RCPTS);
	rcpt_end(r, m->code, m->code == ST_OK ? r->handle : 0, NULL);
}

static void
rcpt_by_file(struct auth_rcpt *r)
{
	const struct auth_user *u = address_user(r->address);

	if (u == NULL) {
		auth_count(COUNT_RCPTS_UNKNOWN);
		rcpt_end(r, ST_UNKNOWN_RECIPIENT, 0,
		    address_why(r->address));
		return;
	}
	r->storage = auth_storage_of(u->name);
	rcpt_grant(r, u->name, "");
}

/* As a name would be; what is none is looked for where the others are. */
static uint16_t
rcpt_storage(const char *address)
{
	char name[USERNAME_MAX + 1];

	if (username_normal(name, sizeof(name), address) == -1)
		return auth_conf->storage;
	return auth_storage_of(name);
}

static void
rcpt_by_storage(struct auth_rcpt *r, const struct m_rcpt_req *m)
{
	struct proc_peer	*e;
	struct m_rcpt_query	 q;
	char			 session[64];

	e = proc_find_gen(ROLE_ENGINE, r->c->txn->egen);
	if (e == NULL) {
		rcpt_end(r, ST_UNAVAILABLE, 0, NULL);
		return;
	}
	auth_conn_name(session, sizeof(session), r->c);
	r->storage = rcpt_storage(m->address);
	q.storage = r->storage;
	q.address = m->address;
	q.from = m->from;
	q.size = m->size;
	q.session = session;
	auth_ask_send(&r->ask, e, M_rcpt_query, &q);
}

void
auth_rcpt_answer(struct proc_peer *p, struct imsg *msg, const void *arg)
{
	const struct m_rcpt_answer	*m = arg;
	struct auth_ask			*ask;
	struct auth_rcpt		*r;

	ask = auth_ask_answered(p, msg, M_rcpt_query, M_none);
	if (ask == NULL)
		return;
	r = ask->arg;
	if (m->code == ST_UNKNOWN_RECIPIENT)
		auth_count(COUNT_RCPTS_UNKNOWN);
	if (m->code != ST_OK)
		rcpt_end(r, m->code, 0, NULL);
	else if (*m->account == '\0')
		rcpt_end(r, ST_NONSENSE, 0, NULL);
	else
		rcpt_grant(r, m->account, m->mailbox);
}

/* the question */

static int
rcpt_over_rate(struct proc_peer *p)
{
	struct rcpt_bucket	*b = p->data;
	time_t			 now = tmo_now();
	uint64_t		 left, rate = auth_conf->limits.rcpt_rate;

	left = b->left + (uint64_t)(now - b->when) * rate;
	b->when = now;
	b->left = left > RCPT_BURST * rate ? RCPT_BURST * rate : left;
	if (b->left == 0)
		return 1;
	b->left--;
	return 0;
}

static struct auth_rcpt *
rcpt_new(struct auth_conn *c, uint32_t req, const char *address)
{
	struct auth_rcpt *r;

	if ((r = calloc(1, sizeof(*r))) == NULL ||
	    (r->address = strdup(address)) == NULL) {
		free(r);
		return NULL;
	}
	r->c = c;
	r->req = req;
	r->ask.lost = rcpt_lost;
	r->ask.arg = r;
	TAILQ_INSERT_TAIL(&c->txn->rcpts, r, entry);
	return r;
}

/* Not now, whoever it is for; NULL: it can be looked at. */
static const char *
rcpt_refused(struct proc_peer *p, const struct auth_conn *c, uint32_t txn)
{
	if (c->state != CONN_OPEN)
		return "Not on this connection";
	if (rcpt_over_rate(p)) {
		auth_count(COUNT_RCPTS_LIMITED);
		return "Too many recipients at once, try again later";
	}
	if (c->txn != NULL && c->txn->txn == txn &&
	    c->txn->nrcpts >= RCPTS_MAX)
		return "Too many recipients in one transaction";
	return NULL;
}

static void
rcpt_begin(struct auth_conn *c, uint32_t req, const struct m_rcpt_req *m)
{
	struct auth_rcpt *r;

	if (txn_get(c, m->txn) == NULL ||
	    (r = rcpt_new(c, req, m->address)) == NULL)
		rcpt_answer(c, req, ST_UNAVAILABLE, 0, auth_conf->storage,
		    NULL);
	else if (auth_conf->kind == AUTH_FILE)
		rcpt_by_file(r);
	else
		rcpt_by_storage(r, m);
}

void
auth_rcpt_req(struct proc_peer *p, struct imsg *msg, const void *arg)
{
	const struct m_rcpt_req	*m = arg;
	struct auth_conn	*c;
	const char		*why;

	if ((c = auth_conn_known(p, msg)) == NULL)
		return;
	if ((why = rcpt_refused(p, c, m->txn)) != NULL)
		rcpt_answer(c, msg->req, ST_TRY_LATER, 0, auth_conf->storage,
		    why);
	else
		rcpt_begin(c, msg->req, m);
}

/* lmtp processes */

void
auth_rcpt_up(struct proc_peer *p)
{
	struct rcpt_bucket *b;

	if ((b = calloc(1, sizeof(*b))) == NULL)
		fatal(NULL);
	b->left = UINT32_MAX;	/* what is too much goes at the first use */
	b->when = tmo_now();
	p->data = b;
	if (last_handle == 0)
		last_handle = arc4random();
}

void
auth_rcpt_down(struct proc_peer *p)
{
	free(p->data);
	p->data = NULL;
}
