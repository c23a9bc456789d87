/*
 * What SORT and THREAD compare of a message (RFC 5256, RFC 5957), from the
 * fields of its header as they pass, or from those that a summary has.
 *
 * Texts are folded as charset_fold() does and compare as bytes.  Of several
 * fields with one name the first counts.  What is longer than any sane
 * header (MSGKEYS_VALUE bytes of a value) is cut off.
 */
#ifndef MSGKEYS_H
#define MSGKEYS_H

#include <sys/types.h>
#include <stdint.h>

#include "header.h"
#include "ibuf.h"
#include "rfcdate.h"

#define MSGKEYS_VALUE	65536
#define MSGKEYS_TEXT	1000	/* bytes of a text, folded */

enum msgkey {
	MSGKEY_SUBJECT,		/* its base subject */
	MSGKEY_FROM,		/* local part of the first address */
	MSGKEY_TO,
	MSGKEY_CC,
	MSGKEY_DISPLAYFROM,	/* its display name, or local@domain */
	MSGKEY_DISPLAYTO,
	MSGKEY_MAX
};

struct msgkeys {
	unsigned	 seen;		/* fields, by bit */
	int		 dated;		/* there is a readable Date */
	struct rfcdate	 date;
	int		 reply;		/* the subject is of a reply or forward */
	struct ibuf	 text[MSGKEY_MAX];
	struct ibuf	 id;		/* Message-ID, not folded */
	struct ibuf	 refs;		/* ids, oldest first, each with a LF */
	struct ibuf	 irt;		/* the first of In-Reply-To, with a LF */
};

void	 msgkeys_init(struct msgkeys *);
void	 msgkeys_clear(struct msgkeys *);
void	 msgkeys_fini(struct msgkeys *);

/*
 * One field, its raw value (see struct header_field); or all of a header
 * block.  0, or -1 with ENOMEM.
 */
int	 msgkeys_field(struct msgkeys *, const struct hstr *,
	    const struct hstr *);
int	 msgkeys_header(struct msgkeys *, const void *, size_t);

/* The ids it refers to: those of References, else the other. */
const struct ibuf *msgkeys_refs(const struct msgkeys *);

#endif /* MSGKEYS_H */
