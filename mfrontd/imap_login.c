/*
 * What works in every state, and how a session comes to be logged in.
 */
#include <sys/types.h>
#include <stdlib.h>
#include <string.h>

#include "auth.h"
#include "base64.h"
#include "imap.h"
#include "imap_feed.h"
#include "log.h"
#include "saslplain.h"
#include "scram.h"

#define SASL_LINE_MAX	8192	/* of base64 */

/* What the session's own storage must have, each for itself. */
static const struct {
	uint64_t	 caps;		/* all of them */
	enum imap_ext	 ext;
	const char	*name;
} by_storage[] = {
	{ CAP(CAP_METADATA), IMAP_EXT_METADATA, "METADATA" },
	{ CAP(CAP_QUOTA), IMAP_EXT_QUOTA,
	    "QUOTA QUOTA=RES-STORAGE QUOTA=RES-MESSAGE" },
	{ CAP(CAP_OBJECTID), IMAP_EXT_OBJECTID, "OBJECTID" },
	{ CAP(CAP_SAVEDATE), IMAP_EXT_SAVEDATE, "SAVEDATE" },
	{ CAP(CAP_BATCH) | CAP(CAP_WRITE), IMAP_EXT_MULTIAPPEND,
	    "MULTIAPPEND" },
	{ CAP(CAP_BATCH) | CAP(CAP_WRITE), IMAP_EXT_CATENATE, "CATENATE" },
	{ CAP(CAP_BATCH) | CAP(CAP_WRITE), IMAP_EXT_REPLACE, "REPLACE" },
};
#define NBY_STORAGE	(sizeof(by_storage) / sizeof(by_storage[0]))

static int
offers(const struct imap *s, size_t i)
{
	return (by_storage[i].caps & ~lsession_storage(&s->ls)->caps) == 0;
}

const struct imap_parse_opts *
imap_syntax(const struct imap *s)
{
	static struct imap_parse_opts	opts;
	size_t				i;

	opts = imap_opts;
	for (i = 0; i < NBY_STORAGE && s->state != IMAP_NOAUTH; i++)
		if (offers(s, i))
			imap_ext_add(&opts.exts, by_storage[i].ext);
	return &opts;
}

void
imap_capabilities(struct imap *s, struct ibuf *b)
{
	size_t i;

	(void)ibuf_adds(b, "CAPABILITY IMAP4rev1 SASL-IR LITERAL+ ID ENABLE "
	    "IDLE");
	if (s->state == IMAP_NOAUTH) {
		if (s->ls.flags & LS_STARTTLS && !io_is_tls(&s->ls.io))
			(void)ibuf_adds(b, " STARTTLS");
		(void)ibuf_adds(b, lsession_private(&s->ls) ?
		    " AUTH=PLAIN" : " LOGINDISABLED");
		if (lsession_mech(&s->ls, AUTH_SCRAM))
			(void)ibuf_adds(b, " AUTH=SCRAM-SHA-256");
		return;
	}
	(void)ibuf_adds(b, " NAMESPACE CHILDREN UNSELECT UIDPLUS "
	    "SPECIAL-USE ESEARCH SEARCHRES SORT SORT=DISPLAY ESORT "
	    "THREAD=ORDEREDSUBJECT THREAD=REFERENCES I18NLEVEL=1 INPROGRESS "
	    "PREVIEW");
	if (imap_has(s, CAP_WRITE))
		(void)ibuf_adds(b, " MOVE");
	if (imap_has(s, CAP_MODSEQ))
		(void)ibuf_adds(b, " CONDSTORE");
	for (i = 0; i < NBY_STORAGE; i++)
		if (offers(s, i))
			(void)ibuf_addf(b, " %s", by_storage[i].name);
}

void
imap_greet(struct lsession *ls)
{
	struct imap	*s = (struct imap *)ls;
	struct ibuf	*b = imap_out(s);

	s->state = IMAP_NOAUTH;
	(void)ibuf_adds(b, "* OK [");
	imap_capabilities(s, b);
	(void)ibuf_addf(b, "] %s ready\r\n", llimits.hostname);
}

