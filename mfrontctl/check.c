/*
 * mfrontctl check: the frame that checks run in.
 */
#include <sys/types.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tls.h>
#include <unistd.h>

#include "check.h"
#include "check_ask.h"
#include "check_int.h"
#include "check_left.h"
#include "check_report.h"
#include "log.h"
#include "mfrontctl.h"
#include "units.h"

#define ACCOUNT		"mfrontctl-check"
#define WAIT_MS		30000		/* the frontend waits as long */
#define WHY_MAX		1024

static volatile sig_atomic_t stopped;

/* memory */

struct mem {
	struct mem	*next;
	_Alignas(16) char data[];
};

void *
check_alloc(struct ck *c, size_t len)
{
	struct mem *m;

	if ((m = calloc(1, sizeof(*m) + len)) == NULL)
		fatal("memory");
	m->next = c->mem;
	c->mem = m;
	return m->data;
}

char *
check_text(struct ck *c, const char *fmt, ...)
{
	va_list	 ap;
	char	*s, *copy;
	int	 n;

	va_start(ap, fmt);
	n = vasprintf(&s, fmt, ap);
	va_end(ap);
	if (n == -1)
		fatal("memory");
	copy = check_alloc(c, (size_t)n + 1);
	memcpy(copy, s, (size_t)n);
	free(s);
	return copy;
}

void *
check_mark(struct ck *c)
{
	return c->mem;
}

void
check_release(struct ck *c, void *mark)
{
	struct mem *m;

	while (c->mem != mark) {
		m = c->mem;
		c->mem = m->next;
		free(m);
	}
	c->last = NULL;
}

/* results */

static struct check_result *
result_of(struct ck *c, const struct check *check)
{
	return check == NULL ? &c->run->setup :
	    &c->run->results[check - checks];
}

static void
result_set(struct check_result *r, enum check_verdict verdict,
    const char *why, const struct answer *a)
{
	r->verdict = verdict;
	if (why != NULL && (r->why = strdup(why)) == NULL)
		fatal("memory");
	if (a == NULL)
		return;
	r->request = report_bytes(a->request, a->requestlen, NULL, 0);
	r->answer = report_bytes(a->head, a->headlen, a->body, a->len);
}

static void	check_leave(struct ck *, enum check_verdict, struct answer *,
		    const char *, va_list)
		    __attribute__((__format__ (printf, 4, 0)));

static void
check_leave(struct ck *c, enum check_verdict verdict, struct answer *a,
    const char *fmt, va_list ap)
{
	struct check_result *r = result_of(c, c->check);

	vsnprintf(c->why, sizeof(c->why), fmt, ap);
	c->verdict = verdict;
	pthread_mutex_lock(&c->run->lock);
	if (r->verdict == CHECK_NONE)
		result_set(r, verdict, c->why, a);
	pthread_mutex_unlock(&c->run->lock);
}

void
check_fail(struct ck *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	check_leave(c, CHECK_FAILED, c->last, fmt, ap);
	va_end(ap);
	longjmp(c->env, 1);
}

void
check_fail_at(struct ck *c, struct answer *a, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	check_leave(c, CHECK_FAILED, a, fmt, ap);
	va_end(ap);
	longjmp(c->env, 1);
}

void
check_skip(struct ck *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	check_leave(c, CHECK_SKIPPED, NULL, fmt, ap);
	va_end(ap);
	longjmp(c->env, 1);
}

/* A check of what is not announced is not in the list at all. */
static int
check_is_due(struct check_run *run, const struct check *check)
{
	return check->group == LEVEL0 || (run->due & CAP(check->group));
}

/* NULL: what is not to be looked at is not watched, either. */
static struct check_result *
check_watched(struct ck *c, const char *name)
{
	size_t i;

	for (i = 0; i < nchecks; i++)
		if (strcmp(checks[i].name, name) == 0)
			return check_is_due(c->run, &checks[i]) ?
			    &c->run->results[i] : NULL;
	fatalx("no check %s", name);
}

void
check_watch(struct ck *c, const char *name, struct answer *a,
    const char *fmt, ...)
{
	struct check_result	*r = check_watched(c, name);
	va_list			 ap;
	char			 why[WHY_MAX];

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	pthread_mutex_lock(&c->run->lock);
	if (r != NULL && r->verdict != CHECK_FAILED)
		result_set(r, CHECK_FAILED, why, a);
	pthread_mutex_unlock(&c->run->lock);
}

