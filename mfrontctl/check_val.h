/*
 * A JSON text as a tree, for who looks at one value from several sides.
 * Pure.  Everything is in memory that the caller's function gives, and is
 * freed with it.
 */
#ifndef CHECK_VAL_H
#define CHECK_VAL_H

#include <sys/types.h>
#include <stdint.h>

enum val_type {
	VAL_NULL,
	VAL_BOOL,
	VAL_NUMBER,
	VAL_TEXT,
	VAL_ARRAY,
	VAL_OBJECT
};

struct val {
	enum val_type	 type;
	const char	*name;		/* as a member; NULL: an element */
	const char	*s;		/* text, NUL-terminated */
	size_t		 len;		/* its bytes */
	uint64_t	 n;		/* number; 1: true */
	int		 whole;		/* a number that is one of those here */
	int		 count;		/* members or elements */
	struct val	*first;		/* of them */
	struct val	*next;
};

/* Never NULL; zeroed. */
typedef void	*val_alloc(void *, size_t);

/* NULL: it is not JSON, or deeper or larger than anything sensible. */
struct val	*val_parse(const char *, size_t, val_alloc *, void *);
struct val	*val_get(const struct val *, const char *);
/* Of the type, or NULL. */
struct val	*val_typed(const struct val *, const char *, enum val_type);
const char	*val_text(const struct val *, const char *);
/* 1 if there is a whole number, not larger than the bound. */
int		 val_number(const struct val *, const char *, uint64_t,
		    uint64_t *);
/* Same type, same value, members in any order. */
int		 val_equal(const struct val *, const struct val *);

#endif /* CHECK_VAL_H */
