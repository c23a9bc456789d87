/*
 * usage: confdump [-q] [-D name=value] file
 * Loads a configuration and prints what came of it, a line a setting; with
 * -q only what is wrong with it.  Warnings go to stdout, errors to stderr.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "conf.h"

static const char *const tls_names[] = { "plain", "starttls", "tls" };

static void
dump_data(const char *what, const struct conf_data *d)
{
	if (d->path != NULL)
		printf("\t%s %s %zu\n", what, d->path, d->len);
}

static void
dump_listens(const struct conf *c)
{
	const struct conf_listen	*l;
	const struct conf_allow		*a;
	int				 i;

	TAILQ_FOREACH(l, &c->listens, entry) {
		printf("listen %u %s %s %s cert %u family %d%s\n", l->id,
		    role_names[l->role], l->name, tls_names[l->tls], l->cert,
		    l->path == NULL ? l->ss.ss_family : 0,
		    l->optional ? " optional" : "");
		if (l->path != NULL)
			printf("\towner %d group %d mode %04o\n", (int)l->uid,
			    (int)l->gid, (unsigned int)l->mode);
		TAILQ_FOREACH(a, &l->allow, entry) {
			printf("\tallow ");
			for (i = 0; i < a->addrlen; i++)
				printf("%02x", a->addr[i]);
			printf("/%u\n", a->prefixlen);
		}
	}
}

static void
dump_storages(const struct conf *c)
{
	const struct conf_storage	*st;
	const struct conf_url		*u;

	TAILQ_FOREACH(st, &c->storages, entry) {
		printf("storage %u %s%s%s\n", st->id, st->name,
		    st->dir != NULL ? " embedded " : "",
		    st->dir != NULL ? st->dir : "");
		TAILQ_FOREACH(u, &st->urls, entry)
			printf("\turl %u kind %d host \"%s\" port %u path "
			    "\"%s\" sock %s\n", u->id, (int)u->kind, u->host,
			    u->port, u->path, u->sock != NULL ? u->sock : "-");
		dump_data("token", &st->token);
		dump_data("ca", &st->ca);
		dump_data("cert", &st->cert);
		dump_data("key", &st->key);
	}
}

static void
dump_limits(const struct conf_limits *l)
{
	printf("connections %u address %u account %u login %u\n",
	    l->conn_total, l->conn_address, l->conn_account, l->conn_login);
	printf("message %llu line %u literal %u recipients %u badcmds %u "
	    "failures %u\n", (unsigned long long)l->message, l->line,
	    l->literal, l->recipients, l->badcmds, l->failures);
	printf("login %u idle %u command %u write %u backend %u\n",
	    l->t_login, l->t_idle, l->t_command, l->t_write, l->t_backend);
	printf("poll %u check %u delay %u cache %llu pool %u\n", l->poll,
	    l->check, l->delay, (unsigned long long)l->cache, l->pool);
}

static void
dump_auth(const struct conf *c)
{
	const struct conf_domain *d;

	if (c->auth == AUTH_STORAGE)
		printf("auth storage %u", c->auth_storage);
	else
		printf("auth file %s %zu", c->passwd.path, c->passwd.len);
	printf(" workers %d", c->auth_workers);
	TAILQ_FOREACH(d, &c->domains, entry)
		printf(" %s", d->name);
	printf("\n");
}

static void
dump(const struct conf *c)
{
	const struct conf_cert	*k;
	int			 i;

	dump_listens(c);
	TAILQ_FOREACH(k, &c->certs, entry) {
		printf("certificate %u %s\n", k->id, k->name);
		dump_data("cert", &k->cert);
		dump_data("key", &k->key);
	}
	dump_storages(c);
	dump_auth(c);
	dump_limits(&c->limits);
	for (i = 0; i < ROLE_MAX; i++)
		if (c->users[i] != NULL)
			printf("%s user %s prefork %d\n", role_names[i],
			    c->users[i], c->prefork[i]);
	printf("sandbox %d logdest %d verbose %d plain %d\n", c->sandbox,
	    (int)c->logdest, c->verbose, c->plain_loopback);
	printf("chroot %s rundir %s\n", c->chroot, c->rundir);
	printf("control %s owner %d group %d mode %04o\n", c->control,
	    (int)c->control_uid, (int)c->control_gid,
	    (unsigned int)c->control_mode);
}

int
main(int argc, char **argv)
{
	static const char	*macros[32];
	struct conf		*c;
	char			*errors;
	int			 ch, n = 0, quiet = 0;

	while ((ch = getopt(argc, argv, "D:q")) != -1) {
		if (ch == 'D' && n < 31)
			macros[n++] = optarg;
		else if (ch == 'q')
			quiet = 1;
		else
			errx(2, "usage: confdump [-q] [-D name=value] file");
	}
	if (argc - optind != 1)
		errx(2, "usage: confdump [-q] [-D name=value] file");
	if ((c = conf_load(argv[optind], macros, &errors)) == NULL) {
		fputs(errors, stderr);
		free(errors);
		return 1;
	}
	if (c->warnings != NULL)
		fputs(c->warnings, stdout);
	if (!quiet)
		dump(c);
	conf_free(c);
	return 0;
}
