/* Quota (RFC 9208) and annotations (RFC 5464). */
#include <ctype.h>
#include <string.h>

#include "imapscan.h"

int
imapparse_getquota(struct imap_scan *s)
{
	if (scan_sp(s) == -1)
		return -1;
	return scan_astring(s, &s->cmd->quota.root);
}

/* "root (STORAGE 512)": no limit can be set, so none is kept. */
int
imapparse_setquota(struct imap_scan *s)
{
	struct hstr	name;
	uint64_t	limit;

	if (imapparse_getquota(s) == -1 || scan_sp(s) == -1 ||
	    scan_char(s, '(') == -1)
		return -1;
	if (scan_accept(s, ')'))
		return 0;
	do {
		if (scan_atom(s, &name) == -1 || scan_sp(s) == -1 ||
		    scan_number64(s, &limit) == -1)
			return -1;
	} while (scan_accept(s, ' '));
	return scan_char(s, ')');
}

/* The mailbox, or "" for the server. */
static int
meta_mailbox(struct imap_scan *s, const char **out)
{
	size_t		start = s->pos;
	struct hstr	raw;

	if (scan_astring(s, &raw) == -1)
		return -1;
	if (raw.len == 0) {
		*out = "";
		return 0;
	}
	s->pos = start;
	return scan_mailbox(s, out, 0);
}

/* RFC 5464, 3.2, and what a storage can be asked for. */
static int
meta_name_ok(const char *p, size_t len)
{
	size_t	i;

	if (len == 0 || len > IMAP_META_NAME_MAX || p[0] != '/' ||
	    p[len - 1] == '/')
		return 0;
	for (i = 0; i < len; i++)
		if (p[i] <= ' ' || p[i] >= 0x7f || p[i] == '*' ||
		    p[i] == '%' || (p[i] == '/' && p[i + 1] == '/'))
			return 0;
	return strncmp(p, "/private", 8) == 0 ?
	    p[8] == '\0' || p[8] == '/' :
	    strncmp(p, "/shared", 7) == 0 && (p[7] == '\0' || p[7] == '/');
}

static int
meta_entry(struct imap_scan *s, struct imap_metadata *m)
{
	size_t		 start = s->pos, i;
	struct hstr	 raw;
	char		*name;

	if (m->n == IMAP_META_MAX)
		return scan_bad(s, "Too many entries");
	if (scan_astring(s, &raw) == -1 ||
	    (name = scan_alloc(s, raw.len + 1, 1)) == NULL)
		return -1;
	for (i = 0; i < raw.len; i++)
		name[i] = (char)tolower((unsigned char)raw.p[i]);
	if (!meta_name_ok(name, raw.len)) {
		s->pos = start;
		return scan_bad(s, "Invalid entry name");
	}
	for (i = 0; i < m->n; i++)
		if (strcmp(m->entry[i].name, name) == 0) {
			s->pos = start;
			return scan_bad(s, "Entry given twice");
		}
	m->entry[m->n++].name = name;
	return 0;
}

static int
meta_alloc(struct imap_scan *s, struct imap_metadata *m, size_t n)
{
	m->entry = scan_alloc(s, n, sizeof(*m->entry));
	return m->entry == NULL ? -1 : 0;
}

static int
meta_depth(struct imap_scan *s, struct imap_metadata *m)
{
	if (scan_accept_word(s, "0"))
		m->depth = META_DEPTH_0;
	else if (scan_accept_word(s, "1"))
		m->depth = META_DEPTH_1;
	else if (scan_accept_word(s, "INFINITY"))
		m->depth = META_DEPTH_INFINITY;
	else
		return scan_bad(s, "Expected 0, 1 or infinity");
	return 0;
}

/* "(MAXSIZE 1024 DEPTH 1)" */
static int
meta_options(struct imap_scan *s, struct imap_metadata *m)
{
	int	depth = 0;

	if (scan_char(s, '(') == -1)
		return -1;
	do {
		if (!m->has_maxsize && scan_accept_word(s, "MAXSIZE")) {
			m->has_maxsize = 1;
			if (scan_sp(s) == -1 ||
			    scan_number(s, &m->maxsize) == -1)
				return -1;
		} else if (!depth && scan_accept_word(s, "DEPTH")) {
			depth = 1;
			if (scan_sp(s) == -1 || meta_depth(s, m) == -1)
				return -1;
		} else
			return scan_bad(s, "Unknown GETMETADATA option");
	} while (scan_accept(s, ' '));
	return scan_char(s, ')');
}

/*
 * The options come before the mailbox (errata 2785 and 2786); clients made
 * after the examples of the RFC send them behind it.
 */
static int
meta_options_behind(struct imap_scan *s, struct imap_metadata *m)
{
	int	c;

	if (s->pos + 1 >= s->len || s->buf[s->pos] != '(')
		return 0;
	c = toupper((unsigned char)s->buf[s->pos + 1]);
	if (c != 'M' && c != 'D')
		return 0;
	return meta_options(s, m) == -1 ? -1 : scan_sp(s);
}

int
imapparse_getmetadata(struct imap_scan *s)
{
	struct imap_metadata	*m = &s->cmd->metadata;
	int			 options;

	if (scan_sp(s) == -1)
		return -1;
	options = scan_peek(s) == '(';
	if (options && (meta_options(s, m) == -1 || scan_sp(s) == -1))
		return -1;
	if (meta_mailbox(s, &m->mailbox) == -1 || scan_sp(s) == -1 ||
	    (!options && meta_options_behind(s, m) == -1))
		return -1;
	if (!scan_accept(s, '('))
		return meta_alloc(s, m, 1) == -1 ? -1 : meta_entry(s, m);
	if (meta_alloc(s, m, IMAP_META_MAX) == -1)
		return -1;
	do {
		if (meta_entry(s, m) == -1)
			return -1;
	} while (scan_accept(s, ' '));
	return scan_char(s, ')');
}

/* "(/private/comment "text" /shared/comment NIL)" */
int
imapparse_setmetadata(struct imap_scan *s)
{
	struct imap_metadata	*m = &s->cmd->metadata;
	size_t			 start;

	if (scan_sp(s) == -1 || meta_mailbox(s, &m->mailbox) == -1 ||
	    scan_sp(s) == -1 || scan_char(s, '(') == -1 ||
	    meta_alloc(s, m, IMAP_META_MAX) == -1)
		return -1;
	do {
		start = s->pos;
		if (meta_entry(s, m) == -1)
			return -1;
		/* the two above all others have no values */
		if (strchr(m->entry[m->n - 1].name + 1, '/') == NULL) {
			s->pos = start;
			return scan_bad(s, "Invalid entry name");
		}
		if (scan_sp(s) == -1 ||
		    scan_nstring8(s, &m->entry[m->n - 1].value) == -1)
			return -1;
	} while (scan_accept(s, ' '));
	return scan_char(s, ')');
}
