#include <sys/types.h>
#include <sys/socket.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io.h"
#include "log.h"
#include "proc.h"
#include "sandbox.h"
#include "tmo.h"

#define TURN_ROUNDS	8

struct proc_self proc_self = {
	.peers = TAILQ_HEAD_INITIALIZER(proc_self.peers)
};

static const struct proc_ops	*ops;
static uint32_t			 conf_serial;
static int			 conf_held;
static int			 turn_work;	/* peers dirty or dead */
static int			 turn_first;	/* see proc_first() */
static int			 turn_due;	/* for ops->turn(), once more */

static void	proc_event(int, short, void *);
static void	proc_write(struct proc_peer *);

/* channels */

const char *
proc_name(const struct proc_peer *p)
{
	static char buf[32];

	snprintf(buf, sizeof(buf), "%s/%u", role_names[p->role], p->slot);
	return buf;
}

void
proc_session(char *buf, size_t len, uint32_t session)
{
	snprintf(buf, len, "%s-%x-%x", proc_self.boot, proc_self.gen,
	    session);
}

void
proc_stat(struct proc_peer *p, uint32_t req, const char *name, uint64_t value)
{
	struct m_ctl_stat	m;
	char			me[32];

	snprintf(me, sizeof(me), "%s/%u", role_names[proc_self.role],
	    proc_self.slot);
	m.process = me;
	m.name = name;
	m.value = value;
	proc_send(p, M_ctl_stat, 0, req, -1, &m);
}

struct proc_peer *
proc_peer_new(int fd, enum role role, uint16_t slot, uint32_t gen)
{
	struct proc_peer	*p;
	int			 fl;

	if ((fl = fcntl(fd, F_GETFL)) == -1 ||
	    fcntl(fd, F_SETFL, fl | O_NONBLOCK) == -1 ||
	    (p = calloc(1, sizeof(*p))) == NULL)
		return NULL;
	p->role = role;
	p->slot = slot;
	p->gen = gen;
	imsgbuf_init(&p->ib, fd);
	event_set(&p->ev, fd, EV_READ | EV_PERSIST, proc_event, p);
	event_set(&p->evw, fd, EV_WRITE | EV_PERSIST, proc_event, p);
	if (event_add(&p->ev, NULL) == -1) {
		p->ib.fd = -1;
		free(p);
		return NULL;
	}
	return p;
}

struct proc_peer *
proc_find(enum role role, int slot)
{
	struct proc_peer *p;

	TAILQ_FOREACH(p, &proc_self.peers, entry)
		if (p->role == role && p->slot == slot && !p->dead)
			return p;
	return NULL;
}

struct proc_peer *
proc_find_gen(enum role role, uint32_t gen)
{
	struct proc_peer *p;

	TAILQ_FOREACH(p, &proc_self.peers, entry)
		if (p->role == role && p->gen == gen && !p->dead)
			return p;
	return NULL;
}

void
proc_drop(struct proc_peer *p)
{
	p->dead = 1;
	turn_work = 1;
}

void
proc_peer_abandon(struct proc_peer *p)
{
	event_del(&p->ev);
	if (p->blocked)
		event_del(&p->evw);
	imsgbuf_fini(&p->ib);
	free(p);
}

/*
 * A peer that does not read would be lost for us, and we for it, until one
 * of both begins anew: let it be that one.
 */
static void
proc_behind(struct proc_peer *p, enum msg_type type)
{
	if (errno != ENOBUFS)
		fatal("message %s to %s", msg_defs[type].name, proc_name(p));
	proc_violation(p, type, "it does not read them");
}

void
proc_send(struct proc_peer *p, enum msg_type type, uint32_t id, uint32_t req,
    int fd, const void *m)
{
	const char *why;

	if (p == NULL || p->dead) {
		if (fd != -1)
			close(fd);
		return;
	}
	/* only so many descriptors can wait */
	if (fd != -1 && p->ib.noutfd == IMSG_FDS)
		proc_write(p);
	why = msg_refused(type, proc_self.role, p->role, fd != -1);
	if (why != NULL)
		fatalx("message %s to %s: %s", msg_defs[type].name,
		    proc_name(p), why);
	if (msg_compose(&p->ib, type, id, req, fd, m) == -1) {
		if (errno == ERANGE)
			fatalx("message %s to %s: a field too long",
			    msg_defs[type].name, proc_name(p));
		proc_behind(p, type);
		return;
	}
	p->dirty = 1;
	turn_work = 1;
}

