#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dictfile.h"

#define MAGIC		"mfrontd index 1"	/* with its NUL, 16 bytes */
#define MAGIC_LEN	16
#define SUPER		4096		/* bytes before the first region */
#define SLOT		(DICTFILE_HEAD + DICTFILE_VALUE)

/* What a sum is of: one kind is never taken for another. */
enum kind {
	KIND_SUPER = 1,
	KIND_OWNER,
	KIND_KEY,
	KIND_HEAD,
	KIND_VALUE
};

static void
sum_begin(struct hmac *h, const struct dictfile *df, enum kind kind)
{
	uint8_t c = (uint8_t)kind;

	hmac_init(h, df->secret, sizeof(df->secret));
	hmac_update(h, &c, 1);
}

static void
sum_of(const struct dictfile *df, enum kind kind, const void *a, size_t alen,
    const void *b, size_t blen, uint8_t sum[HMAC_LEN])
{
	struct hmac h;

	sum_begin(&h, df, kind);
	hmac_update(&h, a, alen);
	hmac_update(&h, b, blen);
	hmac_final(&h, sum);
}

/* The front of a sum as a number. */
static uint64_t
sum_number(const uint8_t sum[HMAC_LEN])
{
	uint64_t	v = 0;
	int		i;

	for (i = 0; i < 8; i++)
		v = v << 8 | sum[i];
	return v;
}

/* layout */

int
dictfile_layout(struct dictfile *df, uint64_t size)
{
	uint64_t n;

	memset(df, 0, sizeof(*df));
	if (size < DICTFILE_MIN)
		return -1;
	n = (size - SUPER) / SLOT;
	df->regions = (n + DICTFILE_SLOTS - 1) / DICTFILE_SLOTS;
	/* whole buckets: then headers fill whole pages, too */
	df->slots = (uint32_t)(n / df->regions);
	df->slots -= df->slots % DICTFILE_WAYS;
	return 0;
}

uint64_t
dictfile_size(const struct dictfile *df)
{
	return SUPER + df->regions * df->slots * SLOT;
}

static uint64_t
region_at(const struct dictfile *df, const uint8_t owner[HMAC_LEN])
{
	return SUPER + sum_number(owner) % df->regions * df->slots * SLOT;
}

uint64_t
dictfile_head_at(const struct dictfile *df, const uint8_t owner[HMAC_LEN],
    uint32_t slot)
{
	return region_at(df, owner) + (uint64_t)slot * DICTFILE_HEAD;
}

uint64_t
dictfile_value_at(const struct dictfile *df, const uint8_t owner[HMAC_LEN],
    uint32_t slot)
{
	return region_at(df, owner) + (uint64_t)df->slots * DICTFILE_HEAD +
	    (uint64_t)slot * DICTFILE_VALUE;
}

void
dictfile_owner(const struct dictfile *df, const char *account,
    uint8_t owner[HMAC_LEN])
{
	sum_of(df, KIND_OWNER, account, strlen(account), "", 0, owner);
}

uint32_t
dictfile_bucket(const struct dictfile *df, const uint8_t owner[HMAC_LEN],
    const char *key)
{
	uint8_t sum[HMAC_LEN];

	sum_of(df, KIND_KEY, owner, HMAC_LEN, key, strlen(key), sum);
	return (uint32_t)(sum_number(sum) % (df->slots / DICTFILE_WAYS)) *
	    DICTFILE_WAYS;
}

/* the superblock: its name, the file's key, what that is good for */

static void
super_sum(const struct dictfile *df, const char *store,
    uint8_t sum[HMAC_LEN])
{
	char layout[64];

	snprintf(layout, sizeof(layout), "%llu regions of %u slots of ",
	    (unsigned long long)df->regions, df->slots);
	sum_of(df, KIND_SUPER, layout, strlen(layout), store, strlen(store),
	    sum);
}

void
dictfile_super_make(struct dictfile *df, const char *store,
    uint8_t buf[DICTFILE_HEAD])
{
	arc4random_buf(df->secret, sizeof(df->secret));
	memset(buf, 0, DICTFILE_HEAD);
	memcpy(buf, MAGIC, MAGIC_LEN);
	memcpy(buf + MAGIC_LEN, df->secret, HMAC_LEN);
	super_sum(df, store, buf + MAGIC_LEN + HMAC_LEN);
}

int
dictfile_super_read(struct dictfile *df, const char *store,
    const uint8_t buf[DICTFILE_HEAD])
{
	uint8_t sum[HMAC_LEN];

	if (memcmp(buf, MAGIC, MAGIC_LEN) != 0)
		return -1;
	memcpy(df->secret, buf + MAGIC_LEN, HMAC_LEN);
	super_sum(df, store, sum);
	return memcmp(sum, buf + MAGIC_LEN + HMAC_LEN, HMAC_LEN) == 0 ? 0 :
	    -1;
}

