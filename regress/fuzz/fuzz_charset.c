/* The first byte chooses the set, the second the size of the pieces. */
#include <stdlib.h>
#include <string.h>

#include "charset.h"
#include "fuzz.h"
#include "json.h"

const struct fuzz_seed fuzz_seeds[] = {
	FUZZ_SEED("\x00\x01" "a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"),
	FUZZ_SEED("\x01\x02" "a\033$BF|K\\\033(Bb\033(I1"),
	FUZZ_SEED("\x02\x03\033$)C\x0eGQ1[\x0f"),
	FUZZ_SEED("\x03\x01~{Dc:C~}~~"),
	FUZZ_SEED("\x04\x05\xc4\xe3\x81\x30\x81\x30"),
	FUZZ_SEED("\x05\x01\xa7\x41\xa6\x6e"),
	FUZZ_SEED("\x06\x01\xc6\xfc\x8e\xb1\x8f\xb0\xa1"),
	FUZZ_SEED("\x07\x01\x93\xfa\xb1"),
	FUZZ_SEED("\x08\x01\xc7\xd1\xb1\xdb"),
	FUZZ_SEED("\x09\x03\xff\xfe\x3d\xd8\x00\xde"),
	FUZZ_SEED("\x0a\x03\0\0\xfe\xff\0\1\xf6\0"),
	FUZZ_SEED("\x0b\x01" "A+ImIDkQ.+-+2D3eAA-"),
	FUZZ_SEED("\x0c\x01\x80\x93\xe4"),
	FUZZ_SEED("klingon"),
};
const size_t fuzz_nseeds = sizeof(fuzz_seeds) / sizeof(fuzz_seeds[0]);

static const char *const names[] = { "utf-8", "iso-2022-jp", "iso-2022-kr",
    "hz-gb-2312", "gb18030", "big5", "euc-jp", "shift_jis", "euc-kr",
    "utf-16", "utf-32", "utf-7", "windows-1252", "no-such-set" };

static void
convert(struct ibuf *b, const char *name, const uint8_t *p, size_t len,
    size_t piece)
{
	struct charset_conv	cv;
	size_t			n;

	charset_start(&cv, charset_find(name, strlen(name)));
	for (; len > 0; p += n, len -= n) {
		n = len < piece ? len : piece;
		if (charset_feed(&cv, p, n, b) == -1)
			abort();
	}
	if (charset_finish(&cv, b) == -1)
		abort();
}

static void
fold(const char *p, size_t len)
{
	struct ibuf b;

	ibuf_init(&b, len * 12 + 64);
	if (charset_fold(&b, p, len) == -1 || (ibuf_size(&b) > 0 &&
	    !utf8_valid((char *)ibuf_data(&b), ibuf_size(&b))))
		abort();
	ibuf_truncate(&b, 0);
	if (charset_nfc(&b, p, len) == -1) {
		if (utf8_valid(p, len))
			abort();
	} else if (ibuf_size(&b) > 0 &&
	    !charset_is_nfc((char *)ibuf_data(&b), ibuf_size(&b)))
		abort();
	ibuf_fini(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct ibuf	 a, b;
	const char	*name;
	static int	 init;

	if (len == 0)
		data = (const uint8_t *)"";
	if (!init)
		charset_init();
	init = 1;
	charset_known((const char *)data, len);
	if (len < 2)
		return 0;
	name = names[data[0] % (sizeof(names) / sizeof(names[0]))];
	ibuf_init(&a, len * 4 + 64);
	ibuf_init(&b, len * 4 + 64);
	convert(&a, name, data + 2, len - 2, len);
	convert(&b, name, data + 2, len - 2, 1 + data[1] % 8);
	if (ibuf_size(&a) != ibuf_size(&b))
		abort();
	if (ibuf_size(&a) > 0) {
		if (memcmp(ibuf_data(&a), ibuf_data(&b), ibuf_size(&a)) != 0 ||
		    !utf8_valid((char *)ibuf_data(&a), ibuf_size(&a)))
			abort();
		fold((char *)ibuf_data(&a), ibuf_size(&a));
	}
	fold((const char *)data, len);
	ibuf_fini(&a);
	ibuf_fini(&b);
	return 0;
}
