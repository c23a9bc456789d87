#include <sys/types.h>
#include <sys/socket.h>
#include <arpa/inet.h>
#include <atf-c.h>
#include <errno.h>
#include <string.h>

#include "cidr.h"

static int
matches(const char *net, const char *addr)
{
	struct cidr	c;
	uint8_t		a[16];

	ATF_REQUIRE_EQ_MSG(0, cidr_parse(&c, net), "%s", net);
	if (inet_pton(AF_INET, addr, a) == 1)
		return cidr_match(&c, a, 4);
	ATF_REQUIRE_EQ(1, inet_pton(AF_INET6, addr, a));
	return cidr_match(&c, a, 16);
}

ATF_TC_WITHOUT_HEAD(parse);
ATF_TC_BODY(parse, tc)
{
	static const char *const bad[] = { "", "/", "/8", "10.0.0.0/",
	    "10.0.0.0/33", "::/129", "10.0.0.1/8", "fd00::1/8", "10.1/16",
	    "010.0.0.1", "1", "localhost", "10.0.0.0/-1", "10.0.0.0/+8",
	    "10.0.0.0/8/8", "10.0.0.0 /8", "10.0.0.0/8 ", "*",
	    "0.0.0.0/18446744073709551616", "fe80::1%lo",
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	    "a/1", NULL };
	struct cidr c;
	int i;

	for (i = 0; bad[i] != NULL; i++) {
		errno = 0;
		ATF_CHECK_EQ_MSG(-1, cidr_parse(&c, bad[i]), "%s", bad[i]);
		ATF_CHECK_EQ(EINVAL, errno);
	}
	ATF_CHECK_EQ(0, cidr_parse(&c, "10.0.0.0/8"));
	ATF_CHECK_EQ(4, c.addrlen);
	ATF_CHECK_EQ(8, c.prefixlen);
	ATF_CHECK_EQ(0, memcmp(c.addr, "\012\0\0\0", 4));
	ATF_CHECK_EQ(0, cidr_parse(&c, "192.0.2.1"));
	ATF_CHECK_EQ(32, c.prefixlen);
	ATF_CHECK_EQ(0, cidr_parse(&c, "::1"));
	ATF_CHECK_EQ(16, c.addrlen);
	ATF_CHECK_EQ(128, c.prefixlen);
}

ATF_TC_WITHOUT_HEAD(match);
ATF_TC_BODY(match, tc)
{
	uint8_t		a[16] = { 0 };
	struct cidr	c;

	ATF_CHECK(matches("127.0.0.0/8", "127.1.2.3"));
	ATF_CHECK(!matches("127.0.0.0/8", "128.0.0.1"));
	ATF_CHECK(matches("192.0.2.8/29", "192.0.2.15"));
	ATF_CHECK(!matches("192.0.2.8/29", "192.0.2.16"));
	ATF_CHECK(!matches("192.0.2.8/29", "192.0.2.7"));
	ATF_CHECK(matches("192.0.2.8", "192.0.2.8"));
	ATF_CHECK(!matches("192.0.2.8", "192.0.2.9"));
	ATF_CHECK(matches("0.0.0.0/0", "203.0.113.1"));
	ATF_CHECK(!matches("0.0.0.0/0", "::1"));
	ATF_CHECK(matches("::/0", "2001:db8::1"));
	ATF_CHECK(!matches("::/0", "10.0.0.1"));
	ATF_CHECK(matches("fd00::/8", "fdff::1"));
	ATF_CHECK(!matches("fd00::/8", "fe00::1"));
	ATF_CHECK(matches("2001:db8::/33", "2001:db8:7fff::"));
	ATF_CHECK(!matches("2001:db8::/33", "2001:db8:8000::"));
	/* as an IPv6 socket shows a peer of IPv4 */
	ATF_CHECK(matches("10.0.0.0/8", "::ffff:10.1.2.3"));
	ATF_CHECK(!matches("10.0.0.0/8", "::ffff:11.1.2.3"));
	ATF_CHECK(!matches("10.0.0.0/8", "::10.1.2.3"));
	/* no address: a unix socket */
	ATF_REQUIRE_EQ(0, cidr_parse(&c, "0.0.0.0/0"));
	ATF_CHECK(!cidr_match(&c, a, 0));
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, parse);
	ATF_TP_ADD_TC(tp, match);
	return atf_no_error();
}
