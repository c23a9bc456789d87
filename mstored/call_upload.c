/* POST {base}/messages: a message on its way into one or more mailboxes. */
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

#define UPLOAD_PIECE	(64 * 1024)	/* bytes written at once */

struct upload_to {
	const char	*account;
	struct mbox_id	 mailbox;	/* no 0: none of ours */
	int64_t		 date;
	size_t		 flags, flagslen;	/* text in upload.flags */
	const char	*cache;
	size_t		 cachelen;
};

/*
 * A large message goes into a file, piece by piece, by the file worker;
 * while that has a piece (busy), mem and fd are its.
 */
struct upload_file {
	struct job	 job;
	struct upload	*u;
	int		 used;		/* the file exists */
	int		 fd;
	int		 busy;
	int		 synced;
	int		 code;		/* of the last piece */
};

/*
 * Belongs to its request, and is freed with it; the file stays if the
 * store has it by then.
 */
struct upload {
	struct change	 ch;
	struct req	*req;
	struct ibuf	 line;		/* JSON; the rest points into it */
	int		 parsed;
	struct ibuf	 flags;
	struct upload_to *to;
	uint32_t	 nto;
	struct ibuf	 mem;		/* bytes that are in no file yet */
	uint64_t	 size;		/* of the message so far */
	int		 ended;		/* all of it has come */
	struct upload_file file;
	struct store_body body;
	int		 stored;	/* the store has the content */
	int		 blob;		/* for later: there is no line */
	struct ibuf	 row;
	struct flagset	 work;
};

static void
upload_free(struct req *r)
{
	struct upload *u = r->data;

	if (u->file.fd != -1)
		close(u->file.fd);
	if (u->file.used && u->stored)
		body_place(u->body.id.rnd);
	else if (u->file.used)
		body_remove(u->body.id.rnd);
	ibuf_fini(&u->line);
	ibuf_fini(&u->flags);
	ibuf_fini(&u->mem);
	ibuf_fini(&u->row);
	free(u->to);
	change_fini(&u->ch);
	free(u);
}

/* the first line */

static int
upload_date(struct args *a, int i, int64_t *date)
{
	struct rfcdate	 d;
	const char	*s;
	size_t		 len;
	int		 r;

	if ((r = args_text(a, i, &s, &len)) == -1)
		return -1;
	if (r == 0) {
		d.t = time(NULL);
		d.zone = 0;
	} else if (rfcdate_parse_3339(&d, s, len) == -1)
		return -1;
	*date = store_date(&d);
	return 0;
}

static int
upload_flags(struct upload *u, struct args *a, int i, struct upload_to *to)
{
	if (args_flags(a, i, &u->work) == -1)
		return args_flags_code(errno);
	to->flags = ibuf_size(&u->flags);
	if (flagset_put(&u->work, &u->flags) == -1)
		return ST_TRY_LATER;
	to->flagslen = ibuf_size(&u->flags) - to->flags;
	return ST_OK;
}

static int
upload_cache(struct args *a, int i, struct upload_to *to)
{
	int r;

	to->cache = NULL;
	if ((r = args_text(a, i, &to->cache, &to->cachelen)) != 1)
		return r;
	return cache_is_text(to->cache, to->cachelen) ? 0 : -1;
}

static int
upload_parse_to(struct upload *u, struct args *a, int i,
    struct upload_to *to)
{
	static const char *const known[] = { "account", "mailbox", "address",
	    "flags", "date", "cache", NULL };
	static const char *const known_base[] = { "account", "mailbox",
	    "address", "flags", "date", NULL };
	const char	*s;
	size_t		 len;
	int		 code;

