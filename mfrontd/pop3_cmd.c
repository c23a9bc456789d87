/*
 * POP3's commands: one entry each, with the state it is good in.
 *
 * UIDL: a message's unique id is its mailbox's uidvalidity and its uid, each
 * as eight hexadecimal digits.  It lasts as long as IMAP's does, whatever
 * else happens to the mailbox.
 */
#include <sys/types.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "auth.h"
#include "base64.h"
#include "pop3.h"
#include "saslplain.h"
#include "scram.h"

#define IN_AUTH		0x1
#define IN_TRANS	0x2
#define NEEDS_MSG	0x4		/* a message that is there */
#define OPT_MSG		0x8		/* if one is given */

struct pop3_entry {
	int	 flags;
	void	 (*exec)(struct pop3 *, const struct pop3_cmd *);
};

/* before the login */

static const char in_the_clear[] =
    "Not without TLS: the password would go in the clear";

/* The secret lives no longer than the call. */
static void
ask_auth(struct pop3 *p, const char *user, const char *authzid,
    const char *secret)
{
	pop3_wait(p, LT_BACKEND);
	lsession_login(&p->ls, AUTH_PASSWORD, user, authzid, secret);
}

static void
cmd_user(struct pop3 *p, const struct pop3_cmd *c)
{
	if (!lsession_private(&p->ls)) {
		pop3_bad(p, in_the_clear);
		return;
	}
	free(p->user);
	if ((p->user = strndup(c->arg, c->arglen)) == NULL) {
		pop3_err(p, "SYS/TEMP", "No memory");
		return;
	}
	pop3_ok(p, "Now the password");
}

static void
cmd_pass(struct pop3 *p, const struct pop3_cmd *c)
{
	char secret[POP3_LINE_MAX];

	if (!lsession_private(&p->ls)) {
		pop3_bad(p, in_the_clear);
		return;
	}
	if (p->user == NULL) {
		pop3_bad(p, "USER comes first");
		return;
	}
	/* the parser lets no longer line through */
	memcpy(secret, c->arg, c->arglen);
	secret[c->arglen] = '\0';
	ask_auth(p, p->user, "", secret);
	explicit_bzero(secret, sizeof(secret));
}

static void
sasl_plain(struct pop3 *p, const char *b64, size_t len)
{
	struct saslplain	 m;
	char			 buf[3 * (SASLPLAIN_MAX + 1) + 1];
	char			 secret[SASLPLAIN_MAX + 1];
	ssize_t			 n;

	n = base64_decode(buf, sizeof(buf), b64, len);
	if (n == -1 || saslplain_parse(&m, buf, (size_t)n) == -1)
		pop3_bad(p, "Not a response of SASL PLAIN");
	else {
		memcpy(secret, m.passwd, m.passlen);
		secret[m.passlen] = '\0';
		ask_auth(p, m.authcid, m.authzid, secret);
		explicit_bzero(secret, sizeof(secret));
	}
	explicit_bzero(buf, sizeof(buf));
}

static void
sasl_abort(struct pop3 *p)
{
	if (p->ls.flags & LS_SASL)
		lsession_sasl_abort(&p->ls);
}

/* The client's message, the first or the answer to a challenge. */
static void
sasl_scram(struct pop3 *p, const char *b64, size_t len)
{
	char	buf[BASE64_DECODED_MAX(POP3_AUTH_MAX)];
	ssize_t	n;

	n = base64_decode(buf, sizeof(buf), b64, len);
	if (n == -1 || n > SCRAM_MESSAGE_MAX) {
		sasl_abort(p);
		pop3_bad(p, "Not a response of SASL SCRAM-SHA-256");
	} else {
		pop3_wait(p, LT_BACKEND);
		if (p->ls.flags & LS_SASL)
			lsession_sasl_answer(&p->ls, buf, (size_t)n);
		else
			lsession_sasl(&p->ls, AUTH_SCRAM, buf, (size_t)n);
	}
	explicit_bzero(buf, sizeof(buf));
}

void
pop3_challenge(struct lsession *ls, const void *m, size_t len)
{
	struct pop3	*p = (struct pop3 *)(void *)ls;
	char		 text[BASE64_LEN(SCRAM_CHALLENGE_MAX)];
	ssize_t		 n;

	if ((n = base64_encode(text, sizeof(text), m, len)) == -1)
		n = 0;
	(void)io_printf(&ls->io, "+ %.*s\r\n", (int)n, text);
	p->sasl = 1;
	pop3_done(p);
}

static void
sasl_message(struct pop3 *p, const char *b64, size_t len)
{
	if (p->scram)
		sasl_scram(p, b64, len);
	else
		sasl_plain(p, b64, len);
}

