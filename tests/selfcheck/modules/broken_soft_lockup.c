// SPDX-License-Identifier: GPL-2.0
/* Broken on purpose: it keeps its CPU from all other threads for some seconds. */

#include <linux/jiffies.h>
#include <linux/module.h>
#include <linux/preempt.h>

static int __init broken_init(void)
{
	unsigned long end = jiffies + 4 * HZ;

	preempt_disable();
	while (time_before(jiffies, end))
		cpu_relax();
	preempt_enable();
	return 0;
}

static void __exit broken_exit(void)
{
}

module_init(broken_init);
module_exit(broken_exit);

MODULE_DESCRIPTION("Broken on purpose, for the self-check of the test harness");
MODULE_LICENSE("GPL");
