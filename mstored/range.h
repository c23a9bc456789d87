/*
 * The Range field (RFC 9110, 14.2) as far as it is of use for a message:
 * one range of bytes.
 *
 * range_parse() returns 1 and the first and last byte to send; 0 when the
 * field is to be ignored (another unit, several ranges, not a range); -1
 * when nothing of the range is there: 416.
 */
#ifndef RANGE_H
#define RANGE_H

#include <sys/types.h>
#include <stdint.h>

int	 range_parse(const char *, size_t, uint64_t, uint64_t *, uint64_t *);

#endif /* RANGE_H */
