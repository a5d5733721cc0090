#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Make the series for the kernel tree out of kthread/.

usage: series.py list TREE
       series.py check TREE
       series.py write TREE DIR [N]
       series.py patches TREE DIR

"check" checks that the series applies to TREE. "write" writes to DIR the files that the
first N patches (default: all) add to TREE or change in it. "patches" writes the series itself
to DIR, with a cover letter. TREE stays unchanged. series/NN-NAME.toml describes the content
of a patch:

files    the files of kthread/ that it adds
items    the items that it adds to files of earlier patches: FILE: NAME, FILE: TYPE::NAME,
         or, for a member of an enum or a struct, FILE: TYPE.NAME
lines    the lines that it adds likewise, without their indentation
blocks   the statements that it adds likewise, from such a line to the closing brace, and its else
without  tables file, text, was: before this patch there is `was` in place of `text`
tree     files of series/tree/
insert   tables file, after or before, text: a text for a file of the tree, beside that line
samples  files of samples/
unless   a table file, text: the patch is left out for a tree that already has the text
when     likewise: an omission that only applies to such trees

Imports and tests follow automatically: an import of a missing item is removed, and a test
or an unused private item waits for the patch that adds what it needs.
"""

from __future__ import annotations

import collections
import functools
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass

TOP = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
SERIES = os.path.join(TOP, "series")
WORD = re.compile(r"\w+")
CALL = re.compile(r"(?<!fn )\b(\w+)(?=!?(?:::<[^>]*>)?\()")
VISIBLE = r"(?:pub(?:\([^)]*\))? )?"
KINDS = r"(?:fn|struct|enum|union|trait|const|static|type|mod|macro_rules!)"
QUALIFIERS = VISIBLE + r"(?:default )?(?:const )?(?:async )?(?:unsafe )?(?:extern \"C\" )?"
ITEM = re.compile(r"^(\s*)%s(%s) (?:ref )?(?:mut )?(\w+)" % (QUALIFIERS, KINDS))
IMPL = re.compile(r"^(\s*)(?:unsafe )?impl\b(.*)$")
USE = re.compile(r"(?m)^( *)(%s)use ([^;]*);\n" % VISIBLE)
# An example in the documentation.
EXAMPLE = re.compile(r"(?m)^( *//[/!] )```\n((?:\1.*\n| *//[/!]\n)*?)\1```\n")
# Items without a name that others could use.
NAMELESS = ("impl", "call", "mod", "method")


# A path of a use declaration, and its alias.
Leaf = tuple[list[str], str | None]


class SeriesError(Exception):
    pass


def read(path: str) -> str:
    with open(path, encoding="utf-8") as f:
        return f.read()


class Patch:
    """A patch as its file describes it."""

    def __init__(self, path: str) -> None:
        self.name = os.path.splitext(os.path.basename(path))[0]
        with open(path, "rb") as f:
            try:
                table = tomllib.load(f)
            except tomllib.TOMLDecodeError as e:
                raise SeriesError("%s: %s" % (path, e)) from None
        self.subject: str = table.pop("subject")
        self.body: str = table.pop("body").strip("\n")
        self.unless: dict[str, str] | None = table.pop("unless", None)
        self.when: dict[str, str] | None = table.pop("when", None)
        self.files: list[str] = table.pop("files", [])
        self.items: list[str] = table.pop("items", [])
        self.lines: list[str] = table.pop("lines", [])
        self.blocks: list[str] = table.pop("blocks", [])
        self.without: list[dict[str, str]] = table.pop("without", [])
        self.tree: list[str] = table.pop("tree", [])
        self.insert: list[dict[str, str]] = table.pop("insert", [])
        self.samples: list[str] = table.pop("samples", [])
        if table:
            raise SeriesError("%s: there is no key '%s'" % (path, next(iter(table))))


def patches(tree: Tree) -> list[Patch]:
    """The patches that apply to the tree, in order."""
    found = [Patch(os.path.join(SERIES, name)) for name in sorted(os.listdir(SERIES)) if name.endswith(".toml")]
    return [patch for patch in found
            if not patch.unless or patch.unless["text"] not in tree.read(patch.unless["file"], patch)]


def indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def header_start(lines: list[str], at: int) -> int:
    """Where the comments and attributes of the item at a line begin."""
    depth = indent(lines[at])
    while at > 0 and indent(lines[at - 1]) >= depth and re.match(r"\s*(///|//(?!!)|#\[|\)\]|\]$)", lines[at - 1]):
        at -= 1
    return at


def item_end(lines: list[str], at: int) -> int:
    """The line behind the item that begins at a line. The text is formatted by rustfmt."""
    depth = indent(lines[at])
    for n in range(at, len(lines)):
        line = lines[n]
        if indent(line) != depth or not line.strip():
            continue
        if re.search(r"(;|\{\}|\{ [^{}]* \}|,)$", line) or (n > at and re.match(r"\s*[})\]]+[;,]?$", line)):
            return n + 1
    return len(lines)


@dataclass
class Item:
    """An item of a Rust file, in the lines from start to end."""

    start: int
    end: int
    name: str
    owner: str
    public: bool
    kind: str

    @property
    def path(self) -> str:
        return (self.owner + "::" if self.owner else "") + self.name


def items(lines: list[str], start: int = 0, end: int | None = None, owner: str = "") -> list[Item]:
    """All items of a file, those in others after these."""
    end = len(lines) if end is None else end
    found = []
    at = start
    while at < end:
        line = lines[at]
        impl, item = IMPL.match(line), ITEM.match(line)
        call = None if item else re.match(r"\s*(\w+)![({ ]", line)
        if not impl and not item and not call:
            at += 1
            continue
        stop = item_end(lines, at)
        if call:
            found.append(Item(header_start(lines, at), stop, call.group(1) + "!", owner, True, "call"))
        elif impl:
            header = " ".join(text.strip() for text in lines[at:stop]).split("{")[0].strip()
            target = re.sub(r"^(?:unsafe )?impl(?:<(?:[^<>]|<[^<>]*>)*>)? ?", "", header)
            trait, _, name = target.rpartition(" for ")
            words = re.match(r"[\w:]+", (name or target).lstrip("&'_ "))
            name = words[0].split("::")[-1] if words else ""
            trait = re.sub(r"<.*", "", trait).split("::")[-1]
            label = "impl %s for %s" % (trait, name) if trait else "impl " + name
            found.append(Item(header_start(lines, at), stop, label, owner, True, "impl"))
            inner = items(lines, at + 1, stop, label if trait else name)
            for one in inner if trait else ():
                # The methods of a trait do not stand alone.
                one.kind = "method"
            found += inner
        elif item:
            kind, name = item.group(2), item.group(3)
            public = kind == "macro_rules!" or re.match(r"\s*pub ", line) is not None
            found.append(Item(header_start(lines, at), stop, name, owner, public, kind))
            if kind in ("mod", "trait"):
                found += items(lines, at + 1, stop, name)
        at = stop
    return found


@functools.cache
def items_in(text: str) -> list[Item]:
    return items(text.split("\n"))


@functools.cache
def words_in(text: str) -> collections.Counter[str]:
    """Counts each word of a file, except in comments."""
    return collections.Counter(WORD.findall(strip_comments(text)))


@functools.cache
def used_in(text: str) -> frozenset[str]:
    """The names that a text uses, without its imports."""
    return frozenset(re.findall(r"(?<!::)\b\w+", strip_comments(USE.sub("", text))))


@functools.cache
def names_in(text: str, public: bool = False) -> frozenset[str]:
    """The names of the items of a file, without the methods of traits."""
    return frozenset(item.name for item in items_in(text)
                     if item.kind not in NAMELESS and (item.public or not public))


@functools.cache
def methods_in(text: str) -> dict[str, set[str]]:
    """For each trait of a file the names of its methods."""
    methods = {}
    lines = text.split("\n")
    for item in items_in(text):
        if item.kind == "trait":
            methods[item.name] = {m.group(3) for m in map(ITEM.match, lines[item.start + 1:item.end]) if m}
    return methods


def uses_any(code: str, names: Set[str]) -> bool:
    """Whether code uses one of these names of items. A field may have the name of a method."""
    return bool({word for word in WORD.findall(code) if not word.islower()} & names or set(CALL.findall(code)) & names)


@functools.cache
def strip_comments(text: str) -> str:
    return re.sub(r"(?m)//.*$", "", text)


def tidy(lines: list[str]) -> list[str]:
    """Removes blank lines that are left after a removal."""
    out: list[str] = []
    for line in lines:
        if not line.strip() and (not out or not out[-1].strip() or out[-1].rstrip().endswith("{")):
            continue
        if re.match(r"\s*[})]", line):
            while out and not out[-1].strip():
                out.pop()
        out.append(line)
    return out


class State:
    """The files of rust/kernel/kthread/. Patches are taken back one by one, from the last to the first."""

    def __init__(self, files: dict[str, str]) -> None:
        self.files = files  # name -> text
        self.pruned: dict[str, tuple[str, Set[str], Set[str]]] = {}  # name -> with what its imports were looked at

    def lines(self, name: str) -> list[str]:
        return self.files[name].split("\n")

    def put(self, name: str, lines: list[str]) -> None:
        self.files[name] = "\n".join(tidy(lines))

    def remove_item(self, where: str) -> None:
        name, _, path = where.partition(": ")
        if name not in self.files:
            raise SeriesError("there is no file '%s' to take '%s' out of" % (name, path))
        lines = self.lines(name)
        if "." in path:
            holder, _, member = path.partition(".")
            hit = [item for item in items(lines) if item.path == holder]
            for item in hit:
                for at in range(item.start, item.end):
                    if re.match(r"\s*%s%s\b(?: =|:|,|\()" % (VISIBLE, member), lines[at]):
                        del lines[header_start(lines, at):item_end(lines, at)]
                        self.put(name, lines)
                        return
            raise SeriesError("%s: there is no '%s'" % (name, path))
        hits = [item for item in items(lines) if item.path == path]
        if not hits:
            raise SeriesError("%s: there is no item '%s'" % (name, path))
        for item in reversed(hits):
            del lines[item.start:item.end]
        self.put(name, lines)

    def remove_line(self, where: str, block: bool) -> None:
        name, _, text = where.partition(": ")
        lines = self.lines(name)
        hits = [n for n, line in enumerate(lines) if line.strip() == text]
        if not hits:
            raise SeriesError("%s: there is no line '%s'" % (name, text))
        for at in reversed(hits):
            end = at + 1
            if block:
                end = next(n for n in range(at + 1, len(lines))
                           if indent(lines[n]) == indent(lines[at]) and re.match(r"\s*\}(?! else\b)", lines[n])) + 1
            while at > 0 and re.match(r"\s*//(?!/)", lines[at - 1]):
                at -= 1
            del lines[at:end]
        self.put(name, lines)

    def without(self, name: str, text: str, was: str) -> None:
        if name not in self.files or text not in self.files[name]:
            raise SeriesError("%s: there is no text '%s'" % (name, text.strip().split("\n")[0]))
        self.files[name] = self.files[name].replace(text, was)

    def defined(self, public: bool = False) -> set[str]:
        """The names of all items."""
        return {name for text in self.files.values() for name in names_in(text, public)}

    def take_back(self, patch: Patch) -> None:
        """Undo a patch."""
        before = self.defined(public=True)
        for table in patch.without:
            self.without(table["file"], table["text"], table["was"])
        for where in patch.lines:
            self.remove_line(where, False)
        for where in patch.blocks:
            self.remove_line(where, True)
        for where in patch.items:
            if not where.startswith("completion.rs: "):
                self.remove_item(where)
        for name in patch.files:
            # A file with a question mark does not exist for every tree.
            if name != "completion.rs" and self.files.pop(name.rstrip("?"), None) is None and name[-1] != "?":
                raise SeriesError("%s: there is no file '%s'" % (patch.name, name))
        self.settle(before - self.defined())

    def settle(self, gone: Set[str]) -> None:
        """Remove what depends on the names `gone`, until nothing changes."""
        while True:
            old = dict(self.files)
            for name in list(self.files):
                self.prune_uses(name)
                self.drop_tests(name, gone)
            self.drop_unused()
            if self.files == old:
                return

    def drop_tests(self, name: str, gone: Set[str]) -> None:
        if not words_in(self.files[name]).keys() & gone:
            return
        lines = self.lines(name)
        at = next((n for n, line in enumerate(lines) if line.startswith("mod tests {")), None)
        if at is None and name != "kunit.rs":
            return
        outermost = [item for item in items(lines, 0 if at is None else at + 1) if not item.owner]
        for item in reversed(outermost):
            if uses_any(strip_comments("\n".join(lines[item.start:item.end])), gone):
                del lines[item.start:item.end]
        if at is not None and not any("#[test]" in line for line in lines[at:]):
            start = header_start(lines, at)
            lines = lines[:start] + lines[item_end(lines, at):]
        self.put(name, lines)

    def drop_unused(self) -> None:
        """Remove private items that are not used."""
        defined = self.defined()
        words: collections.Counter[str] = sum((words_in(text) for text in self.files.values()), collections.Counter())
        for name in self.files:
            lines = self.lines(name)
            hits = [item for item in items_in(self.files[name])
                    if not item.public and item.kind not in NAMELESS and words[item.name] == 1
                    and item.name != "_" and not any("#[test]" in line for line in lines[item.start:item.end])]
            for item in reversed(hits):
                del lines[item.start:item.end]
            if hits:
                self.put(name, lines)
            lines = self.lines(name)
            before = len(lines)
            for item in reversed(items_in(self.files[name])):
                if item.kind != "impl":
                    continue
                names = set(WORD.findall(item.name)) - {"impl", "for"}
                body = [line for line in lines[item.start:item.end] if line.strip()]
                header = [n for n, line in enumerate(body) if IMPL.match(line)]
                is_empty = header and len(body) - header[0] == 2 and " for " not in item.name
                if is_empty or any(one in self.known and one not in defined for one in names):
                    del lines[item.start:item.end]
            if len(lines) != before:
                self.put(name, lines)

    def prune_uses(self, name: str) -> None:
        """Remove imports that do not resolve or are not used."""
        text = self.files[name]
        modules = frozenset(os.path.splitext(part)[0] for path in self.files for part in path.split("/"))
        defined = frozenset(self.defined())
        if self.pruned.get(name) == (text, modules, defined):
            return
        tests = text.find("\nmod tests {")
        methods = dict(TRAITS)
        for other in self.files.values():
            methods.update(methods_in(other))
        is_root = name == "mod.rs" or name.endswith("/mod.rs")

        def prune(match: re.Match[str]) -> str:
            tree = Uses(match.group(3))
            # Tests are a separate module.
            used = used_in(text[tests:] if match.group(1) and tests >= 0 else text)
            exported = match.group(2).startswith("pub") and is_root

            def keep(leaf: Leaf) -> bool:
                path, alias = leaf
                if path[0] in ("self", "super"):
                    for part in path:
                        if part not in ("self", "super", "*") and part not in modules and part not in defined:
                            return False
                if exported or path[-1] == "*":
                    return True
                shown = alias or (path[-2] if path[-1] == "self" else path[-1])
                return shown == "_" or shown in used or bool(methods.get(shown, set()) & used)
            tree.leaves = [leaf for leaf in tree.leaves if keep(leaf)]
            return tree.declare(match) if tree.leaves else ""
        if is_root:
            text = re.sub(r"(?m)^(?:#\[.*\]\n)?(%smod (\w+);\n)" % VISIBLE,
                          lambda match: match.group(0) if match.group(2) in modules else "", text)
        self.files[name] = USE.sub(prune, text)
        self.pruned[name] = (self.files[name], modules, defined)

    known: Set[str] = frozenset()


# Imported traits of which only the methods are used.
TRAITS = {"Write": {"write_fmt", "write_str"}, "Deref": {"deref"}}


class Uses:
    """The tree of a use declaration, as its leaves: pairs (path, alias)."""

    def __init__(self, text: str) -> None:
        self.tokens = re.findall(r"\w+|::|[{},*]", re.sub(r"//[^\n]*", "", text))
        self.leaves: list[Leaf] = []
        # A path that begins with colons.
        self.rooted = self.tokens[:1] == ["::"]
        self._read([])

    def _read(self, above: list[str]) -> None:
        path = list(above)
        while self.tokens:
            token = self.tokens.pop(0)
            if token == "{":
                while self.tokens[0] != "}":
                    self._read(path)
                    if self.tokens[0] == ",":
                        self.tokens.pop(0)
                self.tokens.pop(0)
                return
            if token == "as":
                self.leaves.append((path, self.tokens.pop(0)))
                return
            if token != "::":
                path.append(token)
            if not self.tokens or self.tokens[0] in (",", "}"):
                self.leaves.append((path, None))
                return

    def write(self) -> str:
        def rank(name: str) -> tuple[int, str]:
            return (0 if name == "self" else 1 if name == "super" else 2 if name == "crate" else 6 if name == "*" else
                    3 if name.islower() else 5 if name.isupper() and len(name) > 1 else 4, name)

        def text(leaves: list[Leaf]) -> str:
            heads: dict[tuple[str, str | None], list[Leaf]] = {}
            for path, alias in leaves:
                heads.setdefault((path[0], alias if len(path) == 1 else None), []).append((path[1:], alias))
            # A module and what is in it.
            for (head, alias), below in list(heads.items()):
                if alias is None and len(below) > 1 and ([], None) in below:
                    below[below.index(([], None))] = (["self"], None)
            parts = []
            for (head, alias), below in sorted(heads.items(), key=lambda one: rank(one[0][0])):
                inner = [one for one in below if one[0]]
                if not inner:
                    parts.append(head + (" as " + alias if alias else ""))
                elif [one[0] for one in inner] == [["self"]]:
                    parts.append(head)
                else:
                    parts.append(head + "::" + text(inner))
            if len(parts) == 1:
                return parts[0]
            return "{\n" + ",\n".join(parts) + ", //\n}"
        return ("::" if self.rooted else "") + text(self.leaves) if self.leaves else ""

    def declare(self, match: re.Match[str]) -> str:
        """The declaration that replaces the one in `match`. rustfmt formats it."""
        return "%s%suse %s;\n" % (match.group(1), match.group(2), self.write().replace("\n", "\n" + match.group(1)))


def with_theirs(text: str, module: str, home: str, globbed: Sequence[str] = ()) -> str:
    """Replace our `module`, and the names in `globbed`, by those of the kernel's `home`."""
    parts = re.split(r"(?m)^(?=mod tests \{)", text)
    for n, part in enumerate(parts):
        names = [name for name in globbed if name in used_in(part)]

        def take(match: re.Match[str], names: list[str] = names) -> str:
            uses = Uses(match.group(3))
            ours = [leaf for leaf in uses.leaves if leaf[0][-2:-1] == [module]]
            names += [path[-1] for path, _ in ours if path[-1] not in names + list(globbed)]
            uses.leaves = [leaf for leaf in uses.leaves if leaf not in ours]
            return uses.declare(match) if uses.leaves else ""

        def give(match: re.Match[str], names: list[str] = names) -> str:
            uses = Uses(match.group(3))
            if uses.leaves[0][0][0] == "crate":
                uses.leaves += [(["crate", *home.split("::"), name], None) for name in names]
                names.clear()
            return uses.declare(match)
        parts[n] = USE.sub(give, USE.sub(take, part))
    return "".join(parts)


