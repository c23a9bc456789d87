/*
 * POST .../mailboxes/{m}/search: read and checked here, done by the search
 * workers; and what the first does when there is nothing else to do.
 *
 * A search may take long, and those of others must not wait for it: there
 * are some workers, an account has one of them at most, and they take turns.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "call.h"
#include "json.h"
#include "log.h"
#include "search.h"

#define SEARCHERS	4
#define SEARCH_WAIT	64	/* requests that wait for one of them */
#define SEARCH_SLICE	20	/* ms until it is another one's turn */
#define SEARCH_BUSY	20	/* requests in a second: not idle */
#define SEARCH_PATIENCE	10	/* s: then a step even if not idle */

struct search_slot;

struct search_call {
	struct job	 job;
	struct search_slot *slot;
	TAILQ_ENTRY(search_call) entry;	/* waiting for one */
	struct req	*req;
	struct ibuf	 body;
	char		 account[NAME_ACCOUNT_MAX + 1];
	struct search	 in;
};

struct search_slot {
	struct searcher	*searcher;
	struct worker	*worker;
	struct search_call *call;
};

static struct {
	struct search_slot slot[SEARCHERS];
	TAILQ_HEAD(, search_call) waiting;
	unsigned int	 nwaiting;
	struct job	 index;		/* one step, of the first slot */
	int		 indexing;	/* it is the worker's */
	int		 late;		/* it has to wait for a search */
	int		 result;	/* the worker's, while indexing */
	int		 failed;	/* the last step did */
	uint64_t	 seen;		/* requests, a second ago */
	unsigned int	 waited;	/* s */
	struct tmo_class tick_class;
	struct tmo	 tick;
} search;

static void
search_free(struct search_call *c)
{
	query_fini(&c->in.q);
	uidset_fini(&c->in.uids);
	ibuf_fini(&c->in.answer);
	ibuf_fini(&c->body);
	free(c);
}

/* turns, in the workers: who comes first is next */

static struct {
	pthread_mutex_t	 lock;
	pthread_cond_t	 cond;
	unsigned int	 last, now;
	struct timespec	 since;
} turn = { .lock = PTHREAD_MUTEX_INITIALIZER,
    .cond = PTHREAD_COND_INITIALIZER };

static void
turn_begin(void)
{
	unsigned int mine;

	pthread_mutex_lock(&turn.lock);
	mine = turn.last++;
	while (mine != turn.now)
		pthread_cond_wait(&turn.cond, &turn.lock);
	clock_gettime(CLOCK_MONOTONIC, &turn.since);
	pthread_mutex_unlock(&turn.lock);
}

static void
turn_end(void)
{
	pthread_mutex_lock(&turn.lock);
	turn.now++;
	pthread_cond_broadcast(&turn.cond);
	pthread_mutex_unlock(&turn.lock);
}

static void
turn_pause(void)
{
	struct timespec	t;
	long		ms;

	clock_gettime(CLOCK_MONOTONIC, &t);
	ms = (long)(t.tv_sec - turn.since.tv_sec) * 1000 +
	    (t.tv_nsec - turn.since.tv_nsec) / 1000000;
	if (ms < SEARCH_SLICE)
		return;
	turn_end();
	turn_begin();
}

static void
search_run(struct job *j)
{
	struct search_call *c = (struct search_call *)(void *)j;

	turn_begin();
	searcher_run(c->slot->searcher, &c->in);
	turn_end();
}

/* who is next, in the loop */

/* Has its account one already? */
static int
search_busy(const struct search_call *c)
{
	int i;

	for (i = 0; i < SEARCHERS; i++)
		if (search.slot[i].call != NULL &&
		    strcmp(search.slot[i].call->account, c->account) == 0)
			return 1;
	return 0;
}

/* The first one, which keeps the index, last. */
static struct search_slot *
search_free_slot(void)
{
	int i;

	for (i = SEARCHERS - 1; i >= 0; i--)
		if (search.slot[i].call == NULL &&
		    (i > 0 || !search.indexing))
			return &search.slot[i];
	return NULL;
}

static void
search_next(void)
{
	struct search_call	*c, *next;
	struct search_slot	*sl;

	for (c = TAILQ_FIRST(&search.waiting); c != NULL &&
	    (sl = search_free_slot()) != NULL; c = next) {
		next = TAILQ_NEXT(c, entry);
		if (search_busy(c))
			continue;
		c->slot = sl;
		if (worker_submit(sl->worker, &c->job) == -1)
			continue;
		TAILQ_REMOVE(&search.waiting, c, entry);
		search.nwaiting--;
		sl->call = c;
	}
}

static void
search_answer(struct search_call *c)
{
	struct ibuf *b = &c->in.answer;

	if (req_return(c->req)) {
		if (c->in.code != ST_OK)
			resp_error(c->req, c->in.code, NULL);
		else
			resp_send(c->req, 200, TYPE_NDJSON, ibuf_data(b),
			    ibuf_size(b));
	}
	search_free(c);
}

static void	index_step(void);

