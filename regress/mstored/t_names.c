#include <atf-c.h>
#include <stdlib.h>
#include <string.h>

#include "names.h"

#define LEN(s)	(s), sizeof(s) - 1

ATF_TC_WITHOUT_HEAD(mailboxes);
ATF_TC_BODY(mailboxes, tc)
{
	static const char *good[] = { "INBOX", "INBOX/a", "a", "a/b", "inboxes",
	    "inbo", "A B", "\xc3\xa9", "\xe1\xbb\x87", "~", "&AOk-", "a/INBOX",
	    "a/inbox", ".", "..", NULL };
	static const char *bad[] = { "", "/", "/a", "a/", "a//b", "inbox",
	    "Inbox", "iNBOX/a", "a\nb", "a\tb", "\x7f", "\xc2\x85", "\xff",
	    "e\xcc\x81", "\xed\xa0\x80", "\xc0\xaf", NULL };
	char	big[NAME_MAILBOX_MAX + 2];
	int	i;

	for (i = 0; good[i] != NULL; i++)
		ATF_CHECK_MSG(name_is_mailbox(good[i], strlen(good[i])),
		    "%s", good[i]);
	for (i = 0; bad[i] != NULL; i++)
		ATF_CHECK_MSG(!name_is_mailbox(bad[i], strlen(bad[i])),
		    "%s", bad[i]);
	ATF_CHECK(!name_is_mailbox(LEN("a\0b")));
	memset(big, 'x', sizeof(big));
	ATF_CHECK(name_is_mailbox(big, NAME_MAILBOX_MAX));
	ATF_CHECK(!name_is_mailbox(big, NAME_MAILBOX_MAX + 1));
}

ATF_TC_WITHOUT_HEAD(others);
ATF_TC_BODY(others, tc)
{
	char	big[600];

	memset(big, 'x', sizeof(big));
	ATF_CHECK(name_is_account(LEN("joe@example.org")));
	ATF_CHECK(name_is_account(LEN("a/b c")));
	ATF_CHECK(name_is_account(big, NAME_ACCOUNT_MAX));
	ATF_CHECK(!name_is_account(big, NAME_ACCOUNT_MAX + 1));
	ATF_CHECK(!name_is_account(LEN("")));
	ATF_CHECK(!name_is_account(LEN("a\rb")));
	ATF_CHECK(name_is_address(LEN("a@b")));
	ATF_CHECK(!name_is_address(LEN("<a@b>")));
	ATF_CHECK(name_is_role(LEN("sent")));
	ATF_CHECK(name_is_role(LEN("x-1")));
	ATF_CHECK(!name_is_role(LEN("")));
	ATF_CHECK(!name_is_role(LEN("Sent")));
	ATF_CHECK(!name_is_role(LEN("1a")));
	ATF_CHECK(!name_is_role(LEN("\"")));
	ATF_CHECK(!name_is_role(big, NAME_ROLE_MAX + 1));
	ATF_CHECK(name_is_key(LEN("\"a-b\"")));
	ATF_CHECK(name_is_key(big, NAME_KEY_MAX));
	ATF_CHECK(!name_is_key(big, NAME_KEY_MAX + 1));
	ATF_CHECK(!name_is_key(LEN("a b")));
	ATF_CHECK(!name_is_key(LEN("\xc3\xa9")));
	ATF_CHECK(!name_is_key(LEN("")));
}

ATF_TC_WITHOUT_HEAD(mailbox_ids);
ATF_TC_BODY(mailbox_ids, tc)
{
	static const char *bad[] = { "", "-", "1", "1-", "-1", "0-1", "1-0",
	    "01-1", "1-01", "1-1 ", " 1-1", "1--1", "1-4294967296", "+1-1",
	    "1-1x", "9999999999999999999-1", "a-b", NULL };
	struct mbox_id	id, got;
	char		text[NAME_ID_SIZE];
	size_t		n;
	int		i;

	srandom(2);
	for (i = 0; i < 1000; i++) {
		id.no = 1 + random();
		id.uidvalidity = 1 + (uint32_t)random();
		if (i == 0)
			id.no = 999999999999999999;
		if (i == 1)
			id.uidvalidity = UINT32_MAX;
		n = name_put_mailbox(text, &id);
		ATF_REQUIRE_EQ(strlen(text), n);
		ATF_REQUIRE_EQ(0, name_get_mailbox(&got, text, n));
		ATF_REQUIRE_EQ(id.no, got.no);
		ATF_REQUIRE_EQ(id.uidvalidity, got.uidvalidity);
	}
	for (i = 0; bad[i] != NULL; i++)
		ATF_CHECK_EQ_MSG(-1, name_get_mailbox(&got, bad[i],
		    strlen(bad[i])), "%s", bad[i]);
}

