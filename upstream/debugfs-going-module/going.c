// SPDX-License-Identifier: GPL-2.0
/* A correct module with a debugfs file. */

#include <linux/debugfs.h>
#include <linux/module.h>
#include <linux/seq_file.h>

static struct dentry *file;

static int going_show(struct seq_file *m, void *unused)
{
	seq_puts(m, "here\n");
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(going);

static int __init going_init(void)
{
	file = debugfs_create_file("going", 0400, NULL, NULL, &going_fops);
	return PTR_ERR_OR_ZERO(file);
}

static void __exit going_exit(void)
{
	debugfs_remove(file);
}

module_init(going_init);
module_exit(going_exit);
MODULE_DESCRIPTION("A file of debugfs");
MODULE_LICENSE("GPL");
