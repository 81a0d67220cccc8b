/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef EXPLORER_KERNEL_H
#define EXPLORER_KERNEL_H

#include_next <linux/kernel.h>

#define DIV_ROUND_UP(n, d)	__KERNEL_DIV_ROUND_UP(n, d)

#endif
