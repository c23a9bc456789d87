/*
 * Logins by SCRAM-SHA-256 (RFC 5802, RFC 7677): the client proves that he
 * has the password, with keys that the storage keeps, and nobody here sees
 * it.
 *
 * The exchange stays in this process: its listener carries messages to and
 * fro, and can neither make one up nor use one again, since a response must
 * name the challenge that its own session was given last.
 *
 * Who does not exist is asked like anybody else, with a salt that is always
 * the same, and fails where a wrong password does.
 */
#include <sys/types.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "auth_int.h"
#include "base64.h"
#include "hmac.h"
#include "log.h"
#include "scram.h"

#define EXCHANGES_MAX	1000	/* of one listener */
#define EXCHANGE_SECS	60
#define NONCE_BYTES	18	/* 24 characters */

struct auth_scram {
	struct scram		 scram;
	uint32_t		 number;	/* of the challenge, 0: none */
	uint32_t		 gen;		/* of the listener */
	int			 proven;
	const char		*reason;	/* it fails of, always */
	char			*account;
	char			*name;
};

/* How many a listener has open. */
struct scram_peer {
	SLIST_ENTRY(scram_peer)	 entry;
	uint32_t		 gen;
	uint32_t		 n;
};

/* What an engine told of a storage. */
struct scram_storage {
	SLIST_ENTRY(scram_storage) entry;
	uint32_t		 gen;
	uint16_t		 storage;
	int			 has;
	uint32_t		 iterations;	/* of some user's, 0: unknown */
};

static SLIST_HEAD(, scram_peer)		peers;
static SLIST_HEAD(, scram_storage)	storages;
static struct tmo_class			exchange_class;
static uint8_t				secret[HMAC_LEN];
static uint32_t				last_number;
static uint32_t				offered;

/* is it offered? */

static struct scram_storage *
storage_find(uint32_t gen, uint16_t storage)
{
	struct scram_storage *s;

	SLIST_FOREACH(s, &storages, entry)
		if (s->gen == gen && s->storage == storage)
			return s;
	return NULL;
}

/* Nobody has said no, and somebody yes. */
static int
storage_has(uint16_t storage)
{
	const struct scram_storage	*s;
	int				 has = 0;

	SLIST_FOREACH(s, &storages, entry)
		if (s->storage == storage) {
			if (!s->has)
				return 0;
			has = 1;
		}
	return has;
}

static void
mechs_tell(struct proc_peer *p)
{
	struct m_auth_mechs m = { AUTH_MECH(AUTH_PASSWORD) | offered };

	proc_send(p, M_auth_mechs, 0, 0, -1, &m);
}

/*
 * It cannot be known before a login which storage it will lead to, and
 * clients take what is offered: so all must have it.
 */
void
auth_scram_review(void)
{
	struct proc_peer	*p;
	uint32_t		 was = offered;

	offered = auth_conf != NULL && auth_conf->kind == AUTH_STORAGE &&
	    auth_storages_all(storage_has) ? AUTH_MECH(AUTH_SCRAM) : 0;
	if (offered == was)
		return;
	TAILQ_FOREACH(p, &proc_self.peers, entry)
		if ((1U << p->role) & (R_IMAP | R_POP3))
			mechs_tell(p);
}

void
auth_scram_listener_up(struct proc_peer *p)
{
	if (offered)
		mechs_tell(p);
}

void
auth_scram_info(struct proc_peer *p, struct imsg *msg, const void *arg)
{
	const struct m_st_info	*m = arg;
	struct scram_storage	*s;

	if ((s = storage_find(p->gen, m->storage)) == NULL) {
		if ((s = calloc(1, sizeof(*s))) == NULL)
			fatal(NULL);
		s->gen = p->gen;
		s->storage = m->storage;
		SLIST_INSERT_HEAD(&storages, s, entry);
	}
	s->has = (m->caps & CAP(CAP_SCRAM)) != 0;
	auth_scram_review();
}

void
auth_scram_engine_down(struct proc_peer *p)
{
	struct scram_storage *s, *next;

	for (s = SLIST_FIRST(&storages); s != NULL; s = next) {
		next = SLIST_NEXT(s, entry);
		if (s->gen != p->gen)
			continue;
		SLIST_REMOVE(&storages, s, scram_storage, entry);
		free(s);
	}
	auth_scram_review();
}

/* exchanges */