	if (json_type(&a->j, i) != JSMN_OBJECT)
		return ST_BAD_REQUEST;
	if (json_unknown(&a->j, i, HAS(CAP_CACHE) ? known : known_base) != -1)
		return ST_UNKNOWN_PARAMETER;
	if (args_text(a, json_member(&a->j, i, "account"), &to->account,
	    &len) != 1 || !name_is_account(to->account, len) ||
	    args_text(a, json_member(&a->j, i, "mailbox"), &s, &len) != 1)
		return ST_BAD_REQUEST;
	if (name_get_mailbox(&to->mailbox, s, len) == -1)
		memset(&to->mailbox, 0, sizeof(to->mailbox));
	if (args_text(a, json_member(&a->j, i, "address"), &s, &len) == -1 ||
	    upload_date(a, json_member(&a->j, i, "date"), &to->date) == -1 ||
	    upload_cache(a, json_member(&a->j, i, "cache"), to) == -1)
		return ST_BAD_REQUEST;
	if ((code = upload_flags(u, a, json_member(&a->j, i, "flags"),
	    to)) != ST_OK)
		return code;
	return ST_OK;
}

static int
upload_parse_all(struct upload *u, struct args *a)
{
	const char	*from;
	size_t		 len;
	int		 i, n, r, delivery;

	r = args_text(a, json_member(&a->j, 0, "from"), &from, &len);
	if (r == -1 || (r == 1 && len > 0 && !name_is_address(from, len)) ||
	    json_bool(&a->j, json_member(&a->j, 0, "delivery"),
	    &delivery) == -1)
		return ST_BAD_REQUEST;
	i = json_member(&a->j, 0, "to");
	n = json_count(&a->j, i);
	if (json_type(&a->j, i) != JSMN_ARRAY || n == 0 ||
	    (unsigned int)n > server.conf->recipients)
		return ST_BAD_REQUEST;
	if ((u->to = calloc((size_t)n, sizeof(*u->to))) == NULL)
		return ST_TRY_LATER;
	for (i = args_first(a, i); i != -1; i = args_next(a, i))
		if ((r = upload_parse_to(u, a, i, &u->to[u->nto++])) !=
		    ST_OK)
			return r;
	return ST_OK;
}

static int
upload_parse(struct upload *u)
{
	static const char *const known[] = { "from", "to", "delivery",
	    NULL };
	struct req	*r = u->req;
	struct args	 a;
	uint64_t	 max;
	int		 code;

	u->parsed = 1;
	if ((code = args_parse(&a, &u->line, known)) == ST_OK)
		code = upload_parse_all(u, &a);
	args_fini(&a);
	max = ibuf_size(&u->line) + 1 + server.conf->message;
	if (code == ST_OK && r->length != UINT64_MAX && r->length > max)
		code = ST_TOO_LARGE;
	return code;
}

/* the file */

static void
upload_file_run(struct job *j)
{
	struct upload_file	*f = (struct upload_file *)(void *)j;
	struct ibuf		*b = &f->u->mem;
	ssize_t			 n;

	if (ibuf_size(b) == 0) {
		f->code = body_sync(f->fd);
		f->synced = 1;
		return;
	}
	if ((f->code = body_room()) != ST_OK)
		return;
	while (ibuf_size(b) > 0) {
		n = write(f->fd, ibuf_data(b), ibuf_size(b));
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1) {
			f->code = errno == ENOSPC || errno == EDQUOT ?
			    ST_STORAGE_FULL : ST_INTERNAL;
			if (f->code == ST_INTERNAL)
				log_warn("writing a message's file");
			return;
		}
		ibuf_drain(b, (size_t)n);
	}
}

static void	upload_next(struct upload *);

static void
upload_file_done(struct job *j)
{
	struct upload_file	*f = (struct upload_file *)(void *)j;
	struct req		*r = f->u->req;

	f->busy = 0;
	if (!req_return(r))
		return;
	if (f->code != ST_OK)
		resp_error(r, f->code, NULL);
	else if (f->u->ended)
		upload_next(f->u);
	else
		req_resume(r);
}

