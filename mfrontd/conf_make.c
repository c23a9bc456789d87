/*
 * Settings of a configuration, made of the words that parse.y reads.  What
 * is wrong is reported at the word that was read last, and left out.
 */
#include <sys/types.h>
#include <sys/socket.h>
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <grp.h>
#include <netdb.h>
#include <pwd.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "charset.h"
#include "cidr.h"
#include "conf_int.h"
#include "json.h"
#include "listmatch.h"
#include "sterr.h"
#include "units.h"

#define CERT_MAX	49152		/* as the messages can carry them */
#define CLIENT_CERT_MAX	32768
#define MOUNT_MAX	255		/* bytes of its name */
#define SOCK_NAME_MAX	100		/* its last part; see sockaddr_un */

#define K		UINT64_C(1024)
#define HEALTH_SECS	10	/* between looks at a URL not in use */
#define HOUR		UINT64_C(3600)
#define DAY		UINT64_C(86400)

#define INDEX_SIZE	(K * K * K)	/* where it is not said */

struct number {
	const char	*name;
	size_t		 off;		/* in struct conf */
	size_t		 size;
	enum unit	 unit;
	uint64_t	 min, max;
	uint64_t	 preset;
};

#define NUM(name, field, unit, min, max, preset)			\
	{ name, offsetof(struct conf, field),				\
	    sizeof(((struct conf *)0)->field), unit, min, max, preset }

static const struct number numbers[NUM_MAX] = {
	[NUM_CONN_TOTAL] = NUM("connections", limits.conn_total,
	    UNIT_COUNT, 1, 1000000, 10000),
	[NUM_CONN_ADDRESS] = NUM("connections per address",
	    limits.conn_address, UNIT_COUNT, 1, 1000000, 100),
	[NUM_CONN_ACCOUNT] = NUM("connections per account",
	    limits.conn_account, UNIT_COUNT, 1, 1000000, 50),
	[NUM_CONN_LOGIN] = NUM("connections waiting for login",
	    limits.conn_login, UNIT_COUNT, 1, 1000000, 1000),
	/* IMAP's numbers of bytes have 32 bits */
	[NUM_MESSAGE] = NUM("message size", limits.message,
	    UNIT_SIZE, K, 4095 * K * K, 64 * K * K),
	[NUM_LINE] = NUM("line", limits.line,
	    UNIT_SIZE, K, K * K, 64 * K),
	[NUM_LITERAL] = NUM("literals", limits.literal,
	    UNIT_SIZE, K, 16 * K * K, 256 * K),
	[NUM_RECIPIENTS] = NUM("recipients", limits.recipients,
	    UNIT_COUNT, 1, 2000, 1000),
	[NUM_RCPT_RATE] = NUM("recipients per second", limits.rcpt_rate,
	    UNIT_COUNT, 1, 1000000, 5000),
	[NUM_BADCMDS] = NUM("bad commands", limits.badcmds,
	    UNIT_COUNT, 1, 10000, 10),
	[NUM_FAILURES] = NUM("failed logins", limits.failures,
	    UNIT_COUNT, 1, 10000, 10),
	[NUM_T_LOGIN] = NUM("login", limits.t_login,
	    UNIT_TIME, 1, DAY, 60),
	[NUM_T_IDLE] = NUM("idle", limits.t_idle,
	    UNIT_TIME, 1, 7 * DAY, 1800),
	[NUM_T_COMMAND] = NUM("command", limits.t_command,
	    UNIT_TIME, 1, DAY, 300),
	[NUM_T_WRITE] = NUM("write", limits.t_write,
	    UNIT_TIME, 1, DAY, 300),
	[NUM_T_BACKEND] = NUM("backend", limits.t_backend,
	    UNIT_TIME, 1, DAY, 30),
	[NUM_POLL] = NUM("poll", limits.poll,
	    UNIT_TIME, 1, DAY, 30),
	[NUM_CHECK] = NUM("check", limits.check,
	    UNIT_TIME, 1, 7 * DAY, 600),
	[NUM_DELAY] = NUM("failure delay", limits.delay,
	    UNIT_TIME, 0, 60, 2),
	[NUM_CACHE] = NUM("cache", limits.cache,
	    UNIT_SIZE, 0, 64 * K * K * K, 32 * K * K),
	[NUM_POOL] = NUM("pool", limits.pool,
	    UNIT_COUNT, 1, 256, 32),
	[NUM_WORKERS] = NUM("auth workers", auth_workers,
	    UNIT_COUNT, 1, 64, 2),
};

