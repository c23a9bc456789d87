/*
 * The names and identifiers of the storage API: what is well-formed, and
 * how ours are written and read.
 *
 * A mailbox's id is its number and its uidvalidity, so that one that got a
 * new uidvalidity has a new id.  A content's id is 128 random bits and its
 * number: the number finds it, the bits make it unguessable and never the
 * same again after a restore.
 */
#ifndef NAMES_H
#define NAMES_H

#include <sys/types.h>
#include <stdint.h>

#define NAME_ACCOUNT_MAX	500	/* bytes, without the NUL */
#define NAME_MAILBOX_MAX	1000
#define NAME_ADDRESS_MAX	500
#define NAME_KEY_MAX		255
#define NAME_ENTRY_MAX		255	/* of metadata */
#define NAME_ROLE_MAX		32
#define NAME_RND		16	/* random bytes of a content id */
#define NAME_ID_SIZE		64	/* any id as text, with the NUL */

struct mbox_id {
	int64_t		 no;
	uint32_t	 uidvalidity;
};

struct content_id {
	int64_t		 no;
	uint8_t		 rnd[NAME_RND];
};

/* Well-formed?  1 or 0. */
int	 name_is_account(const char *, size_t);
int	 name_is_address(const char *, size_t);
/* UTF-8 NFC, levels, length; INBOX only in this spelling. */
int	 name_is_mailbox(const char *, size_t);
int	 name_is_role(const char *, size_t);
/* An Idempotency-Key: visible ASCII. */
int	 name_is_key(const char *, size_t);

/* A key of dict. */
int	 name_is_dict(const char *, size_t);
/* An entry of metadata (RFC 5464), made lower case in place. */
int	 name_lower_entry(char *, size_t);

/* Ids as text: into a buffer of NAME_ID_SIZE; returns the length. */
size_t	 name_put_mailbox(char *, const struct mbox_id *);
size_t	 name_put_content(char *, const struct content_id *);
size_t	 name_put_cursor(char *, uint32_t, int64_t);
/* Exactly what the writers make: 0, or -1 for any other text. */
int	 name_get_mailbox(struct mbox_id *, const char *, size_t);
int	 name_get_content(struct content_id *, const char *, size_t);
int	 name_get_cursor(uint32_t *, int64_t *, const char *, size_t);

/* The file of a large content: "body/xx/HEX", new: "body/new/HEX". */
#define NAME_FILE_SIZE		(sizeof("body/new/") + 2 * NAME_RND)
void	 name_put_file(char *, const uint8_t *, int);
/* A file's own name back to its bits; -1 if it is none of ours. */
int	 name_get_file(uint8_t *, const char *);

#endif /* NAMES_H */
