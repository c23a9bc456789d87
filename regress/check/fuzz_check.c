#include <stdlib.h>
#include <string.h>

#include "check_form.h"
#include "check_val.h"
#include "fuzz.h"

const struct fuzz_seed fuzz_seeds[] = {
	FUZZ_SEED("{\"uids\":\"1:500,502\",\"flags\":[\"\\\\Seen\"],\"n\":1}"),
	FUZZ_SEED("[[1,2],{\"a\":null},true,\"x\\u00e4\",1.5e3]"),
	FUZZ_SEED("1:500,502:9000"),
	FUZZ_SEED("9:7, 4 ,4294967295"),
	FUZZ_SEED("INBOX/\xc3\xa9/b"),
	FUZZ_SEED("2026-11-23T10:00:00+01:00"),
	FUZZ_SEED("\\Seen"),
};
const size_t fuzz_nseeds = sizeof(fuzz_seeds) / sizeof(fuzz_seeds[0]);

struct block {
	struct block	*next;
	_Alignas(16) char data[];
};

static void *
get(void *arg, size_t len)
{
	struct block *b, **list = arg;

	if ((b = calloc(1, sizeof(*b) + len)) == NULL)
		abort();
	b->next = *list;
	*list = b;
	return b->data;
}

static void
drop(struct block *b)
{
	struct block *next;

	for (; b != NULL; b = next) {
		next = b->next;
		free(b);
	}
}

/* A canonical set is one read with good will, too, and the same one. */
static void
sets(const char *s, size_t len)
{
	struct uidset strict, loose;

	uidset_init(&strict);
	uidset_init(&loose);
	if (uidset_parse(&strict, s, len, UINT32_MAX) == 0 &&
	    (form_loose_set(&loose, s, len) == -1 ||
	    !uidset_equal(&strict, &loose)))
		abort();
	uidset_clear(&loose);
	(void)form_loose_set(&loose, s, len);
	uidset_fini(&strict);
	uidset_fini(&loose);
}

static void
values(const char *s, size_t len)
{
	struct block	*list = NULL;
	struct val	*v, *w;

	v = val_parse(s, len, get, &list);
	if (v != NULL) {
		w = val_parse(s, len, get, &list);
		/* of two members with one name only the first is found */
		if (w == NULL || (v->type == VAL_ARRAY &&
		    v->count != w->count))
			abort();
		(void)val_equal(v, w);
		(void)val_text(v, "uids");
	}
	drop(list);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *s;

	if ((s = malloc(len + 1)) == NULL)
		return 0;
	memcpy(s, data, len);
	s[len] = '\0';
	sets(s, len);
	values(s, len);
	(void)form_id(s, len);
	(void)form_flag(s, len);
	(void)form_role(s, len);
	(void)form_cursor(s, len);
	(void)form_account(s, len);
	(void)form_same_date(s, s);
	if (form_date(s, len) && len < 10)
		abort();
	if (form_name(s, len) && (strlen(s) != len ||
	    strstr(s, "//") != NULL || strchr(s, '\n') != NULL))
		abort();
	free(s);
	return 0;
}
