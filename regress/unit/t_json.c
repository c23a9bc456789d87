#include <atf-c.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "json.h"

static struct json j;
static jsmntok_t tok[64];
static char buf[4096];

static int
parse(const char *text)
{
	ATF_REQUIRE(strlcpy(buf, text, sizeof(buf)) < sizeof(buf));
	return json_parse(&j, buf, strlen(buf), tok, 64);
}

ATF_TC_WITHOUT_HEAD(grammar);
ATF_TC_BODY(grammar, tc)
{
	static const char *good[] = { "{}", "[]", " { } ", "{\"a\":1}",
	    "[1,2,[3,{\"a\":[]}]]", "\"x\"", "{\"a\":-1.5e+3}", "[null,true]",
	    "\"\\u00e9\\ud83d\\ude00\"", NULL };
	static const char *bad[] = { "", "{", "{\"a\" 1}", "{\"a\":1,}",
	    "[1 2]", "[1,]", "[,1]", "{\"a\":1}x", "{\"a\":1 \"b\":2}",
	    "{1:2}", "[1}", "[01]", "[tru]", "[+1]", "[1.]", "[.5]", "[1e]",
	    "{\"a\":\"\x01\"}", "[\"\\x\"]", "[\"\\u12\"]", "[\"\\ud800\"]",
	    "[\"\\ud800\\u0041\"]", "[\"\xff\"]", "[\"\xc0\x80\"]",
	    "[\"\xed\xa0\x80\"]", "{\"a\":{\"b\"}}", "{\"a\"}", "[\"a\":1]",
	    "{\"a\",\"b\"}", "{{}:1}", NULL };
	int i;

	for (i = 0; good[i] != NULL; i++)
		ATF_CHECK_EQ_MSG(0, parse(good[i]), "%s", good[i]);
	for (i = 0; bad[i] != NULL; i++) {
		ATF_CHECK_EQ_MSG(-1, parse(bad[i]), "%s", bad[i]);
		ATF_CHECK_EQ_MSG(EINVAL, errno, "%s", bad[i]);
	}
}

ATF_TC_WITHOUT_HEAD(getters);
ATF_TC_BODY(getters, tc)
{
	static const char *const known[] = { "a", "e", "n", NULL };
	const char *s;
	uint64_t n;
	uint32_t n32;
	size_t len;
	int a, b, v, i, sum = 0;

	ATF_REQUIRE_EQ(0, parse("{\"a\":{\"b\":[1,2,{\"c\":\"x\\n\\\"y\"},4]"
	    ",\"d\":null},\"e\":true,\"n\":18446744073709551615,\"m\":-1}"));
	a = json_member(&j, 0, "a");
	ATF_CHECK_EQ(JSMN_OBJECT, json_type(&j, a));
	b = json_member(&j, a, "b");
	ATF_CHECK_EQ(4, json_count(&j, b));
	for (i = json_first(&j, b); i != -1; i = json_next(&j, i)) {
		if (json_u32(&j, i, &n32) == 1)
			sum += (int)n32;
		else {
			ATF_CHECK_EQ(1, json_str(&j, json_member(&j, i, "c"),
			    &s, &len));
			ATF_CHECK_EQ(5 - 1, len);
			ATF_CHECK_EQ(0, memcmp(s, "x\n\"y", 4));
			ATF_CHECK_EQ(1, json_str(&j, json_member(&j, i, "c"),
			    &s, &len));
			ATF_CHECK_EQ(4, len);
		}
	}
	ATF_CHECK_EQ(7, sum);
	ATF_CHECK_EQ(1, json_bool(&j, json_member(&j, 0, "e"), &v));
	ATF_CHECK_EQ(1, v);
	ATF_CHECK_EQ(1, json_u64(&j, json_member(&j, 0, "n"), UINT64_MAX,
	    &n));
	ATF_CHECK_EQ(UINT64_MAX, n);
	ATF_CHECK_EQ(-1, json_u32(&j, json_member(&j, 0, "n"), &n32));
	ATF_CHECK_EQ(-1, json_u32(&j, json_member(&j, 0, "m"), &n32));
	ATF_CHECK_EQ(-1, json_u32(&j, json_member(&j, 0, "a"), &n32));
	ATF_CHECK_EQ(0, json_u32(&j, json_member(&j, 0, "zz"), &n32));
	ATF_CHECK_EQ(0, json_u32(&j, json_member(&j, a, "d"), &n32));
	ATF_CHECK_EQ(0, json_str(&j, json_member(&j, a, "d"), &s, &len));
	ATF_CHECK(json_is_null(&j, json_member(&j, a, "d")));
	i = json_unknown(&j, 0, known);
	ATF_REQUIRE(i != -1);
	ATF_CHECK_EQ(1, json_str(&j, i, &s, &len));
	ATF_CHECK(len == 1 && *s == 'm');
}

