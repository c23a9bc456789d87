#include <atf-c.h>
#include <string.h>

#include "charset.h"
#include "msgkeys.h"

static struct msgkeys k;

static void
keys(const char *header)
{
	msgkeys_clear(&k);
	ATF_REQUIRE_EQ(0, msgkeys_header(&k, header, strlen(header)));
}

static void
is(const struct ibuf *b, const char *want)
{
	ATF_CHECK_MSG(ibuf_size(b) == strlen(want) &&
	    memcmp(ibuf_data(b), want, strlen(want)) == 0, "\"%.*s\" is not "
	    "\"%s\"", (int)ibuf_size(b), (const char *)ibuf_data(b), want);
}

ATF_TC_WITHOUT_HEAD(all);
ATF_TC_BODY(all, tc)
{
	charset_init();
	msgkeys_init(&k);
	keys("Date: Mon, 23 Nov 2026 12:00:00 +0100\r\n"
	    "Subject: Re: [list] =?utf-8?q?Gr=C3=BC=C3=9Fe?= (fwd)\r\n"
	    "From: =?utf-8?q?J=C3=B6?= <Joe@Example.ORG>, other@x\r\n"
	    "To: undisclosed recipients:;\r\n"
	    "Cc: Ann@x\r\nTo: second@x\r\n"
	    "Message-ID: <1@x>\r\nIn-Reply-To: <9@x> <8@x>\r\n\r\nTo: y\r\n");
	ATF_CHECK(k.dated);
	ATF_CHECK_EQ(60, k.date.zone);
	ATF_CHECK_EQ(1, k.reply);
	is(&k.text[MSGKEY_SUBJECT], "gru\xcc\x88sse");
	is(&k.text[MSGKEY_FROM], "joe");
	is(&k.text[MSGKEY_DISPLAYFROM], "jo\xcc\x88");
	is(&k.text[MSGKEY_TO], "undisclosed recipients");
	is(&k.text[MSGKEY_CC], "ann");
	is(&k.text[MSGKEY_DISPLAYTO], "undisclosed recipients");
	is(&k.id, "1@x");
	is(msgkeys_refs(&k), "9@x\n");
	keys("From: Joe@Example.ORG\nReferences: <1@x>\n <2@x>\n"
	    "In-Reply-To: <9@x>\nDate: never\n\n");
	ATF_CHECK(!k.dated);
	ATF_CHECK_EQ(0, k.reply);
	is(&k.text[MSGKEY_SUBJECT], "");
	is(&k.text[MSGKEY_DISPLAYFROM], "joe@example.org");
	is(&k.text[MSGKEY_TO], "");
	is(&k.id, "");
	is(msgkeys_refs(&k), "1@x\n2@x\n");
	msgkeys_fini(&k);
}

ATF_TC_WITHOUT_HEAD(bounds);
ATF_TC_BODY(bounds, tc)
{
	static char big[200000];
	struct hstr name = HSTR("Subject"), v;

	msgkeys_init(&k);
	memset(big, 'x', sizeof(big));
	memcpy(big + 998, "\xc3\x9f\xc3\x9f\xe4\xb8\xad\xe4\xb8\xad", 10);
	v.p = big;
	v.len = sizeof(big);
	ATF_CHECK_EQ(0, msgkeys_field(&k, &name, &v));
	ATF_CHECK_EQ(MSGKEYS_TEXT, ibuf_size(&k.text[MSGKEY_SUBJECT]));
	msgkeys_clear(&k);
	memcpy(big + 999, "\xe4\xb8\xad\xe4\xb8\xad", 6);
	memcpy(big + 998, "y", 1);
	ATF_CHECK_EQ(0, msgkeys_field(&k, &name, &v));
	ATF_CHECK_EQ(999, ibuf_size(&k.text[MSGKEY_SUBJECT]));
	memset(big, '<', sizeof(big));
	name.p = "References";
	name.len = 10;
	ATF_CHECK_EQ(0, msgkeys_field(&k, &name, &v));
	msgkeys_fini(&k);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, all);
	ATF_TP_ADD_TC(tp, bounds);
	return atf_no_error();
}
