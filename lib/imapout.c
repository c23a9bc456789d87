/*
 * ENVELOPE, BODY, BODYSTRUCTURE and sections, from a summary.
 */
#include <errno.h>
#include <string.h>

#include "header_lex.h"
#include "imapout.h"
#include "json.h"

/* What a mailbox without one of its halves is called, since NIL says group. */
#define NO_MAILBOX	"MISSING_MAILBOX"
#define NO_DOMAIN	"MISSING_DOMAIN"

/* One rendering. */
struct out {
	struct ibuf	*b;
	struct ibuf	 text;		/* a text without its coding */
	struct ibuf	 flat;		/* the same, unfolded */
	int		 flags;
	int		 ext;		/* BODYSTRUCTURE */
};

/* strings */

enum { CH_PLAIN, CH_ESCAPE = 1, CH_LITERAL = 2, CH_8BIT = 4, CH_NUL = 8 };

static const uint8_t string_classes[256] = {
	['"'] = CH_ESCAPE, ['\\'] = CH_ESCAPE,
	['\r'] = CH_LITERAL, ['\n'] = CH_LITERAL,
	['\0'] = CH_NUL,
	[0x80 ... 0xff] = CH_8BIT
};

/* What a string's characters ask for, together. */
static int
string_class(const char *p, size_t len)
{
	const uint8_t	*s = (const uint8_t *)p, *end = s + len;
	int		 c = CH_PLAIN;

	for (; s < end; s++)
		c |= string_classes[*s];
	return c;
}

static int
put_literal(struct ibuf *b, const char *p, size_t len)
{
	size_t	 i, n = 0;
	char	*o;

	for (i = 0; i < len; i++)
		n += p[i] != '\0';
	if (ibuf_add_n8(b, '{') == -1 || ibuf_addu(b, n) == -1 ||
	    ibuf_add(b, "}\r\n", 3) == -1 || (o = ibuf_reserve(b, n)) == NULL)
		return -1;
	for (i = 0; i < len; i++)
		if (p[i] != '\0')
			*o++ = p[i];
	return 0;
}

static int
put_quoted(struct ibuf *b, const char *p, size_t len, int class)
{
	char	*o, *start;
	size_t	 i;

	if (class == CH_PLAIN) {
		if ((o = ibuf_reserve(b, len + 2)) == NULL)
			return -1;
		*o++ = '"';
		memcpy(o, p, len);
		o[len] = '"';
		return 0;
	}
	if ((start = o = ibuf_room(b, len * 2 + 2)) == NULL)
		return -1;
	*o++ = '"';
	for (i = 0; i < len; i++) {
		if (p[i] == '"' || p[i] == '\\')
			*o++ = '\\';
		if (p[i] != '\0')
			*o++ = p[i];
	}
	*o++ = '"';
	ibuf_wrote(b, (size_t)(o - start));
	return 0;
}

int
imapout_string(struct ibuf *b, const char *p, size_t len, int flags)
{
	size_t	start = ibuf_size(b);
	int	class, r;

	if (len == 0)
		return ibuf_add(b, "\"\"", 2);
	class = string_class(p, len);
	if (class & CH_LITERAL || (class & CH_8BIT &&
	    !(flags & IMAPOUT_UTF8 && utf8_valid(p, len))))
		r = put_literal(b, p, len);
	else
		r = put_quoted(b, p, len, class);
	if (r == -1)
		ibuf_truncate(b, start);
	return r;
}

static int
put_nil(struct ibuf *b)
{
	return ibuf_add(b, "NIL", 3);
}

int
imapout_nstring(struct ibuf *b, const struct hstr *s, int flags)
{
	return s->p == NULL ? put_nil(b) :
	    imapout_string(b, s->p, s->len, flags);
}

static int
put_char(struct out *o, char c)
{
	return ibuf_add_n8(o->b, (uint8_t)c);
}

static int
put_string(struct out *o, const struct hstr *s)
{
	return imapout_string(o->b, s->p, s->len, o->flags);
}

