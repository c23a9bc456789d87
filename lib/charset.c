/*
 * Names of character sets, UTF-8 itself and the single-byte sets.  Where
 * the label of mail is known to be used for a larger set (ISO-8859-1 for
 * windows-1252, say), the larger one is meant.
 */
#include <string.h>

#include "charset.h"
#include "charset_int.h"
#include "charset_tab.h"
#include "header_lex.h"
#include "json.h"

#define NAME_MAX_LEN	40
#define SLICE		1024	/* input bytes that are looked at in one go */

static int	charset_utf8(struct charset_conv *, const uint8_t *, size_t,
		    struct ibuf *);
static int	charset_single(struct charset_conv *, const uint8_t *,
		    size_t, struct ibuf *);
static int	charset_unknown(struct charset_conv *, const uint8_t *,
		    size_t, struct ibuf *);

enum { BE = 1, LE = 2 };	/* byte order; 0: a mark may tell */

static const struct charset cs_utf8 = { charset_utf8, 0 };
static const struct charset cs_unknown = { charset_unknown, 0 };
static const struct charset cs_utf16 = { charset_utf16, 0 };
static const struct charset cs_utf16be = { charset_utf16, BE };
static const struct charset cs_utf16le = { charset_utf16, LE };
static const struct charset cs_utf32 = { charset_utf32, 0 };
static const struct charset cs_utf32be = { charset_utf32, BE };
static const struct charset cs_utf32le = { charset_utf32, LE };
static const struct charset cs_utf7 = { charset_utf7, 0 };
static const struct charset cs_gb = { charset_iconv, ICONV_GB18030 };
static const struct charset cs_big5 = { charset_iconv, ICONV_BIG5 };
static const struct charset cs_eucjp = { charset_iconv, ICONV_EUC_JP };
static const struct charset cs_sjis = { charset_iconv, ICONV_SHIFT_JIS };
static const struct charset cs_uhc = { charset_iconv, ICONV_UHC };
static const struct charset cs_2022jp = { charset_2022jp, ICONV_EUC_JP };
static const struct charset cs_2022kr = { charset_2022kr, ICONV_UHC };
static const struct charset cs_hz = { charset_hz, ICONV_GB18030 };

#define SINGLE(tab) { charset_single, tab }

static const struct charset singles[TAB_COUNT] = {
	SINGLE(TAB_ISO_8859_2), SINGLE(TAB_ISO_8859_3),
	SINGLE(TAB_ISO_8859_4), SINGLE(TAB_ISO_8859_5),
	SINGLE(TAB_ISO_8859_6), SINGLE(TAB_ISO_8859_7),
	SINGLE(TAB_ISO_8859_8), SINGLE(TAB_ISO_8859_10),
	SINGLE(TAB_ISO_8859_13), SINGLE(TAB_ISO_8859_14),
	SINGLE(TAB_ISO_8859_15), SINGLE(TAB_ISO_8859_16),
	SINGLE(TAB_KOI8_R), SINGLE(TAB_KOI8_U),
	SINGLE(TAB_MACINTOSH), SINGLE(TAB_X_MAC_CYRILLIC),
	SINGLE(TAB_WINDOWS_874), SINGLE(TAB_WINDOWS_1250),
	SINGLE(TAB_WINDOWS_1251), SINGLE(TAB_WINDOWS_1252),
	SINGLE(TAB_WINDOWS_1253), SINGLE(TAB_WINDOWS_1254),
	SINGLE(TAB_WINDOWS_1255), SINGLE(TAB_WINDOWS_1256),
	SINGLE(TAB_WINDOWS_1257), SINGLE(TAB_WINDOWS_1258),
	SINGLE(TAB_CP437), SINGLE(TAB_CP850), SINGLE(TAB_CP852),
	SINGLE(TAB_CP855), SINGLE(TAB_CP866),
};

