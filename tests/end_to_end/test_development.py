"""With --dev: a game that raises stands still until it is saved again, and its page says why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.end_to_end.browser import opened
from tests.end_to_end.server import Server, serve, until

WALK = '''
"""Walk: go about."""
from holdfast import Entity, Game, Input, Inputs, Match, Player, fixed

class Walker(Entity):
    x: float = fixed(1 / 64)
    y: float = fixed(1 / 64)

class Walk(Game):
    entities = (Walker,)

    def join(self, match: Match, player: Player) -> None:
        match.spawn(Walker(owner=player))

    def step(self, match: Match, inputs: Inputs[Input]) -> None:
        for walker in match.all(Walker):
            walker.x += 1 / 64
'''
RAISES = WALK.replace("walker.x += 1 / 64", "walker.speed += 1 / 64")
# Brains that are offered seats, and refused once, come no more; this raises without anybody.
ALWAYS_RAISES = WALK.replace("        for", "        match.room.speed += 1\n        for")
NO_PYTHON = WALK.replace("class Walk(Game):", "class Walk(Game:")
LINE = 1 + RAISES.splitlines().index("            walker.speed += 1 / 64")
FLAGS = ("--games", "./walk.py", "--open", "walk?bots=1")


def mistakes(server: Server) -> Any:
    return server.ask("/api/mistakes")


def test_a_room_stands_still_where_the_game_raises_and_goes_on_when_it_is_saved(
    tmp_path: Path,
) -> None:
    file = tmp_path / "walk.py"
    file.write_text(WALK)
    with serve(tmp_path, *FLAGS, "--dev") as server:
        until(lambda: server.rooms() and server.rooms()[0]["tick"] > 5)
        assert mistakes(server) == {"file": None, "rooms": {}}
        file.write_text(RAISES)
        until(lambda: mistakes(server)["rooms"])
        [(room, fault)] = mistakes(server)["rooms"].items()
        assert fault.startswith("Walk.step raised AttributeError: 'Walker' object has no attribute")
        assert fault.endswith(f" (walk.py:{LINE})")
        assert str(tmp_path) not in fault
        assert f"room {room} stands still after tick " in server.log()
        until(lambda: server.rooms()[0]["status"] == "paused")
        [stopped] = server.rooms()
        assert stopped["room"] == room
        # What is saved next may be wrong again: the room stands still for both reasons.
        file.write_text(NO_PYTHON)
        until(lambda: mistakes(server)["file"])
        told = mistakes(server)
        assert told["file"].startswith("game './walk.py' does not load: SyntaxError: ")
        assert "(walk.py:9)" in told["file"]
        assert list(told["rooms"]) == [room]
        file.write_text(RAISES)
        worker = server.worker()
        until(lambda: server.worker() != worker)
        until(lambda: mistakes(server) == {"file": None, "rooms": {room: fault}})
        assert server.rooms()[0]["tick"] == stopped["tick"], "no tick was made meanwhile"
        file.write_text(WALK)
        until(lambda: mistakes(server) == {"file": None, "rooms": {}})
        until(lambda: server.rooms()[0]["tick"] > stopped["tick"])
        assert [one["room"] for one in server.rooms()] == [room]
        assert "exited with" not in server.log(), "a reload is not told as a crash"
        assert server.log().count("; reloading") == 3


def test_without_dev_a_game_that_raises_ends_its_room_and_nothing_is_told_of_its_file(
    tmp_path: Path,
) -> None:
    """The control: production neither waits for an author nor shows a file."""
    (tmp_path / "walk.py").write_text(ALWAYS_RAISES)
    with serve(tmp_path, *FLAGS) as server:
        until(lambda: "failed again, it ends" in server.log())
        assert "stands still" not in server.log()
        # Told to whoever runs the server, in its log.
        assert f"(walk.py:{LINE - 1})" in server.log()
        assert server.get("/api/mistakes")[0] == 403


def test_a_neighbour_that_the_game_imports_is_watched_too(tmp_path: Path) -> None:
    neighbour = tmp_path / "pace.py"
    neighbour.write_text("PACE = 1 / 64\n")
    game = "from pace import PACE\n" + WALK.replace("x += 1 / 64", "x += PACE")
    (tmp_path / "walk.py").write_text(game)
    with serve(tmp_path, *FLAGS, "--dev") as server:
        worker = server.worker()
        neighbour.write_text("PACE = 1 / 32\n")
        until(lambda: server.worker() != worker)


@pytest.mark.browser
def test_the_page_says_what_is_wrong_until_it_is_repaired(tmp_path: Path, browser: Browser) -> None:
    file = tmp_path / "walk.py"
    file.write_text(WALK)
    with serve(tmp_path, *FLAGS, "--dev") as server, opened(browser) as tab:
        page = tab.page
        page.goto(f"http://127.0.0.1:{server.port}/")
        page.get_by_label("Your name").fill("Ada")
        page.get_by_role("button", name="Play").first.click()
        tab.live()
        banner = page.locator("#mistakes")
        expect(banner).to_be_hidden()
        file.write_text(NO_PYTHON)
        expect(banner).to_contain_text("by the rules before: game './walk.py' does not load")
        expect(banner).to_contain_text("(walk.py:9)")
        tab.live()
        file.write_text(RAISES)
        expect(page.locator("#state")).to_have_text("Paused")
        expect(banner).to_contain_text("stands still and goes on when the file is saved again: ")
        expect(banner).to_contain_text(f"(walk.py:{LINE})")
        expect(page.locator("#ended")).to_be_hidden()
        seat = tab.seat
        file.write_text(WALK)
        expect(banner).to_be_hidden()
        tab.live()
        assert tab.seat == seat
