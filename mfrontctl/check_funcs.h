/*
 * The functions of all checks, as check_list.h names them.
 */
#ifndef CHECK_FUNCS_H
#define CHECK_FUNCS_H

#include "check_int.h"

#define WATCHED(name, section, group, text)
#define CHECK(name, section, group, needs, func, text)	void func(struct ck *);
#include "check_list.h"
#undef WATCHED
#undef CHECK

#endif /* CHECK_FUNCS_H */
