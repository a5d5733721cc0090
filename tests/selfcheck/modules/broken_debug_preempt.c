// SPDX-License-Identifier: GPL-2.0
/* Broken on purpose: it asks for its CPU where that can change. */

#include <linux/module.h>
#include <linux/smp.h>

static int __init broken_init(void)
{
	return smp_processor_id() < 0 ? -EINVAL : 0;
}

static void __exit broken_exit(void)
{
}

module_init(broken_init);
module_exit(broken_exit);

MODULE_DESCRIPTION("Broken on purpose, for the self-check of the test harness");
MODULE_LICENSE("GPL");
