/*
 * Reload in two phases: parse, bind and have every child prepare; only when
 * all of them can, switch.  What fails changes nothing and says why.
 *
 * It begins when no child is on its way to a configuration: one that was
 * told the old would keep it.  If one dies in the middle, all begins anew.
 * It is done when every child says that it has switched.
 */
#include <sys/types.h>
#include <sys/socket.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "parent.h"

#define RELOAD_SECS	60	/* for the children to answer */
#define RELOAD_TRIES	3

static struct {
	struct conf	*conf;		/* the new one; NULL: none runs */
	uint32_t	 ctlgen;	/* control process that asked, 0: none */
	uint32_t	 req;
	int		 wanted;	/* it has asked; not yet begun */
	int		 hup;		/* SIGHUP came; not yet begun */
	int		 tries;
	int		 waiting;	/* children that have not answered */
	int		 committed;	/* they were told to switch */
	struct ibuf	 text;		/* what changes */
	struct tmo	 tmo;
} reload;

static struct tmo_class reload_class;

int
reload_running(void)
{
	return reload.conf != NULL || reload.committed;
}

static void
reload_answer(int ok, const char *text)
{
	struct m_ctl_end	m;
	char			buf[4096];

	strlcpy(buf, text, sizeof(buf));
	memset(&m, 0, sizeof(m));
	m.ok = (uint8_t)ok;
	m.text = buf;
	if (reload.ctlgen != 0)
		proc_send(proc_find_gen(ROLE_CONTROL, reload.ctlgen),
		    M_ctl_end, 0, reload.req, -1, &m);
	if (ok)
		log_info("reload done: %s", buf);
	else {
		log_warnx("reload refused");
		conf_log(text);
	}
}

static void
say(const char *fmt, const char *what)
{
	(void)ibuf_addf(&reload.text, "%s%s%s", ibuf_size(&reload.text) > 0 ?
	    ", " : "", fmt, what);
}

/* what changed */

static int
data_equal(const struct conf_data *a, const struct conf_data *b)
{
	return a->len == b->len && (a->len == 0 ||
	    memcmp(a->data, b->data, a->len) == 0);
}

static int
text_equal(const char *a, const char *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return strcmp(a, b) == 0;
}

static const struct conf_listen *
listen_named(const struct conf *c, const struct conf_listen *l)
{
	const struct conf_listen *o;

	TAILQ_FOREACH(o, &c->listens, entry)
		if (strcmp(o->name, l->name) == 0 && o->role == l->role &&
		    o->tls == l->tls)
			return o;
	return NULL;
}

static void
diff_listens(const struct conf *old, const struct conf *new)
{
	const struct conf_listen *l;

	TAILQ_FOREACH(l, &new->listens, entry)
		if (listen_named(old, l) == NULL)
			say("listener added: ", l->name);
	TAILQ_FOREACH(l, &old->listens, entry)
		if (listen_named(new, l) == NULL)
			say("listener removed: ", l->name);
}

static const struct conf_cert *
cert_named(const struct conf *c, const char *name)
{
	const struct conf_cert *k;

	TAILQ_FOREACH(k, &c->certs, entry)
		if (strcmp(k->name, name) == 0)
			return k;
	return NULL;
}

static void
diff_certs(const struct conf *old, const struct conf *new)
{
	const struct conf_cert *k, *o;

	TAILQ_FOREACH(k, &new->certs, entry) {
		if ((o = cert_named(old, k->name)) == NULL)
			say("certificate added: ", k->name);
		else if (!data_equal(&o->cert, &k->cert) ||
		    !data_equal(&o->key, &k->key))
			say("certificate changed: ", k->name);
	}
	TAILQ_FOREACH(k, &old->certs, entry)
		if (cert_named(new, k->name) == NULL)
			say("certificate removed: ", k->name);
}

static struct conf_storage *
storage_named(const struct conf *c, const char *name)
{
	struct conf_storage *st;

	TAILQ_FOREACH(st, &c->storages, entry)
		if (strcmp(st->name, name) == 0)
			return st;
	return NULL;
}

