/* POP3, RFC 1939. */
#include <sys/types.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

static ssize_t
pop3_line(struct conn *c)
{
	const char *eol;

	if (c->have == 0 || (eol = memchr(c->in, '\n', c->have)) == NULL)
		return -1;
	return eol + 1 - c->in;
}

/* Up to the line with a dot; an error has but one line. */
static ssize_t
pop3_lines(struct conn *c)
{
	const char *p;

	if (c->have == 0)
		return -1;
	if (*c->in != '+')
		return pop3_line(c);
	if (c->have < 5 || memcmp(c->in + c->have - 5, "\r\n.\r\n", 5) != 0)
		return -1;
	/* nothing was asked for behind it, so it is the end of the input */
	p = c->in + c->have;
	return p - c->in;
}

static const char *
pop3_ok(struct conn *c, const char *p, size_t len)
{
	return strncmp(p, "+OK", 3) == 0 ? NULL : "not +OK";
}

static void
pop3_user(struct conn *c)
{
	conn_printf(c, "USER u%u\r\n", c->user);
}

static void
pop3_pass(struct conn *c)
{
	conn_printf(c, "PASS %s\r\n", PASSWORD);
}

static void
pop3_stat(struct conn *c)
{
	conn_printf(c, "STAT\r\n");
}

static const char *
pop3_total(struct conn *c, const char *p, size_t len)
{
	char line[64];

	snprintf(line, sizeof(line), "+OK %d %d\r\n", MAILBOX,
	    MAILBOX * MESSAGE);
	return strcmp(p, line) == 0 ? NULL : "another total";
}

static void
pop3_list(struct conn *c)
{
	conn_printf(c, "LIST\r\n");
}

static const char *
pop3_listed(struct conn *c, const char *p, size_t len)
{
	char	line[64];
	int	i, n;

	if (strncmp(p, "+OK", 3) != 0)
		return "not +OK";
	p = strchr(p, '\n') + 1;
	for (i = 1; i <= MAILBOX; i++, p += n) {
		n = snprintf(line, sizeof(line), "%d %d\r\n", i, MESSAGE);
		if (strncmp(p, line, (size_t)n) != 0)
			return "another listing";
	}
	return strcmp(p, ".\r\n") == 0 ? NULL : "a longer listing";
}

static void
pop3_retr(struct conn *c)
{
	c->uid = message_random(MAILBOX);
	conn_printf(c, "RETR %u\r\n", c->uid);
}

static const char *
pop3_message(struct conn *c, const char *p, size_t len)
{
	const char *end = p + len;

	if (strncmp(p, "+OK", 3) != 0)
		return "not +OK";
	p = strchr(p, '\n') + 1;
	if (end - p != MESSAGE + 3 || !message_same(p, c->uid))
		return "other bytes than were stored";
	return NULL;
}

static void
pop3_quit(struct conn *c)
{
	conn_printf(c, "QUIT\r\n");
}

static const struct act pop3_cycle[] = {
	{ "greeting", NULL, pop3_line, pop3_ok },
	{ "USER", pop3_user, pop3_line, pop3_ok },
	{ "PASS", pop3_pass, pop3_line, pop3_ok },
	{ "STAT", pop3_stat, pop3_line, pop3_total },
	{ "LIST", pop3_list, pop3_lines, pop3_listed },
	{ "RETR", pop3_retr, pop3_lines, pop3_message },
	{ "QUIT", pop3_quit, pop3_line, pop3_ok },
	{ "end", NULL, conn_closed, conn_any },
	{ NULL, NULL, NULL, NULL }
};

const struct step pop3_steps[] = {
	{ "pop3", "POP3 cycle", POP3, NULL, pop3_cycle },
	{ NULL, NULL, POP3, NULL, NULL }
};
