#include <atf-c.h>
#include <string.h>

#include "range.h"

ATF_TC_WITHOUT_HEAD(table);
ATF_TC_BODY(table, tc)
{
	static const struct {
		const char	*text;
		uint64_t	 size;
		int		 r;
		uint64_t	 from, to;
	} t[] = {
		{ "bytes=0-0", 10, 1, 0, 0 },
		{ "BYTES=0-", 10, 1, 0, 9 },
		{ "bytes=3-5", 10, 1, 3, 5 },
		{ "bytes=3-3", 4, 1, 3, 3 },
		{ "bytes=9-100", 10, 1, 9, 9 },
		{ "bytes=0-18446744073709551616", 10, 1, 0, 9 },
		{ "bytes=0-99999999999999999999999999999", 10, 1, 0, 9 },
		{ "bytes=-1", 10, 1, 9, 9 },
		{ "bytes=-10", 10, 1, 0, 9 },
		{ "bytes=-11", 10, 1, 0, 9 },
		{ "bytes=-99999999999999999999999999999", 10, 1, 0, 9 },
		{ "bytes=10-", 10, -1, 0, 0 },
		{ "bytes=10-20", 10, -1, 0, 0 },
		{ "bytes=99999999999999999999999-", 10, -1, 0, 0 },
		{ "bytes=-0", 10, -1, 0, 0 },
		{ "bytes=0-0", 0, -1, 0, 0 },
		{ "bytes=-5", 0, -1, 0, 0 },
		{ "bytes=5-4", 10, 0, 0, 0 },
		{ "bytes=", 10, 0, 0, 0 },
		{ "bytes=-", 10, 0, 0, 0 },
		{ "bytes=1", 10, 0, 0, 0 },
		{ "bytes=1-2,3-4", 10, 0, 0, 0 },
		{ "bytes=1-2 ", 10, 0, 0, 0 },
		{ "bytes= 1-2", 10, 0, 0, 0 },
		{ "bytes=a-b", 10, 0, 0, 0 },
		{ "lines=1-2", 10, 0, 0, 0 },
		{ "bytes", 10, 0, 0, 0 },
		{ "", 10, 0, 0, 0 },
	};
	uint64_t	from, to;
	size_t		i;
	int		r;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		r = range_parse(t[i].text, strlen(t[i].text), t[i].size,
		    &from, &to);
		ATF_CHECK_EQ_MSG(t[i].r, r, "%s: %d", t[i].text, r);
		if (r == 1) {
			ATF_CHECK_EQ_MSG(t[i].from, from, "%s", t[i].text);
			ATF_CHECK_EQ_MSG(t[i].to, to, "%s", t[i].text);
		}
	}
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, table);
	return atf_no_error();
}
