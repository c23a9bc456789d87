/*
 * base64 (RFC 4648, 4) in one piece, as SASL exchanges use it.
 *
 * Strict: no white space, padding required, its unused bits zero, nothing
 * behind it.  Nothing is allocated; out needs BASE64_LEN() or
 * BASE64_DECODED_MAX() bytes.  Both return the number of bytes written, -1
 * with errno EINVAL (not base64) or ERANGE (out is too small).  No NUL is
 * added.  The length -1 case leaves out undefined: it may hold a secret.
 */
#ifndef BASE64_H
#define BASE64_H

#include <sys/types.h>

#define BASE64_LEN(n)		(((n) + 2) / 3 * 4)
#define BASE64_DECODED_MAX(n)	((n) / 4 * 3)

ssize_t	 base64_encode(char *, size_t, const void *, size_t);
ssize_t	 base64_decode(void *, size_t, const char *, size_t);

#endif /* BASE64_H */
