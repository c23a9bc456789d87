/* FETCH and STORE. */
#include <stdio.h>
#include <string.h>

#include "imapscan.h"

/* What may stand behind an item's name. */
enum fetch_form {
	FORM_BARE,
	FORM_PREVIEW,			/* " (LAZY)" */
	FORM_SECTION,			/* [..], <0.9> */
	FORM_BINARY,			/* [1.2], <0.9> */
	FORM_BINARY_SIZE		/* [1.2] */
};

/*
 * All items.  prefix is the name that the response has, when it is not the
 * one asked by.  RFC822 and its kin are sections under another name.
 */
static const struct fetch_row {
	const char	*name;
	enum imap_att	 att;
	enum fetch_form	 form;
	int		 peek;
	uint32_t	 needs;
	enum imap_ext	 ext;
	const char	*prefix;
	enum imap_section_what what;
} fetch_table[] = {
	{ "BINARY", ATT_BINARY, FORM_BINARY, 0,
	    IMAP_NEED_CONTENT, IMAP_EXT_BINARY },
	{ "BINARY.PEEK", ATT_BINARY, FORM_BINARY, 1,
	    IMAP_NEED_CONTENT, IMAP_EXT_BINARY, "BINARY" },
	{ "BINARY.SIZE", ATT_BINARY_SIZE, FORM_BINARY_SIZE, 1,
	    IMAP_NEED_CONTENT, IMAP_EXT_BINARY },
	{ "BODY", ATT_BODY, FORM_BARE, 1, IMAP_NEED_SUMMARY },
	{ "BODY", ATT_SECTION, FORM_SECTION, 0, IMAP_NEED_CONTENT },
	{ "BODY.PEEK", ATT_SECTION, FORM_SECTION, 1, IMAP_NEED_CONTENT,
	    IMAP_EXT_BASE, "BODY" },
	{ "BODYSTRUCTURE", ATT_BODYSTRUCTURE, FORM_BARE, 1,
	    IMAP_NEED_SUMMARY },
	{ "EMAILID", ATT_EMAILID, FORM_BARE, 1, IMAP_NEED_ROW,
	    IMAP_EXT_OBJECTID },
	{ "ENVELOPE", ATT_ENVELOPE, FORM_BARE, 1, IMAP_NEED_SUMMARY },
	{ "FLAGS", ATT_FLAGS, FORM_BARE, 1, IMAP_NEED_MIRROR },
	{ "INTERNALDATE", ATT_INTERNALDATE, FORM_BARE, 1, IMAP_NEED_ROW },
	{ "MODSEQ", ATT_MODSEQ, FORM_BARE, 1, IMAP_NEED_ROW,
	    IMAP_EXT_CONDSTORE },
	{ "PREVIEW", ATT_PREVIEW, FORM_PREVIEW, 1, IMAP_NEED_SUMMARY },
	{ "RFC822", ATT_SECTION, FORM_BARE, 0, IMAP_NEED_CONTENT,
	    IMAP_EXT_BASE, NULL, SECTION_ALL },
	{ "RFC822.HEADER", ATT_SECTION, FORM_BARE, 1, IMAP_NEED_CONTENT,
	    IMAP_EXT_BASE, NULL, SECTION_HEADER },
	{ "RFC822.SIZE", ATT_SIZE, FORM_BARE, 1, IMAP_NEED_ROW },
	{ "RFC822.TEXT", ATT_SECTION, FORM_BARE, 0, IMAP_NEED_CONTENT,
	    IMAP_EXT_BASE, NULL, SECTION_TEXT },
	{ "SAVEDATE", ATT_SAVEDATE, FORM_BARE, 1, IMAP_NEED_ROW,
	    IMAP_EXT_SAVEDATE },
	{ "THREADID", ATT_THREADID, FORM_BARE, 1, IMAP_NEED_ROW,
	    IMAP_EXT_OBJECTID },
	{ "UID", ATT_UID, FORM_BARE, 1, IMAP_NEED_MIRROR },
};
#define NFETCH	(sizeof(fetch_table) / sizeof(fetch_table[0]))

/* RFC 3501, 6.4.5: alone, not among others. */
static const struct {
	const char	*name;
	enum imap_att	 att[6];
	size_t		 n;
} fetch_macros[] = {
	{ "ALL", { ATT_FLAGS, ATT_INTERNALDATE, ATT_SIZE, ATT_ENVELOPE }, 4 },
	{ "FAST", { ATT_FLAGS, ATT_INTERNALDATE, ATT_SIZE }, 3 },
	{ "FULL", { ATT_FLAGS, ATT_INTERNALDATE, ATT_SIZE, ATT_ENVELOPE,
	    ATT_BODY }, 5 },
};
#define NMACROS	(sizeof(fetch_macros) / sizeof(fetch_macros[0]))

