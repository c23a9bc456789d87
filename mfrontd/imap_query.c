/*
 * What a search leaves to the storage.  The keys that need rows or texts go
 * into queries, each as large a part of the tree as there is without keys
 * that only the session can tell; one is enough for nearly every search.
 * Its answer is the key's value for all messages, as sets, and the rest is
 * combined here.
 *
 * A storage may answer with candidates, may know only some of the keys, or
 * may refuse: what it leaves open is found out by reading.
 */
#include <sys/types.h>
#include <stdlib.h>
#include <string.h>

#include "imap_search.h"
#include "log.h"

#define QUERY_MAX	60000	/* bytes */
#define QUERY_RANGES	4096	/* st_search */
#define QUERY_CREDIT	(256 * 1024)

#define HERE	0x1		/* has keys that we know the value of */
#define THERE	0x2		/* has keys for the storage */

static int
places(const struct imap_key *k)
{
	const struct imap_key	*c;
	int			 r = 0;

	switch (k->type) {
	case KEY_AND:
	case KEY_OR:
		for (c = k->child; c != NULL; c = c->next)
			r |= places(c);
		return r;
	case KEY_ALL:
	case KEY_SEQ:
	case KEY_UID:
	case KEY_FLAG:
	case KEY_KEYWORD:
	case KEY_RECENT:
	case KEY_MODSEQ:
	case KEY_EMAILID:
	case KEY_SAVEDATESUPPORTED:
	case KEY_THREADID:
		return HERE;
	default:
		return THERE;
	}
}

static void
query_add(struct iop *op, const struct imap_key *k)
{
	struct search		*s = op->data;
	struct stquery_can	 can;
	struct squery		*q;
	enum stquery_said	 said;

	can = imount_storage(op->s, op->mount)->search;
	/* without it a save date is the other date, which only we know */
	if (!iop_has(op, CAP_SAVEDATE))
		can.keys &= ~(uint32_t)STQUERY_SAVED;
	if (s->nqueries == QUERIES)
		return;
	q = &s->queries[s->nqueries];
	ibuf_init(&q->json, QUERY_MAX);
	said = stquery_put(&q->json, k, &can);
	if (said == STQUERY_NONE) {
		ibuf_fini(&q->json);
		return;
	}
	q->key = k;
	q->exact = said == STQUERY_EXACT;
	s->nqueries++;
}

/* Children that are all for the storage become one child. */
static struct imap_key *
query_group(struct search *s, struct imap_key *k)
{
	struct imap_key	*g, *c, **from = &k->child, **to;

	if (s->ngroups == QUERIES)
		return NULL;
	g = &s->groups[s->ngroups++];
	memset(g, 0, sizeof(*g));
	g->type = k->type;
	to = &g->child;
	while ((c = *from) != NULL) {
		if (places(c) != THERE) {
			from = &c->next;
			continue;
		}
		*from = c->next;
		c->next = NULL;
		*to = c;
		to = &c->next;
		g->needs |= c->needs;
	}
	*from = g;
	return g;
}

static void
query_plan(struct iop *op, struct imap_key *k)
{
	struct imap_key	*c, *g;
	int		 where = places(k), n = 0;

	if (where == THERE)
		query_add(op, k);
	if (where != (HERE | THERE))
		return;
	for (c = k->child; c != NULL; c = c->next)
		n += places(c) == THERE;
	if (n > 1 && (g = query_group(op->data, k)) != NULL)
		query_add(op, g);
	for (c = k->child; c != NULL; c = c->next)
		if (n == 1 || places(c) != THERE)
			query_plan(op, c);
}

void
squery_plan(struct iop *op)
{
	if (iop_has(op, CAP_SEARCH))
		query_plan(op, op->cmd.search.key);
}

const struct squery *
squery_of(const struct search *s, const struct imap_key *k)
{
	size_t i;

	for (i = 0; i < s->nqueries; i++)
		if (s->queries[i].key == k && s->queries[i].known)
			return &s->queries[i];
	return NULL;
}

