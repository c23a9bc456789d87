#include <atf-c.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "rfcdate.h"

typedef int (*parser)(struct rfcdate *, const char *, size_t);
typedef int (*writer)(struct ibuf *, const struct rfcdate *);

static const char *
written(writer fn, int64_t t, int zone)
{
	static char	out[64];
	struct rfcdate	d = { t, zone };
	struct ibuf	b;

	ibuf_init(&b, sizeof(out) - 1);
	out[0] = '\0';
	if (fn(&b, &d) == 0) {
		memcpy(out, ibuf_data(&b), ibuf_size(&b));
		out[ibuf_size(&b)] = '\0';
	}
	ibuf_fini(&b);
	return out;
}

/* The parser takes it for t and zone; with zone 9999 it refuses it. */
static void
parsed(parser fn, const char *text, int64_t t, int zone)
{
	struct rfcdate d = { 12345, 67 };
	int r;

	errno = 0;
	r = fn(&d, text, strlen(text));
	if (zone == 9999) {
		ATF_CHECK_EQ_MSG(-1, r, "%s", text);
		ATF_CHECK_EQ(EINVAL, errno);
		ATF_CHECK(d.t == 12345 && d.zone == 67);
		return;
	}
	ATF_CHECK_EQ_MSG(0, r, "%s", text);
	ATF_CHECK_EQ_MSG(t, d.t, "%s: %lld", text, (long long)d.t);
	ATF_CHECK_EQ_MSG(zone, d.zone, "%s: %d", text, d.zone);
}

ATF_TC_WITHOUT_HEAD(mail);
ATF_TC_BODY(mail, tc)
{
	static const struct {
		const char *text;
		int64_t t;
		int zone;
	} t[] = {
		{ "Fri, 21 Nov 1997 09:55:06 -0600", 880127706, -360 },
		{ "21 Nov 97 09:55:06 GMT", 880106106, 0 },
		{ "Fri, 21 Nov 1997 09(comment):   55  :  06 -0600",
		    880127706, -360 },
		{ "Thu,\r\n      13\r\n        Feb\r\n          1969\r\n"
		    "      23:32\r\n               -0330 (Newfoundland Time)",
		    -27723480, -210 },
		{ "Mon, 7 Feb 1994 21:52:25 -0800 (PST)", 760686745, -480 },
		{ "(c) 7 (c) Feb (c(d)) 1994 (c) 21:52:25 (c) -0800",
		    760686745, -480 },
		{ "Mon, 07-Feb-1994 21:52:25 PST", 760686745, -480 },
		{ "7 feb 94 21:52 EDT", 760672320, -240 },
		{ "Wed Jul 17 02:44:25 1996", 837571465, 0 },
		{ "Wed Jul 17 02:44:25 MST 1996", 837571465 + 7 * 3600,
		    -420 },
		{ "1 Jan 70 00:00:00 +0000", 0, 0 },
		{ "1 Jan 1970", 0, 0 }, { "1 Jan 1970 01:00 +0100", 0, 60 },
		{ "31 Dec 49 00:00:00 GMT", 2524521600LL, 0 },
		{ "1 Jan 50 00:00:00 GMT", -631152000, 0 },
		{ "1 Jan 100 00:00:00 GMT", 946684800, 0 },
		{ "29 Feb 2000 12:00:00 +0000", 951825600, 0 },
		{ "29 Feb 1900 12:00:00 +0000", 0, 9999 },
		{ "31 Apr 2001 12:00:00 +0000", 0, 9999 },
		{ "31 Dec 1998 23:59:60 +0000", 915148800, 0 },
		{ "1 Jan 1999 23:59:61 +0000", 0, 9999 },
		{ "1 Jan 1999 24:00:00 +0000", 0, 9999 },
		{ "1 Jan 1999 23:60:00 +0000", 0, 9999 },
		/* military and unknown zones say nothing */
		{ "1 Jan 1970 00:00:00 A", 0, 0 },
		{ "1 Jan 1970 00:00:00 Z", 0, 0 },
		{ "1 Jan 1970 00:00:00 CEST", 0, 0 },
		{ "1 Jan 1970 00:00:00 -0000", 0, 0 },
		{ "1 Jan 1970 02:00:00 +0200 EST", 0, 120 },
		{ "1 Jan 1970 02:00:00 GMT+0200", 0, 120 },
		{ "1 Jan 1970 00:00:00 +9999", 0, 0 },
		{ "1 Jan 1970 00:00:00 +01:00", 0, 0 },
		{ "1 Jan 1970 00.00.00", 0, 0 },
		{ "1 Jan 1970 00:00:00.123456 +0000", 0, 0 },
		{ "0 Jan 1970 00:00:00", 0, 9999 },
		{ "", 0, 9999 }, { "yesterday", 0, 9999 },
		{ "Jan 1970", 0, 9999 }, { "1 Jan", 0, 9999 },
		{ "1 1970 00:00:00", 0, 9999 },
		{ "1 Jan 99999", 0, 9999 },
		{ "1 Jan 99999999999999999999", 0, 9999 },
		{ "(unclosed 1 Jan 1970", 0, 9999 },
	};
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		parsed(rfcdate_parse_mail, t[i].text, t[i].t, t[i].zone);
	ATF_CHECK_STREQ("Fri, 21 Nov 1997 09:55:06 -0600",
	    written(rfcdate_put_mail, 880127706, -360));
	ATF_CHECK_STREQ("Thu, 01 Jan 1970 00:00:00 +0000",
	    written(rfcdate_put_mail, 0, 0));
	ATF_CHECK_STREQ("Wed, 31 Dec 1969 23:59:59 +0000",
	    written(rfcdate_put_mail, -1, 0));
}

