#include <errno.h>
#include <string.h>
#include <strings.h>

#include "ibuf.h"
#include "imapscan.h"

/*
 * Extensions: capability name, and what comes with it (as a 0-ended list).
 */
static const struct imap_ext_entry {
	const char	*name;
	enum imap_ext	 implies[16];
} imap_ext_table[IMAP_EXT_MAX] = {
	[IMAP_EXT_BASE] = { "IMAP4rev1", { 0 } },
	[IMAP_EXT_BINARY] = { "BINARY", { 0 } },
	[IMAP_EXT_CATENATE] = { "CATENATE", { 0 } },
	[IMAP_EXT_CONDSTORE] = { "CONDSTORE", { 0 } },
	[IMAP_EXT_CREATE_SPECIAL_USE] = { "CREATE-SPECIAL-USE", { 0 } },
	[IMAP_EXT_ENABLE] = { "ENABLE", { 0 } },
	[IMAP_EXT_ESEARCH] = { "ESEARCH", { 0 } },
	[IMAP_EXT_ESORT] = { "ESORT", { IMAP_EXT_ESEARCH, IMAP_EXT_SORT, 0 } },
	[IMAP_EXT_ID] = { "ID", { 0 } },
	[IMAP_EXT_IDLE] = { "IDLE", { 0 } },
	[IMAP_EXT_LIST_EXTENDED] = { "LIST-EXTENDED", { 0 } },
	[IMAP_EXT_LIST_STATUS] = { "LIST-STATUS", { 0 } },
	[IMAP_EXT_METADATA] = { "METADATA", { 0 } },
	[IMAP_EXT_MOVE] = { "MOVE", { 0 } },
	[IMAP_EXT_MULTIAPPEND] = { "MULTIAPPEND", { 0 } },
	[IMAP_EXT_NAMESPACE] = { "NAMESPACE", { 0 } },
	[IMAP_EXT_OBJECTID] = { "OBJECTID", { 0 } },
	[IMAP_EXT_QRESYNC] = { "QRESYNC",
	    { IMAP_EXT_CONDSTORE, IMAP_EXT_ENABLE, 0 } },
	[IMAP_EXT_QUOTA] = { "QUOTA", { IMAP_EXT_STATUS_DELETED, 0 } },
	[IMAP_EXT_REPLACE] = { "REPLACE", { 0 } },
	[IMAP_EXT_SASL_IR] = { "SASL-IR", { 0 } },
	[IMAP_EXT_SAVEDATE] = { "SAVEDATE", { 0 } },
	[IMAP_EXT_SEARCHRES] = { "SEARCHRES", { IMAP_EXT_ESEARCH, 0 } },
	[IMAP_EXT_SORT] = { "SORT", { 0 } },
	[IMAP_EXT_SORT_DISPLAY] = { "SORT=DISPLAY", { IMAP_EXT_SORT, 0 } },
	[IMAP_EXT_SPECIAL_USE] = { "SPECIAL-USE", { 0 } },
	[IMAP_EXT_STATUS_DELETED] = { "STATUS=DELETED", { 0 } },
	[IMAP_EXT_STATUS_SIZE] = { "STATUS=SIZE", { 0 } },
	[IMAP_EXT_THREAD] = { "THREAD=REFERENCES", { 0 } },
	[IMAP_EXT_UIDPLUS] = { "UIDPLUS", { 0 } },
	[IMAP_EXT_UNSELECT] = { "UNSELECT", { 0 } },
	[IMAP_EXT_IMAP4REV2] = { "IMAP4rev2",
	    { IMAP_EXT_BINARY, IMAP_EXT_ENABLE, IMAP_EXT_ESEARCH,
	    IMAP_EXT_IDLE, IMAP_EXT_LIST_EXTENDED, IMAP_EXT_LIST_STATUS,
	    IMAP_EXT_MOVE, IMAP_EXT_NAMESPACE, IMAP_EXT_SASL_IR,
	    IMAP_EXT_SEARCHRES, IMAP_EXT_SPECIAL_USE,
	    IMAP_EXT_STATUS_DELETED, IMAP_EXT_STATUS_SIZE, IMAP_EXT_UIDPLUS,
	    IMAP_EXT_UNSELECT, 0 } },
};

