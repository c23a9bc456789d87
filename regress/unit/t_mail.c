/*
 * The messages in mail/: what is made of each is in the file beside it
 * (".out"), and is the same whatever pieces the message comes in.
 */
#include <atf-c.h>
#include <dirent.h>
#include <stdlib.h>

#include "charset.h"
#include "maildump.h"

#define MESSAGES_LEAST	50

/* A file's bytes, with a NUL behind them. */
static char *
slurp(const char *path, size_t *len)
{
	FILE	*f;
	char	*p;
	long	 n;

	if ((f = fopen(path, "rb")) == NULL)
		return NULL;
	ATF_REQUIRE_EQ(0, fseek(f, 0, SEEK_END));
	ATF_REQUIRE((n = ftell(f)) >= 0);
	rewind(f);
	ATF_REQUIRE((p = malloc((size_t)n + 1)) != NULL);
	ATF_REQUIRE_EQ((size_t)n, fread(p, 1, (size_t)n, f));
	p[n] = '\0';
	fclose(f);
	*len = (size_t)n;
	return p;
}

static char *
dump_text(const struct ibuf *summary)
{
	FILE	*f;
	char	*text = NULL;
	size_t	 n;

	ATF_REQUIRE((f = open_memstream(&text, &n)) != NULL);
	dump_summary(f, (char *)ibuf_data(summary), ibuf_size(summary));
	ATF_REQUIRE_EQ(0, fclose(f));
	return text;
}

static void
check_message(const char *path, const char *mail, size_t len)
{
	static const size_t	 pieces[] = { 1, 2, 7, 64, 4096 };
	struct ibuf		 whole, b;
	char			 outpath[1024], *want, *have;
	size_t			 i, n;

	ibuf_init(&whole, DUMP_MAX);
	ATF_REQUIRE_EQ(0, dump_make(&whole, mail, len, len + 1));
	for (i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		ibuf_init(&b, DUMP_MAX);
		ATF_REQUIRE_EQ(0, dump_make(&b, mail, len, pieces[i]));
		ATF_CHECK_MSG(ibuf_size(&b) == ibuf_size(&whole) &&
		    memcmp(ibuf_data(&b), ibuf_data(&whole),
		    ibuf_size(&b)) == 0, "%s in pieces of %zu: another "
		    "summary", path, pieces[i]);
		ibuf_fini(&b);
	}
	snprintf(outpath, sizeof(outpath), "%.*s.out",
	    (int)(strlen(path) - 4), path);
	want = slurp(outpath, &n);
	ATF_REQUIRE_MSG(want != NULL, "%s is missing", outpath);
	have = dump_text(&whole);
	ATF_CHECK_MSG(strcmp(want, have) == 0, "%s\nexpected:\n%s\nis:\n%s",
	    path, want, have);
	free(want);
	free(have);
	ibuf_fini(&whole);
}

/* Calls a function for every message; returns how many there were. */
static int
each_message(const atf_tc_t *tc, void (*fn)(const char *, const char *,
    size_t))
{
	const char	*dir = atf_tc_get_config_var(tc, "srcdir");
	struct dirent	*de;
	DIR		*d;
	char		 path[1024], *mail;
	size_t		 len;
	int		 n = 0;

	snprintf(path, sizeof(path), "%s/mail", dir);
	ATF_REQUIRE((d = opendir(path)) != NULL);
	while ((de = readdir(d)) != NULL) {
		len = strlen(de->d_name);
		if (len < 4 || strcmp(de->d_name + len - 4, ".eml") != 0)
			continue;
		snprintf(path, sizeof(path), "%s/mail/%s", dir, de->d_name);
		ATF_REQUIRE((mail = slurp(path, &len)) != NULL);
		fn(path, mail, len);
		free(mail);
		n++;
	}
	closedir(d);
	return n;
}

ATF_TC_WITHOUT_HEAD(corpus);
ATF_TC_BODY(corpus, tc)
{
	charset_init();
	ATF_CHECK(each_message(tc, check_message) >= MESSAGES_LEAST);
}

/*
 * Every prefix of every message is a message: it gives a summary that can
 * be read, whose sections are inside it.
 */
static void
check_prefixes(const char *path, const char *mail, size_t len)
{
	struct ibuf		b;
	struct summary		s;
	struct summary_parts	it;
	struct summary_part	part;
	size_t			n;
	int			r;

	for (n = 0; n < len; n += n < 64 ? 1 : 13) {
		ibuf_init(&b, DUMP_MAX);
		ATF_REQUIRE_EQ(0, dump_make(&b, mail, n, n + 1));
		ATF_REQUIRE_EQ_MSG(1, summary_parse(&s,
		    (char *)ibuf_data(&b), ibuf_size(&b)), "%s %zu", path, n);
		ATF_CHECK_EQ(n, s.size);
		ATF_REQUIRE_EQ(0, summary_parts(&s, &it));
		while ((r = summary_part_next(&it, &part)) == 1)
			;
		ATF_CHECK_EQ_MSG(0, r, "%s cut at %zu", path, n);
		ibuf_fini(&b);
	}
}

ATF_TC_WITHOUT_HEAD(prefixes);
ATF_TC_BODY(prefixes, tc)
{
	ATF_CHECK(each_message(tc, check_prefixes) >= MESSAGES_LEAST);
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, corpus);
	ATF_TP_ADD_TC(tp, prefixes);
	return atf_no_error();
}
