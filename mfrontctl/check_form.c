#include <ctype.h>
#include <string.h>

#include "check_form.h"
#include "json.h"
#include "rfcdate.h"

#define ID_MAX		255
#define NAME_MAX_BYTES	1000
#define FLAG_MAX	250
#define ROLE_MAX	32
#define CURSOR_MAX	1024

static int
is_control(uint32_t cp)
{
	return cp < 0x20 || (cp >= 0x7f && cp < 0xa0);
}

/* UTF-8 without control characters. */
static int
is_text(const char *s, size_t len)
{
	uint32_t	cp;
	size_t		n;

	while (len > 0) {
		if ((n = utf8_decode(s, len, &cp)) == 0 || is_control(cp))
			return 0;
		s += n;
		len -= n;
	}
	return 1;
}

static int
is_of(const char *s, size_t len, size_t max, const char *others)
{
	size_t i;

	if (len < 1 || len > max)
		return 0;
	for (i = 0; i < len; i++)
		if (s[i] == '\0' || (!isalnum((unsigned char)s[i]) &&
		    strchr(others, s[i]) == NULL))
			return 0;
	return 1;
}

int
form_id(const char *s, size_t len)
{
	return is_of(s, len, ID_MAX, "_-");
}

/* No level is empty; the first one is INBOX in this spelling only. */
int
form_name(const char *s, size_t len)
{
	size_t i, first = len;

	if (len < 1 || len > NAME_MAX_BYTES || !is_text(s, len))
		return 0;
	if (s[0] == '/' || s[len - 1] == '/')
		return 0;
	for (i = len; i-- > 0; )
		if (s[i] == '/') {
			if (s[i + 1] == '/')
				return 0;
			first = i;
		}
	return first != 5 || strncasecmp(s, "INBOX", 5) != 0 ||
	    memcmp(s, "INBOX", 5) == 0;
}

int
form_flag(const char *s, size_t len)
{
	static const char *const system[] = { "\\Answered", "\\Deleted",
	    "\\Draft", "\\Flagged", "\\Seen" };
	size_t i;

	if (len > 0 && s[0] == '\\') {
		for (i = 0; i < sizeof(system) / sizeof(system[0]); i++)
			if (strlen(system[i]) == len &&
			    strncasecmp(system[i], s, len) == 0)
				return 1;
		return 0;
	}
	for (i = 0; i < len; i++)
		if (s[i] <= ' ' || s[i] == 0x7f ||
		    strchr("(){%*\"\\]", s[i]) != NULL)
			return 0;
	return len > 0 && len <= FLAG_MAX;
}

int
form_role(const char *s, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (isupper((unsigned char)s[i]))
			return 0;
	return is_of(s, len, ROLE_MAX, "-");
}

int
form_date(const char *s, size_t len)
{
	struct rfcdate d;

	return rfcdate_parse_3339(&d, s, len) == 0;
}

int
form_same_date(const char *a, const char *b)
{
	struct rfcdate x, y;

	return rfcdate_parse_3339(&x, a, strlen(a)) == 0 &&
	    rfcdate_parse_3339(&y, b, strlen(b)) == 0 &&
	    x.t == y.t && x.zone == y.zone;
}

int
form_cursor(const char *s, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (s[i] <= ' ' || s[i] == 0x7f)
			return 0;
	return len > 0 && len <= CURSOR_MAX;
}

int
form_account(const char *s, size_t len)
{
	return len > 0 && len <= ACCOUNT_MAX && is_text(s, len);
}

static const char *
loose_number(const char *p, const char *end, uint32_t *n)
{
	uint64_t v = 0;

	while (p < end && *p == ' ')
		p++;
	if (p == end || !isdigit((unsigned char)*p))
		return NULL;
	for (; p < end && isdigit((unsigned char)*p); p++)
		if ((v = v * 10 + (uint64_t)(*p - '0')) > UINT32_MAX)
			return NULL;
	while (p < end && *p == ' ')
		p++;
	*n = (uint32_t)v;
	return v > 0 ? p : NULL;
}

int
form_loose_set(struct uidset *set, const char *s, size_t len)
{
	const char	*p = s, *end = s + len;
	uint32_t	 lo, hi;

	for (;;) {
		if ((p = loose_number(p, end, &lo)) == NULL)
			return -1;
		hi = lo;
		if (p < end && *p == ':' &&
		    (p = loose_number(p + 1, end, &hi)) == NULL)
			return -1;
		if (uidset_add(set, lo < hi ? lo : hi,
		    lo < hi ? hi : lo) == -1)
			return -1;
		if (p == end)
			return 0;
		if (*p++ != ',')
			return -1;
	}
}
