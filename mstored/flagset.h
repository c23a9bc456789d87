/*
 * The flags of a message as the store keeps them: a JSON array in one
 * canonical order (system flags first, keywords sorted without case), so
 * that equal sets are equal texts and a listing copies the text as it is.
 *
 * Keywords point into texts of the caller, which must outlive the set.
 * lib/flags.h says what a flag is; names are compared without case.
 */
#ifndef FLAGSET_H
#define FLAGSET_H

#include <sys/types.h>
#include <stdint.h>

#include "flags.h"
#include "header.h"
#include "ibuf.h"

#define FLAGSET_NAME_MAX	250	/* bytes of a keyword */
#define FLAGSET_SET_MAX		FLAGS_SET_MAX	/* keywords of a message */
#define FLAGSET_KW_MAX		1000		/* those of a mailbox */
#define FLAGSET_TEXT_MAX	FLAGS_TEXT_MAX	/* of a message */
#define FLAGSET_KNOWN_MAX	32000		/* text, of a mailbox */

struct flagset {
	uint32_t	 sys;			/* FLAG_* */
	uint32_t	 n;
	struct hstr	 kw[FLAGSET_KW_MAX];	/* sorted */
};

void	 flagset_init(struct flagset *);
void	 flagset_copy(struct flagset *, const struct flagset *);
/* One flag; -1 with EINVAL (not a flag) or ENOSPC (long, one too many). */
int	 flagset_add(struct flagset *, const char *, size_t);
/* What flagset_put() wrote; -1 with EINVAL for anything else. */
int	 flagset_get(struct flagset *, const char *, size_t);
int	 flagset_put(const struct flagset *, struct ibuf *);

int	 flagset_merge(struct flagset *, const struct flagset *);
void	 flagset_subtract(struct flagset *, const struct flagset *);
/* Have they a flag in common? */
int	 flagset_overlaps(const struct flagset *, const struct flagset *);
/* Keywords that the other set has too get its spelling. */
void	 flagset_spell(struct flagset *, const struct flagset *);
/* Does the other set have them all, in this spelling? */
int	 flagset_within(const struct flagset *, const struct flagset *);

#endif /* FLAGSET_H */
