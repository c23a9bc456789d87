#include <stdlib.h>
#include <string.h>

#include "flags.h"
#include "query.h"
#include "rfcdate.h"
#include "sterr.h"

const char *const query_names[QUERY_OPS] = {
	"all", "and", "or", "not", "flag", "uids", "larger", "smaller",
	"since", "before", "on", "sentsince", "sentbefore", "senton",
	"header", "text", "body", "modseq", "savedsince", "savedbefore",
	"savedon"
};

uint64_t
query_needs(enum query_op op)
{
	if (op == QUERY_MODSEQ)
		return CAP(CAP_MODSEQ);
	return op >= QUERY_SAVEDSINCE ? CAP(CAP_SAVEDATE) : 0;
}

void
query_init(struct query *q)
{
	memset(q, 0, sizeof(*q));
}

void
query_fini(struct query *q)
{
	uint16_t i;

	for (i = 0; i < q->n; i++)
		uidset_fini(&q->node[i].uids);
	free(q->node);
	query_init(q);
}

static int
query_new(struct query *q, uint16_t *at)
{
	struct query_node	*n;
	uint16_t		 cap;

	if (q->n == QUERY_NODES)
		return ST_UNSUPPORTED_SEARCH;
	if (q->n == q->cap) {
		cap = q->cap > 0 ? q->cap * 2 : 16;
		if ((n = reallocarray(q->node, cap, sizeof(*n))) == NULL)
			return ST_TRY_LATER;
		q->node = n;
		q->cap = cap;
	}
	n = &q->node[q->n];
	memset(n, 0, sizeof(*n));
	n->first = n->next = QUERY_NONE;
	uidset_init(&n->uids);
	*at = q->n++;
	return ST_OK;
}

int
query_day(int32_t *day, const char *s, size_t len)
{
	char		text[sizeof("2026-11-23T00:00:00Z")];
	struct rfcdate	d;

	if (len != 10)
		return -1;
	memcpy(text, s, len);
	memcpy(text + len, "T00:00:00Z", 11);
	if (rfcdate_parse_3339(&d, text, sizeof(text) - 1) == -1)
		return -1;
	*day = rfcdate_day(&d);
	return 0;
}

/* values of leaves: each gets its node and the value's token */

static int
leaf_all(struct query *q, struct query_node *n, struct args *a, int i)
{
	int v;

	return json_bool(&a->j, i, &v) == 1 && v ? ST_OK : ST_BAD_REQUEST;
}

static int
leaf_text(struct args *a, int i, struct hstr *s)
{
	if (args_text(a, i, &s->p, &s->len) != 1)
		return ST_BAD_REQUEST;
	return s->len <= QUERY_BYTES ? ST_OK : ST_UNSUPPORTED_SEARCH;
}

static int
leaf_flag(struct query *q, struct query_node *n, struct args *a, int i)
{
	int r;

	if ((r = leaf_text(a, i, &n->text)) != ST_OK)
		return r;
	if ((r = flag_parse(n->text.p, n->text.len)) == -1)
		return ST_BAD_REQUEST;
	n->sys = (uint32_t)r;
	if (q->flags == QUERY_FLAGS)
		return ST_UNSUPPORTED_SEARCH;
	n->leaf = (uint16_t)q->flags++;
	return ST_OK;
}

static int
leaf_uids(struct query *q, struct query_node *n, struct args *a, int i)
{
	return args_set(a, i, SIZE_MAX, &n->uids) == 1 ? ST_OK :
	    ST_BAD_REQUEST;
}

static int
leaf_number(struct query *q, struct query_node *n, struct args *a, int i)
{
	return json_u64(&a->j, i, ((uint64_t)1 << 53) - 1, &n->num) == 1 ?
	    ST_OK : ST_BAD_REQUEST;
}

static int
leaf_day(struct query *q, struct query_node *n, struct args *a, int i)
{
	const char	*s;
	size_t		 len;

	return args_text(a, i, &s, &len) == 1 &&
	    query_day(&n->day, s, len) == 0 ? ST_OK : ST_BAD_REQUEST;
}

static int
leaf_search(struct query *q, struct query_node *n, struct args *a, int i)
{
	if (q->texts == QUERY_TEXTS)
		return ST_UNSUPPORTED_SEARCH;
	n->leaf = (uint16_t)q->texts++;
	return leaf_text(a, i, &n->text);
}

static int
leaf_header(struct query *q, struct query_node *n, struct args *a, int i)
{
	int k, r;

	if (json_type(&a->j, i) != JSMN_ARRAY || json_count(&a->j, i) != 2)
		return ST_BAD_REQUEST;
	k = args_first(a, i);
	if ((r = leaf_text(a, k, &n->field)) != ST_OK)
		return r;
	if (n->field.len == 0)
		return ST_BAD_REQUEST;
	return leaf_search(q, n, a, args_next(a, k));
}

typedef int (*leaf_fn)(struct query *, struct query_node *, struct args *,
    int);

