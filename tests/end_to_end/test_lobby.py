"""The lobby in a real browser: what it lists, offers, refuses and survives."""

from __future__ import annotations

import re
from collections.abc import Generator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from server.edge.qr import qr_svg
from tests.end_to_end.server import GAMES, Server, serve, until

WIDE, NARROW = (1280, 800), (360, 740)
PATIENCE_MS = 15_000
# Joins with each of the names, from one page, and keeps the sessions.
JOIN = """async ([game, room, names]) => {
  const { join } = await import("/client/index.js");
  window.kept = await Promise.all(names.map((name) => join(game, { name, room, store: null })));
  return window.kept.map(({ id }) => id);
}"""
TRICKS = [
    "<img src=x onerror='evil=1'>",
    "\u202eevil\u2066 name",
    "Z" + "\u0301" * 20,
    "שלום עולם",
    "\u3164",
    "\u0410d\u0430",
    "Ada",
    "x" * 24,
]

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(120)]
expect.set_options(timeout=PATIENCE_MS)


class Tabs:
    """Pages of one browser, and all that they said on their consoles."""

    def __init__(self, browser: Browser, server: Server) -> None:
        self.said: list[str] = []
        self._browser = browser
        self._url = f"http://localhost:{server.port}"

    def open(self, path: str = "/", size: tuple[int, int] = WIDE, *, wait: bool = True) -> Page:
        """A page in a profile of its own, opened where the lobby is live."""
        context = self._browser.new_context(viewport={"width": size[0], "height": size[1]})
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        page.on("console", lambda message: self.said.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: self.said.append(f"uncaught: {error}"))
        page.goto(self._url + path)
        if wait:
            expect(page.locator("#lobby-state")).to_have_text("Live")
        return page


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server, None, None]:
    """A server in development, with a room of coins that is always open."""
    games = f"coins,{GAMES}/solo.py"
    flags = ("--dev", "--games", games, "--open", "coins?bots=2")
    with serve(tmp_path_factory.mktemp("lobby"), *flags) as server:
        yield server


@pytest.fixture
def tabs(browser: Browser, server: Server) -> Generator[Tabs, None, None]:
    """Pages of that server; whatever they said on their consoles fails the test."""
    tabs = Tabs(browser, server)
    yield tabs
    said = list(tabs.said)
    for context in browser.contexts:
        context.close()
    assert said == []


def fact(page: Page, room: str, name: str) -> str:
    """What a room's line says under a heading."""
    pair = page.locator(f'[data-room="{room}"] dl > div').filter(
        has=page.locator("dt", has_text=re.compile(f"^{name}$"))
    )
    return pair.locator("dd").inner_text()


def standing(server: Server) -> str:
    """The room that is always open."""
    return str(server.rooms("coins")[0]["room"])


def play(page: Page, game: str) -> str:
    """Press a game's Play; the room's id."""
    page.locator(f'.game[data-game="{game}"]').get_by_role("button", name="Play").click()
    expect(page.locator("#play")).to_be_visible()
    return parse_qs(urlsplit(page.url).query)["room"][0]


def private_room(page: Page) -> str:
    """Play coins in a private room with three bots; its id."""
    card = page.locator('.game[data-game="coins"]')
    card.get_by_text("Room options").click()
    card.get_by_label("Private, by link only").check()
    card.get_by_label("Bots").fill("3")
    return play(page, "coins")


def test_rooms_are_listed_and_their_numbers_move(tabs: Tabs, server: Server) -> None:
    page, room = tabs.open(), standing(server)
    line = page.locator(f'[data-room="{room}"]')
    expect(line).to_contain_text("Coins")
    assert fact(page, room, "Bots") == "2"
    # Whoever played here in a test before keeps the seat for a while.
    taken = int(fact(page, room, "Seats").removesuffix(" of 16"))
    assert re.fullmatch(r"\d\.\d\d ms", fact(page, room, "Tick time"))
    tick = fact(page, room, "Tick")
    handle = line.element_handle()
    assert handle is not None
    watcher = tabs.open(f"/?game=coins&room={room}")
    watcher.get_by_role("button", name="Watch this room").click()
    player = tabs.open(f"/?game=coins&room={room}")
    player.get_by_role("button", name="Join this room").click()
    expect(line).to_contain_text(f"{taken + 1} of 16")
    page.wait_for_function("r => document.querySelector(r).innerText.includes('Watching\\n1')",
                           arg=f'[data-room="{room}"]')  # fmt: skip
    assert int(fact(page, room, "Tick").replace(",", "")) > int(tick.replace(",", ""))
    # The line is the same element: who has the focus on one of its buttons keeps it.
    assert handle.evaluate("(e, room) => e === document.querySelector(room)",
                           f'[data-room="{room}"]')  # fmt: skip


