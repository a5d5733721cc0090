// SPDX-License-Identifier: GPL-2.0
/* Broken on purpose: it gives a reference back that nobody holds. */

#include <linux/module.h>
#include <linux/refcount.h>

static refcount_t count = REFCOUNT_INIT(0);

static int __init broken_init(void)
{
	refcount_dec(&count);
	return 0;
}

static void __exit broken_exit(void)
{
}

module_init(broken_init);
module_exit(broken_exit);

MODULE_DESCRIPTION("Broken on purpose, for the self-check of the test harness");
MODULE_LICENSE("GPL");
