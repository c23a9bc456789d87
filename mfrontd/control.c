/*
 * The control process: takes questions of mfrontctl on a unix socket, hands
 * them to the processes that know, sends back what they answer.
 *
 * A client asks one thing at a time; while it is being answered nothing more
 * is read from it.  The processes concerned are asked one after the other,
 * and only while the client keeps up with reading, so that what waits here
 * is never more than one answer, of sessions one page.
 *
 * The clients are strangers: they have little time and little memory, and
 * one that breaks the message table is dropped.
 */
#include <sys/types.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event.h>

#include "auth.h"
#include "imsg.h"
#include "log.h"
#include "proc.h"
#include "roles.h"
#include "tmo.h"

#define CLIENTS_MAX	16
#define TARGETS_MAX	256		/* processes asked for one answer */
#define PAGE		200		/* sessions asked for at once */
#define QUEUE_LOW	(32 * 1024)	/* ask on when no more waits */
#define HELLO_SECS	3		/* to say which version it is */
#define CLIENT_SECS	15		/* to say or read something */
#define PROCESS_SECS	10		/* to answer */
#define PARENT_SECS	120		/* a reload waits for every process */
#define STOP_SECS	2

struct client;

/* A process to be asked, by its generation: it may end any time. */
struct target {
	enum role	 role;
	uint16_t	 slot;
	uint32_t	 gen;
};

/*
 * A question of mfrontctl: who is to be asked, how, and what becomes of the
 * rows and of the end of each answer.
 */
struct question {
	enum msg_type	 type;
	uint32_t	 roles;
	enum msg_type	 rowtype;
	const char	*name;		/* for the log: it changes something */
	/* picks the targets; a text is why it cannot be answered */
	const char	*(*begin)(struct client *, const void *);
	void		 (*ask)(struct client *, struct proc_peer *);
	void		 (*row)(struct client *, const void *);
	void		 (*end)(struct client *, const struct m_ctl_end *);
};

struct client {
	struct imsgbuf		 ib;
	struct event		 ev;
	struct event		 evw;
	int			 reading;	/* ev is added */
	int			 writing;	/* evw is added */
	int			 hello;		/* it is of our version */
	const char		*dead;		/* why */
	long			 uid;		/* -1: not known */
	struct tmo		 tmo;		/* for what it must do */

	/* what it asks */
	const struct question	*q;		/* NULL: nothing */
	uint32_t		 creq;		/* its number of that */
	struct target		 targets[TARGETS_MAX];
	int			 ntargets;
	int			 next;		/* target, to be asked */
	int			 failed;
	char			 text[256];	/* for the end */
	uint32_t		 from;		/* sessions' next page */
	uint32_t		 session;	/* to be kicked, 0: a user */
	char			 whom[512];
	uint8_t			 level;

	/* who is being asked */
	uint32_t		 req;		/* our number, 0: nobody */
	struct target		 asked;
	unsigned int		 rows;
	struct tmo		 asktmo;
	TAILQ_ENTRY(client)	 entry;
};

static TAILQ_HEAD(, client)	 clients = TAILQ_HEAD_INITIALIZER(clients);
static int			 nclients;
static int			 listenfd = -1, stagedfd = -1;
static struct event		 ev_listen;
static int			 listening;	/* ev_listen is added */
static struct tmo_class		 hello_class, client_class, process_class,
				 parent_class, stop_class, accept_class;
static struct tmo		 stop_tmo, accept_tmo;
static uint32_t			 lastreq;

static struct {
	uint64_t	clients, dropped, questions, failed;
} count;

static void	client_event(int, short, void *);

/* clients */

static void
client_drop(struct client *c, const char *why)
{
	if (c->dead == NULL)
		c->dead = why;
}

static void
client_free(struct client *c)
{
	if (c->dead[0] != '\0') {
		count.dropped++;
		log_info("mfrontctl uid=%ld dropped: %s", c->uid, c->dead);
	}
	TAILQ_REMOVE(&clients, c, entry);
	nclients--;
	if (c->reading)
		event_del(&c->ev);
	if (c->writing)
		event_del(&c->evw);
	tmo_stop(&c->tmo);
	tmo_stop(&c->asktmo);
	imsgbuf_fini(&c->ib);
	free(c);
}

