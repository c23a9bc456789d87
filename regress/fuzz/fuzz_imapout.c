/*
 * The filters: HEADER.FIELDS and HEADER.FIELDS.NOT together are the header,
 * whatever pieces it comes in, and agree with who reads fields one by one.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "imapcheck.h"
#include "imapout.h"

const struct fuzz_seed fuzz_seeds[] = {
	FUZZ_SEED("To: a\r\nX-Y : b\r\n c\r\njunk\r\nTo:d\n\r\nbody"),
	FUZZ_SEED(" lead\r\nto: a\r\r\n\rto: b\n: c\nto"),
	FUZZ_SEED("x-y: a\n\t\n \nTo \t: b\n\nTo: c"),
};
const size_t fuzz_nseeds = sizeof(fuzz_seeds) / sizeof(fuzz_seeds[0]);

static const struct hstr names[] = { HSTR("TO"), HSTR("x-y") };

static void
filter(struct ibuf *b, const uint8_t *p, size_t len, size_t piece, int except)
{
	struct imapout_filter	f;
	size_t			n;

	ibuf_init(b, len + 64);
	imapout_filter_start(&f, names, 2, except);
	for (; len > 0; p += n, len -= n) {
		n = len < piece ? len : piece;
		if (imapout_filter_feed(&f, p, n, b) == -1)
			abort();
	}
	if (imapout_filter_finish(&f, b) == -1)
		abort();
}

static void
same(const struct ibuf *a, const struct ibuf *b)
{
	if (ibuf_size(a) != ibuf_size(b) || (ibuf_size(a) > 0 &&
	    memcmp(ibuf_data(a), ibuf_data(b), ibuf_size(a)) != 0))
		abort();
}

/* The same by header_next(). */
static void
model(struct ibuf *b, const uint8_t *p, size_t len, int except)
{
	struct header_iter	it;
	struct header_field	f;
	int			match;

	ibuf_init(b, len + 64);
	header_start(&it, p, len);
	while (header_next(&it, &f)) {
		match = f.name.len > 0 && (hstr_same(&f.name, &names[0]) ||
		    hstr_same(&f.name, &names[1]));
		if (match != except)
			ibuf_add(b, f.raw.p, f.raw.len);
	}
	if (it.p < it.end)
		ibuf_add(b, it.p, *it.p == '\n' ? 1 : 2);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct ibuf	a, b, c;
	int		except, flags;

	if (len == 0)
		data = (const uint8_t *)"";
	for (except = 0; except < 2; except++) {
		filter(&a, data, len, len + 1, except);
		filter(&b, data, len, 1 + len % 5, except);
		model(&c, data, len, except);
		same(&a, &b);
		same(&a, &c);
		ibuf_fini(&a);
		ibuf_fini(&b);
		ibuf_fini(&c);
	}
	for (flags = 0; flags < 2; flags++) {
		ibuf_init(&a, len * 2 + 64);
		if (imapout_string(&a, (const char *)data, len, flags) == -1)
			abort();
		check_value(&a);
		ibuf_fini(&a);
	}
	return 0;
}
