/*
 * lib/io.c over socketpairs and TLS: what goes in comes out, in order,
 * however it is cut, paused, blocked or ended.
 */
#include <sys/types.h>
#include <sys/socket.h>
#include <atf-c.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event.h>

#include "io.h"

struct end {
	struct io	 io;
	struct ibuf	 got;
	size_t		 take;		/* most that one call uses, 0: all */
	size_t		 block;		/* uses whole blocks of this only */
	int		 calls;
	int		 drained;
	int		 secured;
	int		 closed;
	int		 freed;
	char		 why[64];
};

static int more;

static size_t
on_data(struct io *io, const uint8_t *p, size_t len)
{
	struct end	*e = io->arg;
	size_t		 n = len;

	e->calls++;
	if (e->take > 0 && n > e->take)
		n = e->take;
	if (e->block > 0)
		n = len / e->block * e->block;
	ATF_REQUIRE_EQ(0, ibuf_add(&e->got, p, n));
	return n;
}

static void
on_drained(struct io *io)
{
	((struct end *)io->arg)->drained++;
}

static void
on_secured(struct io *io)
{
	((struct end *)io->arg)->secured++;
}

static void
on_closed(struct io *io, const char *why)
{
	struct end *e = io->arg;

	e->closed++;
	strlcpy(e->why, why, sizeof(e->why));
}

static const struct io_ops ops = {
	.data = on_data,
	.drained = on_drained,
	.secured = on_secured,
	.closed = on_closed
};

static void
end_init(struct end *e, int fd)
{
	signal(SIGPIPE, SIG_IGN);
	memset(e, 0, sizeof(*e));
	ibuf_init(&e->got, 64 * 1024 * 1024);
	ATF_REQUIRE_EQ(0, io_init(&e->io, fd, &ops, e));
	io_resume(&e->io);
}

/* One end is an io, the other a descriptor of the test. */
static int
half(struct end *e)
{
	int sv[2];

	event_init();
	ATF_REQUIRE_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
	end_init(e, sv[0]);
	ATF_REQUIRE(fcntl(sv[1], F_SETFL, O_NONBLOCK) != -1);
	return sv[1];
}

static void
both(struct end *a, struct end *b)
{
	int sv[2];

	event_init();
	ATF_REQUIRE_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
	end_init(a, sv[0]);
	end_init(b, sv[1]);
}

static void
turn(void)
{
	event_loop(EVLOOP_ONCE | EVLOOP_NONBLOCK);
	more = io_turn();
}

/* Turns until it holds; a thousand are enough for everything here. */
#define UNTIL(cond) do {						\
	int _i;								\
	for (_i = 0; _i < 100000 && !(cond); _i++)			\
		turn();							\
	ATF_REQUIRE_MSG(cond, "never: " #cond);				\
} while (0)

static void
quiet(void)
{
	int i;

	for (i = 0; i < 10; i++)
		turn();
}

static void
text(struct end *e, const char *want)
{
	ATF_CHECK_EQ_MSG(strlen(want), ibuf_size(&e->got), "%.*s",
	    (int)ibuf_size(&e->got), (char *)ibuf_data(&e->got));
	ATF_CHECK(*want == '\0' || memcmp(want, ibuf_data(&e->got),
	    ibuf_size(&e->got)) == 0);
	ibuf_fini(&e->got);
}

static void
put(int fd, const char *s)
{
	ATF_REQUIRE_EQ((ssize_t)strlen(s), write(fd, s, strlen(s)));
}

ATF_TC_WITHOUT_HEAD(plain);
ATF_TC_BODY(plain, tc)
{
	struct end a, b;

	both(&a, &b);
	ATF_CHECK_EQ(0, io_puts(&a.io, "hello "));
	ATF_CHECK_EQ(0, io_printf(&a.io, "%s %d\n", "world", 7));
	UNTIL(ibuf_size(&b.got) == 14);
	text(&b, "hello world 7\n");
	ATF_CHECK_EQ(1, b.calls);
	ATF_CHECK_EQ(14, a.io.nout);
	ATF_CHECK_EQ(14, b.io.nin);
	ATF_CHECK_EQ(0, io_outlen(&a.io));
	ATF_CHECK_EQ(0, io_is_tls(&a.io));
}

