#include <stdlib.h>
#include <string.h>

#include "baseurl.h"
#include "cidr.h"
#include "fuzz.h"
#include "units.h"

const struct fuzz_seed fuzz_seeds[] = {
	FUZZ_SEED("https://mail.example.org:8443/v1"),
	FUZZ_SEED("http://[2001:db8::1]:80/a/b"),
	FUZZ_SEED("unix:/run/x.sock:/v1"),
	FUZZ_SEED("10.0.0.0/8"),
	FUZZ_SEED("fd00::/8"),
	FUZZ_SEED("64M"),
};
const size_t fuzz_nseeds = sizeof(fuzz_seeds) / sizeof(fuzz_seeds[0]);

static void
try_url(const char *text)
{
	struct baseurl	 u;
	const char	*why;
	size_t		 n;

	if (baseurl_parse(&u, text, &why) == -1) {
		if (why == NULL)
			abort();
		return;
	}
	/* nothing that could end a line of a request */
	n = strlen(u.path);
	if (strpbrk(u.path, " \r\n\t?#") != NULL ||
	    strpbrk(u.host, " \r\n\t/@") != NULL ||
	    (n > 0 && (u.path[0] != '/' || u.path[n - 1] == '/')) ||
	    (u.kind == URL_UNIX) != (u.sock[0] == '/') ||
	    (u.kind == URL_UNIX) != (u.host[0] == '\0') ||
	    (u.kind == URL_UNIX) != (u.port == 0))
		abort();
}

static void
try_net(const char *text)
{
	struct cidr c;

	if (cidr_parse(&c, text) == -1)
		return;
	if (c.prefixlen > c.addrlen * 8 ||
	    !cidr_match(&c, c.addr, c.addrlen))
		abort();
}

static void
try_number(enum unit unit, const char *text)
{
	char		buf[UNITS_LEN];
	uint64_t	n, again;

	if (units_parse(unit, text, &n) == -1)
		return;
	units_format(unit, n, buf, sizeof(buf));
	if (units_parse(unit, buf, &again) == -1 || n != again)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *text;

	if ((text = malloc(len + 1)) == NULL)
		return 0;
	memcpy(text, data, len);
	text[len] = '\0';
	try_url(text);
	try_net(text);
	try_number(UNIT_COUNT, text);
	try_number(UNIT_SIZE, text);
	try_number(UNIT_TIME, text);
	free(text);
	return 0;
}
