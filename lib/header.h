/*
 * The text of message headers (RFC 5322, with its obsolete forms): fields
 * of a block, folding, encoded words (RFC 2047), parameters (RFC 2045,
 * RFC 2231), addresses, message ids, base subjects (RFC 5256, 2.1).
 *
 * Input is bytes as somebody sent them; nothing here refuses or aborts on
 * any input, and all of it is linear in the input's length.  Lengths are
 * bytes.  Iterators and results point into the input, or into the iterator
 * where that is said; nothing is allocated but what an output buffer grows
 * by.  What writes to an ibuf returns -1 with the ibuf's errno.
 */
#ifndef HEADER_H
#define HEADER_H

#include <sys/types.h>
#include <stdint.h>

#include "ibuf.h"

/* A piece of somebody else's text; p is NULL when it is absent. */
struct hstr {
	const char	*p;
	size_t		 len;
};

#define HSTR(s)		{ (s), sizeof(s) - 1 }

/* Equal without regard to ASCII case? */
int	 hstr_is(const struct hstr *, const char *);
int	 hstr_same(const struct hstr *, const struct hstr *);

/*
 * The fields the project knows by number.  HEADER_ENVELOPE is in the order
 * of IMAP's ENVELOPE (RFC 9051, 7.5.2).  Numbers are stored nowhere.
 */
enum header_id {
	HEADER_NONE,		/* any other field */
	HEADER_DATE,
	HEADER_SUBJECT,
	HEADER_FROM,
	HEADER_SENDER,
	HEADER_REPLY_TO,
	HEADER_TO,
	HEADER_CC,
	HEADER_BCC,
	HEADER_IN_REPLY_TO,
	HEADER_MESSAGE_ID,
	HEADER_ENVELOPE_LAST = HEADER_MESSAGE_ID,
	HEADER_CONTENT_TYPE,
	HEADER_CONTENT_TRANSFER_ENCODING,
	HEADER_CONTENT_ID,
	HEADER_CONTENT_DESCRIPTION,
	HEADER_CONTENT_MD5,
	HEADER_CONTENT_DISPOSITION,
	HEADER_CONTENT_LANGUAGE,
	HEADER_CONTENT_LOCATION,
	HEADER_CONTENT_LAST = HEADER_CONTENT_LOCATION,
	HEADER_REFERENCES,
	HEADER_OTHER		/* named in the table, no number of its own */
};

/* The number of a field's name, any case. */
enum header_id header_id(const char *, size_t);
/* All names that have a number, in lower case; NULL behind the last. */
const char *header_known(size_t);

/*
 * The fields of a block, one after the other: header_next() returns 1 with
 * the next one, 0 at the blank line or the end.  Lines end with LF or CRLF.
 * A line without a colon, and a continuation line in front of all fields,
 * is a field with an empty name whose value is the line.
 */
struct header_iter {
	const char	*p;
	const char	*end;
};

struct header_field {
	struct hstr	 raw;	/* with folds and the last line end */
	struct hstr	 name;	/* without white space before the colon */
	struct hstr	 value;	/* folded; no white space at both ends */
};

void	 header_start(struct header_iter *, const void *, size_t);
int	 header_next(struct header_iter *, struct header_field *);

/* Appends a value without its line ends and NULs; a CR alone is a space. */
int	 header_unfold(struct ibuf *, const char *, size_t);

/*
 * Appends a value for people: unfolded, encoded words decoded to UTF-8
 * (RFC 2047), wherever they stand; white space between two of them is
 * dropped, a character split over two is joined.  Broken ones stay as they
 * are.  Bytes that are not UTF-8 become U+FFFD, control characters a
 * space.  The ibuf must have room for four times the input and 64 more.
 */
int	 header_decode(struct ibuf *, const char *, size_t);

/*
 * A value of the form "token *(; name=value)": header_media() reads the
 * "type/subtype" of Content-Type, header_token() the token of
 * Content-Disposition or Content-Transfer-Encoding; both return 1, or 0 if
 * there is none (parameters can be asked for all the same).  Comments are
 * skipped.  header_param_next() then returns 1 with each parameter, 0 at
 * the end; broken ones are skipped.  A value is raw: if quoted is set, it
 * is what stood between the quotes, and header_unquote() takes out its
 * backslashes and line ends (the output is never longer; it is returned).
 */
struct header_param {
	struct hstr	 name;
	struct hstr	 value;
	int		 quoted;
};

int	 header_media(struct header_iter *, const char *, size_t,
	    struct hstr *, struct hstr *);
int	 header_token(struct header_iter *, const char *, size_t,
	    struct hstr *);
int	 header_param_next(struct header_iter *, struct header_param *);
size_t	 header_unquote(char *, const char *, size_t);

/*
 * Appends the value of one parameter as UTF-8, whichever way it is written:
 * plain, with encoded words, in pieces, or with a charset (RFC 2231).
 * Returns 1, 0 if there is no such parameter, -1.
 */
int	 header_param_get(struct ibuf *, const char *, size_t, const char *);

/*
 * An address list, obsolete forms and broken ones included.  Each call of
 * header_addr_next() returns 1 with a mailbox, the start of a group (its
 * name in name) or the end of one; 0 at the end of the list.  The strings
 * live in the iterator until the next call; what does not fit there
 * (HEADER_ADDR_MAX bytes for one address) is cut off.  They are unquoted;
 * encoded words are left as they are.  The name of "a@b (Joe)" is the
 * comment.  Something was there but a half is missing: local or domain is
 * empty, not absent.  Without a display name, name is absent; so is route
 * but for the obsolete "<@a,@b:c@d>", of which it is "@a,@b".
 */
#define HEADER_ADDR_MAX	2048

enum header_addr_kind {
	HEADER_ADDR_MAILBOX,
	HEADER_ADDR_GROUP,
	HEADER_ADDR_GROUP_END
};

struct header_addr {
	enum header_addr_kind kind;
	struct hstr	 name;
	struct hstr	 route;
	struct hstr	 local;
	struct hstr	 domain;
};

struct header_addrs {
	const char	*p;
	const char	*end;
	int		 group;		/* inside one */
	const char	*openquote;	/* none from here on is closed */
	const char	*opencomment;
	size_t		 used;
	char		 buf[HEADER_ADDR_MAX];
};

void	 header_addr_start(struct header_addrs *, const char *, size_t);
int	 header_addr_next(struct header_addrs *, struct header_addr *);

/*
 * The ids of References, In-Reply-To or Message-ID, without the brackets,
 * and with needless quotes and folding taken out, so that equal ids are
 * equal bytes (RFC 5256, 3: normalised).  1 with each, 0 at the end.  The
 * id lives in the iterator until the next call; longer ones than
 * HEADER_MSGID_MAX are skipped.
 */
#define HEADER_MSGID_MAX	998

struct header_msgids {
	const char	*p;
	const char	*end;
	char		 buf[HEADER_MSGID_MAX];
};

void	 header_msgid_start(struct header_msgids *, const char *, size_t);
int	 header_msgid_next(struct header_msgids *, struct hstr *);

/*
 * Appends the base subject of a raw Subject value as UTF-8 in its own case
 * (RFC 5256, 2.1; fold it before comparing).  Returns 1 if it was a reply
 * or forward, 0 if not, -1.
 */
int	 header_base_subject(struct ibuf *, const char *, size_t);

#endif /* HEADER_H */
