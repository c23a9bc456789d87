#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "imapscan.h"
#include "json.h"
#include "listmatch.h"
#include "utf7.h"

#define CHUNK_FIRST	1024
#define CHUNK_LAST	65536
#define ALIGN		16

struct imap_chunk {
	struct imap_chunk	*next;
	size_t			 size;
	size_t			 used;
	_Alignas(ALIGN) char	 data[];
};

/*
 * What each character is: "a" an ATOM-CHAR, "+" one that no tag may hold,
 * "*" a list-wildcard, "]" the resp-special, " " none of these.
 */
static const char scan_classes[129] =
    "                "
    "                "
    " a aa*aa  *+aaaa"	/* SP ! " # $ % & ' ( ) * + , - . / */
    "aaaaaaaaaaaaaaaa"
    "aaaaaaaaaaaaaaaa"
    "aaaaaaaaaaaa ]aa"	/* P .. Z [ \ ] ^ _ */
    "aaaaaaaaaaaaaaaa"
    "aaaaaaaaaaa aaa ";	/* p .. z { | } ~ DEL */

static char
scan_class(unsigned char c)
{
	return c < 128 ? scan_classes[c] : ' ';
}

static int
is_atom_char(unsigned char c)
{
	char	k = scan_class(c);

	return k == 'a' || k == '+';
}

static int
is_astring_char(unsigned char c)
{
	char	k = scan_class(c);

	return k == 'a' || k == '+' || k == ']';
}

static int
is_list_char(unsigned char c)
{
	return scan_class(c) != ' ';
}

static int
is_tag_char(unsigned char c)
{
	char	k = scan_class(c);

	return k == 'a' || k == ']';
}

static int
is_word_char(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') || c == '.' || c == '-';
}

static int
is_set_char(unsigned char c)
{
	return (c >= '0' && c <= '9') || c == '*' || c == ':' || c == ',' ||
	    c == '$';
}

static int
is_digit(unsigned char c)
{
	return c >= '0' && c <= '9';
}

int
scan_bad(struct imap_scan *s, const char *why)
{
	if (s->cmd->error == NULL && !s->want) {
		s->cmd->error = why;
		s->cmd->errpos = s->pos;
	}
	return -1;
}

int
scan_no(struct imap_scan *s, const char *why)
{
	if (s->cmd->error == NULL && !s->want)
		s->cmd->no = 1;
	return scan_bad(s, why);
}

