/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef EXPLORER_NOSPEC_H
#define EXPLORER_NOSPEC_H

static inline unsigned long array_index_nospec(unsigned long index, unsigned long size)
{
	return index < size ? index : 0;
}

#endif
