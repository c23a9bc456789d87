/*
 * POST .../mailboxes/{m}/messages: several messages in one step, made of
 * contents that are here already, and others removed.
 *
 * A message that is put together of parts is made by the file worker, which
 * has a connection of its own for that, before the change.
 */
#include <sys/types.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "body.h"
#include "call.h"
#include "json.h"
#include "log.h"

#define BATCH_PIECE	(64 * 1024)

struct batch_part {
	struct content_id id;
	uint64_t	 off;
	uint64_t	 len;		/* UINT64_MAX: to its end */
};

struct batch_item {
	size_t		 flags, flagslen;	/* text in batch.flags */
	int64_t		 date;
	const char	*cache;
	size_t		 cachelen;
	size_t		 part, nparts;	/* in batch.part; none: body is it */
	struct store_body body;
	struct content_id id;		/* of body, at the start of a try */
	struct ibuf	 mem;
	int		 file;		/* body is in a file */
};

struct batch;

struct batch_job {
	struct job	 job;
	struct batch	*b;
	int		 code;
};

struct batch {
	struct call	 call;
	struct mbox_id	 mailbox;
	struct batch_item *item;
	size_t		 n;
	struct batch_part *part;
	size_t		 nparts;
	struct store_append *append;
	int		 has_expunge;
	struct uidset	 expunge;
	struct uidset	 vanished;
	struct ibuf	 flags;
	struct batch_job make;
	int		 stored;
	struct flagset	 work;
};

static void
batch_fini(struct call *call)
{
	struct batch	*b = (struct batch *)(void *)call;
	size_t		 i;

	for (i = 0; i < b->n; i++) {
		ibuf_fini(&b->item[i].mem);
		if (!b->item[i].file)
			continue;
		if (b->stored && b->call.ch.code == ST_OK)
			body_place(b->item[i].id.rnd);
		else
			body_remove(b->item[i].id.rnd);
	}
	uidset_fini(&b->expunge);
	uidset_fini(&b->vanished);
	ibuf_fini(&b->flags);
	free(b->item);
	free(b->part);
	free(b->append);
}

/* putting parts together, in the file worker */

static struct store	*batch_store;

static int
batch_store_open(void)
{
	char why[512] = "";

	if (batch_store != NULL)
		return ST_OK;
	if ((batch_store = store_open(&server.conf->store, STORE_READER, why,
	    sizeof(why))) == NULL) {
		log_warnx("%s", why);
		return ST_TRY_LATER;
	}
	return ST_OK;
}

void
batch_close(void)
{
	if (batch_store == NULL)
		return;
	store_read_end(batch_store);
	store_close(batch_store);
	batch_store = NULL;
}

static int
batch_errno(void)
{
	if (errno == ENOSPC || errno == EDQUOT)
		return ST_STORAGE_FULL;
	log_warn("putting a message together");
	return ST_INTERNAL;
}

static int
batch_write(struct batch_item *it, int fd, const void *p, size_t len)
{
	const char	*c = p;
	ssize_t		 n;

	if (!it->file)
		return ibuf_add(&it->mem, p, len) == 0 ? ST_OK : ST_TRY_LATER;
	for (; len > 0; c += n, len -= (size_t)n)
		if ((n = write(fd, c, len)) == -1) {
			if (errno != EINTR)
				return batch_errno();
			n = 0;
		}
	return ST_OK;
}

static int
batch_copy_file(struct batch_item *it, int fd, const struct batch_part *p)
{
	char		buf[BATCH_PIECE];
	uint64_t	off = p->off, left = p->len;
	ssize_t		n;
	int		from, r = ST_OK;

	if ((from = body_open(p->id.rnd)) == -1)
		return errno == ENOENT ? ST_NO_SUCH_BLOB : batch_errno();
	for (; left > 0 && r == ST_OK; off += (uint64_t)n,
	    left -= (uint64_t)n) {
		n = pread(from, buf, left < sizeof(buf) ? (size_t)left :
		    sizeof(buf), (off_t)off);
		if (n <= 0) {
			r = ST_INTERNAL;
			break;
		}
		r = batch_write(it, fd, buf, (size_t)n);
	}
	close(from);
	return r;
}