void
check_seen(struct ck *c, const char *name)
{
	struct check_result *r = check_watched(c, name);

	pthread_mutex_lock(&c->run->lock);
	if (r != NULL && r->verdict == CHECK_NONE)
		r->verdict = CHECK_PASSED;
	pthread_mutex_unlock(&c->run->lock);
}

int
check_has(struct ck *c, enum st_cap cap)
{
	return (c->run->caps & CAP(cap)) != 0;
}

/* a check's life */

void
check_init(struct ck *c, struct check_run *run, const struct check *check)
{
	memset(c, 0, sizeof(*c));
	c->run = run;
	c->check = check;
}

static void
check_delete_boxes(struct ck *c)
{
	struct box *b;

	while ((b = c->boxes) != NULL) {
		c->boxes = b->next;
		if (!b->gone)
			ask_do(c, "DELETE", ask_box_path(c, b, ""), NULL);
	}
}

void
check_fini(struct ck *c)
{
	struct net *n;

	/* one that cannot be deleted must not keep the others */
	while (c->boxes != NULL)
		if (setjmp(c->env) == 0)
			check_delete_boxes(c);
	net_close(c->net);
	while ((n = c->nets) != NULL) {
		c->nets = n->next;
		net_close(n);
	}
	check_release(c, NULL);
}

enum check_verdict
check_try(struct ck *c, void (*func)(struct ck *))
{
	if (setjmp(c->env) == 0) {
		func(c);
		c->verdict = CHECK_PASSED;
	}
	return c->verdict;
}

static uint64_t
check_caps_needed(const struct check *check)
{
	return check->needs | (check->group == LEVEL0 ? 0 :
	    CAP(check->group));
}

static int
check_is_named(const char *list, const char *name)
{
	size_t		 len = strlen(name);
	const char	*p = list;

	if (list == NULL)
		return 1;
	while ((p = strstr(p, name)) != NULL) {
		if ((p == list || p[-1] == ',') &&
		    (p[len] == '\0' || p[len] == ','))
			return 1;
		p += len;
	}
	return 0;
}

static const char *
check_missing(struct check_run *run, uint64_t needs)
{
	int cap;

	for (cap = 0; cap < CAP_MAX; cap++)
		if ((needs & CAP(cap)) && !(run->caps & CAP(cap)))
			return st_cap_names[cap];
	return NULL;
}

static void
check_one(struct check_run *run, const struct check *check)
{
	struct check_result	*r = &run->results[check - checks];
	struct ck		 c;
	const char		*missing;
	char			 why[128];
	int64_t			 begin = net_now();

	if ((missing = check_missing(run, check_caps_needed(check))) !=
	    NULL) {
		snprintf(why, sizeof(why), "needs %s", missing);
		result_set(r, CHECK_SKIPPED, why, NULL);
		return;
	}
	report_progress(run, check);
	check_init(&c, run, check);
	if (check_try(&c, check->func) == CHECK_PASSED &&
	    r->verdict == CHECK_NONE)
		r->verdict = CHECK_PASSED;
	check_fini(&c);
	r->ms = net_now() - begin;
	report_done(run, check);
}

static void
check_stop(int sig)
{
	stopped = 1;
}

static void
check_all(struct check_run *run)
{
	size_t i;

	signal(SIGINT, check_stop);
	signal(SIGTERM, check_stop);
	for (i = 0; i < nchecks && !stopped; i++)
		if (checks[i].func != NULL &&
		    check_is_due(run, &checks[i]) &&
		    check_is_named(run->conf->only, checks[i].name))
			check_one(run, &checks[i]);
	report_progress(run, NULL);
}

/* what must be known first */

static const enum st_cap level1[] = { CAP_WRITE, CAP_MAX };
static const enum st_cap level2[] = { CAP_MODSEQ, CAP_EVENTS,
    CAP_IDEMPOTENCY, CAP_COPY, CAP_MAX };

static uint64_t
check_level_caps(const enum st_cap *list)
{
	uint64_t mask = 0;

	for (; *list != CAP_MAX; list++)
		mask |= CAP(*list);
	return mask;
}

static int
check_claimed(uint64_t caps)
{
	uint64_t l1 = check_level_caps(level1);
	uint64_t l2 = l1 | check_level_caps(level2);

	return (caps & l2) == l2 ? 2 : (caps & l1) == l1 ? 1 : 0;
}

