/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef EXPLORER_STRING_H
#define EXPLORER_STRING_H

#include <string.h>

/* Nothing writes to the explorer by sysfs: a name has no newline. */
static inline bool sysfs_streq(const char *a, const char *b)
{
	return !strcmp(a, b);
}

#endif
