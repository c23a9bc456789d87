/*
 * Dot-stuffing: any cutting into pieces gives the same; what goes out has
 * one end mark, at its end, and comes in again as it was.
 */
#include <stdlib.h>
#include <string.h>

#include "dotstuff.h"
#include "fuzz.h"

const struct fuzz_seed fuzz_seeds[] = {
	FUZZ_SEED("A: b\r\n\r\n..c\r\n.\r\nMAIL\r\n.\r\n"),
	FUZZ_SEED("a\n.\nb\r.\rc\r\n.\nd\r\n.\r\r\n.\r\n"),
	FUZZ_SEED("\n.\r\n\r.\r\n...\r\n\0\r"),
};
const size_t fuzz_nseeds = sizeof(fuzz_seeds) / sizeof(fuzz_seeds[0]);

static void
need(int ok)
{
	if (!ok)
		abort();
}

static int
in(const uint8_t *p, size_t len, size_t piece, int how, struct ibuf *out,
    size_t *used)
{
	struct dotin	d;
	size_t		n, u;
	int		end = 0;

	dotin_init(&d, how);
	ibuf_init(out, 2 * len + 2);
	for (*used = 0; *used < len && end == 0; *used += u) {
		n = len - *used < piece ? len - *used : piece;
		end = dotin_feed(&d, p + *used, n, &u, out);
		need(end != -1 && (end == 1 || u == n));
	}
	if (how == DOTIN_BDAT)
		need(dotin_finish(&d, out) == 0);
	return end;
}

/* CR and LF stand only together. */
static void
lines(const struct ibuf *b)
{
	const uint8_t	*p = ibuf_data(b);
	size_t		 i, len = ibuf_size(b);

	for (i = 0; i < len; i++) {
		if (p[i] == '\n')
			need(i > 0 && p[i - 1] == '\r');
		if (p[i] == '\r')
			need(i + 1 < len && p[i + 1] == '\n');
	}
}

static int
same(const struct ibuf *a, const struct ibuf *b)
{
	return ibuf_size(a) == ibuf_size(b) && (ibuf_size(a) == 0 ||
	    memcmp(ibuf_data(a), ibuf_data(b), ibuf_size(a)) == 0);
}

/* The first place of CRLF.CRLF, from the CR before it or the start. */
static size_t
mark(const uint8_t *p, size_t len)
{
	size_t	i;

	if (len >= 3 && memcmp(p, ".\r\n", 3) == 0)
		return 3;
	for (i = 0; i + 5 <= len; i++)
		if (memcmp(p + i, "\r\n.\r\n", 5) == 0)
			return i + 5;
	return 0;
}

static void
data_in(const uint8_t *p, size_t len)
{
	struct ibuf	a, b;
	size_t		ua, ub, end = mark(p, len);

	need(in(p, len, SIZE_MAX, DOTIN_DATA, &a, &ua) == (end != 0));
	need(end == 0 ? ua == len : ua == end);
	need(in(p, len, 1, DOTIN_DATA, &b, &ub) == (end != 0));
	need(ua == ub && same(&a, &b));
	if (end != 0)
		lines(&a);
	ibuf_fini(&a);
	ibuf_fini(&b);
}

static void
data_out(const uint8_t *p, size_t len)
{
	struct dotout	d;
	struct ibuf	wire, plain, back;
	size_t		u, i;

	dotout_init(&d, -1);
	ibuf_init(&wire, 2 * len + 5);
	for (i = 0; i < len; i++)
		need(dotout_feed(&d, p + i, 1, &wire) == 0);
	need(dotout_finish(&d, &wire) == 0);
	lines(&wire);
	need(mark(ibuf_data(&wire), ibuf_size(&wire)) == ibuf_size(&wire));
	in(p, len, 7, DOTIN_BDAT, &plain, &u);
	need(in(ibuf_data(&wire), ibuf_size(&wire), 3, DOTIN_DATA, &back,
	    &u) == 1);
	need(same(&plain, &back));
	ibuf_fini(&wire);
	ibuf_fini(&plain);
	ibuf_fini(&back);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	data_in(data, len);
	data_out(data, len);
	return 0;
}
