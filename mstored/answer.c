#include "answer.h"
#include "json.h"

int
answer_mailbox(struct ibuf *b, const struct store_mailbox *m, uint64_t caps)
{
	char id[NAME_ID_SIZE];

	name_put_mailbox(id, &m->id);
	if (json_open(b, '{') == -1 || json_kstr(b, "id", id) == -1 ||
	    json_key(b, "name") == -1 ||
	    json_put_strn(b, m->name, m->namelen) == -1 ||
	    json_ku64(b, "uidvalidity", m->id.uidvalidity) == -1 ||
	    json_ku64(b, "uidnext", m->uidnext) == -1 ||
	    json_ku64(b, "messages", m->messages) == -1 ||
	    json_ku64(b, "unseen", m->unseen) == -1 ||
	    json_ku64(b, "deleted", m->deleted) == -1 ||
	    json_ku64(b, "size", m->size) == -1)
		return -1;
	if (caps & CAP(CAP_MODSEQ) && json_ku64(b, "modseq",
	    m->modseq) == -1)
		return -1;
	if (m->roles != NULL && (json_key(b, "roles") == -1 ||
	    json_put_raw(b, m->roles) == -1))
		return -1;
	if (caps & CAP(CAP_SUBSCRIPTIONS) && json_kbool(b, "subscribed",
	    m->subscribed) == -1)
		return -1;
	if (caps & CAP(CAP_OBJECTID) && (json_key(b, "objectid") == -1 ||
	    ibuf_addf(b, "\"F%lld-%u\"", (long long)m->id.no,
	    m->birth) == -1))
		return -1;
	if ((caps & CAP(CAP_WRITE)) == 0 && json_kbool(b, "read_only",
	    1) == -1)
		return -1;
	return json_close(b, '}');
}

int
answer_change(struct ibuf *b, const char *name, const struct store_change *c,
    uint64_t caps)
{
	char id[NAME_ID_SIZE];

	name_put_mailbox(id, &c->mailbox);
	if (json_key(b, name) == -1 || json_open(b, '{') == -1 ||
	    json_kstr(b, "mailbox", id) == -1)
		return -1;
	if (caps & CAP(CAP_MODSEQ) && (json_ku64(b, "modseq_before",
	    c->before) == -1 || json_ku64(b, "modseq", c->modseq) == -1))
		return -1;
	return json_close(b, '}');
}

int
answer_sets(struct ibuf *b, const char *name, const struct uidset *set)
{
	uint32_t	pos = 0;
	int		more = set->n > 0;

	while (more) {
		if (json_open(b, '{') == -1 || json_key(b, name) == -1 ||
		    ibuf_add_n8(b, '"') == -1 ||
		    (more = uidset_format(set, &pos, ANSWER_SET, b)) == -1 ||
		    ibuf_add(b, "\"}\n", 3) == -1)
			return -1;
	}
	return 0;
}

int
answer_uids(struct ibuf *b, const struct uidset *set)
{
	if (set->n == 1 && set->r[0].lo == set->r[0].hi) {
		if (ibuf_add(b, "\"uid\":", 6) == -1)
			return -1;
		return ibuf_addu(b, set->r[0].lo);
	}
	if (ibuf_add(b, "\"uids\":\"", 8) == -1 ||
	    uidset_put(set, b) == -1)
		return -1;
	return ibuf_add_n8(b, '"');
}

int
answer_end(struct ibuf *b, int code)
{
	if (code == ST_OK)
		return ibuf_adds(b, "{\"end\":true}\n");
	if (ibuf_adds(b, "{\"end\":false,\"code\":\"") == -1 ||
	    ibuf_adds(b, st_error((enum st_code)code)->name) == -1)
		return -1;
	return ibuf_adds(b, "\"}\n");
}
