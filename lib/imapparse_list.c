/* Commands about mailboxes: SELECT, CREATE, STATUS, LIST, LSUB. */
#include <string.h>

#include "imapscan.h"
#include "listmatch.h"

/* A word of a list, what it stands for, and which extension brought it. */
struct list_word {
	const char	*name;
	uint32_t	 bit;
	enum imap_ext	 ext;
};

static const struct list_word *
list_word_lookup(struct imap_scan *s, const struct list_word *t, size_t n,
    const char *unknown)
{
	size_t		pos = s->pos;
	struct hstr	w = scan_word(s);

	for (; n > 0; t++, n--)
		if (scan_is(&w, t->name) && scan_offers(s, t->ext))
			return t;
	s->pos = pos;
	scan_bad(s, unknown);
	return NULL;
}

/* SELECT, EXAMINE */

static int
qresync_match(struct imap_scan *s, struct imap_qresync *q)
{
	if (scan_char(s, '(') == -1 ||
	    scan_known_set(s, &q->match_seqs) == -1 || scan_sp(s) == -1 ||
	    scan_known_set(s, &q->match_uids) == -1)
		return -1;
	q->has_match = 1;
	return scan_char(s, ')');
}

/* "(uidvalidity modseq [known uids] [(seqs uids)])" */
static int
select_qresync(struct imap_scan *s, struct imap_select *sel)
{
	struct imap_qresync	*q = &sel->q;

	if (scan_sp(s) == -1 || scan_char(s, '(') == -1 ||
	    scan_nz_number(s, &q->uidvalidity) == -1 || scan_sp(s) == -1 ||
	    scan_modseq(s, &q->modseq) == -1)
		return -1;
	sel->qresync = sel->condstore = 1;
	if (scan_accept(s, ' ')) {
		if (scan_peek(s) != '(') {
			if (scan_known_set(s, &q->uids) == -1)
				return -1;
			q->has_uids = 1;
			if (scan_accept(s, ' ') && qresync_match(s, q) == -1)
				return -1;
		} else if (qresync_match(s, q) == -1)
			return -1;
	}
	return scan_char(s, ')');
}

static int
select_condstore(struct imap_scan *s, struct imap_select *sel)
{
	sel->condstore = 1;
	return 0;
}

static const struct {
	const char	*name;
	enum imap_ext	 ext;
	int		 (*parse)(struct imap_scan *, struct imap_select *);
} select_params[] = {
	{ "CONDSTORE",	IMAP_EXT_CONDSTORE,	select_condstore },
	{ "QRESYNC",	IMAP_EXT_QRESYNC,	select_qresync },
};
#define NSELECT_PARAMS	(sizeof(select_params) / sizeof(select_params[0]))

static int
select_param(struct imap_scan *s, struct imap_select *sel, uint32_t *seen)
{
	size_t		pos = s->pos, i;
	struct hstr	w = scan_word(s);

	for (i = 0; i < NSELECT_PARAMS; i++)
		if (scan_is(&w, select_params[i].name) &&
		    scan_offers(s, select_params[i].ext))
			break;
	if (i == NSELECT_PARAMS || (*seen & 1u << i) != 0) {
		s->pos = pos;
		return scan_bad(s, i == NSELECT_PARAMS ?
		    "Unknown SELECT parameter" : "Parameter given twice");
	}
	*seen |= 1u << i;
	return select_params[i].parse(s, sel);
}

int
imapparse_select(struct imap_scan *s)
{
	struct imap_select	*sel = &s->cmd->select;
	uint32_t		 seen = 0;

	if (scan_sp(s) == -1 || scan_mailbox(s, &sel->mailbox, 0) == -1)
		return -1;
	if (!scan_accept(s, ' '))
		return 0;
	if (scan_char(s, '(') == -1)
		return -1;
	do {
		if (select_param(s, sel, &seen) == -1)
			return -1;
	} while (scan_accept(s, ' '));
	return scan_char(s, ')');
}

