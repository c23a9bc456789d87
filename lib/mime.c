/*
 * The parser sees lines, but only their beginnings matter: a blank line
 * ends a header, "--" may be a boundary.  What must be seen whole to decide
 * that and is cut by the end of a piece waits in hold; everything else is
 * passed on where it is.
 *
 * Memory: parts and kept fields live in one arena; the stack of open
 * boundaries, the field being read and the held line have fixed sizes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "header_lex.h"
#include "mime.h"

#define BOUNDARY_MAX	200	/* RFC 2046 allows 70 */
#define HOLD_MAX	(2 + BOUNDARY_MAX + 2)
#define TYPE_MAX	127	/* RFC 6838, 4.2 */
#define ARENA_BLOCK	4096
#define FIELD_FIRST	1024

const struct mime_limits mime_limits_default = {
	MIME_PARTS_MAX, MIME_DEPTH_MAX, 16384, 65536, 524288
};

struct arena {
	struct arena	*next;
	size_t		 used;
	size_t		 size;
	char		 data[];
};

struct boundary {
	struct mime_part *part;		/* the multipart it divides */
	size_t		 len;
	char		 text[BOUNDARY_MAX];
};

enum where {
	IN_HEADER,
	IN_BODY,
	IN_DELIMITER		/* the rest of a boundary's line */
};

struct mime {
	const struct mime_limits *limits;
	const struct mime_hooks	*hooks;
	void			*arg;
	struct arena		*arena;
	struct mime_part	*root;
	struct mime_part	*cur;		/* the innermost open part */
	struct mime_field	**tail;		/* of cur's fields */
	enum where		 where;
	int			 bol;		/* at the beginning of a line */
	unsigned		 nparts;
	size_t			 kept;		/* memory of fields, in all */
	size_t			 part_kept;	/* of cur */
	size_t			 others;	/* bytes of other fields */
	uint64_t		 off;		/* of the next byte */
	uint64_t		 nl;		/* line ends before it */
	int			 eol;		/* bytes of the last one */
	char			 last;		/* the byte before it */
	/* a line end that may belong to a boundary */
	size_t			 npend;
	char			 pend[2];
	size_t			 nhold;
	char			 hold[HOLD_MAX];
	unsigned		 nbounds;
	struct boundary		*bounds;
	struct mime_part	*opens;	/* IN_DELIMITER: gets a new part */
	/* the field being read: its first bytes */
	char			*field;
	size_t			 fieldlen;
	size_t			 fieldsize;
	int			 fieldcut;
	/* of cur, from its fields */
	int			 have_enc;
	int			 have_type;
	int			 have_bound;
	struct boundary		 bound;
	int			 nnames;
	int			 names_cut;
	uint32_t		 names[MIME_NAMES_MAX];
};

/* memory */

static void *
arena_get(struct mime *m, size_t len)
{
	struct arena	*a = m->arena;
	size_t		 size;
	void		*p;

	len = (len + 7) & ~(size_t)7;
	if (a == NULL || len > a->size - a->used) {
		size = len > ARENA_BLOCK ? len : ARENA_BLOCK;
		if ((a = malloc(sizeof(*a) + size)) == NULL)
			return NULL;
		a->next = m->arena;
		a->used = 0;
		a->size = size;
		m->arena = a;
	}
	p = a->data + a->used;
	a->used += len;
	return p;
}

static int
arena_str(struct mime *m, struct hstr *to, const char *p, size_t len)
{
	char *s;

	if ((s = arena_get(m, len)) == NULL)
		return -1;
	memcpy(s, p, len);
	to->p = s;
	to->len = len;
	return 0;
}

static void
arena_free(struct mime *m)
{
	struct arena *a;

	while ((a = m->arena) != NULL) {
		m->arena = a->next;
		free(a);
	}
}

/* hooks */

static int
hook_part(struct mime *m, int (*fn)(void *, const struct mime_part *),
    const struct mime_part *part)
{
	return fn == NULL ? 0 : fn(m->arg, part);
}

static int
hook_header(struct mime *m, const char *p, size_t len)
{
	if (m->hooks == NULL || m->hooks->header == NULL || len == 0)
		return 0;
	return m->hooks->header(m->arg, m->cur, p, len);
}

static int
hook_body(struct mime *m, const char *p, size_t len)
{
	if (len == 0)
		return 0;
	return m->hooks->body(m->arg, m->cur, p, len);
}

