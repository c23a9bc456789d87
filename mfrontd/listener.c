#include <sys/types.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event.h>
#include <tls.h>

#include "auth.h"
#include "conf.h"
#include "io.h"
#include "listener.h"
#include "log.h"
#include "proc.h"
#include "slots.h"
#include "tmo.h"

#define ACCEPT_TURN	8	/* connections taken at once; others wait */

/* One TLS context; connections in their handshake still point into it. */
struct ltls {
	struct tls		*ctx;
	uint32_t		 cert;
	int			 refs;
	TAILQ_ENTRY(ltls)	 entry;
};

struct lallow {
	uint8_t			 addr[16];
	uint8_t			 addrlen;
	uint8_t			 prefixlen;
	TAILQ_ENTRY(lallow)	 entry;
};

struct llisten {
	uint32_t		 id;
	int			 fd;
	enum listen_tls		 tls;
	int			 local;
	int			 allow_only;
	uint32_t		 cert;
	struct ltls		*ctx;
	char			*name;
	TAILQ_HEAD(, lallow)	 allow;
	struct event		 ev;
	TAILQ_ENTRY(llisten)	 entry;
};

struct lcert {
	uint32_t		 id;
	uint8_t			*cert, *key;
	size_t			 certlen, keylen;
	TAILQ_ENTRY(lcert)	 entry;
};

/* One configuration: that in force, and that being prepared. */
struct lconf {
	struct m_conf_limits	 limits;
	char			*hostname;
	TAILQ_HEAD(llisten_list, llisten) listens;
	TAILQ_HEAD(, ltls)	 tls;
	TAILQ_HEAD(, lcert)	 certs;		/* until the contexts stand */
};

TAILQ_HEAD(lstorages, lstorage);

struct m_conf_limits	 llimits;
const struct lproto	*lproto;

static struct lconf	*conf, *staged;
static struct slots	 sessions, requests;
static struct tmo_class	 classes[LT_MAX];
static struct tmo_class	 linger;
static uint32_t		 nlogin;	/* sessions not logged in */
static int		 spare = -1;	/* a descriptor for bad times */
static struct event	 retry;		/* accept again */
static struct tmo_class	 stopping;
static struct tmo	 stop_tmo;
static struct {
	uint64_t accepted, refused, logins, failed, timeouts, in, out;
} count;

/* configuration */

static struct lconf *
lconf_new(void)
{
	struct lconf *c;

	if ((c = calloc(1, sizeof(*c))) == NULL)
		fatal(NULL);
	TAILQ_INIT(&c->listens);
	TAILQ_INIT(&c->tls);
	TAILQ_INIT(&c->certs);
	return c;
}

static void
ltls_unref(struct ltls *t)
{
	if (t == NULL || --t->refs > 0)
		return;
	tls_free(t->ctx);
	free(t);
}

static void
lconf_free_certs(struct lconf *c)
{
	struct lcert *k;

	while ((k = TAILQ_FIRST(&c->certs)) != NULL) {
		TAILQ_REMOVE(&c->certs, k, entry);
		free(k->cert);
		freezero(k->key, k->keylen);
		free(k);
	}
}

static void
llisten_free(struct llisten *l)
{
	struct lallow *a;

	while ((a = TAILQ_FIRST(&l->allow)) != NULL) {
		TAILQ_REMOVE(&l->allow, a, entry);
		free(a);
	}
	if (l->fd != -1)
		close(l->fd);
	ltls_unref(l->ctx);
	free(l->name);
	free(l);
}

static void
lconf_free(struct lconf *c)
{
	struct llisten	*l;
	struct ltls	*t;

	if (c == NULL)
		return;
	while ((l = TAILQ_FIRST(&c->listens)) != NULL) {
		TAILQ_REMOVE(&c->listens, l, entry);
		llisten_free(l);
	}
	while ((t = TAILQ_FIRST(&c->tls)) != NULL) {
		TAILQ_REMOVE(&c->tls, t, entry);
		ltls_unref(t);
	}
	lconf_free_certs(c);
	free(c->hostname);
	free(c);
}

static void
conf_limits(struct proc_peer *p, struct imsg *msg, const void *arg)
{
	staged->limits = *(const struct m_conf_limits *)arg;
	free(staged->hostname);
	if ((staged->hostname = strdup(staged->limits.hostname)) == NULL)
		fatal(NULL);
	staged->limits.hostname = staged->hostname;
}

static void
conf_listen(struct proc_peer *p, struct imsg *msg, const void *arg)
{
	const struct m_conf_listen	*m = arg;
	struct llisten			*l;

	if ((l = calloc(1, sizeof(*l))) == NULL ||
	    (l->name = strdup(m->name)) == NULL)
		fatal(NULL);
	TAILQ_INIT(&l->allow);
	l->id = m->id;
	l->tls = m->tls;
	l->local = m->local;
	l->allow_only = m->allow;
	l->cert = m->cert;
	if ((l->fd = imsg_get_fd(&p->ib, msg)) == -1)
		fatalx("listener %s without a socket", m->name);
	TAILQ_INSERT_TAIL(&staged->listens, l, entry);
}

static void
conf_allow(struct proc_peer *p, struct imsg *msg, const void *arg)
{
	const struct m_conf_allow	*m = arg;
	struct llisten			*l;
	struct lallow			*a;

	l = TAILQ_LAST(&staged->listens, llisten_list);
	if (l == NULL || l->id != m->listen ||
	    (a = calloc(1, sizeof(*a))) == NULL)
		fatalx("bad conf_allow");
	memcpy(a->addr, m->addr.p, m->addr.len);
	a->addrlen = (uint8_t)m->addr.len;
	a->prefixlen = m->prefixlen;
	TAILQ_INSERT_TAIL(&l->allow, a, entry);
}

