#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Run by outdir.sh: archives of a hostile guest."""

import io
import os
import sys
import tarfile
import tempfile
from typing import NamedTuple

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
sys.path.insert(0, TOP)

from qemu import ktap, outdir  # noqa: E402

MOST = 1 << 20

# What is in an archive, with its contents.
Member = tuple[tarfile.TarInfo, bytes]


class Case(NamedTuple):
    """An archive, as members or as it is, and what OUT holds then, or whether it fails."""

    name: str
    items: list[Member] | bytes
    wanted: dict[str, str]
    fails: bool


def item(name: str, kind: bytes = tarfile.REGTYPE, data: bytes = b"evil", link: str = "", mode: int = 0o644,
         size: int | None = None) -> Member:
    member = tarfile.TarInfo(name)
    member.type = kind
    member.linkname = link
    member.mode = mode
    member.size = (len(data) if kind == tarfile.REGTYPE else 0) if size is None else size
    return member, data


def archive(path: str, items: list[Member]) -> None:
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as tar:
        for member, data in items:
            tar.addfile(member, io.BytesIO(data) if member.isreg() else None)


def tree(top: str) -> dict[str, str]:
    """The files in a directory: names with contents or link targets."""
    found = {}
    for place, dirs, files in os.walk(top):
        for name in dirs + files:
            path = os.path.join(place, name)
            if os.path.islink(path):
                found[os.path.relpath(path, top)] = "-> " + os.readlink(path)
            elif os.path.isfile(path):
                with open(path, "rb") as f:
                    found[os.path.relpath(path, top)] = f.read().decode()
            else:
                found[os.path.relpath(path, top)] = "/" if os.path.isdir(path) else "?"
    return found


LINK, HARD = tarfile.SYMTYPE, tarfile.LNKTYPE
HONEST = item("honest", data=b"fine")

# OUT has a link `away` to its neighbour at first.
CASES = [
    Case("an absolute path", [item("/tmp/../outside/f"), HONEST], {"honest": "fine"}, False),
    Case("a path upwards", [item("../outside/f"), item("d/../../outside/f"), HONEST], {"honest": "fine"}, False),
    Case("an absolute link", [item("l", LINK, link="/etc"), HONEST], {"honest": "fine"}, False),
    Case("a link upwards", [item("l", LINK, link="../outside"), HONEST], {"honest": "fine"}, False),
    Case("a link upwards through another", [item("d", LINK, link="."), item("l", LINK, link="d/../outside"), HONEST],
     {"honest": "fine", "d": "-> ."}, False),
    Case("a file through a link", [item("l", LINK, link="/etc"), item("l/f"), HONEST],
     {"honest": "fine", "l": "/", "l/f": "evil"}, False),
    Case("a file in place of a link", [item("l", LINK, link="honest"), item("l"), HONEST], {}, True),
    Case("a hard link upwards", [item("l", HARD, link="../outside/secret"), HONEST], {"honest": "fine"}, False),
    Case("a hard link to an absolute path", [item("l", HARD, link="/etc/passwd"), HONEST], {}, True),
    Case("a hard link to a link", [item("s", LINK, link="honest"), item("l", HARD, link="s"), HONEST], {}, True),
    Case("devices and pipes", [item("c", tarfile.CHRTYPE), item("b", tarfile.BLKTYPE), item("p", tarfile.FIFOTYPE), HONEST],
     {"honest": "fine"}, False),
    Case("a directory where a link is here", [item("away/f"), HONEST], {}, True),
    Case("a file where a link is here", [item("away"), HONEST], {"away": "evil", "honest": "fine"}, False),
    Case("a link where a link is here", [item("away", LINK, link="honest"), HONEST],
     {"away": "-> honest", "honest": "fine"}, False),
    Case("a file where a directory is here", [item("dir"), HONEST], {}, True),
    Case("bits for another user's rights", [item("s", mode=0o6755)], {"s": "evil"}, False),
    Case("more than the guest can hold", [item("big", data=b"x" * (MOST + 1)), HONEST], {}, True),
    Case("a name of control characters", [item("\x1b[2J\n"), HONEST], {"\x1b[2J\n": "evil", "honest": "fine"}, False),
    Case("the directory itself", [item(".", tarfile.DIRTYPE, mode=0), item("./"), HONEST], {"honest": "fine"}, False),
    Case("the same file twice", [item("f", data=b"1"), item("f", data=b"2")], {}, True),
]


def judge(case: Case) -> str | None:
    """The fault of the result, or None."""
    with tempfile.TemporaryDirectory() as work:
        out = os.path.join(work, "out")
        os.makedirs(os.path.join(out, "dir"))
        os.mkdir(os.path.join(work, "outside"))
        with open(os.path.join(work, "outside", "secret"), "w") as f:
            f.write("secret")
        os.symlink("../outside", os.path.join(out, "away"))
        path = os.path.join(work, "tar")
        if isinstance(case.items, bytes):
            with open(path, "wb") as f:
                f.write(case.items)
        else:
            archive(path, case.items)
        failure = outdir.OutDir(out).fill(path, MOST)
        if bool(failure) != case.fails:
            return "failure: %s" % failure
        if tree(os.path.join(work, "outside")) != {"secret": "secret"}:
            return "outside is %s" % tree(os.path.join(work, "outside"))
        found = tree(out)
        if found != {"dir": "/", "away": "-> ../outside", **case.wanted}:
            return "there is %s" % found
        for name in case.wanted:
            mode = os.lstat(os.path.join(out, name)).st_mode
            if mode & 0o7000:
                return "the mode of %r is %o" % (name, mode)
    return None


def main() -> int:
    cut = io.BytesIO()
    with tarfile.open(fileobj=cut, mode="w") as tar:
        member, data = item("f", data=b"x" * 5000)
        tar.addfile(member, io.BytesIO(data))
    cases = [*CASES, Case("an archive that was cut", cut.getvalue()[:2000], {}, True),
             Case("no archive", b"\0" * 511 + b"x" * 600, {}, True),
             Case("nothing", b"", {}, True)]
    report = ktap.Printer(len(cases))
    for case in cases:
        wrong = judge(case)
        report.result(case.name, [ascii(wrong)] if wrong else [])
    return report.status


if __name__ == "__main__":
    sys.exit(main())