/* What is not used is shown again, with more behind it. */
ATF_TC_WITHOUT_HEAD(partial);
ATF_TC_BODY(partial, tc)
{
	struct end	a;
	int		fd = half(&a);

	a.block = 4;
	put(fd, "abc");
	quiet();
	text(&a, "");
	put(fd, "defgh");
	UNTIL(ibuf_size(&a.got) == 8);
	text(&a, "abcdefgh");
	put(fd, "ij");
	quiet();
	text(&a, "");
	a.block = 0;
	io_resume(&a.io);
	UNTIL(ibuf_size(&a.got) > 0);
	text(&a, "ij");
}

ATF_TC_WITHOUT_HEAD(too_long);
ATF_TC_BODY(too_long, tc)
{
	struct end	a;
	int		i, fd = half(&a);

	a.block = 100000;
	a.io.inmax = 20;
	for (i = 0; i < 3; i++) {
		put(fd, "0123456789");
		quiet();
		ATF_CHECK_EQ(i == 2, a.closed);
	}
	ATF_CHECK_STREQ("input too long", a.why);
}

/* A paused one reads nothing; its peer blocks, and nothing is lost. */
ATF_TC_WITHOUT_HEAD(paused);
ATF_TC_BODY(paused, tc)
{
	struct end	 a;
	static char	 big[65536];
	size_t		 sent = 0;
	ssize_t		 n;
	int		 fd = half(&a);

	io_pause(&a.io);
	while ((n = write(fd, big, sizeof(big))) > 0) {
		sent += (size_t)n;
		quiet();
	}
	ATF_CHECK_EQ(EAGAIN, errno);
	ATF_CHECK_EQ(0, a.calls);
	io_resume(&a.io);
	UNTIL(ibuf_size(&a.got) == sent);
	ATF_CHECK_EQ(0, a.closed);
	ibuf_fini(&a.got);
}

/* A peer's end waits behind what it sent, and behind a pause. */
ATF_TC_WITHOUT_HEAD(peer_ends);
ATF_TC_BODY(peer_ends, tc)
{
	struct end	a;
	int		fd = half(&a);

	io_pause(&a.io);
	put(fd, "last");
	close(fd);
	quiet();
	ATF_CHECK_EQ(0, a.closed);
	io_resume(&a.io);
	UNTIL(a.closed);
	text(&a, "last");
	ATF_CHECK_STREQ("peer closed", a.why);
	ATF_CHECK_EQ(1, a.closed);
}

/* Half of something, and the end: it will never be whole. */
ATF_TC_WITHOUT_HEAD(peer_ends_halfway);
ATF_TC_BODY(peer_ends_halfway, tc)
{
	struct end	a;
	int		fd = half(&a);

	a.block = 4;
	put(fd, "abcdef");
	close(fd);
	UNTIL(a.closed);
	text(&a, "abcd");
	ATF_CHECK_STREQ("peer closed", a.why);
}

/* An answer to the last words is still sent. */
ATF_TC_WITHOUT_HEAD(held);
ATF_TC_BODY(held, tc)
{
	struct end	a;
	char		buf[10];
	int		fd = half(&a);

	io_hold(&a.io, 1);
	put(fd, "ask");
	ATF_REQUIRE_EQ(0, shutdown(fd, SHUT_WR));
	quiet();
	text(&a, "ask");
	ATF_CHECK_EQ(0, a.closed);
	io_puts(&a.io, "answer");
	io_hold(&a.io, 0);
	UNTIL(a.closed);
	ATF_CHECK_EQ(6, read(fd, buf, sizeof(buf)));
	ATF_CHECK_EQ(0, read(fd, buf, sizeof(buf)));
}

/* Close sends what is queued, abort does not; each tells once. */
ATF_TC_WITHOUT_HEAD(ends);
ATF_TC_BODY(ends, tc)
{
	struct end	 a;
	static char	 big[300000], buf[400000];
	size_t		 got = 0;
	ssize_t		 n;
	int		 fd = half(&a);

	io_write(&a.io, big, sizeof(big));
	io_close(&a.io, "bye");
	io_close(&a.io, "again");
	quiet();
	ATF_CHECK_EQ(0, a.closed);
	while (!a.closed) {
		while ((n = read(fd, buf, sizeof(buf))) > 0)
			got += (size_t)n;
		turn();
	}
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		got += (size_t)n;
	ATF_CHECK_EQ(sizeof(big), got);
	ATF_CHECK_STREQ("bye", a.why);
	close(fd);
	fd = half(&a);
	io_write(&a.io, big, sizeof(big));
	io_abort(&a.io, "now");
	io_abort(&a.io, "later");
	turn();
	ATF_CHECK_EQ(1, a.closed);
	ATF_CHECK_STREQ("now", a.why);
	ATF_CHECK_EQ(0, read(fd, buf, sizeof(buf)));
	quiet();
	ATF_CHECK_EQ(1, a.closed);
}

