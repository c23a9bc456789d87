/* A file that somebody else has written to. */
#include <stdlib.h>
#include <string.h>

#include "dictfile.h"
#include "fuzz.h"

const struct fuzz_seed fuzz_seeds[] = {
	FUZZ_SEED("mfrontd index 1\0key"),
	FUZZ_SEED("\1\0\0owner"),
	FUZZ_SEED(""),
};
const size_t fuzz_nseeds = sizeof(fuzz_seeds) / sizeof(fuzz_seeds[0]);

static void
superblock(const uint8_t *data, size_t len)
{
	struct dictfile df;
	uint8_t buf[DICTFILE_HEAD];

	if (dictfile_layout(&df, DICTFILE_MIN + len) == -1)
		abort();
	dictfile_super_make(&df, "s", buf);
	if (dictfile_super_read(&df, "s", buf) == -1)
		abort();
	if (len == 0)
		return;
	memcpy(buf, data, len < sizeof(buf) ? len : sizeof(buf));
	(void)dictfile_super_read(&df, "s", buf);
}

/* With the key that signs it, bytes may be anything and still a header. */
static void
bucket(const uint8_t *data, size_t len)
{
	static uint8_t		heads[DICTFILE_WAYS * DICTFILE_HEAD];
	struct dictfile		df;
	struct dictfile_bucket	b;
	struct dictfile_slot	s;
	struct hmac		h;
	uint8_t			owner[HMAC_LEN], c = 4, *p;
	size_t			at = 2 * HMAC_LEN +
				    DICTFILE_ETAG + DICTFILE_KEY + 1 + 12;
	int			i;

	memset(heads, 0, sizeof(heads));
	memcpy(heads, data, len < sizeof(heads) ? len : sizeof(heads));
	memset(&df, 0, sizeof(df));
	(void)dictfile_layout(&df, 64 << 20);
	for (i = 0; i < DICTFILE_WAYS; i += 2) {
		p = heads + i * DICTFILE_HEAD;
		hmac_init(&h, df.secret, sizeof(df.secret));
		hmac_update(&h, &c, 1);
		hmac_update(&h, p, at);
		hmac_final(&h, p + at);
		if (dictfile_slot_get(&df, &s, p) == 0 &&
		    (s.len > DICTFILE_VALUE || strlen(s.key) > DICTFILE_KEY ||
		    strlen(s.etag) >= DICTFILE_ETAG))
			abort();
	}
	dictfile_owner(&df, "joe", owner);
	dictfile_look(&df, &b, owner, "key", heads);
	if (b.place < 0 || b.place >= DICTFILE_WAYS)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	superblock(data, len);
	bucket(data, len);
	return 0;
}
