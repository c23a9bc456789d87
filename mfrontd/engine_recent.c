/*
 * \Recent (RFC 3501, 2.3.2): the first read-write session that is told of a
 * message has it as recent.  All sessions of an account meet in one engine,
 * which remembers for each mailbox what has been told.  Of a mailbox it does
 * not know (since a start, or for long) everything is recent, as the RFC
 * says of what cannot be determined.
 */
#include <sys/types.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "log.h"

#define RECENT_MAX	4096	/* mailboxes of one account */

static int
recent_cmp(const struct recent *a, const struct recent *b)
{
	return strcmp(a->mailbox, b->mailbox);
}

RB_PROTOTYPE_STATIC(recents, recent, entry, recent_cmp)
RB_GENERATE_STATIC(recents, recent, entry, recent_cmp)

static struct recent *
recent_get(struct account *a, const char *mailbox)
{
	struct recent	*r = RB_ROOT(&a->recents);
	int		 d;

	while (r != NULL && (d = strcmp(mailbox, r->mailbox)) != 0)
		r = d < 0 ? RB_LEFT(r, entry) : RB_RIGHT(r, entry);
	if (r != NULL)
		return r;
	if (a->nrecent >= RECENT_MAX) {
		r = RB_ROOT(&a->recents);
		RB_REMOVE(recents, &a->recents, r);
		free(r->mailbox);
	} else {
		if ((r = calloc(1, sizeof(*r))) == NULL)
			fatal(NULL);
		a->nrecent++;
	}
	if ((r->mailbox = strdup(mailbox)) == NULL)
		fatal(NULL);
	r->told = 1;
	r->by = 0;
	RB_INSERT(recents, &a->recents, r);
	return r;
}

void
erecent_free(struct account *a)
{
	struct recent *r;

	while ((r = RB_ROOT(&a->recents)) != NULL) {
		RB_REMOVE(recents, &a->recents, r);
		free(r->mailbox);
		free(r);
	}
}

static void
recent_take(struct recent *r, uint32_t uidnext, uint32_t by)
{
	if (uidnext <= r->told)
		return;
	if (r->by != by)
		r->since = r->told;
	r->by = by;
	r->told = uidnext;
}

/* A process took some whose session went before it was told of them. */
static void
recent_give(struct recent *r, uint32_t first, uint32_t by)
{
	if (r->by != by)
		return;
	/* what was another's before is not given back */
	if (first < r->since)
		first = r->since;
	if (first < r->told)
		r->told = first;
}

void
erecent(struct ereq *e, const void *arg)
{
	const struct m_st_recent	*m = arg;
	struct m_st_recent_ok		 ok;
	struct recent			*r;

	r = recent_get(e->account, m->mailbox);
	ok.first = r->told;
	if (m->take == RECENT_TAKE)
		recent_take(r, m->uidnext, e->peer->gen);
	else if (m->take == RECENT_GIVE)
		recent_give(r, m->uidnext, e->peer->gen);
	ereq_send(e, M_st_recent_ok, &ok);
	ereq_end(e, ST_OK, "");
}
