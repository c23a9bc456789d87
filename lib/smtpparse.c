#include <sys/socket.h>

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include "json.h"
#include "smtpparse.h"

#define LABEL_MAX	63

/* What is left of a line. */
struct smtp_line {
	const char	*p;
	size_t		 len;
};

static int
smtp_fail(struct smtp_cmd *c, const char *reply)
{
	c->reply = reply;
	return -1;
}

static size_t
smtp_spaces(struct smtp_line *l)
{
	size_t	n;

	for (n = 0; l->len > 0 && *l->p == ' '; n++) {
		l->p++;
		l->len--;
	}
	return n;
}

/* The next word, up to a space; its length. */
static size_t
smtp_word(struct smtp_line *l, const char **w)
{
	size_t	n;

	*w = l->p;
	for (n = 0; n < l->len && l->p[n] != ' '; n++)
		;
	l->p += n;
	l->len -= n;
	return n;
}

static int
smtp_is(const char *w, size_t len, const char *text)
{
	return strlen(text) == len && strncasecmp(w, text, len) == 0;
}

/* Digits only; more than 64 bits are as good as the greatest number. */
static int
smtp_number(const char *w, size_t len, uint64_t *v)
{
	uint64_t	n = 0;
	size_t		i;

	for (i = 0; i < len; i++) {
		if (w[i] < '0' || w[i] > '9')
			return -1;
		if (n > (UINT64_MAX - 9) / 10)
			n = UINT64_MAX;
		else
			n = n * 10 + (uint64_t)(w[i] - '0');
	}
	*v = n;
	return len > 0 && len <= 20 ? 0 : -1;
}

/* addresses */

static int
is_alnum(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
	    (c >= 'A' && c <= 'Z');
}

