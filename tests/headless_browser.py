"""A page as a reader's browser shows it: headless Chromium, spoken to through a pipe.

The protocol is Chromium's own (DevTools): JSON messages with a null byte after each, which it reads
from file descriptor 3 and writes to 4. So there is no driver, no port and no further package.
"""

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)

needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="no chromium here; install Debian's package chromium"
)

#: of the narrow screens that readers have, in CSS pixels
PHONE = (390, 844)

#: seconds until an answer must be there; a start on a busy machine takes long
PATIENCE = 120

#: what the page says of itself, after everything in it has loaded
_LOOK = """
(async () => {
  const images = [...document.images];
  document.querySelectorAll("details").forEach(one => { one.open = true; });
  images.forEach(one => { one.loading = "eager"; });
  await Promise.allSettled(images.map(one => one.decode()));
  const wide = [...document.body.querySelectorAll("*")].filter(one => {
    if (one.getBoundingClientRect().right <= document.documentElement.clientWidth + 1) return false;
    for (let up = one.parentElement; up; up = up.parentElement)
      if (["auto", "scroll", "hidden"].includes(getComputedStyle(up).overflowX)) return false;
    return true;
  });
  return {
    images: images.length,
    broken: images.filter(one => !one.naturalWidth).map(one => one.src.slice(0, 80)),
    links: [...document.querySelectorAll("a[href]")].map(one => one.getAttribute("href")),
    ids: [...document.querySelectorAll("[id]")].map(one => one.id),
    width: document.documentElement.scrollWidth,
    wide: wide.slice(0, 5).map(one => one.outerHTML.slice(0, 120)),
    type: Math.min(...[...document.querySelectorAll("p, td, li, figcaption")]
      .map(one => parseFloat(getComputedStyle(one).fontSize))),
  };
})()
"""


@dataclass
class Look:
    """What a page looks like."""

    images: int
    broken: list[str]
    """Sources of pictures that did not load."""
    links: list[str]
    """Where they lead, as they are written."""
    ids: list[str]
    width: int
    """CSS pixels that the page needs from side to side."""
    wide: list[str]
    """Elements that stick out to the right."""
    type: float
    """Size of the smallest letters in texts and tables, CSS pixels."""
    errors: list[str] = field(default_factory=list)
    """Of the console, of scripts, and of files that did not load."""


class Browser:
    """One Chromium with one page."""

    _session: str | None = None

    def __init__(self, folder: Path, size: tuple[int, int] = PHONE) -> None:
        """``folder``: for its profile; ``size``: of the screen."""
        read_here, write_there = os.pipe()
        read_there, write_here = os.pipe()
        arguments = [
            CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe",
            "--no-first-run", "--disable-dev-shm-usage", "--disable-background-networking",
            f"--user-data-dir={folder}", "about:blank",
        ]  # fmt: skip
        # none of ours may be called 3 or 4 before they are
        theirs = [fcntl.fcntl(one, fcntl.F_DUPFD, 10) for one in (read_there, write_there)]
        shell = f'exec "$@" 3<&{theirs[0]} 4>&{theirs[1]}'
        self._log = (folder.parent / "chromium.log").open("wb")
        self._process = subprocess.Popen(
            ["bash", "-c", shell, "bash", *arguments],
            pass_fds=theirs,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
        )
        for one in (read_there, write_there, *theirs):
            os.close(one)
        self._read, self._write = read_here, write_here
        self._received, self._number = b"", 0
        self._events: list[dict] = []
        targets = self._ask("Target.getTargets")["targetInfos"]
        page = next(one["targetId"] for one in targets if one["type"] == "page")
        attached = self._ask("Target.attachToTarget", targetId=page, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._ask(f"{domain}.enable")
        self._ask(
            "Emulation.setDeviceMetricsOverride",
            width=size[0],
            height=size[1],
            deviceScaleFactor=2,
            mobile=True,
        )

    def load(self, page: Path) -> None:
        """Load a file, as a reader finds it."""
        self._events.clear()
        self._ask("Page.navigate", url=page.resolve().as_uri())
        self._wait_for("Page.loadEventFired")

    def look_at(self, page: Path) -> Look:
        """Load a file, open all that is folded, and look at it."""
        self.load(page)
        found = Look(**self.evaluate(_LOOK))
        found.errors = list(filter(None, map(_error, self._events)))
        return found

    def evaluate(self, script: str):
        """The value of a script in the page."""
        answer = self._ask(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def press(self, key: str) -> None:
        """Press and let go of a key, as a person does: ``Tab``, ``Enter`` or a space."""
        code = {"Tab": 9, "Enter": 13, " ": 32}[key]
        text = {"Enter": "\r", " ": " "}.get(key, "")
        said = {"key": key, "windowsVirtualKeyCode": code}
        self._ask("Input.dispatchKeyEvent", type="keyDown", text=text, **said)
        self._ask("Input.dispatchKeyEvent", type="keyUp", **said)

    def picture(self, path: Path) -> None:
        """What the screen shows, as a PNG file."""
        path.write_bytes(base64.b64decode(self._ask("Page.captureScreenshot")["data"]))

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(timeout=PATIENCE)
        for one in (self._read, self._write):
            os.close(one)
        self._log.close()

    def _ask(self, method: str, **parameters):
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]
            self._events.append(answer)

    def _wait_for(self, method: str) -> None:
        while not any(one.get("method") == method for one in self._events):
            self._events.append(self._next())

    def _next(self) -> dict:
        end = time.monotonic() + PATIENCE
        while b"\0" not in self._received:
            ready, _, _ = select.select([self._read], [], [], max(0, end - time.monotonic()))
            part = os.read(self._read, 1 << 20) if ready else b""
            assert part, f"chromium said nothing; see {self._log.name}"
            self._received += part
        message, self._received = self._received.split(b"\0", 1)
        return json.loads(message)


def _error(event: dict) -> str:
    """What an event says is wrong; empty where nothing is."""
    said = event.get("params", {})
    match event.get("method"):
        case "Runtime.exceptionThrown":
            return str(said["exceptionDetails"])[:300]
        case "Runtime.consoleAPICalled" if said["type"] in ("error", "assert"):
            return str(said["args"])[:300]
        case "Log.entryAdded" if said["entry"]["level"] == "error":
            return f"{said['entry']['text']} {said['entry'].get('url', '')}"[:300]
        case "Network.loadingFailed":
            return f"{said['errorText']}: {said['type']}"
    return ""


def dead_links(page: Path, look: Look) -> list[str]:
    """Links that lead to no place in the page and to no file beside it; those to the web are
    left alone.
    """
    return [
        link
        for link in look.links
        if "://" not in link
        and not (link[1:] in look.ids if link.startswith("#") else (page.parent / link).is_file())
    ]
