/*
 * One message of a FETCH: its items, written one after the other, from the
 * mirror, the row, the summary or the content.
 */
#include <sys/types.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "imap.h"
#include "imap_feed.h"
#include "imap_fetch.h"
#include "log.h"
#include "rfcdate.h"

/* summaries */

static int
att_from_header(const struct imap_fetch_att *a)
{
	return a->att == ATT_SECTION && a->section.nparts == 0 &&
	    (a->section.what == SECTION_HEADER ||
	    a->section.what == SECTION_FIELDS ||
	    a->section.what == SECTION_FIELDS_NOT);
}

/* Can the summary answer this one without the whole header? */
static int
att_known_fields(const struct fmsg *m, const struct imap_fetch_att *a)
{
	return att_from_header(a) && a->section.what == SECTION_FIELDS &&
	    summary_knows_fields(&m->sum, a->section.field,
	    a->section.nfields) == 1;
}

/* The header is put together only for an item that wants all of it. */
static void
part_use_header(struct fmsg *m)
{
	const struct imap_fetch	*c = &m->op->cmd.fetch;
	uint32_t		 i;

	ibuf_fini(&m->hdr);
	m->have_hdr = 0;
	for (i = 0; i < c->natts && !m->have_hdr; i++)
		if (att_from_header(&c->att[i]) &&
		    !att_known_fields(m, &c->att[i]))
			break;
	if (i < c->natts)
		m->have_hdr = summary_put_header(&m->sum, &m->hdr) == 1;
}

void
part_use_summary(struct fmsg *m)
{
	/* of another message, another version, or damaged: as if absent */
	m->have_sum = summary_parse(&m->sum, (const char *)ibuf_data(&m->text),
	    ibuf_size(&m->text)) == 1 && m->sum.size == m->size;
	if (m->have_sum)
		part_use_header(m);
	else
		ibuf_fini(&m->text);
}

/* Of a content that has gone through the maker; -1: of another size. */
static int
part_made_summary(struct fmsg *m)
{
	ibuf_fini(&m->text);
	if (summary_finish(m->maker, &m->text, SUMMARY_FULL) == -1 ||
	    summary_finish(m->maker, &m->kept, SUMMARY_MAX) == -1)
		fatal("summary");
	summary_free(m->maker);
	m->maker = NULL;
	m->made = 1;
	part_use_summary(m);
	return m->have_sum ? 0 : -1;
}

static int
att_from_summary(const struct imap_fetch_att *a)
{
	return a->att == ATT_ENVELOPE || a->att == ATT_BODY ||
	    a->att == ATT_BODYSTRUCTURE || a->att == ATT_PREVIEW;
}

/* What would keep a summary that is there from answering this item? */
static unsigned
att_lacks(const struct imap_fetch_att *a)
{
	if (a->att == ATT_ENVELOPE)
		return 0;
	if (a->att == ATT_PREVIEW)
		return SUMMARY_NO_PREVIEW;
	if (att_from_summary(a) || a->section.nparts > 0)
		return SUMMARY_NO_STRUCTURE;
	return 0;
}

/* The whole of BODY[] needs no structure. */
int
part_is_all(const struct imap_fetch_att *a)
{
	return a->att == ATT_SECTION && a->section.what == SECTION_ALL &&
	    a->section.nparts == 0;
}

static int
att_known_section(const struct fmsg *m, const struct imap_fetch_att *a)
{
	return m->have_sum && ((m->have_hdr && att_from_header(a)) ||
	    att_known_fields(m, a));
}

/* Does some item still want a (better) summary? */
static int
part_wants_summary(const struct fmsg *m)
{
	const struct imap_fetch	*c = &m->op->cmd.fetch;
	uint32_t		 i;

	if (m->made)
		return 0;
	for (i = 0; i < c->natts; i++) {
		if (!att_from_summary(&c->att[i]) &&
		    (c->att[i].att != ATT_SECTION || part_is_all(&c->att[i])))
			continue;
		if (c->att[i].lazy)
			continue;
		if (!m->have_sum || m->sum.lacks & att_lacks(&c->att[i]) ||
		    (c->att[i].att == ATT_ENVELOPE && m->sum.env_lost))
			return 1;
	}
	return 0;
}

