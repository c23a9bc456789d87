/*
 * Inside lib/charset*.c: what a set is, and how the files share the work.
 */
#ifndef CHARSET_INT_H
#define CHARSET_INT_H

#include "charset.h"

typedef int (*charset_fn)(struct charset_conv *, const uint8_t *, size_t,
	    struct ibuf *);

/* Which of the opened converters. */
enum charset_iconv {
	ICONV_GB18030,
	ICONV_BIG5,
	ICONV_EUC_JP,
	ICONV_SHIFT_JIS,
	ICONV_UHC,
	ICONV_COUNT
};

struct charset {
	charset_fn	 feed;
	int		 arg;	/* table, converter, byte order */
};

#define REPLACEMENT	0xfffd

/* Appends a character, U+FFFD for what is none. */
int	charset_put(struct ibuf *, uint32_t);

/* What is at p the beginning of a UTF-8 character that goes on behind it? */
int	charset_utf8_partial(const uint8_t *, size_t);

int	charset_utf16(struct charset_conv *, const uint8_t *, size_t,
	    struct ibuf *);
int	charset_utf32(struct charset_conv *, const uint8_t *, size_t,
	    struct ibuf *);
int	charset_utf7(struct charset_conv *, const uint8_t *, size_t,
	    struct ibuf *);
int	charset_iconv(struct charset_conv *, const uint8_t *, size_t,
	    struct ibuf *);
int	charset_2022jp(struct charset_conv *, const uint8_t *, size_t,
	    struct ibuf *);
int	charset_2022kr(struct charset_conv *, const uint8_t *, size_t,
	    struct ibuf *);
int	charset_hz(struct charset_conv *, const uint8_t *, size_t,
	    struct ibuf *);

#endif /* CHARSET_INT_H */
