/*
 * While trees are built only parents are kept, so that a node is moved at
 * no cost; lists of children are made, sorted, at the end.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ibuf.h"
#include "msgthread.h"

#define NONE	MSGTHREAD_NONE
#define DEAD	(UINT32_MAX - 1)	/* as a parent: the node is gone */

void
msgthread_fini(struct msgthread *t)
{
	free(t->node);
	free(t->table);
	free(t->order);
	memset(t, 0, sizeof(*t));
}

static uint32_t
thread_new(struct msgthread *t, const struct msgthread_msg *m)
{
	struct msgthread_node	*p;
	uint32_t		 cap;

	if (t->n == t->cap) {
		cap = t->cap > 0 ? t->cap * 2 : 64;
		if ((p = reallocarray(t->node, cap, sizeof(*p))) == NULL)
			return NONE;
		t->node = p;
		t->cap = cap;
	}
	p = &t->node[t->n];
	memset(p, 0, sizeof(*p));
	p->parent = p->child = p->next = p->hash = p->subject = NONE;
	if (m != NULL) {
		p->uid = m->uid;
		p->date = m->date;
		p->msg = m;
	}
	return t->n++;
}

/* One table for both: chained by hash of ids, then of subjects. */
static int
thread_table(struct msgthread *t, uint32_t n)
{
	uint32_t size = 64;

	while (size < n && size < UINT32_C(1) << 30)
		size *= 2;
	free(t->table);
	if ((t->table = reallocarray(NULL, size, sizeof(*t->table))) == NULL)
		return -1;
	memset(t->table, 0xff, (size_t)size * sizeof(*t->table));
	t->mask = size - 1;
	return 0;
}

static uint32_t *
thread_slot(struct msgthread *t, const struct hstr *s)
{
	uint64_t	h = UINT64_C(0xcbf29ce484222325);
	size_t		i;

	for (i = 0; i < s->len; i++)
		h = (h ^ (uint8_t)s->p[i]) * UINT64_C(0x100000001b3);
	return &t->table[(h ^ h >> 32) & t->mask];
}

static int
same(const struct hstr *a, const struct hstr *b)
{
	return a->len == b->len && memcmp(a->p, b->p, a->len) == 0;
}

/* references */

static uint32_t
id_find(struct msgthread *t, const struct hstr *id)
{
	uint32_t i;

	for (i = *thread_slot(t, id); i != NONE; i = t->node[i].hash)
		if (same(&t->node[i].id, id))
			return i;
	return NONE;
}

static uint32_t
id_add(struct msgthread *t, const struct hstr *id,
    const struct msgthread_msg *m)
{
	uint32_t i, *slot;

	if ((i = thread_new(t, m)) == NONE)
		return NONE;
	slot = thread_slot(t, id);
	t->node[i].id = *id;
	t->node[i].hash = *slot;
	*slot = i;
	return i;
}

/* May child come below parent?  Not in a circle, not too deep. */
static int
may_link(const struct msgthread *t, uint32_t parent, uint32_t child)
{
	uint32_t i, depth = 0;

	for (i = parent; i != NONE; i = t->node[i].parent)
		if (i == child || ++depth >= MSGTHREAD_DEPTH)
			return 0;
	return 1;
}

/* Its references, linked one below the other; the last one or NONE. */
static int
refs_link(struct msgthread *t, const struct msgthread_msg *m, uint32_t most,
    uint32_t *last)
{
	const char	*p = m->refs.p, *end = p + m->refs.len, *nl;
	struct hstr	 id;
	uint32_t	 i;

	*last = NONE;
	for (; p < end && (nl = memchr(p, '\n', (size_t)(end - p))) != NULL;
	    p = nl + 1) {
		id.p = p;
		id.len = (size_t)(nl - p);
		if ((i = id_find(t, &id)) == NONE) {
			/* what nobody has must not fill the memory */
			if (t->n >= most)
				continue;
			if ((i = id_add(t, &id, NULL)) == NONE)
				return -1;
		}
		if (*last != NONE && t->node[i].parent == NONE &&
		    may_link(t, *last, i))
			t->node[i].parent = *last;
		*last = i;
	}
	return 0;
}

static int
refs_message(struct msgthread *t, const struct msgthread_msg *m,
    uint32_t most)
{
	uint32_t last, i = NONE;

	if (m->id.len > 0 && (i = id_find(t, &m->id)) != NONE &&
	    t->node[i].msg != NULL)
		/* a second one with this id: it has none */
		i = thread_new(t, m);
	else if (i != NONE) {
		t->node[i].uid = m->uid;
		t->node[i].date = m->date;
		t->node[i].msg = m;
	} else
		i = m->id.len > 0 ? id_add(t, &m->id, m) : thread_new(t, m);
	if (i == NONE || refs_link(t, m, most, &last) == -1)
		return -1;
	t->node[i].parent = NONE;
	if (last != NONE && may_link(t, last, i))
		t->node[i].parent = last;
	return 0;
}

/*
 * Messages that are not there go: what is below one comes below what is
 * above it.  As a root it stays, if it holds several together.
 */