/* coded texts */

/* A text's bytes: in place if it needs no decoding. */
static int
plain(struct out *o, const struct hstr *coded, struct hstr *s)
{
	size_t i;

	for (i = 0; i < coded->len && (uint8_t)coded->p[i] < 0x80; i++)
		;
	*s = *coded;
	if (i == coded->len)
		return 0;
	ibuf_truncate(&o->text, 0);
	if (summary_text(&o->text, coded) == -1)
		return -1;
	s->p = (char *)ibuf_data(&o->text);
	s->len = ibuf_size(&o->text);
	return 0;
}

static int
put_coded(struct out *o, const struct hstr *coded)
{
	struct hstr s;

	if (coded->p == NULL)
		return put_nil(o->b);
	return plain(o, coded, &s) == -1 ? -1 : put_string(o, &s);
}

/* The value of an unstructured field: without folds and space around it. */
static int
put_unfolded(struct out *o, const struct hstr *coded)
{
	struct hstr s;

	if (coded->p == NULL)
		return put_nil(o->b);
	if (plain(o, coded, &s) == -1)
		return -1;
	while (s.len > 0 && lex_space(s.p[s.len - 1]))
		s.len--;
	for (; s.len > 0 && lex_space(*s.p); s.p++)
		s.len--;
	if (memchr(s.p, '\n', s.len) != NULL ||
	    memchr(s.p, '\r', s.len) != NULL) {
		ibuf_truncate(&o->flat, 0);
		if (header_unfold(&o->flat, s.p, s.len) == -1)
			return -1;
		s.p = (char *)ibuf_data(&o->flat);
		s.len = ibuf_size(&o->flat);
	}
	return put_string(o, &s);
}

/* ENVELOPE */

static int
put_mailbox(struct out *o, const struct header_addr *a)
{
	static const struct hstr	no_mailbox = HSTR(NO_MAILBOX);
	static const struct hstr	no_domain = HSTR(NO_DOMAIN);

	if (imapout_nstring(o->b, &a->name, o->flags) == -1 ||
	    put_char(o, ' ') == -1 ||
	    imapout_nstring(o->b, &a->route, o->flags) == -1 ||
	    put_char(o, ' ') == -1 ||
	    put_string(o, a->local.len > 0 ? &a->local : &no_mailbox) == -1 ||
	    put_char(o, ' ') == -1)
		return -1;
	return put_string(o, a->domain.len > 0 ? &a->domain : &no_domain);
}

static int
put_group(struct out *o, const struct header_addr *a)
{
	if (a->kind == HEADER_ADDR_GROUP_END)
		return ibuf_adds(o->b, "NIL NIL NIL NIL");
	if (ibuf_adds(o->b, "NIL NIL ") == -1 ||
	    put_string(o, &a->name) == -1)
		return -1;
	return ibuf_adds(o->b, " NIL");
}

/* An address list; NIL if there is nothing in it. */
static int
put_addresses(struct out *o, const struct hstr *coded)
{
	struct header_addrs	it;
	struct header_addr	a;
	struct hstr		s;
	int			n = 0;

	if (coded->p == NULL)
		return put_nil(o->b);
	if (plain(o, coded, &s) == -1)
		return -1;
	header_addr_start(&it, s.p, s.len);
	for (; header_addr_next(&it, &a); n++) {
		if (ibuf_adds(o->b, n == 0 ? "((" : "(") == -1 ||
		    (a.kind == HEADER_ADDR_MAILBOX ? put_mailbox(o, &a) :
		    put_group(o, &a)) == -1 || put_char(o, ')') == -1)
			return -1;
	}
	return n == 0 ? put_nil(o->b) : put_char(o, ')');
}

/*
 * Sender and Reply-To are From's list where there is none of their own
 * (RFC 9051, 7.5.2): copied from where From was written.
 */
