/* SEARCH: its keys as a tree, and the tree as text. */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "ibuf.h"
#include "imapput.h"
#include "imapscan.h"
#include "json.h"

struct search_row {
	const char	*name;
	int		 (*args)(struct imap_scan *, const struct search_row *,
			    struct imap_key *);
	enum imap_key_type type;
	int		 neg;
	uint32_t	 needs;
	uint32_t	 flag;		/* KEY_FLAG */
	const char	*field;		/* KEY_HEADER under a name of its own */
	enum imap_ext	 ext;
};

/* Header fields that every summary has the answer for. */
static const char *const search_common_fields[] = {
	"Bcc", "Cc", "Date", "From", "In-Reply-To", "Message-ID",
	"References", "Reply-To", "Sender", "Subject", "To"
};

static struct imap_key *
search_new(struct imap_scan *s, enum imap_key_type type, uint32_t needs)
{
	struct imap_key	*k;

	if (s->cmd->search.nkeys == IMAP_KEYS_MAX) {
		scan_bad(s, "Too many search keys");
		return NULL;
	}
	if ((k = scan_alloc(s, 1, sizeof(*k))) == NULL)
		return NULL;
	s->cmd->search.nkeys++;
	k->type = type;
	k->needs = needs;
	return k;
}

/* The arguments of keys. */

static int
search_args_none(struct imap_scan *s, const struct search_row *r,
    struct imap_key *k)
{
	k->num = r->flag;
	return 0;
}

/* A text to look for: what is not ASCII is UTF-8 (imapparse_search()). */
static int
search_text(struct imap_scan *s, struct hstr *out)
{
	if (scan_sp(s) == -1 || scan_astring(s, out) == -1)
		return -1;
	if (!utf8_valid(out->p, out->len))
		return scan_bad(s, "Search text is not valid UTF-8");
	return 0;
}

static int
search_args_text(struct imap_scan *s, const struct search_row *r,
    struct imap_key *k)
{
	if (search_text(s, &k->str) == -1)
		return -1;
	if (k->str.len == 0) {
		/* nothing is found everywhere */
		k->type = KEY_ALL;
		k->needs = IMAP_NEED_MIRROR;
	}
	return 0;
}

static int
search_args_field(struct imap_scan *s, const struct search_row *r,
    struct imap_key *k)
{
	k->field.p = r->field;
	k->field.len = strlen(r->field);
	return search_text(s, &k->str);
}

static int
search_args_header(struct imap_scan *s, const struct search_row *r,
    struct imap_key *k)
{
	size_t	i;

	if (scan_sp(s) == -1 || scan_astring(s, &k->field) == -1)
		return -1;
	for (i = 0; i < k->field.len; i++)
		if (k->field.p[i] <= ' ' || k->field.p[i] >= 0x7f ||
		    k->field.p[i] == ':')
			break;
	if (k->field.len == 0 || i < k->field.len)
		return scan_bad(s, "Invalid header field name");
	k->needs = IMAP_NEED_CONTENT;
	for (i = 0; i < sizeof(search_common_fields) /
	    sizeof(search_common_fields[0]); i++)
		if (scan_is(&k->field, search_common_fields[i]))
			k->needs = IMAP_NEED_SUMMARY;
	return search_text(s, &k->str);
}

static int
search_args_keyword(struct imap_scan *s, const struct search_row *r,
    struct imap_key *k)
{
	if (scan_sp(s) == -1 || scan_atom(s, &k->str) == -1)
		return -1;
	if (flag_parse(k->str.p, k->str.len) != 0)
		return scan_bad(s, "Invalid keyword");
	return 0;
}

static int
search_args_date(struct imap_scan *s, const struct search_row *r,
    struct imap_key *k)
{
	size_t		pos;
	struct hstr	t;

	if (scan_sp(s) == -1)
		return -1;
	pos = s->pos;
	if ((scan_peek(s) == '"' ? scan_string(s, &t) :
	    scan_atom(s, &t)) == -1)
		return -1;
	if (rfcdate_parse_day(&k->day, t.p, t.len) == -1) {
		s->pos = pos;
		return scan_bad(s, "Invalid date");
	}
	return 0;
}

