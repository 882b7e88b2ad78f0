"""The page in a real browser: players see each other, survive a kill, and fight over no seat."""

from __future__ import annotations

from collections.abc import Generator
from functools import partial

import pytest
from playwright.sync_api import Browser

from tests.end_to_end.browser import Tab, opened
from tests.end_to_end.server import Server, serve, until

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server, None, None]:
    """A server of coins as its author runs it, so that it has the button that kills it."""
    with serve(tmp_path_factory.mktemp("page"), "--dev", "--digest-ticks", "20") as server:
        yield server


# Until told otherwise, sockets die as they do behind a proxy that knows no upgrade.
BLOCK = """
const { WebSocket } = globalThis;
globalThis.blocked = true;
globalThis.WebSocket = function (...how) {
  if (!globalThis.blocked) return new WebSocket(...how);
  const dead = { readyState: 0, send() {}, close() {} };
  setTimeout(() => dead.onclose?.({ code: 1006, reason: "" }));
  return dead;
};
"""


def page_of(server: Server, path: str = "/") -> str:
    return f"http://127.0.0.1:{server.port}{path}"


def begin(tab: Tab, server: Server, name: str) -> None:
    """From the lobby into a room with bots, which is this test's own."""
    page = tab.page
    page.goto(page_of(server))
    page.get_by_label("Your name").fill(name)
    card = page.get_by_role("article").filter(has_text="Coins")
    card.get_by_text("Room options").click()
    card.get_by_label("Private, by link only").check()
    card.get_by_role("button", name="Play", exact=True).click()
    tab.live()


def follow(tab: Tab, link: str, name: str) -> None:
    """By a shared link into the room it names."""
    page = tab.page
    page.goto(link)
    page.get_by_label("Your name").fill(name)
    page.get_by_role("button", name="Join this room").click()
    tab.live()


def test_two_players_see_each_other_move(browser: Browser, server: Server) -> None:
    with opened(browser) as ada, opened(browser) as bob:
        begin(ada, server, "Ada")
        follow(bob, ada.page.url, "Bob")
        assert bob.seat[0] == ada.seat[0]
        assert bob.seat[1] != ada.seat[1]
        for tab in (ada, bob):
            for name in ("Ada", "Bob", "Bot 1"):
                tab.wait(f"globalThis.labels['{name}']")
        walks(ada, sees=bob, name="Ada", other="Bob")
        walks(bob, sees=ada, name="Bob", other="Ada")
        assert ada.complaints == []
        assert bob.complaints == []


def walks(tab: Tab, *, sees: Tab, name: str, other: str) -> None:
    """Hold a key in one page: its player's name goes to the right in the other page."""
    apart = sees.place(name)[0] - sees.place(other)[0]
    tab.page.keyboard.down("ArrowRight")
    sees.wait(f"labels['{name}'].x - labels['{other}'].x > {apart} + 60")
    tab.page.keyboard.up("ArrowRight")


def test_both_survive_the_button_that_kills_the_server(browser: Browser, server: Server) -> None:
    with opened(browser) as ada, opened(browser) as bob:
        begin(ada, server, "Ada")
        follow(bob, ada.page.url, "Bob")
        seats, epoch, worker = (ada.seat, bob.seat), ada.epoch, server.worker()
        for number in (1, 2):
            ticks = ada.tick(), bob.tick()
            ada.page.get_by_role("button", name="Kill the server").click()
            ada.page.locator("#killed", has_text="tick after").wait_for()
            for tab in (ada, bob):
                tab.live()
                until(partial(welcomed, tab, number + 1))
            assert (ada.seat, bob.seat) == seats
            assert (ada.tick() > ticks[0], bob.tick() > ticks[1]) == (True, True)
            said = ada.page.locator("#killed b").all_inner_texts()
            assert int(said[1]) > int(said[0]) >= ticks[0]
        assert ada.epoch == bob.epoch > epoch
        assert server.worker() != worker
        assert seats[0][0] in ada.page.url
        # Both play on: each sees the other move, under the names they had.
        walks(ada, sees=bob, name="Ada", other="Bob")
        assert ada.complaints == []
        assert bob.complaints == []


def welcomed(tab: Tab, times: int) -> bool:
    """Whether so many WELCOMEs came; the driver tells only while the page is asked something."""
    tab.page.wait_for_timeout(20)
    return len(tab.welcomes) == times


def test_the_link_is_copied_and_leads_to_the_room(browser: Browser, server: Server) -> None:
    granted = ["clipboard-read", "clipboard-write"]
    with opened(browser, permissions=granted) as ada, opened(browser) as bob:
        begin(ada, server, "Ada")
        ada.page.get_by_role("button", name="Share").click()
        dialog = ada.page.get_by_role("dialog", name="Invite to Coins")
        dialog.get_by_role("button", name="Copy link").click()
        dialog.get_by_role("button", name="Copied").wait_for()
        link = ada.page.evaluate("() => navigator.clipboard.readText()")
        assert link == page_of(server, f"/?game=coins&room={ada.seat[0]}")
        follow(bob, link, "Bob")
        assert bob.seat[0] == ada.seat[0]
        assert ada.complaints == []
        assert bob.complaints == []