/* CREATE */

static const struct {
	const char	*attr;
	const char	*role;
	uint32_t	 bit;
} list_uses[] = {
	{ "\\All",	 "all",		IMAP_USE_ALL },
	{ "\\Archive",	 "archive",	IMAP_USE_ARCHIVE },
	{ "\\Drafts",	 "drafts",	IMAP_USE_DRAFTS },
	{ "\\Flagged",	 "flagged",	IMAP_USE_FLAGGED },
	{ "\\Important", "important",	IMAP_USE_IMPORTANT },
	{ "\\Junk",	 "junk",	IMAP_USE_JUNK },
	{ "\\Sent",	 "sent",	IMAP_USE_SENT },
	{ "\\Trash",	 "trash",	IMAP_USE_TRASH },
};
#define NUSES	(sizeof(list_uses) / sizeof(list_uses[0]))

const char *
imap_use_role(uint32_t bit)
{
	size_t	i;

	for (i = 0; i < NUSES; i++)
		if (list_uses[i].bit == bit)
			return list_uses[i].role;
	return NULL;
}

const char *
imap_use_attr(const char *role)
{
	size_t	i;

	for (i = 0; i < NUSES; i++)
		if (strcmp(list_uses[i].role, role) == 0)
			return list_uses[i].attr;
	return NULL;
}

/* One that we do not know cannot be made, which is no syntax error. */
static int
create_use(struct imap_scan *s, uint32_t *use)
{
	struct hstr	w;
	size_t		i;

	if (scan_char(s, '\\') == -1 || scan_atom(s, &w) == -1)
		return -1;
	for (i = 0; i < NUSES; i++) {
		if (scan_is(&w, list_uses[i].attr + 1)) {
			*use |= list_uses[i].bit;
			return 0;
		}
	}
	return scan_no(s, "[USEATTR] Unknown special use");
}

/* "(USE (\Sent \Drafts))" */
static int
create_params(struct imap_scan *s, uint32_t *use)
{
	if (scan_char(s, '(') == -1)
		return -1;
	if (!scan_accept_word(s, "USE"))
		return scan_bad(s, "Unknown CREATE parameter");
	if (scan_sp(s) == -1 || scan_char(s, '(') == -1)
		return -1;
	if (scan_peek(s) != ')') {
		do {
			if (create_use(s, use) == -1)
				return -1;
		} while (scan_accept(s, ' '));
	}
	if (scan_char(s, ')') == -1)
		return -1;
	return scan_char(s, ')');
}

int
imapparse_create(struct imap_scan *s)
{
	struct imap_create	*c = &s->cmd->create;

	if (scan_sp(s) == -1 ||
	    scan_mailbox(s, &c->mailbox, SCAN_TRAILING) == -1)
		return -1;
	if (!scan_offers(s, IMAP_EXT_CREATE_SPECIAL_USE) ||
	    !scan_accept(s, ' '))
		return 0;
	return create_params(s, &c->use);
}

/* STATUS */

static const struct list_word status_items[] = {
	{ "DELETED",	IMAP_STATUS_DELETED,	IMAP_EXT_STATUS_DELETED },
	{ "DELETED-STORAGE", IMAP_STATUS_DELETED_STORAGE, IMAP_EXT_QUOTA },
	{ "HIGHESTMODSEQ", IMAP_STATUS_HIGHESTMODSEQ, IMAP_EXT_CONDSTORE },
	{ "MAILBOXID",	IMAP_STATUS_MAILBOXID,	IMAP_EXT_OBJECTID },
	{ "MESSAGES",	IMAP_STATUS_MESSAGES,	IMAP_EXT_BASE },
	{ "RECENT",	IMAP_STATUS_RECENT,	IMAP_EXT_BASE },
	{ "SIZE",	IMAP_STATUS_SIZE,	IMAP_EXT_STATUS_SIZE },
	{ "UIDNEXT",	IMAP_STATUS_UIDNEXT,	IMAP_EXT_BASE },
	{ "UIDVALIDITY", IMAP_STATUS_UIDVALIDITY, IMAP_EXT_BASE },
	{ "UNSEEN",	IMAP_STATUS_UNSEEN,	IMAP_EXT_BASE },
};
#define NSTATUS	(sizeof(status_items) / sizeof(status_items[0]))

