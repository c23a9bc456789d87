/*
 * A preview (RFC 8970): the beginning of the first text of a message, white
 * space collapsed; of HTML, what is shown.
 */
#include <stdlib.h>
#include <string.h>

#include "header_lex.h"
#include "json.h"
#include "summary_int.h"

#define PIECE	1024

enum html {
	HTML_TEXT,
	HTML_LT,		/* behind a '<' */
	HTML_TAG,		/* its name */
	HTML_ATTR,		/* the rest of it */
	HTML_BANG,		/* behind "<!" */
	HTML_COMMENT,
	HTML_ENTITY
};

/* Elements that are no border between words. */
static const char *const inline_tags[] = { "a", "abbr", "b", "big", "del",
    "em", "font", "i", "ins", "mark", "s", "small", "span", "strong", "sub",
    "sup", "tt", "u", "wbr", NULL };

/* Elements whose text is not shown. */
static const char *const hidden_tags[] = { "head", "script", "style",
    "template", "textarea", "title", NULL };

/* The names of U+00A0 to U+00FF in order, then some others. */
static const char *const latin1_names[] = {
	"nbsp", "iexcl", "cent", "pound", "curren", "yen", "brvbar", "sect",
	"uml", "copy", "ordf", "laquo", "not", "shy", "reg", "macr",
	"deg", "plusmn", "sup2", "sup3", "acute", "micro", "para", "middot",
	"cedil", "sup1", "ordm", "raquo", "frac14", "frac12", "frac34",
	"iquest", "Agrave", "Aacute", "Acirc", "Atilde", "Auml", "Aring",
	"AElig", "Ccedil", "Egrave", "Eacute", "Ecirc", "Euml", "Igrave",
	"Iacute", "Icirc", "Iuml", "ETH", "Ntilde", "Ograve", "Oacute",
	"Ocirc", "Otilde", "Ouml", "times", "Oslash", "Ugrave", "Uacute",
	"Ucirc", "Uuml", "Yacute", "THORN", "szlig", "agrave", "aacute",
	"acirc", "atilde", "auml", "aring", "aelig", "ccedil", "egrave",
	"eacute", "ecirc", "euml", "igrave", "iacute", "icirc", "iuml", "eth",
	"ntilde", "ograve", "oacute", "ocirc", "otilde", "ouml", "divide",
	"oslash", "ugrave", "uacute", "ucirc", "uuml", "yacute", "thorn",
	"yuml", NULL
};

static const struct {
	const char	*name;
	uint32_t	 cp;
} other_names[] = {
	{ "amp", '&' }, { "lt", '<' }, { "gt", '>' }, { "quot", '"' },
	{ "apos", '\'' }, { "OElig", 0x152 }, { "oelig", 0x153 },
	{ "Scaron", 0x160 }, { "scaron", 0x161 }, { "Yuml", 0x178 },
	{ "ensp", ' ' }, { "emsp", ' ' }, { "thinsp", ' ' },
	{ "zwnj", 0x200c }, { "zwj", 0x200d }, { "ndash", 0x2013 },
	{ "mdash", 0x2014 }, { "lsquo", 0x2018 }, { "rsquo", 0x2019 },
	{ "sbquo", 0x201a }, { "ldquo", 0x201c }, { "rdquo", 0x201d },
	{ "bdquo", 0x201e }, { "dagger", 0x2020 }, { "bull", 0x2022 },
	{ "hellip", 0x2026 }, { "lsaquo", 0x2039 }, { "rsaquo", 0x203a },
	{ "euro", 0x20ac }, { "trade", 0x2122 }, { "larr", 0x2190 },
	{ "rarr", 0x2192 }, { NULL, 0 }
};

void
preview_start(struct preview *pv)
{
	memset(pv, 0, sizeof(*pv));
	ibuf_init(&pv->utf8, PIECE * 4 + 256);
}

void
preview_fini(struct preview *pv)
{
	ibuf_fini(&pv->utf8);
}

/* what is shown */

static int
is_white(uint32_t cp)
{
	return cp <= ' ' || cp == 0x7f || (cp >= 0x80 && cp <= 0xa0) ||
	    (cp >= 0x2000 && cp <= 0x200a) || cp == 0x2028 || cp == 0x2029 ||
	    cp == 0x202f || cp == 0x205f || cp == 0x3000;
}

/* Some mail begins with a lot of these, to fill the preview of others. */
static int
is_unseen(uint32_t cp)
{
	return cp == 0xad || cp == 0x34f || (cp >= 0x200b && cp <= 0x200f) ||
	    (cp >= 0x202a && cp <= 0x202e) ||
	    (cp >= 0x2060 && cp <= 0x2064) || cp == 0xfeff;
}