static int
put_senders(struct out *o, const struct hstr *env)
{
	static const enum header_id	ids[] = { HEADER_SENDER,
					    HEADER_REPLY_TO };
	size_t				from, len, at;
	char				*p;
	int				i;

	from = ibuf_size(o->b);
	if (put_addresses(o, &env[HEADER_FROM]) == -1)
		return -1;
	len = ibuf_size(o->b) - from;
	for (i = 0; i < 2; i++) {
		if (put_char(o, ' ') == -1)
			return -1;
		at = ibuf_size(o->b);
		if (put_addresses(o, &env[ids[i]]) == -1)
			return -1;
		if (ibuf_size(o->b) - at != 3)	/* not NIL */
			continue;
		ibuf_truncate(o->b, at);
		if ((p = ibuf_reserve(o->b, len)) == NULL)
			return -1;
		memcpy(p, ibuf_data(o->b) + from, len);
	}
	return 0;
}

static int
put_envelope(struct out *o, const struct hstr *env)
{
	static const enum header_id	lists[] = { HEADER_TO, HEADER_CC,
					    HEADER_BCC };
	int				i;

	if (put_char(o, '(') == -1 ||
	    put_unfolded(o, &env[HEADER_DATE]) == -1 ||
	    put_char(o, ' ') == -1 ||
	    put_unfolded(o, &env[HEADER_SUBJECT]) == -1 ||
	    put_char(o, ' ') == -1 || put_senders(o, env) == -1)
		return -1;
	for (i = 0; i < 3; i++)
		if (put_char(o, ' ') == -1 ||
		    put_addresses(o, &env[lists[i]]) == -1)
			return -1;
	if (put_char(o, ' ') == -1 ||
	    put_unfolded(o, &env[HEADER_IN_REPLY_TO]) == -1 ||
	    put_char(o, ' ') == -1 ||
	    put_unfolded(o, &env[HEADER_MESSAGE_ID]) == -1)
		return -1;
	return put_char(o, ')');
}

/* BODY and BODYSTRUCTURE */

static int	put_part(struct out *, struct summary_parts *,
		    const struct summary_part *);

/* Pairs; one more is added for text without a charset. */
static int
put_params(struct out *o, struct hstr list, int text)
{
	struct hstr	name, value;
	int		n = 0;

	while (summary_list_next(&list, &name) &&
	    summary_list_next(&list, &value)) {
		if (put_char(o, n++ == 0 ? '(' : ' ') == -1 ||
		    put_coded(o, &name) == -1 || put_char(o, ' ') == -1 ||
		    put_coded(o, &value) == -1)
			return -1;
		if (text && hstr_is(&name, "charset"))
			text = 0;
	}
	if (text && (put_char(o, n++ == 0 ? '(' : ' ') == -1 ||
	    ibuf_adds(o->b, "\"charset\" \"us-ascii\"") == -1))
		return -1;
	return n == 0 ? put_nil(o->b) : put_char(o, ')');
}

static int
put_disposition(struct out *o, const struct summary_part *part)
{
	if (part->disposition.p == NULL)
		return put_nil(o->b);
	if (put_char(o, '(') == -1 ||
	    put_coded(o, &part->disposition) == -1 ||
	    put_char(o, ' ') == -1 ||
	    put_params(o, part->dparams, 0) == -1)
		return -1;
	return put_char(o, ')');
}

static int
put_language(struct out *o, struct hstr list)
{
	struct hstr	tag;
	int		n = 0;

	while (summary_list_next(&list, &tag))
		if (put_char(o, n++ == 0 ? '(' : ' ') == -1 ||
		    put_coded(o, &tag) == -1)
			return -1;
	return n == 0 ? put_nil(o->b) : put_char(o, ')');
}

/* Disposition, language and location: the end of all extension data. */
static int
put_ext(struct out *o, const struct summary_part *part)
{
	if (put_char(o, ' ') == -1 || put_disposition(o, part) == -1 ||
	    put_char(o, ' ') == -1 ||
	    put_language(o, part->language) == -1 ||
	    put_char(o, ' ') == -1)
		return -1;
	return put_coded(o, &part->location);
}

