/*
 * The commands of mfrontctl(8): a table of words, each of which may be cut
 * short as long as no other begins so.  Pure: it prints nothing.
 */
#ifndef PARSER_H
#define PARSER_H

#include "ibuf.h"

enum ctl_action {
	CTL_NONE,
	CTL_CHECK,
	CTL_ENCRYPT,
	CTL_KICK_SESSION,
	CTL_KICK_USER,
	CTL_LOG_BRIEF,
	CTL_LOG_VERBOSE,
	CTL_RELOAD,
	CTL_SHOW_SESSIONS,
	CTL_SHOW_STATS,
	CTL_SHOW_STORAGE,
	CTL_STOP,
	CTL_MAX
};

struct ctl_command {
	enum ctl_action	 action;
	const char	*arg;		/* session or user, of kick */
	unsigned int	 cost;		/* of encrypt */
	int		 rest;		/* of check: its word's place */
};

#define CTL_COST	10		/* where none is said */
#define CTL_COST_MIN	4
#define CTL_COST_MAX	31

/*
 * 0, or -1 for a usage error: then the buffer has lines of text that say
 * what is wrong and what could stand there.
 */
int	 ctl_parse(struct ctl_command *, int, char *const *, struct ibuf *);

#endif /* PARSER_H */
