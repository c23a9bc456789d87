/*
 * Modified UTF-7 of IMAP mailbox names (RFC 3501, 5.1.3) from and to UTF-8.
 *
 * Both write at most size bytes and a NUL behind them (so out has size + 1
 * bytes), and return the number written without it; -1 with errno EILSEQ
 * (malformed) or ERANGE (does not fit).  Input has no NUL, nor can output.
 *
 * Decoding is strict, so that a name has exactly one encoded form: refused
 * are 8-bit bytes and control characters outside a shift, "&" without its
 * "-", an empty shift other than "&-", printable ASCII inside a shift, a
 * shift that follows another at once, unpaired surrogates, padding bits
 * that are not zero, an incomplete character.  Control characters inside a
 * shift are decoded: whether a name may hold them is for others to say.
 */
#ifndef UTF7_H
#define UTF7_H

#include <sys/types.h>

/* Enough for any input of n bytes. */
#define UTF7_DECODED_MAX(n)	((n) + (n) / 8 + 4)
#define UTF7_ENCODED_MAX(n)	((n) * 5)

ssize_t	 utf7_decode(char *, size_t, const char *, size_t);
ssize_t	 utf7_encode(char *, size_t, const char *, size_t);

#endif /* UTF7_H */
