/*
 * Files of large contents.  A new one is body/new/HEX and may be part of
 * the store as soon as the store says so; then it moves to body/xx/HEX, at
 * leisure, since both places are looked at.
 */
#ifndef BODY_H
#define BODY_H

#include <sys/types.h>
#include <stdint.h>

#include "store.h"

/* The folders are there; what no message has is removed.  -1: logged. */
int	 body_start(struct store *);
/* Is there room for more?  ST_OK or a code. */
int	 body_room(void);
/* A new file, to be written; -1 with errno. */
int	 body_create(const uint8_t *);
/* Written and closed: on disk, its name too; ST_OK or a code. */
int	 body_sync(int);
void	 body_remove(const uint8_t *);
/* The store has it now. */
void	 body_place(const uint8_t *);
/* To be read; -1 with errno. */
int	 body_open(const uint8_t *);

#endif /* BODY_H */