/* parts */

static const char	text_plain[] = "text/plain";
static const char	message_rfc822[] = "message/rfc822";

static void
part_set_type(struct mime_part *part, const char *type)
{
	const char *slash = strchr(type, '/');

	part->type.p = type;
	part->type.len = (size_t)(slash - type);
	part->subtype.p = slash + 1;
	part->subtype.len = strlen(slash + 1);
}

static void
part_default_type(struct mime_part *part)
{
	const struct mime_part *up = part->parent;

	part_set_type(part, up != NULL && up->kind == MIME_MULTIPART &&
	    hstr_is(&up->subtype, "digest") ? message_rfc822 : text_plain);
}

/* A part whose header begins here. */
static int
part_begin(struct mime *m, struct mime_part *parent)
{
	struct mime_part *part, **pp;

	if ((part = arena_get(m, sizeof(*part))) == NULL)
		return -1;
	memset(part, 0, sizeof(*part));
	part->parent = parent;
	part->depth = parent == NULL ? 1 : parent->depth + 1;
	part->num = 1;
	part->hdr_off = m->off;
	if (parent == NULL)
		m->root = part;
	else if (m->cur != parent && m->cur != NULL &&
	    m->cur->parent == parent) {
		/* the one that was just ended is the last so far */
		m->cur->next = part;
		part->num = m->cur->num + 1;
	} else {
		for (pp = &parent->child; *pp != NULL; pp = &(*pp)->next)
			part->num++;
		*pp = part;
	}
	part_default_type(part);
	m->nparts++;
	m->cur = part;
	m->tail = &part->fields;
	m->part_kept = 0;
	m->have_enc = m->have_type = m->have_bound = 0;
	m->where = IN_HEADER;
	m->bol = 1;
	return m->hooks == NULL ? 0 : hook_part(m, m->hooks->begin, part);
}

/* fields */

static int
field_room(struct mime *m, size_t len)
{
	size_t	 n = m->fieldsize == 0 ? FIELD_FIRST : m->fieldsize;
	char	*p;

	while (n < len)
		n *= 2;
	if (n == m->fieldsize)
		return 0;
	if ((p = realloc(m->field, n)) == NULL)
		return -1;
	m->field = p;
	m->fieldsize = n;
	return 0;
}

static int
field_add(struct mime *m, const char *p, size_t len)
{
	if (len > m->limits->field - m->fieldlen) {
		len = m->limits->field - m->fieldlen;
		m->fieldcut = 1;
	}
	if (m->fieldlen + len > m->fieldsize &&
	    field_room(m, m->fieldlen + len) == -1)
		return -1;
	memcpy(m->field + m->fieldlen, p, len);
	m->fieldlen += len;
	return 0;
}

/* Does this part keep this field? */
static int
field_wanted(const struct mime_part *part, enum header_id id)
{
	if (id == HEADER_NONE)
		return 0;
	if (part->parent == NULL)
		return 1;
	if (id > HEADER_CONTENT_LAST)
		return 0;
	return id > HEADER_ENVELOPE_LAST ||
	    part->parent->kind == MIME_MESSAGE;
}

static void
names_add(struct mime *m, const struct hstr *name)
{
	uint32_t	h = mime_name_hash(name->p, name->len);
	int		i;

	for (i = 0; i < m->nnames; i++)
		if (m->names[i] == h)
			return;
	if (m->nnames == MIME_NAMES_MAX)
		m->names_cut = 1;
	else
		m->names[m->nnames++] = h;
}

static int
field_store(struct mime *m, const struct header_field *f, enum header_id id)
{
	struct mime_field	*k;
	size_t			 len = f->raw.len;
	char			*p;

	if ((k = arena_get(m, sizeof(*k) + len)) == NULL)
		return -1;
	p = (char *)(k + 1);
	memcpy(p, f->raw.p, len);
	k->next = NULL;
	k->id = id;
	k->cut = m->fieldcut;
	k->f.raw.p = p;
	k->f.raw.len = len;
	k->f.name.p = p + (f->name.p - f->raw.p);
	k->f.name.len = f->name.len;
	k->f.value.p = p + (f->value.p - f->raw.p);
	k->f.value.len = f->value.len;
	*m->tail = k;
	m->tail = &k->next;
	m->cur->gaps |= k->cut;
	return 0;
}

