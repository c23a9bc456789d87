#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "log.h"

static struct {
	enum log_dest	 dest;
	int		 verbose;
	log_sink	 sink;
	int		 copy;		/* a descriptor, or -1 */
	char		 name[32];
} logger = { .dest = LOG_TO_STDERR, .copy = -1, .name = "mfrontd" };

void
log_init(enum log_dest dest, int verbose, const char *name)
{
	logger.dest = dest;
	logger.verbose = verbose;
	strlcpy(logger.name, name, sizeof(logger.name));
	if (dest == LOG_TO_SYSLOG)
		openlog(logger.name, LOG_PID | LOG_NDELAY, LOG_MAIL);
}

void
log_set_sink(log_sink sink)
{
	logger.sink = sink;
}

void
log_copy(int fd)
{
	if (logger.copy != -1)
		close(logger.copy);
	logger.copy = fd;
}

void
log_setverbose(int verbose)
{
	logger.verbose = verbose;
}

int
log_getverbose(void)
{
	return logger.verbose;
}

void
log_line(int prio, const char *line)
{
	char	buf[LOG_LINE_MAX + 64];
	int	fd = STDERR_FILENO, n;

	if (logger.dest == LOG_TO_SYSLOG) {
		syslog(prio, "%s", line);
		fd = prio <= LOG_WARNING ? logger.copy : -1;
	}
	/* one write: lines of several processes do not mix */
	n = snprintf(buf, sizeof(buf), "%s\n", line);
	if (n > 0 && fd != -1)
		(void)!write(fd, buf,
		    (size_t)n < sizeof(buf) ? (size_t)n : sizeof(buf) - 1);
}

/* Copies what fits with control characters as \ooo. */
static void
log_clean(char *out, size_t size, const char *in)
{
	unsigned char	c;
	size_t		n = 0;

	for (; (c = (unsigned char)*in) != '\0' && n + 5 < size; in++) {
		if (c >= ' ' && c != 0x7f)
			out[n++] = (char)c;
		else {
			out[n++] = '\\';
			out[n++] = (char)('0' + (c >> 6));
			out[n++] = (char)('0' + (c >> 3 & 7));
			out[n++] = (char)('0' + (c & 7));
		}
	}
	out[n] = '\0';
}

__attribute__((__format__ (printf, 3, 0)))
static void
vlog(int prio, int errnum, const char *fmt, va_list ap)
{
	char	text[LOG_LINE_MAX], line[LOG_LINE_MAX];
	size_t	n;
	int	saved = errno;

	n = 0;
	if (logger.dest == LOG_TO_STDERR || logger.sink != NULL)
		n = (size_t)snprintf(text, sizeof(text), "%s: ", logger.name);
	vsnprintf(text + n, sizeof(text) - n, fmt, ap);
	if (errnum != 0) {
		strlcat(text, ": ", sizeof(text));
		strlcat(text, strerror(errnum), sizeof(text));
	}
	log_clean(line, sizeof(line), text);
	if (logger.sink != NULL)
		logger.sink(prio, line);
	else
		log_line(prio, line);
	errno = saved;
}

#define VLOG(prio, errnum) do {						\
	va_list ap;							\
									\
	va_start(ap, fmt);						\
	vlog(prio, errnum, fmt, ap);					\
	va_end(ap);							\
} while (0)

void
log_warn(const char *fmt, ...)
{
	VLOG(LOG_WARNING, errno);
}

void
log_warnx(const char *fmt, ...)
{
	VLOG(LOG_WARNING, 0);
}

void
log_info(const char *fmt, ...)
{
	VLOG(LOG_INFO, 0);
}

void
log_debug(const char *fmt, ...)
{
	if (logger.verbose)
		VLOG(LOG_DEBUG, 0);
}

void
fatal(const char *fmt, ...)
{
	VLOG(LOG_CRIT, errno);
	exit(1);
}

void
fatalx(const char *fmt, ...)
{
	VLOG(LOG_CRIT, 0);
	exit(1);
}
