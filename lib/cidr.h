/*
 * Networks in CIDR notation (RFC 4632, RFC 4291): "127.0.0.1",
 * "10.0.0.0/8", "fd00::/8".  An address alone is a network of one.
 *
 * Addresses are 4 or 16 bytes in network order.  An IPv4 address that came
 * mapped into IPv6 (::ffff:0:0/96) matches IPv4 networks.
 */
#ifndef CIDR_H
#define CIDR_H

#include <sys/types.h>
#include <stdint.h>

struct cidr {
	uint8_t	addr[16];
	uint8_t	addrlen;	/* 4 or 16 */
	uint8_t	prefixlen;	/* bits, at most addrlen * 8 */
};

/* -1, EINVAL: not a network, or one with bits beyond its prefix. */
int	 cidr_parse(struct cidr *, const char *);
int	 cidr_match(const struct cidr *, const uint8_t *, size_t);

#endif /* CIDR_H */
