/*
 * Inside lib/summary*.c: the text's form, and the preview's maker.
 */
#ifndef SUMMARY_INT_H
#define SUMMARY_INT_H

#include "charset.h"
#include "mime.h"
#include "summary.h"

/*
 * The form of a summary:
 *
 *	"mfs2 " lacks " " blank " " size " " hdr_len " "
 *	string(fields) string(names) string(parts) string(preview)
 *	and, if it has them, LF string(others)
 *
 * blank is the length of the blank line behind the header, 0 to 2.
 *
 * A string is its length in bytes, ":", and so many bytes; numbers are
 * decimal.  What comes from a message is coded: a byte that JSON or a store
 * might not carry as it is, is a character of two bytes, U+0080 to U+00FF
 * for the bytes from 0x80 on, U+0100 to U+017F for controls, quote and
 * backslash.
 *
 * fields: in order, a letter and string(coded): "a" to "j" for ENVELOPE's
 * fields, "x" for others; without the line end if that is CRLF.  With the
 * letter in upper case, the value is not kept, the string is the name; or,
 * in a summary that is not stored, the beginning of the field.
 *
 * names: of the fields that are in the header but not here, four
 * characters each, a hash (mime_name_hash()).
 *
 * parts: each a letter for its kind (L leaf, O opaque leaf, M multipart,
 * R message), children " " hdr_off " " hdr_len " " body_off " " body_len
 * " " lines " ", string(coded type), string(coded subtype), then what it
 * has of SUMMARY_ITEMS, a letter and a string each, and ".".  A list is
 * strings of coded texts.  ENVELOPE's fields have "A" to "J".
 *
 * preview: UTF-8, in which ^q ^b ^^ are quote, backslash and ^.
 *
 * others: the header's fields in order, "." for one that is in fields, or
 * else string(coded), without the line end if that is CRLF.  They are a
 * line of their own, since a storage can leave it out of listings.  "mfs1 "
 * is the same without them.
 *
 * A change here, or of the table in header.c, needs another tag.
 */
#define SUMMARY_TAG	"mfs2 "
#define SUMMARY_TAG_OLD	"mfs1 "

#define ITEM_PARAMS	'p'
#define ITEM_ID		'i'
#define ITEM_DESCRIPTION 'd'
#define ITEM_ENCODING	'e'
#define ITEM_MD5	'm'
#define ITEM_DISPOSITION 's'
#define ITEM_DPARAMS	't'
#define ITEM_LANGUAGE	'l'
#define ITEM_LOCATION	'o'
#define ITEM_END	'.'

/* A hash of a name as four characters. */
void	summary_name_code(char *, uint32_t);

/* The text for a preview: of the first part that has any. */
struct preview {
	const struct mime_part	*part;	/* the one that is read */
	int			 done;
	int			 html;
	struct mime_decoder	 dec;
	struct charset_conv	 cv;
	struct ibuf		 utf8;
	/* HTML */
	int			 state;
	char			 quote;
	size_t			 nword;
	char			 word[16];	/* a tag or an entity */
	char			 skip[16];	/* inside this element */
	/* what is made */
	unsigned		 chars;
	int			 space;
	size_t			 len;
	char			 text[SUMMARY_PREVIEW * 4];
};

void	preview_start(struct preview *);
void	preview_fini(struct preview *);
int	preview_part(struct preview *, const struct mime_part *);
int	preview_body(struct preview *, const char *, size_t);
int	preview_end(struct preview *);

#endif /* SUMMARY_INT_H */
