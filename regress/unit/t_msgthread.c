#include <atf-c.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ibuf.h"
#include "msgthread.h"

/* uid, date, subject, reply, id, refs */
#define M(uid, date, subject, reply, id, refs)				\
	{ uid, date, reply, HSTR(subject), HSTR(id), HSTR(refs) }
#define N(m)	(sizeof(m) / sizeof(m[0]))

static void
is(enum msgthread_algorithm a, const struct msgthread_msg *m, uint32_t n,
    const char *want)
{
	struct msgthread t;
	struct ibuf b;
	uint32_t i;

	ibuf_init(&b, 65536);
	ATF_REQUIRE_EQ(0, msgthread_make(&t, a, m, n));
	for (i = t.root; i != MSGTHREAD_NONE; i = t.node[i].next)
		ATF_REQUIRE_EQ(0, msgthread_put(&t, i, "( )", 100, &b));
	ATF_REQUIRE_EQ(0, ibuf_add_n8(&b, 0));
	ATF_CHECK_STREQ(want, (char *)ibuf_data(&b));
	ibuf_fini(&b);
	msgthread_fini(&t);
}

ATF_TC_WITHOUT_HEAD(orderedsubject);
ATF_TC_BODY(orderedsubject, tc)
{
	static const struct msgthread_msg m[] = {
		M(1, 50, "b", 1, "", ""), M(2, 20, "a", 0, "", ""),
		M(3, 10, "b", 0, "", ""), M(4, 60, "a", 1, "", ""),
		M(5, 40, "b", 1, "", ""), M(6, 5, "", 0, "", ""),
		M(7, 5, "c", 0, "", ""),
	};

	is(MSGTHREAD_ORDEREDSUBJECT, m, N(m), "(6)(7)(3 (5)(1))(2 4)");
	is(MSGTHREAD_ORDEREDSUBJECT, m, 0, "");
	is(MSGTHREAD_ORDEREDSUBJECT, m, 1, "(1)");
}

ATF_TC_WITHOUT_HEAD(references);
ATF_TC_BODY(references, tc)
{
	/* the example of RFC 5256: (3 6 (4 23)(44 7 96)) */
	static const struct msgthread_msg m[] = {
		M(3, 1, "s", 0, "3@x", ""),
		M(4, 3, "s", 1, "4@x", "3@x\n6@x\n"),
		M(6, 2, "s", 1, "6@x", "3@x\n"),
		M(7, 6, "s", 1, "7@x", "3@x\n6@x\n44@x\n"),
		M(23, 4, "s", 1, "23@x", "3@x\n6@x\n4@x\n"),
		M(44, 5, "s", 1, "44@x", "6@x\n"),
		M(96, 7, "s", 1, "96@x", "44@x\n7@x\n"),
	};
	/* the first is not there: the others are held together */
	static const struct msgthread_msg gone[] = {
		M(3, 2, "s", 1, "3@x", "1@x\n"),
		M(5, 1, "t", 1, "5@x", "1@x\n2@x\n"),
		M(6, 3, "u", 0, "6@x", "9@x\n8@x\n"),
	};

	is(MSGTHREAD_REFERENCES, m, N(m), "(3 6 (4 23)(44 7 96))");
	is(MSGTHREAD_REFERENCES, gone, N(gone), "((5)(3))(6)");
}

ATF_TC_WITHOUT_HEAD(subjects);
ATF_TC_BODY(subjects, tc)
{
	static const struct msgthread_msg reply[] = {
		M(1, 2, "s", 1, "1@x", ""), M(2, 1, "s", 1, "2@x", ""),
		M(3, 3, "s", 0, "3@x", ""), M(4, 4, "", 0, "4@x", ""),
		M(5, 5, "", 0, "5@x", ""),
	};
	static const struct msgthread_msg equal[] = {
		M(1, 2, "s", 0, "1@x", ""), M(2, 1, "s", 0, "2@x", ""),
		M(3, 3, "s", 0, "3@x", ""),
	};
	static const struct msgthread_msg dummies[] = {
		M(1, 1, "s", 1, "1@x", "a@x\n"), M(2, 2, "s", 1, "2@x", "a@x\n"),
		M(3, 3, "s", 1, "3@x", "b@x\n"), M(4, 4, "s", 1, "4@x", "b@x\n"),
	};

	/* 3 is no reply: the others come below it, though it is later */
	is(MSGTHREAD_REFERENCES, reply, N(reply), "(3 (2)(1))(4)(5)");
	is(MSGTHREAD_REFERENCES, equal, N(equal), "((2)(1)(3))");
	is(MSGTHREAD_REFERENCES, dummies, N(dummies), "((1)(2)(3)(4))");
}

