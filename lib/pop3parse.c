#include <string.h>
#include <strings.h>

#include "json.h"
#include "pop3parse.h"

/* What is left of a line. */
struct pop3_line {
	const char	*p;
	size_t		 len;
};

static int
pop3_fail(struct pop3_cmd *c, const char *reply)
{
	c->reply = reply;
	return -1;
}

/* Takes the one space between two arguments; 0 if the line ends here. */
static int
pop3_space(struct pop3_line *l)
{
	if (l->len == 0 || *l->p != ' ')
		return 0;
	l->p++;
	l->len--;
	return 1;
}

/* The next word, printable; its length, 0 if there is none. */
static size_t
pop3_word(struct pop3_line *l, const char **w)
{
	size_t	n;

	*w = l->p;
	for (n = 0; n < l->len && l->p[n] != ' '; n++)
		;
	l->p += n;
	l->len -= n;
	return n;
}

static int
pop3_number(struct pop3_line *l, uint32_t *v)
{
	const char	*w;
	uint64_t	 n = 0;
	size_t		 len, i;

	if ((len = pop3_word(l, &w)) == 0)
		return -1;
	for (i = 0; i < len; i++) {
		if (w[i] < '0' || w[i] > '9')
			return -1;
		if ((n = n * 10 + (uint64_t)(w[i] - '0')) > UINT32_MAX)
			return -1;
	}
	*v = (uint32_t)n;
	return 0;
}

static int
pop3_args_none(struct pop3_cmd *c, struct pop3_line *l)
{
	return 0;
}

static int
pop3_args_msg(struct pop3_cmd *c, struct pop3_line *l)
{
	if (!pop3_space(l) || pop3_number(l, &c->msg) == -1 || c->msg == 0)
		return pop3_fail(c, "-ERR A message number is needed");
	return 0;
}

static int
pop3_args_optmsg(struct pop3_cmd *c, struct pop3_line *l)
{
	return l->len == 0 ? 0 : pop3_args_msg(c, l);
}

static int
pop3_args_top(struct pop3_cmd *c, struct pop3_line *l)
{
	if (pop3_args_msg(c, l) == -1)
		return -1;
	if (!pop3_space(l) || pop3_number(l, &c->lines) == -1)
		return pop3_fail(c, "-ERR A number of lines is needed");
	return 0;
}

/* All that is left, spaces too: passwords have them, and so do names. */
static int
pop3_args_rest(struct pop3_cmd *c, struct pop3_line *l)
{
	if (!pop3_space(l) || l->len == 0)
		return pop3_fail(c, "-ERR An argument is needed");
	c->arg = l->p;
	c->arglen = l->len;
	l->len = 0;
	return 0;
}

/* AUTH [mechanism [initial response]]; without any it lists mechanisms. */
static int
pop3_args_auth(struct pop3_cmd *c, struct pop3_line *l)
{
	if (!pop3_space(l))
		return 0;
	if ((c->arglen = pop3_word(l, &c->arg)) == 0)
		return pop3_fail(c, "-ERR A mechanism is needed");
	if (!pop3_space(l))
		return 0;
	if ((c->initiallen = pop3_word(l, &c->initial)) == 0)
		return pop3_fail(c, "-ERR The initial response is empty");
	if (c->initiallen == 1 && *c->initial == '=') {
		c->initial = "";
		c->initiallen = 0;
	}
	return 0;
}

static int
pop3_args_lang(struct pop3_cmd *c, struct pop3_line *l)
{
	if (pop3_space(l) && (c->arglen = pop3_word(l, &c->arg)) == 0)
		return pop3_fail(c, "-ERR A language is needed");
	return 0;
}

static int
pop3_args_apop(struct pop3_cmd *c, struct pop3_line *l)
{
	return pop3_fail(c, "-ERR APOP is not supported: it needs passwords "
	    "kept in the clear");
}

