/* Sort keys of any header: texts stay in their bounds, ids have no LF. */
#include <stdlib.h>
#include <string.h>

#include "charset.h"
#include "fuzz.h"
#include "json.h"
#include "msgkeys.h"

const struct fuzz_seed fuzz_seeds[] = {
	FUZZ_SEED("Subject: Re: [x] =?utf-8?q?=C3=BC?= (fwd)\r\n"
	    "From: =?utf-8?b?w7w=?= <a@b>, g: c@d;\r\nTo: g: x@y;\r\n"
	    "Date: Mon, 23 Nov 2026 12:00:00 +0100\r\n"
	    "References: <a@b>\r\n <\"c\"@d>\r\nIn-Reply-To: <x@y>\r\n"
	    "Message-ID: <1@2>\r\nCc: a@b (Joe)\r\n\r\n"),
};
const size_t fuzz_nseeds = sizeof(fuzz_seeds) / sizeof(fuzz_seeds[0]);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct msgkeys		k;
	const struct ibuf	*refs;
	static int		 init;
	int			 i;

	if (!init)
		charset_init();
	init = 1;
	msgkeys_init(&k);
	if (msgkeys_header(&k, data, len) == -1)
		abort();
	for (i = 0; i < MSGKEY_MAX; i++)
		if (ibuf_size(&k.text[i]) > MSGKEYS_TEXT ||
		    !utf8_valid((const char *)ibuf_data(&k.text[i]),
		    ibuf_size(&k.text[i])))
			abort();
	refs = msgkeys_refs(&k);
	if (ibuf_size(refs) > 0 &&
	    ibuf_data(refs)[ibuf_size(refs) - 1] != '\n')
		abort();
	msgkeys_fini(&k);
	return 0;
}
