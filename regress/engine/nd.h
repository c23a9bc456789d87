/*
 * What engine_nd.c calls of the rest of the engine, for tests of it alone:
 * rows and messages are handed to the test.
 */
#ifndef ND_H
#define ND_H

#include "engine.h"

#define ND_TOKENS	4096

/* The test's own. */
void	 nd_told_row(const struct st_row *);
void	 nd_told_message(enum msg_type, const void *);

void
ereq_add_row(struct ereq *e, const struct st_row *row)
{
	(void)e;
	nd_told_row(row);
}

void
ereq_send(struct ereq *e, enum msg_type type, const void *m)
{
	(void)e;
	nd_told_message(type, m);
}

#endif /* ND_H */
