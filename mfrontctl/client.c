/*
 * Asks mfrontd on its control socket.  Of what comes back nothing is
 * believed that breaks the message table.
 */
#include <sys/types.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <errno.h>
#include <libgen.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "mfrontctl.h"
#include "msg.h"
#include "output.h"
#include "sandbox.h"

#define REQ	1			/* our only question's number */
#define FLUSH	(32 * 1024)		/* print when so much is ready */

static int
ask_plain(struct imsgbuf *ib, enum msg_type type,
    const struct ctl_command *cmd)
{
	struct m_ctl_sessions m = { 0, 0, 0 };

	return msg_compose(ib, type, 0, REQ, -1, &m);
}

static int
ask_kick(struct imsgbuf *ib, enum msg_type type,
    const struct ctl_command *cmd)
{
	struct m_ctl_kick m = { "", "" };

	if (cmd->action == CTL_KICK_SESSION)
		m.session = cmd->arg;
	else
		m.user = cmd->arg;
	return msg_compose(ib, type, 0, REQ, -1, &m);
}

static int
ask_log(struct imsgbuf *ib, enum msg_type type, const struct ctl_command *cmd)
{
	struct m_ctl_verbose m = { cmd->action == CTL_LOG_VERBOSE };

	return msg_compose(ib, type, 0, REQ, -1, &m);
}

static const struct asking {
	enum msg_type	 type;
	enum msg_type	 row;		/* M_none: no rows */
	int		 (*ask)(struct imsgbuf *, enum msg_type,
			    const struct ctl_command *);
} askings[CTL_MAX] = {
	[CTL_KICK_SESSION] = { M_ctl_kick, M_none, ask_kick },
	[CTL_KICK_USER] = { M_ctl_kick, M_none, ask_kick },
	[CTL_LOG_BRIEF] = { M_ctl_verbose, M_none, ask_log },
	[CTL_LOG_VERBOSE] = { M_ctl_verbose, M_none, ask_log },
	[CTL_RELOAD] = { M_ctl_reload, M_none, ask_plain },
	[CTL_SHOW_SESSIONS] = { M_ctl_sessions, M_ctl_session, ask_plain },
	[CTL_SHOW_STATS] = { M_ctl_stats, M_ctl_stat, ask_plain },
	[CTL_SHOW_STORAGE] = { M_ctl_storages, M_ctl_storage, ask_plain },
	[CTL_STOP] = { M_ctl_stop, M_none, ask_plain },
};

/* A path too long for an address is taken from inside its folder. */
static int
client_connect(const char *path)
{
	struct sockaddr_un	 sun;
	char			*copy = NULL;
	int			 fd = -1;

	memset(&sun, 0, sizeof(sun));
	sun.sun_family = AF_UNIX;
	if (strlen(path) >= sizeof(sun.sun_path)) {
		if ((copy = strdup(path)) == NULL ||
		    chdir(dirname(copy)) == -1)
			goto fail;
		path = strrchr(path, '/');
		path = path != NULL ? path + 1 : copy;
	}
	if (strlcpy(sun.sun_path, path, sizeof(sun.sun_path)) >=
	    sizeof(sun.sun_path)) {
		errno = ENAMETOOLONG;
		goto fail;
	}
	if ((fd = socket(AF_UNIX, SOCK_STREAM, 0)) == -1)
		goto fail;
	if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == -1) {
		close(fd);
		fd = -1;
	}
 fail:
	free(copy);
	return fd;
}

/* Nothing is needed any more but the connection and the terminal. */
static int
client_sandbox(void)
{
	struct sandbox	sb;
	char		desc[256];

	memset(&sb, 0, sizeof(sb));
	sb.role = ROLE_CTL;
	sb.mode = SANDBOX_BEST_EFFORT;
	return sandbox_enter(&sb, desc, sizeof(desc));
}

