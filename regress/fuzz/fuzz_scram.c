#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "scram.h"

#define NONCE	"r=xs"

const struct fuzz_seed fuzz_seeds[] = {
	FUZZ_SEED("n,,n=user,r=x\nc=biws," NONCE ","
	    "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="),
	FUZZ_SEED("y,a=a=2Cb=3D,n=us=2Cer,r=x,y=z\nc=eSxhPWE9MkNiPTNELA==,"
	    NONCE ",e=f,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="),
	FUZZ_SEED("p=tls-unique,,m=x,n=user,r=x\nm=x"),
};
const size_t fuzz_nseeds = sizeof(fuzz_seeds) / sizeof(fuzz_seeds[0]);

/* Nobody proves a password that was never made; names hold no line ends. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct scramkeys	 k = { .iterations = 4096, .saltlen = 16 };
	struct scram		 s;
	const char		*p = (const char *)data, *nl;
	char			 out[SCRAM_CHALLENGE_MAX];
	size_t			 n;

	nl = len > 0 ? memchr(p, '\n', len) : NULL;
	n = nl != NULL ? (size_t)(nl - p) : len;
	if (scram_first(&s, p, n) != SCRAM_OK)
		return 0;
	if (*s.user == '\0' || strpbrk(s.user, "\r\n") != NULL ||
	    strpbrk(s.authzid, "\r\n") != NULL ||
	    scram_challenge(&s, &k, "s", out, sizeof(out)) == -1)
		abort();
	if (nl != NULL && scram_final(&s, nl + 1, len - n - 1, out,
	    sizeof(out)) == SCRAM_OK)
		abort();
	return 0;
}
