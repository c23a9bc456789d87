/*
 * The grammar of mfrontd.conf(5), and the words that it is made of.
 *
 * Text comes from a stack of sources: the file, what it includes, and
 * macros where they stand for themselves.  Strings live until the end of
 * the parse; what is kept of them is copied (conf_make.c).
 */
%{
#include <sys/types.h>
#include <sys/queue.h>
#include <ctype.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf_int.h"

#define FILE_MAX	(1024 * 1024)
#define WORD_MAX	4096
#define DEPTH_MAX	16		/* includes and macros in each other */
#define INCLUDES_MAX	256
#define LEX_AGAIN	-1		/* no token yet */

struct word {
	char		*s;
	struct word	*next;
};

static int		 yylex(void);
static void		 yyerror(const char *);
int			 yyparse(void);

static void		 macro_define(const char *, const char *, int);
static void		 source_include(const char *);
static struct word	*word_append(struct word *, char *);

static struct conf	*conf;
%}

%union {
	char		*str;
	struct word	*words;
	enum role	 role;
}

%token	ACCOUNT ADDRESS ALLOW AUTH BACKEND BAD BESTEFFORT BRIEF CA CACHE CERT
%token	CERTIFICATE CHECK CHROOT COMMAND COMMANDS CONNECTIONS CONNECTOR
%token	CONTROL DELAY DOMAINS EMBEDDED ENGINE FAILED FAILURE FILENAME FOR
%token	GROUP HASH HEALTH HOSTNAME IDLE IMAP INCLUDE INDEX KEY LIMITS LINE LISTEN
%token	LITERALS
%token	LMTP LOG LOGIN LOGINS LOOPBACK MESSAGE MODE MOUNT ON OWNER PER PLAINTEXT
%token	POLL POOL POP3 PORT PREFORK RECIPIENTS REQUIRED ROUTE RUNDIR SANDBOX
%token	SECOND SIZE SOCKET STARTTLS STDERR STORAGE STORE SYSLOG TIMEOUTS TLS TOKEN
%token	URL USER VERBOSE WAITING WITHOUT WORKERS WRITE
%token	NOT_A_WORD
%token	<str>	STRING
%type	<str>	optstring capability
%type	<words>	words wordlist
%type	<role>	proto role forked

%%

grammar		: /* empty */
		| grammar '\n'
		| grammar INCLUDE STRING '\n'	{ source_include($3); }
		| grammar statement '\n'
		| grammar error '\n'		{ yyerrok; }
		;

statement	: STRING '=' STRING		{ macro_define($1, $3, 0); }
		| listen
		| certificate
		| storage
		| route
		| mount
		| auth
		| LIMITS '{' limit_l '}'
		| TIMEOUTS '{' timeout_l '}'
		| PREFORK fork
		| PREFORK '{' fork_l '}'
		| LOG logopts
		| control
		| setting
		;

setting		: POLL STRING		{ make_number(NUM_POLL, $2); }
		| CHECK STRING		{ make_number(NUM_CHECK, $2); }
		| FAILURE DELAY STRING	{ make_number(NUM_DELAY, $3); }
		| CACHE STRING		{ make_number(NUM_CACHE, $2); }
		| POOL STRING		{ make_number(NUM_POOL, $2); }
		| HOSTNAME STRING	{ make_hostname($2); }
		| CHROOT STRING		{
			make_path(ONCE_CHROOT, &conf->chroot, "chroot", $2);
		}
		| RUNDIR STRING		{
			make_path(ONCE_RUNDIR, &conf->rundir, "rundir", $2);
		}
		| USER FOR role STRING	{ make_user($3, $4); }
		| SANDBOX REQUIRED	{
			if (make_once(ONCE_SANDBOX, "sandbox"))
				conf->sandbox = SANDBOX_REQUIRED;
		}
		| SANDBOX BESTEFFORT	{
			if (make_once(ONCE_SANDBOX, "sandbox"))
				conf->sandbox = SANDBOX_BEST_EFFORT;
		}
		| PLAINTEXT LOGIN ON LOOPBACK {
			if (make_once(ONCE_PLAIN, "plaintext login"))
				conf->plain_loopback = 1;
		}
		;

