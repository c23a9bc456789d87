/*
 * Names of users, the same everywhere: in the password file, at login, in
 * the recipient of a delivery, at "kick user".
 *
 * A normal name is UTF-8 in Unicode normalisation form C (an accent typed
 * as a character of its own is the same as one that is not), with ASCII
 * letters in lower case (other scripts' letters keep theirs), without
 * control characters, and not empty.  Blanks are kept: " joe" is not "joe".
 */
#ifndef USERNAME_H
#define USERNAME_H

#include <sys/types.h>

#define USERNAME_MAX	511	/* bytes, without the NUL */

/* Returns 0, or -1: no name (EINVAL), too long (ERANGE), ENOMEM. */
int	 username_normal(char *, size_t, const char *);

/*
 * Does a normal name match the pattern?  "*" stands for anything; ASCII
 * letters of the pattern in either case.  The cost is at most pattern times
 * name.
 */
int	 username_match(const char *, const char *);

/*
 * Text of a stranger for a log line, to be put between double quotes: all
 * but printable ASCII, and quotes and backslashes, as \ooo; what does not
 * fit is cut off and "..." put in its place.  The buffer has at least 8
 * bytes; it is returned.
 */
char	*username_quote(char *, size_t, const char *);

#endif /* USERNAME_H */
