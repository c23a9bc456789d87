/* IMAP: just enough of it, RFC 3501 and UIDPLUS. */
#include <sys/types.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

#define LIST_MAX	50	/* messages that a client shows at first */

/* framing */

/* "...{123}" at the end of a line: then 123 bytes belong to it. */
static size_t
imap_literal(const char *line, const char *eol)
{
	const char *p = eol;

	if (p - line < 3 || *--p != '\r' || *--p != '}')
		return 0;
	while (p > line && isdigit((unsigned char)p[-1]))
		p--;
	return p > line && p[-1] == '{' ? strtoul(p, NULL, 10) : 0;
}

static int
imap_tagged(const struct conn *c, const char *line)
{
	char	tag[16];
	int	n = snprintf(tag, sizeof(tag), "%u ", c->tag);

	return strncmp(line, tag, (size_t)n) == 0;
}

/* Up to the tagged line, whose place is then in c->line. */
static ssize_t
imap_whole(struct conn *c)
{
	const char	*eol;
	size_t		 literal;

	while (c->scan < c->have && (eol = memchr(c->in + c->scan, '\n',
	    c->have - c->scan)) != NULL) {
		literal = imap_literal(c->in + c->scan, eol);
		c->scan = (size_t)(eol + 1 - c->in) + literal;
		if (literal > 0)
			continue;
		if (imap_tagged(c, c->in + c->line))
			return (ssize_t)c->scan;
		c->line = c->scan;
	}
	return -1;
}

static ssize_t
imap_line(struct conn *c)
{
	const char *eol;

	if (c->have == 0 || (eol = memchr(c->in, '\n', c->have)) == NULL)
		return -1;
	return eol + 1 - c->in;
}

/* commands */

static const char *
imap_greeting(struct conn *c, const char *p, size_t len)
{
	c->tag = 0;
	return strncmp(p, "* OK ", 5) == 0 ? NULL : "no greeting";
}

static const char *
imap_done(const struct conn *c)
{
	const char *p = strchr(c->in + c->line, ' ');

	return strncmp(p, " OK ", 4) == 0 ? NULL : "not OK";
}

static const char *
imap_ok(struct conn *c, const char *p, size_t len)
{
	return imap_done(c);
}

static void
imap_login(struct conn *c)
{
	conn_printf(c, "%u LOGIN u%u %s\r\n", ++c->tag, c->user, PASSWORD);
}

static void
imap_logout(struct conn *c)
{
	conn_printf(c, "%u LOGOUT\r\n", ++c->tag);
}

static const char *
imap_bye(struct conn *c, const char *p, size_t len)
{
	return strncmp(p, "* BYE ", 6) == 0 ? imap_done(c) : "no BYE";
}

static void
imap_select(struct conn *c)
{
	conn_printf(c, "%u SELECT INBOX\r\n", ++c->tag);
}

static const char *
imap_exists(struct conn *c, const char *p, size_t len)
{
	if (strstr(p, "[READ-WRITE]") == NULL)
		return "not READ-WRITE";
	if ((p = strstr(p, " EXISTS\r\n")) == NULL)
		return "no EXISTS";
	while (isdigit((unsigned char)p[-1]))
		p--;
	c->exists = (unsigned int)strtoul(p, NULL, 10);
	return imap_done(c);
}

static const char *
imap_full(struct conn *c, const char *p, size_t len)
{
	const char *why = imap_exists(c, p, len);

	if (why == NULL && c->exists != MAILBOX)
		return "another number of messages";
	return why;
}

static void
imap_noop(struct conn *c)
{
	conn_printf(c, "%u NOOP\r\n", ++c->tag);
}

/* Nothing happens in the mailbox: nothing is to be told. */
static const char *
imap_quiet(struct conn *c, const char *p, size_t len)
{
	return c->line == 0 ? imap_done(c) : "told what did not happen";
}

/* uids are 1 to MAILBOX, so that they are the sequence numbers too */
static void
imap_fetch_flags(struct conn *c)
{
	c->uid = message_random(MAILBOX);
	conn_printf(c, "%u UID FETCH %u (FLAGS)\r\n", ++c->tag, c->uid);
}

/* One FETCH, of the message asked for, and nothing else. */
static const char *
imap_one(struct conn *c, const char *p)
{
	char head[64], uid[32];

	snprintf(head, sizeof(head), "* %u FETCH (", c->uid);
	snprintf(uid, sizeof(uid), "UID %u", c->uid);
	if (strncmp(p, head, strlen(head)) != 0 || (p = strstr(p, uid)) ==
	    NULL || isdigit((unsigned char)p[strlen(uid)]))
		return "another message";
	return imap_done(c);
}

