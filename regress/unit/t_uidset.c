#include <atf-c.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "uidset.h"

/* A set from its text, with 0 standing for the empty set. */
static void
mk(struct uidset *s, const char *text)
{
	uidset_init(s);
	if (*text != '\0')
		ATF_REQUIRE_EQ(0, uidset_parse(s, text, strlen(text), 1000));
}

static void
is(const struct uidset *s, const char *text)
{
	struct ibuf b;

	ibuf_init(&b, 65536);
	ATF_REQUIRE_EQ(0, uidset_put(s, &b));
	ATF_REQUIRE_EQ(0, ibuf_add_n8(&b, '\0'));
	ATF_CHECK_STREQ(text, (char *)ibuf_data(&b));
	ibuf_fini(&b);
}

ATF_TC_WITHOUT_HEAD(parse);
ATF_TC_BODY(parse, tc)
{
	static const char *good[] = { "1", "1:2", "7,9", "1:500,502:9000",
	    "4294967295", "1:4294967295", "4294967293,4294967295", NULL };
	static const char *bad[] = { "", "0", "1:1", "2:1", "1,2", "1:3,4",
	    "3,1", "*", "1:*", "1,", ",1", "1::2", "01", "1:02", "4294967296",
	    "1:4294967296", " 1", "1 ", "-1", "1:3,3", "5,5", "a",
	    "4294967295,1", "1:4294967295,5", NULL };
	struct uidset s;
	int i;

	uidset_init(&s);
	for (i = 0; good[i] != NULL; i++) {
		ATF_CHECK_EQ_MSG(0, uidset_parse(&s, good[i],
		    strlen(good[i]), 1000), "%s", good[i]);
		is(&s, good[i]);
	}
	for (i = 0; bad[i] != NULL; i++) {
		errno = 0;
		ATF_CHECK_EQ_MSG(-1, uidset_parse(&s, bad[i],
		    strlen(bad[i]), 1000), "%s", bad[i]);
		ATF_CHECK_EQ(EINVAL, errno);
		ATF_CHECK_EQ(0, s.n);
	}
	ATF_CHECK_EQ(-1, uidset_parse(&s, "1,3,5", 5, 2));
	ATF_CHECK_EQ(ERANGE, errno);
	uidset_fini(&s);
}

ATF_TC_WITHOUT_HEAD(addremove);
ATF_TC_BODY(addremove, tc)
{
	struct uidset s;

	uidset_init(&s);
	ATF_CHECK_EQ(-1, uidset_add(&s, 0, 1));
	ATF_CHECK_EQ(-1, uidset_add(&s, 2, 1));
	uidset_add(&s, 5, 7);
	uidset_add(&s, 9, 9);
	is(&s, "5:7,9");
	uidset_add(&s, 8, 8);
	is(&s, "5:9");
	uidset_add(&s, 1, 3);
	is(&s, "1:3,5:9");
	uidset_add(&s, 2, 20);
	is(&s, "1:20");
	uidset_add(&s, UINT32_MAX, UINT32_MAX);
	is(&s, "1:20,4294967295");
	uidset_remove(&s, 5, 6);
	is(&s, "1:4,7:20,4294967295");
	uidset_remove(&s, 4, 7);
	is(&s, "1:3,8:20,4294967295");
	uidset_remove(&s, 20, UINT32_MAX);
	is(&s, "1:3,8:19");
	uidset_remove(&s, 30, 40);
	is(&s, "1:3,8:19");
	uidset_remove(&s, 1, 30);
	is(&s, "");
	ATF_CHECK_EQ(0, uidset_max(&s));
	uidset_fini(&s);
}

ATF_TC_WITHOUT_HEAD(ops);
ATF_TC_BODY(ops, tc)
{
	static const struct {
		const char *a, *b, *u, *sub, *in;
	} t[] = {
		{ "", "1:3,7", "1:3,7", "", "" },
		{ "1:3,7", "", "1:3,7", "1:3,7", "" },
		{ "1:10", "2:3,5", "1:10", "1,4,6:10", "2:3,5" },
		{ "1,3,5,7", "2,4,6", "1:7", "1,3,5,7", "" },
		{ "1:5,10:15", "4:11", "1:15", "1:3,12:15", "4:5,10:11" },
		{ "1:4294967295", "7,9:4294967294", "1:4294967295",
		    "1:6,8,4294967295", "7,9:4294967294" },
		{ "4294967295", "4294967295", "4294967295", "",
		    "4294967295" },
	};
	struct uidset a, b;
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		mk(&b, t[i].b);
		mk(&a, t[i].a);
		uidset_union(&a, &b);
		is(&a, t[i].u);
		uidset_fini(&a);
		mk(&a, t[i].a);
		ATF_CHECK_EQ(*t[i].in != '\0', uidset_overlaps(&a, &b));
		uidset_subtract(&a, &b);
		is(&a, t[i].sub);
		uidset_fini(&a);
		mk(&a, t[i].a);
		uidset_intersect(&a, &b);
		is(&a, t[i].in);
		uidset_fini(&a);
		uidset_fini(&b);
	}
}