static const char *const users[ROLE_MAX] = {
	[ROLE_CONTROL] = "_mfctl",
	[ROLE_CONNECTOR] = "_mfconn",
	[ROLE_AUTH] = "_mfauth",
	[ROLE_HASH] = "_mfhash",
	[ROLE_ENGINE] = "_mfengine",
	[ROLE_IMAP] = "_mfimap",
	[ROLE_POP3] = "_mfpop3",
	[ROLE_LMTP] = "_mflmtp",
	[ROLE_STORE] = "_mfstore",
};

static const uint16_t ports[ROLE_MAX][2] = {
	[ROLE_IMAP] = { 143, 993 },
	[ROLE_POP3] = { 110, 995 },
	[ROLE_LMTP] = { 24, 24 },
};

/* A certificate that listeners first to last have asked for. */
struct cert_ref {
	uint32_t		 first, last;
	char			*name;		/* NULL: the default */
	char			*where;
	TAILQ_ENTRY(cert_ref)	 entry;
};

/* The socket of a unix domain that is being made. */
struct sock {
	uid_t	 uid;
	gid_t	 gid;
	mode_t	 mode;
	int	 said;			/* any of these */
};

/* The "listen" that is being made. */
struct listening {
	enum role		 role;
	char			*host;
	char			*path;
	int			 port;		/* -1: not said */
	int			 tls_said;
	enum listen_tls		 tls;
	int			 cert_said;
	char			*cert;
	TAILQ_HEAD(, conf_allow) allow;
	int			 failed;	/* so do not make it */
};

static struct conf		*conf;
static struct sock		 sock;
static struct listening		 li = { .allow = TAILQ_HEAD_INITIALIZER(
				    li.allow) };
static struct conf_storage	*storage;	/* that is being made */
static int			 storage_said;	/* where it is */
static int			 storage_index;	/* is said */
static int			 storage_health_said;
static struct conf_place	*mount;		/* that is being made */
static TAILQ_HEAD(, cert_ref)	 certrefs = TAILQ_HEAD_INITIALIZER(certrefs);
static char			*auth_name;	/* of "auth storage" */
static char			*auth_where;
static uint32_t			 nlistens;
static uint32_t			 ncerts;
static uint16_t			 nstorages;
static unsigned char		 said[ONCE_MAX];
static unsigned char		 said_num[NUM_MAX];

/* numbers */

static void
set_number(struct conf *c, const struct number *n, uint64_t v)
{
	char		*field = (char *)c + n->off;
	uint32_t	 v32 = (uint32_t)v;

	if (n->size == sizeof(v))
		memcpy(field, &v, sizeof(v));
	else
		memcpy(field, &v32, sizeof(v32));
}

static int
get_number(const char *name, enum unit unit, uint64_t min, uint64_t max,
    const char *text, uint64_t *v)
{
	static const char *const kinds[] = {
		[UNIT_COUNT] = "a number",
		[UNIT_SIZE] = "a size like 64K or 10M",
		[UNIT_TIME] = "a time like 30s or 10m"
	};
	char	lo[UNITS_LEN], hi[UNITS_LEN];
	int	r;

	r = units_parse(unit, text, v);
	if (r == 0 && *v >= min && *v <= max)
		return 0;
	if (r == -1 && errno == EINVAL) {
		conf_bad("%s: \"%s\" is not %s", name, text, kinds[unit]);
		return -1;
	}
	units_format(unit, min, lo, sizeof(lo));
	units_format(unit, max, hi, sizeof(hi));
	conf_bad("%s: %s is not between %s and %s", name, text, lo, hi);
	return -1;
}

void
make_number(enum conf_num which, const char *text)
{
	const struct number	*n = &numbers[which];
	uint64_t		 v;

	if (said_num[which]++ > 0) {
		conf_bad("%s is set a second time", n->name);
		return;
	}
	if (get_number(n->name, n->unit, n->min, n->max, text, &v) == 0)
		set_number(conf, n, v);
}

void
make_prefork(enum role role, const char *text)
{
	char		name[32];
	uint64_t	v;

	snprintf(name, sizeof(name), "prefork %s", role_names[role]);
	if (!make_once(ONCE_PREFORK + role, name))
		return;
	if (get_number(name, UNIT_COUNT, 1, 32, text, &v) == 0)
		conf->prefork[role] = (int)v;
}

