#include <sys/types.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event.h>

#include "log.h"
#include "parent.h"

#define STOP_GRACE	10	/* seconds for sessions to end */
#define STOP_KILL	3	/* more before SIGKILL */
#define BACKOFF_MAX	60

struct parent parent = {
	.children = TAILQ_HEAD_INITIALIZER(parent.children)
};

/* Who talks to whom; each pair once. */
static const struct {
	uint32_t	a;
	uint32_t	b;
} edges[] = {
	{ R_CONTROL,	R_LISTENER | R_AUTH | R_ENGINE },
	{ R_AUTH,	R_LISTENER | R_ENGINE | R_HASH },
	{ R_ENGINE,	R_LISTENER | R_CONNECTOR },
};

/*
 * Whose word counts when one accuses the other of a bad message: a process
 * that anybody can connect to must not be able to have auth killed.
 */
static const int trust[ROLE_MAX] = {
	[ROLE_PARENT] = 9, [ROLE_AUTH] = 8, [ROLE_ENGINE] = 7,
	[ROLE_CONTROL] = 6, [ROLE_CONNECTOR] = 6, [ROLE_HASH] = 5,
	[ROLE_STORE] = 5, [ROLE_IMAP] = 1, [ROLE_POP3] = 1, [ROLE_LMTP] = 1,
};

static struct tmo_class	restart_class, stop_class;
static struct tmo	stop_tmo;
static int		stop_phase;
static struct event	ev_chld, ev_term, ev_int, ev_hup;

static void	restart_fired(struct tmo *);

struct child *
parent_child_of(const struct proc_peer *p)
{
	return p->data;
}

static const char *
child_name(const struct child *c)
{
	static char buf[32];

	snprintf(buf, sizeof(buf), "%s/%u", role_names[c->role], c->slot);
	return buf;
}

/* starting and restarting */

void
parent_child_start(struct child *c)
{
	tmo_stop(&c->tmo);
	c->wired = c->asked = 0;
	c->started = tmo_now();
	if (spawn_child(c) == 0) {
		c->state = CHILD_STARTED;
		return;
	}
	if (!parent.up)
		fatalx("%s cannot be started", child_name(c));
	c->state = CHILD_NONE;
	c->backoff = c->backoff == 0 ? 1 : c->backoff * 2;
	if (c->backoff > BACKOFF_MAX)
		c->backoff = BACKOFF_MAX;
	tmo_class_set(&restart_class, c->backoff);
	tmo_start(&c->tmo, &restart_class);
}

static void
restart_fired(struct tmo *t)
{
	struct child *c;

	TAILQ_FOREACH(c, &parent.children, entry)
		if (&c->tmo == t)
			break;
	if (c == NULL || parent.stopping)
		return;
	/* it would be told a configuration that is about to change */
	if (reload_running()) {
		tmo_class_set(&restart_class, 1);
		tmo_start(&c->tmo, &restart_class);
	} else
		parent_child_start(c);
}

static struct child *
child_add(enum role role, int slot)
{
	struct child *c;

	TAILQ_FOREACH(c, &parent.children, entry)
		if (c->role == role && c->slot == slot) {
			c->surplus = 0;
			return NULL;
		}
	if ((c = calloc(1, sizeof(*c))) == NULL)
		fatal(NULL);
	c->role = role;
	c->slot = (uint16_t)slot;
	c->fd = -1;
	TAILQ_INSERT_TAIL(&parent.children, c, entry);
	return c;
}

static int
role_count(enum role role)
{
	const struct conf_listen *l;

	if (role == ROLE_HASH)
		return parent.conf->auth == AUTH_FILE ?
		    parent.conf->auth_workers : 0;
	if (!ROLE_IS_LISTENER(role))
		return parent.conf->prefork[role];
	TAILQ_FOREACH(l, &parent.conf->listens, entry)
		if (l->role == role)
			return parent.conf->prefork[role];
	return 0;
}

static void
store_child(const struct conf_storage *st)
{
	struct child *c;

	if (st->dir == NULL || (c = child_add(ROLE_STORE, st->id)) == NULL)
		return;
	c->storage = st->id;
	if ((c->fd = store_socket(st)) == -1 && !parent.up)
		fatalx("storage %s cannot be started", st->name);
}

static void
control_socket(struct child *c)
{
	const struct conf *conf = parent.conf;

	c->fd = listen_unix(conf->control, conf->control_uid,
	    conf->control_gid, conf->control_mode);
	if (c->fd == -1)
		fatal("control socket %s", conf->control);
	(void)fcntl(c->fd, F_SETFL, fcntl(c->fd, F_GETFL) | O_NONBLOCK);
}