static int
urls_equal(const struct conf_storage *a, const struct conf_storage *b)
{
	const struct conf_url	*u = TAILQ_FIRST(&a->urls);
	const struct conf_url	*v = TAILQ_FIRST(&b->urls);

	while (u != NULL && v != NULL) {
		if (strcmp(u->text, v->text) != 0)
			return 0;
		u = TAILQ_NEXT(u, entry);
		v = TAILQ_NEXT(v, entry);
	}
	return u == NULL && v == NULL;
}

static int
index_equal(const struct conf_storage *a, const struct conf_storage *b)
{
	return a->index == b->index && a->index_size == b->index_size &&
	    text_equal(a->index_dir, b->index_dir);
}

static void
diff_storages(const struct conf *old, const struct conf *new)
{
	const struct conf_storage *st, *o;

	TAILQ_FOREACH(st, &new->storages, entry) {
		if ((o = storage_named(old, st->name)) == NULL)
			say("storage added: ", st->name);
		else if (!urls_equal(o, st) ||
		    !data_equal(&o->token, &st->token) ||
		    !data_equal(&o->ca, &st->ca) ||
		    !data_equal(&o->cert, &st->cert) ||
		    !data_equal(&o->key, &st->key) || !index_equal(o, st))
			say("storage changed: ", st->name);
	}
	TAILQ_FOREACH(st, &old->storages, entry)
		if (storage_named(new, st->name) == NULL)
			say("storage removed: ", st->name);
}

static int
places_equal(const struct conf *a, const struct conf *b)
{
	const struct conf_place	*p = TAILQ_FIRST(&a->places);
	const struct conf_place	*q = TAILQ_FIRST(&b->places);

	while (p != NULL && q != NULL) {
		if (!text_equal(p->prefix, q->prefix) ||
		    !text_equal(p->pattern, q->pattern) ||
		    !text_equal(p->account, q->account) ||
		    !text_equal(p->storage, q->storage))
			return 0;
		p = TAILQ_NEXT(p, entry);
		q = TAILQ_NEXT(q, entry);
	}
	return p == NULL && q == NULL;
}

static void
diff_rest(const struct conf *old, const struct conf *new)
{
	if (memcmp(&old->limits, &new->limits, sizeof(old->limits)) != 0)
		say("limits", "");
	if (!data_equal(&old->passwd, &new->passwd))
		say("password file", "");
	if (old->auth != new->auth || old->auth_storage != new->auth_storage)
		say("auth", "");
	if (!places_equal(old, new))
		say("routes and mounts", "");
	if (memcmp(old->prefork, new->prefork, sizeof(old->prefork)) != 0)
		say("prefork", "");
	if (old->plain_loopback != new->plain_loopback)
		say("plaintext login", "");
	if (!text_equal(old->hostname, new->hostname))
		say("hostname", "");
}

/* What a running house cannot change; NULL if nothing of that kind did. */
static const char *
needs_restart(const struct conf *old, const struct conf *new)
{
	const struct conf_storage *st, *o;
	int i;

	if (old->sandbox != new->sandbox)
		return "sandbox";
	if (!text_equal(old->chroot, new->chroot))
		return "chroot";
	if (!text_equal(old->control, new->control))
		return "control socket";
	if (!text_equal(old->rundir, new->rundir))
		return "run folder";
	if (old->logdest != new->logdest && !parent.foreground)
		return "log";
	for (i = 0; i < ROLE_MAX; i++)
		if (!text_equal(old->users[i], new->users[i]))
			return "user";
	TAILQ_FOREACH(st, &new->storages, entry)
		if ((o = storage_named(old, st->name)) != NULL &&
		    !text_equal(o->dir, st->dir))
			return "folder of a storage";
	return NULL;
}

/*
 * A storage keeps its number for as long as it keeps its name: sessions,
 * grants and caches go by it.
 */
