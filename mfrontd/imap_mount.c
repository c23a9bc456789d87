/*
 * The storages that a session's mailboxes are on.  Auth tells of the mounts
 * before it says that the login is good; what it does not tell of does not
 * exist.
 */
#include <sys/types.h>
#include <stdlib.h>
#include <string.h>

#include "imap.h"
#include "listmatch.h"
#include "log.h"

#define MOUNTS_MAX	64

static struct imount *
mount_find(const struct imap *s, uint16_t number)
{
	uint16_t i;

	for (i = 1; i < s->nmounts; i++)
		if (s->mounts[i].number == number)
			return &s->mounts[i];
	return NULL;
}

/* Room for one more; the first is the account itself. */
static struct imount *
mount_add(struct imap *s)
{
	struct imount	*mt;
	uint16_t	 n = s->nmounts == 0 ? 2 : s->nmounts + 1;

	mt = recallocarray(s->mounts, s->nmounts, n, sizeof(*mt));
	if (mt == NULL)
		fatal(NULL);
	s->mounts = mt;
	s->nmounts = n;
	return &mt[n - 1];
}

void
imount_told(struct proc_peer *p, struct imsg *msg, const void *arg)
{
	const struct m_auth_mount	*m = arg;
	struct lsession			*ls = lsession_find(msg->id);
	struct imap			*s = (struct imap *)(void *)ls;
	struct imount			*mt;

	if (ls == NULL || (ls->flags & (LS_AUTH | LS_LOGGED_IN)) == 0)
		return;
	mt = mount_find(s, m->mount);
	if (mt == NULL) {
		/* the commands that run know where the others are */
		if (ls->flags & LS_LOGGED_IN || *m->prefix == '\0' ||
		    m->mount == 0 || s->nmounts > MOUNTS_MAX)
			return;
		mt = mount_add(s);
		mt->number = m->mount;
		if ((mt->prefix = strdup(m->prefix)) == NULL)
			fatal(NULL);
	}
	mt->storage = m->storage;
	mt->acct = m->acct;
}

static void
mount_account(struct imap *s, struct imount *mt)
{
	if (mt->acct == 0)
		return;
	if (mt->account == NULL)
		mt->account = iacct_get(s->ls.egen, mt->acct, mt->storage);
	else
		iacct_regranted(mt->account, s->ls.egen, mt->acct);
}

void
imount_open(struct imap *s)
{
	uint16_t i;

	if (s->mounts == NULL) {
		if ((s->mounts = calloc(1, sizeof(*s->mounts))) == NULL)
			fatal(NULL);
		s->nmounts = 1;
	}
	s->mounts[0].storage = s->ls.storage;
	s->mounts[0].acct = s->ls.acct;
	for (i = 0; i < s->nmounts; i++)
		mount_account(s, &s->mounts[i]);
}

void
imount_regranted(struct imap *s)
{
	if (s->mounts != NULL)
		imount_open(s);
}

/* Also of a login that did not come through. */
void
imount_close(struct imap *s)
{
	uint16_t i;

	for (i = 0; i < s->nmounts; i++) {
		if (s->mounts[i].account != NULL)
			iacct_unref(s->mounts[i].account, s);
		free(s->mounts[i].prefix);
	}
	free(s->mounts);
	s->mounts = NULL;
	s->nmounts = 0;
}

/* names */

/* The longest prefix counts: a mount may be below another one. */
const char *
imount_of(const struct imap *s, const char *name, struct imount **mt)
{
	size_t		 len, best = 0;
	const char	*rest = name;
	uint16_t	 i;

	*mt = &s->mounts[0];
	for (i = 1; i < s->nmounts; i++) {
		len = strlen(s->mounts[i].prefix);
		if (len <= best || strncmp(name, s->mounts[i].prefix,
		    len) != 0 || (name[len] != '\0' &&
		    name[len] != LIST_DELIMITER))
			continue;
		best = len;
		*mt = &s->mounts[i];
		rest = name[len] == '\0' ? NULL : name + len + 1;
	}
	return rest;
}

int
iop_place(struct iop *op, const char *name)
{
	op->name = imount_of(op->s, name, &op->mount);
	return op->name == NULL ? -1 : 0;
}

const char *
imount_name(const struct imount *mt, const char *name, char *buf)
{
	if (mt->prefix == NULL)
		return name;
	if (strlcpy(buf, mt->prefix, LIST_NAME_MAX + 1) > LIST_NAME_MAX ||
	    strlcat(buf, "/", LIST_NAME_MAX + 1) > LIST_NAME_MAX ||
	    strlcat(buf, name, LIST_NAME_MAX + 1) > LIST_NAME_MAX)
		return NULL;
	return buf;
}

int
imount_matches(const struct imap *s, const struct imount *mt,
    const char *pattern)
{
	const char	*others[MOUNTS_MAX];
	size_t		 n = 0;
	uint16_t	 i;

	for (i = 1; i < s->nmounts; i++)
		others[n++] = s->mounts[i].prefix;
	return list_match_below(pattern, mt->prefix != NULL ? mt->prefix : "",
	    others, n);
}

/* Below a mount somebody without an account there has no mailboxes. */
int
imount_listed(const struct imount *mt)
{
	return mt->code == ST_OK ||
	    (mt->code == ST_NO_SUCH_ACCOUNT && mt->prefix != NULL);
}

/* what they can */

const struct lstorage *
imount_storage(const struct imap *s, const struct imount *mt)
{
	return lstorage_of(proc_find_gen(ROLE_ENGINE, s->ls.egen),
	    mt->storage);
}

int
iop_has(const struct iop *op, enum st_cap cap)
{
	return (imount_storage(op->s, op->mount)->caps & CAP(cap)) != 0;
}

struct imount *
imount_by_acct(struct imap *s, uint32_t acct)
{
	uint16_t i;

	for (i = 0; i < s->nmounts; i++)
		if (s->mounts[i].acct == acct && acct != 0)
			return &s->mounts[i];
	return NULL;
}
