#include <sys/types.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "charset.h"
#include "imap.h"
#include "imap_batch.h"
#include "listmatch.h"
#include "log.h"
#include "roles.h"

#define TAIL_MAX	(64 * 1024 * 1024)	/* a tagged response */
#define PROGRESS_FIRST	3	/* seconds: what takes less takes not long */
#define PROGRESS	10	/* as RFC 9585, 4 would have it */

struct imap_parse_opts	imap_opts;
struct imap_counts	imap_counts;

static TAILQ_HEAD(, imap) turn_list = TAILQ_HEAD_INITIALIZER(turn_list);

/* What is offered; the parser refuses the rest. */
static const enum imap_ext offered[] = {
	IMAP_EXT_CONDSTORE, IMAP_EXT_ENABLE, IMAP_EXT_ESEARCH, IMAP_EXT_ESORT,
	IMAP_EXT_ID, IMAP_EXT_IDLE, IMAP_EXT_MOVE, IMAP_EXT_NAMESPACE,
	IMAP_EXT_SASL_IR, IMAP_EXT_SEARCHRES, IMAP_EXT_SORT_DISPLAY,
	IMAP_EXT_SPECIAL_USE, IMAP_EXT_THREAD, IMAP_EXT_UIDPLUS,
	IMAP_EXT_UNSELECT
};

#define ANY	(IMAP_NOAUTH | IMAP_AUTH | IMAP_SELECTED)
#define IN	(IMAP_AUTH | IMAP_SELECTED)

static const struct imap_entry entries[] = {
	{ IMAP_APPEND,		IN,		0,	cmd_append },
	{ IMAP_AUTHENTICATE,	IMAP_NOAUTH,	CMD_SECRET, cmd_authenticate },
	{ IMAP_CAPABILITY,	ANY,		0,	cmd_capability },
	{ IMAP_CHECK,		IMAP_SELECTED,	0,	cmd_check },
	{ IMAP_CLOSE,		IMAP_SELECTED,	CMD_NOSYNC, cmd_close },
	{ IMAP_COPY,		IMAP_SELECTED,	CMD_SEQ, cmd_copy },
	{ IMAP_CREATE,		IN,		0,	cmd_create },
	{ IMAP_DELETE,		IN,		0,	cmd_delete },
	{ IMAP_ENABLE,		IN,		0,	cmd_enable },
	{ IMAP_EXAMINE,		IN,		CMD_NOSYNC, cmd_examine },
	{ IMAP_EXPUNGE,		IMAP_SELECTED,	CMD_WRITE, cmd_expunge },
	{ IMAP_FETCH,		IMAP_SELECTED,	CMD_SEQ, cmd_fetch },
	{ IMAP_GETMETADATA,	IN,		0,	cmd_getmetadata },
	{ IMAP_GETQUOTA,	IN,		0,	cmd_getquota },
	{ IMAP_GETQUOTAROOT,	IN,		0,	cmd_getquotaroot },
	{ IMAP_ID,		ANY,		0,	cmd_id },
	{ IMAP_IDLE,		IN,		0,	cmd_idle },
	{ IMAP_LIST,		IN,		0,	cmd_list },
	{ IMAP_LOGIN,		IMAP_NOAUTH,	CMD_SECRET, cmd_login },
	{ IMAP_LOGOUT,		ANY,		CMD_NOSYNC, cmd_logout },
	{ IMAP_LSUB,		IN,		0,	cmd_lsub },
	{ IMAP_MOVE,		IMAP_SELECTED,	CMD_WRITE, cmd_move },
	{ IMAP_NAMESPACE,	IN,		0,	cmd_namespace },
	{ IMAP_NOOP,		ANY,		0,	cmd_noop },
	{ IMAP_RENAME,		IN,		0,	cmd_rename },
	{ IMAP_REPLACE,		IMAP_SELECTED,	CMD_WRITE, cmd_replace },
	{ IMAP_SEARCH,		IMAP_SELECTED,	CMD_SEQ, cmd_search },
	{ IMAP_SELECT,		IN,		CMD_NOSYNC, cmd_select },
	{ IMAP_SORT,		IMAP_SELECTED,	CMD_SEQ, cmd_search },
	{ IMAP_SETMETADATA,	IN,		0,	cmd_setmetadata },
	{ IMAP_SETQUOTA,	IN,		0,	cmd_setquota },
	{ IMAP_STARTTLS,	IMAP_NOAUTH,	0,	cmd_starttls },
	{ IMAP_STATUS,		IN,		0,	cmd_status },
	{ IMAP_STORE,		IMAP_SELECTED,	CMD_SEQ | CMD_WRITE,
							cmd_store },
	{ IMAP_SUBSCRIBE,	IN,		0,	cmd_subscribe },
	{ IMAP_THREAD,		IMAP_SELECTED,	CMD_SEQ, cmd_search },
	{ IMAP_UNSELECT,	IMAP_SELECTED,	CMD_NOSYNC, cmd_unselect },
	{ IMAP_UNSUBSCRIBE,	IN,		0,	cmd_unsubscribe },
};

