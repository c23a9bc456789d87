/*
 * The files that a configuration names.  They are read by root: regular
 * ones only, never waited for, never more than what they may be.
 */
#include <sys/types.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <tls.h>

#include "conf_int.h"
#include "passwd.h"
#include "username.h"

#define TOKEN_MAX	4095		/* of a line in an HTTP request */
#define KEY_MAX		15360		/* as the messages can carry them */
#define CA_MAX		(4 * 1024 * 1024)
#define PASSWD_MAX	(16 * 1024 * 1024)

void
conf_data_free(struct conf_data *d)
{
	free(d->path);
	if (d->data != NULL)
		freezero(d->data, d->len + 1);
	memset(d, 0, sizeof(*d));
}

int
conf_path_ok(const char *what, const char *path)
{
	if (path[0] != '/') {
		conf_bad("%s: \"%s\" must begin with \"/\"", what, path);
		return 0;
	}
	if (strlen(path) >= CONF_PATH_MAX) {
		conf_bad("%s: the path is too long", what);
		return 0;
	}
	return 1;
}

/* Regular, of a fair size, and nobody's to write but its owner's. */
static int
file_check(int fd, const char *what, const char *path, size_t max,
    enum conf_secrecy secrecy, size_t *size)
{
	struct stat st;

	if (fstat(fd, &st) == -1) {
		conf_bad("%s %s: %s", what, path, strerror(errno));
		return -1;
	}
	if (!S_ISREG(st.st_mode)) {
		conf_bad("%s %s: not a regular file", what, path);
		return -1;
	}
	if (st.st_mode & S_IWOTH) {
		conf_bad("%s %s: everybody may write it", what, path);
		return -1;
	}
	if (st.st_size < 0 || (uintmax_t)st.st_size > max) {
		conf_bad("%s %s: longer than %zu bytes", what, path, max);
		return -1;
	}
	if (secrecy == CONF_SECRET && (st.st_mode & S_IROTH))
		conf_warn("%s %s: everybody may read it", what, path);
	*size = (size_t)st.st_size;
	return 0;
}

/* What grows while it is read is cut at the size that it had. */
static int
file_fill(int fd, struct conf_data *d, size_t size)
{
	ssize_t n;

	d->data = conf_alloc(size + 1);
	for (d->len = 0; d->len < size; d->len += (size_t)n) {
		n = read(fd, d->data + d->len, size - d->len);
		if (n == -1 && errno == EINTR)
			n = 0;
		else if (n == -1)
			return -1;
		else if (n == 0)
			break;
	}
	d->data[d->len] = '\0';
	return 0;
}

int
conf_file_read(struct conf_data *d, const char *what, const char *path,
    size_t max, enum conf_secrecy secrecy)
{
	size_t	size;
	int	fd, r = -1;

	conf_data_free(d);
	d->path = conf_strdup(path);
	fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd == -1) {
		conf_bad("%s %s: %s", what, path, strerror(errno));
		return -1;
	}
	if (file_check(fd, what, path, max, secrecy, &size) == -1)
		goto done;
	if ((r = file_fill(fd, d, size)) == -1)
		conf_bad("%s %s: %s", what, path, strerror(errno));
 done:
	close(fd);
	return r;
}

static int
file_named(struct conf_data *d, const char *what, const char *path,
    size_t max, enum conf_secrecy secrecy)
{
	if (!conf_path_ok(what, path)) {
		d->path = conf_strdup(path);
		return -1;
	}
	return conf_file_read(d, what, path, max, secrecy);
}

/* It becomes part of an HTTP header: one line of visible ASCII. */
int
conf_file_token(struct conf_data *d, const char *path)
{
	size_t i;

	if (file_named(d, "token", path, TOKEN_MAX + 2, CONF_SECRET) == -1)
		return -1;
	while (d->len > 0 && (d->data[d->len - 1] == '\n' ||
	    d->data[d->len - 1] == '\r'))
		d->data[--d->len] = '\0';
	if (d->len == 0 || d->len > TOKEN_MAX) {
		conf_bad("token %s: %s", path,
		    d->len == 0 ? "empty" : "too long");
		return -1;
	}
	for (i = 0; i < d->len; i++) {
		if (d->data[i] <= ' ' || d->data[i] >= 0x7f) {
			conf_bad("token %s: must be one line without blanks",
			    path);
			return -1;
		}
	}
	return 0;
}

/* certificates */

/* The words of a libtls error; numbers for programmers may follow them. */
static int
tls_words(const char *why)
{
	const char *end = strstr(why, ": error:");

	return (int)(end != NULL ? (size_t)(end - why) : strlen(why));
}

/*
 * A certificate and its key.  A server that is given both reads them both
 * and compares them: what libtls says against them then is the error.
 */
static int
pair_check(const char *what, const struct conf_data *cert,
    const struct conf_data *key)
{
	struct tls_config	*config;
	struct tls		*ctx = NULL;
	const char		*why;
	int			 r = -1;

	if ((config = tls_config_new()) == NULL ||
	    (ctx = tls_server()) == NULL) {
		conf_bad("%s: %s", what, strerror(ENOMEM));
		goto done;
	}
	if (tls_config_set_keypair_mem(config, cert->data, cert->len,
	    key->data, key->len) == -1)
		why = tls_config_error(config);
	else if (tls_configure(ctx, config) == -1)
		why = tls_error(ctx);
	else
		why = NULL;
	if (why != NULL)
		conf_bad("%s %s with key %s: %.*s", what, cert->path,
		    key->path, tls_words(why), why);
	r = why == NULL ? 0 : -1;
 done:
	tls_free(ctx);
	tls_config_free(config);
	return r;
}

