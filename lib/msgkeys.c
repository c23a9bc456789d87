#include <errno.h>
#include <string.h>

#include "charset.h"
#include "msgkeys.h"

#define SEEN(id)	(1U << (id))

void
msgkeys_init(struct msgkeys *k)
{
	int i;

	memset(k, 0, sizeof(*k));
	for (i = 0; i < MSGKEY_MAX; i++)
		ibuf_init(&k->text[i], 12 * 4 * MSGKEYS_VALUE + 256);
	ibuf_init(&k->id, MSGKEYS_VALUE);
	ibuf_init(&k->refs, MSGKEYS_VALUE);
	ibuf_init(&k->irt, MSGKEYS_VALUE);
}

void
msgkeys_clear(struct msgkeys *k)
{
	int i;

	k->seen = 0;
	k->dated = k->reply = 0;
	for (i = 0; i < MSGKEY_MAX; i++)
		ibuf_truncate(&k->text[i], 0);
	ibuf_truncate(&k->id, 0);
	ibuf_truncate(&k->refs, 0);
	ibuf_truncate(&k->irt, 0);
}

void
msgkeys_fini(struct msgkeys *k)
{
	int i;

	for (i = 0; i < MSGKEY_MAX; i++)
		ibuf_fini(&k->text[i]);
	ibuf_fini(&k->id);
	ibuf_fini(&k->refs);
	ibuf_fini(&k->irt);
}

/* Whole characters of UTF-8, at most so many bytes. */
static void
keys_cut(struct ibuf *b)
{
	const uint8_t	*p = ibuf_data(b);
	size_t		 n = MSGKEYS_TEXT;

	if (ibuf_size(b) <= n)
		return;
	while (n > 0 && (p[n] & 0xc0) == 0x80)
		n--;
	ibuf_truncate(b, n);
}

static int
keys_fold(struct ibuf *to, const struct ibuf *from)
{
	if (charset_fold(to, (const char *)ibuf_data(from),
	    ibuf_size(from)) == -1)
		return -1;
	keys_cut(to);
	return 0;
}

static int
keys_subject(struct msgkeys *k, const struct hstr *v)
{
	struct ibuf	b;
	int		r;

	ibuf_init(&b, 4 * MSGKEYS_VALUE + 256);
	if ((r = header_base_subject(&b, v->p, v->len)) != -1) {
		k->reply = r;
		r = keys_fold(&k->text[MSGKEY_SUBJECT], &b);
	}
	ibuf_fini(&b);
	return r;
}

static int
keys_date(struct msgkeys *k, const struct hstr *v)
{
	k->dated = rfcdate_parse_mail(&k->date, v->p, v->len) == 0;
	return 0;
}

/* The first address: a group counts as one, by its name. */
static int
keys_display(struct ibuf *b, const struct header_addr *a)
{
	if (a->name.p != NULL && a->name.len > 0)
		return header_decode(b, a->name.p, a->name.len);
	if (a->local.p != NULL && ibuf_add(b, a->local.p,
	    a->local.len) == -1)
		return -1;
	if (a->domain.p == NULL)
		return 0;
	if (ibuf_add_n8(b, '@') == -1)
		return -1;
	return ibuf_add(b, a->domain.p, a->domain.len);
}

static int
keys_addr(struct msgkeys *k, const struct hstr *v, enum msgkey local,
    enum msgkey display)
{
	struct header_addrs	it;
	struct header_addr	a;
	const struct hstr	*l;
	struct ibuf		b;
	int			r;

	header_addr_start(&it, v->p, v->len);
	if (header_addr_next(&it, &a) != 1)
		return 0;
	ibuf_init(&b, 4 * HEADER_ADDR_MAX + 256);
	l = a.kind == HEADER_ADDR_GROUP ? &a.name : &a.local;
	r = l->p != NULL ? ibuf_add(&b, l->p, l->len) : 0;
	if (r == 0)
		r = keys_fold(&k->text[local], &b);
	ibuf_truncate(&b, 0);
	if (r == 0 && display != MSGKEY_MAX &&
	    (r = keys_display(&b, &a)) == 0)
		r = keys_fold(&k->text[display], &b);
	ibuf_fini(&b);
	return r;
}

