/*
 * The grammar of the configuration against nonsense.  It reads files, so
 * the input becomes one, in the folder where this runs; its includes are
 * those of that folder.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf.h"
#include "fuzz.h"

#define INPUT	"fuzz.conf"

const struct fuzz_seed fuzz_seeds[] = {
	FUZZ_SEED("listen imap on * port 1143 starttls certificate \"x\"\n"
	    "listen lmtp on localhost allow { 10.0.0.0/8, ::1 }\n"
	    "certificate x cert \"/a\" key \"/b\"\nauth storage y\n"),
	FUZZ_SEED("a = \"{ b, \\\"c\\\" }\"\nauth file \"/x\" domains $a\n"
	    "storage { url \"http://[::1]:80/v1\"\ntoken file \"/t\" }\n"),
	FUZZ_SEED("limits { line 64K, message size 1G\nbad commands 5 }\n"
	    "timeouts { idle 30m } poll 5s # x\\\nlog syslog verbose\n"),
	FUZZ_SEED("include \"fuzz.conf\"\ninclude \"other.conf\"\n"
	    "prefork { imap 2, engine 3 }\ncontrol socket '/x' mode 0660\n"),
	FUZZ_SEED("m = $n\nn = \"\\$n\"\n$n $m \"$n\" ${ } = \\\n\"x\n"
	    "listen lmtp on socket \"/run/x\" owner 0 group 0 mode 600\n"),
	FUZZ_SEED("plaintext login on loopback\nsandbox required\n"
	    "chroot \"/\"\n"
	    "storage embedded\nauth storage\nlisten pop3 on 127.0.0.1\n"),
};
const size_t fuzz_nseeds = sizeof(fuzz_seeds) / sizeof(fuzz_seeds[0]);

/* What is wrong is said in lines, each of which says where. */
static void
check_lines(const char *s)
{
	const char *end;

	for (; *s != '\0'; s = end + 1) {
		if ((end = strchr(s, '\n')) == NULL ||
		    memchr(s, ':', (size_t)(end - s)) == NULL)
			abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct conf	*c;
	char		*errors = NULL;
	int		 fd;

	if ((fd = open(INPUT, O_WRONLY | O_CREAT | O_TRUNC, 0600)) == -1 ||
	    write(fd, data, len) != (ssize_t)len)
		abort();
	close(fd);
	c = conf_load(INPUT, NULL, &errors);
	if ((c == NULL) != (errors != NULL))
		abort();
	if (errors != NULL)
		check_lines(errors);
	if (c != NULL && c->warnings != NULL)
		check_lines(c->warnings);
	free(errors);
	conf_free(c);
	return 0;
}
