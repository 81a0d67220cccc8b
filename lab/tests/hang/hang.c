// SPDX-License-Identifier: GPL-2.0-only
/*
 * Makes the kernel stand still with interrupts off, in one of three ways. For the
 * lab only.
 */
#include <linux/module.h>

static char *in = "loop";
module_param(in, charp, 0);
MODULE_PARM_DESC(in, "loop, pause (a loop as that of a spinlock) or halt");

static int __init hang_init(void)
{
	local_irq_disable();
	for (;;) {
		if (!strcmp(in, "pause"))
			cpu_relax();
		else if (!strcmp(in, "halt"))
			asm volatile("hlt");
		else
			barrier();
	}
	return 0;
}
module_init(hang_init);

MODULE_DESCRIPTION("Makes the kernel stand still");
MODULE_LICENSE("GPL");
