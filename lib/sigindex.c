#include <sys/types.h>
#include <errno.h>
#include <sha2.h>
#include <stdlib.h>
#include <string.h>

#include "sigindex.h"

#define VERSION		1
#define TABLE_FIRST	8192	/* grams of a message, a power of two */
#define TABLE_LAST	131072
#define GRAM		5	/* bytes, at most */
#define STREAMS		2
#define VALUES_FEWEST	8	/* of a segment; powers of two */
#define VALUES_MOST	64

#define CODE_GROUP(c)	((c) >> 25)
#define CODE_SLICE(c)	((c) >> 20 & (SIGINDEX_GROUP - 1))
#define CODE_REST(c)	((c) & 0xfffff)

static const char head_magic[4] = { 'm', 'f', 's', 'h' };
static const char manifest_magic[4] = { 'm', 'f', 's', 'm' };

struct siggrams {
	struct {
		uint8_t	 last[GRAM - 1];
		int	 n;
	}		 stream[STREAMS];
	uint32_t	*table;		/* of codes, 0: free */
	uint32_t	 size;
	uint32_t	 n;
	int		 wide;		/* too many: not counted any more */
};

void
sigindex_sum(const void *p, size_t len, uint8_t out[SIGINDEX_SUM])
{
	uint8_t		digest[SHA256_DIGEST_LENGTH];
	SHA2_CTX	ctx;

	SHA256Init(&ctx);
	SHA256Update(&ctx, p, len);
	SHA256Final(digest, &ctx);
	memcpy(out, digest, SIGINDEX_SUM);
}

/* grams */

/* Spreads a number over all bits; the high ones are used first. */
static uint32_t
spread(uint32_t x)
{
	x *= 0x9e3779b1U;
	x ^= x >> 15;
	x *= 0x85157af5U;
	x ^= x >> 13;
	return x * 0x9e3779b1U;
}

/* 0 stands for nothing. */
static uint32_t
code_of_3(const uint8_t *p)
{
	uint32_t c;

	c = spread((uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2]);
	return c != 0 ? c : 1;
}

/* A longer one is in the group of its first three bytes. */
static uint32_t
code_longer(const uint8_t *p, int n, uint32_t three)
{
	uint32_t c = three;
	int	 i;

	for (i = 3; i < n; i++)
		c = spread(c ^ (uint32_t)(p[i] + i * 256));
	c = (three & 0xfe000000U) | (c >> 7);
	return c != 0 ? c : 1;
}

static void
table_put(uint32_t *table, uint32_t size, uint32_t code, uint32_t *n)
{
	uint32_t i;

	for (i = (code * 0x9e3779b1U) & (size - 1); table[i] != 0;
	    i = (i + 1) & (size - 1))
		if (table[i] == code)
			return;
	table[i] = code;
	(*n)++;
}

static int
table_grow(struct siggrams *g)
{
	uint32_t *table, i, n = 0, size = g->size * 2;

	if (g->size == TABLE_LAST) {
		g->wide = 1;
		return 0;
	}
	if ((table = calloc(size, sizeof(*table))) == NULL)
		return -1;
	for (i = 0; i < g->size; i++)
		if (g->table[i] != 0)
			table_put(table, size, g->table[i], &n);
	free(g->table);
	g->table = table;
	g->size = size;
	return 0;
}

struct siggrams *
siggrams_open(void)
{
	struct siggrams *g;

	if ((g = calloc(1, sizeof(*g))) == NULL)
		return NULL;
	g->size = TABLE_FIRST;
	if ((g->table = calloc(g->size, sizeof(*g->table))) == NULL) {
		free(g);
		return NULL;
	}
	return g;
}

void
siggrams_free(struct siggrams *g)
{
	if (g == NULL)
		return;
	free(g->table);
	free(g);
}

/*
 * The grams that begin at p, of which n bytes are there: their codes; none
 * is over the end of a line, or has a NUL.
 */
