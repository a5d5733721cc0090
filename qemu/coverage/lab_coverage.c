// SPDX-License-Identifier: GPL-2.0
/*
 * Notes which blocks of modules run. Those that were built for it call
 * __sanitizer_cov_trace_pc() at the beginning of each. KCOV has that function, too, but
 * notes only what a task does for itself, and so nothing that a kernel thread does.
 */

#include <linux/debugfs.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/vmalloc.h>

#include "lab_coverage.h"

/* Code of a module, as long as that is loaded; what ran stays for the next time. */
struct area {
	char name[MODULE_NAME_LEN];
	enum mod_mem_type type;
	unsigned long start; /* 0 while it is not loaded */
	unsigned long size;
	unsigned long *reached; /* one bit for each byte */
};

static struct area areas[128];
static int areas_used; /* the ones before it are complete */
static struct dentry *dir;

notrace void __sanitizer_cov_trace_pc(void)
{
	/* Pairs with the release in come(). */
	int n, used = smp_load_acquire(&areas_used);

	for (n = 0; n < used; n++) {
		unsigned long offset = _RET_IP_ - READ_ONCE(areas[n].start);

		if (offset < areas[n].size) {
			if (!test_bit(offset, areas[n].reached))
				set_bit(offset, areas[n].reached);
			return;
		}
	}
}
EXPORT_SYMBOL(__sanitizer_cov_trace_pc);

/* The callers of the notifiers lock the list of modules, so these run one at a time. */
static DEFINE_MUTEX(lock);

static void come(struct module *mod, enum mod_mem_type type)
{
	struct module_memory *memory = &mod->mem[type];
	struct area *area;
	int n;

	if (!memory->size)
		return;
	for (n = 0; n < areas_used; n++) {
		area = &areas[n];
		if (area->type == type && area->size == memory->size && !strcmp(area->name, mod->name)) {
			WRITE_ONCE(area->start, (unsigned long)memory->base);
			return;
		}
	}
	area = &areas[areas_used];
	if (areas_used < ARRAY_SIZE(areas))
		area->reached = vzalloc(BITS_TO_LONGS(memory->size) * sizeof(long));
	if (areas_used == ARRAY_SIZE(areas) || !area->reached) {
		pr_err("lab_coverage: no room for %s\n", mod->name);
		return;
	}
	strscpy(area->name, mod->name);
	area->type = type;
	area->size = memory->size;
	area->start = (unsigned long)memory->base;
	/* Pairs with the acquires: a reader that sees the number sees the area. */
	smp_store_release(&areas_used, areas_used + 1);
}

static void go(struct module *mod, enum mod_mem_type type)
{
	int n;

	for (n = 0; n < areas_used; n++)
		if (areas[n].type == type && areas[n].start == (unsigned long)mod->mem[type].base)
			WRITE_ONCE(areas[n].start, 0);
}

static int changed(struct notifier_block *block, unsigned long state, void *data)
{
	mutex_lock(&lock);
	switch (state) {
	case MODULE_STATE_COMING:
		come(data, MOD_TEXT);
		come(data, MOD_INIT_TEXT);
		break;
	case MODULE_STATE_LIVE:
		go(data, MOD_INIT_TEXT);
		break;
	case MODULE_STATE_GOING:
		go(data, MOD_INIT_TEXT);
		go(data, MOD_TEXT);
		break;
	}
	mutex_unlock(&lock);
	return NOTIFY_OK;
}

static struct notifier_block notifier = { .notifier_call = changed };

static int reached_show(struct seq_file *file, void *data)
{
	unsigned long offset;
	/* Pairs with the release in come(). */
	int n, used = smp_load_acquire(&areas_used);

	for (n = 0; n < used; n++)
		for_each_set_bit(offset, areas[n].reached, areas[n].size)
			seq_printf(file, "%s %s 0x%lx\n", areas[n].name,
				   areas[n].type == MOD_TEXT ? "TEXT" : "INIT_TEXT", offset);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(reached);

static int __init coverage_init(void)
{
	dir = debugfs_create_dir("lab_coverage", NULL);
	debugfs_create_file("reached", 0400, dir, NULL, &reached_fops);
	return register_module_notifier(&notifier);
}

static void __exit coverage_exit(void)
{
	int n;

	unregister_module_notifier(&notifier);
	debugfs_remove(dir);
	for (n = 0; n < areas_used; n++)
		vfree(areas[n].reached);
}

module_init(coverage_init);
module_exit(coverage_exit);

MODULE_DESCRIPTION("Notes which blocks of modules run");
MODULE_LICENSE("GPL");
