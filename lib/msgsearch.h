/*
 * Which of a set of strings are in a message (SEARCH HEADER, TEXT, BODY:
 * RFC 9051, 6.4.4).  The strings are compiled once for a command; messages
 * then pass by in pieces of any size, each in one pass for all strings,
 * with bounded memory.
 *
 * Both sides are folded as charset_fold() does, and any white space, line
 * ends included, counts as one space.  Headers are unfolded and decoded
 * (RFC 2047); text parts, and parts of type message that are no messages,
 * are decoded and converted to UTF-8; other parts are not looked at.
 * - HEADER: a field of the message's own header has the name and contains
 *   the string; the empty string asks for the field alone.
 * - BODY: in a text, or in the header of a message inside the message.
 * - TEXT: as BODY, and also in the message's own header, names of fields
 *   included, and in the headers of its parts.
 */
#ifndef MSGSEARCH_H
#define MSGSEARCH_H

#include <sys/types.h>
#include <stdint.h>

#include "header.h"

#define MSGSEARCH_KEYS	64	/* in one set; a caller may have several */
#define MSGSEARCH_BYTES	16384	/* of all strings, folded */

enum msgsearch_scope {
	MSGSEARCH_HEADER,
	MSGSEARCH_TEXT,
	MSGSEARCH_BODY
};

struct msgsearch_key {
	enum msgsearch_scope scope;
	struct hstr	 field;		/* HEADER: the name */
	struct hstr	 text;		/* UTF-8 */
};

/*
 * NULL with errno: E2BIG (keys or bytes), EILSEQ (not UTF-8), ENOMEM.  The
 * keys are copied.  A set may serve any number of searches at a time.
 */
struct msgsearch_set;
struct msgsearch_set *msgsearch_compile(const struct msgsearch_key *, size_t);
void	 msgsearch_set_free(struct msgsearch_set *);

/*
 * One message: open (or reset a used one), feed, finish.  Feed and finish
 * return 1 when every key is decided (the rest of the message need not be
 * read), 0, or -1 with ENOMEM.  msgsearch_found() has bit i set for key i;
 * after finish, or a 1, it is final.
 *
 * msgsearch_field() looks at one field of the message's own header that
 * the caller has from elsewhere (a summary), for HEADER keys only.
 */
struct msgsearch;
struct msgsearch *msgsearch_open(const struct msgsearch_set *);
int	 msgsearch_reset(struct msgsearch *);
int	 msgsearch_feed(struct msgsearch *, const void *, size_t);
int	 msgsearch_finish(struct msgsearch *);
uint64_t msgsearch_found(const struct msgsearch *);
int	 msgsearch_field(struct msgsearch *, const struct hstr *,
	    const struct hstr *);
void	 msgsearch_free(struct msgsearch *);

/*
 * For an index.  msgsearch_fold() appends a string as it is compared.
 * msgsearch_open_text() does not search but appends what would be looked
 * at, folded the same way: header fields to one buffer, texts to the other,
 * each behind a line feed if something is before it.  A string that is
 * found by TEXT or BODY is in one of them, by HEADER in the first.  When a
 * buffer is full the rest is left out: feed returns 1 and msgsearch_cut()
 * is true.  The caller empties the buffers.
 */
int	 msgsearch_fold(struct ibuf *, const char *, size_t);
struct msgsearch *msgsearch_open_text(struct ibuf *, struct ibuf *);
int	 msgsearch_cut(const struct msgsearch *);

#endif /* MSGSEARCH_H */