static void
search_done(struct job *j)
{
	struct search_call	*c = (struct search_call *)(void *)j;
	struct search_slot	*sl = c->slot;

	search_answer(c);
	sl->call = NULL;
	if (search.late && sl == search.slot)
		index_step();
	search_next();
}

/* the request */

static int
search_name(const char *const *names, int n, const char *s)
{
	int i;

	for (i = 0; i < n; i++)
		if (strcmp(names[i], s) == 0)
			return i;
	return -1;
}

static int
search_criterion(struct search *in, struct args *a, int i)
{
	static const char *const known[] = { "by", "reverse", NULL };
	const char	*s;
	size_t		 len;
	int		 by, *reverse = &in->sort[in->nsort].reverse;

	if (json_type(&a->j, i) != JSMN_OBJECT)
		return ST_BAD_REQUEST;
	if (json_unknown(&a->j, i, known) != -1)
		return ST_UNKNOWN_PARAMETER;
	*reverse = 0;
	if (args_text(a, json_member(&a->j, i, "by"), &s, &len) != 1 ||
	    json_bool(&a->j, json_member(&a->j, i, "reverse"), reverse) == -1)
		return ST_BAD_REQUEST;
	if ((by = search_name(search_by_names, SEARCH_BYS, s)) == -1)
		return ST_UNSUPPORTED_SEARCH;
	in->sort[in->nsort++].by = (enum search_by)by;
	return ST_OK;
}

static int
search_sort(struct search *in, struct args *a, int i)
{
	int n = json_count(&a->j, i), r;

	if (i == -1 || json_is_null(&a->j, i))
		return ST_OK;
	if (json_type(&a->j, i) != JSMN_ARRAY || n == 0)
		return ST_BAD_REQUEST;
	if (n > SEARCH_CRITERIA)
		return ST_UNSUPPORTED_SEARCH;
	for (i = args_first(a, i); i != -1; i = args_next(a, i))
		if ((r = search_criterion(in, a, i)) != ST_OK)
			return r;
	return ST_OK;
}

static int
search_thread(struct search *in, struct args *a, int i)
{
	const char	*s;
	size_t		 len;
	int		 r;

	if ((r = args_text(a, i, &s, &len)) != 1)
		return r == 0 ? ST_OK : ST_BAD_REQUEST;
	if ((r = search_name(search_thread_names, SEARCH_THREADS, s)) == -1)
		return ST_UNSUPPORTED_SEARCH;
	in->threaded = 1;
	in->thread = (enum msgthread_algorithm)r;
	return ST_OK;
}

static int
search_parse(struct search *in, struct args *a)
{
	int i, r, limited;

	if ((i = json_member(&a->j, 0, "query")) != -1 &&
	    !json_is_null(&a->j, i) && (r = query_parse(&in->q, a, i,
	    in->caps)) != ST_OK)
		return r;
	if ((limited = args_set(a, json_member(&a->j, 0, "uids"), SET_MAX,
	    &in->uids)) == -1)
		return ST_BAD_REQUEST;
	in->limited = limited;
	if ((r = search_sort(in, a, json_member(&a->j, 0, "sort"))) !=
	    ST_OK || (r = search_thread(in, a, json_member(&a->j, 0,
	    "thread"))) != ST_OK)
		return r;
	r = json_u64(&a->j, json_member(&a->j, 0, "limit"), UINT32_MAX,
	    &in->limit);
	if (r == -1 || (r == 1 && in->limit == 0) ||
	    (in->threaded && (in->nsort > 0 || in->limit != 0)))
		return ST_BAD_REQUEST;
	return ST_OK;
}

/* Members that belong to a capability are there with it only. */
static void
search_known(const char **known)
{
	*known++ = "uids";
	*known++ = "limit";
	if (HAS(CAP_SEARCH))
		*known++ = "query";
	if (HAS(CAP_SORT))
		*known++ = "sort";
	if (HAS(CAP_THREAD))
		*known++ = "thread";
	*known = NULL;
}

void
call_search(struct req *r, const struct head *hd)
{
	const char		*known[6];
	struct search_call	*c;
	struct args		 a;
	int			 code;

	if ((c = calloc(1, sizeof(*c))) == NULL) {
		resp_error(r, ST_TRY_LATER, NULL);
		return;
	}
	c->job.run = search_run;
	c->job.done = search_done;
	c->req = r;
	req_take_body(r, &c->body);
	strlcpy(c->account, r->account, sizeof(c->account));
	c->in.account = c->account;
	c->in.mailbox = r->mailbox;
	c->in.caps = server.conf->caps;
	c->in.most = server.conf->search_read;
	query_init(&c->in.q);
	uidset_init(&c->in.uids);
	ibuf_init(&c->in.answer, SEARCH_ANSWER);
	search_known(known);
	if ((code = args_parse(&a, &c->body, known)) == ST_OK)
		code = search_parse(&c->in, &a);
	args_fini(&a);
	if (code == ST_OK && search.nwaiting >= SEARCH_WAIT)
		code = ST_TRY_LATER;
	if (code == ST_OK) {
		req_lend(r);
		TAILQ_INSERT_TAIL(&search.waiting, c, entry);
		search.nwaiting++;
		search_next();
		return;
	}
	search_free(c);
	resp_error(r, code, NULL);
}