static int
batch_copy(struct batch *b, struct batch_item *it, int fd,
    const struct batch_part *p)
{
	struct store_content	c;
	int			r;

	if ((r = store_content(batch_store, b->call.ch.account, &p->id,
	    &c)) != ST_OK)
		return r == ST_NO_SUCH_MESSAGE ? ST_NO_SUCH_BLOB : r;
	if (p->len == 0)
		return ST_OK;
	return c.data == NULL ? batch_copy_file(it, fd, p) :
	    batch_write(it, fd, (const char *)c.data + p->off,
	    (size_t)p->len);
}

/* How long each part is, now that its content is looked at. */
static int
batch_measure(struct batch *b, struct batch_item *it)
{
	struct store_content	 c;
	struct batch_part	*p;
	size_t			 i;
	int			 r;

	it->body.size = 0;
	for (i = 0; i < it->nparts; i++) {
		p = &b->part[it->part + i];
		if ((r = store_content(batch_store, b->call.ch.account,
		    &p->id, &c)) != ST_OK)
			return r == ST_NO_SUCH_MESSAGE ? ST_NO_SUCH_BLOB : r;
		if (p->off > c.size || (p->len != UINT64_MAX &&
		    p->len > c.size - p->off))
			return ST_BAD_REQUEST;
		if (p->len == UINT64_MAX)
			p->len = c.size - p->off;
		if (p->len > server.conf->message - it->body.size)
			return ST_TOO_LARGE;
		it->body.size += p->len;
	}
	return ST_OK;
}

static int
batch_make_item(struct batch *b, struct batch_item *it)
{
	size_t	i;
	int	fd = -1, r;

	if ((r = batch_measure(b, it)) != ST_OK || (r = body_room()) != ST_OK)
		return r;
	store_body_new(&it->body);
	it->id = it->body.id;
	if (it->body.size > UPLOAD_MEM) {
		if ((fd = body_create(it->body.id.rnd)) == -1)
			return batch_errno();
		it->file = 1;
	}
	for (i = 0; i < it->nparts && r == ST_OK; i++)
		r = batch_copy(b, it, fd, &b->part[it->part + i]);
	store_read_end(batch_store);
	if (fd == -1) {
		it->body.data = ibuf_size(&it->mem) > 0 ?
		    (const void *)ibuf_data(&it->mem) : "";
		return r;
	}
	if (r == ST_OK)
		r = body_sync(fd);
	close(fd);
	return r;
}

static void
batch_make(struct job *j)
{
	struct batch_job	*m = (struct batch_job *)(void *)j;
	size_t			 i;

	m->code = batch_store_open();
	for (i = 0; i < m->b->n && m->code == ST_OK; i++)
		if (m->b->item[i].nparts > 0)
			m->code = batch_make_item(m->b, &m->b->item[i]);
	if (batch_store != NULL)
		store_read_end(batch_store);
}

static void
batch_made(struct job *j)
{
	struct batch_job	*m = (struct batch_job *)(void *)j;
	struct call		*c = &m->b->call;

	if (!req_return(c->req))
		call_drop(c);
	else if (m->code != ST_OK)
		call_fail(c, m->code, NULL);
	else
		call_submit(c);
}

/* the change */

static int
batch_prepare(void *arg, size_t i, struct store_append *a)
{
	struct batch		*b = arg;
	struct batch_item	*it = &b->item[i];

	if (flagset_get(&b->work, (char *)ibuf_data(&b->flags) + it->flags,
	    it->flagslen) == -1)
		return ST_INTERNAL;
	/* a try before this one may have given it a number */
	it->body.id = it->id;
	a->flags = &b->work;
	a->date = it->date;
	a->cache = it->cache;
	a->cachelen = it->cachelen;
	a->body = &it->body;
	return ST_OK;
}

