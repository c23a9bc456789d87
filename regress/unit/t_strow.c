#include <atf-c.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "slots.h"
#include "sterr.h"
#include "strow.h"

ATF_TC_WITHOUT_HEAD(rows);
ATF_TC_BODY(rows, tc)
{
	struct uidset set, out;
	struct st_row r, g;
	struct ibuf b, view;
	uint32_t mask;
	int n = 0;

	uidset_init(&set);
	uidset_init(&out);
	uidset_add(&set, 1, 5);
	uidset_add(&set, 9, 9);
	memset(&r, 0, sizeof(r));
	r.uids = msg_set_of(&set);
	r.flags = "\\Seen kw";
	r.id = "abc-_1";
	r.size = 1234567890123;
	r.date = -5;
	r.zone = -330;
	r.modseq = 7;
	r.cache = "su\0mmary";
	r.cachelen = 8;
	ibuf_init(&b, 65000);
	for (mask = 0; mask < 0x40; mask++) {
		r.has = mask;
		ATF_REQUIRE_EQ(0, strow_put(&b, &r));
	}
	ibuf_from_buffer(&view, ibuf_data(&b), ibuf_size(&b));
	while (strow_get(&view, &g) == 1) {
		ATF_REQUIRE_EQ((uint32_t)n, g.has);
		ATF_REQUIRE_EQ(0, msg_set_get(&g.uids, &out));
		ATF_CHECK(uidset_equal(&set, &out));
		ATF_CHECK(!(n & ROW_FLAGS) || !strcmp(g.flags, r.flags));
		ATF_CHECK(!(n & ROW_ID) || !strcmp(g.id, r.id));
		ATF_CHECK(!(n & ROW_SIZE) || g.size == r.size);
		ATF_CHECK(!(n & ROW_DATE) ||
		    (g.date == -5 && g.zone == -330));
		ATF_CHECK(!(n & ROW_MODSEQ) || g.modseq == 7);
		ATF_CHECK(!(n & ROW_CACHE) || (g.cachelen == 8 &&
		    !memcmp(g.cache, r.cache, 8)));
		n++;
	}
	ATF_CHECK_EQ(64, n);
	/* no room: refused, and what was there stays whole */
	r.has = ROW_CACHE;
	r.cachelen = 32768;
	r.cache = calloc(1, 32768);
	while (strow_put(&b, &r) == 0)
		;
	ibuf_from_buffer(&view, ibuf_data(&b), ibuf_size(&b));
	while (strow_get(&view, &g) == 1)
		;
	ATF_CHECK_EQ(0, ibuf_size(&view));
	r.cachelen = 32769;
	ATF_CHECK_EQ(-1, strow_put(&b, &r));
	ATF_CHECK_EQ(ERANGE, errno);
	ibuf_fini(&b);
}

/* What is told to a client must not end the line. */
ATF_TC_WITHOUT_HEAD(ids);
ATF_TC_BODY(ids, tc)
{
	static const char *const bad[] = { "", "a b", "a\r\nb", "../x", "a)",
	    "\xc3\xa4", "." };
	struct uidset set;
	struct st_row r, g;
	struct ibuf b;
	size_t i;
	int field;

	uidset_init(&set);
	uidset_add(&set, 7, 7);
	for (field = ROW_ID; field != 0; field = field == ROW_ID ?
	    ROW_THREADID : 0) {
		memset(&r, 0, sizeof(r));
		r.uids = msg_set_of(&set);
		r.has = (uint32_t)field;
		for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
			r.id = r.threadid = bad[i];
			ibuf_init(&b, 1000);
			ATF_REQUIRE_EQ(0, strow_put(&b, &r));
			ATF_CHECK_EQ_MSG(-1, strow_get(&b, &g), "%s", bad[i]);
			ATF_CHECK(!strow_id_ok(bad[i]));
			ibuf_fini(&b);
		}
		r.id = r.threadid = "Az-_09";
		ibuf_init(&b, 1000);
		ATF_REQUIRE_EQ(0, strow_put(&b, &r));
		ATF_CHECK_EQ(1, strow_get(&b, &g));
		ibuf_fini(&b);
	}
	uidset_fini(&set);
}

