// SPDX-License-Identifier: GPL-2.0
/* Broken on purpose: it takes a lock that sleeps with PREEMPT_RT inside one that does not. */

#include <linux/module.h>
#include <linux/spinlock.h>

static DEFINE_RAW_SPINLOCK(raw);
static DEFINE_SPINLOCK(sleeping);

static int __init broken_init(void)
{
	raw_spin_lock(&raw);
	spin_lock(&sleeping);
	spin_unlock(&sleeping);
	raw_spin_unlock(&raw);
	return 0;
}

static void __exit broken_exit(void)
{
}

module_init(broken_init);
module_exit(broken_exit);

MODULE_DESCRIPTION("Broken on purpose, for the self-check of the test harness");
MODULE_LICENSE("GPL");
