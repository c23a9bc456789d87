/*
 * The one message of SASL PLAIN (RFC 4616, 2), already out of its base64:
 * [authzid] NUL authcid NUL passwd.
 *
 * The three strings point into the caller's bytes, which the caller wipes
 * when done; they are followed by a NUL there, except passwd, which ends
 * where the message does (passlen).  Returns 0, or -1 with errno EINVAL:
 * a NUL too few or too many, an empty authcid or passwd, a string over
 * SASLPLAIN_MAX octets, not UTF-8, CR or LF in an identity.  No string
 * preparation (RFC 4013) is done: bytes are compared as they are.
 */
#ifndef SASLPLAIN_H
#define SASLPLAIN_H

#include <sys/types.h>

#define SASLPLAIN_MAX	255

struct saslplain {
	const char	*authzid;	/* "" if none was sent */
	size_t		 authzidlen;
	const char	*authcid;
	size_t		 authcidlen;
	const char	*passwd;
	size_t		 passlen;
};

int	 saslplain_parse(struct saslplain *, const char *, size_t);

#endif /* SASLPLAIN_H */