static int
grams_at(const uint8_t *p, int n, uint32_t code[GRAM])
{
	int i, k = 0;

	for (i = 0; i < n && p[i] != '\n' && p[i] != '\0'; i++)
		if (i == 2)
			code[k++] = code_of_3(p);
		else if (i > 2)
			code[k++] = code_longer(p, i + 1, code[0]);
	return k;
}

static int
grams_put(struct siggrams *g, const uint8_t *p, int n)
{
	uint32_t code[GRAM];
	int	 i, k;

	if (g->wide)
		return 0;
	k = grams_at(p, n, code);
	for (i = 0; i < k; i++)
		table_put(g->table, g->size, code[i], &g->n);
	return g->n > g->size / 4 * 3 ? table_grow(g) : 0;
}

/* Those that begin near the end are the finish's. */
int
siggrams_feed(struct siggrams *g, int stream, const void *data, size_t len)
{
	const uint8_t	*p = data;
	uint8_t		*last = g->stream[stream].last, w[GRAM];
	size_t		 i;
	int		 n = g->stream[stream].n;

	for (i = 0; i < len; i++) {
		if (n < GRAM - 1) {
			last[n++] = p[i];
			continue;
		}
		memcpy(w, last, GRAM - 1);
		w[GRAM - 1] = p[i];
		if (grams_put(g, w, GRAM) == -1)
			return -1;
		memcpy(last, w + 1, GRAM - 1);
	}
	g->stream[stream].n = n;
	return 0;
}

int
siggrams_finish(struct siggrams *g)
{
	int i, k;

	for (i = 0; i < STREAMS; i++) {
		for (k = 0; k < g->stream[i].n; k++)
			if (grams_put(g, g->stream[i].last + k,
			    g->stream[i].n - k) == -1)
				return -1;
		g->stream[i].n = 0;
	}
	return 0;
}

void
siggrams_spoil(struct siggrams *g)
{
	g->wide = 1;
}

unsigned
siggrams_columns(const struct siggrams *g)
{
	uint32_t k = (g->n + SIGINDEX_GRAMS * 17 / 20) / SIGINDEX_GRAMS;

	if (g->wide || k > SIGINDEX_WIDE)
		return 0;
	return k > 0 ? k : 1;
}

void
siggrams_set(const struct siggrams *g, uint8_t *columns)
{
	uint32_t i, c, s, k = siggrams_columns(g);

	for (i = 0; i < g->size && k > 0; i++) {
		if ((c = g->table[i]) == 0)
			continue;
		s = CODE_GROUP(c) * SIGINDEX_GROUP + CODE_SLICE(c);
		columns[CODE_REST(c) % k * SIGINDEX_COLUMN + s / 8] |=
		    (uint8_t)(1 << (s & 7));
	}
}

/* queries */

static void
query_code(struct sigquery *q, uint32_t code)
{
	size_t i;

	for (i = 0; i < q->n; i++)
		if (q->code[i] == code)
			return;
	if (q->n < SIGINDEX_CODES)
		q->code[q->n++] = code;
}

void
sigquery_add(struct sigquery *q, const void *text, size_t len)
{
	const uint8_t	*p = text;
	uint32_t	 code[GRAM];
	int		 i, k;

	for (; len >= 3; p++, len--) {
		k = grams_at(p, len < GRAM ? (int)len : GRAM, code);
		for (i = 0; i < k; i++)
			query_code(q, code[i]);
	}
}

static unsigned
groups_of(const struct sighead *h)
{
	return SIGINDEX_GROUPS / h->nvalues;
}

/* One that has more grams tells more; few, so it is sorted by hand. */
unsigned
sighead_values(const struct sighead *h, const struct sigquery *q,
    uint16_t out[SIGINDEX_GROUPS])
{
	uint16_t	count[SIGINDEX_GROUPS];
	unsigned	v, n = 0, at;
	size_t		i;

	memset(count, 0, sizeof(count));
	for (i = 0; i < q->n; i++)
		count[CODE_GROUP(q->code[i]) / groups_of(h)]++;
	for (v = 0; v < h->nvalues; v++) {
		if (count[v] == 0)
			continue;
		for (at = n++; at > 0 && count[out[at - 1]] < count[v]; at--)
			out[at] = out[at - 1];
		out[at] = (uint16_t)v;
	}
	return n;
}

