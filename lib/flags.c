#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "flags.h"

struct flag_keyword {
	char		*name;
	size_t		 len;
	uint32_t	 hash;
};

struct flag_set {
	uint32_t	 sys;
	uint32_t	 n;
	uint32_t	 hash;
	size_t		 len;		/* of its text */
	char		*text;		/* NULL: not rendered yet */
	uint16_t	 kw[];		/* ascending */
};

static const struct {
	const char	*name;
	uint32_t	 bit;
} system_flags[] = {
	{ "\\Answered",	FLAG_ANSWERED },
	{ "\\Flagged",	FLAG_FLAGGED },
	{ "\\Deleted",	FLAG_DELETED },
	{ "\\Seen",	FLAG_SEEN },
	{ "\\Draft",	FLAG_DRAFT },
	{ "\\Recent",	FLAG_RECENT },
};
#define NSYSTEM	(sizeof(system_flags) / sizeof(system_flags[0]))

const char *
flag_sysname(uint32_t bit)
{
	size_t	i;

	for (i = 0; i < NSYSTEM; i++)
		if (system_flags[i].bit == bit)
			return system_flags[i].name;
	return NULL;
}

static int
flag_is_atom(const char *p, size_t len)
{
	for (; len > 0; len--, p++)
		if (*p <= ' ' || *p >= 0x7f || strchr("(){%*\"\\]", *p))
			return 0;
	return 1;
}

int
flag_parse(const char *p, size_t len)
{
	size_t	i;

	if (len == 0 || len > FLAGS_NAME_MAX)
		return -1;
	if (*p != '\\')
		return flag_is_atom(p, len) ? 0 : -1;
	for (i = 0; i < NSYSTEM; i++)
		if (strlen(system_flags[i].name) == len &&
		    strncasecmp(system_flags[i].name, p, len) == 0)
			return system_flags[i].bit & FLAG_SYSTEM ?
			    (int)system_flags[i].bit : -1;
	return -1;
}

void
flags_init(struct flags *f)
{
	memset(f, 0, sizeof(*f));
	f->nset = f->freeid = 1;	/* FLAGS_EMPTY is always there */
}

static void
flag_set_free(struct flag_set *s)
{
	if (s == NULL)
		return;
	free(s->text);
	free(s);
}

void
flags_fini(struct flags *f)
{
	uint32_t	i;

	for (i = 0; i < f->nkw; i++)
		free(f->kw[i].name);
	for (i = 1; i < f->nset; i++)
		flag_set_free(f->set[i]);
	free(f->kw);
	free(f->kwhash);
	free(f->set);
	free(f->hash);
	flags_init(f);
}

/* FNV-1a, without case. */
static uint32_t
flags_hash_name(const char *p, size_t len)
{
	uint32_t	h = 2166136261u;

	for (; len > 0; len--)
		h = (h ^ (uint32_t)tolower((unsigned char)*p++)) * 16777619u;
	return h;
}

static uint32_t
flags_hash_set(uint32_t sys, const uint16_t *kw, uint32_t n)
{
	uint32_t	h = (2166136261u ^ sys) * 16777619u;

	for (; n > 0; n--)
		h = (h ^ *kw++) * 16777619u;
	return h ^ h >> 15;
}

/* keywords */

int
flags_keyword(const struct flags *f, const char *p, size_t len)
{
	const struct flag_keyword	*k;
	uint32_t			 h, i;

	if (f->kwhashsize == 0)
		return KEYWORD_NONE;
	h = flags_hash_name(p, len);
	for (i = h;; i++) {
		i &= f->kwhashsize - 1;
		if (f->kwhash[i] == 0)
			return KEYWORD_NONE;
		k = &f->kw[f->kwhash[i] - 1];
		if (k->hash == h && k->len == len &&
		    strncasecmp(k->name, p, len) == 0)
			return (int)f->kwhash[i] - 1;
	}
}

static void
flags_hash_keyword(struct flags *f, uint32_t index)
{
	uint32_t	i;

	for (i = f->kw[index].hash;; i++) {
		i &= f->kwhashsize - 1;
		if (f->kwhash[i] == 0)
			break;
	}
	f->kwhash[i] = index + 1;
}