static struct scram_peer *
peer_find(uint32_t gen)
{
	struct scram_peer *sp;

	SLIST_FOREACH(sp, &peers, entry)
		if (sp->gen == gen)
			return sp;
	return NULL;
}

uint32_t
auth_scram_count(void)
{
	const struct scram_peer	*sp;
	uint32_t		 n = 0;

	SLIST_FOREACH(sp, &peers, entry)
		n += sp->n;
	return n;
}

static struct auth_scram *
exchange_new(uint32_t gen)
{
	struct scram_peer	*sp = peer_find(gen);
	struct auth_scram	*x;

	if ((x = calloc(1, sizeof(*x))) == NULL)
		return NULL;
	if (sp == NULL) {
		if ((sp = calloc(1, sizeof(*sp))) == NULL) {
			free(x);
			return NULL;
		}
		sp->gen = gen;
		SLIST_INSERT_HEAD(&peers, sp, entry);
	}
	sp->n++;
	x->gen = gen;
	return x;
}

void
auth_scram_free(struct auth_scram *x)
{
	struct scram_peer *sp;

	if (x == NULL)
		return;
	if ((sp = peer_find(x->gen)) != NULL && --sp->n == 0) {
		SLIST_REMOVE(&peers, sp, scram_peer, entry);
		free(sp);
	}
	free(x->account);
	free(x->name);
	freezero(x, sizeof(*x));
}

static void
exchange_fired(struct tmo *t)
{
	struct auth_conn *c = (struct auth_conn *)(void *)((char *)t -
	    offsetof(struct auth_conn, tmo));

	auth_login_fail(c, ST_UNAVAILABLE,
	    "The login was not finished in time");
}

void
auth_scram_init(void)
{
	arc4random_buf(secret, sizeof(secret));
	last_number = arc4random();
	tmo_class_init(&exchange_class, EXCHANGE_SECS, exchange_fired);
}

void
auth_scram_limits(const struct m_conf_limits *l)
{
	tmo_class_set(&exchange_class, l->t_login > 0 ? (int)l->t_login :
	    EXCHANGE_SECS);
}

/* The client has the word now; 0 is the number of none. */
static void
exchange_challenge(struct auth_conn *c, const char *text, size_t len)
{
	struct m_sasl_challenge m;

	if (++last_number == 0)
		last_number = 1;
	c->login->scram->number = last_number;
	c->state = CONN_SASL;
	tmo_start(&c->tmo, &exchange_class);
	m.number = last_number;
	m.message = msg_blob_of(text, len);
	proc_send(c->peer, M_sasl_challenge, c->session, 0, -1, &m);
}

/* the first message */

static void	scram_lost(struct auth_ask *);

static void
scram_ask(struct auth_conn *c, int tls)
{
	struct auth_login	*l = c->login;
	struct proc_peer	*e;
	struct m_scram_query	 q;
	char			 session[64];

	l->storage = auth_storage_of(l->user);
	e = auth_engine_any(auth_engine_of(l->storage, l->user));
	if (e == NULL) {
		scram_lost(&(struct auth_ask){ .arg = c });
		return;
	}
	auth_conn_name(session, sizeof(session), c);
	memset(&q, 0, sizeof(q));
	q.storage = l->storage;
	q.tls = (uint8_t)tls;
	/* as it was typed: what is equal is the storage's to say */
	q.user = l->typed;
	q.service = role_names[c->peer->role];
	q.remote = auth_conn_remote(c);
	q.session = session;
	c->ask.lost = scram_lost;
	c->ask.arg = c;
	auth_ask_send(&c->ask, e, M_scram_query, &q);
	auth_login_clock(c);
}

static void
scram_lost(struct auth_ask *ask)
{
	auth_login_unavailable(ask->arg, ST_UNAVAILABLE,
	    "The storage is not available now");
}

static void
scram_begin(struct auth_conn *c, const struct scram *s, int tls)
{
	struct auth_login *l;

	if ((l = auth_login_new(c, s->user, "")) == NULL ||
	    (l->scram = exchange_new(c->gen)) == NULL) {
		auth_login_unavailable(c, ST_UNAVAILABLE, "No memory");
		return;
	}
	l->scram->scram = *s;
	if (*l->user == '\0')
		auth_login_refuse(c, ST_BAD_CREDENTIALS, s->user,
		    "unknown user");
	else if (!auth_login_is_himself(l, s->authzid))
		auth_login_refuse(c, ST_BAD_CREDENTIALS, s->user,
		    "another identity asked for");
	else
		scram_ask(c, tls);
}

