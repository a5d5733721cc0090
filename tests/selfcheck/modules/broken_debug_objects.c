// SPDX-License-Identifier: GPL-2.0
/* Broken on purpose: it frees a timer that is pending. */

#include <linux/module.h>
#include <linux/slab.h>
#include <linux/timer.h>

static void broken_expired(struct timer_list *timer)
{
}

static int __init broken_init(void)
{
	struct timer_list *timer = kmalloc_obj(*timer);

	if (!timer)
		return -ENOMEM;
	timer_setup(timer, broken_expired, 0);
	mod_timer(timer, jiffies + 3600 * HZ);
	kfree(timer);
	return 0;
}

static void __exit broken_exit(void)
{
}

module_init(broken_init);
module_exit(broken_exit);

MODULE_DESCRIPTION("Broken on purpose, for the self-check of the test harness");
MODULE_LICENSE("GPL");
