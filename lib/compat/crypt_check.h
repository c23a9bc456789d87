/*
 * A password against a hash of crypt(3), by whatever this system has for
 * it: crypt_checkpass(3) (bcrypt only) on OpenBSD, crypt_r(3) elsewhere.
 *
 * Returns 1 if it is that password, else 0: wrong, or a hash that the
 * system does not know.  It takes as long as the hash says, and keeps
 * nothing of the password.
 */
#ifndef CRYPT_CHECK_H
#define CRYPT_CHECK_H

int	 crypt_check(const char *, const char *);

#endif /* CRYPT_CHECK_H */
