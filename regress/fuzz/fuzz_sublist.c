#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "sublist.h"

const struct fuzz_seed fuzz_seeds[] = {
	FUZZ_SEED("mfrontd subscriptions 1\n"),
	FUZZ_SEED("mfrontd subscriptions 1\nINBOX\nWork/b\303\244r\n"),
};
const size_t fuzz_nseeds = sizeof(fuzz_seeds) / sizeof(fuzz_seeds[0]);

/* What was read is written the same. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct sublist l = { NULL, 0, 0 };
	struct ibuf b;
	size_t n;

	if (sublist_read(&l, data, len) == -1)
		return 0;
	ibuf_init(&b, len);
	if (sublist_write(&l, &b) == -1 || ibuf_size(&b) != len ||
	    memcmp(ibuf_data(&b), data, len) != 0)
		abort();
	ibuf_fini(&b);
	n = l.n;
	if (n > 0 && (sublist_add(&l, l.names[n / 2]) != 0 ||
	    sublist_add(&l, "Drafts/x/y/z") == -1))
		abort();
	sublist_free(&l);
	return 0;
}
