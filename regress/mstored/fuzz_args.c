#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "fuzz.h"
#include "sterr.h"

const struct fuzz_seed fuzz_seeds[] = {
	FUZZ_SEED("{\"uids\":\"1:5,7\",\"add\":[\"\\\\Seen\",\"x\"],"
	    "\"unchanged_since\":5}"),
	FUZZ_SEED("{\"to\":[{\"account\":\"j\\u00f6\",\"mailbox\":\"1-2\","
	    "\"flags\":[],\"date\":null}],\"from\":\"\"}"),
	FUZZ_SEED("{\"uids\":\"1\",\"add\":[\"a\\u0000b\"]}"),
};
const size_t fuzz_nseeds = sizeof(fuzz_seeds) / sizeof(fuzz_seeds[0]);

static void
texts(struct args *a, int i, int depth)
{
	const char	*s;
	size_t		 len;
	int		 obj = json_type(&a->j, i) == JSMN_OBJECT;

	if (depth > 40)
		abort();
	if (args_text(a, i, &s, &len) == 1 && strlen(s) != len)
		abort();
	for (i = args_first(a, i); i != -1;) {
		texts(a, obj ? i + 1 : i, depth + 1);
		i = args_next(a, obj ? i + 1 : i);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const char *const known[] = { "uids", "add", "to", "from",
	    "unchanged_since", NULL };
	static struct flagset	 f;
	struct uidset		 set;
	struct ibuf		 b;
	struct args		 a;

	ibuf_init(&b, SIZE_MAX / 2);
	uidset_init(&set);
	if (ibuf_add(&b, data, len) == 0 &&
	    args_parse(&a, &b, known) == ST_OK) {
		args_set(&a, json_member(&a.j, 0, "uids"), 100, &set);
		args_flags(&a, json_member(&a.j, 0, "add"), &f);
		texts(&a, 0, 0);
	}
	args_fini(&a);
	uidset_fini(&set);
	ibuf_fini(&b);
	return 0;
}
