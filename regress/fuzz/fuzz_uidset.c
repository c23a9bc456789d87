/*
 * Sets of uids, against what a plain array of members says: the input is a
 * program of operations on two of them.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "ibuf.h"
#include "uidset.h"

#define UIDS	96		/* 1 to this; the last stands for UINT32_MAX */

const struct fuzz_seed fuzz_seeds[] = {
	FUZZ_SEED("\x00\x05\x09\x00\x14\x1e\x01\x07\x07\x08\x03\x04"),
	FUZZ_SEED("\x02\x00\x5f\x0b\x28\x32\x04\x00\x00\x06\x00\x00"),
	FUZZ_SEED("\x00\x5f\x5f\x02\x01\x01\x03\x00\x00\x05\x00\x00"),
};
const size_t fuzz_nseeds = sizeof(fuzz_seeds) / sizeof(fuzz_seeds[0]);

struct model {
	struct uidset	set;
	uint8_t		has[UIDS + 1];
};

static uint32_t
uid_of(int i)
{
	return i == UIDS ? UINT32_MAX : (uint32_t)i;
}

static void
check_text(struct model *m)
{
	struct uidset	again;
	struct ibuf	b;

	uidset_init(&again);
	ibuf_init(&b, 4096);
	if (m->set.n > 0 && (uidset_put(&m->set, &b) == -1 ||
	    uidset_parse(&again, (const char *)ibuf_data(&b), ibuf_size(&b),
	    UIDS) == -1))
		abort();
	if (!uidset_equal(&again, &m->set))
		abort();
	uidset_fini(&again);
	ibuf_fini(&b);
}

static void
check(struct model *m)
{
	struct uidset_iter	it;
	uint32_t		i, n = 0, uid, next;

	for (i = 1; i < m->set.n; i++)
		if ((uint64_t)m->set.r[i - 1].hi + 1 >= m->set.r[i].lo)
			abort();
	next = uidset_first(&it, &m->set);
	for (i = 1; i <= UIDS; i++) {
		uid = uid_of((int)i);
		if (uidset_contains(&m->set, uid) != m->has[i] ||
		    uidset_below(&m->set, uid) != n)
			abort();
		n += m->has[i];
		if (uidset_rank(&m->set, uid) != (m->has[i] ? n : 0) ||
		    (m->has[i] && (uidset_nth(&m->set, n) != uid ||
		    next != uid)))
			abort();
		if (m->has[i])
			next = uidset_next(&it);
	}
	if (next != 0 || uidset_count(&m->set) != n ||
	    uidset_nth(&m->set, n + 1) != 0)
		abort();
	check_text(m);
}

/* A range of the model's members: the gap before the last is empty. */
static void
change(struct model *m, int lo, int hi, int on)
{
	int r;

	if (hi == UIDS && lo < UIDS) {
		r = on ? uidset_add(&m->set, UINT32_MAX, UINT32_MAX) :
		    uidset_remove(&m->set, uid_of(lo), UINT32_MAX);
		if (r == 0 && on)
			r = uidset_add(&m->set, uid_of(lo), UIDS - 1);
	} else
		r = on ? uidset_add(&m->set, uid_of(lo), uid_of(hi)) :
		    uidset_remove(&m->set, uid_of(lo), uid_of(hi));
	if (r == -1)
		abort();
	for (; lo <= hi; lo++)
		m->has[lo] = (uint8_t)on;
}

static void
combine(struct model *a, const struct model *b, int op)
{
	int i, r;

	r = op == 0 ? uidset_union(&a->set, &b->set) :
	    op == 1 ? uidset_subtract(&a->set, &b->set) :
	    uidset_intersect(&a->set, &b->set);
	if (r == -1)
		abort();
	for (i = 1; i <= UIDS; i++)
		a->has[i] = op == 0 ? a->has[i] | b->has[i] :
		    op == 1 ? a->has[i] & !b->has[i] : a->has[i] & b->has[i];
}

static int
overlap(const struct model *a, const struct model *b)
{
	int i;

	for (i = 1; i <= UIDS; i++)
		if (a->has[i] && b->has[i])
			return 1;
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct model	 m[2], *a, *b;
	int		 lo, hi;

	memset(m, 0, sizeof(m));
	uidset_init(&m[0].set);
	uidset_init(&m[1].set);
	for (; len >= 3; data += 3, len -= 3) {
		a = &m[data[0] & 1];
		b = &m[~data[0] & 1];
		lo = data[1] % UIDS + 1;
		hi = lo + data[2] % (UIDS - lo + 1);
		if ((data[0] >> 1) % 4 < 2)
			change(a, lo, hi, (data[0] >> 1) % 4 == 0);
		else
			combine(a, b, data[1] % 3);
		if (uidset_overlaps(&m[0].set, &m[1].set) !=
		    overlap(&m[0], &m[1]))
			abort();
		check(a);
	}
	uidset_fini(&m[0].set);
	uidset_fini(&m[1].set);
	return 0;
}
