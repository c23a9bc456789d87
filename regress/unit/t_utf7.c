#include <atf-c.h>
#include <errno.h>
#include <string.h>

#include "utf7.h"

static const struct {
	const char	*utf7;
	const char	*utf8;
} pairs[] = {
	{ "", "" },
	{ "INBOX", "INBOX" },
	{ "a/b c~", "a/b c~" },
	{ "&-", "&" },
	{ "Tom &- Jerry", "Tom & Jerry" },
	{ "&-&-", "&&" },
	/* RFC 3501, 5.1.3 */
	{ "~peter/mail/&U,BTFw-/&ZeVnLIqe-",
	    "~peter/mail/\xe5\x8f\xb0\xe5\x8c\x97/"
	    "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e" },
	{ "Hi Mom -&Jjo--!", "Hi Mom -\xe2\x98\xba-!" },
	{ "&AOQ-", "\xc3\xa4" },
	{ "Entw&APw-rfe", "Entw\xc3\xbcrfe" },
	{ "&2D3eAA-", "\xf0\x9f\x98\x80" },
	{ "&2D3eANg93gE-x", "\xf0\x9f\x98\x80\xf0\x9f\x98\x81x" },
	{ "&AOk-&-", "\xc3\xa9&" },
	{ "&-&AOk-", "&\xc3\xa9" },
	{ "&AAk-", "\t" },
	{ "&AH8-", "\x7f" },
};

ATF_TC_WITHOUT_HEAD(both);
ATF_TC_BODY(both, tc)
{
	char	out[256];
	size_t	i, l7, l8;

	for (i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		l7 = strlen(pairs[i].utf7);
		l8 = strlen(pairs[i].utf8);
		ATF_CHECK_EQ_MSG((ssize_t)l8, utf7_decode(out, l8,
		    pairs[i].utf7, l7), "%s", pairs[i].utf7);
		ATF_CHECK_STREQ(pairs[i].utf8, out);
		ATF_CHECK_EQ((ssize_t)l7, utf7_encode(out, l7,
		    pairs[i].utf8, l8));
		ATF_CHECK_STREQ(pairs[i].utf7, out);
		if (l8 == 0)
			continue;
		errno = 0;
		ATF_CHECK_EQ(-1, utf7_decode(out, l8 - 1, pairs[i].utf7, l7));
		ATF_CHECK_EQ(ERANGE, errno);
		errno = 0;
		ATF_CHECK_EQ(-1, utf7_encode(out, l7 - 1, pairs[i].utf8, l8));
		ATF_CHECK_EQ(ERANGE, errno);
	}
}

ATF_TC_WITHOUT_HEAD(bad);
ATF_TC_BODY(bad, tc)
{
	static const char *bad7[] = {
		"&",			/* unterminated */
		"a&AOk",
		"&AOk/",		/* "/" is not its alphabet */
		"&AOk=-",
		"&A-",			/* no whole character */
		"&AA-",
		"&AOkA-",		/* bits over */
		"&AOl-",		/* padding not zero */
		"&AGE-",		/* "a": need not be shifted */
		"&ACY-",		/* "&" itself */
		"&AOkAYQ-",		/* "a" inside */
		"&AOk-&AOk-",		/* one shift would do */
		"&2D0-",		/* half a pair */
		"&3gA-",
		"&2D0AYQ-",
		"&3gDYPQ-",
		"&2D3YPd4A-",
		"&AAA-",		/* NUL */
		"a\tb",			/* must be shifted */
		"a\x7f",
		"\xc3\xa9",		/* 8-bit */
		"&AOk-\xff",
		"&AO k-",
		NULL
	};
	static const char *bad8[] = { "\xff", "a\xc3", "\xc0\x80",
	    "\xed\xa0\x80", "\xc3\xa9\x80", "\xf4\x90\x80\x80", NULL };
	char	out[256];
	int	i;

	for (i = 0; bad7[i] != NULL; i++) {
		errno = 0;
		ATF_CHECK_EQ_MSG(-1, utf7_decode(out, sizeof(out) - 1,
		    bad7[i], strlen(bad7[i])), "%s", bad7[i]);
		ATF_CHECK_EQ_MSG(EILSEQ, errno, "%s", bad7[i]);
	}
	ATF_CHECK_EQ(-1, utf7_decode(out, sizeof(out) - 1, "a\0b", 3));
	for (i = 0; bad8[i] != NULL; i++) {
		errno = 0;
		ATF_CHECK_EQ_MSG(-1, utf7_encode(out, sizeof(out) - 1,
		    bad8[i], strlen(bad8[i])), "%d", i);
		ATF_CHECK_EQ(EILSEQ, errno);
	}
	ATF_CHECK_EQ(-1, utf7_encode(out, sizeof(out) - 1, "a\0b", 3));
}

/* The sizes in the header are enough for the worst there is. */
ATF_TC_WITHOUT_HEAD(bounds);
ATF_TC_BODY(bounds, tc)
{
	static const char *worst[] = { "\t", "\ta\ta\ta", "&&&&", "\xc3\xa9",
	    "\xc3\xa9 \xc3\xa9 \xc3\xa9", "\xe6\x97\xa5", NULL };
	char	out[256], back[256];
	ssize_t	n;
	size_t	len;
	int	i;

	for (i = 0; worst[i] != NULL; i++) {
		len = strlen(worst[i]);
		n = utf7_encode(out, UTF7_ENCODED_MAX(len), worst[i], len);
		ATF_REQUIRE(n > 0);
		ATF_CHECK_EQ((ssize_t)len, utf7_decode(back,
		    UTF7_DECODED_MAX((size_t)n), out, (size_t)n));
	}
	/* three-byte characters: nine bytes from eight digits */
	memcpy(out, "&", 1);
	for (i = 0; i < 20; i++)
		memcpy(out + 1 + i * 8, "ZeVl5WXl", 8);
	memcpy(out + 161, "-", 1);
	ATF_CHECK_EQ(180, utf7_decode(back, UTF7_DECODED_MAX(162), out, 162));
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, both);
	ATF_TP_ADD_TC(tp, bad);
	ATF_TP_ADD_TC(tp, bounds);
	return atf_no_error();
}