void
proc_first(struct proc_peer *p)
{
	if (p == NULL || !p->dirty)
		return;
	p->first = 1;
	turn_first = 1;
}

void
proc_send_raw(struct proc_peer *p, enum msg_type type, uint32_t id,
    uint32_t req, const struct ibuf *body)
{
	struct ibuf	*b;
	size_t		 mark;

	if (p == NULL || p->dead)
		return;
	if ((b = imsg_open(&p->ib, &mark)) == NULL ||
	    ibuf_add_ibuf(b, body) == -1 ||
	    imsg_close(&p->ib, mark, (uint16_t)type, id, req, -1) == -1) {
		proc_behind(p, type);
		return;
	}
	p->dirty = 1;
	turn_work = 1;
}

void
proc_violation(struct proc_peer *p, unsigned int type, const char *reason)
{
	struct m_complaint c;

	if (p->dead)
		return;
	memset(&c, 0, sizeof(c));
	c.role = (uint8_t)p->role;
	c.slot = p->slot;
	c.gen = p->gen;
	c.message = type < M_MAX ? msg_defs[type].name : "?";
	c.reason = reason;
	log_warnx("%s sent a bad message %s: %s", proc_name(p), c.message,
	    reason);
	if (p == proc_self.parent)
		proc_exit(1);
	if (proc_self.parent != NULL)
		proc_send(proc_self.parent, M_complaint, 0, 0, -1, &c);
	proc_drop(p);
}

static void
proc_message(struct proc_peer *p, struct imsg *m)
{
	union msg_any	 any;
	const char	*why;

	why = msg_refused(m->type, p->role, proc_self.role, m->fd != -1);
	if (why == NULL && ops->handlers[m->type] == NULL)
		why = "no handler";
	if (why == NULL && msg_decode(&m->body, m->type, &any) == -1)
		why = "malformed";
	if (why != NULL) {
		proc_violation(p, m->type, why);
		return;
	}
	ops->handlers[m->type](p, m, &any);
	if (msg_defs[m->type].flags & SECRET) {
		ibuf_rewind(&m->body);
		explicit_bzero(ibuf_data(&m->body), ibuf_size(&m->body));
	}
}

static void
proc_read(struct proc_peer *p)
{
	struct imsg	m;
	int		r, more;

	if ((r = imsgbuf_read(&p->ib)) == -1)
		log_warn("%s: read", proc_name(p));
	while (!p->dead && (more = imsgbuf_get(&p->ib, &m)) != 0) {
		if (more == -1) {
			proc_violation(p, M_none, "broken framing");
			return;
		}
		proc_message(p, &m);
	}
	if (r != 1)
		proc_drop(p);
}

static void
proc_write(struct proc_peer *p)
{
	int r, wait;

	p->dirty = 0;
	if (p->dead)
		return;
	if ((r = imsgbuf_write(&p->ib)) != 1) {
		if (r == -1)
			log_warn("%s: write", proc_name(p));
		proc_drop(p);
		return;
	}
	wait = imsgbuf_queuelen(&p->ib) > 0;
	if (wait && !p->blocked)
		event_add(&p->evw, NULL);
	else if (!wait && p->blocked)
		event_del(&p->evw);
	p->blocked = wait;
}

static void
proc_event(int fd, short ev, void *arg)
{
	struct proc_peer *p = arg;

	if (p->dead)
		return;
	if (ev & EV_WRITE)
		proc_write(p);
	if (ev & EV_READ)
		proc_read(p);
}

/* the loop */

void
proc_again(void)
{
	turn_due = 1;
}

static void
proc_write_first(void)
{
	struct proc_peer *p;

	turn_first = 0;
	TAILQ_FOREACH(p, &proc_self.peers, entry) {
		if (p->first && p->dirty && !p->dead)
			proc_write(p);
		p->first = 0;
	}
}