/* After STARTTLS the session is as new (RFC 9051, 6.2.1). */
void
imap_secured(struct lsession *ls)
{
	struct imap *s = (struct imap *)ls;

	imap_input_free(s);
	s->input = INPUT_LINE;
	imap_input_tail(s, NULL, 0);
}

void
cmd_capability(struct iop *op)
{
	struct ibuf *b = imap_out(op->s);

	(void)ibuf_adds(b, "* ");
	imap_capabilities(op->s, b);
	(void)ibuf_adds(b, "\r\n");
	iop_ok(op, "CAPABILITY completed");
}

void
cmd_starttls(struct iop *op)
{
	struct imap *s = op->s;

	if (io_is_tls(&s->ls.io)) {
		iop_bad(op, "TLS is on already");
		return;
	}
	if ((s->ls.flags & LS_STARTTLS) == 0) {
		iop_bad(op, "STARTTLS is not offered here");
		return;
	}
	iop_ok(op, "Begin TLS negotiation now");
	(void)lsession_starttls(&s->ls);
}

static void
logout_end(struct iop *op)
{
	struct imap *s = op->s;

	iop_ok(op, "LOGOUT completed");
	lsession_end(&s->ls, "logout");
}

static void
logout_answer(struct streq *rq, enum msg_type type, const void *arg)
{
	if (type == M_st_end)
		logout_end(rq->arg);
}

/*
 * What the session was not told of it gives back, as long as the engine
 * knows it: the answer to any question says that this was read.
 */
static void
logout_fed(struct iop *op)
{
	struct iview		*v = op->s->view;
	struct m_st_recent	 q;

	if (v == NULL || !mirror_untold(v->m) || !st_ready(&op->s->ls)) {
		logout_end(op);
		return;
	}
	mirror_forgo(v);
	memset(&q, 0, sizeof(q));
	q.mount = v->mount->number;
	q.mailbox = v->m->id;
	q.take = RECENT_LOOK;
	iop_ask(op, M_st_recent, &q, logout_answer);
}

/* A part of an index half written would lie there for ever. */
void
cmd_logout(struct iop *op)
{
	(void)ibuf_adds(imap_out(op->s), "* BYE Logging out\r\n");
	op->cleanup = feed_unwait;
	if (!feed_wait(op, logout_fed))
		logout_fed(op);
}

void
cmd_id(struct iop *op)
{
	const struct imap_id	*id = &op->cmd.id;
	char			 name[64], text[512] = "";
	uint32_t		 i;

	for (i = 0; i < id->n; i++) {
		if (id->value[i].p == NULL)
			continue;
		strlcat(text, " ", sizeof(text));
		strlcat(text, imap_printable(&id->field[i]), sizeof(text));
		strlcat(text, "=", sizeof(text));
		strlcat(text, imap_printable(&id->value[i]), sizeof(text));
	}
	if (text[0] != '\0') {
		proc_session(name, sizeof(name), op->s->ls.id);
		log_debug("session=%s event=id%s", name, text);
	}
	(void)ibuf_adds(imap_out(op->s), "* ID (\"name\" \"mfrontd\")\r\n");
	iop_ok(op, "ID completed");
}

void
cmd_enable(struct iop *op)
{
	const struct imap_enable	*en = &op->cmd.enable;
	struct ibuf			*b = imap_out(op->s);
	uint32_t			 i;
	int				 condstore = 0;

	for (i = 0; i < en->n; i++)
		if (hstr_is(&en->name[i], "CONDSTORE") &&
		    imap_has(op->s, CAP_MODSEQ))
			condstore = 1;
	(void)ibuf_adds(b, condstore ? "* ENABLED CONDSTORE\r\n" :
	    "* ENABLED\r\n");
	if (condstore)
		view_condstore(op->s);
	iop_ok(op, "ENABLE completed");
}

