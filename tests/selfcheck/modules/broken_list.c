// SPDX-License-Identifier: GPL-2.0
/* Broken on purpose: it adds to a list whose links do not fit together. */

#include <linux/list.h>
#include <linux/module.h>

static LIST_HEAD(first);
static LIST_HEAD(other);
static LIST_HEAD(entry);

static int __init broken_init(void)
{
	/* Nothing is before it but another list. */
	first.prev = &other;
	list_add(&entry, &first);
	return 0;
}

static void __exit broken_exit(void)
{
}

module_init(broken_init);
module_exit(broken_exit);

MODULE_DESCRIPTION("Broken on purpose, for the self-check of the test harness");
MODULE_LICENSE("GPL");
