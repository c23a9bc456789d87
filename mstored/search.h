/*
 * Searching, sorting, threading: what the search workers do.  Each reads the
 * store by a connection of its own; one keeps the index.
 */
#ifndef SEARCH_H
#define SEARCH_H

#include <sys/types.h>
#include <stdint.h>

#include "ibuf.h"
#include "msgthread.h"
#include "names.h"
#include "query.h"
#include "store.h"
#include "uidset.h"

#define SEARCH_SORTED	250000	/* messages that are sorted or threaded */
#define SEARCH_ANSWER	(8 * 1024 * 1024)
#define SEARCH_THREAD	60000	/* bytes of one thread */
#define SEARCH_NESTED	100	/* lists in lists of a thread */

enum search_by {
	SEARCH_ARRIVAL, SEARCH_CC, SEARCH_DATE, SEARCH_DISPLAYFROM,
	SEARCH_DISPLAYTO, SEARCH_FROM, SEARCH_SIZE, SEARCH_SUBJECT,
	SEARCH_TO, SEARCH_BYS
};

extern const char *const search_by_names[SEARCH_BYS];

#define SEARCH_CRITERIA	9
#define SEARCH_THREADS	2	/* algorithms */

extern const char *const search_thread_names[SEARCH_THREADS];

struct search {
	/* what is asked */
	const char	*account;
	struct mbox_id	 mailbox;
	uint64_t	 caps;
	uint64_t	 most;		/* bytes of contents that it may read */
	struct query	 q;
	int		 limited;	/* to these: */
	struct uidset	 uids;
	int		 nsort;
	struct {
		enum search_by	 by;
		int		 reverse;
	}		 sort[SEARCH_CRITERIA];
	int		 threaded;
	enum msgthread_algorithm thread;
	uint64_t	 limit;		/* 0: none */
	/* what became of it: ST_OK and the lines, or a code */
	int		 code;
	struct ibuf	 answer;
};

struct searcher;

enum search_index {
	INDEX_NEVER,
	INDEX_NEEDED,		/* once a search was made that it is for */
	INDEX_ALWAYS
};

/*
 * In the loop, before there is a worker.  NULL: logged.  The first one keeps
 * the index, the others (reader) use it.  All may run at the same time, but
 * never really: what they read text with has one thread.  Each calls the
 * function, where another one may go on.
 */
struct searcher *searcher_open(const struct store_conf *, int,
	    enum search_index, int, void (*)(void));
void	 searcher_close(struct searcher *);
/* From any thread: what runs and what still comes ends early. */
void	 searcher_quit(struct searcher *);
/* In the worker. */
void	 searcher_run(struct searcher *, struct search *);
/* Some contents into the index: 1 when there are more, 0, -1 on an error. */
int	 searcher_index(struct searcher *);

#endif /* SEARCH_H */
