#include <sys/types.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tls.h>

#include "conf_int.h"

#define REPORT_MAX	(256 * 1024)	/* bytes of errors */
#define REPORT_ERRORS	200

/* What is said about the configuration that is being loaded. */
static struct {
	struct ibuf	errors;
	struct ibuf	warnings;
	int		nerrors;
} report;

/* reports */

__attribute__((__format__ (printf, 4, 0)))
static void
report_add(struct ibuf *to, const char *where, const char *kind,
    const char *fmt, va_list ap)
{
	char text[2048];

	vsnprintf(text, sizeof(text), fmt, ap);
	/* when there is no room left there is more than enough to read */
	(void)ibuf_addf(to, "%s: %s%s\n", where, kind, text);
}

__attribute__((__format__ (printf, 2, 0)))
static void
report_bad(const char *where, const char *fmt, va_list ap)
{
	report.nerrors++;
	if (report.nerrors < REPORT_ERRORS)
		report_add(&report.errors, where, "", fmt, ap);
	else if (report.nerrors == REPORT_ERRORS)
		(void)ibuf_addf(&report.errors, "%s: too many errors\n",
		    where);
}

void
conf_bad(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	report_bad(parse_where(), fmt, ap);
	va_end(ap);
}

void
conf_bad_at(const char *where, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	report_bad(where, fmt, ap);
	va_end(ap);
}

void
conf_warn(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	report_add(&report.warnings, parse_where(), "warning: ", fmt, ap);
	va_end(ap);
}

void
conf_warn_at(const char *where, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	report_add(&report.warnings, where, "warning: ", fmt, ap);
	va_end(ap);
}

int
conf_nerrors(void)
{
	return report.nerrors;
}

static char *
report_text(struct ibuf *b)
{
	if (ibuf_size(b) == 0)
		return NULL;
	if (ibuf_add_n8(b, '\0') == -1)
		ibuf_data(b)[ibuf_size(b) - 1] = '\0';
	return conf_strdup((const char *)ibuf_data(b));
}

void
conf_log(const char *text)
{
	size_t n;

	for (; text != NULL && *text != '\0'; text += n + (text[n] == '\n')) {
		n = strcspn(text, "\n");
		log_warnx("%.*s", (int)n, text);
	}
}

/* memory */

char *
conf_strdup(const char *s)
{
	char *p;

	if ((p = strdup(s)) == NULL)
		fatal("configuration");
	return p;
}

void *
conf_alloc(size_t len)
{
	void *p;

	if ((p = calloc(1, len)) == NULL)
		fatal("configuration");
	return p;
}

struct conf *
conf_new(void)
{
	struct conf *c;

	c = conf_alloc(sizeof(*c));
	TAILQ_INIT(&c->domains);
	TAILQ_INIT(&c->certs);
	TAILQ_INIT(&c->listens);
	TAILQ_INIT(&c->storages);
	TAILQ_INIT(&c->places);
	make_defaults(c);
	return c;
}

static void
conf_free_listens(struct conf *c)
{
	struct conf_listen	*l;
	struct conf_allow	*a;

	while ((l = TAILQ_FIRST(&c->listens)) != NULL) {
		TAILQ_REMOVE(&c->listens, l, entry);
		while ((a = TAILQ_FIRST(&l->allow)) != NULL) {
			TAILQ_REMOVE(&l->allow, a, entry);
			free(a);
		}
		free(l->name);
		free(l->where);
		free(l->path);
		free(l);
	}
}

static void
conf_free_certs(struct conf *c)
{
	struct conf_cert *k;

	while ((k = TAILQ_FIRST(&c->certs)) != NULL) {
		TAILQ_REMOVE(&c->certs, k, entry);
		conf_data_free(&k->cert);
		conf_data_free(&k->key);
		free(k->name);
		free(k);
	}
}

static void
conf_free_storage(struct conf_storage *st)
{
	struct conf_url *u;

	while ((u = TAILQ_FIRST(&st->urls)) != NULL) {
		TAILQ_REMOVE(&st->urls, u, entry);
		free(u->text);
		free(u->host);
		free(u->path);
		free(u->sock);
		free(u);
	}
	conf_data_free(&st->token);
	conf_data_free(&st->ca);
	conf_data_free(&st->cert);
	conf_data_free(&st->key);
	free(st->name);
	free(st->dir);
	free(st->index_dir);
	free(st);
}

static void
conf_free_places(struct conf *c)
{
	struct conf_place *pl;

	while ((pl = TAILQ_FIRST(&c->places)) != NULL) {
		TAILQ_REMOVE(&c->places, pl, entry);
		free(pl->prefix);
		free(pl->pattern);
		free(pl->account);
		free(pl->storage);
		free(pl->where);
		free(pl);
	}
}

