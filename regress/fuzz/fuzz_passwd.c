#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "passwd.h"

const struct fuzz_seed fuzz_seeds[] = {
	FUZZ_SEED("# x\ndemo:$2b$10$abc\n\na@b:$6$x$y:1:2\noff:!\n"),
	FUZZ_SEED("j\xc3\xb6rg:*x\n:\nx:\nx:$:$:$\n@:$a$b"),
};
const size_t fuzz_nseeds = sizeof(fuzz_seeds) / sizeof(fuzz_seeds[0]);

struct seen {
	uint32_t	hash;
	unsigned int	line;
};

static void
seen_add(struct seen *s, const char *text)
{
	for (; *text != '\0'; text++)
		s->hash = s->hash * 31 + (unsigned char)*text;
	s->hash = s->hash * 31 + 1;
}

static void
seen_line(struct seen *s, unsigned int line)
{
	if (line <= s->line)
		abort();
	s->line = line;
}

static void
on_entry(void *arg, const struct passwd_entry *e)
{
	seen_line(arg, e->line);
	if (e->name[0] == '\0' || strlen(e->name) > PASSWD_NAME_MAX ||
	    strlen(e->hash) > PASSWD_HASH_MAX ||
	    (e->disabled ? e->hash[0] != '\0' : e->hash[0] != '$'))
		abort();
	seen_add(arg, e->name);
	seen_add(arg, e->hash);
}

static void
on_error(void *arg, unsigned int line, const char *why)
{
	seen_line(arg, line);
	seen_add(arg, why);
}

/* The size of the pieces must make no difference. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct passwd_reader	r;
	struct seen		s[2];
	size_t			i, n;

	memset(s, 0, sizeof(s));
	passwd_init(&r, on_entry, on_error, &s[0]);
	passwd_feed(&r, data, len);
	passwd_end(&r);
	passwd_init(&r, on_entry, on_error, &s[1]);
	for (i = 0; i < len; i += n) {
		n = 1 + i % 7;
		n = n < len - i ? n : len - i;
		passwd_feed(&r, data + i, n);
	}
	passwd_end(&r);
	if (s[0].hash != s[1].hash || s[0].line != s[1].line)
		abort();
	return 0;
}