/* Room for one keyword more, in the array and twice over in the hash. */
static int
flags_keyword_room(struct flags *f)
{
	struct flag_keyword	*kw;
	uint32_t		*h, cap, i;

	if (f->nkw < f->kwcap)
		return 0;
	cap = f->kwcap == 0 ? 8 : f->kwcap * 2;
	if ((kw = reallocarray(f->kw, cap, sizeof(*kw))) == NULL)
		return -1;
	f->kw = kw;
	if ((h = calloc(cap * 2, sizeof(*h))) == NULL)
		return -1;
	free(f->kwhash);
	f->kwhash = h;
	f->kwhashsize = cap * 2;
	f->kwcap = cap;
	for (i = 0; i < f->nkw; i++)
		flags_hash_keyword(f, i);
	return 0;
}

int
flags_learn(struct flags *f, const char *p, size_t len)
{
	struct flag_keyword	*k;
	int			 i;

	if (flag_parse(p, len) != 0) {
		errno = EINVAL;
		return -1;
	}
	if ((i = flags_keyword(f, p, len)) != KEYWORD_NONE)
		return i;
	if (f->nkw == FLAGS_KEYWORDS_MAX) {
		errno = ENOSPC;
		return -1;
	}
	if (flags_keyword_room(f) == -1)
		return -1;
	k = &f->kw[f->nkw];
	if ((k->name = strndup(p, len)) == NULL)
		return -1;
	k->len = len;
	k->hash = flags_hash_name(p, len);
	flags_hash_keyword(f, f->nkw);
	return (int)f->nkw++;
}

const char *
flags_keyword_name(const struct flags *f, int i)
{
	return i >= 0 && (uint32_t)i < f->nkw ? f->kw[i].name : NULL;
}

int
flags_nkeywords(const struct flags *f)
{
	return (int)f->nkw;
}

/* sets */

static const struct flag_set *
flags_get(const struct flags *f, uint32_t id)
{
	static const struct flag_set	empty;

	return id == FLAGS_EMPTY || id >= f->nset || f->set[id] == NULL ?
	    &empty : f->set[id];
}

static int
flag_set_is(const struct flag_set *s, uint32_t sys, const uint16_t *kw,
    uint32_t n)
{
	return s->sys == sys && s->n == n &&
	    memcmp(s->kw, kw, n * sizeof(*kw)) == 0;
}

/* Where a set with this hash and content is, or would be, in the hash. */
static uint32_t
flags_slot(const struct flags *f, uint32_t h, uint32_t sys,
    const uint16_t *kw, uint32_t n)
{
	const struct flag_set	*s;
	uint32_t		 i;

	for (i = h;; i++) {
		i &= f->hashsize - 1;
		if (f->hash[i] == 0)
			return i;
		s = f->set[f->hash[i]];
		if (s->hash == h && flag_set_is(s, sys, kw, n))
			return i;
	}
}

static void
flags_rehash(struct flags *f)
{
	const struct flag_set	*s;
	uint32_t		 i;

	if (f->hashsize == 0)
		return;
	memset(f->hash, 0, f->hashsize * sizeof(*f->hash));
	for (i = 1; i < f->nset; i++)
		if ((s = f->set[i]) != NULL)
			f->hash[flags_slot(f, s->hash, s->sys, s->kw,
			    s->n)] = i;
}

/* Room for one set more, in the array and twice over in the hash. */
static int
flags_set_room(struct flags *f)
{
	struct flag_set	**set;
	uint32_t	 *h, cap;

	if (f->nset == f->setcap || f->setcap == 0) {
		cap = f->setcap == 0 ? 8 : f->setcap * 2;
		if ((set = reallocarray(f->set, cap, sizeof(*set))) == NULL)
			return -1;
		set[FLAGS_EMPTY] = NULL;
		f->set = set;
		f->setcap = cap;
	}
	if ((f->nlive + 1) * 2 <= f->hashsize)
		return 0;
	cap = f->hashsize == 0 ? 16 : f->hashsize * 2;
	if ((h = reallocarray(NULL, cap, sizeof(*h))) == NULL)
		return -1;
	free(f->hash);
	f->hash = h;
	f->hashsize = cap;
	flags_rehash(f);
	return 0;
}

