#include "msort.h"

static void
msort_pair(struct msort *m, uint32_t lo)
{
	m->lo = m->i = m->k = lo;
	m->j = m->n - lo > m->width ? lo + m->width : m->n;
}

void
msort_init(struct msort *m, uint32_t *a, uint32_t *b, uint32_t n)
{
	m->a = a;
	m->b = b;
	m->n = n;
	m->width = 1;
	msort_pair(m, 0);
}

/* The pair that begins at lo ends where the next one begins. */
static uint32_t
msort_end(const struct msort *m)
{
	return (m->n - m->lo) / 2 >= m->width ? m->lo + 2 * m->width : m->n;
}

/* All pairs are merged: the next round has runs twice as long. */
static void
msort_round(struct msort *m)
{
	uint32_t *t = m->a;

	m->a = m->b;
	m->b = t;
	m->width *= 2;
	msort_pair(m, 0);
}

int
msort_step(struct msort *m, uint32_t most,
    int (*cmp)(const void *, uint32_t, uint32_t), const void *arg)
{
	uint32_t mid, end;

	for (; m->width < m->n; most--) {
		if (most == 0)
			return 0;
		mid = m->n - m->lo > m->width ? m->lo + m->width : m->n;
		end = msort_end(m);
		if (m->i < mid && (m->j == end ||
		    cmp(arg, m->a[m->i], m->a[m->j]) <= 0))
			m->b[m->k++] = m->a[m->i++];
		else
			m->b[m->k++] = m->a[m->j++];
		if (m->k < end)
			continue;
		if (end < m->n)
			msort_pair(m, end);
		else
			msort_round(m);
	}
	return 1;
}