/* listeners */

listen		: LISTEN proto ON	{ make_listen_begin($2); }
		  target listenopts	{ make_listen_end(); }
		;

target		: STRING		{ make_listen_host($1); }
		| SOCKET STRING		{ make_listen_socket($2); }
		;

listenopts	: /* empty */
		| listenopts listenopt
		;

listenopt	: PORT STRING		{ make_listen_port($2); }
		| TLS			{ make_listen_tls(LISTEN_TLS); }
		| STARTTLS		{ make_listen_tls(LISTEN_STARTTLS); }
		| CERTIFICATE STRING	{ make_listen_cert($2); }
		| ALLOW words		{
			struct word *w;

			for (w = $2; w != NULL; w = w->next)
				make_listen_allow(w->s);
		}
		| sockopt
		;

sockopt		: OWNER STRING		{ make_socket_owner($2); }
		| GROUP STRING		{ make_socket_group($2); }
		| MODE STRING		{ make_socket_mode($2); }
		;

control		: CONTROL SOCKET	{ make_control_begin(); }
		  STRING sockopts	{ make_control_end($4); }
		;

sockopts	: /* empty */
		| sockopts sockopt
		;

proto		: IMAP			{ $$ = ROLE_IMAP; }
		| POP3			{ $$ = ROLE_POP3; }
		| LMTP			{ $$ = ROLE_LMTP; }
		;

forked		: proto
		| ENGINE		{ $$ = ROLE_ENGINE; }
		;

role		: forked
		| AUTH			{ $$ = ROLE_AUTH; }
		| HASH			{ $$ = ROLE_HASH; }
		| CONNECTOR		{ $$ = ROLE_CONNECTOR; }
		| CONTROL		{ $$ = ROLE_CONTROL; }
		| STORE			{ $$ = ROLE_STORE; }
		;

/* certificates, storages, accounts */

certificate	: CERTIFICATE optstring CERT STRING KEY STRING {
			make_cert($2, $4, $6);
		}
		;

storage		: STORAGE optstring	{ make_storage_begin($2); }
		  storagebody		{ make_storage_end(); }
		;

storagebody	: storageopts
		| '{' storageopt_l '}'
		;

storageopts	: storageopt
		| storageopts storageopt
		;

storageopt_l	: storageopt_o
		| storageopt_l sep storageopt_o
		;

storageopt_o	: /* empty */
		| storageopt
		| error
		;

storageopt	: EMBEDDED optstring	{ make_storage_dir($2); }
		| URL STRING		{ make_storage_url($2); }
		| TOKEN FILENAME STRING	{ make_storage_token($3); }
		| CA FILENAME STRING	{ make_storage_ca($3); }
		| CERTIFICATE CERT STRING KEY STRING {
			make_storage_cert($3, $5);
		}
		| INDEX STRING		{ make_storage_index($2, NULL); }
		| INDEX STRING SIZE STRING { make_storage_index($2, $4); }
		| HEALTH STRING		{ make_storage_health($2); }
		| WITHOUT capability	{ make_storage_without($2); }
		| WITHOUT '{' optnl capability_l '}'
		;

capability_l	: capability wordsep	{ make_storage_without($1); }
		| capability_l capability wordsep {
			make_storage_without($2);
		}
		;

/* some are words of the grammar elsewhere */
capability	: STRING
		| AUTH			{ $$ = "auth"; }
		| CACHE			{ $$ = "cache"; }
		| RECIPIENTS		{ $$ = "recipients"; }
		| WRITE			{ $$ = "write"; }
		;

route		: ROUTE STRING STORAGE STRING { make_route($2, $4); }
		;

mount		: MOUNT STRING		{ make_mount_begin($2); }
		  mountopts		{ make_mount_end(); }
		;

mountopts	: mountopt
		| mountopts mountopt
		;