/* names and paths */

int
make_once(enum conf_once which, const char *name)
{
	if (said[which]++ == 0)
		return 1;
	conf_bad("%s is set a second time", name);
	return 0;
}

static void
set_string(char **to, const char *s)
{
	free(*to);
	*to = conf_strdup(s);
}

void
make_path(enum conf_once which, char **to, const char *name, const char *path)
{
	if (make_once(which, name) && conf_path_ok(name, path))
		set_string(to, path);
}

void
make_user(enum role role, const char *name)
{
	char what[32];

	snprintf(what, sizeof(what), "user for %s", role_names[role]);
	if (!make_once(ONCE_USER + role, what))
		return;
	if (getpwnam(name) == NULL)
		conf_bad("%s: there is no user \"%s\"", what, name);
	else
		set_string(&conf->users[role], name);
}

/* Letters, digits, "-" and "." as in host names; UTF-8 too if allowed. */
static int
is_domain(const char *s, int utf8)
{
	const char *p;

	if (*s == '\0' || strlen(s) > 255 || !utf8_valid(s, strlen(s)))
		return 0;
	for (p = s; *p != '\0'; p++) {
		if ((unsigned char)*p >= 0x80 && utf8)
			continue;
		if (*p == '.' && (p == s || p[1] == '.' || p[1] == '\0'))
			return 0;
		if (!isalnum((unsigned char)*p) && *p != '-' && *p != '.')
			return 0;
	}
	return 1;
}

void
make_hostname(const char *name)
{
	if (!make_once(ONCE_HOSTNAME, "hostname"))
		return;
	if (is_domain(name, 0))
		set_string(&conf->hostname, name);
	else
		conf_bad("hostname: \"%s\" is no name of a host", name);
}

/* They become parts of file names, log lines and JSON. */
static int
name_ok(const char *what, const char *name)
{
	const char *p;

	for (p = name; *p != '\0'; p++)
		if (!isalnum((unsigned char)*p) && strchr("._-", *p) == NULL)
			break;
	if (p != name && *p == '\0' && p - name < CONF_NAME_MAX &&
	    name[0] != '.')
		return 1;
	conf_bad("%s: \"%s\" is no name: letters, digits, \".\", \"_\", "
	    "\"-\", at most %d", what, name, CONF_NAME_MAX - 1);
	return 0;
}

/* sockets */

static void
sock_reset(mode_t mode)
{
	sock.uid = (uid_t)-1;
	sock.gid = (gid_t)-1;
	sock.mode = mode;
	sock.said = 0;
}

void
make_socket_owner(const char *name)
{
	struct passwd	*pw;
	uint64_t	 n;

	sock.said = 1;
	if ((pw = getpwnam(name)) != NULL)
		sock.uid = pw->pw_uid;
	else if (units_parse(UNIT_COUNT, name, &n) == 0 && n < UINT32_MAX)
		sock.uid = (uid_t)n;
	else
		conf_bad("owner: there is no user \"%s\"", name);
}

void
make_socket_group(const char *name)
{
	struct group	*gr;
	uint64_t	 n;

	sock.said = 1;
	if ((gr = getgrnam(name)) != NULL)
		sock.gid = gr->gr_gid;
	else if (units_parse(UNIT_COUNT, name, &n) == 0 && n < UINT32_MAX)
		sock.gid = (gid_t)n;
	else
		conf_bad("group: there is no group \"%s\"", name);
}

void
make_socket_mode(const char *text)
{
	const char	*p;
	mode_t		 mode = 0;

	sock.said = 1;
	for (p = text; *p >= '0' && *p <= '7' && p - text < 5; p++)
		mode = mode << 3 | (mode_t)(*p - '0');
	if (p == text || *p != '\0' || mode > 0777)
		conf_bad("mode: \"%s\" is not one like 0660", text);
	else
		sock.mode = mode;
}

static int
sock_path_ok(const char *what, const char *path)
{
	const char *name;

	if (!conf_path_ok(what, path))
		return 0;
	name = strrchr(path, '/') + 1;
	if (*name != '\0' && strlen(name) <= SOCK_NAME_MAX)
		return 1;
	conf_bad("%s: \"%s\" has %s name", what, path,
	    *name == '\0' ? "no" : "too long a");
	return 0;
}

