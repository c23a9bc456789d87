/* A summary as a backend may give it: any text. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "imapcheck.h"
#include "imapout.h"
#include "json.h"
#include "summary.h"

const struct fuzz_seed fuzz_seeds[] = {
	FUZZ_SEED("mfs1 0 2 614 220 124:c9:From: a@bf7:To: c@db14:Subject: mix"
	    "edx17:MIME-Version: 1.0x48:Content-Type: multipart/mixed; "
	    "boundary=\xc4\xa2=_b1\xc4\xa2" "8:abcdefgh222:M2 0 220 220 394 "
	    "16 9:multipart5:mixedp16:8:boundary4:=_b1.L0 265 90 355 59 1 "
	    "4:text5:plainp16:7:charset5:utf-8e16:quoted-printable.L0 424 "
	    "156 580 22 1 11:application3:pdfe6:base64s10:attachmentt25:8:"
	    "filename5:x.pdf4:size2:12.5:^q^b^^"),
	FUZZ_SEED("mfs1 0 2 99 9 6:b1:xA0:0:80:R1 0 9 9 90 3 7:message6:rfc82"
	    "2.L0 9 9 18 81 1 4:text5:plainA1:xC5:a@b,cl4:1:a1:b.0:"),
	FUZZ_SEED("mfs1 7 0 5 5 0:0:0:0:"),
	FUZZ_SEED("mfs2 0 2 21 21 9:b7:To: a@b4:aaaa0:0:\n9:.6:x-y: 1"),
};
const size_t fuzz_nseeds = sizeof(fuzz_seeds) / sizeof(fuzz_seeds[0]);

static void
value(const struct summary *s, int flags, int (*fn)(struct ibuf *,
    const struct summary *, int))
{
	struct ibuf b;

	ibuf_init(&b, SUMMARY_FULL);
	if (fn(&b, s, flags) == 0)
		check_value(&b);
	else if (ibuf_size(&b) != 0)
		abort();
	ibuf_fini(&b);
}

static void
fields(const struct summary *s)
{
	static const struct hstr	names[] = { HSTR("to"), HSTR("x-y"),
					    HSTR("subject") };
	struct ibuf			b;
	size_t				n, pos = 0;

	ibuf_init(&b, SUMMARY_FULL);
	for (n = 0; n <= 3; n++)
		if (summary_put_fields(s, names, n, &b) !=
		    summary_knows_fields(s, names, n))
			abort();
	for (n = 0; summary_field(s, "To", &pos, &b) == 1; n++)
		if (n > s->fields.len)
			abort();
	for (n = pos = 0; summary_field(s, "x-y", &pos, &b) == 1; n++)
		if (n > s->fields.len + s->others.len)
			abort();
	ibuf_truncate(&b, 0);
	if (summary_put_header(s, &b) == 1 && ibuf_size(&b) != s->hdr_len)
		abort();
	ibuf_truncate(&b, 0);
	if (summary_preview(s, &b) == 1 && ibuf_size(&b) > 0 &&
	    !utf8_valid((char *)ibuf_data(&b), ibuf_size(&b)))
		abort();
	ibuf_fini(&b);
}

static void
sections(const struct summary *s)
{
	static const uint32_t	path[] = { 1, 2, 1, 1 };
	struct imapout_section	sec;
	size_t			n;
	int			w;

	for (n = 0; n <= 4; n++)
		for (w = IMAPOUT_ALL; w <= IMAPOUT_MIME; w++)
			if (imapout_section(s, path, n, (enum imapout_what)w,
			    &sec) == 1 && (sec.off > s->size ||
			    sec.len > s->size - sec.off))
				abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct summary	s;
	int		flags;

	if (len == 0)
		data = (const uint8_t *)"";
	if (summary_parse(&s, (const char *)data, len) != 1)
		return 0;
	for (flags = 0; flags < 8; flags++) {
		value(&s, flags, imapout_envelope);
		value(&s, flags, imapout_body);
		value(&s, flags, imapout_bodystructure);
	}
	fields(&s);
	sections(&s);
	return 0;
}
