/*
 * Reading a summary.  Its text is untrusted, and on the way of every
 * listing: it is taken apart by lengths, and decoded only where used.
 */
#include <errno.h>
#include <string.h>

#include "header_lex.h"
#include "json.h"
#include "summary_int.h"

/* Text that is left to read. */
struct rest {
	const char	*p;
	const char	*end;
};

static int
bad(void)
{
	errno = EBADMSG;
	return -1;
}

static int
lacking(void)
{
	errno = ENOENT;
	return -1;
}

/* A decimal number up to a character; 0 if there is none. */
static int
take_until(struct rest *r, char stop, uint64_t *v)
{
	const char	*p = r->p;
	uint64_t	 n = 0;

	for (; p < r->end && *p >= '0' && *p <= '9'; p++) {
		if (p - r->p == 18)
			return 0;
		n = n * 10 + (uint64_t)(*p - '0');
	}
	if (p == r->p || p == r->end || *p != stop)
		return 0;
	r->p = p + 1;
	*v = n;
	return 1;
}

static int
take_string(struct rest *r, struct hstr *s)
{
	uint64_t len;

	if (!take_until(r, ':', &len) || len > (uint64_t)(r->end - r->p))
		return 0;
	s->p = r->p;
	s->len = (size_t)len;
	r->p += len;
	return 1;
}

/* coding */

/*
 * A character that is coded: the byte it stands for.  What cannot be in a
 * summary that we made is a question mark.
 */
static uint8_t
decode_one(const uint8_t **p, const uint8_t *end)
{
	const uint8_t	*s = *p;

	*p += 1;
	if (end - s < 2 || s[0] < 0xc2 || s[0] > 0xc5 ||
	    (s[1] & 0xc0) != 0x80)
		return '?';
	*p += 1;
	switch (s[0]) {
	case 0xc2:
		return s[1];
	case 0xc3:
		return s[1] | 0x40;
	case 0xc4:
		return s[1] & 0x3f;
	}
	return (s[1] & 0x3f) | 0x40;
}

/* The bytes that stand for themselves, at the beginning of these. */
static size_t
ascii_len(const uint8_t *p, const uint8_t *end)
{
	const uint8_t	*q = p;
	uint64_t	 w;

	for (; (size_t)(end - q) >= sizeof(w); q += sizeof(w)) {
		memcpy(&w, q, sizeof(w));
		if (w & UINT64_C(0x8080808080808080))
			break;
	}
	while (q < end && *q < 0x80)
		q++;
	return (size_t)(q - p);
}

int
summary_text(struct ibuf *b, const struct hstr *s)
{
	const uint8_t	*p = (const uint8_t *)s->p, *end;
	uint8_t		*o, *start;
	size_t		 n;

	if (s->len == 0)
		return 0;
	end = p + s->len;
	if ((start = o = ibuf_room(b, s->len)) == NULL)
		return -1;
	while (p < end) {
		n = ascii_len(p, end);
		memcpy(o, p, n);
		o += n;
		if ((p += n) < end)
			*o++ = decode_one(&p, end);
	}
	ibuf_wrote(b, (size_t)(o - start));
	return 0;
}

void
summary_name_code(char *out, uint32_t h)
{
	static const char	digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "abcdefghijklmnopqrstuvwxyz0123456789-_";
	int			i;

	for (i = 0; i < 4; i++, h >>= 6)
		out[i] = digit[h & 0x3f];
}

/* frame */

/* The letter of an entry of fields; is it one of ENVELOPE's? */
static int
env_id(char code)
{
	if (code >= 'a' && code <= 'j')
		return HEADER_DATE + (code - 'a');
	if (code >= 'A' && code <= 'J')
		return HEADER_DATE + (code - 'A');
	return 0;
}

static int
field_kept(char code)
{
	return code >= 'a';
}

