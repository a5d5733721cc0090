// SPDX-License-Identifier: GPL-2.0
/* Broken on purpose: a WARN at load. */

#include <linux/bug.h>
#include <linux/module.h>

static int __init broken_init(void)
{
	WARN(1, "broken_warn was loaded\n");
	return 0;
}

static void __exit broken_exit(void)
{
}

module_init(broken_init);
module_exit(broken_exit);

MODULE_DESCRIPTION("Broken on purpose, for the self-check of the test harness");
MODULE_LICENSE("GPL");
