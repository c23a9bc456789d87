/*
 * Deleting what is left of an index: all keys with a prefix, one after the
 * other, while the session does what it likes.  What the session does not
 * live to see deleted is found when there is no more room.
 */
#include <sys/types.h>
#include <stdlib.h>
#include <string.h>

#include "imap_index.h"
#include "log.h"

#define KEYS_MAX	(1024 * 1024)	/* bytes of keys at a time */

struct sweep {
	struct imap	*s;
	struct imount	*mount;
	int		 account;	/* of mailboxes that are no more */
	struct ibuf	 prefixes;	/* to come, each with its NUL */
	struct ibuf	 keys;		/* to be deleted */
	char		 last[INDEX_KEY];	/* looked at, its mailbox */
	int		 lives;
	uint32_t	 deleted;
	struct streq	 rq;
	LIST_ENTRY(sweep) entry;
};

static void	sweep_next(struct sweep *);

static void
sweep_free(struct sweep *w)
{
	LIST_REMOVE(w, entry);
	st_cancel(&w->rq);
	ibuf_fini(&w->prefixes);
	ibuf_fini(&w->keys);
	free(w);
}

static int
mailbox_lives(const struct iacct *a, const char *key)
{
	char	own[INDEX_NAME];
	size_t	i;

	if (a == NULL || !iacct_proven(a))
		return 1;
	for (i = 0; i < a->n; i++) {
		if (a->mboxes[i].id == NULL)
			continue;
		sindex_key(a->mboxes[i].id, own);
		if (strncmp(key, own, strlen(own)) == 0)
			return 1;
	}
	return 0;
}

/* Is the key one of a mailbox that the account has?  Many are of one. */
static int
sweep_lives(struct sweep *w, const char *key)
{
	size_t len = strlen(w->last);

	if (len > 0 && strncmp(key, w->last, len) == 0)
		return w->lives;
	strlcpy(w->last, key, sizeof(w->last));
	w->last[strcspn(w->last + strlen(INDEX_PREFIX), ".") +
	    strlen(INDEX_PREFIX)] = '\0';
	w->lives = mailbox_lives(w->mount->account, key);
	return w->lives;
}

static void
sweep_answer(struct streq *rq, enum msg_type type, const void *arg)
{
	struct sweep			*w = rq->arg;
	const struct m_st_dict_ok	*m = arg;
	const struct m_st_end		*end = arg;

	if (type == M_st_dict_ok && strncmp(m->key, INDEX_PREFIX,
	    strlen(INDEX_PREFIX)) == 0 &&
	    (!w->account || !sweep_lives(w, m->key)))
		(void)ibuf_add(&w->keys, m->key, strlen(m->key) + 1);
	if (type != M_st_end)
		return;
	if (end->code != ST_OK && end->code != ST_NO_SUCH_ENTRY)
		sweep_free(w);
	else
		sweep_next(w);
}

static void
sweep_deleted(struct streq *rq, enum msg_type type, const void *arg)
{
	struct sweep		*w = rq->arg;
	const struct m_st_end	*end = arg;

	if (type != M_st_end)
		return;
	w->deleted += end->code == ST_OK;
	sweep_answer(rq, type, arg);
}

/* The front one of texts with NULs, which stays until more are taken. */
static const char *
text_take(struct ibuf *b)
{
	const char *p = (const char *)ibuf_data(b);

	if (ibuf_size(b) == 0)
		return NULL;
	(void)ibuf_skip(b, strlen(p) + 1);
	return p;
}

static void
sweep_next(struct sweep *w)
{
	struct m_st_dict m;

	memset(&m, 0, sizeof(m));
	m.mount = w->mount->number;
	m.match = "";
	w->rq.arg = w;
	if ((m.key = text_take(&w->keys)) != NULL) {
		m.op = DICT_DELETE;
		w->rq.answer = sweep_deleted;
	} else if ((m.key = text_take(&w->prefixes)) != NULL) {
		m.op = DICT_LIST;
		w->rq.answer = sweep_answer;
		ibuf_drain(&w->keys, ibuf_size(&w->keys));
	} else {
		/* there is room again */
		if (w->account && w->deleted > 0 && w->mount->account != NULL)
			w->mount->account->index_off = 0;
		sweep_free(w);
		return;
	}
	st_send(&w->s->ls, &w->rq, M_st_dict, &m);
}

static struct sweep *
sweep_new(struct imap *s, struct imount *mount, const void *prefixes,
    size_t len)
{
	struct sweep *w;

	if ((w = calloc(1, sizeof(*w))) == NULL)
		fatal(NULL);
	w->s = s;
	w->mount = mount;
	ibuf_init(&w->prefixes, KEYS_MAX);
	ibuf_init(&w->keys, KEYS_MAX);
	if (ibuf_add(&w->prefixes, prefixes, len) == -1)
		fatal(NULL);
	LIST_INSERT_HEAD(&s->sweeps, w, entry);
	return w;
}

void
sweep_start(struct imap *s, struct imount *mount, const void *prefixes,
    size_t len)
{
	if (len > 0)
		sweep_next(sweep_new(s, mount, prefixes, len));
}

void
sweep_mailbox(struct imap *s, struct imount *mount, const char *id)
{
	char key[INDEX_NAME];

	if (feed_deleted(s, id))
		return;
	sindex_key(id, key);
	sweep_start(s, mount, key, strlen(key) + 1);
}

void
sweep_account(struct imap *s, struct imount *mount)
{
	struct sweep *w;

	LIST_FOREACH(w, &s->sweeps, entry)
		if (w->account && w->mount == mount)
			return;
	w = sweep_new(s, mount, INDEX_PREFIX, sizeof(INDEX_PREFIX));
	w->account = 1;
	sweep_next(w);
}

void
sweep_close(struct imap *s)
{
	struct sweep *w;

	while ((w = LIST_FIRST(&s->sweeps)) != NULL)
		sweep_free(w);
}