void
cmd_namespace(struct iop *op)
{
	(void)ibuf_adds(imap_out(op->s),
	    "* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n");
	iop_ok(op, "NAMESPACE completed");
}

/* logging in */

static int
login_refused(struct iop *op)
{
	if (lsession_private(&op->s->ls))
		return 0;
	iop_no(op, "PRIVACYREQUIRED",
	    "Plaintext login is not allowed without TLS");
	return 1;
}

static void
login_try(struct iop *op, const struct hstr *user, const struct hstr *pass,
    const char *authzid)
{
	char	u[512], p[4096];

	/* a NUL or a length that nobody's has: wrong like any other */
	if (user->len >= sizeof(u) || pass->len >= sizeof(p) ||
	    user->len == 0 || memchr(user->p, '\0', user->len) != NULL ||
	    memchr(pass->p, '\0', pass->len) != NULL) {
		iop_no(op, "AUTHENTICATIONFAILED", "Authentication failed");
		return;
	}
	memcpy(u, user->p, user->len);
	u[user->len] = '\0';
	memcpy(p, pass->p, pass->len);
	p[pass->len] = '\0';
	lsession_login(&op->s->ls, AUTH_PASSWORD, u, authzid, p);
	explicit_bzero(p, sizeof(p));
}

void
cmd_login(struct iop *op)
{
	if (login_refused(op))
		return;
	login_try(op, &op->cmd.login.user, &op->cmd.login.pass, "");
}

static int
auth_is_scram(const struct iop *op)
{
	return op->entry->verb == IMAP_AUTHENTICATE &&
	    hstr_is(&op->cmd.authenticate.mech, "SCRAM-SHA-256");
}

void
imap_login_done(struct lsession *ls, enum st_code code, const char *text)
{
	struct imap	*s = (struct imap *)ls;
	struct iop	*op = s->op;
	struct ibuf	 b;

	if (op == NULL)
		return;
	if (code == ST_BAD_REQUEST && auth_is_scram(op)) {
		iop_bad(op, text);
		return;
	}
	if (code != ST_OK) {
		imount_close(s);
		iop_no(op, code == ST_BAD_CREDENTIALS ?
		    "AUTHENTICATIONFAILED" : st_error(code)->imap, "%s",
		    text);
		return;
	}
	s->state = IMAP_AUTH;
	imount_open(s);
	ibuf_init(&b, 1024);
	imap_capabilities(s, &b);
	(void)ibuf_add_n8(&b, '\0');
	iop_ok_code(op, (const char *)ibuf_data(&b), "Logged in");
	ibuf_fini(&b);
}

/* The client's, the first or the answer to a challenge. */
static void
auth_scram(struct iop *op, const char *p, size_t len)
{
	struct lsession	*ls = &op->s->ls;
	char		 msg[BASE64_DECODED_MAX(SASL_LINE_MAX)];
	ssize_t		 n;

	n = base64_decode(msg, sizeof(msg), p, len);
	if (n == -1 || n > SCRAM_MESSAGE_MAX) {
		if (ls->flags & LS_SASL)
			lsession_sasl_abort(ls);
		iop_bad(op, "Invalid SASL message");
	} else if (ls->flags & LS_SASL)
		lsession_sasl_answer(ls, msg, (size_t)n);
	else
		lsession_sasl(ls, AUTH_SCRAM, msg, (size_t)n);
	explicit_bzero(msg, sizeof(msg));
}

static void
auth_plain(struct iop *op, const char *p, size_t len)
{
	struct saslplain	sp;
	struct hstr		user, pass;
	char			msg[BASE64_DECODED_MAX(SASL_LINE_MAX)];
	char			authzid[SASLPLAIN_MAX + 1];
	ssize_t			n;

	n = base64_decode(msg, sizeof(msg), p, len);
	if (n == -1 || saslplain_parse(&sp, msg, (size_t)n) == -1) {
		explicit_bzero(msg, sizeof(msg));
		iop_bad(op, "Invalid SASL PLAIN message");
		return;
	}
	user.p = sp.authcid;
	user.len = sp.authcidlen;
	pass.p = sp.passwd;
	pass.len = sp.passlen;
	memcpy(authzid, sp.authzid, sp.authzidlen);
	authzid[sp.authzidlen] = '\0';
	login_try(op, &user, &pass, authzid);
	explicit_bzero(msg, sizeof(msg));
}

