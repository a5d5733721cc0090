// SPDX-License-Identifier: GPL-2.0
/* Broken on purpose: it takes a mutex, which is free, with preemption off. */

#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/preempt.h>

static DEFINE_MUTEX(lock);

static int __init broken_init(void)
{
	preempt_disable();
	mutex_lock(&lock);
	mutex_unlock(&lock);
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