static void
prune(struct msgthread *t)
{
	struct msgthread_node	*n = t->node;
	uint32_t		 i, up, top;

	for (i = 0; i < t->n; i++) {
		if (n[i].msg == NULL)
			continue;
		top = NONE;
		for (up = n[i].parent; up != NONE && n[up].msg == NULL;
		    up = n[up].parent)
			top = up;
		/* the links among those that go stay until all are done */
		n[i].next = up != NONE ? up : top;
	}
	for (i = 0; i < t->n; i++) {
		n[i].parent = n[i].msg != NULL ? n[i].next : NONE;
		n[i].next = NONE;
		n[i].child = 0;
	}
	for (i = 0; i < t->n; i++)
		if (n[i].parent != NONE)
			n[n[i].parent].child++;
	for (i = 0; i < t->n; i++)
		if (n[i].msg != NULL && n[i].parent != NONE &&
		    n[n[i].parent].msg == NULL && n[n[i].parent].child == 1)
			n[i].parent = NONE;
	for (i = 0; i < t->n; i++)
		if (n[i].msg == NULL && n[i].child < 2)
			n[i].parent = DEAD;
}

/* order */

static int
order_cmp(const void *pa, const void *pb)
{
	const struct msgthread_order *a = pa, *b = pb;

	if (a->date != b->date)
		return a->date < b->date ? -1 : 1;
	return a->uid < b->uid ? -1 : a->uid > b->uid;
}

/* The messages that are there, by date: they do not move among themselves. */
static int
order_make(struct msgthread *t)
{
	struct msgthread_order	*o;
	uint32_t		 i;

	if ((t->order = reallocarray(NULL, t->n, sizeof(*t->order))) == NULL)
		return -1;
	for (i = 0; i < t->n; i++) {
		if (t->node[i].msg == NULL)
			continue;
		o = &t->order[t->norder++];
		o->date = t->node[i].date;
		o->uid = t->node[i].uid;
		o->node = i;
	}
	qsort(t->order, t->norder, sizeof(*t->order), order_cmp);
	return 0;
}

/*
 * Lists of children and the list of roots, each by date.  A dummy stands
 * where its first child would: it gets the child's date and message here,
 * but keeps its uid of 0.
 */
static void
lists_make(struct msgthread *t)
{
	struct msgthread_node	*n = t->node;
	uint32_t		 i, k, at, *list;

	for (i = 0; i < t->n; i++)
		n[i].child = n[i].next = NONE;
	t->root = NONE;
	for (k = t->norder; k > 0; k--) {
		i = t->order[k - 1].node;
		list = n[i].parent == NONE ? &t->root :
		    &n[n[i].parent].child;
		n[i].next = *list;
		*list = i;
	}
	for (k = 0; k < t->n; k++) {
		if (n[k].uid != 0 || n[k].parent == DEAD ||
		    n[k].child == NONE)
			continue;
		n[k].msg = n[n[k].child].msg;
		n[k].date = n[n[k].child].date;
	}
	/* dummies are roots: merged in where their first child belongs */
	for (k = 0, at = NONE, i = 0; i < t->norder; i++) {
		k = t->order[i].node;
		if (n[k].parent == NONE)
			at = k;
		else if (n[n[k].parent].uid == 0 &&
		    n[n[k].parent].child == k) {
			list = at == NONE ? &t->root : &n[at].next;
			at = n[k].parent;
			n[at].next = *list;
			*list = at;
		}
	}
}

/* subjects */

static int
is_dummy(const struct msgthread *t, uint32_t i)
{
	return t->node[i].uid == 0;
}

static int
is_reply(const struct msgthread *t, uint32_t i)
{
	return t->node[i].msg->reply;
}

/* The place in the table of those with this subject, NONE if there is none. */
static uint32_t *
subject_find(struct msgthread *t, const struct hstr *subject)
{
	uint32_t *p;

	for (p = thread_slot(t, subject); *p != NONE;
	    p = &t->node[*p].subject)
		if (same(&t->node[*p].msg->subject, subject))
			break;
	return p;
}

static void
subject_replace(struct msgthread *t, uint32_t *at, uint32_t with)
{
	t->node[with].subject = t->node[*at].subject;
	t->node[*at].subject = NONE;
	*at = with;
}

static void
subjects_collect(struct msgthread *t)
{
	uint32_t i, *at;

	for (i = t->root; i != NONE; i = t->node[i].next) {
		if (t->node[i].msg->subject.len == 0)
			continue;
		at = subject_find(t, &t->node[i].msg->subject);
		if (*at == NONE)
			*at = i;
		else if (!is_dummy(t, *at) && (is_dummy(t, i) ||
		    (is_reply(t, *at) && !is_reply(t, i))))
			subject_replace(t, at, i);
	}
}

