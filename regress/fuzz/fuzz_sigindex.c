#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "sigindex.h"

/* Heads of one message and of none; a manifest; the first byte says which. */
const struct fuzz_seed fuzz_seeds[] = {
	FUZZ_SEED("hmfsh\x01\x00\x40\x08\x00\x00\x00\x00\x00\x00\x00\x09"
	    "\x00\x00\x00\x01\x05\x02" "0123456701234567012345670123456"
	    "701234567012345670123456701234567"),
	FUZZ_SEED("hmfsh\x01\x00\x00\x08\x00\x00\x00\x00\x00\x00\x00\x00"
	    "\x00\x00\x00\x00" "0123456701234567012345670123456"
	    "701234567012345670123456701234567"),
	FUZZ_SEED("mmfsm\x01\x00\x00\x00\x07\x00\x03" "box\x00\x01"
	    "12345678\x00\x00\x00\x01\x00\x00\x00\x09\x00\x00\x00\x02"
	    "\x00\x40" "abcdefgh"),
};
const size_t fuzz_nseeds = sizeof(fuzz_seeds) / sizeof(fuzz_seeds[0]);

static void
same(const struct ibuf *b, const uint8_t *data, size_t len)
{
	if (ibuf_size(b) != len || memcmp(ibuf_data(b), data, len) != 0)
		abort();
}

static void
use(const struct sighead *h, const uint8_t *data, size_t len)
{
	static uint8_t	 value[SIGINDEX_VALUE], alive[SIGINDEX_COLUMNS];
	struct sigquery	 q;
	uint16_t	 order[SIGINDEX_GROUPS];
	unsigned	 n, i;

	memset(&q, 0, sizeof(q));
	sigquery_add(&q, data, len);
	memset(alive, 1, sizeof(alive));
	memset(value, data[0], sizeof(value));
	n = sighead_values(h, &q, order);
	for (i = 0; i < n; i++) {
		if (order[i] >= h->nvalues)
			abort();
		sighead_filter(h, order[i], value, &q, alive);
		(void)sighead_verify(h, order[i], value, sighead_value(h));
	}
}

/* Merged with itself it is itself, but for columns that nobody has. */
static void
merge(const struct sighead *h)
{
	static uint8_t		 value[SIGINDEX_VALUE], out[SIGINDEX_VALUE];
	const uint8_t		*values[2] = { value, value };
	const struct sighead	*heads[2] = { h, h };
	struct sigmerge		 m;
	struct uidset		 all;

	uidset_init(&all);
	if (uidset_add(&all, 1, UINT32_MAX) == 0 &&
	    sigmerge_open(&m, heads, 2, &all) == 0) {
		if (m.head.n != h->n || m.head.columns != h->columns)
			abort();
		memset(value, 0x5a, sizeof(value));
		sigmerge_value(&m, m.head.nvalues - 1, values, out);
		sigmerge_fini(&m);
	}
	uidset_fini(&all);
}

static void
head(const uint8_t *data, size_t len)
{
	struct sighead	h;
	struct ibuf	b;

	if (sighead_get(&h, data, len) == -1)
		return;
	ibuf_init(&b, SIGINDEX_TEXT);
	if (sighead_put(&h, &b) == 0)
		same(&b, data, len);
	use(&h, data, len);
	merge(&h);
	ibuf_fini(&b);
	sighead_fini(&h);
}

/* With its checksum, that no mutation would find. */
static void
manifest(const uint8_t *data, size_t len)
{
	static struct sigmanifest	m;
	struct ibuf			b, again;
	uint8_t				sum[SIGINDEX_SUM];
	unsigned			out[SIGINDEX_MERGE];

	ibuf_init(&b, SIGINDEX_TEXT * 2);
	ibuf_init(&again, SIGINDEX_TEXT);
	sigindex_sum(data, len, sum);
	if (ibuf_add(&b, data, len) == 0 &&
	    ibuf_add(&b, sum, sizeof(sum)) == 0 &&
	    sigmanifest_get(&m, "box", ibuf_data(&b), ibuf_size(&b)) == 0 &&
	    sigmanifest_put(&m, "box", &again) == 0) {
		same(&again, ibuf_data(&b), ibuf_size(&b));
		(void)sigmanifest_merge(&m, out);
	}
	ibuf_fini(&b);
	ibuf_fini(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct siggrams *g;

	if (len == 0)
		return 0;
	if (data[0] == 'h')
		head(data + 1, len - 1);
	else if (data[0] == 'm')
		manifest(data + 1, len - 1);
	else if ((g = siggrams_open()) != NULL) {
		(void)siggrams_feed(g, data[0] & 1, data, len);
		(void)siggrams_finish(g);
		(void)siggrams_columns(g);
		siggrams_free(g);
	}
	return 0;
}
