#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "charset.h"
#include "header_lex.h"
#include "json.h"
#include "mime.h"
#include "msgsearch.h"

#define PIECE		4096	/* bytes that are decoded in one go */
#define FIELD_MAX	16384	/* longer fields go in parts */
#define NODE_NONE	0

/*
 * The strings as one automaton (Aho and Corasick): a tree whose nodes are
 * their beginnings, each with the longest other beginning it ends in.
 */
struct node {
	uint16_t	child;		/* the first */
	uint16_t	sibling;
	uint16_t	fail;
	uint8_t		byte;
	uint64_t	out;		/* keys that end here */
};

struct msgsearch_set {
	size_t		 nkeys;
	uint64_t	 all;
	uint64_t	 empty;		/* keys whose string is empty */
	uint64_t	 header;	/* by scope */
	uint64_t	 text;
	uint64_t	 body;
	struct hstr	 field[MSGSEARCH_KEYS];
	size_t		 nnodes;
	struct node	*node;		/* 0 is the root */
	uint16_t	 root[256];	/* its children by their byte */
	uint8_t		 begins[256];	/* raw ASCII that may begin a match */
};

/* A place in a text that is read, and the keys it counts for. */
struct cursor {
	uint64_t		 active;
	uint16_t		 state;
	int			 space;	/* the byte before was white */
	struct charset_fold	 fold;
};

struct msgsearch {
	const struct msgsearch_set *set;
	struct mime		*mime;
	uint64_t		 found;
	uint64_t		 decided;	/* found, or cannot be now */
	struct cursor		 text;
	struct cursor		 value;	/* of a field, for HEADER keys */
	struct ibuf		 utf8;
	struct ibuf		 folded;
	/* instead of a match: the text goes there */
	struct msgsearch_set	*own;
	struct ibuf		*sink;
	struct ibuf		*head;
	struct ibuf		*body;
	int			 cut;
	/* the field being read: what has not been looked at */
	struct ibuf		 field;
	int			 bol;
	int			 begun;	/* its name has been looked at */
	/* the text being read */
	const struct mime_part	*part;
	struct mime_decoder	 dec;
	struct charset_conv	 cv;
};

/* compiling */

static uint16_t
node_child(const struct msgsearch_set *s, uint16_t n, uint8_t byte)
{
	uint16_t c;

	if (n == 0)
		return s->root[byte];
	for (c = s->node[n].child; c != NODE_NONE; c = s->node[c].sibling)
		if (s->node[c].byte == byte)
			break;
	return c;
}

static void
node_insert(struct msgsearch_set *s, const uint8_t *p, size_t len, int key)
{
	uint16_t n = 0, c;

	for (; len > 0; p++, len--) {
		if ((c = node_child(s, n, *p)) == NODE_NONE) {
			c = (uint16_t)s->nnodes++;
			s->node[c].byte = *p;
			s->node[c].sibling = s->node[n].child;
			s->node[n].child = c;
			if (n == 0)
				s->root[*p] = c;
		}
		n = c;
	}
	s->node[n].out |= 1ULL << key;
}

/* Where the automaton goes from a node with a byte. */
static uint16_t
node_step(const struct msgsearch_set *s, uint16_t n, uint8_t byte)
{
	uint16_t c;

	while ((c = node_child(s, n, byte)) == NODE_NONE && n != 0)
		n = s->node[n].fail;
	return c;
}

/* Breadth first, so that a node's fail link leads to one that is done. */
static int
set_link(struct msgsearch_set *s)
{
	uint16_t	*queue, n, c;
	size_t		 head = 0, tail = 0;

	if ((queue = reallocarray(NULL, s->nnodes, sizeof(*queue))) == NULL)
		return -1;
	queue[tail++] = 0;
	while (head < tail) {
		n = queue[head++];
		for (c = s->node[n].child; c != NODE_NONE;
		    c = s->node[c].sibling) {
			s->node[c].fail = n == 0 ? 0 :
			    node_step(s, s->node[n].fail, s->node[c].byte);
			s->node[c].out |= s->node[s->node[c].fail].out;
			queue[tail++] = c;
		}
	}
	free(queue);
	return 0;
}

