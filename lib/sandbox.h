/*
 * What a process gives up before it hears its first byte from a peer:
 * root's folder tree, its user, file descriptors without bound, and every
 * system call its role has no use for.
 */
#ifndef SANDBOX_H
#define SANDBOX_H

#include <sys/types.h>

#include "msg.h"

enum sandbox_mode {
	SANDBOX_BEST_EFFORT,	/* use what this kernel has, and say so */
	SANDBOX_REQUIRED	/* rather not start than start with less */
};

struct sandbox {
	enum role	 role;		/* decides what stays allowed */
	int		 mode;		/* enum sandbox_mode */
	int		 root;		/* chroot and change user first */
	uid_t		 uid;
	gid_t		 gid;
	const char	*chroot;	/* folder; the store's is its data */
	unsigned int	 nfiles;	/* descriptors, 0: as many as allowed */
};

/*
 * Applies it all, for ever; desc gets what now holds the process, for the
 * log ("chroot user seccomp landlock-7").  Returns 0, or -1 when a part that
 * must be there is not (the caller must then exit), the reason being logged.
 */
int	sandbox_enter(const struct sandbox *, char *, size_t);

#endif /* SANDBOX_H */
