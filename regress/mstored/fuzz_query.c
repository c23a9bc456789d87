/*
 * Queries: what parses can be evaluated, and with every leaf known it is
 * never open; nor do bounds break.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "query.h"
#include "sterr.h"

const struct fuzz_seed fuzz_seeds[] = {
	FUZZ_SEED("{\"and\":[{\"flag\":\"\\\\Seen\"},{\"not\":{\"text\":"
	    "\"a\"}},{\"or\":[{\"larger\":1},{\"uids\":\"1:2,4\"}]}]}"),
	FUZZ_SEED("{\"header\":[\"Subject\",\"x\"]}"),
	FUZZ_SEED("{\"or\":[{\"sentsince\":\"2026-11-23\"},{\"modseq\":7},"
	    "{\"savedon\":\"2026-11-23\"},{\"all\":true}]}"),
};
const size_t fuzz_nseeds = sizeof(fuzz_seeds) / sizeof(fuzz_seeds[0]);

static enum tri
known(void *arg, const struct query_node *n)
{
	return ((uintptr_t)arg + n->op) % 2 ? TRI_YES : TRI_NO;
}

static enum tri
open_all(void *arg, const struct query_node *n)
{
	return TRI_OPEN;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const char *const names[] = { "query", NULL };
	struct query	q;
	struct args	a;
	struct ibuf	b;
	uint16_t	i;

	ibuf_init(&b, 1024 * 1024);
	query_init(&q);
	if (ibuf_adds(&b, "{\"query\":") == -1 ||
	    ibuf_add(&b, data, len) == -1 || ibuf_adds(&b, "}") == -1)
		abort();
	if (args_parse(&a, &b, names) == ST_OK && query_parse(&q, &a,
	    json_member(&a.j, 0, "query"), UINT64_MAX) == ST_OK) {
		if (q.n == 0 || q.n > QUERY_NODES || q.texts > QUERY_TEXTS ||
		    query_eval(&q, known, NULL) == TRI_OPEN)
			abort();
		(void)query_eval(&q, open_all, NULL);
		for (i = 0; i < q.n; i++)
			if (q.node[i].text.len > QUERY_BYTES)
				abort();
	}
	args_fini(&a);
	query_fini(&q);
	ibuf_fini(&b);
	return 0;
}
