// SPDX-License-Identifier: GPL-2.0
/* Broken on purpose: it leaves its debugfs entry behind at unload. */

#include <linux/debugfs.h>
#include <linux/module.h>

static int __init broken_init(void)
{
	debugfs_create_dir("broken_debugfs", NULL);
	return 0;
}

static void __exit broken_exit(void)
{
}

module_init(broken_init);
module_exit(broken_exit);

MODULE_DESCRIPTION("Broken on purpose, for the self-check of the test harness");
MODULE_LICENSE("GPL");