void
sighead_filter(const struct sighead *h, unsigned v, const void *value,
    const struct sigquery *q, uint8_t *alive)
{
	const uint8_t	*row;
	unsigned	 first = v * groups_of(h), group, col;
	uint32_t	 i;
	size_t		 c;

	for (c = 0; c < q->n; c++) {
		group = CODE_GROUP(q->code[c]);
		if (group < first || group >= first + groups_of(h))
			continue;
		row = (const uint8_t *)value + ((group - first) *
		    SIGINDEX_GROUP + CODE_SLICE(q->code[c])) *
		    (h->columns / 8);
		for (i = 0; i < h->n; i++) {
			if (!alive[i] || h->e[i].k == 0)
				continue;
			col = h->e[i].base + CODE_REST(q->code[c]) %
			    h->e[i].k;
			if ((row[col / 8] & 1 << (col & 7)) == 0)
				alive[i] = 0;
		}
	}
}

/* heads */

/* A value is about 16 to 32 KB, but of a small segment less. */
unsigned
sighead_nvalues(unsigned columns)
{
	unsigned n = VALUES_FEWEST;

	while (n < VALUES_MOST && columns >= n * 32)
		n *= 2;
	return n;
}

size_t
sighead_value(const struct sighead *h)
{
	return (size_t)groups_of(h) * SIGINDEX_GROUP * (h->columns / 8);
}

void
sighead_fini(struct sighead *h)
{
	free(h->e);
	memset(h, 0, sizeof(*h));
}

void
sighead_seal(struct sighead *h, unsigned v, const void *value)
{
	sigindex_sum(value, sighead_value(h), h->sum[v]);
}

int
sighead_verify(const struct sighead *h, unsigned v, const void *value,
    size_t len)
{
	uint8_t sum[SIGINDEX_SUM];

	if (len != sighead_value(h))
		return 0;
	sigindex_sum(value, len, sum);
	return memcmp(sum, h->sum[v], sizeof(sum)) == 0;
}

static int
put_varint(struct ibuf *b, uint32_t n)
{
	for (; n >= 0x80; n >>= 7)
		if (ibuf_add_n8(b, (uint8_t)(n | 0x80)) == -1)
			return -1;
	return ibuf_add_n8(b, (uint8_t)n);
}

static int
get_varint(struct ibuf *b, uint32_t *n)
{
	uint8_t	c;
	int	shift;

	*n = 0;
	for (shift = 0; shift < 35; shift += 7) {
		if (ibuf_get_n8(b, &c) == -1)
			return -1;
		if ((shift == 28 && c > 0x0f) || (shift > 0 && c == 0))
			break;
		*n |= (uint32_t)(c & 0x7f) << shift;
		if (c < 0x80)
			return 0;
	}
	errno = EBADMSG;
	return -1;
}

int
sighead_put(const struct sighead *h, struct ibuf *b)
{
	uint32_t i, was = 0;

	if (ibuf_add(b, head_magic, sizeof(head_magic)) == -1 ||
	    ibuf_add_n8(b, VERSION) == -1 ||
	    ibuf_add_n16(b, (uint16_t)h->columns) == -1 ||
	    ibuf_add_n8(b, (uint8_t)h->nvalues) == -1 ||
	    ibuf_add_n64(b, h->bytes) == -1 || ibuf_add_n32(b, h->n) == -1)
		return -1;
	for (i = 0; i < h->n; i++) {
		if (put_varint(b, h->e[i].uid - was) == -1 ||
		    ibuf_add_n8(b, h->e[i].k) == -1)
			return -1;
		was = h->e[i].uid;
	}
	return ibuf_add(b, h->sum, (size_t)h->nvalues * SIGINDEX_SUM);
}

