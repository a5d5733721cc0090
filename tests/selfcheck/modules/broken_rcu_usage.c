// SPDX-License-Identifier: GPL-2.0
/* Broken on purpose: it follows a pointer under RCU outside of any read-side section. */

#include <linux/module.h>
#include <linux/rcupdate.h>

static int __rcu *pointer;

static int __init broken_init(void)
{
	return rcu_dereference(pointer) ? -EINVAL : 0;
}

static void __exit broken_exit(void)
{
}

module_init(broken_init);
module_exit(broken_exit);

MODULE_DESCRIPTION("Broken on purpose, for the self-check of the test harness");
MODULE_LICENSE("GPL");