const char *
imap_printable(const struct hstr *h)
{
	static char	buf[4][64];
	static int	next;
	char		*p = buf[next++ & 3];
	size_t		 i;

	for (i = 0; i < h->len && i < sizeof(buf[0]) - 1; i++)
		p[i] = h->p[i] > ' ' && h->p[i] < 0x7f ? h->p[i] : '_';
	p[i] = '\0';
	return p;
}

struct ibuf *
imap_out(struct imap *s)
{
	io_kick(&s->ls.io);
	return io_out(&s->ls.io);
}

/* Must the client read first?  It has its time for that. */
int
imap_full(struct imap *s)
{
	if (!io_full(&s->ls.io))
		return 0;
	lsession_timeout(&s->ls, LT_WRITE);
	return 1;
}

int
imap_has(const struct imap *s, enum st_cap cap)
{
	return (lsession_storage(&s->ls)->caps & CAP(cap)) != 0;
}

void
imap_at_turn(struct imap *s)
{
	if (s->listed)
		return;
	s->listed = 1;
	TAILQ_INSERT_TAIL(&turn_list, s, turn);
	proc_again();
}

/*
 * Commands that wait for what else this turn brings: a change that another
 * session was told is done must be in the answer to a NOOP that follows.
 */
static int
imap_turn(void)
{
	struct imap	*s;
	struct iop	*op;
	int		 did = 0;

	while ((s = TAILQ_FIRST(&turn_list)) != NULL) {
		did = 1;
		TAILQ_REMOVE(&turn_list, s, turn);
		s->listed = 0;
		op = s->op;
		if (s->waiting && op != NULL && op->resume != NULL) {
			s->waiting = 0;
			op->resume(op);
		} else if (s->idling && s->view != NULL &&
		    !imap_full(s))
			(void)view_sync(s->view, 1);
	}
	return did;
}

/* commands that take long */

static struct tmo_class	progress_first, progress_class;

/* Not in the middle of a response, nor to a client that does not read. */
static void
progress_fired(struct tmo *t)
{
	struct iop	*op = (struct iop *)(void *)((char *)t -
			    offsetof(struct iop, progress));
	struct imap	*s = op->s;
	struct ibuf	*b;

	tmo_start(t, &progress_class);
	if (s->midline || io_full(&s->ls.io))
		return;
	b = imap_out(s);
	(void)ibuf_addf(b, "* OK [INPROGRESS (\"%.*s\" ",
	    (int)op->cmd.tag.len, op->cmd.tag.p);
	if (op->ngoal == 0)
		(void)ibuf_adds(b, "NIL NIL");
	else
		(void)ibuf_addf(b, "%u %u", op->ndone < op->ngoal ?
		    op->ndone : op->ngoal, op->ngoal);
	(void)ibuf_adds(b, ")] Still working\r\n");
}

void
iop_progress(struct iop *op, uint32_t goal)
{
	op->ndone = 0;
	op->ngoal = goal;
	if (op->progress.class == NULL)
		tmo_start(&op->progress, &progress_first);
}

void
iop_progress_stop(struct iop *op)
{
	tmo_stop(&op->progress);
}

/* the end of a command */

static void	imap_goodbye(struct lsession *, const char *);

/* It is over, but for what is to be told. */
static void
iop_release(struct iop *op)
{
	if (op->waits != NULL) {
		TAILQ_REMOVE((struct iops *)op->waits, op, wait);
		op->waits = NULL;
	}
	st_cancel(&op->rq);
	iop_progress_stop(op);
	if (op->cleanup != NULL)
		op->cleanup(op);
	op->cleanup = NULL;
}

static void
iop_free(struct iop *op)
{
	iop_release(op);
	ibuf_fini(&op->tail);
	imap_cmd_free(&op->cmd);
	if (op->entry->flags & CMD_SECRET)
		ibuf_wipe(&op->buf);
	else
		ibuf_fini(&op->buf);
	free(op);
}

