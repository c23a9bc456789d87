#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check_report.h"
#include "json.h"
#include "log.h"

#define HEAD_SHOWN	1500		/* bytes */
#define BODY_SHOWN	2500
#define REPORT_MAX	(16 * 1024 * 1024)

static const char *const verdicts[] = { "not run", "passed", "failed",
    "skipped" };

/* the bytes of a failure */

static void
bytes_put(struct ibuf *b, const char *s, size_t len, size_t max)
{
	size_t		 i, n, shown = len < max ? len : max;
	uint32_t	 cp;

	for (i = 0; i < shown; i += n) {
		n = 1;
		if (s[i] == '\r' && i + 1 < len && s[i + 1] == '\n')
			continue;
		if (s[i] == '\n') {
			(void)ibuf_add(b, "\n", 1);
			continue;
		}
		n = utf8_decode(s + i, len - i, &cp);
		if (n == 0 || cp < ' ' || (cp >= 0x7f && cp < 0xa0)) {
			n = 1;
			(void)ibuf_addf(b, "\\%03o", (unsigned char)s[i]);
		} else
			(void)ibuf_add(b, s + i, n);
	}
	if (shown < len)
		(void)ibuf_addf(b, "\n[... %zu bytes more]", len - shown);
}

char *
report_bytes(const char *head, size_t headlen, const char *body, size_t len)
{
	struct ibuf	 b;
	char		*s;

	ibuf_init(&b, REPORT_MAX);
	bytes_put(&b, head != NULL ? head : "", headlen,
	    HEAD_SHOWN + BODY_SHOWN);
	bytes_put(&b, body != NULL ? body : "", len, BODY_SHOWN);
	s = ibuf_size(&b) == 0 ? strdup("") :
	    strndup((char *)ibuf_data(&b), ibuf_size(&b));
	if (s == NULL)
		fatal("memory");
	ibuf_fini(&b);
	return s;
}

/* progress */

static int
report_tells(struct check_run *run)
{
	return run->conf->verbose || isatty(STDERR_FILENO);
}

void
report_progress(struct check_run *run, const struct check *check)
{
	if (run->conf->verbose || !report_tells(run))
		return;
	if (check == NULL)
		fprintf(stderr, "\r%-60s\r", "");
	else
		fprintf(stderr, "\r%3zu of %zu  %-40s",
		    (size_t)(check - checks) + 1, nchecks, check->name);
	fflush(stderr);
}

void
report_done(struct check_run *run, const struct check *check)
{
	struct check_result *r = &run->results[check - checks];

	if (run->conf->verbose)
		fprintf(stderr, "%-28s %-8s %6lld ms\n", check->name,
		    verdicts[r->verdict], (long long)r->ms);
}

/* groups */

static int
group_level(int group)
{
	switch (group) {
	case LEVEL0:
		return 0;
	case CAP_WRITE:
		return 1;
	case CAP_MODSEQ:
	case CAP_EVENTS:
	case CAP_IDEMPOTENCY:
	case CAP_COPY:
		return 2;
	default:
		return 3;
	}
}

static void
group_title(char *buf, size_t len, int group)
{
	int level = group_level(group);

	if (group == LEVEL0)
		snprintf(buf, len, "Level 0");
	else if (level < 3)
		snprintf(buf, len, "Level %d: %s", level,
		    st_cap_names[group]);
	else
		snprintf(buf, len, "%s", st_cap_names[group]);
}

static int
group_count(struct check_run *run, int group, enum check_verdict verdict)
{
	size_t	i;
	int	n = 0;

	for (i = 0; i < nchecks; i++)
		if ((group == -1 || checks[i].group == group) &&
		    run->results[i].verdict == verdict)
			n++;
	return n;
}

void
report_list(void)
{
	size_t i;

	for (i = 0; i < nchecks; i++)
		printf("%-22s %-13s %s\n", checks[i].name,
		    checks[i].group == LEVEL0 ? "-" :
		    st_cap_names[checks[i].group], checks[i].text);
}

/* for people */

static void
people_caps(struct check_run *run)
{
	int cap, n = 0;

	printf("level %d", run->level);
	for (cap = 0; cap < CAP_MAX; cap++)
		if ((run->due & CAP(cap)) && group_level(cap) > run->level)
			printf("%s %s", n++ == 0 ? ", and" : ",",
			    st_cap_names[cap]);
	printf("\n");
}

static void
people_text(const char *s)
{
	char *b = report_bytes(s, strlen(s), NULL, 0);

	printf("%s", b);
	free(b);
}

static void
people_lines(const char *mark, const char *s)
{
	size_t n;

	while (s != NULL && *s != '\0') {
		n = strcspn(s, "\n");
		printf("    %s %.*s\n", mark, (int)n, s);
		s += n + (s[n] == '\n');
	}
}

static void
people_one(const struct check *c, const struct check_result *r)
{
	static const char *const marks[] = { "-", "ok", "FAILED", "-" };

	printf("  %-7s %-26s ", marks[r->verdict], c->name);
	if (r->verdict == CHECK_SKIPPED) {
		printf("skipped: ");
		people_text(r->why);
		printf("\n");
	} else
		printf("%s\n", c->text);
}

static void
people_group(struct check_run *run, int group)
{
	char	title[64];
	size_t	i;

	if (group_count(run, group, CHECK_PASSED) == 0 &&
	    group_count(run, group, CHECK_FAILED) == 0 &&
	    group_count(run, group, CHECK_SKIPPED) == 0)
		return;
	group_title(title, sizeof(title), group);
	printf("\n%s: %d passed, %d failed, %d skipped\n", title,
	    group_count(run, group, CHECK_PASSED),
	    group_count(run, group, CHECK_FAILED),
	    group_count(run, group, CHECK_SKIPPED));
	for (i = 0; i < nchecks; i++)
		if (checks[i].group == group &&
		    run->results[i].verdict != CHECK_NONE)
			people_one(&checks[i], &run->results[i]);
}

