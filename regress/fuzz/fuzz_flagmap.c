/*
 * The input is a program of operations on a flag map, four bytes each; a
 * plain array is the truth.
 */
#include <stdlib.h>
#include <string.h>

#include "flagmap.h"
#include "fuzz.h"

#define N	96

const struct fuzz_seed fuzz_seeds[] = {
	FUZZ_SEED("a\x01\x20\x01" "p\x05\x09\x02" "m\x07\x03\x01"
	    "r\x08\x02\x00" "a\x30\x08\x03" "s\x02\x40\x04"),
	FUZZ_SEED("a\x50\x05\x01" "a\x40\x05\x01" "P\x45\x20\x07"
	    "R\x40\x10\x01" "t\x00\x00\x00" "M\x01\x5f\x03"),
};
const size_t fuzz_nseeds = sizeof(fuzz_seeds) / sizeof(fuzz_seeds[0]);

static const char *const names[] = { "", "\\Seen", "a", "\\Seen b",
    "\\Deleted a c", "d", "\\Draft \\Seen a b c d", "b" };

struct state {
	struct flagmap	m;
	uint32_t	truth[N + 1];
};

static void
need(int ok)
{
	if (!ok)
		abort();
}

/* The uids an operation is about: a range, or every third one of it. */
static void
pick(struct uidset *s, const uint8_t *op)
{
	uint32_t	lo = 1 + op[1] % N, hi = lo + op[2] % 32, u;

	uidset_init(s);
	for (u = lo; u <= hi && u <= N; u++)
		if (op[0] >= 'a' || (u - lo) % 3 == 0)
			need(uidset_add(s, u, u) == 0);
}

static uint32_t
after(struct state *st, int op, uint32_t was, uint32_t id)
{
	switch (op) {
	case 'p':
		return flags_plus(&st->m.flags, was, id);
	case 'm':
		return flags_minus(&st->m.flags, was, id);
	case 'r':
		return FLAGS_ERR;
	default:
		return id;
	}
}

static void
apply(struct state *st, int op, const struct uidset *s, uint32_t id,
    struct uidset *changed)
{
	switch (op) {
	case 'a':
		need(flagmap_add(&st->m, s->r[0].lo, s->r[0].hi, id) == 0);
		break;
	case 'p':
		need(flagmap_plus(&st->m, s, id, changed) == 0);
		break;
	case 'm':
		need(flagmap_minus(&st->m, s, id, changed) == 0);
		break;
	case 'r':
		need(flagmap_remove(&st->m, s) == 0);
		break;
	case 's':
		need(flagmap_set(&st->m, s, id) == 0);
		break;
	}
}

static void
step(struct state *st, const uint8_t *p)
{
	struct uidset	s, changed;
	uint32_t	u, id, was, to;
	int		op = p[0] | 0x20;

	if (strchr("apmrs", op) == NULL)
		return;
	pick(&s, p);
	uidset_init(&changed);
	id = flags_from_text(&st->m.flags, names[p[3] % 8],
	    strlen(names[p[3] % 8]));
	need(id != FLAGS_ERR);
	apply(st, op, &s, id, &changed);
	for (u = 1; u <= N; u++) {
		was = st->truth[u];
		if (!uidset_contains(&s, u) ||
		    (was == FLAGS_ERR && op != 'a') ||
		    (op == 'a' && u > s.r[0].hi))
			continue;
		to = after(st, op, was, id);
		if (op == 'p' || op == 'm')
			need(uidset_contains(&changed, u) == (to != was));
		st->truth[u] = to;
	}
	uidset_fini(&s);
	uidset_fini(&changed);
}

static void
check(struct state *st)
{
	struct flagtest		 seen = FLAGTEST_ALL;
	struct flagmap_iter	 it;
	struct uidset		 out;
	uint32_t		 u, lo, hi, id, n = 0, first = 0;

	seen.on = FLAG_SEEN;
	need(st->m.n <= uidset_count(&st->m.uids));
	for (u = 1; u < st->m.n; u++)
		need(st->m.run[u].id != st->m.run[u - 1].id);
	uidset_init(&out);
	need(flagmap_select(&st->m, &seen, &out) == 0);
	for (u = 1; u <= N; u++) {
		need(flagmap_get(&st->m, u) == st->truth[u]);
		lo = st->truth[u] != FLAGS_ERR &&
		    (flags_sys(&st->m.flags, st->truth[u]) & FLAG_SEEN) != 0;
		need(uidset_contains(&out, u) == (int)lo);
		n += lo;
		if (lo && first == 0)
			first = u;
	}
	need(flagmap_count(&st->m, &seen) == n);
	need(flagmap_first(&st->m, &seen) == first);
	uidset_fini(&out);
	n = 0;
	flagmap_iter(&it, &st->m, NULL);
	while (flagmap_next(&it, &lo, &hi, &id)) {
		need(lo <= hi && hi <= N);
		for (u = lo; u <= hi; u++, n++)
			need(st->truth[u] == id);
	}
	need(n == uidset_count(&st->m.uids));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct state	st;
	uint32_t	u;

	flagmap_init(&st.m);
	for (u = 0; u <= N; u++)
		st.truth[u] = FLAGS_ERR;
	for (; len >= 4; data += 4, len -= 4) {
		if (*data == 't') {
			/* so that a sweep happens however few there are */
			st.m.tidy_at = 0;
			flagmap_tidy(&st.m);
		} else
			step(&st, data);
	}
	check(&st);
	flagmap_fini(&st.m);
	return 0;
}
