/*
 * POST {base}/scram: a user's keys, for auth, which checks with them what a
 * client proves (RFC 5802).  Nothing of them stays here.
 */
#include <sys/types.h>
#include <stdlib.h>
#include <string.h>

#include "base64.h"
#include "engine.h"
#include "scramkeys.h"

#define ITERATIONS_MIN	4096		/* RFC 7677, 4 */
#define ITERATIONS_MAX	100000000

static void
scram_send(uint32_t gen, uint32_t req, const struct m_scram_answer *m)
{
	proc_send(proc_find_gen(ROLE_AUTH, gen), M_scram_answer, 0, req, -1,
	    m);
}

/* Bytes in base64; -1: there are none, or not so many. */
static int
scram_bytes(struct json *j, const char *name, uint8_t *buf, size_t least,
    size_t most, struct msg_blob *out)
{
	const char	*s;
	size_t		 len;
	ssize_t		 n;

	if (json_str(j, json_member(j, 0, name), &s, &len) != 1 ||
	    (n = base64_decode(buf, most, s, len)) == -1 ||
	    (size_t)n < least)
		return -1;
	*out = msg_blob_of(buf, (size_t)n);
	return 0;
}

static enum st_code
scram_read(struct json *j, struct scramkeys *k, struct m_scram_answer *m)
{
	if (j == NULL || json_u32(j, json_member(j, 0, "iterations"),
	    &m->iterations) != 1 || m->iterations < ITERATIONS_MIN ||
	    m->iterations > ITERATIONS_MAX ||
	    scram_bytes(j, "salt", k->salt, 1, sizeof(k->salt),
	    &m->salt) == -1 ||
	    scram_bytes(j, "stored_key", k->stored, sizeof(k->stored),
	    sizeof(k->stored), &m->stored) == -1 ||
	    scram_bytes(j, "server_key", k->server, sizeof(k->server),
	    sizeof(k->server), &m->server) == -1 || *m->account == '\0')
		return ST_NONSENSE;
	return ST_OK;
}

static void
scram_done(struct hreq *h, enum st_code code, const char *text,
    struct json *j)
{
	struct equery		*q = h->arg;
	struct m_scram_answer	 m;
	struct scramkeys	 k;
	char			 account[512], name[512];

	memset(&m, 0, sizeof(m));
	egrant_text(j, "account", account, sizeof(account));
	egrant_text(j, "name", name, sizeof(name));
	m.account = account;
	m.name = name;
	if (code == ST_OK)
		code = scram_read(j, &k, &m);
	if (code != ST_OK)
		memset(&m, 0, sizeof(m));
	m.code = (uint16_t)code;
	scram_send(q->gen, q->req, &m);
	explicit_bzero(&k, sizeof(k));
	free(q);
}

void
escram_query(struct proc_peer *p, struct imsg *msg, const void *arg)
{
	const struct m_scram_query	*m = arg;
	struct m_scram_answer		 fail;
	struct estorage			*st = estorage_find(m->storage);
	struct hreq			*h;
	struct ibuf			*b;

	if (st == NULL || (st->state == STORAGE_UP &&
	    !estorage_has(st, CAP_SCRAM))) {
		memset(&fail, 0, sizeof(fail));
		fail.code = ST_UNAVAILABLE;
		scram_send(p->gen, msg->req, &fail);
		return;
	}
	h = egrant_query(p, msg, st, "/scram", m->session);
	h->done = scram_done;
	h->secret = 1;
	b = &h->body;
	if ((json_open(b, '{') |
	    json_kstr(b, "username", m->user) |
	    json_kstr(b, "mechanism", "SCRAM-SHA-256") |
	    json_kstr(b, "service", m->service) |
	    json_kstr(b, "remote", m->remote) |
	    json_kbool(b, "tls", m->tls) |
	    json_close(b, '}')) == 0) {
		hreq_submit(h);
		return;
	}
	/* what is no UTF-8 is nobody's name there */
	scram_done(h, ST_BAD_CREDENTIALS, "", NULL);
	h->arg = NULL;
	hreq_discard(h);
}