static const char *
imap_flags(struct conn *c, const char *p, size_t len)
{
	if (strstr(p, "FLAGS (") == NULL)
		return "no flags";
	if (memchr(p, '\n', len) != p + c->line - 1)
		return "more than was asked for";
	return imap_one(c, p);
}

static void
imap_fetch_all(struct conn *c)
{
	conn_printf(c, "%u UID FETCH 1:* (FLAGS)\r\n", ++c->tag);
}

/* So many FETCH lines from 1 on, each with that in it. */
static const char *
imap_rows(struct conn *c, const char *p, unsigned int n,
    const char *(*has)(const char *, unsigned int))
{
	const char	*end = c->in + c->line, *what;
	unsigned int	 i;
	char		 head[32];

	for (i = 1; i <= n; i++) {
		snprintf(head, sizeof(head), "* %u FETCH (", i);
		if (strncmp(p, head, strlen(head)) != 0)
			return "not the messages asked for";
		if ((what = has(p, i)) == NULL || (p = memchr(p, '\n',
		    (size_t)(end - p))) == NULL || what > p++)
			return "an item is missing";
	}
	return p == end ? imap_done(c) : "more than was asked for";
}

static const char *
imap_has_flags(const char *p, unsigned int n)
{
	return strstr(p, "FLAGS (");
}

static const char *
imap_all_flags(struct conn *c, const char *p, size_t len)
{
	return imap_rows(c, p, MAILBOX, imap_has_flags);
}

static void
imap_fetch_list(struct conn *c)
{
	conn_printf(c, "%u FETCH 1:%d (FLAGS ENVELOPE)\r\n", ++c->tag,
	    LIST_MAX);
}

static const char *
imap_has_envelope(const char *p, unsigned int n)
{
	char subject[64];

	snprintf(subject, sizeof(subject), "\"Bench message %07u\" ", n);
	if (strstr(p, "FLAGS (") == NULL || strstr(p, "ENVELOPE (") == NULL)
		return NULL;
	return strstr(p, subject);
}

static const char *
imap_listing(struct conn *c, const char *p, size_t len)
{
	return imap_rows(c, p, LIST_MAX, imap_has_envelope);
}

static void
imap_fetch_body(struct conn *c)
{
	c->uid = message_random(MAILBOX);
	conn_printf(c, "%u UID FETCH %u (BODY.PEEK[])\r\n", ++c->tag, c->uid);
}

static const char *
imap_body(struct conn *c, const char *p, size_t len)
{
	static char	 head[32];
	const char	*body;

	snprintf(head, sizeof(head), "BODY[] {%d}\r\n", MESSAGE);
	if ((body = strstr(p, head)) == NULL)
		return "no BODY[]";
	body += strlen(head);
	if (body + MESSAGE > p + len || !message_same(body, c->uid))
		return "other bytes than were stored";
	return imap_one(c, p);
}

/* On and off, so that each one changes something. */
static void
imap_store(struct conn *c)
{
	if (!c->flagged)
		c->uid = message_random(MAILBOX);
	c->flagged = !c->flagged;
	conn_printf(c, "%u UID STORE %u %cFLAGS (\\Flagged)\r\n", ++c->tag,
	    c->uid, c->flagged ? '+' : '-');
}

static const char *
imap_stored(struct conn *c, const char *p, size_t len)
{
	if ((strstr(p, "\\Flagged") != NULL) != c->flagged)
		return "the flag is not as it was set";
	return imap_flags(c, p, len);
}

/* What an earlier run that was cut off may have left. */
static void
imap_unflag(struct conn *c)
{
	c->flagged = 0;
	conn_printf(c, "%u UID STORE 1:* -FLAGS.SILENT (\\Flagged)\r\n",
	    ++c->tag);
}

/* A mailbox for each run, so that it does not grow from run to run. */
static void
imap_create(struct conn *c)
{
	c->lastuid = 0;
	conn_printf(c, "%u CREATE Append%u\r\n", ++c->tag, opts.run);
}

static void
imap_put(struct conn *c, const char *mailbox, unsigned int n)
{
	conn_printf(c, "%u APPEND %s (\\Seen) {%d+}\r\n", ++c->tag, mailbox,
	    MESSAGE);
	conn_write(c, message_make(n), MESSAGE);
	conn_write(c, "\r\n", 2);
}