/* The places that the configuration asks for; marks what it does not. */
void
parent_children(void)
{
	static const enum role roles[] = { ROLE_CONTROL, ROLE_CONNECTOR,
	    ROLE_AUTH, ROLE_HASH, ROLE_ENGINE, ROLE_IMAP, ROLE_POP3,
	    ROLE_LMTP };
	const struct conf_storage *st;
	struct child *c;
	size_t i;
	int slot;

	TAILQ_FOREACH(c, &parent.children, entry)
		c->surplus = 1;
	TAILQ_FOREACH(st, &parent.conf->storages, entry)
		store_child(st);
	for (i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
		for (slot = 0; slot < role_count(roles[i]); slot++) {
			c = child_add(roles[i], slot);
			if (c != NULL && roles[i] == ROLE_CONTROL)
				control_socket(c);
		}
}

/* wiring */

static void
wire(struct child *a, struct child *b)
{
	struct m_peer	m;
	int		sv[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, sv) == -1)
		fatal("socketpair");
	(void)fcntl(sv[0], F_SETFD, FD_CLOEXEC);
	(void)fcntl(sv[1], F_SETFD, FD_CLOEXEC);
	m.role = (uint8_t)b->role;
	m.slot = b->slot;
	m.gen = b->gen;
	proc_send(a->peer, M_peer, 0, 0, sv[0], &m);
	m.role = (uint8_t)a->role;
	m.slot = a->slot;
	m.gen = a->gen;
	proc_send(b->peer, M_peer, 0, 0, sv[1], &m);
	/* descriptors in flight are few: send them now */
	(void)proc_turn();
}

static int
wants_wire(const struct child *a, const struct child *b)
{
	size_t i;

	for (i = 0; i < sizeof(edges) / sizeof(edges[0]); i++)
		if (((edges[i].a & (1U << a->role)) &&
		    (edges[i].b & (1U << b->role))) ||
		    ((edges[i].a & (1U << b->role)) &&
		    (edges[i].b & (1U << a->role))))
			return 1;
	return 0;
}

static void
wire_all(struct child *c)
{
	struct child *o;

	c->wired = 1;
	TAILQ_FOREACH(o, &parent.children, entry)
		if (o != c && o->wired && o->peer != NULL &&
		    wants_wire(c, o))
			wire(c, o);
}

/* progress */

static void
child_commit(struct child *c)
{
	struct m_conf_commit m = { c->serial };

	c->state = CHILD_COMMITTED;
	proc_send(c->peer, M_conf_commit, 0, 0, -1, &m);
}

/* Is everything running that a listener leans on? */
static int
house_stands(void)
{
	struct child *c;

	TAILQ_FOREACH(c, &parent.children, entry)
		if (!ROLE_IS_LISTENER(c->role) && c->state != CHILD_RUNNING &&
		    !c->surplus)
			return 0;
	return 1;
}

/* Not before: one that does not come up must not claim another's file. */
static int
write_pid(const char *path)
{
	FILE *f;

	if (path == NULL)
		return 0;
	if ((f = fopen(path, "w")) == NULL ||
	    fprintf(f, "%ld\n", (long)getpid()) < 0 || fclose(f) == EOF) {
		log_warn("%s", path);
		return -1;
	}
	return 0;
}

static const struct child *
first_held_by(const char *sandbox)
{
	const struct child *c;

	TAILQ_FOREACH(c, &parent.children, entry)
		if (strcmp(c->sandbox, sandbox) == 0)
			break;
	return c;
}

/* What holds the processes: a line for all that are held alike. */
static void
log_sandboxes(void)
{
	const struct child	*c, *o;
	uint32_t		 told;
	char			 roles[256];

	TAILQ_FOREACH(c, &parent.children, entry) {
		if (first_held_by(c->sandbox) != c)
			continue;
		roles[0] = '\0';
		told = 0;
		TAILQ_FOREACH(o, &parent.children, entry) {
			if (strcmp(o->sandbox, c->sandbox) != 0 ||
			    told & (1U << o->role))
				continue;
			told |= 1U << o->role;
			strlcat(roles, " ", sizeof(roles));
			strlcat(roles, role_names[o->role], sizeof(roles));
		}
		log_info("sandbox of%s: %s", roles,
		    *c->sandbox != '\0' ? c->sandbox : "none");
	}
}