static const struct {
	const char	*name;
	enum imap_section_what what;
	int		 fields;
	int		 part;		/* needs a part number before it */
} fetch_sections[] = {
	{ "HEADER",		SECTION_HEADER,		0, 0 },
	{ "HEADER.FIELDS",	SECTION_FIELDS,		1, 0 },
	{ "HEADER.FIELDS.NOT",	SECTION_FIELDS_NOT,	1, 0 },
	{ "MIME",		SECTION_MIME,		0, 1 },
	{ "TEXT",		SECTION_TEXT,		0, 0 },
};
#define NSECTIONS	(sizeof(fetch_sections) / sizeof(fetch_sections[0]))

/* Text made in the command's memory, whose size was counted before. */
struct fetch_text {
	char	*p;
	size_t	 len;
};

static void
text_add(struct fetch_text *t, const char *p, size_t len)
{
	memcpy(t->p + t->len, p, len);
	t->len += len;
}

static void
text_adds(struct fetch_text *t, const char *p)
{
	text_add(t, p, strlen(p));
}

/*
 * Doubles are dropped: an item of the same name and part is told once, and
 * sets \Seen if either would.
 */
static int
fetch_add(struct imap_scan *s, struct imap_fetch *f,
    const struct imap_fetch_att *a)
{
	struct imap_fetch_att	*o;
	uint32_t		 i;

	f->needs |= a->needs;
	if (!a->peek)
		f->sets_seen = 1;
	for (i = 0; i < f->natts; i++) {
		o = &f->att[i];
		if (strcmp(o->name, a->name) == 0 && o->count == a->count) {
			o->peek = o->peek && a->peek;
			o->lazy = o->lazy && a->lazy;
			return 0;
		}
	}
	if (f->natts == IMAP_ATTS_MAX)
		return scan_bad(s, "Too many FETCH items");
	f->att[f->natts++] = *a;
	return 0;
}

static int
fetch_add_bare(struct imap_scan *s, struct imap_fetch *f, enum imap_att att)
{
	struct imap_fetch_att	 a;
	const struct fetch_row	*r;

	for (r = fetch_table; r->att != att || r->form != FORM_BARE; r++)
		;
	memset(&a, 0, sizeof(a));
	a.att = att;
	a.name = r->name;
	a.needs = r->needs;
	a.peek = r->peek;
	return fetch_add(s, f, &a);
}

/* sections */

/* Characters that a field's name may have (RFC 5322, 2.2). */
static int
fetch_field_ok(const struct hstr *n)
{
	size_t	i;

	for (i = 0; i < n->len; i++)
		if (n->p[i] <= ' ' || n->p[i] >= 0x7f || n->p[i] == ':')
			return 0;
	return n->len > 0;
}

/* "(From To)" */
static int
fetch_fields(struct imap_scan *s, struct imap_section *sec)
{
	struct hstr	name[IMAP_FIELDS_MAX], *list;

	if (scan_char(s, '(') == -1)
		return -1;
	do {
		if (sec->nfields == IMAP_FIELDS_MAX)
			return scan_bad(s, "Too many header fields");
		if (scan_astring(s, &name[sec->nfields]) == -1)
			return -1;
		if (!fetch_field_ok(&name[sec->nfields]))
			return scan_bad(s, "Invalid header field name");
		sec->nfields++;
	} while (scan_accept(s, ' '));
	if ((list = scan_alloc(s, sec->nfields, sizeof(*list))) == NULL)
		return -1;
	memcpy(list, name, sec->nfields * sizeof(*list));
	sec->field = list;
	return scan_char(s, ')');
}

/* "1.2" and, unless that was all, the "." behind it. */
static int
fetch_parts(struct imap_scan *s, struct imap_section *sec)
{
	uint32_t	part[IMAP_PARTS_MAX], *list;
	int		c;

	do {
		c = scan_peek(s);
		if (c < '0' || c > '9')
			break;
		if (sec->nparts == IMAP_PARTS_MAX)
			return scan_bad(s, "Section is too deep");
		if (scan_nz_number(s, &part[sec->nparts]) == -1)
			return -1;
		sec->nparts++;
	} while (scan_accept(s, '.'));
	if (sec->nparts == 0)
		return 0;
	list = scan_alloc(s, sec->nparts, sizeof(*list));
	if (list == NULL)
		return -1;
	memcpy(list, part, sec->nparts * sizeof(*list));
	sec->part = list;
	return 0;
}

