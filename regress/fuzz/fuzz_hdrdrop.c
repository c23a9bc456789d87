#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "fuzz.h"
#include "hdrdrop.h"

#define NAME	"X-Y"

const struct fuzz_seed fuzz_seeds[] = {
	FUZZ_SEED("\x01" "X-Y: 1\r\nA: 2\r\n\r\nX-Y: 3\r\n"),
	FUZZ_SEED("\x03" "A: 1\r\nx-y : 2\r\n\t3\r\nB: 4\n\nbody"),
	FUZZ_SEED("\x07" "X-Y\r\nX-YZ: 1\r\n X-Y: 2\r\nX-Y:"),
};
const size_t fuzz_nseeds = sizeof(fuzz_seeds) / sizeof(fuzz_seeds[0]);

/* Is this line the field's first? */
static int
is_field(const char *p, size_t len)
{
	size_t i = strlen(NAME);

	if (len < i || strncasecmp(p, NAME, i) != 0 ||
	    memchr(p, '\0', i) != NULL)
		return 0;
	while (i < len && i < HDRDROP_HELD && (p[i] == ' ' || p[i] == '\t'))
		i++;
	return i < len && p[i] == ':';
}

/* The same with the whole message at hand. */
static void
model(const char *p, size_t len, struct ibuf *out)
{
	const char	*nl;
	size_t		 n;
	int		 drop = 0;

	for (; len > 0 && *p != '\r' && *p != '\n'; p += n, len -= n) {
		nl = memchr(p, '\n', len);
		n = nl != NULL ? (size_t)(nl - p) + 1 : len;
		if (!drop || (*p != ' ' && *p != '\t'))
			drop = is_field(p, n);
		if (!drop && ibuf_add(out, p, n) == -1)
			abort();
	}
	if (ibuf_add(out, p, len) == -1)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct hdrdrop	 d;
	struct ibuf	 b, want;
	const char	*p = (const char *)data + 1;
	size_t		 n, step, i;

	if (len < 1)
		return 0;
	len--;
	step = data[0] % 32 + 1;
	ibuf_init(&b, 1 << 20);
	ibuf_init(&want, 1 << 20);
	hdrdrop_init(&d, NAME);
	for (i = 0; i < len; i += n) {
		n = len - i < step ? len - i : step;
		if (hdrdrop_feed(&d, p + i, n, &b) == -1)
			abort();
	}
	if (hdrdrop_finish(&d, &b) == -1)
		abort();
	model(p, len, &want);
	if (ibuf_size(&b) != ibuf_size(&want) || (ibuf_size(&b) > 0 &&
	    memcmp(ibuf_data(&b), ibuf_data(&want), ibuf_size(&b)) != 0))
		abort();
	ibuf_fini(&b);
	ibuf_fini(&want);
	return 0;
}