/* RFC 8474, 7 */
static int
search_args_objectid(struct imap_scan *s, const struct search_row *r,
    struct imap_key *k)
{
	size_t	pos, i;

	if (scan_sp(s) == -1)
		return -1;
	pos = s->pos;
	if (scan_atom(s, &k->str) == -1)
		return -1;
	for (i = 0; i < k->str.len; i++)
		if (!isalnum((unsigned char)k->str.p[i]) &&
		    k->str.p[i] != '-' && k->str.p[i] != '_')
			break;
	if (i == k->str.len && i <= IMAP_OBJECTID_MAX)
		return 0;
	s->pos = pos;
	return scan_bad(s, "Invalid object id");
}

static int
search_args_number(struct imap_scan *s, const struct search_row *r,
    struct imap_key *k)
{
	return scan_sp(s) == -1 ? -1 : scan_number64(s, &k->num);
}

static int
search_args_set(struct imap_scan *s, const struct search_row *r,
    struct imap_key *k)
{
	return scan_sp(s) == -1 ? -1 : scan_set(s, &k->set);
}

/*
 * MODSEQ ["/flags/\\Draft" all] 7: which flag it is about is ignored, as
 * the modseq is one for all metadata of a message (RFC 7162, 3.1.5).
 */
static int
search_args_modseq(struct imap_scan *s, const struct search_row *r,
    struct imap_key *k)
{
	struct hstr	name, type;

	s->cmd->search.modseq = 1;
	if (scan_sp(s) == -1)
		return -1;
	if (scan_peek(s) == '"') {
		if (scan_string(s, &name) == -1 || scan_sp(s) == -1 ||
		    scan_atom(s, &type) == -1 || scan_sp(s) == -1)
			return -1;
		if (name.len < 8 || strncasecmp(name.p, "/flags/", 7) != 0 ||
		    (!scan_is(&type, "all") && !scan_is(&type, "priv") &&
		    !scan_is(&type, "shared")))
			return scan_bad(s, "Invalid MODSEQ entry");
	}
	return scan_number64(s, &k->num);
}

/* NEW is RECENT UNSEEN. */
static int
search_args_new(struct imap_scan *s, const struct search_row *r,
    struct imap_key *k)
{
	struct imap_key	*unseen;

	if ((k->child = search_new(s, KEY_RECENT, IMAP_NEED_MIRROR)) == NULL ||
	    (unseen = search_new(s, KEY_FLAG, IMAP_NEED_MIRROR)) == NULL)
		return -1;
	unseen->num = FLAG_SEEN;
	unseen->neg = 1;
	k->child->next = unseen;
	return 0;
}

#define MIRROR	IMAP_NEED_MIRROR
#define ROW	IMAP_NEED_ROW
#define SUMMARY	IMAP_NEED_SUMMARY
#define CONTENT	IMAP_NEED_CONTENT

