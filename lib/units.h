/*
 * Numbers with units, as people write them in a configuration file or on a
 * command line: "10000", "64M", "30m".
 *
 *	UNIT_COUNT	digits alone
 *	UNIT_SIZE	bytes; K, M, G (either case) are powers of 1024
 *	UNIT_TIME	seconds; s, m, h, d
 *
 * units_parse() takes a whole text, without sign or blanks: 0, or -1 with
 * EINVAL (not such a number) or ERANGE (over 64 bits).  units_format()
 * writes the shortest exact form, which units_parse() reads back.
 */
#ifndef UNITS_H
#define UNITS_H

#include <sys/types.h>
#include <stdint.h>

enum unit {
	UNIT_COUNT,
	UNIT_SIZE,
	UNIT_TIME
};

#define UNITS_LEN	24	/* holds every formatted number */

int	 units_parse(enum unit, const char *, uint64_t *);
void	 units_format(enum unit, uint64_t, char *, size_t);

#endif /* UNITS_H */
