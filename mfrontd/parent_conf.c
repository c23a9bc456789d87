/*
 * What each role is told of the configuration: one function a part, and a
 * table of who gets which.
 */
#include <sys/types.h>
#include <sys/stat.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "parent.h"

#define STORE_BASE	"/v1"	/* where mstored answers */

static void
send_limits(struct child *c, const struct conf *conf)
{
	const struct conf_limits	*l = &conf->limits;
	struct m_conf_limits		 m;

	memset(&m, 0, sizeof(m));
	m.conn_total = l->conn_total;
	m.conn_address = l->conn_address;
	m.conn_account = l->conn_account;
	m.conn_login = l->conn_login;
	m.message = l->message;
	m.line = l->line;
	m.literal = l->literal;
	m.recipients = l->recipients;
	m.rcpt_rate = l->rcpt_rate;
	m.badcmds = l->badcmds;
	m.t_login = l->t_login;
	m.t_idle = l->t_idle;
	m.t_command = l->t_command;
	m.t_write = l->t_write;
	m.t_backend = l->t_backend;
	m.poll = l->poll;
	m.check = l->check;
	m.delay = l->delay;
	m.failures = l->failures;
	m.cache = l->cache;
	m.pool = l->pool;
	m.plain_loopback = (uint8_t)conf->plain_loopback;
	m.hostname = conf->hostname;
	proc_send(c->peer, M_conf_limits, 0, 0, -1, &m);
}

static void
send_allow(struct child *c, const struct conf_listen *l)
{
	const struct conf_allow	*a;
	struct m_conf_allow	 m;

	TAILQ_FOREACH(a, &l->allow, entry) {
		m.listen = l->id;
		m.addr = msg_blob_of(a->addr, a->addrlen);
		m.prefixlen = a->prefixlen;
		proc_send(c->peer, M_conf_allow, 0, 0, -1, &m);
	}
}

static void
send_listens(struct child *c, const struct conf *conf)
{
	const struct conf_listen	*l;
	struct m_conf_listen		 m;
	int				 fd;

	TAILQ_FOREACH(l, &conf->listens, entry) {
		if (l->role != c->role || l->fd == -1)
			continue;
		memset(&m, 0, sizeof(m));
		m.id = l->id;
		m.tls = (uint8_t)l->tls;
		m.local = l->path != NULL;
		m.allow = !TAILQ_EMPTY(&l->allow);
		m.cert = l->cert;
		m.name = l->name;
		if ((fd = dup(l->fd)) == -1)
			fatal("dup");
		(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
		proc_send(c->peer, M_conf_listen, 0, 0, fd, &m);
		send_allow(c, l);
		(void)proc_turn();
	}
}

static void
send_certs(struct child *c, const struct conf *conf)
{
	const struct conf_cert	*k;
	struct m_conf_cert	 m;

	TAILQ_FOREACH(k, &conf->certs, entry) {
		m.id = k->id;
		m.name = k->name;
		m.cert = msg_blob_of(k->cert.data, k->cert.len);
		m.key = msg_blob_of(k->key.data, k->key.len);
		proc_send(c->peer, M_conf_cert, 0, 0, -1, &m);
	}
}

/* A folder that a unix socket is in: the connector connects from inside. */
static void
send_sockdir(struct child *c, uint16_t storage, uint16_t id, const char *sock)
{
	struct m_conf_sockdir	 m = { storage, id };
	char			*copy;
	int			 fd;

	if ((copy = strdup(sock)) == NULL)
		fatal(NULL);
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1)
		log_warn("%s", sock);
	else
		proc_send(c->peer, M_conf_sockdir, 0, 0, fd, &m);
	free(copy);
	/* few descriptors wait in a channel */
	(void)proc_turn();
}

static void
send_url(struct child *c, const struct conf_storage *st,
    const struct conf_url *u)
{
	struct m_conf_url m;

	memset(&m, 0, sizeof(m));
	m.storage = st->id;
	if (u == NULL) {
		m.kind = URL_UNIX;
		m.path = STORE_BASE;
		m.sock = store_sockpath(st);
	} else {
		m.id = u->id;
		m.kind = (uint8_t)u->kind;
		m.host = u->host;
		m.port = u->port;
		m.path = u->path;
		m.sock = u->sock;
	}
	proc_send(c->peer, M_conf_url, 0, 0, -1, &m);
	if (c->role == ROLE_CONNECTOR && m.kind == URL_UNIX)
		send_sockdir(c, st->id, m.id, m.sock);
}

/* What an engine needs to trust a storage, and to be trusted by it. */
static void
send_storage_keys(struct child *c, const struct conf_storage *st)
{
	struct m_conf_ca	 ca;
	struct m_conf_client	 cl;
	size_t			 off, n;

	for (off = 0; off < st->ca.len; off += n) {
		n = st->ca.len - off < 60000 ? st->ca.len - off : 60000;
		ca.storage = st->id;
		ca.pem = msg_blob_of(st->ca.data + off, n);
		proc_send(c->peer, M_conf_ca, 0, 0, -1, &ca);
	}
	if (st->cert.data == NULL)
		return;
	cl.storage = st->id;
	cl.cert = msg_blob_of(st->cert.data, st->cert.len);
	cl.key = msg_blob_of(st->key.data, st->key.len);
	proc_send(c->peer, M_conf_client, 0, 0, -1, &cl);
}

