/*
 * usage: fuzz_X [-n iterations] [-s seed] [file ...]
 * Runs the files as they are, or the seeds mutated.  The input that runs is
 * kept in fuzz_last, so that a debugger or a core shows it.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fuzz.h"

#define INPUT_MAX	8192

uint8_t	fuzz_last[INPUT_MAX];
size_t	fuzz_last_len;

static uint64_t rng;

static uint32_t
rnd(uint32_t below)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return below == 0 ? 0 : (uint32_t)(rng >> 11) % below;
}

static void
insert(size_t at, const void *p, size_t len)
{
	if (fuzz_last_len + len > INPUT_MAX)
		return;
	memmove(fuzz_last + at + len, fuzz_last + at, fuzz_last_len - at);
	memcpy(fuzz_last + at, p, len);
	fuzz_last_len += len;
}

static void
cut(size_t at, size_t len)
{
	if (len > fuzz_last_len - at)
		len = fuzz_last_len - at;
	memmove(fuzz_last + at, fuzz_last + at + len,
	    fuzz_last_len - at - len);
	fuzz_last_len -= len;
}

/* Pieces of every seed are the dictionary: splice them into each other. */
static void
splice(size_t at)
{
	const struct fuzz_seed	*s = &fuzz_seeds[rnd((uint32_t)fuzz_nseeds)];
	size_t			 off, len;

	if (s->len == 0)
		return;
	off = rnd((uint32_t)s->len);
	len = 1 + rnd((uint32_t)(s->len - off));
	insert(at, s->data + off, len);
}

static void
mutate(void)
{
	static const char	 special[] = "\0\r\n\"\\(){}[]<>:;,*%&=?-+ \xff";
	uint8_t			 copy[64], c;
	size_t			 at, len;

	at = rnd((uint32_t)fuzz_last_len + 1);
	switch (rnd(8)) {
	case 0:
		if (at < fuzz_last_len)
			fuzz_last[at] ^= (uint8_t)(1 << rnd(8));
		break;
	case 1:
		if (at < fuzz_last_len)
			fuzz_last[at] = (uint8_t)special[
			    rnd(sizeof(special) - 1)];
		break;
	case 2:
		c = (uint8_t)special[rnd(sizeof(special) - 1)];
		insert(at, &c, 1);
		break;
	case 3:
		cut(at, 1 + rnd(16));
		break;
	case 4:
		len = fuzz_last_len - at;
		len = len > sizeof(copy) ? sizeof(copy) : len;
		memcpy(copy, fuzz_last + at, len);
		insert(rnd((uint32_t)fuzz_last_len + 1), copy, len);
		break;
	case 5:
		splice(at);
		break;
	case 6:
		c = (uint8_t)('0' + rnd(10));
		insert(at, &c, 1);
		break;
	case 7:
		fuzz_last_len = at;
		break;
	}
}

static void
run_file(const char *path)
{
	FILE *f;

	if ((f = fopen(path, "r")) == NULL)
		err(1, "%s", path);
	fuzz_last_len = fread(fuzz_last, 1, sizeof(fuzz_last), f);
	fclose(f);
	LLVMFuzzerTestOneInput(fuzz_last, fuzz_last_len);
}

/* The parser gets a copy of the exact size, so that ASan sees the end. */
static void
run_once(void)
{
	uint8_t *p;

	if ((p = malloc(fuzz_last_len > 0 ? fuzz_last_len : 1)) == NULL)
		err(1, NULL);
	memcpy(p, fuzz_last, fuzz_last_len);
	LLVMFuzzerTestOneInput(p, fuzz_last_len);
	free(p);
}

int
main(int argc, char **argv)
{
	const struct fuzz_seed	*s;
	long			 n = 20000, i;
	int			 ch, k;

	rng = 88172645463325252ULL;
	while ((ch = getopt(argc, argv, "n:s:")) != -1) {
		if (ch == 'n')
			n = atol(optarg);
		else if (ch == 's')
			rng ^= strtoull(optarg, NULL, 10);
		else
			errx(1, "usage: [-n iterations] [-s seed] [file ...]");
	}
	for (k = optind; k < argc; k++)
		run_file(argv[k]);
	if (optind < argc)
		return 0;
	for (i = 0; i < n; i++) {
		s = &fuzz_seeds[(size_t)i % fuzz_nseeds];
		fuzz_last_len = s->len < INPUT_MAX ? s->len : INPUT_MAX;
		memcpy(fuzz_last, s->data, fuzz_last_len);
		if (i >= (long)fuzz_nseeds)
			for (k = 1 + (int)rnd(6); k > 0; k--)
				mutate();
		run_once();
	}
	printf("%ld inputs, no crash\n", n);
	return 0;
}