static int
client_print(int fd, struct ibuf *b)
{
	ssize_t n;

	while (ibuf_size(b) > 0) {
		n = write(fd, ibuf_data(b), ibuf_size(b));
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0) {
			log_warn("write");
			return -1;
		}
		ibuf_drain(b, (size_t)n);
	}
	return 0;
}

/* The next message, waited for: 1; 0 there is no more, -1. */
static int
client_next(struct imsgbuf *ib, struct imsg *msg, union msg_any *any)
{
	const char	*why;
	int		 r;

	while ((r = imsgbuf_get(ib, msg)) == 0) {
		if ((r = imsgbuf_read(ib)) == -1)
			log_warn("mfrontd");
		if (r != 1)
			return r;
	}
	why = r == -1 ? "broken framing" : msg_refused(msg->type,
	    ROLE_CONTROL, ROLE_CTL, msg->fd != -1);
	if (why == NULL && msg_decode(&msg->body, msg->type, any) == -1)
		why = "malformed";
	if (why == NULL && msg->req != REQ)
		why = "not an answer";
	if (why != NULL)
		log_warnx("bad message from mfrontd: %s", why);
	return why == NULL ? 1 : -1;
}

/* The reason may have many lines: all that is wrong with a configuration. */
static void
client_complain(const char *why)
{
	struct ibuf b;

	ibuf_init(&b, 64 * 1024);
	output_lines(&b, "mfrontctl: ", why[0] != '\0' ? why : "refused");
	(void)client_print(STDERR_FILENO, &b);
	ibuf_fini(&b);
}

static int
client_finish(struct output *o, const struct m_ctl_end *m)
{
	if (o->type != M_none)
		output_end(o);
	else
		output_result(o, m->ok, m->text);
	if (!m->ok)
		client_complain(m->text);
	return m->ok ? CTL_DONE : CTL_FAILED;
}

static int
client_answer(struct imsgbuf *ib, struct output *o)
{
	struct imsg	msg;
	union msg_any	any;
	int		r, n;

	for (n = 0; (r = client_next(ib, &msg, &any)) == 1; n++) {
		if (msg.type == M_ctl_end)
			return client_finish(o, &any.ctl_end);
		if (msg.type != o->type) {
			log_warnx("bad message from mfrontd: not what was "
			    "asked for");
			return CTL_FAILED;
		}
		output_row(o, &any);
		if (ibuf_size(o->b) > FLUSH &&
		    client_print(STDOUT_FILENO, o->b) == -1)
			return CTL_FAILED;
	}
	if (r == 0)
		log_warnx("mfrontd closed the connection%s", n > 0 ? "" :
		    " without an answer; is it of another version?");
	return CTL_FAILED;
}

int
client_run(const char *path, int json, const struct ctl_command *cmd)
{
	const struct asking	*a = &askings[cmd->action];
	struct m_ctl_hello	 hello;
	struct imsgbuf		 ib;
	struct output		 o;
	struct ibuf		 b;
	int			 fd, code;

	signal(SIGPIPE, SIG_IGN);
	if ((fd = client_connect(path)) == -1) {
		log_warn("%s", path);
		return CTL_FAILED;
	}
	if (client_sandbox() == -1)
		return CTL_FAILED;
	imsgbuf_init(&ib, fd);
	hello.table = msg_table_hash();
	if (msg_compose(&ib, M_ctl_hello, 0, REQ, -1, &hello) == -1 ||
	    a->ask(&ib, a->type, cmd) == -1 || imsgbuf_write(&ib) == -1) {
		log_warn("%s", path);
		return CTL_FAILED;
	}
	ibuf_init(&b, 16 * 1024 * 1024);
	output_begin(&o, &b, json, a->row);
	code = client_answer(&ib, &o);
	if (client_print(STDOUT_FILENO, &b) == -1)
		code = CTL_FAILED;
	imsgbuf_fini(&ib);
	ibuf_fini(&b);
	return code;
}
