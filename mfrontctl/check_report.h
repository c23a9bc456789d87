/*
 * What mfrontctl check says: how far it is, and what it found.
 */
#ifndef CHECK_REPORT_H
#define CHECK_REPORT_H

#include "check_int.h"

/*
 * Bytes of the wire as text, cut sensibly, control characters and what is
 * not UTF-8 as \ooo; the caller frees it.
 */
char	*report_bytes(const char *, size_t, const char *, size_t);

void	 report_progress(struct check_run *, const struct check *);
void	 report_done(struct check_run *, const struct check *);
/* Which checks there are. */
void	 report_list(void);
/* 1 if all is kept. */
int	 report_print(struct check_run *);
void	 report_free(struct check_run *);

#endif /* CHECK_REPORT_H */
