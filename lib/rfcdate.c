#include <errno.h>
#include <string.h>

#include "header_lex.h"
#include "rfcdate.h"

#define DAY_SECONDS	86400
#define NO_ZONE		9999

static const char	months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
static const char	weekdays[] = "SunMonTueWedThuFriSat";

/* What has been read so far; -1 is "not yet". */
struct fields {
	int	year;
	int	month;		/* 0 to 11 */
	int	day;
	int	hour;
	int	min;
	int	sec;
	int	zone;		/* minutes east; NO_ZONE */
};

static int
bad(void)
{
	errno = EINVAL;
	return -1;
}

/*
 * Days since 1970-01-01 of a day in the Gregorian calendar, counted in
 * years that begin with March, so that the leap day comes last.
 */
static int32_t
days_from(int year, int month, int day)
{
	int m = (month + 10) % 12, y = year - (month < 2), era, yoe;

	era = (y >= 0 ? y : y - 399) / 400;
	yoe = y - era * 400;
	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 +
	    (153 * m + 2) / 5 + day - 1 - 719468;
}

static void
days_to(int32_t days, struct fields *f)
{
	int z = days + 719468, era, doe, yoe, doy, mp;

	era = (z >= 0 ? z : z - 146096) / 146097;
	doe = z - era * 146097;
	yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	mp = (5 * doy + 2) / 153;
	f->day = doy - (153 * mp + 2) / 5 + 1;
	f->month = (mp + 2) % 12;
	f->year = yoe + era * 400 + (f->month < 2);
}

static int
month_days(int year, int month)
{
	static const signed char n[] = { 31, 28, 31, 30, 31, 30, 31, 31,
	    30, 31, 30, 31 };

	if (month == 1 && year % 4 == 0 &&
	    (year % 100 != 0 || year % 400 == 0))
		return 29;
	return n[month];
}

static int
day_valid(const struct fields *f)
{
	return f->year >= 0 && f->year <= 9999 && f->month >= 0 &&
	    f->month <= 11 && f->day >= 1 &&
	    f->day <= month_days(f->year, f->month);
}

/* Second 60 is a leap second, and then the next minute's first. */
static int
fields_done(const struct fields *f, struct rfcdate *d)
{
	if (!day_valid(f) || f->hour < 0 || f->hour > 23 || f->min < 0 ||
	    f->min > 59 || f->sec < 0 || f->sec > 60)
		return bad();
	d->t = (int64_t)days_from(f->year, f->month, f->day) * DAY_SECONDS +
	    f->hour * 3600 + f->min * 60 + f->sec - f->zone * 60;
	d->zone = f->zone;
	return 0;
}

/* A moment's fields in its own zone; 0 if the year is out of range. */
static int
fields_from(const struct rfcdate *d, struct fields *f)
{
	int64_t	t, day;
	int	s;

	if (d->t < -100000000000LL || d->t > 300000000000LL ||
	    d->zone <= -1440 || d->zone >= 1440)
		return 0;
	t = d->t + d->zone * 60;
	day = t / DAY_SECONDS - (t % DAY_SECONDS < 0);
	s = (int)(t - day * DAY_SECONDS);
	days_to((int32_t)day, f);
	f->hour = s / 3600;
	f->min = s / 60 % 60;
	f->sec = s % 60;
	f->zone = d->zone;
	return f->year >= 0 && f->year <= 9999;
}

/* Which of the three-letter names p begins with, -1 for none. */
static int
name_index(const char *names, const char *p, size_t len)
{
	int i, j;

	if (len < 3)
		return -1;
	for (i = 0; names[i] != '\0'; i += 3) {
		for (j = 0; j < 3; j++)
			if (lex_lower(p[j]) != lex_lower(names[i + j]))
				break;
		if (j == 3)
			return i / 3;
	}
	return -1;
}

/* Mail */

struct cursor {
	const char	*p;
	const char	*end;
};

