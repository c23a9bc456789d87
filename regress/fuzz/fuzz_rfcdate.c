#include <stdlib.h>

#include "fuzz.h"
#include "rfcdate.h"

const struct fuzz_seed fuzz_seeds[] = {
	FUZZ_SEED("Mon, 7 Feb 1994 21:52:25 -0800 (PST)"),
	FUZZ_SEED("Thu, 13 (x) Feb 69 23 (y): 32.5 EST"),
	FUZZ_SEED("Wed Jul 17 02:44:25 1996"),
	FUZZ_SEED("17-Jul-1996 02:44:25 -0700"),
	FUZZ_SEED("1-Feb-1994"),
	FUZZ_SEED("1996-07-17T02:44:25.125-07:00"),
};
const size_t fuzz_nseeds = sizeof(fuzz_seeds) / sizeof(fuzz_seeds[0]);

typedef int (*parser)(struct rfcdate *, const char *, size_t);
typedef int (*writer)(struct ibuf *, const struct rfcdate *);

static const struct {
	parser	parse;
	writer	put;
} forms[] = {
	{ rfcdate_parse_mail, rfcdate_put_mail },
	{ rfcdate_parse_imap, rfcdate_put_imap },
	{ rfcdate_parse_3339, rfcdate_put_3339 },
};

/* What was read can be written in each form, and is read back as it was. */
static void
roundtrip(const struct rfcdate *d)
{
	struct rfcdate	e;
	struct ibuf	b;
	int		i;

	for (i = 0; i < 3; i++) {
		ibuf_init(&b, 64);
		if (forms[i].put(&b, d) == 0 &&
		    (forms[i].parse(&e, (char *)ibuf_data(&b),
		    ibuf_size(&b)) != 0 || e.t != d->t || e.zone != d->zone))
			abort();
		ibuf_fini(&b);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const char	*p = (const char *)data;
	struct rfcdate	 d;
	struct ibuf	 b;
	int32_t		 day, again;
	int		 i;

	if (len == 0)
		data = (const uint8_t *)"";
	for (i = 0; i < 3; i++)
		if (forms[i].parse(&d, p, len) == 0)
			roundtrip(&d);
	if (rfcdate_parse_day(&day, p, len) == 0) {
		ibuf_init(&b, 64);
		if (rfcdate_put_day(&b, day) == -1 ||
		    rfcdate_parse_day(&again, (char *)ibuf_data(&b),
		    ibuf_size(&b)) == -1 || again != day)
			abort();
		ibuf_fini(&b);
	}
	return 0;
}
