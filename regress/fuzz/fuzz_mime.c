/*
 * A message to its summary, whole and in pieces, and all that IMAP makes of
 * it: the same, well formed, inside the message, and what a summary says of
 * the header is what the header says.
 */
#include <stdlib.h>
#include <string.h>

#include "charset.h"
#include "fuzz.h"
#include "imapcheck.h"
#include "imapout.h"
#include "json.h"
#include "summary.h"

const struct fuzz_seed fuzz_seeds[] = {
	FUZZ_SEED("From: a@b\r\nSubject: x\r\nContent-Type: multipart/mixed;"
	    " boundary=b\r\n\r\npre\r\n--b\r\nContent-Type: text/html; "
	    "charset=utf-8\r\n\r\n<p>x &amp; y</p>\r\n--b\r\nContent-Type: "
	    "message/rfc822\r\n\r\nSubject: inner\r\nTo: g: c@d;\r\n\r\nz\r\n"
	    "--b--\r\nepi\r\n"),
	FUZZ_SEED("Content-Type: multipart/digest; boundary=\"b b\"\n\n"
	    "--b b\n\nTo: x\n\ny\n--b b\nContent-Type: multipart/mixed; "
	    "boundary=b\n\n--b\n\n--b--\n--b b--\n"),
	FUZZ_SEED("Content-Type: text/plain; charset=iso-2022-jp\r\n"
	    "Content-Transfer-Encoding: quoted-printable\r\nContent-Language:"
	    " en, de\r\nContent-Disposition: inline; filename*=utf-8''x\r\n"
	    "Content-Location: x\r\nContent-MD5: y\r\n\r\na=3D=\r\nb"),
	FUZZ_SEED("Subject: no header end"),
	FUZZ_SEED("To: a\r\nTo: b\r\n\tc\r\njunk\r\nX-Y: z\r\n\r\n"),
};
const size_t fuzz_nseeds = sizeof(fuzz_seeds) / sizeof(fuzz_seeds[0]);

static void
make(struct ibuf *b, const uint8_t *p, size_t len, size_t piece, size_t max)
{
	struct summary_maker	*sm;
	size_t			 n;

	ibuf_init(b, SUMMARY_FULL);
	if ((sm = summary_open()) == NULL)
		abort();
	for (; len > 0; p += n, len -= n) {
		n = len < piece ? len : piece;
		if (summary_feed(sm, p, n) == -1)
			abort();
	}
	if (summary_finish(sm, b, max) == -1 || ibuf_size(b) > max ||
	    !utf8_valid((char *)ibuf_data(b), ibuf_size(b)))
		abort();
	summary_free(sm);
}

static void
values(const struct summary *s)
{
	struct ibuf	b;
	int		flags;

	for (flags = 0; flags < 4; flags++) {
		ibuf_init(&b, SUMMARY_FULL * 2);
		if (imapout_envelope(&b, s, flags) == -1)
			abort();
		check_value(&b);
		ibuf_truncate(&b, 0);
		if (imapout_body(&b, s, flags) == -1)
			abort();
		check_value(&b);
		ibuf_truncate(&b, 0);
		if (imapout_bodystructure(&b, s, flags) == -1)
			abort();
		check_value(&b);
		ibuf_truncate(&b, 0);
		if (summary_preview(s, &b) != 1 || (ibuf_size(&b) > 0 &&
		    !utf8_valid((char *)ibuf_data(&b), ibuf_size(&b))))
			abort();
		ibuf_fini(&b);
	}
}

static void
parts(const struct summary *s, size_t len)
{
	struct summary_parts	it;
	struct summary_part	p;
	struct imapout_section	sec;
	uint32_t		path[3], i;
	int			r, w;

	if (summary_parts(s, &it) == -1)
		abort();
	while ((r = summary_part_next(&it, &p)) == 1)
		if (p.hdr_off + p.hdr_len != p.body_off ||
		    p.body_off + p.body_len > len)
			abort();
	if (r != 0)
		abort();
	for (i = 0; i < 27; i++) {
		path[0] = 1 + i % 3;
		path[1] = 1 + i / 3 % 3;
		path[2] = 1 + i / 9;
		for (w = IMAPOUT_ALL; w <= IMAPOUT_MIME; w++)
			if (imapout_section(s, path, 1 + i % 3,
			    (enum imapout_what)w, &sec) == -1)
				abort();
	}
}

/* The summary's fields against the header's, for names there and not. */
static void
fields(const struct summary *s, const uint8_t *p, size_t len)
{
	static const struct hstr	names[] = { HSTR("to"), HSTR("X-Y"),
					    HSTR("subject"), HSTR("Fro") };
	struct imapout_filter		f;
	struct ibuf			a, b;
	size_t				n;

	for (n = 0; n <= 4; n++) {
		ibuf_init(&a, len + 64);
		ibuf_init(&b, len + 64);
		imapout_filter_start(&f, names, n, 0);
		if (imapout_filter_feed(&f, p, len, &a) == -1 ||
		    imapout_filter_finish(&f, &a) == -1)
			abort();
		/* a header that was cut off gets its last line end */
		if (s->blank == 0 && ibuf_size(&a) > 0 &&
		    ibuf_data(&a)[ibuf_size(&a) - 1] != '\n')
			ibuf_add(&a, "\r\n", 2);
		if (summary_put_fields(s, names, n, &b) == 1 &&
		    (ibuf_size(&a) != ibuf_size(&b) || (ibuf_size(&a) > 0 &&
		    memcmp(ibuf_data(&a), ibuf_data(&b), ibuf_size(&a)) !=
		    0)))
			abort();
		ibuf_fini(&a);
		ibuf_fini(&b);
	}
}

/* The whole header, if it is there, is the message's beginning. */
static void
header(const struct summary *s, const uint8_t *p, size_t len)
{
	struct ibuf b;

	ibuf_init(&b, len + 64);
	if (summary_put_header(s, &b) == 1) {
		if (ibuf_size(&b) != s->hdr_len || s->hdr_len > len ||
		    (s->hdr_len > 0 && memcmp(ibuf_data(&b), p,
		    s->hdr_len) != 0))
			abort();
	} else if ((s->lacks & SUMMARY_NO_HEADER) == 0)
		abort();
	ibuf_fini(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct ibuf	 a, b;
	struct summary	 s;
	static int	 init;

	if (len == 0)
		data = (const uint8_t *)"";
	if (!init)
		charset_init();
	init = 1;
	make(&a, data, len, len + 1, SUMMARY_FULL);
	make(&b, data, len, 1 + len % 7, SUMMARY_FULL);
	if (ibuf_size(&a) != ibuf_size(&b) ||
	    memcmp(ibuf_data(&a), ibuf_data(&b), ibuf_size(&a)) != 0)
		abort();
	ibuf_fini(&b);
	if (summary_parse(&s, (char *)ibuf_data(&a), ibuf_size(&a)) != 1 ||
	    s.size != len)
		abort();
	values(&s);
	parts(&s, len);
	fields(&s, data, len);
	header(&s, data, len);
	make(&b, data, len, 100, 100 + len % 1000);
	if (summary_parse(&s, (char *)ibuf_data(&b), ibuf_size(&b)) != 1)
		abort();
	fields(&s, data, len);
	header(&s, data, len);
	ibuf_fini(&b);
	ibuf_fini(&a);
	return 0;
}
