/*
 * A message on its way in.  Up to LMTP_HELD bytes are held until it is
 * whole; a larger one goes to the engine as it comes, and the client waits
 * while the engine cannot take more.  One that nobody wants any more is
 * read to its end all the same, since only then it can be refused; but not
 * for longer than the command timeout.
 */
#include <sys/types.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lmtp.h"
#include "rfcdate.h"

#define BUF_MAX	(LMTP_HELD + 4 * LMTP_PIECE)

/* What comes out of a piece before the header's filter, or for nobody. */
static struct ibuf scratch = { .max = 4 * LMTP_PIECE };

void
lmtp_msg_cancel(struct lmtp_msg *m)
{
	uint32_t i;

	for (i = 0; i < m->nups; i++)
		st_cancel(&m->ups[i].rq);
}

void
lmtp_msg_free(struct lmtp_msg *m)
{
	if (m == NULL)
		return;
	lmtp_msg_cancel(m);
	ibuf_fini(&m->buf);
	free(m);
}

/* trace fields (RFC 5321, 4.4) */

static int
put_helo(struct ibuf *b, const char *helo)
{
	static const char safe[] = "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]";

	for (; *helo != '\0'; helo++)
		if (ibuf_add_n8(b, strchr(safe, *helo) != NULL ?
		    (uint8_t)*helo : '?') == -1)
			return -1;
	return 0;
}

static int
put_peer(struct ibuf *b, const struct lmtp *p)
{
	if (p->ls.addrlen == 0)
		return ibuf_adds(b, " (unix socket)");
	return ibuf_addf(b, " ([%s%s])", p->ls.addrlen == 16 ? "IPv6:" : "",
	    lsession_remote(&p->ls));
}

/* Named only if it is the only one: others need not know of each other. */
static int
put_for(struct ibuf *b, struct lmtp_txn *t)
{
	uint32_t i;

	if (t->good != 1)
		return 0;
	for (i = 0; t->rcpts[i].state != RCPT_GOOD; i++)
		;
	return ibuf_addf(b, "\r\n\tfor <%s>", t->rcpts[i].address);
}

static int
put_trace(struct lmtp *p, struct ibuf *b)
{
	struct rfcdate	now = { time(NULL), 0 };
	char		name[64];

	proc_session(name, sizeof(name), p->ls.id);
	return ibuf_addf(b, "Return-Path: <%s>\r\n"
	    "Received: from ", p->txn->from) | put_helo(b, p->helo) |
	    put_peer(b, p) |
	    ibuf_addf(b, "\r\n\tby %s with %sLMTP%s id %s-%u",
	    llimits.hostname, p->txn->smtputf8 ? "UTF8" : "",
	    io_is_tls(&p->ls.io) ? "S" : "", name, p->txn->number) |
	    put_for(b, p->txn) | ibuf_adds(b, "; ") |
	    rfcdate_put_mail(b, &now) | ibuf_adds(b, "\r\n");
}

/*
 * What the storages take, if they say so, and we do: one that takes less
 * than the others refuses for itself.
 */
static uint64_t
msg_max(const struct lmtp_txn *t)
{
	const struct lstorage	*st;
	uint64_t		 most = 0;
	uint32_t		 i;

	for (i = 0; i < t->nrcpts; i++) {
		if (t->rcpts[i].state != RCPT_GOOD)
			continue;
		st = lstorage_of(proc_find_gen(ROLE_ENGINE, t->egen),
		    t->rcpts[i].storage);
		if (st->message <= 2 * LMTP_TRACE_MAX)
			return llimits.message;
		if (st->message - LMTP_TRACE_MAX > most)
			most = st->message - LMTP_TRACE_MAX;
	}
	return most < llimits.message ? most : llimits.message;
}

int
lmtp_msg_begin(struct lmtp *p, int how)
{
	struct lmtp_msg *m;

	if ((m = calloc(1, sizeof(*m))) == NULL)
		return -1;
	ibuf_init(&m->buf, BUF_MAX);
	dotin_init(&m->in, how);
	hdrdrop_init(&m->drop, "Return-Path");
	m->max = msg_max(p->txn);
	if (put_trace(p, &m->buf) != 0) {
		lmtp_msg_free(m);
		return -1;
	}
	m->size = ibuf_size(&m->buf);
	p->txn->msg = m;
	lmtp_counts[LMTP_MESSAGES]++;
	return 0;
}