ATF_TC_WITHOUT_HEAD(content_ids);
ATF_TC_BODY(content_ids, tc)
{
	struct content_id	id, got;
	char			text[NAME_ID_SIZE];
	size_t			n;
	int			i, k;

	srandom(3);
	for (i = 0; i < 1000; i++) {
		id.no = i == 0 ? 999999999999999999 : 1 + random();
		for (k = 0; k < NAME_RND; k++)
			id.rnd[k] = i < 2 ? 0xff : (uint8_t)random();
		n = name_put_content(text, &id);
		ATF_REQUIRE(n < sizeof(text) && strlen(text) == n);
		ATF_REQUIRE_EQ(n, strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
		    "abcdefghijklmnopqrstuvwxyz0123456789-_"));
		ATF_REQUIRE_EQ(0, name_get_content(&got, text, n));
		ATF_REQUIRE_EQ(id.no, got.no);
		ATF_REQUIRE_EQ(0, memcmp(id.rnd, got.rnd, NAME_RND));
	}
	/* one spelling only */
	memset(id.rnd, 0, NAME_RND);
	id.no = 7;
	n = name_put_content(text, &id);
	ATF_CHECK_STREQ("AAAAAAAAAAAAAAAAAAAAAA7", text);
	ATF_CHECK_EQ(-1, name_get_content(&got, text, 22));
	ATF_CHECK_EQ(-1, name_get_content(&got, "", 0));
	text[21] = 'B';
	ATF_CHECK_EQ(-1, name_get_content(&got, text, n));
	text[21] = '=';
	ATF_CHECK_EQ(-1, name_get_content(&got, text, n));
	text[21] = 'A';
	text[22] = '0';
	ATF_CHECK_EQ(-1, name_get_content(&got, text, n));
}

ATF_TC_WITHOUT_HEAD(cursors);
ATF_TC_BODY(cursors, tc)
{
	static const char *bad[] = { "", "-", "0000000-1", "000000001-1",
	    "0000000G-1", "0000000A-1", "00000001-", "00000001-01",
	    "00000001-1x", "00000001--1", "00000001-00", NULL };
	char		text[NAME_ID_SIZE];
	uint32_t	epoch;
	int64_t		seq;
	size_t		n;
	int		i;

	n = name_put_cursor(text, 0xdeadbeef, 12345);
	ATF_CHECK_STREQ("deadbeef-12345", text);
	ATF_CHECK_EQ(0, name_get_cursor(&epoch, &seq, text, n));
	ATF_CHECK(epoch == 0xdeadbeef && seq == 12345);
	n = name_put_cursor(text, 1, 0);
	ATF_CHECK_EQ(0, name_get_cursor(&epoch, &seq, text, n));
	ATF_CHECK(epoch == 1 && seq == 0);
	for (i = 0; bad[i] != NULL; i++)
		ATF_CHECK_EQ_MSG(-1, name_get_cursor(&epoch, &seq, bad[i],
		    strlen(bad[i])), "%s", bad[i]);
}

ATF_TC_WITHOUT_HEAD(files);
ATF_TC_BODY(files, tc)
{
	uint8_t	rnd[NAME_RND], got[NAME_RND];
	char	name[NAME_FILE_SIZE];
	int	i;

	for (i = 0; i < NAME_RND; i++)
		rnd[i] = (uint8_t)(i * 16 + 15 - i);
	name_put_file(name, rnd, 0);
	ATF_CHECK_STREQ("body/0f/0f1e2d3c4b5a69788796a5b4c3d2e1f0", name);
	ATF_CHECK_EQ(0, name_get_file(got, name + 8));
	ATF_CHECK_EQ(0, memcmp(rnd, got, NAME_RND));
	name_put_file(name, rnd, 1);
	ATF_CHECK_STREQ("body/new/0f1e2d3c4b5a69788796a5b4c3d2e1f0", name);
	ATF_CHECK_EQ(-1, name_get_file(got, "."));
	ATF_CHECK_EQ(-1, name_get_file(got, name + 8));
	ATF_CHECK_EQ(-1, name_get_file(got, name + 10));
	ATF_CHECK_EQ(-1, name_get_file(got,
	    "0F1e2d3c4b5a69788796a5b4c3d2e1f0"));
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, mailboxes);
	ATF_TP_ADD_TC(tp, others);
	ATF_TP_ADD_TC(tp, mailbox_ids);
	ATF_TP_ADD_TC(tp, content_ids);
	ATF_TP_ADD_TC(tp, cursors);
	ATF_TP_ADD_TC(tp, files);
	return atf_no_error();
}
