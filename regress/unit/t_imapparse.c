/*
 * Commands in, what the parser made of them out, as one line of text:
 * tables of both.
 */
#include <atf-c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ibuf.h"
#include "imapparse.h"
#include "imapput.h"

static struct imap_parse_opts base, all, utf8;

static void
setup(void)
{
	int i;

	memset(&base, 0, sizeof(base));
	for (i = 0; i < IMAP_EXT_MAX; i++)
		imap_ext_add(&all.exts, (enum imap_ext)i);
	utf8 = all;
	utf8.utf8 = 1;
}

/* The dump. */

static void
dump_str(struct ibuf *b, const char *name, const struct hstr *s)
{
	if (s->p == NULL)
		ibuf_addf(b, " %s=NIL", name);
	else
		ibuf_addf(b, " %s=%.*s", name, (int)s->len, s->p);
}

static void
dump_set(struct ibuf *b, const char *name, const struct seqset *s)
{
	uint32_t i;

	ibuf_addf(b, " %s=%s", name, s->saved ? "$" : "");
	for (i = 0; i < s->n; i++)
		ibuf_addf(b, "%s%u:%u", i > 0 ? "," : "", s->r[i].lo,
		    s->r[i].hi);
}

static void
dump_none(struct ibuf *b, const struct imap_cmd *c)
{
}

static void
dump_url(struct ibuf *b, const struct imap_url *u)
{
	size_t i;

	ibuf_addf(b, " url=%s%s/%u/%u", u->relative ? "~" : "", u->mailbox,
	    u->uidvalidity, u->uid);
	if (u->has_section)
		ibuf_addf(b, "/%s", u->section.text);
	for (i = 0; i < u->section.nfields; i++)
		ibuf_addf(b, "(%.*s)", (int)u->section.field[i].len,
		    u->section.field[i].p);
	if (u->partial && u->count == UINT64_MAX)
		ibuf_addf(b, "/%llu-", (unsigned long long)u->offset);
	else if (u->partial)
		ibuf_addf(b, "/%llu+%llu", (unsigned long long)u->offset,
		    (unsigned long long)u->count);
}

static void
dump_item(struct ibuf *b, const struct imap_append_item *it)
{
	if (it->what == APPEND_URL && it->bad)
		ibuf_addf(b, " bad=%.*s", (int)it->text.len, it->text.p);
	else if (it->what == APPEND_URL)
		dump_url(b, &it->url);
	else if (it->what == APPEND_TEXT)
		ibuf_addf(b, " %llu%s%s",
		    (unsigned long long)it->literal.size,
		    it->literal.sync ? "" : "+",
		    it->literal.binary ? "~" : "");
	else {
		ibuf_adds(b, " ");
		imap_put_flag_list(b, &it->flags);
		if (it->has_date)
			ibuf_addf(b, " %lld%+d", (long long)it->date.t,
			    it->date.zone);
		if (it->catenate)
			ibuf_adds(b, " CATENATE");
	}
}

static void
dump_items(struct ibuf *b, const struct imap_append *a)
{
	const struct imap_append_item *it;

	for (it = a->item; it != NULL; it = it->next)
		dump_item(b, it);
	if (a->open)
		ibuf_adds(b, " open");
	if (a->whole)
		ibuf_adds(b, " whole");
}

static void
dump_append(struct ibuf *b, const struct imap_cmd *c)
{
	ibuf_addf(b, " %s", c->append.mailbox);
	dump_items(b, &c->append);
}

static void
dump_replace(struct ibuf *b, const struct imap_cmd *c)
{
	dump_set(b, "set", &c->append.set);
	dump_append(b, c);
}

static void
dump_authenticate(struct ibuf *b, const struct imap_cmd *c)
{
	dump_str(b, "mech", &c->authenticate.mech);
	dump_str(b, "initial", &c->authenticate.initial);
}

static void
dump_copy(struct ibuf *b, const struct imap_cmd *c)
{
	dump_set(b, "set", &c->copy.set);
	ibuf_addf(b, " %s", c->copy.mailbox);
}

static void
dump_create(struct ibuf *b, const struct imap_cmd *c)
{
	uint32_t bit;

	ibuf_addf(b, " %s", c->create.mailbox);
	for (bit = 1; bit <= 0x80; bit <<= 1)
		if (c->create.use & bit)
			ibuf_addf(b, " %s", imap_use_role(bit));
}

static void
dump_enable(struct ibuf *b, const struct imap_cmd *c)
{
	uint32_t i;

	for (i = 0; i < c->enable.n; i++)
		dump_str(b, "x", &c->enable.name[i]);
}

static void
dump_expunge(struct ibuf *b, const struct imap_cmd *c)
{
	if (c->uid)
		dump_set(b, "set", &c->expunge.set);
}

static void
dump_section(struct ibuf *b, const struct imap_section *s)
{
	size_t i;

	ibuf_addf(b, "/%d'%s'", s->what, s->text);
	for (i = 0; i < s->nparts; i++)
		ibuf_addf(b, "/%u", s->part[i]);
	for (i = 0; i < s->nfields; i++)
		ibuf_addf(b, "/%.*s", (int)s->field[i].len, s->field[i].p);
}

static void
dump_fetch(struct ibuf *b, const struct imap_cmd *c)
{
	const struct imap_fetch		*f = &c->fetch;
	const struct imap_fetch_att	*a;
	uint32_t			 i;

	dump_set(b, "set", &f->set);
	for (i = 0; i < f->natts; i++) {
		a = &f->att[i];
		ibuf_addf(b, " %s%s%s", a->peek ? "" : "!", a->name,
		    a->lazy ? "/lazy" : "");
		if (a->att == ATT_SECTION)
			dump_section(b, &a->section);
		if (a->partial)
			ibuf_addf(b, "/%llu+%llu",
			    (unsigned long long)a->offset,
			    (unsigned long long)a->count);
	}
	ibuf_addf(b, " needs=%u", f->needs);
	if (f->has_changedsince)
		ibuf_addf(b, " since=%llu%s",
		    (unsigned long long)f->changedsince,
		    f->vanished ? " vanished" : "");
	ATF_CHECK_EQ(f->sets_seen, memchr(ibuf_data(b), '!',
	    ibuf_size(b)) != NULL);
}

static void
dump_id(struct ibuf *b, const struct imap_cmd *c)
{
	uint32_t i;

	for (i = 0; i < c->id.n; i++) {
		dump_str(b, "f", &c->id.field[i]);
		dump_str(b, "v", &c->id.value[i]);
	}
}

static void
dump_list(struct ibuf *b, const struct imap_cmd *c)
{
	const struct imap_list *l = &c->list;
	uint32_t i;

	ibuf_addf(b, " ref=%s", l->reference);
	for (i = 0; i < l->npatterns; i++)
		ibuf_addf(b, " pat=%s", l->patterns[i]);
	if (l->root)
		ibuf_adds(b, " root");
	if (l->extended)
		ibuf_addf(b, " select=%x ret=%x status=%x", l->select,
		    l->ret, l->status);
}

static void
dump_login(struct ibuf *b, const struct imap_cmd *c)
{
	dump_str(b, "user", &c->login.user);
	dump_str(b, "pass", &c->login.pass);
}

static void
dump_mailbox(struct ibuf *b, const struct imap_cmd *c)
{
	ibuf_addf(b, " %s", c->mailbox.mailbox);
}

static void
dump_rename(struct ibuf *b, const struct imap_cmd *c)
{
	ibuf_addf(b, " from=%s to=%s", c->rename.from, c->rename.to);
}

static void
dump_search(struct ibuf *b, const struct imap_cmd *c)
{
	const struct imap_search *s = &c->search;

	if (s->esearch)
		ibuf_addf(b, " ret=%x", s->ret);
	if (s->modseq)
		ibuf_adds(b, " modseq");
	ibuf_addf(b, " needs=%u ", s->key->needs);
	ATF_REQUIRE_EQ(0, imap_put_key(b, s->key));
}

static void
dump_sort(struct ibuf *b, const struct imap_cmd *c)
{
	const struct imap_search	*s = &c->search;
	uint32_t			 i;

	for (i = 0; i < s->nsort; i++)
		ibuf_addf(b, " %s%s", s->sort[i].reverse ? "-" : "",
		    imap_sort_name(s->sort[i].by));
	dump_search(b, c);
}

static void
dump_thread(struct ibuf *b, const struct imap_cmd *c)
{
	ibuf_addf(b, " %s", imap_thread_name(c->search.thread));
	dump_search(b, c);
}

static void
dump_quota(struct ibuf *b, const struct imap_cmd *c)
{
	dump_str(b, "root", &c->quota.root);
}

static void
dump_metadata(struct ibuf *b, const struct imap_cmd *c)
{
	const struct imap_metadata *m = &c->metadata;
	uint32_t i;

	ibuf_addf(b, " '%s'", m->mailbox);
	if (m->has_maxsize)
		ibuf_addf(b, " max=%u", m->maxsize);
	if (m->depth != META_DEPTH_0)
		ibuf_addf(b, " depth=%d", m->depth);
	for (i = 0; i < m->n; i++) {
		ibuf_addf(b, " %s", m->entry[i].name);
		if (c->verb == IMAP_SETMETADATA)
			dump_str(b, "", &m->entry[i].value);
	}
}

static void
dump_select(struct ibuf *b, const struct imap_cmd *c)
{
	const struct imap_select *s = &c->select;

	ibuf_addf(b, " %s%s", s->mailbox, s->condstore ? " condstore" : "");
	if (!s->qresync)
		return;
	ibuf_addf(b, " qresync=%u,%llu", s->q.uidvalidity,
	    (unsigned long long)s->q.modseq);
	if (s->q.has_uids)
		dump_set(b, "uids", &s->q.uids);
	if (s->q.has_match) {
		dump_set(b, "seqs", &s->q.match_seqs);
		dump_set(b, "match", &s->q.match_uids);
	}
}

static void
dump_status(struct ibuf *b, const struct imap_cmd *c)
{
	uint32_t bit;

	ibuf_addf(b, " %s", c->status.mailbox);
	for (bit = 1; bit <= IMAP_STATUS_MAILBOXID; bit <<= 1)
		if (c->status.items & bit)
			ibuf_addf(b, " %s", imap_status_name(bit));
}

static void
dump_store(struct ibuf *b, const struct imap_cmd *c)
{
	const struct imap_store *s = &c->store;

	dump_set(b, "set", &s->set);
	ibuf_addf(b, " %c%s", "=+-"[s->op], s->silent ? "silent " : "");
	imap_put_flag_list(b, &s->flags);
	if (s->has_unchangedsince)
		ibuf_addf(b, " unchanged=%llu",
		    (unsigned long long)s->unchangedsince);
}

static void (*const dumps[IMAP_VERB_MAX])(struct ibuf *,
    const struct imap_cmd *) = {
	[IMAP_APPEND] = dump_append,
	[IMAP_AUTHENTICATE] = dump_authenticate,
	[IMAP_CAPABILITY] = dump_none,
	[IMAP_CHECK] = dump_none,
	[IMAP_CLOSE] = dump_none,
	[IMAP_COPY] = dump_copy,
	[IMAP_CREATE] = dump_create,
	[IMAP_DELETE] = dump_mailbox,
	[IMAP_ENABLE] = dump_enable,
	[IMAP_EXAMINE] = dump_select,
	[IMAP_EXPUNGE] = dump_expunge,
	[IMAP_FETCH] = dump_fetch,
	[IMAP_GETMETADATA] = dump_metadata,
	[IMAP_GETQUOTA] = dump_quota,
	[IMAP_GETQUOTAROOT] = dump_mailbox,
	[IMAP_ID] = dump_id,
	[IMAP_IDLE] = dump_none,
	[IMAP_LIST] = dump_list,
	[IMAP_LOGIN] = dump_login,
	[IMAP_LOGOUT] = dump_none,
	[IMAP_LSUB] = dump_list,
	[IMAP_MOVE] = dump_copy,
	[IMAP_NAMESPACE] = dump_none,
	[IMAP_NOOP] = dump_none,
	[IMAP_RENAME] = dump_rename,
	[IMAP_REPLACE] = dump_replace,
	[IMAP_SEARCH] = dump_search,
	[IMAP_SELECT] = dump_select,
	[IMAP_SETMETADATA] = dump_metadata,
	[IMAP_SETQUOTA] = dump_quota,
	[IMAP_SORT] = dump_sort,
	[IMAP_STARTTLS] = dump_none,
	[IMAP_STATUS] = dump_status,
	[IMAP_STORE] = dump_store,
	[IMAP_SUBSCRIBE] = dump_mailbox,
	[IMAP_THREAD] = dump_thread,
	[IMAP_UNSELECT] = dump_none,
	[IMAP_UNSUBSCRIBE] = dump_mailbox,
};

