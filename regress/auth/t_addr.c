#include <atf-c.h>
#include <string.h>

#include "auth_int.h"

static const uint8_t a4[4] = { 192, 0, 2, 1 }, b4[4] = { 192, 0, 2, 2 };

ATF_TC_WITHOUT_HEAD(counts);
ATF_TC_BODY(counts, tc)
{
	struct auth_addr *a, *b;

	a = auth_addr_open(a4, 4);
	b = auth_addr_open(b4, 4);
	ATF_REQUIRE(a != NULL && b != NULL && a != b);
	ATF_CHECK_EQ(a, auth_addr_open(a4, 4));
	ATF_CHECK_EQ(2, a->conns);
	ATF_CHECK_EQ(1, b->conns);
	ATF_CHECK_EQ(2, auth_addr_count());
	auth_addr_close(a, 100);
	ATF_CHECK_EQ(1, a->conns);
	auth_addr_close(a, 100);
	auth_addr_close(b, 100);
	ATF_CHECK_EQ(0, auth_addr_count());
	auth_addr_close(NULL, 100);
}

ATF_TC_WITHOUT_HEAD(families);
ATF_TC_BODY(families, tc)
{
	uint8_t			 net1[16], net2[16], other[16];
	struct auth_addr	*a;

	memset(net1, 1, sizeof(net1));
	memset(net2, 1, sizeof(net2));
	memset(other, 1, sizeof(other));
	net2[8] = net2[15] = 9;
	other[7] = 9;
	a = auth_addr_open(net1, 16);
	ATF_CHECK_EQ(a, auth_addr_open(net2, 16));
	ATF_CHECK(a != auth_addr_open(other, 16));
	/* the same bytes, but another family */
	ATF_CHECK(a != auth_addr_open(net1, 4));
}

ATF_TC_WITHOUT_HEAD(decay);
ATF_TC_BODY(decay, tc)
{
	struct auth_addr	*a = auth_addr_open(a4, 4);
	time_t			 t = 5000;
	int			 i;

	ATF_CHECK_EQ(0, auth_addr_failures(a, t));
	for (i = 0; i < 3; i++)
		auth_addr_failed(a, t);
	ATF_CHECK_EQ(3, auth_addr_failures(a, t));
	ATF_CHECK_EQ(3, auth_addr_failures(a, t + ADDR_FORGET - 1));
	ATF_CHECK_EQ(2, auth_addr_failures(a, t + ADDR_FORGET));
	/* looking often does not stop the clock */
	for (i = 0; i < ADDR_FORGET; i++)
		auth_addr_failures(a, t + ADDR_FORGET + i);
	ATF_CHECK_EQ(1, auth_addr_failures(a, t + 2 * ADDR_FORGET));
	auth_addr_failed(a, t + 2 * ADDR_FORGET);
	ATF_CHECK_EQ(2, auth_addr_failures(a, t + 2 * ADDR_FORGET));
	ATF_CHECK_EQ(0, auth_addr_failures(a, t + 1000 * ADDR_FORGET));
	/* and begins anew */
	t += 1000 * ADDR_FORGET + 7;
	auth_addr_failed(a, t);
	ATF_CHECK_EQ(1, auth_addr_failures(a, t + ADDR_FORGET - 1));
	ATF_CHECK_EQ(0, auth_addr_failures(a, t + ADDR_FORGET));
}

ATF_TC_WITHOUT_HEAD(remembered);
ATF_TC_BODY(remembered, tc)
{
	struct auth_addr *a = auth_addr_open(a4, 4);

	auth_addr_failed(a, 1000);
	auth_addr_failed(a, 1000);
	auth_addr_close(a, 1000);
	ATF_CHECK_EQ(1, auth_addr_count());
	a = auth_addr_open(a4, 4);
	ATF_CHECK_EQ(2, auth_addr_failures(a, 1000));
	auth_addr_close(a, 1001);
	/* forgotten when somebody else goes */
	a = auth_addr_open(b4, 4);
	auth_addr_failed(a, 9000);
	auth_addr_close(a, 9000);
	ATF_CHECK_EQ(1, auth_addr_count());
}

ATF_TC_WITHOUT_HEAD(bound);
ATF_TC_BODY(bound, tc)
{
	struct auth_addr	*a;
	uint8_t			 addr[4];
	uint32_t		 i;

	for (i = 0; i < ADDR_IDLE_MAX + 1000; i++) {
		memcpy(addr, &i, sizeof(addr));
		a = auth_addr_open(addr, 4);
		auth_addr_failed(a, 1000);
		auth_addr_close(a, 1000);
	}
	ATF_CHECK_EQ(ADDR_IDLE_MAX, auth_addr_count());
	/* the last ones are there, the first ones are not */
	a = auth_addr_open(addr, 4);
	ATF_CHECK_EQ(1, auth_addr_failures(a, 1000));
	memset(addr, 0, sizeof(addr));
	a = auth_addr_open(addr, 4);
	ATF_CHECK_EQ(0, auth_addr_failures(a, 1000));
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, counts);
	ATF_TP_ADD_TC(tp, families);
	ATF_TP_ADD_TC(tp, decay);
	ATF_TP_ADD_TC(tp, remembered);
	ATF_TP_ADD_TC(tp, bound);
	return atf_no_error();
}
