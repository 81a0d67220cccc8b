/* SPDX-License-Identifier: GPL-2.0-only */
/* The explorer has one thread. */
#ifndef EXPLORER_ATOMIC_H
#define EXPLORER_ATOMIC_H

#define READ_ONCE(x)	(x)

#define cmpxchg(p, old, new)	__sync_val_compare_and_swap(p, old, new)

#endif
