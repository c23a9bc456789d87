/*
 * APPEND of several messages or of pieces, and REPLACE: contents are given
 * to the storage one after the other, and become messages in one step at
 * the end (Store several messages, mfront-storage(7)).
 *
 *	imap_batch.c		the command, its literals, its end
 *	imap_catenate.c		what CATENATE's URLs name
 */
#ifndef IMAP_BATCH_H
#define IMAP_BATCH_H

#include "imap.h"

struct cat;
struct summary_maker;

/* A piece of a message: a content or some bytes of one. */
struct bpart {
	struct iop	*op;
	struct streq	 rq;		/* its upload */
	char		*id;
	uint64_t	 off;
	uint64_t	 len;
	int		 all;		/* the whole content */
	TAILQ_ENTRY(bpart) entry;
};

struct bmsg {
	char		*flags;
	char		*date;		/* RFC 3339, "": now */
	char		*cache;		/* NULL: none */
	uint64_t	 size;
	uint32_t	 uid;		/* once it is stored */
	uint32_t	 nparts;
	int		 blind;		/* not all of it passed through here */
	TAILQ_HEAD(, bpart) parts;
	TAILQ_ENTRY(bmsg) entry;
};

/* The first message of an APPEND, when there turn out to be more. */
struct batch_first {
	char		*mailbox;	/* id; all of these are taken over */
	struct ibuf	*data;
	struct summary_maker *maker;
	const char	*flags;
};

/* imap_batch.c */
void	 cmd_replace(struct iop *);
/* An APPEND that a storage with batch is to do. */
void	 batch_append(struct iop *);
/* Goes on with these bytes, which follow the first message. */
size_t	 batch_adopt(struct iop *, const struct batch_first *,
	    const uint8_t *, size_t);
/* The next item, or the end. */
void	 batch_next(struct iop *);
/*
 * A part: bytes of a content; or an upload of so many bytes, to which its
 * owner sends data.  NULL: the command has ended with an error.
 */
struct bpart *batch_part(struct iop *, const char *, uint64_t, uint64_t,
	    int);
struct bpart *batch_upload(struct iop *, uint64_t);
struct cat *batch_cat(const struct iop *);

/* imap_catenate.c */
struct cat *cat_new(struct iop *);
void	 cat_free(struct cat *);
/* Adds what it names, then calls batch_next(); or ends the command. */
void	 cat_url(struct cat *, const struct imap_append_item *);
/* An upload of its may send more. */
void	 cat_credit(struct cat *, const struct bpart *);

#endif /* IMAP_BATCH_H */