static int
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static int
is_alpha(char c)
{
	return lex_lower(c) >= 'a' && lex_lower(c) <= 'z';
}

/* A run of digits as a number, big ones cut; returns how many digits. */
static int
take_number(struct cursor *c, int *v)
{
	int n = 0;

	for (*v = 0; c->p < c->end && is_digit(*c->p); c->p++, n++)
		if (*v < 1000000)
			*v = *v * 10 + (*c->p - '0');
	return n;
}

static int
year_full(int v, int digits)
{
	if (digits == 2)
		return v < 50 ? 2000 + v : 1900 + v;
	return digits == 3 ? 1900 + v : v;
}

/* Where text goes on behind white space and comments (RFC 5322, 4.3). */
static const char *
skip_cfws(const char *p, const char *end)
{
	while (p < end && (lex_space(*p) || *p == '('))
		if (*p != '(')
			p++;
		else if ((p = lex_comment(p, end)) == NULL)
			return end;
	return p;
}

/* Goes to the digits behind a separator, if that is what comes next. */
static int
take_sep(struct cursor *c, char sep)
{
	const char *p = skip_cfws(c->p, c->end);

	if (p == c->end || *p != sep)
		return 0;
	p = skip_cfws(p + 1, c->end);
	if (p == c->end || !is_digit(*p))
		return 0;
	c->p = p;
	return 1;
}

/* "hh:mm:ss" from behind the hour, or "hh.mm.ss"; 0 if it is no time. */
static int
take_time(struct cursor *c, struct fields *f, int hour)
{
	char	sep = ':';
	int	fraction;

	if (!take_sep(c, sep) && (f->day == -1 || !take_sep(c, sep = '.')))
		return 0;
	f->hour = hour;
	f->sec = 0;
	take_number(c, &f->min);
	if (take_sep(c, sep))
		take_number(c, &f->sec);
	if (sep == ':' && take_sep(c, '.'))
		take_number(c, &fraction);
	return 1;
}

static void
mail_number(struct cursor *c, struct fields *f)
{
	int v, n;

	n = take_number(c, &v);
	if (f->hour == -1 && n <= 2 && take_time(c, f, v))
		return;
	if (f->day == -1 && n <= 2)
		f->day = v;
	else if (f->year == -1 && n >= 2)
		f->year = year_full(v, n);
}

/* The zones of RFC 822; all others say nothing (RFC 5322, 4.3). */
static int
zone_named(const char *p, size_t len)
{
	static const char	letters[] = "ecmp";
	const char		*l;

	if (len != 3 || lex_lower(p[2]) != 't' ||
	    (l = strchr(letters, lex_lower(p[0]))) == NULL)
		return 0;
	if (lex_lower(p[1]) == 's')
		return -60 * (5 + (int)(l - letters));
	if (lex_lower(p[1]) == 'd')
		return -60 * (4 + (int)(l - letters));
	return 0;
}

static void
mail_word(struct cursor *c, struct fields *f)
{
	const char	*p = c->p;
	size_t		 len;
	int		 m;

	while (c->p < c->end && is_alpha(*c->p))
		c->p++;
	len = (size_t)(c->p - p);
	if (f->month == -1 && (m = name_index(months, p, len)) != -1)
		f->month = m;
	else if (f->hour != -1 && f->zone == NO_ZONE)
		f->zone = zone_named(p, len);
}

static void
mail_zone(struct cursor *c, struct fields *f)
{
	int v, sign = *c->p == '-' ? -1 : 1;

	c->p++;
	if (take_number(c, &v) == 4 && v % 100 < 60 && v < 2400)
		f->zone = sign * (v / 100 * 60 + v % 100);
}

static void
mail_token(struct cursor *c, struct fields *f)
{
	const char *e;

	if (is_digit(*c->p))
		mail_number(c, f);
	else if (is_alpha(*c->p))
		mail_word(c, f);
	else if ((*c->p == '+' || *c->p == '-') && f->hour != -1)
		mail_zone(c, f);
	else if (*c->p == '(' && (e = lex_comment(c->p, c->end)) != NULL)
		c->p = e;
	else if (*c->p == '(')
		c->p = c->end;
	else
		c->p++;
}

