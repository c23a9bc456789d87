#include <sys/types.h>
#include <sys/socket.h>
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "cidr.h"
#include "units.h"

/* Are the first n bits of two addresses the same? */
static int
cidr_same(const uint8_t *a, const uint8_t *b, unsigned int n)
{
	uint8_t mask = (uint8_t)(0xff << (8 - n % 8));

	if (memcmp(a, b, n / 8) != 0)
		return 0;
	return n % 8 == 0 || ((a[n / 8] ^ b[n / 8]) & mask) == 0;
}

static int
cidr_has_host_bits(const struct cidr *c)
{
	uint8_t net[16];
	unsigned int i;

	memset(net, 0, sizeof(net));
	for (i = 0; i < c->prefixlen; i++)
		net[i / 8] |= (uint8_t)(c->addr[i / 8] & (0x80 >> i % 8));
	return memcmp(net, c->addr, c->addrlen) != 0;
}

int
cidr_parse(struct cidr *c, const char *text)
{
	char		 host[64];
	const char	*slash;
	size_t		 len;
	uint64_t	 n;

	memset(c, 0, sizeof(*c));
	slash = strchr(text, '/');
	len = slash != NULL ? (size_t)(slash - text) : strlen(text);
	if (len >= sizeof(host))
		goto bad;
	memcpy(host, text, len);
	host[len] = '\0';
	if (inet_pton(AF_INET, host, c->addr) == 1)
		c->addrlen = 4;
	else if (inet_pton(AF_INET6, host, c->addr) == 1)
		c->addrlen = 16;
	else
		goto bad;
	n = c->addrlen * 8;
	if (slash != NULL && (units_parse(UNIT_COUNT, slash + 1, &n) == -1 ||
	    n > c->addrlen * 8U))
		goto bad;
	c->prefixlen = (uint8_t)n;
	if (cidr_has_host_bits(c))
		goto bad;
	return 0;
 bad:
	errno = EINVAL;
	return -1;
}

int
cidr_match(const struct cidr *c, const uint8_t *addr, size_t len)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (len == 16 && c->addrlen == 4 &&
	    memcmp(addr, mapped, sizeof(mapped)) == 0) {
		addr += sizeof(mapped);
		len = 4;
	}
	return len == c->addrlen && cidr_same(addr, c->addr, c->prefixlen);
}
