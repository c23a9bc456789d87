/*
 * A line of a storage: what is made of it must be what a listener takes,
 * rows that encode and decode to the same.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "nd.h"

const struct fuzz_seed fuzz_seeds[] = {
	FUZZ_SEED("{\"uid\":7,\"flags\":[\"\\\\Seen\",\"x\"],\"id\":\"c\","
	    "\"size\":5,\"date\":\"2024-02-29T23:59:59+05:30\","
	    "\"modseq\":9,\"cache\":\"z\"}"),
	FUZZ_SEED("{\"uids\":\"1:500,502:9000\",\"flags\":[]}"),
	FUZZ_SEED("{\"uid\":1,\"savedate\":\"1970-01-01T00:00:00Z\","
	    "\"threadid\":\"t\"}"),
	FUZZ_SEED("{\"change\":{\"mailbox\":\"m\",\"modseq_before\":1,"
	    "\"modseq\":2},\"vanished\":\"1,3\"}"),
};
const size_t fuzz_nseeds = sizeof(fuzz_seeds) / sizeof(fuzz_seeds[0]);

void
nd_told_row(const struct st_row *row)
{
	struct st_row	back;
	struct ibuf	b;

	ibuf_init(&b, 65000);
	if (strow_put(&b, row) == 0 && (strow_get(&b, &back) != 1 ||
	    back.has != row->has || ibuf_size(&b) != 0))
		abort();
	ibuf_fini(&b);
}

void
nd_told_message(enum msg_type type, const void *m)
{
	struct m_st_vanished	back;
	struct ibuf		b;

	ibuf_init(&b, 65536);
	if (msg_encode(&b, type, m) == -1 ||
	    msg_decode(&b, type, &back) == -1)
		abort();
	ibuf_fini(&b);
}

static void
line(struct json *j)
{
	static struct ereq	 e;
	struct m_st_change	 m;
	struct uidset		 set;
	struct ibuf		 b;

	(void)nd_row(j, &e, UINT32_MAX);
	(void)nd_change(j, json_member(j, 0, "change"), &m);
	uidset_init(&set);
	if (nd_set(j, json_member(j, 0, "vanished"), &set) == 0)
		nd_send_set(&e, M_st_vanished, &set);
	uidset_fini(&set);
	ibuf_init(&b, 32768);
	if (nd_flags(j, json_member(j, 0, "flags"), &b) == 0 &&
	    memchr(ibuf_data(&b), '\0', ibuf_size(&b)) !=
	    ibuf_data(&b) + ibuf_size(&b) - 1)
		abort();
	ibuf_fini(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static jsmntok_t tok[ND_TOKENS];
	struct json	 j;
	char		*buf;

	if ((buf = malloc(len + 1)) == NULL)
		return 0;
	memcpy(buf, data, len);
	if (json_parse(&j, buf, len, tok, ND_TOKENS) == 0 &&
	    json_type(&j, 0) == JSMN_OBJECT)
		line(&j);
	free(buf);
	return 0;
}