int
proc_turn(void)
{
	struct proc_peer	*p, *next;
	int			 more, again, round = 0;

	/* each may leave work for the other */
	do {
		turn_due = 0;
		again = ops->turn != NULL && ops->turn();
		more = io_turn() | again;
	} while (again && ++round < TURN_ROUNDS);
	more |= turn_due;
	if (turn_first)
		proc_write_first();
	while (turn_work) {
		turn_work = 0;
		TAILQ_FOREACH_SAFE(p, &proc_self.peers, entry, next) {
			if (p->dirty && !p->dead)
				proc_write(p);
			if (!p->dead)
				continue;
			TAILQ_REMOVE(&proc_self.peers, p, entry);
			if (ops->peer_down != NULL)
				ops->peer_down(p);
			/* it may have had something to say to clients */
			more = 1;
			proc_peer_abandon(p);
		}
	}
	p = proc_self.parent;
	if (p != NULL && p->dirty)
		proc_write(p);
	if (p != NULL && p->dead)
		proc_exit(0);
	return more;
}

void
proc_loop(void)
{
	int more = 0;

	for (;;) {
		tmo_turn();
		event_loop(EVLOOP_ONCE | (more ? EVLOOP_NONBLOCK : 0));
		more = proc_turn();
	}
}

void
proc_dispatch_ops(const struct proc_ops *o)
{
	ops = o;
	proc_self.role = o->role;
}

void
proc_exit(int code)
{
	if (proc_self.parent != NULL && !proc_self.parent->dead)
		(void)imsgbuf_write(&proc_self.parent->ib);
	_exit(code);
}

/* a child */

static void
child_log_sink(int prio, const char *text)
{
	static int	busy;
	struct m_log	m;

	/* a parent that does not read must not make us grow */
	if (busy || proc_self.parent == NULL || proc_self.parent->dead ||
	    imsgbuf_queuelen(&proc_self.parent->ib) > 256 * 1024)
		return;
	busy = 1;
	m.prio = (uint8_t)prio;
	m.text = text;
	proc_send(proc_self.parent, M_log, 0, 0, -1, &m);
	busy = 0;
}

static void
child_peer(struct proc_peer *parent, struct imsg *msg, const void *arg)
{
	const struct m_peer	*m = arg;
	struct proc_peer	*p;
	int			 fd;

	if ((fd = imsg_get_fd(&parent->ib, msg)) == -1 || m->role >= ROLE_MAX)
		fatalx("bad peer from parent");
	if ((p = proc_peer_new(fd, m->role, m->slot, m->gen)) == NULL)
		fatal("peer");
	TAILQ_INSERT_TAIL(&proc_self.peers, p, entry);
	if (ops->peer_up != NULL)
		ops->peer_up(p);
}

static void
child_verbose(struct proc_peer *p, struct imsg *msg, const void *arg)
{
	const struct m_verbose *m = arg;

	log_setverbose(m->level);
}

static void
child_stop(struct proc_peer *p, struct imsg *msg, const void *arg)
{
	const struct m_stop *m = arg;

	proc_self.stopping = 1;
	if (ops->stop == NULL)
		proc_exit(0);
	ops->stop(m->grace);
}

static void
child_conf_begin(struct proc_peer *p, struct imsg *msg, const void *arg)
{
	const struct m_conf_begin *m = arg;

	conf_serial = m->serial;
	if (ops->conf_begin != NULL)
		ops->conf_begin(m->first);
}

static void
child_conf_end(struct proc_peer *p, struct imsg *msg, const void *arg)
{
	const struct m_conf_end	*m = arg;
	struct m_conf_status	 st;
	char			 error[900] = "";

	if (m->serial != conf_serial)
		return;
	st.serial = m->serial;
	st.ok = ops->conf_end == NULL ||
	    ops->conf_end(error, sizeof(error)) == 0;
	st.error = error;
	proc_send(p, M_conf_status, 0, 0, -1, &st);
}

static void
conf_done(void)
{
	struct m_conf_done done = { conf_serial };

	proc_send(proc_self.parent, M_conf_done, 0, 0, -1, &done);
}

void
proc_conf_hold(void)
{
	conf_held = 1;
}

void
proc_conf_release(void)
{
	if (!conf_held)
		return;
	conf_held = 0;
	conf_done();
}