static int
part_wants_content(const struct fmsg *m)
{
	const struct imap_fetch	*c = &m->op->cmd.fetch;
	uint32_t		 i;

	if (part_wants_summary(m))
		return 1;
	for (i = 0; i < c->natts; i++)
		if (c->att[i].att == ATT_SECTION &&
		    !att_known_section(m, &c->att[i]))
			return 1;
	return 0;
}

/* contents */

static int
part_summary_from_data(struct fmsg *m)
{
	if ((m->maker = summary_open()) == NULL ||
	    summary_feed(m->maker, ibuf_data(&m->data),
	    ibuf_size(&m->data)) == -1)
		fatal("summary");
	return part_made_summary(m);
}

void
part_prepare(struct fmsg *m, int first)
{
	if (st_active(&m->rq) || m->have_data || m->failed || m->begun ||
	    !part_wants_content(m))
		return;
	if (m->size <= HELD_MAX) {
		m->whole = 1;
		fetch_content(m, 0, m->size);
	} else if (first && part_wants_summary(m)) {
		if ((m->maker = summary_open()) == NULL)
			fatal(NULL);
		m->scanning = 1;
		fetch_content(m, 0, m->size);
	}
}

/*
 * Bytes of a literal.  Only literal8 may hold NUL (RFC 3501, 9); the length
 * has been told, so something else stands there instead.
 */
static void
put_bytes(struct io *io, const void *p, size_t len)
{
	struct ibuf	*b = io_out(io);
	uint8_t		*q, *end;

	if (io_write(io, p, len) == -1)
		return;
	end = ibuf_data(b) + ibuf_size(b);
	for (q = end - len; (q = memchr(q, '\0', (size_t)(end - q))) != NULL;)
		*q++ = 0x80;
}

/* Returns -1 for more than was asked for. */
int
part_content(struct fmsg *m, const void *p, size_t len)
{
	struct io *io = &m->op->s->ls.io;

	m->used += (uint32_t)len;
	if (m->whole) {
		if (ibuf_add(&m->data, p, len) == -1)
			return -1;
	} else if (m->scanning) {
		if (summary_feed(m->maker, p, len) == -1)
			fatal("summary");
	} else if (m->header == HEADER_COMING) {
		if (imapout_filter_feed(&m->filter, p, len, &m->out) == -1)
			m->incomplete = 1;
	} else if (m->streaming) {
		if (len > m->left)
			return -1;
		m->left -= len;
		put_bytes(io, p, len);
		if (m->stext != NULL)
			stext_feed(m->stext, p, len);
	}
	return 0;
}

void
part_credit(struct fmsg *m)
{
	if (m->used == 0 || (m->streaming && imap_full(m->op->s)))
		return;
	st_credit(&m->rq, m->used);
	m->used = 0;
}

/* the index */

static void
part_index_streamed(struct fmsg *m)
{
	if (m->stext == NULL)
		return;
	feed_add(m->op, m->stext, m->uid, m->size);
	stext_free(m->stext);
	m->stext = NULL;
}

void
part_index(struct fmsg *m)
{
	struct stext *t;

	if (!m->have_data || (t = feed_open(m->op, m->uid)) == NULL)
		return;
	stext_feed(t, ibuf_data(&m->data), ibuf_size(&m->data));
	feed_add(m->op, t, m->uid, m->size);
	stext_free(t);
}

/*
 * Returns -1 if it was less than was asked for: a literal's length has been
 * told by then, and sections are looked for in all of a message.
 */
