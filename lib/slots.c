#include <stdlib.h>
#include <string.h>

#include "slots.h"

#define SLOT_BITS	20
#define SLOT_OF(id)	((id) & (SLOTS_MAX - 1))

void
slots_init(struct slots *s)
{
	memset(s, 0, sizeof(*s));
	s->head = s->tail = SLOTS_MAX;
}

static void
slots_put_free(struct slots *s, uint32_t i)
{
	s->v[i].next = SLOTS_MAX;
	if (s->tail == SLOTS_MAX)
		s->head = i;
	else
		s->v[s->tail].next = i;
	s->tail = i;
}

static int
slots_grow(struct slots *s)
{
	struct slot	*v;
	uint32_t	 i, n;

	n = s->n == 0 ? 32 : s->n * 2;
	if (n > SLOTS_MAX ||
	    (v = recallocarray(s->v, s->n, n, sizeof(*v))) == NULL)
		return -1;
	s->v = v;
	for (i = s->n; i < n; i++)
		slots_put_free(s, i);
	s->n = n;
	return 0;
}

uint32_t
slots_add(struct slots *s, void *p)
{
	uint32_t i, count;

	if (s->head == SLOTS_MAX && slots_grow(s) == -1)
		return 0;
	i = s->head;
	if ((s->head = s->v[i].next) == SLOTS_MAX)
		s->tail = SLOTS_MAX;
	/* the upper bits count from 1 on: no number is 0 */
	count = (s->v[i].id >> SLOT_BITS) + 1;
	if (count >> (32 - SLOT_BITS) != 0)
		count = 1;
	s->v[i].id = count << SLOT_BITS | i;
	s->v[i].p = p;
	s->used++;
	return s->v[i].id;
}

void *
slots_get(const struct slots *s, uint32_t id)
{
	uint32_t i = SLOT_OF(id);

	if (i >= s->n || s->v[i].id != id || id == 0)
		return NULL;
	return s->v[i].p;
}

void
slots_del(struct slots *s, uint32_t id)
{
	uint32_t i = SLOT_OF(id);

	if (slots_get(s, id) == NULL)
		return;
	s->v[i].p = NULL;
	s->used--;
	slots_put_free(s, i);
}

void *
slots_each(const struct slots *s, uint32_t *i)
{
	while (*i < s->n) {
		if (s->v[*i].p != NULL)
			return s->v[(*i)++].p;
		(*i)++;
	}
	return NULL;
}
