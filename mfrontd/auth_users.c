/*
 * The configuration of the auth process: who exists, with which password
 * hash, in which domains.  A new one is built beside that in force and
 * replaces it whole, or is forgotten.
 */
#include <sys/types.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "auth_int.h"
#include "log.h"

struct auth_conf	*auth_conf;

static struct auth_conf	*staged;

/*
 * For a file without any hash to borrow: bcrypt, cost 10, of a text that
 * nobody can send.
 */
static const char dummy_hash[] = "$2b$10$mfrontdmfrontdmfrontdu"
    "XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX";

static int
user_cmp(const struct auth_user *a, const struct auth_user *b)
{
	return strcmp(a->name, b->name);
}

RB_PROTOTYPE_STATIC(auth_users, auth_user, entry, user_cmp)
RB_GENERATE_STATIC(auth_users, auth_user, entry, user_cmp)

static struct auth_user *
user_get(struct auth_conf *c, const char *name)
{
	struct auth_user key = { .name = name };

	return RB_FIND(auth_users, &c->users, &key);
}

const struct auth_user *
auth_user_find(const char *name)
{
	return user_get(auth_conf, name);
}

int
auth_domain_is_ours(const char *name)
{
	const struct auth_domain *d;

	SLIST_FOREACH(d, &auth_conf->domains, entry)
		if (strcasecmp(d->name, name) == 0)
			return 1;
	return 0;
}

uint16_t
auth_storage_of(const char *name)
{
	const struct auth_place *pl;

	STAILQ_FOREACH(pl, &auth_conf->places, entry)
		if (*pl->prefix == '\0' && username_match(pl->pattern, name))
			return pl->storage;
	return auth_conf->storage;
}

/* What comes behind a route for everybody is nobody's. */
int
auth_storages_all(int (*test)(uint16_t))
{
	const struct auth_place *pl;

	STAILQ_FOREACH(pl, &auth_conf->places, entry) {
		if (*pl->prefix != '\0')
			continue;
		if (!test(pl->storage))
			return 0;
		if (strcmp(pl->pattern, "*") == 0)
			return 1;
	}
	return test(auth_conf->storage);
}

/* Is there one before it that has taken the place? */
static int
mount_is_taken(const struct auth_place *pl, const char *name)
{
	const struct auth_place *o;

	STAILQ_FOREACH(o, &auth_conf->places, entry) {
		if (o == pl)
			break;
		if (strcmp(o->prefix, pl->prefix) == 0 &&
		    username_match(o->pattern, name))
			return 1;
	}
	return 0;
}

const struct auth_place *
auth_mount_next(const struct auth_place *pl, const char *name)
{
	pl = pl == NULL ? STAILQ_FIRST(&auth_conf->places) :
	    STAILQ_NEXT(pl, entry);
	for (; pl != NULL; pl = STAILQ_NEXT(pl, entry))
		if (*pl->prefix != '\0' &&
		    username_match(pl->pattern, name) &&
		    !mount_is_taken(pl, name))
			break;
	return pl;
}

/* building and freeing */

static void
users_free_one(struct auth_user *u)
{
	if (u->hash != NULL)
		freezero(u->hash, strlen(u->hash));
	free(u);
}

static void
users_free(struct auth_conf *c)
{
	struct auth_user	*u, *next;
	struct auth_domain	*d;
	struct auth_place	*pl;

	if (c == NULL)
		return;
	RB_FOREACH_SAFE(u, auth_users, &c->users, next) {
		RB_REMOVE(auth_users, &c->users, u);
		users_free_one(u);
	}
	while ((d = SLIST_FIRST(&c->domains)) != NULL) {
		SLIST_REMOVE_HEAD(&c->domains, entry);
		free(d->name);
		free(d);
	}
	while ((pl = STAILQ_FIRST(&c->places)) != NULL) {
		STAILQ_REMOVE_HEAD(&c->places, entry);
		free(pl->prefix);
		free(pl->pattern);
		free(pl->account);
		free(pl);
	}
	free(c->file);
	freezero(c, sizeof(*c));
}

static void
users_error(void *arg, unsigned int line, const char *why)
{
	struct auth_conf *c = arg;

	if (c->error[0] == '\0')
		snprintf(c->error, sizeof(c->error), "%s:%u: %s",
		    c->file != NULL ? c->file : "passwords", line, why);
}

static void
users_add(void *arg, const struct passwd_entry *e)
{
	struct auth_conf	*c = arg;
	struct auth_user	*u;
	char			 name[USERNAME_MAX + 1];

	if (username_normal(name, sizeof(name), e->name) == -1) {
		users_error(c, e->line, "the name cannot be used");
		return;
	}
	if ((u = calloc(1, sizeof(*u) + strlen(name) + 1)) == NULL)
		fatal(NULL);
	u->name = memcpy(u + 1, name, strlen(name) + 1);
	if (!e->disabled && (u->hash = strdup(e->hash)) == NULL)
		fatal(NULL);
	if (RB_INSERT(auth_users, &c->users, u) != NULL) {
		users_error(c, e->line, "the account is there already");
		users_free_one(u);
		return;
	}
	c->nusers++;
}

