/*
 * Writing a summary.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "header_lex.h"
#include "summary_int.h"

struct summary_maker {
	struct mime	*mime;
	struct preview	 preview;
	struct ibuf	 part[5];	/* the strings of the text */
	struct ibuf	 list;
	int		 finished;	/* the message is whole */
};

enum {
	TEXT_FIELDS, TEXT_NAMES, TEXT_PARTS, TEXT_PREVIEW, TEXT_OTHERS,
	TEXT_COUNT
};

/* How much is left out, step by step, until it fits. */
static const struct reduce {
	size_t		field;	/* longest value kept */
	size_t		env;	/* the same, of ENVELOPE's fields */
	unsigned	lacks;
} reduces[] = {
	{ SIZE_MAX, SIZE_MAX, 0 },	/* no store: what was cut, too */
	{ SIZE_MAX, SIZE_MAX, 0 },
	{ SIZE_MAX, SIZE_MAX, SUMMARY_NO_HEADER },
	{ 256, SIZE_MAX, SUMMARY_NO_HEADER },
	{ 256, SIZE_MAX, SUMMARY_NO_HEADER | SUMMARY_NO_PREVIEW },
	{ 256, SIZE_MAX, SUMMARY_NO_HEADER | SUMMARY_NO_PREVIEW |
	    SUMMARY_NO_STRUCTURE },
	{ 128, 1024, SUMMARY_NO_HEADER | SUMMARY_NO_PREVIEW |
	    SUMMARY_NO_STRUCTURE },
	{ 64, 128, SUMMARY_NO_HEADER | SUMMARY_NO_PREVIEW |
	    SUMMARY_NO_STRUCTURE },
	{ 0, 0, SUMMARY_NO_HEADER | SUMMARY_NO_PREVIEW |
	    SUMMARY_NO_STRUCTURE | SUMMARY_NO_FIELDS | SUMMARY_NO_NAMES },
};

/* coding */

/* Is it written as it is? */
static int
is_plain(uint8_t c)
{
	return c >= ' ' && c < 0x7f && c != '"' && c != '\\';
}

/* In a word of eight bytes, the high bits of those that are 0. */
#define EACH(c)		(UINT64_C(0x0101010101010101) * (c))
#define ZEROS(w)	(((w) - EACH(1)) & ~(w) & EACH(0x80))

/* The bytes that are, at the beginning of these; headers are long. */
static size_t
plain_len(const char *p, size_t len)
{
	uint64_t	w;
	size_t		i;

	for (i = 0; len - i >= sizeof(w); i += sizeof(w)) {
		memcpy(&w, p + i, sizeof(w));
		if (((w | (w - EACH(' '))) & EACH(0x80)) |
		    ZEROS(w ^ EACH('"')) | ZEROS(w ^ EACH('\\')) |
		    ZEROS(w ^ EACH(0x7f)))
			break;
	}
	while (i < len && is_plain((uint8_t)p[i]))
		i++;
	return i;
}

static size_t
coded_len(const char *p, size_t len)
{
	size_t i, n = len;

	for (i = plain_len(p, len); i < len; i++) {
		n += !is_plain((uint8_t)p[i]);
		i += plain_len(p + i + 1, len - i - 1);
	}
	return n;
}

static int
put_len(struct ibuf *b, size_t len)
{
	return ibuf_addu(b, len) == -1 ? -1 : ibuf_add_n8(b, ':');
}

static int
put_coded(struct ibuf *b, const char *p, size_t len)
{
	size_t	 i, k, n = coded_len(p, len);
	uint8_t	*o, c;
	uint32_t cp;

	if (put_len(b, n) == -1 || (o = ibuf_reserve(b, n)) == NULL)
		return -1;
	if (len == 0)
		return 0;
	if (n == len) {
		memcpy(o, p, len);
		return 0;
	}
	for (i = 0; i < len; i++) {
		k = plain_len(p + i, len - i);
		memcpy(o, p + i, k);
		o += k;
		if ((i += k) == len)
			break;
		c = (uint8_t)p[i];
		cp = c < 0x80 ? 0x100U + c : c;
		*o++ = (uint8_t)(0xc0 | cp >> 6);
		*o++ = (uint8_t)(0x80 | (cp & 0x3f));
	}
	return 0;
}

static int
put_string(struct ibuf *b, const struct ibuf *s)
{
	return put_len(b, ibuf_size(s)) == -1 ? -1 : ibuf_add_ibuf(b, s);
}

