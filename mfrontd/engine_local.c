/*
 * An index in a file here: dict's calls for the keys that are the
 * frontend's own (INDEX_PREFIX), answered at once.  What stands in the file
 * and where is dictfile.h's; it is locked against nobody, since each engine
 * has its own, and synchronised with nothing, since it may be lost.
 */
#include <sys/types.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "engine.h"
#include "log.h"

#define SCAN	64		/* headers read at once */

struct elocal {
	int		 fd;
	int		 ready;		/* its superblock is ours */
	struct dictfile	 df;
	char		*name;		/* of the storage, for the log */
	char		*store;
	uint64_t	 stamp;		/* the last one given */
	int		 complained;
	uint64_t	 hits;
	uint64_t	 misses;
	uint64_t	 puts;
	uint64_t	 evictions;
	uint64_t	 errors;
};

struct elocal *
elocal_new(const char *name, int fd, uint64_t size, const char *store)
{
	struct elocal *l;

	if ((l = calloc(1, sizeof(*l))) == NULL ||
	    (l->name = strdup(name)) == NULL ||
	    (l->store = strdup(store)) == NULL)
		fatal(NULL);
	l->fd = fd;
	if (dictfile_layout(&l->df, size) == -1)
		fatalx("an index file without a size");
	return l;
}

void
elocal_free(struct elocal *l)
{
	if (l == NULL)
		return;
	close(l->fd);
	free(l->name);
	free(l->store);
	free(l);
}

void
elocal_stats(const struct estorage *st, struct proc_peer *p, uint32_t req)
{
	const struct elocal *l = st->local;

	estorage_stat(p, req, st, "index-hits", l->hits);
	estorage_stat(p, req, st, "index-misses", l->misses);
	estorage_stat(p, req, st, "index-puts", l->puts);
	estorage_stat(p, req, st, "index-evictions", l->evictions);
	estorage_stat(p, req, st, "index-errors", l->errors);
}

/* the file */

static int
failed(struct elocal *l, const char *what)
{
	int saved = errno;

	l->errors++;
	if (!l->complained)
		log_warn("storage %s: index: %s", l->name, what);
	l->complained = 1;
	errno = saved;
	return -1;
}

/* What is behind the file's end is as empty as its holes. */
static int
file_read(struct elocal *l, void *buf, size_t len, uint64_t at)
{
	uint8_t	*p = buf;
	ssize_t	 n;

	while (len > 0) {
		n = pread(l->fd, p, len, (off_t)at);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return failed(l, "read");
		if (n == 0)
			break;
		p += n;
		at += (uint64_t)n;
		len -= (size_t)n;
	}
	memset(p, 0, len);
	return 0;
}

