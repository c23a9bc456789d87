#include <atf-c.h>
#include <stdlib.h>
#include <string.h>

#include "fprint.h"

/* The store keeps fingerprints: they must stay what they are. */
ATF_TC_WITHOUT_HEAD(stable);
ATF_TC_BODY(stable, tc)
{
	uint64_t h = fprint_of("The quick brown fox jumps over the dog", 38);

	ATF_CHECK_EQ(h, fprint_of("The quick brown fox jumps over the dog",
	    38));
	ATF_CHECK_EQ_MSG(UINT64_C(0x5b09fd37e5fe2c12), h, "%#llx",
	    (unsigned long long)h);
}

/* However the bytes are cut. */
ATF_TC_WITHOUT_HEAD(cuts);
ATF_TC_BODY(cuts, tc)
{
	struct fprint	f;
	unsigned char	buf[300];
	size_t		len, at, n;
	uint64_t	whole;
	int		round;

	srandom(1);
	for (round = 0; round < 3000; round++) {
		len = (size_t)random() % sizeof(buf);
		for (at = 0; at < len; at++)
			buf[at] = (unsigned char)random();
		whole = fprint_of(buf, len);
		fprint_init(&f);
		for (at = 0; at < len; at += n) {
			n = 1 + (size_t)random() % 40;
			if (n > len - at)
				n = len - at;
			fprint_add(&f, buf + at, n);
			fprint_add(&f, buf, 0);
		}
		ATF_REQUIRE_EQ(whole, fprint_end(&f));
		ATF_REQUIRE_EQ(whole, fprint_end(&f));
	}
}

/* Every single bit, and the length, makes a difference. */
ATF_TC_WITHOUT_HEAD(bits);
ATF_TC_BODY(bits, tc)
{
	static uint64_t	 seen[40 * 8 + 41];
	unsigned char	 buf[40];
	size_t		 i, j, n = 0;

	memset(buf, 0, sizeof(buf));
	for (i = 0; i <= sizeof(buf); i++)
		seen[n++] = fprint_of(buf, i);
	for (i = 0; i < sizeof(buf) * 8; i++) {
		buf[i / 8] = (unsigned char)(1 << i % 8);
		seen[n++] = fprint_of(buf, sizeof(buf));
		buf[i / 8] = 0;
	}
	for (i = 0; i < n; i++)
		for (j = i + 1; j < n; j++)
			ATF_REQUIRE(seen[i] != seen[j]);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, stable);
	ATF_TP_ADD_TC(tp, cuts);
	ATF_TP_ADD_TC(tp, bits);
	return atf_no_error();
}