static void
show(struct preview *pv, uint32_t cp)
{
	if (is_white(cp)) {
		pv->space = pv->chars > 0;
		return;
	}
	if (is_unseen(cp) || pv->done)
		return;
	if (pv->space && pv->chars == SUMMARY_PREVIEW - 1) {
		pv->done = 1;
		return;
	}
	if (pv->space) {
		pv->text[pv->len++] = ' ';
		pv->chars++;
	}
	pv->space = 0;
	pv->len += utf8_encode(pv->text + pv->len, cp);
	if (++pv->chars == SUMMARY_PREVIEW)
		pv->done = 1;
}

static int
in_list(const char *const *list, const char *word)
{
	for (; *list != NULL; list++)
		if (strcmp(*list, word) == 0)
			return 1;
	return 0;
}

/* HTML */

static void
html_tag(struct preview *pv)
{
	const char *name = pv->word;
	int close;

	pv->word[pv->nword] = '\0';
	close = *name == '/';
	name += close;
	if (pv->skip[0] != '\0') {
		if ((close && strcmp(name, pv->skip) == 0) ||
		    strcmp(name, "body") == 0)
			pv->skip[0] = '\0';
		return;
	}
	if (!close && in_list(hidden_tags, name))
		strlcpy(pv->skip, name, sizeof(pv->skip));
	if (!in_list(inline_tags, name))
		show(pv, ' ');
}

static uint32_t
entity_number(const char *p)
{
	uint32_t	v = 0;
	int		hex = lex_lower(*p) == 'x', d;

	for (p += hex; *p != '\0'; p++) {
		d = lex_hex(*p);
		if (d == -1 || (!hex && d > 9) || v > 0x10ffff)
			return 0;
		v = v * (hex ? 16 : 10) + (uint32_t)d;
	}
	return v > 0x10ffff || (v >= 0xd800 && v <= 0xdfff) ? 0 : v;
}

static uint32_t
entity_named(const char *name)
{
	int i;

	for (i = 0; other_names[i].name != NULL; i++)
		if (strcmp(other_names[i].name, name) == 0)
			return other_names[i].cp;
	for (i = 0; latin1_names[i] != NULL; i++)
		if (strcmp(latin1_names[i], name) == 0)
			return 0xa0 + (uint32_t)i;
	return 0;
}

/* An unknown entity is shown as it stands: then this returns 0. */
static int
html_entity(struct preview *pv)
{
	uint32_t	cp;
	size_t		i;

	pv->word[pv->nword] = '\0';
	cp = pv->word[0] == '#' ? entity_number(pv->word + 1) :
	    entity_named(pv->word);
	pv->state = HTML_TEXT;
	if (pv->skip[0] != '\0')
		return 0;
	if (cp != 0) {
		show(pv, cp);
		return 1;
	}
	show(pv, '&');
	for (i = 0; i < pv->nword; i++)
		show(pv, (uint32_t)pv->word[i]);
	return 0;
}

static int
is_word(uint32_t cp)
{
	return (cp >= 'a' && cp <= 'z') || (cp >= 'A' && cp <= 'Z') ||
	    (cp >= '0' && cp <= '9');
}

static void
html_text(struct preview *pv, uint32_t cp)
{
	pv->nword = 0;
	if (cp == '<')
		pv->state = HTML_LT;
	else if (cp == '&')
		pv->state = HTML_ENTITY;
	else if (pv->skip[0] == '\0')
		show(pv, cp);
}

static void
html_lt(struct preview *pv, uint32_t cp)
{
	if (cp == '!') {
		pv->state = HTML_BANG;
	} else if ((is_word(cp) && cp > '9') || cp == '/' || cp == '?') {
		pv->word[pv->nword++] = (char)lex_lower((char)cp);
		pv->state = HTML_TAG;
	} else {
		pv->state = HTML_TEXT;
		if (pv->skip[0] == '\0')
			show(pv, '<');
		html_text(pv, cp);
	}
}

static void
html_attr(struct preview *pv, uint32_t cp)
{
	if (pv->quote != 0) {
		if (cp == (uint32_t)pv->quote)
			pv->quote = 0;
	} else if (cp == '"' || cp == '\'')
		pv->quote = (char)cp;
	else if (cp == '>')
		pv->state = HTML_TEXT;
}

static void
html_name(struct preview *pv, uint32_t cp)
{
	if (is_word(cp)) {
		if (pv->nword < sizeof(pv->word) - 1)
			pv->word[pv->nword++] = (char)lex_lower((char)cp);
		return;
	}
	html_tag(pv);
	pv->quote = 0;
	pv->state = HTML_ATTR;
	html_attr(pv, cp);
}

