#include <atf-c.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sigindex.h"

#define TEXT	6000

static uint32_t seed = 1;

static uint32_t
rnd(uint32_t n)
{
	seed = seed * 1103515245U + 12345U;
	return (seed >> 8) % n;
}

/* Words that other texts have too, and others. */
static size_t
text_make(char *p, size_t len)
{
	static const char syl[] = "banodetrilomensurkaviphoge";
	size_t i = 0, w, n;

	while (i + 40 < len) {
		for (n = 1 + rnd(4), w = 0; w < n; w++) {
			memcpy(p + i, syl + 2 * rnd(13), 2);
			i += 2;
			if (rnd(3) == 0)
				p[i++] = (char)('a' + rnd(26));
		}
		p[i++] = rnd(40) == 0 ? '\n' : ' ';
	}
	p[i] = '\0';
	return i;
}

static struct siggrams *
grams_of(const char *p, size_t len)
{
	struct siggrams *g;

	ATF_REQUIRE((g = siggrams_open()) != NULL);
	ATF_REQUIRE_EQ(0, siggrams_feed(g, 0, p, len));
	ATF_REQUIRE_EQ(0, siggrams_finish(g));
	return g;
}

static void
add(struct sigbuild *b, uint32_t uid, const char *p, size_t len)
{
	struct siggrams *g = grams_of(p, len);

	ATF_REQUIRE_EQ(0, sigbuild_add(b, uid, len, g));
	siggrams_free(g);
}

/* A segment in memory. */
struct segment {
	struct sighead	 h;
	uint8_t		*value[SIGINDEX_GROUPS];
};

static void
segment_of(struct segment *s, struct sigbuild *b)
{
	unsigned v;

	ATF_REQUIRE_EQ(0, sigbuild_head(b, &s->h));
	ATF_REQUIRE(sighead_value(&s->h) <= SIGINDEX_VALUE);
	for (v = 0; v < s->h.nvalues; v++) {
		s->value[v] = malloc(sighead_value(&s->h) + 1);
		ATF_REQUIRE(s->value[v] != NULL);
		sigbuild_value(b, &s->h, v, s->value[v]);
		sighead_seal(&s->h, v, s->value[v]);
	}
}

static void
segment_fini(struct segment *s)
{
	unsigned v;

	for (v = 0; v < s->h.nvalues; v++)
		free(s->value[v]);
	sighead_fini(&s->h);
}

static void
ask(const struct segment *s, const char *p, size_t len, uint8_t *alive)
{
	struct sigquery	 q;
	uint16_t	 order[SIGINDEX_GROUPS];
	unsigned	 n, i;

	memset(&q, 0, sizeof(q));
	sigquery_add(&q, p, len);
	memset(alive, 1, s->h.n);
	n = sighead_values(&s->h, &q, order);
	for (i = 0; i < n; i++) {
		ATF_REQUIRE(sighead_verify(&s->h, order[i],
		    s->value[order[i]], sighead_value(&s->h)));
		sighead_filter(&s->h, order[i], s->value[order[i]], &q,
		    alive);
	}
}

ATF_TC_WITHOUT_HEAD(pieces);
ATF_TC_BODY(pieces, tc)
{
	static uint8_t	 one[SIGINDEX_WIDE * SIGINDEX_COLUMN],
			 two[SIGINDEX_WIDE * SIGINDEX_COLUMN];
	static char	 text[TEXT];
	struct siggrams	*g, *w;
	size_t		 len, i, n;
	int		 round;

	for (round = 0; round < 50; round++) {
		len = text_make(text, 50 + rnd(TEXT - 50));
		w = grams_of(text, len);
		ATF_REQUIRE((g = siggrams_open()) != NULL);
		for (i = 0; i < len; i += n) {
			n = 1 + rnd(7);
			n = n < len - i ? n : len - i;
			ATF_REQUIRE_EQ(0, siggrams_feed(g, 1, text + i, n));
		}
		ATF_REQUIRE_EQ(0, siggrams_finish(g));
		ATF_REQUIRE_EQ(siggrams_columns(w), siggrams_columns(g));
		memset(one, 0, sizeof(one));
		memset(two, 0, sizeof(two));
		siggrams_set(w, one);
		siggrams_set(g, two);
		ATF_REQUIRE_EQ(0, memcmp(one, two, sizeof(one)));
		siggrams_free(g);
		siggrams_free(w);
	}
}