ATF_TC_WITHOUT_HEAD(marks);
ATF_TC_BODY(marks, tc)
{
	struct end	 a;
	static char	 big[400000], buf[65536];
	int		 fd = half(&a);

	a.io.high = 100000;
	a.io.low = 1000;
	io_write(&a.io, big, 50000);
	ATF_CHECK_EQ(0, io_full(&a.io));
	quiet();
	ATF_CHECK_EQ(0, a.drained);
	io_write(&a.io, big, sizeof(big));
	ATF_CHECK_EQ(1, io_full(&a.io));
	quiet();
	ATF_CHECK_EQ(0, a.drained);
	while (io_outlen(&a.io) > 1000) {
		ATF_CHECK_EQ(0, a.drained);
		ATF_REQUIRE(read(fd, buf, sizeof(buf)) > 0);
		turn();
	}
	UNTIL(a.drained == 1);
	while (read(fd, buf, sizeof(buf)) > 0)
		turn();
	quiet();
	ATF_CHECK_EQ(1, a.drained);
}

/* A peer that reads no more may have said why. */
ATF_TC_WITHOUT_HEAD(last_word);
ATF_TC_BODY(last_word, tc)
{
	struct end	 a;
	static char	 big[100000];
	int		 fd;

	fd = half(&a);
	io_pause(&a.io);
	put(fd, "no");
	close(fd);
	io_write(&a.io, big, sizeof(big));
	UNTIL(a.closed);
	ATF_CHECK_STREQ("write error", a.why);
	text(&a, "");
	fd = half(&a);
	io_last_word(&a.io);
	put(fd, "no");
	close(fd);
	io_write(&a.io, big, sizeof(big));
	UNTIL(a.closed);
	text(&a, "no");
	ATF_CHECK_EQ(1, io_deaf(&a.io));
}

/* Everything that a callback may do to its own connection. */
static int action;

static size_t
act_data(struct io *io, const uint8_t *p, size_t len)
{
	struct end *e = io->arg;

	e->calls++;
	switch (action) {
	case 0:
		io_abort(io, "act");
		break;
	case 1:
		io_puts(io, "bye");
		io_close(io, "act");
		break;
	case 2:
		io_pause(io);
		return 1;
	}
	return len;
}

static const struct io_ops act_ops = {
	.data = act_data,
	.drained = on_drained,
	.closed = on_closed
};

ATF_TC_WITHOUT_HEAD(within);
ATF_TC_BODY(within, tc)
{
	struct end	a;
	char		buf[10];
	int		fd;

	for (action = 0; action < 2; action++) {
		fd = half(&a);
		a.io.ops = &act_ops;
		put(fd, "xyz");
		UNTIL(a.closed);
		ATF_CHECK_STREQ("act", a.why);
		ATF_CHECK_EQ(1, a.calls);
		ATF_CHECK_EQ(action * 3, read(fd, buf, sizeof(buf)));
		close(fd);
	}
	fd = half(&a);
	a.io.ops = &act_ops;
	put(fd, "xyz");
	quiet();
	ATF_CHECK_EQ(1, a.calls);
	io_resume(&a.io);
	UNTIL(a.calls == 2);
	quiet();
	ATF_CHECK_EQ(2, a.calls);
	ATF_CHECK_EQ(1, ibuf_size(&a.io.in));
}

/* tls */

static struct tls_config *server_conf, *client_conf;
static struct tls	 *server;

static void
tls_files(void)
{
	ATF_REQUIRE_EQ(0, system("openssl req -x509 -newkey ec -pkeyopt "
	    "ec_paramgen_curve:prime256v1 -nodes -days 2 -subj "
	    "/CN=localhost -addext subjectAltName=DNS:localhost -keyout "
	    "key.pem -out cert.pem >/dev/null 2>&1"));
	ATF_REQUIRE_EQ(0, tls_init());
	ATF_REQUIRE((server_conf = tls_config_new()) != NULL);
	ATF_REQUIRE((client_conf = tls_config_new()) != NULL);
	ATF_REQUIRE_EQ(0, tls_config_set_keypair_file(server_conf,
	    "cert.pem", "key.pem"));
	ATF_REQUIRE_EQ(0, tls_config_set_ca_file(client_conf, "cert.pem"));
	ATF_REQUIRE((server = tls_server()) != NULL);
	ATF_REQUIRE_EQ(0, tls_configure(server, server_conf));
}

