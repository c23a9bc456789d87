/*
 * Commands: nothing crashes; what is refused has a clean reason; the text
 * of a search key parses to the same key; sets resolve.  The first byte
 * chooses the options.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "ibuf.h"
#include "imapparse.h"

const struct fuzz_seed fuzz_seeds[] = {
	FUZZ_SEED("1a LOGIN {3}\r\njoe \"pa\\\\ss\""),
	FUZZ_SEED("1a AUTHENTICATE PLAIN AHRpbQB0YW5zdGFhZg=="),
	FUZZ_SEED("1a SELECT &ZeVnLIqe-/b (QRESYNC (67890007 20050715 "
	    "41,43:211 (1,2:3 4,5:6)) CONDSTORE)"),
	FUZZ_SEED("1a CREATE \"x/\" (USE (\\Drafts \\Sent))"),
	FUZZ_SEED("1a RENAME inbox {3+}\r\na b"),
	FUZZ_SEED("1a STATUS x (MESSAGES UNSEEN SIZE HIGHESTMODSEQ)"),
	FUZZ_SEED("1a LIST (SUBSCRIBED RECURSIVEMATCH) ref/ (a* \"%\") "
	    "RETURN (CHILDREN STATUS (UIDNEXT))"),
	FUZZ_SEED("1a APPEND x (\\Seen $a) \"17-Jul-1996 02:44:25 -0700\" "
	    "~{310+}"),
	FUZZ_SEED("1a UID FETCH 1:*,$ (FLAGS BODY.PEEK[1.2.HEADER.FIELDS.NOT"
	    " (From \"To\")]<0.99> BINARY[1] RFC822) (CHANGEDSINCE 7 "
	    "VANISHED)"),
	FUZZ_SEED("1a FETCH 2,4:7,9,12:* FULL"),
	FUZZ_SEED("1a UID STORE 1:9 (UNCHANGEDSINCE 3) -FLAGS.SILENT "
	    "\\Seen \\Draft a"),
	FUZZ_SEED("1a SEARCH RETURN (MIN SAVE) CHARSET UTF-8 OR OR NEW NOT "
	    "(1:* UID 3 $) HEADER X-a \"b\" SINCE 1-Feb-1994 TEXT {2}\r\nab "
	    "MODSEQ \"/flags/a\" all 7 KEYWORD x LARGER 5"),
	FUZZ_SEED("1a UID SORT RETURN (COUNT) (REVERSE DATE DISPLAYFROM) "
	    "UTF-8 NOT SEEN"),
	FUZZ_SEED("1a THREAD REFERENCES US-ASCII SUBJECT {1}\r\nx"),
	FUZZ_SEED("0a ID (\"name\" NIL \"version\" \"1\")"),
	FUZZ_SEED("1a ENABLE CONDSTORE UTF8=ACCEPT"),
	FUZZ_SEED("2a UID MOVE * \"\xc3\xa9\""),
	FUZZ_SEED("1a UID EXPUNGE 3:4"),
	FUZZ_SEED("1a SEARCH EMAILID a-1 NOT THREADID b_2 SAVEDATESUPPORTED "
	    "SAVEDON 1-Feb-2015 SAVEDBEFORE 1-Feb-2015"),
	FUZZ_SEED("1a FETCH 1 (EMAILID THREADID SAVEDATE)"),
	FUZZ_SEED("1a STATUS x (MAILBOXID DELETED-STORAGE)"),
	FUZZ_SEED("1a GETQUOTAROOT x"),
	FUZZ_SEED("1a SETQUOTA \"\" (STORAGE 512 MESSAGE 1)"),
	FUZZ_SEED("1a GETMETADATA (MAXSIZE 1024 DEPTH infinity) \"\" "
	    "(/shared/comment /private/comment)"),
	FUZZ_SEED("1a APPEND x (\\Seen) CATENATE (URL \"/a%20b;UIDVALIDITY=5/;"
	    "UID=20/;SECTION=1.2.HEADER.FIELDS%20(From)/;PARTIAL=1.9\" "
	    "TEXT {42}"),
	FUZZ_SEED("1a UID REPLACE 7 x CATENATE (URL {2}\r\nab)"),
	FUZZ_SEED("3 (\\Draft) \" 7-Feb-1994 22:43:04 -0800\" {295+}"),
	FUZZ_SEED("4 URL ;UID=1 URL b/;UID=3) CATENATE (TEXT {3}"),
	FUZZ_SEED("1a SETMETADATA x (/shared/a ~{2+}\r\nab /private/b NIL)"),
};
const size_t fuzz_nseeds = sizeof(fuzz_seeds) / sizeof(fuzz_seeds[0]);

static void
clean(const char *s)
{
	for (; *s != '\0'; s++)
		if (*s < ' ' || *s > '~')
			abort();
}

static void
resolve(const struct seqset *s, int how)
{
	struct uidset	view, out, numbers;
	int		r;

	uidset_init(&view);
	uidset_init(&out);
	uidset_init(&numbers);
	if (uidset_add(&view, 3, 9) == -1 || uidset_add(&view, 20, 29) == -1)
		abort();
	r = seqset_resolve(s, how, &view, &view, &out);
	if (r == -1 && (how & (SEQSET_UID | SEQSET_LENIENT)) != 0)
		abort();
	if (seqset_numbers(&view, &out, &numbers) == -1 ||
	    uidset_count(&numbers) != uidset_count(&out) ||
	    uidset_max(&numbers) > 17)
		abort();
	uidset_fini(&view);
	uidset_fini(&out);
	uidset_fini(&numbers);
}

static void
walk(const struct imap_key *k, uint32_t above, int depth)
{
	if (depth > 2 * IMAP_DEPTH_MAX || (k->needs & ~above) != 0)
		abort();
	if (k->type == KEY_SEQ)
		resolve(&k->set, SEQSET_LENIENT);
	else if (k->type == KEY_UID)
		resolve(&k->set, SEQSET_UID);
	if (k->type != KEY_AND && k->type != KEY_OR)
		return;
	if (k->child == NULL || k->child->next == NULL)
		abort();
	above = k->needs;
	for (k = k->child; k != NULL; k = k->next)
		walk(k, above, depth + 1);
}

static void
put(struct ibuf *b, const struct imap_key *k)
{
	ibuf_init(b, 1 << 24);
	if (ibuf_adds(b, "a SEARCH ") == -1 || imap_put_key(b, k) == -1)
		abort();
}

static void
search(const struct imap_cmd *c)
{
	static struct imap_parse_opts	 opts;
	struct imap_cmd			 again;
	struct ibuf			 one, two;

	imap_ext_add(&opts.exts, IMAP_EXT_IMAP4REV2);
	imap_ext_add(&opts.exts, IMAP_EXT_QRESYNC);
	imap_ext_add(&opts.exts, IMAP_EXT_OBJECTID);
	imap_ext_add(&opts.exts, IMAP_EXT_SAVEDATE);
	walk(c->search.key, 0xf, 0);
	put(&one, c->search.key);
	if (imap_parse(&again, &opts, (char *)ibuf_data(&one),
	    ibuf_size(&one)) != IMAP_OK)
		abort();
	put(&two, again.search.key);
	if (ibuf_size(&one) != ibuf_size(&two) || memcmp(ibuf_data(&one),
	    ibuf_data(&two), ibuf_size(&one)) != 0)
		abort();
	imap_cmd_free(&again);
	ibuf_fini(&one);
	ibuf_fini(&two);
}

static void
fetch(const struct imap_cmd *c)
{
	uint32_t	i;

	resolve(&c->fetch.set, c->uid ? SEQSET_UID : 0);
	for (i = 0; i < c->fetch.natts; i++)
		clean(c->fetch.att[i].name);
}

static void
refused(const struct imap_cmd *c)
{
	struct ibuf	b;

	ibuf_init(&b, 1024);
	if (imap_put_refusal(&b, c) == -1)
		abort();
	if (ibuf_size(&b) < 3 || memchr(ibuf_data(&b), '\r',
	    ibuf_size(&b) - 2) != NULL)
		abort();
	ibuf_fini(&b);
	if (c->error != NULL)
		clean(c->error);
}

/* A literal is last, and only a list that is open or a message waits. */
static void
items(const struct imap_append *a)
{
	const struct imap_append_item	*it;
	int				 literal = 0;

	for (it = a->item; it != NULL; it = it->next) {
		if (literal)
			abort();
		literal = it->what == APPEND_TEXT;
		if (it->what == APPEND_URL && !it->bad &&
		    (it->url.uid == 0 || it->url.mailbox == NULL))
			abort();
	}
	if (a->whole == literal || (a->open && !literal))
		abort();
}

