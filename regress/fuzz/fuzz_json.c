#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "json.h"
#include "uidset.h"

const struct fuzz_seed fuzz_seeds[] = {
	FUZZ_SEED("{\"uids\":\"1:500,502\",\"flags\":[\"\\\\Seen\",\"x\"],"
	    "\"modseq\":7}"),
	FUZZ_SEED("{\"header\":true,\"a\":{\"b\":[1,2,{\"c\":null}]},"
	    "\"e\":false}"),
	FUZZ_SEED("[\"\\u00e9\\ud83d\\ude00\",-1.5e+3,18446744073709551615]"),
};
const size_t fuzz_nseeds = sizeof(fuzz_seeds) / sizeof(fuzz_seeds[0]);

static void
walk(struct json *j, int i, int depth)
{
	const char	*s;
	struct uidset	 set;
	uint64_t	 n;
	size_t		 len, l2;
	int		 k, b, obj = json_type(j, i) == JSMN_OBJECT;

	if (depth > 40)
		abort();
	json_u64(j, i, UINT64_MAX, &n);
	json_bool(j, i, &b);
	if (json_str(j, i, &s, &len) == 1) {
		if (json_str(j, i, &s, &l2) != 1 ||
		    (l2 != len && (len == 0 || s[len - 1] != '\0')))
			abort();
		uidset_init(&set);
		uidset_parse(&set, s, len, 100);
		uidset_fini(&set);
	}
	for (k = json_first(j, i); k != -1;) {
		walk(j, obj ? k + 1 : k, depth + 1);
		k = json_next(j, obj ? k + 1 : k);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const char *const known[] = { "uids", "flags", NULL };
	struct json	 j;
	jsmntok_t	 tok[256];
	char		*buf;

	if ((buf = malloc(len + 1)) == NULL)
		return 0;
	memcpy(buf, data, len);
	if (json_parse(&j, buf, len, tok, 256) == 0) {
		json_member(&j, 0, "flags");
		json_unknown(&j, 0, known);
		walk(&j, 0, 0);
	}
	free(buf);
	return 0;
}