static uint8_t *
blob_dup(const struct msg_blob *b)
{
	uint8_t *p;

	if ((p = malloc(b->len + 1)) == NULL)
		fatal(NULL);
	memcpy(p, b->p, b->len);
	return p;
}

static void
conf_cert(struct proc_peer *p, struct imsg *msg, const void *arg)
{
	const struct m_conf_cert	*m = arg;
	struct lcert			*k;

	if ((k = calloc(1, sizeof(*k))) == NULL)
		fatal(NULL);
	k->id = m->id;
	k->cert = blob_dup(&m->cert);
	k->certlen = m->cert.len;
	k->key = blob_dup(&m->key);
	k->keylen = m->key.len;
	TAILQ_INSERT_TAIL(&staged->certs, k, entry);
}

static void
conf_storage(struct proc_peer *p, struct imsg *msg, const void *arg)
{
	/* what a listener needs of a storage comes from the engines */
}

static void
listener_conf_begin(int first)
{
	lconf_free(staged);
	staged = lconf_new();
}

/* A context with one certificate as default and the others by SNI. */
static struct tls *
ltls_make(uint32_t cert, char *err, size_t len)
{
	struct tls_config	*tc;
	struct tls		*ctx = NULL;
	struct lcert		*k;

	if ((tc = tls_config_new()) == NULL)
		fatal(NULL);
	TAILQ_FOREACH(k, &staged->certs, entry)
		if (k->id == cert && tls_config_set_keypair_mem(tc, k->cert,
		    k->certlen, k->key, k->keylen) == -1)
			goto fail;
	TAILQ_FOREACH(k, &staged->certs, entry)
		if (k->id != cert && tls_config_add_keypair_mem(tc, k->cert,
		    k->certlen, k->key, k->keylen) == -1)
			goto fail;
	if ((ctx = tls_server()) == NULL)
		fatal(NULL);
	if (tls_configure(ctx, tc) == -1) {
		snprintf(err, len, "certificate: %s", tls_error(ctx));
		tls_free(ctx);
		ctx = NULL;
	}
	tls_config_free(tc);
	return ctx;
 fail:
	snprintf(err, len, "certificate: %s", tls_config_error(tc));
	tls_config_free(tc);
	return NULL;
}

static struct ltls *
ltls_for(uint32_t cert, char *err, size_t len)
{
	struct ltls *t;

	TAILQ_FOREACH(t, &staged->tls, entry)
		if (t->cert == cert)
			break;
	if (t == NULL) {
		if ((t = calloc(1, sizeof(*t))) == NULL)
			fatal(NULL);
		t->cert = cert;
		if ((t->ctx = ltls_make(cert, err, len)) == NULL) {
			free(t);
			return NULL;
		}
		t->refs = 1;
		TAILQ_INSERT_TAIL(&staged->tls, t, entry);
	}
	t->refs++;
	return t;
}

static int
listener_conf_end(char *err, size_t len)
{
	struct llisten *l;

	TAILQ_FOREACH(l, &staged->listens, entry)
		if (l->tls != LISTEN_PLAIN &&
		    (l->ctx = ltls_for(l->cert, err, len)) == NULL)
			return -1;
	lconf_free_certs(staged);
	return 0;
}

static void	listener_accept(int, short, void *);

static void
listen_events(struct lconf *c, int on)
{
	struct llisten *l;

	if (c == NULL)
		return;
	TAILQ_FOREACH(l, &c->listens, entry) {
		if (on)
			event_add(&l->ev, NULL);
		else
			event_del(&l->ev);
	}
}

static void
listener_conf_commit(void)
{
	struct llisten *l;

	TAILQ_FOREACH(l, &staged->listens, entry)
		event_set(&l->ev, l->fd, EV_READ | EV_PERSIST,
		    listener_accept, l);
	listen_events(conf, 0);
	lconf_free(conf);
	conf = staged;
	staged = NULL;
	llimits = conf->limits;
	tmo_class_set(&classes[LT_LOGIN], (int)llimits.t_login);
	tmo_class_set(&classes[LT_IDLE], (int)llimits.t_idle);
	tmo_class_set(&classes[LT_COMMAND], (int)llimits.t_command);
	tmo_class_set(&classes[LT_BACKEND], (int)llimits.t_backend);
	tmo_class_set(&classes[LT_WRITE], (int)llimits.t_write);
	tmo_class_set(&linger, (int)llimits.t_write);
	if (lproto->conf != NULL)
		lproto->conf();
	if (!proc_self.stopping)
		listen_events(conf, 1);
}

static void
listener_conf_abort(void)
{
	lconf_free(staged);
	staged = NULL;
}

/* sessions */

struct lsession *
lsession_find(uint32_t id)
{
	return slots_get(&sessions, id);
}

struct lsession *
lsession_each(uint32_t *i)
{
	return slots_each(&sessions, i);
}

const char *
lsession_remote(const struct lsession *s)
{
	static char buf[INET6_ADDRSTRLEN];

	if (s->addrlen == 0)
		return "local";
	if (inet_ntop(s->addrlen == 4 ? AF_INET : AF_INET6, s->addr, buf,
	    sizeof(buf)) == NULL)
		return "?";
	return buf;
}

void
lsession_timeout(struct lsession *s, enum ltimeout what)
{
	if (s->flags & LS_ENDING)
		return;
	/* nobody stays for ever without a login, whatever he does */
	if ((s->flags & (LS_LOGGED_IN | LS_AUTH)) == 0 &&
	    lproto->role != ROLE_LMTP)
		what = LT_LOGIN;
	if (what == LT_LOGIN && s->tmo.class == &classes[LT_LOGIN])
		return;
	tmo_start(&s->tmo, &classes[what]);
}

