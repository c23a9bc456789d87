#include <atf-c.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "listmatch.h"

ATF_TC_WITHOUT_HEAD(match);
ATF_TC_BODY(match, tc)
{
	static const struct {
		const char	*pattern;
		const char	*name;
		int		 is;
	} t[] = {
		{ "*", "a", 1 }, { "*", "a/b/c", 1 }, { "*", "INBOX", 1 },
		{ "%", "a", 1 }, { "%", "a/b", 0 }, { "%/%", "a/b", 1 },
		{ "%/%", "a", 0 }, { "%/%", "a/b/c", 0 },
		{ "a/%", "a/b", 1 }, { "a/%", "a/b/c", 0 },
		{ "a/*", "a/b/c", 1 }, { "a/*", "a", 0 }, { "a*", "a", 1 },
		{ "a*", "a/b", 1 }, { "a%", "ab", 1 }, { "a%", "a/b", 0 },
		{ "", "a", 0 }, { "a", "a", 1 }, { "a", "A", 0 },
		{ "a", "ab", 0 }, { "ab", "a", 0 },
		{ "*b", "a/b", 1 }, { "%b", "a/b", 0 }, { "*%", "a/b", 1 },
		{ "%*", "a/b", 1 }, { "%%", "ab", 1 }, { "%%", "a/b", 0 },
		{ "*a*b*c", "xxaxxbxxc", 1 }, { "*a*b*c", "xxaxxbxx", 0 },
		{ "%a%/%b", "cab/cb", 1 }, { "%a%/%b", "cab/cb/b", 0 },
		{ "%a%b%", "xaxbx", 1 }, { "*a%b", "a/ab", 1 },
		{ "*a%b", "ab/a/b", 0 }, { "*a%b", "a/b", 0 },
		{ "*a%b", "a/xaxb", 1 }, { "a%c*e", "abc/d/e", 1 },
		{ "inbox", "INBOX", 1 }, { "InBoX", "INBOX", 1 },
		{ "in*", "INBOX", 1 }, { "%box", "INBOX", 1 },
		{ "inbox/%", "INBOX/a", 1 }, { "inbox/A", "INBOX/a", 0 },
		{ "*nbox*", "INBOX/inbox", 1 }, { "inboxes", "INBOXES", 0 },
		{ "x/inbox", "x/INBOX", 0 }, { "i%/x", "INBOX/x", 1 },
		{ "\xc3%", "\xc3\xa9", 1 },
	};
	char	big[LIST_NAME_MAX + 2];
	size_t	i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		ATF_CHECK_EQ_MSG(t[i].is, list_match(t[i].pattern, t[i].name,
		    strlen(t[i].name)), "%s %s", t[i].pattern, t[i].name);
	memset(big, 'a', sizeof(big));
	ATF_CHECK_EQ(1, list_match("*", big, LIST_NAME_MAX));
	ATF_CHECK_EQ(1, list_match("%a", big, LIST_NAME_MAX));
	ATF_CHECK_EQ(0, list_match("*", big, LIST_NAME_MAX + 1));
}

/* The plain definition, for short texts. */
static int
slow(const char *p, const char *n)
{
	if (*p == '\0')
		return *n == '\0';
	if (*p != '*' && *p != '%')
		return *p == *n && slow(p + 1, n + 1);
	if (slow(p + 1, n))
		return 1;
	return *n != '\0' && (*p == '*' || *n != '/') && slow(p, n + 1);
}

ATF_TC_WITHOUT_HEAD(model);
ATF_TC_BODY(model, tc)
{
	static const char pc[] = "ab/*%", nc[] = "ab/";
	char	p[8], n[10];
	int	i, k, hits = 0;

	srandom(1);
	for (i = 0; i < 200000; i++) {
		memset(p, 0, sizeof(p));
		memset(n, 0, sizeof(n));
		for (k = (int)(random() % 7); k > 0; k--)
			p[k - 1] = pc[random() % 5];
		for (k = (int)(random() % 9); k > 0; k--)
			n[k - 1] = nc[random() % 3];
		hits += slow(p, n);
		ATF_REQUIRE_EQ_MSG(slow(p, n), list_match(p, n, strlen(n)),
		    "%s %s", p, n);
	}
	ATF_CHECK(hits > 10000);
}

