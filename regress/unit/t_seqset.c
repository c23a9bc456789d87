#include <atf-c.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "seqset.h"

#define MAX	64

static void
mk(struct uidset *s, const char *text)
{
	uidset_init(s);
	if (*text != '\0')
		ATF_REQUIRE_EQ(0, uidset_parse(s, text, strlen(text), 1000));
}

static void
is(const struct uidset *s, const char *text, const char *what)
{
	struct ibuf b;

	ibuf_init(&b, 65536);
	ATF_REQUIRE_EQ(0, uidset_put(s, &b));
	ATF_REQUIRE_EQ(0, ibuf_add_n8(&b, '\0'));
	ATF_CHECK_STREQ_MSG(text, (char *)ibuf_data(&b), "%s", what);
	ibuf_fini(&b);
}

ATF_TC_WITHOUT_HEAD(parse);
ATF_TC_BODY(parse, tc)
{
	static const char *good[] = { "1", "*", "1:*", "*:1", "5:2", "1,1,1",
	    "2,4:7,9,12:*", "*:4,5:7", "4294967295", "*:*", "4294967295:1",
	    NULL };
	static const char *bad[] = { "", "0", "1,", ",1", "1:", ":1", "1::2",
	    "a", "1 2", "4294967296", "01", "1:0", "-1", "**", "1:2:3", "$1",
	    "1,$", "$,1", "1,,2", "+1", "99999999999999999999999", NULL };
	struct seqrange r[MAX];
	struct seqset s;
	int i;

	for (i = 0; good[i] != NULL; i++)
		ATF_CHECK_EQ_MSG(0, seqset_parse(&s, r, good[i],
		    strlen(good[i]), 1), "%s", good[i]);
	for (i = 0; bad[i] != NULL; i++) {
		errno = 0;
		ATF_CHECK_EQ_MSG(-1, seqset_parse(&s, r, bad[i],
		    strlen(bad[i]), 1), "%s", bad[i]);
		ATF_CHECK_EQ(EINVAL, errno);
	}
	ATF_CHECK_EQ(5, seqset_ranges("1,2,3:4,5,6", 11));
	ATF_REQUIRE_EQ(0, seqset_parse(&s, r, "$", 1, 1));
	ATF_CHECK(s.saved && s.n == 0 && !s.star);
	ATF_CHECK_EQ(-1, seqset_parse(&s, r, "$", 1, 0));
	ATF_REQUIRE_EQ(0, seqset_parse(&s, r, "9:7,*", 5, 0));
	ATF_CHECK_EQ(2, s.n);
	ATF_CHECK_EQ(7, s.r[0].lo);
	ATF_CHECK_EQ(9, s.r[0].hi);
	ATF_CHECK_EQ(1, s.star);
}

ATF_TC_WITHOUT_HEAD(resolve);
ATF_TC_BODY(resolve, tc)
{
	/* view, set, how, result or NULL for ERANGE */
	static const struct {
		const char	*view;
		const char	*set;
		int		 how;
		const char	*out;
	} t[] = {
		{ "1:10", "1", 0, "1" },
		{ "1:10", "*", 0, "10" },
		{ "1:10", "3:*", 0, "3:10" },
		{ "1:10", "*:3", 0, "3:10" },
		{ "1:10", "1:*", 0, "1:10" },
		{ "1:10", "11", 0, NULL },
		{ "1:10", "5:11", 0, NULL },
		{ "1:10", "11:*", 0, NULL },
		{ "1:10", "5:11", SEQSET_LENIENT, "5:10" },
		{ "1:10", "11:20", SEQSET_LENIENT, "" },
		{ "1:10", "11:*", SEQSET_LENIENT, "10" },
		{ "", "*", 0, NULL },
		{ "", "1:*", 0, NULL },
		{ "", "1", 0, NULL },
		{ "", "1:*", SEQSET_LENIENT, "" },
		{ "", "*", SEQSET_LENIENT, "" },
		{ "5,7:9,20:29,40", "2,4:7,9,12:*", 0,
		    "7,9,20:22,24,27:29,40" },
		{ "5,7:9,20:29,40", "15", 0, "40" },
		{ "5,7:9,20:29,40", "16", 0, NULL },
		{ "5,7:9,20:29,40", "1,1,2:3,3:4,2:6", 0, "5,7:9,20:21" },
		{ "5,7:9,20:29,40", "14,1,7", 0, "5,22,29" },
		{ "5,7:9,20:29,40", "1:15", 0, "5,7:9,20:29,40" },
		{ "4294967294:4294967295", "1:2", 0,
		    "4294967294:4294967295" },

		{ "5,7:9,20:29,40", "7:25", SEQSET_UID, "7:9,20:25" },
		{ "5,7:9,20:29,40", "*", SEQSET_UID, "40" },
		{ "5,7:9,20:29,40", "559:*", SEQSET_UID, "40" },
		{ "5,7:9,20:29,40", "*:4", SEQSET_UID, "5,7:9,20:29,40" },
		{ "5,7:9,20:29,40", "6,10:19,41:1000", SEQSET_UID, "" },
		{ "5,7:9,20:29,40", "1:4294967295", SEQSET_UID,
		    "5,7:9,20:29,40" },
		{ "5,7:9,20:29,40", "40,5,8,5", SEQSET_UID, "5,8,40" },
		{ "", "1:*", SEQSET_UID, "" },
		{ "", "*", SEQSET_UID, "" },
		{ "", "1", SEQSET_UID, "" },
		{ "4294967295", "*", SEQSET_UID, "4294967295" },
	};
	struct seqrange r[MAX];
	struct seqset s;
	struct uidset view, out;
	size_t i;
	int ret;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		mk(&view, t[i].view);
		mk(&out, "77");
		ATF_REQUIRE_EQ(0, seqset_parse(&s, r, t[i].set,
		    strlen(t[i].set), 0));
		errno = 0;
		ret = seqset_resolve(&s, t[i].how, &view, NULL, &out);
		ATF_CHECK_EQ_MSG(t[i].out == NULL ? -1 : 0, ret, "%s %s",
		    t[i].view, t[i].set);
		if (ret == -1)
			ATF_CHECK_EQ(ERANGE, errno);
		is(&out, t[i].out == NULL ? "" : t[i].out, t[i].set);
		uidset_fini(&view);
		uidset_fini(&out);
	}
}