ATF_TC_WITHOUT_HEAD(writer);
ATF_TC_BODY(writer, tc)
{
	struct ibuf b;

	ibuf_init(&b, 1000);
	json_open(&b, '{');
	json_kstr(&b, "s", "a\"\\\n\x01\xc3\xa9");
	json_ku64(&b, "n", UINT64_MAX);
	json_key(&b, "l");
	json_open(&b, '[');
	json_put_u64(&b, 0);
	json_put_str(&b, "");
	json_open(&b, '{');
	json_close(&b, '}');
	json_close(&b, ']');
	json_kbool(&b, "t", 1);
	json_close(&b, '}');
	ibuf_add_n8(&b, 0);
	ATF_CHECK_STREQ("{\"s\":\"a\\\"\\\\\\n\\u0001\xc3\xa9\","
	    "\"n\":18446744073709551615,\"l\":[0,\"\",{}],\"t\":true}",
	    (char *)ibuf_data(&b));
	errno = 0;
	ATF_CHECK_EQ(-1, json_put_str(&b, "\xff"));
	ATF_CHECK_EQ(EILSEQ, errno);
	ibuf_fini(&b);
}

/* What is looked at in words must not depend on where it stands. */
#define PLACES	20

static void
place(char *text, const char *what, size_t at)
{
	memset(text, 'a', PLACES);
	text[PLACES] = '\0';
	memcpy(text + at, what, strlen(what));
}

ATF_TC_WITHOUT_HEAD(places);
ATF_TC_BODY(places, tc)
{
	static const struct {
		const char *in, *out;
	} v[] = {
		{ "\\n", "\n" }, { "\\\"", "\"" }, { "\\\\", "\\" },
		{ "\\u00e9", "\xc3\xa9" }, { "\xc3\xa9", "\xc3\xa9" },
		{ "\x7f", "\x7f" }, { "\xc3", NULL }, { "\xff", NULL },
		{ "\"", NULL }, { "\\x", NULL }, { "\x1f", NULL },
		{ "\x01", NULL }, { "\x80", NULL }, { " ", " " },
		{ "!#", "!#" }, { "[]", "[]" },
	};
	char text[PLACES + 8], json[PLACES + 16];
	struct ibuf b;
	const char *s;
	size_t at, i, len, tail;

	for (i = 0; i < sizeof(v) / sizeof(v[0]); i++)
		for (at = 0; at + strlen(v[i].in) <= PLACES; at++) {
			place(text, v[i].in, at);
			snprintf(json, sizeof(json), "[\"%s\"]", text);
			ATF_REQUIRE_EQ_MSG(v[i].out != NULL ? 0 : -1,
			    parse(json), "%s", json);
			if (v[i].out == NULL)
				continue;
			tail = PLACES - at - strlen(v[i].in);
			ATF_REQUIRE_EQ(1, json_str(&j, 1, &s, &len));
			ATF_REQUIRE_EQ(at + strlen(v[i].out) + tail, len);
			ATF_CHECK_EQ(0, memcmp(s + at, v[i].out,
			    strlen(v[i].out)));
			ATF_CHECK_EQ(at, strspn(s, "a"));
			ATF_CHECK_EQ(tail, strspn(s + len - tail, "a"));
			/* and back */
			memcpy(text, s, len);
			ibuf_init(&b, 256);
			ATF_REQUIRE_EQ(0, json_put_strn(&b, text, len));
			ATF_REQUIRE_EQ(0, ibuf_add_n8(&b, '\0'));
			ATF_REQUIRE_EQ(0, parse((char *)ibuf_data(&b)));
			ATF_REQUIRE_EQ(1, json_str(&j, 0, &s, &tail));
			ATF_CHECK_EQ(len, tail);
			ATF_CHECK_EQ(0, memcmp(s, text, len));
			ibuf_fini(&b);
		}
}

ATF_TC_WITHOUT_HEAD(deep);
ATF_TC_BODY(deep, tc)
{
	static char text[2 * 130 + 1];
	static jsmntok_t many[130];
	struct json d;
	int n;

	for (n = 127; n <= 130; n++) {
		memset(text, '[', (size_t)n);
		memset(text + n, ']', (size_t)n);
		text[2 * n] = '\0';
		ATF_CHECK_EQ_MSG(n <= 129 ? 0 : -1, json_parse(&d, text,
		    strlen(text), many, 130), "%d", n);
	}
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, places);
	ATF_TP_ADD_TC(tp, deep);
	ATF_TP_ADD_TC(tp, grammar);
	ATF_TP_ADD_TC(tp, getters);
	ATF_TP_ADD_TC(tp, writer);
	return atf_no_error();
}
