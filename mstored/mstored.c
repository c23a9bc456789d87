#include <sys/types.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event.h>

#include "body.h"
#include "bootid.h"
#include "call.h"
#include "change.h"
#include "conn.h"
#include "job.h"
#include "mstored.h"
#include "search.h"

#define MSTORED_GRACE	10	/* s for what runs when we are stopped */
#define MSTORED_AUTHS	64	/* passwords that wait to be checked */
#define MSTORED_SPARE	32	/* descriptors for the store itself */

enum run_state { RUN_OFF, RUN_ON, RUN_STOPPING, RUN_DONE, RUN_FAILED };

static enum run_state	 state;
static struct store	*writer_store;
static struct tmo_class	 grace_class;
static struct tmo	 grace_tmo;
static int		 lock_fd = -1;

void
mstored_defaults(struct mstored_conf *c)
{
	memset(c, 0, sizeof(*c));
	c->dirfd = -1;
	c->caps = MSTORED_CAPS;
	c->message = 64 * 1024 * 1024;
	c->search_read = 64 * 1024 * 1024;
	c->index = INDEX_NEEDED;
	c->connections = 1000;
	c->recipients = 1000;
	c->timeout = 30;
	c->idle = 600;
	c->store.max_mailboxes = 10000;
	c->store.grace = 3600;
	c->store.log_rows = 1000000;
	c->store.log_age = 30 * 86400;
	c->store.key_age = 86400;
	c->store.cache_kb = 4096;
	c->store.dict_bytes = 64 * 1024 * 1024;
}

void
mstored_boot(struct mstored_conf *c)
{
	if (boot_id(c->boot, sizeof(c->boot)) == -1)
		c->boot[0] = '\0';
}

