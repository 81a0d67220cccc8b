/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef EXPLORER_MINMAX_H
#define EXPLORER_MINMAX_H

#define min_t(type, x, y) ({		\
	type x_ = (x);			\
	type y_ = (y);			\
					\
	x_ < y_ ? x_ : y_; })

#define max_t(type, x, y) ({		\
	type x_ = (x);			\
	type y_ = (y);			\
					\
	x_ > y_ ? x_ : y_; })

#define min(x, y)	min_t(typeof(x), x, y)

#endif