static void
client_send(struct client *c, enum msg_type type, const void *m)
{
	if (c->dead != NULL)
		return;
	if (msg_compose(&c->ib, type, 0, c->creq, -1, m) == -1)
		client_drop(c, errno == ENOMEM ? "no memory" :
		    "it does not read");
}

/* It has to say something, or to read what it was told. */
static void
client_timer(struct client *c, int progress)
{
	if (c->q != NULL && imsgbuf_queuelen(&c->ib) == 0)
		tmo_stop(&c->tmo);
	else if (progress || c->tmo.class == NULL)
		tmo_start(&c->tmo, c->hello ? &client_class : &hello_class);
}

static void
client_events(struct client *c)
{
	int want;

	want = c->q == NULL && c->dead == NULL;
	if (want && !c->reading)
		event_add(&c->ev, NULL);
	else if (!want && c->reading)
		event_del(&c->ev);
	c->reading = want;
	want = imsgbuf_queuelen(&c->ib) > 0 && c->dead == NULL;
	if (want && !c->writing)
		event_add(&c->evw, NULL);
	else if (!want && c->writing)
		event_del(&c->evw);
	c->writing = want;
}

/* questions */

static void
question_end(struct client *c, int ok, const char *text)
{
	struct m_ctl_end m = { (uint8_t)ok, text, 0 };

	if (!ok)
		count.failed++;
	client_send(c, M_ctl_end, &m);
	tmo_stop(&c->asktmo);
	c->q = NULL;
	c->req = 0;
	client_timer(c, 1);
}

/* The first failure is told, but the others are asked all the same. */
static void
question_failed(struct client *c, const char *why)
{
	c->failed = 1;
	if (c->text[0] == '\0')
		snprintf(c->text, sizeof(c->text), "%s/%u: %s",
		    role_names[c->asked.role], c->asked.slot, why);
}

static struct proc_peer *
target_peer(const struct target *t)
{
	if (t->role == ROLE_PARENT)
		return proc_self.parent;
	return proc_find_gen(t->role, t->gen);
}

static void
question_ask(struct client *c, struct proc_peer *p)
{
	if (++lastreq == 0)
		lastreq = 1;
	c->req = lastreq;
	c->rows = 0;
	c->q->ask(c, p);
	tmo_start(&c->asktmo, c->asked.role == ROLE_PARENT ? &parent_class :
	    &process_class);
}

static void	own_stats(struct client *);

/* Asks whoever is next, if the client has read most of what there is. */
static void
question_step(struct client *c)
{
	struct proc_peer *p;

	while (c->q != NULL && c->req == 0 && c->dead == NULL &&
	    imsgbuf_queuelen(&c->ib) <= QUEUE_LOW) {
		if (c->from == 0) {
			if (c->next == c->ntargets) {
				question_end(c, !c->failed, c->text);
				return;
			}
			c->asked = c->targets[c->next++];
		}
		if (c->asked.role == ROLE_CONTROL)
			own_stats(c);
		else if ((p = target_peer(&c->asked)) != NULL)
			question_ask(c, p);
		else
			c->from = 0;
	}
}

static void
ask_fired(struct tmo *t)
{
	struct client *c;

	TAILQ_FOREACH(c, &clients, entry) {
		if (&c->asktmo != t)
			continue;
		question_failed(c, "does not answer");
		c->req = 0;
		c->from = 0;
	}
}

/* The client that an answer is for; what comes late is for nobody. */
static struct client *
client_asking(const struct proc_peer *p, uint32_t req)
{
	struct client *c;

	if (req == 0)
		return NULL;
	TAILQ_FOREACH(c, &clients, entry)
		if (c->req == req && c->asked.gen == p->gen &&
		    c->asked.role == p->role)
			return c;
	return NULL;
}

static void
answer_row(struct proc_peer *p, struct imsg *msg, const void *arg)
{
	struct client *c = client_asking(p, msg->req);

	if (c == NULL)
		return;
	if (msg->type != c->q->rowtype ||
	    (msg->type == M_ctl_session && ++c->rows > PAGE)) {
		proc_violation(p, msg->type, "not what was asked for");
		return;
	}
	c->q->row(c, arg);
}

