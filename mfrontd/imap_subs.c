/*
 * Subscriptions of a storage that keeps none but has a dict: the names in
 * one entry there, changed by compare and swap.  While there is no such
 * entry every mailbox is subscribed, so that nothing is hidden from a client
 * when the entry is lost; the first change that makes a difference writes
 * one.
 *
 * No event tells of it: whoever wants to know asks for it each time.
 */
#include <sys/types.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "imap.h"
#include "log.h"

#define SUBS_KEY	"subscriptions"
#define SUBS_MAX	61440		/* bytes, as st_dict has them */
#define SUBS_TRIES	32		/* while others change it, too */

int
isubs_in_dict(const struct imap *s, const struct imount *mt)
{
	uint64_t caps = imount_storage(s, mt)->caps;

	return (caps & CAP(CAP_SUBSCRIPTIONS)) == 0 &&
	    (caps & CAP(CAP_DICT)) != 0;
}

int
isubs_known(const struct imap *s, const struct imount *mt)
{
	if (imount_storage(s, mt)->caps & CAP(CAP_SUBSCRIPTIONS))
		return 1;
	return isubs_in_dict(s, mt) && mt->account != NULL &&
	    mt->account->subs_known;
}

static void
subs_ask(struct iop *op, const struct imount *mt, void (*f)(struct streq *,
    enum msg_type, const void *))
{
	struct m_st_dict q;

	memset(&q, 0, sizeof(q));
	q.mount = mt->number;
	q.op = DICT_GET;
	q.key = SUBS_KEY;
	iop_ask(op, M_st_dict, &q, f);
}

/* What cannot be read is overwritten by the next change. */
static int
subs_read(struct sublist *l, const struct m_st_dict_ok *m)
{
	if (sublist_read(l, m->value.p, m->value.len) == 0)
		return 1;
	if (errno == ENOMEM)
		fatal(NULL);
	log_warnx("subscriptions that are none");
	return 0;
}

/* reading those of all mounts */

static void	subs_next(struct iop *);

static void
subs_got(struct iacct *a, const struct m_st_dict_ok *m)
{
	struct sublist	l = { NULL, 0, 0 };
	int		known;

	/* mostly it is what it was */
	if (a->subs_known && strcmp(a->subs_etag, m->etag) == 0)
		return;
	known = subs_read(&l, m);
	iacct_subscribed(a, known, &l, m->etag);
}

static void
subs_answer(struct streq *rq, enum msg_type type, const void *arg)
{
	struct iop		*op = rq->arg;
	struct imount		*mt = &op->s->mounts[op->nlisted];
	struct iacct		*a = mt->account;
	const struct m_st_end	*end = arg;

	if (type == M_st_dict_ok && a != NULL)
		subs_got(a, arg);
	if (type != M_st_end)
		return;
	if (end->code == ST_NO_SUCH_ENTRY && a != NULL)
		iacct_subscribed(a, 0, NULL, "");
	else if (end->code != ST_OK)
		mt->code = end->code;
	op->nlisted++;
	subs_next(op);
}

static void
subs_next(struct iop *op)
{
	struct imap	*s = op->s;
	struct imount	*mt;

	for (; op->nlisted < s->nmounts; op->nlisted++) {
		mt = &s->mounts[op->nlisted];
		if (!mt->wanted || mt->code != ST_OK || !isubs_in_dict(s, mt))
			continue;
		subs_ask(op, mt, subs_answer);
		return;
	}
	op->subscribed(op);
}

static void
subs_listed(struct iop *op)
{
	op->nlisted = 0;
	subs_next(op);
}

void
isubs_need_all(struct iop *op, void (*f)(struct iop *))
{
	op->subscribed = f;
	iacct_need_all(op, subs_listed);
}

/* changing one */

struct subs {
	int		 on;
	int		 tries;
	int		 known;		/* there is an entry */
	struct sublist	 list;
	char		*etag;		/* "*": there must be none */
};

