/*
 * The engine's process: who may say what to it is in msg_table.h, what it
 * does then in the files that engine.h lists.
 */
#include <sys/types.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine.h"
#include "log.h"
#include "roles.h"

struct m_conf_limits	elimits;
static struct m_conf_limits staged_limits;

static void
engine_limits(struct proc_peer *p, struct imsg *msg, const void *arg)
{
	staged_limits = *(const struct m_conf_limits *)arg;
	staged_limits.hostname = NULL;
}

static int first_conf;

static void
engine_conf_begin(int first)
{
	first_conf = first;
	estorage_conf_begin();
}

static void
engine_conf_commit(void)
{
	elimits = staged_limits;
	hreq_limits();
	epool_limits();
	eurl_limits();
	content_limit();
	estorage_conf_commit();
	/* at the start "ready" means that mail can be had */
	if (first_conf && !estorage_settled())
		proc_conf_hold();
}

static void
engine_peer_up(struct proc_peer *p)
{
	struct estorage *st;

	if (p->role == ROLE_CONNECTOR)
		eurl_connector_up();
	if (p->role == ROLE_AUTH)
		egrant_auth_up(p);
	if ((1U << p->role) & R_LISTENER) {
		epeer_up(p);
		TAILQ_FOREACH(st, &estorages, entry)
			estorage_tell(st, p);
	}
}

static void
engine_peer_down(struct proc_peer *p)
{
	if (p->role == ROLE_CONNECTOR)
		eurl_connector_down(p);
	if ((1U << p->role) & R_LISTENER)
		epeer_down(p);
}

static void
engine_storages(struct proc_peer *p, struct imsg *msg, const void *arg)
{
	struct m_ctl_end end = { 1, "" };

	estorage_show(p, msg->req);
	proc_send(p, M_ctl_end, 0, msg->req, -1, &end);
}

static void
engine_stats(struct proc_peer *p, struct imsg *msg, const void *arg)
{
	struct m_ctl_end end = { 1, "" };

	proc_stat(p, msg->req, "grants", egrant_count());
	content_stats(p, msg->req);
	estorage_stats(p, msg->req);
	proc_send(p, M_ctl_end, 0, msg->req, -1, &end);
}

static int
engine_init(void)
{
	/*
	 * Certificates are checked with the C library's clock, which would
	 * look for its zone in a file each time.
	 */
	if (setenv("TZ", "UTC0", 1) == -1) {
		log_warn("TZ");
		return -1;
	}
	tzset();
	if (tls_init() == -1) {
		log_warnx("tls_init failed");
		return -1;
	}
	hreq_init();
	epool_init();
	estorage_init();
	eevents_init();
	egrant_init();
	return 0;
}

static const proc_handler handlers[M_MAX] = {
	[M_conf_limits] = engine_limits,
	[M_conf_storage] = estorage_conf_storage,
	[M_conf_url] = estorage_conf_url,
	[M_conf_index] = estorage_conf_index,
	[M_conf_ca] = estorage_conf_ca,
	[M_conf_client] = estorage_conf_client,
	[M_grant] = egrant_grant,
	[M_grant_rcpt] = egrant_rcpt,
	[M_revoke] = egrant_revoke,
	[M_revoke_txn] = egrant_revoke_txn,
	[M_auth_query] = egrant_auth_query,
	[M_scram_query] = escram_query,
	[M_rcpt_query] = egrant_rcpt_query,
	[M_connect_ok] = eurl_connected,
	[M_connect_fail] = eurl_connect_failed,
	[M_st_mailboxes] = ereq_handle,
	[M_st_mailbox] = ereq_handle,
	[M_st_list] = ereq_handle,
	[M_st_get] = ereq_handle,
	[M_st_put] = ereq_handle,
	[M_st_deliver] = ereq_handle,
	[M_st_patch] = ereq_handle,
	[M_st_expunge] = ereq_handle,
	[M_st_copy] = ereq_handle,
	[M_st_create] = ereq_handle,
	[M_st_rename] = ereq_handle,
	[M_st_delete] = ereq_handle,
	[M_st_subscribe] = ereq_handle,
	[M_st_cache] = ereq_handle,
	[M_st_search] = ereq_handle,
	[M_st_dict] = ereq_handle,
	[M_st_quota] = ereq_handle,
	[M_st_meta_get] = ereq_handle,
	[M_st_meta_set] = ereq_handle,
	[M_st_blob] = ereq_handle,
	[M_st_batch] = ereq_handle,
	[M_st_recent] = ereq_handle,
	[M_st_data] = ereq_more,
	[M_st_data_end] = ereq_more,
	[M_st_credit] = ereq_more,
	[M_st_cancel] = ereq_more,
	[M_ctl_storages] = engine_storages,
	[M_ctl_stats] = engine_stats,
};

const struct proc_ops engine_ops = {
	.role = ROLE_ENGINE,
	.title = "engine",
	.init = engine_init,
	.handlers = handlers,
	.peer_up = engine_peer_up,
	.peer_down = engine_peer_down,
	.conf_begin = engine_conf_begin,
	.conf_end = estorage_conf_end,
	.conf_commit = engine_conf_commit,
	.conf_abort = estorage_conf_abort,
};
