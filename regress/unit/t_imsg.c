#include <sys/socket.h>
#include <atf-c.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "imsg.h"

static struct imsgbuf a, b;

static void
pair(void)
{
	int sv[2];

	ATF_REQUIRE_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
	fcntl(sv[0], F_SETFL, O_NONBLOCK);
	fcntl(sv[1], F_SETFL, O_NONBLOCK);
	imsgbuf_init(&a, sv[0]);
	imsgbuf_init(&b, sv[1]);
}

static void
compose(uint16_t type, const void *p, size_t len, int fd)
{
	struct ibuf *o;
	size_t mark;

	ATF_REQUIRE((o = imsg_open(&a, &mark)) != NULL);
	ATF_REQUIRE_EQ(0, ibuf_add(o, p, len));
	ATF_REQUIRE_EQ(0, imsg_close(&a, mark, type, 7, type * 2U, fd));
}

ATF_TC_WITHOUT_HEAD(plain);
ATF_TC_BODY(plain, tc)
{
	struct imsg m;
	char body[100];
	int i, got = 0;

	pair();
	for (i = 1; i <= 50; i++) {
		memset(body, i, sizeof(body));
		compose((uint16_t)i, body, (size_t)i, -1);
	}
	ATF_CHECK_EQ(50 * 16 + 51 * 25, imsgbuf_queuelen(&a));
	ATF_REQUIRE_EQ(1, imsgbuf_write(&a));
	ATF_CHECK_EQ(0, imsgbuf_queuelen(&a));
	ATF_REQUIRE_EQ(1, imsgbuf_read(&b));
	while (imsgbuf_get(&b, &m) == 1) {
		got++;
		ATF_CHECK_EQ(got, m.type);
		ATF_CHECK_EQ(7, m.id);
		ATF_CHECK_EQ((uint32_t)got * 2, m.req);
		ATF_CHECK_EQ(got, (int)ibuf_size(&m.body));
		memset(body, got, sizeof(body));
		ATF_CHECK_EQ(0, memcmp(body, ibuf_data(&m.body),
		    (size_t)got));
	}
	ATF_CHECK_EQ(50, got);
	ATF_CHECK_EQ(0, b.in.size);
	close(a.fd);
	a.fd = -1;
	ATF_CHECK_EQ(0, imsgbuf_read(&b));
}

/* Whatever the pieces, the same messages come out. */
ATF_TC_WITHOUT_HEAD(pieces);
ATF_TC_BODY(pieces, tc)
{
	struct imsg m;
	struct ibuf raw;
	char *big;
	size_t step, off, n;
	int got;

	big = calloc(1, 60000);
	for (step = 1; step < 40000; step = step * 3 + 1) {
		pair();
		ibuf_init(&raw, 1000000);
		compose(1, "hello", 5, -1);
		compose(2, big, step < 50 ? 300 : 60000, -1);
		compose(3, "", 0, -1);
		ibuf_add_ibuf(&raw, &a.out);
		got = 0;
		for (off = 0; off < ibuf_size(&raw); off += n) {
			n = ibuf_size(&raw) - off < step ?
			    ibuf_size(&raw) - off : step;
			ATF_REQUIRE_EQ((ssize_t)n, write(a.fd,
			    ibuf_data(&raw) + off, n));
			ATF_REQUIRE_EQ(1, imsgbuf_read(&b));
			while (imsgbuf_get(&b, &m) == 1)
				ATF_CHECK_EQ(++got, m.type);
		}
		ATF_CHECK_EQ(3, got);
		ATF_CHECK_EQ(0, b.in.size);
		ibuf_fini(&raw);
		imsgbuf_fini(&a);
		imsgbuf_fini(&b);
	}
	free(big);
}

static int
same_file(int f1, int f2)
{
	struct stat s1, s2;

	return fstat(f1, &s1) == 0 && fstat(f2, &s2) == 0 &&
	    s1.st_ino == s2.st_ino && s1.st_dev == s2.st_dev;
}

ATF_TC_WITHOUT_HEAD(descriptors);
ATF_TC_BODY(descriptors, tc)
{
	struct imsg m;
	int fds[2], fd, i, n = 0;

	pair();
	ATF_REQUIRE_EQ(0, pipe(fds));
	compose(1, "x", 1, -1);
	compose(2, "y", 1, dup(fds[0]));
	compose(3, "z", 1, -1);
	compose(4, "z", 1, dup(fds[1]));
	compose(5, "z", 1, dup(fds[0]));
	ATF_REQUIRE_EQ(1, imsgbuf_write(&a));
	while (imsgbuf_read(&b) == 1 && n < 5) {
		while ((i = imsgbuf_get(&b, &m)) == 1) {
			n++;
			ATF_CHECK_EQ(n == 2 || n == 4 || n == 5, m.fd != -1);
			if (n == 2 || n == 4) {
				fd = imsg_get_fd(&b, &m);
				ATF_CHECK(same_file(fd, fds[n == 4]));
				close(fd);
			}
		}
		ATF_REQUIRE_EQ(0, i);
	}
	ATF_CHECK_EQ(5, n);
	/* one not taken is closed, and the next number is free again */
	fd = dup(fds[0]);
	close(fd);
	imsgbuf_get(&b, &m);
	imsgbuf_fini(&a);
	imsgbuf_fini(&b);
	ATF_CHECK(fcntl(fd, F_GETFD) == -1);
}