void *
scan_alloc(struct imap_scan *s, size_t n, size_t size)
{
	struct imap_cmd		*cmd = s->cmd;
	struct imap_chunk	*c = cmd->chunks;
	size_t			 len;
	void			*p;

	if (size != 0 && n > IMAP_ARENA_MAX / size)
		goto fail;
	len = (n * size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	if (len > IMAP_ARENA_MAX - cmd->used)
		goto fail;
	if (c == NULL || len > c->size - c->used) {
		/* twice the last one's size, so that there are few */
		size = c == NULL ? CHUNK_FIRST : c->size * 2;
		if (size > CHUNK_LAST)
			size = CHUNK_LAST;
		if (size < len)
			size = len;
		if ((c = malloc(sizeof(*c) + size)) == NULL)
			goto fail;
		c->next = cmd->chunks;
		c->size = size;
		c->used = 0;
		cmd->chunks = c;
	}
	p = c->data + c->used;
	c->used += len;
	cmd->used += len;
	return memset(p, 0, len);
 fail:
	scan_bad(s, "Command takes too much memory");
	return NULL;
}

void
imap_cmd_free(struct imap_cmd *cmd)
{
	struct imap_chunk	*c;

	while ((c = cmd->chunks) != NULL) {
		cmd->chunks = c->next;
		if (cmd->verb == IMAP_LOGIN || cmd->verb == IMAP_AUTHENTICATE)
			freezero(c, sizeof(*c) + c->size);
		else
			free(c);
	}
	cmd->used = 0;
}

int
scan_offers(const struct imap_scan *s, enum imap_ext ext)
{
	return imap_ext_has(&s->opts->exts, ext);
}

int
scan_is(const struct hstr *w, const char *text)
{
	return strlen(text) == w->len && strncasecmp(w->p, text, w->len) == 0;
}

int
scan_peek(const struct imap_scan *s)
{
	return s->pos < s->len ? (unsigned char)s->buf[s->pos] : -1;
}

int
scan_accept(struct imap_scan *s, char c)
{
	if (s->pos == s->len || s->buf[s->pos] != c)
		return 0;
	s->pos++;
	return 1;
}

int
scan_char(struct imap_scan *s, char c)
{
	if (scan_accept(s, c))
		return 0;
	switch (c) {
	case ' ':
		return scan_bad(s, "Expected a space");
	case '(':
		return scan_bad(s, "Expected \"(\"");
	case ')':
		return scan_bad(s, "Expected \")\"");
	default:
		return scan_bad(s, "Syntax error");
	}
}

int
scan_sp(struct imap_scan *s)
{
	return scan_char(s, ' ');
}

int
scan_end(struct imap_scan *s)
{
	if (s->pos < s->len)
		return scan_bad(s, "Expected the end of the command");
	return 0;
}

/* As many characters of a kind as there are. */
static struct hstr
scan_run(struct imap_scan *s, int (*is)(unsigned char))
{
	struct hstr	t = { s->buf + s->pos, 0 };

	while (s->pos < s->len && is((unsigned char)s->buf[s->pos])) {
		s->pos++;
		t.len++;
	}
	return t;
}

struct hstr
scan_word(struct imap_scan *s)
{
	return scan_run(s, is_word_char);
}

int
scan_accept_word(struct imap_scan *s, const char *text)
{
	size_t		pos = s->pos;
	struct hstr	w = scan_word(s);

	if (scan_is(&w, text))
		return 1;
	s->pos = pos;
	return 0;
}

int
scan_tag(struct imap_scan *s, struct hstr *tag)
{
	struct hstr	t = scan_run(s, is_tag_char);

	if (t.len == 0 || t.len > IMAP_TAG_MAX ||
	    (s->pos < s->len && s->buf[s->pos] != ' ')) {
		s->pos = 0;
		return scan_bad(s, "Invalid tag");
	}
	*tag = t;
	return 0;
}

int
scan_atom(struct imap_scan *s, struct hstr *out)
{
	*out = scan_run(s, is_atom_char);
	return out->len > 0 ? 0 : scan_bad(s, "Expected an atom");
}

/* strings */

/* The text between the quotes has escapes: a copy without them. */
static int
scan_unescape(struct imap_scan *s, struct hstr *out)
{
	char	*copy;
	size_t	 i, n = 0;

	if ((copy = scan_alloc(s, out->len, 1)) == NULL)
		return -1;
	for (i = 0; i < out->len; i++) {
		if (out->p[i] == '\\')
			i++;
		copy[n++] = out->p[i];
	}
	out->p = copy;
	out->len = n;
	return 0;
}

/* One character between quotes, or an escaped one; bytes, 0: refused. */
static size_t
scan_quoted_char(struct imap_scan *s)
{
	const char	*p = s->buf + s->pos;
	uint32_t	 cp;
	size_t		 n;

	if (*p == '\\') {
		if (s->pos + 1 < s->len && (p[1] == '"' || p[1] == '\\'))
			return 2;
		scan_bad(s, "Invalid escape in a quoted string");
		return 0;
	}
	if (*p == '\0' || *p == '\r' || *p == '\n') {
		scan_bad(s, "Control character in a quoted string");
		return 0;
	}
	if ((unsigned char)*p < 0x80)
		return 1;
	if (!s->opts->utf8)
		scan_bad(s, "8-bit character in a quoted string");
	else if ((n = utf8_decode(p, s->len - s->pos, &cp)) > 0)
		return n;
	else
		scan_bad(s, "Invalid UTF-8 in a quoted string");
	return 0;
}

static int
scan_quoted(struct imap_scan *s, struct hstr *out)
{
	size_t	n, start = ++s->pos;
	int	escapes = 0;

	while (s->pos < s->len && s->buf[s->pos] != '"') {
		if (s->buf[s->pos] == '\\')
			escapes = 1;
		if ((n = scan_quoted_char(s)) == 0)
			return -1;
		s->pos += n;
	}
	if (s->pos == s->len)
		return scan_bad(s, "Unterminated quoted string");
	out->p = s->buf + start;
	out->len = s->pos++ - start;
	return escapes ? scan_unescape(s, out) : 0;
}

/* Digits, at least one; over 2^63 - 1 is an error. */
static int
scan_digits(struct imap_scan *s, uint64_t *v)
{
	struct hstr	d = scan_run(s, is_digit);
	uint64_t	digit;
	size_t		i;

	if (d.len == 0)
		return scan_bad(s, "Expected a number");
	for (*v = i = 0; i < d.len; i++) {
		digit = (uint64_t)(d.p[i] - '0');
		if (*v > (INT64_MAX - digit) / 10)
			return scan_bad(s, "Number too big");
		*v = *v * 10 + digit;
	}
	return 0;
}

/* "{5}", "{5+}", "~{5}" without what follows. */
static int
scan_announcement(struct imap_scan *s, struct imap_literal *lit)
{
	lit->binary = scan_accept(s, '~');
	if (scan_char(s, '{') == -1 || scan_digits(s, &lit->size) == -1)
		return -1;
	lit->sync = !scan_accept(s, '+');
	return scan_char(s, '}');
}

static int
scan_literal(struct imap_scan *s, struct hstr *out)
{
	struct imap_literal	lit;

	if (scan_announcement(s, &lit) == -1)
		return -1;
	if (s->pos == s->len) {
		s->want = s->cmd->error == NULL;
		return -1;
	}
	if (s->len - s->pos < 2 || memcmp(s->buf + s->pos, "\r\n", 2) != 0)
		return scan_bad(s, "Expected the end of the line");
	s->pos += 2;
	if (lit.size > s->len - s->pos)
		return scan_bad(s, "Literal is cut off");
	out->p = s->buf + s->pos;
	out->len = (size_t)lit.size;
	if (!lit.binary && memchr(out->p, '\0', out->len) != NULL)
		return scan_bad(s, "NUL in a literal");
	s->pos += out->len;
	return 0;
}

int
scan_string(struct imap_scan *s, struct hstr *out)
{
	switch (scan_peek(s)) {
	case '"':
		return scan_quoted(s, out);
	case '{':
		return scan_literal(s, out);
	default:
		return scan_bad(s, "Expected a string");
	}
}

int
scan_astring(struct imap_scan *s, struct hstr *out)
{
	int	c = scan_peek(s);

	if (c == '"' || c == '{')
		return scan_string(s, out);
	*out = scan_run(s, is_astring_char);
	return out->len > 0 ? 0 : scan_bad(s, "Expected a string or atom");
}

int
scan_nstring(struct imap_scan *s, struct hstr *out)
{
	if (scan_accept_word(s, "NIL")) {
		out->p = NULL;
		out->len = 0;
		return 0;
	}
	return scan_string(s, out);
}

int
scan_nstring8(struct imap_scan *s, struct hstr *out)
{
	if (scan_peek(s) == '~')
		return scan_literal(s, out);
	return scan_nstring(s, out);
}

int
scan_list_mailbox(struct imap_scan *s, struct hstr *out)
{
	int	c = scan_peek(s);

	if (c == '"' || c == '{')
		return scan_string(s, out);
	*out = scan_run(s, is_list_char);
	return out->len > 0 ? 0 : scan_bad(s, "Expected a mailbox pattern");
}

int
scan_message(struct imap_scan *s, struct imap_literal *lit)
{
	int	c = scan_peek(s);

	if (c != '{' && c != '~')
		return scan_bad(s, "Expected a literal");
	if (scan_announcement(s, lit) == -1)
		return -1;
	if (lit->binary && !scan_offers(s, IMAP_EXT_BINARY))
		return scan_bad(s, "Binary literals are not supported");
	return 0;
}

int
imap_literal_tail(const char *p, size_t len, struct imap_literal *lit)
{
	struct imap_cmd		 cmd;
	struct imap_parse_opts	 opts;
	struct imap_scan	 s;
	size_t			 i;

	if (len < 3 || p[len - 1] != '}')
		return 0;
	i = len - 1;
	if (p[i - 1] == '+')
		i--;
	if (!is_digit((unsigned char)p[i - 1]))
		return 0;
	while (i > 0 && is_digit((unsigned char)p[i - 1]))
		i--;
	if (i == 0 || p[i - 1] != '{')
		return 0;
	i -= i > 1 && p[i - 2] == '~' ? 2 : 1;
	memset(&cmd, 0, sizeof(cmd));
	memset(&opts, 0, sizeof(opts));
	memset(&s, 0, sizeof(s));
	s.buf = p;
	s.len = len;
	s.pos = i;
	s.cmd = &cmd;
	s.opts = &opts;
	return scan_announcement(&s, lit) == -1 ? -1 : 1;
}

/* numbers and sets */

int
scan_number64(struct imap_scan *s, uint64_t *v)
{
	return scan_digits(s, v);
}

int
scan_number(struct imap_scan *s, uint32_t *v)
{
	uint64_t	n;

	if (scan_digits(s, &n) == -1)
		return -1;
	if (n > UINT32_MAX)
		return scan_bad(s, "Number too big");
	*v = (uint32_t)n;
	return 0;
}

int
scan_nz_number(struct imap_scan *s, uint32_t *v)
{
	if (scan_peek(s) == '0')
		return scan_bad(s, "Expected a number over 0");
	return scan_number(s, v);
}

int
scan_modseq(struct imap_scan *s, uint64_t *v)
{
	if (scan_digits(s, v) == -1)
		return -1;
	return *v > 0 ? 0 : scan_bad(s, "Expected a number over 0");
}

int
scan_set(struct imap_scan *s, struct seqset *set)
{
	size_t		 start = s->pos;
	struct hstr	 t = scan_run(s, is_set_char);
	struct seqrange	*r;

	if ((r = scan_alloc(s, seqset_ranges(t.p, t.len), sizeof(*r))) == NULL)
		return -1;
	if (seqset_parse(set, r, t.p, t.len,
	    scan_offers(s, IMAP_EXT_SEARCHRES)) == -1) {
		s->pos = start;
		return scan_bad(s, "Invalid message set");
	}
	return 0;
}

int
scan_known_set(struct imap_scan *s, struct seqset *set)
{
	if (scan_set(s, set) == -1)
		return -1;
	if (set->star || set->saved)
		return scan_bad(s, "Only numbers are allowed in this set");
	return 0;
}

/* flags */

static int
scan_flag(struct imap_scan *s, struct flag_list *l)
{
	size_t		start = s->pos;
	struct hstr	t, rest;
	int		bit;

	t.p = s->buf + s->pos;
	t.len = scan_accept(s, '\\') ? 1 : 0;
	rest = scan_run(s, is_atom_char);
	t.len += rest.len;
	if ((bit = flag_parse(t.p, t.len)) == -1) {
		s->pos = start;
		return scan_bad(s, t.len > 1 && *t.p == '\\' ?
		    "Flag cannot be set" : "Invalid flag");
	}
	if (bit > 0)
		l->sys |= (uint32_t)bit;
	else
		l->kw[l->n++] = t;
	return 0;
}

/* At most so many flags can stand in the rest of this line. */
static size_t
scan_flags_left(const struct imap_scan *s)
{
	const char	*end = memchr(s->buf + s->pos, ')', s->len - s->pos);
	size_t		 i, n = 1, stop;

	stop = end != NULL ? (size_t)(end - s->buf) : s->len;
	for (i = s->pos; i < stop; i++)
		if (s->buf[i] == ' ')
			n++;
	return n;
}

int
scan_flag_list(struct imap_scan *s, struct flag_list *l)
{
	int	paren = scan_accept(s, '(');

	memset(l, 0, sizeof(*l));
	if (paren && scan_accept(s, ')'))
		return 0;
	l->kw = scan_alloc(s, scan_flags_left(s), sizeof(*l->kw));
	if (l->kw == NULL)
		return -1;
	do {
		if (scan_flag(s, l) == -1)
			return -1;
	} while (scan_accept(s, ' '));
	return paren ? scan_char(s, ')') : 0;
}

/* mailbox names */

int
scan_decode(struct imap_scan *s, const struct hstr *raw, char **out,
    size_t *len)
{
	size_t	size = UTF7_DECODED_MAX(raw->len);
	ssize_t	n;

	if ((*out = scan_alloc(s, size + 1, 1)) == NULL)
		return -1;
	if (s->opts->utf8) {
		memcpy(*out, raw->p, raw->len);
		*len = raw->len;
		return utf8_valid(raw->p, raw->len) ? 0 :
		    scan_no(s, "[CANNOT] Mailbox name is not valid UTF-8");
	}
	if ((n = utf7_decode(*out, size, raw->p, raw->len)) == -1)
		return scan_no(s, "[CANNOT] Mailbox name is not valid "
		    "modified UTF-7");
	*len = (size_t)n;
	return 0;
}

int
scan_mailbox(struct imap_scan *s, const char **out, int how)
{
	struct hstr	 raw;
	char		*name;
	size_t		 len;

	if (scan_astring(s, &raw) == -1 ||
	    scan_decode(s, &raw, &name, &len) == -1)
		return -1;
	if (how == SCAN_TRAILING && len > 1 &&
	    name[len - 1] == LIST_DELIMITER)
		name[--len] = '\0';
	list_canon_inbox(name, len);
	if (!list_name_ok(name, len))
		return scan_no(s, "[CANNOT] Invalid mailbox name");
	*out = name;
	return 0;
}
