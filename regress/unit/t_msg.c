/*
 * Every message of the table: there and back with nothing, little and the
 * most that its fields may hold; every way to be malformed is refused.
 */
#include <sys/socket.h>
#include <atf-c.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "msg.h"

enum fill { LEAST, SOME, MOST };

static char	*text;		/* 'x' times a lot */
static struct uidset sets[3];	/* empty, three ranges, many */

static void
setup(void)
{
	uint32_t i;

	text = malloc(70000);
	ATF_REQUIRE(text != NULL);
	memset(text, 'x', 70000);
	for (i = 0; i < 3; i++)
		uidset_init(&sets[i]);
	uidset_add(&sets[SOME], 1, 5);
	uidset_add(&sets[SOME], 7, 7);
	uidset_add(&sets[SOME], 4294967290U, UINT32_MAX);
	for (i = 1; i < 60000; i += 2)
		uidset_add(&sets[MOST], i, i);
}

static void
fill_field(const struct mfield *f, char *m, enum fill how,
    struct uidset *scratch)
{
	struct msg_blob	b;
	struct msg_set	s;
	const char	*str;
	size_t		len;

	switch (f->type) {
	case MF_U8:
	case MF_U16:
	case MF_U32:
	case MF_U64:
		memset(m + f->off, how == LEAST ? 0 : how == SOME ? 0x5a :
		    0xff, (size_t)1 << f->type);
		break;
	case MF_STR:
		len = how == LEAST ? 0 : how == SOME ? f->max / 2 :
		    f->max - 1;
		/* several long texts do not fit into one message */
		if (len > 900 && how == MOST)
			len = len > 20000 ? 20000 : len;
		str = text + 70000 - 1 - len;
		text[69999] = '\0';
		memcpy(m + f->off, &str, sizeof(str));
		break;
	case MF_BLOB:
		b.p = text;
		b.len = how == LEAST ? 0 : how == SOME ? f->max / 2 : f->max;
		if (b.len > 20000)
			b.len = 20000;
		memcpy(m + f->off, &b, sizeof(b));
		break;
	case MF_SET:
		uidset_copy(scratch, &sets[how]);
		if (scratch->n > f->max)
			uidset_remove(scratch, scratch->r[f->max].lo,
			    UINT32_MAX);
		if (scratch->n > 2000)
			uidset_remove(scratch, scratch->r[2000].lo,
			    UINT32_MAX);
		s = msg_set_of(scratch);
		memcpy(m + f->off, &s, sizeof(s));
		break;
	}
}

static void
fill_msg(enum msg_type t, union msg_any *m, enum fill how,
    struct uidset *scratch)
{
	const struct mdef *d = &msg_defs[t];
	size_t i;

	memset(m, 0, sizeof(*m));
	for (i = 0; i < d->nfields; i++)
		fill_field(&d->fields[i], (char *)m, how, &scratch[i]);
}

static void
encode(enum msg_type t, const union msg_any *m, struct ibuf *b)
{
	ibuf_init(b, 200000);
	ATF_REQUIRE_EQ_MSG(0, msg_encode(b, t, m), "%s", msg_defs[t].name);
}

ATF_TC_WITHOUT_HEAD(roundtrip);
ATF_TC_BODY(roundtrip, tc)
{
	struct uidset	scratch[32];
	union msg_any	m, m2;
	struct ibuf	b, b2, view;
	enum msg_type	t;
	enum fill	how;
	int		i;

	setup();
	for (i = 0; i < 32; i++)
		uidset_init(&scratch[i]);
	for (t = 1; t < M_MAX; t++) {
		for (how = LEAST; how <= MOST; how++) {
			fill_msg(t, &m, how, scratch);
			encode(t, &m, &b);
			ibuf_from_buffer(&view, ibuf_data(&b), ibuf_size(&b));
			ATF_REQUIRE_EQ_MSG(0, msg_decode(&view, t, &m2),
			    "%s", msg_defs[t].name);
			encode(t, &m2, &b2);
			ATF_CHECK_EQ(ibuf_size(&b), ibuf_size(&b2));
			ATF_CHECK_MSG(ibuf_size(&b) == 0 ||
			    memcmp(ibuf_data(&b), ibuf_data(&b2),
			    ibuf_size(&b)) == 0, "%s", msg_defs[t].name);
			ibuf_fini(&b);
			ibuf_fini(&b2);
		}
	}
}