/* headers */

#define AT_OWNER	0
#define AT_SUM		(AT_OWNER + HMAC_LEN)
#define AT_ETAG		(AT_SUM + HMAC_LEN)
#define AT_KEY		(AT_ETAG + DICTFILE_ETAG)
#define AT_STAMP	(AT_KEY + DICTFILE_KEY + 1)
#define AT_LEN		(AT_STAMP + 8)
#define AT_HEAD_SUM	(AT_LEN + 4)

static void
put_number(uint8_t *p, size_t n, uint64_t v)
{
	while (n-- > 0) {
		p[n] = (uint8_t)v;
		v >>= 8;
	}
}

static uint64_t
get_number(const uint8_t *p, size_t n)
{
	uint64_t v = 0;

	while (n-- > 0)
		v = v << 8 | *p++;
	return v;
}

void
dictfile_slot_put(const struct dictfile *df, const struct dictfile_slot *s,
    uint8_t buf[DICTFILE_HEAD])
{
	memset(buf, 0, DICTFILE_HEAD);
	memcpy(buf + AT_OWNER, s->owner, HMAC_LEN);
	memcpy(buf + AT_SUM, s->sum, HMAC_LEN);
	strlcpy((char *)buf + AT_ETAG, s->etag, DICTFILE_ETAG);
	strlcpy((char *)buf + AT_KEY, s->key, DICTFILE_KEY + 1);
	put_number(buf + AT_STAMP, 8, s->stamp);
	put_number(buf + AT_LEN, 4, s->len);
	sum_of(df, KIND_HEAD, buf, AT_HEAD_SUM, "", 0, buf + AT_HEAD_SUM);
}

int
dictfile_slot_get(const struct dictfile *df, struct dictfile_slot *s,
    const uint8_t buf[DICTFILE_HEAD])
{
	uint8_t sum[HMAC_LEN];

	/* what a hole has is looked at more often than anything else */
	if (buf[AT_KEY] == '\0')
		return -1;
	sum_of(df, KIND_HEAD, buf, AT_HEAD_SUM, "", 0, sum);
	if (memcmp(sum, buf + AT_HEAD_SUM, HMAC_LEN) != 0)
		return -1;
	if (buf[AT_KEY + DICTFILE_KEY] != '\0' ||
	    buf[AT_ETAG + DICTFILE_ETAG - 1] != '\0')
		return -1;
	memcpy(s->owner, buf + AT_OWNER, HMAC_LEN);
	memcpy(s->sum, buf + AT_SUM, HMAC_LEN);
	memcpy(s->etag, buf + AT_ETAG, DICTFILE_ETAG);
	memcpy(s->key, buf + AT_KEY, DICTFILE_KEY + 1);
	s->stamp = get_number(buf + AT_STAMP, 8);
	s->len = (uint32_t)get_number(buf + AT_LEN, 4);
	return s->len <= DICTFILE_VALUE ? 0 : -1;
}

int
dictfile_slot_of(const struct dictfile *df, struct dictfile_slot *s,
    const uint8_t owner[HMAC_LEN], const char *prefix,
    const uint8_t buf[DICTFILE_HEAD])
{
	if (memcmp(buf + AT_OWNER, owner, HMAC_LEN) != 0 ||
	    strlen(prefix) > DICTFILE_KEY ||
	    memcmp(buf + AT_KEY, prefix, strlen(prefix)) != 0)
		return -1;
	return dictfile_slot_get(df, s, buf);
}

void
dictfile_sum(const struct dictfile *df, const struct dictfile_slot *s,
    const void *value, uint8_t sum[HMAC_LEN])
{
	sum_of(df, KIND_VALUE, s->etag, strlen(s->etag), value, s->len, sum);
}

/* A place that is free comes before the oldest entry. */
static int
is_better(const struct dictfile_bucket *b, int i, int best)
{
	if (best == -1 || !b->used[best])
		return best == -1;
	return !b->used[i] || b->slot[i].stamp < b->slot[best].stamp;
}

void
dictfile_look(const struct dictfile *df, struct dictfile_bucket *b,
    const uint8_t owner[HMAC_LEN], const char *key,
    const uint8_t heads[DICTFILE_WAYS * DICTFILE_HEAD])
{
	int i, best = -1;

	b->found = -1;
	for (i = 0; i < DICTFILE_WAYS; i++) {
		b->used[i] = dictfile_slot_get(df, &b->slot[i],
		    heads + i * DICTFILE_HEAD) == 0;
		if (b->used[i] && strcmp(b->slot[i].key, key) == 0 &&
		    memcmp(b->slot[i].owner, owner, HMAC_LEN) == 0)
			b->found = i;
		if (is_better(b, i, best))
			best = i;
	}
	b->place = b->found != -1 ? b->found : best;
}
