#include <sys/types.h>
#include <atf-c.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sublist.h"

#define TITLE	"mfrontd subscriptions 1\n"

static int
reads(struct sublist *l, const char *text)
{
	return sublist_read(l, text, strlen(text));
}

ATF_TC_WITHOUT_HEAD(change);
ATF_TC_BODY(change, tc)
{
	struct sublist l = { NULL, 0, 0 };
	char name[32];
	int i;

	ATF_CHECK_EQ(0, sublist_has(&l, "a"));
	ATF_CHECK_EQ(0, sublist_remove(&l, "a"));
	for (i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "box/%d", i * 37 % 100);
		ATF_CHECK_EQ(1, sublist_add(&l, name));
		ATF_CHECK_EQ(0, sublist_add(&l, name));
		ATF_CHECK_EQ(1, sublist_has(&l, name));
	}
	ATF_CHECK_EQ(100, (int)l.n);
	for (i = 1; i < 100; i++)
		ATF_CHECK(strcmp(l.names[i - 1], l.names[i]) < 0);
	ATF_CHECK_EQ(1, sublist_remove(&l, "box/50"));
	ATF_CHECK_EQ(0, sublist_remove(&l, "box/50"));
	ATF_CHECK_EQ(0, sublist_has(&l, "box/50"));
	ATF_CHECK_EQ(1, sublist_has(&l, "box/51"));
	errno = 0;
	ATF_CHECK_EQ(-1, sublist_add(&l, "two\nlines"));
	ATF_CHECK_EQ(EINVAL, errno);
	ATF_CHECK_EQ(-1, sublist_add(&l, ""));
	ATF_CHECK_EQ(99, (int)l.n);
	sublist_free(&l);
	ATF_CHECK_EQ(0, (int)l.n);
}

ATF_TC_WITHOUT_HEAD(text);
ATF_TC_BODY(text, tc)
{
	static const char *const bad[] = { "", "mfrontd subscriptions 1",
	    "mfrontd subscriptions 2\n", TITLE "a", TITLE "\n",
	    TITLE "a\n\n", TITLE "a\na\n", TITLE "b\na\n", TITLE "a\r\n",
	    TITLE "a//b\n", TITLE "a/\n", TITLE "\xff\n", "a\n", NULL };
	struct sublist l = { NULL, 0, 0 };
	struct ibuf b;
	int i;

	for (i = 0; bad[i] != NULL; i++) {
		(void)sublist_add(&l, "old");
		errno = 0;
		ATF_CHECK_EQ_MSG(-1, reads(&l, bad[i]), "%d", i);
		ATF_CHECK_EQ(EINVAL, errno);
		ATF_CHECK_EQ(0, (int)l.n);
	}
	ATF_CHECK_EQ(-1, sublist_read(&l, TITLE "a\0b\n",
	    strlen(TITLE) + 4));
	ATF_CHECK_EQ(0, reads(&l, TITLE));
	ATF_CHECK_EQ(0, (int)l.n);
	ATF_CHECK_EQ(0, reads(&l, TITLE "INBOX\na b\nb\xc3\xa4r/x\n"));
	ATF_CHECK_EQ(3, (int)l.n);
	ATF_CHECK_EQ(1, sublist_has(&l, "b\xc3\xa4r/x"));
	ibuf_init(&b, strlen(TITLE) + 17);
	ATF_CHECK_EQ(0, sublist_write(&l, &b));
	ATF_CHECK_EQ(strlen(TITLE) + 17, ibuf_size(&b));
	ATF_CHECK_EQ(0, memcmp(ibuf_data(&b),
	    TITLE "INBOX\na b\nb\xc3\xa4r/x\n", ibuf_size(&b)));
	ibuf_fini(&b);
	/* one byte less: nothing of it */
	ibuf_init(&b, strlen(TITLE) + 16);
	errno = 0;
	ATF_CHECK_EQ(-1, sublist_write(&l, &b));
	ATF_CHECK_EQ(ERANGE, errno);
	ATF_CHECK_EQ(0, (int)ibuf_size(&b));
	ibuf_fini(&b);
	sublist_free(&l);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, change);
	ATF_TP_ADD_TC(tp, text);
	return atf_no_error();
}