static void
people_failure(const char *name, const char *section,
    const struct check_result *r)
{
	printf("\n%s: ", name);
	people_text(r->why);
	printf("\n");
	if (section != NULL)
		printf("    see mfront-storage(7), %s\n", section);
	people_lines(">", r->request);
	people_lines("<", r->answer);
}

static void
people_print(struct check_run *run, int ok)
{
	size_t	i;
	int	group;

	if (run->doc != NULL) {
		people_text(val_text(run->doc, "name") != NULL ?
		    val_text(run->doc, "name") : "(no name)");
		printf(" ");
		people_text(val_text(run->doc, "version") != NULL ?
		    val_text(run->doc, "version") : "(no version)");
		printf(", ");
		people_caps(run);
		people_group(run, LEVEL0);
		for (group = 0; group < CAP_MAX; group++)
			people_group(run, group);
	}
	for (i = 0; i < nchecks; i++)
		if (run->results[i].verdict == CHECK_FAILED)
			people_failure(checks[i].name, checks[i].section,
			    &run->results[i]);
	if (run->setup.verdict == CHECK_FAILED)
		people_failure("check", NULL, &run->setup);
	printf("\n%d passed, %d failed, %d skipped: %s\n",
	    group_count(run, -1, CHECK_PASSED),
	    group_count(run, -1, CHECK_FAILED),
	    group_count(run, -1, CHECK_SKIPPED),
	    ok ? "what is announced is kept" : "NOT what is announced");
}

/* for programs */

static void
json_maybe(struct ibuf *b, const char *name, const char *s)
{
	char *clean;

	if (s == NULL)
		return;
	clean = report_bytes(s, strlen(s), NULL, 0);
	(void)json_kstr(b, name, clean);
	free(clean);
}

static void
json_result(struct ibuf *b, const struct check *c,
    const struct check_result *r)
{
	(void)json_open(b, '{');
	(void)json_kstr(b, "name", c->name);
	(void)json_ku64(b, "level", (uint64_t)group_level(c->group));
	if (c->group != LEVEL0)
		(void)json_kstr(b, "capability", st_cap_names[c->group]);
	(void)json_kstr(b, "section", c->section);
	(void)json_kstr(b, "text", c->text);
	(void)json_kstr(b, "result", verdicts[r->verdict]);
	(void)json_ku64(b, "ms", (uint64_t)r->ms);
	json_maybe(b, "why", r->why);
	json_maybe(b, "request", r->request);
	json_maybe(b, "answer", r->answer);
	(void)json_close(b, '}');
}

static void
json_caps(struct ibuf *b, uint64_t caps)
{
	int cap;

	(void)json_key(b, "capabilities");
	(void)json_open(b, '[');
	for (cap = 0; cap < CAP_MAX; cap++)
		if (caps & CAP(cap))
			(void)json_put_str(b, st_cap_names[cap]);
	(void)json_close(b, ']');
}

static void
json_summary(struct ibuf *b, struct check_run *run, int ok)
{
	(void)json_kbool(b, "ok", ok);
	json_maybe(b, "name", val_text(run->doc, "name"));
	json_maybe(b, "version", val_text(run->doc, "version"));
	(void)json_ku64(b, "level", (uint64_t)run->level);
	json_caps(b, run->due);
	(void)json_ku64(b, "passed",
	    (uint64_t)group_count(run, -1, CHECK_PASSED));
	(void)json_ku64(b, "failed",
	    (uint64_t)group_count(run, -1, CHECK_FAILED));
	(void)json_ku64(b, "skipped",
	    (uint64_t)group_count(run, -1, CHECK_SKIPPED));
	if (run->setup.verdict != CHECK_FAILED)
		return;
	json_maybe(b, "error", run->setup.why);
	json_maybe(b, "request", run->setup.request);
	json_maybe(b, "answer", run->setup.answer);
}

static void
json_print(struct check_run *run, int ok)
{
	struct ibuf	b;
	size_t		i;

	ibuf_init(&b, REPORT_MAX);
	(void)json_open(&b, '{');
	json_summary(&b, run, ok);
	(void)json_key(&b, "checks");
	(void)json_open(&b, '[');
	for (i = 0; i < nchecks; i++)
		if (run->results[i].verdict != CHECK_NONE)
			json_result(&b, &checks[i], &run->results[i]);
	(void)json_close(&b, ']');
	(void)json_close(&b, '}');
	(void)ibuf_adds(&b, "\n");
	fwrite(ibuf_data(&b), 1, ibuf_size(&b), stdout);
	ibuf_fini(&b);
}

int
report_print(struct check_run *run)
{
	int ok = run->setup.verdict != CHECK_FAILED &&
	    group_count(run, -1, CHECK_FAILED) == 0;

	if (run->conf->json)
		json_print(run, ok);
	else
		people_print(run, ok);
	if (fflush(stdout) == EOF) {
		log_warn("stdout");
		return 0;
	}
	return ok;
}

static void
report_free_one(struct check_result *r)
{
	free(r->why);
	free(r->request);
	free(r->answer);
}

void
report_free(struct check_run *run)
{
	size_t i;

	for (i = 0; i < nchecks; i++)
		report_free_one(&run->results[i]);
	report_free_one(&run->setup);
	free(run->results);
}
