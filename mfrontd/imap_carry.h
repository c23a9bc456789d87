/*
 * Messages carried from one mailbox to another, where the storage cannot
 * copy them itself or there are two storages.  A part of a command: COPY,
 * MOVE, RENAME of INBOX.
 */
#ifndef IMAP_CARRY_H
#define IMAP_CARRY_H

#include "imap.h"

struct carry_job {
	struct imount	*from_mount;
	const char	*from;		/* mailbox id; the caller's, as to */
	struct imount	*to_mount;
	const char	*to;
	int		 move;
	/*
	 * The end: with an error nothing was copied, or for MOVE perhaps
	 * copied and not all expunged.  May free the carry.
	 */
	void		 (*done)(struct iop *, const struct carry_job *,
			    enum st_code);
	/* What was done: */
	struct uidset	 from_uids;
	struct uidset	 to_uids;
	uint32_t	 uidvalidity;	/* of the target */
	int		 ordered;	/* the n-th of one is the n-th of both */
};

struct carry;

/* Of these uids those that exist.  carry_go() begins, and may end it. */
struct carry *carry_new(struct iop *, const struct carry_job *,
	    const struct uidset *);
void	 carry_go(struct carry *);
/* Also in the middle; NULL is none. */
void	 carry_free(struct carry *);

#endif /* IMAP_CARRY_H */