/* Nothing that is there is ever left out; most of the rest is. */
ATF_TC_WITHOUT_HEAD(find);
ATF_TC_BODY(find, tc)
{
	static char	 text[60][TEXT];
	static uint8_t	 alive[60];
	struct sigbuild	*b;
	struct segment	 s;
	size_t		 len[60], n, at;
	uint32_t	 i, k, wrong = 0, right = 0;
	char		 word[64];

	ATF_REQUIRE((b = sigbuild_open()) != NULL);
	/* uids fall, so that columns have to be put in order */
	for (i = 0; i < 60; i++) {
		len[i] = text_make(text[i], i == 0 ? 50 : TEXT);
		add(b, 1000 - i * 3, text[i], len[i]);
	}
	ATF_CHECK_EQ(60, sigbuild_count(b));
	segment_of(&s, b);
	ATF_CHECK_EQ((sigbuild_columns(b) + 63) / 64 * 64, s.h.columns);
	for (k = 0; k < 3000; k++) {
		i = rnd(60);
		n = 3 + rnd(12);
		at = rnd((uint32_t)(len[i] - n));
		if (memchr(text[i] + at, '\n', n) != NULL)
			continue;
		ask(&s, text[i] + at, n, alive);
		ATF_REQUIRE_EQ(1000 - i * 3, s.h.e[59 - i].uid);
		ATF_REQUIRE_MSG(alive[59 - i], "%.*s", (int)n, text[i] + at);
	}
	for (k = 0; k < 200; k++) {
		snprintf(word, sizeof(word), "qz%c%cxjw%c", 'a' + rnd(26),
		    'a' + rnd(26), 'a' + rnd(26));
		ask(&s, word, strlen(word), alive);
		for (i = 0; i < 60; i++)
			*(alive[i] ? &wrong : &right) += 1;
	}
	ATF_CHECK_MSG(wrong * 50 < right, "%u %u", wrong, right);
	/* nothing is known of what is too short */
	ask(&s, "qz", 2, alive);
	ATF_CHECK(memchr(alive, 0, 60) == NULL);
	segment_fini(&s);
	sigbuild_free(b);
}

ATF_TC_WITHOUT_HEAD(wide);
ATF_TC_BODY(wide, tc)
{
	static uint8_t	 noise[200000], alive[3];
	struct sigbuild	*b;
	struct segment	 s;
	size_t		 i;

	for (i = 0; i < sizeof(noise); i++)
		noise[i] = (uint8_t)rnd(256);
	ATF_REQUIRE((b = sigbuild_open()) != NULL);
	add(b, 7, (char *)noise, sizeof(noise));
	ATF_CHECK_EQ(0, sigbuild_columns(b));
	segment_of(&s, b);
	ATF_CHECK_EQ(0, s.h.columns);
	ask(&s, "not there", 9, alive);
	ATF_CHECK_EQ(1, alive[0]);
	segment_fini(&s);
	add(b, 9, "a short one", 11);
	add(b, 8, (char *)noise, 20000);
	segment_of(&s, b);
	ATF_CHECK(sigbuild_columns(b) > 16);
	ask(&s, "not there", 9, alive);
	ATF_CHECK_EQ(1, alive[0]);
	ATF_CHECK_EQ(0, alive[2]);
	segment_fini(&s);
	/* twice the same is an error of the caller */
	add(b, 7, "again", 5);
	ATF_CHECK_EQ(-1, sigbuild_head(b, &s.h));
	ATF_CHECK_EQ(EINVAL, errno);
	sigbuild_free(b);
}

/* What is taken out again is not there, and what is left is found. */
ATF_TC_WITHOUT_HEAD(drop);
ATF_TC_BODY(drop, tc)
{
	static char	 text[40][TEXT];
	static uint8_t	 alive[40];
	struct sigbuild	*b;
	struct segment	 s;
	struct uidset	 set;
	size_t		 len[40];
	uint32_t	 i, wrong = 0;
	unsigned	 columns;

	uidset_init(&set);
	ATF_REQUIRE((b = sigbuild_open()) != NULL);
	for (i = 0; i < 40; i++) {
		len[i] = text_make(text[i], TEXT);
		add(b, 100 - i, text[i], len[i]);
		if (i % 4 != 0)
			ATF_REQUIRE_EQ(0, uidset_add(&set, 100 - i, 100 - i));
	}
	columns = sigbuild_columns(b);
	sigbuild_drop(b, &set);
	ATF_CHECK_EQ(10, sigbuild_count(b));
	ATF_CHECK_EQ(columns, sigbuild_columns(b));
	/* one that was taken out may come again */
	add(b, 99, text[1], len[1]);
	segment_of(&s, b);
	ATF_CHECK_EQ(11, s.h.n);
	ATF_CHECK(s.h.columns < columns);
	for (i = 0; i < 40; i += 4) {
		ask(&s, text[i] + 5, 9, alive);
		ATF_CHECK_EQ(100 - i, s.h.e[i == 0 ? 10 : 9 - i / 4].uid);
		ATF_CHECK(memchr(text[i] + 5, '\n', 9) != NULL ||
		    alive[i == 0 ? 10 : 9 - i / 4]);
	}
	ask(&s, "qzbbxjwqzk", 10, alive);
	for (i = 0; i < s.h.n; i++)
		wrong += alive[i];
	ATF_CHECK(wrong < 4);
	segment_fini(&s);
	ATF_REQUIRE_EQ(0, uidset_add(&set, 1, 100));
	sigbuild_drop(b, &set);
	ATF_CHECK_EQ(0, sigbuild_count(b));
	uidset_fini(&set);
	sigbuild_free(b);
}

