/*
 * The connector: connects to the configured storages and hands the
 * connected descriptors to engines, which cannot connect themselves.
 *
 * It keeps nothing but the configuration.  Names are looked up in the hosts
 * file as it was at the start, then by c-ares, which never blocks; a reload
 * starts the process anew and so reads hosts and resolv.conf again.
 */
#include <sys/types.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ares.h>
#include <event.h>

#include "conf.h"
#include "log.h"
#include "proc.h"
#include "roles.h"
#include "tmo.h"

#define TRY_SECS	5	/* for one address */
#define ADDRS_MAX	16	/* of one name */
#define HOSTS_MAX	4096	/* entries of the hosts file */
#define PENDING_MAX	400	/* connections being made */
#define DNS_MAX		32	/* sockets of the resolver */

struct addr {
	struct sockaddr_storage	 ss;
	socklen_t		 len;
};

struct curl {
	uint16_t		 storage;
	uint16_t		 id;
	enum url_kind		 kind;
	char			*host;
	uint16_t		 port;
	char			*sock;		/* last part of the path */
	int			 dirfd;
	TAILQ_ENTRY(curl)	 entry;
};

TAILQ_HEAD(curls, curl);

/* A connection being made. */
struct pending {
	uint16_t		 slot;		/* engine that asked */
	uint32_t		 egen;
	uint32_t		 req;
	uint16_t		 port;
	struct addr		 addrs[ADDRS_MAX];
	int			 naddrs;
	int			 next;
	int			 fd;
	int			 resolving;
	int			 gone;		/* nobody waits any more */
	const char		*error;
	struct event		 ev;
	struct tmo		 tmo;
	TAILQ_ENTRY(pending)	 entry;
};

struct host {
	char			*name;
	struct sockaddr_storage	 ss;
	socklen_t		 len;
};

static struct curls	*urls, *staged;
static TAILQ_HEAD(, pending) pendings = TAILQ_HEAD_INITIALIZER(pendings);
static int		 npending;
static struct tmo_class	 try_class;
static struct host	*hosts;
static size_t		 nhosts;
static ares_channel	 dns;
static int		 have_dns;
static struct event	 dns_timer;
static struct {
	int		fd;		/* -1: free */
	int		added;
	struct event	ev;
} dns_fd[DNS_MAX];

static void	try_next(struct pending *);

/* addresses */

static int
addr_numeric(const char *text, struct sockaddr_storage *ss, socklen_t *len)
{
	struct sockaddr_in	*s4 = (struct sockaddr_in *)ss;
	struct sockaddr_in6	*s6 = (struct sockaddr_in6 *)ss;

	memset(ss, 0, sizeof(*ss));
	if (inet_pton(AF_INET, text, &s4->sin_addr) == 1) {
		s4->sin_family = AF_INET;
		*len = sizeof(*s4);
		return 1;
	}
	if (inet_pton(AF_INET6, text, &s6->sin6_addr) == 1) {
		s6->sin6_family = AF_INET6;
		*len = sizeof(*s6);
		return 1;
	}
	return 0;
}

static void
addr_add(struct pending *pd, const struct sockaddr *sa, socklen_t len)
{
	struct addr *a;

	if (pd->naddrs == ADDRS_MAX || len > sizeof(a->ss))
		return;
	a = &pd->addrs[pd->naddrs++];
	memcpy(&a->ss, sa, len);
	a->len = len;
	if (sa->sa_family == AF_INET)
		((struct sockaddr_in *)&a->ss)->sin_port = htons(pd->port);
	else
		((struct sockaddr_in6 *)&a->ss)->sin6_port = htons(pd->port);
}

/* hosts(5) */

static void
hosts_line(char *line)
{
	struct sockaddr_storage	 ss;
	socklen_t		 len;
	struct host		*h;
	char			*word;

	line[strcspn(line, "#\n")] = '\0';
	if ((word = strsep(&line, " \t")) == NULL ||
	    !addr_numeric(word, &ss, &len))
		return;
	while ((word = strsep(&line, " \t")) != NULL) {
		if (*word == '\0' || nhosts == HOSTS_MAX)
			continue;
		if ((h = reallocarray(hosts, nhosts + 1,
		    sizeof(*h))) == NULL)
			fatal(NULL);
		hosts = h;
		h += nhosts++;
		if ((h->name = strdup(word)) == NULL)
			fatal(NULL);
		h->ss = ss;
		h->len = len;
	}
}