void
conf_free(struct conf *c)
{
	struct conf_storage	*st;
	struct conf_domain	*d;
	int			 i;

	if (c == NULL)
		return;
	conf_free_listens(c);
	conf_free_certs(c);
	conf_free_places(c);
	while ((st = TAILQ_FIRST(&c->storages)) != NULL) {
		TAILQ_REMOVE(&c->storages, st, entry);
		conf_free_storage(st);
	}
	while ((d = TAILQ_FIRST(&c->domains)) != NULL) {
		TAILQ_REMOVE(&c->domains, d, entry);
		free(d->name);
		free(d);
	}
	for (i = 0; i < ROLE_MAX; i++)
		free(c->users[i]);
	conf_data_free(&c->passwd);
	free(c->file);
	free(c->warnings);
	free(c->hostname);
	free(c->chroot);
	free(c->rundir);
	free(c->control);
	free(c);
}

/* the whole */

static int
has_role(const struct conf *c, enum role role)
{
	const struct conf_listen *l;

	TAILQ_FOREACH(l, &c->listens, entry)
		if (l->role == role)
			return 1;
	return 0;
}

static int
is_loopback(const struct conf_listen *l)
{
	const struct sockaddr_in	*in;
	const struct sockaddr_in6	*in6;

	if (l->ss.ss_family == AF_INET) {
		in = (const struct sockaddr_in *)&l->ss;
		return ntohl(in->sin_addr.s_addr) >> 24 == 127;
	}
	in6 = (const struct sockaddr_in6 *)&l->ss;
	return IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
}

/* Without TLS nobody logs in, but on loopback where that is allowed. */
static void
check_plain(const struct conf *c)
{
	const struct conf_listen *l;

	TAILQ_FOREACH(l, &c->listens, entry) {
		if (l->role == ROLE_LMTP || l->tls != LISTEN_PLAIN)
			continue;
		if (!is_loopback(l))
			conf_warn_at(l->where, "nobody can log in on %s: "
			    "it has neither tls nor starttls", l->name);
		else if (!c->plain_loopback)
			conf_warn_at(l->where, "nobody can log in on %s "
			    "without tls or \"plaintext login on loopback\"",
			    l->name);
	}
}

/* Of an https storage whose CAs are not named, the system's are taken. */
static void
check_storages(struct conf *c)
{
	struct conf_storage	*st;
	struct conf_url		*u;
	const char		*path;

	TAILQ_FOREACH(st, &c->storages, entry) {
		TAILQ_FOREACH(u, &st->urls, entry)
			if (u->kind == URL_HTTPS)
				break;
		if (u == NULL || st->ca.path != NULL)
			continue;
		if ((path = conf_file_system_ca()) != NULL)
			conf_file_ca(&st->ca, path);
		else
			conf_bad_at(c->file, "storage \"%s\" needs a ca file: "
			    "this system has no list of CAs", st->name);
	}
}

static void
check_missing(struct conf *c)
{
	if (TAILQ_EMPTY(&c->listens))
		conf_bad_at(c->file, "no \"listen\"");
	if (TAILQ_EMPTY(&c->storages))
		conf_bad_at(c->file, "no \"storage\"");
	if (c->auth == AUTH_FILE && c->passwd.path == NULL)
		conf_bad_at(c->file, "no \"auth\"");
	else if (c->auth == AUTH_FILE && TAILQ_EMPTY(&c->domains) &&
	    has_role(c, ROLE_LMTP))
		conf_bad_at(c->file, "\"auth file\" needs \"domains\": "
		    "without them lmtp has no recipients");
}

static void
conf_check(struct conf *c)
{
	int n = report.nerrors;

	make_resolve();
	/* what is missing may be what was wrong */
	if (n == 0)
		check_missing(c);
	check_storages(c);
	check_plain(c);
}

struct conf *
conf_load(const char *file, const char *const *macros, char **errors)
{
	struct conf *c;

	if (tls_init() == -1)
		fatalx("tls_init");
	ibuf_init(&report.errors, REPORT_MAX);
	ibuf_init(&report.warnings, REPORT_MAX);
	report.nerrors = 0;
	c = conf_new();
	c->file = conf_strdup(file);
	make_begin(c);
	if (parse_conf(c, macros) == 0)
		conf_check(c);
	make_end();
	c->warnings = report_text(&report.warnings);
	*errors = report_text(&report.errors);
	ibuf_fini(&report.errors);
	ibuf_fini(&report.warnings);
	if (report.nerrors == 0)
		return c;
	conf_free(c);
	return NULL;
}
