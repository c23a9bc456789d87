/*
 * POST .../mailboxes/{m}/search: read and checked here, done by the search
 * worker; and what that does when there is nothing else to do.
 */
#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "json.h"
#include "log.h"
#include "search.h"

#define SEARCH_WAIT	64	/* requests that wait for the worker */
#define SEARCH_BUSY	20	/* requests in a second: not idle */
#define SEARCH_PATIENCE	10	/* s: then a step even if not idle */

struct search_call {
	struct job	 job;
	struct req	*req;
	struct ibuf	 body;
	char		 account[NAME_ACCOUNT_MAX + 1];
	struct search	 in;
};

static struct {
	struct searcher	*searcher;
	struct worker	*worker;
	struct job	 index;		/* one step */
	int		 indexing;	/* it is the worker's */
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

static void
search_run(struct job *j)
{
	struct search_call *c = (struct search_call *)(void *)j;

	searcher_run(search.searcher, &c->in);
}

static void
search_done(struct job *j)
{
	struct search_call	*c = (struct search_call *)(void *)j;
	struct ibuf		*b = &c->in.answer;

	if (req_return(c->req)) {
		if (c->in.code != ST_OK)
			resp_error(c->req, c->in.code, NULL);
		else
			resp_send(c->req, 200, TYPE_NDJSON, ibuf_data(b),
			    ibuf_size(b));
	}
	search_free(c);
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
	if (code == ST_OK && worker_submit(search.worker, &c->job) == -1)
		code = ST_TRY_LATER;
	if (code == ST_OK) {
		req_lend(r);
		return;
	}
	search_free(c);
	resp_error(r, code, NULL);
}

/* the index, a step at a time */

static void
index_run(struct job *j)
{
	search.result = searcher_index(search.searcher);
}

static int
search_idle(void)
{
	return server.requests - search.seen < SEARCH_BUSY;
}

static void
index_step(void)
{
	if (search.indexing || server.stopping ||
	    worker_submit(search.worker, &search.index) == -1)
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
	if (!HAS(CAP_SEARCH) && !HAS(CAP_SORT) && !HAS(CAP_THREAD))
		return 0;
	search.searcher = searcher_open(&server.conf->store,
	    server.conf->store.cache_kb,
	    (enum search_index)server.conf->index);
	return search.searcher == NULL ? -1 : 0;
}

int
search_start(void)
{
	if (search.searcher == NULL)
		return 0;
	if ((search.worker = worker_start(SEARCH_WAIT)) == NULL)
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
	if (search.searcher != NULL)
		searcher_quit(search.searcher);
	worker_stop(search.worker);
	search.worker = NULL;
	if (search.tick.class != NULL)
		tmo_stop(&search.tick);
}

void
search_close(void)
{
	searcher_close(search.searcher);
	search.searcher = NULL;
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
