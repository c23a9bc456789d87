#include <sys/types.h>
#include <ctype.h>
#include <string.h>

#include "json.h"
#include "passwd.h"

static const char *
passwd_check_name(const char *s, size_t len)
{
	const char	*at;
	size_t		 i;

	if (len == 0)
		return "no name";
	if (len > PASSWD_NAME_MAX)
		return "the name is too long";
	if (!utf8_valid(s, len))
		return "the name is not UTF-8";
	for (i = 0; i < len; i++)
		if ((unsigned char)s[i] <= ' ' || s[i] == 0x7f)
			return "a blank or control character in the name";
	if ((at = memchr(s, '@', len)) == NULL)
		return NULL;
	if (at == s || at == s + len - 1 ||
	    memchr(at + 1, '@', len - (size_t)(at + 1 - s)) != NULL)
		return "the name is neither \"user\" nor \"user@domain\"";
	return NULL;
}

/*
 * Only "$id$...": what does not look so is perhaps a password that
 * somebody forgot to encrypt.
 */
static const char *
passwd_check_hash(const char *s, size_t len)
{
	const char	*id;
	size_t		 i;

	if (len > PASSWD_HASH_MAX)
		return "the hash is too long";
	for (i = 0; i < len; i++)
		if (s[i] <= ' ' || s[i] >= 0x7f)
			return "a blank or control character in the hash";
	if (len < 4 || s[0] != '$' ||
	    (id = memchr(s + 1, '$', len - 1)) == NULL || id == s + 1 ||
	    id == s + len - 1)
		return "the hash is not one of crypt(3) (\"$id$...\")";
	for (s++; s < id; s++)
		if (!isalnum((unsigned char)*s) && *s != '-')
			return "the hash is not one of crypt(3) "
			    "(\"$id$...\")";
	return NULL;
}

int
passwd_line(char *s, size_t len, struct passwd_entry *e, const char **why)
{
	char	*hash, *end;
	size_t	 hlen;

	*why = NULL;
	if (len == 0 || s[0] == '#' || strspn(s, " \t") == len)
		return 0;
	*why = "a NUL byte";
	if (memchr(s, '\0', len) != NULL)
		return -1;
	*why = "no \":\" after the name";
	if ((hash = memchr(s, ':', len)) == NULL)
		return -1;
	*hash++ = '\0';
	if ((*why = passwd_check_name(s, (size_t)(hash - 1 - s))) != NULL)
		return -1;
	hlen = len - (size_t)(hash - s);
	if ((end = memchr(hash, ':', hlen)) != NULL) {
		*end = '\0';
		hlen = (size_t)(end - hash);
	}
	e->name = s;
	e->disabled = *hash == '!' || *hash == '*';
	e->hash = e->disabled ? "" : hash;
	if (!e->disabled && (*why = passwd_check_hash(hash, hlen)) != NULL)
		return -1;
	return 1;
}

void
passwd_init(struct passwd_reader *r,
    void (*entry)(void *, const struct passwd_entry *),
    void (*error)(void *, unsigned int, const char *), void *arg)
{
	memset(r, 0, sizeof(*r));
	r->entry = entry;
	r->error = error;
	r->arg = arg;
}

static void
passwd_eol(struct passwd_reader *r)
{
	struct passwd_entry	 e;
	const char		*why;
	int			 n;

	r->line++;
	r->buf[r->len] = '\0';
	if (r->overlong) {
		n = -1;
		why = "the line is too long";
	} else
		n = passwd_line(r->buf, r->len, &e, &why);
	e.line = r->line;
	if (n == 1)
		r->entry(r->arg, &e);
	else if (n == -1)
		r->error(r->arg, r->line, why);
	explicit_bzero(r->buf, r->len);
	r->len = 0;
	r->overlong = 0;
}

void
passwd_feed(struct passwd_reader *r, const void *text, size_t len)
{
	const char	*s = text, *nl;
	size_t		 n;

	while (len > 0) {
		nl = memchr(s, '\n', len);
		n = nl != NULL ? (size_t)(nl - s) : len;
		if (n > PASSWD_LINE_MAX - r->len)
			r->overlong = 1;
		else {
			memcpy(r->buf + r->len, s, n);
			r->len += n;
		}
		if (nl != NULL) {
			passwd_eol(r);
			n++;
		}
		s += n;
		len -= n;
	}
}

void
passwd_end(struct passwd_reader *r)
{
	if (r->len > 0 || r->overlong)
		passwd_eol(r);
	explicit_bzero(r->buf, sizeof(r->buf));
}
