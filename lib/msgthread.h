/*
 * Threads (RFC 5256, 3): messages in, trees out, as IMAP's THREAD response
 * lists them.
 *
 * Input is an array of messages in order of their uids.  Their texts are
 * those of msgkeys.h (ids are compared as bytes, subjects are folded) and
 * belong to the caller.  All is bounded by the input: nothing recurses, and
 * a reply more than MSGTHREAD_DEPTH messages below its thread's root begins
 * a thread of its own, so that forged references cost no more than others.
 */
#ifndef MSGTHREAD_H
#define MSGTHREAD_H

#include <sys/types.h>
#include <stdint.h>

#include "header.h"

#define MSGTHREAD_DEPTH	1000

enum msgthread_algorithm {
	MSGTHREAD_ORDEREDSUBJECT,
	MSGTHREAD_REFERENCES
};

struct msgthread_msg {
	uint32_t	 uid;
	int64_t		 date;		/* sent, or arrived: s since 1970 */
	int		 reply;
	struct hstr	 subject;	/* base subject */
	struct hstr	 id;		/* p NULL or len 0: none */
	struct hstr	 refs;		/* ids, each with a LF */
};

/*
 * Nodes of the trees, in an array.  uid 0 stands for a message that is not
 * there.  Links are indexes, MSGTHREAD_NONE ends a list.
 */
#define MSGTHREAD_NONE	UINT32_MAX

struct msgthread_node {
	uint32_t	 uid;
	uint32_t	 parent;
	uint32_t	 child;		/* the first */
	uint32_t	 next;		/* sibling; of a root: the next root */
	int64_t		 date;
	const struct msgthread_msg *msg;
	struct hstr	 id;
	uint32_t	 hash;		/* chain of the table of ids */
	uint32_t	 subject;	/* chain of the table of subjects */
};

struct msgthread_order {
	int64_t		 date;
	uint32_t	 uid;
	uint32_t	 node;
};

struct msgthread {
	struct msgthread_node *node;
	uint32_t	 n, cap;
	uint32_t	 root;		/* the first */
	/* at work */
	uint32_t	*table;
	uint32_t	 mask;
	struct msgthread_order *order;
	uint32_t	 norder;
};

/* 0, or -1 with ENOMEM; msgthread_fini() either way. */
int	 msgthread_make(struct msgthread *, enum msgthread_algorithm,
	    const struct msgthread_msg *, uint32_t);
void	 msgthread_fini(struct msgthread *);

/*
 * One root's thread as text: a chain of messages is a list, the branches
 * behind its last one are lists in it.  With "(", " " and ")" this is IMAP's
 * thread-list, with "[", "," and "]" it is JSON.  -1 with errno: ERANGE when
 * the ibuf may not grow so far, E2BIG when lists nest deeper than depth.
 */
struct ibuf;
int	 msgthread_put(const struct msgthread *, uint32_t, const char *,
	    unsigned int, struct ibuf *);

#endif /* MSGTHREAD_H */