/* taking it in */

void
lmtp_msg_discard(struct lmtp *p, const char *reply)
{
	struct lmtp_msg *m = p->txn->msg;

	m->mode = MSG_DISCARD;
	if (m->refused == NULL)
		m->refused = reply;
	lmtp_msg_cancel(m);
	ibuf_fini(&m->buf);
	/* the clock that runs from now on is not set back */
	lsession_timeout(&p->ls, LT_COMMAND);
}

/* Bytes of the message without its dots, into buf. */
static int
msg_filter(struct lmtp_msg *m, const char *buf, size_t len, size_t *used)
{
	size_t	before = ibuf_size(&m->buf);
	int	end;

	if (m->mode != MSG_DISCARD && hdrdrop_done(&m->drop))
		end = dotin_feed(&m->in, buf, len, used, &m->buf);
	else {
		ibuf_truncate(&scratch, 0);
		end = dotin_feed(&m->in, buf, len, used, &scratch);
		if (end != -1 && m->mode != MSG_DISCARD &&
		    hdrdrop_feed(&m->drop, ibuf_data(&scratch),
		    ibuf_size(&scratch), &m->buf) == -1)
			end = -1;
		ibuf_drain(&scratch, ibuf_size(&scratch));
	}
	m->size += ibuf_size(&m->buf) - before;
	return end;
}

static void
msg_check(struct lmtp *p)
{
	struct lmtp_msg *m = p->txn->msg;

	if (m->mode == MSG_DISCARD)
		return;
	if (m->in.out > m->max) {
		lmtp_counts[LMTP_TOO_LARGE]++;
		lmtp_msg_discard(p, "552 5.3.4 Message too big");
	} else if (m->in.nul > 0)
		lmtp_msg_discard(p, "554 5.6.0 Message contains NUL");
	else if (m->mode == MSG_HELD && ibuf_size(&m->buf) > LMTP_HELD) {
		lmtp_counts[LMTP_STREAMED]++;
		m->mode = MSG_STREAM;
		lmtp_deliver_begin(p, 0);
	}
}

static int
msg_active(const struct lmtp_msg *m)
{
	uint32_t i;

	for (i = 0; i < m->nups; i++)
		if (st_active(&m->ups[i].rq))
			return 1;
	return 0;
}

/* Bytes that may go to all: the slowest decides. */
static size_t
msg_credit(const struct lmtp_msg *m)
{
	size_t		n = ibuf_size(&m->buf);
	uint32_t	i;

	for (i = 0; i < m->nups; i++)
		if (st_active(&m->ups[i].rq) && n > m->ups[i].rq.credit)
			n = (size_t)m->ups[i].rq.credit;
	return n;
}

/* Within everybody's credit, so that nobody can refuse. */
static void
msg_send(struct lmtp_msg *m, size_t n)
{
	uint32_t i;

	for (i = 0; i < m->nups; i++)
		if (st_active(&m->ups[i].rq))
			(void)st_data(&m->ups[i].rq, ibuf_data(&m->buf), n);
}

static void
msg_send_end(struct lmtp_msg *m)
{
	uint32_t i;

	for (i = 0; i < m->nups; i++)
		if (st_active(&m->ups[i].rq))
			st_data_end(&m->ups[i].rq);
}

void
lmtp_msg_push(struct lmtp *p)
{
	struct lmtp_msg	*m = p->txn->msg;
	size_t		 n;

	if (!msg_active(m))
		return;
	if ((n = msg_credit(m)) > 0) {
		msg_send(m, n);
		ibuf_drain(&m->buf, n);
	}
	if (ibuf_size(&m->buf) > 0) {
		lmtp_wait(p, LT_BACKEND);
		return;
	}
	if (m->whole && !m->sent) {
		m->sent = 1;
		msg_send_end(m);
	}
	if (m->whole)
		lmtp_wait(p, LT_BACKEND);
	else if (p->waiting)
		lmtp_done(p);
}