static void	change_ask(struct iop *);

static void
change_cleanup(struct iop *op)
{
	struct subs *c = op->data;

	sublist_free(&c->list);
	free(c->etag);
	free(c);
}

static void
change_etag(struct subs *c, const char *etag)
{
	free(c->etag);
	if ((c->etag = strdup(etag)) == NULL)
		fatal(NULL);
}

static void
change_put_answer(struct streq *rq, enum msg_type type, const void *arg)
{
	struct iop		*op = rq->arg;
	struct subs		*c = op->data;
	const struct m_st_end	*end = arg;

	if (type != M_st_end)
		return;
	if (end->code == ST_CHANGED && ++c->tries < SUBS_TRIES)
		change_ask(op);
	else if (!iop_failed(op, end))
		iop_ok(op, "%s completed", op->cmd.name);
}

static void
change_put(struct iop *op)
{
	struct subs		*c = op->data;
	struct m_st_dict	 q;
	struct ibuf		 b;

	ibuf_init(&b, SUBS_MAX);
	if (sublist_write(&c->list, &b) == -1) {
		if (errno != ERANGE)
			fatal(NULL);
		ibuf_fini(&b);
		iop_no(op, "LIMIT", "Too many subscriptions");
		return;
	}
	memset(&q, 0, sizeof(q));
	q.mount = op->mount->number;
	q.op = DICT_PUT;
	q.key = SUBS_KEY;
	q.match = c->etag;
	q.value = msg_blob_of(ibuf_data(&b), ibuf_size(&b));
	iop_ask(op, M_st_dict, &q, change_put_answer);
	ibuf_fini(&b);
}

/* Where there is no entry, all that exist are subscribed. */
static void
change_fill(struct subs *c, const struct iacct *a)
{
	size_t i;

	for (i = 0; i < a->n; i++)
		if (a->mboxes[i].id != NULL &&
		    sublist_add(&c->list, a->mboxes[i].name) == -1)
			fatal(NULL);
}

static void
change_make(struct iop *op)
{
	struct subs	*c = op->data;
	int		 r;

	if (op->mount->account == NULL) {
		iop_fail(op, ST_UNAVAILABLE, NULL);
		return;
	}
	if (!c->known)
		change_fill(c, op->mount->account);
	r = c->on ? sublist_add(&c->list, op->name) :
	    sublist_remove(&c->list, op->name);
	if (r == 1)
		change_put(op);
	else if (r == 0)
		iop_ok(op, "%s completed", op->cmd.name);
	else if (errno == EINVAL)
		iop_no(op, "CANNOT", "This can be no name of a mailbox");
	else
		fatal(NULL);
}

static void
change_answer(struct streq *rq, enum msg_type type, const void *arg)
{
	struct iop		*op = rq->arg;
	struct subs		*c = op->data;
	const struct m_st_end	*end = arg;

	if (type == M_st_dict_ok) {
		c->known = subs_read(&c->list, arg);
		change_etag(c, ((const struct m_st_dict_ok *)arg)->etag);
	}
	if (type != M_st_end)
		return;
	if (end->code == ST_NO_SUCH_ENTRY || !iop_failed(op, end))
		change_make(op);
}

static void
change_ask(struct iop *op)
{
	struct subs *c = op->data;

	c->known = 0;
	sublist_free(&c->list);
	change_etag(c, "*");
	subs_ask(op, op->mount, change_answer);
}

static void
change_listed(struct iop *op, enum st_code code, const char *text)
{
	if (code != ST_OK)
		iop_fail(op, code, text);
	else
		change_ask(op);
}

void
isubs_change(struct iop *op, int on)
{
	struct subs *c;

	if ((c = calloc(1, sizeof(*c))) == NULL)
		fatal(NULL);
	c->on = on;
	op->data = c;
	op->cleanup = change_cleanup;
	iacct_need(op, change_listed);
}
