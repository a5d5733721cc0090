#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Count the lines of code of the C users of kernel threads, and of their ports.

usage: count.py TREE

TREE is the unpacked kernel tree. Lines that are blank or comments do not count, nor does what is
not ported: of each C file the functions, types and macros named here are taken.
"""

import os
import re
import sys

TOP = os.path.dirname(os.path.realpath(__file__))

# The ported parts of a file: all of it, or the blocks whose first line contains one of these.
PARTS = {
    "test_workqueue": ("lib/test_workqueue.c", None),
    "hwrng": ("drivers/char/hw_random/core.c", [
        "static int hwrng_fillfn(void *unused)\n{", "static void hwrng_start_hwrng_fillfn(void)\n{",
        "static void hwrng_stop_hwrng_fillfn(void)\n{", "static void drop_current_rng(", "static int set_current_rng(",
        "static struct hwrng *get_current_rng(void)", "static void put_rng(", "static inline int rng_get_data(",
        "int hwrng_register(", "void hwrng_unregister(", "long hwrng_msleep("]),
    "mt76": ("drivers/net/wireless/mediatek/mt76/util.h", [
        "struct mt76_worker\n{", "enum {\n\tMT76_WORKER", "mt76_worker_setup(", "static inline void mt76_worker_schedule(",
        "static inline void mt76_worker_disable(", "static inline void mt76_worker_enable(",
        "static inline void mt76_worker_teardown("]),
    "ecryptfs": ("fs/ecryptfs/kthread.c", None),
    "locktorture": ("kernel/locking/locktorture.c", [
        "static void __torture_rt_boost(", "static void torture_rt_boost(", "static int torture_spin_lock_write_lock(",
        "static void torture_spin_lock_write_delay(", "static void torture_spin_lock_write_unlock(",
        "static struct lock_torture_ops spin_lock_ops", "static int torture_mutex_lock(", "static void torture_mutex_delay(",
        "static void torture_mutex_unlock(", "static struct lock_torture_ops mutex_lock_ops",
        "static int lock_torture_writer(", "static void __torture_print_stats(", "static void lock_torture_stats_print(",
        "static int lock_torture_stats(", "static void lock_torture_cleanup(void)\n{", "static int __init lock_torture_init("]),
    "ring_buffer_benchmark": ("kernel/trace/ring_buffer_benchmark.c", None),
}
MORE = {
    "mt76": ("drivers/net/wireless/mediatek/mt76/util.c", ["int __mt76_worker_fn("]),
    "locktorture": ("kernel/torture.c", ["torture_random(struct", "bool stutter_wait(", "static int torture_stutter(",
                                         "int torture_stutter_init(", "void torture_kthread_stopping(",
                                         "int _torture_create_kthread(", "void _torture_stop_kthread("]),
}
# The first line of the test driver in a port, which in C is in c_NAME.c.
DRIVER = {"mt76": "const ROUNDS", "ecryptfs": "const CLIENTS", "hwrng": "/// A source of bytes"}


def lines(text: str) -> int:
    """The number of lines of code."""
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    return sum(1 for line in text.splitlines() if line.strip() and not line.strip().startswith("//"))


def part(text: str, begin: str) -> str:
    """The block from the line with this text to its closing brace."""
    at = text.find(begin)
    if at < 0:
        sys.exit("count.py: there is no '%s' any more" % begin.split("\n")[0])
    at = text.rfind("\n", 0, at) + 1
    end = re.compile(r"^\}.*$", re.M).search(text, at)
    if end is None:
        sys.exit("count.py: '%s' has no end" % begin.split("\n")[0])
    return text[at:end.end()]


def count_c(tree: str, file: str, parts: list[str] | None) -> int:
    with open(os.path.join(tree, file), encoding="utf-8") as source:
        text = source.read()
    if parts is None:
        return lines(text)
    return sum(lines(part(text, begin)) for begin in parts)


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(__doc__.split("\n\n")[1])
    print("| port | C | Rust | `unsafe` blocks |\n|---|---|---|---|")
    for name, (file, parts) in PARTS.items():
        in_c = count_c(sys.argv[1], file, parts)
        if name in MORE:
            in_c += count_c(sys.argv[1], *MORE[name])
        with open(os.path.join(TOP, "rust_%s.rs" % name), encoding="utf-8") as source:
            text = source.read()
        port = text.split(DRIVER[name])[0] if name in DRIVER else text
        print("| `%s` | %d | %d | %d |" % (name, in_c, lines(port), len(re.findall(r"\bunsafe \{", text))))


if __name__ == "__main__":
    main()