static int
batch_answer(struct batch *b, const struct store_many *m)
{
	struct ibuf	*out = &b->call.ch.answer;
	char		 id[NAME_ID_SIZE];
	size_t		 i;

	if (ibuf_adds(out, "{\"header\":true") == -1 ||
	    answer_change(out, "change", &m->change,
	    server.conf->caps) == -1 || json_ku64(out, "uidvalidity",
	    m->mailbox.uidvalidity) == -1 || ibuf_adds(out, "}\n") == -1)
		return -1;
	for (i = 0; i < b->n; i++) {
		name_put_content(id, &b->item[i].body.id);
		if (json_open(out, '{') == -1 ||
		    json_ku64(out, "index", i) == -1 ||
		    json_ku64(out, "uid", b->append[i].uid) == -1 ||
		    json_kstr(out, "id", id) == -1 ||
		    json_ku64(out, "size", b->item[i].body.size) == -1 ||
		    ibuf_adds(out, "}\n") == -1)
			return -1;
	}
	if (answer_sets(out, "vanished", &m->vanished) == -1)
		return -1;
	return answer_end(out, ST_OK);
}

static int
batch_run(struct change *ch, struct store *s)
{
	struct batch		*b = (struct batch *)(void *)ch;
	struct store_many	 m;
	int			 code;

	memset(&m, 0, sizeof(m));
	m.account = ch->account_no;
	m.mailbox = b->mailbox;
	m.append = b->append;
	m.n = b->n;
	m.prepare = batch_prepare;
	m.arg = b;
	m.expunge = b->has_expunge ? &b->expunge : NULL;
	m.vanished = b->vanished;
	uidset_clear(&m.vanished);
	b->stored = 0;
	code = store_many(s, &m);
	b->vanished = m.vanished;
	if (code == ST_OK && batch_answer(b, &m) == -1)
		code = ST_TRY_LATER;
	b->stored = code == ST_OK;
	return code;
}

static const struct call_kind batch_kind = {
	.ch = { .name = "batch", .durable = 1, .run = batch_run },
	.size = sizeof(struct batch),
	.zero = offsetof(struct batch, work),
	.type = TYPE_NDJSON,
	.fini = batch_fini,
};

/* the request */

static int
batch_id(struct args *a, int i, struct content_id *id)
{
	const char	*s;
	size_t		 len;

	if (args_text(a, json_member(&a->j, i, "id"), &s, &len) != 1)
		return ST_BAD_REQUEST;
	return name_get_content(id, s, len) == -1 ? ST_NO_SUCH_BLOB : ST_OK;
}

static int
batch_part(struct batch *b, struct args *a, int i)
{
	static const char *const known[] = { "id", "offset", "length", NULL };
	struct batch_part	*p;

	if (b->nparts == BATCH_PARTS || json_type(&a->j, i) != JSMN_OBJECT)
		return ST_BAD_REQUEST;
	if (json_unknown(&a->j, i, known) != -1)
		return ST_UNKNOWN_PARAMETER;
	p = &b->part[b->nparts++];
	p->off = 0;
	p->len = UINT64_MAX;
	if (json_u64(&a->j, json_member(&a->j, i, "offset"),
	    INT64_MAX, &p->off) == -1 ||
	    json_u64(&a->j, json_member(&a->j, i, "length"), INT64_MAX,
	    &p->len) == -1)
		return ST_BAD_REQUEST;
	return batch_id(a, i, &p->id);
}

static int
batch_parts(struct batch *b, struct batch_item *it, struct args *a, int i)
{
	int r;

	if (json_type(&a->j, i) != JSMN_ARRAY || json_count(&a->j, i) == 0)
		return ST_BAD_REQUEST;
	if (b->part == NULL && (b->part = calloc(BATCH_PARTS,
	    sizeof(*b->part))) == NULL)
		return ST_TRY_LATER;
	it->part = b->nparts;
	for (i = args_first(a, i); i != -1; i = args_next(a, i)) {
		if ((r = batch_part(b, a, i)) != ST_OK)
			return r;
		it->nparts++;
	}
	return ST_OK;
}

static int
batch_flags(struct batch *b, struct batch_item *it, struct args *a, int i)
{
	if (args_flags(a, i, &b->work) == -1)
		return args_flags_code(errno);
	it->flags = ibuf_size(&b->flags);
	if (flagset_put(&b->work, &b->flags) == -1)
		return ST_TRY_LATER;
	it->flagslen = ibuf_size(&b->flags) - it->flags;
	return ST_OK;
}