static void
set_begins(struct msgsearch_set *s)
{
	int b;

	for (b = 0; b < 128; b++)
		s->begins[b] = s->root[lex_space((char)b) ? ' ' :
		    lex_lower((char)b)] != NODE_NONE;
}

/* A key's string as the text will be: folded, white space made one. */
int
msgsearch_fold(struct ibuf *b, const char *text, size_t len)
{
	uint8_t	*p;
	size_t	 i, o = 0, n;

	if (!utf8_valid(text, len)) {
		errno = EILSEQ;
		return -1;
	}
	if (charset_fold(b, text, len) == -1)
		return -1;
	p = ibuf_data(b);
	for (n = ibuf_size(b), i = 0; i < n; i++) {
		if (lex_space((char)p[i]))
			p[i] = ' ';
		if (p[i] != ' ' || o == 0 || p[o - 1] != ' ')
			p[o++] = p[i];
	}
	ibuf_truncate(b, o);
	return 0;
}

static void
key_scope(struct msgsearch_set *s, const struct msgsearch_key *k, int i)
{
	uint64_t bit = 1ULL << i;

	s->all |= bit;
	switch (k->scope) {
	case MSGSEARCH_HEADER:
		s->header |= bit;
		break;
	case MSGSEARCH_TEXT:
		s->text |= bit;
		break;
	case MSGSEARCH_BODY:
		s->body |= bit;
		break;
	}
}

static int
key_field(struct msgsearch_set *s, const struct msgsearch_key *k, int i)
{
	char *p;

	if (k->scope != MSGSEARCH_HEADER)
		return 0;
	if ((p = malloc(k->field.len + 1)) == NULL)
		return -1;
	memcpy(p, k->field.p, k->field.len);
	s->field[i].p = p;
	s->field[i].len = k->field.len;
	return 0;
}

static int
key_add(struct msgsearch_set *s, const struct msgsearch_key *k, int i)
{
	struct ibuf	b;
	size_t		room = MSGSEARCH_BYTES + 1 - s->nnodes;
	int		r;

	if (k->text.len > MSGSEARCH_BYTES) {
		errno = E2BIG;
		return -1;
	}
	ibuf_init(&b, MSGSEARCH_BYTES * 12);
	if ((r = msgsearch_fold(&b, k->text.p, k->text.len)) == 0 && ibuf_size(&b) > room) {
		errno = E2BIG;
		r = -1;
	}
	if (r == 0 && ibuf_size(&b) == 0)
		s->empty |= 1ULL << i;
	else if (r == 0)
		node_insert(s, ibuf_data(&b), ibuf_size(&b), i);
	ibuf_fini(&b);
	if (r == 0) {
		key_scope(s, k, i);
		r = key_field(s, k, i);
	}
	return r;
}

/* A node for each byte of the strings at most, and the root. */
static int
set_shrink(struct msgsearch_set *s)
{
	struct node *n;

	n = reallocarray(s->node, s->nnodes, sizeof(*n));
	if (n != NULL)
		s->node = n;
	return set_link(s);
}

struct msgsearch_set *
msgsearch_compile(const struct msgsearch_key *keys, size_t n)
{
	struct msgsearch_set	*s;
	size_t			 i;

	if (n > MSGSEARCH_KEYS) {
		errno = E2BIG;
		return NULL;
	}
	if ((s = calloc(1, sizeof(*s))) == NULL)
		return NULL;
	s->nkeys = n;
	s->nnodes = 1;
	if ((s->node = calloc(MSGSEARCH_BYTES + 1, sizeof(*s->node))) == NULL)
		goto fail;
	for (i = 0; i < n; i++)
		if (key_add(s, &keys[i], (int)i) == -1)
			goto fail;
	if (set_shrink(s) == -1)
		goto fail;
	set_begins(s);
	return s;
 fail:
	msgsearch_set_free(s);
	return NULL;
}

