#include <stdlib.h>
#include <string.h>

#include "charset.h"
#include "fuzz.h"
#include "header.h"
#include "json.h"

const struct fuzz_seed fuzz_seeds[] = {
	FUZZ_SEED("=?utf-8?q?=C3=A4_b?= =?iso-8859-1?B?5A==?=\r\n x"),
	FUZZ_SEED("Joe \"Q.\" Public <joe@example.org>, g: a@b, <@r,@s:c@d>;"
	    " (c (d) \\)) e . f @ [1.2.3.4] (x)"),
	FUZZ_SEED("text/plain; charset=utf-8; name*0*=utf-8''%c3; name*1*=%a4"
	    "; x=\"a\\\"b\" (c)"),
	FUZZ_SEED("Re: [x] Fwd: [fwd: Re[2]: hello (fwd)]"),
	FUZZ_SEED("<a@b> <\"c\"@d>\r\n <e @ f>"),
	FUZZ_SEED("From: x\r\nTo : y\r\n z\r\njunk\r\n:\r\n\r\nbody"),
};
const size_t fuzz_nseeds = sizeof(fuzz_seeds) / sizeof(fuzz_seeds[0]);

/* Text for people has no control characters, and is UTF-8. */
static void
readable(const struct ibuf *b, size_t max)
{
	const uint8_t	*p = ibuf_data(b);
	size_t		 i, n = ibuf_size(b);

	if (n > max || (n > 0 && !utf8_valid((const char *)p, n)))
		abort();
	for (i = 0; i < n; i++)
		if (p[i] < ' ' || p[i] == 0x7f)
			abort();
}

static void
texts(const char *p, size_t len)
{
	struct ibuf b;

	ibuf_init(&b, len * 4 + 64);
	if (header_decode(&b, p, len) != 0)
		abort();
	readable(&b, len * 4);
	ibuf_truncate(&b, 0);
	if (header_base_subject(&b, p, len) == -1)
		abort();
	readable(&b, len * 4);
	ibuf_truncate(&b, 0);
	if (header_unfold(&b, p, len) != 0 || ibuf_size(&b) > len)
		abort();
	ibuf_truncate(&b, 0);
	if (header_param_get(&b, p, len, "name") == -1 ||
	    (ibuf_size(&b) > 0 &&
	    !utf8_valid((char *)ibuf_data(&b), ibuf_size(&b))))
		abort();
	ibuf_fini(&b);
}

static void
inside(const struct hstr *s, const char *p, size_t len)
{
	if (s->p != NULL && (s->p < p || s->len > len ||
	    s->p + s->len > p + len))
		abort();
}

static void
lists(const char *p, size_t len)
{
	struct header_addrs	 as;
	struct header_addr	 a;
	struct header_msgids	 ids;
	struct hstr		 id;
	size_t			 n;
	int			 group = 0;

	header_addr_start(&as, p, len);
	for (n = 0; header_addr_next(&as, &a); n++) {
		if (n > len * 2 + 2)
			abort();
		if (a.kind != HEADER_ADDR_MAILBOX &&
		    group == (a.kind == HEADER_ADDR_GROUP))
			abort();
		group = a.kind == HEADER_ADDR_GROUP ? 1 :
		    a.kind == HEADER_ADDR_GROUP_END ? 0 : group;
		inside(&a.name, as.buf, sizeof(as.buf));
		inside(&a.route, as.buf, sizeof(as.buf));
		inside(&a.local, as.buf, sizeof(as.buf));
		inside(&a.domain, as.buf, sizeof(as.buf));
	}
	if (group)
		abort();
	header_msgid_start(&ids, p, len);
	for (n = 0; header_msgid_next(&ids, &id); n++) {
		inside(&id, ids.buf, sizeof(ids.buf));
		if (n > len || id.len == 0)
			abort();
	}
}

static void
fields(const char *p, size_t len)
{
	struct header_iter	it;
	struct header_field	f;
	struct header_param	pa;
	struct hstr		type, sub;
	const char		*at = p;
	size_t			n;

	header_start(&it, p, len);
	while (header_next(&it, &f)) {
		if (f.raw.p != at || f.raw.len == 0)
			abort();
		at += f.raw.len;
		inside(&f.name, f.raw.p, f.raw.len);
		inside(&f.value, f.raw.p, f.raw.len);
	}
	header_media(&it, p, len, &type, &sub);
	inside(&type, p, len);
	inside(&sub, p, len);
	for (n = 0; header_param_next(&it, &pa); n++) {
		inside(&pa.name, p, len);
		inside(&pa.value, p, len);
		if (n > len || pa.name.len == 0)
			abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const char	*p = (const char *)data;
	static int	 init;

	if (len == 0)
		data = (const uint8_t *)"";
	if (!init)
		charset_init();
	init = 1;
	fields(p, len);
	texts(p, len);
	lists(p, len);
	return 0;
}