static void
hosts_read(void)
{
	FILE	*f;
	char	*line = NULL;
	size_t	 size = 0;

	if ((f = fopen("/etc/hosts", "r")) == NULL)
		return;
	while (getline(&line, &size, f) != -1)
		hosts_line(line);
	free(line);
	fclose(f);
}

static int
hosts_find(struct pending *pd, const char *name)
{
	size_t i;

	for (i = 0; i < nhosts; i++)
		if (strcasecmp(hosts[i].name, name) == 0)
			addr_add(pd, (struct sockaddr *)&hosts[i].ss,
			    hosts[i].len);
	return pd->naddrs;
}

/* the resolver's sockets and clock, on our event loop */

static void
dns_schedule(void)
{
	struct timeval tv, *next;

	evtimer_del(&dns_timer);
	if ((next = ares_timeout(dns, NULL, &tv)) != NULL)
		evtimer_add(&dns_timer, next);
}

static void
dns_event(int fd, short ev, void *arg)
{
	ares_process_fd(dns, ev & EV_READ ? fd : ARES_SOCKET_BAD,
	    ev & EV_WRITE ? fd : ARES_SOCKET_BAD);
	dns_schedule();
}

static void
dns_tick(int fd, short ev, void *arg)
{
	ares_process_fd(dns, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	dns_schedule();
}

static void
dns_state(void *arg, ares_socket_t fd, int rd, int wr)
{
	int i, slot = -1;

	for (i = 0; i < DNS_MAX; i++) {
		if (dns_fd[i].fd == fd)
			break;
		if (slot == -1 && dns_fd[i].fd == -1)
			slot = i;
	}
	if (i == DNS_MAX && (i = slot) == -1)
		return;
	if (dns_fd[i].added) {
		event_del(&dns_fd[i].ev);
		dns_fd[i].added = 0;
	}
	dns_fd[i].fd = -1;
	if (!rd && !wr)
		return;
	dns_fd[i].fd = fd;
	event_set(&dns_fd[i].ev, fd, (short)((rd ? EV_READ : 0) |
	    (wr ? EV_WRITE : 0) | EV_PERSIST), dns_event, NULL);
	event_add(&dns_fd[i].ev, NULL);
	dns_fd[i].added = 1;
}

static void
dns_init(void)
{
	struct ares_options	o;
	char			only_dns[] = "b";
	int			i, r;

	for (i = 0; i < DNS_MAX; i++)
		dns_fd[i].fd = -1;
	memset(&o, 0, sizeof(o));
	/* it must not open the hosts file: there is none for us later */
	o.lookups = only_dns;
	o.timeout = 2000;
	o.tries = 3;
	o.sock_state_cb = dns_state;
	unsetenv("HOSTALIASES");
	r = ares_library_init(ARES_LIB_INIT_ALL);
	if (r == ARES_SUCCESS)
		r = ares_init_options(&dns, &o, ARES_OPT_LOOKUPS |
		    ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES |
		    ARES_OPT_SOCK_STATE_CB);
	if (r != ARES_SUCCESS) {
		log_warnx("no resolver: %s", ares_strerror(r));
		return;
	}
	have_dns = 1;
	evtimer_set(&dns_timer, dns_tick, NULL);
}

/* connecting */

static void
pending_free(struct pending *pd)
{
	tmo_stop(&pd->tmo);
	if (pd->fd != -1) {
		event_del(&pd->ev);
		close(pd->fd);
	}
	TAILQ_REMOVE(&pendings, pd, entry);
	npending--;
	free(pd);
}

static void
answer_fail(struct pending *pd)
{
	struct m_connect_fail m;

	m.text = pd->error != NULL ? pd->error : "no address";
	proc_send(proc_find_gen(ROLE_ENGINE, pd->egen), M_connect_fail, 0,
	    pd->req, -1, &m);
	pending_free(pd);
}

static void
answer_ok(struct pending *pd)
{
	int fd = pd->fd, on = 1;

	event_del(&pd->ev);
	pd->fd = -1;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	proc_send(proc_find_gen(ROLE_ENGINE, pd->egen), M_connect_ok, 0,
	    pd->req, fd, NULL);
	pending_free(pd);
}

static void
try_failed(struct pending *pd, int error)
{
	pd->error = strerror(error);
	if (pd->fd != -1) {
		event_del(&pd->ev);
		close(pd->fd);
		pd->fd = -1;
	}
	try_next(pd);
}

static void
try_event(int fd, short ev, void *arg)
{
	struct pending	*pd = arg;
	socklen_t	 len = sizeof(int);
	int		 error = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == -1)
		error = errno;
	if (error != 0)
		try_failed(pd, error);
	else
		answer_ok(pd);
}

