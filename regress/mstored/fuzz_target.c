#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "range.h"
#include "target.h"

const struct fuzz_seed fuzz_seeds[] = {
	FUZZ_SEED("/v1/accounts/a%2Fb/mailboxes/1-2/messages?uids=1:5&"
	    "fields=uid,flags&since=7"),
	FUZZ_SEED("http://host/v1/"),
	FUZZ_SEED("bytes=0-5"),
	FUZZ_SEED("bytes=-18446744073709551615"),
};
const size_t fuzz_nseeds = sizeof(fuzz_seeds) / sizeof(fuzz_seeds[0]);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const char *const names[] = { "uids", "fields", "since", "" };
	struct http_str	 s;
	struct target	 t;
	uint64_t	 from, to;
	char		*copy, out[64];
	ssize_t		 n;
	int		 i;

	/* a copy of its own, so that reading past the end shows */
	if ((copy = malloc(len > 0 ? len : 1)) == NULL)
		return 0;
	memcpy(copy, data, len);
	s.p = copy;
	s.len = len;
	if (target_parse(&t, &s) == 0) {
		for (i = 0; i < t.nseg; i++) {
			n = target_seg(&t, i, out, sizeof(out));
			if (n >= (ssize_t)sizeof(out) ||
			    (n >= 0 && strlen(out) != (size_t)n))
				abort();
		}
		for (i = 0; i < 4; i++) {
			n = target_param(&t, names[i], out, sizeof(out));
			if (n >= (ssize_t)sizeof(out) || n < -2)
				abort();
		}
	}
	if (range_parse(copy, len, 1000, &from, &to) == 1 &&
	    (from > to || to > 999))
		abort();
	free(copy);
	return 0;
}
