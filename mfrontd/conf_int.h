/*
 * How the parts that make a struct conf work together: parse.y reads words,
 * conf_make.c makes settings of them, conf_file.c reads the files that they
 * name, conf.c checks the whole.  One configuration is made at a time.
 */
#ifndef CONF_INT_H
#define CONF_INT_H

#include <sys/types.h>

#include "conf.h"

#define CONF_PATH_MAX	1024

/* conf.c: what is wrong, at the word that was read last or somewhere else */
void	 conf_bad(const char *, ...)
	    __attribute__((__format__ (printf, 1, 2)));
void	 conf_bad_at(const char *, const char *, ...)
	    __attribute__((__format__ (printf, 2, 3)));
void	 conf_warn(const char *, ...)
	    __attribute__((__format__ (printf, 1, 2)));
void	 conf_warn_at(const char *, const char *, ...)
	    __attribute__((__format__ (printf, 2, 3)));
int	 conf_nerrors(void);

/* Memory for a configuration: there is some, or mfrontd ends. */
char	*conf_strdup(const char *);
void	*conf_alloc(size_t);

/*
 * parse.y: reads the configuration's file and all that it includes.  Returns
 * how many statements could not be made out.
 */
int	 parse_conf(struct conf *, const char *const *);
/* "file:line" of the last word, good until the next call. */
const char *parse_where(void);

/* conf_file.c: they complain themselves, and return -1 */
enum conf_secrecy {
	CONF_PUBLIC,
	CONF_SECRET			/* warn when the world may read it */
};

int	 conf_path_ok(const char *, const char *);
/* what, path, most bytes; any path will do */
int	 conf_file_read(struct conf_data *, const char *, const char *,
	    size_t, enum conf_secrecy);
int	 conf_file_token(struct conf_data *, const char *);
int	 conf_file_ca(struct conf_data *, const char *);
int	 conf_file_pair(const char *, struct conf_data *, const char *, size_t,
	    struct conf_data *, const char *);
int	 conf_file_passwd(struct conf_data *, const char *);
/* Where this system keeps its list of CAs, NULL when it is not found. */
const char *conf_file_system_ca(void);
void	 conf_data_free(struct conf_data *);

/* conf_make.c: from words to settings */
enum conf_num {
	NUM_CONN_TOTAL, NUM_CONN_ADDRESS, NUM_CONN_ACCOUNT, NUM_CONN_LOGIN,
	NUM_MESSAGE, NUM_LINE, NUM_LITERAL, NUM_RECIPIENTS, NUM_RCPT_RATE,
	NUM_BADCMDS, NUM_FAILURES, NUM_T_LOGIN, NUM_T_IDLE, NUM_T_COMMAND,
	NUM_T_WRITE, NUM_T_BACKEND, NUM_POLL, NUM_CHECK, NUM_DELAY, NUM_CACHE,
	NUM_POOL, NUM_WORKERS, NUM_MAX
};

/* Settings that are said once. */
enum conf_once {
	ONCE_AUTH, ONCE_SANDBOX, ONCE_LOGDEST, ONCE_VERBOSE, ONCE_PLAIN,
	ONCE_HOSTNAME, ONCE_CHROOT, ONCE_RUNDIR, ONCE_CONTROL,
	ONCE_PREFORK,			/* + role */
	ONCE_USER = ONCE_PREFORK + ROLE_MAX,
	ONCE_MAX = ONCE_USER + ROLE_MAX
};

void	 make_defaults(struct conf *);
void	 make_begin(struct conf *);
/* Looks up the names that were referred to, wherever they were defined. */
void	 make_resolve(void);
void	 make_end(void);
/* Is it the first time?  If not, that is an error. */
int	 make_once(enum conf_once, const char *);

void	 make_number(enum conf_num, const char *);
void	 make_prefork(enum role, const char *);
void	 make_user(enum role, const char *);
void	 make_hostname(const char *);
void	 make_path(enum conf_once, char **, const char *, const char *);

/* of the socket that is being made: a listener's or control's */
void	 make_socket_owner(const char *);
void	 make_socket_group(const char *);
void	 make_socket_mode(const char *);
void	 make_control_begin(void);
void	 make_control_end(const char *);

void	 make_listen_begin(enum role);
void	 make_listen_host(const char *);
void	 make_listen_socket(const char *);
void	 make_listen_port(const char *);
void	 make_listen_tls(enum listen_tls);
void	 make_listen_cert(const char *);
void	 make_listen_allow(const char *);
void	 make_listen_end(void);

void	 make_cert(const char *, const char *, const char *);

void	 make_storage_begin(const char *);
void	 make_storage_dir(const char *);
void	 make_storage_url(const char *);
void	 make_storage_token(const char *);
void	 make_storage_ca(const char *);
void	 make_storage_cert(const char *, const char *);
/* "dict", "no" or a folder; its size, NULL: not said */
void	 make_storage_index(const char *, const char *);
void	 make_storage_health(const char *);
void	 make_storage_without(const char *);
void	 make_storage_end(void);

void	 make_route(const char *, const char *);
void	 make_mount_begin(const char *);
void	 make_mount_for(const char *);
void	 make_mount_account(const char *);
void	 make_mount_storage(const char *);
void	 make_mount_end(void);

void	 make_auth_file(const char *);
void	 make_auth_domain(const char *);
void	 make_auth_storage(const char *);

#endif /* CONF_INT_H */