void
msgsearch_set_free(struct msgsearch_set *s)
{
	union {
		const char	*c;
		char		*p;
	} u;
	size_t i;

	if (s == NULL)
		return;
	for (i = 0; i < s->nkeys; i++) {
		u.c = s->field[i].p;
		free(u.p);
	}
	free(s->node);
	free(s);
}

/* matching */

/* Another field or text begins: for these keys, if they are still open. */
static void
cursor_start(const struct msgsearch *ms, struct cursor *c, uint64_t active)
{
	c->active = active & ~ms->decided;
	c->state = 0;
	c->space = 1;
	charset_fold_start(&c->fold);
}

static void
match_found(struct msgsearch *ms, struct cursor *c, uint64_t keys)
{
	keys &= c->active;
	ms->found |= keys;
	ms->decided |= keys;
	c->active &= ~keys;
}

/* Texts in an index are apart: no string has a line feed. */
static void
sink_byte(struct msgsearch *ms, struct cursor *c, uint8_t byte)
{
	if (ibuf_add_n8(ms->sink, byte != 0 ? byte : '\n') == 0)
		return;
	ms->cut = 1;
	c->active = 0;
	ms->decided = ms->set->all;
}

static void
sink_start(struct msgsearch *ms, struct ibuf *sink)
{
	if (ms->own == NULL)
		return;
	ms->sink = sink;
	if (ibuf_size(sink) > 0)
		sink_byte(ms, &ms->text, '\n');
}

static void
match_byte(struct msgsearch *ms, struct cursor *c, uint8_t byte)
{
	const struct msgsearch_set *s = ms->set;

	if (byte == ' ') {
		if (c->space)
			return;
		c->space = 1;
	} else
		c->space = 0;
	if (ms->sink != NULL) {
		sink_byte(ms, c, byte);
		return;
	}
	c->state = node_step(s, c->state, byte);
	if (s->node[c->state].out & c->active)
		match_found(ms, c, s->node[c->state].out);
}

/*
 * ASCII: folded as it is read.  In the root, everything that begins no
 * string is passed over, which is most of a text.
 */
static void
match_ascii(struct msgsearch *ms, struct cursor *c, const uint8_t *p,
    const uint8_t *end)
{
	const uint8_t	*begins = ms->set->begins, *run;
	char		 ch;

	while (p < end) {
		if (c->state == 0) {
			for (run = p; p < end && !begins[*p]; p++)
				;
			if (p > run)
				c->space = lex_space((char)p[-1]);
			if (p == end)
				return;
		}
		ch = (char)*p++;
		match_byte(ms, c, lex_space(ch) ? ' ' :
		    (uint8_t)lex_lower(ch));
	}
}

static void
match_folded(struct msgsearch *ms, struct cursor *c)
{
	const uint8_t	*p = ibuf_data(&ms->folded);
	size_t		 i, n = ibuf_size(&ms->folded);

	for (i = 0; i < n; i++)
		match_byte(ms, c, lex_space((char)p[i]) ? ' ' : p[i]);
	ibuf_truncate(&ms->folded, 0);
}

/* The end of the marks that were waiting for a letter. */
static int
match_flush(struct msgsearch *ms, struct cursor *c)
{
	if (c->fold.n == 0)
		return 0;
	if (charset_fold_finish(&c->fold, &ms->folded) == -1)
		return -1;
	match_folded(ms, c);
	return 0;
}

/* Behind the ASCII at p. */
static const uint8_t *
ascii_end(const uint8_t *p, const uint8_t *end)
{
	uint64_t w;

	for (; end - p >= 8; p += 8) {
		memcpy(&w, p, 8);
		if ((w & 0x8080808080808080ULL) != 0)
			break;
	}
	while (p < end && *p < 0x80)
		p++;
	return p;
}