void
lsession_unfinished(struct lsession *s)
{
	if (s->tmo.class != &classes[LT_COMMAND])
		lsession_timeout(s, LT_COMMAND);
}

static void
class_fired(struct tmo *t)
{
	struct lsession	*s;
	enum ltimeout	 what;

	s = (struct lsession *)(void *)((char *)t -
	    offsetof(struct lsession, tmo));
	what = (enum ltimeout)(t->fired - classes);
	count.timeouts++;
	if (what == LT_WRITE)
		io_abort(&s->io, "client does not read");
	else if (io_outlen(&s->io) > 0 && what != LT_BACKEND)
		io_abort(&s->io, "client does not read");
	else
		lproto->timeout(s, what);
}

static void
linger_fired(struct tmo *t)
{
	struct lsession *s;

	s = (struct lsession *)(void *)((char *)t -
	    offsetof(struct lsession, tmo));
	io_abort(&s->io, "client does not read");
}

void
lsession_end(struct lsession *s, const char *why)
{
	if (s->flags & LS_ENDING)
		return;
	s->flags |= LS_ENDING;
	tmo_start(&s->tmo, &linger);
	/* in the middle of a handshake nothing can be said */
	if (s->io.flags & IO_HANDSHAKE)
		io_abort(&s->io, why);
	else
		io_close(&s->io, why);
}

int
lsession_private(const struct lsession *s)
{
	if (io_is_tls(&s->io) || s->flags & LS_LOCAL)
		return 1;
	return (s->flags & LS_LOOPBACK) && llimits.plain_loopback;
}

int
lsession_starttls(struct lsession *s)
{
	if (s->tls == NULL || io_is_tls(&s->io))
		return -1;
	return io_tls_server(&s->io, s->tls->ctx);
}

int
lsession_bad(struct lsession *s)
{
	return ++s->badcmds > llimits.badcmds;
}

void
lsession_good(struct lsession *s)
{
	if (s->flags & LS_LOGGED_IN || lproto->role == ROLE_LMTP)
		s->badcmds = 0;
}

static size_t
session_data(struct io *io, const uint8_t *p, size_t len)
{
	struct lsession *s = io->arg;

	s->last = tmo_now();
	return lproto->data(s, p, len);
}

static void
session_drained(struct io *io)
{
	if (lproto->drained != NULL)
		lproto->drained(io->arg);
}

static void
session_open(struct lsession *s)
{
	s->flags |= LS_OPEN;
	lproto->open(s);
}

static void
session_secured(struct io *io)
{
	struct lsession *s = io->arg;

	if (s->flags & LS_OPEN)
		lproto->secured(s);
	else
		session_open(s);
}

static void
session_uncount(struct lsession *s)
{
	if (s->flags & LS_COUNTED) {
		s->flags &= ~(uint32_t)LS_COUNTED;
		nlogin--;
	}
}

static void
session_log_closed(struct lsession *s, const char *why)
{
	char name[64];

	proc_session(name, sizeof(name), s->id);
	log_info("session=%s event=closed remote=%s user=%s reason=\"%s\" "
	    "in=%llu out=%llu", name, lsession_remote(s),
	    s->user != NULL ? s->user : "-", why,
	    (unsigned long long)s->io.nin, (unsigned long long)s->io.nout);
}

static void
session_closed(struct io *io, const char *why)
{
	struct lsession	*s = io->arg;
	struct streq	*rq;

	while ((rq = TAILQ_FIRST(&s->reqs)) != NULL)
		st_cancel(rq);
	session_log_closed(s, why);
	lproto->closed(s);
	count.in += s->io.nin;
	count.out += s->io.nout;
	tmo_stop(&s->tmo);
	session_uncount(s);
	proc_send(proc_find(ROLE_AUTH, 0), M_conn_close, s->id, 0, -1, NULL);
	slots_del(&sessions, s->id);
	ltls_unref(s->tls);
	free(s->user);
	free(s);
	if (proc_self.stopping && sessions.used == 0)
		proc_exit(0);
}

static const struct io_ops session_ops = {
	.data = session_data,
	.drained = session_drained,
	.secured = session_secured,
	.closed = session_closed
};

static void
session_announce(struct lsession *s)
{
	struct m_conn_open m;

	m.addr = msg_blob_of(s->addr, s->addrlen);
	m.tls = (uint8_t)io_is_tls(&s->io);
	m.in = (s->flags & LS_LOGGED_IN) != 0;
	proc_send(proc_find(ROLE_AUTH, 0), M_conn_open, s->id, 0, -1, &m);
}

static void
session_address(struct lsession *s, const struct sockaddr_storage *ss)
{
	static const uint8_t	 mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	    0xff, 0xff };
	const struct sockaddr_in6 *s6 = (const struct sockaddr_in6 *)ss;
	const struct sockaddr_in *s4 = (const struct sockaddr_in *)ss;

	if (ss->ss_family == AF_INET) {
		memcpy(s->addr, &s4->sin_addr, s->addrlen = 4);
	} else if (ss->ss_family == AF_INET6) {
		memcpy(s->addr, &s6->sin6_addr, s->addrlen = 16);
		if (memcmp(s->addr, mapped, sizeof(mapped)) == 0)
			memmove(s->addr, s->addr + 12, s->addrlen = 4);
	} else {
		s->flags |= LS_LOCAL;
		return;
	}
	if ((s->addrlen == 4 && s->addr[0] == 127) ||
	    (s->addrlen == 16 && IN6_IS_ADDR_LOOPBACK(&s6->sin6_addr)))
		s->flags |= LS_LOOPBACK;
}

