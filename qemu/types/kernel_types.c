// SPDX-License-Identifier: GPL-2.0
/* Never loaded: it tells a debugger what the kernel's types look like. */

#include <linux/module.h>
#include <linux/sched.h>

struct module *kernel_types_module;
struct task_struct *kernel_types_task;
enum mod_mem_type kernel_types_memory;

MODULE_DESCRIPTION("Types of the kernel for a debugger");
MODULE_LICENSE("GPL");