static int
put_item(struct ibuf *b, char item, const char *p, size_t len)
{
	return ibuf_add_n8(b, (uint8_t)item) == -1 ? -1 :
	    put_coded(b, p, len);
}

static int
put_number(struct ibuf *b, uint64_t n)
{
	return ibuf_addu(b, n) == -1 ? -1 : ibuf_add_n8(b, ' ');
}

/* fields */

/* A field's length as it is kept: what it ends with is known if CRLF. */
static size_t
raw_len(const struct hstr *raw)
{
	size_t len = raw->len;

	if (len > 1 && raw->p[len - 1] == '\n' && raw->p[len - 2] == '\r')
		len -= 2;
	return len;
}

static int
is_env(enum header_id id)
{
	return id >= HEADER_DATE && id <= HEADER_ENVELOPE_LAST;
}

static int
put_field(struct ibuf *b, const struct mime_field *f, const struct reduce *r,
    unsigned *lacks)
{
	size_t	len = f->f.raw.len;
	char	code = is_env(f->id) ? (char)('a' + f->id - HEADER_DATE) : 'x';

	if (f->cut || len > (is_env(f->id) ? r->env : r->field)) {
		*lacks |= SUMMARY_NO_FIELDS;
		return put_item(b, (char)(code - ('a' - 'A')), f->f.raw.p,
		    r == &reduces[0] ? len : f->f.name.len);
	}
	return put_item(b, code, f->f.raw.p, raw_len(&f->f.raw));
}

/*
 * Fields may have been lost to a limit: then what is not here may be in the
 * message all the same.
 */
static int
put_lost(struct ibuf *b, const struct mime_part *root)
{
	int id;

	for (id = HEADER_DATE; id <= HEADER_ENVELOPE_LAST; id++)
		if (mime_field(root, (enum header_id)id) == NULL &&
		    put_item(b, (char)('A' + id - HEADER_DATE), "", 0) == -1)
			return -1;
	return 0;
}

static int
put_fields(struct ibuf *b, const struct mime_part *root,
    const struct reduce *r, unsigned *lacks)
{
	const struct mime_field *f;

	for (f = root->fields; f != NULL; f = f->next)
		if (f->id != HEADER_NONE && put_field(b, f, r, lacks) == -1)
			return -1;
	if (root->lost) {
		*lacks |= SUMMARY_NO_FIELDS | SUMMARY_NO_NAMES;
		return put_lost(b, root);
	}
	return 0;
}

/* Nothing fits: say of every field that it may be there. */
static int
put_no_fields(struct ibuf *b)
{
	int id;

	for (id = HEADER_DATE; id <= HEADER_ENVELOPE_LAST; id++)
		if (put_item(b, (char)('A' + id - HEADER_DATE), "", 0) == -1)
			return -1;
	return 0;
}

/* Is the header all there?  Its last line has an end only if it was sent. */
static int
header_whole(const struct mime_part *root)
{
	const struct mime_field	*f;
	uint64_t		 len = (uint64_t)root->blank;

	for (f = root->fields; f != NULL; f = f->next) {
		len += f->f.raw.len;
		if (f->f.raw.p[f->f.raw.len - 1] != '\n')
			return 0;
	}
	return !root->gaps && len == root->hdr_len;
}

static int
put_others(struct ibuf *b, const struct mime_part *root)
{
	const struct mime_field	*f;
	int			 r = 0;

	for (f = root->fields; f != NULL && r == 0; f = f->next)
		r = f->id != HEADER_NONE ? ibuf_add_n8(b, '.') :
		    put_coded(b, f->f.raw.p, raw_len(&f->f.raw));
	return r;
}

static int
put_names(struct ibuf *b, const struct mime *m, unsigned *lacks)
{
	const uint32_t	*h;
	int		 i, n;
	uint8_t		*o;

	if ((n = mime_names(m, &h)) == -1) {
		*lacks |= SUMMARY_NO_NAMES;
		return 0;
	}
	if (n == 0)
		return 0;
	if ((o = ibuf_reserve(b, (size_t)n * 4)) == NULL)
		return -1;
	for (i = 0; i < n; i++, o += 4)
		summary_name_code((char *)o, h[i]);
	return 0;
}

/* parts */

