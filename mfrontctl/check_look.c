/*
 * Mailboxes and listings, as checks ask for them.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check_ask.h"

#define BIG	20000		/* a mailbox that takes long to look at */

/* mailboxes */

struct lines *
ask_mailboxes(struct ck *c)
{
	return ask_lines(c, ask_get(c, "/accounts/%s/mailboxes",
	    c->run->acct));
}

struct val *
ask_mailbox_named(struct ck *c, struct lines *l, const char *name)
{
	const char	*s;
	int		 i;

	for (i = 0; i < l->n; i++)
		if ((s = val_text(l->row[i], "name")) != NULL &&
		    strcmp(s, name) == 0 && val_text(l->row[i], "id") != NULL)
			return l->row[i];
	return NULL;
}

char *
ask_box_name(struct ck *c, const char *word)
{
	unsigned int serial;

	pthread_mutex_lock(&c->run->lock);
	serial = ++c->run->serial;
	pthread_mutex_unlock(&c->run->lock);
	return check_text(c, "%s-%u-%s", c->run->stem, serial, word);
}

struct box *
ask_box_of(struct ck *c, struct val *row, struct answer *a)
{
	struct box	*b = check_alloc(c, sizeof(*b));
	const char	*id = val_text(row, "id"), *name;
	uint64_t	 n;

	name = val_text(row, "name");
	if (id == NULL || name == NULL)
		check_fail_at(c, a, "a mailbox has no id or no name");
	b->id = check_text(c, "%s", id);
	b->name = check_text(c, "%s", name);
	if (!val_number(row, "uidvalidity", UINT32_MAX, &n) || n == 0)
		check_fail_at(c, a, "a mailbox has no uidvalidity");
	b->uidvalidity = (uint32_t)n;
	if (!val_number(row, "uidnext", UINT32_MAX, &n) || n == 0)
		check_fail_at(c, a, "a mailbox has no uidnext");
	b->uidnext = (uint32_t)n;
	if (val_number(row, "modseq", MODSEQ_MAX, &n))
		b->modseq = n;
	return b;
}

struct box *
ask_box(struct ck *c, const char *word)
{
	struct answer	*a;
	struct box	*b;
	char		*name = ask_box_name(c, word);

	a = ask_do(c, "POST", check_text(c, "/accounts/%s/mailboxes",
	    c->run->acct), check_text(c, "{\"name\":\"%s\"}", name));
	ask_status(c, a, 201);
	b = ask_box_of(c, ask_json(c, a), a);
	b->next = c->boxes;
	c->boxes = b;
	return b;
}

char *
ask_box_path(struct ck *c, const struct box *b, const char *rest)
{
	return check_text(c, "/accounts/%s/mailboxes/%s%s", c->run->acct,
	    b->id, rest);
}

void
ask_rename(struct ck *c, struct box *b)
{
	char		*name = check_text(c, "%s-2", b->name);
	struct lines	*l;

	ask_ok(c, ask_do(c, "POST", check_text(c,
	    "/accounts/%s/mailboxes/rename", c->run->acct), check_text(c,
	    "{\"from\":\"%s\",\"to\":\"%s\"}", b->name, name)));
	l = ask_mailboxes(c);
	b->id = ask_box_of(c, ask_mailbox_named(c, l, name), l->a)->id;
	b->name = name;
}

struct val *
ask_box_row(struct ck *c, struct box *b)
{
	return ask_json(c, ask_get(c, "%s", ask_box_path(c, b, "")));
}

/* Of the account's mailboxes that with the most messages, but not too many. */
static struct box *
ask_fullest(struct ck *c)
{
	struct lines	*l = ask_mailboxes(c);
	struct val	*best = NULL;
	uint64_t	 n, most = 0;
	int		 i;

	for (i = 0; i < l->n; i++)
		if (val_number(l->row[i], "messages", BIG, &n) && n > most) {
			best = l->row[i];
			most = n;
		}
	if (best == NULL)
		check_skip(c, "no mailbox has messages (up to %d)", BIG);
	return ask_box_of(c, best, l->a);
}

/*
 * Who can write gets a mailbox with a gap, and different flags; else there
 * must be one with messages.
 */
struct box *
ask_subject(struct ck *c)
{
	struct box	*b;
	struct uids	 u;

	if (!check_has(c, CAP_WRITE))
		return ask_fullest(c);
	b = ask_box(c, "look");
	ask_fill(c, b, 8, &u);
	ask_patch(c, b, "{\"uids\":\"%u\",\"add\":[\"\\\\Seen\",\"$Check\"]}",
	    u.u[4]);
	ask_expunge(c, b, check_text(c, "%u", u.u[2]), NULL);
	return b;
}

/* listings */

static void
ask_list_header(struct ck *c, struct list *l)
{
	uint64_t	 n;
	const char	*why = NULL;

	check_seen(c, "list-header");
	if (!val_number(l->header, "uidnext", UINT32_MAX, &n) || n == 0)
		why = "uidnext";
	else
		l->uidnext = (uint32_t)n;
	if (!val_number(l->header, "uidvalidity", UINT32_MAX, &n) || n == 0)
		why = "uidvalidity";
	else
		l->uidvalidity = (uint32_t)n;
	if (val_number(l->header, "modseq", MODSEQ_MAX, &n) && n > 0)
		l->modseq = n;
	else if (check_has(c, CAP_MODSEQ))
		why = "modseq";
	if (val_typed(l->header, "flags", VAL_ARRAY) == NULL)
		why = "flags";
	l->applied = val_typed(l->header, "applied", VAL_OBJECT);
	if (l->applied == NULL)
		why = "applied";
	if (val_number(l->applied, "since", MODSEQ_MAX, &n))
		l->since = n;
	if (why != NULL)
		check_watch(c, "list-header", l->a, "it has no %s", why);
}