/* Its last byte was seen. */
void
lmtp_msg_whole(struct lmtp *p)
{
	struct lmtp_msg	*m = p->txn->msg;
	size_t		 before = ibuf_size(&m->buf);

	p->input = INPUT_COMMANDS;
	m->whole = 1;
	if (m->mode == MSG_DISCARD) {
		lmtp_deliver_reply(p);
		return;
	}
	if (hdrdrop_finish(&m->drop, &m->buf) == -1) {
		io_abort(&p->ls.io, "no memory");
		return;
	}
	m->size += ibuf_size(&m->buf) - before;
	if (m->mode == MSG_HELD)
		lmtp_deliver_begin(p, 1);
	else
		lmtp_msg_push(p);
}

static size_t
feed_data(struct lmtp *p, const char *buf, size_t len)
{
	struct lmtp_msg	*m = p->txn->msg;
	size_t		 used;
	int		 end;

	end = msg_filter(m, buf, len, &used);
	if (end == -1) {
		io_abort(&p->ls.io, "no memory");
		return len;
	}
	msg_check(p);
	if (end)
		lmtp_msg_whole(p);
	else if (m->mode == MSG_STREAM)
		lmtp_msg_push(p);
	return used;
}

/* A chunk has come to its end. */
static void
chunk_end(struct lmtp *p)
{
	struct lmtp_msg	*m = p->txn->msg;
	size_t		 before = ibuf_size(&m->buf);

	p->input = INPUT_COMMANDS;
	if (!p->chunk_last) {
		if (m->refused != NULL)
			lmtp_reply(p, "%s", m->refused);
		else
			lmtp_reply(p, "250 2.0.0 %llu octets",
			    (unsigned long long)p->chunk_size);
		if (!p->waiting)
			lmtp_done(p);
		return;
	}
	if (m->mode != MSG_DISCARD) {
		ibuf_truncate(&scratch, 0);
		if (dotin_finish(&m->in, &scratch) == -1 ||
		    hdrdrop_feed(&m->drop, ibuf_data(&scratch),
		    ibuf_size(&scratch), &m->buf) == -1) {
			io_abort(&p->ls.io, "no memory");
			return;
		}
		m->size += ibuf_size(&m->buf) - before;
	}
	lmtp_msg_whole(p);
}

static size_t
feed_bdat(struct lmtp *p, const char *buf, size_t len)
{
	struct lmtp_msg	*m = p->txn->msg;
	size_t		 used = 0;

	if (len > 0 && msg_filter(m, buf, len, &used) == -1) {
		io_abort(&p->ls.io, "no memory");
		return len;
	}
	p->chunk -= used;
	msg_check(p);
	if (m->mode == MSG_STREAM)
		lmtp_msg_push(p);
	if (p->chunk == 0)
		chunk_end(p);
	return used;
}

static void
skip_end(struct lmtp *p)
{
	p->input = INPUT_COMMANDS;
	if (p->txn == NULL)
		lmtp_bad(p, "503 5.5.1 MAIL comes first");
	else if (p->txn->good == 0)
		lmtp_bad(p, "503 5.5.1 No valid recipients");
	else
		lmtp_reply(p, "451 4.3.0 No memory");
	if (p->chunk_last)
		lmtp_txn_end(p);
}

static size_t
feed_skip(struct lmtp *p, size_t len)
{
	p->chunk -= len;
	if (p->chunk == 0)
		skip_end(p);
	return len;
}

size_t
lmtp_msg_feed(struct lmtp *p, const char *buf, size_t len)
{
	if (p->input != INPUT_SKIP && p->txn->msg->mode != MSG_DISCARD)
		lsession_timeout(&p->ls, LT_COMMAND);
	if (p->input != INPUT_DATA && len > p->chunk)
		len = (size_t)p->chunk;
	if (p->input == INPUT_SKIP)
		return feed_skip(p, len);
	if (len > LMTP_PIECE)
		len = LMTP_PIECE;
	return p->input == INPUT_DATA ? feed_data(p, buf, len) :
	    feed_bdat(p, buf, len);
}