ATF_TC_WITHOUT_HEAD(tls);
ATF_TC_BODY(tls, tc)
{
	struct end	 a, b;
	static char	 big[3000000];
	size_t		 i;

	tls_files();
	both(&a, &b);
	ATF_REQUIRE_EQ(0, io_tls_server(&a.io, server));
	ATF_REQUIRE_EQ(0, io_tls_client(&b.io, client_conf, "localhost"));
	/* queued before it is up, sent after it */
	io_puts(&b.io, "first");
	UNTIL(a.secured && b.secured);
	UNTIL(ibuf_size(&a.got) == 5);
	text(&a, "first");
	for (i = 0; i < sizeof(big); i++)
		big[i] = (char)(i * 31 + (i >> 8));
	io_write(&a.io, big, sizeof(big));
	io_write(&b.io, big, sizeof(big));
	UNTIL(ibuf_size(&a.got) == sizeof(big) &&
	    ibuf_size(&b.got) == sizeof(big));
	ATF_CHECK_EQ(0, memcmp(big, ibuf_data(&a.got), sizeof(big)));
	ATF_CHECK_EQ(0, memcmp(big, ibuf_data(&b.got), sizeof(big)));
	io_puts(&a.io, "last");
	io_close(&a.io, "done");
	UNTIL(a.closed && b.closed);
	ATF_CHECK_STREQ("peer closed", b.why);
	ATF_CHECK_EQ(sizeof(big) + 4, ibuf_size(&b.got));
	ibuf_fini(&a.got);
	ibuf_fini(&b.got);
}

/* What came in the clear behind STARTTLS is never seen. */
ATF_TC_WITHOUT_HEAD(starttls);
ATF_TC_BODY(starttls, tc)
{
	struct end	a;
	struct tls	*client;
	char		buf[100];
	ssize_t		n;
	int		fd, i;

	tls_files();
	fd = half(&a);
	a.take = 8;
	put(fd, "STARTTLSinjected");
	UNTIL(a.calls > 0);
	text(&a, "STARTTLS");
	a.take = 0;
	io_puts(&a.io, "go on\r\n");
	ATF_REQUIRE_EQ(0, io_tls_server(&a.io, server));
	quiet();
	ATF_CHECK_EQ(7, read(fd, buf, sizeof(buf)));
	ATF_REQUIRE((client = tls_client()) != NULL);
	ATF_REQUIRE_EQ(0, tls_configure(client, client_conf));
	ATF_REQUIRE_EQ(0, tls_connect_socket(client, fd, "localhost"));
	for (i = 0; i < 1000 && tls_handshake(client) != 0; i++)
		turn();
	UNTIL(a.secured);
	quiet();
	text(&a, "");
	while ((n = tls_write(client, "secret", 6)) == TLS_WANT_POLLOUT)
		turn();
	ATF_CHECK_EQ(6, n);
	UNTIL(ibuf_size(&a.got) == 6);
	text(&a, "secret");
	/* a peer that is gone without a word */
	close(fd);
	UNTIL(a.closed);
	tls_free(client);
}

/* Handshakes that fail, at once or later, or with something queued. */
ATF_TC_WITHOUT_HEAD(tls_fails);
ATF_TC_BODY(tls_fails, tc)
{
	struct end	a, b;
	int		fd, i;

	tls_files();
	for (i = 0; i < 4; i++) {
		fd = half(&a);
		if (i & 1)
			put(fd, "GET / HTTP/1.0\r\n\r\n");
		ATF_REQUIRE_EQ(0, io_tls_client(&a.io, client_conf,
		    "localhost"));
		if (i & 2)
			io_puts(&a.io, "queued");
		else
			close(fd);
		quiet();
		if (i == 2)
			close(fd);
		UNTIL(a.closed);
		ATF_CHECK_EQ(1, a.closed);
		ATF_CHECK_EQ(0, a.secured);
		fd = half(&a);
		ATF_REQUIRE_EQ(0, io_tls_server(&a.io, server));
		quiet();
		put(fd, i & 1 ? "\x16\x03\x01nonsense" : "x");
		close(fd);
		if (i & 2)
			io_puts(&a.io, "queued");
		UNTIL(a.closed);
		ATF_CHECK_EQ(1, a.closed);
	}
	both(&a, &b);
	ATF_REQUIRE_EQ(0, io_tls_server(&a.io, server));
	ATF_REQUIRE_EQ(0, io_tls_client(&b.io, client_conf, "elsewhere"));
	UNTIL(a.closed && b.closed);
	ATF_CHECK_EQ(0, b.secured);
}

