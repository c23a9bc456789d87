#include <atf-c.h>
#include <stdlib.h>
#include <string.h>

#include "http.h"
#include "ibuf.h"

static struct http_head h;

static ssize_t
req(const char *s)
{
	return http_request(&h, s, strlen(s));
}

static ssize_t
res(const char *s)
{
	return http_response(&h, s, strlen(s), "GET");
}

ATF_TC_WITHOUT_HEAD(request);
ATF_TC_BODY(request, tc)
{
	static const char *bad[] = {
		"GET / HTTP/1.1\n\n",
		"GET  / HTTP/1.1\r\n\r\n",
		"GET /a b HTTP/1.1\r\n\r\n",
		"GET / HTTP/2.0\r\n\r\n",
		"G(T / HTTP/1.1\r\n\r\n",
		"GET / HTTP/1.1\r\nA : b\r\n\r\n",
		"GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n",
		"GET / HTTP/1.1\r\nA: b\rc\r\n\r\n",
		"GET / HTTP/1.1\r\n: b\r\n\r\n",
		"GET / HTTP/1.1\r\nno colon\r\n\r\n",
		"POST / HTTP/1.1\r\nContent-Length: 1\r\n"
		    "Content-Length: 2\r\n\r\n",
		"POST / HTTP/1.1\r\nContent-Length: 1\r\n"
		    "Transfer-Encoding: chunked\r\n\r\n",
		"POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n",
		"POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
		"POST / HTTP/1.1\r\nContent-Length: +1\r\n\r\n",
		"POST / HTTP/1.1\r\nContent-Length: 0x1\r\n\r\n",
		"POST / HTTP/1.1\r\nContent-Length:\r\n\r\n",
		"POST / HTTP/1.1\r\nContent-Length: 1, 1\r\n\r\n",
		"POST / HTTP/1.1\r\nContent-Length: 9999999999999999999\r\n"
		    "\r\n",
		"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
		NULL
	};
	static const char ok[] = "POST /v1/a%20b?x=1 HTTP/1.1\r\n"
	    "Host: x\r\ncontent-length:  12 \r\nExpect: 100-Continue\r\n"
	    "\r\nbody";
	size_t n;
	int i;

	for (i = 0; bad[i] != NULL; i++)
		ATF_CHECK_EQ_MSG(-1, req(bad[i]), "%s", bad[i]);
	ATF_CHECK_EQ((ssize_t)sizeof(ok) - 5, req(ok));
	ATF_CHECK(http_str_is(&h.method, "POST"));
	ATF_CHECK(http_str_is(&h.target, "/v1/a%20b?x=1"));
	ATF_CHECK_EQ(HTTP_LENGTH, h.framing);
	ATF_CHECK_EQ(12, h.length);
	ATF_CHECK_EQ(1, h.keepalive);
	ATF_CHECK_EQ(1, h.expect);
	ATF_CHECK(http_field(&h, "HOST") != NULL);
	ATF_CHECK(http_field(&h, "Hos") == NULL);
	for (n = 0; n < sizeof(ok) - 5; n++)
		ATF_CHECK_EQ(0, http_request(&h, ok, n));
	ATF_CHECK(req("GET / HTTP/1.0\r\n\r\n") > 0 && !h.keepalive);
	ATF_CHECK(req("GET / HTTP/1.0\r\nConnection: a, Keep-Alive\r\n\r\n")
	    > 0 && h.keepalive);
	ATF_CHECK(req("GET / HTTP/1.1\r\nConnection: x,close\r\n\r\n") > 0 &&
	    !h.keepalive);
	ATF_CHECK_EQ(HTTP_NOBODY, h.framing);
}