/* Keeps a field if the limits allow; that it is not kept is remembered. */
static int
field_keep(struct mime *m, const struct header_field *f, enum header_id id)
{
	size_t cost = sizeof(struct mime_field) + f->raw.len;

	if (m->kept + cost > m->limits->total ||
	    m->part_kept + cost > m->limits->part) {
		m->cur->lost = m->cur->gaps = 1;
		if (m->cur->parent == NULL)
			m->names_cut = 1;
		return 0;
	}
	m->kept += cost;
	m->part_kept += cost;
	return field_store(m, f, id);
}

/* One that nobody asks for by itself: all of them, or none. */
static int
field_keep_other(struct mime *m, const struct header_field *f)
{
	if (f->name.len > 0)
		names_add(m, &f->name);
	m->others += f->raw.len;
	if (m->others > MIME_OTHERS_MAX)
		m->cur->gaps = 1;
	return m->cur->gaps ? 0 : field_store(m, f, HEADER_NONE);
}

/* A boundary loses white space at its end (RFC 2046, 5.1.1). */
static void
bound_set(struct boundary *b, const struct header_param *pa)
{
	char	tmp[BOUNDARY_MAX * 2];
	size_t	len = pa->value.len;

	if (len > sizeof(tmp))
		len = sizeof(tmp);
	if (pa->quoted)
		len = header_unquote(tmp, pa->value.p, len);
	else
		memcpy(tmp, pa->value.p, len);
	while (len > 0 && lex_space(tmp[len - 1]))
		len--;
	if (len > BOUNDARY_MAX)
		len = BOUNDARY_MAX;
	memcpy(b->text, tmp, len);
	b->len = len;
}

/* The first Content-Type with a type counts. */
static int
field_type(struct mime *m, const struct header_field *f)
{
	struct header_iter	it;
	struct header_param	pa;
	struct hstr		type, sub;

	if (m->have_type)
		return 0;
	if (!header_media(&it, f->value.p, f->value.len, &type, &sub) ||
	    type.len > TYPE_MAX || sub.len > TYPE_MAX)
		return 0;
	m->have_type = 1;
	if (arena_str(m, &m->cur->type, type.p, type.len) == -1 ||
	    arena_str(m, &m->cur->subtype, sub.p, sub.len) == -1)
		return -1;
	while (!m->have_bound && header_param_next(&it, &pa))
		if (hstr_is(&pa.name, "boundary")) {
			bound_set(&m->bound, &pa);
			m->have_bound = m->bound.len > 0;
		}
	return 0;
}

static int
field_end(struct mime *m)
{
	struct header_iter	it;
	struct header_field	f;
	enum header_id		id;

	if (m->fieldlen == 0)
		return 0;
	header_start(&it, m->field, m->fieldlen);
	if (!header_next(&it, &f)) {
		memset(&f, 0, sizeof(f));
		m->cur->gaps = 1;
	}
	id = f.name.len == 0 ? HEADER_NONE : header_id(f.name.p, f.name.len);
	if (id == HEADER_CONTENT_TYPE && field_type(m, &f) == -1)
		return -1;
	if (id == HEADER_CONTENT_TRANSFER_ENCODING && !m->have_enc) {
		m->have_enc = 1;
		m->cur->encoding = mime_encoding(&f.value);
	}
	if (field_wanted(m->cur, id)) {
		if (field_keep(m, &f, id) == -1)
			return -1;
	} else if (m->cur->parent == NULL && field_keep_other(m, &f) == -1)
		return -1;
	m->fieldlen = 0;
	m->fieldcut = 0;
	return 0;
}

uint32_t
mime_name_hash(const char *p, size_t len)
{
	uint32_t	h = 2166136261U;
	size_t		i;

	for (i = 0; i < len; i++)
		h = (h ^ (uint32_t)lex_lower(p[i])) * 16777619U;
	return (h ^ h >> MIME_NAME_BITS) & ((1U << MIME_NAME_BITS) - 1);
}

/* structure */

static int
is_message(const struct mime_part *part)
{
	return hstr_is(&part->type, "message") &&
	    (hstr_is(&part->subtype, "rfc822") ||
	    hstr_is(&part->subtype, "global"));
}

static void
bound_push(struct mime *m)
{
	m->bound.part = m->cur;
	m->bounds[m->nbounds++] = m->bound;
}