/* Writes what is there; or, when there is nothing, to the disk with it. */
static int
upload_file_go(struct upload *u)
{
	struct upload_file *f = &u->file;

	if (!f->used) {
		if ((f->fd = body_create(u->body.id.rnd)) == -1) {
			if (errno == ENOSPC || errno == EDQUOT)
				return ST_STORAGE_FULL;
			log_warn("a message's file");
			return ST_INTERNAL;
		}
		f->used = 1;
		f->u = u;
		f->job.run = upload_file_run;
		f->job.done = upload_file_done;
	}
	if (worker_submit(server.files, &f->job) == -1)
		return ST_TRY_LATER;
	f->busy = 1;
	req_lend(u->req);
	return ST_OK;
}

/* the change */

/* As good as stored: the row, and the memory of it under its key. */
static int
upload_row_answer(struct upload *u, uint32_t i,
    const struct store_append *ap)
{
	struct ibuf	*b = &u->row;
	char		 id[NAME_ID_SIZE];

	name_put_content(id, &u->body.id);
	if (json_open(b, '{') == -1 || json_ku64(b, "index", i) == -1 ||
	    json_ku64(b, "uid", ap->uid) == -1 ||
	    json_ku64(b, "uidvalidity", ap->mailbox.uidvalidity) == -1 ||
	    json_kstr(b, "id", id) == -1 ||
	    answer_change(b, "change", &ap->change,
	    server.conf->caps) == -1)
		return -1;
	return ibuf_add(b, "}\n", 2);
}

static int
upload_row_code(struct upload *u, uint32_t i, int code)
{
	struct ibuf *b = &u->row;

	ibuf_drain(b, ibuf_size(b));
	if (json_open(b, '{') == -1 || json_ku64(b, "index", i) == -1 ||
	    json_kstr(b, "code", st_error((enum st_code)code)->name) == -1)
		return -1;
	return ibuf_add(b, "}\n", 2);
}

static int
upload_append(struct upload *u, struct store *s, uint32_t i)
{
	struct store_append	 ap;
	struct upload_to	*to = &u->to[i];
	int			 code;

	memset(&ap, 0, sizeof(ap));
	if ((code = body_room()) != ST_OK)
		return code;
	if ((code = store_account_make(s, to->account, &ap.account)) != ST_OK)
		return code;
	if (flagset_get(&u->work, (char *)ibuf_data(&u->flags) + to->flags,
	    to->flagslen) == -1)
		return ST_INTERNAL;
	ap.mailbox = to->mailbox;
	ap.flags = &u->work;
	ap.date = to->date;
	ap.cache = to->cache;
	ap.cachelen = to->cachelen;
	ap.body = &u->body;
	if ((code = store_append(s, &ap)) != ST_OK)
		return code;
	return upload_row_answer(u, i, &ap) == -1 ? ST_TRY_LATER : ST_OK;
}

static void
upload_key(struct upload *u, uint32_t i, struct store_key *k)
{
	k->scope = 0;
	k->key = u->ch.key;
	k->index = i;
	k->print = u->ch.print;
}

/*
 * One recipient, a promise of its own.  Another code than ST_OK: the whole
 * request fails.
 */
static int
upload_row(struct upload *u, struct store *s, uint32_t i)
{
	struct store_key	k;
	int64_t			no = u->body.id.no;
	int			code, status;

	ibuf_drain(&u->row, ibuf_size(&u->row));
	upload_key(u, i, &k);
	if (u->ch.key[0] != '\0') {
		code = store_key_get(s, &k, &status, &u->row);
		if (code != ST_NO_SUCH_MESSAGE)
			return code;
	}
	if ((code = store_savepoint(s)) != ST_OK)
		return code;
	code = upload_append(u, s, i);
	if (code == ST_OK && u->ch.key[0] != '\0')
		code = store_key_put(s, &k, 200, &u->row);
	if (code == ST_OK)
		code = store_release(s);
	if (code == ST_OK && change_events(&u->ch, s, u->to[i].account) == -1)
		code = ST_TRY_LATER;
	if (code == ST_OK) {
		u->stored = 1;
		return ST_OK;
	}
	store_undo(s);
	u->body.id.no = no;
	if (store_broken(s))
		return code;
	return upload_row_code(u, i, code) == -1 ? ST_TRY_LATER : ST_OK;
}