ATF_TC_WITHOUT_HEAD(response);
ATF_TC_BODY(response, tc)
{
	ATF_CHECK(res("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
	    > 0);
	ATF_CHECK_EQ(200, h.status);
	ATF_CHECK_EQ(HTTP_CHUNKED, h.framing);
	ATF_CHECK(res("HTTP/1.0 200\n\n") > 0);
	ATF_CHECK_EQ(HTTP_UNTIL_CLOSE, h.framing);
	ATF_CHECK_EQ(0, h.keepalive);
	ATF_CHECK(res("HTTP/1.1 204 x\r\nContent-Length: 5\r\n\r\n") > 0);
	ATF_CHECK_EQ(HTTP_NOBODY, h.framing);
	ATF_CHECK(res("HTTP/1.1 100 Continue\r\n\r\n") > 0);
	ATF_CHECK_EQ(HTTP_NOBODY, h.framing);
	ATF_CHECK_EQ(-1, res("HTTP/1.1 20 OK\r\n\r\n"));
	ATF_CHECK_EQ(-1, res("HTTP/1.1 999 OK\r\n\r\n"));
	ATF_CHECK_EQ(-1, res("HTTP/1.1 2000 OK\r\n\r\n"));
	ATF_CHECK_EQ(-1, res("ICY 200 OK\r\n\r\n"));
}

/* The content of a chunked body fed in pieces of one size, -1 if broken. */
static int
chunked(const char *in, size_t step, struct ibuf *out, size_t *eaten)
{
	struct http_body b;
	const void *d;
	size_t off = 0, len = strlen(in), n, used, dlen;
	int r;

	memset(&h, 0, sizeof(h));
	h.framing = HTTP_CHUNKED;
	http_body_init(&b, &h);
	for (;;) {
		n = len - off < step ? len - off : step;
		if (n == 0)
			return http_body_eof(&b) == 1 ? 1 : 0;
		r = http_body_next(&b, in + off, n, &used, &d, &dlen);
		ATF_REQUIRE(used <= n && dlen <= used);
		if (dlen > 0)
			ibuf_add(out, d, dlen);
		off += used;
		*eaten = off;
		if (r != 0)
			return r;
		ATF_REQUIRE(used > 0);
	}
}

ATF_TC_WITHOUT_HEAD(body);
ATF_TC_BODY(body, tc)
{
	static const char ok[] = "5;x=\"y\"\r\nhello\r\nA\r\n, world...\r\n"
	    "0\r\nT: x\r\n\r\nNEXT";
	static const char *bad[] = { "\r\n", "x\r\n", "5\r\nhelloX",
	    "5\r\nhello\rX", "fffffffffffffffff\r\n",
	    "11111111111111111\r\n", "-1\r\n", "0\r\n\rX", NULL };
	struct ibuf out;
	size_t step, eaten;
	int i;

	for (step = 1; step < sizeof(ok); step++) {
		ibuf_init(&out, 1000);
		ATF_CHECK_EQ(1, chunked(ok, step, &out, &eaten));
		ATF_CHECK_EQ(sizeof(ok) - 5, eaten);
		ATF_CHECK_EQ(15, ibuf_size(&out));
		ATF_CHECK_EQ(0, memcmp(ibuf_data(&out), "hello, world...",
		    15));
		ibuf_fini(&out);
	}
	for (i = 0; bad[i] != NULL; i++) {
		ibuf_init(&out, 1000);
		ATF_CHECK_EQ_MSG(-1, chunked(bad[i], 3, &out, &eaten), "%s",
		    bad[i]);
		ibuf_fini(&out);
	}
	ibuf_init(&out, 1000);
	ATF_CHECK_EQ(0, chunked("5\r\nhel", 3, &out, &eaten));
	ibuf_fini(&out);
}

ATF_TC_WITHOUT_HEAD(percent);
ATF_TC_BODY(percent, tc)
{
	struct ibuf b;
	char out[16];

	ATF_CHECK_EQ(4, http_pct_decode(out, sizeof(out), "a%2fb%C3", 8));
	ATF_CHECK_EQ(0, memcmp(out, "a/b\xc3", 4));
	ATF_CHECK_EQ(-1, http_pct_decode(out, sizeof(out), "a%2", 3));
	ATF_CHECK_EQ(-1, http_pct_decode(out, sizeof(out), "a%zz", 4));
	ATF_CHECK_EQ(-1, http_pct_decode(out, sizeof(out), "a%00", 4));
	ATF_CHECK_EQ(-1, http_pct_decode(out, 3, "abcd", 4));
	ibuf_init(&b, 100);
	ATF_CHECK_EQ(0, http_pct_encode(&b, "a/b c@\xc3~"));
	ibuf_add_n8(&b, 0);
	ATF_CHECK_STREQ("a%2Fb%20c%40%C3~", (char *)ibuf_data(&b));
	ibuf_fini(&b);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, request);
	ATF_TP_ADD_TC(tp, response);
	ATF_TP_ADD_TC(tp, body);
	ATF_TP_ADD_TC(tp, percent);
	return atf_no_error();
}
