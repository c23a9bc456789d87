#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "names.h"

const struct fuzz_seed fuzz_seeds[] = {
	FUZZ_SEED("12-1795442771"),
	FUZZ_SEED("AAAAAAAAAAAAAAAAAAAAAA7"),
	FUZZ_SEED("83898a1a-17"),
	FUZZ_SEED("INBOX/\xc3\xa9/b"),
	FUZZ_SEED("0f1e2d3c4b5a69788796a5b4c3d2e1f0"),
};
const size_t fuzz_nseeds = sizeof(fuzz_seeds) / sizeof(fuzz_seeds[0]);

/* What is read must be written again as it was. */
static void
same(const char *a, size_t alen, const char *b, size_t blen)
{
	if (alen != blen || memcmp(a, b, alen) != 0)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct mbox_id		 m;
	struct content_id	 c;
	uint8_t			 rnd[NAME_RND];
	uint32_t		 epoch;
	int64_t			 seq;
	char			*s, out[NAME_ID_SIZE], file[NAME_FILE_SIZE];

	if ((s = malloc(len + 1)) == NULL)
		return 0;
	memcpy(s, data, len);
	s[len] = '\0';
	if (name_get_mailbox(&m, s, len) == 0)
		same(out, name_put_mailbox(out, &m), s, len);
	if (name_get_content(&c, s, len) == 0)
		same(out, name_put_content(out, &c), s, len);
	if (name_get_cursor(&epoch, &seq, s, len) == 0)
		same(out, name_put_cursor(out, epoch, seq), s, len);
	if (name_get_file(rnd, s) == 0) {
		name_put_file(file, rnd, 1);
		same(file + 9, strlen(file) - 9, s, strlen(s));
	}
	if (name_is_mailbox(s, len) && (strlen(s) != len ||
	    strchr(s, '\n') != NULL || strstr(s, "//") != NULL))
		abort();
	name_is_account(s, len);
	name_is_address(s, len);
	name_is_role(s, len);
	name_is_key(s, len);
	free(s);
	return 0;
}
