#include <atf-c.h>
#include <stdlib.h>
#include <string.h>

#include "keep.h"

static struct keep_key
key(int64_t mailbox, uint64_t modseq)
{
	struct keep_key k = { mailbox, 7, 3, modseq };

	return k;
}

static void
put(const struct keep_key *k, int c, size_t len)
{
	struct ibuf b;
	char *p = malloc(len + 1);

	ATF_REQUIRE(p != NULL);
	memset(p, c, len);
	ibuf_init(&b, 2 * KEEP_ONE);
	ATF_REQUIRE_EQ(0, ibuf_add(&b, p, len));
	keep_put(k, &b);
	ATF_CHECK_EQ(0, b.size);
	free(p);
}

static int
found(const struct keep_key *k)
{
	const struct ibuf *b = keep_find(k);

	return b == NULL ? -1 : *ibuf_data(b);
}

/* What is found is what was put in, for that mailbox, form and state. */
ATF_TC_WITHOUT_HEAD(same);
ATF_TC_BODY(same, tc)
{
	struct keep_key a = key(1, 5), b = key(2, 5), c = key(1, 5);

	c.form = 4;
	ATF_CHECK_EQ(-1, found(&a));
	put(&a, 'a', 100);
	put(&b, 'b', 200);
	put(&c, 'c', 300);
	ATF_CHECK_EQ('a', found(&a));
	ATF_CHECK_EQ('b', found(&b));
	ATF_CHECK_EQ('c', found(&c));
	ATF_CHECK_EQ(300, ibuf_size(keep_find(&c)));
	/* twice is once */
	put(&a, 'x', 100);
	ATF_CHECK_EQ('a', found(&a));
	keep_flush();
	ATF_CHECK_EQ(0, keep_size());
	ATF_CHECK_EQ(-1, found(&a));
}

/* A changed mailbox is another one, and what was is gone. */
ATF_TC_WITHOUT_HEAD(changed);
ATF_TC_BODY(changed, tc)
{
	struct keep_key a = key(1, 5), later = key(1, 6), other = key(1, 6);

	put(&a, 'a', 100);
	ATF_CHECK_EQ(-1, found(&later));
	ATF_CHECK_EQ(0, keep_size());
	ATF_CHECK_EQ(-1, found(&a));
	put(&later, 'l', 100);
	other.uidvalidity = 8;
	ATF_CHECK_EQ(-1, found(&other));
	ATF_CHECK_EQ(0, keep_size());
}

/* The bound is kept; who was asked for last stays. */
ATF_TC_WITHOUT_HEAD(bounded);
ATF_TC_BODY(bounded, tc)
{
	struct keep_key k, first = key(1, 1);
	int64_t i;

	put(&first, 'f', 1000);
	k = key(2, 1);
	put(&k, 'x', KEEP_ONE + 1);
	ATF_CHECK_EQ(-1, found(&k));
	for (i = 2; i < 5000; i++) {
		k = key(i, 1);
		put(&k, 'a' + (int)(i % 26), (size_t)i * 17 % KEEP_ONE + 1);
		ATF_CHECK_EQ('a' + i % 26, found(&k));
		ATF_CHECK_EQ('f', found(&first));
		ATF_REQUIRE(keep_size() <= KEEP_ALL);
	}
	ATF_CHECK(keep_size() > KEEP_ALL / 2);
	k = key(2, 1);
	ATF_CHECK_EQ(-1, found(&k));
	keep_flush();
	ATF_CHECK_EQ(0, keep_size());
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, same);
	ATF_TP_ADD_TC(tp, changed);
	ATF_TP_ADD_TC(tp, bounded);
	return atf_no_error();
}
