#include <sys/types.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <atf-c.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fake.h"
#include "log.h"
#include "proc.h"
#include "roles.h"
#include "sandbox.h"

static int
fake_listen(void)
{
	struct sockaddr_un	sun;
	int			fd;

	memset(&sun, 0, sizeof(sun));
	sun.sun_family = AF_UNIX;
	strlcpy(sun.sun_path, FAKE_PATH, sizeof(sun.sun_path));
	ATF_REQUIRE((fd = socket(AF_UNIX, SOCK_STREAM, 0)) != -1);
	ATF_REQUIRE_EQ(0, bind(fd, (struct sockaddr *)&sun, sizeof(sun)));
	ATF_REQUIRE_EQ(0, listen(fd, 64));
	return fd;
}

int
fake_connect(void)
{
	struct sockaddr_un	sun;
	int			fd;

	memset(&sun, 0, sizeof(sun));
	sun.sun_family = AF_UNIX;
	strlcpy(sun.sun_path, FAKE_PATH, sizeof(sun.sun_path));
	ATF_REQUIRE((fd = socket(AF_UNIX, SOCK_STREAM, 0)) != -1);
	ATF_REQUIRE_EQ(0, connect(fd, (struct sockaddr *)&sun, sizeof(sun)));
	return fd;
}

static void
fake_tell(struct fake_peer *p, enum msg_type type, uint32_t id, uint32_t req,
    int fd, const void *m)
{
	ATF_REQUIRE_EQ(0, msg_compose(&p->ib, type, id, req, fd, m));
	ATF_REQUIRE(imsgbuf_write(&p->ib) != -1);
}

/* Waits for one message, at the beginning, when nothing else may come. */
static void
fake_expect(struct fake *f, enum msg_type type)
{
	struct imsg	msg;
	union msg_any	any;
	struct pollfd	pfd = { f->parent.ib.fd, POLLIN, 0 };
	int		r;

	while ((r = imsgbuf_get(&f->parent.ib, &msg)) == 0) {
		ATF_REQUIRE_EQ(1, poll(&pfd, 1, 10000));
		ATF_REQUIRE_EQ(1, imsgbuf_read(&f->parent.ib));
	}
	ATF_REQUIRE_EQ(1, r);
	ATF_REQUIRE_EQ_MSG((int)type, (int)msg.type, "got %s",
	    msg_defs[msg.type].name);
	ATF_REQUIRE_EQ(0, msg_decode(&msg.body, msg.type, &any));
	if (type == M_conf_status)
		ATF_CHECK_EQ_MSG(1, any.conf_status.ok, "%s",
		    any.conf_status.error);
}

static void
fake_configure(struct fake *f)
{
	struct m_hello		hello;
	struct m_conf_begin	begin = { 1, 1 };
	struct m_conf_control	ctl = { FAKE_PATH };
	struct m_conf_end	end = { 1 };
	struct m_conf_commit	commit = { 1 };

	memset(&hello, 0, sizeof(hello));
	hello.table = msg_table_hash();
	hello.role = ROLE_CONTROL;
	hello.gen = 1;
	hello.boot = FAKE_BOOT;
	hello.verbose = 1;
	hello.logdest = LOG_TO_STDERR;
	hello.sandbox = SANDBOX_BEST_EFFORT;
	hello.nfiles = 256;
	fake_tell(&f->parent, M_hello, 0, 0, -1, &hello);
	fake_expect(f, M_ready);
	fake_tell(&f->parent, M_conf_begin, 0, 0, -1, &begin);
	fake_tell(&f->parent, M_conf_control, 0, 0, fake_listen(), &ctl);
	fake_tell(&f->parent, M_conf_end, 0, 0, -1, &end);
	fake_expect(f, M_conf_status);
	fake_tell(&f->parent, M_conf_commit, 0, 0, -1, &commit);
	fake_expect(f, M_conf_done);
}

