#include <errno.h>
#include <string.h>

#include "json.h"
#include "saslplain.h"

/* The next string up to a NUL, which must be there. */
static int
saslplain_field(const char **p, size_t *left, const char **s, size_t *len)
{
	const char *nul;

	if ((nul = memchr(*p, '\0', *left)) == NULL)
		return -1;
	*s = *p;
	*len = (size_t)(nul - *p);
	*left -= *len + 1;
	*p = nul + 1;
	return 0;
}

/* An identity goes into log lines and requests: no line ends in it. */
static int
saslplain_identity(const char *s, size_t len)
{
	return len <= SASLPLAIN_MAX && utf8_valid(s, len) &&
	    memchr(s, '\r', len) == NULL && memchr(s, '\n', len) == NULL;
}

int
saslplain_parse(struct saslplain *m, const char *p, size_t len)
{
	if (saslplain_field(&p, &len, &m->authzid, &m->authzidlen) == -1 ||
	    saslplain_field(&p, &len, &m->authcid, &m->authcidlen) == -1)
		goto bad;
	m->passwd = p;
	m->passlen = len;
	if (m->authcidlen == 0 || len == 0 || len > SASLPLAIN_MAX ||
	    memchr(p, '\0', len) != NULL || !utf8_valid(p, len) ||
	    !saslplain_identity(m->authzid, m->authzidlen) ||
	    !saslplain_identity(m->authcid, m->authcidlen))
		goto bad;
	return 0;
 bad:
	memset(m, 0, sizeof(*m));
	errno = EINVAL;
	return -1;
}
