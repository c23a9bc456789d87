#include <atf-c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "passwd.h"

#define HASH	"$2b$10$abcdefghijklmnopqrstuuVWXYZabcdefghijklmnopqrstuvwxyz01"

static char	log_[65536];

static void
on_entry(void *arg, const struct passwd_entry *e)
{
	size_t len = strlen(log_);

	snprintf(log_ + len, sizeof(log_) - len, "%u:%s=%s%s\n", e->line,
	    e->name, e->hash, e->disabled ? " disabled" : "");
	++*(int *)arg;
}

static void
on_error(void *arg, unsigned int line, const char *why)
{
	size_t len = strlen(log_);

	snprintf(log_ + len, sizeof(log_) - len, "%u!%s\n", line, why);
	++*(int *)arg;
}

/* Reads a text in pieces of step bytes. */
static int
read_all(const char *text, size_t len, size_t step)
{
	struct passwd_reader	*r;
	char			*piece;
	size_t			 n;
	int			 calls = 0;

	log_[0] = '\0';
	r = malloc(sizeof(*r));
	ATF_REQUIRE(r != NULL);
	passwd_init(r, on_entry, on_error, &calls);
	for (; len > 0; text += n, len -= n) {
		n = len < step ? len : step;
		/* of its exact size, so that a sanitizer sees the end */
		ATF_REQUIRE((piece = malloc(n)) != NULL);
		memcpy(piece, text, n);
		passwd_feed(r, piece, n);
		free(piece);
	}
	passwd_end(r);
	free(r);
	return calls;
}

ATF_TC_WITHOUT_HEAD(pieces);
ATF_TC_BODY(pieces, tc)
{
	static const char text[] =
	    "# a comment: with a colon\n"
	    "demo:" HASH "\n"
	    "\n"
	    " \t\n"
	    "a@b.c:$6$salt$hash:1000:1000::/home/a\n"
	    "off:!" HASH "\n"
	    "locked:*\n"
	    "nothing\n"
	    "last:$y$j9T$x$y";
	static const char expected[] =
	    "2:demo=" HASH "\n"
	    "5:a@b.c=$6$salt$hash\n"
	    "6:off= disabled\n"
	    "7:locked= disabled\n"
	    "8!no \":\" after the name\n"
	    "9:last=$y$j9T$x$y\n";
	size_t step;

	for (step = 1; step <= sizeof(text); step++) {
		ATF_CHECK_EQ(6, read_all(text, sizeof(text) - 1, step));
		ATF_CHECK_STREQ(expected, log_);
	}
}

static void
check_line(const char *line, size_t len, const char *error)
{
	char			*copy;
	struct passwd_entry	 e;
	const char		*why;

	ATF_REQUIRE((copy = malloc(len + 1)) != NULL);
	memcpy(copy, line, len);
	copy[len] = '\0';
	if (error == NULL) {
		ATF_CHECK_EQ_MSG(1, passwd_line(copy, len, &e, &why),
		    "%s: %s", line, why);
	} else {
		ATF_CHECK_EQ_MSG(-1, passwd_line(copy, len, &e, &why),
		    "%s", line);
		ATF_CHECK_MSG(why != NULL && strstr(why, error) != NULL,
		    "%s: %s", line, why);
	}
	free(copy);
}

#define LINE(line, error)	check_line(line, sizeof(line) - 1, error)

