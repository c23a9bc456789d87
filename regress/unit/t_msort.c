#include <atf-c.h>
#include <stdlib.h>
#include <string.h>

#include "msort.h"

#define MOST	5000

static uint32_t	keys[MOST], one[MOST], two[MOST];

static int
cmp(const void *arg, uint32_t a, uint32_t b)
{
	const uint32_t *k = arg;

	return k[a] < k[b] ? -1 : k[a] > k[b];
}

/* Sorted, equal ones in their order, each there once. */
static void
check(const struct msort *m)
{
	static uint8_t	seen[MOST];
	uint32_t	i;

	memset(seen, 0, sizeof(seen));
	for (i = 0; i < m->n; i++) {
		ATF_REQUIRE(m->a[i] < m->n && !seen[m->a[i]]);
		seen[m->a[i]] = 1;
		if (i > 0)
			ATF_REQUIRE(keys[m->a[i - 1]] < keys[m->a[i]] ||
			    (keys[m->a[i - 1]] == keys[m->a[i]] &&
			    m->a[i - 1] < m->a[i]));
	}
}

static void
sort(uint32_t n, uint32_t step, uint32_t values)
{
	struct msort	m;
	uint32_t	i;
	uint64_t	steps = 0;

	for (i = 0; i < n; i++) {
		one[i] = i;
		keys[i] = (uint32_t)random() % values;
	}
	msort_init(&m, one, two, n);
	while (!msort_step(&m, step, cmp, keys))
		ATF_REQUIRE(++steps <= (uint64_t)n * 32);
	/* it was no longer than it said */
	ATF_CHECK(n < 1000 || steps >= n / step);
	check(&m);
	ATF_CHECK_EQ(1, msort_step(&m, 0, cmp, keys));
}

ATF_TC_WITHOUT_HEAD(all);
ATF_TC_BODY(all, tc)
{
	uint32_t n;

	srandom(1);
	for (n = 0; n < 70; n++) {
		sort(n, 1, 1000);
		sort(n, 7, 4);
		sort(n, UINT32_MAX, 1);
	}
	sort(1023, 100, 50);
	sort(1024, 100, 1 << 30);
	sort(1025, 1, 3);
	sort(MOST, 333, 1 << 30);
	sort(MOST, 333, 2);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, all);
	return atf_no_error();
}
