#include <sys/types.h>
#include <atf-c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dictfile.h"

static struct dictfile	df;
static uint8_t		super[DICTFILE_HEAD];

static void
begin(uint64_t size)
{
	ATF_REQUIRE_EQ(0, dictfile_layout(&df, size));
	dictfile_super_make(&df, "http://a/", super);
}

static void
fill(struct dictfile_slot *s, const char *account, const char *key,
    uint64_t stamp)
{
	memset(s, 0, sizeof(*s));
	dictfile_owner(&df, account, s->owner);
	strlcpy(s->key, key, sizeof(s->key));
	strlcpy(s->etag, "0123456789abcdef0123456789abcdef",
	    sizeof(s->etag));
	s->stamp = stamp;
	s->len = 5;
	dictfile_sum(&df, s, "value", s->sum);
}

ATF_TC_WITHOUT_HEAD(layout);
ATF_TC_BODY(layout, tc)
{
	static const uint64_t sizes[] = { DICTFILE_MIN, 1234567, 64 << 20,
	    (64 << 20) + 1, 130 << 20, 1 << 30, UINT64_C(1) << 40 };
	uint8_t		owner[HMAC_LEN];
	uint64_t	end, at;
	size_t		i;
	char		name[32];
	int		k;

	ATF_CHECK_EQ(-1, dictfile_layout(&df, DICTFILE_MIN - 1));
	ATF_CHECK_EQ(-1, dictfile_layout(&df, 0));
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		begin(sizes[i]);
		ATF_CHECK(df.slots >= DICTFILE_WAYS);
		ATF_CHECK(df.slots <= DICTFILE_SLOTS);
		ATF_CHECK_EQ(0, df.slots % DICTFILE_WAYS);
		end = dictfile_size(&df);
		ATF_CHECK(end <= sizes[i]);
		/* not much is left over */
		ATF_CHECK(end >= sizes[i] / 2);
		for (k = 0; k < 100; k++) {
			snprintf(name, sizeof(name), "joe%d", k);
			dictfile_owner(&df, name, owner);
			at = dictfile_head_at(&df, owner, 0);
			ATF_CHECK_EQ(0, at % 4096);
			ATF_CHECK_EQ(at + (uint64_t)df.slots * DICTFILE_HEAD,
			    dictfile_value_at(&df, owner, 0));
			ATF_CHECK(dictfile_value_at(&df, owner, df.slots -
			    1) + DICTFILE_VALUE <= end);
			ATF_CHECK_EQ(0, dictfile_bucket(&df, owner, name) %
			    DICTFILE_WAYS);
			ATF_CHECK(dictfile_bucket(&df, owner, name) <
			    df.slots);
		}
	}
}

/* Accounts spread over all regions, keys over all buckets. */
ATF_TC_WITHOUT_HEAD(spread);
ATF_TC_BODY(spread, tc)
{
	uint8_t		owner[HMAC_LEN], seen[DICTFILE_SLOTS] = { 0 };
	uint64_t	at, region = 0, places = 0;
	uint32_t	b;
	char		name[32];
	int		i, n = 0;

	begin(1 << 30);
	ATF_REQUIRE_EQ(8, df.regions);
	for (i = 0; i < 4000; i++) {
		snprintf(name, sizeof(name), "ix1.%d", i);
		dictfile_owner(&df, name, owner);
		at = dictfile_head_at(&df, owner, 0) - 4096;
		region = at / (df.slots * (DICTFILE_HEAD + DICTFILE_VALUE));
		places |= UINT64_C(1) << region;
		b = dictfile_bucket(&df, super, name);
		n += seen[b] == 0;
		seen[b] = 1;
	}
	ATF_CHECK_EQ(0xff, places);
	ATF_CHECK_EQ((int)(df.slots / DICTFILE_WAYS), n);
}

ATF_TC_WITHOUT_HEAD(superblock);
ATF_TC_BODY(superblock, tc)
{
	struct dictfile other;
	uint8_t buf[DICTFILE_HEAD];
	int i;

	begin(64 << 20);
	ATF_REQUIRE_EQ(0, dictfile_layout(&other, 64 << 20));
	ATF_CHECK_EQ(0, dictfile_super_read(&other, "http://a/", super));
	ATF_CHECK_EQ(0, memcmp(&df, &other, sizeof(df)));
	ATF_CHECK_EQ(-1, dictfile_super_read(&other, "http://b/", super));
	ATF_REQUIRE_EQ(0, dictfile_layout(&other, 65 << 20));
	ATF_CHECK_EQ(-1, dictfile_super_read(&other, "http://a/", super));
	ATF_REQUIRE_EQ(0, dictfile_layout(&other, 64 << 20));
	for (i = 0; i < 16 + 2 * HMAC_LEN; i++) {
		memcpy(buf, super, sizeof(buf));
		buf[i] ^= 0x10;
		ATF_CHECK_EQ_MSG(-1, dictfile_super_read(&other, "http://a/",
		    buf), "byte %d", i);
	}
	memset(buf, 0, sizeof(buf));
	ATF_CHECK_EQ(-1, dictfile_super_read(&other, "http://a/", buf));
	/* a new one has another key */
	dictfile_super_make(&other, "http://a/", buf);
	ATF_CHECK(memcmp(df.secret, other.secret, HMAC_LEN) != 0);
}