void
make_control_begin(void)
{
	sock_reset(0660);
}

void
make_control_end(const char *path)
{
	if (!make_once(ONCE_CONTROL, "control socket"))
		return;
	if (sock_path_ok("control socket", path))
		set_string(&conf->control, path);
	if (sock.mode & S_IRWXO)
		conf_warn("control socket: with mode %04o everybody may "
		    "stop mfrontd", (unsigned int)sock.mode);
	conf->control_uid = sock.uid;
	conf->control_gid = sock.gid;
	conf->control_mode = sock.mode;
}

/* listeners */

static void
listen_reset(void)
{
	struct conf_allow *a;

	while ((a = TAILQ_FIRST(&li.allow)) != NULL) {
		TAILQ_REMOVE(&li.allow, a, entry);
		free(a);
	}
	free(li.host);
	free(li.path);
	free(li.cert);
	memset(&li, 0, sizeof(li));
	TAILQ_INIT(&li.allow);
	li.port = -1;
}

static void
listen_bad(const char *what)
{
	conf_bad("listen %s: %s", role_names[li.role], what);
	li.failed = 1;
}

void
make_listen_begin(enum role role)
{
	listen_reset();
	sock_reset(0660);
	li.role = role;
}

void
make_listen_host(const char *host)
{
	set_string(&li.host, host);
}

void
make_listen_socket(const char *path)
{
	set_string(&li.path, path);
	if (!sock_path_ok("socket", path))
		li.failed = 1;
}

void
make_listen_port(const char *text)
{
	uint64_t v;

	if (li.port != -1)
		listen_bad("a second port");
	else if (get_number("port", UNIT_COUNT, 1, 65535, text, &v) == -1)
		li.failed = 1;
	else
		li.port = (int)v;
}

void
make_listen_tls(enum listen_tls tls)
{
	if (li.tls_said++ > 0)
		listen_bad("either tls or starttls, once");
	li.tls = tls;
}

void
make_listen_cert(const char *name)
{
	if (li.cert_said++ > 0)
		listen_bad("a second certificate");
	set_string(&li.cert, name);
}

static void
allow_add(const struct cidr *net)
{
	struct conf_allow *a;

	a = conf_alloc(sizeof(*a));
	memcpy(a->addr, net->addr, sizeof(a->addr));
	a->addrlen = net->addrlen;
	a->prefixlen = net->prefixlen;
	TAILQ_INSERT_TAIL(&li.allow, a, entry);
}

void
make_listen_allow(const char *text)
{
	struct cidr net;

	if (cidr_parse(&net, text) == 0)
		allow_add(&net);
	else {
		conf_bad("allow: \"%s\" is not an address or network", text);
		li.failed = 1;
	}
}

static struct conf_listen *
listen_new(void)
{
	struct conf_listen *l;

	l = conf_alloc(sizeof(*l));
	TAILQ_INIT(&l->allow);
	l->id = ++nlistens;
	l->role = li.role;
	l->where = conf_strdup(parse_where());
	l->uid = sock.uid;
	l->gid = sock.gid;
	l->mode = sock.mode;
	l->tls = li.tls;
	l->fd = -1;
	return l;
}

static void
listen_copy_allow(struct conf_listen *l)
{
	struct conf_allow *a, *copy;

	TAILQ_FOREACH(a, &li.allow, entry) {
		copy = conf_alloc(sizeof(*copy));
		*copy = *a;
		TAILQ_INSERT_TAIL(&l->allow, copy, entry);
	}
}

/* Two of one name are two of one address. */
static void
listen_insert(struct conf_listen *l)
{
	const struct conf_listen *o;

	TAILQ_FOREACH(o, &conf->listens, entry)
		if (strcmp(o->name, l->name) == 0)
			conf_bad("listen %s: %s is listened on already (%s)",
			    role_names[l->role], l->name, o->where);
	TAILQ_INSERT_TAIL(&conf->listens, l, entry);
}

