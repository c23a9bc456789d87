/*
 * Writing IMAP responses (RFC 3501, 9; RFC 9051, 9) into an ibuf.
 *
 * All return 0, or -1 with errno as ibuf_add() has it, and EILSEQ where a
 * NUL would have to be written.  Nothing is written that a client could
 * take for the end of a line or of a string.
 */
#ifndef IMAPPUT_H
#define IMAPPUT_H

#include <sys/types.h>
#include <stdint.h>

#include "flags.h"
#include "ibuf.h"
#include "uidset.h"

/*
 * A string as an atom where one may stand (astring; "NIL" is quoted), else
 * quoted if it is short, 7-bit and on one line, else as a literal.
 * imap_put_utf8() quotes 8-bit UTF-8 too: for clients that enabled
 * UTF8=ACCEPT or IMAP4rev2.  A nstring writes NIL for NULL.
 */
int	 imap_put_astring(struct ibuf *, const char *, size_t);
int	 imap_put_string(struct ibuf *, const char *, size_t);
int	 imap_put_nstring(struct ibuf *, const char *, size_t);
int	 imap_put_utf8(struct ibuf *, const char *, size_t);

/* A mailbox name, UTF-8 to modified UTF-7 unless utf8 is set. */
int	 imap_put_mailbox(struct ibuf *, const char *, int utf8);

/* "{123}" CRLF, or "~{123}" CRLF, in front of that many bytes. */
int	 imap_put_literal(struct ibuf *, uint64_t, int binary);

/* "(\Seen $Junk)": a set of the table and \Recent or not. */
int	 imap_put_flags(struct ibuf *, struct flags *, uint32_t, int);
/* The list of a command, canonical: "(\Seen a b)". */
int	 imap_put_flag_list(struct ibuf *, const struct flag_list *);

/* All members with a space before each: " 2 84 882" (SEARCH). */
int	 imap_put_numbers(struct ibuf *, const struct uidset *);

/*
 * Text of a resp-text from elsewhere (a backend's message): control and
 * 8-bit characters become "?", a leading "[" too, at most max bytes.
 */
int	 imap_put_text(struct ibuf *, const char *, size_t);

#endif /* IMAPPUT_H */
