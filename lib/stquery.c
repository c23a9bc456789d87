#include <ctype.h>
#include <string.h>

#include "json.h"
#include "rfcdate.h"
#include "stquery.h"

static const struct {
	const char	*name;
	uint32_t	 bit;
} key_names[] = {
	{ "and",	STQUERY_AND },
	{ "before",	STQUERY_BEFORE },
	{ "body",	STQUERY_BODY },
	{ "header",	STQUERY_HEADER },
	{ "header:bcc",	STQUERY_BCC },
	{ "header:cc",	STQUERY_CC },
	{ "header:from", STQUERY_FROM },
	{ "header:subject", STQUERY_SUBJECT },
	{ "header:to",	STQUERY_TO },
	{ "larger",	STQUERY_LARGER },
	{ "not",	STQUERY_NOT },
	{ "on",		STQUERY_ON },
	{ "or",		STQUERY_OR },
	{ "savedbefore", STQUERY_SAVEDBEFORE },
	{ "savedon",	STQUERY_SAVEDON },
	{ "savedsince",	STQUERY_SAVEDSINCE },
	{ "sentbefore",	STQUERY_SENTBEFORE },
	{ "senton",	STQUERY_SENTON },
	{ "sentsince",	STQUERY_SENTSINCE },
	{ "since",	STQUERY_SINCE },
	{ "smaller",	STQUERY_SMALLER },
	{ "text",	STQUERY_TEXT },
};

struct put {
	struct ibuf		*b;
	const struct stquery_can *can;
	uint32_t		 nodes;
	uint32_t		 texts;
};

static int
is_name(const char *name, const char *p, size_t len)
{
	return strlen(name) == len && memcmp(name, p, len) == 0;
}

uint32_t
stquery_key(const char *p, size_t len)
{
	size_t i;

	for (i = 0; i < sizeof(key_names) / sizeof(key_names[0]); i++)
		if (is_name(key_names[i].name, p, len))
			return key_names[i].bit;
	return 0;
}

/* The names are IMAP's, in lower case. */
static int
is_lower(const char *name, const char *p, size_t len)
{
	size_t i;

	for (i = 0; i < len && name[i] != '\0'; i++)
		if (tolower((unsigned char)name[i]) != p[i])
			return 0;
	return i == len && name[i] == '\0';
}

uint32_t
stquery_sort(const char *p, size_t len)
{
	int i;

	for (i = 0; i < IMAP_SORT_MAX; i++)
		if (is_lower(imap_sort_name((enum imap_sort)i), p, len))
			return UINT32_C(1) << i;
	return 0;
}

uint32_t
stquery_thread(const char *p, size_t len)
{
	int i;

	for (i = 0; i < IMAP_THREAD_MAX; i++)
		if (is_lower(imap_thread_name((enum imap_thread)i), p, len))
			return UINT32_C(1) << i;
	return 0;
}

int
stquery_put_sort(struct ibuf *b, const struct imap_search *se)
{
	const char	*p;
	uint32_t	 i;

	for (i = 0; i < se->nsort; i++) {
		if ((i > 0 && ibuf_add_n8(b, ' ') == -1) ||
		    (se->sort[i].reverse && ibuf_add_n8(b, '-') == -1))
			return -1;
		for (p = imap_sort_name(se->sort[i].by); *p != '\0'; p++)
			if (ibuf_add_n8(b, (uint8_t)tolower(
			    (unsigned char)*p)) == -1)
				return -1;
	}
	return 0;
}

/* leaves */

static int
put_number(struct put *p, const char *name, const struct imap_key *k)
{
	return json_ku64(p->b, name, k->num);
}