int
part_content_end(struct fmsg *m)
{
	if ((m->whole && ibuf_size(&m->data) != m->size) ||
	    (m->streaming && m->left > 0))
		return -1;
	if (m->whole) {
		m->whole = 0;
		m->have_data = 1;
		if (part_wants_summary(m) || (m->have_sum && m->sum.old))
			return part_summary_from_data(m);
	} else if (m->scanning) {
		m->scanning = 0;
		return part_made_summary(m);
	} else if (m->header == HEADER_COMING) {
		(void)imapout_filter_finish(&m->filter, &m->out);
		m->header = HEADER_READY;
	} else if (m->streaming) {
		m->streaming = 0;
		part_index_streamed(m);
	}
	return 0;
}

/* items */

static enum part_state
put_text(struct fmsg *m, const uint8_t *p, size_t len,
    const struct imap_fetch_att *a)
{
	struct io *io = &m->op->s->ls.io;

	if (a->partial) {
		if (a->offset >= len)
			len = 0;
		else {
			p += a->offset;
			len -= (size_t)a->offset;
			if (len > a->count)
				len = (size_t)a->count;
		}
	}
	(void)imap_put_literal(io_out(io), len, 0);
	put_bytes(io, p, len);
	return PART_DONE;
}

/* A piece of the message, from memory or as it comes. */
static enum part_state
put_range(struct fmsg *m, uint64_t off, uint64_t len,
    const struct imap_fetch_att *a)
{
	if (m->have_data) {
		if (off > ibuf_size(&m->data))
			off = ibuf_size(&m->data);
		if (len > ibuf_size(&m->data) - off)
			len = ibuf_size(&m->data) - off;
		return put_text(m, ibuf_data(&m->data) + off, (size_t)len, a);
	}
	if (a->partial) {
		if (a->offset >= len)
			len = 0;
		else {
			off += a->offset;
			len -= a->offset;
			if (len > a->count)
				len = a->count;
		}
	}
	(void)imap_put_literal(imap_out(m->op->s), len, 0);
	if (len == 0)
		return PART_DONE;
	m->streaming = 1;
	m->left = len;
	if (len == m->size && ((struct fetch *)m->op->data)->feeds)
		m->stext = feed_open(m->op, m->uid);
	fetch_content(m, off, len);
	return PART_WAIT;
}

static enum part_state
put_fields(struct fmsg *m, const struct imapout_section *sec,
    const struct imap_fetch_att *a)
{
	const uint8_t	*p;
	int		 known;

	if (m->header == HEADER_NO) {
		ibuf_drain(&m->out, ibuf_size(&m->out));
		imapout_filter_start(&m->filter, a->section.field,
		    a->section.nfields,
		    a->section.what == SECTION_FIELDS_NOT);
		known = m->have_hdr && att_from_header(a);
		if (!m->have_data && !known) {
			m->header = HEADER_COMING;
			fetch_content(m, sec->off, sec->len);
			return PART_WAIT;
		}
		p = known ? ibuf_data(&m->hdr) : ibuf_data(&m->data) +
		    sec->off;
		if (imapout_filter_feed(&m->filter, p, (size_t)sec->len,
		    &m->out) == -1 ||
		    imapout_filter_finish(&m->filter, &m->out) == -1)
			m->incomplete = 1;
	} else if (m->header == HEADER_COMING)
		return PART_WAIT;
	m->header = HEADER_NO;
	return put_text(m, ibuf_data(&m->out), ibuf_size(&m->out), a);
}

enum imapout_what
part_section_what(const struct imap_section *s)
{
	switch (s->what) {
	case SECTION_HEADER:
	case SECTION_FIELDS:
	case SECTION_FIELDS_NOT:
		return IMAPOUT_HEADER;
	case SECTION_MIME:
		return IMAPOUT_MIME;
	case SECTION_TEXT:
		return IMAPOUT_TEXT;
	default:
		return IMAPOUT_ALL;
	}
}