static void
storage_numbers(const struct conf *old, struct conf *new)
{
	struct conf_storage	*st, *o;
	static uint16_t		 next;	/* no number is given twice */
	uint16_t		 auth_old = new->auth_storage;
	int			 auth_done = 0;

	TAILQ_FOREACH(o, &old->storages, entry)
		if (o->id >= next)
			next = o->id + 1;
	TAILQ_FOREACH(st, &new->storages, entry) {
		uint16_t was = st->id;

		o = storage_named(old, st->name);
		st->id = o != NULL ? o->id : next++;
		if (!auth_done && was == auth_old) {
			new->auth_storage = st->id;
			auth_done = 1;
		}
	}
}

/* the phases */

static void
reload_end(int ok, const char *text)
{
	tmo_stop(&reload.tmo);
	reload_answer(ok, text);
	reload.conf = NULL;
	reload.committed = 0;
	reload.ctlgen = 0;
	reload.tries = 0;
	ibuf_fini(&reload.text);
}

/* Nothing of it has happened. */
static void
reload_undo(void)
{
	struct child		*c;
	struct m_conf_abort	 m;

	TAILQ_FOREACH(c, &parent.children, entry)
		if (c->state == CHILD_RUNNING && c->peer != NULL) {
			m.serial = c->serial;
			proc_send(c->peer, M_conf_abort, 0, 0, -1, &m);
		}
	listen_close(reload.conf, parent.conf);
	conf_free(reload.conf);
	reload.conf = NULL;
}

static void
reload_abort(const char *why)
{
	reload_undo();
	reload_end(0, why);
	reload_next();
}

static void
reload_fired(struct tmo *t)
{
	struct child	*c;
	char		 buf[128];

	TAILQ_FOREACH(c, &parent.children, entry)
		if (c->asked)
			break;
	if (c == NULL)
		return;
	snprintf(buf, sizeof(buf), "%s/%u does not answer",
	    role_names[c->role], c->slot);
	if (reload.committed) {
		/* it has the new one, or it has none: its successor will */
		log_warnx("reload: %s", buf);
		kill(c->pid, SIGKILL);
	} else
		reload_abort(buf);
}

static void
end_surplus(void)
{
	struct m_stop	 m = { 60 };
	struct child	*c, *next;

	TAILQ_FOREACH_SAFE(c, &parent.children, entry, next) {
		if (c->state == CHILD_NONE && !c->surplus)
			parent_child_start(c);
		else if (c->surplus && c->peer != NULL &&
		    c->state != CHILD_STOPPING) {
			c->state = CHILD_STOPPING;
			proc_send(c->peer, M_stop, 0, 0, -1, &m);
		}
	}
}

/* It knows no state, and reads resolv.conf again. */
static void
renew_connector(struct child *c)
{
	c->renew = 1;
	kill(c->pid, SIGKILL);
}

static void
reload_done(void)
{
	if (ibuf_size(&reload.text) == 0)
		say("nothing changed", "");
	(void)ibuf_add_n8(&reload.text, '\0');
	reload_end(1, (const char *)ibuf_data(&reload.text));
	reload_next();
}

/* One that was told to switch has, or has ended. */
void
reload_switched(struct child *c)
{
	if (!reload.committed || !c->asked)
		return;
	c->asked = 0;
	if (--reload.waiting == 0)
		reload_done();
}

static void
reload_commit(void)
{
	struct conf		*old = parent.conf;
	struct child		*c;
	struct m_conf_commit	 m;

	parent.conf = reload.conf;
	reload.conf = NULL;
	reload.committed = 1;
	TAILQ_FOREACH(c, &parent.children, entry) {
		c->asked = 0;
		if (c->state != CHILD_RUNNING || c->peer == NULL)
			continue;
		m.serial = c->serial;
		proc_send(c->peer, M_conf_commit, 0, 0, -1, &m);
		if (c->role == ROLE_CONNECTOR)
			renew_connector(c);
		else
			reload.waiting += c->asked = 1;
	}
	listen_close(old, parent.conf);
	conf_free(old);
	parent_children();
	end_surplus();
	if (reload.waiting == 0)
		reload_done();
}

