/* GET {base}/events: the stream of changes. */
#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "json.h"

#define EVENTS_BEAT	10		/* s between heartbeats */
#define EVENTS_LOOK	1		/* s between looks at the log */
#define EVENTS_SLICE	(32 * 1024)

/*
 * A stream is live, lines being added to it as changes are made, as long as
 * its queue is short.  One that falls behind reads on from the log where it
 * was, as one that begins with a cursor does; it never holds more than a
 * queue's worth of memory, and its connection ends when it takes nothing.
 */
struct stream {
	struct req	*req;
	int64_t		 pos;		/* the last event it was told */
	int		 live;
	int		 beat;		/* a heartbeat is due */
	int		 bad;		/* the log could not be read */
	struct ibuf	 head;
	struct ibuf	*out;
	int		 full;
	TAILQ_ENTRY(stream) entry;
};

static TAILQ_HEAD(stream_list, stream) streams = TAILQ_HEAD_INITIALIZER(streams);
static struct tmo_class	 beat_class;
static struct tmo	 beat_tmo;
static struct tmo_class	 look_class;
static struct tmo	 look_tmo;

static int
events_cursor(struct ibuf *b, int64_t seq)
{
	char cursor[NAME_ID_SIZE];

	name_put_cursor(cursor, store_epoch(server.store), seq);
	return json_kstr(b, "cursor", cursor);
}

/* A mailbox that is gone is told by its account's line. */
static int
events_line(struct ibuf *b, const struct store_event *e)
{
	char id[NAME_ID_SIZE];

	if (e->mailbox.no != 0 && e->mailbox.uidvalidity == 0)
		return 0;
	if (json_open(b, '{') == -1 ||
	    json_kstr(b, "account", e->account) == -1)
		return -1;
	if (e->mailbox.no != 0) {
		name_put_mailbox(id, &e->mailbox);
		if (json_kstr(b, "mailbox", id) == -1)
			return -1;
		if (HAS(CAP_MODSEQ) && json_ku64(b, "modseq",
		    e->modseq) == -1)
			return -1;
	}
	if (events_cursor(b, e->seq) == -1)
		return -1;
	return ibuf_add(b, "}\n", 2);
}

static int
events_row(void *arg, const struct store_event *e)
{
	struct stream *s = arg;

	if (events_line(s->out, e) == -1)
		s->bad = 1;
	else
		s->pos = e->seq;
	return s->full = s->bad || ibuf_size(s->out) >= EVENTS_SLICE;
}

static int
events_beat(struct stream *s, struct ibuf *b)
{
	s->beat = 0;
	if (json_open(b, '{') == -1 || events_cursor(b, s->pos) == -1)
		return -1;
	return ibuf_add(b, "}\n", 2);
}

/* Does the log still reach back to where the stream is? */
static int
events_behind(struct stream *s)
{
	int64_t last, floor;

	return store_seq(server.store, &last, &floor) != ST_OK ||
	    s->pos < floor;
}

/*
 * From the log, until there is nothing newer in it: then live, or rather
 * ready for req_again() when a change is made.
 */
static int
events_fill(struct req *r, struct ibuf *out)
{
	struct stream *s = r->data;

	if (ibuf_size(&s->head) > 0) {
		if (ibuf_add_ibuf(out, &s->head) == -1)
			s->bad = 1;
		ibuf_fini(&s->head);
	}
	s->out = out;
	s->full = 0;
	if (!s->live) {
		if (events_behind(s) || store_events(server.store, s->pos,
		    events_row, s) != ST_OK)
			s->bad = 1;
		s->live = !s->full && !s->bad;
		/* the loop may not have been told yet what the log says */
	}
	if (s->beat && s->live && events_beat(s, out) == -1)
		s->bad = 1;
	if (s->bad) {
		io_close(&r->c->io, "events: cannot go on");
		return RESP_WAIT;
	}
	return s->live ? RESP_WAIT : RESP_MORE;
}

/*
 * One change's events to all that are live.  A queue that is long already
 * gets no more: the stream goes on from the log when it has drained.
 */
static void
events_tell(struct stream *s, const struct ibuf *lines, int64_t seq)
{
	if (!s->live || s->pos >= seq)
		return;
	if (io_full(&s->req->c->io)) {
		s->live = 0;
		return;
	}
	resp_add(s->req, lines);
	s->pos = seq;
}

/* Somebody else made a change, an administrator's command: read the log. */
static void
events_reread(void)
{
	struct stream *s;

	TAILQ_FOREACH(s, &streams, entry) {
		s->live = 0;
		req_again(s->req);
	}
}

