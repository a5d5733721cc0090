// SPDX-License-Identifier: GPL-2.0
/*
 * Widens the window in try_stop_module(): each delete_module() waits between dropping the last
 * reference to the module and marking it as going. The place is found by its x86 code,
 * "movl $MODULE_STATE_GOING, (%register)".
 */

#include <linux/delay.h>
#include <linux/kprobes.h>
#include <linux/module.h>

static_assert(!offsetof(struct module, state));

static uint ms = 100;
module_param(ms, uint, 0);
MODULE_PARM_DESC(ms, "for how long");

static int hold_up_handler(struct kprobe *probe, struct pt_regs *regs)
{
	mdelay(ms);
	return 0;
}

static struct kprobe probe;

/*
 * Returns whether these bytes are an instruction that stores the following constant at the
 * address in a register.
 */
static bool stores(const u8 *code, int length)
{
	/* The prefix for the upper registers. */
	if ((code[0] & 0xf0) == 0x40) {
		code++;
		length--;
	}
	if (length < 2 || code[0] != 0xc7 || code[1] & 0x38)
		return false;
	switch (code[1] >> 6) {
	case 0:
		return true;
	case 1:
		/* Some registers take a displacement. */
		return !code[length - 1];
	}
	return false;
}

/* Returns whether the address is in that function, and the probe could be placed there. */
static bool hold_up_at(u8 *address, const char *function)
{
	char name[KSYM_SYMBOL_LEN];

	snprintf(name, sizeof(name), "%ps", address);
	if (strcmp(name, function))
		return false;
	memset(&probe, 0, sizeof(probe));
	probe.addr = address;
	probe.pre_handler = hold_up_handler;
	/* kprobes refuse addresses inside of an instruction. */
	return !register_kprobe(&probe);
}

static int __init hold_up_init(void)
{
	static const char function[] = "__x64_sys_delete_module";
	static const u8 going[] = { MODULE_STATE_GOING, 0, 0, 0 };
	u8 *code;
	int length;
	int err;
	int i;

	/* A probe also gives the address of the function. */
	probe.symbol_name = function;
	err = register_kprobe(&probe);
	if (err)
		return err;
	code = (u8 *)probe.addr;
	unregister_kprobe(&probe);

	for (i = 4; i < 1024; i++) {
		if (memcmp(code + i, going, sizeof(going)))
			continue;
		for (length = 2; length <= 4; length++) {
			u8 *address = code + i - length;

			if (stores(address, length) && hold_up_at(address, function)) {
				pr_info("holds up at %pS\n", address);
				return 0;
			}
		}
	}
	return -ENOENT;
}

static void __exit hold_up_exit(void)
{
	unregister_kprobe(&probe);
}

module_init(hold_up_init);
module_exit(hold_up_exit);
MODULE_DESCRIPTION("Widens a window in delete_module()");
MODULE_LICENSE("GPL");
