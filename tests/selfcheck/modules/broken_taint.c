// SPDX-License-Identifier: GPL-2.0
/* Broken on purpose: it taints the kernel without a word. */

#include <linux/module.h>
#include <linux/panic.h>

static int __init broken_init(void)
{
	add_taint(TAINT_USER, LOCKDEP_STILL_OK);
	return 0;
}

static void __exit broken_exit(void)
{
}

module_init(broken_init);
module_exit(broken_exit);

MODULE_DESCRIPTION("Broken on purpose, for the self-check of the test harness");
MODULE_LICENSE("GPL");