void
events_publish(const struct change *c)
{
	static struct ibuf	 lines;
	struct stream		*s;
	size_t			 i;

	if (c->foreign)
		events_reread();
	if (c->code != ST_OK || c->nev == 0)
		return;
	server.seq = c->ev[c->nev - 1].seq;
	if (TAILQ_EMPTY(&streams))
		return;
	lines.max = SIZE_MAX / 2;
	ibuf_drain(&lines, ibuf_size(&lines));
	for (i = 0; i < c->nev; i++)
		if (events_line(&lines, &c->ev[i]) == -1) {
			/* they will have to read it from the log */
			TAILQ_FOREACH(s, &streams, entry) {
				s->live = 0;
			}
			return;
		}
	TAILQ_FOREACH(s, &streams, entry) {
		events_tell(s, &lines, server.seq);
	}
}

static void
events_tick(struct tmo *t)
{
	struct stream *s;

	TAILQ_FOREACH(s, &streams, entry) {
		s->beat = 1;
		req_again(s->req);
	}
	tmo_start(&beat_tmo, &beat_class);
}

/* What commands do is told within the bound, too. */
static void
events_look(struct tmo *t)
{
	int64_t last, floor;

	if (!TAILQ_EMPTY(&streams) &&
	    store_seq(server.store, &last, &floor) == ST_OK &&
	    last > server.seq) {
		server.seq = last;
		events_reread();
	}
	tmo_start(&look_tmo, &look_class);
}

static void
events_free(struct req *r)
{
	struct stream *s = r->data;

	TAILQ_REMOVE(&streams, s, entry);
	ibuf_fini(&s->head);
	free(s);
}

static int
events_header(struct stream *s)
{
	struct ibuf *b = &s->head;

	if (json_open(b, '{') == -1 || json_kbool(b, "header", 1) == -1 ||
	    events_cursor(b, s->pos) == -1)
		return -1;
	return ibuf_add(b, "}\n", 2);
}

/* Where a stream begins: at the cursor that is given, or now. */
static int
events_since(const struct head *hd, int64_t *pos)
{
	char		text[NAME_ID_SIZE];
	uint32_t	epoch;
	int64_t		last, floor;
	ssize_t		n;
	int		code;

	n = target_param(&hd->t, "since", text, sizeof(text));
	if (n == -2) {
		*pos = server.seq;
		return ST_OK;
	}
	/* also one that is none of ours: who has it must look again */
	if (n < 0 || name_get_cursor(&epoch, pos, text, (size_t)n) == -1)
		return ST_CURSOR_TOO_OLD;
	if ((code = store_seq(server.store, &last, &floor)) != ST_OK)
		return code;
	return epoch != store_epoch(server.store) || *pos < floor ||
	    *pos > last ? ST_CURSOR_TOO_OLD : ST_OK;
}

void
call_events(struct req *r, const struct head *hd)
{
	struct stream	*s;
	int64_t		 pos;
	int		 code;

	if ((code = events_since(hd, &pos)) != ST_OK) {
		resp_error(r, code, NULL);
		return;
	}
	if ((s = calloc(1, sizeof(*s))) == NULL) {
		resp_error(r, ST_TRY_LATER, NULL);
		return;
	}
	s->req = r;
	s->pos = pos;
	ibuf_init(&s->head, 1024);
	TAILQ_INSERT_TAIL(&streams, s, entry);
	r->data = s;
	r->free = events_free;
	if (events_header(s) == -1) {
		resp_error(r, ST_TRY_LATER, NULL);
		return;
	}
	/* the peer sends nothing more: its end is the stream's */
	io_hold(&r->c->io, 0);
	resp_fill(r, TYPE_NDJSON, events_fill);
}

int
events_start(void)
{
	int64_t floor;

	tmo_class_init(&beat_class, EVENTS_BEAT, events_tick);
	tmo_start(&beat_tmo, &beat_class);
	tmo_class_init(&look_class, EVENTS_LOOK, events_look);
	tmo_start(&look_tmo, &look_class);
	return store_seq(server.store, &server.seq, &floor) == ST_OK ? 0 :
	    -1;
}

/* At a line's end, and as an answer that was cut: there is no last line. */
void
events_stop(void)
{
	struct stream *s;

	TAILQ_FOREACH(s, &streams, entry) {
		io_close(&s->req->c->io, "server stops");
	}
}