/* Two threads with one subject become one. */
static int
subject_merge(struct msgthread *t, uint32_t *at, uint32_t i)
{
	uint32_t c, with = *at, new;

	if (is_dummy(t, with) && is_dummy(t, i)) {
		for (c = t->node[i].child; c != NONE; c = t->node[c].next)
			t->node[c].parent = with;
		t->node[i].parent = DEAD;
		return 0;
	}
	if (is_dummy(t, with) || (is_reply(t, i) && !is_reply(t, with))) {
		t->node[i].parent = with;
		return 0;
	}
	if ((new = thread_new(t, NULL)) == NONE)
		return -1;
	/* the array may have moved, and at with it */
	at = subject_find(t, &t->node[with].msg->subject);
	t->node[new].msg = t->node[with].msg;
	t->node[with].parent = t->node[i].parent = new;
	subject_replace(t, at, new);
	return 0;
}

static int
subjects_merge(struct msgthread *t)
{
	uint32_t i, next, *at;

	if (thread_table(t, t->n) == -1)
		return -1;
	subjects_collect(t);
	for (i = t->root; i != NONE; i = next) {
		next = t->node[i].next;
		if (t->node[i].msg->subject.len == 0)
			continue;
		at = subject_find(t, &t->node[i].msg->subject);
		if (*at != i && subject_merge(t, at, i) == -1)
			return -1;
	}
	return 0;
}

/* the algorithms */

static int
thread_references(struct msgthread *t, const struct msgthread_msg *m,
    uint32_t n)
{
	uint32_t i, most = n < UINT32_MAX / 8 ? 4 * n + 1000 : n;

	if (thread_table(t, 2 * n) == -1)
		return -1;
	for (i = 0; i < n; i++)
		if (refs_message(t, &m[i], most) == -1)
			return -1;
	prune(t);
	if (order_make(t) == -1)
		return -1;
	lists_make(t);
	if (subjects_merge(t) == -1)
		return -1;
	lists_make(t);
	return 0;
}

static int
thread_orderedsubject(struct msgthread *t, const struct msgthread_msg *m,
    uint32_t n)
{
	uint32_t i, k, *at;

	if (thread_table(t, n) == -1)
		return -1;
	for (i = 0; i < n; i++)
		if (thread_new(t, &m[i]) == NONE)
			return -1;
	if (order_make(t) == -1)
		return -1;
	for (k = 0; k < t->norder; k++) {
		i = t->order[k].node;
		at = subject_find(t, &t->node[i].msg->subject);
		if (*at == NONE)
			*at = i;
		else
			t->node[i].parent = *at;
	}
	lists_make(t);
	return 0;
}

int
msgthread_make(struct msgthread *t, enum msgthread_algorithm a,
    const struct msgthread_msg *m, uint32_t n)
{
	memset(t, 0, sizeof(*t));
	t->root = NONE;
	if (n == 0)
		return 0;
	return a == MSGTHREAD_REFERENCES ? thread_references(t, m, n) :
	    thread_orderedsubject(t, m, n);
}

/* text */

static int
put_sep(const char *style, struct ibuf *b, int list)
{
	/* IMAP has nothing between lists */
	if (list && style[1] == ' ')
		return 0;
	return ibuf_add_n8(b, (uint8_t)style[1]);
}

/* A chain; returns the first of the branches behind it in *branch. */
static int
put_chain(const struct msgthread *t, uint32_t i, const char *style,
    struct ibuf *b, uint32_t *branch)
{
	const struct msgthread_node	*n;
	int				 first = 1;

	if (ibuf_add_n8(b, (uint8_t)style[0]) == -1)
		return -1;
	for (;; i = n->child) {
		n = &t->node[i];
		if (n->uid != 0) {
			if (!first && ibuf_add_n8(b,
			    (uint8_t)style[1]) == -1)
				return -1;
			if (ibuf_addu(b, n->uid) == -1)
				return -1;
			first = 0;
		}
		*branch = n->child;
		if (n->child == NONE)
			return 0;
		if (t->node[n->child].next == NONE)
			continue;
		return first ? 0 : ibuf_add_n8(b, (uint8_t)style[1]);
	}
}

int
msgthread_put(const struct msgthread *t, uint32_t root, const char *style,
    unsigned int depth, struct ibuf *b)
{
	uint32_t	*open, i = root, branch;
	unsigned int	 d = 0;
	int		 r = -1;

	if ((open = reallocarray(NULL, depth, sizeof(*open))) == NULL)
		return -1;
	for (;;) {
		if (put_chain(t, i, style, b, &branch) == -1)
			break;
		if (branch != NONE) {
			if (d + 1 >= depth) {
				errno = E2BIG;
				break;
			}
			i = open[d++] = branch;
			continue;
		}
		if (ibuf_add_n8(b, (uint8_t)style[2]) == -1)
			break;
		while (d > 0 && t->node[open[d - 1]].next == NONE) {
			d--;
			if (ibuf_add_n8(b, (uint8_t)style[2]) == -1)
				goto done;
		}
		if (d == 0) {
			r = 0;
			break;
		}
		i = open[d - 1] = t->node[open[d - 1]].next;
		if (put_sep(style, b, 1) == -1)
			break;
	}
 done:
	free(open);
	return r;
}