static void
answer_end(struct proc_peer *p, struct imsg *msg, const void *arg)
{
	struct client *c = client_asking(p, msg->req);

	if (c == NULL)
		return;
	tmo_stop(&c->asktmo);
	c->req = 0;
	c->q->end(c, arg);
}

/* the parts of questions */

static void
target_add(struct client *c, const struct proc_peer *p)
{
	struct target *t;

	if (c->ntargets == TARGETS_MAX)
		return;
	t = &c->targets[c->ntargets++];
	t->role = p->role;
	t->slot = p->slot;
	t->gen = p->gen;
}

static int
target_compare(const void *a, const void *b)
{
	const struct target *x = a, *y = b;

	if (x->role != y->role)
		return x->role < y->role ? -1 : 1;
	return (int)x->slot - (int)y->slot;
}

/* Every process of the question's roles, in order. */
static const char *
begin_roles(struct client *c, const void *arg)
{
	struct proc_peer *p;

	if (c->q->roles & R_PARENT)
		target_add(c, proc_self.parent);
	if (c->q->roles & R_CONTROL) {
		c->targets[c->ntargets].role = ROLE_CONTROL;
		c->targets[c->ntargets++].gen = 0;
	}
	TAILQ_FOREACH(p, &proc_self.peers, entry)
		if (!p->dead && (c->q->roles & (1U << p->role)) != 0)
			target_add(c, p);
	qsort(c->targets, (size_t)c->ntargets, sizeof(c->targets[0]),
	    target_compare);
	return NULL;
}

static void
ask_plain(struct client *c, struct proc_peer *p)
{
	proc_send(p, c->q->type, 0, c->req, -1, NULL);
}

static void
ask_sessions(struct client *c, struct proc_peer *p)
{
	struct m_ctl_sessions m = { c->from, PAGE, 0 };

	proc_send(p, M_ctl_sessions, 0, c->req, -1, &m);
}

static void
ask_verbose(struct client *c, struct proc_peer *p)
{
	struct m_ctl_verbose m = { c->level };

	proc_send(p, M_ctl_verbose, 0, c->req, -1, &m);
}

static void
row_forward(struct client *c, const void *row)
{
	client_send(c, c->q->rowtype, row);
}

static void
end_next(struct client *c, const struct m_ctl_end *m)
{
	if (!m->ok)
		question_failed(c, m->text);
}

/* There may be more of the same listener; it must get on, though. */
static void
end_sessions(struct client *c, const struct m_ctl_end *m)
{
	end_next(c, m);
	c->from = m->ok && m->next > c->from ? m->next : 0;
}

static void
end_last(struct client *c, const struct m_ctl_end *m)
{
	question_end(c, m->ok, m->text);
}

static const char *
begin_verbose(struct client *c, const void *arg)
{
	const struct m_ctl_verbose *m = arg;

	if (m->level > 1)
		return "no such level";
	c->level = m->level;
	strlcpy(c->whom, m->level ? "verbose" : "brief", sizeof(c->whom));
	return begin_roles(c, arg);
}

static void
own_stat(struct client *c, const char *name, uint64_t value)
{
	struct m_ctl_stat	m;
	char			me[32];

	snprintf(me, sizeof(me), "%s/%u", role_names[ROLE_CONTROL],
	    proc_self.slot);
	m.process = me;
	m.name = name;
	m.value = value;
	client_send(c, M_ctl_stat, &m);
}

static void
own_stats(struct client *c)
{
	own_stat(c, "clients", (uint64_t)nclients);
	own_stat(c, "accepted", count.clients);
	own_stat(c, "dropped", count.dropped);
	own_stat(c, "questions", count.questions);
	own_stat(c, "failed", count.failed);
}

/* kick */

/* A session is named boot-generation-number, see proc_session(). */
static int
session_parse(const char *name, uint32_t *gen, uint32_t *session)
{
	unsigned long	 n[2];
	size_t		 len = strlen(proc_self.boot);
	char		*end;
	int		 i;

	if (strncmp(name, proc_self.boot, len) != 0)
		return -1;
	name += len;
	for (i = 0; i < 2; i++) {
		if (name[0] != '-' || !isxdigit((unsigned char)name[1]))
			return -1;
		n[i] = strtoul(name + 1, &end, 16);
		if (n[i] > UINT32_MAX)
			return -1;
		name = end;
	}
	if (*name != '\0' || n[1] == 0)
		return -1;
	*gen = (uint32_t)n[0];
	*session = (uint32_t)n[1];
	return 0;
}