/* An entry of fields: 1, 0 at the end, -1. */
static int
field_take(struct rest *r, char *code, struct hstr *raw)
{
	if (r->p == r->end)
		return 0;
	*code = *r->p++;
	if (env_id(*code) == 0 && *code != 'x' && *code != 'X')
		return bad();
	if (!take_string(r, raw) || (field_kept(*code) &&
	    memchr(raw->p, ':', raw->len) == NULL))
		return bad();
	return 1;
}

static void
field_name(const struct hstr *raw, struct hstr *name)
{
	size_t i;

	for (i = 0; i < raw->len && (uint8_t)raw->p[i] > ' ' &&
	    (uint8_t)raw->p[i] < 0x7f && raw->p[i] != ':'; i++)
		;
	name->p = raw->p;
	name->len = i;
}

/* Coded, from behind the colon on; a field that was kept has one. */
static void
field_value(const struct hstr *raw, struct hstr *value)
{
	const char *colon = memchr(raw->p, ':', raw->len);
	const char *end = raw->p + raw->len;

	value->p = colon == NULL ? end : colon + 1;
	while (value->p < end && *value->p == ' ')
		value->p++;
	value->len = (size_t)(end - value->p);
}

static int
is_list(int id)
{
	return id == HEADER_TO || id == HEADER_CC || id == HEADER_BCC;
}

/* The first of each of ENVELOPE's fields counts; of lists, all. */
static void
env_set(struct summary *s, int id, char code, const struct hstr *raw)
{
	if (s->env[id].p != NULL && !is_list(id))
		return;
	if (!field_kept(code))
		s->env_lost |= 1U << id;
	if (memchr(raw->p, ':', raw->len) == NULL)
		return;
	if (s->env[id].p == NULL)
		field_value(raw, &s->env[id]);
	else
		s->env_more |= 1U << id;
}

static int
parse_fields(struct summary *s)
{
	struct rest	r = { s->fields.p, s->fields.p + s->fields.len };
	struct hstr	raw;
	char		code;
	int		id, n;

	while ((n = field_take(&r, &code, &raw)) == 1)
		if ((id = env_id(code)) != 0)
			env_set(s, id, code, &raw);
	return n;
}

int
summary_joined(const struct summary *s, enum header_id want, struct ibuf *b)
{
	struct rest	r = { s->fields.p, s->fields.p + s->fields.len };
	struct hstr	raw, value;
	char		code;
	int		n = 0;

	while (field_take(&r, &code, &raw) == 1) {
		if (env_id(code) != (int)want ||
		    memchr(raw.p, ':', raw.len) == NULL)
			continue;
		field_value(&raw, &value);
		if ((n++ > 0 && ibuf_add_n8(b, ',') == -1) ||
		    ibuf_add(b, value.p, value.len) == -1)
			return -1;
	}
	return 0;
}

static int
is_tag(const char *tag, const char *p, size_t len)
{
	return len >= strlen(tag) && memcmp(p, tag, strlen(tag)) == 0;
}

/* What is behind the first line, if that is not all. */
static int
take_others(struct rest *r, struct summary *s)
{
	if (r->p == r->end) {
		s->lacks = SUMMARY_NO_HEADER;
		return 1;
	}
	if (s->old || *r->p++ != '\n')
		return 0;
	return take_string(r, &s->others) && r->p == r->end;
}

int
summary_parse(struct summary *s, const char *p, size_t len)
{
	struct rest	r = { p, p + len };
	uint64_t	lacks, blank;

	memset(s, 0, sizeof(*s));
	s->old = is_tag(SUMMARY_TAG_OLD, p, len);
	if (!s->old && !is_tag(SUMMARY_TAG, p, len))
		return 0;
	r.p += sizeof(SUMMARY_TAG) - 1;
	if (!take_until(&r, ' ', &lacks) || lacks > 0xff ||
	    !take_until(&r, ' ', &blank) || blank > 2 ||
	    !take_until(&r, ' ', &s->size) ||
	    !take_until(&r, ' ', &s->hdr_len) || s->hdr_len > s->size ||
	    !take_string(&r, &s->fields) || !take_string(&r, &s->names) ||
	    !take_string(&r, &s->parts) || !take_string(&r, &s->preview) ||
	    !take_others(&r, s))
		return bad();
	s->lacks |= (unsigned)lacks;
	s->blank = (unsigned)blank;
	return parse_fields(s) == -1 ? -1 : 1;
}

