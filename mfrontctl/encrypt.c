/*
 * Makes the hash of a password for the password file: bcrypt, which every
 * crypt(3) of today takes, OpenBSD's too.
 */
#include <sys/types.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#ifdef HAVE_BCRYPT_NEWHASH
#include <pwd.h>
#else
#include <crypt.h>
#endif
#include <readpassphrase.h>

#include "log.h"
#include "mfrontctl.h"
#include "output.h"

#define PASSWORD_MAX	72		/* bcrypt looks at no more bytes */
#define HASH_LEN	128

/* One byte at a time, so that no buffer of ours or stdio's keeps any. */
static int
read_line(char *buf, size_t size)
{
	size_t	len = 0;
	ssize_t	n;
	char	c;

	while ((n = read(STDIN_FILENO, &c, 1)) == 1 && c != '\n') {
		if (len == size - 1) {
			errno = ERANGE;
			return -1;
		}
		buf[len++] = c;
	}
	buf[len] = '\0';
	if (n == -1)
		return -1;
	if (strlen(buf) != len) {
		errno = EINVAL;
		return -1;
	}
	return 0;
}

/* Twice, since nobody sees what he types. */
static int
read_terminal(char *buf, size_t size)
{
	char	again[PASSWORD_MAX + 2];
	int	r = -1;

	if (readpassphrase("Password: ", buf, size, RPP_REQUIRE_TTY) == NULL ||
	    readpassphrase("Again: ", again, sizeof(again),
	    RPP_REQUIRE_TTY) == NULL)
		log_warn("password");
	else if (strcmp(buf, again) != 0)
		log_warnx("the passwords differ");
	else
		r = 0;
	explicit_bzero(again, sizeof(again));
	return r;
}

static int
read_password(char *buf, size_t size)
{
	if (isatty(STDIN_FILENO)) {
		if (read_terminal(buf, size) == -1)
			return -1;
	} else if (read_line(buf, size) == -1) {
		if (errno == ERANGE)
			log_warnx("the password is longer than %d bytes",
			    PASSWORD_MAX);
		else
			log_warn("password");
		return -1;
	}
	if (buf[0] == '\0') {
		log_warnx("the password is empty");
		return -1;
	}
	if (strlen(buf) > PASSWORD_MAX) {
		log_warnx("the password is longer than %d bytes",
		    PASSWORD_MAX);
		return -1;
	}
	return 0;
}

#ifdef HAVE_BCRYPT_NEWHASH
static int
make_hash(const char *password, unsigned int cost, char *hash, size_t len)
{
	return bcrypt_newhash(password, (int)cost, hash, len);
}
#else
static int
make_hash(const char *password, unsigned int cost, char *hash, size_t len)
{
	static struct crypt_data	 data;
	char				 setting[CRYPT_GENSALT_OUTPUT_SIZE];
	const char			*p;
	int				 r = -1;

	if (crypt_gensalt_rn("$2b$", cost, NULL, 0, setting,
	    sizeof(setting)) == NULL)
		return -1;
	p = crypt_rn(password, setting, &data, sizeof(data));
	if (p != NULL && strlcpy(hash, p, len) < len)
		r = 0;
	explicit_bzero(&data, sizeof(data));
	return r;
}
#endif

int
encrypt_run(int json, unsigned int cost)
{
	struct output	o;
	struct ibuf	b;
	char		password[PASSWORD_MAX + 2], hash[HASH_LEN];
	int		r;

	r = read_password(password, sizeof(password));
	if (r == 0 && (r = make_hash(password, cost, hash,
	    sizeof(hash))) == -1)
		log_warn("bcrypt");
	explicit_bzero(password, sizeof(password));
	if (r == -1)
		return CTL_FAILED;
	ibuf_init(&b, 1024);
	output_begin(&o, &b, json, M_none);
	output_hash(&o, hash);
	if (write(STDOUT_FILENO, ibuf_data(&b), ibuf_size(&b)) !=
	    (ssize_t)ibuf_size(&b)) {
		log_warn("stdout");
		r = -1;
	}
	ibuf_fini(&b);
	return r == 0 ? CTL_DONE : CTL_FAILED;
}
