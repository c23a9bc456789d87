/*
 * Command lines of POP3 (RFC 1939, 2449, 2595, 5034, 6856).
 *
 * pop3_parse() takes one line without its CRLF and fills a struct whose
 * strings point into it (not NUL-terminated).  Returns 0, or -1 with
 * pop3_cmd.reply set to the text to send, "-ERR ..." without CRLF and
 * without anything of the client's in it; cmd says what it was, if known.
 * A line may have POP3_LINE_MAX octets with its CRLF (RFC 2449, 4), one of
 * AUTH and what follows in its exchange POP3_AUTH_MAX.
 */
#ifndef POP3PARSE_H
#define POP3PARSE_H

#include <sys/types.h>
#include <stdint.h>

#define POP3_LINE_MAX	255
#define POP3_AUTH_MAX	12288

enum pop3_verb {
	POP3_UNKNOWN,
	POP3_APOP,		/* known, and refused here */
	POP3_AUTH,
	POP3_CAPA,
	POP3_DELE,
	POP3_LANG,
	POP3_LIST,
	POP3_NOOP,
	POP3_PASS,
	POP3_QUIT,
	POP3_RETR,
	POP3_RSET,
	POP3_STAT,
	POP3_STLS,
	POP3_TOP,
	POP3_UIDL,
	POP3_USER,
	POP3_UTF8
};

struct pop3_cmd {
	enum pop3_verb	 verb;
	const char	*reply;
	uint32_t	 msg;		/* 1 on; 0: none given (LIST, UIDL) */
	uint32_t	 lines;		/* TOP */
	const char	*arg;		/* USER, PASS, AUTH's mechanism, LANG */
	size_t		 arglen;	/* 0: none given (AUTH, LANG) */
	const char	*initial;	/* AUTH: initial response, base64 */
	size_t		 initiallen;	/* NULL, 0: none; "=" comes as "", 0 */
};

/*
 * What the server offers beyond RFC 1939 and CAPA, STLS, AUTH: without the
 * flag the command is unknown.
 */
#define POP3_OPT_UTF8	0x1	/* RFC 6856: UTF8, LANG, 8-bit USER, PASS */

int	 pop3_parse(struct pop3_cmd *, const char *, size_t, int);

#endif /* POP3PARSE_H */
