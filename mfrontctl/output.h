/*
 * What mfrontctl(8) prints: rows of an answer as aligned columns for people
 * or as one JSON value for programs.  Pure: it writes into a buffer, which
 * the caller empties as often as he likes.
 *
 * What users and storages have chosen (names, mailboxes) cannot do harm on a
 * terminal: control characters and what is not UTF-8 come as \ooo.
 */
#ifndef OUTPUT_H
#define OUTPUT_H

#include "ibuf.h"
#include "msg.h"

struct output {
	struct ibuf	*b;
	int		 json;
	enum msg_type	 type;		/* of the rows; M_none: no rows */
	unsigned int	 rows;
	char		 group[32];	/* stats: the process whose rows come */
};

void	 output_begin(struct output *, struct ibuf *, int, enum msg_type);
/* The struct of a message of the type. */
void	 output_row(struct output *, const void *);
/* The end of an answer with rows. */
void	 output_end(struct output *);
/* An answer without: what was done, or why it was not. */
void	 output_result(struct output *, int, const char *);
void	 output_hash(struct output *, const char *);
/* Lines of text, each with something before it. */
void	 output_lines(struct ibuf *, const char *, const char *);

#endif /* OUTPUT_H */
