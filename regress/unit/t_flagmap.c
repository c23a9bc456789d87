#include <atf-c.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "flagmap.h"

static uint32_t
mk(struct flagmap *m, const char *text)
{
	uint32_t id = flags_from_text(&m->flags, text, strlen(text));

	ATF_REQUIRE(id != FLAGS_ERR);
	return id;
}

static void
mkset(struct uidset *s, const char *text)
{
	uidset_init(s);
	if (*text != '\0')
		ATF_REQUIRE_EQ(0, uidset_parse(s, text, strlen(text), 1000));
}

static void
set_is(const struct uidset *s, const char *text)
{
	struct ibuf b;

	ibuf_init(&b, 65536);
	ATF_REQUIRE_EQ(0, uidset_put(s, &b));
	ATF_REQUIRE_EQ(0, ibuf_add_n8(&b, '\0'));
	ATF_CHECK_STREQ(text, (char *)ibuf_data(&b));
	ibuf_fini(&b);
}

/* "1:3 \Seen|7 |9 a" within a set. */
static void
is(struct flagmap *m, const char *within, const char *text)
{
	struct flagmap_iter	 it;
	struct uidset		 w;
	char			 out[1024] = "";
	const char		*flags;
	size_t			 n = 0, len;
	uint32_t		 lo, hi, id;

	mkset(&w, within);
	flagmap_iter(&it, m, *within != '\0' ? &w : NULL);
	while (flagmap_next(&it, &lo, &hi, &id)) {
		flags = flags_text(&m->flags, id, &len);
		if (lo == hi)
			n += (size_t)snprintf(out + n, sizeof(out) - n,
			    "%s%u %s", n > 0 ? "|" : "", lo, flags);
		else
			n += (size_t)snprintf(out + n, sizeof(out) - n,
			    "%s%u:%u %s", n > 0 ? "|" : "", lo, hi, flags);
	}
	ATF_CHECK_STREQ(text, out);
	uidset_fini(&w);
}

/* What the header promises of runs. */
static void
sound(const struct flagmap *m)
{
	uint32_t i;

	ATF_REQUIRE(m->n <= uidset_count(&m->uids));
	ATF_REQUIRE_EQ(m->uids.n == 0, m->n == 0);
	if (m->n > 0)
		ATF_REQUIRE_EQ(uidset_min(&m->uids), m->run[0].lo);
	for (i = 0; i < m->n; i++)
		ATF_REQUIRE(uidset_contains(&m->uids, m->run[i].lo));
	for (i = 1; i < m->n; i++) {
		ATF_REQUIRE(m->run[i].lo > m->run[i - 1].lo);
		ATF_REQUIRE(m->run[i].id != m->run[i - 1].id);
	}
}