mountopt	: FOR STRING		{ make_mount_for($2); }
		| STORAGE STRING	{ make_mount_storage($2); }
		| ACCOUNT STRING	{ make_mount_account($2); }
		;

auth		: AUTH FILENAME STRING	{ make_auth_file($3); }
		  domains
		| AUTH STORAGE optstring { make_auth_storage($3); }
		| AUTH WORKERS STRING	{ make_number(NUM_WORKERS, $3); }
		;

domains		: /* empty */
		| DOMAINS words		{
			struct word *w;

			for (w = $2; w != NULL; w = w->next)
				make_auth_domain(w->s);
		}
		;

/* numbers */

limit_l		: limit_o
		| limit_l sep limit_o
		;

limit_o		: /* empty */
		| limit
		| error
		;

limit		: CONNECTIONS STRING	{ make_number(NUM_CONN_TOTAL, $2); }
		| CONNECTIONS PER ADDRESS STRING {
			make_number(NUM_CONN_ADDRESS, $4);
		}
		| CONNECTIONS PER ACCOUNT STRING {
			make_number(NUM_CONN_ACCOUNT, $4);
		}
		| CONNECTIONS WAITING FOR LOGIN STRING {
			make_number(NUM_CONN_LOGIN, $5);
		}
		| MESSAGE SIZE STRING	{ make_number(NUM_MESSAGE, $3); }
		| LINE STRING		{ make_number(NUM_LINE, $2); }
		| LITERALS STRING	{ make_number(NUM_LITERAL, $2); }
		| RECIPIENTS STRING	{ make_number(NUM_RECIPIENTS, $2); }
		| RECIPIENTS PER SECOND STRING {
			make_number(NUM_RCPT_RATE, $4);
		}
		| BAD COMMANDS STRING	{ make_number(NUM_BADCMDS, $3); }
		| FAILED LOGINS STRING	{ make_number(NUM_FAILURES, $3); }
		;

timeout_l	: timeout_o
		| timeout_l sep timeout_o
		;

timeout_o	: /* empty */
		| timeout
		| error
		;

timeout		: LOGIN STRING		{ make_number(NUM_T_LOGIN, $2); }
		| IDLE STRING		{ make_number(NUM_T_IDLE, $2); }
		| COMMAND STRING	{ make_number(NUM_T_COMMAND, $2); }
		| WRITE STRING		{ make_number(NUM_T_WRITE, $2); }
		| BACKEND STRING	{ make_number(NUM_T_BACKEND, $2); }
		;

fork_l		: fork_o
		| fork_l sep fork_o
		;

fork_o		: /* empty */
		| fork
		| error
		;

fork		: forked STRING		{ make_prefork($1, $2); }
		;

/* the log */

logopts		: logopt
		| logopts logopt
		;

logopt		: SYSLOG		{
			if (make_once(ONCE_LOGDEST, "log syslog or stderr"))
				conf->logdest = LOG_TO_SYSLOG;
		}
		| STDERR		{
			if (make_once(ONCE_LOGDEST, "log syslog or stderr"))
				conf->logdest = LOG_TO_STDERR;
		}
		| BRIEF			{
			if (make_once(ONCE_VERBOSE, "log brief or verbose"))
				conf->verbose = 0;
		}
		| VERBOSE		{
			if (make_once(ONCE_VERBOSE, "log brief or verbose"))
				conf->verbose = 1;
		}
		;

/* words */

words		: STRING		{ $$ = word_append(NULL, $1); }
		| '{' optnl wordlist '}' { $$ = $3; }
		;

wordlist	: STRING wordsep	{ $$ = word_append(NULL, $1); }
		| wordlist STRING wordsep { $$ = word_append($1, $2); }
		;

wordsep		: optnl
		| ',' optnl
		;

optstring	: /* empty */		{ $$ = NULL; }
		| STRING
		;

optnl		: /* empty */
		| optnl '\n'
		;

sep		: ','
		| '\n'			{ yyerrok; }
		;

