/*
 * Every connection to a listener, as the listeners tell of them, known by
 * the listener's number (from the channel, never from a message) and the
 * session's.
 */
#include <sys/types.h>
#include <sys/socket.h>
#include <arpa/inet.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth_int.h"
#include "log.h"

/*
 * After a restart: a session that an engine knows of must be known by a
 * listener, too, and one that is logged in by an engine.
 */
#define ORPHAN_SECONDS	30
#define CONNS_MIN	131072	/* of one process, whatever the limit is */

/* How many a process has, in the order in which they came to have some. */
struct auth_proc {
	uint32_t		 gen;
	uint32_t		 n;
	TAILQ_ENTRY(auth_proc)	 entry;
};

static TAILQ_HEAD(, auth_proc) procs = TAILQ_HEAD_INITIALIZER(procs);

static int
conn_cmp(const struct auth_conn *a, const struct auth_conn *b)
{
	if (a->gen != b->gen)
		return a->gen < b->gen ? -1 : 1;
	if (a->session != b->session)
		return a->session < b->session ? -1 : 1;
	return 0;
}

static int
acct_cmp(const struct auth_acct *a, const struct auth_acct *b)
{
	if (a->storage != b->storage)
		return a->storage < b->storage ? -1 : 1;
	return strcmp(a->name, b->name);
}

static RB_HEAD(conns, auth_conn) conns = RB_INITIALIZER(&conns);
static RB_HEAD(accts, auth_acct) accts = RB_INITIALIZER(&accts);

RB_PROTOTYPE_STATIC(conns, auth_conn, entry, conn_cmp)
RB_GENERATE_STATIC(conns, auth_conn, entry, conn_cmp)
RB_PROTOTYPE_STATIC(accts, auth_acct, entry, acct_cmp)
RB_GENERATE_STATIC(accts, auth_acct, entry, acct_cmp)

struct auth_conn *
auth_conn_find(uint32_t gen, uint32_t session)
{
	struct auth_conn key = { .gen = gen, .session = session };

	return RB_FIND(conns, &conns, &key);
}

struct auth_conn *
auth_conn_next(struct auth_conn *c)
{
	return c == NULL ? RB_MIN(conns, &conns) : RB_NEXT(conns, &conns, c);
}

struct auth_conn *
auth_conn_of(uint32_t gen, struct auth_conn *c)
{
	struct auth_conn key = { .gen = gen };

	c = c == NULL ? RB_NFIND(conns, &conns, &key) :
	    RB_NEXT(conns, &conns, c);
	return c != NULL && c->gen == gen ? c : NULL;
}

const char *
auth_conn_remote(const struct auth_conn *c)
{
	static char buf[INET6_ADDRSTRLEN];

	if (c->addrlen == 0)
		return "local";
	if (inet_ntop(c->addrlen == 4 ? AF_INET : AF_INET6, c->addr, buf,
	    sizeof(buf)) == NULL)
		return "?";
	return buf;
}

void
auth_conn_name(char *buf, size_t len, const struct auth_conn *c)
{
	snprintf(buf, len, "%s-%x-%x", proc_self.boot, c->gen, c->session);
}

/* accounts */

void
auth_conn_no_account(struct auth_conn *c)
{
	struct auth_acct	*a = c->acct;
	uint16_t		 i;

	free(c->user);
	c->user = NULL;
	c->acct = NULL;
	for (i = 0; i < c->nmounts; i++) {
		free(c->mounts[i].account);
		free(c->mounts[i].prefix);
	}
	free(c->mounts);
	c->mounts = NULL;
	c->nmounts = c->granting = 0;
	if (a == NULL || --a->sessions > 0)
		return;
	RB_REMOVE(accts, &accts, a);
	free(a);
}

static struct auth_acct *
acct_get(uint16_t storage, const char *name)
{
	struct auth_acct	 key = { .storage = storage, .name = name };
	struct auth_acct	*a;

	if ((a = RB_FIND(accts, &accts, &key)) != NULL)
		return a;
	if ((a = calloc(1, sizeof(*a) + strlen(name) + 1)) == NULL)
		return NULL;
	a->storage = storage;
	a->name = memcpy(a + 1, name, strlen(name) + 1);
	RB_INSERT(accts, &accts, a);
	return a;
}

