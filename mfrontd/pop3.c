/*
 * The pop3 process.
 */
#include <sys/types.h>

#include "pop3.h"
#include "roles.h"

uint64_t pop3_counts[POP3_COUNT_MAX];

static const char *const count_names[POP3_COUNT_MAX] = {
	[POP3_COUNT_RETR] = "retr",
	[POP3_COUNT_TOP] = "top",
	[POP3_COUNT_DELETED] = "deleted",
	[POP3_COUNT_CUT] = "cut-off",
};

static void
pop3_show(struct lsession *ls, struct m_ctl_session *m)
{
	const struct pop3	*p = (struct pop3 *)(void *)ls;
	static const char *const names[] = { "authorization", "transaction",
	    "update" };

	m->state = p->load != NULL ? "login" : names[p->state];
	if (p->drop != NULL)
		m->mailbox = "INBOX";
}

static void
pop3_stats(struct proc_peer *p, uint32_t req)
{
	int i;

	for (i = 0; i < POP3_COUNT_MAX; i++)
		proc_stat(p, req, count_names[i], pop3_counts[i]);
}

static const struct lproto pop3_proto = {
	.role = ROLE_POP3,
	.service = "pop3",
	.size = sizeof(struct pop3),
	.open = pop3_open,
	.data = pop3_data,
	.drained = pop3_drained,
	.secured = pop3_secured,
	.login = pop3_login,
	.challenge = pop3_challenge,
	.timeout = pop3_timeout,
	.goodbye = pop3_goodbye,
	.closed = pop3_closed,
	.show = pop3_show,
	.stats = pop3_stats,
	.busy = pop3_busy,
};

void
pop3_main(void)
{
	listener_main(&pop3_proto, NULL);
}