static void
piece(const struct imap_parse_opts *opts, const char *p, size_t len,
    int open)
{
	struct imap_literal	lit;
	struct imap_cmd		c;
	enum imap_result	r;

	r = imap_parse_more(&c, opts, p, len, IMAP_APPEND, open);
	if (r == IMAP_OK)
		items(&c.append);
	if ((r == IMAP_BAD) != (c.error != NULL) || c.errpos > len ||
	    c.used > IMAP_ARENA_MAX)
		abort();
	if (imap_literal_tail(p, len, &lit) != 1 && r == IMAP_WANT_LITERAL)
		abort();
	imap_cmd_free(&c);
}

static void
good(const struct imap_cmd *c)
{
	if (c->error != NULL || c->name == NULL)
		abort();
	if (c->verb == IMAP_SEARCH || c->verb == IMAP_SORT ||
	    c->verb == IMAP_THREAD)
		search(c);
	else if (c->verb == IMAP_FETCH)
		fetch(c);
	else if (c->verb == IMAP_APPEND || c->verb == IMAP_REPLACE)
		items(&c->append);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct imap_parse_opts	 opts;
	struct imap_literal	 lit;
	struct imap_cmd		 c;
	const char		*p = (const char *)data + 1;
	enum imap_result	 r;

	if (len == 0)
		return 0;
	memset(&opts, 0, sizeof(opts));
	if (*data != '0') {
		imap_ext_add(&opts.exts, IMAP_EXT_IMAP4REV2);
		imap_ext_add(&opts.exts, IMAP_EXT_QRESYNC);
		imap_ext_add(&opts.exts, IMAP_EXT_CREATE_SPECIAL_USE);
		imap_ext_add(&opts.exts, IMAP_EXT_ID);
		imap_ext_add(&opts.exts, IMAP_EXT_ESORT);
		imap_ext_add(&opts.exts, IMAP_EXT_SORT_DISPLAY);
		imap_ext_add(&opts.exts, IMAP_EXT_THREAD);
		imap_ext_add(&opts.exts, IMAP_EXT_QUOTA);
		imap_ext_add(&opts.exts, IMAP_EXT_METADATA);
		imap_ext_add(&opts.exts, IMAP_EXT_OBJECTID);
		imap_ext_add(&opts.exts, IMAP_EXT_SAVEDATE);
		imap_ext_add(&opts.exts, IMAP_EXT_MULTIAPPEND);
		imap_ext_add(&opts.exts, IMAP_EXT_CATENATE);
		imap_ext_add(&opts.exts, IMAP_EXT_REPLACE);
	}
	if (*data == '3' || *data == '4') {
		piece(&opts, p, len - 1, *data == '4');
		return 0;
	}
	opts.utf8 = *data == '2';
	r = imap_parse(&c, &opts, p, len - 1);
	if (r == IMAP_OK)
		good(&c);
	else
		refused(&c);
	if (c.errpos > len - 1 || c.used > IMAP_ARENA_MAX)
		abort();
	/* whoever waits for a literal must have been told of one */
	if (imap_literal_tail(p, len - 1, &lit) != 1 &&
	    r == IMAP_WANT_LITERAL)
		abort();
	imap_is_append(p, len - 1);
	imap_cmd_free(&c);
	return 0;
}