static unsigned
part_children(const struct mime_part *part)
{
	const struct mime_part	*c;
	unsigned		 n = 0;

	for (c = part->child; c != NULL; c = c->next)
		n++;
	return n;
}

static int
put_frame(struct ibuf *b, const struct mime_part *part)
{
	static const char	kinds[] = { 'L', 'M', 'R' };
	char			kind;

	kind = part->opaque ? 'O' : kinds[part->kind];
	if (ibuf_add_n8(b, (uint8_t)kind) == -1 ||
	    put_number(b, part_children(part)) == -1 ||
	    put_number(b, part->hdr_off) == -1 ||
	    put_number(b, part->hdr_len) == -1 ||
	    put_number(b, part->body_off) == -1 ||
	    put_number(b, part->body_len) == -1 ||
	    put_number(b, part->lines) == -1)
		return -1;
	if (put_coded(b, part->type.p, part->type.len) == -1)
		return -1;
	return put_coded(b, part->subtype.p, part->subtype.len);
}

/* A list of parameters, from behind the token. */
static int
put_params(struct summary_maker *sm, char item, struct header_iter *it)
{
	struct ibuf		*b = &sm->part[TEXT_PARTS], *l = &sm->list;
	struct header_param	 pa;
	char			*v;
	size_t			 n;
	int			 r = 0;

	ibuf_truncate(l, 0);
	while (r == 0 && header_param_next(it, &pa)) {
		if ((v = malloc(pa.value.len + 1)) == NULL)
			return -1;
		n = pa.value.len;
		if (pa.quoted)
			n = header_unquote(v, pa.value.p, n);
		else
			memcpy(v, pa.value.p, n);
		r = put_coded(l, pa.name.p, pa.name.len);
		if (r == 0)
			r = put_coded(l, v, n);
		free(v);
	}
	if (r == -1 || ibuf_size(l) == 0)
		return r;
	if (ibuf_add_n8(b, (uint8_t)item) == -1)
		return -1;
	return put_string(b, l);
}

static int
put_type(struct summary_maker *sm, char item, const struct hstr *v)
{
	struct header_iter	it;
	struct hstr		type, sub;

	/* parameters of a type that is none would be somebody else's */
	if (!header_media(&it, v->p, v->len, &type, &sub))
		return 0;
	return put_params(sm, item, &it);
}

static int
put_disposition(struct summary_maker *sm, char item, const struct hstr *v)
{
	struct header_iter	it;
	struct hstr		token;

	if (!header_token(&it, v->p, v->len, &token))
		return 0;
	if (put_item(&sm->part[TEXT_PARTS], item, token.p, token.len) == -1)
		return -1;
	return put_params(sm, ITEM_DPARAMS, &it);
}

static int
put_token(struct summary_maker *sm, char item, const struct hstr *v)
{
	struct header_iter	it;
	struct hstr		token;

	if (!header_token(&it, v->p, v->len, &token))
		return 0;
	return put_item(&sm->part[TEXT_PARTS], item, token.p, token.len);
}

static int
put_value(struct summary_maker *sm, char item, const struct hstr *v)
{
	ibuf_truncate(&sm->list, 0);
	if (header_unfold(&sm->list, v->p, v->len) == -1)
		return -1;
	return put_item(&sm->part[TEXT_PARTS], item,
	    (char *)ibuf_data(&sm->list), ibuf_size(&sm->list));
}

/* Tags with commas between (RFC 3282). */
static int
put_language(struct summary_maker *sm, char item, const struct hstr *v)
{
	const char	*p = v->p, *end = p + v->len, *tag, *e;
	struct ibuf	*l = &sm->list, *b = &sm->part[TEXT_PARTS];

	ibuf_truncate(l, 0);
	while (p < end) {
		if (lex_space(*p) || *p == ',') {
			p++;
			continue;
		}
		if (*p == '(') {
			e = lex_comment(p, end);
			p = e == NULL ? end : e;
			continue;
		}
		for (tag = p; p < end && !lex_space(*p) && *p != ',' &&
		    *p != '('; p++)
			;
		if (put_coded(l, tag, (size_t)(p - tag)) == -1)
			return -1;
	}
	if (ibuf_size(l) == 0)
		return 0;
	return ibuf_add_n8(b, (uint8_t)item) == -1 ? -1 : put_string(b, l);
}

