/*
 * mfrontctl check: is a storage what mfront-storage(7) says?
 */
#ifndef CHECK_H
#define CHECK_H

/*
 * What follows the word "check" on the command line, and whether JSON was
 * asked for before it; returns the exit status.
 */
int	 check_run(int, char **, int);

#endif /* CHECK_H */
