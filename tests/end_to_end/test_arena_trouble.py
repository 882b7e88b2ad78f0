"""What happens to a page in the middle of a round: another size, graphics lost, a laptop asleep."""

from __future__ import annotations

import os
import signal
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.end_to_end.arena import from_lobby, seen
from tests.end_to_end.browser import FLAGS, GRAPHICS, launched, opened, require_chromium
from tests.end_to_end.server import Server, serve, until

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(120)]

# A connection is renewed at this age, and ended half of it later.
AGE_S = 4
SIZES = ((844, 390), (390, 844), (1920, 1080), (320, 320), (1280, 800))
# Whether the canvas fills the page to the dot, and nothing lies beside the screen.
FILLS = """
() => {
  const { canvas, camera } = globalThis.probe.page.stage;
  const ratio = Math.min(devicePixelRatio, 2);
  return canvas.width === Math.round(innerWidth * ratio)
    && canvas.height === Math.round(innerHeight * ratio)
    && camera.width === innerWidth && camera.height === innerHeight
    && document.documentElement.scrollWidth <= innerWidth;
}
"""
# How many colours there are on a line across the stage: a blank one has one.
COLOURS = """
() => {
  const { canvas } = globalThis.probe.page.stage;
  const { width, height } = canvas;
  const copy = new OffscreenCanvas(width, 1).getContext("2d", { willReadFrequently: true });
  copy.drawImage(canvas, 0, -Math.round(height / 2));
  const { data } = copy.getImageData(0, 0, width, 1);
  return new Set(new Uint32Array(data.buffer)).size;
}
"""


@pytest.fixture(scope="module")
def browser() -> Generator[Browser, None, None]:
    """Chromium with WebGL, whose graphics can be lost."""
    require_chromium()
    with launched((*(flag for flag in FLAGS if flag != "--disable-gpu"), *GRAPHICS)) as browser:
        yield browser


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server, None, None]:
    """A server of arena, with SQLite."""
    with serve(tmp_path_factory.mktemp("trouble"), "--games", "arena") as server:
        yield server


def devtools(browser: Browser) -> Any:
    """The browser's own DevTools session, of which playwright's types say little."""
    return browser.new_browser_cdp_session()


def test_a_page_of_another_size_goes_on_in_it(browser: Browser, server: Server) -> None:
    with opened(browser) as ada:
        from_lobby(ada, server, "Ada", bots=2, minutes=3)
        for width, height in SIZES:
            tick = seen(ada)["tick"]
            ada.page.set_viewport_size({"width": width, "height": height})
            ada.wait(f"({FILLS})()")
            ada.wait(f"probe.tick > {tick} + 3")
            # Ticks come whether or not the page has drawn since.
            ada.wait(f"({COLOURS})() > 1")
        assert ada.complaints == []


def test_graphics_that_are_lost_come_back(browser: Browser, server: Server) -> None:
    with opened(browser) as ada:
        from_lobby(ada, server, "Ada", bots=2, minutes=3)
        stage = "globalThis.probe.page.stage"
        assert ada.page.evaluate(COLOURS) > 1
        ada.page.evaluate(
            f"() => {stage}.canvas.addEventListener('contextlost', () => {{ probe.lost = 1; }})"
        )
        devtools(browser).send("Browser.crashGpuProcess")
        ada.wait("probe.lost === 1")
        ada.wait(f"!{stage}.lost && !{stage}.canvas.getContext('2d').isContextLost()")
        tick = seen(ada)["tick"]
        ada.wait(f"probe.tick > {tick} + 3")
        assert ada.page.evaluate(COLOURS) > 1
        assert ada.complaints == []


def test_a_laptop_that_slept_plays_on_in_its_seat(browser: Browser, tmp_path: Path) -> None:
    """It does not hear that its connection has reached its age; the server ends that, not the seat.

    Who reads nothing is sent away too, only later: tests/end_to_end/test_bad_connections.py.
    """
    age = ("--connection-lifetime-s", str(AGE_S))
    with serve(tmp_path, "--games", "arena", *age) as server, opened(browser) as ada:
        from_lobby(ada, server, "Ada", bots=2, minutes=3)
        before = seen(ada)
        processes: dict[str, Any] = devtools(browser).send("SystemInfo.getProcessInfo")
        pids = [int(process["id"]) for process in processes["processInfo"]]
        until(lambda: server.metrics()["sessions"] == 1)
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            until(lambda: server.metrics()["sessions"] == 0)
        finally:
            for pid in reversed(pids):
                os.kill(pid, signal.SIGCONT)
        tick = before["tick"]
        ada.wait(f"probe.tick > {tick} + 20 && probe.page.play.room.state === 'live'")
        after = seen(ada)
        for same in ("room", "player", "round", "ends"):
            assert after[same] == before[same]
        assert ada.complaints == []