static int
scram_is_full(const struct auth_conn *c)
{
	const struct scram_peer *sp = peer_find(c->gen);

	return sp != NULL && sp->n >= EXCHANGES_MAX;
}

static void
scram_first_message(struct auth_conn *c, const struct m_sasl_start *m)
{
	struct scram		s;
	enum scram_error	r;

	r = scram_first(&s, m->message.p, m->message.len);
	if (r != SCRAM_OK)
		auth_login_fail(c, ST_BAD_REQUEST, scram_error(r));
	else if (auth_login_throttled(c))
		auth_login_refuse(c, ST_TRY_LATER, s.user,
		    "too many failures");
	else if (!offered)
		/* it was when the client was told */
		auth_login_unavailable(c, ST_UNAVAILABLE,
		    "The mechanism is not available now");
	else if (scram_is_full(c)) {
		auth_count(COUNT_QUEUE_FULL);
		auth_login_unavailable(c, ST_TRY_LATER,
		    "Too many logins at once, try again later");
	} else
		scram_begin(c, &s, m->tls);
	explicit_bzero(&s, sizeof(s));
}

void
auth_scram_start(struct proc_peer *p, struct imsg *msg, const void *arg)
{
	const struct m_sasl_start	*m = arg;
	struct auth_conn		*c;

	if ((c = auth_conn_known(p, msg)) == NULL)
		return;
	if (m->mech != AUTH_SCRAM || !auth_login_may_begin(c)) {
		proc_violation(p, msg->type, "no login can begin now");
		return;
	}
	/* it has not read our kick yet */
	if (c->state != CONN_KICKED)
		scram_first_message(c, m);
}

/* the challenge */

/* Nobody's keys look as if they were made on the same day as others'. */
static uint32_t
storage_iterations(uint16_t storage)
{
	const struct scram_storage *s;

	SLIST_FOREACH(s, &storages, entry)
		if (s->storage == storage && s->iterations > 0)
			return s->iterations;
	return SCRAM_ITERATIONS;
}

static void
nobody_keys(struct scramkeys *k, const struct auth_login *l)
{
	uint8_t		mac[HMAC_LEN];
	struct hmac	h;

	hmac_init(&h, secret, sizeof(secret));
	hmac_update(&h, &l->storage, sizeof(l->storage));
	hmac_update(&h, l->user, strlen(l->user));
	hmac_final(&h, mac);
	k->iterations = storage_iterations(l->storage);
	k->saltlen = SCRAM_SALT;
	memcpy(k->salt, mac, SCRAM_SALT);
	arc4random_buf(k->stored, sizeof(k->stored));
	arc4random_buf(k->server, sizeof(k->server));
}

/* What the storage has of him; -1: that cannot be. */
static int
answer_keys(struct scramkeys *k, const struct m_scram_answer *m,
    uint16_t storage)
{
	struct scram_storage *s;

	if (m->salt.len == 0 || m->salt.len > sizeof(k->salt) ||
	    m->stored.len != sizeof(k->stored) ||
	    m->server.len != sizeof(k->server))
		return -1;
	SLIST_FOREACH(s, &storages, entry)
		if (s->storage == storage)
			s->iterations = m->iterations;
	k->iterations = m->iterations;
	k->saltlen = m->salt.len;
	memcpy(k->salt, m->salt.p, m->salt.len);
	memcpy(k->stored, m->stored.p, m->stored.len);
	memcpy(k->server, m->server.p, m->server.len);
	return 0;
}

/* Whose account it is counts once he has proven that it is his. */
static enum st_code
answer_read(struct auth_login *l, const struct m_scram_answer *m,
    struct scramkeys *k)
{
	struct auth_scram	*x = l->scram;
	char			 user[USERNAME_MAX + 1];

	if (auth_login_is_refusal(m->code)) {
		x->reason = st_error(m->code)->name;
		nobody_keys(k, l);
		return ST_OK;
	}
	if (m->code != ST_OK)
		return m->code == ST_BAD_REQUEST ? ST_NONSENSE : m->code;
	if (*m->account == '\0' || username_normal(user, sizeof(user),
	    *m->name != '\0' ? m->name : l->typed) == -1 ||
	    answer_keys(k, m, l->storage) == -1)
		return ST_NONSENSE;
	if ((x->account = strdup(m->account)) == NULL ||
	    (x->name = strdup(user)) == NULL)
		return ST_UNAVAILABLE;
	return ST_OK;
}