ATF_TC_WITHOUT_HEAD(saved);
ATF_TC_BODY(saved, tc)
{
	struct seqrange r[1];
	struct seqset s;
	struct uidset view, saved, out;

	mk(&view, "1:3,9");
	mk(&saved, "2:9,12");
	uidset_init(&out);
	ATF_REQUIRE_EQ(0, seqset_parse(&s, r, "$", 1, 1));
	ATF_CHECK_EQ(0, seqset_resolve(&s, 0, &view, &saved, &out));
	is(&out, "2:3,9", "$");
	ATF_CHECK_EQ(0, seqset_resolve(&s, SEQSET_UID, &view, NULL, &out));
	is(&out, "", "$ of nothing");
	uidset_fini(&view);
	uidset_fini(&saved);
	uidset_fini(&out);
}

ATF_TC_WITHOUT_HEAD(numbers);
ATF_TC_BODY(numbers, tc)
{
	static const struct {
		const char	*view;
		const char	*uids;
		const char	*out;
	} t[] = {
		{ "5,7:9,20:29,40", "7:25", "2:10" },
		{ "5,7:9,20:29,40", "1:100", "1:15" },
		{ "5,7:9,20:29,40", "6,30:39", "" },
		{ "5,7:9,20:29,40", "5,9,29,40", "1,4,14:15" },
		{ "", "1", "" },
		{ "4294967295", "1:4294967295", "1" },
	};
	struct uidset view, uids, out;
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		mk(&view, t[i].view);
		mk(&uids, t[i].uids);
		mk(&out, "3");
		ATF_CHECK_EQ(0, seqset_numbers(&view, &uids, &out));
		is(&out, t[i].out, t[i].uids);
		uidset_fini(&view);
		uidset_fini(&uids);
		uidset_fini(&out);
	}
}

/* Random sets on random views, one number at a time. */
ATF_TC_WITHOUT_HEAD(model);
ATF_TC_BODY(model, tc)
{
	struct seqrange r[8];
	struct seqset s;
	struct uidset view, out, nums;
	uint32_t u, i, k, n, exists, lo, hi;
	int how, want, step;

	srandom(7);
	for (step = 0; step < 20000; step++) {
		uidset_init(&view);
		uidset_init(&out);
		uidset_init(&nums);
		for (u = 1; u < 40; u++)
			if (random() % 3)
				uidset_add(&view, u, u);
		exists = uidset_count(&view);
		memset(&s, 0, sizeof(s));
		s.r = r;
		s.n = 1 + (uint32_t)random() % 8;
		for (i = 0; i < s.n; i++) {
			r[i].lo = (uint32_t)random() % 45;
			r[i].hi = (uint32_t)random() % 45;
			if (r[i].lo > r[i].hi && r[i].hi != SEQ_STAR) {
				u = r[i].lo;
				r[i].lo = r[i].hi;
				r[i].hi = u;
			}
		}
		how = random() % 2 ? SEQSET_UID : SEQSET_LENIENT;
		ATF_REQUIRE_EQ(0, seqset_resolve(&s, how, &view, NULL, &out));
		for (u = 1; u < 40; u++) {
			n = how & SEQSET_UID ? u : uidset_rank(&view, u);
			k = how & SEQSET_UID ? uidset_max(&view) : exists;
			for (want = 0, i = 0; i < s.n; i++) {
				lo = r[i].lo == SEQ_STAR ? k : r[i].lo;
				hi = r[i].hi == SEQ_STAR ? k : r[i].hi;
				want |= (lo <= n && n <= hi) ||
				    (hi <= n && n <= lo);
			}
			want = want && uidset_contains(&view, u);
			ATF_REQUIRE_EQ(want, uidset_contains(&out, u));
		}
		ATF_REQUIRE_EQ(0, seqset_numbers(&view, &out, &nums));
		ATF_REQUIRE_EQ(uidset_count(&out), uidset_count(&nums));
		for (u = 1; u < 40; u++)
			if (uidset_contains(&out, u))
				ATF_REQUIRE(uidset_contains(&nums,
				    uidset_rank(&view, u)));
		uidset_fini(&view);
		uidset_fini(&out);
		uidset_fini(&nums);
	}
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, parse);
	ATF_TP_ADD_TC(tp, resolve);
	ATF_TP_ADD_TC(tp, saved);
	ATF_TP_ADD_TC(tp, numbers);
	ATF_TP_ADD_TC(tp, model);
	return atf_no_error();
}
