#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Check files against .editorconfig, and print the violations.

usage: check-editorconfig.py FILE...
"""

import os
import sys
from collections.abc import Iterator

import editorconfig


def faults(data: bytes, rules: dict[str, str]) -> Iterator[tuple[int, str]]:
    """Yields (line, fault) for the contents of one file."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as e:
        yield data[:e.start].count(b"\n") + 1, "is not UTF-8"
        return
    if text and not text.endswith("\n") and rules.get("insert_final_newline") == "true":
        yield text.count("\n") + 1, "has no newline at the end"
    for number, line in enumerate(text.split("\n"), 1):
        if line.endswith("\r"):
            yield number, "ends with a carriage return"
        elif line != line.rstrip() and rules.get("trim_trailing_whitespace") == "true":
            yield number, "has trailing whitespace"
        if line.startswith("\t") and rules.get("indent_style") == "space":
            yield number, "is indented with a tab"
        elif line.startswith(" " * 8) and rules.get("indent_style") == "tab":
            yield number, "is indented with spaces"


status = 0
for name in sys.argv[1:]:
    with open(name, "rb") as file:
        contents = file.read()
    for where, what in faults(contents, editorconfig.get_properties(os.path.abspath(name))):
        print("%s:%d: %s" % (name, where, what))
        status = 1
sys.exit(status)