static enum part_state
put_section(struct fmsg *m, const struct imap_fetch_att *a)
{
	const struct imap_section	*s = &a->section;
	struct imapout_section		 sec;

	if (part_is_all(a))
		return put_range(m, 0, m->size, a);
	if (s->what == SECTION_HEADER && m->have_hdr && att_from_header(a))
		return put_text(m, ibuf_data(&m->hdr), ibuf_size(&m->hdr), a);
	if (att_known_fields(m, a)) {
		ibuf_drain(&m->out, ibuf_size(&m->out));
		if (summary_put_fields(&m->sum, s->field, s->nfields,
		    &m->out) == -1)
			m->incomplete = 1;
		return put_text(m, ibuf_data(&m->out), ibuf_size(&m->out), a);
	}
	if (imapout_section(&m->sum, s->part, s->nparts, part_section_what(s),
	    &sec) != 1 || sec.off > m->size || sec.len > m->size - sec.off) {
		(void)ibuf_adds(imap_out(m->op->s), "NIL");
		return PART_DONE;
	}
	if (s->what == SECTION_FIELDS || s->what == SECTION_FIELDS_NOT)
		return put_fields(m, &sec, a);
	return put_range(m, sec.off, sec.len, a);
}

static void
put_date(struct ibuf *b, int64_t t, int16_t zone)
{
	struct rfcdate d;

	d.t = t;
	d.zone = zone;
	(void)ibuf_add_n8(b, '"');
	if (rfcdate_put_imap(b, &d) == -1)
		(void)ibuf_adds(b, "01-Jan-1970 00:00:00 +0000");
	(void)ibuf_add_n8(b, '"');
}

/*
 * RFC 8970, 3.2 and 4.1: NIL only of one that is not at hand and was asked
 * for lazily; "" where there is no text.
 */
static enum part_state
put_preview(struct fmsg *m, const struct imap_fetch_att *a)
{
	struct ibuf	*b = imap_out(m->op->s), text;

	ibuf_init(&text, SUMMARY_PREVIEW * 4 * 2);
	if (!m->have_sum || summary_preview(&m->sum, &text) != 1)
		(void)ibuf_adds(b, a->lazy ? "NIL" : "\"\"");
	else if (imap_put_string(b, (char *)ibuf_data(&text),
	    ibuf_size(&text)) == -1)
		(void)ibuf_adds(b, "\"\"");
	ibuf_fini(&text);
	return PART_DONE;
}

static enum part_state
put_from_summary(struct fmsg *m, const struct imap_fetch_att *a)
{
	struct ibuf	*b = imap_out(m->op->s);
	int		 r;

	if (a->att == ATT_ENVELOPE)
		/* a better one than that made here there will never be */
		r = imapout_envelope(b, &m->sum,
		    m->made ? IMAPOUT_CUT : 0);
	else if (a->att == ATT_BODY)
		r = imapout_body(b, &m->sum, 0);
	else
		r = imapout_bodystructure(b, &m->sum, 0);
	if (r == -1) {
		/* damaged in the store: said, and mended by the next one */
		log_warnx("a summary that cannot be read");
		(void)ibuf_adds(b, a->att == ATT_ENVELOPE ?
		    "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)" :
		    "(\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 0 0)");
		m->incomplete = 1;
	}
	return PART_DONE;
}

/*
 * Ids of the storage have the characters that RFC 8474 allows.  A letter in
 * front keeps clients from taking one for a number or NIL; one that has the
 * greatest length goes as it is.
 */
static const char *
objectid(char letter, const char *id, char buf[IMAP_OBJECTID_MAX + 1])
{
	buf[0] = letter;
	if (strlcpy(buf + 1, id, IMAP_OBJECTID_MAX) >= IMAP_OBJECTID_MAX)
		strlcpy(buf, id, IMAP_OBJECTID_MAX + 1);
	return buf;
}

const char *
emailid(const char *id, char buf[IMAP_OBJECTID_MAX + 1])
{
	return objectid('M', id, buf);
}

const char *
threadid(const char *id, char buf[IMAP_OBJECTID_MAX + 1])
{
	return objectid('T', id, buf);
}

