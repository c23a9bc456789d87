/*
 * Grants: auth alone tells the engines that session S of process P may act
 * for account A.  The session hears of its login only once its engine has
 * acknowledged; what was granted is taken back when the connection ends,
 * when somebody else ends it, and given again to an engine that was started
 * again.
 *
 * An account's engine is a hash of its name, so that all its sessions meet
 * in one process.
 */
#include <sys/types.h>
#include <string.h>

#include "auth_int.h"
#include "log.h"
#include "slots.h"

static struct slots asks;

/* questions */

void
auth_ask_init(void)
{
	slots_init(&asks);
}

void
auth_ask_send(struct auth_ask *ask, struct proc_peer *p, enum msg_type type,
    const void *m)
{
	if ((ask->req = slots_add(&asks, ask)) == 0)
		fatalx("too many questions to engines");
	ask->gen = p->gen;
	ask->type = type;
	proc_send(p, type, 0, ask->req, -1, m);
}

void
auth_ask_cancel(struct auth_ask *ask)
{
	if (ask->req != 0)
		slots_del(&asks, ask->req);
	ask->req = 0;
}

struct auth_ask *
auth_ask_answered(struct proc_peer *p, struct imsg *msg, enum msg_type a,
    enum msg_type b)
{
	struct auth_ask *ask = slots_get(&asks, msg->req);

	if (ask == NULL)
		return NULL;
	if (ask->gen != p->gen || (ask->type != a && ask->type != b)) {
		proc_violation(p, msg->type, "it was not asked");
		return NULL;
	}
	auth_ask_cancel(ask);
	return ask;
}

/* What is called may ask anew, of another engine. */
static void
asks_lost(uint32_t gen)
{
	struct auth_ask	*ask;
	uint32_t	 i = 0;

	while ((ask = slots_each(&asks, &i)) != NULL)
		if (ask->gen == gen) {
			auth_ask_cancel(ask);
			ask->lost(ask);
		}
}

/* engines */

static uint32_t
engine_slots(void)
{
	struct proc_peer	*p;
	uint32_t		 n = auth_conf->engines;

	if (n > 0)
		return n;
	TAILQ_FOREACH(p, &proc_self.peers, entry)
		if (p->role == ROLE_ENGINE && p->slot >= n)
			n = (uint32_t)p->slot + 1;
	return n > 0 ? n : 1;
}

uint16_t
auth_engine_of(uint16_t storage, const char *account)
{
	uint32_t h = 0x811c9dc5;

	h = (h ^ storage) * 0x01000193;
	for (; *account != '\0'; account++)
		h = (h ^ (unsigned char)*account) * 0x01000193;
	return (uint16_t)(h % engine_slots());
}

struct proc_peer *
auth_engine_any(uint32_t from)
{
	struct proc_peer	*p;
	uint32_t		 i, n = engine_slots();

	for (i = 0; i < n; i++)
		if ((p = proc_find(ROLE_ENGINE, (int)((from + i) % n))) !=
		    NULL)
			return p;
	return NULL;
}

/* granting */

static void	grant_lost(struct auth_ask *);

static void
grant_send(struct auth_conn *c, struct proc_peer *p)
{
	struct m_grant m;

	memset(&m, 0, sizeof(m));
	m.gen = c->gen;
	m.session = c->session;
	m.mount = c->granting;
	m.storage = c->acct->storage;
	m.account = c->acct->name;
	if (c->granting > 0) {
		m.storage = c->mounts[c->granting - 1].storage;
		m.account = c->mounts[c->granting - 1].account;
	}
	m.user = c->user;
	c->ask.lost = grant_lost;
	c->ask.arg = c;
	auth_ask_send(&c->ask, p, M_grant, &m);
	if (c->granting == 0)
		auth_count(c->state == CONN_GRANT ? COUNT_GRANTS :
		    COUNT_REGRANTS);
}

/* Its engine is not there now: then it waits for auth_grant_up(). */
static void
grant_try(struct auth_conn *c)
{
	struct proc_peer *p;

	c->granting = 0;
	/* there may be fewer engines than there were */
	if (c->engine >= engine_slots())
		c->engine = auth_engine_of(c->acct->storage, c->acct->name);
	if ((p = proc_find(ROLE_ENGINE, c->engine)) != NULL)
		grant_send(c, p);
}