def test_no_page_asks_while_nobody_looks_at_it(tabs: Tabs, server: Server) -> None:
    page = tabs.open()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.evaluate(
        "Object.defineProperty(document, 'hidden', { configurable: true, get: () => true })"
    )
    page.wait_for_timeout(2500)
    asked.clear()
    page.wait_for_timeout(2500)
    assert asked == []
    page.evaluate("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")
    page.wait_for_timeout(200)
    assert asked


def test_a_private_room_is_found_by_its_link_alone(tabs: Tabs, server: Server) -> None:
    page, other = tabs.open(), tabs.open()
    room = private_room(page)
    assert server.ask(f"/api/rooms/{room}")["private"] is True
    page.get_by_role("button", name="Share").click()
    expect(page.locator("#share-note")).to_contain_text("private")
    link = urlsplit(page.locator("#share-link").input_value())
    other.wait_for_timeout(2500)
    expect(other.locator(".room")).to_have_count(1)
    invited = tabs.open(f"{link.path}?{link.query}")
    expect(invited.locator("#invited")).to_contain_text("1 of 16 seats taken, 3 bots")
    invited.get_by_role("button", name="Join this room").click()
    expect(invited.locator("#play")).to_be_visible()
    # The list of rooms is encoded anew at most twice a second.
    until(lambda: server.ask(f"/api/rooms/{room}")["players"] == 2)


