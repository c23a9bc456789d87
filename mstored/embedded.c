/*
 * The store as a child of mfrontd (storage embedded): its listening socket
 * and its settings come from the parent, over descriptor 3.
 */
#include <sys/types.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "charset.h"
#include "log.h"
#include "mstored.h"
#include "proc.h"

static struct mstored_conf	conf;
static int			fd = -1;
static uid_t			uid;
static int			started;

static int
embedded_init(void)
{
	mstored_defaults(&conf);
	mstored_boot(&conf);
	tzset();
	(void)charset_init();
	return 0;
}

static void
embedded_conf(struct proc_peer *p, struct imsg *msg, const void *arg)
{
	const struct m_conf_store *m = arg;

	/* a store keeps its settings for as long as it lives */
	if (started || fd != -1)
		return;
	if ((fd = imsg_get_fd(&p->ib, msg)) == -1)
		fatalx("no socket from parent");
	uid = m->uid;
	conf.dirfd = -1;
	conf.fds = &fd;
	conf.nfds = 1;
	conf.uids = &uid;
	conf.nuids = 1;
	conf.message = m->message;
	conf.connections = m->connections;
	conf.store.open_accounts = m->open;
}

static int
embedded_conf_end(char *err, size_t len)
{
	if (started)
		return 0;
	if (fd == -1 || mstored_start(&conf) == -1) {
		snprintf(err, len, "the store cannot be opened");
		return -1;
	}
	started = 1;
	return 0;
}

static void
embedded_stop(uint32_t grace)
{
	if (!started)
		proc_exit(0);
	mstored_stop(grace);
}

static int
embedded_turn(void)
{
	int more;

	if (!started)
		return 0;
	more = mstored_turn();
	if (mstored_stopped() != 0)
		proc_exit(mstored_stopped() == 1 ? 0 : 1);
	return more;
}

static const proc_handler handlers[M_MAX] = {
	[M_conf_store] = embedded_conf,
};

static const struct proc_ops store_ops = {
	.role = ROLE_STORE,
	.title = "store",
	.init = embedded_init,
	.handlers = handlers,
	.conf_end = embedded_conf_end,
	.stop = embedded_stop,
	.turn = embedded_turn,
};

void
embedded_main(void)
{
	proc_main(&store_ops);
}
