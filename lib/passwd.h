/*
 * The password file: a line an account,
 *
 *	name:hash[:anything]
 *
 * blank lines and lines that begin with "#" are comments.  The name is
 * UTF-8 without blanks, control characters or ":", with at most one "@"; the
 * hash is what crypt(3) makes, "$id$...".  A hash that begins with "!" or
 * "*" disables the account.
 *
 * Whether two names are one account is not decided here: username_normal()
 * tells.
 *
 * The text may come in pieces of any size.  What the reader holds of it is
 * wiped; the pieces are the caller's to wipe.
 */
#ifndef PASSWD_H
#define PASSWD_H

#include <sys/types.h>
#include <stddef.h>

#define PASSWD_NAME_MAX	511	/* bytes */
#define PASSWD_HASH_MAX	255
#define PASSWD_LINE_MAX	2048	/* without its newline */

struct passwd_entry {
	const char	*name;		/* good as long as the call */
	const char	*hash;		/* "": disabled */
	int		 disabled;
	unsigned int	 line;
};

struct passwd_reader {
	/* One of them is called for each line that is not a comment. */
	void		(*entry)(void *, const struct passwd_entry *);
	void		(*error)(void *, unsigned int, const char *);
	void		*arg;
	unsigned int	 line;
	size_t		 len;
	int		 overlong;
	char		 buf[PASSWD_LINE_MAX + 1];
};

void	 passwd_init(struct passwd_reader *,
	    void (*)(void *, const struct passwd_entry *),
	    void (*)(void *, unsigned int, const char *), void *);
void	 passwd_feed(struct passwd_reader *, const void *, size_t);
/* The end of the text: a last line without a newline counts too. */
void	 passwd_end(struct passwd_reader *);
/*
 * One line in place, NUL-ended (a NUL inside is an error: give the length):
 * 1 an entry, 0 a comment, -1 wrong, *why says so.
 */
int	 passwd_line(char *, size_t, struct passwd_entry *, const char **);

#endif /* PASSWD_H */
