#include <string.h>

#include "parser.h"
#include "units.h"

enum token_type {
	END,			/* no word here; the last of a table */
	WORD,			/* this one, or its beginning */
	ARG,			/* any word: the command's argument */
	COST,			/* a number */
	REST			/* all that follows is the command's own */
};

struct token {
	enum token_type		 type;
	const char		*word;		/* or what an argument is */
	enum ctl_action		 action;	/* NONE: more must follow */
	const struct token	*next;		/* NULL: nothing may follow */
};

static const struct token t_cost[] = {
	{ COST,	"cost",		CTL_ENCRYPT,		NULL },
	{ END,	NULL,		CTL_NONE,		NULL }
};

static const struct token t_encrypt[] = {
	{ WORD,	"-c",		CTL_NONE,		t_cost },
	{ END,	NULL,		CTL_NONE,		NULL }
};

static const struct token t_kick_session[] = {
	{ ARG,	"session",	CTL_KICK_SESSION,	NULL },
	{ END,	NULL,		CTL_NONE,		NULL }
};

static const struct token t_kick_user[] = {
	{ ARG,	"user",		CTL_KICK_USER,		NULL },
	{ END,	NULL,		CTL_NONE,		NULL }
};

static const struct token t_kick[] = {
	{ WORD,	"session",	CTL_NONE,		t_kick_session },
	{ WORD,	"user",		CTL_NONE,		t_kick_user },
	{ ARG,	"session",	CTL_KICK_SESSION,	NULL },
	{ END,	NULL,		CTL_NONE,		NULL }
};

static const struct token t_log[] = {
	{ WORD,	"brief",	CTL_LOG_BRIEF,		NULL },
	{ WORD,	"verbose",	CTL_LOG_VERBOSE,	NULL },
	{ END,	NULL,		CTL_NONE,		NULL }
};

static const struct token t_show[] = {
	{ WORD,	"sessions",	CTL_SHOW_SESSIONS,	NULL },
	{ WORD,	"stats",	CTL_SHOW_STATS,		NULL },
	{ WORD,	"storage",	CTL_SHOW_STORAGE,	NULL },
	{ END,	NULL,		CTL_NONE,		NULL }
};

static const struct token t_main[] = {
	{ REST,	"check",	CTL_CHECK,		NULL },
	{ WORD,	"encrypt",	CTL_ENCRYPT,		t_encrypt },
	{ WORD,	"kick",		CTL_NONE,		t_kick },
	{ WORD,	"log",		CTL_NONE,		t_log },
	{ WORD,	"reload",	CTL_RELOAD,		NULL },
	{ WORD,	"show",		CTL_NONE,		t_show },
	{ WORD,	"stop",		CTL_STOP,		NULL },
	{ END,	NULL,		CTL_NONE,		NULL }
};

static void
list_valid(const struct token *t, struct ibuf *errors)
{
	(void)ibuf_adds(errors, "valid here:\n");
	for (; t->type != END; t++)
		(void)ibuf_addf(errors, t->type == WORD ||
		    t->type == REST ? "  %s\n" : "  <%s>\n", t->word);
}

/*
 * The exact word, else the only one that begins so, else an argument.  One
 * that is empty or begins more than one word is no argument.
 */
static const struct token *
token_find(const struct token *table, const char *word, struct ibuf *errors)
{
	const struct token	*t, *found = NULL, *any = NULL;
	size_t			 len = strlen(word);
	int			 n = 0;

	for (t = table; t->type != END; t++) {
		if (t->type != WORD && t->type != REST) {
			any = t;
			continue;
		}
		if (len == 0 || strncmp(t->word, word, len) != 0)
			continue;
		if (t->word[len] == '\0')
			return t;
		found = t;
		n++;
	}
	if (n == 1)
		return found;
	if (n == 0 && any != NULL && len > 0)
		return any;
	(void)ibuf_addf(errors, "%s: \"%s\"\n", n > 1 ? "ambiguous" :
	    "unknown", word);
	list_valid(table, errors);
	return NULL;
}

static int
token_take(struct ctl_command *cmd, const struct token *t, const char *word,
    struct ibuf *errors)
{
	uint64_t n;

	cmd->action = t->action;
	if (t->type == ARG)
		cmd->arg = word;
	if (t->type != COST)
		return 0;
	if (units_parse(UNIT_COUNT, word, &n) == -1 || n < CTL_COST_MIN ||
	    n > CTL_COST_MAX) {
		(void)ibuf_addf(errors, "the cost must be a number between "
		    "%d and %d\n", CTL_COST_MIN, CTL_COST_MAX);
		return -1;
	}
	cmd->cost = (unsigned int)n;
	return 0;
}

int
ctl_parse(struct ctl_command *cmd, int argc, char *const *argv,
    struct ibuf *errors)
{
	const struct token	*table = t_main, *t;
	int			 i;

	memset(cmd, 0, sizeof(*cmd));
	cmd->cost = CTL_COST;
	for (i = 0; i < argc; i++) {
		if (table == NULL) {
			(void)ibuf_addf(errors, "nothing may follow \"%s\"\n",
			    argv[i - 1]);
			return -1;
		}
		if ((t = token_find(table, argv[i], errors)) == NULL ||
		    token_take(cmd, t, argv[i], errors) == -1)
			return -1;
		cmd->rest = i;
		if (t->type == REST)
			break;
		table = t->next;
	}
	if (cmd->action != CTL_NONE)
		return 0;
	(void)ibuf_adds(errors, "something is missing\n");
	list_valid(table, errors);
	return -1;
}
