/* SPDX-License-Identifier: GPL-2.0-only */
/* The kernel's names of types, on those of a host program. */
#ifndef EXPLORER_TYPES_H
#define EXPLORER_TYPES_H

#include_next <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

#define u8	__u8
#define u16	__u16
#define u32	__u32
#define u64	__u64

#endif
