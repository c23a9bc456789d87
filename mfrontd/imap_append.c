/*
 * APPEND of one message, which streams from the client to the storage.  A
 * small one is held until it is whole, and goes with its summary; of a large
 * one no more than the credit allows is here at any time.
 *
 * Whether more messages follow is known when the first is over.  A storage
 * with batch takes a large one as imap_batch.c does it, in as many requests:
 * the content, then the message with its summary.
 */
#include <sys/types.h>
#include <stdlib.h>
#include <string.h>

#include "imap.h"
#include "imap_batch.h"
#include "log.h"
#include "rfcdate.h"
#include "summary.h"

#define HELD_MAX	(128 * 1024)	/* bytes of a message held whole */

struct append {
	char			*mailbox;	/* id */
	uint64_t		 size;
	int			 held;
	int			 begun;		/* st_put was sent */
	int			 bad;		/* NUL where none may be */
	uint8_t			 last;		/* byte, kept back */
	struct ibuf		 data;
	struct ibuf		 flags;
	struct ibuf		 summary;
	struct summary_maker	*maker;
	struct m_st_stored	 stored;
	char			*id;		/* of the content */
};

static void
append_free(struct append *a)
{
	ibuf_fini(&a->data);
	ibuf_fini(&a->flags);
	ibuf_fini(&a->summary);
	summary_free(a->maker);
	free(a->mailbox);
	free(a->id);
	free(a);
}

static void
append_cleanup(struct iop *op)
{
	append_free(op->data);
}

uint64_t
append_limit(const struct iop *op)
{
	uint64_t theirs = imount_storage(op->s, op->mount)->message;

	return theirs != 0 && theirs < llimits.message ? theirs :
	    llimits.message;
}

/* the end */

static void
append_ok(struct iop *op)
{
	struct append	*a = op->data;
	char		 code[64];

	snprintf(code, sizeof(code), "APPENDUID %u %u", a->stored.uidvalidity,
	    a->stored.uid);
	iop_ok_code(op, code, "APPEND completed");
}

static void
append_synced(struct iop *op, enum st_code code, const char *text)
{
	append_ok(op);
}

/* It is there; who has that mailbox open is to see it. */
static void
append_seen(struct iop *op)
{
	struct append	*a = op->data;
	struct iview	*v = op->s->view;
	struct mirror	*m;

	iacct_own(op, a->mailbox, a->stored.modseq);
	if ((m = mirror_find(op->s, op->mount, a->mailbox)) != NULL)
		mirror_own_added(m, a->stored.uid,
		    (const char *)ibuf_data(&a->flags), a->stored.before,
		    a->stored.modseq);
	if (v != NULL && strcmp(v->m->id, a->mailbox) == 0)
		mirror_need(op, v->m, append_synced);
	else
		append_ok(op);
}

static void
append_cached(struct streq *rq, enum msg_type type, const void *arg)
{
	/* without its summary the message is there all the same */
	if (type == M_st_end)
		append_seen(rq->arg);
}

static void
append_stored(struct iop *op)
{
	struct append		*a = op->data;
	struct m_st_cache	 q;

	if (a->held || a->id == NULL || !iop_has(op, CAP_CACHE) ||
	    summary_finish(a->maker, &a->summary, SUMMARY_MAX) == -1) {
		append_seen(op);
		return;
	}
	memset(&q, 0, sizeof(q));
	q.mount = op->mount->number;
	q.id = a->id;
	q.text = msg_blob_of(ibuf_data(&a->summary), ibuf_size(&a->summary));
	iop_ask(op, M_st_cache, &q, append_cached);
}

