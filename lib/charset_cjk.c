/*
 * The East Asian sets: five converters of the system's iconv, which keep no
 * state between calls and so serve any number of conversions; the sets that
 * shift are taken apart here and handed to the same five.
 */
#include <errno.h>
#include <iconv.h>
#include <string.h>

#include "charset.h"
#include "charset_int.h"
#include "header_lex.h"

#define OUT_ROOM	3	/* bytes of UTF-8 for one of input */
#define OUT_LEAST	8

/* Each under the names it may have, the larger set first. */
static const char *const iconv_names[ICONV_COUNT][4] = {
	[ICONV_GB18030] = { "GB18030", "GBK", NULL },
	[ICONV_BIG5] = { "BIG5", "CP950", NULL },
	[ICONV_EUC_JP] = { "EUC-JP-MS", "CP51932", "EUC-JP", NULL },
	[ICONV_SHIFT_JIS] = { "CP932", "SHIFT_JIS", NULL },
	[ICONV_UHC] = { "CP949", "EUC-KR", NULL },
};

static iconv_t	iconv_handle[ICONV_COUNT];
static int	iconv_opened;

static iconv_t
iconv_try(const char *const *names)
{
	iconv_t h = (iconv_t)-1;

	for (; *names != NULL && h == (iconv_t)-1; names++)
		h = iconv_open("UTF-8", *names);
	return h;
}

int
charset_init(void)
{
	int i, lack = 0;

	for (i = 0; i < ICONV_COUNT; i++) {
		if (!iconv_opened)
			iconv_handle[i] = iconv_try(iconv_names[i]);
		lack += iconv_handle[i] == (iconv_t)-1;
	}
	iconv_opened = 1;
	return lack;
}

/* No such converter: every byte that is not ASCII. */
static int
put_lacking(const uint8_t *p, size_t len, struct ibuf *b)
{
	for (; len > 0; p++, len--)
		if (charset_put(b, *p < 0x80 ? *p : REPLACEMENT) == -1)
			return -1;
	return 0;
}

/* As much room as it may take, or as there is left. */
static size_t
iconv_room(const struct ibuf *b, size_t len)
{
	size_t room = len * OUT_ROOM + OUT_LEAST;

	return room < b->max - b->wpos ? room : b->max - b->wpos;
}

/*
 * One call of iconv; returns the bytes it took, with errno telling why it
 * stopped (0: it took all), or -1 if there is no room.
 */
static ssize_t
iconv_step(iconv_t h, const uint8_t *p, size_t len, struct ibuf *b)
{
	union {
		const uint8_t	*in;
		char		*io;
	} u;
	size_t	 left = len, room = iconv_room(b, len), free = room;
	char	*out;
	size_t	 r;

	if (room < OUT_LEAST) {
		errno = ERANGE;
		return -1;
	}
	if ((out = ibuf_room(b, room)) == NULL)
		return -1;
	u.in = p;
	errno = 0;
	r = iconv(h, &u.io, &left, &out, &free);
	if (r != (size_t)-1)
		errno = 0;
	ibuf_wrote(b, room - free);
	return (ssize_t)(len - left);
}

/* Bytes of a character that gather_add() wrote. */
static size_t
gather_len(uint8_t first)
{
	return first < 0x80 ? 1 : first == 0x8f ? 3 : 2;
}

/*
 * As much of p as makes whole characters; the rest, a few bytes, is left.
 * What is no character is skipped by one byte, or, gathered, as a whole.
 */
static ssize_t
iconv_run(enum charset_iconv which, const uint8_t *p, size_t len,
    int gathered, struct ibuf *b)
{
	size_t	done = 0;
	ssize_t	n;

	if (!iconv_opened || iconv_handle[which] == (iconv_t)-1)
		return put_lacking(p, len, b) == -1 ? -1 : (ssize_t)len;
	iconv(iconv_handle[which], NULL, NULL, NULL, NULL);
	while (done < len) {
		n = iconv_step(iconv_handle[which], p + done, len - done, b);
		if (n == -1)
			return -1;
		done += (size_t)n;
		if (done == len || errno == E2BIG)
			continue;
		if (errno == EINVAL && len - done < 8)
			break;
		if (charset_put(b, REPLACEMENT) == -1)
			return -1;
		done += gathered ? gather_len(p[done]) : 1;
	}
	return (ssize_t)done;
}

/*
 * A character cut off by the end of a piece is held, and tried again with
 * what follows: at most the held bytes are looked at twice.
 */
