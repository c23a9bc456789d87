#include <atf-c.h>
#include <stdio.h>
#include <string.h>

#include "baseurl.h"

ATF_TC_WITHOUT_HEAD(good);
ATF_TC_BODY(good, tc)
{
	static const struct {
		const char	*text;
		enum url_kind	 kind;
		const char	*host;
		uint16_t	 port;
		const char	*path, *sock;
	} tests[] = {
		{ "http://127.0.0.1:8025/v1", URL_HTTP, "127.0.0.1", 8025,
		    "/v1", "" },
		{ "https://mail.example.org", URL_HTTPS, "mail.example.org",
		    443, "", "" },
		{ "HTTPS://mail.example.org/", URL_HTTPS, "mail.example.org",
		    443, "", "" },
		{ "http://[::1]/a/b//", URL_HTTP, "::1", 80, "/a/b", "" },
		{ "http://[2001:db8::1]:65535", URL_HTTP, "2001:db8::1",
		    65535, "", "" },
		{ "http://a_b-c.d:1/~x/%41;y=1", URL_HTTP, "a_b-c.d", 1,
		    "/~x/%41;y=1", "" },
		{ "unix:/run/x.sock:/v1", URL_UNIX, "", 0, "/v1",
		    "/run/x.sock" },
		{ "unix:/run/x.sock", URL_UNIX, "", 0, "", "/run/x.sock" },
		{ "unix:/run/a:b c:/v1/", URL_UNIX, "", 0, "/v1",
		    "/run/a:b c" },
	};
	struct baseurl	 u;
	const char	*why;
	size_t		 i;

	for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		ATF_CHECK_EQ_MSG(0, baseurl_parse(&u, tests[i].text, &why),
		    "%s: %s", tests[i].text, why);
		ATF_CHECK_EQ_MSG(tests[i].kind, u.kind, "%s", tests[i].text);
		ATF_CHECK_EQ_MSG(tests[i].port, u.port, "%s", tests[i].text);
		ATF_CHECK_STREQ(tests[i].host, u.host);
		ATF_CHECK_STREQ(tests[i].path, u.path);
		ATF_CHECK_STREQ(tests[i].sock, u.sock);
	}
}

ATF_TC_WITHOUT_HEAD(bad);
ATF_TC_BODY(bad, tc)
{
	static const struct {
		const char *text, *why;
	} tests[] = {
		{ "", "must begin with" },
		{ "ftp://x/", "must begin with" },
		{ "mail.example.org", "must begin with" },
		{ " http://x", "must begin with" },
		{ "http:/x", "must begin with" },
		{ "http://", "host name" },
		{ "http:///v1", "host name" },
		{ "http://-x/", "host name" },
		{ "http://a b/", "host name" },
		{ "http://a\r\nb/", "host name" },
		{ "http://::1/", "host name" },
		{ "http://[::1/", "lacks the ]" },
		{ "http://[]/", "host name" },
		{ "http://[x]/", "host name" },
		{ "http://[127.0.0.1]/", "host name" },
		{ "http://[::1]x/", "must end with a path" },
		{ "http://x:/", "port" },
		{ "http://x:0/", "port" },
		{ "http://x:65536/", "port" },
		{ "http://x:080000/", "port" },
		{ "http://x:8a/", "port" },
		{ "http://user@x/", "user name" },
		{ "http://user:pw@x/", "user name" },
		{ "http://x:80@y/", "user name" },
		{ "http://x?q", "must end with a path" },
		{ "http://x/v1?q", "character in its path" },
		{ "http://x/v1#f", "character in its path" },
		{ "http://x/a b", "character in its path" },
		{ "http://x/a\r\nHost: y", "character in its path" },
		{ "http://x/\xc3\xa4", "character in its path" },
		{ "unix:", "absolute" },
		{ "unix:run/x", "absolute" },
		{ "unix:/run/x\n", "control character" },
		{ "unix:/run/x:/v1?", "character in its path" },
	};
	struct baseurl	 u;
	const char	*why;
	size_t		 i;

	for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		ATF_CHECK_EQ_MSG(-1, baseurl_parse(&u, tests[i].text, &why),
		    "%s", tests[i].text);
		ATF_CHECK_MSG(why != NULL && strstr(why, tests[i].why) !=
		    NULL, "%s: %s", tests[i].text, why);
	}
}

/* One byte less than the room there is fits, no more. */
ATF_TC_WITHOUT_HEAD(bounds);
ATF_TC_BODY(bounds, tc)
{
	static char	 text[4096], part[2048];
	struct baseurl	 u;
	const char	*why;
	int		 n;

	for (n = 255; n <= 256; n++) {
		memset(part, 'a', sizeof(part));
		part[n] = '\0';
		snprintf(text, sizeof(text), "http://%s/", part);
		ATF_CHECK_EQ(n == 255 ? 0 : -1, baseurl_parse(&u, text,
		    &why));
	}
	for (n = 1022; n <= 1023; n++) {
		memset(part, 'a', sizeof(part));
		part[n] = '\0';
		snprintf(text, sizeof(text), "http://x/%s", part);
		ATF_CHECK_EQ(n == 1022 ? 0 : -1, baseurl_parse(&u, text,
		    &why));
		snprintf(text, sizeof(text), "unix:/%s:/v1", part);
		ATF_CHECK_EQ(n == 1022 ? 0 : -1, baseurl_parse(&u, text,
		    &why));
	}
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, good);
	ATF_TP_ADD_TC(tp, bad);
	ATF_TP_ADD_TC(tp, bounds);
	return atf_no_error();
}
