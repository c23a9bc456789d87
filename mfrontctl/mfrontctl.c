#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "check.h"
#include "log.h"
#include "mfrontctl.h"

#define CONTROL_SOCKET	CONF_RUNDIR "/mfrontd.sock"

static int
usage(struct ibuf *errors)
{
	if (errors != NULL)
		fwrite(ibuf_data(errors), 1, ibuf_size(errors), stderr);
	fprintf(stderr,
	    "usage: mfrontctl [-j] [-s socket] command [argument ...]\n");
	return CTL_USAGE;
}

int
main(int argc, char **argv)
{
	struct ctl_command	 cmd;
	struct ibuf		 errors;
	const char		*path = CONTROL_SOCKET;
	int			 ch, json = 0;

	/* "+": what follows the command is its own (getopt of glibc) */
	while ((ch = getopt(argc, argv, "+js:")) != -1) {
		switch (ch) {
		case 'j':
			json = 1;
			break;
		case 's':
			path = optarg;
			break;
		default:
			return usage(NULL);
		}
	}
	log_init(LOG_TO_STDERR, 0, "mfrontctl");
	ibuf_init(&errors, 4096);
	if (ctl_parse(&cmd, argc - optind, argv + optind, &errors) == -1)
		return usage(&errors);
	ibuf_fini(&errors);
	if (cmd.action == CTL_CHECK)
		return check_run(argc - optind - cmd.rest,
		    argv + optind + cmd.rest, json);
	if (cmd.action == CTL_ENCRYPT)
		return encrypt_run(json, cmd.cost);
	/* not exit(3), whose clean-up the sandbox may not like */
	_exit(client_run(path, json, &cmd));
}
