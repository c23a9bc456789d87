/*
 * A message's summary: the text that the storage keeps beside it (the
 * `cache` of the storage API), so that a listing is answered without the
 * message: the fields that mail programs ask for, as they stood; the
 * structure with every part's place in the message; a preview.
 *
 * It is valid UTF-8 of one or two lines, otherwise without control
 * characters, quotes or backslashes, so that JSON carries it as it is, and
 * holds any byte of a header exactly.  The first line, which has no line
 * end, is a summary by itself, that only lacks the whole header.
 * Its form is our own affair (summary.c tells it) and may change: a text
 * of another version counts as absent.
 *
 * A summary that comes from a backend is untrusted: summary_parse() checks
 * its frame, everything else is checked where it is used, and the answers
 * made from it may be wrong but are well formed.
 */
#ifndef SUMMARY_H
#define SUMMARY_H

#include <sys/types.h>
#include <stdint.h>

#include "header.h"
#include "mime.h"

/* What the storage API allows for one, in bytes. */
#define SUMMARY_MAX	32768

/* Characters of a preview (RFC 8970, 3.2). */
#define SUMMARY_PREVIEW	200

/*
 * What a summary may lack when all would not fit in the size given: first
 * the fields that only those ask for who want the whole header, then the
 * values of long fields that ENVELOPE does not need, the preview, the
 * structure, and last the other long fields.
 */
#define SUMMARY_NO_FIELDS	0x01	/* some values */
#define SUMMARY_NO_PREVIEW	0x02
#define SUMMARY_NO_STRUCTURE	0x04
#define SUMMARY_NO_NAMES	0x08	/* which others are in the header */
#define SUMMARY_NO_HEADER	0x10	/* the others, so not all of it */

/*
 * Making one, while the message passes: feed it all, then finish with the
 * size the text may have: SUMMARY_MAX to store it; SUMMARY_FULL for one
 * that is used at once, and lacks nothing that the parser kept: there, of
 * fields too long for mime_limits_default is the beginning, which ENVELOPE
 * may be made from (IMAPOUT_CUT).  Returns 0, or -1 with errno: ENOMEM;
 * ERANGE if the ibuf cannot grow that far.  After 0 it may be asked again,
 * for another size.  Needs memory for the headers only, within those limits.
 * summary_reset() makes a maker ready for another message; if it fails, only
 * summary_free() is of use.
 */
#define SUMMARY_FULL	(2 * 1024 * 1024)

struct summary_maker;
struct summary_maker *summary_open(void);
int	 summary_feed(struct summary_maker *, const void *, size_t);
int	 summary_finish(struct summary_maker *, struct ibuf *, size_t);
int	 summary_reset(struct summary_maker *);
void	 summary_free(struct summary_maker *);

/*
 * Using one.  summary_parse() returns 1; 0 if the text is of another
 * version (count it as absent); -1 with EBADMSG if it is damaged.  The
 * struct points into the text.  One of the version before this, without
 * the whole header, is of use, and old: whoever reads the message anyway
 * may give the storage a better one.
 */
struct summary {
	int		 old;
	unsigned	 lacks;		/* SUMMARY_NO_* */
	unsigned	 blank;		/* bytes of the line that ends it */
	uint64_t	 size;		/* of the message: check it */
	uint64_t	 hdr_len;	/* of its header, blank line included */
	struct hstr	 names;		/* these are coded as in the text */
	struct hstr	 fields;
	struct hstr	 parts;
	struct hstr	 preview;
	struct hstr	 others;
	struct hstr	 env[HEADER_ENVELOPE_LAST + 1];	/* values */
	unsigned	 env_lost;	/* bits: may be there, not kept */
	unsigned	 env_more;	/* bits: To, Cc, Bcc more than once */
};

int	 summary_parse(struct summary *, const char *, size_t);

/*
 * BODY[HEADER.FIELDS (names)] of the message itself, as it would be read
 * from the message: appended by summary_put_fields(), blank line included.
 * Returns 1, 0 if the summary cannot know (the header must be read), -1.
 */
int	 summary_knows_fields(const struct summary *, const struct hstr *,
	    size_t);
int	 summary_put_fields(const struct summary *, const struct hstr *,
	    size_t, struct ibuf *);

/* The message's own header, blank line included: likewise. */
int	 summary_put_header(const struct summary *, struct ibuf *);

/*
 * The fields of one name, in order, for SEARCH, SORT and THREAD: the raw
 * value (see struct header_field) is appended.  *pos starts at 0 and moves.
 * Returns 1, 0 if there is none or no other, -1 with ENOENT if the summary
 * cannot know, else the ibuf's errno.
 */
int	 summary_field(const struct summary *, const char *, size_t *,
	    struct ibuf *);

/*
 * The values of all fields of one of ENVELOPE's numbers as one list, coded
 * as env is: several To fields count as one (RFC 5322, 4.5.3).
 */
int	 summary_joined(const struct summary *, enum header_id,
	    struct ibuf *);

/* The preview, UTF-8, appended: 1, 0 if the summary lacks it, -1. */
int	 summary_preview(const struct summary *, struct ibuf *);

/*
 * The parts, in the message's order: start, then summary_part_next()
 * returns 1 with each, 0 behind the last, -1 (EBADMSG) where the text is
 * damaged, ENOENT where the structure is lacking.  A multipart or message
 * is followed by its children; depth says whose (the message is 1, and no
 * depth is over MIME_DEPTH_MAX).  Texts are coded: summary_text() appends
 * one as bytes.  Lists hold pairs of texts, taken apart with
 * summary_list_next(): 1, 0 at the end.
 */
struct summary_part {
	enum mime_kind	 kind;
	int		 opaque;
	unsigned	 depth;
	unsigned	 children;
	uint64_t	 hdr_off;
	uint64_t	 hdr_len;
	uint64_t	 body_off;
	uint64_t	 body_len;
	uint64_t	 lines;
	struct hstr	 type;
	struct hstr	 subtype;
	struct hstr	 params;	/* list */
	struct hstr	 id;
	struct hstr	 description;
	struct hstr	 encoding;
	struct hstr	 md5;
	struct hstr	 disposition;
	struct hstr	 dparams;	/* list */
	struct hstr	 language;	/* list of single texts */
	struct hstr	 location;
	struct hstr	 env[HEADER_ENVELOPE_LAST + 1];	/* below MESSAGE */
};

struct summary_parts {
	const char	*p;
	const char	*end;
	uint64_t	 size;		/* of the message */
	int		 begun;
	unsigned	 depth;
	unsigned	 left[MIME_DEPTH_MAX + 1];
};

int	 summary_parts(const struct summary *, struct summary_parts *);
int	 summary_part_next(struct summary_parts *, struct summary_part *);
int	 summary_list_next(struct hstr *, struct hstr *);
int	 summary_text(struct ibuf *, const struct hstr *);

#endif /* SUMMARY_H */
