/*
 * Dates of mail: RFC 5322 (with the obsolete forms and what is sent in
 * spite of it), IMAP's date and date-time (RFC 9051, 9), RFC 3339 for the
 * storage API.  The process's time zone and locale play no part.
 *
 * A moment is seconds since 1970 UTC and a zone, in minutes east of UTC:
 * the zone it was written in.  Years 0 to 9999.  Parsers take exactly len
 * bytes and return 0, or -1 (EINVAL) with the result untouched; writers
 * return the ibuf's -1, or -1 with EINVAL for a year out of range.
 */
#ifndef RFCDATE_H
#define RFCDATE_H

#include <sys/types.h>
#include <stdint.h>

#include "ibuf.h"

struct rfcdate {
	int64_t	 t;
	int	 zone;
};

/*
 * The value of a Date field (RFC 5322, 3.3 and 4.3): comments, a missing
 * day name, seconds or zone (taken as UTC), two- and three-digit years,
 * named and military zones, any case, a time with dots, asctime's order.
 * Only a day, a month and a year must be there and be one.
 */
int	 rfcdate_parse_mail(struct rfcdate *, const char *, size_t);
int	 rfcdate_put_mail(struct ibuf *, const struct rfcdate *);

/* IMAP date-time "17-Jul-1996 02:44:25 -0700", without the quotes. */
int	 rfcdate_parse_imap(struct rfcdate *, const char *, size_t);
int	 rfcdate_put_imap(struct ibuf *, const struct rfcdate *);

/*
 * IMAP date "1-Feb-1994" as a day number: days since 1 January 1970.
 * rfcdate_day() is the day number of a moment in its own zone, which is
 * what BEFORE, ON, SINCE and SENT* compare ("disregarding time and
 * timezone", RFC 9051, 6.4.4).
 */
int	 rfcdate_parse_day(int32_t *, const char *, size_t);
int	 rfcdate_put_day(struct ibuf *, int32_t);
int32_t	 rfcdate_day(const struct rfcdate *);

/* RFC 3339 "1996-07-17T02:44:25-07:00"; a fraction is read and dropped. */
int	 rfcdate_parse_3339(struct rfcdate *, const char *, size_t);
int	 rfcdate_put_3339(struct ibuf *, const struct rfcdate *);

#endif /* RFCDATE_H */