ATF_TC_WITHOUT_HEAD(full);
ATF_TC_BODY(full, tc)
{
	static char	 text[TEXT];
	struct sigbuild	*b;
	struct siggrams	*g = grams_of(text, text_make(text, TEXT));
	uint32_t	 uid = 1;

	ATF_REQUIRE((b = sigbuild_open()) != NULL);
	while (sigbuild_columns(b) + siggrams_columns(g) <= SIGINDEX_COLUMNS)
		ATF_REQUIRE_EQ(0, sigbuild_add(b, uid++, 1, g));
	ATF_CHECK_EQ(-1, sigbuild_add(b, uid++, 1, g));
	ATF_CHECK_EQ(ERANGE, errno);
	sigbuild_reset(b);
	ATF_CHECK_EQ(0, sigbuild_count(b));
	siggrams_free(g);
	sigbuild_free(b);
}

ATF_TC_WITHOUT_HEAD(head);
ATF_TC_BODY(head, tc)
{
	static char	 text[TEXT];
	struct sigbuild	*b;
	struct segment	 s;
	struct sighead	 h;
	struct ibuf	 buf;
	uint8_t		*p;
	size_t		 i, n;
	uint32_t	 uid;

	ATF_REQUIRE((b = sigbuild_open()) != NULL);
	for (uid = 1; uid < 4000000000U; uid = uid * 3 + rnd(1000))
		add(b, uid, text, text_make(text, 300 + rnd(3000)));
	segment_of(&s, b);
	ibuf_init(&buf, SIGINDEX_TEXT);
	ATF_REQUIRE_EQ(0, sighead_put(&s.h, &buf));
	p = ibuf_data(&buf);
	n = ibuf_size(&buf);
	ATF_REQUIRE_EQ(0, sighead_get(&h, p, n));
	ATF_CHECK_EQ(s.h.columns, h.columns);
	ATF_CHECK_EQ(s.h.nvalues, h.nvalues);
	ATF_CHECK_EQ(s.h.bytes, h.bytes);
	ATF_REQUIRE_EQ(s.h.n, h.n);
	ATF_CHECK_EQ(0, memcmp(s.h.sum, h.sum, sizeof(h.sum)));
	for (i = 0; i < h.n; i++) {
		ATF_CHECK_EQ(s.h.e[i].uid, h.e[i].uid);
		ATF_CHECK_EQ(s.h.e[i].base, h.e[i].base);
		ATF_CHECK_EQ(s.h.e[i].k, h.e[i].k);
	}
	sighead_fini(&h);
	for (i = 0; i < n; i++)
		ATF_CHECK_EQ(-1, sighead_get(&h, p, i));
	/* a value that is not just as it was is none */
	for (i = 0; i < sighead_value(&s.h); i += 97) {
		s.value[3][i] ^= 0x10;
		ATF_CHECK(!sighead_verify(&s.h, 3, s.value[3],
		    sighead_value(&s.h)));
		s.value[3][i] ^= 0x10;
	}
	ATF_CHECK(sighead_verify(&s.h, 3, s.value[3], sighead_value(&s.h)));
	ATF_CHECK(!sighead_verify(&s.h, 2, s.value[3], sighead_value(&s.h)));
	ATF_CHECK(!sighead_verify(&s.h, 3, s.value[3],
	    sighead_value(&s.h) - 1));
	/* of another version */
	p[4]++;
	ATF_CHECK_EQ(-1, sighead_get(&h, p, n));
	ibuf_fini(&buf);
	segment_fini(&s);
	sigbuild_free(b);
}