/* Only the process of that generation can have the session. */
static const char *
begin_kick_session(struct client *c, const char *name)
{
	struct proc_peer	*p;
	uint32_t		 gen;

	strlcpy(c->whom, name, sizeof(c->whom));
	if (session_parse(name, &gen, &c->session) == -1)
		return "no such session";
	TAILQ_FOREACH(p, &proc_self.peers, entry)
		if (p->gen == gen && !p->dead &&
		    (R_LISTENER & (1U << p->role)) != 0)
			target_add(c, p);
	return c->ntargets == 0 ? "no such session" : NULL;
}

static const char *
begin_kick(struct client *c, const void *arg)
{
	const struct m_ctl_kick *m = arg;

	if (m->session[0] != '\0')
		return begin_kick_session(c, m->session);
	c->session = 0;
	strlcpy(c->whom, m->user, sizeof(c->whom));
	if (c->whom[0] == '\0')
		return "no user named";
	begin_roles(c, arg);
	return c->ntargets == 0 ? "auth is not running" : NULL;
}

/* First ask whether the session is there: a kick has no answer. */
static void
ask_kick(struct client *c, struct proc_peer *p)
{
	struct m_ctl_sessions	ms = { 0, 1, c->session };
	struct m_ctl_kick_user	mu = { c->whom };

	if (c->session != 0)
		proc_send(p, M_ctl_sessions, 0, c->req, -1, &ms);
	else
		proc_send(p, M_ctl_kick_user, 0, c->req, -1, &mu);
}

static void
row_kick(struct client *c, const void *row)
{
	struct m_kick kick = { KICK_ADMIN, "Disconnected by administrator" };

	proc_send(target_peer(&c->asked), M_kick, c->session, 0, -1, &kick);
}

static void
end_kick(struct client *c, const struct m_ctl_end *m)
{
	if (c->session != 0 && m->ok && c->rows == 0)
		question_end(c, 0, "no such session");
	else
		question_end(c, m->ok, m->text);
}

static const struct question questions[] = {
	{ M_ctl_sessions, R_LISTENER, M_ctl_session, NULL,
	    begin_roles, ask_sessions, row_forward, end_sessions },
	{ M_ctl_stats, R_CONTROL | R_LISTENER | R_AUTH | R_ENGINE, M_ctl_stat,
	    NULL, begin_roles, ask_plain, row_forward, end_next },
	{ M_ctl_storages, R_ENGINE, M_ctl_storage, NULL,
	    begin_roles, ask_plain, row_forward, end_next },
	{ M_ctl_kick, R_AUTH, M_ctl_session, "kick",
	    begin_kick, ask_kick, row_kick, end_kick },
	{ M_ctl_reload, R_PARENT, M_none, "reload",
	    begin_roles, ask_plain, NULL, end_last },
	{ M_ctl_verbose, R_PARENT, M_none, "log",
	    begin_verbose, ask_verbose, NULL, end_last },
	{ M_ctl_stop, R_PARENT, M_none, "stop",
	    begin_roles, ask_plain, NULL, end_last },
};

#define NQUESTIONS	(sizeof(questions) / sizeof(questions[0]))

/* what a client says */

static void
question_begin(struct client *c, const struct question *q, uint32_t req,
    const void *m)
{
	const char *why;

	count.questions++;
	c->q = q;
	c->creq = req;
	c->req = c->from = 0;
	c->next = c->ntargets = c->failed = 0;
	c->text[0] = c->whom[0] = '\0';
	why = proc_self.stopping ? "mfrontd is stopping" : q->begin(c, m);
	if (q->name != NULL)
		log_info("mfrontctl uid=%ld asks: %s%s%s", c->uid, q->name,
		    c->whom[0] != '\0' ? " " : "", c->whom);
	if (why != NULL)
		question_end(c, 0, why);
}

