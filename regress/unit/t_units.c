#include <atf-c.h>
#include <errno.h>
#include <string.h>

#include "units.h"

ATF_TC_WITHOUT_HEAD(good);
ATF_TC_BODY(good, tc)
{
	static const struct {
		enum unit	 unit;
		const char	*text;
		uint64_t	 n;
	} tests[] = {
		{ UNIT_COUNT, "0", 0 },
		{ UNIT_COUNT, "007", 7 },
		{ UNIT_COUNT, "18446744073709551615", UINT64_MAX },
		{ UNIT_SIZE, "64", 64 },
		{ UNIT_SIZE, "64K", 65536 },
		{ UNIT_SIZE, "64k", 65536 },
		{ UNIT_SIZE, "3M", 3145728 },
		{ UNIT_SIZE, "17179869183G", UINT64_MAX - 1073741823 },
		{ UNIT_TIME, "30", 30 },
		{ UNIT_TIME, "30s", 30 },
		{ UNIT_TIME, "30m", 1800 },
		{ UNIT_TIME, "2h", 7200 },
		{ UNIT_TIME, "7d", 604800 },
	};
	uint64_t n;
	size_t i;

	for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		ATF_CHECK_EQ_MSG(0, units_parse(tests[i].unit, tests[i].text,
		    &n), "%s", tests[i].text);
		ATF_CHECK_EQ_MSG(tests[i].n, n, "%s", tests[i].text);
	}
}

ATF_TC_WITHOUT_HEAD(bad);
ATF_TC_BODY(bad, tc)
{
	static const struct {
		enum unit	 unit;
		const char	*text;
		int		 error;
	} tests[] = {
		{ UNIT_COUNT, "", EINVAL },
		{ UNIT_COUNT, "K", EINVAL },
		{ UNIT_COUNT, "-1", EINVAL },
		{ UNIT_COUNT, "+1", EINVAL },
		{ UNIT_COUNT, " 1", EINVAL },
		{ UNIT_COUNT, "1 ", EINVAL },
		{ UNIT_COUNT, "0x1", EINVAL },
		{ UNIT_COUNT, "1K", EINVAL },
		{ UNIT_COUNT, "18446744073709551616", ERANGE },
		{ UNIT_COUNT, "99999999999999999999999999999", ERANGE },
		{ UNIT_COUNT, "99999999999999999999999999999x", EINVAL },
		{ UNIT_SIZE, "1m1", EINVAL },
		{ UNIT_SIZE, "1s", EINVAL },
		{ UNIT_SIZE, "1KB", EINVAL },
		{ UNIT_SIZE, "17179869184G", ERANGE },
		{ UNIT_TIME, "1M", EINVAL },
		{ UNIT_TIME, "1h30m", EINVAL },
		{ UNIT_TIME, "213503982334602d", ERANGE },
	};
	uint64_t n;
	size_t i;

	for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		n = 42;
		errno = 0;
		ATF_CHECK_EQ_MSG(-1, units_parse(tests[i].unit, tests[i].text,
		    &n), "%s", tests[i].text);
		ATF_CHECK_EQ_MSG(tests[i].error, errno, "%s", tests[i].text);
		ATF_CHECK_EQ(42, n);
	}
}

ATF_TC_WITHOUT_HEAD(format);
ATF_TC_BODY(format, tc)
{
	static const struct {
		enum unit	 unit;
		uint64_t	 n;
		const char	*text;
	} tests[] = {
		{ UNIT_COUNT, 1024, "1024" },
		{ UNIT_SIZE, 0, "0" },
		{ UNIT_SIZE, 1023, "1023" },
		{ UNIT_SIZE, 1025, "1025" },
		{ UNIT_SIZE, 4293918720, "4095M" },
		{ UNIT_SIZE, 1073741824, "1G" },
		{ UNIT_TIME, 59, "59s" },
		{ UNIT_TIME, 90, "90s" },
		{ UNIT_TIME, 120, "2m" },
		{ UNIT_TIME, 86400, "1d" },
		{ UNIT_TIME, UINT64_MAX, "18446744073709551615s" },
	};
	char buf[UNITS_LEN];
	uint64_t n;
	size_t i;

	for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		units_format(tests[i].unit, tests[i].n, buf, sizeof(buf));
		ATF_CHECK_STREQ(tests[i].text, buf);
		ATF_CHECK_EQ(0, units_parse(tests[i].unit, buf, &n));
		ATF_CHECK_EQ(tests[i].n, n);
	}
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, good);
	ATF_TP_ADD_TC(tp, bad);
	ATF_TP_ADD_TC(tp, format);
	return atf_no_error();
}
