/*
 * A fuzzer is fuzz_MODULE.c with this one function and some inputs to
 * start from.  It is linked with libFuzzer when the compiler has it
 * (make fuzz), else with driver.c, which mutates the seeds itself from a
 * fixed random seed (make regress).
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>

struct fuzz_seed {
	const char	*data;
	size_t		 len;
};

#define FUZZ_SEED(s)	{ s, sizeof(s) - 1 }

extern const struct fuzz_seed	fuzz_seeds[];
extern const size_t		fuzz_nseeds;

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

#endif /* FUZZ_H */