static void
append_answer(struct streq *rq, enum msg_type type, const void *arg)
{
	struct iop		*op = rq->arg;
	struct append		*a = op->data;
	const struct m_st_end	*end = arg;

	switch (type) {
	case M_st_credit:
		lsession_timeout(&op->s->ls, LT_COMMAND);
		io_resume(&op->s->ls.io);
		break;
	case M_st_stored:
		a->stored = *(const struct m_st_stored *)arg;
		a->stored.text = a->stored.mailbox = NULL;
		free(a->id);
		a->id = strdup(a->stored.id);
		a->stored.id = NULL;
		break;
	case M_st_end:
		/* what was promised holds, whatever the answer's end */
		if (a->stored.uid != 0)
			append_stored(op);
		else if (a->stored.code == ST_NO_SUCH_TARGET)
			iop_no(op, "TRYCREATE", "No such mailbox");
		else if (a->stored.code != ST_OK)
			iop_fail(op, a->stored.code, NULL);
		else
			iop_fail(op, end->code != ST_OK ? end->code : ST_CUT,
			    NULL);
		break;
	default:
		break;
	}
}

/* sending */

static void
append_begin(struct iop *op)
{
	struct append	*a = op->data;
	struct m_st_put	 q;
	struct ibuf	 date;

	ibuf_init(&date, 64);
	if (op->cmd.append.item->has_date)
		(void)rfcdate_put_3339(&date, &op->cmd.append.item->date);
	(void)ibuf_add_n8(&date, '\0');
	memset(&q, 0, sizeof(q));
	q.mount = op->mount->number;
	q.mailbox = a->mailbox;
	q.flags = (const char *)ibuf_data(&a->flags);
	q.date = (const char *)ibuf_data(&date);
	q.size = a->size;
	if (a->held && iop_has(op, CAP_CACHE) &&
	    summary_finish(a->maker, &a->summary, SUMMARY_MAX) == 0)
		q.cache = msg_blob_of(ibuf_data(&a->summary),
		    ibuf_size(&a->summary));
	iop_ask(op, M_st_put, &q, append_answer);
	a->begun = 1;
	ibuf_fini(&date);
}

/* The last CRLF has come, and nothing before it. */
static void
append_finish(struct iop *op)
{
	struct append *a = op->data;

	iop_reads(op, NULL);
	op->s->input = INPUT_LINE;
	if (a->bad) {
		iop_no(op, "CANNOT", "A message must not contain NUL");
		return;
	}
	if (a->held) {
		if (!st_ready(&op->s->ls)) {
			iop_fail(op, ST_UNAVAILABLE, NULL);
			return;
		}
		append_begin(op);
		(void)st_data(&op->rq, ibuf_data(&a->data),
		    ibuf_size(&a->data));
		ibuf_fini(&a->data);
	} else
		(void)st_data(&op->rq, &a->last, 1);
	st_data_end(&op->rq);
}

/* More messages: all of them are done together. */
static size_t
append_more(struct iop *op, const uint8_t *p, size_t len)
{
	struct append		*a = op->data;
	struct batch_first	 f;
	size_t			 n;

	f.mailbox = a->mailbox;
	f.data = &a->data;
	f.maker = a->maker;
	f.flags = (const char *)ibuf_data(&a->flags);
	a->mailbox = NULL;
	a->maker = NULL;
	n = batch_adopt(op, &f, p, len);
	append_free(a);
	return n;
}

/* Something follows that cannot; s->left is 0, so it is skipped. */
static size_t
append_refuse(struct iop *op, int message)
{
	struct append *a = op->data;

	iop_reads(op, NULL);
	if (a->bad)
		iop_no(op, "CANNOT", "A message must not contain NUL");
	else if (message && imap_ext_has(&imap_syntax(op->s)->exts,
	    IMAP_EXT_MULTIAPPEND))
		iop_no(op, "CANNOT", "That mailbox's storage takes one "
		    "message only");
	else
		iop_bad(op, "Nothing may follow the message");
	return 0;
}

static size_t
append_tail(struct iop *op, const uint8_t *p, size_t len)
{
	struct append *a = op->data;

	if (p[0] == '\n' || (len > 1 && p[0] == '\r' && p[1] == '\n')) {
		append_finish(op);
		return p[0] == '\n' ? 1 : 2;
	}
	if (len == 1 && p[0] == '\r')
		return 0;
	if (p[0] == ' ' && !a->bad && a->held && iop_has(op, CAP_BATCH))
		return append_more(op, p, len);
	return append_refuse(op, p[0] == ' ');
}

