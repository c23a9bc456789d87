/*
 * Quota (RFC 9208).  Each storage has roots of its own; those of a mount
 * have its name in front, so that every root is another one.
 */
#include <sys/types.h>
#include <stdlib.h>
#include <string.h>

#include "imap.h"
#include "listmatch.h"
#include "log.h"

#define NUMBER_MAX	((uint64_t)INT64_MAX)	/* of IMAP's number64 */
#define ROOTS_MAX	100			/* of a mailbox */

/* A quota root as it came: roots are told when all are there. */
struct qroot {
	char			*name;		/* as the client knows it */
	struct m_st_quota_root	 m;
};

struct quota {
	char		*wanted;	/* GETQUOTA: its name on the storage */
	struct qroot	*roots;
	size_t		 n;
};

static void
quota_cleanup(struct iop *op)
{
	struct quota *q = op->data;

	while (q->n > 0)
		free(q->roots[--q->n].name);
	free(q->roots);
	free(q->wanted);
	free(q);
}

static struct quota *
quota_new(struct iop *op)
{
	struct quota *q;

	if ((q = calloc(1, sizeof(*q))) == NULL)
		fatal(NULL);
	op->data = q;
	op->cleanup = quota_cleanup;
	return q;
}

/* A root that limits nothing cannot be told, and is none (RFC 9208, 3.2). */
static int
root_limits(const struct m_st_quota_root *m)
{
	const uint8_t bytes = QUOTA_STORAGE | QUOTA_STORAGE_LIMIT;
	const uint8_t count = QUOTA_MESSAGES | QUOTA_MESSAGES_LIMIT;

	return (m->has & bytes) == bytes || (m->has & count) == count;
}

/* "Archive" is the root of all of a mount, "Archive/x" another one. */
static char *
root_name(const struct imount *mt, const char *name)
{
	char	*whole;
	size_t	 len;

	if (mt->prefix == NULL)
		whole = strdup(name);
	else {
		len = strlen(mt->prefix) + strlen(name) + 2;
		if ((whole = malloc(len)) == NULL)
			fatal(NULL);
		strlcpy(whole, mt->prefix, len);
		if (*name != '\0')
			strlcat(whole, "/", len);
		strlcat(whole, name, len);
	}
	if (whole == NULL)
		fatal(NULL);
	return whole;
}

static void
quota_root(struct iop *op, const struct m_st_quota_root *m)
{
	struct quota	*q = op->data;
	struct qroot	*r;

	if (!root_limits(m) || q->n == ROOTS_MAX ||
	    (q->wanted != NULL && strcmp(q->wanted, m->name) != 0))
		return;
	r = recallocarray(q->roots, q->n, q->n + 1, sizeof(*r));
	if (r == NULL)
		fatal(NULL);
	q->roots = r;
	r += q->n++;
	r->name = root_name(op->mount, m->name);
	r->m = *m;
	r->m.name = NULL;
}

static void
put_resource(struct ibuf *b, const char *name, uint64_t used, uint64_t limit,
    uint64_t unit)
{
	used = used / unit + (used % unit != 0);
	limit = limit / unit + (limit % unit != 0);
	(void)ibuf_addf(b, "%s %llu %llu", name,
	    (unsigned long long)(used < NUMBER_MAX ? used : NUMBER_MAX),
	    (unsigned long long)(limit < NUMBER_MAX ? limit : NUMBER_MAX));
}

static void
quota_put(struct iop *op, const struct qroot *r)
{
	const struct m_st_quota_root	*m = &r->m;
	struct ibuf			*b = imap_out(op->s);
	int				 storage;

	storage = m->has & QUOTA_STORAGE && m->has & QUOTA_STORAGE_LIMIT;
	(void)ibuf_adds(b, "* QUOTA ");
	(void)imap_put_astring(b, r->name, strlen(r->name));
	(void)ibuf_adds(b, " (");
	if (storage)
		put_resource(b, "STORAGE", m->used, m->limit, 1024);
	if (m->has & QUOTA_MESSAGES && m->has & QUOTA_MESSAGES_LIMIT)
		put_resource(b, storage ? " MESSAGE" : "MESSAGE",
		    m->messages, m->messages_limit, 1);
	(void)ibuf_adds(b, ")\r\n");
}

static void
quota_tell(struct iop *op)
{
	struct quota	*q = op->data;
	struct ibuf	*b = imap_out(op->s);
	size_t		 i;

	if (q->wanted != NULL && q->n == 0) {
		iop_no(op, "NONEXISTENT", "No such quota root");
		return;
	}
	if (q->wanted == NULL) {
		(void)ibuf_adds(b, "* QUOTAROOT ");
		(void)imap_put_mailbox(b, op->cmd.mailbox.mailbox, 0);
		for (i = 0; i < q->n; i++) {
			(void)ibuf_add_n8(b, ' ');
			(void)imap_put_astring(b, q->roots[i].name,
			    strlen(q->roots[i].name));
		}
		(void)ibuf_adds(b, "\r\n");
	}
	for (i = 0; i < q->n; i++)
		quota_put(op, &q->roots[i]);
	iop_ok(op, "%s completed", op->cmd.name);
}

static void
quota_answer(struct streq *rq, enum msg_type type, const void *arg)
{
	struct iop *op = rq->arg;

	if (type == M_st_quota_root)
		quota_root(op, arg);
	else if (type == M_st_end && !iop_failed(op, arg))
		quota_tell(op);
}

/* On a storage without quota nothing is limited. */
static void
quota_ask(struct iop *op)
{
	struct m_st_quota q;

	if (!iop_has(op, CAP_QUOTA)) {
		quota_tell(op);
		return;
	}
	memset(&q, 0, sizeof(q));
	q.mount = op->mount->number;
	iop_ask(op, M_st_quota, &q, quota_answer);
}

static void
quota_listed(struct iop *op, enum st_code code, const char *text)
{
	if (code != ST_OK)
		iop_fail(op, code, text);
	else
		quota_ask(op);
}

void
cmd_getquota(struct iop *op)
{
	const struct hstr	*root = &op->cmd.quota.root;
	struct quota		*q = quota_new(op);
	const char		*name;
	char			*text;

	if ((text = strndup(root->p, root->len)) == NULL)
		fatal(NULL);
	/* the name of a mount is that of its root without one */
	name = imount_of(op->s, text, &op->mount);
	if ((q->wanted = strdup(name != NULL ? name : "")) == NULL)
		fatal(NULL);
	free(text);
	/* an account may come to be when its mailboxes are asked for */
	iacct_need(op, quota_listed);
}

/* RFC 9208, 4.1.2: it may be asked of a mailbox that is yet to be made. */
void
cmd_getquotaroot(struct iop *op)
{
	(void)quota_new(op);
	if (iop_place(op, op->cmd.mailbox.mailbox) == -1)
		iop_no(op, "NONEXISTENT", "No such mailbox");
	else
		iacct_need(op, quota_listed);
}

/* QUOTASET is not offered. */
void
cmd_setquota(struct iop *op)
{
	iop_no(op, "NOPERM", "Quotas are set where the mail is stored");
}