void
fake_start(struct fake *f)
{
	int sv[2];

	memset(f, 0, sizeof(*f));
	f->verbose = -1;
	/* no mfrontctl that is run inherits an end */
	ATF_REQUIRE_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
	    sv));
	ATF_REQUIRE((f->pid = fork()) != -1);
	if (f->pid == 0) {
		close(sv[0]);
		if (sv[1] != PROC_FD && dup2(sv[1], PROC_FD) == -1)
			_exit(99);
		for (sv[0] = PROC_FD + 1; sv[0] < 64; sv[0]++)
			close(sv[0]);
		proc_main(&control_ops);
	}
	close(sv[1]);
	f->parent.role = ROLE_PARENT;
	imsgbuf_init(&f->parent.ib, sv[0]);
	fake_configure(f);
}

struct fake_peer *
fake_add(struct fake *f, enum role role, uint16_t slot, uint32_t gen)
{
	struct fake_peer	*p = &f->peers[f->npeers++];
	struct m_peer		 m = { (uint8_t)role, slot, gen };
	int			 sv[2];

	ATF_REQUIRE(f->npeers <= FAKE_PEERS);
	ATF_REQUIRE_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
	    sv));
	p->role = role;
	p->slot = slot;
	p->gen = gen;
	imsgbuf_init(&p->ib, sv[0]);
	fake_tell(&f->parent, M_peer, 0, 0, sv[1], &m);
	return p;
}

/* what the siblings answer */

static void
fake_end(struct fake_peer *p, uint32_t req, int ok, const char *text,
    uint32_t next)
{
	struct m_ctl_end m = { (uint8_t)ok, text, next };

	fake_tell(p, M_ctl_end, 0, req, -1, &m);
}

/* Sessions are numbered from 1 and stand in this order. */
static void
fake_session(struct fake_peer *p, uint32_t req, uint32_t session)
{
	struct m_ctl_session	m;
	char			name[64];

	memset(&m, 0, sizeof(m));
	snprintf(name, sizeof(name), "%s-%x-%x", FAKE_BOOT, p->gen, session);
	m.name = name;
	m.service = role_names[p->role];
	m.user = session == 2 ? "evil\033[2J\xff" : "demo";
	m.remote = "192.0.2.7";
	m.state = "selected";
	m.mailbox = "INBOX/\xc3\xbc\"";
	m.tls = session & 1;
	m.age = 3700;
	m.idle = session;
	m.in = UINT64_MAX;
	fake_tell(p, M_ctl_session, session, req, -1, &m);
}

static void
fake_sessions(struct fake_peer *p, uint32_t req, const struct m_ctl_sessions *q)
{
	uint32_t n, i = q->from, count = q->count;

	p->pages++;
	if (p->way == FAKE_FLOODS)
		count += 100;
	if (q->session != 0) {
		if (q->session <= p->sessions)
			fake_session(p, req, q->session);
		fake_end(p, req, 1, "", 0);
		return;
	}
	for (n = 0; n < count && i < p->sessions; n++)
		fake_session(p, req, ++i);
	if (p->way == FAKE_STANDS)
		fake_end(p, req, 1, "", q->from);
	else
		fake_end(p, req, 1, "", n == count ? i : 0);
}

static void
fake_stats(struct fake_peer *p, uint32_t req)
{
	struct m_ctl_stat	m;
	char			name[32];

	snprintf(name, sizeof(name), "%s/%u", role_names[p->role], p->slot);
	m.process = name;
	m.name = "sessions";
	m.value = p->sessions;
	fake_tell(p, M_ctl_stat, 0, req, -1, &m);
	m.name = "bytes-in";
	m.value = UINT64_MAX;
	fake_tell(p, M_ctl_stat, 0, req, -1, &m);
	fake_end(p, req, 1, "", 0);
}

