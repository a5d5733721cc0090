// SPDX-License-Identifier: GPL-2.0
/* Broken on purpose: it only says that something is wrong, no counter moves. */

#include <linux/module.h>
#include <linux/printk.h>

static int __init broken_init(void)
{
	pr_err("BUG: broken_complaint was loaded\n");
	return 0;
}

static void __exit broken_exit(void)
{
}

module_init(broken_init);
module_exit(broken_exit);

MODULE_DESCRIPTION("Broken on purpose, for the self-check of the test harness");
MODULE_LICENSE("GPL");
