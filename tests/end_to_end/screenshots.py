"""The documents' pictures, of a running server: `python -m tests.end_to_end.screenshots`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser

from tests.end_to_end import arena_pictures
from tests.end_to_end.browser import Tab, chromium, launched, opened
from tests.end_to_end.server import ROOT, Server, serve

IMAGES = ROOT / "docs" / "images"
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 2,
    "is_mobile": True,
    "has_touch": True,
}
# Long enough for bots to spread out and to pick up some coins.
PLAYED_MS = 3000


def take(browser: Browser, folder: Path) -> list[Path]:
    """Play coins on a laptop and on a phone, in one room, then arena; the pictures, in order."""
    made = [folder / "coins.png", folder / "coins-phone.png"]
    with (
        tempfile.TemporaryDirectory() as data,
        serve(Path(data), "--dev", "--games", "arena,coins") as server,
        opened(browser) as laptop,
        opened(browser, **PHONE) as phone,
    ):
        _enter(laptop, server, "Ada")
        phone.page.goto(laptop.page.url)
        phone.page.get_by_label("Your name").fill("Grace")
        phone.page.get_by_role("button", name="Join this room").click()
        phone.live()
        for tab, key in ((laptop, "ArrowLeft"), (phone, "ArrowDown")):
            tab.page.keyboard.down(key)
            tab.page.wait_for_timeout(900)
            tab.page.keyboard.up(key)
        laptop.page.wait_for_timeout(PLAYED_MS)
        # What the project is about is on the picture: a kill, and the ticks around it.
        laptop.page.get_by_role("button", name="Kill the server").click()
        laptop.page.locator("#killed", has_text="tick after").wait_for()
        laptop.page.wait_for_timeout(PLAYED_MS)
        laptop.page.screenshot(path=made[0])
        phone.page.screenshot(path=made[1])
        made += arena_pictures.take(browser, server, folder)
    return made


def _enter(tab: Tab, server: Server, name: str) -> None:
    page = tab.page
    page.goto(f"http://127.0.0.1:{server.port}/")
    page.get_by_label("Your name").fill(name)
    card = page.get_by_role("article").filter(has_text="Coins")
    card.get_by_text("Room options").click()
    card.get_by_label("Bots").fill("5")
    card.get_by_role("button", name="Play", exact=True).click()
    tab.live()


def main() -> None:
    """Write the pictures to docs/images."""
    if chromium() is None:
        sys.exit("screenshots: there is no Chromium on the PATH; install chromium")
    IMAGES.mkdir(parents=True, exist_ok=True)
    with launched() as browser:
        for path in take(browser, IMAGES):
            print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
