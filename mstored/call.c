#include <stdlib.h>
#include <string.h>

#include "call.h"

static void
call_free(struct call *c)
{
	if (c->kind->fini != NULL)
		c->kind->fini(c);
	ibuf_fini(&c->body);
	change_fini(&c->ch);
	free(c);
}

static void
call_answer(struct call *c)
{
	struct change *ch = &c->ch;

	if (ch->code != ST_OK)
		resp_error(c->req, ch->code, NULL);
	else if (c->kind->type == NULL)
		resp_empty(c->req, ch->status);
	else
		resp_send(c->req, ch->status, c->kind->type,
		    ibuf_data(&ch->answer), ibuf_size(&ch->answer));
}

/* The streams and the answer get their bytes in the same turn. */
static void
call_done(struct job *j)
{
	struct call *c = (struct call *)(void *)j;

	events_publish(&c->ch);
	if (req_return(c->req))
		call_answer(c);
	call_free(c);
}

struct call *
call_new(struct req *r, const struct call_kind *kind)
{
	struct call *c;

	if ((c = malloc(kind->size)) == NULL) {
		resp_error(r, ST_TRY_LATER, NULL);
		return NULL;
	}
	change_init(&c->ch, &kind->ch, call_done);
	memset(&c->ch + 1, 0, kind->zero - sizeof(c->ch));
	c->kind = kind;
	c->req = r;
	req_take_body(r, &c->body);
	strlcpy(c->ch.account, r->account, sizeof(c->ch.account));
	strlcpy(c->ch.key, r->key, sizeof(c->ch.key));
	c->ch.print = fprint_end(&r->print);
	return c;
}

void
call_drop(struct call *c)
{
	call_free(c);
}

void
call_fail(struct call *c, int code, const char *detail)
{
	struct req *r = c->req;

	call_free(c);
	resp_error(r, code, detail);
}

int
call_args(struct call *c, struct args *a, const char *const *known)
{
	int code;

	if ((code = args_parse(a, &c->body, known)) == ST_OK)
		return 0;
	args_fini(a);
	call_fail(c, code, NULL);
	return -1;
}

void
call_submit(struct call *c)
{
	req_lend(c->req);
	change_submit(&c->ch);
}
