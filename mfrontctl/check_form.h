/*
 * The forms of mfront-storage(7), "WIRE FORMAT": is a text one of these?
 * Pure; a text is its bytes and their number, without a NUL.
 */
#ifndef CHECK_FORM_H
#define CHECK_FORM_H

#include <sys/types.h>
#include <stdint.h>

#include "uidset.h"

#define ACCOUNT_MAX	500		/* bytes */

int	 form_id(const char *, size_t);
int	 form_name(const char *, size_t);
int	 form_flag(const char *, size_t);
int	 form_role(const char *, size_t);
int	 form_date(const char *, size_t);
int	 form_cursor(const char *, size_t);
int	 form_account(const char *, size_t);
/* Of the same moment and the same offset, however they are spelled. */
int	 form_same_date(const char *, const char *);

/*
 * A set read with good will: blanks, any order, overlaps, "9:3".  0, or -1
 * if it is not even that.  Whether it is canonical uidset_parse() says.
 */
int	 form_loose_set(struct uidset *, const char *, size_t);

#endif /* CHECK_FORM_H */