/* Merged is as if it had been made of those messages at once. */
static void
merge_one(uint32_t messages, unsigned n, uint32_t gone)
{
	static char		 text[TEXT];
	static uint8_t		 out[SIGINDEX_VALUE];
	struct sigbuild		*b[SIGINDEX_MERGE], *whole;
	struct segment		 s[SIGINDEX_MERGE], w;
	const struct sighead	*heads[SIGINDEX_MERGE];
	const uint8_t		*values[SIGINDEX_MERGE];
	struct sigmerge		 m;
	struct uidset		 keep;
	uint32_t		 uid;
	unsigned		 i, v;
	size_t			 len;

	uidset_init(&keep);
	ATF_REQUIRE((whole = sigbuild_open()) != NULL);
	for (i = 0; i < n; i++)
		ATF_REQUIRE((b[i] = sigbuild_open()) != NULL);
	for (uid = 1; uid <= messages; uid++) {
		len = text_make(text, 60 + rnd(TEXT - 60));
		add(b[rnd(n)], uid, text, len);
		if (gone != 0 && rnd(gone) != 0)
			continue;
		add(whole, uid, text, len);
		ATF_REQUIRE_EQ(0, uidset_add(&keep, uid, uid));
	}
	for (i = 0; i < n; i++) {
		segment_of(&s[i], b[i]);
		heads[i] = &s[i].h;
	}
	segment_of(&w, whole);
	ATF_REQUIRE_EQ(0, sigmerge_open(&m, heads, n, &keep));
	ATF_REQUIRE_EQ(w.h.n, m.head.n);
	ATF_REQUIRE_EQ(w.h.columns, m.head.columns);
	for (v = 0; v < m.head.nvalues; v++) {
		for (i = 0; i < n; i++)
			values[i] = s[i].value[sigmerge_from(&m, i, v)];
		sigmerge_value(&m, v, values, out);
		/* of a value of the whole, its part */
		ATF_REQUIRE_EQ(0, memcmp(out, w.value[v * w.h.nvalues /
		    m.head.nvalues] + v % (m.head.nvalues / w.h.nvalues) *
		    sighead_value(&m.head), sighead_value(&m.head)));
	}
	sigmerge_fini(&m);
	for (i = 0; i < n; i++) {
		segment_fini(&s[i]);
		sigbuild_free(b[i]);
	}
	segment_fini(&w);
	sigbuild_free(whole);
	uidset_fini(&keep);
}

ATF_TC_WITHOUT_HEAD(merge);
ATF_TC_BODY(merge, tc)
{
	merge_one(160, 8, 0);
	merge_one(900, 8, 0);
	merge_one(900, 3, 2);
	/* less is left than the old ones had values for */
	merge_one(900, 2, 60);
	merge_one(400, 1, 3);
	merge_one(20, 2, 1000000);
}

ATF_TC_WITHOUT_HEAD(merge_full);
ATF_TC_BODY(merge_full, tc)
{
	static char		 text[TEXT];
	const struct sighead	*heads[2];
	struct sigbuild		*b;
	struct segment		 s[2];
	struct sigmerge		 m;
	struct uidset		 all;
	uint32_t		 uid = 1;
	int			 i;

	uidset_init(&all);
	ATF_REQUIRE_EQ(0, uidset_add(&all, 1, 100000));
	for (i = 0; i < 2; i++) {
		ATF_REQUIRE((b = sigbuild_open()) != NULL);
		while (sigbuild_columns(b) < 3000)
			add(b, uid++, text, text_make(text, TEXT));
		segment_of(&s[i], b);
		heads[i] = &s[i].h;
		sigbuild_free(b);
	}
	ATF_CHECK_EQ(-1, sigmerge_open(&m, heads, 2, &all));
	ATF_CHECK_EQ(ERANGE, errno);
	/* what is in both is there once */
	heads[1] = heads[0];
	ATF_REQUIRE_EQ(0, sigmerge_open(&m, heads, 2, &all));
	ATF_CHECK_EQ(s[0].h.n, m.head.n);
	sigmerge_fini(&m);
	segment_fini(&s[0]);
	segment_fini(&s[1]);
	uidset_fini(&all);
}