/* RFC 9051 asks for one body at least; a multipart may have none. */
static int
put_no_part(struct out *o)
{
	if (ibuf_adds(o->b, "(\"text\" \"plain\" (\"charset\" \"us-ascii\") "
	    "NIL NIL \"7bit\" 0 0") == -1)
		return -1;
	return ibuf_adds(o->b, o->ext ? " NIL NIL NIL NIL)" : ")");
}

static int
put_multipart(struct out *o, struct summary_parts *it,
    const struct summary_part *part)
{
	struct summary_part	child;
	unsigned		i;

	for (i = 0; i < part->children; i++) {
		if (summary_part_next(it, &child) != 1) {
			errno = EBADMSG;
			return -1;
		}
		if (put_part(o, it, &child) == -1)
			return -1;
	}
	if ((part->children == 0 && put_no_part(o) == -1) ||
	    put_char(o, ' ') == -1 || put_coded(o, &part->subtype) == -1)
		return -1;
	if (!o->ext)
		return 0;
	if (put_char(o, ' ') == -1 || put_params(o, part->params, 0) == -1)
		return -1;
	return put_ext(o, part);
}

/* A message's envelope and body; the child is read even if it is not shown. */
static int
put_message(struct out *o, struct summary_parts *it)
{
	struct summary_part child;

	if (summary_part_next(it, &child) != 1) {
		errno = EBADMSG;
		return -1;
	}
	if (put_char(o, ' ') == -1 || put_envelope(o, child.env) == -1 ||
	    put_char(o, ' ') == -1)
		return -1;
	return put_part(o, it, &child);
}

static int
type_is(const struct summary_part *part, const char *type)
{
	return hstr_is(&part->type, type);
}

static int
put_type(struct out *o, const struct summary_part *part, int message)
{
	/* beyond a limit: these names promise parts that are not shown */
	if ((type_is(part, "message") && !message &&
	    hstr_is(&part->subtype, "rfc822")) || type_is(part, "multipart"))
		return ibuf_adds(o->b, "\"application\" \"octet-stream\"");
	if (put_coded(o, &part->type) == -1 || put_char(o, ' ') == -1)
		return -1;
	return put_coded(o, &part->subtype);
}

static int
put_fields(struct out *o, const struct summary_part *part)
{
	if (put_char(o, ' ') == -1 ||
	    put_params(o, part->params, type_is(part, "text")) == -1 ||
	    put_char(o, ' ') == -1 || put_coded(o, &part->id) == -1 ||
	    put_char(o, ' ') == -1 ||
	    put_coded(o, &part->description) == -1 || put_char(o, ' ') == -1)
		return -1;
	if ((part->encoding.len > 0 ? put_coded(o, &part->encoding) :
	    ibuf_adds(o->b, "\"7bit\"")) == -1 || put_char(o, ' ') == -1)
		return -1;
	return ibuf_addu(o->b, part->body_len);
}

static int
put_lines(struct out *o, const struct summary_part *part)
{
	return put_char(o, ' ') == -1 ? -1 : ibuf_addu(o->b, part->lines);
}

/*
 * A message/global is told as such only to who knows the form; to others
 * it is a leaf, though its parts can be fetched.
 */
static int
put_single(struct out *o, struct summary_parts *it,
    const struct summary_part *part)
{
	size_t	mark;
	int	message = part->kind == MIME_MESSAGE, hide;

	hide = message && !(o->flags & IMAPOUT_GLOBAL) &&
	    hstr_is(&part->subtype, "global");
	if (put_type(o, part, message) == -1 || put_fields(o, part) == -1)
		return -1;
	if (message) {
		mark = ibuf_size(o->b);
		if (put_message(o, it) == -1)
			return -1;
		if (hide)
			ibuf_truncate(o->b, mark);
	}
	if (((message && !hide) || type_is(part, "text")) &&
	    put_lines(o, part) == -1)
		return -1;
	if (!o->ext)
		return 0;
	if (put_char(o, ' ') == -1 || put_coded(o, &part->md5) == -1)
		return -1;
	return put_ext(o, part);
}

