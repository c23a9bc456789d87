#include <atf-c.h>
#include <string.h>

#include "hdrdrop.h"

static const struct {
	const char	*in;
	const char	*out;
	unsigned int	 dropped;
} t[] = {
	{ "", "", 0 },
	{ "Return-Path: <a@b>\r\nSubject: x\r\n\r\nbody\r\n",
	    "Subject: x\r\n\r\nbody\r\n", 1 },
	{ "Subject: x\r\nreturn-path: <a@b>\r\n\r\nbody\r\n",
	    "Subject: x\r\n\r\nbody\r\n", 1 },
	/* continued, twice */
	{ "RETURN-PATH:\r\n <a@b>\r\n\t(c)\r\nA: 1\r\n 2\r\n\r\n",
	    "A: 1\r\n 2\r\n\r\n", 1 },
	{ "Return-Path: a\r\nReturn-Path: b\r\nReturn-Path : c\r\nA: 1\r\n",
	    "A: 1\r\n", 3 },
	/* nearly, or elsewhere */
	{ "Return-Pat: x\r\nReturn-Pathx: y\r\nReturn-Path x: z\r\n",
	    "Return-Pat: x\r\nReturn-Pathx: y\r\nReturn-Path x: z\r\n", 0 },
	{ "A: 1\r\n Return-Path: x\r\nB: Return-Path: y\r\n",
	    "A: 1\r\n Return-Path: x\r\nB: Return-Path: y\r\n", 0 },
	{ "\r\nReturn-Path: x\r\n", "\r\nReturn-Path: x\r\n", 0 },
	{ "A: 1\r\n\r\nReturn-Path: x\r\n", "A: 1\r\n\r\nReturn-Path: x\r\n",
	    0 },
	/* LF alone ends lines, too */
	{ "Return-Path: x\nA: 1\n\nReturn-Path: y\n",
	    "A: 1\n\nReturn-Path: y\n", 1 },
	/* the end comes in the middle */
	{ "A: 1\r\nReturn-Pa", "A: 1\r\nReturn-Pa", 0 },
	{ "A: 1\r\nReturn-Path", "A: 1\r\nReturn-Path", 0 },
	{ "A: 1\r\nReturn-Path: x", "A: 1\r\n", 1 },
	{ "Return-Path: x\r\n", "", 1 },
	/* more blanks than anybody writes */
	{ "Return-Path                                                     "
	    "                 : x\r\n",
	    "Return-Path                                                     "
	    "                 : x\r\n", 0 },
};

static void
run(const char *in, const char *out, unsigned int dropped, size_t step)
{
	struct hdrdrop	d;
	struct ibuf	b;
	size_t		i, n, len = strlen(in);

	ibuf_init(&b, 65536);
	hdrdrop_init(&d, "Return-Path");
	for (i = 0; i < len; i += n) {
		n = len - i < step ? len - i : step;
		ATF_REQUIRE_EQ(0, hdrdrop_feed(&d, in + i, n, &b));
	}
	ATF_REQUIRE_EQ(0, hdrdrop_finish(&d, &b));
	ATF_CHECK_EQ_MSG(strlen(out), ibuf_size(&b), "%s: %zu", in,
	    ibuf_size(&b));
	ATF_CHECK_MSG(ibuf_size(&b) == 0 || memcmp(out, ibuf_data(&b),
	    ibuf_size(&b)) == 0, "%s", in);
	ATF_CHECK_EQ(dropped, d.dropped);
	ibuf_fini(&b);
}

ATF_TC_WITHOUT_HEAD(table);
ATF_TC_BODY(table, tc)
{
	size_t i, step;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		for (step = 1; step <= strlen(t[i].in) + 1; step++)
			run(t[i].in, t[i].out, t[i].dropped, step);
}

ATF_TC_WITHOUT_HEAD(done);
ATF_TC_BODY(done, tc)
{
	struct hdrdrop	d;
	struct ibuf	b;

	ibuf_init(&b, 100);
	hdrdrop_init(&d, "X");
	ATF_REQUIRE_EQ(0, hdrdrop_feed(&d, "A: 1\r\n", 6, &b));
	ATF_CHECK(!hdrdrop_done(&d));
	ATF_REQUIRE_EQ(0, hdrdrop_feed(&d, "\r\n", 2, &b));
	ATF_CHECK(hdrdrop_done(&d));
	ibuf_fini(&b);
}

ATF_TC_WITHOUT_HEAD(full);
ATF_TC_BODY(full, tc)
{
	struct hdrdrop	d;
	struct ibuf	b;

	ibuf_init(&b, 4);
	hdrdrop_init(&d, "X");
	ATF_CHECK_EQ(-1, hdrdrop_feed(&d, "A: 1\r\n", 6, &b));
	ibuf_fini(&b);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, table);
	ATF_TP_ADD_TC(tp, done);
	ATF_TP_ADD_TC(tp, full);
	return atf_no_error();
}
