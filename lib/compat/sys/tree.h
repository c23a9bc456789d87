/* The BSD trees want this from <sys/cdefs.h>, which glibc's lacks. */
#ifndef __unused
#define __unused	__attribute__((__unused__))
#endif
#include_next <sys/tree.h>
