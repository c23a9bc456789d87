/*
 * How checks are written.  A check is a function that asks the storage and
 * leaves with check_fail() or check_skip() as soon as it knows; if it
 * returns it has passed.  What it allocates, opens and creates is freed,
 * closed and deleted behind it.
 *
 * A check that wants threads gives each a struct ck of its own, with its
 * own connection and memory: see race.h.
 *
 * What is true of every answer, such as "errors are problem documents", is
 * watched in all of them: a check without a function, which check_watch()
 * fails by name.
 */
#ifndef CHECK_INT_H
#define CHECK_INT_H

#include <sys/types.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdint.h>

#include "check_net.h"
#include "check_val.h"
#include "ibuf.h"
#include "sterr.h"

#define LEVEL0		CAP_MAX		/* a group: no capability */
#define UID_MAX		UINT32_C(4294967294)
#define MODSEQ_MAX	UINT64_C(9007199254740991)
#define STEM		"mfrontctl-check-"	/* all our mailboxes begin so */
#define ENTRY_STEM	"/private/vendor/"	/* our entries, before it */

struct ck;

struct check {
	const char	*name;
	const char	*section;	/* of mfront-storage(7) */
	int		 group;		/* enum st_cap, or LEVEL0 */
	uint64_t	 needs;		/* other capabilities */
	void		 (*func)(struct ck *);	/* NULL: watched */
	const char	*text;		/* what is kept */
};

extern const struct check	checks[];
extern const size_t		nchecks;

enum check_verdict {
	CHECK_NONE,			/* not run */
	CHECK_PASSED,
	CHECK_FAILED,
	CHECK_SKIPPED
};

struct check_result {
	enum check_verdict	 verdict;
	char			*why;
	char			*request;	/* as on the wire, cut */
	char			*answer;
	int64_t			 ms;
};

struct check_conf {
	struct net_peer	 peer;
	const char	*url;
	const char	*account;
	const char	*account2;	/* NULL: there is none */
	const char	*only;		/* names with commas; NULL: all */
	char		*token;		/* NULL */
	char		*user;		/* NULL */
	char		*password;
	int		 json;
	int		 list;
	int		 verbose;
	int		 level;		/* -1: what is claimed */
};

struct check_run {
	struct check_conf	*conf;
	struct check_result	*results;	/* as checks[] */
	struct check_result	 setup;		/* of what must work first */
	pthread_mutex_t		 lock;		/* results, by threads */
	struct val		*doc;		/* the service document */
	struct ck		*home;		/* whose memory that is */
	const char		*acct;		/* percent-encoded */
	const char		*acct2;
	const char		*acct_json;	/* as JSON, with quotes */
	const char		*acct2_json;
	uint64_t		 caps;		/* announced */
	uint64_t		 due;		/* of these, to be looked at */
	int			 level;		/* claimed */
	uint64_t		 bound;		/* of events, milliseconds */
	char			 stem[64];	/* of our mailboxes */
	unsigned int		 serial;
};

/* An answer, and what was asked. */
struct answer {
	int		 status;
	const char	*type;		/* lower case, no parameters; "" */
	const char	*code;		/* of a problem document; "" */
	const char	*head;
	size_t		 headlen;
	char		*body;
	size_t		 len;
	const char	*request;	/* text for people */
	size_t		 requestlen;
	int		 continued;	/* 100 came before it */
	int		 keepalive;
};

struct mem;
struct box;

struct ck {
	struct check_run	*run;
	const struct check	*check;
	struct mem		*mem;
	struct net		*net;		/* the usual connection */
	struct net		*nets;		/* others */
	struct box		*boxes;		/* created, to be deleted */
	struct answer		*last;
	jmp_buf			 env;
	enum check_verdict	 verdict;
	char			 why[1024];
};

/* check.c */
void	*check_alloc(struct ck *, size_t);
char	*check_text(struct ck *, const char *, ...)
	    __attribute__((__format__ (printf, 2, 3)));
/* Frees what was allocated since; last is forgotten. */
void	*check_mark(struct ck *);
void	 check_release(struct ck *, void *);
void	 check_fail(struct ck *, const char *, ...)
	    __attribute__((__noreturn__, __format__ (printf, 2, 3)));
/* With the exchange that shows it, if it is not the last. */
void	 check_fail_at(struct ck *, struct answer *, const char *, ...)
	    __attribute__((__noreturn__, __format__ (printf, 3, 4)));
void	 check_skip(struct ck *, const char *, ...)
	    __attribute__((__noreturn__, __format__ (printf, 2, 3)));
/* A watched check is broken (the first time counts), or was seen kept. */
void	 check_watch(struct ck *, const char *, struct answer *, const char *,
	    ...) __attribute__((__format__ (printf, 4, 5)));
void	 check_seen(struct ck *, const char *);
int	 check_has(struct ck *, enum st_cap);
void	 check_init(struct ck *, struct check_run *, const struct check *);
void	 check_fini(struct ck *);
/* Runs a function that may leave; returns the verdict. */
enum check_verdict check_try(struct ck *, void (*)(struct ck *));

#endif /* CHECK_INT_H */