/* Has one of the rows been given for another request? */
static int
upload_reused(struct upload *u, struct store *s)
{
	struct store_key	k;
	uint32_t		i;
	int			code, status;

	if (u->ch.key[0] == '\0' || u->nto == 1)
		return ST_OK;
	for (i = 0; i < u->nto; i++) {
		upload_key(u, i, &k);
		ibuf_drain(&u->row, ibuf_size(&u->row));
		code = store_key_get(s, &k, &status, &u->row);
		if (code != ST_OK && code != ST_NO_SUCH_MESSAGE)
			return code;
	}
	return ST_OK;
}

static int
upload_run(struct change *ch, struct store *s)
{
	struct upload	*u = (struct upload *)(void *)ch;
	struct ibuf	*b = &ch->answer;
	uint32_t	 i;
	int		 code;

	u->stored = 0;
	u->body.id.no = 0;
	if ((code = upload_reused(u, s)) != ST_OK)
		return code;
	if (ibuf_adds(b, "{\"header\":true}\n") == -1)
		return ST_TRY_LATER;
	for (i = 0; i < u->nto && code == ST_OK; i++)
		if ((code = upload_row(u, s, i)) == ST_OK &&
		    ibuf_add_ibuf(b, &u->row) == -1)
			code = ST_TRY_LATER;
	if (code == ST_OK && answer_end(b, ST_OK) == -1)
		code = ST_TRY_LATER;
	/* an error means that nothing is stored: give the group up */
	if (code != ST_OK && u->stored)
		store_rollback(s);
	return code;
}

static const struct change_kind upload_kind = {
	.name = "upload",
	.durable = 1,
	.run_parts = upload_run,
};

/* A blob: a content that belongs to no message yet. */
static int
blob_run(struct change *ch, struct store *s)
{
	struct upload	*u = (struct upload *)(void *)ch;
	struct ibuf	*b = &ch->answer;
	char		 id[NAME_ID_SIZE];
	int		 code;

	u->stored = 0;
	u->body.id.no = 0;
	if ((code = store_blob(s, ch->account_no, &u->body,
	    BLOB_SECONDS)) != ST_OK)
		return code;
	u->stored = 1;
	ch->status = 201;
	name_put_content(id, &u->body.id);
	return json_open(b, '{') == -1 || json_kstr(b, "id", id) == -1 ||
	    json_ku64(b, "size", u->body.size) == -1 ||
	    json_close(b, '}') == -1 ? ST_TRY_LATER : ST_OK;
}

static const struct change_kind blob_kind = {
	.name = "blob",
	.durable = 1,
	.run = blob_run,
};

static void
upload_done(struct job *j)
{
	struct upload	*u = (struct upload *)(void *)j;
	struct req	*r = u->req;

	if (u->ch.code != ST_OK)
		u->stored = 0;
	events_publish(&u->ch);
	if (!req_return(r))
		return;
	if (u->ch.code != ST_OK)
		resp_error(r, u->ch.code, NULL);
	else
		resp_send(r, u->ch.status, u->blob ? TYPE_JSON : TYPE_NDJSON,
		    ibuf_data(&u->ch.answer), ibuf_size(&u->ch.answer));
}

/* All is here: through the file, if there is one, to the writer. */
static void
upload_next(struct upload *u)
{
	int code;

	if (u->file.used && !u->file.synced) {
		if ((code = upload_file_go(u)) != ST_OK)
			resp_error(u->req, code, NULL);
		return;
	}
	if (u->file.used) {
		close(u->file.fd);
		u->file.fd = -1;
	} else
		u->body.data = u->size > 0 ? ibuf_data(&u->mem) :
		    (const void *)"";
	u->body.size = u->size;
	u->ch.print = fprint_end(&u->req->print);
	req_lend(u->req);
	change_submit(&u->ch);
}