static int
listen_address(const char *host, int optional)
{
	struct conf_listen	*l;
	struct addrinfo		 hints, *ai;
	struct in_addr		 in;
	char			 port[8], addr[128];

	/* getaddrinfo(3) would take "127.1", and "1" */
	if (strchr(host, ':') == NULL && inet_pton(AF_INET, host, &in) != 1)
		return -1;
	memset(&hints, 0, sizeof(hints));
	hints.ai_socktype = SOCK_STREAM;
	hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
	snprintf(port, sizeof(port), "%d", li.port);
	if (getaddrinfo(host, port, &hints, &ai) != 0)
		return -1;
	if (ai->ai_addrlen > sizeof(l->ss) || getnameinfo(ai->ai_addr,
	    ai->ai_addrlen, addr, sizeof(addr), NULL, 0,
	    NI_NUMERICHOST) != 0) {
		freeaddrinfo(ai);
		return -1;
	}
	l = listen_new();
	l->optional = optional;
	memcpy(&l->ss, ai->ai_addr, ai->ai_addrlen);
	l->sslen = ai->ai_addrlen;
	if (asprintf(&l->name, ai->ai_family == AF_INET6 ? "[%s]:%d" :
	    "%s:%d", addr, li.port) == -1)
		fatal("configuration");
	freeaddrinfo(ai);
	listen_copy_allow(l);
	listen_insert(l);
	return 0;
}

static int
listen_addresses(void)
{
	static const struct {
		const char	*name, *v4, *v6;
	} pairs[] = {
		{ "*", "0.0.0.0", "::" },
		{ "localhost", "127.0.0.1", "::1" },
	};
	size_t i;

	for (i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		if (strcmp(li.host, pairs[i].name) != 0)
			continue;
		if (listen_address(pairs[i].v4, 1) == -1)
			return -1;
		return listen_address(pairs[i].v6, 1);
	}
	return listen_address(li.host, 0);
}

static void
listen_path(void)
{
	struct conf_listen *l;

	l = listen_new();
	l->name = conf_strdup(li.path);
	l->path = conf_strdup(li.path);
	listen_insert(l);
}

/* What of it cannot be together. */
static void
listen_check(void)
{
	if (li.path != NULL) {
		if (li.port != -1 || li.tls_said || !TAILQ_EMPTY(&li.allow))
			listen_bad("port, tls and allow are not for a "
			    "socket");
	} else if (sock.said)
		listen_bad("owner, group and mode are for a socket");
	if (li.role != ROLE_LMTP && !TAILQ_EMPTY(&li.allow))
		listen_bad("allow is for lmtp");
	if (li.cert_said && li.tls == LISTEN_PLAIN)
		listen_bad("a certificate without tls or starttls");
}

static void
listen_allow_default(void)
{
	struct cidr net;

	if (li.role != ROLE_LMTP || li.path != NULL ||
	    !TAILQ_EMPTY(&li.allow))
		return;
	if (cidr_parse(&net, "127.0.0.0/8") == 0)
		allow_add(&net);
	if (cidr_parse(&net, "::1") == 0)
		allow_add(&net);
}

static void
listen_ref_cert(uint32_t first)
{
	struct cert_ref *r;

	if (li.tls == LISTEN_PLAIN || first > nlistens)
		return;
	r = conf_alloc(sizeof(*r));
	r->first = first;
	r->last = nlistens;
	r->name = li.cert;
	li.cert = NULL;
	r->where = conf_strdup(parse_where());
	TAILQ_INSERT_TAIL(&certrefs, r, entry);
}

void
make_listen_end(void)
{
	uint32_t first = nlistens + 1;

	listen_check();
	if (!li.failed) {
		if (li.port == -1)
			li.port = ports[li.role][li.tls == LISTEN_TLS];
		listen_allow_default();
		if (li.path != NULL)
			listen_path();
		else if (listen_addresses() == -1)
			conf_bad("listen %s: \"%s\" is not an address, "
			    "\"localhost\" or \"*\"", role_names[li.role],
			    li.host);
		listen_ref_cert(first);
	}
	listen_reset();
}

/* certificates */

static struct conf_cert *
cert_find(const char *name)
{
	struct conf_cert *k;

	TAILQ_FOREACH(k, &conf->certs, entry)
		if (name == NULL || strcmp(k->name, name) == 0)
			return k;
	return NULL;
}

void
make_cert(const char *name, const char *cert, const char *key)
{
	struct conf_cert *k;

	if (name == NULL)
		name = "default";
	if (!name_ok("certificate", name))
		return;
	if (cert_find(name) != NULL) {
		conf_bad("certificate \"%s\" is defined a second time", name);
		return;
	}
	k = conf_alloc(sizeof(*k));
	k->id = ++ncerts;
	k->name = conf_strdup(name);
	TAILQ_INSERT_TAIL(&conf->certs, k, entry);
	(void)conf_file_pair("certificate", &k->cert, cert, CERT_MAX, &k->key,
	    key);
}