void
pop3_sasl_line(struct pop3 *p, const char *line, size_t len)
{
	p->sasl = 0;
	if (len == 1 && *line == '*') {
		sasl_abort(p);
		pop3_bad(p, "Authentication cancelled");
	} else
		sasl_message(p, line, len);
}

static int
auth_is(const struct pop3_cmd *c, const char *name)
{
	return c->arglen == strlen(name) &&
	    strncasecmp(c->arg, name, c->arglen) == 0;
}

static void
cmd_auth(struct pop3 *p, const struct pop3_cmd *c)
{
	int scram = lsession_mech(&p->ls, AUTH_SCRAM);

	p->scram = scram && auth_is(c, "SCRAM-SHA-256");
	if (!lsession_private(&p->ls)) {
		pop3_bad(p, in_the_clear);
		return;
	}
	/* what clients did before CAPA to find out */
	if (c->arglen == 0)
		(void)io_printf(&p->ls.io,
		    "+OK Mechanisms\r\nPLAIN\r\n%s.\r\n",
		    scram ? "SCRAM-SHA-256\r\n" : "");
	else if (!auth_is(c, "PLAIN") && !p->scram)
		pop3_bad(p, "No such mechanism here");
	else if (c->initial != NULL)
		sasl_message(p, c->initial, c->initiallen);
	else {
		p->sasl = 1;
		(void)io_puts(&p->ls.io, "+ \r\n");
	}
}

static void
cmd_stls(struct pop3 *p, const struct pop3_cmd *c)
{
	if (io_is_tls(&p->ls.io) || !(p->ls.flags & LS_STARTTLS) ||
	    p->ls.tls == NULL) {
		pop3_bad(p, "No TLS to begin here");
		return;
	}
	pop3_ok(p, "Begin TLS");
	pop3_wait(p, LT_IDLE);
	(void)lsession_starttls(&p->ls);
}

/* any time */

static void
cmd_capa(struct pop3 *p, const struct pop3_cmd *c)
{
	struct io *io = &p->ls.io;

	pop3_ok(p, "Capabilities");
	(void)io_puts(io, "TOP\r\nUIDL\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\n"
	    "PIPELINING\r\n");
	if (p->state == STATE_AUTHORIZATION && !io_is_tls(io) &&
	    p->ls.flags & LS_STARTTLS && p->ls.tls != NULL)
		(void)io_puts(io, "STLS\r\n");
	if (lsession_private(&p->ls))
		(void)io_printf(io, "USER\r\nSASL PLAIN%s\r\n",
		    lsession_mech(&p->ls, AUTH_SCRAM) ? " SCRAM-SHA-256" :
		    "");
	(void)io_puts(io, "IMPLEMENTATION mfrontd\r\n.\r\n");
}

static void
cmd_noop(struct pop3 *p, const struct pop3_cmd *c)
{
	pop3_ok(p, "Here");
}

static void
cmd_quit(struct pop3 *p, const struct pop3_cmd *c)
{
	if (p->state == STATE_TRANSACTION && p->drop->ndeleted > 0) {
		p->state = STATE_UPDATE;
		pop3_drop_quit(p);
		return;
	}
	pop3_ok(p, "Bye");
	lsession_end(&p->ls, "quit");
}

/* the maildrop */

static void
cmd_stat(struct pop3 *p, const struct pop3_cmd *c)
{
	const struct pop3_drop *d = p->drop;

	pop3_ok(p, "%u %llu", d->n - d->ndeleted,
	    (unsigned long long)d->total);
}

static void
put_scan(struct pop3 *p, uint32_t msg, uint32_t uid, int uidl)
{
	const struct pop3_drop	*d = p->drop;
	struct ibuf		*out = io_out(&p->ls.io);
	int			 bad;

	if (uidl)
		bad = ibuf_addf(out, "%u %08x%08x\r\n", msg, d->uidvalidity,
		    uid) == -1;
	else
		bad = ibuf_addu(out, msg) == -1 ||
		    ibuf_add_n8(out, ' ') == -1 ||
		    ibuf_addu(out, d->sizes[msg - 1]) == -1 ||
		    ibuf_adds(out, "\r\n") == -1;
	if (bad)
		io_abort(&p->ls.io, "no memory");
	else
		io_kick(&p->ls.io);
}

/* As much of a long listing as the client takes now. */
void
pop3_scan_more(struct pop3 *p)
{
	struct pop3_scan *s = &p->scan;

	for (; s->uid != 0; s->next++, s->uid = uidset_next(&s->it)) {
		if (io_full(&p->ls.io)) {
			lsession_timeout(&p->ls, LT_WRITE);
			return;
		}
		if (!pop3_drop_deleted(p->drop, s->next))
			put_scan(p, s->next, s->uid, s->uidl);
	}
	s->next = 0;
	(void)io_puts(&p->ls.io, ".\r\n");
	pop3_done(p);
}