/*
 * What a line gives: a dump; "WANT"; or "BAD text@position" or "NO text".
 * The command is copied to memory of its exact size, for the sanitizer.
 */
static char *
run_len(const struct imap_parse_opts *o, const char *line, size_t len)
{
	static char	 out[8192];
	struct imap_cmd	 c;
	struct ibuf	 b;
	char		*copy;
	int		 r;

	ATF_REQUIRE((copy = malloc(len > 0 ? len : 1)) != NULL);
	memcpy(copy, line, len);
	ibuf_init(&b, sizeof(out) - 1);
	r = imap_parse(&c, o, copy, len);
	if (r == IMAP_WANT_LITERAL) {
		ibuf_adds(&b, "WANT");
		ATF_CHECK(c.error == NULL);
	} else if (r == IMAP_BAD) {
		ATF_REQUIRE(c.error != NULL);
		ATF_REQUIRE(c.errpos <= len);
		if (c.no)
			ibuf_addf(&b, "NO %s", c.error);
		else
			ibuf_addf(&b, "BAD %s@%zu", c.error, c.errpos);
	} else {
		ATF_CHECK(c.error == NULL);
		ibuf_adds(&b, c.name);
		dumps[c.verb](&b, &c);
	}
	memcpy(out, ibuf_data(&b), ibuf_size(&b));
	out[ibuf_size(&b)] = '\0';
	ibuf_fini(&b);
	imap_cmd_free(&c);
	free(copy);
	return out;
}

/* The same of a piece of an APPEND or REPLACE. */
static char *
more(const struct imap_parse_opts *o, const char *line, enum imap_verb verb,
    int open)
{
	static char	 out[8192];
	struct imap_cmd	 c;
	struct ibuf	 b;
	size_t		 len = strlen(line);
	char		*copy;
	int		 r;

	ATF_REQUIRE((copy = malloc(len + 1)) != NULL);
	memcpy(copy, line, len);
	ibuf_init(&b, sizeof(out) - 1);
	r = imap_parse_more(&c, o, copy, len, verb, open);
	if (r == IMAP_WANT_LITERAL)
		ibuf_adds(&b, "WANT");
	else if (r == IMAP_BAD)
		ibuf_addf(&b, "BAD %s@%zu", c.error, c.errpos);
	else
		dump_items(&b, &c.append);
	ATF_CHECK_EQ(r == IMAP_BAD, c.error != NULL);
	ibuf_add_n8(&b, '\0');
	memcpy(out, ibuf_data(&b), ibuf_size(&b));
	ibuf_fini(&b);
	imap_cmd_free(&c);
	free(copy);
	return out;
}

static char *
run(const struct imap_parse_opts *o, const char *line)
{
	return run_len(o, line, strlen(line));
}

struct row {
	const char	*in;
	const char	*out;
};

static void
table(const struct imap_parse_opts *o, const struct row *t)
{
	for (; t->in != NULL; t++)
		ATF_CHECK_STREQ_MSG(t->out, run(o, t->in), "%s", t->in);
}

/* Refused, and here is why; "" for any reason. */
static void
refused(const struct imap_parse_opts *o, const struct row *t)
{
	char *out;

	for (; t->in != NULL; t++) {
		out = run(o, t->in);
		ATF_CHECK_MSG(strncmp(out, "BAD ", 4) == 0, "%s: %s", t->in,
		    out);
		ATF_CHECK_MSG(strstr(out, t->out) != NULL, "%s: %s", t->in,
		    out);
	}
}

ATF_TC_WITHOUT_HEAD(simple);
ATF_TC_BODY(simple, tc)
{
	static const struct row good[] = {
		{ "a CAPABILITY", "CAPABILITY" },
		{ "A.1-x] noop", "NOOP" },
		{ "* LOGOUT", "BAD Invalid tag@0" },
		{ "1 LogOut", "LOGOUT" },
		{ "a STARTTLS", "STARTTLS" },
		{ "a CHECK", "CHECK" },
		{ "a CLOSE", "CLOSE" },
		{ "a EXPUNGE", "EXPUNGE" },
		{ "a UNSELECT", "UNSELECT" },
		{ "a NAMESPACE", "NAMESPACE" },
		{ "a IDLE", "IDLE" },
		{ "a UID EXPUNGE 3:4", "UID EXPUNGE set=3:4" },
		{ "a uid expunge 1,$", "BAD Invalid message set@14" },
		{ "a uid expunge $", "UID EXPUNGE set=$" },
		{ NULL, NULL }
	};
	static const struct row bad[] = {
		{ "", "Invalid tag@0" }, { " ", "Invalid tag@0" },
		{ "a", "Expected a space@1" }, { "a ", "Unknown command@2" },
		{ "a  NOOP", "Unknown command" }, { "a+ NOOP", "Invalid tag" },
		{ "a\tNOOP", "Invalid tag" }, { "a\xc3\xa9 NOOP", "tag" },
		{ "a% NOOP", "Invalid tag" }, { "a\" NOOP", "Invalid tag" },
		{ "a FOO", "Unknown command@2" }, { "a NOO", "Unknown" },
		{ "a NOOPX", "Unknown" }, { "a NOOP ", "end of the command@6" },
		{ "a NOOP x", "end of the command" },
		{ "a NOOP\r", "end of the command" }, { "a UID", "Unknown" },
		{ "a UID ", "Unknown" }, { "a UID NOOP", "Unknown" },
		{ "a UID  FETCH 1 UID", "Unknown" },
		{ "a UIDFETCH 1 UID", "Unknown" },
		{ "a EXPUNGE 1", "end" }, { "a UID EXPUNGE", "space" },
		{ "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		    "aaaaaaaaaa NOOP", "Invalid tag@0" },
		{ NULL, NULL }
	};
	static const char *gated[] = { "a UNSELECT", "a NAMESPACE", "a IDLE",
	    "a ID NIL", "a ENABLE X", "a MOVE 1 x", "a UID MOVE 1 x",
	    "a UID EXPUNGE 1", NULL };
	int i;

	setup();
	table(&all, good);
	refused(&all, bad);
	for (i = 0; gated[i] != NULL; i++) {
		ATF_CHECK_STREQ("BAD Unknown command@2", run(&base, gated[i]));
		ATF_CHECK(strncmp(run(&all, gated[i]), "BAD", 3) != 0);
	}
	ATF_CHECK_STREQ("BAD Invalid tag@0", run_len(&all, "a\0 NOOP", 7));
	ATF_CHECK(strncmp("BAD", run_len(&all, "a NOOP\0", 7), 3) == 0);
}

ATF_TC_WITHOUT_HEAD(literal);
ATF_TC_BODY(literal, tc)
{
	static const struct {
		const char	*line;
		int		 ret;
		uint64_t	 size;
		int		 sync;
		int		 binary;
	} t[] = {
		{ "a LOGIN {5}", 1, 5, 1, 0 },
		{ "a LOGIN {5+}", 1, 5, 0, 0 },
		{ "a APPEND x ~{5}", 1, 5, 1, 1 },
		{ "a APPEND x ~{5+}", 1, 5, 0, 1 },
		{ "{0}", 1, 0, 1, 0 },
		{ " joe {007}", 1, 7, 1, 0 },
		{ "{9223372036854775807}", 1, INT64_MAX, 1, 0 },
		{ "{9223372036854775808}", -1, 0, 0, 0 },
		{ "{99999999999999999999999999+}", -1, 0, 0, 0 },
		{ "", 0, 0, 0, 0 }, { "{}", 0, 0, 0, 0 },
		{ "{+}", 0, 0, 0, 0 }, { "{5-}", 0, 0, 0, 0 },
		{ "{5", 0, 0, 0, 0 }, { "5}", 0, 0, 0, 0 },
		{ "{5} ", 0, 0, 0, 0 }, { "{a5}", 0, 0, 0, 0 },
		{ "{5++}", 0, 0, 0, 0 }, { "{-5}", 0, 0, 0, 0 },
		{ "}", 0, 0, 0, 0 }, { "a}", 0, 0, 0, 0 },
		{ "12+}", 0, 0, 0, 0 }, { "{5}\r", 0, 0, 0, 0 },
	};
	static const struct row rows[] = {
		{ "a LOGIN {3}", "WANT" },
		{ "a LOGIN {3}\r\njoe {4}", "WANT" },
		{ "a LOGIN {3}\r\njoe {4+}\r\npass",
		    "LOGIN user=joe pass=pass" },
		{ "a LOGIN {3}\r\njoe pass", "LOGIN user=joe pass=pass" },
		{ "a LOGIN \"j\\\"oe\" {0}\r\n", "LOGIN user=j\"oe pass=" },
		{ "a LOGIN {3}\r\n\"\r\n x", "LOGIN user=\"\r\n pass=x" },
		{ "a LOGIN {2}\r\n\xc3\xa9 x", "LOGIN user=\xc3\xa9 pass=x" },
		{ "a LOGIN {4}\r\njoe", "BAD Literal is cut off@13" },
		{ "a LOGIN {3} joe x", "BAD Expected the end of the line@11" },
		{ "a LOGIN {3}\njoe x", "BAD Expected the end of the line@11" },
		{ "a LOGIN {3}\r", "BAD Expected the end of the line@11" },
		{ "a LOGIN {3", "BAD Syntax error@10" },
		{ "a LOGIN ~{3}\r\njoe x", "BAD Expected a space@9" },
		{ "a LOGIN {9223372036854775807}\r\njoe x",
		    "BAD Literal is cut off@31" },
		{ "a LOGIN {99999999999999999999}\r\njoe x",
		    "BAD Number too big@29" },
		{ "a FOO {3}", "BAD Unknown command@2" },
		{ "a LOGIN joe{3}", "BAD Expected a space@11" },
		{ NULL, NULL }
	};
	struct imap_literal lit;
	size_t i;
	int r;

	setup();
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		r = imap_literal_tail(t[i].line, strlen(t[i].line), &lit);
		ATF_CHECK_EQ_MSG(t[i].ret, r, "%s", t[i].line);
		if (r != 1)
			continue;
		ATF_CHECK_EQ_MSG(t[i].size, lit.size, "%s", t[i].line);
		ATF_CHECK_EQ_MSG(t[i].sync, lit.sync, "%s", t[i].line);
		ATF_CHECK_EQ_MSG(t[i].binary, lit.binary, "%s", t[i].line);
	}
	table(&all, rows);
	ATF_CHECK_STREQ("BAD NUL in a literal@13",
	    run_len(&all, "a LOGIN {3}\r\nj\0e x", 18));
}

ATF_TC_WITHOUT_HEAD(strings);
ATF_TC_BODY(strings, tc)
{
	static const struct row good[] = {
		{ "a LOGIN joe pass]+[", "LOGIN user=joe pass=pass]+[" },
		{ "a login \"joe\" \"\"", "LOGIN user=joe pass=" },
		{ "a LOGIN \"a b\" \"\\\"\\\\\"", "LOGIN user=a b pass=\"\\" },
		{ "a LOGIN NIL nil", "LOGIN user=NIL pass=nil" },
		{ "a LOGIN \"\x01\x7f\t\" x", "LOGIN user=\x01\x7f\t pass=x" },
		{ NULL, NULL }
	};
	static const struct row bad[] = {
		{ "a LOGIN", "space" }, { "a LOGIN ", "string or atom" },
		{ "a LOGIN joe", "space" }, { "a LOGIN joe ", "string" },
		{ "a LOGIN joe pass x", "end" },
		{ "a LOGIN joe  x", "string or atom" },
		{ "a LOGIN \"joe x", "Unterminated" },
		{ "a LOGIN \"joe\\", "escape" },
		{ "a LOGIN \"joe\\n\" x", "escape" },
		{ "a LOGIN \"joe\r\" x", "Control" },
		{ "a LOGIN \"joe\n\" x", "Control" },
		{ "a LOGIN \"j\xc3\xa9\" x", "8-bit" },
		{ "a LOGIN j\xc3\xa9 x", "space" },
		{ "a LOGIN (joe) x", "string" },
		{ "a LOGIN joe{ x", "space" }, { "a LOGIN jo%e x", "space" },
		{ "a LOGIN jo*e x", "space" }, { "a LOGIN j\\oe x", "space" },
		{ "a LOGIN \"a\"b x", "space" },
		{ NULL, NULL }
	};

	setup();
	table(&all, good);
	refused(&all, bad);
	ATF_CHECK_STREQ("LOGIN user=j\xc3\xa9 pass=x",
	    run(&utf8, "a LOGIN \"j\xc3\xa9\" x"));
	ATF_CHECK(strncmp(run(&utf8, "a LOGIN \"j\xc3\" x"), "BAD Inv", 7)
	    == 0);
	ATF_CHECK(strncmp(run(&utf8, "a LOGIN \"j\xc3"), "BAD Inv", 7) == 0);
	ATF_CHECK(strncmp(run(&utf8, "a LOGIN j\xc3\xa9 x"), "BAD", 3) == 0);
	ATF_CHECK_STREQ("BAD Control character in a quoted string@10",
	    run_len(&all, "a LOGIN \"j\0\" x", 14));
}