static void
all_up(void)
{
	const struct conf_listen	*l;
	struct child			*c;
	static const char *const	 tls[] = { "", " starttls", " tls" };

	TAILQ_FOREACH(c, &parent.children, entry)
		if (c->state != CHILD_RUNNING)
			return;
	if (write_pid(parent.pidfile) == -1) {
		parent_stop("no pid file");
		return;
	}
	parent.up = 1;
	TAILQ_FOREACH(l, &parent.conf->listens, entry)
		if (l->fd != -1)
			log_info("%s on %s%s", role_names[l->role], l->name,
			    tls[l->tls]);
	log_sandboxes();
	log_info("ready");
	if (parent.upfd != -1) {
		(void)!write(parent.upfd, "", 1);
		close(parent.upfd);
		parent.upfd = -1;
		log_copy(-1);
	}
}

/* Moves every child on as far as it can go now. */
void
parent_advance(void)
{
	struct child	*c;
	int		 stands;

	TAILQ_FOREACH(c, &parent.children, entry)
		if (c->state == CHILD_PREPARED &&
		    !ROLE_IS_LISTENER(c->role)) {
			/* it hears of the switch first, then of siblings */
			child_commit(c);
			wire_all(c);
		}
	stands = parent.up || house_stands();
	TAILQ_FOREACH(c, &parent.children, entry) {
		if (c->state == CHILD_PREPARED && stands) {
			if (!c->wired)
				wire_all(c);
			child_commit(c);
		}
	}
	if (!parent.up && !parent.stopping)
		all_up();
	reload_next();
}

static void
on_ready(struct proc_peer *p, struct imsg *msg, const void *arg)
{
	const struct m_ready	*m = arg;
	struct child		*c = parent_child_of(p);

	if (c->state == CHILD_STOPPING)
		return;
	if (c->state != CHILD_STARTED) {
		proc_violation(p, msg->type, "not now");
		return;
	}
	log_debug("%s pid %ld gen %u: %s", child_name(c), (long)c->pid,
	    c->gen, m->sandbox);
	strlcpy(c->sandbox, m->sandbox, sizeof(c->sandbox));
	c->sandbox[strcspn(c->sandbox, "\n")] = '\0';
	c->state = CHILD_READY;
	send_conf(c, parent.conf, 1);
}

static void
on_conf_status(struct proc_peer *p, struct imsg *msg, const void *arg)
{
	const struct m_conf_status	*m = arg;
	struct child			*c = parent_child_of(p);

	/* one that was told to stop may have said this before it heard */
	if (m->serial != c->serial || c->state == CHILD_STOPPING)
		return;
	if (c->state == CHILD_RUNNING) {
		reload_status(c, m->ok, m->error);
		return;
	}
	if (c->state != CHILD_READY) {
		proc_violation(p, msg->type, "not now");
		return;
	}
	if (!m->ok) {
		log_warnx("%s: %s", child_name(c), m->error);
		if (!parent.up)
			parent_stop(m->error);
		else
			kill(c->pid, SIGKILL);
		return;
	}
	c->state = CHILD_PREPARED;
	parent_advance();
}

static void
on_conf_done(struct proc_peer *p, struct imsg *msg, const void *arg)
{
	struct child *c = parent_child_of(p);

	if (c->state == CHILD_COMMITTED) {
		c->state = CHILD_RUNNING;
		parent_advance();
	} else
		reload_switched(c);
}

static void
on_log(struct proc_peer *p, struct imsg *msg, const void *arg)
{
	const struct m_log	*m = arg;
	char			 line[LOG_LINE_MAX];

	/* the child's own word for its name does not count */
	snprintf(line, sizeof(line), "%s", m->text);
	log_line(m->prio & 7, line);
}

static struct child *
child_by_gen(enum role role, uint32_t gen)
{
	struct child *c;

	TAILQ_FOREACH(c, &parent.children, entry)
		if (c->role == role && c->gen == gen && c->peer != NULL)
			return c;
	return NULL;
}

static void
on_complaint(struct proc_peer *p, struct imsg *msg, const void *arg)
{
	const struct m_complaint	*m = arg;
	struct child			*c = parent_child_of(p), *o;

	if (m->role >= ROLE_MAX || (o = child_by_gen(m->role, m->gen)) ==
	    NULL || !wants_wire(c, o))
		return;
	log_warnx("%s: bad message %s from %s/%u: %s", child_name(c),
	    m->message, role_names[o->role], o->slot, m->reason);
	if (trust[c->role] > trust[o->role])
		kill(o->pid, SIGKILL);
	else if (c->wired && o->wired)
		wire(c, o);
}

