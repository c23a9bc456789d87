#include <atf-c.h>
#include <stdlib.h>
#include <string.h>

#include "cluster.h"

/* All that was put in comes out: what is written, message by message. */
struct seen {
	int64_t		flags[5001];
	uint64_t	modseq[5001];
	int		n;
};

static void
flush(struct clusters *cs, struct seen *s)
{
	struct uidset_iter	it;
	uint32_t		uid, low = 0, ranges = 0;
	int			i;

	ATF_REQUIRE(cs->n <= CLUSTER_MAX);
	for (i = 0; i < cs->n; i++) {
		/* in order of their lowest uids */
		ATF_REQUIRE(uidset_min(&cs->c[i].uids) > low);
		low = uidset_min(&cs->c[i].uids);
		ranges += cs->c[i].uids.n;
		for (uid = uidset_first(&it, &cs->c[i].uids); uid != 0;
		    uid = uidset_next(&it)) {
			ATF_REQUIRE_EQ(0, s->flags[uid]);
			s->flags[uid] = cs->c[i].flags;
			s->modseq[uid] = cs->c[i].modseq;
			s->n++;
		}
	}
	ATF_REQUIRE(ranges <= CLUSTER_RANGES);
	clusters_clear(cs);
}

static void
run(int nflags, int nmodseqs, int gap)
{
	static struct seen	 s;
	static int64_t		 flags[5001];
	static uint64_t		 modseq[5001];
	struct clusters		 cs;
	uint32_t		 uid;
	int			 n = 0, r;

	memset(&s, 0, sizeof(s));
	memset(flags, 0, sizeof(flags));
	clusters_init(&cs);
	for (uid = 1; uid <= 5000; uid += 1 + (uint32_t)(random() % gap)) {
		flags[uid] = 1 + random() % nflags;
		modseq[uid] = 1 + (uint64_t)random() % (uint64_t)nmodseqs;
		n++;
		while ((r = clusters_add(&cs, uid, flags[uid],
		    modseq[uid])) == 0)
			flush(&cs, &s);
		ATF_REQUIRE_EQ(1, r);
	}
	flush(&cs, &s);
	ATF_REQUIRE_EQ(n, s.n);
	ATF_REQUIRE_EQ(0, memcmp(flags, s.flags, sizeof(flags)));
	for (uid = 1; uid <= 5000; uid++)
		if (flags[uid] != 0)
			ATF_REQUIRE_EQ(modseq[uid], s.modseq[uid]);
	clusters_fini(&cs);
}

ATF_TC_WITHOUT_HEAD(model);
ATF_TC_BODY(model, tc)
{
	srandom(4);
	run(1, 1, 1);
	run(2, 1, 1);
	run(3, 3, 2);
	run(CLUSTER_MAX, 1, 1);
	run(CLUSTER_MAX + 1, 1, 3);
	run(1000, 5, 1);
}

ATF_TC_WITHOUT_HEAD(dense);
ATF_TC_BODY(dense, tc)
{
	struct clusters	cs;
	uint32_t	uid;

	clusters_init(&cs);
	for (uid = 1; uid <= 1000000; uid++)
		ATF_REQUIRE_EQ(1, clusters_add(&cs, uid, 5, 0));
	ATF_CHECK_EQ(1, cs.n);
	ATF_CHECK_EQ(1, cs.c[0].uids.n);
	ATF_CHECK_EQ(1000000, uidset_count(&cs.c[0].uids));
	clusters_fini(&cs);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, model);
	ATF_TP_ADD_TC(tp, dense);
	return atf_no_error();
}