def test_a_link_is_copied_and_shown_as_a_code(tabs: Tabs, server: Server) -> None:
    page, room = tabs.open(), standing(server)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    link = f"http://192.168.1.7:8080/?game=coins&room={room}"
    # Bound to the loopback, the server has no address in a network; here it says that it has.
    status = server.ask("/api/status") | {"lan": ["http://192.168.1.7:8080"]}
    page.route("**/api/status", lambda route: route.fulfill(json=status))
    asked: list[str] = []

    def answer(route: Route) -> None:
        asked.append(route.request.url)
        route.fulfill(body=qr_svg(link), content_type="image/svg+xml")

    page.route("**/api/qr?*", answer)
    page.reload()
    page.get_by_role("button", name=f"Share {room}").click()
    assert page.locator("#share-link").input_value() == link
    page.get_by_role("button", name="Copy link").click()
    expect(page.locator("#share-copy")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == link
    page.wait_for_function("document.getElementById('share-code').naturalWidth > 20")
    assert [parse_qs(urlsplit(url).query) for url in asked] == [
        {"path": [f"/?game=coins&room={room}"]}
    ]
    page.keyboard.press("Escape")
    expect(page.locator("#share-dialog")).to_be_hidden()


def test_without_an_address_for_others_there_is_a_link_and_no_code(
    tabs: Tabs, server: Server
) -> None:
    page, room = tabs.open(), standing(server)
    assert server.ask("/api/status")["lan"] == []
    page.get_by_role("button", name=f"Share {room}").click()
    link = page.locator("#share-link").input_value()
    assert link == f"http://localhost:{server.port}/?game=coins&room={room}"
    expect(page.locator("#share-phone")).to_be_hidden()


def test_a_full_room_can_be_watched_and_not_joined(tabs: Tabs, server: Server) -> None:
    room = play(tabs.open(), "solo")
    page = tabs.open(f"/?game=solo&room={room}")
    line = page.locator(f'[data-room="{room}"]')
    expect(line.get_by_role("button", name=f"Join {room}")).to_be_disabled()
    expect(line).to_contain_text("Full")
    expect(page.locator("#invited")).to_contain_text("The room is full")
    expect(page.get_by_role("button", name="Join this room")).to_be_disabled()
    page.get_by_role("button", name="Watch this room").click()
    expect(page.locator("#title")).to_have_text("Solo, watching")


def test_a_room_that_filled_meanwhile_is_refused_in_words(tabs: Tabs, server: Server) -> None:
    room = play(tabs.open(), "solo")
    page = tabs.open(f"/?game=solo&room={room}", wait=False)
    listed = server.ask(f"/api/rooms?room={room}")
    listed["rooms"][0]["free_seats"] = 1
    page.route("**/api/rooms?room=*", lambda route: route.fulfill(json=listed))
    page.get_by_role("button", name="Join this room").click()
    expect(page.get_by_role("alert").first).to_contain_text("the room is full")
    expect(page.locator("#lobby")).to_be_visible()


def test_a_finished_match_shows_its_result(tabs: Tabs, server: Server) -> None:
    player = tabs.open()
    player.get_by_label("Your name").fill("<i>Ada</i>")
    room = play(player, "solo")
    page = tabs.open(f"/?game=solo&room={room}")
    player.get_by_role("button", name="Finish").click()
    line = page.locator(f'[data-room="{room}"]')
    expect(line).to_contain_text("finished")
    expect(line.get_by_role("button", name=f"Join {room}")).to_be_disabled()
    line.get_by_text("Result").click()
    expect(line.locator("dl.result > dd").first).to_have_text("<i>Ada</i>")
    expect(line.locator("table.result tbody tr")).to_have_text(
        [re.compile("<i>Ada</i>.*3"), re.compile("<b>nobody</b>.*1.50")]
    )
    expect(page.locator("#invited")).to_contain_text("The match is finished")
    expect(page.locator("#invited dl.result")).to_contain_text("<i>Ada</i>")


def test_a_link_to_a_room_that_is_no_more_says_so(tabs: Tabs) -> None:
    page = tabs.open("/?game=coins&room=" + "a" * 20)
    expect(page.locator("#invited")).to_contain_text("This room is over")
    expect(page.get_by_role("button", name="Join this room")).to_be_hidden()
    page = tabs.open("/?game=<b>chess</b>&room=" + "a" * 20)
    expect(page.get_by_role("alert").first).to_have_text('This server has no game "<b>chess</b>".')


def test_a_bad_name_is_met_with_what_is_wrong(tabs: Tabs, server: Server) -> None:
    page = tabs.open()
    name = page.get_by_label("Your name")
    for bad, words in (("\u200b\u3164", "Nothing of this name"), ("x" * 25, "25 characters")):
        name.fill(bad)
        page.locator('.game[data-game="coins"]').get_by_role("button", name="Play").click()
        expect(page.locator("#name-wrong")).to_contain_text(words)
        expect(name).to_be_focused()
        expect(name).to_have_attribute("aria-invalid", "true")
        expect(page.locator("#lobby")).to_be_visible()
    name.fill("Ada")
    expect(page.locator("#name-wrong")).to_be_empty()
    play(page, "coins")


def test_a_server_that_is_away_is_waited_for(tabs: Tabs, server: Server) -> None:
    page = tabs.open()
    expect(page.get_by_role("status").first).to_have_text("Live")
    page.route("**/api/**", lambda route: route.abort())
    expect(page.locator("#lobby-state")).to_have_text("Server away, trying again")
    expect(page.locator("#away")).to_contain_text("does not answer")
    expect(page.locator(".room")).to_have_count(len(server.rooms()))
    page.unroute("**/api/**")
    expect(page.locator("#lobby-state")).to_have_text("Live")
    expect(page.locator("#away")).to_be_hidden()
    # The browser itself notes requests that failed; nothing else may be said.
    assert all("Failed to load resource" in line for line in tabs.said)
    tabs.said.clear()


def test_a_page_opened_while_the_server_is_away_begins_when_it_is_back(tabs: Tabs) -> None:
    page = tabs.open("/client/page/page.css", wait=False)
    page.route("**/api/**", lambda route: route.abort())
    page.goto(page.url.replace("/client/page/page.css", "/?game=coins"))
    expect(page.locator("#lobby-state")).to_have_text("Server away, trying again")
    page.unroute("**/api/**")
    expect(page.locator(".game")).to_have_count(2)
    tabs.said.clear()


def test_where_no_room_is_open_the_page_says_so(tabs: Tabs) -> None:
    page = tabs.open(wait=False)
    page.route("**/api/rooms", lambda route: route.fulfill(json={"rooms": []}))
    expect(page.locator("#rooms-empty")).to_be_visible()
    expect(page.locator(".room")).to_have_count(0)
    page.unroute("**/api/rooms")
    expect(page.locator(".room")).not_to_have_count(0)
    expect(page.locator("#rooms-empty")).to_be_hidden()


def test_every_control_is_reached_by_keyboard_and_shows_it(tabs: Tabs) -> None:
    page = tabs.open()
    for summary in page.locator("summary:visible").all():
        summary.click()
    page.evaluate("document.activeElement.blur()")
    controls = page.locator(":is(button, input, summary):visible:not(:disabled)")
    reached: set[Any] = set()
    # The list of rooms is renewed meanwhile, and each room has its buttons.
    for _ in range(2 * controls.count() + 4):
        page.keyboard.press("Tab")
        state = page.evaluate("""() => {
          const e = document.activeElement, style = getComputedStyle(e);
          if (e === document.body) return null;
          e.dataset.reached ??= String(document.querySelectorAll('[data-reached]').length);
          return [e.dataset.reached, style.outlineStyle, parseFloat(style.outlineWidth) >= 2];
        }""")
        if state:
            assert state[1:] == ["solid", True], state
            reached.add(state[0])
    assert len(reached) == controls.count()


def test_play_begins_by_keyboard_alone(tabs: Tabs) -> None:
    page = tabs.open()
    page.keyboard.press("Tab")
    page.keyboard.type("Ada")
    button = page.locator('.game[data-game="coins"]').get_by_role("button", name="Play")
    for _ in range(6):
        page.keyboard.press("Tab")
        if button.evaluate("b => b === document.activeElement"):
            break
    page.keyboard.press("Enter")
    expect(page.locator("#play")).to_be_visible()
    expect(page.locator("#panel")).to_contain_text("Ada")


@pytest.mark.parametrize("path", ["/", "/?game=coins&room={room}"])
def test_nothing_is_wider_than_a_small_phone(tabs: Tabs, server: Server, path: str) -> None:
    page = tabs.open(path.format(room=standing(server)), NARROW)
    page.locator("summary:visible").first.click()
    page.get_by_label("Your name").fill("x" * 40)
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW[0]
    page.get_by_role("button", name="Share").first.click()
    box = page.locator("#share-dialog").bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= NARROW[0]


def test_the_kill_tells_every_rooms_tick_before_and_after(tabs: Tabs, server: Server) -> None:
    page, pid, room = tabs.open(), server.worker(), standing(server)
    page.get_by_role("button", name="Kill the server").first.click()
    table = page.locator("#lobby-killed table")
    expect(table).to_be_visible()
    expect(page.locator("#lobby-killed")).to_contain_text(f"Process {pid} was killed")
    assert server.worker() != pid
    cells = table.locator("tr").filter(has_text=room[:6]).locator("td").all_inner_texts()
    before, after = (int(text.replace(",", "")) for text in cells[1:])
    assert after >= before > 0
    expect(page.locator("#lobby-state")).to_have_text("Live")


def test_names_are_text_whatever_is_in_them(tabs: Tabs, server: Server) -> None:
    room = private_room(tabs.open())
    tabs.open().evaluate(JOIN, ["coins", room, TRICKS])
    page = tabs.open(f"/?game=coins&room={room}", NARROW)
    page.get_by_label("Your name").fill("Ada")
    page.get_by_role("button", name="Join this room").click()
    seats = page.locator("#panel section", has=page.get_by_role("heading", name="Players ("))
    expect(seats).to_contain_text("<img src=x onerror='evil")
    page.wait_for_timeout(500)
    assert page.locator("#panel img").count() == 0
    assert page.evaluate("typeof evil") == "undefined"
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW[0]
    shown = seats.locator("tbody bdi").all_inner_texts()
    assert not any(re.search("[\u200b-\u200f\u202a-\u202e\u2066-\u2069]", name) for name in shown)
    assert all(name.strip() for name in shown)
    rows = {text: row for row in seats.locator("tbody tr").all() if (text := row.inner_text())}
    alike = [text for text in rows if re.match(r"(Ada|\u0410d\u0430)\s*#\d+", text)]
    assert len(alike) == 3, rows.keys()
    assert sum("you" in text for text in alike) == 1
    heights = [box["height"] for row in rows.values() if (box := row.bounding_box())]
    assert max(heights) < 1.5 * min(heights)
