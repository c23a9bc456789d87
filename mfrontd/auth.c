/*
 * The auth process: decides who may log in and who gets mail, and grants.
 * It has no descriptor but its channels.
 */
#include <sys/types.h>

#include "auth_int.h"
#include "log.h"
#include "roles.h"

static uint64_t counts[COUNT_MAX];

static const char *const count_names[COUNT_MAX] = {
	[COUNT_OK] = "logins",
	[COUNT_CACHED] = "logins-cached",
	[COUNT_BAD_PASSWORD] = "failed-bad-password",
	[COUNT_UNKNOWN] = "failed-unknown-user",
	[COUNT_DISABLED] = "failed-disabled",
	[COUNT_IDENTITY] = "failed-other-identity",
	[COUNT_REFUSED] = "failed-by-storage",
	[COUNT_THROTTLED] = "failed-throttled",
	[COUNT_OVER_ADDRESS] = "over-address-limit",
	[COUNT_OVER_ACCOUNT] = "over-account-limit",
	[COUNT_QUEUE_FULL] = "hash-queue-full",
	[COUNT_UNAVAILABLE] = "unavailable",
	[COUNT_GRANTS] = "grants",
	[COUNT_REGRANTS] = "regrants",
	[COUNT_REVOKED] = "revoked",
	[COUNT_KICKED] = "kicked",
	[COUNT_RCPTS] = "recipients",
	[COUNT_RCPTS_UNKNOWN] = "recipients-unknown",
	[COUNT_RCPTS_LIMITED] = "recipients-limited",
};

void
auth_count(enum auth_count what)
{
	counts[what]++;
}

static void
auth_stats(struct proc_peer *p, struct imsg *msg, const void *arg)
{
	struct m_ctl_end	 end = { 1, "" };
	struct auth_conn	*c;
	uint64_t		 conns = 0, granted = 0;
	int			 i;

	for (c = auth_conn_next(NULL); c != NULL; c = auth_conn_next(c)) {
		conns++;
		granted += c->state == CONN_GRANTED;
	}
	proc_stat(p, msg->req, "accounts", auth_conf->nusers);
	proc_stat(p, msg->req, "connections", conns);
	proc_stat(p, msg->req, "addresses", auth_addr_count());
	proc_stat(p, msg->req, "granted", granted);
	proc_stat(p, msg->req, "hash-queue", auth_hash_queued());
	proc_stat(p, msg->req, "exchanges", auth_scram_count());
	for (i = 0; i < COUNT_MAX; i++)
		proc_stat(p, msg->req, count_names[i], counts[i]);
	proc_send(p, M_ctl_end, 0, msg->req, -1, &end);
}

static void
auth_peer_up(struct proc_peer *p)
{
	if (p->role == ROLE_ENGINE)
		auth_grant_up(p);
	else if (p->role == ROLE_HASH)
		auth_hash_up(p);
	else if (p->role == ROLE_LMTP)
		auth_rcpt_up(p);
	if ((1U << p->role) & (R_IMAP | R_POP3))
		auth_scram_listener_up(p);
}

static void
auth_peer_down(struct proc_peer *p)
{
	if (p->role == ROLE_ENGINE) {
		auth_grant_down(p);
		auth_scram_engine_down(p);
	} else if (p->role == ROLE_HASH)
		auth_hash_down(p);
	else if ((1U << p->role) & R_LISTENER) {
		auth_conn_listener_down(p);
		if (p->role == ROLE_LMTP)
			auth_rcpt_down(p);
	}
}

static void
auth_start(void)
{
	auth_ask_init();
	auth_cache_init();
	auth_login_init();
	auth_scram_init();
}

static const proc_handler handlers[M_MAX] = {
	[M_conf_limits] = auth_conf_limits,
	[M_conf_auth] = auth_conf_auth,
	[M_conf_domain] = auth_conf_domain,
	[M_conf_place] = auth_conf_place,
	[M_conf_passwd] = auth_conf_passwd,
	[M_conf_storage] = auth_conf_storage,
	[M_conn_open] = auth_conn_opened,
	[M_conn_close] = auth_conn_closed,
	[M_auth_req] = auth_login_req,
	[M_sasl_start] = auth_scram_start,
	[M_sasl_response] = auth_scram_response,
	[M_sasl_abort] = auth_scram_abort,
	[M_rcpt_req] = auth_rcpt_req,
	[M_txn_end] = auth_rcpt_txn_end,
	[M_hash_res] = auth_hash_res,
	[M_auth_answer] = auth_login_answer,
	[M_scram_answer] = auth_scram_answer,
	[M_rcpt_answer] = auth_rcpt_answer,
	[M_granted] = auth_grant_known,
	[M_grant_ok] = auth_grant_ok,
	[M_st_info] = auth_scram_info,
	[M_ctl_stats] = auth_stats,
	[M_ctl_kick_user] = auth_conn_kick_user,
};

const struct proc_ops auth_ops = {
	.role = ROLE_AUTH,
	.title = "auth",
	.start = auth_start,
	.handlers = handlers,
	.peer_up = auth_peer_up,
	.peer_down = auth_peer_down,
	.conf_begin = auth_conf_begin,
	.conf_end = auth_conf_end,
	.conf_commit = auth_conf_commit,
	.conf_abort = auth_conf_abort,
};