static int
allow_match(const struct lallow *a, const struct lsession *s)
{
	int bytes = a->prefixlen / 8, bits = a->prefixlen % 8;

	if (a->addrlen != s->addrlen ||
	    memcmp(a->addr, s->addr, (size_t)bytes) != 0)
		return 0;
	return bits == 0 ||
	    (a->addr[bytes] ^ s->addr[bytes]) >> (8 - bits) == 0;
}

static int
session_allowed(const struct llisten *l, const struct lsession *s)
{
	const struct lallow *a;

	if (!l->allow_only || l->local)
		return 1;
	TAILQ_FOREACH(a, &l->allow, entry)
		if (allow_match(a, s))
			return 1;
	return 0;
}

/* Why a new connection cannot stay, or NULL. */
static const char *
session_refused(const struct llisten *l, const struct lsession *s)
{
	if (!session_allowed(l, s))
		return "Access denied";
	if (sessions.used > llimits.conn_total)
		return "Too many connections";
	if (nlogin > llimits.conn_login)
		return "Too many connections wait for a login";
	return NULL;
}

static struct lsession *
session_new(struct llisten *l, int fd, const struct sockaddr_storage *ss)
{
	struct lsession	*s;
	int		 on = 1;

	if ((s = calloc(1, lproto->size)) == NULL)
		return NULL;
	if (io_init(&s->io, fd, &session_ops, s) == -1 ||
	    (s->id = slots_add(&sessions, s)) == 0) {
		free(s);
		return NULL;
	}
	TAILQ_INIT(&s->reqs);
	session_address(s, ss);
	if (!l->local)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on,
		    sizeof(on));
	s->since = s->last = tmo_now();
	if ((s->tls = l->ctx) != NULL)
		s->tls->refs++;
	if (l->tls == LISTEN_STARTTLS)
		s->flags |= LS_STARTTLS;
	if (lproto->role != ROLE_LMTP) {
		s->flags |= LS_COUNTED;
		nlogin++;
	}
	io_secret(&s->io, lproto->role != ROLE_LMTP);
	lsession_timeout(s, LT_IDLE);
	return s;
}

static void
session_begin(struct llisten *l, int fd, const struct sockaddr_storage *ss)
{
	struct lsession	*s;
	const char	*why;

	if ((s = session_new(l, fd, ss)) == NULL) {
		log_warn("connection refused");
		count.refused++;
		close(fd);
		return;
	}
	count.accepted++;
	session_announce(s);
	if ((why = session_refused(l, s)) != NULL) {
		count.refused++;
		if (l->tls == LISTEN_TLS)
			io_abort(&s->io, why);
		else
			lproto->goodbye(s, why);
		return;
	}
	if (l->tls == LISTEN_TLS) {
		s->flags |= LS_TLS_FIRST;
		if (io_tls_server(&s->io, s->tls->ctx) == -1)
			return;
	} else
		session_open(s);
	io_resume(&s->io);
}

/* A way that the sandbox leaves open. */
static void
spare_take(void)
{
	if (spare == -1)
		spare = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
}

static void
listener_again(int fd, short ev, void *arg)
{
	spare_take();
	if (!proc_self.stopping)
		listen_events(conf, 1);
}

/* No descriptor left: one connection is turned away, the others wait. */
static void
accept_full(struct llisten *l)
{
	struct timeval	tv = { 1, 0 };
	int		fd;

	log_warn("%s: accept", l->name);
	if (spare != -1) {
		close(spare);
		spare = -1;
		if ((fd = accept(l->fd, NULL, NULL)) != -1)
			close(fd);
		spare_take();
	}
	count.refused++;
	listen_events(conf, 0);
	evtimer_set(&retry, listener_again, NULL);
	evtimer_add(&retry, &tv);
}

static void
listener_accept(int lfd, short ev, void *arg)
{
	struct llisten		*l = arg;
	struct sockaddr_storage	 ss;
	socklen_t		 len;
	int			 fd, i;

	for (i = 0; i < ACCEPT_TURN; i++) {
		memset(&ss, 0, sizeof(ss));
		len = sizeof(ss);
		fd = accept(lfd, (struct sockaddr *)&ss, &len);
		if (fd == -1) {
			if (errno == EMFILE || errno == ENFILE ||
			    errno == ENOBUFS || errno == ENOMEM)
				accept_full(l);
			return;
		}
		session_begin(l, fd, &ss);
	}
}

/* logins */

static uint32_t mechs;		/* as auth told us, 0: not yet */

static void
listener_auth_mechs(struct proc_peer *p, struct imsg *msg, const void *arg)
{
	mechs = ((const struct m_auth_mechs *)arg)->mechs;
}

int
lsession_mech(const struct lsession *s, int mech)
{
	return lsession_private(s) && (mech == AUTH_PASSWORD ||
	    (mechs & AUTH_MECH(mech)) != 0);
}

static void
login_no_auth(struct lsession *s)
{
	lproto->login(s, ST_UNAVAILABLE,
	    "Authentication is not available now");
}

void
lsession_sasl(struct lsession *s, int mech, const void *p, size_t len)
{
	struct proc_peer	*auth = proc_find(ROLE_AUTH, 0);
	struct m_sasl_start	 m;

	if (auth == NULL) {
		login_no_auth(s);
		return;
	}
	m.mech = (uint8_t)mech;
	m.tls = (uint8_t)io_is_tls(&s->io);
	m.message = msg_blob_of(p, len);
	s->flags |= LS_AUTH;
	lsession_timeout(s, LT_BACKEND);
	proc_send(auth, M_sasl_start, s->id, 0, -1, &m);
}