/* An index is worth having, but not worth being down for. */
static void
send_index(struct child *c, const struct conf_storage *st)
{
	const struct conf_url	*u = TAILQ_FIRST(&st->urls);
	struct m_conf_index	 m;
	int			 fd;

	if (st->index != INDEX_LOCAL || (fd = index_open(st, c->slot)) == -1)
		return;
	m.storage = st->id;
	m.size = st->index_size;
	m.store = st->dir != NULL ? st->dir : u->text;
	proc_send(c->peer, M_conf_index, 0, 0, fd, &m);
	/* few descriptors wait in a channel */
	(void)proc_turn();
}

static void
send_storages(struct child *c, const struct conf *conf)
{
	const struct conf_storage	*st;
	const struct conf_url		*u;
	struct m_conf_storage		 m;
	char				*token;

	TAILQ_FOREACH(st, &conf->storages, entry) {
		memset(&m, 0, sizeof(m));
		m.id = st->id;
		m.name = st->name;
		m.embedded = st->dir != NULL;
		m.without = st->without;
		m.index = (uint8_t)st->index;
		m.health = st->health;
		token = NULL;
		if (c->role == ROLE_ENGINE && st->token.data != NULL &&
		    (token = strndup((const char *)st->token.data,
		    st->token.len)) == NULL)
			fatal(NULL);
		m.token = token;
		proc_send(c->peer, M_conf_storage, 0, 0, -1, &m);
		if (token != NULL)
			freezero(token, strlen(token));
		if (c->role != ROLE_ENGINE && c->role != ROLE_CONNECTOR)
			continue;
		if (st->dir != NULL)
			send_url(c, st, NULL);
		TAILQ_FOREACH(u, &st->urls, entry)
			send_url(c, st, u);
		if (c->role == ROLE_ENGINE) {
			send_storage_keys(c, st);
			send_index(c, st);
		}
	}
}

static void
send_auth(struct child *c, const struct conf *conf)
{
	const struct conf_domain	*d;
	struct m_conf_auth		 m;
	const struct conf_place		*pl;
	struct m_conf_domain		 dm;
	struct m_conf_place		 plm;
	struct m_conf_passwd		 pm;
	size_t				 off, n;

	memset(&m, 0, sizeof(m));
	m.kind = (uint8_t)conf->auth;
	m.storage = conf->auth_storage;
	m.file = conf->passwd.path;
	m.workers = (uint32_t)conf->auth_workers;
	m.engines = (uint16_t)conf->prefork[ROLE_ENGINE];
	proc_send(c->peer, M_conf_auth, 0, 0, -1, &m);
	TAILQ_FOREACH(d, &conf->domains, entry) {
		dm.name = d->name;
		proc_send(c->peer, M_conf_domain, 0, 0, -1, &dm);
	}
	TAILQ_FOREACH(pl, &conf->places, entry) {
		plm.prefix = pl->prefix;
		plm.pattern = pl->pattern;
		plm.account = pl->account;
		plm.storage = pl->st->id;
		proc_send(c->peer, M_conf_place, 0, 0, -1, &plm);
	}
	for (off = 0; off < conf->passwd.len; off += n) {
		n = conf->passwd.len - off < 32768 ?
		    conf->passwd.len - off : 32768;
		pm.text = msg_blob_of(conf->passwd.data + off, n);
		proc_send(c->peer, M_conf_passwd, 0, 0, -1, &pm);
	}
}

static void
send_control(struct child *c, const struct conf *conf)
{
	struct m_conf_control	m;
	int			fd;

	if (c->fd == -1)
		return;
	m.path = conf->control;
	if ((fd = dup(c->fd)) == -1)
		fatal("dup");
	proc_send(c->peer, M_conf_control, 0, 0, fd, &m);
}

static void
send_store(struct child *c, const struct conf *conf)
{
	struct m_conf_store	 m;
	struct passwd		*pw;
	int			 fd;

	m.uid = (uint32_t)getuid();
	if (parent.root) {
		pw = getpwnam(conf->users[ROLE_CONNECTOR]);
		if (pw == NULL)
			fatalx("no user %s", conf->users[ROLE_CONNECTOR]);
		m.uid = pw->pw_uid;
	}
	m.open = conf->auth == AUTH_FILE;
	/* more than the frontend takes, so that it says so itself */
	m.message = conf->limits.message + 65536;
	/* four pools: three may wait for slow clients, see engine_http.c */
	m.connections = (4 * conf->limits.pool + 4) *
	    (uint32_t)conf->prefork[ROLE_ENGINE] + 16;
	if ((fd = dup(c->fd)) == -1)
		fatal("dup");
	proc_send(c->peer, M_conf_store, 0, 0, fd, &m);
}

static const struct {
	uint32_t	roles;
	void		(*send)(struct child *, const struct conf *);
} parts[] = {
	{ R_CHILD & ~(R_STORE | R_HASH),	send_limits },
	{ R_ENGINE | R_CONNECTOR | R_AUTH | R_CONTROL | R_LISTENER,
						send_storages },
	{ R_LISTENER,				send_certs },
	{ R_LISTENER,				send_listens },
	{ R_AUTH,				send_auth },
	{ R_CONTROL,				send_control },
	{ R_STORE,				send_store },
};

void
send_conf(struct child *c, const struct conf *conf, int first)
{
	struct m_conf_begin	begin;
	struct m_conf_end	end;
	size_t			i;

	c->serial = begin.serial = end.serial = ++parent.serial;
	begin.first = (uint8_t)first;
	proc_send(c->peer, M_conf_begin, 0, 0, -1, &begin);
	for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (parts[i].roles & (1U << c->role))
			parts[i].send(c, conf);
	proc_send(c->peer, M_conf_end, 0, 0, -1, &end);
}