ATF_TC_WITHOUT_HEAD(basic);
ATF_TC_BODY(basic, tc)
{
	struct flagmap	m;
	struct uidset	s, ch;
	uint32_t	seen, a;

	flagmap_init(&m);
	uidset_init(&ch);
	is(&m, "", "");
	ATF_CHECK_EQ(FLAGS_ERR, flagmap_get(&m, 1));
	seen = mk(&m, "\\Seen");
	a = mk(&m, "a");
	ATF_REQUIRE_EQ(0, flagmap_add(&m, 1, 10, FLAGS_EMPTY));
	ATF_REQUIRE_EQ(0, flagmap_add(&m, 20, 29, FLAGS_EMPTY));
	ATF_REQUIRE_EQ(0, flagmap_add(&m, 40, 40, FLAGS_EMPTY));
	ATF_CHECK_EQ(1, m.n);
	sound(&m);

	mkset(&s, "5:25");
	ATF_REQUIRE_EQ(0, flagmap_plus(&m, &s, seen, &ch));
	set_is(&ch, "5:10,20:25");
	is(&m, "", "1:4 |5:10 \\Seen|20:25 \\Seen|26:29 |40 ");
	ATF_CHECK_EQ(3, m.n);
	ATF_REQUIRE_EQ(0, flagmap_plus(&m, &s, seen, &ch));
	set_is(&ch, "");
	ATF_REQUIRE_EQ(0, flagmap_plus(&m, &s, a, &ch));
	is(&m, "4:6,25:100", "4 |5:6 \\Seen a|25 \\Seen a|26:29 |40 ");
	uidset_fini(&s);

	mkset(&s, "10:20");
	ATF_REQUIRE_EQ(0, flagmap_set(&m, &s, a));
	is(&m, "", "1:4 |5:9 \\Seen a|10 a|20 a|21:25 \\Seen a|26:29 |40 ");
	ATF_CHECK_EQ(FLAGS_EMPTY, flagmap_get(&m, 26));
	ATF_CHECK_EQ(a, flagmap_get(&m, 10));
	ATF_CHECK_EQ(FLAGS_ERR, flagmap_get(&m, 11));
	uidset_fini(&s);

	mkset(&s, "1:100");
	ATF_REQUIRE_EQ(0, flagmap_minus(&m, &s, a, &ch));
	set_is(&ch, "5:10,20:25");
	is(&m, "", "1:4 |5:9 \\Seen|10 |20 |21:25 \\Seen|26:29 |40 ");
	uidset_fini(&s);

	mkset(&s, "10,20");
	ATF_REQUIRE_EQ(0, flagmap_remove(&m, &s));
	is(&m, "", "1:4 |5:9 \\Seen|21:25 \\Seen|26:29 |40 ");
	ATF_CHECK_EQ(3, m.n);
	sound(&m);
	uidset_fini(&s);

	/* in between, and at the front */
	ATF_REQUIRE_EQ(0, flagmap_add(&m, 10, 12, a));
	ATF_REQUIRE_EQ(0, flagmap_add(&m, 35, 36, seen));
	is(&m, "", "1:4 |5:9 \\Seen|10:12 a|21:25 \\Seen|26:29 |35:36 \\Seen"
	    "|40 ");
	sound(&m);
	mkset(&s, "1:20");
	ATF_REQUIRE_EQ(0, flagmap_remove(&m, &s));
	ATF_REQUIRE_EQ(0, flagmap_add(&m, 3, 4, a));
	is(&m, "", "3:4 a|21:25 \\Seen|26:29 |35:36 \\Seen|40 ");
	sound(&m);
	uidset_fini(&s);
	mkset(&s, "1:4294967295");
	ATF_REQUIRE_EQ(0, flagmap_remove(&m, &s));
	ATF_CHECK_EQ(0, m.n);
	is(&m, "", "");
	ATF_REQUIRE_EQ(0, flagmap_add(&m, UINT32_MAX - 1, UINT32_MAX, a));
	ATF_REQUIRE_EQ(0, flagmap_plus(&m, &s, seen, &ch));
	is(&m, "", "4294967294:4294967295 \\Seen a");
	uidset_fini(&s);
	uidset_fini(&ch);
	flagmap_fini(&m);
}

ATF_TC_WITHOUT_HEAD(select);
ATF_TC_BODY(select, tc)
{
	static const struct {
		uint32_t	 on, off;
		int		 kw_on, kw_off;
		const char	*out;
		uint32_t	 count, first;
	} t[] = {
		{ 0, 0, -1, -1, "1:9,20:29", 19, 1 },
		{ FLAG_SEEN, 0, -1, -1, "1:4,20:29", 14, 1 },
		{ 0, FLAG_SEEN, -1, -1, "5:9", 5, 5 },
		{ FLAG_SEEN, FLAG_DELETED, -1, -1, "1:4,20:24", 9, 1 },
		{ FLAG_SEEN | FLAG_DELETED, 0, -1, -1, "25:29", 5, 25 },
		{ 0, 0, 0, -1, "5:9,25:29", 10, 5 },
		{ 0, 0, -1, 0, "1:4,20:24", 9, 1 },
		{ FLAG_SEEN, 0, 0, -1, "25:29", 5, 25 },
		{ 0, 0, 1, -1, "", 0, 0 },
		{ FLAG_DRAFT, 0, -1, -1, "", 0, 0 },
	};
	struct flagtest	ft;
	struct flagmap	m;
	struct uidset	out;
	size_t		i;

	flagmap_init(&m);
	uidset_init(&out);
	flagmap_add(&m, 1, 4, mk(&m, "\\Seen"));
	flagmap_add(&m, 5, 9, mk(&m, "k"));
	flagmap_add(&m, 20, 24, mk(&m, "\\Seen"));
	flagmap_add(&m, 25, 29, mk(&m, "\\Seen \\Deleted k"));
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		ft.on = t[i].on;
		ft.off = t[i].off;
		ft.kw_on = t[i].kw_on;
		ft.kw_off = t[i].kw_off;
		ATF_REQUIRE_EQ(0, flagmap_select(&m, &ft, &out));
		set_is(&out, t[i].out);
		ATF_CHECK_EQ(t[i].count, flagmap_count(&m, &ft));
		ATF_CHECK_EQ(t[i].first, flagmap_first(&m, &ft));
	}
	uidset_fini(&out);
	flagmap_fini(&m);
}

