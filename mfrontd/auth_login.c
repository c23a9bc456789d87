/*
 * A login, from the question to the decision.
 *
 * Whoever does not exist, is disabled, or asks for somebody else's mail has
 * a password checked all the same, against a hash that costs as much as the
 * others, and is told the same.  A refusal comes late, later with each
 * failure of that address, and costs nobody else anything.
 */
#include <sys/types.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "auth_int.h"
#include "log.h"

#define DELAY_STEPS	4	/* each twice as long as the one before */
#define DELAY_MAX	15	/* seconds */
#define LOG_USER_MAX	132	/* as quoted */

static struct tmo_class	delays[DELAY_STEPS];
static struct tmo_class	clock_class;

static const struct {
	const char	*name;
	enum auth_count	 count;
} reasons[] = {
	{ "bad password",		COUNT_BAD_PASSWORD },
	{ "unknown user",		COUNT_UNKNOWN },
	{ "account disabled",		COUNT_DISABLED },
	{ "another identity asked for",	COUNT_IDENTITY },
	{ "account changed",		COUNT_BAD_PASSWORD },
	{ "bad exchange",		COUNT_BAD_PASSWORD },
	{ "too many failures",		COUNT_THROTTLED },
};

static struct auth_conn *
conn_of(struct tmo *t)
{
	return (struct auth_conn *)(void *)((char *)t -
	    offsetof(struct auth_conn, tmo));
}

/* answers */

static void
login_answer(struct auth_conn *c, enum st_code code, const char *text)
{
	struct m_auth_fail m;

	tmo_stop(&c->tmo);
	c->state = CONN_OPEN;
	m.code = (uint16_t)code;
	m.text = text;
	proc_send(c->peer, M_auth_fail, c->session, 0, -1, &m);
}

static void
delay_fired(struct tmo *t)
{
	struct auth_conn *c = conn_of(t);

	login_answer(c, c->code, c->code == ST_TRY_LATER ?
	    "Too many failed logins, try again later" :
	    st_error(c->code)->text);
}

static void
clock_fired(struct tmo *t)
{
	struct auth_conn *c = conn_of(t);

	auth_login_unavailable(c, ST_UNAVAILABLE,
	    "The login could not be done in time, try again");
}

void
auth_login_init(void)
{
	int i;

	for (i = 0; i < DELAY_STEPS; i++)
		tmo_class_init(&delays[i], 0, delay_fired);
	tmo_class_init(&clock_class, 30, clock_fired);
}

void
auth_login_limits(const struct m_conf_limits *l)
{
	uint32_t i, secs = l->delay;

	for (i = 0; i < DELAY_STEPS; i++, secs *= 2) {
		if (secs > DELAY_MAX)
			secs = DELAY_MAX;
		tmo_class_set(&delays[i], (int)secs);
	}
	if (l->t_backend > 0)
		tmo_class_set(&clock_class, (int)l->t_backend);
}

void
auth_login_clock(struct auth_conn *c)
{
	tmo_start(&c->tmo, &clock_class);
}

static void
login_wipe(char **s)
{
	if (*s != NULL)
		freezero(*s, strlen(*s));
	*s = NULL;
}

void
auth_login_free(struct auth_login *l)
{
	if (l->c != NULL)
		l->c->login = NULL;
	auth_hash_remove(l);
	login_wipe(&l->secret);
	login_wipe(&l->hash);
	auth_scram_free(l->scram);
	free(l->typed);
	free(l->user);
	free(l);
}

void
auth_login_unavailable(struct auth_conn *c, enum st_code code,
    const char *text)
{
	if (c->login != NULL)
		auth_login_free(c->login);
	/* also forgets what an engine was asked */
	auth_grant_revoke(c);
	auth_conn_no_account(c);
	auth_count(COUNT_UNAVAILABLE);
	login_answer(c, code, text);
}

/* failures */

static void
login_log(const struct auth_conn *c, const char *typed, const char *reason)
{
	char session[64], user[LOG_USER_MAX];

	auth_conn_name(session, sizeof(session), c);
	log_info("session=%s event=auth-failed remote=%s service=%s "
	    "user=\"%s\" reason=\"%s\"", session, auth_conn_remote(c),
	    role_names[c->peer->role],
	    username_quote(user, sizeof(user), typed), reason);
}