/* Patterns made to hurt take no time. */
ATF_TC_WITHOUT_HEAD(below);
ATF_TC_BODY(below, tc)
{
	static const char *const others[] = { "A", "A/D", "INBOX/L", "Ab/*" };
	static const struct {
		const char	*pattern;
		const char	*name;
		int		 is;
	} t[] = {
		{ "*", "", 1 }, { "%", "", 1 }, { "", "", 0 },
		{ "*", "A", 1 }, { "%", "A", 0 }, { "%/%", "A", 1 },
		{ "*", "A/D", 1 }, { "%/%", "A/D", 0 }, { "*/x", "A/D", 1 },
		{ "A", "", 0 }, { "A/*", "", 0 }, { "A/x", "", 0 },
		{ "A*", "", 1 }, { "A%", "", 1 }, { "a/*", "", 1 },
		{ "B", "", 1 }, { "Ab/*", "", 1 }, { "Ab/x", "", 1 },
		{ "A", "A", 0 }, { "A/", "A", 0 }, { "A/x", "A", 1 },
		{ "A/D", "A", 0 }, { "A/D/x", "A", 0 }, { "A/D*", "A", 1 },
		{ "A*/D/x", "A", 1 }, { "A%/D/x", "A", 0 },
		{ "%/D%", "A", 1 }, { "%/D/%", "A", 0 }, { "%/D/%", "A/D", 1 },
		{ "A/%", "A/D", 0 }, { "A/D", "A/D", 0 }, { "A/*", "A/D", 1 },
		{ "inbox", "", 1 }, { "inbox/L", "", 0 }, { "inBox/L/%", "", 0 },
		{ "inbox/l", "", 1 }, { "inbox/*", "", 1 }, { "i%/L/x", "", 1 },
		{ "inbox/L/x", "INBOX/L", 1 }, { "iNb*x", "INBOX/L", 1 },
		{ "inbox/l/x", "INBOX/L", 0 }, { "inbox", "INBOX/L", 0 },
	};
	char	big[LIST_NAME_MAX + 2];
	size_t	i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		ATF_CHECK_EQ_MSG(t[i].is, list_match_below(t[i].pattern,
		    t[i].name, others, 4), "%s %s", t[i].pattern, t[i].name);
	ATF_CHECK_EQ(1, list_match_below("A/D", "A", NULL, 0));
	memset(big, 'a', sizeof(big));
	big[LIST_NAME_MAX + 1] = '\0';
	ATF_CHECK_EQ(0, list_match_below("*", big, NULL, 0));
	big[LIST_NAME_MAX - 1] = '\0';
	ATF_CHECK_EQ(1, list_match_below("*", big, NULL, 0));
	ATF_CHECK_EQ(0, list_match_below("%", big, NULL, 0));
}

static int
is_or_below(const char *n, const char *dir)
{
	size_t len = strlen(dir);

	return strncmp(n, dir, len) == 0 && (n[len] == '\0' || n[len] == '/');
}

/* Is it, or below, another one that is below the folder itself? */
static int
is_others(const char *n, const char *dir, const char *const *others)
{
	size_t	len = strlen(dir);
	int	i;

	for (i = 0; i < 2; i++)
		if ((len == 0 || (strlen(others[i]) > len &&
		    is_or_below(others[i], dir))) && is_or_below(n, others[i]))
			return 1;
	return 0;
}

/* Every name that may tell the difference. */
static int
slow_below(const char *p, const char *dir, const char *const *others)
{
	static const char nc[] = "abc/";
	char	n[16];
	size_t	at = strlcpy(n, dir, sizeof(n)), len;
	int	i, k;

	if (at > 0)
		n[at++] = '/';
	for (len = 1; len <= 5; len++)
		for (i = 0; i < 1 << (2 * len); i++) {
			for (k = 0; k < (int)len; k++)
				n[at + (size_t)k] = nc[i >> (2 * k) & 3];
			n[at + len] = '\0';
			if (slow(p, n) && !is_others(n, dir, others))
				return 1;
		}
	return 0;
}