/* UTF-8, whole characters. */
static int
match_text(struct msgsearch *ms, struct cursor *c, const void *text,
    size_t len)
{
	const uint8_t *p = text, *end, *run;

	if (len == 0)
		return 0;
	for (end = p + len; p < end && c->active != 0;) {
		run = p;
		p = ascii_end(p, end);
		if (p > run) {
			if (match_flush(ms, c) == -1)
				return -1;
			match_ascii(ms, c, run, p);
		}
		for (run = p; p < end && *p >= 0x80; p++)
			;
		if (p == run)
			continue;
		if (charset_fold_feed(&c->fold, (const char *)run,
		    (size_t)(p - run), &ms->folded) == -1)
			return -1;
		match_folded(ms, c);
	}
	return 0;
}

/* headers */

/* The keys that ask for this field. */
static uint64_t
field_keys(const struct msgsearch *ms, const struct hstr *name)
{
	const struct msgsearch_set	*s = ms->set;
	uint64_t			 keys = 0;
	size_t				 i;

	for (i = 0; i < s->nkeys; i++)
		if (s->header & 1ULL << i && hstr_same(&s->field[i], name))
			keys |= 1ULL << i;
	return keys;
}

static void
value_start(struct msgsearch *ms, const struct hstr *name)
{
	uint64_t keys = name == NULL ? 0 : field_keys(ms, name);

	cursor_start(ms, &ms->value, keys);
	match_found(ms, &ms->value, keys & ms->set->empty);
}

/* A value, or a part of one, for those who read it now. */
static int
match_value(struct msgsearch *ms, const char *p, size_t len)
{
	if (len == 0 || (ms->value.active | ms->text.active) == 0)
		return 0;
	ibuf_truncate(&ms->utf8, 0);
	if (header_decode(&ms->utf8, p, len) == -1)
		return -1;
	p = (char *)ibuf_data(&ms->utf8);
	len = ibuf_size(&ms->utf8);
	if (match_text(ms, &ms->value, p, len) == -1)
		return -1;
	return match_text(ms, &ms->text, p, len);
}

static int
match_done(const struct msgsearch *ms)
{
	return ms->decided == ms->set->all;
}

int
msgsearch_field(struct msgsearch *ms, const struct hstr *name,
    const struct hstr *value)
{
	size_t n, off;

	value_start(ms, name);
	cursor_start(ms, &ms->text, 0);
	for (off = 0; off < value->len; off += n) {
		n = value->len - off;
		n = n < FIELD_MAX ? n : FIELD_MAX;
		if (match_value(ms, value->p + off, n) == -1)
			return -1;
	}
	if (match_flush(ms, &ms->value) == -1)
		return -1;
	return match_done(ms);
}

/* The keys for the text of a part's header. */
static uint64_t
header_keys(const struct msgsearch *ms, const struct mime_part *part)
{
	uint64_t keys = ms->set->text;

	if (part->parent != NULL && part->parent->kind == MIME_MESSAGE)
		keys |= ms->set->body;
	return keys;
}

/* The first piece of a field: its name is text too, and says who reads on. */
static int
field_begin(struct msgsearch *ms, const struct mime_part *part,
    const char *p, size_t len)
{
	struct header_iter	it;
	struct header_field	f;

	header_start(&it, p, len);
	if (!header_next(&it, &f))
		return 0;
	ms->begun = 1;
	value_start(ms, part->parent == NULL ? &f.name : NULL);
	cursor_start(ms, &ms->text, header_keys(ms, part));
	sink_start(ms, ms->head);
	if (f.name.len > 0 && (match_text(ms, &ms->text, f.name.p,
	    f.name.len) == -1 || match_text(ms, &ms->text, ": ", 2) == -1))
		return -1;
	/* the space at the end of a piece is text: the field may go on */
	return match_value(ms, f.value.p, (size_t)(p + len - f.value.p));
}

/* Where a piece of a field that goes on is best cut: behind a space. */
static size_t
field_cut(const char *p, size_t len)
{
	size_t n;

	for (n = len; n > len / 2; n--)
		if (lex_space(p[n - 1]))
			return n;
	return len;
}

