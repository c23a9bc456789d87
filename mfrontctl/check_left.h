#ifndef CHECK_LEFT_H
#define CHECK_LEFT_H

struct check_run;

/* Deletes what is left of ours, when all checks were done. */
void	check_left(struct check_run *);

#endif /* CHECK_LEFT_H */