/* soak: two ends, anything at random, against what must come out */

static uint32_t
rnd(uint32_t n)
{
	static uint32_t x = 2463534242U;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	return x % n;
}

static void
soak_step(struct end *from, struct end *to, uint32_t *sent)
{
	static uint8_t	data[70000];
	size_t		i, n;

	switch (rnd(8)) {
	case 0:
	case 1:
		if (io_outlen(&from->io) > 400000)
			break;
		n = rnd(4) == 0 ? rnd(sizeof(data)) : rnd(50);
		for (i = 0; i < n; i++)
			data[i] = (uint8_t)((*sent)++ * 7 % 251);
		io_write(&from->io, data, n);
		break;
	case 2:
		io_pause(&to->io);
		break;
	case 3:
		io_resume(&to->io);
		break;
	case 4:
		to->take = rnd(3) == 0 ? 1 + rnd(100) : 0;
		break;
	case 5:
		to->block = rnd(3) == 0 ? 1 + rnd(40) : 0;
		break;
	default:
		turn();
	}
}

static void
soak_check(struct end *e, uint32_t *got)
{
	size_t i;

	for (i = 0; i < ibuf_size(&e->got); i++)
		ATF_REQUIRE_EQ((uint8_t)((*got)++ * 7 % 251),
		    ibuf_data(&e->got)[i]);
	ibuf_fini(&e->got);
}

static void
soak(int use_tls)
{
	struct end	a, b;
	uint32_t	sent_a = 0, sent_b = 0, got_a = 0, got_b = 0;
	int		i;

	both(&a, &b);
	/* what is taken in small bites piles up */
	a.io.inmax = b.io.inmax = SIZE_MAX / 4;
	if (use_tls) {
		ATF_REQUIRE_EQ(0, io_tls_server(&a.io, server));
		ATF_REQUIRE_EQ(0, io_tls_client(&b.io, client_conf,
		    "localhost"));
		UNTIL(a.secured && b.secured);
	}
	for (i = 0; i < 20000; i++) {
		soak_step(&a, &b, &sent_a);
		soak_step(&b, &a, &sent_b);
		soak_check(&a, &got_a);
		soak_check(&b, &got_b);
		ATF_REQUIRE(!a.closed && !b.closed);
	}
	a.take = b.take = a.block = b.block = 0;
	io_resume(&a.io);
	io_resume(&b.io);
	while (got_a < sent_b || got_b < sent_a) {
		turn();
		soak_check(&a, &got_a);
		soak_check(&b, &got_b);
	}
	ATF_CHECK_EQ(sent_a, got_b);
	ATF_CHECK_EQ(sent_b, got_a);
	io_abort(&a.io, "over");
	UNTIL(a.closed && b.closed);
}

ATF_TC_WITHOUT_HEAD(soak_plain);
ATF_TC_BODY(soak_plain, tc)
{
	soak(0);
}

ATF_TC_WITHOUT_HEAD(soak_tls);
ATF_TC_BODY(soak_tls, tc)
{
	tls_files();
	soak(1);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, plain);
	ATF_TP_ADD_TC(tp, partial);
	ATF_TP_ADD_TC(tp, too_long);
	ATF_TP_ADD_TC(tp, paused);
	ATF_TP_ADD_TC(tp, peer_ends);
	ATF_TP_ADD_TC(tp, peer_ends_halfway);
	ATF_TP_ADD_TC(tp, held);
	ATF_TP_ADD_TC(tp, ends);
	ATF_TP_ADD_TC(tp, marks);
	ATF_TP_ADD_TC(tp, last_word);
	ATF_TP_ADD_TC(tp, within);
	ATF_TP_ADD_TC(tp, tls);
	ATF_TP_ADD_TC(tp, starttls);
	ATF_TP_ADD_TC(tp, tls_fails);
	ATF_TP_ADD_TC(tp, soak_plain);
	ATF_TP_ADD_TC(tp, soak_tls);
	return atf_no_error();
}
