/*
 * Messages inside line protocols: what comes in by DATA and BDAT (RFC 5321,
 * 4.5.2; RFC 3030) and what goes out by RETR and TOP (RFC 1939, 3), as
 * streams in pieces of any size, with constant memory.
 *
 * In: only CRLF "." CRLF ends the data.  A CR or LF that stands alone
 * neither ends a line for that purpose nor makes the dot behind it a
 * stuffed one, so that two programs cannot disagree about where a message
 * ends (CVE-2023-51764, -51765, -51766); it becomes CRLF in what is
 * delivered, so that the stored message has CRLF line ends only.  The
 * struct counts them: whoever would rather refuse such a message can.
 *
 * Out: the same rule for bytes of any origin: line ends become CRLF, every
 * line that begins with a dot gets another, the end is always CRLF.CRLF.
 *
 * Output goes to an ibuf; output is at most 2 * input + 2 bytes in, 2 *
 * input + 5 out.  All return -1 with errno (ERANGE, ENOMEM) when the ibuf
 * refuses: the stream is lost then, so reserve before.
 */
#ifndef DOTSTUFF_H
#define DOTSTUFF_H

#include <sys/types.h>
#include <stdint.h>

#include "ibuf.h"

struct dotin {
	int		 state;
	int		 raw;		/* BDAT: no dots, no end mark */
	int		 unended;	/* output so far ends in mid line */
	uint64_t	 bare_cr;	/* how many stood alone */
	uint64_t	 bare_lf;
	uint64_t	 nul;		/* NUL bytes, kept as they are */
	uint64_t	 out;		/* bytes delivered */
};

#define DOTIN_DATA	0
#define DOTIN_BDAT	1

void	 dotin_init(struct dotin *, int);
/*
 * Takes len bytes, says in *used how many of them belonged to the message
 * and its end mark (what follows is the next command).  Returns 1 when the
 * end mark was seen, 0 while it goes on.  In BDAT's case all is used and
 * the end is never seen: the caller counts.
 */
int	 dotin_feed(struct dotin *, const void *, size_t, size_t *,
	    struct ibuf *);
/* After the last chunk of BDAT: ends the last line if it was not. */
int	 dotin_finish(struct dotin *, struct ibuf *);

struct dotout {
	int		 state;
	int		 body;		/* 0: in the header */
	int		 linelen;	/* of the header line: 0 or not */
	int64_t		 lines;		/* of the body to come; -1: all */
	int		 full;		/* no more lines wanted */
};

/* lines: how many of the body (TOP), -1 for the whole message (RETR). */
void	 dotout_init(struct dotout *, int64_t);
/* Returns 1 when no more input is wanted (TOP), 0 while it goes on. */
int	 dotout_feed(struct dotout *, const void *, size_t, struct ibuf *);
/* The end: CRLF if the last line lacks it, and the dot. */
int	 dotout_finish(struct dotout *, struct ibuf *);

#endif /* DOTSTUFF_H */