/* What the part is, now that its header is read. */
static void
part_kind(struct mime *m)
{
	struct mime_part	*part = m->cur;
	int			 multi = hstr_is(&part->type, "multipart");
	int			 full;

	if (multi && !m->have_bound) {
		/* it cannot be what it says: text (RFC 2045, 5.2) */
		part_set_type(part, text_plain);
		return;
	}
	if (!multi && !is_message(part))
		return;
	full = m->nparts >= m->limits->parts ||
	    part->depth >= m->limits->depth;
	if (full)
		part->opaque = 1;
	else if (multi) {
		part->kind = MIME_MULTIPART;
		bound_push(m);
	} else
		part->kind = MIME_MESSAGE;
}

/*
 * The header of cur ended before the next byte.  A message's child begins
 * where its body does.
 */
static int
header_end(struct mime *m)
{
	struct mime_part *part = m->cur;

	if (field_end(m) == -1)
		return -1;
	part->hdr_len = m->off - part->hdr_off;
	part->body_off = m->off;
	part->lines = m->nl;	/* until it ends: those before its body */
	part_kind(m);
	m->where = IN_BODY;
	m->npend = 0;
	if (m->hooks != NULL &&
	    hook_part(m, m->hooks->header_end, part) == -1)
		return -1;
	return part->kind == MIME_MESSAGE ? part_begin(m, part) : 0;
}

/*
 * A part without a body ends at a boundary: the line end that is the
 * boundary's is the last one of its header.
 */
static void
header_cut(struct mime_part *part, uint64_t eol)
{
	if (part->hdr_len < eol)
		return;
	part->hdr_len -= eol;
	part->body_off -= eol;
	if (part->child != NULL)
		part->child->hdr_off = part->child->body_off = part->body_off;
}

/*
 * cur ends before the line end that is before the next byte, or, if the
 * message ends, right here.
 */
static int
part_end(struct mime *m, int eof)
{
	struct mime_part	*part = m->cur;
	uint64_t		 end = m->off, nl = m->nl;

	if (!eof && end > part->body_off)
		nl--;
	else if (!eof)
		header_cut(part, (uint64_t)m->eol);
	if (!eof && end > part->body_off)
		end -= (uint64_t)m->eol;
	part->body_len = end - part->body_off;
	part->lines = nl - part->lines;
	return m->hooks == NULL ? 0 : hook_part(m, m->hooks->end, part);
}

/* Ends everything inside a part; it becomes cur.  NULL: all there is. */
static int
part_end_below(struct mime *m, struct mime_part *stop, int eof)
{
	struct mime_part *last = NULL;

	for (;;) {
		while (m->where == IN_HEADER)
			if (header_end(m) == -1)
				return -1;
		if (m->cur == stop)
			break;
		if (part_end(m, eof) == -1)
			return -1;
		while (m->nbounds > 0 &&
		    m->bounds[m->nbounds - 1].part == m->cur)
			m->nbounds--;
		last = m->cur;
		if (m->cur->parent == NULL)
			break;
		m->cur = m->cur->parent;
	}
	/* part_begin() finds the place for a sibling by this */
	if (last != NULL && stop != NULL && last->parent == stop)
		m->cur = last;
	return 0;
}

/*
 * Is the line a boundary's?  Returns its place in the stack plus one, and
 * whether it is the last of its multipart.
 */
static unsigned
bound_match(const struct mime *m, const char *p, size_t len, int *close)
{
	const struct boundary	*b;
	unsigned		 i, best = 0;
	size_t			 bestlen = 0;

	if (len < 3 || p[0] != '-' || p[1] != '-')
		return 0;
	for (i = m->nbounds; i > 0; i--) {
		b = &m->bounds[i - 1];
		if (b->len > bestlen && b->len <= len - 2 &&
		    memcmp(b->text, p + 2, b->len) == 0) {
			best = i;
			bestlen = b->len;
		}
	}
	*close = best != 0 && len - 2 - bestlen >= 2 &&
	    p[2 + bestlen] == '-' && p[3 + bestlen] == '-';
	/* no part may begin any more */
	if (best != 0 && !*close && m->nparts >= m->limits->parts)
		return 0;
	return best;
}

/* The next byte begins a boundary's line. */
static int
bound_found(struct mime *m, unsigned at, int close)
{
	struct mime_part *multi = m->bounds[at - 1].part;

	if (part_end_below(m, multi, 0) == -1)
		return -1;
	m->opens = close ? NULL : multi;
	if (close) {
		m->nbounds = at - 1;
		m->cur = multi;
	}
	m->npend = 0;
	m->where = IN_DELIMITER;
	return 0;
}