void
lsession_sasl_answer(struct lsession *s, const void *p, size_t len)
{
	struct m_sasl_response m;

	m.number = s->challenge;
	m.message = msg_blob_of(p, len);
	s->flags = (s->flags & ~(uint32_t)LS_SASL) | LS_AUTH;
	lsession_timeout(s, LT_BACKEND);
	proc_send(proc_find(ROLE_AUTH, 0), M_sasl_response, s->id, 0, -1, &m);
}

void
lsession_sasl_abort(struct lsession *s)
{
	struct m_sasl_abort m;

	m.number = s->challenge;
	s->flags &= ~(uint32_t)LS_SASL;
	proc_send(proc_find(ROLE_AUTH, 0), M_sasl_abort, s->id, 0, -1, &m);
}

static void
listener_sasl_challenge(struct proc_peer *p, struct imsg *msg,
    const void *arg)
{
	const struct m_sasl_challenge	*m = arg;
	struct lsession			*s = lsession_find(msg->id);

	if (s == NULL || (s->flags & (LS_AUTH | LS_ENDING)) != LS_AUTH)
		return;
	s->flags = (s->flags & ~(uint32_t)LS_AUTH) | LS_SASL;
	s->challenge = m->number;
	lsession_timeout(s, LT_IDLE);
	lproto->challenge(s, m->message.p, m->message.len);
}

void
lsession_login(struct lsession *s, int mech, const char *user,
    const char *authzid, const char *secret)
{
	struct proc_peer	*auth = proc_find(ROLE_AUTH, 0);
	struct m_auth_req	 m;

	if (auth == NULL) {
		login_no_auth(s);
		return;
	}
	memset(&m, 0, sizeof(m));
	m.mech = (uint8_t)mech;
	m.tls = (uint8_t)io_is_tls(&s->io);
	m.user = user;
	m.authzid = authzid;
	m.secret = secret;
	m.remote = lsession_remote(s);
	s->flags |= LS_AUTH;
	lsession_timeout(s, LT_BACKEND);
	proc_send(auth, M_auth_req, s->id, 0, -1, &m);
}

static void
listener_auth_ok(struct proc_peer *p, struct imsg *msg, const void *arg)
{
	const struct m_auth_ok	*m = arg;
	struct lsession		*s = lsession_find(msg->id);
	char			 name[64];

	/* it may have ended while auth thought: its end is on the way there */
	if (s == NULL || (s->flags & (LS_AUTH | LS_ENDING)) != LS_AUTH)
		return;
	if ((s->user = strdup(m->user)) == NULL) {
		io_abort(&s->io, "no memory");
		return;
	}
	s->flags &= ~(uint32_t)LS_AUTH;
	s->flags |= LS_LOGGED_IN | LS_GRANTED;
	s->engine = m->engine;
	s->egen = m->egen;
	s->acct = m->acct;
	s->storage = m->storage;
	io_secret(&s->io, 0);
	session_uncount(s);
	count.logins++;
	proc_session(name, sizeof(name), s->id);
	log_info("session=%s event=login remote=%s user=%s tls=%s", name,
	    lsession_remote(s), s->user, io_is_tls(&s->io) ? "yes" : "no");
	lsession_timeout(s, LT_IDLE);
	lproto->login(s, ST_OK, "");
}

static void
listener_auth_fail(struct proc_peer *p, struct imsg *msg, const void *arg)
{
	const struct m_auth_fail	*m = arg;
	struct lsession			*s = lsession_find(msg->id);

	/* while the client has a challenge its time may have come, too */
	if (s == NULL || s->flags & LS_ENDING ||
	    (s->flags & (LS_AUTH | LS_SASL)) == 0)
		return;
	s->flags &= ~(uint32_t)(LS_AUTH | LS_SASL);
	count.failed++;
	lsession_timeout(s, LT_IDLE);
	lproto->login(s, m->code == ST_OK ? ST_INTERNAL : m->code, m->text);
}

static const char *const kick_texts[] = {
	[KICK_ADDRESS] = "Too many connections from your address",
	[KICK_REMOVED] = "The account was removed",
	[KICK_STORAGE] = "The storage ended the session",
	[KICK_ADMIN] = "Disconnected by administrator",
};

static void
listener_kick(struct proc_peer *p, struct imsg *msg, const void *arg)
{
	const struct m_kick	*m = arg;
	struct lsession		*s = lsession_find(msg->id);

	if (s == NULL || s->flags & LS_ENDING)
		return;
	/* the reason is logged when the message is long gone */
	lproto->goodbye(s, m->why < sizeof(kick_texts) /
	    sizeof(kick_texts[0]) ? kick_texts[m->why] : "Disconnected");
}

/* engines: what they tell, and grants that are given again */

static struct lstorages *
engine_storages(struct proc_peer *p)
{
	struct lstorages *l;

	if ((l = p->data) == NULL) {
		if ((l = malloc(sizeof(*l))) == NULL)
			fatal(NULL);
		TAILQ_INIT(l);
		p->data = l;
	}
	return l;
}

const struct lstorage *
lstorage_of(struct proc_peer *p, uint16_t id)
{
	static const struct lstorage	 unknown;
	struct lstorage			*st;

	if (p != NULL)
		TAILQ_FOREACH(st, engine_storages(p), entry)
			if (st->id == id)
				return st;
	return &unknown;
}