%%

struct pooled {
	SLIST_ENTRY(pooled)	 entry;
	char			 s[];
};

struct macro {
	const char		*name;
	const char		*value;
	int			 fixed;		/* from the command line */
	SLIST_ENTRY(macro)	 entry;
};

struct source {
	struct source		*up;
	const char		*name;		/* NULL: a macro */
	struct conf_data	 data;		/* of a file */
	const char		*text;
	size_t			 len;
	size_t			 pos;
	int			 line;
	int			 ended;
};

static SLIST_HEAD(, pooled)	 pool = SLIST_HEAD_INITIALIZER(pool);
static SLIST_HEAD(, macro)	 macros = SLIST_HEAD_INITIALIZER(macros);
static struct source		*source;
static int			 ndepth, nincludes;

/* The last token: where it was, and how it looked. */
static struct {
	const char	*file;
	int		 line;
	int		 badline;	/* complained of already */
	char		 text[64];
	int		 nerrors;	/* statements */
} last;

static const struct keyword {
	const char	*name;
	int		 token;
} keywords[] = {
	{ "account",	ACCOUNT },
	{ "address",	ADDRESS },
	{ "allow",	ALLOW },
	{ "auth",	AUTH },
	{ "backend",	BACKEND },
	{ "bad",	BAD },
	{ "best-effort", BESTEFFORT },
	{ "brief",	BRIEF },
	{ "ca",		CA },
	{ "cache",	CACHE },
	{ "cert",	CERT },
	{ "certificate", CERTIFICATE },
	{ "check",	CHECK },
	{ "chroot",	CHROOT },
	{ "command",	COMMAND },
	{ "commands",	COMMANDS },
	{ "connections", CONNECTIONS },
	{ "connector",	CONNECTOR },
	{ "control",	CONTROL },
	{ "delay",	DELAY },
	{ "domains",	DOMAINS },
	{ "embedded",	EMBEDDED },
	{ "engine",	ENGINE },
	{ "failed",	FAILED },
	{ "failure",	FAILURE },
	{ "file",	FILENAME },
	{ "for",	FOR },
	{ "group",	GROUP },
	{ "hash",	HASH },
	{ "health",	HEALTH },
	{ "hostname",	HOSTNAME },
	{ "idle",	IDLE },
	{ "imap",	IMAP },
	{ "include",	INCLUDE },
	{ "index",	INDEX },
	{ "key",	KEY },
	{ "limits",	LIMITS },
	{ "line",	LINE },
	{ "listen",	LISTEN },
	{ "literals",	LITERALS },
	{ "lmtp",	LMTP },
	{ "log",	LOG },
	{ "login",	LOGIN },
	{ "logins",	LOGINS },
	{ "loopback",	LOOPBACK },
	{ "message",	MESSAGE },
	{ "mode",	MODE },
	{ "mount",	MOUNT },
	{ "on",		ON },
	{ "owner",	OWNER },
	{ "per",	PER },
	{ "plaintext",	PLAINTEXT },
	{ "poll",	POLL },
	{ "pool",	POOL },
	{ "pop3",	POP3 },
	{ "port",	PORT },
	{ "prefork",	PREFORK },
	{ "recipients",	RECIPIENTS },
	{ "required",	REQUIRED },
	{ "route",	ROUTE },
	{ "rundir",	RUNDIR },
	{ "sandbox",	SANDBOX },
	{ "second",	SECOND },
	{ "size",	SIZE },
	{ "socket",	SOCKET },
	{ "starttls",	STARTTLS },
	{ "stderr",	STDERR },
	{ "storage",	STORAGE },
	{ "store",	STORE },
	{ "syslog",	SYSLOG },
	{ "timeouts",	TIMEOUTS },
	{ "tls",	TLS },
	{ "token",	TOKEN },
	{ "url",	URL },
	{ "user",	USER },
	{ "verbose",	VERBOSE },
	{ "waiting",	WAITING },
	{ "without",	WITHOUT },
	{ "workers",	WORKERS },
	{ "write",	WRITE },
};

