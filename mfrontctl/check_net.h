/*
 * Connections to a storage for tests: blocking with a deadline, over TCP,
 * TLS or a unix socket, with every byte said and seen.
 */
#ifndef CHECK_NET_H
#define CHECK_NET_H

#include <sys/types.h>
#include <stdint.h>

#include "baseurl.h"

struct tls;
struct tls_config;

struct net_peer {
	struct baseurl		 url;
	struct tls_config	*tls;	/* URL_HTTPS */
	int			 wait;	/* milliseconds */
};

struct net {
	struct net	*next;		/* for the owner's list */
	struct net_peer	*peer;
	struct tls	*tls;
	char		*buf;		/* what has come and was not taken */
	size_t		 len;
	size_t		 cap;
	int		 fd;
	int		 used;		/* answers it has had */
};

/* Milliseconds that only grow. */
int64_t	 net_now(void);

/* NULL: errno, or *why has more to say. */
struct net	*net_open(struct net_peer *, const char **);
void		 net_close(struct net *);
/* What errno is about, with what TLS has to say; until it is closed. */
const char	*net_error(struct net *);
/* Ends the connection in the middle: no more is sent, nothing is read. */
void		 net_cut(struct net *);
/*
 * 0 when all is sent, 1 when bytes have come before that and nothing could
 * be sent meanwhile, -1 (errno; ETIMEDOUT).
 */
int		 net_write(struct net *, const void *, size_t);
/* Bytes more in buf until a moment, 0: the peer has ended, -1 (errno). */
ssize_t		 net_read(struct net *, int64_t);
void		 net_taken(struct net *, size_t);
/* Has the peer ended an idle connection? */
int		 net_ended(struct net *);

#endif /* CHECK_NET_H */
