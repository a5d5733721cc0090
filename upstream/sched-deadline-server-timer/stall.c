// SPDX-License-Identifier: GPL-2.0
/*
 * Stalls a CPU that has started the timer of a deadline server in this timer's function, until the
 * timer is due again, as a busy hypervisor may do.
 */

#include <linux/delay.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/percpu.h>

static uint ms = 100;
module_param(ms, uint, 0);
MODULE_PARM_DESC(ms, "for how long");

static DEFINE_PER_CPU(bool, in_timer);

static int timer_entry(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	this_cpu_write(in_timer, true);
	return 0;
}

static int timer_return(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	this_cpu_write(in_timer, false);
	return 0;
}

static struct kretprobe timer_probe = {
	.kp.symbol_name = "dl_task_timer",
	.entry_handler = timer_entry,
	.handler = timer_return,
};

static int start_return(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	if (this_cpu_read(in_timer))
		mdelay(ms);
	return 0;
}

static struct kretprobe start_probe = {
	.kp.symbol_name = "start_dl_timer",
	.handler = start_return,
};

static struct kretprobe *probes[] = { &timer_probe, &start_probe };

static int __init stall_init(void)
{
	return register_kretprobes(probes, ARRAY_SIZE(probes));
}

static void __exit stall_exit(void)
{
	unregister_kretprobes(probes, ARRAY_SIZE(probes));
}

module_init(stall_init);
module_exit(stall_exit);
MODULE_DESCRIPTION("Stalls a CPU in the timer of a deadline server");
MODULE_LICENSE("GPL");