def in_tree(name: str, text: str) -> str:
    """A file of kthread/ in the form for the tree."""
    text = text.replace("#[cfg(kthread_kunit)]", "#[cfg(CONFIG_KUNIT)]")
    text = text.replace("bindings::_raw_spin_", "bindings::raw_spin_")
    # The proofs are in the lab only.
    text = re.sub(r"(?m)^ *// ORDERING: .*\n", "", text)
    # The tree has one copy of the folder, and other users of it than modules.
    text = re.sub(r"(?m)^// .*\ba copy of this folder\b.*\n(#!\[cfg_attr\(MODULE, .*\n\n)?", "", text)
    # The tree has a constant for each code.
    text = re.sub(r"(?<=: )super::Completion\b", "crate::sync::Completion", text)
    codes = "(ecanceled|edeadlk|enametoolong)"
    text = re.sub(r"\bok_or_else\(%s\)" % codes, lambda m: "ok_or(%s)" % m.group(1).upper(), text)
    text = re.sub(r"\b%s\(\)" % codes, lambda m: m.group(1).upper(), text)
    text = re.sub(r"(?m)^(use|    use|pub use) kernel::", r"\1 crate::", text)
    lines = text.split("\n")
    out = []
    in_macro = False
    for line in lines:
        in_macro = line.startswith("macro_rules!") or in_macro and not line.startswith("}")
        if not in_macro and not re.match(r"\s*//", line):
            line = re.sub(r"(?<![\w:$])(?:::)?kernel::", "crate::", line)
        out.append(line)
    text = "\n".join(out)
    return text if name == "completion.rs" else with_theirs(text, "completion", "sync", ("Completion",))


