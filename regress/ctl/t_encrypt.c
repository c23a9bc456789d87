/* mfrontctl encrypt, from a pipe and from a terminal. */
#include <sys/types.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <atf-c.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "crypt_check.h"

static char	out[4096];
static size_t	outlen;

static void
run(const atf_tc_t *tc, const char *words)
{
	static char	 path[1024], copy[256];
	char		*argv[16], *p = copy;
	int		 n = 0;

	snprintf(path, sizeof(path), "%s/../../mfrontctl/mfrontctl",
	    atf_tc_get_config_var(tc, "srcdir"));
	strlcpy(copy, words, sizeof(copy));
	argv[n++] = path;
	while (n < 15 && (argv[n] = strsep(&p, " ")) != NULL)
		n++;
	argv[n] = NULL;
	execv(path, argv);
	_exit(98);
}

/* Runs it with text as standard input; out gets what it prints. */
static int
encrypt(const atf_tc_t *tc, const char *words, const char *text, size_t len)
{
	int	in[2], back[2], status;
	ssize_t	n;
	pid_t	pid;

	ATF_REQUIRE_EQ(0, pipe(in));
	ATF_REQUIRE_EQ(0, pipe(back));
	ATF_REQUIRE((pid = fork()) != -1);
	if (pid == 0) {
		dup2(in[0], STDIN_FILENO);
		dup2(back[1], STDOUT_FILENO);
		close(in[1]);
		close(back[0]);
		run(tc, words);
	}
	close(in[0]);
	close(back[1]);
	ATF_REQUIRE_EQ((ssize_t)len, write(in[1], text, len));
	close(in[1]);
	for (outlen = 0; (n = read(back[0], out + outlen,
	    sizeof(out) - 1 - outlen)) > 0;)
		outlen += (size_t)n;
	out[outlen] = '\0';
	close(back[0]);
	ATF_REQUIRE_EQ(pid, waitpid(pid, &status, 0));
	ATF_REQUIRE(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int
encrypt_str(const atf_tc_t *tc, const char *words, const char *text)
{
	return encrypt(tc, words, text, strlen(text));
}

/* Is out one line, a bcrypt hash of that cost and that password? */
static void
check_hash(const char *hash, const char *begins, const char *password)
{
	static char	copy[128];

	ATF_REQUIRE_EQ_MSG(60, strcspn(hash, "\n"), "\"%s\"", hash);
	memcpy(copy, hash, 60);
	copy[60] = '\0';
	ATF_CHECK_EQ_MSG(0, strncmp(copy, begins, strlen(begins)), "%s",
	    copy);
	ATF_CHECK_EQ_MSG(1, crypt_check(password, copy), "%s", copy);
	ATF_CHECK_EQ(0, crypt_check("another", copy));
}

ATF_TC_WITHOUT_HEAD(from_pipe);
ATF_TC_BODY(from_pipe, tc)
{
	char	longest[74], first[64];

	ATF_CHECK_EQ(0, encrypt_str(tc, "encrypt -c 4", "demo\n"));
	check_hash(out, "$2b$04$", "demo");
	strlcpy(first, out, sizeof(first));
	/* another salt each time; the newline is not part of it */
	ATF_CHECK_EQ(0, encrypt_str(tc, "enc -c 4", "demo"));
	check_hash(out, "$2b$04$", "demo");
	ATF_CHECK(strcmp(first, out) != 0);
	ATF_CHECK_EQ(0, encrypt_str(tc, "encrypt", "\xc3\xa4 b\n"));
	check_hash(out, "$2b$10$", "\xc3\xa4 b");
	ATF_CHECK_EQ(0, encrypt_str(tc, "-j encrypt -c 5", "x\n"));
	ATF_CHECK_EQ(0, strncmp(out, "{\"hash\":\"$2b$05$", 16));
	memset(longest, 'a', sizeof(longest));
	longest[73] = '\0';
	ATF_CHECK_EQ(1, encrypt_str(tc, "encrypt -c 4", longest));
	ATF_CHECK_STREQ("", out);
	longest[72] = '\0';
	ATF_CHECK_EQ(0, encrypt_str(tc, "encrypt -c 4", longest));
	check_hash(out, "$2b$04$", longest);
}

ATF_TC_WITHOUT_HEAD(refused);
ATF_TC_BODY(refused, tc)
{
	ATF_CHECK_EQ(1, encrypt_str(tc, "encrypt -c 4", ""));
	ATF_CHECK_EQ(1, encrypt_str(tc, "encrypt -c 4", "\n"));
	ATF_CHECK_EQ(1, encrypt(tc, "encrypt -c 4", "a\0b\n", 4));
	ATF_CHECK_EQ(2, encrypt_str(tc, "encrypt -c 99", ""));
	ATF_CHECK_EQ(2, encrypt_str(tc, "encrypt x", ""));
	ATF_CHECK_STREQ("", out);
}

/* On a terminal: asks twice, shows nothing of it. */

static int	tty;

static void
tty_read(void)
{
	struct pollfd	pfd = { tty, POLLIN, 0 };
	ssize_t		n;

	ATF_REQUIRE_EQ_MSG(1, poll(&pfd, 1, 10000), "%s", out);
	n = read(tty, out + outlen, sizeof(out) - 1 - outlen);
	ATF_REQUIRE_MSG(n > 0, "%s", out);
	outlen += (size_t)n;
	out[outlen] = '\0';
}

/* Everything since the start is kept in out. */
static void
tty_expect(const char *text)
{
	while (strstr(out, text) == NULL)
		tty_read();
}

static void
tty_type(const char *text)
{
	ATF_REQUIRE_EQ((ssize_t)strlen(text), write(tty, text,
	    strlen(text)));
}

static pid_t
tty_run(const atf_tc_t *tc, const char *words)
{
	const char	*name;
	pid_t		 pid;
	int		 fd;

	outlen = 0;
	out[0] = '\0';
	ATF_REQUIRE((tty = posix_openpt(O_RDWR | O_NOCTTY)) != -1);
	ATF_REQUIRE_EQ(0, grantpt(tty));
	ATF_REQUIRE_EQ(0, unlockpt(tty));
	ATF_REQUIRE((name = ptsname(tty)) != NULL);
	ATF_REQUIRE((pid = fork()) != -1);
	if (pid != 0)
		return pid;
	close(tty);
	setsid();
	if ((fd = open(name, O_RDWR)) == -1)
		_exit(97);
	(void)ioctl(fd, TIOCSCTTY, 0);
	dup2(fd, STDIN_FILENO);
	dup2(fd, STDOUT_FILENO);
	dup2(fd, STDERR_FILENO);
	run(tc, words);
	return -1;
}

static int
tty_end(pid_t pid)
{
	int status;

	ATF_REQUIRE_EQ(pid, waitpid(pid, &status, 0));
	close(tty);
	ATF_REQUIRE(WIFEXITED(status));
	return WEXITSTATUS(status);
}

ATF_TC_WITHOUT_HEAD(from_terminal);
ATF_TC_BODY(from_terminal, tc)
{
	char	*hash;
	pid_t	 pid;

	pid = tty_run(tc, "encrypt -c 4");
	tty_expect("Password: ");
	tty_type("se cret\n");
	tty_expect("Again: ");
	tty_type("se cret\n");
	tty_expect("$2b$04$");
	hash = strstr(out, "$2b$04$");
	while (strchr(hash, '\n') == NULL)
		tty_read();
	*strpbrk(hash, "\r\n") = '\0';
	check_hash(hash, "$2b$04$", "se cret");
	ATF_CHECK_MSG(strstr(out, "cret") == NULL, "%s", out);
	ATF_CHECK_EQ(0, tty_end(pid));
	pid = tty_run(tc, "encrypt -c 4");
	tty_expect("Password: ");
	tty_type("one\n");
	tty_expect("Again: ");
	tty_type("two\n");
	tty_expect("the passwords differ");
	ATF_CHECK_EQ(1, tty_end(pid));
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, from_pipe);
	ATF_TP_ADD_TC(tp, refused);
	ATF_TP_ADD_TC(tp, from_terminal);
	return atf_no_error();
}
