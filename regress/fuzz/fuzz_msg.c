/*
 * Any bytes as the body of any message, and as a stream of rows.  What is
 * accepted is encoded to the same bytes again.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "msg.h"
#include "strow.h"

const struct fuzz_seed fuzz_seeds[] = {
	FUZZ_SEED("\0\1" "\0\0\0\5demo\0" "\0\0\0\1\0\0\0\1" "\0\0\0\5"),
	FUZZ_SEED("\0\2" "\0\0\0\2" "\0\0\0\1\0\0\0\5\0\0\0\7\0\0\0\7"),
	FUZZ_SEED("\0\3" "\0\x3f" "\0\0\0\1\0\0\0\1\0\0\0\5" "\0\6\\Seen\0"
	    "\0\3id\0" "\0\0\0\0\0\0\0\1" "\0\0\0\0\0\0\0\2\0\0"
	    "\0\0\0\0\0\0\0\3" "\0\0\0\1x"),
};
const size_t fuzz_nseeds = sizeof(fuzz_seeds) / sizeof(fuzz_seeds[0]);

static void
rows(const uint8_t *p, size_t len)
{
	struct ibuf	 b, out;
	struct st_row	 r;
	struct uidset	 s;
	size_t		 before;

	ibuf_from_buffer(&b, p, len);
	uidset_init(&s);
	ibuf_init(&out, 65000);
	for (;;) {
		before = ibuf_size(&b);
		if (strow_get(&b, &r) != 1)
			break;
		msg_set_get(&r.uids, &s);
		ibuf_drain(&out, ibuf_size(&out));
		if (strow_put(&out, &r) == 0 &&
		    (ibuf_size(&out) != before - ibuf_size(&b) ||
		    memcmp(ibuf_data(&out), p + len - before,
		    ibuf_size(&out)) != 0))
			abort();
	}
	uidset_fini(&s);
	ibuf_fini(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	union msg_any	 m;
	struct ibuf	 b, out;
	enum msg_type	 t;

	if (len < 1)
		return 0;
	rows(data + 1, len - 1);
	/* every type would be slow: those of one remainder */
	for (t = 1 + data[0] % 8; t < M_MAX; t += 8) {
		ibuf_from_buffer(&b, data + 1, len - 1);
		if (msg_decode(&b, t, &m) == -1)
			continue;
		ibuf_init(&out, 200000);
		if (msg_encode(&out, t, &m) == -1 ||
		    ibuf_size(&out) != len - 1 ||
		    (len > 1 && memcmp(ibuf_data(&out), data + 1,
		    len - 1) != 0))
			abort();
		ibuf_fini(&out);
	}
	return 0;
}