/* most: 0 for any number. */
int
auth_conn_account(struct auth_conn *c, uint16_t storage, const char *name,
    const char *user, uint32_t most)
{
	struct auth_acct *a;

	if ((a = acct_get(storage, name)) == NULL)
		return -1;
	a->sessions++;
	c->acct = a;
	if ((most > 0 && a->sessions > most) ||
	    (c->user = strdup(user)) == NULL) {
		auth_conn_no_account(c);
		return -1;
	}
	return 0;
}

int
auth_conn_mount(struct auth_conn *c, uint16_t storage, const char *account,
    const char *prefix)
{
	struct auth_mount *m;

	if (c->nmounts >= AUTH_MOUNTS_MAX ||
	    (m = recallocarray(c->mounts, c->nmounts, c->nmounts + 1U,
	    sizeof(*m))) == NULL)
		return -1;
	c->mounts = m;
	m += c->nmounts;
	m->storage = storage;
	m->account = strdup(account);
	m->prefix = strdup(prefix);
	if (m->account == NULL || m->prefix == NULL) {
		free(m->account);
		free(m->prefix);
		memset(m, 0, sizeof(*m));
		return -1;
	}
	c->nmounts++;
	return 0;
}

/* life */

static void
conn_fired(struct tmo *t)
{
	struct auth_conn *c = (struct auth_conn *)(void *)((char *)t -
	    offsetof(struct auth_conn, tmo));

	if (c->state == CONN_ORPHAN)
		auth_conn_free(c);
	else
		auth_conn_kick(c, KICK_STORAGE, "The session is not known");
}

static struct auth_proc *
conn_proc(uint32_t gen)
{
	struct auth_proc *pr;

	TAILQ_FOREACH(pr, &procs, entry)
		if (pr->gen == gen)
			break;
	return pr;
}

static void
conn_count(uint32_t gen)
{
	struct auth_proc *pr = conn_proc(gen);

	if (pr == NULL) {
		if ((pr = calloc(1, sizeof(*pr))) == NULL)
			fatal(NULL);
		pr->gen = gen;
		TAILQ_INSERT_TAIL(&procs, pr, entry);
	}
	pr->n++;
}

static void
conn_uncount(uint32_t gen)
{
	struct auth_proc *pr = conn_proc(gen);

	if (--pr->n > 0)
		return;
	TAILQ_REMOVE(&procs, pr, entry);
	free(pr);
}

/*
 * No listener has more than its limit; but that may have been another one
 * when they came, and some may be about to end.
 */
static int
conn_too_many(uint32_t gen)
{
	const struct auth_proc	*pr = conn_proc(gen);
	uint64_t		 most;

	most = 2 * (uint64_t)auth_conf->limits.conn_total;
	return pr != NULL && pr->n >= CONNS_MIN && pr->n >= most;
}

static struct auth_conn *
conn_new(uint32_t gen, uint32_t session)
{
	struct auth_conn *c;

	if ((c = calloc(1, sizeof(*c))) == NULL)
		fatal(NULL);
	conn_count(gen);
	c->gen = gen;
	c->session = session;
	RB_INSERT(conns, &conns, c);
	return c;
}

static void
conn_expect(struct auth_conn *c)
{
	static struct tmo_class wait;

	if (wait.fired == NULL)
		tmo_class_init(&wait, ORPHAN_SECONDS, conn_fired);
	tmo_start(&c->tmo, &wait);
}

struct auth_conn *
auth_conn_orphan(uint32_t gen, uint32_t session)
{
	struct auth_conn *c = conn_new(gen, session);

	c->state = CONN_ORPHAN;
	conn_expect(c);
	return c;
}

/* What was granted is taken back. */
void
auth_conn_free(struct auth_conn *c)
{
	tmo_stop(&c->tmo);
	if (c->login != NULL)
		auth_login_free(c->login);
	auth_rcpt_drop(c);
	auth_grant_revoke(c);
	auth_conn_no_account(c);
	auth_addr_close(c->from, tmo_now());
	RB_REMOVE(conns, &conns, c);
	conn_uncount(c->gen);
	free(c);
}

void
auth_conn_kick(struct auth_conn *c, enum kick_why why, const char *text)
{
	struct m_kick m;

	if (c->state == CONN_KICKED)
		return;
	if (c->state == CONN_ORPHAN) {
		auth_conn_free(c);
		return;
	}
	tmo_stop(&c->tmo);
	if (c->login != NULL)
		auth_login_free(c->login);
	auth_rcpt_drop(c);
	auth_grant_revoke(c);
	auth_conn_no_account(c);
	c->state = CONN_KICKED;
	m.why = (uint8_t)why;
	m.text = text;
	proc_send(c->peer, M_kick, c->session, 0, -1, &m);
	auth_count(COUNT_KICKED);
}

