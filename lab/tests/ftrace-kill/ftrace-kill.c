// SPDX-License-Identifier: GPL-2.0-only
/*
 * Makes ftrace give up for good, as it does when it finds a fault of its own. From
 * then on it takes no hook out. For the lab only.
 */
#include <linux/kprobes.h>
#include <linux/module.h>

static int __init ftrace_kill_init(void)
{
	struct kprobe kp = {
		.symbol_name = "ftrace_kill",
		.flags = KPROBE_FLAG_DISABLED,
	};
	int ret = register_kprobe(&kp);
	void (*kill)(void) = (void *)kp.addr;

	if (ret)
		return ret;
	unregister_kprobe(&kp);
	kill();
	return 0;
}
module_init(ftrace_kill_init);

MODULE_DESCRIPTION("Makes ftrace give up");
MODULE_LICENSE("GPL");