/* "HEADER.FIELDS (From)" and the like, with or without parts before. */
static int
fetch_section_text(struct imap_scan *s, struct imap_section *sec)
{
	size_t		pos = s->pos, i;
	struct hstr	w = scan_word(s);

	for (i = 0; i < NSECTIONS; i++)
		if (scan_is(&w, fetch_sections[i].name))
			break;
	if (i == NSECTIONS || (fetch_sections[i].part && sec->nparts == 0)) {
		s->pos = pos;
		return scan_bad(s, "Invalid section");
	}
	sec->what = fetch_sections[i].what;
	if (!fetch_sections[i].fields)
		return 0;
	return scan_sp(s) == -1 ? -1 : fetch_fields(s, sec);
}

static const char *
fetch_section_name(enum imap_section_what what)
{
	size_t	i;

	for (i = 0; i < NSECTIONS; i++)
		if (fetch_sections[i].what == what)
			return fetch_sections[i].name;
	return NULL;
}

/* imap_section.text */
static int
fetch_section_render(struct imap_scan *s, struct imap_section *sec)
{
	struct fetch_text	 t = { NULL, 0 };
	const char		*name = fetch_section_name(sec->what);
	char			 num[16];
	size_t			 i;

	t.p = scan_alloc(s, sec->nparts * 11 + 20, 1);
	if (t.p == NULL)
		return -1;
	for (i = 0; i < sec->nparts; i++) {
		snprintf(num, sizeof(num), i == 0 ? "%u" : ".%u",
		    sec->part[i]);
		text_adds(&t, num);
	}
	if (name != NULL) {
		if (sec->nparts > 0)
			text_adds(&t, ".");
		text_adds(&t, name);
	}
	sec->text = t.p;
	return 0;
}

/* "[...]" */
static int
fetch_section(struct imap_scan *s, struct imap_section *sec, int binary)
{
	sec->what = SECTION_ALL;
	if (scan_char(s, '[') == -1 || fetch_parts(s, sec) == -1)
		return -1;
	/* what stopped the parts is "]", or else text must follow */
	if (scan_peek(s) != ']' || s->buf[s->pos - 1] == '.') {
		if (binary || (sec->nparts > 0 && s->buf[s->pos - 1] != '.'))
			return scan_bad(s, "Invalid section");
		if (fetch_section_text(s, sec) == -1)
			return -1;
	}
	if (!scan_accept(s, ']'))
		return scan_bad(s, "Expected \"]\"");
	return fetch_section_render(s, sec);
}

int
scan_section(struct imap_scan *s, struct imap_section *sec)
{
	return fetch_section(s, sec, 0);
}

/* "<0.2048>" */
static int
fetch_partial(struct imap_scan *s, struct imap_fetch_att *a)
{
	if (!scan_accept(s, '<'))
		return 0;
	if (scan_number64(s, &a->offset) == -1)
		return -1;
	if (!scan_accept(s, '.'))
		return scan_bad(s, "Expected offset.count");
	if (scan_number64(s, &a->count) == -1)
		return -1;
	if (a->count == 0)
		return scan_bad(s, "Expected a count over 0");
	if (!scan_accept(s, '>'))
		return scan_bad(s, "Expected \">\"");
	a->partial = 1;
	return 0;
}

/* A field's name as the response repeats it: quoted if it is no astring. */
static void
fetch_field_render(struct fetch_text *t, const struct hstr *f)
{
	size_t	i;
	int	quote = 0;

	for (i = 0; i < f->len; i++)
		if (strchr("(){%*\"\\", f->p[i]) != NULL)
			quote = 1;
	if (!quote) {
		text_add(t, f->p, f->len);
		return;
	}
	text_adds(t, "\"");
	for (i = 0; i < f->len; i++) {
		if (f->p[i] == '"' || f->p[i] == '\\')
			text_adds(t, "\\");
		text_add(t, f->p + i, 1);
	}
	text_adds(t, "\"");
}

/* imap_fetch_att.name: "BODY[HEADER.FIELDS (From To)]<0>" */
static int
fetch_render(struct imap_scan *s, struct imap_fetch_att *a,
    const char *prefix)
{
	const struct imap_section	*sec = &a->section;
	struct fetch_text		 t = { NULL, 0 };
	char				 num[32];
	size_t				 i, size;

	size = strlen(prefix) + strlen(sec->text) + sizeof(num) + 8;
	for (i = 0; i < sec->nfields; i++)
		size += sec->field[i].len * 2 + 3;
	if ((t.p = scan_alloc(s, size, 1)) == NULL)
		return -1;
	text_adds(&t, prefix);
	text_adds(&t, "[");
	text_adds(&t, sec->text);
	for (i = 0; i < sec->nfields; i++) {
		text_adds(&t, i == 0 ? " (" : " ");
		fetch_field_render(&t, &sec->field[i]);
	}
	text_adds(&t, sec->nfields > 0 ? ")]" : "]");
	if (a->partial) {
		snprintf(num, sizeof(num), "<%llu>",
		    (unsigned long long)a->offset);
		text_adds(&t, num);
	}
	a->name = t.p;
	return 0;
}

