/*
 * The server's side of an exchange of SCRAM-SHA-256 (RFC 5802, RFC 7677),
 * one message after the other, each already out of its base64:
 *
 *	client		scram_first()		who it is
 *	server		scram_challenge()	salt, iterations, a nonce
 *	client		scram_final()		proves that he has the password
 *	server					that it has the keys, too
 *
 * There is no channel binding: a client that insists (p=) is refused, one
 * that says we have none (y) is right.  Mandatory extensions (m=) are none
 * of ours, others are read over (RFC 5802, 5.1).
 *
 * Nothing is allocated.  No string preparation (RFC 4013) is done here: a
 * name is as the client sent it, without its escapes.
 */
#ifndef SCRAM_H
#define SCRAM_H

#include <sys/types.h>

#include "hmac.h"
#include "scramkeys.h"

#define SCRAM_MESSAGE_MAX	2048	/* bytes of one of the client's */
#define SCRAM_CHALLENGE_MAX	512	/* of one of ours */
#define SCRAM_NAME_MAX		511	/* of an identity */
#define SCRAM_NONCE_MAX		256	/* of the client's nonce */
#define SCRAM_SNONCE_MAX	64	/* of ours */

enum scram_error {
	SCRAM_OK,
	SCRAM_MALFORMED,	/* no such message */
	SCRAM_EXTENSION,	/* a mandatory one */
	SCRAM_BINDING,		/* to a channel, or to another header */
	SCRAM_NONCE,		/* not of this exchange */
	SCRAM_PROOF		/* of another password */
};

/* Wipe it when done. */
struct scram {
	char		 user[SCRAM_NAME_MAX + 1];
	char		 authzid[SCRAM_NAME_MAX + 1];	/* "": none was sent */
	/* private */
	char		 first[SCRAM_MESSAGE_MAX];
	size_t		 firstlen;
	size_t		 gs2len;		/* of the header in front */
	char		 nonce[SCRAM_NONCE_MAX + SCRAM_SNONCE_MAX + 1];
	int		 open;			/* a proof may come */
	uint8_t		 stored[HMAC_LEN];
	struct hmac	 client;		/* over the exchange so far */
	struct hmac	 server;
};

enum scram_error scram_first(struct scram *, const char *, size_t);

/*
 * Writes what is to be sent, with the keys of whoever it claims to be and a
 * nonce that was never used before: printable ASCII without a comma, of at
 * most SCRAM_SNONCE_MAX bytes.  Returns its length, -1 with ERANGE.
 */
ssize_t	 scram_challenge(struct scram *, const struct scramkeys *,
	    const char *, char *, size_t);

/*
 * Right or wrong, there is only one for a challenge.  If it is right, what
 * is to be sent is written to the buffer, with a NUL; it has room for
 * SCRAM_CHALLENGE_MAX.
 */
enum scram_error scram_final(struct scram *, const char *, size_t, char *,
	    size_t);

const char *scram_error(enum scram_error);

#endif /* SCRAM_H */