uint64_t
lstorage_message_max(void)
{
	struct proc_peer	*p;
	struct lstorage		*st;
	uint64_t		 max = 0;

	TAILQ_FOREACH(p, &proc_self.peers, entry) {
		if (p->role != ROLE_ENGINE)
			continue;
		TAILQ_FOREACH(st, engine_storages(p), entry) {
			if (!st->up)
				continue;
			if (st->message == 0)
				return llimits.message;
			if (st->message > max)
				max = st->message;
		}
	}
	return max == 0 || max > llimits.message ? llimits.message : max;
}

struct proc_peer *
lsession_engine(const struct lsession *s)
{
	struct proc_peer *p = proc_find(ROLE_ENGINE, s->engine);

	return p != NULL && p->gen == s->egen ? p : NULL;
}

const struct lstorage *
lsession_storage(const struct lsession *s)
{
	return lstorage_of(lsession_engine(s), s->storage);
}

static void
listener_st_info(struct proc_peer *p, struct imsg *msg, const void *arg)
{
	const struct m_st_info	*m = arg;
	struct lstorages	*l = engine_storages(p);
	struct lstorage		*st;

	TAILQ_FOREACH(st, l, entry)
		if (st->id == m->storage)
			break;
	if (st == NULL) {
		if ((st = calloc(1, sizeof(*st))) == NULL)
			fatal(NULL);
		st->id = m->storage;
		TAILQ_INSERT_TAIL(l, st, entry);
	}
	st->up = m->up;
	st->caps = m->caps;
	st->message = m->message;
	st->recipients = m->recipients;
	st->epoch = m->epoch;
	st->set = m->set;
	st->search.keys = m->search;
	st->search.nodes = m->nodes;
	st->search.depth = m->depth;
	st->search.texts = m->texts;
	st->sort = m->sort;
	st->thread = m->thread;
	st->annotation = m->annotation;
	st->batch = m->batch;
	st->parts = m->parts;
	if (lproto->storage != NULL)
		lproto->storage(p, st);
}

static void	st_release_held(struct lsession *);

static void
listener_regrant(struct proc_peer *p, struct imsg *msg, const void *arg)
{
	const struct m_regrant	*m = arg;
	struct lsession		*s = lsession_find(msg->id);

	if (s == NULL || (s->flags & LS_LOGGED_IN) == 0)
		return;
	s->engine = m->engine;
	s->egen = m->egen;
	s->acct = m->acct;
	s->flags |= LS_GRANTED;
	if (lproto->regranted != NULL)
		lproto->regranted(s);
	st_release_held(s);
}

static void	st_engine_lost(struct proc_peer *);

/* What was asked of auth has no answer any more. */
static void
session_auth_lost(struct lsession *s)
{
	if (s->flags & LS_ENDING)
		return;
	if (s->flags & (LS_AUTH | LS_SASL)) {
		s->flags &= ~(uint32_t)(LS_AUTH | LS_SASL);
		login_no_auth(s);
	}
	if (lproto->auth_lost != NULL)
		lproto->auth_lost(s);
}

/*
 * A new auth is told which sessions are logged in.  That must stay true: if
 * the old one's end was not seen yet, it is not heard any more.
 */
static void
listener_auth_up(struct proc_peer *new)
{
	struct proc_peer *p;

	TAILQ_FOREACH(p, &proc_self.peers, entry)
		if (p->role == ROLE_AUTH && p != new)
			proc_drop(p);
}

static void
listener_peer_up(struct proc_peer *p)
{
	struct lsession	*s;
	uint32_t	 i = 0;

	if (p->role == ROLE_ENGINE && lproto->engine != NULL)
		lproto->engine(p, 1);
	if (p->role == ROLE_AUTH) {
		mechs = 0;
		listener_auth_up(p);
	}
	while ((s = lsession_each(&i)) != NULL) {
		if (p->role == ROLE_AUTH) {
			session_auth_lost(s);
			session_announce(s);
		} else if (p->role == ROLE_ENGINE && s->egen == p->gen) {
			/* auth may have known of it before we did */
			st_release_held(s);
		}
	}
}

static void
listener_peer_down(struct proc_peer *p)
{
	struct lstorages	*l = p->data;
	struct lstorage		*st;
	struct lsession		*s;
	uint32_t		 i = 0;

	if (p->role == ROLE_ENGINE) {
		st_engine_lost(p);
		if (lproto->engine != NULL)
			lproto->engine(p, 0);
	}
	/* if there is another one, it was done when that came */
	if (p->role == ROLE_AUTH && proc_find(ROLE_AUTH, 0) == NULL) {
		mechs = 0;
		while ((s = lsession_each(&i)) != NULL)
			session_auth_lost(s);
	}
	if (l == NULL)
		return;
	while ((st = TAILQ_FIRST(l)) != NULL) {
		TAILQ_REMOVE(l, st, entry);
		free(st);
	}
	free(l);
	p->data = NULL;
}

/* requests */

int
st_active(const struct streq *rq)
{
	return rq->req != 0;
}

int
st_ready(const struct lsession *s)
{
	return s->flags & LS_GRANTED && lsession_engine(s) != NULL;
}

static void
st_forget(struct streq *rq)
{
	slots_del(&requests, rq->req);
	rq->req = 0;
	ibuf_free(rq->held);
	rq->held = NULL;
	TAILQ_REMOVE(&rq->s->reqs, rq, entry);
}

/* The end that the engine did not send. */
static void
st_fail(struct streq *rq, enum st_code code)
{
	struct m_st_end m;

	memset(&m, 0, sizeof(m));
	m.code = (uint16_t)code;
	m.text = st_error(code)->text;
	st_forget(rq);
	rq->answer(rq, M_st_end, &m);
}

