"""Arena's page in a real browser: from the lobby into a fight that a kill does not end."""

from __future__ import annotations

from collections.abc import Generator

import pytest
from playwright.sync_api import Browser

from tests.end_to_end.arena import (
    PAGE,
    Fingers,
    answer,
    by_link,
    drives,
    from_lobby,
    live,
    seen,
)
from tests.end_to_end.browser import Tab, opened
from tests.end_to_end.server import Server, serve

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PHONE = {"viewport": {"width": 844, "height": 390}, "is_mobile": True, "has_touch": True}
BOTS = 3


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server, None, None]:
    """A server of arena, with SQLite."""
    with serve(tmp_path_factory.mktemp("arena"), "--games", "arena") as server:
        yield server


def test_from_the_lobby_through_a_kill_with_one_who_watches_and_one_who_is_late(
    browser: Browser, server: Server
) -> None:
    with opened(browser) as ada, opened(browser) as eve, opened(browser, **PHONE) as bob:
        from_lobby(ada, server, "Ada", bots=BOTS, minutes=3)
        before = seen(ada)
        assert len(before["scores"]) == 1 + BOTS
        assert before["time"] in {"3:00", "2:59", "2:58", "2:57"}
        answers_at_once(ada)
        by_link(eve, server, before["room"], "Eve", watch=True)
        assert seen(eve)["player"] == 0
        before = seen(ada)
        server.kill_worker()
        for tab in (ada, eve):
            tab.wait(f"probe.tick > {before['tick']} + 5 && probe.page.play.room.state === 'live'")
        after = seen(ada)
        for same in ("room", "player", "round", "ends", "walls"):
            assert after[same] == before[same]
        for player, (name, kills, deaths) in before["scores"].items():
            now = after["scores"][player]
            assert (now[0], now[1] >= kills, now[2] >= deaths) == (name, True, True)
        assert seen(eve)["walls"] == before["walls"]
        answers_at_once(ada)
        by_link(bob, server, before["room"], "Bob")
        assert {name for name, _, _ in seen(ada)["scores"].values()} >= {"Ada", "Bob", "Bot 1"}
        for tab in (ada, eve, bob):
            assert tab.complaints == []


def answers_at_once(tab: Tab) -> None:
    """The own tank is seen to move two animation frames after a key at the latest."""
    # A tank that is wrecked within the quarter of a second answers nothing.
    found = next(filter(None, (answer(tab) for _ in range(4))))
    assert found["frames"] <= 2


def thumb(tab: Tab) -> None:
    """A thumb on the left half of a phone: a stick comes, the tank drives, the stick goes."""
    page = tab.page
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    assert page.get_by_text("Left thumb drives").is_visible()
    assert page.get_by_role("button", name="Scores").is_visible()
    drives(tab)
    was = seen(tab)["tank"]
    assert was is not None
    # Towards the arena's middle, where no border is in the way.
    pull = 50 if was["x"] < 0 else -50
    stick, fingers = page.locator("#left-stick"), Fingers(tab)
    assert stick.is_hidden()
    fingers.touch("touchStart", (200, 250))
    fingers.touch("touchMove", (200 + pull, 250))
    tab.wait(f"Math.abs((probe.pose?.x ?? {was['x']}) - {was['x']}) > 0.5")
    assert stick.is_visible()
    fingers.touch("touchEnd")
    assert stick.is_hidden()


PHONES = ((844, 390), (740, 360), (667, 375), (390, 844), (360, 640))
# Which panels lie on one another, or beyond the screen.
OVERLAPS = """
() => {
  const named = [".tools", ".clock", ".corner", "#net"].map((name) => {
    const { left, top, right, bottom } = document.querySelector(name).getBoundingClientRect();
    return { name, left, top, right, bottom };
  });
  const found = [];
  for (const [i, a] of named.entries()) {
    if (a.left < 0 || a.right > innerWidth || a.bottom > innerHeight) found.push(a.name);
    for (const b of named.slice(i + 1)) {
      const across = a.left < b.right && b.left < a.right;
      if (across && a.top < b.bottom && b.top < a.bottom) found.push(`${a.name} ${b.name}`);
    }
  }
  return found;
}
"""


def test_on_phones_a_thumb_drives_and_no_panel_lies_on_another(
    browser: Browser, server: Server
) -> None:
    with opened(browser, **PHONE) as ada:
        # Nobody wrecks the tank.
        from_lobby(ada, server, "Ada", bots=0, minutes=3)
        thumb(ada)
        ada.page.get_by_role("button", name="Net", exact=True).tap()
        ada.page.get_by_role("region", name="Connection").wait_for()
        for width, height in PHONES:
            ada.page.set_viewport_size({"width": width, "height": height})
            ada.wait(f"innerWidth === {width} && innerHeight === {height}")
            assert ada.page.evaluate(OVERLAPS) == [], (width, height)
        assert ada.complaints == []


def test_what_the_address_gets_wrong_is_said_on_the_card(browser: Browser, server: Server) -> None:
    card = f"http://127.0.0.1:{server.port}{PAGE}"
    wrong = {
        "?name=Ada&minutes=0": "option minutes: 0 is not a whole number from 1 to 15",
        "?name=Ada&options={bad": "no JSON object",
        "?name=Ada&room=nonsense": "there is no such room",
    }
    with opened(browser) as ada:
        for query, words in wrong.items():
            ada.page.goto(card + query)
            ada.page.get_by_role("alert").filter(has_text=words).wait_for()
        ada.page.get_by_role("button", name="Play", exact=True).click()
        live(ada)
        assert ada.complaints == []


def test_the_keyboard_reaches_every_button_and_keeps_the_tank(
    browser: Browser, server: Server
) -> None:
    with opened(browser, reduced_motion="reduce") as ada:
        from_lobby(ada, server, "Ada", bots=0, minutes=3)
        page = ada.page
        page.keyboard.press("Escape")
        found = [page.evaluate(FOCUSED)]
        for _ in range(3):
            page.keyboard.press("Tab")
            found.append(page.evaluate(FOCUSED))
        assert [name for name, _ in found] == ["Leave", "Copy link", "Sound on", "Net"]
        assert all(outlined for _, outlined in found)
        page.keyboard.press("Escape")
        page.keyboard.down("Tab")
        page.get_by_role("region", name="Scoreboard").wait_for()
        page.keyboard.up("Tab")
        page.get_by_role("button", name="Sound on").click()
        # The click took the keyboard; the tank has it back.
        answers_at_once(ada)
        page.keyboard.press("Space")
        assert page.get_by_role("button", name="Sound off").is_visible()
        ada.wait("probe.page.play.room.latest.count('Shell') > 0")
        shake = "() => { const { camera } = probe.page; camera.shake(1); return camera.tremble; }"
        assert page.evaluate(shake) == [0, 0]
        assert ada.complaints == []


# What has the focus, and whether one sees that.
FOCUSED = """
() => {
  const { activeElement: focused } = document;
  const { outlineStyle, outlineWidth } = getComputedStyle(focused);
  return [focused.textContent, outlineStyle !== "none" && parseFloat(outlineWidth) >= 2];
}
"""