void
squery_free(struct search *s)
{
	size_t i;

	for (i = 0; i < s->nqueries; i++) {
		ibuf_fini(&s->queries[i].json);
		uidset_fini(&s->queries[i].lo);
		uidset_fini(&s->queries[i].hi);
	}
}

void
squery_uids(const struct iop *op, const struct uidset *uids,
    struct uidset *out)
{
	uint32_t max = imount_storage(op->s, op->mount)->set /
	    UIDSET_TEXT_MAX;

	if (max > QUERY_RANGES)
		max = QUERY_RANGES;
	if (uids->n > max ? uidset_add(out, uidset_min(uids),
	    uidset_max(uids)) == -1 : uidset_copy(out, uids) == -1)
		fatal(NULL);
}

/* the answer */

/*
 * Messages that came after what the storage has looked at may match, and
 * those that it is not sure of.
 */
static void
query_bounds(struct iop *op, struct squery *q)
{
	struct uidset late;

	uidset_init(&late);
	if (uidset_union(&q->hi, &q->lo) == -1)
		fatal(NULL);
	if (!q->exact)
		uidset_clear(&q->lo);
	if (q->head.uidnext != 0) {
		if (uidset_copy(&late, &op->s->view->snap->uids) == -1 ||
		    (q->head.uidnext > 1 && uidset_remove(&late, 1,
		    q->head.uidnext - 1) == -1) ||
		    uidset_subtract(&q->lo, &late) == -1 ||
		    uidset_union(&q->hi, &late) == -1)
			fatal(NULL);
	}
	if (uidset_intersect(&q->lo, &op->s->view->snap->uids) == -1 ||
	    uidset_intersect(&q->hi, &op->s->view->snap->uids) == -1)
		fatal(NULL);
	uidset_fini(&late);
	q->known = 1;
}

static void
query_done(struct iop *op, const struct m_st_end *end)
{
	struct search	*s = op->data;
	struct squery	*q = s->query;
	char		 name[64];

	if (end->code == ST_OK) {
		/* of another mailbox by that name it says nothing here */
		if (q->head.uidvalidity == 0 ||
		    q->head.uidvalidity == op->s->view->m->uidvalidity)
			query_bounds(op, q);
	} else {
		imap_counts.searches_refused++;
		proc_session(name, sizeof(name), op->s->ls.id);
		log_debug("session=%s event=search refused: %s", name,
		    st_error(end->code)->text);
	}
	search_evaluate(op);
}

static void
query_answer(struct streq *rq, enum msg_type type, const void *arg)
{
	struct iop		*op = rq->arg;
	struct search		*s = op->data;
	const struct m_st_found	*m = arg;
	struct uidset		 set;

	lsession_timeout(&op->s->ls, LT_COMMAND);
	if (type == M_st_found_head)
		s->query->head = *(const struct m_st_found_head *)arg;
	else if (type == M_st_found) {
		uidset_init(&set);
		if (msg_set_get(&m->uids, &set) == -1 ||
		    uidset_intersect(&set, &op->s->view->snap->uids) == -1 ||
		    uidset_union(m->maybe ? &s->query->hi : &s->query->lo,
		    &set) == -1)
			fatal(NULL);
		uidset_fini(&set);
		st_credit(rq, m->uids.n * 8);
	} else if (type == M_st_end)
		query_done(op, arg);
}

int
squery_next(struct iop *op, const struct uidset *about)
{
	struct search		*s = op->data;
	struct squery		*q;
	struct m_st_search	 m;
	struct uidset		 uids;

	for (q = s->queries; q < s->queries + s->nqueries; q++)
		if (!q->asked)
			break;
	if (q == s->queries + s->nqueries)
		return 0;
	s->query = q;
	q->asked = 1;
	uidset_init(&uids);
	squery_uids(op, about, &uids);
	memset(&m, 0, sizeof(m));
	m.mount = op->mount->number;
	m.mailbox = op->s->view->m->id;
	m.uids = msg_set_of(&uids);
	m.query = msg_blob_of(ibuf_data(&q->json), ibuf_size(&q->json));
	m.credit = QUERY_CREDIT;
	imap_counts.searches_asked++;
	iop_ask(op, M_st_search, &m, query_answer);
	uidset_fini(&uids);
	return 1;
}
