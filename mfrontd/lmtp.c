/*
 * The lmtp process.
 */
#include <sys/types.h>

#include "charset.h"
#include "lmtp.h"
#include "roles.h"

uint64_t lmtp_counts[LMTP_COUNT_MAX];

static const char *const count_names[LMTP_COUNT_MAX] = {
	[LMTP_MESSAGES] = "messages",
	[LMTP_DELIVERED] = "deliveries",
	[LMTP_DEFERRED] = "deliveries-deferred",
	[LMTP_REFUSED] = "deliveries-refused",
	[LMTP_RCPT_REFUSED] = "recipients-refused",
	[LMTP_TOO_LARGE] = "messages-too-large",
	[LMTP_STREAMED] = "messages-streamed",
};

static void
lmtp_show(struct lsession *ls, struct m_ctl_session *m)
{
	const struct lmtp *p = (struct lmtp *)(void *)ls;

	if (p->txn == NULL)
		m->state = p->helo == NULL ? "greeted" : "idle";
	else if (p->txn->msg == NULL)
		m->state = "recipients";
	else
		m->state = p->txn->msg->whole ? "storing" : "message";
}

static void
lmtp_stats(struct proc_peer *p, uint32_t req)
{
	int i;

	for (i = 0; i < LMTP_COUNT_MAX; i++)
		proc_stat(p, req, count_names[i], lmtp_counts[i]);
}

/* The previews of summaries want the system's converters. */
static int
lmtp_init(void)
{
	(void)charset_init();
	return 0;
}

static const struct lproto lmtp_proto = {
	.role = ROLE_LMTP,
	.service = "lmtp",
	.size = sizeof(struct lmtp),
	.init = lmtp_init,
	.open = lmtp_open,
	.data = lmtp_data,
	.drained = lmtp_drained,
	.secured = lmtp_secured,
	.auth_lost = lmtp_rcpt_lost,
	.timeout = lmtp_timeout,
	.goodbye = lmtp_goodbye,
	.closed = lmtp_closed,
	.show = lmtp_show,
	.stats = lmtp_stats,
	.busy = lmtp_busy,
};

static const proc_handler handlers[M_MAX] = {
	[M_rcpt_res] = lmtp_rcpt_res,
};

void
lmtp_main(void)
{
	listener_main(&lmtp_proto, handlers);
}
