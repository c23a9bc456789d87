/*
 * Sorting in steps: all that there was is there, in order, and equal ones
 * as they stood.  The first byte says how far a step goes.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "msort.h"

#define MOST	4096

const struct fuzz_seed fuzz_seeds[] = {
	FUZZ_SEED("\x01" "banana"),
	FUZZ_SEED("\x07" "the quick brown fox jumps over the lazy dog"),
	FUZZ_SEED("\xff" "zyxwvutsrqponmlkjihgfedcba"),
};
const size_t fuzz_nseeds = sizeof(fuzz_seeds) / sizeof(fuzz_seeds[0]);

static int
compare(const void *arg, uint32_t a, uint32_t b)
{
	const uint8_t *p = arg;

	return (int)p[a] - (int)p[b];
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static uint32_t	 one[MOST], two[MOST];
	static uint8_t	 seen[MOST];
	struct msort	 ms;
	uint32_t	 i, n, step, steps = 0;

	if (len == 0)
		return 0;
	step = (uint32_t)*data++ + 1;
	n = len - 1 < MOST ? (uint32_t)len - 1 : MOST;
	for (i = 0; i < n; i++)
		one[i] = i;
	memset(seen, 0, sizeof(seen));
	msort_init(&ms, one, two, n);
	/* a merge sort moves each element once a doubling */
	while (!msort_step(&ms, step, compare, data))
		if (++steps > 14 * (n / step + 2))
			abort();
	for (i = 0; i < n; i++) {
		if (ms.a[i] >= n || seen[ms.a[i]]++ != 0)
			abort();
		if (i > 0 && (data[ms.a[i - 1]] > data[ms.a[i]] ||
		    (data[ms.a[i - 1]] == data[ms.a[i]] &&
		    ms.a[i - 1] > ms.a[i])))
			abort();
	}
	return 0;
}