/*
 * Sorted; names in lower case with nothing but letters and digits, and
 * "windows-", "win", "ibm", "ms" in front of a number written as "cp".
 */
static const struct {
	const char		*name;
	const struct charset	*cs;
} charset_names[] = {
	{ "",			&cs_utf8 },
	{ "646",		&cs_utf8 },
	{ "8bit",		&cs_utf8 },
	{ "ansi",		&singles[TAB_WINDOWS_1252] },
	{ "ansix341968",	&cs_utf8 },
	{ "ansix341986",	&cs_utf8 },
	{ "arabic",		&singles[TAB_ISO_8859_6] },
	{ "ascii",		&cs_utf8 },
	{ "asmo708",		&singles[TAB_ISO_8859_6] },
	{ "big5",		&cs_big5 },
	{ "big5eten",		&cs_big5 },
	{ "big5hkscs",		&cs_big5 },
	{ "binary",		&cs_utf8 },
	{ "chinese",		&cs_gb },
	{ "cnbig5",		&cs_big5 },
	{ "cp1250",		&singles[TAB_WINDOWS_1250] },
	{ "cp1251",		&singles[TAB_WINDOWS_1251] },
	{ "cp1252",		&singles[TAB_WINDOWS_1252] },
	{ "cp1253",		&singles[TAB_WINDOWS_1253] },
	{ "cp1254",		&singles[TAB_WINDOWS_1254] },
	{ "cp1255",		&singles[TAB_WINDOWS_1255] },
	{ "cp1256",		&singles[TAB_WINDOWS_1256] },
	{ "cp1257",		&singles[TAB_WINDOWS_1257] },
	{ "cp1258",		&singles[TAB_WINDOWS_1258] },
	{ "cp367",		&cs_utf8 },
	{ "cp437",		&singles[TAB_CP437] },
	{ "cp50220",		&cs_2022jp },
	{ "cp50221",		&cs_2022jp },
	{ "cp51932",		&cs_eucjp },
	{ "cp65001",		&cs_utf8 },
	{ "cp819",		&singles[TAB_WINDOWS_1252] },
	{ "cp850",		&singles[TAB_CP850] },
	{ "cp852",		&singles[TAB_CP852] },
	{ "cp855",		&singles[TAB_CP855] },
	{ "cp858",		&singles[TAB_CP850] },
	{ "cp866",		&singles[TAB_CP866] },
	{ "cp874",		&singles[TAB_WINDOWS_874] },
	{ "cp878",		&singles[TAB_KOI8_R] },
	{ "cp932",		&cs_sjis },
	{ "cp936",		&cs_gb },
	{ "cp943",		&cs_sjis },
	{ "cp949",		&cs_uhc },
	{ "cp950",		&cs_big5 },
	{ "csbig5",		&cs_big5 },
	{ "cseuckr",		&cs_uhc },
	{ "cseucpkdfmtjapanese", &cs_eucjp },
	{ "csgb2312",		&cs_gb },
	{ "csiso2022jp",	&cs_2022jp },
	{ "csiso2022kr",	&cs_2022kr },
	{ "csiso58gb231280",	&cs_gb },
	{ "csisolatin1",	&singles[TAB_WINDOWS_1252] },
	{ "csisolatin2",	&singles[TAB_ISO_8859_2] },
	{ "csisolatin3",	&singles[TAB_ISO_8859_3] },
	{ "csisolatin4",	&singles[TAB_ISO_8859_4] },
	{ "csisolatin5",	&singles[TAB_WINDOWS_1254] },
	{ "csisolatin6",	&singles[TAB_ISO_8859_10] },
	{ "csisolatinarabic",	&singles[TAB_ISO_8859_6] },
	{ "csisolatincyrillic",	&singles[TAB_ISO_8859_5] },
	{ "csisolatingreek",	&singles[TAB_ISO_8859_7] },
	{ "csisolatinhebrew",	&singles[TAB_ISO_8859_8] },
	{ "cskoi8r",		&singles[TAB_KOI8_R] },
	{ "csksc56011987",	&cs_uhc },
	{ "csmacintosh",	&singles[TAB_MACINTOSH] },
	{ "csshiftjis",		&cs_sjis },
	{ "csunicode",		&cs_utf16 },
	{ "cswindows31j",	&cs_sjis },
	{ "cyrillic",		&singles[TAB_ISO_8859_5] },
	{ "default",		&cs_utf8 },
	{ "ecma114",		&singles[TAB_ISO_8859_6] },
	{ "ecma118",		&singles[TAB_ISO_8859_7] },
	{ "euccn",		&cs_gb },
	{ "eucjp",		&cs_eucjp },
	{ "eucjpms",		&cs_eucjp },
	{ "euckr",		&cs_uhc },
	{ "gb18030",		&cs_gb },
	{ "gb2312",		&cs_gb },
	{ "gb231280",		&cs_gb },
	{ "gbk",		&cs_gb },
	{ "greek",		&singles[TAB_ISO_8859_7] },
	{ "greek8",		&singles[TAB_ISO_8859_7] },
	{ "hebrew",		&singles[TAB_ISO_8859_8] },
	{ "hz",			&cs_hz },
	{ "hzgb2312",		&cs_hz },
	{ "iso10646ucs2",	&cs_utf16 },
	{ "iso10646ucs4",	&cs_utf32 },
	{ "iso2022jp",		&cs_2022jp },
	{ "iso2022jp1",		&cs_2022jp },
	{ "iso2022jp2",		&cs_2022jp },
	{ "iso2022jp2004",	&cs_2022jp },
	{ "iso2022jp3",		&cs_2022jp },
	{ "iso2022jpms",	&cs_2022jp },
	{ "iso2022kr",		&cs_2022kr },
	{ "iso646us",		&cs_utf8 },
	{ "iso88591",		&singles[TAB_WINDOWS_1252] },
	{ "iso885910",		&singles[TAB_ISO_8859_10] },
	{ "iso885911",		&singles[TAB_WINDOWS_874] },
	{ "iso885911987",	&singles[TAB_WINDOWS_1252] },
	{ "iso885913",		&singles[TAB_ISO_8859_13] },
	{ "iso885914",		&singles[TAB_ISO_8859_14] },
	{ "iso885915",		&singles[TAB_ISO_8859_15] },
	{ "iso885916",		&singles[TAB_ISO_8859_16] },
	{ "iso88592",		&singles[TAB_ISO_8859_2] },
	{ "iso885921987",	&singles[TAB_ISO_8859_2] },
	{ "iso88593",		&singles[TAB_ISO_8859_3] },
	{ "iso88594",		&singles[TAB_ISO_8859_4] },
	{ "iso88595",		&singles[TAB_ISO_8859_5] },
	{ "iso885951988",	&singles[TAB_ISO_8859_5] },
	{ "iso88596",		&singles[TAB_ISO_8859_6] },
	{ "iso885961987",	&singles[TAB_ISO_8859_6] },
	{ "iso88596e",		&singles[TAB_ISO_8859_6] },
	{ "iso88596i",		&singles[TAB_ISO_8859_6] },
	{ "iso88597",		&singles[TAB_ISO_8859_7] },
	{ "iso885971987",	&singles[TAB_ISO_8859_7] },
	{ "iso88598",		&singles[TAB_ISO_8859_8] },
	{ "iso885981988",	&singles[TAB_ISO_8859_8] },
	{ "iso88598e",		&singles[TAB_ISO_8859_8] },
	{ "iso88598i",		&singles[TAB_ISO_8859_8] },
	{ "iso88599",		&singles[TAB_WINDOWS_1254] },
	{ "iso885991989",	&singles[TAB_WINDOWS_1254] },
	{ "isoir100",		&singles[TAB_WINDOWS_1252] },
	{ "isoir101",		&singles[TAB_ISO_8859_2] },
	{ "isoir126",		&singles[TAB_ISO_8859_7] },
	{ "isoir127",		&singles[TAB_ISO_8859_6] },
	{ "isoir138",		&singles[TAB_ISO_8859_8] },
	{ "isoir144",		&singles[TAB_ISO_8859_5] },
	{ "isoir148",		&singles[TAB_WINDOWS_1254] },
	{ "isoir149",		&cs_uhc },
	{ "isoir58",		&cs_gb },
	{ "isoir6",		&cs_utf8 },
	{ "koi",		&singles[TAB_KOI8_R] },
	{ "koi8",		&singles[TAB_KOI8_R] },
	{ "koi8r",		&singles[TAB_KOI8_R] },
	{ "koi8ru",		&singles[TAB_KOI8_U] },
	{ "koi8u",		&singles[TAB_KOI8_U] },
	{ "korean",		&cs_uhc },
	{ "ksc5601",		&cs_uhc },
	{ "ksc56011987",	&cs_uhc },
	{ "ksc56011989",	&cs_uhc },
	{ "l1",			&singles[TAB_WINDOWS_1252] },
	{ "l2",			&singles[TAB_ISO_8859_2] },
	{ "latin1",		&singles[TAB_WINDOWS_1252] },
	{ "latin10",		&singles[TAB_ISO_8859_16] },
	{ "latin2",		&singles[TAB_ISO_8859_2] },
	{ "latin3",		&singles[TAB_ISO_8859_3] },
	{ "latin4",		&singles[TAB_ISO_8859_4] },
	{ "latin5",		&singles[TAB_WINDOWS_1254] },
	{ "latin6",		&singles[TAB_ISO_8859_10] },
	{ "latin7",		&singles[TAB_ISO_8859_13] },
	{ "latin8",		&singles[TAB_ISO_8859_14] },
	{ "latin9",		&singles[TAB_ISO_8859_15] },
	{ "mac",		&singles[TAB_MACINTOSH] },
	{ "maccyrillic",	&singles[TAB_X_MAC_CYRILLIC] },
	{ "macintosh",		&singles[TAB_MACINTOSH] },
	{ "macroman",		&singles[TAB_MACINTOSH] },
	{ "macukrainian",	&singles[TAB_X_MAC_CYRILLIC] },
	{ "mskanji",		&cs_sjis },
	{ "shiftjis",		&cs_sjis },
	{ "sjis",		&cs_sjis },
	{ "tis620",		&singles[TAB_WINDOWS_874] },
	{ "tis62025291",	&singles[TAB_WINDOWS_874] },
	{ "tis6202533",		&singles[TAB_WINDOWS_874] },
	{ "ucs2",		&cs_utf16 },
	{ "ucs4",		&cs_utf32 },
	{ "uhc",		&cs_uhc },
	{ "unicode",		&cs_utf16 },
	{ "unicode11utf7",	&cs_utf7 },
	{ "unicode11utf8",	&cs_utf8 },
	{ "unicode20utf7",	&cs_utf7 },
	{ "unicode20utf8",	&cs_utf8 },
	{ "unknown",		&cs_utf8 },
	{ "unknown8bit",	&cs_utf8 },
	{ "us",			&cs_utf8 },
	{ "usascii",		&cs_utf8 },
	{ "utf16",		&cs_utf16 },
	{ "utf16be",		&cs_utf16be },
	{ "utf16le",		&cs_utf16le },
	{ "utf32",		&cs_utf32 },
	{ "utf32be",		&cs_utf32be },
	{ "utf32le",		&cs_utf32le },
	{ "utf7",		&cs_utf7 },
	{ "utf8",		&cs_utf8 },
	{ "utf8mb4",		&cs_utf8 },
	{ "windows31j",		&cs_sjis },
};