const char *
parse_where(void)
{
	static char buf[CONF_PATH_MAX + 16];

	if (last.line == 0)
		return last.file;
	snprintf(buf, sizeof(buf), "%s:%d", last.file, last.line);
	return buf;
}

static void
yyerror(const char *msg)
{
	last.nerrors++;
	/* the lexer has said it already, and better */
	if (last.badline == last.line)
		return;
	if (last.text[0] != '\0')
		conf_bad("%s at \"%s\"", msg, last.text);
	else
		conf_bad("%s at the end of the line", msg);
}

/* One complaint a line: what follows in it only follows from it. */
static int
lex_bad(const char *what, const char *arg)
{
	if (last.badline != last.line)
		conf_bad("%s%s", what, arg);
	last.badline = last.line;
	return NOT_A_WORD;
}

/* strings and macros */

static void *
pool_alloc(size_t len)
{
	struct pooled *p;

	p = conf_alloc(sizeof(*p) + len);
	SLIST_INSERT_HEAD(&pool, p, entry);
	return p->s;
}

static char *
pool_strndup(const char *s, size_t len)
{
	char *p;

	p = pool_alloc(len + 1);
	memcpy(p, s, len);
	return p;
}

static struct word *
word_append(struct word *list, char *s)
{
	struct word *w, **end = &list;

	w = pool_alloc(sizeof(*w));
	w->s = s;
	while (*end != NULL)
		end = &(*end)->next;
	*end = w;
	return list;
}

static int
is_macro_start(int c)
{
	return isalpha(c) || c == '_';
}

static int
is_macro_char(int c)
{
	return isalnum(c) || c == '_';
}

static struct macro *
macro_find(const char *name)
{
	struct macro *m;

	SLIST_FOREACH(m, &macros, entry)
		if (strcmp(m->name, name) == 0)
			return m;
	return NULL;
}

static void
macro_define(const char *name, const char *value, int fixed)
{
	const char	*p;
	struct macro	*m;

	for (p = name; is_macro_char((unsigned char)*p); p++)
		continue;
	if (*p != '\0' || !is_macro_start((unsigned char)*name)) {
		conf_bad("macro \"%s\": a name is letters, digits and \"_\"",
		    name);
		return;
	}
	if ((m = macro_find(name)) != NULL) {
		if (!m->fixed)
			conf_bad("macro \"%s\" is defined a second time",
			    name);
		return;
	}
	m = pool_alloc(sizeof(*m));
	m->name = pool_strndup(name, strlen(name));
	m->value = pool_strndup(value, strlen(value));
	m->fixed = fixed;
	SLIST_INSERT_HEAD(&macros, m, entry);
}

static void
macro_define_all(const char *const *texts)
{
	const char	*eq;
	char		*name;

	for (; texts != NULL && *texts != NULL; texts++) {
		if ((eq = strchr(*texts, '=')) == NULL) {
			conf_bad_at("-D", "\"%s\" is not name=value", *texts);
			continue;
		}
		name = pool_strndup(*texts, (size_t)(eq - *texts));
		macro_define(name, eq + 1, 1);
	}
}

/* sources */

static struct source *
source_push(const char *name)
{
	struct source *s;

	s = conf_alloc(sizeof(*s));
	s->name = name;
	s->line = 1;
	s->up = source;
	source = s;
	ndepth++;
	return s;
}

static void
source_pop(void)
{
	struct source *s = source;

	source = s->up;
	ndepth--;
	conf_data_free(&s->data);
	free(s);
}

static int
source_file(const char *path)
{
	struct source		*s;
	struct conf_data	 data;

	memset(&data, 0, sizeof(data));
	if (conf_file_read(&data, "configuration", path, FILE_MAX,
	    CONF_PUBLIC) == -1) {
		conf_data_free(&data);
		return -1;
	}
	s = source_push(pool_strndup(path, strlen(path)));
	s->data = data;
	s->text = (const char *)data.data;
	s->len = data.len;
	return 0;
}