int
rfcdate_parse_mail(struct rfcdate *d, const char *p, size_t len)
{
	struct fields	f = { -1, -1, -1, -1, -1, -1, NO_ZONE };
	struct cursor	c = { p, p + len };

	while (c.p < c.end)
		mail_token(&c, &f);
	if (f.hour == -1)
		f.hour = f.min = f.sec = 0;
	if (f.zone == NO_ZONE)
		f.zone = 0;
	return fields_done(&f, d);
}

/* Fixed forms: a pattern of digits (d), and characters that must be there. */

static int
form_match(const char *p, const char *form)
{
	for (; *form != '\0'; form++, p++) {
		if (*form == 'd' ? !is_digit(*p) : *form == 'a' ?
		    !is_alpha(*p) : *p != *form)
			return 0;
	}
	return 1;
}

static int
digits(const char *p, int n)
{
	int v = 0;

	while (n-- > 0)
		v = v * 10 + (*p++ - '0');
	return v;
}

static void
form_time(const char *p, struct fields *f)
{
	f->hour = digits(p, 2);
	f->min = digits(p + 3, 2);
	f->sec = digits(p + 6, 2);
}

/* "+hhmm", or "+hh:mm" with colon set to 1. */
static int
form_zone(const char *p, int colon, int *zone)
{
	int h, m;

	if ((*p != '+' && *p != '-') ||
	    !form_match(p + 1, colon ? "dd:dd" : "dddd"))
		return -1;
	h = digits(p + 1, 2);
	m = digits(p + 3 + colon, 2);
	if (h > 23 || m > 59)
		return -1;
	*zone = (*p == '-' ? -1 : 1) * (h * 60 + m);
	return 0;
}

int
rfcdate_parse_imap(struct rfcdate *d, const char *p, size_t len)
{
	struct fields	f;
	char		b[27];

	if (len != 26)
		return bad();
	memcpy(b, p, 26);
	b[26] = '\0';
	if (b[0] == ' ')
		b[0] = '0';
	if (!form_match(b, "dd-aaa-dddd dd:dd:dd ") ||
	    form_zone(b + 21, 0, &f.zone) == -1)
		return bad();
	f.day = digits(b, 2);
	f.month = name_index(months, b + 3, 3);
	f.year = digits(b + 7, 4);
	form_time(b + 12, &f);
	return fields_done(&f, d);
}

int
rfcdate_parse_day(int32_t *day, const char *p, size_t len)
{
	struct fields	f;
	char		b[12];

	if (len != 10 && len != 11)
		return bad();
	b[0] = '0';
	memcpy(b + (11 - len), p, len);
	b[11] = '\0';
	if (!form_match(b, "dd-aaa-dddd"))
		return bad();
	f.day = digits(b, 2);
	f.month = name_index(months, b + 3, 3);
	f.year = digits(b + 7, 4);
	if (!day_valid(&f))
		return bad();
	*day = days_from(f.year, f.month, f.day);
	return 0;
}

int32_t
rfcdate_day(const struct rfcdate *d)
{
	int64_t t = d->t + (int64_t)d->zone * 60;

	return (int32_t)(t / DAY_SECONDS - (t % DAY_SECONDS < 0));
}

int
rfcdate_parse_3339(struct rfcdate *d, const char *p, size_t len)
{
	struct fields	f;
	char		b[48];
	size_t		i = 19;

	if (len < 20 || len > sizeof(b) - 8)
		return bad();
	memset(b, 0, sizeof(b));
	memcpy(b, p, len);
	if (b[10] == 't')
		b[10] = 'T';
	if (!form_match(b, "dddd-dd-ddTdd:dd:dd"))
		return bad();
	if (b[i] == '.') {
		if (!is_digit(b[++i]))
			return bad();
		while (is_digit(b[i]))
			i++;
	}
	f.zone = 0;
	if ((b[i] == 'Z' || b[i] == 'z') && i + 1 == len)
		;
	else if (i + 6 != len || form_zone(b + i, 1, &f.zone) == -1)
		return bad();
	f.year = digits(b, 4);
	f.month = digits(b + 5, 2) - 1;
	f.day = digits(b + 8, 2);
	form_time(b + 11, &f);
	return fields_done(&f, d);
}

