/*
 * The configuration as mfrontd.conf(5) says it, for the parent alone: the
 * children get their part of it by message.
 *
 * conf_load() parses, reads the files that it names (certificates, keys,
 * tokens, CA lists, the password file) and checks everything; it binds
 * nothing and changes nothing.  All strings and the struct itself belong to
 * the caller, who frees them with conf_free().
 *
 * What is not checked, since only the one who starts has to care: that the
 * users of the processes exist, that the chroot is a good one, that an
 * embedded store's folder is there.
 */
#ifndef CONF_H
#define CONF_H

#include <sys/types.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <stdint.h>

#include "baseurl.h"
#include "dictfile.h"
#include "log.h"
#include "msg.h"
#include "sandbox.h"

#define CONF_FILE	CONF_SYSCONFDIR "/mfrontd.conf"
#define CONF_NAME_MAX	64	/* of a certificate or storage, with NUL */

/*
 * A file's bytes, read when the configuration was loaded; a NUL that len
 * does not count follows them.  A token has its newline no more.
 */
struct conf_data {
	char		*path;		/* NULL: not configured */
	uint8_t		*data;		/* wiped when freed */
	size_t		 len;
};

enum listen_tls {
	LISTEN_PLAIN,			/* no TLS at all */
	LISTEN_STARTTLS,
	LISTEN_TLS			/* from the first byte */
};

struct conf_allow {
	uint8_t			 addr[16];
	uint8_t			 addrlen;	/* 4 or 16 */
	uint8_t			 prefixlen;
	TAILQ_ENTRY(conf_allow)	 entry;
};

struct conf_cert {
	uint32_t		 id;		/* 1, 2, ... in file order */
	char			*name;
	struct conf_data	 cert;		/* PEM, with its chain */
	struct conf_data	 key;
	TAILQ_ENTRY(conf_cert)	 entry;
};

/*
 * One address: "listen on localhost" makes one of 127.0.0.1 and one of ::1,
 * "*" one of 0.0.0.0 and one of ::.  Of such a pair each is optional: it is
 * no error when this machine lacks its address family, only that it lacks
 * both.  Names are not resolved.
 */
struct conf_listen {
	uint32_t		 id;
	enum role		 role;		/* imap, pop3 or lmtp */
	char			*name;		/* "127.0.0.1:143", a path */
	char			*where;		/* "file:line", for messages */
	int			 optional;
	struct sockaddr_storage	 ss;
	socklen_t		 sslen;
	char			*path;		/* unix socket, else NULL */
	uid_t			 uid;		/* its owner, (uid_t)-1: ours */
	gid_t			 gid;
	mode_t			 mode;
	enum listen_tls		 tls;
	uint32_t		 cert;		/* id, 0: none */
	/* lmtp over TCP: who may deliver, never empty (default: loopback) */
	TAILQ_HEAD(, conf_allow) allow;
	int			 fd;		/* the parent's; -1: none */
	TAILQ_ENTRY(conf_listen) entry;
};

struct conf_url {
	uint16_t		 id;
	char			*text;
	enum url_kind		 kind;
	char			*host;
	uint16_t		 port;
	char			*path;		/* without "/" at its end */
	char			*sock;		/* NULL but for URL_UNIX */
	TAILQ_ENTRY(conf_url)	 entry;
};

struct conf_storage {
	uint16_t		 id;		/* 0, 1, ... in file order */
	char			*name;
	char			*dir;		/* embedded, else NULL */
	TAILQ_HEAD(, conf_url)	 urls;		/* embedded: filled in later */
	struct conf_data	 token;
	struct conf_data	 ca;		/* https: or the system's */
	struct conf_data	 cert;		/* client certificate */
	struct conf_data	 key;
	uint64_t		 without;	/* CAP() bits, not to be used */
	enum index_kind		 index;
	char			*index_dir;	/* INDEX_LOCAL */
	uint64_t		 index_size;	/* of a file there */
	uint32_t		 health;	/* seconds between probes, 0: none */
	TAILQ_ENTRY(conf_storage) entry;
};

struct conf_domain {
	char			*name;
	TAILQ_ENTRY(conf_domain) entry;
};

/*
 * Which accounts are on which storage (a route), or have a subtree of their
 * mailboxes on another one (a mount).  The first that fits counts.
 */
struct conf_place {
	char			*prefix;	/* NULL: a route */
	char			*pattern;	/* of names, "*" is all */
	char			*account;	/* there; NULL: as here */
	char			*storage;	/* its name */
	const struct conf_storage *st;
	char			*where;		/* "file:line" */
	TAILQ_ENTRY(conf_place)	 entry;
};

enum auth_kind {
	AUTH_FILE,
	AUTH_STORAGE
};

struct conf_limits {
	uint32_t	 conn_total;		/* connections of a process */
	uint32_t	 conn_address;		/* of one remote address */
	uint32_t	 conn_account;		/* logged in, of one account */
	uint32_t	 conn_login;		/* of those, before login */
	uint64_t	 message;		/* bytes */
	uint32_t	 line;
	uint32_t	 literal;
	uint32_t	 recipients;
	uint32_t	 rcpt_rate;		/* recipients a second */
	uint32_t	 badcmds;
	uint32_t	 t_login;		/* seconds */
	uint32_t	 t_idle;
	uint32_t	 t_command;
	uint32_t	 t_write;
	uint32_t	 t_backend;
	uint32_t	 poll;
	uint32_t	 check;
	uint32_t	 delay;
	uint32_t	 failures;
	uint64_t	 cache;
	uint32_t	 pool;
};

struct conf {
	char			*file;
	char			*warnings;	/* as errors are, or NULL */
	struct conf_limits	 limits;
	int			 prefork[ROLE_MAX];	/* 1 where not said */
	int			 sandbox;		/* enum sandbox_mode */
	enum log_dest		 logdest;
	int			 verbose;
	int			 plain_loopback;
	char			*hostname;
	char			*chroot;		/* an empty folder */
	char			*rundir;		/* of private sockets */
	char			*control;		/* socket's path */
	uid_t			 control_uid;
	gid_t			 control_gid;
	mode_t			 control_mode;
	enum auth_kind		 auth;
	struct conf_data	 passwd;
	uint16_t		 auth_storage;
	int			 auth_workers;
	char			*users[ROLE_MAX];	/* names, "_mfimap" */
	TAILQ_HEAD(, conf_domain) domains;
	TAILQ_HEAD(, conf_cert)	 certs;
	TAILQ_HEAD(, conf_listen) listens;
	TAILQ_HEAD(, conf_storage) storages;
	TAILQ_HEAD(, conf_place) places;
};

/*
 * Returns NULL when there are errors; then *errors (to be freed) has all of
 * them, a line "file:line: text" each ("file: text" for what is missing),
 * in the order of their finding.  Macros are "name=value" texts that win
 * over those in the file (mfrontd -D), NULL-ended; NULL for none.
 */
struct conf	*conf_load(const char *, const char *const *, char **);
void		 conf_free(struct conf *);
/* Errors or warnings (or NULL) into the log, line by line. */
void		 conf_log(const char *);
/* A new configuration with every default, to be filled in. */
struct conf	*conf_new(void);

#endif /* CONF_H */
