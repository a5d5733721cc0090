// SPDX-License-Identifier: GPL-2.0
/* Broken on purpose: it reads memory after it was freed. */

#include <linux/compiler.h>
#include <linux/module.h>
#include <linux/slab.h>

static int __init broken_init(void)
{
	u8 *freed = kmalloc(64, GFP_KERNEL);

	kfree(freed);
	return freed ? READ_ONCE(freed[8]) & 0 : -ENOMEM;
}

static void __exit broken_exit(void)
{
}

module_init(broken_init);
module_exit(broken_exit);

MODULE_DESCRIPTION("Broken on purpose, for the self-check of the test harness");
MODULE_LICENSE("GPL");
