/*
 * Bytes from the client become commands.
 *
 * A command is a line, or lines with literals between them.  Sizes are
 * checked before a continuation is given; what a client sends without
 * waiting (LITERAL+) is read and thrown away when it is not wanted, so that
 * nobody takes a message's text for commands.  Who refuses a command before
 * its last line's end leaves the rest to INPUT_SKIP and INPUT_SKIP_LINE,
 * which go on until a line announces no more.
 */
#include <sys/types.h>
#include <stdlib.h>
#include <string.h>

#include "imap.h"
#include "log.h"

void
imap_input_free(struct imap *s)
{
	ibuf_wipe(&s->cmd);
}

static void
input_reset(struct imap *s)
{
	if (s->state == IMAP_NOAUTH)
		ibuf_wipe(&s->cmd);
	else
		ibuf_fini(&s->cmd);
	s->piece = 0;
	s->literals = 0;
	s->input = INPUT_LINE;
}

/*
 * A literal that is on its way though nobody wants it; but nobody reads
 * without an end.
 */
static void
input_skip(struct imap *s, uint64_t size)
{
	if (size > llimits.message * 2 + llimits.literal) {
		(void)ibuf_adds(imap_out(s), "* BYE Literal too big\r\n");
		lsession_end(&s->ls, "literal too big");
		return;
	}
	s->input = INPUT_SKIP;
	s->left = size;
}

static void
input_bye(struct imap *s)
{
	(void)ibuf_adds(imap_out(s),
	    "* BYE Literal of a size that nobody has\r\n");
	lsession_end(&s->ls, "literal too big");
}

void
imap_input_tail(struct imap *s, const void *p, size_t len)
{
	size_t max = sizeof(s->tail), keep = s->ntail;

	if (p == NULL) {
		explicit_bzero(s->tail, max);
		s->ntail = 0;
		return;
	}
	if (len > max) {
		p = (const char *)p + len - max;
		len = max;
	}
	if (keep > max - len)
		keep = max - len;
	memmove(s->tail, s->tail + s->ntail - keep, keep);
	memcpy(s->tail + keep, p, len);
	s->ntail = keep + len;
}

/* So many digits that their beginning is not known? */
static int
tail_is_cut(const struct imap *s, size_t len)
{
	size_t i;

	if (s->ntail < sizeof(s->tail) || s->tail[len - 1] != '}')
		return 0;
	for (i = 0; i < len - 1; i++)
		if (memchr("0123456789+", s->tail[i], 11) == NULL)
			return 0;
	return 1;
}

/* The line that tail is of has ended: is a literal on its way? */
static void
input_tail_end(struct imap *s)
{
	struct imap_literal	lit;
	size_t			len = s->ntail;
	int			r;

	if (len > 0 && s->tail[len - 1] == '\r')
		len--;
	r = imap_literal_tail(s->tail, len, &lit);
	if (r == -1 || (r == 0 && tail_is_cut(s, len)))
		input_bye(s);
	else if (r == 1 && !lit.sync)
		input_skip(s, lit.size);
	imap_input_tail(s, NULL, 0);
}

void
imap_input_refused(struct imap *s, const void *p, size_t len)
{
	imap_input_tail(s, NULL, 0);
	imap_input_tail(s, p, len);
	input_tail_end(s);
}

/* A command has ended: what came behind it is next. */
void
imap_input_done(struct imap *s)
{
	if (s->ls.flags & LS_ENDING)
		return;
	lsession_timeout(&s->ls, LT_IDLE);
	if (s->input == INPUT_APPEND && !s->lit_sync && s->left > 0)
		input_skip(s, s->left);
	else if (s->input == INPUT_APPEND && !s->lit_sync)
		s->input = INPUT_SKIP_LINE;
	else if (s->input != INPUT_SKIP && s->input != INPUT_SKIP_LINE)
		s->input = INPUT_LINE;
	s->lit_sync = 0;
	if (s->ls.io.flags & IO_PAUSED)
		io_resume(&s->ls.io);
	io_hold(&s->ls.io, 0);
}

static int
is_search(const struct imap_cmd *cmd)
{
	return cmd->verb == IMAP_SEARCH || cmd->verb == IMAP_SORT;
}

