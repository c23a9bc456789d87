#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "json.h"
#include "output.h"

enum column_type {
	COL_STR,
	COL_BOOL,		/* a uint8_t */
	COL_U32,
	COL_U64,
	COL_AGE,		/* a uint32_t, seconds */
	COL_SECS		/* the same, UINT32_MAX: none */
};

struct column {
	const char		*name;		/* and JSON's */
	enum column_type	 type;
	size_t			 off;
	int			 width;		/* negative: to the left */
};

#define COL(row, field, name, type, width)				\
	{ name, type, offsetof(struct m_##row, field), width }

static const struct column session_columns[] = {
	COL(ctl_session, name, "session", COL_STR, -20),
	COL(ctl_session, service, "service", COL_STR, -7),
	COL(ctl_session, user, "user", COL_STR, -20),
	COL(ctl_session, remote, "remote", COL_STR, -15),
	COL(ctl_session, tls, "tls", COL_BOOL, -3),
	COL(ctl_session, state, "state", COL_STR, -13),
	COL(ctl_session, mailbox, "mailbox", COL_STR, -16),
	COL(ctl_session, age, "age", COL_AGE, 6),
	COL(ctl_session, idle, "idle", COL_AGE, 6),
	COL(ctl_session, in, "in", COL_U64, 9),
	COL(ctl_session, out, "out", COL_U64, 9),
	{ NULL, COL_STR, 0, 0 }
};

static const struct column stat_columns[] = {
	COL(ctl_stat, process, "process", COL_STR, -12),
	COL(ctl_stat, name, "name", COL_STR, -32),
	COL(ctl_stat, value, "value", COL_U64, 20),
	{ NULL, COL_STR, 0, 0 }
};

static const struct column storage_columns[] = {
	COL(ctl_storage, name, "storage", COL_STR, 0),
	COL(ctl_storage, process, "process", COL_STR, 0),
	COL(ctl_storage, url, "url", COL_STR, 0),
	COL(ctl_storage, server, "server", COL_STR, 0),
	COL(ctl_storage, state, "state", COL_STR, 0),
	COL(ctl_storage, breaker, "breaker", COL_STR, 0),
	COL(ctl_storage, failures, "failures", COL_U32, 0),
	COL(ctl_storage, opened, "opened", COL_U32, 0),
	COL(ctl_storage, probed, "probed", COL_SECS, 0),
	COL(ctl_storage, probe, "probe", COL_SECS, 0),
	COL(ctl_storage, error, "error", COL_STR, 0),
	COL(ctl_storage, events, "events", COL_STR, 0),
	COL(ctl_storage, caps, "capabilities", COL_STR, 0),
	COL(ctl_storage, conns, "connections", COL_U32, 0),
	COL(ctl_storage, busy, "busy", COL_U32, 0),
	COL(ctl_storage, requests, "requests", COL_U64, 0),
	COL(ctl_storage, errors, "errors", COL_U64, 0),
	{ NULL, COL_STR, 0, 0 }
};

#define TITLE_WIDTH	14		/* of a storage's lines */
#define TEXT_LEN	4096		/* the longest text, with its NUL */
#define TEXT_MAX	(4 * TEXT_LEN)	/* all of it \ooo */

static const struct column *
output_columns(enum msg_type type)
{
	switch (type) {
	case M_ctl_session:
		return session_columns;
	case M_ctl_stat:
		return stat_columns;
	default:
		return storage_columns;
	}
}

/* texts */

/* Returns how many columns it takes on a terminal. */
static int
text_clean(char *out, size_t size, const char *in)
{
	uint32_t	cp;
	size_t		n, left = strlen(in), len = 0;
	int		width = 0;

	while (left > 0 && len + 5 < size) {
		n = utf8_decode(in, left, &cp);
		if (n == 0 || cp < ' ' || (cp >= 0x7f && cp < 0xa0)) {
			len += (size_t)snprintf(out + len, size - len,
			    "\\%03o", (unsigned char)*in);
			n = 1;
			width += 3;
		} else {
			memcpy(out + len, in, n);
			len += n;
		}
		in += n;
		left -= n;
		width++;
	}
	out[len] = '\0';
	return width;
}

static void
age_format(char *buf, size_t len, uint32_t s)
{
	if (s < 60)
		snprintf(buf, len, "%us", s);
	else if (s < 3600)
		snprintf(buf, len, "%um%02us", s / 60, s % 60);
	else if (s < 86400)
		snprintf(buf, len, "%uh%02um", s / 3600, s / 60 % 60);
	else
		snprintf(buf, len, "%ud%02uh", s / 86400, s / 3600 % 24);
}

static int
column_text(const struct column *c, const void *row, char *buf, size_t len)
{
	const char	*field = (const char *)row + c->off, *s;
	uint64_t	 n64;
	uint32_t	 n32;

	switch (c->type) {
	case COL_STR:
		memcpy(&s, field, sizeof(s));
		return text_clean(buf, len, *s != '\0' ? s : "-");
	case COL_BOOL:
		strlcpy(buf, *field ? "yes" : "no", len);
		break;
	case COL_U32:
		memcpy(&n32, field, sizeof(n32));
		snprintf(buf, len, "%u", n32);
		break;
	case COL_AGE:
		memcpy(&n32, field, sizeof(n32));
		age_format(buf, len, n32);
		break;
	case COL_SECS:
		memcpy(&n32, field, sizeof(n32));
		if (n32 == UINT32_MAX)
			strlcpy(buf, "-", len);
		else
			age_format(buf, len, n32);
		break;
	case COL_U64:
		memcpy(&n64, field, sizeof(n64));
		snprintf(buf, len, "%llu", (unsigned long long)n64);
		break;
	}
	return (int)strlen(buf);
}

static void
text_blanks(struct ibuf *b, int n)
{
	for (; n > 0; n--)
		(void)ibuf_add(b, " ", 1);
}

/* Aligned unless longer than its column; nothing trails the last one. */
static void
text_cell(struct ibuf *b, const struct column *c, const char *s, int width)
{
	if (c->width > 0)
		text_blanks(b, c->width - width);
	(void)ibuf_adds(b, s);
	if (c[1].name == NULL)
		(void)ibuf_adds(b, "\n");
	else {
		if (c->width < 0)
			text_blanks(b, -c->width - width);
		(void)ibuf_adds(b, " ");
	}
}

static void
text_titles(struct ibuf *b, const struct column *c)
{
	char	title[32], *p;

	for (; c->name != NULL; c++) {
		strlcpy(title, c->name, sizeof(title));
		for (p = title; *p != '\0'; p++)
			if (*p >= 'a' && *p <= 'z')
				*p = (char)(*p - 'a' + 'A');
		text_cell(b, c, title, (int)strlen(title));
	}
}

static void
text_row(struct output *o, const void *row)
{
	const struct column	*c = output_columns(o->type);
	char			 buf[TEXT_MAX];
	int			 width;

	if (o->rows == 0)
		text_titles(o->b, c);
	for (; c->name != NULL; c++) {
		width = column_text(c, row, buf, sizeof(buf));
		text_cell(o->b, c, buf, width);
	}
}

/* Few of them, and long: a line for each of its columns. */
static void
text_storage(struct output *o, const void *row)
{
	const struct column	*c;
	char			 buf[TEXT_MAX];

	if (o->rows > 0)
		(void)ibuf_adds(o->b, "\n");
	for (c = storage_columns; c->name != NULL; c++) {
		column_text(c, row, buf, sizeof(buf));
		(void)ibuf_adds(o->b, c->name);
		text_blanks(o->b, TITLE_WIDTH - (int)strlen(c->name));
		(void)ibuf_addf(o->b, "%s\n", buf);
	}
}

/* JSON */

static void
json_text(struct ibuf *b, const char *s)
{
	char buf[TEXT_MAX];

	if (!utf8_valid(s, strlen(s))) {
		text_clean(buf, sizeof(buf), s);
		s = buf;
	}
	(void)json_put_str(b, s);
}

static void
json_column(struct ibuf *b, const struct column *c, const void *row)
{
	const char	*field = (const char *)row + c->off, *s;
	uint64_t	 n64;
	uint32_t	 n32;

	switch (c->type) {
	case COL_STR:
		memcpy(&s, field, sizeof(s));
		(void)json_key(b, c->name);
		json_text(b, s);
		break;
	case COL_BOOL:
		(void)json_kbool(b, c->name, *field != 0);
		break;
	case COL_SECS:
		memcpy(&n32, field, sizeof(n32));
		if (n32 == UINT32_MAX) {
			(void)json_key(b, c->name);
			(void)json_put_raw(b, "null");
			break;
		}
		/* FALLTHROUGH */
	case COL_U32:
	case COL_AGE:
		memcpy(&n32, field, sizeof(n32));
		(void)json_ku64(b, c->name, n32);
		break;
	case COL_U64:
		memcpy(&n64, field, sizeof(n64));
		(void)json_ku64(b, c->name, n64);
		break;
	}
}

static void
json_row(struct output *o, const void *row)
{
	const struct column *c;

	(void)ibuf_adds(o->b, o->rows == 0 ? "\n" : ",\n");
	(void)json_open(o->b, '{');
	for (c = output_columns(o->type); c->name != NULL; c++)
		json_column(o->b, c, row);
	(void)json_close(o->b, '}');
}

/*
 * {"imap/0":{"sessions":1,...},...}: a process's rows come together.  The
 * commas are put here, since the buffer may have been emptied meanwhile.
 */
static void
json_stat(struct output *o, const struct m_ctl_stat *m)
{
	if (o->rows > 0 && strcmp(o->group, m->process) == 0)
		(void)ibuf_adds(o->b, ",\n");
	else {
		(void)ibuf_adds(o->b, o->rows > 0 ? "},\n" : "\n");
		strlcpy(o->group, m->process, sizeof(o->group));
		json_text(o->b, m->process);
		(void)ibuf_adds(o->b, ":{\n");
	}
	json_text(o->b, m->name);
	(void)ibuf_addf(o->b, ":%llu", (unsigned long long)m->value);
}

/* all of it */

void
output_begin(struct output *o, struct ibuf *b, int json, enum msg_type type)
{
	memset(o, 0, sizeof(*o));
	o->b = b;
	o->json = json;
	o->type = type;
	if (json && type != M_none)
		(void)ibuf_adds(b, type == M_ctl_stat ? "{" : "[");
}

void
output_row(struct output *o, const void *row)
{
	if (o->json && o->type == M_ctl_stat)
		json_stat(o, row);
	else if (o->json)
		json_row(o, row);
	else if (o->type == M_ctl_storage)
		text_storage(o, row);
	else
		text_row(o, row);
	o->rows++;
}

void
output_end(struct output *o)
{
	if (!o->json || o->type == M_none)
		return;
	if (o->type == M_ctl_stat)
		(void)ibuf_adds(o->b, o->rows > 0 ? "}\n}\n" : "}\n");
	else
		(void)ibuf_adds(o->b, o->rows > 0 ? "\n]\n" : "]\n");
}

void
output_lines(struct ibuf *b, const char *before, const char *text)
{
	char	line[TEXT_LEN], buf[TEXT_MAX];
	size_t	n;

	while (*text != '\0') {
		n = strcspn(text, "\n");
		strlcpy(line, text, n < sizeof(line) ? n + 1 : sizeof(line));
		text_clean(buf, sizeof(buf), line);
		(void)ibuf_addf(b, "%s%s\n", before, buf);
		text += n + (text[n] == '\n');
	}
}

void
output_result(struct output *o, int ok, const char *text)
{
	if (o->json) {
		(void)json_open(o->b, '{');
		(void)json_kbool(o->b, "ok", ok);
		(void)json_key(o->b, "text");
		json_text(o->b, text);
		(void)json_close(o->b, '}');
		(void)ibuf_adds(o->b, "\n");
	} else if (ok)
		output_lines(o->b, "", text);
}

void
output_hash(struct output *o, const char *hash)
{
	if (!o->json) {
		(void)ibuf_addf(o->b, "%s\n", hash);
		return;
	}
	(void)json_open(o->b, '{');
	(void)json_kstr(o->b, "hash", hash);
	(void)json_close(o->b, '}');
	(void)ibuf_adds(o->b, "\n");
}
