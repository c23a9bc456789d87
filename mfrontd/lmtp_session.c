/*
 * An LMTP connection: lines and messages from the client, replies to it,
 * its clocks.
 */
#include <sys/types.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "lmtp.h"

static struct lmtp *
lmtp_of(struct lsession *ls)
{
	return (struct lmtp *)(void *)ls;
}

/* replies */

/*
 * Text of others is part of some: nothing in it may end the line.  UTF-8
 * stays; who names such an address understands it.
 */
void
lmtp_reply(struct lmtp *p, const char *fmt, ...)
{
	struct ibuf	*out = io_out(&p->ls.io);
	va_list		 ap;
	uint8_t		*s;
	size_t		 at = ibuf_size(out), i;
	int		 bad;

	va_start(ap, fmt);
	bad = ibuf_vaddf(out, fmt, ap) == -1;
	va_end(ap);
	for (i = at, s = ibuf_data(out); !bad && i < ibuf_size(out); i++)
		if (s[i] < ' ' || s[i] == 0x7f)
			s[i] = '?';
	if (bad || ibuf_adds(out, "\r\n") == -1)
		io_abort(&p->ls.io, "no memory");
	else
		io_kick(&p->ls.io);
}

void
lmtp_bad(struct lmtp *p, const char *reply)
{
	lmtp_reply(p, "%s", reply);
	if (!lsession_bad(&p->ls))
		return;
	lmtp_reply(p, "421 4.7.0 Too many errors");
	lsession_end(&p->ls, "too many bad commands");
}

/*
 * A storage's own limit counts what we put before the message, too; ours
 * does not.
 */
uint64_t
lmtp_message_max(void)
{
	uint64_t max = lstorage_message_max();

	if (max < llimits.message && max > 2 * LMTP_TRACE_MAX)
		max -= LMTP_TRACE_MAX;
	return max;
}

/* waiting */

void
lmtp_wait(struct lmtp *p, enum ltimeout what)
{
	p->waiting = 1;
	io_pause(&p->ls.io);
	lsession_timeout(&p->ls, what);
}

void
lmtp_done(struct lmtp *p)
{
	p->waiting = 0;
	if (p->ls.flags & LS_ENDING)
		return;
	if (proc_self.stopping && p->txn == NULL) {
		lmtp_goodbye(&p->ls, "Server shutting down");
		return;
	}
	if (io_full(&p->ls.io)) {
		lsession_timeout(&p->ls, LT_WRITE);
		return;
	}
	lsession_timeout(&p->ls, p->input == INPUT_COMMANDS ? LT_IDLE :
	    LT_COMMAND);
	io_resume(&p->ls.io);
}

/* input */

/* One line, if there is a whole one; how many bytes of it are done with. */
static size_t
lmtp_line(struct lmtp *p, const char *buf, size_t len)
{
	const char	*nl;
	size_t		 n;

	if ((nl = memchr(buf, '\n', len)) == NULL) {
		if (len < SMTP_LINE_MAX) {
			/* who waits for recipients has another time */
			if (p->txn == NULL || p->txn->pending == 0)
				lsession_unfinished(&p->ls);
			return 0;
		}
		lmtp_reply(p, "500 5.5.2 Line too long");
		lsession_end(&p->ls, "line too long");
		return len;
	}
	n = (size_t)(nl - buf);
	if (n > 0 && buf[n - 1] == '\r')
		n--;
	if (p->txn == NULL || p->txn->pending == 0)
		lsession_timeout(&p->ls, LT_IDLE);
	return lmtp_command(p, buf, n) ? (size_t)(nl - buf) + 1 : 0;
}

static size_t
lmtp_input(struct lmtp *p, const char *buf, size_t len)
{
	if (p->input != INPUT_COMMANDS)
		return lmtp_msg_feed(p, buf, len);
	if (io_full(&p->ls.io)) {
		/* lmtp_drained() goes on */
		io_pause(&p->ls.io);
		lsession_timeout(&p->ls, LT_WRITE);
		return 0;
	}
	return lmtp_line(p, buf, len);
}

size_t
lmtp_data(struct lsession *ls, const uint8_t *buf, size_t len)
{
	struct lmtp	*p = lmtp_of(ls);
	size_t		 used = 0, n;

	while (used < len && !p->waiting && !(ls->flags & LS_ENDING)) {
		n = lmtp_input(p, (const char *)buf + used, len - used);
		if (n == 0)
			break;
		used += n;
	}
	return used;
}

void
lmtp_drained(struct lsession *ls)
{
	struct lmtp *p = lmtp_of(ls);

	if (!(ls->flags & LS_ENDING) && !p->waiting)
		lmtp_done(p);
}

/* transactions */

void
lmtp_txn_end(struct lmtp *p)
{
	struct lmtp_txn		*t = p->txn;
	struct m_txn_end	 m;

	if (t == NULL)
		return;
	if (t->asked) {
		m.txn = t->number;
		proc_send(proc_find(ROLE_AUTH, 0), M_txn_end, p->ls.id, 0, -1,
		    &m);
	}
	lmtp_rcpts_free(t);
	lmtp_msg_free(t->msg);
	free(t->from);
	free(t);
	p->txn = NULL;
}

/* the connection */

void
lmtp_open(struct lsession *ls)
{
	lmtp_reply(lmtp_of(ls), "220 %s LMTP ready", llimits.hostname);
}

/* Nothing said in the clear counts any more (RFC 3207, 4.2). */
void
lmtp_secured(struct lsession *ls)
{
	struct lmtp *p = lmtp_of(ls);

	lmtp_txn_end(p);
	free(p->helo);
	p->helo = NULL;
	lmtp_done(p);
}

void
lmtp_timeout(struct lsession *ls, enum ltimeout what)
{
	struct lmtp *p = lmtp_of(ls);

	if (what == LT_BACKEND && p->txn != NULL) {
		if (p->txn->pending > 0)
			lmtp_rcpt_lost(ls);
		else
			lmtp_deliver_timeout(p);
		return;
	}
	lmtp_reply(p, "421 4.4.2 Timeout");
	lsession_end(ls, what == LT_IDLE ? "idle timeout" :
	    "command timeout");
}

void
lmtp_goodbye(struct lsession *ls, const char *text)
{
	lmtp_reply(lmtp_of(ls), "421 4.3.2 %s", text);
	lsession_end(ls, text);
}

void
lmtp_closed(struct lsession *ls)
{
	struct lmtp *p = lmtp_of(ls);

	/* auth hears of the connection's end, which is enough */
	if (p->txn != NULL)
		p->txn->asked = 0;
	lmtp_txn_end(p);
	free(p->helo);
}

int
lmtp_busy(struct lsession *ls)
{
	return lmtp_of(ls)->txn != NULL;
}
