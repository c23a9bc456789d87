/*
 * JSON (RFC 8259) as the storage API uses it: one value parsed in place
 * from a line or a body (jsmn does the scanning), and text written into an
 * ibuf.
 *
 * Reading: json_parse() takes a caller's token array and a caller's bytes,
 * which must stay as they are while the result is used; strings are
 * unescaped in place when asked for, once each.  Grammar and UTF-8 are
 * checked whole; of members with the same name the first counts.  Errors:
 * -1 with errno EINVAL (not JSON), E2BIG (more tokens than the array
 * holds).
 *
 * A value is named by its token index; 0 is the whole text, -1 is none, and
 * every getter takes -1 and answers "absent".  Getters return 1 when the
 * value is there and of the type, 0 when absent or null, -1 when it is of
 * another type or out of range.
 */
#ifndef JSON_H
#define JSON_H

#include <sys/types.h>
#include <stdint.h>

#define JSMN_HEADER
#define JSMN_STRICT
#define JSMN_PARENT_LINKS
#include <jsmn.h>

#include "ibuf.h"

struct json {
	char		*buf;
	jsmntok_t	*tok;
	int		 ntok;
};

int	 json_parse(struct json *, char *, size_t, jsmntok_t *, int);
int	 json_type(const struct json *, int);
int	 json_member(const struct json *, int, const char *);
int	 json_next(const struct json *, int);
int	 json_first(const struct json *, int);
int	 json_count(const struct json *, int);

int	 json_str(struct json *, int, const char **, size_t *);
int	 json_u64(const struct json *, int, uint64_t, uint64_t *);
int	 json_u32(const struct json *, int, uint32_t *);
int	 json_bool(const struct json *, int, int *);
int	 json_is_null(const struct json *, int);

/*
 * Strict readers refuse what they do not know: json_unknown() gives the
 * index of the first member of an object that is not in the NULL-ended
 * list of names, -1 if all are known.
 */
int	 json_unknown(const struct json *, int, const char *const *);

/*
 * Writing.  Commas are put where they belong: a value or a key that follows
 * another gets one.  json_key() is followed by exactly one value.  Text
 * that is not UTF-8 is refused (-1, EILSEQ), not mended.
 */
int	 json_key(struct ibuf *, const char *);
int	 json_put_str(struct ibuf *, const char *);
int	 json_put_strn(struct ibuf *, const char *, size_t);
int	 json_put_u64(struct ibuf *, uint64_t);
int	 json_put_bool(struct ibuf *, int);
int	 json_put_raw(struct ibuf *, const char *);
int	 json_open(struct ibuf *, char);
int	 json_close(struct ibuf *, char);
int	 json_kstr(struct ibuf *, const char *, const char *);
int	 json_ku64(struct ibuf *, const char *, uint64_t);
int	 json_kbool(struct ibuf *, const char *, int);

/* Is this well-formed UTF-8 (RFC 3629: no surrogates, no overlong form)? */
int	 utf8_valid(const char *, size_t);
/* One character's bytes; 0 if malformed.  The code point goes to *cp. */
size_t	 utf8_decode(const char *, size_t, uint32_t *);
/* Writes 1 to 4 bytes, returns how many; 0 for what is no scalar value. */
size_t	 utf8_encode(char *, uint32_t);

#endif /* JSON_H */