def whole() -> dict[str, str]:
    """The files with all patches applied: name -> text."""
    files = {}
    base = os.path.join(TOP, "kthread")
    for folder, _, names in os.walk(base):
        for name in sorted(names):
            # The kernel crate of 7.3 has all error codes.
            if name.endswith(".rs") and name != "errno.rs":
                path = os.path.join(folder, name)
                short = os.path.relpath(path, base)
                files[short] = in_tree(short, read(path))
    return files


def completion(tree: Tree, patch: Patch, lab: str) -> str:
    """The tree's completion.rs, with the missing waits from kthread/completion.rs."""
    text = tree.read("rust/kernel/sync/completion.rs", patch)
    ours = lab.split("\n")
    found = {item.path: "\n".join(ours[item.start:item.end]) for item in items(ours)}
    for path in ("Completion::new", "Completion::as_raw", "Completion::complete_all",
                 "Completion::wait_for_completion", "Completion"):
        found.pop(path)
    methods = [one for path, one in found.items() if path.startswith("Completion::")]
    rest = [one for path, one in found.items() if path in ("at_most", "from_remaining", "tests")]
    uses = re.search(r"(?ms)^use crate::.*?;\n", lab)
    old = re.search(r"(?m)^use crate::\{[^}]*\};\n", text)
    if not uses or not old or "\n    fn as_raw(&self)" not in text or not text.endswith("}\n}\n"):
        raise SeriesError("%s does not apply to %s: rust/kernel/sync/completion.rs is different"
                          % (patch.name, tree.path))
    text = text.replace(old.group(0), uses.group(0))[:-2].rstrip() + "\n\n"
    text += "\n\n".join(methods) + "\n}\n\n" + "\n\n".join(rest) + "\n"
    # Other code may use what the threads need of it.
    return text.replace("    fn as_raw(&self)", "    pub(crate) fn as_raw(&self)").replace("pub(super)", "pub(crate)")