static int
field_piece(struct msgsearch *ms, const struct mime_part *part, int more)
{
	const char	*p = (char *)ibuf_data(&ms->field);
	size_t		 len = ibuf_size(&ms->field);
	int		 r;

	if (more)
		len = field_cut(p, len);
	r = ms->begun ? match_value(ms, p, len) :
	    field_begin(ms, part, p, len);
	ibuf_drain(&ms->field, len);
	ibuf_compact(&ms->field);
	return r;
}

static int
field_end(struct msgsearch *ms, const struct mime_part *part)
{
	int r = 0;

	if (ibuf_size(&ms->field) > 0)
		r = field_piece(ms, part, 0);
	if (r == 0 && ms->begun && (match_flush(ms, &ms->value) == -1 ||
	    match_flush(ms, &ms->text) == -1))
		r = -1;
	ms->begun = 0;
	return r;
}

/* hooks */

static int
search_begin(void *arg, const struct mime_part *part)
{
	struct msgsearch *ms = arg;

	ms->bol = 1;
	ms->begun = 0;
	ibuf_truncate(&ms->field, 0);
	return 0;
}

/* Does anybody care for this part's header? */
static int
header_read(const struct msgsearch *ms, const struct mime_part *part)
{
	uint64_t keys = header_keys(ms, part);

	if (part->parent == NULL)
		keys |= ms->set->header;
	return (keys & ~ms->decided) != 0;
}

static int
search_header(void *arg, const struct mime_part *part, const char *p,
    size_t len)
{
	struct msgsearch	*ms = arg;
	size_t			 n;

	if (!header_read(ms, part))
		return 0;
	if (ms->bol && !lex_blank(*p) && field_end(ms, part) == -1)
		return -1;
	ms->bol = p[len - 1] == '\n';
	for (; len > 0; p += n, len -= n) {
		n = FIELD_MAX - ibuf_size(&ms->field);
		n = len < n ? len : n;
		if (ibuf_add(&ms->field, p, n) == -1)
			return -1;
		if (ibuf_size(&ms->field) == FIELD_MAX &&
		    field_piece(ms, part, 1) == -1)
			return -1;
	}
	return 0;
}

/* Parts that are text; what a limit hid is read as if it were. */
static int
part_is_text(const struct mime_part *part)
{
	return part->kind == MIME_LEAF && (part->opaque ||
	    hstr_is(&part->type, "text") || hstr_is(&part->type, "message") ||
	    hstr_is(&part->type, "multipart"));
}

static const struct charset *
part_charset(struct msgsearch *ms, const struct mime_part *part)
{
	const struct mime_field *f = mime_field(part, HEADER_CONTENT_TYPE);

	ibuf_truncate(&ms->field, 0);
	if (f == NULL || !hstr_is(&part->type, "text") ||
	    header_param_get(&ms->field, f->f.value.p, f->f.value.len,
	    "charset") != 1)
		return charset_find("", 0);
	return charset_find((char *)ibuf_data(&ms->field),
	    ibuf_size(&ms->field));
}

static int
search_header_end(void *arg, const struct mime_part *part)
{
	struct msgsearch *ms = arg;

	if (field_end(ms, part) == -1)
		return -1;
	if (part->parent == NULL)
		ms->decided |= ms->set->header;
	cursor_start(ms, &ms->text, ms->set->text | ms->set->body);
	ms->part = NULL;
	if (ms->text.active == 0 || !part_is_text(part))
		return 0;
	ms->part = part;
	sink_start(ms, ms->body);
	mime_decode_start(&ms->dec, part->encoding);
	charset_start(&ms->cv, part_charset(ms, part));
	return 0;
}

static int
match_bytes(struct msgsearch *ms, const char *p, size_t len)
{
	ibuf_truncate(&ms->utf8, 0);
	if (charset_feed(&ms->cv, p, len, &ms->utf8) == -1)
		return -1;
	return match_text(ms, &ms->text, ibuf_data(&ms->utf8),
	    ibuf_size(&ms->utf8));
}