static int
magic_get(struct ibuf *b, const char magic[4])
{
	char	m[4];
	uint8_t	version;

	if (ibuf_get(b, m, sizeof(m)) == -1 ||
	    ibuf_get_n8(b, &version) == -1)
		return -1;
	if (memcmp(m, magic, sizeof(m)) == 0 && version == VERSION)
		return 0;
	errno = EBADMSG;
	return -1;
}

/* Columns follow each other in the order of the entries. */
static int
entries_get(struct sighead *h, struct ibuf *b)
{
	struct sigentry	*e;
	uint32_t	 delta, uid = 0;
	unsigned	 base = 0;

	for (e = h->e; e < h->e + h->n; e++) {
		if (get_varint(b, &delta) == -1 ||
		    ibuf_get_n8(b, &e->k) == -1)
			return -1;
		if (delta == 0 || delta > UINT32_MAX - uid ||
		    e->k > SIGINDEX_WIDE ||
		    base + e->k > SIGINDEX_COLUMNS) {
			errno = EBADMSG;
			return -1;
		}
		e->uid = uid += delta;
		e->base = (uint16_t)base;
		base += e->k;
	}
	if ((base + 63) / 64 * 64 == h->columns)
		return 0;
	errno = EBADMSG;
	return -1;
}

static int
head_numbers(struct sighead *h, struct ibuf *b)
{
	uint16_t columns;
	uint8_t	 nvalues;

	if (magic_get(b, head_magic) == -1 ||
	    ibuf_get_n16(b, &columns) == -1 ||
	    ibuf_get_n8(b, &nvalues) == -1 ||
	    ibuf_get_n64(b, &h->bytes) == -1 ||
	    ibuf_get_n32(b, &h->n) == -1)
		return -1;
	h->columns = columns;
	h->nvalues = nvalues;
	if (columns <= SIGINDEX_COLUMNS && h->n <= SIGINDEX_COLUMNS &&
	    nvalues >= VALUES_FEWEST && nvalues <= VALUES_MOST &&
	    (nvalues & (nvalues - 1)) == 0 &&
	    sighead_value(h) <= SIGINDEX_VALUE)
		return 0;
	errno = EBADMSG;
	return -1;
}

int
sighead_get(struct sighead *h, const void *p, size_t len)
{
	struct ibuf b;

	memset(h, 0, sizeof(*h));
	ibuf_from_buffer(&b, p, len);
	if (head_numbers(h, &b) == -1)
		return -1;
	if ((h->e = calloc((size_t)h->n + 1, sizeof(*h->e))) == NULL)
		return -1;
	if (entries_get(h, &b) == -1 ||
	    ibuf_get(&b, h->sum, (size_t)h->nvalues * SIGINDEX_SUM) == -1)
		goto fail;
	if (ibuf_size(&b) == 0)
		return 0;
	errno = EBADMSG;
 fail:
	sighead_fini(h);
	return -1;
}

/* manifests */

static int
seg_put(const struct sigseg *g, struct ibuf *b)
{
	return ibuf_add_n64(b, g->id) == -1 || ibuf_add_n32(b, g->lo) == -1 ||
	    ibuf_add_n32(b, g->hi) == -1 || ibuf_add_n32(b, g->n) == -1 ||
	    ibuf_add_n16(b, g->columns) == -1 ||
	    ibuf_add(b, g->sum, sizeof(g->sum)) == -1 ? -1 : 0;
}

static int
seg_get(struct sigseg *g, struct ibuf *b)
{
	return ibuf_get_n64(b, &g->id) == -1 || ibuf_get_n32(b, &g->lo) == -1 ||
	    ibuf_get_n32(b, &g->hi) == -1 || ibuf_get_n32(b, &g->n) == -1 ||
	    ibuf_get_n16(b, &g->columns) == -1 ||
	    ibuf_get(b, g->sum, sizeof(g->sum)) == -1 ? -1 : 0;
}