void
reload_status(struct child *c, int ok, const char *error)
{
	char buf[1024];

	if (reload.conf == NULL || !c->asked)
		return;
	c->asked = 0;
	if (!ok) {
		snprintf(buf, sizeof(buf), "%s/%u: %s", role_names[c->role],
		    c->slot, error);
		reload_abort(buf);
		return;
	}
	if (--reload.waiting == 0)
		reload_commit();
}

/* Perhaps it knew of the new configuration; its successor does not. */
void
reload_child_gone(struct child *c)
{
	reload_switched(c);
	if (reload.conf == NULL || c->state != CHILD_RUNNING)
		return;
	if (++reload.tries == RELOAD_TRIES) {
		reload_abort("processes die of it");
		return;
	}
	reload_undo();
	tmo_stop(&reload.tmo);
	ibuf_fini(&reload.text);
	reload.wanted = 1;
}

void
reload_stop(void)
{
	if (reload.conf != NULL)
		reload_undo();
	if (reload.ctlgen != 0)
		reload_answer(0, "mfrontd is stopping");
}

static int
reload_prepare(void)
{
	const char	*what;
	char		*err = NULL;

	if ((what = needs_restart(parent.conf, reload.conf)) != NULL) {
		if (asprintf(&err, "a change of \"%s\" needs a restart",
		    what) == -1)
			fatal(NULL);
	} else if (listen_open(reload.conf, parent.conf, &err) == 0) {
		storage_numbers(parent.conf, reload.conf);
		return 0;
	}
	conf_free(reload.conf);
	reload_end(0, err);
	free(err);
	return -1;
}

static void
reload_ask(void)
{
	struct child *c;

	reload.waiting = 0;
	TAILQ_FOREACH(c, &parent.children, entry) {
		c->asked = c->state == CHILD_RUNNING && c->peer != NULL;
		reload.waiting += c->asked;
	}
	TAILQ_FOREACH(c, &parent.children, entry)
		if (c->asked)
			send_conf(c, reload.conf, 0);
	if (reload_class.secs == 0)
		tmo_class_init(&reload_class, RELOAD_SECS, reload_fired);
	tmo_start(&reload.tmo, &reload_class);
	if (reload.waiting == 0)
		reload_commit();
}

static void
reload_run(void)
{
	char *err = NULL;

	ibuf_init(&reload.text, 4000);
	reload.conf = conf_load(parent.conffile, parent.macros, &err);
	if (reload.conf == NULL) {
		reload_end(0, err != NULL ? err : "no memory");
		free(err);
		return;
	}
	conf_log(reload.conf->warnings);
	if (reload_prepare() == -1)
		return;
	diff_listens(parent.conf, reload.conf);
	diff_certs(parent.conf, reload.conf);
	diff_storages(parent.conf, reload.conf);
	diff_rest(parent.conf, reload.conf);
	reload_ask();
}

/* Is a child on its way to a configuration? */
static int
children_move(void)
{
	struct child *c;

	TAILQ_FOREACH(c, &parent.children, entry)
		if (c->renew || (c->state >= CHILD_STARTED &&
		    c->state <= CHILD_COMMITTED))
			return 1;
	return 0;
}

void
reload_next(void)
{
	while ((reload.wanted || reload.hup) && !reload_running() &&
	    parent.up && !parent.stopping && !children_move()) {
		/* whoever asks now is told what the signal's brings, too */
		reload.wanted = reload.hup = 0;
		reload_run();
	}
}

void
reload_begin(struct proc_peer *p, uint32_t req)
{
	struct m_ctl_end busy = { 0, "a reload is running already" };

	if (p == NULL)
		reload.hup = 1;
	else if (reload.ctlgen != 0 || reload_running()) {
		proc_send(p, M_ctl_end, 0, req, -1, &busy);
		return;
	} else {
		reload.wanted = 1;
		reload.ctlgen = p->gen;
		reload.req = req;
	}
	reload_next();
}