void
auth_grant_begin(struct auth_conn *c)
{
	c->state = CONN_GRANT;
	c->engine = auth_engine_of(c->acct->storage, c->acct->name);
	auth_login_clock(c);
	grant_try(c);
}

void
auth_grant_revoke(struct auth_conn *c)
{
	struct m_revoke	m;
	uint32_t	gen = c->egen;

	/* perhaps it has the grant, and its answer is on the way */
	if (c->ask.req != 0 && c->ask.type == M_grant)
		gen = c->ask.gen;
	auth_ask_cancel(&c->ask);
	c->egen = 0;
	if (gen == 0)
		return;
	m.gen = c->gen;
	m.session = c->session;
	proc_send(proc_find_gen(ROLE_ENGINE, gen), M_revoke, 0, 0, -1, &m);
	auth_count(COUNT_REVOKED);
}

/* What the listener must know before it hears that the session is in. */
static void
grant_tell_mounts(struct auth_conn *c)
{
	struct m_auth_mount	m;
	uint16_t		i;

	for (i = 0; i < c->nmounts; i++) {
		m.mount = i + 1;
		m.storage = c->mounts[i].storage;
		m.acct = c->mounts[i].handle;
		m.prefix = c->mounts[i].prefix;
		proc_send(c->peer, M_auth_mount, c->session, 0, -1, &m);
	}
}

static void
grant_login_done(struct auth_conn *c, const struct m_grant_ok *g)
{
	struct m_auth_ok m;

	if (g->code != ST_OK) {
		auth_login_unavailable(c, g->code, st_error(g->code)->text);
		return;
	}
	tmo_stop(&c->tmo);
	c->state = CONN_GRANTED;
	grant_tell_mounts(c);
	memset(&m, 0, sizeof(m));
	m.user = c->user;
	m.engine = c->engine;
	m.egen = c->egen;
	m.acct = c->handle;
	m.storage = c->acct->storage;
	proc_send(c->peer, M_auth_ok, c->session, 0, -1, &m);
	auth_count(COUNT_OK);
}

static void
grant_again_done(struct auth_conn *c, const struct m_grant_ok *g)
{
	struct m_regrant m;

	if (g->code != ST_OK) {
		auth_conn_kick(c, KICK_STORAGE, st_error(g->code)->text);
		return;
	}
	c->state = CONN_GRANTED;
	grant_tell_mounts(c);
	m.engine = c->engine;
	m.egen = c->egen;
	m.acct = c->handle;
	proc_send(c->peer, M_regrant, c->session, 0, -1, &m);
}

static void
grant_answered(struct auth_conn *c, struct proc_peer *p,
    const struct m_grant_ok *m)
{
	if (c->granting > 0)
		c->mounts[c->granting - 1].handle =
		    m->code == ST_OK ? m->acct : 0;
	else if (m->code == ST_OK) {
		c->egen = p->gen;
		c->handle = m->acct;
	}
}

void
auth_grant_ok(struct proc_peer *p, struct imsg *msg, const void *arg)
{
	static const struct m_grant_ok	 granted = { .code = ST_OK };
	const struct m_grant_ok	*m = arg;
	struct m_grant_ok	 all = *m;
	struct auth_ask		*ask;
	struct auth_conn	*c;

	ask = auth_ask_answered(p, msg, M_grant, M_grant_rcpt);
	if (ask == NULL)
		return;
	if (ask->type == M_grant_rcpt) {
		auth_rcpt_granted(ask, m);
		return;
	}
	c = ask->arg;
	grant_answered(c, p, m);
	/* a mount that cannot be granted is one that does not work */
	if (c->granting > 0 || m->code == ST_OK) {
		while (c->granting++ < c->nmounts)
			if (*c->mounts[c->granting - 1].account != '\0') {
				grant_send(c, p);
				return;
			}
		all = granted;
	}
	if (c->state == CONN_GRANT)
		grant_login_done(c, &all);
	else
		grant_again_done(c, &all);
}

/* engines come and go */

/* The login's clock goes on; whoever was in before waits without one. */
static void
grant_lost(struct auth_ask *ask)
{
	grant_try(ask->arg);
}

static int
conn_has_grant(const struct auth_conn *c)
{
	return c->acct != NULL && (c->state == CONN_GRANT ||
	    c->state == CONN_GRANTED || c->state == CONN_REGRANT);
}

