#include <stdlib.h>
#include <string.h>

#include "flagset.h"
#include "fuzz.h"

const struct fuzz_seed fuzz_seeds[] = {
	FUZZ_SEED("[\"\\\\Seen\",\"a\",\"B\",\"$Junk\"]"),
	FUZZ_SEED("[\"\\\\Answered\",\"\\\\Draft\"]"),
	FUZZ_SEED("[]"),
};
const size_t fuzz_nseeds = sizeof(fuzz_seeds) / sizeof(fuzz_seeds[0]);

/* Half of the input is one set, half another: merged, taken apart. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct flagset	 f, g, h;
	struct ibuf		 b;
	const char		*p = (const char *)data;
	size_t			 cut;

	if (flagset_get(&f, p, len) == 0) {
		ibuf_init(&b, 1024 * 1024);
		/* the canonical text is read back as the same set */
		if (flagset_put(&f, &b) == -1 || flagset_get(&g,
		    (char *)ibuf_data(&b), ibuf_size(&b)) == -1 ||
		    !flagset_within(&f, &g) || !flagset_within(&g, &f))
			abort();
		ibuf_fini(&b);
	}
	for (cut = 0; cut < len && p[cut] != ']'; cut++)
		;
	if (cut >= len || flagset_get(&f, p, cut + 1) == -1 ||
	    flagset_get(&g, p + cut + 1, len - cut - 1) == -1)
		return 0;
	flagset_copy(&h, &f);
	if (flagset_merge(&h, &g) == -1)
		return 0;
	if ((g.n > 0 || g.sys != 0) && !flagset_overlaps(&h, &g))
		abort();
	flagset_subtract(&h, &g);
	if (flagset_overlaps(&h, &g))
		abort();
	flagset_spell(&f, &g);
	return 0;
}
