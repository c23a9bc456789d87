/*
 * LMTP's commands: one entry each, with what must be there before it.
 */
#include <sys/types.h>
#include <stdlib.h>
#include <string.h>

#include "lmtp.h"

#define NEEDS_LHLO	0x1
#define NEEDS_MAIL	0x2
#define NO_BDAT		0x4		/* not between chunks */

struct lmtp_entry {
	int	 flags;
	void	 (*exec)(struct lmtp *, const struct smtp_cmd *);
};

static int
can_starttls(const struct lmtp *p)
{
	return p->ls.flags & LS_STARTTLS && p->ls.tls != NULL &&
	    !io_is_tls(&p->ls.io);
}

static void
cmd_lhlo(struct lmtp *p, const struct smtp_cmd *c)
{
	lmtp_txn_end(p);
	free(p->helo);
	if ((p->helo = strdup(c->domain)) == NULL) {
		lmtp_reply(p, "451 4.3.0 No memory");
		return;
	}
	lmtp_reply(p, "250-%s", llimits.hostname);
	if (can_starttls(p))
		lmtp_reply(p, "250-STARTTLS");
	lmtp_reply(p, "250-PIPELINING");
	lmtp_reply(p, "250-ENHANCEDSTATUSCODES");
	lmtp_reply(p, "250-8BITMIME");
	lmtp_reply(p, "250-SMTPUTF8");
	lmtp_reply(p, "250-CHUNKING");
	lmtp_reply(p, "250 SIZE %llu",
	    (unsigned long long)lmtp_message_max());
}

static void
cmd_starttls(struct lmtp *p, const struct smtp_cmd *c)
{
	if (!can_starttls(p)) {
		lmtp_bad(p, "503 5.5.1 No TLS to begin here");
		return;
	}
	lmtp_reply(p, "220 2.0.0 Begin TLS");
	lmtp_wait(p, LT_IDLE);
	(void)lsession_starttls(&p->ls);
}

static void
cmd_mail(struct lmtp *p, const struct smtp_cmd *c)
{
	struct lmtp_txn *t;

	if (p->txn != NULL) {
		lmtp_bad(p, "503 5.5.1 There is a sender already");
		return;
	}
	if (c->has_size && c->size > lmtp_message_max()) {
		lmtp_counts[LMTP_TOO_LARGE]++;
		lmtp_reply(p, "552 5.3.4 Message too big");
		return;
	}
	if ((t = calloc(1, sizeof(*t))) == NULL ||
	    (t->from = strdup(c->path)) == NULL) {
		free(t);
		lmtp_reply(p, "451 4.3.0 No memory");
		return;
	}
	t->number = ++p->ntxns;
	t->declared = c->size;
	t->smtputf8 = c->smtputf8;
	p->txn = t;
	lsession_good(&p->ls);
	lmtp_reply(p, "250 2.1.0 Sender OK");
}

static void
cmd_rcpt(struct lmtp *p, const struct smtp_cmd *c)
{
	if (!lmtp_rcpt_room(p))
		lmtp_reply(p, "452 4.5.3 Too many recipients");
	else
		lmtp_rcpt(p, c->path);
}

static void
cmd_data(struct lmtp *p, const struct smtp_cmd *c)
{
	if (p->txn->good == 0) {
		lmtp_reply(p, "503 5.5.1 No valid recipients");
		return;
	}
	/* its engine died: the grants with it */
	if (proc_find_gen(ROLE_ENGINE, p->txn->egen) == NULL) {
		lmtp_txn_end(p);
		lmtp_reply(p, "%s %s", st_lmtp(ST_UNAVAILABLE),
		    st_error(ST_UNAVAILABLE)->text);
		return;
	}
	if (lmtp_msg_begin(p, DOTIN_DATA) == -1) {
		lmtp_reply(p, "451 4.3.0 No memory");
		return;
	}
	p->input = INPUT_DATA;
	lsession_timeout(&p->ls, LT_COMMAND);
	lmtp_reply(p, "354 Send the message, end with a dot");
}

/*
 * The chunk's bytes come whatever we think of the command (RFC 3030, 2):
 * they are read before it is answered.
 */
