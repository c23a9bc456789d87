/*
 * A message is searched whole and in pieces, with the same result; and the
 * first line of the input is also a string to search for.
 */
#include <stdlib.h>
#include <string.h>

#include "charset.h"
#include "fuzz.h"
#include "msgsearch.h"

const struct fuzz_seed fuzz_seeds[] = {
	FUZZ_SEED("hello\nSubject: =?utf-8?q?hel?=\r\n =?utf-8?q?lo?=\r\n"
	    "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
	    "Content-Transfer-Encoding: base64\r\n\r\naGVs\r\nbG8=\r\n--b\r\n"
	    "Content-Type: message/rfc822\r\n\r\nSubject: Hello\r\n\r\n"
	    "HEL\xc2\xad" "LO\r\n--b--\r\n"),
	FUZZ_SEED("a b\nTo: a\r\n\tb\r\nContent-Type: text/plain; charset="
	    "iso-2022-jp\r\n\r\na \r\n  b \033$BF|K\\\033(B\r\n"),
	FUZZ_SEED("\xc3\xa4\n\r\na\xcc\x88 A\xcc\x88 \xc3\x84"),
};
const size_t fuzz_nseeds = sizeof(fuzz_seeds) / sizeof(fuzz_seeds[0]);

static uint64_t
search(const struct msgsearch_set *s, const uint8_t *p, size_t len,
    size_t piece)
{
	struct msgsearch	*ms;
	uint64_t		 found;
	size_t			 n;
	int			 r = 0;

	if ((ms = msgsearch_open(s)) == NULL)
		abort();
	for (; len > 0 && r == 0; p += n, len -= n) {
		n = len < piece ? len : piece;
		r = msgsearch_feed(ms, p, n);
	}
	if (r == -1 || msgsearch_finish(ms) != 1)
		abort();
	found = msgsearch_found(ms);
	msgsearch_free(ms);
	return found;
}

static int
has(const struct ibuf *b, const struct ibuf *s)
{
	return ibuf_size(b) > 0 && memmem(ibuf_data(b), ibuf_size(b),
	    ibuf_data(s), ibuf_size(s)) != NULL;
}

/* What is found is in the text for an index. */
static void
in_index(const struct msgsearch_key *k, uint64_t found, const uint8_t *p,
    size_t len)
{
	struct msgsearch	*ms;
	struct ibuf		 head, body, s;

	ibuf_init(&head, 65536);
	ibuf_init(&body, 65536);
	ibuf_init(&s, 65536 * 12);
	if ((ms = msgsearch_open_text(&head, &body)) == NULL ||
	    msgsearch_feed(ms, p, len) == -1 || msgsearch_finish(ms) != 1 ||
	    msgsearch_fold(&s, k->text.p, k->text.len) == -1)
		abort();
	if (!msgsearch_cut(ms) && ibuf_size(&s) > 0) {
		if (found & 4 && !has(&head, &s))
			abort();
		if (found & 3 && !has(&head, &s) && !has(&body, &s))
			abort();
	}
	msgsearch_free(ms);
	ibuf_fini(&head);
	ibuf_fini(&body);
	ibuf_fini(&s);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct msgsearch_key	 k[6] = {
		{ MSGSEARCH_TEXT, { NULL, 0 }, HSTR("") },
		{ MSGSEARCH_BODY, { NULL, 0 }, HSTR("") },
		{ MSGSEARCH_HEADER, HSTR("Subject"), HSTR("") },
		{ MSGSEARCH_TEXT, { NULL, 0 }, HSTR("a") },
		{ MSGSEARCH_HEADER, HSTR("To"), HSTR("") },
		{ MSGSEARCH_BODY, { NULL, 0 }, HSTR("lo") },
	};
	struct msgsearch_set	*s;
	const uint8_t		*nl;
	uint64_t		 found;
	static int		 init;
	size_t			 i, n;

	if (len == 0)
		data = (const uint8_t *)"";
	if (!init)
		charset_init();
	init = 1;
	nl = len == 0 ? NULL : memchr(data, '\n', len);
	n = nl == NULL ? 0 : (size_t)(nl + 1 - data);
	for (i = 0; i < 3 && n > 0; i++) {
		k[i].text.p = (const char *)data;
		k[i].text.len = n - 1;
	}
	if ((s = msgsearch_compile(k, 6)) == NULL)
		return 0;
	found = search(s, data + n, len - n, len + 1);
	if (found != search(s, data + n, len - n, 1 + len % 11))
		abort();
	/* what is in the body is in the text */
	if (found & 2 && !(found & 1))
		abort();
	msgsearch_set_free(s);
	if (n > 0)
		in_index(k, found, data + n, len - n);
	return 0;
}