def omitted(tree: Tree) -> list[Patch]:
    """The parts that only the lab needs, or that this tree does not need."""
    found = [Patch(os.path.join(SERIES, name)) for name in sorted(os.listdir(SERIES)) if name.startswith("omit")]
    return [omit for omit in found if not omit.when or omit.when["text"] in tree.read(omit.when["file"], omit)]


class Tree:
    """A kernel tree, which stays unchanged."""

    def __init__(self, path: str) -> None:
        self.path = path
        if not os.path.exists(os.path.join(path, "rust/kernel/lib.rs")):
            raise SeriesError("%s is not a kernel tree with Rust: rust/kernel/lib.rs is missing" % path)
        for own in "rust/kernel/kthread", "rust/kernel/kthread.rs":
            if os.path.exists(os.path.join(path, own)):
                raise SeriesError("%s already has %s: name another tree with KERNEL_SRC=" % (path, own))

    def read(self, name: str, patch: Patch) -> str:
        try:
            return read(os.path.join(self.path, name))
        except FileNotFoundError:
            raise SeriesError("%s does not apply to %s: %s is not there" % (patch.name, self.path, name)) from None


def states(tree: Tree, series: list[Patch]) -> list[dict[str, str]]:
    """For each patch the files once it is applied: path in the tree -> text."""
    files = whole()
    if "pub struct Read;" in tree.read("rust/kernel/sync/barrier.rs", series[0]):
        files = {name: with_theirs(text, "barrier", "sync::barrier") for name, text in files.items()
                 if name != "barrier.rs"}
    lab_completion = files.pop("completion.rs")
    state = State(files)
    State.known = state.defined()
    for omit in omitted(tree):
        state.take_back(omit)
    everything = state.defined(public=True)
    threads = []
    for patch in reversed(series):
        threads.append(dict(state.files))
        state.take_back(patch)
    threads.reverse()
    if state.files:
        raise SeriesError("no patch brings %s" % ", ".join(sorted(state.files)))

    made = []
    others = {}
    has_completion = False
    for n, (patch, kthread) in enumerate(zip(series, threads, strict=True)):
        for name in patch.tree:
            others[name] = read(os.path.join(SERIES, "tree", name))
        for name in patch.samples:
            others["samples/rust/rust_" + name] = sample(name[:-3], read(os.path.join(TOP, "samples", name)))
        for table in patch.insert:
            name, line = table["file"], table.get("after") or table["before"]
            text = others.get(name) or tree.read(name, patch)
            if text.count("\n" + line + "\n") != 1:
                raise SeriesError("%s does not apply to %s: %s has no line '%s', or several"
                                  % (patch.name, tree.path, name, line))
            new = line + "\n" + table["text"] if "after" in table else table["text"] + line + "\n"
            others[name] = text.replace("\n" + line + "\n", "\n" + new)
        name = "rust/kernel/sync/completion.rs"
        if "completion.rs" in patch.files:
            tree.read(name, patch)
            has_completion = True
        if has_completion:
            waits = State({"completion.rs": lab_completion})
            for later in series[n + 1:]:
                for where in later.items:
                    if where.startswith("completion.rs: "):
                        waits.remove_item(where)
            others[name] = completion(tree, patch, waits.files["completion.rs"])
        exported = set()
        for match in USE.finditer(kthread.get("mod.rs", "")):
            exported |= {path[-1] for path, _ in Uses(match.group(3)).leaves}
        both = {**others, **{"rust/kernel/kthread/" + one: text for one, text in kthread.items()}}
        missing = everything - State(kthread).defined() if kthread else everything
        made.append({one: with_uses(without_missing(text, missing), exported)
                     if one.startswith("rust/kernel/kthread/") or one == "rust/kernel/sync/completion.rs" else text
                     for one, text in both.items()})
    return made


