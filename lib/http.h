/*
 * HTTP/1.1 message heads and bodies (RFC 9110, RFC 9112), both sides, as
 * pure functions over bytes that somebody else has read: no I/O, no
 * allocation, nothing kept but what the caller's struct holds.
 *
 * The parsers point into the caller's buffer, which must stay while the
 * struct is used.
 */
#ifndef HTTP_H
#define HTTP_H

#include <sys/types.h>
#include <stdint.h>

#define HTTP_FIELDS_MAX	64
#define HTTP_HEAD_MAX	16384	/* bytes of a head we are ready to hold */

struct http_str {
	const char	*p;
	size_t		 len;
};

struct http_field {
	struct http_str	 name;
	struct http_str	 value;		/* without white space around it */
};

enum http_framing {
	HTTP_NOBODY,
	HTTP_LENGTH,
	HTTP_CHUNKED,
	HTTP_UNTIL_CLOSE
};

struct http_head {
	int		 status;	/* responses: 100 to 599 */
	struct http_str	 method;	/* requests */
	struct http_str	 target;	/* requests: as sent */
	int		 minor;		/* of HTTP/1.x */
	enum http_framing framing;
	uint64_t	 length;	/* bytes, if HTTP_LENGTH */
	int		 keepalive;	/* the connection may be used again */
	int		 expect;	/* requests: waits for 100 (Continue) */
	int		 nfields;
	struct http_field field[HTTP_FIELDS_MAX];
};

/*
 * Parse a head at the start of the buffer.  Both return the head's length
 * in bytes, 0 when it is not complete yet, -1 when it is malformed (the
 * connection cannot be used any more).  What could frame one message in two
 * ways is refused: two lengths, a length beside chunked, another coding,
 * line folding, white space before a colon, bare CR, NUL.  A bare LF ends a
 * line in responses only.  http_response() is told the request's method,
 * since a HEAD's answer has no body.
 */
ssize_t	 http_request(struct http_head *, const char *, size_t);
ssize_t	 http_response(struct http_head *, const char *, size_t,
	    const char *);

/* A field's value by name (any case), NULL when there is none. */
const struct http_str *http_field(const struct http_head *, const char *);
/* Does a comma-separated field hold this token (any case)? */
int	 http_has_token(const struct http_head *, const char *, const char *);
int	 http_str_is(const struct http_str *, const char *);

/*
 * The body behind a head.  http_body_next() takes what has come in, says in
 * *used how much of it is consumed, and gives the next piece of content (in
 * place; dlen may be 0 while used is not).  It returns 1 when the body is
 * complete, 0 while it goes on, -1 if the framing is broken.  On the peer's
 * close http_body_eof() says whether the body is complete (1) or was cut
 * off (-1).
 */
struct http_body {
	enum http_framing framing;
	int		 state;		/* of the chunk reader */
	int		 line;		/* bytes of the size or trailer line */
	uint64_t	 left;		/* bytes of the body or chunk to come */
};

void	 http_body_init(struct http_body *, const struct http_head *);
int	 http_body_next(struct http_body *, const void *, size_t, size_t *,
	    const void **, size_t *);
int	 http_body_eof(const struct http_body *);

/*
 * Percent-coding (RFC 3986).  http_pct_decode() writes at most len bytes
 * and returns their number, -1 for a broken escape or a NUL.
 * http_pct_encode() keeps unreserved characters; it returns 0, or -1 when
 * the output does not fit.
 */
ssize_t	 http_pct_decode(char *, size_t, const char *, size_t);
struct ibuf;
int	 http_pct_encode(struct ibuf *, const char *);

#endif /* HTTP_H */