/* Bytes of a set's text; each name has a space behind it but the last. */
static size_t
flags_text_len(const struct flags *f, uint32_t sys, const uint16_t *kw,
    uint32_t n)
{
	size_t	len = 0, i;

	for (i = 0; i < NSYSTEM; i++)
		if (sys & system_flags[i].bit)
			len += strlen(system_flags[i].name) + 1;
	for (i = 0; i < n; i++)
		len += f->kw[kw[i]].len + 1;
	return len > 0 ? len - 1 : 0;
}

static uint32_t
flags_free_id(struct flags *f)
{
	while (f->freeid < f->nset && f->set[f->freeid] != NULL)
		f->freeid++;
	if (f->freeid == f->nset)
		f->nset++;
	return f->freeid++;
}

static uint32_t
flags_intern(struct flags *f, uint32_t sys, const uint16_t *kw, uint32_t n)
{
	struct flag_set	*s;
	uint32_t	 h, id, slot;
	size_t		 len;

	if (sys == 0 && n == 0)
		return FLAGS_EMPTY;
	if (flags_set_room(f) == -1)
		return FLAGS_ERR;
	h = flags_hash_set(sys, kw, n);
	slot = flags_slot(f, h, sys, kw, n);
	if (f->hash[slot] != 0)
		return f->hash[slot];
	len = flags_text_len(f, sys, kw, n);
	if (len > FLAGS_TEXT_MAX || n > FLAGS_SET_MAX ||
	    f->nlive == FLAGS_SETS_MAX) {
		errno = ENOSPC;
		return FLAGS_ERR;
	}
	if ((s = malloc(sizeof(*s) + n * sizeof(*kw))) == NULL)
		return FLAGS_ERR;
	s->sys = sys;
	s->n = n;
	s->hash = h;
	s->len = len;
	s->text = NULL;
	memcpy(s->kw, kw, n * sizeof(*kw));
	id = flags_free_id(f);
	f->set[id] = s;
	f->hash[slot] = id;
	f->nlive++;
	return id;
}

/* A set being put together: keywords ascending, each once. */
struct flag_build {
	uint32_t	 sys;
	uint32_t	 n;
	uint16_t	 kw[FLAGS_SET_MAX];
};

static int
flag_build_add(struct flags *f, struct flag_build *b, const char *p,
    size_t len)
{
	uint32_t	i;
	int		k, bit;

	if ((bit = flag_parse(p, len)) > 0) {
		b->sys |= (uint32_t)bit;
		return 0;
	}
	if ((k = flags_learn(f, p, len)) == -1)
		return -1;
	for (i = b->n; i > 0 && b->kw[i - 1] > k; i--)
		;
	if (i > 0 && b->kw[i - 1] == k)
		return 0;
	if (b->n == FLAGS_SET_MAX) {
		errno = ENOSPC;
		return -1;
	}
	memmove(b->kw + i + 1, b->kw + i, (b->n - i) * sizeof(*b->kw));
	b->kw[i] = (uint16_t)k;
	b->n++;
	return 0;
}

uint32_t
flags_from_list(struct flags *f, const struct flag_list *l)
{
	struct flag_build	b;
	uint32_t		i;

	b.sys = l->sys & FLAG_SYSTEM;
	b.n = 0;
	for (i = 0; i < l->n; i++)
		if (flag_build_add(f, &b, l->kw[i].p, l->kw[i].len) == -1)
			return FLAGS_ERR;
	return flags_intern(f, b.sys, b.kw, b.n);
}

uint32_t
flags_from_text(struct flags *f, const char *p, size_t len)
{
	struct flag_build	 b;
	const char		*sp;
	size_t			 n;

	b.sys = b.n = 0;
	if (len == 0)
		return FLAGS_EMPTY;
	for (;;) {
		sp = memchr(p, ' ', len);
		n = sp != NULL ? (size_t)(sp - p) : len;
		if (flag_build_add(f, &b, p, n) == -1)
			return FLAGS_ERR;
		if (sp == NULL)
			return flags_intern(f, b.sys, b.kw, b.n);
		p = sp + 1;
		len -= n + 1;
	}
}

