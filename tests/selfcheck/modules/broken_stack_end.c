// SPDX-License-Identifier: GPL-2.0
/* Broken on purpose: it writes over the end of its stack. */

#include <linux/module.h>
#include <linux/sched.h>
#include <linux/sched/task_stack.h>

static int __init broken_init(void)
{
	*end_of_stack(current) = 0;
	schedule_timeout_uninterruptible(1);
	return 0;
}

static void __exit broken_exit(void)
{
}

module_init(broken_init);
module_exit(broken_exit);

MODULE_DESCRIPTION("Broken on purpose, for the self-check of the test harness");
MODULE_LICENSE("GPL");
