/*
 * Everything that IMAP would be told of a message, as text: what the corpus
 * in mail/ is compared by.
 */
#ifndef MAILDUMP_H
#define MAILDUMP_H

#include <err.h>
#include <stdio.h>
#include <string.h>

#include "imapout.h"
#include "summary.h"

#define DUMP_MAX	(8 * 1024 * 1024)

static void
dump_bytes(FILE *out, const struct ibuf *b)
{
	const uint8_t	*p = ibuf_data(b);
	size_t		 i, n = ibuf_size(b);

	for (i = 0; i < n; i++) {
		if (p[i] == '\\')
			fputs("\\\\", out);
		else if (p[i] >= ' ' && p[i] < 0x7f)
			putc(p[i], out);
		else
			fprintf(out, "\\%02x", p[i]);
	}
	putc('\n', out);
}

static void
dump_item(FILE *out, const char *name, const struct summary *s, int flags,
    int (*item)(struct ibuf *, const struct summary *, int))
{
	struct ibuf b;

	ibuf_init(&b, DUMP_MAX);
	fprintf(out, "%s ", name);
	if (item(&b, s, flags) == -1)
		fprintf(out, "(none)\n");
	else
		dump_bytes(out, &b);
	ibuf_fini(&b);
}

static int
dump_section(FILE *out, const struct summary *s, const uint32_t *path,
    size_t n, enum imapout_what what)
{
	static const char *const	names[] = { "", "HEADER", "TEXT",
					    "MIME" };
	struct imapout_section		sec;
	size_t				i;

	if (imapout_section(s, path, n, what, &sec) != 1)
		return 0;
	putc('[', out);
	for (i = 0; i < n; i++)
		fprintf(out, "%s%u", i > 0 ? "." : "", path[i]);
	if (n > 0 && what != IMAPOUT_ALL)
		putc('.', out);
	fprintf(out, "%s] %llu %llu", names[what],
	    (unsigned long long)sec.off, (unsigned long long)sec.len);
	if (sec.encoding != MIME_IDENTITY)
		fprintf(out, " encoding %d", sec.encoding);
	putc('\n', out);
	return 1;
}

static void
dump_sections(FILE *out, const struct summary *s, uint32_t *path, size_t n)
{
	uint32_t	i;
	int		w, any;

	for (i = 1; i < 12; i++) {
		path[n] = i;
		any = 0;
		for (w = IMAPOUT_ALL; w <= IMAPOUT_MIME; w++)
			any |= dump_section(out, s, path, n + 1,
			    (enum imapout_what)w);
		if (!any)
			break;
		if (n < 6)
			dump_sections(out, s, path, n + 1);
	}
}

static void
dump_summary(FILE *out, const char *text, size_t len)
{
	struct summary	s;
	struct ibuf	b;
	uint32_t	path[8];
	int		w;

	if (summary_parse(&s, text, len) != 1) {
		fprintf(out, "no summary\n");
		return;
	}
	dump_item(out, "ENVELOPE", &s, 0, imapout_envelope);
	dump_item(out, "BODY", &s, 0, imapout_body);
	dump_item(out, "BODYSTRUCTURE", &s, 0, imapout_bodystructure);
	for (w = IMAPOUT_ALL; w <= IMAPOUT_TEXT; w++)
		dump_section(out, &s, path, 0, (enum imapout_what)w);
	dump_sections(out, &s, path, 0);
	ibuf_init(&b, DUMP_MAX);
	if (summary_preview(&s, &b) == 1) {
		fprintf(out, "PREVIEW ");
		dump_bytes(out, &b);
	}
	ibuf_fini(&b);
}

/* A message's summary, made from pieces of the given size. */
static int
dump_make(struct ibuf *to, const char *p, size_t len, size_t piece)
{
	struct summary_maker	*sm;
	size_t			 n;
	int			 r = 0;

	if ((sm = summary_open()) == NULL)
		return -1;
	for (; len > 0 && r == 0; p += n, len -= n) {
		n = len < piece ? len : piece;
		r = summary_feed(sm, p, n);
	}
	if (r == 0)
		r = summary_finish(sm, to, SUMMARY_FULL);
	summary_free(sm);
	return r;
}

#endif /* MAILDUMP_H */
