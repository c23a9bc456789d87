/*
 * MIME (RFC 2045, RFC 2046): a message goes in by pieces of any size, a
 * tree of its parts comes out.  Nothing of a body is kept, and of headers
 * only what the structure needs, within limits.
 *
 * Offsets and lengths are bytes of the message as it was fed; a line ends
 * with LF, with or without a CR before it.  Any input gives a tree; what
 * is broken is read as the big servers read it:
 * - no Content-Type, or one without a type: text/plain, in multipart/digest
 *   message/rfc822;
 * - a boundary is found by its beginning (RFC 2046, 5.1.1); of several that
 *   fit, the longest, then the innermost, counts; a part that is not ended
 *   ends with what encloses it; a closed boundary is text again;
 * - a header ends at a blank line or a boundary; lines without a colon
 *   belong to it.
 *
 * Beyond a limit a part is opaque: a leaf, whatever its type says.  Once
 * there are as many parts as allowed, boundaries that would begin another
 * are text.
 */
#ifndef MIME_H
#define MIME_H

#include <sys/types.h>
#include <stdint.h>

#include "header.h"

struct mime_limits {
	unsigned	 parts;		/* of a message, itself included */
	unsigned	 depth;		/* of nesting: the message is 1 */
	size_t		 field;		/* bytes kept of one field */
	size_t		 part;		/* memory for the fields of a part */
	size_t		 total;		/* for those of a message */
};

#define MIME_PARTS_MAX	1000
#define MIME_DEPTH_MAX	32

/* With these a parser takes 1 MiB or so at most, and usually 16 KiB. */
extern const struct mime_limits mime_limits_default;

enum mime_kind {
	MIME_LEAF,
	MIME_MULTIPART,
	MIME_MESSAGE		/* message/rfc822, message/global */
};

enum mime_encoding {
	MIME_IDENTITY,		/* 7bit, 8bit, binary, none, unknown */
	MIME_BASE64,
	MIME_QP
};

/* A field that was kept, as it stood, its last line end included. */
struct mime_field {
	struct mime_field *next;
	enum header_id	 id;
	int		 cut;		/* it was longer than the limits */
	struct header_field f;
};

struct mime_part {
	struct mime_part *parent;
	struct mime_part *child;	/* the first; a message has one */
	struct mime_part *next;
	enum mime_kind	 kind;
	enum mime_encoding encoding;
	int		 opaque;	/* a leaf only because of a limit */
	int		 blank;		/* bytes of the line that ended it */
	int		 lost;		/* fields were dropped by a limit */
	int		 gaps;		/* ... or others, or one was cut */
	unsigned	 depth;
	unsigned	 num;		/* place among its siblings, from 1 */
	struct hstr	 type;		/* as sent, or the default */
	struct hstr	 subtype;
	uint64_t	 hdr_off;
	uint64_t	 hdr_len;	/* the blank line included */
	uint64_t	 body_off;
	uint64_t	 body_len;
	uint64_t	 lines;		/* line ends in the body */
	struct mime_field *fields;	/* in order */
};

/*
 * Called as the message passes, in order, for those who want more than the
 * tree; each may be NULL.  Header and body bytes come in pieces of any
 * size; the line end in front of a boundary belongs to the boundary and is
 * not given; the body of a multipart (preamble, epilogue) is not given.
 * In header() of a part, its type is not yet known.  A hook that returns
 * -1 ends the parse with its errno.
 */
struct mime_hooks {
	int	(*begin)(void *, const struct mime_part *);
	int	(*header)(void *, const struct mime_part *, const char *,
		    size_t);
	int	(*header_end)(void *, const struct mime_part *);
	int	(*body)(void *, const struct mime_part *, const char *,
		    size_t);
	int	(*end)(void *, const struct mime_part *);
};

/*
 * mime_open() takes what is not NULL; hooks and limits must stay as long
 * as the parser.  mime_feed() and mime_finish() return 0, or -1 with errno
 * (ENOMEM, a hook's), after which only mime_free() is of use.  The tree
 * belongs to the parser; it is complete after mime_finish().
 */
struct mime;
struct mime	*mime_open(const struct mime_limits *,
		    const struct mime_hooks *, void *);
int		 mime_feed(struct mime *, const void *, size_t);
int		 mime_finish(struct mime *);
const struct mime_part *mime_root(const struct mime *);
uint64_t	 mime_size(const struct mime *);
void		 mime_free(struct mime *);

/* All parts in order of the message: the one behind this one, or NULL. */
const struct mime_part *mime_next(const struct mime_part *);
/* The first kept field with this number, or NULL. */
const struct mime_field *mime_field(const struct mime_part *,
	    enum header_id);

/*
 * Of the message's own header other fields are kept, too, HEADER_NONE, in
 * their places, as long as they take no more than this together: without
 * gaps its fields and the blank line are the whole header.
 */
#define MIME_OTHERS_MAX	32768

/*
 * Names of the message's own header that have no number of their own, as
 * numbers of MIME_NAME_BITS bits (mime_name_hash(), any case), each once.
 * The list is complete unless mime_names() says -1: there were more than
 * MIME_NAMES_MAX.
 */
#define MIME_NAMES_MAX	256
#define MIME_NAME_BITS	24

int		 mime_names(const struct mime *, const uint32_t **);
uint32_t	 mime_name_hash(const char *, size_t);

/*
 * Transfer encodings (RFC 2045, 6), fed in pieces: returns how many bytes
 * it wrote to out, which needs room for len + MIME_DECODE_SLACK.  What is
 * broken is skipped, or passed as it is (a bad =XX), and never fails.
 * mime_decode_finish() writes what was held back (up to the slack) and
 * starts over.  mime_encoding() takes the value of the field.
 */
#define MIME_DECODE_SLACK	128

struct mime_decoder {
	enum mime_encoding enc;
	uint32_t	 bits;
	int		 nbits;
	int		 state;
	unsigned	 nhold;
	char		 hold[64];	/* white space that may end a line */
};

enum mime_encoding mime_encoding(const struct hstr *);
void		 mime_decode_start(struct mime_decoder *, enum mime_encoding);
size_t		 mime_decode(struct mime_decoder *, const void *, size_t,
		    char *);
size_t		 mime_decode_finish(struct mime_decoder *, char *);

#endif /* MIME_H */
