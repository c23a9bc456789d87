/*
 * Recipients.  A pipelining client's are all asked for at once; the replies
 * go out in the order of the commands, each when all before it are there.
 */
#include <sys/types.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "lmtp.h"

static uint32_t last_req;

void
lmtp_rcpts_free(struct lmtp_txn *t)
{
	uint32_t i;

	for (i = 0; i < t->nrcpts; i++) {
		free(t->rcpts[i].address);
		free(t->rcpts[i].text);
	}
	free(t->rcpts);
}

struct lmtp_rcpt *
lmtp_rcpt_real(struct lmtp_txn *t, uint32_t i)
{
	return &t->rcpts[t->rcpts[i].state == RCPT_SAME ? t->rcpts[i].same :
	    i];
}

/* One refused counts as one: nobody tries addresses for ever. */
int
lmtp_rcpt_room(const struct lmtp *p)
{
	return p->txn != NULL && p->txn->nrcpts < llimits.recipients;
}

/* replies */

static const char too_many[] = "452 4.5.3 Too many recipients for one storage";

static void
rcpt_log(const struct lmtp *p, const struct lmtp_rcpt *r)
{
	char name[64];

	lmtp_counts[LMTP_RCPT_REFUSED]++;
	proc_session(name, sizeof(name), p->ls.id);
	log_info("session=%s event=recipient-refused from=<%.300s> "
	    "rcpt=<%.300s> result=\"%s\"", name, p->txn->from, r->address,
	    st_lmtp(r->code));
}

static void
rcpt_reply(struct lmtp *p, uint32_t i)
{
	struct lmtp_rcpt *r = lmtp_rcpt_real(p->txn, i);

	if (r->state == RCPT_GOOD) {
		p->txn->good++;
		lmtp_reply(p, "250 2.1.5 Recipient OK");
		return;
	}
	if (r->reply != NULL)
		lmtp_reply(p, "%s", r->reply);
	else
		lmtp_reply(p, "%s %s", st_lmtp(r->code), r->text != NULL ?
		    r->text : st_error(r->code)->text);
	rcpt_log(p, r);
}

static void
rcpts_reply(struct lmtp *p)
{
	struct lmtp_txn *t = p->txn;

	while (t->replied < t->nrcpts &&
	    lmtp_rcpt_real(t, t->replied)->state != RCPT_ASKED)
		rcpt_reply(p, t->replied++);
	if (t->pending == 0 && p->waiting)
		lmtp_done(p);
	else if (t->pending == 0)
		lsession_timeout(&p->ls, LT_IDLE);
}

/* the question */

static struct lmtp_rcpt *
rcpt_add(struct lmtp_txn *t, const char *address)
{
	struct lmtp_rcpt	*r;
	uint32_t		 n;

	if (t->nrcpts == t->alloc) {
		n = t->alloc == 0 ? 4 : t->alloc * 2;
		r = recallocarray(t->rcpts, t->alloc, n, sizeof(*r));
		if (r == NULL)
			return NULL;
		t->rcpts = r;
		t->alloc = n;
	}
	r = &t->rcpts[t->nrcpts];
	memset(r, 0, sizeof(*r));
	if ((r->address = strdup(address)) == NULL)
		return NULL;
	t->nrcpts++;
	return r;
}

static int
rcpt_is_same(struct lmtp_txn *t, struct lmtp_rcpt *r)
{
	uint32_t i;

	for (i = 0; &t->rcpts[i] != r; i++)
		if (t->rcpts[i].state != RCPT_SAME &&
		    strcmp(t->rcpts[i].address, r->address) == 0) {
			r->state = RCPT_SAME;
			r->same = i;
			return 1;
		}
	return 0;
}

static void
rcpt_ask(struct lmtp *p, struct lmtp_rcpt *r, struct proc_peer *auth)
{
	struct m_rcpt_req m;

	if (++last_req == 0)
		last_req = 1;
	r->req = last_req;
	m.txn = p->txn->number;
	m.address = r->address;
	m.from = p->txn->from;
	m.size = p->txn->declared;
	p->txn->asked = 1;
	p->txn->pending++;
	proc_send(auth, M_rcpt_req, p->ls.id, r->req, -1, &m);
	lsession_timeout(&p->ls, LT_BACKEND);
}