/*
 * Which hash stands in for the users who do not exist?
 *
 * Two hashes of a kind take equally long: the same method with the same
 * cost.  That is what a hash says before its salt.
 */
static size_t
hash_kind(const char *hash)
{
	const char	*p, *end;
	size_t		 idlen;
	int		 cost;

	if (hash[0] != '$' || (p = strchr(hash + 1, '$')) == NULL)
		return 0;
	idlen = (size_t)(++p - hash) - 2;
	/* scrypt: eleven characters in front of the salt */
	if (idlen == 1 && hash[1] == '7')
		return strlen(p) > 11 ? (size_t)(p - hash) + 11 : 0;
	/* bcrypt and yescrypt: a cost without a name */
	cost = hash[1] == '2' || (idlen == 1 && hash[1] == 'y') ||
	    (idlen == 2 && strncmp(hash + 1, "gy", 2) == 0) ||
	    (idlen == 4 && strncmp(hash + 1, "sha1", 4) == 0);
	while ((end = strchr(p, '$')) != NULL &&
	    (cost || memchr(p, '=', (size_t)(end - p)) != NULL)) {
		p = end + 1;
		cost = 0;
	}
	/* bcrypt's salt is not ended by "$": what was found is its cost */
	return (size_t)(p - hash);
}

#define KINDS_MAX	32

static void
users_dummy(struct auth_conf *c)
{
	struct { const char *hash; size_t len; uint32_t n; } k[KINDS_MAX];
	struct auth_user	*u;
	size_t			 i, n = 0, best = 0;

	RB_FOREACH(u, auth_users, &c->users) {
		if (u->hash == NULL)
			continue;
		for (i = 0; i < n; i++)
			if (hash_kind(u->hash) == k[i].len &&
			    memcmp(u->hash, k[i].hash, k[i].len) == 0)
				break;
		if (i == KINDS_MAX)
			continue;
		if (i == n) {
			k[n].hash = u->hash;
			k[n].len = hash_kind(u->hash);
			k[n++].n = 0;
		}
		if (++k[i].n > k[best].n)
			best = i;
	}
	c->dummy = n > 0 ? k[best].hash : dummy_hash;
}

/* messages */

void
auth_conf_begin(int first)
{
	auth_conf_abort();
	if ((staged = calloc(1, sizeof(*staged))) == NULL)
		fatal(NULL);
	RB_INIT(&staged->users);
	SLIST_INIT(&staged->domains);
	STAILQ_INIT(&staged->places);
	passwd_init(&staged->reader, users_add, users_error, staged);
}

void
auth_conf_limits(struct proc_peer *p, struct imsg *msg, const void *arg)
{
	staged->limits = *(const struct m_conf_limits *)arg;
	staged->limits.hostname = NULL;
}

void
auth_conf_auth(struct proc_peer *p, struct imsg *msg, const void *arg)
{
	const struct m_conf_auth *m = arg;

	staged->kind = m->kind;
	staged->storage = m->storage;
	staged->engines = m->engines;
	free(staged->file);
	if ((staged->file = strdup(m->file)) == NULL)
		fatal(NULL);
}

void
auth_conf_domain(struct proc_peer *p, struct imsg *msg, const void *arg)
{
	const struct m_conf_domain	*m = arg;
	struct auth_domain		*d;

	if ((d = calloc(1, sizeof(*d))) == NULL ||
	    (d->name = strdup(m->name)) == NULL)
		fatal(NULL);
	SLIST_INSERT_HEAD(&staged->domains, d, entry);
}

void
auth_conf_place(struct proc_peer *p, struct imsg *msg, const void *arg)
{
	const struct m_conf_place	*m = arg;
	struct auth_place		*pl;

	if ((pl = calloc(1, sizeof(*pl))) == NULL ||
	    (pl->prefix = strdup(m->prefix)) == NULL ||
	    (pl->pattern = strdup(m->pattern)) == NULL ||
	    (pl->account = strdup(m->account)) == NULL)
		fatal(NULL);
	pl->storage = m->storage;
	STAILQ_INSERT_TAIL(&staged->places, pl, entry);
}

void
auth_conf_passwd(struct proc_peer *p, struct imsg *msg, const void *arg)
{
	const struct m_conf_passwd *m = arg;

	passwd_feed(&staged->reader, m->text.p, m->text.len);
}

void
auth_conf_storage(struct proc_peer *p, struct imsg *msg, const void *arg)
{
	/* auth knows storages by their numbers alone */
}

int
auth_conf_end(char *err, size_t len)
{
	passwd_end(&staged->reader);
	if (staged->error[0] != '\0') {
		strlcpy(err, staged->error, len);
		return -1;
	}
	users_dummy(staged);
	return 0;
}

void
auth_conf_commit(void)
{
	users_free(auth_conf);
	auth_conf = staged;
	staged = NULL;
	auth_login_limits(&auth_conf->limits);
	auth_scram_limits(&auth_conf->limits);
	auth_cache_flush();
	auth_grant_review();
	auth_scram_review();
	log_debug("accounts=%u", auth_conf->nusers);
}

void
auth_conf_abort(void)
{
	users_free(staged);
	staged = NULL;
}