static int
batch_date(struct batch_item *it, struct args *a, int i)
{
	struct rfcdate	 d = { .t = time(NULL) };
	const char	*s;
	size_t		 len;
	int		 r;

	if ((r = args_text(a, i, &s, &len)) == -1 ||
	    (r == 1 && rfcdate_parse_3339(&d, s, len) == -1))
		return ST_BAD_REQUEST;
	it->date = store_date(&d);
	return ST_OK;
}

static int
batch_cache(struct batch_item *it, struct args *a, int i)
{
	int r;

	if ((r = args_text(a, i, &it->cache, &it->cachelen)) == -1)
		return ST_BAD_REQUEST;
	if (r == 0)
		it->cache = NULL;
	return r == 0 || cache_is_text(it->cache, it->cachelen) ? ST_OK :
	    ST_BAD_REQUEST;
}

static int
batch_item(struct batch *b, struct args *a, int i)
{
	static const char *const known[] = { "id", "parts", "flags", "date",
	    "cache", NULL };
	static const char *const known_base[] = { "id", "parts", "flags",
	    "date", NULL };
	struct batch_item	*it = &b->item[b->n++];
	int			 r, parts;

	ibuf_init(&it->mem, UPLOAD_MEM);
	if (json_type(&a->j, i) != JSMN_OBJECT)
		return ST_BAD_REQUEST;
	if (json_unknown(&a->j, i, HAS(CAP_CACHE) ? known : known_base) != -1)
		return ST_UNKNOWN_PARAMETER;
	parts = args_find(a, i, "parts");
	if ((parts == -1) == (args_find(a, i, "id") == -1))
		return ST_BAD_REQUEST;
	if ((r = parts != -1 ? batch_parts(b, it, a, parts) :
	    batch_id(a, i, &it->id)) != ST_OK ||
	    (r = batch_flags(b, it, a, json_member(&a->j, i,
	    "flags"))) != ST_OK ||
	    (r = batch_date(it, a, json_member(&a->j, i, "date"))) != ST_OK)
		return r;
	return batch_cache(it, a, json_member(&a->j, i, "cache"));
}

static int
batch_parse(struct batch *b, struct args *a)
{
	int i = json_member(&a->j, 0, "append"), n, r;

	if ((r = args_set(a, json_member(&a->j, 0, "expunge"), SET_MAX,
	    &b->expunge)) == -1)
		return ST_BAD_REQUEST;
	b->has_expunge = r;
	if (i == -1 || json_is_null(&a->j, i))
		return r ? ST_OK : ST_BAD_REQUEST;
	n = json_count(&a->j, i);
	if (json_type(&a->j, i) != JSMN_ARRAY || n > BATCH_MESSAGES ||
	    (n == 0 && !b->has_expunge))
		return ST_BAD_REQUEST;
	b->item = calloc((size_t)n + 1, sizeof(*b->item));
	b->append = calloc((size_t)n + 1, sizeof(*b->append));
	if (b->item == NULL || b->append == NULL)
		return ST_TRY_LATER;
	for (i = args_first(a, i); i != -1; i = args_next(a, i))
		if ((r = batch_item(b, a, i)) != ST_OK)
			return r;
	return ST_OK;
}

static void
batch_go(struct batch *b)
{
	if (b->nparts == 0) {
		call_submit(&b->call);
		return;
	}
	b->make.b = b;
	b->make.job.run = batch_make;
	b->make.job.done = batch_made;
	if (worker_submit(server.files, &b->make.job) == -1)
		call_fail(&b->call, ST_TRY_LATER, NULL);
	else
		req_lend(b->call.req);
}

void
call_batch(struct req *r, const struct head *hd)
{
	static const char *const known[] = { "append", "expunge", NULL };
	struct batch	*b;
	struct args	 a;
	int		 code;

	if ((b = (struct batch *)call_new(r, &batch_kind)) == NULL)
		return;
	b->mailbox = r->mailbox;
	ibuf_init(&b->flags, SIZE_MAX / 2);
	if (call_args(&b->call, &a, known) == -1)
		return;
	if ((code = batch_parse(b, &a)) != ST_OK)
		call_fail(&b->call, code, NULL);
	else
		batch_go(b);
	args_fini(&a);
}