/* Are all of these fields that a summary keeps with the envelope? */
static int
fetch_known_fields(const struct imap_section *sec)
{
	size_t	i;

	for (i = 0; i < sec->nfields; i++)
		if (header_id(sec->field[i].p, sec->field[i].len) ==
		    HEADER_NONE)
			return 0;
	return sec->what == SECTION_FIELDS;
}

static int
fetch_of_header(const struct imap_section *sec)
{
	return sec->nparts == 0 && (sec->what == SECTION_HEADER ||
	    sec->what == SECTION_FIELDS || sec->what == SECTION_FIELDS_NOT);
}

/*
 * The header of a message may be answered from its summary alone; any other
 * piece of it is found by what the summary says of its structure.
 */
static uint32_t
fetch_needs(const struct fetch_row *r, const struct imap_section *sec)
{
	if ((r->needs & IMAP_NEED_CONTENT) == 0)
		return r->needs;
	if (fetch_of_header(sec))
		return IMAP_NEED_SUMMARY |
		    (fetch_known_fields(sec) ? 0 : IMAP_NEED_HEADER);
	if (sec->nparts == 0 && sec->what == SECTION_ALL)
		return r->needs;
	return r->needs | IMAP_NEED_SUMMARY;
}

/*
 * What may follow PREVIEW (RFC 8970, 6).  Behind an item that stands alone
 * the modifiers of FETCH may, too: then it is left to them.
 */
static int
fetch_preview(struct imap_scan *s, struct imap_fetch_att *a)
{
	size_t	pos = s->pos;

	a->name = "PREVIEW";
	if (!scan_accept(s, ' '))
		return 0;
	if (!scan_accept(s, '(') || !scan_accept_word(s, "LAZY")) {
		s->pos = pos;
		return 0;
	}
	a->lazy = 1;
	while (scan_accept(s, ' '))
		if (!scan_accept_word(s, "LAZY"))
			return scan_bad(s, "Unknown PREVIEW modifier");
	return scan_char(s, ')');
}

static int
fetch_item_section(struct imap_scan *s, const struct fetch_row *r,
    struct imap_fetch_att *a)
{
	if (r->form == FORM_PREVIEW)
		return fetch_preview(s, a);
	if (r->form == FORM_BARE) {
		a->name = r->name;
		if (r->att != ATT_SECTION)
			return 0;
		a->section.what = r->what;
		return fetch_section_render(s, &a->section);
	}
	if (fetch_section(s, &a->section, r->form != FORM_SECTION) == -1)
		return -1;
	if (r->form != FORM_BINARY_SIZE && fetch_partial(s, a) == -1)
		return -1;
	return fetch_render(s, a, r->prefix != NULL ? r->prefix : r->name);
}

static int
fetch_item(struct imap_scan *s, struct imap_fetch *f)
{
	struct imap_fetch_att	 a;
	const struct fetch_row	*r;
	size_t			 pos = s->pos, i;
	struct hstr		 w = scan_word(s);
	int			 section = scan_peek(s) == '[';

	for (i = 0; i < NFETCH; i++) {
		r = &fetch_table[i];
		if (scan_is(&w, r->name) && scan_offers(s, r->ext) &&
		    section == (r->form > FORM_PREVIEW))
			break;
	}
	if (i == NFETCH) {
		s->pos = pos;
		return scan_bad(s, "Unknown FETCH item");
	}
	memset(&a, 0, sizeof(a));
	a.att = r->att;
	a.peek = r->peek;
	if (fetch_item_section(s, r, &a) == -1)
		return -1;
	a.needs = fetch_needs(r, &a.section);
	return fetch_add(s, f, &a);
}

static int
fetch_macro(struct imap_scan *s, struct imap_fetch *f)
{
	size_t	i, k;

	for (i = 0; i < NMACROS; i++) {
		if (!scan_accept_word(s, fetch_macros[i].name))
			continue;
		for (k = 0; k < fetch_macros[i].n; k++)
			if (fetch_add_bare(s, f, fetch_macros[i].att[k]) == -1)
				return -1;
		return 1;
	}
	return 0;
}

