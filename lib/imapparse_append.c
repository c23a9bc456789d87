/*
 * APPEND and REPLACE, with MULTIAPPEND and CATENATE: as many messages as
 * there are, each of one literal or of literals and URLs.  A command comes
 * in pieces, whose ends are the announcements of literals.
 */
#include <string.h>

#include "http.h"
#include "imapscan.h"
#include "listmatch.h"

/* items */

struct append_scan {
	struct imap_scan	 *s;
	struct imap_append	 *a;
	struct imap_append_item	**tail;
	unsigned		  n;
	int			  announced;	/* a literal: the end */
};

static void
append_start(struct append_scan *x, struct imap_scan *s)
{
	memset(x, 0, sizeof(*x));
	x->s = s;
	x->a = &s->cmd->append;
	x->tail = &x->a->item;
}

static struct imap_append_item *
append_item(struct append_scan *x, enum imap_append_what what)
{
	struct imap_append_item *it;

	if (x->n++ == IMAP_APPEND_MAX) {
		scan_bad(x->s, "Too many parts");
		return NULL;
	}
	if ((it = scan_alloc(x->s, 1, sizeof(*it))) == NULL)
		return NULL;
	it->what = what;
	*x->tail = it;
	x->tail = &it->next;
	return it;
}

static int
append_literal(struct append_scan *x)
{
	struct imap_append_item *it;

	if ((it = append_item(x, APPEND_TEXT)) == NULL ||
	    scan_message(x->s, &it->literal) == -1)
		return -1;
	x->announced = 1;
	return scan_end(x->s);
}

static int
append_url(struct append_scan *x)
{
	struct imap_append_item *it;

	if ((it = append_item(x, APPEND_URL)) == NULL ||
	    scan_astring(x->s, &it->text) == -1)
		return -1;
	it->bad = scan_url(x->s, &it->text, &it->url) == -1;
	return 0;
}

/* "TEXT {5}" or "URL x", and so on to the ")" or to a literal. */
static int
append_parts(struct append_scan *x)
{
	struct imap_scan *s = x->s;

	x->a->open = 1;
	do {
		if (scan_accept_word(s, "TEXT"))
			return scan_sp(s) == -1 ? -1 : append_literal(x);
		if (!scan_accept_word(s, "URL"))
			return scan_bad(s, "Expected TEXT or URL");
		if (scan_sp(s) == -1 || append_url(x) == -1)
			return -1;
	} while (scan_accept(s, ' '));
	x->a->open = 0;
	return scan_char(s, ')');
}

static int
append_date(struct append_scan *x, struct imap_append_item *it)
{
	struct imap_scan	*s = x->s;
	size_t			 start = s->pos;
	struct hstr		 t;

	if (scan_string(s, &t) == -1)
		return -1;
	if (rfcdate_parse_imap(&it->date, t.p, t.len) == -1) {
		s->pos = start;
		return scan_bad(s, "Invalid date");
	}
	it->has_date = 1;
	return scan_sp(s);
}

static int
append_message(struct append_scan *x)
{
	struct imap_scan	*s = x->s;
	struct imap_append_item	*it;

	if (scan_sp(s) == -1 ||
	    (it = append_item(x, APPEND_MESSAGE)) == NULL)
		return -1;
	if (scan_peek(s) == '(' &&
	    (scan_flag_list(s, &it->flags) == -1 || scan_sp(s) == -1))
		return -1;
	if (scan_peek(s) == '"' && append_date(x, it) == -1)
		return -1;
	if (!scan_offers(s, IMAP_EXT_CATENATE) ||
	    !scan_accept_word(s, "CATENATE"))
		return append_literal(x);
	it->catenate = 1;
	if (scan_sp(s) == -1 || scan_char(s, '(') == -1)
		return -1;
	return append_parts(x);
}

/* More messages, to the end or to a literal. */
static int
append_rest(struct append_scan *x)
{
	struct imap_scan *s = x->s;

	while (!x->announced && s->pos < s->len) {
		if (s->cmd->verb != IMAP_APPEND ||
		    !scan_offers(s, IMAP_EXT_MULTIAPPEND))
			return scan_end(s);
		if (append_message(x) == -1)
			return -1;
	}
	x->a->whole = !x->announced;
	return 0;
}

int
imapparse_append_more(struct imap_scan *s, int open)
{
	struct append_scan x;

	append_start(&x, s);
	x.a->open = open;
	if (open && scan_accept(s, ')'))
		x.a->open = 0;
	else if (open && (scan_sp(s) == -1 || append_parts(&x) == -1))
		return -1;
	return append_rest(&x);
}

static int
append_to(struct imap_scan *s)
{
	struct append_scan x;

	append_start(&x, s);
	if (scan_sp(s) == -1 || scan_mailbox(s, &x.a->mailbox, 0) == -1 ||
	    append_message(&x) == -1)
		return -1;
	return append_rest(&x);
}

int
imapparse_append(struct imap_scan *s)
{
	return append_to(s);
}

int
imapparse_replace(struct imap_scan *s)
{
	struct seqset	*set = &s->cmd->append.set;
	struct seqrange	*r;
	uint32_t	 n = SEQ_STAR;

	if (scan_sp(s) == -1)
		return -1;
	set->star = scan_accept(s, '*');
	if (!set->star && scan_nz_number(s, &n) == -1)
		return -1;
	if ((r = scan_alloc(s, 1, sizeof(*r))) == NULL)
		return -1;
	r->lo = r->hi = n;
	set->r = r;
	set->n = 1;
	return append_to(s);
}

/* URLs */

/* Takes a word of a URL, whose letters are of any case. */
static int
url_accept(struct hstr *t, const char *word)
{
	struct hstr	w = { t->p, strlen(word) };

	if (t->len < w.len || !scan_is(&w, word))
		return 0;
	t->p += w.len;
	t->len -= w.len;
	return 1;
}

