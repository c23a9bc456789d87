#include <atf-c.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dotstuff.h"

struct result {
	struct dotin	d;
	struct ibuf	out;
	size_t		used;
	int		end;
};

/* Feeds in pieces of a size. */
static void
feed(struct result *r, int how, const char *p, size_t len, size_t piece)
{
	size_t	n, used;

	dotin_init(&r->d, how);
	ibuf_init(&r->out, 65536);
	r->used = 0;
	r->end = 0;
	while (r->used < len && r->end == 0) {
		n = len - r->used < piece ? len - r->used : piece;
		r->end = dotin_feed(&r->d, p + r->used, n, &used, &r->out);
		ATF_REQUIRE(r->end != -1);
		ATF_REQUIRE(r->end == 1 || used == n);
		r->used += used;
	}
	if (how == DOTIN_BDAT)
		ATF_REQUIRE_EQ(0, dotin_finish(&r->d, &r->out));
	ATF_REQUIRE_EQ(r->d.out, ibuf_size(&r->out));
}

static void
check(int how, const char *in, const char *out, size_t rest, int bare)
{
	static const size_t	pieces[] = { 1, 2, 3, 7, 4096 };
	struct result		r;
	size_t			i;

	for (i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		feed(&r, how, in, strlen(in), pieces[i]);
		ATF_REQUIRE_EQ(0, ibuf_add_n8(&r.out, '\0'));
		ATF_CHECK_STREQ_MSG(out, (char *)ibuf_data(&r.out), "%s",
		    in);
		ATF_CHECK_EQ_MSG(how == DOTIN_DATA && rest != SIZE_MAX,
		    r.end, "%s", in);
		if (rest != SIZE_MAX)
			ATF_CHECK_EQ_MSG(rest, strlen(in) - r.used, "%s", in);
		ATF_CHECK_EQ_MSG((uint64_t)bare, r.d.bare_cr + r.d.bare_lf,
		    "%s", in);
		ibuf_fini(&r.out);
	}
}

#define OPEN	SIZE_MAX	/* no end was seen */

ATF_TC_WITHOUT_HEAD(in);
ATF_TC_BODY(in, tc)
{
	check(DOTIN_DATA, ".\r\n", "", 0, 0);
	check(DOTIN_DATA, "a\r\n.\r\n", "a\r\n", 0, 0);
	check(DOTIN_DATA, "a\r\n.\r\nQUIT\r\n", "a\r\n", 6, 0);
	check(DOTIN_DATA, "\r\n.\r\n.\r\n", "\r\n", 3, 0);
	check(DOTIN_DATA, "..\r\n.\r\n", ".\r\n", 0, 0);
	check(DOTIN_DATA, ".a\r\n...\r\n.\r\n", "a\r\n..\r\n", 0, 0);
	check(DOTIN_DATA, "a.\r\nb.c\r\n.\r\n", "a.\r\nb.c\r\n", 0, 0);
	check(DOTIN_DATA, "a", "a", OPEN, 0);
	check(DOTIN_DATA, "a\r\n.", "a\r\n", OPEN, 0);
	check(DOTIN_DATA, "a\r\n.\r", "a\r\n", OPEN, 0);
	check(DOTIN_DATA, "", "", OPEN, 0);
}

