#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Run by outdir.sh: archives of a hostile guest."""

import io
import os
import sys
import tarfile
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "..", "qemu"))

import outdir  # noqa: E402

MOST = 1 << 20


def item(name, kind=tarfile.REGTYPE, data=b"evil", link="", mode=0o644, size=None):
    member = tarfile.TarInfo(name)
    member.type = kind
    member.linkname = link
    member.mode = mode
    member.size = (len(data) if kind == tarfile.REGTYPE else 0) if size is None else size
    return member, data


def archive(path, items):
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as tar:
        for member, data in items:
            tar.addfile(member, io.BytesIO(data) if member.isreg() else None)


def tree(top):
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

# name, items, what OUT holds then, whether it fails. OUT has a link `away` to its neighbour at first.
CASES = [
    ("an absolute path", [item("/tmp/../outside/f"), HONEST], {"honest": "fine"}, False),
    ("a path upwards", [item("../outside/f"), item("d/../../outside/f"), HONEST], {"honest": "fine"}, False),
    ("an absolute link", [item("l", LINK, link="/etc"), HONEST], {"honest": "fine"}, False),
    ("a link upwards", [item("l", LINK, link="../outside"), HONEST], {"honest": "fine"}, False),
    ("a link upwards through another", [item("d", LINK, link="."), item("l", LINK, link="d/../outside"), HONEST],
     {"honest": "fine", "d": "-> ."}, False),
    ("a file through a link", [item("l", LINK, link="/etc"), item("l/f"), HONEST],
     {"honest": "fine", "l": "/", "l/f": "evil"}, False),
    ("a file in place of a link", [item("l", LINK, link="honest"), item("l"), HONEST], {}, True),
    ("a hard link upwards", [item("l", HARD, link="../outside/secret"), HONEST], {"honest": "fine"}, False),
    ("a hard link to an absolute path", [item("l", HARD, link="/etc/passwd"), HONEST], {}, True),
    ("a hard link to a link", [item("s", LINK, link="honest"), item("l", HARD, link="s"), HONEST], {}, True),
    ("devices and pipes", [item("c", tarfile.CHRTYPE), item("b", tarfile.BLKTYPE), item("p", tarfile.FIFOTYPE), HONEST],
     {"honest": "fine"}, False),
    ("a directory where a link is here", [item("away/f"), HONEST], {}, True),
    ("a file where a link is here", [item("away"), HONEST], {"away": "evil", "honest": "fine"}, False),
    ("a link where a link is here", [item("away", LINK, link="honest"), HONEST],
     {"away": "-> honest", "honest": "fine"}, False),
    ("a file where a directory is here", [item("dir"), HONEST], {}, True),
    ("bits for another user's rights", [item("s", mode=0o6755)], {"s": "evil"}, False),
    ("more than the guest can hold", [item("big", data=b"x" * (MOST + 1)), HONEST], {}, True),
    ("a name of control characters", [item("\x1b[2J\n"), HONEST], {"\x1b[2J\n": "evil", "honest": "fine"}, False),
    ("the directory itself", [item(".", tarfile.DIRTYPE, mode=0), item("./"), HONEST], {"honest": "fine"}, False),
    ("the same file twice", [item("f", data=b"1"), item("f", data=b"2")], {}, True),
]


def judge(items, wanted, fails):
    """The fault of the result, or None. `items` may be the raw bytes of an archive."""
    with tempfile.TemporaryDirectory() as work:
        out = os.path.join(work, "out")
        os.makedirs(os.path.join(out, "dir"))
        os.mkdir(os.path.join(work, "outside"))
        with open(os.path.join(work, "outside", "secret"), "w") as f:
            f.write("secret")
        os.symlink("../outside", os.path.join(out, "away"))
        path = os.path.join(work, "tar")
        if isinstance(items, bytes):
            with open(path, "wb") as f:
                f.write(items)
        else:
            archive(path, items)
        failure = outdir.OutDir(out).fill(path, MOST)
        if bool(failure) != fails:
            return "failure: %s" % failure
        if tree(os.path.join(work, "outside")) != {"secret": "secret"}:
            return "outside is %s" % tree(os.path.join(work, "outside"))
        found = tree(out)
        if found != {"dir": "/", "away": "-> ../outside", **wanted}:
            return "there is %s" % found
        for name in wanted:
            mode = os.lstat(os.path.join(out, name)).st_mode
            if mode & 0o7000:
                return "the mode of %r is %o" % (name, mode)
    return None


def main():
    cut = io.BytesIO()
    with tarfile.open(fileobj=cut, mode="w") as tar:
        member, data = item("f", data=b"x" * 5000)
        tar.addfile(member, io.BytesIO(data))
    cases = CASES + [("an archive that was cut", cut.getvalue()[:2000], {}, True),
                     ("no archive", b"\0" * 511 + b"x" * 600, {}, True),
                     ("nothing", b"", {}, True)]
    print("KTAP version 1\n1..%d" % len(cases))
    failed = 0
    for number, (name, *case) in enumerate(cases, 1):
        wrong = judge(*case)
        failed += bool(wrong)
        print("%s %d %s" % ("not ok" if wrong else "ok", number, name))
        if wrong:
            print("# " + ascii(wrong))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
