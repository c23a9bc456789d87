/*
 * POST {base}/scram: the keys of a user, with which the frontend checks a
 * password that it never sees (RFC 5802).
 */
#include <stdlib.h>
#include <string.h>

#include "base64.h"
#include "call.h"
#include "json.h"
#include "scramkeys.h"

/*
 * Nobody's: always the same salt for the same name, so that it does not
 * show that there is no such user, and keys that no password has.
 */
static int
scram_nobody(struct scramkeys *k, const char *user)
{
	uint8_t		secret[STORE_SECRET], mac[HMAC_LEN];
	struct hmac	h;
	int		code;

	if ((code = store_secret(server.store, secret)) != ST_OK)
		return code;
	hmac_init(&h, secret, sizeof(secret));
	hmac_update(&h, user, strlen(user));
	hmac_final(&h, mac);
	k->iterations = SCRAM_ITERATIONS;
	k->saltlen = SCRAM_SALT;
	memcpy(k->salt, mac, SCRAM_SALT);
	arc4random_buf(k->stored, sizeof(k->stored));
	arc4random_buf(k->server, sizeof(k->server));
	explicit_bzero(secret, sizeof(secret));
	return ST_OK;
}

static int
scram_put(struct ibuf *b, const char *name, const uint8_t *p, size_t len)
{
	char	text[BASE64_LEN(SCRAM_SALT_MAX)];
	ssize_t	n;
	int	r;

	if ((n = base64_encode(text, sizeof(text), p, len)) == -1 ||
	    json_key(b, name) == -1)
		return -1;
	r = json_put_strn(b, text, (size_t)n);
	explicit_bzero(text, sizeof(text));
	return r;
}

static int
scram_answer(struct ibuf *b, const char *account, const char *user,
    const struct scramkeys *k)
{
	ibuf_drain(b, ibuf_size(b));
	if (json_open(b, '{') == -1 ||
	    json_kstr(b, "account", account) == -1 ||
	    json_kstr(b, "name", user) == -1 ||
	    scram_put(b, "salt", k->salt, k->saltlen) == -1 ||
	    json_ku64(b, "iterations", k->iterations) == -1 ||
	    scram_put(b, "stored_key", k->stored, HMAC_LEN) == -1 ||
	    scram_put(b, "server_key", k->server, HMAC_LEN) == -1)
		return ST_TRY_LATER;
	return json_close(b, '}') == -1 ? ST_TRY_LATER : ST_OK;
}

static int
scram_find(struct args *a, struct ibuf *b)
{
	const char		*mech, *user, *account, *s;
	struct scramkeys	 k;
	size_t			 len;
	int			 code, tls;

	if (args_text(a, json_member(&a->j, 0, "mechanism"), &mech,
	    &len) != 1 || strcmp(mech, "SCRAM-SHA-256") != 0 ||
	    args_text(a, json_member(&a->j, 0, "username"), &user,
	    &len) != 1 ||
	    args_text(a, json_member(&a->j, 0, "service"), &s, &len) == -1 ||
	    args_text(a, json_member(&a->j, 0, "remote"), &s, &len) == -1 ||
	    json_bool(&a->j, json_member(&a->j, 0, "tls"), &tls) == -1)
		return ST_BAD_REQUEST;
	memset(&k, 0, sizeof(k));
	code = store_scram(server.store, user, &account, &k);
	if (code == ST_BAD_CREDENTIALS) {
		account = user;
		code = scram_nobody(&k, user);
	}
	if (code == ST_OK)
		code = scram_answer(b, account, user, &k);
	explicit_bzero(&k, sizeof(k));
	return code;
}

void
call_scram(struct req *r, const struct head *hd)
{
	static const char *const known[] = { "username", "mechanism",
	    "service", "remote", "tls", NULL };
	struct ibuf	*b = &server.text;
	struct args	 a;
	int		 code;

	if ((code = args_parse(&a, &r->body, known)) == ST_OK)
		code = scram_find(&a, b);
	args_fini(&a);
	if (code == ST_OK)
		resp_send(r, 200, TYPE_JSON, ibuf_data(b), ibuf_size(b));
	else
		resp_error(r, code, NULL);
	/* others make their answers there */
	explicit_bzero(ibuf_data(b), ibuf_size(b));
}
