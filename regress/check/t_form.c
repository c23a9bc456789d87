#include <atf-c.h>
#include <stdlib.h>
#include <string.h>

#include "check_form.h"

static char *
repeat(char ch, size_t n)
{
	char *s = malloc(n + 1);

	ATF_REQUIRE(s != NULL);
	memset(s, ch, n);
	s[n] = '\0';
	return s;
}

static void
each(int (*form)(const char *, size_t), int is, const char *const *list)
{
	for (; *list != NULL; list++)
		ATF_CHECK_EQ_MSG(is, form(*list, strlen(*list)), "\"%s\"",
		    *list);
}

/* As long as allowed, and one more. */
static void
longest(int (*form)(const char *, size_t), size_t max)
{
	char *s = repeat('a', max + 1);

	ATF_CHECK(form(s, max));
	ATF_CHECK(!form(s, max + 1));
	free(s);
}

ATF_TC_WITHOUT_HEAD(ids);
ATF_TC_BODY(ids, tc)
{
	static const char *const good[] = { "1", "a-b_C9", "-", NULL };
	static const char *const bad[] = { "", "a b", "a/b", "a.b", "\303\244",
	    "a\n", NULL };

	each(form_id, 1, good);
	each(form_id, 0, bad);
	longest(form_id, 255);
	ATF_CHECK(!form_id("a\0b", 3));
}

ATF_TC_WITHOUT_HEAD(names);
ATF_TC_BODY(names, tc)
{
	static const char *const good[] = { "INBOX", "INBOX/a", "a", "a/b/c",
	    "\303\244", "inboxes", "a/inbox", "a b", NULL };
	static const char *const bad[] = { "", "/", "/a", "a/", "a//b",
	    "inbox", "Inbox/a", "a\tb", "a\177", "\302\205", "\377",
	    "\355\240\200", NULL };

	each(form_name, 1, good);
	each(form_name, 0, bad);
	longest(form_name, 1000);
}

ATF_TC_WITHOUT_HEAD(flags);
ATF_TC_BODY(flags, tc)
{
	static const char *const good[] = { "\\Seen", "\\seen", "\\DRAFT",
	    "$Forwarded", "a", "x-y", NULL };
	static const char *const bad[] = { "", "\\", "\\Recent", "\\See",
	    "\\Seen2", "a b", "a(", "{", "%", "*", "\"", "a\\b", "]",
	    "\303\244", "\177", NULL };

	each(form_flag, 1, good);
	each(form_flag, 0, bad);
	longest(form_flag, 250);
}

ATF_TC_WITHOUT_HEAD(others);
ATF_TC_BODY(others, tc)
{
	static const char *const roles[] = { "sent", "x-y1", NULL };
	static const char *const noroles[] = { "", "Sent", "\\sent", "a_b",
	    NULL };
	static const char *const dates[] = { "2026-11-23T10:00:00+01:00",
	    "2026-11-23T10:00:00Z", "2026-11-23T10:00:00.5-00:30", NULL };
	static const char *const nodates[] = { "", "2026-11-23",
	    "2026-11-23T10:00:00", "23-Nov-2026 10:00:00 +0100", NULL };
	static const char *const cursors[] = { "1", "a:b/c?", NULL };
	static const char *const nocursors[] = { "", "a b", "a\n", "\303\244",
	    NULL };
	static const char *const accounts[] = { "joe", "a/b c@d",
	    "\303\244", NULL };
	static const char *const noaccounts[] = { "", "a\n", "\377", NULL };

	each(form_role, 1, roles);
	each(form_role, 0, noroles);
	longest(form_role, 32);
	each(form_date, 1, dates);
	each(form_date, 0, nodates);
	each(form_cursor, 1, cursors);
	each(form_cursor, 0, nocursors);
	longest(form_cursor, 1024);
	each(form_account, 1, accounts);
	each(form_account, 0, noaccounts);
	longest(form_account, 500);
}

ATF_TC_WITHOUT_HEAD(same_date);
ATF_TC_BODY(same_date, tc)
{
	const char *a = "2026-11-23T10:00:00+01:00";

	ATF_CHECK(form_same_date(a, "2026-11-23T10:00:00.000+01:00"));
	ATF_CHECK(!form_same_date(a, "2026-11-23T09:00:00Z"));
	ATF_CHECK(!form_same_date(a, "2026-11-23T10:00:01+01:00"));
	ATF_CHECK(!form_same_date(a, "yesterday"));
	ATF_CHECK(!form_same_date("", ""));
}

static void
loose(const char *text, const char *canonical)
{
	struct uidset	set;
	struct ibuf	b;
	int		r;

	uidset_init(&set);
	ibuf_init(&b, 1024);
	r = form_loose_set(&set, text, strlen(text));
	ATF_CHECK_EQ_MSG(canonical == NULL ? -1 : 0, r, "\"%s\"", text);
	if (r == 0) {
		ATF_REQUIRE_EQ(0, uidset_put(&set, &b));
		ATF_CHECK_MSG(ibuf_size(&b) == strlen(canonical) &&
		    memcmp(ibuf_data(&b), canonical, ibuf_size(&b)) == 0,
		    "\"%s\" is \"%.*s\"", text, (int)ibuf_size(&b),
		    (char *)ibuf_data(&b));
	}
	ibuf_fini(&b);
	uidset_fini(&set);
}

ATF_TC_WITHOUT_HEAD(loose_set);
ATF_TC_BODY(loose_set, tc)
{
	loose("7", "7");
	loose("1:3,5", "1:3,5");
	loose("5,1:3", "1:3,5");
	loose("1,2,3", "1:3");
	loose("9:7", "7:9");
	loose(" 1 : 2 , 4 ", "1:2,4");
	loose("01", "1");
	loose("4294967295", "4294967295");
	loose("4294967296", NULL);
	loose("", NULL);
	loose("0", NULL);
	loose("*", NULL);
	loose("1,", NULL);
	loose("1:", NULL);
	loose("1:2:3", NULL);
	loose("1;2", NULL);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, ids);
	ATF_TP_ADD_TC(tp, names);
	ATF_TP_ADD_TC(tp, flags);
	ATF_TP_ADD_TC(tp, others);
	ATF_TP_ADD_TC(tp, same_date);
	ATF_TP_ADD_TC(tp, loose_set);
	return atf_no_error();
}