static void
scram_challenge_send(struct auth_conn *c, const struct scramkeys *k)
{
	uint8_t	random[NONCE_BYTES];
	char	nonce[BASE64_LEN(NONCE_BYTES) + 1] = "";
	char	text[SCRAM_CHALLENGE_MAX];
	ssize_t	n;

	arc4random_buf(random, sizeof(random));
	(void)base64_encode(nonce, sizeof(nonce) - 1, random, sizeof(random));
	n = scram_challenge(&c->login->scram->scram, k, nonce, text,
	    sizeof(text));
	if (n == -1)
		auth_login_unavailable(c, ST_NONSENSE,
		    st_error(ST_NONSENSE)->text);
	else
		exchange_challenge(c, text, (size_t)n);
}

void
auth_scram_answer(struct proc_peer *p, struct imsg *msg, const void *arg)
{
	const struct m_scram_answer	*m = arg;
	struct auth_ask			*ask;
	struct auth_conn		*c;
	struct scramkeys		 k;
	enum st_code			 code;

	ask = auth_ask_answered(p, msg, M_scram_query, M_none);
	if (ask == NULL)
		return;
	c = ask->arg;
	memset(&k, 0, sizeof(k));
	code = answer_read(c->login, m, &k);
	if (code == ST_OK)
		scram_challenge_send(c, &k);
	else
		auth_login_unavailable(c, code, st_error(code)->text);
	explicit_bzero(&k, sizeof(k));
}

/* the proof */

static void
scram_proof(struct auth_conn *c, const struct msg_blob *m)
{
	struct auth_login	*l = c->login;
	struct auth_scram	*x = l->scram;
	char			 text[SCRAM_CHALLENGE_MAX];
	enum scram_error	 r;

	r = scram_final(&x->scram, m->p, m->len, text, sizeof(text));
	/* others may have failed from there so often meanwhile */
	if (auth_login_throttled(c))
		auth_login_refuse(c, ST_TRY_LATER, l->typed,
		    "too many failures");
	else if (r != SCRAM_OK && r != SCRAM_PROOF)
		auth_login_refuse(c, ST_BAD_CREDENTIALS, l->typed,
		    "bad exchange");
	else if (r == SCRAM_PROOF || x->reason != NULL)
		auth_login_refuse(c, ST_BAD_CREDENTIALS, l->typed,
		    x->reason != NULL ? x->reason : "bad password");
	else {
		x->proven = 1;
		exchange_challenge(c, text, strlen(text));
	}
}

/* He has seen our proof and says nothing to it (RFC 9051, 6.2.2). */
static void
scram_end(struct auth_conn *c, const struct msg_blob *m)
{
	struct auth_login	*l = c->login;
	struct auth_scram	*x = l->scram;

	if (m->len != 0)
		auth_login_fail(c, ST_BAD_REQUEST,
		    scram_error(SCRAM_MALFORMED));
	/* by now the configuration may be another */
	else if (auth_conf->kind != AUTH_STORAGE ||
	    auth_storage_of(l->user) != l->storage)
		auth_login_refuse(c, ST_BAD_CREDENTIALS, l->typed,
		    "account changed");
	else
		auth_login_verified(c, l->storage, x->account, x->name);
}

/*
 * The login of a message: NULL for one to a challenge that is no more, as
 * when its time was up while it was on its way.
 */
static struct auth_conn *
scram_open(struct proc_peer *p, struct imsg *msg, uint32_t number)
{
	struct auth_conn *c;

	if ((c = auth_conn_known(p, msg)) == NULL)
		return NULL;
	if (c->state == CONN_SASL && c->login->scram->number == number)
		return c;
	log_debug("%s: a response to no challenge", proc_name(p));
	return NULL;
}

void
auth_scram_response(struct proc_peer *p, struct imsg *msg, const void *arg)
{
	const struct m_sasl_response	*m = arg;
	struct auth_conn		*c;

	if ((c = scram_open(p, msg, m->number)) == NULL)
		return;
	tmo_stop(&c->tmo);
	if (c->login->scram->proven)
		scram_end(c, &m->message);
	else
		scram_proof(c, &m->message);
}

void
auth_scram_abort(struct proc_peer *p, struct imsg *msg, const void *arg)
{
	const struct m_sasl_abort	*m = arg;
	struct auth_conn		*c;

	if ((c = scram_open(p, msg, m->number)) == NULL)
		return;
	tmo_stop(&c->tmo);
	auth_login_free(c->login);
	c->state = CONN_OPEN;
}
