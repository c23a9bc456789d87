/*
 * Logging: one line a call, control characters made visible (vis(3) style),
 * at most LOG_LINE_MAX bytes.  Lines go to stderr, to syslog, or to a sink:
 * a process that may not reach the log itself hands them to one that may.
 * Never give it a password, a token, or a message's content.
 */
#ifndef LOG_H
#define LOG_H

#include <stdarg.h>

#define LOG_LINE_MAX	1024

enum log_dest {
	LOG_TO_STDERR,
	LOG_TO_SYSLOG
};

typedef void (*log_sink)(int, const char *);

/* name stands before each line on stderr: the process's role. */
void	 log_init(enum log_dest, int, const char *);
void	 log_set_sink(log_sink);
/* Warnings that go to syslog go to this descriptor too; -1: to none. */
void	 log_copy(int);
void	 log_setverbose(int);
int	 log_getverbose(void);
/* A finished line from somebody else's sink, with the syslog priority. */
void	 log_line(int, const char *);

/* warn: with strerror(errno); warnx and the rest: without. */
void	 log_warn(const char *, ...)
	    __attribute__((__format__ (printf, 1, 2)));
void	 log_warnx(const char *, ...)
	    __attribute__((__format__ (printf, 1, 2)));
void	 log_info(const char *, ...)
	    __attribute__((__format__ (printf, 1, 2)));
void	 log_debug(const char *, ...)
	    __attribute__((__format__ (printf, 1, 2)));
void	 fatal(const char *, ...) __attribute__((__noreturn__))
	    __attribute__((__format__ (printf, 1, 2)));
void	 fatalx(const char *, ...) __attribute__((__noreturn__))
	    __attribute__((__format__ (printf, 1, 2)));

#endif /* LOG_H */
