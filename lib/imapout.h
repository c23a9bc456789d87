/*
 * IMAP's view of a message (RFC 3501, RFC 9051, 7.5.2): ENVELOPE, BODY and
 * BODYSTRUCTURE made from a summary, sections found, header fields picked.
 *
 * What writes appends to an ibuf and returns 0, or -1 with the ibuf as it
 * was: ENOENT if the summary lacks what it takes (read the message, make a
 * full summary), EBADMSG if it is damaged (the same), else the ibuf's own.
 * Output is always well-formed IMAP, whatever the message.
 */
#ifndef IMAPOUT_H
#define IMAPOUT_H

#include <sys/types.h>
#include <stdint.h>

#include "header.h"
#include "ibuf.h"
#include "summary.h"

/* What the client is ready for; and what we are. */
#define IMAPOUT_UTF8	0x01	/* UTF-8 in quoted strings (RFC 6855, rev2) */
#define IMAPOUT_GLOBAL	0x02	/* message/global as a message (rev2) */
/* ENVELOPE from what there is, where the whole cannot be had */
#define IMAPOUT_CUT	0x04

/*
 * A string: quoted if it can be, else a literal; NULs are dropped.
 * imapout_nstring() writes NIL for an absent one.
 */
int	 imapout_string(struct ibuf *, const char *, size_t, int);
int	 imapout_nstring(struct ibuf *, const struct hstr *, int);

/* The value alone: the item's name is the caller's. */
int	 imapout_envelope(struct ibuf *, const struct summary *, int);
int	 imapout_body(struct ibuf *, const struct summary *, int);
int	 imapout_bodystructure(struct ibuf *, const struct summary *, int);

/*
 * Where a section is in the message: BODY[1.2.MIME] is path {1, 2} and
 * IMAPOUT_MIME; BODY[] is the empty path and IMAPOUT_ALL.  HEADER.FIELDS of
 * a part is IMAPOUT_HEADER run through a filter (below).  Part 1 of what is
 * no multipart is its body; HEADER and TEXT belong to messages only, MIME
 * to parts (RFC 9051, 6.4.5).  Returns 1; 0 if there is no such section
 * (answer NIL); -1 as above.  The empty path needs no structure.
 */
enum imapout_what {
	IMAPOUT_ALL,
	IMAPOUT_HEADER,
	IMAPOUT_TEXT,
	IMAPOUT_MIME
};

struct imapout_section {
	uint64_t	 off;
	uint64_t	 len;
	enum mime_encoding encoding;	/* of a leaf's IMAPOUT_ALL */
};

int	 imapout_section(const struct summary *, const uint32_t *, size_t,
	    enum imapout_what, struct imapout_section *);

/*
 * HEADER.FIELDS and HEADER.FIELDS.NOT: a header goes in by pieces of any
 * size, the fields wanted are appended as they stand, and the blank line if
 * there was one.  The list of names must stay.  imapout_filter_feed()
 * returns 1 behind the blank line (the rest is not looked at), else 0, -1.
 */
#define IMAPOUT_NAME_MAX	256

struct imapout_filter {
	const struct hstr *names;
	size_t		 nnames;
	int		 except;	/* HEADER.FIELDS.NOT */
	int		 state;
	int		 keep;
	size_t		 nhold;
	char		 hold[IMAPOUT_NAME_MAX + 2];	/* a name, so far */
};

void	 imapout_filter_start(struct imapout_filter *, const struct hstr *,
	    size_t, int);
int	 imapout_filter_feed(struct imapout_filter *, const void *, size_t,
	    struct ibuf *);
int	 imapout_filter_finish(struct imapout_filter *, struct ibuf *);

#endif /* IMAPOUT_H */
