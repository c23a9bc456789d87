#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <utf8proc.h>

#include "json.h"
#include "names.h"

#define B64_RND	22		/* characters for 16 bytes, no padding */

static const char b64[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static int
name_is_text(const char *s, size_t len, size_t max)
{
	uint32_t	cp;
	size_t		i, n;

	if (len == 0 || len > max)
		return 0;
	for (i = 0; i < len; i += n) {
		if ((n = utf8_decode(s + i, len - i, &cp)) == 0)
			return 0;
		/* C0, DEL and C1 */
		if (cp < 0x20 || (cp >= 0x7f && cp <= 0x9f))
			return 0;
	}
	return 1;
}

int
name_is_account(const char *s, size_t len)
{
	return name_is_text(s, len, NAME_ACCOUNT_MAX);
}

int
name_is_address(const char *s, size_t len)
{
	return name_is_text(s, len, NAME_ADDRESS_MAX) && s[0] != '<';
}

static int
name_is_ascii(const char *s, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if ((unsigned char)s[i] >= 0x80)
			return 0;
	return 1;
}

static int
name_is_nfc(const char *s, size_t len)
{
	utf8proc_uint8_t	*out;
	utf8proc_ssize_t	 n;
	int			 r;

	if (name_is_ascii(s, len))
		return 1;
	n = utf8proc_map((const utf8proc_uint8_t *)s, (utf8proc_ssize_t)len,
	    &out, UTF8PROC_STABLE | UTF8PROC_COMPOSE);
	if (n < 0)
		return 0;
	r = (size_t)n == len && memcmp(out, s, len) == 0;
	free(out);
	return r;
}

int
name_is_mailbox(const char *s, size_t len)
{
	size_t i, first;

	if (!name_is_text(s, len, NAME_MAILBOX_MAX) || !name_is_nfc(s, len))
		return 0;
	if (s[0] == '/' || s[len - 1] == '/')
		return 0;
	for (i = 1; i < len; i++)
		if (s[i] == '/' && s[i - 1] == '/')
			return 0;
	for (first = 0; first < len && s[first] != '/'; first++)
		;
	return first != 5 || strncasecmp(s, "INBOX", 5) != 0 ||
	    memcmp(s, "INBOX", 5) == 0;
}

int
name_is_role(const char *s, size_t len)
{
	size_t i;

	if (len == 0 || len > NAME_ROLE_MAX || s[0] < 'a' || s[0] > 'z')
		return 0;
	for (i = 1; i < len; i++)
		if ((s[i] < 'a' || s[i] > 'z') &&
		    (s[i] < '0' || s[i] > '9') && s[i] != '-')
			return 0;
	return 1;
}

int
name_is_key(const char *s, size_t len)
{
	size_t i;

	if (len == 0 || len > NAME_KEY_MAX)
		return 0;
	for (i = 0; i < len; i++)
		if (s[i] < 0x21 || s[i] > 0x7e)
			return 0;
	return 1;
}

int
name_is_dict(const char *s, size_t len)
{
	size_t i;

	if (len == 0 || len > NAME_KEY_MAX)
		return 0;
	for (i = 0; i < len; i++)
		if ((s[i] < 'A' || s[i] > 'Z') && (s[i] < 'a' ||
		    s[i] > 'z') && (s[i] < '0' || s[i] > '9') &&
		    s[i] != '.' && s[i] != '_' && s[i] != '-')
			return 0;
	return 1;
}

int
name_lower_entry(char *s, size_t len)
{
	size_t i;

	if (len == 0 || len > NAME_ENTRY_MAX || s[len - 1] == '/')
		return 0;
	for (i = 0; i < len; i++) {
		if (s[i] < 0x21 || s[i] > 0x7e || s[i] == '*' ||
		    s[i] == '%' || (s[i] == '/' && s[i + 1] == '/'))
			return 0;
		if (s[i] >= 'A' && s[i] <= 'Z')
			s[i] = (char)(s[i] - 'A' + 'a');
	}
	return (len > 9 && memcmp(s, "/private/", 9) == 0) ||
	    (len > 8 && memcmp(s, "/shared/", 8) == 0);
}

/* A number as a writer makes it: no sign, no leading zero, not 0. */
static int
name_number(int64_t *v, const char *s, size_t len, int64_t max)
{
	int64_t	n = 0;
	size_t	i;

	if (len == 0 || len > 18 || s[0] == '0')
		return -1;
	for (i = 0; i < len; i++) {
		if (s[i] < '0' || s[i] > '9')
			return -1;
		n = n * 10 + (s[i] - '0');
	}
	if (n > max)
		return -1;
	*v = n;
	return 0;
}

size_t
name_put_mailbox(char *out, const struct mbox_id *id)
{
	return (size_t)snprintf(out, NAME_ID_SIZE, "%" PRId64 "-%" PRIu32,
	    id->no, id->uidvalidity);
}

int
name_get_mailbox(struct mbox_id *id, const char *s, size_t len)
{
	const char	*dash;
	int64_t		 v;

	if ((dash = memchr(s, '-', len)) == NULL ||
	    name_number(&id->no, s, (size_t)(dash - s), INT64_MAX) == -1 ||
	    name_number(&v, dash + 1, len - (size_t)(dash + 1 - s),
	    UINT32_MAX) == -1)
		return -1;
	id->uidvalidity = (uint32_t)v;
	return 0;
}

static void
name_put_rnd(char *out, const uint8_t *rnd)
{
	uint32_t	acc = 0;
	int		i, bits = 0;

	for (i = 0; i < NAME_RND; i++) {
		acc = acc << 8 | rnd[i];
		for (bits += 8; bits >= 6; bits -= 6)
			*out++ = b64[acc >> (bits - 6) & 63];
	}
	*out = b64[acc << (6 - bits) & 63];
}

static int
name_get_rnd(uint8_t *rnd, const char *s)
{
	const char	*p;
	char		 again[B64_RND];
	uint32_t	 acc = 0;
	int		 i, bits = 0;

	for (i = 0; i < B64_RND; i++) {
		if (s[i] == '\0' || (p = strchr(b64, s[i])) == NULL)
			return -1;
		acc = acc << 6 | (uint32_t)(p - b64);
		bits += 6;
		if (bits < 8)
			continue;
		bits -= 8;
		*rnd++ = (uint8_t)(acc >> bits);
	}
	/* the last character has bits to spare: one spelling only */
	name_put_rnd(again, rnd - NAME_RND);
	return memcmp(again, s, B64_RND) == 0 ? 0 : -1;
}

/* Listings write one a row: no printf here. */
size_t
name_put_content(char *out, const struct content_id *id)
{
	char	 d[20];
	int64_t	 v = id->no;
	size_t	 n = B64_RND;
	int	 i = sizeof(d);

	name_put_rnd(out, id->rnd);
	do {
		d[--i] = (char)('0' + v % 10);
		v /= 10;
	} while (v > 0);
	memcpy(out + n, d + i, sizeof(d) - (size_t)i);
	n += sizeof(d) - (size_t)i;
	out[n] = '\0';
	return n;
}

int
name_get_content(struct content_id *id, const char *s, size_t len)
{
	if (len <= B64_RND || name_get_rnd(id->rnd, s) == -1)
		return -1;
	return name_number(&id->no, s + B64_RND, len - B64_RND, INT64_MAX);
}

size_t
name_put_cursor(char *out, uint32_t epoch, int64_t seq)
{
	return (size_t)snprintf(out, NAME_ID_SIZE, "%08" PRIx32 "-%" PRId64,
	    epoch, seq);
}

int
name_get_cursor(uint32_t *epoch, int64_t *seq, const char *s, size_t len)
{
	size_t	 i;
	char	 c;

	if (len < 10 || s[8] != '-')
		return -1;
	for (*epoch = 0, i = 0; i < 8; i++) {
		c = s[i];
		if (c >= '0' && c <= '9')
			c = (char)(c - '0');
		else if (c >= 'a' && c <= 'f')
			c = (char)(c - 'a' + 10);
		else
			return -1;
		*epoch = *epoch << 4 | (uint32_t)c;
	}
	*seq = 0;
	if (len == 10 && s[9] == '0')
		return 0;
	return name_number(seq, s + 9, len - 9, INT64_MAX);
}

void
name_put_file(char *out, const uint8_t *rnd, int new)
{
	char	*p;
	int	 i;

	if (new)
		p = out + snprintf(out, NAME_FILE_SIZE, "body/new/");
	else
		p = out + snprintf(out, NAME_FILE_SIZE, "body/%02x/", rnd[0]);
	for (i = 0; i < NAME_RND; i++)
		p += snprintf(p, 3, "%02x", rnd[i]);
}

int
name_get_file(uint8_t *rnd, const char *name)
{
	static const char	 hex[] = "0123456789abcdef";
	const char		*h, *l;
	int			 i;

	if (strlen(name) != 2 * NAME_RND)
		return -1;
	for (i = 0; i < NAME_RND; i++) {
		if ((h = strchr(hex, name[2 * i])) == NULL ||
		    (l = strchr(hex, name[2 * i + 1])) == NULL)
			return -1;
		rnd[i] = (uint8_t)((h - hex) << 4 | (l - hex));
	}
	return 0;
}