/* the request */

static struct upload *
upload_new(struct req *r, const struct change_kind *kind, uint64_t line)
{
	struct upload *u;

	if (r->length == 0) {
		resp_error(r, ST_BAD_REQUEST, "there is no message");
		return NULL;
	}
	if (r->length != UINT64_MAX &&
	    r->length > server.conf->message + line) {
		resp_error(r, ST_TOO_LARGE, NULL);
		return NULL;
	}
	if ((u = malloc(sizeof(*u))) == NULL) {
		resp_error(r, ST_TRY_LATER, NULL);
		return NULL;
	}
	memset(u, 0, offsetof(struct upload, work));
	change_init(&u->ch, kind, upload_done);
	strlcpy(u->ch.key, r->key, sizeof(u->ch.key));
	u->req = r;
	ibuf_init(&u->line, UPLOAD_LINE);
	ibuf_init(&u->flags, SIZE_MAX / 2);
	ibuf_init(&u->mem, UPLOAD_MEM + 2 * IO_READ_MAX);
	ibuf_init(&u->row, 65536);
	u->file.fd = -1;
	store_body_new(&u->body);
	r->data = u;
	r->free = upload_free;
	return u;
}

void
call_upload(struct req *r, const struct head *hd)
{
	(void)upload_new(r, &upload_kind, UPLOAD_LINE + 1);
}

/* POST .../blobs */
void
call_blob(struct req *r, const struct head *hd)
{
	struct upload *u;

	if ((u = upload_new(r, &blob_kind, 0)) == NULL)
		return;
	u->blob = u->parsed = 1;
	strlcpy(u->ch.account, r->account, sizeof(u->ch.account));
}

/* The first line, as far as it has come; returns the bytes used, or -1. */
static ssize_t
upload_line(struct upload *u, const char *p, size_t len)
{
	const char	*nl = memchr(p, '\n', len);
	size_t		 n = nl != NULL ? (size_t)(nl - p) : len;
	int		 code;

	if (n > UPLOAD_LINE - ibuf_size(&u->line)) {
		resp_error(u->req, ST_BAD_REQUEST, "the line is too long");
		return -1;
	}
	if (ibuf_add(&u->line, p, n) == -1) {
		resp_error(u->req, ST_TRY_LATER, NULL);
		return -1;
	}
	if (nl == NULL)
		return (ssize_t)n;
	if ((code = upload_parse(u)) != ST_OK) {
		resp_error(u->req, code, NULL);
		return -1;
	}
	return (ssize_t)n + 1;
}

static int
upload_bytes(struct upload *u, const char *p, size_t len)
{
	int code = ST_OK;

	if (len > server.conf->message - u->size) {
		resp_error(u->req, ST_TOO_LARGE, NULL);
		return -1;
	}
	if (ibuf_add(&u->mem, p, len) == -1)
		code = ST_TRY_LATER;
	u->size += len;
	if (code == ST_OK && (u->file.used ?
	    ibuf_size(&u->mem) >= UPLOAD_PIECE :
	    ibuf_size(&u->mem) > UPLOAD_MEM)) {
		req_pause(u->req);
		code = upload_file_go(u);
	}
	if (code == ST_OK)
		return 0;
	resp_error(u->req, code, NULL);
	return -1;
}

int
call_upload_data(struct req *r, const void *data, size_t len)
{
	struct upload	*u = r->data;
	const char	*p = data;
	ssize_t		 n;

	if (!u->parsed) {
		if ((n = upload_line(u, p, len)) == -1)
			return -1;
		p += n;
		len -= (size_t)n;
	}
	return len > 0 ? upload_bytes(u, p, len) : 0;
}

void
call_upload_end(struct req *r)
{
	struct upload *u = r->data;

	if (!u->parsed) {
		resp_error(r, ST_BAD_REQUEST, "the first line does not end");
		return;
	}
	u->ended = 1;
	if (!u->file.busy)
		upload_next(u);
}