ATF_TC_WITHOUT_HEAD(auth);
ATF_TC_BODY(auth, tc)
{
	static const struct row t[] = {
		{ "a AUTHENTICATE PLAIN",
		    "AUTHENTICATE mech=PLAIN initial=NIL" },
		{ "a AUTHENTICATE plain AHRpbQB4",
		    "AUTHENTICATE mech=plain initial=AHRpbQB4" },
		{ "a AUTHENTICATE PLAIN dGlt/+==",
		    "AUTHENTICATE mech=PLAIN initial=dGlt/+==" },
		{ "a AUTHENTICATE EXTERNAL =",
		    "AUTHENTICATE mech=EXTERNAL initial=" },
		{ "a AUTHENTICATE", "BAD Expected a space@14" },
		{ "a AUTHENTICATE ", "BAD Expected an atom@15" },
		{ "a AUTHENTICATE PLAIN ", "BAD Expected an atom@21" },
		{ "a AUTHENTICATE PLAIN a-b",
		    "BAD Initial response is not base64@24" },
		{ "a AUTHENTICATE PLAIN a b",
		    "BAD Expected the end of the command@22" },
		{ "a ENABLE CONDSTORE x-foo", "ENABLE x=CONDSTORE x=x-foo" },
		{ "a ENABLE", "BAD Expected a space@8" },
		{ "a ENABLE ", "BAD Expected an atom@9" },
		{ "a ENABLE A  B", "BAD Expected an atom@11" },
		{ "a ID NIL", "ID" },
		{ "a ID ()", "ID" },
		{ "a ID (\"name\" \"x y\" \"version\" NIL)",
		    "ID f=name v=x y f=version v=NIL" },
		{ "a ID (\"name\")", "BAD Expected a space@12" },
		{ "a ID (name x)", "BAD Expected a string@6" },
		{ "a ID (\"a\" \"b\" )", "BAD Expected a string@14" },
		{ "a ID", "BAD Expected a space@4" },
		{ "a ID x", "BAD Expected \"(\"@5" },
		{ NULL, NULL }
	};
	char	line[2048] = "a ID (\"k\" \"v\"";
	int	i;

	setup();
	table(&all, t);
	ATF_CHECK_STREQ("BAD Expected the end of the command@20",
	    run(&base, "a AUTHENTICATE PLAIN AHRpbQB4"));
	for (i = 1; i < IMAP_ID_MAX; i++)
		strlcat(line, " \"k\" \"v\"", sizeof(line));
	i = (int)strlen(line);
	strlcat(line, ")", sizeof(line));
	ATF_CHECK(strncmp(run(&all, line), "ID f=k", 6) == 0);
	line[i] = '\0';
	strlcat(line, " \"k\" \"v\")", sizeof(line));
	ATF_CHECK(strncmp(run(&all, line), "BAD Too many", 12) == 0);
}

ATF_TC_WITHOUT_HEAD(mailboxes);
ATF_TC_BODY(mailboxes, tc)
{
	static const struct row t[] = {
		{ "a SELECT inbox", "SELECT INBOX" },
		{ "a SELECT \"INbox/x\"", "SELECT INBOX/x" },
		{ "a EXAMINE blurdybloop", "EXAMINE blurdybloop" },
		{ "a SELECT {5}\r\nIn bx", "SELECT In bx" },
		{ "a SELECT Entw&APw-rfe", "SELECT Entw\xc3\xbcrfe" },
		{ "a SELECT &ZeVnLIqe-",
		    "SELECT \xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e" },
		{ "a SELECT a&-b", "SELECT a&b" },
		{ "a SELECT a&b",
		    "NO [CANNOT] Mailbox name is not valid modified UTF-7" },
		{ "a SELECT {2}\r\n\xc3\xa9",
		    "NO [CANNOT] Mailbox name is not valid modified UTF-7" },
		{ "a SELECT \"\"", "NO [CANNOT] Invalid mailbox name" },
		{ "a SELECT a//b", "NO [CANNOT] Invalid mailbox name" },
		{ "a SELECT /a", "NO [CANNOT] Invalid mailbox name" },
		{ "a SELECT a/", "NO [CANNOT] Invalid mailbox name" },
		{ "a SELECT &AAk-", "NO [CANNOT] Invalid mailbox name" },
		{ "a SELECT a%", "BAD Expected the end of the command@10" },
		{ "a SELECT", "BAD Expected a space@8" },
		{ "a SELECT a b", "BAD Expected \"(\"@11" },
		{ "a SELECT a ()", "BAD Unknown SELECT parameter@12" },
		{ "a SELECT a (FOO)", "BAD Unknown SELECT parameter@12" },
		{ "a SELECT a (CONDSTORE)", "SELECT a condstore" },
		{ "a SELECT a (CONDSTORE CONDSTORE)",
		    "BAD Parameter given twice@22" },
		/* RFC 7162, 3.2.5 */
		{ "A02 SELECT INBOX (QRESYNC (67890007 20050715194045000 "
		    "41,43:211,214:541))", "SELECT INBOX condstore "
		    "qresync=67890007,20050715194045000 "
		    "uids=41:41,43:211,214:541" },
		{ "B04 SELECT INBOX (QRESYNC (67890007 90060115205545359 "
		    "1:29997 (5000,7500,9000,9990:9999 15000,22500,27000,"
		    "29970,29973,29976,29979,29982,29985,29988,29991,29994,"
		    "29997)))", "SELECT INBOX condstore "
		    "qresync=67890007,90060115205545359 uids=1:29997 "
		    "seqs=5000:5000,7500:7500,9000:9000,9990:9999 "
		    "match=15000:15000,22500:22500,27000:27000,29970:29970,"
		    "29973:29973,29976:29976,29979:29979,29982:29982,"
		    "29985:29985,29988:29988,29991:29991,29994:29994,"
		    "29997:29997" },
		{ "a SELECT b (QRESYNC (1 2 (3 4)) CONDSTORE)",
		    "SELECT b condstore qresync=1,2 seqs=3:3 match=4:4" },
		{ "a SELECT b (QRESYNC (1 2))",
		    "SELECT b condstore qresync=1,2" },
		{ "a SELECT b (QRESYNC (0 2))",
		    "BAD Expected a number over 0@21" },
		{ "a SELECT b (QRESYNC (1 0))",
		    "BAD Expected a number over 0@24" },
		{ "a SELECT b (QRESYNC (1 2 3:*))",
		    "BAD Only numbers are allowed in this set@28" },
		{ "a SELECT b (QRESYNC (1 2 $))",
		    "BAD Only numbers are allowed in this set@26" },
		{ "a SELECT b (QRESYNC (1))", "BAD Expected a space@22" },

		{ "a CREATE foo", "CREATE foo" },
		{ "a CREATE foo/", "CREATE foo" },
		{ "a CREATE foo//", "NO [CANNOT] Invalid mailbox name" },
		{ "a CREATE /", "NO [CANNOT] Invalid mailbox name" },
		{ "a CREATE x (USE (\\Drafts \\sent))",
		    "CREATE x drafts sent" },
		{ "a CREATE x (USE ())", "CREATE x" },
		{ "a CREATE x (USE (\\Foo))",
		    "NO [USEATTR] Unknown special use" },
		{ "a CREATE x (USE (Sent))", "BAD Syntax error@17" },
		{ "a CREATE x (FOO)", "BAD Unknown CREATE parameter@12" },
		{ "a DELETE foo", "DELETE foo" },
		{ "a RENAME foo inbox/bar", "RENAME from=foo to=INBOX/bar" },
		{ "a RENAME foo", "BAD Expected a space@12" },
		{ "a SUBSCRIBE #news.x", "SUBSCRIBE #news.x" },
		{ "a UNSUBSCRIBE inbox", "UNSUBSCRIBE INBOX" },
		{ "a COPY 2:4,* x", "COPY set=2:4,0:0 x" },
		{ "a MOVE 42:69 foo", "MOVE set=42:69 foo" },
		{ "a UID MOVE 42:69 foo", "UID MOVE set=42:69 foo" },
		{ "a UID COPY $ foo", "UID COPY set=$ foo" },
		{ "a COPY 0 x", "BAD Invalid message set@7" },
		{ "a COPY x x", "BAD Invalid message set@7" },

		{ "a STATUS blurdybloop (UIDNEXT messages)",
		    "STATUS blurdybloop MESSAGES UIDNEXT" },
		{ "a STATUS x (MESSAGES RECENT UIDNEXT UIDVALIDITY UNSEEN "
		    "DELETED SIZE HIGHESTMODSEQ)", "STATUS x MESSAGES RECENT "
		    "UIDNEXT UIDVALIDITY UNSEEN DELETED SIZE "
		    "HIGHESTMODSEQ" },
		{ "a STATUS x ()", "BAD Unknown STATUS item@12" },
		{ "a STATUS x MESSAGES", "BAD Expected \"(\"@11" },
		{ "a STATUS x (FOO)", "BAD Unknown STATUS item@12" },
		{ NULL, NULL }
	};
	static const struct row plain[] = {
		{ "a SELECT a (CONDSTORE)",
		    "BAD Unknown SELECT parameter@12" },
		{ "a CREATE x (USE (\\Sent))",
		    "BAD Expected the end of the command@10" },
		{ "a STATUS x (SIZE)", "BAD Unknown STATUS item@12" },
		{ "a STATUS x (HIGHESTMODSEQ)",
		    "BAD Unknown STATUS item@12" },
		{ "a COPY $ x", "BAD Invalid message set@7" },
		{ NULL, NULL }
	};
	static const struct row wide[] = {
		{ "a SELECT \"\xc3\xa9\"", "SELECT \xc3\xa9" },
		{ "a SELECT &AOk-", "SELECT &AOk-" },
		{ "a SELECT {1}\r\n\xc3",
		    "NO [CANNOT] Mailbox name is not valid UTF-8" },
		{ NULL, NULL }
	};

	setup();
	table(&all, t);
	table(&base, plain);
	table(&utf8, wide);
	ATF_CHECK_STREQ("sent", imap_use_role(IMAP_USE_SENT));
	ATF_CHECK(imap_use_role(0x100) == NULL);
	ATF_CHECK_STREQ("\\Junk", imap_use_attr("junk"));
	ATF_CHECK(imap_use_attr("nonsense") == NULL);
	ATF_CHECK(imap_status_name(0x1000) == NULL);
}