ATF_TC_WITHOUT_HEAD(fields);
ATF_TC_BODY(fields, tc)
{
	struct ibuf b;

	ibuf_init(&b, 100);
	ATF_REQUIRE_EQ(0, strow_fields(&b, 0x3f));
	ibuf_add_n8(&b, 0);
	ATF_CHECK_STREQ("uid,flags,id,size,date,modseq,cache",
	    (char *)ibuf_data(&b));
	ibuf_fini(&b);
	ATF_REQUIRE_EQ(0, strow_fields(&b, 0));
	ibuf_add_n8(&b, 0);
	ATF_CHECK_STREQ("uid", (char *)ibuf_data(&b));
	ibuf_fini(&b);
}

ATF_TC_WITHOUT_HEAD(errors);
ATF_TC_BODY(errors, tc)
{
	static const enum st_code permanent[] = { ST_UNKNOWN_RECIPIENT,
	    ST_NO_SUCH_ACCOUNT, ST_ACCOUNT_DISABLED, ST_NOT_PERMITTED,
	    ST_TOO_LARGE };
	enum st_code c;
	size_t i;
	int perm;

	for (c = ST_OK; c < ST_CODE_MAX; c++) {
		const struct st_error *e = st_error(c);

		ATF_CHECK(e->text != NULL && *e->text != '\0');
		for (perm = 0, i = 0; i < 5; i++)
			perm |= permanent[i] == c;
		ATF_CHECK_EQ_MSG(perm, st_lmtp(c)[0] == '5', "%s", e->name);
		if (c != ST_OK && c < ST_UNAVAILABLE)
			ATF_CHECK_EQ(c, st_code_by_name(e->name,
			    strlen(e->name)));
	}
	/* nobody's word: temporary, and not taken for another */
	ATF_CHECK_EQ(ST_NONSENSE, st_code_by_name("teapot", 6));
	ATF_CHECK_EQ(ST_NONSENSE, st_code_by_name("", 0));
	ATF_CHECK_EQ(ST_NONSENSE, st_code_by_name("exist", 5));
	ATF_CHECK_EQ('4', st_lmtp(ST_NONSENSE)[0]);
	ATF_CHECK_EQ(ST_INTERNAL, ST_INTERNAL);
	ATF_CHECK(st_error(9999) == st_error(ST_INTERNAL));
}

ATF_TC_WITHOUT_HEAD(slots);
ATF_TC_BODY(slots, tc)
{
	struct slots s;
	uint32_t id[200], old, i, k, n;
	int x;

	slots_init(&s);
	for (i = 0; i < 200; i++) {
		ATF_REQUIRE((id[i] = slots_add(&s, &id[i])) != 0);
		for (k = 0; k < i; k++)
			ATF_REQUIRE(id[k] != id[i]);
	}
	for (i = 0; i < 200; i++)
		ATF_CHECK(slots_get(&s, id[i]) == &id[i]);
	ATF_CHECK(slots_get(&s, 0) == NULL);
	ATF_CHECK(slots_get(&s, id[0] + (1U << 20)) == NULL);
	ATF_CHECK(slots_get(&s, UINT32_MAX) == NULL);
	for (n = 0, k = 0; slots_each(&s, &k) != NULL; n++)
		;
	ATF_CHECK_EQ(200, n);
	/* a number that is given back does not come again soon */
	old = id[7];
	slots_del(&s, old);
	ATF_CHECK(slots_get(&s, old) == NULL);
	slots_del(&s, old);
	ATF_CHECK_EQ(199, s.used);
	for (i = 0; i < 100000; i++) {
		uint32_t new = slots_add(&s, &x);

		ATF_REQUIRE(new != old && new != 0);
		slots_del(&s, new);
	}
	ATF_CHECK_EQ(199, s.used);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, rows);
	ATF_TP_ADD_TC(tp, ids);
	ATF_TP_ADD_TC(tp, fields);
	ATF_TP_ADD_TC(tp, errors);
	ATF_TP_ADD_TC(tp, slots);
	return atf_no_error();
}