# Macros that are in scope in a module of the lab.
MACROS = {"impl_has_slot", "impl_has_work_field", "threaded_module"}


def sample(name: str, text: str) -> str:
    """A sample in the form for the tree."""
    text = re.sub(r'(?m)^#\[path = "\.\./kthread/mod\.rs"\]\nmod kthread;\n\n', "", text)
    text = text.replace('name: "%s"' % name, 'name: "rust_%s"' % name).replace(
        "The rust_kthread_demo authors", "Rust for Linux Contributors")
    found = [match for match in USE.finditer(text) if not match.group(1)]
    leaves = []
    for match in found:
        for path, alias in Uses(match.group(3)).leaves:
            if path[0] == "kthread":
                path = ["kernel", "sync", "Completion"] if path[-1] == "Completion" else ["kernel", *path]
            leaves.append((path, alias))
    if "kthread::" in USE.sub("", text):
        leaves.append((["kernel", "kthread"], None))
    for macro in sorted(MACROS):
        if re.search(r"(?m)^%s!" % macro, text):
            leaves.append((["kernel", "kthread", macro], None))
    use = Uses("")
    use.leaves = leaves
    return text[:found[0].start()] + "use " + use.write() + ";\n" + text[found[-1].end():]


# The names that examples use, and their modules.
EXAMPLES = {
    "ARef": "sync::aref", "Arc": "sync", "Atomic": "sync::atomic", "Bound": "device", "Completion": "sync",
    "Core": "device", "CpuId": "cpu", "Cpumask": "cpumask", "CpumaskVar": "cpumask", "Delta": "time",
    "Device": "device", "MmWithUser": "mm", "Mutex": "sync", "Relaxed": "sync::atomic", "SetOnce": "sync",
    "UserPtr": "uaccess", "UserSlice": "uaccess", "bindings": "", "fmt": "", "kthread": "",
    "msecs_to_jiffies": "time", "platform": "",
}