/* All keys but sets, groups, NOT and OR. */
static const struct search_row search_table[] = {
	{ "ALL", search_args_none, KEY_ALL, 0, MIRROR },
	{ "ANSWERED", search_args_none, KEY_FLAG, 0, MIRROR, FLAG_ANSWERED },
	{ "BCC", search_args_field, KEY_HEADER, 0, SUMMARY, 0, "Bcc" },
	{ "BEFORE", search_args_date, KEY_BEFORE, 0, ROW },
	{ "BODY", search_args_text, KEY_BODY, 0, CONTENT },
	{ "CC", search_args_field, KEY_HEADER, 0, SUMMARY, 0, "Cc" },
	{ "DELETED", search_args_none, KEY_FLAG, 0, MIRROR, FLAG_DELETED },
	{ "DRAFT", search_args_none, KEY_FLAG, 0, MIRROR, FLAG_DRAFT },
	{ "EMAILID", search_args_objectid, KEY_EMAILID, 0, ROW, 0, NULL,
	    IMAP_EXT_OBJECTID },
	{ "FLAGGED", search_args_none, KEY_FLAG, 0, MIRROR, FLAG_FLAGGED },
	{ "FROM", search_args_field, KEY_HEADER, 0, SUMMARY, 0, "From" },
	{ "HEADER", search_args_header, KEY_HEADER, 0, CONTENT },
	{ "KEYWORD", search_args_keyword, KEY_KEYWORD, 0, MIRROR },
	{ "LARGER", search_args_number, KEY_LARGER, 0, ROW },
	{ "MODSEQ", search_args_modseq, KEY_MODSEQ, 0, ROW, 0, NULL,
	    IMAP_EXT_CONDSTORE },
	{ "NEW", search_args_new, KEY_AND, 0, MIRROR },
	{ "OLD", search_args_none, KEY_RECENT, 1, MIRROR },
	{ "ON", search_args_date, KEY_ON, 0, ROW },
	{ "RECENT", search_args_none, KEY_RECENT, 0, MIRROR },
	{ "SAVEDATESUPPORTED", search_args_none, KEY_SAVEDATESUPPORTED, 0,
	    MIRROR, 0, NULL, IMAP_EXT_SAVEDATE },
	{ "SAVEDBEFORE", search_args_date, KEY_SAVEDBEFORE, 0, ROW, 0, NULL,
	    IMAP_EXT_SAVEDATE },
	{ "SAVEDON", search_args_date, KEY_SAVEDON, 0, ROW, 0, NULL,
	    IMAP_EXT_SAVEDATE },
	{ "SAVEDSINCE", search_args_date, KEY_SAVEDSINCE, 0, ROW, 0, NULL,
	    IMAP_EXT_SAVEDATE },
	{ "SEEN", search_args_none, KEY_FLAG, 0, MIRROR, FLAG_SEEN },
	{ "SENTBEFORE", search_args_date, KEY_SENTBEFORE, 0, SUMMARY },
	{ "SENTON", search_args_date, KEY_SENTON, 0, SUMMARY },
	{ "SENTSINCE", search_args_date, KEY_SENTSINCE, 0, SUMMARY },
	{ "SINCE", search_args_date, KEY_SINCE, 0, ROW },
	{ "SMALLER", search_args_number, KEY_SMALLER, 0, ROW },
	{ "SUBJECT", search_args_field, KEY_HEADER, 0, SUMMARY, 0,
	    "Subject" },
	{ "TEXT", search_args_text, KEY_TEXT, 0, CONTENT },
	{ "THREADID", search_args_objectid, KEY_THREADID, 0, ROW, 0, NULL,
	    IMAP_EXT_OBJECTID },
	{ "TO", search_args_field, KEY_HEADER, 0, SUMMARY, 0, "To" },
	{ "UID", search_args_set, KEY_UID, 0, MIRROR },
	{ "UNANSWERED", search_args_none, KEY_FLAG, 1, MIRROR,
	    FLAG_ANSWERED },
	{ "UNDELETED", search_args_none, KEY_FLAG, 1, MIRROR, FLAG_DELETED },
	{ "UNDRAFT", search_args_none, KEY_FLAG, 1, MIRROR, FLAG_DRAFT },
	{ "UNFLAGGED", search_args_none, KEY_FLAG, 1, MIRROR, FLAG_FLAGGED },
	{ "UNKEYWORD", search_args_keyword, KEY_KEYWORD, 1, MIRROR },
	{ "UNSEEN", search_args_none, KEY_FLAG, 1, MIRROR, FLAG_SEEN },
};
#define NSEARCH	(sizeof(search_table) / sizeof(search_table[0]))

static const struct search_row *
search_lookup(const struct imap_scan *s, const struct hstr *w)
{
	const struct search_row	*r;
	size_t			 i;

	for (i = 0; i < NSEARCH; i++) {
		r = &search_table[i];
		if (scan_is(w, r->name) && scan_offers(s, r->ext))
			return r;
	}
	return NULL;
}

/* The tree. */

static int	search_key(struct imap_scan *, struct imap_key **, int);

/* Children in the making, at most IMAP_KEYS_MAX in all. */
struct search_list {
	struct imap_key	*first;
	struct imap_key	**last;
	uint32_t	 n;
};

