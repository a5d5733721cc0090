#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Count the users of kernel threads that docs/users.tsv lists, or compare it with a kernel tree.

usage: users.py [TREE]

Without TREE it prints the tables of docs/users.md. With TREE it checks each line: the file
exists and has the function, and each file that makes threads has a line.
"""

import collections
import os
import re
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
COLUMNS = ["file", "function", "pattern", "verdict", "feature", "note"]
PATTERNS = {
    "RQ": "request loop: waits until there is something to do",
    "PE": "periodic",
    "RT": "request loop with a timeout",
    "WK": "kthread_worker",
    "OJ": "one-shot, with a waiter for its end or its value",
    "OS": "one-shot, which ends by itself",
    "BU": "computes or polls, and does not sleep for long",
    "BL": "blocks in a call of another subsystem",
    "PC": "per CPU, by smpboot",
}
VERDICTS = "YRFN"
MAKES = ("kthread_run", "kthread_create", "kthread_run_on_cpu", "kthread_create_on_node", "kthread_create_on_cpu",
         "kthread_run_worker", "kthread_run_worker_on_cpu", "kthread_create_worker", "kthread_create_worker_on_cpu",
         "smpboot_register_percpu_thread", "torture_create_kthread", "torture_create_kthread_cb",
         "md_register_thread", "rsi_create_kthread")
SOURCES = ("arch", "block", "certs", "crypto", "drivers", "fs", "init", "io_uring", "ipc", "kernel", "lib", "mm", "net",
           "samples", "security", "sound", "virt")
# They make threads on behalf of others, which are listed with the thread functions.
ON_BEHALF = {
    "drivers/block/drbd/drbd_main.c", "drivers/md/md.h", "drivers/net/wireless/rsi/rsi_common.h",
    "drivers/scsi/aacraid/commctrl.c", "drivers/scsi/aacraid/linit.c", "drivers/usb/usbip/usbip_common.h",
    "kernel/kthread.c", "kernel/smpboot.c", "net/sunrpc/svc.c",
}


def read() -> list[dict[str, str]]:
    """The lines as dictionaries."""
    with open(os.path.join(TOP, "docs", "users.tsv"), encoding="utf-8") as file:
        lines = [line.rstrip("\n").split("\t") for line in file]
    if lines[0] != COLUMNS:
        sys.exit("users.py: docs/users.tsv has other columns than %s" % " ".join(COLUMNS))
    users = []
    for number, line in enumerate(lines[1:], 2):
        user = dict(zip(COLUMNS, line))
        if len(line) != len(COLUMNS) or user["pattern"] not in PATTERNS or user["verdict"] not in VERDICTS:
            sys.exit("users.py: docs/users.tsv, line %d: not %d columns, or no such pattern or verdict"
                     % (number, len(COLUMNS)))
        users.append(user)
    return users


def tables(users: list[dict[str, str]]) -> None:
    count = collections.Counter((user["pattern"], user["verdict"]) for user in users)
    print("| pattern | | users | Y | R | F | N |")
    print("|---|---|---|---|---|---|---|")
    for pattern, meaning in PATTERNS.items():
        row = [count[pattern, verdict] for verdict in VERDICTS]
        print("| %s | %s | %d | %s |" % (pattern, meaning, sum(row), " | ".join(map(str, row))))
    total = [sum(count[pattern, verdict] for pattern in PATTERNS) for verdict in VERDICTS]
    print("| all | | %d | %s |" % (sum(total), " | ".join(map(str, total))))
    print("\nIn safe code: %d of %d, %.1f %%.\n" % (total[0] + total[1], sum(total),
                                                   100 * (total[0] + total[1]) / sum(total)))
    print("| not, or not in full | why |")
    print("|---|---|")
    for user in users:
        if user["verdict"] in "FN":
            print("| %s: `%s` | %s |" % (user["file"], user["function"], user["note"]))


def compare(users: list[dict[str, str]], tree: str) -> list[str]:
    """Lines that say where the list differs from the tree."""
    wrong = []
    listed = collections.defaultdict(list)
    for user in users:
        listed[user["file"]].append(user["function"])
    for path, functions in listed.items():
        try:
            with open(os.path.join(tree, path), encoding="utf-8", errors="replace") as file:
                text = file.read()
        except OSError:
            wrong.append("%s: there is no such file" % path)
            continue
        wrong += ["%s: it has no %s" % (path, name) for line in functions
                  for name in line.removeprefix("worker@").split(", ") if not re.search(r"\b%s\b" % name, text)]
    sources = [source for source in SOURCES if os.path.isdir(os.path.join(tree, source))]
    found = subprocess.run(["grep", "-rlE", "--include=*.[ch]", r"\b(%s)\(" % "|".join(MAKES), *sources], cwd=tree,
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=False)
    wrong += ["%s: it makes threads but is not listed" % path
              for path in found.stdout.splitlines() if path not in listed and path not in ON_BEHALF]
    return wrong


def main() -> int:
    if len(sys.argv) > 2 or len(sys.argv) == 2 and not os.path.isdir(os.path.join(sys.argv[1], "kernel")):
        sys.exit("usage: users.py [TREE], where TREE is a kernel source tree")
    users = read()
    if len(sys.argv) == 1:
        tables(users)
        return 0
    wrong = compare(users, sys.argv[1])
    for line in wrong:
        print(line)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
