/*
 * All checks, in the order that they are run.  check_list.h has them.
 */
#include <stddef.h>

#include "check_funcs.h"
#include "check_int.h"

#define WATCHED(name, section, group, text)				\
	{ name, section, group, 0, NULL, text },
#define CHECK(name, section, group, needs, func, text)			\
	{ name, section, group, needs, func, text },

const struct check checks[] = {
#include "check_list.h"
};

const size_t nchecks = sizeof(checks) / sizeof(checks[0]);
