#include <stdlib.h>

#include "fuzz.h"
#include "http.h"

const struct fuzz_seed fuzz_seeds[] = {
	FUZZ_SEED("GET /v1/accounts/a/mailboxes?x=%20 HTTP/1.1\r\n"
	    "Host: x\r\nConnection: close\r\n\r\n"),
	FUZZ_SEED("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n"
	    "Expect: 100-continue\r\n\r\n5;x=y\r\nhello\r\n0\r\nT: x\r\n\r\n"),
	FUZZ_SEED("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
	FUZZ_SEED("HTTP/1.0 200 OK\r\nContent-Type: application/x-ndjson\r\n"
	    "\r\n{\"header\":true}\n{\"end\":true}\n"),
};
const size_t fuzz_nseeds = sizeof(fuzz_seeds) / sizeof(fuzz_seeds[0]);

/* The body must come out the same however it is cut into pieces. */
static uint32_t
body_sum(const struct http_head *h, const uint8_t *p, size_t len, size_t step,
    int *res)
{
	struct http_body b;
	const void	*d;
	size_t		 used, dlen, n, i;
	uint32_t	 sum = 1;

	http_body_init(&b, h);
	*res = 0;
	while (len > 0 && *res == 0) {
		n = len < step ? len : step;
		*res = http_body_next(&b, p, n, &used, &d, &dlen);
		if (used > n || dlen > used)
			abort();
		if (*res == 0 && used == 0)
			abort();
		for (i = 0; i < dlen; i++)
			sum = sum * 31 + ((const uint8_t *)d)[i];
		p += used;
		len -= used;
	}
	return sum;
}

static void
body(const struct http_head *h, const uint8_t *p, size_t len)
{
	uint32_t	s1, s2;
	int		r1, r2;

	s1 = body_sum(h, p, len, 1, &r1);
	s2 = body_sum(h, p, len, 7, &r2);
	if (r1 != r2 || (r1 != -1 && s1 != s2))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct http_head	 h;
	const char		*p = (const char *)data;
	char			 out[64];
	ssize_t			 n;

	if ((n = http_request(&h, p, len)) > 0) {
		if ((size_t)n > len)
			abort();
		http_pct_decode(out, sizeof(out), h.target.p, h.target.len);
		http_has_token(&h, "Connection", "close");
		body(&h, data + n, len - (size_t)n);
	}
	if ((n = http_response(&h, p, len, "GET")) > 0) {
		if ((size_t)n > len)
			abort();
		body(&h, data + n, len - (size_t)n);
	}
	return 0;
}
