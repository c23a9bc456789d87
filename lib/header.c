#include <string.h>

#include "header.h"
#include "header_lex.h"

/*
 * Sorted, lower case.  The fields that have HEADER_OTHER are those that
 * mail programs ask for in listings; a summary keeps them too, so a change
 * here needs a new version there.
 */
static const struct {
	const char	*name;
	enum header_id	 id;
} header_names[] = {
	{ "auto-submitted",		HEADER_OTHER },
	{ "bcc",			HEADER_BCC },
	{ "cc",				HEADER_CC },
	{ "chat-version",		HEADER_OTHER },
	{ "content-class",		HEADER_OTHER },
	{ "content-description",	HEADER_CONTENT_DESCRIPTION },
	{ "content-disposition",	HEADER_CONTENT_DISPOSITION },
	{ "content-id",			HEADER_CONTENT_ID },
	{ "content-language",		HEADER_CONTENT_LANGUAGE },
	{ "content-location",		HEADER_CONTENT_LOCATION },
	{ "content-md5",		HEADER_CONTENT_MD5 },
	{ "content-transfer-encoding",	HEADER_CONTENT_TRANSFER_ENCODING },
	{ "content-type",		HEADER_CONTENT_TYPE },
	{ "date",			HEADER_DATE },
	{ "delivered-to",		HEADER_OTHER },
	{ "disposition-notification-to", HEADER_OTHER },
	{ "envelope-to",		HEADER_OTHER },
	{ "expires",			HEADER_OTHER },
	{ "followup-to",		HEADER_OTHER },
	{ "from",			HEADER_FROM },
	{ "importance",			HEADER_OTHER },
	{ "in-reply-to",		HEADER_IN_REPLY_TO },
	{ "keywords",			HEADER_OTHER },
	{ "lines",			HEADER_OTHER },
	{ "list-archive",		HEADER_OTHER },
	{ "list-help",			HEADER_OTHER },
	{ "list-id",			HEADER_OTHER },
	{ "list-owner",			HEADER_OTHER },
	{ "list-post",			HEADER_OTHER },
	{ "list-subscribe",		HEADER_OTHER },
	{ "list-unsubscribe",		HEADER_OTHER },
	{ "list-unsubscribe-post",	HEADER_OTHER },
	{ "mail-followup-to",		HEADER_OTHER },
	{ "mail-reply-to",		HEADER_OTHER },
	{ "message-id",			HEADER_MESSAGE_ID },
	{ "mime-version",		HEADER_OTHER },
	{ "newsgroups",			HEADER_OTHER },
	{ "organization",		HEADER_OTHER },
	{ "precedence",			HEADER_OTHER },
	{ "priority",			HEADER_OTHER },
	{ "references",			HEADER_REFERENCES },
	{ "reply-to",			HEADER_REPLY_TO },
	{ "return-path",		HEADER_OTHER },
	{ "return-receipt-to",		HEADER_OTHER },
	{ "sender",			HEADER_SENDER },
	{ "sensitivity",		HEADER_OTHER },
	{ "status",			HEADER_OTHER },
	{ "subject",			HEADER_SUBJECT },
	{ "thread-index",		HEADER_OTHER },
	{ "thread-topic",		HEADER_OTHER },
	{ "to",				HEADER_TO },
	{ "user-agent",			HEADER_OTHER },
	{ "x-forwarded-message-id",	HEADER_OTHER },
	{ "x-label",			HEADER_OTHER },
	{ "x-mailer",			HEADER_OTHER },
	{ "x-mozilla-keys",		HEADER_OTHER },
	{ "x-msmail-priority",		HEADER_OTHER },
	{ "x-original-to",		HEADER_OTHER },
	{ "x-priority",			HEADER_OTHER },
	{ "x-spam-flag",		HEADER_OTHER },
	{ "x-spam-level",		HEADER_OTHER },
	{ "x-spam-status",		HEADER_OTHER },
	{ "x-status",			HEADER_OTHER },
	{ "x-tuid",			HEADER_OTHER },
	{ "x-uniform-type-identifier",	HEADER_OTHER },
	{ "x-universally-unique-identifier", HEADER_OTHER },
};