const char *
imap_status_name(uint32_t bit)
{
	size_t	i;

	for (i = 0; i < NSTATUS; i++)
		if (status_items[i].bit == bit)
			return status_items[i].name;
	return NULL;
}

/* "(MESSAGES UNSEEN)" */
static int
status_list(struct imap_scan *s, uint32_t *items)
{
	const struct list_word	*w;

	if (scan_char(s, '(') == -1)
		return -1;
	do {
		w = list_word_lookup(s, status_items, NSTATUS,
		    "Unknown STATUS item");
		if (w == NULL)
			return -1;
		*items |= w->bit;
	} while (scan_accept(s, ' '));
	return scan_char(s, ')');
}

int
imapparse_status(struct imap_scan *s)
{
	struct imap_statuscmd	*st = &s->cmd->status;

	if (scan_sp(s) == -1 || scan_mailbox(s, &st->mailbox, 0) == -1 ||
	    scan_sp(s) == -1)
		return -1;
	return status_list(s, &st->items);
}

/* LIST, LSUB */

static const struct list_word list_select_opts[] = {
	{ "RECURSIVEMATCH", IMAP_LIST_RECURSIVEMATCH, IMAP_EXT_LIST_EXTENDED },
	{ "REMOTE",	 IMAP_LIST_REMOTE,	IMAP_EXT_LIST_EXTENDED },
	{ "SPECIAL-USE", IMAP_LIST_SPECIAL_USE,	IMAP_EXT_SPECIAL_USE },
	{ "SUBSCRIBED",	 IMAP_LIST_SUBSCRIBED,	IMAP_EXT_LIST_EXTENDED },
};

static const struct list_word list_return_opts[] = {
	{ "CHILDREN",	 IMAP_LIST_CHILDREN,	IMAP_EXT_LIST_EXTENDED },
	{ "SPECIAL-USE", IMAP_LIST_SPECIAL_USE,	IMAP_EXT_SPECIAL_USE },
	{ "STATUS",	 IMAP_LIST_STATUS,	IMAP_EXT_LIST_STATUS },
	{ "SUBSCRIBED",	 IMAP_LIST_SUBSCRIBED,	IMAP_EXT_LIST_EXTENDED },
};

#define NOPTS(t)	(sizeof(t) / sizeof((t)[0]))

/* Is any of LIST's longer syntax offered? */
static int
list_is_extended(const struct imap_scan *s)
{
	return scan_offers(s, IMAP_EXT_LIST_EXTENDED) ||
	    scan_offers(s, IMAP_EXT_LIST_STATUS) ||
	    scan_offers(s, IMAP_EXT_SPECIAL_USE);
}

/*
 * "(SUBSCRIBED REMOTE) ": what is selected by is also told.  RECURSIVEMATCH
 * means something only beside another selection (RFC 5258, 3.1).
 */
static int
list_select(struct imap_scan *s, struct imap_list *l)
{
	const struct list_word	*w;
	const uint32_t		 told = IMAP_LIST_SUBSCRIBED |
				    IMAP_LIST_SPECIAL_USE;

	if (!scan_accept(s, '('))
		return 0;
	l->extended = 1;
	if (scan_peek(s) != ')') {
		do {
			w = list_word_lookup(s, list_select_opts,
			    NOPTS(list_select_opts),
			    "Unknown LIST selection option");
			if (w == NULL)
				return -1;
			l->select |= w->bit;
		} while (scan_accept(s, ' '));
	}
	if ((l->select & IMAP_LIST_RECURSIVEMATCH) != 0 &&
	    (l->select & told) == 0)
		return scan_bad(s, "RECURSIVEMATCH needs another option");
	l->ret |= l->select & told;
	return scan_char(s, ')') == -1 ? -1 : scan_sp(s);
}

