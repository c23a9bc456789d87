/* pledge(2) and unveil(2). */
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "sandbox.h"
#include "sandbox_int.h"

static const char *const promises[ROLE_MAX] = {
	[ROLE_CONTROL] = "stdio unix recvfd",
	[ROLE_CONNECTOR] = "stdio rpath inet unix dns recvfd sendfd",
	[ROLE_AUTH] = "stdio recvfd",
	[ROLE_HASH] = "stdio recvfd",
	[ROLE_ENGINE] = "stdio inet unix recvfd",
	[ROLE_IMAP] = "stdio inet unix recvfd",
	[ROLE_POP3] = "stdio inet unix recvfd",
	[ROLE_LMTP] = "stdio inet unix recvfd",
	[ROLE_STORE] = "stdio rpath wpath cpath flock unix inet recvfd",
	[ROLE_CTL] = "stdio",
};

int
sandbox_os(const struct sandbox *sb, char *desc, size_t len)
{
	const char *p = promises[sb->role];

	if (p == NULL) {
		log_warnx("no promises for %s", role_names[sb->role]);
		return -1;
	}
	if (sb->role == ROLE_STORE && !sb->root &&
	    unveil(".", "rwc") == -1) {
		log_warn("unveil");
		return -1;
	}
	if (sb->role != ROLE_CONNECTOR && unveil(NULL, NULL) == -1) {
		log_warn("unveil");
		return -1;
	}
	if (pledge(p, NULL) == -1) {
		log_warn("pledge \"%s\"", p);
		return -1;
	}
	strlcat(desc, "pledge ", len);
	return 0;
}
