#ifndef MFRONTCTL_H
#define MFRONTCTL_H

#include "parser.h"

/* What an exit status says. */
#define CTL_DONE	0
#define CTL_FAILED	1		/* the reason is on stderr */
#define CTL_USAGE	2

/* client.c: asks mfrontd, prints its answer, returns the exit status. */
int	 client_run(const char *, int, const struct ctl_command *);

/* encrypt.c: prints the hash of a password; returns the exit status. */
int	 encrypt_run(int, unsigned int);

#endif /* MFRONTCTL_H */
