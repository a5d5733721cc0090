// SPDX-License-Identifier: GPL-2.0
/*
 * A driver for c_hwrng with known data, to compare it with rust_hwrng. It is not part of a kernel
 * tree.
 */

#include <linux/hw_random.h>
#include <linux/module.h>

static ushort quality;
module_param(quality, ushort, 0);
MODULE_PARM_DESC(quality, "bits of entropy in 1024 bits");

static uint length = 64;
module_param(length, uint, 0);
MODULE_PARM_DESC(length, "how many bytes a read gives, none if it is zero");

static u8 next;

static int source_read(struct hwrng *rng, void *data, size_t max, bool wait)
{
	u8 *bytes = data;
	size_t i;

	max = min(max, length);
	for (i = 0; i < max; i++)
		bytes[i] = next++;
	return max;
}

static struct hwrng source = {
	.name = "counter",
	.read = source_read,
};

static int __init source_init(void)
{
	source.quality = quality;
	return hwrng_register(&source);
}

static void __exit source_exit(void)
{
	hwrng_unregister(&source);
}

module_init(source_init);
module_exit(source_exit);
MODULE_DESCRIPTION("A source of bytes that are not random");
MODULE_LICENSE("GPL");