/* What changed is told in front; returns 1 if the client has to read first. */
static int
iop_sync(struct iop *op)
{
	if (op->s->view == NULL || op->entry->flags & CMD_NOSYNC)
		return 0;
	return view_sync(op->s->view, (op->entry->flags & CMD_SEQ) == 0 ||
	    op->cmd.uid);
}

static void
iop_done(struct iop *op)
{
	struct imap *s = op->s;

	s->op = NULL;
	iop_free(op);
	/* it was let end */
	if (proc_self.stopping && (s->ls.flags & LS_ENDING) == 0)
		imap_goodbye(&s->ls, "Server shutting down");
	else
		imap_input_done(s);
}

static void
iop_tell(struct iop *op)
{
	if (iop_sync(op))
		return;
	(void)ibuf_add_ibuf(imap_out(op->s), &op->tail);
	iop_done(op);
}

__attribute__((__format__ (printf, 4, 0)))
static void
iop_end(struct iop *op, const char *status, const char *code,
    const char *fmt, va_list ap)
{
	struct ibuf	*b = imap_out(op->s);
	char		 text[256];
	int		 more = iop_sync(op);

	if (more) {
		b = &op->tail;
		ibuf_init(b, TAIL_MAX);
	}
	vsnprintf(text, sizeof(text), fmt, ap);
	(void)ibuf_add(b, op->cmd.tag.p, op->cmd.tag.len);
	(void)ibuf_adds(b, status);
	if (code != NULL && *code != '\0')
		(void)ibuf_addf(b, "[%s] ", code);
	(void)imap_put_text(b, text, strlen(text));
	(void)ibuf_adds(b, "\r\n");
	if (!more) {
		iop_done(op);
		return;
	}
	/* what it read into is gone with the rest */
	iop_reads(op, NULL);
	iop_release(op);
	op->resume = iop_tell;
}

/* "%s completed" with the command's name, or a text with [CODE] in front. */
void
iop_ok(struct iop *op, const char *fmt, ...)
{
	va_list		 ap;
	const char	*code = op->expunged ? "EXPUNGEISSUED" : NULL;

	lsession_good(&op->s->ls);
	va_start(ap, fmt);
	iop_end(op, " OK ", code, fmt, ap);
	va_end(ap);
}

void
iop_ok_code(struct iop *op, const char *code, const char *fmt, ...)
{
	va_list ap;

	lsession_good(&op->s->ls);
	va_start(ap, fmt);
	iop_end(op, " OK ", code, fmt, ap);
	va_end(ap);
}

void
iop_no(struct iop *op, const char *code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	iop_end(op, " NO ", code, fmt, ap);
	va_end(ap);
}

__attribute__((__format__ (printf, 2, 3)))
static void
iop_bad_fmt(struct iop *op, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	iop_end(op, " BAD ", NULL, fmt, ap);
	va_end(ap);
}

void
imap_count_bad(struct imap *s)
{
	imap_counts.bad++;
	if (!lsession_bad(&s->ls))
		return;
	(void)ibuf_adds(imap_out(s), "* BYE Too many bad commands\r\n");
	lsession_end(&s->ls, "too many bad commands");
}

void
iop_bad(struct iop *op, const char *text)
{
	struct imap *s = op->s;

	iop_bad_fmt(op, "%s", text);
	imap_count_bad(s);
}

void
iop_bad_number(struct iop *op, const char *text)
{
	imap_counts.bad++;
	iop_bad_fmt(op, "%s", text);
}

void
iop_fail(struct iop *op, enum st_code code, const char *text)
{
	const struct st_error *e = st_error(code);

	iop_no(op, e->imap, "%s", text != NULL && *text != '\0' ? text :
	    e->text);
}

int
iop_failed(struct iop *op, const struct m_st_end *end)
{
	if (end->code == ST_OK)
		return 0;
	iop_fail(op, end->code, st_error(end->code)->text);
	return 1;
}

void
iop_ask(struct iop *op, enum msg_type type, const void *m,
    void (*f)(struct streq *, enum msg_type, const void *))
{
	op->rq.answer = f;
	op->rq.arg = op;
	lsession_timeout(&op->s->ls, LT_COMMAND);
	st_send(&op->s->ls, &op->rq, type, m);
}

/*
 * A client that has sent its last byte gets the answer to it; one of whom
 * more is expected is gone then.
 */
void
iop_reads(struct iop *op, size_t (*f)(struct iop *, const uint8_t *, size_t))
{
	op->input = f;
	io_hold(&op->s->ls.io, f == NULL);
}

/* Waiting for what several may wait for. */