void
lmtp_rcpt(struct lmtp *p, const char *address)
{
	struct proc_peer	*auth = proc_find(ROLE_AUTH, 0);
	struct lmtp_rcpt	*r;

	if ((r = rcpt_add(p->txn, address)) == NULL) {
		io_abort(&p->ls.io, "no memory");
		return;
	}
	if (!rcpt_is_same(p->txn, r)) {
		if (auth != NULL) {
			rcpt_ask(p, r, auth);
			return;
		}
		r->state = RCPT_REFUSED;
		r->code = ST_UNAVAILABLE;
	}
	rcpts_reply(p);
}

/* the answer */

/* Is it the first one of its storage? */
static int
rcpt_is_first(const struct lmtp_txn *t, const struct lmtp_rcpt *r)
{
	const struct lmtp_rcpt *o;

	for (o = t->rcpts; o < r; o++)
		if (o->state == RCPT_GOOD && o->storage == r->storage)
			return 0;
	return 1;
}

/*
 * The uploads go to one engine, and to not too many storages, none of which
 * takes more recipients than it says: what does not fit must come in another
 * transaction.
 */
static int
rcpt_fits(struct lmtp_txn *t, const struct m_rcpt_res *m)
{
	const struct lstorage	*st;
	const struct lmtp_rcpt	*r;
	uint32_t		 n = 0, good = 0, storages = 0;

	for (r = t->rcpts; r < t->rcpts + t->nrcpts; r++) {
		if (r->state != RCPT_GOOD)
			continue;
		good++;
		n += r->storage == m->storage;
		storages += rcpt_is_first(t, r);
	}
	if (good == 0) {
		t->egen = m->egen;
		return 1;
	}
	st = lstorage_of(proc_find_gen(ROLE_ENGINE, t->egen), m->storage);
	return t->egen == m->egen &&
	    (st->recipients == 0 || n < st->recipients) &&
	    (n > 0 || storages < LMTP_STORAGES);
}

static void
rcpt_decide(struct lmtp *p, struct lmtp_rcpt *r, const struct m_rcpt_res *m)
{
	p->txn->pending--;
	r->state = RCPT_REFUSED;
	r->code = m->code;
	if (m->code == ST_OK && !rcpt_fits(p->txn, m)) {
		r->code = ST_TRY_LATER;
		r->reply = too_many;
	} else if (m->code == ST_OK) {
		r->state = RCPT_GOOD;
		r->handle = m->rcpt;
		r->storage = m->storage;
	} else if (*m->text != '\0')
		r->text = strdup(m->text);
}

void
lmtp_rcpt_res(struct proc_peer *peer, struct imsg *msg, const void *arg)
{
	const struct m_rcpt_res	*m = arg;
	struct lsession		*ls = lsession_find(msg->id);
	struct lmtp		*p = (struct lmtp *)(void *)ls;
	struct lmtp_txn		*t;
	uint32_t		 i;

	if (ls == NULL || ls->flags & LS_ENDING || (t = p->txn) == NULL)
		return;
	for (i = t->replied; i < t->nrcpts; i++)
		if (t->rcpts[i].state == RCPT_ASKED &&
		    t->rcpts[i].req == msg->req) {
			rcpt_decide(p, &t->rcpts[i], m);
			rcpts_reply(p);
			return;
		}
}

void
lmtp_rcpt_lost(struct lsession *ls)
{
	struct lmtp	*p = (struct lmtp *)(void *)ls;
	struct lmtp_txn	*t = p->txn;
	uint32_t	 i;

	if (t == NULL || t->pending == 0)
		return;
	for (i = t->replied; i < t->nrcpts; i++)
		if (t->rcpts[i].state == RCPT_ASKED) {
			t->rcpts[i].state = RCPT_REFUSED;
			t->rcpts[i].code = ST_UNAVAILABLE;
		}
	t->pending = 0;
	rcpts_reply(p);
}