/* Cut at every byte, or with one byte more: never a message. */
ATF_TC_WITHOUT_HEAD(cut);
ATF_TC_BODY(cut, tc)
{
	struct uidset	scratch[32];
	union msg_any	m, m2;
	struct ibuf	b, view;
	enum msg_type	t;
	size_t		n, step;
	int		i;

	setup();
	for (i = 0; i < 32; i++)
		uidset_init(&scratch[i]);
	for (t = 1; t < M_MAX; t++) {
		fill_msg(t, &m, SOME, scratch);
		encode(t, &m, &b);
		step = ibuf_size(&b) > 500 ? 97 : 1;
		for (n = 0; n < ibuf_size(&b); n += step) {
			/* its own copy, so that reading past it is seen */
			char *copy = malloc(n + 1);

			memcpy(copy, ibuf_data(&b), n);
			ibuf_from_buffer(&view, copy, n);
			errno = 0;
			ATF_REQUIRE_EQ_MSG(-1, msg_decode(&view, t, &m2),
			    "%s cut at %zu", msg_defs[t].name, n);
			ATF_CHECK_EQ(EBADMSG, errno);
			free(copy);
		}
		ATF_REQUIRE_EQ(0, ibuf_add_n8(&b, 0));
		ibuf_from_buffer(&view, ibuf_data(&b), ibuf_size(&b));
		ATF_REQUIRE_EQ_MSG(-1, msg_decode(&view, t, &m2),
		    "%s with a byte more", msg_defs[t].name);
		ibuf_fini(&b);
	}
}

/* Fields over their bound are refused by both sides. */
ATF_TC_WITHOUT_HEAD(bounds);
ATF_TC_BODY(bounds, tc)
{
	struct m_log	 log = { 1, NULL };
	struct m_grant_ok ok;
	struct m_log	 out;
	struct ibuf	 b, view;

	setup();
	text[1024] = '\0';
	log.text = text;
	ibuf_init(&b, 100000);
	ATF_CHECK_EQ(-1, msg_encode(&b, M_log, &log));
	ATF_CHECK_EQ(ERANGE, errno);
	ibuf_fini(&b);
	/* by hand what an honest encoder would not write */
	ibuf_init(&b, 100000);
	ibuf_add_n8(&b, 1);
	ibuf_add_n32(&b, 1026);
	memset(text, 'x', 1025);
	text[1025] = '\0';
	ibuf_add(&b, text, 1026);
	ibuf_from_buffer(&view, ibuf_data(&b), ibuf_size(&b));
	ATF_CHECK_EQ(-1, msg_decode(&view, M_log, &out));
	ibuf_fini(&b);
	/* a NUL inside, none at the end, no bytes at all */
	static const struct { const char *p; uint32_t len; } bad[] = {
		{ "a\0b\0", 4 }, { "abc", 3 }, { "", 0 }
	};
	for (size_t i = 0; i < 3; i++) {
		ibuf_init(&b, 1000);
		ibuf_add_n16(&b, 0);
		ibuf_add_n32(&b, 0);
		ibuf_add_n32(&b, bad[i].len);
		ibuf_add(&b, bad[i].p, bad[i].len);
		ibuf_from_buffer(&view, ibuf_data(&b), ibuf_size(&b));
		ATF_CHECK_EQ(-1, msg_decode(&view, M_grant_ok, &ok));
		ibuf_fini(&b);
	}
}

ATF_TC_WITHOUT_HEAD(sets);
ATF_TC_BODY(sets, tc)
{
	static const struct { uint32_t n; uint32_t v[6]; } bad[] = {
		{ 1, { 0, 1 } }, { 1, { 2, 1 } }, { 2, { 1, 2, 3, 4 } },
		{ 2, { 5, 6, 1, 2 } }, { 2, { 1, 5, 3, 9 } },
		{ 2, { 4294967295U, 4294967295U, 1, 1 } },
		{ 0x20000000, { 1, 1 } }, { 3, { 1, 1, 3, 3 } },
	};
	struct m_st_vanished m;
	struct uidset s;
	struct ibuf b, view;
	size_t i, k;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ibuf_init(&b, 1000);
		ibuf_add_n32(&b, bad[i].n);
		for (k = 0; k < 6 && (k < 2 * bad[i].n) && (k < 4); k++)
			ibuf_add_n32(&b, bad[i].v[k]);
		ibuf_from_buffer(&view, ibuf_data(&b), ibuf_size(&b));
		ATF_CHECK_EQ_MSG(-1, msg_decode(&view, M_st_vanished, &m),
		    "%zu", i);
		ibuf_fini(&b);
	}
	setup();
	m.uids = msg_set_of(&sets[SOME]);
	encode(M_st_vanished, (const union msg_any *)(const void *)&m, &b);
	ibuf_from_buffer(&view, ibuf_data(&b), ibuf_size(&b));
	ATF_REQUIRE_EQ(0, msg_decode(&view, M_st_vanished, &m));
	uidset_init(&s);
	ATF_REQUIRE_EQ(0, msg_set_get(&m.uids, &s));
	ATF_CHECK(uidset_equal(&s, &sets[SOME]));
	uidset_fini(&s);
	ibuf_fini(&b);
}

