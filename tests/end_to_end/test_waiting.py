"""What the page says while it waits: for a seat, for its room, for a store or for its author."""

from __future__ import annotations

import resource
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, WebSocketRoute, expect

from tests.end_to_end.browser import PATIENCE_MS, Tab, opened
from tests.end_to_end.server import Server, serve, until

pytestmark = [pytest.mark.browser, pytest.mark.slow]

STILL = "the room stands still on the server"
WALK = '''
"""Walk: go about."""
from holdfast import Entity, Game, Input, Inputs, Match, Player, i16

class Walker(Entity):
    x: int = i16()

class Walk(Game):
    entities = (Walker,)

    def join(self, match: Match, player: Player) -> None:
        match.spawn(Walker(owner=player))

    def step(self, match: Match, inputs: Inputs[Input]) -> None:
        for walker in match.all(Walker):
            walker.x = 1
'''


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server, None, None]:
    """A server of coins, with SQLite."""
    with serve(tmp_path_factory.mktemp("waiting")) as server:
        yield server


@pytest.fixture
def tab(browser: Browser) -> Generator[Tab, None, None]:
    """A page, and longer patience with what it says than a test has with a page at rest."""
    expect.set_options(timeout=PATIENCE_MS)
    with opened(browser) as tab:
        yield tab


def press_play(page: Page, server: Server, name: str) -> None:
    page.goto(f"http://127.0.0.1:{server.port}/")
    page.get_by_label("Your name").fill(name)
    page.get_by_role("button", name="Play", exact=True).click()


def test_while_a_join_waits_nothing_else_can_be_pressed_and_it_can_be_given_up(
    tab: Tab, server: Server
) -> None:
    page = tab.page
    # The socket opens, and whoever is behind it says nothing; nor do polls bring an answer.
    page.route_web_socket("**/play", lambda socket: None)
    page.route("**/poll?welcome=1", lambda route: None)
    press_play(page, server, "Ada")
    waiting = page.locator("#waiting")
    expect(waiting).to_be_visible()
    expect(waiting).to_contain_text("Coins")
    expect(waiting).to_contain_text("Waiting for a seat")
    assert page.evaluate("document.getElementById('lobby').inert")
    play = page.get_by_role("button", name="Play", exact=True)
    play.focus()
    assert not play.evaluate("button => button === document.activeElement")
    waiting.get_by_role("button", name="To the lobby").click()
    expect(waiting).to_be_hidden()
    expect(play).to_be_enabled()
    expect(page.locator("#notice")).to_be_hidden()


def test_a_reload_before_the_room_shows_leaves_no_second_seat(tab: Tab, server: Server) -> None:
    page = tab.page
    answers: list[WebSocketRoute] = []

    def withhold(socket: WebSocketRoute) -> None:
        first = not answers
        behind = socket.connect_to_server()
        answers.append(behind)
        # The first JOIN arrives, and its WELCOME does not.
        behind.on_message(lambda message: None if first else socket.send(message))

    page.route_web_socket("**/play", withhold)
    press_play(page, server, "Ada")
    page.wait_for_function("() => document.getElementById('waiting-what').textContent !== ''")
    until(lambda: sum(room["players"] for room in server.rooms("coins")) == 1)
    page.reload()
    page.get_by_role("button", name="Play", exact=True).click()
    tab.live()
    [room] = server.rooms("coins")
    assert room["players"] == 1


def test_a_reload_while_the_store_is_away_says_so_and_comes_back(tab: Tab, tmp_path: Path) -> None:
    with serve(tmp_path) as server:
        page = tab.page
        press_play(page, server, "Ada")
        tab.live()
        seat, worker, no_limit = tab.seat, server.worker(), resource.RLIM_INFINITY
        resource.prlimit(worker, resource.RLIMIT_FSIZE, (1024, no_limit))
        expect(page.locator("#state")).to_have_text("Paused")
        page.reload()
        waiting = page.locator("#waiting")
        expect(waiting).to_contain_text(f"Taking up your seat: {STILL}.")
        expect(waiting).to_contain_text("Coins")
        resource.prlimit(worker, resource.RLIMIT_FSIZE, (no_limit, no_limit))
        tab.live()
        expect(waiting).to_be_hidden()
        assert tab.seat == seat


def test_a_reload_while_the_author_mends_the_game_says_so_and_comes_back(
    tab: Tab, tmp_path: Path
) -> None:
    file = tmp_path / "walk.py"
    file.write_text(WALK)
    with serve(tmp_path, "--games", "./walk.py", "--dev") as server:
        page = tab.page
        press_play(page, server, "Ada")
        tab.live()
        file.write_text(WALK.replace("walker.x = 1", "walker.speed = 1"))
        expect(page.locator("#state")).to_have_text("Paused")
        page.reload()
        expect(page.locator("#waiting")).to_contain_text(STILL)
        expect(page.locator("#mistakes")).to_contain_text("no attribute 'speed'")
        seat = tab.seat
        file.write_text(WALK)
        tab.live()
        expect(page.locator("#waiting")).to_be_hidden()
        assert tab.seat == seat


def test_a_server_that_will_not_have_the_page_says_so_at_once(tab: Tab, tmp_path: Path) -> None:
    with serve(tmp_path, "--origins", "https://elsewhere.example") as server:
        page = tab.page
        press_play(page, server, "Ada")
        expect(page.locator("#notice")).to_contain_text("pages from this origin may not poll")
        expect(page.locator("#waiting")).to_be_hidden()
        expect(page.get_by_role("button", name="Play", exact=True)).to_be_enabled()


# Joins, plays a moment and leaves, again and again; how many rooms found no row of their own.
JOIN_AND_LEAVE = """async (count) => {
  const { Room, join } = await import("/client/index.js");
  globalThis.Room = Room;
  let wrong = 0;
  for (let i = 0; i < count; i++) {
    const room = await join("coins", { name: `p${i}`, fresh: true });
    if (!room.latest.one("Runner", { owner: room.player })) wrong++;
    room.sample(() => ({ x: 1, y: 0 }));
    room.on("added", "Coin", () => {});
    room.view(performance.now());
    room.leave();
  }
  return wrong;
}"""


def test_of_rooms_that_a_page_left_nothing_is_left(tab: Tab, server: Server) -> None:
    page = tab.page
    # A page without scripts of its own.
    page.goto(f"http://127.0.0.1:{server.port}/client/page/page.css")
    devtools: Any = page.context.new_cdp_session(page)
    devtools.send("Performance.enable")

    def listeners() -> int:
        devtools.send("HeapProfiler.collectGarbage")
        found = devtools.send("Performance.getMetrics")["metrics"]
        return next(int(one["value"]) for one in found if one["name"] == "JSEventListeners")

    assert page.evaluate(JOIN_AND_LEAVE, 2) == 0
    before = listeners()
    assert page.evaluate(JOIN_AND_LEAVE, 30) == 0
    assert listeners() - before < 5
    kind = devtools.send("Runtime.evaluate", {"expression": "Room.prototype"})
    asked = {"prototypeObjectId": kind["result"]["objectId"]}
    rooms = devtools.send("Runtime.queryObjects", asked)["objects"]["objectId"]
    count = {
        "objectId": rooms,
        "functionDeclaration": "function () { return this.length; }",
        "returnByValue": True,
    }
    assert devtools.send("Runtime.callFunctionOn", count)["result"]["value"] < 5