/* header fields */

/* Could a field be in the header that is not in the summary? */
static int
name_elsewhere(const struct summary *s, const struct hstr *name)
{
	char	code[4];
	size_t	i;

	if (s->lacks & SUMMARY_NO_NAMES)
		return 1;
	if (header_id(name->p, name->len) != HEADER_NONE)
		return 0;
	summary_name_code(code, mime_name_hash(name->p, name->len));
	for (i = 0; i + 4 <= s->names.len; i += 4)
		if (memcmp(s->names.p + i, code, 4) == 0)
			return 1;
	return 0;
}

static int
name_in(const struct hstr *name, const struct hstr *names, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (hstr_same(name, &names[i]))
			return 1;
	return 0;
}

/* Is a value of one of these fields not kept? */
static int
value_lost(const struct summary *s, const struct hstr *names, size_t n)
{
	struct rest	r = { s->fields.p, s->fields.p + s->fields.len };
	struct hstr	raw, name;
	char		code;

	while (field_take(&r, &code, &raw) == 1) {
		field_name(&raw, &name);
		if (!field_kept(code) && (raw.len == 0 ||
		    name_in(&name, names, n)))
			return 1;
	}
	return 0;
}

int
summary_knows_fields(const struct summary *s, const struct hstr *names,
    size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (name_elsewhere(s, &names[i]))
			return 0;
	return !(s->lacks & SUMMARY_NO_FIELDS) || !value_lost(s, names, n);
}

static int
put_line(struct ibuf *b, const struct hstr *raw)
{
	size_t start = ibuf_size(b), n;

	if (summary_text(b, raw) == -1)
		return -1;
	n = ibuf_size(b);
	if (n > start && ibuf_data(b)[n - 1] == '\n')
		return 0;
	return ibuf_add(b, "\r\n", 2);
}

int
summary_put_fields(const struct summary *s, const struct hstr *names,
    size_t n, struct ibuf *b)
{
	struct rest	r = { s->fields.p, s->fields.p + s->fields.len };
	struct hstr	raw, name;
	size_t		start = ibuf_size(b);
	char		code;

	if (!summary_knows_fields(s, names, n))
		return 0;
	while (field_take(&r, &code, &raw) == 1) {
		if (!field_kept(code))
			continue;
		field_name(&raw, &name);
		if (name_in(&name, names, n) && put_line(b, &raw) == -1)
			goto fail;
	}
	if (ibuf_add(b, &"\r\n"[2 - s->blank], s->blank) == 0)
		return 1;
 fail:
	ibuf_truncate(b, start);
	return -1;
}

int
summary_put_header(const struct summary *s, struct ibuf *b)
{
	struct rest	o = { s->others.p, s->others.p + s->others.len };
	struct rest	r = { s->fields.p, s->fields.p + s->fields.len };
	struct hstr	raw;
	size_t		start = ibuf_size(b);
	char		code;

	if (s->lacks & SUMMARY_NO_HEADER)
		return 0;
	while (o.p < o.end) {
		if (*o.p == '.') {
			o.p++;
			if (field_take(&r, &code, &raw) != 1 ||
			    !field_kept(code))
				goto damaged;
		} else if (!take_string(&o, &raw))
			goto damaged;
		if (put_line(b, &raw) == -1)
			goto fail;
	}
	if (ibuf_add(b, &"\r\n"[2 - s->blank], s->blank) == -1)
		goto fail;
	if (r.p == r.end && ibuf_size(b) - start == s->hdr_len)
		return 1;
 damaged:
	ibuf_truncate(b, start);
	return 0;
 fail:
	ibuf_truncate(b, start);
	return -1;
}