/* Not deeper than the iterator allows: MIME_DEPTH_MAX. */
static int
put_part(struct out *o, struct summary_parts *it,
    const struct summary_part *part)
{
	int r;

	if (put_char(o, '(') == -1)
		return -1;
	r = part->kind == MIME_MULTIPART ? put_multipart(o, it, part) :
	    put_single(o, it, part);
	return r == -1 ? -1 : put_char(o, ')');
}

/* the items */

static void
out_init(struct out *o, struct ibuf *b, int flags, int ext)
{
	o->b = b;
	o->flags = flags;
	o->ext = ext;
	ibuf_init(&o->text, SUMMARY_FULL);
	ibuf_init(&o->flat, SUMMARY_FULL);
}

static int
out_done(struct out *o, size_t start, int r)
{
	int e = errno;

	ibuf_fini(&o->text);
	ibuf_fini(&o->flat);
	if (r == -1)
		ibuf_truncate(o->b, start);
	errno = e;
	return r;
}

/* With some lists joined from several fields, held in t. */
static int
put_envelope_joined(struct out *o, const struct summary *s, struct ibuf *t)
{
	struct hstr	env[HEADER_ENVELOPE_LAST + 1];
	size_t		at[HEADER_ENVELOPE_LAST + 1];
	int		id;

	memcpy(env, s->env, sizeof(env));
	for (id = HEADER_TO; id <= HEADER_BCC; id++) {
		at[id] = ibuf_size(t);
		if (!(s->env_more & 1U << id))
			continue;
		/* there are two at least: a comma is written */
		if (summary_joined(s, (enum header_id)id, t) == -1)
			return -1;
		env[id].len = ibuf_size(t) - at[id];
	}
	for (id = HEADER_TO; id <= HEADER_BCC; id++)
		if (s->env_more & 1U << id)
			env[id].p = (char *)ibuf_data(t) + at[id];
	return put_envelope(o, env);
}

int
imapout_envelope(struct ibuf *b, const struct summary *s, int flags)
{
	struct out	o;
	struct ibuf	t;
	size_t		start = ibuf_size(b);
	int		r;

	if (s->env_lost != 0 && !(flags & IMAPOUT_CUT)) {
		errno = ENOENT;
		return -1;
	}
	out_init(&o, b, flags, 0);
	if (s->env_more == 0)
		return out_done(&o, start, put_envelope(&o, s->env));
	ibuf_init(&t, SUMMARY_FULL);
	r = out_done(&o, start, put_envelope_joined(&o, s, &t));
	ibuf_fini(&t);
	return r;
}

static int
imapout_structure(struct ibuf *b, const struct summary *s, int flags, int ext)
{
	struct out		o;
	struct summary_parts	it;
	struct summary_part	part;
	size_t			start = ibuf_size(b);
	int			r;

	if (summary_parts(s, &it) == -1 || summary_part_next(&it, &part) == -1)
		return -1;
	out_init(&o, b, flags, ext);
	r = put_part(&o, &it, &part);
	if (r == 0 && summary_part_next(&it, &part) != 0) {
		errno = EBADMSG;
		r = -1;
	}
	return out_done(&o, start, r);
}

int
imapout_body(struct ibuf *b, const struct summary *s, int flags)
{
	return imapout_structure(b, s, flags, 0);
}

int
imapout_bodystructure(struct ibuf *b, const struct summary *s, int flags)
{
	return imapout_structure(b, s, flags, 1);
}

/* sections */

static void
section_set(struct imapout_section *sec, uint64_t off, uint64_t len,
    enum mime_encoding enc)
{
	sec->off = off;
	sec->len = len;
	sec->encoding = enc;
}