static void
search_list_init(struct search_list *l)
{
	l->first = NULL;
	l->last = &l->first;
	l->n = 0;
}

/* A child that is of its parent's kind gives its own children instead. */
static void
search_list_add(struct search_list *l, struct imap_key *k,
    enum imap_key_type parent)
{
	if (k->type == parent && !k->neg)
		k = k->child;
	*l->last = k;
	for (; k != NULL; k = k->next) {
		l->last = &k->next;
		l->n++;
	}
}

/* Which of the four kinds of needs is the dearest. */
static int
search_rank(const struct imap_key *k)
{
	if (k->needs & IMAP_NEED_CONTENT)
		return 3;
	if (k->needs & IMAP_NEED_SUMMARY)
		return 2;
	return k->needs & IMAP_NEED_ROW ? 1 : 0;
}

/*
 * Makes the children of a key: cheap ones first, otherwise as they came.
 * One child alone takes the key's place.
 */
static struct imap_key *
search_list_close(struct search_list *l, struct imap_key *k)
{
	struct search_list	 rank[4];
	struct imap_key		*c, *next;
	int			 i;

	if (l->n == 1)
		return l->first;
	for (i = 0; i < 4; i++)
		search_list_init(&rank[i]);
	for (c = l->first; c != NULL; c = next) {
		next = c->next;
		c->next = NULL;
		i = search_rank(c);
		*rank[i].last = c;
		rank[i].last = &c->next;
		k->needs |= c->needs;
	}
	/* an empty one's first is where the next one's goes, too */
	for (i = 2; i >= 0; i--)
		*rank[i].last = rank[i + 1].first;
	k->child = rank[0].first;
	return k;
}

/*
 * OR a OR b c, OR OR a b c: each OR in an operand's place takes that place
 * and wants two, so a chain of any length is one node, without recursion.
 */
static int
search_or(struct imap_scan *s, struct imap_key **out, int depth)
{
	struct search_list	 l;
	struct imap_key		*k, *or;
	uint32_t		 need = 2;

	if ((or = search_new(s, KEY_OR, 0)) == NULL)
		return -1;
	search_list_init(&l);
	while (need > 0) {
		if (scan_sp(s) == -1)
			return -1;
		if (scan_accept_word(s, "OR")) {
			if (++need > IMAP_KEYS_MAX)
				return scan_bad(s, "Too many search keys");
			continue;
		}
		if (search_key(s, &k, depth + 1) == -1)
			return -1;
		search_list_add(&l, k, KEY_OR);
		need--;
	}
	*out = search_list_close(&l, or);
	return 0;
}

/* Keys with spaces between them, to a ")" or the end. */
static int
search_and(struct imap_scan *s, struct imap_key **out, int depth)
{
	struct search_list	 l;
	struct imap_key		*k, *and;

	if ((and = search_new(s, KEY_AND, 0)) == NULL)
		return -1;
	search_list_init(&l);
	do {
		if (search_key(s, &k, depth) == -1)
			return -1;
		search_list_add(&l, k, KEY_AND);
	} while (scan_accept(s, ' '));
	*out = search_list_close(&l, and);
	return 0;
}

static int
search_group(struct imap_scan *s, struct imap_key **out, int depth)
{
	if (scan_char(s, '(') == -1 || search_and(s, out, depth + 1) == -1)
		return -1;
	return scan_char(s, ')');
}

static int
search_seq(struct imap_scan *s, struct imap_key **out)
{
	if ((*out = search_new(s, KEY_SEQ, IMAP_NEED_MIRROR)) == NULL)
		return -1;
	return scan_set(s, &(*out)->set);
}

static int
search_named(struct imap_scan *s, struct imap_key **out)
{
	const struct search_row	*r;
	size_t			 pos = s->pos;
	struct hstr		 w = scan_word(s);

	if ((r = search_lookup(s, &w)) == NULL) {
		s->pos = pos;
		return scan_bad(s, "Unknown search key");
	}
	if ((*out = search_new(s, r->type, r->needs)) == NULL)
		return -1;
	(*out)->neg = r->neg;
	return r->args(s, r, *out);
}

