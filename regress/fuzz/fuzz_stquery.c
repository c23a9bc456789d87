/*
 * A SEARCH as a storage's query: one JSON object within the storage's
 * bounds, or nothing.  The first bytes say what the storage can.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "ibuf.h"
#include "json.h"
#include "stquery.h"

const struct fuzz_seed fuzz_seeds[] = {
	FUZZ_SEED("\xff\xff\xff\x20OR NOT (BODY a TEXT {2}\r\nbc) HEADER x "
	    "\"\" NOT SINCE 1-Feb-1994 LARGER 5 SEEN"),
	FUZZ_SEED("\x01\x2f\x02\x05SENTON 1-Jan-2020 SUBJECT \"q\\\"\" "
	    "OR 1:3 NOT FROM b SMALLER 9"),
};
const size_t fuzz_nseeds = sizeof(fuzz_seeds) / sizeof(fuzz_seeds[0]);

static void
look(struct ibuf *b, const struct stquery_can *can)
{
	static jsmntok_t	 tok[20000];
	struct json		 j;
	uint32_t		 nodes = 0;
	int			 i;

	if (json_parse(&j, (char *)ibuf_data(b), ibuf_size(b), tok,
	    20000) == -1 || json_type(&j, 0) != JSMN_OBJECT ||
	    json_count(&j, 0) != 1)
		abort();
	for (i = 0; i < j.ntok; i++)
		nodes += json_type(&j, i) == JSMN_OBJECT;
	if (nodes > can->nodes)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct imap_parse_opts	 opts;
	struct stquery_can		 can;
	struct imap_cmd			 cmd;
	struct ibuf			 line, b;

	if (len < 4)
		return 0;
	can.keys = data[0] | (uint32_t)data[1] << 8 | (uint32_t)data[2] << 16;
	can.nodes = can.depth = data[3] & 0x3f;
	can.texts = data[3] >> 6;
	ibuf_init(&line, len + 16);
	ibuf_init(&b, 2000);
	if (ibuf_adds(&line, "a SEARCH ") == -1 ||
	    ibuf_add(&line, data + 4, len - 4) == -1)
		abort();
	if (imap_parse(&cmd, &opts, (const char *)ibuf_data(&line),
	    ibuf_size(&line)) == IMAP_OK) {
		if (stquery_put(&b, cmd.search.key, &can) != STQUERY_NONE)
			look(&b, &can);
		else if (ibuf_size(&b) != 0)
			abort();
	}
	imap_cmd_free(&cmd);
	ibuf_fini(&line);
	ibuf_fini(&b);
	return 0;
}
