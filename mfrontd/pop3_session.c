/*
 * A POP3 connection: lines from the client, replies to it, its clocks.
 */
#include <sys/types.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "pop3.h"

static struct pop3 *
pop3_of(struct lsession *ls)
{
	return (struct pop3 *)(void *)ls;
}

/* replies */

void
pop3_ok(struct pop3 *p, const char *fmt, ...)
{
	struct ibuf	*out = io_out(&p->ls.io);
	va_list		 ap;
	int		 bad;

	va_start(ap, fmt);
	bad = ibuf_adds(out, "+OK ") == -1 ||
	    ibuf_vaddf(out, fmt, ap) == -1 || ibuf_adds(out, "\r\n") == -1;
	va_end(ap);
	lsession_good(&p->ls);
	if (bad)
		io_abort(&p->ls.io, "no memory");
	else
		io_kick(&p->ls.io);
}

/* Text that is not ours ends up on a line: nothing in it may end it. */
static void
pop3_text(char *out, size_t size, const char *in)
{
	size_t i;

	for (i = 0; in[i] != '\0' && i + 1 < size; i++)
		out[i] = in[i] >= ' ' && in[i] < 0x7f ? in[i] : '?';
	out[i] = '\0';
}

void
pop3_err(struct pop3 *p, const char *code, const char *text)
{
	char clean[200];

	pop3_text(clean, sizeof(clean), text);
	if (code != NULL && *code != '\0')
		(void)io_printf(&p->ls.io, "-ERR [%s] %s\r\n", code, clean);
	else
		(void)io_printf(&p->ls.io, "-ERR %s\r\n", clean);
}

void
pop3_err_st(struct pop3 *p, enum st_code code)
{
	const struct st_error *e = st_error(code);

	pop3_err(p, e->pop3, e->text);
}

/* A mistake of the client's; too many end the session. */
void
pop3_bad(struct pop3 *p, const char *text)
{
	pop3_err(p, NULL, text);
	if (!lsession_bad(&p->ls))
		return;
	pop3_err(p, NULL, "Too many errors");
	lsession_end(&p->ls, "too many bad commands");
}

void
pop3_cut(struct pop3 *p, const char *why)
{
	pop3_counts[POP3_COUNT_CUT]++;
	io_abort(&p->ls.io, why);
}

/* waiting */

void
pop3_wait(struct pop3 *p, enum ltimeout what)
{
	p->waiting = 1;
	io_pause(&p->ls.io);
	lsession_timeout(&p->ls, what);
}

void
pop3_done(struct pop3 *p)
{
	p->waiting = 0;
	p->inside = 0;
	if (p->ls.flags & LS_ENDING)
		return;
	if (proc_self.stopping) {
		pop3_goodbye(&p->ls, "Server shutting down");
		return;
	}
	/* a client that does not read is not heard either */
	if (io_full(&p->ls.io)) {
		lsession_timeout(&p->ls, LT_WRITE);
		return;
	}
	lsession_timeout(&p->ls, LT_IDLE);
	io_resume(&p->ls.io);
}

/* input */

/* One line, if there is a whole one; how many bytes of it are done with. */
static size_t
pop3_line(struct pop3 *p, const char *buf, size_t len)
{
	const char	*nl;
	size_t		 n;

	if ((nl = memchr(buf, '\n', len)) == NULL) {
		if (len < POP3_AUTH_MAX) {
			lsession_unfinished(&p->ls);
			return 0;
		}
		pop3_err(p, NULL, "Line too long");
		lsession_end(&p->ls, "line too long");
		return len;
	}
	n = (size_t)(nl - buf);
	if (n > 0 && buf[n - 1] == '\r')
		n--;
	lsession_timeout(&p->ls, LT_IDLE);
	if (p->sasl)
		pop3_sasl_line(p, buf, n);
	else
		pop3_command(p, buf, n);
	return (size_t)(nl - buf) + 1;
}

size_t
pop3_data(struct lsession *ls, const uint8_t *buf, size_t len)
{
	struct pop3	*p = pop3_of(ls);
	size_t		 used = 0, n;

	while (used < len && !p->waiting && !(ls->flags & LS_ENDING)) {
		if (io_full(&ls->io)) {
			/* pop3_drained() goes on */
			io_pause(&ls->io);
			lsession_timeout(ls, LT_WRITE);
			break;
		}
		n = pop3_line(p, (const char *)buf + used, len - used);
		if (n == 0)
			break;
		used += n;
	}
	return used;
}

void
pop3_drained(struct lsession *ls)
{
	struct pop3 *p = pop3_of(ls);

	if (ls->flags & LS_ENDING)
		return;
	if (p->scan.next != 0)
		pop3_scan_more(p);
	else if (p->waiting)
		pop3_retr_drained(p);
	else {
		lsession_timeout(ls, LT_IDLE);
		io_resume(&ls->io);
	}
}

/* the connection */

void
pop3_open(struct lsession *ls)
{
	pop3_ok(pop3_of(ls), "%s POP3 ready", llimits.hostname);
}

/* Nothing said in the clear counts any more (RFC 2595, 4). */
void
pop3_secured(struct lsession *ls)
{
	struct pop3 *p = pop3_of(ls);

	free(p->user);
	p->user = NULL;
	p->sasl = 0;
	pop3_done(p);
}

void
pop3_login(struct lsession *ls, enum st_code code, const char *text)
{
	struct pop3 *p = pop3_of(ls);

	free(p->user);
	p->user = NULL;
	if (code == ST_OK) {
		p->state = STATE_TRANSACTION;
		pop3_drop_load(p);
		return;
	}
	p->sasl = 0;
	/* not the storage, the client made a mistake */
	pop3_err(p, p->scram && code == ST_BAD_REQUEST ? NULL :
	    st_error(code)->pop3, text);
	if (lsession_bad(ls)) {
		pop3_err(p, NULL, "Too many errors");
		lsession_end(ls, "too many failed logins");
	}
	pop3_done(p);
}

/*
 * After idling the connection is closed without a word, and nothing is
 * deleted (RFC 1939, 3).
 */
void
pop3_timeout(struct lsession *ls, enum ltimeout what)
{
	struct pop3 *p = pop3_of(ls);

	if (what == LT_IDLE || what == LT_COMMAND) {
		lsession_end(ls, what == LT_IDLE ? "idle timeout" :
		    "command timeout");
		return;
	}
	if (what == LT_LOGIN) {
		pop3_err(p, NULL, "No login in time");
		lsession_end(ls, "login timeout");
		return;
	}
	if (p->inside) {
		pop3_cut(p, "storage timeout");
		return;
	}
	pop3_err(p, "SYS/TEMP", "The storage does not answer in time");
	/* half a login, or half a QUIT, is none */
	if (p->load != NULL || p->state != STATE_TRANSACTION) {
		lsession_end(ls, "storage timeout");
		return;
	}
	st_cancel(&p->rq);
	pop3_done(p);
}

void
pop3_goodbye(struct lsession *ls, const char *text)
{
	struct pop3 *p = pop3_of(ls);

	if (p->inside) {
		pop3_cut(p, text);
		return;
	}
	pop3_err(p, "SYS/TEMP", text);
	lsession_end(ls, text);
}

void
pop3_closed(struct lsession *ls)
{
	struct pop3 *p = pop3_of(ls);

	free(p->user);
	uidset_fini(&p->expunge);
	pop3_drop_free(p);
}

int
pop3_busy(struct lsession *ls)
{
	return pop3_of(ls)->waiting;
}
