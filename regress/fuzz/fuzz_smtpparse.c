/*
 * LMTP and POP3 lines: replies are clean; an address that came out
 * normalised is normal.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "pop3parse.h"
#include "smtpparse.h"

const struct fuzz_seed fuzz_seeds[] = {
	FUZZ_SEED("MAIL FROM:<@a,@b.c:\"x \\\"y\"@EXAMPLE.com> SIZE=12 "
	    "BODY=8BITMIME SMTPUTF8"),
	FUZZ_SEED("RCPT TO:<a..b@[IPv6:2001:db8::1]>"),
	FUZZ_SEED("RCPT TO:<postmaster>"),
	FUZZ_SEED("BDAT 1000 LAST"),
	FUZZ_SEED("LHLO [127.0.0.1]"),
	FUZZ_SEED("AUTH PLAIN dGVzdAB0ZXN0AHRlc3Q="),
	FUZZ_SEED("TOP 1 10"),
	FUZZ_SEED("PASS two words"),
	FUZZ_SEED("UIDL 7"),
};
const size_t fuzz_nseeds = sizeof(fuzz_seeds) / sizeof(fuzz_seeds[0]);

static void
need(int ok)
{
	if (!ok)
		abort();
}

static void
clean(const char *s)
{
	for (; *s != '\0'; s++)
		need(*s >= ' ' && *s <= '~');
}

static void
address(const char *path)
{
	char	again[SMTP_PATH_MAX + 1];

	if (*path == '\0' || strcmp(path, "postmaster") == 0)
		return;
	need(strlen(path) <= SMTP_PATH_MAX);
	need(smtp_address(again, path, strlen(path), 1) == 0);
	need(strcmp(again, path) == 0);
	for (; *path != '\0'; path++)
		need((unsigned char)*path >= ' ' && *path != 0x7f);
}

static void
smtp(const char *p, size_t len, int opts)
{
	struct smtp_cmd	c;

	if (smtp_parse(&c, p, len, opts) == -1) {
		need(c.reply != NULL && c.reply[0] == '5');
		clean(c.reply);
		return;
	}
	need(c.reply == NULL);
	address(c.path);
	clean(c.domain);
}

static void
pop3(const char *p, size_t len, int opts)
{
	struct pop3_cmd	c;

	if (pop3_parse(&c, p, len, opts) == -1) {
		need(c.reply != NULL && strncmp(c.reply, "-ERR ", 5) == 0);
		clean(c.reply);
		return;
	}
	need(c.reply == NULL);
	if (c.arglen > 0)
		need(c.arg >= p && c.arg + c.arglen <= p + len);
	if (c.initiallen > 0)
		need(c.initial + c.initiallen <= p + len);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const char	*p = (const char *)data;
	char		 path[SMTP_PATH_MAX + 1];

	smtp(p, len, 0);
	smtp(p, len, SMTP_OPT_UTF8);
	pop3(p, len, 0);
	pop3(p, len, POP3_OPT_UTF8);
	if (smtp_address(path, p, len, 1) == 0)
		address(path);
	return 0;
}