static void
st_hold(struct streq *rq, const void *m)
{
	if ((rq->held = ibuf_open(IMSG_MAX)) == NULL ||
	    msg_encode(rq->held, rq->type, m) == -1)
		fatal("request");
	rq->egen = 0;
}

static void
st_begin(struct lsession *s, struct streq *rq, enum msg_type type)
{
	rq->s = s;
	rq->type = type;
	rq->held = NULL;
	rq->credit = ST_CREDIT_FIRST;
	if ((rq->req = slots_add(&requests, rq)) == 0)
		fatalx("too many requests");
	TAILQ_INSERT_TAIL(&s->reqs, rq, entry);
}

void
st_send_to(struct lsession *s, struct streq *rq, struct proc_peer *p,
    enum msg_type type, const void *m)
{
	st_begin(s, rq, type);
	rq->egen = p->gen;
	rq->engine = p->slot;
	proc_send(p, type, s->id, rq->req, -1, m);
}

void
st_send(struct lsession *s, struct streq *rq, enum msg_type type,
    const void *m)
{
	struct proc_peer *p = lsession_engine(s);

	if (p != NULL && s->flags & LS_GRANTED) {
		st_send_to(s, rq, p, type, m);
		return;
	}
	st_begin(s, rq, type);
	st_hold(rq, m);
}

void
st_tell(struct lsession *s, enum msg_type type, const void *m)
{
	struct streq rq;

	if (!st_ready(s))
		return;
	memset(&rq, 0, sizeof(rq));
	st_send(s, &rq, type, m);
	st_forget(&rq);
}

static struct proc_peer *
st_peer(const struct streq *rq)
{
	return rq->egen == 0 ? NULL :
	    proc_find_gen(ROLE_ENGINE, rq->egen);
}

void
st_cancel(struct streq *rq)
{
	if (rq->req == 0)
		return;
	if (rq->egen != 0)
		proc_send(st_peer(rq), M_st_cancel, rq->s->id, rq->req, -1,
		    NULL);
	st_forget(rq);
}

void
st_credit(struct streq *rq, uint32_t bytes)
{
	struct m_st_credit m;

	if (rq->req == 0 || rq->egen == 0)
		return;
	m.bytes = bytes;
	proc_send(st_peer(rq), M_st_credit, rq->s->id, rq->req, -1, &m);
}

int
st_data(struct streq *rq, const void *p, size_t len)
{
	struct m_st_data m;

	if (rq->req == 0 || len > rq->credit)
		return -1;
	rq->credit -= len;
	while (len > 0) {
		m.data = msg_blob_of(p, len < ST_DATA_MAX ? len :
		    ST_DATA_MAX);
		proc_send(st_peer(rq), M_st_data, rq->s->id, rq->req, -1,
		    &m);
		p = (const char *)p + m.data.len;
		len -= m.data.len;
	}
	return 0;
}

void
st_data_end(struct streq *rq)
{
	if (rq->req != 0)
		proc_send(st_peer(rq), M_st_data_end, rq->s->id, rq->req, -1,
		    NULL);
}

static void
st_engine_lost(struct proc_peer *p)
{
	struct lsession	*s;
	struct streq	*rq;
	uint32_t	 i = 0;

	while ((s = lsession_each(&i)) != NULL) {
		if (s->egen == p->gen)
			s->flags &= ~(uint32_t)LS_GRANTED;
		/* what is called may end other requests, or begin some */
		do {
			TAILQ_FOREACH(rq, &s->reqs, entry)
				if (rq->egen == p->gen)
					break;
			if (rq != NULL)
				st_fail(rq, ST_UNAVAILABLE);
		} while (rq != NULL);
	}
}

static void
st_release_held(struct lsession *s)
{
	struct proc_peer	*p = lsession_engine(s);
	struct streq		*rq;

	if (p == NULL)
		return;
	TAILQ_FOREACH(rq, &s->reqs, entry) {
		if (rq->held == NULL)
			continue;
		rq->egen = p->gen;
		rq->engine = p->slot;
		proc_send_raw(p, rq->type, s->id, rq->req, rq->held);
		ibuf_free(rq->held);
		rq->held = NULL;
	}
}

/* Every answer of an engine: to the request it names, if that still is. */
static void
listener_answer(struct proc_peer *p, struct imsg *msg, const void *arg)
{
	struct streq *rq = slots_get(&requests, msg->req);

	if (rq == NULL || rq->egen != p->gen || rq->s->id != msg->id)
		return;
	if (msg->type == M_st_credit) {
		rq->credit += ((const struct m_st_credit *)arg)->bytes;
	} else if (msg->type == M_st_end)
		st_forget(rq);
	rq->answer(rq, msg->type, arg);
}

/* control */

static void
listener_show(struct proc_peer *p, uint32_t req, struct lsession *s)
{
	struct m_ctl_session	 m;
	char			 name[64];

	memset(&m, 0, sizeof(m));
	proc_session(name, sizeof(name), s->id);
	m.name = name;
	m.service = lproto->service;
	m.user = s->user;
	m.remote = lsession_remote(s);
	m.tls = (uint8_t)io_is_tls(&s->io);
	m.age = (uint32_t)(tmo_now() - s->since);
	m.idle = (uint32_t)(tmo_now() - s->last);
	m.in = s->io.nin;
	m.out = s->io.nout;
	lproto->show(s, &m);
	proc_send(p, M_ctl_session, s->id, req, -1, &m);
}