static void
client_message(struct client *c, struct imsg *msg)
{
	union msg_any	 any;
	const char	*why;
	size_t		 i;

	why = msg_refused(msg->type, ROLE_CTL, ROLE_CONTROL, msg->fd != -1);
	if (why == NULL && msg_decode(&msg->body, msg->type, &any) == -1)
		why = "malformed message";
	if (why == NULL && !c->hello) {
		c->hello = msg->type == M_ctl_hello &&
		    any.ctl_hello.table == msg_table_hash();
		why = c->hello ? NULL : "it is of another version";
		if (c->hello)
			return;
	}
	for (i = 0; why == NULL && i < NQUESTIONS; i++) {
		if (questions[i].type == msg->type) {
			question_begin(c, &questions[i], msg->req, &any);
			return;
		}
	}
	client_drop(c, why != NULL ? why : "unexpected message");
}

/* What has been read is worked off, until there is a question to answer. */
static void
client_work(struct client *c)
{
	struct imsg	msg;
	int		r = 1;

	while (c->dead == NULL && c->q == NULL &&
	    (r = imsgbuf_get(&c->ib, &msg)) == 1) {
		client_message(c, &msg);
		if (c->dead == NULL)
			question_step(c);
	}
	if (r == -1)
		client_drop(c, "broken framing");
}

static void
client_read(struct client *c)
{
	int r;

	if ((r = imsgbuf_read(&c->ib)) == -1)
		client_drop(c, strerror(errno));
	else if (r == 0)
		client_drop(c, "");
	else
		client_timer(c, 1);
}

static void
client_write(struct client *c)
{
	uint64_t	before = c->ib.nout;
	int		r;

	if (imsgbuf_queuelen(&c->ib) == 0)
		return;
	if ((r = imsgbuf_write(&c->ib)) != 1)
		client_drop(c, r == 0 ? "it is gone" : strerror(errno));
	else
		client_timer(c, c->ib.nout != before);
}

static void
client_event(int fd, short ev, void *arg)
{
	struct client *c = arg;

	if (c->dead != NULL)
		return;
	if (ev & EV_WRITE)
		client_write(c);
	if (ev & EV_READ)
		client_read(c);
}

static void
client_fired(struct tmo *t)
{
	struct client *c;

	TAILQ_FOREACH(c, &clients, entry)
		if (&c->tmo == t)
			client_drop(c, imsgbuf_queuelen(&c->ib) > 0 ?
			    "it does not read" : "it says nothing");
}

/* the socket */

static void
listen_events(void)
{
	int want;

	want = listenfd != -1 && nclients < CLIENTS_MAX &&
	    !proc_self.stopping && accept_tmo.class == NULL;
	if (want && !listening)
		event_add(&ev_listen, NULL);
	else if (!want && listening)
		event_del(&ev_listen);
	listening = want;
}

static void
accept_fired(struct tmo *t)
{
	listen_events();
}

static void
control_client(int fd)
{
	struct client	*c;
	uid_t		 uid;
	gid_t		 gid;

	if ((c = calloc(1, sizeof(*c))) == NULL) {
		log_warn("client");
		close(fd);
		return;
	}
	imsgbuf_init(&c->ib, fd);
	c->uid = getpeereid(fd, &uid, &gid) == 0 ? (long)uid : -1;
	event_set(&c->ev, fd, EV_READ | EV_PERSIST, client_event, c);
	event_set(&c->evw, fd, EV_WRITE | EV_PERSIST, client_event, c);
	TAILQ_INSERT_TAIL(&clients, c, entry);
	nclients++;
	count.clients++;
	client_timer(c, 1);
	client_events(c);
}

static void
control_accept(int fd, short ev, void *arg)
{
	int s;

	if (nclients >= CLIENTS_MAX)
		return;
	if ((s = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) !=
	    -1) {
		control_client(s);
		return;
	}
	if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
		return;
	log_warn("control socket");
	tmo_start(&accept_tmo, &accept_class);
}

static void
control_socket_set(int fd)
{
	int fl;

	if (listening)
		event_del(&ev_listen);
	listening = 0;
	if (listenfd != -1)
		close(listenfd);
	listenfd = fd;
	if ((fl = fcntl(fd, F_GETFL)) == -1 ||
	    fcntl(fd, F_SETFL, fl | O_NONBLOCK) == -1)
		fatal("control socket");
	event_set(&ev_listen, fd, EV_READ | EV_PERSIST, control_accept, NULL);
	listen_events();
}

