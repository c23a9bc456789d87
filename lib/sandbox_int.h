/* Between sandbox.c and the one sandbox_OS.c that is compiled. */
#ifndef SANDBOX_INT_H
#define SANDBOX_INT_H

#include "sandbox.h"

/*
 * The system's own part, called last.  Adds words to desc; -1 when a part
 * that mode wants is not to be had.
 */
int	sandbox_os(const struct sandbox *, char *, size_t);

#endif /* SANDBOX_INT_H */