/* A value without the white space at its ends. */
static int
put_trimmed(struct ibuf *b, const struct hstr *value)
{
	struct ibuf	 t;
	const char	*p;
	size_t		 len;
	int		 r;

	ibuf_init(&t, value->len + 1);
	if (value->len == 0)
		return 0;
	if (summary_text(&t, value) == -1)
		return -1;
	p = (char *)ibuf_data(&t);
	len = ibuf_size(&t);
	while (len > 0 && lex_space(p[len - 1]))
		len--;
	for (; len > 0 && lex_space(*p); p++)
		len--;
	r = ibuf_add(b, p, len);
	ibuf_fini(&t);
	return r;
}

/* The same of a field that is among the others; *pos is a place in them. */
static int
other_field(const struct summary *s, const struct hstr *want, size_t *pos,
    struct ibuf *b)
{
	struct rest		 o = { s->others.p + *pos,
				     s->others.p + s->others.len };
	struct header_iter	 it;
	struct header_field	 f;
	struct hstr		 raw;
	struct ibuf		 line;
	int			 r = 0;

	ibuf_init(&line, s->others.len);
	while (r == 0 && o.p < o.end) {
		if (*o.p == '.') {
			o.p++;
			continue;
		}
		ibuf_truncate(&line, 0);
		if (!take_string(&o, &raw)) {
			r = lacking();
			break;
		}
		if (summary_text(&line, &raw) == -1) {
			r = -1;
			break;
		}
		header_start(&it, ibuf_data(&line), ibuf_size(&line));
		if (header_next(&it, &f) && hstr_same(&f.name, want))
			r = ibuf_add(b, f.value.p, f.value.len) == -1 ? -1 : 1;
	}
	*pos = (size_t)(o.p - s->others.p);
	ibuf_fini(&line);
	return r;
}

int
summary_field(const struct summary *s, const char *name, size_t *pos,
    struct ibuf *b)
{
	struct rest	r = { s->fields.p + *pos,
			    s->fields.p + s->fields.len };
	struct hstr	want = { name, strlen(name) }, raw, have, value;
	char		code;

	if ((s->lacks & SUMMARY_NO_HEADER) == 0 && name_elsewhere(s, &want))
		return other_field(s, &want, pos, b);
	while (field_take(&r, &code, &raw) == 1) {
		field_name(&raw, &have);
		if (!field_kept(code) && (raw.len == 0 ||
		    hstr_same(&have, &want)))
			return lacking();
		if (!hstr_same(&have, &want))
			continue;
		*pos = (size_t)(r.p - s->fields.p);
		field_value(&raw, &value);
		return put_trimmed(b, &value) == -1 ? -1 : 1;
	}
	*pos = s->fields.len;
	return name_elsewhere(s, &want) ? lacking() : 0;
}

int
summary_preview(const struct summary *s, struct ibuf *b)
{
	const char	*p = s->preview.p, *end = p + s->preview.len;
	size_t		 start = ibuf_size(b);
	char		 c;

	if (s->lacks & SUMMARY_NO_PREVIEW || !utf8_valid(p, s->preview.len))
		return 0;
	for (; p < end; p++) {
		c = *p;
		if (c == '^' && end - p > 1) {
			p++;
			c = *p == 'q' ? '"' : *p == 'b' ? '\\' : *p;
		}
		if (ibuf_add_n8(b, (uint8_t)c) == -1) {
			ibuf_truncate(b, start);
			return -1;
		}
	}
	return 1;
}

/* parts */

int
summary_parts(const struct summary *s, struct summary_parts *it)
{
	memset(it, 0, sizeof(*it));
	if (s->lacks & SUMMARY_NO_STRUCTURE)
		return lacking();
	it->p = s->parts.p;
	it->end = s->parts.p + s->parts.len;
	it->size = s->size;
	return 0;
}