/* Every end mark that some program has taken for one, and ours does not. */
ATF_TC_WITHOUT_HEAD(smuggle);
ATF_TC_BODY(smuggle, tc)
{
	static const struct {
		const char	*mark;
		const char	*out;
		int		 bare;
	} t[] = {
		{ "\n.\n", "\r\n.\r\n", 2 },
		{ "\n.\r\n", "\r\n.\r\n", 1 },
		{ "\r\n.\n", "\r\n\r\n", 1 },
		{ "\r.\r", "\r\n.\r\n", 2 },
		{ "\r.\r\n", "\r\n.\r\n", 1 },
		{ "\r\n.\r", "\r\n\r\n", 1 },
		{ "\n.\r", "\r\n.\r\n", 2 },
		{ "\r.\n", "\r\n.\r\n", 2 },
		{ "\r\n.\r\r\n", "\r\n\r\n\r\n", 1 },
		{ "\r\r\n.\r\r\n", "\r\n\r\n\r\n\r\n", 2 },
		{ "\n\n.\n\n", "\r\n\r\n.\r\n\r\n", 4 },
		{ "\r\n\r.\r\n", "\r\n\r\n.\r\n", 1 },
		{ "\n..\n", "\r\n..\r\n", 2 },
	};
	char	in[128], out[128];
	size_t	i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		strlcpy(in, "a", sizeof(in));
		strlcat(in, t[i].mark, sizeof(in));
		strlcat(in, "MAIL FROM:<x@y>\r\n.\r\nNOOP\r\n", sizeof(in));
		strlcpy(out, "a", sizeof(out));
		strlcat(out, t[i].out, sizeof(out));
		strlcat(out, "MAIL FROM:<x@y>\r\n", sizeof(out));
		check(DOTIN_DATA, in, out, 6, t[i].bare);
	}
}

ATF_TC_WITHOUT_HEAD(bdat);
ATF_TC_BODY(bdat, tc)
{
	struct result	r;

	check(DOTIN_BDAT, "", "", OPEN, 0);
	check(DOTIN_BDAT, "a\r\n.\r\n..b\r\n", "a\r\n.\r\n..b\r\n", OPEN, 0);
	check(DOTIN_BDAT, "a", "a\r\n", OPEN, 0);
	check(DOTIN_BDAT, "a\r", "a\r\n", OPEN, 1);
	check(DOTIN_BDAT, "a\n", "a\r\n", OPEN, 1);
	check(DOTIN_BDAT, "a\r\nb\rc\nd", "a\r\nb\r\nc\r\nd\r\n", OPEN, 2);
	feed(&r, DOTIN_BDAT, "a\0\0b\0\r\n", 7, 2);
	ATF_CHECK_EQ(3, r.d.nul);
	ATF_CHECK(memcmp("a\0\0b\0\r\n", ibuf_data(&r.out), 7) == 0);
	ibuf_fini(&r.out);
}

static void
out_check(int64_t lines, const char *in, const char *want)
{
	static const size_t	pieces[] = { 1, 2, 3, 7, 4096 };
	struct dotout		d;
	struct ibuf		b;
	size_t			i, off, n, len = strlen(in);
	int			full;

	for (i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		dotout_init(&d, lines);
		ibuf_init(&b, 65536);
		full = 0;
		for (off = 0; off < len && !full; off += n) {
			n = len - off < pieces[i] ? len - off : pieces[i];
			full = dotout_feed(&d, in + off, n, &b);
			ATF_REQUIRE(full != -1);
		}
		ATF_REQUIRE_EQ(0, dotout_finish(&d, &b));
		ATF_REQUIRE_EQ(0, ibuf_add_n8(&b, '\0'));
		ATF_CHECK_STREQ_MSG(want, (char *)ibuf_data(&b), "%s", in);
		ibuf_fini(&b);
	}
}

ATF_TC_WITHOUT_HEAD(out);
ATF_TC_BODY(out, tc)
{
	out_check(-1, "", ".\r\n");
	out_check(-1, "a: b\r\n\r\nc\r\n", "a: b\r\n\r\nc\r\n.\r\n");
	out_check(-1, "a\r\n.\r\n..b\r\nc.", "a\r\n..\r\n...b\r\nc.\r\n.\r\n");
	out_check(-1, ".", "..\r\n.\r\n");
	out_check(-1, "a\n.\nb\r.\r", "a\r\n..\r\nb\r\n..\r\n.\r\n");
	out_check(-1, "a\r\r\n", "a\r\n\r\n.\r\n");
	out_check(-1, "\r\n\r\n", "\r\n\r\n.\r\n");
}