void
iop_wait(struct iop *op, struct iops *list, void (*f)(struct iop *,
    enum st_code, const char *))
{
	op->waits = list;
	op->waited = f;
	TAILQ_INSERT_TAIL(list, op, wait);
	lsession_timeout(&op->s->ls, LT_COMMAND);
}

void
iop_wake(struct iops *list, enum st_code code, const char *text)
{
	struct iops	 woken;
	struct iop	*op;

	/* who waits again waits for the next time */
	TAILQ_INIT(&woken);
	while ((op = TAILQ_FIRST(list)) != NULL) {
		TAILQ_REMOVE(list, op, wait);
		TAILQ_INSERT_TAIL(&woken, op, wait);
		op->waits = &woken;
	}
	while ((op = TAILQ_FIRST(&woken)) != NULL) {
		TAILQ_REMOVE(&woken, op, wait);
		op->waits = NULL;
		op->waited(op, code, text);
	}
}

/* the beginning of a command */

static const struct imap_entry *
entry_of(enum imap_verb verb)
{
	size_t i;

	for (i = 0; i < sizeof(entries) / sizeof(entries[0]); i++)
		if (entries[i].verb == verb)
			return &entries[i];
	fatalx("a command without an entry");
}

static const char *
state_error(const struct imap *s)
{
	if (s->state == IMAP_NOAUTH)
		return "Please log in first";
	if (s->state == IMAP_AUTH)
		return "No mailbox selected";
	return "Not in this state";
}

/*
 * A command, parsed: takes the buffer that cmd points into, and cmd's
 * memory.
 */
void
imap_run(struct imap *s, struct ibuf *buf, struct imap_cmd *cmd)
{
	struct iop *op;

	if ((op = calloc(1, sizeof(*op))) == NULL)
		fatal(NULL);
	op->s = s;
	op->mount = s->view != NULL ? s->view->mount : s->mounts;
	op->entry = entry_of(cmd->verb);
	op->buf = *buf;
	ibuf_init(buf, buf->max);
	op->cmd = *cmd;
	s->op = op;
	iop_reads(op, NULL);
	imap_counts.commands++;
	lsession_timeout(&s->ls, LT_COMMAND);
	if ((op->entry->states & (int)s->state) == 0)
		iop_bad(op, state_error(s));
	else if (op->entry->flags & CMD_WRITE && s->view != NULL &&
	    s->view->read_only)
		iop_no(op, "READ-ONLY", "The mailbox is open read-only");
	else
		op->entry->exec(op);
}

/* the process */

static void
imap_drained(struct lsession *ls)
{
	struct imap *s = (struct imap *)ls;

	lsession_timeout(ls, s->op != NULL && !s->idling ? LT_COMMAND :
	    LT_IDLE);
	if (s->idling)
		imap_at_turn(s);
	else if (s->op != NULL && s->op->resume != NULL && !s->waiting)
		s->op->resume(s->op);
	else if (s->op == NULL)
		io_resume(&ls->io);
}

static void
imap_bye(struct imap *s, const char *code, const char *text)
{
	/* inside a response there is no room for another */
	if (!s->midline)
		(void)ibuf_addf(imap_out(s), "* BYE %s%s\r\n", code, text);
}

static void
imap_goodbye(struct lsession *ls, const char *text)
{
	imap_bye((struct imap *)ls, "", text);
	lsession_end(ls, text);
}

/* Is it the client who has to go on? */
static int
imap_listens(const struct imap *s)
{
	return (s->ls.io.flags & IO_PAUSED) == 0 &&
	    (s->op == NULL || s->op->input != NULL);
}

static void
imap_timeout(struct lsession *ls, enum ltimeout what)
{
	struct imap *s = (struct imap *)ls;

	if (what == LT_COMMAND && imap_listens(s)) {
		imap_bye(s, "", "The command did not come to its end in time");
		lsession_end(ls, "command timeout");
	} else if (what == LT_COMMAND || what == LT_BACKEND) {
		imap_bye(s, "[UNAVAILABLE] ", "No answer in time");
		lsession_end(ls, "command timeout");
	} else {
		imap_bye(s, "", what == LT_LOGIN ?
		    "No login in time" : "Autologout after idling too long");
		lsession_end(ls, what == LT_LOGIN ? "login timeout" :
		    "idle timeout");
	}
}

static void
imap_closed(struct lsession *ls)
{
	struct imap *s = (struct imap *)ls;

	if (s->listed)
		TAILQ_REMOVE(&turn_list, s, turn);
	if (s->op != NULL)
		iop_free(s->op);
	s->op = NULL;
	feed_free_all(s);
	if (s->view != NULL)
		view_close(s);
	mirror_session_gone(s);
	sweep_close(s);
	imount_close(s);
	imap_input_free(s);
}