ATF_TC_WITHOUT_HEAD(list);
ATF_TC_BODY(list, tc)
{
	static const struct row t[] = {
		{ "a LIST \"\" \"\"", "LIST ref= pat= root" },
		{ "a LIST foo/ \"\"", "LIST ref=foo/ pat=foo/ root" },
		{ "a LIST \"\" *", "LIST ref= pat=*" },
		{ "a LIST ~/Mail/ %", "LIST ref=~/Mail/ pat=~/Mail/%" },
		{ "a LIST a/ /b", "LIST ref=a/ pat=a/b" },
		{ "a LIST \"\" &AOk-*", "LIST ref= pat=\xc3\xa9*" },
		{ "a LIST \"\" \"a b%\"", "LIST ref= pat=a b%" },
		{ "a LSUB \"\" *", "LSUB ref= pat=*" },
		{ "a LSUB #news. comp.%",
		    "LSUB ref=#news. pat=#news.comp.%" },
		{ "a LIST \"\"", "BAD Expected a space@9" },
		{ "a LIST \"\" &x",
		    "NO [CANNOT] Mailbox name is not valid modified UTF-7" },
		{ "a LSUB () \"\" *", "BAD Expected a string or atom@7" },
		/* RFC 5258, 5 */
		{ "A01 LIST (SUBSCRIBED) \"\" \"*\"",
		    "LIST ref= pat=* select=1 ret=1 status=0" },
		{ "A02 LIST () \"\" \"%\" RETURN (CHILDREN)",
		    "LIST ref= pat=% select=0 ret=10 status=0" },
		{ "A03 LIST (REMOTE) \"\" \"%\" RETURN (CHILDREN)",
		    "LIST ref= pat=% select=2 ret=10 status=0" },
		{ "A05 LIST (REMOTE SUBSCRIBED) \"\" \"*\"",
		    "LIST ref= pat=* select=3 ret=1 status=0" },
		{ "BBB LIST \"\" (\"INBOX\" \"Drafts\" \"Sent/%\")",
		    "LIST ref= pat=INBOX pat=Drafts pat=Sent/% select=0 "
		    "ret=0 status=0" },
		{ "C LIST (SUBSCRIBED RECURSIVEMATCH) \"\" % RETURN ()",
		    "LIST ref= pat=% select=5 ret=1 status=0" },
		{ "C LIST (RECURSIVEMATCH) \"\" %",
		    "BAD RECURSIVEMATCH needs another option@22" },
		{ "C LIST (REMOTE RECURSIVEMATCH) \"\" %",
		    "BAD RECURSIVEMATCH needs another option@29" },
		/* RFC 5819, RFC 6154 */
		{ "A01 LIST \"\" % RETURN (STATUS (MESSAGES UNSEEN))",
		    "LIST ref= pat=% select=0 ret=20 status=11" },
		{ "A LIST (SPECIAL-USE) \"\" % RETURN (SUBSCRIBED "
		    "SPECIAL-USE CHILDREN)",
		    "LIST ref= pat=% select=8 ret=19 status=0" },
		{ "a LIST \"\" (\"\")",
		    "LIST ref= pat= select=0 ret=0 status=0" },
		{ "a LIST \"\" ()", "BAD Expected a mailbox pattern@11" },
		{ "a LIST \"\" (a b", "BAD Expected \")\"@14" },
		{ "a LIST (FOO) \"\" *",
		    "BAD Unknown LIST selection option@8" },
		{ "a LIST \"\" * RETURN (FOO)",
		    "BAD Unknown LIST return option@20" },
		{ "a LIST \"\" * RETURN (STATUS)", "BAD Expected a space@26" },
		{ "a LIST \"\" * RETURN", "BAD Expected a space@18" },
		{ "a LIST \"\" * FOO", "BAD Expected RETURN@12" },
		{ NULL, NULL }
	};
	static const struct row plain[] = {
		{ "a LIST (SUBSCRIBED) \"\" *",
		    "BAD Expected a string or atom@7" },
		{ "a LIST \"\" (a b)", "BAD Expected a mailbox pattern@10" },
		{ "a LIST \"\" * RETURN (CHILDREN)",
		    "BAD Expected the end of the command@11" },
		{ NULL, NULL }
	};
	char	line[8192] = "a LIST \"\" (";
	int	i;

	setup();
	table(&all, t);
	table(&base, plain);
	for (i = 0; i <= IMAP_PATTERNS_MAX; i++)
		strlcat(line, "x ", sizeof(line));
	ATF_CHECK(strncmp(run(&all, line), "BAD Too many", 12) == 0);
	memset(line, 'x', sizeof(line));
	memcpy(line, "a LIST \"\" ", 10);
	line[3000] = '\0';
	ATF_CHECK(strncmp(run(&all, line), "BAD Pattern too", 15) == 0);
	memcpy(line, "a LIST xxx", 10);
	ATF_CHECK(strncmp(run(&all, line), "BAD Reference too", 17) == 0);
	memcpy(line, "a SEARCH KEYWORD ", 17);
	ATF_CHECK(strncmp(run(&all, line), "BAD Invalid keyword", 19) == 0);
}

ATF_TC_WITHOUT_HEAD(append);
ATF_TC_BODY(append, tc)
{
	static const struct row t[] = {
		/* RFC 3501, 6.3.11 */
		{ "A003 APPEND saved-messages (\\Seen) {310}",
		    "APPEND saved-messages (\\Seen) 310" },
		{ "a APPEND inbox {5+}", "APPEND INBOX () 5+" },
		{ "a APPEND x \"17-Jul-1996 02:44:25 -0700\" {1}",
		    "APPEND x () 837596665-420 1" },
		{ "a APPEND x (\\Draft \\Flagged $a b) \" 7-Jul-1996 02:44:25"
		    " +0000\" {0}",
		    "APPEND x (\\Flagged \\Draft $a b) 836707465+0 0" },
		{ "a APPEND x () {1}", "APPEND x () 1" },
		{ "a APPEND x ~{9+}", "APPEND x () 9+~" },
		{ "a APPEND {3}", "WANT" },
		{ "a APPEND {3}\r\na b {7}", "APPEND a b () 7" },
		{ "a APPEND x", "BAD Expected a space@10" },
		{ "a APPEND x ", "BAD Expected a literal@11" },
		{ "a APPEND x \"abc\"", "BAD Invalid date@11" },
		{ "a APPEND x \"17-Jul-1996 02:44:25 -0700\"",
		    "BAD Expected a space@39" },
		{ "a APPEND x (\\Recent) {1}", "BAD Flag cannot be set@12" },
		{ "a APPEND x (\\Foo) {1}", "BAD Flag cannot be set@12" },
		{ "a APPEND x (a b {1}", "BAD Invalid flag@16" },
		{ "a APPEND x {1} {2}",
		    "BAD Expected the end of the command@14" },
		{ "a APPEND x {1}\r\ny",
		    "BAD Expected the end of the command@14" },
		{ "a APPEND a&b {1}",
		    "NO [CANNOT] Mailbox name is not valid modified UTF-7" },
		{ NULL, NULL }
	};

	setup();
	table(&all, t);
	ATF_CHECK_STREQ("BAD Binary literals are not supported@15",
	    run(&base, "a APPEND x ~{9}"));
	ATF_CHECK(imap_is_append("a append x {3}", 14));
	ATF_CHECK(imap_is_append("a APPEND ", 9));
	ATF_CHECK(!imap_is_append("a APPEND", 8));
	ATF_CHECK(!imap_is_append("a APPENDX ", 10));
	ATF_CHECK(!imap_is_append("a LOGIN {3}", 11));
	ATF_CHECK(!imap_is_append("", 0));
	ATF_CHECK(imap_is_append("a uid replace ", 14));
	ATF_CHECK(imap_is_append("a REPLACE 4", 11));
	ATF_CHECK(!imap_is_append("a UIDREPLACE 4", 14));
	ATF_CHECK(!imap_is_append("a UID APPEND 4", 14));
}

ATF_TC_WITHOUT_HEAD(catenate);
ATF_TC_BODY(catenate, tc)
{
	static const struct row t[] = {
		/* RFC 4469, appendix A */
		{ "A003 APPEND Drafts (\\Seen) CATENATE (URL \"/Drafts;"
		    "UIDVALIDITY=385759045/;UID=20/;section=HEADER\" TEXT {42}",
		    "APPEND Drafts (\\Seen) CATENATE "
		    "url=Drafts/385759045/20/HEADER 42 open" },
		{ "a APPEND x catenate (text {0+}",
		    "APPEND x () CATENATE 0+ open" },
		{ "a APPEND x CATENATE (URL /x/;UID=1)",
		    "APPEND x () CATENATE url=x/0/1 whole" },
		{ "a APPEND x CATENATE (URL {2}", "WANT" },
		{ "a APPEND x CATENATE (URL {9}\r\n/x/;UID=1 URL \"\" "
		    "URL http://a/;UID=1 TEXT ~{7+}",
		    "APPEND x () CATENATE url=x/0/1 bad= bad=http://a/;UID=1 "
		    "7+~ open" },
		{ "a APPEND x CATENATE (URL /x/;UID=1) (\\Draft) \"17-Jul-1996"
		    " 02:44:25 -0700\" CATENATE (URL ;UID=2) {3}",
		    "APPEND x () CATENATE url=x/0/1 (\\Draft) 837596665-420 "
		    "CATENATE url=~/0/2 () 3" },
		{ "a REPLACE 4 Drafts (\\Seen \\Draft) {312}",
		    "REPLACE set=4:4 Drafts (\\Seen \\Draft) 312" },
		{ "a UID REPLACE * x {1+}", "UID REPLACE set=0:0 x () 1+" },
		{ "a UID REPLACE 7 {1+}", "WANT" },
		{ "a REPLACE 7 {1}\r\nx CATENATE (TEXT {71}",
		    "REPLACE set=7:7 x () CATENATE 71 open" },
		{ "a REPLACE 7 x CATENATE (URL /x/;UID=1)",
		    "REPLACE set=7:7 x () CATENATE url=x/0/1 whole" },
		/* one message only */
		{ "a REPLACE 7 x CATENATE (URL /x/;UID=1) {3}",
		    "BAD Expected the end of the command@38" },
		{ "a REPLACE 0 x {3}", "BAD Expected a number over 0@10" },
		{ "a REPLACE 1:2 x {3}", "BAD Expected a space@11" },
		{ "a REPLACE $ x {3}", "BAD Expected a number@10" },
		{ "a APPEND x CATENATE", "BAD Expected a space@19" },
		{ "a APPEND x CATENATE ()", "BAD Expected TEXT or URL@21" },
		{ "a APPEND x CATENATE (TEXT abc)",
		    "BAD Expected a literal@26" },
		{ "a APPEND x CATENATE (TEXT {3} ",
		    "BAD Expected the end of the command@29" },
		{ "a APPEND x CATENATE (URL /x/;UID=1",
		    "BAD Expected \")\"@34" },
		{ "a APPEND x CATENATE (URL /x/;UID=1)(",
		    "BAD Expected a space@35" },
		{ NULL, NULL }
	};
	char		 line[9000] = "a APPEND x CATENATE (";
	unsigned	 i;

	setup();
	table(&all, t);
	ATF_CHECK_STREQ("BAD Expected a literal@11",
	    run(&base, "a APPEND x CATENATE (URL a)"));
	ATF_CHECK_STREQ("BAD Unknown command@2",
	    run(&base, "a REPLACE 1 x {3}"));
	for (i = 0; i < IMAP_APPEND_MAX; i++)
		strcat(line, i == 0 ? "URL a" : " URL a");
	strcat(line, ")");
	ATF_CHECK_STREQ("BAD Too many parts@6019", run(&all, line));
}

ATF_TC_WITHOUT_HEAD(pieces);
ATF_TC_BODY(pieces, tc)
{
	static const struct {
		const char	*line;
		int		 open;
		const char	*out;
	} t[] = {
		{ "", 0, " whole" },
		{ " {3}", 0, " () 3" },
		{ " (\\Seen) \" 7-Feb-1994 22:43:04 -0800\" {295+}", 0,
		    " (\\Seen) 760689784-480 295+" },
		{ " CATENATE (URL /x/;UID=1)", 0,
		    " () CATENATE url=x/0/1 whole" },
		{ ")", 1, " whole" },
		{ ") {4}", 1, " () 4" },
		{ " TEXT {4}", 1, " 4 open" },
		{ " URL /x/;UID=1 TEXT {4}", 1, " url=x/0/1 4 open" },
		{ " URL /x/;UID=1) CATENATE (TEXT {4}", 1,
		    " url=x/0/1 () CATENATE 4 open" },
		{ " URL {4}", 1, "WANT" },
		{ "x", 0, "BAD Expected a space@0" },
		{ " ", 0, "BAD Expected a literal@1" },
		{ ")", 0, "BAD Expected a space@0" },
		{ "", 1, "BAD Expected a space@0" },
		{ " (\\Seen) {3}", 1, "BAD Expected TEXT or URL@1" },
		{ "))", 1, "BAD Expected a space@1" },
	};
	size_t i;

	setup();
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		ATF_CHECK_STREQ_MSG(t[i].out, more(&all, t[i].line,
		    IMAP_APPEND, t[i].open), "%s", t[i].line);
	/* of REPLACE one message only, and where it is not offered */
	ATF_CHECK_STREQ(" whole", more(&all, "", IMAP_REPLACE, 0));
	ATF_CHECK_STREQ(" whole", more(&all, ")", IMAP_REPLACE, 1));
	ATF_CHECK_STREQ("BAD Expected the end of the command@0",
	    more(&all, " {3}", IMAP_REPLACE, 0));
	ATF_CHECK_STREQ("BAD Expected the end of the command@0",
	    more(&base, " {3}", IMAP_APPEND, 0));
}