static const struct pop3_entry {
	const char	*name;
	enum pop3_verb	 verb;
	int		 opt;		/* POP3_OPT_* it takes, 0: always */
	int		 (*args)(struct pop3_cmd *, struct pop3_line *);
} pop3_table[] = {
	{ "APOP",	POP3_APOP,	0,		pop3_args_apop },
	{ "AUTH",	POP3_AUTH,	0,		pop3_args_auth },
	{ "CAPA",	POP3_CAPA,	0,		pop3_args_none },
	{ "DELE",	POP3_DELE,	0,		pop3_args_msg },
	{ "LANG",	POP3_LANG,	POP3_OPT_UTF8,	pop3_args_lang },
	{ "LIST",	POP3_LIST,	0,		pop3_args_optmsg },
	{ "NOOP",	POP3_NOOP,	0,		pop3_args_none },
	{ "PASS",	POP3_PASS,	0,		pop3_args_rest },
	{ "QUIT",	POP3_QUIT,	0,		pop3_args_none },
	{ "RETR",	POP3_RETR,	0,		pop3_args_msg },
	{ "RSET",	POP3_RSET,	0,		pop3_args_none },
	{ "STAT",	POP3_STAT,	0,		pop3_args_none },
	{ "STLS",	POP3_STLS,	0,		pop3_args_none },
	{ "TOP",	POP3_TOP,	0,		pop3_args_top },
	{ "UIDL",	POP3_UIDL,	0,		pop3_args_optmsg },
	{ "USER",	POP3_USER,	0,		pop3_args_rest },
	{ "UTF8",	POP3_UTF8,	POP3_OPT_UTF8,	pop3_args_none },
};

static const struct pop3_entry *
pop3_lookup(const char *name, size_t len, int opts)
{
	const struct pop3_entry	*e;
	size_t			 i;

	for (i = 0; i < sizeof(pop3_table) / sizeof(pop3_table[0]); i++) {
		e = &pop3_table[i];
		if (strlen(e->name) == len &&
		    strncasecmp(e->name, name, len) == 0)
			return (e->opt & ~opts) == 0 ? e : NULL;
	}
	return NULL;
}

/*
 * Printable characters only, 8-bit ones just where RFC 6856 has them: in
 * the arguments of USER and PASS, as UTF-8.  A password may have them
 * without that extension too: clients send what the user typed.
 */
static int
pop3_chars_ok(const char *p, size_t len, enum pop3_verb verb, int opts)
{
	size_t	i;
	int	high = 0;

	for (i = 0; i < len; i++) {
		if ((unsigned char)p[i] < ' ' || p[i] == 0x7f)
			return 0;
		if ((unsigned char)p[i] > 0x7f)
			high = 1;
	}
	if (!high)
		return 1;
	return (verb == POP3_PASS ||
	    (verb == POP3_USER && (opts & POP3_OPT_UTF8) != 0)) &&
	    utf8_valid(p, len);
}

int
pop3_parse(struct pop3_cmd *c, const char *line, size_t len, int opts)
{
	struct pop3_line		 l = { line, len };
	const struct pop3_entry		*e;
	const char			*w;
	size_t				 n;

	memset(c, 0, sizeof(*c));
	n = pop3_word(&l, &w);
	if ((e = pop3_lookup(w, n, opts)) == NULL)
		return pop3_fail(c, "-ERR Unknown command");
	c->verb = e->verb;
	if (len > (e->verb == POP3_AUTH ? POP3_AUTH_MAX : POP3_LINE_MAX) - 2)
		return pop3_fail(c, "-ERR Line too long");
	if (!pop3_chars_ok(line, len, e->verb, opts))
		return pop3_fail(c, "-ERR Invalid character");
	if (e->args(c, &l) == -1)
		return -1;
	/* some clients send a space behind the last argument */
	while (pop3_space(&l))
		;
	if (l.len > 0)
		return pop3_fail(c, "-ERR Too many arguments");
	return 0;
}