static void
raw_send(const void *p, size_t len, int fd)
{
	union { struct cmsghdr h; char b[CMSG_SPACE(sizeof(int))]; } c;
	struct msghdr msg;
	struct iovec iov;

	memset(&msg, 0, sizeof(msg));
	memset(&c, 0, sizeof(c));
	iov.iov_base = (void *)(uintptr_t)p;
	iov.iov_len = len;
	msg.msg_iov = &iov;
	msg.msg_iovlen = 1;
	if (fd != -1) {
		msg.msg_control = c.b;
		msg.msg_controllen = sizeof(c.b);
		c.h.cmsg_len = CMSG_LEN(sizeof(int));
		c.h.cmsg_level = SOL_SOCKET;
		c.h.cmsg_type = SCM_RIGHTS;
		memcpy(CMSG_DATA(&c.h), &fd, sizeof(fd));
	}
	ATF_REQUIRE_EQ((ssize_t)len, sendmsg(a.fd, &msg, 0));
}

/* What breaks the framing is an error, never a message. */
ATF_TC_WITHOUT_HEAD(broken);
ATF_TC_BODY(broken, tc)
{
	static const uint8_t heads[][16] = {
		{ 0, 1, 0, 0, 0, 0, 0, 15 },		/* too short */
		{ 0, 1, 0, 0, 0, 0, 0, 0 },
		{ 0, 1, 0, 0, 0, 1, 0, 1 },		/* over IMSG_MAX */
		{ 0, 1, 0, 0, 0xff, 0xff, 0xff, 0xff },
		{ 0, 1, 0, 2, 0, 0, 0, 16 },		/* unknown flag */
		{ 0, 1, 0, 1, 0, 0, 0, 16 },		/* fd missing */
	};
	struct imsg m;
	size_t i;

	for (i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		pair();
		raw_send(heads[i], 16, -1);
		ATF_REQUIRE_EQ(1, imsgbuf_read(&b));
		errno = 0;
		ATF_CHECK_EQ_MSG(-1, imsgbuf_get(&b, &m), "%zu", i);
		ATF_CHECK_EQ(EBADMSG, errno);
		imsgbuf_fini(&a);
		imsgbuf_fini(&b);
	}
}

static int
nopen(void)
{
	int fd, n = 0;

	for (fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) != -1;
	return n;
}

/* Descriptors that no message announces are refused, and not kept. */
ATF_TC_WITHOUT_HEAD(smuggled);
ATF_TC_BODY(smuggled, tc)
{
	static const uint8_t head[16] = { 0, 1, 0, 0, 0, 0, 0, 16 };
	struct imsg m;
	int fds[2], before, r, i;

	before = nopen();
	pair();
	ATF_REQUIRE_EQ(0, pipe(fds));
	for (i = 0; i < 3; i++)
		raw_send(head, 16, fds[0]);
	r = 0;
	while (r != -1 && imsgbuf_read(&b) == 1)
		while ((r = imsgbuf_get(&b, &m)) == 1)
			ATF_CHECK_EQ(-1, m.fd);
	ATF_CHECK_EQ(-1, r);
	imsgbuf_fini(&a);
	imsgbuf_fini(&b);
	close(fds[0]);
	close(fds[1]);
	ATF_CHECK_EQ(before, nopen());
}

/* A peer that does not read: the queue waits, then refuses. */
ATF_TC_WITHOUT_HEAD(full);
ATF_TC_BODY(full, tc)
{
	struct imsg m;
	char *big = calloc(1, 60000);
	size_t mark;
	struct ibuf *o;
	uint32_t sent = 0, got = 0;
	int r;

	pair();
	for (;;) {
		if ((o = imsg_open(&a, &mark)) == NULL)
			break;
		if (ibuf_add(o, big, 60000) == -1) {
			imsg_cancel(&a, mark);
			break;
		}
		sent++;
		ATF_REQUIRE_EQ(0, imsg_close(&a, mark, 1, sent, 0, -1));
		ATF_REQUIRE_EQ(1, imsgbuf_write(&a));
	}
	ATF_CHECK(sent > 1000);
	while (imsgbuf_queuelen(&a) > 0 || got < sent) {
		r = imsgbuf_read(&b);
		ATF_REQUIRE_EQ(1, r);
		while (imsgbuf_get(&b, &m) == 1)
			ATF_REQUIRE_EQ(++got, m.id);
		ATF_REQUIRE_EQ(1, imsgbuf_write(&a));
	}
	ATF_CHECK_EQ(sent, got);
	/* over the bound of one message */
	ATF_REQUIRE((o = imsg_open(&a, &mark)) != NULL);
	ibuf_add(o, big, 60000);
	ibuf_add(o, big, 6000);
	ATF_CHECK_EQ(-1, imsg_close(&a, mark, 1, 0, 0, -1));
	ATF_CHECK_EQ(0, imsgbuf_queuelen(&a));
	free(big);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, plain);
	ATF_TP_ADD_TC(tp, pieces);
	ATF_TP_ADD_TC(tp, descriptors);
	ATF_TP_ADD_TC(tp, broken);
	ATF_TP_ADD_TC(tp, smuggled);
	ATF_TP_ADD_TC(tp, full);
	return atf_no_error();
}
