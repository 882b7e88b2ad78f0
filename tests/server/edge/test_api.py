"""What plain HTTP requests are told of a server, its games and its rooms."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from server.core.lifecycle import State
from server.edge.api import BOTS_USUAL, ROOMS_LISTED_MAX, Api, Site
from server.edge.files import Files
from server.edge.request import Request, Response
from shared.schema import describe
from tests.server.core.yard import Cave, Yard
from tests.server.edge.desk import Desk
from tests.server.host.rig import player
from tests.simulation.loop import virtually


class Counter:
    """An API over a desk; asks it, and reads its JSON."""

    def __init__(self, desk: Desk, tmp_path: Path, **site: Any) -> None:
        page = tmp_path / "client" / "page"
        page.mkdir(parents=True, exist_ok=True)
        (page / "index.html").write_text("the page that plays")
        self.desk = desk
        self.site = Site("9.8.7", True, ("http://192.0.2.1:80",), {"yard": "A yard."}, {}, **site)
        files = Files({"/client/": tmp_path / "client"})
        rig = desk.rig
        self.api = Api(rig.host, files, self.site, rig.clock, rig.metrics)

    async def ask(self, target: str, method: str = "GET", **headers: str) -> Response:
        path, _, query = target.partition("?")
        fields = dict(part.split("=") for part in query.split("&")) if query else {}
        asked = Request(method, path, fields, headers, b"", "192.0.2.7", "Play.example:8080")
        return await self.api.answer(asked)

    async def json(self, target: str, status: int = 200, method: str = "GET", **more: str) -> Any:
        response = await self.ask(target, method, **more)
        assert response.status == status, response.body
        assert response.content_type == "application/json"
        return json.loads(response.body)


def test_health_is_told_without_a_look_at_the_store(tmp_path: Path) -> None:
    async def scenario() -> None:
        why: list[str | None] = [None]
        desk = await Desk().start()
        counter = Counter(desk, tmp_path, ready=lambda: why[0])
        desk.rig.store.away = True
        assert (await counter.ask("/liveness_check")).body == b"ok\n"
        assert (await counter.ask("/readiness_check")).status == 200
        why[0] = "draining"
        answer = await counter.ask("/readiness_check", "HEAD")
        assert (answer.status, answer.body) == (503, b"draining\n")
        assert (await counter.ask("/liveness_check")).status == 200

    virtually(scenario())


def test_metrics_are_told_as_text(tmp_path: Path) -> None:
    async def scenario() -> None:
        desk = await Desk().start()
        counter = Counter(desk, tmp_path, gauges=lambda: {"rooms": 3.0})
        desk.rig.metrics.count("frames_total", 5)
        answer = await counter.ask("/metrics")
        assert answer.content_type.startswith("text/plain; version=0.0.4")
        assert b"\nholdfast_frames_total 5\n" in answer.body
        assert b"\nholdfast_rooms 3.0\n" in answer.body

    virtually(scenario())


@pytest.mark.parametrize("path", ["/api/status", "/api/games"])
def test_the_games_are_told_as_a_page_needs_them(tmp_path: Path, path: str) -> None:
    async def scenario() -> None:
        desk = await Desk(Yard(), Cave()).start()
        counter = Counter(desk, tmp_path, pid=77, bots={"cave": 5})
        told = await counter.json(path)
        assert (told["name"], told["version"], told["development"]) == ("Holdfast", "9.8.7", True)
        assert (told["pid"], told["lan"]) == (77, ["http://192.0.2.1:80"])
        yard, cave = told["games"]
        assert (yard["name"], yard["title"], yard["description"]) == ("yard", "Yard", "A yard.")
        assert (yard["web"], yard["page"], yard["seats"], yard["tick_rate"]) == (False, None, 4, 20)
        assert (yard["bots"], cave["bots"], cave["description"]) == (BOTS_USUAL, 5, "")
        assert yard["options"] == json.loads(json.dumps(describe(Yard())[3]))

    virtually(scenario())


def test_rooms_are_listed_but_not_private_ones(tmp_path: Path) -> None:
    async def scenario() -> None:
        desk = await Desk(Yard(), Cave()).start()
        counter = Counter(desk, tmp_path)
        assert await counter.json("/api/rooms") == {"rooms": []}
        ada = await desk.call("Ada", bots=2)
        bob = await desk.call("Bob", "cave")
        await desk.call("Cid", private=True)
        await desk.seconds(3)
        listed = (await counter.json("/api/rooms"))["rooms"]
        assert listed == sorted(listed, key=lambda told: told["room"])
        first, second = sorted(listed, key=lambda told: told["game"], reverse=True)
        room = await desk.rig.host.reach(first["room"])
        assert room is not None
        assert ada.session.welcome is not None
        assert bob.session.welcome is not None
        assert first["room"] == ada.session.welcome.room
        assert second["room"] == bob.session.welcome.room
        counts = [first[key] for key in ("players", "bots", "spectators", "seats", "finished")]
        assert counts == [1, 2, 0, 4, False]
        # The directory is told every second that time passes, and at once of what else changes.
        assert room.match.tick - 20 < first["tick"] <= room.match.tick
        assert (first["tick_rate"], first["owner"]) == (20, desk.rig.host.name)
        assert (first["age_s"], first["epoch"], first["game"]) == (4, room.epoch, "yard")
        assert (await counter.json("/api/rooms?game=cave"))["rooms"] == [second]
        assert (await counter.json("/api/rooms?game=chess"))["rooms"] == []
        assert await counter.json(f"/api/rooms/{first['room']}") == first
        await desk.stop()

    virtually(scenario())


def test_a_list_of_rooms_is_bounded(tmp_path: Path) -> None:
    async def scenario() -> None:
        desk = await Desk().start()
        counter = Counter(desk, tmp_path)
        await desk.rig.enter("Ada")
        await desk.seconds(0.5)
        [one] = await desk.rig.exchange.listings()
        crowd = [replace(one, room=f"crowd{n:05}") for n in range(ROOMS_LISTED_MAX + 5)]
        await desk.rig.exchange.announce(crowd)
        assert len((await counter.json("/api/rooms"))["rooms"]) == ROOMS_LISTED_MAX
        await desk.stop()

    virtually(scenario())


def test_a_certain_room_is_told_private_or_over(tmp_path: Path) -> None:
    async def scenario() -> None:
        desk = await Desk().start()
        counter = Counter(desk, tmp_path)
        ada = await desk.call("Ada", private=True)
        room = desk.only_room()
        [told] = (await counter.json(f"/api/rooms?room={room.id}"))["rooms"]
        assert (told["room"], told["private"], told["players"]) == (room.id, True, 1)
        assert (await counter.json(f"/api/rooms/{room.id}/result", 404))["error"] == "no result"
        ada.post(None, "finish")
        await desk.seconds(3)
        assert await desk.rig.host.reach(room.id) is None
        over = await counter.json(f"/api/rooms?room={room.id}")
        assert over == {"rooms": [], "result": {"by": "Ada"}}
        assert await counter.json(f"/api/rooms/{room.id}/result") == {"by": "Ada"}
        [one] = (await counter.json(f"/api/rooms/{room.id}/results"))["results"]
        assert (one["match"], one["result"]) == (1, {"by": "Ada"})
        assert one["tick"] > 0
        assert await counter.json(f"/api/rooms/{'z' * 20}/results") == {"results": []}
        assert await counter.json("/api/rooms?room=NO") == {"rooms": [], "result": None}
        assert await counter.json(f"/api/rooms?room={'z' * 20}") == {"rooms": [], "result": None}
        await desk.stop()

    virtually(scenario())


@pytest.mark.parametrize(
    "path",
    [
        f"/api/rooms/{'z' * 20}",
        f"/api/rooms/{'z' * 20}/inputs",
        f"/api/rooms/{'z' * 20}/result",
        "/api/rooms/UPPER/inputs",
        "/api/rooms/short",
        "/api/rooms/",
        "/api/",
        "/api/nothing",
    ],
)
def test_what_is_not_there_is_404_with_a_sentence(tmp_path: Path, path: str) -> None:
    async def scenario() -> None:
        desk = await Desk().start()
        told = await Counter(desk, tmp_path).json(path, 404)
        assert told["error"].startswith(("there is no", "no result"))

    virtually(scenario())


def test_no_get_wakes_a_room_that_sleeps(tmp_path: Path) -> None:
    async def scenario() -> None:
        desk = await Desk().start()
        counter = Counter(desk, tmp_path)
        ada = await desk.call("Ada", private=True)
        room = desk.only_room()
        assert (await counter.json(f"/api/rooms/{room.id}/inputs"))["room"] == room.id
        room.leave(ada.session.player)
        await desk.seconds(3)
        assert room.life.state is State.ASLEEP
        for path, status in (("", 200), ("/inputs", 404), ("/result", 404)):
            await counter.json(f"/api/rooms/{room.id}{path}", status)
        await counter.json(f"/api/rooms?room={room.id}")
        await desk.seconds(1)
        assert not desk.rig.host.rooms()
        bob = await desk.call("Bob", room=room.id)
        assert bob.session.welcome is not None
        assert bob.session.welcome.room == room.id, "the control: a JOIN wakes it"
        await desk.stop()

    virtually(scenario())


def test_inputs_are_counted_from_committed_rows_only(tmp_path: Path) -> None:
    async def scenario() -> None:
        desk = await Desk().start()
        counter = Counter(desk, tmp_path)
        ada = await desk.call("Ada", bots=1)
        room = desk.only_room()
        for _ in range(5):
            ada.post(1)
        await desk.seconds(0.5)
        path = f"/api/rooms/{room.id}/inputs"
        told = await counter.json(path)
        row = player(room, "Ada")
        assert told["players"][str(row.id)] == {"seq": 5, "applied": 3, "skipped": 2}
        assert len(told["players"]) == 2
        assert (told["room"], told["tick"]) == (room.id, room.match.tick)
        ada.post(1)
        desk.rig.store.answering.clear()
        await desk.seconds(0.2)
        asking = desk.rig.clock.now()
        error = await counter.json(path, 503)
        assert error == {"error": "the room's tick is not committed"}
        assert 0.5 < desk.rig.clock.now() - asking < 5
        desk.rig.store.answering.set()
        assert (await counter.json(path))["players"][str(row.id)]["seq"] == 6
        await desk.stop()

    virtually(scenario())


def test_an_author_is_told_of_the_file_and_of_rooms_that_stand_still(tmp_path: Path) -> None:
    async def scenario() -> None:
        mistakes = ["SyntaxError: invalid syntax (yard.py:3)"]
        desk = await Desk(development=True).start()
        call = await desk.call("Ada")
        safe = Counter(desk, tmp_path)
        assert "--dev" in (await safe.json("/api/mistakes", 403))["error"]
        counter = Counter(desk, tmp_path, mistake=lambda: mistakes[-1])
        assert await counter.json("/api/mistakes") == {"file": mistakes[0], "rooms": {}}
        assert call is not None
        room = desk.only_room()
        room.fail("the game failed: ValueError: no", "yard.py:9")
        fault = "the game failed: ValueError: no (yard.py:9)"
        told = await counter.json("/api/mistakes")
        assert told == {"file": mistakes[0], "rooms": {room.id: fault}}
        await desk.stop()

    virtually(scenario())


def test_only_a_development_server_is_killed_and_only_by_its_own_page(tmp_path: Path) -> None:
    async def scenario() -> None:
        kills: list[int] = []
        desk = await Desk().start()
        await desk.call("Ada")
        safe = Counter(desk, tmp_path)
        assert "--dev" in (await safe.json("/api/kill", 403, "POST"))["error"]
        counter = Counter(desk, tmp_path, pid=5, kill=lambda: kills.append(1))
        stranger = await counter.json("/api/kill", 403, "POST", origin="http://evil.example")
        assert stranger["error"] == "this page is not of this server"
        assert (await counter.ask("/api/kill")).status == 405
        assert kills == []
        room = desk.only_room()
        for headers in ({}, {"origin": "http://play.example:8080"}):
            told = await counter.json("/api/kill", 202, "POST", **headers)
            assert told == {"pid": 5, "rooms": {room.id: room.census.tick}}
        assert kills == [1, 1]
        await desk.stop()

    virtually(scenario())


@pytest.mark.parametrize(
    ("path", "method", "allowed"),
    [
        ("/api/status", "POST", "GET"),
        ("/metrics", "DELETE", "GET"),
        ("/api/kill", "GET", "POST"),
        ("/api/kill", "HEAD", "POST"),
    ],
)
def test_another_method_is_refused_and_the_right_one_named(
    tmp_path: Path, path: str, method: str, allowed: str
) -> None:
    async def scenario() -> None:
        desk = await Desk().start()
        answer = await Counter(desk, tmp_path).ask(path, method)
        assert answer.status == 405
        assert answer.headers == (("Allow", allowed),)
        assert answer.body == f"{path} takes {allowed}\n".encode()

    virtually(scenario())


def test_json_is_not_kept_by_caches(tmp_path: Path) -> None:
    async def scenario() -> None:
        desk = await Desk().start()
        answer = await Counter(desk, tmp_path).ask("/api/status", "HEAD")
        assert (answer.status, answer.headers) == (200, (("Cache-Control", "no-store"),))

    virtually(scenario())


def test_the_root_is_the_page_and_the_rest_are_files(tmp_path: Path) -> None:
    async def scenario() -> None:
        desk = await Desk().start()
        counter = Counter(desk, tmp_path)
        for path in ("/", "/client/page/index.html"):
            assert (await counter.ask(path)).body == b"the page that plays"
        for path in ("/nothing", "/client/../secret", "/client/nothing.js"):
            answer = await counter.ask(path)
            assert answer.status == 404

    virtually(scenario())
