#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Draw the screen of "make watch" after some keys as an SVG. Needs tmux.

usage: screenshot.py KERNEL FILE.svg
"""

import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
import xml.sax.saxutils
from collections.abc import Iterator

TOP = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
COLUMNS, LINES = 80, 24
# The keys, each with the text that has to appear before the next one.
KEYS = (("", r"^ w3 +running"), ("j", r"^>w1 "), ("wwwwwwww", r"^>w1 .* 8 +8 "), ("j", r"^>w2 "), ("p", r"^>w2 +parked"),
        ("b", r"^>w4 +running .* [1-9]\d* +\w"), ("c", r"^>w5 +created"), ("k", r"^>w4 "), ("kk", r"^>w2 "),
        ("w", r"EBUSY"), ("u", r"parked -> running"), ("ww", r"^>w2 .* 2 +2 "))
PATIENCE = 200  # seconds
WIDTH, HEIGHT, MARGIN = 8.4, 17, 10  # of a character, and around all of them
BACK, FORE = "#16191d", "#d6dbe0"
STYLE = re.compile(r"\x1b\[([0-9;]*)m")


class Terminal:
    def __init__(self, socket: str, command: str) -> None:
        self.socket = socket
        self._tmux("new-session", "-d", "-s", "shot", "-x", str(COLUMNS), "-y", str(LINES), command)

    def _tmux(self, *words: str) -> str:
        return subprocess.run(["tmux", "-f", "/dev/null", "-S", self.socket, *words], check=True, text=True,
                              stdout=subprocess.PIPE).stdout

    def screen(self, *options: str) -> str:
        return self._tmux("capture-pane", "-p", *options, "-t", "shot")

    def type(self, keys: str) -> None:
        for key in keys:
            self._tmux("send-keys", "-t", "shot", key)

    def wait(self, pattern: str) -> None:
        end = time.monotonic() + PATIENCE
        while not re.search(pattern, self.screen(), re.M):
            if time.monotonic() > end:
                raise SystemExit("screenshot.py: %s was not seen:\n%s" % (pattern, self.screen()))
            time.sleep(0.1)

    def close(self) -> None:
        self._tmux("kill-server")


def runs(line: str) -> Iterator[tuple[str, bool, bool]]:
    """The pieces of a line: text, whether bold, whether reversed."""
    bold = reverse = False
    pieces = STYLE.split(line)
    for n, piece in enumerate(pieces):
        if n % 2 == 0:
            if piece:
                yield piece, bold, reverse
            continue
        for code in piece.split(";"):
            if code in ("", "0"):
                bold = reverse = False
            elif code == "1":
                bold = True
            elif code == "7":
                reverse = True


def svg(screen: str) -> str:
    width, height = COLUMNS * WIDTH + 2 * MARGIN, LINES * HEIGHT + 2 * MARGIN
    out = ['<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d">' % ((width, height) * 2),
           '<rect width="100%%" height="100%%" rx="6" fill="%s"/>' % BACK,
           '<g font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" font-size="14">']
    for row, line in enumerate(screen.split("\n")[:LINES]):
        column = 0
        for text, bold, reverse in runs(line):
            x, y, length = MARGIN + column * WIDTH, MARGIN + row * HEIGHT, len(text) * WIDTH
            column += len(text)
            if reverse:
                out.append('<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="%s"/>' % (x, y, length, HEIGHT, FORE))
            if text.strip():
                out.append('<text x="%.1f" y="%d" textLength="%.1f" fill="%s"%s>%s</text>' %
                           (x, y + HEIGHT - 4, length, BACK if reverse else FORE, ' font-weight="bold"' if bold else "",
                            xml.sax.saxutils.escape(text).replace(" ", "&#160;")))
    return "\n".join([*out, "</g>", "</svg>", ""])


def main(kernel: str, path: str) -> None:
    with tempfile.TemporaryDirectory() as place:
        terminal = Terminal(os.path.join(place, "socket"), "cd %s && exec make watch KERNEL=%s" %
                            (shlex.quote(TOP), shlex.quote(kernel)))
        try:
            for keys, pattern in KEYS:
                terminal.type(keys)
                terminal.wait(pattern)
            screen = terminal.screen("-e")
        finally:
            terminal.close()
    with open(path, "w", encoding="ascii") as f:
        f.write(svg(screen))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__.strip().split("\n\n")[1])
    main(*sys.argv[1:])
