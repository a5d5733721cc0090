// SPDX-License-Identifier: GPL-2.0
/* Broken on purpose: it forgets where its memory is. */

#include <linux/module.h>
#include <linux/slab.h>

static void *forgotten;

static int __init broken_init(void)
{
	int n;

	/*
	 * What is left of a pointer on a stack may hide one of them, but not all. The
	 * caches of the slab allocator hold pointers as well, but not to what is so large.
	 */
	for (n = 0; n < 16; n++)
		WRITE_ONCE(forgotten, kmalloc(2 * KMALLOC_MAX_CACHE_SIZE, GFP_KERNEL));
	WRITE_ONCE(forgotten, NULL);
	return 0;
}

static void __exit broken_exit(void)
{
}

module_init(broken_init);
module_exit(broken_exit);

MODULE_DESCRIPTION("Broken on purpose, for the self-check of the test harness");
MODULE_LICENSE("GPL");