/* "<!--" to "-->"; nword counts the dashes just seen. */
static void
html_bang(struct preview *pv, uint32_t cp)
{
	if (cp == '-') {
		if (pv->nword < 2)
			pv->nword++;
		if (pv->state == HTML_BANG && pv->nword == 2) {
			pv->state = HTML_COMMENT;
			pv->nword = 0;
		}
	} else if (cp == '>' && (pv->state == HTML_BANG || pv->nword == 2))
		pv->state = HTML_TEXT;
	else
		pv->nword = 0;
}

static void
html_ref(struct preview *pv, uint32_t cp)
{
	if ((is_word(cp) || (cp == '#' && pv->nword == 0)) &&
	    pv->nword < sizeof(pv->word) - 1) {
		pv->word[pv->nword++] = (char)cp;
		return;
	}
	if (!html_entity(pv) || cp != ';')
		html_text(pv, cp);
}

static void (*const html_states[])(struct preview *, uint32_t) = {
	[HTML_TEXT] = html_text,
	[HTML_LT] = html_lt,
	[HTML_TAG] = html_name,
	[HTML_ATTR] = html_attr,
	[HTML_BANG] = html_bang,
	[HTML_COMMENT] = html_bang,
	[HTML_ENTITY] = html_ref,
};

/* parts */

static int
is_attachment(const struct mime_part *part)
{
	const struct mime_field	*f;
	struct header_iter	 it;
	struct hstr		 disp;

	f = mime_field(part, HEADER_CONTENT_DISPOSITION);
	return f != NULL && header_token(&it, f->f.value.p, f->f.value.len,
	    &disp) && hstr_is(&disp, "attachment");
}

/* The conversion for a part's text, by its charset parameter. */
static const struct charset *
part_charset(const struct mime_part *part)
{
	const struct mime_field	*f = mime_field(part, HEADER_CONTENT_TYPE);
	const struct charset	*cs;
	struct ibuf		 name;

	if (f == NULL)
		return charset_find("", 0);
	ibuf_init(&name, 65536);
	cs = charset_find("", 0);
	if (header_param_get(&name, f->f.value.p, f->f.value.len,
	    "charset") == 1)
		cs = charset_find((char *)ibuf_data(&name),
		    ibuf_size(&name));
	ibuf_fini(&name);
	return cs;
}

/* A part's header has been read. */
int
preview_part(struct preview *pv, const struct mime_part *part)
{
	if (pv->done || pv->part != NULL || part->kind != MIME_LEAF ||
	    !hstr_is(&part->type, "text"))
		return 0;
	pv->html = hstr_is(&part->subtype, "html");
	if ((!pv->html && !hstr_is(&part->subtype, "plain")) ||
	    is_attachment(part))
		return 0;
	pv->part = part;
	pv->state = HTML_TEXT;
	pv->skip[0] = '\0';
	pv->space = 0;
	mime_decode_start(&pv->dec, part->encoding);
	charset_start(&pv->cv, part_charset(part));
	return 0;
}

static void
preview_text(struct preview *pv)
{
	const char	*p, *end;
	uint32_t	 cp;
	size_t		 n;

	if (ibuf_size(&pv->utf8) == 0)
		return;
	p = (char *)ibuf_data(&pv->utf8);
	end = p + ibuf_size(&pv->utf8);
	for (; p < end && !pv->done; p += n) {
		if ((n = utf8_decode(p, (size_t)(end - p), &cp)) == 0) {
			n = 1;
			continue;
		}
		if (pv->html)
			html_states[pv->state](pv, cp);
		else
			show(pv, cp);
	}
	ibuf_drain(&pv->utf8, ibuf_size(&pv->utf8));
}

int
preview_body(struct preview *pv, const char *p, size_t len)
{
	char	buf[PIECE + MIME_DECODE_SLACK];
	size_t	n, d;

	for (; len > 0 && !pv->done; p += n, len -= n) {
		n = len < PIECE ? len : PIECE;
		d = mime_decode(&pv->dec, p, n, buf);
		if (charset_feed(&pv->cv, buf, d, &pv->utf8) == -1)
			return -1;
		preview_text(pv);
	}
	return 0;
}

/* The part has ended; without any text in it, the next one is tried. */
int
preview_end(struct preview *pv)
{
	char	buf[MIME_DECODE_SLACK];
	size_t	d;

	pv->part = NULL;
	if (pv->done)
		return 0;
	d = mime_decode_finish(&pv->dec, buf);
	if (charset_feed(&pv->cv, buf, d, &pv->utf8) == -1 ||
	    charset_finish(&pv->cv, &pv->utf8) == -1)
		return -1;
	preview_text(pv);
	if (pv->html && pv->state == HTML_ENTITY)
		html_entity(pv);
	else if (pv->html && pv->state == HTML_LT && pv->skip[0] == '\0')
		show(pv, '<');
	pv->done = pv->chars > 0;
	return 0;
}
