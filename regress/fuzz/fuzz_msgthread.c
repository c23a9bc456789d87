/*
 * Lines are messages: date, subject, id and references are one byte each.
 * Every message is in the threads once, and the text is well nested.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "ibuf.h"
#include "msgthread.h"

#define MOST	200

const struct fuzz_seed fuzz_seeds[] = {
	FUZZ_SEED("1s0a\n2s1bac\n3s1cab\n4s1dac\n5t0e\n6t0f\n7u1gxy\n8u1hxy"),
	FUZZ_SEED("1a0ab\n2b0ba\n3c0cc\n1a0a\n\n9x"),
};
const size_t fuzz_nseeds = sizeof(fuzz_seeds) / sizeof(fuzz_seeds[0]);

static void
check(enum msgthread_algorithm a, const struct msgthread_msg *m, uint32_t n)
{
	struct msgthread	 t;
	struct ibuf		 b;
	uint8_t			 seen[MOST + 1] = { 0 };
	const uint8_t		*p, *end;
	uint32_t		 i, uid = 0;
	int			 depth = 0;

	ibuf_init(&b, 1024 * 1024);
	if (msgthread_make(&t, a, m, n) == -1)
		abort();
	for (i = t.root; i != MSGTHREAD_NONE; i = t.node[i].next)
		if (msgthread_put(&t, i, "[,]", 10000, &b) == -1)
			abort();
	p = ibuf_data(&b);
	for (end = p + ibuf_size(&b); p < end; p++) {
		if (*p >= '0' && *p <= '9') {
			uid = uid * 10 + *p - '0';
			continue;
		}
		if (uid > 0 && (uid > n || seen[uid]++))
			abort();
		uid = 0;
		depth += *p == '[' ? 1 : *p == ']' ? -1 : 0;
		if (depth < 0)
			abort();
	}
	for (i = 1; i <= n; i++)
		if (!seen[i])
			abort();
	if (depth != 0)
		abort();
	ibuf_fini(&b);
	msgthread_fini(&t);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct msgthread_msg m[MOST];
	static char		 refs[MOST][2 * 64];
	const char		*p = (const char *)data, *nl;
	uint32_t		 n = 0;
	size_t			 l, i;

	for (; len > 0 && n < MOST; p += l, len -= l, n++) {
		nl = memchr(p, '\n', len);
		l = nl != NULL ? (size_t)(nl - p) + 1 : len;
		i = nl != NULL ? l - 1 : l;
		memset(&m[n], 0, sizeof(m[n]));
		m[n].uid = n + 1;
		m[n].date = i > 0 ? p[0] : 0;
		m[n].subject.p = i > 1 ? p + 1 : "";
		m[n].subject.len = i > 1 && p[1] != ' ';
		m[n].reply = i > 2 && p[2] & 1;
		m[n].id.p = i > 3 ? p + 3 : "";
		m[n].id.len = i > 3 && p[3] != ' ';
		m[n].refs.p = refs[n];
		for (; i > 4 && m[n].refs.len < sizeof(refs[n]); i--) {
			refs[n][m[n].refs.len++] = p[i - 1];
			refs[n][m[n].refs.len++] = '\n';
		}
	}
	check(MSGTHREAD_REFERENCES, m, n);
	check(MSGTHREAD_ORDEREDSUBJECT, m, n);
	return 0;
}
