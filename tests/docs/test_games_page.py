"""The page that docs/GAMES.md shows, in a real browser."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.docs.serving import serving

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def browser_page() -> Iterator[Page]:
    if CHROMIUM is None and not os.environ.get("CI"):
        pytest.skip("there is no Chromium on the PATH")
    assert CHROMIUM is not None, "there is no Chromium on the PATH"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            yield browser.new_page()
        finally:
            browser.close()


def test_the_page_shows_walkers_and_steers(written: Path, browser_page: Page) -> None:
    troubles: list[str] = []
    browser_page.on("pageerror", lambda error: troubles.append(str(error)))
    browser_page.on(
        "console", lambda said: troubles.append(said.text) if said.type == "error" else None
    )
    flags = ["--dev", "--store", "memory:", "--games", "./walk.py"]
    with serving(flags, written) as served:
        query = 'name=Ada&options={"bots":2}'
        browser_page.goto(f"http://127.0.0.1:{served.port}/games/walk/web/index.html?{query}")
        expect(browser_page.locator("#status")).to_have_text(re.compile(r"^live, tick \d+$"))
        expect(browser_page.locator("#walkers li")).to_have_count(3)
        mine = browser_page.locator("#walkers li", has_text="Ada")
        expect(mine).to_have_text("Ada: 0.00, 0.00")
        browser_page.keyboard.down("ArrowRight")
        expect(mine).to_have_text(re.compile(r"^Ada: [1-9]\d*\.\d\d, 0\.00$"))
        browser_page.close()
    assert troubles == []


def test_the_predicted_walker_is_ahead_of_what_was_heard(written: Path, browser_page: Page) -> None:
    troubles: list[str] = []
    browser_page.on("pageerror", lambda error: troubles.append(str(error)))
    flags = ["--dev", "--store", "memory:", "--games", "./walk.py"]
    with serving(flags, written) as served:
        # Any document of that server will do to load the module in.
        browser_page.goto(f"http://127.0.0.1:{served.port}/games/walk/web/walk.js")
        browser_page.evaluate("() => void import('/games/walk/web/predicted.js')")
        browser_page.wait_for_function(
            """() => {
              const [drawn, , heard] = document.title.split(" ");
              return Number(heard) > 1 && Number(drawn) > Number(heard) + 0.05;
            }"""
        )
        browser_page.close()
    assert troubles == []