static enum part_state
put_item(struct fmsg *m, const struct imap_fetch_att *a)
{
	struct ibuf	*b = imap_out(m->op->s);
	char		 id[IMAP_OBJECTID_MAX + 1];

	/* of one that was begun and waited the name is there */
	if (m->header != HEADER_READY) {
		if (m->item > 0)
			(void)ibuf_add_n8(b, ' ');
		(void)ibuf_adds(b, a->name);
		(void)ibuf_add_n8(b, ' ');
	}
	switch (a->att) {
	case ATT_UID:
		(void)ibuf_addu(b, m->uid);
		return PART_DONE;
	case ATT_FLAGS:
		view_flags_of(m->op->s->view, b, m->uid);
		return PART_DONE;
	case ATT_SIZE:
		(void)ibuf_addu(b, m->size);
		return PART_DONE;
	case ATT_INTERNALDATE:
		put_date(b, m->date, m->zone);
		return PART_DONE;
	case ATT_SAVEDATE:
		if (m->saved)
			put_date(b, m->savedate, 0);
		else
			(void)ibuf_adds(b, "NIL");
		return PART_DONE;
	case ATT_EMAILID:
		m->incomplete |= m->id == NULL;
		(void)ibuf_addf(b, "(%s)", emailid(m->id != NULL ? m->id :
		    "", id));
		return PART_DONE;
	case ATT_THREADID:
		if (m->threadid != NULL)
			(void)ibuf_addf(b, "(%s)", threadid(m->threadid, id));
		else
			(void)ibuf_adds(b, "NIL");
		return PART_DONE;
	case ATT_MODSEQ:
		(void)ibuf_addf(b, "(%llu)", (unsigned long long)m->modseq);
		return PART_DONE;
	case ATT_PREVIEW:
		return put_preview(m, a);
	case ATT_SECTION:
		return put_section(m, a);
	default:
		return put_from_summary(m, a);
	}
}

/* Is everything there that must be, before the first byte is written? */
static enum part_state
part_ready(struct fmsg *m)
{
	if (m->failed)
		return PART_FAILED;
	if (st_active(&m->rq) && (m->whole || m->scanning))
		return PART_WAIT;
	if (m->size <= HELD_MAX && !m->have_data && part_wants_content(m))
		return PART_WAIT;
	if (part_wants_summary(m))
		return PART_WAIT;
	return PART_DONE;
}

static void
part_begin(struct fmsg *m)
{
	struct ibuf	*b = imap_out(m->op->s);
	struct iview	*v = m->op->s->view;

	(void)ibuf_adds(b, "* ");
	(void)ibuf_addu(b, uidset_rank(&v->snap->uids, m->uid));
	(void)ibuf_adds(b, " FETCH (");
	m->begun = 1;
	m->op->s->midline = 1;
}

enum part_state
part_put(struct fmsg *m)
{
	const struct imap_fetch	*c = &m->op->cmd.fetch;
	struct imap		*s = m->op->s;
	enum part_state		 st;

	if (m->streaming) {
		part_credit(m);
		return PART_WAIT;
	}
	if (m->begun && m->failed) {
		/* in the middle of a line there is no other way to say so */
		lsession_end(&s->ls, "backend failed in an answer");
		return PART_WAIT;
	}
	if (!m->begun) {
		if ((st = part_ready(m)) != PART_DONE)
			return st;
		part_begin(m);
	} else if (m->waited) {
		m->waited = 0;
		m->item++;
	}
	while (m->item < c->natts) {
		if (imap_full(s) || m->header == HEADER_COMING)
			return PART_WAIT;
		if (put_item(m, &c->att[m->item]) == PART_WAIT) {
			m->waited = m->streaming;
			return PART_WAIT;
		}
		m->item++;
	}
	(void)ibuf_adds(imap_out(s), ")\r\n");
	s->midline = 0;
	return PART_DONE;
}
