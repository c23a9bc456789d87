#include <string.h>

#include "cluster.h"

void
clusters_init(struct clusters *cs)
{
	memset(cs, 0, sizeof(*cs));
}

void
clusters_fini(struct clusters *cs)
{
	int i;

	for (i = 0; i < CLUSTER_MAX; i++)
		uidset_fini(&cs->c[i].uids);
	clusters_init(cs);
}

void
clusters_clear(struct clusters *cs)
{
	int i;

	for (i = 0; i < cs->n; i++)
		uidset_clear(&cs->c[i].uids);
	cs->n = cs->last = 0;
	cs->ranges = 0;
}

static int
cluster_is(const struct cluster *c, int64_t flags, uint64_t modseq)
{
	return c->flags == flags && c->modseq == modseq;
}

/* The cluster's place, CLUSTER_MAX when there is no room for a new one. */
static int
clusters_find(struct clusters *cs, int64_t flags, uint64_t modseq)
{
	int i;

	if (cs->n > 0 && cluster_is(&cs->c[cs->last], flags, modseq))
		return cs->last;
	for (i = 0; i < cs->n; i++)
		if (cluster_is(&cs->c[i], flags, modseq))
			return i;
	if (i < CLUSTER_MAX) {
		cs->c[i].flags = flags;
		cs->c[i].modseq = modseq;
		cs->n++;
	}
	return i;
}

int
clusters_add(struct clusters *cs, uint32_t uid, int64_t flags,
    uint64_t modseq)
{
	struct uidset	*set;
	int		 i;

	if (cs->ranges >= CLUSTER_RANGES)
		return 0;
	if ((i = clusters_find(cs, flags, modseq)) == CLUSTER_MAX)
		return 0;
	cs->last = i;
	set = &cs->c[i].uids;
	/* the hot case: the next uid of a run */
	if (set->n > 0 && set->r[set->n - 1].hi + 1 == uid) {
		set->r[set->n - 1].hi = uid;
		return 1;
	}
	if (uidset_add(set, uid, uid) == -1)
		return -1;
	cs->ranges++;
	return 1;
}
