/*
 * A file that keeps small values by account and key, and may lose each of
 * them at any time: a set-associative cache on disk, of a fixed size.  This
 * is what stands in it and where; reading and writing is the caller's.
 *
 *	superblock	what the file is for, and a random key of its own
 *	region		all headers of its slots, then all their values
 *	region ...
 *
 * An account's entries are in one region, so that a look at all its headers
 * is bounded whatever the file's size; a key's are in one bucket there.
 * Headers and values are signed with the file's key (HMAC with SHA-256):
 * bytes that are torn, of another file, or that somebody had put into a
 * value are no header, and no entry.  The file may have holes: zeros are no
 * entry.
 *
 * Nothing here allocates or fails but by its return value; offsets and
 * sizes are bytes.
 */
#ifndef DICTFILE_H
#define DICTFILE_H

#include <sys/types.h>
#include <stdint.h>

#include "hmac.h"

#define DICTFILE_HEAD	512		/* of a header, and the superblock */
#define DICTFILE_VALUE	65536		/* of a value, at most */
#define DICTFILE_KEY	255		/* of a key, at most */
#define DICTFILE_WAYS	8		/* slots of a bucket */
#define DICTFILE_ETAG	33		/* with its NUL */
#define DICTFILE_SLOTS	2048		/* of a region, at most */
#define DICTFILE_MIN	(1024 * 1024)	/* the smallest file */

/* Where a storage's index is kept. */
enum index_kind {
	INDEX_DICT,			/* by the storage, if it has "dict" */
	INDEX_LOCAL,			/* in a file here */
	INDEX_NO
};

struct dictfile {
	uint64_t	 regions;
	uint32_t	 slots;			/* of a region */
	uint8_t		 secret[HMAC_LEN];
};

struct dictfile_slot {
	uint8_t		 owner[HMAC_LEN];	/* the account */
	char		 key[DICTFILE_KEY + 1];
	char		 etag[DICTFILE_ETAG];	/* hexadecimal */
	uint64_t	 stamp;			/* lower is older */
	uint32_t	 len;			/* of the value */
	uint8_t		 sum[HMAC_LEN];		/* of the value */
};

/* A key's bucket, as it was read, and the place in it. */
struct dictfile_bucket {
	struct dictfile_slot	 slot[DICTFILE_WAYS];
	int			 used[DICTFILE_WAYS];
	int			 found;		/* -1: not there */
	int			 place;		/* found, or what to overwrite */
};

/* How a file of this size is laid out; -1 if it is too small. */
int	 dictfile_layout(struct dictfile *, uint64_t);
uint64_t dictfile_size(const struct dictfile *);

/*
 * The superblock, for a store that has this name.  Made, it has a new key,
 * which ends all that was in the file; read, it is -1 for that of another
 * store or another layout.
 */
void	 dictfile_super_make(struct dictfile *, const char *,
	    uint8_t[DICTFILE_HEAD]);
int	 dictfile_super_read(struct dictfile *, const char *,
	    const uint8_t[DICTFILE_HEAD]);

/* An account in this file. */
void	 dictfile_owner(const struct dictfile *, const char *,
	    uint8_t[HMAC_LEN]);
/* The first slot of a key's bucket, in its account's region. */
uint32_t dictfile_bucket(const struct dictfile *, const uint8_t[HMAC_LEN],
	    const char *);
/* Where a slot of the account's region has its header, and its value. */
uint64_t dictfile_head_at(const struct dictfile *, const uint8_t[HMAC_LEN],
	    uint32_t);
uint64_t dictfile_value_at(const struct dictfile *, const uint8_t[HMAC_LEN],
	    uint32_t);

/* A header; -1 for what is none. */
void	 dictfile_slot_put(const struct dictfile *,
	    const struct dictfile_slot *, uint8_t[DICTFILE_HEAD]);
int	 dictfile_slot_get(const struct dictfile *, struct dictfile_slot *,
	    const uint8_t[DICTFILE_HEAD]);
/*
 * The same, only if it is an entry of this account whose key begins so;
 * what is not is seen without looking at its sum.
 */
int	 dictfile_slot_of(const struct dictfile *, struct dictfile_slot *,
	    const uint8_t[HMAC_LEN], const char *,
	    const uint8_t[DICTFILE_HEAD]);
/* A value's sum, which goes with the etag of its slot. */
void	 dictfile_sum(const struct dictfile *, const struct dictfile_slot *,
	    const void *, uint8_t[HMAC_LEN]);
/* Looks for a key among the headers of its bucket, one after the other. */
void	 dictfile_look(const struct dictfile *, struct dictfile_bucket *,
	    const uint8_t[HMAC_LEN], const char *,
	    const uint8_t[DICTFILE_WAYS * DICTFILE_HEAD]);

#endif /* DICTFILE_H */
