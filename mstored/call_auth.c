/* Who is who: passwords, and recipients' addresses. */
#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "crypt_check.h"
#include "job.h"
#include "json.h"

#define AUTH_HASH_MAX	512

/*
 * What an unknown user's password is compared with, so that it takes as
 * long as a known one's: the hash of the last one who was known, and before
 * that a bcrypt of nobody knows what.
 */
static char auth_nobody[AUTH_HASH_MAX] =
    "$2b$10$T9uNcNQnPEnUBnJJmMBUPuKxGqIQGnZtTo3oCk7lm5uyuRj3Cqx3i";

/* POST {base}/auth */

struct auth {
	struct job	 job;
	struct req	*req;
	struct ibuf	 body;
	const char	*password;
	char		 account[NAME_ACCOUNT_MAX + 1];
	char		 user[NAME_ACCOUNT_MAX + 1];
	char		 hash[AUTH_HASH_MAX];
	int		 known;
	int		 ok;
};

static void
auth_free(struct auth *a)
{
	ibuf_wipe(&a->body);
	freezero(a, sizeof(*a));
}

/* In the worker: a bcrypt takes as long as hundreds of requests. */
static void
auth_run(struct job *j)
{
	struct auth *a = (struct auth *)(void *)j;

	a->ok = crypt_check(a->password, a->hash) && a->known;
}

static void
auth_answer(struct auth *a)
{
	struct ibuf *b = &server.text;

	ibuf_drain(b, ibuf_size(b));
	if (json_open(b, '{') == -1 ||
	    json_kstr(b, "account", a->account) == -1 ||
	    json_kstr(b, "name", a->user) == -1 || json_close(b, '}') == -1)
		resp_error(a->req, ST_TRY_LATER, NULL);
	else
		resp_send(a->req, 200, TYPE_JSON, ibuf_data(b),
		    ibuf_size(b));
}

static void
auth_done(struct job *j)
{
	struct auth *a = (struct auth *)(void *)j;

	if (req_return(a->req)) {
		if (a->ok)
			auth_answer(a);
		else
			resp_error(a->req, ST_BAD_CREDENTIALS, NULL);
	}
	auth_free(a);
}

static int
auth_lookup(struct auth *a, const char *user)
{
	const char	*account, *hash;
	int		 code;

	strlcpy(a->user, user, sizeof(a->user));
	code = store_user(server.store, user, &account, &hash);
	if (code != ST_OK && code != ST_BAD_CREDENTIALS)
		return code;
	a->known = code == ST_OK;
	if (!a->known) {
		account = "";
		hash = auth_nobody;
	}
	if (strlcpy(a->account, account, sizeof(a->account)) >=
	    sizeof(a->account) ||
	    strlcpy(a->hash, hash, sizeof(a->hash)) >= sizeof(a->hash))
		return ST_INTERNAL;
	if (a->known)
		strlcpy(auth_nobody, a->hash, sizeof(auth_nobody));
	return ST_OK;
}

static int
auth_text(struct args *a, const char *member, const char **s)
{
	size_t len;

	*s = NULL;
	return args_text(a, json_member(&a->j, 0, member), s, &len);
}

/*
 * The password decides, however the client brought it here; there are no
 * tokens, and nobody acts for somebody else.
 */
static int
auth_parse(struct auth *au, struct args *a, const char **detail)
{
	const char	*mech, *user, *authzid, *s;
	int		 tls;

	*detail = "mechanism and username are texts";
	if (auth_text(a, "mechanism", &mech) != 1 ||
	    auth_text(a, "username", &user) != 1)
		return ST_BAD_REQUEST;
	*detail = "what else is there has the wrong type";
	if (auth_text(a, "authzid", &authzid) == -1 ||
	    auth_text(a, "token", &s) == -1 ||
	    auth_text(a, "service", &s) == -1 ||
	    auth_text(a, "remote", &s) == -1 ||
	    json_bool(&a->j, json_member(&a->j, 0, "tls"), &tls) == -1 ||
	    auth_text(a, "password", &au->password) == -1)
		return ST_BAD_REQUEST;
	*detail = NULL;
	if (au->password == NULL)
		return ST_BAD_CREDENTIALS;
	if (authzid != NULL && *authzid != '\0' &&
	    strcmp(authzid, user) != 0)
		return ST_NOT_PERMITTED;
	return auth_lookup(au, user);
}

void
call_auth(struct req *r, const struct head *hd)
{
	static const char *const known[] = { "mechanism", "username",
	    "password", "token", "authzid", "service", "remote", "tls",
	    NULL };
	struct auth	*au;
	struct args	 a;
	const char	*detail = NULL;
	int		 code;

	if ((au = calloc(1, sizeof(*au))) == NULL) {
		resp_error(r, ST_TRY_LATER, NULL);
		return;
	}
	au->job.run = auth_run;
	au->job.done = auth_done;
	au->req = r;
	req_take_body(r, &au->body);
	if ((code = args_parse(&a, &au->body, known)) == ST_OK)
		code = auth_parse(au, &a, &detail);
	args_fini(&a);
	if (code == ST_OK && worker_submit(server.auth, &au->job) == -1)
		code = ST_TRY_LATER;
	if (code == ST_OK) {
		req_lend(r);
		return;
	}
	auth_free(au);
	resp_error(r, code, detail);
}

/* POST {base}/recipients */

static int
recipients_parse(struct args *a, const char **address, uint64_t *size)
{
	const char	*from;
	size_t		 len;
	int		 r;

	if (args_text(a, json_member(&a->j, 0, "address"), address,
	    &len) != 1 || !name_is_address(*address, len))
		return -1;
	r = args_text(a, json_member(&a->j, 0, "from"), &from, &len);
	if (r == -1 || (r == 1 && len > 0 && !name_is_address(from, len)))
		return -1;
	*size = 0;
	return json_u64(&a->j, json_member(&a->j, 0, "size"), UINT64_MAX,
	    size) == -1 ? -1 : 0;
}

static int
recipients_find(struct args *a, struct ibuf *b)
{
	const char	*address, *account;
	struct mbox_id	 inbox;
	uint64_t	 size;
	char		 id[NAME_ID_SIZE], name[NAME_ACCOUNT_MAX + 1];
	int		 code;

	if (recipients_parse(a, &address, &size) == -1)
		return ST_BAD_REQUEST;
	if ((code = store_recipient(server.store, address, &account,
	    &inbox)) != ST_OK)
		return code;
	if (size > server.conf->message)
		return ST_TOO_LARGE;
	name_put_mailbox(id, &inbox);
	ibuf_drain(b, ibuf_size(b));
	strlcpy(name, account, sizeof(name));
	if ((code = store_quota_room(server.store, name, size)) != ST_OK)
		return code;
	return json_open(b, '{') == -1 ||
	    json_kstr(b, "account", name) == -1 ||
	    json_kstr(b, "mailbox", id) == -1 || json_close(b, '}') == -1 ?
	    ST_TRY_LATER : ST_OK;
}

void
call_recipients(struct req *r, const struct head *hd)
{
	static const char *const known[] = { "address", "from", "size",
	    NULL };
	struct ibuf	*b = &server.text;
	struct args	 a;
	int		 code;

	if ((code = args_parse(&a, &r->body, known)) == ST_OK)
		code = recipients_find(&a, b);
	args_fini(&a);
	if (code == ST_OK)
		resp_send(r, 200, TYPE_JSON, ibuf_data(b), ibuf_size(b));
	else
		resp_error(r, code, NULL);
}
