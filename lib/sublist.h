/*
 * Names of mailboxes that somebody is subscribed to, and how they stand in
 * one small value, for storages that keep values but no subscriptions: a
 * line that says what it is, then a name a line, in the order of their
 * bytes.
 *
 * Memory: a list starts zeroed and is freed by sublist_free(), which leaves
 * it so.  Returns 0 or 1 as said, -1 with errno (ENOMEM, EINVAL, ERANGE).
 */
#ifndef SUBLIST_H
#define SUBLIST_H

#include <sys/types.h>

#include "ibuf.h"

struct sublist {
	char	**names;
	size_t	  n;
	size_t	  cap;
};

void	 sublist_free(struct sublist *);
int	 sublist_has(const struct sublist *, const char *);
/* 1 if that changed it.  EINVAL: no name, see list_name_ok(). */
int	 sublist_add(struct sublist *, const char *);
int	 sublist_remove(struct sublist *, const char *);
/*
 * All or nothing: EINVAL for what is none, with the list empty; ERANGE when
 * it does not fit into the buffer, with the buffer as before.
 */
int	 sublist_read(struct sublist *, const void *, size_t);
int	 sublist_write(const struct sublist *, struct ibuf *);

#endif /* SUBLIST_H */
