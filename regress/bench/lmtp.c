/* LMTP, RFC 2033, pipelined as an MTA does. */
#include <sys/types.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "bench.h"

/* As many replies as the last request has commands; each ends in "250 ". */
static ssize_t
lmtp_replies(struct conn *c, unsigned int n)
{
	const char *eol, *p;

	while (c->scan < c->have && (eol = memchr(c->in + c->scan, '\n',
	    c->have - c->scan)) != NULL) {
		p = c->in + c->scan;
		c->scan = (size_t)(eol + 1 - c->in);
		if (eol - p > 4 && p[3] == ' ' && ++c->line == n)
			return (ssize_t)c->scan;
	}
	return -1;
}

static ssize_t
lmtp_one(struct conn *c)
{
	return lmtp_replies(c, 1);
}

static ssize_t
lmtp_three(struct conn *c)
{
	return lmtp_replies(c, 3);
}

static const char *
lmtp_ready(struct conn *c, const char *p, size_t len)
{
	return strncmp(p, "220", 3) == 0 ? NULL : "no greeting";
}

static const char *
lmtp_ok(struct conn *c, const char *p, size_t len)
{
	return strncmp(p, "250", 3) == 0 ? NULL : "not 250";
}

static const char *
lmtp_go(struct conn *c, const char *p, size_t len)
{
	static const char *const codes[] = { "250 ", "250 ", "354 " };
	unsigned int	 i;

	for (i = 0; i < 3; i++, p = strchr(p, '\n') + 1)
		if (strncmp(p, codes[i], 4) != 0)
			return "refused";
	return NULL;
}

static void
lmtp_lhlo(struct conn *c)
{
	conn_printf(c, "LHLO client.example.org\r\n");
}

static void
lmtp_envelope(struct conn *c)
{
	conn_printf(c, "MAIL FROM:<sender@example.org>\r\n"
	    "RCPT TO:<u%u@%s>\r\nDATA\r\n", c->user, DOMAIN);
}

/* Each delivery goes to somebody else. */
static void
lmtp_next(struct conn *c)
{
	c->user = USER_LMTP + message_random(NUSER_LMTP) - 1;
	lmtp_envelope(c);
}

static void
lmtp_data(struct conn *c)
{
	conn_write(c, message_make(message_random(1000000)), MESSAGE);
	conn_write(c, ".\r\n", 3);
}

const struct act lmtp_begin[] = {
	{ "greeting", NULL, lmtp_one, lmtp_ready },
	{ "LHLO", lmtp_lhlo, lmtp_one, lmtp_ok },
	{ NULL, NULL, NULL, NULL }
};

/* To c->user. */
const struct act lmtp_deliver[] = {
	{ "MAIL, RCPT, DATA", lmtp_envelope, lmtp_three, lmtp_go },
	{ "message", lmtp_data, lmtp_one, lmtp_ok },
	{ NULL, NULL, NULL, NULL }
};

static const struct act lmtp_op[] = {
	{ "MAIL, RCPT, DATA", lmtp_next, lmtp_three, lmtp_go },
	{ "message", lmtp_data, lmtp_one, lmtp_ok },
	{ NULL, NULL, NULL, NULL }
};

const struct step lmtp_steps[] = {
	{ "lmtp", "LMTP delivery 8 KB", LMTP, lmtp_begin, lmtp_op },
	{ NULL, NULL, LMTP, NULL, NULL }
};