/* storages */

static struct conf_storage *
storage_find(const char *name)
{
	struct conf_storage *st;

	TAILQ_FOREACH(st, &conf->storages, entry)
		if (name == NULL || strcmp(st->name, name) == 0)
			return st;
	return NULL;
}

void
make_storage_begin(const char *name)
{
	if (name == NULL)
		name = "default";
	storage_said = storage_index = storage_health_said = 0;
	storage = conf_alloc(sizeof(*storage));
	TAILQ_INIT(&storage->urls);
	if (name_ok("storage", name) && storage_find(name) != NULL)
		conf_bad("storage \"%s\" is defined a second time", name);
	storage->id = nstorages++;
	storage->name = conf_strdup(name);
	storage->health = HEALTH_SECS;
	TAILQ_INSERT_TAIL(&conf->storages, storage, entry);
}

static void
storage_bad(const char *what)
{
	conf_bad("storage \"%s\": %s", storage->name, what);
}

/* NULL: the folder where such things are kept on this system. */
void
make_storage_dir(const char *path)
{
	storage_said = 1;
	if (path == NULL)
		path = CONF_STATEDIR;
	if (storage->dir != NULL)
		storage_bad("a second folder");
	else if (conf_path_ok("storage", path))
		set_string(&storage->dir, path);
}

void
make_storage_url(const char *text)
{
	struct baseurl	 b;
	struct conf_url	*u;
	const char	*why;
	uint16_t	 n = 0;

	storage_said = 1;
	if (baseurl_parse(&b, text, &why) == -1) {
		conf_bad("storage \"%s\": the url %s", storage->name, why);
		return;
	}
	TAILQ_FOREACH(u, &storage->urls, entry) {
		if (strcmp(u->text, text) == 0)
			storage_bad("the same url twice");
		n++;
	}
	u = conf_alloc(sizeof(*u));
	u->id = n;
	u->text = conf_strdup(text);
	u->kind = b.kind;
	u->port = b.port;
	u->host = conf_strdup(b.host);
	u->path = conf_strdup(b.path);
	if (b.kind == URL_UNIX && sock_path_ok("url", b.sock))
		u->sock = conf_strdup(b.sock);
	TAILQ_INSERT_TAIL(&storage->urls, u, entry);
}

void
make_storage_token(const char *path)
{
	if (storage->token.path != NULL)
		storage_bad("a second token");
	else
		(void)conf_file_token(&storage->token, path);
}

void
make_storage_ca(const char *path)
{
	if (storage->ca.path != NULL)
		storage_bad("a second ca");
	else
		(void)conf_file_ca(&storage->ca, path);
}

void
make_storage_cert(const char *cert, const char *key)
{
	if (storage->cert.path != NULL)
		storage_bad("a second certificate");
	else
		(void)conf_file_pair("certificate", &storage->cert, cert,
		    CLIENT_CERT_MAX, &storage->key, key);
}

void
make_storage_health(const char *text)
{
	char		name[128];
	uint64_t	v;

	if (storage_health_said++ > 0) {
		storage_bad("health is set a second time");
		return;
	}
	snprintf(name, sizeof(name), "storage \"%.80s\": health",
	    storage->name);
	if (get_number(name, UNIT_TIME, 0, HOUR, text, &v) == 0)
		storage->health = (uint32_t)v;
}

void
make_storage_without(const char *name)
{
	int c;

	for (c = 0; c < CAP_MAX; c++)
		if (strcmp(st_cap_names[c], name) == 0)
			break;
	if (c == CAP_MAX)
		conf_bad("storage \"%s\": there is no capability \"%s\"",
		    storage->name, name);
	else
		storage->without |= CAP(c);
}

void
make_storage_index(const char *where, const char *size)
{
	if (storage_index++ > 0) {
		storage_bad("a second index");
		return;
	}
	storage->index = strcmp(where, "dict") == 0 ? INDEX_DICT :
	    strcmp(where, "no") == 0 ? INDEX_NO : INDEX_LOCAL;
	storage->index_size = INDEX_SIZE;
	if (storage->index != INDEX_LOCAL) {
		if (size != NULL)
			storage_bad("a size is for an index in a folder");
	} else if (conf_path_ok("index", where)) {
		set_string(&storage->index_dir, where);
		if (size != NULL)
			(void)get_number("index", UNIT_SIZE, DICTFILE_MIN,
			    K * K * K * K, size, &storage->index_size);
	}
}