/* A relative name is one beside the file that says it. */
static void
source_include(const char *path)
{
	const struct source	*s;
	char			*copy, *full;

	copy = conf_strdup(last.file);
	if (path[0] == '/')
		full = conf_strdup(path);
	else if (asprintf(&full, "%s/%s", dirname(copy), path) == -1)
		fatal("configuration");
	for (s = source; s != NULL; s = s->up)
		if (s->name != NULL && strcmp(s->name, full) == 0)
			break;
	if (s != NULL)
		conf_bad("include: %s would include itself", full);
	else if (ndepth >= DEPTH_MAX)
		conf_bad("include: %s is included too deep", full);
	else if (++nincludes <= INCLUDES_MAX)
		(void)source_file(full);
	else if (nincludes == INCLUDES_MAX + 1)
		conf_bad("include: more than %d", INCLUDES_MAX);
	free(full);
	free(copy);
}

/* words */

static int
peek(void)
{
	/* a line that ends with a backslash goes on */
	while (source->len - source->pos >= 2 &&
	    source->text[source->pos] == '\\' &&
	    source->text[source->pos + 1] == '\n') {
		source->pos += 2;
		source->line++;
	}
	if (source->pos == source->len)
		return EOF;
	return (unsigned char)source->text[source->pos];
}

static int
next(void)
{
	int c = peek();

	if (c != EOF)
		source->pos++;
	if (c == '\n')
		source->line++;
	return c;
}

static void
skip_blanks(void)
{
	int c;

	while ((c = peek()) == ' ' || c == '\t' || c == '\r')
		next();
	if (c != '#')
		return;
	/* no backslash makes a comment longer */
	while (source->pos < source->len &&
	    source->text[source->pos] != '\n')
		source->pos++;
}

static int
keyword_compare(const void *name, const void *k)
{
	return strcmp(name, ((const struct keyword *)k)->name);
}

static int
is_word_char(int c)
{
	return c != EOF && (isalnum(c) || c >= 0x80 ||
	    strchr("!%*+-./:;?@[]^_~", c) != NULL) && c != '\0';
}

static int
lex_word(void)
{
	char			 buf[WORD_MAX];
	const struct keyword	*k;
	size_t			 n = 0;

	while (is_word_char(peek()) && n < sizeof(buf) - 1)
		buf[n++] = (char)next();
	buf[n] = '\0';
	strlcpy(last.text, buf, sizeof(last.text));
	if (n == sizeof(buf) - 1)
		return lex_bad("a word is too long", "");
	k = bsearch(buf, keywords, sizeof(keywords) / sizeof(keywords[0]),
	    sizeof(keywords[0]), keyword_compare);
	/* a macro may have any name */
	skip_blanks();
	if (k != NULL && peek() != '=')
		return k->token;
	yylval.str = pool_strndup(buf, n);
	return STRING;
}

/* Reads the name behind a "$". */
static const struct macro *
lex_macro_name(void)
{
	const struct macro	*m;
	char			 name[64];
	size_t			 n = 0;

	while (is_macro_char(peek()) && n < sizeof(name) - 1)
		name[n++] = (char)next();
	name[n] = '\0';
	if ((m = macro_find(name)) == NULL)
		lex_bad("no macro $", name);
	return m;
}

/* A macro outside quotes: its text is read as if it stood here. */
static int
lex_macro(void)
{
	const struct macro	*m;
	struct source		*s;

	strlcpy(last.text, "$", sizeof(last.text));
	if (!is_macro_start(peek()))
		return lex_bad("a \"$\" without a name", "");
	if ((m = lex_macro_name()) == NULL)
		return NOT_A_WORD;
	if (ndepth >= DEPTH_MAX)
		return lex_bad("too many macros in each other: $", m->name);
	s = source_push(NULL);
	s->text = m->value;
	s->len = strlen(m->value);
	return LEX_AGAIN;
}