/* " RETURN (CHILDREN STATUS (UNSEEN))" */
static int
list_return(struct imap_scan *s, struct imap_list *l)
{
	const struct list_word	*w;

	if (!scan_accept(s, ' '))
		return 0;
	l->extended = 1;
	if (!scan_accept_word(s, "RETURN"))
		return scan_bad(s, "Expected RETURN");
	if (scan_sp(s) == -1 || scan_char(s, '(') == -1)
		return -1;
	if (scan_accept(s, ')'))
		return 0;
	do {
		w = list_word_lookup(s, list_return_opts,
		    NOPTS(list_return_opts), "Unknown LIST return option");
		if (w == NULL)
			return -1;
		l->ret |= w->bit;
		if (w->bit == IMAP_LIST_STATUS &&
		    (scan_sp(s) == -1 || status_list(s, &l->status) == -1))
			return -1;
	} while (scan_accept(s, ' '));
	return scan_char(s, ')');
}

/* One pattern, with the reference in front. */
static int
list_pattern(struct imap_scan *s, struct imap_list *l)
{
	struct hstr	 raw;
	char		*p, *joined;
	size_t		 len, size;

	if (l->npatterns == IMAP_PATTERNS_MAX)
		return scan_bad(s, "Too many patterns");
	if (scan_list_mailbox(s, &raw) == -1 ||
	    scan_decode(s, &raw, &p, &len) == -1)
		return -1;
	size = strlen(l->reference) + len + 1;
	if (size > LIST_PATTERN_MAX)
		return scan_bad(s, "Pattern too long");
	if ((joined = scan_alloc(s, size, 1)) == NULL)
		return -1;
	/* size has room for both, so this cannot fail */
	(void)list_join(joined, size, l->reference, p);
	l->root = !l->extended && len == 0;
	l->patterns[l->npatterns++] = joined;
	return 0;
}

static int
list_patterns(struct imap_scan *s, struct imap_list *l)
{
	size_t	max = IMAP_PATTERNS_MAX;
	int	several = list_is_extended(s) && scan_peek(s) == '(';

	l->patterns = scan_alloc(s, several ? max : 1, sizeof(*l->patterns));
	if (l->patterns == NULL)
		return -1;
	if (!several)
		return list_pattern(s, l);
	l->extended = 1;
	scan_accept(s, '(');
	do {
		if (list_pattern(s, l) == -1)
			return -1;
	} while (scan_accept(s, ' '));
	return scan_char(s, ')');
}

static int
list_reference(struct imap_scan *s, struct imap_list *l)
{
	struct hstr	 raw;
	char		*ref;
	size_t		 len;

	if (scan_astring(s, &raw) == -1 ||
	    scan_decode(s, &raw, &ref, &len) == -1)
		return -1;
	if (len >= LIST_PATTERN_MAX)
		return scan_bad(s, "Reference too long");
	l->reference = ref;
	return scan_sp(s);
}

int
imapparse_list(struct imap_scan *s)
{
	struct imap_list	*l = &s->cmd->list;

	if (scan_sp(s) == -1)
		return -1;
	if (list_is_extended(s) && list_select(s, l) == -1)
		return -1;
	if (list_reference(s, l) == -1 || list_patterns(s, l) == -1)
		return -1;
	return list_is_extended(s) ? list_return(s, l) : 0;
}

int
imapparse_lsub(struct imap_scan *s)
{
	struct imap_list	*l = &s->cmd->list;

	if (scan_sp(s) == -1 || list_reference(s, l) == -1)
		return -1;
	l->patterns = scan_alloc(s, 1, sizeof(*l->patterns));
	return l->patterns == NULL ? -1 : list_pattern(s, l);
}
