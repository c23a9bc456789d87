/*
 * Takes every field of one name, with its continuation lines, out of the
 * header of a message that passes by in pieces of any size (RFC 5322, 2.2;
 * a blank before the colon is understood too).  The body passes as it is.
 * Lines end with CRLF or LF.
 *
 * Holds back no more than HDRDROP_HELD bytes.  Functions that write return
 * 0, or -1 with the ibuf's errno: the stream is lost then.
 */
#ifndef HDRDROP_H
#define HDRDROP_H

#include <sys/types.h>

#include "ibuf.h"

#define HDRDROP_HELD	64

struct hdrdrop {
	const char	*name;		/* without colon, shorter than held */
	int		 state;
	size_t		 nheld;
	unsigned int	 dropped;	/* fields so far */
	char		 held[HDRDROP_HELD];
};

void	 hdrdrop_init(struct hdrdrop *, const char *);
int	 hdrdrop_feed(struct hdrdrop *, const void *, size_t, struct ibuf *);
/* The message ends here: gives what was held back. */
int	 hdrdrop_finish(struct hdrdrop *, struct ibuf *);
/* Is the header over?  Then there is nothing more to drop. */
int	 hdrdrop_done(const struct hdrdrop *);

#endif /* HDRDROP_H */
