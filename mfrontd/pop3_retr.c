/*
 * RETR and TOP: a message from the storage to the client, as fast as the
 * slower of the two.  No more than POP3_CREDIT bytes are on their way.
 *
 * "+OK" is said only when the first bytes are there.  If they break off
 * after that, the connection is closed: nothing else tells the client that
 * what it has is not the message.
 */
#include <sys/types.h>
#include <string.h>

#include "pop3.h"

static void
retr_hello(struct pop3 *p)
{
	if (p->inside)
		return;
	p->inside = 1;
	if (p->body.lines == -1)
		pop3_ok(p, "%llu octets", (unsigned long long)p->body.size);
	else
		pop3_ok(p, "The beginning");
}

static void
retr_finish(struct pop3 *p)
{
	retr_hello(p);
	if (dotout_finish(&p->body.dot, io_out(&p->ls.io)) == -1) {
		io_abort(&p->ls.io, "no memory");
		return;
	}
	io_kick(&p->ls.io);
	pop3_done(p);
}

/* The storage may send on as the client takes. */
static void
retr_credit(struct pop3 *p)
{
	if (io_full(&p->ls.io)) {
		lsession_timeout(&p->ls, LT_WRITE);
		return;
	}
	lsession_timeout(&p->ls, LT_BACKEND);
	st_credit(&p->rq, p->body.owed);
	p->body.owed = 0;
}

static void
retr_data(struct pop3 *p, const struct msg_blob *b)
{
	int full;

	if (b->len > p->body.size - p->body.got) {
		st_cancel(&p->rq);
		pop3_cut(p, "the storage sent more than a message has");
		return;
	}
	retr_hello(p);
	p->body.got += b->len;
	p->body.owed += (uint32_t)b->len;
	full = dotout_feed(&p->body.dot, b->p, b->len, io_out(&p->ls.io));
	io_kick(&p->ls.io);
	if (full == -1)
		io_abort(&p->ls.io, "no memory");
	else if (full) {
		st_cancel(&p->rq);
		retr_finish(p);
	} else
		retr_credit(p);
}

static void
retr_end(struct pop3 *p, enum st_code code)
{
	if (code == ST_OK && p->body.got != p->body.size)
		code = ST_CUT;
	if (code == ST_OK)
		retr_finish(p);
	else if (p->inside)
		pop3_cut(p, "the storage cut a message off");
	else {
		pop3_err_st(p, code);
		pop3_done(p);
	}
}

static void
retr_answer(struct streq *rq, enum msg_type type, const void *m)
{
	struct pop3 *p = rq->arg;

	if (p->ls.flags & LS_ENDING)
		return;
	if (type == M_st_data)
		retr_data(p, &((const struct m_st_data *)m)->data);
	else if (type == M_st_end)
		retr_end(p, ((const struct m_st_end *)m)->code);
}

void
pop3_retr_get(struct pop3 *p)
{
	struct pop3_body	*b = &p->body;
	struct m_st_get		 m;
	uint32_t		 i = b->msg - p->drop->ids.first;

	if (p->drop->ids.id[i] == NULL) {
		pop3_err_st(p, ST_NO_SUCH_MESSAGE);
		pop3_done(p);
		return;
	}
	memset(&m, 0, sizeof(m));
	m.id = p->drop->ids.id[i];
	m.size = m.length = b->size = p->drop->ids.size[i];
	m.credit = b->lines == -1 ? POP3_CREDIT : POP3_CREDIT_TOP;
	b->got = 0;
	b->owed = 0;
	dotout_init(&b->dot, b->lines);
	p->rq.answer = retr_answer;
	p->rq.arg = p;
	pop3_wait(p, LT_BACKEND);
	st_send(&p->ls, &p->rq, M_st_get, &m);
}

void
pop3_retr_begin(struct pop3 *p, uint32_t msg, int64_t lines)
{
	p->body.msg = msg;
	p->body.lines = lines;
	if (pop3_ids_have(p->drop, msg))
		pop3_retr_get(p);
	else
		pop3_ids_fetch(p, msg);
}

void
pop3_retr_drained(struct pop3 *p)
{
	if (st_active(&p->rq) && p->rq.type == M_st_get)
		retr_credit(p);
}
