/*
 * Typed messages between processes, made from msg_table.h: a struct m_NAME
 * and a number M_NAME each, one encoder and one decoder for all.
 *
 * A decoded struct's texts and bytes point into the imsg and are good as
 * long as it is.  A sender's point wherever it likes; a NULL text is sent
 * as "".
 */
#ifndef MSG_H
#define MSG_H

#include <sys/types.h>
#include <stdint.h>

#include "ibuf.h"
#include "imsg.h"
#include "uidset.h"

enum role {
	ROLE_PARENT,
	ROLE_CONTROL,
	ROLE_CONNECTOR,
	ROLE_AUTH,
	ROLE_HASH,
	ROLE_ENGINE,
	ROLE_IMAP,
	ROLE_POP3,
	ROLE_LMTP,
	ROLE_STORE,
	ROLE_CTL,		/* mfrontctl, no child of ours */
	ROLE_MAX
};

#define R_PARENT	(1U << ROLE_PARENT)
#define R_CONTROL	(1U << ROLE_CONTROL)
#define R_CONNECTOR	(1U << ROLE_CONNECTOR)
#define R_AUTH		(1U << ROLE_AUTH)
#define R_HASH		(1U << ROLE_HASH)
#define R_ENGINE	(1U << ROLE_ENGINE)
#define R_IMAP		(1U << ROLE_IMAP)
#define R_POP3		(1U << ROLE_POP3)
#define R_LMTP		(1U << ROLE_LMTP)
#define R_STORE		(1U << ROLE_STORE)
#define R_CTL		(1U << ROLE_CTL)
#define R_LISTENER	(R_IMAP | R_POP3 | R_LMTP)
#define R_CHILD		(R_CONTROL | R_CONNECTOR | R_AUTH | R_HASH | \
			    R_ENGINE | R_LISTENER | R_STORE)

extern const char *const role_names[ROLE_MAX];

struct msg_blob {
	const void	*p;
	size_t		 len;
};

/* A set on the wire: pairs of numbers, checked, read with msg_set_get(). */
struct msg_set {
	const uint8_t	*p;		/* received: n * 8 bytes */
	uint32_t	 n;
	const struct uidset *set;	/* to send (p is then ignored) */
};

enum mf_type { MF_U8, MF_U16, MF_U32, MF_U64, MF_STR, MF_BLOB, MF_SET };

struct mfield {
	enum mf_type	 type;
	const char	*name;
	size_t		 off;		/* in the struct */
	size_t		 max;
};

enum { NOFD, FD };			/* does it carry a descriptor? */
#define SECRET		0x01

struct mdef {
	const char	*name;
	uint32_t	 from;		/* roles, as bits */
	uint32_t	 to;
	int		 fd;
	int		 flags;
	size_t		 size;		/* of the struct */
	const struct mfield *fields;
	size_t		 nfields;
};

#define MSG(name, from, to, fd, flags)	struct m_##name {
#define U8(name, f)			uint8_t f;
#define U16(name, f)			uint16_t f;
#define U32(name, f)			uint32_t f;
#define U64(name, f)			uint64_t f;
#define STR(name, f, max)		const char *f;
#define BLOB(name, f, max)		struct msg_blob f;
#define SET(name, f, max)		struct msg_set f;
#define END(name)			};
#include "msg_table.h"
#undef MSG
#undef U8
#undef U16
#undef U32
#undef U64
#undef STR
#undef BLOB
#undef SET
#undef END

enum msg_type {
	M_none,
#define MSG(name, from, to, fd, flags)	M_##name,
#define U8(name, f)
#define U16(name, f)
#define U32(name, f)
#define U64(name, f)
#define STR(name, f, max)
#define BLOB(name, f, max)
#define SET(name, f, max)
#define END(name)
#include "msg_table.h"
#undef MSG
#undef U8
#undef U16
#undef U32
#undef U64
#undef STR
#undef BLOB
#undef SET
#undef END
	M_MAX
};

/* A struct big enough for every message, to decode into. */
union msg_any {
#define MSG(name, from, to, fd, flags)	struct m_##name name;
#define U8(name, f)
#define U16(name, f)
#define U32(name, f)
#define U64(name, f)
#define STR(name, f, max)
#define BLOB(name, f, max)
#define SET(name, f, max)
#define END(name)
#include "msg_table.h"
#undef MSG
#undef U8
#undef U16
#undef U32
#undef U64
#undef STR
#undef BLOB
#undef SET
#undef END
};

extern const struct mdef msg_defs[M_MAX];

/* Two processes whose tables differ must not talk: FNV-1a over it all. */
uint64_t msg_table_hash(void);

/*
 * msg_encode() appends a body; -1 with ERANGE when a field is over its
 * bound.  msg_decode() reads a whole body: nothing missing, nothing left,
 * every bound kept, texts without NUL, sets ascending; else -1, EBADMSG.
 */
int	 msg_encode(struct ibuf *, enum msg_type, const void *);
int	 msg_decode(struct ibuf *, enum msg_type, void *);
/*
 * May this message go from one role to the other, with or without a
 * descriptor as it has one?  NULL if so, else the reason.
 */
const char *msg_refused(unsigned int, enum role, enum role, int);

/* Encode and queue in one step; the descriptor (or -1) is the queue's. */
int	 msg_compose(struct imsgbuf *, enum msg_type, uint32_t, uint32_t, int,
	    const void *);

/* A set of at most so many ranges on the wire, for what has rows inside. */
int	 msg_set_write(struct ibuf *, const struct msg_set *, size_t);
int	 msg_set_read(struct ibuf *, struct msg_set *, size_t);
int	 msg_set_get(const struct msg_set *, struct uidset *);
struct msg_set	msg_set_of(const struct uidset *);
struct msg_blob	msg_blob_of(const void *, size_t);

#endif /* MSG_H */