static const leaf_fn leaves[QUERY_OPS] = {
	[QUERY_ALL] = leaf_all,
	[QUERY_FLAG] = leaf_flag,
	[QUERY_UIDS] = leaf_uids,
	[QUERY_LARGER] = leaf_number,
	[QUERY_SMALLER] = leaf_number,
	[QUERY_SINCE] = leaf_day,
	[QUERY_BEFORE] = leaf_day,
	[QUERY_ON] = leaf_day,
	[QUERY_SENTSINCE] = leaf_day,
	[QUERY_SENTBEFORE] = leaf_day,
	[QUERY_SENTON] = leaf_day,
	[QUERY_HEADER] = leaf_header,
	[QUERY_TEXT] = leaf_search,
	[QUERY_BODY] = leaf_search,
	[QUERY_MODSEQ] = leaf_number,
	[QUERY_SAVEDSINCE] = leaf_day,
	[QUERY_SAVEDBEFORE] = leaf_day,
	[QUERY_SAVEDON] = leaf_day,
};

/* the tree */

static int	query_value(struct query *, struct args *, int, uint64_t, int,
		    uint16_t *);

static int
query_children(struct query *q, struct args *a, int i, uint64_t caps,
    int depth, uint16_t at)
{
	uint16_t last = QUERY_NONE, kid;
	int	 r;

	if (json_type(&a->j, i) != JSMN_ARRAY || json_count(&a->j, i) == 0)
		return ST_BAD_REQUEST;
	for (i = args_first(a, i); i != -1; i = args_next(a, i)) {
		if ((r = query_value(q, a, i, caps, depth, &kid)) != ST_OK)
			return r;
		if (last == QUERY_NONE)
			q->node[at].first = kid;
		else
			q->node[last].next = kid;
		last = kid;
	}
	return ST_OK;
}

/* The one member of an object, and what it says it is. */
static int
query_member(struct args *a, int i, uint64_t caps, enum query_op *op,
    int *value)
{
	int k;

	if (json_type(&a->j, i) != JSMN_OBJECT || json_count(&a->j, i) != 1)
		return ST_BAD_REQUEST;
	for (k = 0; k < QUERY_OPS; k++) {
		if ((query_needs((enum query_op)k) & ~caps) != 0 ||
		    (*value = json_member(&a->j, i, query_names[k])) == -1)
			continue;
		*op = (enum query_op)k;
		return ST_OK;
	}
	return ST_UNKNOWN_PARAMETER;
}

static int
query_value(struct query *q, struct args *a, int i, uint64_t caps, int depth,
    uint16_t *at)
{
	enum query_op	op;
	uint16_t	kid;
	int		r, v;

	if (depth == QUERY_DEPTH)
		return ST_UNSUPPORTED_SEARCH;
	if ((r = query_member(a, i, caps, &op, &v)) != ST_OK ||
	    (r = query_new(q, at)) != ST_OK)
		return r;
	q->node[*at].op = op;
	q->ops |= UINT32_C(1) << op;
	if (op == QUERY_AND || op == QUERY_OR)
		return query_children(q, a, v, caps, depth + 1, *at);
	if (op != QUERY_NOT)
		return leaves[op](q, &q->node[*at], a, v);
	if ((r = query_value(q, a, v, caps, depth + 1, &kid)) == ST_OK)
		q->node[*at].first = kid;
	return r;
}

int
query_parse(struct query *q, struct args *a, int i, uint64_t caps)
{
	uint16_t root;

	return query_value(q, a, i, caps, 0, &root);
}

/* evaluation */

typedef enum tri (*tri_fn)(void *, const struct query_node *);

static enum tri	query_node_eval(const struct query *, uint16_t, tri_fn,
		    void *);

/* AND looks for a no, OR for a yes; either may stay open. */
static enum tri
query_join(const struct query *q, const struct query_node *n, enum tri stop,
    tri_fn leaf, void *arg)
{
	enum tri	t, all = stop == TRI_NO ? TRI_YES : TRI_NO;
	uint16_t	i;

	for (i = n->first; i != QUERY_NONE; i = q->node[i].next) {
		if ((t = query_node_eval(q, i, leaf, arg)) == stop)
			return stop;
		if (t == TRI_OPEN)
			all = TRI_OPEN;
	}
	return all;
}

static enum tri
query_node_eval(const struct query *q, uint16_t i, tri_fn leaf, void *arg)
{
	const struct query_node *n = &q->node[i];
	enum tri		 t;

	switch (n->op) {
	case QUERY_ALL:
		return TRI_YES;
	case QUERY_AND:
		return query_join(q, n, TRI_NO, leaf, arg);
	case QUERY_OR:
		return query_join(q, n, TRI_YES, leaf, arg);
	case QUERY_NOT:
		t = query_node_eval(q, n->first, leaf, arg);
		return t == TRI_OPEN ? t : t == TRI_YES ? TRI_NO : TRI_YES;
	default:
		return leaf(arg, n);
	}
}

enum tri
query_eval(const struct query *q, tri_fn leaf, void *arg)
{
	return q->n == 0 ? TRI_YES : query_node_eval(q, 0, leaf, arg);
}