static void
login_count(const char *reason)
{
	size_t i;

	for (i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (strcmp(reasons[i].name, reason) == 0) {
			auth_count(reasons[i].count);
			return;
		}
	auth_count(COUNT_REFUSED);
}

static uint32_t
login_failures(struct auth_conn *c)
{
	uint32_t n = c->from == NULL ? 0 :
	    auth_addr_failures(c->from, tmo_now());

	return n > c->failures ? n : c->failures;
}

int
auth_login_throttled(struct auth_conn *c)
{
	uint32_t most = auth_conf->limits.failures;

	return most > 0 && c->from != NULL &&
	    auth_addr_failures(c->from, tmo_now()) >= most;
}

void
auth_login_fail(struct auth_conn *c, enum st_code code, const char *text)
{
	if (c->login != NULL)
		auth_login_free(c->login);
	login_answer(c, code, text);
}

void
auth_login_refuse(struct auth_conn *c, enum st_code code, const char *typed,
    const char *reason)
{
	uint32_t n;

	login_log(c, typed, reason);
	login_count(reason);
	if (code != ST_TRY_LATER) {
		c->failures++;
		if (c->from != NULL)
			auth_addr_failed(c->from, tmo_now());
	}
	if (c->login != NULL)
		auth_login_free(c->login);
	c->state = CONN_DELAY;
	c->code = code;
	if ((n = login_failures(c)) > DELAY_STEPS)
		n = DELAY_STEPS;
	if (delays[0].secs == 0)
		delay_fired(&c->tmo);
	else
		tmo_start(&c->tmo, &delays[n > 0 ? n - 1 : 0]);
}

/* the question */

struct auth_login *
auth_login_new(struct auth_conn *c, const char *typed, const char *secret)
{
	struct auth_login	*l;
	char			 user[USERNAME_MAX + 1];

	if ((l = calloc(1, sizeof(*l))) == NULL)
		return NULL;
	/* what is no name is nobody's */
	if (username_normal(user, sizeof(user), typed) == -1)
		user[0] = '\0';
	if ((l->typed = strdup(typed)) == NULL ||
	    (l->user = strdup(user)) == NULL ||
	    (l->secret = strdup(secret)) == NULL) {
		auth_login_free(l);
		return NULL;
	}
	l->c = c;
	c->login = l;
	c->state = CONN_CHECK;
	return l;
}

/* Nobody may act for another. */
int
auth_login_is_himself(const struct auth_login *l, const char *authzid)
{
	char name[USERNAME_MAX + 1];

	return *authzid == '\0' ||
	    (username_normal(name, sizeof(name), authzid) == 0 &&
	    strcmp(name, l->user) == 0);
}

/* POP3 has one maildrop, which is not in a mount. */
static void
login_mounts(struct auth_conn *c)
{
	const struct auth_place *pl = NULL;

	if (c->peer->role != ROLE_IMAP)
		return;
	while ((pl = auth_mount_next(pl, c->user)) != NULL)
		if (auth_conn_mount(c, pl->storage, *pl->account != '\0' ?
		    pl->account : c->acct->name, pl->prefix) == -1)
			log_warnx("user \"%s\" has too many mounts: \"%s\" "
			    "is left out", c->user, pl->prefix);
}

void
auth_login_verified(struct auth_conn *c, uint16_t storage,
    const char *account, const char *user)
{
	if (auth_conn_account(c, storage, account, user,
	    auth_conf->limits.conn_account) == -1) {
		auth_count(COUNT_OVER_ACCOUNT);
		auth_login_fail(c, ST_LIMIT, st_error(ST_LIMIT)->text);
		return;
	}
	auth_login_free(c->login);
	login_mounts(c);
	auth_grant_begin(c);
}

static void
login_by_file(struct auth_conn *c, struct auth_login *l, int himself)
{
	const struct auth_user *u = auth_user_find(l->user);

	l->known = u != NULL && u->hash != NULL && himself;
	l->reason = u == NULL ? "unknown user" : u->hash == NULL ?
	    "account disabled" : himself ? "bad password" :
	    "another identity asked for";
	l->hash = strdup(l->known ? u->hash : auth_conf->dummy);
	if (l->hash == NULL) {
		auth_login_unavailable(c, ST_UNAVAILABLE, "No memory");
		return;
	}
	if (auth_cache_has(l->user, l->hash, l->secret, tmo_now()) &&
	    l->known) {
		auth_count(COUNT_CACHED);
		auth_login_verified(c, auth_storage_of(u->name), u->name, u->name);
		return;
	}
	if (auth_hash_add(l) == -1) {
		auth_count(COUNT_QUEUE_FULL);
		auth_login_unavailable(c, ST_TRY_LATER,
		    "Too many logins at once, try again later");
		return;
	}
	auth_login_clock(c);
}

static void	login_query_lost(struct auth_ask *);

static void
login_by_storage(struct auth_conn *c, struct auth_login *l,
    const struct m_auth_req *m)
{
	struct proc_peer	*e;
	struct m_auth_query	 q;
	char			 session[64];

	l->storage = auth_storage_of(l->user);
	e = auth_engine_any(auth_engine_of(l->storage, l->user));
	if (e == NULL) {
		auth_login_unavailable(c, ST_UNAVAILABLE,
		    "The storage is not available now");
		return;
	}
	auth_conn_name(session, sizeof(session), c);
	memset(&q, 0, sizeof(q));
	q.storage = l->storage;
	q.mech = m->mech;
	q.tls = m->tls;
	/* as it was typed: what is equal is the storage's to say */
	q.user = l->typed;
	q.secret = m->secret;
	q.service = role_names[c->peer->role];
	q.remote = auth_conn_remote(c);
	q.session = session;
	login_wipe(&l->secret);
	c->ask.lost = login_query_lost;
	c->ask.arg = c;
	auth_ask_send(&c->ask, e, M_auth_query, &q);
	auth_login_clock(c);
}

static void
login_begin(struct auth_conn *c, struct auth_login *l,
    const struct m_auth_req *m)
{
	int himself = auth_login_is_himself(l, m->authzid);

	if (auth_conf->kind == AUTH_FILE)
		login_by_file(c, l, himself);
	else if (*l->user == '\0')
		auth_login_refuse(c, ST_BAD_CREDENTIALS, m->user, "unknown user");
	else if (!himself)
		auth_login_refuse(c, ST_BAD_CREDENTIALS, m->user,
		    "another identity asked for");
	else
		login_by_storage(c, l, m);
}

int
auth_login_may_begin(const struct auth_conn *c)
{
	return (c->state == CONN_OPEN && !c->in) || c->state == CONN_KICKED;
}

void
auth_login_req(struct proc_peer *p, struct imsg *msg, const void *arg)
{
	const struct m_auth_req	*m = arg;
	struct auth_conn	*c;
	struct auth_login	*l;

	if ((c = auth_conn_known(p, msg)) == NULL)
		return;
	if (m->mech != AUTH_PASSWORD || p->role == ROLE_LMTP ||
	    !auth_login_may_begin(c)) {
		proc_violation(p, msg->type, "no login can begin now");
		return;
	}
	/* it has not read our kick yet */
	if (c->state == CONN_KICKED)
		return;
	if (auth_login_throttled(c)) {
		auth_login_refuse(c, ST_TRY_LATER, m->user, "too many failures");
		return;
	}
	if ((l = auth_login_new(c, m->user, m->secret)) == NULL)
		auth_login_unavailable(c, ST_UNAVAILABLE, "No memory");
	else
		login_begin(c, l, m);
}

/* the decision */

/*
 * By then the file may be another, or others may have failed from there so
 * often that no more may be learnt.
 */
void
auth_login_hashed(struct auth_login *l, int match)
{
	struct auth_conn	*c = l->c;
	const struct auth_user	*u = auth_user_find(l->user);
	const char		*reason = l->reason;
	enum st_code		 code = ST_BAD_CREDENTIALS;

	if (match == -1) {
		auth_login_unavailable(c, ST_UNAVAILABLE,
		    "The password could not be checked, try again");
		return;
	}
	if (l->known && (u == NULL || u->hash == NULL ||
	    strcmp(u->hash, l->hash) != 0)) {
		match = 0;
		reason = "account changed";
	}
	if (auth_login_throttled(c)) {
		code = ST_TRY_LATER;
		reason = "too many failures";
	} else if (match && l->known) {
		auth_cache_put(l->user, l->hash, l->secret, tmo_now());
		auth_login_verified(c, auth_storage_of(u->name), u->name, u->name);
		return;
	}
	auth_login_refuse(c, code, l->typed, reason);
}

static void
login_query_lost(struct auth_ask *ask)
{
	auth_login_unavailable(ask->arg, ST_UNAVAILABLE,
	    "The storage is not available now");
}

/* What the storage says of a password that it looked at. */
int
auth_login_is_refusal(enum st_code code)
{
	return code == ST_BAD_CREDENTIALS || code == ST_ACCOUNT_DISABLED ||
	    code == ST_EXPIRED || code == ST_NOT_PERMITTED ||
	    code == ST_NO_SUCH_ACCOUNT;
}

void
auth_login_answer(struct proc_peer *p, struct imsg *msg, const void *arg)
{
	const struct m_auth_answer	*m = arg;
	struct auth_ask			*ask;
	struct auth_conn		*c;
	enum st_code			 code = m->code;
	char				 user[USERNAME_MAX + 1];

	ask = auth_ask_answered(p, msg, M_auth_query, M_none);
	if (ask == NULL)
		return;
	c = ask->arg;
	if (code == ST_NO_SUCH_ACCOUNT)
		code = ST_BAD_CREDENTIALS;
	if (auth_login_is_refusal(code)) {
		auth_login_refuse(c, code, c->login->typed,
		    st_error(m->code)->name);
		return;
	}
	if (code == ST_OK && (*m->account == '\0' || username_normal(user,
	    sizeof(user), *m->name != '\0' ? m->name :
	    c->login->typed) == -1))
		code = ST_NONSENSE;
	if (code != ST_OK) {
		auth_login_unavailable(c, code, st_error(code)->text);
		return;
	}
	auth_login_verified(c, c->login->storage, m->account, user);
}