int
charset_iconv(struct charset_conv *cv, const uint8_t *p, size_t len,
    struct ibuf *b)
{
	enum charset_iconv	which = (enum charset_iconv)cv->cs->arg;
	ssize_t			n;

	while (cv->nhold > 0 && len > 0) {
		cv->hold[cv->nhold++] = *p++;
		len--;
		if ((n = iconv_run(which, cv->hold, cv->nhold, 0, b)) == -1)
			return -1;
		cv->nhold = (uint8_t)(cv->nhold - n);
		memmove(cv->hold, cv->hold + n, cv->nhold);
	}
	if (len == 0)
		return 0;
	if ((n = iconv_run(which, p, len, 0, b)) == -1)
		return -1;
	cv->nhold = (uint8_t)(len - (size_t)n);
	memcpy(cv->hold, p + n, cv->nhold);
	return 0;
}

/* The characters of a set that shifts, gathered for one iconv call. */
struct gather {
	enum charset_iconv	 which;
	struct ibuf		*b;
	size_t			 n;
	uint8_t			 buf[256];
};

static int
gather_flush(struct gather *g)
{
	ssize_t	n;
	size_t	len = g->n;

	g->n = 0;
	if (len == 0)
		return 0;
	if ((n = iconv_run(g->which, g->buf, len, 1, g->b)) == -1)
		return -1;
	return (size_t)n < len ? charset_put(g->b, REPLACEMENT) : 0;
}

static int
gather_add(struct gather *g, int prefix, uint32_t a, int b)
{
	if (g->n + 3 > sizeof(g->buf) && gather_flush(g) == -1)
		return -1;
	if (prefix != 0)
		g->buf[g->n++] = (uint8_t)prefix;
	g->buf[g->n++] = (uint8_t)a;
	if (b != 0)
		g->buf[g->n++] = (uint8_t)b;
	return 0;
}

static int
gather_bad(struct gather *g)
{
	if (gather_flush(g) == -1)
		return -1;
	return charset_put(g->b, REPLACEMENT);
}

static void
gather_start(struct gather *g, const struct charset_conv *cv, struct ibuf *b)
{
	g->which = (enum charset_iconv)cv->cs->arg;
	g->b = b;
	g->n = 0;
}

/* Two bytes make a character: the first is kept in high. */
static int
double_byte(struct charset_conv *cv, uint8_t c, int prefix, struct gather *g)
{
	uint32_t first = cv->high;

	if (c < 0x21 || c > 0x7e) {
		cv->high = 0;
		if (first != 0 && gather_bad(g) == -1)
			return -1;
		return c < 0x80 ? gather_add(g, 0, c, 0) : gather_bad(g);
	}
	if (first == 0) {
		cv->high = c;
		return 0;
	}
	cv->high = 0;
	return gather_add(g, prefix, first | 0x80, c | 0x80);
}

/*
 * ISO-2022-JP and what is sent under its name (RFC 1468, RFC 1554, and
 * JIS X 0201 katakana), to EUC-JP.  state is the set in force; a line end
 * returns to ASCII.
 */
enum { JP_ASCII, JP_0208, JP_0212, JP_KANA, JP_OTHER };

static const struct {
	const char	*seq;
	uint32_t	 set;
} jp_escapes[] = {
	{ "\033(B",	JP_ASCII },
	{ "\033(J",	JP_ASCII },
	{ "\033(I",	JP_KANA },
	{ "\033$@",	JP_0208 },
	{ "\033$B",	JP_0208 },
	{ "\033$(B",	JP_0208 },
	{ "\033$(D",	JP_0212 },
	{ "\033$A",	JP_OTHER },	/* GB 2312 */
	{ "\033$(C",	JP_OTHER },	/* KS X 1001 */
	{ "\033$(O",	JP_0208 },	/* JIS X 0213, mostly the same */
	{ "\033$(Q",	JP_0208 },
	{ NULL,		0 }
};

static int
jp_char(struct charset_conv *cv, uint8_t c, struct gather *g)
{
	if (c == '\n' || c == '\r') {
		cv->state = JP_ASCII;
		if (cv->high != 0 && gather_bad(g) == -1)
			return -1;
		cv->high = 0;
		return gather_add(g, 0, c, 0);
	}
	switch (cv->state) {
	case JP_0208:
		return double_byte(cv, c, 0, g);
	case JP_0212:
		return double_byte(cv, c, 0x8f, g);
	case JP_KANA:
		if (c >= 0x21 && c <= 0x5f)
			return gather_add(g, 0x8e, c | 0x80, 0);
		break;
	case JP_OTHER:
		return c > 0x20 ? gather_bad(g) : gather_add(g, 0, c, 0);
	}
	return c < 0x80 ? gather_add(g, 0, c, 0) : gather_bad(g);
}