/* Text of known length against a name in lower case. */
static int
name_cmp(const char *p, size_t len, const char *name)
{
	size_t	i;
	int	d;

	for (i = 0; i < len; i++)
		if ((d = lex_lower(p[i]) - name[i]) != 0 || name[i] == '\0')
			return d == 0 ? 1 : d;
	return -name[len];
}

int
hstr_is(const struct hstr *s, const char *name)
{
	size_t i;

	if (s->p == NULL)
		return 0;
	for (i = 0; i < s->len; i++)
		if (name[i] == '\0' || lex_lower(s->p[i]) != lex_lower(name[i]))
			return 0;
	return name[i] == '\0';
}

int
hstr_same(const struct hstr *a, const struct hstr *b)
{
	size_t i;

	if (a->len != b->len)
		return 0;
	for (i = 0; i < a->len; i++)
		if (lex_lower(a->p[i]) != lex_lower(b->p[i]))
			return 0;
	return 1;
}

enum header_id
header_id(const char *p, size_t len)
{
	size_t	lo = 0, hi = sizeof(header_names) / sizeof(header_names[0]);
	size_t	mid;
	int	d;

	while (lo < hi) {
		mid = (lo + hi) / 2;
		d = name_cmp(p, len, header_names[mid].name);
		if (d == 0)
			return header_names[mid].id;
		if (d < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return HEADER_NONE;
}

const char *
header_known(size_t i)
{
	if (i >= sizeof(header_names) / sizeof(header_names[0]))
		return NULL;
	return header_names[i].name;
}

void
header_start(struct header_iter *it, const void *p, size_t len)
{
	it->p = p;
	it->end = it->p + len;
}

const char *
lex_comment(const char *p, const char *end)
{
	int depth = 0;

	for (; p < end; p++) {
		if (*p == '\\' && p + 1 < end)
			p++;
		else if (*p == '(')
			depth++;
		else if (*p == ')' && --depth == 0)
			return p + 1;
	}
	return NULL;
}

static void
trim(struct hstr *s)
{
	while (s->len > 0 && lex_space(s->p[s->len - 1]))
		s->len--;
	while (s->len > 0 && lex_space(*s->p)) {
		s->p++;
		s->len--;
	}
}

/* Splits at the colon, if what is before it can be a name (RFC 5322, 2.2). */
static void
field_split(struct header_field *f)
{
	const char	*p = f->raw.p, *end = p + f->raw.len, *e;

	while (p < end && *p > ' ' && *p < 0x7f && *p != ':')
		p++;
	for (e = p; p < end && lex_blank(*p);)
		p++;
	f->name.p = f->raw.p;
	f->name.len = 0;
	f->value = f->raw;
	if (p < end && *p == ':' && e > f->raw.p) {
		f->name.len = (size_t)(e - f->raw.p);
		f->value.p = p + 1;
		f->value.len = (size_t)(end - f->value.p);
	}
	trim(&f->value);
}

int
header_next(struct header_iter *it, struct header_field *f)
{
	const char *p = it->p;

	if (p == it->end || *p == '\n' ||
	    (*p == '\r' && it->end - p > 1 && p[1] == '\n'))
		return 0;
	do
		p = lex_line(p, it->end);
	while (p < it->end && lex_blank(*p));
	f->raw.p = it->p;
	f->raw.len = (size_t)(p - it->p);
	field_split(f);
	it->p = p;
	return 1;
}

/* Dropped when unfolding: a CR alone is no line end, but nobody's text. */
static int
is_fold(const char *p, const char *end)
{
	return *p == '\n' || *p == '\0' ||
	    (*p == '\r' && p + 1 < end && p[1] == '\n');
}

int
header_unfold(struct ibuf *b, const char *p, size_t len)
{
	const char	*end = p + len, *run;
	char		*o;

	if (len == 0)
		return 0;
	if ((o = ibuf_room(b, len)) == NULL)
		return -1;
	for (run = o; p < end; p++)
		if (!is_fold(p, end))
			*o++ = *p == '\r' ? ' ' : *p;
	ibuf_wrote(b, (size_t)(o - run));
	return 0;
}