/* the process */

static void
conf_control(struct proc_peer *p, struct imsg *msg, const void *arg)
{
	if (stagedfd != -1)
		close(stagedfd);
	stagedfd = imsg_get_fd(&p->ib, msg);
}

static void
conf_ignore(struct proc_peer *p, struct imsg *msg, const void *arg)
{
	/* limits and storages: nothing here depends on them */
}

static void
control_conf_forget(void)
{
	if (stagedfd != -1)
		close(stagedfd);
	stagedfd = -1;
}

static void
control_conf_begin(int first)
{
	control_conf_forget();
}

static int
control_conf_end(char *why, size_t len)
{
	if (stagedfd != -1 || listenfd != -1)
		return 0;
	strlcpy(why, "no control socket", len);
	return -1;
}

/* Without a new socket the old one stays. */
static void
control_conf_commit(void)
{
	if (stagedfd != -1)
		control_socket_set(stagedfd);
	stagedfd = -1;
}

/* Works, asks and sends for one client as far as that can go now. */
static void
client_turn(struct client *c)
{
	do {
		question_step(c);
		client_work(c);
		if (c->dead == NULL)
			client_write(c);
		/* all is sent: perhaps there is more to ask for */
	} while (c->dead == NULL && c->q != NULL && c->req == 0 &&
	    imsgbuf_queuelen(&c->ib) <= QUEUE_LOW);
	client_timer(c, 0);
	if (proc_self.stopping && c->q == NULL &&
	    imsgbuf_queuelen(&c->ib) == 0)
		client_drop(c, "");
	client_events(c);
	if (c->dead != NULL)
		client_free(c);
}

/* Who has ended answers nothing any more. */
static void
control_peer_down(struct proc_peer *p)
{
	struct client *c, *next;

	TAILQ_FOREACH_SAFE(c, &clients, entry, next) {
		if (c->req == 0 || c->asked.gen != p->gen ||
		    c->asked.role != p->role)
			continue;
		tmo_stop(&c->asktmo);
		c->req = c->from = 0;
		if (c->q->type == M_ctl_kick)
			question_end(c, 0, "that process has ended");
		client_turn(c);
	}
}

static int
control_turn(void)
{
	struct client *c, *next;

	TAILQ_FOREACH_SAFE(c, &clients, entry, next)
		client_turn(c);
	listen_events();
	if (proc_self.stopping && nclients == 0)
		proc_exit(0);
	return 0;
}

static void
stop_fired(struct tmo *t)
{
	proc_exit(0);
}

/* Clients get the answers that are there, and the others a refusal. */
static void
control_stop(uint32_t grace)
{
	struct client *c;

	TAILQ_FOREACH(c, &clients, entry)
		if (c->q != NULL)
			question_end(c, 0, "mfrontd is stopping");
	tmo_start(&stop_tmo, &stop_class);
}

static int
control_init(void)
{
	tmo_class_init(&hello_class, HELLO_SECS, client_fired);
	tmo_class_init(&client_class, CLIENT_SECS, client_fired);
	tmo_class_init(&process_class, PROCESS_SECS, ask_fired);
	tmo_class_init(&parent_class, PARENT_SECS, ask_fired);
	tmo_class_init(&accept_class, 1, accept_fired);
	tmo_class_init(&stop_class, STOP_SECS, stop_fired);
	return 0;
}

static const proc_handler handlers[M_MAX] = {
	[M_conf_control] = conf_control,
	[M_conf_limits] = conf_ignore,
	[M_conf_storage] = conf_ignore,
	[M_ctl_session] = answer_row,
	[M_ctl_stat] = answer_row,
	[M_ctl_storage] = answer_row,
	[M_ctl_end] = answer_end,
};

const struct proc_ops control_ops = {
	.role = ROLE_CONTROL,
	.title = "control",
	.init = control_init,
	.handlers = handlers,
	.peer_down = control_peer_down,
	.conf_begin = control_conf_begin,
	.conf_end = control_conf_end,
	.conf_commit = control_conf_commit,
	.conf_abort = control_conf_forget,
	.stop = control_stop,
	.turn = control_turn,
};