/* Refuses what has been collected; a literal under way is skipped. */
static void
input_refuse(struct imap *s, const struct imap_cmd *cmd,
    const struct imap_literal *lit)
{
	(void)imap_put_refusal(imap_out(s), cmd);
	/* RFC 5182, 2.1: a NO leaves nothing to go on with */
	if (cmd->no && s->view != NULL && is_search(cmd) &&
	    cmd->search.ret & IMAP_RETURN_SAVE)
		uidset_clear(&s->view->saved);
	input_reset(s);
	if (lit != NULL && !lit->sync)
		input_skip(s, lit->size);
	imap_count_bad(s);
}

static void
input_no(struct imap *s, const char *code, const char *text,
    const struct imap_literal *lit)
{
	struct ibuf	*b = imap_out(s);
	struct hstr	 tag;

	if (imap_parse_tag(&tag, (const char *)ibuf_data(&s->cmd),
	    ibuf_size(&s->cmd)) == 0)
		(void)ibuf_add(b, tag.p, tag.len);
	else
		(void)ibuf_adds(b, "*");
	(void)ibuf_addf(b, " BAD [%s] %s\r\n", code, text);
	input_reset(s);
	imap_count_bad(s);
	if (!lit->sync)
		input_skip(s, lit->size);
}

/* p: what comes next of the line, perhaps the tag is in it. */
static void
input_line_too_long(struct imap *s, const uint8_t *p, size_t len)
{
	struct ibuf	*b = imap_out(s);
	struct hstr	 tag;

	imap_input_tail(s, NULL, 0);
	if (ibuf_size(&s->cmd) > s->piece)
		imap_input_tail(s, ibuf_data(&s->cmd) + s->piece,
		    ibuf_size(&s->cmd) - s->piece);
	(void)ibuf_add(&s->cmd, p, len < 256 ? len : 256);
	if (imap_parse_tag(&tag, (const char *)ibuf_data(&s->cmd),
	    ibuf_size(&s->cmd)) == 0)
		(void)ibuf_add(b, tag.p, tag.len);
	else
		(void)ibuf_adds(b, "*");
	(void)ibuf_adds(b, " BAD Line too long\r\n");
	input_reset(s);
	s->input = INPUT_SKIP_LINE;
	imap_count_bad(s);
}

/* A literal that belongs into the command's text. */
static void
input_collect(struct imap *s, const struct imap_literal *lit)
{
	/* each counts for something, or empty ones would be without end */
	if (lit->size > llimits.literal ||
	    s->literals + lit->size + 32 > llimits.literal) {
		input_no(s, "TOOBIG", "Literal too big", lit);
		return;
	}
	s->literals += (size_t)lit->size + 32;
	(void)ibuf_add(&s->cmd, "\r\n", 2);
	if (lit->sync)
		(void)ibuf_adds(imap_out(s), "+ OK\r\n");
	s->left = lit->size;
	s->input = INPUT_LITERAL;
}

/* The line ends with a literal's announcement. */
static void
input_literal(struct imap *s, const struct imap_literal *lit)
{
	struct imap_cmd	 cmd;
	const char	*p = (const char *)ibuf_data(&s->cmd);
	size_t		 len = ibuf_size(&s->cmd);
	enum imap_result r;

	/*
	 * An APPEND's message is taken by the command.  Others are looked at
	 * once before their first continuation, not at each.
	 */
	if (s->literals > 0 && !imap_is_append(p, len)) {
		input_collect(s, lit);
		return;
	}
	r = imap_parse(&cmd, imap_syntax(s), p, len);
	if (r == IMAP_BAD) {
		input_refuse(s, &cmd, lit);
		imap_cmd_free(&cmd);
		return;
	}
	if (r == IMAP_OK) {
		/* APPEND's message: the command takes it from here */
		s->input = INPUT_APPEND;
		imap_input_tail(s, NULL, 0);
		s->left = lit->size;
		s->lit_sync = lit->sync != 0;
		s->piece = 0;
		s->literals = 0;
		imap_run(s, &s->cmd, &cmd);
		return;
	}
	imap_cmd_free(&cmd);
	input_collect(s, lit);
}

/* A line is whole (without its end, at s->piece and behind). */
static void
input_line(struct imap *s)
{
	struct imap_literal	lit;
	struct imap_cmd		cmd;
	const char		*p = (const char *)ibuf_data(&s->cmd);
	size_t			len = ibuf_size(&s->cmd);
	int			r;

	r = imap_literal_tail(p + s->piece, len - s->piece, &lit);
	if (r == -1) {
		input_bye(s);
		return;
	}
	if (r == 1) {
		input_literal(s, &lit);
		return;
	}
	if (len == 0) {
		/* an empty line: some clients send one too many */
		input_reset(s);
		return;
	}
	if (imap_parse(&cmd, imap_syntax(s), p, len) != IMAP_OK) {
		input_refuse(s, &cmd, NULL);
		imap_cmd_free(&cmd);
		return;
	}
	s->piece = 0;
	s->literals = 0;
	imap_run(s, &s->cmd, &cmd);
}

