"""A real browser: Chromium without a window, driven over its debugging protocol by Playwright.

Playwright's package brings the driver and no browser; Chromium is the one this machine has.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

import msgpack
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, WebSocket, sync_playwright

from tests import evidence

CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
# Draws on a graphics process of its own, in software: one that can be killed.
GRAPHICS = (
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
    "--enable-gpu-rasterization",
)
PATIENCE_MS = 20_000

# Remembers where each name was last drawn, in CSS pixels: what a player of this page can see.
WATCH_LABELS = """
globalThis.labels = {};
const { fillText } = CanvasRenderingContext2D.prototype;
CanvasRenderingContext2D.prototype.fillText = function (text, x, y, ...more) {
  globalThis.labels[text] = { x, y };
  return fillText.call(this, text, x, y, ...more);
};
"""


def chromium() -> str | None:
    """Where Chromium is, None where it is not."""
    return next(filter(None, map(shutil.which, CHROMIUMS)), None)


def require_chromium() -> None:
    """Skip the test where there is no Chromium; where a change is checked, let it fail."""
    if chromium() is None:
        missing = "no Chromium on the PATH: the pages are NOT tested; install chromium"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)


@contextmanager
def launched(flags: Sequence[str] = FLAGS) -> Generator[Browser, None, None]:
    """A browser with a profile of its own, which is thrown away."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=flags)
        try:
            with evidence.of_pages(browser):
                yield browser
        finally:
            browser.close()


class Tab:
    """A page and what it went through: complaints in its console, and every WELCOME it got."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.welcomes: list[list[Any]] = []
        page.set_default_timeout(PATIENCE_MS)
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("requestfailed", self._request_failed)
        page.on("websocket", self._websocket)

    @property
    def seat(self) -> tuple[str, int]:
        """Room and player of the newest WELCOME."""
        welcome = self.welcomes[-1]
        return welcome[2], welcome[4]

    @property
    def epoch(self) -> int:
        """The epoch of the newest WELCOME."""
        return int(self.welcomes[-1][3])

    def wait(self, expression: str) -> None:
        """Wait until a JavaScript expression is true."""
        self.page.wait_for_function(f"() => {expression}")

    def live(self) -> None:
        """Wait until the page says that it plays, and has drawn a number for the tick."""
        self.page.locator("#state", has_text="Live").wait_for()
        self.wait("/tick [1-9]/.test(document.getElementById('numbers').textContent)")

    def tick(self) -> int:
        """The tick that the page shows."""
        found = re.search(r"tick (\d+)", self.page.locator("#numbers").inner_text())
        assert found is not None
        return int(found[1])

    def place(self, name: str) -> tuple[float, float]:
        """Where a player's name was drawn last."""
        at = self.page.evaluate("name => globalThis.labels[name]", name)
        return at["x"], at["y"]

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(f"{message.type}: {message.text}")

    def _request_failed(self, request: Request) -> None:
        # A page that is left while it asks gives its request up.
        if request.failure != "net::ERR_ABORTED":
            self.complaints.append(f"{request.url}: {request.failure}")

    def _websocket(self, socket: WebSocket) -> None:
        def received(payload: str | bytes) -> None:
            message = msgpack.unpackb(payload if isinstance(payload, bytes) else payload.encode())
            if message[0] == 16:
                self.welcomes.append(message)

        socket.on("framereceived", received)


@contextmanager
def opened(browser: Browser, **options: Any) -> Generator[Tab, None, None]:
    """A tab with cookies and storage of its own, on a laptop unless `options` say else."""
    usual: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}}
    context = browser.new_context(**usual | options)
    context.add_init_script(WATCH_LABELS)
    try:
        with evidence.before_closing():
            yield Tab(context.new_page())
    finally:
        context.close()