ATF_TC_WITHOUT_HEAD(below_model);
ATF_TC_BODY(below_model, tc)
{
	static const char	 pc[] = "ab/*%";
	static const char *const dirs[] = { "", "a", "a/b", "b" };
	static const char *const others[][2] = { { "a", "b" },
	    { "a", "a/b" }, { "a/b", "a/b/a" }, { "b", "a/a" } };
	const char *const	*o, *dir;
	char			 p[8];
	int			 i, k, hits = 0;

	srandom(2);
	for (i = 0; i < 4000; i++) {
		memset(p, 0, sizeof(p));
		for (k = (int)(random() % 5); k > 0; k--)
			p[k - 1] = pc[random() % 5];
		dir = dirs[random() % 4];
		o = others[random() % 4];
		k = slow_below(p, dir, o);
		hits += k;
		ATF_REQUIRE_EQ_MSG(k, list_match_below(p, dir, o, 2),
		    "\"%s\" \"%s\" %s %s", p, dir, o[0], o[1]);
	}
	ATF_CHECK(hits > 500 && hits < 3500);
}

ATF_TC_WITHOUT_HEAD(hostile);
ATF_TC_BODY(hostile, tc)
{
	char		p[LIST_PATTERN_MAX], n[LIST_NAME_MAX];
	clock_t		t = clock();
	size_t		i;

	memset(n, 'a', sizeof(n));
	for (i = 0; i + 1 < sizeof(p); i++)
		p[i] = "*a%a"[i % 4];
	p[600] = 'b';
	p[601] = '\0';
	ATF_CHECK_EQ(0, list_match(p, n, sizeof(n)));
	for (i = 0; i + 1 < sizeof(p); i++)
		p[i] = "*%"[i % 2];
	p[sizeof(p) - 2] = 'b';
	p[sizeof(p) - 1] = '\0';
	ATF_CHECK_EQ(0, list_match(p, n, sizeof(n)));
	ATF_CHECK((double)(clock() - t) / CLOCKS_PER_SEC < 0.5);
}

ATF_TC_WITHOUT_HEAD(join);
ATF_TC_BODY(join, tc)
{
	char out[8];

	ATF_CHECK_EQ(0, list_join(out, sizeof(out), "", "%"));
	ATF_CHECK_STREQ("%", out);
	ATF_CHECK_EQ(0, list_join(out, sizeof(out), "a/", "%"));
	ATF_CHECK_STREQ("a/%", out);
	ATF_CHECK_EQ(0, list_join(out, sizeof(out), "a/", "/b"));
	ATF_CHECK_STREQ("a/b", out);
	ATF_CHECK_EQ(0, list_join(out, sizeof(out), "a", "b"));
	ATF_CHECK_STREQ("ab", out);
	ATF_CHECK_EQ(0, list_join(out, sizeof(out), "abc", "defg"));
	ATF_CHECK_STREQ("abcdefg", out);
	ATF_CHECK_EQ(-1, list_join(out, sizeof(out), "abcd", "efgh"));
	ATF_CHECK_EQ(-1, list_join(out, sizeof(out), "abcdefgh", ""));
}