/* control */

static void
on_reload(struct proc_peer *p, struct imsg *msg, const void *arg)
{
	reload_begin(p, msg->req);
}

static void
on_verbose(struct proc_peer *p, struct imsg *msg, const void *arg)
{
	const struct m_ctl_verbose	*m = arg;
	struct m_verbose		 v = { m->level };
	struct m_ctl_end		 end = { 1, "" };
	struct child			*c;

	log_setverbose(m->level);
	TAILQ_FOREACH(c, &parent.children, entry)
		if (c->state >= CHILD_READY)
			proc_send(c->peer, M_verbose, 0, 0, -1, &v);
	proc_send(p, M_ctl_end, 0, msg->req, -1, &end);
}

static void
on_stop(struct proc_peer *p, struct imsg *msg, const void *arg)
{
	struct m_ctl_end end = { 1, "stopping" };

	proc_send(p, M_ctl_end, 0, msg->req, -1, &end);
	parent_stop("mfrontctl stop");
}

/* the end of children, and ours */

static void
child_free(struct child *c)
{
	tmo_stop(&c->tmo);
	TAILQ_REMOVE(&parent.children, c, entry);
	if (c->fd != -1)
		close(c->fd);
	free(c);
}

static void	stop_next(void);

static void
child_log_exit(const struct child *c, int status)
{
	if (WIFSIGNALED(status))
		log_warnx("%s (pid %ld) died of signal %d%s", child_name(c),
		    (long)c->pid, WTERMSIG(status),
		    WTERMSIG(status) == SIGSYS ?
		    ": a system call that its sandbox forbids" : "");
	else if (WEXITSTATUS(status) != 0)
		log_warnx("%s (pid %ld) exited with %d", child_name(c),
		    (long)c->pid, WEXITSTATUS(status));
}

/* It has served longer than it was away: no need to wait again. */
static int
child_was_well(const struct child *c)
{
	time_t lived = tmo_now() - c->started;

	return c->state == CHILD_RUNNING && lived >= 1 &&
	    lived >= 2 * (time_t)c->backoff;
}

static void
child_died(struct child *c, int status)
{
	if (!parent.stopping && !c->surplus && !c->renew &&
	    c->state != CHILD_STOPPING)
		child_log_exit(c, status);
	c->pid = 0;
	if (c->peer != NULL) {
		c->peer->data = NULL;
		proc_drop(c->peer);
		c->peer = NULL;
	}
	if (parent.stopping) {
		c->state = CHILD_NONE;
		stop_next();
		return;
	}
	reload_child_gone(c);
	if (c->surplus) {
		child_free(c);
		return;
	}
	if (!parent.up) {
		log_warnx("%s did not come up", child_name(c));
		parent_stop("start failed");
		return;
	}
	if (c->renew || child_was_well(c)) {
		c->renew = c->backoff = 0;
		parent_child_start(c);
		return;
	}
	c->state = CHILD_NONE;
	c->backoff = c->backoff == 0 ? 1 : c->backoff * 2;
	if (c->backoff > BACKOFF_MAX)
		c->backoff = BACKOFF_MAX;
	tmo_class_set(&restart_class, c->backoff);
	tmo_start(&c->tmo, &restart_class);
}

static void
parent_sigchld(int sig, short ev, void *arg)
{
	struct child	*c, *next;
	pid_t		 pid;
	int		 status;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		TAILQ_FOREACH_SAFE(c, &parent.children, entry, next)
			if (c->pid == pid) {
				child_died(c, status);
				break;
			}
	}
}

static void
parent_peer_down(struct proc_peer *p)
{
	struct child *c = p->data;

	/* a channel that ends is a process that ends */
	if (c == NULL || c->peer != p)
		return;
	c->peer = NULL;
	if (c->pid > 0)
		kill(c->pid, SIGKILL);
}

/*
 * Stopping goes from the outside in: first no more connections and the
 * sessions' end, then those that served them, the stores last.
 */
static const uint32_t stop_order[] = { R_LISTENER | R_CONTROL,
    R_ENGINE | R_AUTH | R_HASH | R_CONNECTOR, R_STORE };

#define STOP_PHASES	((int)(sizeof(stop_order) / sizeof(stop_order[0])))