/* Everything against a plain array of bits, with random operations. */
ATF_TC_WITHOUT_HEAD(model);
ATF_TC_BODY(model, tc)
{
	enum { N = 200 };
	char m[N + 1];
	struct uidset s;
	uint32_t lo, hi, u, c, step;

	srandom(1);
	memset(m, 0, sizeof(m));
	uidset_init(&s);
	for (step = 0; step < 20000; step++) {
		lo = 1 + random() % N;
		hi = lo + random() % 5;
		if (hi > N)
			hi = N;
		if (random() % 2) {
			uidset_add(&s, lo, hi);
			memset(m + lo, 1, hi - lo + 1);
		} else {
			uidset_remove(&s, lo, hi);
			memset(m + lo, 0, hi - lo + 1);
		}
		if (step % 16)
			continue;
		for (c = 0, u = 1; u <= N; u++) {
			ATF_REQUIRE_EQ(m[u], uidset_contains(&s, u));
			ATF_REQUIRE_EQ(c, uidset_below(&s, u));
			if (!m[u]) {
				ATF_REQUIRE_EQ(0, uidset_rank(&s, u));
				continue;
			}
			c++;
			ATF_REQUIRE_EQ(c, uidset_rank(&s, u));
			ATF_REQUIRE_EQ(u, uidset_nth(&s, c));
		}
		ATF_REQUIRE_EQ(c, uidset_count(&s));
		ATF_REQUIRE_EQ(0, uidset_nth(&s, c + 1));
	}
	uidset_fini(&s);
}

/* Two sets, of few and of many ranges, against arrays of bits. */
enum { BITS = 3000 };

static void
random_set(struct uidset *s, char *m, int ranges)
{
	uint32_t lo, hi;

	uidset_init(s);
	memset(m, 0, BITS + 1);
	while (ranges-- > 0) {
		lo = 1 + random() % BITS;
		hi = lo + (random() % 3 ? 0 : random() % 40);
		if (hi > BITS)
			hi = BITS;
		ATF_REQUIRE_EQ(0, uidset_add(s, lo, hi));
		memset(m + lo, 1, hi - lo + 1);
	}
}

static void
same_as(const struct uidset *s, const char *a, const char *b, int op)
{
	uint32_t u, i, last = 0;
	int want;

	for (u = 1; u <= BITS; u++) {
		want = op == '+' ? a[u] || b[u] : op == '-' ?
		    a[u] && !b[u] : a[u] && b[u];
		ATF_REQUIRE_EQ(want, uidset_contains(s, u));
	}
	for (i = 0; i < s->n; i++) {
		ATF_REQUIRE(s->r[i].lo <= s->r[i].hi);
		ATF_REQUIRE(i == 0 || s->r[i].lo > last + 1);
		last = s->r[i].hi;
	}
}

ATF_TC_WITHOUT_HEAD(sizes);
ATF_TC_BODY(sizes, tc)
{
	static const int sizes[] = { 0, 1, 2, 5, 40, 900 };
	static char ma[BITS + 1], mb[BITS + 1];
	struct uidset a, b, c;
	int i, step;

	srandom(2);
	for (step = 0; step < 36 * 12; step++) {
		random_set(&a, ma, sizes[step % 6]);
		random_set(&b, mb, sizes[step / 6 % 6]);
		for (i = 0; i < 3; i++) {
			uidset_init(&c);
			ATF_REQUIRE_EQ(0, uidset_copy(&c, &a));
			ATF_REQUIRE_EQ(0, i == 0 ? uidset_union(&c, &b) :
			    i == 1 ? uidset_subtract(&c, &b) :
			    uidset_intersect(&c, &b));
			same_as(&c, ma, mb, "+-*"[i]);
			uidset_fini(&c);
		}
		/* with itself */
		ATF_REQUIRE_EQ(0, uidset_union(&a, &a));
		ATF_REQUIRE_EQ(0, uidset_intersect(&a, &a));
		same_as(&a, ma, ma, '+');
		uidset_fini(&a);
		uidset_fini(&b);
	}
}

ATF_TC_WITHOUT_HEAD(split);
ATF_TC_BODY(split, tc)
{
	struct uidset s, t, all;
	struct uidset_iter it;
	struct ibuf b;
	uint32_t pos = 0, u, n = 0;
	int more, pieces = 0;

	uidset_init(&s);
	uidset_init(&all);
	for (u = 1; u < 3000; u += 3)
		uidset_add(&s, u, u);
	do {
		ibuf_init(&b, 1000);
		more = uidset_format(&s, &pos, 100, &b);
		ATF_REQUIRE(more != -1);
		ATF_REQUIRE(ibuf_size(&b) <= 100);
		uidset_init(&t);
		ATF_REQUIRE_EQ(0, uidset_parse(&t, (char *)ibuf_data(&b),
		    ibuf_size(&b), 1000));
		uidset_union(&all, &t);
		uidset_fini(&t);
		ibuf_fini(&b);
		pieces++;
	} while (more);
	ATF_CHECK(pieces > 10);
	ATF_CHECK(uidset_equal(&s, &all));
	for (u = uidset_first(&it, &s); u; u = uidset_next(&it))
		n += uidset_contains(&s, u);
	ATF_CHECK_EQ(1000, n);
	uidset_fini(&s);
	uidset_fini(&all);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, parse);
	ATF_TP_ADD_TC(tp, addremove);
	ATF_TP_ADD_TC(tp, ops);
	ATF_TP_ADD_TC(tp, model);
	ATF_TP_ADD_TC(tp, sizes);
	ATF_TP_ADD_TC(tp, split);
	return atf_no_error();
}
