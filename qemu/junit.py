# SPDX-License-Identifier: GPL-2.0
"""The report for CI systems, as JUnit's XML."""

import os
import tempfile
import xml.etree.ElementTree as ET
from dataclasses import dataclass

from qemu import ktap, lab, output, verdict


@dataclass(frozen=True)
class Suite:
    """A test with its results."""

    name: str
    failures: list[verdict.Failure]
    result: ktap.Result | None
    seconds: float | None = None  # that it took


def check(path: str) -> None:
    """Check before the tests that the report is writable."""
    if os.path.isdir(path) or not os.access(os.path.dirname(os.path.abspath(path)), os.W_OK):
        raise verdict.SetupError("JUNIT=%s: no file can be made there" % path)


def _clean(text: str) -> str:
    return output.printable(text.replace("\n", " ")).encode("utf-8", "backslashreplace").decode()


def _add(parent: ET.Element, suite: Suite) -> ET.Element:
    # Each failed result has a failure; the harness's own findings belong to the test itself.
    leaves = [leaf for child in suite.result.children for leaf in child.leaves()] if suite.result else []
    found = [f for f in suite.failures if f.kind != "test" or not any(not leaf.ok and not leaf.skipped
                                                                     for leaf in leaves)]
    # Each test has its own case.
    whole = bool(found) or not leaves
    bad = sum(not leaf.ok and not leaf.skipped for leaf in leaves) + bool(found)
    skipped = sum(leaf.skipped for leaf in leaves) + (whole and not found and suite.result is not None
                                                      and suite.result.skipped)
    element = ET.SubElement(parent, "testsuite", name=_clean(suite.name), tests=str(len(leaves) + whole),
                            failures=str(bad), errors="0", skipped=str(int(skipped)))
    if suite.seconds is not None:
        element.set("time", "%.3f" % suite.seconds)
    for leaf in leaves:
        case = ET.SubElement(element, "testcase", classname=_clean(suite.name), name=_clean(leaf.name))
        if leaf.skipped:
            ET.SubElement(case, "skipped", message=_clean(leaf.reason))
        elif not leaf.ok:
            ET.SubElement(case, "failure", message=_clean(leaf.reason or "not ok"))
    if whole:
        case = ET.SubElement(element, "testcase", classname=_clean(suite.name), name=_clean(suite.name))
        for failure in found[:1]:
            ET.SubElement(case, "failure", type=failure.kind, message=_clean(failure.text)).text = _clean(
                "; ".join(f.text for f in found))
        if suite.result and skipped and not found:
            ET.SubElement(case, "skipped", message=_clean(suite.result.reason))
    return element


def write(path: str, suites: list[Suite]) -> None:
    """Write the report, complete or not at all."""
    top = ET.Element("testsuites", name=lab.MODULE)
    for suite in suites:
        _add(top, suite)
    for key in ("tests", "failures", "errors", "skipped"):
        top.set(key, str(sum(int(element.get(key, "0")) for element in top)))
    try:
        part, name = tempfile.mkstemp(prefix=".junit", dir=os.path.dirname(os.path.abspath(path)))
        try:
            with open(part, "wb") as f:
                ET.ElementTree(top).write(f, encoding="utf-8", xml_declaration=True)
            os.chmod(name, 0o644)
            os.replace(name, path)
        except BaseException:
            os.unlink(name)
            raise
    except OSError as e:
        output.lost.append("%s: %s" % (path, e.strerror))