/* The sections of the message itself are known from its header's length. */
static int
section_top(const struct summary *s, enum imapout_what what,
    struct imapout_section *sec)
{
	switch (what) {
	case IMAPOUT_ALL:
		section_set(sec, 0, s->size, MIME_IDENTITY);
		return 1;
	case IMAPOUT_HEADER:
		section_set(sec, 0, s->hdr_len, MIME_IDENTITY);
		return 1;
	case IMAPOUT_TEXT:
		section_set(sec, s->hdr_len, s->size - s->hdr_len,
		    MIME_IDENTITY);
		return 1;
	case IMAPOUT_MIME:
		break;
	}
	return 0;
}

/* Passes the parts below the one that was just read. */
static int
skip_below(struct summary_parts *it, const struct summary_part *part)
{
	struct summary_part	sub;
	unsigned		i;
	int			r;

	for (i = 0; i < part->children; i++)
		if ((r = summary_part_next(it, &sub)) != 1 ||
		    (r = skip_below(it, &sub)) != 1)
			return r == 0 ? 0 : -1;
	return 1;
}

/* The part of put_no_part(): nothing, behind all that is there. */
static void
section_no_part(struct summary_part *part)
{
	uint64_t end = part->body_off + part->body_len;

	memset(part, 0, sizeof(*part));
	part->kind = MIME_LEAF;
	part->hdr_off = part->body_off = end;
}

/*
 * Goes to part num inside the one that was just read: a child of a
 * multipart; or, if it is a message that is none, that message's body.
 */
static int
section_enter(struct summary_parts *it, struct summary_part *part,
    uint32_t num, int message)
{
	struct summary_part	child;
	uint32_t		n, children = part->children;
	int			r;

	if (part->kind != MIME_MULTIPART)
		return message && num == 1;
	if (children == 0 && num == 1) {
		section_no_part(part);
		return 1;
	}
	for (n = 1; n <= children; n++) {
		if ((r = summary_part_next(it, &child)) != 1)
			return r;
		if (n == num) {
			*part = child;
			return 1;
		}
		if ((r = skip_below(it, &child)) != 1)
			return r;
	}
	return 0;
}

static int
section_found(struct summary_parts *it, const struct summary_part *part,
    enum imapout_what what, struct imapout_section *sec)
{
	struct summary_part	child;
	int			r;

	switch (what) {
	case IMAPOUT_ALL:
		section_set(sec, part->body_off, part->body_len,
		    part->kind == MIME_LEAF ? mime_encoding(&part->encoding) :
		    MIME_IDENTITY);
		return 1;
	case IMAPOUT_MIME:
		section_set(sec, part->hdr_off, part->hdr_len, MIME_IDENTITY);
		return 1;
	case IMAPOUT_HEADER:
	case IMAPOUT_TEXT:
		break;
	}
	if (part->kind != MIME_MESSAGE)
		return 0;
	if ((r = summary_part_next(it, &child)) != 1)
		return r;
	if (what == IMAPOUT_HEADER)
		section_set(sec, child.hdr_off, child.hdr_len, MIME_IDENTITY);
	else
		section_set(sec, child.body_off, child.body_len,
		    MIME_IDENTITY);
	return 1;
}

int
imapout_section(const struct summary *s, const uint32_t *path, size_t n,
    enum imapout_what what, struct imapout_section *sec)
{
	struct summary_parts	it;
	struct summary_part	part;
	size_t			i;
	int			r, message = 1;

	if (n == 0)
		return section_top(s, what, sec);
	if (summary_parts(s, &it) == -1 ||
	    summary_part_next(&it, &part) == -1)
		return -1;
	for (i = 0; i < n; i++) {
		/* the parts of a message are those of what is in it */
		if (i > 0 && (message = part.kind == MIME_MESSAGE) &&
		    (r = summary_part_next(&it, &part)) != 1)
			return r;
		r = section_enter(&it, &part, path[i], message);
		if (r != 1)
			return r;
	}
	return section_found(&it, &part, what, sec);
}