/* Behind a boundary's line: a part begins, or what is no part. */
static int
bound_passed(struct mime *m)
{
	if (m->opens != NULL)
		return part_begin(m, m->opens);
	m->where = IN_BODY;
	return 0;
}

/* content */

/*
 * Body bytes.  While a boundary may follow, a line end at the end of the
 * piece waits; it goes out in front of the next piece.
 */
static int
body_add(struct mime *m, const char *p, size_t len)
{
	size_t keep = 0;

	if (m->cur->kind != MIME_LEAF || m->hooks == NULL ||
	    m->hooks->body == NULL || len == 0)
		return 0;
	if (m->nbounds == 0)
		return hook_body(m, p, len);
	if (m->npend == 1 && m->pend[0] == '\r' && len == 1 && *p == '\n') {
		m->pend[m->npend++] = '\n';
		return 0;
	}
	if (hook_body(m, m->pend, m->npend) == -1)
		return -1;
	if (p[len - 1] == '\n')
		keep = len > 1 && p[len - 2] == '\r' ? 2 : 1;
	else if (p[len - 1] == '\r')
		keep = 1;
	m->npend = keep;
	memcpy(m->pend, p + len - keep, keep);
	return hook_body(m, p, len - keep);
}

/* Counts bytes that belong to no line's beginning any more. */
static void
advance(struct mime *m, const char *p, size_t len)
{
	if (len == 0)
		return;
	if (p[len - 1] == '\n') {
		m->nl++;
		m->eol = (len > 1 ? p[len - 2] : m->last) == '\r' ? 2 : 1;
		m->bol = 1;
	} else
		m->bol = 0;
	m->last = p[len - 1];
	m->off += len;
}

/* The rest of a line, its end included if it is there. */
static size_t
line_len(const char *p, size_t len)
{
	const char *nl = memchr(p, '\n', len);

	return nl == NULL ? len : (size_t)(nl + 1 - p);
}

/*
 * Takes body bytes up to the beginning of a line that may be a boundary:
 * lines that begin with anything else are only counted.
 */
static int
body_run(struct mime *m, const char *p, size_t len, size_t *used)
{
	const char	*q = p, *end = p + len, *nl;
	uint64_t	 n = 0;

	while ((nl = memchr(q, '\n', (size_t)(end - q))) != NULL) {
		q = nl + 1;
		n++;
		if (m->nbounds > 0 && (q == end || *q == '-'))
			break;
	}
	if (nl == NULL)
		q = end;
	*used = (size_t)(q - p);
	advance(m, p, *used);
	if (n > 0)
		m->nl += n - (q[-1] == '\n');
	return body_add(m, p, *used);
}

/* Bytes of a line whose beginning said nothing special. */
static int
content(struct mime *m, const char *p, size_t len, size_t *used)
{
	if (m->where == IN_BODY)
		return body_run(m, p, len, used);
	*used = line_len(p, len);
	advance(m, p, *used);
	if (m->where == IN_DELIMITER)
		return m->bol ? bound_passed(m) : 0;
	if (field_add(m, p, *used) == -1)
		return -1;
	return hook_header(m, p, *used);
}

/* A blank line of so many bytes ends the header. */
static int
blank_line(struct mime *m, const char *p, size_t len)
{
	if (hook_header(m, p, len) == -1)
		return -1;
	m->cur->blank = (int)len;
	advance(m, p, len);
	return header_end(m);
}

/*
 * The beginning of a line.  Decides what it is, if len bytes are enough (or
 * all there will be): 1, 0 if more are needed, -1.  *used is what was taken.
 */
static int
line_begin(struct mime *m, const char *p, size_t len, int all, size_t *used)
{
	unsigned	at;
	size_t		n;
	int		close;

	*used = 0;
	if (m->where == IN_HEADER && *p == '\n') {
		*used = 1;
		return blank_line(m, p, 1) == -1 ? -1 : 1;
	}
	if (m->where == IN_HEADER && *p == '\r') {
		if (len == 1 && !all)
			return 0;
		if (len > 1 && p[1] == '\n') {
			*used = 2;
			return blank_line(m, p, 2) == -1 ? -1 : 1;
		}
	}
	if (m->nbounds > 0 && *p == '-') {
		n = line_len(p, len < HOLD_MAX ? len : HOLD_MAX);
		if (!all && n < HOLD_MAX && p[n - 1] != '\n' &&
		    (n == 1 || p[1] == '-'))
			return 0;
		if ((at = bound_match(m, p, n, &close)) != 0)
			return bound_found(m, at, close) == -1 ? -1 : 1;
	}
	if (m->where == IN_HEADER && !lex_blank(*p) && field_end(m) == -1)
		return -1;
	m->bol = 0;
	return 1;
}