static int
fetch_items(struct imap_scan *s, struct imap_fetch *f)
{
	int	r;

	if (!scan_accept(s, '(')) {
		if ((r = fetch_macro(s, f)) != 0)
			return r == 1 ? 0 : -1;
		return fetch_item(s, f);
	}
	do {
		if (fetch_item(s, f) == -1)
			return -1;
	} while (scan_accept(s, ' '));
	return scan_char(s, ')');
}

/* " (CHANGEDSINCE 7 VANISHED)" (RFC 7162, 3.1.4.1 and 3.2.6) */
static int
fetch_modifiers(struct imap_scan *s, struct imap_fetch *f)
{
	if (scan_char(s, '(') == -1)
		return -1;
	do {
		if (!f->has_changedsince &&
		    scan_accept_word(s, "CHANGEDSINCE")) {
			if (scan_sp(s) == -1 ||
			    scan_modseq(s, &f->changedsince) == -1)
				return -1;
			f->has_changedsince = 1;
		} else if (!f->vanished && s->cmd->uid &&
		    scan_offers(s, IMAP_EXT_QRESYNC) &&
		    scan_accept_word(s, "VANISHED"))
			f->vanished = 1;
		else
			return scan_bad(s, "Unknown FETCH modifier");
	} while (scan_accept(s, ' '));
	if (!f->has_changedsince)
		return scan_bad(s, "VANISHED needs CHANGEDSINCE");
	if (fetch_add_bare(s, f, ATT_MODSEQ) == -1)
		return -1;
	return scan_char(s, ')');
}

/*
 * No more items than this can be in the rest of the command, with those of
 * a macro, UID and MODSEQ.
 */
static size_t
fetch_items_max(const struct imap_scan *s)
{
	size_t	i, n = 8;

	for (i = s->pos; i < s->len && n < IMAP_ATTS_MAX; i++)
		if (s->buf[i] == ' ')
			n++;
	return n;
}

int
imapparse_fetch(struct imap_scan *s)
{
	struct imap_fetch	*f = &s->cmd->fetch;

	if (scan_sp(s) == -1 || scan_set(s, &f->set) == -1 ||
	    scan_sp(s) == -1)
		return -1;
	f->att = scan_alloc(s, fetch_items_max(s), sizeof(*f->att));
	if (f->att == NULL)
		return -1;
	if (s->cmd->uid && fetch_add_bare(s, f, ATT_UID) == -1)
		return -1;
	if (fetch_items(s, f) == -1)
		return -1;
	if (!scan_offers(s, IMAP_EXT_CONDSTORE) || !scan_accept(s, ' '))
		return 0;
	return fetch_modifiers(s, f);
}

/* STORE */

/* "(UNCHANGEDSINCE 7) " (RFC 7162, 3.1.3) */
static int
store_modifiers(struct imap_scan *s, struct imap_store *st)
{
	if (scan_char(s, '(') == -1)
		return -1;
	if (!scan_accept_word(s, "UNCHANGEDSINCE"))
		return scan_bad(s, "Unknown STORE modifier");
	if (scan_sp(s) == -1 || scan_number64(s, &st->unchangedsince) == -1 ||
	    scan_char(s, ')') == -1)
		return -1;
	st->has_unchangedsince = 1;
	return scan_sp(s);
}

/* "+FLAGS.SILENT" */
static int
store_op(struct imap_scan *s, struct imap_store *st)
{
	struct hstr	w;
	size_t		pos = s->pos;

	st->op = STORE_SET;
	if (scan_accept(s, '+'))
		st->op = STORE_ADD;
	else if (scan_accept(s, '-'))
		st->op = STORE_REMOVE;
	w = scan_word(s);
	st->silent = scan_is(&w, "FLAGS.SILENT");
	if (st->silent || scan_is(&w, "FLAGS"))
		return 0;
	s->pos = pos;
	return scan_bad(s, "Expected FLAGS, +FLAGS or -FLAGS");
}

int
imapparse_store(struct imap_scan *s)
{
	struct imap_store	*st = &s->cmd->store;

	if (scan_sp(s) == -1 || scan_set(s, &st->set) == -1 ||
	    scan_sp(s) == -1)
		return -1;
	if (scan_offers(s, IMAP_EXT_CONDSTORE) && scan_peek(s) == '(' &&
	    store_modifiers(s, st) == -1)
		return -1;
	if (store_op(s, st) == -1 || scan_sp(s) == -1)
		return -1;
	return scan_flag_list(s, &st->flags);
}
