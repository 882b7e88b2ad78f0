"""A development server's network: a tab turns its own knobs, feels them, and nobody else does."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.end_to_end.browser import Tab, opened
from tests.end_to_end.server import Server, serve, until

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def play(tab: Tab, server: Server, name: str) -> None:
    """From the lobby into a room of coins."""
    page = tab.page
    page.goto(f"http://127.0.0.1:{server.port}/")
    page.get_by_label("Your name").fill(name)
    card = page.get_by_role("article").filter(has_text="Coins")
    card.get_by_role("button", name="Play", exact=True).click()
    tab.live()


def ping_ms(tab: Tab) -> int:
    """The ping that the page shows."""
    found = re.search(r"ping (\d+) ms", tab.page.locator("#numbers").inner_text())
    assert found is not None
    return int(found[1])


def welcomes(tab: Tab) -> int:
    """How often the tab was welcomed; what came meanwhile is heard while the page is asked."""
    tab.page.evaluate("0")
    return len(tab.welcomes)


def test_a_tab_turns_its_knobs_with_the_keyboard_and_feels_them_alone(
    browser: Browser, tmp_path: Path
) -> None:
    with serve(tmp_path, "--dev") as server, opened(browser) as ada, opened(browser) as bob:
        play(ada, server, "Ada")
        play(bob, server, "Bob")
        page = ada.page
        page.locator("#network summary").focus()
        page.keyboard.press("Enter")
        page.get_by_label("Latency each way, ms").fill("400")
        page.keyboard.press("Tab")
        page.get_by_role("status").filter(has_text="this tab's connection").wait_for()
        until(lambda: ping_ms(ada) > 500)
        assert ping_ms(bob) < ping_ms(ada)
        assert page.get_by_label("Latency each way, ms").input_value() == "400"

        page.get_by_role("button", name="Cut the connection").click()
        until(lambda: welcomes(ada) == 2)
        ada.live()
        # The line is the tab's: the connection that replaced the one cut has its knobs too.
        asked = json.dumps({"line": page.evaluate("sessionStorage['holdfast:line']")})
        told = page.evaluate(
            "body => fetch('/api/network', {method: 'POST', body}).then(a => a.json())", asked
        )
        assert (told["connections"], told["up"]["latency_ms"]) == (1, 400)

        page.get_by_label("Half open: nothing arrives").check()
        page.locator("#state", has_text="Resuming").wait_for()
        page.get_by_role("button", name="Good network").click()
        ada.live()
        assert not page.get_by_label("Half open: nothing arrives").is_checked()
        assert page.get_by_label("Latency each way, ms").input_value() == "0"
        until(lambda: ping_ms(ada) < 400)
        assert welcomes(bob) == 1
        assert bob.complaints == []


def test_outside_development_there_are_no_knobs(browser: Browser, tmp_path: Path) -> None:
    with serve(tmp_path) as server, opened(browser) as ada:
        play(ada, server, "Ada")
        assert ada.page.locator("#network").is_hidden()
        for method in ("GET", "POST"):
            status, body = server.get("/api/network", method)
            assert (status, "--dev" in json.loads(body)["error"]) == (403, True)