/* Takes what it can of a piece; *used says how much. */
static int
step(struct mime *m, const char *p, size_t len, int all, size_t *used)
{
	int r;

	if (m->bol && m->where != IN_DELIMITER) {
		if ((r = line_begin(m, p, len, all, used)) != 1)
			return r;
		if (*used > 0)
			return 1;
	}
	return content(m, p, len, used) == -1 ? -1 : 1;
}

/*
 * The held beginning of a line, with as much of the piece as it takes to
 * decide.  A held line is short, so it is fed byte by byte.
 */
static int
hold_feed(struct mime *m, const char **p, const char *end, int all)
{
	char	buf[HOLD_MAX];
	size_t	n, used, done;
	int	r = 0;

	while (r == 0 && m->nhold > 0) {
		if (*p < end && m->nhold < HOLD_MAX)
			m->hold[m->nhold++] = *(*p)++;
		else if (!all)
			return 0;
		n = m->nhold;
		r = line_begin(m, m->hold, n, all || n == HOLD_MAX, &used);
		if (r != 1)
			continue;
		memcpy(buf, m->hold, n);
		m->nhold = 0;
		for (done = used; done < n && r == 1; done += used)
			r = step(m, buf + done, n - done, 1, &used);
	}
	return r == -1 ? -1 : 0;
}

int
mime_feed(struct mime *m, const void *data, size_t len)
{
	const char	*p = data, *end = p + len;
	size_t		 used;
	int		 r;

	if (m->nhold > 0 && hold_feed(m, &p, end, 0) == -1)
		return -1;
	while (p < end) {
		r = step(m, p, (size_t)(end - p), 0, &used);
		if (r == -1)
			return -1;
		p += used;
		if (r == 0) {
			m->nhold = (size_t)(end - p);
			memcpy(m->hold, p, m->nhold);
			break;
		}
	}
	return 0;
}

int
mime_finish(struct mime *m)
{
	const char *none = "";

	if (m->nhold > 0 && hold_feed(m, &none, none, 1) == -1)
		return -1;
	if (m->where == IN_DELIMITER && bound_passed(m) == -1)
		return -1;
	if (m->where == IN_BODY && m->nbounds > 0 && m->npend > 0) {
		if (m->cur->kind == MIME_LEAF &&
		    hook_body(m, m->pend, m->npend) == -1)
			return -1;
		m->npend = 0;
	}
	return part_end_below(m, NULL, 1);
}

/* life */

struct mime *
mime_open(const struct mime_limits *limits, const struct mime_hooks *hooks,
    void *arg)
{
	struct mime *m;

	if ((m = calloc(1, sizeof(*m))) == NULL)
		return NULL;
	m->limits = limits != NULL ? limits : &mime_limits_default;
	m->hooks = hooks;
	m->arg = arg;
	m->bounds = reallocarray(NULL, m->limits->depth, sizeof(*m->bounds));
	if (m->bounds == NULL || part_begin(m, NULL) == -1) {
		mime_free(m);
		return NULL;
	}
	return m;
}

void
mime_free(struct mime *m)
{
	if (m == NULL)
		return;
	arena_free(m);
	free(m->bounds);
	free(m->field);
	free(m);
}

const struct mime_part *
mime_root(const struct mime *m)
{
	return m->root;
}

uint64_t
mime_size(const struct mime *m)
{
	return m->off;
}

const struct mime_part *
mime_next(const struct mime_part *part)
{
	if (part->child != NULL)
		return part->child;
	while (part != NULL && part->next == NULL)
		part = part->parent;
	return part == NULL ? NULL : part->next;
}

const struct mime_field *
mime_field(const struct mime_part *part, enum header_id id)
{
	const struct mime_field *f = part->fields;

	while (f != NULL && f->id != id)
		f = f->next;
	return f;
}

int
mime_names(const struct mime *m, const uint32_t **names)
{
	*names = m->names;
	return m->names_cut ? -1 : m->nnames;
}