/* messages */

struct auth_conn *
auth_conn_known(struct proc_peer *p, struct imsg *msg)
{
	struct auth_conn *c = auth_conn_find(p->gen, msg->id);

	if (c == NULL || c->peer != p) {
		proc_violation(p, msg->type, "no such session");
		return NULL;
	}
	return c;
}

static void
conn_address(struct auth_conn *c, const struct m_conn_open *m)
{
	uint32_t most = auth_conf->limits.conn_address;

	c->addrlen = (uint8_t)m->addr.len;
	memcpy(c->addr, m->addr.p, m->addr.len);
	if (c->addrlen == 0)
		return;
	if ((c->from = auth_addr_open(c->addr, c->addrlen)) == NULL)
		fatal(NULL);
	if (most > 0 && c->from->conns > most) {
		auth_count(COUNT_OVER_ADDRESS);
		auth_conn_kick(c, KICK_ADDRESS,
		    "Too many connections from your address");
	}
}

/*
 * A listener's word on a session that an engine told of before.  If it is
 * not logged in, our predecessor died before it could tell of the login:
 * what it granted is taken back.
 */
static void
conn_adopted(struct auth_conn *c)
{
	if (!c->in) {
		auth_grant_revoke(c);
		auth_conn_no_account(c);
		c->state = CONN_OPEN;
		return;
	}
	c->state = CONN_GRANTED;
	if (!auth_grant_allowed(c))
		auth_conn_kick(c, KICK_REMOVED, "The account was removed");
}

void
auth_conn_opened(struct proc_peer *p, struct imsg *msg, const void *arg)
{
	const struct m_conn_open	*m = arg;
	struct auth_conn		*c = auth_conn_find(p->gen, msg->id);
	int				 known;

	/* told on another channel before, which is gone or about to */
	if (c != NULL && c->peer != NULL && c->peer != p) {
		auth_conn_free(c);
		c = NULL;
	}
	if ((m->addr.len != 0 && m->addr.len != 4 && m->addr.len != 16) ||
	    (c != NULL && c->state != CONN_ORPHAN)) {
		proc_violation(p, msg->type, c != NULL ? "open already" :
		    "no address");
		return;
	}
	known = c != NULL;
	if (!known && conn_too_many(p->gen)) {
		proc_violation(p, msg->type, "too many sessions");
		return;
	}
	if (!known)
		c = conn_new(p->gen, msg->id);
	tmo_stop(&c->tmo);
	c->peer = p;
	c->tls = m->tls;
	c->in = m->in;
	c->state = CONN_OPEN;
	if (known)
		conn_adopted(c);
	else if (c->in)
		conn_expect(c);
	conn_address(c, m);
}

void
auth_conn_closed(struct proc_peer *p, struct imsg *msg, const void *arg)
{
	struct auth_conn *c;

	if ((c = auth_conn_known(p, msg)) != NULL)
		auth_conn_free(c);
}

/*
 * A listener is gone, or only its channel: in both cases its sessions act
 * for nobody any more.  (The engines see the first of these for themselves.)
 */
void
auth_conn_listener_down(struct proc_peer *p)
{
	struct auth_conn *c = auth_conn_of(p->gen, NULL), *next;

	for (; c != NULL; c = next) {
		next = auth_conn_of(p->gen, c);
		if (c->peer == p)
			auth_conn_free(c);
	}
}

void
auth_conn_kick_user(struct proc_peer *p, struct imsg *msg, const void *arg)
{
	const struct m_ctl_kick_user	*m = arg;
	struct auth_conn		*c, *next;
	struct m_ctl_end		 end;
	char				 user[USERNAME_MAX + 1], text[64];
	unsigned int			 n = 0;

	if (username_normal(user, sizeof(user), m->user) == -1)
		user[0] = '\0';
	for (c = auth_conn_next(NULL); c != NULL; c = next) {
		next = auth_conn_next(c);
		if (c->user == NULL || (strcmp(c->user, m->user) != 0 &&
		    strcmp(c->user, user) != 0))
			continue;
		auth_conn_kick(c, KICK_ADMIN, "Disconnected by administrator");
		n++;
	}
	snprintf(text, sizeof(text), n == 0 ? "no session of that user" :
	    "%u session%s", n, n == 1 ? "" : "s");
	end.ok = n > 0;
	end.text = text;
	proc_send(p, M_ctl_end, 0, msg->req, -1, &end);
}