static const struct {
	enum header_id	id;
	char		item;
	int		(*put)(struct summary_maker *, char,
			    const struct hstr *);
} items[] = {
	{ HEADER_CONTENT_TYPE,		ITEM_PARAMS,	put_type },
	{ HEADER_CONTENT_ID,		ITEM_ID,	put_value },
	{ HEADER_CONTENT_DESCRIPTION,	ITEM_DESCRIPTION, put_value },
	{ HEADER_CONTENT_TRANSFER_ENCODING, ITEM_ENCODING, put_token },
	{ HEADER_CONTENT_MD5,		ITEM_MD5,	put_value },
	{ HEADER_CONTENT_DISPOSITION,	ITEM_DISPOSITION, put_disposition },
	{ HEADER_CONTENT_LANGUAGE,	ITEM_LANGUAGE,	put_language },
	{ HEADER_CONTENT_LOCATION,	ITEM_LOCATION,	put_value },
};

/* One field's value; those of lists one behind the other. */
static int
put_env_value(struct summary_maker *sm, const struct mime_field *f)
{
	enum header_id	id = f->id;
	struct ibuf	*l = &sm->list;
	int		 n = 0;

	ibuf_truncate(l, 0);
	for (; f != NULL; f = f->next) {
		if (f->id != id)
			continue;
		if ((n++ > 0 && ibuf_add_n8(l, ',') == -1) ||
		    ibuf_add(l, f->f.value.p, f->f.value.len) == -1)
			return -1;
		if (id < HEADER_TO || id > HEADER_BCC)
			break;
	}
	return put_item(&sm->part[TEXT_PARTS], (char)('A' + id - HEADER_DATE),
	    (char *)ibuf_data(l), ibuf_size(l));
}

static int
put_env(struct summary_maker *sm, const struct mime_part *part)
{
	const struct mime_field	*f;
	int			 id;

	for (id = HEADER_DATE; id <= HEADER_ENVELOPE_LAST; id++) {
		f = mime_field(part, (enum header_id)id);
		if (f != NULL && put_env_value(sm, f) == -1)
			return -1;
	}
	return 0;
}

static int
put_part(struct summary_maker *sm, const struct mime_part *part)
{
	struct ibuf		*b = &sm->part[TEXT_PARTS];
	const struct mime_field	*f;
	size_t			 i;

	if (put_frame(b, part) == -1)
		return -1;
	for (i = 0; i < sizeof(items) / sizeof(items[0]); i++) {
		f = mime_field(part, items[i].id);
		if (f != NULL &&
		    items[i].put(sm, items[i].item, &f->f.value) == -1)
			return -1;
	}
	if (part->parent != NULL && part->parent->kind == MIME_MESSAGE &&
	    put_env(sm, part) == -1)
		return -1;
	return ibuf_add_n8(b, ITEM_END);
}

static int
put_parts(struct summary_maker *sm)
{
	const struct mime_part *part;

	for (part = mime_root(sm->mime); part != NULL; part = mime_next(part))
		if (put_part(sm, part) == -1)
			return -1;
	return 0;
}

/* preview */

static int
put_preview(struct ibuf *b, const struct preview *pv)
{
	const char	*p = pv->text, *end = p + pv->len;
	int		 r = 0;

	for (; p < end && r == 0; p++) {
		if (*p == '"')
			r = ibuf_adds(b, "^q");
		else if (*p == '\\')
			r = ibuf_adds(b, "^b");
		else if (*p == '^')
			r = ibuf_adds(b, "^^");
		else
			r = ibuf_add_n8(b, (uint8_t)*p);
	}
	return r;
}

/* the whole */

static int
make_strings(struct summary_maker *sm, const struct reduce *r,
    unsigned *lacks)
{
	const struct mime_part	*root = mime_root(sm->mime);
	struct ibuf		*s = sm->part;

	ibuf_truncate(&s[TEXT_FIELDS], 0);
	ibuf_truncate(&s[TEXT_NAMES], 0);
	*lacks = r->lacks | (header_whole(root) ? 0 : SUMMARY_NO_HEADER);
	if (r->lacks & SUMMARY_NO_NAMES)
		return put_no_fields(&s[TEXT_FIELDS]);
	if (put_fields(&s[TEXT_FIELDS], root, r, lacks) == -1)
		return -1;
	return put_names(&s[TEXT_NAMES], sm->mime, lacks);
}