static void
check_read_caps(struct ck *c, struct val *caps)
{
	struct val	*v;
	int		 cap;

	for (cap = 0; cap < CAP_MAX; cap++) {
		v = val_get(caps, st_cap_names[cap]);
		if (v != NULL && (v->type == VAL_OBJECT ||
		    (v->type == VAL_BOOL && v->n)))
			c->run->caps |= CAP(cap);
	}
	v = val_get(caps, "events");
	if (!val_number(v, "bound_ms", 3600000, &c->run->bound))
		c->run->bound = 1000;
}

static void
check_setup(struct ck *c)
{
	struct check_run	*run = c->run;
	struct answer		*a;
	uint64_t		 api;

	run->acct = ask_encoded(c, run->conf->account);
	run->acct_json = ask_quoted(c, run->conf->account);
	if (run->conf->account2 != NULL) {
		run->acct2 = ask_encoded(c, run->conf->account2);
		run->acct2_json = ask_quoted(c, run->conf->account2);
	}
	snprintf(run->stem, sizeof(run->stem), STEM "%08x",
	    arc4random());
	a = ask_get(c, "/");
	ask_status(c, a, 200);
	run->doc = ask_json(c, a);
	if (!val_number(run->doc, "api", 1, &api) || api != 1)
		check_fail(c, "this is no service document of API 1");
	check_read_caps(c, val_get(run->doc, "capabilities"));
	run->level = check_claimed(run->caps);
	ask_mailboxes(c);
}

/* Only the levels up to one are to be looked at, and that one must be. */
static int
check_level(struct check_run *run)
{
	uint64_t	keep = 0;
	char		why[128];
	int		level = run->conf->level;

	run->due = run->caps;
	if (level == -1 || level > 2)
		return 0;
	if (run->level < level) {
		snprintf(why, sizeof(why), "level %d is not announced, "
		    "but %d", level, run->level);
		result_set(&run->setup, CHECK_FAILED, why, NULL);
		return -1;
	}
	if (level >= 1)
		keep |= check_level_caps(level1);
	if (level >= 2)
		keep |= check_level_caps(level2);
	run->due &= keep;
	run->level = level;
	return 0;
}

static int
check_go(struct check_conf *conf)
{
	struct check_run	run;
	struct ck		home;
	int			r;

	memset(&run, 0, sizeof(run));
	run.conf = conf;
	run.home = &home;
	pthread_mutex_init(&run.lock, NULL);
	if ((run.results = calloc(nchecks, sizeof(*run.results))) == NULL)
		fatal("memory");
	check_init(&home, &run, NULL);
	if (check_try(&home, check_setup) == CHECK_PASSED &&
	    check_level(&run) == 0) {
		check_all(&run);
		check_left(&run);
		if (stopped && run.setup.verdict == CHECK_NONE)
			result_set(&run.setup, CHECK_FAILED,
			    "was interrupted", NULL);
	}
	r = report_print(&run);
	check_fini(&home);
	report_free(&run);
	pthread_mutex_destroy(&run.lock);
	return r ? CTL_DONE : CTL_FAILED;
}

/* the command line */

static int
check_usage(const char *what)
{
	if (what != NULL)
		fprintf(stderr, "mfrontctl: %s\n", what);
	fprintf(stderr, "usage: mfrontctl check -L\n"
	    "       mfrontctl check [-jv] [-A account] "
	    "[-a account] [-C cafile] [-c name,...]\n"
	    "\t    [-E certfile] [-K keyfile] [-l level] [-t tokenfile]\n"
	    "\t    [-u userfile] URL\n");
	return CTL_USAGE;
}

/* The first line of a file; NULL: the reason was told. */
static char *
check_first_line(const char *path)
{
	FILE	*f;
	char	*line = NULL;
	size_t	 size = 0;

	if ((f = fopen(path, "r")) == NULL) {
		log_warn("%s", path);
		return NULL;
	}
	if (getline(&line, &size, f) == -1) {
		log_warnx("%s: is empty", path);
		free(line);
		line = NULL;
	} else
		line[strcspn(line, "\r\n")] = '\0';
	fclose(f);
	return line;
}

static int
check_userfile(struct check_conf *conf, const char *path)
{
	char *colon;

	if ((conf->user = check_first_line(path)) == NULL)
		return -1;
	if ((colon = strchr(conf->user, ':')) == NULL) {
		log_warnx("%s: must be user:password", path);
		return -1;
	}
	*colon = '\0';
	conf->password = colon + 1;
	return 0;
}

struct check_args {
	const char	*cafile;
	const char	*certfile;
	const char	*keyfile;
	const char	*tokenfile;
	const char	*userfile;
};