ATF_TC_WITHOUT_HEAD(lines);
ATF_TC_BODY(lines, tc)
{
	LINE("demo:" HASH, NULL);
	LINE("demo:" HASH ":", NULL);
	LINE("j\xc3\xb6rg@example.org:" HASH, NULL);
	LINE("x:!", NULL);
	LINE("x:*", NULL);
	LINE("x:!plain", NULL);
	LINE("x:$argon2id$v=19$m=1$a$b", NULL);
	LINE(":" HASH, "no name");
	LINE("demo", "no \":\"");
	LINE("demo:", "not one of crypt");
	LINE("demo:demo", "not one of crypt");
	LINE("demo:abcdefghijklm", "not one of crypt");
	LINE("demo:_J9..rasmBYk8r9AiWNc", "not one of crypt");
	LINE("demo:$", "not one of crypt");
	LINE("demo:$$x", "not one of crypt");
	LINE("demo:$2b$", "not one of crypt");
	LINE("demo:$2b", "not one of crypt");
	LINE("demo:$my password$x", "blank");
	LINE("demo:$pa*ss$x", "not one of crypt");
	LINE("demo:" HASH " ", "blank");
	LINE("demo:" HASH "\r", "control");
	LINE("demo:" HASH "\xc3\xa4", "control");
	LINE(" demo:" HASH, "blank");
	LINE("de mo:" HASH, "blank");
	LINE("de\033mo:" HASH, "control");
	LINE("de\x7fmo:" HASH, "control");
	LINE("demo\xff:" HASH, "UTF-8");
	LINE("@b:" HASH, "user@domain");
	LINE("a@:" HASH, "user@domain");
	LINE("a@b@c:" HASH, "user@domain");
	LINE("a@@c:" HASH, "user@domain");
	LINE("de\0mo:" HASH, "NUL");
	LINE("demo:" HASH "\0", "NUL");
}

ATF_TC_WITHOUT_HEAD(bounds);
ATF_TC_BODY(bounds, tc)
{
	static char	line[8192];
	size_t		n;

	for (n = PASSWD_NAME_MAX; n <= PASSWD_NAME_MAX + 1; n++) {
		memset(line, 'a', n);
		strlcpy(line + n, ":" HASH, sizeof(line) - n);
		check_line(line, strlen(line), n == PASSWD_NAME_MAX ? NULL :
		    "name is too long");
	}
	for (n = PASSWD_HASH_MAX; n <= PASSWD_HASH_MAX + 1; n++) {
		strlcpy(line, "demo:$6$", sizeof(line));
		memset(line + 8, 'a', n - 3);
		line[5 + n] = '\0';
		check_line(line, strlen(line), n == PASSWD_HASH_MAX ? NULL :
		    "hash is too long");
	}
	/* a line too long is one error, and the next one is read again */
	for (n = PASSWD_LINE_MAX; n <= PASSWD_LINE_MAX + 1; n++) {
		strlcpy(line, "demo:" HASH ":", sizeof(line));
		memset(line + strlen(line), 'x', n - strlen(line));
		line[n] = '\n';
		strlcpy(line + n + 1, "b:" HASH, sizeof(line) - n - 1);
		ATF_CHECK_EQ(2, read_all(line, strlen(line), 100));
		ATF_CHECK_STREQ(n == PASSWD_LINE_MAX ? "1:demo=" HASH
		    "\n2:b=" HASH "\n" : "1!the line is too long\n2:b=" HASH
		    "\n", log_);
		ATF_CHECK_EQ(2, read_all(line, strlen(line), sizeof(line)));
	}
	memset(line, 'x', sizeof(line));
	ATF_CHECK_EQ(1, read_all(line, sizeof(line), 7));
	ATF_CHECK_EQ(0, read_all("", 0, 1));
	ATF_CHECK_EQ(0, read_all("\n\n", 2, 1));
}

/* What the reader has read is not left behind. */
ATF_TC_WITHOUT_HEAD(wiped);
ATF_TC_BODY(wiped, tc)
{
	struct passwd_reader	r;
	size_t			i, left = 0;
	int			calls = 0;

	log_[0] = '\0';
	passwd_init(&r, on_entry, on_error, &calls);
	passwd_feed(&r, "demo:" HASH ":more:fields\nb:" HASH,
	    strlen("demo:" HASH ":more:fields\nb:" HASH));
	passwd_end(&r);
	ATF_CHECK_EQ(2, calls);
	for (i = 0; i < sizeof(r.buf); i++)
		left += r.buf[i] != '\0';
	ATF_CHECK_EQ(0, left);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, pieces);
	ATF_TP_ADD_TC(tp, lines);
	ATF_TP_ADD_TC(tp, bounds);
	ATF_TP_ADD_TC(tp, wiped);
	return atf_no_error();
}