ATF_TC_WITHOUT_HEAD(odd);
ATF_TC_BODY(odd, tc)
{
	static const struct msgthread_msg circle[] = {
		M(1, 1, "a", 0, "1@x", "2@x\n"), M(2, 2, "b", 0, "2@x", "1@x\n"),
		M(3, 3, "c", 0, "3@x", "3@x\n"),
	};
	static const struct msgthread_msg twice[] = {
		M(1, 1, "a", 0, "1@x", ""), M(2, 2, "b", 0, "1@x", ""),
		M(3, 3, "c", 1, "3@x", "1@x\n"), M(4, 4, "d", 0, "", "1@x\n"),
	};
	/* a message's own references count more than those of others */
	static const struct msgthread_msg moved[] = {
		M(1, 1, "a", 0, "1@x", "9@x\n2@x\n3@x\n"),
		M(2, 2, "b", 0, "2@x", ""),
		M(3, 3, "c", 0, "3@x", ""),
	};

	is(MSGTHREAD_REFERENCES, circle, N(circle), "(2 1)(3)");
	is(MSGTHREAD_REFERENCES, twice, N(twice), "(1 (3)(4))(2)");
	is(MSGTHREAD_REFERENCES, moved, N(moved), "(2)(3 1)");
}

ATF_TC_WITHOUT_HEAD(text);
ATF_TC_BODY(text, tc)
{
	static const struct msgthread_msg m[] = {
		M(1, 1, "s", 0, "1@x", ""), M(2, 2, "s", 1, "2@x", "1@x\n"),
		M(3, 3, "s", 1, "3@x", "1@x\n"), M(4, 4, "s", 1, "4@x", "3@x\n"),
		M(5, 5, "s", 1, "5@x", "3@x\n"),
	};
	struct msgthread t;
	struct ibuf b;

	ibuf_init(&b, 100);
	ATF_REQUIRE_EQ(0, msgthread_make(&t, MSGTHREAD_REFERENCES, m, N(m)));
	ATF_REQUIRE_EQ(0, msgthread_put(&t, t.root, "[,]", 100, &b));
	ATF_REQUIRE_EQ(0, ibuf_add_n8(&b, 0));
	ATF_CHECK_STREQ("[1,[2],[3,[4],[5]]]", (char *)ibuf_data(&b));
	ibuf_truncate(&b, 0);
	ATF_REQUIRE_EQ(0, msgthread_put(&t, t.root, "[,]", 3, &b));
	ATF_CHECK_EQ(-1, msgthread_put(&t, t.root, "[,]", 2, &b));
	ATF_CHECK_EQ(E2BIG, errno);
	ibuf_fini(&b);
	ibuf_init(&b, 10);
	ATF_CHECK_EQ(-1, msgthread_put(&t, t.root, "[,]", 100, &b));
	ATF_CHECK_EQ(ERANGE, errno);
	ibuf_fini(&b);
	msgthread_fini(&t);
}

ATF_TC_WITHOUT_HEAD(deep);
ATF_TC_BODY(deep, tc)
{
	static struct msgthread_msg m[20000];
	static char id[20000][16];
	struct msgthread t;
	struct ibuf b;
	uint32_t i, roots = 0, n = 20000;

	for (i = 0; i < n; i++) {
		snprintf(id[i], sizeof(id[i]), "%u@x\n", i);
		m[i].uid = i + 1;
		m[i].date = i;
		m[i].subject.p = "";
		m[i].id.p = id[i];
		m[i].id.len = strlen(id[i]) - 1;
		m[i].refs.p = i > 0 ? id[i - 1] : "";
		m[i].refs.len = i > 0 ? strlen(id[i - 1]) : 0;
	}
	ibuf_init(&b, 1024 * 1024);
	ATF_REQUIRE_EQ(0, msgthread_make(&t, MSGTHREAD_REFERENCES, m, n));
	for (i = t.root; i != MSGTHREAD_NONE; i = t.node[i].next, roots++)
		ATF_REQUIRE_EQ(0, msgthread_put(&t, i, "( )", 100, &b));
	ATF_CHECK_EQ(n / MSGTHREAD_DEPTH, roots);
	ibuf_fini(&b);
	msgthread_fini(&t);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, orderedsubject);
	ATF_TP_ADD_TC(tp, references);
	ATF_TP_ADD_TC(tp, subjects);
	ATF_TP_ADD_TC(tp, odd);
	ATF_TP_ADD_TC(tp, text);
	ATF_TP_ADD_TC(tp, deep);
	return atf_no_error();
}