static int
put_day(struct put *p, const char *name, const struct imap_key *k)
{
	struct rfcdate	d = { (int64_t)k->day * 86400, 0 };
	struct ibuf	b;
	int		r;

	ibuf_init(&b, 64);
	/* a day has ten characters */
	r = rfcdate_put_3339(&b, &d) == -1 || ibuf_size(&b) < 10 ||
	    json_key(p->b, name) == -1 ||
	    json_put_strn(p->b, (const char *)ibuf_data(&b), 10) == -1;
	ibuf_fini(&b);
	return r ? -1 : 0;
}

static int
put_text(struct put *p, const char *name, const struct imap_key *k)
{
	if (++p->texts > p->can->texts || k->str.len > STQUERY_STRING ||
	    json_key(p->b, name) == -1)
		return -1;
	return json_put_strn(p->b, k->str.p, k->str.len);
}

static int
put_header(struct put *p, const char *name, const struct imap_key *k)
{
	if (++p->texts > p->can->texts || k->str.len > STQUERY_STRING ||
	    k->field.len > STQUERY_STRING || json_key(p->b, name) == -1 ||
	    json_open(p->b, '[') == -1 ||
	    json_put_strn(p->b, k->field.p, k->field.len) == -1 ||
	    json_put_strn(p->b, k->str.p, k->str.len) == -1)
		return -1;
	return json_close(p->b, ']');
}

static const struct leaf {
	enum imap_key_type type;
	uint32_t	 bit;
	const char	*name;
	int		 (*put)(struct put *, const char *,
			    const struct imap_key *);
} leaves[] = {
	{ KEY_BEFORE,	STQUERY_BEFORE, "before",	put_day },
	{ KEY_ON,	STQUERY_ON,	"on",		put_day },
	{ KEY_SINCE,	STQUERY_SINCE,	"since",	put_day },
	{ KEY_LARGER,	STQUERY_LARGER,	"larger",	put_number },
	{ KEY_SMALLER,	STQUERY_SMALLER, "smaller",	put_number },
	{ KEY_SAVEDBEFORE, STQUERY_SAVEDBEFORE, "savedbefore", put_day },
	{ KEY_SAVEDON,	STQUERY_SAVEDON, "savedon",	put_day },
	{ KEY_SAVEDSINCE, STQUERY_SAVEDSINCE, "savedsince", put_day },
	{ KEY_SENTBEFORE, STQUERY_SENTBEFORE, "sentbefore", put_day },
	{ KEY_SENTON,	STQUERY_SENTON,	"senton",	put_day },
	{ KEY_SENTSINCE, STQUERY_SENTSINCE, "sentsince", put_day },
	{ KEY_HEADER,	STQUERY_HEADER,	"header",	put_header },
	{ KEY_BODY,	STQUERY_BODY,	"body",		put_text },
	{ KEY_TEXT,	STQUERY_TEXT,	"text",		put_text },
};

static const struct {
	const char	*field;
	uint32_t	 bit;
} field_bits[] = {
	{ "Bcc",	STQUERY_BCC },
	{ "Cc",		STQUERY_CC },
	{ "From",	STQUERY_FROM },
	{ "Subject",	STQUERY_SUBJECT },
	{ "To",		STQUERY_TO },
};

static int
leaf_known(const struct stquery_can *can, const struct leaf *l,
    const struct imap_key *k)
{
	size_t i;

	if (can->keys & l->bit)
		return 1;
	if (k->type != KEY_HEADER)
		return 0;
	for (i = 0; i < sizeof(field_bits) / sizeof(field_bits[0]); i++)
		if (hstr_is(&k->field, field_bits[i].field))
			return (can->keys & field_bits[i].bit) != 0;
	return 0;
}

static const struct leaf *
leaf_of(const struct put *p, const struct imap_key *k)
{
	size_t i;

	for (i = 0; i < sizeof(leaves) / sizeof(leaves[0]); i++)
		if (leaves[i].type == k->type)
			return leaf_known(p->can, &leaves[i], k) ?
			    &leaves[i] : NULL;
	return NULL;
}

