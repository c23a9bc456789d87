/*
 * The tokens of IMAP (RFC 9051, 9), for the parsers of commands in
 * imapparse*.c; nobody else needs this.
 *
 * All functions take what they are named after from the current position
 * and return 0; or -1 with the reason in the command, where only the first
 * one counts, and the position somewhere behind.  What they give points
 * into the buffer or into the command's memory (imapparse.h).
 */
#ifndef IMAPSCAN_H
#define IMAPSCAN_H

#include <sys/types.h>
#include <stdint.h>

#include "imapparse.h"

struct imap_scan {
	const char	*buf;
	size_t		 len;
	size_t		 pos;
	const struct imap_parse_opts *opts;
	struct imap_cmd	*cmd;
	int		 want;		/* the bytes of a literal lack */
};

/* Refuse: wrong syntax, or right but not to be done.  Both return -1. */
int	 scan_bad(struct imap_scan *, const char *);
int	 scan_no(struct imap_scan *, const char *);

/* Memory of the command, aligned for anything; NULL: refused. */
void	*scan_alloc(struct imap_scan *, size_t, size_t);

int	 scan_offers(const struct imap_scan *, enum imap_ext);

/* The next byte, -1 at the end; nothing is taken. */
int	 scan_peek(const struct imap_scan *);
/* Takes this byte if it is next; 1: taken. */
int	 scan_accept(struct imap_scan *, char);
/* Must be next. */
int	 scan_char(struct imap_scan *, char);
int	 scan_sp(struct imap_scan *);
int	 scan_end(struct imap_scan *);
/* Takes a word of letters, digits and ".-" if it is this one, any case. */
int	 scan_accept_word(struct imap_scan *, const char *);
/* Such a word, empty if there is none; never fails. */
struct hstr scan_word(struct imap_scan *);

int	 scan_tag(struct imap_scan *, struct hstr *);
int	 scan_atom(struct imap_scan *, struct hstr *);
int	 scan_astring(struct imap_scan *, struct hstr *);
int	 scan_string(struct imap_scan *, struct hstr *);
int	 scan_nstring(struct imap_scan *, struct hstr *);
int	 scan_nstring8(struct imap_scan *, struct hstr *); /* or literal8 */
int	 scan_list_mailbox(struct imap_scan *, struct hstr *);
/* An announcement that ends the buffer: APPEND's message. */
int	 scan_message(struct imap_scan *, struct imap_literal *);

int	 scan_number(struct imap_scan *, uint32_t *);
int	 scan_nz_number(struct imap_scan *, uint32_t *);
int	 scan_number64(struct imap_scan *, uint64_t *);	/* to 2^63 - 1 */
int	 scan_modseq(struct imap_scan *, uint64_t *);	/* 1 or more */

/* A set with or without "$" if SEARCHRES is offered; without "*". */
int	 scan_set(struct imap_scan *, struct seqset *);
int	 scan_known_set(struct imap_scan *, struct seqset *);

/* "(\Seen a)", or without parentheses one flag or more: "\Seen a". */
int	 scan_flag_list(struct imap_scan *, struct flag_list *);

/*
 * A mailbox name as the storage knows it; SCAN_TRAILING: one delimiter at
 * its end is dropped (CREATE).
 */
#define SCAN_TRAILING	1
int	 scan_mailbox(struct imap_scan *, const char **, int);
/* Raw bytes of a name or pattern to UTF-8, in the command's memory. */
int	 scan_decode(struct imap_scan *, const struct hstr *, char **,
	    size_t *);

/* Words equal without case? */
int	 scan_is(const struct hstr *, const char *);

/* "[1.2.HEADER]" */
int	 scan_section(struct imap_scan *, struct imap_section *);
/* A URL; -1 if it is none that CATENATE takes, which is no error here. */
int	 scan_url(struct imap_scan *, const struct hstr *, struct imap_url *);

/* The parsers of commands, behind their name. */
int	 imapparse_append(struct imap_scan *);
int	 imapparse_append_more(struct imap_scan *, int);
int	 imapparse_create(struct imap_scan *);
int	 imapparse_fetch(struct imap_scan *);
int	 imapparse_getmetadata(struct imap_scan *);
int	 imapparse_getquota(struct imap_scan *);
int	 imapparse_list(struct imap_scan *);
int	 imapparse_lsub(struct imap_scan *);
int	 imapparse_replace(struct imap_scan *);
int	 imapparse_search(struct imap_scan *);
int	 imapparse_sort(struct imap_scan *);
int	 imapparse_thread(struct imap_scan *);
int	 imapparse_select(struct imap_scan *);
int	 imapparse_setmetadata(struct imap_scan *);
int	 imapparse_setquota(struct imap_scan *);
int	 imapparse_status(struct imap_scan *);
int	 imapparse_store(struct imap_scan *);

#endif /* IMAPSCAN_H */