static int
put_text(struct summary_maker *sm, struct ibuf *b, unsigned lacks)
{
	const struct mime_part	*root = mime_root(sm->mime);
	struct ibuf		 none;
	int			 i, skip;

	ibuf_init(&none, 0);
	if (ibuf_adds(b, SUMMARY_TAG) == -1 || put_number(b, lacks) == -1 ||
	    put_number(b, (uint64_t)root->blank) == -1 ||
	    put_number(b, mime_size(sm->mime)) == -1 ||
	    put_number(b, root->hdr_len) == -1)
		return -1;
	for (i = 0; i < TEXT_OTHERS; i++) {
		skip = (i == TEXT_PARTS && lacks & SUMMARY_NO_STRUCTURE) ||
		    (i == TEXT_PREVIEW && lacks & SUMMARY_NO_PREVIEW);
		if (put_string(b, skip ? &none : &sm->part[i]) == -1)
			return -1;
	}
	if (lacks & SUMMARY_NO_HEADER)
		return 0;
	return ibuf_add_n8(b, '\n') == -1 ? -1 :
	    put_string(b, &sm->part[TEXT_OTHERS]);
}

int
summary_finish(struct summary_maker *sm, struct ibuf *b, size_t max)
{
	size_t		start = ibuf_size(b), i;
	unsigned	lacks;
	int		r;

	if (!sm->finished && (mime_finish(sm->mime) == -1 ||
	    put_parts(sm) == -1 ||
	    put_preview(&sm->part[TEXT_PREVIEW], &sm->preview) == -1 ||
	    put_others(&sm->part[TEXT_OTHERS], mime_root(sm->mime)) == -1))
		return -1;
	sm->finished = 1;
	i = max > SUMMARY_MAX ? 0 : 1;
	for (; i < sizeof(reduces) / sizeof(reduces[0]); i++) {
		if (make_strings(sm, &reduces[i], &lacks) == -1)
			return -1;
		if ((r = put_text(sm, b, lacks)) == 0 &&
		    ibuf_size(b) - start <= max)
			return 0;
		ibuf_truncate(b, start);
		if (r == -1 && errno != ERANGE)
			return -1;
	}
	errno = ERANGE;
	return -1;
}

/* life */

static int
maker_header_end(void *arg, const struct mime_part *part)
{
	struct summary_maker *sm = arg;

	return preview_part(&sm->preview, part);
}

static int
maker_body(void *arg, const struct mime_part *part, const char *p, size_t len)
{
	struct summary_maker *sm = arg;

	if (part != sm->preview.part || sm->preview.done)
		return 0;
	return preview_body(&sm->preview, p, len);
}

static int
maker_end(void *arg, const struct mime_part *part)
{
	struct summary_maker *sm = arg;

	return part == sm->preview.part ? preview_end(&sm->preview) : 0;
}

static const struct mime_hooks maker_hooks = {
	.header_end = maker_header_end,
	.body = maker_body,
	.end = maker_end
};

struct summary_maker *
summary_open(void)
{
	struct summary_maker	*sm;
	int			 i;

	if ((sm = calloc(1, sizeof(*sm))) == NULL)
		return NULL;
	preview_start(&sm->preview);
	for (i = 0; i < TEXT_COUNT; i++)
		ibuf_init(&sm->part[i], SUMMARY_FULL);
	ibuf_init(&sm->list, SUMMARY_FULL);
	sm->mime = mime_open(NULL, &maker_hooks, sm);
	if (sm->mime == NULL) {
		summary_free(sm);
		return NULL;
	}
	return sm;
}

int
summary_feed(struct summary_maker *sm, const void *p, size_t len)
{
	return mime_feed(sm->mime, p, len);
}

int
summary_reset(struct summary_maker *sm)
{
	int i;

	mime_free(sm->mime);
	preview_fini(&sm->preview);
	preview_start(&sm->preview);
	sm->finished = 0;
	for (i = 0; i < TEXT_COUNT; i++)
		ibuf_truncate(&sm->part[i], 0);
	sm->mime = mime_open(NULL, &maker_hooks, sm);
	return sm->mime == NULL ? -1 : 0;
}

void
summary_free(struct summary_maker *sm)
{
	int i;

	if (sm == NULL)
		return;
	mime_free(sm->mime);
	preview_fini(&sm->preview);
	for (i = 0; i < TEXT_COUNT; i++)
		ibuf_fini(&sm->part[i]);
	ibuf_fini(&sm->list);
	free(sm);
}