/* Who may say what to whom is what the table says, and no more. */
ATF_TC_WITHOUT_HEAD(access);
ATF_TC_BODY(access, tc)
{
	unsigned int t, from, to, n = 0;

	for (t = 1; t < M_MAX; t++)
		for (from = 0; from < ROLE_MAX; from++)
			for (to = 0; to < ROLE_MAX; to++) {
				int may = (msg_defs[t].from >> from & 1) &&
				    (msg_defs[t].to >> to & 1);

				n += may;
				ATF_CHECK_EQ(may, msg_refused(t, from, to,
				    0) == NULL);
				if (msg_defs[t].fd == NOFD)
					ATF_CHECK(msg_refused(t, from, to,
					    1) != NULL);
			}
	ATF_CHECK(n > 200);
	ATF_CHECK(msg_refused(0, ROLE_PARENT, ROLE_IMAP, 0) != NULL);
	ATF_CHECK(msg_refused(M_MAX, ROLE_PARENT, ROLE_IMAP, 0) != NULL);
	ATF_CHECK(msg_refused(65535, ROLE_PARENT, ROLE_IMAP, 0) != NULL);
	/* what the house stands on */
	ATF_CHECK(msg_refused(M_grant, ROLE_IMAP, ROLE_ENGINE, 0) != NULL);
	ATF_CHECK(msg_refused(M_conf_cert, ROLE_ENGINE, ROLE_IMAP, 0) !=
	    NULL);
	ATF_CHECK(msg_refused(M_auth_ok, ROLE_ENGINE, ROLE_IMAP, 0) != NULL);
	ATF_CHECK(msg_refused(M_ctl_reload, ROLE_IMAP, ROLE_PARENT, 0) !=
	    NULL);
	ATF_CHECK(msg_table_hash() == msg_table_hash());
}

static void
quiet(int fd)
{
	ATF_REQUIRE(fd != -1);
	ATF_REQUIRE_EQ(0, fcntl(fd, F_SETFL, O_NONBLOCK));
}

/* More descriptors in one turn than a queue holds, as the connector has. */
ATF_TC_WITHOUT_HEAD(descriptors);
ATF_TC_BODY(descriptors, tc)
{
	struct imsgbuf	a, b;
	struct imsg	m;
	uint32_t	i, got = 0;
	int		sv[2], fd;

	ATF_REQUIRE_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
	quiet(sv[0]);
	quiet(sv[1]);
	imsgbuf_init(&a, sv[0]);
	imsgbuf_init(&b, sv[1]);
	for (i = 1; i <= 3 * IMSG_FDS; i++)
		ATF_REQUIRE_EQ(0, msg_compose(&a, M_connect_ok, 0, i,
		    dup(sv[0]), NULL));
	ATF_REQUIRE_EQ(1, imsgbuf_write(&a));
	while (got < 3 * IMSG_FDS) {
		ATF_REQUIRE_EQ(1, imsgbuf_read(&b));
		while (imsgbuf_get(&b, &m) == 1) {
			ATF_CHECK_EQ(++got, m.req);
			ATF_REQUIRE((fd = imsg_get_fd(&b, &m)) != -1);
			close(fd);
		}
	}
	/* nobody reads: it ends in an error, and keeps no descriptor */
	for (i = 1; msg_compose(&a, M_connect_ok, 0, i, dup(sv[0]),
	    NULL) == 0; i++)
		ATF_REQUIRE(i < 100000);
	ATF_CHECK_EQ(ENOBUFS, errno);
	ATF_CHECK(i > IMSG_FDS);
	imsgbuf_fini(&a);
	imsgbuf_fini(&b);
	ATF_REQUIRE((fd = dup(0)) != -1);
	ATF_CHECK(fd < 16);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, roundtrip);
	ATF_TP_ADD_TC(tp, cut);
	ATF_TP_ADD_TC(tp, bounds);
	ATF_TP_ADD_TC(tp, sets);
	ATF_TP_ADD_TC(tp, access);
	ATF_TP_ADD_TC(tp, descriptors);
	return atf_no_error();
}
