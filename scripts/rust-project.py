#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""usage: rust-project.py OUTDIR... <FILE >FILE

Completes the rust-project.json of the kernel's own script with the command lines that
kbuild used for the modules in each OUTDIR: that script misses crates that a Kbuild names in
another directory, and RUSTFLAGS.
"""

import glob
import json
import os
import re
import shlex
import sys
from collections.abc import Iterator
from typing import Any

SAVED = re.compile(r"^savedcmd_\S+ := (.*)$", re.M)


def calls(directory: str) -> Iterator[list[str]]:
    """The command line of each rustc run that made an object in the directory."""
    for top, dirs, _ in os.walk(directory):
        dirs.sort()
        for path in sorted(glob.glob(os.path.join(glob.escape(top), ".*.o.cmd"))):
            with open(path) as f:
                saved = SAVED.search(f.read())
            command = saved.group(1).split(" ;")[0] if saved else ""
            # With inlined helpers other tools make the object, from rustc's bitcode.
            if "--emit=obj=" in command or "--emit=llvm-bc=" in command:
                # $(pound) is how kbuild keeps a # from make.
                yield shlex.split(command.replace("$(pound)", "#").replace("$$", "$"))


def crate(words: list[str], known: dict[str, int]) -> dict[str, Any]:
    """The entry of rust-project.json for the crate that this command line made."""
    at = next(n for n, word in enumerate(words) if "=" not in word)
    env = dict(word.split("=", 1) for word in words[:at])
    cfg, edition, deps, root, name = [], "2021", [], "", ""
    rest = iter(words[at + 1:])
    for word in rest:
        key, _, value = word.partition("=")
        if key in ("--cfg", "--extern", "--edition", "--crate-name") and not value:
            value = next(rest)
        if key == "--cfg":
            cfg.append(value)
        elif key == "--extern":
            deps.append(value.split("=")[0].split(":")[-1])
        elif key == "--edition":
            edition = value
        elif key == "--crate-name":
            name = value
        elif word.startswith("@"):
            with open(word[1:]) as f:
                cfg += [line.strip()[len("--cfg="):] for line in f if line.startswith("--cfg=")]
        elif word.endswith(".rs") and not word.startswith("-"):
            root = os.path.abspath(word)
    name = name or os.path.splitext(os.path.basename(root))[0].replace("-", "_")
    return {"display_name": name, "root_module": root, "is_workspace_member": True, "edition": edition, "cfg": cfg,
            "deps": [{"crate": known[dep], "name": dep} for dep in ["core", *deps] if dep in known], "env": env}


def main(directories: list[str]) -> None:
    project = json.load(sys.stdin)
    crates = project["crates"]
    # Of several crates with a name, the first is the kernel's.
    known = {item["display_name"]: n for n, item in reversed(list(enumerate(crates)))}
    places = {os.path.realpath(item["root_module"]): n for n, item in enumerate(crates)}
    for words in (words for directory in directories for words in calls(directory)):
        found = crate(words, known)
        place = places.get(os.path.realpath(found["root_module"]))
        if place is None:
            crates.append(found)
        else:
            crates[place] = found
    json.dump(project, sys.stdout, sort_keys=True, indent=4)
    print()


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(sys.argv[1:])