def without_missing(text: str, missing: Set[str]) -> str:
    """The text without links to missing items, and without the examples that use them."""
    def example(match: re.Match[str]) -> str:
        return "" if uses_any(re.sub(r"(?m)^ *//[/!] ?", "", match.group(2)), missing) else match.group(0)
    text = EXAMPLE.sub(example, text)
    # Remove headings without examples, and repeated blank lines.
    text = re.sub(r"(?m)^( *//[/!]) # Examples\n\1\n(?!\1 )", "", text)
    text = re.sub(r"(?m)^( *//[/!])\n(?:\1\n)+", r"\1\n", text)
    text = re.sub(r"(?m)^( *//[/!])\n(?=(?! *//[/!]))", "", text)

    gone = set()

    def definition(match: re.Match[str]) -> str:
        if set(WORD.findall(match.group(2))) & missing:
            gone.add(match.group(1))
            return ""
        return match.group(0)
    text = re.sub(r"(?m)^ *//[/!] \[([^\]]+)\]: (\S+)\n", definition, text)

    def link(match: re.Match[str]) -> str:
        label, target = match.group(1), match.group(2)
        names = set(WORD.findall(target if target else label if label.startswith("`") else ""))
        return label if names & missing or not target and label in gone else match.group(0)
    return re.sub(r"(?<!#)\[([^\]\[]+)\](?:\(((?!srctree)[^)\s]*)\))?(?!:)",
                  lambda match: link(match) if "//" in text[text.rfind("\n", 0, match.start()) + 1:match.start()] else
                  match.group(0), text)


