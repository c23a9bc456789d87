/*
 * The queue to the hash workers: each has one password at a time, the rest
 * waits here, so that none waits behind another's.
 *
 * A worker that dies with one has it given to another, once: it may have
 * been the cause.
 */
#include <stdlib.h>

#include "auth_int.h"
#include "log.h"

#define HASH_TRIES	2

struct hash_worker {
	struct proc_peer	*peer;
	int			 busy;
	struct auth_login	*login;		/* NULL: gone meanwhile */
};

static TAILQ_HEAD(, auth_login)	queue = TAILQ_HEAD_INITIALIZER(queue);
static uint32_t			queued;

uint32_t
auth_hash_queued(void)
{
	return queued;
}

static void
hash_take(struct auth_login *l)
{
	TAILQ_REMOVE(&queue, l, entry);
	l->queued = 0;
	queued--;
}

static void
hash_give(struct hash_worker *w, struct auth_login *l)
{
	struct m_hash_req m;

	w->busy = 1;
	w->login = l;
	l->worker = w;
	l->tries++;
	m.secret = l->secret;
	m.hash = l->hash;
	proc_send(w->peer, M_hash_req, 0, 0, -1, &m);
}

static void
hash_next(void)
{
	struct proc_peer	*p;
	struct hash_worker	*w;
	struct auth_login	*l;

	TAILQ_FOREACH(p, &proc_self.peers, entry) {
		if (p->role != ROLE_HASH || p->dead)
			continue;
		w = p->data;
		if (w->busy || (l = TAILQ_FIRST(&queue)) == NULL)
			continue;
		hash_take(l);
		hash_give(w, l);
	}
}

int
auth_hash_add(struct auth_login *l)
{
	if (queued >= HASH_QUEUE_MAX)
		return -1;
	TAILQ_INSERT_TAIL(&queue, l, entry);
	l->queued = 1;
	queued++;
	hash_next();
	return 0;
}

void
auth_hash_remove(struct auth_login *l)
{
	if (l->queued)
		hash_take(l);
	if (l->worker != NULL) {
		l->worker->login = NULL;
		l->worker = NULL;
	}
}

void
auth_hash_up(struct proc_peer *p)
{
	struct hash_worker *w;

	if ((w = calloc(1, sizeof(*w))) == NULL)
		fatal(NULL);
	w->peer = p;
	p->data = w;
	hash_next();
}

void
auth_hash_down(struct proc_peer *p)
{
	struct hash_worker	*w = p->data;
	struct auth_login	*l = w->login;

	p->data = NULL;
	free(w);
	if (l == NULL)
		return;
	l->worker = NULL;
	if (l->tries >= HASH_TRIES) {
		auth_login_hashed(l, -1);
		return;
	}
	TAILQ_INSERT_HEAD(&queue, l, entry);
	l->queued = 1;
	queued++;
	hash_next();
}

void
auth_hash_res(struct proc_peer *p, struct imsg *msg, const void *arg)
{
	const struct m_hash_res	*m = arg;
	struct hash_worker	*w = p->data;
	struct auth_login	*l = w->login;

	if (!w->busy) {
		proc_violation(p, msg->type, "nothing was asked");
		return;
	}
	w->busy = 0;
	w->login = NULL;
	if (l != NULL) {
		l->worker = NULL;
		auth_login_hashed(l, m->match != 0);
	}
	hash_next();
}