static void
try_fired(struct tmo *t)
{
	struct pending *pd;

	TAILQ_FOREACH(pd, &pendings, entry)
		if (&pd->tmo == t)
			break;
	if (pd != NULL)
		try_failed(pd, ETIMEDOUT);
}

static void
try_next(struct pending *pd)
{
	struct addr *a;

	for (;;) {
		if (pd->next == pd->naddrs) {
			answer_fail(pd);
			return;
		}
		a = &pd->addrs[pd->next++];
		pd->fd = socket(a->ss.ss_family, SOCK_STREAM, 0);
		if (pd->fd == -1 || fcntl(pd->fd, F_SETFL,
		    O_NONBLOCK) == -1) {
			pd->error = strerror(errno);
			if (pd->fd != -1)
				close(pd->fd);
			pd->fd = -1;
			continue;
		}
		event_set(&pd->ev, pd->fd, EV_WRITE, try_event, pd);
		if (connect(pd->fd, (struct sockaddr *)&a->ss, a->len) == 0 ||
		    errno == EINPROGRESS) {
			event_add(&pd->ev, NULL);
			tmo_start(&pd->tmo, &try_class);
			return;
		}
		pd->error = strerror(errno);
		close(pd->fd);
		pd->fd = -1;
	}
}

static void
resolved(void *arg, int status, int timeouts, struct ares_addrinfo *ai)
{
	struct pending			*pd = arg;
	struct ares_addrinfo_node	*n;

	pd->resolving = 0;
	if (status == ARES_SUCCESS && ai != NULL)
		for (n = ai->nodes; n != NULL; n = n->ai_next)
			addr_add(pd, n->ai_addr, n->ai_addrlen);
	else
		pd->error = ares_strerror(status);
	if (ai != NULL)
		ares_freeaddrinfo(ai);
	if (pd->gone)
		pending_free(pd);
	else
		try_next(pd);
}

static void
resolve(struct pending *pd, const char *host)
{
	struct ares_addrinfo_hints	hints;
	struct sockaddr_storage		ss;
	socklen_t			len;

	if (addr_numeric(host, &ss, &len)) {
		addr_add(pd, (struct sockaddr *)&ss, len);
		try_next(pd);
	} else if (hosts_find(pd, host) > 0) {
		try_next(pd);
	} else if (have_dns) {
		memset(&hints, 0, sizeof(hints));
		hints.ai_family = AF_UNSPEC;
		hints.ai_flags = ARES_AI_NOSORT;
		pd->resolving = 1;
		ares_getaddrinfo(dns, host, NULL, &hints, resolved, pd);
		dns_schedule();
	} else {
		pd->error = "no resolver";
		try_next(pd);
	}
}