ATF_TC_WITHOUT_HEAD(manifest);
ATF_TC_BODY(manifest, tc)
{
	static struct sigmanifest	 m, c;
	struct sigseg			 g;
	struct ibuf			 b;
	uint8_t				*p;
	size_t				 n, i;

	memset(&g, 0, sizeof(g));
	m.uidvalidity = 77;
	for (i = 0; i < SIGINDEX_SEGMENTS; i++) {
		g.id = i * 0x123456789abcULL;
		g.lo = (uint32_t)i;
		g.hi = UINT32_MAX;
		g.n = (uint32_t)i * 7;
		g.columns = (uint16_t)(i * 64 % 4096);
		memset(g.sum, (int)i, sizeof(g.sum));
		ATF_REQUIRE_EQ(0, sigmanifest_add(&m, &g));
	}
	ATF_CHECK_EQ(-1, sigmanifest_add(&m, &g));
	ATF_CHECK_EQ(ERANGE, errno);
	ibuf_init(&b, SIGINDEX_TEXT);
	ATF_REQUIRE_EQ(0, sigmanifest_put(&m, "box", &b));
	p = ibuf_data(&b);
	n = ibuf_size(&b);
	ATF_REQUIRE_EQ(0, sigmanifest_get(&c, "box", p, n));
	ATF_CHECK_EQ(77, c.uidvalidity);
	ATF_CHECK_EQ(m.n, c.n);
	for (i = 0; i < m.n; i++) {
		ATF_CHECK_EQ(m.seg[i].id, c.seg[i].id);
		ATF_CHECK_EQ(m.seg[i].lo, c.seg[i].lo);
		ATF_CHECK_EQ(m.seg[i].hi, c.seg[i].hi);
		ATF_CHECK_EQ(m.seg[i].n, c.seg[i].n);
		ATF_CHECK_EQ(m.seg[i].columns, c.seg[i].columns);
		ATF_CHECK_EQ(0, memcmp(m.seg[i].sum, c.seg[i].sum, 8));
	}
	ATF_CHECK_EQ(-1, sigmanifest_get(&c, "bo", p, n));
	ATF_CHECK_EQ(-1, sigmanifest_get(&c, "bix", p, n));
	for (i = 0; i < n; i += 1 + i / 8)
		ATF_CHECK_EQ(-1, sigmanifest_get(&c, "box", p, i));
	for (i = 0; i < n; i += 1 + i / 8) {
		p[i] ^= 1;
		ATF_CHECK_EQ(-1, sigmanifest_get(&c, "box", p, n));
		p[i] ^= 1;
	}
	sigmanifest_drop(&m, 5 * 0x123456789abcULL);
	ATF_CHECK_EQ(SIGINDEX_SEGMENTS - 1, m.n);
	ATF_CHECK_EQ(6, m.seg[5].lo);
	ibuf_fini(&b);
}

static void
segments(struct sigmanifest *m, uint16_t columns, unsigned n)
{
	struct sigseg g;

	memset(&g, 0, sizeof(g));
	g.columns = columns;
	while (n-- > 0)
		ATF_REQUIRE_EQ(0, sigmanifest_add(m, &g));
}

ATF_TC_WITHOUT_HEAD(levels);
ATF_TC_BODY(levels, tc)
{
	static struct sigmanifest	m;
	unsigned			out[SIGINDEX_MERGE];

	ATF_CHECK_EQ(0, sigmanifest_merge(&m, out));
	segments(&m, 4096, 9);
	segments(&m, 64, 7);
	ATF_CHECK_EQ(0, sigmanifest_merge(&m, out));
	segments(&m, 512, 5);
	segments(&m, 0, 1);
	ATF_CHECK_EQ(8, sigmanifest_merge(&m, out));
	ATF_CHECK_EQ(9, out[0]);
	ATF_CHECK_EQ(21, out[7]);
	memset(&m, 0, sizeof(m));
	segments(&m, 1984, 2);
	ATF_CHECK_EQ(2, sigmanifest_merge(&m, out));
	memset(&m, 0, sizeof(m));
	segments(&m, 1984, 1);
	segments(&m, 64, 1);
	segments(&m, 2048, 3);
	ATF_CHECK_EQ(0, sigmanifest_merge(&m, out));
	segments(&m, 576, 1);
	segments(&m, 640, 1);
	ATF_CHECK_EQ(3, sigmanifest_merge(&m, out));
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, pieces);
	ATF_TP_ADD_TC(tp, find);
	ATF_TP_ADD_TC(tp, wide);
	ATF_TP_ADD_TC(tp, drop);
	ATF_TP_ADD_TC(tp, full);
	ATF_TP_ADD_TC(tp, head);
	ATF_TP_ADD_TC(tp, merge);
	ATF_TP_ADD_TC(tp, merge_full);
	ATF_TP_ADD_TC(tp, manifest);
	ATF_TP_ADD_TC(tp, levels);
	return atf_no_error();
}