static void
scan(struct pop3 *p, uint32_t msg, int uidl)
{
	struct pop3_drop *d = p->drop;

	if (msg != 0) {
		(void)io_puts(&p->ls.io, "+OK ");
		put_scan(p, msg, uidset_nth(&d->uids, msg), uidl);
		return;
	}
	pop3_ok(p, "%u messages", d->n - d->ndeleted);
	p->scan.next = 1;
	p->scan.uidl = uidl;
	p->scan.uid = uidset_first(&p->scan.it, &d->uids);
	pop3_wait(p, LT_WRITE);
	p->inside = 1;
	pop3_scan_more(p);
}

static void
cmd_list(struct pop3 *p, const struct pop3_cmd *c)
{
	scan(p, c->msg, 0);
}

static void
cmd_uidl(struct pop3 *p, const struct pop3_cmd *c)
{
	scan(p, c->msg, 1);
}

static void
cmd_dele(struct pop3 *p, const struct pop3_cmd *c)
{
	const struct lstorage *st = lsession_storage(&p->ls);

	/* a storage that is down now may be there at QUIT */
	if (p->drop->readonly || (st->up && !(st->caps & CAP(CAP_WRITE)))) {
		pop3_err(p, "SYS/PERM", "This maildrop is read-only");
		return;
	}
	pop3_drop_delete(p->drop, c->msg);
	pop3_ok(p, "Marked");
}

static void
cmd_rset(struct pop3 *p, const struct pop3_cmd *c)
{
	pop3_drop_reset(p->drop);
	pop3_ok(p, "No message is marked");
}

static void
cmd_retr(struct pop3 *p, const struct pop3_cmd *c)
{
	pop3_counts[POP3_COUNT_RETR]++;
	pop3_retr_begin(p, c->msg, -1);
}

static void
cmd_top(struct pop3 *p, const struct pop3_cmd *c)
{
	pop3_counts[POP3_COUNT_TOP]++;
	pop3_retr_begin(p, c->msg, c->lines);
}

static const struct pop3_entry entries[] = {
	[POP3_AUTH] =	{ IN_AUTH,			cmd_auth },
	[POP3_CAPA] =	{ IN_AUTH | IN_TRANS,		cmd_capa },
	[POP3_DELE] =	{ IN_TRANS | NEEDS_MSG,		cmd_dele },
	[POP3_LIST] =	{ IN_TRANS | OPT_MSG,		cmd_list },
	[POP3_NOOP] =	{ IN_TRANS,			cmd_noop },
	[POP3_PASS] =	{ IN_AUTH,			cmd_pass },
	[POP3_QUIT] =	{ IN_AUTH | IN_TRANS,		cmd_quit },
	[POP3_RETR] =	{ IN_TRANS | NEEDS_MSG,		cmd_retr },
	[POP3_RSET] =	{ IN_TRANS,			cmd_rset },
	[POP3_STAT] =	{ IN_TRANS,			cmd_stat },
	[POP3_STLS] =	{ IN_AUTH,			cmd_stls },
	[POP3_TOP] =	{ IN_TRANS | NEEDS_MSG,		cmd_top },
	[POP3_UIDL] =	{ IN_TRANS | OPT_MSG,		cmd_uidl },
	[POP3_USER] =	{ IN_AUTH,			cmd_user },
};

#define NENTRIES	(sizeof(entries) / sizeof(entries[0]))

static int
has_message(const struct pop3 *p, int flags, uint32_t msg)
{
	if (flags & OPT_MSG && msg == 0)
		return 1;
	if (!(flags & (NEEDS_MSG | OPT_MSG)))
		return 1;
	return msg <= p->drop->n && !pop3_drop_deleted(p->drop, msg);
}

void
pop3_command(struct pop3 *p, const char *line, size_t len)
{
	const struct pop3_entry	*e;
	struct pop3_cmd		 c;

	if (pop3_parse(&c, line, len, 0) == -1) {
		/* the parser's reply has its -ERR */
		pop3_bad(p, c.reply + strlen("-ERR "));
		return;
	}
	e = (size_t)c.verb < NENTRIES ? &entries[c.verb] : NULL;
	if (e == NULL || e->exec == NULL)
		pop3_bad(p, "Unknown command");
	else if (!(e->flags & (p->state == STATE_AUTHORIZATION ? IN_AUTH :
	    IN_TRANS)))
		pop3_bad(p, "Not in this state");
	else if (!has_message(p, e->flags, c.msg))
		pop3_err(p, NULL, "No such message");
	else
		e->exec(p, &c);
}
