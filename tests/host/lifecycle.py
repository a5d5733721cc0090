# SPDX-License-Identifier: GPL-2.0
"""Use the page of a thread's life in a browser without a screen: point at it, zoom, press keys.

usage: lifecycle.py BROWSER PAGE DIR

Prints KTAP. The browser is driven over its debugging pipe; DIR is for its profile.
"""

import fcntl
import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
sys.path.insert(0, TOP)

from qemu import ktap  # noqa: E402

LIMIT = 60  # seconds to wait for anything


def high(fd: int) -> int:
    """The same file at a descriptor above those that the browser uses."""
    other = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10)
    os.close(fd)
    return other


class Browser:
    """A browser with one page."""

    def __init__(self, program: str, profile: str) -> None:
        # The browser needs them as descriptors 3 and 4, so move them elsewhere here.
        take, self.give, self.take, give = (high(fd) for fd in (*os.pipe(), *os.pipe()))

        def redirect() -> None:
            os.dup2(take, 3)
            os.dup2(give, 4)

        self.process = subprocess.Popen(
            [program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
             "--user-data-dir=" + profile, "--window-size=1200,800", "--remote-debugging-pipe", "about:blank"],
            preexec_fn=redirect, pass_fds=(3, 4), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(take)
        os.close(give)
        self.number = 0
        self.session = None
        self.buffer = b""
        self.requests: list[str] = []

    def receive(self) -> dict[str, Any]:
        end = time.monotonic() + LIMIT
        while b"\0" not in self.buffer:
            if not select.select([self.take], [], [], max(0, end - time.monotonic()))[0]:
                raise TimeoutError("the browser says nothing")
            data = os.read(self.take, 1 << 16)
            if not data:
                raise EOFError("the browser has ended")
            self.buffer += data
        message, self.buffer = self.buffer.split(b"\0", 1)
        answer: dict[str, Any] = json.loads(message)
        return answer

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.give, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.receive()
            if answer.get("method") == "Network.requestWillBeSent":
                self.requests.append(answer["params"]["request"]["url"])
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise RuntimeError("%s: %s" % (method, answer["error"]))
                result: dict[str, Any] = answer["result"]
                return result

    def open(self, url: str) -> None:
        target = next(t for t in self.call("Target.getTargets")["targetInfos"] if t["type"] == "page")
        self.session = self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)["sessionId"]
        self.call("Network.enable")
        self.call("Page.navigate", url=url)
        self.wait("document.readyState === 'complete' && location.protocol === 'file:'")

    def value(self, expression: str) -> Any:
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in result:
            raise RuntimeError(result["exceptionDetails"]["text"])
        return result["result"].get("value")

    def wait(self, expression: str) -> bool:
        """Whether it becomes true in time."""
        end = time.monotonic() + LIMIT
        while not self.value(expression):
            if time.monotonic() > end:
                return False
            time.sleep(0.05)
        return True

    def point(self, element: str, kind: str = "mouseMoved") -> None:
        """Move the mouse to an element, or click there."""
        self.value("%s.scrollIntoView({block: 'center', inline: 'center'})" % element)
        x, y = self.value("(r => [r.x + r.width / 2, r.y + r.height / 2])(%s.getBoundingClientRect())" % element)
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        if kind == "click":
            for step in ("mousePressed", "mouseReleased"):
                self.call("Input.dispatchMouseEvent", type=step, x=x, y=y, button="left", clickCount=1)

    def press(self, key: str) -> None:
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key)


def check(browser: Browser, page: str) -> Iterator[tuple[str, bool]]:
    """Yields (name, whether it holds)."""
    browser.open("file://" + os.path.abspath(page))
    rows = browser.value("rows.length")
    yield "each row of the picture has its text", rows > 20 and rows == browser.value("entry.length")
    # The first row of some function.
    number = browser.value("entry.findIndex(e => e.textContent.includes('kthread_park()'))")
    browser.point("rows[%d].querySelector('.hit')" % number)
    yield "pointing at the picture says what the function does", browser.wait(
        "detail.textContent.includes('Asks a thread to park')")
    yield "and links to its source", browser.value(
        "detail.querySelector('a').href.startsWith('https://elixir.bootlin.com/linux/v')")
    yield "and marks the text", browser.value("entry[%d].classList.contains('on')" % number)
    other = browser.value("entry.findIndex(e => e.textContent.includes('kthread_stop()'))")
    browser.point("entry[%d]" % other)
    yield "pointing at the text marks the picture alone", browser.wait(
        "rows[%d].classList.contains('on') && document.querySelectorAll('.row.on').length === 1" % other)
    width = browser.value("svg.getBoundingClientRect().width")
    browser.point("document.getElementById('in')", "click")
    yield "the button zooms in", browser.wait("svg.getBoundingClientRect().width > %g" % (width * 1.2))
    browser.press("-")
    browser.press("-")
    yield "a key zooms out", browser.wait("svg.getBoundingClientRect().width < %g" % width)
    browser.press("0")
    yield "and another one resets", browser.wait("svg.getBoundingClientRect().width === %g" % width)
    browser.press("ArrowDown")
    yield "arrows go from line to line", browser.wait("entry[%d].classList.contains('on')" % (other + 1))
    foreign = [url for url in browser.requests if not url.startswith(("file:", "about:"))]
    yield "nothing is loaded from elsewhere %s" % foreign if foreign else "nothing is loaded from elsewhere", not foreign


NUMBER = 10  # of results


def main(argv: list[str]) -> int:
    program, page, profile = argv
    report = ktap.Printer(NUMBER)
    browser = Browser(program, profile)
    try:
        for name, holds in check(browser, page):
            report.result(name, [] if holds else ["it does not hold"])
        browser.session = None
        browser.call("Browser.close")
    except (OSError, EOFError, RuntimeError) as e:
        print("Bail out! %s" % e)
    finally:
        try:
            browser.process.wait(10)
        except subprocess.TimeoutExpired:
            browser.process.kill()
            browser.process.wait()
    return report.status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