static void
fake_storages(struct fake_peer *p, uint32_t req)
{
	struct m_ctl_storage m;

	memset(&m, 0, sizeof(m));
	m.process = "engine/0";
	m.name = "main";
	m.url = "unix:/run/store.sock:/v1";
	m.state = "up";
	m.caps = "write modseq";
	m.conns = 3;
	m.requests = 12345;
	fake_tell(p, M_ctl_storage, 0, req, -1, &m);
	fake_end(p, req, 1, "", 0);
}

static void
fake_message(struct fake *f, struct fake_peer *p, struct imsg *msg)
{
	union msg_any	any;
	struct m_stop	stop = { 5 };

	ATF_REQUIRE_EQ(0, msg_decode(&msg->body, msg->type, &any));
	ATF_CHECK(msg_refused(msg->type, ROLE_CONTROL, p->role,
	    msg->fd != -1) == NULL);
	if (msg->type == M_complaint)
		f->complaints++;
	if (p->way == FAKE_SILENT)
		return;
	if (p->way == FAKE_DIES) {
		imsgbuf_fini(&p->ib);
		return;
	}
	if (msg->type == M_ctl_sessions)
		fake_sessions(p, msg->req, &any.ctl_sessions);
	else if (msg->type == M_ctl_stats)
		fake_stats(p, msg->req);
	else if (msg->type == M_ctl_storages)
		fake_storages(p, msg->req);
	else if (msg->type == M_kick)
		p->kicked = msg->id;
	else if (msg->type == M_ctl_kick_user)
		fake_end(p, msg->req, strcmp(any.ctl_kick_user.user,
		    "demo") == 0, "2 sessions", 0);
	else if (msg->type == M_ctl_reload)
		fake_end(p, msg->req, 0, "x.conf:3: no such thing\n"
		    "x.conf:4: nor this", 0);
	else if (msg->type == M_ctl_verbose) {
		f->verbose = any.ctl_verbose.level;
		fake_end(p, msg->req, 1, "", 0);
	} else if (msg->type == M_ctl_stop) {
		fake_end(p, msg->req, 1, "stopping", 0);
		fake_tell(p, M_stop, 0, 0, -1, &stop);
	}
}

static void
fake_read(struct fake *f, struct fake_peer *p)
{
	struct imsg	msg;
	int		r;

	if (imsgbuf_read(&p->ib) != 1) {
		if (p == &f->parent)
			f->gone = 1;
		imsgbuf_fini(&p->ib);
		return;
	}
	while (p->ib.fd != -1 && (r = imsgbuf_get(&p->ib, &msg)) != 0) {
		ATF_REQUIRE_EQ(1, r);
		fake_message(f, p, &msg);
	}
}

static long
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void
fake_serve(struct fake *f, int ms, int (*done)(void *), void *arg)
{
	struct pollfd	pfd[FAKE_PEERS + 1];
	long		end = now_ms() + ms;
	int		i;

	while (now_ms() < end && (done == NULL || !done(arg))) {
		for (i = 0; i <= f->npeers; i++) {
			pfd[i].fd = i < f->npeers ? f->peers[i].ib.fd :
			    f->parent.ib.fd;
			pfd[i].events = POLLIN;
		}
		if (poll(pfd, (nfds_t)f->npeers + 1, 20) <= 0)
			continue;
		for (i = 0; i <= f->npeers; i++)
			if (pfd[i].revents != 0)
				fake_read(f, i < f->npeers ? &f->peers[i] :
				    &f->parent);
	}
}

void
fake_stop(struct fake *f)
{
	int i, status;

	for (i = 0; i < f->npeers; i++)
		imsgbuf_fini(&f->peers[i].ib);
	imsgbuf_fini(&f->parent.ib);
	ATF_REQUIRE_EQ(f->pid, waitpid(f->pid, &status, 0));
	ATF_CHECK_MSG(WIFEXITED(status) && WEXITSTATUS(status) == 0,
	    "control: status %x", status);
}
