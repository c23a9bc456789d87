#include <sys/types.h>
#include <atf-c.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <event.h>

#include "tmo.h"

static struct tmo_class	 one, two, never;
static struct tmo	*order[1000];
static int		 norder;
static time_t		 fired_at[1000];

static void
note(struct tmo *t)
{
	fired_at[norder] = tmo_now();
	order[norder++] = t;
}

static void
set_up(void)
{
	event_init();
	tmo_class_init(&one, 1, note);
	tmo_class_init(&two, 2, note);
	tmo_class_init(&never, 0, note);
}

/* The loop, until so many have fired. */
static void
until(int n)
{
	while (norder < n) {
		tmo_turn();
		ATF_REQUIRE_EQ(0, event_loop(EVLOOP_ONCE));
	}
}

ATF_TC_WITHOUT_HEAD(order);
ATF_TC_BODY(order, tc)
{
	static struct tmo	t[6];
	time_t			start;

	set_up();
	tmo_turn();
	start = tmo_now();
	tmo_start(&t[0], &two);
	tmo_start(&t[1], &one);
	tmo_start(&t[2], &one);
	tmo_start(&t[3], &one);
	tmo_start(&t[4], &never);
	ATF_CHECK(t[4].class == NULL);
	tmo_stop(&t[2]);
	tmo_stop(&t[2]);
	tmo_stop(&t[5]);
	until(3);
	ATF_CHECK_EQ(&t[1], order[0]);
	ATF_CHECK_EQ(&t[3], order[1]);
	ATF_CHECK_EQ(&t[0], order[2]);
	ATF_CHECK_EQ(&one, t[1].fired);
	ATF_CHECK_EQ(&two, t[0].fired);
	ATF_CHECK(t[0].class == NULL);
	/* never early */
	ATF_CHECK(fired_at[0] >= start + 1);
	ATF_CHECK(fired_at[2] >= start + 2);
}

/* Starting anew moves the end; another class, too. */
ATF_TC_WITHOUT_HEAD(anew);
ATF_TC_BODY(anew, tc)
{
	static struct tmo	t[3];
	time_t			start;

	set_up();
	tmo_turn();
	start = tmo_now();
	tmo_start(&t[0], &one);
	tmo_start(&t[1], &one);
	tmo_start(&t[0], &two);
	tmo_start(&t[2], &one);
	tmo_start(&t[2], &never);
	until(2);
	ATF_CHECK_EQ(&t[1], order[0]);
	ATF_CHECK_EQ(&t[0], order[1]);
	ATF_CHECK(fired_at[1] >= start + 2);
}

/* A class whose length was cut: its queue stays in order. */
ATF_TC_WITHOUT_HEAD(cut);
ATF_TC_BODY(cut, tc)
{
	static struct tmo	t[3];

	set_up();
	tmo_class_set(&two, 3);
	tmo_start(&t[0], &two);
	tmo_class_set(&two, 1);
	tmo_start(&t[1], &two);
	tmo_class_set(&two, 2);
	tmo_start(&t[2], &two);
	until(3);
	ATF_CHECK_EQ(&t[1], order[0]);
	ATF_CHECK_EQ(&t[2], order[1]);
	ATF_CHECK_EQ(&t[0], order[2]);
}

static struct tmo	 again;
static int		 rounds;

static void
restart(struct tmo *t)
{
	note(t);
	if (++rounds < 3)
		tmo_start(&again, &one);
}

/* What fires may start itself again, and stop or free others. */
ATF_TC_WITHOUT_HEAD(within);
ATF_TC_BODY(within, tc)
{
	event_init();
	tmo_class_init(&one, 1, restart);
	tmo_start(&again, &one);
	until(3);
	ATF_CHECK_EQ(3, rounds);
	ATF_CHECK(fired_at[2] >= fired_at[0] + 2);
}

static struct tmo *victims[2];

static void
kill_other(struct tmo *t)
{
	struct tmo *o = victims[t == victims[0]];

	note(t);
	tmo_stop(o);
	free(o);
	free(t);
}

ATF_TC_WITHOUT_HEAD(others);
ATF_TC_BODY(others, tc)
{
	static struct tmo late;

	event_init();
	tmo_class_init(&one, 1, kill_other);
	tmo_class_init(&two, 2, note);
	victims[0] = calloc(1, sizeof(*victims[0]));
	victims[1] = calloc(1, sizeof(*victims[1]));
	tmo_start(victims[0], &one);
	tmo_start(victims[1], &one);
	tmo_start(&late, &two);
	until(2);
	ATF_CHECK_EQ(&late, order[1]);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, order);
	ATF_TP_ADD_TC(tp, anew);
	ATF_TP_ADD_TC(tp, cut);
	ATF_TP_ADD_TC(tp, within);
	ATF_TP_ADD_TC(tp, others);
	return atf_no_error();
}