ATF_TC_WITHOUT_HEAD(imap);
ATF_TC_BODY(imap, tc)
{
	static const char *const bad[] = { "", "17-Jul-1996",
	    "17-Jul-1996 02:44:25", "17-Jul-1996 02:44:25 -07000",
	    "17-Jul-1996 02:44:25 0700", "17-Jux-1996 02:44:25 -0700",
	    "17 Jul 1996 02:44:25 -0700", "1-Jul-1996 02:44:25 -0700",
	    "17-Jul-1996  2:44:25 -0700", "17-Jul-1996 02:44:25 -0760",
	    "17-Jul-1996 02:44:25 +2400", "30-Feb-1996 02:44:25 -0700",
	    "\"7-Jul-1996 02:44:25 -070", "17-Jul-1996\t02:44:25 -0700" };
	int32_t day;
	struct ibuf b;
	size_t i;

	parsed(rfcdate_parse_imap, "17-Jul-1996 02:44:25 -0700",
	    837596665, -420);
	parsed(rfcdate_parse_imap, " 1-jAN-1970 00:00:00 +0000", 0, 0);
	parsed(rfcdate_parse_imap, "01-Jan-1970 01:30:00 +0130", 0, 90);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		parsed(rfcdate_parse_imap, bad[i], 0, 9999);
	ATF_CHECK_STREQ("17-Jul-1996 02:44:25 -0700",
	    written(rfcdate_put_imap, 837596665, -420));
	ATF_CHECK_STREQ(" 1-Jan-1970 00:00:00 +0000",
	    written(rfcdate_put_imap, 0, 0));
	ATF_CHECK_EQ(0, rfcdate_parse_day(&day, "1-Feb-1994", 10));
	ATF_CHECK_EQ(8797, day);
	ATF_CHECK_EQ(0, rfcdate_parse_day(&day, "01-feb-1994", 11));
	ATF_CHECK_EQ(8797, day);
	ibuf_init(&b, 100);
	ATF_CHECK_EQ(0, rfcdate_put_day(&b, 8797));
	ATF_CHECK(ibuf_size(&b) == 10 &&
	    memcmp(ibuf_data(&b), "1-Feb-1994", 10) == 0);
	ibuf_fini(&b);
	ATF_CHECK_EQ(-1, rfcdate_parse_day(&day, "1-Feb-94", 8));
	ATF_CHECK_EQ(-1, rfcdate_parse_day(&day, "30-Feb-1994", 11));
	ATF_CHECK_EQ(-1, rfcdate_parse_day(&day, " 1-Feb-1994", 11));
	ATF_CHECK_EQ(-1, rfcdate_parse_day(&day, "", 0));
}