/* A message every other uid must not cost two runs each. */
ATF_TC_WITHOUT_HEAD(gaps);
ATF_TC_BODY(gaps, tc)
{
	struct flagmap	m;
	struct uidset	s;
	uint32_t	u;

	flagmap_init(&m);
	uidset_init(&s);
	for (u = 2; u <= 2000; u += 2)
		ATF_REQUIRE_EQ(0, flagmap_add(&m, u, u, FLAGS_EMPTY));
	ATF_CHECK_EQ(1, m.n);
	for (u = 2; u <= 2000; u += 2) {
		ATF_REQUIRE_EQ(0, uidset_add(&s, u, u));
		if (u % 500 == 0) {
			ATF_REQUIRE_EQ(0, flagmap_set(&m, &s,
			    mk(&m, "\\Seen")));
			sound(&m);
			ATF_CHECK(m.n <= 2);
		}
	}
	ATF_CHECK_EQ(1, m.n);
	uidset_fini(&s);
	flagmap_fini(&m);
}

/* The map changes between two steps of an iteration. */
ATF_TC_WITHOUT_HEAD(cursor);
ATF_TC_BODY(cursor, tc)
{
	struct flagmap_iter	it;
	struct flagmap		m;
	struct uidset		s;
	uint32_t		lo, hi, id;

	flagmap_init(&m);
	flagmap_add(&m, 1, 100, FLAGS_EMPTY);
	mkset(&s, "50:60");
	flagmap_set(&m, &s, mk(&m, "a"));
	flagmap_iter(&it, &m, NULL);
	ATF_REQUIRE_EQ(1, flagmap_next(&it, &lo, &hi, &id));
	ATF_CHECK(lo == 1 && hi == 49 && id == FLAGS_EMPTY);
	flagmap_remove(&m, &s);
	flagmap_add(&m, 200, 210, FLAGS_EMPTY);
	uidset_fini(&s);
	mkset(&s, "70:210");
	flagmap_set(&m, &s, mk(&m, "b"));
	ATF_REQUIRE_EQ(1, flagmap_next(&it, &lo, &hi, &id));
	ATF_CHECK(lo == 61 && hi == 69 && id == FLAGS_EMPTY);
	ATF_REQUIRE_EQ(1, flagmap_next(&it, &lo, &hi, &id));
	ATF_CHECK(lo == 70 && hi == 100 && id == mk(&m, "b"));
	ATF_REQUIRE_EQ(1, flagmap_next(&it, &lo, &hi, &id));
	ATF_CHECK(lo == 200 && hi == 210 && id == mk(&m, "b"));
	uidset_fini(&s);
	mkset(&s, "1:4294967295");
	flagmap_remove(&m, &s);
	ATF_CHECK_EQ(0, flagmap_next(&it, &lo, &hi, &id));
	uidset_fini(&s);
	flagmap_fini(&m);
}