static enum stquery_said
put_leaf(struct put *p, const struct imap_key *k, int neg, unsigned int depth)
{
	const struct leaf *l = leaf_of(p, k);

	if (l == NULL || (neg && (p->can->keys & STQUERY_NOT) == 0) ||
	    (p->nodes += neg ? 2 : 1) > p->can->nodes ||
	    depth + (neg != 0) > p->can->depth)
		return STQUERY_NONE;
	if (json_open(p->b, '{') == -1 ||
	    (neg && (json_key(p->b, "not") == -1 ||
	    json_open(p->b, '{') == -1)) ||
	    l->put(p, l->name, k) == -1 ||
	    (neg && json_close(p->b, '}') == -1) ||
	    json_close(p->b, '}') == -1)
		return STQUERY_NONE;
	return STQUERY_EXACT;
}

/* the tree: NOT is moved down to the leaves */

static enum stquery_said put_key(struct put *, const struct imap_key *, int,
			    unsigned int);

/* Of an AND without that word one part is more than the whole. */
static enum stquery_said
put_any(struct put *p, const struct imap_key *k, int neg, unsigned int depth)
{
	const struct imap_key *c;

	for (c = k->child; c != NULL; c = c->next)
		if (put_key(p, c, neg, depth) != STQUERY_NONE)
			return c == k->child && c->next == NULL ?
			    STQUERY_EXACT : STQUERY_MORE;
	return STQUERY_NONE;
}

/* What is not known makes an AND find more; an OR it makes find all. */
static enum stquery_said
put_children(struct put *p, const struct imap_key *k, int neg, int and,
    unsigned int depth)
{
	const struct imap_key	*c;
	enum stquery_said	 r, said = STQUERY_EXACT;
	int			 n = 0;

	for (c = k->child; c != NULL; c = c->next) {
		r = put_key(p, c, neg, depth + 1);
		if (r == STQUERY_NONE && !and)
			return STQUERY_NONE;
		n += r != STQUERY_NONE;
		if (r != STQUERY_EXACT)
			said = STQUERY_MORE;
	}
	return n > 0 ? said : STQUERY_NONE;
}

static enum stquery_said
put_join(struct put *p, const struct imap_key *k, int neg,
    unsigned int depth)
{
	enum stquery_said	said;
	int			and = (k->type == KEY_AND) != neg;

	if (and && (p->can->keys & STQUERY_AND) == 0)
		return put_any(p, k, neg, depth);
	if ((!and && (p->can->keys & STQUERY_OR) == 0) ||
	    ++p->nodes > p->can->nodes)
		return STQUERY_NONE;
	if (json_open(p->b, '{') == -1 ||
	    json_key(p->b, and ? "and" : "or") == -1 ||
	    json_open(p->b, '[') == -1)
		return STQUERY_NONE;
	said = put_children(p, k, neg, and, depth);
	if (said == STQUERY_NONE || json_close(p->b, ']') == -1 ||
	    json_close(p->b, '}') == -1)
		return STQUERY_NONE;
	return said;
}

/* What could not be said leaves no trace. */
static enum stquery_said
put_key(struct put *p, const struct imap_key *k, int neg, unsigned int depth)
{
	struct put		was = *p;
	size_t			size = ibuf_size(p->b);
	enum stquery_said	said;

	if (depth > p->can->depth || depth > STQUERY_DEPTH_MAX)
		return STQUERY_NONE;
	neg ^= k->neg;
	if (k->type == KEY_AND || k->type == KEY_OR)
		said = put_join(p, k, neg, depth);
	else
		said = put_leaf(p, k, neg, depth);
	if (said == STQUERY_NONE) {
		*p = was;
		ibuf_truncate(p->b, size);
	}
	return said;
}

enum stquery_said
stquery_put(struct ibuf *b, const struct imap_key *k,
    const struct stquery_can *can)
{
	struct put p = { b, can, 0, 0 };

	return put_key(&p, k, 0, 1);
}