ATF_TC_WITHOUT_HEAD(urls);
ATF_TC_BODY(urls, tc)
{
	static const struct row t[] = {
		{ "/Drafts;UIDVALIDITY=385759045/;UID=20/;section=1.MIME",
		    "Drafts/385759045/20/1.MIME" },
		{ "/Drafts/;UID=3002", "Drafts/0/3002" },
		{ "/inbox;uidvalidity=1/;uid=4294967295",
		    "INBOX/1/4294967295" },
		{ "/a/b/;UID=1/;SECTION=2.HEADER.FIELDS%20(From%20To)",
		    "a/b/0/1/2.HEADER.FIELDS(From)(To)" },
		{ "/a/;UID=1/;SECTION=TEXT/;PARTIAL=5.10",
		    "a/0/1/TEXT/5+10" },
		{ "/a/;UID=1/;PARTIAL=0", "a/0/1/0-" },
		{ "/%C3%A4%20%2F&%3bx/;UID=1", "\xc3\xa4 /&;x/0/1" },
		{ ";UID=7", "~/0/7" },
		{ "b;UIDVALIDITY=2/;UID=7", "~b/2/7" },
		{ "b/c/;UID=7", "~b/c/0/7" },
		{ NULL, NULL }
	};
	static const char *const bad[] = {
		"/", "//host/a/;UID=1", "imap://h/a/;UID=1", "/a", "/a/",
		"/;UID=1", "/a;UID=1", "/a/;UID=0", "/a/;UID=4294967296",
		"/a/;UID=1x", "/a/;UID=1/", "/a/;UID=", "/a/;UID=1:2",
		"/a;UIDVALIDITY=0/;UID=1", "/a;UIDVALIDITY=1;UID=1",
		"/a;UIDVALIDITY=1/;UIDVALIDITY=1/;UID=1",
		"/a?SUBJECT%20x/;UID=1", "/a/;UID=1?x",
		"/a/;UID=1/;SECTION=", "/a/;UID=1/;SECTION=MIME",
		"/a/;UID=1/;SECTION=1]", "/a/;UID=1/;SECTION=1.",
		"/a/;UID=1/;SECTION=1;PARTIAL=1", "/a/;UID=1/;PARTIAL=1.0",
		"/a/;UID=1/;PARTIAL=.1", "/a/;UID=1/;PARTIAL=x",
		"/a/;UID=1/;PARTIAL=1/;SECTION=1",
		"/a/;UID=1;EXPIRE=2", "/a/;UID=1;URLAUTH=anonymous",
		"/%zz/;UID=1", "/%00/;UID=1", "/%ff/;UID=1", "/a//b/;UID=1",
		"/../;UID=1", "/a/./;UID=1", "/%2e%2e/x/;UID=1", "a:/;UID=1",
		"/a/;UID=1/;SECTION=HEADER.FIELDS", "",
	};
	char	line[512], *out;
	size_t	i;

	setup();
	for (i = 0; t[i].in != NULL; i++) {
		snprintf(line, sizeof(line), "a APPEND x CATENATE (URL \"%s\")",
		    t[i].in);
		out = run(&all, line);
		out[strlen(out) - strlen(" whole")] = '\0';
		out = strstr(out, "url=");
		ATF_REQUIRE_MSG(out != NULL, "%s: %s", line, run(&all, line));
		ATF_CHECK_STREQ_MSG(t[i].out, out + 4, "%s", line);
	}
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(line, sizeof(line), "a APPEND x CATENATE (URL \"%s\")",
		    bad[i]);
		ATF_CHECK_MSG(strncmp(run(&all, line), "APPEND x () CATENATE "
		    "bad=", 25) == 0, "%s: %s", line, run(&all, line));
	}
}

ATF_TC_WITHOUT_HEAD(fetch);
ATF_TC_BODY(fetch, tc)
{
	static const struct row t[] = {
		{ "a FETCH 1 FAST",
		    "FETCH set=1:1 FLAGS INTERNALDATE RFC822.SIZE needs=3" },
		{ "a FETCH 2:4 all", "FETCH set=2:4 FLAGS INTERNALDATE "
		    "RFC822.SIZE ENVELOPE needs=7" },
		{ "a FETCH 1:* FULL", "FETCH set=1:0 FLAGS INTERNALDATE "
		    "RFC822.SIZE ENVELOPE BODY needs=7" },
		{ "a FETCH 1 FLAGS", "FETCH set=1:1 FLAGS needs=1" },
		{ "a FETCH 1 (FLAGS)", "FETCH set=1:1 FLAGS needs=1" },
		{ "a FETCH 1 (flags FLAGS uid)",
		    "FETCH set=1:1 FLAGS UID needs=1" },
		{ "a UID FETCH 4827313:4828442 FLAGS",
		    "UID FETCH set=4827313:4828442 UID FLAGS needs=1" },
		{ "a UID FETCH * (FLAGS UID)",
		    "UID FETCH set=0:0 UID FLAGS needs=1" },
		{ "a FETCH 1 (BODY BODYSTRUCTURE)",
		    "FETCH set=1:1 BODY BODYSTRUCTURE needs=4" },
		{ "a FETCH 1 RFC822", "FETCH set=1:1 !RFC822/0'' needs=8" },
		{ "a FETCH 1 RFC822.HEADER",
		    "FETCH set=1:1 RFC822.HEADER/1'HEADER' needs=20" },
		{ "a FETCH 1 rfc822.text",
		    "FETCH set=1:1 !RFC822.TEXT/5'TEXT' needs=12" },
		{ "a FETCH 1 BODY[]", "FETCH set=1:1 !BODY[]/0'' needs=8" },
		{ "a FETCH 1 body.peek[]",
		    "FETCH set=1:1 BODY[]/0'' needs=8" },
		{ "a FETCH 1 (BODY.PEEK[] BODY[])",
		    "FETCH set=1:1 !BODY[]/0'' needs=8" },
		{ "a FETCH 1 BODY[]<0.2048>",
		    "FETCH set=1:1 !BODY[]<0>/0''/0+2048 needs=8" },
		{ "a FETCH 1 (BODY.PEEK[]<5.1> BODY.PEEK[]<5.2>)",
		    "FETCH set=1:1 BODY[]<5>/0''/5+1 BODY[]<5>/0''/5+2 "
		    "needs=8" },
		{ "a FETCH 1 BODY[HEADER]",
		    "FETCH set=1:1 !BODY[HEADER]/1'HEADER' needs=20" },
		{ "a FETCH 1 BODY[text]",
		    "FETCH set=1:1 !BODY[TEXT]/5'TEXT' needs=12" },
		{ "a FETCH 1 BODY[1]", "FETCH set=1:1 !BODY[1]/0'1'/1 "
		    "needs=12" },
		{ "a FETCH 1 BODY[4.2.2.1]",
		    "FETCH set=1:1 !BODY[4.2.2.1]/0'4.2.2.1'/4/2/2/1 "
		    "needs=12" },
		{ "a FETCH 1 BODY[4.2.mime]",
		    "FETCH set=1:1 !BODY[4.2.MIME]/4'4.2.MIME'/4/2 "
		    "needs=12" },
		{ "a FETCH 1 BODY[3.HEADER]",
		    "FETCH set=1:1 !BODY[3.HEADER]/1'3.HEADER'/3 needs=12" },
		{ "a FETCH 2:4 (FLAGS BODY[HEADER.FIELDS (DATE From)])",
		    "FETCH set=2:4 FLAGS !BODY[HEADER.FIELDS (DATE From)]"
		    "/2'HEADER.FIELDS'/DATE/From needs=5" },
		{ "a FETCH 1 BODY.PEEK[1.header.fields.not (\"X\\\"y\" {1}"
		    "\r\nz)]<2.3>", "FETCH set=1:1 "
		    "BODY[1.HEADER.FIELDS.NOT (\"X\\\"y\" z)]<2>"
		    "/3'1.HEADER.FIELDS.NOT'/1/X\"y/z/2+3 needs=12" },
		{ "a FETCH 1 (BINARY[1] BINARY.PEEK[2.1]<0.5> "
		    "BINARY.SIZE[3])", "FETCH set=1:1 !BINARY[1] "
		    "BINARY[2.1]<0>/0+5 BINARY.SIZE[3] needs=12" },
		{ "a FETCH 1 preview", "FETCH set=1:1 PREVIEW needs=4" },
		{ "a FETCH 1 PREVIEW (LAZY)",
		    "FETCH set=1:1 PREVIEW/lazy needs=4" },
		{ "a FETCH 1 (PREVIEW (lazy LAZY) UID)",
		    "FETCH set=1:1 PREVIEW/lazy UID needs=5" },
		/* one that is told is told once, and waits if either would */
		{ "a FETCH 1 (PREVIEW (LAZY) PREVIEW)",
		    "FETCH set=1:1 PREVIEW needs=4" },
		{ "a FETCH 1 PREVIEW (CHANGEDSINCE 7)",
		    "FETCH set=1:1 PREVIEW MODSEQ needs=6 since=7" },
		{ "a FETCH 1 PREVIEW (LAZY) (CHANGEDSINCE 7)",
		    "FETCH set=1:1 PREVIEW/lazy MODSEQ needs=6 since=7" },
		{ "a FETCH 1 (BODY.PEEK[HEADER.FIELDS (From X-Own)] "
		    "BODY.PEEK[HEADER.FIELDS.NOT (From)])", "FETCH set=1:1 "
		    "BODY[HEADER.FIELDS (From X-Own)]/2'HEADER.FIELDS'/From"
		    "/X-Own BODY[HEADER.FIELDS.NOT (From)]/3'HEADER.FIELDS"
		    ".NOT'/From needs=20" },
		{ "a FETCH 1 MODSEQ", "FETCH set=1:1 MODSEQ needs=2" },
		{ "a FETCH $ (FLAGS) (CHANGEDSINCE 12345)",
		    "FETCH set=$ FLAGS MODSEQ needs=3 since=12345" },
		{ "s100 UID FETCH 300:500 (FLAGS) (CHANGEDSINCE 12345 "
		    "VANISHED)", "UID FETCH set=300:500 UID FLAGS MODSEQ "
		    "needs=3 since=12345 vanished" },
		{ "a UID FETCH 1 ALL (VANISHED CHANGEDSINCE 1)",
		    "UID FETCH set=1:1 UID FLAGS INTERNALDATE RFC822.SIZE "
		    "ENVELOPE MODSEQ needs=7 since=1 vanished" },
		{ NULL, NULL }
	};
	static const struct row bad[] = {
		{ "a FETCH", "space" }, { "a FETCH 1", "space" },
		{ "a FETCH 1 ", "Unknown FETCH item@10" },
		{ "a FETCH 1 ()", "Unknown FETCH item@11" },
		{ "a FETCH 1 FOO", "Unknown FETCH item@10" },
		{ "a FETCH 1 (ALL)", "Unknown FETCH item@11" },
		{ "a FETCH 1 (FLAGS  UID)", "Unknown FETCH item" },
		{ "a FETCH 1 (FLAGS", "Expected \")\"" },
		{ "a FETCH 1 FLAGS UID", "Expected \"(\"" },
		{ "a FETCH 1,,2 FLAGS", "Invalid message set@8" },
		{ "a FETCH 1 FLAGS[]", "Unknown FETCH item" },
		{ "a FETCH 1 BODYSTRUCTURE[]", "Unknown" },
		{ "a FETCH 1 BODY.PEEK", "Unknown FETCH item" },
		{ "a FETCH 1 BODY[", "Invalid section@15" },
		{ "a FETCH 1 BODY[FOO]", "Invalid section@15" },
		{ "a FETCH 1 BODY[0]", "over 0@15" },
		{ "a FETCH 1 BODY[1.]", "Invalid section" },
		{ "a FETCH 1 BODY[.1]", "Invalid section" },
		{ "a FETCH 1 BODY[1..2]", "Invalid section" },
		{ "a FETCH 1 BODY[1TEXT]", "Invalid section" },
		{ "a FETCH 1 BODY[TEXT.1]", "Invalid section" },
		{ "a FETCH 1 BODY[MIME]", "Invalid section" },
		{ "a FETCH 1 BODY[4294967296]", "too big" },
		{ "a FETCH 1 BODY[HEADER.FIELDS]", "space" },
		{ "a FETCH 1 BODY[HEADER.FIELDS ()]", "string" },
		{ "a FETCH 1 BODY[HEADER.FIELDS (a:)]", "field name" },
		{ "a FETCH 1 BODY[HEADER.FIELDS (\"a b\")]", "field name" },
		{ "a FETCH 1 BODY[HEADER.FIELDS (\"\")]", "field name" },
		{ "a FETCH 1 BODY[HEADER.FIELDS ({2}\r\n\r\n)]", "field" },
		{ "a FETCH 1 BODY[TEXT", "Expected \"]\"" },
		{ "a FETCH 1 BODY[]<", "number" },
		{ "a FETCH 1 BODY[]<0>", "offset.count" },
		{ "a FETCH 1 BODY[]<0.0>", "over 0" },
		{ "a FETCH 1 BODY[]<0.1", "Expected \">\"" },
		{ "a FETCH 1 BODY[]<99999999999999999999.1>", "too big" },
		{ "a FETCH 1 BINARY[TEXT]", "Invalid section" },
		{ "a FETCH 1 BINARY.SIZE[1]<0.1>", "" },
		{ "a FETCH 1 RFC822[]", "Unknown" },
		{ "a FETCH 1 PREVIEW[]", "Unknown FETCH item" },
		{ "a FETCH 1 PREVIEW ()", "modifier" },
		{ "a FETCH 1 PREVIEW (EAGER)", "modifier" },
		{ "a FETCH 1 (PREVIEW (EAGER))", "Unknown FETCH item" },
		{ "a FETCH 1 PREVIEW (LAZY EAGER)", "PREVIEW modifier" },
		{ "a FETCH 1 PREVIEW (LAZY", "Expected \")\"" },
		{ "a FETCH 1 PREVIEW (LAZYER)", "modifier" },
		{ "a FETCH 1 PREVIEW LAZY", "" },
		{ "a FETCH 1 FLAGS (VANISHED)", "modifier" },
		{ "a FETCH 1 FLAGS (CHANGEDSINCE 1 VANISHED)", "modifier" },
		{ "a UID FETCH 1 FLAGS (VANISHED)", "needs CHANGEDSINCE" },
		{ "a UID FETCH 1 FLAGS (CHANGEDSINCE 0)", "over 0" },
		{ "a UID FETCH 1 FLAGS (CHANGEDSINCE 1 CHANGEDSINCE 1)",
		    "modifier" },
		{ "a UID FETCH 1 FLAGS ()", "modifier" },
		{ NULL, NULL }
	};
	static const struct row plain[] = {
		{ "a FETCH 1 MODSEQ", "Unknown FETCH item" },
		{ "a FETCH 1 BINARY[1]", "Unknown FETCH item" },
		{ "a FETCH 1 FLAGS (CHANGEDSINCE 1)", "end" },
		{ NULL, NULL }
	};

	setup();
	table(&all, t);
	refused(&all, bad);
	refused(&base, plain);
}