void
imap_ext_add(struct imap_exts *x, enum imap_ext ext)
{
	const enum imap_ext	*e;

	x->w[ext / 64] |= (uint64_t)1 << ext % 64;
	for (e = imap_ext_table[ext].implies; *e != IMAP_EXT_BASE; e++)
		imap_ext_add(x, *e);
}

int
imap_ext_has(const struct imap_exts *x, enum imap_ext ext)
{
	return ext == IMAP_EXT_BASE ||
	    (x->w[ext / 64] & (uint64_t)1 << ext % 64) != 0;
}

enum imap_ext
imap_ext_lookup(const char *name, size_t len)
{
	struct hstr	w = { name, len };
	int		i;

	for (i = 0; i < IMAP_EXT_MAX; i++)
		if (scan_is(&w, imap_ext_table[i].name))
			break;
	return (enum imap_ext)i;
}

const char *
imap_ext_name(enum imap_ext ext)
{
	return imap_ext_table[ext].name;
}

/* commands that are so simple that they stand here */

static int
imapparse_none(struct imap_scan *s)
{
	return 0;
}

static int
imapparse_login(struct imap_scan *s)
{
	struct imap_login	*l = &s->cmd->login;

	if (scan_sp(s) == -1 || scan_astring(s, &l->user) == -1 ||
	    scan_sp(s) == -1)
		return -1;
	return scan_astring(s, &l->pass);
}

static int
is_base64(const struct hstr *t)
{
	size_t	i;

	for (i = 0; i < t->len; i++)
		if (memchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuv"
		    "wxyz0123456789+/=", t->p[i], 65) == NULL)
			return 0;
	return 1;
}

static int
imapparse_authenticate(struct imap_scan *s)
{
	struct imap_authenticate	*a = &s->cmd->authenticate;

	if (scan_sp(s) == -1 || scan_atom(s, &a->mech) == -1)
		return -1;
	if (!scan_offers(s, IMAP_EXT_SASL_IR) || !scan_accept(s, ' '))
		return 0;
	if (scan_atom(s, &a->initial) == -1)
		return -1;
	if (!is_base64(&a->initial))
		return scan_bad(s, "Initial response is not base64");
	if (scan_is(&a->initial, "="))
		a->initial.len = 0;
	return 0;
}

static int
imapparse_mailbox(struct imap_scan *s)
{
	if (scan_sp(s) == -1)
		return -1;
	return scan_mailbox(s, &s->cmd->mailbox.mailbox, 0);
}

static int
imapparse_rename(struct imap_scan *s)
{
	struct imap_rename	*r = &s->cmd->rename;

	if (scan_sp(s) == -1 || scan_mailbox(s, &r->from, 0) == -1 ||
	    scan_sp(s) == -1)
		return -1;
	return scan_mailbox(s, &r->to, 0);
}

static int
imapparse_copy(struct imap_scan *s)
{
	struct imap_copy	*c = &s->cmd->copy;

	if (scan_sp(s) == -1 || scan_set(s, &c->set) == -1 ||
	    scan_sp(s) == -1)
		return -1;
	return scan_mailbox(s, &c->mailbox, 0);
}

static int
imapparse_uid_expunge(struct imap_scan *s)
{
	if (scan_sp(s) == -1)
		return -1;
	return scan_set(s, &s->cmd->expunge.set);
}

static int
id_pairs(struct imap_scan *s, struct hstr *field, struct hstr *value)
{
	struct imap_id	*id = &s->cmd->id;

	id->field = field;
	id->value = value;
	do {
		if (id->n == IMAP_ID_MAX)
			return scan_bad(s, "Too many fields");
		if (scan_string(s, &field[id->n]) == -1 || scan_sp(s) == -1 ||
		    scan_nstring(s, &value[id->n]) == -1)
			return -1;
		id->n++;
	} while (scan_accept(s, ' '));
	return scan_char(s, ')');
}

