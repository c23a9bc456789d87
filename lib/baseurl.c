#include <sys/types.h>
#include <sys/socket.h>
#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

#include "baseurl.h"
#include "units.h"

static const struct {
	const char	*scheme;
	enum url_kind	 kind;
	uint16_t	 port;
} schemes[] = {
	{ "http://",	URL_HTTP,	80 },
	{ "https://",	URL_HTTPS,	443 },
	{ "unix:",	URL_UNIX,	0 },
};

#define NSCHEMES	(sizeof(schemes) / sizeof(schemes[0]))

static int
url_copy(char *dst, size_t size, const char *src, size_t len)
{
	if (len >= size)
		return -1;
	memcpy(dst, src, len);
	dst[len] = '\0';
	return 0;
}

/* The path goes into request lines as it is: nothing may end one. */
static const char *
url_path(struct baseurl *u, const char *s)
{
	const unsigned char	*p;
	size_t			 len = strlen(s);

	for (p = (const unsigned char *)s; *p != '\0'; p++)
		if (*p <= ' ' || *p >= 0x7f || strchr("?#\"<>\\^`{|}", *p))
			return "has a character in its path that must not be";
	while (len > 0 && s[len - 1] == '/')
		len--;
	if (url_copy(u->path, sizeof(u->path), s, len) == -1)
		return "has too long a path";
	return NULL;
}

static const char *
url_unix(struct baseurl *u, const char *s)
{
	const unsigned char	*p;
	const char		*colon;

	if (*s != '/')
		return "has no absolute path of a socket";
	for (p = (const unsigned char *)s; *p != '\0'; p++)
		if (iscntrl(*p))
			return "has a control character";
	colon = strstr(s, ":/");
	if (url_copy(u->sock, sizeof(u->sock), s,
	    colon != NULL ? (size_t)(colon - s) : strlen(s)) == -1)
		return "has too long a path of a socket";
	return url_path(u, colon != NULL ? colon + 1 : "");
}

static int
url_is_name(const char *s)
{
	const char *p;

	for (p = s; *p != '\0'; p++)
		if (!isalnum((unsigned char)*p) && *p != '-' && *p != '.' &&
		    *p != '_')
			return 0;
	return p != s && *s != '-' && *s != '.';
}

/* "[::1]", "127.0.0.1" or a name, up to *end. */
static const char *
url_host(struct baseurl *u, const char *s, const char **end)
{
	struct in6_addr	 in6;
	int		 v6 = *s == '[';
	size_t		 len;

	if (v6)
		s++;
	len = strcspn(s, v6 ? "]/?#" : ":/?#");
	*end = s + len + v6;
	if (v6 && s[len] != ']')
		return "lacks the ] of its address";
	if (url_copy(u->host, sizeof(u->host), s, len) == -1)
		return "has too long a host name";
	if (strchr(u->host, '@') != NULL)
		return "must not have a user name";
	if (v6 ? inet_pton(AF_INET6, u->host, &in6) != 1 :
	    !url_is_name(u->host))
		return "has no good host name";
	return NULL;
}

static const char *
url_inet(struct baseurl *u, const char *s)
{
	const char	*why;
	char		 port[6];
	size_t		 len;
	uint64_t	 n;

	/* "user:password@host" must not be taken for a port */
	len = strcspn(s, "/?#");
	if (memchr(s, '@', len) != NULL)
		return "must not have a user name";
	if ((why = url_host(u, s, &s)) != NULL)
		return why;
	if (*s == ':') {
		len = strcspn(++s, "/?#");
		if (url_copy(port, sizeof(port), s, len) == -1 ||
		    units_parse(UNIT_COUNT, port, &n) == -1 ||
		    n < 1 || n > 65535)
			return "has no good port";
		u->port = (uint16_t)n;
		s += len;
	}
	if (*s != '\0' && *s != '/')
		return "must end with a path";
	return url_path(u, s);
}

int
baseurl_parse(struct baseurl *u, const char *text, const char **why)
{
	size_t i, len;

	memset(u, 0, sizeof(*u));
	*why = "must begin with http://, https:// or unix:/";
	for (i = 0; i < NSCHEMES; i++) {
		len = strlen(schemes[i].scheme);
		if (strncasecmp(text, schemes[i].scheme, len) != 0)
			continue;
		u->kind = schemes[i].kind;
		u->port = schemes[i].port;
		*why = u->kind == URL_UNIX ? url_unix(u, text + len) :
		    url_inet(u, text + len);
		break;
	}
	return *why == NULL ? 0 : -1;
}