ATF_TC_WITHOUT_HEAD(store);
ATF_TC_BODY(store, tc)
{
	static const struct row t[] = {
		{ "A003 STORE 2:4 +FLAGS (\\Deleted)",
		    "STORE set=2:4 +(\\Deleted)" },
		{ "a STORE 1 FLAGS ()", "STORE set=1:1 =()" },
		{ "a STORE 1 flags.silent (\\Seen $x Y)",
		    "STORE set=1:1 =silent (\\Seen $x Y)" },
		{ "a STORE 1 -FLAGS.SILENT \\Seen \\Draft a",
		    "STORE set=1:1 -silent (\\Seen \\Draft a)" },
		{ "a UID STORE 1 +FLAGS (a A a)",
		    "UID STORE set=1:1 +(a A a)" },
		{ "a UID STORE 6,4,8 (UNCHANGEDSINCE 12121230045) "
		    "+FLAGS.SILENT (\\Deleted)", "UID STORE set=6:6,4:4,8:8 "
		    "+silent (\\Deleted) unchanged=12121230045" },
		{ "a STORE 1 (UNCHANGEDSINCE 0) FLAGS a",
		    "STORE set=1:1 =(a) unchanged=0" },
		{ NULL, NULL }
	};
	static const struct row bad[] = {
		{ "a STORE 1 FLAGS", "space" },
		{ "a STORE 1 FLAGS ", "Invalid flag" },
		{ "a STORE 1 FLAGS (", "Invalid flag" },
		{ "a STORE 1 FLAGS (a", "Expected \")\"" },
		{ "a STORE 1 FLAGS (a ))", "Invalid flag" },
		{ "a STORE 1 FLAGS (a  b)", "Invalid flag" },
		{ "a STORE 1 FLAGS (\\Recent)", "cannot be set@17" },
		{ "a STORE 1 FLAGS (\\Foo)", "cannot be set" },
		{ "a STORE 1 FLAGS (\\*)", "Invalid flag" },
		{ "a STORE 1 FLAGS (a\xc3\xa9)", "Expected \")\"" },
		{ "a STORE 1 FLAGS (\"a\")", "Invalid flag" },
		{ "a STORE 1 FLAGS a)", "end" },
		{ "a STORE 1 =FLAGS a", "Expected FLAGS" },
		{ "a STORE 1 ++FLAGS a", "Expected FLAGS" },
		{ "a STORE 1 FLAGS.LOUD a", "Expected FLAGS" },
		{ "a STORE 1 (FOO 1) FLAGS a", "modifier" },
		{ "a STORE 1 (UNCHANGEDSINCE) FLAGS a", "space" },
		{ "a STORE x FLAGS a", "set" },
		{ NULL, NULL }
	};

	setup();
	table(&all, t);
	refused(&all, bad);
	ATF_CHECK(strncmp(run(&base, "a STORE 1 (UNCHANGEDSINCE 1) FLAGS a"),
	    "BAD", 3) == 0);
}

ATF_TC_WITHOUT_HEAD(objectid);
ATF_TC_BODY(objectid, tc)
{
	static const struct row good[] = {
		{ "a STATUS x (MAILBOXID)", "STATUS x MAILBOXID" },
		{ "a STATUS x (DELETED-STORAGE MAILBOXID DELETED)",
		    "STATUS x DELETED DELETED-STORAGE MAILBOXID" },
		{ "a FETCH 1:* (EMAILID THREADID)",
		    "FETCH set=1:0 EMAILID THREADID needs=2" },
		{ "a UID FETCH 1 savedate",
		    "UID FETCH set=1:1 UID SAVEDATE needs=3" },
		{ "a SEARCH EMAILID M6d99ac3275bb4e",
		    "SEARCH needs=2 EMAILID M6d99ac3275bb4e" },
		{ "a SEARCH NOT threadid T-_9",
		    "SEARCH needs=2 NOT THREADID T-_9" },
		{ "a SEARCH SAVEDON 28-Dec-2014 SAVEDBEFORE 1-Jan-2015 "
		    "SAVEDSINCE 1-Jan-2013 SAVEDATESUPPORTED",
		    "SEARCH needs=3 (SAVEDATESUPPORTED SAVEDON 28-Dec-2014 "
		    "SAVEDBEFORE 1-Jan-2015 SAVEDSINCE 1-Jan-2013)" },
		{ NULL, NULL }
	};
	static const struct row bad[] = {
		{ "a FETCH 1 EMAILID[1]", "FETCH item" },
		{ "a SEARCH EMAILID", "space" },
		{ "a SEARCH EMAILID a.b", "object id@17" },
		{ "a SEARCH EMAILID \"a\"", "atom" },
		{ "a SEARCH THREADID NIL x", "Unknown search key" },
		{ "a SEARCH SAVEDON", "space" },
		{ "a SEARCH SAVEDON x", "date" },
		{ "a SEARCH SAVEDATESUPPORTED 1-Jan-2015", "" },
		{ NULL, NULL }
	};
	static const struct row plain[] = {
		{ "a STATUS x (MAILBOXID)", "STATUS item" },
		{ "a FETCH 1 EMAILID", "FETCH item" },
		{ "a FETCH 1 SAVEDATE", "FETCH item" },
		{ "a SEARCH EMAILID x", "search key" },
		{ "a SEARCH SAVEDATESUPPORTED", "search key" },
		{ NULL, NULL }
	};
	char id[IMAP_OBJECTID_MAX + 64];
	size_t n;

	setup();
	table(&all, good);
	refused(&all, bad);
	refused(&base, plain);
	for (n = IMAP_OBJECTID_MAX; n <= IMAP_OBJECTID_MAX + 1; n++) {
		memset(id, 'a', sizeof(id));
		memcpy(id, "a SEARCH EMAILID ", 17);
		ATF_CHECK_EQ(n > IMAP_OBJECTID_MAX, strncmp(run_len(&all, id,
		    17 + n), "BAD", 3) == 0);
	}
}

ATF_TC_WITHOUT_HEAD(quota);
ATF_TC_BODY(quota, tc)
{
	static const struct row good[] = {
		{ "a GETQUOTA \"\"", "GETQUOTA root=" },
		{ "a getquota !partition/sda4",
		    "GETQUOTA root=!partition/sda4" },
		{ "a GETQUOTA {3+}\r\na b", "GETQUOTA root=a b" },
		{ "a GETQUOTAROOT inbox", "GETQUOTAROOT INBOX" },
		{ "a SETQUOTA \"\" (STORAGE 512)", "SETQUOTA root=" },
		{ "a SETQUOTA x (STORAGE 512 MESSAGE 9223372036854775807)",
		    "SETQUOTA root=x" },
		{ "a SETQUOTA x ()", "SETQUOTA root=x" },
		{ "a GETQUOTA {3}", "WANT" },
		{ NULL, NULL }
	};
	static const struct row bad[] = {
		{ "a GETQUOTA", "space" }, { "a GETQUOTA ", "string" },
		{ "a GETQUOTA x y", "end of the command" },
		{ "a GETQUOTAROOT", "space" },
		{ "a SETQUOTA x", "space" }, { "a SETQUOTA x STORAGE", "(" },
		{ "a SETQUOTA x (STORAGE)", "space" },
		{ "a SETQUOTA x (STORAGE a)", "number" },
		{ "a SETQUOTA x (STORAGE 1", ")" },
		{ "a SETQUOTA x (STORAGE 9223372036854775808)", "too big" },
		{ NULL, NULL }
	};
	static const struct row plain[] = {
		{ "a GETQUOTA x", "Unknown command" },
		{ "a GETQUOTAROOT x", "Unknown command" },
		{ "a SETQUOTA x ()", "Unknown command" },
		{ "a STATUS x (DELETED)", "Unknown STATUS item" },
		{ NULL, NULL }
	};

	setup();
	table(&all, good);
	refused(&all, bad);
	refused(&base, plain);
}

ATF_TC_WITHOUT_HEAD(metadata);
ATF_TC_BODY(metadata, tc)
{
	static const struct row good[] = {
		/* RFC 5464, 4.2 and 4.3, with errata 2785 and 2786 */
		{ "a GETMETADATA \"\" /shared/comment",
		    "GETMETADATA '' /shared/comment" },
		{ "a GETMETADATA INBOX (/shared/comment /private/Comment)",
		    "GETMETADATA 'INBOX' /shared/comment /private/comment" },
		{ "a GETMETADATA (MAXSIZE 1024) {5+}\r\ninbox \"/shared\"",
		    "GETMETADATA 'INBOX' max=1024 /shared" },
		{ "a GETMETADATA (depth 1 MAXSIZE 0) x (/private/filters)",
		    "GETMETADATA 'x' max=0 depth=1 /private/filters" },
		{ "a GETMETADATA x (DEPTH infinity) /private/filters",
		    "GETMETADATA 'x' depth=2 /private/filters" },
		{ "a GETMETADATA (DEPTH 0) {0+}\r\n /private",
		    "GETMETADATA '' /private" },
		{ "a SETMETADATA INBOX (/private/comment {3+}\r\nx\r\n)",
		    "SETMETADATA 'INBOX' /private/comment =x\r\n" },
		{ "a SETMETADATA \"\" (/private/comment nil /shared/x \"\")",
		    "SETMETADATA '' /private/comment =NIL /shared/x =" },
		{ "a SETMETADATA x (/shared/a ~{2+}\r\n\xff) /shared/b "
		    "{1}", "WANT" },
		{ NULL, NULL }
	};
	static const struct row bad[] = {
		{ "a GETMETADATA", "space" }, { "a GETMETADATA x", "space" },
		{ "a GETMETADATA x ()", "string" },
		{ "a GETMETADATA x (/shared/a", ")" },
		{ "a GETMETADATA x comment", "entry name@16" },
		{ "a GETMETADATA x /comment", "entry name" },
		{ "a GETMETADATA x /sharedx/y", "entry name" },
		{ "a GETMETADATA x /shared/", "entry name" },
		{ "a GETMETADATA x /shared//a", "entry name" },
		{ "a GETMETADATA x \"/shared/a*\"", "entry name" },
		{ "a GETMETADATA x \"/shared/a%\"", "entry name" },
		{ "a GETMETADATA x \"/shared/a b\"", "entry name" },
		{ "a GETMETADATA x {9+}\r\n/shared/\xff", "entry name" },
		{ "a GETMETADATA x (/shared/a /shared/A)", "twice" },
		{ "a GETMETADATA () x /shared/a", "option" },
		{ "a GETMETADATA (FOO 1) x /shared/a", "option" },
		{ "a GETMETADATA (MAXSIZE) x /shared/a", "space" },
		{ "a GETMETADATA (MAXSIZE -1) x /shared/a", "number" },
		{ "a GETMETADATA (MAXSIZE 1 MAXSIZE 1) x /shared/a",
		    "option" },
		{ "a GETMETADATA (DEPTH 2) x /shared/a", "infinity" },
		{ "a GETMETADATA (DEPTH 1) x (DEPTH 1) /shared/a",
		    "entry name" },
		{ "a SETMETADATA x", "space" }, { "a SETMETADATA x ()", "" },
		{ "a SETMETADATA x (/shared/a ~{2+}\r\na", "cut off" },
		{ "a SETMETADATA x /shared/a \"b\"", "(" },
		{ "a SETMETADATA x (/shared/a)", "space" },
		{ "a SETMETADATA x (/shared/a b)", "string" },
		{ "a SETMETADATA x (/shared \"b\")", "entry name" },
		{ "a SETMETADATA x (/shared/a NIL /SHARED/a NIL)", "twice" },
		{ NULL, NULL }
	};
	static const struct row plain[] = {
		{ "a GETMETADATA x /shared/a", "Unknown command" },
		{ "a SETMETADATA x (/shared/a NIL)", "Unknown command" },
		{ NULL, NULL }
	};
	static const char nul[] = "a SETMETADATA x (/shared/a ~{2+}\r\na\0)";
	static const char nul7[] = "a SETMETADATA x (/shared/a {2+}\r\na\0)";

	setup();
	table(&all, good);
	refused(&all, bad);
	refused(&base, plain);
	ATF_CHECK(strncmp(run_len(&all, nul, sizeof(nul) - 1), "SET", 3) ==
	    0);
	ATF_CHECK(strncmp(run_len(&all, nul7, sizeof(nul7) - 1), "BAD", 3) ==
	    0);
}

