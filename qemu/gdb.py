# SPDX-License-Identifier: GPL-2.0
"""Runs in gdb: `lab-modules ARGUMENT FILE...` loads the symbols of these modules before their init runs.

ARGUMENT is the first one of a function, as gdb has it.

The kernel's own lx-symbols needs a kernel with debug information, and leaves the sections of init out.
"""

import os
import sys

import gdb
import gdb.types

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))

from qemu import layout  # noqa: E402


class Loading(gdb.Breakpoint):
    """The breakpoint before the kernel calls a module's init."""

    def __init__(self, argument: str, files: dict[str, str]) -> None:
        super().__init__("*(unsigned long)&do_init_module", internal=True)
        self.silent = True
        self.argument = argument
        self.files = files
        self.known: dict[str, dict[str, int]] = {}

    def stop(self) -> bool:
        module = gdb.parse_and_eval("(struct module *)" + self.argument)
        name = module["name"].string()
        path = self.files.get(name)
        if path is None:
            return False
        memory = gdb.types.make_enum_dict(gdb.lookup_type("enum mod_mem_type"))
        address = {}
        for section, (kind, start) in layout.places(path).items():
            address[section] = int(module["mem"][memory["MOD_" + kind]]["base"]) + start
        if address.get(".gnu.linkonce.this_module") != int(module):
            gdb.write("%s: where its sections are is not known, as this kernel lays modules out in another way\n" % name)
            return False
        if self.known.get(name) not in (None, address):
            gdb.execute("remove-symbol-file -a 0x%x" % self.known[name][".text"], to_string=True)
        if self.known.get(name) != address:
            others = " ".join("-s %s 0x%x" % item for item in address.items() if item[0] != ".text")
            gdb.execute('add-symbol-file "%s" 0x%x %s' % (path, address[".text"], others), to_string=True)
            self.known[name] = address
            gdb.write("%s: loaded, its code is at 0x%x\n" % (name, address[".text"]))
        return False


class Modules(gdb.Command):
    """lab-modules ARGUMENT FILE...: loads the symbols of these modules when each is loaded."""

    def __init__(self) -> None:
        super().__init__("lab-modules", gdb.COMMAND_FILES, gdb.COMPLETE_FILENAME)

    def invoke(self, arg: str, from_tty: bool) -> None:
        self.dont_repeat()
        argument, *files = gdb.string_to_argv(arg)
        Loading(argument, {layout.module_name(path): path for path in files})


Modules()
