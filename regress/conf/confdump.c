/*
 * usage: confdump [-hq] [-D name=value] file
 * Loads a configuration and prints what came of it, a line a setting (with
 * -h the host's name too); with -q only what is wrong with it.  Warnings go
 * to stdout, errors to stderr.  It is loaded twice, as for a reload.
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
		printf("\t%s %s%s\n", what, d->path, d->len == 0 ?
		    " empty" : "");
}

static const char *
family(const struct conf_listen *l)
{
	if (l->path != NULL)
		return "unix";
	return l->ss.ss_family == AF_INET6 ? "inet6" : "inet";
}

static void
dump_listens(const struct conf *c)
{
	const struct conf_listen	*l;
	const struct conf_allow		*a;
	int				 i;

	TAILQ_FOREACH(l, &c->listens, entry) {
		printf("listen %u %s %s %s %s cert %u%s\n", l->id,
		    role_names[l->role], family(l), l->name,
		    tls_names[l->tls], l->cert,
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
		if (st->token.path != NULL)
			printf("\ttoken %s \"%s\" %zu\n", st->token.path,
			    (const char *)st->token.data, st->token.len);
		dump_data("ca", &st->ca);
		dump_data("cert", &st->cert);
		dump_data("key", &st->key);
		if (st->index == INDEX_LOCAL)
			printf("\tindex %s size %llu\n", st->index_dir,
			    (unsigned long long)st->index_size);
		else if (st->index == INDEX_NO)
			printf("\tindex no\n");
		if (st->health != 10)
			printf("\thealth %u\n", st->health);
		if (st->without != 0)
			printf("\twithout %#llx\n",
			    (unsigned long long)st->without);
	}
}

static void
dump_places(const struct conf *c)
{
	const struct conf_place *pl;

	TAILQ_FOREACH(pl, &c->places, entry)
		printf("%s \"%s\" for \"%s\" storage %u account %s\n",
		    pl->prefix != NULL ? "mount" : "route",
		    pl->prefix != NULL ? pl->prefix : "", pl->pattern,
		    pl->st->id, pl->account != NULL ? pl->account : "-");
}

static void
dump_limits(const struct conf_limits *l)
{
	printf("connections %u address %u account %u login %u\n",
	    l->conn_total, l->conn_address, l->conn_account, l->conn_login);
	printf("message %llu line %u literal %u recipients %u rate %u "
	    "badcmds %u failures %u\n", (unsigned long long)l->message,
	    l->line, l->literal, l->recipients, l->rcpt_rate, l->badcmds,
	    l->failures);
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

/* The host's name differs from machine to machine, unless it was set. */
static void
dump(const struct conf *c, int host)
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
	dump_places(c);
	dump_auth(c);
	dump_limits(&c->limits);
	for (i = 0; i < ROLE_MAX; i++)
		if (c->users[i] != NULL)
			printf("%s user %s prefork %d\n", role_names[i],
			    c->users[i], c->prefork[i]);
	printf("sandbox %d logdest %d verbose %d plain %d\n", c->sandbox,
	    (int)c->logdest, c->verbose, c->plain_loopback);
	printf("hostname %s chroot %s rundir %s\n", host ? c->hostname : "-",
	    c->chroot, c->rundir);
	printf("control %s owner %d group %d mode %04o\n", c->control,
	    (int)c->control_uid, (int)c->control_gid,
	    (unsigned int)c->control_mode);
}

static void
usage(void)
{
	fprintf(stderr, "usage: confdump [-hq] [-D name=value] file\n");
	exit(2);
}

int
main(int argc, char **argv)
{
	static const char	*macros[32];
	struct conf		*c, *again;
	char			*errors;
	int			 ch, n = 0, quiet = 0, host = 0;

	while ((ch = getopt(argc, argv, "D:hq")) != -1) {
		if (ch == 'D' && n < 31)
			macros[n++] = optarg;
		else if (ch == 'h')
			host = 1;
		else if (ch == 'q')
			quiet = 1;
		else
			usage();
	}
	if (argc - optind != 1)
		usage();
	c = conf_load(argv[optind], macros, &errors);
	free(errors);
	if ((again = conf_load(argv[optind], macros, &errors)) == NULL) {
		if (c != NULL)
			errx(3, "loaded once, but not twice");
		fputs(errors, stderr);
		free(errors);
		return 1;
	}
	if (errors != NULL)
		errx(3, "errors, and a configuration");
	conf_free(c);
	if (again->warnings != NULL)
		fputs(again->warnings, stdout);
	if (!quiet)
		dump(again, host);
	conf_free(again);
	return 0;
}
