// SPDX-License-Identifier: GPL-2.0
/* Broken on purpose: the kernel panics at load. */

#include <linux/module.h>
#include <linux/panic.h>

static int __init broken_init(void)
{
	panic("broken_panic was loaded");
	return 0;
}

module_init(broken_init);

MODULE_DESCRIPTION("Broken on purpose, for the self-check of the test harness");
MODULE_LICENSE("GPL");