/*
 * A storage that has all bytes stores the message, whatever is said then: the
 * last one waits for the end of the command.
 */
static void
append_send(struct iop *op, const uint8_t *p, size_t n)
{
	struct append *a = op->data;

	if (n == op->s->left)
		a->last = p[--n];
	(void)st_data(&op->rq, p, n);
}

/* Takes bytes of the message; fewer when the storage does not keep up. */
static size_t
append_take(struct iop *op, const uint8_t *p, size_t len)
{
	struct append	*a = op->data;
	struct imap	*s = op->s;
	size_t		 n = len < s->left ? len : (size_t)s->left;

	if (!a->held) {
		if (!a->begun && !st_ready(&s->ls)) {
			iop_reads(op, NULL);
			iop_fail(op, ST_UNAVAILABLE, NULL);
			return 0;
		}
		if (!a->begun)
			append_begin(op);
		if (n > op->rq.credit)
			n = (size_t)op->rq.credit;
		if (n == 0) {
			io_pause(&s->ls.io);
			return 0;
		}
		append_send(op, p, n);
	} else if (ibuf_add(&a->data, p, n) == -1)
		fatal(NULL);
	if (memchr(p, '\0', n) != NULL)
		a->bad = 1;
	if (summary_feed(a->maker, p, n) == -1)
		fatal("summary");
	s->left -= n;
	return n;
}

static size_t
append_input(struct iop *op, const uint8_t *p, size_t len)
{
	struct imap *s = op->s;

	lsession_timeout(&s->ls, LT_COMMAND);
	if (s->left > 0)
		return append_take(op, p, len);
	return append_tail(op, p, len);
}

static void
append_listed(struct iop *op, enum st_code code, const char *text)
{
	struct append	*a = op->data;
	struct imap	*s = op->s;
	struct mbox	*mb;

	if (code != ST_OK) {
		iop_fail(op, code, text);
		return;
	}
	mb = iacct_find(op->mount->account, op->name);
	if (mb == NULL) {
		iop_no(op, "TRYCREATE", "No such mailbox");
		return;
	}
	if (mb->has & MBOX_READONLY || !iop_has(op, CAP_WRITE)) {
		iop_no(op, "READ-ONLY", "The mailbox is read-only");
		return;
	}
	if ((a->mailbox = strdup(mb->id)) == NULL ||
	    (a->maker = summary_open()) == NULL)
		fatal(NULL);
	if (s->lit_sync)
		(void)ibuf_adds(imap_out(s), "+ OK\r\n");
	s->lit_sync = 0;
	iop_reads(op, append_input);
	io_resume(&s->ls.io);
}

void
cmd_append(struct iop *op)
{
	const struct imap_append_item	*c = op->cmd.append.item;
	struct append			*a;

	if (iop_place(op, op->cmd.append.mailbox) == -1) {
		iop_no(op, "TRYCREATE", "No such mailbox");
		return;
	}
	if (c->catenate || (c->next->literal.size > HELD_MAX &&
	    iop_has(op, CAP_BATCH))) {
		batch_append(op);
		return;
	}
	if ((a = calloc(1, sizeof(*a))) == NULL)
		fatal(NULL);
	op->data = a;
	op->cleanup = append_cleanup;
	a->size = c->next->literal.size;
	a->held = a->size <= HELD_MAX;
	ibuf_init(&a->data, HELD_MAX);
	ibuf_init(&a->flags, 8190);
	ibuf_init(&a->summary, SUMMARY_MAX + 1024);
	if (a->size == 0)
		iop_no(op, "CANNOT", "An empty message cannot be stored");
	else if (a->size > append_limit(op))
		iop_no(op, "TOOBIG", "Message too big");
	else if (flag_list_text(&c->flags, &a->flags) == -1)
		iop_no(op, "LIMIT", "Too many flags");
	else
		iacct_need(op, append_listed);
}
