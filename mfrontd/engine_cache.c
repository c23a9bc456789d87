/*
 * Contents are immutable: an id means the same bytes for ever.  Those read
 * whole are kept, the ones used last longest, within a bound.
 */
#include <sys/types.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "log.h"

static int	content_cmp(const struct content *, const struct content *);

RB_HEAD(contents, content);
RB_PROTOTYPE_STATIC(contents, content, entry, content_cmp)

static struct contents	contents = RB_INITIALIZER(&contents);
static TAILQ_HEAD(contents_q, content) lru = TAILQ_HEAD_INITIALIZER(lru);
static uint64_t		total, hits, misses;

static int
content_cmp(const struct content *a, const struct content *b)
{
	if (a->acct != b->acct)
		return a->acct < b->acct ? -1 : 1;
	return strcmp(a->id, b->id);
}

RB_GENERATE_STATIC(contents, content, entry, content_cmp)

static size_t
content_cost(const struct content *c)
{
	return c->len + sizeof(*c) + 64;
}

static void
content_unlist(struct content *c)
{
	RB_REMOVE(contents, &contents, c);
	TAILQ_REMOVE(&lru, c, lru);
	total -= content_cost(c);
	c->listed = 0;
	content_unref(c);
}

void
content_unref(struct content *c)
{
	if (--c->refs > 0)
		return;
	free(c->id);
	free(c->data);
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

/* The caller gets a reference to give back. */
struct content *
content_get(uint32_t acct, const char *id)
{
	struct content	*c;
	int		 r;

	c = RB_ROOT(&contents);
	while (c != NULL) {
		r = acct != c->acct ? (acct < c->acct ? -1 : 1) :
		    strcmp(id, c->id);
		if (r == 0)
			break;
		c = r < 0 ? RB_LEFT(c, entry) : RB_RIGHT(c, entry);
	}
	if (c == NULL) {
		misses++;
		return NULL;
	}
	hits++;
	TAILQ_REMOVE(&lru, c, lru);
	TAILQ_INSERT_HEAD(&lru, c, lru);
	c->refs++;
	return c;
}

/* Takes a copy of the bytes. */
void
content_put(uint32_t acct, const char *id, struct ibuf *data)
{
	struct content *c;

	if (elimits.cache == 0 || (c = calloc(1, sizeof(*c))) == NULL)
		return;
	c->acct = acct;
	c->len = ibuf_size(data);
	c->refs = 1;
	if ((c->id = strdup(id)) == NULL ||
	    (c->data = malloc(c->len + 1)) == NULL ||
	    RB_INSERT(contents, &contents, c) != NULL) {
		content_unref(c);
		return;
	}
	memcpy(c->data, ibuf_data(data), c->len);
	c->listed = 1;
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