uint32_t
flags_from_text_lax(struct flags *f, const char *p, size_t len)
{
	struct flag_build	 b;
	size_t			 n, total = 0, room;

	b.sys = FLAG_SYSTEM;
	b.n = 0;
	room = FLAGS_TEXT_MAX - flags_text_len(f, b.sys, NULL, 0);
	b.sys = 0;
	while (len > 0) {
		for (n = 0; n < len && p[n] != ' '; n++)
			;
		if (total + n < room &&
		    flag_build_add(f, &b, p, n) == 0)
			total += n + 1;
		n += n < len;
		p += n;
		len -= n;
	}
	return flags_intern(f, b.sys, b.kw, b.n);
}

uint32_t
flags_plus(struct flags *f, uint32_t ida, uint32_t idb)
{
	const struct flag_set	*a = flags_get(f, ida), *b = flags_get(f, idb);
	uint16_t		 kw[2 * FLAGS_SET_MAX];
	uint32_t		 i = 0, j = 0, n = 0;

	if (ida == idb)
		return ida;
	while (i < a->n || j < b->n) {
		if (j == b->n || (i < a->n && a->kw[i] < b->kw[j]))
			kw[n++] = a->kw[i++];
		else {
			if (i < a->n && a->kw[i] == b->kw[j])
				i++;
			kw[n++] = b->kw[j++];
		}
	}
	return flags_intern(f, a->sys | b->sys, kw, n);
}

uint32_t
flags_minus(struct flags *f, uint32_t ida, uint32_t idb)
{
	const struct flag_set	*a = flags_get(f, ida), *b = flags_get(f, idb);
	uint16_t		 kw[FLAGS_SET_MAX];
	uint32_t		 i, j = 0, n = 0;

	for (i = 0; i < a->n; i++) {
		while (j < b->n && b->kw[j] < a->kw[i])
			j++;
		if (j == b->n || b->kw[j] != a->kw[i])
			kw[n++] = a->kw[i];
	}
	return flags_intern(f, a->sys & ~b->sys, kw, n);
}

uint32_t
flags_sys(const struct flags *f, uint32_t id)
{
	return flags_get(f, id)->sys;
}

int
flags_has_keyword(const struct flags *f, uint32_t id, int k)
{
	const struct flag_set	*s = flags_get(f, id);
	uint32_t		 i;

	for (i = 0; i < s->n && s->kw[i] <= k; i++)
		if (s->kw[i] == k)
			return 1;
	return 0;
}

static char *
flags_render(const struct flags *f, const struct flag_set *s)
{
	char	*text, *p;
	size_t	 i;

	/* one byte more than the text: the last space, which becomes NUL */
	if ((p = text = malloc(s->len + 1)) == NULL)
		return NULL;
	for (i = 0; i < NSYSTEM; i++) {
		if ((s->sys & system_flags[i].bit) == 0)
			continue;
		p = stpcpy(p, system_flags[i].name);
		*p++ = ' ';
	}
	for (i = 0; i < s->n; i++) {
		memcpy(p, f->kw[s->kw[i]].name, f->kw[s->kw[i]].len);
		p += f->kw[s->kw[i]].len;
		*p++ = ' ';
	}
	text[s->len] = '\0';
	return text;
}

const char *
flags_text(struct flags *f, uint32_t id, size_t *len)
{
	struct flag_set	*s;

	*len = 0;
	if (id == FLAGS_EMPTY || id >= f->nset || (s = f->set[id]) == NULL)
		return "";
	if (s->text == NULL && (s->text = flags_render(f, s)) == NULL)
		return NULL;
	*len = s->len;
	return s->text;
}

void
flags_sweep(struct flags *f, const uint8_t *keep)
{
	uint32_t	i;

	for (i = 1; i < f->nset; i++) {
		if (f->set[i] == NULL || (keep[i / 8] & 1 << i % 8) != 0)
			continue;
		flag_set_free(f->set[i]);
		f->set[i] = NULL;
		f->nlive--;
	}
	while (f->nset > 1 && f->set[f->nset - 1] == NULL)
		f->nset--;
	f->freeid = 1;
	flags_rehash(f);
}