static int
check_tls(struct check_conf *conf, const struct check_args *args)
{
	struct tls_config *t;

	if (conf->peer.url.kind != URL_HTTPS)
		return 0;
	if ((t = tls_config_new()) == NULL) {
		log_warn("TLS");
		return -1;
	}
	conf->peer.tls = t;
	if (args->cafile != NULL &&
	    tls_config_set_ca_file(t, args->cafile) == -1) {
		log_warnx("%s: %s", args->cafile, tls_config_error(t));
		return -1;
	}
	if (args->certfile != NULL && tls_config_set_keypair_file(t,
	    args->certfile, args->keyfile) == -1) {
		log_warnx("%s: %s", args->certfile, tls_config_error(t));
		return -1;
	}
	return 0;
}

/* 0, or what is wrong. */
static const char *
check_option(struct check_conf *conf, struct check_args *args, int ch)
{
	uint64_t level;

	switch (ch) {
	case 'A':
		conf->account2 = optarg;
		break;
	case 'a':
		conf->account = optarg;
		break;
	case 'C':
		args->cafile = optarg;
		break;
	case 'c':
		conf->only = optarg;
		break;
	case 'E':
		args->certfile = optarg;
		break;
	case 'j':
		conf->json = 1;
		break;
	case 'K':
		args->keyfile = optarg;
		break;
	case 'L':
		conf->list = 1;
		break;
	case 'l':
		if (units_parse(UNIT_COUNT, optarg, &level) == -1 ||
		    level > 3)
			return "the level must be 0, 1, 2 or 3";
		conf->level = (int)level;
		break;
	case 't':
		args->tokenfile = optarg;
		break;
	case 'u':
		args->userfile = optarg;
		break;
	case 'v':
		conf->verbose = 1;
		break;
	default:
		return "";
	}
	return NULL;
}

/* Every name that was given must be one. */
static const char *
check_names(const char *list)
{
	static char	 what[256];
	const char	*p;
	size_t		 i, len;

	for (p = list; p != NULL && *p != '\0'; p += len + (p[len] == ',')) {
		len = strcspn(p, ",");
		for (i = 0; i < nchecks; i++)
			if (strlen(checks[i].name) == len &&
			    memcmp(checks[i].name, p, len) == 0)
				break;
		if (i == nchecks) {
			snprintf(what, sizeof(what), "there is no check "
			    "\"%.*s\"", (int)len, p);
			return what;
		}
	}
	return NULL;
}

static int
check_files(struct check_conf *conf, const struct check_args *args)
{
	if (args->tokenfile != NULL && (conf->token =
	    check_first_line(args->tokenfile)) == NULL)
		return -1;
	if (args->userfile != NULL &&
	    check_userfile(conf, args->userfile) == -1)
		return -1;
	return check_tls(conf, args);
}

int
check_run(int argc, char **argv, int json)
{
	struct check_args	 args = { NULL };
	struct check_conf	 conf;
	const char		*what = NULL;
	int			 ch, r = CTL_FAILED;

	memset(&conf, 0, sizeof(conf));
	conf.account = ACCOUNT;
	conf.json = json;
	conf.level = -1;
	conf.peer.wait = WAIT_MS;
	optind = 1;
	while (what == NULL &&
	    (ch = getopt(argc, argv, "+A:a:C:c:E:jK:Ll:t:u:v")) != -1)
		what = check_option(&conf, &args, ch);
	if (what == NULL && conf.list && argc == optind) {
		report_list();
		return CTL_DONE;
	}
	if (what == NULL)
		what = check_names(conf.only);
	if (what == NULL && (args.certfile == NULL) != (args.keyfile == NULL))
		what = "-E and -K belong together";
	if (what != NULL || argc - optind != 1)
		return check_usage(what != NULL && *what != '\0' ? what :
		    NULL);
	conf.url = argv[optind];
	if (baseurl_parse(&conf.peer.url, conf.url, &what) == -1) {
		fprintf(stderr, "mfrontctl: the URL %s\n", what);
		return CTL_USAGE;
	}
	signal(SIGPIPE, SIG_IGN);
	if (check_files(&conf, &args) == 0)
		r = check_go(&conf);
	tls_config_free(conf.peer.tls);
	if (conf.token != NULL)
		freezero(conf.token, strlen(conf.token));
	if (conf.password != NULL)
		explicit_bzero(conf.password, strlen(conf.password));
	free(conf.user);
	return r;
}
