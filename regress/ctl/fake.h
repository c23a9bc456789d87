/*
 * A control process as mfrontd starts it, with its parent and siblings
 * played by the test.
 */
#ifndef FAKE_H
#define FAKE_H

#include <sys/types.h>

#include "imsg.h"
#include "msg.h"

#define FAKE_BOOT	"00c0ffee00c0ffee"
#define FAKE_PEERS	8

enum fake_way {
	FAKE_HONEST,
	FAKE_SILENT,		/* answers nothing */
	FAKE_DIES,		/* closes the channel when it is asked */
	FAKE_FLOODS,		/* sends more rows than asked for */
	FAKE_STANDS		/* always says that there is more */
};

struct fake_peer {
	enum role	 role;
	uint16_t	 slot;
	uint32_t	 gen;
	enum fake_way	 way;
	unsigned int	 sessions;
	unsigned int	 pages;		/* asked for */
	uint32_t	 kicked;	/* session */
	struct imsgbuf	 ib;
};

struct fake {
	pid_t		 pid;		/* of control */
	struct fake_peer parent;
	struct fake_peer peers[FAKE_PEERS];
	int		 npeers;
	unsigned int	 complaints;
	int		 verbose;	/* as asked, -1: not */
	int		 gone;		/* control has ended */
};

#define FAKE_PATH	"ctl.sock"	/* in the test's own folder */

void	 fake_start(struct fake *);
struct fake_peer *fake_add(struct fake *, enum role, uint16_t, uint32_t);
/* Serves for so many milliseconds, or until *done is true. */
void	 fake_serve(struct fake *, int, int (*)(void *), void *);
void	 fake_stop(struct fake *);
int	 fake_connect(void);

#endif /* FAKE_H */