int
conf_file_pair(const char *what, struct conf_data *cert, const char *certpath,
    size_t max, struct conf_data *key, const char *keypath)
{
	int r;

	r = file_named(cert, what, certpath, max, CONF_PUBLIC);
	if (file_named(key, "key", keypath, KEY_MAX, CONF_SECRET) == -1 ||
	    r == -1)
		return -1;
	return pair_check(what, cert, key);
}

/*
 * libtls reads the list of CAs when a client begins to connect: so one
 * does, to nobody.
 */
static const char *
ca_error(struct tls *ctx, struct tls_config *config,
    const struct conf_data *ca)
{
	static char	 buf[256];
	const char	*why = NULL;
	int		 sv[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, sv) == -1)
		return strerror(errno);
	if (tls_config_set_ca_mem(config, ca->data, ca->len) == -1)
		why = tls_config_error(config);
	else if (tls_configure(ctx, config) == -1 ||
	    tls_connect_fds(ctx, sv[0], sv[0], "localhost") == -1)
		why = tls_error(ctx);
	if (why != NULL) {
		strlcpy(buf, why, sizeof(buf));
		why = buf;
	}
	close(sv[0]);
	close(sv[1]);
	return why;
}

int
conf_file_ca(struct conf_data *ca, const char *path)
{
	struct tls_config	*config = NULL;
	struct tls		*ctx = NULL;
	const char		*why;

	if (file_named(ca, "ca", path, CA_MAX, CONF_PUBLIC) == -1)
		return -1;
	if ((config = tls_config_new()) == NULL ||
	    (ctx = tls_client()) == NULL)
		why = strerror(ENOMEM);
	else
		why = ca_error(ctx, config, ca);
	tls_free(ctx);
	tls_config_free(config);
	if (why != NULL)
		conf_bad("ca %s: %.*s", path, tls_words(why), why);
	return why == NULL ? 0 : -1;
}

const char *
conf_file_system_ca(void)
{
	static const char *const others[] = {
		"/etc/ssl/cert.pem",
		"/etc/ssl/certs/ca-certificates.crt",
		"/etc/pki/tls/certs/ca-bundle.crt",
	};
	const char	*path;
	size_t		 i;

	if ((path = tls_default_ca_cert_file()) != NULL &&
	    access(path, R_OK) == 0)
		return path;
	for (i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (access(others[i], R_OK) == 0)
			return others[i];
	return NULL;
}

/* the password file */

struct pw_name {
	char		*name;		/* as auth will know it */
	unsigned int	 line;
};

struct pw_check {
	const char	*path;
	struct pw_name	*names;
	size_t		 n, size;
};

static void
pw_where(char *buf, size_t len, const struct pw_check *c, unsigned int line)
{
	snprintf(buf, len, "%s:%u", c->path, line);
}

static void
pw_error(void *arg, unsigned int line, const char *why)
{
	char where[CONF_PATH_MAX + 16];

	pw_where(where, sizeof(where), arg, line);
	conf_bad_at(where, "%s", why);
}

static void
pw_entry(void *arg, const struct passwd_entry *e)
{
	struct pw_check	*c = arg;
	char		 name[USERNAME_MAX + 1];
	size_t		 size;

	if (username_normal(name, sizeof(name), e->name) == -1) {
		pw_error(c, e->line, "the name cannot be used");
		return;
	}
	if (c->n == c->size) {
		size = c->size == 0 ? 64 : c->size * 2;
		c->names = recallocarray(c->names, c->size, size,
		    sizeof(*c->names));
		if (c->names == NULL)
			fatal("password file");
		c->size = size;
	}
	c->names[c->n].name = conf_strdup(name);
	c->names[c->n++].line = e->line;
}

static int
pw_compare(const void *a, const void *b)
{
	const struct pw_name *x = a, *y = b;
	int r;

	if ((r = strcmp(x->name, y->name)) != 0)
		return r;
	return x->line < y->line ? -1 : x->line > y->line;
}

static void
pw_unique(struct pw_check *c)
{
	char	where[CONF_PATH_MAX + 16];
	size_t	i;

	if (c->n > 0)
		qsort(c->names, c->n, sizeof(*c->names), pw_compare);
	for (i = 1; i < c->n; i++) {
		if (strcmp(c->names[i - 1].name, c->names[i].name) != 0)
			continue;
		pw_where(where, sizeof(where), c, c->names[i].line);
		conf_bad_at(where, "\"%s\" is in line %u already",
		    c->names[i].name, c->names[i - 1].line);
	}
}

int
conf_file_passwd(struct conf_data *d, const char *path)
{
	struct passwd_reader	r;
	struct pw_check		c;
	size_t			i;
	int			n = conf_nerrors();

	if (file_named(d, "password file", path, PASSWD_MAX,
	    CONF_SECRET) == -1)
		return -1;
	memset(&c, 0, sizeof(c));
	c.path = path;
	passwd_init(&r, pw_entry, pw_error, &c);
	passwd_feed(&r, d->data, d->len);
	passwd_end(&r);
	pw_unique(&c);
	if (c.n == 0 && conf_nerrors() == n)
		conf_warn("password file %s: no accounts", path);
	for (i = 0; i < c.n; i++)
		free(c.names[i].name);
	free(c.names);
	return conf_nerrors() == n ? 0 : -1;
}