static int
imapparse_id(struct imap_scan *s)
{
	struct hstr	*field, *value;

	if (scan_sp(s) == -1)
		return -1;
	if (scan_accept_word(s, "NIL"))
		return 0;
	if (scan_char(s, '(') == -1)
		return -1;
	if (scan_accept(s, ')'))
		return 0;
	field = scan_alloc(s, IMAP_ID_MAX, sizeof(*field));
	value = scan_alloc(s, IMAP_ID_MAX, sizeof(*value));
	if (field == NULL || value == NULL)
		return -1;
	return id_pairs(s, field, value);
}

static int
imapparse_enable(struct imap_scan *s)
{
	struct imap_enable	*e = &s->cmd->enable;
	struct hstr		*name;
	size_t			 max = 0, i;

	for (i = s->pos; i < s->len; i++)
		if (s->buf[i] == ' ')
			max++;
	if ((name = scan_alloc(s, max, sizeof(*name))) == NULL)
		return -1;
	e->name = name;
	do {
		if (scan_sp(s) == -1 || scan_atom(s, &name[e->n]) == -1)
			return -1;
		e->n++;
	} while (scan_peek(s) == ' ');
	return 0;
}

/*
 * All commands.  A row's name with "UID " in front is for that form.
 */
static const struct imap_entry {
	const char	*name;
	enum imap_verb	 verb;
	enum imap_ext	 ext;
	int		 (*parse)(struct imap_scan *);
} imap_table[] = {
	{ "APPEND",	 IMAP_APPEND, IMAP_EXT_BASE, imapparse_append },
	{ "AUTHENTICATE", IMAP_AUTHENTICATE, IMAP_EXT_BASE,
	    imapparse_authenticate },
	{ "CAPABILITY",	 IMAP_CAPABILITY, IMAP_EXT_BASE, imapparse_none },
	{ "CHECK",	 IMAP_CHECK, IMAP_EXT_BASE, imapparse_none },
	{ "CLOSE",	 IMAP_CLOSE, IMAP_EXT_BASE, imapparse_none },
	{ "COPY",	 IMAP_COPY, IMAP_EXT_BASE, imapparse_copy },
	{ "CREATE",	 IMAP_CREATE, IMAP_EXT_BASE, imapparse_create },
	{ "DELETE",	 IMAP_DELETE, IMAP_EXT_BASE, imapparse_mailbox },
	{ "ENABLE",	 IMAP_ENABLE, IMAP_EXT_ENABLE, imapparse_enable },
	{ "EXAMINE",	 IMAP_EXAMINE, IMAP_EXT_BASE, imapparse_select },
	{ "EXPUNGE",	 IMAP_EXPUNGE, IMAP_EXT_BASE, imapparse_none },
	{ "FETCH",	 IMAP_FETCH, IMAP_EXT_BASE, imapparse_fetch },
	{ "GETMETADATA", IMAP_GETMETADATA, IMAP_EXT_METADATA,
	    imapparse_getmetadata },
	{ "GETQUOTA",	 IMAP_GETQUOTA, IMAP_EXT_QUOTA, imapparse_getquota },
	{ "GETQUOTAROOT", IMAP_GETQUOTAROOT, IMAP_EXT_QUOTA,
	    imapparse_mailbox },
	{ "ID",		 IMAP_ID, IMAP_EXT_ID, imapparse_id },
	{ "IDLE",	 IMAP_IDLE, IMAP_EXT_IDLE, imapparse_none },
	{ "LIST",	 IMAP_LIST, IMAP_EXT_BASE, imapparse_list },
	{ "LOGIN",	 IMAP_LOGIN, IMAP_EXT_BASE, imapparse_login },
	{ "LOGOUT",	 IMAP_LOGOUT, IMAP_EXT_BASE, imapparse_none },
	{ "LSUB",	 IMAP_LSUB, IMAP_EXT_BASE, imapparse_lsub },
	{ "MOVE",	 IMAP_MOVE, IMAP_EXT_MOVE, imapparse_copy },
	{ "NAMESPACE",	 IMAP_NAMESPACE, IMAP_EXT_NAMESPACE, imapparse_none },
	{ "NOOP",	 IMAP_NOOP, IMAP_EXT_BASE, imapparse_none },
	{ "RENAME",	 IMAP_RENAME, IMAP_EXT_BASE, imapparse_rename },
	{ "REPLACE",	 IMAP_REPLACE, IMAP_EXT_REPLACE, imapparse_replace },
	{ "SEARCH",	 IMAP_SEARCH, IMAP_EXT_BASE, imapparse_search },
	{ "SELECT",	 IMAP_SELECT, IMAP_EXT_BASE, imapparse_select },
	{ "SETMETADATA", IMAP_SETMETADATA, IMAP_EXT_METADATA,
	    imapparse_setmetadata },
	{ "SETQUOTA",	 IMAP_SETQUOTA, IMAP_EXT_QUOTA, imapparse_setquota },
	{ "SORT",	 IMAP_SORT, IMAP_EXT_SORT, imapparse_sort },
	{ "STARTTLS",	 IMAP_STARTTLS, IMAP_EXT_BASE, imapparse_none },
	{ "STATUS",	 IMAP_STATUS, IMAP_EXT_BASE, imapparse_status },
	{ "STORE",	 IMAP_STORE, IMAP_EXT_BASE, imapparse_store },
	{ "SUBSCRIBE",	 IMAP_SUBSCRIBE, IMAP_EXT_BASE, imapparse_mailbox },
	{ "THREAD",	 IMAP_THREAD, IMAP_EXT_THREAD, imapparse_thread },
	{ "UID COPY",	 IMAP_COPY, IMAP_EXT_BASE, imapparse_copy },
	{ "UID EXPUNGE", IMAP_EXPUNGE, IMAP_EXT_UIDPLUS,
	    imapparse_uid_expunge },
	{ "UID FETCH",	 IMAP_FETCH, IMAP_EXT_BASE, imapparse_fetch },
	{ "UID MOVE",	 IMAP_MOVE, IMAP_EXT_MOVE, imapparse_copy },
	{ "UID REPLACE", IMAP_REPLACE, IMAP_EXT_REPLACE, imapparse_replace },
	{ "UID SEARCH",	 IMAP_SEARCH, IMAP_EXT_BASE, imapparse_search },
	{ "UID SORT",	 IMAP_SORT, IMAP_EXT_SORT, imapparse_sort },
	{ "UID STORE",	 IMAP_STORE, IMAP_EXT_BASE, imapparse_store },
	{ "UID THREAD",	 IMAP_THREAD, IMAP_EXT_THREAD, imapparse_thread },
	{ "UNSELECT",	 IMAP_UNSELECT, IMAP_EXT_UNSELECT, imapparse_none },
	{ "UNSUBSCRIBE", IMAP_UNSUBSCRIBE, IMAP_EXT_BASE, imapparse_mailbox },
};
#define IMAP_TABLE_LEN	(sizeof(imap_table) / sizeof(imap_table[0]))