static int
search_key(struct imap_scan *s, struct imap_key **out, int depth)
{
	int	neg = 0, c, r;

	if (depth > IMAP_DEPTH_MAX)
		return scan_bad(s, "Search is nested too deep");
	while (scan_accept_word(s, "NOT")) {
		neg = !neg;
		if (scan_sp(s) == -1)
			return -1;
	}
	c = scan_peek(s);
	if (c == '(')
		r = search_group(s, out, depth);
	else if ((c >= '0' && c <= '9') || c == '*' || c == '$')
		r = search_seq(s, out);
	else if (scan_accept_word(s, "OR"))
		r = search_or(s, out, depth);
	else
		r = search_named(s, out);
	if (r == 0 && neg)
		(*out)->neg = !(*out)->neg;
	return r;
}

/* The command. */

static const struct {
	const char	*name;
	uint32_t	 bit;
	enum imap_ext	 ext;
} search_returns[] = {
	{ "ALL",	IMAP_RETURN_ALL,	IMAP_EXT_ESEARCH },
	{ "COUNT",	IMAP_RETURN_COUNT,	IMAP_EXT_ESEARCH },
	{ "MAX",	IMAP_RETURN_MAX,	IMAP_EXT_ESEARCH },
	{ "MIN",	IMAP_RETURN_MIN,	IMAP_EXT_ESEARCH },
	{ "SAVE",	IMAP_RETURN_SAVE,	IMAP_EXT_SEARCHRES },
};
#define NRETURNS	(sizeof(search_returns) / sizeof(search_returns[0]))

static int
search_return(struct imap_scan *s, uint32_t *ret)
{
	size_t		pos = s->pos, i;
	struct hstr	w = scan_word(s);

	for (i = 0; i < NRETURNS; i++) {
		if (scan_is(&w, search_returns[i].name) &&
		    scan_offers(s, search_returns[i].ext)) {
			*ret |= search_returns[i].bit;
			return 0;
		}
	}
	s->pos = pos;
	return scan_bad(s, "Unknown SEARCH return option");
}

/* "RETURN (MIN COUNT) "; an empty list means ALL (RFC 4731, 3.1) */
static int
search_returns_parse(struct imap_scan *s, struct imap_search *se,
    enum imap_ext ext)
{
	if (!scan_offers(s, ext) || !scan_accept_word(s, "RETURN"))
		return 0;
	se->esearch = 1;
	if (scan_sp(s) == -1 || scan_char(s, '(') == -1)
		return -1;
	if (scan_peek(s) != ')') {
		do {
			if (search_return(s, &se->ret) == -1)
				return -1;
		} while (scan_accept(s, ' '));
	}
	if (se->ret == 0)
		se->ret = IMAP_RETURN_ALL;
	return scan_char(s, ')') == -1 ? -1 : scan_sp(s);
}

/*
 * What is searched for is UTF-8 in here, and ASCII is UTF-8.  Clients that
 * send UTF-8 without a word are taken at their bytes.
 */
static int
search_charset(struct imap_scan *s)
{
	struct hstr	cs;

	if (scan_astring(s, &cs) == -1)
		return -1;
	if (!scan_is(&cs, "UTF-8") && !scan_is(&cs, "US-ASCII"))
		return scan_no(s, "[BADCHARSET (US-ASCII UTF-8)] "
		    "Unsupported character set");
	return scan_sp(s);
}

int
imapparse_search(struct imap_scan *s)
{
	struct imap_search	*se = &s->cmd->search;

	if (scan_sp(s) == -1 ||
	    search_returns_parse(s, se, IMAP_EXT_ESEARCH) == -1)
		return -1;
	if (scan_accept_word(s, "CHARSET") &&
	    (scan_sp(s) == -1 || search_charset(s) == -1))
		return -1;
	return search_and(s, &se->key, 0);
}

/* SORT and THREAD (RFC 5256, 5), where the character set must be said. */

