"""A headless Chromium, driven over its debugging pipe: no driver, no port, and no request that the test does not see."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import time
from contextlib import contextmanager, suppress

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
OPTIONS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-extensions", "--disable-sync",
    "--disable-renderer-backgrounding", "--disable-backgrounding-occluded-windows", "--disable-background-timer-throttling",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--remote-debugging-pipe",
)  # fmt: skip
SECONDS = 60
OF_THE_MACHINE = ("file:", "data:", "blob:", "about:", "http://127.0.0.1:")


def chromium() -> str:
    """Return the path of a Chromium; skips the test where there is none."""
    for name in NAMES:
        if path := shutil.which(name):
            return path
    pytest.skip(f"no Chromium is installed: looked for {', '.join(NAMES)}")


class BrowserFault(Exception):
    """The browser said that a command, or a script in the page, failed."""


class Browser:
    """One page of a browser.

    Args:
        process: the browser.
        commands, answers: file descriptors of its debugging pipe.
    """

    def __init__(self, process, commands, answers):
        self._process, self._commands, self._answers = process, commands, answers
        self._number, self._buffer = 0, b""
        self.requests, self.complaints = [], []
        target = self._call("Target.createTarget", {"url": "about:blank"})["targetId"]
        self._session = self._call("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")
        self.call("Emulation.setFocusEmulationEnabled", enabled=True)  # a page in the background draws no frames
        self.call("Page.bringToFront")

    @property
    def left_the_machine(self):
        """The requests that were for another machine."""
        return [address for address in self.requests if not address.startswith(OF_THE_MACHINE)]

    def call(self, method, **parameters):
        """Call a command of the page."""
        return self._call(method, parameters, self._session)

    def _call(self, method, parameters, session=None):
        self._number += 1
        number = self._number
        message = {"id": number, "method": method, "params": parameters} | ({"sessionId": session} if session else {})
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == number:
                if "error" in answer:
                    raise BrowserFault(f"{method}: {answer['error']}")
                return answer["result"]
            self._note(answer)

    def _read(self):
        while b"\0" not in self._buffer:
            part = os.read(self._answers, 2**16)
            if not part:
                raise BrowserFault("the browser has ended")
            self._buffer += part
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)

    def _note(self, event):
        method, said = event.get("method"), event.get("params", {})
        if method == "Network.requestWillBeSent":
            self.requests.append(said["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(f"exception: {said['exceptionDetails']}")
        elif method == "Runtime.consoleAPICalled" and said["type"] in ("error", "warning", "assert"):
            self.complaints.append(f"{said['type']}: {[each.get('value', each.get('description')) for each in said['args']]}")
        elif method == "Log.entryAdded" and said["entry"]["level"] in ("error", "warning"):
            self.complaints.append(f"{said['entry']['level']}: {said['entry']['text']} {said['entry'].get('url', '')}")

    def run(self, script):
        """Return what a script in the page gives; it may wait for promises."""
        wrapped = f"(async () => {{ {script} }})()"
        result = self.call("Runtime.evaluate", expression=wrapped, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in result:
            raise BrowserFault(str(result["exceptionDetails"]))
        return result["result"].get("value")

    def value(self, expression):
        """Return the value of an expression in the page."""
        return self.run(f"return {expression}")

    def until(self, expression):
        """Wait until an expression in the page is true."""
        end = time.monotonic() + SECONDS
        while not self._is_true(expression):
            assert time.monotonic() < end, f"not true within {SECONDS} s: {expression}"
            time.sleep(0.05)

    def _is_true(self, expression):
        try:
            return self.value(f"Boolean({expression})")
        except BrowserFault:  # the page was left in the middle of the question, or has no such part yet
            return False

    def show(self, *, width=1440, height=900, dark=False):
        """Set the size of the window, and the theme of the system."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
        # Without motion: a page that scrolls smoothly is not yet where a test points.
        media = {"prefers-color-scheme": "dark" if dark else "light", "prefers-reduced-motion": "reduce"}
        self.call("Emulation.setEmulatedMedia", features=[{"name": name, "value": value} for name, value in media.items()])

    def open(self, address):
        """Open a page and wait until it is there."""
        self.call("Page.navigate", url=address)
        self.until("document.readyState === 'complete' && location.href !== 'about:blank'")

    def press(self, key, code=0, text=""):
        """Press and release a key, such as `Tab` (9), `ArrowDown` (40), `Escape` (27), `Enter` (13, with the text `\\r`)."""
        for kind in ("keyDown", "keyUp"):
            more = {"text": text} if text and kind == "keyDown" else {}
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **more)

    def point(self, selector):
        """Move the mouse to the middle of an element."""
        x, y = self.run(
            f"const element = document.querySelector({json.dumps(selector)}); element.scrollIntoView({{block: 'center'}});"
            "const box = element.getBoundingClientRect(); return [box.left + box.width / 2, box.top + box.height / 2]"
        )
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def picture(self, path, *, whole=True):
        """Write a picture of the page, or of the window."""
        content = self.call(
            "Page.captureScreenshot", format="png", captureBeyondViewport=whole, **(self._whole() if whole else {})
        )
        path.write_bytes(base64.b64decode(content["data"]))

    def _whole(self):
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        return {"clip": {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}}


@contextmanager
def browsing(folder):
    """Start a browser whose profile is in a folder, and end it."""
    program = chromium()
    read_commands, commands = os.pipe()
    answers, write_answers = os.pipe()

    def place():  # Chromium reads commands from 3 and writes answers to 4
        os.dup2(read_commands, 103)
        os.dup2(write_answers, 104)
        os.dup2(103, 3)
        os.dup2(104, 4)

    process = subprocess.Popen(
        [program, *OPTIONS, f"--user-data-dir={folder}"], close_fds=False, preexec_fn=place,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(read_commands)
    os.close(write_answers)
    try:
        yield Browser(process, commands, answers)
    finally:
        with suppress(OSError):
            os.close(commands)
        process.terminate()
        process.wait(SECONDS)
        os.close(answers)