static void
imap_append(struct conn *c)
{
	char mailbox[32];

	snprintf(mailbox, sizeof(mailbox), "Append%u", opts.run);
	imap_put(c, mailbox, message_random(1000000));
}

static void
imap_fill(struct conn *c)
{
	imap_put(c, "INBOX", c->lastuid + 1);
}

static const char *
imap_appended(struct conn *c, const char *p, size_t len)
{
	unsigned long	 uid = 0;
	const char	*q = strstr(c->in + c->line, "[APPENDUID ");

	if (q != NULL && (q = strchr(q + 11, ' ')) != NULL)
		uid = strtoul(q, NULL, 10);
	if (uid != c->lastuid + 1)
		return "not the next uid";
	c->lastuid = (unsigned int)uid;
	return imap_done(c);
}

static void
imap_idling(struct conn *c)
{
	conn_printf(c, "%u IDLE\r\n", ++c->tag);
}

static const char *
imap_plus(struct conn *c, const char *p, size_t len)
{
	return *p == '+' ? NULL : "no continuation";
}

/* scripts */

#define LOGIN								\
	{ "greeting", NULL, imap_line, imap_greeting },		\
	{ "LOGIN", imap_login, imap_whole, imap_ok }
#define SELECT								\
	{ "SELECT", imap_select, imap_whole, imap_full }
#define LOGOUT								\
	{ "LOGOUT", imap_logout, imap_whole, imap_bye },		\
	{ "end", NULL, conn_closed, conn_any }
#define END								\
	{ NULL, NULL, NULL, NULL }

const struct act imap_begin[] = { LOGIN, END };

static const struct act imap_selected[] = { LOGIN, SELECT, END };

static const struct act imap_login_op[] = { LOGIN, LOGOUT, END };

static const struct act imap_cycle_op[] = {
	LOGIN,
	SELECT,
	{ "FETCH ENVELOPE", imap_fetch_list, imap_whole, imap_listing },
	{ "UID FETCH BODY[]", imap_fetch_body, imap_whole, imap_body },
	LOGOUT,
	END
};

static const struct act imap_noop_op[] = {
	{ "NOOP", imap_noop, imap_whole, imap_quiet },
	END
};

static const struct act imap_flags_op[] = {
	{ "UID FETCH FLAGS", imap_fetch_flags, imap_whole, imap_flags },
	END
};

static const struct act imap_all_op[] = {
	{ "UID FETCH 1:* FLAGS", imap_fetch_all, imap_whole, imap_all_flags },
	END
};

static const struct act imap_body_op[] = {
	{ "UID FETCH BODY[]", imap_fetch_body, imap_whole, imap_body },
	END
};

static const struct act imap_store_begin[] = {
	LOGIN,
	SELECT,
	{ "UID STORE 1:*", imap_unflag, imap_whole, imap_ok },
	END
};

static const struct act imap_store_op[] = {
	{ "UID STORE", imap_store, imap_whole, imap_stored },
	END
};

static const struct act imap_append_begin[] = {
	LOGIN,
	{ "CREATE", imap_create, imap_whole, imap_ok },
	END
};

static const struct act imap_append_op[] = {
	{ "APPEND", imap_append, imap_whole, imap_appended },
	END
};

const struct act imap_prepare[] = {
	{ "APPEND", imap_fill, imap_whole, imap_appended },
	END
};

const struct act imap_idle[] = {
	LOGIN,
	{ "SELECT", imap_select, imap_whole, imap_exists },
	{ "IDLE", imap_idling, imap_line, imap_plus },
	END
};

const struct step imap_steps[] = {
	{ "login", "login and logout", IMAP, NULL, imap_login_op },
	{ "cycle", "session cycle", IMAP, NULL, imap_cycle_op },
	{ "noop", "NOOP", IMAP, imap_selected, imap_noop_op },
	{ "flags", "UID FETCH FLAGS", IMAP, imap_selected, imap_flags_op },
	{ "flags1000", "UID FETCH 1:* FLAGS", IMAP, imap_selected,
	    imap_all_op },
	{ "body", "UID FETCH BODY[] 8 KB", IMAP, imap_selected, imap_body_op },
	{ "store", "UID STORE", IMAP, imap_store_begin, imap_store_op },
	{ "append", "APPEND 8 KB", IMAP, imap_append_begin, imap_append_op },
	{ NULL, NULL, IMAP, NULL, NULL }
};