static int
url_number(struct hstr *t, uint64_t max, uint64_t *v)
{
	unsigned digit;

	if (t->len == 0 || *t->p < '0' || *t->p > '9')
		return -1;
	for (*v = 0; t->len > 0 && *t->p >= '0' && *t->p <= '9';
	    t->p++, t->len--) {
		digit = (unsigned)(*t->p - '0');
		if (*v > (max - digit) / 10)
			return -1;
		*v = *v * 10 + digit;
	}
	return 0;
}

static int
url_nz_number(struct hstr *t, uint32_t *v)
{
	uint64_t n;

	if (url_number(t, UINT32_MAX, &n) == -1 || n == 0)
		return -1;
	*v = (uint32_t)n;
	return 0;
}

/* Of these bytes the text, with a NUL. */
static char *
url_decode(struct imap_scan *s, const char *p, size_t len)
{
	char	*out;
	ssize_t	 n;

	if ((out = scan_alloc(s, len + 1, 1)) == NULL ||
	    (n = http_pct_decode(out, len, p, len)) == -1)
		return NULL;
	out[n] = '\0';
	return out;
}

/* Steps in the tree are no levels of a name (RFC 3986, 5.2.4). */
static int
url_has_steps(const char *name)
{
	size_t n;

	for (;; name += n + 1) {
		n = strcspn(name, "/");
		if ((n == 1 && name[0] == '.') ||
		    (n == 2 && name[0] == '.' && name[1] == '.'))
			return 1;
		if (name[n] == '\0')
			return 0;
	}
}

/*
 * "/Drafts;UIDVALIDITY=5" or "/Drafts", and the "/" behind; a ";" ends it,
 * none stands in a name.
 */
static int
url_mailbox(struct imap_scan *s, struct hstr *t, struct imap_url *u)
{
	const char	*end = memchr(t->p, ';', t->len), *p = t->p;
	size_t		 n;
	char		*name;

	if (end == NULL)
		return -1;
	u->relative = *p != '/';
	p += !u->relative;
	n = (size_t)(end - p);
	t->len -= (size_t)(end - t->p);
	t->p = end;
	if (n > 0 && url_accept(t, ";UIDVALIDITY=")) {
		if (url_nz_number(t, &u->uidvalidity) == -1 ||
		    !url_accept(t, "/"))
			return -1;
	} else if (n > 0 && p[--n] != '/')
		return -1;
	if ((name = url_decode(s, p, n)) == NULL)
		return -1;
	u->mailbox = name;
	if (n == 0)
		return u->relative ? 0 : -1;
	if (!u->relative)
		list_canon_inbox(name, strlen(name));
	return list_name_ok(name, strlen(name)) && !url_has_steps(name) ? 0 :
	    -1;
}

/* ";SECTION=1.2.MIME", to the end or to "/;". */
static int
url_section(struct imap_scan *s, struct hstr *t, struct imap_url *u)
{
	struct imap_scan	 sub;
	const char		*end = memchr(t->p, ';', t->len);
	size_t			 n = t->len, len;
	char			*text, *in;

	if (end != NULL) {
		n = (size_t)(end - t->p);
		if (n == 0 || t->p[n - 1] != '/')
			return -1;
		n--;
	}
	if ((text = url_decode(s, t->p, n)) == NULL)
		return -1;
	len = strlen(text);
	if (len == 0 || (in = scan_alloc(s, len + 2, 1)) == NULL)
		return -1;
	in[0] = '[';
	memcpy(in + 1, text, len);
	in[len + 1] = ']';
	sub = *s;
	sub.buf = in;
	sub.len = len + 2;
	sub.pos = 0;
	t->p += n;
	t->len -= n;
	u->has_section = 1;
	return scan_section(&sub, &u->section) == -1 ? -1 : scan_end(&sub);
}

/* "5.10" or "5" */
static int
url_partial(struct hstr *t, struct imap_url *u)
{
	u->partial = 1;
	u->count = UINT64_MAX;
	if (url_number(t, INT64_MAX, &u->offset) == -1)
		return -1;
	if (!url_accept(t, "."))
		return 0;
	if (url_number(t, INT64_MAX, &u->count) == -1 || u->count == 0)
		return -1;
	return 0;
}

static int
url_parse(struct imap_scan *s, struct hstr t, struct imap_url *u)
{
	size_t i;

	if (t.len == 0 || t.len > IMAP_URL_MAX)
		return -1;
	for (i = 0; i < t.len; i++)
		if (t.p[i] <= ' ' || t.p[i] >= 0x7f || t.p[i] == '?')
			return -1;
	/* of another server: the base is this one (RFC 4469, 3) */
	for (i = 0; i < t.len && t.p[i] != '/' && t.p[i] != ';'; i++)
		if (t.p[i] == ':')
			return -1;
	if (url_accept(&t, "//") || url_mailbox(s, &t, u) == -1 ||
	    !url_accept(&t, ";UID=") || url_nz_number(&t, &u->uid) == -1)
		return -1;
	if (url_accept(&t, "/;SECTION=") && url_section(s, &t, u) == -1)
		return -1;
	if (url_accept(&t, "/;PARTIAL=") && url_partial(&t, u) == -1)
		return -1;
	return t.len == 0 ? 0 : -1;
}

int
scan_url(struct imap_scan *s, const struct hstr *text, struct imap_url *u)
{
	struct imap_cmd	*c = s->cmd;

	memset(u, 0, sizeof(*u));
	if (url_parse(s, *text, u) == 0)
		return 0;
	/* what is wrong is told by its own response code */
	c->error = NULL;
	c->errpos = 0;
	c->no = 0;
	return -1;
}
