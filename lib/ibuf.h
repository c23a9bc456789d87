/*
 * A growable byte buffer with a read and a write position: message
 * bodies, protocol output, anything built or taken apart step by step.
 *
 * Memory: the struct is embedded or allocated by ibuf_open(); the bytes
 * belong to it until ibuf_fini()/ibuf_free().  A buffer never grows over
 * its max; a write that would is refused with ERANGE and changes nothing.
 * Writers and readers return 0, or -1 with errno (ENOMEM, ERANGE; EBADMSG
 * for reads past the end).  Numbers are in network order.
 */
#ifndef IBUF_H
#define IBUF_H

#include <sys/types.h>
#include <stdarg.h>
#include <stdint.h>

struct ibuf {
	uint8_t	*buf;
	size_t	 size;		/* bytes allocated, 0: memory not ours */
	size_t	 max;		/* never grows over this */
	size_t	 wpos;		/* next write */
	size_t	 rpos;		/* next read */
};

void		 ibuf_init(struct ibuf *, size_t);
void		 ibuf_fini(struct ibuf *);
void		 ibuf_wipe(struct ibuf *);
struct ibuf	*ibuf_open(size_t);
void		 ibuf_free(struct ibuf *);
void		 ibuf_from_buffer(struct ibuf *, const void *, size_t);

void		*ibuf_reserve(struct ibuf *, size_t);
void		*ibuf_room(struct ibuf *, size_t);
void		 ibuf_wrote(struct ibuf *, size_t);
int		 ibuf_add(struct ibuf *, const void *, size_t);
int		 ibuf_add_ibuf(struct ibuf *, const struct ibuf *);
int		 ibuf_add_n8(struct ibuf *, uint8_t);
int		 ibuf_add_n16(struct ibuf *, uint16_t);
int		 ibuf_add_n32(struct ibuf *, uint32_t);
int		 ibuf_add_n64(struct ibuf *, uint64_t);
int		 ibuf_adds(struct ibuf *, const char *);
int		 ibuf_addu(struct ibuf *, uint64_t);
int		 ibuf_addf(struct ibuf *, const char *, ...)
		    __attribute__((__format__ (printf, 2, 3)));
int		 ibuf_vaddf(struct ibuf *, const char *, va_list)
		    __attribute__((__format__ (printf, 2, 0)));
int		 ibuf_set_n32(struct ibuf *, size_t, uint32_t);
void		 ibuf_truncate(struct ibuf *, size_t);

size_t		 ibuf_size(const struct ibuf *);
uint8_t		*ibuf_data(const struct ibuf *);
int		 ibuf_get(struct ibuf *, void *, size_t);
int		 ibuf_get_n8(struct ibuf *, uint8_t *);
int		 ibuf_get_n16(struct ibuf *, uint16_t *);
int		 ibuf_get_n32(struct ibuf *, uint32_t *);
int		 ibuf_get_n64(struct ibuf *, uint64_t *);
const void	*ibuf_get_ptr(struct ibuf *, size_t);
int		 ibuf_skip(struct ibuf *, size_t);
void		 ibuf_drain(struct ibuf *, size_t);
void		 ibuf_rewind(struct ibuf *);
void		 ibuf_compact(struct ibuf *);

#endif /* IBUF_H */