ATF_TC_WITHOUT_HEAD(slots);
ATF_TC_BODY(slots, tc)
{
	struct dictfile_slot s, t;
	struct dictfile other;
	uint8_t buf[DICTFILE_HEAD], sum[HMAC_LEN];
	char key[DICTFILE_KEY + 1];
	size_t i;

	begin(64 << 20);
	memset(key, 'k', DICTFILE_KEY);
	key[DICTFILE_KEY] = '\0';
	fill(&s, "joe", key, UINT64_MAX - 1);
	dictfile_slot_put(&df, &s, buf);
	memset(&t, 0, sizeof(t));
	ATF_REQUIRE_EQ(0, dictfile_slot_get(&df, &t, buf));
	ATF_CHECK_EQ(0, memcmp(&s, &t, sizeof(s)));
	/* the value belongs to its etag */
	dictfile_sum(&df, &t, "value", sum);
	ATF_CHECK_EQ(0, memcmp(sum, s.sum, sizeof(sum)));
	t.etag[0] ^= 1;
	dictfile_sum(&df, &t, "value", sum);
	ATF_CHECK(memcmp(sum, s.sum, sizeof(sum)) != 0);
	/* torn anywhere, it is none */
	for (i = 0; i < sizeof(buf); i++) {
		buf[i] ^= 0x80;
		if (dictfile_slot_get(&df, &t, buf) == 0)
			break;
		buf[i] ^= 0x80;
	}
	ATF_CHECK_EQ(HMAC_LEN * 3 + DICTFILE_ETAG + DICTFILE_KEY + 1 + 12,
	    (int)i);
	/* of one account, and of keys that begin so */
	dictfile_owner(&df, "ann", sum);
	dictfile_slot_put(&df, &s, buf);
	ATF_CHECK_EQ(0, dictfile_slot_of(&df, &t, s.owner, "", buf));
	ATF_CHECK_EQ(0, dictfile_slot_of(&df, &t, s.owner, "kkk", buf));
	ATF_CHECK_EQ(0, dictfile_slot_of(&df, &t, s.owner, key, buf));
	ATF_CHECK_EQ(-1, dictfile_slot_of(&df, &t, s.owner, "kkx", buf));
	ATF_CHECK_EQ(-1, dictfile_slot_of(&df, &t, sum, "", buf));
	/* nor is that of another file, or of one that is longer */
	ATF_REQUIRE_EQ(0, dictfile_layout(&other, 64 << 20));
	dictfile_super_make(&other, "http://a/", super);
	dictfile_slot_put(&df, &s, buf);
	ATF_CHECK_EQ(-1, dictfile_slot_get(&other, &t, buf));
	memset(buf, 0, sizeof(buf));
	ATF_CHECK_EQ(-1, dictfile_slot_get(&df, &t, buf));
	s.len = DICTFILE_VALUE + 1;
	dictfile_slot_put(&df, &s, buf);
	ATF_CHECK_EQ(-1, dictfile_slot_get(&df, &t, buf));
}

ATF_TC_WITHOUT_HEAD(look);
ATF_TC_BODY(look, tc)
{
	static uint8_t		heads[DICTFILE_WAYS * DICTFILE_HEAD];
	struct dictfile_bucket	b;
	struct dictfile_slot	s;
	uint8_t			joe[HMAC_LEN], ann[HMAC_LEN];
	char			key[16];
	int			i;

	begin(64 << 20);
	dictfile_owner(&df, "joe", joe);
	dictfile_owner(&df, "ann", ann);
	memset(heads, 0, sizeof(heads));
	dictfile_look(&df, &b, joe, "k3", heads);
	ATF_CHECK_EQ(-1, b.found);
	ATF_CHECK_EQ(0, b.place);
	for (i = 0; i < DICTFILE_WAYS; i++) {
		snprintf(key, sizeof(key), "k%d", i);
		fill(&s, "joe", key, (uint64_t)(100 + (i ^ 5)));
		dictfile_slot_put(&df, &s, heads + i * DICTFILE_HEAD);
	}
	dictfile_look(&df, &b, joe, "k3", heads);
	ATF_CHECK_EQ(3, b.found);
	ATF_CHECK_EQ(3, b.place);
	/* another account has nothing of that name; the oldest goes */
	dictfile_look(&df, &b, ann, "k3", heads);
	ATF_CHECK_EQ(-1, b.found);
	ATF_CHECK_EQ(5, b.place);
	dictfile_look(&df, &b, joe, "k", heads);
	ATF_CHECK_EQ(-1, b.found);
	/* what is torn goes before the oldest */
	heads[6 * DICTFILE_HEAD + 70]++;
	dictfile_look(&df, &b, joe, "k6", heads);
	ATF_CHECK_EQ(-1, b.found);
	ATF_CHECK_EQ(6, b.place);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, layout);
	ATF_TP_ADD_TC(tp, spread);
	ATF_TP_ADD_TC(tp, superblock);
	ATF_TP_ADD_TC(tp, slots);
	ATF_TP_ADD_TC(tp, look);
	return atf_no_error();
}