static int
keys_from(struct msgkeys *k, const struct hstr *v)
{
	return keys_addr(k, v, MSGKEY_FROM, MSGKEY_DISPLAYFROM);
}

static int
keys_to(struct msgkeys *k, const struct hstr *v)
{
	return keys_addr(k, v, MSGKEY_TO, MSGKEY_DISPLAYTO);
}

static int
keys_cc(struct msgkeys *k, const struct hstr *v)
{
	return keys_addr(k, v, MSGKEY_CC, MSGKEY_MAX);
}

/* An id with a line feed behind it; it has none in itself. */
static int
keys_put_id(struct ibuf *b, const struct hstr *id)
{
	if (id->len == 0 || memchr(id->p, '\n', id->len) != NULL)
		return 0;
	if (ibuf_add(b, id->p, id->len) == -1)
		return errno == ERANGE ? 0 : -1;
	if (ibuf_add_n8(b, '\n') == 0)
		return 0;
	ibuf_truncate(b, ibuf_size(b) - id->len);
	return errno == ERANGE ? 0 : -1;
}

static int
keys_id(struct msgkeys *k, const struct hstr *v)
{
	struct header_msgids	it;
	struct hstr		id;

	header_msgid_start(&it, v->p, v->len);
	return header_msgid_next(&it, &id) == 1 ?
	    ibuf_add(&k->id, id.p, id.len) : 0;
}

static int
keys_references(struct msgkeys *k, const struct hstr *v)
{
	struct header_msgids	it;
	struct hstr		id;

	header_msgid_start(&it, v->p, v->len);
	while (header_msgid_next(&it, &id) == 1)
		if (keys_put_id(&k->refs, &id) == -1)
			return -1;
	return 0;
}

static int
keys_in_reply_to(struct msgkeys *k, const struct hstr *v)
{
	struct header_msgids	it;
	struct hstr		id;

	header_msgid_start(&it, v->p, v->len);
	return header_msgid_next(&it, &id) == 1 ?
	    keys_put_id(&k->irt, &id) : 0;
}

static const struct {
	enum header_id	 id;
	int		 (*take)(struct msgkeys *, const struct hstr *);
} takers[] = {
	{ HEADER_DATE, keys_date },
	{ HEADER_SUBJECT, keys_subject },
	{ HEADER_FROM, keys_from },
	{ HEADER_TO, keys_to },
	{ HEADER_CC, keys_cc },
	{ HEADER_IN_REPLY_TO, keys_in_reply_to },
	{ HEADER_MESSAGE_ID, keys_id },
	{ HEADER_REFERENCES, keys_references },
};

int
msgkeys_field(struct msgkeys *k, const struct hstr *name,
    const struct hstr *value)
{
	enum header_id	id = header_id(name->p, name->len);
	struct hstr	v = *value;
	size_t		i;

	if (id == HEADER_NONE || v.p == NULL)
		return 0;
	if (v.len > MSGKEYS_VALUE)
		v.len = MSGKEYS_VALUE;
	for (i = 0; i < sizeof(takers) / sizeof(takers[0]); i++) {
		if (takers[i].id != id || k->seen & SEEN(i))
			continue;
		k->seen |= SEEN(i);
		return takers[i].take(k, &v);
	}
	return 0;
}

int
msgkeys_header(struct msgkeys *k, const void *p, size_t len)
{
	struct header_iter	it;
	struct header_field	f;

	header_start(&it, p, len);
	while (header_next(&it, &f))
		if (msgkeys_field(k, &f.name, &f.value) == -1)
			return -1;
	return 0;
}

const struct ibuf *
msgkeys_refs(const struct msgkeys *k)
{
	return ibuf_size(&k->refs) > 0 ? &k->refs : &k->irt;
}