/* What cannot be done leaves everything as it was. */
ATF_TC_WITHOUT_HEAD(refused);
ATF_TC_BODY(refused, tc)
{
	struct flagmap	m;
	struct uidset	s, ch;
	char		name[16];
	uint32_t	id = FLAGS_EMPTY, i;

	flagmap_init(&m);
	uidset_init(&ch);
	mkset(&s, "1:9");
	for (i = 0; i < FLAGS_SET_MAX; i++) {
		snprintf(name, sizeof(name), "k%u", i);
		id = flags_plus(&m.flags, id, mk(&m, name));
	}
	flagmap_add(&m, 1, 4, FLAGS_EMPTY);
	flagmap_add(&m, 5, 9, id);
	errno = 0;
	ATF_CHECK_EQ(-1, flagmap_plus(&m, &s, mk(&m, "one-more"), &ch));
	ATF_CHECK_EQ(ENOSPC, errno);
	set_is(&ch, "");
	ATF_CHECK_EQ(2, m.n);
	ATF_CHECK_EQ(FLAGS_EMPTY, flagmap_get(&m, 4));
	ATF_CHECK_EQ(id, flagmap_get(&m, 5));
	uidset_fini(&s);
	uidset_fini(&ch);
	flagmap_fini(&m);
}

ATF_TC_WITHOUT_HEAD(tidy);
ATF_TC_BODY(tidy, tc)
{
	struct flagmap	m;
	struct uidset	s;
	char		text[64];
	uint32_t	id, kept;
	int		i;

	flagmap_init(&m);
	flagmap_add(&m, 1, 10, mk(&m, "\\Flagged base"));
	kept = flagmap_get(&m, 1);
	mkset(&s, "5");
	for (i = 0; i < 20000; i++) {
		snprintf(text, sizeof(text), "a%d b%d c%d", i % 30,
		    i / 30 % 30, i / 900);
		id = mk(&m, text);
		ATF_REQUIRE_EQ(0, flagmap_set(&m, &s, id));
		flagmap_tidy(&m);
		ATF_REQUIRE_EQ(id, flagmap_get(&m, 5));
		ATF_REQUIRE(m.flags.nlive <= 256);
		ATF_REQUIRE(m.flags.nset <= 300);
	}
	ATF_CHECK_EQ(kept, mk(&m, "\\Flagged BASE"));
	is(&m, "", "1:4 \\Flagged base|5 a19 b6 c22|6:10 \\Flagged base");
	uidset_fini(&s);
	flagmap_fini(&m);
}

/* Random operations against a plain array. */
#define N	120

static void
random_set(struct uidset *s, int single)
{
	uint32_t lo, hi, k;

	uidset_init(s);
	for (k = single ? 1 : 1 + (uint32_t)random() % 8; k > 0; k--) {
		lo = 1 + (uint32_t)random() % N;
		hi = lo + (random() % 2 ? (uint32_t)random() % 20 : 0);
		ATF_REQUIRE_EQ(0, uidset_add(s, lo, hi > N ? N : hi));
	}
}

static void
model_same(struct flagmap *m, const uint32_t *model,
    const struct uidset *within)
{
	struct flagmap_iter	it;
	uint32_t		u, lo, hi, id, last = 0;

	for (u = 1; u <= N; u++)
		ATF_REQUIRE_EQ(model[u], flagmap_get(m, u));
	flagmap_iter(&it, m, within);
	while (flagmap_next(&it, &lo, &hi, &id)) {
		ATF_REQUIRE(lo > last && hi >= lo);
		for (u = last + 1; u < lo; u++)
			ATF_REQUIRE(model[u] == FLAGS_ERR ||
			    !uidset_contains(within, u));
		for (u = lo; u <= hi; u++) {
			ATF_REQUIRE_EQ(model[u], id);
			ATF_REQUIRE(uidset_contains(within, u));
		}
		last = hi;
	}
	for (u = last + 1; u <= N; u++)
		ATF_REQUIRE(model[u] == FLAGS_ERR ||
		    !uidset_contains(within, u));
}