/* atext of RFC 5322, 3.2.3, and what is not ASCII (RFC 6531, 3.3) */
static int
is_atext(unsigned char c)
{
	return is_alnum(c) || c > 0x7f ||
	    (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

/* Text that is put together, with a bound. */
struct smtp_text {
	char	*p;
	size_t	 len;
	size_t	 size;
};

static int
text_put(struct smtp_text *t, char c)
{
	if (t->len == t->size)
		return -1;
	t->p[t->len++] = c;
	return 0;
}

/* A quoted local part, taken out of its quotes. */
static int
local_quoted(struct smtp_line *l, struct smtp_text *t)
{
	char	c;

	for (l->p++, l->len--; l->len > 0; l->p++, l->len--) {
		c = *l->p;
		if (c == '"') {
			l->p++;
			l->len--;
			return t->len > 0 ? 0 : -1;
		}
		if (c == '\\') {
			if (l->len == 1)
				return -1;
			l->p++;
			l->len--;
			c = *l->p;
		}
		if (text_put(t, c) == -1)
			return -1;
	}
	return -1;
}

/*
 * A bare one.  Dots in wrong places are taken, since there are mailboxes
 * that have them; what comes out is quoted then.
 */
static int
local_bare(struct smtp_line *l, struct smtp_text *t)
{
	for (; l->len > 0; l->p++, l->len--) {
		if (*l->p != '.' && !is_atext((unsigned char)*l->p))
			break;
		if (text_put(t, *l->p) == -1)
			return -1;
	}
	return t->len > 0 ? 0 : -1;
}

/* May this stand without quotes?  Dot-string of RFC 5321, 4.1.2. */
static int
local_is_dot_string(const char *p, size_t len)
{
	size_t	i;

	for (i = 0; i < len; i++) {
		if (p[i] == '.') {
			if (i == 0 || i + 1 == len || p[i + 1] == '.')
				return 0;
		} else if (!is_atext((unsigned char)p[i]))
			return 0;
	}
	return len > 0;
}

static int
local_put(struct smtp_text *out, const char *p, size_t len)
{
	size_t	i;

	if (local_is_dot_string(p, len)) {
		for (i = 0; i < len; i++)
			if (text_put(out, p[i]) == -1)
				return -1;
		return 0;
	}
	if (text_put(out, '"') == -1)
		return -1;
	for (i = 0; i < len; i++) {
		if ((p[i] == '"' || p[i] == '\\') &&
		    text_put(out, '\\') == -1)
			return -1;
		if (text_put(out, p[i]) == -1)
			return -1;
	}
	return text_put(out, '"');
}

/* "[192.0.2.1]" or "[IPv6:2001:db8::1]" (RFC 5321, 4.1.3) */
static int
domain_literal_ok(const char *p, size_t len)
{
	char	a[INET6_ADDRSTRLEN + 1];
	uint8_t	addr[16];
	int	af = AF_INET;

	if (len < 3 || *p != '[' || p[len - 1] != ']')
		return 0;
	p++;
	len -= 2;
	if (len > 5 && strncasecmp(p, "IPv6:", 5) == 0) {
		af = AF_INET6;
		p += 5;
		len -= 5;
	}
	if (len >= sizeof(a))
		return 0;
	memcpy(a, p, len);
	a[len] = '\0';
	return inet_pton(af, a, addr) == 1;
}

/* Underscores are not in the RFC but in the world. */
static int
domain_name_ok(const char *p, size_t len)
{
	size_t	i, label = 0;

	for (i = 0; i < len; i++) {
		if (p[i] == '.') {
			if (label == 0)
				return 0;
			label = 0;
			continue;
		}
		if ((!is_alnum((unsigned char)p[i]) && p[i] != '-' &&
		    p[i] != '_' && (unsigned char)p[i] < 0x80) ||
		    ++label > LABEL_MAX)
			return 0;
	}
	return label > 0;
}

static int
domain_ok(const char *p, size_t len)
{
	if (len == 0 || len > SMTP_DOMAIN_MAX)
		return 0;
	return *p == '[' ? domain_literal_ok(p, len) : domain_name_ok(p, len);
}

static int
domain_put(struct smtp_text *out, const char *p, size_t len)
{
	for (; len > 0; len--, p++)
		if (text_put(out, *p >= 'A' && *p <= 'Z' ?
		    (char)(*p - 'A' + 'a') : *p) == -1)
			return -1;
	return 0;
}

/* No control characters, and bytes over 127 only as UTF-8 where allowed. */
static int
address_chars_ok(const char *p, size_t len, int utf8)
{
	size_t	i;
	int	high = 0;

	for (i = 0; i < len; i++) {
		if ((unsigned char)p[i] < ' ' || p[i] == 0x7f)
			return 0;
		if ((unsigned char)p[i] > 0x7f)
			high = 1;
	}
	return !high || (utf8 && utf8_valid(p, len));
}

int
smtp_address(char *path, const char *p, size_t len, int utf8)
{
	char			raw[SMTP_LOCAL_MAX];
	struct smtp_text	local = { raw, 0, sizeof(raw) };
	struct smtp_text	out = { path, 0, SMTP_LOCAL_MAX };
	struct smtp_line	l = { p, len };

	if (len == 0 || !address_chars_ok(p, len, utf8) ||
	    (*p == '"' ? local_quoted(&l, &local) :
	    local_bare(&l, &local)) == -1)
		return -1;
	if (l.len == 0 || *l.p != '@' || !domain_ok(l.p + 1, l.len - 1))
		return -1;
	if (local_put(&out, raw, local.len) == -1)
		return -1;
	out.size = SMTP_PATH_MAX;
	if (text_put(&out, '@') == -1 ||
	    domain_put(&out, l.p + 1, l.len - 1) == -1)
		return -1;
	path[out.len] = '\0';
	return 0;
}

/*
 * Where does a path end that begins with "<"?  The ">" may stand quoted in
 * the local part.  Returns the length with both brackets, 0 if unclosed.
 */
static size_t
path_length(const char *p, size_t len)
{
	size_t	i;
	int	quoted = 0;

	for (i = 1; i < len; i++) {
		if (quoted && p[i] == '\\')
			i++;
		else if (p[i] == '"')
			quoted = !quoted;
		else if (!quoted && p[i] == '>')
			return i + 1;
	}
	return 0;
}

/* Drops "@relay,@relay:" in front (RFC 5321, 4.1.2: to be ignored). */
static int
path_skip_route(const char **path, size_t *len)
{
	const char	*p = *path, *end = p + *len, *colon, *comma;
	size_t		 n;

	if (*len == 0 || *p != '@')
		return 0;
	if ((colon = memchr(p, ':', *len)) == NULL)
		return -1;
	for (;;) {
		if (*p++ != '@')
			return -1;
		n = (size_t)(colon - p);
		if ((comma = memchr(p, ',', n)) != NULL)
			n = (size_t)(comma - p);
		if (!domain_ok(p, n))
			return -1;
		p += n + 1;
		if (comma == NULL)
			break;
	}
	*path = p;
	*len = (size_t)(end - p);
	return 0;
}

/*
 * "<...>" at the start of a line.  UTF-8 is taken here, whether it was
 * allowed is known only when MAIL's parameters have been seen.
 */
static int
smtp_path(struct smtp_line *l, char *path)
{
	const char	*p;
	size_t		 len, n;

	path[0] = '\0';
	if (l->len == 0 || *l->p != '<' ||
	    (len = path_length(l->p, l->len)) == 0)
		return -1;
	p = l->p + 1;
	n = len - 2;
	l->p += len;
	l->len -= len;
	if (n == 0)
		return 0;
	if (path_skip_route(&p, &n) == -1)
		return -1;
	if (smtp_is(p, n, "postmaster")) {
		memcpy(path, "postmaster", sizeof("postmaster"));
		return 0;
	}
	return smtp_address(path, p, n, 1);
}

/* parameters */

struct smtp_param {
	const char	*name;
	enum smtp_verb	 verb;
	int		 (*set)(struct smtp_cmd *, const char *, size_t);
};

static int
param_size(struct smtp_cmd *c, const char *v, size_t len)
{
	if (c->has_size || v == NULL || smtp_number(v, len, &c->size) == -1)
		return smtp_fail(c, "501 5.5.4 Bad SIZE");
	c->has_size = 1;
	return 0;
}

static int
param_body(struct smtp_cmd *c, const char *v, size_t len)
{
	if (c->body != SMTP_BODY_NONE || v == NULL)
		return smtp_fail(c, "501 5.5.4 Bad BODY");
	if (smtp_is(v, len, "7BIT"))
		c->body = SMTP_BODY_7BIT;
	else if (smtp_is(v, len, "8BITMIME"))
		c->body = SMTP_BODY_8BITMIME;
	else
		return smtp_fail(c, "555 5.5.4 BODY is 7BIT or 8BITMIME here");
	return 0;
}

static int
param_smtputf8(struct smtp_cmd *c, const char *v, size_t len)
{
	if (c->smtputf8 || v != NULL)
		return smtp_fail(c, "501 5.5.4 Bad SMTPUTF8");
	c->smtputf8 = 1;
	return 0;
}

static const struct smtp_param smtp_params[] = {
	{ "BODY",	SMTP_MAIL,	param_body },
	{ "SIZE",	SMTP_MAIL,	param_size },
	{ "SMTPUTF8",	SMTP_MAIL,	param_smtputf8 },
};

static int
smtp_param(struct smtp_cmd *c, const char *w, size_t len)
{
	const struct smtp_param	*e;
	const char		*v;
	size_t			 i, n = len;

	if ((v = memchr(w, '=', len)) != NULL)
		n = (size_t)(v++ - w);
	for (i = 0; i < sizeof(smtp_params) / sizeof(smtp_params[0]); i++) {
		e = &smtp_params[i];
		if (e->verb == c->verb && smtp_is(w, n, e->name))
			return e->set(c, v, v != NULL ? len - n - 1 : 0);
	}
	return smtp_fail(c, "555 5.5.4 Unsupported parameter");
}

static int
smtp_params_parse(struct smtp_cmd *c, struct smtp_line *l)
{
	const char	*w;
	size_t		 n;

	while (l->len > 0) {
		if (smtp_spaces(l) == 0)
			return smtp_fail(c, "501 5.5.4 Syntax error behind "
			    "the address");
		if ((n = smtp_word(l, &w)) > 0 && smtp_param(c, w, n) == -1)
			return -1;
	}
	return 0;
}

/* commands */

static int
smtp_has_utf8(const char *p)
{
	for (; *p != '\0'; p++)
		if ((unsigned char)*p > 0x7f)
			return 1;
	return 0;
}

/* "FROM:" or "TO:" and, not by the RFC, perhaps a space. */
static int
smtp_keyword(struct smtp_line *l, const char *keyword)
{
	size_t	n = strlen(keyword);

	if (l->len < n || strncasecmp(l->p, keyword, n) != 0)
		return -1;
	l->p += n;
	l->len -= n;
	smtp_spaces(l);
	return 0;
}

static int
smtp_args_mail(struct smtp_cmd *c, struct smtp_line *l, int opts)
{
	if (smtp_keyword(l, "FROM:") == -1)
		return smtp_fail(c, "501 5.5.4 Syntax: MAIL FROM:<address>");
	if (smtp_path(l, c->path) == -1)
		return smtp_fail(c, "501 5.1.7 Bad sender address syntax");
	if (smtp_params_parse(c, l) == -1)
		return -1;
	if (!c->smtputf8 && smtp_has_utf8(c->path))
		return smtp_fail(c, "550 5.6.7 Address needs SMTPUTF8");
	return 0;
}

static int
smtp_args_rcpt(struct smtp_cmd *c, struct smtp_line *l, int opts)
{
	if (smtp_keyword(l, "TO:") == -1)
		return smtp_fail(c, "501 5.5.4 Syntax: RCPT TO:<address>");
	if (smtp_path(l, c->path) == -1 || c->path[0] == '\0')
		return smtp_fail(c, "501 5.1.3 Bad recipient address syntax");
	if ((opts & SMTP_OPT_UTF8) == 0 && smtp_has_utf8(c->path))
		return smtp_fail(c, "553 5.6.7 Address needs SMTPUTF8");
	return smtp_params_parse(c, l);
}

static int
smtp_args_lhlo(struct smtp_cmd *c, struct smtp_line *l, int opts)
{
	const char	*w;
	size_t		 n, i;

	n = smtp_word(l, &w);
	for (i = 0; i < n; i++)
		if ((unsigned char)w[i] <= ' ' || (unsigned char)w[i] >= 0x7f)
			break;
	smtp_spaces(l);
	if (n == 0 || n > SMTP_DOMAIN_MAX || i < n || l->len > 0)
		return smtp_fail(c, "501 5.5.4 Syntax: LHLO domain");
	memcpy(c->domain, w, n);
	c->domain[n] = '\0';
	return 0;
}

static int
smtp_args_bdat(struct smtp_cmd *c, struct smtp_line *l, int opts)
{
	const char	*w;
	size_t		 n;

	n = smtp_word(l, &w);
	if (smtp_number(w, n, &c->chunk) == -1 || c->chunk > INT64_MAX)
		return smtp_fail(c, "501 5.5.4 Syntax: BDAT size [LAST]");
	smtp_spaces(l);
	if (l->len > 0) {
		n = smtp_word(l, &w);
		c->last = smtp_is(w, n, "LAST");
		smtp_spaces(l);
		if (!c->last || l->len > 0)
			return smtp_fail(c, "501 5.5.4 Syntax: BDAT size "
			    "[LAST]");
	}
	return 0;
}

static int
smtp_args_none(struct smtp_cmd *c, struct smtp_line *l, int opts)
{
	smtp_spaces(l);
	if (l->len > 0)
		return smtp_fail(c, "501 5.5.4 No arguments here");
	return 0;
}

/* NOOP, HELP, VRFY: whatever follows is not used. */
static int
smtp_args_any(struct smtp_cmd *c, struct smtp_line *l, int opts)
{
	return 0;
}

static int
smtp_args_not_lmtp(struct smtp_cmd *c, struct smtp_line *l, int opts)
{
	return smtp_fail(c, "500 5.5.1 This is LMTP: say LHLO");
}

static const struct smtp_entry {
	const char	*name;
	enum smtp_verb	 verb;
	int		 (*args)(struct smtp_cmd *, struct smtp_line *, int);
} smtp_table[] = {
	{ "BDAT",	SMTP_BDAT,	smtp_args_bdat },
	{ "DATA",	SMTP_DATA,	smtp_args_none },
	{ "EHLO",	SMTP_UNKNOWN,	smtp_args_not_lmtp },
	{ "HELO",	SMTP_UNKNOWN,	smtp_args_not_lmtp },
	{ "HELP",	SMTP_HELP,	smtp_args_any },
	{ "LHLO",	SMTP_LHLO,	smtp_args_lhlo },
	{ "MAIL",	SMTP_MAIL,	smtp_args_mail },
	{ "NOOP",	SMTP_NOOP,	smtp_args_any },
	{ "QUIT",	SMTP_QUIT,	smtp_args_none },
	{ "RCPT",	SMTP_RCPT,	smtp_args_rcpt },
	{ "RSET",	SMTP_RSET,	smtp_args_none },
	{ "STARTTLS",	SMTP_STARTTLS,	smtp_args_none },
	{ "VRFY",	SMTP_VRFY,	smtp_args_any },
};

static const struct smtp_entry *
smtp_lookup(const char *w, size_t len)
{
	size_t	i;

	for (i = 0; i < sizeof(smtp_table) / sizeof(smtp_table[0]); i++)
		if (smtp_is(w, len, smtp_table[i].name))
			return &smtp_table[i];
	return NULL;
}

int
smtp_parse(struct smtp_cmd *c, const char *line, size_t len, int opts)
{
	struct smtp_line		 l = { line, len };
	const struct smtp_entry		*e;
	const char			*w;
	size_t				 n;

	memset(c, 0, sizeof(*c));
	n = smtp_word(&l, &w);
	if ((e = smtp_lookup(w, n)) == NULL)
		return smtp_fail(c, "500 5.5.1 Command not recognised");
	c->verb = e->verb;
	if (len > SMTP_LINE_MAX - 2)
		return smtp_fail(c, "500 5.5.2 Line too long");
	if (!address_chars_ok(line, len, 1))
		return smtp_fail(c, "500 5.5.2 Invalid character");
	smtp_spaces(&l);
	return e->args(c, &l, opts);
}