struct string {
	char	 buf[WORD_MAX];
	size_t	 n;
	int	 overlong;
};

static void
string_add(struct string *s, const char *p, size_t len)
{
	if (len >= sizeof(s->buf) - s->n) {
		s->overlong = 1;
		return;
	}
	memcpy(s->buf + s->n, p, len);
	s->n += len;
}

static void
string_add_char(struct string *s, int c)
{
	char ch = (char)c;

	string_add(s, &ch, 1);
}

/* In double quotes "$name" is replaced, and a backslash protects. */
static void
string_special(struct string *s, int c)
{
	const struct macro *m;

	if (c == '\\' && strchr("\"\\$", peek()) != NULL && peek() != '\0')
		string_add_char(s, next());
	else if (c == '$' && is_macro_start(peek())) {
		if ((m = lex_macro_name()) != NULL)
			string_add(s, m->value, strlen(m->value));
	} else
		string_add_char(s, c);
}

static int
lex_string(int quote)
{
	struct string	s;
	int		c;

	s.n = 0;
	s.overlong = 0;
	strlcpy(last.text, "a string", sizeof(last.text));
	while ((c = peek()) != quote) {
		if (c == EOF || c == '\n')
			return lex_bad("a string does not end", "");
		if ((c < ' ' && c != '\t') || c == 0x7f)
			return lex_bad("a control character in a string", "");
		next();
		if (quote == '"' && (c == '\\' || c == '$'))
			string_special(&s, c);
		else
			string_add_char(&s, c);
	}
	next();
	if (s.overlong)
		return lex_bad("a string is too long", "");
	if (last.badline == last.line)
		return NOT_A_WORD;
	yylval.str = pool_strndup(s.buf, s.n);
	strlcpy(last.text, yylval.str, sizeof(last.text));
	return STRING;
}

/* Every file's end ends a line too; 0: all has been read. */
static int
lex_end(void)
{
	if (source->name == NULL) {
		source_pop();
		return LEX_AGAIN;
	}
	last.text[0] = '\0';
	if (source->up != NULL) {
		source_pop();
		return '\n';
	}
	if (source->ended++ == 0)
		return '\n';
	return 0;
}

static int
lex_token(int c)
{
	char text[2] = { (char)c, '\0' };

	next();
	if (c == '\n')
		text[0] = '\0';
	strlcpy(last.text, text, sizeof(last.text));
	if (c == '"' || c == '\'')
		return lex_string(c);
	if (c == '$')
		return lex_macro();
	if (strchr("\n=,{}", c) != NULL && c != '\0')
		return c;
	if (isprint(c))
		return lex_bad("unexpected character ", text);
	return lex_bad("unexpected control character", "");
}

static int
lex_one(void)
{
	int c;

	skip_blanks();
	if (source->name != NULL) {
		if (last.file != source->name || last.line != source->line)
			last.badline = 0;
		last.file = source->name;
		last.line = source->line;
	}
	if ((c = peek()) == EOF)
		return lex_end();
	if (is_word_char(c))
		return lex_word();
	return lex_token(c);
}

static int
yylex(void)
{
	int token;

	while ((token = lex_one()) == LEX_AGAIN)
		continue;
	return token;
}

static void
parse_forget(void)
{
	struct pooled *p;

	while (source != NULL)
		source_pop();
	SLIST_INIT(&macros);
	while ((p = SLIST_FIRST(&pool)) != NULL) {
		SLIST_REMOVE_HEAD(&pool, entry);
		free(p);
	}
}

int
parse_conf(struct conf *c, const char *const *texts)
{
	conf = c;
	memset(&last, 0, sizeof(last));
	last.file = c->file;
	ndepth = nincludes = 0;
	macro_define_all(texts);
	if (source_file(c->file) == -1)
		last.nerrors++;
	else if (yyparse() != 0 && last.nerrors == 0)
		last.nerrors++;
	parse_forget();
	/* what is said from now on is about the whole */
	last.file = c->file;
	last.line = 0;
	return last.nerrors;
}
