/*
 * Remote addresses: how many connections each has over all listeners, and
 * how many of its logins failed lately.  An IPv6 address counts as its /64,
 * which is what one machine has to itself.
 *
 * One failure is forgotten every ADDR_FORGET seconds.  Of addresses without
 * a connection at most ADDR_IDLE_MAX are remembered, those that failed last.
 */
#include <stdlib.h>
#include <string.h>

#include "auth_int.h"

static int
addr_cmp(const struct auth_addr *a, const struct auth_addr *b)
{
	if (a->len != b->len)
		return a->len < b->len ? -1 : 1;
	return memcmp(a->addr, b->addr, a->len);
}

static RB_HEAD(addrs, auth_addr) addrs = RB_INITIALIZER(&addrs);
static TAILQ_HEAD(, auth_addr)	 idle = TAILQ_HEAD_INITIALIZER(idle);
static uint32_t			 naddrs, nidle;

RB_PROTOTYPE_STATIC(addrs, auth_addr, entry, addr_cmp)
RB_GENERATE_STATIC(addrs, auth_addr, entry, addr_cmp)

static void
addr_free(struct auth_addr *a)
{
	RB_REMOVE(addrs, &addrs, a);
	naddrs--;
	free(a);
}

static void
addr_unidle(struct auth_addr *a)
{
	TAILQ_REMOVE(&idle, a, idle);
	nidle--;
}

struct auth_addr *
auth_addr_open(const uint8_t *addr, size_t len)
{
	struct auth_addr key, *a;

	memset(&key, 0, sizeof(key));
	key.len = (uint8_t)len;
	memcpy(key.addr, addr, len == 16 ? 8 : len);
	if ((a = RB_FIND(addrs, &addrs, &key)) == NULL) {
		if ((a = calloc(1, sizeof(*a))) == NULL)
			return NULL;
		a->len = key.len;
		memcpy(a->addr, key.addr, sizeof(a->addr));
		RB_INSERT(addrs, &addrs, a);
		naddrs++;
	} else if (a->conns == 0)
		addr_unidle(a);
	a->conns++;
	return a;
}

void
auth_addr_close(struct auth_addr *a, time_t now)
{
	struct auth_addr *old;

	if (a == NULL || --a->conns > 0)
		return;
	if (auth_addr_failures(a, now) == 0) {
		addr_free(a);
		return;
	}
	TAILQ_INSERT_TAIL(&idle, a, idle);
	nidle++;
	/* the oldest go: all that is forgotten by now, or the table is full */
	while ((old = TAILQ_FIRST(&idle)) != NULL && (nidle > ADDR_IDLE_MAX ||
	    auth_addr_failures(old, now) == 0)) {
		addr_unidle(old);
		addr_free(old);
	}
}

uint32_t
auth_addr_failures(struct auth_addr *a, time_t now)
{
	time_t n = (now - a->since) / ADDR_FORGET;

	if (n >= (time_t)a->failures)
		a->failures = 0;
	else {
		a->failures -= (uint32_t)n;
		a->since += n * ADDR_FORGET;
	}
	return a->failures;
}

void
auth_addr_failed(struct auth_addr *a, time_t now)
{
	if (auth_addr_failures(a, now) == 0)
		a->since = now;
	a->failures++;
}

uint32_t
auth_addr_count(void)
{
	return naddrs;
}
