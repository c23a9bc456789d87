/*
 * A hash worker: one password against one hash at a time.  It knows no
 * names, keeps nothing, and can do nothing but answer.
 */
#include <sys/types.h>

#include "crypt_check.h"
#include "proc.h"
#include "roles.h"

static void
hash_check(struct proc_peer *p, struct imsg *msg, const void *arg)
{
	const struct m_hash_req	*m = arg;
	struct m_hash_res	 res;

	res.match = (uint8_t)crypt_check(m->secret, m->hash);
	proc_send(p, M_hash_res, 0, msg->req, -1, &res);
}

static const proc_handler handlers[M_MAX] = {
	[M_hash_req] = hash_check,
};

const struct proc_ops hash_ops = {
	.role = ROLE_HASH,
	.title = "hash",
	.handlers = handlers,
};