static void
listener_sessions(struct proc_peer *p, struct imsg *msg, const void *arg)
{
	const struct m_ctl_sessions	*q = arg;
	struct m_ctl_end		 end = { 1, "", 0 };
	struct lsession			*s;
	uint32_t			 i = q->from, n;

	if (q->session != 0) {
		if ((s = slots_get(&sessions, q->session)) != NULL)
			listener_show(p, msg->req, s);
	} else {
		for (n = 0; n < q->count; n++) {
			if ((s = lsession_each(&i)) == NULL)
				break;
			listener_show(p, msg->req, s);
		}
		if (n == q->count)
			end.next = i;
	}
	proc_send(p, M_ctl_end, 0, msg->req, -1, &end);
}

static void
listener_stats(struct proc_peer *p, struct imsg *msg, const void *arg)
{
	struct m_ctl_end	 end = { 1, "" };
	struct lsession		*s;
	uint64_t		 in = count.in, out = count.out;
	uint32_t		 i = 0;

	while ((s = lsession_each(&i)) != NULL) {
		in += s->io.nin;
		out += s->io.nout;
	}
	proc_stat(p, msg->req, "sessions", sessions.used);
	proc_stat(p, msg->req, "accepted", count.accepted);
	proc_stat(p, msg->req, "refused", count.refused);
	if (lproto->role != ROLE_LMTP) {
		proc_stat(p, msg->req, "logins", count.logins);
		proc_stat(p, msg->req, "login-failures", count.failed);
	}
	proc_stat(p, msg->req, "timeouts", count.timeouts);
	proc_stat(p, msg->req, "bytes-in", in);
	proc_stat(p, msg->req, "bytes-out", out);
	proc_stat(p, msg->req, "requests-open", requests.used);
	if (lproto->stats != NULL)
		lproto->stats(p, msg->req);
	proc_send(p, M_ctl_end, 0, msg->req, -1, &end);
}

/* stop */

static void
stop_fired(struct tmo *t)
{
	proc_exit(0);
}

/* Who comes now is refused, rather than left to wait. */
static void
listen_end(struct lconf *c)
{
	struct llisten *l;

	listen_events(c, 0);
	if (c == NULL)
		return;
	TAILQ_FOREACH(l, &c->listens, entry) {
		close(l->fd);
		l->fd = -1;
	}
}

static void
listener_stop(uint32_t grace)
{
	struct lsession	*s;
	uint32_t	 i = 0;

	listen_end(conf);
	if (sessions.used == 0)
		proc_exit(0);
	while ((s = lsession_each(&i)) != NULL)
		if (lproto->busy == NULL || !lproto->busy(s))
			lproto->goodbye(s, "Server shutting down");
	tmo_class_init(&stopping, grace > 0 ? (int)grace : 1, stop_fired);
	tmo_start(&stop_tmo, &stopping);
}

static int
listener_init(void)
{
	if (tls_init() == -1) {
		log_warnx("tls_init failed");
		return -1;
	}
	spare_take();
	return lproto->init != NULL ? lproto->init() : 0;
}

static const struct {
	enum msg_type	type;
	proc_handler	handler;
} base[] = {
	{ M_conf_limits,	conf_limits },
	{ M_conf_listen,	conf_listen },
	{ M_conf_allow,		conf_allow },
	{ M_conf_cert,		conf_cert },
	{ M_conf_storage,	conf_storage },
	{ M_auth_mechs,		listener_auth_mechs },
	{ M_sasl_challenge,	listener_sasl_challenge },
	{ M_auth_ok,		listener_auth_ok },
	{ M_auth_fail,		listener_auth_fail },
	{ M_regrant,		listener_regrant },
	{ M_kick,		listener_kick },
	{ M_st_info,		listener_st_info },
	{ M_st_mbox,		listener_answer },
	{ M_st_head,		listener_answer },
	{ M_st_rows,		listener_answer },
	{ M_st_vanished,	listener_answer },
	{ M_st_data,		listener_answer },
	{ M_st_credit,		listener_answer },
	{ M_st_stored,		listener_answer },
	{ M_st_change,		listener_answer },
	{ M_st_modified,	listener_answer },
	{ M_st_copied,		listener_answer },
	{ M_st_recent_ok,	listener_answer },
	{ M_st_found_head,	listener_answer },
	{ M_st_found,		listener_answer },
	{ M_st_order,		listener_answer },
	{ M_st_thread,		listener_answer },
	{ M_st_dict_ok,		listener_answer },
	{ M_st_quota_root,	listener_answer },
	{ M_st_meta,		listener_answer },
	{ M_st_end,		listener_answer },
	{ M_ctl_sessions,	listener_sessions },
	{ M_ctl_stats,		listener_stats },
};

void
listener_main(const struct lproto *lp, const proc_handler *own)
{
	static proc_handler	handlers[M_MAX];
	struct proc_ops		ops;
	size_t			i;

	lproto = lp;
	slots_init(&sessions);
	slots_init(&requests);
	for (i = 0; i < LT_MAX; i++)
		tmo_class_init(&classes[i], 60, class_fired);
	tmo_class_init(&linger, 60, linger_fired);
	if (own != NULL)
		memcpy(handlers, own, sizeof(handlers));
	for (i = 0; i < sizeof(base) / sizeof(base[0]); i++)
		handlers[base[i].type] = base[i].handler;
	memset(&ops, 0, sizeof(ops));
	ops.role = lp->role;
	ops.title = lp->service;
	ops.init = listener_init;
	ops.handlers = handlers;
	ops.peer_up = listener_peer_up;
	ops.peer_down = listener_peer_down;
	ops.conf_begin = listener_conf_begin;
	ops.conf_end = listener_conf_end;
	ops.conf_commit = listener_conf_commit;
	ops.conf_abort = listener_conf_abort;
	ops.stop = listener_stop;
	ops.turn = lp->turn;
	proc_main(&ops);
}
