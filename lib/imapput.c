#include <errno.h>
#include <string.h>
#include <strings.h>

#include "imapput.h"
#include "json.h"
#include "utf7.h"

#define QUOTED_MAX	1000	/* longer ones are literals */
#define NAME_MAX_BYTES	4096	/* of a mailbox name */

/* What a string is made of, to know how it may be written. */
struct put_kind {
	int	atom;		/* ASTRING-CHARs only */
	int	escape;		/* has " or \ */
	int	line;		/* has CR or LF */
	int	nul;
	int	high;		/* has bytes over 127 */
};

static struct put_kind
put_kind(const char *p, size_t len)
{
	struct put_kind	k = { len > 0, 0, 0, 0, 0 };
	unsigned char	c;

	for (; len > 0; len--) {
		c = (unsigned char)*p++;
		if (c > 0x20 && c < 0x7f && c != '(' && c != ')' &&
		    c != '{' && c != '%' && c != '*' && c != '"' &&
		    c != '\\')
			continue;
		k.atom = 0;
		if (c == '"' || c == '\\')
			k.escape = 1;
		else if (c == '\r' || c == '\n')
			k.line = 1;
		else if (c == '\0')
			k.nul = 1;
		else if (c > 0x7f)
			k.high = 1;
	}
	return k;
}

static int
put_literal(struct ibuf *b, const char *p, size_t len)
{
	if (imap_put_literal(b, len, 0) == -1)
		return -1;
	return ibuf_add(b, p, len);
}

static int
put_quoted(struct ibuf *b, const char *p, size_t len, int escape)
{
	size_t	i, run = 0;

	if (ibuf_add(b, "\"", 1) == -1)
		return -1;
	for (i = 0; escape && i < len; i++) {
		if (p[i] != '"' && p[i] != '\\')
			continue;
		if (ibuf_add(b, p + run, i - run) == -1 ||
		    ibuf_add(b, "\\", 1) == -1)
			return -1;
		run = i;
	}
	if (ibuf_add(b, p + run, len - run) == -1)
		return -1;
	return ibuf_add(b, "\"", 1);
}

static int
put_string(struct ibuf *b, const char *p, size_t len,
    const struct put_kind *k, int utf8)
{
	if (k->nul) {
		errno = EILSEQ;
		return -1;
	}
	if (k->line || len > QUOTED_MAX ||
	    (k->high && (!utf8 || !utf8_valid(p, len))))
		return put_literal(b, p, len);
	return put_quoted(b, p, len, k->escape);
}

int
imap_put_literal(struct ibuf *b, uint64_t len, int binary)
{
	if (ibuf_adds(b, binary ? "~{" : "{") == -1 ||
	    ibuf_addu(b, len) == -1)
		return -1;
	return ibuf_add(b, "}\r\n", 3);
}

int
imap_put_string(struct ibuf *b, const char *p, size_t len)
{
	struct put_kind	k = put_kind(p, len);

	return put_string(b, p, len, &k, 0);
}

int
imap_put_utf8(struct ibuf *b, const char *p, size_t len)
{
	struct put_kind	k = put_kind(p, len);

	return put_string(b, p, len, &k, 1);
}

int
imap_put_nstring(struct ibuf *b, const char *p, size_t len)
{
	if (p == NULL)
		return ibuf_add(b, "NIL", 3);
	return imap_put_string(b, p, len);
}

static int
put_astring(struct ibuf *b, const char *p, size_t len, int utf8)
{
	struct put_kind	k = put_kind(p, len);

	if (k.atom && len <= QUOTED_MAX &&
	    !(len == 3 && strncasecmp(p, "NIL", 3) == 0))
		return ibuf_add(b, p, len);
	return put_string(b, p, len, &k, utf8);
}

int
imap_put_astring(struct ibuf *b, const char *p, size_t len)
{
	return put_astring(b, p, len, 0);
}

int
imap_put_mailbox(struct ibuf *b, const char *name, int utf8)
{
	char	enc[NAME_MAX_BYTES + 1];
	ssize_t	n;

	if (utf8)
		return put_astring(b, name, strlen(name), 1);
	if ((n = utf7_encode(enc, NAME_MAX_BYTES, name, strlen(name))) == -1)
		return -1;
	return put_astring(b, enc, (size_t)n, 0);
}

int
imap_put_flags(struct ibuf *b, struct flags *f, uint32_t id, int recent)
{
	const char	*text;
	size_t		 len;

	if ((text = flags_text(f, id, &len)) == NULL ||
	    ibuf_add(b, "(", 1) == -1 || ibuf_add(b, text, len) == -1)
		return -1;
	if (recent && ibuf_adds(b, len > 0 ? " \\Recent" : "\\Recent") == -1)
		return -1;
	return ibuf_add(b, ")", 1);
}

int
imap_put_flag_list(struct ibuf *b, const struct flag_list *l)
{
	const char	*sep = "(";
	uint32_t	 bit, i;

	for (bit = 1; bit & FLAG_SYSTEM; bit <<= 1) {
		if ((l->sys & bit) == 0)
			continue;
		if (ibuf_adds(b, sep) == -1 ||
		    ibuf_adds(b, flag_sysname(bit)) == -1)
			return -1;
		sep = " ";
	}
	for (i = 0; i < l->n; i++, sep = " ")
		if (ibuf_adds(b, sep) == -1 ||
		    ibuf_add(b, l->kw[i].p, l->kw[i].len) == -1)
			return -1;
	return ibuf_adds(b, *sep == '(' ? "()" : ")");
}

int
imap_put_numbers(struct ibuf *b, const struct uidset *set)
{
	struct uidset_iter	it;
	uint32_t		u;

	for (u = uidset_first(&it, set); u != 0; u = uidset_next(&it))
		if (ibuf_add(b, " ", 1) == -1 || ibuf_addu(b, u) == -1)
			return -1;
	return 0;
}

int
imap_put_text(struct ibuf *b, const char *p, size_t max)
{
	char	c;
	size_t	i;

	for (i = 0; i < max && p[i] != '\0'; i++) {
		c = p[i];
		if (c < ' ' || c > '~' || (i == 0 && c == '['))
			c = '?';
		if (ibuf_add(b, &c, 1) == -1)
			return -1;
	}
	/* resp-text needs at least one character */
	return i == 0 ? ibuf_add(b, "?", 1) : 0;
}