static void
auth_message(struct iop *op, const char *p, size_t len)
{
	struct lsession *ls = &op->s->ls;

	iop_reads(op, NULL);
	if (len == 1 && *p == '*') {
		if (ls->flags & LS_SASL)
			lsession_sasl_abort(ls);
		iop_bad(op, "AUTHENTICATE cancelled");
	} else if (auth_is_scram(op))
		auth_scram(op, p, len);
	else
		auth_plain(op, p, len);
}

/* The client's answer to "+": one line. */
static size_t
auth_input(struct iop *op, const uint8_t *p, size_t len)
{
	struct imap	*s = op->s;
	const uint8_t	*nl = memchr(p, '\n', len);
	size_t		 n;

	if (nl == NULL) {
		if (len <= SASL_LINE_MAX)
			return 0;
		iop_reads(op, NULL);
		s->input = INPUT_SKIP_LINE;
		imap_input_tail(s, NULL, 0);
		if (s->ls.flags & LS_SASL)
			lsession_sasl_abort(&s->ls);
		iop_bad(op, "Line too long");
		return 0;
	}
	n = (size_t)(nl - p);
	auth_message(op, (const char *)p, n > 0 && p[n - 1] == '\r' ?
	    n - 1 : n);
	/* perhaps it was a command; a message does not end as one does */
	imap_input_refused(s, p, n);
	return n + 1;
}

/* Auth's answer, also the last one: "+" and base64. */
void
imap_challenge(struct lsession *ls, const void *p, size_t len)
{
	struct imap	*s = (struct imap *)ls;
	char		 text[BASE64_LEN(SCRAM_CHALLENGE_MAX)];
	ssize_t		 n;

	n = base64_encode(text, sizeof(text), p, len);
	if (s->op == NULL || n == -1) {
		lsession_sasl_abort(ls);
		return;
	}
	(void)ibuf_addf(imap_out(s), "+ %.*s\r\n", (int)n, text);
	iop_reads(s->op, auth_input);
	s->input = INPUT_AUTH;
	if (ls->io.flags & IO_PAUSED)
		io_resume(&ls->io);
}

void
cmd_authenticate(struct iop *op)
{
	const struct imap_authenticate	*a = &op->cmd.authenticate;
	int				 plain = hstr_is(&a->mech, "PLAIN");

	if ((plain || auth_is_scram(op)) && login_refused(op))
		return;
	if (!plain && (!auth_is_scram(op) ||
	    !lsession_mech(&op->s->ls, AUTH_SCRAM))) {
		iop_no(op, NULL, "No such mechanism");
		return;
	}
	if (a->initial.p != NULL) {
		auth_message(op, a->initial.p, a->initial.len);
		return;
	}
	iop_reads(op, auth_input);
	op->s->input = INPUT_AUTH;
	(void)ibuf_adds(imap_out(op->s), "+ \r\n");
}

/* NOOP: what else this turn brings belongs into its answer. */

static void
noop_synced(struct iop *op, enum st_code code, const char *text)
{
	/* an unreachable storage is not NOOP's failure: nothing is new */
	iop_ok(op, "NOOP completed");
}

static void
noop_resume(struct iop *op)
{
	op->resume = NULL;
	if (op->s->view == NULL)
		iop_ok(op, "NOOP completed");
	else
		mirror_need(op, op->s->view->m, noop_synced);
}

void
cmd_noop(struct iop *op)
{
	op->resume = noop_resume;
	op->s->waiting = 1;
	imap_at_turn(op->s);
}
