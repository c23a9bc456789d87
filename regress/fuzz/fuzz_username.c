#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "json.h"
#include "username.h"

const struct fuzz_seed fuzz_seeds[] = {
	FUZZ_SEED("Joe.Smith@Example.ORG"),
	FUZZ_SEED("E\xcc\x81ric \"x\" \\ \x7f"),
	FUZZ_SEED("\xe1\x84\x80\xe1\x85\xa1\xe1\x86\xa8\xf0\x9f\x98\x80"),
};
const size_t fuzz_nseeds = sizeof(fuzz_seeds) / sizeof(fuzz_seeds[0]);

/* What is normal is UTF-8 and stays as it is; what is quoted is plain. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char	*in, name[USERNAME_MAX + 1], again[USERNAME_MAX + 1];
	char	 quoted[64], *p;

	if ((in = malloc(len + 1)) == NULL)
		return 0;
	memcpy(in, data, len);
	in[len] = '\0';
	if (username_normal(name, sizeof(name), in) == 0 &&
	    (!utf8_valid(name, strlen(name)) ||
	    username_normal(again, sizeof(again), name) == -1 ||
	    strcmp(name, again) != 0))
		abort();
	for (p = username_quote(quoted, sizeof(quoted), in); *p != '\0'; p++)
		if (*p < ' ' || *p >= 0x7f || *p == '"')
			abort();
	if (p >= quoted + sizeof(quoted))
		abort();
	free(in);
	return 0;
}
