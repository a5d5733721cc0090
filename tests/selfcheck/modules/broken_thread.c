// SPDX-License-Identifier: GPL-2.0
/* Broken on purpose: it stays loaded, with a thread that nobody stops. */

#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/sched.h>

static int broken_main(void *data)
{
	while (!kthread_should_stop())
		schedule_timeout_interruptible(HZ);
	return 0;
}

static int __init broken_init(void)
{
	return PTR_ERR_OR_ZERO(kthread_run(broken_main, NULL, "broken_thread"));
}

module_init(broken_init);

MODULE_DESCRIPTION("Broken on purpose, for the self-check of the test harness");
MODULE_LICENSE("GPL");