def with_uses(text: str, exported: Set[str]) -> str:
    """Add hidden `use` lines to each example, as it is a test in the tree."""
    names = dict(EXAMPLES, **dict.fromkeys(exported, "kthread"))

    def change(match: re.Match[str]) -> str:
        lead, body = match.group(1), match.group(2)
        code = re.sub(r"(?m)^ *//[/!] ?(?:# )?", "", body)
        if re.search(r"(?m)^threaded_module!", code):
            # A test is not able to define a module.
            return lead + "```ignore\n" + body + lead + "```\n"
        said = set(WORD.findall(" ".join(re.findall(r"(?s)\buse [^;]*;", code))))
        own = {m.group(3) for m in map(ITEM.match, code.split("\n")) if m}
        bare = re.sub(r"(?s)\buse [^;]*;", "", re.sub(r"(?m)//.*$", "", re.sub(r'"(?:[^"\\]|\\.)*"', '""', code)))
        used = {name for name in re.findall(r"(?<![:.\w])\w+", bare)
                if name in names and name not in said | own and (name[0].isupper() or name in exported or
                                                                re.search(r"(?<![:.\w])%s(::|\()" % name, bare))}
        homes: dict[str, list[str]] = {}
        for name in used:
            homes.setdefault(names[name], []).append(name)
        lines = ""
        for home, found in sorted(homes.items()):
            found.sort(key=lambda name: (not name.islower(), name))
            path = "kernel::" + (home + "::" if home else "")
            lines += "%s# use %s%s;\n" % (lead, path, found[0] if len(found) == 1 else "{%s}" % ", ".join(found))
        return lead + "```\n" + lines + body + lead + "```\n"
    return EXAMPLE.sub(change, text)


def put(base: str, files: dict[str, str]) -> None:
    """Write `files` below `base`. Unchanged files keep their mtime."""
    for name, text in files.items():
        path = os.path.join(base, name)
        if not os.path.islink(path) and os.path.exists(path) and read(path) == text:
            continue
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path + ".new", "w", encoding="utf-8") as f:
            f.write(text)
        os.replace(path + ".new", path)


def take_away(base: str, tree: Tree, names: Iterable[str]) -> None:
    """Replace the files `names` below `base` by links to those of the tree, or remove them."""
    for name in names:
        path, theirs = os.path.join(base, name), os.path.join(tree.path, name)
        if os.path.lexists(path):
            os.remove(path)
        if os.path.exists(theirs):
            os.symlink(theirs, path)


