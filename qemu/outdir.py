# SPDX-License-Identifier: GPL-2.0
"""Unpack the guest's /out, an untrusted archive, into a directory of the host."""

import os
import shutil
import tarfile
import tempfile

from qemu.verdict import Failure, SetupError


class OutDir:
    def __init__(self, path: str) -> None:
        self.path = path
        try:
            os.makedirs(path, exist_ok=True)
            with tempfile.TemporaryFile(dir=path):
                pass
        except OSError as e:
            raise SetupError("OUT: nothing can be written to '%s': %s" % (path, e.strerror)) from None
        self.left_out: list[tuple[str, str]] = []  # what is there in the guest and will not be here, with the reason
        self.files = 0

    def fill(self, archive: str, most: int) -> Failure | None:
        """Unpack at most so many bytes. All of it comes before any of it replaces what was there.

        Returns a failure or None."""
        try:
            with tempfile.TemporaryDirectory(prefix=".new-", dir=self.path) as new:
                self._unpack(archive, new, most)
                self._merge(new, self.path)
        except (tarfile.TarError, OSError, ValueError) as e:
            return Failure("out", "what the guest left in /out did not get to %s: %s" % (self.path, e))
        return None

    def _unpack(self, archive: str, new: str, most: int) -> None:
        links = []
        with tarfile.open(archive, "r:", encoding="utf-8", errors="surrogateescape") as tar:
            for member in tar:
                parts = [part for part in member.name.split("/") if part not in ("", ".")]
                if not parts:
                    continue
                if member.name.startswith("/") or ".." in parts:
                    self.left_out.append((member.name, "a path out of /out"))
                    continue
                target = os.path.join(new, *parts)
                if member.isdir():
                    os.makedirs(target, exist_ok=True)
                    continue
                os.makedirs(os.path.dirname(target), exist_ok=True)
                if member.isreg():
                    most -= member.size
                    if most < 0:
                        raise ValueError("it is more than the guest has memory (has it a file with holes?)")
                    data = tar.extractfile(member)
                    assert data is not None  # as it is a regular file
                    with data, open(target, "xb") as copy:
                        shutil.copyfileobj(data, copy)
                    os.chmod(target, member.mode & 0o777 | 0o600)
                    os.utime(target, (member.mtime, member.mtime))
                    self.files += 1
                elif member.islnk() or member.issym():
                    links.append((member, target))
                else:
                    self.left_out.append((member.name, "neither a file nor a directory"))
        # Nothing is unpacked through a link, since these come last. One without `..` stays where it is.
        for member, target in links:
            if member.linkname.startswith("/") and member.issym() or ".." in member.linkname.split("/"):
                self.left_out.append((member.name, "a link out of /out"))
            elif member.issym():
                os.symlink(member.linkname, target)
            else:
                source = os.path.join(new, *member.linkname.split("/"))
                if os.path.islink(source) or not os.path.isfile(source):
                    raise ValueError("a hard link to what is no file: '%s'" % member.linkname)
                os.link(source, target)
                self.files += 1

    def _merge(self, new: str, place: str) -> None:
        for entry in sorted(os.scandir(new), key=lambda entry: entry.name):
            target = os.path.join(place, entry.name)
            if not entry.is_dir(follow_symlinks=False):
                os.replace(entry.path, target)
            elif os.path.islink(target):
                raise ValueError("%s is a link, which is not followed" % target)
            else:
                os.makedirs(target, exist_ok=True)
                self._merge(entry.path, target)