ATF_TC_WITHOUT_HEAD(rfc3339);
ATF_TC_BODY(rfc3339, tc)
{
	static const char *const bad[] = { "", "1996-07-17",
	    "1996-07-17 02:44:25Z", "1996-07-17T02:44:25",
	    "1996-07-17T02:44:25-0700", "1996-07-17T02:44:25.Z",
	    "1996-07-17T02:44Z", "1996-13-17T02:44:25Z",
	    "1996-00-17T02:44:25Z", "1996-07-00T02:44:25Z",
	    "1996-07-17T02:44:25ZZ", "1996-07-17T02:44:25+24:00",
	    "96-07-17T02:44:25Z", "1996-07-17T02:44:25.1",
	    "1996-07-17T02:44:25.000000000000000000000000000000Z" };
	size_t i;

	parsed(rfcdate_parse_3339, "1996-07-17T02:44:25-07:00", 837596665,
	    -420);
	parsed(rfcdate_parse_3339, "1985-04-12T23:20:50.52Z", 482196050, 0);
	parsed(rfcdate_parse_3339, "1990-12-31T23:59:60Z", 662688000, 0);
	parsed(rfcdate_parse_3339, "1937-01-01t12:00:27.123456789+00:20",
	    -1041337173, 20);
	parsed(rfcdate_parse_3339, "0000-01-01T00:00:00z", -62167219200LL, 0);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		parsed(rfcdate_parse_3339, bad[i], 0, 9999);
	ATF_CHECK_STREQ("1996-07-17T02:44:25-07:00",
	    written(rfcdate_put_3339, 837596665, -420));
	ATF_CHECK_STREQ("1970-01-01T00:00:00Z",
	    written(rfcdate_put_3339, 0, 0));
	ATF_CHECK_STREQ("9999-12-31T23:59:59Z",
	    written(rfcdate_put_3339, 253402300799LL, 0));
	ATF_CHECK_STREQ("", written(rfcdate_put_3339, 253402300800LL, 0));
	ATF_CHECK_STREQ("", written(rfcdate_put_3339, -62167219201LL, 0));
	ATF_CHECK_STREQ("", written(rfcdate_put_3339, INT64_MAX, 0));
	ATF_CHECK_STREQ("", written(rfcdate_put_3339, INT64_MIN, 0));
	ATF_CHECK_STREQ("", written(rfcdate_put_3339, 0, 1440));
}

/* What is written is read back, and agrees with the system's calendar. */
ATF_TC_WITHOUT_HEAD(roundtrip);
ATF_TC_BODY(roundtrip, tc)
{
	static const struct {
		parser p;
		writer w;
	} forms[] = {
		{ rfcdate_parse_mail, rfcdate_put_mail },
		{ rfcdate_parse_imap, rfcdate_put_imap },
		{ rfcdate_parse_3339, rfcdate_put_3339 },
	};
	struct rfcdate	d;
	struct ibuf	b;
	struct tm	tm;
	time_t		t;
	int32_t		day;
	char		text[64], want[64];
	int		i, j;

	ATF_REQUIRE_EQ(0, setenv("TZ", "America/St_Johns", 1));
	tzset();
	srandom(1);
	for (i = 0; i < 20000; i++) {
		d.t = -62000000000LL + (((int64_t)random() << 20 |
		    (random() & 0xfffff)) % 315000000000LL);
		d.zone = (int)(random() % 2879) - 1439;
		for (j = 0; j < 3; j++) {
			strlcpy(text, written(forms[j].w, d.t, d.zone),
			    sizeof(text));
			parsed(forms[j].p, text, d.t, d.zone);
		}
		t = (time_t)(d.t + d.zone * 60);
		ATF_REQUIRE(gmtime_r(&t, &tm) != NULL);
		snprintf(want, sizeof(want), "%04d-%02d-%02dT%02d:%02d:%02d",
		    tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
		    tm.tm_min, tm.tm_sec);
		ATF_CHECK_EQ_MSG(0, strncmp(text, want, 19), "%s %s", text,
		    want);
		strlcpy(text, written(rfcdate_put_mail, d.t, d.zone),
		    sizeof(text));
		strftime(want, sizeof(want), "%a, %d %b", &tm);
		ATF_CHECK_EQ_MSG(0, strncmp(text, want, 11), "%s %s", text,
		    want);
		ibuf_init(&b, 100);
		ATF_REQUIRE_EQ(0, rfcdate_put_day(&b, rfcdate_day(&d)));
		ATF_REQUIRE_EQ(0, rfcdate_parse_day(&day,
		    (char *)ibuf_data(&b), ibuf_size(&b)));
		ATF_CHECK_EQ(rfcdate_day(&d), day);
		ibuf_fini(&b);
	}
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, mail);
	ATF_TP_ADD_TC(tp, imap);
	ATF_TP_ADD_TC(tp, rfc3339);
	ATF_TP_ADD_TC(tp, roundtrip);
	return atf_no_error();
}