static int
part_take_kind(struct rest *r, struct summary_part *part)
{
	if (r->p == r->end)
		return 0;
	switch (*r->p++) {
	case 'O':
		part->opaque = 1;
		/* FALLTHROUGH */
	case 'L':
		part->kind = MIME_LEAF;
		return 1;
	case 'M':
		part->kind = MIME_MULTIPART;
		return 1;
	case 'R':
		part->kind = MIME_MESSAGE;
		return 1;
	}
	return 0;
}

static int
in_message(uint64_t off, uint64_t len, uint64_t size)
{
	return off <= size && len <= size - off;
}

static int
part_take_frame(struct rest *r, uint64_t size, struct summary_part *part)
{
	uint64_t children;

	if (!part_take_kind(r, part) || !take_until(r, ' ', &children) ||
	    !take_until(r, ' ', &part->hdr_off) ||
	    !take_until(r, ' ', &part->hdr_len) ||
	    !take_until(r, ' ', &part->body_off) ||
	    !take_until(r, ' ', &part->body_len) ||
	    !take_until(r, ' ', &part->lines) ||
	    !take_string(r, &part->type) || !take_string(r, &part->subtype))
		return 0;
	if (children > MIME_PARTS_MAX ||
	    (part->kind == MIME_LEAF && children != 0) ||
	    (part->kind == MIME_MESSAGE && children != 1))
		return 0;
	part->children = (unsigned)children;
	return in_message(part->hdr_off, part->hdr_len, size) &&
	    in_message(part->body_off, part->body_len, size);
}

/* Where an item of a part goes; NULL for a letter that is none. */
static struct hstr *
part_item(struct summary_part *part, char item)
{
	int id;

	switch (item) {
	case ITEM_PARAMS:
		return &part->params;
	case ITEM_ID:
		return &part->id;
	case ITEM_DESCRIPTION:
		return &part->description;
	case ITEM_ENCODING:
		return &part->encoding;
	case ITEM_MD5:
		return &part->md5;
	case ITEM_DISPOSITION:
		return &part->disposition;
	case ITEM_DPARAMS:
		return &part->dparams;
	case ITEM_LANGUAGE:
		return &part->language;
	case ITEM_LOCATION:
		return &part->location;
	}
	id = item < 'a' ? env_id(item) : 0;
	return id == 0 ? NULL : &part->env[id];
}

static int
part_take(struct rest *r, uint64_t size, struct summary_part *part)
{
	struct hstr *to;

	memset(part, 0, sizeof(*part));
	if (!part_take_frame(r, size, part))
		return 0;
	while (r->p < r->end) {
		if (*r->p == ITEM_END) {
			r->p++;
			return 1;
		}
		if ((to = part_item(part, *r->p++)) == NULL ||
		    !take_string(r, to))
			return 0;
	}
	return 0;
}

int
summary_part_next(struct summary_parts *it, struct summary_part *part)
{
	struct rest r = { it->p, it->end };

	while (it->depth > 0 && it->left[it->depth] == 0)
		it->depth--;
	if (it->begun && it->depth == 0)
		return r.p == r.end ? 0 : bad();
	if (it->depth == MIME_DEPTH_MAX || !part_take(&r, it->size, part))
		return bad();
	it->begun = 1;
	it->p = r.p;
	part->depth = it->depth + 1;
	if (it->depth > 0)
		it->left[it->depth]--;
	if (part->children > 0)
		it->left[++it->depth] = part->children;
	return 1;
}

int
summary_list_next(struct hstr *list, struct hstr *s)
{
	struct rest r;

	if (list->len == 0)
		return 0;
	r.p = list->p;
	r.end = list->p + list->len;
	if (!take_string(&r, s))
		return 0;
	list->len -= (size_t)(r.p - list->p);
	list->p = r.p;
	return 1;
}