static const struct {
	const char	*name;
	enum imap_ext	 ext;
} sort_names[IMAP_SORT_MAX] = {
	[SORT_ARRIVAL] = { "ARRIVAL", IMAP_EXT_SORT },
	[SORT_CC] = { "CC", IMAP_EXT_SORT },
	[SORT_DATE] = { "DATE", IMAP_EXT_SORT },
	[SORT_DISPLAYFROM] = { "DISPLAYFROM", IMAP_EXT_SORT_DISPLAY },
	[SORT_DISPLAYTO] = { "DISPLAYTO", IMAP_EXT_SORT_DISPLAY },
	[SORT_FROM] = { "FROM", IMAP_EXT_SORT },
	[SORT_SIZE] = { "SIZE", IMAP_EXT_SORT },
	[SORT_SUBJECT] = { "SUBJECT", IMAP_EXT_SORT },
	[SORT_TO] = { "TO", IMAP_EXT_SORT },
};

static const char *const thread_names[IMAP_THREAD_MAX] = {
	[THREAD_ORDEREDSUBJECT] = "ORDEREDSUBJECT",
	[THREAD_REFERENCES] = "REFERENCES",
};

const char *
imap_sort_name(enum imap_sort by)
{
	return sort_names[by].name;
}

const char *
imap_thread_name(enum imap_thread algorithm)
{
	return thread_names[algorithm];
}

/* Among those that are equal in a criterion it decides no more. */
static void
sort_add(struct imap_search *se, enum imap_sort by, int reverse)
{
	uint32_t	i;

	for (i = 0; i < se->nsort; i++)
		if (se->sort[i].by == by)
			return;
	se->sort[i].by = by;
	se->sort[i].reverse = reverse;
	se->nsort++;
}

static int
sort_criterion(struct imap_scan *s, struct imap_search *se)
{
	size_t		pos;
	struct hstr	w;
	int		i, reverse = scan_accept_word(s, "REVERSE");

	if (reverse && scan_sp(s) == -1)
		return -1;
	pos = s->pos;
	w = scan_word(s);
	for (i = 0; i < IMAP_SORT_MAX; i++) {
		if (!scan_is(&w, sort_names[i].name) ||
		    !scan_offers(s, sort_names[i].ext))
			continue;
		sort_add(se, (enum imap_sort)i, reverse);
		return 0;
	}
	s->pos = pos;
	return scan_bad(s, "Unknown sort criterion");
}

/* What is searched for, in the character set named first. */
static int
sort_keys(struct imap_scan *s, struct imap_search *se)
{
	if (scan_sp(s) == -1 || search_charset(s) == -1)
		return -1;
	return search_and(s, &se->key, 0);
}

int
imapparse_sort(struct imap_scan *s)
{
	struct imap_search	*se = &s->cmd->search;

	if (scan_sp(s) == -1 ||
	    search_returns_parse(s, se, IMAP_EXT_ESORT) == -1 ||
	    scan_char(s, '(') == -1)
		return -1;
	do {
		if (sort_criterion(s, se) == -1)
			return -1;
	} while (scan_accept(s, ' '));
	if (scan_char(s, ')') == -1)
		return -1;
	return sort_keys(s, se);
}

int
imapparse_thread(struct imap_scan *s)
{
	struct imap_search	*se = &s->cmd->search;
	size_t			 pos;
	struct hstr		 w;
	int			 i;

	if (scan_sp(s) == -1)
		return -1;
	pos = s->pos;
	w = scan_word(s);
	for (i = 0; i < IMAP_THREAD_MAX; i++)
		if (scan_is(&w, thread_names[i])) {
			se->thread = (enum imap_thread)i;
			return sort_keys(s, se);
		}
	s->pos = pos;
	return scan_bad(s, "Unknown threading algorithm");
}

/* The tree as text. */

static int
put_key_set(struct ibuf *b, const struct seqset *set)
{
	uint32_t	i;

	if (set->saved)
		return ibuf_add(b, "$", 1);
	for (i = 0; i < set->n; i++) {
		if (i > 0 && ibuf_add(b, ",", 1) == -1)
			return -1;
		if ((set->r[i].lo == SEQ_STAR ? ibuf_add(b, "*", 1) :
		    ibuf_addu(b, set->r[i].lo)) == -1)
			return -1;
		if (set->r[i].hi == set->r[i].lo)
			continue;
		if (ibuf_add(b, ":", 1) == -1 ||
		    (set->r[i].hi == SEQ_STAR ? ibuf_add(b, "*", 1) :
		    ibuf_addu(b, set->r[i].hi)) == -1)
			return -1;
	}
	return 0;
}

