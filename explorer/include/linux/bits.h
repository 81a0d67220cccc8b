/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef EXPLORER_BITS_H
#define EXPLORER_BITS_H

#define BIT(n)	(1UL << (n))

#endif
