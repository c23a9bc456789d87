/*
 * Many quiet sessions: what each costs in memory, and how soon one that
 * waits in IDLE is told of new mail.
 */
#include <sys/types.h>
#include <err.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

#define IDLE_SETTLE	2	/* seconds, before memory is looked at */

static struct conn	*conns;

static void
idle_open(unsigned int n, const struct act *script)
{
	unsigned int i, j, some;

	if ((conns = calloc(n, sizeof(*conns))) == NULL)
		err(1, NULL);
	for (i = 0; i < n; i += some) {
		some = n - i < CONN_WINDOW ? n - i : CONN_WINDOW;
		for (j = i; j < i + some; j++) {
			conns[j].id = j;
			conns[j].user = USER_IDLE + j;
			conn_open(&conns[j], IMAP);
		}
		conn_run(conns + i, some, script);
	}
}

static void
idle_close(unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		conn_free(&conns[i]);
	free(conns);
	sleep(IDLE_SETTLE);
}

/* Logged in, no mailbox selected. */
void
idle_memory(unsigned int n)
{
	struct cost_memory before, after;

	before = cost_memory(opts.server);
	idle_open(n, imap_begin);
	sleep(IDLE_SETTLE);
	after = cost_memory(opts.server);
	printf("memory\t%s\t%u\t%.0f\t%.0f\t%.0f\n", opts.label, n,
	    before.pss, after.pss, after.anon - before.anon);
	idle_close(n);
}

/* "* 3 EXISTS" among what has come of late? */
static int
idle_told(struct conn *c)
{
	char line[32];

	conn_read(c);
	if (c->eof)
		conn_wrong(c, "the server closed");
	snprintf(line, sizeof(line), "* %u EXISTS\r\n", c->exists + 1);
	if (c->have == 0 || strstr(c->in, line) == NULL)
		return 0;
	c->exists++;
	/* RECENT may follow now or later; it is no news */
	conn_take(c, c->have);
	return 1;
}

/* Seconds from LMTP's 250 to the EXISTS, 0 if that was there before. */
static double
idle_deliver(struct conn *mta, struct conn *to)
{
	struct pollfd	pfd[2] = { { to->fd, POLLIN, 0 },
			    { mta->fd, POLLIN, 0 } };
	double		sent = 0, told = 0;

	mta->user = to->user;
	conn_start(mta, lmtp_deliver);
	while (sent == 0 || told == 0) {
		if (poll(pfd, 2, CONN_PATIENCE * 1000) <= 0)
			errx(1, "%s: u%u is not told of its mail",
			    opts.label, to->user);
		if (pfd[0].revents != 0 && idle_told(to))
			told = now();
		if (pfd[1].revents == 0)
			continue;
		conn_read(mta);
		if (conn_advance(mta))
			sent = now();
	}
	return told > sent ? told - sent : 0;
}

/* The others have heard nothing of messages. */
static void
idle_quiet(unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		conn_read(&conns[i]);
		if (conns[i].eof)
			conn_wrong(&conns[i], "the server closed");
		if (conns[i].have > 0 &&
		    strstr(conns[i].in, " EXISTS") != NULL)
			conn_wrong(&conns[i], "told of another's mail");
	}
}

static int
idle_compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

void
idle_latency(unsigned int n, unsigned int times)
{
	struct cost_memory	 before, after;
	struct conn		 mta;
	double			*took;
	unsigned int		 i;

	if ((took = calloc(times, sizeof(*took))) == NULL)
		err(1, NULL);
	memset(&mta, 0, sizeof(mta));
	conn_open(&mta, LMTP);
	conn_run(&mta, 1, lmtp_begin);
	before = cost_memory(opts.server);
	idle_open(n, imap_idle);
	sleep(IDLE_SETTLE);
	after = cost_memory(opts.server);
	for (i = 0; i < times; i++)
		took[i] = idle_deliver(&mta, &conns[message_random(n) - 1]);
	idle_quiet(n);
	qsort(took, times, sizeof(*took), idle_compare);
	printf("latency\t%s\t%u\t%u\t%.6f\t%.6f\n", opts.label, n, times,
	    took[times / 2], took[times - 1]);
	printf("idling\t%s\t%u\t%.0f\n", opts.label, n,
	    after.anon - before.anon);
	conn_free(&mta);
	idle_close(n);
	free(took);
}