static int
imap_entry_cmp(const void *key, const void *row)
{
	const struct hstr	*name = key;
	const struct imap_entry	*e = row;
	int			 c;

	if ((c = strncasecmp(name->p, e->name, name->len)) != 0)
		return c;
	return e->name[name->len] == '\0' ? 0 : -1;
}

static const struct imap_entry *
imap_lookup(const char *name, size_t len)
{
	struct hstr		 w = { name, len };
	const struct imap_entry	*e;
	size_t			 lo = 0, hi = IMAP_TABLE_LEN, mid;
	int			 c;

	/* the table is in the order of strcasecmp(3) */
	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		e = &imap_table[mid];
		if ((c = imap_entry_cmp(&w, e)) == 0)
			return e;
		if (c < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return NULL;
}

/* The command's name, "UID" and what follows it included. */
static const struct imap_entry *
imap_command(struct imap_scan *s)
{
	const struct imap_entry	*e;
	size_t			 start = s->pos;
	struct hstr		 w = scan_word(s);

	if (scan_is(&w, "UID") && scan_accept(s, ' ')) {
		s->cmd->uid = 1;
		w = scan_word(s);
		w.len += (size_t)(w.p - (s->buf + start));
		w.p = s->buf + start;
	}
	if (w.len == 0 || (e = imap_lookup(w.p, w.len)) == NULL ||
	    !scan_offers(s, e->ext)) {
		s->pos = start;
		scan_bad(s, "Unknown command");
		return NULL;
	}
	return e;
}

static void
scan_init(struct imap_scan *s, struct imap_cmd *cmd,
    const struct imap_parse_opts *opts, const char *buf, size_t len)
{
	memset(cmd, 0, sizeof(*cmd));
	memset(s, 0, sizeof(*s));
	s->cmd = cmd;
	s->opts = opts;
	s->buf = buf;
	s->len = len;
}

enum imap_result
imap_parse(struct imap_cmd *cmd, const struct imap_parse_opts *opts,
    const char *buf, size_t len)
{
	const struct imap_entry	*e;
	struct imap_scan	 s;

	scan_init(&s, cmd, opts, buf, len);
	if (scan_tag(&s, &cmd->tag) == -1 || scan_sp(&s) == -1 ||
	    (e = imap_command(&s)) == NULL)
		return IMAP_BAD;
	cmd->verb = e->verb;
	cmd->name = e->name;
	if (e->parse(&s) == 0 && scan_end(&s) == 0)
		return IMAP_OK;
	return s.want ? IMAP_WANT_LITERAL : IMAP_BAD;
}

enum imap_result
imap_parse_more(struct imap_cmd *cmd, const struct imap_parse_opts *opts,
    const char *buf, size_t len, enum imap_verb verb, int open)
{
	struct imap_scan s;

	scan_init(&s, cmd, opts, buf, len);
	cmd->verb = verb;
	if (imapparse_append_more(&s, open) == 0)
		return IMAP_OK;
	return s.want ? IMAP_WANT_LITERAL : IMAP_BAD;
}

int
imap_parse_tag(struct hstr *tag, const char *buf, size_t len)
{
	struct imap_cmd		 cmd;
	struct imap_scan	 s;

	scan_init(&s, &cmd, NULL, buf, len);
	return scan_tag(&s, tag);
}

int
imap_is_append(const char *buf, size_t len)
{
	struct imap_cmd		 cmd;
	struct imap_scan	 s;
	struct hstr		 tag;

	scan_init(&s, &cmd, NULL, buf, len);
	if (scan_tag(&s, &tag) == -1 || !scan_accept(&s, ' '))
		return 0;
	if (scan_accept_word(&s, "APPEND"))
		return scan_accept(&s, ' ');
	if (scan_accept_word(&s, "UID") && !scan_accept(&s, ' '))
		return 0;
	return scan_accept_word(&s, "REPLACE") && scan_accept(&s, ' ');
}

int
imap_is_done(const char *line, size_t len)
{
	struct hstr	w = { line, len };

	return scan_is(&w, "DONE");
}

int
imap_put_refusal(struct ibuf *b, const struct imap_cmd *cmd)
{
	if ((cmd->tag.p == NULL ? ibuf_add(b, "*", 1) :
	    ibuf_add(b, cmd->tag.p, cmd->tag.len)) == -1)
		return -1;
	if (cmd->no)
		return ibuf_addf(b, " NO %s\r\n", cmd->error);
	return ibuf_addf(b, " BAD %s (at %zu)\r\n",
	    cmd->error != NULL ? cmd->error : "Incomplete command",
	    cmd->errpos + 1);
}