static void
child_conf_commit(struct proc_peer *p, struct imsg *msg, const void *arg)
{
	const struct m_conf_commit *m = arg;

	if (m->serial != conf_serial)
		return;
	conf_held = 0;
	if (ops->conf_commit != NULL)
		ops->conf_commit();
	if (!conf_held)
		conf_done();
}

static void
child_conf_abort(struct proc_peer *p, struct imsg *msg, const void *arg)
{
	const struct m_conf_abort *m = arg;

	if (m->serial == conf_serial && ops->conf_abort != NULL)
		ops->conf_abort();
}

/* What the parent says to every role alike. */
static const struct {
	enum msg_type	type;
	proc_handler	handler;
} common[] = {
	{ M_peer,		child_peer },
	{ M_verbose,		child_verbose },
	{ M_stop,		child_stop },
	{ M_conf_begin,		child_conf_begin },
	{ M_conf_end,		child_conf_end },
	{ M_conf_commit,	child_conf_commit },
	{ M_conf_abort,		child_conf_abort },
};

/* The first message, waited for: nothing else can happen before it. */
static void
child_hello(struct imsgbuf *ib, struct imsg *msg, struct m_hello *m)
{
	int r;

	while ((r = imsgbuf_get(ib, msg)) == 0) {
		if ((r = imsgbuf_read(ib)) == 0)
			_exit(0);
		if (r == -1)
			fatal("parent");
	}
	if (r == -1 || msg->type != M_hello ||
	    msg_decode(&msg->body, M_hello, m) == -1)
		fatalx("no hello from parent");
	if (m->table != msg_table_hash())
		fatalx("the parent is of another version");
}

static void
child_enter(const struct m_hello *m)
{
	struct sandbox	sb;
	struct m_ready	ready;
	char		desc[256];

	memset(&sb, 0, sizeof(sb));
	sb.role = proc_self.role;
	sb.mode = m->sandbox;
	sb.root = m->root;
	sb.uid = m->uid;
	sb.gid = m->gid;
	sb.chroot = m->chroot;
	sb.nfiles = m->nfiles;
	if (sandbox_enter(&sb, desc, sizeof(desc)) == -1)
		proc_exit(1);
	ready.sandbox = desc;
	proc_send(proc_self.parent, M_ready, 0, 0, -1, &ready);
}

void
proc_main(const struct proc_ops *o)
{
	static proc_handler	 handlers[M_MAX];
	static struct proc_ops	 mine;
	struct imsgbuf		 ib;
	struct imsg		 msg;
	struct m_hello		 m;
	size_t			 i;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	memset(&m, 0, sizeof(m));
	memcpy(handlers, o->handlers, sizeof(handlers));
	for (i = 0; i < sizeof(common) / sizeof(common[0]); i++)
		handlers[common[i].type] = common[i].handler;
	mine = *o;
	mine.handlers = handlers;
	proc_dispatch_ops(&mine);
	log_init(LOG_TO_STDERR, 0, role_names[o->role]);
	imsgbuf_init(&ib, PROC_FD);
	child_hello(&ib, &msg, &m);
	if (m.role != o->role)
		fatalx("started as %s", role_names[o->role]);
	proc_self.slot = m.slot;
	proc_self.gen = m.gen;
	strlcpy(proc_self.boot, m.boot, sizeof(proc_self.boot));
	setproctitle("%s/%u", o->title, m.slot);
	log_init(LOG_TO_STDERR, m.verbose, role_names[o->role]);
	event_init();
	if ((proc_self.parent = proc_peer_new(PROC_FD, ROLE_PARENT, 0,
	    0)) == NULL)
		fatal("parent");
	if (m.logdest == LOG_TO_SYSLOG)
		log_set_sink(child_log_sink);
	if (o->init != NULL && o->init() == -1)
		proc_exit(1);
	child_enter(&m);
	/* the parent says no more before it has heard that we are ready */
	if (imsgbuf_get(&ib, &msg) != 0 || ibuf_size(&ib.in) != 0)
		fatalx("more than a hello from parent");
	if (o->start != NULL)
		o->start();
	(void)proc_turn();
	proc_loop();
}
