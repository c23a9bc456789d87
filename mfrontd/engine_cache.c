/*
 * Contents are immutable: an id means the same bytes for ever.  Those read
 * whole are kept, the ones used last longest, within a bound.
 */
#include <sys/types.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "log.h"

#define BUCKETS		8192

LIST_HEAD(bucket, content);

static struct bucket	buckets[BUCKETS];
static TAILQ_HEAD(contents_q, content) lru = TAILQ_HEAD_INITIALIZER(lru);
static uint64_t		total, hits, misses;
static uint32_t		salt;		/* a backend chooses its ids */

/* FNV-1a. */
static uint32_t
content_hash(uint32_t acct, const char *id)
{
	uint32_t h;

	while (salt == 0)
		salt = arc4random();
	for (h = salt ^ acct; *id != '\0'; id++)
		h = (h ^ (uint8_t)*id) * 16777619U;
	return h ^ h >> 16;
}

static size_t
content_cost(const struct content *c)
{
	return c->data.size + sizeof(*c) + 64;
}

static void
content_unlist(struct content *c)
{
	LIST_REMOVE(c, entry);
	TAILQ_REMOVE(&lru, c, lru);
	total -= content_cost(c);
	content_unref(c);
}

void
content_unref(struct content *c)
{
	if (--c->refs > 0)
		return;
	ibuf_fini(&c->data);
	free(c->id);
	free(c);
}

void
content_limit(void)
{
	struct content *c;

	while (total > elimits.cache && (c = TAILQ_LAST(&lru, contents_q)) !=
	    NULL)
		content_unlist(c);
}

static struct content *
content_find(uint32_t hash, uint32_t acct, const char *id)
{
	struct content *c;

	LIST_FOREACH(c, &buckets[hash % BUCKETS], entry)
		if (c->hash == hash && c->acct == acct &&
		    strcmp(c->id, id) == 0)
			return c;
	return NULL;
}

/* The caller gets a reference to give back. */
struct content *
content_get(uint32_t acct, const char *id)
{
	struct content *c;

	if ((c = content_find(content_hash(acct, id), acct, id)) == NULL) {
		misses++;
		return NULL;
	}
	hits++;
	TAILQ_REMOVE(&lru, c, lru);
	TAILQ_INSERT_HEAD(&lru, c, lru);
	c->refs++;
	return c;
}

/* Takes the bytes over: the buffer is empty afterwards if they are kept. */
void
content_put(uint32_t acct, const char *id, struct ibuf *data)
{
	struct content	*c;
	uint32_t	 hash = content_hash(acct, id);

	if (elimits.cache == 0 || content_find(hash, acct, id) != NULL ||
	    (c = calloc(1, sizeof(*c))) == NULL)
		return;
	if ((c->id = strdup(id)) == NULL) {
		free(c);
		return;
	}
	c->acct = acct;
	c->hash = hash;
	c->refs = 1;
	c->data = *data;
	ibuf_init(data, data->max);
	LIST_INSERT_HEAD(&buckets[hash % BUCKETS], c, entry);
	TAILQ_INSERT_HEAD(&lru, c, lru);
	total += content_cost(c);
	content_limit();
}

void
content_stats(struct proc_peer *p, uint32_t req)
{
	proc_stat(p, req, "cache-bytes", total);
	proc_stat(p, req, "cache-hits", hits);
	proc_stat(p, req, "cache-misses", misses);
}