static void
cmd_bdat(struct lmtp *p, const struct smtp_cmd *c)
{
	struct lmtp_txn *t = p->txn;

	p->chunk = p->chunk_size = c->chunk;
	p->chunk_last = c->last;
	p->input = INPUT_SKIP;
	/* without its first chunk it does not begin with the second */
	if (t != NULL && t->good > 0 && (t->msg != NULL || (!t->bdat &&
	    lmtp_msg_begin(p, DOTIN_BDAT) == 0)))
		p->input = INPUT_BDAT;
	if (t != NULL)
		t->bdat = 1;
	lsession_timeout(&p->ls, LT_COMMAND);
	/* nothing may follow: then this is its end */
	if (p->chunk == 0)
		(void)lmtp_msg_feed(p, "", 0);
}

/* Nobody knows how much of what follows is a chunk, and no command. */
static void
bdat_bad(struct lmtp *p, const char *reply)
{
	lmtp_txn_end(p);
	lmtp_reply(p, "%s", reply);
	lmtp_reply(p, "421 4.5.2 A chunk of unknown size");
	lsession_end(&p->ls, "bad BDAT");
}

static void
cmd_rset(struct lmtp *p, const struct smtp_cmd *c)
{
	lmtp_txn_end(p);
	lmtp_reply(p, "250 2.0.0 Forgotten");
}

static void
cmd_noop(struct lmtp *p, const struct smtp_cmd *c)
{
	lmtp_reply(p, "250 2.0.0 Here");
}

static void
cmd_vrfy(struct lmtp *p, const struct smtp_cmd *c)
{
	lmtp_reply(p, "252 2.1.5 Send a message and see");
}

static void
cmd_help(struct lmtp *p, const struct smtp_cmd *c)
{
	lmtp_reply(p, "214 2.0.0 See RFC 2033");
}

static void
cmd_quit(struct lmtp *p, const struct smtp_cmd *c)
{
	lmtp_txn_end(p);
	lmtp_reply(p, "221 2.0.0 Bye");
	lsession_end(&p->ls, "quit");
}

static const struct lmtp_entry entries[] = {
	[SMTP_LHLO] =	{ 0,				cmd_lhlo },
	[SMTP_MAIL] =	{ NEEDS_LHLO | NO_BDAT,		cmd_mail },
	[SMTP_RCPT] =	{ NEEDS_MAIL | NO_BDAT,		cmd_rcpt },
	[SMTP_DATA] =	{ NEEDS_MAIL | NO_BDAT,		cmd_data },
	[SMTP_BDAT] =	{ 0,				cmd_bdat },
	[SMTP_RSET] =	{ 0,				cmd_rset },
	[SMTP_NOOP] =	{ 0,				cmd_noop },
	[SMTP_QUIT] =	{ 0,				cmd_quit },
	[SMTP_VRFY] =	{ 0,				cmd_vrfy },
	[SMTP_STARTTLS] = { 0,				cmd_starttls },
	[SMTP_HELP] =	{ 0,				cmd_help },
};

static const char *
not_now(const struct lmtp *p, int flags)
{
	if (flags & NEEDS_LHLO && p->helo == NULL)
		return "503 5.5.1 LHLO comes first";
	if (flags & NEEDS_MAIL && p->txn == NULL)
		return "503 5.5.1 MAIL comes first";
	if (flags & NO_BDAT && p->txn != NULL && p->txn->bdat)
		return "503 5.5.1 Not between chunks";
	return NULL;
}

/*
 * Recipients may be asked for while others are; everything else waits for
 * the replies before it.
 */
static int
must_wait(const struct lmtp *p, const struct smtp_cmd *c, int ok)
{
	if (p->txn == NULL || p->txn->pending == 0)
		return 0;
	return !ok || c->verb != SMTP_RCPT || !lmtp_rcpt_room(p);
}

int
lmtp_command(struct lmtp *p, const char *line, size_t len)
{
	const char	*why;
	struct smtp_cmd	 c;
	int		 ok;

	ok = smtp_parse(&c, line, len, p->txn != NULL && p->txn->smtputf8 ?
	    SMTP_OPT_UTF8 : 0) == 0;
	if (must_wait(p, &c, ok)) {
		lmtp_wait(p, LT_BACKEND);
		return 0;
	}
	if (!ok && c.verb == SMTP_BDAT)
		bdat_bad(p, c.reply);
	else if (!ok)
		lmtp_bad(p, c.reply);
	else if ((why = not_now(p, entries[c.verb].flags)) != NULL)
		lmtp_bad(p, why);
	else
		entries[c.verb].exec(p, &c);
	return 1;
}