/* Writing */

static char *
put_digits(char *o, int v, int n)
{
	int i;

	for (i = n - 1; i >= 0; i--, v /= 10)
		o[i] = (char)('0' + v % 10);
	return o + n;
}

static char *
put_name(char *o, const char *names, int i)
{
	memcpy(o, names + i * 3, 3);
	return o + 3;
}

static char *
put_day(char *o, const struct fields *f, int sep)
{
	o = put_digits(o, f->day, 2);
	*o++ = (char)sep;
	o = put_name(o, months, f->month);
	*o++ = (char)sep;
	return put_digits(o, f->year, 4);
}

static char *
put_time(char *o, const struct fields *f)
{
	o = put_digits(o, f->hour, 2);
	*o++ = ':';
	o = put_digits(o, f->min, 2);
	*o++ = ':';
	return put_digits(o, f->sec, 2);
}

static char *
put_zone(char *o, int zone, int colon)
{
	int z = zone < 0 ? -zone : zone;

	*o++ = zone < 0 ? '-' : '+';
	o = put_digits(o, z / 60, 2);
	if (colon)
		*o++ = ':';
	return put_digits(o, z % 60, 2);
}

int
rfcdate_put_mail(struct ibuf *b, const struct rfcdate *d)
{
	struct fields	f;
	char		s[40], *o = s;
	int		w;

	if (!fields_from(d, &f))
		return bad();
	w = (rfcdate_day(d) % 7 + 11) % 7;	/* 1970 began on a Thursday */
	o = put_name(o, weekdays, w);
	*o++ = ',';
	*o++ = ' ';
	o = put_day(o, &f, ' ');
	*o++ = ' ';
	o = put_time(o, &f);
	*o++ = ' ';
	o = put_zone(o, f.zone, 0);
	return ibuf_add(b, s, (size_t)(o - s));
}

int
rfcdate_put_imap(struct ibuf *b, const struct rfcdate *d)
{
	struct fields	f;
	char		s[40], *o = s;

	if (!fields_from(d, &f))
		return bad();
	o = put_day(o, &f, '-');
	if (s[0] == '0')
		s[0] = ' ';
	*o++ = ' ';
	o = put_time(o, &f);
	*o++ = ' ';
	o = put_zone(o, f.zone, 0);
	return ibuf_add(b, s, (size_t)(o - s));
}

int
rfcdate_put_day(struct ibuf *b, int32_t day)
{
	struct fields	f;
	struct rfcdate	d;
	char		s[20], *o, *from = s;

	d.t = (int64_t)day * DAY_SECONDS;
	d.zone = 0;
	if (!fields_from(&d, &f))
		return bad();
	o = put_day(s, &f, '-');
	if (*from == '0')
		from++;
	return ibuf_add(b, from, (size_t)(o - from));
}

int
rfcdate_put_3339(struct ibuf *b, const struct rfcdate *d)
{
	struct fields	f;
	char		s[40], *o = s;

	if (!fields_from(d, &f))
		return bad();
	o = put_digits(o, f.year, 4);
	*o++ = '-';
	o = put_digits(o, f.month + 1, 2);
	*o++ = '-';
	o = put_digits(o, f.day, 2);
	*o++ = 'T';
	o = put_time(o, &f);
	if (f.zone == 0)
		*o++ = 'Z';
	else
		o = put_zone(o, f.zone, 1);
	return ibuf_add(b, s, (size_t)(o - s));
}