static int
search_body(void *arg, const struct mime_part *part, const char *p,
    size_t len)
{
	struct msgsearch	*ms = arg;
	char			 buf[PIECE + MIME_DECODE_SLACK];
	size_t			 n, d;
	int			 r = 0;

	if (part != ms->part)
		return 0;
	for (; len > 0 && r == 0 && ms->text.active != 0;
	    p += n, len -= n) {
		n = len < PIECE ? len : PIECE;
		if (ms->dec.enc == MIME_IDENTITY)
			r = match_bytes(ms, p, n);
		else {
			d = mime_decode(&ms->dec, p, n, buf);
			r = match_bytes(ms, buf, d);
		}
	}
	return r;
}

static int
search_end(void *arg, const struct mime_part *part)
{
	struct msgsearch	*ms = arg;
	char			 buf[MIME_DECODE_SLACK];
	size_t			 d;

	if (part != ms->part)
		return 0;
	ms->part = NULL;
	d = mime_decode_finish(&ms->dec, buf);
	if (match_bytes(ms, buf, d) == -1)
		return -1;
	ibuf_truncate(&ms->utf8, 0);
	if (charset_finish(&ms->cv, &ms->utf8) == -1 ||
	    match_text(ms, &ms->text, ibuf_data(&ms->utf8),
	    ibuf_size(&ms->utf8)) == -1)
		return -1;
	return match_flush(ms, &ms->text);
}

static const struct mime_hooks search_hooks = {
	.begin = search_begin,
	.header = search_header,
	.header_end = search_header_end,
	.body = search_body,
	.end = search_end
};

/* life */

int
msgsearch_reset(struct msgsearch *ms)
{
	mime_free(ms->mime);
	ms->found = ms->set->empty & ~ms->set->header;
	ms->decided = ms->found;
	ms->part = NULL;
	ms->cut = 0;
	ms->mime = mime_open(NULL, &search_hooks, ms);
	return ms->mime == NULL ? -1 : 0;
}

struct msgsearch *
msgsearch_open(const struct msgsearch_set *s)
{
	struct msgsearch *ms;

	if ((ms = calloc(1, sizeof(*ms))) == NULL)
		return NULL;
	ms->set = s;
	ibuf_init(&ms->utf8, FIELD_MAX * 4 + 256);
	ibuf_init(&ms->folded, FIELD_MAX * 4 * 12);
	ibuf_init(&ms->field, FIELD_MAX * 4 + 256);
	if (msgsearch_reset(ms) == -1) {
		msgsearch_free(ms);
		return NULL;
	}
	return ms;
}

/* One key that is never found and reads everything. */
struct msgsearch *
msgsearch_open_text(struct ibuf *head, struct ibuf *body)
{
	struct msgsearch_set	*s;
	struct msgsearch	*ms;

	if ((s = calloc(1, sizeof(*s))) == NULL)
		return NULL;
	s->all = s->text = 1;
	memset(s->begins, 1, sizeof(s->begins));
	if ((ms = msgsearch_open(s)) == NULL) {
		free(s);
		return NULL;
	}
	ms->own = s;
	ms->head = head;
	ms->body = body;
	ms->sink = head;
	return ms;
}

int
msgsearch_cut(const struct msgsearch *ms)
{
	return ms->cut;
}

int
msgsearch_feed(struct msgsearch *ms, const void *p, size_t len)
{
	if (match_done(ms))
		return 1;
	return mime_feed(ms->mime, p, len) == -1 ? -1 : match_done(ms);
}

int
msgsearch_finish(struct msgsearch *ms)
{
	if (!match_done(ms) && mime_finish(ms->mime) == -1)
		return -1;
	ms->decided = ms->set->all;
	return 1;
}

uint64_t
msgsearch_found(const struct msgsearch *ms)
{
	return ms->found;
}

void
msgsearch_free(struct msgsearch *ms)
{
	if (ms == NULL)
		return;
	mime_free(ms->mime);
	ibuf_fini(&ms->utf8);
	ibuf_fini(&ms->folded);
	ibuf_fini(&ms->field);
	msgsearch_set_free(ms->own);
	free(ms);
}
