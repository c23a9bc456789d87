#include <sys/types.h>
#include <sys/queue.h>
#include <stdlib.h>
#include <string.h>

#include "fprint.h"
#include "keep.h"

#define KEEP_SLOTS	1024
#define KEEP_OVERHEAD	256	/* bytes of one that are not its text */

struct keep {
	struct keep_key		 key;
	struct ibuf		 text;
	SLIST_ENTRY(keep)	 same;		/* slot */
	TAILQ_ENTRY(keep)	 entry;		/* the last used is first */
};

static SLIST_HEAD(keep_slot, keep) slots[KEEP_SLOTS];
static TAILQ_HEAD(keeps, keep) keeps = TAILQ_HEAD_INITIALIZER(keeps);
static size_t	 total;

/* One state of a mailbox drives out the one before: it is in its slot. */
static struct keep_slot *
keep_slot(const struct keep_key *k)
{
	uint64_t n = (uint64_t)k->mailbox << 8 ^ k->form;

	return &slots[fprint_of(&n, sizeof(n)) % KEEP_SLOTS];
}

static size_t
keep_cost(const struct keep *k)
{
	return k->text.size + KEEP_OVERHEAD;
}

static void
keep_free(struct keep *k)
{
	SLIST_REMOVE(keep_slot(&k->key), k, keep, same);
	TAILQ_REMOVE(&keeps, k, entry);
	total -= keep_cost(k);
	ibuf_fini(&k->text);
	free(k);
}

const struct ibuf *
keep_find(const struct keep_key *key)
{
	struct keep *k;

	SLIST_FOREACH(k, keep_slot(key), same)
		if (k->key.mailbox == key->mailbox &&
		    k->key.form == key->form)
			break;
	if (k == NULL)
		return NULL;
	if (k->key.uidvalidity != key->uidvalidity ||
	    k->key.modseq != key->modseq) {
		keep_free(k);
		return NULL;
	}
	TAILQ_REMOVE(&keeps, k, entry);
	TAILQ_INSERT_HEAD(&keeps, k, entry);
	return &k->text;
}

void
keep_put(const struct keep_key *key, struct ibuf *text)
{
	struct keep *k;

	/* another request may have been faster */
	if (keep_find(key) != NULL || ibuf_size(text) > KEEP_ONE ||
	    (k = calloc(1, sizeof(*k))) == NULL) {
		ibuf_fini(text);
		return;
	}
	k->key = *key;
	ibuf_init(&k->text, KEEP_ONE);
	/* just as large as it must be */
	if (ibuf_add_ibuf(&k->text, text) == -1) {
		ibuf_fini(text);
		free(k);
		return;
	}
	ibuf_fini(text);
	SLIST_INSERT_HEAD(keep_slot(key), k, same);
	TAILQ_INSERT_HEAD(&keeps, k, entry);
	total += keep_cost(k);
	while (total > KEEP_ALL)
		keep_free(TAILQ_LAST(&keeps, keeps));
}

size_t
keep_size(void)
{
	return total;
}

void
keep_flush(void)
{
	struct keep *k;

	while ((k = TAILQ_FIRST(&keeps)) != NULL)
		keep_free(k);
}