void
auth_grant_down(struct proc_peer *p)
{
	struct auth_conn *c, *next;

	for (c = auth_conn_next(NULL); c != NULL; c = next) {
		next = auth_conn_next(c);
		if (c->egen != p->gen)
			continue;
		c->egen = 0;
		if (c->state == CONN_ORPHAN)
			auth_conn_free(c);
		else if (c->state == CONN_GRANTED) {
			c->state = CONN_REGRANT;
			/* another may have taken its place already */
			grant_try(c);
		}
	}
	asks_lost(p->gen);
}

void
auth_grant_up(struct proc_peer *p)
{
	struct auth_conn *c;

	for (c = auth_conn_next(NULL); c != NULL; c = auth_conn_next(c))
		if (conn_has_grant(c) && c->engine == p->slot &&
		    c->egen == 0 && c->ask.req == 0) {
			c->granting = 0;
			grant_send(c, p);
		}
}

/* what engines know from before our time */

int
auth_grant_allowed(const struct auth_conn *c)
{
	return auth_conf->kind != AUTH_FILE ||
	    (c->acct->storage == auth_storage_of(c->acct->name) &&
	    auth_user_find(c->acct->name) != NULL);
}

/* Unless that engine was given another one since, which takes its place. */
static void
known_refused(struct proc_peer *p, const struct m_granted *g)
{
	struct m_revoke m = { g->gen, g->session };

	proc_send(p, M_revoke, 0, 0, -1, &m);
	auth_count(COUNT_REVOKED);
}

static void
known_adopt(struct auth_conn *c, struct proc_peer *p,
    const struct m_granted *g)
{
	if (auth_conn_account(c, g->storage, g->account, g->user, 0) == -1)
		fatal(NULL);
	c->engine = p->slot;
	c->egen = p->gen;
	c->handle = g->acct;
	if (c->state == CONN_OPEN) {
		tmo_stop(&c->tmo);
		c->state = CONN_GRANTED;
	}
	if (!auth_grant_allowed(c))
		auth_conn_kick(c, KICK_REMOVED, "The account was removed");
}

/*
 * Mounts come behind their account, in order.  Those of a session that was
 * not taken over are revoked with it.
 */
static void
known_mount(struct auth_conn *c, struct proc_peer *p,
    const struct m_granted *g)
{
	if (c == NULL || c->acct == NULL || c->egen != p->gen ||
	    c->ask.req != 0 || g->mount <= c->nmounts)
		return;
	/* one that could not be granted stays so */
	while (c->nmounts + 1 < g->mount)
		if (auth_conn_mount(c, 0, "", "") == -1)
			fatal(NULL);
	if (auth_conn_mount(c, g->storage, g->account, "") == -1)
		fatal(NULL);
	c->mounts[g->mount - 1].handle = g->acct;
}

/*
 * An engine tells of a grant when it meets a new auth.  Its session may be
 * announced by now, or not yet, or be on its way to another login.
 */
void
auth_grant_known(struct proc_peer *p, struct imsg *msg, const void *arg)
{
	const struct m_granted	*g = arg;
	struct auth_conn	*c = auth_conn_find(g->gen, g->session);

	if (g->mount > AUTH_MOUNTS_MAX || *g->account == '\0') {
		proc_violation(p, msg->type, "not a grant of ours");
		return;
	}
	if (g->mount != 0) {
		known_mount(c, p, g);
		return;
	}
	if (c == NULL)
		c = auth_conn_orphan(g->gen, g->session);
	if (c->acct == NULL && ((c->state == CONN_OPEN && c->in) ||
	    c->state == CONN_ORPHAN))
		known_adopt(c, p, g);
	else if ((c->ask.req == 0 || c->ask.gen != p->gen) &&
	    (c->acct == NULL || c->acct->storage != g->storage ||
	    strcmp(c->acct->name, g->account) != 0))
		known_refused(p, g);
}

void
auth_grant_review(void)
{
	struct auth_conn *c, *next;

	for (c = auth_conn_next(NULL); c != NULL; c = next) {
		next = auth_conn_next(c);
		if (c->acct == NULL || auth_grant_allowed(c))
			continue;
		if (c->state == CONN_GRANT)
			auth_login_unavailable(c, ST_BAD_CREDENTIALS,
			    st_error(ST_BAD_CREDENTIALS)->text);
		else
			auth_conn_kick(c, KICK_REMOVED,
			    "The account was removed");
	}
}