static void
ask_grow(struct ck *c, struct uids *to, const struct uids *more)
{
	uint32_t *u;

	u = check_alloc(c, sizeof(*u) * (to->n + more->n + 1));
	if (to->n > 0)
		memcpy(u, to->u, sizeof(*u) * to->n);
	memcpy(u + to->n, more->u, sizeof(*u) * more->n);
	to->u = u;
	to->n += more->n;
}

struct list_builder {
	struct list	*l;
	struct message	*m;		/* malloc'd while it grows */
	uint32_t	 cap;
	uint32_t	 lowest;	/* uid of the last row */
};

static void
ask_list_row(struct ck *c, struct list_builder *b, struct val *row)
{
	struct list	*l = b->l;
	struct uids	 u;
	struct message	*m;
	uint32_t	 i;

	ask_row_uids(c, l->a, row, &u);
	if (u.u[0] <= b->lowest)
		check_watch(c, "rows-ordered", l->a, "the row of %u comes "
		    "after that of %u", u.u[0], b->lowest);
	b->lowest = u.u[0];
	l->rows++;
	l->merged += u.n > 1;
	if (l->n + u.n > b->cap) {
		b->cap = (l->n + u.n) * 2;
		m = check_alloc(c, sizeof(*m) * b->cap);
		if (l->n > 0)
			memcpy(m, l->m, sizeof(*m) * l->n);
		l->m = m;
	}
	for (i = 0; i < u.n; i++) {
		l->m[l->n].uid = u.u[i];
		l->m[l->n++].row = row;
	}
}

static int
message_compare(const void *a, const void *b)
{
	uint32_t x = ((const struct message *)a)->uid;
	uint32_t y = ((const struct message *)b)->uid;

	return x < y ? -1 : x > y;
}

/* Rows of several messages may interleave: by uid they are a list. */
static void
ask_list_sort(struct ck *c, struct list *l)
{
	uint32_t i;

	check_seen(c, "rows-ordered");
	if (l->n > 0)
		qsort(l->m, l->n, sizeof(*l->m), message_compare);
	for (i = 1; i < l->n; i++)
		if (l->m[i].uid == l->m[i - 1].uid)
			check_watch(c, "rows-ordered", l->a,
			    "uid %u is in two rows", l->m[i].uid);
}

struct list *
ask_list_of(struct ck *c, struct answer *a)
{
	struct list		*l = check_alloc(c, sizeof(*l));
	struct list_builder	 b = { .l = l };
	struct lines		*lines = ask_lines(c, a);
	struct uids		 u;
	const char		*set;
	int			 i;

	l->a = a;
	l->header = lines->header;
	ask_list_header(c, l);
	for (i = 0; i < lines->n; i++) {
		set = val_text(lines->row[i], "vanished");
		if (set == NULL) {
			ask_list_row(c, &b, lines->row[i]);
			continue;
		}
		ask_set(c, a, set, &u);
		ask_grow(c, &l->vanished, &u);
		if (l->rows > 0 || l->since == 0)
			check_watch(c, "rows-ordered", a, "a line vanished "
			    "%s", l->rows > 0 ? "comes after rows" :
			    "without since");
	}
	ask_list_sort(c, l);
	return l;
}

struct list *
ask_list(struct ck *c, const struct box *b, const char *fmt, ...)
{
	va_list	 ap;
	char	*query;
	char	*path;

	va_start(ap, fmt);
	if (vasprintf(&query, fmt, ap) == -1)
		check_fail(c, "memory");
	va_end(ap);
	path = check_text(c, "/messages%s", query);
	free(query);
	return ask_list_of(c, ask_get(c, "%s", ask_box_path(c, b, path)));
}

struct val *
ask_find(const struct list *l, uint32_t uid)
{
	uint32_t i;

	for (i = 0; i < l->n; i++)
		if (l->m[i].uid == uid)
			return l->m[i].row;
	return NULL;
}

struct val *
ask_message(struct ck *c, const struct list *l, uint32_t uid)
{
	struct val *row = ask_find(l, uid);

	if (row == NULL)
		check_fail_at(c, l->a, "uid %u is not listed", uid);
	return row;
}

int
ask_has_flag(const struct val *row, const char *flag)
{
	struct val *v, *flags = val_typed(row, "flags", VAL_ARRAY);

	for (v = flags != NULL ? flags->first : NULL; v != NULL; v = v->next)
		if (v->type == VAL_TEXT && strcasecmp(v->s, flag) == 0)
			return 1;
	return 0;
}

int
ask_flags_are(const struct val *row, const char *list)
{
	struct val	*flags = val_typed(row, "flags", VAL_ARRAY);
	char		 word[300];
	const char	*p;
	size_t		 n;
	int		 count = 0;

	if (flags == NULL)
		return 0;
	for (p = list; *p != '\0'; p += n + (p[n] == ' ')) {
		n = strcspn(p, " ");
		snprintf(word, sizeof(word), "%.*s", (int)n, p);
		if (!ask_has_flag(row, word))
			return 0;
		count++;
	}
	return flags->count == count;
}

int
ask_applied(const struct list *l, const char *what)
{
	return val_get(l->applied, what) != NULL;
}

int
ask_applied_field(const struct list *l, const char *field)
{
	struct val *v, *fields = val_typed(l->applied, "fields", VAL_ARRAY);

	for (v = fields != NULL ? fields->first : NULL; v != NULL;
	    v = v->next)
		if (v->type == VAL_TEXT && strcmp(v->s, field) == 0)
			return 1;
	return 0;
}