/* the index, a step at a time */

static void
index_run(struct job *j)
{
	turn_begin();
	search.result = searcher_index(search.slot[0].searcher);
	turn_end();
}

static int
search_idle(void)
{
	return server.requests - search.seen < SEARCH_BUSY;
}

static void
index_step(void)
{
	search.late = search.slot[0].call != NULL;
	if (search.indexing || search.late || server.stopping ||
	    worker_submit(search.slot[0].worker, &search.index) == -1)
		return;
	search.indexing = 1;
	search.waited = 0;
}

/* After an error it is tried again when patience is at its end. */
static void
index_done_job(struct job *j)
{
	search.indexing = 0;
	search.failed = search.result == -1;
	search_next();
	if (search.result == 1 && search_idle())
		index_step();
}

static void
search_tick(struct tmo *t)
{
	search.waited++;
	if ((search_idle() && !search.failed) ||
	    search.waited >= SEARCH_PATIENCE)
		index_step();
	search.seen = server.requests;
	if (!server.stopping)
		tmo_start(&search.tick, &search.tick_class);
}

int
search_open(void)
{
	struct store_conf	conf = server.conf->store;
	int			i;

	TAILQ_INIT(&search.waiting);
	if (!HAS(CAP_SEARCH) && !HAS(CAP_SORT) && !HAS(CAP_THREAD))
		return 0;
	for (i = 0; i < SEARCHERS; i++) {
		/* filling the index takes more than reading it */
		conf.cache_kb = server.conf->store.cache_kb /
		    (i > 0 ? SEARCHERS : 1);
		if ((search.slot[i].searcher = searcher_open(&conf,
		    conf.cache_kb, (enum search_index)server.conf->index,
		    i > 0, turn_pause)) == NULL)
			return -1;
	}
	return 0;
}

int
search_start(void)
{
	int i;

	if (search.slot[0].searcher == NULL)
		return 0;
	/* its own search, or a step of the index */
	for (i = 0; i < SEARCHERS; i++)
		if ((search.slot[i].worker = worker_start(1)) == NULL)
			return -1;
	search.index.run = index_run;
	search.index.done = index_done_job;
	tmo_class_init(&search.tick_class, 1, search_tick);
	tmo_start(&search.tick, &search.tick_class);
	return 0;
}

void
search_stop(void)
{
	struct search_call	*c;
	int			 i;

	while ((c = TAILQ_FIRST(&search.waiting)) != NULL) {
		TAILQ_REMOVE(&search.waiting, c, entry);
		search.nwaiting--;
		c->in.code = ST_TRY_LATER;
		search_answer(c);
	}
	for (i = 0; i < SEARCHERS; i++)
		if (search.slot[i].searcher != NULL)
			searcher_quit(search.slot[i].searcher);
	for (i = 0; i < SEARCHERS; i++) {
		worker_stop(search.slot[i].worker);
		search.slot[i].worker = NULL;
	}
	if (search.tick.class != NULL)
		tmo_stop(&search.tick);
}

void
search_close(void)
{
	int i;

	for (i = 0; i < SEARCHERS; i++) {
		searcher_close(search.slot[i].searcher);
		search.slot[i].searcher = NULL;
	}
}

/* What the service document says of it. */

int
search_put_keys(struct ibuf *b)
{
	int i;

	if (json_open(b, '{') == -1 || json_key(b, "keys") == -1 ||
	    json_open(b, '[') == -1)
		return -1;
	for (i = 0; i < QUERY_OPS; i++)
		if ((query_needs((enum query_op)i) & ~server.conf->caps) ==
		    0 && json_put_str(b, query_names[i]) == -1)
			return -1;
	return json_close(b, ']') == -1 ||
	    json_ku64(b, "nodes", QUERY_NODES) == -1 ||
	    json_ku64(b, "depth", QUERY_DEPTH) == -1 ||
	    json_ku64(b, "texts", QUERY_TEXTS) == -1 ||
	    json_close(b, '}') == -1 ? -1 : 0;
}

static int
search_put_names(struct ibuf *b, const char *key, const char *const *names,
    int n)
{
	int i;

	if (json_open(b, '{') == -1 || json_key(b, key) == -1 ||
	    json_open(b, '[') == -1)
		return -1;
	for (i = 0; i < n; i++)
		if (json_put_str(b, names[i]) == -1)
			return -1;
	return json_close(b, ']') == -1 || json_close(b, '}') == -1 ? -1 : 0;
}

int
search_put_sort(struct ibuf *b)
{
	return search_put_names(b, "keys", search_by_names, SEARCH_BYS);
}

int
search_put_thread(struct ibuf *b)
{
	return search_put_names(b, "algorithms", search_thread_names,
	    SEARCH_THREADS);
}