int
mstored_lock(int dirfd)
{
	if (lock_fd != -1)
		return 0;
	if ((lock_fd = openat(dirfd, "lock", O_RDWR | O_CREAT | O_CLOEXEC,
	    0600)) == -1) {
		log_warn("cannot open the lock file");
		return -1;
	}
	if (flock(lock_fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	if (errno == EWOULDBLOCK)
		log_warnx("another mstored has this folder open");
	else
		log_warn("flock");
	close(lock_fd);
	lock_fd = -1;
	return -1;
}

/* A connection may need one descriptor more, for a message's file. */
static void
start_limits(struct mstored_conf *c)
{
	struct rlimit	rl;
	rlim_t		most;

	if (getrlimit(RLIMIT_NOFILE, &rl) == -1 ||
	    rl.rlim_cur == RLIM_INFINITY)
		return;
	most = rl.rlim_cur > 2 * MSTORED_SPARE ?
	    (rl.rlim_cur - MSTORED_SPARE) / 2 : MSTORED_SPARE / 2;
	if (c->connections <= most)
		return;
	log_info("%llu descriptors are enough for %llu connections, not %u",
	    (unsigned long long)rl.rlim_cur, (unsigned long long)most,
	    c->connections);
	c->connections = (unsigned int)most;
}

/*
 * Everything after this is done with what the sandbox leaves.  The writer
 * and the workers, started later, inherit it.
 */
static int
mstored_sandbox(const struct mstored_conf *c)
{
	char desc[128];

	if (c->sandbox == NULL)
		return 0;
	if (sandbox_enter(c->sandbox, desc, sizeof(desc)) == -1)
		return -1;
	log_info("sandbox: %s", desc);
	return 0;
}

static int
start_store(const struct mstored_conf *c)
{
	char	why[512] = "";
	int64_t	lost;

	if ((writer_store = store_open(&c->store, STORE_WRITER, why,
	    sizeof(why))) == NULL) {
		log_warnx("%s", why);
		return -1;
	}
	if (store_recover(writer_store, c->boot, &lost) != ST_OK) {
		log_warnx("the store cannot be recovered");
		return -1;
	}
	if (lost > 0)
		log_info("unclean end: %lld mailboxes may have lost changes "
		    "of flags", (long long)lost);
	if (body_start(writer_store) == -1)
		return -1;
	if ((server.store = store_open(&c->store, STORE_READER, why,
	    sizeof(why))) == NULL) {
		log_warnx("%s", why);
		return -1;
	}
	return search_open();
}

/* What the loop has read is over, before it is told of changes. */
static void
mstored_before_jobs(void)
{
	store_read_end(server.store);
}

/* From the writer: an fsync failed. */
static void
mstored_failed(struct job *j)
{
	log_warnx("what is on disk is unknown, giving up");
	state = RUN_FAILED;
	event_loopbreak();
}

static int
start_threads(void)
{
	if (job_init(mstored_before_jobs, server.conf->sink) == -1 ||
	    (server.auth = worker_start(MSTORED_AUTHS)) == NULL ||
	    (server.files = worker_start(server.conf->connections)) == NULL ||
	    search_start() == -1 ||
	    change_start(writer_store, mstored_failed) == -1) {
		log_warn("cannot start a thread");
		return -1;
	}
	return 0;
}

static void	mstored_grace_over(struct tmo *);

int
mstored_start(struct mstored_conf *c)
{
	if (c->dirfd != -1 && fchdir(c->dirfd) == -1) {
		log_warn("cannot go into the store's folder");
		return -1;
	}
	if (mstored_lock(AT_FDCWD) == -1 || mstored_sandbox(c) == -1)
		return -1;
	start_limits(c);
	server.conf = c;
	ibuf_init(&server.text, 1024 * 1024);
	if (start_store(c) == -1 || start_threads() == -1 ||
	    events_start() == -1)
		return -1;
	if (conn_listen(c->fds, c->nfds) == -1) {
		log_warn("cannot listen");
		return -1;
	}
	tmo_class_init(&grace_class, 0, mstored_grace_over);
	state = RUN_ON;
	log_info("ready");
	return 0;
}

/* stopping */

static void
mstored_grace_over(struct tmo *t)
{
	conn_abort_all();
}

void
mstored_stop(unsigned int secs)
{
	if (state != RUN_ON)
		return;
	state = RUN_STOPPING;
	server.stopping = 1;
	events_stop();
	conn_stop();
	tmo_class_set(&grace_class, (int)secs);
	tmo_start(&grace_tmo, &grace_class);
}

/* The last connection is gone: whatever the writer has is done now. */
static void
mstored_finish(void)
{
	int r;

	worker_stop(server.auth);
	worker_stop(server.files);
	search_stop();
	/* what came back belongs to nobody any more, but must be freed */
	job_drain();
	change_stop();
	job_drain();
	job_fini();
	store_read_end(server.store);
	store_close(server.store);
	search_close();
	batch_close();
	r = store_finish(writer_store);
	store_close(writer_store);
	ibuf_fini(&server.text);
	if (state != RUN_FAILED)
		state = r == ST_OK ? RUN_DONE : RUN_FAILED;
	log_info("stopped");
}

int
mstored_stopped(void)
{
	return state == RUN_DONE ? 1 : state == RUN_FAILED ? -1 : 0;
}

int
mstored_turn(void)
{
	int more;

	if (state != RUN_ON && state != RUN_STOPPING)
		return 0;
	change_kick();
	more = io_turn();
	/* what io_turn() made goes to the writer before we wait */
	change_kick();
	store_read_end(server.store);
	tmo_turn();
	if (state == RUN_STOPPING && server.nconns == 0)
		mstored_finish();
	return more;
}

static void
run_signal(int sig, short ev, void *arg)
{
	mstored_stop(MSTORED_GRACE);
}

int
mstored_run(struct mstored_conf *c)
{
	struct event	ev_term, ev_int;
	int		more = 0;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	event_init();
	if (mstored_start(c) == -1)
		return 1;
	signal_set(&ev_term, SIGTERM, run_signal, NULL);
	signal_set(&ev_int, SIGINT, run_signal, NULL);
	signal_add(&ev_term, NULL);
	signal_add(&ev_int, NULL);
	while (mstored_stopped() == 0) {
		if (event_loop(more ? EVLOOP_ONCE | EVLOOP_NONBLOCK :
		    EVLOOP_ONCE) == -1) {
			log_warn("event_loop");
			return 1;
		}
		more = mstored_turn();
	}
	return mstored_stopped() == 1 ? 0 : 1;
}
