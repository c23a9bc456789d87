/*
 * Command lines of LMTP (RFC 2033) with SMTP's syntax (RFC 5321), SIZE (RFC
 * 1870), 8BITMIME (RFC 6152), CHUNKING (RFC 3030), SMTPUTF8 (RFC 6531).
 *
 * smtp_parse() takes one line without its CRLF and fills a struct whose
 * strings are its own; it returns 0, or -1 with smtp_cmd.reply set to the
 * reply to send, without CRLF (a constant text: nothing of the client's is
 * in it) and verb set if it was recognised.  It knows syntax only: whether
 * a command fits the state is the session's business.
 *
 * Addresses come out normalised: source route dropped, a local part quoted
 * only if it must be, domain in lower case (ASCII letters), "<Postmaster>"
 * without a domain as "postmaster".  What has bytes over 127 is valid UTF-8
 * and accepted only after SMTPUTF8.  Longer than RFC 5321's 64 and 256
 * octets is taken, as real senders' bounce addresses are.
 */
#ifndef SMTPPARSE_H
#define SMTPPARSE_H

#include <sys/types.h>
#include <stdint.h>

#define SMTP_LINE_MAX	2048	/* bytes of a line, CRLF included */
#define SMTP_LOCAL_MAX	256	/* bytes of a local part, quotes included */
#define SMTP_DOMAIN_MAX	255
#define SMTP_PATH_MAX	(SMTP_LOCAL_MAX + 1 + SMTP_DOMAIN_MAX)

enum smtp_verb {
	SMTP_UNKNOWN,
	SMTP_LHLO,
	SMTP_MAIL,
	SMTP_RCPT,
	SMTP_DATA,
	SMTP_BDAT,
	SMTP_RSET,
	SMTP_NOOP,
	SMTP_QUIT,
	SMTP_VRFY,
	SMTP_STARTTLS,
	SMTP_HELP
};

enum smtp_body {
	SMTP_BODY_NONE,			/* not said */
	SMTP_BODY_7BIT,
	SMTP_BODY_8BITMIME
};

struct smtp_cmd {
	enum smtp_verb	 verb;
	const char	*reply;		/* why it was refused */

	char		 domain[SMTP_DOMAIN_MAX + 1];	/* LHLO */

	char		 path[SMTP_PATH_MAX + 1];	/* MAIL, RCPT; "": <> */
	int		 has_size;			/* MAIL */
	uint64_t	 size;
	enum smtp_body	 body;
	int		 smtputf8;

	uint64_t	 chunk;		/* BDAT: bytes that follow */
	int		 last;
};

/* What is on for this line. */
#define SMTP_OPT_UTF8	0x1	/* RCPT: the transaction has SMTPUTF8 */

int	 smtp_parse(struct smtp_cmd *, const char *, size_t, int);

/*
 * One address without angle brackets, normalised as above, into a buffer of
 * SMTP_PATH_MAX + 1 bytes.  Returns 0, -1 if it is none.  Last argument:
 * UTF-8 allowed.
 */
int	 smtp_address(char *, const char *, size_t, int);

#endif /* SMTPPARSE_H */
