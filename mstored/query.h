/*
 * The query of a search: a tree of JSON objects, each with one member that
 * says what it is, as nodes in an array.
 *
 * A node's value for a message is no, yes, or open: not known from what is
 * at hand.  query_eval() joins the values of the leaves, which the caller
 * knows.
 */
#ifndef QUERY_H
#define QUERY_H

#include <sys/types.h>
#include <stdint.h>

#include "args.h"
#include "header.h"
#include "uidset.h"

#define QUERY_NODES	1000
#define QUERY_DEPTH	32
#define QUERY_TEXTS	64	/* HEADER, TEXT and BODY */
#define QUERY_FLAGS	64	/* FLAG */
#define QUERY_BYTES	1000	/* bytes of a text */
#define QUERY_NONE	UINT16_MAX

enum query_op {
	QUERY_ALL, QUERY_AND, QUERY_OR, QUERY_NOT,
	QUERY_FLAG, QUERY_UIDS, QUERY_LARGER, QUERY_SMALLER,
	QUERY_SINCE, QUERY_BEFORE, QUERY_ON,
	QUERY_SENTSINCE, QUERY_SENTBEFORE, QUERY_SENTON,
	QUERY_HEADER, QUERY_TEXT, QUERY_BODY,
	QUERY_MODSEQ,
	QUERY_SAVEDSINCE, QUERY_SAVEDBEFORE, QUERY_SAVEDON,
	QUERY_OPS
};

/* As requests and the service document name them. */
extern const char *const query_names[QUERY_OPS];
/* The capability that a key needs beside search, as a bit; 0: none. */
uint64_t query_needs(enum query_op);

struct query_node {
	enum query_op	 op;
	uint16_t	 first;		/* child */
	uint16_t	 next;		/* sibling */
	uint16_t	 leaf;		/* number among texts, or flags */
	uint32_t	 sys;		/* FLAG_*, 0: a keyword, in text */
	uint64_t	 num;
	int32_t		 day;		/* as rfcdate_day() counts */
	struct hstr	 field;
	struct hstr	 text;
	struct uidset	 uids;
};

struct query {
	struct query_node *node;	/* 0 is the root */
	uint16_t	 n, cap;
	unsigned int	 texts, flags;
	uint32_t	 ops;		/* bits of what is in it */
};

/*
 * Parses a value; texts point into the request's bytes.  ST_OK, or
 * ST_BAD_REQUEST, ST_UNKNOWN_PARAMETER, ST_UNSUPPORTED_SEARCH (over a
 * bound), ST_TRY_LATER.  query_fini() either way.  caps says which keys
 * there are.
 */
void	 query_init(struct query *);
int	 query_parse(struct query *, struct args *, int, uint64_t);
void	 query_fini(struct query *);

enum tri { TRI_NO, TRI_YES, TRI_OPEN };

/* From the root; leaf() is asked for what is no AND, OR, NOT, ALL. */
enum tri query_eval(const struct query *,
	    enum tri (*)(void *, const struct query_node *), void *);

/* "2026-11-23" as a day; -1 if it is none. */
int	 query_day(int32_t *, const char *, size_t);

#endif /* QUERY_H */