static int
file_write(struct elocal *l, const void *buf, size_t len, uint64_t at)
{
	const uint8_t	*p = buf;
	ssize_t		 n;

	while (len > 0) {
		n = pwrite(l->fd, p, len, (off_t)at);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return failed(l, "write");
		p += n;
		at += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

/* A file that is new, or was for something else, begins anew. */
static int
local_ready(struct elocal *l)
{
	uint8_t buf[DICTFILE_HEAD];

	if (l->ready)
		return 0;
	if (file_read(l, buf, sizeof(buf), 0) == -1)
		return -1;
	if (dictfile_super_read(&l->df, l->store, buf) == -1) {
		dictfile_super_make(&l->df, l->store, buf);
		if (file_write(l, buf, sizeof(buf), 0) == -1)
			return -1;
	}
	l->ready = 1;
	return 0;
}

/* one entry */

struct look {
	struct elocal		*l;
	uint8_t			 owner[HMAC_LEN];
	uint32_t		 first;		/* slot of the bucket */
	struct dictfile_bucket	 bucket;
};

/* Its bucket is read; -1: the file is of no use now. */
static int
look_up(struct look *k, struct elocal *l, const char *account,
    const char *key)
{
	uint8_t heads[DICTFILE_WAYS * DICTFILE_HEAD];

	k->l = l;
	k->bucket.found = -1;
	if (local_ready(l) == -1)
		return -1;
	dictfile_owner(&l->df, account, k->owner);
	k->first = dictfile_bucket(&l->df, k->owner, key);
	if (file_read(l, heads, sizeof(heads), dictfile_head_at(&l->df,
	    k->owner, k->first)) == -1)
		return -1;
	dictfile_look(&l->df, &k->bucket, k->owner, key, heads);
	return 0;
}

static uint32_t
look_slot(const struct look *k)
{
	return k->first + (uint32_t)k->bucket.place;
}

/* The place is nobody's any more. */
static int
look_wipe(struct look *k)
{
	static const uint8_t none[DICTFILE_HEAD];

	k->bucket.found = -1;
	k->bucket.used[k->bucket.place] = 0;
	return file_write(k->l, none, sizeof(none), dictfile_head_at(
	    &k->l->df, k->owner, look_slot(k)));
}

/*
 * What was found, with its value in a static buffer; NULL: there is none.
 * A value that is torn takes its header with it, or nobody could ever put
 * another one "if there is none".
 */
static const struct dictfile_slot *
look_value(struct look *k, const uint8_t **value)
{
	static uint8_t			 buf[DICTFILE_VALUE];
	const struct dictfile_slot	*s;
	uint8_t				 sum[HMAC_LEN];

	if (k->bucket.found == -1)
		return NULL;
	s = &k->bucket.slot[k->bucket.found];
	if (file_read(k->l, buf, s->len, dictfile_value_at(&k->l->df,
	    k->owner, look_slot(k))) == -1)
		return NULL;
	dictfile_sum(&k->l->df, s, buf, sum);
	if (memcmp(sum, s->sum, sizeof(sum)) != 0) {
		(void)look_wipe(k);
		return NULL;
	}
	*value = buf;
	return s;
}

/* Newer than all before, also if the clock was set back since. */
static uint64_t
next_stamp(struct elocal *l)
{
	struct timespec	ts;
	uint64_t	now;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	now = (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
	l->stamp = now > l->stamp ? now : l->stamp + 1;
	return l->stamp;
}

/* Random, so that it is never one that was there before. */
static void
new_etag(char etag[DICTFILE_ETAG])
{
	uint8_t	r[(DICTFILE_ETAG - 1) / 2];
	size_t	i;

	arc4random_buf(r, sizeof(r));
	for (i = 0; i < sizeof(r); i++)
		snprintf(etag + 2 * i, 3, "%02x", r[i]);
}

/* The value first: a header that has none of its own is no entry. */
static int
look_put(struct look *k, const char *key, const struct msg_blob *value,
    char etag[DICTFILE_ETAG])
{
	struct dictfile_slot	s;
	struct elocal		*l = k->l;
	uint8_t			head[DICTFILE_HEAD];

	memset(&s, 0, sizeof(s));
	memcpy(s.owner, k->owner, sizeof(s.owner));
	strlcpy(s.key, key, sizeof(s.key));
	new_etag(s.etag);
	s.stamp = next_stamp(l);
	s.len = (uint32_t)value->len;
	dictfile_sum(&l->df, &s, value->p, s.sum);
	dictfile_slot_put(&l->df, &s, head);
	if (file_write(l, value->p, value->len, dictfile_value_at(&l->df,
	    k->owner, look_slot(k))) == -1 ||
	    file_write(l, head, sizeof(head), dictfile_head_at(&l->df,
	    k->owner, look_slot(k))) == -1)
		return -1;
	memcpy(etag, s.etag, sizeof(s.etag));
	return 0;
}

/* the calls */

static enum st_code
local_get(struct ereq *e, const struct m_st_dict *m)
{
	const struct dictfile_slot	*s;
	struct elocal			*l = e->st->local;
	const uint8_t			*value;
	struct look			 k;
	struct ibuf			 b;

	if (look_up(&k, l, e->account->name, m->key) == -1 ||
	    (s = look_value(&k, &value)) == NULL) {
		l->misses++;
		return ST_NO_SUCH_ENTRY;
	}
	l->hits++;
	ibuf_from_buffer(&b, value, s->len);
	eoffload_dict_tell(e, m->key, s->etag, s->len, &b);
	return ST_OK;
}

/* Is it as the one who asks has seen it? */
static int
is_match(struct look *k, const char *match)
{
	const uint8_t *value;

	if (*match == '\0')
		return 1;
	if (strcmp(match, "*") == 0)
		return look_value(k, &value) == NULL;
	return k->bucket.found != -1 &&
	    strcmp(k->bucket.slot[k->bucket.found].etag, match) == 0;
}

static enum st_code
write_failed(void)
{
	return errno == ENOSPC || errno == EDQUOT || errno == EFBIG ?
	    ST_STORAGE_FULL : ST_INTERNAL;
}

static enum st_code
local_put(struct ereq *e, const struct m_st_dict *m)
{
	struct elocal	*l = e->st->local;
	struct look	 k;
	char		 etag[DICTFILE_ETAG];
	enum st_code	 code;
	int		 evicted;

	if (look_up(&k, l, e->account->name, m->key) == -1)
		return write_failed();
	if (!is_match(&k, m->match))
		return ST_CHANGED;
	evicted = k.bucket.found == -1 && k.bucket.used[k.bucket.place];
	if (look_put(&k, m->key, &m->value, etag) == -1) {
		code = write_failed();
		(void)look_wipe(&k);
		return code;
	}
	l->puts++;
	l->evictions += evicted != 0;
	eoffload_dict_tell(e, m->key, etag, 0, NULL);
	return ST_OK;
}

static enum st_code
local_delete(struct ereq *e, const struct m_st_dict *m)
{
	struct look k;

	if (look_up(&k, e->st->local, e->account->name, m->key) == -1 ||
	    k.bucket.found == -1)
		return ST_NO_SUCH_ENTRY;
	if (!is_match(&k, m->match))
		return ST_CHANGED;
	return look_wipe(&k) == -1 ? write_failed() : ST_OK;
}

/* keys */

struct keys {
	struct dictfile_slot	*v;
	size_t			 n;
};

static int
key_compare(const void *a, const void *b)
{
	return strcmp(((const struct dictfile_slot *)a)->key,
	    ((const struct dictfile_slot *)b)->key);
}

static void
keys_scan(const struct dictfile *df, struct keys *keys,
    const uint8_t owner[HMAC_LEN], const char *prefix, const uint8_t *heads,
    uint32_t n)
{
	struct dictfile_slot	 s;
	uint32_t		 i;

	for (i = 0; i < n; i++)
		if (dictfile_slot_of(df, &s, owner, prefix, heads + i *
		    DICTFILE_HEAD) == 0)
			keys->v[keys->n++] = s;
}

static enum st_code
local_list(struct ereq *e, const struct m_st_dict *m)
{
	static uint8_t	 heads[SCAN * DICTFILE_HEAD];
	struct elocal	*l = e->st->local;
	struct keys	 keys = { NULL, 0 };
	uint8_t		 owner[HMAC_LEN];
	uint32_t	 i, n;
	size_t		 k;

	if (local_ready(l) == -1)
		return ST_OK;
	if ((keys.v = calloc(l->df.slots, sizeof(*keys.v))) == NULL)
		fatal(NULL);
	dictfile_owner(&l->df, e->account->name, owner);
	for (i = 0; i < l->df.slots; i += n) {
		n = l->df.slots - i < SCAN ? l->df.slots - i : SCAN;
		if (file_read(l, heads, n * DICTFILE_HEAD, dictfile_head_at(
		    &l->df, owner, i)) == -1)
			break;
		keys_scan(&l->df, &keys, owner, m->key, heads, n);
	}
	qsort(keys.v, keys.n, sizeof(*keys.v), key_compare);
	for (k = 0; k < keys.n; k++)
		eoffload_dict_tell(e, keys.v[k].key, keys.v[k].etag,
		    keys.v[k].len, NULL);
	free(keys.v);
	return ST_OK;
}

void
elocal_dict(struct ereq *e, const struct m_st_dict *m)
{
	static enum st_code (*const ops[])(struct ereq *,
	    const struct m_st_dict *) = {
		[DICT_GET] = local_get,
		[DICT_PUT] = local_put,
		[DICT_DELETE] = local_delete,
		[DICT_LIST] = local_list,
	};
	enum st_code code = ops[m->op](e, m);

	ereq_end(e, code, st_error(code)->text);
}
