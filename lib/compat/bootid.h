/*
 * Which run of the system is this?  A text that is another one after each
 * boot: whatever was only in the page cache is lost between two of them.
 *
 * Returns 0, or -1 when the system does not say.  Opens a file on some
 * systems: before any chroot.
 */
#ifndef BOOTID_H
#define BOOTID_H

#include <stddef.h>

int	 boot_id(char *, size_t);

#endif /* BOOTID_H */