static int
is_local_host(const char *host)
{
	return strcmp(host, "localhost") == 0 || strcmp(host, "::1") == 0 ||
	    strncmp(host, "127.", 4) == 0;
}

void
make_storage_end(void)
{
	const struct conf_url	*u;
	int			 https = 0;

	TAILQ_FOREACH(u, &storage->urls, entry) {
		https |= u->kind == URL_HTTPS;
		if (u->kind == URL_HTTP && !is_local_host(u->host))
			conf_warn("storage \"%s\": mail%s will travel to %s "
			    "unencrypted", storage->name,
			    storage->token.path != NULL ? " and token" : "",
			    u->host);
	}
	if (!storage_said)
		storage_bad("needs \"embedded\" or a url");
	if (storage->dir != NULL && (!TAILQ_EMPTY(&storage->urls) ||
	    storage->token.path != NULL))
		storage_bad("url and token are not for an embedded one");
	if (!https && (storage->ca.path != NULL ||
	    storage->cert.path != NULL))
		storage_bad("ca and certificate are for https");
}

/* routes and mounts */

static void
place_add(struct conf_place *pl)
{
	pl->where = conf_strdup(parse_where());
	if (strlen(pl->pattern) >= 512)
		conf_bad("\"%s\" is too long for a name", pl->pattern);
	TAILQ_INSERT_TAIL(&conf->places, pl, entry);
}

void
make_route(const char *pattern, const char *name)
{
	struct conf_place *pl;

	pl = conf_alloc(sizeof(*pl));
	pl->pattern = conf_strdup(pattern);
	pl->storage = conf_strdup(name);
	place_add(pl);
}

/* One that a syntax error has left behind. */
static void
mount_reset(void)
{
	if (mount == NULL)
		return;
	free(mount->prefix);
	free(mount->pattern);
	free(mount->account);
	free(mount->storage);
	free(mount);
	mount = NULL;
}

/* A name of a mailbox that is there for others to be below. */
void
make_mount_begin(const char *prefix)
{
	mount_reset();
	mount = conf_alloc(sizeof(*mount));
	mount->prefix = conf_strdup(prefix);
	if (strlen(prefix) > MOUNT_MAX || !list_name_ok(prefix,
	    strlen(prefix)) || !charset_is_nfc(prefix, strlen(prefix)))
		conf_bad("mount: \"%s\" is no name of a mailbox", prefix);
	list_canon_inbox(mount->prefix, strlen(mount->prefix));
	if (strcmp(mount->prefix, "INBOX") == 0)
		conf_bad("mount: INBOX is where mail comes in");
}

void
make_mount_for(const char *pattern)
{
	if (mount->pattern != NULL)
		conf_bad("mount: a second \"for\"");
	else
		mount->pattern = conf_strdup(pattern);
}

void
make_mount_account(const char *account)
{
	if (mount->account != NULL)
		conf_bad("mount: a second account");
	else if (*account == '\0' || strlen(account) >= 512)
		conf_bad("mount: \"%s\" is no account", account);
	else
		mount->account = conf_strdup(account);
}

void
make_mount_storage(const char *name)
{
	if (mount->storage != NULL)
		conf_bad("mount: a second storage");
	else
		mount->storage = conf_strdup(name);
}

void
make_mount_end(void)
{
	const struct conf_place *pl;

	if (mount->pattern == NULL)
		mount->pattern = conf_strdup("*");
	if (mount->storage == NULL) {
		conf_bad("mount \"%s\" needs a storage", mount->prefix);
		mount->storage = conf_strdup("");
	}
	TAILQ_FOREACH(pl, &conf->places, entry)
		if (pl->prefix != NULL &&
		    strcmp(pl->prefix, mount->prefix) == 0 &&
		    strcmp(pl->pattern, mount->pattern) == 0) {
			conf_bad("mount \"%s\" for \"%s\" is there twice",
			    mount->prefix, mount->pattern);
			break;
		}
	place_add(mount);
	mount = NULL;
}

/* accounts */