static void
imap_show(struct lsession *ls, struct m_ctl_session *m)
{
	static char	 name[LIST_NAME_MAX + 1];
	struct imap	*s = (struct imap *)ls;
	struct mbox	*mb;

	m->state = s->idling ? "idle" : s->op != NULL ?
	    s->op->cmd.name : s->state == IMAP_NOAUTH ? "login" :
	    s->state == IMAP_AUTH ? "authenticated" : "selected";
	if (s->view != NULL && s->view->mount->account != NULL &&
	    (mb = iacct_by_id(s->view->mount->account, s->view->m->id)) !=
	    NULL)
		m->mailbox = imount_name(s->view->mount, mb->name, name);
}

static void
imap_stats(struct proc_peer *p, uint32_t req)
{
	proc_stat(p, req, "commands", imap_counts.commands);
	proc_stat(p, req, "bad-commands", imap_counts.bad);
	proc_stat(p, req, "mirror-fills", imap_counts.fills);
	proc_stat(p, req, "mirror-refreshes", imap_counts.refreshes);
	proc_stat(p, req, "mirror-polls", imap_counts.polls);
	proc_stat(p, req, "mirror-checks", imap_counts.checks);
	proc_stat(p, req, "mirror-mended", imap_counts.mended);
	proc_stat(p, req, "idle-commands", imap_counts.idles);
	proc_stat(p, req, "searches-asked", imap_counts.searches_asked);
	proc_stat(p, req, "searches-refused", imap_counts.searches_refused);
	proc_stat(p, req, "index-asked", imap_counts.index_asked);
	proc_stat(p, req, "index-spared", imap_counts.index_spared);
	proc_stat(p, req, "index-written", imap_counts.index_written);
	proc_stat(p, req, "index-merged", imap_counts.index_merged);
	proc_stat(p, req, "index-bad", imap_counts.index_bad);
	proc_stat(p, req, "index-lost", imap_counts.index_lost);
	proc_stat(p, req, "index-failed", imap_counts.index_failed);
	proc_stat(p, req, "index-fed", imap_counts.index_fed);
	proc_stat(p, req, "index-unwritten", imap_counts.index_unwritten);
}

static void
imap_storage(struct proc_peer *p, const struct lstorage *st)
{
	mirror_stream(p, st);
}

static void
imap_engine(struct proc_peer *p, int up)
{
	if (up)
		return;
	mirror_engine_down(p);
	iacct_engine_down(p);
}

static void
imap_regranted(struct lsession *ls)
{
	struct imap *s = (struct imap *)ls;

	imount_regranted(s);
	mirror_regranted(s);
}

static int
imap_busy(struct lsession *ls)
{
	struct imap *s = (struct imap *)ls;

	return s->op != NULL && !s->idling;
}

static void
imap_event(struct proc_peer *p, struct imsg *msg, const void *arg)
{
	const struct m_st_event *m = arg;

	iacct_event(p, m);
	mirror_event(p, m);
}

static void
imap_conf(void)
{
	mirror_limits();
}

static int
imap_init(void)
{
	size_t i;

	for (i = 0; i < sizeof(offered) / sizeof(offered[0]); i++)
		imap_ext_add(&imap_opts.exts, offered[i]);
	mirror_init();
	feed_init();
	tmo_class_init(&progress_first, PROGRESS_FIRST, progress_fired);
	tmo_class_init(&progress_class, PROGRESS, progress_fired);
	(void)charset_init();
	return 0;
}

static const proc_handler handlers[M_MAX] = {
	[M_st_event] = imap_event,
	[M_auth_mount] = imount_told,
};

static const struct lproto imap_proto = {
	.role = ROLE_IMAP,
	.service = "imap",
	.size = sizeof(struct imap),
	.open = imap_greet,
	.data = imap_data,
	.drained = imap_drained,
	.secured = imap_secured,
	.login = imap_login_done,
	.challenge = imap_challenge,
	.timeout = imap_timeout,
	.goodbye = imap_goodbye,
	.closed = imap_closed,
	.show = imap_show,
	.storage = imap_storage,
	.engine = imap_engine,
	.regranted = imap_regranted,
	.stats = imap_stats,
	.busy = imap_busy,
	.turn = imap_turn,
	.init = imap_init,
	.conf = imap_conf,
};

void
imap_main(void)
{
	listener_main(&imap_proto, handlers);
}