int
sigmanifest_put(const struct sigmanifest *m, const char *mailbox,
    struct ibuf *b)
{
	uint8_t		sum[SIGINDEX_SUM];
	size_t		len = strlen(mailbox);
	unsigned	i;

	if (ibuf_add(b, manifest_magic, sizeof(manifest_magic)) == -1 ||
	    ibuf_add_n8(b, VERSION) == -1 ||
	    ibuf_add_n32(b, m->uidvalidity) == -1 ||
	    ibuf_add_n16(b, (uint16_t)len) == -1 ||
	    ibuf_add(b, mailbox, len) == -1 ||
	    ibuf_add_n16(b, (uint16_t)m->n) == -1)
		return -1;
	for (i = 0; i < m->n; i++)
		if (seg_put(&m->seg[i], b) == -1)
			return -1;
	sigindex_sum(ibuf_data(b), ibuf_size(b), sum);
	return ibuf_add(b, sum, sizeof(sum));
}

static int
manifest_whose(struct ibuf *b, const char *mailbox)
{
	const char	*p;
	uint16_t	 len;

	if (ibuf_get_n16(b, &len) == -1 ||
	    (p = ibuf_get_ptr(b, len)) == NULL)
		return -1;
	if (len == strlen(mailbox) && memcmp(p, mailbox, len) == 0)
		return 0;
	errno = EBADMSG;
	return -1;
}

int
sigmanifest_get(struct sigmanifest *m, const char *mailbox, const void *p,
    size_t len)
{
	uint8_t		sum[SIGINDEX_SUM];
	struct ibuf	b;
	uint16_t	n, i;

	memset(m, 0, sizeof(*m));
	errno = EBADMSG;
	if (len < sizeof(sum))
		return -1;
	len -= sizeof(sum);
	sigindex_sum(p, len, sum);
	if (memcmp(sum, (const uint8_t *)p + len, sizeof(sum)) != 0)
		return -1;
	ibuf_from_buffer(&b, p, len);
	if (magic_get(&b, manifest_magic) == -1 ||
	    ibuf_get_n32(&b, &m->uidvalidity) == -1 ||
	    manifest_whose(&b, mailbox) == -1 || ibuf_get_n16(&b, &n) == -1)
		return -1;
	errno = EBADMSG;
	if (n > SIGINDEX_SEGMENTS)
		return -1;
	for (i = 0; i < n; i++)
		if (seg_get(&m->seg[i], &b) == -1)
			return -1;
	m->n = n;
	return ibuf_size(&b) == 0 ? 0 : -1;
}

int
sigmanifest_add(struct sigmanifest *m, const struct sigseg *g)
{
	if (m->n == SIGINDEX_SEGMENTS) {
		errno = ERANGE;
		return -1;
	}
	m->seg[m->n++] = *g;
	return 0;
}

void
sigmanifest_drop(struct sigmanifest *m, uint64_t id)
{
	unsigned i, n = 0;

	for (i = 0; i < m->n; i++)
		if (m->seg[i].id != id)
			m->seg[n++] = m->seg[i];
	m->n = n;
}

/* Small, middle, and those that are as large as they should be. */
static int
level(const struct sigseg *g)
{
	return g->columns < 512 ? 0 : g->columns < 2048 ? 1 : 2;
}

/*
 * Eight small ones make a middle one; middle ones are merged when they
 * make a full one.
 */
unsigned
sigmanifest_merge(const struct sigmanifest *m, unsigned out[SIGINDEX_MERGE])
{
	unsigned i, n, columns;
	int	 l;

	for (l = 0; l < 2; l++) {
		for (i = n = columns = 0; i < m->n && n < SIGINDEX_MERGE;
		    i++) {
			if (level(&m->seg[i]) != l || columns +
			    m->seg[i].columns > SIGINDEX_COLUMNS)
				continue;
			columns += m->seg[i].columns;
			out[n++] = i;
		}
		if (n == SIGINDEX_MERGE || columns >= SIGINDEX_COLUMNS / 4 * 3)
			return n;
	}
	return 0;
}