ATF_TC_WITHOUT_HEAD(sort);
ATF_TC_BODY(sort, tc)
{
	static const struct row good[] = {
		/* RFC 5256, 3 */
		{ "A282 SORT (SUBJECT) UTF-8 SINCE 1-Feb-1994",
		    "SORT SUBJECT needs=2 SINCE 1-Feb-1994" },
		{ "A283 SORT (SUBJECT REVERSE DATE) UTF-8 ALL",
		    "SORT SUBJECT -DATE needs=1 ALL" },
		{ "a uid sort (reverse cc Arrival FROM SIZE REVERSE TO) "
		    "\"us-ascii\" NOT SEEN 1:3",
		    "UID SORT -CC ARRIVAL FROM SIZE -TO needs=1 "
		    "(UNSEEN 1:3)" },
		{ "a SORT (DISPLAYFROM DISPLAYTO) {5+}\r\nutf-8 ALL",
		    "SORT DISPLAYFROM DISPLAYTO needs=1 ALL" },
		/* what comes twice decides once */
		{ "a SORT (DATE SIZE REVERSE DATE SIZE TO) UTF-8 ALL",
		    "SORT DATE SIZE TO needs=1 ALL" },
		/* RFC 5267, 3.1 */
		{ "E01 UID SORT RETURN (COUNT) (REVERSE DATE) UTF-8 UNDELETED "
		    "UNKEYWORD $Junk", "UID SORT -DATE ret=8 needs=1 "
		    "(UNDELETED UNKEYWORD $Junk)" },
		{ "a SORT RETURN () (DATE) UTF-8 MODSEQ 3",
		    "SORT DATE ret=4 modseq needs=2 MODSEQ 3" },
		{ "a SORT (DATE) KOI8-R ALL", "NO [BADCHARSET "
		    "(US-ASCII UTF-8)] Unsupported character set" },
		{ "A283 THREAD ORDEREDSUBJECT UTF-8 SINCE 5-MAR-2000",
		    "THREAD ORDEREDSUBJECT needs=2 SINCE 5-Mar-2000" },
		{ "a UID THREAD references US-ASCII TEXT x",
		    "UID THREAD REFERENCES needs=8 TEXT x" },
		{ NULL, NULL }
	};
	static const struct row bad[] = {
		{ "a SORT", "space" }, { "a SORT ", "Expected \"(\"" },
		{ "a SORT DATE UTF-8 ALL", "Expected \"(\"" },
		{ "a SORT () UTF-8 ALL", "Unknown sort criterion@8" },
		{ "a SORT (DATE ) UTF-8 ALL", "Unknown sort criterion@13" },
		{ "a SORT (FOO) UTF-8 ALL", "Unknown sort criterion@8" },
		{ "a SORT (REVERSE) UTF-8 ALL", "space" },
		{ "a SORT (REVERSE REVERSE DATE) UTF-8 ALL",
		    "Unknown sort criterion@16" },
		{ "a SORT (DATE) UTF-8", "space" },
		{ "a SORT (DATE)", "space" }, { "a SORT (DATE", "Expected" },
		{ "a SORT (DATE) UTF-8 FOO", "Unknown search key" },
		{ "a SORT RETURN (FOO) (DATE) UTF-8 ALL", "return option" },
		{ "a THREAD", "space" },
		{ "a THREAD REFS UTF-8 ALL", "Unknown threading algorithm@9" },
		{ "a THREAD REFERENCES", "space" },
		{ "a THREAD REFERENCES UTF-8", "space" },
		{ "a THREAD RETURN () REFERENCES UTF-8 ALL", "Unknown" },
		{ NULL, NULL }
	};
	static const struct row plain[] = {
		{ "a SORT (DATE) UTF-8 ALL", "Unknown command" },
		{ "a THREAD REFERENCES UTF-8 ALL", "Unknown command" },
		{ NULL, NULL }
	};

	setup();
	table(&all, good);
	refused(&all, bad);
	refused(&base, plain);
}

ATF_TC_WITHOUT_HEAD(search);
ATF_TC_BODY(search, tc)
{
	static const struct row t[] = {
		{ "a SEARCH ALL", "SEARCH needs=1 ALL" },
		{ "a UID SEARCH 1:*", "UID SEARCH needs=1 1:*" },
		{ "a SEARCH *", "SEARCH needs=1 *" },
		{ "a SEARCH 2,4:7,9,12:*", "SEARCH needs=1 2,4:7,9,12:*" },
		{ "a SEARCH UID 5", "SEARCH needs=1 UID 5" },
		{ "a SEARCH $", "SEARCH needs=1 $" },
		/* RFC 3501, 6.4.4 */
		{ "A282 SEARCH FLAGGED SINCE 1-Feb-1994 NOT FROM \"Smith\"",
		    "SEARCH needs=7 (FLAGGED SINCE 1-Feb-1994 "
		    "NOT HEADER From Smith)" },
		{ "A284 SEARCH CHARSET UTF-8 TEXT {6+}\r\n"
		    "\xd0\xb8\xd0\xbc\xd1\x8f",
		    "SEARCH needs=8 TEXT {6}\r\n\xd0\xb8\xd0\xbc\xd1\x8f" },
		{ "a SEARCH ANSWERED DELETED DRAFT FLAGGED SEEN",
		    "SEARCH needs=1 (ANSWERED DELETED DRAFT FLAGGED SEEN)" },
		{ "a SEARCH UNANSWERED UNDELETED UNDRAFT UNFLAGGED UNSEEN",
		    "SEARCH needs=1 (UNANSWERED UNDELETED UNDRAFT UNFLAGGED "
		    "UNSEEN)" },
		{ "a SEARCH NOT SEEN", "SEARCH needs=1 UNSEEN" },
		{ "a SEARCH NOT UNSEEN", "SEARCH needs=1 SEEN" },
		{ "a SEARCH NOT NOT NOT SEEN", "SEARCH needs=1 UNSEEN" },
		{ "a SEARCH NEW", "SEARCH needs=1 (RECENT UNSEEN)" },
		{ "a SEARCH OLD", "SEARCH needs=1 OLD" },
		{ "a SEARCH RECENT", "SEARCH needs=1 RECENT" },
		{ "a SEARCH NOT OLD", "SEARCH needs=1 RECENT" },
		{ "a SEARCH NOT NEW SEEN",
		    "SEARCH needs=1 (NOT (RECENT UNSEEN) SEEN)" },
		{ "a SEARCH KEYWORD $x UNKEYWORD y",
		    "SEARCH needs=1 (KEYWORD $x UNKEYWORD y)" },
		{ "a SEARCH NOT KEYWORD NIL", "SEARCH needs=1 UNKEYWORD NIL" },
		{ "a SEARCH BEFORE 1-Feb-1994 ON \"01-Feb-1994\" "
		    "SINCE 31-Dec-2030", "SEARCH needs=2 (BEFORE 1-Feb-1994 "
		    "ON 1-Feb-1994 SINCE 31-Dec-2030)" },
		{ "a SEARCH SENTBEFORE 1-Feb-1994 SENTON 2-Feb-1994 "
		    "SENTSINCE 3-Feb-1994",
		    "SEARCH needs=4 (SENTBEFORE 1-Feb-1994 "
		    "SENTON 2-Feb-1994 SENTSINCE 3-Feb-1994)" },
		{ "a SEARCH LARGER 0 SMALLER 4294967296",
		    "SEARCH needs=2 (LARGER 0 SMALLER 4294967296)" },
		{ "a SEARCH FROM a TO b CC c BCC d SUBJECT \"e f\"",
		    "SEARCH needs=4 (HEADER From a HEADER To b HEADER Cc c "
		    "HEADER Bcc d HEADER Subject \"e f\")" },
		{ "a SEARCH HEADER message-id <x@y>",
		    "SEARCH needs=4 HEADER message-id <x@y>" },
		{ "a SEARCH HEADER X-Spam \"\"",
		    "SEARCH needs=8 HEADER X-Spam \"\"" },
		{ "a SEARCH BODY x TEXT y",
		    "SEARCH needs=8 (BODY x TEXT y)" },
		{ "a SEARCH BODY \"\" NOT TEXT {0}\r\n",
		    "SEARCH needs=1 (ALL NOT ALL)" },
		/* cheap first */
		{ "a SEARCH TEXT a FROM b SINCE 1-Feb-1994 SEEN BODY c 1",
		    "SEARCH needs=15 (SEEN 1 SINCE 1-Feb-1994 "
		    "HEADER From b TEXT a BODY c)" },
		{ "a SEARCH OR BODY x SEEN",
		    "SEARCH needs=9 OR SEEN BODY x" },
		/* flat */
		{ "a SEARCH OR SEEN OR DRAFT OR 1 2",
		    "SEARCH needs=1 OR SEEN OR DRAFT OR 1 2" },
		{ "a SEARCH OR OR OR SEEN DRAFT 1 2",
		    "SEARCH needs=1 OR SEEN OR DRAFT OR 1 2" },
		{ "a SEARCH OR (OR 1 2) (OR 3 (OR 4 5))",
		    "SEARCH needs=1 OR 1 OR 2 OR 3 OR 4 5" },
		{ "a SEARCH OR NOT (OR 1 2) 3",
		    "SEARCH needs=1 OR NOT OR 1 2 3" },
		{ "a SEARCH (SEEN (DRAFT (1 2)))",
		    "SEARCH needs=1 (SEEN DRAFT 1 2)" },
		{ "a SEARCH NOT (SEEN (DRAFT))",
		    "SEARCH needs=1 NOT (SEEN DRAFT)" },
		{ "a SEARCH ((((SEEN))))", "SEARCH needs=1 SEEN" },
		{ "a SEARCH OR (1 SEEN) (2 DRAFT)",
		    "SEARCH needs=1 OR (1 SEEN) (2 DRAFT)" },
		{ "a SEARCH 1 OR 2 3 4", "SEARCH needs=1 (1 OR 2 3 4)" },
		/* RFC 7162, 3.1.5 */
		{ "a SEARCH MODSEQ 620162338",
		    "SEARCH modseq needs=2 MODSEQ 620162338" },
		{ "t SEARCH OR NOT MODSEQ \"/flags/\\\\draft\" all "
		    "720162338 LARGER 50000", "SEARCH modseq needs=2 "
		    "OR NOT MODSEQ 720162338 LARGER 50000" },
		/* RFC 4731, RFC 5182 */
		{ "A282 SEARCH RETURN (MIN COUNT) FLAGGED",
		    "SEARCH ret=9 needs=1 FLAGGED" },
		{ "a SEARCH RETURN () FLAGGED",
		    "SEARCH ret=4 needs=1 FLAGGED" },
		{ "a UID SEARCH RETURN (save all MAX) CHARSET us-ascii 1",
		    "UID SEARCH ret=16 needs=1 1" },
		{ "a SEARCH CHARSET \"utf-8\" 1", "SEARCH needs=1 1" },
		{ "a SEARCH CHARSET KOI8-R 1", "NO [BADCHARSET "
		    "(US-ASCII UTF-8)] Unsupported character set" },
		{ NULL, NULL }
	};
	static const struct row bad[] = {
		{ "a SEARCH", "space" }, { "a SEARCH ", "Unknown search key" },
		{ "a SEARCH FOO", "Unknown search key@9" },
		{ "a SEARCH ALL ", "Unknown search key@13" },
		{ "a SEARCH  ALL", "Unknown search key" },
		{ "a SEARCH NOT", "space" },
		{ "a SEARCH NOT ", "Unknown search key" },
		{ "a SEARCH OR 1", "space" }, { "a SEARCH OR", "space" },
		{ "a SEARCH (1 2", "Expected \")\"" },
		{ "a SEARCH OR 1 FOO", "Unknown search key@14" },
		{ "a SEARCH ()", "Unknown search key" },
		{ "a SEARCH (1", "Expected \")\"" }, { "a SEARCH 1)", "end" },
		{ "a SEARCH FROM", "space" }, { "a SEARCH FROM ", "string" },
		{ "a SEARCH HEADER x", "space" },
		{ "a SEARCH HEADER \"a b\" x", "field name" },
		{ "a SEARCH HEADER \"\" x", "field name" },
		{ "a SEARCH KEYWORD \\Seen", "atom" },
		{ "a SEARCH SINCE 1-Foo-1994", "Invalid date@15" },
		{ "a SEARCH SINCE 30-Feb-1994", "Invalid date" },
		{ "a SEARCH SINCE \"1-Feb-1994", "Unterminated" },
		{ "a SEARCH LARGER x", "number" },
		{ "a SEARCH LARGER -1", "number" },
		{ "a SEARCH LARGER 9999999999999999999999", "too big" },
		{ "a SEARCH UID", "space" }, { "a SEARCH UID x", "set" },
		{ "a SEARCH 1:", "set" }, { "a SEARCH 0", "set" },
		{ "a SEARCH SUBJECT {1}\r\n\xff", "UTF-8" },
		{ "a SEARCH CHARSET", "space" },
		{ "a SEARCH CHARSET UTF-8", "space" },
		{ "a SEARCH RETURN (FOO) 1", "return option@17" },
		{ "a SEARCH RETURN 1", "Expected \"(\"" },
		{ "a SEARCH RETURN (MIN)", "space" },
		{ "a SEARCH MODSEQ \"/foo/x\" all 1", "entry" },
		{ "a SEARCH MODSEQ \"/flags/x\" some 1", "entry" },
		{ "a SEARCH MODSEQ x", "number" },
		{ NULL, NULL }
	};
	static const struct row plain[] = {
		{ "a SEARCH MODSEQ 1", "Unknown search key" },
		{ "a SEARCH RETURN () 1", "Unknown search key" },
		{ "a SEARCH $", "set" },
		{ NULL, NULL }
	};

	setup();
	table(&all, t);
	refused(&all, bad);
	refused(&base, plain);
}

