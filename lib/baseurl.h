/*
 * The URL that a storage API is found at (RFC 3986, the little of it that
 * is needed): http, https, or a unix socket.
 *
 *	http://HOST[:PORT][/PATH]
 *	https://HOST[:PORT][/PATH]
 *	unix:/SOCKET[:/PATH]
 *
 * HOST is a name, an IPv4 address or an IPv6 address in brackets (stored
 * without them).  Names are not resolved.  User names, queries and
 * fragments are refused.
 */
#ifndef BASEURL_H
#define BASEURL_H

#include <sys/types.h>
#include <stdint.h>

enum url_kind {
	URL_HTTP,
	URL_HTTPS,
	URL_UNIX
};

#define BASEURL_HOST_MAX	256
#define BASEURL_PATH_MAX	1024

struct baseurl {
	enum url_kind	kind;
	uint16_t	port;			/* 0: a unix socket */
	char		host[BASEURL_HOST_MAX];	/* "": a unix socket */
	char		path[BASEURL_PATH_MAX];	/* "" or "/v1": no "/" last */
	char		sock[BASEURL_PATH_MAX];
};

/* -1: *why says what is wrong, to come after "the URL". */
int	 baseurl_parse(struct baseurl *, const char *, const char **);

#endif /* BASEURL_H */