def test_a_reload_keeps_the_seat(browser: Browser, server: Server) -> None:
    with opened(browser) as ada:
        begin(ada, server, "Ada")
        seat, tick = ada.seat, ada.tick()
        ada.page.reload()
        ada.live()
        assert ada.seat == seat
        assert ada.tick() > tick
        assert len(ada.welcomes) == 2
        assert ada.complaints == []


def test_a_duplicated_tab_takes_the_seat_and_does_not_fight(
    browser: Browser, server: Server
) -> None:
    with opened(browser) as old:
        begin(old, server, "Ada")
        with old.page.expect_popup() as popup:
            # A window that a page opens begins with a copy of its sessionStorage.
            old.page.evaluate("() => { window.open(location.href) }")
        new = Tab(popup.value)
        new.live()
        dialog = old.page.get_by_role("alertdialog", name="Another tab plays on this seat")
        dialog.wait_for()
        new.page.wait_for_timeout(1500)
        assert dialog.is_visible()
        assert old.page.locator("#state").inner_text() == "Ended"
        assert new.page.locator("#state").inner_text() == "Live"
        assert len(old.welcomes) == 1
        assert server.ask(f"/api/rooms/{old.seat[0]}")["players"] == 1
        dialog.get_by_role("button", name="Take the seat back").click()
        old.live()
        new.page.get_by_role("alertdialog", name="Another tab plays on this seat").wait_for()
        assert len(old.welcomes) == 2
        assert old.welcomes[0][2:5:2] == old.welcomes[1][2:5:2]
        assert old.complaints == []
        assert new.complaints == []


def test_a_phone_has_a_pad_and_nothing_beside_the_screen(browser: Browser, server: Server) -> None:
    phone = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
    with opened(browser, **phone) as ada:
        begin(ada, server, "Ada")
        assert ada.page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
        box = ada.page.locator(".pad").bounding_box()
        assert box is not None
        ada.wait("labels['Ada']")
        x, y = ada.place("Ada")
        ada.page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + box["height"] / 2)
        ada.page.mouse.down()
        ada.wait(f"Math.hypot(labels['Ada'].x - {x}, labels['Ada'].y - {y}) > 20")
        ada.page.mouse.up()
        assert ada.complaints == []


def test_a_link_to_a_room_that_is_over_says_so(browser: Browser, server: Server) -> None:
    with opened(browser) as ada:
        ada.page.goto(page_of(server, f"/?game=coins&room={'x' * 20}"))
        ada.page.get_by_text("This room is over.").wait_for()
        assert ada.page.get_by_role("button", name="Join this room").is_hidden()
        assert ada.complaints == []


def test_the_lobby_survives_the_kill_too(browser: Browser, server: Server) -> None:
    with opened(browser) as ada, opened(browser) as bob:
        begin(ada, server, "Ada")
        worker = server.worker()
        bob.page.goto(page_of(server))
        bob.page.get_by_role("button", name="Kill the server").click()
        rows = bob.page.locator("#lobby-killed tbody tr")
        rows.first.wait_for()
        found = [row.split() for row in rows.all_inner_texts()]
        assert found
        assert all(int(after.replace(",", "")) > 0 for _, _, after in found)
        assert server.worker() != worker
        ada.live()
        assert ada.complaints == []
        assert bob.complaints == []


def test_where_sockets_are_blocked_a_page_polls_and_climbs_back_when_they_are_not(
    browser: Browser, server: Server
) -> None:
    with opened(browser) as ada:
        ada.page.add_init_script(BLOCK)
        begin(ada, server, "Ada")
        state = "document.getElementById('state').textContent"
        ada.wait(f"/by polling/.test({state})")
        assert ada.welcomes == [], "there was no socket"
        assert server.metrics()["polling_sessions"] == 1
        ada.wait("globalThis.labels['Ada']")
        before = ada.place("Ada")
        ada.page.keyboard.down("ArrowRight")
        ada.page.keyboard.down("ArrowDown")
        until(lambda: ada.place("Ada") != before)
        tick = ada.tick()
        until(lambda: ada.tick() > tick + 40)
        ada.page.evaluate("() => { blocked = false; dispatchEvent(new Event('online')); }")
        ada.wait(f"!/by polling/.test({state})")
        tick = ada.tick()
        until(lambda: ada.tick() > tick + 40)
        until(lambda: server.metrics()["polling_sessions"] == 0)
        assert len(ada.welcomes) == 1
        assert ada.complaints == []