static void
stop_exit(void)
{
	struct child *c;

	TAILQ_FOREACH(c, &parent.children, entry)
		if (c->role == ROLE_STORE && c->fd != -1) {
			const struct conf_storage *st;

			TAILQ_FOREACH(st, &parent.conf->storages, entry)
				if (st->id == c->storage)
					(void)unlink(store_sockpath(st));
		}
	(void)unlink(parent.conf->control);
	if (parent.pidfile != NULL && parent.up)
		(void)unlink(parent.pidfile);
	log_info("stopped");
	exit(parent.up ? 0 : 1);
}

static void
stop_phase_begin(void)
{
	struct m_stop	 m = { STOP_GRACE };
	struct child	*c;

	TAILQ_FOREACH(c, &parent.children, entry) {
		if ((stop_order[stop_phase] & (1U << c->role)) == 0 ||
		    c->pid <= 0)
			continue;
		if (c->state >= CHILD_READY && c->peer != NULL)
			proc_send(c->peer, M_stop, 0, 0, -1, &m);
		else
			kill(c->pid, SIGKILL);
		c->state = CHILD_STOPPING;
	}
	tmo_start(&stop_tmo, &stop_class);
	stop_next();
}

static void
stop_next(void)
{
	struct child *c;

	TAILQ_FOREACH(c, &parent.children, entry)
		if (c->pid > 0 && (stop_order[stop_phase] & (1U << c->role)))
			return;
	tmo_stop(&stop_tmo);
	if (++stop_phase == STOP_PHASES)
		stop_exit();
	stop_phase_begin();
}

static void
stop_fired(struct tmo *t)
{
	struct child *c;

	TAILQ_FOREACH(c, &parent.children, entry)
		if (c->pid > 0 &&
		    (stop_order[stop_phase] & (1U << c->role))) {
			log_warnx("%s does not end", child_name(c));
			kill(c->pid, SIGKILL);
		}
}

void
parent_stop(const char *why)
{
	struct child *c;

	if (parent.stopping) {
		/* asked twice: at once */
		TAILQ_FOREACH(c, &parent.children, entry)
			if (c->pid > 0)
				kill(c->pid, SIGKILL);
		return;
	}
	log_info("stopping: %s", why);
	reload_stop();
	listen_close(parent.conf, NULL);
	parent.stopping = 1;
	proc_self.stopping = 1;
	TAILQ_FOREACH(c, &parent.children, entry)
		tmo_stop(&c->tmo);
	stop_phase = 0;
	stop_phase_begin();
}

static void
parent_sigterm(int sig, short ev, void *arg)
{
	parent_stop(sig == SIGINT ? "interrupted" : "terminated");
}

static void
parent_sighup(int sig, short ev, void *arg)
{
	reload_begin(NULL, 0);
}

static const proc_handler handlers[M_MAX] = {
	[M_ready] = on_ready,
	[M_log] = on_log,
	[M_complaint] = on_complaint,
	[M_conf_status] = on_conf_status,
	[M_conf_done] = on_conf_done,
	[M_ctl_reload] = on_reload,
	[M_ctl_verbose] = on_verbose,
	[M_ctl_stop] = on_stop,
};

static const struct proc_ops parent_ops = {
	.role = ROLE_PARENT,
	.handlers = handlers,
	.peer_down = parent_peer_down,
};

static void
parent_signals(void)
{
	sigset_t none;

	signal(SIGPIPE, SIG_IGN);
	signal_set(&ev_chld, SIGCHLD, parent_sigchld, NULL);
	signal_set(&ev_term, SIGTERM, parent_sigterm, NULL);
	signal_set(&ev_int, SIGINT, parent_sigterm, NULL);
	signal_set(&ev_hup, SIGHUP, parent_sighup, NULL);
	signal_add(&ev_chld, NULL);
	signal_add(&ev_term, NULL);
	signal_add(&ev_int, NULL);
	signal_add(&ev_hup, NULL);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

void
parent_main(void)
{
	struct child *c;

	setproctitle("parent");
	event_init();
	proc_dispatch_ops(&parent_ops);
	snprintf(parent.boot, sizeof(parent.boot), "%08x", arc4random());
	tmo_class_init(&restart_class, 1, restart_fired);
	tmo_class_init(&stop_class, STOP_GRACE + STOP_KILL, stop_fired);
	parent_signals();
	parent_children();
	TAILQ_FOREACH(c, &parent.children, entry)
		parent_child_start(c);
	(void)proc_turn();
	proc_loop();
}