ATF_TC_WITHOUT_HEAD(model);
ATF_TC_BODY(model, tc)
{
	static const char *sets[] = { "", "\\Seen", "a", "\\Seen a",
	    "b \\Deleted" };
	uint32_t	model[N + 1], u, id, was;
	struct flagmap	m;
	struct uidset	s, ch, want;
	int		step, op;

	srandom(3);
	flagmap_init(&m);
	for (u = 0; u <= N; u++)
		model[u] = FLAGS_ERR;
	for (step = 0; step < 30000; step++) {
		op = (int)(random() % 5);
		random_set(&s, random() % 2);
		uidset_init(&ch);
		uidset_init(&want);
		id = mk(&m, sets[random() % 5]);
		if (op == 0 && s.n == 1)
			ATF_REQUIRE_EQ(0, flagmap_add(&m, s.r[0].lo,
			    s.r[0].hi, id));
		else if (op == 0)
			ATF_REQUIRE_EQ(0, flagmap_put(&m, &s, id));
		else if (op == 1)
			ATF_REQUIRE_EQ(0, flagmap_set(&m, &s, id));
		else if (op == 2)
			ATF_REQUIRE_EQ(0, flagmap_plus(&m, &s, id, &ch));
		else if (op == 3)
			ATF_REQUIRE_EQ(0, flagmap_minus(&m, &s, id, &ch));
		else
			ATF_REQUIRE_EQ(0, flagmap_remove(&m, &s));
		for (u = 1; u <= N; u++) {
			was = model[u];
			if (!uidset_contains(&s, u) ||
			    (was == FLAGS_ERR && op != 0))
				continue;
			if (op <= 1)
				model[u] = id;
			else if (op == 2)
				model[u] = flags_plus(&m.flags, was, id);
			else if (op == 3)
				model[u] = flags_minus(&m.flags, was, id);
			else
				model[u] = FLAGS_ERR;
			if ((op == 2 || op == 3) && model[u] != was)
				uidset_add(&want, u, u);
		}
		ATF_REQUIRE(uidset_equal(&ch, &want));
		sound(&m);
		if (step % 8 == 0)
			model_same(&m, model, &s);
		uidset_fini(&s);
		uidset_fini(&ch);
		uidset_fini(&want);
	}
	flagmap_fini(&m);
}

/* 100,000 messages, no two neighbours alike: bytes and time stay small. */
ATF_TC_WITHOUT_HEAD(big);
ATF_TC_BODY(big, tc)
{
	struct flagtest	unseen = FLAGTEST_ALL;
	struct flagmap	m;
	struct uidset	s, ch;
	clock_t		t;
	uint32_t	u, seen;

	flagmap_init(&m);
	uidset_init(&s);
	uidset_init(&ch);
	seen = mk(&m, "\\Seen");
	for (u = 1; u <= 100000; u++)
		ATF_REQUIRE_EQ(0, flagmap_add(&m, u, u,
		    u % 2 ? seen : FLAGS_EMPTY));
	ATF_CHECK_EQ(100000, m.n);
	ATF_CHECK(m.cap * sizeof(*m.run) <= 1200000);
	unseen.off = FLAG_SEEN;
	ATF_CHECK_EQ(50000, flagmap_count(&m, &unseen));
	t = clock();
	for (u = 3; u <= 20000; u += 20) {
		uidset_clear(&s);
		uidset_add(&s, u, u);
		ATF_REQUIRE_EQ(0, flagmap_minus(&m, &s, seen, &ch));
	}
	ATF_REQUIRE_EQ(0, flagmap_select(&m, &unseen, &s));
	ATF_CHECK_EQ(51000, uidset_count(&s));
	ATF_REQUIRE_EQ(0, flagmap_plus(&m, &s, seen, &ch));
	ATF_CHECK_EQ(51000, uidset_count(&ch));
	ATF_CHECK_EQ(1, m.n);
	ATF_REQUIRE_EQ(0, flagmap_remove(&m, &ch));
	ATF_CHECK_EQ(49000, uidset_count(&m.uids));
	ATF_CHECK((double)(clock() - t) / CLOCKS_PER_SEC < 2);
	uidset_fini(&s);
	uidset_fini(&ch);
	flagmap_fini(&m);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, basic);
	ATF_TP_ADD_TC(tp, select);
	ATF_TP_ADD_TC(tp, gaps);
	ATF_TP_ADD_TC(tp, cursor);
	ATF_TP_ADD_TC(tp, refused);
	ATF_TP_ADD_TC(tp, tidy);
	ATF_TP_ADD_TC(tp, model);
	ATF_TP_ADD_TC(tp, big);
	return atf_no_error();
}