ATF_TC_WITHOUT_HEAD(names);
ATF_TC_BODY(names, tc)
{
	static const char *good[] = { "a", "INBOX", "a/b", "a b", "\xc3\xa9",
	    "&", "*", "~", ".", "..", NULL };
	static const char *bad[] = { "", "/", "/a", "a/", "a//b", "a\n",
	    "a\tb", "\x7f", "\xc2\x80", "\xc2\x9f", "\xe2\x80\xa8", "\xff",
	    "a\xc3", "\xed\xa0\x80", NULL };
	char	big[LIST_NAME_MAX + 1], n[16];
	int	i;

	for (i = 0; good[i] != NULL; i++)
		ATF_CHECK_EQ_MSG(1, list_name_ok(good[i], strlen(good[i])),
		    "%s", good[i]);
	for (i = 0; bad[i] != NULL; i++)
		ATF_CHECK_EQ_MSG(0, list_name_ok(bad[i], strlen(bad[i])),
		    "%s", bad[i]);
	memset(big, 'a', sizeof(big));
	ATF_CHECK_EQ(1, list_name_ok(big, LIST_NAME_MAX));
	ATF_CHECK_EQ(0, list_name_ok(big, LIST_NAME_MAX + 1));
	ATF_CHECK_EQ(0, list_name_ok("a\0b", 3));

	strlcpy(n, "inBox/inbox", sizeof(n));
	list_canon_inbox(n, strlen(n));
	ATF_CHECK_STREQ("INBOX/inbox", n);
	strlcpy(n, "inbox", sizeof(n));
	list_canon_inbox(n, 5);
	ATF_CHECK_STREQ("INBOX", n);
	strlcpy(n, "inboxes", sizeof(n));
	list_canon_inbox(n, strlen(n));
	ATF_CHECK_STREQ("inboxes", n);
}

static int
cmp(const void *a, const void *b)
{
	return list_compare(*(const char *const *)a, *(const char *const *)b);
}

ATF_TC_WITHOUT_HEAD(walk);
ATF_TC_BODY(walk, tc)
{
	const char *names[] = { "b", "a b", "a/x/y", "INBOX/z", "a/x/z/w",
	    "INBOX", "a/x", "c/d/e", "c/d/f", "a!", "A" };
	static const struct {
		const char	*name;
		int		 exists;
		int		 children;
	} want[] = {
		{ "INBOX", 1, 1 }, { "INBOX/z", 1, 0 }, { "A", 1, 0 },
		{ "a", 0, 1 }, { "a/x", 1, 1 }, { "a/x/y", 1, 0 },
		{ "a/x/z", 0, 1 }, { "a/x/z/w", 1, 0 }, { "a b", 1, 0 },
		{ "a!", 1, 0 }, { "b", 1, 0 }, { "c", 0, 1 },
		{ "c/d", 0, 1 }, { "c/d/e", 1, 0 }, { "c/d/f", 1, 0 },
	};
	size_t			n = sizeof(names) / sizeof(names[0]), i;
	struct list_walk	w;
	struct list_entry	e;

	qsort(names, n, sizeof(names[0]), cmp);
	list_walk_init(&w, names, n);
	for (i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		ATF_REQUIRE_EQ(1, list_walk_next(&w, &e));
		ATF_CHECK_EQ_MSG(strlen(want[i].name), e.len, "%s %.*s",
		    want[i].name, (int)e.len, e.name);
		ATF_CHECK(memcmp(want[i].name, e.name, e.len) == 0);
		ATF_CHECK_EQ_MSG(want[i].exists, e.exists, "%s",
		    want[i].name);
		ATF_CHECK_EQ_MSG(want[i].children, e.children, "%s",
		    want[i].name);
		ATF_CHECK_EQ_MSG(want[i].children, list_has_children(names,
		    n, want[i].name), "%s", want[i].name);
	}
	ATF_CHECK_EQ(0, list_walk_next(&w, &e));
	ATF_CHECK_EQ(0, list_has_children(names, n, "zz"));
	ATF_CHECK_EQ(0, list_has_children(names, n, "c/"));
	list_walk_init(&w, names, 0);
	ATF_CHECK_EQ(0, list_walk_next(&w, &e));
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, match);
	ATF_TP_ADD_TC(tp, model);
	ATF_TP_ADD_TC(tp, below);
	ATF_TP_ADD_TC(tp, below_model);
	ATF_TP_ADD_TC(tp, hostile);
	ATF_TP_ADD_TC(tp, join);
	ATF_TP_ADD_TC(tp, names);
	ATF_TP_ADD_TC(tp, walk);
	return atf_no_error();
}