void
make_auth_file(const char *path)
{
	if (!make_once(ONCE_AUTH, "auth"))
		return;
	conf->auth = AUTH_FILE;
	(void)conf_file_passwd(&conf->passwd, path);
}

void
make_auth_domain(const char *name)
{
	struct conf_domain	*d;
	char			*p;

	if (!is_domain(name, 1)) {
		conf_bad("domains: \"%s\" is no domain", name);
		return;
	}
	d = conf_alloc(sizeof(*d));
	d->name = conf_strdup(name);
	for (p = d->name; *p != '\0'; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p - 'A' + 'a');
	TAILQ_INSERT_TAIL(&conf->domains, d, entry);
	TAILQ_FOREACH(d, &conf->domains, entry) {
		if (TAILQ_NEXT(d, entry) != NULL &&
		    strcasecmp(d->name, name) == 0) {
			conf_bad("domains: \"%s\" is there twice", name);
			break;
		}
	}
}

void
make_auth_storage(const char *name)
{
	if (!make_once(ONCE_AUTH, "auth"))
		return;
	conf->auth = AUTH_STORAGE;
	auth_name = name != NULL ? conf_strdup(name) : NULL;
	auth_where = conf_strdup(parse_where());
}

/* the beginning and the end */

void
make_defaults(struct conf *c)
{
	char		host[256];
	size_t		i;

	for (i = 0; i < NUM_MAX; i++)
		set_number(c, &numbers[i], numbers[i].preset);
	for (i = 0; i < ROLE_MAX; i++) {
		c->prefork[i] = 1;
		if (users[i] != NULL)
			c->users[i] = conf_strdup(users[i]);
	}
	if (gethostname(host, sizeof(host)) == -1 ||
	    memchr(host, '\0', sizeof(host)) == NULL || !is_domain(host, 0))
		strlcpy(host, "localhost", sizeof(host));
	c->hostname = conf_strdup(host);
	c->sandbox = SANDBOX_BEST_EFFORT;
	c->logdest = LOG_TO_SYSLOG;
	c->chroot = conf_strdup(CONF_CHROOT);
	c->rundir = conf_strdup(CONF_RUNDIR "/mfrontd");
	c->control = conf_strdup(CONF_RUNDIR "/mfrontd.sock");
	c->control_uid = (uid_t)-1;
	c->control_gid = (gid_t)-1;
	c->control_mode = 0660;
	c->auth = AUTH_FILE;
}

void
make_begin(struct conf *c)
{
	conf = c;
	nlistens = ncerts = nstorages = 0;
	memset(said, 0, sizeof(said));
	memset(said_num, 0, sizeof(said_num));
	listen_reset();
}

static void
resolve_cert(const struct cert_ref *r)
{
	struct conf_listen	*l;
	const struct conf_cert	*k;

	if ((k = cert_find(r->name)) == NULL) {
		if (r->name != NULL)
			conf_bad_at(r->where, "no certificate \"%s\"",
			    r->name);
		else
			conf_bad_at(r->where, "tls needs a \"certificate\"");
		return;
	}
	TAILQ_FOREACH(l, &conf->listens, entry)
		if (l->id >= r->first && l->id <= r->last)
			l->cert = k->id;
}

void
make_resolve(void)
{
	const struct cert_ref		*r;
	const struct conf_storage	*st;
	struct conf_place		*pl;

	TAILQ_FOREACH(r, &certrefs, entry)
		resolve_cert(r);
	TAILQ_FOREACH(pl, &conf->places, entry)
		if ((pl->st = storage_find(pl->storage)) == NULL &&
		    *pl->storage != '\0')
			conf_bad_at(pl->where, "no storage \"%s\"",
			    pl->storage);
	if (conf->auth != AUTH_STORAGE)
		return;
	if ((st = storage_find(auth_name)) != NULL)
		conf->auth_storage = st->id;
	else if (auth_name != NULL)
		conf_bad_at(auth_where, "no storage \"%s\"", auth_name);
}

void
make_end(void)
{
	struct cert_ref *r;

	while ((r = TAILQ_FIRST(&certrefs)) != NULL) {
		TAILQ_REMOVE(&certrefs, r, entry);
		free(r->name);
		free(r->where);
		free(r);
	}
	free(auth_name);
	free(auth_where);
	auth_name = auth_where = NULL;
	listen_reset();
	mount_reset();
	storage = NULL;
	conf = NULL;
}