/* A unix socket is reached from inside its folder: we are chrooted. */
static int
connect_unix(const struct curl *u)
{
	struct sockaddr_un	sun;
	int			fd, saved;

	memset(&sun, 0, sizeof(sun));
	sun.sun_family = AF_UNIX;
	if (u->dirfd == -1 || strlcpy(sun.sun_path, u->sock,
	    sizeof(sun.sun_path)) >= sizeof(sun.sun_path)) {
		errno = ENOENT;
		return -1;
	}
	if (fchdir(u->dirfd) == -1 ||
	    (fd = socket(AF_UNIX, SOCK_STREAM, 0)) == -1)
		return -1;
	if (fcntl(fd, F_SETFL, O_NONBLOCK) == -1 ||
	    connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == -1) {
		saved = errno;
		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

static struct curl *
url_find(uint16_t storage, uint16_t id)
{
	struct curl *u;

	if (urls != NULL)
		TAILQ_FOREACH(u, urls, entry)
			if (u->storage == storage && u->id == id)
				return u;
	return NULL;
}

static void
connector_req(struct proc_peer *p, struct imsg *msg, const void *arg)
{
	const struct m_connect_req	*m = arg;
	struct m_connect_fail		 fail;
	struct pending			*pd;
	struct curl			*u;
	int				 fd;

	fail.text = "unknown storage";
	if ((u = url_find(m->storage, m->url)) == NULL)
		goto fail;
	if (u->kind == URL_UNIX) {
		fail.text = "";
		if ((fd = connect_unix(u)) == -1)
			goto fail_errno;
		proc_send(p, M_connect_ok, 0, msg->req, fd, NULL);
		return;
	}
	fail.text = "too many connections are being made";
	if (npending == PENDING_MAX ||
	    (pd = calloc(1, sizeof(*pd))) == NULL)
		goto fail;
	pd->slot = p->slot;
	pd->egen = p->gen;
	pd->req = msg->req;
	pd->port = u->port;
	pd->fd = -1;
	TAILQ_INSERT_TAIL(&pendings, pd, entry);
	npending++;
	resolve(pd, u->host);
	return;
 fail_errno:
	fail.text = strerror(errno);
 fail:
	proc_send(p, M_connect_fail, 0, msg->req, -1, &fail);
}

static void
connector_peer_down(struct proc_peer *p)
{
	struct pending *pd, *next;

	TAILQ_FOREACH_SAFE(pd, &pendings, entry, next) {
		if (pd->egen != p->gen)
			continue;
		if (pd->resolving)
			pd->gone = 1;
		else
			pending_free(pd);
	}
}

/* configuration */

static void
urls_free(struct curls *l)
{
	struct curl *u;

	if (l == NULL)
		return;
	while ((u = TAILQ_FIRST(l)) != NULL) {
		TAILQ_REMOVE(l, u, entry);
		if (u->dirfd != -1)
			close(u->dirfd);
		free(u->host);
		free(u->sock);
		free(u);
	}
	free(l);
}

static void
connector_conf_begin(int first)
{
	urls_free(staged);
	if ((staged = calloc(1, sizeof(*staged))) == NULL)
		fatal(NULL);
	TAILQ_INIT(staged);
}

static void
connector_conf_commit(void)
{
	urls_free(urls);
	urls = staged;
	staged = NULL;
}

static void
connector_conf_abort(void)
{
	urls_free(staged);
	staged = NULL;
}

static void
connector_url(struct proc_peer *p, struct imsg *msg, const void *arg)
{
	const struct m_conf_url	*m = arg;
	struct curl		*u;
	const char		*base;

	if ((u = calloc(1, sizeof(*u))) == NULL)
		fatal(NULL);
	base = strrchr(m->sock, '/');
	u->storage = m->storage;
	u->id = m->id;
	u->kind = m->kind;
	u->port = m->port;
	u->dirfd = -1;
	if ((u->host = strdup(m->host)) == NULL ||
	    (u->sock = strdup(base != NULL ? base + 1 : m->sock)) == NULL)
		fatal(NULL);
	TAILQ_INSERT_TAIL(staged, u, entry);
}

static void
connector_sockdir(struct proc_peer *p, struct imsg *msg, const void *arg)
{
	const struct m_conf_sockdir	*m = arg;
	struct curl			*u;

	TAILQ_FOREACH(u, staged, entry)
		if (u->storage == m->storage && u->id == m->id)
			u->dirfd = imsg_get_fd(&p->ib, msg);
}

static void
connector_ignore(struct proc_peer *p, struct imsg *msg, const void *arg)
{
	/* limits and storages: the urls say all that is needed here */
}

static int
connector_init(void)
{
	tmo_class_init(&try_class, TRY_SECS, try_fired);
	hosts_read();
	dns_init();
	return 0;
}

static const proc_handler handlers[M_MAX] = {
	[M_connect_req] = connector_req,
	[M_conf_url] = connector_url,
	[M_conf_sockdir] = connector_sockdir,
	[M_conf_storage] = connector_ignore,
	[M_conf_limits] = connector_ignore,
};

const struct proc_ops connector_ops = {
	.role = ROLE_CONNECTOR,
	.title = "connector",
	.init = connector_init,
	.handlers = handlers,
	.peer_down = connector_peer_down,
	.conf_begin = connector_conf_begin,
	.conf_commit = connector_conf_commit,
	.conf_abort = connector_conf_abort,
};