/* What is held is an escape: 1 if it is whole, 0 if it may go on, else -1. */
static int
jp_escape(struct charset_conv *cv)
{
	size_t	i, n;
	int	more = 0;

	for (i = 0; jp_escapes[i].seq != NULL; i++) {
		n = strlen(jp_escapes[i].seq);
		if (memcmp(jp_escapes[i].seq, cv->hold, cv->nhold < n ?
		    cv->nhold : n) != 0)
			continue;
		if (cv->nhold == n) {
			cv->state = jp_escapes[i].set;
			return 1;
		}
		more |= cv->nhold < n;
	}
	return more ? 0 : -1;
}

static int
jp_byte(struct charset_conv *cv, uint8_t c, struct gather *g)
{
	uint8_t	held[8], n, i;
	int	r;

	if (cv->nhold == 0 && c != '\033')
		return jp_char(cv, c, g);
	cv->hold[cv->nhold++] = c;
	if ((r = jp_escape(cv)) == 0)
		return 0;
	n = cv->nhold;
	memcpy(held, cv->hold, n);
	cv->nhold = 0;
	if (r == 1) {
		r = cv->high != 0 ? gather_bad(g) : 0;
		cv->high = 0;
		return r;
	}
	/* no escape we know: it goes, what came behind it is read anew */
	for (i = 1; i < n; i++)
		if (jp_byte(cv, held[i], g) == -1)
			return -1;
	return 0;
}

int
charset_2022jp(struct charset_conv *cv, const uint8_t *p, size_t len,
    struct ibuf *b)
{
	struct gather g;

	gather_start(&g, cv, b);
	for (; len > 0; p++, len--)
		if (jp_byte(cv, *p, &g) == -1)
			return -1;
	return gather_flush(&g);
}

/*
 * ISO-2022-KR (RFC 1557): SO and SI switch; the designation in front of the
 * text says nothing.
 */
int
charset_2022kr(struct charset_conv *cv, const uint8_t *p, size_t len,
    struct ibuf *b)
{
	static const char	head[] = "\033$)C";
	struct gather		g;
	int			r = 0;

	gather_start(&g, cv, b);
	for (; len > 0 && r == 0; p++, len--) {
		if (*p == (uint8_t)head[cv->nhold] &&
		    (cv->nhold > 0 || cv->high == 0)) {
			cv->nhold = (uint8_t)((cv->nhold + 1) % 4);
			continue;
		}
		cv->nhold = 0;
		if (*p == 0x0e || *p == 0x0f) {
			cv->state = *p == 0x0e;
			cv->high = 0;
		} else if (cv->state)
			r = double_byte(cv, *p, 0, &g);
		else
			r = *p < 0x80 ? gather_add(&g, 0, *p, 0) :
			    gather_bad(&g);
	}
	return r == -1 ? -1 : gather_flush(&g);
}

/* HZ (RFC 1843): "~{" to GB 2312, "~}" back, "~~" a tilde. */
enum { HZ_ASCII, HZ_GB };

static int
hz_tilde(struct charset_conv *cv, uint8_t c, struct gather *g)
{
	cv->nhold = 0;
	switch (c) {
	case '{':
		cv->state = HZ_GB;
		return 0;
	case '}':
		cv->state = HZ_ASCII;
		return 0;
	case '\n':
		return 0;
	case '~':
		return gather_add(g, 0, '~', 0);
	}
	if (gather_add(g, 0, '~', 0) == -1)
		return -1;
	return c < 0x80 ? gather_add(g, 0, c, 0) : gather_bad(g);
}

int
charset_hz(struct charset_conv *cv, const uint8_t *p, size_t len,
    struct ibuf *b)
{
	struct gather	g;
	int		r = 0;

	gather_start(&g, cv, b);
	for (; len > 0 && r == 0; p++, len--) {
		if (cv->nhold > 0)
			r = hz_tilde(cv, *p, &g);
		else if (*p == '~' && cv->high == 0)
			cv->nhold = 1;
		else if (*p == '\n') {
			cv->state = HZ_ASCII;
			cv->high = 0;
			r = gather_add(&g, 0, *p, 0);
		} else if (cv->state == HZ_GB)
			r = double_byte(cv, *p, 0, &g);
		else
			r = *p < 0x80 ? gather_add(&g, 0, *p, 0) :
			    gather_bad(&g);
	}
	return r == -1 ? -1 : gather_flush(&g);
}