/* The text of a key gives the same key. */
ATF_TC_WITHOUT_HEAD(again);
ATF_TC_BODY(again, tc)
{
	static const char *t[] = {
	    "a SEARCH OR NOT (OR 1 2) (NEW NOT (OLD SEEN))",
	    "a SEARCH FROM \"a\\\"b\" SUBJECT {4}\r\na\r\nb NOT TEXT nil",
	    "a SEARCH NOT (NOT (1 2)) OR OR 1 2 (3 4 OR 5 $)", NULL };
	char	once[4096], line[4096];
	int	i;

	setup();
	for (i = 0; t[i] != NULL; i++) {
		strlcpy(once, run(&all, t[i]), sizeof(once));
		ATF_REQUIRE(strncmp(once, "SEARCH needs=", 13) == 0);
		strlcpy(line, "a SEARCH ", sizeof(line));
		strlcat(line, strchr(once + 13, ' ') + 1, sizeof(line));
		ATF_CHECK_STREQ(once, run(&all, line));
	}
}

/* n times a, then z, then n times b. */
static char *
nest(const char *head, const char *a, const char *z, const char *b, int n)
{
	struct ibuf	l;
	char		*text;
	int		i;

	ibuf_init(&l, 1 << 22);
	ATF_REQUIRE_EQ(0, ibuf_adds(&l, head));
	for (i = 0; i < n; i++)
		ATF_REQUIRE_EQ(0, ibuf_adds(&l, a));
	ATF_REQUIRE_EQ(0, ibuf_adds(&l, z));
	for (i = 0; i < n; i++)
		ATF_REQUIRE_EQ(0, ibuf_adds(&l, b));
	ATF_REQUIRE_EQ(0, ibuf_add_n8(&l, '\0'));
	ATF_REQUIRE((text = strdup((char *)ibuf_data(&l))) != NULL);
	ibuf_fini(&l);
	return text;
}

ATF_TC_WITHOUT_HEAD(bounds);
ATF_TC_BODY(bounds, tc)
{
	static const struct {
		const char	*head, *a, *z, *b;
		int		 n;
		const char	*out;
	} t[] = {
		{ "a SEARCH ", "(", "1", ")", 50, "SEARCH needs=1 1" },
		{ "a SEARCH ", "(", "1", ")", 51,
		    "BAD Search is nested too deep" },
		{ "a SEARCH ", "(", "1", ")", 100000,
		    "BAD Search is nested too deep" },
		{ "a SEARCH ", "NOT ", "1", "", 100000, "SEARCH needs=1 1" },
		{ "a SEARCH ", "NOT OR 1 ", "1", "", 100000,
		    "BAD Search is nested too deep" },
		{ "a SEARCH ", "OR ", "1", " 2", 900, "SEARCH needs=1 OR" },
		{ "a SEARCH ", "OR 1 ", "2", "", 900, "SEARCH needs=1 OR" },
		{ "a SEARCH ", "OR ", "1", " 2", 100000, "BAD Too many" },
		{ "a SEARCH ", "1 ", "2", "", 900, "SEARCH needs=1 (1 1" },
		{ "a SEARCH ", "1 ", "2", "", 100000, "BAD Too many" },
		{ "a FETCH 1 (", "UID ", "UID)", "", 100000,
		    "FETCH set=1:1 UID needs=1" },
		{ "a FETCH 1 BODY[", "1.", "1", "", 100000,
		    "BAD Section is too deep" },
		{ "a FETCH 1 BODY[HEADER.FIELDS (", "a ", "a)]", "", 100000,
		    "BAD Too many header fields" },
		{ "a STORE 1 FLAGS (", "a ", "a)", "", 1000,
		    "STORE set=1:1 =(a a" },
		{ "a STORE 1 FLAGS (", "a ", "a)", "", 200000,
		    "BAD Command takes too much memory" },
		{ "a FETCH ", "1,", "1", " UID", 500000,
		    "BAD Command takes too much memory" },
		{ "a ENABLE ", "a ", "a", "", 500000,
		    "BAD Command takes too much memory" },
	};
	char	*line;
	clock_t	 c = clock();
	size_t	 i;

	setup();
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		line = nest(t[i].head, t[i].a, t[i].z, t[i].b, t[i].n);
		ATF_CHECK_MSG(strncmp(run(&all, line), t[i].out,
		    strlen(t[i].out)) == 0, "%zu: %.60s", i, run(&all, line));
		free(line);
	}
	ATF_CHECK((double)(clock() - c) / CLOCKS_PER_SEC < 5);
}

ATF_TC_WITHOUT_HEAD(manyatts);
ATF_TC_BODY(manyatts, tc)
{
	char	line[8192] = "a FETCH 1 (", item[32];
	int	i;

	setup();
	for (i = 0; i < IMAP_ATTS_MAX; i++) {
		snprintf(item, sizeof(item), "%sBODY[%d]", i > 0 ? " " : "",
		    i + 1);
		strlcat(line, item, sizeof(line));
	}
	i = (int)strlen(line);
	strlcat(line, ")", sizeof(line));
	ATF_CHECK(strncmp(run(&all, line), "FETCH set=1:1 !BODY[1]", 22) ==
	    0);
	line[i] = '\0';
	strlcat(line, " UID)", sizeof(line));
	ATF_CHECK(strncmp(run(&all, line), "BAD Too many FETCH", 18) == 0);
}

static void
refusal(const char *line, const char *want)
{
	struct imap_cmd	c;
	struct ibuf	b;

	ibuf_init(&b, 1024);
	ATF_REQUIRE(imap_parse(&c, &all, line, strlen(line)) != IMAP_OK);
	ATF_REQUIRE_EQ(0, imap_put_refusal(&b, &c));
	ATF_REQUIRE_EQ(0, ibuf_add_n8(&b, '\0'));
	ATF_CHECK_STREQ(want, (char *)ibuf_data(&b));
	imap_cmd_free(&c);
	ibuf_fini(&b);
}

ATF_TC_WITHOUT_HEAD(refusals);
ATF_TC_BODY(refusals, tc)
{
	struct hstr	tag;

	setup();
	refusal("a1 FOO", "a1 BAD Unknown command (at 4)\r\n");
	refusal("\xff FOO", "* BAD Invalid tag (at 1)\r\n");
	refusal("a1 SELECT a&b", "a1 NO [CANNOT] Mailbox name is not valid "
	    "modified UTF-7\r\n");
	refusal("a1 LOGIN {3}", "a1 BAD Incomplete command (at 1)\r\n");
	ATF_CHECK_EQ(0, imap_parse_tag(&tag, "a1 FOOOO", 8));
	ATF_CHECK(tag.len == 2 && memcmp(tag.p, "a1", 2) == 0);
	ATF_CHECK_EQ(-1, imap_parse_tag(&tag, "{", 1));
	ATF_CHECK(imap_is_done("DONE", 4) && imap_is_done("done", 4));
	ATF_CHECK(!imap_is_done("DONE ", 5) && !imap_is_done("", 0));
}

ATF_TC_WITHOUT_HEAD(extensions);
ATF_TC_BODY(extensions, tc)
{
	struct imap_exts	x;
	int			i;

	memset(&x, 0, sizeof(x));
	ATF_CHECK_EQ(1, imap_ext_has(&x, IMAP_EXT_BASE));
	imap_ext_add(&x, IMAP_EXT_QRESYNC);
	ATF_CHECK_EQ(1, imap_ext_has(&x, IMAP_EXT_CONDSTORE));
	ATF_CHECK_EQ(0, imap_ext_has(&x, IMAP_EXT_MOVE));
	imap_ext_add(&x, IMAP_EXT_IMAP4REV2);
	ATF_CHECK_EQ(1, imap_ext_has(&x, IMAP_EXT_MOVE));
	ATF_CHECK_EQ(1, imap_ext_has(&x, IMAP_EXT_ESEARCH));
	for (i = 0; i < IMAP_EXT_MAX; i++) {
		ATF_REQUIRE(imap_ext_name((enum imap_ext)i) != NULL);
		ATF_CHECK_EQ(i, (int)imap_ext_lookup(
		    imap_ext_name((enum imap_ext)i),
		    strlen(imap_ext_name((enum imap_ext)i))));
	}
	ATF_CHECK_EQ(IMAP_EXT_MOVE, imap_ext_lookup("move", 4));
	ATF_CHECK_EQ(IMAP_EXT_MAX, imap_ext_lookup("mov", 3));
}

ATF_TP_ADD_TCS(tp)
{
	ATF_TP_ADD_TC(tp, simple);
	ATF_TP_ADD_TC(tp, literal);
	ATF_TP_ADD_TC(tp, strings);
	ATF_TP_ADD_TC(tp, auth);
	ATF_TP_ADD_TC(tp, mailboxes);
	ATF_TP_ADD_TC(tp, list);
	ATF_TP_ADD_TC(tp, append);
	ATF_TP_ADD_TC(tp, catenate);
	ATF_TP_ADD_TC(tp, pieces);
	ATF_TP_ADD_TC(tp, urls);
	ATF_TP_ADD_TC(tp, fetch);
	ATF_TP_ADD_TC(tp, store);
	ATF_TP_ADD_TC(tp, search);
	ATF_TP_ADD_TC(tp, metadata);
	ATF_TP_ADD_TC(tp, objectid);
	ATF_TP_ADD_TC(tp, quota);
	ATF_TP_ADD_TC(tp, sort);
	ATF_TP_ADD_TC(tp, again);
	ATF_TP_ADD_TC(tp, bounds);
	ATF_TP_ADD_TC(tp, manyatts);
	ATF_TP_ADD_TC(tp, refusals);
	ATF_TP_ADD_TC(tp, extensions);
	return atf_no_error();
}