def formatted(states_: list[dict[str, str]], tree: Tree) -> list[dict[str, str]]:
    """The same, formatted with $RUSTFMT and the tree's rules. A build does not set $RUSTFMT."""
    rustfmt = os.environ.get("RUSTFMT")
    if not rustfmt:
        return states_
    done = {}
    out = []
    with tempfile.TemporaryDirectory() as place:
        jobs = sorted({text for state in states_ for name, text in state.items() if name.endswith(".rs")})
        paths = []
        for n, text in enumerate(jobs):
            path = os.path.join(place, "%d.rs" % n)
            with open(path, "w", encoding="utf-8") as f:
                # rustfmt would look for the files of modules.
                f.write(re.sub(r"(?m)^(%smod) (\w+);$" % VISIBLE, r"\1 \2 {}", text))
            paths.append(path)
        if paths:
            end = subprocess.run([rustfmt, "--edition", "2021", "--config-path", os.path.join(tree.path, ".rustfmt.toml"),
                                  *paths], stderr=subprocess.PIPE, text=True, check=False)
            if end.returncode:
                raise SeriesError("rustfmt: " + end.stderr)
        for text, path in zip(jobs, paths, strict=True):
            done[text] = re.sub(r"(?m)^(%smod) (\w+) \{\}$" % VISIBLE, r"\1 \2;", read(path))
    for state in states_:
        out.append({name: done.get(text, text) for name, text in state.items()})
    return out


class Git:
    """A repository of the files that the series touches, configured with the author's name only."""

    def __init__(self, place: str) -> None:
        if not shutil.which("git"):
            raise SeriesError("there is no git: make patches installs it")
        self.place = place
        self.author = [self._said("user.name", "Your Name"), self._said("user.email", "you@example.org")]
        self.environment = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
        for who in "AUTHOR", "COMMITTER":
            self.environment["GIT_%s_NAME" % who], self.environment["GIT_%s_EMAIL" % who] = self.author

    @staticmethod
    def _said(key: str, default: str) -> str:
        end = subprocess.run(["git", "config", key], stdout=subprocess.PIPE, text=True, check=False)
        return end.stdout.strip() or default

    def run(self, *args: str, text: str | None = None) -> None:
        end = subprocess.run(["git", "-C", self.place, *args], input=text, text=True, check=False, env=self.environment,
                             stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        if end.returncode:
            raise SeriesError("git %s: %s" % (args[0], end.stderr.strip()))


def write_patches(tree: Tree, series: list[Patch], made: list[dict[str, str]], where: str) -> None:
    with tempfile.TemporaryDirectory() as place:
        git = Git(place)
        made = [{name: text.replace("@AUTHOR@", "%s <%s>" % tuple(git.author)) for name, text in state.items()}
                for state in made]
        git.run("init", "-q", "-b", "base")
        touched = sorted({name for state in made for name in state if os.path.exists(os.path.join(tree.path, name))})
        put(place, {name: read(os.path.join(tree.path, name)) for name in touched})
        git.run("add", "-A")
        git.run("commit", "-q", "-m", "base")
        git.run("checkout", "-q", "-b", "series")
        for patch, state in zip(series, made, strict=True):
            put(place, state)
            git.run("add", "-A")
            git.run("commit", "-q", "-s", "-F", "-", text="%s\n\n%s\n" % (patch.subject, patch.body))
        git.run("config", "branch.series.description", cover(made))
        os.makedirs(where, exist_ok=True)
        for name in os.listdir(where):
            if name.endswith(".patch"):
                os.remove(os.path.join(where, name))
        git.run("format-patch", "-q", "--cover-letter", "--cover-from-description=subject", "-o",
                os.path.abspath(where), "base..series")


def cover(made: list[dict[str, str]]) -> str:
    """The cover letter, with its figures."""
    with open(os.path.join(TOP, "docs", "users.tsv"), encoding="utf-8") as f:
        verdicts = [line.split("\t")[3] for line in f][1:]
    safe = sum(verdict in ("Y", "R") for verdict in verdicts)
    figures = {
        "USERS": len(verdicts), "SAFE": safe, "PERCENT": "%.1f %%" % (100 * safe / len(verdicts)),
        "OTHER": verdicts.count("R"),
        "TESTS": sum(text.count("    #[test]\n") for text in made[-1].values()),
    }
    return re.sub("@([A-Z]+)@", lambda match: str(figures[match.group(1)]), read(os.path.join(SERIES, "cover")))


def main(argv: list[str]) -> None:
    if len(argv) < 3 or argv[1] not in ("list", "check", "write", "patches"):
        sys.exit(__doc__.split("\n\n")[1])
    tree = Tree(argv[2])
    series = patches(tree)
    if argv[1] == "list":
        for patch in series:
            print(patch.name)
        return
    made = states(tree, series)
    if argv[1] == "check":
        return
    if argv[1] == "write":
        count = int(argv[4]) if len(argv) > 4 else len(series)
        state = formatted([made[count - 1]], tree)[0]
        put(argv[3], state)
        ours = {os.path.relpath(os.path.join(folder, name), argv[3])
                for folder, _, names in os.walk(os.path.join(argv[3], "rust/kernel/kthread")) for name in names}
        take_away(argv[3], tree, (set(made[-1]) | ours) - set(state))
    else:
        write_patches(tree, series, formatted(made, tree), argv[3])


if __name__ == "__main__":
    try:
        main(sys.argv)
    except SeriesError as e:
        sys.exit("series.py: %s" % e)