static int
put_key_args(struct ibuf *b, const struct imap_key *k)
{
	switch (k->type) {
	case KEY_SEQ:
		return put_key_set(b, &k->set);
	case KEY_UID:
		return ibuf_add(b, " ", 1) == -1 ? -1 :
		    put_key_set(b, &k->set);
	case KEY_KEYWORD:
	case KEY_EMAILID:
	case KEY_THREADID:
		return ibuf_add(b, " ", 1) == -1 ? -1 :
		    ibuf_add(b, k->str.p, k->str.len);
	case KEY_BODY:
	case KEY_TEXT:
		return ibuf_add(b, " ", 1) == -1 ? -1 :
		    imap_put_astring(b, k->str.p, k->str.len);
	case KEY_HEADER:
		if (ibuf_add(b, " ", 1) == -1 ||
		    imap_put_astring(b, k->field.p, k->field.len) == -1 ||
		    ibuf_add(b, " ", 1) == -1)
			return -1;
		return imap_put_astring(b, k->str.p, k->str.len);
	case KEY_BEFORE:
	case KEY_ON:
	case KEY_SINCE:
	case KEY_SAVEDBEFORE:
	case KEY_SAVEDON:
	case KEY_SAVEDSINCE:
	case KEY_SENTBEFORE:
	case KEY_SENTON:
	case KEY_SENTSINCE:
		return ibuf_add(b, " ", 1) == -1 ? -1 :
		    rfcdate_put_day(b, k->day);
	case KEY_LARGER:
	case KEY_SMALLER:
	case KEY_MODSEQ:
		return ibuf_add(b, " ", 1) == -1 ? -1 : ibuf_addu(b, k->num);
	default:
		return 0;
	}
}

/*
 * The row whose name says this key, and whether it takes its NOT with it
 * (UNSEEN).  KEY_HEADER is always HEADER; sets, AND and OR have no row.
 */
static const struct search_row *
put_key_row(const struct imap_key *k, int neg)
{
	const struct search_row	*r;
	size_t			 i;

	for (i = 0; i < NSEARCH; i++) {
		r = &search_table[i];
		if (r->type == k->type && r->neg == neg && r->field == NULL &&
		    (k->type != KEY_FLAG || r->flag == k->num))
			return r;
	}
	return NULL;
}

static int
put_key_name(struct ibuf *b, const struct imap_key *k)
{
	const struct search_row	*r = put_key_row(k, k->neg);

	if (r == NULL) {
		if (k->neg && ibuf_adds(b, "NOT ") == -1)
			return -1;
		r = put_key_row(k, 0);
	}
	return r != NULL ? ibuf_adds(b, r->name) : 0;
}

/* "(a b c)", "OR a OR b c" */
static int
put_key_children(struct ibuf *b, const struct imap_key *k)
{
	const struct imap_key	*c;

	if (k->neg && ibuf_adds(b, "NOT ") == -1)
		return -1;
	if (k->type == KEY_AND && ibuf_add(b, "(", 1) == -1)
		return -1;
	for (c = k->child; c != NULL; c = c->next) {
		if (k->type == KEY_OR && c->next != NULL &&
		    ibuf_adds(b, "OR ") == -1)
			return -1;
		if (imap_put_key(b, c) == -1)
			return -1;
		if (c->next != NULL && ibuf_add(b, " ", 1) == -1)
			return -1;
	}
	return k->type == KEY_AND ? ibuf_add(b, ")", 1) : 0;
}

int
imap_put_key(struct ibuf *b, const struct imap_key *k)
{
	if (k->type == KEY_AND || k->type == KEY_OR)
		return put_key_children(b, k);
	if (put_key_name(b, k) == -1)
		return -1;
	return put_key_args(b, k);
}