/*
 * Lines: up to the LF, with or without CR.  Returns the bytes used; a line
 * that is not whole is kept here, so that its length can be bounded.
 */
static size_t
take_line(struct imap *s, const uint8_t *p, size_t len)
{
	const uint8_t	*nl = memchr(p, '\n', len);
	size_t		 n = nl != NULL ? (size_t)(nl - p) : len;

	if (s->cmd.max == 0)
		ibuf_init(&s->cmd, (size_t)llimits.line + llimits.literal +
		    4096);
	/* it is skipped from here on */
	if (ibuf_size(&s->cmd) - s->piece + n > llimits.line ||
	    ibuf_add(&s->cmd, p, n) == -1) {
		input_line_too_long(s, p, n);
		return 0;
	}
	if (nl == NULL)
		return len;
	len = ibuf_size(&s->cmd);
	if (len > s->piece && ibuf_data(&s->cmd)[len - 1] == '\r')
		ibuf_truncate(&s->cmd, len - 1);
	input_line(s);
	return n + 1;
}

static size_t
take_literal(struct imap *s, const uint8_t *p, size_t len)
{
	size_t n = len < s->left ? len : (size_t)s->left;

	if (ibuf_add(&s->cmd, p, n) == -1) {
		io_abort(&s->ls.io, "no memory");
		return len;
	}
	s->left -= n;
	if (s->left == 0) {
		s->piece = ibuf_size(&s->cmd);
		s->input = INPUT_LINE;
	}
	return n;
}

static size_t
take_skip(struct imap *s, size_t len)
{
	size_t n = len < s->left ? len : (size_t)s->left;

	s->left -= n;
	/* the command's rest is no command */
	if (s->left == 0) {
		s->input = INPUT_SKIP_LINE;
		imap_input_tail(s, NULL, 0);
	}
	return n;
}

static size_t
take_skip_line(struct imap *s, const uint8_t *p, size_t len)
{
	const uint8_t *nl = memchr(p, '\n', len);

	imap_input_tail(s, p, nl != NULL ? (size_t)(nl - p) : len);
	if (nl == NULL)
		return len;
	s->input = INPUT_LINE;
	input_tail_end(s);
	return (size_t)(nl - p) + 1;
}

/*
 * Is nothing to be read now?  A command runs, and is none that reads; or
 * what it said has not been read by the client.
 */
static int
input_waits(struct imap *s)
{
	if (s->ls.flags & (LS_ENDING | LS_AUTH))
		return 1;
	if (s->op == NULL)
		return imap_full(s);
	return s->op->input == NULL;
}

static size_t
take_some(struct imap *s, const uint8_t *p, size_t len)
{
	if (s->op != NULL)
		return s->op->input(s->op, p, len);
	switch (s->input) {
	case INPUT_LITERAL:
		return take_literal(s, p, len);
	case INPUT_SKIP:
		return take_skip(s, len);
	case INPUT_SKIP_LINE:
		return take_skip_line(s, p, len);
	default:
		return take_line(s, p, len);
	}
}

size_t
imap_data(struct lsession *ls, const uint8_t *p, size_t len)
{
	struct imap	*s = (struct imap *)ls;
	struct iop	*op;
	enum imap_input	 was;
	size_t		 used = 0, n;

	while (used < len) {
		if (input_waits(s)) {
			io_pause(&ls->io);
			return used;
		}
		op = s->op;
		was = s->input;
		n = take_some(s, p + used, len - used);
		used += n;
		/* TLS begins here: what follows in the clear is not for us */
		if (ls->io.flags & IO_TLS_WAIT)
			return len;
		/* a command that reads waits for more than there is */
		if (n == 0 && s->op == op && s->input == was &&
		    !input_waits(s))
			return used;
	}
	if (s->op != NULL)
		return used;
	if (s->input == INPUT_LINE && ibuf_size(&s->cmd) == 0)
		lsession_timeout(ls, LT_IDLE);
	else
		lsession_unfinished(ls);
	return used;
}