ATF_TC_WITHOUT_HEAD(top);
ATF_TC_BODY(top, tc)
{
	static const char m[] = "A: 1\r\nB: 2\r\n\r\none\r\n.two\r\n\r\nfour";

	out_check(0, m, "A: 1\r\nB: 2\r\n\r\n.\r\n");
	out_check(1, m, "A: 1\r\nB: 2\r\n\r\none\r\n.\r\n");
	out_check(2, m, "A: 1\r\nB: 2\r\n\r\none\r\n..two\r\n.\r\n");
	out_check(3, m, "A: 1\r\nB: 2\r\n\r\none\r\n..two\r\n\r\n.\r\n");
	out_check(4, m,
	    "A: 1\r\nB: 2\r\n\r\none\r\n..two\r\n\r\nfour\r\n.\r\n");
	out_check(99, m,
	    "A: 1\r\nB: 2\r\n\r\none\r\n..two\r\n\r\nfour\r\n.\r\n");
	out_check(0, "\r\nbody\r\n", "\r\n.\r\n");
	out_check(1, "\nbody\nmore\n", "\r\nbody\r\n.\r\n");
	out_check(0, "A: 1\r\n", "A: 1\r\n.\r\n");
	out_check(1, "A: 1\r\rx\ry\r", "A: 1\r\n\r\nx\r\n.\r\n");
}

/* Out and in again is the same; no output has a bare CR or LF. */
ATF_TC_WITHOUT_HEAD(roundtrip);
ATF_TC_BODY(roundtrip, tc)
{
	static const char	alphabet[] = "..\r\n\r\nab";
	char			m[32];
	struct dotout		d;
	struct ibuf		b;
	struct result		r, n;
	int			i, k;
	size_t			len;

	srandom(5);
	for (i = 0; i < 50000; i++) {
		len = (size_t)random() % sizeof(m);
		for (k = 0; k < (int)len; k++)
			m[k] = alphabet[random() % 8];
		/* what BDAT makes of it has clean line ends */
		feed(&n, DOTIN_BDAT, m, len, 5);
		dotout_init(&d, -1);
		ibuf_init(&b, 1024);
		ATF_REQUIRE_EQ(0, dotout_feed(&d, m, len, &b));
		ATF_REQUIRE_EQ(0, dotout_finish(&d, &b));
		feed(&r, DOTIN_DATA, (char *)ibuf_data(&b), ibuf_size(&b), 3);
		ATF_REQUIRE_EQ(1, r.end);
		ATF_REQUIRE_EQ(ibuf_size(&b), r.used);
		ATF_REQUIRE_EQ(0, r.d.bare_cr + r.d.bare_lf);
		ATF_REQUIRE_EQ(ibuf_size(&n.out), ibuf_size(&r.out));
		ATF_REQUIRE(ibuf_size(&n.out) == 0 ||
		    memcmp(ibuf_data(&n.out), ibuf_data(&r.out),
		    ibuf_size(&n.out)) == 0);
		ibuf_fini(&b);
		ibuf_fini(&r.out);
		ibuf_fini(&n.out);
	}
}

ATF_TC_WITHOUT_HEAD(full);
ATF_TC_BODY(full, tc)
{
	struct dotin	d;
	struct dotout	o;
	struct ibuf	b;
	size_t		used;

	ibuf_init(&b, 4);
	dotin_init(&d, DOTIN_DATA);
	errno = 0;
	ATF_CHECK_EQ(-1, dotin_feed(&d, "abcdef\r\n", 8, &used, &b));
	ATF_CHECK_EQ(ERANGE, errno);
	dotout_init(&o, -1);
	errno = 0;
	ATF_CHECK_EQ(-1, dotout_feed(&o, "abcdef\r\n", 8, &b));
	ATF_CHECK_EQ(ERANGE, errno);
	ibuf_fini(&b);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, in);
	ATF_TP_ADD_TC(tp, smuggle);
	ATF_TP_ADD_TC(tp, bdat);
	ATF_TP_ADD_TC(tp, out);
	ATF_TP_ADD_TC(tp, top);
	ATF_TP_ADD_TC(tp, roundtrip);
	ATF_TP_ADD_TC(tp, full);
	return atf_no_error();
}