/* names */

/* The name as the table has it; 0 if it is too long to be one. */
static int
name_plain(char *out, const char *p, size_t len)
{
	size_t	i, n = 0;
	int	c;

	for (i = 0; i < len; i++) {
		c = lex_lower(p[i]);
		if ((c < 'a' || c > 'z') && (c < '0' || c > '9'))
			continue;
		if (n == NAME_MAX_LEN)
			return 0;
		out[n++] = (char)c;
	}
	out[n] = '\0';
	return 1;
}

static const struct charset *
name_find(const char *name)
{
	size_t	lo = 0, hi = sizeof(charset_names) / sizeof(charset_names[0]);
	size_t	mid;
	int	d;

	while (lo < hi) {
		mid = (lo + hi) / 2;
		d = strcmp(name, charset_names[mid].name);
		if (d == 0)
			return charset_names[mid].cs;
		if (d < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return NULL;
}

/* The same set by a vendor's name for its number: "windows-1252", "ibm850". */
static const struct charset *
name_numbered(const char *name)
{
	static const char *const	 before[] = { "windows", "win", "ibm",
					    "ms", "dos", NULL };
	char				 cp[NAME_MAX_LEN + 3] = "cp";
	size_t				 n;
	int				 i;

	for (i = 0; before[i] != NULL; i++) {
		n = strlen(before[i]);
		if (strncmp(name, before[i], n) != 0 ||
		    name[n] < '0' || name[n] > '9')
			continue;
		memcpy(cp + 2, name + n, strlen(name + n) + 1);
		return name_find(cp);
	}
	return NULL;
}

static const struct charset *
name_any(const char *p, size_t len)
{
	const struct charset	*cs;
	char			 name[NAME_MAX_LEN + 1], *n = name;

	if (!name_plain(name, p, len))
		return NULL;
	if ((cs = name_find(n)) == NULL && (cs = name_numbered(n)) == NULL &&
	    *n++ == 'x' && *n != '\0' && (cs = name_find(n)) == NULL)
		cs = name_numbered(n);
	return cs;
}

const struct charset *
charset_find(const char *p, size_t len)
{
	const struct charset *cs = name_any(p, len);

	return cs == NULL ? &cs_unknown : cs;
}

int
charset_known(const char *p, size_t len)
{
	return name_any(p, len) != NULL;
}

/* conversion */

void
charset_start(struct charset_conv *cv, const struct charset *cs)
{
	memset(cv, 0, sizeof(*cv));
	cv->cs = cs;
}

int
charset_feed(struct charset_conv *cv, const void *p, size_t len,
    struct ibuf *b)
{
	const uint8_t	*s = p;
	size_t		 n;

	for (; len > 0; s += n, len -= n) {
		n = len < SLICE ? len : SLICE;
		if (cv->cs->feed(cv, s, n, b) == -1)
			return -1;
	}
	return 0;
}

int
charset_finish(struct charset_conv *cv, struct ibuf *b)
{
	const struct charset	*cs = cv->cs;
	int			 cut = cv->nhold > 0 || cv->high != 0;

	charset_start(cv, cs);
	return cut ? charset_put(b, REPLACEMENT) : 0;
}

int
charset_put(struct ibuf *b, uint32_t cp)
{
	char	*o;
	size_t	 n;

	if ((o = ibuf_room(b, 4)) == NULL)
		return -1;
	if ((n = utf8_encode(o, cp)) == 0)
		n = utf8_encode(o, REPLACEMENT);
	ibuf_wrote(b, n);
	return 0;
}

static int
charset_single(struct charset_conv *cv, const uint8_t *p, size_t len,
    struct ibuf *b)
{
	const uint16_t	*tab = charset_tab[cv->cs->arg];
	const uint8_t	*end = p + len;
	uint32_t	 cp;
	char		*o, *start;

	if ((start = o = ibuf_room(b, len * 3)) == NULL)
		return -1;
	for (; p < end; p++) {
		if (*p < 0x80) {
			*o++ = (char)*p;
			continue;
		}
		cp = tab[*p - 0x80];
		o += utf8_encode(o, cp == 0 ? REPLACEMENT : cp);
	}
	ibuf_wrote(b, (size_t)(o - start));
	return 0;
}

static int
charset_unknown(struct charset_conv *cv, const uint8_t *p, size_t len,
    struct ibuf *b)
{
	const uint8_t	*end = p + len;
	char		*o, *start;

	if ((start = o = ibuf_room(b, len * 3)) == NULL)
		return -1;
	for (; p < end; p++) {
		if (*p < 0x80)
			*o++ = (char)*p;
		else
			o += utf8_encode(o, REPLACEMENT);
	}
	ibuf_wrote(b, (size_t)(o - start));
	return 0;
}

/* UTF-8 */

/* Could the second byte follow the first (RFC 3629, 4)? */
static int
utf8_second(uint8_t a, uint8_t c)
{
	if ((c & 0xc0) != 0x80)
		return 0;
	switch (a) {
	case 0xe0:
		return c >= 0xa0;
	case 0xed:
		return c < 0xa0;
	case 0xf0:
		return c >= 0x90;
	case 0xf4:
		return c < 0x90;
	}
	return 1;
}

int
charset_utf8_partial(const uint8_t *p, size_t len)
{
	size_t need, i;

	if (len == 0 || p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	need = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (len >= need || (len > 1 && !utf8_second(p[0], p[1])))
		return 0;
	for (i = 2; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return 1;
}

/* How much of p is sound: whole characters. */
static size_t
utf8_run(const uint8_t *p, size_t len)
{
	size_t		i = 0, n;
	uint32_t	cp;
	uint64_t	w;

	while (i < len) {
		while (len - i >= 8) {
			memcpy(&w, p + i, 8);
			if ((w & 0x8080808080808080ULL) != 0)
				break;
			i += 8;
		}
		if (i == len)
			break;
		n = utf8_decode((const char *)p + i, len - i, &cp);
		if (n == 0)
			break;
		i += n;
	}
	return i;
}

/* Ends a character that a former piece began; returns the bytes used. */
static ssize_t
utf8_hold(struct charset_conv *cv, const uint8_t *p, size_t len,
    struct ibuf *b)
{
	size_t		used = 0, n;
	uint32_t	cp;

	while (cv->nhold > 0) {
		n = utf8_decode((const char *)cv->hold, cv->nhold, &cp);
		if (n == 0 && charset_utf8_partial(cv->hold, cv->nhold)) {
			if (used == len)
				return (ssize_t)used;
			cv->hold[cv->nhold++] = p[used++];
			continue;
		}
		if (charset_put(b, n == 0 ? REPLACEMENT : cp) == -1)
			return -1;
		n = n == 0 ? 1 : n;
		cv->nhold = (uint8_t)(cv->nhold - n);
		memmove(cv->hold, cv->hold + n, cv->nhold);
	}
	return (ssize_t)used;
}

static int
charset_utf8(struct charset_conv *cv, const uint8_t *p, size_t len,
    struct ibuf *b)
{
	ssize_t	used;
	size_t	n;

	if ((used = utf8_hold(cv, p, len, b)) == -1)
		return -1;
	for (p += used, len -= (size_t)used; len > 0;) {
		n = utf8_run(p, len);
		if (ibuf_add(b, p, n) == -1)
			return -1;
		p += n;
		len -= n;
		if (len == 0)
			break;
		if (charset_utf8_partial(p, len)) {
			memcpy(cv->hold, p, len);
			cv->nhold = (uint8_t)len;
			break;
		}
		if (charset_put(b, REPLACEMENT) == -1)
			return -1;
		p++;
		len--;
	}
	return 0;
}
